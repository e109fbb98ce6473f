//! The queue of commits, and who serves it.
//!
//! At any time at most one thread serves: a transaction's own thread, or the committer's.
//!
//! ```text
//! nobody serves   a commit comes:  its own thread serves one batch, its own commit in it: no other thread has to wake up
//! somebody serves   a commit comes:  it waits in the queue
//! a transaction's thread has served its batch   the queue is empty:  nobody serves
//!                                               it is not:  the committer's thread serves until it is
//! ```
//!
//! Whatever does not belong to one transaction (checkpoints, the end, what was committed without waiting for the disk) is
//! the committer's thread's from the beginning.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex};

use super::committer::{CommitRequest, Request};
use crate::error::{Result, StorageError};

/// Most write sets in one batch.
const BATCH_SETS: usize = 512;
/// No further set joins a batch above this size, in bytes.
const BATCH_BYTES: usize = 8 << 20;

/// The committer's thread waits at least this long for one that serves.
const SHORTEST_WAIT: Duration = Duration::from_millis(1);

pub(super) struct CommitQueue {
    state: Mutex<State>,
    handed_over: Condvar,
}

struct State {
    requests: VecDeque<Request>,
    is_served: bool,
    /// It is the committer's thread that serves, or is about to.
    is_handed_over: bool,
    is_closed: bool,
    last_served: Instant,
}

/// Who has to see to a request that was queued.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Server {
    Caller,
    Other,
}

/// Why the committer's thread wakes up.
pub(super) enum Turn {
    /// Requests were handed over: it serves.
    Requests,
    /// Nobody has served for this long: it serves, to do what is due.
    Idle(Duration),
}

impl CommitQueue {
    pub fn new() -> CommitQueue {
        let state = State {
            requests: VecDeque::new(),
            is_served: false,
            is_handed_over: false,
            is_closed: false,
            last_served: Instant::now(),
        };
        CommitQueue { state: Mutex::new(state), handed_over: Condvar::new() }
    }

    pub fn len(&self) -> usize {
        self.state.lock().requests.len()
    }

    /// Queues a request. The caller may be told to serve it when it offers to, with [`Self::next_batch`] and then
    /// [`Self::end_turn`]. Errors with `ShuttingDown`.
    pub fn push(&self, request: Request, offers_to_serve: bool) -> Result<Server> {
        let state = &mut *self.state.lock();
        if state.is_closed {
            return Err(StorageError::ShuttingDown);
        }
        state.requests.push_back(request);
        if state.is_served {
            return Ok(Server::Other);
        }
        state.is_served = true;
        if offers_to_serve {
            return Ok(Server::Caller);
        }
        state.is_handed_over = true;
        self.handed_over.notify_one();
        Ok(Server::Other)
    }

    /// The commits at the front of the queue, as many as go together; none when it is empty or something else is first.
    pub fn next_batch(&self) -> Vec<CommitRequest> {
        let mut state = self.state.lock();
        let (mut batch, mut size_bytes) = (Vec::new(), 0);
        while batch.len() < BATCH_SETS && size_bytes < BATCH_BYTES {
            // A spilled set is a batch of its own.
            let fits = match state.requests.front() {
                Some(Request::Commit(next)) => batch.is_empty() || next.spill.is_none(),
                _ => false,
            };
            if !fits {
                break;
            }
            let Some(Request::Commit(request)) = state.requests.pop_front() else { break };
            let is_spilled = request.spill.is_some();
            size_bytes += if request.attachment.is_some() || is_spilled { 0 } else { request.writes.size_bytes() };
            batch.push(request);
            if is_spilled {
                break;
            }
        }
        batch
    }

    /// What is first in the queue, when it is not a commit.
    pub fn next_order(&self) -> Option<Request> {
        let mut state = self.state.lock();
        match state.requests.front() {
            Some(Request::Commit(_)) | None => None,
            Some(_) => state.requests.pop_front(),
        }
    }

    /// The thread of a transaction has served its batch.
    pub fn end_turn(&self) {
        let state = &mut *self.state.lock();
        state.last_served = Instant::now();
        if state.requests.is_empty() {
            state.is_served = false;
        } else {
            state.is_handed_over = true;
            self.handed_over.notify_one();
        }
    }

    /// The committer's thread has nothing left to serve; false when something has come meanwhile.
    pub fn rest(&self) -> bool {
        let state = &mut *self.state.lock();
        if state.requests.is_empty() {
            state.last_served = Instant::now();
            state.is_served = false;
            state.is_handed_over = false;
            return true;
        }
        false
    }

    /// The committer's thread waits for its turn, which it has from then on until [`Self::rest`]; at most until nobody has
    /// served for `idle`.
    pub fn wait_for_turn(&self, idle: Duration) -> Turn {
        let mut state = self.state.lock();
        loop {
            if state.is_handed_over {
                return Turn::Requests;
            }
            let silence = state.last_served.elapsed();
            if state.is_served {
                // A transaction's thread; it hands over or ends its turn.
                self.handed_over.wait_for(&mut state, idle.max(SHORTEST_WAIT));
                continue;
            }
            if silence >= idle {
                state.is_served = true;
                state.is_handed_over = true;
                return Turn::Idle(silence);
            }
            self.handed_over.wait_for(&mut state, idle - silence);
        }
    }

    /// No request is taken any more; those left are dropped, which their waiters see.
    pub fn close(&self) {
        let left = {
            let state = &mut *self.state.lock();
            state.is_closed = true;
            std::mem::take(&mut state.requests)
        };
        drop(left);
    }
}
