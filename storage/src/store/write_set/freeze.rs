//! Freezing the map into layers, and layers on their way to disk.
//!
//! The map is cut at the open marks, so that each mark stands between two layers:
//!
//! ```text
//! map and undo list                    layers              marks
//! a=3 b=1 c=2 d=1      mark s:  ──►    1   a=3 d=1         t: above 1
//! undo since s: c=1, b none            0   b=1 c=1         s: above 0
//! undo since t: a=1, d none                ...
//! ```
//!
//! Going from the newest mark to the oldest, the keys in the undo list since a mark are the keys of its layer, with the
//! value they have now, and the end of each run since the mark is the layer's run; then these undo records are played
//! back, and the map is what it was at the mark. Afterwards every mark is one at which the map was empty.
//!
//! A layer that cannot be written (a full disk) stays in memory, where it serves all the same; the next write tries again.

use std::sync::Arc;

use rustc_hash::FxHashMap;

use super::marks::Undo;
use super::{KeyspaceWrites, WriteEntry, WriteRef, WriteSet};
use crate::error::{Result, StorageError};
use crate::ids::Lsn;
use crate::store::log::Attachments;
use crate::store::spill::merge::Part;
use crate::store::spill::{Run, SealedSpill, SpilledSet, seal};
use crate::store::{Change, Keyspace};

/// A part of a write set that no longer changes.
pub(super) enum FrozenLayer {
    Memory(MemoryLayer),
    File(Arc<Run>),
}

pub(super) struct MemoryLayer {
    keyspaces: FxHashMap<Keyspace, KeyspaceWrites>,
    changes: Vec<Change>,
    size_bytes: usize,
}

impl MemoryLayer {
    fn new(keyspaces: FxHashMap<Keyspace, KeyspaceWrites>, changes: Vec<Change>) -> MemoryLayer {
        let entries: usize = keyspaces.values().map(KeyspaceWrites::size_bytes).sum();
        let size_bytes = entries + changes.len() * size_of::<Change>();
        MemoryLayer { keyspaces, changes, size_bytes }
    }
}

impl FrozenLayer {
    /// What the layer holds of a keyspace.
    pub(super) fn part(&self, keyspace: Keyspace) -> Option<Part<'_>> {
        match self {
            FrozenLayer::Memory(layer) => layer.keyspaces.get(&keyspace).map(Part::Map),
            FrozenLayer::File(run) => run.section(keyspace).map(|section| Part::Section(run, section)),
        }
    }

    fn keyspaces(&self) -> Vec<Keyspace> {
        match self {
            FrozenLayer::Memory(layer) => layer.keyspaces.keys().copied().collect(),
            FrozenLayer::File(run) => run.keyspaces().collect(),
        }
    }
}

/// How far the changes of a write set were read.
#[derive(Default)]
pub(crate) struct ChangePosition {
    freeze_count: u64,
    layer: usize,
    /// Changes of a layer in memory, blocks of one on disk.
    at: usize,
}

impl WriteSet {
    /// Something was frozen and not rolled back.
    pub fn is_spilled(&self) -> bool {
        !self.layers.is_empty()
    }

    /// Moves everything that can be spilled to disk. On error nothing is lost, and it may be tried again.
    pub fn spill(&mut self, attachments: &Attachments) -> Result<()> {
        self.freeze();
        for layer in &mut self.layers {
            let FrozenLayer::Memory(frozen) = layer else { continue };
            let file = match &self.file {
                Some(file) => Arc::clone(file),
                None => Arc::clone(self.file.insert(attachments.create_spill()?)),
            };
            let keyspaces = frozen.keyspaces.iter().map(|(keyspace, writes)| (*keyspace, writes));
            let run = file.append(keyspaces, &frozen.changes)?;
            self.sizes.layers = self.sizes.layers.saturating_sub(frozen.size_bytes);
            self.sizes.file = file.size_bytes();
            *layer = FrozenLayer::File(run);
        }
        Ok(())
    }

    /// Cuts the map into layers at the marks.
    fn freeze(&mut self) {
        self.freeze_count += 1;
        let layers_before = self.layers.len();
        // Newest first: what was written since each mark.
        let mut cut = Vec::with_capacity(self.marks.len() + 1);
        let mut resident = Vec::new();
        let mut resident_since = vec![0; self.marks.len()];
        for at in (0..self.marks.len()).rev() {
            let mark = &self.marks[at];
            let (undo_len, change_count, had_map) = (mark.undo_len, mark.change_count, mark.had_map);
            let changes = self.changes.split_off(change_count);
            let mut since = if had_map { FxHashMap::default() } else { self.take_map() };
            while self.undo.len() > undo_len {
                let undo = self.pop_undo().expect("length was just checked");
                if undo.keyspace().stays_in_memory() {
                    resident.push(undo);
                } else if had_map {
                    self.collect(&undo, &mut since);
                    self.play_back(undo);
                }
            }
            if had_map {
                self.collect_runs(at, &mut since);
            }
            resident_since[at] = resident.len();
            cut.push((since, changes));
        }
        let map = self.take_map();
        cut.push((map, std::mem::take(&mut self.changes)));
        // What was recorded before the oldest mark is for marks that are gone.
        self.undo.clear();
        self.sizes.undo = 0;
        for (mark, since) in self.marks.iter_mut().zip(resident_since) {
            mark.undo_len = resident.len() - since;
        }
        self.undo.extend(resident.into_iter().rev());
        for (position, (keyspaces, changes)) in cut.into_iter().rev().enumerate() {
            if position > 0 {
                let mark = &mut self.marks[position - 1];
                // A mark from before an earlier freeze stays where it is, below the layers frozen then.
                if mark.layer_count == layers_before {
                    mark.layer_count = self.layers.len();
                }
                mark.change_count = 0;
                mark.had_map = false;
                mark.run_lengths.clear();
            }
            if !keyspaces.is_empty() || !changes.is_empty() {
                let layer = MemoryLayer::new(keyspaces, changes);
                self.sizes.layers += layer.size_bytes;
                self.layers.push(FrozenLayer::Memory(layer));
            }
        }
    }

    /// Puts what `undo` replaced into the layer of its mark, with its present value, unless a later record did.
    fn collect(&mut self, undo: &Undo, since: &mut FxHashMap<Keyspace, KeyspaceWrites>) {
        let layer = since.entry(undo.keyspace()).or_default();
        // What came before a clear does not show.
        if layer.cleared.is_some() {
            return;
        }
        let current = self.keyspaces.get_mut(&undo.keyspace());
        match undo {
            Undo::Entry { key, .. } => {
                layer.map.entry(Arc::clone(key)).or_insert_with(|| {
                    // A key that was removed and then appended is in the run, and entered here as well: older undo
                    // records of it must find it.
                    let entry = current.as_ref().and_then(|writes| writes.get(key)).map(WriteRef::to_entry);
                    // A key that was removed from the map existed nowhere below the write set.
                    entry.unwrap_or(WriteEntry { value: None, base: Lsn(0), fresh: true, locked: true })
                });
            }
            Undo::Cleared { .. } => {
                layer.cleared = Some(current.as_ref().and_then(|writes| writes.cleared).unwrap_or(Lsn(0)));
                // All of the present run was appended after the clear.
                layer.run = current.map(|writes| std::mem::take(&mut writes.run)).unwrap_or_default();
            }
        }
    }

    /// Moves what was appended since a mark into the mark's layer.
    fn collect_runs(&mut self, at: usize, since: &mut FxHashMap<Keyspace, KeyspaceWrites>) {
        let mark = &self.marks[at];
        for (keyspace, writes) in &mut self.keyspaces {
            let appended = writes.run.split_off(mark.run_length(*keyspace));
            if appended.is_empty() {
                continue;
            }
            let layer = since.entry(*keyspace).or_default();
            // What came before a clear does not show.
            if layer.cleared.is_none() {
                layer.run = appended;
            }
        }
        self.keyspaces.retain(|_, writes| !writes.is_untouched());
    }

    /// Drops the newest layers but for `count`.
    pub(super) fn drop_layers_from(&mut self, count: usize) {
        for layer in self.layers.drain(count.min(self.layers.len())..) {
            if let FrozenLayer::Memory(layer) = layer {
                self.sizes.layers = self.sizes.layers.saturating_sub(layer.size_bytes);
            }
        }
        if self.layers.is_empty() {
            // Goes with its last run.
            self.file = None;
            self.sizes.file = 0;
        }
    }

    /// Of a spilled set, spills the rest and makes the file durable. The set can only be committed then.
    pub fn seal(&mut self, attachments: &Attachments) -> Result<Option<SealedSpill>> {
        if let Some(error) = self.failure.take() {
            return Err(error);
        }
        if self.layers.is_empty() {
            return Ok(None);
        }
        self.forget_marks();
        self.spill(attachments)?;
        let file = self.file.as_ref().ok_or_else(|| StorageError::Internal("a spilled set has no file".to_owned()))?;
        seal(file, &self.runs()).map(Some)
    }

    fn runs(&self) -> Vec<Arc<Run>> {
        let run = |layer: &FrozenLayer| match layer {
            FrozenLayer::File(run) => Some(Arc::clone(run)),
            FrozenLayer::Memory(_) => None,
        };
        self.layers.iter().filter_map(run).collect()
    }

    /// The record of a sealed set may be in the log from here on; or certainly is not.
    pub fn set_file_needed(&self, is_needed: bool) {
        if let Some(file) = &self.file {
            file.set_needed(is_needed);
        }
    }

    /// What was sealed, as a layer over redb. None for a set that was not spilled.
    pub fn take_spilled(&mut self, lsn: Lsn) -> Option<SpilledSet> {
        let runs = self.runs();
        self.layers.clear();
        Some(SpilledSet::new(lsn, self.file.take()?, runs))
    }

    /// Keyspaces of the layers, in order.
    pub fn layered_keyspaces(&self) -> Vec<Keyspace> {
        let mut all: Vec<Keyspace> = self.layers.iter().flat_map(FrozenLayer::keyspaces).collect();
        all.sort_unstable();
        all.dedup();
        all
    }

    /// Some key of the keyspace may have been written by somebody else: it is neither new nor locked.
    pub fn has_unguarded(&self, keyspace: Keyspace) -> bool {
        self.layers.iter().filter_map(|layer| layer.part(keyspace)).any(|part| match part {
            Part::Map(_) => true,
            Part::Section(_, section) => section.counts.unguarded > 0,
        })
    }

    /// The changes behind `position`, oldest first, some at a time; empty at the end. After a freeze in between all are
    /// given again.
    pub fn next_changes(&self, position: &mut ChangePosition, limit: usize) -> Result<Vec<Change>> {
        if position.freeze_count != self.freeze_count {
            *position = ChangePosition { freeze_count: self.freeze_count, layer: 0, at: 0 };
        }
        while let Some(layer) = self.layers.get(position.layer) {
            let (changes, step) = match layer {
                FrozenLayer::Memory(layer) => {
                    let changes: Vec<Change> = layer.changes.iter().skip(position.at).take(limit).cloned().collect();
                    let step = changes.len();
                    (changes, step)
                }
                FrozenLayer::File(run) if position.at < run.change_block_count() => (run.change_block(position.at)?, 1),
                FrozenLayer::File(_) => (Vec::new(), 0),
            };
            if step > 0 {
                position.at += step;
                return Ok(changes);
            }
            (position.layer, position.at) = (position.layer + 1, 0);
        }
        let changes: Vec<Change> = self.changes.iter().skip(position.at).take(limit).cloned().collect();
        position.at += changes.len();
        Ok(changes)
    }
}
