//! Identity columns. The catalog keeps one as a default that counts; a comment at its end, which no user can write there
//! because defaults are stored as their tree prints, tells GENERATED ALWAYS from BY DEFAULT.

use sinew_storage::catalog::{ColumnDef, DefaultExpr, TableDef};
use sqlparser::ast::ObjectName;

use super::names::quote_name;
use crate::error::{QueryError, Result};
use crate::sql::lexical::OVERRIDING_MARK;

const ALWAYS_MARK: &str = " /* GENERATED ALWAYS AS IDENTITY */";
const COUNTER_START: &str = "nextval('";

/// What OVERRIDING says of values for identity columns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Overriding {
    /// Nothing was said.
    None,
    /// SYSTEM VALUE: given values count.
    System,
    /// USER VALUE: given values are ignored.
    User,
}

impl Overriding {
    /// Splits off the column that stands for OVERRIDING before the others.
    pub fn split(columns: &[ObjectName]) -> (Overriding, &[ObjectName]) {
        let mark = columns.first().and_then(|name| name.0.first()?.as_ident()?.value.strip_prefix(OVERRIDING_MARK));
        match mark {
            None => (Overriding::None, columns),
            Some("SYSTEM") => (Overriding::System, &columns[1..]),
            Some(_) => (Overriding::User, &columns[1..]),
        }
    }
}

/// The default that numbers rows by a counter.
pub fn counter_default(schema: &str, counter: &str, always: bool) -> DefaultExpr {
    let qualified = format!("{}.{}", quote_name(schema), quote_name(counter));
    let mark = if always { ALWAYS_MARK } else { "" };
    DefaultExpr { expression: format!("{COUNTER_START}{}'){mark}", qualified.replace('\'', "''")), constant: None }
}

/// The counter that a default takes its numbers from, if it is such a default.
pub fn counter_of(default: &DefaultExpr) -> Option<String> {
    let text = default.expression.strip_suffix(ALWAYS_MARK).unwrap_or(&default.expression);
    Some(text.strip_prefix(COUNTER_START)?.strip_suffix("')")?.replace("''", "'"))
}

/// Whether a column is GENERATED ALWAYS AS IDENTITY.
pub fn is_always(column: &ColumnDef) -> bool {
    column.default.as_ref().is_some_and(|default| default.expression.ends_with(ALWAYS_MARK))
}

fn refused(column: &ColumnDef, message: String) -> QueryError {
    QueryError::new("428C9", message)
        .detail(format!("Column \"{}\" is an identity column defined as GENERATED ALWAYS.", column.name))
}

/// 428C9 when an INSERT gives a value of its own to a GENERATED ALWAYS column and nothing overrides that.
pub fn check_insert(table: &TableDef, position: usize, overriding: Overriding) -> Result<()> {
    let column = &table.columns[position];
    if overriding != Overriding::None || !is_always(column) {
        return Ok(());
    }
    Err(refused(column, format!("cannot insert a non-DEFAULT value into column \"{}\"", column.name))
        .hint("Use OVERRIDING SYSTEM VALUE to override."))
}

/// 428C9 when an UPDATE gives a value of its own to a GENERATED ALWAYS column.
pub fn check_update(table: &TableDef, position: usize) -> Result<()> {
    let column = &table.columns[position];
    if !is_always(column) {
        return Ok(());
    }
    Err(refused(column, format!("column \"{}\" can only be updated to DEFAULT", column.name)))
}
