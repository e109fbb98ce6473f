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
