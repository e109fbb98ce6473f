//! toInteger, toFloat, toString, toBoolean; values that come from SQL.

use std::sync::Arc;

use num_traits::ToPrimitive;
use sinew_storage::value::MapValue;
use sinew_storage::{DataType, Json, TemporalKind, Value};

use super::compare::as_float;
use super::{Builder, wrong_type};
use crate::context::EvalContext;
use crate::error::{QueryError, Result, sqlstate};
use crate::functions::{ScalarFunction, Volatility};
use crate::types::json::graph_float;

pub(super) fn register(builder: &mut Builder) {
    builder.pure("toInteger", (1, 1), DataType::Int8, |_, args| to_integer(&args[0]));
    builder.pure("toIntegerOrNull", (1, 1), DataType::Int8, |_, args| Ok(to_integer(&args[0]).unwrap_or_default()));
    builder.pure("toFloat", (1, 1), DataType::Float8, |_, args| to_float(&args[0]));
    builder.pure("toFloatOrNull", (1, 1), DataType::Float8, |_, args| Ok(to_float(&args[0]).unwrap_or_default()));
    builder.pure("toBoolean", (1, 1), DataType::Bool, |_, args| to_boolean(&args[0]));
    builder.pure("toBooleanOrNull", (1, 1), DataType::Bool, |_, args| Ok(to_boolean(&args[0]).unwrap_or_default()));
    builder.pure("toString", (1, 1), DataType::Text, |context, args| to_string(context, &args[0]));
    builder.pure("toStringOrNull", (1, 1), DataType::Text, |context, args| {
        Ok(to_string(context, &args[0]).unwrap_or_default())
    });
    builder.pure("valueType", (1, 1), DataType::Text, |_, args| Ok(Value::text(super::kind_name(&args[0]))));
    builder.operator("vector argument", 1, DataType::Vector(None), true, |_, args| match &args[0] {
        vector @ Value::Vector(_) => Ok(vector.clone()),
        Value::List(items) => {
            let component = |item: &Value| match item {
                Value::Int(_) | Value::Float(_) | Value::Numeric(_) => Ok(as_float(item) as f32),
                other => Err(wrong_type("a vector", "numbers", other)),
            };
            Ok(Value::Vector(items.iter().map(component).collect::<Result<Vec<_>>>()?.into()))
        }
        other => Err(wrong_type("the procedure", "a vector or a list of numbers", other)),
    });
    builder.operator("json argument", 1, DataType::Jsonb, true, |context, args| match &args[0] {
        json @ Value::Json(_) => Ok(json.clone()),
        other => crate::types::to_json(context, other).map(Value::json),
    });
    builder.operator("float argument", 1, DataType::Float8, true, |_, args| match &args[0] {
        number @ (Value::Int(_) | Value::Float(_) | Value::Numeric(_)) => Ok(Value::Float(as_float(number))),
        other => Err(wrong_type("the procedure", "a number", other)),
    });
}

fn to_integer(value: &Value) -> Result<Value> {
    match value {
        Value::Int(i) => Ok(Value::Int(*i)),
        Value::Bool(b) => Ok(Value::Int(i64::from(*b))),
        Value::Float(_) | Value::Numeric(_) => truncate(as_float(value)),
        Value::Text(text) => {
            let text = text.trim();
            if let Ok(integer) = text.parse::<i64>() {
                return Ok(Value::Int(integer));
            }
            Ok(parse_float(text).and_then(|float| truncate(float).ok()).unwrap_or_default())
        }
        other => Err(wrong_type("toInteger()", "a number, boolean or string", other)),
    }
}

fn truncate(float: f64) -> Result<Value> {
    if (-9_223_372_036_854_775_808.0..9_223_372_036_854_775_808.0).contains(&float) {
        return Ok(Value::Int(float as i64));
    }
    Err(QueryError::new(sqlstate::NUMERIC_VALUE_OUT_OF_RANGE, format!("{} is out of range for an integer", float)))
}

/// A number as Cypher writes it; not Rust's `inf` and `nan`.
fn parse_float(text: &str) -> Option<f64> {
    let numeric = text.bytes().all(|b| b.is_ascii_digit() || matches!(b, b'+' | b'-' | b'.' | b'e' | b'E'));
    if numeric { text.parse().ok() } else { None }
}

fn to_float(value: &Value) -> Result<Value> {
    match value {
        Value::Int(_) | Value::Float(_) | Value::Numeric(_) => Ok(Value::Float(as_float(value))),
        Value::Text(text) => Ok(parse_float(text.trim()).map_or(Value::Null, Value::Float)),
        other => Err(wrong_type("toFloat()", "a number or string", other)),
    }
}

fn to_boolean(value: &Value) -> Result<Value> {
    match value {
        Value::Bool(b) => Ok(Value::Bool(*b)),
        Value::Int(i) => Ok(Value::Bool(*i != 0)),
        Value::Text(text) => Ok(match text.trim().to_ascii_lowercase().as_str() {
            "true" => Value::Bool(true),
            "false" => Value::Bool(false),
            _ => Value::Null,
        }),
        other => Err(wrong_type("toBoolean()", "a boolean, integer or string", other)),
    }
}

pub(super) fn to_string(context: &EvalContext<'_>, value: &Value) -> Result<Value> {
    let as_sql = |ty: DataType| crate::types::to_text(context, value, &ty).map(Value::from);
    match value {
        Value::Text(_) => Ok(value.clone()),
        Value::Bool(b) => Ok(Value::text(b.to_string())),
        Value::Int(i) => Ok(Value::text(i.to_string())),
        Value::Float(f) => Ok(Value::text(format_float(*f))),
        Value::Temporal(temporal) => Ok(Value::text(temporal.to_string())),
        Value::Uuid(_) => as_sql(DataType::Uuid),
        Value::Numeric(_) => as_sql(DataType::Numeric(None)),
        other => Err(wrong_type("toString()", "a number, boolean, string or temporal value", other)),
    }
}

/// A float as Cypher prints it: always with a point, with an exponent below 1e-3 and from 1e7 on.
pub fn format_float(float: f64) -> String {
    if float.is_nan() {
        return "NaN".to_owned();
    }
    if float.is_infinite() {
        return if float > 0.0 { "Infinity" } else { "-Infinity" }.to_owned();
    }
    let magnitude = float.abs();
    if float == 0.0 || (1e-3..1e7).contains(&magnitude) {
        return format!("{float:?}");
    }
    let scientific = format!("{float:E}");
    match scientific.split_once('E') {
        Some((digits, exponent)) if !digits.contains('.') => format!("{digits}.0E{exponent}"),
        _ => scientific,
    }
}

/// [`from_sql`] of one type, as a function of plans.
pub(in crate::cypher) fn from_sql_function(ty: DataType) -> Arc<ScalarFunction> {
    boundary_function("from sql", ty.clone(), DataType::Any, move |value| from_sql(value, &ty))
}

/// A temporal value as its kind's SQL type; 22008 when that does not hold it exactly.
pub(in crate::cypher) fn to_sql_function(kind: TemporalKind) -> Arc<ScalarFunction> {
    boundary_function("to sql", DataType::Any, kind.sql_type(), move |value| match value {
        Value::Temporal(temporal) => crate::types::temporal::to_sql(temporal).ok_or_else(|| {
            let ty = crate::types::type_name(&kind.sql_type());
            let message = format!("{temporal} is not held exactly by type {ty}");
            QueryError::new(sqlstate::DATETIME_FIELD_OVERFLOW, message).hint("Return it as text with toString().")
        }),
        other => Err(wrong_type("a result column", "a temporal value", other)),
    })
}

fn boundary_function(
    name: &'static str,
    from: DataType,
    to: DataType,
    convert: impl Fn(&Value) -> Result<Value> + Send + Sync + 'static,
) -> Arc<ScalarFunction> {
    Arc::new(ScalarFunction {
        name,
        oid: 0,
        args: vec![from],
        variadic: false,
        returns: to,
        strict: true,
        volatility: Volatility::Immutable,
        eval: Arc::new(move |_, args| convert(&args[0])),
        kernel: None,
    })
}

/// Kinds that Cypher does not know become the ones it does: json, numeric, SQL's temporal types. 22003 for a whole number
/// in json that no integer holds, 22008 for an infinite date. `ty` may be Any; then a timestamp has a zone.
pub(in crate::cypher) fn from_sql(value: &Value, ty: &DataType) -> Result<Value> {
    let is_temporal = TemporalKind::of_sql_type(ty).is_some();
    if is_temporal || matches!(value, Value::Date(_) | Value::Timestamp(_) | Value::Interval(_)) {
        let natural = || crate::types::natural_type(value).unwrap_or(DataType::Any);
        let from = if is_temporal { ty.clone() } else { natural() };
        return match crate::types::temporal::from_sql(value, &from) {
            Some(temporal) => Ok(temporal.into()),
            None => {
                let message =
                    format!("a value of type {} has no counterpart in Cypher", crate::types::type_name(&from));
                Err(QueryError::new(sqlstate::DATETIME_FIELD_OVERFLOW, message))
            }
        };
    }
    let element = match ty {
        DataType::Array(element) => &**element,
        _ => &DataType::Any,
    };
    Ok(match value {
        Value::Json(json) => {
            check_integers(json)?;
            json_to_value(json)
        }
        Value::Numeric(_) => Value::Float(as_float(value)),
        Value::List(items) => Value::List(items.iter().map(|item| from_sql(item, element)).collect::<Result<_>>()?),
        Value::Map(entries) => {
            let converted = entries.iter().map(|(key, value)| Ok((key.clone(), from_sql(value, &DataType::Any)?)));
            Value::Map(Arc::new(converted.collect::<Result<MapValue>>()?))
        }
        other => other.clone(),
    })
}

fn check_integers(json: &Json) -> Result<()> {
    match json {
        Json::Decimal(decimal) => graph_float(decimal).map(|_| ()),
        Json::Array(items) => items.iter().try_for_each(check_integers),
        Json::Object(members) => members.iter().try_for_each(|(_, value)| check_integers(value)),
        _ => Ok(()),
    }
}

/// json as a Cypher value: objects are maps, arrays lists, fractions floats.
pub fn json_to_value(json: &Json) -> Value {
    match json {
        Json::Null => Value::Null,
        Json::Bool(b) => Value::Bool(*b),
        Json::Int(i) => Value::Int(*i),
        Json::Decimal(decimal) => Value::Float(decimal.to_f64().unwrap_or(f64::NAN)),
        Json::String(s) => Value::Text(s.clone()),
        Json::Array(items) => Value::List(items.iter().map(json_to_value).collect()),
        Json::Object(entries) => {
            let map: MapValue = entries.iter().map(|(key, value)| (key.clone(), json_to_value(value))).collect();
            Value::Map(Arc::new(map))
        }
    }
}
