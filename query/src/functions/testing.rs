//! What tests of types and functions share: a context, and calls written as text.

use std::sync::Arc;

use sinew_storage::{
    CancelToken, DataType, Embedder, Isolation, SessionLocks, Store, StoreOptions, Transaction, Value,
};

use super::{CastContext, can_cast, cast_value, resolve_function, resolve_operator};
use crate::context::{EvalContext, ExecContext, SessionContext};
use crate::error::{QueryError, Result, sqlstate};
use crate::types;

/// 2026-01-02 03:04:05.678901 UTC: what `now()` gives in tests.
pub(crate) const NOW_US: i64 = 1_767_323_045_678_901;

struct LengthEmbedder;

impl Embedder for LengthEmbedder {
    fn name(&self) -> &str {
        "length"
    }

    fn dimension_count(&self) -> u32 {
        2
    }

    fn embed(&self, text: &str) -> Vec<f32> {
        vec![text.len() as f32, 1.0]
    }
}

/// A transaction that pure functions never touch.
fn transaction() -> Arc<Transaction> {
    let store = Store::in_memory(StoreOptions::default()).expect("an in-memory store opens");
    Arc::new(store.begin(Isolation::ReadCommitted))
}

/// A context whose session has these settings.
pub(crate) fn context(settings: &[(&str, &str)]) -> ExecContext {
    let settings = settings.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    let transaction = transaction();
    let session = SessionContext {
        user: "ann".to_owned(),
        database: "memory".to_owned(),
        process_id: 7,
        settings: crate::settings::Settings::new(settings),
        ..SessionContext::alone(
            SessionLocks::new(transaction.store(), 7),
            Arc::new(LengthEmbedder),
            Arc::new(|text| text.split_whitespace().count() as u32),
        )
    };
    ExecContext {
        transaction,
        session: Arc::new(session),
        params: Arc::from(Vec::new()),
        cancel: CancelToken::default(),
        transaction_time_us: NOW_US,
        statement_time_us: NOW_US,
        memory_limit_bytes: 1 << 20,
        allow_writes: false,
    }
}

/// Text to value to text in a session with settings; errors as `SQLSTATE message`.
pub(crate) fn round_trip_with(settings: &[(&str, &str)], ty: &DataType, text: &str) -> String {
    let exec = context(settings);
    let eval = EvalContext::new(&exec);
    let run = || -> Result<String> {
        let value = types::from_text(&eval, text, ty)?;
        types::to_text(&eval, &value, ty)
    };
    run().unwrap_or_else(|error| format!("{} {error}", error.sqlstate()))
}

/// A value written as `type:text`; `NULL` is an unknown NULL, `'text` an unknown literal.
fn literal(eval: &EvalContext<'_>, text: &str) -> Result<(Value, DataType)> {
    if text == "NULL" {
        return Ok((Value::Null, DataType::Unknown));
    }
    if let Some(text) = text.strip_prefix('\'') {
        return Ok((Value::from(text), DataType::Unknown));
    }
    let (name, text) = text.split_once(':').expect("a literal is type:text");
    let ty = types::names::type_from_declaration(name).expect("a type's name");
    if text == "NULL" {
        return Ok((Value::Null, ty));
    }
    Ok((types::from_text(eval, text, &ty)?, ty))
}

fn shown(eval: &EvalContext<'_>, value: &Value, ty: &DataType) -> Result<String> {
    let text = if value.is_null() { "NULL".to_owned() } else { types::to_text(eval, value, ty)? };
    Ok(format!("{}:{text}", types::names::internal_name(ty)))
}

fn run(settings: &[(&str, &str)], name: &str, args: &[&str], is_operator: bool) -> Result<String> {
    let exec = context(settings);
    let eval = EvalContext::new(&exec);
    let args: Vec<(Value, DataType)> = args.iter().map(|arg| literal(&eval, arg)).collect::<Result<_>>()?;
    let types: Vec<DataType> = args.iter().map(|(_, ty)| ty.clone()).collect();
    let resolved = if is_operator {
        let (left, right) = if types.len() == 2 { (Some(&types[0]), &types[1]) } else { (None, &types[0]) };
        resolve_operator(name, left, right)?
    } else {
        resolve_function(name, &types)?
    };
    let mut values = Vec::new();
    for ((value, from), to) in args.iter().zip(&resolved.args) {
        values.push(cast_value(&eval, value, from, to, false)?);
    }
    if resolved.function.strict && values.iter().any(Value::is_null) {
        return shown(&eval, &Value::Null, &resolved.returns);
    }
    let result = (resolved.function.eval)(&eval, &values)?;
    shown(&eval, &result, &resolved.returns)
}

fn flat(result: Result<String>) -> String {
    result.unwrap_or_else(|error| format!("{} {error}", error.sqlstate()))
}

/// `call("round", &["numeric:2.5"])` is `numeric:3`; errors are `SQLSTATE message`.
pub(crate) fn call(name: &str, args: &[&str]) -> String {
    flat(run(&[], name, args, false))
}

pub(crate) fn call_with(settings: &[(&str, &str)], name: &str, args: &[&str]) -> String {
    flat(run(settings, name, args, false))
}

/// `operate(&["int4:1", "+", "int4:2"])`.
pub(crate) fn operate(words: &[&str]) -> String {
    match words {
        [left, symbol, right] => flat(run(&[], symbol, &[left, right], true)),
        [symbol, operand] => flat(run(&[], symbol, &[operand], true)),
        _ => panic!("an operator takes one or two operands"),
    }
}

/// A cast of a `type:text` literal to a declared type.
pub(crate) fn cast(text: &str, to: &str, explicit: bool) -> String {
    let exec = context(&[]);
    let eval = EvalContext::new(&exec);
    let to = types::names::type_from_declaration(to).expect("a type's name");
    let run = || {
        let (value, from) = literal(&eval, text)?;
        let written = if explicit { CastContext::Explicit } else { CastContext::Assignment };
        if !can_cast(&from, &to, written) {
            let message = format!("cannot cast type {} to {}", types::type_name(&from), types::type_name(&to));
            return Err(QueryError::new(sqlstate::CANNOT_COERCE, message));
        }
        let value = cast_value(&eval, &value, &from, &to, explicit)?;
        shown(&eval, &value, &to)
    };
    flat(run())
}
