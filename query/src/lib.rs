//! Values, SQL and Cypher front ends, one algebra, optimizer and executor.

pub mod activity;
pub mod algebra;
pub mod batch;
mod column_builder;
pub mod context;
pub mod copy_column;
pub mod cypher;
pub mod deferred;
pub mod duration_setting;
pub mod error;
pub mod exec;
pub mod functions;
pub mod near_miss;
pub mod notification;
pub mod optimizer;
pub mod session_objects;
pub mod settings;
pub mod size_setting;
pub mod sql;
pub mod statement;
pub mod statement_statistics;
pub mod statistics;
pub mod system;
pub mod types;
mod unit_setting;

pub use batch::{Batch, Column};
pub use context::{BindContext, EvalContext, ExecContext, Notice, NoticeSink, SessionContext};
pub use error::{CypherError, ErrorInfo, QueryError, Result, sqlstate};
pub use exec::{PreparedPlan, RowStream};
pub use statement::{BoundQuery, BoundStatement, OutputColumn, QueryKind};
