//! Beginning a run.

use serde_json::{Value as JsonValue, json};
use sinew::{Result, Value};
use uuid::Uuid;

use super::run::{NewMessage, Run, RunStatus, StepKind, Used, append_message, message_ref};
use super::{RunId, Unit};
use crate::objects::{find_agent, invalid_value};
use crate::rows::{Record, Select};

/// Longest input, in bytes.
const INPUT_LIMIT_BYTES: usize = 1 << 20;

/// What a caller asks for.
#[derive(Clone, Debug, Default)]
pub struct StartRun {
    /// Name or id.
    pub agent: String,
    pub input: String,
    /// None: a conversation of its own, called as the run's id.
    pub conversation_id: Option<String>,
    pub user_id: Option<String>,
    /// The database user whose rights the run has.
    pub caller: String,
    /// An object, or null.
    pub vars: JsonValue,
    /// Limits that narrow the agent's, or null.
    pub budget: JsonValue,
    /// A second run of the same caller, agent and key is the first one.
    pub idempotency_key: Option<String>,
    pub priority: i64,
}

/// Writes the run with its input message and first task. Errors: 42704 unknown agent, 22023 malformed budget or vars.
pub fn start_run(unit: &Unit<'_>, request: &StartRun) -> Result<RunId> {
    let agent = find_agent(unit.rows, &request.caller, &request.agent)?;
    let limits = agent.limits.narrowed_by(&request.budget)?;
    if !request.vars.is_null() && !request.vars.is_object() {
        return Err(invalid_value(format!("vars must be a JSON object, found {}", request.vars)));
    }
    if request.input.trim().is_empty() {
        return Err(invalid_value("the input of an agent must not be empty"));
    }
    if request.input.len() > INPUT_LIMIT_BYTES {
        let message = format!("the input has {} bytes, at most {INPUT_LIMIT_BYTES} are possible", request.input.len());
        return Err(invalid_value(message));
    }
    let agent_id = Value::Uuid(*agent.id.as_bytes());
    if let Some(key) = &request.idempotency_key {
        let select = Select::from("agent_runs")
            .equal("agent_id", agent_id.clone())
            .equal("caller", request.caller.as_str())
            .equal("idempotency_key", key.as_str());
        if let Some(record) = unit.rows.select(select)?.first() {
            let run = Run::from_record(record)?;
            if run.input != request.input {
                return Err(invalid_value(format!("idempotency key \"{key}\" was used with another input")));
            }
            return Ok(run.id);
        }
    }
    let id = RunId(Uuid::now_v7());
    let conversation_id = request.conversation_id.clone().unwrap_or_else(|| id.to_string());
    let message = NewMessage { role: "user", content: &request.input, name: None };
    let input_seq = append_message(unit, &conversation_id, request.user_id.as_deref(), id, message)?;
    let vars = if request.vars.is_null() { json!({}) } else { request.vars.clone() };
    unit.rows.insert(
        "agent_runs",
        Record::new()
            .with("run_id", id)
            .with("root_run_id", id)
            .with("agent", agent.name.as_str())
            .with("agent_version", agent.version)
            .with("agent_id", agent_id)
            .with("conversation_id", conversation_id.as_str())
            .with("user_id", request.user_id.clone())
            .with("caller", request.caller.as_str())
            .with("status", RunStatus::Queued.name())
            .with("input", request.input.as_str())
            .with_json("budget", &limits.to_json())
            .with_json("used", &Used::default().to_json())
            .with("priority", request.priority)
            .with("created_at", Value::Timestamp(unit.now_us))
            .with_json("vars", &vars)
            .with("idempotency_key", request.idempotency_key.clone())
            .with("input_seq", input_seq)
            .with("next_step", 1i64)
            .with("next_event", 1i64),
    )?;
    let mut run = Run::find(unit.rows, id)?;
    run.schedule(unit, StepKind::Model, &agent.model, Some(message_ref(&conversation_id, input_seq)))?;
    run.event(unit, None, "queued", format!("{} was asked", agent.name), JsonValue::Null)?;
    run.save(unit)?;
    Ok(id)
}
