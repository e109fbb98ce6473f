//! Trigonometry in degrees, exact where the result is, and buckets.
//!
//! After PostgreSQL's float.c: an argument is brought into the first quadrant, and scaled so that sine of 30 and cosine of
//! 60 degrees are exactly one half.

use std::sync::Arc;

use sinew_storage::{DataType, Numeric, Value};

use super::args::{float, int, list, numeric};
use super::math::{domain_error, invalid_bucket};
use super::registry::Table;
use crate::error::{QueryError, Result, sqlstate};
use crate::types::{compare_sql, numeric as numeric_type, numeric_math};

fn sine_to_30(x: f64) -> f64 {
    x.to_radians().sin() / 30_f64.to_radians().sin() / 2.0
}

fn cosine_to_60(x: f64) -> f64 {
    1.0 - (1.0 - x.to_radians().cos()) / (1.0 - 60_f64.to_radians().cos()) / 2.0
}

fn sine_first(x: f64) -> f64 {
    if x <= 30.0 { sine_to_30(x) } else { cosine_to_60(90.0 - x) }
}

fn cosine_first(x: f64) -> f64 {
    if x <= 60.0 { cosine_to_60(x) } else { sine_to_30(90.0 - x) }
}

/// The angle within the first quadrant, and the signs of sine and cosine there.
fn quadrant(x: f64) -> (f64, f64, f64) {
    let mut x = x % 360.0;
    let (mut sine, mut cosine) = (1.0, 1.0);
    if x < 0.0 {
        x = -x;
        sine = -sine;
    }
    if x > 180.0 {
        x = 360.0 - x;
        sine = -sine;
    }
    if x > 90.0 {
        x = 180.0 - x;
        cosine = -cosine;
    }
    (x, sine, cosine)
}

fn sine(x: f64) -> f64 {
    let (x, sign, _) = quadrant(x);
    sign * sine_first(x)
}

fn cosine(x: f64) -> f64 {
    let (x, _, sign) = quadrant(x);
    sign * cosine_first(x)
}

fn tangent(x: f64) -> f64 {
    let (x, sine, cosine) = quadrant(x);
    let result = sine * cosine * (sine_first(x) / cosine_first(x)) / (sine_first(45.0) / cosine_first(45.0));
    // No negative zero.
    if result == 0.0 { 0.0 } else { result }
}

fn cotangent(x: f64) -> f64 {
    let (x, sine, cosine) = quadrant(x);
    let result = sine * cosine * (cosine_first(x) / sine_first(x)) / (cosine_first(45.0) / sine_first(45.0));
    if result == 0.0 { 0.0 } else { result }
}

fn arcsine_first(x: f64) -> f64 {
    if x <= 0.5 { x.asin() / 0.5_f64.asin() * 30.0 } else { 90.0 - x.acos() / 0.5_f64.acos() * 60.0 }
}

fn arccosine_first(x: f64) -> f64 {
    if x <= 0.5 { 90.0 - x.asin() / 0.5_f64.asin() * 30.0 } else { x.acos() / 0.5_f64.acos() * 60.0 }
}

fn arcsine(x: f64) -> f64 {
    if x >= 0.0 { arcsine_first(x) } else { -arcsine_first(-x) }
}

fn arccosine(x: f64) -> f64 {
    if x >= 0.0 { arccosine_first(x) } else { 90.0 + arcsine_first(-x) }
}

/// NaN stays; 22003 outside the domain.
fn apply(args: &[Value], within: fn(f64) -> bool, f: fn(f64) -> f64) -> Result<Value> {
    let x = float(&args[0])?;
    if x.is_nan() {
        return Ok(Value::Float(x));
    }
    if !within(x) {
        return Err(domain_error());
    }
    Ok(Value::Float(f(x)))
}

/// Buckets of equal width between two bounds, which may be in either order.
fn numeric_bucket(args: &[Value]) -> Result<Value> {
    let (operand, low, high) = (numeric(&args[0])?, numeric(&args[1])?, numeric(&args[2])?);
    let count = int(&args[3])?;
    if count <= 0 {
        return Err(invalid_bucket("count must be greater than zero"));
    }
    if [&operand, &low, &high].iter().any(|n| matches!(***n, Numeric::NaN)) {
        return Err(invalid_bucket("operand, lower bound, and upper bound cannot be NaN"));
    }
    let (Numeric::Finite(from), Numeric::Finite(to)) = (&*low, &*high) else {
        return Err(invalid_bucket("lower and upper bounds must be finite"));
    };
    if from == to {
        return Err(invalid_bucket("lower bound cannot equal upper bound"));
    }
    let is_ascending = from < to;
    let below = numeric_type::compare(&operand, &low);
    let above = numeric_type::compare(&operand, &high);
    let (before, after) = if is_ascending { (below.is_lt(), above.is_ge()) } else { (below.is_gt(), above.is_le()) };
    if before {
        return Ok(Value::Int(0));
    }
    if after {
        return i32::try_from(count + 1)
            .map(|count| Value::Int(i64::from(count)))
            .map_err(|_| QueryError::new(sqlstate::NUMERIC_VALUE_OUT_OF_RANGE, "integer out of range"));
    }
    let Numeric::Finite(value) = &*operand else { return Ok(Value::Int(0)) };
    let steps = (value - from) * bigdecimal::BigDecimal::from(count);
    let bucket = numeric_math::divide_truncated(&Numeric::Finite(steps), &Numeric::Finite(to - from))?;
    let bucket = match &bucket {
        Numeric::Finite(bucket) => numeric_type::to_i64(bucket).unwrap_or(0),
        _ => 0,
    };
    Ok(Value::Int(bucket + 1))
}

/// How many of the sorted thresholds are at or below the operand.
fn threshold_bucket(args: &[Value]) -> Result<Value> {
    let thresholds = list(&args[1])?;
    if thresholds.iter().any(Value::is_null) {
        return Err(QueryError::new(sqlstate::NULL_VALUE_NOT_ALLOWED, "thresholds array must not contain NULLs"));
    }
    Ok(Value::Int(thresholds.partition_point(|threshold| compare_sql(threshold, &args[0]).is_le()) as i64))
}

pub(super) fn register(t: &mut Table) {
    t.section("Mathematical functions");
    t.f("sind(float8) -> float8", |_, a| apply(a, f64::is_finite, sine));
    t.f("cosd(float8) -> float8", |_, a| apply(a, f64::is_finite, cosine));
    t.f("tand(float8) -> float8", |_, a| apply(a, f64::is_finite, tangent));
    t.f("cotd(float8) -> float8", |_, a| apply(a, f64::is_finite, cotangent));
    t.f("asind(float8) -> float8", |_, a| apply(a, |x| x.abs() <= 1.0, arcsine));
    t.f("acosd(float8) -> float8", |_, a| apply(a, |x| x.abs() <= 1.0, arccosine));
    t.f("atand(float8) -> float8", |_, a| apply(a, |_| true, |x| x.atan() / 1_f64.atan() * 45.0));
    t.f("atan2d(float8, float8) -> float8", |_, a| {
        Ok(Value::Float(float(&a[0])?.atan2(float(&a[1])?) / 1_f64.atan() * 45.0))
    });
    t.f("width_bucket(numeric, numeric, numeric, int4) -> int4", |_, a| numeric_bucket(a));
    t.typed("width_bucket(anycompatible, anycompatiblearray) -> int4", |_: &[DataType]| {
        Arc::new(|_, a: &[Value]| threshold_bucket(a))
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_degrees_are_exact() {
        assert_eq!((sine(30.0), sine(150.0), sine(-30.0), sine(210.0)), (0.5, 0.5, -0.5, -0.5));
        assert_eq!((cosine(60.0), cosine(120.0), cosine(90.0), cosine(180.0)), (0.5, -0.5, 0.0, -1.0));
        assert_eq!((tangent(45.0), tangent(135.0), cotangent(45.0)), (1.0, -1.0, 1.0));
        assert_eq!((arcsine(0.5), arcsine(-1.0), arccosine(0.5), arccosine(-0.5)), (30.0, -90.0, 60.0, 120.0));
    }
}
