//! Sequences.

use serde::{Deserialize, Serialize};

use crate::DataType;
use crate::ids::{ColumnId, RelationId};

/// How a sequence counts. Where it stands is no part of its definition: numbers are given outside of transactions.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SequenceDef {
    pub id: RelationId,
    pub schema: String,
    pub name: String,
    /// `Int2`, `Int4` or `Int8`.
    pub ty: DataType,
    pub start: i64,
    /// Never 0.
    pub increment: i64,
    pub min_value: i64,
    pub max_value: i64,
    /// Numbers that a session takes at once, from 1.
    pub cache: i64,
    pub cycle: bool,
    pub owner: Option<SequenceOwner>,
    /// Where it stood when this generation began.
    pub initial: SequenceValue,
    /// Moves whenever the sequence is put elsewhere as a part of a transaction.
    pub generation: u64,
}

/// The column with which a sequence is dropped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SequenceOwner {
    pub table: RelationId,
    pub column: ColumnId,
    /// It is the column's identity, and cannot be dropped by itself.
    pub is_identity: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SequenceValue {
    pub last_value: i64,
    /// False: `last_value` itself is the next number.
    pub is_called: bool,
}

impl SequenceDef {
    /// From 1 by 1 to the end of the type, with an id, an owner and a generation still to be given.
    pub fn ascending(id: RelationId, schema: &str, name: &str, ty: DataType) -> SequenceDef {
        let (_, max_value) = SequenceDef::range_of(&ty);
        SequenceDef {
            id,
            schema: schema.to_owned(),
            name: name.to_owned(),
            ty,
            start: 1,
            increment: 1,
            min_value: 1,
            max_value,
            cache: 1,
            cycle: false,
            owner: None,
            initial: SequenceValue { last_value: 1, is_called: false },
            generation: 0,
        }
    }

    /// The least and the greatest number of a type.
    pub fn range_of(ty: &DataType) -> (i64, i64) {
        match ty {
            DataType::Int2 => (i64::from(i16::MIN), i64::from(i16::MAX)),
            DataType::Int4 => (i64::from(i32::MIN), i64::from(i32::MAX)),
            _ => (i64::MIN, i64::MAX),
        }
    }

    /// The number `count` steps behind `value`; None beyond the limits.
    pub fn step(&self, value: i64, count: i64) -> Option<i64> {
        let next = i128::from(value) + i128::from(self.increment) * i128::from(count);
        i64::try_from(next).ok().filter(|next| (self.min_value..=self.max_value).contains(next))
    }

    /// Numbers that follow `value` within the limits.
    pub fn steps_left(&self, value: i64) -> i64 {
        let limit = if self.increment > 0 { self.max_value } else { self.min_value };
        let distance = i128::from(limit) - i128::from(value);
        i64::try_from(distance / i128::from(self.increment)).unwrap_or(i64::MAX).max(0)
    }

    /// Where CYCLE goes on.
    pub fn first_of_cycle(&self) -> i64 {
        if self.increment > 0 { self.min_value } else { self.max_value }
    }

    /// Whether dropping the column drops the sequence.
    pub fn belongs_to(&self, table: RelationId, column: ColumnId) -> bool {
        self.owner.is_some_and(|owner| owner.table == table && owner.column == column)
    }
}
