//! Bytes on their way to one client.
//!
//! The query thread writes to the socket itself where the socket takes everything at once, which saves a hop through the
//! network thread for every small result. What the socket does not take is left to the connection's task; when too much
//! is left, the query thread waits (back-pressure), so a slow reader costs a bounded buffer.
//!
//! Whole messages only are appended, so a notice from any thread may go between two others.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Buf, BytesMut};
use parking_lot::{Mutex, MutexGuard};
use sinew::{CancelToken, QueryError, Result};
use tokio::sync::Notify;

use super::socket::Socket;

/// Results are handed to the socket in pieces of at least this size, in bytes.
pub const FLUSH_SIZE_BYTES: usize = 64 << 10;
/// Unsent bytes at which the query thread waits for the client.
const HIGH_WATER_BYTES: usize = 512 << 10;

pub struct Outbox {
    socket: Arc<Socket>,
    state: Mutex<State>,
    /// The connection's task has something to write.
    pub wake: Notify,
}

#[derive(Default)]
struct State {
    pending: BytesMut,
    lost: bool,
}

impl Outbox {
    pub fn new(socket: Arc<Socket>) -> Outbox {
        Outbox { socket, state: Mutex::default(), wake: Notify::new() }
    }

    /// Takes the bytes of `messages`, leaving it empty. Nothing is sent yet.
    pub fn append(&self, messages: &mut BytesMut) {
        let mut state = self.state.lock();
        if state.lost {
            messages.clear();
        } else if state.pending.is_empty() {
            std::mem::swap(&mut state.pending, messages);
            messages.clear();
        } else {
            state.pending.extend_from_slice(messages);
            messages.clear();
        }
    }

    /// Sends what the socket takes now and leaves the rest to the connection's task. Never blocks.
    pub fn flush(&self) {
        let mut state = self.state.lock();
        self.write_pending(&mut state);
        if !state.pending.is_empty() {
            drop(state);
            self.wake.notify_one();
        }
    }

    /// Blocks the query thread while the client is behind. 57014 when the statement is cancelled meanwhile, 08006 when
    /// the client is gone.
    pub fn wait_for_room(&self, cancel: &CancelToken) -> Result<()> {
        let mut state = self.state.lock();
        while state.pending.len() > HIGH_WATER_BYTES {
            drop(state);
            cancel.check()?;
            // An error of the socket shows at the write.
            let _ = self.socket.wait_writable(Duration::from_millis(100));
            state = self.state.lock();
            self.write_pending(&mut state);
        }
        if state.lost {
            return Err(connection_lost());
        }
        Ok(())
    }

    /// The client is behind: nothing that can wait should be added.
    pub fn is_full(&self) -> bool {
        self.state.lock().pending.len() > HIGH_WATER_BYTES
    }

    pub fn has_pending(&self) -> bool {
        !self.state.lock().pending.is_empty()
    }

    /// The client is gone: what is pending and what follows is thrown away.
    pub fn close(&self) {
        let mut state = self.state.lock();
        state.lost = true;
        state.pending = BytesMut::new();
    }

    pub fn is_lost(&self) -> bool {
        self.state.lock().lost
    }

    fn write_pending(&self, state: &mut MutexGuard<'_, State>) {
        while !state.pending.is_empty() {
            match self.socket.try_write(&state.pending) {
                Ok(written) => state.pending.advance(written),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(_) => {
                    state.lost = true;
                    state.pending = BytesMut::new();
                }
            }
        }
        if state.pending.is_empty() && state.pending.capacity() > 4 * HIGH_WATER_BYTES {
            state.pending = BytesMut::new();
        }
    }
}

pub fn connection_lost() -> QueryError {
    QueryError::new("08006", "connection to client lost")
}
