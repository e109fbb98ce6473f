//! The locks that one transaction holds: so that asking again costs nothing, and so that they can be released.
//!
//! While a savepoint is open, what is taken is also listed in order, as the write set lists what it may have to undo:
//! ROLLBACK TO releases the list down to the savepoint's position. Without a savepoint there is no list.

use rustc_hash::FxHashMap;

use super::{LockMode, LockTable, LockTarget, ModeSet, Owner};
use crate::ddl::RelationLock;

/// Locks that a transaction holds before it is tried to lock a relation instead of more of its rows.
pub(crate) const ESCALATION_LOCKS: usize = if cfg!(test) { 20_000 } else { 1_000_000 };
/// Locks between two such attempts, while somebody else uses the relation.
pub(crate) const ESCALATION_STEP: usize = 1_000;
/// Most locks of one transaction: about 1 GB of memory.
pub(crate) const MAX_LOCKS: usize = if cfg!(test) { 40_000 } else { 8_000_000 };

#[derive(Default)]
pub(crate) struct HeldLocks {
    modes: FxHashMap<LockTarget, ModeSet>,
    /// What was added since the oldest open savepoint.
    since_savepoint: Vec<(LockTarget, ModeSet)>,
    has_savepoint: bool,
}

impl HeldLocks {
    /// Locked targets.
    pub fn count(&self) -> usize {
        self.modes.len()
    }

    /// True when a lock at least as strong is held.
    pub fn covers(&self, target: LockTarget, mode: LockMode) -> bool {
        self.modes.get(&target).is_some_and(|held| mode.is_covered_by(*held))
    }

    /// True when a relation is locked in more than the mode of readers, or a row or a unique key at all.
    pub fn go_beyond_reading(&self) -> bool {
        let reading = LockMode::Relation(RelationLock::AccessShare).bit();
        self.modes.iter().any(|(target, held)| match target {
            LockTarget::Relation(_) => *held & !reading != 0,
            LockTarget::Row { .. } | LockTarget::Key { .. } => true,
            LockTarget::Advisory { .. } => false,
        })
    }

    pub fn add(&mut self, target: LockTarget, mode: LockMode) {
        let held = self.modes.entry(target).or_insert(0);
        let added = mode.bit() & !*held;
        *held |= added;
        if self.has_savepoint && added != 0 {
            self.since_savepoint.push((target, added));
        }
    }

    /// A savepoint is set: its position.
    pub fn mark(&mut self) -> usize {
        self.has_savepoint = true;
        self.since_savepoint.len()
    }

    /// No savepoint is open any more.
    pub fn forget_marks(&mut self) {
        self.has_savepoint = false;
        self.since_savepoint = Vec::new();
    }

    /// Releases what was taken since a savepoint's position.
    pub fn release_to(&mut self, position: usize, owner: Owner, table: &LockTable) {
        while self.since_savepoint.len() > position {
            let (target, added) = self.since_savepoint.pop().expect("the length was just checked");
            if let Some(held) = self.modes.get_mut(&target) {
                *held &= !added;
                if *held == 0 {
                    self.modes.remove(&target);
                }
            }
            table.release(owner, target, added);
        }
    }

    /// Releases everything.
    pub fn release_all(&mut self, owner: Owner, table: &LockTable) {
        self.forget_marks();
        for (target, held) in std::mem::take(&mut self.modes) {
            table.release(owner, target, held);
        }
    }
}
