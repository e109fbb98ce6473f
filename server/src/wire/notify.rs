//! Notifications on their way to the client.
//!
//! They leave between statements and outside transactions only: before ReadyForQuery when the backend is at work, from
//! the connection's task when it is parked. A client that is behind gets no more of them until it has read; meanwhile
//! they wait in the database's queue, which is bounded.

use std::sync::atomic::Ordering;

use pgwire::messages::response::NotificationResponse;
use sinew::TransactionStatus;

use super::backend::Backend;
use super::encode::push_message;
use super::outbox::FLUSH_SIZE_BYTES;

impl Backend {
    /// Sends a piece of what is due to a client that waits; false when nothing is, or not now.
    pub fn notify_idle_client(&mut self) -> bool {
        if self.implicit_block || self.is_finished() {
            return false;
        }
        let sent = self.take_notifications();
        self.flush();
        sent
    }

    /// Writes a piece of what is due, behind the answers so far. What is left is sent when the client waits.
    pub(super) fn take_notifications(&mut self) -> bool {
        if self.session.transaction_status() != TransactionStatus::Idle {
            return false;
        }
        // Cleared first: who comes later sets it again.
        self.shared.is_notified.store(false, Ordering::Release);
        let due = self.session.take_notifications(FLUSH_SIZE_BYTES);
        if due.is_empty() {
            return false;
        }
        self.shared.is_notified.store(true, Ordering::Release);
        for told in due {
            let (channel, payload) = (told.channel.to_string(), told.payload.to_string());
            push_message(&NotificationResponse::new(told.process_id, channel, payload), &mut self.out);
        }
        true
    }
}
