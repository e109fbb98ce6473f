//! Agents on a real database, through sessions.

use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use sinew::{Database, Session, Value};

use crate::{AgentOptions, AgentRuntime, install};

fn open(directory: &std::path::Path) -> (Database, AgentRuntime) {
    let database = Database::open(directory).expect("database opens");
    let runtime = install(&database, AgentOptions::default()).expect("agents are installed");
    (database, runtime)
}

#[track_caller]
fn run(session: &mut Session, text: &str) -> Vec<Vec<Option<String>>> {
    session.query_text(text, &[]).unwrap_or_else(|error| panic!("{text}: {error} {:?}", error.0))
}

#[track_caller]
fn cell(session: &mut Session, text: &str) -> String {
    run(session, text)[0][0].clone().unwrap_or_default()
}

#[track_caller]
fn fails(session: &mut Session, text: &str, sqlstate: &str) -> sinew::QueryError {
    let error = session.query(text, &[]).expect_err(text);
    assert_eq!(error.sqlstate(), sqlstate, "{text}: {error}");
    error
}

fn fill(session: &mut Session) {
    for (seq, content) in
        ["Where does Ann live?", "Ann moved to Lisbon last year.", "The weather is fine."].iter().enumerate()
    {
        let role = if seq % 2 == 0 { "user" } else { "assistant" };
        let statement = "INSERT INTO messages (conversation_id, role, content) VALUES ('conv-12', $1, $2)";
        session.query(statement, &[role.into(), Value::from(*content)]).expect("message is written");
    }
    run(session, "CREATE (a:Person {name: 'Ann'})-[:WORKS_AT]->(c:Company {name: 'Harbour Works'})");
}

#[test]
fn the_builtin_model_answers_with_citations_that_exist() {
    let directory = tempfile::tempdir().expect("directory");
    let (database, runtime) = open(directory.path());
    let mut session = database.session();
    fill(&mut session);
    run(&mut session, "CREATE AGENT assistant TYPE react MODEL builtin TOOLS (search_memory, search_graph)");
    let notices: Arc<Mutex<Vec<String>>> = Arc::default();
    let sink = Arc::clone(&notices);
    session.set_notice_sink(Arc::new(move |notice| sink.lock().push(notice.message)));
    run(&mut session, "SET sinew.progress = notice");
    let rows = run(&mut session, "CALL execute_agent('assistant', 'In which city does Ann live, since she moved?')");
    let output = rows[0][2].clone().unwrap_or_default();
    assert_eq!(rows[0][1].as_deref(), Some("succeeded"), "{rows:?}");
    assert!(output.contains("Ann moved to Lisbon last year.\" [message conv-12#2]"), "{output}");
    assert!(notices.lock().iter().any(|notice| notice.contains("search_memory")), "{notices:?}");

    let rows = run(&mut session, "CALL execute_agent(agent => 'assistant', input => 'Where does Ann work at?')");
    let output = rows[0][2].clone().unwrap_or_default();
    let node = cell(&mut session, "MATCH (a:Person {name: 'Ann'}) RETURN id(a)");
    assert!(output.contains("Ann works at Harbour Works"), "{output}");
    assert!(output.contains(&format!("[node {node}]")), "{output}");

    let steps = run(
        &mut session,
        "SELECT step, kind, node, status, snapshot_lsn IS NOT NULL FROM agent_steps ORDER BY run_id, step",
    );
    assert_eq!(steps.len(), 8, "{steps:?}");
    assert!(
        steps.iter().all(|step| step[3].as_deref() == Some("succeeded") && step[4].as_deref() == Some("t")),
        "{steps:?}"
    );
    let count = cell(&mut session, "SELECT count(*) FROM agent_runs r JOIN messages m ON m.run_id = r.run_id");
    assert_eq!(count, "4");
    runtime.shutdown();
    fails(&mut session, "CALL execute_agent('assistant', 'Again?')", "57P01");
}

#[test]
fn statements_and_their_errors() {
    let directory = tempfile::tempdir().expect("directory");
    let (database, _runtime) = open(directory.path());
    let mut session = database.session();
    run(&mut session, "CREATE TABLE orders (id int PRIMARY KEY, customer text, total numeric(10,2), at timestamptz)");
    run(&mut session, "INSERT INTO orders VALUES (1, 'ann', 12.50, '2024-05-01'), (2, 'bob', 3, '2024-05-02')");
    run(
        &mut session,
        "CREATE TOOL find_orders(customer text 'customer name') LANGUAGE sql
           AS $$ SELECT * FROM orders WHERE customer = $1 $$ WITH (description = 'orders of one customer')",
    );
    run(
        &mut session,
        "CREATE TOOL friends(name text) LANGUAGE cypher AS $$ MATCH (:Person {name: $1})-[:KNOWS]->(f) RETURN f.name $$",
    );
    let error = fails(&mut session, "CREATE TOOL t() LANGUAGE sql AS 'SELECT * FROM nowhere'", "42P01");
    assert_eq!(error.0.position, Some(33));
    fails(&mut session, "CREATE TOOL t() LANGUAGE sql AS 'DELETE FROM orders'", "42501");
    fails(&mut session, "CREATE TOOL t() LANGUAGE sql AS 'SELECT 1; DELETE FROM orders'", "42601");
    fails(&mut session, "CREATE TOOL t(a nosuchtype) LANGUAGE sql AS 'SELECT 1'", "42704");
    fails(&mut session, "CREATE TOOL find_orders() LANGUAGE sql AS 'SELECT 1'", "42710");
    let error = fails(&mut session, "CREATE MODEL m WITH (porvider = 'openai')", "22023");
    assert_eq!((error.0.position, error.0.hint.as_deref()), (Some(22), Some("did you mean \"provider\"?")));
    let error = fails(&mut session, "CREATE AGENT a MODEL m TOOLS (find_ordrs)", "42704");
    assert_eq!(error.0.position, Some(16));
    let error = fails(&mut session, "CREATE AGENT a TOOLS (find_ordrs)", "42704");
    assert_eq!(error.0.hint.as_deref(), Some("did you mean \"find_orders\"?"));
    let error = fails(&mut session, "CREATE AGENT a TYPE manager", "0A000");
    assert_eq!(error.0.message, "agent type \"manager\" is not supported");
    fails(&mut session, "CREATE MODEL", "42601");
    fails(&mut session, "DROP AGENT nobody", "42704");
    run(&mut session, "DROP AGENT IF EXISTS nobody");
    fails(&mut session, "CREATE SECRET s FROM ENV 'PATH' FOR HOST 'example.com'", "42501");
    run(&mut session, "CREATE SECRET s FROM ENV 'X_API_KEY' FOR HOST 'example.com'");
    fails(&mut database.session_for("eve"), "CREATE SECRET s2 FROM ENV 'X_API_KEY' FOR HOST 'evil.example'", "42501");
    fails(
        &mut session,
        "CREATE MODEL m WITH (provider = 'openai', model = 'x', base_url = 'https://evil.example/v1', secret = s)",
        "22023",
    );
    // Part of the transaction.
    run(&mut session, "BEGIN");
    run(&mut session, "CREATE AGENT a TOOLS (find_orders)");
    run(&mut session, "ROLLBACK");
    assert_eq!(cell(&mut session, "SELECT count(*) FROM agents"), "0");
    run(&mut session, "BEGIN READ ONLY");
    fails(&mut session, "CREATE AGENT a", "25006");
    run(&mut session, "ROLLBACK");
    // The function form, twice the same.
    let create = "CALL create_agent('a', '{\"type\": \"react\", \"tools\": [\"find_orders\"]}')";
    let first = run(&mut session, create);
    assert_eq!(run(&mut session, create), first);
    run(&mut session, "ALTER AGENT a SET (max_iterations = 3)");
    assert_eq!(cell(&mut session, "SELECT version FROM agents WHERE name = 'a'"), "2");
    assert_eq!(cell(&mut session, "SELECT count(*) FROM agent_versions"), "2");
    fails(&mut session, "DROP TOOL find_orders", "2BP01");
    // System tables are the engine's.
    fails(&mut session, "DELETE FROM agents", "42501");
    fails(&mut session, "DROP TABLE sinew.agents", "42501");
    // Calls.
    let error = fails(&mut session, "CALL execute_agent('b', 'x')", "42704");
    assert_eq!(error.0.message, "agent \"b\" does not exist");
    fails(&mut session, "CALL execute_agent('a', 'x', budget => '{\"max_token\": 5}')", "22023");
    let unknown = "'018f0000-0000-7000-8000-000000000001'";
    for call in ["cancel_agent_run({})", "resume_agent_run({})", "decide_approval({}, 'approve')"] {
        fails(&mut session, &format!("CALL {}", call.replace("{}", unknown)), "42704");
    }
    // Promised and not there yet.
    for call in ["compact_memory('c')", "replay_agent_run({})"] {
        let call = call.replace("{}", unknown);
        let name = call.split('(').next().unwrap_or_default();
        for text in [format!("CALL {call}"), format!("SELECT * FROM {call}")] {
            let error = fails(&mut session, &text, "0A000");
            assert!(error.0.message.contains(name), "{error}");
        }
    }
    // A body may use what the tool has and no more.
    fails(&mut session, "CREATE TOOL t2(a int) LANGUAGE sql AS $$ SELECT $2 $$", "42P02");
    fails(&mut session, "CREATE TOOL t2(a int) LANGUAGE cypher AS $$ RETURN $2 AS x $$", "42P02");
    fails(&mut session, "CREATE TOOL t2(a int) LANGUAGE cypher AS $$ RETURN $b AS x $$", "42P02");
    run(&mut session, "CREATE TOOL t2(a int, b text) LANGUAGE sql AS $$ SELECT $2, '$3' $$");
}

/// A script model `script`, and an agent `a` with these tools on it.
fn script(session: &mut Session, replies: &str, tools: &str) {
    run(session, &format!("CREATE OR REPLACE MODEL script WITH (provider = 'script', replies = $r${replies}$r$)"));
    run(session, &format!("CREATE OR REPLACE AGENT a MODEL script TOOLS ({tools})"));
}

fn results(session: &mut Session) -> Vec<String> {
    let rows = run(session, "SELECT coalesce(error, result::text) FROM agent_tool_calls ORDER BY run_id, step");
    rows.into_iter().map(|mut row| row.remove(0).unwrap_or_default()).collect()
}

#[test]
fn sql_and_cypher_tools_run_under_their_limits() {
    let directory = tempfile::tempdir().expect("directory");
    let (database, _runtime) = open(directory.path());
    let mut session = database.session();
    run(&mut session, "CREATE TABLE orders (id int PRIMARY KEY, customer text, total numeric(10,2))");
    run(&mut session, "INSERT INTO orders VALUES (1, 'ann', 12.50), (2, 'bob', 3), (3, 'ann', 4)");
    run(&mut session, "CREATE (:Person {name: 'Ann'})-[:KNOWS]->(:Person {name: 'Bob'})");
    run(
        &mut session,
        "CREATE TOOL find_orders(customer text) LANGUAGE sql AS 'SELECT id, total FROM orders WHERE customer = $1 ORDER BY id' WITH (max_rows = 1)",
    );
    run(
        &mut session,
        "CREATE TOOL above(limit_total numeric) LANGUAGE sql AS 'SELECT id FROM orders WHERE total > $1'",
    );
    run(
        &mut session,
        "CREATE TOOL friends(name text) LANGUAGE cypher AS 'MATCH (:Person {name: $1})-[:KNOWS]->(f) RETURN f.name AS friend'",
    );
    run(
        &mut session,
        "CREATE TOOL pay(id int) LANGUAGE sql AS 'UPDATE orders SET total = 0 WHERE id = $1 RETURNING id' WITH (effect = 'once')",
    );
    let replies = r#"[
        {"tool_calls": [{"name": "find_orders", "arguments": {"customer": "ann"}},
                        {"name": "above", "arguments": {"limit_total": "3.5"}},
                        {"name": "friends", "arguments": {"name": "Ann"}},
                        {"name": "pay", "arguments": {"id": 2}},
                        {"name": "run_sql", "arguments": {"query": "SELECT count(*) AS n FROM orders"}},
                        {"name": "run_sql", "arguments": {"query": "DELETE FROM orders"}},
                        {"name": "run_sql", "arguments": {"query": "SELECT * FROM enqueue_agent('a', 'x')"}},
                        {"name": "run_cypher", "arguments": {"query": "MATCH (p:Person) CREATE (:X) RETURN p"}},
                        {"name": "run_sql", "arguments": {"query": "SELECT nothing FROM orders"}},
                        {"name": "remember", "arguments": {"fact": "Ann likes tea."}},
                        {"name": "relate", "arguments": {"a": "Ann", "relation": "likes", "b": "Tea"}}]},
        {"content": "done"}]"#;
    script(&mut session, replies, "find_orders, above, friends, pay, run_sql, run_cypher, remember, relate");
    let rows = run(&mut session, "CALL execute_agent('a', 'go')");
    assert_eq!(rows[0][1].as_deref(), Some("succeeded"), "{rows:?}");
    let results = results(&mut session);
    let expect = |position: usize, text: &str| assert!(results[position].contains(text), "{position}: {results:#?}");
    expect(0, "\"id\": 1");
    expect(0, "only the first 1 rows");
    expect(1, "\"id\": 1");
    expect(2, "\"friend\": \"Bob\"");
    expect(3, "\"id\": 2");
    expect(4, "\"n\": 3");
    expect(5, "42501");
    expect(6, "SQLSTATE");
    expect(7, "25006");
    expect(8, "42703");
    expect(9, "node");
    expect(10, "\"type\": \"LIKES\"");
    assert_eq!(cell(&mut session, "SELECT total FROM orders WHERE id = 2"), "0.00");
    assert_eq!(
        cell(&mut session, "MATCH (a:Person {name: 'Ann'})-[:LIKES]->(t:Entity {name: 'Tea'}) RETURN count(*)"),
        "1"
    );
    assert_eq!(cell(&mut session, "SELECT count(*) FROM agent_runs"), "1");
}

#[test]
fn enqueued_runs_belong_to_the_transaction() {
    let directory = tempfile::tempdir().expect("directory");
    let (database, _runtime) = open(directory.path());
    let mut session = database.session();
    script(&mut session, r#"[{"content": "done"}]"#, "search_memory");
    run(&mut session, "BEGIN");
    run(&mut session, "CALL enqueue_agent('a', 'never')");
    run(&mut session, "ROLLBACK");
    run(&mut session, "BEGIN");
    run(&mut session, "CALL enqueue_agent('a', 'go', priority => 3)");
    let error = fails(&mut session, "CALL execute_agent('a', 'x')", "25001");
    assert!(error.0.hint.is_some());
    run(&mut session, "ROLLBACK");
    let id = cell(&mut session, "CALL enqueue_agent('a', 'go')");
    let events = run(&mut session, &format!("SELECT seq, kind, text FROM agent_events('{id}', 1)"));
    let kinds: Vec<&str> = events.iter().filter_map(|event| event[1].as_deref()).collect();
    assert_eq!(kinds, ["started", "model_call", "finished"]);
    assert_eq!(cell(&mut session, "SELECT count(*) FROM agent_runs"), "1");
    let streamed = run(&mut session, "SELECT kind FROM agent_stream('a', 'go')");
    assert_eq!(streamed.len(), 4, "{streamed:?}");
    // A run writes, whoever's transaction that is in.
    for call in ["CALL execute_agent('a', 'x')", "SELECT kind FROM agent_stream('a', 'x')"] {
        run(&mut session, "BEGIN READ ONLY");
        fails(&mut session, call, "25006");
        run(&mut session, "ROLLBACK");
    }
    // What the run would wait for while it keeps the session waiting.
    run(&mut session, "CREATE TABLE held (id int)");
    run(&mut session, "BEGIN");
    run(&mut session, "LOCK TABLE held IN ROW SHARE MODE");
    let error = fails(&mut session, "CALL execute_agent('a', 'go')", "25001");
    assert!(error.0.hint.is_some());
    run(&mut session, "ROLLBACK");
    // Drivers send BEGIN first: the run commits on its own.
    run(&mut session, "BEGIN");
    run(&mut session, "SELECT count(*) FROM held");
    run(&mut session, "CALL execute_agent('a', 'go')");
    run(&mut session, "ROLLBACK");
    assert_eq!(cell(&mut session, "SELECT count(*) FROM agent_runs WHERE status = 'succeeded'"), "3");
}

#[test]
fn cancelling_the_statement_cancels_the_run() {
    let directory = tempfile::tempdir().expect("directory");
    let (database, _runtime) = open(directory.path());
    let mut session = database.session();
    script(&mut session, r#"[{"content": "late", "delay_ms": 20000}]"#, "search_memory");
    let token = session.cancel_token();
    let canceller = std::thread::spawn(move || {
        std::thread::sleep(Duration::from_millis(300));
        token.cancel();
    });
    let started = Instant::now();
    fails(&mut session, "CALL execute_agent('a', 'go')", "57014");
    assert!(started.elapsed() < Duration::from_secs(5));
    canceller.join().expect("canceller ends");
    assert_eq!(cell(&mut session, "SELECT status FROM agent_runs"), "cancelled");
}

#[test]
fn reopening_goes_on_where_the_run_stood() {
    let directory = tempfile::tempdir().expect("directory");
    let (database, runtime) = open(directory.path());
    let mut session = database.session();
    let replies = r#"[{"tool_calls": [{"name": "run_sql", "arguments": {"query": "SELECT 1 AS one"}}]},
                      {"content": "resumed", "delay_ms": 1500}]"#;
    script(&mut session, replies, "run_sql");
    let id = cell(&mut session, "CALL execute_agent('a', 'go', mode => 'async')");
    let deadline = Instant::now() + Duration::from_secs(10);
    while cell(&mut session, "SELECT count(*) FROM agent_llm_calls") != "2" {
        assert!(Instant::now() < deadline, "the second model call never began");
        std::thread::sleep(Duration::from_millis(10));
    }
    let started = Instant::now();
    runtime.shutdown();
    assert!(started.elapsed() < Duration::from_secs(4));
    drop((session, runtime));
    database.close().expect("closes");
    drop(database);

    let (database, _runtime) = open(directory.path());
    let mut session = database.session();
    let events = run(&mut session, &format!("SELECT kind FROM agent_events('{id}')"));
    assert!(events.iter().any(|event| event[0].as_deref() == Some("interrupted")), "{events:?}");
    assert_eq!(cell(&mut session, "SELECT output FROM agent_runs"), "resumed");
    let calls = run(&mut session, "SELECT step, attempt, status FROM agent_llm_calls ORDER BY step, attempt");
    let statuses: Vec<&str> = calls.iter().filter_map(|call| call[2].as_deref()).collect();
    assert_eq!(statuses, ["succeeded", "interrupted", "succeeded"], "{calls:?}");
    assert_eq!(cell(&mut session, "SELECT count(*) FROM agent_tool_calls"), "1");
}

#[test]
fn memory_context_and_clear_memory() {
    let directory = tempfile::tempdir().expect("directory");
    let (database, _runtime) = open(directory.path());
    let mut session = database.session();
    fill(&mut session);
    let lines = run(&mut session, "SELECT role, source FROM memory_context('conv-12', 'Lisbon')");
    assert!(lines[0][1].as_deref().is_some_and(|source| source == "search conv-12#2"), "{lines:?}");
    assert!(run(&mut session, "SELECT * FROM memory_context('conv-12', 'Lisbon', max_tokens => 0)").is_empty());
    assert_eq!(cell(&mut session, "CALL clear_memory('conv-12')"), "3");
    assert_eq!(cell(&mut session, "SELECT count(*) FROM messages"), "0");
}
