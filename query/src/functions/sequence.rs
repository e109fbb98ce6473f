//! nextval, currval, setval, lastval.

use std::sync::Arc;

use sinew_storage::catalog::{SequenceDef, SequenceValue};
use sinew_storage::{RelationId, Value};

use super::args::int;
use super::cast::relation_oid;
use super::registry::Table;
use crate::context::{EvalContext, TakenNumbers};
use crate::error::{QueryError, Result, sqlstate};
use crate::types::reg;

fn wrong_state(message: impl Into<String>) -> QueryError {
    QueryError::new(sqlstate::OBJECT_NOT_IN_PREREQUISITE_STATE, message)
}

/// 42P01, 42809 when it is something else.
fn sequence(context: &EvalContext<'_>, argument: &Value) -> Result<Arc<SequenceDef>> {
    let oid = relation_oid(context, argument)?.unwrap_or(0);
    let catalog = context.exec.transaction.catalog();
    if let Some(sequence) = catalog.sequences.get(&RelationId(oid)) {
        return Ok(Arc::clone(sequence));
    }
    Err(match reg::relation_name(&catalog, oid) {
        Some((_, name)) => QueryError::new(sqlstate::WRONG_OBJECT_TYPE, format!("\"{name}\" is not a sequence")),
        None => QueryError::new(sqlstate::UNDEFINED_TABLE, format!("could not open relation with OID {oid}")),
    })
}

/// 25006; what is temporary may be written.
fn check_writable(context: &EvalContext<'_>, sequence: &SequenceDef, what: &str) -> Result<()> {
    if context.exec.allow_writes || sequence.schema == context.exec.session.temporary_schema() {
        return Ok(());
    }
    Err(QueryError::new(
        sqlstate::READ_ONLY_SQL_TRANSACTION,
        format!("cannot execute {what}() in a read-only transaction"),
    ))
}

fn nextval(context: &EvalContext<'_>, args: &[Value]) -> Result<Value> {
    let def = sequence(context, &args[0])?;
    check_writable(context, &def, "nextval")?;
    let session = &context.exec.session.sequences;
    if let Some(taken) = session.taken(def.id)
        && taken.cached != taken.current
        && taken.generation == def.generation
        && let Some(next) = def.step(taken.current, 1)
    {
        session.note(def.id, TakenNumbers { current: next, ..taken }, true);
        return Ok(Value::Int(next));
    }
    let Some(range) = context.exec.transaction.next_of_sequence(def.id, def.cache)? else {
        let (limit, value) = if def.increment > 0 { ("maximum", def.max_value) } else { ("minimum", def.min_value) };
        return Err(QueryError::new(
            sqlstate::SEQUENCE_GENERATOR_LIMIT_EXCEEDED,
            format!("nextval: reached {limit} value of sequence \"{}\" ({value})", def.name),
        ));
    };
    let numbers = TakenNumbers { current: range.first, cached: range.last, generation: def.generation };
    session.note(def.id, numbers, true);
    Ok(Value::Int(range.first))
}

fn currval(context: &EvalContext<'_>, args: &[Value]) -> Result<Value> {
    let def = sequence(context, &args[0])?;
    match context.exec.session.sequences.taken(def.id) {
        Some(taken) => Ok(Value::Int(taken.current)),
        None => Err(wrong_state(format!("currval of sequence \"{}\" is not yet defined in this session", def.name))),
    }
}

fn lastval(context: &EvalContext<'_>, _: &[Value]) -> Result<Value> {
    match context.exec.session.sequences.last() {
        Some((sequence, value)) if context.exec.transaction.catalog().sequences.contains_key(&sequence) => {
            Ok(Value::Int(value))
        }
        _ => Err(wrong_state("lastval is not yet defined in this session")),
    }
}

fn setval(context: &EvalContext<'_>, args: &[Value]) -> Result<Value> {
    let def = sequence(context, &args[0])?;
    check_writable(context, &def, "setval")?;
    let value = int(&args[1])?;
    let is_called = args.get(2).is_none_or(|called| *called == Value::Bool(true));
    if !(def.min_value..=def.max_value).contains(&value) {
        return Err(QueryError::new(
            sqlstate::NUMERIC_VALUE_OUT_OF_RANGE,
            format!(
                "setval: value {value} is out of bounds for sequence \"{}\" ({}..{})",
                def.name, def.min_value, def.max_value
            ),
        ));
    }
    context.exec.transaction.set_sequence(def.id, SequenceValue { last_value: value, is_called })?;
    let session = &context.exec.session.sequences;
    if is_called {
        let numbers = TakenNumbers { current: value, cached: value, generation: def.generation };
        session.note(def.id, numbers, false);
    } else {
        session.forget_cached(def.id);
    }
    Ok(Value::Int(value))
}

/// `pg_sequence_last_value`: NULL before the first number.
fn last_value(context: &EvalContext<'_>, args: &[Value]) -> Result<Value> {
    let def = sequence(context, &args[0])?;
    let (value, _) = context.exec.transaction.sequence_value(def.id)?;
    Ok(if value.is_called { Value::Int(value.last_value) } else { Value::Null })
}

/// The sequence that a column owns, qualified. 42P01, 42703.
fn serial_sequence(context: &EvalContext<'_>, args: &[Value]) -> Result<Value> {
    let (table_name, column_name) = (super::args::text(&args[0])?, super::args::text(&args[1])?);
    let catalog = context.exec.transaction.catalog();
    let missing = || QueryError::new(sqlstate::UNDEFINED_TABLE, format!("relation \"{table_name}\" does not exist"));
    let parts = reg::split_name(table_name).ok_or_else(missing)?;
    let oid = reg::find_relation(context, &parts).ok_or_else(missing)?;
    let table = catalog.tables.get(&RelationId(oid)).ok_or_else(missing)?;
    let position = table.column_position(column_name).ok_or_else(|| {
        QueryError::new(
            sqlstate::UNDEFINED_COLUMN,
            format!("column \"{column_name}\" of relation \"{}\" does not exist", table.name),
        )
    })?;
    let owned = catalog.owned_sequences.get(&table.id).into_iter().flatten();
    let mut of_column = owned.filter(|sequence| sequence.belongs_to(table.id, table.columns[position].id));
    let name = of_column.next().map(|sequence| {
        format!("{}.{}", reg::quote_identifier(&sequence.schema), reg::quote_identifier(&sequence.name))
    });
    Ok(name.into())
}

pub(super) fn register(t: &mut Table) {
    t.section("Sequences");
    t.f("nextval(regclass) -> int8", nextval).oid(1574).volatile();
    t.f("currval(regclass) -> int8", currval).oid(1575).volatile();
    t.f("setval(regclass, int8) -> int8", setval).oid(1576).volatile();
    t.f("setval(regclass, int8, bool) -> int8", setval).oid(1765).volatile();
    t.f("lastval() -> int8", lastval).oid(2559).volatile();
    t.f("pg_sequence_last_value(regclass) -> int8", last_value).oid(4032).volatile();
    t.f("pg_get_serial_sequence(text, text) -> text", serial_sequence).oid(1665).stable();
}
