//! The transactional store of Sinew: redb underneath, derived graph, text and vector indexes beside it.

pub mod backup;
mod bulk_insert;
pub mod catalog;
pub mod check;
pub mod ddl;
pub mod derived;
pub mod embed;
pub mod encoding;
pub mod error;
mod fulltext;
pub mod graph;
pub mod ids;
pub mod index;
mod index_function;
mod message_seq;
mod newest;
mod row_lock;
pub mod search;
pub mod store;
pub mod table;
pub mod temporal;
#[cfg(test)]
mod test_support;
pub mod types;
pub mod value;
mod value_text;
mod vector;

pub use bulk_insert::NewRows;
pub use ddl::RelationLock;
pub use embed::Embedder;
pub use error::{Result, StorageError};
pub use ids::*;
pub use index_function::{IndexCompiler, IndexFunction, KeySource};
pub use row_lock::LockedRow;
pub use store::{
    AdvisoryKey, CancelToken, HistogramStats, Isolation, LockInfo, LockTarget, LockWait, RowLock, SequenceRange,
    SessionLocks, SnapshotInfo, Store, StoreOptions, StoreStats, TemporaryFile, Transaction,
};
pub use table::{EntryScan, IdScan, IndexRange, RowCursor, RowScan};
pub use temporal::{Temporal, TemporalKind};
pub use types::{DataType, TemporalType};
pub use value::{Interval, Json, Numeric, PathValue, RelationshipRef, Value};
pub use vector::HashEmbedder;
