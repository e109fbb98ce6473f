//! The server as a driver sees it: tokio-postgres against a real process.

use sinew_tests::server::Server;
use tokio_postgres::SimpleQueryMessage;
use tokio_postgres::error::SqlState;

const PROGRAM: &str = env!("CARGO_BIN_EXE_sinew-under-test");

/// Runs one asynchronous test against a fresh server.
pub fn with_server<F: Future<Output = ()>>(test: impl FnOnce(Server) -> F) {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    runtime.expect("a runtime starts").block_on(async {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let server = Server::start(PROGRAM, directory.path(), &[]).await;
        test(server).await;
    });
}

#[test]
fn extended_protocol_with_parameters_and_binary_results() {
    with_server(|server| async move {
        let client = server.connect().await;
        client
            .batch_execute(
                "CREATE TABLE t (id int PRIMARY KEY, name text NOT NULL, amount float8, at timestamptz DEFAULT now())",
            )
            .await
            .unwrap();
        let insert = client.prepare("INSERT INTO t (id, name, amount) VALUES ($1, $2, $3)").await.unwrap();
        for i in 0..10i32 {
            let inserted = client.execute(&insert, &[&i, &format!("name {i}"), &(f64::from(i) / 2.0)]).await.unwrap();
            assert_eq!(inserted, 1);
        }
        let rows =
            client.query("SELECT id, name, amount FROM t WHERE id >= $1 ORDER BY id DESC", &[&7i32]).await.unwrap();
        let found: Vec<(i32, String, f64)> = rows.iter().map(|row| (row.get(0), row.get(1), row.get(2))).collect();
        assert_eq!(
            found,
            [(9, "name 9".to_owned(), 4.5), (8, "name 8".to_owned(), 4.0), (7, "name 7".to_owned(), 3.5)]
        );
        let updated = client.execute("UPDATE t SET amount = amount * 2 WHERE id < 3", &[]).await.unwrap();
        assert_eq!(updated, 3);
        let deleted = client.execute("DELETE FROM t WHERE id = $1", &[&0i32]).await.unwrap();
        assert_eq!(deleted, 1);
        let row = client.query_one("SELECT count(*), sum(amount), max(name) FROM t", &[]).await.unwrap();
        assert_eq!((row.get::<_, i64>(0), row.get::<_, f64>(1), row.get::<_, &str>(2)), (9, 24.0, "name 9"));
    });
}

#[test]
fn errors_have_a_code_a_position_and_a_near_miss() {
    with_server(|server| async move {
        let client = server.connect().await;
        let check = async |text: &str, code: SqlState, hint: Option<&str>| {
            let error = client.simple_query(text).await.expect_err(text);
            let error = error.as_db_error().unwrap_or_else(|| panic!("{text}: no database error"));
            assert_eq!(*error.code(), code, "{text}: {error:?}");
            if let Some(hint) = hint {
                assert!(error.hint().is_some_and(|given| given.contains(hint)), "{text}: {error:?}");
                assert!(error.position().is_some(), "{text}: {error:?}");
            }
        };
        check("SELECT * FROM mesages", SqlState::UNDEFINED_TABLE, Some("messages")).await;
        check("SELECT contnt FROM messages", SqlState::UNDEFINED_COLUMN, Some("content")).await;
        check("SELECT lenght('a')", SqlState::UNDEFINED_FUNCTION, Some("length")).await;
        check("SELEC 1", SqlState::SYNTAX_ERROR, None).await;
        check("MATCH (n RETURN n", SqlState::SYNTAX_ERROR, None).await;
        check("SELECT 1/0", SqlState::DIVISION_BY_ZERO, None).await;
        check("SELECT 2147483647 + 1", SqlState::NUMERIC_VALUE_OUT_OF_RANGE, None).await;
        check("SELECT 'abc'::int", SqlState::INVALID_TEXT_REPRESENTATION, None).await;
        check("SELECT '[1,NaN]'::vector", SqlState::DATA_EXCEPTION, None).await;
        check("SELECT '[1,2]'::vector <-> '[1,2,3]'::vector", SqlState::DATA_EXCEPTION, None).await;
        let deep = format!("SELECT {}1{}", "(".repeat(10_000), ")".repeat(10_000));
        check(&deep, SqlState::STATEMENT_TOO_COMPLEX, None).await;
        let deep = format!("RETURN {}1{}", "[".repeat(10_000), "]".repeat(10_000));
        check(&deep, SqlState::STATEMENT_TOO_COMPLEX, None).await;
        // The session goes on.
        assert_eq!(client.query_one("SELECT 1", &[]).await.unwrap().get::<_, i32>(0), 1);
    });
}

#[test]
fn transactions_and_savepoints() {
    with_server(|server| async move {
        let mut client = server.connect().await;
        let other = server.connect().await;
        client.batch_execute("CREATE TABLE t (a int UNIQUE)").await.unwrap();
        let transaction = client.transaction().await.unwrap();
        transaction.execute("INSERT INTO t VALUES (1)", &[]).await.unwrap();
        transaction.batch_execute("CREATE (:Person {name: 'Ann'})").await.unwrap();
        let unseen: i64 = other.query_one("SELECT count(*) FROM t", &[]).await.unwrap().get(0);
        assert_eq!(unseen, 0);
        transaction.batch_execute("SAVEPOINT s").await.unwrap();
        let error = transaction.execute("INSERT INTO t VALUES (1)", &[]).await.unwrap_err();
        assert_eq!(error.code(), Some(&SqlState::UNIQUE_VIOLATION));
        let error = transaction.query("SELECT 1", &[]).await.unwrap_err();
        assert_eq!(error.code(), Some(&SqlState::IN_FAILED_SQL_TRANSACTION));
        transaction.batch_execute("ROLLBACK TO SAVEPOINT s; INSERT INTO t VALUES (2)").await.unwrap();
        transaction.commit().await.unwrap();
        let sum: i64 = other.query_one("SELECT sum(a) FROM t", &[]).await.unwrap().get(0);
        assert_eq!(sum, 3);
        let name: String = other.query_one("MATCH (p:Person) RETURN p.name", &[]).await.unwrap().get(0);
        assert_eq!(name, "Ann");
        // A message of several statements is one transaction.
        let error = client.simple_query("INSERT INTO t VALUES (3); INSERT INTO t VALUES (1)").await.unwrap_err();
        assert_eq!(error.code(), Some(&SqlState::UNIQUE_VIOLATION));
        let count: i64 = other.query_one("SELECT count(*) FROM t", &[]).await.unwrap().get(0);
        assert_eq!(count, 2);
    });
}

#[test]
fn copy_in_and_out() {
    use futures::{SinkExt, StreamExt};
    with_server(|server| async move {
        let client = server.connect().await;
        client.batch_execute("CREATE TABLE t (a int PRIMARY KEY, b text)").await.unwrap();
        let sink = client.copy_in("COPY t FROM STDIN").await.unwrap();
        let mut sink = Box::pin(sink);
        for chunk in ["1\ton", "e\n2\t\\N\n3\tta", "b\\there\n"] {
            sink.send(std::io::Cursor::new(chunk)).await.unwrap();
        }
        assert_eq!(sink.as_mut().finish().await.unwrap(), 3);
        let stream =
            client.copy_out("COPY (SELECT a, b FROM t ORDER BY a) TO STDOUT WITH (FORMAT csv, HEADER)").await.unwrap();
        let chunks: Vec<_> = Box::pin(stream).map(|chunk| chunk.unwrap()).collect().await;
        let text = String::from_utf8(chunks.concat()).unwrap();
        assert_eq!(text, "a,b\n1,one\n2,\n3,tab\there\n");
        // Bad input leaves nothing.
        let mut sink = Box::pin(client.copy_in("COPY t FROM STDIN").await.unwrap());
        sink.send(std::io::Cursor::new("4\tfour\nx\tfive\n")).await.unwrap();
        let error = sink.as_mut().finish().await.unwrap_err();
        assert_eq!(error.code(), Some(&SqlState::INVALID_TEXT_REPRESENTATION));
        assert_eq!(client.query_one("SELECT count(*) FROM t", &[]).await.unwrap().get::<_, i64>(0), 3);
    });
}

#[test]
fn rows_of_the_graph_are_counted() {
    use futures::SinkExt;
    with_server(|server| async move {
        let client = server.connect().await;
        let nodes = "INSERT INTO nodes (labels) SELECT ARRAY['P'] FROM generate_series(1, 5)";
        assert_eq!(client.execute(nodes, &[]).await.unwrap(), 5);
        let returning = client.query("INSERT INTO nodes (id) VALUES (50), (60) RETURNING id", &[]).await.unwrap();
        assert_eq!(returning.len(), 2);
        let edges = "INSERT INTO edges (type, source, target) VALUES ('R', 50, 60), ('R', 60, 50)";
        assert_eq!(client.execute(edges, &[]).await.unwrap(), 2);
        for (copy, rows) in [
            ("COPY nodes (id, labels) FROM STDIN", "70\t{P}\n80\t{P}\n90\t{}\n"),
            ("COPY edges (type, source, target) FROM STDIN", "R\t70\t80\nR\t80\t90\nR\t90\t70\n"),
        ] {
            let mut sink = Box::pin(client.copy_in(copy).await.unwrap());
            sink.send(std::io::Cursor::new(rows)).await.unwrap();
            assert_eq!(sink.as_mut().finish().await.unwrap(), 3, "{copy}");
        }
    });
}

/// tokio-postgres is told of columns when it prepares, and does not ask again when it runs.
#[test]
fn columns_of_the_graph_keep_their_described_types() {
    with_server(|server| async move {
        let client = server.connect().await;
        client.batch_execute("CREATE (:P {age: 30}), (:P {age: 40})").await.unwrap();
        let ages = "MATCH (p:P) WHERE p.age > $1 RETURN p.age ORDER BY p.age";
        let older = client.prepare(ages).await.unwrap();
        assert_eq!((older.params()[0].name(), older.columns()[0].type_().name()), ("int8", "int8"));
        assert_eq!(client.query(&older, &[&30i64]).await.unwrap()[0].get::<_, i64>(0), 40);
        client.batch_execute("CREATE (:P {age: 41.5})").await.unwrap();
        let error = client.query(&older, &[&30i64]).await.expect_err("another type");
        assert_eq!(error.code(), Some(&SqlState::FEATURE_NOT_SUPPORTED), "{error:?}");
        let older = client.prepare(ages).await.unwrap();
        assert_eq!((older.params()[0].name(), older.columns()[0].type_().name()), ("float8", "float8"));
        let found: Vec<f64> = client.query(&older, &[&30.5f64]).await.unwrap().iter().map(|row| row.get(0)).collect();
        assert_eq!(found, [40.0, 41.5]);
    });
}

#[test]
fn a_running_statement_is_cancelled() {
    with_server(|server| async move {
        let client = server.connect().await;
        let cancel = client.cancel_token();
        let running = client.simple_query(
            "UNWIND range(1, 100000) AS x UNWIND range(1, 100000) AS y WITH x, y WHERE x + y < 0 RETURN count(*)",
        );
        let stop = async {
            tokio::time::sleep(std::time::Duration::from_millis(300)).await;
            cancel.cancel_query(tokio_postgres::NoTls).await.unwrap();
        };
        let (result, ()) = tokio::join!(running, stop);
        assert_eq!(result.unwrap_err().code(), Some(&SqlState::QUERY_CANCELED));
        assert_eq!(client.query_one("SELECT 1", &[]).await.unwrap().get::<_, i32>(0), 1);
    });
}

#[test]
fn psql_meta_queries_bind() {
    with_server(|server| async move {
        // psql itself, when it is installed: the queries behind its commands are its own.
        let run = |command: &str| {
            std::process::Command::new("psql")
                .args([
                    "-X",
                    "-h",
                    "127.0.0.1",
                    "-p",
                    &server.port.to_string(),
                    "-U",
                    "ann",
                    "-d",
                    "sinew",
                    "-c",
                    command,
                ])
                .env("PGCONNECT_TIMEOUT", "10")
                .output()
        };
        if run("SELECT 1").is_err() {
            eprintln!("skipped: psql is not installed");
            return;
        }
        let client = server.connect().await;
        client
            .batch_execute("CREATE TABLE t (a int PRIMARY KEY, b text NOT NULL DEFAULT 'x', CHECK (a > 0))")
            .await
            .unwrap();
        for (command, expected) in [
            ("\\d", "messages"),
            ("\\dt", "conversations"),
            ("\\d t", "\"t_pkey\" PRIMARY KEY, btree (a)"),
            ("\\d messages", "messages_content_text"),
            ("\\di", "t_pkey"),
            ("\\dn", "public"),
            ("\\df", "query text, k integer DEFAULT"),
            ("\\l", "sinew"),
        ] {
            let output = run(command).expect("psql runs");
            let text = String::from_utf8_lossy(&output.stdout);
            let errors = String::from_utf8_lossy(&output.stderr);
            assert!(output.status.success() && errors.is_empty(), "{command}: {errors}");
            assert!(text.contains(expected), "{command}: {text}");
        }
    });
}

#[test]
fn hostile_bytes_end_one_connection_only() {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    with_server(|server| async move {
        let witness = server.connect().await;
        let attacks: Vec<Vec<u8>> = vec![
            vec![0xff; 64],
            b"GET / HTTP/1.1\r\n\r\n".to_vec(),
            // A startup packet that claims a gigabyte.
            vec![0x40, 0, 0, 0, 0, 3, 0, 0],
            // Half a startup packet.
            vec![0, 0, 0, 50, 0, 3, 0, 0, b'u'],
        ];
        for attack in attacks {
            let mut socket = tokio::net::TcpStream::connect(("127.0.0.1", server.port)).await.unwrap();
            let _ = socket.write_all(&attack).await;
            let _ = socket.shutdown().await;
            let mut reply = Vec::new();
            let read = tokio::time::timeout(std::time::Duration::from_secs(20), socket.read_to_end(&mut reply)).await;
            assert!(read.is_ok(), "the connection stayed open");
        }
        // Invalid UTF-8 in a query.
        let mut socket = tokio::net::TcpStream::connect(("127.0.0.1", server.port)).await.unwrap();
        let mut startup = vec![0, 3, 0, 0];
        startup.extend_from_slice(b"user\0ann\0\0");
        let mut message = ((startup.len() + 4) as u32).to_be_bytes().to_vec();
        message.extend(startup);
        let query = b"SELECT '\xff\xfe'\0";
        message.push(b'Q');
        message.extend(((query.len() + 4) as u32).to_be_bytes());
        message.extend_from_slice(query);
        message.extend([b'X', 0, 0, 0, 4]);
        socket.write_all(&message).await.unwrap();
        let mut reply = Vec::new();
        tokio::time::timeout(std::time::Duration::from_secs(20), socket.read_to_end(&mut reply))
            .await
            .unwrap()
            .unwrap();
        assert!(reply.windows(5).any(|bytes| bytes == b"22021"), "no 22021 in the reply");
        let SimpleQueryMessage::Row(row) = &witness.simple_query("SELECT 7").await.unwrap()[1] else {
            panic!("no row")
        };
        assert_eq!(row.get(0), Some("7"));
    });
}
