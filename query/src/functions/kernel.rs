//! Evaluation over whole columns, where a column's form has one.
//!
//! Results equal the row evaluators': integers are checked against the result type's range, NaN equals NaN and is
//! greatest, -0 equals 0. Slots under a NULL are never evaluated, so garbage there raises nothing. Comparison of integers
//! and text goes through Arrow's kernels, whose order is the same; floats and checked arithmetic have their own loops.

use arrow_array::{Array, BooleanArray, Float64Array, Int64Array, StringArray};
use arrow_buffer::{BooleanBuffer, NullBuffer};

use crate::batch::Column;
use crate::error::{QueryError, Result};
use crate::functions::cast::float_error;
use crate::types::float;
use crate::types::int::Width;
use crate::types::numeric_math::division_by_zero;

/// The width of an integer operator's result.
pub(crate) trait IntWidth {
    const WIDTH: Width;
}
pub(crate) struct Two;
pub(crate) struct Four;
pub(crate) struct Eight;
impl IntWidth for Two {
    const WIDTH: Width = Width::Two;
}
impl IntWidth for Four {
    const WIDTH: Width = Width::Four;
}
impl IntWidth for Eight {
    const WIDTH: Width = Width::Eight;
}

/// A checked integer operation.
pub(crate) trait IntOp {
    fn apply(a: i64, b: i64, width: Width) -> Result<i64>;
}

macro_rules! int_ops {
    ($($name:ident, |$a:ident, $b:ident, $w:ident| $body:expr;)*) => {
        $(pub(crate) struct $name;
        impl IntOp for $name {
            #[inline]
            fn apply($a: i64, $b: i64, $w: Width) -> Result<i64> {
                $body
            }
        })*
    };
}

int_ops! {
    Add, |a, b, w| checked(a.checked_add(b), w);
    Subtract, |a, b, w| checked(a.checked_sub(b), w);
    Multiply, |a, b, w| checked(a.checked_mul(b), w);
    Divide, |a, b, w| if b == 0 { Err(division_by_zero()) } else { checked(a.checked_div(b), w) };
    Remainder, |a, b, w| if b == 0 {
        Err(division_by_zero())
    } else {
        // The most negative value modulo -1 is 0, not an overflow.
        checked(Some(a.wrapping_rem(b)), w)
    };
}

#[inline]
fn checked(value: Option<i64>, width: Width) -> Result<i64> {
    match value {
        Some(value) => width.check(value),
        None => Err(width.out_of_range()),
    }
}

pub(crate) fn int<O: IntOp, W: IntWidth>(columns: &[Column]) -> Option<Result<Column>> {
    let [Column::Int(a), Column::Int(b)] = columns else { return None };
    if a.len() != b.len() {
        return None;
    }
    let nulls = NullBuffer::union(a.nulls(), b.nulls());
    Some(
        binary(a.values(), b.values(), nulls.as_ref(), |a, b| O::apply(*a, *b, W::WIDTH))
            .map(|values| Column::Int(Int64Array::new(values.into(), nulls))),
    )
}

fn binary<T, R: Default>(
    a: &[T],
    b: &[T],
    nulls: Option<&NullBuffer>,
    apply: impl Fn(&T, &T) -> Result<R>,
) -> Result<Vec<R>> {
    let mut out = Vec::with_capacity(a.len());
    match nulls {
        None => {
            for (a, b) in a.iter().zip(b) {
                out.push(apply(a, b)?);
            }
        }
        Some(nulls) => {
            for (row, (a, b)) in a.iter().zip(b).enumerate() {
                out.push(if nulls.is_valid(row) { apply(a, b)? } else { R::default() });
            }
        }
    }
    Ok(out)
}

/// A float operation; `Result` carries 22003 and 22012.
pub(crate) trait FloatOp {
    fn apply(a: f64, b: f64) -> Result<f64>;
}

/// An infinite result of finite operands is an overflow.
#[inline]
pub(crate) fn check_overflow(result: f64, a: f64, b: f64) -> Result<f64> {
    if result.is_infinite() && a.is_finite() && b.is_finite() { Err(float_error("overflow")) } else { Ok(result) }
}

pub(crate) struct FloatAdd;
impl FloatOp for FloatAdd {
    fn apply(a: f64, b: f64) -> Result<f64> {
        check_overflow(a + b, a, b)
    }
}
pub(crate) struct FloatSubtract;
impl FloatOp for FloatSubtract {
    fn apply(a: f64, b: f64) -> Result<f64> {
        check_overflow(a - b, a, b)
    }
}
pub(crate) struct FloatMultiply;
impl FloatOp for FloatMultiply {
    fn apply(a: f64, b: f64) -> Result<f64> {
        let result = check_overflow(a * b, a, b)?;
        if result == 0.0 && a != 0.0 && b != 0.0 { Err(float_error("underflow")) } else { Ok(result) }
    }
}
pub(crate) struct FloatDivide;
impl FloatOp for FloatDivide {
    fn apply(a: f64, b: f64) -> Result<f64> {
        if b == 0.0 && !a.is_nan() {
            return Err(division_by_zero());
        }
        let result = check_overflow(a / b, a, b)?;
        if result == 0.0 && a != 0.0 && b.is_finite() { Err(float_error("underflow")) } else { Ok(result) }
    }
}

/// Brings a result to single precision; 22003 when that overflows.
pub(crate) fn to_single(value: f64) -> Result<f64> {
    let single = value as f32;
    if single.is_infinite() && value.is_finite() {
        return Err(float_error("overflow"));
    }
    if single == 0.0 && value != 0.0 {
        return Err(float_error("underflow"));
    }
    Ok(f64::from(single))
}

pub(crate) fn float8<O: FloatOp>(columns: &[Column]) -> Option<Result<Column>> {
    let [Column::Float(a), Column::Float(b)] = columns else { return None };
    if a.len() != b.len() {
        return None;
    }
    let nulls = NullBuffer::union(a.nulls(), b.nulls());
    Some(
        binary(a.values(), b.values(), nulls.as_ref(), |a, b| O::apply(*a, *b))
            .map(|values| Column::Float(Float64Array::new(values.into(), nulls))),
    )
}

pub(crate) fn float4<O: FloatOp>(columns: &[Column]) -> Option<Result<Column>> {
    let [Column::Float(a), Column::Float(b)] = columns else { return None };
    if a.len() != b.len() {
        return None;
    }
    let nulls = NullBuffer::union(a.nulls(), b.nulls());
    Some(
        binary(a.values(), b.values(), nulls.as_ref(), |a, b| to_single(O::apply(*a, *b)?))
            .map(|values| Column::Float(Float64Array::new(values.into(), nulls))),
    )
}

type Datum<'a> = &'a dyn arrow_array::Datum;

fn compare_columns(
    columns: &[Column],
    arrow: fn(Datum<'_>, Datum<'_>) -> std::result::Result<BooleanArray, arrow_schema::ArrowError>,
    accept: fn(std::cmp::Ordering) -> bool,
) -> Option<Result<Column>> {
    let run = |a: Datum<'_>, b: Datum<'_>| {
        Some(arrow(a, b).map(Column::Bool).map_err(|error| QueryError::internal(error.to_string())))
    };
    let [left, right] = columns else { return None };
    if left.len() != right.len() {
        return None;
    }
    match (left, right) {
        (Column::Int(a), Column::Int(b)) | (Column::Timestamp(a), Column::Timestamp(b)) => run(a, b),
        (Column::Text(a), Column::Text(b)) => run(a, b),
        (Column::Bool(a), Column::Bool(b)) => run(a, b),
        (Column::Float(a), Column::Float(b)) => {
            let nulls = NullBuffer::union(a.nulls(), b.nulls());
            let bits =
                BooleanBuffer::collect_bool(a.len(), |row| accept(float::compare(a.values()[row], b.values()[row])));
            Some(Ok(Column::Bool(BooleanArray::new(bits, nulls))))
        }
        _ => None,
    }
}

pub(crate) fn equal(columns: &[Column]) -> Option<Result<Column>> {
    compare_columns(columns, arrow_ord::cmp::eq, std::cmp::Ordering::is_eq)
}
pub(crate) fn not_equal(columns: &[Column]) -> Option<Result<Column>> {
    compare_columns(columns, arrow_ord::cmp::neq, std::cmp::Ordering::is_ne)
}
pub(crate) fn less(columns: &[Column]) -> Option<Result<Column>> {
    compare_columns(columns, arrow_ord::cmp::lt, std::cmp::Ordering::is_lt)
}
pub(crate) fn less_or_equal(columns: &[Column]) -> Option<Result<Column>> {
    compare_columns(columns, arrow_ord::cmp::lt_eq, std::cmp::Ordering::is_le)
}
pub(crate) fn greater(columns: &[Column]) -> Option<Result<Column>> {
    compare_columns(columns, arrow_ord::cmp::gt, std::cmp::Ordering::is_gt)
}
pub(crate) fn greater_or_equal(columns: &[Column]) -> Option<Result<Column>> {
    compare_columns(columns, arrow_ord::cmp::gt_eq, std::cmp::Ordering::is_ge)
}

/// Applies a text-to-bool test of a column against a pattern column, row by row without making values.
pub(crate) fn text_test(columns: &[Column], test: impl Fn(&str, &str) -> Result<bool>) -> Option<Result<Column>> {
    let [Column::Text(a), Column::Text(b)] = columns else { return None };
    if a.len() != b.len() {
        return None;
    }
    Some(text_rows(a, b, test).map(Column::Bool))
}

fn text_rows(a: &StringArray, b: &StringArray, test: impl Fn(&str, &str) -> Result<bool>) -> Result<BooleanArray> {
    let nulls = NullBuffer::union(a.nulls(), b.nulls());
    let mut out = Vec::with_capacity(a.len());
    for row in 0..a.len() {
        let valid = nulls.as_ref().is_none_or(|nulls| nulls.is_valid(row));
        out.push(if valid { test(a.value(row), b.value(row))? } else { false });
    }
    Ok(BooleanArray::new(BooleanBuffer::from(out), nulls))
}
