//! Ids from persisted blocks: unique, increasing, gaps allowed, never reused.
//!
//! A counter's row holds the first value that was never reserved. Reserving a block changes only memory and a list of
//! rows to write; the committer writes the list with the next batch. That is early enough: an id reaches the file only
//! through a commit, every commit is queued after its ids were reserved, and the file is written in queue order.

use std::collections::BTreeMap;
use std::collections::hash_map::Entry;
use std::ops::Bound;

use parking_lot::Mutex;
use rustc_hash::FxHashMap;

use super::kv::decode_u64;
use super::sequences::{self, Sequences};
use super::snapshot::Published;
use super::{Keyspace, KvSnapshot};
use crate::catalog::{Catalog, FIRST_USER_RELATION, SequenceValue};
use crate::ddl::RELATION_COUNTER;
use crate::error::{Result, StorageError};
use crate::graph::{NODE_COUNTER, RELATIONSHIP_COUNTER};
use crate::ids::RelationId;

const FIRST_BLOCK: u64 = 64;
const LARGEST_BLOCK: u64 = 1 << 16;
/// The first value that no counter gives: what they number is shown as bigint.
pub(crate) const COUNTER_END: u64 = 1 << 63;

struct Block {
    next: u64,
    end: u64,
    size: u64,
}

#[derive(Default)]
struct CounterState {
    named: FxHashMap<String, Block>,
    rows: FxHashMap<RelationId, Block>,
    unwritten: BTreeMap<String, u64>,
}

#[derive(Default)]
pub(crate) struct Counters {
    state: Mutex<CounterState>,
    sequences: Sequences,
}

/// Rows that the committer takes along.
#[derive(Default)]
pub(crate) struct UnwrittenCounters {
    counters: BTreeMap<String, u64>,
    sequences: BTreeMap<(RelationId, u64), SequenceValue>,
}

impl UnwrittenCounters {
    pub fn is_empty(&self) -> bool {
        self.counters.is_empty() && self.sequences.is_empty()
    }

    /// Key and value of each row.
    pub fn rows(&self) -> impl Iterator<Item = (Vec<u8>, Vec<u8>)> {
        let counters =
            self.counters.iter().map(|(name, value)| (name.as_bytes().to_vec(), value.to_be_bytes().to_vec()));
        counters.chain(self.sequences.iter().map(|(key, value)| sequences::encode_row(*key, *value)))
    }
}

/// Name of a table's row-id counter.
pub(crate) fn row_counter_name(table: RelationId) -> String {
    format!("rows/{table}")
}

impl Counters {
    /// Next value, from 1 and below [`COUNTER_END`], else `LimitExceeded`. The published rows are read once per counter and
    /// process.
    pub fn next(&self, name: &str, published: &Published) -> Result<u64> {
        let state = &mut *self.state.lock();
        if !state.named.contains_key(name) {
            let block = load(name, &published.current().rows, &state.unwritten)?;
            state.named.insert(name.to_owned(), block);
        }
        let block = state.named.get_mut(name).expect("inserted above");
        take(block, &mut state.unwritten, || name.to_owned())
    }

    /// Next row id of a table.
    pub fn next_row(&self, table: RelationId, published: &Published) -> Result<u64> {
        let state = &mut *self.state.lock();
        let block = row_block(&mut state.rows, table, published, &state.unwritten)?;
        take(block, &mut state.unwritten, || row_counter_name(table))
    }

    /// The first of `count` next row ids of a table, which follow one another.
    pub fn next_rows(&self, table: RelationId, count: u64, published: &Published) -> Result<u64> {
        let state = &mut *self.state.lock();
        let block = row_block(&mut state.rows, table, published, &state.unwritten)?;
        let name = || row_counter_name(table);
        let end = block.next.checked_add(count).filter(|end| *end <= COUNTER_END).ok_or_else(|| exhausted(&name()))?;
        if end > block.end {
            block.end = end;
            state.unwritten.insert(name(), end);
        }
        Ok(std::mem::replace(&mut block.next, end))
    }

    /// Values after this call lie above `id`.
    pub fn raise(&self, name: &str, id: u64, published: &Published) -> Result<()> {
        let above = id.checked_add(1).filter(|above| *above <= COUNTER_END).ok_or_else(|| exhausted(name))?;
        let state = &mut *self.state.lock();
        if !state.named.contains_key(name) {
            let block = load(name, &published.current().rows, &state.unwritten)?;
            state.named.insert(name.to_owned(), block);
        }
        let block = state.named.get_mut(name).expect("inserted above");
        block.next = block.next.max(above);
        if block.next > block.end {
            block.end = block.next;
            state.unwritten.insert(name.to_owned(), block.end);
        }
        Ok(())
    }

    pub(crate) fn sequences(&self) -> &Sequences {
        &self.sequences
    }

    /// Takes back rows that could not be written; newer ones stay.
    pub fn give_back(&self, rows: UnwrittenCounters) {
        self.sequences.give_back(rows.sequences);
        let state = &mut *self.state.lock();
        for (name, value) in rows.counters {
            let newest = state.unwritten.entry(name).or_insert(value);
            *newest = (*newest).max(value);
        }
    }

    /// Rows the committer must write with its next batch.
    pub fn take_unwritten(&self) -> UnwrittenCounters {
        UnwrittenCounters {
            sequences: self.sequences.take_unwritten(),
            counters: std::mem::take(&mut self.state.lock().unwritten),
        }
    }
}

/// Per counter in use, the value after the last one that a row of the snapshot holds: the counter's row must not lie
/// below it.
pub(crate) fn first_free_ids(rows: &KvSnapshot, catalog: &Catalog) -> Result<Vec<(String, u64)>> {
    let tables = catalog.tables.keys().map(|table| (row_counter_name(*table), Keyspace::of_relation(*table)));
    let graph = [(NODE_COUNTER, Keyspace::NODES), (RELATIONSHIP_COUNTER, Keyspace::RELATIONSHIPS)];
    let mut free = Vec::new();
    for (name, keyspace) in graph.map(|(name, keyspace)| (name.to_owned(), keyspace)).into_iter().chain(tables) {
        if let Some(last) = rows.range(keyspace, Bound::Unbounded, Bound::Unbounded, true)?.next() {
            let last = decode_u64(&last?.0, "row key")?;
            free.push((name, last.saturating_add(1)));
        }
    }
    let relations = catalog.tables.keys().chain(catalog.indexes.keys()).chain(catalog.views.keys());
    let relations = relations.chain(catalog.sequences.keys()).chain(catalog.graph_constraints.keys()).map(|id| id.0);
    let oids = relations.chain(catalog.schemas.values().map(|schema| schema.oid));
    if let Some(last) = oids.max().filter(|last| *last >= FIRST_USER_RELATION) {
        // The counter's value 1 is FIRST_USER_RELATION.
        free.push((RELATION_COUNTER.to_owned(), u64::from(last - FIRST_USER_RELATION) + 2));
    }
    Ok(free)
}

fn row_block<'b>(
    blocks: &'b mut FxHashMap<RelationId, Block>,
    table: RelationId,
    published: &Published,
    unwritten: &BTreeMap<String, u64>,
) -> Result<&'b mut Block> {
    Ok(match blocks.entry(table) {
        Entry::Occupied(entry) => entry.into_mut(),
        Entry::Vacant(entry) => entry.insert(load(&row_counter_name(table), &published.current().rows, unwritten)?),
    })
}

fn load(name: &str, rows: &KvSnapshot, unwritten: &BTreeMap<String, u64>) -> Result<Block> {
    let stored = match rows.get(Keyspace::COUNTERS, name.as_bytes())? {
        Some(bytes) => decode_u64(&bytes, "counter")?,
        None => 1,
    };
    let start = stored.max(unwritten.get(name).copied().unwrap_or(1));
    Ok(Block { next: start, end: start, size: FIRST_BLOCK })
}

fn take(block: &mut Block, unwritten: &mut BTreeMap<String, u64>, name: impl Fn() -> String) -> Result<u64> {
    if block.next >= block.end {
        // The last block is as long as what is left.
        let end = block.next.saturating_add(block.size).min(COUNTER_END);
        if end <= block.next {
            return Err(exhausted(&name()));
        }
        block.end = end;
        block.size = (block.size * 2).min(LARGEST_BLOCK);
        unwritten.insert(name(), block.end);
    }
    let id = block.next;
    block.next += 1;
    Ok(id)
}

fn exhausted(name: &str) -> StorageError {
    StorageError::LimitExceeded(format!("counter {name} is exhausted"))
}
