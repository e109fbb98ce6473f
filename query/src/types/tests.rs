use std::cmp::Ordering;

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use sinew_storage::{DataType, Value};

use super::*;
use crate::functions::testing::{context, round_trip_with};

fn check(ty: DataType, text: &str, expected: &str) {
    assert_eq!(round_trip_with(&[], &ty, text), expected, "{} {text:?}", type_name(&ty));
}

fn check_zone(zone: &str, text: &str, expected: &str) {
    assert_eq!(round_trip_with(&[("timezone", zone)], &DataType::Timestamptz, text), expected, "{zone} {text:?}");
}

#[test]
fn text_of_bool() {
    for text in ["t", " TRUE ", "yes", "on", "1", "tr", "y"] {
        check(DataType::Bool, text, "t");
    }
    for text in ["f", "FALSE", "no", "off", "0", "of"] {
        check(DataType::Bool, text, "f");
    }
    for text in ["", "o", "2", "truth"] {
        check(DataType::Bool, text, &format!("22P02 invalid input syntax for type boolean: \"{text}\""));
    }
}

#[test]
fn text_of_integers() {
    check(DataType::Int4, " -42 ", "-42");
    check(DataType::Int4, "+7", "7");
    check(DataType::Int2, "32768", "22003 value \"32768\" is out of range for type smallint");
    check(DataType::Int4, "2147483648", "22003 value \"2147483648\" is out of range for type integer");
    check(DataType::Int8, "9223372036854775807", "9223372036854775807");
    check(DataType::Int8, "-9223372036854775808", "-9223372036854775808");
    check(DataType::Int8, "9223372036854775808", "22003 value \"9223372036854775808\" is out of range for type bigint");
    for text in ["abc", "", "1.5", "1 2", "-"] {
        check(DataType::Int4, text, &format!("22P02 invalid input syntax for type integer: \"{text}\""));
    }
    check(DataType::Oid, "4294967295", "4294967295");
    check(DataType::Oid, "-1", "4294967295");
}

#[test]
fn text_of_floats() {
    for (text, expected) in [
        ("0", "0"),
        ("-0", "-0"),
        ("1", "1"),
        ("1.5", "1.5"),
        ("0.1", "0.1"),
        ("1e20", "1e+20"),
        ("1e15", "1e+15"),
        ("123456789012345", "123456789012345"),
        ("0.0001", "0.0001"),
        ("0.00001", "1e-05"),
        ("1.7976931348623157e308", "1.7976931348623157e+308"),
        ("NaN", "NaN"),
        ("inf", "Infinity"),
        ("-Infinity", "-Infinity"),
        ("1e400", "22003 \"1e400\" is out of range for type double precision"),
        ("1e-400", "22003 \"1e-400\" is out of range for type double precision"),
        ("1x", "22P02 invalid input syntax for type double precision: \"1x\""),
        ("", "22P02 invalid input syntax for type double precision: \"\""),
    ] {
        check(DataType::Float8, text, expected);
    }
    check(DataType::Float4, "0.1", "0.1");
    check(DataType::Float4, "1000000", "1e+06");
    check(DataType::Float4, "123456", "123456");
    check(DataType::Float4, "1e39", "22003 \"1e39\" is out of range for type real");
}

#[test]
fn text_of_numerics() {
    let numeric = || DataType::Numeric(None);
    for (text, expected) in [
        ("1.10", "1.10"),
        ("-0.00", "0.00"),
        ("1e3", "1000"),
        ("1.5e-3", "0.0015"),
        (".5", "0.5"),
        ("5.", "5"),
        ("12345678901234567890.123456789", "12345678901234567890.123456789"),
        ("NaN", "NaN"),
        ("-inf", "-Infinity"),
        ("1e200000", "22003 value overflows numeric format"),
        ("1e99999999999999999999", "22003 value overflows numeric format"),
        ("1.2.3", "22P02 invalid input syntax for type numeric: \"1.2.3\""),
        ("e5", "22P02 invalid input syntax for type numeric: \"e5\""),
    ] {
        check(numeric(), text, expected);
    }
    check(DataType::Numeric(Some((5, 2))), "123.455", "123.46");
    check(DataType::Numeric(Some((5, 2))), "1000", "22003 numeric field overflow");
    check(DataType::Numeric(Some((3, -2))), "12345", "12300");
}

#[test]
fn text_of_times() {
    for (text, expected) in [
        ("2026-01-02 03:04:05.123", "2026-01-02 03:04:05.123+00"),
        ("2026-01-02T03:04:05Z", "2026-01-02 03:04:05+00"),
        ("2026-01-02 03:04:05+02", "2026-01-02 01:04:05+00"),
        ("2026-01-02 03:04:05-05:30", "2026-01-02 08:34:05+00"),
        ("2026-01-02 03:04 Europe/Berlin", "2026-01-02 02:04:00+00"),
        ("20260102T030405", "2026-01-02 03:04:05+00"),
        ("Jan 2 2026 3:04 PM", "2026-01-02 15:04:00+00"),
        ("01/02/2026", "2026-01-02 00:00:00+00"),
        ("2-Jan-2026", "2026-01-02 00:00:00+00"),
        ("0044-03-15 BC", "0044-03-15 00:00:00+00 BC"),
        ("epoch", "1970-01-01 00:00:00+00"),
        ("infinity", "infinity"),
        ("-infinity", "-infinity"),
        ("now", "2026-01-02 03:04:05.678901+00"),
        ("today", "2026-01-02 00:00:00+00"),
        ("yesterday", "2026-01-01 00:00:00+00"),
        ("2026-13-01", "22008 date/time field value out of range: \"2026-13-01\""),
        ("2026-02-29", "22008 date/time field value out of range: \"2026-02-29\""),
        ("2026-01-01 25:00", "22008 date/time field value out of range: \"2026-01-01 25:00\""),
        ("soon", "22007 invalid input syntax for type timestamp with time zone: \"soon\""),
    ] {
        check(DataType::Timestamptz, text, expected);
    }
    check(DataType::Timestamp, "2026-01-02 03:04:05+02", "2026-01-02 03:04:05");
    check(DataType::Timestamp, "2026-01-02 24:00", "2026-01-03 00:00:00");
    check(DataType::Date, "2026-01-02", "2026-01-02");
    check(DataType::Date, "2000-02-29", "2000-02-29");
    check(DataType::Date, "tomorrow", "2026-01-03");
    check(DataType::Date, "x", "22007 invalid input syntax for type date: \"x\"");
    check_zone("Europe/Berlin", "2026-07-01 12:00", "2026-07-01 12:00:00+02");
    check_zone("Europe/Berlin", "2026-01-01 12:00Z", "2026-01-01 13:00:00+01");
    // In the gap of 29 March 2026 the clock moves on; of the repeated hour the second is meant.
    check_zone("Europe/Berlin", "2026-03-29 02:30", "2026-03-29 03:30:00+02");
    check_zone("Europe/Berlin", "2026-10-25 02:30", "2026-10-25 02:30:00+01");
    check_zone("Asia/Kolkata", "2026-01-01 00:00Z", "2026-01-01 05:30:00+05:30");
}

#[test]
fn text_of_intervals() {
    for (text, expected) in [
        ("1 year 2 months 3 days 04:05:06.7", "1 year 2 mons 3 days 04:05:06.7"),
        ("1 day", "1 day"),
        ("-1 days +02:03:00", "-1 days +02:03:00"),
        ("0", "00:00:00"),
        ("90 minutes", "01:30:00"),
        ("1.5 days", "1 day 12:00:00"),
        ("1.5 months", "1 mon 15 days"),
        ("1.5 years", "1 year 6 mons"),
        ("2 weeks", "14 days"),
        ("P1Y2M3DT4H5M6S", "1 year 2 mons 3 days 04:05:06"),
        ("PT36H", "36:00:00"),
        ("1 day ago", "-1 days"),
        ("1-2", "1 year 2 mons"),
        ("100 ms", "00:00:00.1"),
        ("3 04:05:06", "3 days 04:05:06"),
        ("-00:00:01.5", "-00:00:01.5"),
        ("1 fortnight", "22007 invalid input syntax for type interval: \"1 fortnight\""),
        ("", "22007 invalid input syntax for type interval: \"\""),
    ] {
        check(DataType::Interval, text, expected);
    }
}

#[test]
fn text_of_other_scalars() {
    let uuid = "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11";
    check(DataType::Uuid, "{A0EEBC99-9C0B4EF8-BB6D6BB9-BD380A11}", uuid);
    check(DataType::Uuid, "a0eebc999c0b4ef8bb6d6bb9bd380a11", uuid);
    check(DataType::Uuid, "a0eebc99", "22P02 invalid input syntax for type uuid: \"a0eebc99\"");
    check(DataType::Bytea, "\\xDEADbeef", "\\xdeadbeef");
    check(DataType::Bytea, "a\\\\b\\001", "\\x615c6201");
    check(DataType::Bytea, "\\xabc", "22023 invalid hexadecimal data: odd number of digits");
    check(DataType::Varchar(Some(3)), "abc  ", "abc");
    check(DataType::Varchar(Some(3)), "abcd", "22001 value too long for type character varying(3)");
    check(DataType::Name, &"x".repeat(70), &"x".repeat(63));
    check(DataType::Vector(Some(3)), "[1, 2.5,-3e1]", "[1,2.5,-30]");
    check(DataType::Vector(Some(2)), "[1,2,3]", "22000 expected 2 dimensions, not 3");
    check(DataType::Vector(None), "[NaN]", "22000 NaN not allowed in vector");
    check(DataType::Vector(None), "[]", "22000 vector must have at least 1 dimension");
    check(DataType::Vector(None), "1,2", "22P02 invalid input syntax for type vector: \"1,2\"");
    check(DataType::Regtype, "int4[]", "integer[]");
    check(DataType::Regtype, "nope", "42704 type \"nope\" does not exist");
}

#[test]
fn text_of_json() {
    for (text, expected) in [
        (r#"{"b":[1,2],"a":1}"#, r#"{"a": 1, "b": [1, 2]}"#),
        (r#"{"bb":1,"a":2,"c":3}"#, r#"{"a": 2, "c": 3, "bb": 1}"#),
        (r#"{"a":1,"a":2}"#, r#"{"a": 2}"#),
        ("[]", "[]"),
        ("  null ", "null"),
        ("1.50", "1.50"),
        ("1e3", "1000"),
        ("-0", "0"),
        ("123456789012345678901234567890", "123456789012345678901234567890"),
        (r#""a\u00e9\n\"\\\/""#, r#""aé\n\"\\/""#),
        (r#""\ud83d\ude00""#, "\"😀\""),
        (r#""\u0001""#, r#""\u0001""#),
        (r#"{"a":}"#, "22P02 invalid input syntax for type json"),
        ("[1,]", "22P02 invalid input syntax for type json"),
        ("01", "22P02 invalid input syntax for type json"),
        ("{\"a\":1} x", "22P02 invalid input syntax for type json"),
        (r#""\u0000""#, "22P05 unsupported Unicode escape sequence"),
        ("", "22P02 invalid input syntax for type json"),
        ("1e999999", "22003 value overflows numeric format"),
    ] {
        check(DataType::Jsonb, text, expected);
    }
    check(DataType::Jsonb, &"[".repeat(5000), "54001 json is nested deeper than 1000 levels");
    let deep = format!("{}{}", "[".repeat(1000), "]".repeat(1000));
    check(DataType::Jsonb, &deep, &deep);
}

#[test]
fn text_of_arrays() {
    let texts = || DataType::array_of(DataType::Text);
    check(texts(), "{a,\"b c\",NULL,\"NULL\",\"\",x\\,y}", "{a,\"b c\",NULL,\"NULL\",\"\",\"x,y\"}");
    check(texts(), "{}", "{}");
    check(texts(), " { a , \"q\\\"r\" } ", "{a,\"q\\\"r\"}");
    check(DataType::array_of(DataType::Int4), "{1,2,-3}", "{1,2,-3}");
    check(DataType::array_of(DataType::Int4), "[1:2]={1,2}", "{1,2}");
    check(DataType::array_of(DataType::Int4), "{1,x}", "22P02 invalid input syntax for type integer: \"x\"");
    check(texts(), "{a", "22P02 malformed array literal: \"{a\"");
    check(texts(), "a,b", "22P02 malformed array literal: \"a,b\"");
    check(texts(), "{a}}", "22P02 malformed array literal: \"{a}}\"");
    check(texts(), "{{a},{b}}", "0A000 an array of more than one dimension is not supported");
}

#[test]
fn names_and_oids() {
    for (name, oid) in
        [("int4", 23), ("integer", 23), ("bigint", 20), ("timestamptz", 1184), ("text[]", 1009), ("_int4", 1007)]
    {
        assert_eq!(type_oid(&type_from_name(name).expect(name)), oid, "{name}");
    }
    for ty in all_types() {
        if ty != DataType::Record {
            assert_eq!(type_from_oid(type_oid(&ty)).as_ref(), Some(&ty));
        }
        assert_eq!(type_from_name(&type_name(&ty)).as_ref(), Some(&ty), "{}", type_name(&ty));
    }
    assert_eq!(type_name(&DataType::Numeric(Some((10, 2)))), "numeric(10,2)");
    assert_eq!(type_name(&DataType::array_of(DataType::Timestamptz)), "timestamp with time zone[]");
    assert_eq!(type_modifier(&DataType::Varchar(Some(10))), 14);
    assert_eq!(type_modifier(&DataType::Numeric(Some((10, 2)))), 655_366);
    let negative = DataType::Numeric(Some((3, -2)));
    assert_eq!(names::with_modifier(DataType::Numeric(None), type_modifier(&negative)), negative);
    assert_eq!(type_oid(&DataType::Node), 3802);
    assert_eq!(type_oid(&DataType::array_of(DataType::Any)), 3802);
    assert_eq!(type_from_name("nope"), None);
}

fn binary(ty: &DataType, text: &str) -> Vec<u8> {
    let exec = context(&[]);
    let eval = EvalContext::new(&exec);
    let value = from_text(&eval, text, ty).expect(text);
    let mut out = Vec::new();
    to_binary(&eval, &value, ty, &mut out).expect("binary output");
    let read = from_binary(&out, ty).expect("binary input");
    assert_eq!(to_text(&eval, &read, ty).expect("text"), to_text(&eval, &value, ty).expect("text"), "{text}");
    out
}

#[test]
fn wire_forms() {
    assert_eq!(binary(&DataType::Int4, "258"), [0, 0, 1, 2]);
    assert_eq!(binary(&DataType::Bool, "t"), [1]);
    assert_eq!(binary(&DataType::Date, "2000-01-02"), [0, 0, 0, 1]);
    assert_eq!(binary(&DataType::Timestamptz, "2000-01-01 00:00:01Z"), 1_000_000i64.to_be_bytes());
    assert_eq!(binary(&DataType::Timestamptz, "infinity"), i64::MAX.to_be_bytes());
    assert_eq!(binary(&DataType::Jsonb, "{\"a\":1}"), b"\x01{\"a\": 1}");
    assert_eq!(binary(&DataType::Vector(None), "[1,2]"), [0, 2, 0, 0, 0x3f, 0x80, 0, 0, 0x40, 0, 0, 0]);
    // 12345.678: digits 1, 2345, 6780; weight 1; scale 3.
    let numeric = DataType::Numeric(None);
    assert_eq!(binary(&numeric, "12345.678"), [0, 3, 0, 1, 0, 0, 0, 3, 0, 1, 9, 41, 26, 124]);
    assert_eq!(binary(&numeric, "0.00"), [0, 0, 0, 0, 0, 0, 0, 2]);
    assert_eq!(binary(&numeric, "-0.0001"), [0, 1, 0xff, 0xff, 0x40, 0, 0, 4, 0, 1]);
    assert_eq!(binary(&numeric, "10000"), [0, 1, 0, 1, 0, 0, 0, 0, 0, 1]);
    binary(&numeric, "NaN");
    binary(&numeric, "123456789012345678901234567890.000000000000000000001000");
    binary(&DataType::Interval, "1 year -2 days 03:04:05.6");
    binary(&DataType::Uuid, "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11");
    binary(&DataType::Bytea, "\\x00ff");
    assert_eq!(
        binary(&DataType::array_of(DataType::Int4), "{1,NULL}"),
        [0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 23, 0, 0, 0, 2, 0, 0, 0, 1, 0, 0, 0, 4, 0, 0, 0, 1, 255, 255, 255, 255]
    );
    binary(&DataType::array_of(DataType::Text), "{}");
    binary(&DataType::array_of(DataType::Timestamptz), "{\"2026-01-02 00:00:00+00\"}");
}

#[test]
fn binary_values_outside_of_postgresqls_range_are_refused() {
    #[track_caller]
    fn refused(ty: &DataType, bytes: &[u8], code: &str) {
        let error = from_binary(bytes, ty).expect_err("outside of the range");
        assert_eq!(error.sqlstate(), code, "{error}");
    }
    for ty in [DataType::Timestamp, DataType::Timestamptz] {
        refused(&ty, &(-211_813_488_000_000_001i64).to_be_bytes(), "22008");
        refused(&ty, &9_223_371_331_200_000_000i64.to_be_bytes(), "22008");
        refused(&ty, &(i64::MAX - 1).to_be_bytes(), "22008");
        refused(&ty, &(i64::MIN + 1).to_be_bytes(), "22008");
        assert!(from_binary(&(-211_813_488_000_000_000i64).to_be_bytes(), &ty).is_ok(), "4714-11-24 BC");
    }
    refused(&DataType::Date, &(-2_451_546i32).to_be_bytes(), "22008");
    refused(&DataType::Date, &2_145_031_949i32.to_be_bytes(), "22008");
    assert_eq!(from_binary(&(-2_451_545i32).to_be_bytes(), &DataType::Date).unwrap(), Value::Date(-2_440_588));
    assert_eq!(from_binary(&2_145_031_948i32.to_be_bytes(), &DataType::Date).unwrap(), Value::Date(2_145_042_905));
    let numeric = DataType::Numeric(None);
    refused(&numeric, &[0, 1, 0, 0, 0x12, 0x34, 0, 0, 0, 1], "22P03");
    refused(&numeric, &[0, 1, 0, 0, 0, 0, 0x40, 0, 0, 1], "22P03");
    refused(&numeric, &[0, 1, 0, 0, 0, 0, 0, 0, 0x27, 0x10], "22P03");
    refused(&numeric, &[0, 2, 0, 0, 0, 0, 0, 0, 0, 1], "22P03");
    // 12345 does not fit numeric(4,0).
    refused(&DataType::Numeric(Some((4, 0))), &[0, 2, 0, 1, 0, 0, 0, 0, 0, 1, 0x09, 0x29], "22003");
}

#[test]
fn hostile_binary_never_panics() {
    let mut random = StdRng::seed_from_u64(7);
    for round in 0..4_000 {
        let length = random.random_range(0..40usize);
        let mut bytes: Vec<u8> = (0..length).map(|_| random.random::<u8>()).collect();
        // Half of them with small numbers, so that headers are often plausible.
        if round % 2 == 0 {
            for byte in &mut bytes {
                *byte %= 4;
            }
        }
        for ty in all_types() {
            let _ = from_binary(&bytes, &ty);
        }
    }
    let huge_count = [0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 23, 0x7f, 0xff, 0xff, 0xff, 0, 0, 0, 1];
    assert!(from_binary(&huge_count, &DataType::array_of(DataType::Int4)).is_err());
    let cut = [0, 0, 0];
    let error = from_binary(&cut, &DataType::Int4).expect_err("three bytes are no integer");
    assert_eq!(error.sqlstate(), "22P03");
}

#[test]
fn hostile_text_never_panics() {
    const PIECES: &[&str] = &[
        "1",
        "99999999999999999999",
        "-",
        "+",
        ".",
        ":",
        "e",
        "E9",
        " ",
        "{",
        "}",
        "[",
        "]",
        "\"",
        "\\",
        ",",
        "/",
        "T",
        "Z",
        "jan",
        "bc",
        "pm",
        "day",
        "years",
        "ago",
        "P",
        "Y",
        "null",
        "é",
        "\u{0}",
        "x",
        "2026-01-02",
        "04:05:06.7",
        "infinity",
        "Europe/Berlin",
        "u00",
        "0",
    ];
    let exec = context(&[]);
    let eval = EvalContext::new(&exec);
    let mut random = StdRng::seed_from_u64(11);
    for _ in 0..6_000 {
        let count = random.random_range(0..8usize);
        let text: String = (0..count).map(|_| PIECES[random.random_range(0..PIECES.len())]).collect();
        for ty in all_types() {
            // Names of relations need a catalog.
            let element = match &ty {
                DataType::Array(element) => element,
                ty => ty,
            };
            if matches!(element, DataType::Regclass | DataType::Regnamespace) {
                continue;
            }
            if let Ok(value) = from_text(&eval, &text, &ty) {
                let shown = to_text(&eval, &value, &ty).expect("what was read can be printed");
                let again = from_text(&eval, &shown, &ty).expect("what was printed can be read");
                assert!(compare_sql(&value, &again).is_eq(), "{} {text:?} {shown:?}", type_name(&ty));
            }
        }
    }
}

#[test]
fn order_of_values() {
    let exec = context(&[]);
    let eval = EvalContext::new(&exec);
    let sorted = |ty: DataType, texts: &[&str]| {
        let values: Vec<Value> = texts.iter().map(|text| from_text(&eval, text, &ty).expect(text)).collect();
        for pair in values.windows(2) {
            assert_eq!(compare_sql(&pair[0], &pair[1]), Ordering::Less, "{pair:?}");
            assert_eq!(compare_sql(&pair[1], &pair[0]), Ordering::Greater, "{pair:?}");
        }
    };
    sorted(DataType::Float8, &["-Infinity", "-1", "0", "1", "Infinity", "NaN"]);
    sorted(DataType::Numeric(None), &["-Infinity", "-1.5", "0.00", "1e-9", "2", "Infinity", "NaN"]);
    sorted(DataType::Text, &["", "A", "B", "a", "aa", "é"]);
    sorted(DataType::Interval, &["-1 day", "29 days", "1 month 1 second", "31 days"]);
    sorted(
        DataType::Jsonb,
        &[
            "[]",
            "null",
            "\"\"",
            "\"a\"",
            "\"b\"",
            "1",
            "1.5",
            "2",
            "false",
            "true",
            "[1]",
            "[2]",
            "[1,1]",
            "{}",
            "{\"a\":1}",
            "{\"a\":2}",
            "{\"b\":0}",
            "{\"a\":0,\"b\":0}",
        ],
    );
    sorted(DataType::array_of(DataType::Int4), &["{}", "{1}", "{1,2}", "{1,NULL}", "{2}"]);
    sorted(DataType::Vector(None), &["[1]", "[1,2]", "[2]"]);
    assert_eq!(compare_sql(&Value::Float(0.0), &Value::Float(-0.0)), Ordering::Equal);
    let big = Value::Int(9_007_199_254_740_993);
    assert_eq!(compare_sql(&big, &Value::Float(9_007_199_254_740_992.0)), Ordering::Greater);
    assert_eq!(compare_sql(&Value::Int(i64::MAX), &Value::Float(9.3e18)), Ordering::Less);
    let month = from_text(&eval, "1 month", &DataType::Interval).expect("interval");
    let days = from_text(&eval, "30 days", &DataType::Interval).expect("interval");
    assert_eq!(compare_sql(&month, &days), Ordering::Equal);
}

#[test]
fn json_of_values() {
    let exec = context(&[]);
    let eval = EvalContext::new(&exec);
    let cypher = |value: Value| format_json(&to_json(&eval, &value).expect("json"));
    assert_eq!(cypher(Value::Float(1.0)), "1.0");
    assert_eq!(cypher(Value::Float(0.1)), "0.1");
    assert_eq!(cypher(Value::Float(1e21)), "1000000000000000000000.0");
    assert_eq!(cypher(Value::Float(f64::NAN)), "\"NaN\"");
    assert_eq!(cypher(Value::Float(f64::NEG_INFINITY)), "\"-Infinity\"");
    assert_eq!(cypher(Value::Timestamp(1_500_000)), "\"1970-01-01T00:00:01.5Z\"");
    assert_eq!(cypher(Value::Date(1)), "\"1970-01-02\"");
    assert_eq!(cypher(Value::list(vec![Value::Int(1), Value::Null, Value::from("a")])), "[1, null, \"a\"]");
    let interval = from_text(&eval, "1 day 2 hours", &DataType::Interval).expect("interval");
    assert_eq!(cypher(interval), "\"P1DT2H\"");
    let sql = |value: &Value, ty: DataType| format_json(&to_json_typed(&eval, value, &ty).expect("json"));
    assert_eq!(sql(&Value::Float(1.0), DataType::Float8), "1");
    assert_eq!(sql(&Value::Timestamp(1_500_000), DataType::Timestamptz), "\"1970-01-01T00:00:01.5+00:00\"");
    assert_eq!(sql(&Value::Timestamp(1_500_000), DataType::Timestamp), "\"1970-01-01T00:00:01.5\"");
    assert_eq!(sql(&Value::Int(5), DataType::Oid), "\"5\"");
}
