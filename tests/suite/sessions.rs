//! Who is connected: `pg_stat_activity`, and what `pg_cancel_backend` and `pg_terminate_backend` do.

use tokio_postgres::Client;
use tokio_postgres::error::SqlState;

use crate::waiting::{LONG, truth, wait_until};
use crate::wire::with_server;

async fn process_id(client: &Client) -> i32 {
    client.query_one("SELECT pg_backend_pid()", &[]).await.unwrap().get(0)
}

#[test]
fn pg_stat_activity_shows_every_session() {
    with_server(|server| async move {
        let (watcher, a, b) = (server.connect().await, server.connect().await, server.connect().await);
        let (pid, waiting) = (process_id(&a).await, process_id(&b).await);
        let is = |what: &str| format!("SELECT count(*) = 1 FROM pg_stat_activity WHERE pid = {pid} AND {what}");
        assert!(
            truth(&watcher, &is("state = 'idle' AND query = 'SELECT pg_backend_pid()' AND xact_start IS NULL")).await
        );
        assert!(truth(&watcher, &is("usename = 'ann' AND datname = 'sinew' AND client_addr = '127.0.0.1'")).await);
        a.batch_execute("SET application_name = 'a test'").await.unwrap();
        a.batch_execute("BEGIN; SELECT pg_advisory_lock(9)").await.unwrap();
        let in_block = "state = 'idle in transaction' AND application_name = 'a test' AND xact_start <= query_start \
                        AND state_change >= query_start AND wait_event = 'ClientRead'";
        assert!(truth(&watcher, &is(in_block)).await);
        let blocked = tokio::spawn(async move {
            let result = b.batch_execute("SELECT pg_advisory_lock(9)").await;
            (b, result)
        });
        let waits = format!(
            "SELECT count(*) = 1 FROM pg_stat_activity WHERE pid = {waiting} AND state = 'active' \
             AND query = 'SELECT pg_advisory_lock(9)' AND wait_event_type = 'Lock' AND wait_event = 'advisory'"
        );
        wait_until(&watcher, &waits).await;
        // A cancel ends the statement, not the session.
        assert!(truth(&watcher, &format!("SELECT pg_cancel_backend({waiting})")).await);
        let (b, result) = tokio::time::timeout(LONG, blocked).await.expect("the wait ends").unwrap();
        assert_eq!(result.unwrap_err().code(), Some(&SqlState::QUERY_CANCELED));
        assert_eq!(process_id(&b).await, waiting);
        // One that comes between statements is forgotten.
        assert!(truth(&watcher, &format!("SELECT pg_cancel_backend({waiting})")).await);
        assert_eq!(process_id(&b).await, waiting);
        a.batch_execute("SELECT 1/0").await.unwrap_err();
        assert!(truth(&watcher, &is("state = 'idle in transaction (aborted)'")).await);
        a.batch_execute("ROLLBACK").await.unwrap();
        assert!(truth(&watcher, &is("state = 'idle' AND query = 'ROLLBACK' AND xact_start IS NULL")).await);
        drop(a);
        wait_until(&watcher, &format!("SELECT count(*) = 0 FROM pg_stat_activity WHERE pid = {pid}")).await;
        assert!(!truth(&watcher, &format!("SELECT pg_cancel_backend({pid})")).await);
    });
}

#[test]
fn a_terminated_session_ends_idle_or_at_work() {
    with_server(|server| async move {
        let (watcher, idle, busy) = (server.connect().await, server.connect().await, server.connect().await);
        idle.batch_execute("BEGIN; SELECT pg_advisory_xact_lock(5)").await.unwrap();
        let pid = process_id(&idle).await;
        assert!(truth(&watcher, &format!("SELECT pg_terminate_backend({pid}, 60000)")).await);
        assert!(truth(&watcher, &format!("SELECT count(*) = 0 FROM pg_stat_activity WHERE pid = {pid}")).await);
        assert!(truth(&watcher, "SELECT pg_try_advisory_lock(5)").await, "its transaction is rolled back");
        idle.simple_query("SELECT 1").await.expect_err("the connection is closed");
        let pid = process_id(&busy).await;
        let running = tokio::spawn(async move { busy.simple_query("SELECT pg_sleep(600)").await });
        let runs = "state = 'active' AND query LIKE 'SELECT pg_sleep%'";
        wait_until(&watcher, &format!("SELECT count(*) = 1 FROM pg_stat_activity WHERE pid = {pid} AND {runs}")).await;
        assert!(truth(&watcher, &format!("SELECT pg_terminate_backend({pid})")).await);
        let error = tokio::time::timeout(LONG, running).await.expect("the statement ends").unwrap().unwrap_err();
        assert_eq!(error.code(), Some(&SqlState::ADMIN_SHUTDOWN), "{error:?}");
        wait_until(&watcher, &format!("SELECT count(*) = 0 FROM pg_stat_activity WHERE pid = {pid}")).await;
        assert!(!truth(&watcher, &format!("SELECT pg_terminate_backend({pid})")).await);
    });
}
