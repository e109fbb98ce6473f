//! Computes columns: exactly those named (project), or besides the input's (extend).

use std::sync::Arc;

use super::pieces::{Pieces, columns_of};
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
        let pieces = Pieces::new(cx, &self.items);
        Ok(Box::new(Project { plan: self, input, cx: cx.clone(), pieces }))
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
    pieces: Pieces,
}

impl Operator for Project {
    fn next(&mut self) -> Result<Option<Batch>> {
        let (plan, cx) = (&self.plan, &self.cx);
        loop {
            let computed = self.pieces.next(|batch, limit_bytes| columns_of(&plan.items, cx, batch, limit_bytes))?;
            let Some((piece, mut columns)) = computed else {
                let Some(batch) = self.input.next()? else { return Ok(None) };
                self.pieces.put(batch);
                continue;
            };
            let row_count = piece.row_count;
            if plan.extend {
                let mut all = piece.columns;
                all.extend(columns);
                columns = all;
            }
            return Ok(Some(Batch::new(columns, row_count)));
        }
    }
}
