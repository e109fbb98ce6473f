use sinew_storage::{DataType, Value};

use super::testing::{call, call_with, cast, context, operate};
use super::*;
use crate::batch::Column;
use crate::types;

fn op(words: &[&str], expected: &str) {
    assert_eq!(operate(words), expected, "{words:?}");
}

fn f(name: &str, args: &[&str], expected: &str) {
    assert_eq!(call(name, args), expected, "{name}{args:?}");
}

#[test]
fn operator_resolution() {
    op(&["int4:1", "+", "numeric:1.5"], "numeric:2.5");
    op(&["'1", "+", "int4:1"], "int4:2");
    op(&["int2:1", "+", "int8:1"], "int8:2");
    op(&["int4:1", "+", "float8:0.5"], "float8:1.5");
    op(&["float4:0.5", "+", "float4:0.25"], "float4:0.75");
    op(&["numeric:1", "+", "float8:0.5"], "float8:1.5");
    op(&["'a", "||", "int4:1"], "text:a1");
    op(&["int4:1", "||", "'a"], "text:1a");
    op(&["'a", "||", "'b"], "text:ab");
    op(&["text:a", "||", "varchar:b"], "text:ab");
    op(&["jsonb:{\"a\":1}", "||", "'{\"b\":2}"], "jsonb:{\"a\": 1, \"b\": 2}");
    op(&["int4[]:{1}", "||", "int4:2"], "_int4:{1,2}");
    op(&["int4:0", "||", "int4[]:{1}"], "_int4:{0,1}");
    op(&["int4[]:{1}", "||", "'{2,3}"], "_int4:{1,2,3}");
    op(&["timestamptz:2026-01-02", "-", "interval:1 day"], "timestamptz:2026-01-01 00:00:00+00");
    op(&["date:2026-01-02", "-", "date:2025-12-31"], "int4:2");
    op(&["date:2026-01-31", "+", "int4:1"], "date:2026-02-01");
    op(&["date:2026-01-31", "+", "interval:1 month"], "timestamp:2026-02-28 00:00:00");
    op(&["oid:5", "=", "int4:5"], "bool:t");
    op(&["varchar:a", "=", "'a"], "bool:t");
    op(&["text:a", "=", "name:a"], "bool:t");
    op(&["int4:1", "=", "numeric:1.00"], "bool:t");
    op(&["date:2026-01-02", "<", "timestamptz:2026-01-02 00:00:01"], "bool:t");
    op(&["text:a", "+", "int4:1"], "42883 operator does not exist: text + integer");
    op(&["bool:t", "+", "bool:t"], "42883 operator does not exist: boolean + boolean");
    op(&["-", "text:a"], "42883 operator does not exist: - text");
    op(&["'1", "+", "'2"], "42725 operator is not unique: unknown + unknown");
    op(&["int4:1", "+", "NULL"], "int4:NULL");
    op(&["text:a", "@@@", "text:b"], "0A000 operator @@@ requires a bm25 index");
}

#[test]
fn function_resolution() {
    f("round", &["numeric:2.5"], "numeric:3");
    f("round", &["int4:2"], "float8:2");
    f("round", &["float8:2.5"], "float8:2");
    f("abs", &["'-5"], "float8:5");
    f("length", &["'abc"], "int4:3");
    f("int4", &["'12"], "int4:12");
    f("text", &["int4:12"], "text:12");
    f("date", &["timestamp:2026-01-02 03:04"], "date:2026-01-02");
    f("foo", &["int4:1", "'x"], "42883 function foo(integer, unknown) does not exist");
    f("greatest", &["int4:1", "numeric:2.5", "NULL"], "numeric:2.5");
    f("least", &["int4:3", "int8:2"], "int8:2");
    f("concat", &["int4:1", "NULL", "bool:t", "'x"], "text:1tx");
    f("concat_ws", &["',", "int4:1", "NULL", "'x"], "text:1,x");
    f("pg_typeof", &["int8:1"], "regtype:bigint");
    f("lower", &["int4:1"], "42883 function lower(integer) does not exist");
    let error = resolve_function("lowerr", &[DataType::Text]).expect_err("no such function");
    assert_eq!(error.0.hint.as_deref(), Some("Perhaps you meant the function \"lower\"."));
    let error = resolve_function("lower", &[DataType::Int4]).expect_err("no such overload");
    assert!(error.0.hint.as_deref().is_some_and(|hint| hint.starts_with("No function matches")));
}

#[test]
fn no_needless_casts() {
    let resolved = resolve_operator("=", Some(&DataType::Varchar(Some(5))), &DataType::Unknown).expect("=");
    assert_eq!(resolved.args, [DataType::Varchar(Some(5)), DataType::Text]);
    let resolved = resolve_operator("+", Some(&DataType::Numeric(Some((5, 2)))), &DataType::Int4).expect("+");
    assert_eq!(resolved.args, [DataType::Numeric(Some((5, 2))), DataType::Numeric(None)]);
}

#[test]
fn integer_arithmetic() {
    op(&["int4:7", "/", "int4:-2"], "int4:-3");
    op(&["int4:-7", "%", "int4:3"], "int4:-1");
    op(&["int8:2", "/", "int8:0"], "22012 division by zero");
    op(&["int4:2147483647", "+", "int4:1"], "22003 integer out of range");
    op(&["int2:32767", "+", "int2:1"], "22003 smallint out of range");
    op(&["int8:9223372036854775807", "*", "int8:2"], "22003 bigint out of range");
    op(&["int4:-2147483648", "/", "int4:-1"], "22003 integer out of range");
    op(&["int8:-9223372036854775808", "%", "int8:-1"], "int8:0");
    op(&["-", "int4:-2147483648"], "22003 integer out of range");
    op(&["@", "int4:-5"], "int4:5");
    op(&["int4:6", "&", "int4:3"], "int4:2");
    op(&["int4:6", "#", "int4:3"], "int4:5");
    op(&["int4:1", "<<", "int4:4"], "int4:16");
    op(&["~", "int4:0"], "int4:-1");
}

#[test]
fn float_and_numeric_arithmetic() {
    op(&["float8:1", "/", "float8:0"], "22012 division by zero");
    op(&["float8:1e308", "*", "float8:10"], "22003 value out of range: overflow");
    op(&["float8:NaN", "=", "float8:NaN"], "bool:t");
    op(&["float8:NaN", ">", "float8:Infinity"], "bool:t");
    op(&["float8:2", "^", "float8:10"], "float8:1024");
    op(&["int4:2", "^", "int4:3"], "float8:8");
    op(&["|/", "float8:25"], "float8:5");
    op(&["numeric:1", "/", "numeric:3"], "numeric:0.33333333333333333333");
    op(&["numeric:10", "/", "numeric:3"], "numeric:3.3333333333333333");
    op(&["numeric:2", "/", "numeric:3"], "numeric:0.66666666666666666667");
    op(&["numeric:100000", "/", "numeric:7"], "numeric:14285.714285714286");
    op(&["numeric:1.10", "*", "numeric:2.0"], "numeric:2.200");
    op(&["numeric:1.10", "+", "numeric:2"], "numeric:3.10");
    op(&["numeric:5.5", "%", "numeric:2"], "numeric:1.5");
    op(&["numeric:-5.5", "%", "numeric:2"], "numeric:-1.5");
    op(&["numeric:1", "/", "numeric:0"], "22012 division by zero");
    op(&["numeric:Infinity", "-", "numeric:Infinity"], "numeric:NaN");
    op(&["numeric:2", "^", "numeric:3"], "numeric:8.0000000000000000");
    op(&["numeric:2", "^", "numeric:0.5"], "numeric:1.4142135623730950");
    op(&["-", "numeric:0.00"], "numeric:0.00");
}

#[test]
fn mathematics() {
    f("round", &["numeric:2.345", "int4:2"], "numeric:2.35");
    f("round", &["numeric:1250", "int4:-2"], "numeric:1300");
    f("round", &["numeric:-2.5"], "numeric:-3");
    f("trunc", &["numeric:-2.567", "int4:1"], "numeric:-2.5");
    f("ceil", &["numeric:-1.5"], "numeric:-1");
    f("floor", &["float8:-1.5"], "float8:-2");
    f("sqrt", &["numeric:2"], "numeric:1.414213562373095");
    f("sqrt", &["int4:16"], "float8:4");
    f("sqrt", &["float8:-1"], "2201F cannot take square root of a negative number");
    f("exp", &["numeric:1"], "numeric:2.7182818284590452");
    f("ln", &["numeric:2"], "numeric:0.6931471805599453");
    f("ln", &["numeric:0"], "2201E cannot take logarithm of zero");
    f("ln", &["numeric:1e1000"], "numeric:2302.5850929940457");
    f("ln", &["numeric:0.5"], "numeric:-0.6931471805599453");
    f("ln", &["numeric:1.0000000001"], "numeric:0.00000000009999999999500000");
    f("exp", &["numeric:-1"], "numeric:0.3678794411714423");
    f("exp", &["numeric:100000"], "22003 value overflows numeric format");
    f("power", &["numeric:2", "numeric:-2"], "numeric:0.2500000000000000");
    f(
        "power",
        &["numeric:-8", "numeric:0.5"],
        "2201F a negative number raised to a non-integer power yields a complex result",
    );
    f("log", &["numeric:100"], "numeric:2.0000000000000000");
    f("log", &["numeric:2", "numeric:64"], "numeric:6.0000000000000000");
    f("power", &["numeric:2.5", "numeric:2"], "numeric:6.2500000000000000");
    f("mod", &["int4:7", "int4:3"], "int4:1");
    f("div", &["numeric:7.5", "numeric:2"], "numeric:3");
    f("sign", &["numeric:-3"], "numeric:-1");
    f("factorial", &["int8:5"], "numeric:120");
    f("gcd", &["int4:12", "int4:18"], "int4:6");
    f("width_bucket", &["float8:5.35", "float8:0.024", "float8:10.06", "int4:5"], "int4:3");
    f("pi", &[], "float8:3.141592653589793");
    f("trim_scale", &["numeric:8.4100"], "numeric:8.41");
    f("scale", &["numeric:8.4100"], "int4:4");
}

#[test]
fn casts() {
    for (from, to, expected) in [
        ("numeric:2.5", "int4", "int4:3"),
        ("numeric:-2.5", "int4", "int4:-3"),
        ("float8:2.5", "int4", "int4:2"),
        ("float8:3.5", "int4", "int4:4"),
        ("float8:1e10", "int4", "22003 integer out of range"),
        ("float8:NaN", "int4", "22003 integer out of range"),
        ("numeric:NaN", "int4", "0A000 cannot convert NaN to integer"),
        ("int8:3000000000", "int4", "22003 integer out of range"),
        ("int4:70000", "int2", "22003 smallint out of range"),
        ("float8:0.1", "numeric", "numeric:0.1"),
        ("float8:1e300", "float4", "22003 value out of range: overflow"),
        ("numeric:123.456", "numeric(5,1)", "numeric:123.5"),
        ("numeric:99999", "numeric(4,0)", "22003 numeric field overflow"),
        ("bool:t", "text", "text:true"),
        ("bool:t", "int4", "int4:1"),
        ("int4:0", "bool", "bool:f"),
        ("text:abc", "int4", "22P02 invalid input syntax for type integer: \"abc\""),
        ("text:12", "int4", "int4:12"),
        ("text:abcdef", "varchar(3)", "varchar:abc"),
        ("int4:12345", "varchar(3)", "varchar:123"),
        ("timestamptz:2026-01-02 03:04", "date", "date:2026-01-02"),
        ("date:2026-01-02", "timestamptz", "timestamptz:2026-01-02 00:00:00+00"),
        ("jsonb:1.5", "int4", "int4:2"),
        ("jsonb:true", "bool", "bool:t"),
        ("jsonb:\"a\"", "int4", "22023 cannot cast jsonb string to type integer"),
        ("jsonb:\"a\"", "text", "text:\"a\""),
        ("text:{\"a\":1}", "jsonb", "jsonb:{\"a\": 1}"),
        ("float8[]:{1,2.5}", "vector(2)", "vector:[1,2.5]"),
        ("float8[]:{1,2.5}", "vector(3)", "22000 expected 3 dimensions, not 2"),
        ("vector:[1,2]", "real[]", "_float4:{1,2}"),
        ("int4[]:{1,2}", "text[]", "_text:{1,2}"),
        ("text[]:{1,2}", "int4[]", "_int4:{1,2}"),
        ("int4:65", "\"char\"", "char:A"),
        ("date:2026-01-01", "int4", "42846 cannot cast type date to integer"),
    ] {
        assert_eq!(cast(from, to, true), expected, "{from} to {to}");
    }
    assert_eq!(cast("text:abcd", "varchar(3)", false), "22001 value too long for type character varying(3)");
    use CastContext::*;
    for (from, to, context, expected) in [
        (DataType::Int4, DataType::Int8, Implicit, true),
        (DataType::Int8, DataType::Int4, Implicit, false),
        (DataType::Int8, DataType::Int4, Assignment, true),
        (DataType::Int4, DataType::Text, Implicit, false),
        (DataType::Int4, DataType::Text, Assignment, true),
        (DataType::Text, DataType::Int4, Assignment, false),
        (DataType::Text, DataType::Int4, Explicit, true),
        (DataType::Int4, DataType::Bool, Assignment, false),
        (DataType::Int4, DataType::Date, Explicit, false),
        (DataType::Unknown, DataType::Uuid, Implicit, true),
        (DataType::Any, DataType::Jsonb, Implicit, true),
        (DataType::Node, DataType::Jsonb, Implicit, true),
        (DataType::Jsonb, DataType::Text, Implicit, false),
        (DataType::array_of(DataType::Int4), DataType::array_of(DataType::Int8), Implicit, true),
        (DataType::array_of(DataType::Int4), DataType::Int4, Explicit, false),
    ] {
        assert_eq!(can_cast(&from, &to, context), expected, "{from:?} to {to:?} {context:?}");
    }
}

#[test]
fn common_types() {
    use DataType::*;
    let common = |types: &[DataType]| common_type(types, "UNION").map_err(|error| error.to_string());
    assert_eq!(common(&[Int4, Int8]), Ok(Int8));
    assert_eq!(common(&[Int4, Numeric(None), Float8]), Ok(Float8));
    assert_eq!(common(&[Unknown, Int4]), Ok(Int4));
    assert_eq!(common(&[Unknown, Unknown]), Ok(Text));
    // Each casts to the other implicitly, so the first stays.
    assert_eq!(common(&[Varchar(Some(3)), Text]), Ok(Varchar(None)));
    assert_eq!(common(&[Text, Varchar(Some(3))]), Ok(Text));
    assert_eq!(common(&[Varchar(Some(3)), Varchar(Some(3))]), Ok(Varchar(Some(3))));
    assert_eq!(common(&[Varchar(Some(3)), Varchar(Some(4))]), Ok(Varchar(None)));
    assert_eq!(common(&[Date, Timestamptz]), Ok(Timestamptz));
    assert_eq!(common(&[Int4, Text]), Err("UNION types integer and text cannot be matched".to_owned()));
}

#[test]
fn like_and_regular_expressions() {
    for (string, pattern, expected) in [
        ("abc", "abc", true),
        ("abc", "a%", true),
        ("abc", "%c", true),
        ("abc", "%b%", true),
        ("abc", "_b_", true),
        ("abc", "b", false),
        ("abc", "%_%_%_%", true),
        ("ab", "%_%_%_%", false),
        ("a%c", "a\\%c", true),
        ("abc", "a\\%c", false),
        ("aXbXc", "a%b%c", true),
        ("é", "_", true),
        ("éa", "_a", true),
        ("", "%", true),
        ("", "_", false),
        ("a\\b", "a\\\\b", true),
        ("mississippi", "m%iss%ip%i", true),
    ] {
        assert_eq!(pattern::like(string, pattern, false).expect("pattern"), expected, "{string} {pattern}");
    }
    op(&["text:ABC", "~~*", "text:a%"], "bool:t");
    op(&["text:abc", "!~~", "text:a%"], "bool:f");
    op(&["text:bc", "~~", "text:b\\"], "22025 LIKE pattern must not end with escape character");
    f("like_escape", &["text:a#%b", "text:#"], "text:a\\%b");
    op(&["text:foobar", "~", "text:^foo"], "bool:t");
    op(&["text:FOO", "~*", "text:foo"], "bool:t");
    op(&["text:a\nb", "~", "text:a.b"], "bool:t");
    op(&["text:a b", "~", "text:\\mb\\M"], "bool:t");
    op(&["text:a", "~", "text:("], "2201B invalid regular expression: parentheses () not balanced");
    op(&["text:aa", "~", "text:(a)\\1"], "0A000 a regular expression with back references is not supported");
    f("regexp_replace", &["text:foobarbaz", "text:b..", "text:X"], "text:fooXbaz");
    f("regexp_replace", &["text:foobarbaz", "text:b(..)", "text:X\\1Y", "text:g"], "text:fooXarYXazY");
    f("regexp_match", &["text:foobarbequebaz", "text:(bar)(beque)"], "_text:{bar,beque}");
    f("regexp_match", &["text:abc", "text:x"], "_text:NULL");
    f("regexp_split_to_array", &["text:hello world", "text:\\s+"], "_text:{hello,world}");
    f("regexp_count", &["text:abcabc", "text:b"], "int4:2");
    f("substring", &["text:foobar", "text:o(.)b"], "text:o");
    f("similar_to_escape", &["text:a%_(b|c)"], "text:^(?:a.*.(?:b|c))$");
}

#[test]
fn strings() {
    f("substr", &["text:alphabet", "int4:3", "int4:2"], "text:ph");
    f("substr", &["text:abc", "int4:-1", "int4:3"], "text:a");
    f("substring", &["text:abc", "int4:2"], "text:bc");
    f("substr", &["text:abc", "int4:1", "int4:-1"], "22011 negative substring length not allowed");
    f("position", &["text:Thomas", "text:om"], "int4:3");
    f("strpos", &["text:high", "text:ig"], "int4:2");
    f("left", &["text:abcde", "int4:-2"], "text:abc");
    f("right", &["text:abcde", "int4:-2"], "text:cde");
    f("lpad", &["text:hi", "int4:5", "text:xy"], "text:xyxhi");
    f("rpad", &["text:hi", "int4:1"], "text:h");
    f("btrim", &["text:xyxtrimyyx", "text:xyz"], "text:trim");
    f("split_part", &["text:a,b,c", "text:,", "int4:2"], "text:b");
    f("split_part", &["text:a,b,c", "text:,", "int4:-1"], "text:c");
    f("initcap", &["text:hi THOMAS"], "text:Hi Thomas");
    f("translate", &["text:12345", "text:143", "text:ax"], "text:a2x5");
    f("overlay", &["text:Txxxxas", "text:hom", "int4:2", "int4:4"], "text:Thomas");
    f("reverse", &["text:abcé"], "text:écba");
    f("repeat", &["text:Pg", "int4:3"], "text:PgPgPg");
    f("repeat", &["text:Pg", "int4:2000000000"], "54000 requested length too large");
    f("md5", &["text:abc"], "text:900150983cd24fb0d6963f7d28e17f72");
    f("md5", &["text:"], "text:d41d8cd98f00b204e9800998ecf8427e");
    f("sha256", &["bytea:abc"], "bytea:\\xba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    f("encode", &["bytea:123\\000\\001", "text:base64"], "text:MTIzAAE=");
    f("decode", &["text:MTIzAAE=", "text:base64"], "bytea:\\x3132330001");
    f("encode", &["bytea:\\x1f", "text:hex"], "text:1f");
    f("quote_ident", &["text:Foo bar"], "text:\"Foo bar\"");
    f("quote_ident", &["text:select"], "text:\"select\"");
    f("quote_literal", &["text:O'Reilly"], "text:'O''Reilly'");
    f("quote_literal", &["float8:42.5"], "text:'42.5'");
    f("quote_nullable", &["NULL"], "text:NULL");
    f("format", &["text:Hello %s, %1$s %I %L", "text:World", "text:A b"], "22023 too few arguments for format()");
    f("format", &["text:%s=%I:%L|%5s|%-5s|", "'a", "'B", "NULL", "'x", "'y"], "text:a=\"B\":NULL|    x|y    |");
    f("string_to_array", &["text:xx~~yy~~zz", "text:~~", "text:yy"], "_text:{xx,NULL,zz}");
    f("string_to_array", &["text:abc", "NULL"], "_text:{a,b,c}");
    f("array_to_string", &["int4[]:{1,2,NULL,5}", "text:,", "text:*"], "text:1,2,*,5");
    f("chr", &["int4:65"], "text:A");
    f("get_byte", &["bytea:\\x0aff", "int4:1"], "int4:255");
    f("get_byte", &["bytea:\\x0aff", "int4:2"], "2202E index 2 out of valid range, 0..1");
    f("set_byte", &["bytea:\\x0aff", "int4:0", "int4:258"], "bytea:\\x02ff");
    f("lcm", &["int4:6", "int4:4"], "int4:12");
    f("lcm", &["int4:65537", "int4:65536"], "22003 integer out of range");
    f("lcm", &["int8:65537", "int4:65536"], "int8:4295032832");
    f("translate", &["text:aab", "text:aa", "text:xy"], "text:xxb");
    f("replace", &["text:abc", "text:", "text:x"], "text:abc");
    f("regexp_replace", &["text:a.b.c", "text:[.]", "text:\\\\[\\&]", "text:g"], "text:a\\[.]b\\[.]c");
    f("lpad", &["text:a", "int4:70000000", "text:b"], "54000 requested length too large");
    f("ascii", &["text:x"], "int4:120");
    f("to_hex", &["int4:255"], "text:ff");
    f("starts_with", &["text:alphabet", "text:alph"], "bool:t");
    f("replace", &["text:abcdefabcdef", "text:cd", "text:XX"], "text:abXXefabXXef");
    f("length", &["text:jösé"], "int4:4");
    f("octet_length", &["text:jösé"], "int4:6");
}

#[test]
fn to_char_of_numbers() {
    for (number, template, expected) in [
        ("125", "999", " 125"),
        ("-125", "999", "-125"),
        ("125.8", "999D9", " 125.8"),
        ("-0.1", "99.99", "  -.10"),
        ("0.1", "0.9", " 0.1"),
        ("12", "9990999.9", "    0012.0"),
        ("12", "FM9990999.9", "0012."),
        ("485", "9 9 9", " 4 8 5"),
        ("1485", "9,999", " 1,485"),
        ("3148.5", "9G999D999", " 3,148.500"),
        ("485", "FM999", "485"),
        ("485", "999S", "485+"),
        ("-485", "999MI", "485-"),
        ("-485", "999PR", "<485>"),
        ("485", "L999", "  485"),
        ("482", "999th", " 482nd"),
        ("485", "\"Good number:\"999", "Good number: 485"),
        ("12345", "999", " ###"),
        ("1234567.891", "FM9,999,999.00", "1,234,567.89"),
        ("5", "00", " 05"),
    ] {
        assert_eq!(
            call("to_char", &[&format!("numeric:{number}"), &format!("text:{template}")]),
            format!("text:{expected}"),
            "{template}"
        );
    }
    f("to_number", &["text:12,454.8-", "text:99G999D9S"], "numeric:-12454.8");
}

#[test]
fn dates() {
    let t = "timestamp:2001-02-16 20:38:40.12";
    f("extract", &["text:year", t], "numeric:2001");
    f("extract", &["text:second", t], "numeric:40.120000");
    f("extract", &["text:milliseconds", t], "numeric:40120.000");
    f("extract", &["text:epoch", "timestamptz:2001-02-16 20:38:40.12Z"], "numeric:982355920.120000");
    f("extract", &["text:week", t], "numeric:7");
    f("extract", &["text:dow", t], "numeric:5");
    f("extract", &["text:isodow", "timestamp:2001-02-18"], "numeric:7");
    f("extract", &["text:doy", t], "numeric:47");
    f("extract", &["text:century", "timestamp:2000-12-16"], "numeric:20");
    f("extract", &["text:quarter", t], "numeric:1");
    f("extract", &["text:days", "interval:40 days 1 minute"], "numeric:40");
    f("extract", &["text:epoch", "interval:5 days 3 hours"], "numeric:442800.000000");
    f("extract", &["text:nope", t], "22023 unit \"nope\" not recognized for type timestamp without time zone");
    f("date_part", &["text:hour", "interval:4 hours 3 minutes"], "float8:4");
    f("date_part", &["'hour", "date:2026-01-02"], "float8:0");
    f("date_trunc", &["text:hour", t], "timestamp:2001-02-16 20:00:00");
    f("date_trunc", &["text:week", t], "timestamp:2001-02-12 00:00:00");
    f("date_trunc", &["text:quarter", "timestamp:2026-05-05"], "timestamp:2026-04-01 00:00:00");
    f("date_trunc", &["text:month", "interval:1 year 2 months 3 days"], "interval:1 year 2 mons");
    assert_eq!(
        call_with(&[("timezone", "America/New_York")], "date_trunc", &["text:day", "timestamptz:2026-07-01 12:00Z"]),
        "timestamptz:2026-07-01 00:00:00-04"
    );
    f("age", &["timestamp:2001-04-10", "timestamp:1957-06-13"], "interval:43 years 9 mons 27 days");
    f("age", &["timestamp:2026-03-31", "timestamp:2026-02-28"], "interval:1 mon 3 days");
    f("make_date", &["int4:2013", "int4:7", "int4:15"], "date:2013-07-15");
    f("make_date", &["int4:2013", "int4:2", "int4:30"], "22008 date field value out of range: 2013-02-30");
    f("make_interval", &["int4:0", "int4:0", "int4:0", "int4:10"], "interval:10 days");
    f(
        "make_timestamp",
        &["int4:2013", "int4:7", "int4:15", "int4:8", "int4:15", "float8:23.5"],
        "timestamp:2013-07-15 08:15:23.5",
    );
    f("to_timestamp", &["float8:1284352323"], "timestamptz:2010-09-13 04:32:03+00");
    f("now", &[], "timestamptz:2026-01-02 03:04:05.678901+00");
    f("current_date", &[], "date:2026-01-02");
    f("timezone", &["text:America/Denver", "timestamp:2001-02-16 20:38:40"], "timestamptz:2001-02-17 03:38:40+00");
    f("timezone", &["text:America/Denver", "timestamptz:2001-02-16 20:38:40-05"], "timestamp:2001-02-16 18:38:40");
    f("timezone", &["text:Mars/Base", "timestamptz:now"], "22023 time zone \"Mars/Base\" not recognized");
    f("justify_interval", &["interval:35 days 30 hours"], "interval:1 mon 6 days 06:00:00");
    f(
        "date_bin",
        &["interval:15 minutes", "timestamp:2020-02-11 15:44:17", "timestamp:2001-01-01"],
        "timestamp:2020-02-11 15:30:00",
    );
    op(&["interval:1 hour", "*", "int4:3"], "interval:03:00:00");
    op(&["interval:1 month", "/", "int4:2"], "interval:15 days");
    op(&["timestamp:2026-03-01", "-", "timestamp:2026-02-01 12:00"], "interval:27 days 12:00:00");
    op(&["timestamp:infinity", "+", "interval:1 day"], "timestamp:infinity");
}

#[test]
fn to_char_of_times() {
    let t = "timestamptz:2026-01-02 15:04:05.678Z";
    f("to_char", &[t, "text:YYYY-MM-DD HH24:MI:SS.MS"], "text:2026-01-02 15:04:05.678");
    f("to_char", &[t, "text:Day, DDth Month YYYY"], "text:Friday   , 02nd January   2026");
    f("to_char", &[t, "text:FMDay, FMDDth FMMonth YYYY"], "text:Friday, 2nd January 2026");
    f("to_char", &[t, "text:HH12:MI AM TZ OF"], "text:03:04 PM UTC +00");
    f("to_char", &[t, "text:IYYY-IW-ID Q DDD J"], "text:2026-01-5 1 002 2461043");
    f("to_char", &[t, "text:\"Year:\" YY Mon mon MON Dy"], "text:Year: 26 Jan jan JAN Fri");
    f("to_char", &["interval:15h 2m 12s", "text:HH24:MI:SS"], "text:15:02:12");
    f("to_timestamp", &["text:05 Dec 2000", "text:DD Mon YYYY"], "timestamptz:2000-12-05 00:00:00+00");
    f(
        "to_timestamp",
        &["text:2026-01-02 03:04:05.5", "text:YYYY-MM-DD HH24:MI:SS.MS"],
        "timestamptz:2026-01-02 03:04:05.5+00",
    );
    f("to_timestamp", &["text:3:04 PM 20260102", "text:HH12:MI AM YYYYMMDD"], "timestamptz:2026-01-02 15:04:00+00");
    f("to_date", &["text:05 Dec 2000", "text:DD Mon YYYY"], "date:2000-12-05");
    f("to_date", &["text:20001205", "text:YYYYMMDD"], "date:2000-12-05");
    f("to_date", &["text:2000-13-01", "text:YYYY-MM-DD"], "22008 date/time field value out of range: \"2000-13-01\"");
    f("to_date", &["text:abc", "text:YYYY"], "22007 invalid value \"abc\" for \"YYYY\"");
}

#[test]
fn jsonb() {
    let j = "jsonb:{\"a\":{\"b\":[10,\"x\",null]},\"c\":true}";
    op(&[j, "->", "'a"], "jsonb:{\"b\": [10, \"x\", null]}");
    op(&[j, "->>", "'c"], "text:true");
    op(&[j, "->", "'zz"], "jsonb:NULL");
    op(&["jsonb:[1,2,3]", "->", "int4:-1"], "jsonb:3");
    op(&["jsonb:[1,2,3]", "->>", "int4:5"], "text:NULL");
    op(&["jsonb:[null]", "->>", "int4:0"], "text:NULL");
    op(&[j, "#>", "'{a,b,1}"], "jsonb:\"x\"");
    op(&[j, "#>>", "'{a,b,1}"], "text:x");
    op(&["json:{\"a\":1}", "->", "'a"], "json:1");
    op(&["jsonb:{\"a\":1,\"b\":2}", "@>", "'{\"b\":2}"], "bool:t");
    op(&["jsonb:[1,2,[3]]", "@>", "'[[3],1]"], "bool:t");
    op(&["jsonb:[1,2]", "@>", "'2"], "bool:t");
    op(&["jsonb:{\"a\":[1]}", "@>", "'{\"a\":1}"], "bool:f");
    op(&["jsonb:1.0", "=", "'1.00"], "bool:t");
    op(&["jsonb:[\"a\",\"b\"]", "?", "'a"], "bool:t");
    op(&["jsonb:{\"a\":1}", "?|", "'{b,a}"], "bool:t");
    op(&["jsonb:{\"a\":1}", "?&", "'{b,a}"], "bool:f");
    op(&["jsonb:[1]", "||", "jsonb:2"], "jsonb:[1, 2]");
    op(&["jsonb:{\"a\":1,\"b\":2}", "-", "text:a"], "jsonb:{\"b\": 2}");
    op(&["jsonb:[1,2,3]", "-", "int4:1"], "jsonb:[1, 3]");
    op(&["jsonb:1", "-", "int4:1"], "22023 cannot delete from scalar");
    op(&[j, "#-", "'{a,b,0}"], "jsonb:{\"a\": {\"b\": [\"x\", null]}, \"c\": true}");
    f("jsonb_set", &["jsonb:[{\"f1\":1},2]", "'{0,f1}", "'[2,3]"], "jsonb:[{\"f1\": [2, 3]}, 2]");
    f("jsonb_set", &["jsonb:{\"a\":1}", "'{b}", "'2", "bool:f"], "jsonb:{\"a\": 1}");
    f("jsonb_insert", &["jsonb:{\"a\":[0,1]}", "'{a,1}", "'9"], "jsonb:{\"a\": [0, 9, 1]}");
    f("jsonb_typeof", &["jsonb:1"], "text:number");
    f("jsonb_array_length", &["jsonb:[1,2]"], "int4:2");
    f("jsonb_array_length", &["jsonb:1"], "22023 cannot get array length of a scalar");
    f("jsonb_build_object", &["'a", "int4:1", "'b", "bool:t"], "jsonb:{\"a\": 1, \"b\": true}");
    f("jsonb_build_object", &["'a"], "22023 argument list must have even number of elements");
    f("jsonb_build_array", &["int4:1", "'x", "NULL", "float8:1.5"], "jsonb:[1, \"x\", null, 1.5]");
    f("to_jsonb", &["text:a"], "jsonb:\"a\"");
    f("to_jsonb", &["int4[]:{1,2}"], "jsonb:[1, 2]");
    f("to_jsonb", &["timestamptz:2026-01-02 03:04Z"], "jsonb:\"2026-01-02T03:04:00+00:00\"");
    f("jsonb_strip_nulls", &["jsonb:{\"a\":null,\"b\":{\"c\":null}}"], "jsonb:{\"b\": {}}");
    f("jsonb_pretty", &["jsonb:{\"a\":[1]}"], "text:{\n    \"a\": [\n        1\n    ]\n}");
    f("jsonb_extract_path_text", &[j, "'a", "'b", "'0"], "text:10");
}

#[test]
fn arrays_and_vectors() {
    f("array_length", &["int4[]:{1,2,3}", "int4:1"], "int4:3");
    f("array_length", &["int4[]:{}", "int4:1"], "int4:NULL");
    f("cardinality", &["int4[]:{}"], "int4:0");
    f("array_append", &["int4[]:{1}", "int4:2"], "_int4:{1,2}");
    f("array_append", &["int4[]:{1}", "int8:2"], "_int8:{1,2}");
    f("array_cat", &["int4[]:{1}", "int4[]:{2}"], "_int4:{1,2}");
    f("array_position", &["text[]:{sun,mon}", "'mon"], "int4:2");
    f("array_remove", &["int4[]:{1,2,3,2}", "int4:2"], "_int4:{1,3}");
    f("array_replace", &["int4[]:{1,2}", "int4:2", "int4:9"], "_int4:{1,9}");
    f("array_fill", &["int4:7", "int4[]:{3}"], "_int4:{7,7,7}");
    op(&["int4[]:{1,4,3}", "@>", "int4[]:{3,1}"], "bool:t");
    op(&["int4[]:{1,4,3}", "&&", "int4[]:{2,3}"], "bool:t");
    op(&["int4[]:{1,2}", "<", "int4[]:{1,3}"], "bool:t");
    op(&["int4[]:{1}", "=", "text[]:{1}"], "42883 operator does not exist: integer[] = text[]");
    op(&["vector:[1,2]", "<->", "vector:[4,6]"], "float8:5");
    op(&["vector:[1,2]", "<#>", "vector:[3,4]"], "float8:-11");
    op(&["vector:[1,0]", "<=>", "'[0,1]"], "float8:1");
    op(&["vector:[1,2]", "+", "vector:[3,4]"], "vector:[4,6]");
    op(&["vector:[1,2]", "<->", "vector:[1]"], "22000 different vector dimensions 2 and 1");
    f("vector_dims", &["vector:[1,2,3]"], "int4:3");
    f("l2_normalize", &["vector:[3,4]"], "vector:[0.6,0.8]");
    f("embed", &["text:abc"], "vector:[3,1]");
    f("token_count", &["text:a b c"], "int4:3");
}

#[test]
fn session_functions() {
    assert!(call("version", &[]).starts_with("text:PostgreSQL 15.0 (Sinew 0.1.0)"));
    f("current_user", &[], "name:ann");
    f("current_database", &[], "name:memory");
    f("current_setting", &["text:server_version"], "text:15.0");
    f("current_setting", &["text:nope"], "42704 unrecognized configuration parameter \"nope\"");
    f("current_setting", &["text:nope", "bool:t"], "text:NULL");
    f("format_type", &["oid:1043", "int4:14"], "text:character varying(10)");
    f("format_type", &["oid:1700", "int4:655366"], "text:numeric(10,2)");
    f("pg_size_pretty", &["int8:10239"], "text:10239 bytes");
    f("pg_size_pretty", &["int8:10240"], "text:10 kB");
    f("pg_size_pretty", &["int8:1234567890"], "text:1177 MB");
    f("pg_size_bytes", &["text:2 kB"], "int8:2048");
}

fn aggregate(name: &str, types: &[DataType], rows: &[Vec<Value>]) -> String {
    let exec = context(&[]);
    let eval = EvalContext::new(&exec);
    let resolved = resolve_aggregate(name, types).expect("resolves").expect("exists");
    let mut state = (resolved.function.accumulator)(&resolved.args);
    for row in rows {
        let mut values = Vec::new();
        for ((value, from), to) in row.iter().zip(types).zip(&resolved.args) {
            values.push(cast_value(&eval, value, from, to, false).expect("cast"));
        }
        if resolved.function.strict && values.iter().any(Value::is_null) {
            continue;
        }
        if let Err(error) = state.update(&values) {
            return error.to_string();
        }
    }
    match state.finish() {
        Ok(Value::Null) => format!("{}:NULL", types::names::internal_name(&resolved.returns)),
        Ok(value) => format!(
            "{}:{}",
            types::names::internal_name(&resolved.returns),
            types::to_text(&eval, &value, &resolved.returns).expect("text")
        ),
        Err(error) => error.to_string(),
    }
}

#[test]
fn aggregates() {
    let ints = |values: &[i64]| values.iter().map(|i| vec![Value::Int(*i)]).collect::<Vec<_>>();
    let with_null = || vec![vec![Value::Int(1)], vec![Value::Null], vec![Value::Int(2)]];
    assert_eq!(aggregate("count", &[], &[vec![], vec![]]), "int8:2");
    let pairs: Vec<Vec<Value>> =
        [(1.0, 1.0), (3.0, 2.0), (5.0, 3.0)].iter().map(|(y, x)| vec![Value::Float(*y), Value::Float(*x)]).collect();
    let floats = [DataType::Float8, DataType::Float8];
    for (name, expected) in [
        ("corr", "float8:1"),
        ("covar_pop", "float8:1.3333333333333333"),
        ("covar_samp", "float8:2"),
        ("regr_slope", "float8:2"),
        ("regr_intercept", "float8:-1"),
        ("regr_r2", "float8:1"),
        ("regr_count", "int8:3"),
        ("regr_avgx", "float8:2"),
        ("regr_sxy", "float8:4"),
    ] {
        assert_eq!(aggregate(name, &floats, &pairs), expected, "{name}");
    }
    assert_eq!(aggregate("covar_samp", &floats, &pairs[..1]), "float8:NULL");
    assert_eq!(aggregate("regr_slope", &floats, &[]), "float8:NULL");
    assert_eq!(aggregate("count", &[DataType::Int4], &with_null()), "int8:2");
    assert_eq!(aggregate("sum", &[DataType::Int4], &with_null()), "int8:3");
    assert_eq!(aggregate("sum", &[DataType::Int4], &[]), "int8:NULL");
    assert_eq!(aggregate("sum", &[DataType::Int8], &ints(&[i64::MAX, 1])), "numeric:9223372036854775808");
    assert_eq!(aggregate("avg", &[DataType::Int4], &ints(&[1, 2])), "numeric:1.5000000000000000");
    assert_eq!(aggregate("avg", &[DataType::Int4], &ints(&[1, 1, 2])), "numeric:1.3333333333333333");
    assert_eq!(aggregate("max", &[DataType::Int4], &ints(&[1, 3, 2])), "int4:3");
    assert_eq!(aggregate("stddev", &[DataType::Int4], &ints(&[2, 4])), "numeric:1.4142135623730950");
    assert_eq!(aggregate("var_pop", &[DataType::Int4], &ints(&[2, 4])), "numeric:1.00000000000000000000");
    assert_eq!(aggregate("stddev", &[DataType::Int4], &ints(&[2])), "numeric:NULL");
    assert_eq!(aggregate("array_agg", &[DataType::Int4], &with_null()), "_int4:{1,NULL,2}");
    assert_eq!(aggregate("jsonb_agg", &[DataType::Int4], &with_null()), "jsonb:[1, null, 2]");
    let texts = vec![vec![Value::from("a"), Value::from(",")], vec![Value::from("b"), Value::from(";")]];
    assert_eq!(aggregate("string_agg", &[DataType::Text, DataType::Unknown], &texts), "text:a;b");
    assert_eq!(
        aggregate("jsonb_object_agg", &[DataType::Text, DataType::Text], &texts),
        "jsonb:{\"a\": \",\", \"b\": \";\"}"
    );
    assert_eq!(
        aggregate("bool_and", &[DataType::Bool], &[vec![Value::Bool(true)], vec![Value::Bool(false)]]),
        "bool:f"
    );
    assert!(resolve_aggregate("lower", &[DataType::Text]).expect("no error").is_none());
    let error = resolve_aggregate("sum", &[DataType::Text]).expect_err("no sum of text");
    assert_eq!(error.to_string(), "function sum(text) does not exist");
}

#[test]
fn columns_and_rows_aggregate_alike() {
    for name in ["sum", "avg", "min", "max", "count"] {
        for (ty, values) in [
            (DataType::Int4, vec![Value::Int(5), Value::Null, Value::Int(-2), Value::Int(9)]),
            (DataType::Float8, vec![Value::Float(0.5), Value::Float(f64::NAN), Value::Null, Value::Float(2.0)]),
        ] {
            let resolved = resolve_aggregate(name, std::slice::from_ref(&ty)).expect("resolves").expect("exists");
            let mut by_row = (resolved.function.accumulator)(&resolved.args);
            for value in values.iter().filter(|value| !value.is_null()) {
                by_row.update(std::slice::from_ref(value)).expect("update");
            }
            let mut by_column = (resolved.function.accumulator)(&resolved.args);
            by_column.update_column(&Column::from_values(&ty, values)).expect("update");
            let (a, b) = (by_row.finish().expect("finish"), by_column.finish().expect("finish"));
            assert!(types::compare_sql(&a, &b).is_eq(), "{name} {ty:?}: {a:?} {b:?}");
        }
    }
}

#[test]
fn kernels_agree_with_rows() {
    let exec = context(&[]);
    let eval = EvalContext::new(&exec);
    let cases: Vec<(DataType, Vec<Value>)> = vec![
        (DataType::Int4, [1, 0, -5, i64::from(i32::MAX), i64::from(i32::MIN)].map(Value::Int).to_vec()),
        (DataType::Int8, [1, 0, -5, i64::MAX, i64::MIN].map(Value::Int).to_vec()),
        (DataType::Float8, [0.0, -0.0, 1.5, f64::NAN, f64::INFINITY, 1e308].map(Value::Float).to_vec()),
        (DataType::Text, ["", "a", "b%", "ab"].map(Value::from).to_vec()),
        (DataType::Bool, [true, false].map(Value::Bool).to_vec()),
    ];
    let mut compared = 0;
    for (ty, values) in cases {
        for symbol in ["+", "-", "*", "/", "%", "=", "<>", "<", "<=", ">", ">=", "~~", "!~~"] {
            let Ok(resolved) = resolve_operator(symbol, Some(&ty), &ty) else { continue };
            let Some(kernel) = resolved.function.kernel else { continue };
            for a in &values {
                for b in &values {
                    let row = (resolved.function.eval)(&eval, &[a.clone(), b.clone()]);
                    // A NULL slot beside must never raise.
                    let columns = [
                        Column::from_values(&ty, vec![a.clone(), Value::Null]),
                        Column::from_values(&ty, vec![b.clone(), b.clone()]),
                    ];
                    let column = kernel(&columns).expect("these columns have the kernel's form");
                    match (row, column) {
                        (Ok(value), Ok(column)) => {
                            assert!(types::compare_sql(&value, &column.value(0)).is_eq(), "{a:?} {symbol} {b:?}");
                            assert!(column.is_null(1));
                        }
                        (Err(x), Err(y)) => assert_eq!(x.to_string(), y.to_string()),
                        (x, y) => panic!("{a:?} {symbol} {b:?}: {x:?} {y:?}"),
                    }
                    compared += 1;
                }
            }
        }
    }
    assert!(compared > 500);
}

fn table_rows(name: &str, args: &[(&str, DataType)]) -> String {
    let exec = context(&[]);
    let eval = EvalContext::new(&exec);
    let types: Vec<DataType> = args.iter().map(|(_, ty)| ty.clone()).collect();
    let run = || -> Result<String> {
        let function = crate::system::set_returning::resolve(name, &types)?;
        let mut values = Vec::new();
        for (i, param) in function.params().iter().enumerate() {
            values.push(match args.get(i) {
                Some((text, _)) => types::from_text(&eval, text, &param.ty)?,
                None => param.default.clone().expect("a default"),
            });
        }
        let mut stream = function.call(&exec, &values)?;
        let mut rows = Vec::new();
        while let Some(batch) = stream.next_batch()? {
            for row in 0..batch.row_count {
                let mut fields = Vec::new();
                for (value, (_, ty)) in batch.row(row).iter().zip(function.columns()) {
                    fields.push(if value.is_null() { "NULL".to_owned() } else { types::to_text(&eval, value, ty)? });
                }
                rows.push(fields.join("/"));
            }
        }
        Ok(format!("{}: {}", types::names::internal_name(&function.columns()[0].1), rows.join(" ")))
    };
    run().unwrap_or_else(|error| format!("{} {error}", error.sqlstate()))
}

#[test]
fn table_functions() {
    use DataType::*;
    assert_eq!(table_rows("generate_series", &[("1", Int4), ("5", Int4), ("2", Int4)]), "int4: 1 3 5");
    assert_eq!(table_rows("generate_series", &[("3", Int4), ("1", Int4), ("-1", Int4)]), "int4: 3 2 1");
    assert_eq!(table_rows("generate_series", &[("3", Int8), ("1", Int4)]), "int8: ");
    assert_eq!(
        table_rows("generate_series", &[("1", Int4), ("2", Numeric(None)), ("0.5", Numeric(None))]),
        "numeric: 1 1.5 2.0"
    );
    assert_eq!(
        table_rows("generate_series", &[("1", Int4), ("2", Int4), ("0", Int4)]),
        "22023 step size cannot equal zero"
    );
    assert_eq!(
        table_rows("generate_series", &[("2026-01-31", Timestamp), ("2026-04-01", Unknown), ("1 month", Unknown)]),
        "timestamp: 2026-01-31 00:00:00 2026-02-28 00:00:00 2026-03-28 00:00:00"
    );
    assert_eq!(
        table_rows("generate_series", &[("a", Text), ("b", Text)]),
        "42883 function generate_series(text, text) does not exist"
    );
    assert_eq!(table_rows("unnest", &[("{a,NULL,b}", DataType::array_of(Text))]), "text: a NULL b");
    assert_eq!(table_rows("jsonb_array_elements", &[("[1,\"a\",null]", Jsonb)]), "jsonb: 1 \"a\" null");
    assert_eq!(table_rows("jsonb_array_elements_text", &[("[1,\"a\",null]", Unknown)]), "text: 1 a NULL");
    assert_eq!(table_rows("jsonb_each", &[("{\"a\":1,\"b\":[2]}", Jsonb)]), "text: a/1 b/[2]");
    assert_eq!(table_rows("jsonb_object_keys", &[("{\"a\":1,\"b\":2}", Jsonb)]), "text: a b");
    assert_eq!(table_rows("jsonb_object_keys", &[("1", Jsonb)]), "22023 cannot call jsonb_object_keys on a scalar");
    assert_eq!(table_rows("regexp_split_to_table", &[("a1b2c", Text), ("[0-9]", Text)]), "text: a b c");
    assert_eq!(table_rows("string_to_table", &[("a,b", Text), (",", Text)]), "text: a b");
    assert_eq!(table_rows("regexp_matches", &[("a1b2", Text), ("[a-z]", Text), ("g", Unknown)]), "_text: {a} {b}");
    assert_eq!(table_rows("generate_subscripts", &[("{7,8}", DataType::array_of(Int4)), ("1", Int4)]), "int4: 1 2");
}

#[test]
fn table_is_consistent() {
    let registry = registry::registry();
    let mut oids = std::collections::BTreeMap::new();
    for definition in registry.definitions.iter() {
        let previous = oids.insert((definition.is_operator, definition.oid), definition.signature());
        assert_eq!(previous, None, "oid {} of {}", definition.oid, definition.signature());
    }
    let mut signatures = std::collections::BTreeSet::new();
    for definition in registry.definitions.iter() {
        assert!(signatures.insert(definition.signature()), "{} stands twice", definition.signature());
    }
    for aggregate in &registry.aggregates {
        assert!(signatures.insert(aggregate.signature()), "{} stands twice", aggregate.signature());
    }
}

/// `REWRITE=1` writes the page anew.
#[test]
fn documentation_is_current() {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/sql-functions.md");
    let page = docs::markdown();
    if std::env::var_os("REWRITE").is_some() {
        std::fs::create_dir_all(path.parent().expect("the page lies in a folder")).expect("docs folder");
        std::fs::write(&path, &page).expect("page is written");
    }
    let written = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(written == page, "docs/sql-functions.md differs from the table; run the test with REWRITE=1");
}
