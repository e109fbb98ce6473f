//! Random Cypher gives one answer in every way of running it, and the rows that trying everything gives.

use std::path::PathBuf;
use std::time::Duration;

use sinew_tests::random_cypher::run;
use sinew_tests::random_sql::Options;

/// `RANDOM_SEED` and `RANDOM_STATEMENTS` run others, and as many as it takes.
#[test]
fn random_cypher_agrees_in_every_way() {
    let number = |name: &str| std::env::var(name).ok().and_then(|text| text.parse().ok());
    let asked = number("RANDOM_STATEMENTS");
    let options = Options {
        program: PathBuf::from(env!("CARGO_BIN_EXE_sinew-under-test")),
        seed: number("RANDOM_SEED").unwrap_or(1),
        statements: asked.unwrap_or(400),
        time_limit: asked.is_none().then_some(Duration::from_secs(30)),
        postgres: false,
    };
    let report = run(&options).expect("the server runs");
    assert!(report.faults.is_empty(), "{report}");
    assert!(report.statements > 20, "{report}");
    assert!(report.with_rows * 5 > report.statements, "too few have rows to compare: {report}");
}
