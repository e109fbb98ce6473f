//! Cursors of DECLARE: a query that goes on while other statements of the transaction run.
//!
//! A cursor shows what its query saw when it was declared, and nothing later, the transaction's own writes included. A
//! query of a transaction that has written nothing reads through a view of its own ([`sinew_storage::Transaction::reader`])
//! and is pulled as its rows are fetched. What cannot be read that way (the transaction has writes, the query locks rows)
//! is collected when it is declared, within the statement's memory limit. So is the rest of a cursor WITH HOLD when its
//! transaction commits.

use std::sync::Arc;

use parking_lot::Mutex;
use sinew_query::exec::RowStream;
use sinew_query::statement::OutputColumn;
use sinew_query::{Batch, ExecContext, QueryError, Result, sqlstate};
use sinew_storage::{DataType, Value};

use crate::cursor::{CursorTag, Execution};
use crate::prepare::with_stack;
use crate::{RowCursor, Session};

/// A cursor that DECLARE made.
pub(crate) struct SqlCursor {
    pub columns: Vec<OutputColumn>,
    /// WITH HOLD.
    hold: bool,
    /// Its transaction has committed: the rows are collected and belong to the session.
    pub held: bool,
    rows: Arc<Mutex<CursorRows>>,
}

/// What is left of a cursor; shared with the FETCH that is under way.
struct CursorRows {
    cursor: RowCursor,
    /// Of a batch of which only the first rows were wanted.
    rest: Option<Batch>,
}

impl CursorRows {
    /// The next rows, at most `limit` of them. None at the end.
    fn next_batch(&mut self, limit: Option<u64>) -> Result<Option<Batch>> {
        let batch = match self.rest.take() {
            Some(rest) => rest,
            None => match self.cursor.next_batch()? {
                Some(batch) => batch,
                None => return Ok(None),
            },
        };
        match limit.and_then(|limit| usize::try_from(limit).ok()) {
            Some(limit) if limit < batch.row_count => {
                self.rest = Some(batch.slice(limit, batch.row_count - limit));
                Ok(Some(batch.slice(0, limit)))
            }
            _ => Ok(Some(batch)),
        }
    }

    fn collect(&mut self) -> Result<()> {
        self.cursor.collect(self.rest.take())
    }
}

/// The rows that one FETCH asks for.
struct Fetch {
    rows: Arc<Mutex<CursorRows>>,
    /// None: all.
    left: Option<u64>,
}

impl RowStream for Fetch {
    fn next_batch(&mut self) -> Result<Option<Batch>> {
        if self.left == Some(0) {
            return Ok(None);
        }
        let batch = self.rows.lock().next_batch(self.left)?;
        if let (Some(batch), Some(left)) = (&batch, &mut self.left) {
            *left = left.saturating_sub(batch.row_count as u64);
        }
        Ok(batch)
    }
}

fn not_a_query() -> QueryError {
    QueryError::syntax("a cursor needs a query that returns rows", None)
}

impl Session {
    /// `params` are the values of the query's parameters, which have these types.
    pub(crate) fn declare(
        &mut self,
        name: String,
        hold: bool,
        query: (&str, usize),
        params: Vec<Value>,
        types: &[DataType],
    ) -> Result<()> {
        if !hold {
            self.savepoint_outside_block("DECLARE CURSOR")?;
        }
        if self.cursors.contains_key(&name) {
            return Err(QueryError::new("42P03", format!("cursor \"{name}\" already exists")));
        }
        let (text, offset_chars) = query;
        let shift = |mut error: QueryError| {
            error.0.position = error.0.position.map(|position| position + offset_chars);
            error
        };
        let prepared = self.prepare(text, types).map_err(shift)?;
        if !prepared.returns_rows {
            return Err(not_a_query());
        }
        let Execution::Rows(mut cursor) = self.start(&prepared, params, true).map_err(shift)? else {
            return Err(not_a_query());
        };
        if !cursor.open {
            self.fail(cursor);
            return Err(QueryError::unsupported("a cursor over this statement"));
        }
        if let Err(error) = self.suspend(&mut cursor) {
            self.fail(cursor);
            return Err(shift(error));
        }
        let columns = cursor.columns.clone();
        let rows = Arc::new(Mutex::new(CursorRows { cursor, rest: None }));
        self.cursors.insert(name, SqlCursor { columns, hold, held: false, rows });
        match &self.active {
            Some(active) if !active.explicit && !self.implicit_block => self.commit_transaction(),
            _ => Ok(()),
        }
    }

    /// FETCH, or MOVE with `skip`, of `count` rows (None: of all).
    pub(crate) fn fetch(&mut self, count: Option<u64>, name: &str, skip: bool) -> Result<Execution> {
        let cursor = self.cursor(name)?;
        let (columns, held) = (cursor.columns.clone(), cursor.held);
        let mut fetch = Fetch { rows: Arc::clone(&cursor.rows), left: count };
        if skip {
            let mut moved = 0;
            while let Some(batch) = with_stack(|| fetch.next_batch())? {
                moved += batch.row_count as u64;
            }
            return Ok(Execution::Command(format!("MOVE {moved}")));
        }
        // The transaction of a held cursor is no more.
        let context = if held { self.passing_context() } else { self.cursor_context(&fetch) };
        let stream = Box::new(fetch);
        Ok(Execution::Rows(RowCursor::over(columns, stream, context, CursorTag::Fetch)))
    }

    fn cursor_context(&self, fetch: &Fetch) -> ExecContext {
        fetch.rows.lock().cursor.context.clone()
    }

    fn cursor(&self, name: &str) -> Result<&SqlCursor> {
        self.cursors
            .get(name)
            .ok_or_else(|| QueryError::new(sqlstate::INVALID_CURSOR_NAME, format!("cursor \"{name}\" does not exist")))
    }

    /// The columns of a cursor that DECLARE made; 34000 when there is none of that name.
    pub fn cursor_columns(&self, name: &str) -> Result<Vec<OutputColumn>> {
        self.cursor(name).map(|cursor| cursor.columns.clone())
    }

    /// True when a cursor reads the current transaction.
    pub(crate) fn has_open_cursors(&self) -> bool {
        self.cursors.values().any(|cursor| !cursor.held)
    }

    /// The transaction is about to commit: cursors WITH HOLD take what they still need, all others are closed. 53200 when
    /// that is more than the statement's memory limit.
    pub(crate) fn collect_held_cursors(&mut self) -> Result<()> {
        self.cursors.retain(|_, cursor| cursor.hold);
        if !self.has_open_cursors() {
            return Ok(());
        }
        let context = self.passing_context();
        for cursor in self.cursors.values().filter(|cursor| !cursor.held) {
            let mut rows = cursor.rows.lock();
            rows.collect()?;
            rows.cursor.context = context.clone();
        }
        Ok(())
    }

    /// The transaction has ended: its cursors go with it, unless they were to be held and it committed.
    pub(crate) fn end_cursors(&mut self, committed: bool) {
        if committed {
            for cursor in self.cursors.values_mut() {
                cursor.held = true;
            }
        } else {
            self.cursors.retain(|_, cursor| cursor.held);
        }
    }
}
