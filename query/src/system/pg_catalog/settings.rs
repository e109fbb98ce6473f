//! Settings of the session and time zones.

use sinew_storage::{Interval, Value};

use super::{NULL, Rows, SystemRelation, row, view};
use crate::context::ExecContext;
use crate::error::QueryError;

pub(super) static RELATIONS: &[SystemRelation] = &[
    view(
        "pg_settings",
        "name text, setting text, unit text, category text, short_desc text, extra_desc text, context text, \
         vartype text, source text, min_val text, max_val text, enumvals text[], boot_val text, reset_val text, \
         sourcefile text, sourceline int4, pending_restart bool",
        settings,
    ),
    view("pg_timezone_names", "name text, abbrev text, utc_offset interval, is_dst bool", time_zones),
];

/// Settings keep their names in lower case; these are written otherwise.
fn display_name(name: &str) -> &str {
    match name {
        "datestyle" => "DateStyle",
        "intervalstyle" => "IntervalStyle",
        "timezone" => "TimeZone",
        name => name,
    }
}

fn settings(context: &ExecContext) -> Rows {
    let settings = context.session.settings.read();
    let rows = settings.iter().map(|(name, value)| {
        let kind = match &value[..] {
            "on" | "off" => "bool",
            value if value.parse::<i64>().is_ok() => "integer",
            _ => "string",
        };
        let unit = name.ends_with("_timeout").then_some("ms");
        row![
            display_name(name),
            value,
            unit,
            "Sinew",
            "",
            NULL,
            "user",
            kind,
            "session",
            NULL,
            NULL,
            NULL,
            NULL,
            NULL,
            NULL,
            NULL,
            false,
        ]
    });
    Ok(rows.collect())
}

/// Time zones with their offset at the start of the transaction.
fn time_zones(context: &ExecContext) -> Rows {
    let now = jiff::Timestamp::from_microsecond(context.transaction_time_us)
        .map_err(|error| QueryError::internal(format!("time of the transaction: {error}")))?;
    let mut rows = Vec::new();
    for name in jiff::tz::db().available() {
        // A zone whose file cannot be read is no zone.
        let Ok(zone) = jiff::tz::db().get(name.as_str()) else { continue };
        let info = zone.to_offset_info(now);
        let microseconds = i64::from(info.offset().seconds()) * 1_000_000;
        rows.push(row![
            name.as_str(),
            info.abbreviation(),
            Value::Interval(Interval { months: 0, days: 0, microseconds }),
            info.dst().is_dst(),
        ]);
    }
    Ok(rows)
}
