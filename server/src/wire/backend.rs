//! The server's half of one conversation: a session, its prepared statements and portals, and the rules of the protocol.
//!
//! A backend takes one message at a time on a thread of the query pool and appends its answers to the outbox. Rules that
//! hold throughout:
//!
//! - every error is followed by `note_error`, so the session rolls back its implicit transaction or fails its block;
//! - after an error in the extended protocol everything up to Sync is ignored;
//! - ReadyForQuery ends a simple query and a Sync, and nothing else;
//! - a panic below is an internal error of its statement (XX000); the session goes on if it can still be asked for its
//!   status, else the connection ends.

use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use bytes::BytesMut;
use pgwire::messages::response::{self, ReadyForQuery};
use pgwire::messages::startup::ParameterStatus;
use sinew::query::ExecContext;
use sinew::{Batch, CancelToken, Database, QueryError, Result, RowCursor, Session, TransactionStatus, sqlstate};

use super::cancel::CancelHandle;
use super::decode::{FrontendMessage, decode};
use super::encode::push_message;
use super::errors::{Severity, code, error_response, notice_response};
use super::extended::Statement;
use super::frame::Frame;
use super::inbox::Inbox;
use super::outbox::{FLUSH_SIZE_BYTES, Outbox};
use super::portals::Portals;
use super::spin::AtWork;
use crate::metrics::{Metrics, StatementClass};

/// What the connection's task and its backend share.
pub struct Shared {
    pub inbox: Inbox,
    pub outbox: Outbox,
    pub cancel: Arc<CancelHandle>,
    /// Somebody asked for this connection's end (`pg_terminate_backend`).
    pub is_terminated: AtomicBool,
    /// The session has notifications to take.
    pub is_notified: AtomicBool,
    pub database: Database,
    pub metrics: Arc<Metrics>,
}

pub struct Backend {
    pub(super) session: Session,
    pub(super) shared: Arc<Shared>,
    /// Messages not yet handed to the outbox.
    pub(super) out: BytesMut,
    /// By name; the unnamed one is "".
    pub(super) statements: HashMap<String, Arc<Statement>>,
    pub(super) portals: Portals,
    /// After an error in the extended protocol.
    pub(super) skip_until_sync: bool,
    /// Statements since the last Sync share one implicit transaction.
    pub(super) implicit_block: bool,
    finished: bool,
    /// [`Session::statement_removals`] when `statements` was looked through last.
    pub(super) statement_removals: u64,
    /// When the client will have been silent for too long.
    idle_deadline: Option<Instant>,
}

impl Backend {
    /// `session` has its startup settings; its notices go to the client from now on.
    pub fn new(mut session: Session, shared: Arc<Shared>) -> Backend {
        let sink_shared = Arc::downgrade(&shared);
        session.set_notice_sink(Arc::new(move |notice| {
            let Some(shared) = sink_shared.upgrade() else { return };
            let mut message = BytesMut::new();
            push_message(&notice_response(&notice), &mut message);
            shared.outbox.append(&mut message);
            shared.outbox.flush();
        }));
        let notified = Arc::downgrade(&shared);
        session.set_notification_waker(Arc::new(move || {
            if let Some(shared) = notified.upgrade() {
                shared.is_notified.store(true, Ordering::Release);
                shared.inbox.changed.notify_one();
            }
        }));
        Backend {
            session,
            shared,
            out: BytesMut::new(),
            statements: HashMap::new(),
            portals: Portals::default(),
            skip_until_sync: false,
            implicit_block: false,
            finished: false,
            statement_removals: 0,
            idle_deadline: None,
        }
    }

    /// Sends the greeting that `write` makes, and the first ReadyForQuery.
    pub fn greet(&mut self, write: impl FnOnce(&mut Session, &mut BytesMut)) {
        write(&mut self.session, &mut self.out);
        self.ready_for_query();
        self.flush();
    }

    /// The connection is to be closed once the outbox is empty.
    pub fn is_finished(&self) -> bool {
        self.finished
    }

    /// So much waits for the client that no more should be answered.
    pub(super) fn is_client_behind(&self) -> bool {
        self.shared.outbox.is_full()
    }

    /// Somebody asked for the connection's end.
    pub(super) fn is_terminated(&self) -> bool {
        self.shared.is_terminated.load(Ordering::Acquire)
    }

    /// What the client has not taken yet is the connection's task's to send.
    pub(super) fn has_unsent(&self) -> bool {
        self.shared.outbox.has_pending()
    }

    /// The backend parks: from now on the client is silent.
    pub(super) fn note_idle(&mut self) {
        let timeout = if self.finished { None } else { self.session.idle_timeout() };
        self.idle_deadline = timeout.and_then(|timeout| Instant::now().checked_add(timeout));
    }

    /// What ends the connection at that time.
    pub(super) fn idle_error(&self) -> QueryError {
        match self.session.transaction_status() {
            TransactionStatus::Idle => {
                QueryError::new(code::IDLE_TIMEOUT, "terminating connection due to idle-session timeout")
            }
            _ => QueryError::new(
                code::IDLE_IN_TRANSACTION_TIMEOUT,
                "terminating connection due to idle-in-transaction timeout",
            ),
        }
    }

    /// When a parked backend's connection is to be ended, if at all.
    pub(super) fn idle_deadline(&self) -> Option<Instant> {
        self.idle_deadline
    }

    /// Works until there is nothing to do, then parks in the inbox.
    pub fn run(mut self: Box<Self>) {
        use super::inbox::Next;
        let shared = self.shared.clone();
        let _at_work = AtWork::begin();
        loop {
            // While more of a pipeline is queued its answers travel together; they leave before the backend parks.
            if !self.out.is_empty() && (self.out.len() >= FLUSH_SIZE_BYTES || !shared.inbox.has_frames()) {
                self.flush();
            }
            match shared.inbox.next(self) {
                Next::Parked => return,
                Next::Frame(backend, frame) => {
                    self = backend;
                    self.handle(frame);
                    if self.finished {
                        self.flush();
                    }
                }
            }
        }
    }

    /// Carries out one message. Never panics, never fails: errors are answers.
    fn handle(&mut self, frame: Frame) {
        let kind = frame.kind();
        let outcome = catch_unwind(AssertUnwindSafe(|| self.dispatch(frame)));
        self.shared.cancel.clear();
        match outcome {
            Ok(Ok(())) => {}
            Ok(Err(error)) => self.recover(kind, &error, 0),
            Err(panic) => {
                let text = panic_text(&panic);
                tracing::error!(panic = %text, "a statement panicked");
                // Cursors of a half-finished operation may be inconsistent: all portals go.
                let cleared = catch_unwind(AssertUnwindSafe(|| self.portals.take_all().for_each(drop)));
                let alive = cleared.is_ok() && catch_unwind(AssertUnwindSafe(|| self.session.note_error())).is_ok();
                if alive {
                    self.recover(kind, &QueryError::internal(text), 0);
                } else {
                    self.fatal(&QueryError::internal(text));
                }
            }
        }
        if self.shared.is_terminated.load(Ordering::Acquire) && !self.finished {
            self.fatal(&terminated());
        }
        if self.shared.outbox.is_lost() {
            self.finished = true;
        }
    }

    fn dispatch(&mut self, frame: Frame) -> Result<()> {
        let (kind, body) = match frame {
            Frame::Message { kind, body } => (kind, body),
            Frame::Fatal(error) => {
                self.fatal(&error);
                return Ok(());
            }
            Frame::Oversized { .. } if self.skip_until_sync => return Ok(()),
            // Rows of a COPY that has failed already.
            Frame::Oversized { kind: b'd' | b'c' | b'f', .. } => return Ok(()),
            Frame::Oversized { body_size_bytes, .. } => return Err(message_too_long(body_size_bytes)),
        };
        if self.skip_until_sync && !matches!(kind, b'S' | b'X') {
            return Ok(());
        }
        // Left over from a COPY that failed: ignored, as in PostgreSQL.
        if matches!(kind, b'd' | b'c' | b'f') {
            return Ok(());
        }
        match decode(kind, body)? {
            FrontendMessage::Query(text) => self.simple_query(&text),
            FrontendMessage::Parse(message) => self.parse(message)?,
            FrontendMessage::Bind(message) => self.bind(message)?,
            FrontendMessage::Describe(message) => self.describe(&message)?,
            FrontendMessage::Execute(message) => self.execute_portal(&message)?,
            FrontendMessage::Close(message) => self.close(&message),
            FrontendMessage::Flush => self.flush(),
            FrontendMessage::Sync => self.sync(),
            FrontendMessage::Terminate => self.finished = true,
            FrontendMessage::CopyData(_) | FrontendMessage::CopyDone | FrontendMessage::CopyFail(_) => {}
            FrontendMessage::FunctionCall => return Err(QueryError::unsupported("the function call protocol")),
            FrontendMessage::Password => {
                self.fatal(&super::errors::protocol_violation("unexpected password message"));
            }
        }
        Ok(())
    }

    /// Answers an error that ended message `kind` and restores the protocol's order.
    pub(super) fn recover(&mut self, kind: Option<u8>, error: &QueryError, offset_chars: usize) {
        self.report(error, offset_chars);
        if matches!(kind, Some(b'P' | b'B' | b'D' | b'E' | b'C' | b'H')) {
            self.skip_until_sync = true;
        } else {
            // A simple query, a function call or a Sync: the client waits for ReadyForQuery.
            self.skip_until_sync = false;
            self.implicit_block = false;
            self.ready_for_query();
        }
    }

    /// ErrorResponse, and the session learns of it.
    pub(super) fn report(&mut self, error: &QueryError, offset_chars: usize) {
        if self.shared.is_terminated.load(Ordering::Acquire) {
            // What ended is the connection, whatever the statement says of it.
            self.session.note_error();
            self.fatal(&terminated());
            return;
        }
        if matches!(error.sqlstate(), sqlstate::INTERNAL_ERROR | sqlstate::DATA_CORRUPTED | sqlstate::IO_ERROR) {
            tracing::error!(code = error.sqlstate(), message = %error, "statement failed");
        }
        self.session.note_error();
        self.shared.metrics.query_errors.with_label_values(&[&error.sqlstate()[..2]]).inc();
        push_message(&error_response(error, Severity::Error, offset_chars), &mut self.out);
    }

    /// The connection ends with this error.
    pub(super) fn fatal(&mut self, error: &QueryError) {
        if self.finished {
            return;
        }
        push_message(&error_response(error, Severity::Fatal, 0), &mut self.out);
        self.finished = true;
    }

    /// Ends an idle connection from outside (shutdown, timeouts).
    pub fn finish_with(&mut self, error: &QueryError) {
        self.fatal(error);
        self.flush();
    }

    pub(super) fn ready_for_query(&mut self) {
        if self.finished {
            return;
        }
        self.session.note_idle();
        for (name, value) in self.session.take_changed_parameters() {
            push_message(&ParameterStatus::new(name, value), &mut self.out);
        }
        if self.shared.is_notified.load(Ordering::Acquire) {
            self.take_notifications();
        }
        let status = match self.session.transaction_status() {
            TransactionStatus::Idle => response::TransactionStatus::Idle,
            TransactionStatus::InBlock => response::TransactionStatus::Transaction,
            TransactionStatus::Failed => response::TransactionStatus::Error,
        };
        push_message(&ReadyForQuery::new(status), &mut self.out);
    }

    pub(super) fn flush(&mut self) {
        self.shared.outbox.append(&mut self.out);
        self.shared.outbox.flush();
    }

    /// From here on a cancel request reaches the statement, and its notices follow the answers before it.
    pub(super) fn publish_statement(&mut self, class: StatementClass) {
        if !self.out.is_empty() {
            self.shared.outbox.append(&mut self.out);
        }
        self.shared.cancel.set(self.session.cancel_token(), class == StatementClass::Agent);
        if self.shared.inbox.is_lost() {
            self.shared.cancel.client_lost();
        }
    }

    /// A context for reading values that the client sent as text: settings of the session, a snapshot of its own.
    pub(super) fn decode_context(&self) -> ExecContext {
        crate::context::read_context(&self.shared.database, &self.session)
    }

    pub(super) fn observe(&self, class: StatementClass, started: Instant) {
        self.shared.metrics.observe_statement(class, started.elapsed());
    }
}

/// Pulls `cursor` to its end and writes every row with `encode`, in pieces and with back-pressure. Gives the row count.
pub(super) fn drive_rows(
    shared: &Shared,
    out: &mut BytesMut,
    cursor: &mut RowCursor,
    mut encode: impl FnMut(&ExecContext, &Batch, usize, &mut BytesMut) -> Result<()>,
) -> Result<u64> {
    let mut sent = 0;
    while let Some(batch) = cursor.next_batch()? {
        for row in 0..batch.row_count {
            // A row may be as long as a message.
            cursor.context().cancel.check()?;
            encode(cursor.context(), &batch, row, out)?;
            if out.len() >= FLUSH_SIZE_BYTES {
                send_piece(shared, out, &cursor.context().cancel)?;
            }
        }
        sent += batch.row_count as u64;
    }
    Ok(sent)
}

/// Hands a full piece to the socket; waits while the client is behind.
pub(super) fn send_piece(shared: &Shared, out: &mut BytesMut, cancel: &CancelToken) -> Result<()> {
    shared.outbox.append(out);
    shared.outbox.flush();
    shared.outbox.wait_for_room(cancel)
}

/// 54000 for a message that was skipped.
pub(super) fn message_too_long(body_size_bytes: usize) -> QueryError {
    QueryError::new(
        sqlstate::PROGRAM_LIMIT_EXCEEDED,
        format!(
            "message of {body_size_bytes} bytes is longer than the limit of {} bytes",
            super::frame::MESSAGE_LIMIT_BYTES
        ),
    )
}

pub(super) fn panic_text(panic: &Box<dyn std::any::Any + Send>) -> String {
    if let Some(text) = panic.downcast_ref::<&str>() {
        (*text).to_owned()
    } else if let Some(text) = panic.downcast_ref::<String>() {
        text.clone()
    } else {
        "unknown panic".to_owned()
    }
}

/// 57P01, the last word to a client whose connection is ended from outside.
pub(super) fn terminated() -> QueryError {
    QueryError::new(sqlstate::ADMIN_SHUTDOWN, "terminating connection due to administrator command")
}
