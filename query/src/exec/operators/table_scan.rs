//! Rows of a table: all of them in row-id order, or those under a range of an ordered index in index order.

use std::ops::Bound;
use std::sync::Arc;

use sinew_storage::catalog::{IndexDef, IndexTarget, TableDef};
use sinew_storage::encoding::key::compare_values;
use sinew_storage::encoding::row::RowProjection;
use sinew_storage::{IndexRange, RowCursor, RowId, Value};

use crate::batch::{BATCH_BYTES, BATCH_ROWS, Batch, Column};
use crate::column_builder::ColumnBuilder;
use crate::error::Result;
use crate::exec::expr::PhysExpr;
use crate::exec::node::{Layout, Operator, Physical};
use crate::exec::run::Cx;
use crate::exec::scan::OwnedScan;

pub struct TableScanPlan {
    pub table: Arc<TableDef>,
    /// Positions in the table of the columns read.
    pub projection: Vec<usize>,
    /// The row id follows the columns.
    pub with_row_id: bool,
    pub access: Option<AccessPlan>,
    /// Where in the index the columns are, when they are read from its keys and no row is looked up.
    pub columns_in_key: Option<Vec<usize>>,
    pub layout: Arc<Layout>,
}

pub struct AccessPlan {
    pub index: Arc<IndexDef>,
    pub equal: Vec<PhysExpr>,
    /// Values of the next column; a filter above repeats the condition.
    pub any: Option<PhysAnyOf>,
    pub lower: Option<(PhysExpr, bool)>,
    pub upper: Option<(PhysExpr, bool)>,
    pub reverse: bool,
}

/// Values of which one is to be met.
pub enum PhysAnyOf {
    Items(Vec<PhysExpr>),
    Array(PhysExpr),
}

impl PhysAnyOf {
    /// The values that may be met, each once, in the order of keys.
    fn values(&self, cx: &Cx) -> Result<Vec<Value>> {
        let mut values = match self {
            PhysAnyOf::Items(items) => items.iter().map(|item| item.eval_const(cx)).collect::<Result<Vec<_>>>()?,
            PhysAnyOf::Array(array) => match array.eval_const(cx)? {
                Value::List(items) => flattened(&items),
                _ => Vec::new(),
            },
        };
        values.retain(|value| !value.is_null());
        values.sort_by(compare_values);
        values.dedup_by(|a, b| compare_values(a, b).is_eq());
        Ok(values)
    }
}

/// The elements of an array of any number of dimensions.
fn flattened(items: &[Value]) -> Vec<Value> {
    let mut out = Vec::with_capacity(items.len());
    for item in items {
        match item {
            Value::List(inner) => out.extend(flattened(inner)),
            item => out.push(item.clone()),
        }
    }
    out
}

impl AccessPlan {
    /// The ranges to be read one after another, in the order of the index (or against it).
    fn ranges(&self, cx: &Cx) -> Result<Vec<IndexRange>> {
        let Some(range) = self.range(cx)? else { return Ok(Vec::new()) };
        let Some(any) = &self.any else { return Ok(vec![range]) };
        let mut values = any.values(cx)?;
        let descending = match &self.index.target {
            IndexTarget::Table { columns, .. } => columns.get(self.equal.len()).is_some_and(|column| column.descending),
            _ => false,
        };
        if descending != self.reverse {
            values.reverse();
        }
        let with = |value: Value| {
            let mut equal = range.equal.clone();
            equal.push(value);
            IndexRange::equal(equal)
        };
        Ok(values.into_iter().map(with).collect())
    }

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
            None => {
                let (lower, upper) = match cx.morsel {
                    Some(morsel) => (morsel.lower, morsel.upper),
                    None => (Bound::Unbounded, Bound::Unbounded),
                };
                Source::Rows(cx.transaction().row_cursor(&self.table, lower, upper)?)
            }
            Some(access) => Source::Index { entries: None, ranges: access.ranges(cx)?.into_iter() },
        };
        let projection = RowProjection::new(&self.table, &self.projection)?;
        Ok(Box::new(TableScan { plan: self, cx: cx.clone(), source, projection }))
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
    Rows(RowCursor),
    Index {
        /// Of the range being read, with the columns that are read from keys.
        entries: Option<OwnedScan<(u64, Vec<Value>)>>,
        ranges: std::vec::IntoIter<IndexRange>,
    },
}

struct TableScan {
    plan: Arc<TableScanPlan>,
    cx: Cx,
    source: Source,
    projection: RowProjection,
}

/// The columns of a batch while its rows are read.
struct Rows<'p> {
    projection: &'p RowProjection,
    columns: Vec<ColumnBuilder>,
    row_ids: Option<Vec<i64>>,
    row_count: usize,
}

impl<'p> Rows<'p> {
    fn new(plan: &TableScanPlan, projection: &'p RowProjection) -> Rows<'p> {
        // Index reads are often of one row.
        let capacity = if plan.access.is_some() { 0 } else { BATCH_ROWS };
        let types = &plan.layout.types[..plan.projection.len()];
        let columns = types.iter().map(|ty| ColumnBuilder::new(ty, capacity)).collect();
        Rows { projection, columns, row_ids: plan.with_row_id.then(Vec::new), row_count: 0 }
    }

    fn is_full(&self) -> bool {
        self.row_count >= BATCH_ROWS || self.columns.iter().map(ColumnBuilder::held_bytes).sum::<usize>() >= BATCH_BYTES
    }

    fn begin(&mut self, id: RowId) {
        self.row_count += 1;
        if let Some(row_ids) = &mut self.row_ids {
            row_ids.push(id.0 as i64);
        }
    }

    /// A row as it is stored.
    fn push_stored(&mut self, id: RowId, row: &[u8]) -> sinew_storage::Result<()> {
        self.begin(id);
        let columns = &mut self.columns;
        self.projection.visit(row, |place, value| columns[place].push(value))
    }

    fn push(&mut self, id: RowId, values: Vec<Value>) {
        self.begin(id);
        for (column, value) in self.columns.iter_mut().zip(values) {
            column.push_value(value);
        }
    }

    fn finish(self) -> Option<Batch> {
        let mut columns: Vec<Column> = self.columns.into_iter().map(ColumnBuilder::finish).collect();
        columns.extend(self.row_ids.map(|ids| Column::Int(ids.into())));
        (self.row_count > 0).then(|| Batch::new(columns, self.row_count))
    }
}

impl Operator for TableScan {
    fn next(&mut self) -> Result<Option<Batch>> {
        self.cx.check_cancel()?;
        let mut rows = Rows::new(&self.plan, &self.projection);
        match &mut self.source {
            Source::Rows(cursor) => {
                while !rows.is_full() {
                    let more = cursor.next_rows(BATCH_ROWS - rows.row_count, |id, row| rows.push_stored(id, row))?;
                    if !more {
                        break;
                    }
                }
            }
            Source::Index { entries, ranges } => {
                let (plan, transaction) = (&self.plan, self.cx.transaction());
                let columns = plan.columns_in_key.as_deref();
                while !rows.is_full() {
                    let Some(scan) = entries else {
                        let (Some(access), Some(range)) = (&plan.access, ranges.next()) else { break };
                        *entries = Some(OwnedScan::new(transaction, |transaction| {
                            let columns = columns.unwrap_or_default();
                            transaction.index_scan_with_values(&access.index, &range, access.reverse, columns)
                        })?);
                        continue;
                    };
                    let Some(entry) = scan.next() else {
                        *entries = None;
                        continue;
                    };
                    let (id, values) = entry?;
                    let id = RowId(id);
                    if columns.is_some() {
                        // The index has an entry for each row there is.
                        rows.push(id, values);
                    } else if let Some(values) = transaction.get_projected_row(&plan.table, id, &self.projection)? {
                        rows.push(id, values);
                    }
                }
            }
        }
        Ok(rows.finish())
    }
}
