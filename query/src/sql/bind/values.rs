//! VALUES as a query.

use std::sync::Arc;

use sinew_storage::DataType;
use sqlparser::ast::{Spanned, Values};

use super::scope::{Clause, Frame};
use super::{Binder, Bound};
use crate::algebra::{Expr, Plan};
use crate::error::{QueryError, Result};
use crate::statement::OutputColumn;

impl Binder<'_> {
    /// Columns are `column1`, `column2`, …; a column of open literals only stays open.
    pub fn bind_values(&mut self, values: &Values) -> Result<Bound> {
        let (mut rows, _) = self.with_frame(Frame::new(Clause::Values), |binder| {
            let mut rows: Vec<Vec<Expr>> = Vec::with_capacity(values.rows.len());
            for row in &values.rows {
                let row = row.content.iter().map(|expr| binder.bind_expr(expr)).collect::<Result<Vec<_>>>()?;
                rows.push(row);
            }
            Ok(rows)
        })?;
        let column_count = rows.first().map_or(0, Vec::len);
        if let Some(index) = rows.iter().position(|row| row.len() != column_count) {
            let span = values.rows[index].content.first().map(Spanned::span);
            return Err(QueryError::syntax(
                "VALUES lists must all be the same length",
                span.and_then(|span| self.at(span)),
            ));
        }
        let mut output = Vec::with_capacity(column_count);
        for index in 0..column_count {
            let types: Vec<DataType> = rows.iter().map(|row| row[index].ty()).collect();
            let span = values.rows[0].content[index].span();
            let ty = if types.iter().all(|ty| *ty == DataType::Unknown) {
                DataType::Unknown
            } else {
                let position = self.at(span);
                self.common_type(&types, "VALUES", position)?
            };
            for (row, ast) in rows.iter_mut().zip(&values.rows) {
                let position = self.at(ast.content[index].span());
                let open = std::mem::replace(&mut row[index], Expr::null(DataType::Unknown));
                row[index] = self.coerce(open, &ty, position)?;
            }
            let name: Arc<str> = format!("column{}", index + 1).into();
            let var = self.vars.add(name.clone(), ty.clone());
            output.push(OutputColumn { name, var, ty, origin: None });
        }
        Ok(Bound { plan: Plan::Values { rows, output: output.iter().map(|column| column.var).collect() }, output })
    }
}
