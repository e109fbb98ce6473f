//! Calls that go through a partition once: their answer for a row follows from the rows up to it, or up to its last peer.

use sinew_storage::Value;

use super::{Border, Call, PhysCallee};
use crate::batch::Batch;
use crate::error::Result;
use crate::exec::operators::window::framed::State;
use crate::exec::run::Cx;
use crate::functions::WindowKind;

pub(super) enum Running {
    RowNumber { row: i64 },
    Rank { row: i64, rank: i64 },
    DenseRank { rank: i64 },
    FirstValue { value: Value },
    LastValue { value: Value },
    Aggregate(State),
}

impl Running {
    pub fn new(call: &Call, cx: &Cx) -> Running {
        match &call.function {
            PhysCallee::Aggregate(function) => Running::Aggregate(State::new(function, &call.types, cx)),
            PhysCallee::Function(WindowKind::Rank) => Running::Rank { row: 0, rank: 0 },
            PhysCallee::Function(WindowKind::DenseRank) => Running::DenseRank { rank: 0 },
            PhysCallee::Function(WindowKind::FirstValue) => Running::FirstValue { value: Value::Null },
            PhysCallee::Function(WindowKind::LastValue) => Running::LastValue { value: Value::Null },
            PhysCallee::Function(_) => Running::RowNumber { row: 0 },
        }
    }

    /// The value for the row behind the one it was asked for last. `to_last_peer`: frames end with the last peer, which is
    /// among `rows`.
    pub fn value(
        &mut self,
        call: &Call,
        rows: &Batch,
        borders: &[Border],
        row: usize,
        to_last_peer: bool,
    ) -> Result<Value> {
        let border = borders[row];
        let begins_partition = border == Border::Partition;
        // The rows that come into the frame with this one.
        let added = || {
            if !to_last_peer {
                return row..row + 1;
            }
            match border {
                Border::Row => row..row,
                _ => {
                    let peers = borders[row + 1..].iter().take_while(|border| **border == Border::Row).count();
                    row..row + 1 + peers
                }
            }
        };
        Ok(match self {
            Running::RowNumber { row } => {
                *row = if begins_partition { 1 } else { *row + 1 };
                Value::Int(*row)
            }
            Running::Rank { row, rank } => {
                *row = if begins_partition { 1 } else { *row + 1 };
                if border != Border::Row {
                    *rank = *row;
                }
                Value::Int(*rank)
            }
            Running::DenseRank { rank } => {
                match border {
                    Border::Row => {}
                    Border::Group => *rank += 1,
                    Border::Partition => *rank = 1,
                }
                Value::Int(*rank)
            }
            Running::FirstValue { value } => {
                if begins_partition {
                    *value = call.arg(0, rows, row);
                }
                value.clone()
            }
            Running::LastValue { value } => {
                if let Some(last) = added().last() {
                    *value = call.arg(0, rows, last);
                }
                value.clone()
            }
            Running::Aggregate(state) => {
                if begins_partition {
                    state.restart();
                }
                state.add(call, rows, added())?;
                state.value()?
            }
        })
    }
}
