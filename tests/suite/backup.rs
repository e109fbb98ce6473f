//! Backup of a running server, restore, and check, through the command line.

use std::path::Path;
use std::process::{Command, Output};
use std::time::Duration;

use sinew_tests::server::Server;

const PROGRAM: &str = env!("CARGO_BIN_EXE_sinew-under-test");

fn run(arguments: &[&str]) -> Output {
    Command::new(PROGRAM).args(arguments).env_remove("SINEW_DSN").output().expect("the binary starts")
}

#[track_caller]
fn succeeds(arguments: &[&str]) -> String {
    let output = run(arguments);
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{arguments:?}\n{out}\n{err}");
    out.into_owned()
}

#[track_caller]
fn fails(arguments: &[&str]) -> String {
    let output = run(arguments);
    assert_eq!(output.status.code(), Some(1), "{arguments:?}");
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn text(path: &Path) -> &str {
    path.to_str().expect("temporary directories have plain names")
}

#[test]
fn a_running_server_is_backed_up_restored_and_checked() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    runtime.expect("a runtime starts").block_on(async {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let place = |name: &str| directory.path().join(name);
        let (data, backup, second, restored) = (place("data"), place("backup"), place("second"), place("restored"));
        let mut server = Server::start(PROGRAM, &data, &[]).await;
        let dsn = format!("postgres://sinew@127.0.0.1:{}/sinew", server.port);
        let client = server.connect().await;
        client
            .batch_execute(
                "CREATE TABLE t (a int PRIMARY KEY, b text); INSERT INTO t SELECT g, 'x' || g::text FROM generate_series(1, 1000) g;
                 INSERT INTO messages (conversation_id, role, content) VALUES ('c', 'user', 'the anchor is in the shed')",
            )
            .await
            .expect("writes succeed");
        client.batch_execute("CREATE (:Place {name: 'shed'})-[:NEAR]->(:Place {name: 'pier'})").await.expect("Cypher");

        let said = succeeds(&["backup", text(&backup), "--dsn", &dsn]);
        assert!(said.contains("backed up") && said.contains(text(&backup)), "{said}");
        let again = fails(&["backup", text(&backup), "--dsn", &dsn]);
        assert!(again.contains("not empty") && again.contains("58P02"), "{again}");
        let held = fails(&["backup", text(&second), "--data", text(&data)]);
        assert!(held.contains("--dsn"), "{held}");
        let block = client.batch_execute(&format!("BEGIN; BACKUP TO '{}'", text(&second))).await.expect_err("refused");
        assert_eq!(block.code().map(|code| code.code()), Some("25001"));
        client.batch_execute("ROLLBACK").await.expect("the block ends");

        let row = client.query_one(&format!("BACKUP TO '{}'", text(&second)), &[]).await.expect("backup in SQL");
        assert!(row.get::<_, i64>("lsn") > 0 && row.get::<_, i64>("rows") > 2000 && row.get::<_, i64>("bytes") > 0);
        assert_eq!(row.get::<_, &str>("directory"), text(&second));
        let problems = client.query("CHECK DATABASE", &[]).await.expect("check in SQL");
        assert!(problems.iter().all(|row| row.get::<_, Option<&str>>("problem").is_none()), "{problems:?}");
        let checked = |name: &str| problems.iter().find(|row| row.get::<_, &str>("object") == name).map(|row| row.get(1));
        assert_eq!((checked("index public.t_pkey"), checked("nodes")), (Some(1000i64), Some(2i64)));
        assert!(succeeds(&["check", "--dsn", &dsn]).contains("no problems"));

        client.batch_execute("INSERT INTO t VALUES (5000, 'after the backup')").await.expect("a later write");
        drop(client);
        server.kill();
        succeeds(&["restore", text(&backup), "--data", text(&restored)]);
        let onto = fails(&["restore", text(&second), "--data", text(&restored)]);
        assert!(onto.contains("not empty"), "{onto}");
        assert!(fails(&["check", "--data", text(&place("nowhere"))]).contains("no database"));
        assert!(succeeds(&["check", "--data", text(&data)]).contains("no problems"));
        assert!(succeeds(&["check", "--data", text(&restored)]).contains("no problems"));

        let mut server = Server::start(PROGRAM, &restored, &[]).await;
        let client = server.connect().await;
        let one = |query: &'static str| client.query_one(query, &[]);
        assert_eq!(one("SELECT count(*) FROM t").await.unwrap().get::<_, i64>(0), 1000);
        let found = one("SELECT content FROM search_messages('anchor', k => 1, mode => 'text')").await.unwrap();
        assert_eq!(found.get::<_, &str>(0), "the anchor is in the shed");
        let pier = one("SELECT n FROM cypher('MATCH (:Place {name: ''shed''})-[:NEAR]->(p) RETURN toString(p.name) AS n') c");
        assert_eq!(pier.await.unwrap().get::<_, &str>(0), "pier");
        client.batch_execute("INSERT INTO t VALUES (1001, 'new')").await.expect("the restored database is written to");
        drop(client);
        let stopped = Command::new("kill").arg(server.process_id().to_string()).status();
        assert!(stopped.expect("kill runs").success());
        server.wait(Duration::from_secs(30)).expect("the server stops");
        succeeds(&["backup", text(&place("third")), "--data", text(&restored)]);

        // Damage is named.
        let file = second.join("sinew.redb");
        let bytes = std::fs::read(&file).expect("the backup's file");
        std::fs::write(&file, &bytes[..bytes.len() / 2]).expect("truncated");
        let message = fails(&["restore", text(&second), "--data", text(&place("fourth"))]);
        assert!(message.contains("damaged"), "{message}");
    });
}
