//! Taking back what a process left unfinished.
//!
//! A task leased under an older epoch belongs to a process that is gone (the directory is open in one process at a
//! time); one of this epoch whose lease ran out and that nobody carries out belongs to a worker that died.

use serde_json::Value as JsonValue;
use sinew::{Result, Value};
use uuid::Uuid;

use super::model_step::book_interrupted;
use super::run::{Run, RunStatus, step_key};
use super::worker::Claim;
use super::{Engine, RunId, Unit};
use crate::objects::ToolEffect;
use crate::rows::{Record, Select};

impl Engine {
    /// Releases abandoned tasks, one commit each.
    pub fn recover(&self) -> Result<()> {
        let leased = self.read(|rows| rows.select(Select::from("agent_tasks").equal("status", "leased")))?;
        for task in leased {
            let (run_id, step) = (RunId(task.uuid("run_id")?), task.int32("step")?);
            if self.in_flight.lock().contains_key(&(run_id, step)) {
                continue;
            }
            self.commit(|unit| {
                let Some(task) = unit.rows.get("agent_tasks", &step_key(run_id, step))? else { return Ok(()) };
                let old_epoch = task.opt_int("lease_epoch") != Some(self.epoch);
                let expired = task.opt_timestamp("lease_expires_at").is_none_or(|at| at < unit.now_us);
                if task.get("status").as_str() != Some("leased") || !(old_epoch || expired) {
                    return Ok(());
                }
                take_back(unit, run_id, step, &task)
            })?;
        }
        Ok(())
    }
}

fn take_back(unit: &Unit<'_>, run_id: RunId, step: i32, task: &Record) -> Result<()> {
    let Some(mut run) = Run::load(unit.rows, run_id)? else { return Ok(()) };
    if run.status.is_ended() {
        unit.rows.update("agent_tasks", &step_key(run_id, step), Record::new().with("status", "cancelled"))?;
        return Ok(());
    }
    let attempt = task.int("attempt")?;
    if task.get("kind").as_str() == Some("model") {
        book_interrupted(unit, &mut run, step)?;
        again(unit, &mut run, step, attempt)?;
    } else if needs_decision(unit, run_id, step)? {
        ask_for_decision(unit, &mut run, step)?;
    } else {
        again(unit, &mut run, step, attempt)?;
    }
    run.save(unit)
}

fn again(unit: &Unit<'_>, run: &mut Run, step: i32, attempt: i64) -> Result<()> {
    unit.rows.update("agent_steps", &step_key(run.id, step), Record::new().with("status", "queued"))?;
    Claim::release(unit, run.id, step, attempt + 1, unit.now_us)?;
    run.event(
        unit,
        Some(step),
        "interrupted",
        "the process that worked on this step is gone; it is done again",
        JsonValue::Null,
    )
}

/// A call that may have had its effect and must not have it twice.
pub fn needs_decision(unit: &Unit<'_>, run_id: RunId, step: i32) -> Result<bool> {
    let call = unit.rows.get("agent_tool_calls", &step_key(run_id, step))?;
    Ok(call.is_some_and(|call| {
        call.get("effect").as_str() == Some(ToolEffect::Once.name()) && call.get("status").as_str() == Some("started")
    }))
}

/// Leaves an uncertain tool call to a person.
pub fn ask_for_decision(unit: &Unit<'_>, run: &mut Run, step: i32) -> Result<()> {
    let key = step_key(run.id, step);
    let Some(call) = unit.rows.get("agent_tool_calls", &key)? else { return Ok(()) };
    let tool = call.text("tool")?;
    let reason = format!("it is uncertain whether tool \"{tool}\" took effect before the process ended");
    let approval_id = Uuid::now_v7();
    unit.rows.insert(
        "agent_approvals",
        Record::new()
            .with("approval_id", Value::Uuid(*approval_id.as_bytes()))
            .with("run_id", run.id)
            .with("step", i64::from(step))
            .with("status", "pending")
            .with("tool", tool)
            .with("arguments", call.get("arguments").clone())
            .with("reason", reason.as_str())
            .with("created_at", Value::Timestamp(unit.now_us)),
    )?;
    unit.rows.update("agent_tasks", &key, Record::new().with("status", "waiting"))?;
    unit.rows.update("agent_steps", &key, Record::new().with("status", "waiting"))?;
    unit.rows.update("agent_tool_calls", &key, Record::new().with("status", "uncertain"))?;
    run.status = RunStatus::WaitingApproval;
    let data = serde_json::json!({"approval_id": approval_id.to_string()});
    run.event(unit, Some(step), "waiting_approval", reason, data)
}
