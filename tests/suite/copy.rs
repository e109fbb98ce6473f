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
fn options_that_are_not_carried_out_are_named() {
    with_server(|server| async move {
        let client = server.connect().await;
        client.batch_execute("CREATE TABLE t (a int)").await.unwrap();
        for (text, message) in [
            ("COPY t FROM STDIN (FORMAT csv) WHERE a > 1", "COPY FROM … WHERE is not supported"),
            ("COPY t TO STDOUT (FORMAT csv, FORCE_QUOTE *)", "COPY option FORCE_QUOTE is not supported"),
            ("COPY t TO STDOUT (FORMAT csv, FORCE_QUOTE (a))", "COPY option FORCE_QUOTE is not supported"),
        ] {
            let error = client.prepare(text).await.expect_err(text);
            let error = error.as_db_error().unwrap_or_else(|| panic!("{text}: no error of the server"));
            assert_eq!((error.code(), error.message()), (&SqlState::FEATURE_NOT_SUPPORTED, message));
            assert!(error.position().is_some(), "{text}");
        }
    });
}
