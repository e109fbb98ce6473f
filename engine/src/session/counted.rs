//! Counting what statements take, for `pg_stat_statements`.

use std::sync::Arc;
use std::time::{Duration, Instant};

use sinew_query::statement_statistics::Fingerprint;

use super::Session;
use crate::prepare::PlannedStatement;

impl Session {
    /// Whether the session's statements are counted: those of the client, never those inside of others.
    fn counts_statements(&self) -> bool {
        let settings = self.context.settings.read();
        self.nested == 0 && settings.get("pg_stat_statements.track").is_none_or(|track| track != "none")
    }

    pub(crate) fn count_planned(&self, fingerprint: &Arc<Fingerprint>, time: Duration) {
        if self.counts_statements() {
            self.context.sessions.statements.note_planned(fingerprint, &self.counted_user, time);
        }
    }

    /// A statement begins.
    pub(super) fn begin_counting(&mut self, planned: &PlannedStatement) {
        if self.nested > 0 {
            return;
        }
        self.running = match &planned.fingerprint {
            Some(fingerprint) if self.counts_statements() => Some((Arc::clone(fingerprint), Instant::now())),
            _ => None,
        };
    }

    /// The statement is at its end, with so many rows given or changed.
    pub(super) fn end_counting(&mut self, rows: u64) {
        if self.nested > 0 {
            return;
        }
        if let Some((fingerprint, begin)) = self.running.take() {
            let statements = &self.context.sessions.statements;
            statements.note_run(&fingerprint, &self.counted_user, begin.elapsed(), rows);
        }
    }
}
