//! Cypher that is too long, too deep or too much: an answer in bounded memory or an error that names the limit, and an end
//! soon after a cancel request.

use std::time::{Duration, Instant};

use tokio_postgres::{Client, NoTls};

use sinew_tests::server::Server;

use crate::wire::with_server;

/// What a statement may take in an unoptimized build beside other tests: one that is not limited takes for ever.
const LONGEST: Duration = Duration::from_secs(180);
/// From the request to the error. The statements have no end of their own.
const LONGEST_CANCEL: Duration = Duration::from_secs(20);
const MEMORY_LIMIT_MIB: u64 = 2048;

/// A complete directed graph, a grid, and nodes to multiply.
const SETUP: &str = "
    UNWIND range(0, 19) AS i CREATE (:K {i: i});
    MATCH (a:K), (b:K) WHERE a.i <> b.i CREATE (a)-[:E]->(b);
    CREATE INDEX g_at FOR (g:G) ON (g.at);
    UNWIND range(0, 14) AS x UNWIND range(0, 14) AS y CREATE (:G {x: x, y: y, at: x * 100 + y});
    MATCH (a:G) MATCH (b:G) WHERE b.at = a.at + 1 CREATE (a)-[:S]->(b);
    MATCH (a:G) MATCH (b:G) WHERE b.at = a.at + 100 CREATE (a)-[:S]->(b);
    UNWIND range(1, 200) AS k CREATE (:P {k: k})";

async fn set_up(client: &Client) {
    client.batch_execute(SETUP).await.unwrap();
}

/// The SQLSTATE of a statement; empty for an answer.
async fn code(client: &Client, statement: &str) -> String {
    match client.simple_query(statement).await {
        Ok(_) => String::new(),
        Err(error) => error.code().map_or_else(|| format!("{error:?}"), |code| code.code().to_owned()),
    }
}

fn memory_mib(server: &Server) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", server.process_id())).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kib: u64 = line.and_then(|line| line.trim().trim_end_matches("kB").trim().parse().ok()).unwrap_or(0);
    kib / 1024
}

fn shown(statement: &str) -> String {
    statement.chars().take(80).collect()
}

#[test]
fn long_and_deep_statements() {
    let long = |unit: &str| unit.repeat((64 << 10) / unit.len());
    let deep = |open: &str, inner: &str, close: &str| format!("{}{inner}{}", open.repeat(5_000), close.repeat(5_000));
    let numbered = |part: &dyn Fn(usize) -> String, between: &str, count: usize| {
        (0..count).map(part).collect::<Vec<_>>().join(between)
    };
    let statements = vec![
        (format!("RETURN size([{}1])", long("1,")), ""),
        (format!("UNWIND [{}{{a: 2}}] AS m RETURN sum(m.a)", long("{a: 1, b: 'x'},")), ""),
        (format!("RETURN {{{}}} AS m", numbered(&|i| format!("k{i}: 1"), ", ", 20_000)), ""),
        (format!("UNWIND range(1, 1000) AS x WITH x WHERE x IN [{}1] RETURN count(x)", long("0,")), ""),
        (format!("RETURN true{}", long(" AND true")), ""),
        (format!("RETURN true{}", long(" XOR true")), ""),
        (format!("MATCH (n:K) WHERE n.i = 0{} RETURN count(n)", " OR n.i = 1".repeat(1_000)), ""),
        (format!("MATCH (n:K {{i: 1}}) WHERE {}true RETURN 1", "(n)-->() AND ".repeat(1_000)), ""),
        (format!("RETURN size('{}')", long("\\u0041")), ""),
        (format!("WITH 1 AS n RETURN size([{}(n)])", long("(n), ")), ""),
        (format!("RETURN CASE {}END", long("WHEN 1 = 2 THEN 3 ")), ""),
        (format!("RETURN 1 {}", long("/* a */")), ""),
        (format!("CREATE {}(:Z)", long("(:Z),")), "54001"),
        (format!("CREATE {}(:Z)", "(:Z), ".repeat(5_000)), ""),
        (format!("MATCH (n:Nope) SET {}n.p = 1", long("n.p = 1, ")), ""),
        (format!("RETURN {}", numbered(&|i| format!("1 AS x{i}"), ", ", 20_000)), "54011"),
        (
            format!("UNWIND [1] AS x RETURN {}, count(*) AS c", numbered(&|i| format!("x + {i} AS x{i}"), ", ", 5_000)),
            "54011",
        ),
        (format!("{}RETURN 1", long("MATCH (n) ")), "54001"),
        (format!("RETURN 1 AS x{}", long(" UNION RETURN 1 AS x")), "54001"),
        (format!("MATCH {}() RETURN 1", long("(), ")), "54001"),
        (format!("MATCH (){} RETURN 1", long("--()")), "54001"),
        (format!("RETURN 1{}", long("+1")), "54001"),
        (format!("RETURN {}", deep("(", "1", ")")), "54001"),
        (format!("RETURN {}", deep("[", "1", "]")), "54001"),
        (format!("RETURN {}", deep("{a: ", "1", "}")), "54001"),
        (format!("RETURN {}", deep("CASE WHEN true THEN ", "1", " END")), "54001"),
        (format!("RETURN {}", deep("NOT ", "true", "")), "54001"),
        (format!("WITH 1 AS x RETURN {}", deep("- ", "x", "")), "54001"),
        (format!("RETURN {}", deep("EXISTS { MATCH (n) WHERE ", "true", " }")), "54001"),
        (format!("{} RETURN x", deep("CALL { ", "RETURN 1 AS x", " RETURN x }")), "54001"),
        (deep("FOREACH (x IN [1] | ", "CREATE (:Z)", ")"), "54001"),
        (format!("MATCH (n:{}) RETURN n", deep("!(", "A", ")")), "54001"),
        (format!("RETURN {}", deep("[x IN [1] | ", "1", "]")), "54001"),
        (format!("WITH {{a: 1}} AS x RETURN x{}", deep(".a", "", "")), "54001"),
        (format!("WITH [1] AS x RETURN x{}", deep("[0]", "", "")), "54001"),
        (format!("RETURN 1 IS :: {}", deep("LIST<", "INTEGER", ">")), "54001"),
        (format!("RETURN {}", deep("(a {b: ", "1", "})-[1]")), "54001"),
        (deep("EXPLAIN ", "RETURN 1", ""), "54001"),
        (format!("RETURN size([{}1])", "1,".repeat(1_000_000)), "54001"),
        // What bounds SQL's statements.
        (format!("SELECT ARRAY[{}1]", "1,".repeat(1_000_000)), "54001"),
        (format!("SELECT length('{}')", "it''s 1, ".repeat(1_000_000)), ""),
        (format!("SELECT {}1", "1,".repeat(1_664)), "54011"),
        (format!("SELECT {}1", "1,".repeat(1_663)), ""),
    ];
    with_server(|server| async move {
        let client = server.connect().await;
        set_up(&client).await;
        client.batch_execute("BEGIN").await.unwrap();
        for (statement, expected) in &statements {
            client.batch_execute("SAVEPOINT s").await.unwrap();
            let begin = Instant::now();
            let code = code(&client, statement).await;
            assert_eq!(&code, expected, "{}", shown(statement));
            assert!(begin.elapsed() < LONGEST, "{}: {:?}", shown(statement), begin.elapsed());
            client.batch_execute("ROLLBACK TO s").await.unwrap();
        }
        assert!(memory_mib(&server) < MEMORY_LIMIT_MIB, "{} MiB", memory_mib(&server));
    });
}

#[test]
fn values_that_grow_are_limited() {
    let statements = [
        ("UNWIND range(1, 1000000000000) AS x RETURN x", "54000"),
        ("RETURN size([x IN range(1, 100) | range(1, 1000000)])", "53200"),
        ("RETURN size(reduce(s = 'ab', x IN range(1, 1000) | s + s))", "54000"),
        ("RETURN size(reduce(s = [1], x IN range(1, 1000) | s + s))", "54000"),
        ("RETURN reduce(s = [1], x IN range(1, 100000) | [s])", "54000"),
        ("RETURN reduce(s = {a: 1}, x IN range(1, 1000) | {a: s, b: s})", "54000"),
        ("WITH reduce(s = 'a', x IN range(1, 20) | s + s) AS s RETURN size(replace(s, 'a', s))", "54000"),
        ("WITH reduce(s = 'a', x IN range(1, 25) | s + s) AS s RETURN size(split(s, ''))", "53200"),
        // What the values share is in the keys many times.
        (
            "UNWIND range(1, 100) AS i WITH DISTINCT reduce(s = [i], x IN range(1, 18) | [s, s]) AS a RETURN count(*)",
            "53200",
        ),
        ("UNWIND range(1, 100) AS i RETURN reduce(s = [i], x IN range(1, 18) | [s, s]) AS a, count(*)", "53200"),
        ("RETURN 'a' =~ '((a{100}){100}){100}'", "2201B"),
        (
            "WITH reduce(s = 'ab', x IN range(1, 16) | s + s) AS s UNWIND range(1, 100000) AS i RETURN collect(s + i)",
            "53200",
        ),
    ];
    with_server(|server| async move {
        let client = server.connect().await;
        set_up(&client).await;
        for (statement, expected) in statements {
            let begin = Instant::now();
            assert_eq!(code(&client, statement).await, expected, "{statement}");
            assert!(begin.elapsed() < LONGEST, "{statement}: {:?}", begin.elapsed());
        }
        assert!(memory_mib(&server) < MEMORY_LIMIT_MIB, "{} MiB", memory_mib(&server));
    });
}

#[test]
fn endless_statements_are_cancelled() {
    let statements = [
        "MATCH p = (a:K)-[:E*]->(b:K) RETURN count(p)",
        "MATCH (a:K {i: 0})-[:E*]-(b:K {i: 'none'}) RETURN count(*)",
        "MATCH (a:K) WHERE NOT EXISTS { (a)-[:E*]->(:Nope) } RETURN count(a)",
        "MATCH (a:K)-->(b)-->(c)-->(d)-->(e)-->(f)-->(g) RETURN count(*)",
        "MATCH (a:G {at: 0}), (b:G {at: 1414}) MATCH p = allShortestPaths((a)-[:S*]->(b)) RETURN count(p)",
        "MATCH (a:G {at: 0}), (b:G {at: 1414}) MATCH p = (a)-[:S*]-(b) RETURN count(p)",
        "MATCH (a:P), (b:P), (c:P), (d:P), (e:P) RETURN sum(a.k * b.k * c.k * d.k * e.k)",
        "UNWIND range(1, 10000000) AS x UNWIND range(1, 10000000) AS y RETURN count(*)",
        "UNWIND range(1, 1000000) AS i RETURN sum(reduce(s = 0, x IN range(1, 1000000) | s + x % 7))",
        "WITH range(1, 1000000) AS l UNWIND range(1, 100000) AS i RETURN count(CASE WHEN -i IN l THEN 1 END)",
        "UNWIND range(1, 10000000) AS x UNWIND range(1, 100) AS y WITH DISTINCT x * 1000 + y AS z RETURN count(z)",
        "UNWIND range(1, 10000000) AS x UNWIND range(1, 100) AS y WITH x + y AS z ORDER BY z DESC RETURN count(z)",
        "UNWIND range(1, 10000000) AS x OPTIONAL MATCH (n:P) WHERE n.k + x = 0 RETURN count(n)",
        "UNWIND range(1, 10000000) AS x UNWIND range(1, 100) AS y CREATE (:Z {v: x})",
        "UNWIND range(1, 10000000) AS x MERGE (:Z {v: x})",
        "MATCH (n:P) SET n.l = range(1, 10000000)",
        "MATCH p = shortestPath((a:K {i: 0})-[:E*]-(b:K {i: 1})) WHERE length(p) > 1000 RETURN p",
        "FOREACH (x IN range(1, 1000000) | FOREACH (y IN range(1, 1000000) | CREATE (:Z)))",
        "MATCH (a:P), (b:P), (c:P), (d:P) MERGE (a)-[:Q]->(b)",
        "WITH reduce(s = 'a', x IN range(1, 22) | s + s) AS s UNWIND range(1, 100000) AS i \
         RETURN count(CASE WHEN s =~ '(a|aa|aaa){1,50}b' THEN 1 END)",
    ];
    with_server(|server| async move {
        let client = server.connect().await;
        set_up(&client).await;
        for statement in statements {
            let token = client.cancel_token();
            let cancel = tokio::spawn(async move {
                tokio::time::sleep(Duration::from_millis(200)).await;
                let begin = Instant::now();
                token.cancel_query(NoTls).await.unwrap();
                begin
            });
            let code = code(&client, statement).await;
            let elapsed = cancel.await.unwrap().elapsed();
            assert_eq!(code, "57014", "{statement}");
            assert!(elapsed < LONGEST_CANCEL, "{statement}: {elapsed:?} after the request");
        }
        client.batch_execute("SET statement_timeout = '100ms'").await.unwrap();
        for statement in &statements[..4] {
            let begin = Instant::now();
            assert_eq!(code(&client, statement).await, "57014", "{statement}");
            assert!(begin.elapsed() < LONGEST_CANCEL, "{statement}: {:?}", begin.elapsed());
        }
        assert!(memory_mib(&server) < MEMORY_LIMIT_MIB, "{} MiB", memory_mib(&server));
    });
}
