//! The rules of the protocol, message by message. What PostgreSQL must do too is also tried against one: see
//! [`sinew_tests::raw_client::port`].

use sinew_tests::raw_client::{RawClient, bind, close, describe, execute, flush, message, parse, query, run, sync};
use sinew_tests::server::Server;

use crate::wire::with_server;

/// A client of a server of its own.
fn with_client<F: Future<Output = ()>>(test: impl FnOnce(RawClient) -> F) {
    with_server(|server: Server| async move {
        let client = RawClient::connect(&server).await;
        test(client).await;
        drop(server);
    });
}

#[test]
fn statements_and_portals_live_as_long_as_they_should() {
    with_client(|mut client| async move {
        // A named statement outlives its transaction, a portal does not.
        let lines = client
            .ask(
                &[
                    parse("s", "SELECT $1::int4 + 1 AS a", &[]),
                    describe(b'S', "s"),
                    bind("p", "s", &[], &[Some(b"41")], &[]),
                    describe(b'P', "p"),
                    execute("p", 0),
                    sync(),
                ]
                .concat(),
            )
            .await;
        assert_eq!(lines, ["1", "t 23", "T a:23:0", "2", "T a:23:0", "D 42", "C SELECT 1", "Z I"]);
        let lines = client.ask(&[execute("p", 0), sync()].concat()).await;
        assert_eq!(lines, ["E 34000 portal \"p\" does not exist", "Z I"]);
        let lines = client.ask(&[bind("", "s", &[], &[Some(b"1")], &[]), execute("", 0), sync()].concat()).await;
        assert_eq!(lines, ["2", "D 2", "C SELECT 1", "Z I"]);
        // A simple query ends the unnamed statement.
        client.ask(&[parse("", "SELECT 1", &[]), sync()].concat()).await;
        client.ask(&query("SELECT 2")).await;
        let lines = client.ask(&[bind("", "", &[], &[], &[]), sync()].concat()).await;
        assert_eq!(lines, ["E 26000 unnamed prepared statement does not exist", "Z I"]);
        // Names are taken once; closing what is not there is no error.
        let lines = client.ask(&[parse("s", "SELECT 1", &[]), sync()].concat()).await;
        assert_eq!(lines, ["E 42P05 prepared statement \"s\" already exists", "Z I"]);
        let lines =
            client.ask(&[close(b'S', "nosuch"), close(b'P', "nosuch"), close(b'S', "s"), sync()].concat()).await;
        assert_eq!(lines, ["3", "3", "3", "Z I"]);
        let lines = client.ask(&[describe(b'S', "s"), sync()].concat()).await;
        assert_eq!(lines, ["E 26000 prepared statement \"s\" does not exist", "Z I"]);
        let lines = client.ask(&[describe(b'P', "p"), sync()].concat()).await;
        assert_eq!(lines, ["E 34000 portal \"p\" does not exist", "Z I"]);
        // In a block a portal lives to its end; a second of its name is refused.
        client.ask(&query("BEGIN")).await;
        client.ask(&[parse("", "SELECT 1", &[]), bind("p", "", &[], &[], &[]), sync()].concat()).await;
        let lines = client.ask(&[bind("p", "", &[], &[], &[]), sync()].concat()).await;
        assert_eq!(lines, ["E 42P03 cursor \"p\" already exists", "Z E"]);
        client.ask(&query("ROLLBACK")).await;
    });
}

#[test]
fn statements_of_sql_and_of_the_protocol_share_their_names() {
    with_client(|mut client| async move {
        client.ask(&[parse("proto", "SELECT 7 AS a", &[]), sync()].concat()).await;
        assert_eq!(client.ask(&query("EXECUTE proto")).await, ["T a:23:0", "D 7", "C SELECT 1", "Z I"]);
        client.ask(&query("PREPARE sql (int) AS SELECT $1 * 2 AS b")).await;
        let lines = client
            .ask(&[describe(b'S', "sql"), bind("", "sql", &[], &[Some(b"4")], &[]), execute("", 0), sync()].concat())
            .await;
        assert_eq!(lines, ["t 23", "T b:23:0", "2", "D 8", "C SELECT 1", "Z I"]);
        let lines = client.ask(&[parse("sql", "SELECT 1", &[]), sync()].concat()).await;
        assert_eq!(lines, ["E 42P05 prepared statement \"sql\" already exists", "Z I"]);
        let listed = "SELECT name, statement, parameter_types, from_sql FROM pg_prepared_statements ORDER BY name";
        let lines = client.ask(&query(listed)).await;
        assert_eq!(
            lines[1..3],
            ["D proto|SELECT 7 AS a|{}|f", "D sql|PREPARE sql (int) AS SELECT $1 * 2 AS b|{integer}|t",]
        );
        assert_eq!(client.ask(&query("DEALLOCATE proto")).await, ["C DEALLOCATE", "Z I"]);
        let lines = client.ask(&[bind("", "proto", &[], &[], &[]), sync()].concat()).await;
        assert_eq!(lines, ["E 26000 prepared statement \"proto\" does not exist", "Z I"]);
        client.ask(&[close(b'S', "sql"), sync()].concat()).await;
        let lines = client.ask(&query("EXECUTE sql(1)")).await;
        assert_eq!(lines, ["E 26000 prepared statement \"sql\" does not exist", "Z I"]);
        client.ask(&[parse("gone", "SELECT 1", &[]), sync()].concat()).await;
        assert_eq!(client.ask(&query("DISCARD ALL")).await, ["C DISCARD ALL", "Z I"]);
        let lines = client.ask(&[bind("", "gone", &[], &[], &[]), sync()].concat()).await;
        assert_eq!(lines, ["E 26000 prepared statement \"gone\" does not exist", "Z I"]);
    });
}

#[test]
fn a_row_limit_suspends_a_portal() {
    with_client(|mut client| async move {
        let rows = parse("", "SELECT i FROM generate_series(1, 5) i", &[]);
        let lines = client
            .ask(
                &[
                    rows.clone(),
                    bind("p", "", &[], &[], &[]),
                    execute("p", 2),
                    execute("p", 2),
                    execute("p", 2),
                    execute("p", 2),
                    sync(),
                ]
                .concat(),
            )
            .await;
        let expected = ["1", "2", "D 1", "D 2", "s", "D 3", "D 4", "s", "D 5", "C SELECT 1", "C SELECT 0", "Z I"];
        assert_eq!(lines, expected);
        // Exactly as many rows as asked for: the end is not known yet.
        let five = [rows.clone(), bind("", "", &[], &[], &[]), execute("", 5), execute("", 1), sync()].concat();
        let lines = client.ask(&five).await;
        assert_eq!(lines[7..], ["s", "C SELECT 0", "Z I"]);
        // Outside a block Sync ends it.
        client.ask(&[rows, bind("p", "", &[], &[], &[]), execute("p", 2), sync()].concat()).await;
        let lines = client.ask(&[execute("p", 2), sync()].concat()).await;
        assert_eq!(lines, ["E 34000 portal \"p\" does not exist", "Z I"]);
    });
}

#[test]
fn flush_sends_what_there_is() {
    with_client(|mut client| async move {
        client.send(&[parse("", "SELECT 1 AS a", &[]), bind("", "", &[], &[], &[]), flush()].concat()).await;
        assert_eq!(client.take(2).await, ["1", "2"]);
        assert!(client.is_silent().await);
        client.send(&[execute("", 0), flush()].concat()).await;
        assert_eq!(client.take(2).await, ["D 1", "C SELECT 1"]);
        assert_eq!(client.ask(&sync()).await, ["Z I"]);
    });
}

#[test]
fn after_an_error_a_pipeline_is_skipped_to_its_sync() {
    with_client(|mut client| async move {
        client.ask(&query("CREATE TABLE piped (a int)")).await;
        let lines = client
            .ask(
                &[
                    run("INSERT INTO piped VALUES (1)", &[]),
                    run("SELECT 1 / (i - i) AS a FROM generate_series(1, 1) i", &[]),
                    run("INSERT INTO piped VALUES (2)", &[]),
                    sync(),
                    run("SELECT count(*) FROM piped", &[]),
                    sync(),
                ]
                .concat(),
            )
            .await;
        let expected = ["1", "2", "n", "C INSERT 0 1", "1", "2", "T a:23:0", "E 22012 division by zero", "Z I"];
        assert_eq!(lines, expected);
        // The statements before the error share its fate.
        assert_eq!(client.until_ready().await[3], "D 0");
        let lines = client.ask(&[parse("", "SELEC 1", &[]), bind("", "", &[], &[], &[]), sync()].concat()).await;
        assert_eq!(lines, ["E 42601 syntax error at or near \"SELEC\" @1", "Z I"]);
        let lines = client.ask(&[parse("", "SELECT 1; SELECT 2", &[]), sync()].concat()).await;
        assert_eq!(lines, ["E 42601 cannot insert multiple commands into a prepared statement", "Z I"]);
        let lines = client.ask(&[run("", &[]), sync()].concat()).await;
        assert_eq!(lines, ["1", "2", "n", "I", "Z I"]);
        assert_eq!(client.ask(&query("")).await, ["I", "Z I"]);
        assert_eq!(client.ask(&query(" ; ")).await, ["I", "Z I"]);
        client.ask(&query("DROP TABLE piped")).await;
    });
}

#[test]
fn several_statements_are_one_transaction_unless_they_say_otherwise() {
    with_client(|mut client| async move {
        client.ask(&query("CREATE TABLE several (a int)")).await;
        let count = async |client: &mut RawClient| client.ask(&query("SELECT count(*) FROM several")).await[1].clone();
        let lines = client
            .ask(&query(
                "INSERT INTO several VALUES (1); SELECT 1 / (i - i) AS a FROM generate_series(1, 1) i; SELECT 1",
            ))
            .await;
        assert_eq!(lines, ["C INSERT 0 1", "T a:23:0", "E 22012 division by zero", "Z I"]);
        assert_eq!(count(&mut client).await, "D 0");
        // COMMIT inside ends what came before it; what follows is a transaction of its own.
        let text = "INSERT INTO several VALUES (1); COMMIT; INSERT INTO several VALUES (2); SELECT 1 / (i - i) AS a FROM generate_series(1, 1) i";
        let lines = client.ask(&query(text)).await;
        let expected = [
            "C INSERT 0 1",
            "N 25P01 there is no transaction in progress",
            "C COMMIT",
            "C INSERT 0 1",
            "T a:23:0",
            "E 22012 division by zero",
            "Z I",
        ];
        assert_eq!(lines, expected);
        assert_eq!(count(&mut client).await, "D 1");
        // BEGIN inside takes what came before along, and stays open.
        let lines = client.ask(&query("INSERT INTO several VALUES (3); BEGIN; INSERT INTO several VALUES (4)")).await;
        assert_eq!(lines, ["C INSERT 0 1", "C BEGIN", "C INSERT 0 1", "Z T"]);
        assert_eq!(client.ask(&query("ROLLBACK")).await, ["C ROLLBACK", "Z I"]);
        assert_eq!(count(&mut client).await, "D 1");
        let lines = client.ask(&query("BEGIN; SELECT 1 / (i - i) AS a FROM generate_series(1, 1) i; COMMIT")).await;
        assert_eq!(lines, ["C BEGIN", "T a:23:0", "E 22012 division by zero", "Z E"]);
        let failed = "E 25P02 current transaction is aborted, commands ignored until end of transaction block";
        assert_eq!(client.ask(&query("SELECT 1")).await, [failed, "Z E"]);
        let lines = client.ask(&[parse("", "SELECT 1", &[]), sync()].concat()).await;
        assert_eq!(lines, [failed, "Z E"]);
        assert_eq!(client.ask(&query("COMMIT")).await, ["C ROLLBACK", "Z I"]);
        client.ask(&query("DROP TABLE several")).await;
    });
}

#[test]
fn malformed_messages_are_protocol_violations() {
    with_client(|mut client| async move {
        client.ask(&[parse("s", "SELECT $1::int4", &[]), sync()].concat()).await;
        for (bytes, code) in [
            (
                bind("", "s", &[], &[], &[]),
                "E 08P01 bind message supplies 0 parameters, but prepared statement \"s\" requires 1",
            ),
            (
                bind("", "s", &[0, 0], &[Some(b"1")], &[]),
                "E 08P01 bind message has 2 parameter formats but 1 parameters",
            ),
            (bind("", "s", &[7], &[Some(b"1")], &[]), "E 22023 unsupported format code: 7"),
            (bind("", "s", &[1], &[Some(b"1")], &[]), "E 22P03 incorrect binary data format in bind parameter 1"),
            (bind("", "s", &[1], &[Some(b"12345")], &[]), "E 22P03 incorrect binary data format in bind parameter 1"),
            (message(b'D', b"Xs\0"), "E 08P01 invalid DESCRIBE message subtype 88"),
            (message(b'C', b"Xs\0"), "E 08P01 invalid CLOSE message subtype 88"),
            (message(b'E', b"p"), "E 08P01"),
            (message(b'P', b"a\0SELECT 1\0\0\x05"), "E 08P01 insufficient data left in message"),
        ] {
            let lines = client.ask(&[bytes, sync()].concat()).await;
            assert!(lines[0].starts_with(code), "{code}: {lines:?}");
            assert_eq!(lines[1..], ["Z I"], "{code}");
        }
        // Result formats are looked at when the portal is bound.
        let bytes = bind("", "s", &[], &[Some(b"1")], &[0, 0]);
        let lines = client.ask(&[bytes, sync()].concat()).await;
        assert_eq!(lines, ["E 08P01 bind message has 2 result formats but query has 1 columns", "Z I"]);
    });
}

#[test]
fn binary_parameters_and_results() {
    with_client(|mut client| async move {
        client.ask(&[parse("s", "SELECT $1::int4 AS a, $2::text AS b, $3::bool AS c", &[]), sync()].concat()).await;
        let parameters: [Option<&[u8]>; 3] = [Some(&[0, 0, 1, 0]), Some(b"text"), None];
        let asked = |formats: &[i16], results: &[i16]| {
            [bind("", "s", formats, &parameters, results), describe(b'P', ""), execute("", 0), sync()].concat()
        };
        let lines = client.ask(&asked(&[1, 0, 0], &[])).await;
        assert_eq!(lines, ["2", "T a:23:0 b:25:0 c:16:0", "D 256|text|NULL", "C SELECT 1", "Z I"]);
        let lines = client.ask(&asked(&[1], &[1])).await;
        assert_eq!(lines, ["2", "T a:23:1 b:25:1 c:16:1", "D 0x00000100|text|NULL", "C SELECT 1", "Z I"]);
        let lines = client.ask(&asked(&[1, 1, 1], &[1, 0, 1])).await;
        assert_eq!(lines[1..3], ["T a:23:1 b:25:0 c:16:1", "D 0x00000100|text|NULL"]);
    });
}

#[test]
fn copy_in_both_protocols() {
    with_client(|mut client| async move {
        client.ask(&query("CREATE TABLE copied (a int, b text)")).await;
        let data = |text: &str| message(b'd', text.as_bytes());
        client.send(&query("COPY copied FROM STDIN")).await;
        assert_eq!(client.next().await, "G 0 2");
        let rows = [data("1\tone\n2\t"), data("two\n"), message(b'c', b"")].concat();
        assert_eq!(client.ask(&rows).await, ["C COPY 2", "Z I"]);
        // In the extended protocol Execute begins it.
        let begin = [run("COPY copied (a) FROM STDIN", &[]), flush()].concat();
        client.send(&begin).await;
        assert_eq!(client.take(4).await, ["1", "2", "n", "G 0 1"]);
        assert_eq!(client.ask(&[data("3\n"), message(b'c', b""), sync()].concat()).await, ["C COPY 1", "Z I"]);
        client.send(&begin).await;
        client.take(4).await;
        let lines = client.ask(&[data("4\n"), message(b'f', b"no more\0"), sync()].concat()).await;
        assert_eq!(lines, ["E 57014 COPY from stdin failed: no more [COPY copied, line 2]", "Z I"]);
        // After an error in the data what else was sent of it is passed over.
        client.send(&query("COPY copied FROM STDIN")).await;
        client.next().await;
        let lines = client.ask(&[data("x\ty\n"), data("5\tfive\n"), message(b'c', b"")].concat()).await;
        let refused = "E 22P02 invalid input syntax for type integer: \"x\" [COPY copied, line 1, column a: \"x\"]";
        assert_eq!(lines, [refused, "Z I"]);
        let lines = client.ask(&query("COPY copied TO STDOUT; SELECT 1 AS a")).await;
        let expected = [
            "H 0 2",
            "d 1\tone\n",
            "d 2\ttwo\n",
            "d 3\t\\N\n",
            "c",
            "C COPY 3",
            "T a:23:0",
            "D 1",
            "C SELECT 1",
            "Z I",
        ];
        assert_eq!(lines, expected.map(str::trim_end));
        let lines = client.ask(&[run("COPY (SELECT a FROM copied WHERE a = 1) TO STDOUT", &[]), sync()].concat()).await;
        assert_eq!(lines, ["1", "2", "n", "H 0 1", "d 1", "c", "C COPY 1", "Z I"]);
        client.ask(&query("DROP TABLE copied")).await;
    });
}

#[test]
fn a_binary_cursor_sends_binary_rows() {
    with_client(|mut client| async move {
        client.ask(&query("BEGIN; DECLARE c BINARY CURSOR FOR SELECT 258 AS a")).await;
        assert_eq!(client.ask(&query("FETCH c")).await, ["T a:23:1", "D 0x00000102", "C FETCH 1", "Z T"]);
        assert_eq!(client.ask(&query("MOVE 0 IN c; ROLLBACK")).await, ["C MOVE 1", "C ROLLBACK", "Z I"]);
    });
}

#[test]
fn settings_are_reported_when_they_change_and_change_back() {
    with_client(|mut client| async move {
        let lines = client.ask(&query("SET application_name TO 'one'")).await;
        assert_eq!(lines, ["C SET", "S application_name=one", "Z I"]);
        let lines =
            client.ask(&query("BEGIN; SET LOCAL application_name TO 'two'; SET TimeZone TO 'Asia/Tokyo'")).await;
        assert_eq!(lines[3..], ["S application_name=two", "S TimeZone=Asia/Tokyo", "Z T"]);
        let mut lines = client.ask(&query("ROLLBACK")).await;
        lines.sort();
        assert_eq!(lines[0], "C ROLLBACK");
        assert_eq!(lines[2], "S application_name=one", "{lines:?}");
        let lines = client.ask(&query("SELECT set_config('IntervalStyle', 'iso_8601', false)")).await;
        assert_eq!(lines[2..], ["C SELECT 1", "S IntervalStyle=iso_8601", "Z I"]);
        let lines = client.ask(&query("SET LOCAL application_name TO 'three'")).await;
        assert_eq!(lines, ["N 25P01 SET LOCAL can only be used in transaction blocks", "C SET", "Z I"]);
    });
}

#[test]
fn a_silent_session_is_ended_when_it_wants_that() {
    with_client(|mut client| async move {
        client.ask(&query("SET idle_session_timeout = '300ms'")).await;
        client.ask(&query("BEGIN")).await;
        assert!(client.is_silent().await && client.is_silent().await, "inside a transaction another limit holds");
        client.ask(&query("COMMIT")).await;
        let lines = client.until_ready().await;
        assert_eq!(lines, ["E 57P05 terminating connection due to idle-session timeout", "closed"]);
    });
}

#[test]
fn what_is_not_there_is_refused_by_name() {
    with_client(|mut client| async move {
        let lines = client.ask(&message(b'F', &[0, 0, 4, 210, 0, 0, 0, 0, 0, 0])).await;
        assert_eq!(lines, ["E 0A000 the function call protocol is not supported", "Z I"]);
    });
}

#[test]
fn positions_count_characters_and_parameters_are_named() {
    with_client(|mut client| async move {
        let missing = |position: usize| format!("E 42703 column \"nosuch\" does not exist @{position}");
        assert_eq!(client.ask(&query("SELECT 'äöü', nosuch")).await, [missing(15), "Z I".to_owned()]);
        let lines = client.ask(&query("SELECT 'ä'; SELECT nosuch")).await;
        assert_eq!(lines[lines.len() - 2..], [missing(20), "Z I".to_owned()]);
        let lines = client.ask(&[parse("", "SELECT 'ü', nosuch", &[]), sync()].concat()).await;
        assert_eq!(lines, [missing(13), "Z I".to_owned()]);
        client.ask(&[parse("s", "SELECT $1::int4", &[]), sync()].concat()).await;
        let lines = client.ask(&[bind("", "s", &[], &[Some(b"x")], &[]), sync()].concat()).await;
        let refused = "E 22P02 invalid input syntax for type integer: \"x\" [unnamed portal parameter $1 = '...']";
        assert_eq!(lines, [refused, "Z I"]);
        let lines = client.ask(&[bind("p", "s", &[1], &[Some(b"12345")], &[]), sync()].concat()).await;
        let refused = "E 22P03 incorrect binary data format in bind parameter 1 [portal \"p\" parameter $1]";
        assert_eq!(lines, [refused, "Z I"]);
    });
}

#[test]
fn openings() {
    with_server(|server: Server| async move {
        // Neither TLS nor GSSAPI; the client may go on in the clear.
        for request in [80_877_103u32, 80_877_104] {
            let bytes = [8u32.to_be_bytes(), request.to_be_bytes()].concat();
            assert_eq!(RawClient::first_byte(&server, &bytes).await, b'N');
        }
        // A newer minor version and options that nobody knows are negotiated down.
        let parameters = [("user", "ann"), ("database", "sinew"), ("_pq_.unknown", "1")];
        let (_, greeting) = RawClient::connect_with(&server, 7, &parameters).await;
        assert_eq!(greeting[..2], ["v 2 _pq_.unknown", "R 0"]);
        let (client, greeting) =
            RawClient::connect_with(&server, 2, &[("user", "ann"), ("options", "-c extra_float_digits=3")]).await;
        assert_eq!(greeting[0], "R 0");
        assert_eq!(client.secret.len(), 32);
        for reported in ["server_version=15.0", "client_encoding=UTF8", "TimeZone=UTC", "session_authorization=ann"] {
            assert!(greeting.contains(&format!("S {reported}")), "{reported}: {greeting:?}");
        }
        // What the client connects with is what RESET goes back to.
        let mut client = client;
        let lines = client.ask(&query("SET extra_float_digits = 1; RESET ALL; SHOW extra_float_digits")).await;
        assert_eq!(lines[3], "D 3", "{lines:?}");
    });
}

#[test]
fn a_cancel_request_ends_the_running_statement() {
    with_server(|server: Server| async move {
        let mut client = RawClient::connect(&server).await;
        client.send(&query("SELECT pg_sleep(60)")).await;
        tokio::time::sleep(std::time::Duration::from_millis(200)).await;
        client.cancel(&server).await;
        let lines = client.until_ready().await;
        assert_eq!(lines[lines.len() - 2..], ["E 57014 canceling statement due to user request", "Z I"]);
        // A late one, and one with a wrong secret, hit nothing.
        client.cancel(&server).await;
        client.secret = vec![0; 4];
        client.send(&query("SELECT pg_sleep(0.5)")).await;
        client.cancel(&server).await;
        assert_eq!(client.until_ready().await[2], "C SELECT 1");
    });
}

#[test]
fn an_ended_wait_for_a_row_names_it() {
    with_server(|server: Server| async move {
        let mut holder = RawClient::connect(&server).await;
        let mut waiter = RawClient::connect(&server).await;
        holder.ask(&query("CREATE TABLE awaited (a int PRIMARY KEY); INSERT INTO awaited VALUES (1)")).await;
        holder.ask(&query("BEGIN; UPDATE awaited SET a = 1")).await;
        waiter.ask(&query("SET lock_timeout = '50ms'")).await;
        for (text, doing) in [
            ("UPDATE awaited SET a = 2", "updating"),
            ("DELETE FROM awaited", "deleting"),
            ("SELECT * FROM awaited FOR UPDATE", "locking"),
        ] {
            let lines = waiter.ask(&query(text)).await;
            let error = &lines[lines.len() - 2];
            assert!(error.starts_with("E 55P03 canceling statement due to lock timeout [while "), "{text}: {error}");
            assert!(error.contains(doing) && error.ends_with("in relation \"awaited\"]"), "{text}: {error}");
        }
        holder.ask(&query("ROLLBACK; DROP TABLE awaited")).await;
    });
}
