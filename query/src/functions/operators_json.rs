//! Operators of `jsonb` and `json`.

use std::sync::Arc;

use sinew_storage::{Json, Value};

use super::args::{int, json as json_arg, text, texts};
use super::registry::Table;
use crate::error::{QueryError, Result, sqlstate};
use crate::types::json;

fn member(found: Option<&Json>) -> Value {
    found.map_or(Value::Null, |value| Value::json(value.clone()))
}

fn member_text(found: Option<&Json>) -> Value {
    found.and_then(json::as_text).map_or(Value::Null, Value::from)
}

fn path(args: &[Value]) -> Result<Option<&Json>> {
    Ok(json::get_path(json_arg(&args[0])?, &texts(&args[1])?))
}

/// `||`: objects merge, arrays join, anything else becomes an array member.
fn concatenate(a: &Json, b: &Json) -> Json {
    match (a, b) {
        (Json::Object(x), Json::Object(y)) => json::object(x.iter().chain(y).cloned().collect()),
        (Json::Array(x), Json::Array(y)) => Json::Array(x.iter().chain(y).cloned().collect()),
        (Json::Array(x), y) => Json::Array(x.iter().cloned().chain([y.clone()]).collect()),
        (x, Json::Array(y)) => Json::Array([x.clone()].into_iter().chain(y.iter().cloned()).collect()),
        (x, y) => Json::Array(vec![x.clone(), y.clone()]),
    }
}

fn invalid(message: &str) -> QueryError {
    QueryError::new(sqlstate::INVALID_PARAMETER_VALUE, message)
}

fn delete_keys(value: &Json, keys: &[Arc<str>]) -> Result<Json> {
    let listed = |key: &str| keys.iter().any(|known| &**known == key);
    match value {
        Json::Object(members) => Ok(Json::Object(members.iter().filter(|(key, _)| !listed(key)).cloned().collect())),
        Json::Array(items) => Ok(Json::Array(
            items.iter().filter(|item| !matches!(item, Json::String(s) if listed(s))).cloned().collect(),
        )),
        _ => Err(invalid("cannot delete from scalar")),
    }
}

fn delete_index(value: &Json, index: i64) -> Result<Json> {
    match value {
        Json::Array(items) => {
            let mut items = items.clone();
            if let Some(at) = json::position(index, items.len()) {
                items.remove(at);
            }
            Ok(Json::Array(items))
        }
        Json::Object(_) => Err(invalid("cannot delete from object using integer index")),
        _ => Err(invalid("cannot delete from scalar")),
    }
}

/// `#-`.
pub(super) fn delete_path(value: &Json, path: &[Arc<str>]) -> Result<Json> {
    delete_at(value, path, 1)
}

/// `position` of the path's first step, for errors.
fn delete_at(value: &Json, path: &[Arc<str>], position: usize) -> Result<Json> {
    let Some((first, rest)) = path.split_first() else { return Ok(value.clone()) };
    match value {
        Json::Object(members) => {
            let mut members = members.clone();
            if let Some(at) = members.iter().position(|(key, _)| key == first) {
                if rest.is_empty() {
                    members.remove(at);
                } else {
                    members[at].1 = delete_at(&members[at].1, rest, position + 1)?;
                }
            }
            Ok(Json::Object(members))
        }
        // Nothing can be taken from an empty array; PostgreSQL looks no further, but only at the top.
        Json::Array(items) if items.is_empty() && position == 1 => Ok(value.clone()),
        Json::Array(items) => {
            let index: i64 = first.trim().parse().map_err(|_| {
                QueryError::new(
                    sqlstate::INVALID_TEXT_REPRESENTATION,
                    format!("path element at position {position} is not an integer: \"{first}\""),
                )
            })?;
            let mut items = items.clone();
            if let Some(at) = json::position(index, items.len()) {
                if rest.is_empty() {
                    items.remove(at);
                } else {
                    items[at] = delete_at(&items[at], rest, position + 1)?;
                }
            }
            Ok(Json::Array(items))
        }
        scalar => Ok(scalar.clone()),
    }
}

/// A jsonb scalar counts as an array of itself here, as in PostgreSQL.
fn element(value: &Json, index: i64) -> Option<&Json> {
    match value {
        Json::Array(_) | Json::Object(_) => json::get_index(value, index),
        scalar => (index == 0 || index == -1).then_some(scalar),
    }
}

macro_rules! access {
    ($t:ident, $ty:literal, $element:path) => {
        $t.op(concat!($ty, " -> text -> ", $ty), |_, a| Ok(member(json::get_key(json_arg(&a[0])?, text(&a[1])?))));
        $t.op(concat!($ty, " -> int4 -> ", $ty), |_, a| Ok(member($element(json_arg(&a[0])?, int(&a[1])?))));
        $t.op(concat!($ty, " ->> text -> text"), |_, a| Ok(member_text(json::get_key(json_arg(&a[0])?, text(&a[1])?))));
        $t.op(concat!($ty, " ->> int4 -> text"), |_, a| Ok(member_text($element(json_arg(&a[0])?, int(&a[1])?))));
        $t.op(concat!($ty, " #> text[] -> ", $ty), |_, a| Ok(member(path(a)?)));
        $t.op(concat!($ty, " #>> text[] -> text"), |_, a| Ok(member_text(path(a)?)));
    };
}

pub(super) fn register(t: &mut Table) {
    t.section("JSON operators");
    access!(t, "jsonb", element);
    access!(t, "json", json::get_index);
    t.op("jsonb @> jsonb -> bool", |_, a| Ok(Value::Bool(json::contains(json_arg(&a[0])?, json_arg(&a[1])?))));
    t.op("jsonb <@ jsonb -> bool", |_, a| Ok(Value::Bool(json::contains(json_arg(&a[1])?, json_arg(&a[0])?))));
    t.op("jsonb ? text -> bool", |_, a| Ok(Value::Bool(json::exists(json_arg(&a[0])?, text(&a[1])?))));
    t.op("jsonb ?| text[] -> bool", |_, a| {
        let value = json_arg(&a[0])?;
        Ok(Value::Bool(texts(&a[1])?.iter().any(|key| json::exists(value, key))))
    });
    t.op("jsonb ?& text[] -> bool", |_, a| {
        let value = json_arg(&a[0])?;
        Ok(Value::Bool(texts(&a[1])?.iter().all(|key| json::exists(value, key))))
    });
    t.op("jsonb || jsonb -> jsonb", |_, a| Ok(Value::json(concatenate(json_arg(&a[0])?, json_arg(&a[1])?))));
    t.op("jsonb - text -> jsonb", |_, a| Ok(Value::json(delete_keys(json_arg(&a[0])?, &[Arc::from(text(&a[1])?)])?)));
    t.op("jsonb - text[] -> jsonb", |_, a| Ok(Value::json(delete_keys(json_arg(&a[0])?, &texts(&a[1])?)?)));
    t.op("jsonb - int4 -> jsonb", |_, a| Ok(Value::json(delete_index(json_arg(&a[0])?, int(&a[1])?)?)));
    t.op("jsonb #- text[] -> jsonb", |_, a| {
        let value = json_arg(&a[0])?;
        if !matches!(value, Json::Array(_) | Json::Object(_)) {
            return Err(invalid("cannot delete path in scalar"));
        }
        Ok(Value::json(delete_path(value, &texts(&a[1])?)?))
    });
}
