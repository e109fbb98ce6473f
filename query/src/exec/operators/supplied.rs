//! Rows handed in from outside (COPY FROM).

use std::sync::Arc;

use crate::batch::Batch;
use crate::error::{QueryError, Result};
use crate::exec::RowStream;
use crate::exec::node::{Layout, Operator, Physical};
use crate::exec::run::Cx;

pub struct SuppliedPlan {
    pub layout: Arc<Layout>,
}

impl Physical for SuppliedPlan {
    fn open(self: Arc<Self>, cx: &Cx) -> Result<Box<dyn Operator>> {
        let source = cx
            .run
            .supplied
            .lock()
            .take()
            .ok_or_else(|| QueryError::internal("the statement reads supplied rows, and none were supplied"))?;
        Ok(Box::new(Supplied { source, width: self.layout.len(), cx: cx.clone() }))
    }

    fn describe(&self) -> String {
        "Supplied Rows".to_owned()
    }
}

struct Supplied {
    source: Box<dyn RowStream>,
    width: usize,
    cx: Cx,
}

impl Operator for Supplied {
    fn next(&mut self) -> Result<Option<Batch>> {
        loop {
            self.cx.check_cancel()?;
            match self.source.next_batch()? {
                None => return Ok(None),
                Some(batch) if batch.row_count == 0 => {}
                Some(batch) if batch.columns.len() != self.width => {
                    return Err(QueryError::internal(format!(
                        "supplied rows have {} columns, the statement expects {}",
                        batch.columns.len(),
                        self.width
                    )));
                }
                Some(batch) => return Ok(Some(batch)),
            }
        }
    }
}
