//! Rows of a table with some columns computed anew, for ALTER COLUMN … TYPE.

use std::sync::Arc;

use parking_lot::RwLock;
use sinew_storage::catalog::TableDef;
use sinew_storage::{DataType, Value};

use super::compile::compile_expressions;
use super::expr::{PhysExpr, RowCx};
use super::run::{Cx, RunState};
use crate::context::{BindContext, ExecContext};
use crate::error::{QueryError, Result};
use crate::sql;

pub struct RowTransform {
    cx: Cx,
    /// By position in the table.
    columns: Vec<(usize, PhysExpr)>,
}

impl RowTransform {
    /// `columns` are positions in `table`, with the text over its row that gives the new value, of this type.
    pub fn new(table: &TableDef, columns: &[(usize, String, DataType)], context: &ExecContext) -> Result<RowTransform> {
        let bind = BindContext {
            transaction: &context.transaction,
            session: &context.session,
            params: RwLock::new(Vec::new()),
        };
        let texts = columns.iter().map(|(_, text, ty)| (text.as_str(), ty)).collect::<Vec<_>>();
        let (vars, row, exprs) = sql::bind_row_expressions(&bind, table, &texts)?;
        let (exprs, sizes) = compile_expressions(&exprs, &vars, &row, &context.transaction)?;
        let cx = Cx::new(Arc::new(RunState::new(context.clone(), sizes, None, false)));
        Ok(RowTransform { cx, columns: columns.iter().map(|(position, ..)| *position).zip(exprs).collect() })
    }

    /// The row as it is to be. Polls the cancel token.
    pub fn apply(&self, row: &[Value]) -> Result<Vec<Value>> {
        self.cx.check_cancel()?;
        let at = RowCx::of_values(&self.cx, row);
        let mut new = row.to_vec();
        for (position, expr) in &self.columns {
            let slot = new
                .get_mut(*position)
                .ok_or_else(|| QueryError::internal("a rewritten column is missing in its row"))?;
            *slot = expr.eval(at)?;
        }
        Ok(new)
    }
}
