//! Prepared statements and cursors of a session, as `pg_prepared_statements` and `pg_cursors` show them.
//!
//! The session owns the things themselves. What it lists of one lasts as long as the [`Listing`] that came for it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::Mutex;
use sinew_storage::DataType;

use crate::context::SessionContext;

/// A row of `pg_prepared_statements`.
#[derive(Debug)]
pub struct ListedStatement {
    pub name: String,
    /// As the client sent it.
    pub text: String,
    pub prepared_us: i64,
    pub parameter_types: Vec<DataType>,
    /// By PREPARE; otherwise by the protocol.
    pub from_sql: bool,
    /// Times it was run. Plans are made without looking at parameters.
    pub run_count: AtomicU64,
}

/// A row of `pg_cursors`.
#[derive(Clone, Debug)]
pub struct ListedCursor {
    pub name: String,
    /// As the client sent it.
    pub text: String,
    pub is_holdable: bool,
    pub is_binary: bool,
    pub is_scrollable: bool,
    pub declared_us: i64,
}

/// What a session lists, in the order it came.
#[derive(Default)]
pub struct SessionObjects {
    next: AtomicU64,
    statements: Mutex<BTreeMap<u64, Arc<ListedStatement>>>,
    cursors: Mutex<BTreeMap<u64, ListedCursor>>,
}

impl SessionObjects {
    pub fn statements(&self) -> Vec<Arc<ListedStatement>> {
        self.statements.lock().values().cloned().collect()
    }

    pub fn cursors(&self) -> Vec<ListedCursor> {
        self.cursors.lock().values().cloned().collect()
    }
}

/// Keeps one row listed.
pub struct Listing {
    session: Arc<SessionContext>,
    number: u64,
}

impl Listing {
    pub fn of_statement(session: &Arc<SessionContext>, statement: Arc<ListedStatement>) -> Listing {
        let listing = Listing::new(session);
        session.objects.statements.lock().insert(listing.number, statement);
        listing
    }

    pub fn of_cursor(session: &Arc<SessionContext>, cursor: ListedCursor) -> Listing {
        let listing = Listing::new(session);
        session.objects.cursors.lock().insert(listing.number, cursor);
        listing
    }

    fn new(session: &Arc<SessionContext>) -> Listing {
        Listing { session: Arc::clone(session), number: session.objects.next.fetch_add(1, Ordering::Relaxed) }
    }
}

impl Drop for Listing {
    fn drop(&mut self) {
        let objects = &self.session.objects;
        objects.statements.lock().remove(&self.number);
        objects.cursors.lock().remove(&self.number);
    }
}
