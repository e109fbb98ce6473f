//! Workers: take due tasks, carry them out.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use sinew::{CancelToken, QueryError, Result, Value, sqlstate};

use super::model_step::{ModelWork, claim_model, settle_model};
use super::prompt::memory_of;
use super::run::{Run, RunStatus, StopReason, step_key};
use super::tool_step::{ToolWork, claim_tool, settle_tool};
use super::{Engine, RunId, Unit};
use crate::objects::find_agent_version;
use crate::rows::{Record, Select};
use crate::tools::Recalled;

/// Due tasks looked at in one go.
const CANDIDATES: usize = 256;

/// Longest sleep of an idle worker: tasks enqueued in callers' transactions wake nobody.
const IDLE_POLL: Duration = Duration::from_millis(250);

/// How often expired leases are looked for.
const RECOVERY_INTERVAL: Duration = Duration::from_secs(10);

/// Longest pause between attempts.
const LONGEST_BACKOFF: Duration = Duration::from_secs(30);

/// What one turn of a worker did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Turn {
    Worked,
    /// Nothing is due; the next task is at this time (microseconds), if there is one.
    Idle {
        next_due_us: Option<i64>,
    },
}

/// A task being claimed.
#[derive(Clone, Copy, Debug)]
pub struct Claim {
    pub step: i32,
    pub attempt: i64,
}

enum Work {
    Nothing,
    Model(Box<ModelWork>),
    Tool(Box<ToolWork>),
}

impl Claim {
    /// Leases the task to this epoch and marks the step as running.
    pub fn lease(&self, unit: &Unit<'_>, run_id: RunId, epoch: i64, expires_us: i64) -> Result<()> {
        let key = step_key(run_id, self.step);
        let task = Record::new()
            .with("status", "leased")
            .with("lease_epoch", epoch)
            .with("lease_expires_at", Value::Timestamp(expires_us));
        unit.rows.update("agent_tasks", &key, task)?;
        let step = Record::new()
            .with("status", "running")
            .with("attempt", self.attempt)
            .with("started_at", Value::Timestamp(unit.now_us))
            .with("snapshot_lsn", unit.rows.snapshot_lsn());
        unit.rows.update("agent_steps", &key, step)?;
        Ok(())
    }

    /// Whether this epoch's lease of that attempt still stands.
    pub fn holds_lease(unit: &Unit<'_>, run_id: RunId, step: i32, attempt: i64, epoch: i64) -> Result<bool> {
        let task = unit.rows.get("agent_tasks", &step_key(run_id, step))?;
        Ok(task.is_some_and(|task| {
            task.get("status").as_str() == Some("leased")
                && task.opt_int("lease_epoch") == Some(epoch)
                && task.opt_int("attempt") == Some(attempt)
        }))
    }

    /// Makes the task due again at `not_before_us`, as attempt `attempt`.
    pub fn release(unit: &Unit<'_>, run_id: RunId, step: i32, attempt: i64, not_before_us: i64) -> Result<()> {
        let task = Record::new()
            .with("status", "ready")
            .with("attempt", attempt)
            .with("not_before", Value::Timestamp(not_before_us))
            .with("lease_epoch", Value::Null)
            .with("lease_expires_at", Value::Null);
        unit.rows.update("agent_tasks", &step_key(run_id, step), task)?;
        Ok(())
    }
}

/// Exponential back-off with jitter: `base` × 2^(attempt − 1), between half and all of it, at most 30 s. The jitter is a
/// function of the step and attempt, so that a run repeats.
pub fn backoff(base: Duration, attempt: i64, run_id: RunId, step: i32) -> Duration {
    let exponent = u32::try_from(attempt - 1).unwrap_or(0).min(16);
    let full = base.saturating_mul(1 << exponent).min(LONGEST_BACKOFF);
    let hash = xxhash_rust::xxh3::xxh3_64(format!("{run_id}/{step}/{attempt}").as_bytes());
    full / 2 + full.mul_f64((hash % 1_000) as f64 / 2_000.0)
}

impl Engine {
    /// Carries out one due step, if there is one.
    pub fn run_one(&self) -> Result<Turn> {
        if self.is_stopping() {
            return Ok(Turn::Idle { next_due_us: None });
        }
        let now_us = self.now_us();
        let select =
            || Select::from("agent_tasks").equal("status", "ready").order_by(&["created_at"]).limit(CANDIDATES);
        let mut tasks = self.read(|rows| rows.select(select()))?;
        tasks.sort_by_key(|task| (-task.opt_int("priority").unwrap_or(0), task.opt_timestamp("created_at")));
        let mut next_due_us: Option<i64> = None;
        for task in tasks {
            let due = task.opt_timestamp("not_before").unwrap_or(0);
            if due > now_us {
                next_due_us = Some(next_due_us.map_or(due, |next| next.min(due)));
                continue;
            }
            let key = (RunId(task.uuid("run_id")?), task.int32("step")?);
            let token = CancelToken::default();
            {
                let mut in_flight = self.in_flight.lock();
                if in_flight.contains_key(&key) {
                    continue;
                }
                in_flight.insert(key, token.clone());
            }
            let outcome = catch_unwind(AssertUnwindSafe(|| self.carry_out(key.0, key.1, &token)));
            self.in_flight.lock().remove(&key);
            let error = match outcome {
                Ok(Ok(())) => return Ok(Turn::Worked),
                Ok(Err(error)) => error,
                Err(_) => QueryError::internal("a worker panicked on this step"),
            };
            if [sqlstate::ADMIN_SHUTDOWN, sqlstate::IO_ERROR, sqlstate::CANNOT_CONNECT_NOW].contains(&error.sqlstate())
            {
                return Err(error);
            }
            // The run cannot go on, and would be tried for ever.
            self.fail_run(key.0, &error)?;
            return Ok(Turn::Worked);
        }
        Ok(Turn::Idle { next_due_us })
    }

    fn fail_run(&self, run_id: RunId, error: &QueryError) -> Result<()> {
        tracing::warn!(%run_id, %error, "agent run failed");
        self.commit(|unit| {
            let Some(mut run) = Run::load(unit.rows, run_id)? else { return Ok(()) };
            if run.status.is_ended() {
                return Ok(());
            }
            let message = format!("{} (SQLSTATE {})", error.0.message, error.sqlstate());
            run.finish(unit, RunStatus::Failed, StopReason::Error, None, Some(message))?;
            run.save(unit)
        })
    }

    fn carry_out(&self, run_id: RunId, step: i32, token: &CancelToken) -> Result<()> {
        let recalled = self.recall_for(run_id)?;
        let work = self.commit(|unit| self.claim(unit, run_id, step, recalled.as_deref()))?;
        match work {
            Work::Nothing => Ok(()),
            Work::Model(work) => {
                let outcome = match &work.opened {
                    Ok(model) => model.complete(&work.request, work.timeout, token),
                    Err(error) => Err(error.clone()),
                };
                // Given up because the engine stops: the lease stays and the next start takes the step back.
                if self.is_stopping() && outcome.as_ref().is_err_and(|error| error.cancelled) {
                    return Ok(());
                }
                self.commit(|unit| settle_model(self, unit, &work, &outcome))
            }
            Work::Tool(work) => {
                let outcome = self.parts.tools.run(&work.invocation, token);
                if self.is_stopping() && outcome.as_ref().is_err_and(|error| error.cancelled) {
                    return Ok(());
                }
                self.commit(|unit| settle_tool(self, unit, &work, &outcome))
            }
        }
    }

    /// What memory finds for the input of a run that has not asked its model yet.
    fn recall_for(&self, run_id: RunId) -> Result<Option<Vec<Recalled>>> {
        let wanted = self.read(|rows| {
            let Some(run) = Run::load(rows, run_id)? else { return Ok(None) };
            if !run.recalled.is_null() || run.used.iterations > 0 {
                return Ok(None);
            }
            let unit = Unit::new(rows, 0, &*self.parts.count_tokens);
            let agent = find_agent_version(rows, run.agent_id, run.agent_version)?;
            let hits = memory_of(&unit, &agent)?.search_hits;
            Ok((hits > 0).then_some((run, hits)))
        })?;
        let Some((run, hits)) = wanted else { return Ok(None) };
        Ok(Some(self.parts.tools.recall(&run.caller, &run.input, hits, run_id)?))
    }

    fn claim(&self, unit: &mut Unit<'_>, run_id: RunId, step: i32, recalled: Option<&[Recalled]>) -> Result<Work> {
        let Some(task) = unit.rows.get("agent_tasks", &step_key(run_id, step))? else { return Ok(Work::Nothing) };
        if task.get("status").as_str() != Some("ready") {
            return Ok(Work::Nothing);
        }
        let mut run = Run::find(unit.rows, run_id)?;
        if run.status.is_ended() {
            unit.rows.update("agent_tasks", &step_key(run_id, step), Record::new().with("status", "cancelled"))?;
            return Ok(Work::Nothing);
        }
        if run.status == RunStatus::Queued {
            run.status = RunStatus::Running;
            run.started_at_us = Some(unit.now_us);
            run.deadline_us = Some(unit.now_us + run.limits.timeout_ms as i64 * 1_000);
            let text = format!("{} began", run.agent);
            run.event(unit, None, "started", text, serde_json::Value::Null)?;
        }
        if run.deadline_us.is_some_and(|deadline| unit.now_us >= deadline) {
            let select = unit.rows.get("agent_steps", &step_key(run_id, step))?;
            let last_error = select.and_then(|step| step.opt_text("error"));
            run.stop_at(unit, StopReason::Deadline, last_error)?;
            run.save(unit)?;
            return Ok(Work::Nothing);
        }
        let agent = find_agent_version(unit.rows, run.agent_id, run.agent_version)?;
        let claim = Claim { step, attempt: task.int("attempt")? };
        let work = if task.get("kind").as_str() == Some("model") {
            claim_model(self, unit, &mut run, &agent, &claim, recalled)?.map(|work| Work::Model(Box::new(work)))
        } else {
            claim_tool(self, unit, &mut run, &agent, &claim)?.map(|work| Work::Tool(Box::new(work)))
        };
        run.save(unit)?;
        Ok(work.unwrap_or(Work::Nothing))
    }
}

/// Threads that carry out due steps until the engine stops.
pub struct Workers {
    threads: Vec<JoinHandle<()>>,
}

impl Workers {
    pub fn start(engine: &Arc<Engine>, count: usize) -> std::io::Result<Workers> {
        let mut threads = Vec::with_capacity(count);
        for number in 0..count.max(1) {
            let engine = Arc::clone(engine);
            let builder = std::thread::Builder::new().name(format!("agent-worker-{number}"));
            threads.push(builder.spawn(move || work(&engine, number == 0))?);
        }
        Ok(Workers { threads })
    }

    /// Waits for the threads to end, up to `limit`; one that does not is left behind and ends with its outside call.
    pub fn join(self, limit: Duration) {
        let deadline = Instant::now() + limit;
        for thread in self.threads {
            while !thread.is_finished() && Instant::now() < deadline {
                std::thread::sleep(Duration::from_millis(5));
            }
            if thread.is_finished() && thread.join().is_err() {
                tracing::error!("an agent worker panicked");
            }
        }
    }
}

fn work(engine: &Engine, recovers: bool) {
    let mut recovered = Instant::now();
    while !engine.is_stopping() {
        let seen = engine.change_count();
        if recovers && recovered.elapsed() >= RECOVERY_INTERVAL {
            recovered = Instant::now();
            if let Err(error) = engine.recover() {
                tracing::warn!(%error, "expired leases cannot be taken back");
            }
        }
        match engine.run_one() {
            Ok(Turn::Worked) => {}
            Ok(Turn::Idle { next_due_us }) => {
                let until_due = next_due_us.map(|due| Duration::from_micros((due - engine.now_us()).max(0) as u64));
                engine
                    .wait_for_change(seen, IDLE_POLL.min(until_due.unwrap_or(IDLE_POLL)).max(Duration::from_millis(1)));
            }
            Err(error) if error.sqlstate() == sqlstate::ADMIN_SHUTDOWN => return,
            Err(error) => {
                tracing::warn!(%error, "agent tasks cannot be read");
                engine.wait_for_change(seen, Duration::from_secs(1));
            }
        }
    }
}
