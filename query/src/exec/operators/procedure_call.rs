//! CALL in a query: the procedure runs once per input row.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use crate::batch::Batch;
use crate::error::{QueryError, Result};
use crate::exec::RowStream;
use crate::exec::expr::{PhysExpr, RowCx};
use crate::exec::node::{Node, Operator, Physical};
use crate::exec::run::{Cx, Reservation};
use crate::functions::TableFunction;

pub struct ProcedureCallPlan {
    pub input: Arc<Node>,
    pub procedure: Arc<dyn TableFunction>,
    pub args: Vec<PhysExpr>,
    /// Positions among the procedure's columns.
    pub outputs: Vec<usize>,
    /// The statement's own write: its rows are counted.
    pub counted: bool,
}

impl Physical for ProcedureCallPlan {
    fn open(self: Arc<Self>, cx: &Cx) -> Result<Box<dyn Operator>> {
        if self.procedure.writes() {
            super::check_writable(cx, "CALL")?;
        }
        let input = self.input.open(cx)?;
        Ok(Box::new(ProcedureCall { plan: self, input, cx: cx.clone(), current: None, eager: None }))
    }

    fn describe(&self) -> String {
        format!("Procedure Call {}", self.procedure.name())
    }

    fn children(&self) -> Vec<&Arc<Node>> {
        vec![&self.input]
    }
}

struct ProcedureCall {
    plan: Arc<ProcedureCallPlan>,
    input: Box<dyn Operator>,
    cx: Cx,
    current: Option<Current>,
    /// A writing procedure runs for every input row before the first row is given.
    eager: Option<super::Buffered>,
}

struct Current {
    batch: Batch,
    row: usize,
    stream: Option<Box<dyn RowStream>>,
}

impl ProcedureCall {
    fn step(&mut self) -> Result<Option<Batch>> {
        loop {
            self.cx.check_cancel()?;
            let Some(current) = &mut self.current else {
                let Some(batch) = self.input.next()? else { return Ok(None) };
                self.current = Some(Current { batch, row: 0, stream: None });
                continue;
            };
            let stream = match &mut current.stream {
                Some(stream) => stream,
                None if current.row >= current.batch.row_count => {
                    self.current = None;
                    continue;
                }
                None => {
                    let row = RowCx::of_batch(&self.cx, &current.batch, current.row);
                    let args = self.plan.args.iter().map(|arg| arg.eval(row)).collect::<Result<Vec<_>>>()?;
                    if self.plan.procedure.writes() {
                        self.cx.run.note_write();
                    }
                    current.stream.insert(self.plan.procedure.call(&self.cx.run.exec, &args)?)
                }
            };
            let without_columns = self.plan.procedure.columns().is_empty();
            match stream.next_batch()? {
                None => {
                    let row = current.row as u32;
                    current.row += 1;
                    current.stream = None;
                    if without_columns {
                        return Ok(Some(current.batch.take(&[row])));
                    }
                }
                Some(batch) if batch.row_count == 0 || without_columns => {}
                Some(batch) => {
                    if self.plan.outputs.iter().any(|output| *output >= batch.columns.len()) {
                        return Err(QueryError::internal(format!(
                            "{} gave {} columns, fewer than it declares",
                            self.plan.procedure.name(),
                            batch.columns.len()
                        )));
                    }
                    if self.plan.counted {
                        self.cx.run.rows_affected.fetch_add(batch.row_count as u64, Ordering::Relaxed);
                    }
                    let rows = vec![current.row as u32; batch.row_count];
                    return Ok(Some(current.batch.take(&rows).beside(batch.select(&self.plan.outputs))));
                }
            }
        }
    }
}

impl Operator for ProcedureCall {
    fn next(&mut self) -> Result<Option<Batch>> {
        if !self.plan.procedure.writes() {
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
            self.cx.run.note_write();
            self.eager = Some(super::Buffered::new(batches, Some(memory)));
        }
        match &mut self.eager {
            Some(buffered) => buffered.next(),
            None => Ok(None),
        }
    }
}
