//! One row per element of a list.

use std::sync::Arc;

use sinew_storage::Value;

use super::pieces::Pieces;
use crate::batch::{BATCH_ROWS, Batch, Column};
use crate::error::Result;
use crate::exec::expr::PhysExpr;
use crate::exec::node::{Layout, Node, Operator, Physical};
use crate::exec::run::Cx;

pub struct UnwindPlan {
    pub input: Arc<Node>,
    pub list: PhysExpr,
    pub layout: Arc<Layout>,
}

impl Physical for UnwindPlan {
    fn open(self: Arc<Self>, cx: &Cx) -> Result<Box<dyn Operator>> {
        let input = self.input.open(cx)?;
        let pieces = Pieces::new(cx, [&self.list]);
        Ok(Box::new(Unwind { plan: self, input, cx: cx.clone(), pieces, current: None }))
    }

    fn describe(&self) -> String {
        "Unwind".to_owned()
    }

    fn children(&self) -> Vec<&Arc<Node>> {
        vec![&self.input]
    }
}

struct Unwind {
    plan: Arc<UnwindPlan>,
    input: Box<dyn Operator>,
    cx: Cx,
    pieces: Pieces,
    /// Batch, its lists, next row, next element.
    current: Option<(Batch, Column, usize, usize)>,
}

impl Operator for Unwind {
    fn next(&mut self) -> Result<Option<Batch>> {
        loop {
            self.cx.check_cancel()?;
            let Some((batch, lists, row, element)) = &mut self.current else {
                let (list, cx) = (&self.plan.list, &self.cx);
                let computed = self.pieces.next(|batch, limit_bytes| {
                    let lists = list.eval_within(cx, batch, limit_bytes)?;
                    let held_bytes = if list.is_computed() { lists.held_bytes() } else { 0 };
                    Ok((lists, held_bytes))
                })?;
                match computed {
                    Some((batch, lists)) => self.current = Some((batch, lists, 0, 0)),
                    None => match self.input.next()? {
                        Some(batch) => self.pieces.put(batch),
                        None => return Ok(None),
                    },
                }
                continue;
            };
            let mut rows: Vec<u32> = Vec::new();
            let mut values: Vec<Value> = Vec::new();
            while *row < batch.row_count && values.len() < BATCH_ROWS {
                match lists.value(*row) {
                    Value::Null => {}
                    Value::List(items) => {
                        let wanted = (BATCH_ROWS - values.len()).min(items.len() - *element);
                        values.extend_from_slice(&items[*element..*element + wanted]);
                        rows.resize(values.len(), *row as u32);
                        *element += wanted;
                        if *element < items.len() {
                            break;
                        }
                    }
                    single => {
                        values.push(single);
                        rows.push(*row as u32);
                    }
                }
                *row += 1;
                *element = 0;
            }
            let finished = *row >= batch.row_count;
            let out = (!values.is_empty()).then(|| {
                let ty = &self.plan.layout.types[self.plan.layout.len() - 1];
                let mut out = batch.take(&rows);
                out.columns.push(Column::from_values(ty, values));
                out
            });
            if finished {
                self.current = None;
            }
            if out.is_some() {
                return Ok(out);
            }
        }
    }
}
