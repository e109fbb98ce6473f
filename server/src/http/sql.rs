//! Session calls on behalf of requests, and rows as JSON.

use serde_json::{Map, Number, Value as JsonValue};
use sinew::query::statement::OutputColumn;
use sinew::query::types;
use sinew::query::{EvalContext, ExecContext};
use sinew::{Database, Json, QueryError, Session, Value};

use super::HttpState;
use super::error::HttpError;
use crate::context::read_context;

/// Runs `work` with a session of its own on the query pool.
pub async fn with_session<T: Send + 'static>(
    state: &HttpState,
    work: impl FnOnce(&mut Session, &Database) -> Result<T, HttpError> + Send + 'static,
) -> Result<T, HttpError> {
    // Requests wait here, not in the pool, so that they never take the threads of wire sessions.
    let permit = state.requests.clone().acquire_owned().await.map_err(|_| shutting_down())?;
    let database = state.database()?;
    state
        .pool
        .run(move || {
            let _permit = permit;
            let mut session = database.session();
            work(&mut session, &database)
        })
        .await?
}

pub fn shutting_down() -> HttpError {
    QueryError::new(sinew::sqlstate::ADMIN_SHUTDOWN, "the server is shutting down").into()
}

/// All rows of a statement as JSON objects.
pub fn query_json(
    session: &mut Session,
    database: &Database,
    text: &str,
    params: &[Value],
) -> Result<Vec<JsonValue>, HttpError> {
    let result = session.query(text, params)?;
    let context = read_context(database, session);
    let rows = result.rows.iter().map(|row| row_to_json(&context, &result.columns, row)).collect::<Result<_, _>>()?;
    Ok(rows)
}

pub fn row_to_json(context: &ExecContext, columns: &[OutputColumn], row: &[Value]) -> Result<JsonValue, QueryError> {
    let mut object = Map::with_capacity(columns.len());
    for (column, value) in columns.iter().zip(row) {
        object.insert(column.name.to_string(), value_to_json(context, value)?);
    }
    Ok(JsonValue::Object(object))
}

fn value_to_json(context: &ExecContext, value: &Value) -> Result<JsonValue, QueryError> {
    Ok(match value {
        Value::Null => JsonValue::Null,
        Value::Bool(value) => (*value).into(),
        Value::Int(value) => (*value).into(),
        Value::Text(value) => JsonValue::from(&**value),
        Value::Uuid(bytes) => uuid::Uuid::from_bytes(*bytes).to_string().into(),
        Value::Json(json) => json_to_serde(json),
        other => json_to_serde(&types::to_json(&EvalContext::new(context), other)?),
    })
}

fn json_to_serde(json: &Json) -> JsonValue {
    match json {
        Json::Null => JsonValue::Null,
        Json::Bool(value) => (*value).into(),
        Json::Int(value) => (*value).into(),
        Json::Decimal(value) => {
            let text = value.to_string();
            // A number that no double can hold stays exact as text.
            text.parse::<f64>().ok().and_then(Number::from_f64).map_or(JsonValue::String(text), JsonValue::Number)
        }
        Json::String(text) => JsonValue::from(&**text),
        Json::Array(items) => items.iter().map(json_to_serde).collect(),
        Json::Object(entries) => {
            entries.iter().map(|(key, value)| (key.to_string(), json_to_serde(value))).collect::<Map<_, _>>().into()
        }
    }
}
