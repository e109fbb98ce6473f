//! `json[b]_to_record` and `json[b]_to_recordset`: objects as rows of the columns that the query lists.

use sinew_storage::{DataType, Json, Value};

use super::rows::stream_rows;
use crate::context::{EvalContext, ExecContext};
use crate::error::{QueryError, Result, sqlstate};
use crate::exec::RowStream;
use crate::functions::{Param, TableFunction};
use crate::types::{self, json};

/// Whether a function needs a list of columns, and whether it takes an array of objects.
pub fn takes_columns(name: &str) -> Option<bool> {
    match name {
        "json_to_record" | "jsonb_to_record" => Some(false),
        "json_to_recordset" | "jsonb_to_recordset" => Some(true),
        _ => None,
    }
}

#[derive(Debug)]
pub struct JsonRecord {
    name: String,
    is_set: bool,
    params: Vec<Param>,
    columns: Vec<(String, DataType)>,
}

impl JsonRecord {
    pub fn new(name: &str, is_set: bool, columns: Vec<(String, DataType)>) -> JsonRecord {
        let ty = if name.starts_with("jsonb") { DataType::Jsonb } else { DataType::Json };
        JsonRecord {
            name: name.to_owned(),
            is_set,
            params: vec![Param { name: "from_json", ty, default: None }],
            columns,
        }
    }

    fn row(&self, context: &EvalContext<'_>, object: &Json) -> Result<Vec<Value>> {
        let Json::Object(members) = object else {
            let message = if self.is_set {
                format!("argument of {} must be an array of objects", self.name)
            } else {
                format!("cannot call {} on a non-object", self.name)
            };
            return Err(QueryError::new(sqlstate::INVALID_PARAMETER_VALUE, message));
        };
        self.columns
            .iter()
            .map(|(name, ty)| match members.iter().find(|(key, _)| **key == **name) {
                Some((_, value)) => field(context, value, ty),
                None => Ok(Value::Null),
            })
            .collect()
    }
}

/// A member as a value of a column's type: by its text, arrays element by element.
fn field(context: &EvalContext<'_>, value: &Json, ty: &DataType) -> Result<Value> {
    Ok(match (ty, value) {
        (_, Json::Null) if !matches!(ty, DataType::Json | DataType::Jsonb) => Value::Null,
        (DataType::Json | DataType::Jsonb, value) => Value::json(value.clone()),
        (DataType::Array(element), Json::Array(items)) => {
            Value::list(items.iter().map(|item| field(context, item, element)).collect::<Result<_>>()?)
        }
        (DataType::Array(_), value) if !matches!(value, Json::String(_)) => {
            return Err(QueryError::new(sqlstate::INVALID_TEXT_REPRESENTATION, "expected JSON array"));
        }
        (ty, value) => {
            let text = json::as_text(value).unwrap_or_else(|| types::format_json(value));
            types::from_text(context, &text, ty)?
        }
    })
}

impl TableFunction for JsonRecord {
    fn name(&self) -> &str {
        &self.name
    }

    fn params(&self) -> &[Param] {
        &self.params
    }

    fn columns(&self) -> &[(String, DataType)] {
        &self.columns
    }

    fn estimated_rows(&self) -> f64 {
        if self.is_set { 10.0 } else { 1.0 }
    }

    fn call(&self, context: &ExecContext, args: &[Value]) -> Result<Box<dyn RowStream>> {
        let eval = EvalContext::new(context);
        let rows = match &args[0] {
            Value::Json(value) if self.is_set => {
                let Json::Array(items) = &**value else {
                    return Err(QueryError::new(
                        sqlstate::INVALID_PARAMETER_VALUE,
                        format!("cannot call {} on a non-array", self.name),
                    ));
                };
                let mut rows = Vec::with_capacity(items.len());
                for item in items {
                    if rows.len() % 1024 == 0 {
                        context.cancel.check()?;
                    }
                    rows.push(self.row(&eval, item)?);
                }
                rows
            }
            Value::Json(value) => vec![self.row(&eval, value)?],
            // A NULL gives no set, and one row without values.
            _ if self.is_set => Vec::new(),
            _ => vec![vec![Value::Null; self.columns.len()]],
        };
        Ok(stream_rows(context, &self.columns, rows))
    }
}
