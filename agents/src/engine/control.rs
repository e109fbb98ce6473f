//! Looking at runs, cancelling and resuming them.

use serde_json::Value as JsonValue;
use sinew::{QueryError, Result, Value};

use super::recovery::{ask_for_decision, needs_decision};
use super::run::{Run, RunStatus, RunSummary, StopReason, step_key};
use super::start::{StartRun, start_run};
use super::worker::Claim;
use super::{Engine, RunId};
use crate::objects::{find_agent_version, invalid_value};
use crate::rows::{Record, Select};

/// One row of `agent_events`.
#[derive(Clone, Debug, PartialEq)]
pub struct EventRow {
    pub seq: i64,
    pub at_us: i64,
    pub step: Option<i64>,
    pub kind: String,
    pub text: String,
    /// jsonb or NULL.
    pub data: Value,
}

/// A run and its events after some seq, at one snapshot.
#[derive(Clone, Debug)]
pub struct RunView {
    pub summary: RunSummary,
    pub events: Vec<EventRow>,
}

impl Engine {
    /// Starts a run in a commit of its own.
    pub fn start(&self, request: &StartRun) -> Result<RunId> {
        Ok(self.start_with_summary(request)?.run_id)
    }

    /// As [`Self::start`]; gives the run as that commit left it, before any worker saw it.
    pub fn start_with_summary(&self, request: &StartRun) -> Result<RunSummary> {
        self.check_running()?;
        self.commit(|unit| {
            let run_id = start_run(unit, request)?;
            Ok(Run::find(unit.rows, run_id)?.summary(unit.now_us))
        })
    }

    /// The run with its events after `after_seq`. 42704.
    pub fn view(&self, run_id: RunId, after_seq: i64) -> Result<RunView> {
        let now_us = self.now_us();
        self.read(|rows| {
            let run = Run::find(rows, run_id)?;
            let select =
                Select::from("agent_events").equal("run_id", run_id).after("seq", after_seq).order_by(&["seq"]);
            let mut events = Vec::new();
            for record in rows.select(select)? {
                events.push(EventRow {
                    seq: record.int("seq")?,
                    at_us: record.opt_timestamp("at").unwrap_or_default(),
                    step: record.opt_int("step"),
                    kind: record.text("kind")?,
                    text: record.text("text")?,
                    data: record.get("data").clone(),
                });
            }
            Ok(RunView { summary: run.summary(now_us), events })
        })
    }

    pub fn summary(&self, run_id: RunId) -> Result<RunSummary> {
        let now_us = self.now_us();
        self.read(|rows| Ok(Run::find(rows, run_id)?.summary(now_us)))
    }

    /// Ends a run; one that has ended stays as it is.
    pub fn cancel(&self, run_id: RunId) -> Result<RunSummary> {
        let summary = self.commit(|unit| {
            let mut run = Run::find(unit.rows, run_id)?;
            if !run.status.is_ended() {
                run.finish(unit, RunStatus::Cancelled, StopReason::Cancelled, None, None)?;
                run.save(unit)?;
            }
            Ok(run.summary(unit.now_us))
        })?;
        self.cancel_in_flight(run_id);
        Ok(summary)
    }

    /// Goes on with a run that failed, was cancelled or stopped at a limit, where it stood: finished steps stay. It gets
    /// its budget once more on top of what it used, or `budget` (within the agent's limits).
    pub fn resume(&self, run_id: RunId, budget: &JsonValue) -> Result<()> {
        self.check_running()?;
        self.commit(|unit| {
            let mut run = Run::find(unit.rows, run_id)?;
            match run.status {
                RunStatus::Queued | RunStatus::Running => return Ok(()),
                RunStatus::WaitingApproval => {
                    return Err(invalid_value(format!("run \"{run_id}\" waits for a decision"))
                        .hint(format!("CALL decide_approval('{run_id}', 'approve')")));
                }
                RunStatus::Succeeded => return Err(invalid_value(format!("run \"{run_id}\" has succeeded"))),
                RunStatus::Failed | RunStatus::Cancelled | RunStatus::Interrupted => {}
            }
            let agent = find_agent_version(unit.rows, run.agent_id, run.agent_version)?;
            let open: Vec<Record> = unit
                .rows
                .select(Select::from("agent_steps").equal("run_id", run_id).order_by(&["step"]))?
                .into_iter()
                .filter(|step| {
                    let kind = step.get("kind").as_str();
                    match step.get("status").as_str() {
                        Some("cancelled") => true,
                        // A failed tool was answered with its error; a failed model call was not.
                        Some("failed") => kind == Some("model"),
                        _ => false,
                    }
                })
                .collect();
            if open.is_empty() {
                return Err(invalid_value(format!("run \"{run_id}\" has no step left to resume")));
            }
            run.status = RunStatus::Running;
            (run.stop_reason, run.error, run.output, run.finished_at_us) = (None, None, None, None);
            let mut limits = agent.limits.narrowed_by(budget)?;
            run.deadline_us = Some(unit.now_us + limits.timeout_ms as i64 * 1_000);
            limits.max_iterations += run.used.iterations;
            limits.max_tokens += run.used.tokens();
            limits.max_usd_nanos = limits.max_usd_nanos.map(|nanos| nanos + run.used.usd_nanos);
            run.limits = limits;
            run.used.invalid_calls = 0;
            run.event(unit, None, "resumed", "the run goes on", JsonValue::Null)?;
            for step in open {
                let step = step.int32("step")?;
                if needs_decision(unit, run_id, step)? {
                    ask_for_decision(unit, &mut run, step)?;
                    continue;
                }
                let key = step_key(run_id, step);
                let task = unit.rows.get("agent_tasks", &key)?;
                let task =
                    task.ok_or_else(|| QueryError::internal(format!("step {step} of run {run_id} has no task")))?;
                unit.rows.update(
                    "agent_steps",
                    &key,
                    Record::new().with("status", "queued").with("error", Value::Null),
                )?;
                if let Some(call) = unit.rows.get("agent_tool_calls", &key)?
                    && call.get("status").as_str() != Some("excess")
                {
                    unit.rows.update("agent_tool_calls", &key, Record::new().with("status", "requested"))?;
                }
                Claim::release(unit, run_id, step, task.int("attempt")? + 1, unit.now_us)?;
            }
            run.save(unit)
        })
    }
}
