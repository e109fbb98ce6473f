//! Common table expressions: a definition computed once, scans of it, and recursion by rounds.

use std::sync::Arc;

use crate::algebra::CteId;
use crate::batch::Batch;
use crate::error::Result;
use crate::exec::key::{KeyMode, encode_key};
use crate::exec::key_set::KeySet;
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
            inner.cte(self.cte)?.compute()?;
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
        Ok(Box::new(CteScan { frame: cx.cte(self.cte)?, position: 0, cx: cx.clone() }))
    }

    fn describe(&self) -> String {
        format!("CTE Scan on cte{}", self.cte.0)
    }
}

struct CteScan {
    frame: Arc<CteFrame>,
    position: usize,
    cx: Cx,
}

impl Operator for CteScan {
    fn next(&mut self) -> Result<Option<Batch>> {
        self.cx.check_cancel()?;
        let batch = self.frame.batch(self.position)?;
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

/// The rounds of a recursive definition: its base, then again and again its recursive term over the rows of the round
/// before. A reader that has enough rows asks for no more rounds.
pub struct Rounds {
    plan: Arc<RecursiveWithPlan>,
    cx: Cx,
    /// Rows of all rounds, without ALL.
    seen: KeySet,
    /// The last round's; None before the base.
    working: Option<Vec<Batch>>,
    memory: Reservation,
    working_memory: Reservation,
}

impl Rounds {
    /// The rows of the next round; none when there are no more.
    pub fn next_round(&mut self) -> Result<Vec<Batch>> {
        let plan = Arc::clone(&self.plan);
        let (node, columns, cx) = match self.working.take() {
            None => (&plan.base, &plan.base_columns, self.cx.clone()),
            Some(working) => {
                let frame = CteFrame::round(plan.cte, self.cx.ctes.clone(), working);
                (&plan.recursive, &plan.recursive_columns, self.cx.with_cte(frame))
            }
        };
        let mut round = Vec::new();
        let mut round_memory = Reservation::new(&self.cx.run);
        let mut operator = node.open(&cx)?;
        while let Some(batch) = operator.next()? {
            cx.check_cancel()?;
            if let Some(batch) = self.keep_new(batch.select(columns))? {
                round_memory.grow(batch.size_bytes())?;
                round.push(batch);
            }
        }
        self.working = Some(round.clone());
        self.working_memory = round_memory;
        Ok(round)
    }

    /// Rows of one round that are new, without ALL.
    fn keep_new(&mut self, batch: Batch) -> Result<Option<Batch>> {
        if self.plan.all {
            return Ok(Some(batch));
        }
        let mut rows = Vec::new();
        for row in 0..batch.row_count {
            let mut key = Vec::new();
            for column in &batch.columns {
                encode_key(&column.value(row), KeyMode::Equivalent, &mut key);
            }
            if self.seen.insert(&key) {
                self.memory.grow(key.len() + KeySet::ENTRY_BYTES)?;
                rows.push(row as u32);
            }
        }
        Ok((!rows.is_empty()).then(|| batch.take(&rows)))
    }
}

impl Physical for RecursiveWithPlan {
    fn open(self: Arc<Self>, cx: &Cx) -> Result<Box<dyn Operator>> {
        let rounds = Rounds {
            plan: Arc::clone(&self),
            cx: cx.clone(),
            seen: KeySet::default(),
            working: None,
            memory: Reservation::new(&cx.run),
            working_memory: Reservation::new(&cx.run),
        };
        let frame = CteFrame::growing(self.cte, cx, rounds);
        self.body.open(&cx.with_cte(frame))
    }

    fn describe(&self) -> String {
        format!("Recursive With cte{}", self.cte.0)
    }

    fn children(&self) -> Vec<&Arc<Node>> {
        vec![&self.base, &self.recursive, &self.body]
    }
}
