//! Tools on a database: each call in a session of the caller's user.

use std::time::{Duration, Instant};

use sinew::{CancelToken, Database, Session};

use super::builtin::{recall, run_builtin};
use super::statement::{StatementLimits, run_statement};
use super::{Recalled, ToolError, ToolInvocation, ToolResult, ToolRunner};
use crate::engine::RunId;
use crate::objects::{ToolBody, ToolEffect};

/// How often the watcher of a running statement looks at the run's cancel token.
const WATCH_POLL: Duration = Duration::from_millis(20);

pub struct DatabaseTools {
    db: Database,
}

impl DatabaseTools {
    pub fn new(db: Database) -> DatabaseTools {
        DatabaseTools { db }
    }

    fn session(&self, user: &str) -> Session {
        self.db.session_for(user)
    }
}

impl ToolRunner for DatabaseTools {
    fn run(&self, call: &ToolInvocation, cancel: &CancelToken) -> Result<ToolResult, ToolError> {
        let mut session = self.session(&call.user);
        let timeout = call.tool.timeout.min(call.deadline.saturating_duration_since(Instant::now()));
        if timeout.is_zero() {
            return Err(ToolError::new("the run's deadline has passed"));
        }
        session.set("statement_timeout", &timeout.as_millis().max(1).to_string())?;
        let outcome = watched(&mut session, cancel, |session| match &call.tool.body {
            ToolBody::Builtin(tool) => run_builtin(session, *tool, call),
            ToolBody::Sql(text) | ToolBody::Cypher(text) => {
                let names: Vec<String> = call.tool.params.iter().map(|param| param.name.clone()).collect();
                let types: Vec<String> = call.tool.params.iter().map(|param| param.ty.clone()).collect();
                let limits = StatementLimits {
                    writes: call.tool.effect != ToolEffect::Pure,
                    max_rows: call.tool.max_rows,
                    max_bytes: call.tool.max_bytes,
                    timeout,
                };
                run_statement(session, text, &types, &call.arguments, &names, limits)
            }
        });
        outcome.map_err(|error| {
            let cancelled = error.sqlstate() == sinew::sqlstate::QUERY_CANCELED && cancel.is_cancelled();
            ToolError { cancelled, ..ToolError::from(error) }
        })
    }

    fn recall(&self, user: &str, query: &str, k: usize, run_id: RunId) -> Result<Vec<Recalled>, ToolError> {
        Ok(recall(&mut self.session(user), query, k, run_id)?)
    }
}

/// Runs `work` while a thread passes a cancellation of the run on to the session's running statement.
fn watched<T>(session: &mut Session, cancel: &CancelToken, work: impl FnOnce(&mut Session) -> T) -> T {
    let statement = session.cancel_token();
    let done = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|scope| {
        let watcher = scope.spawn(|| {
            while !done.load(std::sync::atomic::Ordering::Acquire) {
                if cancel.is_cancelled() {
                    statement.cancel();
                }
                std::thread::park_timeout(WATCH_POLL);
            }
        });
        // Also on a panic of the statement: the scope waits for the watcher.
        let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| work(session)));
        done.store(true, std::sync::atomic::Ordering::Release);
        watcher.thread().unpark();
        match outcome {
            Ok(outcome) => outcome,
            Err(panic) => std::panic::resume_unwind(panic),
        }
    })
}
