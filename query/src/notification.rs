//! LISTEN and NOTIFY: one queue of what committed transactions have announced, read by the sessions that listen.
//!
//! ```text
//! session ── NOTIFY ──> its own pending list ── COMMIT ──> queue ──> waker of each listener ──> its connection
//! ```
//!
//! A notification waits in its transaction until that has committed and is durable. Commits with notifications go one
//! after the other ([`NotificationQueue::order`] is held across the commit), so the queue has them in commit order, and a
//! LISTEN begins exactly behind the commits before its own. Each listener has a position in the queue; what all of them
//! have passed is dropped. A listener that does not read (its transaction is open, its client is slow) keeps what follows
//! its position, up to the queue's limit; then it is the notifying commit that fails.

use std::collections::{BTreeMap, HashSet, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use parking_lot::{Mutex, MutexGuard};

use crate::error::{QueryError, Result, sqlstate};

/// Bytes that the queue holds at most, and a transaction's pending notifications.
pub const QUEUE_LIMIT_BYTES: usize = 64 << 20;
/// Channels that one session listens to at most.
const CHANNEL_COUNT_LIMIT: usize = 10_000;
/// As in PostgreSQL, in bytes.
const PAYLOAD_LIMIT_BYTES: usize = 8_000;
const CHANNEL_LIMIT_BYTES: usize = 63;
/// What an entry takes besides its text.
const ENTRY_OVERHEAD_BYTES: usize = 64;

/// What a listener is told.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Notification {
    /// Of the session that notified.
    pub process_id: i32,
    pub channel: Arc<str>,
    pub payload: Arc<str>,
}

impl Notification {
    fn size_bytes(&self) -> usize {
        self.channel.len() + self.payload.len() + ENTRY_OVERHEAD_BYTES
    }
}

/// Tells a session's client side, from any thread, that there is something to take.
pub type NotificationWaker = Arc<dyn Fn() + Send + Sync>;

/// The queue of one database.
#[derive(Default)]
pub struct NotificationQueue {
    /// Held by a transaction with notifications or LISTENs from before its commit until these are in effect.
    order: Mutex<()>,
    state: Mutex<QueueState>,
}

#[derive(Default)]
struct QueueState {
    entries: VecDeque<Notification>,
    /// Number of the first entry since the database was opened.
    first: u64,
    size_bytes: usize,
    /// By process id.
    listeners: BTreeMap<i32, Listener>,
}

#[derive(Default)]
struct Listener {
    /// In the order they were listened to.
    channels: Vec<Arc<str>>,
    /// Number of the entry to be read next.
    position: u64,
    waker: Option<NotificationWaker>,
}

impl Listener {
    fn listens_to(&self, channel: &str) -> bool {
        self.channels.iter().any(|known| **known == *channel)
    }
}

impl QueueState {
    fn end(&self) -> u64 {
        self.first + self.entries.len() as u64
    }

    /// Drops what every listener has passed.
    fn trim(&mut self) {
        let end = self.end();
        let oldest = self.listeners.values().map(|listener| listener.position).min().unwrap_or(end);
        while self.first < oldest
            && let Some(entry) = self.entries.pop_front()
        {
            self.size_bytes -= entry.size_bytes();
            self.first += 1;
        }
    }
}

impl NotificationQueue {
    /// How full the queue is, from 0 to 1.
    pub fn usage(&self) -> f64 {
        self.state.lock().size_bytes as f64 / QUEUE_LIMIT_BYTES as f64
    }
}

/// A change of what a session listens to, in effect from its commit.
#[derive(Debug)]
enum Action {
    Listen(Arc<str>),
    Unlisten(Arc<str>),
    UnlistenAll,
}

/// What the running transaction announces when it commits.
#[derive(Default)]
struct Pending {
    actions: Vec<Action>,
    notifications: Vec<Notification>,
    /// Those of `notifications`: the same one is sent once.
    known: HashSet<Notification>,
    size_bytes: usize,
}

/// How much of [`Pending`] there was at some point of the transaction.
#[derive(Clone, Copy, Debug, Default)]
pub struct PendingMark {
    action_count: usize,
    notification_count: usize,
}

/// One session's part.
#[derive(Default)]
pub struct SessionNotifications {
    queue: Arc<NotificationQueue>,
    process_id: i32,
    pending: Mutex<Pending>,
    /// Spares every other commit the look.
    has_pending: AtomicBool,
    waker: Mutex<Option<NotificationWaker>>,
}

impl SessionNotifications {
    pub fn new(queue: Arc<NotificationQueue>, process_id: i32) -> SessionNotifications {
        SessionNotifications { queue, process_id, ..SessionNotifications::default() }
    }

    /// Adds a notification to the transaction. 22023 for a channel or payload that cannot be, 54000 for too many.
    pub fn notify(&self, channel: &str, payload: &str) -> Result<()> {
        let invalid = |message: &str| Err(QueryError::new(sqlstate::INVALID_PARAMETER_VALUE, message));
        if channel.is_empty() {
            return invalid("channel name cannot be empty");
        }
        if channel.len() > CHANNEL_LIMIT_BYTES {
            return invalid("channel name too long");
        }
        if payload.len() >= PAYLOAD_LIMIT_BYTES {
            return invalid("payload string too long");
        }
        let mut pending = self.pending.lock();
        let known = pending.notifications.last().filter(|known| &*known.channel == channel);
        let channel = known.map_or_else(|| channel.into(), |known| Arc::clone(&known.channel));
        let notification = Notification { process_id: self.process_id, channel, payload: payload.into() };
        if pending.known.contains(&notification) {
            return Ok(());
        }
        if pending.size_bytes + notification.size_bytes() > QUEUE_LIMIT_BYTES {
            return Err(queue_is_full());
        }
        pending.size_bytes += notification.size_bytes();
        pending.known.insert(notification.clone());
        pending.notifications.push(notification);
        self.has_pending.store(true, Ordering::Relaxed);
        Ok(())
    }

    /// 54000 when the session listens to too many channels already.
    pub fn listen(&self, channel: &str) -> Result<()> {
        if self.channel_count() + self.pending.lock().actions.len() >= CHANNEL_COUNT_LIMIT {
            return Err(QueryError::new(
                sqlstate::PROGRAM_LIMIT_EXCEEDED,
                format!("a session can listen to at most {CHANNEL_COUNT_LIMIT} channels"),
            ));
        }
        self.add(Action::Listen(channel.into()));
        Ok(())
    }

    pub fn unlisten(&self, channel: &str) {
        self.add(Action::Unlisten(channel.into()));
    }

    pub fn unlisten_all(&self) {
        self.add(Action::UnlistenAll);
    }

    fn add(&self, action: Action) {
        self.pending.lock().actions.push(action);
        self.has_pending.store(true, Ordering::Relaxed);
    }

    /// The state that [`Self::return_to`] goes back to.
    pub fn mark(&self) -> PendingMark {
        if !self.has_pending.load(Ordering::Relaxed) {
            return PendingMark::default();
        }
        let pending = self.pending.lock();
        PendingMark { action_count: pending.actions.len(), notification_count: pending.notifications.len() }
    }

    /// Forgets what the transaction has added since the mark.
    pub fn return_to(&self, mark: PendingMark) {
        if !self.has_pending.load(Ordering::Relaxed) {
            return;
        }
        let mut pending = self.pending.lock();
        pending.actions.truncate(mark.action_count);
        while pending.notifications.len() > mark.notification_count
            && let Some(dropped) = pending.notifications.pop()
        {
            pending.size_bytes -= dropped.size_bytes();
            pending.known.remove(&dropped);
        }
    }

    /// The transaction has not committed.
    pub fn discard(&self) {
        if self.has_pending.swap(false, Ordering::Relaxed) {
            *self.pending.lock() = Pending::default();
        }
    }

    /// To be called before the commit of a transaction, which must be durable before [`Announcement::publish`]. None when
    /// it has nothing to say. 54000 when the queue has no room.
    pub fn prepare_commit(&self) -> Result<Option<Announcement<'_>>> {
        if !self.has_pending.load(Ordering::Relaxed) {
            return Ok(None);
        }
        let order = self.queue.order.lock();
        // Nobody else adds anything while the order is held, so what fits now will fit.
        let is_listened_to = !self.queue.state.lock().listeners.is_empty() || !self.pending.lock().actions.is_empty();
        if is_listened_to && self.queue.state.lock().size_bytes + self.pending.lock().size_bytes > QUEUE_LIMIT_BYTES {
            return Err(queue_is_full());
        }
        Ok(Some(Announcement { session: self, _order: order }))
    }

    /// What the session is to be told, oldest first, about `limit_bytes` of it. Not while it has a transaction open.
    pub fn take(&self, limit_bytes: usize) -> Vec<Notification> {
        let mut state = self.queue.state.lock();
        let QueueState { entries, first, listeners, .. } = &mut *state;
        let Some(listener) = listeners.get_mut(&self.process_id) else { return Vec::new() };
        let mut taken = Vec::new();
        let mut size_bytes = 0;
        let start = usize::try_from(listener.position - *first).unwrap_or(usize::MAX);
        for entry in entries.range(start.min(entries.len())..) {
            if size_bytes >= limit_bytes {
                break;
            }
            listener.position += 1;
            if listener.listens_to(&entry.channel) {
                size_bytes += entry.size_bytes();
                taken.push(entry.clone());
            }
        }
        state.trim();
        taken
    }

    /// Channels listened to, in the order of their LISTENs.
    pub fn channels(&self) -> Vec<Arc<str>> {
        let state = self.queue.state.lock();
        state.listeners.get(&self.process_id).map(|listener| listener.channels.clone()).unwrap_or_default()
    }

    fn channel_count(&self) -> usize {
        self.queue.state.lock().listeners.get(&self.process_id).map_or(0, |listener| listener.channels.len())
    }

    pub fn queue_usage(&self) -> f64 {
        self.queue.usage()
    }

    /// Called when there is something to [take](Self::take).
    pub fn set_waker(&self, waker: NotificationWaker) {
        *self.waker.lock() = Some(waker);
    }

    /// The session ends.
    pub fn close(&self) {
        self.discard();
        let mut state = self.queue.state.lock();
        if state.listeners.remove(&self.process_id).is_some() {
            state.trim();
        }
    }
}

/// A commit under way that has something to say. Dropping it says nothing.
pub struct Announcement<'a> {
    session: &'a SessionNotifications,
    _order: MutexGuard<'a, ()>,
}

impl Announcement<'_> {
    /// The transaction has committed and is durable.
    pub fn publish(self) {
        let session = self.session;
        session.has_pending.store(false, Ordering::Relaxed);
        let Pending { actions, notifications, .. } = std::mem::take(&mut *session.pending.lock());
        let mut state = session.queue.state.lock();
        apply(&mut state, session, actions);
        let behind = state.end();
        for notification in &notifications {
            state.size_bytes += notification.size_bytes();
        }
        state.entries.extend(notifications.iter().cloned());
        let end = state.end();
        let mut wakers = Vec::new();
        for listener in state.listeners.values_mut() {
            if notifications.iter().any(|notification| listener.listens_to(&notification.channel)) {
                wakers.extend(listener.waker.clone());
            } else if listener.position == behind {
                // Nothing of it concerns the listener: it need not be woken to pass it.
                listener.position = end;
            }
        }
        state.trim();
        drop(state);
        for waker in wakers {
            waker();
        }
    }
}

fn apply(state: &mut QueueState, session: &SessionNotifications, actions: Vec<Action>) {
    let end = state.end();
    for action in actions {
        match action {
            Action::Listen(channel) => {
                let listener = state.listeners.entry(session.process_id).or_insert_with(|| Listener {
                    position: end,
                    waker: session.waker.lock().clone(),
                    ..Listener::default()
                });
                if !listener.listens_to(&channel) {
                    listener.channels.push(channel);
                }
            }
            Action::Unlisten(channel) => {
                if let Some(listener) = state.listeners.get_mut(&session.process_id) {
                    listener.channels.retain(|known| *known != channel);
                    if listener.channels.is_empty() {
                        state.listeners.remove(&session.process_id);
                    }
                }
            }
            Action::UnlistenAll => {
                state.listeners.remove(&session.process_id);
            }
        }
    }
}

fn queue_is_full() -> QueryError {
    QueryError::new(sqlstate::PROGRAM_LIMIT_EXCEEDED, "too many notifications in the NOTIFY queue")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn session(queue: &Arc<NotificationQueue>, process_id: i32) -> SessionNotifications {
        SessionNotifications::new(Arc::clone(queue), process_id)
    }

    fn commit(session: &SessionNotifications) {
        if let Some(announcement) = session.prepare_commit().expect("there is room") {
            announcement.publish();
        }
    }

    fn taken(session: &SessionNotifications) -> Vec<(i32, String)> {
        let told = session.take(usize::MAX);
        told.iter().map(|told| (told.process_id, format!("{}:{}", told.channel, told.payload))).collect()
    }

    fn listening(queue: &Arc<NotificationQueue>, process_id: i32, channel: &str) -> SessionNotifications {
        let session = session(queue, process_id);
        session.listen(channel).expect("few channels");
        commit(&session);
        session
    }

    #[test]
    fn a_commit_announces_once_and_in_order() {
        let queue = Arc::default();
        let listener = listening(&queue, 1, "a");
        let other = session(&queue, 2);
        for (channel, payload) in [("a", "1"), ("b", "x"), ("a", "2"), ("a", "1")] {
            other.notify(channel, payload).expect("valid");
        }
        assert!(taken(&listener).is_empty(), "nothing before the commit");
        commit(&other);
        assert_eq!(taken(&listener), [(2, "a:1".to_owned()), (2, "a:2".to_owned())]);
        other.notify("a", "lost").expect("valid");
        other.discard();
        commit(&other);
        assert!(taken(&listener).is_empty());
        assert_eq!(listener.queue_usage(), 0.0);
    }

    #[test]
    fn a_savepoint_takes_back_what_followed_it() {
        let queue = Arc::default();
        let listener = listening(&queue, 1, "a");
        listener.notify("a", "kept").expect("valid");
        let mark = listener.mark();
        listener.notify("a", "kept").expect("valid");
        listener.notify("a", "lost").expect("valid");
        listener.listen("b").expect("few channels");
        listener.return_to(mark);
        listener.notify("a", "lost").expect("valid");
        commit(&listener);
        assert_eq!(taken(&listener), [(1, "a:kept".to_owned()), (1, "a:lost".to_owned())]);
        assert_eq!(listener.channels(), ["a".into()]);
    }

    #[test]
    fn listening_begins_with_the_own_commit_and_ends_with_unlisten() {
        let queue = Arc::default();
        let (first, second) = (session(&queue, 1), listening(&queue, 2, "a"));
        second.notify("a", "before").expect("valid");
        commit(&second);
        first.notify("a", "own").expect("valid");
        first.listen("a").expect("few channels");
        commit(&first);
        assert_eq!(taken(&first), [(1, "a:own".to_owned())]);
        first.unlisten("a");
        first.notify("a", "after").expect("valid");
        commit(&first);
        assert!(taken(&first).is_empty() && first.channels().is_empty());
        assert_eq!(taken(&second).len(), 3);
    }

    #[test]
    fn a_full_queue_refuses_the_commit_until_somebody_reads() {
        let queue = Arc::default();
        let listener = listening(&queue, 1, "a");
        let sender = session(&queue, 2);
        let fill = |count: usize| {
            (0..count).try_for_each(|i| sender.notify("a", &format!("{i:07900}")))?;
            let announcement = sender.prepare_commit()?;
            announcement.expect("something to say").publish();
            Ok::<(), QueryError>(())
        };
        fill(6_000).expect("fits");
        assert!(listener.queue_usage() > 0.5);
        assert_eq!(fill(6_000).expect_err("does not fit").sqlstate(), "54000");
        sender.discard();
        assert_eq!(listener.take(1).len(), 1);
        assert_eq!(listener.take(usize::MAX).len(), 5_999);
        fill(6_000).expect("fits again");
        listener.close();
        assert_eq!(sender.queue_usage(), 0.0);
    }

    #[test]
    fn channels_are_bounded() {
        let queue = Arc::default();
        let session = session(&queue, 1);
        (0..CHANNEL_COUNT_LIMIT).for_each(|i| session.listen(&format!("c{i}")).expect("within the limit"));
        assert_eq!(session.listen("more").expect_err("too many").sqlstate(), "54000");
        commit(&session);
        assert_eq!(session.listen("more").expect_err("too many").sqlstate(), "54000");
    }

    #[test]
    fn names_and_payloads_are_bounded() {
        let session = SessionNotifications::default();
        for (channel, payload, message) in [
            (String::new(), 0, "channel name cannot be empty"),
            ("c".repeat(64), 0, "channel name too long"),
            ("c".to_owned(), 8_000, "payload string too long"),
        ] {
            let error = session.notify(&channel, &"x".repeat(payload)).expect_err(message);
            assert_eq!((error.sqlstate(), error.0.message.as_str()), ("22023", message));
        }
        session.notify(&"c".repeat(63), &"x".repeat(7_999)).expect("the longest");
    }
}
