//! The running states of one aggregate, in all groups.

use arrow_array::UInt32Array;
use sinew_storage::Value;

use super::PhysAggregate;
use super::groups::NO_GROUP;
use crate::batch::{Batch, Column, value_size_bytes};
use crate::error::Result;
use crate::exec::expr::PhysExpr;
use crate::exec::key::{KeyMode, encode_column_key};
use crate::exec::key_set::KeySet;
use crate::exec::operators::sort::compare_rows;
use crate::exec::run::{Cx, Reservation};
use crate::functions::Accumulator;
use crate::functions::aggregate_grouped::{GroupedAccumulator, Groups, grouped};

/// Growth that is charged at once, in bytes.
const CHARGE_BYTES: usize = 1 << 20;

/// One aggregate's columns over a batch, on the rows that pass its FILTER.
pub(super) struct Arguments {
    pub args: Vec<Column>,
    pub order: Vec<Column>,
    /// Positions of those rows; None: all.
    pub rows: Option<Vec<u32>>,
}

impl Arguments {
    /// Computes them, and says how many bytes they hold.
    pub fn of(aggregate: &PhysAggregate, cx: &Cx, batch: &Batch, limit_bytes: usize) -> Result<(Arguments, usize)> {
        // Rows that FILTER drops must not be evaluated: they may be what would fail.
        let filtered = match &aggregate.filter {
            None => None,
            Some(filter) => {
                let rows = filter.select_rows(cx, batch)?;
                Some((batch.take(&rows), rows))
            }
        };
        let source = filtered.as_ref().map_or(batch, |(source, _)| source);
        let mut held_bytes = 0;
        let mut evaluate = |expr: &PhysExpr| -> Result<Column> {
            let column = expr.eval_within(cx, source, limit_bytes.saturating_sub(held_bytes))?;
            if expr.is_computed() {
                held_bytes += column.held_bytes();
            }
            Ok(column)
        };
        let args = aggregate.args.iter().map(&mut evaluate).collect::<Result<Vec<_>>>()?;
        let order = aggregate.order_by.iter().map(|key| evaluate(&key.expr)).collect::<Result<Vec<_>>>()?;
        Ok((Arguments { args, order, rows: filtered.map(|(_, rows)| rows) }, held_bytes))
    }
}

impl Arguments {
    /// Some of its entries.
    fn take(&self, entries: Vec<u32>) -> Arguments {
        let indices = UInt32Array::from(entries);
        let taken = |columns: &[Column]| columns.iter().map(|column| column.take_array(&indices)).collect();
        Arguments { args: taken(&self.args), order: taken(&self.order), rows: None }
    }
}

pub(super) enum States {
    /// All groups in one array.
    Grouped(Box<dyn GroupedAccumulator>),
    /// Each group on its own, fed row by row.
    Single(Vec<State>),
}

/// One aggregate in one group.
pub(super) struct State {
    accumulator: Box<dyn Accumulator>,
    /// Argument rows seen, for DISTINCT.
    seen: KeySet,
    /// (sort keys, arguments) kept until the end, for ORDER BY.
    rows: Vec<(Vec<Value>, Vec<Value>)>,
    size_bytes: usize,
}

impl State {
    fn new(aggregate: &PhysAggregate) -> State {
        let types: Vec<_> = aggregate.args.iter().map(|arg| arg.ty.clone()).collect();
        let accumulator = (aggregate.function.accumulator)(&types);
        let size_bytes = accumulator.size_bytes();
        State { accumulator, seen: KeySet::default(), rows: Vec::new(), size_bytes }
    }

    /// Bytes that the accumulator grew by since it was asked last: those that keep their input grow.
    fn growth(&mut self) -> usize {
        let size = self.accumulator.size_bytes();
        let grown = size.saturating_sub(self.size_bytes);
        self.size_bytes = self.size_bytes.max(size);
        grown
    }

    /// Takes one row; gives the bytes it grew by.
    fn update(&mut self, aggregate: &PhysAggregate, arguments: &Arguments, row: usize) -> Result<usize> {
        if aggregate.function.strict && arguments.args.iter().any(|column| column.is_null(row)) {
            return Ok(0);
        }
        let mut grown = 0;
        if aggregate.distinct {
            let mut key = Vec::new();
            arguments.args.iter().for_each(|arg| encode_column_key(arg, row, KeyMode::Equivalent, &mut key));
            if self.seen.is_empty() {
                grown += KeySet::FIRST_BYTES;
            }
            if !self.seen.insert(&key) {
                return Ok(0);
            }
            grown += key.len() + KeySet::ENTRY_BYTES;
        }
        let args: smallvec::SmallVec<[Value; 2]> = arguments.args.iter().map(|column| column.value(row)).collect();
        if aggregate.order_by.is_empty() {
            self.accumulator.update(&args)?;
            grown += self.growth();
        } else {
            let keys: Vec<Value> = arguments.order.iter().map(|column| column.value(row)).collect();
            grown += keys.iter().chain(args.iter()).map(value_size_bytes).sum::<usize>() + 48;
            self.rows.push((keys, args.into_vec()));
        }
        Ok(grown)
    }

    fn sort(&mut self, aggregate: &PhysAggregate, memory: &mut Reservation, cx: &Cx) -> Result<()> {
        let mut rows = std::mem::take(&mut self.rows);
        rows.sort_by(|a, b| compare_rows(&aggregate.order_by, &a.0, &b.0));
        let mut grown = 0;
        for (_, args) in rows {
            self.accumulator.update(&args)?;
            grown += self.growth();
            charge(&mut grown, CHARGE_BYTES, memory, cx)?;
        }
        charge(&mut grown, 0, memory, cx)
    }
}

impl States {
    pub fn new(aggregate: &PhysAggregate) -> States {
        let plain = !aggregate.distinct && aggregate.order_by.is_empty();
        match grouped(&aggregate.function) {
            Some(grouped) if plain => States::Grouped(grouped),
            _ => States::Single(Vec::new()),
        }
    }

    /// Takes the rows of a batch whose groups are `of_row` (None: all are of group 0).
    pub fn update(
        &mut self,
        aggregate: &PhysAggregate,
        arguments: &Arguments,
        groups: Groups<'_>,
        memory: &mut Reservation,
        cx: &Cx,
    ) -> Result<()> {
        let chosen: Option<Vec<u32>> = match (groups.of_row, &arguments.rows) {
            (Some(of_row), Some(rows)) => Some(rows.iter().map(|row| of_row[*row as usize]).collect()),
            _ => None,
        };
        let mut of_row = chosen.as_deref().or(groups.of_row);
        let mut row_count = arguments.rows.as_ref().map_or(groups.row_count, Vec::len);
        // Rows of no group go elsewhere.
        let (kept, kept_groups): (Arguments, Vec<u32>);
        let mut arguments = arguments;
        if let Some(all) = of_row
            && all.contains(&NO_GROUP)
        {
            let rows: Vec<u32> = (0..row_count as u32).filter(|row| all[*row as usize] != NO_GROUP).collect();
            kept_groups = rows.iter().map(|row| all[*row as usize]).collect();
            kept = arguments.take(rows);
            (arguments, of_row, row_count) = (&kept, Some(kept_groups.as_slice()), kept_groups.len());
        }
        let groups = Groups { of_row, row_count, ..groups };
        match self {
            States::Grouped(accumulator) => {
                let before = accumulator.size_bytes();
                accumulator.update(&arguments.args, groups)?;
                let mut grown = accumulator.size_bytes().saturating_sub(before);
                charge(&mut grown, 0, memory, cx)
            }
            States::Single(states) => {
                let mut grown = 0;
                while states.len() < groups.group_count {
                    let state = State::new(aggregate);
                    grown += state.size_bytes + 128;
                    states.push(state);
                }
                if let ([state], None, [column]) = (states.as_mut_slice(), groups.of_row, arguments.args.as_slice())
                    && !aggregate.distinct
                    && aggregate.order_by.is_empty()
                    && aggregate.function.strict
                {
                    state.accumulator.update_column(column)?;
                    grown += state.growth();
                    return charge(&mut grown, 0, memory, cx);
                }
                for row in 0..row_count {
                    let group = groups.of_row.map_or(0, |of_row| of_row[row] as usize);
                    grown += states[group].update(aggregate, arguments, row)?;
                    // Before the next row: each may add as much as a value may hold.
                    charge(&mut grown, CHARGE_BYTES, memory, cx)?;
                }
                charge(&mut grown, 0, memory, cx)
            }
        }
    }

    /// Adds another worker's groups; see [`GroupedAccumulator::merge`].
    pub fn merge(&mut self, other: &mut States, map: &[u32], group_count: usize) -> Result<()> {
        match (self, other) {
            (States::Grouped(own), States::Grouped(other)) => own.merge(&mut **other, map, group_count),
            _ => Err(crate::error::QueryError::internal("aggregates fed row by row cannot be merged")),
        }
    }

    /// The input is at its end: what waited to be sorted is taken in.
    pub fn end_of_input(&mut self, aggregate: &PhysAggregate, memory: &mut Reservation, cx: &Cx) -> Result<()> {
        if let States::Single(states) = self
            && !aggregate.order_by.is_empty()
        {
            for state in states {
                state.sort(aggregate, memory, cx)?;
            }
        }
        Ok(())
    }

    pub fn finish(&mut self, aggregate: &PhysAggregate, group: usize) -> Result<Value> {
        match self {
            States::Grouped(accumulator) => accumulator.finish(group),
            States::Single(states) => match states.get_mut(group) {
                Some(state) => state.accumulator.finish(),
                // No row ever reached the group.
                None => State::new(aggregate).accumulator.finish(),
            },
        }
    }
}

/// Charges what was grown to the statement when it is more than `least` bytes.
fn charge(grown: &mut usize, least: usize, memory: &mut Reservation, cx: &Cx) -> Result<()> {
    if *grown <= least {
        return Ok(());
    }
    cx.check_cancel()?;
    memory.grow(std::mem::take(grown))
}
