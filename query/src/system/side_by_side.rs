//! Several set-returning functions that advance together.

use std::collections::VecDeque;
use std::sync::Arc;

use sinew_storage::{DataType, Value};

use super::rows::batch_of;
use crate::batch::{BATCH_ROWS, Batch};
use crate::context::ExecContext;
use crate::error::Result;
use crate::exec::RowStream;
use crate::functions::{Param, TableFunction};

/// Arguments and columns of all, one behind the other.
#[derive(Debug)]
pub struct SideBySide {
    functions: Vec<Arc<dyn TableFunction>>,
    params: Vec<Param>,
    columns: Vec<(String, DataType)>,
}

impl SideBySide {
    /// The functions as one; a single one stays itself.
    pub fn of(mut functions: Vec<Arc<dyn TableFunction>>) -> Arc<dyn TableFunction> {
        match functions.pop() {
            Some(only) if functions.is_empty() => only,
            last => {
                functions.extend(last);
                Arc::new(SideBySide::new(functions))
            }
        }
    }

    pub fn new(functions: Vec<Arc<dyn TableFunction>>) -> SideBySide {
        let params = functions.iter().flat_map(|function| function.params().to_vec()).collect();
        let columns = functions.iter().flat_map(|function| function.columns().to_vec()).collect();
        SideBySide { functions, params, columns }
    }
}

impl TableFunction for SideBySide {
    fn name(&self) -> &str {
        "set-returning functions"
    }

    fn params(&self) -> &[Param] {
        &self.params
    }

    fn columns(&self) -> &[(String, DataType)] {
        &self.columns
    }

    fn call(&self, context: &ExecContext, args: &[Value]) -> Result<Box<dyn RowStream>> {
        let mut streams = Vec::with_capacity(self.functions.len());
        let mut rest = args;
        for function in &self.functions {
            let (own, others) = rest.split_at(function.params().len().min(rest.len()));
            rest = others;
            let source = Some(function.call(context, own)?);
            streams.push(Lane { source, rows: VecDeque::new(), column_count: function.columns().len() });
        }
        let types = self.columns.iter().map(|(_, ty)| ty.clone()).collect();
        Ok(Box::new(Lanes { lanes: streams, types, context: context.clone() }))
    }

    fn estimated_rows(&self) -> f64 {
        self.functions.iter().map(|function| function.estimated_rows()).fold(0.0, f64::max)
    }
}

/// One function's rows that were not given yet.
struct Lane {
    /// None: it has ended.
    source: Option<Box<dyn RowStream>>,
    rows: VecDeque<Vec<Value>>,
    column_count: usize,
}

impl Lane {
    /// Fetches up to a batch's rows.
    fn fill(&mut self) -> Result<()> {
        while self.rows.len() < BATCH_ROWS {
            let Some(source) = &mut self.source else { return Ok(()) };
            match source.next_batch()? {
                Some(batch) => self.rows.extend((0..batch.row_count).map(|row| batch.row(row))),
                None => self.source = None,
            }
        }
        Ok(())
    }
}

struct Lanes {
    lanes: Vec<Lane>,
    types: Vec<DataType>,
    context: ExecContext,
}

impl RowStream for Lanes {
    fn next_batch(&mut self) -> Result<Option<Batch>> {
        self.context.cancel.check()?;
        for lane in &mut self.lanes {
            lane.fill()?;
        }
        let row_count = self.lanes.iter().map(|lane| lane.rows.len()).max().unwrap_or(0).min(BATCH_ROWS);
        if row_count == 0 {
            return Ok(None);
        }
        let mut rows = Vec::with_capacity(row_count);
        for _ in 0..row_count {
            let mut row = Vec::with_capacity(self.types.len());
            for lane in &mut self.lanes {
                match lane.rows.pop_front() {
                    Some(values) => row.extend(values),
                    None => row.extend(std::iter::repeat_n(Value::Null, lane.column_count)),
                }
            }
            rows.push(row);
        }
        Ok(Some(batch_of(&self.types, rows)))
    }
}
