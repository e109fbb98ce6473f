//! Rows of expressions, and the single row without columns.

use std::sync::Arc;

use crate::batch::{Batch, BatchBuilder};
use crate::error::Result;
use crate::exec::expr::PhysExpr;
use crate::exec::node::{Layout, Operator, Physical};
use crate::exec::run::Cx;

pub struct UnitPlan;

impl Physical for UnitPlan {
    fn open(self: Arc<Self>, _cx: &Cx) -> Result<Box<dyn Operator>> {
        Ok(Box::new(Unit { done: false }))
    }

    fn describe(&self) -> String {
        "Result".to_owned()
    }
}

struct Unit {
    done: bool,
}

impl Operator for Unit {
    fn next(&mut self) -> Result<Option<Batch>> {
        if std::mem::replace(&mut self.done, true) {
            return Ok(None);
        }
        Ok(Some(Batch { columns: Vec::new(), row_count: 1 }))
    }
}

pub struct ValuesPlan {
    pub rows: Vec<Vec<PhysExpr>>,
    pub layout: Arc<Layout>,
}

impl Physical for ValuesPlan {
    fn open(self: Arc<Self>, cx: &Cx) -> Result<Box<dyn Operator>> {
        Ok(Box::new(Values { plan: self, cx: cx.clone(), row: 0 }))
    }

    fn describe(&self) -> String {
        "Values".to_owned()
    }
}

struct Values {
    plan: Arc<ValuesPlan>,
    cx: Cx,
    row: usize,
}

impl Operator for Values {
    fn next(&mut self) -> Result<Option<Batch>> {
        self.cx.check_cancel()?;
        let mut builder = BatchBuilder::new(Arc::clone(&self.plan.layout.types));
        while self.row < self.plan.rows.len() && !builder.is_full() {
            let row: Vec<_> =
                self.plan.rows[self.row].iter().map(|expr| expr.eval_const(&self.cx)).collect::<Result<_>>()?;
            builder.push(row);
            self.row += 1;
        }
        Ok(builder.finish())
    }
}
