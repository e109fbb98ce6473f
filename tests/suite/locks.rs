//! Locks and time limits as drivers see them: advisory locks, `pg_locks`, deadlocks, the three timeouts.

use tokio_postgres::error::SqlState;
use tokio_postgres::{Client, NoTls};

use crate::waiting::{LONG, truth, wait_until};
use crate::wire::with_server;

async fn code(client: &Client, text: &str) -> SqlState {
    client.simple_query(text).await.expect_err(text).code().expect("an error of the server").clone()
}

#[test]
fn advisory_locks_of_sessions_and_transactions() {
    with_server(|server| async move {
        let (a, b) = (server.connect().await, server.connect().await);
        // Session locks count and survive a rollback.
        a.batch_execute("BEGIN; SELECT pg_advisory_lock(7); SELECT pg_advisory_lock(7); ROLLBACK").await.unwrap();
        assert!(!truth(&b, "SELECT pg_try_advisory_lock(7)").await);
        assert!(!truth(&b, "SELECT pg_try_advisory_xact_lock_shared(7)").await);
        assert!(truth(&b, "SELECT pg_try_advisory_lock(0, 7)").await, "another space");
        assert!(truth(&a, "SELECT pg_advisory_unlock(7)").await);
        assert!(!truth(&b, "SELECT pg_try_advisory_lock(7)").await, "taken twice, given back once");
        assert!(truth(&a, "SELECT pg_advisory_unlock(7)").await);
        assert!(!truth(&a, "SELECT pg_advisory_unlock(7)").await, "not held any more");
        assert!(truth(&b, "SELECT pg_try_advisory_lock(7)").await);
        // A lock of the session does not stop its own transaction.
        b.batch_execute("BEGIN; SELECT pg_advisory_xact_lock(7); COMMIT").await.unwrap();
        assert!(!truth(&a, "SELECT pg_try_advisory_lock(7)").await);
        // Transaction locks go with the transaction, or with the savepoint they were taken after.
        a.batch_execute("BEGIN; SAVEPOINT s; SELECT pg_advisory_xact_lock_shared(1, 2)").await.unwrap();
        assert!(truth(&b, "SELECT pg_try_advisory_xact_lock_shared(1, 2)").await);
        assert!(!truth(&b, "SELECT pg_try_advisory_xact_lock(1, 2)").await);
        a.batch_execute("ROLLBACK TO s").await.unwrap();
        assert!(truth(&b, "SELECT pg_try_advisory_xact_lock(1, 2)").await);
        a.batch_execute("COMMIT").await.unwrap();
        // A session's end gives everything back.
        drop(b);
        wait_until(&a, "SELECT pg_try_advisory_lock(7) AND pg_try_advisory_lock(0, 7)").await;
        a.batch_execute("SELECT pg_advisory_unlock_all()").await.unwrap();
        let c = server.connect().await;
        assert!(truth(&c, "SELECT pg_try_advisory_lock(7)").await);
    });
}

#[test]
fn pg_locks_shows_who_holds_and_who_waits() {
    with_server(|server| async move {
        let (a, b, c) = (server.connect().await, server.connect().await, server.connect().await);
        a.batch_execute("CREATE TABLE t (i int)").await.unwrap();
        a.batch_execute("BEGIN; INSERT INTO t VALUES (1)").await.unwrap();
        let held =
            "FROM pg_locks JOIN pg_class ON pg_class.oid = relation WHERE relname = 't' AND locktype = 'relation'";
        assert!(truth(&c, &format!("SELECT count(*) = 1 {held} AND mode = 'RowExclusiveLock' AND granted")).await);
        a.batch_execute("SELECT pg_advisory_lock(9)").await.unwrap();
        let pid: i32 = b.query_one("SELECT pg_backend_pid()", &[]).await.unwrap().get(0);
        let waiting = tokio::spawn(async move { b.batch_execute("SELECT pg_advisory_lock(9)").await });
        let advisory = "locktype = 'advisory' AND classid = '0' AND objid = '9' AND objsubid = 1";
        wait_until(&c, &format!("SELECT count(*) = 1 FROM pg_locks WHERE {advisory} AND NOT granted")).await;
        let row = c
            .query_one(
                &format!("SELECT pid, mode, waitstart IS NOT NULL FROM pg_locks WHERE {advisory} AND NOT granted"),
                &[],
            )
            .await
            .unwrap();
        assert_eq!((row.get::<_, i32>(0), row.get::<_, &str>(1), row.get::<_, bool>(2)), (pid, "ExclusiveLock", true));
        let holder: i32 = a.query_one("SELECT pg_backend_pid()", &[]).await.unwrap().get(0);
        let row = c.query_one("SELECT pg_blocking_pids($1), pg_blocking_pids($2)", &[&pid, &holder]).await.unwrap();
        assert_eq!((row.get::<_, Vec<i32>>(0), row.get::<_, Vec<i32>>(1)), (vec![holder], Vec::new()));
        a.batch_execute("COMMIT; SELECT pg_advisory_unlock(9)").await.unwrap();
        waiting.await.unwrap().unwrap();
    });
}

#[test]
fn a_deadlock_ends_one_and_frees_the_other() {
    with_server(|server| async move {
        let (a, b) = (server.connect().await, server.connect().await);
        a.batch_execute("BEGIN; SELECT pg_advisory_xact_lock(1)").await.unwrap();
        b.batch_execute("BEGIN; SELECT pg_advisory_xact_lock(2)").await.unwrap();
        let both = async {
            tokio::join!(
                a.batch_execute("SELECT pg_advisory_xact_lock(2)"),
                b.batch_execute("SELECT pg_advisory_xact_lock(1)")
            )
        };
        // The one who is told holds nothing any more, though it has not said ROLLBACK yet.
        let (first, second) = tokio::time::timeout(LONG, both).await.expect("one of the two gives up");
        let error = match (first, second) {
            (Err(error), Ok(())) | (Ok(()), Err(error)) => error,
            other => panic!("exactly one gives up, found {other:?}"),
        };
        let error = error.as_db_error().expect("an error of the server");
        assert_eq!(*error.code(), SqlState::T_R_DEADLOCK_DETECTED);
        assert!(error.detail().is_some_and(|detail| detail.contains("blocked by process")), "{error:?}");
    });
}

#[test]
fn timeouts_take_units() {
    with_server(|server| async move {
        let (a, b) = (server.connect().await, server.connect().await);
        for (value, shown) in [("'500ms'", "500ms"), ("'2s'", "2s"), ("250", "250ms"), ("60000", "1min"), ("0", "0")] {
            for name in ["lock_timeout", "statement_timeout", "idle_in_transaction_session_timeout"] {
                a.batch_execute(&format!("SET {name} = {value}")).await.unwrap();
                let found: String = a.query_one(&format!("SHOW {name}"), &[]).await.unwrap().get(0);
                assert_eq!(found, shown, "{name} = {value}");
            }
        }
        assert_eq!(code(&a, "SET lock_timeout = '5 weeks'").await, SqlState::INVALID_PARAMETER_VALUE);
        b.batch_execute("SELECT pg_advisory_lock(1)").await.unwrap();
        a.batch_execute("SET lock_timeout = '50ms'").await.unwrap();
        assert_eq!(code(&a, "SELECT pg_advisory_lock(1)").await, SqlState::LOCK_NOT_AVAILABLE);
        a.batch_execute("SET lock_timeout = 0; SET statement_timeout = '0.05s'").await.unwrap();
        assert_eq!(code(&a, "SELECT pg_advisory_lock(1)").await, SqlState::QUERY_CANCELED);
        assert_eq!(code(&a, "SELECT pg_sleep(600)").await, SqlState::QUERY_CANCELED);
    });
}

#[test]
fn silence_in_a_transaction_ends_the_connection() {
    with_server(|server| async move {
        let config = format!("host=127.0.0.1 port={} user=ann dbname=sinew", server.port);
        let (silent, connection) = tokio_postgres::connect(&config, NoTls).await.unwrap();
        let ended = tokio::spawn(connection);
        let other = server.connect().await;
        for client in [&silent, &other] {
            client.batch_execute("SET idle_in_transaction_session_timeout = '200ms'").await.unwrap();
        }
        silent.batch_execute("CREATE TABLE t (i int)").await.unwrap();
        silent.batch_execute("BEGIN; INSERT INTO t VALUES (1); SELECT pg_advisory_lock(3)").await.unwrap();
        let ended = tokio::time::timeout(LONG, ended).await.expect("the connection ends").expect("no panic");
        let error = ended.expect_err("the connection ends with an error");
        let error = error.as_db_error().unwrap_or_else(|| panic!("an error of the server, found {error:?}"));
        assert_eq!((error.code().code(), error.severity()), ("25P03", "FATAL"));
        assert_eq!(error.message(), "terminating connection due to idle-in-transaction timeout");
        wait_until(&other, "SELECT pg_try_advisory_lock(3)").await;
        // Silence outside a transaction is not limited: this session has been as silent.
        assert_eq!(other.query_one("SELECT count(*) FROM t", &[]).await.unwrap().get::<_, i64>(0), 0);
    });
}
