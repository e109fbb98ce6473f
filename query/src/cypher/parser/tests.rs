use super::*;

fn parse_statement(text: &str) -> Result<(Statement, usize)> {
    super::parse_statement(text, &CancelToken::default())
}

/// The tree of `RETURN expression`, fully parenthesised.
fn shape(expression: &str) -> String {
    let (statement, _) = parse_statement(&format!("RETURN {expression}")).expect(expression);
    let Statement::Query { query, .. } = statement else { panic!("a query") };
    let ClauseKind::Return(projection) = &query.first.clauses[0].kind else { panic!("RETURN") };
    show(&projection.items[0].expr)
}

fn show(expr: &Expr) -> String {
    let list = |items: &[Expr], separator: &str| items.iter().map(show).collect::<Vec<_>>().join(separator);
    match &expr.kind {
        ExprKind::Null => "null".into(),
        ExprKind::Bool(value) => value.to_string(),
        ExprKind::Int(value) => value.to_string(),
        ExprKind::Float(value) => format!("{value:?}"),
        ExprKind::String(value) => format!("{value:?}"),
        ExprKind::Variable(name) => name.to_string(),
        ExprKind::List(items) => format!("[{}]", list(items, ", ")),
        ExprKind::Property(input, key) => format!("{}.{}", show(input), key.text),
        ExprKind::HasLabels(input, _) => format!("({}:…)", show(input)),
        ExprKind::Index(input, index) => format!("{}[{}]", show(input), show(index)),
        ExprKind::Slice(input, from, to) => {
            let bound = |b: &Option<Box<Expr>>| b.as_deref().map_or(String::new(), show);
            format!("{}[{}..{}]", show(input), bound(from), bound(to))
        }
        ExprKind::Unary(op, input) => format!("({op:?} {})", show(input)),
        ExprKind::Binary(op, left, right) => format!("({} {op:?} {})", show(left), show(right)),
        ExprKind::Comparison(first, rest) => {
            let rest: Vec<_> = rest.iter().map(|(op, e)| format!("{op:?} {}", show(e))).collect();
            format!("({} {})", show(first), rest.join(" "))
        }
        ExprKind::And(items) => format!("({})", list(items, " and ")),
        ExprKind::Or(items) => format!("({})", list(items, " or ")),
        ExprKind::Xor(items) => format!("({})", list(items, " xor ")),
        ExprKind::Not(input) => format!("(not {})", show(input)),
        ExprKind::IsNull(input, negated) => format!("({} is {}null)", show(input), if *negated { "not " } else { "" }),
        ExprKind::Call { name, args, .. } => format!("{name}({})", list(args, ", ")),
        other => format!("{other:?}").split(['(', ' ', '{']).next().unwrap_or_default().to_owned(),
    }
}

fn check(expression: &str, expected: &str) {
    assert_eq!(shape(expression), expected, "{expression}");
}

fn check_error(text: &str, detail: &str) {
    let error = parse_statement(text).expect_err(text);
    assert_eq!(error.0.cypher.map(|c| c.detail), Some(detail), "{text}: {error}");
    assert!(error.0.position.is_some(), "{text} has a position");
}

#[test]
fn precedence() {
    check("1 + 2 * 3", "(1 Add (2 Multiply 3))");
    check("1 - 2 - 3", "((1 Subtract 2) Subtract 3)");
    check("2 ^ 3 ^ 2", "((2 Power 3) Power 2)");
    check("-2 ^ 2", "(-2 Power 2)");
    check("- a.b", "(Minus a.b)");
    check("a || b || c", "((a Concatenate b) Concatenate c)");
    check("n IS A|B AND n IS NOT NULL", "((n:…) and (n is not null))");
    check("NOT a AND NOT NOT b", "((not a) and (not (not b)))");
    check("a + b IN c OR d", "(((a Add b) In c) or d)");
    check("a OR b XOR c AND NOT d", "(a or (b xor (c and (not d))))");
    check("NOT a = b", "(not (a Equal b))");
    check("1 < a <= 3", "(1 Less a LessEqual 3)");
    check("a IS NOT NULL = b IS NULL", "((a is not null) Equal (b is null))");
    check("a IN b + c", "(a In (b Add c))");
    check("x STARTS WITH 'a' AND y ENDS WITH 'b'", "((x StartsWith \"a\") and (y EndsWith \"b\"))");
    check("list[1..3][0]", "list[1..3][0]");
    check("list[..-1]", "list[..-1]");
    check("a.b.c[d]", "a.b.c[d]");
    check("n:A:B AND true", "((n:…) and true)");
}

#[test]
fn literals() {
    check("-9223372036854775808", "-9223372036854775808");
    check("-0x8000000000000000", "-9223372036854775808");
    check("0x1F", "31");
    check("0o17", "15");
    check(".5e-3", "0.0005");
    check("-.5", "-0.5");
    check("1E5", "100000.0");
    check(r"'a\'\u00e9\n'", "\"a'é\\n\"");
    check(r"'\uD83D\uDE00'", "\"😀\"");
    check("\"it's\"", "\"it's\"");
    check("`odd name`.`x``y`", "odd name.x`y");
    check("1 /* two */ + // three\n 3", "(1 Add 3)");
}

#[test]
fn literal_errors() {
    check_error("RETURN 9223372036854775808", "IntegerOverflow");
    check_error("RETURN 0x8000000000000000", "IntegerOverflow");
    check_error("RETURN -0x8000000000000001", "IntegerOverflow");
    check_error("RETURN 0x", "InvalidNumberLiteral");
    check_error("RETURN 0x1Z", "InvalidNumberLiteral");
    check_error("RETURN 1.34E999", "FloatingPointOverflow");
    check_error(r"RETURN '\uH'", "InvalidUnicodeLiteral");
    check_error("RETURN 42 — 41", "InvalidUnicodeCharacter");
    check_error("RETURN 9223372#54775808", "UnexpectedSyntax");
    check_error("RETURN 'open", "UnexpectedSyntax");
    check_error("RETURN [, ]", "UnexpectedSyntax");
    check_error("RETURN {k: {k: {}}", "UnexpectedSyntax");
}

#[test]
fn forms() {
    check("(n)-->(m)", "Pattern");
    check("(n) - (m)", "(n Subtract m)");
    check("(a) + (b)", "(a Add b)");
    check("[x IN xs WHERE x > 1 | x + 1]", "ListComprehension");
    check("[(a)-->(b) WHERE b.x | b.y]", "PatternComprehension");
    check("[p = (a)-->(b) | p]", "PatternComprehension");
    check("all(x IN xs WHERE x)", "Quantified");
    check("reduce(s = 0, x IN xs | s + x)", "Reduce");
    check("exists { (n)-->() }", "Exists");
    check("exists { MATCH (n) RETURN n }", "Exists");
    check("count { (n)-->() WHERE true }", "Count");
    check("n {.name, .*, x: 1, other}", "MapProjection");
    check("shortestPath((a)-[*]-(b))", "Pattern");
    check("count(*)", "CountStar");
    check("apoc.text.join(a, b)", "apoc.text.join(a, b)");
    check("CASE x WHEN 1 THEN 2 ELSE 3 END", "Case");
    check("CASE x WHEN > 1, IS NULL, -1 THEN 2 END", "Case");
    check("trim(BOTH 'x' FROM a)", "btrim(a, \"x\")");
    check("trim(LEADING FROM a)", "lTrim(a)");
    check("trim(trailing)", "trim(trailing)");
    check("normalize(a, NFD)", "normalize(a, \"NFD\")");
    check("n:$(label)", "(n:…)");
    check("count", "count");
}

#[test]
fn statements() {
    for text in [
        "MATCH (a:A:B {x: 1})-[r:T|:U*1..3 {y: $p}]->(b)<--(c) WHERE a.x = b.x RETURN *",
        "OPTIONAL MATCH p = (a)-[*..2]-(b), (c) RETURN DISTINCT p ORDER BY p DESC SKIP 1 LIMIT $1",
        "MERGE (a:X {id: 1}) ON CREATE SET a.n = 1, a += {b: 2} ON MATCH SET a:Y:Z RETURN a",
        "MATCH (n) DETACH DELETE n;",
        "MATCH (n) REMOVE n.x, n:L SET (n).y = 2",
        "FOREACH (x IN [1, 2] | CREATE (:N {x: x}) FOREACH (y IN [x] | MERGE (:M {y: y})))",
        "CALL db.index.fulltext.queryNodes('i', 'words') YIELD node, score AS s WHERE s > 1 RETURN node",
        "CALL test.proc",
        "UNWIND [1, 2] AS x WITH x WHERE x > 1 RETURN x UNION ALL RETURN 3 AS x",
        "MATCH (n) CALL { WITH n MATCH (n)-->(m) RETURN count(m) AS c } RETURN c",
        "MATCH (a), (b) MATCH p = allShortestPaths((a)-[:T*..5]-(b)) RETURN p",
        "CREATE INDEX FOR (n:Person) ON (n.name)",
        "CREATE INDEX person_name IF NOT EXISTS FOR (n:Person) ON (n.name)",
        "CREATE INDEX ON :Person(name)",
        "CREATE FULLTEXT INDEX names FOR (n:Person|Company) ON EACH [n.name, n.title]",
        "CREATE VECTOR INDEX v FOR (n:Doc) ON (n.e) OPTIONS {indexConfig: {`vector.dimensions`: 3}}",
        "CREATE CONSTRAINT c FOR (n:Person) REQUIRE n.id IS UNIQUE",
        "DROP INDEX i IF EXISTS",
        "DROP CONSTRAINT c",
        "SHOW INDEXES",
        "EXPLAIN MATCH (n) RETURN n",
        "MATCH (n:!A&(B|C)) RETURN n",
        "MATCH (n:A&$(x.label))-[r:!T|$any(types)*..2]->() RETURN n",
        "MATCH (n) SET n:$(a):B, n[key] = 1 REMOVE n[key], n:$(a)",
        "MATCH (n) FILTER n.x > 1 LET y = n.x ORDER BY y LIMIT 1 OPTIONAL CALL (*) { RETURN 1 AS one } FINISH",
        "INSERT (:A&B {x: 1_000})",
        "CYPHER 5 RETURN 1",
    ] {
        parse_statement(text).unwrap_or_else(|error| panic!("{text}: {error}"));
    }
}

#[test]
fn statement_errors() {
    check_error("MATCH (n RETURN n", "UnexpectedSyntax");
    check_error("MATCH (a)-[:LIKES..]->(b) RETURN b", "InvalidRelationshipPattern");
    check_error("RETURN 1 UNION RETURN 2 UNION ALL RETURN 3", "InvalidClauseComposition");
    check_error("MATCH (n) RETURN", "UnexpectedSyntax");
    check_error("RETURN 1 RETRN 2", "UnexpectedSyntax");
    check_error("MATCH (a)-[:A:B]->(b) RETURN b", "UnexpectedSyntax");
    check_error("MATCH (n:$label) RETURN n", "UnexpectedSyntax");
    check_error("RETURN trim(BOTH 'x')", "UnexpectedSyntax");
    check_error("RETURN CASE 1 WHEN > THEN 2 END", "UnexpectedSyntax");
    check_error("MATCH (n) SET n:$any(['A'])", "UnexpectedSyntax");
    check_error("FOREACH (x IN [1] | MATCH (n))", "InvalidClauseComposition");
    let error = parse_statement("RETURN 'é', WHERE").expect_err("reserved word");
    assert_eq!(error.0.message, "syntax error: expected an expression, found \"WHERE\"");
    assert_eq!(error.0.position, Some(13));
}

/// Unoptimized frames are several times larger than those of a release build.
fn with_large_stack(test: fn()) {
    let thread = std::thread::Builder::new().stack_size(32 << 20).spawn(test).expect("a thread starts");
    thread.join().expect("no panic");
}

#[test]
fn depth_is_limited() {
    with_large_stack(check_depth_limit);
}

fn check_depth_limit() {
    let deep = |open: &str, close: &str| format!("RETURN {}1{}", open.repeat(5000), close.repeat(5000));
    for text in [
        deep("(", ")"),
        deep("[", "]"),
        deep("-", ""),
        deep("NOT ", ""),
        deep("{a: ", "}"),
        deep("abs(", ")"),
        deep("trim(", ")"),
        deep("CASE ", " WHEN 1 THEN 1 END"),
        deep("n:$(", ")"),
    ] {
        assert_eq!(parse_statement(&text).expect_err("too deep").sqlstate(), "54001");
    }
    let chain = format!("RETURN 1{}", " + 1".repeat(5000));
    assert_eq!(parse_statement(&chain).expect_err("too deep").sqlstate(), "54001");
    let wide = format!("RETURN [1{}]", ", 1".repeat(5000));
    parse_statement(&wide).expect("wide is not deep");
    let conjunction = format!("RETURN true{}", " AND true".repeat(5000));
    parse_statement(&conjunction).expect("wide is not deep");
}

#[test]
fn nested_patterns_do_not_explode() {
    with_large_stack(|| {
        let text = format!("RETURN {}1{}", "(a {x: ".repeat(60), "})".repeat(60));
        parse_statement(&text).expect("a map projection in parentheses");
    });
}

#[test]
fn parentheses_cost_a_linear_number_of_steps() {
    with_large_stack(|| {
        let read = |text: &str| {
            let tokens = lex(text).len();
            let cancel = CancelToken::default();
            let mut parser = Parser::new(text, &cancel);
            let result = parser.statement();
            let retried = parser.retried_token_count;
            assert!(retried <= (MAX_RETRIES + 1) * tokens + MIN_RETRIED_TOKENS + 256, "{retried} of {tokens} tokens");
            result
        };
        let list = "[1".to_owned() + &", 1".repeat(20_000) + "]";
        // Each parenthesis looks like a node with a relationship behind it until the innermost has been read.
        let misleading = format!("RETURN {}{list}{}", "(a {x: ".repeat(60), "})-[1]".repeat(60));
        assert_eq!(read(&misleading).expect_err("too much to read again").sqlstate(), "54001");
        let patterns = format!("RETURN {}1{}", "[(a {x: ".repeat(60), "})-->()]".repeat(60));
        read(&patterns).expect("lists of patterns");
        let numbers = format!("RETURN [(1){}]", ", (1)".repeat(20_000));
        read(&numbers).expect("numbers in parentheses");
    });
}

#[test]
fn patterns_to_match_are_limited() {
    let many = |clause: &str, count: usize| format!("{clause} (){}", ", ()".repeat(count));
    let refused = |clause: &str| parse_statement(&many(clause, 20_000)).expect_err("too many").sqlstate();
    assert_eq!((refused("MATCH"), refused("CREATE")), ("54001", "54001"));
    parse_statement(&many("CREATE", 5_000)).expect("what is created is not stacked");
}
