//! `FETCH FIRST n ROWS WITH TIES`: the first rows, and those behind them that sort the same as the last.

use std::sync::Arc;

use sinew_storage::Value;

use super::limit::count_of;
use super::sort::{PhysSortKey, compare_rows};
use crate::batch::Batch;
use crate::error::{QueryError, Result};
use crate::exec::expr::PhysExpr;
use crate::exec::node::{Node, Operator, Physical};
use crate::exec::run::Cx;

pub struct LimitTiesPlan {
    /// Sorted by `keys`.
    pub input: Arc<Node>,
    pub keys: Vec<PhysSortKey>,
    pub skip: Option<PhysExpr>,
    pub limit: PhysExpr,
}

impl Physical for LimitTiesPlan {
    fn open(self: Arc<Self>, cx: &Cx) -> Result<Box<dyn Operator>> {
        let skip = self.skip.as_ref().map_or(Ok(None), |skip| count_of(skip, cx, "OFFSET"))?.unwrap_or(0);
        let Some(left) = count_of(&self.limit, cx, "LIMIT")? else {
            return Err(QueryError::new("2201W", "row count cannot be null in FETCH FIRST ... WITH TIES clause"));
        };
        let input = self.input.open(cx)?;
        Ok(Box::new(LimitTies { plan: self, input, cx: cx.clone(), skip, left, last: None, has_ended: left == 0 }))
    }

    fn describe(&self) -> String {
        "Limit".to_owned()
    }

    fn children(&self) -> Vec<&Arc<Node>> {
        vec![&self.input]
    }
}

struct LimitTies {
    plan: Arc<LimitTiesPlan>,
    input: Box<dyn Operator>,
    cx: Cx,
    skip: usize,
    left: usize,
    /// The keys of the last row that counted.
    last: Option<Vec<Value>>,
    has_ended: bool,
}

impl Operator for LimitTies {
    fn next(&mut self) -> Result<Option<Batch>> {
        while !self.has_ended {
            self.cx.check_cancel()?;
            let Some(batch) = self.input.next()? else { break };
            if self.skip >= batch.row_count {
                self.skip -= batch.row_count;
                continue;
            }
            let start = std::mem::take(&mut self.skip);
            let columns =
                self.plan.keys.iter().map(|key| key.expr.eval_batch(&self.cx, &batch)).collect::<Result<Vec<_>>>()?;
            let keys = |row: usize| columns.iter().map(|column| column.value(row)).collect::<Vec<_>>();
            let mut end = start + self.left.min(batch.row_count - start);
            self.left -= end - start;
            if self.left == 0 {
                if end > start {
                    self.last = Some(keys(end - 1));
                }
                while let Some(last) = &self.last
                    && end < batch.row_count
                    && compare_rows(&self.plan.keys, last, &keys(end)).is_eq()
                {
                    end += 1;
                }
                self.has_ended = end < batch.row_count;
            }
            if end > start {
                return Ok(Some(batch.slice(start, end - start)));
            }
        }
        self.has_ended = true;
        Ok(None)
    }
}
