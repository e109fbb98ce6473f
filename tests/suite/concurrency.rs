//! Autocommit statements that meet each other all succeed, and nothing is lost or doubled.

use std::sync::Arc;

use crate::wire::with_server;

#[test]
fn contended_rows_and_keys() {
    with_server(|server| async move {
        let server = Arc::new(server);
        let client = server.connect().await;
        client
            .batch_execute("CREATE TABLE counters (id int PRIMARY KEY, n int); INSERT INTO counters VALUES (1, 0)")
            .await
            .unwrap();
        let mut tasks = Vec::new();
        for number in 0..8i32 {
            let server = Arc::clone(&server);
            tasks.push(tokio::spawn(async move {
                let client = server.connect().await;
                for i in 0..15i32 {
                    client.execute("UPDATE counters SET n = n + 1 WHERE id = 1", &[]).await.unwrap();
                    // A key that all clients insert at once.
                    let key = 100 + i;
                    client
                        .execute(
                            "INSERT INTO counters VALUES ($1, 1) ON CONFLICT (id) DO UPDATE SET n = counters.n + 1",
                            &[&key],
                        )
                        .await
                        .unwrap();
                    // The first message of a conversation that all clients begin.
                    client
                        .execute(
                            "INSERT INTO messages (conversation_id, role, content) VALUES ($1, 'user', $2)",
                            &[&format!("c{i}"), &format!("from {number}")],
                        )
                        .await
                        .unwrap();
                }
            }));
        }
        for task in tasks {
            task.await.unwrap();
        }
        let sums = client
            .query_one("SELECT sum(n) FILTER (WHERE id = 1), sum(n) FILTER (WHERE id > 1), count(*) FROM counters", &[])
            .await
            .unwrap();
        assert_eq!((sums.get::<_, i64>(0), sums.get::<_, i64>(1), sums.get::<_, i64>(2)), (120, 120, 16));
        let messages = client
            .query_one("SELECT count(*), count(DISTINCT (conversation_id || '/' || seq)), max(seq) FROM messages", &[])
            .await
            .unwrap();
        assert_eq!((messages.get::<_, i64>(0), messages.get::<_, i64>(1)), (120, 120));
        // Numbers given to lost tries are not given again.
        assert!(messages.get::<_, i64>(2) >= 8);
    });
}

#[test]
fn growth_and_length_are_bounded() {
    with_server(|server| async move {
        let client = server.connect().await;
        let limits = [
            "WITH 'x' AS s RETURN size(reduce(acc = s, k IN range(1, 40) | acc + acc))".to_owned(),
            "RETURN size(reduce(acc = [1], k IN range(1, 40) | [acc, acc]))".to_owned(),
            "RETURN size(reduce(acc = [1], k IN range(1, 100000) | [acc]))".to_owned(),
            format!("{}RETURN a", "WITH 1 AS a ".repeat(10_000)),
            format!("MATCH {}() RETURN 1 LIMIT 1", "()-->".repeat(500)),
            "SELECT repeat('x', 2000000000)".to_owned(),
            "SELECT array_agg(repeat('x', 60000000) || g) FROM generate_series(1, 50) g".to_owned(),
        ];
        for statement in limits {
            let error = client.simple_query(&statement).await.expect_err(&statement);
            let code = error.code().map(|code| code.code().to_owned()).unwrap_or_default();
            let shown: String = statement.chars().take(80).collect();
            assert!(matches!(code.as_str(), "54000" | "54001" | "53200"), "{shown}: {code} {error:?}");
        }
        assert_eq!(client.query_one("SELECT 1", &[]).await.unwrap().get::<_, i32>(0), 1);
    });
}
