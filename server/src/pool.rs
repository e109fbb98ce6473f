//! The query pool: threads on which blocking engine calls run.
//!
//! Statements may block for long (an agent run waits for a model, COPY waits for its client, a lock wait for another
//! session), so a pool of fixed size could starve or deadlock. This one grows: a job finds an idle thread or gets a new
//! one, up to a limit that is at least one per connection; threads above the core size leave after being idle.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

use parking_lot::{Condvar, Mutex};
use tokio::sync::oneshot;

/// Deep plans and expressions recurse up to a depth of 256 in parser, binder and evaluator.
const STACK_SIZE_BYTES: usize = 16 << 20;
const IDLE_TIME: Duration = Duration::from_secs(10);

type Job = Box<dyn FnOnce() + Send>;

/// Cheap to clone; threads end when the last clone is gone and the queue is empty.
#[derive(Clone)]
pub struct QueryPool {
    inner: Arc<Inner>,
    _handle: Arc<PoolHandle>,
}

struct Inner {
    state: Mutex<State>,
    available: Condvar,
    core_threads: usize,
    max_threads: usize,
}

#[derive(Default)]
struct State {
    queue: VecDeque<Job>,
    idle_count: usize,
    thread_count: usize,
    closed: bool,
}

/// Closes the pool when the last [`QueryPool`] clone goes.
struct PoolHandle(Arc<Inner>);

impl Drop for PoolHandle {
    fn drop(&mut self) {
        self.0.state.lock().closed = true;
        self.0.available.notify_all();
    }
}

/// The job panicked, or the pool closed before it ran.
#[derive(Debug, Clone, thiserror::Error)]
#[error("the operation ended unexpectedly")]
pub struct JobLost;

impl QueryPool {
    /// `core_threads` stay alive; at most `max_threads` run at once, further jobs queue.
    pub fn new(core_threads: usize, max_threads: usize) -> QueryPool {
        let inner = Arc::new(Inner {
            state: Mutex::new(State::default()),
            available: Condvar::new(),
            core_threads: core_threads.max(1),
            max_threads: max_threads.max(core_threads).max(1),
        });
        QueryPool { _handle: Arc::new(PoolHandle(inner.clone())), inner }
    }

    /// Runs `job` on a thread of the pool. A panic ends the job, not the thread.
    pub fn submit(&self, job: impl FnOnce() + Send + 'static) {
        let mut state = self.inner.state.lock();
        state.queue.push_back(Box::new(job));
        if state.idle_count >= state.queue.len() {
            self.inner.available.notify_one();
            return;
        }
        if state.thread_count < self.inner.max_threads {
            state.thread_count += 1;
            let inner = self.inner.clone();
            let spawned = std::thread::Builder::new()
                .name("sinew-query".to_owned())
                .stack_size(STACK_SIZE_BYTES)
                .spawn(move || inner.work());
            if let Err(error) = spawned {
                state.thread_count -= 1;
                tracing::error!(%error, threads = state.thread_count, "cannot start a query thread; the job is queued");
            }
        }
    }

    /// Runs `job` and waits for what it returns.
    pub async fn run<T: Send + 'static>(&self, job: impl FnOnce() -> T + Send + 'static) -> Result<T, JobLost> {
        let (sender, receiver) = oneshot::channel();
        self.submit(move || {
            // The waiting side may be gone: a client that hung up does not want the answer.
            let _ = sender.send(job());
        });
        receiver.await.map_err(|_| JobLost)
    }

    /// Threads alive now.
    pub fn thread_count(&self) -> usize {
        self.inner.state.lock().thread_count
    }
}

impl Inner {
    fn work(&self) {
        let mut state = self.state.lock();
        loop {
            if let Some(job) = state.queue.pop_front() {
                drop(state);
                if catch_unwind(AssertUnwindSafe(job)).is_err() {
                    tracing::error!("a job of the query pool panicked");
                }
                state = self.state.lock();
                continue;
            }
            if state.closed {
                break;
            }
            state.idle_count += 1;
            let timed_out = self.available.wait_for(&mut state, IDLE_TIME).timed_out();
            state.idle_count -= 1;
            if timed_out && state.queue.is_empty() && state.thread_count > self.core_threads {
                break;
            }
        }
        state.thread_count -= 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Barrier;

    #[tokio::test]
    async fn blocked_jobs_do_not_starve_others() {
        let pool = QueryPool::new(1, 8);
        let barrier = Arc::new(Barrier::new(4));
        let jobs: Vec<_> = (0..4)
            .map(|i| {
                let (pool, barrier) = (pool.clone(), barrier.clone());
                tokio::spawn(async move {
                    pool.run(move || {
                        barrier.wait();
                        i
                    })
                    .await
                })
            })
            .collect();
        let mut sum = 0;
        for job in jobs {
            sum += job.await.expect("task").expect("job");
        }
        assert_eq!(sum, 6);
        assert!(pool.thread_count() >= 4);
    }

    #[tokio::test]
    async fn a_panic_is_reported_and_the_pool_lives() {
        let pool = QueryPool::new(1, 2);
        assert!(pool.run(|| -> i32 { panic!("boom") }).await.is_err());
        assert_eq!(pool.run(|| 7).await.expect("alive"), 7);
    }

    #[tokio::test]
    async fn jobs_above_the_limit_wait_their_turn() {
        let pool = QueryPool::new(1, 1);
        let all = futures::future::join_all((0..20).map(|i| pool.run(move || i))).await;
        assert_eq!(all.into_iter().map(|r| r.expect("job")).sum::<i32>(), 190);
        assert_eq!(pool.thread_count(), 1);
    }
}
