//! A run as server-sent events.
//!
//! The run is started detached, then its events are read with `agent_events(run_id, after_seq)`, which gives rows as they
//! happen until the run ends. An event's id is `run:seq`, so a client that lost its connection comes back with
//! `Last-Event-ID` and continues behind that event; the run itself never depended on the connection.

use std::convert::Infallible;

use axum::http::HeaderMap;
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use serde_json::Value as JsonValue;
use sinew::{Database, Execution, QueryError, Session, Value};
use tokio::sync::mpsc;
use uuid::Uuid;

use super::agents::{ExecuteRequest, find, start};
use super::error::HttpError;
use super::sql::{row_to_json, shutting_down, with_session};
use super::{HttpState, runs};
use crate::context::read_context;

/// Events held for a client that reads slowly.
const CHANNEL_SIZE: usize = 64;

/// True when the client asked for events rather than JSON.
pub fn wants_events(headers: &HeaderMap) -> bool {
    headers
        .get_all(axum::http::header::ACCEPT)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .any(|part| part.split(';').next().unwrap_or_default().trim().eq_ignore_ascii_case("text/event-stream"))
}

/// Where the client stood: run and seq of the `Last-Event-ID` header. 400 when it is no id of an event.
pub fn last_event(headers: &HeaderMap) -> Result<Option<(Uuid, i64)>, HttpError> {
    let mut ids = headers.get_all("last-event-id").iter();
    let Some(id) = ids.next() else { return Ok(None) };
    let position = id.to_str().ok().and_then(parse_event_id).filter(|_| ids.next().is_none());
    let message = "Last-Event-ID must be the id of an event of a run (run:seq)";
    position.map(Some).ok_or_else(|| HttpError::bad_request(message))
}

/// Starts a run, or re-attaches to the one at `position`, and streams its events.
pub async fn execute(
    state: HttpState,
    agent: String,
    request: ExecuteRequest,
    position: Option<(Uuid, i64)>,
) -> Result<Response, HttpError> {
    let (run_id, after_seq) = with_session(&state, move |session, database| match position {
        Some((run_id, seq)) => {
            let run = runs::find(session, database, run_id)?;
            let found = find(session, database, &agent, request.user_id.as_deref())?;
            if run["agent"] != found["name"] {
                let message = format!("Last-Event-ID is of run \"{run_id}\", which is not one of agent \"{agent}\"");
                return Err(HttpError::bad_request(message));
            }
            Ok((run_id, seq))
        }
        None => {
            let row = start(session, database, &agent, &request, true)?;
            let run_id = row["run_id"].as_str().and_then(|id| Uuid::parse_str(id).ok());
            run_id.map(|run_id| (run_id, 0)).ok_or_else(|| QueryError::internal("the run has no id").into())
        }
    })
    .await?;
    let (sender, receiver) = mpsc::channel(CHANNEL_SIZE);
    let permit = state.requests.clone().acquire_owned().await.map_err(|_| shutting_down())?;
    let database = state.database()?;
    state.pool.submit(move || {
        let _permit = permit;
        let mut session = database.session();
        if let Err(error) = send_events(&mut session, &database, run_id, after_seq, &sender) {
            let error = HttpError::from(error);
            let data = serde_json::json!({"error": {"code": error.code, "message": error.message}});
            let _ = sender.blocking_send(Event::default().event("error").data(data.to_string()));
        }
    });
    let stream = futures::stream::unfold(receiver, |mut receiver| async move {
        let event = receiver.recv().await?;
        Some((Ok::<Event, Infallible>(event), receiver))
    });
    Ok(Sse::new(stream).keep_alive(KeepAlive::default()).into_response())
}

/// Every event behind `after_seq`, then the run's row as event `result`. Returns early when the client is gone.
fn send_events(
    session: &mut Session,
    database: &Database,
    run_id: Uuid,
    after_seq: i64,
    sender: &mpsc::Sender<Event>,
) -> Result<(), QueryError> {
    let text = "SELECT seq, at, step, kind, text, data FROM agent_events($1, $2)";
    let prepared = session.prepare(text, &[sinew::DataType::Uuid, sinew::DataType::Int8])?;
    let params = vec![Value::Uuid(run_id.into_bytes()), Value::Int(after_seq)];
    let Execution::Rows(mut cursor) = session.execute(&prepared, params)? else {
        return Err(QueryError::internal("agent_events gave no rows"));
    };
    let context = read_context(database, session);
    let columns = cursor.columns.clone();
    let mut sent = 0;
    loop {
        let batch = match cursor.next_batch() {
            Ok(Some(batch)) => batch,
            Ok(None) => break,
            Err(error) => {
                session.fail(cursor);
                return Err(error);
            }
        };
        for row in 0..batch.row_count {
            let row = row_to_json(&context, &columns, &batch.row(row))?;
            if sender.blocking_send(event(run_id, &row)).is_err() {
                session.fail(cursor);
                return Ok(());
            }
            sent += 1;
        }
    }
    session.finish(cursor, sent)?;
    if let Ok(row) = runs::find(session, database, run_id) {
        let _ = sender.blocking_send(Event::default().event("result").data(row.to_string()));
    }
    Ok(())
}

fn event(run_id: Uuid, row: &JsonValue) -> Event {
    // A field of an event is one line.
    let kind: String = row["kind"].as_str().unwrap_or("event").chars().filter(|c| !c.is_control()).collect();
    Event::default().id(format!("{run_id}:{}", row["seq"])).event(kind).data(row.to_string())
}

fn parse_event_id(id: &str) -> Option<(Uuid, i64)> {
    let (run_id, seq) = id.trim().split_once(':')?;
    let is_number = !seq.is_empty() && seq.bytes().all(|byte| byte.is_ascii_digit());
    Some((Uuid::parse_str(run_id).ok()?, seq.parse().ok().filter(|_| is_number)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn event_ids_name_run_and_position() {
        let id = "018f0000-0000-7000-8000-000000000001:17";
        assert_eq!(parse_event_id(id).map(|(_, seq)| seq), Some(17));
        assert!(parse_event_id("17").is_none());
        assert!(parse_event_id("x:17").is_none());
        for seq in ["", "-1", "+1", "1x", "99999999999999999999"] {
            assert!(parse_event_id(&format!("018f0000-0000-7000-8000-000000000001:{seq}")).is_none(), "{seq}");
        }
    }

    #[test]
    fn a_last_event_is_named_rightly_or_refused() {
        let last = |ids: &[&str]| {
            let mut headers = HeaderMap::new();
            for id in ids {
                headers.append("last-event-id", id.parse().expect("header"));
            }
            last_event(&headers).map(|found| found.map(|(_, seq)| seq)).map_err(|error| error.status.as_u16())
        };
        let id = "018f0000-0000-7000-8000-000000000001:17";
        assert_eq!(last(&[]), Ok(None));
        assert_eq!(last(&[id]), Ok(Some(17)));
        assert_eq!(last(&["17"]), Err(400));
        assert_eq!(last(&[id, id]), Err(400));
    }

    #[test]
    fn the_accept_header_decides() {
        let wants = |accept: &str| {
            let mut headers = HeaderMap::new();
            headers.insert("accept", accept.parse().expect("header"));
            wants_events(&headers)
        };
        assert!(wants("text/event-stream"));
        assert!(wants("application/json;q=0.5, text/event-stream; q=1"));
        assert!(!wants("application/json"));
        assert!(!wants_events(&HeaderMap::new()));
    }
}
