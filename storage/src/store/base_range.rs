//! A range of a redb table, read some pairs at a time.
//!
//! An iterator of redb that may outlive its borrow counts references for every pair: to the page, twice, and to the
//! transaction, twice. Here the pairs of a stretch are copied into one buffer from a borrowed range, and the position is
//! looked for again when it is used up. Stretches begin short, for those who want only the first pair.

use std::ops::Bound;
use std::sync::Arc;

use redb::{ReadableTable, StorageError as RedbError};

use super::errors::storage_error;
use super::kv::{KvBound, KvBytes, RedbTable, TableBase, is_empty_range};
use crate::error::Result;

/// Pairs of the first stretch, and of the longest one.
const FIRST_PAIRS: usize = 4;
const MOST_PAIRS: usize = 256;
/// A stretch ends when it holds this many bytes.
const STRETCH_BYTES: usize = 64 << 10;

/// Where a pair lies in the buffer: its key, then its value.
#[derive(Clone, Copy)]
struct Place {
    key: u32,
    value: u32,
    end: u32,
}

pub(super) struct BaseRange {
    table: Arc<RedbTable>,
    lower: Bound<KvBytes>,
    upper: Bound<KvBytes>,
    reverse: bool,
    buffer: Arc<Vec<u8>>,
    places: Vec<Place>,
    next: usize,
    pair_limit: usize,
    exhausted: bool,
    /// The table reads through the transaction.
    _base: Arc<TableBase>,
}

impl BaseRange {
    pub fn new(
        base: Arc<TableBase>,
        table: Arc<RedbTable>,
        lower: KvBound<'_>,
        upper: KvBound<'_>,
        reverse: bool,
    ) -> BaseRange {
        let owned = |bound: KvBound<'_>| bound.map(|key| KvBytes::Shared(Arc::from(key)));
        BaseRange {
            table,
            lower: owned(lower),
            upper: owned(upper),
            reverse,
            buffer: Arc::default(),
            places: Vec::new(),
            next: 0,
            pair_limit: FIRST_PAIRS,
            exhausted: false,
            _base: base,
        }
    }

    fn fill(&mut self) -> Result<()> {
        let mut bytes = Vec::with_capacity(self.buffer.len());
        self.places.clear();
        self.next = 0;
        {
            let (lower, upper) = (self.lower.as_ref().map(|key| &key[..]), self.upper.as_ref().map(|key| &key[..]));
            if is_empty_range(lower, upper) {
                self.exhausted = true;
                return Ok(());
            }
            let mut range = ReadableTable::range::<&[u8]>(&*self.table, (lower, upper)).map_err(storage_error)?;
            loop {
                let pair = if self.reverse { range.next_back() } else { range.next() };
                let Some(pair) = pair else {
                    self.exhausted = true;
                    break;
                };
                let (key, value) = pair.map_err(|error: RedbError| storage_error(error))?;
                let start = bytes.len() as u32;
                bytes.extend_from_slice(key.value());
                let value_start = bytes.len() as u32;
                bytes.extend_from_slice(value.value());
                // A key, a value of at most 1 GiB and the stretch before them: far below 4 GiB.
                self.places.push(Place { key: start, value: value_start, end: bytes.len() as u32 });
                if self.places.len() >= self.pair_limit || bytes.len() >= STRETCH_BYTES {
                    break;
                }
            }
        }
        self.buffer = Arc::new(bytes);
        self.pair_limit = (self.pair_limit * 4).min(MOST_PAIRS);
        if let (false, Some(last)) = (self.exhausted, self.places.last()) {
            let last = Bound::Excluded(KvBytes::piece(&self.buffer, last.key, last.value));
            if self.reverse {
                self.upper = last;
            } else {
                self.lower = last;
            }
        }
        Ok(())
    }
}

impl Iterator for BaseRange {
    type Item = Result<(KvBytes, KvBytes)>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.next == self.places.len() {
            if self.exhausted {
                return None;
            }
            if let Err(error) = self.fill() {
                self.exhausted = true;
                return Some(Err(error));
            }
        }
        let place = *self.places.get(self.next)?;
        self.next += 1;
        let key = KvBytes::piece(&self.buffer, place.key, place.value);
        Some(Ok((key, KvBytes::piece(&self.buffer, place.value, place.end))))
    }
}
