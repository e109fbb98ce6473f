//! COPY as drivers read it: message boundaries, and where errors are said to be.

use futures::{SinkExt, StreamExt};
use tokio_postgres::Client;
use tokio_postgres::error::SqlState;

use crate::wire::with_server;

/// `PGCOPY` signature, flags and length of the header's extension.
const HEADER: &[u8] = b"PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0";

async fn messages(client: &Client, text: &str) -> Vec<Vec<u8>> {
    let stream = client.copy_out(text).await.unwrap();
    Box::pin(stream).map(|message| message.unwrap().to_vec()).collect().await
}

#[test]
fn a_binary_header_travels_with_the_first_row() {
    with_server(|server| async move {
        let client = server.connect().await;
        let sent = messages(&client, "COPY (SELECT * FROM (VALUES (1), (2)) v(a)) TO STDOUT (FORMAT binary)").await;
        let row = |value: u8| [0, 1, 0, 0, 0, 4, 0, 0, 0, value];
        assert_eq!(sent, [[HEADER, &row(1)[..]].concat(), row(2).to_vec(), vec![0xff, 0xff]]);
        let sent = messages(&client, "COPY (SELECT 1 WHERE false) TO STDOUT (FORMAT binary)").await;
        assert_eq!(sent, [[HEADER, &[0xff, 0xff][..]].concat()]);
    });
}

async fn copy(client: &Client, text: &str, data: &'static [u8]) -> tokio_postgres::Error {
    let mut sink = Box::pin(client.copy_in(text).await.unwrap());
    sink.send(std::io::Cursor::new(data)).await.unwrap();
    sink.as_mut().finish().await.expect_err(text)
}

#[test]
fn errors_say_where_in_the_data_they_are() {
    with_server(|server| async move {
        let client = server.connect().await;
        client.batch_execute("CREATE TABLE t (a int, at timestamptz)").await.unwrap();
        let check = async |text: &str, data: &'static [u8], code: SqlState, place: &str| {
            let error = copy(&client, text, data).await;
            let error = error.as_db_error().unwrap_or_else(|| panic!("{text}: no error of the server"));
            assert_eq!((error.code(), error.where_(), error.detail()), (&code, Some(place), None), "{error:?}");
        };
        let text = "COPY t FROM STDIN";
        let invalid = SqlState::INVALID_TEXT_REPRESENTATION;
        check(text, b"1\t\\N\nx y\t\\N\n", invalid.clone(), "COPY t, line 2, column a: \"x y\"").await;
        check(text, b"1\n", SqlState::BAD_COPY_FILE_FORMAT, "COPY t, line 1: \"1\"").await;
        check(text, b"1\t\\N\t2\n", SqlState::BAD_COPY_FILE_FORMAT, "COPY t, line 1: \"1\t\\N\t2\"").await;
        let csv = "COPY t (at, a) FROM STDIN (FORMAT csv, HEADER)";
        check(csv, b"at,a\n,1\n,no\n", invalid, "COPY t, line 3, column a: \"no\"").await;
        // The last microsecond that 64 bits can hold is no time.
        const BINARY: &[u8] = b"PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0\0\x01\0\0\0\x08\x7f\xff\xff\xff\xff\xff\xff\xfe";
        let binary = "COPY t (at) FROM STDIN (FORMAT binary)";
        check(binary, BINARY, SqlState::DATETIME_FIELD_OVERFLOW, "COPY t, line 1, column at").await;
        assert_eq!(client.query_one("SELECT count(*) FROM t", &[]).await.unwrap().get::<_, i64>(0), 0);
    });
}

#[test]
fn errors_of_constraints_say_which_line_they_are_about() {
    with_server(|server| async move {
        let client = server.connect().await;
        client
            .batch_execute("CREATE TABLE c (a int PRIMARY KEY CHECK (a > 0), b text NOT NULL, d int DEFAULT 7)")
            .await
            .unwrap();
        let check = async |text: &str, data: &'static [u8], code: SqlState, place: &str| {
            let error = copy(&client, text, data).await;
            let error = error.as_db_error().unwrap_or_else(|| panic!("{text}: no error of the server"));
            assert_eq!((error.code(), error.where_()), (&code, Some(place)), "{error:?}");
        };
        let text = "COPY c (a, b) FROM STDIN";
        check(text, b"1\tx\n2\t\\N\n", SqlState::NOT_NULL_VIOLATION, "COPY c, line 2: \"2\t\\N\"").await;
        check(text, b"1\tx\n-5\tb\n", SqlState::CHECK_VIOLATION, "COPY c, line 2: \"-5\tb\"").await;
        check(text, b"1\tx\n2\tb\n1\tc\n", SqlState::UNIQUE_VIOLATION, "COPY c, line 3").await;
        let filtered = "COPY c (a, b) FROM STDIN (FORMAT csv, HEADER) WHERE a <> 2";
        check(filtered, b"a,b\n1,x\n2,y\n-3,z\n", SqlState::CHECK_VIOLATION, "COPY c, line 4: \"-3,z\"").await;
        let matching = "COPY c (a, b) FROM STDIN (FORMAT csv, HEADER match)";
        check(matching, b"a,c\n1,x\n", SqlState::BAD_COPY_FILE_FORMAT, "COPY c, line 1: \"a,c\"").await;
        let mut sink =
            Box::pin(client.copy_in("COPY c (a, b) FROM STDIN (FORMAT csv) WHERE d = 7 AND b <> 'no'").await.unwrap());
        sink.send(std::io::Cursor::new("1,yes\n2,no\n3,\"\"\n")).await.unwrap();
        assert_eq!(sink.as_mut().finish().await.unwrap(), 2);
        let sum: i64 = client.query_one("SELECT sum(a) FROM c WHERE d = 7", &[]).await.unwrap().get(0);
        assert_eq!(sum, 4);
    });
}

#[test]
fn options_of_csv_and_queries_of_both_languages() {
    with_server(|server| async move {
        let client = server.connect().await;
        client
            .batch_execute("CREATE TABLE t (a int, b text); INSERT INTO t VALUES (1, 'one'), (2, NULL)")
            .await
            .unwrap();
        let sent = async |text: &str| String::from_utf8(messages(&client, text).await.concat()).unwrap();
        assert_eq!(sent("COPY t TO STDOUT (FORMAT csv, FORCE_QUOTE *)").await, "\"1\",\"one\"\n\"2\",\n");
        assert_eq!(sent("COPY t TO STDOUT CSV HEADER FORCE QUOTE b").await, "a,b\n1,\"one\"\n2,\n");
        assert_eq!(sent("COPY t (b) TO STDOUT WITH (HEADER)").await, "b\none\n\\N\n");
        client.batch_execute("CREATE (:City {name: 'Ulm', size: 1})").await.unwrap();
        let cypher = "COPY (MATCH (c:City) RETURN c.name AS name, c.size AS `the size`) TO STDOUT (FORMAT csv, HEADER, FORCE_QUOTE (name))";
        assert_eq!(sent(cypher).await, "name,the size\n\"Ulm\",1\n");
        assert_eq!(sent("COPY (INSERT INTO t VALUES (3, 'x') RETURNING a) TO STDOUT").await, "3\n");
        for (text, code, message) in [
            ("COPY t FROM STDIN (FORMAT csv, FORCE_QUOTE *)", "0A000", "COPY force quote only available using COPY TO"),
            (
                "COPY t (a) TO STDOUT (FORMAT csv, FORCE_QUOTE (b))",
                "42P10",
                "FORCE_QUOTE column \"b\" not referenced by COPY",
            ),
            (
                "COPY t TO STDOUT (FORMAT csv, FORCE_QUOTE (z))",
                "42703",
                "column \"z\" of relation \"t\" does not exist",
            ),
            ("COPY t FROM '/etc/passwd'", "0A000", "COPY with a server-side file is not supported"),
            ("COPY t TO PROGRAM 'cat'", "0A000", "COPY with a program is not supported"),
            ("COPY t FROM STDIN (ON_ERROR ignore)", "42601", "option \"on_error\" not recognized"),
            ("COPY t TO STDOUT WHERE a > 1", "42601", "WHERE clause not allowed with COPY TO"),
            ("COPY t FROM STDIN WHERE a > (SELECT 1)", "0A000", "cannot use subquery in COPY FROM WHERE condition"),
            (
                "COPY t FROM STDIN WHERE count(*) > 1",
                "42803",
                "aggregate functions are not allowed in COPY FROM WHERE conditions",
            ),
            (
                "COPY (MATCH (n) SET n.a = 1) TO STDOUT",
                "0A000",
                "COPY of a query that writes or takes parameters is not supported",
            ),
        ] {
            let error = client.prepare(text).await.err().unwrap_or_else(|| panic!("{text}: is accepted"));
            let error = error.as_db_error().unwrap_or_else(|| panic!("{text}: no error of the server"));
            assert_eq!((error.code().code(), error.message()), (code, message), "{text}");
        }
    });
}
