//! Decisions of people on uncertain tool calls.

use serde_json::Value as JsonValue;
use sinew::{QueryError, Result, Value, sqlstate};
use uuid::Uuid;

use super::run::{Run, RunStatus, StopReason, step_key};
use super::worker::Claim;
use super::{Engine, RunId};
use crate::objects::invalid_value;
use crate::rows::{Record, Rows, Select};
use sinew::query::near_miss::near_miss;

impl Engine {
    /// Decides a pending approval, named by its own id or by its run's when that has only one. `approve` makes the call
    /// (again), `edit` makes it with other arguments, `reject` ends the run.
    pub fn decide(&self, id: Uuid, decision: &str, arguments: &JsonValue, user: &str) -> Result<RunId> {
        let decision = decision.to_lowercase();
        let choices = ["approve", "reject", "edit"];
        if !choices.contains(&decision.as_str()) {
            let error = invalid_value(format!("decision \"{decision}\" is none of {}", choices.join(", ")));
            return Err(match near_miss(&decision, choices) {
                Some(near) => error.hint(format!("did you mean \"{near}\"?")),
                None => error,
            });
        }
        match (decision.as_str(), arguments) {
            ("edit", JsonValue::Object(_)) | ("approve" | "reject", JsonValue::Null) => {}
            ("edit", _) => return Err(invalid_value("decision \"edit\" needs the arguments as a JSON object")),
            (other, _) => return Err(invalid_value(format!("decision \"{other}\" takes no arguments"))),
        }
        self.commit(|unit| {
            let approval = pending_approval(unit.rows, id)?;
            let (run_id, step) = (RunId(approval.uuid("run_id")?), approval.int32("step")?);
            let mut run = Run::find(unit.rows, run_id)?;
            let status = match decision.as_str() {
                "approve" => "approved",
                "edit" => "edited",
                _ => "rejected",
            };
            let mut changes = Record::new()
                .with("status", status)
                .with("decided_by", user)
                .with("decided_at", Value::Timestamp(unit.now_us));
            if decision == "edit" {
                changes = changes.with_json("decided_arguments", arguments);
            }
            let key = [("approval_id", approval.get("approval_id").clone())];
            unit.rows.update("agent_approvals", &key, changes)?;
            run.event(unit, Some(step), "decision", format!("{user}: {status}"), JsonValue::Null)?;
            if decision == "reject" {
                let partial = run.found_so_far(unit)?;
                let error = format!("the call of tool \"{}\" was rejected", approval.text("tool")?);
                run.finish(unit, RunStatus::Failed, StopReason::Rejected, partial, Some(error))?;
            } else {
                let mut call = Record::new().with("status", "requested");
                if decision == "edit" {
                    call = call.with_json("arguments", arguments);
                }
                unit.rows.update("agent_tool_calls", &step_key(run_id, step), call)?;
                unit.rows.update("agent_steps", &step_key(run_id, step), Record::new().with("status", "queued"))?;
                let task = unit.rows.get("agent_tasks", &step_key(run_id, step))?;
                let attempt = task.map_or(Ok(1), |task| task.int("attempt"))?;
                Claim::release(unit, run_id, step, attempt + 1, unit.now_us)?;
                let others = pending_of_run(unit.rows, run_id)?;
                if others.is_empty() {
                    run.status = RunStatus::Running;
                }
                // The time that a person took is not the run's.
                run.deadline_us = Some(unit.now_us + run.limits.timeout_ms as i64 * 1_000);
            }
            run.save(unit)?;
            Ok(run_id)
        })
    }
}

fn pending_of_run(rows: &dyn Rows, run_id: RunId) -> Result<Vec<Record>> {
    let mut found = rows.select(Select::from("agent_approvals").equal("run_id", run_id))?;
    found.retain(|approval| approval.get("status").as_str() == Some("pending"));
    Ok(found)
}

fn pending_approval(rows: &dyn Rows, id: Uuid) -> Result<Record> {
    let key = [("approval_id", Value::Uuid(*id.as_bytes()))];
    if let Some(approval) = rows.get("agent_approvals", &key)? {
        return match approval.get("status").as_str() {
            Some("pending") => Ok(approval),
            other => Err(invalid_value(format!("approval \"{id}\" is already {}", other.unwrap_or_default()))),
        };
    }
    let mut found = pending_of_run(rows, RunId(id))?;
    match (found.len(), found.pop()) {
        (1, Some(approval)) => Ok(approval),
        (0, _) => {
            let message = format!("no approval and no run waiting for one has the id \"{id}\"");
            Err(QueryError::new(sqlstate::UNDEFINED_OBJECT, message))
        }
        (count, _) => Err(invalid_value(format!("run \"{id}\" has {count} pending approvals: name one by its own id"))),
    }
}
