//! Session and server: version, user, settings, sizes, and what is Sinew's own (`embed`, `token_count`).

use sinew_storage::{DataType, Value};

use super::ScalarImpl;
use super::args::{int, text};
use super::datetime::clock_us;
use super::operators_datetime::add_instant;
use super::registry::Table;
use crate::context::EvalContext;
use crate::error::{QueryError, Result, sqlstate};
use crate::types::{numeric, type_name, zone};

use std::sync::Arc;

/// What `version()` gives.
pub const VERSION: &str = concat!("PostgreSQL 15.0 (Sinew ", env!("CARGO_PKG_VERSION"), ")");

/// Schemas of the search path that exist.
fn existing_schemas(context: &EvalContext<'_>, with_implicit: bool) -> Vec<String> {
    let catalog = context.exec.transaction.catalog();
    let explicit = super::settings::setting(context, "search_path").unwrap_or_default();
    let named_catalog = crate::settings::names_in_list(&explicit).any(|name| name == "pg_catalog");
    let mut path = context.exec.session.search_path();
    path.retain(|name| match name.as_str() {
        "pg_catalog" => with_implicit || named_catalog,
        "information_schema" => true,
        name => catalog.schemas.contains_key(name),
    });
    path
}

/// Whether the search path has the schema that extensions' types are in.
fn finds_public(context: &EvalContext<'_>) -> bool {
    context.exec.session.search_path().iter().any(|schema| schema == "public")
}

fn pg_typeof(types: &[DataType]) -> ScalarImpl {
    let oid = i64::from(types.first().map_or(0, crate::types::type_oid));
    Arc::new(move |_, _| Ok(Value::Int(oid)))
}

/// `pg_size_pretty`: bytes, kB, MB, GB, TB, PB; rounded when above ten of the smaller unit.
fn size_pretty(bytes: i128) -> String {
    if bytes.abs() < 10_240 {
        return format!("{bytes} bytes");
    }
    // Kept doubled so that the last halving rounds.
    let mut size = bytes >> 9;
    for unit in ["kB", "MB", "GB", "TB"] {
        if size.abs() < 20_479 {
            return format!("{} {unit}", half_rounded(size));
        }
        size >>= 10;
    }
    format!("{} PB", half_rounded(size))
}

fn half_rounded(doubled: i128) -> i128 {
    (doubled + if doubled < 0 { 0 } else { 1 }) / 2
}

fn size_bytes(string: &str) -> Result<Value> {
    let trimmed = string.trim();
    let split = trimmed.find(|c: char| c.is_ascii_alphabetic()).unwrap_or(trimmed.len());
    let invalid = || QueryError::new(sqlstate::INVALID_PARAMETER_VALUE, format!("invalid size: \"{string}\""));
    let number: f64 = trimmed[..split].trim().parse().map_err(|_| invalid())?;
    let shift = match trimmed[split..].to_ascii_lowercase().as_str() {
        "" | "b" | "bytes" => 0,
        "kb" => 10,
        "mb" => 20,
        "gb" => 30,
        "tb" => 40,
        "pb" => 50,
        other => {
            return Err(invalid()
                .detail(format!("Invalid size unit: \"{other}\"."))
                .hint("Valid units are \"bytes\", \"B\", \"kB\", \"MB\", \"GB\", \"TB\", and \"PB\"."));
        }
    };
    let bytes = number * (1u64 << shift) as f64;
    if !bytes.is_finite() || bytes.abs() >= 9.2e18 {
        return Err(QueryError::new(sqlstate::NUMERIC_VALUE_OUT_OF_RANGE, "bigint out of range"));
    }
    Ok(Value::Int(bytes as i64))
}

/// Until the time is over or the statement is cancelled.
fn sleep(context: &EvalContext<'_>, seconds: f64) -> Result<Value> {
    let until = std::time::Instant::now()
        + std::time::Duration::try_from_secs_f64(seconds.max(0.0)).unwrap_or(std::time::Duration::MAX / 4);
    loop {
        context.exec.cancel.check()?;
        let left = until.saturating_duration_since(std::time::Instant::now());
        if left.is_zero() {
            // A void is empty, not NULL.
            return Ok(Value::text(""));
        }
        std::thread::sleep(left.min(std::time::Duration::from_millis(10)));
    }
}

pub(super) fn register(t: &mut Table) {
    t.section("Session and server");
    t.f("version() -> text", |_, _| Ok(Value::from(VERSION))).oid(89).stable();
    for signature in ["current_database() -> name", "current_catalog() -> name"] {
        t.f(signature, |c, _| Ok(Value::text(c.exec.session.database.as_str()))).stable();
    }
    for signature in ["current_user() -> name", "session_user() -> name", "user() -> name", "current_role() -> name"] {
        t.f(signature, |c, _| Ok(Value::text(c.exec.session.user.as_str()))).stable();
    }
    t.f("current_schema() -> name", |c, _| {
        Ok(existing_schemas(c, false).into_iter().next().map_or(Value::Null, Value::from))
    })
    .stable();
    t.f("current_schemas(bool) -> name[]", |c, a| {
        let schemas = existing_schemas(c, matches!(a[0], Value::Bool(true)));
        Ok(Value::list(schemas.into_iter().map(Value::from).collect()))
    })
    .stable();
    t.f("pg_backend_pid() -> int4", |c, _| Ok(Value::Int(i64::from(c.exec.session.process_id)))).stable();
    t.typed("pg_typeof(any) -> regtype", pg_typeof).lax().stable();
    super::settings::register(t);
    t.f("pg_postmaster_start_time() -> timestamptz", |c, _| Ok(Value::Timestamp(c.exec.session.server_started_us)))
        .stable();
    t.f("pg_conf_load_time() -> timestamptz", |c, _| Ok(Value::Timestamp(c.exec.session.server_started_us))).stable();
    t.f("pg_is_in_recovery() -> bool", |_, _| Ok(Value::Bool(false))).stable();
    t.f("pg_is_wal_replay_paused() -> bool", |_, _| Ok(Value::Bool(false))).stable();
    for signature in ["txid_current() -> int8", "pg_current_xact_id() -> int8"] {
        t.f(signature, |c, _| Ok(Value::Int(i64::try_from(c.exec.transaction.snapshot_lsn().0).unwrap_or(i64::MAX))))
            .stable();
    }
    t.f("txid_current_if_assigned() -> int8", |c, _| {
        let transaction = &c.exec.transaction;
        Ok(if transaction.has_writes() {
            Value::Int(i64::try_from(transaction.snapshot_lsn().0).unwrap_or(i64::MAX))
        } else {
            Value::Null
        })
    })
    .stable();
    for signature in [
        "inet_server_addr() -> text",
        "inet_client_addr() -> text",
        "inet_server_port() -> int4",
        "inet_client_port() -> int4",
    ] {
        t.f(signature, |_, _| Ok(Value::Null)).stable();
    }
    t.f("pg_sleep(float8) -> void", |c, a| sleep(c, super::args::float(&a[0])?)).volatile();
    t.f("pg_sleep_for(interval) -> void", |c, a| {
        let now_us = clock_us();
        let until_us = add_instant(now_us, &super::args::interval(&a[0])?, &zone::session_zone(c))?;
        sleep(c, (until_us - now_us) as f64 / 1e6)
    })
    .volatile();
    t.f("pg_sleep_until(timestamptz) -> void", |c, a| {
        let until_us = super::args::timestamp(&a[0])?;
        sleep(c, until_us.saturating_sub(clock_us()) as f64 / 1e6)
    })
    .volatile();
    // At most as much of it as pg_stat_activity keeps.
    t.f("current_query() -> text", |c, _| Ok(Value::from(c.exec.session.activity.current().query))).volatile();
    t.f("pg_blocking_pids(int4) -> int4[]", |c, a| {
        let Ok(process_id) = i32::try_from(int(&a[0])?) else { return Ok(Value::list(Vec::new())) };
        let blocking = c.exec.transaction.store().blocking_processes(process_id);
        Ok(Value::list(blocking.into_iter().map(|process_id| Value::Int(i64::from(process_id))).collect()))
    })
    .volatile();
    t.f("pg_notify(text, text) -> void", |c, a| {
        let part = |value: &Value| if value.is_null() { Ok(String::new()) } else { text(value).map(str::to_owned) };
        c.exec.session.notifications.notify(&part(&a[0])?, &part(&a[1])?)?;
        Ok(Value::text(""))
    })
    .lax()
    .volatile();
    t.f("pg_notification_queue_usage() -> float8", |c, _| Ok(Value::Float(c.exec.session.notifications.queue_usage())))
        .volatile();
    t.f("pg_size_pretty(int8) -> text", |_, a| Ok(Value::text(size_pretty(i128::from(int(&a[0])?)))));
    t.f("pg_size_pretty(numeric) -> text", |_, a| {
        let value = super::args::numeric(&a[0])?;
        let bytes = numeric::to_f64(&value);
        if !bytes.is_finite() || bytes.abs() > 1e30 {
            return Err(QueryError::new(sqlstate::NUMERIC_VALUE_OUT_OF_RANGE, "bigint out of range"));
        }
        Ok(Value::text(size_pretty(bytes as i128)))
    });
    t.f("pg_size_bytes(text) -> int8", |_, a| size_bytes(text(&a[0])?));
    t.typed("pg_column_size(any) -> int4", |types| {
        let ty = types.first().cloned().unwrap_or(DataType::Text);
        Arc::new(move |context, args| {
            let mut bytes = Vec::new();
            crate::types::to_binary(context, &args[0], &ty, &mut bytes)?;
            Ok(Value::Int(bytes.len() as i64))
        })
    })
    .stable();
    t.f("format_type(oid, int4) -> text", |c, a| {
        if a[0].is_null() {
            return Ok(Value::Null);
        }
        let oid = u32::try_from(int(&a[0])?).unwrap_or(0);
        let modifier = if a[1].is_null() { -1 } else { i32::try_from(int(&a[1])?).unwrap_or(-1) };
        Ok(Value::text(match crate::types::type_by_oid(&c.exec.transaction.catalog(), oid) {
            // Plain `character` would be read as character(1).
            Some(DataType::Bpchar(_)) if modifier < 0 && !a[1].is_null() => "bpchar".to_owned(),
            Some(ty) if matches!(ty, DataType::Vector(_)) && !finds_public(c) => {
                format!("public.{}", type_name(&crate::types::names::with_modifier(ty, modifier)))
            }
            Some(ty) => type_name(&crate::types::names::with_modifier(ty, modifier)),
            None if oid == 0 => "-".to_owned(),
            None => crate::types::reg::type_name_by_oid(oid).unwrap_or_else(|| "???".to_owned()),
        }))
    })
    .lax()
    .stable();
    t.f("pg_encoding_to_char(int4) -> name", |_, a| Ok(Value::from(if int(&a[0])? == 6 { "UTF8" } else { "" })))
        .stable();
    t.f("pg_char_to_encoding(name) -> int4", |_, a| {
        let name = text(&a[0])?;
        Ok(Value::Int(if name.eq_ignore_ascii_case("utf8") || name.eq_ignore_ascii_case("utf-8") { 6 } else { -1 }))
    })
    .stable();
    t.f("pg_client_encoding() -> name", |_, _| Ok(Value::from("UTF8"))).stable();

    t.section("Sinew");
    t.f("embed(text) -> vector", |c, a| Ok(Value::Vector(c.exec.session.embedder.embed(text(&a[0])?).into()))).stable();
    t.f("token_count(text) -> int4", |c, a| Ok(Value::Int(i64::from((c.exec.session.count_tokens)(text(&a[0])?)))));
}
