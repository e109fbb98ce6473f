//! Statements that keep more than their memory: the answers are those of much memory, and no file stays behind.

use std::path::Path;

use sinew::{Database, DatabaseOptions, Session};

const ROWS: usize = 30_000;
/// What a statement may hold at all, and what none of these queries needs to hold.
const LITTLE_BYTES: usize = 3 << 20;

/// Temporary files in a data directory.
pub fn temporary_files(directory: &Path) -> usize {
    let entries = std::fs::read_dir(directory).expect("the directory is read");
    entries
        .map(|entry| entry.expect("an entry").path())
        .map(|path| match path.is_dir() {
            true => temporary_files(&path),
            false => usize::from(path.extension().is_some_and(|extension| extension == "tmp")),
        })
        .sum()
}

fn filled(directory: &Path, statement_memory_bytes: usize) -> Database {
    let options = DatabaseOptions { statement_memory_bytes, ..DatabaseOptions::default() };
    let database = Database::open_with(directory, options).expect("the database opens");
    let mut session = database.session();
    session.query("SET max_parallel_workers_per_gather = 0", &[]).expect("SET");
    session.query("CREATE TABLE t (id int PRIMARY KEY, k int, s text, d date, x float8)", &[]).expect("CREATE");
    session.query("CREATE TABLE u (k int, s text)", &[]).expect("CREATE");
    for first in (1..=ROWS).step_by(5_000) {
        let fill = format!(
            "INSERT INTO t SELECT i, nullif(i * 7919 % 20011, 17), repeat(chr(97 + i % 26), 30) || i * 31 % 9973, \
             date '2020-01-01' + i % 5000, i / 7.0 FROM generate_series({first}, {first} + 4999) i"
        );
        session.query(&fill, &[]).expect("INSERT");
    }
    let fill =
        "INSERT INTO u SELECT nullif(i % 25000, 3), 'u' || i || repeat('y', 40) FROM generate_series(1, 28000) i";
    session.query(fill, &[]).expect("INSERT");
    database
}

/// The rows of a query, sorted unless it sorts them, and the most temporary files seen.
fn answer(session: &mut Session, query: &str) -> String {
    let rows = session.query(query, &[]).unwrap_or_else(|error| panic!("{query}: {error}")).rows;
    let mut lines: Vec<String> = rows.iter().map(|row| format!("{row:?}")).collect();
    if !query.contains("ORDER BY") {
        lines.sort_unstable();
    }
    lines.join("\n")
}

/// What gives few rows, so that only the operators hold many.
const QUERIES: &[&str] = &[
    // Sorts, equal keys in input order, top-n.
    "SELECT id, k, s, x FROM t ORDER BY k % 10, d DESC OFFSET 29900",
    "SELECT id, s FROM t ORDER BY s DESC, id LIMIT 20",
    "SELECT id, x FROM t ORDER BY x DESC, s LIMIT 40 OFFSET 25000",
    // Aggregates.
    "SELECT count(*), sum(c), max(m) FROM (SELECT k, count(*) c, max(s) m FROM t GROUP BY k) a",
    "SELECT count(*), sum(n), min(a) FROM (SELECT s, d, count(DISTINCT k) n, avg(x) a FROM t GROUP BY s, d) a",
    // Joins of all kinds.
    "SELECT count(*), sum(t.id), max(u.s) FROM t JOIN u ON t.k = u.k",
    "SELECT count(*), count(u.s), sum(length(t.s)) FROM t LEFT JOIN u ON t.k = u.k AND u.k % 3 = t.id % 3",
    "SELECT count(*), count(t.s), count(u.s) FROM t FULL JOIN u ON t.k = u.k",
    "SELECT count(*), count(t.s), count(u.s) FROM u RIGHT JOIN t ON t.k = u.k AND t.x > 100",
    "SELECT count(*), sum(id) FROM t WHERE EXISTS (SELECT FROM u WHERE u.k = t.k AND u.s > t.s)",
    "SELECT count(*), sum(id) FROM t WHERE NOT EXISTS (SELECT FROM u WHERE u.k = t.k)",
    "SELECT count(*), sum(a.id) FROM t a JOIN t b ON a.s = b.s AND a.d = b.d",
    // Distinct and set operations.
    "SELECT count(*), min(s), max(k) FROM (SELECT DISTINCT s, k FROM t) a",
    "SELECT count(*), sum(id) FROM (SELECT DISTINCT ON (k) k, id FROM t ORDER BY k, s, id) a",
    "SELECT count(*), count(DISTINCT k) FROM (SELECT k, s FROM t UNION SELECT k, s FROM u) a",
    "SELECT count(*), sum(k) FROM (SELECT k FROM t EXCEPT SELECT k FROM u) a",
    "SELECT count(*), sum(k) FROM (SELECT k FROM t INTERSECT SELECT k FROM u) a",
    "SELECT count(*), sum(k) FROM (SELECT k FROM t INTERSECT ALL SELECT k FROM u) a",
    "SELECT count(*), max(s) FROM (SELECT k, s FROM u EXCEPT ALL SELECT k, s FROM u WHERE k < 5) a",
    // Common table expressions, read twice.
    "WITH c AS MATERIALIZED (SELECT * FROM t) SELECT count(*), sum(a.id), max(a.s) FROM c a WHERE k > (SELECT avg(k) FROM c)",
    "WITH RECURSIVE r(i, s) AS (SELECT 1, repeat('z', 500) UNION ALL SELECT i + 1, repeat('z', 500) FROM r WHERE i < 20000) \
     SELECT count(*), sum(i), max(s) FROM r",
];

#[test]
fn little_memory_gives_the_answers_of_much() {
    let (small, large) = (tempfile::tempdir().expect("a folder"), tempfile::tempdir().expect("a folder"));
    let little = filled(small.path(), LITTLE_BYTES);
    let much = filled(large.path(), 256 << 20);
    let (mut little, mut much) = (little.session(), much.session());
    for session in [&mut little, &mut much] {
        session.query("SET max_parallel_workers_per_gather = 0", &[]).expect("SET");
    }
    little.query("SET work_mem = '64kB'", &[]).expect("SET");
    for query in QUERIES {
        let (little, much) = (answer(&mut little, query), answer(&mut much, query));
        assert!(little == much, "{query}\nlittle: {little:.600}\nmuch:   {much:.600}");
        assert_eq!(temporary_files(small.path()), 0, "{query}");
    }
    assert_eq!(temporary_files(large.path()), 0);
}

#[test]
fn files_keep_their_limit_and_go_with_the_statement() {
    let directory = tempfile::tempdir().expect("a folder");
    let database = filled(directory.path(), LITTLE_BYTES);
    let mut session = database.session();
    session.query("SET work_mem = 64", &[]).expect("SET");
    session.query("SET temp_file_limit = '100kB'", &[]).expect("SET");
    for query in ["SELECT * FROM t ORDER BY s", "SELECT DISTINCT s, k FROM t", "SELECT * FROM t JOIN u ON t.s = u.s"] {
        let error = session.query(query, &[]).expect_err(query);
        assert_eq!(error.sqlstate(), "53400", "{query}: {error}");
        assert_eq!(error.to_string(), "temporary file size exceeds temp_file_limit (100kB)");
        assert_eq!(temporary_files(directory.path()), 0, "{query}");
    }
    session.query("RESET temp_file_limit", &[]).expect("RESET");
    // An error behind the spilling, and a cancel in it.
    let error = session.query("SELECT 1 / (count(*) - count(*)) FROM (SELECT DISTINCT s, k FROM t) a", &[]);
    assert_eq!(error.expect_err("a division by zero").sqlstate(), "22012");
    session.query("SET statement_timeout = 20", &[]).expect("SET");
    let error =
        session.query("SELECT count(*) FROM (SELECT a.s FROM t a JOIN t b ON a.d = b.d ORDER BY b.s, a.x) c", &[]);
    assert_eq!(error.expect_err("a timeout").sqlstate(), "57014");
    assert_eq!(temporary_files(directory.path()), 0);
}

#[test]
fn opening_removes_what_was_left_behind() {
    let directory = tempfile::tempdir().expect("a folder");
    drop(Database::open(directory.path()).expect("the database opens"));
    let log = std::fs::read_dir(directory.path())
        .expect("the directory is read")
        .map(|entry| entry.expect("an entry").path())
        .find(|path| path.is_dir() && path.file_name().is_some_and(|name| name == "log"))
        .unwrap_or_else(|| directory.path().to_owned());
    std::fs::write(log.join("00000000000000ff.tmp"), b"left").expect("a file is written");
    assert_eq!(temporary_files(directory.path()), 1);
    drop(Database::open(directory.path()).expect("the database opens again"));
    assert_eq!(temporary_files(directory.path()), 0);
}
