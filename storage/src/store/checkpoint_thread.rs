//! The thread that keeps house while the store is open: it checkpoints derived state and takes back old snapshots.

use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex};

use super::StoreShared;
use crate::derived::DerivedState;
use crate::ids::Lsn;

/// Derived state is checkpointed in the background about this often while something is committed.
const CHECKPOINT_INTERVAL: Duration = Duration::from_secs(30);
/// Snapshots in use are looked at about this often.
const SNAPSHOT_INTERVAL: Duration = Duration::from_secs(5);
/// How often, and after how long each time, the checkpoint thread looks whether a state has become durable.
const DURABLE_ATTEMPTS: u32 = 40;
const DURABLE_STEP: Duration = Duration::from_millis(50);

/// Wakes the checkpoint thread to end it.
#[derive(Default)]
pub(super) struct StopSignal {
    stopped: Mutex<bool>,
    wake: Condvar,
}

impl StopSignal {
    pub fn give(&self) {
        *self.stopped.lock() = true;
        self.wake.notify_all();
    }

    /// Waits for the signal; true when it was given.
    fn wait(&self, patience: Duration) -> bool {
        let mut stopped = self.stopped.lock();
        if !*stopped {
            self.wake.wait_for(&mut stopped, patience);
        }
        *stopped
    }
}

/// Checkpoints derived state from time to time, while commits go on, and takes back snapshots that are too old (zero: none
/// is).
pub(super) fn keep_house(shared: &StoreShared, stop: &StopSignal, max_snapshot_age: Duration) {
    // What was rebuilt while opening gets its files at the first look.
    let mut checkpointed = Lsn(0);
    let mut looked = Instant::now();
    // A small limit, as in tests, wants a closer look.
    let interval = if max_snapshot_age.is_zero() { CHECKPOINT_INTERVAL } else { max_snapshot_age / 4 };
    let interval = interval.clamp(Duration::from_millis(50), SNAPSHOT_INTERVAL);
    let is_stopped = || *stop.stopped.lock();
    loop {
        if stop.wait(interval) {
            return;
        }
        if !max_snapshot_age.is_zero() {
            shared.holds.expire(max_snapshot_age);
        }
        if looked.elapsed() < CHECKPOINT_INTERVAL {
            continue;
        }
        looked = Instant::now();
        // Only what cannot be lost any more may be in a file.
        let Some((lsn, derived)) = durable_state(shared, stop, checkpointed) else { continue };
        // Unless something was put off.
        if derived.checkpoint(lsn, false, &is_stopped) {
            checkpointed = lsn;
        }
    }
}

/// The newest derived state, once its commits are durable; its rows are not held. None when it is not above `after`, when
/// the disk does not follow, or when the store is being closed.
fn durable_state(shared: &StoreShared, stop: &StopSignal, after: Lsn) -> Option<(Lsn, Arc<DerivedState>)> {
    let (lsn, derived) = {
        let snapshot = shared.published.current();
        (snapshot.lsn, Arc::clone(&snapshot.derived))
    };
    if lsn <= after {
        return None;
    }
    for _ in 0..DURABLE_ATTEMPTS {
        if shared.published.current().durable_lsn >= lsn {
            return Some((lsn, derived));
        }
        if stop.wait(DURABLE_STEP) {
            return None;
        }
    }
    None
}
