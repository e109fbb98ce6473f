//! Skips and limits rows.

use std::sync::Arc;

use sinew_storage::Value;

use crate::batch::Batch;
use crate::error::{QueryError, Result, sqlstate};
use crate::exec::expr::{PhysExpr, kind_name};
use crate::exec::node::{Node, Operator, Physical};
use crate::exec::run::Cx;

pub struct LimitPlan {
    pub input: Arc<Node>,
    pub skip: Option<PhysExpr>,
    pub limit: Option<PhysExpr>,
}

/// A row count of LIMIT or OFFSET; None of NULL. Negative: 2201W, 2201X.
pub(crate) fn count_of(expr: &PhysExpr, cx: &Cx, what: &str) -> Result<Option<usize>> {
    match expr.eval_const(cx)? {
        Value::Null => Ok(None),
        Value::Int(count) => match usize::try_from(count) {
            Ok(count) => Ok(Some(count)),
            Err(_) => {
                let code = if what == "LIMIT" { "2201W" } else { "2201X" };
                Err(QueryError::new(code, format!("{what} must not be negative")).cypher(
                    "SyntaxError",
                    "runtime",
                    "NegativeIntegerArgument",
                ))
            }
        },
        other => Err(QueryError::new(
            sqlstate::DATATYPE_MISMATCH,
            format!("argument of {what} must be an integer, not {}", kind_name(&other)),
        )
        .cypher("SyntaxError", "runtime", "InvalidArgumentType")),
    }
}

/// How many rows an operator below a LIMIT has to give, those that are skipped included; None for all.
pub(crate) fn wanted_rows(limit: Option<&PhysExpr>, skip: Option<&PhysExpr>, cx: &Cx) -> Result<Option<usize>> {
    let Some(limit) = limit else { return Ok(None) };
    let skip = skip.map_or(Ok(None), |skip| count_of(skip, cx, "OFFSET"))?.unwrap_or(0);
    Ok(count_of(limit, cx, "LIMIT")?.map(|limit| limit.saturating_add(skip)))
}

impl Physical for LimitPlan {
    fn open(self: Arc<Self>, cx: &Cx) -> Result<Box<dyn Operator>> {
        let skip = self.skip.as_ref().map_or(Ok(None), |skip| count_of(skip, cx, "OFFSET"))?.unwrap_or(0);
        let limit = self.limit.as_ref().map_or(Ok(None), |limit| count_of(limit, cx, "LIMIT"))?;
        let input = self.input.open(cx)?;
        Ok(Box::new(Limit { drain: self.input.writes, input, skip, left: limit.unwrap_or(usize::MAX), cx: cx.clone() }))
    }

    fn describe(&self) -> String {
        "Limit".to_owned()
    }

    fn children(&self) -> Vec<&Arc<Node>> {
        vec![&self.input]
    }
}

struct Limit {
    input: Box<dyn Operator>,
    skip: usize,
    left: usize,
    /// Something below writes: it happens whatever the limit.
    drain: bool,
    cx: Cx,
}

impl Operator for Limit {
    fn next(&mut self) -> Result<Option<Batch>> {
        while self.left > 0 {
            let Some(batch) = self.input.next()? else {
                self.left = 0;
                self.drain = false;
                return Ok(None);
            };
            if self.skip >= batch.row_count {
                self.skip -= batch.row_count;
                continue;
            }
            let length = (batch.row_count - self.skip).min(self.left);
            let batch = if length == batch.row_count { batch } else { batch.slice(self.skip, length) };
            self.skip = 0;
            self.left -= length;
            return Ok(Some(batch));
        }
        if std::mem::replace(&mut self.drain, false) {
            while self.input.next()?.is_some() {
                self.cx.check_cancel()?;
            }
        }
        Ok(None)
    }
}
