//! For each row of the input, a subplan that reads it.
//!
//! A subplan that reads nothing of the row and nothing volatile runs once. When the subplan writes, the whole input is
//! taken first and all of it is applied before the first row is given.

use std::sync::Arc;

use crate::algebra::ApplyKind;
use crate::batch::{BATCH_ROWS, Batch};
use crate::error::Result;
use crate::exec::expr::{PhysExpr, RowCx};
use crate::exec::node::{Node, Operator, Physical};
use crate::exec::run::{Cx, Reservation};

pub struct ApplyPlan {
    pub kind: ApplyKind,
    pub input: Arc<Node>,
    pub subplan: Arc<Node>,
    /// What the subplan reads of the row, in the order of its outer row.
    pub args: Vec<PhysExpr>,
    /// Columns of the subplan that are new.
    pub columns: Vec<usize>,
    /// Equal arguments give equal rows.
    pub repeatable: bool,
}

impl Physical for ApplyPlan {
    fn open(self: Arc<Self>, cx: &Cx) -> Result<Box<dyn Operator>> {
        let input = self.input.open(cx)?;
        Ok(Box::new(Apply { plan: self, input, cx: cx.clone(), current: None, once: None, eager: None }))
    }

    fn describe(&self) -> String {
        match self.kind {
            ApplyKind::Cross => "Apply",
            ApplyKind::Left => "Left Apply",
            ApplyKind::Semi => "Semi Apply",
            ApplyKind::Anti => "Anti Apply",
        }
        .to_owned()
    }

    fn children(&self) -> Vec<&Arc<Node>> {
        vec![&self.input, &self.subplan]
    }
}

struct Apply {
    plan: Arc<ApplyPlan>,
    input: Box<dyn Operator>,
    cx: Cx,
    current: Option<Current>,
    /// Rows of a subplan that is the same for every input row.
    once: Option<(Arc<Vec<Batch>>, Reservation)>,
    eager: Option<super::Buffered>,
}

struct Current {
    batch: Batch,
    row: usize,
    /// The subplan of `row`, once begun.
    subplan: Option<Box<dyn Operator>>,
    found: bool,
}

/// Shares collected batches.
struct Shared {
    batches: Arc<Vec<Batch>>,
    position: usize,
}

impl Operator for Shared {
    fn next(&mut self) -> Result<Option<Batch>> {
        let batch = self.batches.get(self.position).cloned();
        self.position += 1;
        Ok(batch)
    }
}

impl Apply {
    fn open_subplan(&mut self, batch: &Batch, row: usize) -> Result<Box<dyn Operator>> {
        if self.plan.args.is_empty() && self.plan.repeatable {
            if self.once.is_none() {
                let (batches, memory) = super::collect(&self.plan.subplan, &self.cx.with_outer(Vec::new()))?;
                self.once = Some((Arc::new(batches), memory));
            }
            if let Some((batches, _)) = &self.once {
                return Ok(Box::new(Shared { batches: Arc::clone(batches), position: 0 }));
            }
        }
        let row = RowCx::of_batch(&self.cx, batch, row);
        let outer = self.plan.args.iter().map(|arg| arg.eval(row)).collect::<Result<Vec<_>>>()?;
        self.plan.subplan.open(&self.cx.with_outer(outer))
    }

    fn step(&mut self) -> Result<Option<Batch>> {
        loop {
            self.cx.check_cancel()?;
            let Some(mut current) = self.current.take() else {
                let Some(batch) = self.input.next()? else { return Ok(None) };
                self.current = Some(Current { batch, row: 0, subplan: None, found: false });
                continue;
            };
            let out = match self.plan.kind {
                ApplyKind::Semi | ApplyKind::Anti => self.select(&mut current)?,
                ApplyKind::Cross | ApplyKind::Left => self.combine(&mut current)?,
            };
            if current.row < current.batch.row_count {
                self.current = Some(current);
            }
            if out.is_some() {
                return Ok(out);
            }
        }
    }

    /// Semi and anti: the whole batch at once.
    fn select(&mut self, current: &mut Current) -> Result<Option<Batch>> {
        let wanted = self.plan.kind == ApplyKind::Semi;
        let mut rows = Vec::new();
        while current.row < current.batch.row_count {
            self.cx.check_cancel()?;
            let found = self.open_subplan(&current.batch, current.row)?.next()?.is_some();
            if found == wanted {
                rows.push(current.row as u32);
            }
            current.row += 1;
        }
        Ok((!rows.is_empty()).then(|| current.batch.take(&rows)))
    }

    /// Cross and left: until a batch is full or the input batch ends.
    fn combine(&mut self, current: &mut Current) -> Result<Option<Batch>> {
        let mut rows: Vec<u32> = Vec::new();
        // Positions among the concatenated subplan rows; None is a row of NULLs.
        let mut inner: Vec<Option<u32>> = Vec::new();
        let mut pieces: Vec<Batch> = Vec::new();
        let mut piece_rows = 0_u32;
        while current.row < current.batch.row_count && rows.len() < BATCH_ROWS {
            let mut subplan = match current.subplan.take() {
                Some(subplan) => subplan,
                None => {
                    current.found = false;
                    self.open_subplan(&current.batch, current.row)?
                }
            };
            loop {
                match subplan.next()? {
                    Some(batch) => {
                        current.found = true;
                        for _ in 0..batch.row_count {
                            rows.push(current.row as u32);
                            inner.push(Some(piece_rows));
                            piece_rows += 1;
                        }
                        pieces.push(batch.select(&self.plan.columns));
                        if rows.len() >= BATCH_ROWS {
                            current.subplan = Some(subplan);
                            break;
                        }
                    }
                    None => {
                        if !current.found && self.plan.kind == ApplyKind::Left {
                            rows.push(current.row as u32);
                            inner.push(None);
                        }
                        current.row += 1;
                        self.cx.check_cancel()?;
                        break;
                    }
                }
            }
        }
        if rows.is_empty() {
            return Ok(None);
        }
        let right = if pieces.is_empty() {
            let types = &self.plan.subplan.layout.types;
            let columns = self.plan.columns.iter();
            Batch {
                columns: columns
                    .map(|column| {
                        crate::batch::Column::repeat(&types[*column], &sinew_storage::Value::Null, rows.len())
                    })
                    .collect(),
                row_count: rows.len(),
            }
        } else {
            let all = Batch::concat(&pieces, self.plan.columns.len());
            if piece_rows as usize == rows.len() { all } else { all.take_optional(&inner) }
        };
        Ok(Some(current.batch.take(&rows).beside(right)))
    }
}

impl Operator for Apply {
    fn next(&mut self) -> Result<Option<Batch>> {
        if !self.plan.subplan.writes {
            return self.step();
        }
        if self.eager.is_none() {
            let mut memory = Reservation::new(&self.cx.run);
            let mut inputs = Vec::new();
            while let Some(batch) = self.input.next()? {
                memory.grow(batch.size_bytes())?;
                inputs.push(batch);
            }
            self.input = Box::new(super::Buffered::new(inputs, None));
            let mut batches = Vec::new();
            while let Some(batch) = self.step()? {
                memory.grow(batch.size_bytes())?;
                batches.push(batch);
            }
            self.eager = Some(super::Buffered::new(batches, Some(memory)));
        }
        match &mut self.eager {
            Some(buffered) => buffered.next(),
            None => Ok(None),
        }
    }
}
