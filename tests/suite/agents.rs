//! A react agent against an OpenAI-compatible server: two tool calls, each step a row; killed between steps, it goes on.

use std::time::Duration;

use sinew_tests::openai_mock::{OpenAiMock, Reply};
use sinew_tests::server::Server;
use tokio_postgres::Client;

const PROGRAM: &str = env!("CARGO_BIN_EXE_sinew-under-test");

async fn set_up(client: &Client, model: &OpenAiMock) {
    let base = model.base_url();
    client
        .batch_execute(&format!(
            "CREATE TABLE orders (id int PRIMARY KEY, customer text, total numeric(8,2));
             INSERT INTO orders VALUES (1, 'Ann', 12.50), (2, 'Ann', 7.00), (3, 'Bo', 1.00);
             CREATE (a:Person {{name: 'Ann'}})-[:KNOWS]->(:Person {{name: 'Bo'}});
             CREATE MODEL remote WITH (provider = 'openai', base_url = '{base}', model = 'test-model');
             CREATE TOOL find_orders(customer text 'customer name') LANGUAGE sql
                 AS $$ SELECT id, total FROM orders WHERE customer = $1 ORDER BY id $$
                 WITH (effect = 'pure', max_rows = 50, timeout = '2s', description = 'orders of one customer');
             CREATE TOOL friends(name text) LANGUAGE cypher
                 AS $$ MATCH (:Person {{name: $1}})-[:KNOWS]->(f) RETURN f.name AS name $$;
             CREATE AGENT clerk TYPE react MODEL remote TOOLS (find_orders, friends)
                 PROMPT $$ You help {{{{ user }}}}. $$ WITH (max_iterations = 6, timeout = '60s')"
        ))
        .await
        .expect("the objects are created");
}

fn script(second: Reply) -> Vec<Reply> {
    vec![
        Reply::call("find_orders", serde_json::json!({"customer": "Ann"})),
        second,
        Reply::text("Ann ordered twice, for 19.50 in all; she knows Bo."),
    ]
}

fn friends_call() -> Reply {
    Reply::call("friends", serde_json::json!({"name": "Ann"}))
}

fn run_test<F: Future<Output = ()>>(test: F) {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    runtime.expect("a runtime starts").block_on(test);
}

async fn text(client: &Client, query: &str) -> Vec<String> {
    let rows = client.simple_query(query).await.unwrap_or_else(|error| panic!("{query}: {error:?}"));
    rows.iter()
        .filter_map(|message| match message {
            tokio_postgres::SimpleQueryMessage::Row(row) => {
                Some((0..row.len()).map(|i| row.get(i).unwrap_or("NULL")).collect::<Vec<_>>().join("|"))
            }
            _ => None,
        })
        .collect()
}

#[test]
fn two_tool_calls_step_by_step() {
    let model = OpenAiMock::start(script(friends_call())).expect("the model's server starts");
    run_test(async {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let server = Server::start(PROGRAM, directory.path(), &[]).await;
        let client = server.connect().await;
        set_up(&client, &model).await;
        let run = text(
            &client,
            "CALL execute_agent('clerk', 'What did Ann order?', conversation_id => 'desk', user_id => 'ann')",
        )
        .await;
        assert_eq!(run.len(), 1);
        assert!(run[0].contains("|succeeded|Ann ordered twice, for 19.50 in all; she knows Bo.|final|"), "{run:?}");
        let kinds = text(&client, "SELECT kind, status FROM agent_steps ORDER BY step").await;
        let expected = ["model|succeeded", "tool|succeeded", "model|succeeded", "tool|succeeded", "model|succeeded"];
        assert_eq!(kinds, expected);
        assert_eq!(text(&client, "SELECT count(*), min(status) FROM agent_tool_calls").await, ["2|succeeded"]);
        assert_eq!(
            text(&client, "SELECT role, content FROM messages WHERE conversation_id = 'desk' AND role IN ('user', 'assistant') AND content <> '' ORDER BY seq").await,
            ["user|What did Ann order?", "assistant|Ann ordered twice, for 19.50 in all; she knows Bo."]
        );
        // The model was told what the tools gave.
        let requests = model.requests();
        assert_eq!(requests.len(), 3);
        let last = requests[2].body.to_string();
        assert!(last.contains("12.5") && last.contains("Bo"), "{last}");
    });
}

#[test]
fn a_killed_run_goes_on_without_repeating_finished_steps() {
    let slow = Reply::Slow(Duration::from_secs(30), Box::new(friends_call()));
    let mut replies = script(slow);
    // After the restart the interrupted call is made again.
    replies.insert(2, friends_call());
    let model = OpenAiMock::start(replies).expect("the model's server starts");
    run_test(async {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let mut server = Server::start(PROGRAM, directory.path(), &[]).await;
        let client = server.connect().await;
        set_up(&client, &model).await;
        let run = text(
            &client,
            "CALL execute_agent('clerk', 'What did Ann order?', conversation_id => 'desk', mode => 'async')",
        )
        .await;
        assert!(run[0].contains("|queued|"), "{run:?}");
        let finished = "SELECT count(*) FROM agent_steps WHERE status = 'succeeded'";
        for _ in 0..200 {
            if model.requests().len() >= 2 && text(&client, finished).await == ["2"] {
                break;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        let before = text(
            &client,
            "SELECT step, kind, started_at, finished_at FROM agent_steps WHERE status = 'succeeded' ORDER BY step",
        )
        .await;
        assert_eq!(before.len(), 2, "{before:?}");
        server.kill();

        let server = Server::start(PROGRAM, directory.path(), &[]).await;
        let client = server.connect().await;
        let status = "SELECT status FROM agent_runs";
        for _ in 0..600 {
            if text(&client, status).await == ["succeeded"] {
                break;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        assert_eq!(text(&client, "SELECT status, stop_reason, error FROM agent_runs").await, ["succeeded|final|NULL"]);
        let after = text(&client, "SELECT step, kind, started_at, finished_at FROM agent_steps ORDER BY step").await;
        assert_eq!(after[..2], before[..], "a finished step was repeated");
        assert_eq!(after.len(), 5, "{after:?}");
        assert_eq!(text(&client, "SELECT count(*) FROM agent_tool_calls").await, ["2"]);
        assert_eq!(
            text(&client, "SELECT content FROM messages WHERE role = 'assistant' AND content <> ''").await,
            ["Ann ordered twice, for 19.50 in all; she knows Bo."]
        );
    });
}

#[test]
fn a_failing_endpoint_is_retried_then_reported() {
    let broken = OpenAiMock::start([
        Reply::Status(429),
        Reply::Status(500),
        Reply::Malformed("no json".to_owned()),
        Reply::text("Recovered."),
    ])
    .expect("the model's server starts");
    run_test(async {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let server = Server::start(PROGRAM, directory.path(), &[]).await;
        let client = server.connect().await;
        set_up(&client, &broken).await;
        let run = text(&client, "CALL execute_agent('clerk', 'Hello')").await;
        assert!(run[0].contains("|succeeded|Recovered.|final|"), "{run:?}");
        // The script has ended: every request is answered with 500 now.
        let run = text(&client, "CALL execute_agent('clerk', 'Hello again', budget => '{\"timeout\": \"3s\"}')").await;
        assert!(run[0].contains("|failed|"), "{run:?}");
        let error = text(&client, "SELECT error FROM agent_runs WHERE status = 'failed'").await;
        assert!(error[0].contains("500"), "{error:?}");
        let error = client.simple_query("CALL execute_agent('clerc', 'x')").await.unwrap_err();
        let error = error.as_db_error().expect("a database error");
        assert_eq!(error.code().code(), "42704");
        assert!(error.hint().is_some_and(|hint| hint.contains("clerk")), "{error:?}");
    });
}

/// The answer to a question that the demo proposes, from its messages and its graph.
#[test]
fn the_demo_answers_from_messages_and_graph() {
    run_test(async {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let server = Server::start(PROGRAM, directory.path(), &["--demo"]).await;
        let client = server.connect().await;
        let question = "Why did buoy 3 break loose, and what was decided?";
        text(&client, &format!("CALL execute_agent('assistant', '{question}')")).await;
        let outputs = text(&client, "SELECT output FROM agent_runs WHERE status = 'succeeded'").await;
        let [output] = outputs.as_slice() else { panic!("{outputs:?}") };
        let cited = |kind: &str| -> Vec<String> {
            let mark = format!("[{kind} ");
            let marks = output.split(&mark).skip(1);
            marks.filter_map(|rest| rest.split_once(']')).map(|(id, _)| id.to_owned()).collect()
        };
        let (messages, nodes) = (cited("message"), cited("node"));
        assert!(messages.iter().any(|id| id.starts_with("storm-night#")), "{output}");
        assert!(!nodes.is_empty(), "{output}");
        for id in messages {
            let (conversation, seq) = id.rsplit_once('#').expect("conversation and seq");
            let query =
                format!("SELECT count(*) FROM messages WHERE conversation_id = '{conversation}' AND seq = {seq}");
            assert_eq!(text(&client, &query).await, ["1"], "{id}");
        }
        for id in nodes {
            assert_eq!(text(&client, &format!("SELECT count(*) FROM nodes WHERE id = {id}")).await, ["1"], "{id}");
        }
        let lines: Vec<&str> = output.lines().collect();
        let distinct: std::collections::BTreeSet<&str> =
            lines.iter().map(|line| line.split_once(": ").map_or(*line, |(_, said)| said)).collect();
        assert_eq!(lines.len(), distinct.len(), "{output}");
    });
}
