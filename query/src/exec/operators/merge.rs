//! MERGE: what matches, or else what is created.
//!
//! Rows are taken in order, and each sees what earlier ones created: two equal rows create once.

use std::sync::Arc;

use sinew_storage::Value;

use super::Buffered;
use super::graph_write::{GraphWriter, PhysMerge, RowOutput};
use crate::batch::Batch;
use crate::error::Result;
use crate::exec::node::{Layout, Node, Operator, Physical};
use crate::exec::run::{Cx, Reservation};

pub struct MergePlan {
    pub input: Arc<Node>,
    pub merge: PhysMerge,
    /// Width of the widened row.
    pub width: usize,
    pub layout: Arc<Layout>,
}

impl Physical for MergePlan {
    fn open(self: Arc<Self>, cx: &Cx) -> Result<Box<dyn Operator>> {
        Ok(Box::new(Merge { plan: self, cx: cx.clone(), done: None }))
    }

    fn describe(&self) -> String {
        "Merge".to_owned()
    }

    fn children(&self) -> Vec<&Arc<Node>> {
        vec![&self.input, &self.merge.matching]
    }
}

struct Merge {
    plan: Arc<MergePlan>,
    cx: Cx,
    done: Option<Buffered>,
}

impl Merge {
    fn run(&self) -> Result<Buffered> {
        let (plan, cx) = (&self.plan, &self.cx);
        super::check_writable(cx, "MERGE")?;
        let (batches, memory) = super::collect(&plan.input, cx)?;
        let mut kept = Reservation::new(&cx.run);
        let mut writer = GraphWriter::new(cx);
        let mut out = RowOutput::new(&plan.layout);
        for batch in batches {
            for row in 0..batch.row_count {
                cx.check_cancel()?;
                let mut row = batch.row(row);
                row.resize(plan.width, Value::Null);
                writer.merge(&plan.merge, &mut row, &mut |row| out.push(row.to_vec(), &mut kept))?;
            }
        }
        writer.finish()?;
        drop(memory);
        Ok(out.finish(kept))
    }
}

impl Operator for Merge {
    fn next(&mut self) -> Result<Option<Batch>> {
        if self.done.is_none() {
            self.done = Some(self.run()?);
        }
        match &mut self.done {
            Some(done) => done.next(),
            None => Ok(None),
        }
    }
}
