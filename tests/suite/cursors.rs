//! Cursors and suspended portals: results that are taken in parts while other statements run.

use sinew::{Database, DatabaseOptions, Session};
use tokio_postgres::error::SqlState;

use crate::wire::with_server;

/// Fewer than the rows of the table take.
const STATEMENT_MEMORY_BYTES: usize = 4 << 20;
const ROWS: usize = 40_000;

/// A database whose table `t` is larger than what a statement may hold.
fn large_table(directory: &std::path::Path) -> Database {
    let options = DatabaseOptions { statement_memory_bytes: STATEMENT_MEMORY_BYTES, ..DatabaseOptions::default() };
    let database = Database::open_with(directory, options).expect("the database opens");
    let mut session = database.session();
    session.query("CREATE TABLE t (a int PRIMARY KEY, b text)", &[]).expect("the table is created");
    for first in (0..ROWS).step_by(1_000) {
        let last = first + 999;
        let insert = format!("INSERT INTO t SELECT i, repeat('x', 200) FROM generate_series({first}, {last}) i");
        session.query(&insert, &[]).expect("a part is inserted");
    }
    database
}

fn rows(session: &mut Session, text: &str) -> usize {
    session.query(text, &[]).unwrap_or_else(|error| panic!("{text}: {error}")).rows.len()
}

fn code(session: &mut Session, text: &str) -> String {
    session.query(text, &[]).expect_err(text).sqlstate().to_owned()
}

#[test]
fn a_cursor_holds_no_more_than_what_is_fetched() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let database = large_table(directory.path());
    let mut session = database.session();
    for isolation in ["READ COMMITTED", "REPEATABLE READ"] {
        session.query(&format!("BEGIN ISOLATION LEVEL {isolation}"), &[]).expect("begin");
        session.query("DECLARE c CURSOR FOR SELECT a, b FROM t", &[]).expect("nothing is collected");
        assert_eq!(rows(&mut session, "FETCH 10 FROM c"), 10);
        session.query("INSERT INTO t VALUES (-1, 'late')", &[]).expect("insert");
        session.query("DELETE FROM t WHERE a >= 36000", &[]).expect("delete");
        let other = database.session().query("INSERT INTO t VALUES (-2, 'of another')", &[]);
        other.expect("nobody is in the way");
        database.session().query("DELETE FROM t WHERE a = -2", &[]).expect("delete");
        assert_eq!(rows(&mut session, "SELECT a FROM t WHERE a IN (-1, 37000)"), 1);
        assert_eq!(rows(&mut session, "FETCH 25000 FROM c"), 25_000);
        assert_eq!(rows(&mut session, "FETCH ALL FROM c"), ROWS - 25_010);
        session.query("ROLLBACK", &[]).expect("rollback");
    }
}

#[test]
fn what_must_be_collected_may_be_larger_than_memory() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let database = large_table(directory.path());
    let mut session = database.session();
    let files = || crate::spilling::temporary_files(directory.path());
    // Own writes must be seen as they are now, whatever is written later.
    session.query("BEGIN", &[]).expect("begin");
    session.query("INSERT INTO t VALUES (-1, 'own')", &[]).expect("insert");
    session.query("DECLARE c CURSOR FOR SELECT a, b FROM t", &[]).expect("declare");
    assert_eq!(files(), 1);
    session.query("DELETE FROM t WHERE a > 7", &[]).expect("delete");
    assert_eq!(rows(&mut session, "FETCH ALL FROM c"), ROWS + 1);
    session.query("ROLLBACK", &[]).expect("rollback");
    assert_eq!(files(), 0);
    // The rest of a cursor that outlives its transaction.
    session.query("BEGIN", &[]).expect("begin");
    session.query("DECLARE h CURSOR WITH HOLD FOR SELECT a, b FROM t", &[]).expect("declare");
    session.query("COMMIT", &[]).expect("commit");
    assert_eq!(rows(&mut session, "FETCH 10 FROM h"), 10);
    assert_eq!(rows(&mut session, "FETCH ALL FROM h"), ROWS - 10);
    session.query("CLOSE h", &[]).expect("close");
    assert_eq!(files(), 0);
    // Files have a limit too.
    session.query("SET temp_file_limit = '1MB'", &[]).expect("set");
    session.query("BEGIN", &[]).expect("begin");
    session.query("DECLARE h CURSOR WITH HOLD FOR SELECT a, b FROM t", &[]).expect("declare");
    assert_eq!(code(&mut session, "COMMIT"), "53400");
    assert_eq!(code(&mut session, "FETCH h"), "34000");
    assert_eq!(files(), 0);
}

#[test]
fn a_suspended_portal_goes_on_while_rows_are_written() {
    with_server(|server| async move {
        let mut client = server.connect().await;
        client.batch_execute("CREATE TABLE t (i int); INSERT INTO t SELECT generate_series(1, 5000)").await.unwrap();
        let transaction = client.transaction().await.unwrap();
        let portal = transaction.bind("SELECT i FROM t WHERE i > $1", &[&100i32]).await.unwrap();
        let mut found = Vec::new();
        loop {
            let part = transaction.query_portal(&portal, 1_000).await.unwrap();
            found.extend(part.iter().map(|row| row.get::<_, i32>(0)));
            transaction.execute("INSERT INTO t VALUES (9999)", &[]).await.unwrap();
            transaction.execute("DELETE FROM t WHERE i > 4000 AND i < 9999", &[]).await.unwrap();
            if part.len() < 1_000 {
                break;
            }
        }
        found.sort_unstable();
        assert_eq!(found, (101..=5_000).collect::<Vec<i32>>());
        // Rows that the transaction wrote before are among them, those written later are not.
        let portal = transaction.bind("SELECT i FROM t WHERE i = 9999", &[]).await.unwrap();
        assert_eq!(transaction.query_portal(&portal, 2).await.unwrap().len(), 2);
        transaction.execute("INSERT INTO t VALUES (9999)", &[]).await.unwrap();
        assert_eq!(transaction.query_portal(&portal, 0).await.unwrap().len(), 3);
        // In a failed block it is refused like everything else.
        let portal = transaction.bind("SELECT i FROM t", &[]).await.unwrap();
        assert_eq!(transaction.query_portal(&portal, 2).await.unwrap().len(), 2);
        transaction.batch_execute("SELECT 1/0").await.unwrap_err();
        let error = transaction.query_portal(&portal, 2).await.unwrap_err();
        assert_eq!(error.code(), Some(&SqlState::IN_FAILED_SQL_TRANSACTION));
    });
}

#[test]
fn parameters_of_statements_without_a_plan() {
    with_server(|server| async move {
        let client = server.connect().await;
        client.batch_execute("BEGIN").await.unwrap();
        let declare = client
            .prepare("DECLARE c CURSOR FOR SELECT i, $2::text FROM generate_series(1, 10000) i WHERE i > $1")
            .await
            .unwrap();
        let types: Vec<&str> = declare.params().iter().map(tokio_postgres::types::Type::name).collect();
        assert_eq!(types, ["int4", "text"]);
        client.execute(&declare, &[&5i32, &"x"]).await.unwrap();
        let rows = client.query("FETCH 3000 FROM c", &[]).await.unwrap();
        assert_eq!((rows.len(), rows[0].get::<_, i32>(0), rows[0].get::<_, &str>(1)), (3000, 6, "x"));
        assert_eq!(client.query("FETCH ALL FROM c", &[]).await.unwrap().len(), 10_000 - 3_005);
        client.batch_execute("COMMIT").await.unwrap();
        for (text, expected) in [
            ("COPY (SELECT $1::int) TO STDOUT", SqlState::UNDEFINED_PARAMETER),
            ("CREATE TABLE refused (a int DEFAULT $1)", SqlState::UNDEFINED_PARAMETER),
            ("SET statement_timeout = $1", SqlState::SYNTAX_ERROR),
            ("DECLARE d CURSOR FOR SELEC $1", SqlState::SYNTAX_ERROR),
        ] {
            let error = client.prepare(text).await.expect_err(text);
            assert_eq!(error.code(), Some(&expected), "{text}");
            assert!(error.as_db_error().is_some_and(|error| error.position().is_some()), "{text}");
        }
    });
}
