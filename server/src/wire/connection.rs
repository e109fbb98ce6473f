//! One client, from accept to close: the task that reads, writes, and notices when the client is gone.
//!
//! The task owns the socket's readiness; statements run on the query pool. Whatever runs, the task keeps reading (up to a
//! bound), so an end of the stream is seen while a statement runs and cancels it; and it keeps writing, so notices reach a
//! client that is idle.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use bytes::BytesMut;
use sinew::{Database, QueryError};
use tokio::io::Interest;
use tokio::net::TcpStream;
use tokio::sync::watch;

use super::backend::{Backend, Shared, terminated};
use super::cancel::{CancelHandle, CancelRegistry};
use super::errors::{Severity, code, error_response};
use super::frame::FrameReader;
use super::inbox::Inbox;
use super::outbox::Outbox;
use super::startup::{Opening, StartupRequest, greet, make_secret, open_session, read_opening, send_message};
use crate::metrics::Metrics;
use crate::pool::QueryPool;
use crate::readiness::Readiness;

/// How long a statement that was told to stop may take before its connection is given up at shutdown.
pub const STOP_GRACE: Duration = Duration::from_secs(5);
/// For a client to take the last words; less when the server stops.
const LAST_WORDS: Duration = Duration::from_secs(5);
const LAST_WORDS_AT_SHUTDOWN: Duration = Duration::from_secs(1);

/// What all connections share.
pub struct WireContext {
    pub readiness: Arc<Readiness>,
    pub pool: QueryPool,
    pub metrics: Arc<Metrics>,
    pub cancels: CancelRegistry,
    pub max_connections: usize,
    /// From accept to the end of the startup packet.
    pub startup_timeout: Duration,
    /// Between two reads of one half-sent message.
    pub message_timeout: Duration,
    /// How long statements may go on when the server stops; then they are cancelled.
    pub drain_timeout: Duration,
    /// Sessions open now.
    pub session_count: AtomicUsize,
    /// True from when the server is told to stop.
    pub shutdown: watch::Receiver<bool>,
}

/// Counts a session while it lives.
struct SessionSlot<'a>(&'a WireContext);

impl<'a> SessionSlot<'a> {
    fn take(context: &'a WireContext) -> Option<SessionSlot<'a>> {
        let taken = context.session_count.fetch_update(Ordering::AcqRel, Ordering::Acquire, |count| {
            (count < context.max_connections).then_some(count + 1)
        });
        taken.ok()?;
        context.metrics.connections.inc();
        Some(SessionSlot(context))
    }
}

impl Drop for SessionSlot<'_> {
    fn drop(&mut self) {
        self.0.session_count.fetch_sub(1, Ordering::AcqRel);
        self.0.metrics.connections.dec();
    }
}

/// Serves one client until it leaves.
pub async fn serve(context: Arc<WireContext>, stream: TcpStream) {
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "TCP_NODELAY");
    }
    let stream = Arc::new(stream);
    let mut rest = BytesMut::new();
    let mut shutdown = context.shutdown.clone();
    let opening = tokio::select! {
        opening = tokio::time::timeout(context.startup_timeout, read_opening(&stream, &mut rest)) => opening,
        // Nobody has said anything yet: there is nobody to tell.
        () = stopped(&mut shutdown) => return,
    };
    let opening = match opening {
        Ok(Ok(Some(opening))) => opening,
        Ok(Ok(None)) => return,
        Ok(Err(error)) => return refuse(&stream, &error).await,
        Err(_) => return, // Nothing was asked for: nothing is answered.
    };
    match opening {
        Opening::Cancel { process_id, secret } => {
            context.cancels.cancel(process_id, &secret);
        }
        Opening::Session(request) => {
            if *context.shutdown.borrow() {
                let message = "the database system is shutting down";
                return refuse(&stream, &QueryError::new(sinew::sqlstate::CANNOT_CONNECT_NOW, message)).await;
            }
            let database = match context.readiness.database() {
                Ok(database) => database,
                Err(error) => return refuse(&stream, &error).await,
            };
            let Some(_slot) = SessionSlot::take(&context) else {
                let error = QueryError::new(code::TOO_MANY_CONNECTIONS, "sorry, too many clients already")
                    .hint(format!("max_connections is {}", context.max_connections));
                return refuse(&stream, &error).await;
            };
            serve_session(&context, database, stream, request, rest).await;
        }
    }
}

/// Returns when the server is told to stop.
async fn stopped(shutdown: &mut watch::Receiver<bool>) {
    // An error means that the sender is gone: stop as well.
    let _ = shutdown.wait_for(|stop| *stop).await;
}

async fn refuse(stream: &Arc<TcpStream>, error: &QueryError) {
    let response = error_response(error, Severity::Fatal, 0);
    let send = send_message(stream, &response);
    // A client that does not read is not worth waiting for.
    let _ = tokio::time::timeout(Duration::from_secs(5), send).await;
}

async fn serve_session(
    context: &Arc<WireContext>,
    database: Database,
    stream: Arc<TcpStream>,
    request: StartupRequest,
    rest: BytesMut,
) {
    let shared = Arc::new(Shared {
        inbox: Inbox::default(),
        outbox: Outbox::new(stream.clone()),
        cancel: Arc::new(CancelHandle::default()),
        is_terminated: AtomicBool::new(false),
        is_notified: AtomicBool::new(false),
        database,
        metrics: context.metrics.clone(),
    });
    let backend_shared = shared.clone();
    let client_address = stream.peer_addr().ok();
    let secret = make_secret(request.minor);
    let greeting_secret = secret.clone();
    let opened = context
        .pool
        .run(move || -> Result<_, QueryError> {
            let (session, warnings) = open_session(&backend_shared.database, &request)?;
            let terminated = Arc::downgrade(&backend_shared);
            session.set_client(
                client_address,
                Arc::new(move || {
                    if let Some(shared) = terminated.upgrade() {
                        shared.is_terminated.store(true, Ordering::Release);
                        shared.inbox.changed.notify_one();
                    }
                }),
            );
            let process_id = session.context().process_id;
            let mut backend = Box::new(Backend::new(session, backend_shared));
            backend.greet(|session, out| greet(session, &request, process_id, &greeting_secret, &warnings, out));
            Ok((backend, process_id))
        })
        .await;
    let (backend, process_id) = match opened {
        Ok(Ok(opened)) => opened,
        Ok(Err(error)) => return refuse(&stream, &error).await,
        Err(_) => return refuse(&stream, &QueryError::internal("the session could not be opened")).await,
    };
    context.cancels.register(process_id, secret, shared.cancel.clone());
    shared.inbox.park(backend);
    let mut connection = Connection { context: context.clone(), stream, shared, reader: FrameReader::new(rest) };
    let end = connection.serve_messages().await;
    connection.close(end).await;
    connection.context.cancels.unregister(process_id, &connection.shared.cancel);
}

struct Connection {
    context: Arc<WireContext>,
    stream: Arc<TcpStream>,
    shared: Arc<Shared>,
    reader: FrameReader,
}

/// Why a connection ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    /// The backend has said its last word, which is in the outbox.
    Finished,
    /// The client is gone.
    Lost,
    /// A statement does not stop in time at shutdown.
    Abandoned,
}

impl Connection {
    async fn serve_messages(&mut self) -> End {
        let mut shutdown = self.context.shutdown.clone();
        let mut stopping_since: Option<Instant> = None;
        let mut frames = Vec::new();
        let mut end_of_stream = false;
        let mut last_read = tokio::time::Instant::now();
        loop {
            while let Some(frame) = self.reader.next_frame() {
                frames.push(frame);
            }
            if stopping_since.is_none()
                && let Some(backend) = self.shared.inbox.push(&mut frames)
            {
                self.context.pool.submit(move || backend.run());
            }
            if self.shared.inbox.has_finished_backend() {
                return End::Finished;
            }
            if self.shared.outbox.is_lost() {
                return End::Lost;
            }
            // A backend at work sees it by itself when its statement ends.
            if self.shared.is_terminated.load(Ordering::Acquire) && self.stop_idle_backend() {
                continue;
            }
            // A backend at work sees them by itself before it is ready for the next statement.
            if self.shared.is_notified.load(Ordering::Acquire) {
                self.notify_idle_client();
            }
            if let Some(since) = stopping_since {
                if self.stop_idle_backend() {
                    continue;
                }
                if since.elapsed() > self.context.drain_timeout + STOP_GRACE {
                    return End::Abandoned;
                }
                if since.elapsed() > self.context.drain_timeout {
                    // The statement's last word is that of the connection: 57P01.
                    self.shared.is_terminated.store(true, Ordering::Release);
                    self.shared.cancel.cancel();
                }
            }
            let paused = self.shared.inbox.is_full() || end_of_stream;
            if !paused {
                self.reader.reserve();
            }
            let want_write = self.shared.outbox.has_pending();
            let mid_message = self.reader.is_mid_message() && !paused;
            let poll = paused || stopping_since.is_some();
            let idle_deadline = self.shared.inbox.idle_deadline();
            let is_idle = idle_deadline.is_some();
            let idle_end = tokio::time::Instant::from_std(idle_deadline.unwrap_or_else(Instant::now));
            tokio::select! {
                readable = self.stream.readable(), if !paused => {
                    let read = readable.and_then(|()| self.stream.try_read_buf(&mut self.reader.buffer));
                    match read {
                        Ok(0) if self.shared.inbox.has_terminate() => end_of_stream = true,
                        Ok(0) => return self.end_of_stream(),
                        Ok(_) => last_read = tokio::time::Instant::now(),
                        Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {}
                        Err(_) => return End::Lost,
                    }
                }
                writable = self.stream.writable(), if want_write => {
                    if writable.is_err() {
                        return End::Lost;
                    }
                    self.shared.outbox.flush();
                }
                () = self.shared.outbox.wake.notified() => {}
                () = self.shared.inbox.changed.notified() => {}
                () = tokio::time::sleep_until(last_read + self.context.message_timeout), if mid_message => {
                    return self.time_out();
                }
                () = tokio::time::sleep_until(idle_end), if is_idle => {
                    if self.end_idle_transaction() {
                        return End::Finished;
                    }
                }
                () = tokio::time::sleep(Duration::from_millis(200)), if poll => {
                    // Data is waiting unread, so an end behind it shows only here.
                    if !end_of_stream && self.is_closed_by_peer().await {
                        return End::Lost;
                    }
                }
                changed = shutdown.changed(), if stopping_since.is_none() => {
                    if changed.is_err() || *shutdown.borrow() {
                        stopping_since = Some(Instant::now());
                    }
                }
            }
        }
    }

    /// The client closed its side without Terminate. What it sent before that and what is already answered does not
    /// matter to it any more.
    fn end_of_stream(&self) -> End {
        if self.shared.inbox.has_finished_backend() { End::Finished } else { End::Lost }
    }

    async fn is_closed_by_peer(&self) -> bool {
        let ready = tokio::time::timeout(Duration::ZERO, self.stream.ready(Interest::READABLE)).await;
        match ready {
            Ok(Ok(ready)) => ready.is_read_closed(),
            Ok(Err(_)) => true,
            Err(_) => false,
        }
    }

    /// True when the backend was idle and has been told to end.
    fn stop_idle_backend(&self) -> bool {
        let Some(mut backend) = self.shared.inbox.take_parked() else { return false };
        backend.finish_with(&terminated());
        self.shared.inbox.park(backend);
        true
    }

    /// Sends notifications to a client that waits, as far as it takes them.
    fn notify_idle_client(&self) {
        while !self.shared.outbox.is_full()
            && let Some(mut backend) = self.shared.inbox.take_parked()
        {
            let sent = backend.notify_idle_client();
            self.shared.inbox.park(backend);
            if !sent {
                break;
            }
        }
    }

    /// The client is silent in a transaction: true when its connection has been told to end, which rolls back. False when
    /// the backend went to work in the last moment.
    fn end_idle_transaction(&self) -> bool {
        let Some(mut backend) = self.shared.inbox.take_parked() else { return false };
        let is_due = backend.idle_deadline().is_some_and(|deadline| deadline <= Instant::now());
        if is_due {
            let error = backend.idle_error();
            backend.finish_with(&error);
        }
        self.shared.inbox.park(backend);
        is_due
    }

    /// A message was begun and not continued.
    fn time_out(&self) -> End {
        match self.shared.inbox.take_parked() {
            Some(mut backend) => {
                let message = format!(
                    "terminating connection because a message was not completed within {} s",
                    self.context.message_timeout.as_secs()
                );
                backend.finish_with(&QueryError::new(code::IDLE_TIMEOUT, message));
                self.shared.inbox.park(backend);
                End::Finished
            }
            None => End::Lost,
        }
    }

    /// Sends what is left, ends what runs, and lets the session go.
    async fn close(&mut self, end: End) {
        if end == End::Finished {
            let limit = if *self.context.shutdown.borrow() { LAST_WORDS_AT_SHUTDOWN } else { LAST_WORDS };
            let _ = tokio::time::timeout(limit, self.shared.outbox.drain()).await;
        }
        self.shared.inbox.close();
        self.shared.outbox.close();
        let waiting_since = Instant::now();
        let backend = loop {
            if let Some(backend) = self.shared.inbox.take_parked() {
                break Some(backend);
            }
            if end == End::Abandoned || (*self.context.shutdown.borrow() && waiting_since.elapsed() > STOP_GRACE) {
                tracing::warn!("a statement did not stop in time; its connection was given up");
                break None;
            }
            self.shared.cancel.client_lost();
            if *self.context.shutdown.borrow() {
                self.shared.cancel.cancel();
            }
            let _ = tokio::time::timeout(Duration::from_millis(100), self.shared.inbox.changed.notified()).await;
        };
        if let Some(backend) = backend {
            // Rolling back an open transaction may block; waiting for it keeps the session counted until it is gone.
            let _ = self.context.pool.run(move || drop(backend)).await;
        }
    }
}
