//! Windows over more rows than memory holds.

use std::path::Path;
use std::time::{Duration, Instant};

use sinew::{Database, DatabaseOptions, Session};

use crate::spilling::temporary_files;

const ROWS: usize = 900;

/// A session whose operators spill when `work_mem` says so.
fn filled(directory: &Path, work_mem: &str, row_count: usize) -> (Database, Session) {
    let options = DatabaseOptions { statement_memory_bytes: 16 << 20, ..DatabaseOptions::default() };
    let database = Database::open_with(directory, options).expect("the database opens");
    let mut session = database.session();
    session.query(&format!("SET work_mem = '{work_mem}'"), &[]).expect("SET");
    session
        .query("CREATE TABLE t (id int PRIMARY KEY, g int, v int, s text, n numeric, x float8, d date)", &[])
        .expect("CREATE");
    // Peers of all sizes, NULLs among them, and rows wide enough that few fit.
    let fill = format!(
        "INSERT INTO t SELECT i, i * 7 % 13, nullif(i * i % 97, 11), repeat(chr(97 + i % 26), 60) || i, i % 7 + 0.1 * (i % 3), i / 7.0, \
         date '2020-01-01' + i * 31 % 400 FROM generate_series(1, {row_count}) i"
    );
    session.query(&fill, &[]).expect("INSERT");
    (database, session)
}

fn answer(session: &mut Session, query: &str) -> Vec<String> {
    let rows = session.query(query, &[]).unwrap_or_else(|error| panic!("{query}: {error}")).rows;
    rows.iter().map(|row| format!("{row:?}")).collect()
}

const CALLS: &[&str] = &[
    "row_number()",
    "rank()",
    "dense_rank()",
    "percent_rank()",
    "cume_dist()",
    "ntile(7)",
    "ntile(nullif(v, 0) % 5 + 1)",
    "lag(s)",
    "lag(id, 3, -1)",
    "lag(s, v % 500 - 250, 'none')",
    "lag(id, -2)",
    "lead(s, 2)",
    "lead(id, 700)",
    "lead(id, NULL)",
    "first_value(s)",
    "last_value(s)",
    "nth_value(id, 5)",
    "nth_value(s, id % 70 + 1)",
    "count(*)",
    "sum(id)",
    "sum(n)",
    "avg(v) FILTER (WHERE v % 2 = 0)",
    "var_samp(v)",
    "stddev_pop(n)",
    "bool_or(v > 90)",
];
/// These read a frame anew for each row, when its start moves.
const ANEW: &[&str] = &["max(s)", "sum(x)", "string_agg(left(s, 1), '')"];

const ORDERS: &[&str] = &["ORDER BY v", "ORDER BY id", "ORDER BY v DESC NULLS FIRST"];
const FRAMES: &[&str] = &[
    "",
    "ROWS UNBOUNDED PRECEDING",
    "ROWS 3 PRECEDING",
    "ROWS BETWEEN 500 PRECEDING AND 400 PRECEDING",
    "ROWS BETWEEN 100 FOLLOWING AND 600 FOLLOWING",
    "ROWS BETWEEN CURRENT ROW AND UNBOUNDED FOLLOWING",
    "ROWS BETWEEN UNBOUNDED PRECEDING AND 2 FOLLOWING",
    "ROWS BETWEEN UNBOUNDED PRECEDING AND 700 PRECEDING",
    "ROWS BETWEEN 2 FOLLOWING AND 1 FOLLOWING",
    "RANGE BETWEEN 3 PRECEDING AND 5 FOLLOWING",
    "RANGE BETWEEN 40 PRECEDING AND 30 PRECEDING",
    "RANGE BETWEEN CURRENT ROW AND UNBOUNDED FOLLOWING",
    "RANGE BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING",
    "GROUPS BETWEEN 2 PRECEDING AND 1 FOLLOWING",
    "GROUPS BETWEEN 30 PRECEDING AND 20 PRECEDING",
    "GROUPS BETWEEN 3 FOLLOWING AND UNBOUNDED FOLLOWING",
    "GROUPS BETWEEN 3 FOLLOWING AND 1000 FOLLOWING",
    "ROWS BETWEEN 5 PRECEDING AND 5 FOLLOWING EXCLUDE CURRENT ROW",
    "GROUPS BETWEEN 1 PRECEDING AND 1 FOLLOWING EXCLUDE GROUP",
    "RANGE BETWEEN 2 PRECEDING AND 2 FOLLOWING EXCLUDE TIES",
    "ROWS BETWEEN 8 FOLLOWING AND 12 FOLLOWING EXCLUDE TIES",
];

/// What memory must not change.
fn queries() -> Vec<String> {
    let mut queries = Vec::new();
    let window = |calls: &str, partition: &str, order: &str, frame: &str| {
        format!("SELECT id, {calls} FROM t WINDOW w AS ({partition} {order} {frame}) ORDER BY id")
    };
    for (number, frame) in FRAMES.iter().enumerate() {
        let order = ORDERS[number % ORDERS.len()];
        let narrow = frame.is_empty() || !frame.contains("UNBOUNDED") && !frame.contains("00");
        let calls = CALLS.iter().chain(if narrow { ANEW } else { &[] }).map(|call| format!("{call} OVER w"));
        let calls: Vec<String> = calls.collect();
        for partition in ["", "PARTITION BY g", "PARTITION BY id % 400"] {
            queries.push(window(&calls.join(", "), partition, order, frame));
        }
        if number % 4 == 2 {
            // Alone each keeps other rows.
            queries.extend(calls.iter().map(|call| window(call, "", order, frame)));
        }
    }
    queries.push(
        "SELECT id, count(*) OVER (), max(s) OVER (PARTITION BY g), sum(x) OVER (ORDER BY id DESC) FROM t ORDER BY id"
            .into(),
    );
    queries
}

#[test]
fn windows_in_little_memory_give_the_answers_of_much() {
    let (small, large) = (tempfile::tempdir().expect("a folder"), tempfile::tempdir().expect("a folder"));
    let (_little, mut little) = filled(small.path(), "64kB", ROWS);
    let (_much, mut much) = filled(large.path(), "16MB", ROWS);
    for query in queries() {
        let (little, much) = (answer(&mut little, &query), answer(&mut much, &query));
        assert_eq!(much.len(), ROWS);
        for (little, much) in little.iter().zip(&much) {
            assert_eq!(little, much, "{query}");
        }
        assert_eq!(temporary_files(small.path()), 0, "{query}");
    }
}

#[test]
fn a_partition_may_be_larger_than_the_memory_of_its_statement() {
    let directory = tempfile::tempdir().expect("a folder");
    let options = DatabaseOptions { statement_memory_bytes: 3 << 20, ..DatabaseOptions::default() };
    let database = Database::open_with(directory.path(), options).expect("the database opens");
    let mut session = database.session();
    session.query("SET work_mem = '64kB'", &[]).expect("SET");
    let rows = 60_000_i64;
    let source = format!("(SELECT i, i % 1000 m, repeat('x', 100) s FROM generate_series(1, {rows}) i) r");
    let whole = "WINDOW w AS (ORDER BY i ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING)";
    for (result, calls, window, expected) in [
        ("sum(c), min(p)", "count(*) OVER () c, percent_rank() OVER (ORDER BY i) p", "", format!("{} 0", rows * rows)),
        (
            "sum(length(f)), sum(l)",
            "first_value(s) OVER w f, last_value(i) OVER w l",
            whole,
            format!("{} {}", rows * 100, rows * rows),
        ),
        ("count(b), sum(b)", "lag(i, 50000) OVER (ORDER BY i) b", "", format!("10000 {}", 10_000 * 10_001 / 2)),
        ("max(n), count(*)", "ntile(6) OVER (ORDER BY m) n", "", format!("6 {rows}")),
        (
            "min(t), max(t)",
            "count(*) OVER (ORDER BY m GROUPS BETWEEN 500 PRECEDING AND 500 FOLLOWING) t",
            "",
            "30060 60000".to_owned(),
        ),
    ] {
        let query = format!("SELECT concat_ws(' ', {result}) FROM (SELECT {calls} FROM {source} {window}) q");
        assert_eq!(answer(&mut session, &query), [format!("[Text({expected:?})]")], "{query}");
        assert_eq!(temporary_files(directory.path()), 0);
    }
}

#[test]
fn what_only_looks_around_needs_no_file() {
    let directory = tempfile::tempdir().expect("a folder");
    let (_database, mut session) = filled(directory.path(), "64kB", 6000);
    session.query("SET temp_file_limit = '10kB'", &[]).expect("SET");
    for call in ["row_number() OVER ()", "sum(id) OVER (ROWS 20 PRECEDING)", "lead(id, 30) OVER ()", "lag(s) OVER ()"] {
        let query =
            format!("SELECT count(*) FROM (SELECT s, {call} c FROM t) q WHERE c IS DISTINCT FROM NULL OR s > ''");
        assert_eq!(answer(&mut session, &query).len(), 1);
    }
    let error = session.query("SELECT s, cume_dist() OVER () FROM t", &[]).expect_err("a file is too large");
    assert_eq!(error.sqlstate(), "53400", "{error}");
    session.query("RESET temp_file_limit", &[]).expect("RESET");
    let plan = answer(&mut session, "EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF) SELECT s, cume_dist() OVER () FROM t")
        .join("\n");
    assert!(plan.contains("Storage: Disk  Maximum Storage: "), "{plan}");
}

#[test]
fn a_long_partition_can_be_cancelled() {
    let directory = tempfile::tempdir().expect("a folder");
    let (_database, mut session) = filled(directory.path(), "64kB", 20_000);
    session.query("SET statement_timeout = 100", &[]).expect("SET");
    for frame in [
        "ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING EXCLUDE CURRENT ROW",
        "ROWS BETWEEN 15000 PRECEDING AND CURRENT ROW",
    ] {
        let begin = Instant::now();
        let query = format!("SELECT max(s) OVER (ORDER BY id {frame}) FROM t");
        let error = session.query(&query, &[]).expect_err("a timeout");
        assert_eq!(error.sqlstate(), "57014", "{error}");
        assert!(begin.elapsed() < Duration::from_secs(5), "{:?}", begin.elapsed());
    }
    assert_eq!(temporary_files(directory.path()), 0);
}
