//! UPDATE, with RETURNING.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use rustc_hash::FxHashSet;
use sinew_storage::catalog::TableDef;
use sinew_storage::{LockWait, RowId, RowLock, Value};

use super::Buffered;
use crate::algebra::RowRule;
use crate::batch::{Batch, BatchBuilder};
use crate::error::{QueryError, Result};
use crate::exec::constraints::{check_may_write, check_row};
use crate::exec::expr::{PhysExpr, RowCx};
use crate::exec::foreign_keys::ForeignKeys;
use crate::exec::lock_wait::lock_row;
use crate::exec::node::{Layout, Node, Operator, Physical};
use crate::exec::recheck::{Recheck, Settled, settle};
use crate::exec::run::{Cx, Reservation};

pub struct UpdatePlan {
    pub table: Arc<TableDef>,
    pub source: Arc<Node>,
    /// Slot of the row id.
    pub row_id: usize,
    /// `Update` when a unique key may change.
    pub lock: RowLock,
    /// Set when a changed row can be looked at again; then no assignment has a subquery.
    pub recheck: Option<Recheck>,
    /// Over the source.
    pub assignments: Vec<(usize, PhysExpr)>,
    /// Over the new row.
    pub checks: Vec<(RowRule, PhysExpr)>,
    /// Over the new row followed by the source's columns.
    pub returning: Vec<PhysExpr>,
    pub counted: bool,
    pub layout: Arc<Layout>,
}

impl Physical for UpdatePlan {
    fn open(self: Arc<Self>, cx: &Cx) -> Result<Box<dyn Operator>> {
        Ok(Box::new(Update { plan: self, cx: cx.clone(), done: None }))
    }

    fn describe(&self) -> String {
        format!("Update on {}", self.table.name)
    }

    fn children(&self) -> Vec<&Arc<Node>> {
        vec![&self.source]
    }
}

/// The row id a slot carries.
pub(crate) fn row_id_of(value: &Value) -> Result<RowId> {
    match value {
        Value::Int(id) => Ok(RowId(*id as u64)),
        _ => Err(QueryError::internal("a row to write has no row id")),
    }
}

impl UpdatePlan {
    fn check_allowed(&self, cx: &Cx) -> Result<()> {
        super::check_writable(cx, "UPDATE")?;
        check_may_write(&self.table, cx)
    }

    /// The assigned values over a source row.
    fn assign(&self, source: &[Value], cx: &Cx) -> Result<Vec<Value>> {
        self.assignments.iter().map(|(_, value)| value.eval(RowCx::of_values(cx, source))).collect()
    }

    /// Updates the table rows of a few source rows, each of another one; gives the returned rows. For a source that can be
    /// looked at again.
    pub fn run_rows(&self, sources: Vec<Vec<Value>>, cx: &Cx) -> Result<Vec<Vec<Value>>> {
        self.check_allowed(cx)?;
        let mut returned = Vec::new();
        if sources.is_empty() {
            return Ok(returned);
        }
        // New values are computed before the first row is written.
        let computed = sources.iter().map(|source| self.assign(source, cx)).collect::<Result<Vec<_>>>()?;
        let mut writer = UpdateWriter::new(self, cx)?;
        for (source, values) in sources.into_iter().zip(computed) {
            let id = row_id_of(&source[self.row_id])?;
            returned.extend(writer.write(id, values, || source, cx)?);
        }
        writer.finish(cx)?;
        Ok(returned)
    }
}

/// Writes the rows of one UPDATE.
struct UpdateWriter<'p> {
    plan: &'p UpdatePlan,
    /// Positions of all columns, and of those that are assigned.
    all: Vec<usize>,
    assigned: Vec<usize>,
    foreign_keys: ForeignKeys,
    count: u64,
}

impl UpdateWriter<'_> {
    fn new<'p>(plan: &'p UpdatePlan, cx: &Cx) -> Result<UpdateWriter<'p>> {
        let all = (0..plan.table.columns.len()).collect();
        let assigned: Vec<usize> = plan.assignments.iter().map(|(position, _)| *position).collect();
        let foreign_keys = ForeignKeys::for_update(&plan.table, &assigned, cx)?;
        Ok(UpdateWriter { plan, all, assigned, foreign_keys, count: 0 })
    }

    /// Gives a row its new values, those of `values` or, when somebody changed it, of its newest version. What is returned
    /// of it; None when nothing is, or when the row is gone.
    fn write(
        &mut self,
        id: RowId,
        values: impl IntoIterator<Item = Value>,
        source: impl FnOnce() -> Vec<Value>,
        cx: &Cx,
    ) -> Result<Option<Vec<Value>>> {
        let plan = self.plan;
        let locked = lock_row(cx, &plan.table, id, plan.lock, LockWait::Block, "updating")?;
        let (mut new_row, newer) = match settle(plan.recheck.as_ref(), locked, id, cx)? {
            Settled::Dropped => return Ok(None),
            Settled::AsRead => match cx.transaction().get_row(&plan.table, id, &self.all)? {
                Some(stored) => (stored, None),
                None => return Ok(None),
            },
            Settled::Newer { stored, source } => (stored, Some(source)),
        };
        match &newer {
            None => self.set(&mut new_row, values),
            Some(source) => self.set(&mut new_row, plan.assign(source, cx)?),
        }
        check_row(&plan.table, &new_row, &plan.checks, cx)?;
        self.foreign_keys.update_row(id, &new_row, cx)?;
        self.count += 1;
        if plan.returning.is_empty() {
            return Ok(None);
        }
        new_row.extend(newer.unwrap_or_else(source));
        let row = RowCx::of_values(cx, &new_row);
        plan.returning.iter().map(|item| item.eval(row)).collect::<Result<Vec<_>>>().map(Some)
    }

    fn set(&self, row: &mut [Value], values: impl IntoIterator<Item = Value>) {
        for (position, value) in self.assigned.iter().zip(values) {
            row[*position] = value;
        }
    }

    /// Checks foreign keys. To be called after the last row.
    fn finish(mut self, cx: &Cx) -> Result<()> {
        self.foreign_keys.finish(cx)?;
        cx.run.note_write();
        if self.plan.counted {
            cx.run.rows_affected.fetch_add(self.count, Ordering::Relaxed);
        }
        Ok(())
    }
}

struct Update {
    plan: Arc<UpdatePlan>,
    cx: Cx,
    done: Option<Buffered>,
}

impl Update {
    fn run(&self) -> Result<Buffered> {
        let (plan, cx) = (&self.plan, &self.cx);
        plan.check_allowed(cx)?;
        let (batches, mut memory) = super::collect(&plan.source, cx)?;
        // New values are computed before the first row is written: an assignment may read the table.
        let mut computed = Vec::with_capacity(batches.len());
        for batch in batches {
            let columns =
                plan.assignments.iter().map(|(_, value)| value.eval_batch(cx, &batch)).collect::<Result<Vec<_>>>()?;
            memory.grow(columns.iter().map(|column| column.size_bytes()).sum())?;
            computed.push((batch, columns));
        }
        let mut writer = UpdateWriter::new(plan, cx)?;
        let mut seen = FxHashSet::default();
        let mut builder = BatchBuilder::new(Arc::clone(&plan.layout.types));
        let mut returned = Vec::new();
        for (batch, columns) in computed {
            cx.check_cancel()?;
            for row in 0..batch.row_count {
                let id = row_id_of(&batch.columns[plan.row_id].value(row))?;
                // A row that joins several others is updated once, by the first of them.
                if !seen.insert(id) {
                    continue;
                }
                let values = columns.iter().map(|column| column.value(row));
                let Some(items) = writer.write(id, values, || batch.row(row), cx)? else { continue };
                builder.push(items);
                if builder.is_full()
                    && let Some(batch) = builder.finish()
                {
                    memory.grow(batch.size_bytes())?;
                    returned.push(batch);
                }
            }
        }
        returned.extend(builder.finish());
        writer.finish(cx)?;
        let mut kept = Reservation::new(&cx.run);
        drop(memory);
        kept.grow(returned.iter().map(Batch::size_bytes).sum())?;
        Ok(Buffered::new(returned, Some(kept)))
    }
}

impl Operator for Update {
    fn next(&mut self) -> Result<Option<Batch>> {
        if self.done.is_none() {
            self.done = Some(self.run()?);
        }
        match &mut self.done {
            Some(done) => done.next(),
            None => Ok(None),
        }
    }
}
