//! The durable task engine.
//!
//! A run is rows. Its unit of work is the *step*: one model call or one tool call, with a *task* that says when it is
//! due and who works on it. A worker carries a step out in three parts:
//!
//! ```text
//!   claim    one commit: the task is leased, limits are checked, the intent is written
//!            (agent_llm_calls with what it may cost at most, or agent_tool_calls as started)
//!   perform  the outside call: no transaction, no lock
//!   settle   one commit: result, usage, events, messages, and the next steps with their tasks
//! ```
//!
//! Invariants
//! - Whatever a commit of a step changes, it also rewrites the run's row. Two steps of one run therefore never commit
//!   past each other: the second conflicts (40001), starts again and sees the first. The last tool of a round is the one
//!   that finds no other open, and it alone schedules the next model call.
//! - Only the holder of a task's lease (epoch and attempt) settles it. Epochs grow with each start of the engine, so a
//!   lease of an older epoch belongs to a process that is gone, and [`recovery`] takes its task back.
//! - A step that settled is never carried out again. One that was claimed and not settled is: a model call after its
//!   reservation was booked (marked estimated), a tool by its effect.
//! - A run that has ended stays as it is; a call that comes back later is booked and otherwise dropped.

mod approval;
mod control;
mod model_step;
mod prompt;
mod recovery;
mod run;
mod start;
mod tool_step;
mod worker;

#[cfg(test)]
mod tests;

pub use control::{EventRow, RunView};
pub use model_step::usd;
pub use prompt::check_prompt;
pub use run::{Run, RunStatus, RunSummary, StopReason, Used};
pub use start::{StartRun, start_run};
pub use worker::{Turn, Workers};

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex};
use sinew::{CancelToken, QueryError, Result, sqlstate};
use uuid::Uuid;

use crate::models::{ChatModel, ModelError};
use crate::objects::{ModelDef, SecretDef};
use crate::rows::{Journal, Rows};
use crate::tools::ToolRunner;

/// A run. Version 7: ids grow with time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RunId(pub Uuid);

impl fmt::Display for RunId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

pub type ModelOpener =
    Box<dyn Fn(&ModelDef, Option<&SecretDef>) -> Result<Arc<dyn ChatModel>, ModelError> + Send + Sync>;
pub type RunFinishedHook = Arc<dyn Fn(&str, f64) + Send + Sync>;

/// What the engine is made of; the parts that touch the outside world come in from there.
pub struct EngineParts {
    pub journal: Arc<dyn Journal>,
    pub tools: Arc<dyn ToolRunner>,
    pub open_model: ModelOpener,
    pub count_tokens: Arc<dyn Fn(&str) -> u32 + Send + Sync>,
    /// Microseconds since 1970 UTC.
    pub clock: Arc<dyn Fn() -> i64 + Send + Sync>,
    /// Called with the agent's name and the run's seconds.
    pub on_run_finished: Option<RunFinishedHook>,
}

pub struct Engine {
    pub(crate) parts: EngineParts,
    epoch: i64,
    /// Steps being carried out by this process, with the token that ends them early.
    in_flight: Mutex<HashMap<(RunId, i32), CancelToken>>,
    stopping: AtomicBool,
    changes: Mutex<u64>,
    changed: Condvar,
}

/// One transaction of the engine, with what to do once it is committed.
pub struct Unit<'a> {
    pub rows: &'a dyn Rows,
    pub now_us: i64,
    pub count_tokens: &'a dyn Fn(&str) -> u32,
    /// (agent, seconds) of runs that this transaction ended.
    finished: Vec<(String, f64)>,
}

impl<'a> Unit<'a> {
    pub fn new(rows: &'a dyn Rows, now_us: i64, count_tokens: &'a dyn Fn(&str) -> u32) -> Unit<'a> {
        Unit { rows, now_us, count_tokens, finished: Vec::new() }
    }
}

impl Engine {
    /// Starts a new epoch and takes back what earlier ones left unfinished.
    pub fn open(parts: EngineParts) -> Result<Arc<Engine>> {
        let epoch = parts.journal.next_epoch()?;
        let engine = Arc::new(Engine {
            parts,
            epoch,
            in_flight: Mutex::default(),
            stopping: AtomicBool::new(false),
            changes: Mutex::new(0),
            changed: Condvar::new(),
        });
        engine.recover()?;
        Ok(engine)
    }

    pub fn now_us(&self) -> i64 {
        (self.parts.clock)()
    }

    /// Commits `work`, retried on conflicts, then tells whoever waits.
    pub fn commit<T>(&self, mut work: impl FnMut(&mut Unit<'_>) -> Result<T>) -> Result<T> {
        let (out, finished) = self.parts.journal.transact(|rows| {
            let mut unit = Unit::new(rows, self.now_us(), &*self.parts.count_tokens);
            let out = work(&mut unit)?;
            Ok((out, unit.finished))
        })?;
        if let Some(hook) = &self.parts.on_run_finished {
            for (agent, seconds) in finished {
                hook(&agent, seconds);
            }
        }
        self.notify();
        Ok(out)
    }

    /// Reads without telling anybody.
    pub fn read<T>(&self, work: impl FnMut(&dyn Rows) -> Result<T>) -> Result<T> {
        self.parts.journal.transact(work)
    }

    /// Wakes workers and those who wait for runs.
    pub fn notify(&self) {
        *self.changes.lock() += 1;
        self.changed.notify_all();
    }

    /// A number that moves with every change; take it before looking, then wait for the next.
    pub fn change_count(&self) -> u64 {
        *self.changes.lock()
    }

    /// Returns when something changed since `seen`, or after `timeout`.
    pub fn wait_for_change(&self, seen: u64, timeout: Duration) {
        let deadline = Instant::now() + timeout;
        let mut changes = self.changes.lock();
        while *changes == seen && !self.changed.wait_until(&mut changes, deadline).timed_out() {}
    }

    pub fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::Acquire)
    }

    /// Starts no more steps and gives up outside calls; what is given up is taken back at the next start.
    pub fn stop(&self) {
        self.stopping.store(true, Ordering::Release);
        for token in self.in_flight.lock().values() {
            token.cancel();
        }
        self.notify();
    }

    /// 57P01 once the engine stops.
    pub fn check_running(&self) -> Result<()> {
        if self.is_stopping() {
            return Err(QueryError::new(sqlstate::ADMIN_SHUTDOWN, "the agent engine is shutting down"));
        }
        Ok(())
    }

    fn cancel_in_flight(&self, run_id: RunId) {
        for ((id, _), token) in self.in_flight.lock().iter() {
            if *id == run_id {
                token.cancel();
            }
        }
    }
}

/// Microseconds of a duration.
pub(crate) fn micros(duration: Duration) -> i64 {
    i64::try_from(duration.as_micros()).unwrap_or(i64::MAX / 4)
}
