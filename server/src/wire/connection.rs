//! One client, from accept to close: the task that reads, writes, and notices when the client is gone.
//!
//! While the client is silent the task watches the socket and hands the backend to the query pool when a message has
//! arrived. While the backend works it reads and writes the socket itself; the task then looks at times whether the client is
//! still there, and sends what the client did not take at once. So a lost client ends its statement, and notices reach one
//! that is idle.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use bytes::BytesMut;
use sinew::{Database, QueryError};
use tokio::io::unix::{AsyncFd, AsyncFdReadyGuard};
use tokio::net::TcpStream;
use tokio::sync::watch;

use super::backend::{Backend, Shared, terminated};
use super::cancel::{CancelHandle, CancelRegistry};
use super::encode::push_message;
use super::errors::{Severity, code, error_response};
use super::frame::FrameReader;
use super::inbox::Inbox;
use super::outbox::Outbox;
use super::socket::{self, Socket, Watched};
use super::startup::{Opening, StartupRequest, greet, make_secret, open_session, read_opening, send_message};
use crate::metrics::Metrics;
use crate::pool::QueryPool;
use crate::readiness::Readiness;

/// How long a statement that was told to stop may take before its connection is given up at shutdown.
pub const STOP_GRACE: Duration = Duration::from_secs(5);
/// For a client to take the last words; less when the server stops.
const LAST_WORDS: Duration = Duration::from_secs(5);
const LAST_WORDS_AT_SHUTDOWN: Duration = Duration::from_secs(1);

/// How often a client whose statement runs is looked at.
const WATCH_INTERVAL: Duration = Duration::from_millis(200);

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

/// Ends at `deadline`, if there is one.
async fn sleep_until(deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => tokio::time::sleep_until(deadline.into()).await,
        None => std::future::pending().await,
    }
}

/// Returns when the server is told to stop.
async fn stopped(shutdown: &mut watch::Receiver<bool>) {
    // An error means that the sender is gone: stop as well.
    let _ = shutdown.wait_for(|stop| *stop).await;
}

async fn refuse(stream: &TcpStream, error: &QueryError) {
    let response = error_response(error, Severity::Fatal, 0);
    let send = send_message(stream, &response);
    // A client that does not read is not worth waiting for.
    let _ = tokio::time::timeout(Duration::from_secs(5), send).await;
}

async fn serve_session(
    context: &Arc<WireContext>,
    database: Database,
    stream: TcpStream,
    request: StartupRequest,
    rest: BytesMut,
) {
    let socket = match stream.into_std().and_then(Socket::new) {
        Ok(socket) => Arc::new(socket),
        Err(error) => return tracing::warn!(%error, "a connection was given up"),
    };
    let mut reader = FrameReader::default();
    reader.feed(&rest);
    let shared = Arc::new(Shared {
        inbox: Inbox::new(socket.clone(), reader, context.message_timeout),
        outbox: Outbox::new(socket.clone()),
        cancel: Arc::new(CancelHandle::default()),
        is_terminated: AtomicBool::new(false),
        is_notified: AtomicBool::new(false),
        database,
        metrics: context.metrics.clone(),
    });
    let backend_shared = shared.clone();
    let client_address = socket.peer_address();
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
    let mut connection = Connection { context: context.clone(), socket, shared, watch: None };
    let refused = match opened {
        Ok(Ok((backend, process_id))) => {
            context.cancels.register(process_id, secret, connection.shared.cancel.clone());
            connection.shared.inbox.park(backend);
            let end = connection.serve_messages().await;
            connection.close(end).await;
            context.cancels.unregister(process_id, &connection.shared.cancel);
            return;
        }
        Ok(Err(error)) => error,
        Err(_) => QueryError::internal("the session could not be opened"),
    };
    let mut last_words = BytesMut::new();
    push_message(&error_response(&refused, Severity::Fatal, 0), &mut last_words);
    connection.shared.outbox.append(&mut last_words);
    // A client that does not read is not worth waiting for.
    let _ = tokio::time::timeout(LAST_WORDS, connection.drain()).await;
}

struct Connection {
    context: Arc<WireContext>,
    socket: Arc<Socket>,
    shared: Arc<Shared>,
    /// While the task waits for the socket.
    watch: Option<AsyncFd<Watched>>,
}

/// Ready to read; never when nothing is watched.
async fn readable(watch: &Option<AsyncFd<Watched>>) -> io::Result<AsyncFdReadyGuard<'_, Watched>> {
    match watch {
        Some(watch) => watch.readable().await,
        None => std::future::pending().await,
    }
}

/// Ready to write; never when nothing is watched.
async fn writable(watch: &Option<AsyncFd<Watched>>) -> io::Result<AsyncFdReadyGuard<'_, Watched>> {
    match watch {
        Some(watch) => watch.writable().await,
        None => std::future::pending().await,
    }
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
        // Not put off by whatever else happens.
        let mut next_watch = Instant::now() + WATCH_INTERVAL;
        loop {
            let is_behind = self.shared.outbox.is_full();
            if stopping_since.is_none()
                && !is_behind
                && let Some(backend) = self.shared.inbox.take_for_work()
            {
                // From here on the backend reads.
                self.watch = None;
                self.context.pool.submit(move || backend.run());
            }
            if self.shared.inbox.has_finished_backend() {
                return End::Finished;
            }
            if self.shared.outbox.is_lost() {
                return End::Lost;
            }
            if self.shared.inbox.has_ended() {
                // It may still read what it was answered.
                return End::Finished;
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
            let is_at_work = !self.shared.inbox.is_parked();
            let want_read = !is_at_work && !is_behind && stopping_since.is_none();
            let want_write = self.shared.outbox.has_pending();
            if self.watch_socket(want_read || want_write).is_err() {
                return End::Lost;
            }
            let message_deadline = if want_read { self.shared.inbox.mid_message_since() } else { None }
                .map(|since| since + self.context.message_timeout);
            let idle_deadline = self.shared.inbox.idle_deadline();
            tokio::select! {
                ready = readable(&self.watch), if want_read => {
                    let Ok(mut ready) = ready else { return End::Lost };
                    // An error is the end of the stream, which the next round sees.
                    if self.shared.inbox.read().is_err_and(|error| error.kind() == io::ErrorKind::WouldBlock) {
                        ready.clear_ready();
                    }
                }
                ready = writable(&self.watch), if want_write => {
                    let Ok(mut ready) = ready else { return End::Lost };
                    self.shared.outbox.flush();
                    if self.shared.outbox.has_pending() {
                        ready.clear_ready();
                    }
                }
                () = self.shared.outbox.wake.notified() => {}
                () = self.shared.inbox.changed.notified() => {}
                () = sleep_until(message_deadline), if message_deadline.is_some() => {
                    // The rest may have come in this moment.
                    if self.shared.inbox.read().is_err() {
                        return self.time_out();
                    }
                }
                () = sleep_until(idle_deadline), if idle_deadline.is_some() => {
                    if self.end_idle_transaction() {
                        return End::Finished;
                    }
                }
                // Nobody reads while a statement runs: a client that leaves shows only here.
                () = sleep_until(Some(next_watch)), if is_at_work => {
                    next_watch = Instant::now() + WATCH_INTERVAL;
                    if self.shared.inbox.is_abandoned() {
                        return End::Lost;
                    }
                }
                changed = shutdown.changed(), if stopping_since.is_none() => {
                    if changed.is_err() || *shutdown.borrow() {
                        stopping_since = Some(Instant::now());
                        self.shared.inbox.stop();
                    }
                }
            }
        }
    }

    /// Registers the socket with the runtime, or takes it back.
    fn watch_socket(&mut self, wanted: bool) -> io::Result<()> {
        if !wanted {
            self.watch = None;
        } else if self.watch.is_none() {
            self.watch = Some(socket::watch(&self.socket)?);
        }
        Ok(())
    }

    /// Sends everything pending, however long the client takes.
    async fn drain(&mut self) -> io::Result<()> {
        self.shared.outbox.flush();
        while self.shared.outbox.has_pending() {
            self.watch_socket(true)?;
            let mut ready = writable(&self.watch).await?;
            self.shared.outbox.flush();
            if self.shared.outbox.has_pending() {
                ready.clear_ready();
            }
        }
        Ok(())
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
            let _ = tokio::time::timeout(limit, self.drain()).await;
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
