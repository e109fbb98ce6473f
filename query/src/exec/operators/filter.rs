//! Keeps the rows where a condition is TRUE.

use std::sync::Arc;

use crate::batch::Batch;
use crate::error::Result;
use crate::exec::expr::PhysExpr;
use crate::exec::node::{Node, Operator, Physical};
use crate::exec::run::Cx;

pub struct FilterPlan {
    pub input: Arc<Node>,
    pub predicate: PhysExpr,
}

impl Physical for FilterPlan {
    fn open(self: Arc<Self>, cx: &Cx) -> Result<Box<dyn Operator>> {
        let input = self.input.open(cx)?;
        Ok(Box::new(Filter { plan: self, input, cx: cx.clone() }))
    }

    fn describe(&self) -> String {
        "Filter".to_owned()
    }

    fn children(&self) -> Vec<&Arc<Node>> {
        vec![&self.input]
    }
}

struct Filter {
    plan: Arc<FilterPlan>,
    input: Box<dyn Operator>,
    cx: Cx,
}

impl Operator for Filter {
    fn next(&mut self) -> Result<Option<Batch>> {
        while let Some(batch) = self.input.next()? {
            self.cx.check_cancel()?;
            let rows = self.plan.predicate.select_rows(&self.cx, &batch)?;
            if rows.len() == batch.row_count {
                return Ok(Some(batch));
            }
            if !rows.is_empty() {
                return Ok(Some(batch.take(&rows)));
            }
        }
        Ok(None)
    }
}
