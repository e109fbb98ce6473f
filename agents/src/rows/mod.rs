//! Rows of the system tables, as the task engine sees them.
//!
//! The engine needs little of a database: insert, update and find rows by equality on a few columns, all in one
//! transaction that is retried when another session wrote the same row first. [`Rows`] is that little, over a store
//! transaction ([`TransactionRows`]) or, in tests, over maps that can lose whatever was not committed.

mod record;
mod transaction;

#[cfg(test)]
pub mod memory;

pub use record::Record;
pub use transaction::{StoreJournal, TransactionRows};

use std::time::Duration;

use sinew::{Result, Value, sqlstate};

/// Attempts before a conflict is given back to the caller.
const COMMIT_ATTEMPTS: u32 = 40;

/// Which rows, and in which order. Every field but `table` may be left out.
#[derive(Clone, Debug, Default)]
pub struct Select<'a> {
    pub table: &'a str,
    pub equal: Vec<(&'a str, Value)>,
    /// Exclusive lower bound.
    pub after: Option<(&'a str, Value)>,
    /// Exclusive upper bound.
    pub before: Option<(&'a str, Value)>,
    pub order_by: &'a [&'a str],
    pub descending: bool,
    pub limit: Option<usize>,
}

impl<'a> Select<'a> {
    pub fn from(table: &'a str) -> Select<'a> {
        Select { table, ..Select::default() }
    }

    pub fn equal(mut self, column: &'a str, value: impl Into<Value>) -> Self {
        self.equal.push((column, value.into()));
        self
    }

    pub fn after(mut self, column: &'a str, value: impl Into<Value>) -> Self {
        self.after = Some((column, value.into()));
        self
    }

    pub fn before(mut self, column: &'a str, value: impl Into<Value>) -> Self {
        self.before = Some((column, value.into()));
        self
    }

    pub fn order_by(mut self, columns: &'a [&'a str]) -> Self {
        self.order_by = columns;
        self
    }

    pub fn descending(mut self) -> Self {
        self.descending = true;
        self
    }

    pub fn limit(mut self, limit: usize) -> Self {
        self.limit = Some(limit);
        self
    }

    /// Whether a row passes `equal`, `after` and `before`.
    fn accepts(&self, record: &Record) -> bool {
        self.equal.iter().all(|(column, value)| record.get(column) == value)
            && self.after.as_ref().is_none_or(|(column, value)| compare(record.get(column), value).is_gt())
            && self.before.as_ref().is_none_or(|(column, value)| compare(record.get(column), value).is_lt())
    }

    /// How two rows stand in the order asked for.
    fn order(&self, a: &Record, b: &Record) -> std::cmp::Ordering {
        let order = self.order_by.iter().map(|column| compare(a.get(column), b.get(column)));
        let order = order.fold(std::cmp::Ordering::Equal, std::cmp::Ordering::then);
        if self.descending { order.reverse() } else { order }
    }
}

/// Order of two values of one column; the types that system tables are looked up by.
fn compare(a: &Value, b: &Value) -> std::cmp::Ordering {
    match (a, b) {
        (Value::Int(a), Value::Int(b)) | (Value::Timestamp(a), Value::Timestamp(b)) => a.cmp(b),
        (Value::Text(a), Value::Text(b)) => a.cmp(b),
        (Value::Uuid(a), Value::Uuid(b)) => a.cmp(b),
        (Value::Null, Value::Null) => std::cmp::Ordering::Equal,
        (Value::Null, _) => std::cmp::Ordering::Greater,
        (_, Value::Null) => std::cmp::Ordering::Less,
        _ => std::cmp::Ordering::Equal,
    }
}

/// The rows of one transaction. Tables are those of schema `sinew`, by name.
pub trait Rows {
    /// Columns that the record does not name are NULL. 23505 when a unique key is taken by a row that this transaction
    /// sees, 40001 when by one that was committed meanwhile.
    fn insert(&self, table: &str, record: Record) -> Result<()>;
    fn select(&self, select: Select<'_>) -> Result<Vec<Record>>;
    /// Overwrites the named columns of the one row that `key` finds; false when there is none.
    fn update(&self, table: &str, key: &[(&str, Value)], changes: Record) -> Result<bool>;
    /// Number of rows removed.
    fn delete(&self, table: &str, equal: &[(&str, Value)]) -> Result<usize>;
    /// Keeps the row that `key` finds from being deleted before the transaction ends; false when there is none.
    fn hold(&self, table: &str, key: &[(&str, Value)]) -> Result<bool>;
    /// Next `messages.seq` of a conversation.
    fn next_message_seq(&self, conversation_id: &str) -> Result<i64>;
    /// LSN of the snapshot read.
    fn snapshot_lsn(&self) -> i64;

    /// The row with this key.
    fn get(&self, table: &str, key: &[(&str, Value)]) -> Result<Option<Record>> {
        let select = Select { table, equal: key.to_vec(), limit: Some(1), ..Select::default() };
        Ok(self.select(select)?.pop())
    }
}

/// Where transactions come from.
pub trait Journal: Send + Sync {
    /// Runs `work` once in a transaction of its own and commits durably; rolls back when it fails.
    fn attempt(&self, work: &mut dyn FnMut(&dyn Rows) -> Result<()>) -> Result<()>;

    /// A number above every one given before, across restarts.
    fn next_epoch(&self) -> Result<i64>;
}

impl dyn Journal + '_ {
    /// Runs `work` until it commits: conflicts with other sessions (40001, which is also a row changed or a unique key
    /// taken since the snapshot, and 40P01) start it again on a new snapshot, with growing pauses.
    pub fn transact<T>(&self, mut work: impl FnMut(&dyn Rows) -> Result<T>) -> Result<T> {
        let mut attempt = 0;
        loop {
            let mut out = None;
            let outcome = self.attempt(&mut |rows| {
                out = Some(work(rows)?);
                Ok(())
            });
            match outcome {
                Ok(()) => return Ok(out.expect("work ran when the attempt succeeded")),
                Err(error) if attempt < COMMIT_ATTEMPTS && is_conflict(error.sqlstate()) => {
                    attempt += 1;
                    // Spread by thread, so that two workers do not meet again at once.
                    let jitter =
                        xxhash_rust::xxh3::xxh3_64(format!("{:?}{attempt}", std::thread::current().id()).as_bytes());
                    std::thread::sleep(Duration::from_micros(200 * u64::from(attempt.min(20)) + jitter % 2_000));
                }
                Err(error) => return Err(error),
            }
        }
    }
}

fn is_conflict(code: &str) -> bool {
    code == sqlstate::SERIALIZATION_FAILURE || code == sqlstate::DEADLOCK_DETECTED
}
