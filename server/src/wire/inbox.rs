//! Messages of one client waiting for its backend, and the backend itself while it has nothing to do.
//!
//! The connection's task pushes frames; when the backend is parked here it is taken out and sent to the query pool,
//! where it works until the queue is empty and parks again. So a backend is always in exactly one place, one statement
//! runs at a time, and an idle connection holds no thread.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex};
use sinew::{CancelToken, Result};
use tokio::sync::Notify;

use super::backend::Backend;
use super::frame::Frame;
use super::outbox::connection_lost;

/// Bytes queued above which the socket is not read any further.
pub const QUEUE_LIMIT_BYTES: usize = 4 << 20;

#[derive(Default)]
pub struct Inbox {
    state: Mutex<State>,
    arrived: Condvar,
    /// The backend parked, or the queue has room again.
    pub changed: Notify,
}

#[derive(Default)]
struct State {
    frames: VecDeque<Frame>,
    queued_bytes: usize,
    parked: Option<Box<Backend>>,
    /// The client is gone: waiting for more is pointless.
    lost: bool,
}

/// What a working backend finds.
pub enum Next {
    Frame(Box<Backend>, Frame),
    /// Nothing: the backend was parked.
    Parked,
}

impl Inbox {
    /// Queues frames; gives the backend when it was parked and has to be put to work.
    pub fn push(&self, frames: &mut Vec<Frame>) -> Option<Box<Backend>> {
        let mut state = self.state.lock();
        for frame in frames.drain(..) {
            state.queued_bytes += frame.size_bytes();
            state.frames.push_back(frame);
        }
        self.arrived.notify_all();
        if state.parked.as_ref().is_some_and(|backend| backend.is_finished()) {
            return None;
        }
        if state.frames.is_empty() { None } else { state.parked.take() }
    }

    /// The next frame for a working backend; parks it when there is none, when it has finished, or the client is gone.
    pub fn next(&self, mut backend: Box<Backend>) -> Next {
        let mut state = self.state.lock();
        if !backend.is_finished()
            && !state.lost
            && let Some(frame) = self.pop(&mut state)
        {
            return Next::Frame(backend, frame);
        }
        backend.note_idle();
        state.parked = Some(backend);
        self.changed.notify_one();
        Next::Parked
    }

    /// Waits for the next frame in the middle of a statement (COPY FROM STDIN).
    pub fn wait_for_frame(&self, cancel: &CancelToken) -> Result<Frame> {
        let mut state = self.state.lock();
        loop {
            if let Some(frame) = self.pop(&mut state) {
                return Ok(frame);
            }
            if state.lost {
                return Err(connection_lost());
            }
            cancel.check()?;
            self.arrived.wait_for(&mut state, Duration::from_millis(100));
        }
    }

    /// True when the very next frame has arrived and is of this kind.
    pub fn next_is(&self, kind: u8) -> bool {
        self.state.lock().frames.front().and_then(Frame::kind) == Some(kind)
    }

    pub fn has_frames(&self) -> bool {
        !self.state.lock().frames.is_empty()
    }

    /// True when the client has said goodbye in a frame that is still queued.
    pub fn has_terminate(&self) -> bool {
        self.state.lock().frames.iter().any(|frame| frame.kind() == Some(b'X'))
    }

    pub fn is_full(&self) -> bool {
        self.state.lock().queued_bytes > QUEUE_LIMIT_BYTES
    }

    pub fn is_lost(&self) -> bool {
        self.state.lock().lost
    }

    /// The client is gone: queued frames are dropped, waits end.
    pub fn close(&self) {
        let mut state = self.state.lock();
        state.lost = true;
        state.frames.clear();
        state.queued_bytes = 0;
        self.arrived.notify_all();
    }

    pub fn has_finished_backend(&self) -> bool {
        self.state.lock().parked.as_ref().is_some_and(|backend| backend.is_finished())
    }

    /// When the parked backend's client will have been silent in a transaction for too long.
    pub fn idle_deadline(&self) -> Option<Instant> {
        self.state.lock().parked.as_ref().and_then(|backend| backend.idle_deadline())
    }

    pub fn park(&self, backend: Box<Backend>) {
        self.state.lock().parked = Some(backend);
    }

    pub fn take_parked(&self) -> Option<Box<Backend>> {
        self.state.lock().parked.take()
    }

    fn pop(&self, state: &mut State) -> Option<Frame> {
        let frame = state.frames.pop_front()?;
        let was_full = state.queued_bytes > QUEUE_LIMIT_BYTES;
        state.queued_bytes -= frame.size_bytes();
        if was_full && state.queued_bytes <= QUEUE_LIMIT_BYTES {
            self.changed.notify_one();
        }
        Some(frame)
    }
}
