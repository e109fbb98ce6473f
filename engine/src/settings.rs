//! Session settings: which exist, their defaults, and what values they take.

use sinew_query::{QueryError, Result, duration_setting, sqlstate};

/// How a value is checked.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Check {
    Any,
    Bool,
    Int {
        min: i64,
        max: i64,
    },
    /// A number of milliseconds, or with a unit (`500ms`, `2s`, `1min`); stored in milliseconds.
    DurationMs,
    OneOf(&'static [&'static str]),
    /// On, off and their other names, or one of these.
    SwitchOr(&'static [&'static str]),
    TimeZone,
    /// Cannot be set.
    ReadOnly,
}

pub(crate) struct Setting {
    /// As SHOW prints it.
    pub name: &'static str,
    pub default: &'static str,
    pub check: Check,
    /// Changes are reported to the client by ParameterStatus.
    pub reported: bool,
    pub description: &'static str,
}

const fn setting(
    name: &'static str,
    default: &'static str,
    check: Check,
    reported: bool,
    description: &'static str,
) -> Setting {
    Setting { name, default, check, reported, description }
}

/// Every setting that exists, in name order as SHOW ALL prints them.
pub(crate) static SETTINGS: &[Setting] = &[
    setting("application_name", "", Check::Any, true, "name of the client application"),
    setting("bytea_output", "hex", Check::OneOf(&["hex"]), false, "output format of bytea"),
    setting("client_encoding", "UTF8", Check::OneOf(&["UTF8", "UTF-8", "UNICODE"]), true, "encoding of the client"),
    setting(
        "client_min_messages",
        "notice",
        Check::OneOf(&["debug5", "debug4", "debug3", "debug2", "debug1", "log", "notice", "warning", "error"]),
        false,
        "least severe message sent to the client",
    ),
    setting("DateStyle", "ISO, MDY", Check::OneOf(&["ISO, MDY", "ISO", "ISO,MDY"]), true, "output format of dates"),
    setting("default_transaction_deferrable", "off", Check::Bool, false, "accepted for compatibility"),
    setting(
        "default_transaction_isolation",
        "read committed",
        Check::OneOf(&["read uncommitted", "read committed", "repeatable read", "serializable"]),
        false,
        "isolation level of new transactions",
    ),
    setting("default_transaction_read_only", "off", Check::Bool, true, "new transactions refuse writes"),
    setting("extra_float_digits", "1", Check::Int { min: 1, max: 3 }, false, "floats are printed shortest and exact"),
    setting("hnsw.ef_search", "40", Check::Int { min: 1, max: 1000 }, false, "candidates kept by a vector search"),
    setting(
        "idle_in_transaction_session_timeout",
        "0",
        Check::DurationMs,
        false,
        "ends a connection that is silent in a transaction; 0 is off",
    ),
    setting("in_hot_standby", "off", Check::ReadOnly, true, "always off"),
    setting("integer_datetimes", "on", Check::ReadOnly, true, "always on"),
    setting("IntervalStyle", "postgres", Check::OneOf(&["postgres"]), true, "output format of intervals"),
    setting("is_superuser", "on", Check::ReadOnly, true, "whether the session's user is a superuser"),
    setting("lc_collate", "C", Check::ReadOnly, false, "collation of the database"),
    setting("lc_ctype", "C", Check::ReadOnly, false, "character classes of the database"),
    setting("lock_timeout", "0", Check::DurationMs, false, "longest wait for one lock; 0 is off"),
    setting("max_identifier_length", "63", Check::ReadOnly, false, "bytes of an identifier"),
    setting("max_index_keys", "32", Check::ReadOnly, false, "columns of an index"),
    setting("search_path", "public, sinew", Check::Any, false, "schemas searched for unqualified names"),
    setting("server_encoding", "UTF8", Check::ReadOnly, true, "encoding of the database"),
    setting("server_version", "15.0", Check::ReadOnly, true, "version of PostgreSQL whose behaviour is followed"),
    setting("server_version_num", "150000", Check::ReadOnly, false, "the same as a number"),
    setting("session_authorization", "", Check::ReadOnly, true, "the session's user"),
    setting("sinew.optimizer", "on", Check::Bool, false, "off runs plans as they were bound"),
    setting("sinew.progress", "off", Check::OneOf(&["off", "notice"]), false, "agent runs report steps as notices"),
    setting("standard_conforming_strings", "on", Check::OneOf(&["on"]), true, "backslashes are literal in '…'"),
    setting("statement_timeout", "0", Check::DurationMs, false, "longest run of one statement; 0 is off"),
    setting(
        "synchronous_commit",
        "on",
        Check::SwitchOr(&["local", "remote_write", "remote_apply"]),
        false,
        "commits are acknowledged when durable; off: when visible, durable within a fraction of a second",
    ),
    setting("TimeZone", "UTC", Check::TimeZone, true, "time zone of timestamps with time zone"),
    setting("transaction_deferrable", "off", Check::Bool, false, "accepted for compatibility"),
    setting(
        "transaction_isolation",
        "read committed",
        Check::OneOf(&["read uncommitted", "read committed", "repeatable read", "serializable"]),
        false,
        "isolation level of the current transaction",
    ),
    setting("transaction_read_only", "off", Check::Bool, false, "the current transaction refuses writes"),
];

/// Finds a setting by name, ignoring case.
pub(crate) fn find(name: &str) -> Option<&'static Setting> {
    let name = if name.eq_ignore_ascii_case("time zone") { "TimeZone" } else { name };
    SETTINGS.iter().find(|setting| setting.name.eq_ignore_ascii_case(name))
}

/// Checks and normalises a value for a setting. A name with a dot that is not ours is a custom setting and takes anything.
pub(crate) fn check(name: &str, value: &str) -> Result<String> {
    let Some(setting) = find(name) else {
        if name.contains('.') && !name.to_lowercase().starts_with("sinew.") && !name.to_lowercase().starts_with("hnsw.")
        {
            return Ok(value.to_owned());
        }
        return Err(unknown(name));
    };
    let invalid = || {
        QueryError::new(
            sqlstate::INVALID_PARAMETER_VALUE,
            format!("invalid value for parameter \"{}\": \"{value}\"", setting.name),
        )
    };
    match setting.check {
        Check::Any => Ok(value.to_owned()),
        Check::Bool => parse_bool(value).map(|b| if b { "on" } else { "off" }.to_owned()).ok_or_else(invalid),
        Check::Int { min, max } => match value.trim().parse::<i64>() {
            Ok(number) if (min..=max).contains(&number) => Ok(number.to_string()),
            Ok(number) => Err(QueryError::new(
                sqlstate::INVALID_PARAMETER_VALUE,
                format!("{number} is outside the valid range for parameter \"{}\" ({min} .. {max})", setting.name),
            )),
            Err(_) => Err(invalid()),
        },
        Check::DurationMs => duration_setting::parse_ms(setting.name, value).map(|ms| ms.to_string()),
        Check::OneOf(values) => values
            .iter()
            .find(|allowed| allowed.eq_ignore_ascii_case(value.trim()))
            .map(|allowed| match *allowed {
                "UTF-8" | "UNICODE" => "UTF8".to_owned(),
                "ISO" | "ISO,MDY" => "ISO, MDY".to_owned(),
                other => other.to_owned(),
            })
            .ok_or_else(|| {
                let mut error = invalid();
                error.0.hint = Some(format!("available values: {}", values.join(", ")));
                error
            }),
        Check::SwitchOr(names) => match parse_bool(value) {
            Some(on) => Ok(if on { "on" } else { "off" }.to_owned()),
            None => names
                .iter()
                .find(|name| name.eq_ignore_ascii_case(value.trim()))
                .map(|name| (*name).to_owned())
                .ok_or_else(|| invalid().hint(format!("Available values: {}, on, off.", names.join(", ")))),
        },
        Check::TimeZone => {
            let name = value.trim();
            jiff::tz::TimeZone::get(name).map_err(|_| invalid())?;
            Ok(name.to_owned())
        }
        Check::ReadOnly => Err(QueryError::new("55P02", format!("parameter \"{}\" cannot be changed", setting.name))),
    }
}

pub(crate) fn unknown(name: &str) -> QueryError {
    QueryError::new(sqlstate::UNDEFINED_OBJECT, format!("unrecognized configuration parameter \"{name}\""))
}

pub(crate) fn parse_bool(value: &str) -> Option<bool> {
    match value.trim().to_lowercase().as_str() {
        "on" | "true" | "t" | "yes" | "y" | "1" => Some(true),
        "off" | "false" | "f" | "no" | "n" | "0" => Some(false),
        _ => None,
    }
}

/// A kept value as SHOW prints it.
pub(crate) fn shown(name: &str, value: String) -> String {
    match find(name) {
        Some(Setting { check: Check::DurationMs, .. }) => duration_setting::show_ms(&value),
        _ => value,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_checked_and_normalised() {
        assert_eq!(check("statement_timeout", "2s").unwrap(), "2000");
        assert_eq!(check("SINEW.OPTIMIZER", "false").unwrap(), "off");
        assert_eq!(check("hnsw.ef_search", "0").unwrap_err().sqlstate(), "22023");
        assert_eq!(check("no_such_setting", "1").unwrap_err().sqlstate(), "42704");
        assert_eq!(check("sinew.nothing", "1").unwrap_err().sqlstate(), "42704");
        assert_eq!(check("myapp.user", "ann").unwrap(), "ann");
        assert_eq!(check("server_version", "9").unwrap_err().sqlstate(), "55P02");
        for (given, kept) in [("OFF", "off"), ("yes", "on"), ("Local", "local"), ("remote_apply", "remote_apply")] {
            assert_eq!(check("synchronous_commit", given).unwrap(), kept);
        }
        let error = check("synchronous_commit", "maybe").unwrap_err();
        assert_eq!(error.to_string(), "invalid value for parameter \"synchronous_commit\": \"maybe\"");
        assert_eq!(error.0.hint.as_deref(), Some("Available values: local, remote_write, remote_apply, on, off."));
    }

    #[test]
    fn durations_are_known_as_such_in_both_crates() {
        let is_duration = |setting: &&Setting| matches!(setting.check, Check::DurationMs);
        let names: Vec<&str> = SETTINGS.iter().filter(is_duration).map(|setting| setting.name).collect();
        assert_eq!(names, duration_setting::DURATION_SETTINGS);
        for name in names {
            assert_eq!(check(name, "500ms").unwrap(), "500");
            assert_eq!(check(name, "250").unwrap(), "250");
            assert_eq!(check(name, "-1").unwrap_err().sqlstate(), "22023");
            assert_eq!(shown(name, "2000".to_owned()), "2s");
        }
        assert_eq!(shown("hnsw.ef_search", "1000".to_owned()), "1000");
    }
}
