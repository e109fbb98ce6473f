//! The append run: the writes of a bulk load, which come in key order, without an allocation for each.
//!
//! Rows have new, ascending ids, so what a load writes is sorted as it comes. It is copied into chunks of bytes that only
//! grow at the end, and the place of each entry is noted:
//!
//! ```text
//! places   0:0      0:21     0:42     1:0      1:19          chunk:byte, ascending by key
//!            │        │        │        │        │
//! chunk 0  [ 8 7 key value | 8 7 key value | 8 7 key value ]
//! chunk 1  [ 8 5 key value | 8 5 key value |    room       ]
//!            key length (2), value length (4), key, value
//! ```
//!
//! An entry never spans two chunks, and a chunk never moves: it is allocated as large as all chunks before it together, up
//! to a limit. A key is found by binary search of the places, and what came after a mark is taken back by cutting off the
//! end, so appended entries have no undo records.
//!
//! A run holds keys that exist nowhere below the write set, with their first value. A later write of the same key goes to
//! the map beside the run, where it hides the run's entry ([`super::keyspace_writes`]).

use std::ops::{Bound, Range};

use crate::store::kv::KvBound;

/// Allocated for a chunk, unless one entry takes more.
const CHUNK_BYTES: usize = if cfg!(test) { 1 << 10 } else { 1 << 20 };
const FIRST_CHUNK_BYTES: usize = if cfg!(test) { 128 } else { 4 << 10 };
/// The two lengths before an entry's key.
const HEADER_BYTES: usize = 6;

#[derive(Clone, Copy, Debug)]
struct Place {
    chunk: u32,
    at: u32,
}

/// See the module.
#[derive(Debug, Default)]
pub(super) struct AppendRun {
    chunks: Vec<Vec<u8>>,
    places: Vec<Place>,
    /// Bytes in all chunks.
    bytes: usize,
}

/// Key and value of an appended entry.
pub(super) type RunEntry<'r> = (&'r [u8], &'r [u8]);

impl AppendRun {
    pub fn len(&self) -> usize {
        self.places.len()
    }

    pub fn is_empty(&self) -> bool {
        self.places.is_empty()
    }

    /// With the places.
    pub fn size_bytes(&self) -> usize {
        self.bytes + self.places.len() * size_of::<Place>()
    }

    pub fn last_key(&self) -> Option<&[u8]> {
        self.places.last().map(|place| self.entry(*place).0)
    }

    /// Appends an entry whose key lies behind all others. Gives the bytes it takes. Key and value are no longer than what
    /// the store takes (64 KiB and 1 GiB).
    pub fn push(&mut self, key: &[u8], value: &[u8]) -> usize {
        debug_assert!(self.last_key().is_none_or(|last| last < key), "appended keys ascend");
        let length = HEADER_BYTES + key.len() + value.len();
        let has_room = self.chunks.last().is_some_and(|chunk| chunk.capacity() - chunk.len() >= length);
        if !has_room {
            let capacity = self.bytes.clamp(FIRST_CHUNK_BYTES, CHUNK_BYTES).max(length);
            self.chunks.push(Vec::with_capacity(capacity));
        }
        let chunk = self.chunks.len() - 1;
        let bytes = &mut self.chunks[chunk];
        self.places.push(Place { chunk: chunk as u32, at: bytes.len() as u32 });
        bytes.extend_from_slice(&(key.len() as u16).to_le_bytes());
        bytes.extend_from_slice(&(value.len() as u32).to_le_bytes());
        bytes.extend_from_slice(key);
        bytes.extend_from_slice(value);
        self.bytes += length;
        length + size_of::<Place>()
    }

    fn entry(&self, place: Place) -> RunEntry<'_> {
        let bytes = &self.chunks[place.chunk as usize][place.at as usize..];
        let key_length = usize::from(u16::from_le_bytes([bytes[0], bytes[1]]));
        let value_length = u32::from_le_bytes([bytes[2], bytes[3], bytes[4], bytes[5]]) as usize;
        let (key, rest) = bytes[HEADER_BYTES..].split_at(key_length);
        (key, &rest[..value_length])
    }

    pub fn get(&self, key: &[u8]) -> Option<RunEntry<'_>> {
        if self.last_key().is_none_or(|last| last < key) {
            return None;
        }
        let at = self.places.binary_search_by(|place| self.entry(*place).0.cmp(key)).ok()?;
        Some(self.entry(self.places[at]))
    }

    pub fn contains(&self, key: &[u8]) -> bool {
        self.get(key).is_some()
    }

    /// All entries, in order.
    pub fn iter(&self) -> RunEntries<'_> {
        RunEntries { run: self, range: 0..self.places.len() }
    }

    /// Entries of a range, in order.
    pub fn range(&self, lower: KvBound<'_>, upper: KvBound<'_>) -> RunEntries<'_> {
        let first_at_or_behind = |key: &[u8]| self.places.partition_point(|place| self.entry(*place).0 < key);
        let first_behind = |key: &[u8]| self.places.partition_point(|place| self.entry(*place).0 <= key);
        let start = match lower {
            Bound::Included(key) => first_at_or_behind(key),
            Bound::Excluded(key) => first_behind(key),
            Bound::Unbounded => 0,
        };
        let end = match upper {
            Bound::Included(key) => first_behind(key),
            Bound::Excluded(key) => first_at_or_behind(key),
            Bound::Unbounded => self.places.len(),
        };
        RunEntries { run: self, range: start..end }
    }

    /// Cuts off all entries but the first `length`.
    pub fn truncate(&mut self, length: usize) {
        let Some(first) = self.places.get(length).copied() else { return };
        self.places.truncate(length);
        let (chunk, at) = (first.chunk as usize, first.at as usize);
        self.chunks.truncate(chunk + 1);
        self.chunks[chunk].truncate(at);
        if at == 0 {
            self.chunks.truncate(chunk);
        }
        self.count_bytes();
    }

    /// Cuts off all entries but the first `length`, and gives them as a run of their own.
    pub fn split_off(&mut self, length: usize) -> AppendRun {
        let Some(first) = self.places.get(length).copied() else { return AppendRun::default() };
        let mut places = self.places.split_off(length);
        let (chunk, at) = (first.chunk as usize, first.at);
        let mut chunks = self.chunks.split_off(chunk);
        if at > 0 {
            // The chunk that is cut in two stays; only its end is copied.
            let end = chunks[0].split_off(at as usize);
            self.chunks.push(std::mem::replace(&mut chunks[0], end));
        }
        for place in &mut places {
            if place.chunk == first.chunk {
                place.at -= at;
            }
            place.chunk -= first.chunk;
        }
        self.count_bytes();
        let mut end = AppendRun { chunks, places, bytes: 0 };
        end.count_bytes();
        end
    }

    fn count_bytes(&mut self) {
        self.bytes = self.chunks.iter().map(Vec::len).sum();
    }
}

/// Entries of a run, in key order.
#[derive(Clone, Debug)]
pub(crate) struct RunEntries<'r> {
    run: &'r AppendRun,
    range: Range<usize>,
}

impl<'r> Iterator for RunEntries<'r> {
    type Item = (&'r [u8], &'r [u8]);

    fn next(&mut self) -> Option<RunEntry<'r>> {
        let at = self.range.next()?;
        Some(self.run.entry(self.run.places[at]))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.range.size_hint()
    }
}

impl<'r> DoubleEndedIterator for RunEntries<'r> {
    fn next_back(&mut self) -> Option<RunEntry<'r>> {
        let at = self.range.next_back()?;
        Some(self.run.entry(self.run.places[at]))
    }
}

#[cfg(test)]
mod tests {
    use rand::rngs::StdRng;
    use rand::{RngExt, SeedableRng};

    use super::*;

    type Model = Vec<(Vec<u8>, Vec<u8>)>;

    fn check(run: &AppendRun, model: &[(Vec<u8>, Vec<u8>)], what: &str) {
        let expected: Vec<_> = model.iter().map(|(key, value)| (&key[..], &value[..])).collect();
        assert_eq!(run.len(), model.len(), "{what}");
        assert_eq!(run.iter().collect::<Vec<_>>(), expected, "{what}");
        assert!(run.iter().rev().eq(expected.into_iter().rev()), "{what}: against the order");
        assert_eq!(run.last_key(), model.last().map(|(key, _)| &key[..]), "{what}");
        let bytes: usize = model.iter().map(|(key, value)| HEADER_BYTES + key.len() + value.len()).sum();
        assert_eq!(run.size_bytes(), bytes + model.len() * size_of::<Place>(), "{what}");
        assert_eq!(run.bytes, run.chunks.iter().map(Vec::len).sum::<usize>(), "{what}");
    }

    #[test]
    fn runs_are_cut_and_read_like_lists() {
        for seed in 0..20 {
            let what = format!("seed {seed}");
            let mut random = StdRng::seed_from_u64(seed);
            let (mut run, mut model) = (AppendRun::default(), Model::new());
            let mut number = 0_u32;
            for _ in 0..30 {
                for _ in 0..random.random_range(0..60) {
                    number += random.random_range(1..4_u32);
                    // Some are longer than a chunk.
                    let longest = if random.random_bool(0.02) { 3_000 } else { 60 };
                    let value = vec![number as u8; random.random_range(0..longest)];
                    let before = run.size_bytes();
                    let added = run.push(&number.to_be_bytes(), &value);
                    assert_eq!(run.size_bytes(), before + added, "{what}");
                    model.push((number.to_be_bytes().to_vec(), value));
                }
                let at = random.random_range(0..=model.len());
                match random.random_range(0..4) {
                    0 => {
                        run.truncate(at);
                        model.truncate(at);
                    }
                    1 => {
                        let (end, model_end) = (run.split_off(at), model.split_off(at));
                        check(&end, &model_end, &what);
                        if random.random_bool(0.5) {
                            (run, model) = (end, model_end);
                        }
                    }
                    _ => {}
                }
                check(&run, &model, &what);
                for _ in 0..20 {
                    let key = random.random_range(0..=number + 1).to_be_bytes();
                    let expected = model.iter().find(|(found, _)| *found == key);
                    assert_eq!(run.get(&key).map(|(_, value)| value), expected.map(|(_, value)| &value[..]), "{what}");
                    let other = random.random_range(0..=number + 1).to_be_bytes();
                    let (low, high) = (key.min(other), key.max(other));
                    let some: Vec<_> = run.range(Bound::Excluded(&low), Bound::Included(&high)).collect();
                    let is_within = |key: &[u8]| *key > low[..] && *key <= high[..];
                    let expected: Vec<_> = model
                        .iter()
                        .filter(|(key, _)| is_within(key))
                        .map(|(key, value)| (&key[..], &value[..]))
                        .collect();
                    assert_eq!(some, expected, "{what}");
                    let some: Vec<_> = run.range(Bound::Included(&low), Bound::Excluded(&high)).rev().collect();
                    let is_within = |key: &[u8]| *key >= low[..] && *key < high[..];
                    let found = model.iter().rev().filter(|(key, _)| is_within(key));
                    let expected: Vec<_> = found.map(|(key, value)| (&key[..], &value[..])).collect();
                    assert_eq!(some, expected, "{what}, against the order");
                }
            }
        }
    }
}
