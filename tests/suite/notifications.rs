//! LISTEN and NOTIFY on the wire: when notifications are sent, to whom, in what order.

use sinew_tests::raw_client::{RawClient, query, run, sync};

use crate::wire::with_server;

/// What is told, without the sender's process id.
fn told(line: &str) -> &str {
    line.strip_prefix("A ").and_then(|line| line.split_once(' ')).map_or(line, |(_, told)| told)
}

#[test]
fn idle_clients_are_told_at_once_and_busy_ones_between_transactions() {
    with_server(|server| async move {
        let mut idle = RawClient::connect(&server).await;
        let mut busy = RawClient::connect(&server).await;
        let mut sender = RawClient::connect(&server).await;
        for client in [&mut idle, &mut busy] {
            assert_eq!(client.ask(&query("LISTEN jobs")).await, ["C LISTEN", "Z I"]);
        }
        assert_eq!(busy.ask(&query("BEGIN")).await, ["C BEGIN", "Z T"]);
        sender.ask(&query("BEGIN; NOTIFY jobs, '1'; SELECT pg_notify('jobs', '2'); NOTIFY jobs, '1'")).await;
        assert!(idle.is_silent().await, "nothing before the commit");
        assert_eq!(sender.ask(&query("COMMIT")).await, ["C COMMIT", "Z I"]);
        let lines = idle.take(2).await;
        assert_eq!(lines.iter().map(|line| told(line)).collect::<Vec<_>>(), ["jobs 1", "jobs 2"]);
        assert!(lines[0].starts_with(&format!("A {} ", sender.process_id)), "{lines:?}");
        assert!(busy.is_silent().await, "nothing inside the transaction");
        assert_eq!(busy.ask(&query("SELECT 1")).await.last().map(String::as_str), Some("Z T"));
        let lines = busy.ask(&query("COMMIT")).await;
        let lines: Vec<&str> = lines.iter().map(|line| told(line)).collect();
        assert_eq!(lines, ["C COMMIT", "jobs 1", "jobs 2", "Z I"]);
        // One's own, with the extended protocol.
        let lines = idle.ask(&[run("SELECT pg_notify($1, $2)", &["jobs", "own"]), sync()].concat()).await;
        assert_eq!(told(&lines[lines.len() - 2]), "jobs own", "{lines:?}");
        assert_eq!(told(&busy.next().await), "jobs own");
    });
}

#[test]
fn what_is_rolled_back_is_not_told() {
    with_server(|server| async move {
        let mut client = RawClient::connect(&server).await;
        client.ask(&query("LISTEN c")).await;
        client.ask(&query("BEGIN; NOTIFY c, 'lost'; LISTEN d; ROLLBACK")).await;
        client.ask(&query("BEGIN; NOTIFY c, 'kept'; SAVEPOINT s; NOTIFY c, 'kept'; NOTIFY c, 'lost'")).await;
        let lines = client.ask(&query("ROLLBACK TO s; NOTIFY c, 'last'; COMMIT")).await;
        let lines: Vec<&str> = lines.iter().map(|line| told(line)).collect();
        assert_eq!(lines, ["C ROLLBACK", "C NOTIFY", "C COMMIT", "c kept", "c last", "Z I"]);
        let failed = client.ask(&query("NOTIFY c, 'lost'; SELECT 1/0")).await;
        assert_eq!(failed.last().map(String::as_str), Some("Z I"));
        assert_eq!(client.ask(&query("NOTIFY d; UNLISTEN c; NOTIFY c")).await.len(), 4);
        client.ask(&query("LISTEN c")).await;
        client.ask(&query("DISCARD ALL")).await;
        assert_eq!(client.ask(&query("NOTIFY c")).await, ["C NOTIFY", "Z I"]);
    });
}

/// Pairs of payloads from concurrent transactions come in the order of their commits: the counter never goes back.
#[test]
fn the_order_is_that_of_the_commits() {
    with_server(|server| async move {
        let mut listener = RawClient::connect(&server).await;
        listener.ask(&query("CREATE TABLE counter (n int)")).await;
        listener.ask(&query("INSERT INTO counter VALUES (0); LISTEN c")).await;
        const ROUNDS: i32 = 40;
        let senders = (0..3).map(|_| async {
            let mut sender = RawClient::connect(&server).await;
            for _ in 0..ROUNDS {
                let lines = sender
                    .ask(&query(
                        "BEGIN; UPDATE counter SET n = n + 1; SELECT pg_notify('c', n::text) FROM counter; COMMIT",
                    ))
                    .await;
                assert_eq!(lines[lines.len() - 2], "C COMMIT", "{lines:?}");
            }
        });
        futures::future::join_all(senders).await;
        for n in 1..=3 * ROUNDS {
            assert_eq!(told(&listener.next().await), format!("c {n}"));
        }
    });
}

#[test]
fn a_client_that_does_not_read_loses_nothing() {
    with_server(|server| async move {
        let mut slow = RawClient::connect(&server).await;
        slow.ask(&query("LISTEN c")).await;
        let mut sender = RawClient::connect(&server).await;
        // More than sockets and the outbox hold.
        for round in 0..4 {
            let text = format!(
                "SELECT pg_notify('c', {round} || ' ' || i || repeat('x', 7000)) FROM generate_series(1, 500) i"
            );
            let lines = sender.ask(&query(&text)).await;
            assert_eq!(lines.last().map(String::as_str), Some("Z I"));
        }
        let usage = sender.ask(&query("SELECT pg_notification_queue_usage() > 0")).await;
        assert_eq!(usage[1], "D t");
        for round in 0..4 {
            for i in 1..=500 {
                let line = slow.next().await;
                assert!(told(&line).starts_with(&format!("c {round} {i}x")), "{}", &line[..40]);
            }
        }
    });
}
