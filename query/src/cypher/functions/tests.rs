use std::cmp::Ordering;
use std::hash::Hasher;
use std::sync::Arc;

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use rustc_hash::FxHasher;
use sinew_storage::Value;
use sinew_storage::value::MapValue;

use super::compare::Comparison;
use super::*;

fn list(items: &[Value]) -> Value {
    Value::list(items.to_vec())
}

fn map(entries: &[(&str, Value)]) -> Value {
    let map: MapValue = entries.iter().map(|(key, value)| (Arc::from(*key), value.clone())).collect();
    Value::Map(Arc::new(map))
}

#[test]
fn equality_is_three_valued() {
    let (one, two, null) = (Value::Int(1), Value::Int(2), Value::Null);
    assert_eq!(cypher_equals(&one, &Value::Float(1.0)), Some(true));
    assert_eq!(cypher_equals(&one, &Value::from("1")), Some(false));
    assert_eq!(cypher_equals(&null, &null), None);
    assert_eq!(cypher_equals(&Value::Float(f64::NAN), &Value::Float(f64::NAN)), Some(false));
    assert_eq!(cypher_equals(&list(&[one.clone(), null.clone()]), &list(&[one.clone(), two.clone()])), None);
    assert_eq!(cypher_equals(&list(&[one.clone(), null.clone()]), &list(&[two.clone(), two.clone()])), Some(false));
    assert_eq!(cypher_equals(&list(std::slice::from_ref(&one)), &list(&[one.clone(), null.clone()])), Some(false));
    assert_eq!(cypher_equals(&map(&[("a", null.clone())]), &map(&[("a", one.clone())])), None);
    assert_eq!(cypher_equals(&map(&[("a", null)]), &map(&[("b", one)])), Some(false));
}

#[test]
fn integers_and_floats_compare_exactly() {
    let big = (1i64 << 53) + 1;
    assert_eq!(cypher_equals(&Value::Int(big), &Value::Float((1i64 << 53) as f64)), Some(false));
    let compare = |a: i64, b: f64| cypher_compare(&Value::Int(a), &Value::Float(b));
    assert_eq!(compare(big, (1i64 << 53) as f64), Comparison::Ordered(Ordering::Greater));
    assert_eq!(compare(i64::MAX, 9_223_372_036_854_775_808.0), Comparison::Ordered(Ordering::Less));
    assert_eq!(compare(i64::MIN, -9_223_372_036_854_775_808.0), Comparison::Ordered(Ordering::Equal));
    assert_eq!(compare(-1, -1.5), Comparison::Ordered(Ordering::Greater));
    assert_eq!(compare(1, f64::NAN), Comparison::Unordered);
    assert_eq!(cypher_compare(&Value::Int(1), &Value::from("1")), Comparison::Unknown);
}

#[test]
fn kinds_are_ordered() {
    let ascending = [
        map(&[("a", Value::Int(1))]),
        list(&[]),
        list(&[Value::from("a")]),
        list(&[Value::Int(1)]),
        list(&[Value::Int(1), Value::Null]),
        list(&[Value::Null]),
        Value::from(""),
        Value::from("a"),
        Value::Bool(false),
        Value::Bool(true),
        Value::Float(f64::NEG_INFINITY),
        Value::Float(1.5),
        Value::Int(2),
        Value::Float(f64::NAN),
        Value::Null,
    ];
    for (i, a) in ascending.iter().enumerate() {
        for (j, b) in ascending.iter().enumerate() {
            assert_eq!(compare_orderability(a, b), i.cmp(&j), "{a:?} and {b:?}");
        }
    }
}

fn random_value(random: &mut StdRng, depth: u32) -> Value {
    match random.random_range(0..if depth == 0 { 6 } else { 8 }) {
        0 => Value::Null,
        1 => Value::Bool(random.random()),
        2 => Value::Int(random.random_range(-2..3)),
        3 => Value::Float(f64::from(random.random_range(-4i32..5)) / 2.0),
        4 => Value::Float(f64::NAN),
        5 => Value::from(["", "a", "b"][random.random_range(0..3usize)]),
        6 => Value::list((0..random.random_range(0..3)).map(|_| random_value(random, depth - 1)).collect()),
        _ => map(&[("k", random_value(random, depth - 1))]),
    }
}

#[test]
fn orderability_is_a_total_order_and_agrees_with_hashes() {
    let mut random = StdRng::seed_from_u64(7);
    let hash = |value: &Value| {
        let mut hasher = FxHasher::default();
        hash_equivalent(value, &mut hasher);
        hasher.finish()
    };
    for _ in 0..20_000 {
        let [a, b, c] = [0; 3].map(|_| random_value(&mut random, 2));
        assert_eq!(compare_orderability(&a, &b), compare_orderability(&b, &a).reverse(), "{a:?} {b:?}");
        assert!(equivalent(&a, &a), "{a:?}");
        if compare_orderability(&a, &b).is_le() && compare_orderability(&b, &c).is_le() {
            assert!(compare_orderability(&a, &c).is_le(), "{a:?} {b:?} {c:?}");
        }
        if equivalent(&a, &b) {
            assert_eq!(hash(&a), hash(&b), "{a:?} {b:?}");
        }
        if cypher_equals(&a, &b) == Some(true) {
            assert!(equivalent(&a, &b), "{a:?} {b:?}");
        }
    }
}

#[test]
fn addition() {
    let add = |a: Value, b: Value| arithmetic::add(&a, &b);
    assert_eq!(add(Value::Int(1), Value::Float(0.5)).expect("a sum"), Value::Float(1.5));
    assert_eq!(add(Value::from("a"), Value::Float(1.0)).expect("text"), Value::from("a1.0"));
    assert_eq!(add(list(&[Value::Int(1)]), Value::Null).expect("null"), Value::Null);
    assert_eq!(add(Value::Int(0), list(&[Value::Int(1)])).expect("a list"), list(&[Value::Int(0), Value::Int(1)]));
    let overflow = add(Value::Int(i64::MAX), Value::Int(1)).expect_err("overflow");
    assert_eq!(overflow.sqlstate(), "22003");
    let mismatch = add(Value::Bool(true), Value::Int(1)).expect_err("a type error");
    assert_eq!(mismatch.0.cypher.map(|class| class.ty), Some("TypeError"));
}

#[test]
fn floats_print_with_a_point() {
    for (float, text) in [
        (1.0, "1.0"),
        (-0.0, "-0.0"),
        (1e7, "1.0E7"),
        (123_456.75, "123456.75"),
        (1.5e-4, "1.5E-4"),
        (0.001, "0.001"),
        (f64::INFINITY, "Infinity"),
    ] {
        assert_eq!(format_float(float), text);
    }
}

fn aggregated(name: &str, rows: &[&[Value]]) -> Result<Value> {
    let aggregate = aggregate(name).expect("an aggregate");
    let mut accumulator = (aggregate.function.accumulator)(&[]);
    for row in rows {
        accumulator.update(row)?;
    }
    accumulator.finish()
}

#[test]
fn aggregates() {
    let [one, two, four] = [1, 2, 4].map(Value::Int);
    let rows: [&[Value]; 3] = [std::slice::from_ref(&four), std::slice::from_ref(&one), std::slice::from_ref(&two)];
    assert_eq!(aggregated("sum", &rows).expect("sum"), Value::Int(7));
    assert_eq!(aggregated("MIN", &rows).expect("min"), one);
    assert_eq!(aggregated("max", &rows).expect("max"), four);
    assert_eq!(aggregated("sum", &[]).expect("sum"), Value::Int(0));
    assert_eq!(aggregated("avg", &[]).expect("avg"), Value::Null);
    let half = Value::Float(0.5);
    let rows: [&[Value]; 2] = [&[one.clone(), half.clone()], &[four, half]];
    assert_eq!(aggregated("percentileCont", &rows).expect("a percentile"), Value::Float(2.5));
    assert_eq!(aggregated("percentileDisc", &rows).expect("a percentile"), one);
    let outside: [&[Value]; 1] = [&[Value::Int(1), Value::Float(1.1)]];
    let error = aggregated("percentileCont", &outside).expect_err("out of range");
    assert_eq!(error.0.cypher.map(|class| class.detail), Some("NumberOutOfRange"));
}

#[test]
fn near_misses() {
    use crate::cypher::errors::near_miss;
    assert_eq!(near_miss("toUper", ["toLower", "toUpper", "trim"]), Some("toUpper"));
    assert_eq!(near_miss("persn", ["person", "place"]), Some("person"));
    assert_eq!(near_miss("x", ["completely", "different"]), None);
}
