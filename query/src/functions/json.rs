//! Functions that make, take apart and change JSON.

use std::sync::Arc;

use sinew_storage::{DataType, Json, Value};

use super::ScalarImpl;
use super::args::{boolean, json as json_arg, text, texts};
use super::growth::TextBuilder;
use super::operators_json::delete_path;
use super::registry::Table;
use crate::batch::json_size_bytes;
use crate::context::EvalContext;
use crate::error::{QueryError, Result, sqlstate};
use crate::exec::expr::size::check_json_bytes;
use crate::types::{self, entity, json};

fn invalid(message: impl Into<String>) -> QueryError {
    QueryError::new(sqlstate::INVALID_PARAMETER_VALUE, message)
}

fn to_jsonb(types: &[DataType]) -> ScalarImpl {
    let ty = types.first().cloned().unwrap_or(DataType::Text);
    Arc::new(move |context, args| Ok(Value::json(entity::to_json_typed(context, &args[0], &ty)?)))
}

/// A part of a larger value, whose bytes are added up: 54000 when the whole would be too large.
fn member(context: &EvalContext<'_>, value: &Value, ty: &DataType, held_bytes: &mut usize) -> Result<Json> {
    let json = entity::to_json_typed(context, value, ty)?;
    *held_bytes += json_size_bytes(&json);
    check_json_bytes(*held_bytes)?;
    Ok(json)
}

fn build_array(types: &[DataType]) -> ScalarImpl {
    let types = types.to_vec();
    Arc::new(move |context, args| {
        let mut items = Vec::with_capacity(args.len());
        let mut held_bytes = 0;
        for (value, ty) in args.iter().zip(&types) {
            items.push(member(context, value, ty, &mut held_bytes)?);
        }
        Ok(Value::json(Json::Array(items)))
    })
}

/// Text of a value used as a key. 22004 for NULL, 22023 for arrays and objects.
fn key(context: &EvalContext<'_>, value: &Value, ty: &DataType) -> Result<Arc<str>> {
    match value {
        Value::Null => Err(QueryError::new(sqlstate::NULL_VALUE_NOT_ALLOWED, "field name must not be null")),
        Value::Text(s) => Ok(Arc::clone(s)),
        Value::Bool(b) => Ok(if *b { "true" } else { "false" }.into()),
        Value::List(_) | Value::Map(_) => Err(invalid("key value must be scalar, not array, composite, or json")),
        Value::Json(j) if matches!(**j, Json::Array(_) | Json::Object(_)) => {
            Err(invalid("key value must be scalar, not array, composite, or json"))
        }
        value => Ok(types::to_text(context, value, ty)?.into()),
    }
}

fn build_object(types: &[DataType]) -> ScalarImpl {
    let types = types.to_vec();
    Arc::new(move |context, args| {
        if args.len() % 2 != 0 {
            return Err(invalid("argument list must have even number of elements")
                .hint("The arguments of jsonb_build_object() must consist of alternating keys and values."));
        }
        let mut members = Vec::with_capacity(args.len() / 2);
        let mut held_bytes = 0;
        for (pair, types) in args.chunks_exact(2).zip(types.chunks_exact(2)) {
            let key = key(context, &pair[0], &types[0])?;
            members.push((key, member(context, &pair[1], &types[1], &mut held_bytes)?));
        }
        Ok(Value::json(json::object(members)))
    })
}

/// `jsonb_object(text[])`: alternating keys and values.
fn object_of_pairs(args: &[Value]) -> Result<Value> {
    let items = super::args::list(&args[0])?;
    if items.len() % 2 != 0 {
        return Err(QueryError::new(sqlstate::ARRAY_SUBSCRIPT_ERROR, "array must have even number of elements"));
    }
    let mut members = Vec::new();
    for pair in items.chunks_exact(2) {
        members.push(pair_member(&pair[0], &pair[1])?);
    }
    Ok(Value::json(json::object(members)))
}

fn pair_member(key: &Value, value: &Value) -> Result<(Arc<str>, Json)> {
    let key = match key {
        Value::Null => {
            return Err(QueryError::new(sqlstate::NULL_VALUE_NOT_ALLOWED, "null value not allowed for object key"));
        }
        key => Arc::from(text(key)?),
    };
    let value = match value {
        Value::Null => Json::Null,
        value => Json::String(text(value)?.into()),
    };
    Ok((key, value))
}

fn object_of_arrays(args: &[Value]) -> Result<Value> {
    let (keys, values) = (super::args::list(&args[0])?, super::args::list(&args[1])?);
    if keys.len() != values.len() {
        return Err(QueryError::new(sqlstate::ARRAY_SUBSCRIPT_ERROR, "mismatched array dimensions"));
    }
    let members = keys.iter().zip(values).map(|(key, value)| pair_member(key, value)).collect::<Result<_>>()?;
    Ok(Value::json(json::object(members)))
}

fn strip_nulls(value: &Json) -> Json {
    match value {
        Json::Object(members) => Json::Object(
            members
                .iter()
                .filter(|(_, value)| !matches!(value, Json::Null))
                .map(|(key, value)| (Arc::clone(key), strip_nulls(value)))
                .collect(),
        ),
        Json::Array(items) => Json::Array(items.iter().map(strip_nulls).collect()),
        scalar => scalar.clone(),
    }
}

/// What happens at the end of a path.
#[derive(Clone, Copy)]
enum Change<'a> {
    /// Replace; create when missing and wanted.
    Set { value: &'a Json, create: bool },
    /// Insert into an array before or after the place; a key must be new.
    Insert { value: &'a Json, after: bool },
}

fn change(target: &Json, path: &[Arc<str>], position: usize, action: Change<'_>) -> Result<Json> {
    let Some((step, rest)) = path.split_first() else { return Ok(target.clone()) };
    match target {
        Json::Object(members) => {
            let mut members = members.clone();
            match members.iter().position(|(key, _)| key == step) {
                Some(at) if rest.is_empty() => match action {
                    Change::Set { value, .. } => members[at].1 = value.clone(),
                    Change::Insert { .. } => {
                        return Err(invalid("cannot replace existing key")
                            .hint("Try using the function jsonb_set to replace key value."));
                    }
                },
                Some(at) => members[at].1 = change(&members[at].1, rest, position + 1, action)?,
                None if rest.is_empty() => match action {
                    Change::Set { value, create: true } | Change::Insert { value, .. } => {
                        members.push((Arc::clone(step), value.clone()));
                    }
                    Change::Set { .. } => {}
                },
                None => {}
            }
            Ok(json::object(members))
        }
        Json::Array(items) => {
            let index: i64 = step.trim().parse().map_err(|_| {
                QueryError::new(
                    sqlstate::INVALID_TEXT_REPRESENTATION,
                    format!("path element at position {} is not an integer: \"{step}\"", position + 1),
                )
            })?;
            let mut items = items.clone();
            let found = json::position(index, items.len());
            match (found, rest.is_empty(), action) {
                (Some(at), true, Change::Set { value, .. }) => items[at] = value.clone(),
                (Some(at), true, Change::Insert { value, after }) => {
                    items.insert(at + usize::from(after), value.clone())
                }
                (Some(at), false, action) => items[at] = change(&items[at], rest, position + 1, action)?,
                (None, true, Change::Set { value, create: true } | Change::Insert { value, .. }) => {
                    // Beyond either end the value goes to that end.
                    if index < 0 { items.insert(0, value.clone()) } else { items.push(value.clone()) }
                }
                (None, _, _) => {}
            }
            Ok(Json::Array(items))
        }
        scalar => Ok(scalar.clone()),
    }
}

fn set(args: &[Value], create: bool) -> Result<Value> {
    let target = json_arg(&args[0])?;
    if !matches!(target, Json::Array(_) | Json::Object(_)) {
        return Err(invalid("cannot set path in scalar"));
    }
    let action = Change::Set { value: json_arg(&args[2])?, create };
    Ok(Value::json(change(target, &texts(&args[1])?, 0, action)?))
}

fn insert(args: &[Value], after: bool) -> Result<Value> {
    let target = json_arg(&args[0])?;
    if !matches!(target, Json::Array(_) | Json::Object(_)) {
        return Err(invalid("cannot set path in scalar"));
    }
    let action = Change::Insert { value: json_arg(&args[2])?, after };
    Ok(Value::json(change(target, &texts(&args[1])?, 0, action)?))
}

/// `jsonb_set_lax`: what a NULL value does.
fn set_lax(args: &[Value]) -> Result<Value> {
    if args[0].is_null() || args[1].is_null() || args.get(3).is_some_and(Value::is_null) {
        return Ok(Value::Null);
    }
    let treatment = match args.get(4) {
        Some(Value::Null) => "",
        Some(treatment) => text(treatment)?,
        None => "use_json_null",
    };
    let create = args.get(3).map_or(Ok(true), boolean)?;
    if !args[2].is_null() && !args.get(4).is_some_and(Value::is_null) {
        return set(args, create);
    }
    match treatment {
        "use_json_null" => {
            let with_null = [args[0].clone(), args[1].clone(), Value::json(Json::Null)];
            set(&with_null, create)
        }
        "return_target" => Ok(args[0].clone()),
        "delete_key" => Ok(Value::json(delete_path(json_arg(&args[0])?, &texts(&args[1])?)?)),
        "raise_exception" => Err(QueryError::new(sqlstate::NULL_VALUE_NOT_ALLOWED, "JSON value must not be null")
            .detail("Exception was raised because null_value_treatment is \"raise_exception\".")),
        _ => Err(invalid(
            "null_value_treatment must be \"delete_key\", \"return_target\", \"use_json_null\", or \"raise_exception\"",
        )),
    }
}

fn array_length(args: &[Value]) -> Result<Value> {
    match json_arg(&args[0])? {
        Json::Array(items) => Ok(Value::Int(items.len() as i64)),
        Json::Object(_) => Err(invalid("cannot get array length of a non-array")),
        _ => Err(invalid("cannot get array length of a scalar")),
    }
}

fn extract_path(args: &[Value]) -> Result<Option<&Json>> {
    let path: Vec<Arc<str>> = args[1..].iter().map(|step| text(step).map(Arc::from)).collect::<Result<_>>()?;
    Ok(json::get_path(json_arg(&args[0])?, &path))
}

pub(super) fn register(t: &mut Table) {
    t.section("JSON functions");
    t.typed("to_jsonb(anyelement) -> jsonb", to_jsonb).stable();
    t.typed("to_json(anyelement) -> json", to_jsonb).stable();
    t.typed("row_to_json(record) -> json", to_jsonb).stable();
    t.typed("array_to_json(anyarray) -> json", to_jsonb).stable();
    for signature in ["jsonb_build_object(variadic any) -> jsonb", "json_build_object(variadic any) -> json"] {
        t.typed(signature, build_object).lax().stable();
    }
    for signature in ["jsonb_build_object() -> jsonb", "json_build_object() -> json"] {
        t.f(signature, |_, _| Ok(Value::json(Json::Object(Vec::new()))));
    }
    for signature in ["jsonb_build_array(variadic any) -> jsonb", "json_build_array(variadic any) -> json"] {
        t.typed(signature, build_array).lax().stable();
    }
    for signature in ["jsonb_build_array() -> jsonb", "json_build_array() -> json"] {
        t.f(signature, |_, _| Ok(Value::json(Json::Array(Vec::new()))));
    }
    for signature in ["jsonb_object(text[]) -> jsonb", "json_object(text[]) -> json"] {
        t.f(signature, |_, a| object_of_pairs(a));
    }
    for signature in ["jsonb_object(text[], text[]) -> jsonb", "json_object(text[], text[]) -> json"] {
        t.f(signature, |_, a| object_of_arrays(a));
    }
    for signature in ["jsonb_typeof(jsonb) -> text", "json_typeof(json) -> text"] {
        t.f(signature, |_, a| Ok(Value::from(json::type_of(json_arg(&a[0])?))));
    }
    for signature in ["jsonb_array_length(jsonb) -> int4", "json_array_length(json) -> int4"] {
        t.f(signature, |_, a| array_length(a));
    }
    for signature in
        ["jsonb_extract_path(jsonb, variadic text) -> jsonb", "json_extract_path(json, variadic text) -> json"]
    {
        t.f(signature, |_, a| Ok(extract_path(a)?.map_or(Value::Null, |value| Value::json(value.clone()))));
    }
    for signature in
        ["jsonb_extract_path_text(jsonb, variadic text) -> text", "json_extract_path_text(json, variadic text) -> text"]
    {
        t.f(signature, |_, a| Ok(extract_path(a)?.and_then(json::as_text).map_or(Value::Null, Value::from)));
    }
    for signature in ["jsonb_strip_nulls(jsonb) -> jsonb", "json_strip_nulls(json) -> json"] {
        t.f(signature, |_, a| Ok(Value::json(strip_nulls(json_arg(&a[0])?))));
    }
    t.f("jsonb_pretty(jsonb) -> text", |c, a| {
        let mut out = TextBuilder::new(c);
        json::pretty(json_arg(&a[0])?, &mut |piece| out.push(piece))?;
        Ok(out.finish())
    });
    t.f("jsonb_set(jsonb, text[], jsonb) -> jsonb", |_, a| set(a, true));
    t.f("jsonb_set(jsonb, text[], jsonb, bool) -> jsonb", |_, a| set(a, boolean(&a[3])?));
    t.f("jsonb_set_lax(jsonb, text[], jsonb) -> jsonb", |_, a| set_lax(a)).lax();
    t.f("jsonb_set_lax(jsonb, text[], jsonb, bool) -> jsonb", |_, a| set_lax(a)).lax();
    t.f("jsonb_set_lax(jsonb, text[], jsonb, bool, text) -> jsonb", |_, a| set_lax(a)).lax();
    t.f("jsonb_insert(jsonb, text[], jsonb) -> jsonb", |_, a| insert(a, false));
    t.f("jsonb_insert(jsonb, text[], jsonb, bool) -> jsonb", |_, a| insert(a, boolean(&a[3])?));
    t.f("jsonb_contains(jsonb, jsonb) -> bool", |_, a| {
        Ok(Value::Bool(json::contains(json_arg(&a[0])?, json_arg(&a[1])?)))
    });
    t.f("jsonb_exists(jsonb, text) -> bool", |_, a| Ok(Value::Bool(json::exists(json_arg(&a[0])?, text(&a[1])?))));
}
