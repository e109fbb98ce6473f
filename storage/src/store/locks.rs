//! Relation locks: PostgreSQL's eight modes, its conflict matrix, first come first served, deadlock detection.
//!
//! One table under one mutex. A request that conflicts with a granted lock of another transaction, or with one that
//! waits before it, waits on the condition variable. The waits-for graph is searched from the requester when it starts
//! to wait and each time it wakes without being served: whoever finds itself on a cycle gives up.

use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex};
use rustc_hash::{FxHashMap, FxHashSet};

use super::CancelToken;
use crate::ddl::RelationLock;
use crate::error::{Result, StorageError};
use crate::ids::RelationId;

/// How often a waiter looks at its cancel token and for deadlocks.
const POLL_INTERVAL: Duration = Duration::from_millis(20);

/// Transaction as the lock table knows it.
pub(crate) type OwnerId = u64;

/// Bit set of modes.
type ModeSet = u8;

fn bit(mode: RelationLock) -> ModeSet {
    1 << mode as u8
}

/// PostgreSQL's `LockConflicts`.
fn conflicts(mode: RelationLock) -> ModeSet {
    use RelationLock::*;
    let modes: &[RelationLock] = match mode {
        AccessShare => &[AccessExclusive],
        RowShare => &[Exclusive, AccessExclusive],
        RowExclusive => &[Share, ShareRowExclusive, Exclusive, AccessExclusive],
        ShareUpdateExclusive => &[ShareUpdateExclusive, Share, ShareRowExclusive, Exclusive, AccessExclusive],
        Share => &[RowExclusive, ShareUpdateExclusive, ShareRowExclusive, Exclusive, AccessExclusive],
        ShareRowExclusive => {
            &[RowExclusive, ShareUpdateExclusive, Share, ShareRowExclusive, Exclusive, AccessExclusive]
        }
        Exclusive => {
            &[RowShare, RowExclusive, ShareUpdateExclusive, Share, ShareRowExclusive, Exclusive, AccessExclusive]
        }
        AccessExclusive => &[
            AccessShare,
            RowShare,
            RowExclusive,
            ShareUpdateExclusive,
            Share,
            ShareRowExclusive,
            Exclusive,
            AccessExclusive,
        ],
    };
    modes.iter().fold(0, |set, mode| set | bit(*mode))
}

#[derive(Default)]
struct RelationLocks {
    granted: FxHashMap<OwnerId, ModeSet>,
    /// In order of arrival.
    waiting: Vec<(OwnerId, RelationLock)>,
}

impl RelationLocks {
    /// Transactions that `owner` has to wait for.
    fn blockers(&self, owner: OwnerId, mode: RelationLock) -> Vec<OwnerId> {
        let conflicting = conflicts(mode);
        let granted = self.granted.iter().filter(|(other, held)| **other != owner && **held & conflicting != 0);
        // Those who hold a lock here already are not held up by strangers in the queue: they could never be served.
        let holds = self.granted.contains_key(&owner);
        let before = self.waiting.iter().take_while(|(other, _)| *other != owner);
        let queued = before.filter(|(_, wanted)| !holds && bit(*wanted) & conflicting != 0);
        granted.map(|(other, _)| *other).chain(queued.map(|(other, _)| *other)).collect()
    }
}

#[derive(Default)]
pub(crate) struct LockTable {
    relations: Mutex<FxHashMap<RelationId, RelationLocks>>,
    released: Condvar,
}

/// Modes a transaction holds, so that asking again costs nothing.
#[derive(Default)]
pub(crate) struct HeldLocks(FxHashMap<RelationId, ModeSet>);

impl HeldLocks {
    /// True when a lock at least as strong is held.
    pub fn covers(&self, relation: RelationId, mode: RelationLock) -> bool {
        let Some(held) = self.0.get(&relation) else { return false };
        held & bit(mode) != 0 || {
            // A mode covers another when it conflicts with everything the other conflicts with.
            ALL.iter().any(|m| held & bit(*m) != 0 && conflicts(*m) & conflicts(mode) == conflicts(mode))
        }
    }

    pub fn add(&mut self, relation: RelationId, mode: RelationLock) {
        *self.0.entry(relation).or_insert(0) |= bit(mode);
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

const ALL: [RelationLock; 8] = [
    RelationLock::AccessShare,
    RelationLock::RowShare,
    RelationLock::RowExclusive,
    RelationLock::ShareUpdateExclusive,
    RelationLock::Share,
    RelationLock::ShareRowExclusive,
    RelationLock::Exclusive,
    RelationLock::AccessExclusive,
];

impl LockTable {
    /// Grants the lock or waits for it. True when it had to wait. Errors with `Deadlock`, `LockTimeout`, `Cancelled`
    /// and `StatementTimeout`.
    pub fn acquire(
        &self,
        owner: OwnerId,
        relation: RelationId,
        mode: RelationLock,
        cancel: &CancelToken,
        timeout: Option<Duration>,
    ) -> Result<bool> {
        let mut relations = self.relations.lock();
        let locks = relations.entry(relation).or_default();
        if locks.blockers(owner, mode).is_empty() {
            *locks.granted.entry(owner).or_insert(0) |= bit(mode);
            return Ok(false);
        }
        locks.waiting.push((owner, mode));
        let deadline = timeout.map(|timeout| Instant::now() + timeout);
        let outcome = loop {
            if is_deadlocked(&relations, owner) {
                break Err(StorageError::Deadlock {
                    detail: format!("the transaction waits for {mode:?} on relation {relation} in a cycle"),
                });
            }
            if let Err(error) = cancel.check() {
                break Err(error);
            }
            if deadline.is_some_and(|deadline| Instant::now() >= deadline) {
                break Err(StorageError::LockTimeout);
            }
            self.released.wait_for(&mut relations, POLL_INTERVAL);
            let locks = relations.entry(relation).or_default();
            if locks.blockers(owner, mode).is_empty() {
                *locks.granted.entry(owner).or_insert(0) |= bit(mode);
                break Ok(true);
            }
        };
        if let Some(locks) = relations.get_mut(&relation) {
            locks.waiting.retain(|(other, _)| *other != owner);
        }
        // Others may have queued behind this request.
        self.released.notify_all();
        outcome
    }

    /// Releases everything the transaction holds.
    pub fn release_all(&self, owner: OwnerId, held: &HeldLocks) {
        if held.is_empty() {
            return;
        }
        let mut relations = self.relations.lock();
        let mut somebody_waits = false;
        for relation in held.0.keys() {
            if let Some(locks) = relations.get_mut(relation) {
                locks.granted.remove(&owner);
                somebody_waits |= !locks.waiting.is_empty();
                if locks.granted.is_empty() && locks.waiting.is_empty() {
                    relations.remove(relation);
                }
            }
        }
        if somebody_waits {
            self.released.notify_all();
        }
    }
}

/// Depth-first search for a path from `start` back to itself.
fn is_deadlocked(relations: &FxHashMap<RelationId, RelationLocks>, start: OwnerId) -> bool {
    let waits_for = |owner: OwnerId| -> Vec<OwnerId> {
        relations
            .values()
            .filter_map(|locks| locks.waiting.iter().find(|(other, _)| *other == owner).map(|(_, mode)| (locks, *mode)))
            .flat_map(|(locks, mode)| locks.blockers(owner, mode))
            .collect()
    };
    let mut seen = FxHashSet::default();
    let mut stack = waits_for(start);
    while let Some(owner) = stack.pop() {
        if owner == start {
            return true;
        }
        if seen.insert(owner) {
            stack.extend(waits_for(owner));
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    const A: RelationId = RelationId(1);
    const B: RelationId = RelationId(2);

    #[test]
    fn the_matrix_is_symmetric() {
        for a in ALL {
            for b in ALL {
                assert_eq!(conflicts(a) & bit(b) != 0, conflicts(b) & bit(a) != 0, "{a:?} {b:?}");
            }
        }
    }

    #[test]
    fn readers_share_and_a_writer_waits() {
        let table = LockTable::default();
        let none = CancelToken::default();
        table.acquire(1, A, RelationLock::AccessShare, &none, None).unwrap();
        table.acquire(2, A, RelationLock::RowExclusive, &none, None).unwrap();
        let timeout = Some(Duration::from_millis(30));
        let refused = table.acquire(3, A, RelationLock::AccessExclusive, &none, timeout);
        assert!(matches!(refused, Err(StorageError::LockTimeout)));
        table.acquire(3, A, RelationLock::AccessShare, &none, None).unwrap();
    }

    #[test]
    fn one_of_a_cycle_is_told() {
        let table = Arc::new(LockTable::default());
        let none = CancelToken::default();
        table.acquire(1, A, RelationLock::AccessExclusive, &none, None).unwrap();
        table.acquire(2, B, RelationLock::AccessExclusive, &none, None).unwrap();
        let other = std::thread::spawn({
            let table = Arc::clone(&table);
            move || {
                let result = table.acquire(2, A, RelationLock::AccessShare, &CancelToken::default(), None);
                let mut held = HeldLocks::default();
                held.add(A, RelationLock::AccessShare);
                held.add(B, RelationLock::AccessExclusive);
                table.release_all(2, &held);
                result.is_err()
            }
        });
        let mine = table.acquire(1, B, RelationLock::AccessShare, &none, Some(Duration::from_secs(10))).is_err();
        let mut held = HeldLocks::default();
        held.add(A, RelationLock::AccessExclusive);
        held.add(B, RelationLock::AccessShare);
        table.release_all(1, &held);
        assert_ne!(mine, other.join().unwrap(), "exactly one gives up");
    }

    #[test]
    fn a_cancelled_wait_ends() {
        let table = LockTable::default();
        let token = CancelToken::default();
        table.acquire(1, A, RelationLock::Exclusive, &token, None).unwrap();
        token.cancel();
        let refused = table.acquire(2, A, RelationLock::Exclusive, &token, None);
        assert!(matches!(refused, Err(StorageError::Cancelled)));
    }
}
