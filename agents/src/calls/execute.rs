//! `execute_agent`, `resume_agent_run`, `enqueue_agent`.

use std::sync::Arc;
use std::time::Duration;

use sinew::query::context::ExecContext;
use sinew::query::functions::TableFunction;
use sinew::{DataType, QueryError, Result, Value, sqlstate};

use super::EngineHandle;
use super::shape::{Args, Columns, Function, columns, optional, required, rows};
use crate::engine::{Engine, RunId, RunStatus, RunSummary, StartRun, StopReason, Unit, start_run};
use crate::objects::invalid_value;
use crate::rows::TransactionRows;

/// How often a waiting call looks at its cancel token, whatever happens to the run.
pub const CANCEL_POLL: Duration = Duration::from_millis(50);

/// The row that a run is shown as.
pub fn run_columns() -> Columns {
    columns(&[
        ("run_id", DataType::Uuid),
        ("status", DataType::Text),
        ("output", DataType::Text),
        ("stop_reason", DataType::Text),
        ("steps", DataType::Int4),
        ("tool_calls", DataType::Int4),
        ("tokens_in", DataType::Int8),
        ("tokens_out", DataType::Int8),
        ("usd", DataType::Numeric(None)),
        ("cache_hits", DataType::Int4),
        ("duration_ms", DataType::Int8),
        ("error", DataType::Text),
    ])
}

pub fn run_row(summary: &RunSummary) -> Vec<Value> {
    vec![
        summary.run_id.into(),
        summary.status.name().into(),
        summary.output.clone().into(),
        summary.stop_reason.map(StopReason::name).into(),
        summary.steps.into(),
        summary.tool_calls.into(),
        summary.tokens_in.into(),
        summary.tokens_out.into(),
        crate::engine::usd(summary.usd_nanos),
        summary.cache_hits.into(),
        summary.duration_ms.into(),
        summary.error.clone().into(),
    ]
}

pub fn functions(handle: &EngineHandle) -> Vec<Arc<dyn TableFunction>> {
    vec![execute_agent(handle.clone()), resume_agent_run(handle.clone()), enqueue_agent(handle.clone())]
}

fn execute_agent(handle: EngineHandle) -> Arc<dyn TableFunction> {
    let shape = run_columns();
    let mode = sinew::query::functions::Param { name: "mode", ty: DataType::Text, default: Some("wait".into()) };
    Function {
        name: "execute_agent",
        description: "Runs an agent and gives its answer.",
        params: vec![
            required("agent", DataType::Text),
            required("input", DataType::Text),
            optional("conversation_id", DataType::Text),
            optional("user_id", DataType::Text),
            optional("vars", DataType::Jsonb),
            optional("budget", DataType::Jsonb),
            optional("idempotency_key", DataType::Text),
            mode,
        ],
        columns: shape.clone(),
        writes: true,
        outside_transaction: true,
        body: Box::new(move |context, args| {
            let engine = handle.engine()?;
            let waits = match args.opt_text("mode").as_deref() {
                None | Some("wait") => true,
                Some("async") => false,
                Some(other) => return Err(invalid_value(format!("mode \"{other}\" is none of wait, async"))),
            };
            let request = StartRun {
                conversation_id: args.opt_text("conversation_id"),
                vars: args.json("vars"),
                budget: args.json("budget"),
                idempotency_key: args.opt_text("idempotency_key"),
                ..start_request(context, args)?
            };
            let mut summary = engine.start_with_summary(&request)?;
            if waits {
                summary = wait_for_run(&engine, context, summary.run_id)?;
            }
            Ok(rows(&shape, vec![run_row(&summary)]))
        }),
    }
    .shared()
}

/// What every way of starting an agent has: who, and what.
pub fn start_request(context: &ExecContext, args: &Args<'_>) -> Result<StartRun> {
    let caller = context.session.user.clone();
    Ok(StartRun {
        agent: args.text("agent")?,
        input: args.text("input")?,
        user_id: Some(args.opt_text("user_id").unwrap_or_else(|| caller.clone())),
        caller,
        priority: args.int("priority").unwrap_or(0),
        ..StartRun::default()
    })
}

fn resume_agent_run(handle: EngineHandle) -> Arc<dyn TableFunction> {
    let shape = run_columns();
    Function {
        name: "resume_agent_run",
        description: "Goes on with a run that was interrupted.",
        params: vec![required("id", DataType::Uuid), optional("budget", DataType::Jsonb)],
        columns: shape.clone(),
        writes: true,
        outside_transaction: true,
        body: Box::new(move |context, args| {
            let engine = handle.engine()?;
            let run_id = RunId(args.uuid("id")?);
            engine.resume(run_id, &args.json("budget"))?;
            let summary = wait_for_run(&engine, context, run_id)?;
            Ok(rows(&shape, vec![run_row(&summary)]))
        }),
    }
    .shared()
}

/// Part of the caller's transaction: the run begins when that commits.
fn enqueue_agent(handle: EngineHandle) -> Arc<dyn TableFunction> {
    let shape = columns(&[("run_id", DataType::Uuid)]);
    let priority =
        sinew::query::functions::Param { name: "priority", ty: DataType::Int4, default: Some(Value::Int(0)) };
    Function {
        name: "enqueue_agent",
        description: "Queues a run of an agent as a part of the transaction.",
        params: vec![
            required("agent", DataType::Text),
            required("input", DataType::Text),
            priority,
            optional("conversation_id", DataType::Text),
            optional("user_id", DataType::Text),
            optional("vars", DataType::Jsonb),
            optional("budget", DataType::Jsonb),
            optional("idempotency_key", DataType::Text),
        ],
        columns: shape.clone(),
        writes: true,
        outside_transaction: false,
        body: Box::new(move |context, args| {
            handle.engine()?;
            let request = StartRun {
                conversation_id: args.opt_text("conversation_id"),
                vars: args.json("vars"),
                budget: args.json("budget"),
                idempotency_key: args.opt_text("idempotency_key"),
                ..start_request(context, args)?
            };
            let count_tokens = |text: &str| (context.session.count_tokens)(text);
            let rows_in = TransactionRows::new(&context.transaction);
            let unit = Unit::new(&rows_in, context.statement_time_us, &count_tokens);
            let run_id = start_run(&unit, &request)?;
            Ok(rows(&shape, vec![vec![run_id.into()]]))
        }),
    }
    .shared()
}

/// Waits until the run has ended or needs a person. Cancelling the statement cancels the run. With
/// `SET sinew.progress = notice`, each event is a notice.
pub fn wait_for_run(engine: &Engine, context: &ExecContext, run_id: RunId) -> Result<RunSummary> {
    let shows_progress =
        context.session.setting("sinew.progress").is_some_and(|value| value.eq_ignore_ascii_case("notice"));
    let mut after_seq = 0;
    let mut looked_at = None;
    loop {
        cancel_with_statement(engine, context, run_id)?;
        let seen = engine.change_count();
        if looked_at != Some(seen) {
            looked_at = Some(seen);
            let view = engine.view(run_id, after_seq)?;
            for event in &view.events {
                after_seq = event.seq;
                if shows_progress && event.kind != "finished" {
                    let step = event.step.map(|step| format!("step {step}: ")).unwrap_or_default();
                    context.session.notice(format!("{step}{}", event.text));
                }
            }
            if view.summary.status.is_ended() || view.summary.status == RunStatus::WaitingApproval {
                return Ok(view.summary);
            }
        }
        engine.check_running()?;
        engine.wait_for_change(seen, CANCEL_POLL);
    }
}

/// 57014 when the statement was cancelled; its run is cancelled with it.
pub fn cancel_with_statement(engine: &Engine, context: &ExecContext, run_id: RunId) -> Result<()> {
    if let Err(error) = context.cancel.check() {
        engine.cancel(run_id)?;
        let error = QueryError::from(error);
        debug_assert_eq!(error.sqlstate(), sqlstate::QUERY_CANCELED);
        return Err(error.detail(format!("agent run {run_id} was cancelled")));
    }
    Ok(())
}
