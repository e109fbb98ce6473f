//! One error enum, by what the caller can do about it.

use crate::ids::{Lsn, NodeId, RelationshipId};

pub type Result<T, E = StorageError> = std::result::Result<T, E>;

#[derive(Debug, Clone, thiserror::Error)]
pub enum StorageError {
    // Fix the input.
    #[error("duplicate key value violates unique constraint \"{constraint}\"")]
    DuplicateKey { schema: Option<String>, table: String, constraint: String, detail: String },
    /// A property of the graph is missing, or of another type than a constraint says.
    #[error("{message}")]
    PropertyViolation { is_missing: bool, constraint: String, property: String, message: String },
    #[error("node {node} still has relationships, so it cannot be deleted; use DETACH DELETE")]
    NodeHasRelationships { node: NodeId },
    #[error("node {0} does not exist")]
    NodeNotFound(NodeId),
    #[error("relationship {0} does not exist")]
    RelationshipNotFound(RelationshipId),
    #[error("{kind} \"{name}\" already exists")]
    ObjectExists { kind: &'static str, name: String },
    #[error("{kind} \"{name}\" does not exist")]
    ObjectNotFound { kind: &'static str, name: String },
    #[error("cannot drop {object} because other objects depend on it")]
    DependentObjects { object: String, detail: String },
    #[error("savepoint \"{0}\" does not exist")]
    SavepointNotFound(String),
    #[error("vector has {actual} dimensions, {what} expects {expected}")]
    DimensionMismatch { what: String, expected: u32, actual: u32 },
    #[error("{0}")]
    InvalidValue(String),
    /// A number beyond what it may be (22003).
    #[error("{0}")]
    OutOfRange(String),
    #[error("{0}")]
    InvalidSearchQuery(String),
    /// A limit of the product (54000).
    #[error("{0}")]
    LimitExceeded(String),

    /// An expression of an index that cannot be computed for a row.
    #[error("{message}")]
    Expression { sqlstate: &'static str, message: String },

    // Retry.
    #[error("could not serialize access due to concurrent update")]
    WriteConflict { detail: String },
    /// SERIALIZABLE only.
    #[error("could not serialize access due to read/write dependencies among transactions")]
    NotSerializable { detail: String },
    #[error("deadlock detected")]
    Deadlock { detail: String },
    #[error("canceling statement due to lock timeout")]
    LockTimeout,
    /// NOWAIT, and somebody else holds the row.
    #[error("could not obtain lock on row in relation \"{relation}\"")]
    LockNotAvailable { relation: String },
    #[error("canceling statement due to user request")]
    Cancelled,
    #[error("canceling statement due to statement timeout")]
    StatementTimeout,
    /// Held for longer than [`crate::StoreOptions::max_snapshot_age`]; the transaction can only be rolled back.
    #[error("snapshot too old")]
    SnapshotTooOld,
    #[error("the search index is behind its table: indexed to LSN {indexed}, snapshot is at {wanted}")]
    IndexLag { indexed: Lsn, wanted: Lsn },

    // Release a resource, restore, or restart.
    /// The transaction holds as many locks as one may (53200).
    #[error("out of shared memory")]
    OutOfLocks,
    /// Says who holds which database, as far as that is known.
    #[error("{0}")]
    AlreadyOpen(String),
    /// A backup that cannot be written, or is not what its manifest says.
    #[error("{0}")]
    Backup(String),
    #[error("{0}")]
    FileExists(String),
    #[error(
        "file format {found} is newer than this program reads ({supported}); open it with the release of sinew that \
         wrote it, or a newer one"
    )]
    FormatTooNew { found: u32, supported: u32 },
    #[error("the database is shutting down")]
    ShuttingDown,
    /// Nothing was written; the statement may be tried again once there is room.
    #[error("could not write, the disk is full: {0}")]
    DiskFull(String),
    /// The transaction can be rolled back; nothing else is affected.
    #[error("I/O error on a temporary file: {0}")]
    TemporaryFile(String),
    #[error("I/O error: {0}; writes are refused until the database is reopened")]
    Io(String),
    #[error("outcome of the commit is unknown after an I/O error: {0}")]
    CommitUnknown(String),
    #[error("corrupted data: {0}")]
    Corrupted(String),

    // A bug of ours.
    #[error("internal error: {0}")]
    Internal(String),
}
