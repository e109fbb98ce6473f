//! Short statements answer alike whether or not their literals were taken out, their plan came from the cache, and the
//! short path ran them.

use sinew_tests::server::Server;
use tokio_postgres::{Client, SimpleQueryMessage};

use crate::wire::with_server;

/// What a message of the simple protocol gives, rows and tags or the error with its position.
async fn answer(client: &Client, text: &str) -> String {
    match client.simple_query(text).await {
        Ok(messages) => {
            let mut out = Vec::new();
            for message in messages {
                match message {
                    SimpleQueryMessage::Row(row) => {
                        let cell = |i: usize| format!("{}={:?}", row.columns()[i].name(), row.get(i));
                        out.push((0..row.len()).map(cell).collect::<Vec<_>>().join(", "));
                    }
                    SimpleQueryMessage::CommandComplete(count) => out.push(format!("{count} rows")),
                    _ => {}
                }
            }
            out.join("\n")
        }
        Err(error) => {
            let error = error.as_db_error().unwrap_or_else(|| panic!("{text}: no database error"));
            format!("{} {} {:?}", error.code().code(), error.message(), error.position())
        }
    }
}

const SCHEMA: &str = "CREATE TABLE t (id int PRIMARY KEY, name text, amount numeric(10,2), at date, big int8, \
                                       flag bool, data jsonb, tags text[], code varchar(3), UNIQUE (name));
    INSERT INTO t SELECT i, 'n' || i, i * 1.5, date '2024-01-01' + i, i * 5000000000, i % 2 = 0, \
                         jsonb_build_object('i', i), ARRAY['a', 'b' || i], 'c' FROM generate_series(1, 50) AS g(i)";

/// Statements in groups that differ in their literals only.
const STATEMENTS: &[&str] = &[
    "SELECT * FROM t WHERE id = 7",
    "SELECT * FROM t WHERE id = 8",
    "SELECT * FROM t WHERE id = 999;",
    "SELECT * FROM t WHERE id = 99999999999",
    "SELECT * FROM t WHERE id = 7.0",
    "SELECT * FROM t WHERE id = '7'",
    "SELECT * FROM t WHERE id = 'seven'",
    "SELECT * FROM t WHERE id = -7",
    "  SELECT name, 'x', 1, -1, 'it''s' AS q FROM t WHERE name = 'n3'  ;  ",
    "SELECT name, 'y', 2, -2, 'it''s' AS q FROM t WHERE name = 'n4'",
    "SELECT id / 0 FROM t WHERE id = 5",
    "SELECT 10 / (id - 5) FROM t WHERE id = 5",
    "SELECT nme FROM t WHERE id = 1",
    "SELECT 'äö', nme FROM t WHERE id = 1",
    "SELECT 2147483647 + id FROM t WHERE id = 2",
    "SELECT big + 1, amount * 2, at + 3, data -> 'i', tags[1], code || 'x' FROM t WHERE id = 9",
    "SELECT id FROM t WHERE id = 3 ORDER BY 1 LIMIT 1",
    "SELECT id FROM t WHERE id = 3 ORDER BY 2",
    "SELECT id FROM t WHERE id = 3 LIMIT 0",
    "SELECT count(*) FROM t WHERE id > 40 AND name LIKE 'n4%'",
    "SELECT id, count(*) FROM t WHERE id < 4 GROUP BY 1 ORDER BY 1",
    "SELECT DISTINCT ON (1) id FROM t WHERE id < 4",
    "SELECT interval '1 day', date '2024-02-03', 'a' || 'b', pg_typeof('x'), pg_typeof(1)",
    "SELECT CAST('5' AS int) + 1, '6'::int, CAST(1 AS numeric(4, 2))",
    "SELECT 'a' 'b'",
    "SELECT flag and'f' FROM t WHERE id = 2",
    "SELECT name like'x%', 1 FROM t WHERE id = 2",
    "SELECT -2147483648, pg_typeof(-2147483648), -2147483649 FROM t WHERE id = 2",
    "SELECT -2147483648 - 1",
    "SELECT id FROM t WHERE id = 3 ORDER BY id, 'x'",
    "SELECT pg_typeof(('x')), pg_typeof((('x')))",
    "SELECT 1 AS one WHERE 1 = 1",
    "INSERT INTO t (id, name, amount, at, code) VALUES (100, 'h', 1.5, '2024-05-06', 'abc')",
    "INSERT INTO t (id, name, amount, at, code) VALUES (101, 'i', 2, '2024-05-07', 'abcd')",
    "INSERT INTO t (id, name, amount, at, code) VALUES (101, 'i', 2, 'yesterdayish', 'abc')",
    "INSERT INTO t (id, name) VALUES (101, 'i') RETURNING id, name",
    "INSERT INTO t (id, name) VALUES (101, 'i') RETURNING id, name",
    "INSERT INTO t (id, name) VALUES (102, 'i')",
    "INSERT INTO t (id, name) VALUES (103, 'k'), (104, 'l') ON CONFLICT (id) DO NOTHING",
    "INSERT INTO t (id, name) VALUES (105, 'n1') ON CONFLICT (name) DO UPDATE SET big = 5 RETURNING big",
    "UPDATE t SET amount = amount + -3.5, flag = 'no' WHERE id = 10",
    "UPDATE t SET amount = amount + -4, name = 'changed' WHERE id = 11 RETURNING *",
    "UPDATE t SET name = 'changed' WHERE id = 12",
    "UPDATE t SET id = id + 1000 WHERE id = 13 RETURNING id",
    "UPDATE t SET amount = 123456789012 WHERE id = 14",
    "UPDATE t SET big = 1 WHERE id = 4 AND name = 'nobody'",
    "DELETE FROM t WHERE id = 15 RETURNING id, name",
    "DELETE FROM t WHERE id = 15",
    "DELETE FROM t WHERE id = 16 AND flag = 'yes'",
    "SELECT * FROM t WHERE id IN (1, 2, 10, 11, 1013) ORDER BY id",
    "SELECT count(*), sum(id), sum(amount) FROM t",
];

#[test]
fn literals_make_no_difference() {
    with_server(|server: Server| async move {
        let mut answers: Vec<Vec<String>> = Vec::new();
        // With everything off, and twice with everything on: the second time every plan is in the cache.
        for optimizer in ["off", "on", "on"] {
            let client = server.connect().await;
            client.batch_execute(&format!("SET sinew.optimizer = {optimizer}; BEGIN; {SCHEMA}; COMMIT")).await.unwrap();
            let mut given = Vec::new();
            for text in STATEMENTS {
                given.push(answer(&client, text).await);
            }
            client.batch_execute("DROP TABLE t").await.unwrap();
            answers.push(given);
        }
        for run in &answers[1..] {
            for ((text, plain), short) in STATEMENTS.iter().zip(&answers[0]).zip(run) {
                assert_eq!(short, plain, "{text}");
            }
        }
        assert!(answers[0].iter().filter(|answer| answer.contains("rows")).count() > STATEMENTS.len() / 2);
    });
}

#[test]
fn a_plan_of_another_definition_is_not_taken() {
    with_server(|server| async move {
        let (client, other) = (server.connect().await, server.connect().await);
        client.batch_execute("CREATE TABLE t (id int PRIMARY KEY, v int); INSERT INTO t VALUES (1, 10)").await.unwrap();
        assert_eq!(answer(&client, "SELECT * FROM t WHERE id = 1").await, "id=Some(\"1\"), v=Some(\"10\")\n1 rows");
        other.batch_execute("ALTER TABLE t DROP COLUMN v; ALTER TABLE t ADD COLUMN w text DEFAULT 'w'").await.unwrap();
        assert_eq!(answer(&client, "SELECT * FROM t WHERE id = 1").await, "id=Some(\"1\"), w=Some(\"w\")\n1 rows");
        client
            .batch_execute("CREATE SCHEMA s; CREATE TABLE s.t (id int PRIMARY KEY); SET search_path = s")
            .await
            .unwrap();
        assert_eq!(answer(&client, "SELECT * FROM t WHERE id = 1").await, "0 rows");
        client.batch_execute("BEGIN; DROP TABLE s.t; CREATE TABLE s.t (id int PRIMARY KEY, own int)").await.unwrap();
        client.batch_execute("INSERT INTO s.t VALUES (1, 2)").await.unwrap();
        assert_eq!(answer(&client, "SELECT * FROM t WHERE id = 1").await, "id=Some(\"1\"), own=Some(\"2\")\n1 rows");
        client.batch_execute("ROLLBACK").await.unwrap();
        assert_eq!(answer(&client, "SELECT * FROM t WHERE id = 1").await, "0 rows");
    });
}
