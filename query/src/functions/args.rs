//! Arguments of evaluators, taken out of their values. A wrong kind is a bug of the binder and reported as such.

use std::sync::Arc;

use sinew_storage::{Interval, Json, Numeric, Value};

use crate::error::{QueryError, Result};
use crate::types::numeric;

fn wrong(expected: &str, value: &Value) -> QueryError {
    QueryError::internal(format!("expected {expected}, found {value:?}"))
}

pub(crate) fn int(value: &Value) -> Result<i64> {
    match value {
        Value::Int(i) => Ok(*i),
        other => Err(wrong("an integer", other)),
    }
}

/// Integers are taken as floats too.
pub(crate) fn float(value: &Value) -> Result<f64> {
    match value {
        Value::Float(f) => Ok(*f),
        Value::Int(i) => Ok(*i as f64),
        Value::Numeric(n) => Ok(numeric::to_f64(n)),
        other => Err(wrong("a float", other)),
    }
}

/// Integers are taken as numerics too.
pub(crate) fn numeric(value: &Value) -> Result<Arc<Numeric>> {
    match value {
        Value::Numeric(n) => Ok(Arc::clone(n)),
        Value::Int(i) => Ok(Arc::new(numeric::from_int(*i))),
        other => Err(wrong("a numeric", other)),
    }
}

pub(crate) fn boolean(value: &Value) -> Result<bool> {
    match value {
        Value::Bool(b) => Ok(*b),
        other => Err(wrong("a boolean", other)),
    }
}

pub(crate) fn text(value: &Value) -> Result<&str> {
    match value {
        Value::Text(s) => Ok(s),
        other => Err(wrong("text", other)),
    }
}

pub(crate) fn bytes(value: &Value) -> Result<&[u8]> {
    match value {
        Value::Bytes(b) => Ok(b),
        other => Err(wrong("bytea", other)),
    }
}

pub(crate) fn timestamp(value: &Value) -> Result<i64> {
    match value {
        Value::Timestamp(t) => Ok(*t),
        other => Err(wrong("a timestamp", other)),
    }
}

pub(crate) fn date(value: &Value) -> Result<i32> {
    match value {
        Value::Date(d) => Ok(*d),
        other => Err(wrong("a date", other)),
    }
}

pub(crate) fn interval(value: &Value) -> Result<Interval> {
    match value {
        Value::Interval(i) => Ok(*i),
        other => Err(wrong("an interval", other)),
    }
}

pub(crate) fn json(value: &Value) -> Result<&Json> {
    match value {
        Value::Json(j) => Ok(j),
        other => Err(wrong("jsonb", other)),
    }
}

pub(crate) fn vector(value: &Value) -> Result<&[f32]> {
    match value {
        Value::Vector(v) => Ok(v),
        other => Err(wrong("a vector", other)),
    }
}

pub(crate) fn list(value: &Value) -> Result<&[Value]> {
    match value {
        Value::List(items) => Ok(items),
        other => Err(wrong("an array", other)),
    }
}

/// The texts of a text array without NULLs, as jsonb paths and keys need them.
pub(crate) fn texts(value: &Value) -> Result<Vec<Arc<str>>> {
    let mut out = Vec::new();
    for item in list(value)? {
        match item {
            Value::Text(s) => out.push(Arc::clone(s)),
            Value::Null => {}
            other => return Err(wrong("text", other)),
        }
    }
    Ok(out)
}
