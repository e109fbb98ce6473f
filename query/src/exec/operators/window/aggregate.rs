//! Aggregates over frames.

use std::ops::Range;
use std::sync::Arc;

use sinew_storage::{DataType, Value};
use smallvec::SmallVec;

use super::Call;
use super::input::passes;
use super::partition::{POLL_ROWS, RowRanges};
use super::rows::{Reader, Rows};
use crate::error::Result;
use crate::exec::run::{Cx, Reservation};
use crate::functions::{Accumulator, AggregateFunction};

/// Rows that are rather taken in as a column.
const COLUMN_ROWS: usize = 16;

/// An aggregate over rows that come and go. Each row is taken in once, and taken out again when the frame leaves it behind,
/// if the aggregate can do that; else the frame is read anew.
pub(super) struct SlidingAggregate {
    function: Arc<AggregateFunction>,
    types: Vec<DataType>,
    accumulator: Box<dyn Accumulator>,
    /// The rows that it holds.
    holds: RowRanges,
    /// Of these, once it was asked for.
    value: Option<Value>,
    added: Reader,
    removed: Reader,
    cx: Cx,
    charged_bytes: usize,
    memory: Reservation,
}

/// The arguments on a row that counts.
fn args(function: &AggregateFunction, call: &Call, reader: &Reader, position: usize) -> Option<SmallVec<[Value; 2]>> {
    let (rows, row) = reader.rows(position);
    if call.filter.is_some_and(|filter| !passes(&rows.columns[filter], row)) {
        return None;
    }
    if function.strict && call.args.iter().any(|place| rows.columns[*place].is_null(row)) {
        return None;
    }
    Some(call.args.iter().map(|place| rows.columns[*place].value(row)).collect())
}

impl SlidingAggregate {
    pub fn new(function: &Arc<AggregateFunction>, types: &[DataType], cx: &Cx) -> SlidingAggregate {
        SlidingAggregate {
            function: Arc::clone(function),
            types: types.to_vec(),
            accumulator: (function.accumulator)(types),
            holds: SmallVec::new(),
            value: None,
            added: Reader::default(),
            removed: Reader::default(),
            cx: cx.clone(),
            charged_bytes: 0,
            memory: Reservation::new(&cx.run),
        }
    }

    /// Forgets all rows.
    pub fn restart(&mut self) {
        self.accumulator = (self.function.accumulator)(&self.types);
        self.holds.clear();
        self.value = None;
        self.charged_bytes = 0;
        self.memory.clear();
    }

    /// The result over rows that begin and end no earlier than those before.
    pub fn value_over(&mut self, wanted: &RowRanges, call: &Call, rows: &mut Rows) -> Result<Value> {
        if self.holds != *wanted {
            self.slide(wanted, call, rows)?;
            self.holds.clone_from(wanted);
        }
        if let Some(value) = &self.value {
            return Ok(value.clone());
        }
        let value = self.accumulator.value()?;
        self.value = Some(value.clone());
        Ok(value)
    }

    /// Goes from the rows it holds to those wanted.
    fn slide(&mut self, wanted: &[Range<usize>], call: &Call, rows: &mut Rows) -> Result<()> {
        if let ([held], [wanted]) = (self.holds.as_slice(), wanted) {
            let held = held.clone();
            if wanted.start >= held.start
                && wanted.start < held.end
                && wanted.end >= held.end
                && self.remove(held.start..wanted.start, call, rows)?
            {
                return self.add(held.end..wanted.end, call, rows);
            }
        }
        self.restart();
        wanted.iter().try_for_each(|part| self.add(part.clone(), call, rows))
    }

    fn add(&mut self, added: Range<usize>, call: &Call, rows: &mut Rows) -> Result<()> {
        let mut position = added.start;
        while position < added.end {
            rows.seek(&mut self.added, position)?;
            let part = position..self.added.end().min(added.end);
            position = part.end;
            if part.len() >= POLL_ROWS / 2 {
                self.cx.check_cancel()?;
            }
            if part.len() >= COLUMN_ROWS
                && self.function.strict
                && call.filter.is_none()
                && let [place] = call.args.as_slice()
            {
                let (block, first) = self.added.rows(part.start);
                self.accumulator.update_column(&block.columns[*place].slice(first, part.len()))?;
                self.value = None;
                self.charge()?;
                continue;
            }
            for row in part {
                let Some(args) = args(&self.function, call, &self.added, row) else { continue };
                self.accumulator.update(&args)?;
                self.value = None;
                self.charge()?;
            }
        }
        Ok(())
    }

    fn charge(&mut self) -> Result<()> {
        let size_bytes = self.accumulator.size_bytes();
        if size_bytes > self.charged_bytes {
            self.memory.grow(size_bytes - self.charged_bytes)?;
            self.charged_bytes = size_bytes;
        }
        Ok(())
    }

    /// Takes rows out; false when that cannot be done.
    fn remove(&mut self, removed: Range<usize>, call: &Call, rows: &mut Rows) -> Result<bool> {
        for (count, row) in removed.enumerate() {
            if count % POLL_ROWS == POLL_ROWS - 1 {
                self.cx.check_cancel()?;
            }
            rows.seek(&mut self.removed, row)?;
            let Some(args) = args(&self.function, call, &self.removed, row) else { continue };
            if !self.accumulator.remove(&args)? {
                return Ok(false);
            }
            self.value = None;
        }
        Ok(true)
    }
}
