//! A range of a redb table, read some pairs at a time.
//!
//! An iterator of redb that may outlive its borrow counts references for every pair: to the page, twice, and to the
//! transaction, twice. Here a stretch of pairs is taken from a borrowed range at once, and the position is looked for
//! again when it is used up. [`BaseRange`] copies a stretch into one buffer; [`DecodedRange`] keeps only what is made of the
//! pairs. Stretches begin short, for those who want only the first pair.

use std::collections::VecDeque;
use std::ops::Bound;
use std::sync::Arc;

use redb::ReadableTable;

use super::errors::storage_error;
use super::kv::{KvBound, KvBytes, RedbTable, TableBase, is_empty_range};
use crate::error::Result;

/// Pairs of the first stretch, and of the longest one.
const FIRST_PAIRS: usize = 4;
const MOST_PAIRS: usize = 512;
/// A stretch ends when its pairs have this many bytes.
const STRETCH_BYTES: usize = 64 << 10;

/// How far a range has been read.
pub(crate) struct RangePosition {
    table: Arc<RedbTable>,
    lower: Bound<Vec<u8>>,
    upper: Bound<Vec<u8>>,
    reverse: bool,
    pair_limit: usize,
    exhausted: bool,
    /// The table reads through the transaction.
    _base: Arc<TableBase>,
}

impl RangePosition {
    pub fn new(
        base: Arc<TableBase>,
        table: Arc<RedbTable>,
        lower: KvBound<'_>,
        upper: KvBound<'_>,
        reverse: bool,
    ) -> RangePosition {
        RangePosition {
            table,
            lower: lower.map(<[u8]>::to_vec),
            upper: upper.map(<[u8]>::to_vec),
            reverse,
            pair_limit: FIRST_PAIRS,
            exhausted: is_empty_range(lower, upper),
            _base: base,
        }
    }

    pub fn is_exhausted(&self) -> bool {
        self.exhausted
    }

    /// Hands the pairs of the next stretch, at most `limit` of them, to `take`; none when the range is at its end.
    pub fn next_stretch(&mut self, limit: usize, mut take: impl FnMut(&[u8], &[u8]) -> Result<()>) -> Result<()> {
        if self.exhausted {
            return Ok(());
        }
        let pair_limit = self.pair_limit.min(limit);
        let (lower, upper) = (self.lower.as_ref().map(|key| &key[..]), self.upper.as_ref().map(|key| &key[..]));
        let mut range = ReadableTable::range::<&[u8]>(&*self.table, (lower, upper)).map_err(storage_error)?;
        let (mut pair_count, mut size_bytes) = (0, 0);
        let last = loop {
            let pair = if self.reverse { range.next_back() } else { range.next() };
            let Some(pair) = pair else {
                self.exhausted = true;
                return Ok(());
            };
            let (key, value) = pair.map_err(storage_error)?;
            let (key_bytes, value_bytes) = (key.value(), value.value());
            take(key_bytes, value_bytes)?;
            pair_count += 1;
            size_bytes += key_bytes.len() + value_bytes.len();
            if pair_count >= pair_limit || size_bytes >= STRETCH_BYTES {
                break key_bytes.to_vec();
            }
        };
        drop(range);
        self.pair_limit = (self.pair_limit * 4).min(MOST_PAIRS);
        if self.reverse {
            self.upper = Bound::Excluded(last);
        } else {
            self.lower = Bound::Excluded(last);
        }
        let (lower, upper) = (self.lower.as_ref().map(|key| &key[..]), self.upper.as_ref().map(|key| &key[..]));
        self.exhausted = is_empty_range(lower, upper);
        Ok(())
    }
}

/// Where a pair lies in the buffer: its key, then its value. A key, a value of at most 1 GiB and the stretch before them
/// stay far below 4 GiB.
#[derive(Clone, Copy)]
struct Place {
    key: u32,
    value: u32,
    end: u32,
}

/// The pairs themselves.
pub(super) struct BaseRange {
    position: RangePosition,
    buffer: Arc<Vec<u8>>,
    places: Vec<Place>,
    next: usize,
    failed: bool,
}

impl BaseRange {
    pub fn new(position: RangePosition) -> BaseRange {
        BaseRange { position, buffer: Arc::default(), places: Vec::new(), next: 0, failed: false }
    }

    fn fill(&mut self) -> Result<()> {
        let mut bytes = Vec::with_capacity(self.buffer.len());
        let places = &mut self.places;
        places.clear();
        self.next = 0;
        let filled = self.position.next_stretch(MOST_PAIRS, |key, value| {
            let start = bytes.len() as u32;
            bytes.extend_from_slice(key);
            let value_start = bytes.len() as u32;
            bytes.extend_from_slice(value);
            places.push(Place { key: start, value: value_start, end: bytes.len() as u32 });
            Ok(())
        });
        self.buffer = Arc::new(bytes);
        filled
    }
}

impl Iterator for BaseRange {
    type Item = Result<(KvBytes, KvBytes)>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.next == self.places.len()
            && !self.failed
            && let Err(error) = self.fill()
        {
            self.failed = true;
            return Some(Err(error));
        }
        let place = *self.places.get(self.next)?;
        self.next += 1;
        let key = KvBytes::piece(&self.buffer, place.key, place.value);
        Some(Ok((key, KvBytes::piece(&self.buffer, place.value, place.end))))
    }
}

/// What `decode` makes of each pair.
pub(super) struct DecodedRange<T, F> {
    position: RangePosition,
    decode: F,
    decoded: VecDeque<T>,
    /// Met behind what is decoded.
    error: Option<crate::error::StorageError>,
    failed: bool,
}

impl<T, F: FnMut(&[u8], &[u8]) -> Result<T>> DecodedRange<T, F> {
    pub fn new(position: RangePosition, decode: F) -> DecodedRange<T, F> {
        DecodedRange { position, decode, decoded: VecDeque::new(), error: None, failed: false }
    }
}

impl<T, F: FnMut(&[u8], &[u8]) -> Result<T>> Iterator for DecodedRange<T, F> {
    type Item = Result<T>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.decoded.is_empty() && !self.failed {
            let (decode, decoded) = (&mut self.decode, &mut self.decoded);
            let taken = self.position.next_stretch(MOST_PAIRS, |key, value| {
                decoded.push_back(decode(key, value)?);
                Ok(())
            });
            if let Err(error) = taken {
                self.error = Some(error);
                self.failed = true;
            }
        }
        match self.decoded.pop_front() {
            Some(decoded) => Some(Ok(decoded)),
            None => self.error.take().map(Err),
        }
    }
}
