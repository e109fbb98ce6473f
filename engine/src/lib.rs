//! The embeddable database: [`Database`], [`Session`], statement routing.

mod analyze;
mod bootstrap;
mod create_table_as;
mod cursor;
mod database;
mod ddl;
mod ddl_relation;
mod ddl_sequence;
mod extension;
mod fingerprint;
mod foreign_key;
mod graph_definition;
mod literals;
mod lock_table;
mod maintenance;
mod materialized;
mod plan_cache;
mod positioned;
mod prepare;
mod restart;
mod session;
mod session_statement;
mod set_constraints;
mod sql_cursor;
mod statement;
mod temporary;
mod transaction;
mod upgrade;
mod utility;
mod utility_run;

pub use cursor::{CopyIn, Execution, QueryResult, RowCursor};
pub use database::{Database, DatabaseOptions, INTERNAL_USER};
pub use extension::StatementHandler;
pub use prepare::Prepared;
pub use session::{Session, ShortStatement};
pub use statement::StatementText;
pub use transaction::TransactionStatus;

pub use sinew_query as query;
pub use sinew_query::notification::Notification;
pub use sinew_query::{Batch, Column, Notice, QueryError, Result, sqlstate};
pub use sinew_storage::Isolation as IsolationSetting;
pub use sinew_storage::{
    CancelToken, DataType, Embedder, HistogramStats, Interval, Json, Numeric, Store, StoreOptions, StoreStats, Value,
};
pub use sinew_storage::{backup, check};
