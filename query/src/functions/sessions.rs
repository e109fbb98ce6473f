//! `pg_cancel_backend` and `pg_terminate_backend`: acting on other sessions.

use std::sync::Arc;
use std::time::{Duration, Instant};

use sinew_storage::Value;

use super::args::int;
use super::registry::Table;
use crate::context::{EvalContext, Notice, SessionContext};
use crate::error::{QueryError, Result, sqlstate};
use crate::system::pg_catalog::identity::{DATABASE_OID, OWNER_OID};

/// How often a session that was told to end is looked for.
const POLL: Duration = Duration::from_millis(10);

fn warn(context: &EvalContext<'_>, message: String) {
    context.exec.session.send_notice(Notice { severity: "WARNING", sqlstate: "01000", message, hint: None });
}

/// The session with this process id; warns when there is none.
fn session(context: &EvalContext<'_>, process_id: &Value) -> Result<Option<Arc<SessionContext>>> {
    let process_id = int(process_id)?;
    let session = i32::try_from(process_id).ok().and_then(|id| context.exec.session.sessions.get(id));
    if session.is_none() {
        warn(context, format!("PID {process_id} is not a PostgreSQL backend process"));
    }
    Ok(session)
}

fn cancel(context: &EvalContext<'_>, args: &[Value]) -> Result<Value> {
    let Some(session) = session(context, &args[0])? else { return Ok(Value::Bool(false)) };
    session.activity.cancel();
    Ok(Value::Bool(true))
}

/// With a timeout in milliseconds it waits until the session is gone.
fn terminate(context: &EvalContext<'_>, args: &[Value]) -> Result<Value> {
    let timeout_ms = args.get(1).map_or(Ok(0), int)?;
    let timeout_ms = u64::try_from(timeout_ms)
        .map_err(|_| QueryError::new(sqlstate::NUMERIC_VALUE_OUT_OF_RANGE, "\"timeout\" must not be negative"))?;
    let Some(target) = session(context, &args[0])? else { return Ok(Value::Bool(false)) };
    let process_id = target.process_id;
    if !target.activity.terminate() {
        warn(context, format!("PID {process_id} is a session of the server's own, which cannot be terminated"));
        return Ok(Value::Bool(false));
    }
    // Whoever keeps the session's context alive keeps it listed.
    drop(target);
    let exec = context.exec;
    if timeout_ms == 0 || process_id == exec.session.process_id {
        return Ok(Value::Bool(true));
    }
    let deadline = Instant::now().checked_add(Duration::from_millis(timeout_ms));
    while exec.session.sessions.get(process_id).is_some() {
        exec.cancel.check()?;
        if deadline.is_some_and(|deadline| Instant::now() >= deadline) {
            warn(context, format!("backend with PID {process_id} did not terminate within {timeout_ms} milliseconds"));
            return Ok(Value::Bool(false));
        }
        std::thread::sleep(POLL);
    }
    Ok(Value::Bool(true))
}

/// Forgets what statements took; 0 means all users, databases and statements.
fn reset_statements(context: &EvalContext<'_>, args: &[Value]) -> Result<Value> {
    let wanted = |at: usize| args.get(at).map_or(Ok(0), int);
    let (user, database, query) = (wanted(0)?, wanted(1)?, wanted(2)?);
    let is_any = |wanted: i64, own: u32| wanted == 0 || wanted == i64::from(own);
    if is_any(user, OWNER_OID) && is_any(database, DATABASE_OID) {
        let statements = &context.exec.session.sessions.statements;
        statements.reset(|entry| query == 0 || entry.fingerprint.query_id == query);
    }
    Ok(Value::Null)
}

pub(super) fn register(t: &mut Table) {
    t.section("Sessions");
    t.f("pg_cancel_backend(int4) -> bool", cancel).oid(2171).volatile();
    t.f("pg_terminate_backend(int4) -> bool", terminate).volatile();
    t.f("pg_terminate_backend(int4, int8) -> bool", terminate).oid(2096).volatile();
    t.f("pg_stat_statements_reset() -> void", reset_statements).volatile();
    t.f("pg_stat_statements_reset(oid) -> void", reset_statements).volatile();
    t.f("pg_stat_statements_reset(oid, oid) -> void", reset_statements).volatile();
    t.f("pg_stat_statements_reset(oid, oid, int8) -> void", reset_statements).volatile();
}
