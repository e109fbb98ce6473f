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
    let query = db.bind_cypher("UNWIND range(1, 1000000) AS x UNWIND range(1, 1000) AS y RETURN count(*)").unwrap();
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

#[test]
fn subqueries_that_write_and_unit_subqueries() {
    let db = Fixture::new();
    db.run("UNWIND range(1, 3) AS i CREATE (:A {i: i})");
    db.check("MATCH (a:A) CALL { WITH a CREATE (a)-[:R]->(b:B {i: a.i}) RETURN b } RETURN sum(b.i)", "6");
    db.check("MATCH (a:A)-[:R]->(b:B) RETURN a.i = b.i", "true; true; true");
    db.check("MATCH (a:A) CALL { WITH a MATCH (a)-[r:R]->() DELETE r } RETURN count(*)", "3");
    db.check("MATCH ()-[r:R]->() RETURN count(r)", "0");
    db.check(
        "MATCH (a:A) WITH a ORDER BY a.i DESC LIMIT 1 SET a.top = true WITH a MATCH (b:A) WHERE b.top RETURN b.i",
        "3",
    );
}

#[test]
fn property_indexes_are_used_and_follow_writes() {
    let db = Fixture::new();
    db.run("UNWIND range(1, 50) AS i CREATE (:User {email: 'u' + toString(i), n: i})-[:WROTE]->(:Post {n: i})");
    let (label, key) = {
        let transaction = &db.transaction;
        (transaction.label_id("User").unwrap(), transaction.property_key_id("n").unwrap())
    };
    use sinew_storage::catalog::{IndexDef, IndexKind, IndexTarget};
    db.transaction.begin_statement().unwrap();
    db.transaction
        .create_index(IndexDef {
            id: db.transaction.allocate_relation_id().unwrap(),
            schema: "sinew".to_owned(),
            name: "user_n".to_owned(),
            target: IndexTarget::Nodes { labels: vec![label], properties: vec![key] },
            kind: IndexKind::Ordered { unique: false },
            constraint: None,
            options: Default::default(),
        })
        .unwrap();
    db.transaction.finish_statement().unwrap();
    let explained = |text: &str| {
        let query = db.bind_cypher(text).unwrap();
        super::super::describe(&db.prepare(&query, WAYS[2]).unwrap())
    };
    let by_key = "MATCH (u:User {n: 7}) RETURN u.email";
    assert!(explained(by_key).contains("Node Index Seek using user_n"), "{}", explained(by_key));
    assert!(explained(by_key).contains("Short path"), "{}", explained(by_key));
    db.check(by_key, "u7");
    db.check("MATCH (u:User {n: 7.0}) RETURN u.email", "u7");
    db.check("MATCH (u:User) WHERE u.n = null RETURN u", "");
    db.check("MATCH (u:User {n: 'x'}) RETURN u", "");
    db.check("UNWIND [3, 4, 400] AS k MATCH (u:User {n: k}) RETURN u.email", "u3; u4");
    db.check("MATCH (u:User {n: 9}) SET u.n = 900 WITH u MATCH (v:User {n: 900}) RETURN v.email", "u9");
    db.check("MATCH (u:User {n: 9}) RETURN u", "");
    db.check("UNWIND [900, 901] AS k MERGE (u:User {n: k}) RETURN u.email", "u9; null");
    // The pattern starts where the index is.
    let backwards = "MATCH (p:Post)<-[:WROTE]-(u:User {n: 5}) RETURN p.n";
    assert!(explained(backwards).contains("Node Index Seek"), "{}", explained(backwards));
    db.check(backwards, "5");
}

#[test]
fn counts_need_no_scan() {
    let db = people();
    for (text, expected) in [
        ("MATCH (n:Person) RETURN count(n)", "5"),
        ("MATCH (n) RETURN count(*)", "6"),
        ("MATCH ()-[r:KNOWS]->() RETURN count(r)", "5"),
        ("MATCH ()-[r]->() RETURN count(*)", "6"),
    ] {
        let query = db.bind_cypher(text).unwrap();
        let lines = super::super::describe(&db.prepare(&query, WAYS[2]).unwrap());
        assert!(lines.contains("Count"), "{text}\n{lines}");
        db.check(text, expected);
    }
}

/// Random graphs and random patterns: the optimizer and the short path change nothing, and a naive matcher agrees.
#[test]
fn random_patterns_agree_with_a_naive_matcher() {
    use rand::{RngExt, SeedableRng};
    for seed in 0..12_u64 {
        let mut rng = rand::rngs::StdRng::seed_from_u64(seed);
        let db = Fixture::new();
        let node_count = rng.random_range(2..9);
        db.run(&format!("UNWIND range(0, {}) AS i CREATE (n:N {{i: i}}) FOREACH (x IN CASE WHEN i % 3 = 0 THEN [1] ELSE [] END | SET n:T)", node_count - 1));
        let mut edges = Vec::new();
        for _ in 0..rng.random_range(0..16) {
            let (a, b, ty) = (rng.random_range(0..node_count), rng.random_range(0..node_count), rng.random_range(0..2));
            edges.push((a, b, ty));
            db.run(&format!("MATCH (a:N {{i: {a}}}), (b:N {{i: {b}}}) CREATE (a)-[:E{ty}]->(b)"));
        }
        for _ in 0..6 {
            let length = rng.random_range(1..4);
            let mut pattern = "(n0)".to_owned();
            let mut steps = Vec::new();
            for step in 0..length {
                let direction = rng.random_range(0..3);
                let ty: Option<usize> = rng.random_bool(0.5).then(|| rng.random_range(0..2));
                let name = ty.map_or(String::new(), |ty| format!(":E{ty}"));
                let label = if rng.random_bool(0.3) { ":T" } else { "" };
                let (left, right) = [("-", "->"), ("<-", "-"), ("-", "-")][direction];
                pattern.push_str(&format!("{left}[r{step}{name}]{right}(n{}{label})", step + 1));
                steps.push((direction, ty, label == ":T"));
            }
            let mut expected = Vec::new();
            for start in 0..node_count {
                let mut partial: Vec<(usize, Vec<usize>, Vec<usize>)> = vec![(start, vec![start], Vec::new())];
                for (direction, ty, labelled) in &steps {
                    let mut next = Vec::new();
                    for (at, nodes, used) in &partial {
                        for (edge, (a, b, edge_ty)) in edges.iter().enumerate() {
                            if used.contains(&edge) || ty.is_some_and(|ty| ty != *edge_ty) {
                                continue;
                            }
                            let mut ends = Vec::new();
                            if *direction != 1 && a == at {
                                ends.push(*b);
                            }
                            if *direction != 0 && b == at && !(*direction == 2 && a == b) {
                                ends.push(*a);
                            }
                            for end in ends {
                                if *labelled && end % 3 != 0 {
                                    continue;
                                }
                                let (mut nodes, mut used) = (nodes.clone(), used.clone());
                                nodes.push(end);
                                used.push(edge);
                                next.push((end, nodes, used));
                            }
                        }
                    }
                    partial = next;
                }
                expected.extend(
                    partial
                        .into_iter()
                        .map(|(_, nodes, _)| nodes.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")),
                );
            }
            let items: Vec<String> = (0..=length).map(|i| format!("n{i}.i")).collect();
            db.check(&format!("MATCH {pattern} RETURN {}", items.join(", ")), &expected.join("; "));
        }
    }
}
