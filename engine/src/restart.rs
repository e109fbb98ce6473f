//! Running a statement again on a new snapshot.
//!
//! Under READ COMMITTED a statement that met rows which somebody changed after its snapshot, and that cannot look at just
//! those rows again, fails with an error marked `restart`. While none of its rows was handed out nobody can tell, so its
//! writes are dropped and it starts over: the locks it took stay, so that it does not lose the same rows twice. Only
//! advisory locks of the session are given back, because these are counted.

use std::sync::Arc;
use std::time::Duration;

use sinew_query::exec::{self, PreparedPlan, RowStream};
use sinew_query::notification::PendingMark;
use sinew_query::{ExecContext, QueryError, Result, SessionContext};
use sinew_storage::Isolation;

use crate::transaction::now_us;

/// Runs after which the client is told (40001): so many lost in a row are no contention.
const RESTART_LIMIT: u32 = 1_000;
/// Runs that follow each other without a pause.
const IMMEDIATE_RESTARTS: u32 = 3;
/// Longest pause between two runs.
const PAUSE_LIMIT_US: u64 = 5_000;

/// A statement that may start over.
pub(crate) struct Restart {
    plan: Arc<PreparedPlan>,
    restart_count: u32,
    /// What the transaction announced before the statement.
    notifications: PendingMark,
    /// Checks that waited for the transaction's end before it.
    deferred_count: usize,
}

impl Restart {
    pub(crate) fn new(plan: &Arc<PreparedPlan>, session: &SessionContext) -> Restart {
        Restart {
            plan: Arc::clone(plan),
            restart_count: 0,
            notifications: session.notifications.mark(),
            deferred_count: session.deferred.queue_len(),
        }
    }

    /// Whether the failed statement is to run again.
    pub(crate) fn applies(&self, error: &QueryError, context: &ExecContext) -> bool {
        error.0.restart
            && context.transaction.isolation() == Isolation::ReadCommitted
            && self.restart_count < RESTART_LIMIT
    }

    /// Drops what the statement wrote and begins it anew; nothing of its last run may be in use. Gives `error` back when
    /// something it was planned on has another definition by now.
    pub(crate) fn again(&mut self, error: QueryError, context: &ExecContext) -> Result<Box<dyn RowStream>> {
        self.restart_count += 1;
        context.cancel.check()?;
        if self.restart_count > IMMEDIATE_RESTARTS {
            let pause_us = (100u64 << (self.restart_count - IMMEDIATE_RESTARTS).min(6)).min(PAUSE_LIMIT_US);
            // Spread by the clock's low bits, so that those who lost together do not come back together.
            std::thread::sleep(Duration::from_micros(pause_us / 2 + now_us().unsigned_abs() % pause_us));
        }
        let transaction = &context.transaction;
        transaction.abort_statement();
        context.session.advisory_locks.undo_statement();
        context.session.notifications.return_to(self.notifications);
        context.session.deferred.truncate(self.deferred_count);
        transaction.begin_statement()?;
        if !self.plan.is_current(&transaction.catalog()) {
            return Err(error);
        }
        exec::execute(&self.plan, context.clone())
    }
}
