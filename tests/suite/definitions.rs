//! Definitions that end with a session or outlive a crash: temporary tables, sequences.

use std::path::Path;

use sinew::{Database, Session, Value};

fn open(directory: &Path) -> Database {
    Database::open(directory).unwrap()
}

fn run(session: &mut Session, text: &str) {
    session.query(text, &[]).unwrap_or_else(|error| panic!("{text}: {error}"));
}

fn number(session: &mut Session, text: &str) -> i64 {
    match session.query(text, &[]).unwrap_or_else(|error| panic!("{text}: {error}")).rows[0][0] {
        Value::Int(number) => number,
        ref other => panic!("{text}: {other:?}"),
    }
}

fn sqlstate(session: &mut Session, text: &str) -> String {
    let error = session.query(text, &[]).expect_err(text);
    session.note_error();
    error.sqlstate().to_owned()
}

/// What a crash would leave of an open database.
fn image(from: &Path, to: &Path) {
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            std::fs::create_dir_all(&target).unwrap();
            image(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), target).unwrap();
        }
    }
}

#[test]
fn temporary_tables_are_a_sessions_own() {
    let directory = tempfile::tempdir().unwrap();
    let database = open(directory.path());
    let (mut one, mut two) = (database.session(), database.session());
    run(&mut one, "CREATE TABLE t (a int); INSERT INTO t VALUES (1)");
    run(&mut one, "CREATE TEMP TABLE t (a int); INSERT INTO t VALUES (10), (20)");
    assert_eq!(number(&mut one, "SELECT sum(a)::int8 FROM t"), 30);
    assert_eq!(number(&mut two, "SELECT sum(a)::int8 FROM t"), 1);
    // The same text, planned for each.
    run(&mut two, "CREATE TEMP TABLE t (a int); INSERT INTO t VALUES (5)");
    assert_eq!(number(&mut one, "SELECT sum(a)::int8 FROM t"), 30);
    assert_eq!(number(&mut two, "SELECT sum(a)::int8 FROM t"), 5);
    let schema = one.query_text("SELECT nspname FROM pg_namespace WHERE oid = pg_my_temp_schema()", &[]).unwrap();
    let schema = schema[0][0].clone().unwrap();
    assert_eq!(sqlstate(&mut two, &format!("SELECT * FROM {schema}.t")), "0A000");
    let count = "SELECT count(*) FROM pg_class WHERE relpersistence = 't'";
    assert_eq!(number(&mut two, count), 2);
    drop(one);
    assert_eq!(number(&mut two, count), 1);
    run(&mut two, "DISCARD ALL");
    assert_eq!(number(&mut two, count), 0);
    assert_eq!(number(&mut two, "SELECT sum(a)::int8 FROM t"), 1);
}

#[test]
fn a_crash_leaves_no_temporary_tables_and_repeats_no_number() {
    let (directory, crashed) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let database = open(directory.path());
    let mut session = database.session();
    run(&mut session, "CREATE SEQUENCE s; CREATE SEQUENCE moved");
    run(&mut session, "CREATE TEMP TABLE gone (id serial); INSERT INTO gone DEFAULT VALUES");
    let mut given = 0;
    for _ in 0..50 {
        given = number(&mut session, "SELECT nextval('s')");
    }
    run(&mut session, "SELECT setval('moved', 500)");
    image(directory.path(), crashed.path());
    let reopened = open(crashed.path());
    let mut after = reopened.session();
    assert_eq!(number(&mut after, "SELECT count(*) FROM pg_class WHERE relpersistence = 't'"), 0);
    assert_eq!(number(&mut after, "SELECT count(*) FROM pg_namespace WHERE nspname LIKE 'pg\\_temp\\_%'"), 0);
    let next = number(&mut after, "SELECT nextval('s')");
    assert!(next > given && next <= given + 33, "{next} after {given}");
    assert_eq!(number(&mut after, "SELECT nextval('moved')"), 501);
}

#[test]
fn closing_loses_no_number() {
    let directory = tempfile::tempdir().unwrap();
    for round in 0..3 {
        let database = open(directory.path());
        let mut session = database.session();
        if round == 0 {
            run(&mut session, "CREATE TABLE t (id int GENERATED ALWAYS AS IDENTITY (INCREMENT BY 2), v int)");
        }
        run(&mut session, "INSERT INTO t (v) VALUES (1), (2)");
        drop(session);
        database.close().unwrap();
    }
    let mut session = open(directory.path()).session();
    assert_eq!(number(&mut session, "SELECT max(id)::int8 FROM t"), 11);
}

#[test]
fn numbers_survive_a_rollback_and_a_restart_does_not() {
    let database = Database::in_memory().unwrap();
    let (mut one, mut two) = (database.session(), database.session());
    run(&mut one, "CREATE SEQUENCE s");
    run(&mut one, "BEGIN");
    assert_eq!(number(&mut one, "SELECT nextval('s')"), 1);
    assert_eq!(number(&mut two, "SELECT nextval('s')"), 2);
    run(&mut one, "ROLLBACK");
    assert_eq!(number(&mut one, "SELECT nextval('s')"), 3);
    run(&mut one, "BEGIN; ALTER SEQUENCE s RESTART WITH 100");
    assert_eq!(number(&mut one, "SELECT nextval('s')"), 100);
    // Others wait for whoever moves the sequence.
    run(&mut two, "SET lock_timeout = '20ms'");
    assert_eq!(sqlstate(&mut two, "SELECT nextval('s')"), "55P03");
    run(&mut one, "ROLLBACK");
    assert_eq!(number(&mut two, "SELECT nextval('s')"), 4);
    // What a rolled back restart gave is given again by the next one.
    run(&mut one, "ALTER SEQUENCE s RESTART WITH 100");
    assert_eq!(number(&mut two, "SELECT nextval('s')"), 100);
}

#[test]
fn a_comment_waits_for_no_reader_and_no_writer() {
    let database = Database::in_memory().unwrap();
    let (mut one, mut two) = (database.session(), database.session());
    run(&mut one, "CREATE TABLE t (a int); INSERT INTO t VALUES (1)");
    run(&mut one, "BEGIN; UPDATE t SET a = 2");
    run(&mut two, "SET lock_timeout = '20ms'; COMMENT ON TABLE t IS 'x'; COMMENT ON COLUMN t.a IS 'y'");
    run(&mut one, "COMMIT");
    assert_eq!(number(&mut two, "SELECT a::int8 FROM t"), 2);
}
