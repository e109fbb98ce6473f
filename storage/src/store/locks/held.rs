//! The locks that one transaction holds: so that asking again costs nothing, and so that they can be released.
//!
//! While a savepoint is open, what is taken is also listed in order, as the write set lists what it may have to undo:
//! ROLLBACK TO releases the list down to the savepoint's position. Without a savepoint there is no list.

use std::sync::Arc;

use rustc_hash::FxHashMap;

use super::listed::ListedKeys;
use super::{LockMode, LockTable, LockTarget, ModeSet, Owner};
use crate::ddl::RelationLock;
use crate::ids::RelationId;

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
    /// Keys of bulk loads, one list an index.
    lists: Vec<Arc<ListedKeys>>,
    listed_count: usize,
}

impl HeldLocks {
    /// Locked targets.
    pub fn count(&self) -> usize {
        self.modes.len() + self.listed_count
    }

    /// The list that more keys of an index may be added to, `added` of them. None while a savepoint is open: what is
    /// listed stays to the end.
    pub fn list_for(
        &mut self,
        index: RelationId,
        added: usize,
        owner: Owner,
        table: &LockTable,
    ) -> Option<Arc<ListedKeys>> {
        if self.has_savepoint {
            return None;
        }
        self.listed_count += added;
        if let Some(list) = self.lists.iter().find(|list| list.index == index) {
            return Some(Arc::clone(list));
        }
        let list = table.new_list(owner, index);
        self.lists.push(Arc::clone(&list));
        Some(list)
    }

    /// True when a lock at least as strong is held.
    pub fn covers(&self, target: LockTarget, mode: LockMode) -> bool {
        self.modes.get(&target).is_some_and(|held| mode.is_covered_by(*held))
    }

    /// True when a relation is locked in more than the mode of readers, or a row or a unique key at all.
    pub fn go_beyond_reading(&self) -> bool {
        let reading = LockMode::Relation(RelationLock::AccessShare).bit();
        !self.lists.is_empty()
            || self.modes.iter().any(|(target, held)| match target {
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
        for list in std::mem::take(&mut self.lists) {
            table.release_list(&list);
        }
        self.listed_count = 0;
    }
}
