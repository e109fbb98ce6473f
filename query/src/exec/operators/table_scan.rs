//! Rows of a table: all of them in row-id order, or those under a range of an ordered index in index order.

use std::ops::Bound;
use std::sync::Arc;

use sinew_storage::catalog::{IndexDef, TableDef};
use sinew_storage::{IndexRange, RowId, Value};

use crate::batch::{Batch, BatchBuilder};
use crate::error::Result;
use crate::exec::expr::PhysExpr;
use crate::exec::node::{Layout, Operator, Physical};
use crate::exec::run::Cx;
use crate::exec::scan::{OwnedIdScan, OwnedRowScan};

pub struct TableScanPlan {
    pub table: Arc<TableDef>,
    /// Positions in the table of the columns read.
    pub projection: Vec<usize>,
    /// The row id follows the columns.
    pub with_row_id: bool,
    pub access: Option<AccessPlan>,
    pub layout: Arc<Layout>,
}

pub struct AccessPlan {
    pub index: Arc<IndexDef>,
    pub equal: Vec<PhysExpr>,
    pub lower: Option<(PhysExpr, bool)>,
    pub upper: Option<(PhysExpr, bool)>,
    pub reverse: bool,
}

impl AccessPlan {
    /// The range with its bounds evaluated; None when a bound is NULL, so that nothing can match.
    pub fn range(&self, cx: &Cx) -> Result<Option<IndexRange>> {
        let mut equal = Vec::with_capacity(self.equal.len());
        for expr in &self.equal {
            let value = expr.eval_const(cx)?;
            if value.is_null() {
                return Ok(None);
            }
            equal.push(value);
        }
        let bound = |bound: &Option<(PhysExpr, bool)>| -> Result<Option<Bound<Value>>> {
            let Some((expr, inclusive)) = bound else { return Ok(Some(Bound::Unbounded)) };
            let value = expr.eval_const(cx)?;
            Ok(match (value.is_null(), inclusive) {
                (true, _) => None,
                (false, true) => Some(Bound::Included(value)),
                (false, false) => Some(Bound::Excluded(value)),
            })
        };
        let (Some(lower), Some(upper)) = (bound(&self.lower)?, bound(&self.upper)?) else { return Ok(None) };
        Ok(Some(IndexRange { equal, lower, upper }))
    }
}

impl Physical for TableScanPlan {
    fn open(self: Arc<Self>, cx: &Cx) -> Result<Box<dyn Operator>> {
        let source = match &self.access {
            None => Source::Rows(OwnedRowScan::new(cx.transaction(), |transaction| {
                transaction.scan_rows(&self.table, &self.projection)
            })?),
            Some(access) => match access.range(cx)? {
                None => Source::Empty,
                Some(range) => Source::Index(OwnedIdScan::new(cx.transaction(), |transaction| {
                    transaction.index_scan(&access.index, &range, access.reverse)
                })?),
            },
        };
        Ok(Box::new(TableScan { plan: self, cx: cx.clone(), source }))
    }

    fn describe(&self) -> String {
        match &self.access {
            None => format!("Seq Scan on {}", self.table.name),
            Some(access) => {
                let direction = if access.reverse { " Backward" } else { "" };
                let mut text = format!("Index Scan{direction} using {} on {}", access.index.name, self.table.name);
                text.push_str(&format!(" ({} equal", access.equal.len()));
                if access.lower.is_some() || access.upper.is_some() {
                    text.push_str(", range");
                }
                text.push(')');
                text
            }
        }
    }
}

enum Source {
    Empty,
    Rows(OwnedRowScan),
    Index(OwnedIdScan),
}

struct TableScan {
    plan: Arc<TableScanPlan>,
    cx: Cx,
    source: Source,
}

impl TableScan {
    fn push(builder: &mut BatchBuilder, plan: &TableScanPlan, id: RowId, mut values: Vec<Value>) {
        if plan.with_row_id {
            values.push(Value::Int(id.0 as i64));
        }
        builder.push(values);
    }
}

impl Operator for TableScan {
    fn next(&mut self) -> Result<Option<Batch>> {
        self.cx.check_cancel()?;
        let plan = &self.plan;
        let mut builder = BatchBuilder::new(Arc::clone(&plan.layout.types));
        match &mut self.source {
            Source::Empty => {}
            Source::Rows(scan) => {
                while !builder.is_full() {
                    let Some(row) = scan.next() else { break };
                    let (id, values) = row?;
                    TableScan::push(&mut builder, plan, id, values);
                }
            }
            Source::Index(scan) => {
                while !builder.is_full() {
                    let Some(id) = scan.next() else { break };
                    let id = RowId(id?);
                    if let Some(values) = self.cx.transaction().get_row(&plan.table, id, &plan.projection)? {
                        TableScan::push(&mut builder, plan, id, values);
                    }
                }
            }
        }
        Ok(builder.finish())
    }
}
