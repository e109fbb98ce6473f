//! Settings that are amounts of memory or disk: read with a unit, kept in kilobytes, shown as PostgreSQL shows them.

use crate::error::Result;
use crate::unit_setting::Units;

/// Settings of this kind, in lower case, with their least value. Below zero means none.
pub const SIZE_SETTINGS: [(&str, i64); 2] = [("temp_file_limit", -1), ("work_mem", 64)];

const UNITS: Units = Units {
    factors: &[
        ("kB", 1.0),
        ("B", 1.0 / 1024.0),
        ("MB", 1024.0),
        ("GB", 1024.0 * 1024.0),
        ("TB", 1024.0 * 1024.0 * 1024.0),
    ],
    kept: "kB",
    hint: "Valid units for this parameter are \"B\", \"kB\", \"MB\", \"GB\", and \"TB\".",
};

/// `64`, `64kB`, `1.5MB`, `2GB`, to whole kilobytes. 22023 for anything else.
pub fn parse_kb(name: &str, value: &str) -> Result<i64> {
    let least = SIZE_SETTINGS.iter().find(|(known, _)| *known == name).map_or(0, |(_, least)| *least);
    UNITS.parse(name, value, least)
}

/// A kept value with the largest unit that divides it: `65536` is `64MB`. None below one.
pub fn show_kb(kept: &str) -> String {
    let Ok(kb) = kept.parse::<i64>() else { return kept.to_owned() };
    if kb <= 0 {
        return kept.to_owned();
    }
    let units = [(1 << 30, "TB"), (1 << 20, "GB"), (1 << 10, "MB"), (1, "kB")];
    match units.iter().find(|(factor, _)| kb % factor == 0) {
        Some((factor, unit)) => format!("{}{unit}", kb / factor),
        None => format!("{kb}kB"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_read_and_shown() {
        let check = |name: &str, text: &str, kb: i64, shown: &str| {
            let parsed = parse_kb(name, text).unwrap_or_else(|error| panic!("{text}: {error}"));
            assert_eq!(parsed, kb, "{text}");
            assert_eq!(show_kb(&parsed.to_string()), shown, "{text}");
        };
        check("work_mem", "64", 64, "64kB");
        check("work_mem", "4096", 4_096, "4MB");
        check("work_mem", "1.5MB", 1_536, "1536kB");
        check("work_mem", " 2 GB ", 2 << 20, "2GB");
        check("temp_file_limit", "-1", -1, "-1");
        check("temp_file_limit", "0", 0, "0");
        for (name, text) in [("work_mem", "63"), ("work_mem", "x"), ("work_mem", "1XB"), ("work_mem", "4TB")] {
            assert_eq!(parse_kb(name, text).expect_err(text).sqlstate(), "22023", "{text}");
        }
    }
}
