//! `sinew import` and `sinew export` against a running server.

use std::path::Path;
use std::process::{Command, Output};

use crate::wire::with_server;

const PROGRAM: &str = env!("CARGO_BIN_EXE_sinew-under-test");

fn sinew(port: u16, arguments: &[&str], file: &Path) -> Output {
    let (command, rest) = arguments.split_first().expect("a command");
    Command::new(PROGRAM)
        .arg(command)
        .arg(file)
        .args(rest)
        .args(["--dsn", &format!("postgres://ann@127.0.0.1:{port}/sinew")])
        .output()
        .expect("the program runs")
}

#[track_caller]
fn succeeds(output: &Output) -> String {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

#[track_caller]
fn fails(output: &Output, with: &str) {
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success() && told.contains(with), "{told}");
}

#[test]
fn files_go_in_and_come_out() {
    with_server(|server| async move {
        let client = server.connect().await;
        let directory = tempfile::tempdir().expect("a temporary directory");
        let path = |name: &str| directory.path().join(name);
        let write = |name: &str, text: &str| {
            std::fs::write(path(name), text).expect("the file is written");
            path(name)
        };
        let csv = write("people.csv", "id,name,born,score\n1,\"Ann, the first\",2001-02-03,1.5\n2,,,2\n");
        let said = succeeds(&sinew(server.port, &["import", "--table", "people", "--create"], &csv));
        assert_eq!(said, "imported 2 rows into people\n");
        let types: Vec<String> = client
            .query("SELECT format_type(atttypid, atttypmod) FROM pg_attribute WHERE attrelid = 'people'::regclass AND attnum > 0 ORDER BY attnum", &[])
            .await
            .unwrap()
            .iter()
            .map(|row| row.get(0))
            .collect();
        assert_eq!(types, ["bigint", "text", "date", "double precision"]);
        fails(&sinew(server.port, &["import", "--table", "people", "--create"], &csv), "already exists");
        let more = write("more.jsonl", "{\"name\": \"Bob\\tand\\n\", \"id\": 3}\n{\"id\": 4, \"score\": -1}\n");
        assert_eq!(
            succeeds(&sinew(server.port, &["import", "--table", "People"], &more)),
            "imported 2 rows into People\n"
        );
        // The order and choice of columns are the file's.
        let out = path("out.csv");
        succeeds(&sinew(server.port, &["export", "--query", "SELECT id, name FROM people ORDER BY id;"], &out));
        let text = std::fs::read_to_string(&out).unwrap();
        assert_eq!(text, "id,name\n1,\"Ann, the first\"\n2,\n3,\"Bob\tand\n\"\n4,\n");
        fails(&sinew(server.port, &["export", "--table", "people"], &out), "exists");
        client.batch_execute("CREATE (:City {name: 'Ulm', tags: ['a', 'b'], size: 12})").await.unwrap();
        let graph = path("graph.jsonl");
        let query = "MATCH (c:City) RETURN c.name AS name, c.size AS size, c.tags AS tags";
        assert_eq!(
            succeeds(&sinew(server.port, &["export", "--query", query], &graph)),
            format!("exported 1 rows to {}\n", graph.display())
        );
        assert_eq!(
            std::fs::read_to_string(&graph).unwrap(),
            "{\"name\":\"Ulm\",\"size\":12,\"tags\":[\"a\", \"b\"]}\n"
        );
        let arrays = path("arrays.jsonl");
        let query = "SELECT ARRAY[1, NULL, 3] AS a, true AS b, 'x\"y' AS c, NULL::int AS d";
        succeeds(&sinew(server.port, &["export", "--query", query], &arrays));
        assert_eq!(
            std::fs::read_to_string(&arrays).unwrap(),
            "{\"a\":[1, null, 3],\"b\":true,\"c\":\"x\\\"y\",\"d\":null}\n"
        );
    });
}

#[test]
fn a_file_that_fails_leaves_nothing_and_names_the_line() {
    with_server(|server| async move {
        let client = server.connect().await;
        let directory = tempfile::tempdir().expect("a temporary directory");
        let write = |name: &str, text: &str| {
            let path = directory.path().join(name);
            std::fs::write(&path, text).expect("the file is written");
            path
        };
        client.batch_execute("CREATE TABLE t (a int PRIMARY KEY, b text)").await.unwrap();
        let import = ["import", "--table", "t"];
        let bad = write("bad.csv", "a,b\n1,x\nno,y\n");
        fails(&sinew(server.port, &import, &bad), "COPY t, line 3, column a: \"no\"");
        let twice = write("twice.jsonl", "{\"a\": 1}\n{\"a\": 2}\n{\"a\": 1}\n");
        fails(&sinew(server.port, &import, &twice), "COPY t, line 3");
        let unknown = write("unknown.csv", "a,nosuch\n1,x\n");
        fails(&sinew(server.port, &import, &unknown), "column \"nosuch\" of relation \"t\" does not exist");
        let broken = write("broken.jsonl", "{\"a\": 1}\n{\"a\": \n");
        fails(&sinew(server.port, &import, &broken), "broken.jsonl, line 2");
        let created = ["import", "--table", "fresh", "--create"];
        let bad = write("fresh.csv", "a\n1\n\"2\n");
        fails(&sinew(server.port, &created, &bad), "line");
        let left: i64 = client
            .query_one("SELECT count(*) + (SELECT count(*) FROM pg_class WHERE relname = 'fresh') FROM t", &[])
            .await
            .unwrap()
            .get(0);
        assert_eq!(left, 0);
    });
}

#[test]
fn parquet_keeps_values_and_types() {
    with_server(|server| async move {
        let client = server.connect().await;
        let directory = tempfile::tempdir().expect("a temporary directory");
        client
            .batch_execute(
                "CREATE TABLE t (i int, l bigint, d double precision, n numeric, s text, b boolean, day date, at timestamptz,
                                 local timestamp, clock time, raw bytea, doc jsonb, tags text[]);
                 INSERT INTO t VALUES
                     (-1, 9007199254740993, 0.1, 12345678901234567890.5, E'a\\tb\\n\\\\c', true, '1969-12-31',
                      '2026-01-02 03:04:05.678901+02', '1960-02-03 04:05:06.7', '23:59:59.999999', '\\x00ff',
                      '{\"k\": [1, null]}', ARRAY['x', NULL]),
                     (NULL, NULL, 'NaN', NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL);
                 SET TimeZone = 'Asia/Tokyo'",
            )
            .await
            .unwrap();
        let file = directory.path().join("t.parquet");
        let said = succeeds(&sinew(server.port, &["export", "--table", "t"], &file));
        assert_eq!(said, format!("exported 2 rows to {}\n", file.display()));
        let said = succeeds(&sinew(server.port, &["import", "--table", "back", "--create"], &file));
        assert_eq!(said, "imported 2 rows into back\n");
        let row = client
            .query_one(
                "SELECT count(*), count(*) FILTER (WHERE NOT (back.l, back.n::numeric, back.s, back.b, back.day, back.at, back.local, back.clock,
                        back.raw, back.doc, back.tags) IS DISTINCT FROM (t.l, t.n, t.s, t.b, t.day, t.at, t.local, t.clock,
                        t.raw, t.doc, to_jsonb(t.tags)) AND back.d = t.d)
                 FROM t JOIN back ON back.i IS NOT DISTINCT FROM t.i",
                &[],
            )
            .await
            .unwrap();
        assert_eq!((row.get::<_, i64>(0), row.get::<_, i64>(1)), (2, 2));
        let types: Vec<String> = client
            .query("SELECT format_type(atttypid, atttypmod) FROM pg_attribute WHERE attrelid = 'back'::regclass AND attnum > 0 ORDER BY attnum", &[])
            .await
            .unwrap()
            .iter()
            .map(|row| row.get(0))
            .collect();
        assert_eq!(
            types,
            [
                "bigint",
                "bigint",
                "double precision",
                "text",
                "text",
                "boolean",
                "date",
                "timestamp with time zone",
                "timestamp without time zone",
                "time without time zone",
                "bytea",
                "jsonb",
                "jsonb"
            ]
        );
        let mut damaged = std::fs::read(&file).expect("the file is read");
        let length = damaged.len();
        // In the footer, which says where everything is.
        damaged[length - 40..length - 20].fill(0xff);
        let broken = directory.path().join("broken.parquet");
        std::fs::write(&broken, &damaged).expect("the file is written");
        assert!(!sinew(server.port, &["import", "--table", "back"], &broken).status.success());
        fails(&sinew(server.port, &["import", "--table", "back"], Path::new("/dev/null")), "has no ending");
        client.batch_execute("INSERT INTO t (day) VALUES ('infinity')").await.unwrap();
        let endless = directory.path().join("endless.parquet");
        fails(&sinew(server.port, &["export", "--table", "t"], &endless), "column \"day\"");
        assert!(!endless.exists());
    });
}
