//! Snapshots that transactions hold, and taking them back when they grow too old.
//!
//! A snapshot pins the pages of redb that it reads, and every version of a row since: one that is held for long makes
//! file and memory grow. So each transaction that holds one is known here with the time it took it. The store's
//! housekeeping thread looks at them every few seconds ([`SnapshotHolds::expire`]):
//!
//! - a transaction that is idle loses its snapshot at once;
//! - a running statement is cancelled, and loses it at its end;
//! - either way, one that keeps its first snapshot (REPEATABLE READ and above) reads nothing any more: every statement
//!   is `SnapshotTooOld`. Under READ COMMITTED the next statement takes a new snapshot as ever.
//!
//! A transaction refers to its place here by a guard, the place to the transaction's state weakly. Locks are taken in the
//! order state, then this table; so `expire` copies what is due before it touches any state.

use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use parking_lot::{Mutex, RwLock};
use rustc_hash::FxHashMap;

use super::snapshot::Snapshot;
use super::transaction::TransactionState;
use crate::ids::Lsn;

/// A snapshot in use, as the system views show it.
#[derive(Clone, Copy, Debug)]
pub struct SnapshotInfo {
    pub lsn: Lsn,
    pub age: Duration,
    /// Of the session; 0 without one.
    pub process_id: u32,
    /// Kept to the end of the transaction; otherwise to that of the statement.
    pub is_kept: bool,
}

/// All snapshots that transactions of one store hold.
#[derive(Default)]
pub(crate) struct SnapshotHolds(Mutex<FxHashMap<u64, Held>>);

struct Held {
    lsn: Lsn,
    since: Instant,
    process_id: u32,
    is_kept: bool,
    state: Weak<RwLock<TransactionState>>,
}

/// Keeps a transaction's place in the table.
pub(crate) struct Hold {
    holds: Arc<SnapshotHolds>,
    transaction: u64,
    /// Tells this snapshot from an earlier one of the transaction.
    pub since: Instant,
}

/// What became of a snapshot that was too old.
pub(crate) enum Expiry {
    /// The transaction gave it back meanwhile, or was told before.
    Settled,
    /// A statement reads it, and has been told to end.
    Revoked,
    Taken(Arc<Snapshot>),
}

impl Drop for Hold {
    fn drop(&mut self) {
        self.holds.0.lock().remove(&self.transaction);
    }
}

impl SnapshotHolds {
    /// The transaction holds `snapshot` from now on, instead of the one that `guard` stood for.
    pub(super) fn hold(
        self: &Arc<Self>,
        guard: &mut Option<Hold>,
        transaction: u64,
        snapshot: &Snapshot,
        process_id: u32,
        is_kept: bool,
        state: &Arc<RwLock<TransactionState>>,
    ) {
        *guard = None;
        let since = Instant::now();
        let held = Held { lsn: snapshot.lsn, since, process_id, is_kept, state: Arc::downgrade(state) };
        self.0.lock().insert(transaction, held);
        *guard = Some(Hold { holds: Arc::clone(self), transaction, since });
    }

    /// In no order.
    pub fn infos(&self) -> Vec<SnapshotInfo> {
        let held = self.0.lock();
        let info = |held: &Held| SnapshotInfo {
            lsn: held.lsn,
            age: held.since.elapsed(),
            process_id: held.process_id,
            is_kept: held.is_kept,
        };
        held.values().map(info).collect()
    }

    /// Age of the oldest one; zero without any.
    pub fn oldest_age(&self) -> Duration {
        let oldest = self.0.lock().values().map(|held| held.since).min();
        oldest.map_or(Duration::ZERO, |since| since.elapsed())
    }

    /// Takes back what is older than `limit`; gives the number of snapshots found to be.
    pub fn expire(&self, limit: Duration) -> usize {
        let due: Vec<_> = {
            let held = self.0.lock();
            let due = held.values().filter(|held| held.since.elapsed() > limit);
            due.map(|held| (Weak::clone(&held.state), held.since, held.lsn, held.process_id, held.is_kept)).collect()
        };
        for (state, since, lsn, process_id, is_kept) in &due {
            let Some(state) = state.upgrade() else { continue };
            let expiry = state.write().expire(*since, *is_kept);
            match expiry {
                Expiry::Settled => {}
                Expiry::Revoked => {
                    tracing::warn!(process_id, %lsn, ?limit, "a statement's snapshot is too old: it is cancelled");
                }
                Expiry::Taken(snapshot) => {
                    tracing::warn!(process_id, %lsn, ?limit, "a snapshot was held for too long and is taken back");
                    // Freed outside the lock: it may be the last owner of much.
                    drop(snapshot);
                }
            }
        }
        due.len()
    }
}
