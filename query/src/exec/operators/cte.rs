//! Common table expressions: a definition computed once, scans of it, and recursion by rounds.

use std::sync::Arc;

use rustc_hash::FxHashSet;

use crate::algebra::CteId;
use crate::batch::Batch;
use crate::error::Result;
use crate::exec::key::{KeyMode, encode_key};
use crate::exec::node::{Node, Operator, Physical};
use crate::exec::run::{CteFrame, Cx, Reservation};

pub struct WithPlan {
    pub cte: CteId,
    pub definition: Arc<Node>,
    pub columns: Vec<usize>,
    pub body: Arc<Node>,
}

impl Physical for WithPlan {
    fn open(self: Arc<Self>, cx: &Cx) -> Result<Box<dyn Operator>> {
        let inner = cx.with_cte(CteFrame::pending(self.cte, Arc::clone(&self.definition), self.columns.clone(), cx));
        if self.definition.writes {
            // A data-modifying WITH happens whether or not it is read.
            inner.cte(self.cte)?.batches()?;
        }
        self.body.open(&inner)
    }

    fn describe(&self) -> String {
        format!("With cte{}", self.cte.0)
    }

    fn children(&self) -> Vec<&Arc<Node>> {
        vec![&self.definition, &self.body]
    }
}

pub struct CteScanPlan {
    pub cte: CteId,
}

impl Physical for CteScanPlan {
    fn open(self: Arc<Self>, cx: &Cx) -> Result<Box<dyn Operator>> {
        Ok(Box::new(CteScan { frame: cx.cte(self.cte)?, batches: None, position: 0, cx: cx.clone() }))
    }

    fn describe(&self) -> String {
        format!("CTE Scan on cte{}", self.cte.0)
    }
}

struct CteScan {
    frame: Arc<CteFrame>,
    batches: Option<Arc<Vec<Batch>>>,
    position: usize,
    cx: Cx,
}

impl Operator for CteScan {
    fn next(&mut self) -> Result<Option<Batch>> {
        self.cx.check_cancel()?;
        let batches = match &self.batches {
            Some(batches) => batches,
            None => self.batches.insert(self.frame.batches()?),
        };
        let batch = batches.get(self.position).cloned();
        self.position += 1;
        Ok(batch)
    }
}

pub struct RecursiveWithPlan {
    pub cte: CteId,
    pub base: Arc<Node>,
    pub base_columns: Vec<usize>,
    pub recursive: Arc<Node>,
    pub recursive_columns: Vec<usize>,
    pub all: bool,
    pub body: Arc<Node>,
}

impl RecursiveWithPlan {
    /// Rows of one round that are new, without ALL.
    fn keep_new(
        &self,
        batch: Batch,
        seen: &mut FxHashSet<Box<[u8]>>,
        memory: &mut Reservation,
    ) -> Result<Option<Batch>> {
        if self.all {
            return Ok(Some(batch));
        }
        let mut rows = Vec::new();
        for row in 0..batch.row_count {
            let mut key = Vec::new();
            for column in &batch.columns {
                encode_key(&column.value(row), KeyMode::Equivalent, &mut key);
            }
            memory.grow(key.len() + 32)?;
            if seen.insert(key.into()) {
                rows.push(row as u32);
            }
        }
        Ok((!rows.is_empty()).then(|| batch.take(&rows)))
    }

    fn compute(&self, cx: &Cx) -> Result<CteFrame> {
        let mut memory = Reservation::new(&cx.run);
        let mut seen = FxHashSet::default();
        let mut all = Vec::new();
        let mut round = Vec::new();
        let mut operator = self.base.open(cx)?;
        while let Some(batch) = operator.next()? {
            if let Some(batch) = self.keep_new(batch.select(&self.base_columns), &mut seen, &mut memory)? {
                memory.grow(batch.size_bytes())?;
                round.push(batch);
            }
        }
        drop(operator);
        while !round.is_empty() {
            cx.check_cancel()?;
            all.extend(round.iter().cloned());
            let inner = cx.with_cte(CteFrame::ready(self.cte, cx.ctes.clone(), std::mem::take(&mut round), None));
            let mut operator = self.recursive.open(&inner)?;
            while let Some(batch) = operator.next()? {
                cx.check_cancel()?;
                if let Some(batch) = self.keep_new(batch.select(&self.recursive_columns), &mut seen, &mut memory)? {
                    memory.grow(batch.size_bytes())?;
                    round.push(batch);
                }
            }
        }
        Ok(CteFrame::ready(self.cte, cx.ctes.clone(), all, Some(memory)))
    }
}

impl Physical for RecursiveWithPlan {
    fn open(self: Arc<Self>, cx: &Cx) -> Result<Box<dyn Operator>> {
        let frame = self.compute(cx)?;
        self.body.open(&cx.with_cte(frame))
    }

    fn describe(&self) -> String {
        format!("Recursive With cte{}", self.cte.0)
    }

    fn children(&self) -> Vec<&Arc<Node>> {
        vec![&self.base, &self.recursive, &self.body]
    }
}
