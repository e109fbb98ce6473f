//! Tool calls: checked, cached, carried out, and joined before the next model call.

use std::time::{Duration, Instant};

use serde_json::{Value as JsonValue, json};
use sinew::{Result, Value};

use super::model_step::{LEASE_MARGIN_US, close_step, excerpt, tool_steps_ref};
use super::prompt::tool_names;
use super::run::{Run, StepKind, StopReason, step_key};
use super::worker::{Claim, backoff};
use super::{Engine, RunId, Unit, micros};
use crate::json::{canonical_text, hash_text};
use crate::objects::{AgentDef, ToolDef, find_tool};
use crate::rows::{Record, Select};
use crate::tools::{ToolError, ToolInvocation, ToolResult, check_arguments};
use sinew::query::near_miss::near_miss;

/// Attempts of a tool that meets conflicts with other sessions.
const CONFLICT_ATTEMPTS: i64 = 4;

/// Calls of unknown tools or with wrong arguments in a row before the run gives up.
const INVALID_CALLS: i64 = 6;

/// A claimed tool call.
pub struct ToolWork {
    pub run_id: RunId,
    pub step: i32,
    pub attempt: i64,
    pub invocation: ToolInvocation,
}

/// Claims a tool step. What needs no outside call (an unknown tool, wrong arguments, a cached result) is settled here.
pub fn claim_tool(
    engine: &Engine,
    unit: &mut Unit<'_>,
    run: &mut Run,
    agent: &AgentDef,
    task: &Claim,
) -> Result<Option<ToolWork>> {
    let key = step_key(run.id, task.step);
    let Some(call) = unit.rows.get("agent_tool_calls", &key)? else {
        return Err(sinew::QueryError::internal(format!("step {} of run {} has no tool call", task.step, run.id)));
    };
    let arguments = call.json("arguments");
    let name = call.text("tool")?;
    let checked = if call.get("status").as_str() == Some("excess") {
        Err("too many tool calls in one reply: call fewer at a time".to_owned())
    } else {
        resolve(unit, agent, &name)?
            .and_then(|tool| check_arguments(&tool, &arguments).map(|arguments| (tool, arguments)))
    };
    let (tool, arguments) = match checked {
        Ok(checked) => checked,
        Err(message) => {
            run.used.invalid_calls += 1;
            refuse(unit, run, task.step, &name, &message)?;
            if run.used.invalid_calls >= INVALID_CALLS {
                let error = format!("the model called tools wrongly {INVALID_CALLS} times in a row, last: {message}");
                run.stop_at(unit, StopReason::Error, Some(error))?;
                return Ok(None);
            }
            join_round(unit, run, task.step)?;
            return Ok(None);
        }
    };
    run.used.invalid_calls = 0;
    let cache_key = tool.cache_ttl.map(|_| {
        hash_text(&canonical_text(&json!([run.caller, tool.name, tool.version, JsonValue::Object(arguments.clone())])))
    });
    if let (Some(key), Some(ttl)) = (&cache_key, tool.cache_ttl)
        && let Some(result) = cached(unit, key, unit.now_us - micros(ttl))?
    {
        run.used.cache_hits += 1;
        run.used.tool_calls += 1;
        unit.rows.update("agent_steps", &step_key(run.id, task.step), Record::new().with("cached", true))?;
        record_result(unit, run, task.step, &tool, &result)?;
        join_round(unit, run, task.step)?;
        return Ok(None);
    }
    let changes = Record::new()
        .with("status", "started")
        .with("attempt", task.attempt)
        .with("tool_version", tool.version)
        .with("effect", tool.effect.name())
        .with("cache_key", cache_key)
        .with("started_at", Value::Timestamp(unit.now_us));
    unit.rows.update("agent_tool_calls", &key, changes)?;
    let left_us = run.deadline_us.map_or(i64::MAX / 4, |deadline| deadline - unit.now_us).max(1);
    let timeout = tool.timeout.min(Duration::from_micros(left_us as u64));
    task.lease(unit, run.id, engine.epoch, unit.now_us + micros(timeout) + LEASE_MARGIN_US)?;
    run.event(
        unit,
        Some(task.step),
        "tool_call",
        format!("{name} {}", excerpt(&arguments.clone().into())),
        JsonValue::Null,
    )?;
    let invocation = ToolInvocation {
        tool,
        arguments,
        user: run.caller.clone(),
        run_id: run.id,
        deadline: Instant::now() + timeout,
    };
    Ok(Some(ToolWork { run_id: run.id, step: task.step, attempt: task.attempt, invocation }))
}

/// The tool a model called, if the agent has it; else the error for the model.
fn resolve(unit: &Unit<'_>, agent: &AgentDef, name: &str) -> Result<Result<ToolDef, String>> {
    if agent.tools.iter().any(|tool| tool == name) {
        return match find_tool(unit.rows, name) {
            Ok(tool) => Ok(Ok(tool)),
            Err(error) if error.sqlstate() == sinew::sqlstate::UNDEFINED_OBJECT => {
                Ok(Err(format!("tool \"{name}\" was dropped")))
            }
            Err(error) => Err(error),
        };
    }
    let near = near_miss(name, agent.tools.iter().map(String::as_str));
    let near = near.map(|near| format!("; did you mean \"{near}\"?")).unwrap_or_default();
    Ok(Err(format!("there is no tool \"{name}\"; tools: {}{near}", tool_names(agent))))
}

fn cached(unit: &Unit<'_>, key: &str, not_before_us: i64) -> Result<Option<ToolResult>> {
    let mut newest: Option<Record> = None;
    for call in unit.rows.select(Select::from("agent_tool_calls").equal("cache_key", key))? {
        let fresh = call.opt_timestamp("finished_at").is_some_and(|at| at >= not_before_us);
        let newer = newest.as_ref().is_none_or(|n| n.opt_timestamp("finished_at") < call.opt_timestamp("finished_at"));
        if fresh && newer && call.get("status").as_str() == Some("succeeded") {
            newest = Some(call);
        }
    }
    Ok(newest.map(|call| ToolResult {
        content: call.json("result"),
        truncated: call.bool("truncated"),
        snapshot_lsn: call.opt_int("snapshot_lsn"),
    }))
}

/// Books the outcome of a tool call.
pub fn settle_tool(
    engine: &Engine,
    unit: &mut Unit<'_>,
    work: &ToolWork,
    outcome: &Result<ToolResult, ToolError>,
) -> Result<()> {
    let Some(mut run) = Run::load(unit.rows, work.run_id)? else { return Ok(()) };
    if run.status.is_ended() {
        let status = if outcome.is_ok() { "succeeded" } else { "cancelled" };
        let mut changes = Record::new().with("status", status).with("finished_at", Value::Timestamp(unit.now_us));
        if let Ok(result) = outcome {
            changes = changes.with_json("result", &result.content);
        }
        unit.rows.update("agent_tool_calls", &step_key(run.id, work.step), changes)?;
        return run.save(unit);
    }
    if !Claim::holds_lease(unit, work.run_id, work.step, work.attempt, engine.epoch)? {
        return Ok(());
    }
    match outcome {
        Ok(result) => {
            run.used.tool_calls += 1;
            record_result(unit, &mut run, work.step, &work.invocation.tool, result)?;
            join_round(unit, &mut run, work.step)?;
        }
        Err(error) if error.retryable && work.attempt < CONFLICT_ATTEMPTS => {
            let pause = backoff(Duration::from_millis(50), work.attempt, run.id, work.step);
            unit.rows.update("agent_steps", &step_key(run.id, work.step), Record::new().with("status", "queued"))?;
            Claim::release(unit, run.id, work.step, work.attempt + 1, unit.now_us + micros(pause))?;
            run.event(unit, Some(work.step), "retry", error.message.as_str(), JsonValue::Null)?;
        }
        Err(error) => {
            run.used.tool_calls += 1;
            refuse(unit, &mut run, work.step, &work.invocation.tool.name, &error.message)?;
            join_round(unit, &mut run, work.step)?;
        }
    }
    run.save(unit)
}

fn record_result(unit: &Unit<'_>, run: &mut Run, step: i32, tool: &ToolDef, result: &ToolResult) -> Result<()> {
    let changes = Record::new()
        .with("status", "succeeded")
        .with_json("result", &result.content)
        .with("truncated", result.truncated)
        .with("tool_version", tool.version)
        .with("effect", tool.effect.name())
        .with("snapshot_lsn", result.snapshot_lsn)
        .with("error", Value::Null)
        .with("finished_at", Value::Timestamp(unit.now_us));
    unit.rows.update("agent_tool_calls", &step_key(run.id, step), changes)?;
    if result.snapshot_lsn.is_some() {
        let changes = Record::new().with("snapshot_lsn", result.snapshot_lsn);
        unit.rows.update("agent_steps", &step_key(run.id, step), changes)?;
    }
    close_step(unit, run.id, step, "succeeded", Some(format!("agent_tool_calls {step}")), None)?;
    run.event(unit, Some(step), "tool_result", format!("{}: {}", tool.name, excerpt(&result.content)), JsonValue::Null)
}

/// A call that failed: the model is told why and may do better.
fn refuse(unit: &Unit<'_>, run: &mut Run, step: i32, tool: &str, message: &str) -> Result<()> {
    let changes = Record::new()
        .with("status", "failed")
        .with_json("result", &json!({"error": message}))
        .with("error", message)
        .with("finished_at", Value::Timestamp(unit.now_us));
    unit.rows.update("agent_tool_calls", &step_key(run.id, step), changes)?;
    close_step(unit, run.id, step, "failed", Some(format!("agent_tool_calls {step}")), Some(message))?;
    run.event(unit, Some(step), "tool_error", format!("{tool}: {message}"), JsonValue::Null)
}

/// After a tool step closed: when it was the last of its round, the model is asked again.
pub fn join_round(unit: &Unit<'_>, run: &mut Run, step: i32) -> Result<()> {
    let calls = unit.rows.select(Select::from("agent_tool_calls").equal("run_id", run.id).order_by(&["step"]))?;
    let own = calls.iter().find(|call| call.opt_int("step") == Some(i64::from(step)));
    let Some(model_step) = own.and_then(|call| call.opt_int("model_step")) else { return Ok(()) };
    let mut steps = Vec::new();
    for call in calls.iter().filter(|call| call.opt_int("model_step") == Some(model_step)) {
        if !matches!(call.get("status").as_str(), Some("succeeded" | "failed")) {
            return Ok(());
        }
        steps.push(call.int32("step")?);
    }
    let select = Select::from("agent_steps").equal("run_id", run.id).equal("step", model_step);
    let node = unit.rows.select(select)?.first().and_then(|record| record.opt_text("node")).unwrap_or_default();
    run.schedule(unit, StepKind::Model, &node, tool_steps_ref(&steps))?;
    Ok(())
}
