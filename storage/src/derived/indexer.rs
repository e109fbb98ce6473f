//! The background indexer: one thread per kind of search index, following commits in LSN order.
//!
//! The committer only enqueues ids ([`Indexer::enqueue`]); the thread takes everything pending at once, reads the rows of
//! the newest enqueued snapshot and publishes a base that contains all changes up to that LSN. Only committed, durable
//! rows reach it. A change that several commits made is read once, in its last state.
//!
//! Failure of an index is not failure of a commit: the index is rebuilt from rows, and after a failed rebuild that is
//! tried again with a later commit; meanwhile searches evaluate rows exactly.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use arc_swap::ArcSwapOption;
use parking_lot::{Condvar, Mutex};
use rustc_hash::FxHashMap;

use super::source::IndexSource;
use crate::catalog::IndexDef;
use crate::error::{Result, StorageError};
use crate::ids::{Lsn, RelationId};
use crate::store::{CancelToken, KvSnapshot};

/// An unchanged index is told the current LSN when its own lies this far back, so that the change log may be trimmed.
const MARK_LAG: u64 = 10_000;
/// How long a failed rebuild is left alone.
const RETRY_AFTER: Duration = Duration::from_secs(30);
/// Step of waits that also ask a cancel token.
const WAIT_STEP: Duration = Duration::from_millis(10);

/// A published state of a search index.
pub(crate) trait IndexBase: Send + Sync + 'static {
    /// Changes up to this LSN are in.
    fn indexed_lsn(&self) -> Lsn;
    /// The oldest snapshot that the base can serve.
    fn serves_from(&self) -> Lsn;
    fn memory_size_bytes(&self) -> usize;
}

/// LSNs of the first and the last pending change of an id.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ChangeSpan {
    pub first: Lsn,
    pub last: Lsn,
}

pub(crate) type PendingChanges = FxHashMap<u64, ChangeSpan>;

/// What a follower needs to know about an index.
pub(crate) struct IndexContext {
    pub def: Arc<IndexDef>,
    pub source: IndexSource,
}

/// Builds and moves the bases of one kind of index; runs on the indexer's thread only.
pub(crate) trait Follower: Send + 'static {
    type Base: IndexBase;

    /// A base of all rows. Gives up with `ShuttingDown` when `stop` is set.
    fn rebuild(
        &mut self,
        index: &IndexContext,
        rows: &KvSnapshot,
        lsn: Lsn,
        stop: &AtomicBool,
    ) -> Result<Arc<Self::Base>>;

    /// A base with the changes in, as of `lsn`.
    fn advance(
        &mut self,
        index: &IndexContext,
        base: &Arc<Self::Base>,
        changes: PendingChanges,
        rows: &KvSnapshot,
        lsn: Lsn,
    ) -> Result<Arc<Self::Base>>;

    /// The base, known to be complete up to `lsn` because nothing changed.
    fn mark(&mut self, index: &IndexContext, base: &Arc<Self::Base>, lsn: Lsn) -> Result<Arc<Self::Base>>;

    /// A piece of work that can wait (building a graph); None when there is none.
    fn background(&mut self, index: &IndexContext, base: &Arc<Self::Base>) -> Option<Arc<Self::Base>>;

    /// The index is gone.
    fn forget(&mut self, index: RelationId);

    /// Called when nothing has been pending for a while: release what is only needed while indexing.
    fn idle(&mut self);
}

/// The newest base of an index, shared by all snapshots since the index was created or reset.
pub(crate) struct IndexCell<B> {
    latest: ArcSwapOption<B>,
    /// The last rebuild failed: searches must not wait for one.
    failed: AtomicBool,
    published: (Mutex<()>, Condvar),
}

impl<B: IndexBase> IndexCell<B> {
    pub fn new() -> Arc<IndexCell<B>> {
        Arc::new(IndexCell {
            latest: ArcSwapOption::empty(),
            failed: AtomicBool::new(false),
            published: Default::default(),
        })
    }

    /// Gives a new cell the base that was loaded from files.
    pub fn preset(&self, base: Arc<B>) {
        self.latest.store(Some(base));
    }

    pub fn latest(&self) -> Option<Arc<B>> {
        self.latest.load_full()
    }

    fn publish(&self, base: Arc<B>) {
        self.latest.store(Some(base));
        self.failed.store(false, Ordering::Release);
        let _guard = self.published.0.lock();
        self.published.1.notify_all();
    }

    fn fail(&self) {
        self.failed.store(true, Ordering::Release);
        let _guard = self.published.0.lock();
        self.published.1.notify_all();
    }

    /// Waits until a base satisfies `enough`, a rebuild fails, or `timeout` passes; errors when cancelled.
    pub fn wait(&self, cancel: &CancelToken, timeout: Duration, enough: impl Fn(&B) -> bool) -> Result<Option<Arc<B>>> {
        let deadline = Instant::now() + timeout;
        loop {
            cancel.check()?;
            {
                let mut guard = self.published.0.lock();
                let latest = self.latest();
                if latest.as_deref().is_some_and(&enough)
                    || self.failed.load(Ordering::Acquire)
                    || Instant::now() >= deadline
                {
                    return Ok(latest);
                }
                self.published.1.wait_for(&mut guard, WAIT_STEP);
            }
        }
    }
}

struct Job<B> {
    context: Arc<IndexContext>,
    cell: Arc<IndexCell<B>>,
    pending: PendingChanges,
    rebuild: bool,
    retry_at: Option<Instant>,
}

struct Queue<B> {
    /// The newest rows and their LSN; every pending change is at or below it.
    rows: Option<(Lsn, KvSnapshot)>,
    jobs: BTreeMap<RelationId, Job<B>>,
    forgotten: Vec<RelationId>,
    /// What the follower holds for speed (writers and their lock files) is to be given back.
    release: bool,
    /// Indexes without pending changes may be marked as indexed up to here.
    mark: Option<Lsn>,
    pending_since: Option<Instant>,
    urgent: bool,
    /// The thread is at work on what it took.
    busy: bool,
}

struct Shared<B> {
    queue: Mutex<Queue<B>>,
    wake: Condvar,
    settled: Condvar,
    stop: AtomicBool,
    interval: Duration,
    batch_rows: usize,
}

/// Handle to the thread of one kind of index. Dropping it stops the thread.
pub(crate) struct Indexer<B: IndexBase> {
    shared: Arc<Shared<B>>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl<B: IndexBase> Indexer<B> {
    /// `interval`: how long changes may wait for company; `batch_rows`: how many may.
    pub fn start<F: Follower<Base = B>>(
        name: &str,
        follower: F,
        interval: Duration,
        batch_rows: usize,
    ) -> Result<Indexer<B>> {
        let shared = Arc::new(Shared {
            queue: Mutex::new(Queue {
                rows: None,
                jobs: BTreeMap::new(),
                forgotten: Vec::new(),
                mark: None,
                release: false,
                pending_since: None,
                urgent: false,
                busy: false,
            }),
            wake: Condvar::new(),
            settled: Condvar::new(),
            stop: AtomicBool::new(false),
            interval,
            batch_rows,
        });
        let worker = Arc::clone(&shared);
        let thread = std::thread::Builder::new()
            .name(name.to_owned())
            .spawn(move || run(&worker, follower))
            .map_err(|error| StorageError::Io(format!("thread {name}: {error}")))?;
        Ok(Indexer { shared, thread: Mutex::new(Some(thread)) })
    }

    /// Follows an index from now on. Without a base it is built from `rows`.
    pub fn follow(
        &self,
        context: IndexContext,
        cell: Arc<IndexCell<B>>,
        pending: PendingChanges,
        lsn: Lsn,
        rows: &KvSnapshot,
    ) {
        let mut queue = self.shared.queue.lock();
        let rebuild = cell.latest().is_none();
        if rebuild || !pending.is_empty() {
            queue.rows = Some((lsn, rows.clone()));
            queue.pending_since.get_or_insert_with(Instant::now);
            queue.urgent |= rebuild;
        }
        let id = context.def.id;
        queue.jobs.insert(id, Job { context: Arc::new(context), cell, pending, rebuild, retry_at: None });
        self.shared.wake.notify_one();
    }

    /// The definition of a followed index or its table changed.
    pub fn update_context(&self, context: IndexContext) {
        if let Some(job) = self.shared.queue.lock().jobs.get_mut(&context.def.id) {
            job.context = Arc::new(context);
        }
    }

    pub fn forget(&self, index: RelationId) {
        let mut queue = self.shared.queue.lock();
        if queue.jobs.remove(&index).is_some() {
            queue.forgotten.push(index);
            queue.pending_since.get_or_insert_with(Instant::now);
            self.shared.wake.notify_one();
        }
    }

    /// Hands over what a batch of commits changed, per index. `rows` are those of `lsn`.
    pub fn enqueue(&self, lsn: Lsn, rows: &KvSnapshot, changes: &[(RelationId, Vec<(u64, Lsn)>)]) {
        let mut queue = self.shared.queue.lock();
        let mut pending_count = 0;
        for (index, changes) in changes {
            let Some(job) = queue.jobs.get_mut(index) else { continue };
            if !job.rebuild {
                for (id, lsn) in changes {
                    job.pending.entry(*id).or_insert(ChangeSpan { first: *lsn, last: *lsn }).last = *lsn;
                }
                pending_count += job.pending.len();
            }
        }
        queue.rows = Some((lsn, rows.clone()));
        queue.pending_since.get_or_insert_with(Instant::now);
        queue.urgent |= pending_count >= self.shared.batch_rows;
        self.shared.wake.notify_one();
    }

    /// Every change up to `lsn` has been enqueued: indexes that lag far behind without pending changes may say so.
    pub fn mark(&self, lsn: Lsn) {
        let mut queue = self.shared.queue.lock();
        let lags = |base: Arc<B>| base.indexed_lsn().0 + MARK_LAG < lsn.0;
        if queue.jobs.values().any(|job| job.cell.latest().is_some_and(lags)) {
            queue.mark = Some(lsn);
            queue.pending_since.get_or_insert_with(Instant::now);
            self.shared.wake.notify_one();
        }
    }

    /// Does not wait for more changes.
    pub fn hurry(&self) {
        let mut queue = self.shared.queue.lock();
        if queue.pending_since.is_some() {
            queue.urgent = true;
            self.shared.wake.notify_one();
        }
    }

    /// Has the follower give back writers and lock files once it is done with what is pending.
    pub fn release(&self) {
        let mut queue = self.shared.queue.lock();
        queue.release = true;
        queue.pending_since.get_or_insert_with(Instant::now);
        self.shared.wake.notify_one();
    }

    /// Waits until everything enqueued so far is indexed, or `timeout` passes. True when it is.
    pub fn settle(&self, timeout: Duration) -> bool {
        let deadline = Instant::now() + timeout;
        let mut queue = self.shared.queue.lock();
        loop {
            if queue.pending_since.is_none() && !queue.busy {
                return true;
            }
            queue.urgent = true;
            self.shared.wake.notify_one();
            if self.shared.settled.wait_until(&mut queue, deadline).timed_out() {
                return false;
            }
        }
    }
}

impl<B: IndexBase> Drop for Indexer<B> {
    fn drop(&mut self) {
        self.shared.stop.store(true, Ordering::Release);
        {
            let _queue = self.shared.queue.lock();
            self.shared.wake.notify_all();
        }
        if let Some(thread) = self.thread.lock().take()
            && thread.thread().id() != std::thread::current().id()
        {
            // A panic of the thread was logged when it happened.
            let _ = thread.join();
        }
    }
}

/// One index's share of a round.
struct Work<B> {
    context: Arc<IndexContext>,
    cell: Arc<IndexCell<B>>,
    task: Task,
}

enum Task {
    Rebuild,
    Advance(PendingChanges),
    /// Nothing changed up to this LSN.
    Mark(Lsn),
}

/// Everything a round does, taken from the queue at once.
struct Round<B> {
    release: bool,
    rows: Option<(Lsn, KvSnapshot)>,
    work: Vec<Work<B>>,
    forgotten: Vec<RelationId>,
}

fn run<F: Follower>(shared: &Shared<F::Base>, mut follower: F) {
    const IDLE_AFTER: Duration = Duration::from_secs(10);
    let mut last_work = Instant::now();
    let mut is_idle = true;
    while !shared.stop.load(Ordering::Acquire) {
        let round = next_round(shared);
        if shared.stop.load(Ordering::Acquire) {
            return;
        }
        let Some(round) = round else {
            // Nothing is pending: use the time for work that can wait.
            if !run_background(shared, &mut follower) {
                if !is_idle && last_work.elapsed() >= IDLE_AFTER {
                    follower.idle();
                    is_idle = true;
                }
                let mut queue = shared.queue.lock();
                if queue.pending_since.is_none() && !shared.stop.load(Ordering::Acquire) {
                    let patience = if is_idle { Duration::from_secs(3_600) } else { Duration::from_secs(1) };
                    shared.wake.wait_for(&mut queue, patience);
                }
            }
            continue;
        };
        round.forgotten.iter().for_each(|index| follower.forget(*index));
        for work in round.work {
            run_one(shared, &mut follower, work, round.rows.as_ref());
        }
        // Give the pinned rows back before reporting that the work is done.
        drop(round.rows);
        last_work = Instant::now();
        is_idle = round.release;
        if round.release {
            follower.idle();
        }
        let mut queue = shared.queue.lock();
        queue.busy = false;
        shared.settled.notify_all();
    }
}

/// Waits for company of what is pending, then takes it. None when nothing is pending.
fn next_round<B: IndexBase>(shared: &Shared<B>) -> Option<Round<B>> {
    let mut queue = shared.queue.lock();
    let since = queue.pending_since?;
    let deadline = since + shared.interval;
    while !queue.urgent && Instant::now() < deadline && !shared.stop.load(Ordering::Acquire) {
        shared.wake.wait_until(&mut queue, deadline);
    }
    let queue = &mut *queue;
    (queue.pending_since, queue.urgent, queue.busy) = (None, false, true);
    let now = Instant::now();
    let mark = queue.mark.take();
    let mut work = Vec::new();
    for job in queue.jobs.values_mut() {
        if job.retry_at.is_some_and(|at| at > now) {
            continue;
        }
        let is_stale = |lsn: Lsn| job.cell.latest().is_some_and(|base| base.indexed_lsn().0 + MARK_LAG < lsn.0);
        let task = if job.rebuild {
            Task::Rebuild
        } else if !job.pending.is_empty() {
            Task::Advance(std::mem::take(&mut job.pending))
        } else if let Some(lsn) = mark.filter(|lsn| is_stale(*lsn)) {
            Task::Mark(lsn)
        } else {
            continue;
        };
        (job.rebuild, job.retry_at) = (false, None);
        work.push(Work { context: Arc::clone(&job.context), cell: Arc::clone(&job.cell), task });
    }
    Some(Round {
        release: std::mem::take(&mut queue.release),
        rows: queue.rows.take(),
        work,
        forgotten: std::mem::take(&mut queue.forgotten),
    })
}

fn run_one<F: Follower>(
    shared: &Shared<F::Base>,
    follower: &mut F,
    work: Work<F::Base>,
    rows: Option<&(Lsn, KvSnapshot)>,
) {
    let name = &work.context.def.name;
    let base = work.cell.latest();
    let result = catch_unwind(AssertUnwindSafe(|| {
        let followed = match (work.task, &base, rows) {
            (Task::Mark(lsn), Some(base), _) => Some(follower.mark(&work.context, base, lsn)),
            (Task::Advance(changes), Some(base), Some((lsn, rows))) => {
                Some(follower.advance(&work.context, base, changes, rows, *lsn))
            }
            _ => None,
        };
        match (followed, rows) {
            (Some(Ok(next)), _) => return Ok(next),
            (Some(Err(error)), _) => tracing::warn!(index = %name, %error, "index could not follow; rebuilding it"),
            (None, _) => {}
        }
        let (lsn, rows) = rows.ok_or_else(|| StorageError::Internal("no rows to rebuild the index from".to_owned()))?;
        follower.rebuild(&work.context, rows, *lsn, &shared.stop)
    }))
    .unwrap_or_else(|_| Err(StorageError::Internal("the indexer panicked".to_owned())));
    match result {
        Ok(next) => work.cell.publish(next),
        Err(StorageError::ShuttingDown) => {}
        Err(error) => {
            tracing::error!(index = %name, %error, "index could not be built; searches scan its rows");
            work.cell.fail();
            let mut queue = shared.queue.lock();
            if let Some(job) = queue.jobs.get_mut(&work.context.def.id)
                && Arc::ptr_eq(&job.cell, &work.cell)
            {
                job.rebuild = true;
                job.pending.clear();
                job.retry_at = Some(Instant::now() + RETRY_AFTER);
            }
        }
    }
}

/// One step of background work of one index. False when no index has any.
fn run_background<F: Follower>(shared: &Shared<F::Base>, follower: &mut F) -> bool {
    let jobs: Vec<_> =
        shared.queue.lock().jobs.values().map(|job| (Arc::clone(&job.context), Arc::clone(&job.cell))).collect();
    for (context, cell) in jobs {
        let Some(base) = cell.latest() else { continue };
        let step = catch_unwind(AssertUnwindSafe(|| follower.background(&context, &base)));
        match step {
            Ok(Some(next)) => {
                cell.publish(next);
                return true;
            }
            Ok(None) => {}
            Err(_) => tracing::error!(index = %context.def.name, "background indexing panicked"),
        }
    }
    false
}
