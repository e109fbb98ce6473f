//! Where sequences stand. Numbers are given outside of transactions: a rollback takes none back.
//!
//! The state of a sequence is a row of the counters' keyspace, named by the sequence and the generation of its definition.
//! As with [`super::counters`], giving a number changes only memory and a list of rows to write, and the committer writes
//! the list with the next batch. A row says how far the sequence may have come: it lies up to [`LOGGED_AHEAD`] numbers
//! ahead, so that most numbers cost no row. A crash skips those; closing the store writes the exact state.

use std::collections::BTreeMap;

use parking_lot::Mutex;
use rustc_hash::FxHashMap;

use super::Keyspace;
use super::snapshot::Published;
use crate::catalog::{SequenceDef, SequenceValue};
use crate::error::{Result, StorageError};
use crate::ids::RelationId;

/// Numbers that may be given before the next row, as PostgreSQL's SEQ_LOG_VALS.
const LOGGED_AHEAD: i64 = 32;

/// A sequence and the generation of its definition: redefining it begins a new state, and a rollback goes back to the old.
type Key = (RelationId, u64);

struct State {
    value: SequenceValue,
    /// Numbers that may be given before the row in the file has to move.
    logged: i64,
}

#[derive(Default)]
struct Inner {
    states: FxHashMap<Key, State>,
    unwritten: BTreeMap<Key, SequenceValue>,
}

#[derive(Default)]
pub(crate) struct Sequences {
    inner: Mutex<Inner>,
}

/// Numbers that were taken at once: from `first` to `last`, by the sequence's increment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SequenceRange {
    pub first: i64,
    pub last: i64,
}

/// Key and value of a state's row.
pub(super) fn encode_row((sequence, generation): Key, value: SequenceValue) -> (Vec<u8>, Vec<u8>) {
    let mut bytes = value.last_value.to_be_bytes().to_vec();
    bytes.push(u8::from(value.is_called));
    (row_name((sequence, generation)), bytes)
}

fn row_name((sequence, generation): Key) -> Vec<u8> {
    format!("sequence/{sequence}/{generation}").into_bytes()
}

fn decode_row(bytes: &[u8]) -> Result<SequenceValue> {
    match bytes.split_last_chunk::<1>() {
        Some((value, [is_called @ (0 | 1)])) => {
            let value = <[u8; 8]>::try_from(value).ok();
            value.map(|value| SequenceValue { last_value: i64::from_be_bytes(value), is_called: *is_called == 1 })
        }
        _ => None,
    }
    .ok_or_else(|| StorageError::Corrupted("a sequence's state cannot be read".to_owned()))
}

impl Inner {
    fn state(&mut self, sequence: &SequenceDef, published: &Published) -> Result<&mut State> {
        let key = (sequence.id, sequence.generation);
        if !self.states.contains_key(&key) {
            let value = match self.unwritten.get(&key) {
                Some(value) => *value,
                None => match published.current().rows.get(Keyspace::COUNTERS, &row_name(key))? {
                    Some(bytes) => decode_row(&bytes)?,
                    None => sequence.initial,
                },
            };
            self.states.insert(key, State { value, logged: 0 });
        }
        Ok(self.states.get_mut(&key).expect("inserted above"))
    }
}

impl Sequences {
    /// The next `count` numbers, or fewer where the sequence ends or begins anew; None when it has ended. The second value
    /// is true when a row has to reach the file before the numbers are relied on.
    pub fn next(
        &self,
        sequence: &SequenceDef,
        count: i64,
        published: &Published,
    ) -> Result<Option<(SequenceRange, bool)>> {
        let inner = &mut *self.inner.lock();
        let state = inner.state(sequence, published)?;
        let mut begins_anew = false;
        let first = if state.value.is_called {
            match sequence.step(state.value.last_value, 1) {
                Some(next) => next,
                None if sequence.cycle => {
                    begins_anew = true;
                    sequence.first_of_cycle()
                }
                None => return Ok(None),
            }
        } else {
            state.value.last_value
        };
        let more = (count - 1).clamp(0, sequence.steps_left(first));
        let last = sequence.step(first, more).unwrap_or(first);
        state.value = SequenceValue { last_value: last, is_called: true };
        let given = more + 1;
        let must_write = begins_anew || state.logged < given;
        if must_write {
            state.logged = LOGGED_AHEAD.min(sequence.steps_left(last));
            let ahead = sequence.step(last, state.logged).unwrap_or(last);
            let logged = SequenceValue { last_value: ahead, is_called: true };
            inner.unwritten.insert((sequence.id, sequence.generation), logged);
        } else {
            state.logged -= given;
        }
        Ok(Some((SequenceRange { first, last }, must_write)))
    }

    pub fn set(&self, sequence: &SequenceDef, value: SequenceValue) {
        let inner = &mut *self.inner.lock();
        let key = (sequence.id, sequence.generation);
        inner.states.insert(key, State { value, logged: 0 });
        inner.unwritten.insert(key, value);
    }

    /// Where it stands, and how many numbers may be given before a row is written.
    pub fn value(&self, sequence: &SequenceDef, published: &Published) -> Result<(SequenceValue, i64)> {
        let inner = &mut *self.inner.lock();
        let state = inner.state(sequence, published)?;
        Ok((state.value, state.logged))
    }

    /// Rows the committer must write with its next batch.
    pub fn take_unwritten(&self) -> BTreeMap<Key, SequenceValue> {
        std::mem::take(&mut self.inner.lock().unwritten)
    }

    /// Takes back rows that could not be written; newer ones stay.
    pub fn give_back(&self, rows: BTreeMap<Key, SequenceValue>) {
        let inner = &mut *self.inner.lock();
        for (key, value) in rows {
            inner.unwritten.entry(key).or_insert(value);
        }
    }

    /// Has the exact state of every sequence written with the next batch.
    pub fn settle(&self) {
        let inner = &mut *self.inner.lock();
        for (key, state) in &mut inner.states {
            if state.logged > 0 {
                state.logged = 0;
                inner.unwritten.insert(*key, state.value);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::DataType;

    #[test]
    fn rows_are_read_as_they_were_written() {
        for value in [i64::MIN, -1, 0, i64::MAX] {
            for is_called in [false, true] {
                let value = SequenceValue { last_value: value, is_called };
                let (_, bytes) = encode_row((RelationId(7), 1), value);
                assert_eq!(decode_row(&bytes).unwrap(), value);
            }
        }
        assert!(decode_row(&[]).is_err());
        assert!(decode_row(&[0; 8]).is_err());
        assert!(decode_row(&[2; 9]).is_err());
    }

    #[test]
    fn steps_stay_within_the_limits() {
        let mut sequence = SequenceDef::ascending(RelationId(7), "public", "s", DataType::Int8);
        assert_eq!(sequence.step(1, 4), Some(5));
        assert_eq!(sequence.step(i64::MAX, 1), None);
        assert_eq!(sequence.steps_left(i64::MAX - 3), 3);
        sequence.increment = -3;
        sequence.min_value = -10;
        assert_eq!(sequence.step(1, 3), Some(-8));
        assert_eq!(sequence.step(-8, 1), None);
        assert_eq!(sequence.steps_left(1), 3);
        sequence.increment = i64::MIN;
        sequence.min_value = i64::MIN;
        assert_eq!(sequence.step(0, 1), Some(i64::MIN));
        assert_eq!(sequence.step(-1, 1), None);
    }
}
