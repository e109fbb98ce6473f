//! INSERT, with ON CONFLICT and RETURNING.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use rustc_hash::FxHashSet;
use sinew_storage::catalog::{ConstraintKind, IndexDef, IndexKind, TableBehaviour, TableDef};
use sinew_storage::encoding::value::StoredValue;
use sinew_storage::{
    DataType, Isolation, KeySource, LockWait, LockedRow, NewRows, RowId, RowLock, StorageError, Value,
};

use super::Buffered;
use crate::algebra::RowRule;
use crate::batch::{Batch, BatchBuilder, Column};
use crate::error::{QueryError, Result, sqlstate};
use crate::exec::constraints::{check_may_write, check_row};
use crate::exec::expr::{PhysExpr, RowCx};
use crate::exec::foreign_keys::ForeignKeys;
use crate::exec::key::equivalent;
use crate::exec::messages::MessageWriter;
use crate::exec::node::{Layout, Node, Operator, Physical};
use crate::exec::run::{Cx, Reservation};

/// Fewer rows than these are written one by one.
const BULK_ROWS: usize = 64;
/// Tries at a sequence number before a message's insert is given up.
const RENUMBER_LIMIT: usize = 10_000;

pub struct InsertPlan {
    pub table: Arc<TableDef>,
    pub source: Arc<Node>,
    /// Over the source, aligned with the table's columns.
    pub values: Vec<PhysExpr>,
    /// The values read stored data, so all are computed before the first row is written.
    pub values_read: bool,
    /// Over the new row.
    pub checks: Vec<(RowRule, PhysExpr)>,
    pub on_conflict: Option<ConflictPlan>,
    /// Over the new row.
    pub returning: Vec<PhysExpr>,
    /// The statement's own write: its rows are counted.
    pub counted: bool,
    pub layout: Arc<Layout>,
}

pub struct ConflictPlan {
    pub index: Option<Arc<IndexDef>>,
    pub update: Option<ConflictUpdatePlan>,
}

/// Expressions are over the existing row followed by the proposed one.
pub struct ConflictUpdatePlan {
    /// Of the existing row.
    pub lock: RowLock,
    pub assignments: Vec<(usize, PhysExpr)>,
    pub filter: Option<PhysExpr>,
}

impl Physical for InsertPlan {
    fn open(self: Arc<Self>, cx: &Cx) -> Result<Box<dyn Operator>> {
        Ok(Box::new(Insert { plan: self, cx: cx.clone(), done: None }))
    }

    fn describe(&self) -> String {
        format!("Insert on {}", self.table.name)
    }

    fn children(&self) -> Vec<&Arc<Node>> {
        vec![&self.source]
    }
}

struct Insert {
    plan: Arc<InsertPlan>,
    cx: Cx,
    done: Option<Buffered>,
}

/// An existing row that ON CONFLICT acts on.
struct Conflict {
    id: RowId,
    /// Its newest version, for DO UPDATE.
    stored: Vec<Value>,
}

/// The values of a unique index; None when one is NULL that collides with nothing, and of a row that it leaves out.
fn key_of(index: &IndexDef, source: &KeySource, row: &[Value]) -> Result<Option<Vec<Value>>> {
    let collides = |key: &Vec<Value>| index.options.nulls_not_distinct || !key.iter().any(Value::is_null);
    Ok(source.of_row(row)?.filter(collides))
}

fn touched_twice() -> QueryError {
    QueryError::new(sqlstate::CARDINALITY_VIOLATION, "ON CONFLICT DO UPDATE command cannot affect row a second time")
        .hint("Ensure that no rows proposed for insertion within the same command have duplicate constrained values.")
}

/// Writes the rows of one INSERT. Also used by the short path.
pub struct InsertWriter {
    plan: Arc<InsertPlan>,
    messages: Option<MessageWriter>,
    /// Unique indexes to look for conflicts in, with what makes their keys.
    arbiters: Vec<(Arc<IndexDef>, KeySource)>,
    /// Rows written by this statement: ON CONFLICT may not touch one twice.
    written: FxHashSet<RowId>,
    foreign_keys: ForeignKeys,
}

impl InsertWriter {
    /// Checks privileges and what the table needs beside the rows.
    pub fn new(plan: &Arc<InsertPlan>, cx: &Cx) -> Result<InsertWriter> {
        super::check_writable(cx, "INSERT")?;
        check_may_write(&plan.table, cx)?;
        let messages = match plan.table.behaviour {
            TableBehaviour::Messages => Some(MessageWriter::new(&plan.table, cx)?),
            TableBehaviour::Plain | TableBehaviour::EngineOnly => None,
        };
        let mut arbiters = Vec::new();
        if let Some(conflict) = &plan.on_conflict {
            let catalog = cx.transaction().catalog();
            let candidates: Vec<Arc<IndexDef>> = match &conflict.index {
                Some(index) => vec![Arc::clone(index)],
                None => catalog
                    .indexes_of(plan.table.id)
                    .iter()
                    .filter(|index| matches!(index.kind, IndexKind::Ordered { unique: true }))
                    .cloned()
                    .collect(),
            };
            for index in candidates {
                let source = cx.transaction().key_source(&plan.table, &index)?;
                arbiters.push((index, source));
            }
        }
        let updates = plan.on_conflict.as_ref().is_some_and(|conflict| conflict.update.is_some());
        let foreign_keys = ForeignKeys::for_insert(&plan.table, updates, cx)?;
        Ok(InsertWriter { plan: Arc::clone(plan), messages, arbiters, written: FxHashSet::default(), foreign_keys })
    }

    /// Checks foreign keys. To be called after the last row.
    pub fn finish(&mut self, cx: &Cx) -> Result<()> {
        self.foreign_keys.finish(cx)
    }

    /// The row that a proposed one collides with in the statement's snapshot.
    fn visible_conflict(&self, row: &[Value], cx: &Cx) -> Result<Option<RowId>> {
        for (index, source) in &self.arbiters {
            let Some(key) = key_of(index, source, row)? else { continue };
            if let Some(id) = cx.transaction().find_by_key(index, &key)? {
                return Ok(Some(id));
            }
        }
        Ok(None)
    }

    /// The row that a proposed one collides with by now. The keys are locked, so that nobody else can enter them before
    /// this transaction ends. 40001 where the isolation level does not let the statement act on a row that its snapshot
    /// does not show.
    fn newest_conflict(&self, row: &[Value], cx: &Cx) -> Result<Option<RowId>> {
        for (index, source) in &self.arbiters {
            let Some(key) = key_of(index, source, row)? else { continue };
            if let Some(id) = cx.transaction().find_newest_by_key(index, &key)? {
                if cx.transaction().isolation() != Isolation::ReadCommitted {
                    return Err(QueryError::restart());
                }
                return Ok(Some(id));
            }
        }
        Ok(None)
    }

    /// Whether another transaction holds the proposed row's key in one of the arbiters.
    fn key_is_held(&self, proposed: &[Value], cx: &Cx) -> Result<bool> {
        for (index, source) in &self.arbiters {
            if let Some(key) = key_of(index, source, proposed)?
                && cx.transaction().key_is_held_by_another(index, &key)?
            {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Whether a row has the proposed row's key in one of the arbiters.
    fn collides(&self, stored: &[Value], proposed: &[Value]) -> Result<bool> {
        for (index, source) in &self.arbiters {
            if let (Some(proposed), Some(stored)) = (key_of(index, source, proposed)?, key_of(index, source, stored)?)
                && proposed.iter().zip(&stored).all(|(a, b)| equivalent(a, b))
            {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Looks for a row that the proposed one collides with, and locks it for DO UPDATE: in the snapshot first, where DO
    /// NOTHING need not wait for anybody, then in the newest state.
    fn conflict(&self, proposed: &[Value], conflict: &ConflictPlan, cx: &Cx) -> Result<Option<Conflict>> {
        let mut found = self.visible_conflict(proposed, cx)?;
        let mut held = None;
        loop {
            cx.check_cancel()?;
            let id = match found.take() {
                Some(id) => id,
                None => match self.newest_conflict(proposed, cx)? {
                    Some(id) => id,
                    None => return Ok(None),
                },
            };
            let Some(update) = &conflict.update else {
                // Somebody may be about to take the key away: then it is waited for, and looked for again.
                if held.is_none() && self.key_is_held(proposed, cx)? {
                    held = Some(id);
                    continue;
                }
                return Ok(Some(Conflict { id, stored: Vec::new() }));
            };
            if self.written.contains(&id) {
                return Err(touched_twice());
            }
            let table = &self.plan.table;
            let stored = match cx.transaction().lock_row(table, id, update.lock, LockWait::Block)? {
                LockedRow::Changed(stored) => Some(stored),
                LockedRow::Gone | LockedRow::Skipped => None,
                LockedRow::Unchanged => {
                    let all: Vec<usize> = (0..table.columns.len()).collect();
                    cx.transaction().get_row(table, id, &all)?
                }
            };
            // A row that was deleted or given another key while it was waited for is no conflict: look again. One that is
            // found again while its lock is held is one.
            if let Some(stored) = stored
                && (held == Some(id) || self.collides(&stored, proposed)?)
            {
                return Ok(Some(Conflict { id, stored }));
            }
            held = Some(id);
        }
    }

    /// Inserts one row; None when ON CONFLICT dropped it, else the row as stored.
    pub fn write(&mut self, mut row: Vec<Value>, cx: &Cx) -> Result<Option<Vec<Value>>> {
        let plan = Arc::clone(&self.plan);
        let generated_seq = match &mut self.messages {
            Some(messages) => messages.complete(&mut row, cx)?,
            None => false,
        };
        check_row(&plan.table, &row, &plan.checks, cx)?;
        if let Some(conflict) = &plan.on_conflict
            && let Some(existing) = self.conflict(&row, conflict, cx)?
        {
            return match &conflict.update {
                None => Ok(None),
                Some(update) => self.update_existing(existing, row, update, cx),
            };
        }
        if let Some(messages) = &mut self.messages {
            messages.ensure_conversation(&row, cx)?;
        }
        let mut attempt_count = 0;
        let id = loop {
            match cx.transaction().insert_row(&plan.table, &row) {
                Ok(id) => break id,
                Err(StorageError::DuplicateKey { ref constraint, .. })
                    if generated_seq && attempt_count < RENUMBER_LIMIT && self.is_primary_key(constraint, cx) =>
                {
                    attempt_count += 1;
                    cx.check_cancel()?;
                    if let Some(messages) = &self.messages {
                        messages.renumber(&mut row, cx)?;
                    }
                }
                Err(error) => return Err(error.into()),
            }
        };
        if plan.on_conflict.is_some() {
            self.written.insert(id);
        }
        self.foreign_keys.note_insert(&row)?;
        Ok(Some(row))
    }

    /// Inserts all rows of a batch at once. False, with nothing written, when they are to go one by one: because what comes
    /// with them is looked at row by row, because one of them violates a constraint, or because the store says so.
    fn write_batch(&mut self, rows: &Batch, cx: &Cx) -> Result<bool> {
        let plan = &self.plan;
        let is_plain = self.messages.is_none() && plan.on_conflict.is_none() && plan.returning.is_empty();
        if !is_plain || rows.row_count < BULK_ROWS || !satisfies(plan, rows, cx) {
            return Ok(false);
        }
        if !cx.transaction().insert_rows(&plan.table, &NewBatch(rows))? {
            return Ok(false);
        }
        if self.foreign_keys.watches_inserts() {
            for row in 0..rows.row_count {
                self.foreign_keys.note_insert(&rows.row(row))?;
            }
        }
        Ok(true)
    }

    fn is_primary_key(&self, constraint: &str, cx: &Cx) -> bool {
        let catalog = cx.transaction().catalog();
        catalog
            .indexes_of(self.plan.table.id)
            .iter()
            .any(|index| index.name == constraint && index.constraint == Some(ConstraintKind::PrimaryKey))
    }

    fn update_existing(
        &mut self,
        existing: Conflict,
        proposed: Vec<Value>,
        update: &ConflictUpdatePlan,
        cx: &Cx,
    ) -> Result<Option<Vec<Value>>> {
        let plan = &self.plan;
        let Conflict { id, stored: existing } = existing;
        let mut both = existing.clone();
        both.extend(proposed);
        let row = RowCx::of_values(cx, &both);
        if let Some(filter) = &update.filter
            && !filter.holds(row)?
        {
            return Ok(None);
        }
        let mut new_row = existing;
        for (position, value) in &update.assignments {
            new_row[*position] = value.eval(row)?;
        }
        check_row(&plan.table, &new_row, &plan.checks, cx)?;
        self.foreign_keys.update_row(id, &new_row, cx)?;
        self.written.insert(id);
        Ok(Some(new_row))
    }
}

/// A batch whose columns are a table's.
struct NewBatch<'b>(&'b Batch);

impl NewRows for NewBatch<'_> {
    fn row_count(&self) -> usize {
        self.0.row_count
    }

    fn cell(&self, row: usize, column: usize) -> StoredValue<'_> {
        self.0.columns[column].stored_value(row)
    }
}

/// Whether all rows certainly satisfy NOT NULL, declared dimensions and CHECK.
fn satisfies(plan: &InsertPlan, rows: &Batch, cx: &Cx) -> bool {
    let fits = plan.table.columns.iter().zip(&rows.columns).all(|(column, values)| {
        column.virtual_expression.is_some()
            || (!matches!(column.ty, DataType::Vector(_)) && (!column.not_null || !values.has_null()))
    });
    fits && plan.checks.iter().all(|(rule, check)| match (rule, check.eval_batch(cx, rows)) {
        (RowRule::Constraint(_), Ok(Column::Bool(truths))) => truths.false_count() == 0,
        (RowRule::ViewOption(_), Ok(Column::Bool(truths))) => truths.true_count() == rows.row_count,
        _ => false,
    })
}

impl Insert {
    fn run(&self) -> Result<Buffered> {
        let (plan, cx) = (&self.plan, &self.cx);
        let mut writer = InsertWriter::new(plan, cx)?;
        let mut memory = Reservation::new(&cx.run);
        let mut builder = BatchBuilder::new(Arc::clone(&plan.layout.types));
        let mut returned = Vec::new();
        let compute = |batch: Batch| -> Result<Batch> {
            let columns = plan.values.iter().map(|value| value.eval_batch(cx, &batch)).collect::<Result<Vec<_>>>()?;
            Ok(Batch::new(columns, batch.row_count))
        };
        let mut write_batch = |proposed: Batch| -> Result<()> {
            cx.check_cancel()?;
            let mut count = 0;
            let is_written = writer.write_batch(&proposed, cx)?;
            if is_written {
                count = proposed.row_count as u64;
            }
            for row in if is_written { 0..0 } else { 0..proposed.row_count } {
                let values: Vec<Value> = proposed.row(row);
                let written = writer.write(values, cx).map_err(|mut error| {
                    error.0.batch_row.get_or_insert(row);
                    error
                })?;
                let Some(stored) = written else { continue };
                count += 1;
                if !plan.returning.is_empty() {
                    let row = RowCx::of_values(cx, &stored);
                    builder.push(plan.returning.iter().map(|item| item.eval(row)).collect::<Result<Vec<_>>>()?);
                    if builder.is_full()
                        && let Some(batch) = builder.finish()
                    {
                        memory.grow(batch.size_bytes())?;
                        returned.push(batch);
                    }
                }
            }
            cx.run.note_write();
            if plan.counted {
                cx.run.rows_affected.fetch_add(count, Ordering::Relaxed);
            }
            Ok(())
        };
        if plan.source.reads_store || plan.source.writes || plan.values_read {
            let mut held = Reservation::new(&cx.run);
            let mut proposed = Vec::new();
            let mut source = plan.source.open(cx)?;
            while let Some(batch) = source.next()? {
                let batch = compute(batch)?;
                held.grow(batch.size_bytes())?;
                proposed.push(batch);
            }
            drop(source);
            for batch in proposed {
                write_batch(batch)?;
            }
        } else {
            // Neither the source nor the values read anything that this statement writes.
            let mut source = plan.source.open(cx)?;
            while let Some(batch) = source.next()? {
                write_batch(compute(batch)?)?;
            }
        }
        writer.finish(cx)?;
        returned.extend(builder.finish());
        Ok(Buffered::new(returned, Some(memory)))
    }
}

impl Operator for Insert {
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
