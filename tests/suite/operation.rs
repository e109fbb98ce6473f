//! Starting, stopping and who holds the directory, as operators and clients see it.

use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

use sinew_tests::server::Server;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_postgres::NoTls;
use tokio_postgres::error::SqlState;

use crate::waiting::{LONG, wait_until};

const PROGRAM: &str = env!("CARGO_BIN_EXE_sinew-under-test");

fn run<F: Future<Output = ()>>(test: F) {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    runtime.expect("a runtime starts").block_on(test);
}

/// The whole answer, head and body; None when nobody listens.
async fn get(port: u16, path: &str) -> Option<String> {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).await.ok()?;
    let request = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.ok()?;
    Some(answer)
}

/// Starts a statement that does not end by itself, and returns when it runs.
async fn sleeper(server: &Server) -> tokio::task::JoinHandle<Result<(), tokio_postgres::Error>> {
    let (sleeping, witness) = (server.connect().await, server.connect().await);
    sleeping.batch_execute("BEGIN; SELECT pg_advisory_xact_lock(1)").await.unwrap();
    let sleeping =
        tokio::spawn(async move { sleeping.batch_execute("SELECT pg_advisory_lock(2); SELECT pg_sleep(3600)").await });
    wait_until(&witness, "SELECT count(*) = 2 FROM pg_locks WHERE locktype = 'advisory' AND granted").await;
    sleeping
}

#[test]
fn clients_are_told_that_the_server_is_starting() {
    run(async {
        let directory = tempfile::tempdir().unwrap();
        let mut server =
            Server::spawn(Path::new(PROGRAM), directory.path(), &["--demo"], Stdio::inherit()).expect("it starts");
        let deadline = Instant::now() + 2 * LONG;
        let (mut told_by_wire, mut told_by_http) = (false, false);
        loop {
            match server.try_connect().await {
                Ok(_) => break,
                // Before the port is open there is no error of the server.
                Err(error) => {
                    if let Some(error) = error.as_db_error() {
                        assert_eq!((error.code().code(), error.severity()), ("57P03", "FATAL"));
                        assert_eq!(error.message(), "the database system is starting up");
                        assert!(error.detail().is_some(), "{error:?}");
                        told_by_wire = true;
                    }
                }
            }
            if let Some(answer) = get(server.http_port, "/health").await
                && answer.contains("\"starting\"")
            {
                assert!(answer.starts_with("HTTP/1.1 503"), "{answer}");
                assert!(answer.contains("\"progress\":"), "{answer}");
                told_by_http = true;
            }
            assert!(server.ended().is_none(), "the server ended");
            assert!(Instant::now() < deadline, "the server does not get ready");
        }
        assert!(told_by_wire && told_by_http, "wire: {told_by_wire}, HTTP: {told_by_http}");
        let answer = get(server.http_port, "/health").await.expect("HTTP listens");
        assert!(answer.starts_with("HTTP/1.1 200") && answer.contains("\"status\":\"ok\""), "{answer}");
        let metrics = get(server.http_port, "/metrics").await.expect("HTTP listens");
        for line in ["sinew_store_writes_refused 0", "commit_duration_seconds_bucket{le=\"+Inf\"}"] {
            assert!(metrics.contains(line), "{line} is missing in {metrics}");
        }
    });
}

#[test]
fn silent_clients_do_not_hold_up_a_stop() {
    run(async {
        let directory = tempfile::tempdir().unwrap();
        let mut server = Server::start(PROGRAM, directory.path(), &[]).await;
        // Neither has said anything yet.
        let wire = TcpStream::connect(("127.0.0.1", server.port)).await.unwrap();
        let http = TcpStream::connect(("127.0.0.1", server.http_port)).await.unwrap();
        let config = format!("host=127.0.0.1 port={} user=ann dbname=sinew", server.port);
        let (idle, connection) = tokio_postgres::connect(&config, NoTls).await.unwrap();
        let ended = tokio::spawn(connection);
        idle.batch_execute("CREATE TABLE t (i int)").await.unwrap();
        idle.batch_execute("BEGIN; INSERT INTO t VALUES (1)").await.unwrap();
        assert!(server.terminate());
        let error = tokio::time::timeout(LONG, ended).await.expect("the connection ends").unwrap().unwrap_err();
        assert_eq!(error.code(), Some(&SqlState::ADMIN_SHUTDOWN));
        // A fraction of a second; a server that waited for any of them would take many.
        let status = server.wait(Duration::from_secs(10)).expect("the server stops");
        assert!(status.success(), "{status}");
        drop((wire, http));
    });
}

#[test]
fn a_statement_that_runs_on_is_cancelled_after_the_drain_timeout() {
    run(async {
        let directory = tempfile::tempdir().unwrap();
        let mut server = Server::start(PROGRAM, directory.path(), &["--drain-timeout-s", "1"]).await;
        let sleeping = sleeper(&server).await;
        assert!(server.terminate());
        let result = tokio::time::timeout(LONG, sleeping).await.expect("the statement ends").expect("no panic");
        assert_eq!(result.unwrap_err().code(), Some(&SqlState::ADMIN_SHUTDOWN));
        let status = server.wait(LONG).expect("the server stops");
        assert!(status.success(), "{status}");
    });
}

#[test]
fn a_second_signal_ends_the_process_at_once_and_loses_nothing() {
    run(async {
        let directory = tempfile::tempdir().unwrap();
        let mut server = Server::start(PROGRAM, directory.path(), &["--drain-timeout-s", "3600"]).await;
        let client = server.connect().await;
        client.batch_execute("CREATE TABLE t (i int); INSERT INTO t VALUES (1)").await.unwrap();
        let sleeping = sleeper(&server).await;
        assert!(server.terminate());
        // The first signal has arrived when nobody is let in any more.
        let deadline = Instant::now() + LONG;
        while TcpStream::connect(("127.0.0.1", server.port)).await.is_ok() {
            assert!(Instant::now() < deadline, "the server still accepts connections");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        assert!(server.ended().is_none(), "the statement is waited for");
        assert!(server.terminate());
        let status = server.wait(LONG).expect("the server stops");
        assert!(!status.success(), "{status}");
        assert!(sleeping.await.expect("no panic").is_err());
        let server = Server::start(PROGRAM, directory.path(), &[]).await;
        let count: i64 = server.connect().await.query_one("SELECT count(*) FROM t", &[]).await.unwrap().get(0);
        assert_eq!(count, 1);
    });
}

#[test]
fn whoever_is_refused_learns_who_holds_the_directory() {
    run(async {
        let directory = tempfile::tempdir().unwrap();
        let lock_file = directory.path().join("sinew.pid");
        let mut server = Server::start(PROGRAM, directory.path(), &[]).await;
        let holder = format!("another process (pid {}, listening on 127.0.0.1:{}", server.process_id(), server.port);
        let refused = |arguments: &[&str]| {
            let output = std::process::Command::new(PROGRAM).args(arguments).arg(directory.path()).output();
            let output = output.expect("the program starts");
            assert!(!output.status.success());
            String::from_utf8_lossy(&output.stderr).into_owned()
        };
        for arguments in
            [&["serve", "--listen", "127.0.0.1:0", "--http", "off", "--data"][..], &["check", "--data"][..]]
        {
            let message = refused(arguments);
            assert!(message.contains(&holder), "{message}");
        }
        // A killed process leaves its file, which harms nobody.
        server.kill();
        assert!(lock_file.exists());
        let mut server = Server::start(PROGRAM, directory.path(), &[]).await;
        // The file decides nothing.
        std::fs::remove_file(&lock_file).unwrap();
        let message = refused(&["check", "--data"]);
        assert!(message.contains("another process holds the database in"), "{message}");
        assert!(server.terminate());
        assert!(server.wait(LONG).expect("the server stops").success());
        let mut server = Server::start(PROGRAM, directory.path(), &[]).await;
        assert!(lock_file.exists());
        assert!(server.terminate());
        assert!(server.wait(LONG).expect("the server stops").success());
        assert!(!lock_file.exists(), "a clean close leaves no file");
    });
}

#[test]
fn a_transaction_whose_snapshot_is_too_old_is_ended() {
    run(async {
        let directory = tempfile::tempdir().unwrap();
        let server = Server::start(PROGRAM, directory.path(), &["--max-snapshot-age-s", "1"]).await;
        let (old, other) = (server.connect().await, server.connect().await);
        old.batch_execute("CREATE TABLE t (i int)").await.unwrap();
        old.batch_execute("BEGIN ISOLATION LEVEL REPEATABLE READ").await.unwrap();
        let pid: i32 = old.query_one("SELECT pg_backend_pid() FROM sinew_stat_store", &[]).await.unwrap().get(0);
        let of_old = format!("FROM sinew_stat_snapshot WHERE held_to = 'transaction' AND pid = {pid}");
        wait_until(&other, &format!("SELECT count(*) = 0 {of_old}")).await;
        let error = old.query("SELECT * FROM t", &[]).await.unwrap_err();
        let error = error.as_db_error().expect("an error of the server");
        assert_eq!((error.code().code(), error.message()), ("72000", "snapshot too old"));
        old.batch_execute("ROLLBACK; INSERT INTO t VALUES (1)").await.unwrap();
        let count: i64 = old.query_one("SELECT count(*) FROM t", &[]).await.unwrap().get(0);
        assert_eq!(count, 1);
        // Under READ COMMITTED silence holds no snapshot.
        other.batch_execute("BEGIN; INSERT INTO t VALUES (2)").await.unwrap();
        let pid: i32 = other.query_one("SELECT pg_backend_pid()", &[]).await.unwrap().get(0);
        wait_until(&old, &format!("SELECT count(*) = 0 FROM sinew_stat_snapshot WHERE pid = {pid}")).await;
        other.batch_execute("COMMIT").await.unwrap();
    });
}
