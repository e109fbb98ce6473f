//! The groups of an aggregation: found by key, numbered in the order they were first seen.

use arrow_array::Array;
use rustc_hash::FxHashMap;
use sinew_storage::Value;

use crate::batch::{Column, value_size_bytes};
use crate::error::Result;
use crate::exec::key::{KeyMode, encode_column_key, encode_key};
use crate::exec::run::{Cx, Reservation};

/// A key that is worth being charged for, and looking at the cancel token, by itself.
const LONG_KEY_BYTES: usize = 4096;
/// Bytes of a hash table's entry beside the key.
const ENTRY_BYTES: usize = 48;

/// Numbers groups by their keys.
pub(super) struct GroupTable {
    index: Index,
    width: usize,
    /// Key values, `width` a group.
    keys: Vec<Value>,
    group_count: usize,
    size_bytes: usize,
}

enum Index {
    /// Without keys there is one group.
    Single,
    /// One key, of integers.
    Int {
        groups: FxHashMap<i64, u32>,
        null: Option<u32>,
    },
    Bytes(FxHashMap<Box<[u8]>, u32>),
}

/// The group of a row that has none and gets none.
pub(super) const NO_GROUP: u32 = u32::MAX;

impl GroupTable {
    /// For keys of `width` columns; of one column of integers when `is_int`.
    pub fn new(width: usize, is_int: bool) -> GroupTable {
        let index = match width {
            0 => Index::Single,
            1 if is_int => Index::Int { groups: FxHashMap::default(), null: None },
            _ => Index::Bytes(FxHashMap::default()),
        };
        GroupTable { index, width, keys: Vec::new(), group_count: usize::from(width == 0), size_bytes: 0 }
    }

    pub fn group_count(&self) -> usize {
        self.group_count
    }

    /// Bytes held.
    pub fn size_bytes(&self) -> usize {
        self.size_bytes
    }

    pub fn key(&self, group: usize) -> &[Value] {
        &self.keys[group * self.width..][..self.width]
    }

    /// The group of each row; None when there is only one. With `grow` false, rows of unknown groups get [`NO_GROUP`].
    /// What the table grows by is charged to `memory`.
    pub fn groups_of(
        &mut self,
        columns: &[Column],
        row_count: usize,
        grow: bool,
        memory: &mut Reservation,
        cx: &Cx,
    ) -> Result<Option<Vec<u32>>> {
        if let (Index::Int { .. }, [column]) = (&self.index, columns)
            && !matches!(column, Column::Int(_))
        {
            self.index_bytes();
        }
        let mut of_row = Vec::with_capacity(row_count);
        let mut charged_bytes = self.size_bytes;
        let mut fresh = Fresh { keys: &mut self.keys, count: &mut self.group_count, size: &mut self.size_bytes };
        match (&mut self.index, columns) {
            (Index::Single, _) => return Ok(None),
            (Index::Int { groups, null }, [Column::Int(array)]) => {
                for row in 0..row_count {
                    let group = if array.is_null(row) {
                        match null {
                            Some(group) => *group,
                            None if !grow => NO_GROUP,
                            None => *null.insert(fresh.group([Value::Null], 0)),
                        }
                    } else {
                        let key = array.value(row);
                        match groups.get(&key) {
                            Some(group) => *group,
                            None if !grow => NO_GROUP,
                            None => {
                                let group = fresh.group([Value::Int(key)], size_of::<i64>());
                                groups.insert(key, group);
                                group
                            }
                        }
                    };
                    of_row.push(group);
                }
            }
            (Index::Bytes(groups), _) => {
                let mut key = Vec::new();
                for row in 0..row_count {
                    key.clear();
                    columns.iter().for_each(|column| encode_column_key(column, row, KeyMode::Equivalent, &mut key));
                    of_row.push(match groups.get(key.as_slice()) {
                        Some(group) => *group,
                        None if !grow => NO_GROUP,
                        None => {
                            let group = fresh.group(columns.iter().map(|column| column.value(row)), key.len());
                            groups.insert(key.as_slice().into(), group);
                            group
                        }
                    });
                    // A batch of them may be larger than memory, though their values share what they hold.
                    if key.len() >= LONG_KEY_BYTES {
                        cx.check_cancel()?;
                        memory.grow(*fresh.size - charged_bytes)?;
                        charged_bytes = *fresh.size;
                    }
                }
            }
            (Index::Int { .. }, _) => unreachable!("other columns than integers were just indexed by bytes"),
        }
        memory.grow(self.size_bytes - charged_bytes)?;
        Ok(Some(of_row))
    }

    /// The group of a key; made when there is none.
    pub fn group_of(&mut self, key: &[Value]) -> u32 {
        match (&self.index, key) {
            (Index::Single, _) => return 0,
            (Index::Int { .. }, [Value::Int(_) | Value::Null]) => {}
            (Index::Int { .. }, _) => self.index_bytes(),
            (Index::Bytes(_), _) => {}
        }
        let mut fresh = Fresh { keys: &mut self.keys, count: &mut self.group_count, size: &mut self.size_bytes };
        match (&mut self.index, key) {
            (Index::Int { groups, .. }, [Value::Int(key)]) => {
                *groups.entry(*key).or_insert_with(|| fresh.group([Value::Int(*key)], size_of::<i64>()))
            }
            (Index::Int { null, .. }, _) => *null.get_or_insert_with(|| fresh.group([Value::Null], 0)),
            (Index::Bytes(groups), _) => {
                let mut bytes = Vec::new();
                key.iter().for_each(|value| encode_key(value, KeyMode::Equivalent, &mut bytes));
                match groups.get(bytes.as_slice()) {
                    Some(group) => *group,
                    None => {
                        let group = fresh.group(key.iter().cloned(), bytes.len());
                        groups.insert(bytes.into(), group);
                        group
                    }
                }
            }
            (Index::Single, _) => 0,
        }
    }

    /// Changes an index of integers to one of any keys.
    fn index_bytes(&mut self) {
        let mut groups = FxHashMap::default();
        for group in 0..self.group_count {
            let mut bytes = Vec::new();
            self.key(group).iter().for_each(|value| encode_key(value, KeyMode::Equivalent, &mut bytes));
            self.size_bytes += bytes.len();
            groups.insert(bytes.into(), group as u32);
        }
        self.index = Index::Bytes(groups);
    }
}

/// Where new groups go.
struct Fresh<'t> {
    keys: &'t mut Vec<Value>,
    count: &'t mut usize,
    size: &'t mut usize,
}

impl Fresh<'_> {
    fn group(&mut self, key: impl IntoIterator<Item = Value>, key_bytes: usize) -> u32 {
        *self.size += key_bytes + ENTRY_BYTES;
        for value in key {
            *self.size += value_size_bytes(&value);
            self.keys.push(value);
        }
        *self.count += 1;
        (*self.count - 1) as u32
    }
}
