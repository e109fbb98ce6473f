//! `/runs`: what became of a run.

use axum::Json;
use axum::extract::State;
use serde_json::Value as JsonValue;
use sinew::{Database, Session, Value};
use uuid::Uuid;

use super::HttpState;
use super::body::{NoBody, PathText};
use super::error::HttpError;
use super::sql::{query_json, with_session};

const RUN_COLUMNS: &str = "run_id, parent_run_id, root_run_id, agent, agent_version, conversation_id, user_id, status, \
     stop_reason, input, output, budget, used, priority, error, created_at, started_at, finished_at";

pub async fn get(State(state): State<HttpState>, PathText(run): PathText) -> Result<Json<JsonValue>, HttpError> {
    let run_id = parse_id(&run)?;
    with_session(&state, move |session, database| find(session, database, run_id)).await.map(Json)
}

/// Cancels the run and gives its row.
pub async fn cancel(
    State(state): State<HttpState>,
    PathText(run): PathText,
    _: NoBody,
) -> Result<Json<JsonValue>, HttpError> {
    let run_id = parse_id(&run)?;
    with_session(&state, move |session, database| {
        find(session, database, run_id)?;
        session.query("CALL cancel_agent_run($1)", &[Value::Uuid(run_id.into_bytes())])?;
        find(session, database, run_id)
    })
    .await
    .map(Json)
}

/// 404.
pub fn find(session: &mut Session, database: &Database, run_id: Uuid) -> Result<JsonValue, HttpError> {
    let text = format!("SELECT {RUN_COLUMNS} FROM sinew.agent_runs WHERE run_id = $1");
    let rows = query_json(session, database, &text, &[Value::Uuid(run_id.into_bytes())])?;
    rows.into_iter().next().ok_or_else(|| no_run(&run_id.to_string()))
}

/// An id that is no uuid is no run: 404.
fn parse_id(text: &str) -> Result<Uuid, HttpError> {
    Uuid::parse_str(text).map_err(|_| no_run(text))
}

fn no_run(id: &str) -> HttpError {
    HttpError::not_found(format!("run \"{id}\" does not exist"))
}
