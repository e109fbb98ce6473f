//! Foreign keys between sessions, and what their errors say beside the message.

use tokio_postgres::error::SqlState;

use crate::wire::with_server;

#[test]
fn errors_name_the_key_and_tags_count_own_rows() {
    with_server(|server| async move {
        let client = server.connect().await;
        client
            .batch_execute(
                "CREATE TABLE p (x int, y text, PRIMARY KEY (x, y));
                 CREATE TABLE c (a int, b text, FOREIGN KEY (a, b) REFERENCES p);
                 CREATE TABLE d (a int, b text, FOREIGN KEY (a, b) REFERENCES p ON DELETE CASCADE);
                 INSERT INTO p VALUES (1, 'one'), (2, 'two');
                 INSERT INTO c VALUES (1, 'one');
                 INSERT INTO d VALUES (2, 'two'), (2, 'two')",
            )
            .await
            .unwrap();
        let check = |error: tokio_postgres::Error, detail: &str| {
            let error = error.as_db_error().unwrap();
            assert_eq!(*error.code(), SqlState::FOREIGN_KEY_VIOLATION);
            assert_eq!(error.detail(), Some(detail));
            assert_eq!((error.table(), error.constraint()), (Some("c"), Some("c_a_b_fkey")));
        };
        let missing = client.execute("INSERT INTO c VALUES (2, 'three')", &[]).await.unwrap_err();
        check(missing, "Key (a, b)=(2, three) is not present in table \"p\".");
        let referenced = client.execute("DELETE FROM p WHERE x = 1", &[]).await.unwrap_err();
        check(referenced, "Key (x, y)=(1, one) is still referenced from table \"c\".");
        let deleted = client.execute("DELETE FROM p WHERE x = 2", &[]).await.unwrap();
        assert_eq!(deleted, 1);
        let left = client.query_one("SELECT count(*) FROM d", &[]).await.unwrap();
        assert_eq!(left.get::<_, i64>(0), 0);
    });
}

#[test]
fn whoever_comes_second_waits_and_finds_what_the_first_has_done() {
    with_server(|server| async move {
        let (first, second) = (server.connect().await, server.connect().await);
        first
            .batch_execute(
                "CREATE TABLE p (id int PRIMARY KEY);
                 CREATE TABLE c (a int REFERENCES p);
                 INSERT INTO p VALUES (1), (2), (3)",
            )
            .await
            .unwrap();
        for (own, other, end, succeeds) in [
            ("INSERT INTO c VALUES (1)", "DELETE FROM p WHERE id = 1", "COMMIT", false),
            ("INSERT INTO c VALUES (2)", "UPDATE p SET id = 20 WHERE id = 2", "ROLLBACK", true),
            ("DELETE FROM p WHERE id = 3", "INSERT INTO c VALUES (3)", "ROLLBACK", true),
            ("DELETE FROM p WHERE id = 20", "INSERT INTO c VALUES (20)", "COMMIT", false),
        ] {
            first.batch_execute(&format!("BEGIN; {own}")).await.unwrap();
            let (outcome, ended) = tokio::join!(second.execute(other, &[]), first.batch_execute(end));
            ended.unwrap();
            match outcome {
                Ok(count) => assert!(succeeds && count == 1, "{other}"),
                Err(error) => {
                    assert!(!succeeds, "{other}: {error}");
                    assert_eq!(error.code(), Some(&SqlState::FOREIGN_KEY_VIOLATION), "{other}");
                }
            }
        }
    });
}

#[test]
fn a_deferred_check_waits_and_finds_what_others_have_committed() {
    with_server(|server| async move {
        let (first, second) = (server.connect().await, server.connect().await);
        first
            .batch_execute(
                "CREATE TABLE p (id int PRIMARY KEY);
                 CREATE TABLE c (a int REFERENCES p DEFERRABLE INITIALLY DEFERRED);
                 INSERT INTO p VALUES (1), (2), (3), (4)",
            )
            .await
            .unwrap();
        for (own, other, end, succeeds) in [
            // The key is gone when the transaction ends, or still there.
            ("INSERT INTO c VALUES (1)", "DELETE FROM p WHERE id = 1", "COMMIT", false),
            ("INSERT INTO c VALUES (2)", "DELETE FROM p WHERE id = 2", "ROLLBACK", true),
            // The key that others may refer to is there again.
            (
                "DELETE FROM c; DELETE FROM p WHERE id = 3; INSERT INTO p VALUES (3)",
                "INSERT INTO p VALUES (6)",
                "COMMIT",
                true,
            ),
        ] {
            first.batch_execute(&format!("BEGIN; {own}")).await.unwrap();
            second.batch_execute(&format!("BEGIN; {other}")).await.unwrap();
            let (outcome, ended) = tokio::join!(first.batch_execute("COMMIT"), second.batch_execute(end));
            ended.unwrap();
            match outcome {
                Ok(()) => assert!(succeeds, "{own}"),
                Err(error) => {
                    assert!(!succeeds, "{own}: {error}");
                    assert_eq!(error.code(), Some(&SqlState::FOREIGN_KEY_VIOLATION), "{own}");
                }
            }
            // The failed COMMIT has ended the transaction.
            let open =
                first.query_one("SELECT count(*) FROM pg_locks WHERE mode = 'RowExclusiveLock'", &[]).await.unwrap();
            assert_eq!(open.get::<_, i64>(0), 0, "{own}");
        }
    });
}
