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
    held: Mutex<FxHashMap<LockTarget, Counts>>,
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
        if let Some(counts) = self.held.lock().get_mut(&target)
            && *counts.of(is_shared) > 0
        {
            *counts.of(is_shared) += 1;
            return Ok(true);
        }
        let request = LockRequest { owner: self.owner, target, mode: LockMode::advisory(is_shared), wait };
        if self.store.locks().acquire(request, || transaction.patience())? == LockOutcome::Skipped {
            return Ok(false);
        }
        *self.held.lock().entry(target).or_default().of(is_shared) += 1;
        Ok(true)
    }

    /// Gives the lock back once; false when it is not held in this mode.
    pub fn unlock(&self, key: AdvisoryKey, is_shared: bool) -> bool {
        let target = LockTarget::from(key);
        let mut held = self.held.lock();
        let Some(counts) = held.get_mut(&target) else { return false };
        let count = counts.of(is_shared);
        if *count == 0 {
            return false;
        }
        *count -= 1;
        if *count == 0 {
            self.store.locks().release(self.owner, target, LockMode::advisory(is_shared).bit());
        }
        if counts.shared == 0 && counts.exclusive == 0 {
            held.remove(&target);
        }
        true
    }

    /// Gives everything back.
    pub fn unlock_all(&self) {
        for (target, _) in self.held.lock().drain() {
            self.store.locks().release(self.owner, target, LockMode::Exclusive.kin_bits());
        }
    }
}

impl Drop for SessionLocks {
    fn drop(&mut self) {
        self.unlock_all();
    }
}
