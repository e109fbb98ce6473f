//! Computes columns: exactly those named (project), or besides the input's (extend).

use std::sync::Arc;

use crate::batch::Batch;
use crate::error::Result;
use crate::exec::expr::PhysExpr;
use crate::exec::node::{Node, Operator, Physical};
use crate::exec::run::Cx;

pub struct ProjectPlan {
    pub input: Arc<Node>,
    pub items: Vec<PhysExpr>,
    /// Keep the input's columns before the items.
    pub extend: bool,
}

impl Physical for ProjectPlan {
    fn open(self: Arc<Self>, cx: &Cx) -> Result<Box<dyn Operator>> {
        let input = self.input.open(cx)?;
        Ok(Box::new(Project { plan: self, input, cx: cx.clone() }))
    }

    fn describe(&self) -> String {
        if self.extend { "Extend".to_owned() } else { "Project".to_owned() }
    }

    fn children(&self) -> Vec<&Arc<Node>> {
        vec![&self.input]
    }
}

struct Project {
    plan: Arc<ProjectPlan>,
    input: Box<dyn Operator>,
    cx: Cx,
}

impl Operator for Project {
    fn next(&mut self) -> Result<Option<Batch>> {
        let Some(batch) = self.input.next()? else { return Ok(None) };
        self.cx.check_cancel()?;
        let mut columns = Vec::with_capacity(self.plan.items.len());
        for item in &self.plan.items {
            columns.push(item.eval_batch(&self.cx, &batch)?);
        }
        let row_count = batch.row_count;
        if self.plan.extend {
            let mut all = batch.columns;
            all.extend(columns);
            columns = all;
        }
        Ok(Some(Batch::new(columns, row_count)))
    }
}
