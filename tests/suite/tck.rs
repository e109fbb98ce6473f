//! The openCypher TCK: what once passed passes.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use sinew_tests::tck::gherkin::{Scenario, parse, read_features};
use sinew_tests::tck::kept::{self, Passing};
use sinew_tests::tck::notation;
use sinew_tests::tck::runner::number_parameters;
use sinew_tests::tck::{FEATURES, run_all};

/// Runs the features of `SINEW_TCK_DIR`, or those beside the checkout; without either it says so and does nothing.
#[test]
fn the_kept_scenarios_pass() {
    let features = std::env::var_os("SINEW_TCK_DIR").map_or_else(|| PathBuf::from(FEATURES), PathBuf::from);
    let scenarios = match read_features(&features) {
        Ok(scenarios) if !scenarios.is_empty() => scenarios,
        _ => {
            eprintln!("skipped: no feature files in {}; set SINEW_TCK_DIR", features.display());
            return;
        }
    };
    let kept = std::fs::read_to_string(kept::PATH).expect("the kept list is readable");
    let kept = Passing::parse(&kept).expect("the kept list is well-formed");
    let scenarios: Vec<Arc<Scenario>> = scenarios.into_iter().map(Arc::new).collect();
    let outcomes = run_all(&scenarios, &features, 2, Duration::from_secs(60));
    let missing = kept.missing_from(&Passing::of(&scenarios, &outcomes));
    assert!(missing.is_empty(), "scenarios that passed before fail:\n{}", missing.join("\n"));
}

const FEATURE: &str = r#"
#encoding: utf-8
Feature: F - things
  Some words of description

  Background:
    Given an empty graph

  @skipStyleCheck
  Scenario: [1] plain
    And having executed:
      """
      CREATE (a)
        RETURN a
      """
    When executing query:
      """
      RETURN 1 AS x
      """
    Then the result should be, in any order:
      | x | y     |
      | 1 | 'a\|' |
    And no side effects

  Scenario Outline: [2] outline
    When executing query:
      """
      RETURN <a> AS <b>
      """
    Then the result should be empty

    Examples:
      | a | b |
      | 1 | x |
      | 2 | y |
"#;

#[test]
fn features_are_read() {
    let scenarios = parse(FEATURE, "folder", "F").expect("a feature");
    assert_eq!(scenarios.len(), 3);
    let first = &scenarios[0];
    assert_eq!(first.steps.len(), 5);
    assert_eq!(first.steps[1].doc.as_deref(), Some("CREATE (a)\n  RETURN a"));
    assert_eq!(first.steps[3].table.as_ref().expect("a table")[1], ["1", "'a|'"]);
    assert_eq!(scenarios[2].steps[1].doc.as_deref(), Some("RETURN 2 AS y"));
    assert_eq!(scenarios[2].name, "[2] outline (2, y)");
}

#[test]
fn values_are_read() {
    for (text, canonical) in [
        ("null", "null"),
        ("-12", "-12"),
        (".5", "0.5"),
        ("1e3", "1000.0"),
        ("-0.0", "0.0"),
        ("NaN", "NaN"),
        (r"'it\'s'", r"'it\'s'"),
        ("[1, 'a', [:T]]", "[1, 'a', [:T {}]]"),
        ("{b: 1, a: null}", "{a: null, b: 1}"),
        ("(:B:A {x: 1})", "(:A:B {x: 1})"),
        ("<(:A)<-[:T]-(:B {n: [1]})>", "<(:A {})<-[:T {}]-(:B {n: [1]})>"),
    ] {
        assert_eq!(notation::parse(text).expect(text).canonical(false), canonical);
    }
    assert!(notation::parse("[1, ").is_err());
    assert_eq!(notation::parse("[2, 1]").expect("a list").canonical(true), "[1, 2]");
}

#[test]
fn parameters_are_numbered() {
    let (a, b) = ("a".to_owned(), "ab".to_owned());
    let expected = ("RETURN $2 + '$a\\'' + $1, $c".to_owned(), true);
    assert_eq!(number_parameters("RETURN $ab + '$a\\'' + $a, $c", &[&a, &b]), expected);
}
