//! Rows of a table function.

use std::sync::Arc;

use arrow_array::Int64Array;

use crate::batch::{Batch, Column};
use crate::error::{QueryError, Result};
use crate::exec::RowStream;
use crate::exec::expr::PhysExpr;
use crate::exec::node::{Operator, Physical};
use crate::exec::run::Cx;
use crate::functions::TableFunction;

pub struct FunctionScanPlan {
    pub function: Arc<dyn TableFunction>,
    pub args: Vec<PhysExpr>,
    /// Columns the function gives.
    pub width: usize,
    pub ordinality: bool,
}

impl Physical for FunctionScanPlan {
    fn open(self: Arc<Self>, cx: &Cx) -> Result<Box<dyn Operator>> {
        let args = self.args.iter().map(|arg| arg.eval_const(cx)).collect::<Result<Vec<_>>>()?;
        let stream = self.function.call(&cx.run.exec, &args)?;
        Ok(Box::new(FunctionScan { plan: self, stream, row_count: 0, cx: cx.clone() }))
    }

    fn describe(&self) -> String {
        format!("Function Scan on {}", self.function.name())
    }
}

struct FunctionScan {
    plan: Arc<FunctionScanPlan>,
    stream: Box<dyn RowStream>,
    row_count: i64,
    cx: Cx,
}

impl Operator for FunctionScan {
    fn next(&mut self) -> Result<Option<Batch>> {
        loop {
            self.cx.check_cancel()?;
            let Some(mut batch) = self.stream.next_batch()? else { return Ok(None) };
            if batch.row_count == 0 {
                continue;
            }
            if batch.columns.len() != self.plan.width {
                return Err(QueryError::internal(format!(
                    "{} gave {} columns and declares {}",
                    self.plan.function.name(),
                    batch.columns.len(),
                    self.plan.width
                )));
            }
            if self.plan.ordinality {
                let first = self.row_count + 1;
                self.row_count += batch.row_count as i64;
                batch.columns.push(Column::Int(Int64Array::from_iter_values(first..=self.row_count)));
            }
            return Ok(Some(batch));
        }
    }
}
