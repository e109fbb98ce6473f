//! COPY FROM STDIN: the client's CopyData messages as a stream of rows.
//!
//! The engine pulls; the source takes messages out of the connection's inbox as it needs them and blocks while there are
//! none. Nothing is collected: a batch of rows is in memory, and what the inbox holds. When the statement fails half way,
//! the client's remaining CopyData, CopyDone and CopyFail arrive outside COPY and are ignored there, as in PostgreSQL.

use std::fmt::Write;
use std::sync::Arc;

use parking_lot::Mutex;
use pgwire::messages::copy::CopyInResponse;
use sinew::query::copy_column::CopyColumn;
use sinew::query::statement::{CopyFormat, CopyTarget};
use sinew::query::{EvalContext, ExecContext, RowStream};
use sinew::{Batch, CancelToken, CopyIn, QueryError, Result, sqlstate};

use super::backend::{Backend, Shared};
use super::copy_parse::{CopyDecoder, Progress, RawRow};
use super::decode::{FrontendMessage, decode};
use super::encode::{checked_text, push_message};
use super::errors::protocol_violation;
use super::frame::Frame;
use super::outbox::connection_lost;

const BATCH_ROWS: usize = 1024;
/// A batch ends early when its fields reach this size, in bytes.
const BATCH_SIZE_BYTES: usize = 1 << 20;

impl Backend {
    /// Announces COPY, feeds the engine, gives the command tag.
    pub(super) fn copy_in(&mut self, copy: CopyIn) -> Result<String> {
        let context = copy.context().clone();
        let format = i8::from(copy.options.format == CopyFormat::Binary);
        let count = copy.target.columns.len();
        push_message(&CopyInResponse::new(format, count as i16, vec![i16::from(format); count]), &mut self.out);
        self.flush();
        let target = copy.target.clone();
        let lines = Arc::new(Mutex::new(BatchLines::default()));
        let source = CopySource {
            decoder: CopyDecoder::new(
                copy.options.clone(),
                target.columns.iter().map(|(name, _)| name.clone()).collect(),
            ),
            columns: target.columns.iter().map(|(_, ty)| CopyColumn::new(ty)).collect(),
            // A condition drops rows: only one at a time is known by its line then.
            batch_rows: if target.filtered { 1 } else { BATCH_ROWS },
            target: target.clone(),
            binary: format == 1,
            context,
            cancel: self.session.cancel_token(),
            shared: self.shared.clone(),
            row: RawRow::default(),
            lines: Arc::clone(&lines),
            done: false,
        };
        let result = self.session.copy_from(copy, Box::new(source));
        result.map_err(|error| match error.0.batch_row {
            Some(row) => lines.lock().located(error, row, &target.table),
            None => error,
        })
    }
}

/// Where the rows of the batch under way come from.
#[derive(Default)]
struct BatchLines {
    /// Line of each row, and the end of its text in `text`.
    rows: Vec<(u64, usize)>,
    /// Their lines one after the other; nothing for binary data.
    text: Vec<u8>,
}

impl BatchLines {
    fn clear(&mut self) {
        self.rows.clear();
        self.text.clear();
    }

    fn push(&mut self, line: u64, text: Option<&[u8]>) {
        self.text.extend_from_slice(text.unwrap_or_default());
        self.rows.push((line, self.text.len()));
    }

    /// The error of a row that could not be written. Of one that collides with another only the number is told.
    fn located(&self, error: QueryError, row: usize, table: &str) -> QueryError {
        let Some((line, end)) = self.rows.get(row) else { return error };
        let start = row.checked_sub(1).and_then(|before| self.rows.get(before)).map_or(0, |(_, end)| *end);
        let mut context = format!("COPY {table}, line {line}");
        if error.sqlstate() != sqlstate::UNIQUE_VIOLATION && start < *end {
            let _ = write!(context, ": \"{}\"", shortened(&self.text[start..*end]));
        }
        error.context(context)
    }
}

struct CopySource {
    decoder: CopyDecoder,
    target: CopyTarget,
    columns: Vec<CopyColumn>,
    batch_rows: usize,
    binary: bool,
    context: ExecContext,
    cancel: CancelToken,
    shared: Arc<Shared>,
    row: RawRow,
    lines: Arc<Mutex<BatchLines>>,
    /// CopyDone has arrived.
    done: bool,
}

impl CopySource {
    /// Feeds the decoder the client's next message.
    fn receive(&mut self) -> Result<()> {
        let (kind, body) = match self.shared.inbox.wait_for_frame(&self.cancel)? {
            Frame::Message { kind, body } => (kind, body),
            Frame::Oversized { body_size_bytes, .. } => return Err(super::backend::message_too_long(body_size_bytes)),
            Frame::Fatal(error) => return Err(error),
        };
        match decode(kind, body)? {
            FrontendMessage::CopyData(data) => self.decoder.feed(&data),
            FrontendMessage::CopyDone => {
                self.done = true;
                self.decoder.finish();
            }
            FrontendMessage::CopyFail(message) => {
                let error = QueryError::new(sqlstate::QUERY_CANCELED, format!("COPY from stdin failed: {message}"));
                return Err(error.context(format!("COPY {}, line {}", self.target.table, self.decoder.line + 1)));
            }
            // Clients that pipeline send them before they know that a COPY begins.
            FrontendMessage::Flush | FrontendMessage::Sync => {}
            FrontendMessage::Terminate => {
                self.shared.inbox.close();
                return Err(connection_lost());
            }
            _ => {
                return Err(protocol_violation(format!("unexpected message type 0x{kind:02X} during COPY from stdin")));
            }
        }
        Ok(())
    }

    /// Puts the fields of the current row into their columns. On error, the column.
    fn take_row(&mut self) -> Result<usize, (QueryError, usize)> {
        let context = EvalContext::new(&self.context);
        let mut size_bytes = 0;
        for (index, column) in self.columns.iter_mut().enumerate() {
            let Some(bytes) = self.row.field(index) else {
                column.push_null();
                continue;
            };
            size_bytes += bytes.len();
            let taken = match self.binary {
                true => column.push_binary(bytes),
                false => checked_text(bytes).and_then(|text| column.push_text(&context, text)),
            };
            taken.map_err(|error| (error, index))?;
        }
        Ok(size_bytes)
    }

    /// Says where in the data an error is: in a value of the current row, or in the current line.
    fn located(&self, error: QueryError, column: Option<usize>) -> QueryError {
        let line = self.decoder.line;
        // The header of binary data is before the first line.
        if line == 0 {
            return error;
        }
        let mut context = format!("COPY {}, line {line}", self.target.table);
        match column {
            Some(column) => {
                let _ = write!(context, ", column {}", self.target.columns[column].0);
                if let Some(bytes) = self.row.field(column).filter(|_| !self.binary) {
                    let _ = write!(context, ": \"{}\"", shortened(bytes));
                }
            }
            None => {
                if let Some(bytes) = self.decoder.current_line() {
                    let _ = write!(context, ": \"{}\"", shortened(bytes));
                }
            }
        }
        error.context(context)
    }
}

/// Text for an error's context: its first hundred characters.
fn shortened(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    match text.char_indices().nth(100) {
        Some((end, _)) => format!("{}...", &text[..end]),
        None => text.into_owned(),
    }
}

impl RowStream for CopySource {
    fn next_batch(&mut self) -> Result<Option<Batch>> {
        let lines = Arc::clone(&self.lines);
        let mut lines = lines.lock();
        lines.clear();
        let (mut row_count, mut size_bytes) = (0, 0);
        while row_count < self.batch_rows && size_bytes < BATCH_SIZE_BYTES {
            match self.decoder.next_row(&mut self.row).map_err(|error| self.located(error, None))? {
                Progress::Row => {
                    size_bytes += self.take_row().map_err(|(error, column)| self.located(error, Some(column)))?;
                    lines.push(self.decoder.line, self.decoder.current_line());
                    row_count += 1;
                }
                // After `\.` the rest of the client's data is read and ignored.
                Progress::End if self.done => break,
                Progress::End | Progress::NeedMore => self.receive()?,
            }
        }
        self.cancel.check()?;
        if row_count == 0 {
            return Ok(None);
        }
        let columns = self.columns.iter_mut().map(CopyColumn::finish).collect();
        Ok(Some(Batch::new(columns, row_count)))
    }
}
