//! What one client sends, and its backend while it has nothing to do.
//!
//! The connection's task reads the socket while the backend is parked here; when a whole message has arrived the backend
//! is taken out and sent to the query pool. There it reads the socket itself, message after message, and parks again only
//! when its client has been silent for [`LINGER`]: a client that asks on as soon as it is answered costs no hop between
//! threads, and an idle connection holds no thread. So a backend is always in exactly one place, one statement runs at a
//! time, and whoever has the backend is the one who reads.

use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use sinew::{CancelToken, Result};
use tokio::sync::Notify;

use super::backend::Backend;
use super::frame::{Frame, FrameReader};
use super::outbox::connection_lost;
use super::socket::{LINGER, Socket};
use super::spin::Spin;

pub struct Inbox {
    socket: Arc<Socket>,
    /// Longest silence in the middle of a message.
    message_timeout: Duration,
    state: Mutex<State>,
    /// The backend parked.
    pub changed: Notify,
}

struct State {
    reader: FrameReader,
    spin: Spin,
    last_read: Instant,
    /// The client has closed its side.
    end_of_stream: bool,
    parked: Option<Box<Backend>>,
    /// The connection is over: waiting for more is pointless.
    lost: bool,
    /// The server stops: what has arrived is done, nothing more is read.
    stopped: bool,
}

impl State {
    /// `read` says how a read of the socket went.
    fn note_read(&mut self, read: io::Result<usize>) -> io::Result<()> {
        match read {
            Ok(0) => self.end_of_stream = true,
            Ok(_) => self.last_read = Instant::now(),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Err(error),
            Err(error) => {
                self.end_of_stream = true;
                return Err(error);
            }
        }
        Ok(())
    }
}

/// What a working backend finds.
pub enum Next {
    Frame(Box<Backend>, Frame),
    /// Nothing: the backend was parked.
    Parked,
}

impl Inbox {
    /// `reader` holds what the startup exchange read too much.
    pub fn new(socket: Arc<Socket>, reader: FrameReader, message_timeout: Duration) -> Inbox {
        let state = State {
            reader,
            spin: Spin::default(),
            last_read: Instant::now(),
            end_of_stream: false,
            parked: None,
            lost: false,
            stopped: false,
        };
        Inbox { socket, message_timeout, state: Mutex::new(state), changed: Notify::new() }
    }

    /// Reads what has arrived, once. `WouldBlock` when that is nothing.
    pub fn read(&self) -> io::Result<()> {
        let mut state = self.state.lock();
        let read = self.socket.try_read(|bytes| state.reader.feed(bytes));
        state.note_read(read)
    }

    /// Reads what arrives within [`LINGER`], once. `WouldBlock` when that is nothing.
    fn linger(&self) -> io::Result<()> {
        let limit = self.state.lock().spin.limit();
        if !limit.is_zero() {
            let begun = Instant::now();
            loop {
                match self.read() {
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                    read => {
                        self.state.lock().spin.note(true);
                        return read;
                    }
                }
                if begun.elapsed() >= limit {
                    break;
                }
                std::hint::spin_loop();
            }
            self.state.lock().spin.note(false);
        }
        let mut read_to = None;
        let read = self.socket.linger(|bytes| {
            let mut state = self.state.lock();
            state.reader.feed(bytes);
            read_to = Some(state);
        });
        read_to.unwrap_or_else(|| self.state.lock()).note_read(read)
    }

    /// The parked backend, when a message waits for it.
    pub fn take_for_work(&self) -> Option<Box<Backend>> {
        let mut state = self.state.lock();
        let is_ready = state.parked.as_ref().is_some_and(|backend| !backend.is_finished());
        if is_ready && state.reader.has_frame() { state.parked.take() } else { None }
    }

    /// The next message for a working backend; parks it when its client is silent, when it has finished, or the client is
    /// gone.
    pub fn next(&self, mut backend: Box<Backend>) -> Next {
        // What the client does not take is the connection's task's to send; more answers would only pile up.
        let is_behind = backend.is_client_behind();
        let mut may_wait = !backend.has_unsent();
        let mut deadline = None;
        loop {
            {
                let mut state = self.state.lock();
                let is_over = backend.is_finished() || state.lost || is_behind;
                if !is_over && let Some(frame) = state.reader.next_frame() {
                    return Next::Frame(backend, frame);
                }
                if is_over || state.end_of_stream || state.stopped || backend.is_terminated() || !may_wait {
                    backend.note_idle();
                    // Nobody read while the backend worked: the client's silence counts from here.
                    state.last_read = Instant::now();
                    state.parked = Some(backend);
                    self.changed.notify_one();
                    return Next::Parked;
                }
            }
            // However little of a message arrives at a time, it is not waited for longer here.
            let now = Instant::now();
            let deadline = *deadline.get_or_insert(now + LINGER);
            may_wait = now < deadline && self.linger().is_ok();
        }
    }

    /// Waits for the next message in the middle of a statement (COPY FROM STDIN).
    pub fn wait_for_frame(&self, cancel: &CancelToken) -> Result<Frame> {
        // Before that nobody read, so that the client could not be heard.
        let waiting_since = Instant::now();
        loop {
            {
                let mut state = self.state.lock();
                if state.lost {
                    return Err(connection_lost());
                }
                if let Some(frame) = state.reader.next_frame() {
                    return Ok(frame);
                }
                if state.end_of_stream {
                    return Err(connection_lost());
                }
            }
            cancel.check()?;
            match self.socket.wait_readable(Duration::from_millis(100)) {
                Ok(true) => match self.read() {
                    Err(error) if error.kind() != io::ErrorKind::WouldBlock => return Err(connection_lost()),
                    _ => {}
                },
                Ok(false) => {
                    let state = self.state.lock();
                    let silent_since = state.last_read.max(waiting_since);
                    if state.reader.is_mid_message() && silent_since.elapsed() > self.message_timeout {
                        return Err(connection_lost());
                    }
                }
                Err(_) => return Err(connection_lost()),
            }
        }
    }

    /// True when the very next message has arrived and is of this kind.
    pub fn next_is(&self, kind: u8) -> bool {
        if !self.state.lock().reader.has_frame() {
            // It may have come behind a message that filled the last read; an error shows at the next one.
            let _ = self.read();
        }
        self.state.lock().reader.next_kind() == Some(kind)
    }

    pub fn has_frames(&self) -> bool {
        self.state.lock().reader.has_frame()
    }

    /// The client has closed its side and everything it sent is done.
    pub fn has_ended(&self) -> bool {
        let state = self.state.lock();
        state.end_of_stream && state.parked.is_some() && !state.reader.has_frame()
    }

    /// The client has closed its side while a statement runs, and did not say goodbye before.
    pub fn is_abandoned(&self) -> bool {
        !self.state.lock().reader.ends_with_terminate() && self.socket.is_abandoned()
    }

    /// When the client last sent something, while a message of its has begun and not ended.
    pub fn mid_message_since(&self) -> Option<Instant> {
        let state = self.state.lock();
        state.reader.is_mid_message().then_some(state.last_read)
    }

    pub fn is_lost(&self) -> bool {
        self.state.lock().lost
    }

    /// The connection is over: what the client still sends is dropped, waits end.
    pub fn close(&self) {
        let mut state = self.state.lock();
        state.lost = true;
        state.reader = FrameReader::default();
    }

    /// Has the backend park when it has done what has arrived.
    pub fn stop(&self) {
        self.state.lock().stopped = true;
    }

    pub fn has_finished_backend(&self) -> bool {
        self.state.lock().parked.as_ref().is_some_and(|backend| backend.is_finished())
    }

    /// When the parked backend's client will have been silent in a transaction for too long.
    pub fn idle_deadline(&self) -> Option<Instant> {
        self.state.lock().parked.as_ref().and_then(|backend| backend.idle_deadline())
    }

    pub fn is_parked(&self) -> bool {
        self.state.lock().parked.is_some()
    }

    pub fn park(&self, backend: Box<Backend>) {
        self.state.lock().parked = Some(backend);
    }

    pub fn take_parked(&self) -> Option<Box<Backend>> {
        self.state.lock().parked.take()
    }
}
