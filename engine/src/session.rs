//! A session: settings, the current transaction, prepared plans. All calls block; servers run them on a pool.

use std::sync::Arc;

use sinew_query::context::NoticeSink;
use sinew_query::exec::RowStream;
use sinew_query::statement::{CopyOptions, OutputColumn};
use sinew_query::{Batch, Result, SessionContext};
use sinew_storage::{CancelToken, DataType, Value};

/// As ReadyForQuery reports it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TransactionStatus {
    Idle,
    InBlock,
    Failed,
}

/// Isolation as `SET TRANSACTION` names it.
pub type IsolationSetting = sinew_storage::Isolation;

/// One statement of a message, with where it began.
#[derive(Clone, Debug, PartialEq)]
pub struct StatementText {
    pub text: String,
    /// Characters before it in the message: added to error positions.
    pub offset_chars: usize,
}

/// A parsed, bound and planned statement; plans are shared between sessions. Re-planned when the catalog moved.
#[derive(Clone)]
pub struct Prepared {
    pub text: Arc<str>,
    pub params: Vec<DataType>,
    /// Empty when it returns no rows (RowDescription is NoData then).
    pub columns: Vec<OutputColumn>,
    pub returns_rows: bool,
}

/// What executing a statement started.
pub enum Execution {
    /// Rows to pull; `finish` gives the tag.
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

/// A running query. Dropping it ends the statement; under autocommit an unfinished one is rolled back.
pub struct RowCursor {
    pub columns: Vec<OutputColumn>,
    _private: (),
}

impl RowCursor {
    /// None at the end.
    pub fn next_batch(&mut self) -> Result<Option<Batch>> {
        todo!("engine")
    }

    /// The context for writing values as text or binary (entities are materialised through it).
    pub fn context(&self) -> &sinew_query::ExecContext {
        todo!("engine")
    }
}

/// COPY FROM STDIN in progress.
pub struct CopyIn {
    pub columns: Vec<DataType>,
    pub options: CopyOptions,
    _private: (),
}

/// A whole result, for the embedded API and tools.
#[derive(Clone, Debug, Default)]
pub struct QueryResult {
    pub columns: Vec<OutputColumn>,
    pub rows: Vec<Vec<Value>>,
    pub tag: String,
}

/// One connection's state. Send, not Sync: one statement at a time.
pub struct Session {}

impl Session {
    /// Runs one or more statements and collects the last result. `$1…` are `params` (one statement only then).
    pub fn query(&mut self, text: &str, params: &[Value]) -> Result<QueryResult> {
        let _ = (text, params);
        todo!("engine")
    }

    /// A whole result as text cells, as psql would show them (None: NULL).
    pub fn query_text(&mut self, text: &str, params: &[Value]) -> Result<Vec<Vec<Option<String>>>> {
        let _ = (text, params);
        todo!("engine")
    }

    /// Splits a message into statements. Never fails: an unterminated literal ends with the message.
    pub fn split(&self, text: &str) -> Vec<StatementText> {
        let _ = text;
        todo!("engine")
    }

    /// Parses and plans. `param_types` may be shorter than the statement needs; `Unknown` ones are inferred.
    pub fn prepare(&mut self, text: &str, param_types: &[DataType]) -> Result<Prepared> {
        let _ = (text, param_types);
        todo!("engine")
    }

    /// Starts a statement. Outside a block it runs in an implicit transaction that ends with [`Self::finish`] (or, in a
    /// pipeline, with [`Self::sync`]).
    pub fn execute(&mut self, prepared: &Prepared, params: Vec<Value>) -> Result<Execution> {
        let _ = (prepared, params);
        todo!("engine")
    }

    /// Ends a cursor: completes the statement, commits an implicit transaction unless more statements of the same
    /// message follow (see [`Self::begin_implicit_block`]), and gives the tag.
    pub fn finish(&mut self, cursor: RowCursor, rows_sent: u64) -> Result<String> {
        let _ = (cursor, rows_sent);
        todo!("engine")
    }

    /// Ends a statement that failed while its cursor ran: rolls back its layer, or fails the block.
    pub fn fail(&mut self, cursor: RowCursor) {
        let _ = cursor;
        todo!("engine")
    }

    /// Feeds COPY FROM: consumes the rows of `source` (columns as `copy.columns`, already decoded), gives the tag.
    pub fn copy_from(&mut self, copy: CopyIn, source: Box<dyn RowStream>) -> Result<String> {
        let _ = (copy, source);
        todo!("engine")
    }

    /// From here until [`Self::sync`], statements outside a block share one implicit transaction (multi-statement simple
    /// query, extended-protocol pipeline).
    pub fn begin_implicit_block(&mut self) {
        todo!("engine")
    }

    /// Sync: commits (or rolls back after an error) the implicit transaction.
    pub fn sync(&mut self) -> Result<()> {
        todo!("engine")
    }

    /// After an error: rolls back the implicit transaction, or marks the block failed.
    pub fn note_error(&mut self) {
        todo!("engine")
    }

    pub fn transaction_status(&self) -> TransactionStatus {
        todo!("engine")
    }

    /// Token of the running statement; cancel it from any thread.
    pub fn cancel_token(&self) -> CancelToken {
        todo!("engine")
    }

    /// Replaces the sink of notices.
    pub fn set_notice_sink(&mut self, sink: NoticeSink) {
        let _ = sink;
        todo!("engine")
    }

    /// Sets a session setting, checked as SET does.
    pub fn set(&mut self, name: &str, value: &str) -> Result<()> {
        let _ = (name, value);
        todo!("engine")
    }

    pub fn setting(&self, name: &str) -> Option<String> {
        let _ = name;
        todo!("engine")
    }

    /// Settings to report by ParameterStatus that changed since the last call: (name, value).
    pub fn take_changed_parameters(&mut self) -> Vec<(String, String)> {
        todo!("engine")
    }

    pub fn context(&self) -> Arc<SessionContext> {
        todo!("engine")
    }
}
