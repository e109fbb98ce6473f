//! COPY FROM STDIN: the client's CopyData messages as a stream of rows.
//!
//! The engine pulls; the source takes messages out of the connection's inbox as it needs them and blocks while there are
//! none. Nothing is collected: a batch of rows is in memory, and what the inbox holds. When the statement fails half way,
//! the client's remaining CopyData, CopyDone and CopyFail arrive outside COPY and are ignored there, as in PostgreSQL.

use std::fmt::Write;
use std::sync::Arc;

use pgwire::messages::copy::CopyInResponse;
use sinew::query::statement::{CopyFormat, CopyTarget};
use sinew::query::types;
use sinew::query::{ExecContext, RowStream};
use sinew::{Batch, CancelToken, Column, CopyIn, QueryError, Result, Value, sqlstate};

use super::backend::{Backend, Shared};
use super::copy_parse::{CopyDecoder, Progress, RawRow};
use super::decode::{FrontendMessage, decode};
use super::encode::{decode_text, push_message};
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
        let source = CopySource {
            decoder: CopyDecoder::new(
                copy.options.clone(),
                copy.target.columns.iter().map(|(name, _)| name.clone()).collect(),
            ),
            target: copy.target.clone(),
            binary: format == 1,
            context,
            cancel: self.session.cancel_token(),
            shared: self.shared.clone(),
            row: RawRow::default(),
            done: false,
        };
        self.session.copy_from(copy, Box::new(source))
    }
}

struct CopySource {
    decoder: CopyDecoder,
    target: CopyTarget,
    binary: bool,
    context: ExecContext,
    cancel: CancelToken,
    shared: Arc<Shared>,
    row: RawRow,
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

    fn value(&self, index: usize) -> Result<Value> {
        let ty = &self.target.columns[index].1;
        match self.row.field(index) {
            None => Ok(Value::Null),
            Some(bytes) if self.binary => types::from_binary(bytes, ty),
            Some(bytes) => decode_text(&self.context, bytes, ty),
        }
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
        let mut columns: Vec<Vec<Value>> = vec![Vec::new(); self.target.columns.len()];
        let (mut row_count, mut size_bytes) = (0, 0);
        while row_count < BATCH_ROWS && size_bytes < BATCH_SIZE_BYTES {
            match self.decoder.next_row(&mut self.row).map_err(|error| self.located(error, None))? {
                Progress::Row => {
                    for (index, column) in columns.iter_mut().enumerate() {
                        size_bytes += self.row.field(index).map_or(0, <[u8]>::len);
                        column.push(self.value(index).map_err(|error| self.located(error, Some(index)))?);
                    }
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
        let types = self.target.columns.iter().map(|(_, ty)| ty);
        let columns = columns.into_iter().zip(types).map(|(values, ty)| Column::from_values(ty, values)).collect();
        Ok(Some(Batch::new(columns, row_count)))
    }
}
