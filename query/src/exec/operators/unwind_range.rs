//! One row per element of `range()`, of which no list is made.

use std::sync::Arc;

use sinew_storage::Value;

use crate::batch::{BATCH_ROWS, Batch, Column};
use crate::cypher::functions::Range;
use crate::error::Result;
use crate::exec::expr::{PhysExpr, RowCx, RowRef};
use crate::exec::node::{Layout, Node, Operator, Physical};
use crate::exec::run::Cx;

pub struct UnwindRangePlan {
    pub input: Arc<Node>,
    /// Of `range()`, over the input.
    pub args: Vec<PhysExpr>,
    /// Where `range()` stands in the statement, in characters from 1.
    pub position: Option<u32>,
    pub layout: Arc<Layout>,
}

impl Physical for UnwindRangePlan {
    fn open(self: Arc<Self>, cx: &Cx) -> Result<Box<dyn Operator>> {
        let input = self.input.open(cx)?;
        Ok(Box::new(UnwindRange { plan: self, input, cx: cx.clone(), batch: None, row: 0, current: None }))
    }

    fn describe(&self) -> String {
        "Unwind Range".to_owned()
    }

    fn children(&self) -> Vec<&Arc<Node>> {
        vec![&self.input]
    }
}

struct UnwindRange {
    plan: Arc<UnwindRangePlan>,
    input: Box<dyn Operator>,
    cx: Cx,
    batch: Option<Batch>,
    /// The row of `batch` to begin next.
    row: usize,
    /// The elements of the row before, and the first that was not given.
    current: Option<(Range, u64)>,
}

impl UnwindRange {
    /// None of null arguments.
    fn range(&self, batch: &Batch, row: usize) -> Result<Option<Range>> {
        let cx = RowCx { cx: &self.cx, row: RowRef::Batch(batch, row), locals: None };
        let args = self.plan.args.iter().map(|arg| arg.eval(cx)).collect::<Result<Vec<_>>>()?;
        if args.iter().any(Value::is_null) {
            return Ok(None);
        }
        let position = self.plan.position.map(|position| position as usize);
        Range::of(&args).map(Some).map_err(|error| error.at(position))
    }
}

impl Operator for UnwindRange {
    fn next(&mut self) -> Result<Option<Batch>> {
        loop {
            self.cx.check_cancel()?;
            let Some(batch) = super::batch_in_progress(&mut self.batch, &mut *self.input, &mut self.row)? else {
                return Ok(None);
            };
            let mut rows: Vec<u32> = Vec::new();
            let mut values: Vec<Value> = Vec::new();
            while values.len() < BATCH_ROWS {
                if let Some((range, next)) = &mut self.current {
                    let wanted = (range.element_count - *next).min((BATCH_ROWS - values.len()) as u64);
                    values.extend((*next..*next + wanted).map(|index| range.element(index)));
                    rows.resize(values.len(), (self.row - 1) as u32);
                    *next += wanted;
                    if *next == range.element_count {
                        self.current = None;
                    }
                } else if self.row < batch.row_count {
                    self.current = self.range(&batch, self.row)?.map(|range| (range, 0));
                    self.row += 1;
                } else {
                    break;
                }
            }
            let out = (!values.is_empty()).then(|| {
                let ty = &self.plan.layout.types[self.plan.layout.len() - 1];
                let mut out = batch.take(&rows);
                out.columns.push(Column::from_values(ty, values));
                out
            });
            if self.row < batch.row_count || self.current.is_some() {
                self.batch = Some(batch);
            }
            if out.is_some() {
                return Ok(out);
            }
        }
    }
}
