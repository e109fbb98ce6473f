//! What the calls give for a row.

use std::ops::Range;

use sinew_storage::Value;

use super::aggregate::SlidingAggregate;
use super::partition::Partition;
use super::rows::{Reader, Rows};
use super::{Call, PhysBound, PhysCallee, WindowPlan};
use crate::algebra::FrameExclusion;
use crate::error::{QueryError, Result, sqlstate};
use crate::exec::run::Cx;
use crate::functions::WindowKind;

/// A call on the way through its partitions.
pub(super) enum Evaluator {
    /// Numbers and ranks.
    Position(WindowKind),
    Ntile {
        /// Known from the first row on that has an argument, and that row.
        buckets: Option<(i64, usize)>,
    },
    /// LAG and LEAD.
    Neighbour {
        reader: Reader,
        /// How far back the last row read, when that is the same for all rows.
        back: Option<usize>,
    },
    OfFrame {
        kind: WindowKind,
        reader: Reader,
        /// The value that was given last, and its row.
        known: Option<(usize, Value)>,
        /// The row read next, when later rows read no other before it.
        fixed: Option<usize>,
    },
    Aggregate(Box<SlidingAggregate>),
}

impl Evaluator {
    pub fn new(call: &Call, cx: &Cx) -> Evaluator {
        match &call.function {
            PhysCallee::Aggregate(function) => {
                Evaluator::Aggregate(Box::new(SlidingAggregate::new(function, &call.types, cx)))
            }
            PhysCallee::Function(WindowKind::Ntile) => Evaluator::Ntile { buckets: None },
            PhysCallee::Function(WindowKind::Lag | WindowKind::Lead) => {
                Evaluator::Neighbour { reader: Reader::default(), back: None }
            }
            PhysCallee::Function(kind) if kind.uses_frame() => {
                Evaluator::OfFrame { kind: *kind, reader: Reader::default(), known: None, fixed: None }
            }
            PhysCallee::Function(kind) => Evaluator::Position(*kind),
        }
    }

    /// Before a partition's first row.
    pub fn restart(&mut self) {
        match self {
            Evaluator::Aggregate(aggregate) => aggregate.restart(),
            Evaluator::Ntile { buckets } => *buckets = None,
            Evaluator::OfFrame { known, fixed, .. } => (*known, *fixed) = (None, None),
            Evaluator::Neighbour { back, .. } => *back = None,
            Evaluator::Position(_) => {}
        }
    }

    /// The value for the partition's current row, which `current` is at.
    pub fn value(
        &mut self,
        call: &Call,
        partition: &mut Partition,
        rows: &mut Rows,
        current: &Reader,
    ) -> Result<Value> {
        let row = partition.row();
        // Of the row itself.
        let arg = |index: usize| call.args.get(index).map_or(Value::Null, |place| current.value(*place, row));
        match self {
            Evaluator::Position(kind) => position_value(*kind, partition, rows),
            Evaluator::Ntile { buckets } => {
                let (buckets, first) = match *buckets {
                    Some(known) => known,
                    None => {
                        let Some(count) = arg(0).as_int() else { return Ok(Value::Null) };
                        if count <= 0 {
                            return Err(QueryError::new(
                                sqlstate::INVALID_ARGUMENT_FOR_NTILE,
                                "argument of ntile must be greater than zero",
                            ));
                        }
                        *buckets.insert((count, row))
                    }
                };
                let row_count = rows.partition_end()? - partition.start();
                Ok(Value::Int(bucket(row - first, row_count, buckets)))
            }
            Evaluator::Neighbour { reader, back } => {
                let distance = if call.args.len() > 1 { arg(1).as_int() } else { Some(1) };
                let back_count = match (distance, &call.function) {
                    (None, _) => {
                        *back = Some(0);
                        return Ok(Value::Null);
                    }
                    (Some(distance), PhysCallee::Function(WindowKind::Lead)) => -i128::from(distance),
                    (Some(distance), _) => i128::from(distance),
                };
                // A distance that no partition has leads out of this one.
                let back_count = back_count.clamp(-(1 << 62), 1 << 62) as i64;
                *back = Some(usize::try_from(back_count).unwrap_or(0));
                let to = row as i64 - back_count;
                let to = usize::try_from(to).ok().filter(|to| *to >= partition.start());
                match (to, call.args.first()) {
                    (Some(to), Some(place)) if to <= row || rows.at_most(to + 1)? > to => {
                        rows.seek(reader, to)?;
                        Ok(reader.value(*place, to))
                    }
                    _ => Ok(arg(2)),
                }
            }
            Evaluator::OfFrame { kind, reader, known, fixed } => {
                let ranges = partition.frame_rows();
                let to = match kind {
                    WindowKind::FirstValue => ranges.first().map(|part| part.start),
                    WindowKind::LastValue => ranges.last().map(|part| part.end - 1),
                    _ => match arg(1).as_int() {
                        Some(n) if n <= 0 => {
                            return Err(QueryError::new(
                                sqlstate::INVALID_ARGUMENT_FOR_NTH_VALUE,
                                "argument of nth_value must be greater than zero",
                            ));
                        }
                        Some(n) => {
                            let n = usize::try_from(n - 1).unwrap_or(usize::MAX);
                            *fixed = Some(partition.start().saturating_add(n));
                            nth_row(n, ranges)
                        }
                        None => {
                            *fixed = Some(usize::MAX);
                            None
                        }
                    },
                };
                let (Some(to), Some(place)) = (to, call.args.first()) else { return Ok(Value::Null) };
                if let Some((at, value)) = known
                    && *at == to
                {
                    return Ok(value.clone());
                }
                rows.seek(reader, to)?;
                let value = reader.value(*place, to);
                *known = Some((to, value.clone()));
                Ok(value)
            }
            Evaluator::Aggregate(aggregate) => aggregate.value_over(partition.frame_rows(), call, rows),
        }
    }

    /// The first row that the call may read for later rows of the partition, or a later one.
    pub fn needed_from(&self, call: &Call, plan: &WindowPlan, partition: &Partition) -> usize {
        let starts_with_partition = matches!(plan.frame.start, PhysBound::UnboundedPreceding)
            && plan.frame.exclusion == FrameExclusion::NoOthers;
        let (start, frame) = (partition.start(), partition.frame());
        match self {
            Evaluator::Position(_) | Evaluator::Ntile { .. } => usize::MAX,
            Evaluator::Neighbour { back: Some(back), .. } if call.has_fixed_offset => {
                (partition.row() + 1).saturating_sub(*back).max(start)
            }
            Evaluator::Neighbour { .. } => start,
            Evaluator::OfFrame { .. } | Evaluator::Aggregate(_) if !starts_with_partition => frame.start,
            // Rows that it took in are not taken out again.
            Evaluator::Aggregate(_) => frame.end,
            Evaluator::OfFrame { kind: WindowKind::LastValue, .. } => frame.end.saturating_sub(1).max(start),
            Evaluator::OfFrame { kind, known, fixed, .. } => {
                let wanted = match fixed {
                    Some(fixed) if call.has_fixed_offset => *fixed,
                    _ => start,
                };
                let has_one_row = *kind == WindowKind::FirstValue || call.has_fixed_offset;
                let is_known = has_one_row && known.as_ref().is_some_and(|(at, _)| *at == wanted);
                if is_known { usize::MAX } else { wanted }
            }
        }
    }
}

/// The nth row from 0 of those in ranges.
fn nth_row(n: usize, ranges: &[Range<usize>]) -> Option<usize> {
    let mut left = n;
    for part in ranges {
        if left < part.len() {
            return Some(part.start + left);
        }
        left -= part.len();
    }
    None
}

/// The bucket, from 1, of a row among so many: the first ones have one row more.
fn bucket(position: usize, row_count: usize, buckets: i64) -> i64 {
    let (position, row_count) = (position as i64, row_count as i64);
    let (size, larger) = (row_count / buckets, row_count % buckets);
    let in_larger = larger * (size + 1);
    if position < in_larger { position / (size + 1) + 1 } else { (position - in_larger) / size.max(1) + larger + 1 }
}

fn position_value(kind: WindowKind, partition: &mut Partition, rows: &mut Rows) -> Result<Value> {
    let start = partition.start();
    let rank = (partition.peers_start() - start) as i64 + 1;
    Ok(match kind {
        WindowKind::Rank => Value::Int(rank),
        WindowKind::DenseRank => Value::Int(partition.group() as i64 + 1),
        WindowKind::PercentRank => Value::Float(match rows.partition_end()? - start {
            1 => 0.0,
            row_count => (rank - 1) as f64 / (row_count - 1) as f64,
        }),
        WindowKind::CumeDist => {
            let row_count = rows.partition_end()? - start;
            Value::Float((partition.peers(rows)?.end - start) as f64 / row_count as f64)
        }
        _ => Value::Int((partition.row() - start) as i64 + 1),
    })
}
