//! Temporal functions and operators, as they are called.

use bigdecimal::{BigDecimal, Zero};
use sinew_storage::temporal::Duration;
use sinew_storage::value::MapValue;
use sinew_storage::{DataType, Temporal, TemporalKind, Value};

use super::arithmetic::division_by_zero;
use super::{Builder, Eval, kind_name, wrong_type};
use crate::context::EvalContext;
use crate::cypher::temporal::{self, DurationUnit, ZoneRule};
use crate::error::{QueryError, Result, sqlstate};
use crate::functions::Volatility;
use crate::types::numeric;

/// The constructor of a kind, and its three clocks.
macro_rules! points_in_time {
    ($builder:expr, $($name:literal => $kind:expr),* $(,)?) => {
        $(
            $builder.stable($name, (0, 1), |context, args| construct($kind, context, args));
            $builder.stable(concat!($name, ".transaction"), (0, 1), |context, args| {
                now($kind, context.exec.transaction_time_us, args)
            });
            $builder.stable(concat!($name, ".statement"), (0, 1), |context, args| {
                now($kind, context.exec.statement_time_us, args)
            });
            $builder.add(concat!($name, ".realtime"), (0, 1), DataType::Any, (true, Volatility::Volatile), |_, args| {
                now($kind, crate::functions::datetime::clock_us(), args)
            });
            $builder.stable(concat!($name, ".truncate"), (1, 3), |context, args| truncate($kind, context, args));
        )*
    };
}

/// Between two points in time.
macro_rules! differences {
    ($builder:expr, $($name:literal => $between:path),* $(,)?) => {
        $($builder.pure($name, (2, 2), DataType::Any, |_, args| {
            let (from, to) = (point($name, &args[0])?, point($name, &args[1])?);
            $between(from, to).map(|duration| Temporal::Duration(duration).into())
        });)*
    };
}

pub(super) fn register(builder: &mut Builder) {
    points_in_time!(builder,
        "date" => TemporalKind::Date,
        "localtime" => TemporalKind::LocalTime,
        "time" => TemporalKind::Time,
        "localdatetime" => TemporalKind::LocalDateTime,
        "datetime" => TemporalKind::DateTime,
    );
    builder.pure("datetime.fromEpoch", (2, 2), DataType::Any, |_, args| {
        let integer = |index: usize| {
            args[index].as_int().ok_or_else(|| wrong_type("datetime.fromEpoch()", "integers", &args[index]))
        };
        temporal::from_epoch(integer(0)?, integer(1)?).map(Value::from)
    });
    builder.pure("datetime.fromEpochMillis", (1, 1), DataType::Any, |_, args| match &args[0] {
        Value::Int(millis) => {
            temporal::from_epoch(millis.div_euclid(1_000), millis.rem_euclid(1_000) * 1_000_000).map(Value::from)
        }
        other => Err(wrong_type("datetime.fromEpochMillis()", "an integer", other)),
    });
    builder.pure("duration", (1, 1), DataType::Any, |_, args| match &args[0] {
        Value::Text(text) => temporal::duration_from_text(text).map(|duration| Temporal::Duration(duration).into()),
        Value::Map(fields) => duration_from_map(fields),
        Value::Temporal(value) if value.kind() == TemporalKind::Duration => Ok(args[0].clone()),
        other => Err(wrong_type("duration()", "a map or string", other)),
    });
    differences!(builder,
        "duration.between" => temporal::between,
        "duration.inMonths" => temporal::in_months,
        "duration.inDays" => temporal::in_days,
        "duration.inSeconds" => temporal::in_seconds,
    );
}

impl Builder {
    fn stable(&mut self, display: &'static str, args: (usize, usize), eval: Eval) {
        self.add(display, args, DataType::Any, (true, Volatility::Stable), eval);
    }
}

fn construct(kind: TemporalKind, context: &EvalContext<'_>, args: &[Value]) -> Result<Value> {
    let now_us = context.exec.statement_time_us;
    let value = match args.first() {
        None => temporal::now(kind, now_us, &ZoneRule::UTC)?,
        Some(value) => match constructed(kind, value, now_us)? {
            Some(value) => value,
            None => return Ok(Value::Null),
        },
    };
    Ok(value.into())
}

/// A point in time from its one argument; None when that is a map with a null. `now_us` is for what depends on the
/// moment of the call: the offset that a named zone gives a time of day.
pub(in crate::cypher) fn constructed(kind: TemporalKind, value: &Value, now_us: i64) -> Result<Option<Temporal>> {
    let point = match value {
        Value::Text(text) => temporal::from_text(kind, text, now_us.div_euclid(1_000_000))?,
        Value::Map(fields) if temporal::has_null(fields) => return Ok(None),
        Value::Map(fields) => temporal::from_map(kind, fields, now_us)?,
        Value::Temporal(value) => temporal::from_temporal(kind, value, now_us)?,
        other => return Err(wrong_type(&format!("{}()", kind.name()), "a map, string or temporal value", other)),
    };
    Ok(Some(point))
}

/// The clock's time, in the zone that the argument names.
fn now(kind: TemporalKind, now_us: i64, args: &[Value]) -> Result<Value> {
    let zone = match args.first() {
        None => ZoneRule::UTC,
        Some(Value::Text(name)) => ZoneRule::parse(name)?,
        Some(other) => return Err(wrong_type("a clock", "the name of a time zone", other)),
    };
    temporal::now(kind, now_us, &zone).map(Value::from)
}

/// `kind.truncate(unit [, value [, fields]])`; without a value it is the current time.
fn truncate(kind: TemporalKind, context: &EvalContext<'_>, args: &[Value]) -> Result<Value> {
    let Value::Text(unit) = &args[0] else { return Err(wrong_type("truncate()", "the name of a unit", &args[0])) };
    let now_us = context.exec.statement_time_us;
    let current;
    let value = match args.get(1) {
        Some(value) => point("truncate", value)?,
        None => {
            current = temporal::now(TemporalKind::DateTime, now_us, &ZoneRule::UTC)?;
            &current
        }
    };
    let no_fields = MapValue::new();
    let fields = match args.get(2) {
        None => &no_fields,
        Some(Value::Map(fields)) if temporal::has_null(fields) => return Ok(Value::Null),
        Some(Value::Map(fields)) => &**fields,
        Some(other) => return Err(wrong_type("truncate()", "a map", other)),
    };
    temporal::truncate(kind, unit, value, fields, now_us.div_euclid(1_000_000)).map(Value::from)
}

fn point<'v>(function: &str, value: &'v Value) -> Result<&'v Temporal> {
    match value {
        Value::Temporal(value) => Ok(value),
        other => Err(wrong_type(&format!("{function}()"), "a temporal value", other)),
    }
}

/// None for what is no finite number.
fn exact(value: &Value) -> Option<BigDecimal> {
    match value {
        Value::Int(value) => Some(BigDecimal::from(*value)),
        Value::Float(value) => numeric::shortest_from_f64(*value),
        _ => None,
    }
}

pub(in crate::cypher) fn duration_from_map(fields: &MapValue) -> Result<Value> {
    if temporal::has_null(fields) {
        return Ok(Value::Null);
    }
    let mut units = Vec::with_capacity(fields.len());
    for (name, value) in fields {
        let Some((_, unit)) = DurationUnit::NAMES.iter().find(|(known, _)| **known == **name) else {
            let error = argument_error(format!("duration() does not know the field \"{name}\""));
            let near = super::super::errors::near_miss(name, DurationUnit::NAMES.iter().map(|(known, _)| *known));
            return Err(match near {
                Some(near) => error.hint(format!("Perhaps you meant \"{near}\".")),
                None => error,
            });
        };
        let number = exact(value)
            .ok_or_else(|| wrong_type(&format!("field \"{name}\" of duration()"), "a finite number", value))?;
        units.push((*unit, number));
    }
    match temporal::from_units(units) {
        Some(duration) => Ok(Temporal::Duration(duration).into()),
        None => Err(argument_error("duration out of range")),
    }
}

fn argument_error(message: impl Into<String>) -> QueryError {
    QueryError::new(sqlstate::INVALID_PARAMETER_VALUE, message).cypher(
        "ArgumentError",
        super::super::errors::RUNTIME,
        "InvalidArgumentValue",
    )
}

/// `a + b` and, with `sign` -1, `a - b` of temporal values; None when there is no such operator.
pub(in crate::cypher) fn added(a: &Value, b: &Value, sign: i64) -> Option<Result<Value>> {
    let (Value::Temporal(a), Value::Temporal(b)) = (a, b) else { return None };
    let sum = match (&**a, &**b) {
        (point, Temporal::Duration(duration)) => temporal::add(point, duration, sign),
        (Temporal::Duration(duration), point) if sign == 1 => temporal::add(point, duration, 1),
        _ => return None,
    };
    Some(sum.map(Value::from))
}

/// A duration times a number, in either order.
pub(super) fn multiplied(a: &Value, b: &Value) -> Option<Result<Value>> {
    let (duration, factor) = duration_and_number(a, b).or_else(|| duration_and_number(b, a))?;
    Some(scaled(duration, factor, "*", |duration, factor| temporal::multiply(duration, &factor)))
}

/// A duration divided by a number.
pub(super) fn divided(a: &Value, b: &Value) -> Option<Result<Value>> {
    let (duration, divisor) = duration_and_number(a, b)?;
    Some(scaled(duration, divisor, "/", |duration, divisor| {
        if divisor.is_zero() { Err(division_by_zero()) } else { temporal::divide(duration, &divisor) }
    }))
}

fn duration_and_number<'v>(duration: &'v Value, number: &'v Value) -> Option<(&'v Duration, &'v Value)> {
    match (duration, number) {
        (Value::Temporal(value), Value::Int(_) | Value::Float(_)) => match &**value {
            Temporal::Duration(duration) => Some((duration, number)),
            _ => None,
        },
        _ => None,
    }
}

fn scaled(
    duration: &Duration,
    number: &Value,
    symbol: &str,
    scale: impl FnOnce(&Duration, BigDecimal) -> Result<Duration>,
) -> Result<Value> {
    let Some(number) = exact(number) else {
        return Err(argument_error(format!("operator {symbol} expected a finite number, got {}", kind_name(number))));
    };
    scale(duration, number).map(|duration| Temporal::Duration(duration).into())
}
