//! The list of scenarios that pass, kept in `tests/tck_passing.txt`: it only grows.
//!
//! A line is a scenario's feature and number, and how many of its examples pass: `expressions/temporal/Temporal1 [12]: 9`.

use std::collections::BTreeMap;

use super::gherkin::Scenario;
use super::runner::Outcome;

pub const PATH: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tck_passing.txt");

/// Number of passing examples by feature and scenario.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Passing(BTreeMap<String, usize>);

impl Passing {
    pub fn parse(text: &str) -> Result<Passing, String> {
        let line = |line: &str| {
            let (key, count) = line.rsplit_once(": ").ok_or_else(|| format!("malformed line \"{line}\""))?;
            let count = count.parse().map_err(|_| format!("malformed line \"{line}\""))?;
            Ok((key.to_owned(), count))
        };
        text.lines().filter(|text| !text.is_empty()).map(line).collect::<Result<_, String>>().map(Passing)
    }

    pub fn of(scenarios: &[impl AsRef<Scenario>], outcomes: &[Outcome]) -> Passing {
        let mut passing = Passing::default();
        for (scenario, outcome) in scenarios.iter().zip(outcomes) {
            if *outcome == Outcome::Passed {
                *passing.0.entry(key(scenario.as_ref())).or_default() += 1;
            }
        }
        passing
    }

    /// What passes less often than here, one line each.
    pub fn missing_from(&self, found: &Passing) -> Vec<String> {
        let passes = |key: &String| found.0.get(key).copied().unwrap_or(0);
        let missing = self.0.iter().filter(|(key, count)| passes(key) < **count);
        missing.map(|(key, count)| format!("{key}: {} of {count} pass", passes(key))).collect()
    }

    pub fn text(&self) -> String {
        self.0.iter().map(|(key, count)| format!("{key}: {count}\n")).collect()
    }
}

/// Feature and the number that its name begins with; the whole name where it has none.
fn key(scenario: &Scenario) -> String {
    let number = scenario.name.split_once(']').filter(|_| scenario.name.starts_with('['));
    let name = number.map_or(scenario.name.clone(), |(number, _)| format!("{number}]"));
    format!("{}/{} {name}", scenario.folder, scenario.file)
}
