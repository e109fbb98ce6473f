//! SELECT … FOR UPDATE and its weaker forms: locks the table rows that its input's rows are made of.
//!
//! It stands above filters, joins and sorts, and below LIMIT, so that rows that are not returned are not locked. Under a
//! LIMIT it locks no more rows than are wanted, and goes on to the next when one is skipped.

use std::sync::Arc;

use sinew_storage::catalog::TableDef;
use sinew_storage::{LockWait, RelationLock, RowLock};

use super::limit::wanted_rows;
use super::update::row_id_of;
use crate::algebra::lock_clause;
use crate::batch::Batch;
use crate::error::Result;
use crate::exec::constraints::check_may_write;
use crate::exec::expr::PhysExpr;
use crate::exec::lock_wait::lock_row;
use crate::exec::node::{Node, Operator, Physical};
use crate::exec::recheck::{KeptRows, Recheck, Settled, settle};
use crate::exec::run::Cx;

pub struct LockRowsPlan {
    pub input: Arc<Node>,
    /// Not empty.
    pub locks: Vec<PhysTableLock>,
    /// Set when the input is a chain over the one table that is locked.
    pub recheck: Option<Recheck>,
    /// Only this many rows (skip and limit of a LIMIT above) are wanted.
    pub skip: Option<PhysExpr>,
    pub limit: Option<PhysExpr>,
}

pub struct PhysTableLock {
    pub table: Arc<TableDef>,
    /// Slot of the row id.
    pub row_id: usize,
    pub mode: RowLock,
    pub wait: LockWait,
}

impl Physical for LockRowsPlan {
    fn open(self: Arc<Self>, cx: &Cx) -> Result<Box<dyn Operator>> {
        for lock in &self.locks {
            super::check_writable(cx, &format!("SELECT {}", lock_clause(lock.mode)))?;
            check_may_write(&lock.table, cx)?;
            cx.transaction().lock_relation(lock.table.id, RelationLock::RowShare)?;
        }
        let wanted = wanted_rows(self.limit.as_ref(), self.skip.as_ref(), cx)?;
        let input = self.input.open(cx)?;
        Ok(Box::new(LockRows { plan: self, input, left: wanted.unwrap_or(usize::MAX), cx: cx.clone() }))
    }

    fn describe(&self) -> String {
        "LockRows".to_owned()
    }

    fn children(&self) -> Vec<&Arc<Node>> {
        vec![&self.input]
    }
}

struct LockRows {
    plan: Arc<LockRowsPlan>,
    input: Box<dyn Operator>,
    /// Rows still wanted.
    left: usize,
    cx: Cx,
}

impl LockRows {
    /// Locks what one row is made of.
    fn lock(&self, batch: &Batch, row: usize) -> Result<Settled> {
        let mut settled = Settled::AsRead;
        for lock in &self.plan.locks {
            let id = batch.columns[lock.row_id].value(row);
            if id.is_null() {
                continue;
            }
            let id = row_id_of(&id)?;
            let locked = lock_row(&self.cx, &lock.table, id, lock.mode, lock.wait, "locking")?;
            match settle(self.plan.recheck.as_ref(), locked, id, &self.cx)? {
                Settled::AsRead => {}
                Settled::Dropped => return Ok(Settled::Dropped),
                newer => settled = newer,
            }
        }
        Ok(settled)
    }
}

impl Operator for LockRows {
    fn next(&mut self) -> Result<Option<Batch>> {
        while self.left > 0 {
            let Some(batch) = self.input.next()? else {
                self.left = 0;
                break;
            };
            let mut kept = KeptRows::default();
            for row in 0..batch.row_count {
                if kept.len() == self.left {
                    break;
                }
                self.cx.check_cancel()?;
                match self.lock(&batch, row)? {
                    Settled::AsRead => kept.keep(row),
                    Settled::Newer { source, .. } => kept.keep_newer(row, source),
                    Settled::Dropped => {}
                }
            }
            self.left -= kept.len();
            if let Some(batch) = kept.into_batch(&batch, &self.plan.input.layout) {
                return Ok(Some(batch));
            }
        }
        Ok(None)
    }
}
