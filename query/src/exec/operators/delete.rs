//! DELETE, with RETURNING.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use rustc_hash::FxHashSet;
use sinew_storage::catalog::TableDef;
use sinew_storage::{LockWait, RowId, RowLock, Value};

use super::Buffered;
use super::update::row_id_of;
use crate::batch::Batch;
use crate::error::Result;
use crate::exec::constraints::check_may_write;
use crate::exec::expr::{PhysExpr, RowCx};
use crate::exec::foreign_keys::ForeignKeys;
use crate::exec::lock_wait::lock_row;
use crate::exec::node::{Node, Operator, Physical};
use crate::exec::recheck::{KeptRows, Recheck, Settled, settle};
use crate::exec::run::Cx;

pub struct DeletePlan {
    pub table: Arc<TableDef>,
    pub source: Arc<Node>,
    pub row_id: usize,
    /// Set when a changed row can be looked at again.
    pub recheck: Option<Recheck>,
    /// Over the source.
    pub returning: Vec<PhysExpr>,
    pub counted: bool,
}

impl Physical for DeletePlan {
    fn open(self: Arc<Self>, cx: &Cx) -> Result<Box<dyn Operator>> {
        Ok(Box::new(Delete { plan: self, cx: cx.clone(), done: None }))
    }

    fn describe(&self) -> String {
        format!("Delete on {}", self.table.name)
    }

    fn children(&self) -> Vec<&Arc<Node>> {
        vec![&self.source]
    }
}

impl DeletePlan {
    /// Deletes the table rows of a few source rows, each of another one; gives the returned rows. For a source that can be
    /// looked at again.
    pub fn run_rows(&self, sources: Vec<Vec<Value>>, cx: &Cx) -> Result<Vec<Vec<Value>>> {
        self.check_allowed(cx)?;
        let mut returned = Vec::new();
        let mut writer = DeleteWriter::new(self, cx)?;
        for source in sources {
            let id = row_id_of(&source[self.row_id])?;
            let Some(newer) = writer.write(id, cx)? else { continue };
            if !self.returning.is_empty() {
                let source = newer.unwrap_or(source);
                let row = RowCx::of_values(cx, &source);
                returned.push(self.returning.iter().map(|item| item.eval(row)).collect::<Result<Vec<_>>>()?);
            }
        }
        writer.finish(cx)?;
        Ok(returned)
    }

    fn check_allowed(&self, cx: &Cx) -> Result<()> {
        super::check_writable(cx, "DELETE")?;
        check_may_write(&self.table, cx)
    }
}

/// Deletes the rows of one DELETE.
struct DeleteWriter<'p> {
    plan: &'p DeletePlan,
    foreign_keys: ForeignKeys,
    count: u64,
}

impl DeleteWriter<'_> {
    fn new<'p>(plan: &'p DeletePlan, cx: &Cx) -> Result<DeleteWriter<'p>> {
        Ok(DeleteWriter { plan, foreign_keys: ForeignKeys::for_delete(&plan.table, cx)?, count: 0 })
    }

    /// Deletes a row; None when it is gone. With the source's row made of its newest version when somebody changed it.
    fn write(&mut self, id: RowId, cx: &Cx) -> Result<Option<Option<Vec<Value>>>> {
        let locked = lock_row(cx, &self.plan.table, id, RowLock::Update, LockWait::Block, "deleting")?;
        let newer = match settle(self.plan.recheck.as_ref(), locked, id, cx)? {
            Settled::Dropped => return Ok(None),
            Settled::AsRead => None,
            Settled::Newer { source, .. } => Some(source),
        };
        if !self.foreign_keys.delete_row(id, cx)? {
            return Ok(None);
        }
        self.count += 1;
        Ok(Some(newer))
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

struct Delete {
    plan: Arc<DeletePlan>,
    cx: Cx,
    done: Option<Buffered>,
}

impl Delete {
    fn run(&self) -> Result<Buffered> {
        let (plan, cx) = (&self.plan, &self.cx);
        plan.check_allowed(cx)?;
        let (batches, memory) = super::collect(&plan.source, cx)?;
        let mut writer = DeleteWriter::new(plan, cx)?;
        let mut returned = Vec::new();
        let mut seen = FxHashSet::default();
        for batch in batches {
            cx.check_cancel()?;
            let mut kept = KeptRows::default();
            for row in 0..batch.row_count {
                let id = row_id_of(&batch.columns[plan.row_id].value(row))?;
                if !seen.insert(id) {
                    continue;
                }
                match writer.write(id, cx)? {
                    None => {}
                    Some(None) => kept.keep(row),
                    Some(Some(source)) => kept.keep_newer(row, source),
                }
            }
            if !plan.returning.is_empty()
                && let Some(deleted) = kept.into_batch(&batch, &plan.source.layout)
            {
                let columns =
                    plan.returning.iter().map(|item| item.eval_batch(cx, &deleted)).collect::<Result<Vec<_>>>()?;
                returned.push(Batch::new(columns, deleted.row_count));
            }
        }
        writer.finish(cx)?;
        Ok(Buffered::new(returned, Some(memory)))
    }
}

impl Operator for Delete {
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
