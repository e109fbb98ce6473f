//! `/agents`: creating, listing and running agents. Each is a session call.

use std::hash::{DefaultHasher, Hash, Hasher};

use axum::Json;
use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use serde_json::{Map, Value as JsonValue, json};
use sinew::{Database, Session, Value};
use uuid::Uuid;

use super::HttpState;
use super::body::JsonBody;
use super::error::HttpError;
use super::sql::{query_json, with_session};
use super::stream;

/// What a definition becomes when it names no model.
const DEFAULT_MODEL: &str = "builtin";
const AGENT_COLUMNS: &str = "id, name, type, version, owner, model, memory, tools, prompt, created_at, updated_at";

/// The body of `POST /agents/create`: everything but these two fields is the definition.
#[derive(Debug, Deserialize)]
pub struct CreateRequest {
    name: String,
    #[serde(rename = "userId", default)]
    _user_id: Option<String>,
    #[serde(flatten)]
    definition: Map<String, JsonValue>,
}

/// The body of `POST /agents/{agent}/execute`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ExecuteRequest {
    pub input: String,
    #[serde(default)]
    pub user_id: Option<String>,
    #[serde(default)]
    pub conversation_id: Option<String>,
}

/// 201 with the agent; the same definition again gives the same id and version.
pub async fn create(
    State(state): State<HttpState>,
    JsonBody(request): JsonBody<CreateRequest>,
) -> Result<Response, HttpError> {
    if request.name.is_empty() {
        return Err(HttpError::bad_request("the agent's name is empty"));
    }
    let mut definition = request.definition;
    definition.entry("model").or_insert_with(|| DEFAULT_MODEL.into());
    let agent = with_session(&state, move |session, database| {
        let text = JsonValue::Object(definition).to_string();
        let params = [Value::from(request.name.as_str()), Value::from(text)];
        session.query("CALL create_agent($1, $2::text::jsonb)", &params)?;
        find(session, database, &request.name)
    })
    .await?;
    Ok((StatusCode::CREATED, Json(agent)).into_response())
}

pub async fn list(State(state): State<HttpState>, headers: HeaderMap) -> Result<Response, HttpError> {
    let agents = with_session(&state, |session, database| {
        query_json(session, database, &format!("SELECT {AGENT_COLUMNS} FROM sinew.agents ORDER BY name, owner"), &[])
    })
    .await?;
    Ok(cacheable(&headers, &json!({ "agents": agents })))
}

pub async fn get(
    State(state): State<HttpState>,
    Path(agent): Path<String>,
    headers: HeaderMap,
) -> Result<Response, HttpError> {
    let agent = with_session(&state, move |session, database| find(session, database, &agent)).await?;
    Ok(cacheable(&headers, &agent))
}

/// Runs the agent: the row of `execute_agent` as JSON, or its events as they happen.
pub async fn execute(
    State(state): State<HttpState>,
    Path(agent): Path<String>,
    headers: HeaderMap,
    JsonBody(request): JsonBody<ExecuteRequest>,
) -> Result<Response, HttpError> {
    if stream::wants_events(&headers) {
        return stream::execute(state, agent, request, &headers).await;
    }
    let started = std::time::Instant::now();
    let metrics = state.metrics.clone();
    let row = with_session(&state, move |session, database| start(session, database, &agent, &request, false)).await?;
    metrics.observe_statement(crate::metrics::StatementClass::Agent, started.elapsed());
    Ok(Json(row).into_response())
}

/// Calls `execute_agent`; without `detached` it returns when the run has ended.
pub fn start(
    session: &mut Session,
    database: &Database,
    agent: &str,
    request: &ExecuteRequest,
    detached: bool,
) -> Result<JsonValue, HttpError> {
    let found = find(session, database, agent)?;
    let name = found["name"].as_str().unwrap_or(agent).to_owned();
    let mut call = "CALL execute_agent(agent => $1, input => $2".to_owned();
    let mut params = vec![Value::from(name), Value::from(request.input.as_str())];
    for (argument, value) in [("user_id", &request.user_id), ("conversation_id", &request.conversation_id)] {
        if let Some(value) = value {
            params.push(Value::from(value.as_str()));
            call.push_str(&format!(", {argument} => ${}", params.len()));
        }
    }
    call.push_str(if detached { ", mode => 'async')" } else { ")" });
    let rows = query_json(session, database, &call, &params)?;
    rows.into_iter().next().ok_or_else(|| {
        HttpError::new(StatusCode::INTERNAL_SERVER_ERROR, sinew::sqlstate::INTERNAL_ERROR, "the run gave no row")
    })
}

/// By id or by name. 404.
fn find(session: &mut Session, database: &Database, agent: &str) -> Result<JsonValue, HttpError> {
    let rows = match Uuid::parse_str(agent) {
        Ok(id) => query_json(
            session,
            database,
            &format!("SELECT {AGENT_COLUMNS} FROM sinew.agents WHERE id = $1"),
            &[Value::Uuid(id.into_bytes())],
        )?,
        Err(_) => query_json(
            session,
            database,
            &format!("SELECT {AGENT_COLUMNS} FROM sinew.agents WHERE name = $1 ORDER BY owner"),
            &[Value::from(agent)],
        )?,
    };
    rows.into_iter().next().ok_or_else(|| HttpError::not_found(format!("agent \"{agent}\" does not exist")))
}

/// The body with a tag of its content, or 304 when the client has it.
fn cacheable(headers: &HeaderMap, body: &JsonValue) -> Response {
    let body = body.to_string();
    // The standard hasher with fixed keys: the tag only tells versions apart.
    let mut hasher = DefaultHasher::new();
    body.hash(&mut hasher);
    let tag = format!("\"{:016x}\"", hasher.finish());
    let known = headers.get_all(header::IF_NONE_MATCH).iter().filter_map(|value| value.to_str().ok());
    let matches = known.flat_map(|value| value.split(',')).any(|known| {
        let known = known.trim();
        known == "*" || known.trim_start_matches("W/") == tag
    });
    let builder = Response::builder().header(header::CACHE_CONTROL, "public, max-age=300").header(header::ETAG, &tag);
    let response = if matches {
        builder.status(StatusCode::NOT_MODIFIED).body(Body::empty())
    } else {
        builder.header(header::CONTENT_TYPE, "application/json").body(Body::from(body))
    };
    response.expect("header values are plain text")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_definition_is_what_is_left_of_the_body() {
        let request: CreateRequest = serde_json::from_value(
            json!({"name": "a", "type": "react", "userId": "u", "tools": ["run_sql"], "max_iterations": 3}),
        )
        .expect("shape");
        assert_eq!(request.name, "a");
        assert_eq!(
            JsonValue::Object(request.definition),
            json!({"type": "react", "tools": ["run_sql"], "max_iterations": 3})
        );
        assert!(serde_json::from_value::<CreateRequest>(json!({"type": "react"})).is_err());
    }

    #[test]
    fn misspelled_fields_of_execute_are_refused() {
        assert!(serde_json::from_value::<ExecuteRequest>(json!({"input": "x", "userId": "u"})).is_ok());
        assert!(serde_json::from_value::<ExecuteRequest>(json!({"input": "x", "user": "u"})).is_err());
        assert!(serde_json::from_value::<ExecuteRequest>(json!({"userId": "u"})).is_err());
    }

    #[test]
    fn an_equal_body_is_not_sent_again() {
        let body = json!({"a": 1});
        let first = cacheable(&HeaderMap::new(), &body);
        assert_eq!(first.status(), 200);
        assert_eq!(first.headers()[header::CACHE_CONTROL], "public, max-age=300");
        let tag = first.headers()[header::ETAG].clone();
        let mut headers = HeaderMap::new();
        headers.insert(header::IF_NONE_MATCH, tag.clone());
        assert_eq!(cacheable(&headers, &body).status(), 304);
        assert_eq!(cacheable(&headers, &json!({"a": 2})).status(), 200);
        headers.insert(
            header::IF_NONE_MATCH,
            format!("\"x\", W/{}", tag.to_str().expect("text")).parse().expect("header"),
        );
        assert_eq!(cacheable(&headers, &body).status(), 304);
    }
}
