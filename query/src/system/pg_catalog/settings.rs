//! Settings of the session and time zones.

use sinew_storage::{Interval, Value};

use super::{NULL, Rows, SystemRelation, row, view};
use crate::context::ExecContext;
use crate::error::QueryError;
use crate::settings::{self, Check, Setting};

pub(super) static RELATIONS: &[SystemRelation] = &[
    view(
        "pg_settings",
        "name text, setting text, unit text, category text, short_desc text, extra_desc text, context text, \
         vartype text, source text, min_val text, max_val text, enumvals text[], boot_val text, reset_val text, \
         sourcefile text, sourceline int4, pending_restart bool",
        settings,
    ),
    view("pg_timezone_names", "name text, abbrev text, utc_offset interval, is_dst bool", time_zones),
    view("pg_timezone_abbrevs", "abbrev text, utc_offset interval, is_dst bool", abbreviations),
];

/// Chapter of PostgreSQL's manual that a setting stands in.
fn category(name: &str) -> &'static str {
    match name {
        "port" | "listen_addresses" | "max_connections" | "superuser_reserved_connections" => {
            "Connections and Authentication / Connection Settings"
        }
        "password_encryption" => "Connections and Authentication / Authentication",
        "ssl" => "Connections and Authentication / SSL",
        "data_directory" => "File Locations",
        "synchronous_commit" | "wal_level" => "Write-Ahead Log / Settings",
        "application_name" => "Reporting and Logging / What to Log",
        "jit" => "Query Tuning / Other Planner Options",
        "deadlock_timeout" => "Lock Management",
        "escape_string_warning" | "quote_all_identifiers" | "standard_conforming_strings" | "synchronize_seqscans" => {
            "Version and Platform Compatibility / Previous PostgreSQL Versions"
        }
        "transform_null_equals" => "Version and Platform Compatibility / Other Platforms and Clients",
        "client_encoding" | "DateStyle" | "IntervalStyle" | "TimeZone" | "extra_float_digits" | "lc_messages"
        | "lc_monetary" | "lc_numeric" | "lc_time" => "Client Connection Defaults / Locale and Formatting",
        "shared_preload_libraries" => "Client Connection Defaults / Shared Library Preloading",
        "max_prepared_transactions" | "work_mem" => "Resource Usage / Memory",
        "temp_file_limit" => "Resource Usage / Disk",
        "max_parallel_workers_per_gather" => "Resource Usage / Asynchronous Behavior",
        name if name.contains('.') => "Customized Options",
        name => match settings::find(name) {
            None => "Customized Options",
            Some(setting) if matches!(setting.check, Check::ReadOnly) => "Preset Options",
            Some(_) => "Client Connection Defaults / Statement Behavior",
        },
    }
}

/// `pg_settings.vartype`.
fn kind(setting: Option<&Setting>, value: &str) -> &'static str {
    match setting.map(|setting| setting.check) {
        Some(Check::Bool) => "bool",
        Some(Check::Int { .. } | Check::DurationMs | Check::SizeKb) => "integer",
        Some(Check::OneOf(_) | Check::SwitchOr(_)) => "enum",
        Some(Check::ReadOnly) if matches!(value, "on" | "off") => "bool",
        Some(Check::ReadOnly) if value.parse::<i64>().is_ok() => "integer",
        _ => "string",
    }
}

fn settings(context: &ExecContext) -> Rows {
    let values = context.session.settings.read();
    let mut rows = Vec::new();
    for setting in settings::SETTINGS {
        let current = values.get(&setting.name.to_lowercase()).map_or(setting.default, String::as_str);
        // What only the server decides has its value from there; SET and RESET know nothing else.
        let is_fixed = matches!(setting.check, Check::ReadOnly);
        let boot = if is_fixed { current } else { setting.default };
        let reset = if is_fixed { None } else { context.session.reset_setting(setting.name) };
        let (least, greatest) = match setting.check {
            Check::Int { min, max } => (Some(min.to_string()), Some(max.to_string())),
            Check::DurationMs => (Some("0".to_owned()), Some(i32::MAX.to_string())),
            Check::SizeKb => (Some("-1".to_owned()), Some(i32::MAX.to_string())),
            _ => (None, None),
        };
        let choices = match setting.check {
            Check::OneOf(values) => Some(values.to_vec()),
            Check::SwitchOr(values) => Some(values.iter().copied().chain(["on", "off"]).collect()),
            _ => None,
        };
        rows.push(row![
            setting.name,
            current,
            match setting.check {
                Check::DurationMs => Some("ms"),
                Check::SizeKb => Some("kB"),
                _ => None,
            },
            category(setting.name),
            setting.description,
            NULL,
            if is_fixed { "internal" } else { "user" },
            kind(Some(setting), boot),
            match &reset {
                _ if current == boot => "default",
                Some(reset) if reset == current => "client",
                _ => "session",
            },
            least,
            greatest,
            choices,
            boot,
            reset.unwrap_or_else(|| boot.to_owned()),
            NULL,
            NULL,
            false,
        ]);
    }
    // Settings of applications: any name with a dot.
    for (name, value) in values.iter().filter(|(name, _)| settings::find(name).is_none()) {
        rows.push(row![
            name,
            value,
            NULL,
            category(name),
            "",
            NULL,
            "user",
            "string",
            "session",
            NULL,
            NULL,
            NULL,
            NULL,
            NULL,
            NULL,
            NULL,
            false,
        ]);
    }
    Ok(rows)
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

/// Abbreviations that timestamps are read with, and their offsets in seconds.
fn abbreviations(_: &ExecContext) -> Rows {
    let rows = crate::types::zone::ABBREVIATIONS.iter().map(|(name, seconds, is_dst)| {
        let microseconds = i64::from(*seconds) * 1_000_000;
        row![*name, Value::Interval(Interval { months: 0, days: 0, microseconds }), *is_dst]
    });
    Ok(rows.collect())
}
