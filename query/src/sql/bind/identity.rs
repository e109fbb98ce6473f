//! Serial and identity columns: a default that takes the numbers of a sequence of the column's own.

use sinew_storage::catalog::{ColumnDef, DefaultExpr, IdentityKind, TableDef};
use sqlparser::ast::ObjectName;

use super::stored_sequences::qualified_text;
use crate::error::{QueryError, Result};
use crate::sql::lexical::OVERRIDING_MARK;

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

/// The default that takes the next number of a sequence.
pub fn sequence_default(schema: &str, sequence: &str) -> DefaultExpr {
    let name = qualified_text(schema, sequence).replace('\'', "''");
    DefaultExpr { expression: format!("nextval('{name}'::regclass)"), constant: None }
}

/// Whether a column is GENERATED ALWAYS AS IDENTITY.
pub fn is_always(column: &ColumnDef) -> bool {
    column.identity == Some(IdentityKind::Always)
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
