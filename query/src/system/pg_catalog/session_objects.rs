//! What the session itself has made: prepared statements and cursors.

use std::sync::atomic::Ordering;

use sinew_storage::Value;

use super::{Rows, SystemRelation, row, view};
use crate::context::ExecContext;
use crate::types::type_oid;

pub(super) static RELATIONS: &[SystemRelation] = &[
    view(
        "pg_prepared_statements",
        "name text, statement text, prepare_time timestamptz, parameter_types regtype[], from_sql bool, \
         generic_plans int8, custom_plans int8",
        prepared_statements,
    ),
    view(
        "pg_cursors",
        "name text, statement text, is_holdable bool, is_binary bool, is_scrollable bool, creation_time \
         timestamptz",
        cursors,
    ),
];

fn prepared_statements(context: &ExecContext) -> Rows {
    let statements = context.session.objects.statements();
    let rows = statements.iter().map(|statement| {
        let types = statement.parameter_types.iter().map(|ty| Value::Int(i64::from(type_oid(ty)))).collect();
        row![
            statement.name.as_str(),
            statement.text.as_str(),
            Value::Timestamp(statement.prepared_us),
            Value::list(types),
            statement.from_sql,
            i64::try_from(statement.run_count.load(Ordering::Relaxed)).unwrap_or(i64::MAX),
            0i64,
        ]
    });
    Ok(rows.collect())
}

fn cursors(context: &ExecContext) -> Rows {
    let cursors = context.session.objects.cursors();
    let rows = cursors.iter().map(|cursor| {
        row![
            cursor.name.as_str(),
            cursor.text.as_str(),
            cursor.is_holdable,
            cursor.is_binary,
            cursor.is_scrollable,
            Value::Timestamp(cursor.declared_us),
        ]
    });
    Ok(rows.collect())
}
