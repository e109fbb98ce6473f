//! Casts: which are allowed where, and what they do.
//!
//! The matrix is `pg_cast` restricted to our types, plus PostgreSQL's automatic I/O conversions: any type to a string
//! type on assignment, a string type to any type when written. Cypher's dynamic types cast implicitly to jsonb, and to
//! any SQL type when written, by the kind of the value met.

use sinew_storage::{DataType, Interval, Json, Numeric, Value};

use super::CastContext::{self, Assignment, Explicit, Implicit};
use crate::context::EvalContext;
use crate::error::{QueryError, Result, sqlstate};
use crate::types::int::Width;
use crate::types::{self, IntoValue, calendar, category_letter, date, entity, is_dynamic, json, numeric, reg, text};
use crate::types::{time, timestamp, type_name, vector, zone};

/// Casts between different base types that are in `pg_cast`.
static CASTS: &[(DataType, DataType, CastContext)] = {
    use DataType::*;
    &[
        (Int2, Int4, Implicit),
        (Int2, Int8, Implicit),
        (Int2, Float4, Implicit),
        (Int2, Float8, Implicit),
        (Int2, Numeric(None), Implicit),
        (Int2, Oid, Implicit),
        (Int4, Int2, Assignment),
        (Int4, Int8, Implicit),
        (Int4, Float4, Implicit),
        (Int4, Float8, Implicit),
        (Int4, Numeric(None), Implicit),
        (Int4, Oid, Implicit),
        (Int4, Bool, Explicit),
        (Int4, Char, Explicit),
        (Int8, Int2, Assignment),
        (Int8, Int4, Assignment),
        (Int8, Float4, Implicit),
        (Int8, Float8, Implicit),
        (Int8, Numeric(None), Implicit),
        (Int8, Oid, Implicit),
        (Float4, Int2, Assignment),
        (Float4, Int4, Assignment),
        (Float4, Int8, Assignment),
        (Float4, Float8, Implicit),
        (Float4, Numeric(None), Assignment),
        (Float8, Int2, Assignment),
        (Float8, Int4, Assignment),
        (Float8, Int8, Assignment),
        (Float8, Float4, Assignment),
        (Float8, Numeric(None), Assignment),
        (Numeric(None), Int2, Assignment),
        (Numeric(None), Int4, Assignment),
        (Numeric(None), Int8, Assignment),
        (Numeric(None), Float4, Implicit),
        (Numeric(None), Float8, Implicit),
        (Bool, Int4, Explicit),
        (Bool, Text, Assignment),
        (Bool, Varchar(None), Assignment),
        (Oid, Int4, Assignment),
        (Oid, Int8, Assignment),
        (Text, Bpchar(None), Implicit),
        (Varchar(None), Bpchar(None), Implicit),
        (Bpchar(None), Text, Implicit),
        (Bpchar(None), Varchar(None), Implicit),
        (Bpchar(None), Name, Implicit),
        (Bpchar(None), Char, Assignment),
        (Name, Bpchar(None), Assignment),
        (Char, Bpchar(None), Assignment),
        (Bool, Bpchar(None), Assignment),
        (Text, Varchar(None), Implicit),
        (Text, Name, Implicit),
        (Text, Char, Assignment),
        (Text, Regclass, Implicit),
        (Varchar(None), Text, Implicit),
        (Varchar(None), Name, Implicit),
        (Varchar(None), Char, Assignment),
        (Varchar(None), Regclass, Implicit),
        (Name, Text, Implicit),
        (Name, Varchar(None), Assignment),
        (Char, Text, Implicit),
        (Char, Varchar(None), Assignment),
        (Char, Int4, Explicit),
        (Date, Timestamp, Implicit),
        (Date, Timestamptz, Implicit),
        (Time, Timetz, Implicit),
        (Time, Interval, Implicit),
        (Timetz, Time, Assignment),
        (Interval, Time, Assignment),
        (Timestamp, Time, Assignment),
        (Timestamptz, Time, Assignment),
        (Timestamptz, Timetz, Assignment),
        (Timestamp, Date, Assignment),
        (Timestamp, Timestamptz, Implicit),
        (Timestamptz, Date, Assignment),
        (Timestamptz, Timestamp, Assignment),
        (Json, Jsonb, Assignment),
        (Jsonb, Json, Assignment),
        (Jsonb, Bool, Explicit),
        (Jsonb, Int2, Explicit),
        (Jsonb, Int4, Explicit),
        (Jsonb, Int8, Explicit),
        (Jsonb, Float4, Explicit),
        (Jsonb, Float8, Explicit),
        (Jsonb, Numeric(None), Explicit),
    ]
};

/// Oid and its kin cast to each other as if they were one type; integers become them, and they integers on assignment.
fn object_identifier_cast(from: &DataType, to: &DataType) -> Option<CastContext> {
    use DataType::*;
    Some(match (from, to) {
        (Int2 | Int4 | Int8 | Oid, to) if to.is_object_identifier() => Implicit,
        (from, Oid) if from.is_object_identifier() => Implicit,
        (from, Int4 | Int8) if from.is_object_identifier() => Assignment,
        (Regproc, Regprocedure) | (Regprocedure, Regproc) | (Regoper, Regoperator) | (Regoperator, Regoper) => Implicit,
        _ => return None,
    })
}

/// Types that are oids by another name.
const OBJECT_IDENTIFIERS: &[DataType] = &[
    DataType::Regclass,
    DataType::Regtype,
    DataType::Regproc,
    DataType::Regnamespace,
    DataType::Regprocedure,
    DataType::Regoper,
    DataType::Regoperator,
    DataType::Regrole,
    DataType::Regcollation,
];

/// The matrix, array casts of pgvector included.
pub(super) fn all() -> Vec<(DataType, DataType, CastContext)> {
    let mut all = CASTS.to_vec();
    let vector = DataType::Vector(None);
    for element in [DataType::Int4, DataType::Float4, DataType::Float8, DataType::Numeric(None)] {
        all.push((DataType::array_of(element), vector.clone(), Assignment));
    }
    all.push((vector, DataType::array_of(DataType::Float4), Implicit));
    for name in OBJECT_IDENTIFIERS {
        for plain in [DataType::Int2, DataType::Int4, DataType::Int8, DataType::Oid] {
            if let Some(context) = object_identifier_cast(&plain, name) {
                all.push((plain.clone(), name.clone(), context));
            }
            if let Some(context) = object_identifier_cast(name, &plain) {
                all.push((name.clone(), plain, context));
            }
        }
        for other in OBJECT_IDENTIFIERS {
            if let Some(context) = object_identifier_cast(name, other) {
                all.push((name.clone(), other.clone(), context));
            }
        }
    }
    all
}

fn is_string(ty: &DataType) -> bool {
    category_letter(ty) == 'S'
}

pub(super) fn can_cast(from: &DataType, to: &DataType, context: CastContext) -> bool {
    if from.same_base(to) || *from == DataType::Unknown {
        return true;
    }
    if *to == DataType::Unknown {
        return false;
    }
    if is_dynamic(from) || is_dynamic(to) {
        return dynamic_cast_context(from, to).is_some_and(|allowed| allowed <= context);
    }
    if let Some(allowed) = object_identifier_cast(from, to) {
        return allowed <= context;
    }
    if let Some(array) = from.vector_as_array().filter(|_| matches!(to, DataType::Array(_))) {
        return can_cast(&array, to, context);
    }
    match (from, to) {
        (DataType::Array(a), DataType::Array(b)) => return can_cast(a, b, context),
        (DataType::Array(element), DataType::Vector(_)) => {
            let numeric =
                matches!(**element, DataType::Int4 | DataType::Float4 | DataType::Float8 | DataType::Numeric(_));
            return context >= Assignment && numeric || is_string(element) && context >= Explicit;
        }
        (DataType::Vector(_), DataType::Array(element)) => {
            return **element == DataType::Float4
                || context >= Explicit && can_cast(&DataType::Float4, element, context);
        }
        _ => {}
    }
    if let Some((_, _, allowed)) = CASTS.iter().find(|(f, t, _)| f.same_base(from) && t.same_base(to)) {
        return *allowed <= context;
    }
    // Conversion through text.
    if is_string(to) || *to == DataType::Char {
        return context >= Assignment && *from != DataType::Void;
    }
    is_string(from) && context >= Explicit && !matches!(to, DataType::Record | DataType::Void)
}

/// Casts from and to Cypher's types.
fn dynamic_cast_context(from: &DataType, to: &DataType) -> Option<CastContext> {
    Some(match (from, to) {
        (_, DataType::Any) => Implicit,
        (DataType::Array(_), DataType::Array(_)) => Implicit,
        (from, DataType::Jsonb | DataType::Json) if is_dynamic(from) => Implicit,
        (DataType::Any, _) => Explicit,
        (DataType::Map, DataType::Record) => Implicit,
        (DataType::Record, DataType::Map) => Implicit,
        (from, to) if is_dynamic(from) && is_string(to) => Assignment,
        (DataType::Jsonb | DataType::Json, DataType::Map | DataType::Array(_)) => Explicit,
        (from, to) if is_string(from) && is_dynamic(to) => Explicit,
        (DataType::Array(_), to) if !is_dynamic(to) => Explicit,
        _ => return None,
    })
}

/// True when every value of `from` is, as it stands, a value of `to`: the cast does nothing.
pub(crate) fn same_representation(from: &DataType, to: &DataType) -> bool {
    use DataType::*;
    if from == to {
        return true;
    }
    match (from, to) {
        // Dropping a modifier needs no work; adding one does.
        (Bpchar(_), Text | Varchar(None) | Bpchar(None)) => true,
        (Varchar(_) | Name | Char, Text) | (Varchar(_) | Text, Varchar(None)) => true,
        (DataType::Numeric(_), DataType::Numeric(None)) | (Vector(_), Vector(None)) => true,
        (Int2, Int4 | Int8) | (Int4, Int8) | (Float4, Float8) => true,
        (from, Oid | Int8) | (Oid, from) if from.is_object_identifier() => true,
        (Oid, Int8) => true,
        (Int2vector, to) | (to, Int2vector) if *to == DataType::array_of(Int2) => true,
        (Oidvector, to) | (to, Oidvector) if *to == DataType::array_of(Oid) => true,
        (Json, Jsonb) | (Jsonb, Json) => true,
        (Modified(plain, _), to) => plain.plain() == *to,
        (Array(a), Array(b)) => same_representation(a, b),
        _ => false,
    }
}

fn cannot_cast(from: &DataType, to: &DataType) -> QueryError {
    QueryError::new(sqlstate::CANNOT_COERCE, format!("cannot cast type {} to {}", type_name(from), type_name(to)))
}

pub(super) fn cast_value(
    context: &EvalContext<'_>,
    value: &Value,
    from: &DataType,
    to: &DataType,
    explicit: bool,
) -> Result<Value> {
    if value.is_null() {
        return Ok(Value::Null);
    }
    if same_representation(from, to) {
        return Ok(value.clone());
    }
    if let DataType::Modified(plain, _) = from {
        return cast_value(context, value, &plain.plain(), to, explicit);
    }
    if is_dynamic(to) {
        if matches!(from, DataType::Time | DataType::Timetz | DataType::Enum(_)) {
            return to_dynamic(&Value::text(types::to_text(context, value, from)?), &DataType::Text, to);
        }
        return to_dynamic(value, from, to);
    }
    if is_dynamic(from) {
        return from_dynamic(context, value, from, to, explicit);
    }
    match to {
        DataType::Modified(plain, modifier) => match value {
            // Declared fields say how a text is read.
            Value::Text(s) if is_string(from) || *from == DataType::Unknown => types::from_text(context, s, to),
            value => {
                let value = cast_value(context, value, from, &plain.plain(), explicit)?;
                types::modifier::apply(value, *plain, *modifier)
            }
        },
        DataType::Unknown | DataType::Text => Ok(Value::text(string_of(context, value, from)?)),
        DataType::Varchar(limit) => {
            let string = string_of(context, value, from)?;
            if explicit { Ok(text::limit_explicit(&string, *limit)) } else { text::limit_assign(&string, *limit) }
        }
        DataType::Bpchar(length) => {
            let string = string_of(context, value, from)?;
            if explicit {
                Ok(text::blank_padded_explicit(&string, *length))
            } else {
                text::blank_padded_assign(&string, *length)
            }
        }
        // There is no cast from boolean to name, so its text output is used.
        DataType::Name => Ok(text::name_input(&types::to_text(context, value, from)?)),
        DataType::Char => match value {
            Value::Int(code) => {
                let code = u8::try_from(*code)
                    .ok()
                    .filter(|code| *code < 128)
                    .ok_or_else(|| QueryError::new(sqlstate::NUMERIC_VALUE_OUT_OF_RANGE, "\"char\" out of range"))?;
                Ok(Value::text(if code == 0 { String::new() } else { (code as char).to_string() }))
            }
            value => Ok(text::char_input(&string_of(context, value, from)?)),
        },
        _ => match value {
            Value::Text(s) if *from == DataType::Char && *to == DataType::Int4 => {
                Ok(Value::Int(s.bytes().next().map_or(0, |b| i64::from(b as i8))))
            }
            Value::Text(s) => types::from_text(context, s, to),
            value => convert(context, value, from, to, explicit),
        },
    }
}

/// Text of a value as a cast gives it: booleans in full.
pub(crate) fn string_of(context: &EvalContext<'_>, value: &Value, from: &DataType) -> Result<String> {
    match (from, value) {
        // Trailing blanks mean nothing where a char(n) becomes another string.
        (DataType::Bpchar(_), Value::Text(s)) => Ok(s.to_string()),
        (DataType::Bool, Value::Bool(b)) => Ok(if *b { "true" } else { "false" }.to_owned()),
        _ => types::to_text(context, value, from),
    }
}

fn to_dynamic(value: &Value, from: &DataType, to: &DataType) -> Result<Value> {
    let converted = match value {
        Value::Json(j) => entity::from_json(j),
        Value::Numeric(n) => Value::Float(numeric::to_f64(n)),
        Value::Text(s) if !matches!(to, DataType::Any) => entity::from_json(&types::parse_json(s)?),
        other => other.clone(),
    };
    let fits = matches!(
        (to, &converted),
        (DataType::Any, _)
            | (DataType::Node, Value::Node(_))
            | (DataType::Relationship, Value::Relationship(_))
            | (DataType::Path, Value::Path(_))
            | (DataType::Map, Value::Map(_))
            | (DataType::Array(_), Value::List(_))
    );
    if fits { Ok(converted) } else { Err(cannot_cast(from, to)) }
}

fn from_dynamic(
    context: &EvalContext<'_>,
    value: &Value,
    from: &DataType,
    to: &DataType,
    explicit: bool,
) -> Result<Value> {
    match (to, value) {
        (DataType::Json | DataType::Jsonb, value) => Ok(Value::json(entity::to_json(context, value)?)),
        (DataType::Record, value) => Ok(value.clone()),
        (DataType::Array(element), Value::List(items)) => {
            let items = items
                .iter()
                .map(|item| cast_value(context, item, &DataType::Any, element, explicit))
                .collect::<Result<_>>()?;
            Ok(Value::list(items))
        }
        (to, value) => match types::natural_type(value) {
            Some(natural) if can_cast(&natural, to, Explicit) => cast_value(context, value, &natural, to, explicit),
            _ if is_string(to) => {
                let string = json::format(&entity::to_json(context, value)?);
                cast_value(context, &Value::text(string), &DataType::Text, to, explicit)
            }
            Some(natural) => Err(cannot_cast(&natural, to)),
            None => Err(cannot_cast(from, to)),
        },
    }
}

/// Casts that are neither from nor to text.
fn convert(context: &EvalContext<'_>, value: &Value, from: &DataType, to: &DataType, explicit: bool) -> Result<Value> {
    if let Some(width) = Width::of(to) {
        return to_int(value, from, to, width).map(Value::Int);
    }
    match (to, value) {
        (DataType::Bool, Value::Int(i)) => Ok(Value::Bool(*i != 0)),
        (DataType::Bool, Value::Json(j)) => match &**j {
            Json::Bool(b) => Ok(Value::Bool(*b)),
            other => Err(json_cast(other, "boolean")),
        },
        (DataType::Float4 | DataType::Float8, _) => {
            let double = match value {
                Value::Int(i) => *i as f64,
                Value::Float(f) => *f,
                Value::Numeric(n) => {
                    let double = numeric::to_f64(n);
                    if double.is_infinite() && matches!(**n, Numeric::Finite(_)) {
                        return Err(types::input_out_of_range(&type_name(to), &numeric::output(n)));
                    }
                    double
                }
                Value::Json(j) => match json::as_decimal(j) {
                    Some(decimal) => numeric::decimal_to_f64(&decimal),
                    None => return Err(json_cast(j, &type_name(to))),
                },
                _ => return Err(cannot_cast(from, to)),
            };
            if *to == DataType::Float8 {
                return Ok(Value::Float(double));
            }
            let single = double as f32;
            if single.is_infinite() && double.is_finite() {
                return Err(float_error("overflow"));
            }
            if single == 0.0 && double != 0.0 {
                return Err(float_error("underflow"));
            }
            Ok(Value::Float(f64::from(single)))
        }
        (DataType::Numeric(modifier), _) => {
            let value = match value {
                Value::Int(i) => numeric::from_int(*i),
                Value::Float(f) => numeric::from_float(*f, if *from == DataType::Float4 { 6 } else { 15 }),
                Value::Numeric(n) => (**n).clone(),
                Value::Json(j) => match json::as_decimal(j) {
                    Some(decimal) => Numeric::Finite(decimal),
                    None => return Err(json_cast(j, "numeric")),
                },
                _ => return Err(cannot_cast(from, to)),
            };
            Ok(numeric::apply_modifier(value, *modifier)?.into_value())
        }
        (DataType::Date, Value::Timestamp(t)) => match *t {
            timestamp::INFINITY => Ok(Value::Date(date::INFINITY)),
            timestamp::NEGATIVE_INFINITY => Ok(Value::Date(date::NEGATIVE_INFINITY)),
            t => {
                let local = if *from == DataType::Timestamptz { zone::session_zone(context).to_local(t) } else { t };
                Ok(Value::Date(date::from_days(local.div_euclid(calendar::DAY_US))?))
            }
        },
        (DataType::Time, _) => time_of_day(context, value, from, to),
        (DataType::Timetz, Value::Timestamp(t)) => Ok(if timestamp::is_infinite(*t) {
            Value::Null
        } else {
            Value::Int(time::of_instant(*t, &zone::session_zone(context)))
        }),
        (DataType::Timetz, Value::Int(time_us)) => {
            let east_seconds = zone::session_zone(context).offset_at(context.exec.transaction_time_us);
            Ok(Value::Int(time::pack(time::ZonedTime { time_us: *time_us, east_seconds })))
        }
        (DataType::Interval, Value::Int(time_us)) => {
            Ok(Value::Interval(Interval { microseconds: *time_us, ..Interval::default() }))
        }
        (DataType::Timestamp, Value::Date(d)) => Ok(Value::Timestamp(date::to_timestamp(*d)?)),
        (DataType::Timestamp, Value::Timestamp(t)) => {
            Ok(Value::Timestamp(if timestamp::is_infinite(*t) { *t } else { zone::session_zone(context).to_local(*t) }))
        }
        (DataType::Timestamptz, Value::Date(_) | Value::Timestamp(_)) => {
            let local = match value {
                Value::Date(d) => date::to_timestamp(*d)?,
                Value::Timestamp(t) => *t,
                _ => return Err(cannot_cast(from, to)),
            };
            Ok(Value::Timestamp(if timestamp::is_infinite(local) {
                local
            } else {
                zone::session_zone(context).to_instant(local)
            }))
        }
        (DataType::Vector(dimensions), Value::Vector(v)) => {
            vector::check_dimensions(v.len(), *dimensions)?;
            Ok(value.clone())
        }
        (DataType::Vector(dimensions), Value::List(items)) => {
            let mut elements = Vec::with_capacity(items.len());
            for item in items.iter() {
                elements.push(match item {
                    Value::Int(i) => *i as f32,
                    Value::Float(f) => *f as f32,
                    Value::Numeric(n) => numeric::to_f64(n) as f32,
                    Value::Null => {
                        return Err(QueryError::new(sqlstate::NULL_VALUE_NOT_ALLOWED, "array must not contain nulls"));
                    }
                    _ => return Err(cannot_cast(from, to)),
                });
            }
            Ok(Value::Vector(vector::check(elements, *dimensions)?.into()))
        }
        (DataType::Array(element), Value::Vector(v)) => {
            let items = v
                .iter()
                .map(|x| cast_value(context, &Value::Float(f64::from(*x)), &DataType::Float4, element, explicit))
                .collect::<Result<_>>()?;
            Ok(Value::list(items))
        }
        (DataType::Array(element), Value::List(items)) => {
            let DataType::Array(source) = from.vector_as_array().unwrap_or_else(|| from.clone()) else {
                return Err(cannot_cast(from, to));
            };
            let items = items
                .iter()
                .map(|item| cast_value(context, item, &source, element, explicit))
                .collect::<Result<_>>()?;
            Ok(Value::list(items))
        }
        (DataType::Jsonb | DataType::Json, value) => Ok(Value::json(entity::to_json_typed(context, value, from)?)),
        _ => Err(cannot_cast(from, to)),
    }
}

/// The clock's part of a value; NULL of the infinities.
fn time_of_day(context: &EvalContext<'_>, value: &Value, from: &DataType, to: &DataType) -> Result<Value> {
    let clock = match (from, value) {
        (_, Value::Timestamp(t)) if timestamp::is_infinite(*t) => return Ok(Value::Null),
        (DataType::Timestamptz, Value::Timestamp(t)) => zone::session_zone(context).to_local(*t),
        (_, Value::Timestamp(t)) => *t,
        (_, Value::Interval(interval)) => interval.microseconds,
        (DataType::Timetz, Value::Int(packed)) => return Ok(Value::Int(time::unpack(*packed).time_us)),
        _ => return Err(cannot_cast(from, to)),
    };
    Ok(Value::Int(clock.rem_euclid(calendar::DAY_US)))
}

pub(crate) fn float_error(what: &str) -> QueryError {
    QueryError::new(sqlstate::NUMERIC_VALUE_OUT_OF_RANGE, format!("value out of range: {what}"))
}

fn json_cast(value: &Json, to: &str) -> QueryError {
    let kind = match json::type_of(value) {
        "number" => "numeric",
        kind => kind,
    };
    QueryError::new(sqlstate::INVALID_PARAMETER_VALUE, format!("cannot cast jsonb {kind} to type {to}"))
}

/// Rounds half to even from floats and half away from zero from numerics, as PostgreSQL does. 22003.
pub(crate) fn to_int(value: &Value, from: &DataType, to: &DataType, width: Width) -> Result<i64> {
    match value {
        Value::Int(i) if width == Width::Oid && *from == DataType::Int4 => Ok(i64::from(*i as i32 as u32)),
        Value::Int(i) if width == Width::Four && Width::of(from) == Some(Width::Oid) => Ok(i64::from(*i as u32 as i32)),
        Value::Int(i) => width.check(*i),
        Value::Bool(b) => Ok(i64::from(*b)),
        Value::Float(f) => {
            let rounded = f.round_ties_even();
            // 2^63 is the first double above every bigint.
            if rounded.is_nan() || !(-9_223_372_036_854_775_808.0..9_223_372_036_854_775_808.0).contains(&rounded) {
                return Err(width.out_of_range());
            }
            width.check(rounded as i64)
        }
        Value::Numeric(n) => match &**n {
            Numeric::Finite(d) => width.check(numeric::to_i64(d).ok_or_else(|| width.out_of_range())?),
            special => {
                let what = if matches!(special, Numeric::NaN) { "NaN" } else { "infinity" };
                Err(QueryError::new(
                    sqlstate::FEATURE_NOT_SUPPORTED,
                    format!("cannot convert {what} to {}", width.type_name()),
                ))
            }
        },
        Value::Json(j) => match json::as_decimal(j) {
            Some(d) => width.check(numeric::to_i64(&d).ok_or_else(|| width.out_of_range())?),
            None => Err(json_cast(j, width.type_name())),
        },
        _ => Err(cannot_cast(from, to)),
    }
}

/// The oid behind a reg type's name, for functions that take either.
pub(crate) fn relation_oid(context: &EvalContext<'_>, value: &Value) -> Result<Option<u32>> {
    match value {
        Value::Int(oid) => Ok(u32::try_from(*oid).ok()),
        Value::Text(name) => Ok(reg::lookup(context, name, &DataType::Regclass)),
        _ => Ok(None),
    }
}
