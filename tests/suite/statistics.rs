//! Tables are analyzed by themselves when enough has changed.

use std::time::{Duration, Instant};

use sinew::{Database, DatabaseOptions};
use sinew_storage::Value;

/// The first value of a query, again and again until it is the one expected.
fn wait_for(database: &Database, query: &str, expected: &Value) {
    let begin = Instant::now();
    loop {
        let rows = database.session().query(query, &[]).unwrap_or_else(|error| panic!("{query}: {error}")).rows;
        if rows.first().and_then(|row| row.first()) == Some(expected) {
            return;
        }
        assert!(begin.elapsed() < Duration::from_secs(60), "{query} gives {rows:?}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn changed_tables_are_analyzed() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let options = DatabaseOptions { analyze_interval: Some(Duration::from_millis(20)), ..DatabaseOptions::default() };
    let database = Database::open_with(directory.path(), options).expect("the database opens");
    let mut session = database.session();
    session.query("CREATE TABLE t (a int PRIMARY KEY, b int)", &[]).expect("CREATE");
    session.query("INSERT INTO t SELECT i, 1 FROM generate_series(1, 300) i", &[]).expect("INSERT");
    wait_for(&database, "SELECT reltuples FROM pg_class WHERE relname = 't'", &Value::Float(300.0));
    let distinct = "SELECT n_distinct FROM pg_stats WHERE tablename = 't' AND attname = 'b'";
    wait_for(&database, distinct, &Value::Float(1.0));
    let automatic = "SELECT last_autoanalyze IS NOT NULL FROM pg_stat_user_tables WHERE relname = 't'";
    wait_for(&database, automatic, &Value::Bool(true));
    // As many rows as before, all of them changed.
    session.query("UPDATE t SET b = a", &[]).expect("UPDATE");
    wait_for(&database, distinct, &Value::Float(-1.0));
    drop(session);
    drop(database);
    let database = Database::open(directory.path()).expect("the database opens again");
    wait_for(&database, distinct, &Value::Float(-1.0));
}
