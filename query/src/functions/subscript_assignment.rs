//! Assignment to subscripts of arrays and jsonb values.

use std::sync::Arc;

use sinew_storage::{Json, Value};

use super::args::{int, list};
use super::growth::ListBuilder;
use crate::context::EvalContext;
use crate::error::{QueryError, Result, sqlstate};
use crate::exec::expr::size::check_element_count;
use crate::types::json;

fn null_subscript(of: &str) -> QueryError {
    QueryError::new(sqlstate::NULL_VALUE_NOT_ALLOWED, format!("{of} subscript in assignment must not be null"))
}

fn wrong_subscript(message: &str) -> QueryError {
    QueryError::new(sqlstate::ARRAY_SUBSCRIPT_ERROR, message)
}

/// Arrays begin at 1 here.
fn begins_elsewhere() -> QueryError {
    QueryError::unsupported("an array that begins at another subscript than 1")
}

/// Items of an array; those of NULL are none.
fn items(array: &Value) -> Result<&[Value]> {
    if array.is_null() { Ok(&[]) } else { list(array) }
}

/// `array` with `value` at `index`, and NULL for elements between its end and there.
pub(crate) fn set_element(context: &EvalContext<'_>, array: &Value, index: &Value, value: &Value) -> Result<Value> {
    if index.is_null() {
        return Err(null_subscript("array"));
    }
    let index = int(index)?;
    replaced(context, items(array)?, index, std::slice::from_ref(value))
}

/// `array` with the elements between two bounds replaced by the first ones of `source`; NULL replaces nothing.
pub(crate) fn set_slice(
    context: &EvalContext<'_>,
    array: &Value,
    bounds: [&Value; 2],
    open: (bool, bool),
    source: &Value,
) -> Result<Value> {
    if bounds[0].is_null() && !open.0 || bounds[1].is_null() && !open.1 {
        return Err(null_subscript("array"));
    }
    let items = items(array)?;
    if source.is_null() {
        return Ok(Value::list(items.to_vec()));
    }
    if items.is_empty() && (open.0 || open.1) {
        return Err(wrong_subscript("array slice subscript must provide both boundaries")
            .detail("When assigning to a slice of an empty array value, slice boundaries must be fully specified."));
    }
    let lower = if open.0 { 1 } else { int(bounds[0])? };
    let upper = if open.1 { items.len() as i64 } else { int(bounds[1])? };
    if lower > upper {
        return Err(wrong_subscript("upper bound cannot be less than lower bound"));
    }
    let source = list(source)?;
    let count = usize::try_from(upper - lower + 1).unwrap_or(usize::MAX);
    check_element_count(count)?;
    let source = source.get(..count).ok_or_else(|| wrong_subscript("source array too small"))?;
    replaced(context, items, lower, source)
}

/// `items` with `values` from `index` on.
fn replaced(context: &EvalContext<'_>, items: &[Value], index: i64, values: &[Value]) -> Result<Value> {
    if index < 1 || items.is_empty() && index != 1 {
        return Err(begins_elsewhere());
    }
    let start = usize::try_from(index - 1).unwrap_or(usize::MAX);
    check_element_count(start.saturating_add(values.len()))?;
    let mut out = ListBuilder::new(context);
    out.extend(items.iter().take(start).cloned())?;
    out.extend(std::iter::repeat_n(Value::Null, start.saturating_sub(items.len())))?;
    out.extend(values.iter().cloned())?;
    out.extend(items.iter().skip(start + values.len()).cloned())?;
    Ok(out.finish())
}

/// A jsonb value with `value` at the end of the path, which is made where there is none. NULL becomes an object, or an
/// array with `begins_array`; a NULL value is JSON's null.
pub(crate) fn set_path(
    context: &EvalContext<'_>,
    target: &Value,
    begins_array: bool,
    steps: &[Value],
    value: &Value,
) -> Result<Value> {
    let path: Vec<Arc<str>> = steps
        .iter()
        .map(|step| match step {
            Value::Text(step) => Ok(Arc::clone(step)),
            _ => Err(null_subscript("jsonb")),
        })
        .collect::<Result<_>>()?;
    context.exec.cancel.check()?;
    let empty = if begins_array { Json::Array(Vec::new()) } else { Json::Object(Vec::new()) };
    let target = match target {
        Value::Json(target) => target,
        _ => &empty,
    };
    let value = match value {
        Value::Json(value) => Json::clone(value),
        _ => Json::Null,
    };
    Ok(Value::json(with_path(target, &path, 0, value)?))
}

/// `position` is the first step's place in the whole path.
fn with_path(target: &Json, path: &[Arc<str>], position: usize, value: Json) -> Result<Json> {
    let Some((step, rest)) = path.split_first() else { return Ok(value) };
    match target {
        Json::Object(members) => {
            let mut members = members.clone();
            match members.iter_mut().find(|(key, _)| key == step) {
                Some((_, old)) => *old = with_path(old, rest, position + 1, value)?,
                None => members.push((Arc::clone(step), made(rest, value)?)),
            }
            Ok(json::object(members))
        }
        Json::Array(items) => {
            let Some(index) = number(step) else {
                return Err(QueryError::new(
                    sqlstate::INVALID_TEXT_REPRESENTATION,
                    format!("path element at position {} is not an integer: \"{step}\"", position + 1),
                ));
            };
            let at = if index < 0 { index + items.len() as i64 } else { index };
            let Ok(at) = usize::try_from(at) else {
                return Err(QueryError::new(
                    sqlstate::INVALID_PARAMETER_VALUE,
                    format!("path element at position {} is out of range: {index}", position + 1),
                ));
            };
            check_element_count(at + 1)?;
            let mut items = items.clone();
            match items.get_mut(at) {
                Some(old) => *old = with_path(old, rest, position + 1, value)?,
                None => {
                    items.resize(at, Json::Null);
                    items.push(made(rest, value)?);
                }
            }
            Ok(Json::Array(items))
        }
        _ => Err(QueryError::new(sqlstate::INVALID_PARAMETER_VALUE, "cannot replace existing key")
            .detail("The path assumes key is a composite object, but it is a scalar value.")),
    }
}

/// What a path leads through where there is nothing: arrays for numbers, objects for all else.
fn made(path: &[Arc<str>], value: Json) -> Result<Json> {
    path.iter().rev().try_fold(value, |inner, step| match number(step) {
        Some(index) => {
            let at = usize::try_from(index).unwrap_or(0);
            check_element_count(at + 1)?;
            let mut items = vec![Json::Null; at];
            items.push(inner);
            Ok(Json::Array(items))
        }
        None => Ok(Json::Object(vec![(Arc::clone(step), inner)])),
    })
}

/// A step that is a number of 32 bits.
fn number(step: &str) -> Option<i64> {
    step.trim_start().parse::<i32>().ok().map(i64::from)
}
