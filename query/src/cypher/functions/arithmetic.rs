//! `+ - * / % ^` and unary minus.

use sinew_storage::{DataType, Value};

use super::compare::as_float;
use super::{Builder, kind_name, temporal};
use crate::context::EvalContext;
use crate::cypher::errors;
use crate::error::{QueryError, Result, sqlstate};
use crate::exec::expr::size::check_element_count;
use crate::functions::growth::check_text_length;

pub(super) fn register(builder: &mut Builder) {
    builder.operator("+", 2, DataType::Any, true, |_, args| add(&args[0], &args[1]));
    builder.operator("||", 2, DataType::Any, true, |_, args| match (&args[0], &args[1]) {
        (Value::Text(_), Value::Text(_)) | (Value::List(_), Value::List(_)) => add(&args[0], &args[1]),
        (a, b) => Err(mismatch("||", a, b)),
    });
    builder.operator("-", 2, DataType::Any, true, |_, args| {
        let difference = || numeric("-", args, i64::checked_sub, |a, b| a - b);
        temporal::added(&args[0], &args[1], -1).unwrap_or_else(difference)
    });
    builder.operator("*", 2, DataType::Any, true, |_, args| {
        let product = || numeric("*", args, i64::checked_mul, |a, b| a * b);
        temporal::multiplied(&args[0], &args[1]).unwrap_or_else(product)
    });
    builder.operator("/", 2, DataType::Any, true, |_, args| divide(&args[0], &args[1]));
    builder.operator("%", 2, DataType::Any, true, modulo);
    builder.operator("^", 2, DataType::Float8, true, |_, args| {
        let (a, b) = floats("^", args)?;
        Ok(Value::Float(a.powf(b)))
    });
    builder.operator("negate", 1, DataType::Any, true, |_, args| match &args[0] {
        Value::Int(i) => i.checked_neg().map(Value::Int).ok_or_else(overflow),
        Value::Float(f) => Ok(Value::Float(-f)),
        Value::Numeric(_) => Ok(Value::Float(-as_float(&args[0]))),
        other => Err(super::wrong_type("-", "a number", other)),
    });
    builder.operator("positive", 1, DataType::Any, true, |_, args| match &args[0] {
        number @ (Value::Int(_) | Value::Float(_) | Value::Numeric(_)) => Ok(number.clone()),
        other => Err(super::wrong_type("+", "a number", other)),
    });
}

pub(super) fn overflow() -> QueryError {
    QueryError::new(sqlstate::NUMERIC_VALUE_OUT_OF_RANGE, "integer out of range").cypher(
        "ArithmeticError",
        errors::RUNTIME,
        "IntegerOverflow",
    )
}

pub(super) fn division_by_zero() -> QueryError {
    QueryError::new(sqlstate::DIVISION_BY_ZERO, "division by zero").cypher(
        "ArithmeticError",
        errors::RUNTIME,
        "DivisionByZero",
    )
}

fn mismatch(symbol: &str, a: &Value, b: &Value) -> QueryError {
    let message = format!("operator {symbol} does not take {} and {}", kind_name(a), kind_name(b));
    errors::runtime("TypeError", "InvalidArgumentType", message)
}

fn floats(symbol: &str, args: &[Value]) -> Result<(f64, f64)> {
    let is_number = |v: &Value| matches!(v, Value::Int(_) | Value::Float(_) | Value::Numeric(_));
    if is_number(&args[0]) && is_number(&args[1]) {
        Ok((as_float(&args[0]), as_float(&args[1])))
    } else {
        Err(mismatch(symbol, &args[0], &args[1]))
    }
}

fn numeric(
    symbol: &str,
    args: &[Value],
    integers: fn(i64, i64) -> Option<i64>,
    reals: fn(f64, f64) -> f64,
) -> Result<Value> {
    if let (Value::Int(a), Value::Int(b)) = (&args[0], &args[1]) {
        return integers(*a, *b).map(Value::Int).ok_or_else(overflow);
    }
    let (a, b) = floats(symbol, args)?;
    Ok(Value::Float(reals(a, b)))
}

/// Numbers add, strings and lists concatenate; a list takes any other value as an element.
pub(super) fn add(a: &Value, b: &Value) -> Result<Value> {
    match (a, b) {
        (Value::Null, _) | (_, Value::Null) => Ok(Value::Null),
        (Value::List(a), Value::List(b)) => joined_lists(a, b),
        (Value::List(a), b) => joined_lists(a, std::slice::from_ref(b)),
        (a, Value::List(b)) => joined_lists(std::slice::from_ref(a), b),
        (Value::Text(a), Value::Text(b)) => joined_texts(a, b),
        (Value::Text(a), Value::Int(_) | Value::Float(_)) => joined_texts(a, &number_text(b)),
        (Value::Int(_) | Value::Float(_), Value::Text(b)) => joined_texts(&number_text(a), b),
        _ => temporal::added(a, b, 1)
            .unwrap_or_else(|| numeric("+", &[a.clone(), b.clone()], i64::checked_add, |a, b| a + b)),
    }
}

/// 54000 when both together have more elements than a list may.
fn joined_lists(a: &[Value], b: &[Value]) -> Result<Value> {
    check_element_count(a.len().saturating_add(b.len()))?;
    Ok(Value::List(a.iter().chain(b).cloned().collect()))
}

/// 54000 when both together are longer than a text may be.
fn joined_texts(a: &str, b: &str) -> Result<Value> {
    check_text_length(a.len().saturating_add(b.len()))?;
    Ok(Value::text([a, b].concat()))
}

fn number_text(value: &Value) -> String {
    match value {
        Value::Int(i) => i.to_string(),
        other => super::format_float(as_float(other)),
    }
}

/// Integers truncate towards zero; integer division by zero is an error, a float's gives infinity or NaN.
pub(super) fn divide(a: &Value, b: &Value) -> Result<Value> {
    if let (Value::Int(a), Value::Int(b)) = (a, b) {
        if *b == 0 {
            return Err(division_by_zero());
        }
        return a.checked_div(*b).map(Value::Int).ok_or_else(overflow);
    }
    if let Some(quotient) = temporal::divided(a, b) {
        return quotient;
    }
    let (a, b) = floats("/", &[a.clone(), b.clone()])?;
    Ok(Value::Float(a / b))
}

fn modulo(_: &EvalContext<'_>, args: &[Value]) -> Result<Value> {
    if let (Value::Int(a), Value::Int(b)) = (&args[0], &args[1]) {
        if *b == 0 {
            return Err(division_by_zero());
        }
        return Ok(Value::Int(a.checked_rem(*b).unwrap_or(0)));
    }
    let (a, b) = floats("%", args)?;
    Ok(Value::Float(a % b))
}
