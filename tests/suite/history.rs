//! Random concurrent transactions leave histories that their isolation level allows; and the checker knows bad ones.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use sinew::IsolationSetting as Isolation;
use sinew_tests::history::{History, Key, Operation, Version, Workload, record, violations};

/// Runs of each level, with 3 to 6 sessions.
const ROUNDS: u64 = 3;
const ROUND: Duration = Duration::from_millis(400);

/// Runs and checks workloads. `HISTORY_SEED` repeats what a failure printed, as far as threads repeat;
/// `HISTORY_SECONDS` makes each run longer.
fn check_random_histories(isolation: Isolation) {
    let from_environment = |name: &str| std::env::var(name).ok().and_then(|value| value.parse::<u64>().ok());
    let clock = SystemTime::now().duration_since(UNIX_EPOCH).map_or(1, |since| since.as_micros() as u64);
    let first_seed = from_environment("HISTORY_SEED").unwrap_or(clock);
    let duration = from_environment("HISTORY_SECONDS").map_or(ROUND, Duration::from_secs);
    let (mut committed, mut aborted) = (0, 0);
    for round in 0..ROUNDS {
        let seed = first_seed.wrapping_add(round);
        let session_count = 3 + (seed % 4) as usize;
        let workload = Workload { seed, session_count, duration, isolation };
        let recorded = record(&workload).unwrap_or_else(|error| panic!("HISTORY_SEED={seed} {workload:?}: {error}"));
        let found = violations(&recorded.history, isolation);
        assert!(found.is_empty(), "HISTORY_SEED={seed} {workload:?}\n{}", found.join("\n"));
        committed += recorded.history.transactions.len();
        aborted += recorded.aborted_count;
    }
    assert!(committed > 20, "HISTORY_SEED={first_seed}: {committed} transactions committed, {aborted} did not");
}

#[test]
fn read_committed_histories() {
    check_random_histories(Isolation::ReadCommitted);
}

#[test]
fn repeatable_read_histories() {
    check_random_histories(Isolation::RepeatableRead);
}

#[test]
fn serializable_histories() {
    check_random_histories(Isolation::Serializable);
}

const LEVELS: [Isolation; 3] = [Isolation::ReadCommitted, Isolation::RepeatableRead, Isolation::Serializable];

fn read(key: Key, version: Version) -> Operation {
    Operation::Read { key, found: Some(version) }
}

fn missing(key: Key) -> Operation {
    Operation::Read { key, found: None }
}

fn write(key: Key, over: Version, version: Version) -> Operation {
    Operation::Write { key, version, over: Some(over) }
}

fn insert(key: Key, version: Version) -> Operation {
    Operation::Write { key, version, over: None }
}

fn delete(key: Key, over: Version) -> Operation {
    Operation::Delete { key, over }
}

fn scan(found: &[(Key, Version)]) -> Operation {
    Operation::Scan { low: 0, high: 100, found: found.to_vec() }
}

/// Checks a history over the keys 1 and 2 with versions -1 and -2. `expected` is what the report begins with at READ
/// COMMITTED, REPEATABLE READ and SERIALIZABLE; empty: nothing is reported.
fn check(transactions: &[&[Operation]], expected: [&str; 3]) {
    let history = History {
        initial: [(1, -1), (2, -2)].into(),
        transactions: transactions.iter().map(|operations| operations.to_vec()).collect(),
    };
    for (isolation, expected) in LEVELS.into_iter().zip(expected) {
        let found = violations(&history, isolation);
        let first = found.first().map_or("", String::as_str);
        let fits = if expected.is_empty() { found.is_empty() } else { first.starts_with(expected) };
        assert!(fits, "{isolation:?}: expected {expected:?}, found {found:?}\n{history:?}");
    }
}

#[test]
fn good_histories_pass() {
    check(&[], ["", "", ""]);
    // One after the other, with a reader between, an insertion and a deletion.
    check(
        &[
            &[read(1, -1), write(1, -1, 10), read(1, 10)],
            &[read(1, 10), read(2, -2)],
            &[write(1, 10, 11), insert(3, 12), write(3, 12, 13)],
            &[scan(&[(1, 11), (2, -2), (3, 13)]), delete(2, -2), missing(2)],
            &[scan(&[(1, 11), (3, 13)]), missing(2)],
        ],
        ["", "", ""],
    );
    // A reader on an old snapshot stands before the writer.
    check(&[&[write(1, -1, 10), write(2, -2, 11)], &[read(1, -1), read(2, -2)]], ["", "", ""]);
    // A key that was missing had not been inserted yet, or was deleted already: both fit.
    check(&[&[insert(3, 10)], &[delete(3, 10)], &[missing(3)]], ["", "", ""]);
}

#[test]
fn dirty_writes_and_reads_are_found() {
    // Each wrote over the other.
    let cycle: [&[Operation]; 2] = [&[write(1, -1, 10), write(2, 21, 11)], &[write(2, -2, 21), write(1, 10, 20)]];
    check(&cycle, ["G0", "G0", "G0"]);
    // Two wrote over one version.
    check(&[&[write(1, -1, 10)], &[write(1, -1, 20)]], ["lost write", "lost write", "lost write"]);
    check(&[&[write(1, -1, 10)], &[delete(1, -1)]], ["lost write", "lost write", "lost write"]);
    // A version that nobody committed, a deletion that nobody committed.
    check(&[&[read(1, 99)]], ["G1a", "G1a", "G1a"]);
    check(&[&[write(1, 99, 10)]], ["G1a", "G1a", "G1a"]);
    check(&[&[scan(&[(1, -1)])]], ["G1a", "G1a", "G1a"]);
    // A version that its writer wrote over or deleted.
    check(&[&[write(1, -1, 10), write(1, 10, 11)], &[read(1, 10)]], ["G1b", "G1b", "G1b"]);
    check(&[&[insert(3, 10), delete(3, 10)], &[read(3, 10)]], ["G1b", "G1b", "G1b"]);
    // Each saw the other's write.
    let flow: [&[Operation]; 2] = [&[write(1, -1, 10), read(2, 20)], &[write(2, -2, 20), read(1, 10)]];
    check(&flow, ["G1c", "G1c", "G1c"]);
    // One saw the other's write, which wrote over its own.
    check(&[&[write(1, -1, 10), read(2, 20)], &[write(1, 10, 21), write(2, -2, 20)]], ["G1c", "G1c", "G1c"]);
}

#[test]
fn own_writes_must_be_seen() {
    check(&[&[write(1, -1, 10), read(1, -1)]], ["T0 wrote", "T0 wrote", "T0 wrote"]);
    check(&[&[delete(1, -1), read(1, -1)]], ["T0 wrote", "T0 wrote", "T0 wrote"]);
    check(&[&[insert(3, 10), scan(&[(1, -1), (2, -2)])]], ["T0 wrote", "T0 wrote", "T0 wrote"]);
    check(&[&[read(1, -2)]], ["T0 saw version -2", "T0 saw version -2", "T0 saw version -2"]);
}

#[test]
fn skews_are_found_where_they_are_forbidden() {
    // Lost update: read a version, wrote over a later one.
    check(&[&[read(1, -1), write(1, 20, 10)], &[write(1, -1, 20)]], ["", "lost update", "lost update"]);
    // Read skew: one key before the other transaction, one after it.
    check(&[&[read(1, -1), read(2, 21)], &[write(1, -1, 20), write(2, -2, 21)]], ["", "G-single", "G-single"]);
    // A row appears between two scans, or goes.
    let appears: [&[Operation]; 2] =
        [&[scan(&[(1, -1), (2, -2)]), scan(&[(1, -1), (2, -2), (3, 20)])], &[insert(3, 20)]];
    check(&appears, ["", "G-single", "G-single"]);
    check(&[&[read(1, -1), missing(1)], &[delete(1, -1)]], ["", "G-single", "G-single"]);
    // Write skew: each wrote what the other had read.
    let skew: [&[Operation]; 2] = [&[read(2, -2), write(1, -1, 10)], &[read(1, -1), write(2, -2, 20)]];
    check(&skew, ["", "", "G2"]);
    // The same with keys that were missing.
    let phantoms: [&[Operation]; 2] =
        [&[scan(&[(1, -1), (2, -2)]), insert(3, 10)], &[scan(&[(1, -1), (2, -2)]), insert(4, 20)]];
    check(&phantoms, ["", "", "G2"]);
    // Three, of which one only reads (Fekete, O'Neil, O'Neil 2004).
    let reader: [&[Operation]; 3] =
        [&[read(1, -1), read(2, -2), write(1, -1, 10)], &[write(2, -2, 20)], &[read(1, -1), read(2, 20)]];
    check(&reader, ["", "", "G2"]);
}
