//! `/agents`: creating, listing and running agents. Each is a session call.

use std::hash::{DefaultHasher, Hash, Hasher};

use axum::Json;
use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use serde_json::{Map, Value as JsonValue, json};
use sinew::{Database, INTERNAL_USER, Session, Value};
use uuid::Uuid;

use super::HttpState;
use super::body::{JsonBody, PathText};
use super::error::HttpError;
use super::sql::{query_json, with_session};
use super::stream;

/// What a definition becomes when it names no model.
const DEFAULT_MODEL: &str = "builtin";
/// Longest name of an owner, as PostgreSQL's names.
const OWNER_LIMIT_BYTES: usize = 63;
const AGENT_COLUMNS: &str = "id, name, type, version, owner, model, memory, tools, prompt, created_at, updated_at";

/// The body of `POST /agents/create`: everything but these two fields is the definition.
#[derive(Debug, Deserialize)]
pub struct CreateRequest {
    name: String,
    /// The agent's owner.
    #[serde(rename = "userId", default)]
    user_id: Option<String>,
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

/// 201 with the agent; the same definition again gives the same id and version. Everybody who gets here is a superuser, so
/// the owner is whom the body names.
pub async fn create(
    State(state): State<HttpState>,
    JsonBody(request): JsonBody<CreateRequest>,
) -> Result<Response, HttpError> {
    if request.name.is_empty() {
        return Err(HttpError::bad_request("the agent's name is empty"));
    }
    if let Some(owner) = &request.user_id {
        check_owner(owner)?;
    }
    let mut definition = request.definition;
    definition.entry("model").or_insert_with(|| DEFAULT_MODEL.into());
    let agent = with_session(&state, move |session, database| {
        let text = JsonValue::Object(definition).to_string();
        let params = [Value::from(request.name.as_str()), Value::from(text)];
        let call = "CALL create_agent($1, $2::text::jsonb)";
        let created = match &request.user_id {
            Some(owner) => query_json(&mut database.session_for(owner), database, call, &params)?,
            None => query_json(session, database, call, &params)?,
        };
        let id = created.first().and_then(|row| row["id"].as_str()).unwrap_or_default();
        find(session, database, id, None)
    })
    .await?;
    Ok((StatusCode::CREATED, Json(agent)).into_response())
}

/// A name as roles have it, and not the engine's own.
fn check_owner(owner: &str) -> Result<(), HttpError> {
    if owner.is_empty() || owner.len() > OWNER_LIMIT_BYTES || owner.chars().any(char::is_control) {
        let message = format!("userId must have 1 to {OWNER_LIMIT_BYTES} bytes, none of them a control character");
        return Err(HttpError::bad_request(message));
    }
    if owner == INTERNAL_USER {
        return Err(HttpError::bad_request(format!("userId \"{owner}\" is reserved")));
    }
    Ok(())
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
    PathText(agent): PathText,
    headers: HeaderMap,
) -> Result<Response, HttpError> {
    let agent = with_session(&state, move |session, database| find(session, database, &agent, None)).await?;
    Ok(cacheable(&headers, &agent))
}

/// Runs the agent: the row of `execute_agent` as JSON, or its events as they happen.
pub async fn execute(
    State(state): State<HttpState>,
    PathText(agent): PathText,
    headers: HeaderMap,
    JsonBody(request): JsonBody<ExecuteRequest>,
) -> Result<Response, HttpError> {
    let position = stream::last_event(&headers)?;
    if stream::wants_events(&headers) {
        return stream::execute(state, agent, request, position).await;
    }
    if position.is_some() {
        // Without events there is nothing to go on with, and another run is not what was meant.
        return Err(HttpError::bad_request("Last-Event-ID goes with Accept: text/event-stream"));
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
    let found = find(session, database, agent, request.user_id.as_deref())?;
    // The id: the name may be one of several owners' agents.
    let id = found["id"].as_str().unwrap_or(agent).to_owned();
    let mut call = "CALL execute_agent(agent => $1, input => $2".to_owned();
    let mut params = vec![Value::from(id), Value::from(request.input.as_str())];
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

/// By id or by name: of the agents called so, the user's own, then the one of user `sinew`, then the only one. 404, and 409
/// when there are several.
pub fn find(
    session: &mut Session,
    database: &Database,
    agent: &str,
    user: Option<&str>,
) -> Result<JsonValue, HttpError> {
    let (condition, param) = match Uuid::parse_str(agent) {
        Ok(id) => ("id = $1", Value::Uuid(id.into_bytes())),
        Err(_) => ("name = $1", Value::from(agent)),
    };
    let text = format!("SELECT {AGENT_COLUMNS} FROM sinew.agents WHERE {condition} ORDER BY owner");
    let mut found = query_json(session, database, &text, &[param])?;
    let mut owners = [user, Some("sinew")].into_iter().flatten();
    let preferred = owners.find_map(|owner| found.iter().position(|row| row["owner"] == owner));
    match (preferred, found.len()) {
        (Some(position), _) => Ok(found.swap_remove(position)),
        (None, 1) => Ok(found.remove(0)),
        (None, 0) => Err(HttpError::not_found(format!("agent \"{agent}\" does not exist"))),
        (None, _) => {
            let message = format!("agent name \"{agent}\" is not unique: several owners have one; name it by its id");
            Err(HttpError::new(StatusCode::CONFLICT, "ambiguous", message))
        }
    }
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
        assert_eq!((request.name.as_str(), request.user_id.as_deref()), ("a", Some("u")));
        assert_eq!(
            JsonValue::Object(request.definition),
            json!({"type": "react", "tools": ["run_sql"], "max_iterations": 3})
        );
        assert!(serde_json::from_value::<CreateRequest>(json!({"type": "react"})).is_err());
    }

    #[test]
    fn owners_have_names_that_sessions_can_have() {
        assert!(check_owner("ann").is_ok());
        let long = "x".repeat(OWNER_LIMIT_BYTES + 1);
        for owner in ["", "a\u{0}", INTERNAL_USER, long.as_str()] {
            assert_eq!(check_owner(owner).expect_err(owner).status, 400, "{owner}");
        }
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
