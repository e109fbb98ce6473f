//! The fuzz targets over the kept corpus, and over random mutations of it for a bounded time.
//!
//! `FUZZ_SEED` and `FUZZ_SECONDS` run others, and longer.

use std::time::{Duration, Instant};

use sinew_tests::crash::random::Random;
use sinew_tests::fuzz::{Language, Pipeline, corpus, cypher_lexer, cypher_parser, mutate};

const SECONDS: u64 = 10;
/// A query plan's depth needs more than a test thread's stack in an unoptimized build.
const STACK_BYTES: usize = 64 << 20;

fn number(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}

/// Runs the corpus and then mutations of it; the faults, each with its input. Panics are part of what is looked for, so
/// their reports would only be noise.
fn run(language: Language, seconds: u64) -> Vec<String> {
    let inputs = corpus::kept(language).expect("the corpus is readable");
    assert!(inputs.len() > 10, "the corpus is there");
    let mut random = Random::new(&[number("FUZZ_SEED", 1), language as u64]);
    let mut pipeline = Pipeline::new(language);
    let mut faults = Vec::new();
    let mut check = |pipeline: &mut Pipeline, input: &str| {
        if language == Language::Cypher {
            cypher_lexer(input);
            cypher_parser(input);
        }
        if let Some(fault) = pipeline.fault(input) {
            faults.push(format!("{fault}\n  {input}"));
        }
        faults.len() < 5
    };
    let _ = inputs.iter().all(|input| check(&mut pipeline, input));
    let end = Instant::now() + Duration::from_secs(seconds);
    while Instant::now() < end {
        let input = mutate::mutated(&mut random, &inputs);
        if !check(&mut pipeline, &input) {
            break;
        }
    }
    faults
}

fn find_no_fault(language: Language, seconds: u64) {
    let thread = std::thread::Builder::new().stack_size(STACK_BYTES).spawn(move || run(language, seconds));
    let faults = thread.expect("a thread starts").join().expect("lexer and parser do not panic");
    assert!(faults.is_empty(), "FUZZ_SEED {}\n{}", number("FUZZ_SEED", 1), faults.join("\n\n"));
}

#[test]
fn mutated_cypher_has_no_faults() {
    find_no_fault(Language::Cypher, number("FUZZ_SECONDS", SECONDS));
}

#[test]
fn mutated_sql_has_no_faults() {
    find_no_fault(Language::Sql, number("FUZZ_SECONDS", SECONDS / 2));
}
