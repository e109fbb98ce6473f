//! `jsonb` (and `json`, which is kept in the same form): text output, order, access by key, index and path.
//!
//! Objects are sorted by (key length, key bytes) with unique keys, as jsonb prints them. `json` differs from `jsonb` in
//! name and oid only: white space and duplicate keys of its input are not kept.

use std::cmp::Ordering;
use std::sync::Arc;

use bigdecimal::{BigDecimal, ToPrimitive};
use sinew_storage::Json;

use super::numeric;
use crate::error::{QueryError, Result, sqlstate};

/// jsonb's text: `{"a": 1, "b": [1, 2]}`.
pub(crate) fn format(json: &Json) -> String {
    let mut out = String::new();
    write(json, &mut out);
    out
}

fn write(json: &Json, out: &mut String) {
    match json {
        Json::Null => out.push_str("null"),
        Json::Bool(true) => out.push_str("true"),
        Json::Bool(false) => out.push_str("false"),
        Json::Int(i) => out.push_str(&i.to_string()),
        Json::Decimal(d) => out.push_str(&numeric::plain(d)),
        Json::String(s) => write_string(s, out),
        Json::Array(items) => {
            out.push('[');
            for (i, item) in items.iter().enumerate() {
                if i > 0 {
                    out.push_str(", ");
                }
                write(item, out);
            }
            out.push(']');
        }
        Json::Object(members) => {
            out.push('{');
            for (i, (key, value)) in members.iter().enumerate() {
                if i > 0 {
                    out.push_str(", ");
                }
                write_string(key, out);
                out.push_str(": ");
                write(value, out);
            }
            out.push('}');
        }
    }
}

/// The float that a number which is no bigint becomes in the graph. 22003 for an integer that the float would round.
pub(crate) fn graph_float(decimal: &BigDecimal) -> Result<f64> {
    let float = numeric::decimal_to_f64(decimal);
    let is_integer = decimal.fractional_digit_count() <= 0;
    if is_integer && numeric::shortest_from_f64(float).as_ref() != Some(decimal) {
        return Err(QueryError::new(
            sqlstate::NUMERIC_VALUE_OUT_OF_RANGE,
            format!("value \"{}\" is out of range for type bigint", numeric::plain(decimal)),
        )
        .hint("Write it with a fraction (.0) to have the nearest float."));
    }
    Ok(float)
}

/// `jsonb_pretty`, in pieces: four blanks per level.
pub(crate) fn pretty(json: &Json, out: &mut dyn FnMut(&str) -> Result<()>) -> Result<()> {
    type Out<'a> = dyn FnMut(&str) -> Result<()> + 'a;
    fn indent(level: usize, out: &mut Out<'_>) -> Result<()> {
        out("\n")?;
        (0..level).try_for_each(|_| out("    "))
    }
    fn go(json: &Json, level: usize, out: &mut Out<'_>) -> Result<()> {
        match json {
            Json::Array(items) => {
                out("[")?;
                for (i, item) in items.iter().enumerate() {
                    if i > 0 {
                        out(",")?;
                    }
                    indent(level + 1, out)?;
                    go(item, level + 1, out)?;
                }
                indent(level, out)?;
                out("]")
            }
            Json::Object(members) => {
                out("{")?;
                for (i, (key, value)) in members.iter().enumerate() {
                    if i > 0 {
                        out(",")?;
                    }
                    indent(level + 1, out)?;
                    let mut name = String::with_capacity(key.len() + 4);
                    write_string(key, &mut name);
                    name.push_str(": ");
                    out(&name)?;
                    go(value, level + 1, out)?;
                }
                indent(level, out)?;
                out("}")
            }
            scalar => {
                let mut text = String::new();
                write(scalar, &mut text);
                out(&text)
            }
        }
    }
    go(json, 0, out)
}

pub(crate) fn write_string(text: &str, out: &mut String) {
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\u{8}' => out.push_str("\\b"),
            '\u{c}' => out.push_str("\\f"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            c if (c as u32) < 0x20 => out.push_str(&format!("\\u{:04x}", c as u32)),
            c => out.push(c),
        }
    }
    out.push('"');
}

/// Order of object keys.
pub(crate) fn compare_keys(a: &str, b: &str) -> Ordering {
    a.len().cmp(&b.len()).then_with(|| a.as_bytes().cmp(b.as_bytes()))
}

/// An object of members in any order; of equal keys the last wins.
pub(crate) fn object(members: Vec<(Arc<str>, Json)>) -> Json {
    let mut members = members;
    // A stable sort keeps equal keys in order of appearance.
    members.sort_by(|a, b| compare_keys(&a.0, &b.0));
    let mut out: Vec<(Arc<str>, Json)> = Vec::with_capacity(members.len());
    for (key, value) in members {
        match out.last_mut() {
            Some(last) if last.0 == key => last.1 = value,
            _ => out.push((key, value)),
        }
    }
    Json::Object(out)
}

/// A number in the narrowest form.
pub(crate) fn number(value: BigDecimal) -> Json {
    if value.fractional_digit_count() == 0
        && let Some(i) = value.to_i64()
    {
        return Json::Int(i);
    }
    Json::Decimal(value)
}

/// A number as a decimal; None for anything else.
pub(crate) fn as_decimal(json: &Json) -> Option<BigDecimal> {
    match json {
        Json::Int(i) => Some(numeric::decimal(*i)),
        Json::Decimal(d) => Some(d.clone()),
        _ => None,
    }
}

pub(crate) fn type_of(json: &Json) -> &'static str {
    match json {
        Json::Null => "null",
        Json::Bool(_) => "boolean",
        Json::Int(_) | Json::Decimal(_) => "number",
        Json::String(_) => "string",
        Json::Array(_) => "array",
        Json::Object(_) => "object",
    }
}

pub(crate) fn get_key<'a>(json: &'a Json, key: &str) -> Option<&'a Json> {
    match json {
        Json::Object(members) => members.binary_search_by(|(k, _)| compare_keys(k, key)).ok().map(|at| &members[at].1),
        _ => None,
    }
}

/// Position of an index that may count from the end.
pub(crate) fn position(index: i64, length: usize) -> Option<usize> {
    let length = i64::try_from(length).ok()?;
    let at = if index < 0 { index.checked_add(length)? } else { index };
    if (0..length).contains(&at) { usize::try_from(at).ok() } else { None }
}

pub(crate) fn get_index(json: &Json, index: i64) -> Option<&Json> {
    match json {
        Json::Array(items) => position(index, items.len()).map(|at| &items[at]),
        _ => None,
    }
}

/// `#>`: each step is a key of an object or an index of an array.
pub(crate) fn get_path<'a>(json: &'a Json, path: &[Arc<str>]) -> Option<&'a Json> {
    let mut current = json;
    for step in path {
        current = match current {
            Json::Object(_) => get_key(current, step)?,
            Json::Array(_) => get_index(current, step.trim().parse().ok()?)?,
            _ => return None,
        };
    }
    Some(current)
}

/// Text of a scalar without quotes, of anything else as jsonb; None for JSON null (`->>`).
pub(crate) fn as_text(json: &Json) -> Option<String> {
    match json {
        Json::Null => None,
        Json::String(s) => Some(s.to_string()),
        other => Some(format(other)),
    }
}

/// Equality by value: numbers regardless of scale.
pub(crate) fn equal(a: &Json, b: &Json) -> bool {
    compare(a, b) == Ordering::Equal
}

fn rank(json: &Json) -> u8 {
    match json {
        Json::Null => 0,
        Json::String(_) => 1,
        Json::Int(_) | Json::Decimal(_) => 2,
        Json::Bool(_) => 3,
        Json::Array(_) => 4,
        Json::Object(_) => 5,
    }
}

/// jsonb's btree order: Object > Array > Boolean > Number > String > Null, containers by count first. A top-level empty
/// array is below every scalar, as in PostgreSQL.
pub(crate) fn compare(a: &Json, b: &Json) -> Ordering {
    let empty = |json: &Json| matches!(json, Json::Array(items) if items.is_empty());
    let scalar = |json: &Json| rank(json) < 4;
    if empty(a) && scalar(b) {
        return Ordering::Less;
    }
    if scalar(a) && empty(b) {
        return Ordering::Greater;
    }
    compare_inner(a, b)
}

fn compare_inner(a: &Json, b: &Json) -> Ordering {
    match (a, b) {
        (Json::String(a), Json::String(b)) => a.as_bytes().cmp(b.as_bytes()),
        (Json::Int(a), Json::Int(b)) => a.cmp(b),
        (Json::Decimal(a), Json::Decimal(b)) => a.cmp(b),
        (Json::Int(a), Json::Decimal(b)) => numeric::decimal(*a).cmp(b),
        (Json::Decimal(a), Json::Int(b)) => a.cmp(&numeric::decimal(*b)),
        (Json::Bool(a), Json::Bool(b)) => a.cmp(b),
        (Json::Array(a), Json::Array(b)) => a.len().cmp(&b.len()).then_with(|| {
            a.iter().zip(b).map(|(x, y)| compare_inner(x, y)).find(|o| o.is_ne()).unwrap_or(Ordering::Equal)
        }),
        (Json::Object(a), Json::Object(b)) => a.len().cmp(&b.len()).then_with(|| {
            a.iter()
                .zip(b)
                .map(|(x, y)| x.0.as_bytes().cmp(y.0.as_bytes()).then_with(|| compare_inner(&x.1, &y.1)))
                .find(|o| o.is_ne())
                .unwrap_or(Ordering::Equal)
        }),
        _ => rank(a).cmp(&rank(b)),
    }
}

/// `@>`: objects by members, arrays as sets, an array may contain a scalar at the top.
pub(crate) fn contains(a: &Json, b: &Json) -> bool {
    match (a, b) {
        (Json::Array(items), scalar) if !matches!(scalar, Json::Array(_) | Json::Object(_)) => {
            items.iter().any(|item| equal(item, scalar))
        }
        _ => contains_inner(a, b),
    }
}

fn contains_inner(a: &Json, b: &Json) -> bool {
    match (a, b) {
        (Json::Object(_), Json::Object(members)) => {
            members.iter().all(|(key, value)| get_key(a, key).is_some_and(|own| contains_inner(own, value)))
        }
        (Json::Array(own), Json::Array(items)) => {
            items.iter().all(|item| own.iter().any(|candidate| contains_inner(candidate, item)))
        }
        (Json::Object(_) | Json::Array(_), _) | (_, Json::Object(_) | Json::Array(_)) => false,
        _ => equal(a, b),
    }
}

/// `?`: a key of an object, a string of an array, or the string itself.
pub(crate) fn exists(json: &Json, key: &str) -> bool {
    match json {
        Json::Object(_) => get_key(json, key).is_some(),
        Json::Array(items) => items.iter().any(|item| matches!(item, Json::String(s) if &**s == key)),
        Json::String(s) => &**s == key,
        _ => false,
    }
}
