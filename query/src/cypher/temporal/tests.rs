use std::str::FromStr;

use bigdecimal::BigDecimal;
use sinew_storage::temporal::Duration;
use sinew_storage::value::MapValue;
use sinew_storage::{Temporal, TemporalKind, Value};

use super::duration::combine;
use super::*;

const DATE: TemporalKind = TemporalKind::Date;
const TIME: TemporalKind = TemporalKind::Time;
const LOCAL_TIME: TemporalKind = TemporalKind::LocalTime;
const LOCAL: TemporalKind = TemporalKind::LocalDateTime;
const ZONED: TemporalKind = TemporalKind::DateTime;

fn parse(kind: TemporalKind, text: &str) -> Temporal {
    from_text(kind, text, 0).unwrap_or_else(|error| panic!("{text}: {error}"))
}

fn duration(text: &str) -> Duration {
    duration_from_text(text).unwrap_or_else(|error| panic!("{text}: {error}"))
}

/// `name=number` or `name='text'` or `name=kind:text`, separated by blanks.
fn map(text: &str) -> MapValue {
    let value = |text: &str| match text.split_once(':') {
        Some(("date", value)) => parse(DATE, value).into(),
        Some(("time", value)) => parse(TIME, value).into(),
        Some(("local", value)) => parse(LOCAL, value).into(),
        Some(("zoned", value)) => parse(ZONED, value).into(),
        _ => text.parse().map_or_else(|_| Value::from(text.trim_matches('\'')), Value::Int),
    };
    text.split_whitespace().filter_map(|entry| entry.split_once('=')).map(|(k, v)| (k.into(), value(v))).collect()
}

fn check_map(kind: TemporalKind, fields: &str, expected: &str) {
    let value = from_map(kind, &map(fields), 0).unwrap_or_else(|error| panic!("{fields}: {error}"));
    assert_eq!(value.to_string(), expected, "{fields}");
}

#[test]
fn text_of_points_in_time() {
    for (kind, text, expected) in [
        (DATE, "2024-02-29", "2024-02-29"),
        (DATE, "20240229", "2024-02-29"),
        (DATE, "2024-W01", "2024-01-01"),
        (DATE, "2024W017", "2024-01-07"),
        (DATE, "2024-Q4-02", "2024-10-02"),
        (DATE, "2024366", "2024-12-31"),
        (DATE, "-0044-03-15", "-0044-03-15"),
        (DATE, "+12345-06", "+12345-06-01"),
        (LOCAL_TIME, "235959.000000001", "23:59:59.000000001"),
        (TIME, "07:08-0930", "07:08-09:30"),
        (TIME, "07Z", "07:00Z"),
        (LOCAL, "2024-02-29", "2024-02-29T00:00"),
        (LOCAL, "2024060T0102", "2024-02-29T01:02"),
        (ZONED, "2024-07-01T12:00", "2024-07-01T12:00Z"),
        (ZONED, "2024-07-01T12:00[Europe/Berlin]", "2024-07-01T12:00+02:00[Europe/Berlin]"),
        (ZONED, "2024-07-01T12:00+02:00[Europe/Berlin]", "2024-07-01T12:00+02:00[Europe/Berlin]"),
        // The clock goes from 2 to 3; the earlier of two.
        (ZONED, "2024-03-31T02:30[Europe/Berlin]", "2024-03-31T03:30+02:00[Europe/Berlin]"),
        (ZONED, "2024-10-27T02:30[Europe/Berlin]", "2024-10-27T02:30+02:00[Europe/Berlin]"),
    ] {
        assert_eq!(parse(kind, text).to_string(), expected, "{text}");
    }
    for (kind, text) in [
        (DATE, ""),
        (DATE, "24-02-29"),
        (DATE, "2023-02-29"),
        (DATE, "2023-W53"),
        (DATE, "2024-2-9"),
        (DATE, "2024-02-29T00:00"),
        (DATE, "+1234567890-01-01"),
        (LOCAL_TIME, "24:00"),
        (LOCAL_TIME, "12:3"),
        (LOCAL_TIME, "12:30.5"),
        (LOCAL_TIME, "é2:30"),
        (TIME, "12:00+19:00"),
        (TIME, "12:00+1"),
        (LOCAL, "2024-02-29T"),
        (ZONED, "2024-02-29T12:00[Nowhere/Else]"),
        (ZONED, "2024-07-01T12:00+05:00[Europe/Berlin]"),
        (ZONED, "2024-07-01T12:00+02:00[Europe/Berlin"),
    ] {
        let error = from_text(kind, text, 0).expect_err(text);
        assert!(error.0.cypher.is_some(), "{text}: {error}");
    }
}

#[test]
fn points_in_time_of_maps() {
    check_map(DATE, "year=2024", "2024-01-01");
    check_map(DATE, "year=2024 quarter=2 dayOfQuarter=91", "2024-06-30");
    check_map(DATE, "year=2020 week=53 dayOfWeek=7", "2021-01-03");
    // The shorter month cuts the day of the base, not one that is given.
    check_map(DATE, "date=date:2024-01-31 month=2", "2024-02-29");
    check_map(LOCAL_TIME, "hour=1 minute=2 second=3 millisecond=4 microsecond=5 nanosecond=6", "01:02:03.004005006");
    check_map(TIME, "time=time:12:00+01:00 timezone='+03:00'", "14:00+03:00");
    check_map(ZONED, "epochMillis=1500", "1970-01-01T00:00:01.5Z");
    check_map(ZONED, "datetime=zoned:2024-07-01T12:00Z timezone='Asia/Tokyo'", "2024-07-01T21:00+09:00[Asia/Tokyo]");
    check_map(ZONED, "timezone='Asia/Tokyo'", "1970-01-01T09:00+09:00[Asia/Tokyo]");
    check_map(ZONED, "date=local:2024-07-01T12:00 hour=5", "2024-07-01T05:00Z");
    for (kind, fields) in [
        (DATE, "month=2"),
        (DATE, "year=2024 day=3"),
        (DATE, "year=2023 month=2 day=29"),
        (DATE, "year=2024 week=1 month=1"),
        (DATE, "year=2024 hour=1"),
        (DATE, "yaer=2024"),
        (DATE, "date=time:12:00Z"),
        (LOCAL_TIME, "minute=1"),
        (LOCAL_TIME, "hour=24"),
        (LOCAL_TIME, "hour=1 minute=1 second=1 millisecond=1 microsecond=1000"),
        (ZONED, "epochMillis=1 year=2024"),
        (ZONED, "year=2024 timezone='Nowhere'"),
    ] {
        assert!(from_map(kind, &map(fields), 0).is_err(), "{fields}");
    }
}

#[test]
fn durations_of_text() {
    for (text, expected) in [
        ("P1Y2M3W4DT5H6M7.5S", "P1Y2M25DT5H6M7.5S"),
        ("P0.5D", "PT12H"),
        ("PT-0.5S", "PT-0.5S"),
        ("-P1DT1H", "P-1DT-1H"),
        ("PT1,25S", "PT1.25S"),
        ("P2012-02-02T14:37:21.545", "P2012Y2M2DT14H37M21.545S"),
        ("P20120202T143721", "P2012Y2M2DT14H37M21S"),
    ] {
        assert_eq!(duration(text).to_string(), expected, "{text}");
    }
    for text in ["", "P", "PT", "1D", "P1H", "PT1D", "P1D1D", "P1M1Y", "P1.D.2", "P1e3D", "P99999999999999999999D"] {
        assert!(duration_from_text(text).is_err(), "{text}");
    }
}

#[test]
fn between_points_in_time() {
    let check = |from: Temporal, to: Temporal, expected: &str| {
        let found = between(&from, &to).expect("a duration");
        assert_eq!(found.to_string(), expected, "{from} {to}");
        // What was found leads from one to the other.
        if from.kind() == to.kind() && from.kind() != TIME {
            assert_eq!(add(&from, &found, 1).expect("a sum"), to, "{from} + {expected}");
        }
    };
    check(parse(DATE, "2024-01-31"), parse(DATE, "2024-02-29"), "P29D");
    check(parse(DATE, "2024-03-31"), parse(DATE, "2024-02-29"), "P-1M");
    check(parse(LOCAL, "2024-01-01T12:00"), parse(LOCAL, "2025-01-01T11:00"), "P11M30DT23H");
    check(parse(TIME, "23:00+01:00"), parse(TIME, "01:00Z"), "PT-21H");
    let berlin = |text: &str| parse(ZONED, &format!("{text}[Europe/Berlin]"));
    check(berlin("2024-03-31T00:00"), berlin("2024-04-01T00:00"), "P1D");
    check(berlin("2024-03-30T12:00"), berlin("2024-03-31T11:00"), "PT22H");
    // The second half past two that night.
    let later = add(&berlin("2024-10-27T02:30"), &duration("PT1H"), 1).expect("a sum");
    check(later, berlin("2024-10-27T03:00"), "PT30M");
    let seconds = in_seconds(&berlin("2024-03-31T00:00"), &parse(DATE, "2024-04-01")).expect("a duration");
    assert_eq!(seconds.to_string(), "PT23H");
}

#[test]
fn arithmetic() {
    let sum = |value: &Temporal, by: &str| add(value, &duration(by), 1).expect("a sum").to_string();
    assert_eq!(sum(&parse(DATE, "2024-01-31"), "P1MT36H"), "2024-03-01");
    assert_eq!(sum(&parse(LOCAL_TIME, "23:00"), "P5DT2H"), "01:00");
    assert_eq!(sum(&parse(LOCAL, "2024-12-31T23:59:59.9"), "PT0.2S"), "2025-01-01T00:00:00.1");
    let before = parse(ZONED, "2024-03-30T12:00[Europe/Berlin]");
    assert_eq!(sum(&before, "P1D"), "2024-03-31T12:00+02:00[Europe/Berlin]");
    assert_eq!(sum(&before, "PT24H"), "2024-03-31T13:00+02:00[Europe/Berlin]");
    let decimal = |text: &str| BigDecimal::from_str(text).expect("a number");
    assert_eq!(multiply(&duration("P1M"), &decimal("-1.5")).expect("a product").to_string(), "P-1M-15DT-5H-14M-33S");
    assert_eq!(divide(&duration("P1DT3S"), &decimal("2")).expect("a quotient").to_string(), "PT12H1.5S");
    assert_eq!(combine(&duration("P1M1D"), &duration("P1M2D"), -1).expect("a difference").to_string(), "P-1D");
    for (value, by) in [("+999999999-12-31", "P1D"), ("2024-01-01", "P9999999999999M"), ("2024-01-01", "P9e9D")] {
        let failed = duration_from_text(by).and_then(|by| add(&parse(DATE, value), &by, 1));
        assert!(failed.is_err(), "{value} + {by}");
    }
}

#[test]
fn truncation() {
    let cut = |kind, unit: &str, value: &Temporal, fields: &str| {
        truncate(kind, unit, value, &map(fields), 0).map(|value| value.to_string())
    };
    let value = parse(ZONED, "2024-08-15T13:14:15.123456789+02:00");
    for (kind, unit, fields, expected) in [
        (DATE, "decade", "", "2020-01-01"),
        (DATE, "WEEK", "dayOfWeek=3", "2024-08-14"),
        (DATE, "weekYear", "", "2024-01-01"),
        (ZONED, "day", "", "2024-08-15T00:00+02:00"),
        (ZONED, "hour", "timezone='Asia/Tokyo'", "2024-08-15T13:00+09:00[Asia/Tokyo]"),
        (LOCAL, "millisecond", "nanosecond=5", "2024-08-15T13:14:15.123000005"),
        (TIME, "minute", "", "13:14+02:00"),
    ] {
        assert_eq!(cut(kind, unit, &value, fields).expect(unit), expected, "{unit}");
    }
    for (kind, unit) in [(DATE, "hour"), (LOCAL_TIME, "month"), (ZONED, "fortnight")] {
        assert!(cut(kind, unit, &value, "").is_err(), "{unit}");
    }
    assert!(cut(LOCAL_TIME, "hour", &parse(DATE, "2024-08-15"), "").is_err());
}
