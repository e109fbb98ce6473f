//! Arithmetic: integers, floats, numerics, bits.

use std::sync::Arc;

use bigdecimal::Zero;
use sinew_storage::{Numeric, Value};

use super::args::{float, int, numeric};
use super::kernel::{
    self, Add, Divide, Eight, FloatAdd, FloatDivide, FloatMultiply, FloatOp, FloatSubtract, Four, IntOp, IntWidth,
    Multiply, Remainder, Subtract, Two,
};
use super::registry::Table;
use crate::context::EvalContext;
use crate::error::{QueryError, Result};
use crate::types::int::Width;
use crate::types::{IntoValue, numeric_math};

fn int_op<O: IntOp, W: IntWidth>(_: &EvalContext<'_>, args: &[Value]) -> Result<Value> {
    Ok(Value::Int(O::apply(int(&args[0])?, int(&args[1])?, W::WIDTH)?))
}

fn float8_op<O: FloatOp>(_: &EvalContext<'_>, args: &[Value]) -> Result<Value> {
    Ok(Value::Float(O::apply(float(&args[0])?, float(&args[1])?)?))
}

fn float4_op<O: FloatOp>(_: &EvalContext<'_>, args: &[Value]) -> Result<Value> {
    Ok(Value::Float(kernel::to_single(O::apply(float(&args[0])?, float(&args[1])?)?)?))
}

type NumericOp = fn(&Numeric, &Numeric) -> Result<Numeric>;

fn numeric_op(args: &[Value], op: NumericOp) -> Result<Value> {
    Ok(op(&*numeric(&args[0])?, &*numeric(&args[1])?)?.into_value())
}

fn negate_int<W: IntWidth>(_: &EvalContext<'_>, args: &[Value]) -> Result<Value> {
    let value = int(&args[0])?.checked_neg().ok_or_else(|| W::WIDTH.out_of_range())?;
    Ok(Value::Int(W::WIDTH.check(value)?))
}

/// Also the function `abs`.
pub(super) fn absolute_int<W: IntWidth>(_: &EvalContext<'_>, args: &[Value]) -> Result<Value> {
    let value = int(&args[0])?.checked_abs().ok_or_else(|| W::WIDTH.out_of_range())?;
    Ok(Value::Int(W::WIDTH.check(value)?))
}

pub(super) fn absolute_float(_: &EvalContext<'_>, args: &[Value]) -> Result<Value> {
    Ok(Value::Float(float(&args[0])?.abs()))
}

pub(super) fn absolute_numeric(_: &EvalContext<'_>, args: &[Value]) -> Result<Value> {
    Ok(match &*numeric(&args[0])? {
        Numeric::Finite(d) => Numeric::Finite(d.abs()),
        Numeric::NegativeInfinity => Numeric::Infinity,
        other => other.clone(),
    }
    .into_value())
}

/// Also the function `power`.
pub(super) fn float_power(_: &EvalContext<'_>, args: &[Value]) -> Result<Value> {
    let (base, exponent) = (float(&args[0])?, float(&args[1])?);
    if base == 0.0 && exponent < 0.0 {
        return Err(QueryError::new("2201F", "zero raised to a negative power is undefined"));
    }
    if base < 0.0 && base.is_finite() && exponent.is_finite() && exponent.fract() != 0.0 {
        return Err(QueryError::new(
            "2201F",
            "a negative number raised to a non-integer power yields a complex result",
        ));
    }
    Ok(Value::Float(kernel::check_overflow(base.powf(exponent), base, exponent)?))
}

pub(super) fn numeric_power(_: &EvalContext<'_>, args: &[Value]) -> Result<Value> {
    numeric_op(args, numeric_math::power)
}

/// Also the function `sqrt`.
pub(super) fn float_sqrt(_: &EvalContext<'_>, args: &[Value]) -> Result<Value> {
    let value = float(&args[0])?;
    if value < 0.0 {
        return Err(QueryError::new("2201F", "cannot take square root of a negative number"));
    }
    Ok(Value::Float(value.sqrt()))
}

pub(super) fn numeric_mod(_: &EvalContext<'_>, args: &[Value]) -> Result<Value> {
    numeric_op(args, numeric_math::remainder)
}

pub(super) fn int_mod<W: IntWidth>(context: &EvalContext<'_>, args: &[Value]) -> Result<Value> {
    int_op::<Remainder, W>(context, args)
}

/// Shift counts are taken modulo the width, as C on the usual machines does for PostgreSQL.
fn shift(args: &[Value], width: Width, left: bool) -> Result<Value> {
    let value = int(&args[0])?;
    let count = int(&args[1])?;
    Ok(Value::Int(match (width, left) {
        (Width::Two, true) => i64::from(((value as i32) << (count & 31)) as i16),
        (Width::Two, false) => i64::from(((value as i32) >> (count & 31)) as i16),
        (Width::Four | Width::Oid, true) => i64::from((value as i32) << (count & 31)),
        (Width::Four | Width::Oid, false) => i64::from((value as i32) >> (count & 31)),
        (Width::Eight, true) => value << (count & 63),
        (Width::Eight, false) => value >> (count & 63),
    }))
}

macro_rules! int_arithmetic {
    ($t:ident, $a:literal, $b:literal, $r:literal, $w:ident) => {
        $t.op(concat!($a, " + ", $b, " -> ", $r), int_op::<Add, $w>).kernel(kernel::int::<Add, $w>);
        $t.op(concat!($a, " - ", $b, " -> ", $r), int_op::<Subtract, $w>).kernel(kernel::int::<Subtract, $w>);
        $t.op(concat!($a, " * ", $b, " -> ", $r), int_op::<Multiply, $w>).kernel(kernel::int::<Multiply, $w>);
        $t.op(concat!($a, " / ", $b, " -> ", $r), int_op::<Divide, $w>).kernel(kernel::int::<Divide, $w>);
    };
}

macro_rules! int_single {
    ($t:ident, $a:literal, $w:ident, $width:expr) => {
        $t.op(concat!($a, " % ", $a, " -> ", $a), int_op::<Remainder, $w>).kernel(kernel::int::<Remainder, $w>);
        $t.op(concat!("- ", $a, " -> ", $a), negate_int::<$w>);
        $t.op(concat!("+ ", $a, " -> ", $a), |_, a| Ok(a[0].clone()));
        $t.op(concat!("@ ", $a, " -> ", $a), absolute_int::<$w>);
        $t.op(concat!($a, " & ", $a, " -> ", $a), |_, a| Ok(Value::Int(int(&a[0])? & int(&a[1])?)));
        $t.op(concat!($a, " | ", $a, " -> ", $a), |_, a| Ok(Value::Int(int(&a[0])? | int(&a[1])?)));
        $t.op(concat!($a, " # ", $a, " -> ", $a), |_, a| Ok(Value::Int(int(&a[0])? ^ int(&a[1])?)));
        $t.op(concat!("~ ", $a, " -> ", $a), |_, a| Ok(Value::Int(!int(&a[0])?)));
        $t.op(concat!($a, " << int4 -> ", $a), |_, a| shift(a, $width, true));
        $t.op(concat!($a, " >> int4 -> ", $a), |_, a| shift(a, $width, false));
    };
}

macro_rules! float_arithmetic {
    ($t:ident, $a:literal, $b:literal, $r:literal, $op:ident, $kernel:ident) => {
        $t.op(concat!($a, " + ", $b, " -> ", $r), $op::<FloatAdd>).kernel(kernel::$kernel::<FloatAdd>);
        $t.op(concat!($a, " - ", $b, " -> ", $r), $op::<FloatSubtract>).kernel(kernel::$kernel::<FloatSubtract>);
        $t.op(concat!($a, " * ", $b, " -> ", $r), $op::<FloatMultiply>).kernel(kernel::$kernel::<FloatMultiply>);
        $t.op(concat!($a, " / ", $b, " -> ", $r), $op::<FloatDivide>).kernel(kernel::$kernel::<FloatDivide>);
    };
}

pub(super) fn register(t: &mut Table) {
    t.section("Arithmetic operators");
    int_arithmetic!(t, "int2", "int2", "int2", Two);
    int_arithmetic!(t, "int4", "int4", "int4", Four);
    int_arithmetic!(t, "int8", "int8", "int8", Eight);
    int_arithmetic!(t, "int2", "int4", "int4", Four);
    int_arithmetic!(t, "int4", "int2", "int4", Four);
    int_arithmetic!(t, "int2", "int8", "int8", Eight);
    int_arithmetic!(t, "int8", "int2", "int8", Eight);
    int_arithmetic!(t, "int4", "int8", "int8", Eight);
    int_arithmetic!(t, "int8", "int4", "int8", Eight);
    int_single!(t, "int2", Two, Width::Two);
    int_single!(t, "int4", Four, Width::Four);
    int_single!(t, "int8", Eight, Width::Eight);

    float_arithmetic!(t, "float4", "float4", "float4", float4_op, float4);
    float_arithmetic!(t, "float8", "float8", "float8", float8_op, float8);
    float_arithmetic!(t, "float4", "float8", "float8", float8_op, float8);
    float_arithmetic!(t, "float8", "float4", "float8", float8_op, float8);
    t.op("- float4 -> float4", |_, a| Ok(Value::Float(-float(&a[0])?)));
    t.op("- float8 -> float8", |_, a| Ok(Value::Float(-float(&a[0])?)));
    t.op("+ float4 -> float4", |_, a| Ok(a[0].clone()));
    t.op("+ float8 -> float8", |_, a| Ok(a[0].clone()));
    t.op("@ float4 -> float4", absolute_float);
    t.op("@ float8 -> float8", absolute_float);
    t.op("float8 ^ float8 -> float8", float_power);
    t.op("|/ float8 -> float8", float_sqrt);
    t.op("||/ float8 -> float8", |_, a| Ok(Value::Float(float(&a[0])?.cbrt())));

    t.op("numeric + numeric -> numeric", |_, a| numeric_op(a, numeric_math::add));
    t.op("numeric - numeric -> numeric", |_, a| numeric_op(a, numeric_math::subtract));
    t.op("numeric * numeric -> numeric", |_, a| numeric_op(a, numeric_math::multiply));
    t.op("numeric / numeric -> numeric", |_, a| numeric_op(a, numeric_math::divide));
    t.op("numeric % numeric -> numeric", numeric_mod);
    t.op("numeric ^ numeric -> numeric", numeric_power);
    t.op("- numeric -> numeric", |_, a| {
        let value = numeric(&a[0])?;
        // There is no negative zero.
        Ok(match &*value {
            Numeric::Finite(d) if d.is_zero() => Value::Numeric(Arc::clone(&value)),
            value => numeric_math::negate(value).into_value(),
        })
    });
    t.op("+ numeric -> numeric", |_, a| Ok(Value::Numeric(numeric(&a[0])?)));
    t.op("@ numeric -> numeric", absolute_numeric);
}
