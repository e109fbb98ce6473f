//! A session: settings, the current transaction, prepared plans. All calls block; servers run them on a pool.

mod counted;
mod current;
mod execute;
mod short;

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::RwLock;
use sinew_query::activity::SessionActivity;
use sinew_query::cypher::NamedParameters;
use sinew_query::notification::{Notification, NotificationWaker, SessionNotifications};
use sinew_query::settings::{self, Settings};
use sinew_query::statement::OutputColumn;
use sinew_query::statement_statistics::Fingerprint;
use sinew_query::{Batch, EvalContext, ExecContext, Notice, NoticeSink, QueryError, Result, SessionContext, sqlstate};
use sinew_storage::{CancelToken, DataType, Isolation, SessionLocks, StorageError, Transaction, Value};

use crate::Database;
use crate::cursor::{Execution, QueryResult};
use crate::prepare::{Prepared, reads_graph};
use crate::session_statement::SessionStatement;
use crate::sql_cursor::SqlCursor;
use crate::statement::{StatementText, split};
use crate::temporary::OnCommitActions;
use crate::transaction::{ActiveTransaction, TransactionStatus, now_us};
use crate::utility::Utility;
pub(crate) use current::CurrentSettings;
pub use short::ShortStatement;

/// One connection's state. Send, not Sync: one statement at a time. Dropping it rolls back.
pub struct Session {
    pub(crate) database: Database,
    pub(crate) context: Arc<SessionContext>,
    notices: Arc<RwLock<NoticeSink>>,
    pub(crate) active: Option<ActiveTransaction>,
    /// Statements until Sync share one implicit transaction.
    pub(crate) implicit_block: bool,
    /// Above 0 while a statement handler runs statements inside its own.
    nested: u32,
    /// The last commit lost against a concurrent one.
    lost_at_commit: bool,
    cancel: CancelToken,
    /// The client's statement that runs and is counted.
    running: Option<(Arc<Fingerprint>, Instant)>,
    /// As counted statements name it.
    counted_user: Arc<str>,
    pub(crate) statements: HashMap<String, SessionStatement>,
    /// Counts statements that were deallocated: see [`Self::statement_removals`].
    pub(crate) statement_removals: u64,
    pub(crate) cursors: BTreeMap<String, SqlCursor>,
    /// Cursors declared so far.
    pub(crate) cursor_count: u64,
    pub(crate) on_commit: OnCommitActions,
    reported: BTreeMap<&'static str, String>,
    /// Of the settings as they were last reported.
    reported_version: u64,
    current: CurrentSettings,
    /// The context's user, for keys.
    pub(crate) user: Arc<str>,
    pub(crate) no_names: Arc<NamedParameters>,
}

impl Session {
    /// The type with this oid, as the session's transaction or, outside of one, the latest commit knows it.
    pub fn type_by_oid(&self, oid: u32) -> Option<sinew_storage::DataType> {
        sinew_query::types::type_from_oid(oid).or_else(|| {
            let catalog = match &self.active {
                Some(active) => active.transaction.catalog(),
                None => self.database.inner.store.begin(Default::default()).catalog(),
            };
            sinew_query::types::type_by_oid(&catalog, oid)
        })
    }

    pub(crate) fn new(database: Database, user: &str, process_id: i32) -> Session {
        let notices: Arc<RwLock<NoticeSink>> = Arc::new(RwLock::new(Arc::new(|_: Notice| {})));
        let sink = Arc::clone(&notices);
        let cancel = CancelToken::default();
        let mut values = settings::initial(user);
        values.extend(database.inner.server_settings.read().clone());
        let context = Arc::new(SessionContext {
            user: user.to_owned(),
            database: "sinew".to_owned(),
            process_id,
            settings: Settings::new(values),
            notices: Arc::new(move |notice| {
                let sink = Arc::clone(&sink.read());
                sink(notice);
            }),
            functions: database.functions(),
            server_started_us: database.inner.started_us,
            activity: SessionActivity::new(now_us(), cancel.clone()),
            sessions: Arc::clone(&database.inner.sessions),
            notifications: SessionNotifications::new(Arc::clone(&database.inner.notifications), process_id),
            ..SessionContext::alone(
                SessionLocks::new(&database.inner.store, process_id),
                database.embedder(),
                Arc::new(count_tokens),
            )
        });
        context.sessions.register(&context);
        let current = CurrentSettings::of(&context);
        Session {
            database,
            context,
            notices,
            active: None,
            implicit_block: false,
            nested: 0,
            lost_at_commit: false,
            cancel,
            running: None,
            counted_user: user.into(),
            statements: HashMap::new(),
            statement_removals: 0,
            cursors: BTreeMap::new(),
            cursor_count: 0,
            on_commit: OnCommitActions::new(),
            reported: BTreeMap::new(),
            reported_version: 0,
            current,
            user: user.into(),
            no_names: Arc::default(),
        }
    }

    pub fn database(&self) -> &Database {
        &self.database
    }

    /// Runs one or more statements and collects the last result. `$1…` are `params` (one statement only then).
    pub fn query(&mut self, text: &str, params: &[Value]) -> Result<QueryResult> {
        self.query_with(text, params, &NamedParameters::default())
    }

    /// Runs one Cypher statement with named parameters (`$name`).
    pub fn query_named(&mut self, text: &str, params: &[(&str, Value)]) -> Result<QueryResult> {
        let named = params.iter().map(|(name, value)| (Arc::from(*name), DataType::Any, Some(value.clone()))).collect();
        self.query_with(text, &[], &NamedParameters(named))
    }

    fn query_with(&mut self, text: &str, params: &[Value], named: &NamedParameters) -> Result<QueryResult> {
        let statements = split(text);
        if statements.len() > 1 && !params.is_empty() {
            return Err(QueryError::syntax("cannot insert multiple commands into a prepared statement", None));
        }
        let named = Arc::new(named.clone());
        let several = statements.len() > 1 && self.nested == 0;
        if several {
            self.begin_implicit_block();
        }
        let mut result = QueryResult::default();
        for statement in statements {
            match self.run_one(&statement.text, params, &named) {
                Ok(one) => result = one,
                Err(mut error) => {
                    if self.nested == 0 {
                        self.note_error();
                    }
                    self.note_idle();
                    error.0.position = error.0.position.map(|position| position + statement.offset_chars);
                    return Err(error);
                }
            }
        }
        if several {
            self.sync()?;
        }
        self.note_idle();
        Ok(result)
    }

    fn run_one(&mut self, text: &str, params: &[Value], named: &Arc<NamedParameters>) -> Result<QueryResult> {
        let types: Vec<DataType> = params.iter().map(natural_type).collect();
        // Cypher infers less than SQL: its parameters take their values' types from the start.
        let declared = if reads_graph(text) { &types[..] } else { &[] };
        let mut prepared = match self.prepare_named(text, declared, Arc::clone(named)) {
            Ok(prepared) => prepared,
            // A parameter whose type the statement leaves open takes its value's.
            Err(error) if error.sqlstate() == sqlstate::INDETERMINATE_DATATYPE && !params.is_empty() => {
                self.prepare_named(text, &types, Arc::clone(named))?
            }
            Err(error) => return Err(error),
        };
        prepared.may_change = true;
        let params = self.coerce_params(&prepared, params, &types)?;
        match self.execute(&prepared, params)? {
            Execution::Rows(mut cursor) | Execution::CopyOut(mut cursor, _) => {
                let mut rows = Vec::new();
                loop {
                    match cursor.next_batch() {
                        Ok(Some(batch)) => rows.extend((0..batch.row_count).map(|row| batch.row(row))),
                        Ok(None) => break,
                        Err(error) => {
                            self.fail(cursor);
                            return Err(error);
                        }
                    }
                }
                let columns = cursor.columns.clone();
                let tag = self.finish(cursor, rows.len() as u64)?;
                Ok(QueryResult { columns, rows, tag })
            }
            Execution::Command(tag) => Ok(QueryResult { tag, ..QueryResult::default() }),
            Execution::CopyIn(copy) => {
                self.abort_copy(copy);
                Err(QueryError::unsupported("COPY FROM STDIN through this call").hint("use copy_from"))
            }
            Execution::Empty => Ok(QueryResult::default()),
        }
    }

    /// Casts values given through the embedded API to the statement's parameter types.
    fn coerce_params(&mut self, prepared: &Prepared, params: &[Value], types: &[DataType]) -> Result<Vec<Value>> {
        if params.is_empty() {
            return Ok(Vec::new());
        }
        let passing = self.database.inner.store.begin(Default::default());
        let context = self.exec_context(Arc::new(passing), &[], true);
        let eval = EvalContext::new(&context);
        params
            .iter()
            .zip(types)
            .enumerate()
            .map(|(i, (value, from))| match prepared.params.get(i) {
                Some(to) if !value.is_null() && !to.same_base(from) && *to != DataType::Any => {
                    sinew_query::functions::cast_value(&eval, value, from, to, true)
                }
                _ => Ok(value.clone()),
            })
            .collect()
    }

    /// A whole result as text cells, as psql would show them (None: NULL).
    pub fn query_text(&mut self, text: &str, params: &[Value]) -> Result<Vec<Vec<Option<String>>>> {
        let result = self.query(text, params)?;
        let transaction = match &self.active {
            Some(active) => Arc::clone(&active.transaction),
            None => Arc::new(self.database.inner.store.begin(Default::default())),
        };
        let context = self.exec_context(transaction, &[], false);
        let eval = EvalContext::new(&context);
        let cell = |value: &Value, column: &OutputColumn| match value {
            Value::Null => Ok(None),
            value => sinew_query::types::to_text(&eval, value, &column.ty).map(Some),
        };
        result
            .rows
            .iter()
            .map(|row| row.iter().zip(&result.columns).map(|(value, column)| cell(value, column)).collect())
            .collect()
    }

    /// Splits a message into statements. Never fails: an unterminated literal ends with the message.
    pub fn split(&self, text: &str) -> Vec<StatementText> {
        split(text)
    }

    /// From here until [`Self::sync`], statements outside a block share one implicit transaction (multi-statement simple
    /// query, extended-protocol pipeline).
    pub fn begin_implicit_block(&mut self) {
        self.implicit_block = true;
    }

    /// Sync: commits (or rolls back after an error) the implicit transaction.
    pub fn sync(&mut self) -> Result<()> {
        self.implicit_block = false;
        match &self.active {
            Some(active) if !active.explicit => {
                if active.failed {
                    self.rollback_transaction();
                    Ok(())
                } else {
                    self.commit_transaction()
                }
            }
            _ => Ok(()),
        }
    }

    /// After an error: rolls back the implicit transaction, or marks the block failed.
    pub fn note_error(&mut self) {
        match &mut self.active {
            Some(active) if active.explicit => active.fail(),
            Some(_) => self.rollback_transaction(),
            None => {}
        }
    }

    pub fn transaction_status(&self) -> TransactionStatus {
        match &self.active {
            Some(active) if active.failed => TransactionStatus::Failed,
            Some(active) if active.explicit => TransactionStatus::InBlock,
            _ => TransactionStatus::Idle,
        }
    }

    /// Token of the running statement; cancel it from any thread. The same for the whole session: a cancel that
    /// arrives between statements is forgotten.
    pub fn cancel_token(&self) -> CancelToken {
        self.cancel.clone()
    }

    /// Replaces the sink of notices.
    pub fn set_notice_sink(&mut self, sink: NoticeSink) {
        *self.notices.write() = sink;
    }

    /// A setting of the client's startup message: RESET goes back to it. Checked as SET does.
    pub fn start_with(&mut self, name: &str, value: &str) -> Result<()> {
        self.context.start_with_setting(name, value)
    }

    /// Sets a session setting, checked as SET does.
    pub fn set(&mut self, name: &str, value: &str) -> Result<()> {
        self.run_utility(
            Utility::Set { name: name.to_owned(), value: Some(value.to_owned()), local: false },
            Vec::new(),
            &[],
            false,
        )
        .map(|_| ())
    }

    pub fn setting(&self, name: &str) -> Option<String> {
        self.context.setting(&name.to_lowercase())
    }

    /// Settings to report by ParameterStatus that changed since the last call: (name, value). The first call gives all.
    pub fn take_changed_parameters(&mut self) -> Vec<(String, String)> {
        let mut changed = Vec::new();
        let version = self.context.settings.version();
        if std::mem::replace(&mut self.reported_version, version) == version {
            return changed;
        }
        for setting in settings::SETTINGS.iter().filter(|setting| setting.reported) {
            let value = self.context.setting(&setting.name.to_lowercase()).unwrap_or_default();
            if self.reported.get(setting.name) != Some(&value) {
                changed.push((setting.name.to_owned(), value.clone()));
                self.reported.insert(setting.name, value);
            }
        }
        changed
    }

    /// Notifications that are due, oldest first, about `limit_bytes` of them. None while a transaction is open.
    pub fn take_notifications(&mut self, limit_bytes: usize) -> Vec<Notification> {
        match self.active {
            Some(_) => Vec::new(),
            None => self.context.notifications.take(limit_bytes),
        }
    }

    /// Calls `waker`, from any thread, when there is something to take.
    pub fn set_notification_waker(&self, waker: NotificationWaker) {
        self.context.notifications.set_waker(waker);
    }

    pub fn context(&self) -> Arc<SessionContext> {
        Arc::clone(&self.context)
    }

    /// The transaction that statements of a handler run in.
    pub fn current_transaction(&self) -> Option<Arc<sinew_storage::Transaction>> {
        self.active.as_ref().map(|active| Arc::clone(&active.transaction))
    }

    // Statement and transaction boundaries.

    /// The statement lost against a concurrent commit, and another try may succeed: a write conflict, or a unique key
    /// that was taken between the statement and its commit (the next try meets that row in the statement itself).
    fn may_retry(&mut self, error: &QueryError) -> bool {
        let lost_at_commit = std::mem::take(&mut self.lost_at_commit);
        error.sqlstate() == sqlstate::SERIALIZATION_FAILURE
            || lost_at_commit && error.sqlstate() == sqlstate::UNIQUE_VIOLATION
    }

    pub(crate) fn refuse_failed_block(&self) -> Result<()> {
        match &self.active {
            Some(active) if active.failed => Err(QueryError::new(
                sqlstate::IN_FAILED_SQL_TRANSACTION,
                "current transaction is aborted, commands ignored until end of transaction block",
            )),
            _ => Ok(()),
        }
    }

    pub(crate) fn exec_context(
        &self,
        transaction: Arc<sinew_storage::Transaction>,
        params: &[Value],
        allow_writes: bool,
    ) -> ExecContext {
        let statement_time_us = now_us();
        ExecContext {
            transaction,
            session: Arc::clone(&self.context),
            params: params.into(),
            cancel: self.cancel.clone(),
            transaction_time_us: self.active.as_ref().map_or(statement_time_us, |active| active.started_us),
            statement_time_us,
            memory_limit_bytes: self.database.inner.statement_memory_bytes,
            allow_writes,
        }
    }

    /// A transaction that shows this session's process id in its locks and does not wait for the session's own.
    pub(crate) fn begin_transaction(&self, isolation: Isolation) -> Transaction {
        let transaction = self.database.inner.store.begin(isolation);
        transaction.set_session(self.context.process_id);
        transaction
    }

    /// The session's transaction, begun if there is none.
    pub(crate) fn ensure_transaction(&mut self) -> &mut ActiveTransaction {
        if self.active.is_none() {
            let CurrentSettings { isolation, read_only, deferrable, .. } = *self.current_settings();
            let transaction = self.begin_transaction(isolation);
            self.enter(ActiveTransaction::new(transaction, false, read_only, deferrable));
        }
        self.active.as_mut().expect("the transaction was begun above")
    }

    /// The session's transaction from now on.
    pub(crate) fn enter(&mut self, active: ActiveTransaction) {
        self.context.activity.set_transaction_start(Some(active.started_us));
        self.active = Some(active);
    }

    /// How long the session may be silent, inside a transaction or outside; None without a limit.
    pub fn idle_timeout(&mut self) -> Option<Duration> {
        match self.transaction_status() {
            TransactionStatus::Idle => self.current_settings().idle_session_timeout,
            _ => self.current_settings().idle_in_transaction_timeout,
        }
    }

    /// What the settings say now.
    pub(crate) fn current_settings(&mut self) -> &CurrentSettings {
        if !self.current.is_current(&self.context) {
            self.current = CurrentSettings::of(&self.context);
        }
        &self.current
    }

    /// Gives the transaction, begun if there is none, what ends the statement's waits.
    fn prepare_transaction(&mut self) {
        if self.nested > 0 {
            return;
        }
        let token = self.cancel.clone();
        let lock_timeout = self.current_settings().lock_timeout;
        let transaction = &self.ensure_transaction().transaction;
        transaction.set_lock_timeout(lock_timeout);
        transaction.set_cancel_token(token);
    }

    pub(crate) fn begin_statement(&mut self, params: &[Value]) -> Result<ExecContext> {
        let nested = self.nested > 0;
        self.prepare_transaction();
        let active = self.ensure_transaction();
        let read_only = active.read_only;
        active.used = true;
        let transaction = Arc::clone(&active.transaction);
        if !nested {
            transaction.begin_statement()?;
        }
        Ok(self.exec_context(transaction, params, !read_only))
    }

    /// Passes a result on; an error ends the statement first.
    pub(crate) fn guard<T>(&mut self, result: Result<T>) -> Result<T> {
        if result.is_err() {
            self.abort_statement();
        }
        result
    }

    pub(crate) fn end_statement(&mut self) -> Result<()> {
        if self.nested > 0 {
            return Ok(());
        }
        let Some(active) = &self.active else { return Ok(()) };
        let is_block = active.explicit || self.implicit_block;
        let finished = active.transaction.finish_statement().map_err(QueryError::from);
        self.guard(finished)?;
        if is_block { Ok(()) } else { self.commit_transaction() }
    }

    pub(crate) fn abort_statement(&mut self) {
        if self.nested > 0 {
            return;
        }
        if let Some(active) = &mut self.active {
            active.transaction.abort_statement();
            if active.explicit || self.implicit_block {
                active.fail();
            } else {
                self.rollback_transaction();
            }
        }
    }

    pub(crate) fn commit_transaction(&mut self) -> Result<()> {
        let last = self.check_deferred_constraints().and_then(|()| self.collect_held_cursors());
        if let Err(error) = last.and_then(|()| self.run_on_commit()) {
            self.rollback_transaction();
            return Err(error);
        }
        let context = Arc::clone(&self.context);
        let announcement = match context.notifications.prepare_commit() {
            Ok(announcement) => announcement,
            Err(error) => {
                self.rollback_transaction();
                return Err(error);
            }
        };
        // SET LOCAL counts: it ends only behind the commit. Whatever waits less than for the disk here waits for it.
        let asynchronous = self.current_settings().asynchronous_commit;
        let Some(active) = self.active.take() else { return Ok(()) };
        // What others are told of is durable.
        active.transaction.set_synchronous_commit(!asynchronous || announcement.is_some());
        let result = active.commit();
        let committed = result.is_ok();
        match announcement {
            Some(announcement) if committed => announcement.publish(),
            _ => context.notifications.discard(),
        }
        self.context.activity.set_transaction_start(None);
        self.end_cursors(committed);
        context.deferred.discard();
        self.lost_at_commit = !committed;
        context.settle_settings(committed);
        result.map(|_| ())
    }

    pub(crate) fn rollback_transaction(&mut self) {
        self.end_cursors(false);
        self.context.notifications.discard();
        self.context.deferred.discard();
        let Some(active) = self.active.take() else { return };
        self.context.activity.set_transaction_start(None);
        self.context.settle_settings(false);
        // A cursor that is still held elsewhere keeps the transaction readable; dropping the last one rolls back.
        if let Ok(transaction) = Arc::try_unwrap(active.transaction) {
            transaction.rollback();
        }
    }

    /// Runs statements inside the current one: they neither begin nor end anything.
    pub(crate) fn nested<T>(&mut self, run: impl FnOnce(&mut Session) -> T) -> T {
        self.nested += 1;
        let result = run(self);
        self.nested -= 1;
        result
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        self.context.sessions.unregister(self.context.process_id);
        self.rollback_transaction();
        self.cursors.clear();
        self.drop_temporary();
        // The context may outlive the session in cursors and sinks.
        self.context.advisory_locks.unlock_all();
        self.context.notifications.close();
    }
}

/// One batch of rows, or none.
pub(crate) fn batch_of(columns: &[OutputColumn], rows: Vec<Vec<Value>>) -> Option<Batch> {
    if rows.is_empty() {
        return None;
    }
    let row_count = rows.len();
    let mut by_column: Vec<Vec<Value>> = columns.iter().map(|_| Vec::with_capacity(row_count)).collect();
    for row in rows {
        for (column, value) in by_column.iter_mut().zip(row) {
            column.push(value);
        }
    }
    let columns = columns
        .iter()
        .zip(by_column)
        .map(|(column, values)| sinew_query::Column::from_values(&column.ty, values))
        .collect();
    Some(Batch::new(columns, row_count))
}

/// The SQL type a bare value stands for: Unknown for NULL, Any for Cypher's kinds.
fn natural_type(value: &Value) -> DataType {
    let open = if value.is_null() { DataType::Unknown } else { DataType::Any };
    sinew_query::types::natural_type(value).unwrap_or(open)
}

/// Tokens as the o200k vocabulary counts them.
fn count_tokens(text: &str) -> u32 {
    u32::try_from(bpe_openai::o200k_base().count(text)).unwrap_or(u32::MAX)
}

/// The error of an operation on storage, as the session reports it.
impl Session {
    pub(crate) fn savepoint_outside_block(&self, what: &str) -> Result<()> {
        match &self.active {
            Some(active) if active.explicit => Ok(()),
            _ => Err(QueryError::new(
                sqlstate::NO_ACTIVE_SQL_TRANSACTION,
                format!("{what} can only be used in transaction blocks"),
            )),
        }
    }

    pub(crate) fn storage<T>(result: Result<T, StorageError>) -> Result<T> {
        result.map_err(QueryError::from)
    }
}
