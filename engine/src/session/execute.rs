//! Running prepared statements: locks, snapshot, restarts, cursors, COPY.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use sinew_query::activity::{ActivityState, Terminator};
use sinew_query::exec::{self, RowStream};
use sinew_query::statement::OutputColumn;
use sinew_query::{ExecContext, QueryError, QueryKind, Result, sqlstate};
use sinew_storage::catalog::TableDef;
use sinew_storage::{Isolation, RelationLock, Value};

use super::{Session, batch_of};
use crate::cursor::{CopyIn, CursorTag, Execution, RowCursor};
use crate::prepare::{PlannedKind, PlannedStatement, Prepared, bind_values, with_stack};
use crate::restart::Restart;
use crate::transaction::{TransactionStatus, now_us};

/// How long an autocommit write without rows is tried again after conflicts with concurrent commits.
const AUTOCOMMIT_RETRY_LIMIT: Duration = Duration::from_secs(10);
/// Longest pause between two tries.
const AUTOCOMMIT_PAUSE_LIMIT_US: u64 = 5_000;

impl Session {
    /// Starts a statement. Outside a block it runs in an implicit transaction that ends with [`Self::finish`] (or, in a
    /// pipeline, with [`Self::sync`]). After an error the caller calls [`Self::note_error`].
    pub fn execute(&mut self, prepared: &Prepared, params: Vec<Value>) -> Result<Execution> {
        self.execute_as(prepared, params, false)
    }

    /// As [`Self::execute`], for a result of which only a part is taken before other statements run: see
    /// [`Self::suspend`].
    pub fn execute_in_parts(&mut self, prepared: &Prepared, params: Vec<Value>) -> Result<Execution> {
        self.execute_as(prepared, params, true)
    }

    fn execute_as(&mut self, prepared: &Prepared, params: Vec<Value>, in_parts: bool) -> Result<Execution> {
        self.note_active(&prepared.text);
        let result = self.start(prepared, params, in_parts);
        if matches!(result, Err(_) | Ok(Execution::Command(_) | Execution::Empty)) {
            self.note_idle();
        }
        result
    }

    /// A suspended result is to be read on: from here on that counts as the session's statement.
    pub fn resume(&mut self, prepared: &Prepared) -> Result<()> {
        self.refuse_failed_block()?;
        self.note_active(&prepared.text);
        Ok(())
    }

    /// A statement of the client begins: earlier cancels are forgotten, its time runs.
    fn note_active(&mut self, text: &str) {
        if self.nested > 0 {
            return;
        }
        self.context.activity.begin(text, now_us());
        self.set_deadline();
    }

    fn set_deadline(&mut self) {
        if let Some(timeout) = self.current_settings().statement_timeout {
            self.cancel.set_deadline(Instant::now().checked_add(timeout));
        }
    }

    /// A statement of the client is planned, which takes a while when it is long: from here on a cancel request reaches it
    /// and its time runs.
    pub(crate) fn note_planning(&mut self) {
        if self.nested > 0 {
            return;
        }
        self.cancel.reset();
        self.set_deadline();
    }

    /// The client's statement has been answered; others see the session idle from now on.
    pub fn note_idle(&self) {
        if self.nested > 0 {
            return;
        }
        let state = match self.transaction_status() {
            TransactionStatus::Idle => ActivityState::Idle,
            TransactionStatus::InBlock => ActivityState::IdleInTransaction,
            TransactionStatus::Failed => ActivityState::IdleInFailedTransaction,
        };
        self.context.activity.end(state, now_us);
    }

    /// What others see of the session's client, and how they end its connection.
    pub fn set_client(&self, address: Option<SocketAddr>, terminator: Terminator) {
        self.context.activity.set_client(address);
        self.context.activity.set_terminator(terminator);
    }

    /// Starts a statement, of the client or on its behalf. `in_parts`: other statements may run before it ends.
    pub(crate) fn start(&mut self, prepared: &Prepared, params: Vec<Value>, in_parts: bool) -> Result<Execution> {
        self.database.inner.statement_count.fetch_add(1, Ordering::Relaxed);
        if let PlannedKind::Utility(utility) = &prepared.planned.kind {
            let utility = utility.clone();
            return self.run_utility(utility, params, &prepared.params, in_parts);
        }
        if matches!(prepared.planned.kind, PlannedKind::Empty) {
            return Ok(Execution::Empty);
        }
        self.begin_counting(&prepared.planned);
        let started = Instant::now();
        let mut pause_us = 100;
        loop {
            let alone = self.active.is_none() && !self.implicit_block && self.nested == 0;
            if self.nested == 0 {
                self.context.advisory_locks.mark_statement();
            }
            let result = with_stack(|| self.execute_planned(prepared, params.clone(), in_parts));
            match result {
                Err(error) if alone && started.elapsed() < AUTOCOMMIT_RETRY_LIMIT && self.may_retry(&error) => {
                    self.note_error();
                    self.context.advisory_locks.undo_statement();
                    self.cancel.check()?;
                    // Spread by the clock's low bits, so that those who lost together do not come back together.
                    std::thread::sleep(Duration::from_micros(pause_us / 2 + now_us() as u64 % pause_us));
                    pause_us = (pause_us * 2).min(AUTOCOMMIT_PAUSE_LIMIT_US);
                }
                result => return result,
            }
        }
    }

    fn execute_planned(&mut self, prepared: &Prepared, params: Vec<Value>, in_parts: bool) -> Result<Execution> {
        self.refuse_failed_block()?;
        let (planned, params, begun) = self.begin_planned(prepared, params)?;
        match &planned.kind {
            PlannedKind::Query { plan, kind } if plan.outside_transaction => {
                self.execute_outside(Arc::clone(plan), *kind, &params, planned.columns.clone())
            }
            PlannedKind::Query { plan, kind } => {
                let context = begun.ok_or_else(not_begun)?;
                let own_view = if in_parts { self.view_of_its_own(plan, &context) } else { None };
                let detached = own_view.is_some();
                let context = own_view.unwrap_or(context);
                let stream = self.guard(exec::execute(plan, context.clone()))?;
                let cursor = RowCursor {
                    columns: planned.columns.clone(),
                    stream,
                    context,
                    tag: CursorTag::Query(*kind),
                    open: true,
                    detached,
                    // What only reads a view of its own meets no rows that are newer.
                    restart: if detached { None } else { self.restart(plan) },
                    is_binary: false,
                };
                if planned.returns_rows { Ok(Execution::Rows(cursor)) } else { self.drain(cursor) }
            }
            PlannedKind::Explain { plan, options, planning } => {
                let context = begun.ok_or_else(not_begun)?;
                let lines = self.guard(exec::explain(plan, context.clone(), options, *planning))?;
                let rows = lines.into_iter().map(|line| vec![Value::from(line)]).collect();
                Ok(Execution::Rows(self.fixed_cursor(planned.columns.clone(), rows, context, "EXPLAIN", true)))
            }
            PlannedKind::Ddl(list) => {
                let list = list.clone();
                self.begin_statement(&params)?;
                let done = self.run_ddl(list);
                let tag = self.guard(done)?;
                if let Some(active) = &mut self.active {
                    active.ran_ddl = true;
                }
                self.end_statement()?;
                Ok(Execution::Command(tag))
            }
            PlannedKind::CreateTableAs { plan, table, on_commit, with_data } => {
                let context = begun.ok_or_else(not_begun)?;
                let done = self.create_table_as(plan, context, TableDef::clone(table), *on_commit, *with_data);
                let tag = self.guard(done)?;
                if let Some(active) = &mut self.active {
                    active.ran_ddl = true;
                }
                self.end_statement()?;
                Ok(Execution::Command(tag))
            }
            PlannedKind::CopyFrom { plan, target, options } => {
                let context = begun.ok_or_else(not_begun)?;
                Ok(Execution::CopyIn(CopyIn {
                    target: target.clone(),
                    options: options.clone(),
                    plan: Arc::clone(plan),
                    context,
                }))
            }
            PlannedKind::CopyTo { plan, options } => {
                let context = begun.ok_or_else(not_begun)?;
                let stream = self.guard(exec::execute(plan, context.clone()))?;
                let columns = planned.columns.clone();
                let restart = self.restart(plan);
                let tag = CursorTag::Copy;
                let cursor = RowCursor { open: true, restart, ..RowCursor::over(columns, stream, context, tag) };
                Ok(Execution::CopyOut(cursor, options.clone()))
            }
            PlannedKind::Extension(index) => {
                let handler = Arc::clone(&self.database.inner.handlers.read()[*index]);
                self.begin_statement(&params)?;
                let done = self.nested(|session| handler.execute(session, &prepared.text));
                let tag = self.guard(done)?;
                self.end_statement()?;
                Ok(Execution::Command(tag))
            }
            PlannedKind::Utility(_) | PlannedKind::Empty => {
                Err(QueryError::internal("a utility statement reached the planner's path"))
            }
        }
    }

    /// The statement's plan, its parameters and, when it reads or writes relations, its context: begun, with the relations
    /// locked and defined in its snapshot as they were when it was planned.
    fn begin_planned(
        &mut self,
        prepared: &Prepared,
        params: Vec<Value>,
    ) -> Result<(Arc<PlannedStatement>, Vec<Value>, Option<ExecContext>)> {
        loop {
            let planned = self.locked_plan(prepared)?;
            let bound = bind_values(&planned, prepared, params.clone())?;
            let Some(plan) = planned.plan().filter(|plan| !plan.outside_transaction) else {
                return Ok((planned, bound, None));
            };
            let context = self.begin_statement(&bound)?;
            if self.nested > 0 || plan.is_current(&context.transaction.catalog()) {
                return Ok((planned, bound, Some(context)));
            }
            // Somebody changed a definition before the locks were taken; now nobody can.
            context.transaction.abort_statement();
        }
    }

    /// The statement's plan with its relations locked. Who had to wait for a lock plans again: whoever held it may have
    /// changed the relation. Only then is the statement's snapshot taken.
    fn locked_plan(&mut self, prepared: &Prepared) -> Result<Arc<PlannedStatement>> {
        loop {
            let planned = self.replan_if_stale(prepared)?;
            if let PlannedKind::Ddl(list) = &planned.kind {
                // Before what depends on them is looked at: it may change while others hold them.
                let targets = crate::ddl::relations_to_lock(list);
                self.prepare_transaction();
                let transaction = Arc::clone(&self.ensure_transaction().transaction);
                let mut waited = false;
                for relation in targets {
                    let locked = transaction.lock_relation_waited(relation, RelationLock::AccessExclusive);
                    waited |= self.guard(locked.map_err(QueryError::from))?;
                }
                if waited {
                    continue;
                }
                return Ok(planned);
            }
            let Some(plan) = planned.plan().filter(|plan| !plan.outside_transaction) else { return Ok(planned) };
            self.prepare_transaction();
            let transaction = Arc::clone(&self.ensure_transaction().transaction);
            let locked = plan.lock_relations(&transaction);
            if !self.guard(locked)? {
                return Ok(planned);
            }
        }
    }

    /// A procedure that commits on its own: the session's transaction must hold nothing. What the run waits for while it
    /// keeps the session waiting would never come, and the lock table knows nothing of that wait.
    fn execute_outside(
        &mut self,
        plan: Arc<exec::PreparedPlan>,
        kind: QueryKind,
        params: &[Value],
        columns: Vec<OutputColumn>,
    ) -> Result<Execution> {
        let read_only = match &self.active {
            Some(active) => active.read_only,
            None => self.current_settings().read_only,
        };
        if let Some(active) = &self.active
            && active.transaction.isolation() != sinew_storage::Isolation::ReadCommitted
        {
            return Err(QueryError::new(
                sqlstate::ACTIVE_SQL_TRANSACTION,
                "an agent run commits on its own, so it cannot start in a transaction that keeps one snapshot",
            )
            .hint("use READ COMMITTED, autocommit mode, or enqueue_agent(…)"));
        }
        if let Some(active) = &self.active
            && (active.transaction.has_writes()
                || active.transaction.holds_locks_beyond_reading()
                || self.has_open_cursors())
        {
            return Err(QueryError::new(
                sqlstate::ACTIVE_SQL_TRANSACTION,
                "an agent run commits on its own, so it cannot start in a transaction with uncommitted work or locks",
            )
            .hint("use enqueue_agent(…) to make the run part of this transaction, or run it in autocommit mode"));
        }
        let passing = Arc::new(self.begin_transaction(Isolation::default()));
        let context = self.exec_context(passing, params, !read_only);
        let stream = exec::execute(&plan, context.clone())?;
        let tag = CursorTag::Query(kind);
        Ok(Execution::Rows(RowCursor::over(columns, stream, context, tag)))
    }

    /// The context for a query that is to go on while other statements of the transaction run. None when it cannot: it
    /// writes, locks rows, or the transaction has writes, of which those that follow were seen too.
    fn view_of_its_own(&self, plan: &exec::PreparedPlan, context: &ExecContext) -> Option<ExecContext> {
        if plan.writes || plan.locks_rows || self.nested > 0 {
            return None;
        }
        let reader = context.transaction.reader()?;
        Some(ExecContext { transaction: Arc::new(reader), ..context.clone() })
    }

    /// How a statement starts over; inside another statement that is for the outer one to say.
    fn restart(&self, plan: &Arc<exec::PreparedPlan>) -> Option<Restart> {
        (self.nested == 0).then(|| Restart::new(plan, &self.context))
    }

    /// Runs a statement without result columns to its end, and commits it when it stands alone.
    fn drain(&mut self, mut cursor: RowCursor) -> Result<Execution> {
        loop {
            match cursor.next_batch() {
                Ok(Some(_)) => {}
                Ok(None) => break,
                Err(error) => {
                    self.fail(cursor);
                    return Err(error);
                }
            }
        }
        self.finish(cursor, 0).map(Execution::Command)
    }

    pub(crate) fn fixed_cursor(
        &self,
        columns: Vec<OutputColumn>,
        rows: Vec<Vec<Value>>,
        context: ExecContext,
        tag: &'static str,
        open: bool,
    ) -> RowCursor {
        let stream = Box::new(crate::cursor::Collected {
            batches: batch_of(&columns, rows).into_iter().collect(),
            rows_affected: 0,
        });
        RowCursor { open, ..RowCursor::over(columns, stream, context, CursorTag::Fixed(tag)) }
    }

    /// Ends a cursor: completes the statement, commits an implicit transaction unless more statements of the same
    /// message follow (see [`Self::begin_implicit_block`]), and gives the tag.
    pub fn finish(&mut self, cursor: RowCursor, rows_sent: u64) -> Result<String> {
        let tag = self.complete(cursor, rows_sent);
        self.note_idle();
        tag
    }

    /// As [`Self::finish`] while the client's statement goes on.
    pub(crate) fn complete(&mut self, cursor: RowCursor, rows_sent: u64) -> Result<String> {
        let affected = cursor.stream.rows_affected();
        let tag = match cursor.tag {
            CursorTag::Query(QueryKind::Insert) => format!("INSERT 0 {affected}"),
            CursorTag::Query(QueryKind::Update) => format!("UPDATE {affected}"),
            CursorTag::Query(QueryKind::Delete) => format!("DELETE {affected}"),
            CursorTag::Query(QueryKind::Call) => "CALL".to_owned(),
            CursorTag::Query(QueryKind::CypherWrite) if cursor.columns.is_empty() => "CYPHER".to_owned(),
            CursorTag::Query(_) => format!("SELECT {rows_sent}"),
            CursorTag::Copy => format!("COPY {rows_sent}"),
            CursorTag::Fetch => format!("FETCH {rows_sent}"),
            CursorTag::Fixed(tag) => tag.to_owned(),
        };
        let rows = match cursor.tag {
            CursorTag::Query(QueryKind::Insert | QueryKind::Update | QueryKind::Delete) => affected,
            _ => rows_sent,
        };
        let open = cursor.open;
        drop(cursor);
        if open {
            self.end_statement()?;
        }
        self.end_counting(rows);
        Ok(tag)
    }

    /// Ends a statement that failed while its cursor ran: rolls back its layer, or fails the block.
    pub fn fail(&mut self, cursor: RowCursor) {
        let open = cursor.open;
        drop(cursor);
        if open {
            self.abort_statement();
        }
        self.note_idle();
    }

    /// Ends the cursor's statement, so that other statements may run before the rest of its rows is taken. A result that
    /// was not begun by [`Self::execute_in_parts`], or that must not see what they do, is collected: 53200 above the
    /// statement's memory limit.
    pub fn suspend(&mut self, cursor: &mut RowCursor) -> Result<()> {
        if cursor.tag == CursorTag::Fetch {
            // Other statements may fetch from the same cursor.
            cursor.collect(None)?;
        }
        if cursor.open {
            if !cursor.detached {
                cursor.collect(None)?;
            }
            cursor.open = false;
            // The transaction itself goes on until Sync or COMMIT.
            if let Some(active) = &self.active {
                let finished = active.transaction.finish_statement().map_err(QueryError::from);
                self.guard(finished)?;
            }
        }
        Ok(())
    }

    /// Feeds COPY FROM: consumes the rows of `source` (columns as `copy.columns`, already decoded), gives the tag.
    pub fn copy_from(&mut self, copy: CopyIn, source: Box<dyn RowStream>) -> Result<String> {
        let CopyIn { plan, context, .. } = copy;
        let run = || -> Result<u64> {
            let mut stream = exec::execute_supplied(&plan, context, source)?;
            while stream.next_batch()?.is_some() {}
            Ok(stream.rows_affected())
        };
        let result = match run() {
            Ok(rows) => self.end_statement().map(|()| format!("COPY {rows}")),
            Err(error) => {
                self.abort_statement();
                Err(error)
            }
        };
        self.note_idle();
        result
    }

    /// The client gave up on COPY FROM.
    pub fn abort_copy(&mut self, copy: CopyIn) {
        drop(copy);
        self.abort_statement();
        self.note_idle();
    }
}

fn not_begun() -> QueryError {
    QueryError::internal("a plan was not begun")
}
