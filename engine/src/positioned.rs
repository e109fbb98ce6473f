//! Statements about the row that a cursor stands on.
//!
//! `WHERE CURRENT OF` is carried out by the row's primary key, which the cursor's query must give: the statement gets a
//! condition on its columns, with the values of the current row as further parameters.

use sinew_query::{Batch, QueryError, Result};
use sinew_storage::catalog::{ConstraintKind, IndexTarget, TableDef};
use sinew_storage::{DataType, Value};

use crate::cursor::Execution;
use crate::sql_cursor::SqlCursor;
use crate::utility::Positioned;
use crate::{Prepared, Session};

const INVALID_CURSOR_STATE: &str = "24000";

impl Session {
    /// For Describe: the statement's parameters and columns, whatever the cursor.
    pub(crate) fn prepare_positioned(&mut self, statement: &Positioned, types: &[DataType]) -> Result<Prepared> {
        self.prepare(&statement.with_condition("false"), types)
    }

    /// Changes the cursor's current row. 34000 without such a cursor, 24000 when it is not on a row of the table.
    pub(crate) fn run_positioned(
        &mut self,
        statement: &Positioned,
        mut params: Vec<Value>,
        types: &[DataType],
        in_parts: bool,
    ) -> Result<Execution> {
        let catalog = self.ensure_transaction().transaction.catalog();
        let path = match &statement.schema {
            Some(schema) => vec![schema.clone()],
            None => self.context.search_path(),
        };
        let table = path.iter().find_map(|schema| catalog.table(schema, &statement.table));
        let Some(table) = table else {
            // The plan says what is wrong with it.
            self.prepare_positioned(statement, types)?;
            return Err(QueryError::unsupported("WHERE CURRENT OF on this relation"));
        };
        let key = primary_key(table, catalog.indexes_of(table.id));
        let cursor = self.cursor(&statement.cursor)?;
        let row = cursor.current_row(&statement.cursor, table)?;
        let mut types = types.to_vec();
        let mut condition = Vec::new();
        for position in key.ok_or_else(|| no_key(table))? {
            let column = &table.columns[position];
            let attribute = i16::try_from(position + 1).map_err(|_| no_key(table))?;
            let found = cursor.columns.iter().position(|given| given.origin == Some((table.id.0, attribute)));
            let at = found.ok_or_else(|| no_key(table))?;
            params.push(row.columns[at].value(0));
            types.resize(statement.parameter_count + condition.len(), DataType::Unknown);
            types.push(column.ty.clone());
            condition.push(format!("\"{}\" = ${}", column.name.replace('"', "\"\""), types.len()));
        }
        let prepared = self.prepare(&statement.with_condition(&condition.join(" AND ")), &types)?;
        self.start(&prepared, params, in_parts)
    }
}

impl SqlCursor {
    /// The row the cursor stands on, which must be one of the table.
    fn current_row(&self, name: &str, table: &TableDef) -> Result<Batch> {
        let invalid = |message: String| Err(QueryError::new(INVALID_CURSOR_STATE, message));
        if self.is_held() {
            return invalid(format!("cursor \"{name}\" is held from a previous transaction"));
        }
        let is_of_table = self.columns.iter().any(|column| column.origin.is_some_and(|(of, _)| of == table.id.0));
        if !self.is_simple || !is_of_table {
            return invalid(format!("cursor \"{name}\" is not a simply updatable scan of table \"{}\"", table.name));
        }
        match self.row() {
            Some(row) => Ok(row),
            None => invalid(format!("cursor \"{name}\" is not positioned on a row")),
        }
    }
}

/// Positions of the columns of the table's primary key.
fn primary_key(table: &TableDef, indexes: &[std::sync::Arc<sinew_storage::catalog::IndexDef>]) -> Option<Vec<usize>> {
    let index = indexes.iter().find(|index| index.constraint == Some(ConstraintKind::PrimaryKey))?;
    let IndexTarget::Table { columns, .. } = &index.target else { return None };
    columns.iter().map(|column| table.position_of(column.column)).collect()
}

fn no_key(table: &TableDef) -> QueryError {
    QueryError::unsupported(format!(
        "WHERE CURRENT OF a cursor whose query does not give the primary key of \"{}\"",
        table.name
    ))
}
