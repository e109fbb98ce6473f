//! What a row must satisfy before it is stored: NOT NULL, declared dimensions, CHECK; and who may write a table.

use sinew_storage::catalog::{TableBehaviour, TableDef};
use sinew_storage::{DataType, Value};

use super::expr::{PhysExpr, RowCx, truth};
use super::run::Cx;
use crate::algebra::RowRule;
use crate::error::{QueryError, Result, sqlstate};
use crate::types;

/// The user that the engine itself runs statements as; it alone writes tables of [`TableBehaviour::EngineOnly`].
pub const ENGINE_USER: &str = "sinew$engine";

/// Characters of a value that an error's detail shows.
const DETAIL_VALUE_CHARS: usize = 64;

/// 42501 when the table is the engine's and the session is a user's.
pub fn check_may_write(table: &TableDef, cx: &Cx) -> Result<()> {
    if table.behaviour == TableBehaviour::EngineOnly && cx.run.exec.session.user != ENGINE_USER {
        return Err(QueryError::new(
            sqlstate::INSUFFICIENT_PRIVILEGE,
            format!("permission denied for table {}", table.name),
        )
        .detail("The table is written by the engine only."));
    }
    Ok(())
}

/// Checks a row (aligned with the table's columns). `checks` read nothing else.
pub fn check_row(table: &TableDef, row: &[Value], checks: &[(RowRule, PhysExpr)], cx: &Cx) -> Result<()> {
    for (column, value) in table.columns.iter().zip(row) {
        if column.virtual_expression.is_some() {
            continue;
        }
        if value.is_null() {
            if column.not_null {
                let mut error = QueryError::new(
                    sqlstate::NOT_NULL_VIOLATION,
                    format!(
                        "null value in column \"{}\" of relation \"{}\" violates not-null constraint",
                        column.name, table.name
                    ),
                )
                .detail(failing_row(table, row, cx));
                error.0.schema = Some(table.schema.clone());
                error.0.table = Some(table.name.clone());
                error.0.column = Some(column.name.clone());
                return Err(error);
            }
        } else if let (DataType::Vector(Some(dimension_count)), Value::Vector(vector)) = (&column.ty, value)
            && vector.len() != *dimension_count as usize
        {
            return Err(QueryError::new(
                sqlstate::DATA_EXCEPTION,
                format!("expected {dimension_count} dimensions, not {}", vector.len()),
            ));
        }
    }
    for (rule, condition) in checks {
        let holds = truth(&condition.eval(RowCx::of_values(cx, row))?)?;
        match rule {
            RowRule::Constraint(name) if holds == Some(false) => {
                let mut error = QueryError::new(
                    sqlstate::CHECK_VIOLATION,
                    format!("new row for relation \"{}\" violates check constraint \"{name}\"", table.name),
                )
                .detail(failing_row(table, row, cx));
                error.0.schema = Some(table.schema.clone());
                error.0.table = Some(table.name.clone());
                error.0.constraint = Some(name.clone());
                return Err(error);
            }
            RowRule::ViewOption(view) if holds != Some(true) => {
                return Err(QueryError::new(
                    sqlstate::WITH_CHECK_OPTION_VIOLATION,
                    format!("new row violates check option for view \"{view}\""),
                )
                .detail(failing_row(table, row, cx)));
            }
            RowRule::Constraint(_) | RowRule::ViewOption(_) => {}
        }
    }
    Ok(())
}

/// `Failing row contains (1, null, …).` Long values are cut.
fn failing_row(table: &TableDef, row: &[Value], cx: &Cx) -> String {
    let context = cx.eval_context();
    let values: Vec<String> = table
        .columns
        .iter()
        .zip(row)
        .filter(|(column, _)| column.virtual_expression.is_none())
        .map(|(column, value)| {
            if value.is_null() {
                return "null".to_owned();
            }
            let text = types::to_text(&context, value, &column.ty).unwrap_or_else(|_| "?".to_owned());
            match text.char_indices().nth(DETAIL_VALUE_CHARS) {
                Some((end, _)) => format!("{}...", &text[..end]),
                None => text,
            }
        })
        .collect();
    format!("Failing row contains ({}).", values.join(", "))
}
