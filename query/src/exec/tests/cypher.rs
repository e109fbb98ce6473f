//! Cypher statements through binder, optimizer and operators.

use super::*;

/// ann knows bob and cid, bob knows dan, cid knows dan, dan knows ann; eve is alone. Everyone likes nothing but bob a dog.
fn people() -> Fixture {
    let db = Fixture::new();
    db.run(
        "CREATE (a:Person {name: 'ann', age: 30}), (b:Person {name: 'bob', age: 40}), (c:Person {name: 'cid', age: 30}),
                (d:Person {name: 'dan'}), (e:Person:Hermit {name: 'eve', age: 50}), (x:Dog {name: 'rex'}),
                (a)-[:KNOWS {since: 1}]->(b), (a)-[:KNOWS {since: 2}]->(c), (b)-[:KNOWS {since: 3}]->(d),
                (c)-[:KNOWS {since: 4}]->(d), (d)-[:KNOWS {since: 5}]->(a), (b)-[:LIKES]->(x)",
    );
    db
}

#[test]
fn scans_filters_and_expands() {
    let db = people();
    db.check("MATCH (n) RETURN count(*)", "6");
    db.check("MATCH (n:Person) RETURN n.name", "ann; bob; cid; dan; eve");
    db.check("MATCH (n:Person) WHERE n.age > 30 RETURN n.name", "bob; eve");
    db.check("MATCH (n:Person:Hermit) RETURN n.name", "eve");
    db.check("MATCH (n:Missing) RETURN n", "");
    db.check(
        "MATCH (a)-[r:KNOWS]->(b) RETURN a.name, r.since, b.name",
        "ann, 1, bob; ann, 2, cid; bob, 3, dan; cid, 4, dan; dan, 5, ann",
    );
    db.check("MATCH (a)<-[:KNOWS]-(b {name: 'bob'}) RETURN a.name", "dan");
    db.check("MATCH (a {name: 'dan'})-[:KNOWS]-(b) RETURN b.name", "ann; bob; cid");
    db.check("MATCH ()-[r:LIKES]->(x:Dog) RETURN type(r), x.name", "LIKES, rex");
    db.check("MATCH (a)-[:MISSING]->(b) RETURN a", "");
    // The same relationship is not used twice in one pattern.
    db.check("MATCH (a {name: 'ann'})-[:KNOWS]-(b)-[:KNOWS]-(c) RETURN c.name", "dan; dan; bob; cid");
    // A triangle closes on a bound node.
    db.check("MATCH (a)-[:KNOWS]->(b)-[:KNOWS]->(c)-[:KNOWS]->(a) RETURN a.name", "ann; ann; bob; cid; dan; dan");
    db.check("MATCH (a {name: 'ann'}), (b {name: 'dan'}) MATCH (b)-[:KNOWS]->(a) RETURN a.name, b.name", "ann, dan");
}

#[test]
fn variable_length_and_paths() {
    let db = people();
    db.check("MATCH (a {name: 'ann'})-[:KNOWS*2]->(b) RETURN b.name", "dan; dan");
    db.check("MATCH (a {name: 'ann'})-[:KNOWS*0..1]->(b) RETURN b.name", "ann; bob; cid");
    db.check("MATCH (a {name: 'eve'})-[:KNOWS*0..]->(b) RETURN b.name", "eve");
    db.check(
        "MATCH (a {name: 'ann'})-[r:KNOWS*1..3]->(b {name: 'dan'}) RETURN size(r), [x IN r | x.since]",
        "2, [1 3]; 2, [2 4]",
    );
    db.check("MATCH p = (a {name: 'ann'})-[:KNOWS*]->(a) RETURN length(p)", "3; 3");
    db.check("MATCH (a {name: 'ann'})-[r:KNOWS* {since: 1}]->(b) RETURN b.name", "bob");
    db.check(
        "MATCH p = (a {name: 'bob'})-->(b) RETURN length(p), [n IN nodes(p) | n.name]",
        "1, [bob dan]; 1, [bob rex]",
    );
    db.check("MATCH p = shortestPath((a {name: 'ann'})-[:KNOWS*]->(b {name: 'dan'})) RETURN length(p)", "2");
    db.check(
        "MATCH p = allShortestPaths((a {name: 'ann'})-[:KNOWS*]->(b {name: 'dan'})) RETURN [n IN nodes(p) | n.name]",
        "[ann bob dan]; [ann cid dan]",
    );
    db.check("MATCH p = shortestPath((a {name: 'ann'})-[:KNOWS*]-(b {name: 'dan'})) RETURN length(p)", "1");
    db.check("MATCH p = shortestPath((a {name: 'ann'})-[:KNOWS*]->(b {name: 'eve'})) RETURN length(p)", "");
}

#[test]
fn optional_match_and_subqueries() {
    let db = people();
    db.check(
        "MATCH (a:Person) OPTIONAL MATCH (a)-[:KNOWS]->(b) RETURN a.name, b.name",
        "ann, bob; ann, cid; bob, dan; cid, dan; dan, ann; eve, null",
    );
    db.check(
        "MATCH (a:Person) OPTIONAL MATCH (a)-[r:LIKES]->(b) WHERE b.name = 'rex' RETURN a.name, r IS NULL",
        "ann, true; bob, false; cid, true; dan, true; eve, true",
    );
    db.check("MATCH (a:Person) WHERE (a)-[:LIKES]->() RETURN a.name", "bob");
    db.check("MATCH (a:Person) WHERE NOT EXISTS { (a)-[:KNOWS]->() } RETURN a.name", "eve");
    db.check("MATCH (a:Person) WHERE EXISTS { MATCH (a)-[:KNOWS]->(b) WHERE b.age = a.age } RETURN a.name", "ann");
    db.check("MATCH (a:Person) RETURN a.name, COUNT { (a)-[:KNOWS]->() }", "ann, 2; bob, 1; cid, 1; dan, 1; eve, 0");
    db.check("MATCH (a {name: 'ann'}) RETURN [(a)-[:KNOWS]->(b) | b.name]", "[bob cid]");
    db.check(
        "MATCH (a:Person) CALL { WITH a MATCH (a)-[:KNOWS]->(b) RETURN count(b) AS c } RETURN a.name, c",
        "ann, 2; bob, 1; cid, 1; dan, 1; eve, 0",
    );
}

#[test]
fn aggregation_ordering_and_limits() {
    let db = people();
    db.check("MATCH (a:Person) RETURN a.age, count(*) ORDER BY a.age", "30, 2; 40, 1; 50, 1; null, 1");
    db.check("MATCH (a:Person) RETURN a.age, count(*) ORDER BY a.age DESC LIMIT 2", "null, 1; 50, 1");
    db.check(
        "MATCH (a:Person) RETURN count(a.age), sum(a.age), avg(a.age), min(a.name), max(a.name)",
        "4, 150, 37.5, ann, eve",
    );
    db.check("MATCH (a:Person) RETURN count(DISTINCT a.age)", "3");
    db.check("MATCH (a:Missing) RETURN count(*), sum(a.x), collect(a.x)", "0, 0, []");
    db.check("MATCH (a:Person) WITH a ORDER BY a.name DESC SKIP 1 LIMIT 2 RETURN collect(a.name)", "[dan cid]");
    db.check("UNWIND [1, 1.0, 2, null, null] AS x RETURN DISTINCT x", "1; 2; null");
    db.check("UNWIND [1, 1.0, 'a', null] AS x RETURN x, count(*)", "1, 2; a, 1; null, 1");
    db.check("UNWIND [3, 1, 2] AS x RETURN x ORDER BY x LIMIT 2", "1; 2");
    db.check("UNWIND [1, 'a', true, null, 2.5, [1]] AS x RETURN x ORDER BY x", "[1]; a; true; 1; 2.5; null");
    db.check("UNWIND range(1, 3000) AS x WITH x WHERE x % 1000 = 0 RETURN x ORDER BY x DESC", "3000; 2000; 1000");
    db.check("UNWIND range(1, 5000) AS x RETURN x ORDER BY -x SKIP 4998", "2; 1");
    db.check("RETURN 1 AS x UNION RETURN 1 AS x UNION RETURN 2 AS x", "1; 2");
    db.check("RETURN 1 AS x UNION ALL RETURN 1 AS x", "1; 1");
}

#[test]
fn expressions() {
    let db = Fixture::new();
    db.check("RETURN [x IN [1, 2, 3] WHERE x > 1 | x * 10]", "[20 30]");
    db.check("RETURN reduce(acc = 0, x IN [1, 2, 3] | acc * 10 + x)", "123");
    db.check("RETURN all(x IN [1, 2] WHERE x > 0), any(x IN [] WHERE true), none(x IN [1] WHERE x = 2), single(x IN [1, 2] WHERE x = 2)", "true, false, true, true");
    db.check(
        "RETURN any(x IN [1, null] WHERE x = 1), any(x IN [2, null] WHERE x = 1), all(x IN [1, null] WHERE x = 1)",
        "true, null, null",
    );
    db.check("RETURN [x IN [1, 2] | [y IN [10, 20] | x * y]]", "[[10 20] [20 40]]");
    db.check("RETURN CASE 2 WHEN 1 THEN 'a' WHEN 2 THEN 'b' ELSE 'c' END", "b");
    db.check(
        "UNWIND [1, 2, null] AS x RETURN CASE WHEN x = 1 THEN 'one' WHEN x = 2 THEN 'two' ELSE 'none' END",
        "one; two; none",
    );
    db.check("UNWIND [null, 1, 2] AS x RETURN coalesce(x, 'none')", "none; 1; 2");
    db.check(
        "RETURN true AND null, false AND null, true OR null, false OR null, true XOR null, NOT null",
        "null, false, true, null, null, null",
    );
    db.check("RETURN {a: 1, b: {c: 'x'}}.b.c, {a: 1}.z", "x, null");
    db.check("RETURN 2 IN [1, 2], 3 IN [1, null], null IN []", "true, null, false");
    // What AND has settled is not evaluated.
    db.check("UNWIND [0, 1, 2] AS x WITH x WHERE x <> 0 AND 2 / x = 2 RETURN x", "1");
}

#[test]
fn writes_and_reads_after_them() {
    let db = Fixture::new();
    db.check("CREATE (n:A {v: 1}) RETURN n.v, labels(n)", "1, [A]");
    db.check("MATCH (n:A) CREATE (m:B {v: n.v + 1}) WITH m MATCH (x) RETURN count(x)", "2");
    db.check("UNWIND range(1, 3) AS i CREATE (n:C {i: i}) RETURN n.i", "1; 2; 3");
    db.check("MATCH (n:C) SET n.i = n.i * 10, n:Done RETURN n.i, n:Done", "10, true; 20, true; 30, true");
    db.check(
        "MATCH (n:C) REMOVE n:Done SET n += {j: 1, i: null} RETURN n.i, n.j, n:Done",
        "null, 1, false; null, 1, false; null, 1, false",
    );
    db.check("MATCH (n:C) SET n = {k: 5} RETURN properties(n)", "{k:5}; {k:5}; {k:5}");
    // A limit above a write does not stop it.
    db.check("UNWIND range(1, 5) AS i CREATE (n:D) RETURN i LIMIT 0", "");
    db.check("MATCH (n:D) RETURN count(*)", "5");
    db.check("MATCH (n:D) DELETE n RETURN count(*)", "5");
    db.check("MATCH (n:D) RETURN count(*)", "0");
    db.run("FOREACH (i IN [1, 2, 3] | CREATE (:E {i: i}) FOREACH (j IN [1, 2] | CREATE (:F {v: i * j})))");
    db.check("MATCH (n:E) RETURN sum(n.i)", "6");
    db.check("MATCH (n:F) RETURN count(*), sum(n.v)", "6, 18");
    db.check("CREATE p = (a:P)-[:R {w: 1}]->(b:P) RETURN length(p)", "1");
    db.check_error("MATCH (n:P) DELETE n", "DeleteConnectedNode");
    db.check("MATCH (a:P)-[r]->(b:P) DELETE a, r, b RETURN type(r)", "R");
    db.run("CREATE (a:Q)-[:R]->(b:Q), (b)-[:R]->(c:Q)");
    db.run("MATCH (n:Q) DETACH DELETE n");
    db.check("MATCH (n:Q) RETURN count(*)", "0");
    db.run("CREATE (:G {v: 1})");
    db.check_error("MATCH (n:G) DELETE n RETURN n.v", "DeletedEntityAccess");
    db.check("MATCH (n:G) RETURN n.v", "1");
    db.check_error("MATCH (n:G) SET n.bad = [{a: 1}]", "InvalidPropertyType");
}

#[test]
fn merge() {
    let db = Fixture::new();
    db.check(
        "MERGE (n:A {k: 1}) ON CREATE SET n.made = true ON MATCH SET n.seen = true RETURN n.made, n.seen",
        "true, null",
    );
    db.check(
        "MERGE (n:A {k: 1}) ON CREATE SET n.made = 2 ON MATCH SET n.seen = true RETURN n.made, n.seen",
        "true, true",
    );
    // Later rows see what earlier ones created.
    db.check("UNWIND [1, 2, 2, 3, 3, 3] AS k MERGE (n:A {k: k}) RETURN count(*), count(DISTINCT n)", "6, 3");
    db.check("MATCH (n:A) RETURN count(*)", "3");
    db.check("MATCH (a:A {k: 1}), (b:A {k: 2}) MERGE (a)-[r:R]->(b) RETURN type(r)", "R");
    db.check("MATCH (a:A {k: 1}), (b:A {k: 2}) MERGE (a)-[r:R]->(b) RETURN type(r)", "R");
    db.check("MATCH (a:A {k: 1}), (b:A {k: 2}) MERGE (a)-[r:R]-(b) RETURN type(r)", "R");
    db.check("MATCH ()-[r:R]->() RETURN count(r)", "1");
    db.check("MATCH (a:A) MERGE (b:B {k: a.k}) MERGE (a)-[:T]->(b) RETURN count(*)", "3");
    db.check("MATCH (:A)-[:T]->(b:B) RETURN b.k", "1; 2; 3");
    db.check_error("MERGE (n:A {k: null})", "MergeReadOwnWrites");
    db.run("FOREACH (k IN [1, 9] | MERGE (n:A {k: k}) ON CREATE SET n.loop = true)");
    db.check("MATCH (n:A) WHERE n.loop RETURN n.k", "9");
}

#[test]
fn limits_are_checked() {
    let db = Fixture::new();
    db.check_error("UNWIND [1] AS x RETURN x LIMIT toInteger('-1')", "NegativeIntegerArgument");
    let small = Fixture { memory_limit_bytes: 100_000, ..Fixture::new() };
    let error = small.cypher("UNWIND range(1, 100000) AS x RETURN collect(x)").expect_err("too much to keep");
    assert_eq!(error.sqlstate(), crate::sqlstate::OUT_OF_MEMORY);
    let error = small.cypher("UNWIND range(1, 100000) AS x RETURN x ORDER BY -x").expect_err("too much to sort");
    assert_eq!(error.sqlstate(), crate::sqlstate::OUT_OF_MEMORY);
}

#[test]
fn a_cancelled_statement_stops() {
    let db = Fixture::new();
    let query = db.bind_cypher("UNWIND range(1, 10000000) AS x UNWIND range(1, 1000) AS y RETURN count(*)").unwrap();
    let plan = db.prepare(&query, WAYS[2]).unwrap();
    let context = db.context(&[]);
    let cancel = context.cancel.clone();
    let mut stream = execute(&plan, context).unwrap();
    let canceller = std::thread::spawn(move || {
        std::thread::sleep(std::time::Duration::from_millis(50));
        cancel.cancel();
    });
    let error = stream.next_batch().expect_err("it was cancelled");
    assert_eq!(error.sqlstate(), crate::sqlstate::QUERY_CANCELED);
    canceller.join().unwrap();
}
