//! DELETE, with RETURNING.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use rustc_hash::FxHashSet;
use sinew_storage::catalog::TableDef;
use sinew_storage::{LockWait, RowLock, Value};

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
        super::check_writable(cx, "DELETE")?;
        check_may_write(&self.table, cx)?;
        let mut returned = Vec::new();
        let mut foreign_keys = ForeignKeys::for_delete(&self.table, cx)?;
        let mut count = 0;
        for source in sources {
            let id = row_id_of(&source[self.row_id])?;
            let locked = lock_row(cx, &self.table, id, RowLock::Update, LockWait::Block, "deleting")?;
            let source = match settle(self.recheck.as_ref(), locked, id, cx)? {
                Settled::Dropped => continue,
                Settled::AsRead => source,
                Settled::Newer { source, .. } => source,
            };
            if foreign_keys.delete_row(id, cx)? {
                count += 1;
                if !self.returning.is_empty() {
                    let row = RowCx::of_values(cx, &source);
                    returned.push(self.returning.iter().map(|item| item.eval(row)).collect::<Result<Vec<_>>>()?);
                }
            }
        }
        foreign_keys.finish(cx)?;
        cx.run.note_write();
        if self.counted {
            cx.run.rows_affected.fetch_add(count, Ordering::Relaxed);
        }
        Ok(returned)
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
        super::check_writable(cx, "DELETE")?;
        check_may_write(&plan.table, cx)?;
        let (batches, memory) = super::collect(&plan.source, cx)?;
        let mut foreign_keys = ForeignKeys::for_delete(&plan.table, cx)?;
        let mut returned = Vec::new();
        let mut seen = FxHashSet::default();
        let mut count = 0;
        for batch in batches {
            cx.check_cancel()?;
            let mut kept = KeptRows::default();
            for row in 0..batch.row_count {
                let id = row_id_of(&batch.columns[plan.row_id].value(row))?;
                if !seen.insert(id) {
                    continue;
                }
                let locked = lock_row(cx, &plan.table, id, RowLock::Update, LockWait::Block, "deleting")?;
                let newer = match settle(plan.recheck.as_ref(), locked, id, cx)? {
                    Settled::Dropped => continue,
                    Settled::AsRead => None,
                    Settled::Newer { source, .. } => Some(source),
                };
                if foreign_keys.delete_row(id, cx)? {
                    match newer {
                        None => kept.keep(row),
                        Some(source) => kept.keep_newer(row, source),
                    }
                }
            }
            count += kept.len() as u64;
            if !plan.returning.is_empty()
                && let Some(deleted) = kept.into_batch(&batch, &plan.source.layout)
            {
                let columns =
                    plan.returning.iter().map(|item| item.eval_batch(cx, &deleted)).collect::<Result<Vec<_>>>()?;
                returned.push(Batch::new(columns, deleted.row_count));
            }
        }
        foreign_keys.finish(cx)?;
        cx.run.note_write();
        if plan.counted {
            cx.run.rows_affected.fetch_add(count, Ordering::Relaxed);
        }
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
