//! Property tests of the encodings, with seeded values of every type.

use std::cmp::Ordering;
use std::str::FromStr;
use std::sync::Arc;

use bigdecimal::BigDecimal;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use super::key::{decode_key_column, encode_key, encode_key_column, prefix_successor};
use super::row::{RowProjection, encode_row};
use super::value::{decode_value, value_bytes};
use super::{compare_values, key_for_values};
use crate::DataType;
use crate::catalog::{ColumnDef, DefaultExpr, TableBehaviour, TableDef};
use crate::error::StorageError;
use crate::ids::*;
use crate::temporal::{Duration, Temporal, Zone};
use crate::value::*;

fn numeric(text: &str) -> Value {
    Value::Numeric(Arc::new(Numeric::Finite(BigDecimal::from_str(text).unwrap())))
}

fn key(value: &Value) -> Vec<u8> {
    key_for_values(std::slice::from_ref(value))
}

fn random_text(random: &mut StdRng) -> String {
    let alphabet = ['\0', 'a', 'b', '\u{1}', 'ÿ', '😀'];
    (0..random.random_range(0..5)).map(|_| alphabet[random.random_range(0..alphabet.len())]).collect()
}

fn random_json(random: &mut StdRng, depth: usize) -> Json {
    match random.random_range(0..if depth == 0 { 5 } else { 7 }) {
        0 => Json::Null,
        1 => Json::Bool(random.random()),
        2 => Json::Int(random.random_range(-3..3)),
        3 => Json::Decimal(BigDecimal::new(random.random_range(-300..300).into(), random.random_range(-1..4))),
        4 => Json::String(random_text(random).into()),
        5 => Json::Array((0..random.random_range(0..3)).map(|_| random_json(random, depth - 1)).collect()),
        _ => {
            let count = random.random_range(0..3);
            let keys = ["a", "b", "cc"];
            Json::Object((0..count).map(|i| (keys[i].into(), random_json(random, depth - 1))).collect())
        }
    }
}

fn random_temporal(random: &mut StdRng) -> Temporal {
    let seconds = i64::from(random.random_range(-2..3)) * 86_400;
    let nanoseconds = random.random_range(0..2);
    let offset_seconds = random.random_range(-1..2) * 3_600;
    match random.random_range(0..6) {
        0 => Temporal::Date(random.random_range(-2..3) * i64::from(random.random::<u16>())),
        1 => Temporal::LocalTime(random.random_range(0..3)),
        2 => Temporal::Time { nanoseconds: random.random_range(0..3) * 3_600_000_000_000, offset_seconds },
        3 => Temporal::LocalDateTime { seconds, nanoseconds },
        4 => {
            let name = [None, Some("A"), Some("B/C")][random.random_range(0..3)];
            Temporal::DateTime { seconds, nanoseconds, zone: Zone { offset_seconds, name: name.map(Arc::from) } }
        }
        _ => Temporal::Duration(Duration {
            months: random.random_range(-1..2),
            days: random.random_range(-31..32),
            seconds,
            nanoseconds,
        }),
    }
}

fn random_value(random: &mut StdRng, depth: usize) -> Value {
    match random.random_range(0..if depth == 0 { 19 } else { 21 }) {
        0 => Value::Null,
        1 => Value::Bool(random.random()),
        2 => Value::Int(random.random_range(-3..3)),
        3 => Value::Int(random.random()),
        4 => Value::Int((1 << 53) + random.random_range(-3..4)),
        5 => Value::Float(f64::from(random.random_range(-6..6)) / 2.0),
        6 => Value::Float(f64::from_bits(random.random())),
        7 => Value::Float(
            [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, -0.0, 9_007_199_254_740_994.0][random.random_range(0..5)],
        ),
        8 => Value::Numeric(Arc::new(match random.random_range(0..5) {
            0 => [Numeric::NaN, Numeric::Infinity, Numeric::NegativeInfinity][random.random_range(0..3)].clone(),
            1 => Numeric::Finite(BigDecimal::new(random.random::<i64>().into(), random.random_range(-400..400))),
            _ => Numeric::Finite(BigDecimal::new(random.random_range(-3000..3000).into(), random.random_range(-2..5))),
        })),
        9 => Value::Text(random_text(random).into()),
        10 => Value::Bytes((0..random.random_range(0..4)).map(|_| [0, 1, 255][random.random_range(0..3)]).collect()),
        11 => Value::Timestamp(random.random_range(-2..3) * i64::from(random.random::<i32>())),
        12 => Value::Date(random.random()),
        13 => Value::Interval(Interval {
            months: random.random_range(-2..3),
            days: random.random_range(-60..61),
            microseconds: random.random_range(-2..3) * 86_400_000_000,
        }),
        14 => Value::Uuid([random.random_range(0..3); 16]),
        15 => Value::Json(Arc::new(random_json(random, 2))),
        16 => Value::Vector((0..random.random_range(0..3)).map(|_| random.random_range(-2..3) as f32).collect()),
        17 => match random.random_range(0..3) {
            0 => Value::Node(NodeId(random.random_range(0..3))),
            1 => Value::Relationship(RelationshipRef {
                id: RelationshipId(random.random_range(0..3)),
                ty: RelationshipTypeId(1),
                source: NodeId(1),
                target: NodeId(2),
            }),
            _ => {
                let steps = random.random_range(0..3);
                let relationship = |i: u64| RelationshipRef {
                    id: RelationshipId(i),
                    ty: RelationshipTypeId(1),
                    source: NodeId(i),
                    target: NodeId(i + 1),
                };
                Value::Path(Arc::new(PathValue {
                    nodes: (0..=steps).map(NodeId).collect(),
                    relationships: (0..steps).map(relationship).collect(),
                }))
            }
        },
        18 => random_temporal(random).into(),
        19 => Value::list((0..random.random_range(0..4)).map(|_| random_value(random, depth - 1)).collect()),
        _ => Value::Map(Arc::new(
            ["a", "b", "c"][..random.random_range(0..3)]
                .iter()
                .map(|key| ((*key).into(), random_value(random, depth - 1)))
                .collect(),
        )),
    }
}

#[test]
fn keys_order_as_values_compare() {
    let mut random = StdRng::seed_from_u64(11);
    let values: Vec<Value> = (0..600).map(|_| random_value(&mut random, 2)).collect();
    let keys: Vec<Vec<u8>> = values.iter().map(key).collect();
    for (a, a_key) in values.iter().zip(&keys) {
        for (b, b_key) in values.iter().zip(&keys) {
            assert_eq!(a_key.cmp(b_key), compare_values(a, b), "{a:?} {b:?}");
            let proper_prefix = a_key.len() < b_key.len() && b_key.starts_with(a_key);
            assert!(!proper_prefix, "{a:?} is a prefix of {b:?}");
        }
    }
}

/// An order of numbers that shares no code with the encoding.
fn exact(value: &Value) -> Option<BigDecimal> {
    match value {
        Value::Int(i) => Some(BigDecimal::from(*i)),
        Value::Float(f) if f.is_finite() => Some(BigDecimal::from_str(&format!("{f:.1100}")).unwrap()),
        Value::Numeric(numeric) => match &**numeric {
            Numeric::Finite(decimal) => Some(decimal.clone()),
            _ => None,
        },
        _ => None,
    }
}

#[test]
fn numbers_of_all_types_compare_exactly() {
    let mut random = StdRng::seed_from_u64(12);
    let mut values = Vec::new();
    while values.len() < 120 {
        let value = random_value(&mut random, 0);
        if exact(&value).is_some() {
            values.push(value);
        }
    }
    values.extend(["1e400", "-1e400", "1e-400", "-1e-400", "0.1", "0.10", "9007199254740993", "1e20"].map(numeric));
    values.extend([Value::Float(0.1), Value::Float(1e20), Value::Int(i64::MAX), Value::Int(i64::MIN)]);
    for a in &values {
        for b in &values {
            let expected = exact(a).unwrap().cmp(&exact(b).unwrap());
            assert_eq!(key(a).cmp(&key(b)), expected, "{a:?} {b:?}");
        }
    }
    assert_eq!(key(&Value::Int(1)), key(&Value::Float(1.0)));
    assert_eq!(key(&Value::Int(1)), key(&numeric("1.00")));
    assert_eq!(key(&Value::Float(0.0)), key(&Value::Float(-0.0)));
    assert_ne!(key(&numeric("0.1")), key(&Value::Float(0.1)));
    assert!(key(&Value::Float(f64::NAN)) > key(&Value::Float(f64::INFINITY)));
    assert!(key(&numeric("1e400")) < key(&Value::Float(f64::INFINITY)));
}

#[test]
fn jsonb_orders_as_in_postgresql() {
    let text = |s: &str| Json::String(s.into());
    let ascending = [
        Json::Null,
        text(""),
        text("b"),
        Json::Int(-1),
        Json::Decimal(BigDecimal::from_str("2.5").unwrap()),
        Json::Bool(false),
        Json::Bool(true),
        Json::Array(vec![]),
        Json::Array(vec![Json::Int(5)]),
        Json::Array(vec![Json::Int(1), Json::Int(1)]),
        Json::Object(vec![]),
        Json::Object(vec![("a".into(), Json::Int(1))]),
        Json::Object(vec![("b".into(), Json::Int(0))]),
    ];
    for pair in ascending.windows(2) {
        assert!(key(&Value::json(pair[0].clone())) < key(&Value::json(pair[1].clone())), "{pair:?}");
    }
}

#[test]
fn descending_columns_and_nulls() {
    let encode = |value: &Value, descending, nulls_first| {
        let mut out = Vec::new();
        encode_key_column(value, descending, nulls_first, &mut out);
        out
    };
    let mut random = StdRng::seed_from_u64(13);
    let values: Vec<Value> = (0..150).map(|_| random_value(&mut random, 1)).filter(|value| !value.is_null()).collect();
    for descending in [false, true] {
        for a in &values {
            let a_key = encode(a, descending, true);
            assert!(encode(&Value::Null, descending, true) < a_key);
            assert!(encode(&Value::Null, descending, false) > a_key);
            for b in &values {
                let order = compare_values(a, b);
                let expected = if descending { order.reverse() } else { order };
                assert_eq!(a_key.cmp(&encode(b, descending, false)), expected);
            }
        }
    }
    assert_eq!(prefix_successor(&[1, 0xff, 0xff]).as_deref(), Some(&[2][..]));
    assert_eq!(prefix_successor(&[0xff]), None);
}

#[test]
fn values_survive_storage_and_broken_bytes_are_refused() {
    let mut random = StdRng::seed_from_u64(14);
    for _ in 0..2_000 {
        let value = random_value(&mut random, 2);
        let bytes = value_bytes(&value);
        let decoded = decode_value(&bytes).unwrap();
        assert_eq!(key(&decoded), key(&value), "{value:?}");
        assert_eq!(value_bytes(&decoded), bytes);
        // Nothing that comes from disk may panic.
        for len in 0..bytes.len() {
            let _ = decode_value(&bytes[..len]);
        }
        let mut damaged = bytes;
        for _ in 0..10 {
            let at = random.random_range(0..damaged.len());
            damaged[at] = random.random();
            let _ = decode_value(&damaged);
        }
    }
    // The scale of a numeric is kept.
    assert_eq!(decode_value(&value_bytes(&numeric("1.50"))).unwrap(), numeric("1.50"));
    assert!(matches!(decode_value(&[]), Err(StorageError::Corrupted(_))));
}

fn column(id: u16, constant: Option<Value>, virtual_expression: Option<&str>) -> ColumnDef {
    ColumnDef {
        id: ColumnId(id),
        name: format!("c{id}"),
        ty: DataType::Text,
        not_null: false,
        default: constant.map(|value| DefaultExpr { expression: String::new(), constant: Some(value_bytes(&value)) }),
        identity: None,
        virtual_expression: virtual_expression.map(str::to_owned),
        comment: None,
    }
}

fn table(columns: Vec<ColumnDef>, next_column_id: u16) -> TableDef {
    TableDef {
        id: RelationId(20_000),
        schema: "public".into(),
        name: "t".into(),
        columns,
        next_column_id,
        checks: Vec::new(),
        foreign_keys: Vec::new(),
        behaviour: TableBehaviour::Plain,
        version: 1,
        comment: None,
        options: Vec::new(),
        materialized: None,
    }
}

#[test]
fn rows_are_read_by_column_id() {
    let old = table(vec![column(1, None, None), column(5, None, None), column(3, None, Some("c1"))], 6);
    let wide = Value::Text("x".repeat(70_000).into());
    for value in [Value::Int(7), wide] {
        let row = encode_row(&old, &[value.clone(), Value::Null, Value::Null]).unwrap();
        // Later: c1 dropped and back under another id, c6 added with a default, c7 without.
        let new = table(
            vec![column(6, Some(Value::Int(42)), None), column(5, Some(Value::Int(1)), None), column(7, None, None)],
            8,
        );
        let all = |def: &TableDef, row: &[u8]| RowProjection::new(def, &[0, 1, 2]).unwrap().decode(row).unwrap();
        assert_eq!(all(&new, &row), [Value::Int(42), Value::Null, Value::Null]);
        assert_eq!(all(&old, &row), [value.clone(), Value::Null, Value::Null]);
        let projection = RowProjection::new(&old, &[0]).unwrap();
        assert_eq!(projection.decode(&row).unwrap(), [value]);
    }
    assert!(encode_row(&old, &[Value::Null]).is_err());
    assert!(RowProjection::new(&old, &[9]).is_err());
}

#[test]
fn broken_rows_are_refused() {
    let def = table(vec![column(1, None, None), column(2, None, None), column(3, None, None)], 4);
    let values = [Value::from("text"), Value::Int(1 << 40), Value::list(vec![Value::Null, Value::from(true)])];
    let row = encode_row(&def, &values).unwrap();
    let projection = RowProjection::new(&def, &[0, 1, 2]).unwrap();
    assert_eq!(projection.decode(&row).unwrap(), values);
    for len in 0..row.len() {
        assert!(matches!(projection.decode(&row[..len]), Err(StorageError::Corrupted(_))), "{len}");
    }
    let mut random = StdRng::seed_from_u64(15);
    for _ in 0..20_000 {
        let mut damaged = row.clone();
        for _ in 0..random.random_range(1..4) {
            let at = random.random_range(0..damaged.len());
            damaged[at] = random.random();
        }
        let _ = projection.decode(&damaged);
    }
}

#[test]
fn comparing_is_total() {
    let mut out = Vec::new();
    encode_key(&Value::Null, &mut out);
    assert_eq!(compare_values(&Value::Null, &Value::Null), Ordering::Equal);
    assert_eq!(compare_values(&Value::Null, &Value::Int(1)), Ordering::Greater);
}

#[test]
fn reversible_columns_are_read_back_from_keys() {
    let mut random = StdRng::seed_from_u64(11);
    let mut values =
        vec![Value::Int(i64::MIN), Value::Int(i64::MAX), Value::Int(i64::MAX - 1), Value::Int(i64::MIN + 1)];
    values.extend((0..63).flat_map(|bit| [1_i64 << bit, -(1 << bit), (1 << bit) + 1, 1 - (1 << bit)]).map(Value::Int));
    values.extend((0..19).flat_map(|power| [10_i64.pow(power), -10_i64.pow(power) * 3]).map(Value::Int));
    while values.len() < 5_000 {
        let value = random_value(&mut random, 0);
        let is_reversible = match &value {
            Value::Null | Value::Bool(_) | Value::Int(_) | Value::Text(_) | Value::Bytes(_) => true,
            other => matches!(other, Value::Timestamp(_) | Value::Date(_) | Value::Uuid(_)),
        };
        values.extend(is_reversible.then_some(value));
    }
    for value in values {
        for (descending, nulls_first) in [(false, false), (false, true), (true, false), (true, true)] {
            let mut key = Vec::new();
            encode_key_column(&value, descending, nulls_first, &mut key);
            let length = key.len();
            // An id follows.
            key.extend_from_slice(&random.random::<u64>().to_be_bytes());
            assert_eq!(decode_key_column(&key, descending), Some((value.clone(), length)), "{value:?}");
            for short in 0..length {
                assert_eq!(decode_key_column(&key[..short], descending), None, "{value:?} {short}");
            }
        }
    }
}
