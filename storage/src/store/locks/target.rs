//! What can be locked, and who locks it.

use std::fmt;

use crate::ids::RelationId;

/// What a lock is on. 16 bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum LockTarget {
    Relation(RelationId),
    Row {
        relation: RelationId,
        row: u64,
    },
    /// A key of a unique index, by its hash: two keys of one hash wait for each other needlessly, which is harmless.
    Key {
        index: RelationId,
        hash: u64,
    },
    /// See [`AdvisoryKey`].
    Advisory {
        key: i64,
        is_pair: bool,
    },
}

/// The name of an advisory lock. The two spaces do not overlap.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AdvisoryKey {
    Single(i64),
    Pair(i32, i32),
}

impl From<AdvisoryKey> for LockTarget {
    fn from(key: AdvisoryKey) -> LockTarget {
        match key {
            AdvisoryKey::Single(key) => LockTarget::Advisory { key, is_pair: false },
            AdvisoryKey::Pair(high, low) => {
                // The low half must not carry its sign into the high half.
                let key = (i64::from(high) << 32) | i64::from(low as u32);
                LockTarget::Advisory { key, is_pair: true }
            }
        }
    }
}

impl LockTarget {
    /// `pg_locks.classid` and `objid` of an advisory key: its halves.
    pub fn advisory_halves(key: i64) -> (u32, u32) {
        ((key >> 32) as u32, key as u32)
    }
}

impl fmt::Display for LockTarget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            LockTarget::Relation(relation) => write!(f, "relation {relation}"),
            LockTarget::Row { relation, row } => write!(f, "row {row} of relation {relation}"),
            LockTarget::Key { index, .. } => write!(f, "a key of index {index}"),
            LockTarget::Advisory { key, is_pair } => {
                let (high, low) = LockTarget::advisory_halves(*key);
                write!(f, "advisory lock [{high},{low},{}]", if *is_pair { 2 } else { 1 })
            }
        }
    }
}

/// Who holds or wants a lock: a session (for session-level advisory locks) or a transaction, of a session or of none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Owner {
    /// The session's process id; 0 for a transaction that belongs to none.
    session: u32,
    /// 0 for the session itself.
    transaction: u32,
}

impl Owner {
    pub fn session(process_id: u32) -> Owner {
        Owner { session: process_id, transaction: 0 }
    }

    /// `process_id` is 0 when the transaction belongs to no session.
    pub fn transaction(process_id: u32, id: u64) -> Owner {
        // Numbers come again after 2^32 - 1 transactions. Nobody lives that long.
        let number = id % u64::from(u32::MAX) + 1;
        Owner { session: process_id, transaction: number as u32 }
    }

    /// The node of the waits-for graph: a session with its transaction.
    pub fn party(self) -> Owner {
        if self.session == 0 { self } else { Owner::session(self.session) }
    }

    /// True when the two never conflict.
    pub fn is_ally(self, other: Owner) -> bool {
        self.party() == other.party()
    }

    /// The session's process id, when there is a session.
    pub fn process_id(self) -> Option<i32> {
        if self.session == 0 { None } else { i32::try_from(self.session).ok() }
    }

    /// As `pg_locks.virtualtransaction`: session, and transaction within it.
    pub fn virtual_transaction(self) -> String {
        format!("{}/{}", self.session, self.transaction)
    }
}

impl fmt::Display for Owner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.session {
            0 => write!(f, "transaction {}", self.transaction),
            session => write!(f, "process {session}"),
        }
    }
}
