//! Mathematical functions.

use bigdecimal::num_bigint::Sign;
use bigdecimal::{BigDecimal, Zero};
use sinew_storage::{Numeric, Value};

use super::args::{float, int, numeric};
use super::kernel::{Eight, Four, Two, check_overflow};
use super::operators_arithmetic::{
    absolute_float, absolute_int, absolute_numeric, float_power, float_sqrt, int_mod, numeric_mod, numeric_power,
};
use super::registry::Table;
use crate::error::{QueryError, Result, sqlstate};
use crate::types::int::Width;
use crate::types::{IntoValue, numeric as numeric_type, numeric_math};

/// Applies to the finite value; special values stay.
fn finite(value: &Value, apply: impl Fn(&BigDecimal) -> Result<Numeric>) -> Result<Value> {
    Ok(match &*numeric(value)? {
        Numeric::Finite(d) => apply(d)?,
        other => other.clone(),
    }
    .into_value())
}

fn unary(args: &[Value], apply: fn(f64) -> f64) -> Result<Value> {
    let x = float(&args[0])?;
    Ok(Value::Float(check_overflow(apply(x), x, x)?))
}

/// 22003 `input is out of range` outside the function's domain.
fn domain(args: &[Value], valid: fn(f64) -> bool, apply: fn(f64) -> f64) -> Result<Value> {
    let x = float(&args[0])?;
    if !x.is_nan() && !valid(x) {
        return Err(domain_error());
    }
    Ok(Value::Float(apply(x)))
}

pub(super) fn domain_error() -> QueryError {
    QueryError::new(sqlstate::NUMERIC_VALUE_OUT_OF_RANGE, "input is out of range")
}

/// 2201G of `width_bucket`.
pub(super) fn invalid_bucket(message: &str) -> QueryError {
    QueryError::new("2201G", message)
}

fn logarithm(args: &[Value], apply: fn(f64) -> f64) -> Result<Value> {
    let x = float(&args[0])?;
    if x == 0.0 {
        return Err(QueryError::new("2201E", "cannot take logarithm of zero"));
    }
    if x < 0.0 {
        return Err(QueryError::new("2201E", "cannot take logarithm of a negative number"));
    }
    Ok(Value::Float(apply(x)))
}

/// The least common multiple; None beyond 64 bits.
fn lcm(a: i64, b: i64) -> Option<i64> {
    if a == 0 || b == 0 {
        return Some(0);
    }
    let multiple = (a.unsigned_abs() / gcd(a, b)).checked_mul(b.unsigned_abs())?;
    i64::try_from(multiple).ok()
}

fn gcd(a: i64, b: i64) -> u64 {
    let (mut a, mut b) = (a.unsigned_abs(), b.unsigned_abs());
    while b != 0 {
        (a, b) = (b, a % b);
    }
    a
}

fn bigint_range() -> QueryError {
    QueryError::new(sqlstate::NUMERIC_VALUE_OUT_OF_RANGE, "bigint out of range")
}

fn sign(value: &Numeric) -> i64 {
    match value {
        Numeric::Finite(d) => match d.sign() {
            Sign::Minus => -1,
            Sign::NoSign => 0,
            Sign::Plus => 1,
        },
        Numeric::Infinity => 1,
        Numeric::NegativeInfinity => -1,
        Numeric::NaN => 0,
    }
}

fn width_bucket(args: &[Value]) -> Result<Value> {
    let (operand, low, high, count) = (float(&args[0])?, float(&args[1])?, float(&args[2])?, int(&args[3])?);
    let invalid = invalid_bucket;
    if count <= 0 {
        return Err(invalid("count must be greater than zero"));
    }
    if operand.is_nan() || low.is_nan() || high.is_nan() {
        return Err(invalid("operand, lower bound, and upper bound cannot be NaN"));
    }
    if low == high || !low.is_finite() || !high.is_finite() {
        return Err(invalid("lower bound cannot equal upper bound"));
    }
    let position = (operand - low) / (high - low);
    Ok(Value::Int(if position < 0.0 {
        0
    } else if position >= 1.0 {
        count + 1
    } else {
        (position * count as f64) as i64 + 1
    }))
}

pub(super) fn register(t: &mut Table) {
    t.section("Mathematical functions");
    t.f("bool(int4) -> bool", |_, a| Ok(Value::Bool(int(&a[0])? != 0)));
    t.f("abs(int2) -> int2", absolute_int::<Two>);
    t.f("abs(int4) -> int4", absolute_int::<Four>).oid(1397);
    t.f("abs(int8) -> int8", absolute_int::<Eight>).oid(1396);
    t.f("abs(float4) -> float4", absolute_float);
    t.f("abs(float8) -> float8", absolute_float);
    t.f("abs(numeric) -> numeric", absolute_numeric);
    for signature in ["ceil(numeric) -> numeric", "ceiling(numeric) -> numeric"] {
        t.f(signature, |_, a| finite(&a[0], |d| Ok(Numeric::Finite(numeric_type::ceil(d)))));
    }
    for signature in ["ceil(float8) -> float8", "ceiling(float8) -> float8"] {
        t.f(signature, |_, a| Ok(Value::Float(float(&a[0])?.ceil())));
    }
    t.f("floor(numeric) -> numeric", |_, a| finite(&a[0], |d| Ok(Numeric::Finite(numeric_type::floor(d)))));
    t.f("floor(float8) -> float8", |_, a| Ok(Value::Float(float(&a[0])?.floor())));
    t.f("round(float8) -> float8", |_, a| Ok(Value::Float(float(&a[0])?.round_ties_even())));
    t.f("round(numeric) -> numeric", |_, a| finite(&a[0], |d| Ok(Numeric::Finite(numeric_type::round(d, 0)))));
    t.f("round(numeric, int4) -> numeric", |_, a| {
        let scale = int(&a[1])?;
        finite(&a[0], |d| Ok(Numeric::Finite(numeric_type::round(d, scale))))
    });
    t.f("trunc(float8) -> float8", |_, a| Ok(Value::Float(float(&a[0])?.trunc())));
    t.f("trunc(numeric) -> numeric", |_, a| finite(&a[0], |d| Ok(Numeric::Finite(numeric_type::truncate(d, 0)))));
    t.f("trunc(numeric, int4) -> numeric", |_, a| {
        let scale = int(&a[1])?;
        finite(&a[0], |d| Ok(Numeric::Finite(numeric_type::truncate(d, scale))))
    });
    t.f("sqrt(float8) -> float8", float_sqrt);
    t.f("sqrt(numeric) -> numeric", |_, a| Ok(numeric_math::sqrt(&*numeric(&a[0])?)?.into_value()));
    t.f("cbrt(float8) -> float8", |_, a| unary(a, f64::cbrt));
    for signature in ["power(float8, float8) -> float8", "pow(float8, float8) -> float8"] {
        t.f(signature, float_power);
    }
    for signature in ["power(numeric, numeric) -> numeric", "pow(numeric, numeric) -> numeric"] {
        t.f(signature, numeric_power);
    }
    t.f("exp(float8) -> float8", |_, a| unary(a, f64::exp));
    t.f("exp(numeric) -> numeric", |_, a| Ok(numeric_math::exp(&*numeric(&a[0])?)?.into_value()));
    t.f("ln(float8) -> float8", |_, a| logarithm(a, f64::ln));
    t.f("ln(numeric) -> numeric", |_, a| Ok(numeric_math::ln(&*numeric(&a[0])?)?.into_value()));
    for signature in ["log(float8) -> float8", "log10(float8) -> float8"] {
        t.f(signature, |_, a| logarithm(a, f64::log10));
    }
    for signature in ["log(numeric) -> numeric", "log10(numeric) -> numeric"] {
        t.f(signature, |_, a| Ok(numeric_math::log(&numeric_type::from_int(10), &*numeric(&a[0])?)?.into_value()));
    }
    t.f("log(numeric, numeric) -> numeric", |_, a| {
        Ok(numeric_math::log(&*numeric(&a[0])?, &*numeric(&a[1])?)?.into_value())
    });
    t.f("mod(int2, int2) -> int2", int_mod::<Two>);
    t.f("mod(int4, int4) -> int4", int_mod::<Four>);
    t.f("mod(int8, int8) -> int8", int_mod::<Eight>);
    t.f("mod(numeric, numeric) -> numeric", numeric_mod);
    t.f("div(numeric, numeric) -> numeric", |_, a| {
        Ok(numeric_math::divide_truncated(&*numeric(&a[0])?, &*numeric(&a[1])?)?.into_value())
    });
    t.f("sign(float8) -> float8", |_, a| {
        let x = float(&a[0])?;
        Ok(Value::Float(if x > 0.0 {
            1.0
        } else if x < 0.0 {
            -1.0
        } else {
            x
        }))
    });
    t.f("sign(numeric) -> numeric", |_, a| {
        let value = numeric(&a[0])?;
        Ok(match &*value {
            Numeric::NaN => Numeric::NaN,
            value => numeric_type::from_int(sign(value)),
        }
        .into_value())
    });
    t.f("factorial(int8) -> numeric", |_, a| Ok(numeric_math::factorial(int(&a[0])?)?.into_value()));
    t.f("gcd(int4, int4) -> int4", |_, a| {
        let divisor = gcd(int(&a[0])?, int(&a[1])?);
        Ok(Value::Int(i64::from(
            i32::try_from(divisor)
                .map_err(|_| QueryError::new(sqlstate::NUMERIC_VALUE_OUT_OF_RANGE, "integer out of range"))?,
        )))
    });
    t.f("gcd(int8, int8) -> int8", |_, a| {
        Ok(Value::Int(i64::try_from(gcd(int(&a[0])?, int(&a[1])?)).map_err(|_| bigint_range())?))
    });
    t.f("lcm(int4, int4) -> int4", |_, a| {
        Width::Four.check(lcm(int(&a[0])?, int(&a[1])?).ok_or_else(|| Width::Four.out_of_range())?).map(Value::Int)
    });
    t.f("lcm(int8, int8) -> int8", |_, a| {
        lcm(int(&a[0])?, int(&a[1])?).map(Value::Int).ok_or_else(|| Width::Eight.out_of_range())
    });
    t.f("scale(numeric) -> int4", |_, a| match &*numeric(&a[0])? {
        Numeric::Finite(d) => Ok(Value::Int(d.fractional_digit_count().max(0))),
        _ => Ok(Value::Null),
    });
    t.f("min_scale(numeric) -> int4", |_, a| match &*numeric(&a[0])? {
        Numeric::Finite(d) if d.is_zero() => Ok(Value::Int(0)),
        Numeric::Finite(d) => Ok(Value::Int(d.normalized().fractional_digit_count().max(0))),
        _ => Ok(Value::Null),
    });
    t.f("trim_scale(numeric) -> numeric", |_, a| {
        finite(&a[0], |d| {
            let scale = if d.is_zero() { 0 } else { d.normalized().fractional_digit_count().max(0) };
            Ok(Numeric::Finite(d.with_scale(scale)))
        })
    });
    t.f("width_bucket(float8, float8, float8, int4) -> int4", |_, a| width_bucket(a));

    t.f("pi() -> float8", |_, _| Ok(Value::Float(std::f64::consts::PI)));
    super::random::register(t);
    t.f("degrees(float8) -> float8", |_, a| unary(a, f64::to_degrees));
    t.f("radians(float8) -> float8", |_, a| unary(a, f64::to_radians));
    t.f("sin(float8) -> float8", |_, a| domain(a, f64::is_finite, f64::sin));
    t.f("cos(float8) -> float8", |_, a| domain(a, f64::is_finite, f64::cos));
    t.f("tan(float8) -> float8", |_, a| domain(a, f64::is_finite, f64::tan));
    t.f("cot(float8) -> float8", |_, a| domain(a, f64::is_finite, |x| 1.0 / x.tan()));
    t.f("asin(float8) -> float8", |_, a| domain(a, |x| x.abs() <= 1.0, f64::asin));
    t.f("acos(float8) -> float8", |_, a| domain(a, |x| x.abs() <= 1.0, f64::acos));
    t.f("atan(float8) -> float8", |_, a| unary(a, f64::atan));
    t.f("atan2(float8, float8) -> float8", |_, a| Ok(Value::Float(float(&a[0])?.atan2(float(&a[1])?))));
    t.f("sinh(float8) -> float8", |_, a| unary(a, f64::sinh));
    t.f("cosh(float8) -> float8", |_, a| unary(a, f64::cosh));
    t.f("tanh(float8) -> float8", |_, a| unary(a, f64::tanh));
    t.f("asinh(float8) -> float8", |_, a| unary(a, f64::asinh));
    t.f("acosh(float8) -> float8", |_, a| domain(a, |x| x >= 1.0, f64::acosh));
    t.f("atanh(float8) -> float8", |_, a| domain(a, |x| x.abs() <= 1.0, f64::atanh));
}
