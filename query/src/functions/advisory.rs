//! Advisory locks: numbers that applications lock, in a space of one `bigint` and in another of two `integer`s.
//!
//! `pg_advisory_lock` and its kin hold to the end of the session and count; the `xact` forms hold to the end of the
//! transaction; the `try` forms answer instead of waiting; the `shared` forms exclude exclusive ones only.

use sinew_storage::{AdvisoryKey, LockWait, Value};

use super::args::int;
use super::registry::Table;
use crate::context::{EvalContext, Notice};
use crate::error::{QueryError, Result};

fn key(args: &[Value]) -> Result<AdvisoryKey> {
    let half = |value: &Value| -> Result<i32> {
        i32::try_from(int(value)?).map_err(|_| QueryError::internal("an integer argument is out of range"))
    };
    match args {
        [key] => Ok(AdvisoryKey::Single(int(key)?)),
        [high, low] => Ok(AdvisoryKey::Pair(half(high)?, half(low)?)),
        _ => Err(QueryError::internal("an advisory lock is named by one or two arguments")),
    }
}

fn session_lock<const SHARED: bool>(context: &EvalContext<'_>, args: &[Value]) -> Result<Value> {
    let exec = context.exec;
    exec.session.advisory_locks.lock(&exec.transaction, key(args)?, SHARED, LockWait::Block)?;
    Ok(Value::text(""))
}

fn try_session_lock<const SHARED: bool>(context: &EvalContext<'_>, args: &[Value]) -> Result<Value> {
    let exec = context.exec;
    let locked = exec.session.advisory_locks.lock(&exec.transaction, key(args)?, SHARED, LockWait::SkipLocked)?;
    Ok(Value::Bool(locked))
}

fn transaction_lock<const SHARED: bool>(context: &EvalContext<'_>, args: &[Value]) -> Result<Value> {
    context.exec.transaction.lock_advisory(key(args)?, SHARED, LockWait::Block)?;
    Ok(Value::text(""))
}

fn try_transaction_lock<const SHARED: bool>(context: &EvalContext<'_>, args: &[Value]) -> Result<Value> {
    Ok(Value::Bool(context.exec.transaction.lock_advisory(key(args)?, SHARED, LockWait::SkipLocked)?))
}

fn unlock<const SHARED: bool>(context: &EvalContext<'_>, args: &[Value]) -> Result<Value> {
    let session = &context.exec.session;
    let was_held = session.advisory_locks.unlock(key(args)?, SHARED);
    if !was_held {
        let mode = if SHARED { "ShareLock" } else { "ExclusiveLock" };
        session.send_notice(Notice {
            severity: "WARNING",
            sqlstate: "01000",
            message: format!("you don't own a lock of type {mode}"),
            hint: None,
        });
    }
    Ok(Value::Bool(was_held))
}

fn unlock_all(context: &EvalContext<'_>, _: &[Value]) -> Result<Value> {
    context.exec.session.advisory_locks.unlock_all();
    Ok(Value::text(""))
}

pub(super) fn register(t: &mut Table) {
    t.section("Advisory locks");
    t.f("pg_advisory_lock(int8) -> void", session_lock::<false>).oid(2880).volatile();
    t.f("pg_advisory_lock(int4, int4) -> void", session_lock::<false>).oid(2886).volatile();
    t.f("pg_advisory_lock_shared(int8) -> void", session_lock::<true>).oid(2881).volatile();
    t.f("pg_advisory_lock_shared(int4, int4) -> void", session_lock::<true>).oid(2887).volatile();
    t.f("pg_try_advisory_lock(int8) -> bool", try_session_lock::<false>).oid(2882).volatile();
    t.f("pg_try_advisory_lock(int4, int4) -> bool", try_session_lock::<false>).oid(2888).volatile();
    t.f("pg_try_advisory_lock_shared(int8) -> bool", try_session_lock::<true>).oid(2883).volatile();
    t.f("pg_try_advisory_lock_shared(int4, int4) -> bool", try_session_lock::<true>).oid(2889).volatile();
    t.f("pg_advisory_xact_lock(int8) -> void", transaction_lock::<false>).oid(3089).volatile();
    t.f("pg_advisory_xact_lock(int4, int4) -> void", transaction_lock::<false>).oid(3093).volatile();
    t.f("pg_advisory_xact_lock_shared(int8) -> void", transaction_lock::<true>).oid(3090).volatile();
    t.f("pg_advisory_xact_lock_shared(int4, int4) -> void", transaction_lock::<true>).oid(3094).volatile();
    t.f("pg_try_advisory_xact_lock(int8) -> bool", try_transaction_lock::<false>).oid(3091).volatile();
    t.f("pg_try_advisory_xact_lock(int4, int4) -> bool", try_transaction_lock::<false>).oid(3095).volatile();
    t.f("pg_try_advisory_xact_lock_shared(int8) -> bool", try_transaction_lock::<true>).oid(3092).volatile();
    t.f("pg_try_advisory_xact_lock_shared(int4, int4) -> bool", try_transaction_lock::<true>).oid(3096).volatile();
    t.f("pg_advisory_unlock(int8) -> bool", unlock::<false>).oid(2884).volatile();
    t.f("pg_advisory_unlock(int4, int4) -> bool", unlock::<false>).oid(2890).volatile();
    t.f("pg_advisory_unlock_shared(int8) -> bool", unlock::<true>).oid(2885).volatile();
    t.f("pg_advisory_unlock_shared(int4, int4) -> bool", unlock::<true>).oid(2891).volatile();
    t.f("pg_advisory_unlock_all() -> void", unlock_all).oid(2892).volatile();
}
