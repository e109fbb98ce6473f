//! The embeddable database: [`Database`], [`Session`], statement routing.

mod database;
mod extension;
mod session;

pub use database::{Database, DatabaseOptions};
pub use extension::StatementHandler;
pub use session::{
    CopyIn, Execution, IsolationSetting, Prepared, QueryResult, RowCursor, Session, StatementText, TransactionStatus,
};

pub use sinew_query as query;
pub use sinew_query::{Batch, Column, Notice, QueryError, Result, sqlstate};
pub use sinew_storage::{CancelToken, DataType, Embedder, Interval, Json, Numeric, Store, StoreStats, Value};
