//! What lies over redb in a snapshot: memory tables and large write sets, newest first.
//!
//! ```text
//! newest   memory table, still growing
//!          large set (a bulk load, or one that cleared a keyspace), as it was committed; in memory or on disk
//!          memory table, being applied
//! oldest   redb
//! ```
//!
//! The committer adds layers at the top, the applier takes them away at the bottom once redb holds them. A snapshot
//! keeps the stack it was made with, so what is taken away stays readable for it.

use std::collections::VecDeque;
use std::sync::Arc;

use rustc_hash::FxHashMap;

use super::Keyspace;
use super::kv::{KvBound, TableBase};
use super::memory_table::{Chunk, KeyspaceVersions, MemoryTable, count_of};
use super::spill::SpilledSet;
use super::write_set::{KeyspaceWrites, Lookup};
use crate::error::Result;
use crate::ids::Lsn;

/// A committed write set that was kept as it was.
pub(crate) struct CommittedSet {
    pub lsn: Lsn,
    pub keyspaces: FxHashMap<Keyspace, KeyspaceWrites>,
    pub size_bytes: usize,
    /// The log's file that holds the same writes, if it was written apart.
    pub attachment: Option<u64>,
}

#[derive(Clone)]
pub(crate) enum Layer {
    Table(Arc<MemoryTable>),
    Set(Arc<CommittedSet>),
    Spilled(Arc<SpilledSet>),
}

/// One keyspace of a layer.
pub(crate) enum LayerKeyspace {
    Versions(Arc<KeyspaceVersions>, Lsn),
    Set(Arc<CommittedSet>, Keyspace),
    Spilled(Arc<SpilledSet>, Keyspace),
}

impl Layer {
    pub fn lookup(&self, keyspace: Keyspace, key: &[u8], lsn: Lsn) -> Result<Lookup> {
        match self {
            Layer::Table(table) => Ok(table.lookup(keyspace, key, lsn)),
            Layer::Set(set) => match set.keyspaces.get(&keyspace) {
                Some(writes) => Ok(writes.lookup(key)),
                None => Ok(Lookup::Below),
            },
            Layer::Spilled(set) => set.lookup(keyspace, key),
        }
    }

    /// None when the layer does not touch the keyspace.
    pub fn keyspace(&self, keyspace: Keyspace, lsn: Lsn) -> Option<LayerKeyspace> {
        match self {
            Layer::Table(table) => table.keyspace(keyspace).map(|versions| LayerKeyspace::Versions(versions, lsn)),
            Layer::Set(set) => {
                set.keyspaces.contains_key(&keyspace).then(|| LayerKeyspace::Set(Arc::clone(set), keyspace))
            }
            Layer::Spilled(set) => set.touches(keyspace).then(|| LayerKeyspace::Spilled(Arc::clone(set), keyspace)),
        }
    }

    /// In memory.
    /// Versions in a table know their LSN; a set is there as a whole.
    fn is_visible_at(&self, lsn: Lsn) -> bool {
        match self {
            Layer::Table(_) => true,
            Layer::Set(set) => set.lsn <= lsn,
            Layer::Spilled(set) => set.lsn <= lsn,
        }
    }

    pub fn size_bytes(&self) -> usize {
        match self {
            Layer::Table(table) => table.size_bytes(),
            Layer::Set(set) => set.size_bytes,
            Layer::Spilled(set) => set.memory_bytes(),
        }
    }
}

impl LayerKeyspace {
    /// Everything below was dropped.
    pub fn is_cleared(&self) -> bool {
        match self {
            LayerKeyspace::Versions(..) => false,
            LayerKeyspace::Set(set, keyspace) => set.keyspaces[keyspace].cleared.is_some(),
            LayerKeyspace::Spilled(set, keyspace) => set.is_cleared(*keyspace),
        }
    }

    /// At most `limit` writes of a range, in order (or against it).
    pub fn chunk(&self, lower: KvBound<'_>, upper: KvBound<'_>, reverse: bool, limit: usize) -> Result<Chunk> {
        match self {
            LayerKeyspace::Versions(versions, lsn) => Ok(versions.chunk(lower, upper, reverse, *lsn, limit)),
            LayerKeyspace::Set(set, keyspace) => Ok(set.keyspaces[keyspace].chunk(lower, upper, reverse, limit)),
            LayerKeyspace::Spilled(set, keyspace) => set.chunk(*keyspace, lower, upper, reverse, limit),
        }
    }

    /// Keys more (or fewer) than below, for keyspaces in which a key is written fresh, replaced, or deleted, and nothing
    /// that does not exist is deleted. With [`Self::is_cleared`], the number of keys.
    pub fn count_delta(&self) -> Result<i64> {
        match self {
            LayerKeyspace::Versions(versions, lsn) => Ok(versions.count_delta(*lsn)),
            LayerKeyspace::Set(set, keyspace) => {
                let writes = &set.keyspaces[keyspace];
                if writes.cleared.is_some() {
                    return Ok(writes.iter().filter(|entry| entry.value().is_some()).count() as i64);
                }
                Ok(writes.iter().map(|entry| count_of(entry.is_fresh(), Some(entry.value().is_some()))).sum())
            }
            LayerKeyspace::Spilled(set, keyspace) => set.count_delta(*keyspace),
        }
    }
}

/// The stack that the next snapshot is made over. Changed by committer and applier under one lock.
pub(crate) struct LayerStack {
    pub base: Arc<TableBase>,
    /// Takes new commits.
    pub active: Arc<MemoryTable>,
    /// What no longer changes, newest first.
    frozen: VecDeque<Frozen>,
}

#[derive(Clone)]
pub(crate) struct Frozen {
    pub layer: Layer,
    /// This layer and those below hold everything at or below this LSN. A batch of commits may end in a layer above.
    pub complete: Lsn,
    /// Nothing in this layer lies above this LSN: it may be applied once that is published and durable.
    pub until: Lsn,
}

impl LayerStack {
    pub fn new(base: Arc<TableBase>) -> LayerStack {
        LayerStack { base, active: Arc::default(), frozen: VecDeque::new() }
    }

    /// Puts a set of a batch over everything, and a new memory table over that. `before` is the last LSN before the batch,
    /// `last` that of its end.
    pub fn push_set(&mut self, set: Layer, before: Lsn, last: Lsn) {
        self.freeze_within(before, last);
        self.frozen.push_front(Frozen { layer: set, complete: before, until: last });
    }

    /// Begins a new memory table, so that the one so far, which is complete up to an LSN, can be applied.
    pub fn freeze(&mut self, complete: Lsn) {
        self.freeze_within(complete, complete);
    }

    fn freeze_within(&mut self, complete: Lsn, until: Lsn) {
        if !self.active.is_empty() {
            let layer = Layer::Table(std::mem::take(&mut self.active));
            self.frozen.push_front(Frozen { layer, complete, until });
        }
    }

    /// Nothing at or below `lsn` will be added: if nothing is in the memory table, the layers below it hold it all.
    pub fn complete(&mut self, lsn: Lsn) {
        if let (true, Some(newest)) = (self.active.is_empty(), self.frozen.front_mut()) {
            newest.complete = lsn;
        }
    }

    /// Layers that no longer change and lie at or below an LSN, oldest first.
    pub fn frozen(&self, newest: Lsn) -> Vec<Frozen> {
        self.frozen.iter().rev().take_while(|frozen| frozen.until <= newest).cloned().collect()
    }

    pub fn frozen_count(&self) -> usize {
        self.frozen.len()
    }

    pub fn has_frozen(&self) -> bool {
        !self.frozen.is_empty()
    }

    /// redb holds everything.
    pub fn is_empty(&self) -> bool {
        self.active.is_empty() && self.frozen.is_empty()
    }

    pub fn frozen_size_bytes(&self) -> usize {
        self.frozen.iter().map(|frozen| frozen.layer.size_bytes()).sum()
    }

    /// Of those, the bytes in memory tables.
    pub fn frozen_table_bytes(&self) -> usize {
        let tables = self.frozen.iter().filter(|frozen| matches!(frozen.layer, Layer::Table(_)));
        tables.map(|frozen| frozen.layer.size_bytes()).sum()
    }

    pub fn size_bytes(&self) -> usize {
        self.active.size_bytes() + self.frozen_size_bytes()
    }

    /// Takes away the `count` oldest layers, which `base` holds.
    pub fn applied(&mut self, count: usize, base: Arc<TableBase>) {
        self.frozen.truncate(self.frozen.len() - count);
        self.base = base;
    }

    /// For a snapshot at an LSN: layers that hold something of it, newest first. Sets of a batch that is being entered lie
    /// above it.
    pub fn for_snapshot(&self, lsn: Lsn) -> Arc<[Layer]> {
        let active = (!self.active.is_empty()).then(|| Layer::Table(Arc::clone(&self.active)));
        let frozen = self.frozen.iter().map(|frozen| frozen.layer.clone());
        active.into_iter().chain(frozen.filter(|layer| layer.is_visible_at(lsn))).collect()
    }
}
