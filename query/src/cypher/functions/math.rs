//! Mathematical functions, rand(), timestamp(), randomUUID().

use std::str::FromStr;

use bigdecimal::{BigDecimal, RoundingMode};
use sinew_storage::{DataType, Value};

use super::arithmetic::overflow;
use super::compare::as_float;
use super::{Builder, wrong_type};
use crate::context::EvalContext;
use crate::cypher::errors;
use crate::error::Result;
use crate::functions::Volatility;

fn number(function: &str, value: &Value) -> Result<f64> {
    match value {
        Value::Int(_) | Value::Float(_) | Value::Numeric(_) => Ok(as_float(value)),
        other => Err(wrong_type(function, "a number", other)),
    }
}

macro_rules! real_functions {
    ($builder:expr, $($name:literal => $function:expr),* $(,)?) => {
        $($builder.pure($name, (1, 1), DataType::Float8, |_, args| {
            let function: fn(f64) -> f64 = $function;
            Ok(Value::Float(function(number(concat!($name, "()"), &args[0])?)))
        });)*
    };
}

pub(super) fn register(builder: &mut Builder) {
    real_functions!(builder,
        "ceil" => f64::ceil,
        "ceiling" => f64::ceil,
        "floor" => f64::floor,
        "sqrt" => f64::sqrt,
        "exp" => f64::exp,
        "log" => f64::ln,
        "ln" => f64::ln,
        "log10" => f64::log10,
        "sin" => f64::sin,
        "cos" => f64::cos,
        "tan" => f64::tan,
        "cot" => |x| 1.0 / x.tan(),
        "asin" => f64::asin,
        "acos" => f64::acos,
        "atan" => f64::atan,
        "sinh" => f64::sinh,
        "cosh" => f64::cosh,
        "tanh" => f64::tanh,
        "degrees" => f64::to_degrees,
        "radians" => f64::to_radians,
        "haversin" => |x| (1.0 - x.cos()) / 2.0,
    );
    builder.pure("abs", (1, 1), DataType::Any, |_, args| match &args[0] {
        Value::Int(i) => i.checked_abs().map(Value::Int).ok_or_else(overflow),
        other => Ok(Value::Float(number("abs()", other)?.abs())),
    });
    builder.pure("sign", (1, 1), DataType::Int8, |_, args| {
        let number = number("sign()", &args[0])?;
        Ok(Value::Int(if number > 0.0 {
            1
        } else if number < 0.0 {
            -1
        } else {
            0
        }))
    });
    builder.pure("round", (1, 3), DataType::Float8, round);
    builder.pure("atan2", (2, 2), DataType::Float8, |_, args| {
        Ok(Value::Float(number("atan2()", &args[0])?.atan2(number("atan2()", &args[1])?)))
    });
    builder.pure("isNaN", (1, 1), DataType::Bool, |_, args| Ok(Value::Bool(number("isNaN()", &args[0])?.is_nan())));
    builder.pure("pi", (0, 0), DataType::Float8, |_, _| Ok(Value::Float(std::f64::consts::PI)));
    builder.pure("e", (0, 0), DataType::Float8, |_, _| Ok(Value::Float(std::f64::consts::E)));
    let volatile = (true, Volatility::Volatile);
    builder.add("rand", (0, 0), DataType::Float8, volatile, |_, _| Ok(Value::Float(rand::random::<f64>())));
    builder
        .add("randomUUID", (0, 0), DataType::Text, volatile, |_, _| Ok(Value::text(uuid::Uuid::new_v4().to_string())));
    builder.add("timestamp", (0, 0), DataType::Int8, (true, Volatility::Stable), |context, _| {
        Ok(Value::Int(context.exec.statement_time_us / 1000))
    });
}

/// Without a precision half towards positive infinity, with one half away from zero or as the mode says. A precision
/// counts decimal digits of the number as it is written: `round(1.255, 2)` is 1.26.
fn round(_: &EvalContext<'_>, args: &[Value]) -> Result<Value> {
    let value = number("round()", &args[0])?;
    let precision = match args.get(1) {
        None => return Ok(Value::Float((value + 0.5).floor())),
        Some(Value::Int(precision)) => (*precision).clamp(-400, 400),
        Some(other) => return Err(wrong_type("round()", "an integer precision", other)),
    };
    let mode = args.get(2).map_or(Ok(RoundingMode::HalfUp), rounding_mode)?;
    let Some(decimal) = value.is_finite().then(|| BigDecimal::from_str(&value.to_string()).ok()).flatten() else {
        return Ok(Value::Float(value));
    };
    let rounded = decimal.with_scale_round(precision, mode).to_string().parse::<f64>();
    Ok(Value::Float(rounded.ok().filter(|rounded| rounded.is_finite()).unwrap_or(value)))
}

fn rounding_mode(name: &Value) -> Result<RoundingMode> {
    let modes = [
        ("UP", RoundingMode::Up),
        ("DOWN", RoundingMode::Down),
        ("CEILING", RoundingMode::Ceiling),
        ("FLOOR", RoundingMode::Floor),
        ("HALF_UP", RoundingMode::HalfUp),
        ("HALF_DOWN", RoundingMode::HalfDown),
        ("HALF_EVEN", RoundingMode::HalfEven),
    ];
    let Value::Text(name) = name else { return Err(wrong_type("round()", "the name of a rounding mode", name)) };
    modes.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, mode)| *mode).ok_or_else(|| {
        let known: Vec<&str> = modes.iter().map(|(known, _)| *known).collect();
        let message = format!("round() has no mode \"{name}\"; there are {}", known.join(", "));
        errors::runtime("ArgumentError", "InvalidArgumentValue", message)
    })
}
