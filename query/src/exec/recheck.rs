//! Looking again at a row that somebody changed while the statement waited for it (PostgreSQL's EvalPlanQual).
//!
//! Under READ COMMITTED a statement finds its rows in its snapshot and then locks them. A row that has a newer committed
//! version by then is taken in that version, if it still satisfies the statement. A [`Recheck`] answers that for sources
//! that are filters and projections over one table scan: it runs the newest row through them. Any other source may have
//! found other rows as well, so the statement runs again on a new snapshot ([`QueryError::restart`]).

use std::cmp::Ordering;
use std::ops::Bound;
use std::sync::Arc;

use sinew_storage::catalog::IndexTarget;
use sinew_storage::{LockedRow, RowId, Value};

use super::expr::{ExprKind, PhysExpr, RowCx};
use super::node::{Layout, Node};
use super::operators::filter::FilterPlan;
use super::operators::project::ProjectPlan;
use super::operators::sort::SortPlan;
use super::operators::table_scan::{AccessPlan, TableScanPlan};
use super::ordering::compare_values;
use super::run::Cx;
use crate::batch::{Batch, BatchBuilder};
use crate::error::{QueryError, Result};

/// A source that one row can be run through again.
pub struct Recheck {
    scan: Arc<TableScanPlan>,
    /// From the scan upwards.
    steps: Vec<Step>,
}

enum Step {
    Filter(Arc<FilterPlan>),
    Project(Arc<ProjectPlan>),
}

/// What becomes of a source row whose table row is locked.
pub enum Settled {
    /// It stays as it was read.
    AsRead,
    /// It goes on in its newest version: all columns of the table's row, and the source's row made of it.
    Newer { stored: Vec<Value>, source: Vec<Value> },
    /// It is gone, held by somebody else (SKIP LOCKED), or satisfies the statement no longer.
    Dropped,
}

/// What a statement does with the answer of a row lock. Errors with the restart error when the row changed and the source
/// cannot be asked again.
pub fn settle(recheck: Option<&Recheck>, locked: LockedRow, id: RowId, cx: &Cx) -> Result<Settled> {
    match locked {
        LockedRow::Unchanged => Ok(Settled::AsRead),
        LockedRow::Skipped => Ok(Settled::Dropped),
        LockedRow::Gone => match recheck {
            Some(_) => Ok(Settled::Dropped),
            None => Err(QueryError::restart()),
        },
        LockedRow::Changed(stored) => {
            let recheck = recheck.ok_or_else(QueryError::restart)?;
            Ok(match recheck.run(cx, id, &stored)? {
                Some(source) => Settled::Newer { stored, source },
                None => Settled::Dropped,
            })
        }
    }
}

impl Recheck {
    /// None for a source of another form, or with subqueries: they would read the old snapshot. Sorts are passed over: a
    /// row keeps the place that its old version had.
    pub fn of(source: &Arc<Node>) -> Option<Recheck> {
        let mut steps = Vec::new();
        let mut node = Arc::clone(source);
        let scan = loop {
            let input = if let Some(filter) = node.physical_as::<FilterPlan>() {
                if has_subquery(&filter.predicate) {
                    return None;
                }
                let input = Arc::clone(&filter.input);
                steps.push(Step::Filter(filter));
                input
            } else if let Some(project) = node.physical_as::<ProjectPlan>() {
                if project.items.iter().any(has_subquery) {
                    return None;
                }
                let input = Arc::clone(&project.input);
                steps.push(Step::Project(project));
                input
            } else if let Some(sort) = node.physical_as::<SortPlan>() {
                Arc::clone(&sort.input)
            } else {
                break node.physical_as::<TableScanPlan>()?;
            };
            node = input;
        };
        steps.reverse();
        Some(Recheck { scan, steps })
    }

    /// The source's row for the table's row `id` in the version `stored` (aligned with the table's columns); None when it
    /// does not pass.
    fn run(&self, cx: &Cx, id: RowId, stored: &[Value]) -> Result<Option<Vec<Value>>> {
        if let Some(access) = &self.scan.access
            && !self.is_in_range(access, cx, stored)?
        {
            return Ok(None);
        }
        let mut row: Vec<Value> = self.scan.projection.iter().map(|position| stored[*position].clone()).collect();
        if self.scan.with_row_id {
            row.push(Value::Int(id.0 as i64));
        }
        for step in &self.steps {
            match step {
                Step::Filter(filter) => {
                    if !filter.predicate.holds(RowCx::of_values(cx, &row))? {
                        return Ok(None);
                    }
                }
                Step::Project(project) => {
                    let at = RowCx::of_values(cx, &row);
                    let items = project.items.iter().map(|item| item.eval(at)).collect::<Result<Vec<_>>>()?;
                    if project.extend {
                        row.extend(items);
                    } else {
                        row = items;
                    }
                }
            }
        }
        Ok(Some(row))
    }

    /// Whether the row lies in the range of the index that the scan reads: the range stands for conditions that no filter
    /// repeats.
    fn is_in_range(&self, access: &AccessPlan, cx: &Cx, stored: &[Value]) -> Result<bool> {
        let Some(range) = access.range(cx)? else { return Ok(false) };
        if access.index.is_computed() {
            // All of its conditions are repeated by a filter.
            return Ok(true);
        }
        let IndexTarget::Table { columns, .. } = &access.index.target else {
            return Err(QueryError::internal(format!("index {} is not a table's", access.index.name)));
        };
        // How the row's value of an index column compares with a bound; None of NULL, which no bound holds for.
        let compare = |at: usize, bound: &Value| -> Result<Option<Ordering>> {
            let position = columns
                .get(at)
                .and_then(|column| self.scan.table.position_of(column.column))
                .ok_or_else(|| QueryError::internal(format!("index {} has lost a column", access.index.name)))?;
            let value = &stored[position];
            Ok((!value.is_null()).then(|| compare_values(value, bound, &self.scan.table.columns[position].ty)))
        };
        for (at, value) in range.equal.iter().enumerate() {
            if compare(at, value)? != Some(Ordering::Equal) {
                return Ok(false);
            }
        }
        let at = range.equal.len();
        let above = match &range.lower {
            Bound::Unbounded => true,
            Bound::Included(bound) => compare(at, bound)?.is_some_and(Ordering::is_ge),
            Bound::Excluded(bound) => compare(at, bound)?.is_some_and(Ordering::is_gt),
        };
        let below = match &range.upper {
            Bound::Unbounded => true,
            Bound::Included(bound) => compare(at, bound)?.is_some_and(Ordering::is_le),
            Bound::Excluded(bound) => compare(at, bound)?.is_some_and(Ordering::is_lt),
        };
        Ok(above && below)
    }
}

/// Whether an expression runs a subquery.
pub fn has_subquery(expr: &PhysExpr) -> bool {
    if matches!(expr.kind, ExprKind::Subquery(_)) {
        return true;
    }
    let mut found = false;
    expr.for_each_child(&mut |child| found = found || has_subquery(child));
    found
}

/// The rows of a batch that go on, some of them in a newer version.
#[derive(Default)]
pub(crate) struct KeptRows {
    rows: Vec<u32>,
    /// (position in `rows`, the source's row)
    newer: Vec<(usize, Vec<Value>)>,
}

impl KeptRows {
    pub fn keep(&mut self, row: usize) {
        self.rows.push(row as u32);
    }

    pub fn keep_newer(&mut self, row: usize, source: Vec<Value>) {
        self.newer.push((self.rows.len(), source));
        self.rows.push(row as u32);
    }

    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// The rows as a batch of the source's columns; None when there are none.
    pub fn into_batch(self, batch: &Batch, layout: &Layout) -> Option<Batch> {
        if self.rows.is_empty() {
            return None;
        }
        if self.newer.is_empty() {
            return Some(batch.take(&self.rows));
        }
        let mut builder = BatchBuilder::new(Arc::clone(&layout.types));
        let mut newer = self.newer.into_iter().peekable();
        for (position, row) in self.rows.iter().enumerate() {
            match newer.next_if(|(at, _)| *at == position) {
                Some((_, source)) => builder.push(source),
                None => builder.push(batch.row(*row as usize)),
            }
        }
        builder.finish()
    }
}
