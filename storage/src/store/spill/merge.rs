//! The layers of a write set as one: of each key the newest value, and what its oldest write says of what lies below.

use std::cmp::Ordering;
use std::collections::BinaryHeap;
use std::sync::Arc;

use super::run::{Run, Section, SectionStream};
use crate::error::Result;
use crate::ids::Lsn;
use crate::store::kv::KvBound;
use crate::store::memory_table::Chunk;
use crate::store::write_set::{KeyspaceEntries, KeyspaceWrites, Lookup, WriteEntry, WriteRef};

/// One layer's writes of one keyspace.
#[derive(Clone, Copy)]
pub(crate) enum Part<'a> {
    Map(&'a KeyspaceWrites),
    Section(&'a Run, &'a Section),
}

impl Part<'_> {
    pub fn cleared(&self) -> Option<Lsn> {
        match self {
            Part::Map(writes) => writes.cleared,
            Part::Section(_, section) => section.cleared,
        }
    }

    fn find(&self, key: &[u8]) -> Result<Option<WriteEntry>> {
        match self {
            Part::Map(writes) => Ok(writes.get(key).map(WriteRef::to_entry)),
            Part::Section(run, section) => run.find(section, key),
        }
    }

    fn chunk(&self, lower: KvBound<'_>, upper: KvBound<'_>, reverse: bool, limit: usize) -> Result<Chunk> {
        match self {
            Part::Map(writes) => Ok(writes.chunk(lower, upper, reverse, limit)),
            Part::Section(run, section) => run.chunk(section, lower, upper, reverse, limit),
        }
    }
}

/// The layers that hold something of a keyspace, newest first, down to the first that hides what is below it.
pub(crate) fn visible<'a>(newest_first: impl Iterator<Item = Part<'a>>) -> Vec<Part<'a>> {
    let mut parts = Vec::new();
    for part in newest_first {
        parts.push(part);
        if part.cleared().is_some() {
            break;
        }
    }
    parts
}

/// True when what [`visible`] gave hides everything below the write set.
pub(crate) fn is_cleared(parts: &[Part<'_>]) -> bool {
    parts.last().is_some_and(|part| part.cleared().is_some())
}

/// What `parts`, from [`visible`], say of a key.
pub(crate) fn lookup<'a>(parts: impl Iterator<Item = Part<'a>>, key: &[u8]) -> Result<Lookup> {
    for part in parts {
        if let Some(entry) = part.find(key)? {
            return Ok(entry.value.map_or(Lookup::Deleted, Lookup::Value));
        }
        if part.cleared().is_some() {
            return Ok(Lookup::Deleted);
        }
    }
    Ok(Lookup::Below)
}

/// A key's newest value with its oldest flags.
pub(crate) fn find_merged(parts: &[Part<'_>], key: &[u8]) -> Result<Option<WriteEntry>> {
    let mut found: Option<WriteEntry> = None;
    for part in parts {
        if let Some(older) = part.find(key)? {
            found = Some(found.map_or_else(|| older.clone(), |newer| newer.over(&older)));
        }
    }
    Ok(found)
}

/// At most `limit` writes of a range, in order (or against it). The range must not be empty.
pub(crate) fn chunk(
    parts: &[Part<'_>],
    lower: KvBound<'_>,
    upper: KvBound<'_>,
    reverse: bool,
    limit: usize,
) -> Result<Chunk> {
    // The first `limit` keys of all are among the first `limit` of each.
    let mut chunks = Vec::with_capacity(parts.len());
    for part in parts {
        let chunk = part.chunk(lower, upper, reverse, limit)?;
        if !chunk.is_empty() {
            chunks.push(chunk);
        }
    }
    if chunks.len() < 2 {
        return Ok(chunks.pop().unwrap_or_default());
    }
    let mut merged = Chunk::new();
    while merged.len() < limit {
        let fronts = chunks.iter().filter_map(|chunk| chunk.front().map(|(key, _)| key));
        let next = if reverse { fronts.max() } else { fronts.min() };
        let Some(next) = next.cloned() else { break };
        let mut newest = None;
        for chunk in &mut chunks {
            if chunk.front().is_some_and(|(key, _)| *key == next) {
                let pair = chunk.pop_front();
                newest = newest.or(pair);
            }
        }
        merged.extend(newest);
    }
    Ok(merged)
}

/// All keys of a keyspace in order, from end to end.
pub(crate) struct MergedStream<'a> {
    sources: Vec<Source<'a>>,
    heap: BinaryHeap<Front>,
}

enum Source<'a> {
    Map(KeyspaceEntries<'a>),
    Section(SectionStream<'a>),
}

impl Source<'_> {
    fn next(&mut self) -> Result<Option<(Arc<[u8]>, WriteEntry)>> {
        match self {
            Source::Map(entries) => Ok(entries.next().map(|entry| (entry.shared_key(), entry.to_entry()))),
            Source::Section(stream) => stream.next_entry(),
        }
    }
}

/// The next entry of a source. The greatest is the smallest key, of equal keys the newest.
struct Front {
    key: Arc<[u8]>,
    entry: WriteEntry,
    /// Position among the sources; 0 is the newest.
    source: usize,
}

impl Ord for Front {
    fn cmp(&self, other: &Front) -> Ordering {
        other.key.cmp(&self.key).then_with(|| other.source.cmp(&self.source))
    }
}
impl PartialOrd for Front {
    fn partial_cmp(&self, other: &Front) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}
impl PartialEq for Front {
    fn eq(&self, other: &Front) -> bool {
        self.cmp(other).is_eq()
    }
}
impl Eq for Front {}

impl<'a> MergedStream<'a> {
    /// Over parts from [`visible`].
    pub fn new(parts: &[Part<'a>]) -> Result<MergedStream<'a>> {
        let source = |part: &Part<'a>| match *part {
            Part::Map(writes) => Source::Map(writes.iter()),
            Part::Section(run, section) => Source::Section(SectionStream::new(run, section)),
        };
        let mut stream = MergedStream { sources: parts.iter().map(source).collect(), heap: BinaryHeap::new() };
        for source in 0..stream.sources.len() {
            stream.advance(source)?;
        }
        Ok(stream)
    }

    fn advance(&mut self, source: usize) -> Result<()> {
        if let Some((key, entry)) = self.sources[source].next()? {
            self.heap.push(Front { key, entry, source });
        }
        Ok(())
    }

    fn next_merged(&mut self) -> Result<Option<(Arc<[u8]>, WriteEntry)>> {
        let Some(Front { key, mut entry, source }) = self.heap.pop() else { return Ok(None) };
        self.advance(source)?;
        while self.heap.peek().is_some_and(|front| front.key == key) {
            let older = self.heap.pop().expect("front was just seen");
            entry = entry.over(&older.entry);
            self.advance(older.source)?;
        }
        Ok(Some((key, entry)))
    }
}

impl Iterator for MergedStream<'_> {
    type Item = Result<(Arc<[u8]>, WriteEntry)>;

    fn next(&mut self) -> Option<Self::Item> {
        self.next_merged().transpose()
    }
}
