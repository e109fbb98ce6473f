//! Aggregates over all groups at once.
//!
//! An [`super::Accumulator`] is one aggregate in one group, and fed row by row. The frequent aggregates also have a form that
//! keeps the states of all groups in one array and takes whole columns; it gives the same results. States of some can be
//! merged, so that parts of the input may be aggregated apart; sums of floats depend on their order and cannot.

use std::any::Any;

use arrow_array::{Array, Float64Array, Int64Array};
use bigdecimal::BigDecimal;
use bigdecimal::num_bigint::BigInt;
use num_traits::ToPrimitive;
use sinew_storage::{DataType, Numeric, Value};

use super::args::{float, int, numeric};
use super::kernel::{check_overflow, to_single};
use super::{AggregateFunction, aggregate_basic};
use crate::batch::Column;
use crate::error::Result;
use crate::types::{IntoValue, numeric_math};

/// The groups that the rows of a batch belong to.
#[derive(Clone, Copy)]
pub(crate) struct Groups<'g> {
    /// Of each row; None: all belong to group 0.
    pub of_row: Option<&'g [u32]>,
    pub row_count: usize,
    /// Groups known so far.
    pub group_count: usize,
}

/// One aggregate in all groups.
pub(crate) trait GroupedAccumulator: Send {
    /// Takes a batch; NULLs are skipped.
    fn update(&mut self, args: &[Column], groups: Groups<'_>) -> Result<()>;

    /// Adds the groups of another of its kind: group `i` there is `map[i]` here. Only called when [`is_mergeable`].
    fn merge(&mut self, other: &mut dyn GroupedAccumulator, map: &[u32], group_count: usize) -> Result<()>;

    fn finish(&mut self, group: usize) -> Result<Value>;

    /// Bytes held, for the memory budget.
    fn size_bytes(&self) -> usize;

    fn as_any(&mut self) -> &mut dyn Any;
}

/// The grouped form of an aggregate, if it has one.
pub(crate) fn grouped(function: &AggregateFunction) -> Option<Box<dyn GroupedAccumulator>> {
    use DataType::{Float4, Float8, Int2, Int4, Int8, Numeric, Text, Timestamp, Timestamptz};
    Some(match (function.name, function.args.as_slice()) {
        ("count", []) => Box::new(Counts { counts: Vec::new(), of_rows: true }),
        ("count", [_]) => Box::new(Counts { counts: Vec::new(), of_rows: false }),
        ("sum", [Int2 | Int4]) => IntSums::boxed(IntResult::BigintSum, true),
        ("sum", [Int8]) => IntSums::boxed(IntResult::NumericSum, false),
        ("avg", [Int2 | Int4]) => IntSums::boxed(IntResult::Average, true),
        ("avg", [Int8]) => IntSums::boxed(IntResult::Average, false),
        ("sum", [Float4]) => FloatSums::boxed(false, true),
        ("sum", [Float8]) => FloatSums::boxed(false, false),
        ("avg", [Float4 | Float8]) => FloatSums::boxed(true, false),
        ("sum", [Numeric(_)]) => Box::new(NumericSums { states: Vec::new(), average: false }),
        ("avg", [Numeric(_)]) => Box::new(NumericSums { states: Vec::new(), average: true }),
        ("min" | "max", [Int2 | Int4 | Int8]) => IntExtremes::boxed(function.name == "max", Value::Int),
        ("min" | "max", [Timestamp | Timestamptz]) => IntExtremes::boxed(function.name == "max", Value::Timestamp),
        ("min" | "max", [Text]) => {
            Box::new(TextExtremes { best: Vec::new(), greatest: function.name == "max", held: 0 })
        }
        _ => return None,
    })
}

/// Whether parts of the input may be aggregated apart and merged, with the result of aggregating them in order.
pub(crate) fn is_mergeable(function: &AggregateFunction) -> bool {
    let of_floats = matches!(function.args.as_slice(), [DataType::Float4 | DataType::Float8]);
    grouped(function).is_some() && (!of_floats || function.name == "count")
}

fn of_kind<A: GroupedAccumulator + 'static>(other: &mut dyn GroupedAccumulator) -> Result<&mut A> {
    let other = other.as_any().downcast_mut::<A>();
    other.ok_or_else(|| crate::error::QueryError::internal("aggregates of different kinds cannot be merged"))
}

/// Integers of a column whose form is another one.
fn ints(column: &Column) -> Result<std::borrow::Cow<'_, Int64Array>> {
    match column {
        Column::Int(array) | Column::Timestamp(array) => Ok(std::borrow::Cow::Borrowed(array)),
        other => {
            let value = |row| match other.value(row) {
                Value::Null => Ok(None),
                Value::Timestamp(micros) => Ok(Some(micros)),
                value => int(&value).map(Some),
            };
            Ok(std::borrow::Cow::Owned((0..other.len()).map(value).collect::<Result<Int64Array>>()?))
        }
    }
}

fn floats(column: &Column) -> Result<std::borrow::Cow<'_, Float64Array>> {
    match column {
        Column::Float(array) => Ok(std::borrow::Cow::Borrowed(array)),
        other => {
            let value = |row| match other.value(row) {
                Value::Null => Ok(None),
                value => float(&value).map(Some),
            };
            Ok(std::borrow::Cow::Owned((0..other.len()).map(value).collect::<Result<Float64Array>>()?))
        }
    }
}

/// Calls `take` with the group and position of each row that is not NULL.
#[inline]
fn for_each_valid(nulls: Option<&arrow_buffer::NullBuffer>, groups: Groups<'_>, mut take: impl FnMut(usize, usize)) {
    match (nulls.filter(|nulls| nulls.null_count() > 0), groups.of_row) {
        (None, Some(of_row)) => of_row.iter().enumerate().for_each(|(row, group)| take(*group as usize, row)),
        (None, None) => (0..groups.row_count).for_each(|row| take(0, row)),
        (Some(nulls), Some(of_row)) => nulls.valid_indices().for_each(|row| take(of_row[row] as usize, row)),
        (Some(nulls), None) => nulls.valid_indices().for_each(|row| take(0, row)),
    }
}

struct Counts {
    counts: Vec<i64>,
    /// `count(*)`.
    of_rows: bool,
}

impl GroupedAccumulator for Counts {
    fn update(&mut self, args: &[Column], groups: Groups<'_>) -> Result<()> {
        self.counts.resize(groups.group_count, 0);
        let column = if self.of_rows { None } else { args.first() };
        match (column, groups.of_row) {
            (None, None) => self.counts[0] += groups.row_count as i64,
            (None, Some(of_row)) => of_row.iter().for_each(|group| self.counts[*group as usize] += 1),
            (Some(Column::Values(values)), _) => {
                for (row, _) in values.iter().enumerate().filter(|(_, value)| !value.is_null()) {
                    self.counts[groups.of_row.map_or(0, |of_row| of_row[row] as usize)] += 1;
                }
            }
            (Some(column), _) => {
                for_each_valid(column.nulls(), groups, |group, _| self.counts[group] += 1);
            }
        }
        Ok(())
    }

    fn merge(&mut self, other: &mut dyn GroupedAccumulator, map: &[u32], group_count: usize) -> Result<()> {
        self.counts.resize(group_count, 0);
        for (count, group) in of_kind::<Counts>(other)?.counts.iter().zip(map) {
            self.counts[*group as usize] += count;
        }
        Ok(())
    }

    fn finish(&mut self, group: usize) -> Result<Value> {
        Ok(Value::Int(self.counts.get(group).copied().unwrap_or(0)))
    }

    fn size_bytes(&self) -> usize {
        self.counts.capacity() * size_of::<i64>()
    }

    fn as_any(&mut self) -> &mut dyn Any {
        self
    }
}

/// What integer sums become.
#[derive(Clone, Copy)]
enum IntResult {
    BigintSum,
    NumericSum,
    Average,
}

#[derive(Clone, Copy, Default)]
struct IntSum {
    sum: i128,
    count: i64,
}

struct IntSums {
    states: Vec<IntSum>,
    result: IntResult,
    /// Of at most 32 bits each, so that a batch of them is added in 64.
    narrow: bool,
}

impl IntSums {
    fn boxed(result: IntResult, narrow: bool) -> Box<dyn GroupedAccumulator> {
        Box::new(IntSums { states: Vec::new(), result, narrow })
    }
}

impl GroupedAccumulator for IntSums {
    fn update(&mut self, args: &[Column], groups: Groups<'_>) -> Result<()> {
        self.states.resize(groups.group_count, IntSum::default());
        let Some(column) = args.first() else { return Ok(()) };
        let array = ints(column)?;
        let values = array.values();
        if groups.of_row.is_none() && array.null_count() == 0 {
            let state = &mut self.states[0];
            state.sum += if self.narrow && values.len() < 1 << 31 {
                i128::from(values.iter().sum::<i64>())
            } else {
                values.iter().map(|x| i128::from(*x)).sum()
            };
            state.count += values.len() as i64;
            return Ok(());
        }
        for_each_valid(array.nulls(), groups, |group, row| {
            let state = &mut self.states[group];
            state.sum += i128::from(values[row]);
            state.count += 1;
        });
        Ok(())
    }

    fn merge(&mut self, other: &mut dyn GroupedAccumulator, map: &[u32], group_count: usize) -> Result<()> {
        self.states.resize(group_count, IntSum::default());
        for (other, group) in of_kind::<IntSums>(other)?.states.iter().zip(map) {
            let state = &mut self.states[*group as usize];
            state.sum += other.sum;
            state.count += other.count;
        }
        Ok(())
    }

    fn finish(&mut self, group: usize) -> Result<Value> {
        let Some(state) = self.states.get(group).filter(|state| state.count > 0) else { return Ok(Value::Null) };
        let sum = || Numeric::Finite(BigDecimal::new(BigInt::from(state.sum), 0));
        match self.result {
            IntResult::BigintSum => aggregate_basic::bigint(state.sum),
            IntResult::NumericSum => Ok(sum().into_value()),
            IntResult::Average => Ok(numeric_math::average(&sum(), state.count)?.into_value()),
        }
    }

    fn size_bytes(&self) -> usize {
        self.states.capacity() * size_of::<IntSum>()
    }

    fn as_any(&mut self) -> &mut dyn Any {
        self
    }
}

#[derive(Clone, Copy, Default)]
struct FloatSum {
    sum: f64,
    count: i64,
}

struct FloatSums {
    states: Vec<FloatSum>,
    average: bool,
    single: bool,
}

impl FloatSums {
    fn boxed(average: bool, single: bool) -> Box<dyn GroupedAccumulator> {
        Box::new(FloatSums { states: Vec::new(), average, single })
    }
}

impl GroupedAccumulator for FloatSums {
    fn update(&mut self, args: &[Column], groups: Groups<'_>) -> Result<()> {
        self.states.resize(groups.group_count, FloatSum::default());
        let Some(column) = args.first() else { return Ok(()) };
        let array = floats(column)?;
        let values = array.values();
        let mut failure = None;
        for_each_valid(array.nulls(), groups, |group, row| {
            let state = &mut self.states[group];
            let x = values[row];
            match check_overflow(state.sum + x, state.sum, x) {
                Ok(sum) => state.sum = sum,
                Err(error) => {
                    failure.get_or_insert(error);
                }
            }
            state.count += 1;
        });
        failure.map_or(Ok(()), Err)
    }

    fn merge(&mut self, _: &mut dyn GroupedAccumulator, _: &[u32], _: usize) -> Result<()> {
        Err(crate::error::QueryError::internal("sums of floats cannot be merged"))
    }

    fn finish(&mut self, group: usize) -> Result<Value> {
        let Some(state) = self.states.get(group).filter(|state| state.count > 0) else { return Ok(Value::Null) };
        let result = if self.average { state.sum / state.count as f64 } else { state.sum };
        Ok(Value::Float(if self.single { to_single(result)? } else { result }))
    }

    fn size_bytes(&self) -> usize {
        self.states.capacity() * size_of::<FloatSum>()
    }

    fn as_any(&mut self) -> &mut dyn Any {
        self
    }
}

/// A sum of decimals: as an integer of 128 bits with a scale while it fits, exact in any case.
#[derive(Clone, Default)]
struct NumericSum {
    unscaled: i128,
    scale: u32,
    /// What did not fit.
    rest: Option<Numeric>,
    count: i64,
}

/// Larger scales go the exact way.
const SMALL_SCALE: i64 = 30;

impl NumericSum {
    fn add(&mut self, numeric: &Numeric) -> Result<()> {
        self.count += 1;
        if self.add_small(numeric).is_some() {
            return Ok(());
        }
        let rest = self.rest.get_or_insert_with(|| Numeric::Finite(BigDecimal::default()));
        *rest = numeric_math::add(rest, numeric)?;
        Ok(())
    }

    fn add_small(&mut self, numeric: &Numeric) -> Option<()> {
        let Numeric::Finite(decimal) = numeric else { return None };
        let (unscaled, scale) = decimal.as_bigint_and_exponent();
        if !(0..=SMALL_SCALE).contains(&scale) {
            return None;
        }
        self.add_scaled(unscaled.to_i128()?, scale as u32)
    }

    fn add_scaled(&mut self, unscaled: i128, scale: u32) -> Option<()> {
        let scaled = |value: i128, by: u32| value.checked_mul(10_i128.checked_pow(by)?);
        if scale > self.scale {
            let own = scaled(self.unscaled, scale - self.scale)?;
            self.unscaled = own.checked_add(unscaled)?;
            self.scale = scale;
        } else {
            self.unscaled = self.unscaled.checked_add(scaled(unscaled, self.scale - scale)?)?;
        }
        Some(())
    }

    fn merge(&mut self, other: &NumericSum) -> Result<()> {
        self.count += other.count;
        let mut exact = other.rest.clone();
        if self.add_scaled(other.unscaled, other.scale).is_none() {
            let small = Numeric::Finite(BigDecimal::new(BigInt::from(other.unscaled), i64::from(other.scale)));
            exact = Some(match exact {
                Some(rest) => numeric_math::add(&rest, &small)?,
                None => small,
            });
        }
        if let Some(exact) = exact {
            let rest = self.rest.get_or_insert_with(|| Numeric::Finite(BigDecimal::default()));
            *rest = numeric_math::add(rest, &exact)?;
        }
        Ok(())
    }

    fn total(&self) -> Result<Numeric> {
        let small = Numeric::Finite(BigDecimal::new(BigInt::from(self.unscaled), i64::from(self.scale)));
        match &self.rest {
            Some(rest) => numeric_math::add(&small, rest),
            None => Ok(small),
        }
    }
}

struct NumericSums {
    states: Vec<NumericSum>,
    average: bool,
}

impl GroupedAccumulator for NumericSums {
    fn update(&mut self, args: &[Column], groups: Groups<'_>) -> Result<()> {
        self.states.resize(groups.group_count, NumericSum::default());
        let Some(column) = args.first() else { return Ok(()) };
        for row in (0..column.len()).filter(|row| !column.is_null(*row)) {
            let state = &mut self.states[groups.of_row.map_or(0, |of_row| of_row[row] as usize)];
            match column {
                Column::Values(values) => state.add(&*numeric(&values[row])?)?,
                other => state.add(&*numeric(&other.value(row))?)?,
            }
        }
        Ok(())
    }

    fn merge(&mut self, other: &mut dyn GroupedAccumulator, map: &[u32], group_count: usize) -> Result<()> {
        self.states.resize(group_count, NumericSum::default());
        for (other, group) in of_kind::<NumericSums>(other)?.states.iter().zip(map) {
            self.states[*group as usize].merge(other)?;
        }
        Ok(())
    }

    fn finish(&mut self, group: usize) -> Result<Value> {
        let Some(state) = self.states.get(group).filter(|state| state.count > 0) else { return Ok(Value::Null) };
        let total = state.total()?;
        Ok(if self.average { numeric_math::average(&total, state.count)? } else { total }.into_value())
    }

    fn size_bytes(&self) -> usize {
        self.states.capacity() * (size_of::<NumericSum>() + 16)
    }

    fn as_any(&mut self) -> &mut dyn Any {
        self
    }
}

struct IntExtremes {
    best: Vec<Option<i64>>,
    greatest: bool,
    value: fn(i64) -> Value,
}

impl IntExtremes {
    fn boxed(greatest: bool, value: fn(i64) -> Value) -> Box<dyn GroupedAccumulator> {
        Box::new(IntExtremes { best: Vec::new(), greatest, value })
    }

    fn offer(&mut self, group: usize, value: i64) {
        let best = &mut self.best[group];
        *best = Some(match *best {
            Some(known) if self.greatest => known.max(value),
            Some(known) => known.min(value),
            None => value,
        });
    }
}

impl GroupedAccumulator for IntExtremes {
    fn update(&mut self, args: &[Column], groups: Groups<'_>) -> Result<()> {
        self.best.resize(groups.group_count, None);
        let Some(column) = args.first() else { return Ok(()) };
        let array = ints(column)?;
        for_each_valid(array.nulls(), groups, |group, row| self.offer(group, array.value(row)));
        Ok(())
    }

    fn merge(&mut self, other: &mut dyn GroupedAccumulator, map: &[u32], group_count: usize) -> Result<()> {
        self.best.resize(group_count, None);
        for (value, group) in of_kind::<IntExtremes>(other)?.best.iter().zip(map) {
            if let Some(value) = value {
                self.offer(*group as usize, *value);
            }
        }
        Ok(())
    }

    fn finish(&mut self, group: usize) -> Result<Value> {
        Ok(self.best.get(group).copied().flatten().map_or(Value::Null, self.value))
    }

    fn size_bytes(&self) -> usize {
        self.best.capacity() * size_of::<Option<i64>>()
    }

    fn as_any(&mut self) -> &mut dyn Any {
        self
    }
}

struct TextExtremes {
    best: Vec<Option<Box<str>>>,
    greatest: bool,
    /// Bytes of the texts.
    held: usize,
}

impl TextExtremes {
    fn offer(&mut self, group: usize, text: &str) {
        let best = &mut self.best[group];
        let better = match best.as_deref() {
            None => true,
            Some(known) if self.greatest => text > known,
            Some(known) => text < known,
        };
        if better {
            self.held += text.len();
            self.held -= best.as_ref().map_or(0, |known| known.len());
            *best = Some(text.into());
        }
    }
}

impl GroupedAccumulator for TextExtremes {
    fn update(&mut self, args: &[Column], groups: Groups<'_>) -> Result<()> {
        self.best.resize(groups.group_count, None);
        match args.first() {
            Some(Column::Text(array)) => {
                for_each_valid(array.nulls(), groups, |group, row| self.offer(group, array.value(row)));
            }
            Some(column) => {
                for row in 0..column.len() {
                    if let Some(text) = column.value(row).as_str() {
                        self.offer(groups.of_row.map_or(0, |of_row| of_row[row] as usize), text);
                    }
                }
            }
            None => {}
        }
        Ok(())
    }

    fn merge(&mut self, other: &mut dyn GroupedAccumulator, map: &[u32], group_count: usize) -> Result<()> {
        self.best.resize(group_count, None);
        for (text, group) in of_kind::<TextExtremes>(other)?.best.iter().zip(map) {
            if let Some(text) = text {
                self.offer(*group as usize, text);
            }
        }
        Ok(())
    }

    fn finish(&mut self, group: usize) -> Result<Value> {
        Ok(self.best.get(group).and_then(Option::as_deref).map_or(Value::Null, Value::text))
    }

    fn size_bytes(&self) -> usize {
        self.best.capacity() * size_of::<Option<Box<str>>>() + self.held
    }

    fn as_any(&mut self) -> &mut dyn Any {
        self
    }
}
