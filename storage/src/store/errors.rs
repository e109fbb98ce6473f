//! redb's errors as ours.

use std::path::Path;

use crate::error::StorageError;

pub(super) fn storage_error(error: redb::StorageError) -> StorageError {
    match error {
        redb::StorageError::Corrupted(what) => StorageError::Corrupted(what),
        redb::StorageError::DatabaseClosed => StorageError::ShuttingDown,
        redb::StorageError::ValueTooLarge(size) => {
            StorageError::LimitExceeded(format!("a value of {size} bytes exceeds the file format's limit"))
        }
        other => StorageError::Io(other.to_string()),
    }
}

pub(super) fn table_error(error: redb::TableError) -> StorageError {
    match error {
        redb::TableError::Storage(error) => storage_error(error),
        other @ (redb::TableError::TableTypeMismatch { .. }
        | redb::TableError::TypeDefinitionChanged { .. }
        | redb::TableError::TableIsMultimap(_)
        | redb::TableError::TableIsNotMultimap(_)) => StorageError::Corrupted(other.to_string()),
        other => StorageError::Internal(other.to_string()),
    }
}

pub(super) fn transaction_error(error: redb::TransactionError) -> StorageError {
    match error {
        redb::TransactionError::Storage(error) => storage_error(error),
        other => StorageError::Io(other.to_string()),
    }
}

/// `place` is the data directory, or a word for what has none.
pub(super) fn database_error(error: redb::DatabaseError, place: &str) -> StorageError {
    match error {
        redb::DatabaseError::DatabaseAlreadyOpen => {
            StorageError::AlreadyOpen(super::lock_file::describe_holder(Path::new(place)))
        }
        redb::DatabaseError::Storage(redb::StorageError::Io(error))
            if matches!(error.kind(), std::io::ErrorKind::InvalidData | std::io::ErrorKind::UnexpectedEof) =>
        {
            StorageError::Corrupted(format!("{place}: {error}"))
        }
        redb::DatabaseError::Storage(error) => storage_error(error),
        other => StorageError::Io(format!("{place}: {other}")),
    }
}

/// A commit that redb rolled back for certain is an I/O error; of any other failure the outcome is unknown.
pub(super) fn commit_error(error: redb::CommitError) -> StorageError {
    match error {
        redb::CommitError::TransactionPoisoned => StorageError::Io("the write transaction was poisoned".to_owned()),
        other => StorageError::CommitUnknown(other.to_string()),
    }
}
