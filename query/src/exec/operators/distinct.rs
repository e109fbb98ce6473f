//! First row of each group of equivalent rows, in input order.

use std::sync::Arc;

use rustc_hash::FxHashSet;

use crate::batch::Batch;
use crate::error::Result;
use crate::exec::expr::PhysExpr;
use crate::exec::key::{KeyMode, encode_key};
use crate::exec::node::{Node, Operator, Physical};
use crate::exec::run::{Cx, Reservation};

pub struct DistinctPlan {
    pub input: Arc<Node>,
    /// None: all columns.
    pub on: Option<Vec<PhysExpr>>,
}

impl Physical for DistinctPlan {
    fn open(self: Arc<Self>, cx: &Cx) -> Result<Box<dyn Operator>> {
        let input = self.input.open(cx)?;
        let memory = Reservation::new(&cx.run);
        Ok(Box::new(Distinct { plan: self, input, cx: cx.clone(), seen: FxHashSet::default(), memory }))
    }

    fn describe(&self) -> String {
        if self.on.is_some() { "Distinct On".to_owned() } else { "Distinct".to_owned() }
    }

    fn children(&self) -> Vec<&Arc<Node>> {
        vec![&self.input]
    }
}

struct Distinct {
    plan: Arc<DistinctPlan>,
    input: Box<dyn Operator>,
    cx: Cx,
    seen: FxHashSet<Box<[u8]>>,
    memory: Reservation,
}

impl Operator for Distinct {
    fn next(&mut self) -> Result<Option<Batch>> {
        while let Some(batch) = self.input.next()? {
            self.cx.check_cancel()?;
            let computed;
            let columns = match &self.plan.on {
                None => &batch.columns,
                Some(on) => {
                    computed = on.iter().map(|expr| expr.eval_batch(&self.cx, &batch)).collect::<Result<Vec<_>>>()?;
                    &computed
                }
            };
            let mut rows = Vec::new();
            let mut key = Vec::new();
            let mut added = 0;
            for row in 0..batch.row_count {
                key.clear();
                for column in columns {
                    encode_key(&column.value(row), KeyMode::Equivalent, &mut key);
                }
                if !self.seen.contains(key.as_slice()) {
                    self.seen.insert(key.as_slice().into());
                    added += key.len() + 32;
                    rows.push(row as u32);
                }
            }
            self.memory.grow(added)?;
            if !rows.is_empty() {
                return Ok(Some(if rows.len() == batch.row_count { batch } else { batch.take(&rows) }));
            }
        }
        Ok(None)
    }
}
