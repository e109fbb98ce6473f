//! Who is connected and what each session does: what `pg_stat_activity` shows, `pg_cancel_backend` and
//! `pg_terminate_backend` reach.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Weak};

use parking_lot::Mutex;
use sinew_storage::CancelToken;

use crate::context::SessionContext;
use crate::statement_statistics::StatementStatistics;

/// Bytes of a statement's text that are shown.
const QUERY_LIMIT_BYTES: usize = 1023;

/// Ends a client's connection, from any thread.
pub type Terminator = Arc<dyn Fn() + Send + Sync>;

/// What a session does, by PostgreSQL's names.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ActivityState {
    Active,
    #[default]
    Idle,
    IdleInTransaction,
    IdleInFailedTransaction,
}

impl ActivityState {
    /// As `pg_stat_activity.state` names it.
    pub fn name(self) -> &'static str {
        match self {
            ActivityState::Active => "active",
            ActivityState::Idle => "idle",
            ActivityState::IdleInTransaction => "idle in transaction",
            ActivityState::IdleInFailedTransaction => "idle in transaction (aborted)",
        }
    }
}

/// The running statement, or the last one. Times in microseconds since 1970 UTC.
#[derive(Clone, Debug, Default)]
pub struct Activity {
    pub state: ActivityState,
    /// The statement's beginning; empty before the first one.
    pub query: String,
    pub query_start_us: Option<i64>,
    pub state_change_us: Option<i64>,
}

/// A session as others see it.
pub struct SessionActivity {
    pub started_us: i64,
    /// When the open transaction began; 0 without one.
    transaction_start_us: AtomicI64,
    current: Mutex<Activity>,
    client: Mutex<Option<SocketAddr>>,
    /// Of whatever statement runs.
    cancel: CancelToken,
    terminator: Mutex<Option<Terminator>>,
}

impl SessionActivity {
    /// `cancel` is asked by every statement of the session.
    pub fn new(started_us: i64, cancel: CancelToken) -> SessionActivity {
        SessionActivity {
            started_us,
            transaction_start_us: AtomicI64::new(0),
            current: Mutex::default(),
            client: Mutex::default(),
            cancel,
            terminator: Mutex::default(),
        }
    }

    /// Asked by whatever statement runs, and while it is planned.
    pub fn cancel_token(&self) -> &CancelToken {
        &self.cancel
    }

    pub fn current(&self) -> Activity {
        self.current.lock().clone()
    }

    /// A statement begins. A cancel that came before is forgotten.
    pub fn begin(&self, query: &str, now_us: i64) {
        let mut end = query.len().min(QUERY_LIMIT_BYTES);
        while !query.is_char_boundary(end) {
            end -= 1;
        }
        let mut current = self.current.lock();
        current.query.clear();
        current.query.push_str(&query[..end]);
        current.query_start_us = Some(now_us);
        if current.state != ActivityState::Active {
            current.state = ActivityState::Active;
            current.state_change_us = Some(now_us);
        }
        self.cancel.reset();
    }

    /// The statement has ended.
    pub fn end(&self, state: ActivityState, now_us: impl FnOnce() -> i64) {
        let mut current = self.current.lock();
        if current.state != state {
            current.state = state;
            current.state_change_us = Some(now_us());
        }
    }

    pub fn set_transaction_start(&self, start_us: Option<i64>) {
        self.transaction_start_us.store(start_us.unwrap_or(0), Ordering::Relaxed);
    }

    pub fn transaction_start_us(&self) -> Option<i64> {
        Some(self.transaction_start_us.load(Ordering::Relaxed)).filter(|start_us| *start_us != 0)
    }

    pub fn set_client(&self, client: Option<SocketAddr>) {
        *self.client.lock() = client;
    }

    pub fn client(&self) -> Option<SocketAddr> {
        *self.client.lock()
    }

    /// Cancels the running statement; between statements it does nothing.
    pub fn cancel(&self) {
        // Under the lock that a statement's begin takes: the next statement is not hit.
        let current = self.current.lock();
        if current.state == ActivityState::Active {
            self.cancel.cancel();
        }
    }

    /// How the session's connection is ended; sessions without one cannot be terminated.
    pub fn set_terminator(&self, terminator: Terminator) {
        *self.terminator.lock() = Some(terminator);
    }

    /// Ends the connection and cancels what runs; false when the session has no connection.
    pub fn terminate(&self) -> bool {
        let Some(terminator) = self.terminator.lock().clone() else { return false };
        terminator();
        self.cancel();
        true
    }
}

/// The sessions of a database that are open.
#[derive(Default)]
pub struct Sessions {
    /// What the statements of all of them took.
    pub statements: StatementStatistics,
    by_process_id: Mutex<BTreeMap<i32, Weak<SessionContext>>>,
}

impl Sessions {
    pub fn register(&self, session: &Arc<SessionContext>) {
        self.by_process_id.lock().insert(session.process_id, Arc::downgrade(session));
    }

    pub fn unregister(&self, process_id: i32) {
        self.by_process_id.lock().remove(&process_id);
    }

    pub fn get(&self, process_id: i32) -> Option<Arc<SessionContext>> {
        self.by_process_id.lock().get(&process_id)?.upgrade()
    }

    /// By process id.
    pub fn all(&self) -> Vec<Arc<SessionContext>> {
        self.by_process_id.lock().values().filter_map(Weak::upgrade).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cancel_hits_only_what_runs() {
        let token = CancelToken::default();
        let session = SessionActivity::new(1, token.clone());
        session.cancel();
        assert!(!token.is_cancelled());
        session.begin("SELECT 1", 5);
        session.cancel();
        assert!(token.is_cancelled());
        session.begin("SELECT 2", 6);
        assert!(!token.is_cancelled());
        assert_eq!(session.current().state_change_us, Some(5));
        session.end(ActivityState::Idle, || 7);
        let shown = session.current();
        assert_eq!((shown.state.name(), shown.query.as_str(), shown.query_start_us), ("idle", "SELECT 2", Some(6)));
        assert_eq!(shown.state_change_us, Some(7));
        assert!(!session.terminate());
    }

    #[test]
    fn long_statements_are_cut_at_a_character() {
        let session = SessionActivity::new(1, CancelToken::default());
        session.begin(&"ä".repeat(1000), 5);
        assert_eq!(session.current().query, "ä".repeat(511));
    }
}
