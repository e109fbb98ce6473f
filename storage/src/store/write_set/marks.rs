//! Statements and savepoints: marks, and the way back to them.
//!
//! A mark that was set when the map was empty needs no undo list: going back to it empties the map. That is so for the
//! first statement of a transaction, however much it writes, and for every mark once the map was frozen (`freeze.rs`). The
//! keyspaces that stay in memory are a half of their own, with the same rule.
//!
//! What was appended to a run is not in the undo list: a mark remembers how long each run was.

use std::sync::Arc;

use super::{KeyspaceWrites, WriteEntry, WriteSet, entry_size};
use crate::error::{Result, StorageError};
use crate::store::Keyspace;

pub(super) enum Undo {
    Entry { keyspace: Keyspace, key: Arc<[u8]>, previous: Option<WriteEntry> },
    Cleared { keyspace: Keyspace, previous: KeyspaceWrites },
}

impl Undo {
    pub(super) fn keyspace(&self) -> Keyspace {
        match self {
            Undo::Entry { keyspace, .. } | Undo::Cleared { keyspace, .. } => *keyspace,
        }
    }

    fn size_bytes(&self) -> usize {
        let own = size_of::<Undo>();
        match self {
            Undo::Entry { key, previous: Some(previous), .. } => own + entry_size(key, &previous.value),
            Undo::Entry { previous: None, .. } => own,
            Undo::Cleared { previous, .. } => own + previous.size_bytes(),
        }
    }
}

pub(super) struct Mark {
    /// None for a statement.
    savepoint: Option<String>,
    pub(super) undo_len: usize,
    pub(super) change_count: usize,
    /// Layers that were frozen before.
    pub(super) layer_count: usize,
    rescan_count: usize,
    /// The map held something that can be spilled.
    pub(super) had_map: bool,
    /// Lengths of the runs, of those that had begun.
    pub(super) run_lengths: Vec<(Keyspace, usize)>,
    /// The map held something that stays in memory.
    had_resident: bool,
    /// Of a savepoint: where the list of the transaction's locks stood.
    lock_position: usize,
}

impl Mark {
    pub(super) fn run_length(&self, keyspace: Keyspace) -> usize {
        self.run_lengths.iter().find(|(known, _)| *known == keyspace).map_or(0, |(_, length)| *length)
    }
}

impl WriteSet {
    /// A statement begins. Locks that it takes outlive it.
    pub fn mark_statement(&mut self) {
        self.push_mark(None, 0);
    }

    /// A savepoint is set; `lock_position` is given back when it is rolled back to.
    pub fn mark_savepoint(&mut self, name: String, lock_position: usize) {
        self.push_mark(Some(name), lock_position);
    }

    fn push_mark(&mut self, savepoint: Option<String>, lock_position: usize) {
        let begun = self.keyspaces.iter().filter(|(_, writes)| !writes.run.is_empty());
        let mark = Mark {
            run_lengths: begun.map(|(keyspace, writes)| (*keyspace, writes.run.len())).collect(),
            savepoint,
            undo_len: self.undo.len(),
            change_count: self.changes.len(),
            layer_count: self.layers.len(),
            rescan_count: self.rescans.len(),
            had_map: self.keyspaces.keys().any(|keyspace| !keyspace.stays_in_memory()),
            had_resident: self.keyspaces.keys().any(|keyspace| keyspace.stays_in_memory()),
            lock_position,
        };
        self.marks.push(mark);
    }

    pub fn has_savepoint(&self) -> bool {
        self.newest_lock_position().is_some()
    }

    /// Lock position of the savepoint that was set last and is still there.
    pub fn newest_lock_position(&self) -> Option<usize> {
        self.marks.iter().rev().find(|mark| mark.savepoint.is_some()).map(|mark| mark.lock_position)
    }

    /// Keeps what the innermost statement wrote.
    pub fn release_statement(&mut self) {
        if let Some(at) = self.marks.iter().rposition(|mark| mark.savepoint.is_none()) {
            self.marks.remove(at);
        }
        self.forget_unneeded_undo();
    }

    /// Takes back what the innermost statement wrote, savepoints set within it included.
    pub fn rollback_statement(&mut self) {
        if let Some(at) = self.marks.iter().rposition(|mark| mark.savepoint.is_none()) {
            self.rollback_to_mark(at);
            self.marks.truncate(at);
        }
        self.forget_unneeded_undo();
    }

    /// Gives the lock position that the savepoint was set with. Errors with `SavepointNotFound`.
    pub fn rollback_to_savepoint(&mut self, name: &str) -> Result<usize> {
        let at = self.savepoint_position(name)?;
        self.rollback_to_mark(at);
        self.marks.truncate(at + 1);
        Ok(self.marks[at].lock_position)
    }

    pub fn release_savepoint(&mut self, name: &str) -> Result<()> {
        let at = self.savepoint_position(name)?;
        // A statement mark that is still open keeps its place; savepoints set after the released one go with it.
        let mut position = 0;
        self.marks.retain(|mark| {
            position += 1;
            position <= at || mark.savepoint.is_none()
        });
        self.forget_unneeded_undo();
        Ok(())
    }

    fn savepoint_position(&self, name: &str) -> Result<usize> {
        self.marks
            .iter()
            .rposition(|mark| mark.savepoint.as_deref() == Some(name))
            .ok_or_else(|| StorageError::SavepointNotFound(name.to_owned()))
    }

    /// Some mark has to be gone back to by undoing writes of the keyspace.
    pub(super) fn records_undo(&self, keyspace: Keyspace) -> bool {
        let is_resident = keyspace.stays_in_memory();
        self.marks.iter().any(|mark| if is_resident { mark.had_resident } else { mark.had_map })
    }

    pub(super) fn push_undo(&mut self, undo: Undo) {
        if !undo.keyspace().stays_in_memory() {
            self.sizes.undo += undo.size_bytes();
        }
        self.undo.push(undo);
    }

    pub(super) fn pop_undo(&mut self) -> Option<Undo> {
        let undo = self.undo.pop()?;
        if !undo.keyspace().stays_in_memory() {
            self.sizes.undo = self.sizes.undo.saturating_sub(undo.size_bytes());
        }
        Some(undo)
    }

    fn forget_unneeded_undo(&mut self) {
        if !self.marks.iter().any(|mark| mark.had_map || mark.had_resident) {
            self.undo.clear();
            self.sizes.undo = 0;
            self.marks.iter_mut().for_each(|mark| mark.undo_len = 0);
        }
    }

    pub(super) fn forget_marks(&mut self) {
        self.marks.clear();
        self.forget_unneeded_undo();
    }

    fn rollback_to_mark(&mut self, at: usize) {
        let mark = &self.marks[at];
        let (undo_len, change_count, layer_count) = (mark.undo_len, mark.change_count, mark.layer_count);
        let (had_map, had_resident) = (mark.had_map, mark.had_resident);
        self.rescans.truncate(mark.rescan_count);
        self.changes.truncate(change_count);
        self.drop_layers_from(layer_count);
        if !had_map {
            self.take_map();
        }
        if !had_resident {
            self.drop_resident();
        }
        while self.undo.len() > undo_len {
            let undo = self.pop_undo().expect("length was just checked");
            let is_wanted = if undo.keyspace().stays_in_memory() { had_resident } else { had_map };
            if is_wanted {
                self.play_back(undo);
            }
        }
        if had_map {
            self.cut_runs(at);
        }
    }

    /// Drops what was appended since a mark.
    fn cut_runs(&mut self, at: usize) {
        let mark = &self.marks[at];
        let mut freed = 0;
        self.keyspaces.retain(|keyspace, writes| {
            let before = writes.run.size_bytes();
            writes.run.truncate(mark.run_length(*keyspace));
            freed += before - writes.run.size_bytes();
            !writes.is_untouched()
        });
        self.sizes.map = self.sizes.map.saturating_sub(freed);
    }

    fn drop_resident(&mut self) {
        if self.keyspaces.contains_key(&Keyspace::CATALOG) {
            self.catalog_epoch += 1;
        }
        self.keyspaces.retain(|keyspace, _| !keyspace.stays_in_memory());
        self.sizes.resident = 0;
    }

    pub(super) fn play_back(&mut self, undo: Undo) {
        match undo {
            Undo::Entry { keyspace, key, previous } => self.restore_entry(keyspace, key, previous),
            Undo::Cleared { keyspace, previous } => {
                let added = previous.size_bytes();
                let current = if previous.is_untouched() {
                    self.keyspaces.remove(&keyspace)
                } else {
                    self.keyspaces.insert(keyspace, previous)
                };
                // What was appended after the clear.
                self.account(keyspace, added, current.map_or(0, |writes| writes.size_bytes()));
            }
        }
    }

    fn restore_entry(&mut self, keyspace: Keyspace, key: Arc<[u8]>, previous: Option<WriteEntry>) {
        if keyspace == Keyspace::CATALOG {
            self.catalog_epoch += 1;
        }
        let writes = self.keyspaces.entry(keyspace).or_default();
        let added = previous.as_ref().map_or(0, |entry| entry_size(&key, &entry.value));
        let current = match previous {
            Some(entry) => writes.map.insert(Arc::clone(&key), entry),
            None => writes.map.remove(&key),
        };
        let removed = current.map_or(0, |entry| entry_size(&key, &entry.value));
        if writes.is_untouched() {
            self.keyspaces.remove(&keyspace);
        }
        self.account(keyspace, added, removed);
    }
}
