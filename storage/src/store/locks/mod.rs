//! The lock table: one table in memory for relations, rows, unique keys and advisory locks.
//!
//! A lock is a mode on a target, held by an owner to the end of its transaction, to a ROLLBACK TO a savepoint that was
//! set before it was taken, or, for session-level advisory locks, until it is given back. Requests are served first come,
//! first served: a request waits while its mode conflicts with one that somebody else holds, or that somebody who came
//! before waits for. Who already holds a weaker mode of the target goes before strangers, who could not be served before
//! it anyway.
//!
//! ```text
//! shard 0   relation 16384      holders: T1 RowExclusive, T2 RowExclusive
//!           row 7 of 16384      holders: T1 Update               queue: T2 NoKeyUpdate, T3 KeyShare
//! shard 1   advisory (5)        holders: session 4 Exclusive     queue: T1 Exclusive
//! …
//! waiting   T1 → advisory (5)   T2 → row 7   T3 → row 7
//! ```
//!
//! **Sharding.** A target lives in one of [`SHARD_COUNT`] maps, each under a mutex that is held for one lookup. An
//! uncontended lock costs two such visits, one to take it and one to release it, and allocates nothing of its own: the
//! first holder is stored within the map's entry.
//!
//! **Waking.** Each waiter has a condition variable of its own. Whoever releases, withdraws or times out hands the target
//! to those in the queue who can now have it, under the shard's mutex, and wakes exactly them; a waiter that wakes with
//! its grant has nothing left to compete for. Waiters wake by themselves only to look at their cancel token and clock.
//!
//! **Deadlocks** ([`deadlock`]). A waiter searches the waits-for graph for a way back to itself when it starts to wait,
//! which finds every cycle, since the last to wait closes it; and again every 100 ms, because the first search looks at
//! one shard after another and may miss what moves meanwhile. A suspicion is confirmed with all shards stopped. A cycle
//! through somebody who waits only for its turn in a queue is untied by letting it go first; in any other the one who
//! found it gives up with `Deadlock`, exactly one, because it leaves its queue before the shards go on.
//!
//! **Parties** ([`target::Owner`]). A session and its transaction never conflict with each other and are one node of the
//! graph: a transaction may take an advisory lock that its own session holds.
//!
//! **Memory.** A held row or key lock is an entry of 49 bytes in its shard (16 target, 32 state, 1 of the map) and one of
//! 25 bytes in the transaction ([`held`]). Hash maps are between 44 and 88 per cent full, so that a bulk writer pays 85 to
//! 170 bytes a lock, about 110 on average; 24 more while a savepoint is open. Maps give memory back after a large release.
//!
//! **Bulk loads** ([`listed`]) list the keys of their new rows at eight bytes each; a key enters the table when somebody
//! else wants it.
//!
//! A transaction with a million locks asks, without waiting, for EXCLUSIVE on the relation of the next one, and needs no
//! further locks there; nobody locks a row or key without at least ROW SHARE on its relation. With eight million locks it
//! gets no more (`OutOfLocks`).
//!
//! What it does not do: locks are not written down (a crash ends all transactions), and predicate locks of SERIALIZABLE are
//! the committer's claims.

mod advisory;
mod deadlock;
mod held;
mod listed;
mod mode;
mod report;
mod table;
mod target;
#[cfg(test)]
mod tests;

pub use advisory::SessionLocks;
pub use mode::{LockWait, RowLock};
pub use report::LockInfo;
pub use target::{AdvisoryKey, LockTarget};

pub(crate) use held::{ESCALATION_LOCKS, ESCALATION_STEP, HeldLocks, MAX_LOCKS};
pub(crate) use mode::{LockMode, LockOutcome, ModeSet};
pub(crate) use table::{LockRequest, LockTable, Patience};
pub(crate) use target::Owner;

/// Parts of the table that are locked independently. A power of two.
const SHARD_COUNT: usize = 64;
