//! Cursors of DECLARE: a query that goes on while other statements of the transaction run.
//!
//! A cursor shows what its query saw when it was declared, and nothing later, the transaction's own writes included. A
//! query of a transaction that has written nothing reads through a view of its own ([`sinew_storage::Transaction::reader`])
//! and is pulled as its rows are fetched. What cannot be read that way (the transaction has writes, the query locks rows)
//! is collected when it is declared, within the statement's memory limit. So is the rest of a cursor WITH HOLD when its
//! transaction commits.
//!
//! A cursor moves forward and forgets the rows behind it. With SCROLL it keeps them, within the memory limit too, and
//! moves both ways. Its position is a row's number, 0 before the first one; behind the last it is the number that the next
//! row would have.

use std::sync::Arc;

use parking_lot::Mutex;
use sinew_query::exec::RowStream;
use sinew_query::session_objects::{ListedCursor, Listing};
use sinew_query::statement::OutputColumn;
use sinew_query::{Batch, QueryError, Result, sqlstate};
use sinew_storage::{DataType, Value};

use crate::cursor::{Collected, CursorTag, Execution};
use crate::prepare::with_stack;
use crate::transaction::now_us;
use crate::utility::{CursorOptions, Direction};
use crate::utility_run::check_count;
use crate::{RowCursor, Session};

/// A cursor that DECLARE made.
pub(crate) struct SqlCursor {
    pub columns: Vec<OutputColumn>,
    options: CursorOptions,
    /// Each row is one of a table.
    pub is_simple: bool,
    /// Its transaction has committed: the rows are collected and belong to the session.
    held: bool,
    /// Counts the session's cursors: a later one has a higher number.
    number: u64,
    rows: Arc<Mutex<CursorRows>>,
    _listing: Listing,
}

impl SqlCursor {
    pub fn is_held(&self) -> bool {
        self.held
    }

    /// The row it stands on.
    pub fn row(&self) -> Option<Batch> {
        self.rows.lock().row()
    }
}

/// Rows of a SCROLL cursor that have been read.
#[derive(Default)]
struct History {
    batches: Vec<Batch>,
    /// Rows before each batch.
    starts: Vec<u64>,
    row_count: u64,
    size_bytes: usize,
}

impl History {
    fn push(&mut self, batch: Batch, limit_bytes: usize) -> Result<()> {
        self.size_bytes += batch.size_bytes();
        if self.size_bytes > limit_bytes {
            return Err(QueryError::new(
                sqlstate::OUT_OF_MEMORY,
                format!("the rows of a SCROLL cursor exceed the statement's memory limit of {limit_bytes} bytes"),
            ));
        }
        self.starts.push(self.row_count);
        self.row_count += batch.row_count as u64;
        self.batches.push(batch);
        Ok(())
    }

    /// Rows from `number` (from 1) on, at most `limit` and at most a batch. `number` is at most the row count.
    fn from(&self, number: u64, limit: Option<u64>) -> Option<Batch> {
        let at = self.starts.partition_point(|start| *start < number).checked_sub(1)?;
        let batch = self.batches.get(at)?;
        let first = usize::try_from(number - 1 - self.starts[at]).ok()?;
        let left = batch.row_count.checked_sub(first)?;
        let count = limit.and_then(|limit| usize::try_from(limit).ok()).map_or(left, |limit| limit.min(left));
        Some(batch.slice(first, count))
    }
}

/// A cursor's rows and where it stands; shared with the FETCH that is under way.
struct CursorRows {
    cursor: RowCursor,
    /// Of a batch of which only the first rows were wanted.
    rest: Option<Batch>,
    history: Option<History>,
    position: u64,
    /// Behind the last row.
    at_end: bool,
    /// The row it stands on, where no history has it.
    current: Option<Batch>,
}

fn forward_only() -> QueryError {
    QueryError::new("55000", "cursor can only scan forward")
        .hint("Declare it with SCROLL option to enable backward scan.")
}

impl CursorRows {
    /// The next rows, at most `limit` of them. None at the end, behind which the cursor stands then.
    fn forward(&mut self, limit: Option<u64>) -> Result<Option<Batch>> {
        if self.at_end {
            return Ok(None);
        }
        let batch = match &self.history {
            Some(history) if self.position < history.row_count => history.from(self.position + 1, limit),
            _ => self.pull(limit)?,
        };
        match &batch {
            Some(batch) => {
                self.position += batch.row_count as u64;
                if self.history.is_none() {
                    self.current = Some(batch.slice(batch.row_count - 1, 1));
                }
            }
            None => {
                self.current = None;
                self.position += 1;
                self.at_end = true;
            }
        }
        Ok(batch)
    }

    /// Rows that were not read before.
    fn pull(&mut self, limit: Option<u64>) -> Result<Option<Batch>> {
        let batch = match self.rest.take() {
            Some(rest) => rest,
            None => loop {
                match self.cursor.next_batch()? {
                    Some(batch) if batch.row_count == 0 => {}
                    Some(batch) => break batch,
                    None => return Ok(None),
                }
            },
        };
        let batch = match limit.and_then(|limit| usize::try_from(limit).ok()) {
            Some(limit) if limit < batch.row_count => {
                self.rest = Some(batch.slice(limit, batch.row_count - limit));
                batch.slice(0, limit)
            }
            _ => batch,
        };
        if let Some(history) = &mut self.history {
            history.push(batch.clone(), self.cursor.context.memory_limit_bytes)?;
        }
        Ok(Some(batch))
    }

    /// The row before the current one. None at the start, before which the cursor stands then.
    fn backward(&mut self) -> Result<Option<Batch>> {
        let history = self.history.as_ref().ok_or_else(forward_only)?;
        self.position = self.position.saturating_sub(1);
        self.at_end = false;
        Ok(if self.position == 0 { None } else { history.from(self.position, Some(1)) })
    }

    /// Moves over `count` rows (None: all); gives how many there were.
    fn skip(&mut self, count: Option<u64>) -> Result<u64> {
        let mut skipped = 0;
        while count.is_none_or(|count| skipped < count)
            && let Some(batch) = self.forward(count.map(|count| count - skipped))?
        {
            skipped += batch.row_count as u64;
        }
        Ok(skipped)
    }

    /// The row it stands on.
    fn row(&self) -> Option<Batch> {
        match &self.history {
            Some(history) if self.is_on_row() => history.from(self.position, Some(1)),
            Some(_) => None,
            None => self.current.clone(),
        }
    }

    fn is_on_row(&self) -> bool {
        self.position > 0 && !self.at_end
    }

    /// Stands on row `number`, or before the first or behind the last when there is none.
    fn go_to(&mut self, number: u64) -> Result<Option<Batch>> {
        match &self.history {
            Some(history) if number <= history.row_count => {
                self.position = number;
                self.at_end = false;
                Ok(if number == 0 { None } else { history.from(number, Some(1)) })
            }
            Some(history) => {
                self.position = history.row_count;
                self.at_end = false;
                self.step_to(number)
            }
            None if number == 0 && self.position == 0 => Ok(None),
            None if self.at_end || number <= self.position => Err(forward_only()),
            None => self.step_to(number),
        }
    }

    /// As [`Self::go_to`], to a row further on.
    fn step_to(&mut self, number: u64) -> Result<Option<Batch>> {
        self.skip(Some(number - self.position - 1))?;
        self.forward(Some(1))
    }

    /// FETCH ABSOLUTE.
    fn absolute(&mut self, number: i64) -> Result<Option<Batch>> {
        if number >= 0 {
            return self.go_to(number.unsigned_abs());
        }
        self.skip(None)?;
        let Some(history) = &self.history else { return Err(forward_only()) };
        let number = (history.row_count + 1).saturating_sub(number.unsigned_abs());
        self.go_to(number)
    }

    /// FETCH RELATIVE.
    fn relative(&mut self, offset: i64) -> Result<Option<Batch>> {
        match offset {
            0 if !self.is_on_row() => Ok(None),
            0 => match &self.history {
                Some(history) => Ok(history.from(self.position, Some(1))),
                None => Err(forward_only()),
            },
            1.. if self.at_end => Ok(None),
            1.. => self.step_to(self.position.saturating_add(offset.unsigned_abs())),
            _ if self.history.is_none() => Err(forward_only()),
            _ => self.go_to(self.position.saturating_sub(offset.unsigned_abs())),
        }
    }

    fn collect(&mut self) -> Result<()> {
        if self.history.is_none() {
            return self.cursor.collect(self.rest.take());
        }
        while self.pull(None)?.is_some() {}
        self.cursor.stream = Box::new(Collected::default());
        self.cursor.detached = false;
        Ok(())
    }
}

/// The rows that one FETCH asks for.
struct Fetch {
    rows: Arc<Mutex<CursorRows>>,
    backward: bool,
    /// None: all.
    left: Option<u64>,
}

impl RowStream for Fetch {
    fn next_batch(&mut self) -> Result<Option<Batch>> {
        if self.left == Some(0) {
            return Ok(None);
        }
        let mut rows = self.rows.lock();
        let batch = if self.backward { rows.backward()? } else { rows.forward(self.left)? };
        if let (Some(batch), Some(left)) = (&batch, &mut self.left) {
            *left = left.saturating_sub(batch.row_count as u64);
        }
        if batch.is_none() {
            self.left = Some(0);
        }
        Ok(batch)
    }
}

fn not_a_query() -> QueryError {
    QueryError::syntax("a cursor needs a query that returns rows", None)
}

/// Cursors that lock rows cannot be kept or moved back.
fn check_locking(options: CursorOptions) -> Result<()> {
    let (what, kind) = match options {
        CursorOptions { hold: true, .. } => ("DECLARE CURSOR WITH HOLD ... FOR UPDATE", "Holdable"),
        CursorOptions { scroll: true, .. } => ("DECLARE SCROLL CURSOR ... FOR UPDATE", "Scrollable"),
        CursorOptions { insensitive: true, .. } => ("DECLARE INSENSITIVE CURSOR ... FOR UPDATE", "Insensitive"),
        _ => return Ok(()),
    };
    Err(QueryError::unsupported(what).detail(format!("{kind} cursors must be READ ONLY.")))
}

/// What DECLARE says.
pub(crate) struct Declaration {
    pub name: String,
    pub options: CursorOptions,
    /// The query, and the characters before it.
    pub text: String,
    pub offset_chars: usize,
    /// The whole statement.
    pub source: String,
}

impl Session {
    /// `params` are the values of the query's parameters, which have these types.
    pub(crate) fn declare(&mut self, declaration: Declaration, params: Vec<Value>, types: &[DataType]) -> Result<()> {
        let Declaration { name, options, text, offset_chars, source } = declaration;
        if !options.hold {
            self.savepoint_outside_block("DECLARE CURSOR")?;
        }
        if self.cursors.contains_key(&name) {
            return Err(QueryError::new("42P03", format!("cursor \"{name}\" already exists")));
        }
        check_count(self.cursors.len(), "cursors")?;
        let shift = |mut error: QueryError| {
            error.0.position = error.0.position.map(|position| position + offset_chars);
            error
        };
        let prepared = self.prepare(&text, types).map_err(shift)?;
        if !prepared.returns_rows {
            return Err(not_a_query());
        }
        if prepared.planned.plan().is_some_and(|plan| plan.locks_rows) {
            check_locking(options)?;
        }
        let is_simple = sinew_query::sql::is_scan_of_one_table(&text);
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
        let history = options.scroll.then(History::default);
        let rows = CursorRows { cursor, rest: None, history, position: 0, at_end: false, current: None };
        let listed = ListedCursor {
            name: name.clone(),
            text: source,
            is_holdable: options.hold,
            is_binary: options.binary,
            is_scrollable: options.scroll,
            declared_us: now_us(),
        };
        self.cursor_count += 1;
        let cursor = SqlCursor {
            columns,
            options,
            is_simple,
            held: false,
            number: self.cursor_count,
            rows: Arc::new(Mutex::new(rows)),
            _listing: Listing::of_cursor(&self.context, listed),
        };
        self.cursors.insert(name, cursor);
        match &self.active {
            Some(active) if !active.explicit && !self.implicit_block => self.commit_transaction(),
            _ => Ok(()),
        }
    }

    /// FETCH, or MOVE with `skip`.
    pub(crate) fn fetch(&mut self, direction: Direction, name: &str, skip: bool) -> Result<Execution> {
        let cursor = self.cursor(name)?;
        let (columns, held, binary) = (cursor.columns.clone(), cursor.held, cursor.options.binary);
        let rows = Arc::clone(&cursor.rows);
        let mut stream: Box<dyn RowStream> = match direction {
            Direction::Forward(Some(0)) | Direction::Backward(Some(0)) if skip => {
                let moved = u64::from(rows.lock().is_on_row());
                return Ok(Execution::Command(format!("MOVE {moved}")));
            }
            Direction::Forward(Some(0)) | Direction::Backward(Some(0)) => one(with_stack(|| rows.lock().relative(0))?),
            Direction::Absolute(number) => one(with_stack(|| rows.lock().absolute(number))?),
            Direction::Relative(offset) => one(with_stack(|| rows.lock().relative(offset))?),
            Direction::Forward(left) => Box::new(Fetch { rows: Arc::clone(&rows), backward: false, left }),
            Direction::Backward(left) => {
                if rows.lock().history.is_none() {
                    return Err(forward_only());
                }
                Box::new(Fetch { rows: Arc::clone(&rows), backward: true, left })
            }
        };
        if skip {
            let mut moved = 0;
            while let Some(batch) = with_stack(|| stream.next_batch())? {
                moved += batch.row_count as u64;
            }
            return Ok(Execution::Command(format!("MOVE {moved}")));
        }
        // The transaction of a held cursor is no more.
        let context = if held { self.passing_context() } else { rows.lock().cursor.context.clone() };
        let mut fetched = RowCursor::over(columns, stream, context, CursorTag::Fetch);
        fetched.is_binary = binary;
        Ok(Execution::Rows(fetched))
    }

    pub(crate) fn cursor(&self, name: &str) -> Result<&SqlCursor> {
        self.cursors
            .get(name)
            .ok_or_else(|| QueryError::new(sqlstate::INVALID_CURSOR_NAME, format!("cursor \"{name}\" does not exist")))
    }

    /// The columns of a cursor that DECLARE made; 34000 when there is none of that name.
    pub fn cursor_columns(&self, name: &str) -> Result<Vec<OutputColumn>> {
        self.cursor(name).map(|cursor| cursor.columns.clone())
    }

    /// Whether the rows of a cursor that DECLARE made travel in binary.
    pub fn cursor_is_binary(&self, name: &str) -> bool {
        self.cursors.get(name).is_some_and(|cursor| cursor.options.binary)
    }

    /// True when a cursor reads the current transaction.
    pub(crate) fn has_open_cursors(&self) -> bool {
        self.cursors.values().any(|cursor| !cursor.held)
    }

    /// The transaction is about to commit: cursors WITH HOLD take what they still need, all others are closed. 53200 when
    /// that is more than the statement's memory limit.
    pub(crate) fn collect_held_cursors(&mut self) -> Result<()> {
        self.cursors.retain(|_, cursor| cursor.options.hold);
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

    /// Back to a savepoint at which the session had made so many cursors: those that are younger go.
    pub(crate) fn end_cursors_after(&mut self, cursor_count: u64) {
        self.cursors.retain(|_, cursor| cursor.held || cursor.number <= cursor_count);
    }
}

fn one(batch: Option<Batch>) -> Box<dyn RowStream> {
    Box::new(Collected { batches: batch.into_iter().collect(), rows_affected: 0 })
}
