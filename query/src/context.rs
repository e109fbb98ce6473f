//! What a running statement can reach.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use parking_lot::{Mutex, RwLock};
use rustc_hash::FxHashMap;
use sinew_storage::{CancelToken, DataType, Embedder, RelationId, SessionLocks, Transaction, Value};

use crate::activity::{SessionActivity, Sessions};
use crate::deferred::DeferredConstraints;
use crate::functions::FunctionRegistry;
use crate::functions::random::RandomSource;
use crate::notification::SessionNotifications;
use crate::session_objects::SessionObjects;
use crate::settings::{SettingChanges, Settings};

/// A message to the client that is no error (NOTICE).
#[derive(Clone, Debug)]
pub struct Notice {
    /// NOTICE, WARNING, INFO.
    pub severity: &'static str,
    pub sqlstate: &'static str,
    pub message: String,
    pub hint: Option<String>,
}

/// Where notices go while a statement runs.
pub type NoticeSink = Arc<dyn Fn(Notice) + Send + Sync>;

/// One session, as queries see it. Shared; settings change under the lock.
pub struct SessionContext {
    pub user: String,
    pub database: String,
    /// Backend process id as `pg_backend_pid()` gives it.
    pub process_id: i32,
    /// SET values by lower-case name; only names in `settings::KNOWN` or with a dot.
    pub settings: Settings,
    pub notices: NoticeSink,
    pub functions: Arc<FunctionRegistry>,
    /// The default embedder (`embed()`, `search_messages`).
    pub embedder: Arc<dyn Embedder>,
    pub count_tokens: Arc<dyn Fn(&str) -> u32 + Send + Sync>,
    pub server_started_us: i64,
    /// Session-level advisory locks.
    pub advisory_locks: SessionLocks,
    /// What this session does, for others to see.
    pub activity: SessionActivity,
    /// All sessions of the database.
    pub sessions: Arc<Sessions>,
    /// What it listens to, and what its transaction announces.
    pub notifications: SessionNotifications,
    /// Foreign keys that its transaction checks later.
    pub deferred: DeferredConstraints,
    /// What of the settings the transaction has changed.
    pub setting_changes: SettingChanges,
    /// Prepared statements and cursors, as the system views show them.
    pub objects: SessionObjects,
    pub random: RandomSource,
    /// What the session knows of sequences.
    pub sequences: SequenceSession,
    /// The session has made something temporary: its schema is searched first from then on.
    pub has_temporary: AtomicBool,
}

/// Numbers that the session was given.
#[derive(Default)]
pub struct SequenceSession {
    state: Mutex<SequenceState>,
}

#[derive(Default)]
struct SequenceState {
    /// The sequence that gave the last number.
    last: Option<RelationId>,
    taken: FxHashMap<RelationId, TakenNumbers>,
}

/// What a session has of one sequence.
#[derive(Clone, Copy)]
pub(crate) struct TakenNumbers {
    /// The number given last.
    pub current: i64,
    /// The end of those that were taken ahead; equal to `current` when there are none.
    pub cached: i64,
    /// Of the definition they were taken under.
    pub generation: u64,
}

impl SequenceSession {
    pub(crate) fn taken(&self, sequence: RelationId) -> Option<TakenNumbers> {
        self.state.lock().taken.get(&sequence).copied()
    }

    pub(crate) fn last(&self) -> Option<(RelationId, i64)> {
        let state = self.state.lock();
        let last = state.last?;
        Some((last, state.taken.get(&last)?.current))
    }

    /// `gives`: as nextval does, so that lastval() knows.
    pub(crate) fn note(&self, sequence: RelationId, numbers: TakenNumbers, gives: bool) {
        let state = &mut *self.state.lock();
        state.taken.insert(sequence, numbers);
        if gives {
            state.last = Some(sequence);
        }
    }

    /// Numbers taken ahead are not given any more; what was given stays known.
    pub(crate) fn forget_cached(&self, sequence: RelationId) {
        if let Some(taken) = self.state.lock().taken.get_mut(&sequence) {
            taken.cached = taken.current;
        }
    }

    /// DISCARD SEQUENCES.
    pub fn discard(&self) {
        *self.state.lock() = SequenceState::default();
    }
}

impl SessionContext {
    /// A session of nobody, known to no other: without user and settings, its notices dropped, everything that statements
    /// leave in a session empty.
    pub fn alone(
        advisory_locks: SessionLocks,
        embedder: Arc<dyn Embedder>,
        count_tokens: Arc<dyn Fn(&str) -> u32 + Send + Sync>,
    ) -> SessionContext {
        SessionContext {
            user: String::new(),
            database: String::new(),
            process_id: 0,
            settings: Settings::default(),
            notices: Arc::new(|_| {}),
            functions: Arc::default(),
            embedder,
            count_tokens,
            server_started_us: 0,
            advisory_locks,
            activity: SessionActivity::new(0, CancelToken::default()),
            sessions: Arc::default(),
            notifications: Default::default(),
            deferred: Default::default(),
            setting_changes: Default::default(),
            objects: Default::default(),
            random: Default::default(),
            sequences: Default::default(),
            has_temporary: Default::default(),
        }
    }

    pub fn setting(&self, name: &str) -> Option<String> {
        self.settings.read().get(name).cloned()
    }

    /// Schemas searched for unqualified names, `pg_catalog` first when not named: "$user", public, sinew by default.
    pub fn search_path(&self) -> Vec<String> {
        let text = self.setting("search_path").unwrap_or_else(|| "public, sinew".to_owned());
        let mut path: Vec<String> = Vec::new();
        for name in crate::settings::names_in_list(&text) {
            let name = if name == "$user" { self.user.clone() } else { name };
            if !name.is_empty() && !path.contains(&name) {
                path.push(name);
            }
        }
        if !path.iter().any(|name| name == "pg_catalog") {
            path.insert(0, "pg_catalog".to_owned());
        }
        let has_temporary = self.has_temporary.load(Ordering::Relaxed);
        match path.iter().position(|name| name == "pg_temp") {
            Some(at) if has_temporary => path[at] = self.temporary_schema(),
            Some(at) => drop(path.remove(at)),
            None if has_temporary => path.insert(0, self.temporary_schema()),
            None => {}
        }
        path
    }

    /// The schema of what ends with the session.
    pub fn temporary_schema(&self) -> String {
        format!("pg_temp_{}", self.process_id)
    }

    /// The schema that a name stands for: `pg_temp` is the session's own.
    pub fn schema_meant(&self, name: &str) -> String {
        if name == "pg_temp" { self.temporary_schema() } else { name.to_owned() }
    }

    pub fn notice(&self, message: impl Into<String>) {
        self.send_notice(Notice { severity: "NOTICE", sqlstate: "00000", message: message.into(), hint: None });
    }

    /// Sends a message to the client unless `client_min_messages` holds it back.
    pub fn send_notice(&self, notice: Notice) {
        let rank = match notice.severity {
            "WARNING" => 2,
            _ => 1,
        };
        let least = match self.setting("client_min_messages").as_deref() {
            Some("warning") => 2,
            Some("error") => 3,
            _ => 1,
        };
        if rank >= least {
            (self.notices)(notice);
        }
    }
}

/// What the executor needs to run a plan; cheap to clone.
#[derive(Clone)]
pub struct ExecContext {
    pub transaction: Arc<Transaction>,
    pub session: Arc<SessionContext>,
    /// Values of `$1…`, cast to the statement's parameter types.
    pub params: Arc<[Value]>,
    pub cancel: CancelToken,
    /// `now()`: start of the transaction; `statement_timestamp()`. Microseconds since 1970 UTC.
    pub transaction_time_us: i64,
    pub statement_time_us: i64,
    /// Memory one statement may hold before it fails with 53200, in bytes.
    pub memory_limit_bytes: usize,
    /// False inside `cypher()` in FROM and in read-only transactions: writes are 25006.
    pub allow_writes: bool,
}

/// What evaluating one expression needs.
#[derive(Clone, Copy)]
pub struct EvalContext<'a> {
    pub exec: &'a ExecContext,
}

impl<'a> EvalContext<'a> {
    pub fn new(exec: &'a ExecContext) -> EvalContext<'a> {
        EvalContext { exec }
    }
}

/// What binding a statement needs.
pub struct BindContext<'a> {
    pub transaction: &'a Transaction,
    pub session: &'a SessionContext,
    /// Declared parameter types; `Unknown` ones are inferred. Grows to the highest `$n` used.
    pub params: RwLock<Vec<DataType>>,
}
