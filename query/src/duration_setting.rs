//! Settings that are durations: read with a unit, kept in milliseconds, shown as PostgreSQL shows them.

use crate::error::Result;
use crate::unit_setting::Units;

/// Settings of this kind, in lower case.
pub const DURATION_SETTINGS: [&str; 4] =
    ["idle_in_transaction_session_timeout", "idle_session_timeout", "lock_timeout", "statement_timeout"];

const UNITS: Units = Units {
    factors: &[("ms", 1.0), ("us", 1e-3), ("s", 1e3), ("min", 6e4), ("h", 3.6e6), ("d", 8.64e7)],
    kept: "ms",
    hint: "Valid units for this parameter are \"us\", \"ms\", \"s\", \"min\", \"h\", and \"d\".",
};

/// `250`, `250ms`, `1.5s`, `1min`, `1h`, `1d`, to whole milliseconds. 22023 for anything else.
pub fn parse_ms(name: &str, value: &str) -> Result<i64> {
    UNITS.parse(name, value, 0)
}

/// A kept value with the largest unit that divides it: `90000` is `90s`. 0 has none.
pub fn show_ms(kept: &str) -> String {
    let Ok(ms) = kept.parse::<u64>() else { return kept.to_owned() };
    if ms == 0 {
        return "0".to_owned();
    }
    let units = [(86_400_000, "d"), (3_600_000, "h"), (60_000, "min"), (1_000, "s")];
    match units.iter().find(|(factor, _)| ms % factor == 0) {
        Some((factor, unit)) => format!("{}{unit}", ms / factor),
        None => format!("{ms}ms"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read_and_shown() {
        let check = |text: &str, ms: i64, shown: &str| {
            let parsed = parse_ms("lock_timeout", text).unwrap_or_else(|error| panic!("{text}: {error}"));
            assert_eq!(parsed, ms, "{text}");
            assert_eq!(show_ms(&parsed.to_string()), shown, "{text}");
        };
        check("0", 0, "0");
        check("250", 250, "250ms");
        check("500ms", 500, "500ms");
        check(" 2 s ", 2_000, "2s");
        check("1.5s", 1_500, "1500ms");
        check("90s", 90_000, "90s");
        check("2min", 120_000, "2min");
        check("24h", 86_400_000, "1d");
        check("1500us", 2, "2ms");
        for text in ["", "s", "abc", "5 weeks", "5S", "1e3", "-1", "-5s", "3000000000"] {
            let error = parse_ms("lock_timeout", text).expect_err(text);
            assert_eq!(error.sqlstate(), "22023", "{text}");
        }
        let unit = parse_ms("lock_timeout", "5 weeks").expect_err("no such unit");
        assert!(unit.0.hint.is_some());
    }
}
