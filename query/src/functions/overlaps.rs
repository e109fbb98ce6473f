//! OVERLAPS: whether two stretches of time, each of two ends or of a start and a length, have a moment in common.

use sinew_storage::{Interval, Value};

use super::args::{int, interval, timestamp};
use super::operators_datetime::{add_instant, add_local};
use super::registry::Table;
use super::time_of_day::plus;
use crate::context::EvalContext;
use crate::error::Result;
use crate::types::zone;

/// An end as a number of microseconds; None for NULL.
type End = Option<i64>;

/// After PostgreSQL's `overlaps_timestamp`: an end that is NULL leaves the answer open where it would matter.
fn overlap(first: (End, End), second: (End, End)) -> Value {
    let (Some((from_a, to_a)), Some((from_b, to_b))) = (ordered(first), ordered(second)) else { return Value::Null };
    let (earlier_end, later_start, later_end) = match from_a.cmp(&from_b) {
        std::cmp::Ordering::Equal => {
            return if to_a.is_none() || to_b.is_none() { Value::Null } else { Value::Bool(true) };
        }
        std::cmp::Ordering::Less => (to_a, from_b, to_b),
        std::cmp::Ordering::Greater => (to_b, from_a, to_a),
    };
    match earlier_end {
        None => Value::Null,
        Some(end) if later_start < end => Value::Bool(true),
        Some(_) if later_end.is_none() => Value::Null,
        Some(_) => Value::Bool(false),
    }
}

/// The smaller end first; one that is known stands for a NULL start. None when both are NULL.
fn ordered(ends: (End, End)) -> Option<(i64, End)> {
    match ends {
        (Some(a), Some(b)) => Some((a.min(b), Some(a.max(b)))),
        (Some(one), None) | (None, Some(one)) => Some((one, None)),
        (None, None) => None,
    }
}

/// Adds a length to a start.
type Add = fn(&EvalContext<'_>, i64, &Interval) -> Result<i64>;

/// The stretch that begins at `args[0]`; its end is a moment or, with `add`, a length.
fn stretch(context: &EvalContext<'_>, args: &[Value], add: Option<Add>) -> Result<(End, End)> {
    let moment = |value: &Value| match value {
        Value::Null => Ok(None),
        Value::Timestamp(_) => timestamp(value).map(Some),
        value => int(value).map(Some),
    };
    let from = moment(&args[0])?;
    let to = match add {
        None => moment(&args[1])?,
        Some(add) => match (from, &args[1]) {
            (Some(from), value) if !value.is_null() => Some(add(context, from, &interval(value)?)?),
            _ => None,
        },
    };
    Ok((from, to))
}

macro_rules! overlaps {
    ($t:ident, $($ty:literal, $add:expr;)*) => {
        $($t.f(concat!("overlaps(", $ty, ", ", $ty, ", ", $ty, ", ", $ty, ") -> bool"), |c, a| {
            Ok(overlap(stretch(c, &a[..2], None)?, stretch(c, &a[2..], None)?))
        })
        .lax();
        overlaps!(length $t, $ty, $add);)*
    };
    (length $t:ident, $ty:literal, None) => {};
    (length $t:ident, $ty:literal, $add:expr) => {
        $t.f(concat!("overlaps(", $ty, ", interval, ", $ty, ", interval) -> bool"), |c, a| {
            let add: Option<Add> = $add;
            Ok(overlap(stretch(c, &a[..2], add)?, stretch(c, &a[2..], add)?))
        })
        .lax()
        .stable();
        $t.f(concat!("overlaps(", $ty, ", ", $ty, ", ", $ty, ", interval) -> bool"), |c, a| {
            let add: Option<Add> = $add;
            Ok(overlap(stretch(c, &a[..2], None)?, stretch(c, &a[2..], add)?))
        })
        .lax()
        .stable();
        $t.f(concat!("overlaps(", $ty, ", interval, ", $ty, ", ", $ty, ") -> bool"), |c, a| {
            let add: Option<Add> = $add;
            Ok(overlap(stretch(c, &a[..2], add)?, stretch(c, &a[2..], None)?))
        })
        .lax()
        .stable();
    };
}

fn add_to_timestamp(_: &EvalContext<'_>, from: i64, length: &Interval) -> Result<i64> {
    add_local(from, length)
}

fn add_to_timestamptz(context: &EvalContext<'_>, from: i64, length: &Interval) -> Result<i64> {
    add_instant(from, length, &zone::session_zone(context))
}

fn add_to_time(_: &EvalContext<'_>, from: i64, length: &Interval) -> Result<i64> {
    Ok(plus(from, length.microseconds))
}

pub(super) fn register(t: &mut Table) {
    t.section("Overlaps");
    overlaps! { t,
        "timestamp", Some(add_to_timestamp);
        "timestamptz", Some(add_to_timestamptz);
        "time", Some(add_to_time);
    }
    // Packed as they are, zoned times are in the order of their instants.
    t.f("overlaps(timetz, timetz, timetz, timetz) -> bool", |c, a| {
        Ok(overlap(stretch(c, &a[..2], None)?, stretch(c, &a[2..], None)?))
    })
    .lax();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn open_ends_leave_the_answer_open() {
        let check = |a: (End, End), b: (End, End), expected: Value| assert_eq!(overlap(a, b), expected, "{a:?} {b:?}");
        check((Some(1), Some(5)), (Some(4), Some(9)), Value::Bool(true));
        check((Some(5), Some(1)), (Some(5), Some(9)), Value::Bool(false));
        check((Some(3), Some(3)), (Some(3), Some(9)), Value::Bool(true));
        check((Some(1), None), (Some(2), Some(3)), Value::Null);
        check((Some(1), Some(5)), (None, Some(2)), Value::Bool(true));
        check((Some(1), Some(2)), (Some(4), None), Value::Null);
        check((None, None), (Some(4), Some(5)), Value::Null);
    }
}
