//! Session-level advisory locks: counted, and held until they are given back or the session ends, whatever becomes of
//! transactions meanwhile.

use std::sync::Arc;

use parking_lot::Mutex;
use rustc_hash::FxHashMap;

use super::{AdvisoryKey, LockMode, LockOutcome, LockRequest, LockTarget, LockWait, Owner};
use crate::error::Result;
use crate::store::{Store, Transaction};

/// The advisory locks of one session. Dropping it releases them.
pub struct SessionLocks {
    store: Arc<Store>,
    owner: Owner,
    held: Mutex<Held>,
}

#[derive(Default)]
struct Held {
    counts: FxHashMap<LockTarget, Counts>,
    /// What the running statement took and did not give back, of what is in `counts`.
    of_statement: FxHashMap<LockTarget, Counts>,
}

/// How often each mode was taken and not given back.
#[derive(Clone, Copy, Default)]
struct Counts {
    shared: u64,
    exclusive: u64,
}

impl Counts {
    fn of(&mut self, is_shared: bool) -> &mut u64 {
        if is_shared { &mut self.shared } else { &mut self.exclusive }
    }
}

impl Held {
    fn take(&mut self, target: LockTarget, is_shared: bool) {
        for counts in [&mut self.counts, &mut self.of_statement] {
            *counts.entry(target).or_default().of(is_shared) += 1;
        }
    }
}

impl SessionLocks {
    /// `process_id` names the session, and its transactions (see [`Transaction::set_session`]).
    pub fn new(store: &Arc<Store>, process_id: i32) -> SessionLocks {
        SessionLocks {
            store: Arc::clone(store),
            owner: Owner::session(process_id.unsigned_abs()),
            held: Mutex::default(),
        }
    }

    /// Takes the lock once more; false when it is not free and the request is not to wait. `transaction` is the one that
    /// asks: its cancel token and lock timeout bound the wait. Errors with `Deadlock`, `LockTimeout`, `Cancelled`,
    /// `StatementTimeout`.
    pub fn lock(&self, transaction: &Transaction, key: AdvisoryKey, is_shared: bool, wait: LockWait) -> Result<bool> {
        let target = LockTarget::from(key);
        {
            let mut held = self.held.lock();
            if held.counts.get_mut(&target).is_some_and(|counts| *counts.of(is_shared) > 0) {
                held.take(target, is_shared);
                return Ok(true);
            }
        }
        let request = LockRequest { owner: self.owner, target, mode: LockMode::advisory(is_shared), wait };
        if self.store.locks().acquire(request, || transaction.patience())? == LockOutcome::Skipped {
            return Ok(false);
        }
        self.held.lock().take(target, is_shared);
        Ok(true)
    }

    /// A statement begins, which may be run again.
    pub fn mark_statement(&self) {
        self.held.lock().of_statement.clear();
    }

    /// The statement is run again: what it took is given back, or it would hold it twice. What it gave back of what was
    /// held before it stays given back, since others may have it by now.
    pub fn undo_statement(&self) {
        let mut held = self.held.lock();
        for (target, counts) in std::mem::take(&mut held.of_statement) {
            for (is_shared, count) in [(true, counts.shared), (false, counts.exclusive)] {
                for _ in 0..count {
                    self.give_back(&mut held, target, is_shared);
                }
            }
        }
    }

    /// Gives the lock back once; false when it is not held in this mode.
    pub fn unlock(&self, key: AdvisoryKey, is_shared: bool) -> bool {
        let target = LockTarget::from(key);
        let mut held = self.held.lock();
        if let Some(counts) = held.of_statement.get_mut(&target) {
            let count = counts.of(is_shared);
            *count = count.saturating_sub(1);
        }
        self.give_back(&mut held, target, is_shared)
    }

    fn give_back(&self, held: &mut Held, target: LockTarget, is_shared: bool) -> bool {
        let Some(counts) = held.counts.get_mut(&target) else { return false };
        let count = counts.of(is_shared);
        if *count == 0 {
            return false;
        }
        *count -= 1;
        if *count == 0 {
            self.store.locks().release(self.owner, target, LockMode::advisory(is_shared).bit());
        }
        if counts.shared == 0 && counts.exclusive == 0 {
            held.counts.remove(&target);
        }
        true
    }

    /// Gives everything back.
    pub fn unlock_all(&self) {
        for target in std::mem::take(&mut *self.held.lock()).counts.into_keys() {
            self.store.locks().release(self.owner, target, LockMode::Exclusive.kin_bits());
        }
    }
}

impl Drop for SessionLocks {
    fn drop(&mut self) {
        self.unlock_all();
    }
}
