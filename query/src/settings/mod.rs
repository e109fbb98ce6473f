//! Session settings: which exist, their defaults, what values they take, and what a transaction changes of them.

mod session;
mod table;
mod values;

use crate::error::{QueryError, Result, sqlstate};
use crate::{duration_setting, size_setting};

pub use session::{SettingChanges, SettingScope, SettingsMark, initial};
pub use table::SETTINGS;
pub use values::Settings;

/// How a value is checked.
#[derive(Clone, Copy, Debug)]
pub enum Check {
    Any,
    Bool,
    Int {
        min: i64,
        max: i64,
    },
    /// A number of milliseconds, or with a unit (`500ms`, `2s`, `1min`); stored in milliseconds.
    DurationMs,
    /// A number of kilobytes, or with a unit (`64kB`, `4MB`); stored in kilobytes.
    SizeKb,
    Real {
        min: f64,
        max: f64,
    },
    OneOf(&'static [&'static str]),
    /// On, off and their other names, or one of these.
    SwitchOr(&'static [&'static str]),
    TimeZone,
    /// The session's user, or `none`: there are no other roles. Checked by the session, which knows its user.
    User,
    /// Cannot be set.
    ReadOnly,
}

pub struct Setting {
    /// As SHOW prints it.
    pub name: &'static str,
    pub default: &'static str,
    pub check: Check,
    /// Changes are reported to the client by ParameterStatus.
    pub reported: bool,
    pub description: &'static str,
}

/// Finds a setting by name, ignoring case.
pub fn find(name: &str) -> Option<&'static Setting> {
    let name = if name.eq_ignore_ascii_case("time zone") { "TimeZone" } else { name };
    SETTINGS.iter().find(|setting| setting.name.eq_ignore_ascii_case(name))
}

/// Checks and normalises a value for a setting. A name with a dot that is not ours is a custom setting and takes anything.
pub fn check(name: &str, value: &str) -> Result<String> {
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
        Check::Any | Check::User => Ok(value.to_owned()),
        Check::Bool => parse_bool(value).map(|b| if b { "on" } else { "off" }.to_owned()).ok_or_else(|| {
            QueryError::new(
                sqlstate::INVALID_PARAMETER_VALUE,
                format!("parameter \"{}\" requires a Boolean value", setting.name),
            )
        }),
        Check::Int { min, max } => match value.trim().parse::<i64>() {
            Ok(number) if (min..=max).contains(&number) => Ok(number.to_string()),
            Ok(number) => Err(QueryError::new(
                sqlstate::INVALID_PARAMETER_VALUE,
                format!("{number} is outside the valid range for parameter \"{}\" ({min} .. {max})", setting.name),
            )),
            Err(_) => Err(invalid()),
        },
        Check::DurationMs => duration_setting::parse_ms(setting.name, value).map(|ms| ms.to_string()),
        Check::SizeKb => size_setting::parse_kb(setting.name, value).map(|kb| kb.to_string()),
        Check::Real { min, max } => match value.trim().parse::<f64>() {
            Ok(number) if (min..=max).contains(&number) => Ok(number.to_string()),
            Ok(number) => Err(QueryError::new(
                sqlstate::INVALID_PARAMETER_VALUE,
                format!("{number} is outside the valid range for parameter \"{}\" ({min} .. {max})", setting.name),
            )),
            Err(_) => Err(invalid()),
        },
        Check::OneOf(values) => values
            .iter()
            .find(|allowed| means(allowed, value.trim()))
            .map(|allowed| match *allowed {
                "UTF-8" | "UNICODE" => "UTF8".to_owned(),
                "ISO" | "ISO,MDY" | "MDY" | "US" | "NonEuro" | "NonEuropean" => "ISO, MDY".to_owned(),
                other => other.to_owned(),
            })
            .ok_or_else(|| match values {
                [""] => invalid(),
                values => invalid().hint(format!("Available values: {}.", values.join(", "))),
            }),
        Check::SwitchOr(names) => match parse_bool(value) {
            Some(on) => Ok(if on { "on" } else { "off" }.to_owned()),
            None => names
                .iter()
                .find(|name| name.eq_ignore_ascii_case(value.trim()))
                .map(|name| (*name).to_owned())
                .ok_or_else(|| invalid().hint(format!("Available values: {}, on, off.", names.join(", ")))),
        },
        Check::TimeZone => time_zone(value.trim()).ok_or_else(invalid),
        Check::ReadOnly => Err(QueryError::new("55P02", format!("parameter \"{}\" cannot be changed", setting.name))),
    }
}

/// Whether a value names an allowed one; switches go by any of their names.
fn means(allowed: &str, value: &str) -> bool {
    allowed.eq_ignore_ascii_case(value)
        || matches!(allowed, "on" | "off") && parse_bool(value).is_some() && parse_bool(value) == parse_bool(allowed)
}

/// A zone's name as SHOW prints it: numbers are hours east of Greenwich.
fn time_zone(name: &str) -> Option<String> {
    if let Ok(hours) = name.parse::<f64>() {
        let minutes = (hours * 60.0).round();
        if !(-12.0 * 60.0..=14.0 * 60.0).contains(&minutes) {
            return None;
        }
        let (sign, minutes) = (if minutes < 0.0 { '-' } else { '+' }, minutes.abs() as u32);
        return Some(format!("{sign}{:02}:{:02}", minutes / 60, minutes % 60));
    }
    if name.eq_ignore_ascii_case("utc") {
        return Some("UTC".to_owned());
    }
    crate::types::zone::zone(name).map(|_| name.to_owned())
}

pub fn unknown(name: &str) -> QueryError {
    QueryError::new(sqlstate::UNDEFINED_OBJECT, format!("unrecognized configuration parameter \"{name}\""))
}

pub fn parse_bool(value: &str) -> Option<bool> {
    match value.trim().to_lowercase().as_str() {
        "on" | "true" | "t" | "yes" | "y" | "1" => Some(true),
        "off" | "false" | "f" | "no" | "n" | "0" => Some(false),
        _ => None,
    }
}

/// The names in a list such as `search_path`: folded to lower case unless quoted.
pub fn names_in_list(list: &str) -> impl Iterator<Item = String> {
    let mut rest = list;
    std::iter::from_fn(move || {
        rest = rest.trim_start();
        if rest.is_empty() {
            return None;
        }
        if let Some(quoted) = rest.strip_prefix('"') {
            let mut name = String::new();
            let mut chars = quoted.char_indices().peekable();
            let mut end = quoted.len();
            while let Some((at, c)) = chars.next() {
                if c != '"' {
                    name.push(c);
                } else if chars.next_if(|(_, next)| *next == '"').is_some() {
                    name.push('"');
                } else {
                    end = at + 1;
                    break;
                }
            }
            let behind = &quoted[end..];
            rest = behind.split_once(',').map_or("", |(_, rest)| rest);
            return Some(name);
        }
        let (name, behind) = rest.split_once(',').unwrap_or((rest, ""));
        rest = behind;
        Some(name.trim().to_lowercase())
    })
}

/// A kept value as SHOW prints it.
pub fn shown(name: &str, value: String) -> String {
    match find(name) {
        Some(Setting { check: Check::DurationMs, .. }) => duration_setting::show_ms(&value),
        Some(Setting { check: Check::SizeKb, .. }) => size_setting::show_kb(&value),
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
    fn what_is_true_here_can_be_asked_for() {
        for (name, value, kept) in [
            ("standard_conforming_strings", "true", "on"),
            ("synchronize_seqscans", "off", "off"),
            ("default_tablespace", "", ""),
            ("default_table_access_method", "HEAP", "heap"),
            ("DateStyle", "iso, mdy", "ISO, MDY"),
            ("intervalstyle", "ISO_8601", "iso_8601"),
            ("timezone", "utc", "UTC"),
            ("timezone", "-3.5", "-03:30"),
        ] {
            assert_eq!(check(name, value).unwrap(), kept, "{name}");
        }
        for (name, value) in [
            ("standard_conforming_strings", "off"),
            ("jit", "on"),
            ("session_replication_role", "replica"),
            ("client_encoding", "LATIN1"),
            ("DateStyle", "German"),
            ("timezone", "99"),
            ("row_security", "maybe"),
        ] {
            assert_eq!(check(name, value).unwrap_err().sqlstate(), "22023", "{name}");
        }
    }

    #[test]
    fn lists_of_names() {
        let names = |list: &str| names_in_list(list).collect::<Vec<_>>();
        assert_eq!(names("Foo , \"Bar, \"\"x\"\"\",baz"), ["foo", "Bar, \"x\"", "baz"]);
        assert_eq!(names("\"$user\", public"), ["$user", "public"]);
        assert!(names(" ").is_empty());
        assert_eq!(names("\"open"), ["open"]);
    }

    #[test]
    fn names_are_in_order() {
        let names: Vec<String> = SETTINGS.iter().map(|setting| setting.name.to_lowercase()).collect();
        assert!(names.is_sorted(), "{names:?}");
    }

    #[test]
    fn sizes_are_known_as_such_in_both_modules() {
        let is_size = |setting: &&Setting| matches!(setting.check, Check::SizeKb);
        let names: Vec<&str> = SETTINGS.iter().filter(is_size).map(|setting| setting.name).collect();
        assert_eq!(names, size_setting::SIZE_SETTINGS.map(|(name, _)| name));
        assert_eq!(shown("work_mem", check("work_mem", "8192").unwrap()), "8MB");
    }

    #[test]
    fn durations_are_known_as_such_in_both_modules() {
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
