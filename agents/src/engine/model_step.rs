//! Model calls: claimed with a reservation, settled with what they used.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value as JsonValue, json};
use sinew::{Result, Value};

use super::prompt::{build_request, count_request, memory_of};
use super::run::{Run, RunStatus, StepKind, StopReason, step_key};
use super::worker::{Claim, backoff};
use super::{Engine, RunId, Unit, micros};
use crate::json::{canonical_text, hash_text};
use crate::models::{ChatModel, ChatRequest, ChatResponse, ModelError, TokenUsage, ToolCall};
use crate::objects::{AgentDef, ModelDef, find_model, find_secret};
use crate::rows::{Record, Select};
use crate::tools::Recalled;

/// Tool calls taken from one reply.
const CALLS_PER_REPLY: usize = 16;

/// The same call of the same tool, counted over a run, is a loop when it comes this often.
const LOOP_CALLS: usize = 3;

/// Time beyond a call's own limit before another process may take its lease.
pub const LEASE_MARGIN_US: i64 = 30_000_000;

/// A claimed model call.
pub struct ModelWork {
    pub run_id: RunId,
    pub step: i32,
    pub attempt: i64,
    pub model: ModelDef,
    pub opened: Result<Arc<dyn ChatModel>, ModelError>,
    pub request: ChatRequest,
    pub timeout: Duration,
    pub reserved: TokenUsage,
}

/// Claims a model step: limits first, then the intent with what it may cost at most.
pub fn claim_model(
    engine: &Engine,
    unit: &mut Unit<'_>,
    run: &mut Run,
    agent: &AgentDef,
    task: &Claim,
    recalled: Option<&[Recalled]>,
) -> Result<Option<ModelWork>> {
    if run.used.iterations >= run.limits.max_iterations {
        run.stop_at(unit, StopReason::MaxSteps, None)?;
        return Ok(None);
    }
    let model = find_model(unit.rows, &agent.model)?;
    let secret = model.secret.as_deref().map(|name| find_secret(unit.rows, name)).transpose()?;
    if let Some(recalled) = recalled {
        run.recalled = recalled.iter().map(|m| json!({"conversation_id": m.conversation_id, "seq": m.seq})).collect();
    }
    let memory = memory_of(unit, agent)?;
    let mut request = build_request(unit, run, agent, &memory, model.max_output_tokens)?;
    let tokens_in = count_request(unit, &request);
    let left = run.limits.max_tokens - run.used.tokens() - tokens_in as i64;
    if left < 1 {
        run.stop_at(unit, StopReason::BudgetTokens, None)?;
        return Ok(None);
    }
    request.max_output_tokens = request.max_output_tokens.min(left as u64);
    if let Some(max_usd) = run.limits.max_usd_nanos {
        let left = max_usd - run.used.usd_nanos - model.cost_nanos(tokens_in, 0);
        if left < model.cost_nanos(0, 1) {
            run.stop_at(unit, StopReason::BudgetUsd, None)?;
            return Ok(None);
        }
        if model.price_out > 0 {
            let affordable = i128::from(left) * 1_000_000 / i128::from(model.price_out);
            request.max_output_tokens = request.max_output_tokens.min(u64::try_from(affordable).unwrap_or(u64::MAX));
        }
    }
    let reserved = TokenUsage { tokens_in, tokens_out: request.max_output_tokens };
    let timeout = model
        .timeout
        .min(Duration::from_micros(run.deadline_us.map_or(i64::MAX, |deadline| deadline - unit.now_us).max(1) as u64));
    unit.rows.insert(
        "agent_llm_calls",
        Record::new()
            .with("run_id", run.id)
            .with("step", i64::from(task.step))
            .with("attempt", task.attempt)
            .with("model", model.name.as_str())
            .with("provider", model.provider.name())
            .with("status", "started")
            .with("request_hash", request.hash(&model))
            .with("reserved_in", reserved.tokens_in as i64)
            .with("reserved_out", reserved.tokens_out as i64)
            .with("reserved_usd", usd(model.cost_nanos(reserved.tokens_in, reserved.tokens_out)))
            .with("estimated", false)
            .with("snapshot_lsn", unit.rows.snapshot_lsn())
            .with("started_at", Value::Timestamp(unit.now_us)),
    )?;
    task.lease(unit, run.id, engine.epoch, unit.now_us + micros(timeout) + LEASE_MARGIN_US)?;
    let text = format!("asking {}", model.name);
    run.event(unit, Some(task.step), "model_call", text, json!({"attempt": task.attempt, "tokens_in": tokens_in}))?;
    let opened = (engine.parts.open_model)(&model, secret.as_ref());
    Ok(Some(ModelWork {
        run_id: run.id,
        step: task.step,
        attempt: task.attempt,
        model,
        opened,
        request,
        timeout,
        reserved,
    }))
}

/// Books the outcome of a model call and plans what follows.
pub fn settle_model(
    engine: &Engine,
    unit: &mut Unit<'_>,
    work: &ModelWork,
    outcome: &Result<ChatResponse, ModelError>,
) -> Result<()> {
    let Some(mut run) = Run::load(unit.rows, work.run_id)? else { return Ok(()) };
    if run.status.is_ended() {
        // The run was cancelled meanwhile: what the call cost still counts.
        book_call(unit, &mut run, work, outcome, "cancelled")?;
        return run.save(unit);
    }
    if !Claim::holds_lease(unit, work.run_id, work.step, work.attempt, engine.epoch)? {
        return Ok(());
    }
    match outcome {
        Ok(response) => {
            book_call(unit, &mut run, work, outcome, "succeeded")?;
            run.used.iterations += 1;
            let output_ref = format!("agent_llm_calls {}/{}", work.step, work.attempt);
            close_step(unit, run.id, work.step, "succeeded", Some(output_ref), None)?;
            plan_after_reply(unit, &mut run, work, response)?;
        }
        Err(error) => {
            book_call(unit, &mut run, work, outcome, "failed")?;
            retry_or_fail(unit, &mut run, work, error)?;
        }
    }
    run.save(unit)
}

/// The reply's tool calls become steps; without any, it is the answer.
fn plan_after_reply(unit: &mut Unit<'_>, run: &mut Run, work: &ModelWork, response: &ChatResponse) -> Result<()> {
    if response.tool_calls.is_empty() {
        run.finish(unit, RunStatus::Succeeded, StopReason::Final, Some(response.content.clone()), None)?;
        let seq = run.output_seq.unwrap_or_default();
        let output_ref = super::run::message_ref(&run.conversation_id, seq);
        let changes = Record::new().with("output_ref", output_ref);
        unit.rows.update("agent_steps", &step_key(run.id, work.step), changes)?;
        return Ok(());
    }
    let names: Vec<&str> = response.tool_calls.iter().map(|call| call.name.as_str()).collect();
    run.event(unit, Some(work.step), "model_reply", format!("calls {}", names.join(", ")), response.to_json())?;
    let earlier = unit.rows.select(Select::from("agent_tool_calls").equal("run_id", run.id))?;
    let mut hashes: Vec<String> = earlier.iter().filter_map(|call| call.opt_text("call_hash")).collect();
    for call in &response.tool_calls {
        let hash = call_hash(call);
        hashes.push(hash.clone());
        if hashes.iter().filter(|known| **known == hash).count() >= LOOP_CALLS {
            return run.stop_at(unit, StopReason::LoopDetected, None);
        }
    }
    for (position, call) in response.tool_calls.iter().enumerate() {
        let input_ref = format!("agent_llm_calls {}/{}", work.step, work.attempt);
        let step = run.schedule(unit, StepKind::Tool, &call.name, Some(input_ref))?;
        // What is above the limit is refused when its turn comes, as every call must have an answer.
        let excess = position >= CALLS_PER_REPLY;
        unit.rows.insert(
            "agent_tool_calls",
            Record::new()
                .with("run_id", run.id)
                .with("step", i64::from(step))
                .with("attempt", 1i64)
                .with("model_step", i64::from(work.step))
                .with("call_id", call.id.as_str())
                .with("tool", call.name.as_str())
                .with_json("arguments", &call.arguments)
                .with("call_hash", call_hash(call))
                .with("status", if excess { "excess" } else { "requested" })
                .with("truncated", false),
        )?;
    }
    Ok(())
}

fn call_hash(call: &ToolCall) -> String {
    hash_text(&canonical_text(&json!([call.name, call.arguments])))
}

/// Another attempt after a pause, while attempts and time are left; else the run fails.
fn retry_or_fail(unit: &mut Unit<'_>, run: &mut Run, work: &ModelWork, error: &ModelError) -> Result<()> {
    let message = format!("model \"{}\": {}", work.model.name, error.message);
    let pause = backoff(Duration::from_millis(500), work.attempt, run.id, work.step);
    let pause = pause.max(error.retry_after.unwrap_or_default().min(Duration::from_secs(120)));
    let due = unit.now_us + micros(pause);
    let attempts_left = work.attempt <= i64::from(work.model.max_retries);
    let in_time = run.deadline_us.is_none_or(|deadline| due < deadline);
    if error.retryable && attempts_left && in_time {
        let changes = Record::new().with("status", "queued").with("error", message.as_str());
        unit.rows.update("agent_steps", &step_key(run.id, work.step), changes)?;
        Claim::release(unit, run.id, work.step, work.attempt + 1, due)?;
        let data = json!({"attempt": work.attempt, "pause_ms": pause.as_millis() as u64});
        return run.event(unit, Some(work.step), "retry", message, data);
    }
    close_step(unit, run.id, work.step, "failed", None, Some(&message))?;
    if error.retryable && attempts_left {
        return run.stop_at(unit, StopReason::Deadline, Some(message));
    }
    let message = if error.retryable { format!("{message} (after {} attempts)", work.attempt) } else { message };
    run.stop_at(unit, StopReason::Error, Some(message))
}

/// Writes the call's outcome and adds its use to the run's.
fn book_call(
    unit: &Unit<'_>,
    run: &mut Run,
    work: &ModelWork,
    outcome: &Result<ChatResponse, ModelError>,
    status: &str,
) -> Result<()> {
    let key = [("run_id", run.id.into()), ("step", i64::from(work.step).into()), ("attempt", work.attempt.into())];
    let mut changes = Record::new().with("status", status).with("finished_at", Value::Timestamp(unit.now_us));
    let (usage, estimated) = match outcome {
        Ok(response) => {
            changes = changes.with_json("response", &response.to_json());
            let counted =
                || TokenUsage { tokens_in: work.reserved.tokens_in, tokens_out: count_response(unit, response) };
            (response.usage.unwrap_or_else(counted), response.usage.is_none())
        }
        // Given up in mid-call: nobody knows what it cost.
        Err(error) if error.cancelled => (work.reserved, true),
        Err(error) => {
            changes = changes.with("error", error.message.as_str());
            (TokenUsage::default(), false)
        }
    };
    book_usage(run, &work.model, usage, estimated && work.model.price_in + work.model.price_out > 0);
    let cost = work.model.cost_nanos(usage.tokens_in, usage.tokens_out);
    changes = changes
        .with("tokens_in", usage.tokens_in as i64)
        .with("tokens_out", usage.tokens_out as i64)
        .with("usd", usd(cost))
        .with("estimated", estimated);
    unit.rows.update("agent_llm_calls", &key, changes)?;
    Ok(())
}

fn book_usage(run: &mut Run, model: &ModelDef, usage: TokenUsage, estimated: bool) {
    run.used.tokens_in += usage.tokens_in as i64;
    run.used.tokens_out += usage.tokens_out as i64;
    run.used.usd_nanos += model.cost_nanos(usage.tokens_in, usage.tokens_out);
    run.used.estimated_calls += i64::from(estimated);
}

/// Books a call that a dead process left behind at its reservation.
pub fn book_interrupted(unit: &Unit<'_>, run: &mut Run, step: i32) -> Result<()> {
    let select = Select::from("agent_llm_calls").equal("run_id", run.id).equal("step", i64::from(step));
    for call in unit.rows.select(select)? {
        if call.get("status").as_str() != Some("started") {
            continue;
        }
        let (tokens_in, tokens_out) = (call.int("reserved_in")?, call.int("reserved_out")?);
        run.used.tokens_in += tokens_in;
        run.used.tokens_out += tokens_out;
        run.used.usd_nanos += nanos(call.get("reserved_usd"));
        run.used.estimated_calls += 1;
        let key =
            [("run_id", run.id.into()), ("step", i64::from(step).into()), ("attempt", call.get("attempt").clone())];
        let changes = Record::new()
            .with("status", "interrupted")
            .with("tokens_in", tokens_in)
            .with("tokens_out", tokens_out)
            .with("usd", call.get("reserved_usd").clone())
            .with("estimated", true)
            .with("finished_at", Value::Timestamp(unit.now_us));
        unit.rows.update("agent_llm_calls", &key, changes)?;
    }
    Ok(())
}

fn count_response(unit: &Unit<'_>, response: &ChatResponse) -> u64 {
    let count = |text: &str| u64::from((unit.count_tokens)(text));
    let calls = response.tool_calls.iter().map(|call| count(&call.name) + count(&call.arguments.to_string()));
    count(&response.content) + calls.sum::<u64>()
}

/// Ends a step and its task.
pub fn close_step(
    unit: &Unit<'_>,
    run_id: RunId,
    step: i32,
    status: &str,
    output_ref: Option<String>,
    error: Option<&str>,
) -> Result<()> {
    let changes = Record::new()
        .with("status", status)
        .with("finished_at", Value::Timestamp(unit.now_us))
        .with("output_ref", output_ref)
        .with("error", error);
    unit.rows.update("agent_steps", &step_key(run_id, step), changes)?;
    let changes = Record::new().with("status", "done").with("lease_expires_at", Value::Null);
    unit.rows.update("agent_tasks", &step_key(run_id, step), changes)?;
    Ok(())
}

/// Dollars as the numeric column keeps them.
pub fn usd(nanos: i64) -> Value {
    let decimal = bigdecimal::BigDecimal::new(nanos.into(), 9).normalized();
    // A normalized whole number has a negative scale and would print with an exponent.
    let decimal = if decimal.fractional_digit_count() < 0 { decimal.with_scale(0) } else { decimal };
    Value::Numeric(Arc::new(sinew::Numeric::Finite(decimal)))
}

fn nanos(value: &Value) -> i64 {
    match value {
        Value::Numeric(numeric) => match &**numeric {
            sinew::Numeric::Finite(decimal) => {
                crate::objects::nanos_from_usd(decimal.to_string().parse::<f64>().unwrap_or(0.0))
            }
            _ => 0,
        },
        _ => 0,
    }
}

/// For the step's `input_ref` of a model call behind tools.
pub fn tool_steps_ref(steps: &[i32]) -> Option<String> {
    let (first, last) = (steps.first()?, steps.last()?);
    Some(if first == last { format!("step {first}") } else { format!("steps {first}-{last}") })
}

/// The event of a finished tool: a line for people.
pub fn excerpt(value: &JsonValue) -> String {
    let text = value.to_string();
    if text.chars().count() <= 200 { text } else { text.chars().take(200).chain("…".chars()).collect() }
}
