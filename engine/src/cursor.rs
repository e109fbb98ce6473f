//! What executing a statement gives: rows to pull, a command tag, or a copy in progress.

use std::collections::VecDeque;
use std::sync::Arc;

use sinew_query::exec::spill::Buffer;
use sinew_query::exec::{PreparedPlan, RowStream};
use sinew_query::statement::{CopyOptions, CopyTarget, OutputColumn, QueryKind};
use sinew_query::{Batch, ExecContext, QueryError, Result};
use sinew_storage::Value;

use crate::prepare::with_stack;
use crate::restart::Restart;

/// What executing a statement started.
pub enum Execution {
    /// Rows to pull; [`crate::Session::finish`] gives the tag.
    Rows(RowCursor),
    /// Done, with the command tag (`CREATE TABLE`, `BEGIN`, `INSERT 0 3`).
    Command(String),
    /// The client sends rows next.
    CopyIn(CopyIn),
    /// Rows to send as COPY data, in this format.
    CopyOut(RowCursor, CopyOptions),
    /// An empty statement.
    Empty,
}

/// A running query. It must go back to the session: [`crate::Session::finish`] or [`crate::Session::fail`].
pub struct RowCursor {
    pub columns: Vec<OutputColumn>,
    pub(crate) stream: Box<dyn RowStream>,
    pub(crate) context: ExecContext,
    pub(crate) tag: CursorTag,
    /// The statement's layer is still open (false for rows that were collected).
    pub(crate) open: bool,
    /// The stream reads a view of its own, so that other statements may run before its end.
    pub(crate) detached: bool,
    /// Set while the statement may start over: until its first rows are handed out.
    pub(crate) restart: Option<Restart>,
    /// Of a BINARY cursor: the simple protocol sends its rows in binary too.
    pub is_binary: bool,
}

/// How the tag is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum CursorTag {
    Query(QueryKind),
    Copy,
    Fetch,
    /// `SHOW`, `EXPLAIN`.
    Fixed(&'static str),
}

impl RowCursor {
    /// Rows of no statement of its own: nothing begins or ends with them.
    pub(crate) fn over(
        columns: Vec<OutputColumn>,
        stream: Box<dyn RowStream>,
        context: ExecContext,
        tag: CursorTag,
    ) -> RowCursor {
        RowCursor { columns, stream, context, tag, open: false, detached: false, restart: None, is_binary: false }
    }

    /// None at the end.
    pub fn next_batch(&mut self) -> Result<Option<Batch>> {
        with_stack(|| {
            loop {
                match self.stream.next_batch() {
                    Err(error) => self.run_again(error)?,
                    Ok(batch) => {
                        if batch.is_some() {
                            self.restart = None;
                        }
                        return Ok(batch);
                    }
                }
            }
        })
    }

    /// Starts the failed statement over, or gives its error back.
    fn run_again(&mut self, error: QueryError) -> Result<()> {
        let Some(restart) = self.restart.as_mut().filter(|restart| restart.applies(&error, &self.context)) else {
            return Err(error);
        };
        // The operators read the old snapshot.
        self.stream = Box::new(Collected { batches: VecDeque::new(), rows_affected: 0 });
        self.stream = restart.again(error, &self.context)?;
        Ok(())
    }

    /// The context for writing values as text or binary (entities are materialised through it).
    pub fn context(&self) -> &ExecContext {
        &self.context
    }

    /// Collects the rest, behind `first`, so that the session can run other statements before it is sent. What does not fit
    /// in memory lies in a temporary file; 53200 where there is none.
    pub(crate) fn collect(&mut self, first: Option<Batch>) -> Result<()> {
        let mut batches = Buffer::for_result(self.context.clone());
        first.into_iter().try_for_each(|batch| batches.push(batch))?;
        while let Some(batch) = self.next_batch()? {
            batches.push(batch)?;
        }
        let rows_affected = self.stream.rows_affected();
        self.stream = Box::new(Kept { batches: Some(batches), next: 0, rows_affected });
        self.detached = false;
        Ok(())
    }
}

/// Batches held in memory.
#[derive(Default)]
pub(crate) struct Collected {
    pub batches: VecDeque<Batch>,
    pub rows_affected: u64,
}

impl RowStream for Collected {
    fn next_batch(&mut self) -> Result<Option<Batch>> {
        Ok(self.batches.pop_front())
    }

    fn rows_affected(&self) -> u64 {
        self.rows_affected
    }
}

/// The rest of a result, kept for later.
struct Kept {
    batches: Option<Buffer>,
    next: usize,
    rows_affected: u64,
}

impl RowStream for Kept {
    fn next_batch(&mut self) -> Result<Option<Batch>> {
        let Some(batches) = &self.batches else { return Ok(None) };
        let batch = batches.get(self.next)?;
        self.next += 1;
        if batch.is_none() {
            // Its memory and its file are free before the result is dropped.
            self.batches = None;
        }
        Ok(batch)
    }

    fn rows_affected(&self) -> u64 {
        self.rows_affected
    }
}

/// COPY FROM STDIN in progress. It must go back to the session: [`crate::Session::copy_from`] or
/// [`crate::Session::abort_copy`].
pub struct CopyIn {
    pub target: CopyTarget,
    pub options: CopyOptions,
    pub(crate) plan: Arc<PreparedPlan>,
    pub(crate) context: ExecContext,
}

impl CopyIn {
    /// The context for reading text values.
    pub fn context(&self) -> &ExecContext {
        &self.context
    }
}

/// A whole result, for the embedded API and tools.
#[derive(Clone, Debug, Default)]
pub struct QueryResult {
    pub columns: Vec<OutputColumn>,
    pub rows: Vec<Vec<Value>>,
    pub tag: String,
}
