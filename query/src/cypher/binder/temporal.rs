//! Temporal values in plans: what is certain about their kinds, and where they meet SQL's types.
//!
//! Inside a Cypher statement temporal values are Cypher's own. Those of SQL types become that where they come in (parameters,
//! columns of procedures); a result column is cast to an SQL type at the end of the statement when its static type,
//! [`DataType::Temporal`], says that the type holds every value exactly.

use sinew_storage::temporal::{NANOSECONDS_PER_SECOND, SECONDS_PER_MONTH};
use sinew_storage::value::MapValue;
use sinew_storage::{Temporal, TemporalKind};

use super::*;
use crate::cypher::temporal::duration_from_text;
use functions::{constructed_temporal, duration_from_map};

/// A value of an SQL type as Cypher's.
pub(super) fn from_sql(value: Expr) -> Expr {
    let from = value.ty();
    let ty = type_from_sql(&from);
    Expr::Call { function: functions::from_sql_function(from), args: vec![value], ty, position: None }
}

fn type_from_sql(ty: &DataType) -> DataType {
    match ty {
        DataType::Int2 | DataType::Int4 | DataType::Int8 | DataType::Oid => DataType::Int8,
        DataType::Float4 | DataType::Float8 | DataType::Numeric(_) => DataType::Float8,
        DataType::Text | DataType::Varchar(_) | DataType::Bpchar(_) | DataType::Name => DataType::Text,
        DataType::Bool => DataType::Bool,
        DataType::Array(element) => DataType::array_of(type_from_sql(element)),
        other => TemporalKind::of_sql_type(other).map_or(DataType::Any, DataType::Temporal),
    }
}

/// A value of the kind as its SQL type.
pub(super) fn to_sql(value: Expr, kind: TemporalKind) -> Expr {
    Expr::Call { function: functions::to_sql_function(kind), args: vec![value], ty: kind.sql_type(), position: None }
}

/// The type of a value that is known.
fn type_of_value(value: &Temporal) -> DataType {
    if value.fits_sql_type() { DataType::Temporal(value.kind()) } else { DataType::Any }
}

/// The functions' first names.
fn kind_of_family(family: &str) -> Option<TemporalKind> {
    Some(match family {
        "date" => TemporalKind::Date,
        "localtime" => TemporalKind::LocalTime,
        "time" => TemporalKind::Time,
        "localdatetime" => TemporalKind::LocalDateTime,
        "datetime" => TemporalKind::DateTime,
        "duration" => TemporalKind::Duration,
        _ => return None,
    })
}

fn temporal_kind(expr: &Expr) -> Option<TemporalKind> {
    match expr.ty() {
        DataType::Temporal(kind) => Some(kind),
        _ => None,
    }
}

/// A constant argument's value; maps of constants too.
fn constant(expr: &Expr) -> Option<Value> {
    match expr {
        Expr::Literal(value, _) => Some(value.clone()),
        Expr::Map(entries) => {
            let entries = entries.iter().map(|(key, value)| Some((key.clone(), constant(value)?)));
            Some(Value::Map(Arc::new(entries.collect::<Option<MapValue>>()?)))
        }
        _ => None,
    }
}

/// What a constructor makes of a constant, when that depends on nothing else; None also when it fails: the error is the
/// statement's at run time.
fn constructed(kind: TemporalKind, argument: &Value) -> Option<Value> {
    let names_zone = match argument {
        Value::Text(text) => kind == TemporalKind::Time && text.contains('['),
        Value::Map(fields) => fields.contains_key("timezone") && (kind == TemporalKind::Time || fields.len() == 1),
        Value::Temporal(_) => false,
        _ => return None,
    };
    if names_zone {
        return None;
    }
    match (kind, argument) {
        (TemporalKind::Duration, Value::Text(text)) => Some(Temporal::Duration(duration_from_text(text).ok()?).into()),
        (TemporalKind::Duration, Value::Map(fields)) => duration_from_map(fields).ok(),
        (TemporalKind::Duration, _) => None,
        (_, argument) => Some(constructed_temporal(kind, argument, 0).ok()??.into()),
    }
}

/// What is known of a call before it runs.
pub(super) enum TypedCall {
    Value(Expr),
    Type(DataType),
}

/// A call of a temporal function: the value itself where that is known, else its type. None for other functions. `name` is in lower case.
pub(super) fn typed_call(name: &str, args: &[Expr]) -> Option<TypedCall> {
    let (family, rest) = name.split_once('.').unwrap_or((name, ""));
    let kind = kind_of_family(family)?;
    if rest.is_empty()
        && let [argument] = args
        && let Some(value) = constant(argument).and_then(|argument| constructed(kind, &argument))
    {
        let ty = match &value {
            Value::Temporal(value) => type_of_value(value),
            _ => DataType::Any,
        };
        return Some(TypedCall::Value(Expr::Literal(value, ty)));
    }
    let exact = match (rest, args) {
        // Every date but those of years that SQL does not have.
        ("" | "truncate", _) if kind == TemporalKind::Date => true,
        // The clock counts microseconds.
        ("" | "transaction" | "statement" | "realtime", []) => true,
        ("transaction" | "statement" | "realtime", [_]) => kind != TemporalKind::DateTime,
        ("", [argument]) | ("truncate", [_, argument]) => temporal_kind(argument).is_some(),
        ("truncate", [_]) | ("fromepochmillis", _) => true,
        ("between" | "inseconds", [from, to]) => temporal_kind(from).is_some() && temporal_kind(to).is_some(),
        ("inmonths" | "indays", _) => true,
        _ => false,
    };
    Some(TypedCall::Type(if exact { DataType::Temporal(kind) } else { DataType::Any }))
}

/// The type of `value.key`.
pub(super) fn component_type(kind: TemporalKind, key: &str) -> DataType {
    match (kind, key) {
        (TemporalKind::Time | TemporalKind::DateTime, "timezone" | "offset") => DataType::Text,
        _ => DataType::Int8,
    }
}

/// Of `a + b` and `a - b`. Only sums of what is far apart are beyond their SQL type.
pub(super) fn sum_type(symbol: &str, left: TemporalKind, right: TemporalKind) -> DataType {
    match (left, right) {
        (kind, TemporalKind::Duration) => DataType::Temporal(kind),
        (TemporalKind::Duration, kind) if symbol == "+" => DataType::Temporal(kind),
        _ => DataType::Any,
    }
}

/// A constant duration with which a sum may well be beyond its SQL type.
pub(super) fn is_far_literal(expr: &Expr) -> bool {
    const FAR_YEARS: i128 = 10_000;
    let Expr::Literal(Value::Temporal(value), _) = expr else { return false };
    match &**value {
        Temporal::Duration(duration) => {
            let length = duration.mean_nanoseconds().abs() / i128::from(NANOSECONDS_PER_SECOND);
            length > FAR_YEARS * 12 * i128::from(SECONDS_PER_MONTH)
        }
        _ => false,
    }
}

/// `a + b` or `a - b` of two constants; None also when it fails: the error is the statement's at run time.
pub(super) fn constant_sum(symbol: &str, left: &Expr, right: &Expr) -> Option<Expr> {
    let (Expr::Literal(left, _), Expr::Literal(right, _)) = (left, right) else { return None };
    let sign = if symbol == "+" { 1 } else { -1 };
    let Value::Temporal(sum) = functions::temporal_sum(left, right, sign)?.ok()? else { return None };
    let ty = type_of_value(&sum);
    Some(Expr::Literal(Value::Temporal(sum), ty))
}

impl Binder<'_> {
    /// The statement's columns as SQL types: temporal values where these hold them, numbers of both kinds as floats.
    pub(super) fn sql_columns(&mut self, plan: Plan, columns: Columns) -> (Plan, Columns) {
        let converted = |binder: &Self, var: VarId| match binder.vars.ty(var) {
            DataType::Temporal(kind) => Some(to_sql(binder.column(var), *kind)),
            _ if binder.numbers.contains(&var) => {
                Some(operator_call("float argument", vec![binder.column(var)], DataType::Float8, None))
            }
            _ => None,
        };
        if !columns.iter().any(|(_, var)| converted(self, *var).is_some()) {
            return (plan, columns);
        }
        let mut items = Vec::with_capacity(columns.len());
        let mut output = Columns::with_capacity(columns.len());
        for (name, var) in columns {
            let (var, value) = match converted(self, var) {
                Some(value) => (self.new_var(&name, value.ty()), value),
                None => (var, self.column(var)),
            };
            items.push((var, value));
            output.push((name, var));
        }
        (Plan::Project { input: Box::new(plan), items }, output)
    }
}
