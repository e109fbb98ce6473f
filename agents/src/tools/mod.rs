//! Running tools: arguments checked against their declaration, statements under limits, results as JSON.

mod arguments;
mod builtin;
mod database;
mod statement;

pub use arguments::check_arguments;
pub use database::DatabaseTools;
pub use statement::check_body;

use std::time::Instant;

use serde_json::{Map, Value as JsonValue};
use sinew::CancelToken;

use crate::engine::RunId;
use crate::objects::ToolDef;

/// One call, arguments checked.
#[derive(Clone, Debug)]
pub struct ToolInvocation {
    pub tool: ToolDef,
    pub arguments: Map<String, JsonValue>,
    /// Whose rights it runs with.
    pub user: String,
    pub run_id: RunId,
    pub deadline: Instant,
}

/// What the model is given.
#[derive(Clone, Debug, PartialEq)]
pub struct ToolResult {
    pub content: JsonValue,
    /// Rows or bytes above the tool's limit were left out.
    pub truncated: bool,
    /// Snapshot that a reading tool saw.
    pub snapshot_lsn: Option<i64>,
}

/// Why there is no result; fed back to the model.
#[derive(Clone, Debug, PartialEq)]
pub struct ToolError {
    pub message: String,
    /// A conflict with other sessions: worth another try.
    pub retryable: bool,
    pub cancelled: bool,
}

impl ToolError {
    pub fn new(message: impl Into<String>) -> ToolError {
        ToolError { message: message.into(), retryable: false, cancelled: false }
    }
}

impl From<sinew::QueryError> for ToolError {
    fn from(error: sinew::QueryError) -> ToolError {
        use sinew::sqlstate::*;
        let mut message = format!("{} (SQLSTATE {})", error.0.message, error.sqlstate());
        if let Some(hint) = &error.0.hint {
            message.push_str(&format!("; {hint}"));
        }
        let retryable = [SERIALIZATION_FAILURE, DEADLOCK_DETECTED, LOCK_NOT_AVAILABLE].contains(&error.sqlstate());
        ToolError { message, retryable, cancelled: false }
    }
}

/// A past message that memory of kind vector found.
#[derive(Clone, Debug, PartialEq)]
pub struct Recalled {
    pub conversation_id: String,
    pub seq: i64,
    pub role: String,
    pub content: String,
}

/// Carries tools out. Calls block and hold no transaction of the engine.
pub trait ToolRunner: Send + Sync {
    fn run(&self, call: &ToolInvocation, cancel: &CancelToken) -> Result<ToolResult, ToolError>;

    /// The best `k` past messages for `query`, without those of run `run_id`.
    fn recall(&self, user: &str, query: &str, k: usize, run_id: RunId) -> Result<Vec<Recalled>, ToolError>;
}
