//! Runs against recorded replies, fake tools and a journal in memory. The clock is the test's.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicUsize, Ordering};

use parking_lot::Mutex;
use serde_json::{Value as JsonValue, json};
use sinew::{CancelToken, Result, Value};

use super::*;
use crate::models::{HttpModels, open_model};
use crate::objects::{Change, Define, ObjectKind, builtin_model_row, define};
use crate::rows::Record;
use crate::rows::memory::MemoryJournal;
use crate::tools::{Recalled, ToolError, ToolInvocation, ToolResult};

/// Answers of tools by name, and what was called. A tool without an answer echoes its arguments.
#[derive(Default)]
struct FakeTools {
    answers: Mutex<BTreeMap<String, Vec<Result<JsonValue, ToolError>>>>,
    calls: Mutex<Vec<(String, JsonValue)>>,
    /// Called in the middle of a tool call: what happens meanwhile.
    meanwhile: Mutex<Option<Box<dyn FnOnce() + Send>>>,
}

impl ToolRunner for FakeTools {
    fn run(&self, call: &ToolInvocation, _: &CancelToken) -> Result<ToolResult, ToolError> {
        let arguments = JsonValue::Object(call.arguments.clone());
        self.calls.lock().push((call.tool.name.clone(), arguments.clone()));
        let meanwhile = self.meanwhile.lock().take();
        if let Some(meanwhile) = meanwhile {
            meanwhile();
        }
        let mut answers = self.answers.lock();
        let queue = answers.entry(call.tool.name.clone()).or_default();
        let content = if queue.is_empty() { Ok(json!({"echo": arguments})) } else { queue.remove(0) };
        Ok(ToolResult { content: content?, truncated: false, snapshot_lsn: Some(7) })
    }

    fn recall(&self, _: &str, query: &str, _: usize, _: RunId) -> Result<Vec<Recalled>, ToolError> {
        self.calls.lock().push(("recall".to_owned(), query.into()));
        Ok(vec![Recalled { conversation_id: "old".into(), seq: 1, role: "user".into(), content: "x".into() }])
    }
}

struct Rig {
    journal: Arc<MemoryJournal>,
    tools: Arc<FakeTools>,
    clock: Arc<AtomicI64>,
    engine: Arc<Engine>,
    finished: Arc<Mutex<Vec<(String, f64)>>>,
    _network: tokio::runtime::Runtime,
}

const START_US: i64 = 1_700_000_000_000_000;

impl Rig {
    fn new() -> Rig {
        let journal = Arc::new(MemoryJournal::default());
        let dynamic: &dyn Journal = &*journal;
        dynamic.transact(|rows| rows.insert("models", builtin_model_row(0))).expect("first row");
        Rig::on(journal, Arc::new(AtomicI64::new(START_US)), Arc::default())
    }

    fn on(journal: Arc<MemoryJournal>, clock: Arc<AtomicI64>, tools: Arc<FakeTools>) -> Rig {
        let network = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("runtime");
        let http = HttpModels::new(network.handle().clone());
        let finished: Arc<Mutex<Vec<(String, f64)>>> = Arc::default();
        let (now, hook) = (Arc::clone(&clock), Arc::clone(&finished));
        let engine = Engine::open(EngineParts {
            journal: journal.clone(),
            tools: tools.clone(),
            open_model: Box::new(move |model, secret| open_model(&http, model, secret)),
            count_tokens: Arc::new(|text| text.split_whitespace().count() as u32),
            clock: Arc::new(move || now.load(Ordering::SeqCst)),
            on_run_finished: Some(Arc::new(move |agent: &str, seconds| hook.lock().push((agent.to_owned(), seconds)))),
        })
        .expect("engine opens");
        Rig { journal, tools, clock, engine, finished, _network: network }
    }

    /// The process is killed and started again.
    fn restart(self) -> Rig {
        Rig::on(self.journal, self.clock, self.tools)
    }

    fn define(&self, kind: ObjectKind, name: &str, definition: JsonValue) {
        let request =
            |definition| Define { kind, name, definition, change: Change::CreateOrReplace, user: "ann", now_us: 1 };
        let defined = self.engine.commit(|unit| Ok(define(unit.rows, request(definition.clone()))?));
        defined.unwrap_or_else(|error| panic!("{name}: {error}"));
    }

    /// An agent `a` on a script of these replies.
    fn agent(&self, replies: JsonValue, agent: JsonValue) {
        self.define(
            ObjectKind::Model,
            "script",
            json!({"provider": "script", "replies": replies,
            "usd_per_mtok_in": 1.0, "usd_per_mtok_out": 2.0, "max_output_tokens": 100}),
        );
        let mut definition = json!({"model": "script", "prompt": "You help {{ user }}."});
        for (field, value) in agent.as_object().into_iter().flatten() {
            definition[field] = value.clone();
        }
        self.define(ObjectKind::Agent, "a", definition);
    }

    fn start(&self) -> RunId {
        self.start_with(|_| {})
    }

    fn start_with(&self, change: impl Fn(&mut StartRun)) -> RunId {
        let mut request =
            StartRun { agent: "a".into(), input: "the question".into(), caller: "ann".into(), ..StartRun::default() };
        change(&mut request);
        self.engine.start(&request).expect("run starts")
    }

    /// Works until nothing is due any more, moving the clock over pauses.
    fn work(&self) {
        for _ in 0..200 {
            match self.engine.run_one().expect("worker goes on") {
                Turn::Worked => {}
                Turn::Idle { next_due_us: Some(due) } => self.clock.store(due, Ordering::SeqCst),
                Turn::Idle { next_due_us: None } => return,
            }
        }
        panic!("the run does not end");
    }

    fn run(&self) -> RunSummary {
        let id = self.start();
        self.work();
        self.summary(id)
    }

    fn summary(&self, id: RunId) -> RunSummary {
        self.engine.summary(id).expect("run is there")
    }

    #[track_caller]
    fn check(&self, summary: &RunSummary, status: RunStatus, reason: StopReason) {
        assert_eq!((summary.status, summary.stop_reason), (status, Some(reason)), "{summary:?}");
    }

    fn steps(&self, id: RunId) -> Vec<String> {
        let mut rows = self.journal.rows("agent_steps");
        rows.retain(|row| *row.get("run_id") == Value::from(id));
        rows.iter()
            .map(|row| {
                format!("{} {} {}", row.text("kind").unwrap(), row.text("node").unwrap(), row.text("status").unwrap())
            })
            .collect()
    }

    fn column(&self, table: &str, column: &str) -> Vec<String> {
        self.journal.rows(table).iter().map(|row: &Record| row.opt_text(column).unwrap_or_default()).collect()
    }
}

fn call(name: &str, arguments: JsonValue) -> JsonValue {
    json!({"tool_calls": [{"name": name, "arguments": arguments}]})
}

fn say(text: &str) -> JsonValue {
    json!({"content": text, "usage": {"tokens_in": 10, "tokens_out": 5}})
}

#[test]
fn answers_after_two_rounds_of_tools() {
    let rig = Rig::new();
    let both = json!({"content": "looking", "usage": {"tokens_in": 10, "tokens_out": 5}, "tool_calls": [
        {"name": "search_memory", "arguments": {"query": "q"}}, {"name": "search_graph", "arguments": {"query": "q"}}]});
    rig.agent(json!([both, call("search_memory", json!({"query": "r"})), say("the answer")]), json!({}));
    let id = rig.start();
    rig.work();
    let summary = rig.summary(id);
    rig.check(&summary, RunStatus::Succeeded, StopReason::Final);
    assert_eq!(summary.output.as_deref(), Some("the answer"));
    assert_eq!((summary.steps, summary.tool_calls), (6, 3));
    assert_eq!(
        rig.steps(id),
        [
            "model script succeeded",
            "tool search_memory succeeded",
            "tool search_graph succeeded",
            "model script succeeded",
            "tool search_memory succeeded",
            "model script succeeded"
        ]
    );
    // Each message once: the input and the answer, in a conversation called as the run.
    assert_eq!(rig.column("messages", "content"), ["the question", "the answer"]);
    assert_eq!(rig.column("messages", "conversation_id"), [id.to_string(), id.to_string()]);
    assert_eq!(rig.finished.lock().len(), 1);
    let lsn: Vec<bool> =
        rig.journal.rows("agent_steps").iter().map(|row| row.opt_int("snapshot_lsn").is_some()).collect();
    assert_eq!(lsn, [true; 6]);
}

#[test]
fn the_conversation_comes_along() {
    let rig = Rig::new();
    rig.agent(json!([say("first answer")]), json!({}));
    let conversation = |request: &mut StartRun| request.conversation_id = Some("talk".into());
    rig.start_with(conversation);
    rig.work();
    let before = rig.column("agent_llm_calls", "request_hash")[0].clone();
    rig.start_with(conversation);
    rig.work();
    assert_eq!(rig.column("messages", "content"), ["the question", "first answer", "the question", "first answer"]);
    // The second request held the first exchange.
    assert_ne!(rig.column("agent_llm_calls", "request_hash")[1], before);
    assert_eq!(rig.journal.rows("conversations").len(), 1);
}

#[test]
fn vector_memory_is_searched_once() {
    let rig = Rig::new();
    rig.define(ObjectKind::Memory, "m", json!({"kinds": "vector"}));
    rig.agent(json!([call("search_memory", json!({"query": "q"})), say("done")]), json!({"memory": "m"}));
    rig.run();
    let recalls = rig.tools.calls.lock().iter().filter(|(name, _)| name == "recall").count();
    assert_eq!(recalls, 1);
    assert_eq!(rig.journal.rows("agent_runs")[0].json("recalled"), json!([{"conversation_id": "old", "seq": 1}]));
}

#[test]
fn limits_stop_with_what_was_found() {
    let rig = Rig::new();
    let endless: Vec<JsonValue> = (0..9).map(|n| call("search_memory", json!({"query": n.to_string()}))).collect();
    rig.agent(json!(endless), json!({"max_iterations": 3}));
    let summary = rig.run();
    rig.check(&summary, RunStatus::Interrupted, StopReason::MaxSteps);
    assert!(summary.output.as_deref().is_some_and(|text| text.contains("search_memory: {\"echo\"")), "{summary:?}");
    assert_eq!(rig.tools.calls.lock().len(), 3);

    rig.agent(json!(endless), json!({"max_tokens": 150}));
    let summary = rig.run();
    rig.check(&summary, RunStatus::Interrupted, StopReason::BudgetTokens);
    assert!(summary.tokens_in + summary.tokens_out <= 150, "{summary:?}");

    rig.agent(json!(endless), json!({"max_usd": 0.000_002}));
    rig.check(&rig.run(), RunStatus::Interrupted, StopReason::BudgetUsd);

    rig.agent(json!([{"error": "slow down", "status": 429}]), json!({"timeout": "2s"}));
    let summary = rig.run();
    rig.check(&summary, RunStatus::Failed, StopReason::Deadline);
    assert_eq!(summary.error.as_deref(), Some("model \"script\": slow down"));
}

#[test]
fn failing_models_are_tried_again_then_fail_the_run() {
    let rig = Rig::new();
    rig.agent(json!([{"error": "overloaded", "status": 500}]), json!({}));
    let summary = rig.run();
    rig.check(&summary, RunStatus::Failed, StopReason::Error);
    assert_eq!(summary.error.as_deref(), Some("model \"script\": overloaded (after 5 attempts)"));
    assert_eq!(rig.column("agent_llm_calls", "status"), ["failed"; 5]);
    assert!(summary.duration_ms > 3_000, "back-off grows: {summary:?}");

    rig.agent(json!([{"error": "no such model", "status": 404}]), json!({}));
    let summary = rig.run();
    assert_eq!(summary.error.as_deref(), Some("model \"script\": no such model"));
    // The endpoint is mended; the run goes on where it stood.
    rig.agent(json!([say("at last")]), json!({}));
    rig.engine.resume(summary.run_id, &JsonValue::Null).expect("resumable");
    rig.work();
    assert_eq!(rig.summary(summary.run_id).output.as_deref(), Some("at last"));
}

#[test]
fn wrong_calls_go_back_to_the_model() {
    let rig = Rig::new();
    rig.agent(
        json!([
            call("serch_memory", json!({})),
            call("search_memory", json!({"zzzz": 1})),
            call("search_memory", json!("{")),
            say("sorry")
        ]),
        json!({}),
    );
    let summary = rig.run();
    rig.check(&summary, RunStatus::Succeeded, StopReason::Final);
    assert_eq!((summary.tool_calls, rig.tools.calls.lock().len()), (0, 0));
    assert_eq!(
        rig.column("agent_tool_calls", "error"),
        [
            "there is no tool \"serch_memory\"; tools: search_memory, search_graph; did you mean \"search_memory\"?",
            "tool \"search_memory\" has no parameter \"zzzz\"; parameters: query, k",
            "the arguments of \"search_memory\" are not valid JSON",
        ]
    );
    let wrong: Vec<JsonValue> = (0..9).map(|n| call(&format!("nothing{n}"), json!({}))).collect();
    rig.agent(json!(wrong), json!({"max_iterations": 20}));
    let summary = rig.run();
    rig.check(&summary, RunStatus::Failed, StopReason::Error);
    assert!(summary.error.as_deref().is_some_and(|error| error.contains("6 times in a row")), "{summary:?}");
}

#[test]
fn the_same_call_thrice_is_a_loop() {
    let rig = Rig::new();
    rig.agent(json!(vec![call("search_memory", json!({"query": "q", "k": 1})); 5]), json!({}));
    let summary = rig.run();
    rig.check(&summary, RunStatus::Interrupted, StopReason::LoopDetected);
    assert_eq!(rig.tools.calls.lock().len(), 2);
}

#[test]
fn tool_errors_are_results_and_conflicts_are_tried_again() {
    let rig = Rig::new();
    let conflict = ToolError { retryable: true, ..ToolError::new("conflict") };
    let answers = vec![Err(conflict), Ok(json!("found")), Err(ToolError::new("no such table"))];
    rig.tools.answers.lock().insert("search_memory".into(), answers);
    let search = |q: &str| call("search_memory", json!({"query": q}));
    rig.agent(json!([search("a"), search("b"), say("done")]), json!({}));
    let id = rig.start();
    rig.work();
    rig.check(&rig.summary(id), RunStatus::Succeeded, StopReason::Final);
    let results: Vec<JsonValue> = rig.journal.rows("agent_tool_calls").iter().map(|row| row.json("result")).collect();
    assert_eq!(results, [json!("found"), json!({"error": "no such table"})]);
    assert_eq!(rig.tools.calls.lock().len(), 3);
}

#[test]
fn pure_results_are_cached_for_a_while() {
    let rig = Rig::new();
    rig.define(
        ObjectKind::Tool,
        "orders",
        json!({"language": "sql", "body": "SELECT 1", "cache_ttl": "1m",
        "parameters": [{"name": "c", "type": "text"}]}),
    );
    rig.agent(json!([call("orders", json!({"c": "x"})), say("done")]), json!({"tools": ["orders"]}));
    assert_eq!(rig.run().cache_hits, 0);
    assert_eq!(rig.run().cache_hits, 1);
    assert_eq!(rig.tools.calls.lock().len(), 1);
    rig.clock.fetch_add(61_000_000, Ordering::SeqCst);
    assert_eq!(rig.run().cache_hits, 0);
}

/// Kills the process in the middle of the `n`-th outside call of a tool by never settling it.
fn crash_in_tool(rig: Rig, effect: &str) -> (Rig, RunId) {
    let definition = json!({"language": "sql", "body": "SELECT 1", "effect": effect});
    rig.define(ObjectKind::Tool, "act", definition);
    rig.agent(json!([call("act", json!({})), say("done")]), json!({"tools": ["act"]}));
    let id = rig.start();
    assert_eq!(rig.engine.run_one().expect("model step"), Turn::Worked);
    let engine = Arc::clone(&rig.engine);
    // Stopping in mid-call is how a killed process looks to the journal: claimed, never settled.
    *rig.tools.meanwhile.lock() = Some(Box::new(move || engine.stop()));
    let cancelled = ToolError { cancelled: true, ..ToolError::new("killed") };
    rig.tools.answers.lock().insert("act".into(), vec![Err(cancelled)]);
    assert_eq!(rig.engine.run_one().expect("tool step"), Turn::Worked);
    (rig.restart(), id)
}

#[test]
fn a_killed_process_repeats_no_finished_step() {
    for effect in ["pure", "idempotent"] {
        let (rig, id) = crash_in_tool(Rig::new(), effect);
        rig.work();
        rig.check(&rig.summary(id), RunStatus::Succeeded, StopReason::Final);
        // The model was asked once before the crash and once behind the tool, the tool done twice.
        assert_eq!(rig.column("agent_llm_calls", "status"), ["succeeded", "succeeded"]);
        assert_eq!(rig.tools.calls.lock().len(), 2);
    }
}

#[test]
fn uncertain_effects_wait_for_a_person() {
    let (rig, id) = crash_in_tool(Rig::new(), "once");
    rig.work();
    assert_eq!(rig.summary(id).status, RunStatus::WaitingApproval);
    assert_eq!(rig.tools.calls.lock().len(), 1);
    let decide = |decision: &str, arguments: JsonValue| rig.engine.decide(id.0, decision, &arguments, "boss");
    assert_eq!(decide("aprove", JsonValue::Null).expect_err("misspelt").sqlstate(), "22023");
    assert_eq!(decide("edit", JsonValue::Null).expect_err("no arguments").sqlstate(), "22023");
    decide("approve", JsonValue::Null).expect("pending");
    rig.work();
    rig.check(&rig.summary(id), RunStatus::Succeeded, StopReason::Final);
    assert_eq!(rig.tools.calls.lock().len(), 2);
    assert_eq!(rig.column("agent_approvals", "decided_by"), ["boss"]);
    assert_eq!(decide("approve", JsonValue::Null).expect_err("nothing pending").sqlstate(), "42704");

    let (rig, id) = crash_in_tool(Rig::new(), "once");
    rig.engine.decide(id.0, "reject", &JsonValue::Null, "boss").expect("pending");
    rig.work();
    rig.check(&rig.summary(id), RunStatus::Failed, StopReason::Rejected);
}

#[test]
fn an_interrupted_model_call_is_booked_at_its_reservation() {
    let rig = Rig::new();
    rig.agent(json!([{"content": "done", "delay_ms": 5_000, "usage": {"tokens_in": 1, "tokens_out": 1}}]), json!({}));
    let id = rig.start();
    let engine = Arc::clone(&rig.engine);
    let killer = std::thread::spawn(move || {
        while engine.in_flight.lock().is_empty() {
            std::thread::yield_now();
        }
        engine.stop();
    });
    assert_eq!(rig.engine.run_one().expect("model step"), Turn::Worked);
    killer.join().expect("killer ends");
    assert_eq!(rig.column("agent_llm_calls", "status"), ["started"]);
    let rig = rig.restart();
    assert_eq!(rig.column("agent_llm_calls", "status"), ["interrupted"]);
    rig.agent(json!([say("done")]), json!({}));
    rig.work();
    let summary = rig.summary(id);
    rig.check(&summary, RunStatus::Succeeded, StopReason::Final);
    // 100 reserved tokens of output beside the 5 of the second attempt.
    assert_eq!(summary.tokens_out, 105);
    assert_eq!(rig.column("agent_llm_calls", "status"), ["interrupted", "succeeded"]);
}

#[test]
fn cancelling_ends_a_run_and_late_results_change_nothing() {
    let rig = Rig::new();
    rig.agent(json!([call("search_memory", json!({"query": "q"})), say("done")]), json!({}));
    let id = rig.start();
    assert_eq!(rig.engine.run_one().expect("model step"), Turn::Worked);
    let engine = Arc::clone(&rig.engine);
    *rig.tools.meanwhile.lock() = Some(Box::new(move || {
        engine.cancel(id).expect("cancellable");
    }));
    rig.work();
    rig.check(&rig.summary(id), RunStatus::Cancelled, StopReason::Cancelled);
    assert_eq!(rig.column("agent_tasks", "status"), ["done", "cancelled"]);
    rig.check(&rig.engine.cancel(id).expect("again"), RunStatus::Cancelled, StopReason::Cancelled);
    assert_eq!(rig.finished.lock().len(), 1);
    // Resuming redoes the cancelled step.
    rig.engine.resume(id, &JsonValue::Null).expect("resumable");
    rig.work();
    rig.check(&rig.summary(id), RunStatus::Succeeded, StopReason::Final);
    assert_eq!(rig.engine.resume(id, &JsonValue::Null).expect_err("nothing to do").sqlstate(), "22023");
}

#[test]
fn resuming_grants_the_budget_once_more() {
    let rig = Rig::new();
    let replies: Vec<JsonValue> = (0..3).map(|n| call("search_memory", json!({"query": n.to_string()}))).collect();
    let replies: Vec<JsonValue> = replies.into_iter().chain([say("done")]).collect();
    rig.agent(json!(replies), json!({"max_iterations": 2}));
    let summary = rig.run();
    rig.check(&summary, RunStatus::Interrupted, StopReason::MaxSteps);
    rig.engine.resume(summary.run_id, &JsonValue::Null).expect("resumable");
    rig.work();
    rig.check(&rig.summary(summary.run_id), RunStatus::Succeeded, StopReason::Final);
}

#[test]
fn requests_are_checked_before_anything_is_written() {
    let rig = Rig::new();
    rig.agent(json!([say("x")]), json!({}));
    let start = |change: &dyn Fn(&mut StartRun)| {
        let mut request =
            StartRun { agent: "a".into(), input: "q".into(), caller: "ann".into(), ..StartRun::default() };
        change(&mut request);
        rig.engine.start(&request)
    };
    let error = start(&|request| request.agent = "aa".into()).expect_err("unknown");
    assert_eq!((error.sqlstate(), error.0.hint.as_deref()), ("42704", Some("did you mean \"a\"?")));
    assert_eq!(start(&|r| r.budget = json!({"max_token": 1})).expect_err("malformed").sqlstate(), "22023");
    assert_eq!(start(&|r| r.vars = json!(1)).expect_err("malformed").sqlstate(), "22023");
    assert_eq!(start(&|r| r.input = " ".into()).expect_err("empty").sqlstate(), "22023");
    assert!(rig.journal.rows("agent_runs").is_empty() && rig.journal.rows("messages").is_empty());
    let key = |request: &mut StartRun| request.idempotency_key = Some("k".into());
    let first = start(&key).expect("starts");
    assert_eq!(start(&key).expect("the same run"), first);
    let other = start(&|r| (r.idempotency_key, r.input) = (Some("k".into()), "other".into()));
    assert_eq!(other.expect_err("another input").sqlstate(), "22023");
}

#[test]
fn a_prompt_that_cannot_be_rendered_fails_the_run() {
    let rig = Rig::new();
    rig.agent(
        json!([say("x")]),
        json!({"prompt": "{% for i in range(99999) %}{% for j in range(99999) %}{% endfor %}{% endfor %}"}),
    );
    let summary = rig.run();
    rig.check(&summary, RunStatus::Failed, StopReason::Error);
    assert!(summary.error.as_deref().is_some_and(|error| error.contains("cannot be rendered")), "{summary:?}");
}

#[test]
fn many_workers_join_each_round_once() {
    let rig = Rig::new();
    let round = |n: usize| {
        let calls: Vec<JsonValue> =
            (0..6).map(|c| json!({"name": "search_memory", "arguments": {"query": format!("{n}/{c}")}})).collect();
        json!({"tool_calls": calls})
    };
    rig.agent(json!([round(0), round(1), say("done")]), json!({}));
    let real = Arc::new(AtomicUsize::new(0));
    let ids: Vec<RunId> = (0..4).map(|_| rig.start()).collect();
    std::thread::scope(|scope| {
        for _ in 0..4 {
            let real = Arc::clone(&real);
            let rig = &rig;
            scope.spawn(move || {
                while real.load(Ordering::SeqCst) < 20_000 {
                    let worked = rig.engine.run_one().expect("worker goes on") == Turn::Worked;
                    if !worked && ids_ended(rig) {
                        return;
                    }
                    real.fetch_add(1, Ordering::SeqCst);
                    std::thread::yield_now();
                }
            });
        }
    });
    for id in ids {
        let summary = rig.summary(id);
        rig.check(&summary, RunStatus::Succeeded, StopReason::Final);
        assert_eq!((summary.steps, summary.tool_calls), (15, 12), "{summary:?}");
    }
}

fn ids_ended(rig: &Rig) -> bool {
    rig.journal.rows("agent_runs").iter().all(|row| row.get("finished_at") != &Value::Null)
}
