//! One row by column name.

use std::collections::BTreeMap;

use sinew::{QueryError, Result, Value, sqlstate};

use crate::json::{from_jsonb, json_value};

/// A row, or the part of a row to write. A column that is not there reads as NULL.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Record(pub BTreeMap<String, Value>);

const NULL: Value = Value::Null;

impl Record {
    pub fn new() -> Record {
        Record::default()
    }

    pub fn with(mut self, column: &str, value: impl Into<Value>) -> Record {
        self.0.insert(column.to_owned(), value.into());
        self
    }

    pub fn with_json(self, column: &str, value: &serde_json::Value) -> Record {
        self.with(column, json_value(value))
    }

    pub fn get(&self, column: &str) -> &Value {
        self.0.get(column).unwrap_or(&NULL)
    }

    pub fn text(&self, column: &str) -> Result<String> {
        self.opt_text(column).ok_or_else(|| self.malformed(column, "text"))
    }

    pub fn opt_text(&self, column: &str) -> Option<String> {
        self.get(column).as_str().map(str::to_owned)
    }

    pub fn int(&self, column: &str) -> Result<i64> {
        self.opt_int(column).ok_or_else(|| self.malformed(column, "an integer"))
    }

    pub fn opt_int(&self, column: &str) -> Option<i64> {
        self.get(column).as_int()
    }

    /// An int column, as the steps and versions are counted.
    pub fn int32(&self, column: &str) -> Result<i32> {
        i32::try_from(self.int(column)?).map_err(|_| self.malformed(column, "a 32-bit integer"))
    }

    pub fn bool(&self, column: &str) -> bool {
        self.get(column).as_bool().unwrap_or(false)
    }

    pub fn uuid(&self, column: &str) -> Result<uuid::Uuid> {
        self.opt_uuid(column).ok_or_else(|| self.malformed(column, "a uuid"))
    }

    pub fn opt_uuid(&self, column: &str) -> Option<uuid::Uuid> {
        match self.get(column) {
            Value::Uuid(bytes) => Some(uuid::Uuid::from_bytes(*bytes)),
            _ => None,
        }
    }

    /// Microseconds since 1970 UTC.
    pub fn opt_timestamp(&self, column: &str) -> Option<i64> {
        match self.get(column) {
            Value::Timestamp(micros) => Some(*micros),
            _ => None,
        }
    }

    /// JSON null when the column is NULL.
    pub fn json(&self, column: &str) -> serde_json::Value {
        match self.get(column) {
            Value::Json(json) => from_jsonb(json),
            _ => serde_json::Value::Null,
        }
    }

    fn malformed(&self, column: &str, expected: &str) -> QueryError {
        QueryError::new(
            sqlstate::DATA_CORRUPTED,
            format!("column \"{column}\" of a system row holds {:?}, expected {expected}", self.get(column)),
        )
    }
}

/// A uuid datum.
impl From<crate::engine::RunId> for Value {
    fn from(id: crate::engine::RunId) -> Value {
        Value::Uuid(*id.0.as_bytes())
    }
}
