//! kill -9 in the middle of eight clients' writes: every acknowledged transaction is in every view, nothing half.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use sinew_tests::server::Server;
use tokio::sync::Mutex;

const PROGRAM: &str = env!("CARGO_BIN_EXE_sinew-under-test");
const CLIENTS: usize = 8;

/// A word that only this transaction's message and node hold.
fn word(client: usize, i: usize) -> String {
    format!("zq{client}x{i}")
}

async fn strings(client: &tokio_postgres::Client, text: &str) -> BTreeSet<String> {
    let rows = client.query(text, &[]).await.unwrap_or_else(|error| panic!("{text}: {error:?}"));
    rows.iter().map(|row| row.get::<_, String>(0)).collect()
}

#[test]
fn acknowledged_writes_survive_and_views_agree() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    runtime.expect("a runtime starts").block_on(async {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let mut acknowledged: BTreeSet<String> = BTreeSet::new();
        let mut started: BTreeSet<String> = BTreeSet::new();
        for cycle in 0..2usize {
            let mut server = Server::start(PROGRAM, directory.path(), &[]).await;
            let done = Arc::new(Mutex::new((BTreeSet::new(), BTreeSet::new())));
            let mut tasks = Vec::new();
            for number in 0..CLIENTS {
                let mut client = server.connect().await;
                let done = Arc::clone(&done);
                tasks.push(tokio::spawn(async move {
                    for i in 0.. {
                        let word = word(number, cycle * 100_000 + i);
                        done.lock().await.0.insert(word.clone());
                        let write = async {
                            let transaction = client.transaction().await?;
                            let conversation = format!("c{number}");
                            transaction
                                .execute(
                                    "INSERT INTO messages (conversation_id, role, content) VALUES ($1, 'user', $2)",
                                    &[&conversation, &format!("the code word is {word}")],
                                )
                                .await?;
                            transaction.batch_execute(&format!("CREATE (:Word {{text: '{word}'}})")).await?;
                            transaction.commit().await
                        };
                        match write.await {
                            Ok(()) => done.lock().await.1.insert(word),
                            Err(_) => return,
                        };
                    }
                }));
            }
            // Killed in the middle of the writing, however slow the machine is.
            let deadline = std::time::Instant::now() + Duration::from_secs(60);
            while done.lock().await.1.len() < 20 * CLIENTS && std::time::Instant::now() < deadline {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            server.kill();
            for task in tasks {
                let _ = task.await;
            }
            let done = done.lock().await;
            started.extend(done.0.iter().cloned());
            acknowledged.extend(done.1.iter().cloned());
            assert!(done.1.len() > CLIENTS, "too little was written before the kill");
        }

        let server = Server::start(PROGRAM, directory.path(), &[]).await;
        let client = server.connect().await;
        let rows = strings(&client, "SELECT substr(content, 18) FROM messages").await;
        let nodes = strings(&client, "SELECT t FROM cypher('MATCH (w:Word) RETURN toString(w.text) AS t') w").await;
        assert_eq!(rows, nodes, "SQL and Cypher differ");
        let lost: Vec<_> = acknowledged.difference(&rows).collect();
        assert!(lost.is_empty(), "lost: {lost:?}");
        let invented: Vec<_> = rows.difference(&started).collect();
        assert!(invented.is_empty(), "nobody wrote: {invented:?}");
        // A commit may have landed whose acknowledgement did not arrive: one per client and cycle at most.
        assert!(rows.len() <= acknowledged.len() + 2 * CLIENTS);
        for (i, word) in rows.iter().enumerate() {
            let found = strings(
                &client,
                &format!("SELECT substr(content, 18) FROM search_messages('{word}', k => 1, mode => 'text')"),
            )
            .await;
            assert!(found.contains(word), "full text misses {word}");
            if i % 10 == 0 {
                let text = format!("the code word is {word}");
                let found = strings(
                    &client,
                    &format!("SELECT substr(content, 18) FROM search_messages('{text}', k => 3, mode => 'vector')"),
                )
                .await;
                assert!(found.contains(word), "vectors miss {word}: {found:?}");
            }
        }
        let gone = started.difference(&rows).next();
        if let Some(word) = gone {
            let found =
                strings(&client, &format!("SELECT content FROM search_messages('{word}', k => 1, mode => 'text')"))
                    .await;
            assert!(found.is_empty(), "full text knows {word}, which no row holds");
        }
    });
}

#[test]
fn a_second_process_is_refused_and_a_signal_closes_cleanly() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    runtime.expect("a runtime starts").block_on(async {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let mut server = Server::start(PROGRAM, directory.path(), &[]).await;
        let second = std::process::Command::new(PROGRAM)
            .args(["serve", "--listen", "127.0.0.1:0", "--http", "127.0.0.1:0", "--data"])
            .arg(directory.path())
            .output()
            .expect("the server's binary starts");
        assert!(!second.status.success());
        let message = String::from_utf8_lossy(&second.stderr);
        assert!(message.contains("holds the database"), "{message}");

        let client = server.connect().await;
        client.batch_execute("CREATE TABLE t (a int); INSERT INTO t VALUES (1)").await.unwrap();
        let stopped = std::process::Command::new("kill").arg(server.process_id().to_string()).status();
        assert!(stopped.expect("kill runs").success());
        let status = server.wait(Duration::from_secs(30)).expect("the server stops within seconds");
        assert!(status.success(), "{status}");
        let server = Server::start(PROGRAM, directory.path(), &[]).await;
        let count: i64 = server.connect().await.query_one("SELECT count(*) FROM t", &[]).await.unwrap().get(0);
        assert_eq!(count, 1);
    });
}
