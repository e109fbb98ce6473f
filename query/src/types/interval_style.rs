//! The output formats of intervals that `IntervalStyle` chooses besides `postgres`.

use std::fmt::Write as _;

use sinew_storage::Interval;

use super::calendar::{self, HOUR_US, MINUTE_US, SECOND_US};
use super::interval;
use crate::context::EvalContext;

/// In the session's style.
pub(crate) fn output(context: &EvalContext<'_>, value: &Interval) -> String {
    let style = context.exec.session.setting("intervalstyle");
    match style.as_deref() {
        Some("iso_8601") => iso_8601(value),
        Some("sql_standard") => sql_standard(value),
        Some("postgres_verbose") => verbose(value),
        _ => interval::output(value),
    }
}

/// An interval in its fields, all of one sign where the interval's part is.
struct Fields {
    years: i64,
    months: i64,
    days: i64,
    hours: i64,
    minutes: i64,
    /// Microseconds below a minute.
    rest_us: i64,
}

impl Fields {
    fn of(value: &Interval) -> Fields {
        let months = i64::from(value.months);
        Fields {
            years: months / 12,
            months: months % 12,
            days: i64::from(value.days),
            hours: value.microseconds / HOUR_US,
            minutes: value.microseconds % HOUR_US / MINUTE_US,
            rest_us: value.microseconds % MINUTE_US,
        }
    }

    fn all(&self) -> [i64; 6] {
        [self.years, self.months, self.days, self.hours, self.minutes, self.rest_us]
    }

    fn negated(&self) -> Fields {
        let [years, months, days, hours, minutes, rest_us] = self.all().map(|field| -field);
        Fields { years, months, days, hours, minutes, rest_us }
    }
}

/// Seconds with their fraction, without a sign.
fn write_seconds(rest_us: i64, out: &mut String) {
    let _ = write!(out, "{}", rest_us.abs() / SECOND_US);
    calendar::write_fraction(rest_us.abs() % SECOND_US, out);
}

/// `P1Y2M3DT4H5M6.7S`.
fn iso_8601(value: &Interval) -> String {
    let fields = Fields::of(value);
    if fields.all() == [0; 6] {
        return "PT0S".to_owned();
    }
    let mut out = String::from("P");
    let put = |value: i64, unit: char, out: &mut String| {
        if value != 0 {
            let _ = write!(out, "{value}{unit}");
        }
    };
    put(fields.years, 'Y', &mut out);
    put(fields.months, 'M', &mut out);
    put(fields.days, 'D', &mut out);
    if value.microseconds != 0 {
        out.push('T');
        put(fields.hours, 'H', &mut out);
        put(fields.minutes, 'M', &mut out);
        if fields.rest_us != 0 {
            if fields.rest_us < 0 {
                out.push('-');
            }
            write_seconds(fields.rest_us, &mut out);
            out.push('S');
        }
    }
    out
}

/// `+1-2 +3 +4:05:06.7`, or only the parts there are when they have one sign.
fn sql_standard(value: &Interval) -> String {
    let mut fields = Fields::of(value);
    let is_negative = fields.all().iter().any(|field| *field < 0);
    let is_positive = fields.all().iter().any(|field| *field > 0);
    let has_months = value.months != 0;
    let has_time = value.days != 0 || value.microseconds != 0;
    if !is_negative && !is_positive {
        return "0".to_owned();
    }
    let mut out = String::new();
    let clock = |fields: &Fields, out: &mut String| {
        let _ = write!(out, "{}:{:02}:", fields.hours.abs(), fields.minutes.abs());
        if fields.rest_us.abs() < 10 * SECOND_US {
            out.push('0');
        }
        write_seconds(fields.rest_us, out);
    };
    if is_negative && is_positive || has_months && has_time {
        let sign = |negative: bool| if negative { '-' } else { '+' };
        let _ = write!(
            out,
            "{}{}-{} {}{} {}",
            sign(value.months < 0),
            fields.years.abs(),
            fields.months.abs(),
            sign(value.days < 0),
            fields.days.abs(),
            sign(value.microseconds < 0),
        );
        clock(&fields, &mut out);
        return out;
    }
    if is_negative {
        out.push('-');
        fields = fields.negated();
    }
    if has_months {
        let _ = write!(out, "{}-{}", fields.years, fields.months);
    } else {
        if fields.days != 0 {
            let _ = write!(out, "{} ", fields.days);
        }
        clock(&fields, &mut out);
    }
    out
}

/// `@ 1 year 2 mons 3 days 4 hours 5 mins 6.7 secs ago`: the first field's sign is said by `ago`.
fn verbose(value: &Interval) -> String {
    let fields = Fields::of(value);
    let mut out = String::from("@");
    let mut is_ago = None;
    let units = ["year", "mon", "day", "hour", "min"];
    for (field, unit) in fields.all().into_iter().zip(units) {
        if field != 0 {
            let field = if *is_ago.get_or_insert(field < 0) { -field } else { field };
            let _ = write!(out, " {field} {unit}{}", if field == 1 { "" } else { "s" });
        }
    }
    if fields.rest_us != 0 {
        let is_ago = *is_ago.get_or_insert(fields.rest_us < 0);
        out.push(' ');
        if (fields.rest_us < 0) != is_ago {
            out.push('-');
        }
        write_seconds(fields.rest_us, &mut out);
        out.push_str(if fields.rest_us.abs() == SECOND_US { " sec" } else { " secs" });
    }
    match is_ago {
        None => out.push_str(" 0"),
        Some(true) => out.push_str(" ago"),
        Some(false) => {}
    }
    out
}
