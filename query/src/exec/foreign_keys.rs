//! Foreign keys: what a statement's writes ask for, carried out at its end.
//!
//! Every row written to a table with foreign keys, in either direction, leaves events: a new key of a referencing row is
//! to be found in the referenced table, a key of a referenced row that is gone is to be dealt with among the rows that
//! refer to it. As PostgreSQL's after-triggers, events wait in one queue until the statement has written all of its own
//! rows, and are then taken in order; what they write themselves (CASCADE, SET NULL, SET DEFAULT) leaves further events
//! at the queue's end. So rows of one statement may refer to each other, a set of rows may be deleted together, and a
//! chain of cascades needs no stack.
//!
//! ```text
//! DELETE FROM p          rows of p written     queue: p.1 gone
//!   finish               take "p.1 gone"       delete c.7 (CASCADE)      queue: c.7 gone
//!                        take "c.7 gone"       refuse: g.3 refers to it  23503
//! ```
//!
//! Both sides look at the newest state, not at the statement's snapshot. The referencing side locks the row it refers to
//! FOR KEY SHARE; the referenced side locks the row it deletes, or whose key it changes, FOR UPDATE. So whoever comes
//! second waits, and then finds what the first has committed.

//!
//! Of a constraint that is deferred, checks of keys and those of NO ACTION go to the session instead of being made
//! ([`deferred`](crate::deferred)). [`check_deferred`] makes them: by then a row that referred to a key may have gone
//! again, so a missing key matters only while somebody refers to it.

mod checks;
mod deferred;
mod reference;

use std::collections::VecDeque;
use std::sync::Arc;

use rustc_hash::{FxHashMap, FxHashSet};
use sinew_storage::catalog::{Catalog, ForeignKeyDef, ForeignKeyMatch, ReferentialAction, TableDef};
use sinew_storage::encoding::key_for_values;
use sinew_storage::{ColumnId, LockWait, LockedRow, RelationId, RowId, RowLock, Value};

pub use self::deferred::{check_deferred, check_immediate};
use self::reference::{Reference, TableKeys, same_key, values_at};
use super::constraints::check_row;
use super::row_rules::RowRules;
use super::run::{Cx, Reservation};
use crate::error::Result;

/// Memory that a queued event takes beside its values, in bytes.
const EVENT_OVERHEAD_BYTES: usize = 96;
/// And each of its values.
const VALUE_BYTES: usize = 48;

/// Keys are in the constraint's order, without NULL.
enum Event {
    /// A row refers to this key.
    Check { reference: Arc<Reference>, key: Vec<Value> },
    /// A row with this key was deleted.
    Deleted { reference: Arc<Reference>, key: Vec<Value> },
    /// A row's key was changed; the new one may hold NULL.
    Changed { reference: Arc<Reference>, key: Vec<Value>, new_key: Vec<Value> },
}

/// The writes of one statement to one table, with what follows from them.
pub struct ForeignKeys {
    catalog: Arc<Catalog>,
    target: Arc<TableKeys>,
    /// Of tables that cascades have reached.
    reached: FxHashMap<RelationId, Arc<TableKeys>>,
    rules: FxHashMap<RelationId, Arc<RowRules>>,
    queue: VecDeque<Event>,
    /// Checks that are queued or made: referencing table, constraint and key.
    checks: FxHashSet<Vec<u8>>,
    /// Rows were changed beyond what the statement said, so that a queued check may be about a row that is gone.
    has_cascaded: bool,
    memory: Reservation,
}

impl ForeignKeys {
    /// For a statement that inserts rows; with `updates` also for those it updates (ON CONFLICT).
    pub fn for_insert(table: &Arc<TableDef>, updates: bool, cx: &Cx) -> Result<ForeignKeys> {
        ForeignKeys::new(table, cx, |_, _| true, |_, _| updates)
    }

    /// For a statement that updates the columns at `assigned`.
    pub fn for_update(table: &Arc<TableDef>, assigned: &[usize], cx: &Cx) -> Result<ForeignKeys> {
        let touches = |columns: &[ColumnId]| {
            assigned
                .iter()
                .filter_map(|position| table.columns.get(*position))
                .any(|column| columns.contains(&column.id))
        };
        ForeignKeys::new(table, cx, |_, key| touches(&key.columns), |_, key| touches(&key.referenced_columns))
    }

    /// For a statement that deletes rows.
    pub fn for_delete(table: &Arc<TableDef>, cx: &Cx) -> Result<ForeignKeys> {
        ForeignKeys::new(table, cx, |_, _| false, |_, _| true)
    }

    fn new(
        table: &Arc<TableDef>,
        cx: &Cx,
        is_outgoing: impl Fn(&TableDef, &ForeignKeyDef) -> bool,
        is_incoming: impl Fn(&TableDef, &ForeignKeyDef) -> bool,
    ) -> Result<ForeignKeys> {
        let catalog = cx.transaction().catalog();
        let target = Arc::new(TableKeys::new(&catalog, table, is_outgoing, is_incoming)?);
        Ok(ForeignKeys {
            catalog,
            target,
            reached: FxHashMap::default(),
            rules: FxHashMap::default(),
            queue: VecDeque::new(),
            checks: FxHashSet::default(),
            has_cascaded: false,
            memory: Reservation::new(&cx.run),
        })
    }

    /// Whether inserted rows refer to others, so that they are to be noted.
    pub fn watches_inserts(&self) -> bool {
        !self.target.outgoing.is_empty()
    }

    /// Notes a row that was inserted into the statement's table.
    pub fn note_insert(&mut self, row: &[Value]) -> Result<()> {
        let target = Arc::clone(&self.target);
        for reference in &target.outgoing {
            self.queue_check(reference, row)?;
        }
        Ok(())
    }

    /// Replaces a row of the statement's table.
    pub fn update_row(&mut self, id: RowId, row: &[Value], cx: &Cx) -> Result<()> {
        let target = Arc::clone(&self.target);
        self.update(&target, id, row, cx)
    }

    /// Deletes a row of the statement's table; false when there is none (any more).
    pub fn delete_row(&mut self, id: RowId, cx: &Cx) -> Result<bool> {
        let target = Arc::clone(&self.target);
        self.delete(&target, id, cx)
    }

    /// Checks keys and carries out referential actions. To be called when the statement has written its rows. 23503.
    pub fn finish(&mut self, cx: &Cx) -> Result<()> {
        while let Some(event) = self.queue.pop_front() {
            cx.check_cancel()?;
            let Some(event) = deferred::left_for_later(event, cx)? else { continue };
            match event {
                Event::Check { reference, key } => reference.check(&key, self.has_cascaded, cx)?,
                Event::Deleted { reference, key } => self.act(&reference, reference.key.on_delete, &key, None, cx)?,
                Event::Changed { reference, key, new_key } => {
                    self.act(&reference, reference.key.on_update, &key, Some(&new_key), cx)?;
                }
            }
        }
        Ok(())
    }

    fn update(&mut self, keys: &TableKeys, id: RowId, row: &[Value], cx: &Cx) -> Result<()> {
        let transaction = cx.transaction();
        if keys.outgoing.is_empty() && keys.incoming.is_empty() {
            return Ok(transaction.update_row(&keys.table, id, row)?);
        }
        // Locked first, so that the row read here is the one replaced. Whoever asked for the update has seen to it that
        // the new row is made of the newest one.
        transaction.lock_row(&keys.table, id, RowLock::NoKeyUpdate, LockWait::Block)?;
        let old = transaction.newest_row(&keys.table, id)?;
        let is_changed = |reference: &Arc<Reference>, old: &[Value]| {
            !same_key(&values_at(old, &reference.referenced_columns), &values_at(row, &reference.referenced_columns))
        };
        let changed: Vec<&Arc<Reference>> = match &old {
            Some(old) => keys.incoming.iter().filter(|reference| is_changed(reference, old)).collect(),
            None => Vec::new(),
        };
        if !changed.is_empty() {
            transaction.lock_row(&keys.table, id, RowLock::Update, LockWait::Block)?;
        }
        transaction.update_row(&keys.table, id, row)?;
        let Some(old) = old else { return Ok(()) };
        for reference in changed {
            let key = values_at(&old, &reference.referenced_columns);
            if !key.iter().any(Value::is_null) {
                let new_key = values_at(row, &reference.referenced_columns);
                self.push(Event::Changed { reference: Arc::clone(reference), key, new_key })?;
            }
        }
        for reference in &keys.outgoing {
            if !same_key(&values_at(&old, &reference.columns), &values_at(row, &reference.columns)) {
                self.queue_check(reference, row)?;
            }
        }
        Ok(())
    }

    fn delete(&mut self, keys: &TableKeys, id: RowId, cx: &Cx) -> Result<bool> {
        let transaction = cx.transaction();
        if keys.incoming.is_empty() {
            return Ok(transaction.delete_row(&keys.table, id)?);
        }
        if matches!(transaction.lock_row(&keys.table, id, RowLock::Update, LockWait::Block)?, LockedRow::Gone) {
            return Ok(false);
        }
        let Some(old) = transaction.newest_row(&keys.table, id)? else { return Ok(false) };
        if !transaction.delete_row(&keys.table, id)? {
            return Ok(false);
        }
        for reference in &keys.incoming {
            let key = values_at(&old, &reference.referenced_columns);
            if !key.iter().any(Value::is_null) {
                self.push(Event::Deleted { reference: Arc::clone(reference), key })?;
            }
        }
        Ok(true)
    }

    /// Queues the check of a referencing row, once for each key.
    fn queue_check(&mut self, reference: &Arc<Reference>, row: &[Value]) -> Result<()> {
        let key = values_at(row, &reference.columns);
        let null_count = key.iter().filter(|value| value.is_null()).count();
        if null_count > 0 {
            let is_mixed = null_count < key.len();
            return if is_mixed && reference.key.match_type == ForeignKeyMatch::Full {
                Err(reference.mixed_nulls())
            } else {
                Ok(())
            };
        }
        let mut known = reference.referencing.id.0.to_be_bytes().to_vec();
        known.extend((reference.ordinal as u32).to_be_bytes());
        known.extend(key_for_values(&key));
        let size_bytes = known.len();
        if !self.checks.insert(known) {
            return Ok(());
        }
        self.memory.grow(size_bytes)?;
        self.push(Event::Check { reference: Arc::clone(reference), key })
    }

    fn push(&mut self, event: Event) -> Result<()> {
        let (Event::Check { reference, .. } | Event::Deleted { reference, .. } | Event::Changed { reference, .. }) =
            &event;
        self.memory.grow(EVENT_OVERHEAD_BYTES + 2 * VALUE_BYTES * reference.columns.len())?;
        self.queue.push_back(event);
        Ok(())
    }

    /// A referenced key is gone, or replaced by `new_key`.
    fn act(
        &mut self,
        reference: &Arc<Reference>,
        action: ReferentialAction,
        key: &[Value],
        new_key: Option<&[Value]>,
        cx: &Cx,
    ) -> Result<()> {
        match action {
            ReferentialAction::NoAction => reference.refuse_unless_replaced(key, cx),
            ReferentialAction::Restrict => reference.refuse(key, cx),
            ReferentialAction::Cascade => match new_key {
                None => {
                    let keys = self.keys_of(&reference.referencing)?;
                    for id in reference.candidates(key, cx)? {
                        if reference.locked_row(id, key, RowLock::Update, cx)?.is_some() {
                            self.has_cascaded = true;
                            self.delete(&keys, id, cx)?;
                        }
                    }
                    Ok(())
                }
                Some(new_key) => {
                    let values = reference.as_referencing(new_key, cx)?;
                    self.set(reference, key, &values, cx)
                }
            },
            ReferentialAction::SetNull => {
                let nulls = vec![Value::Null; reference.columns.len()];
                self.set(reference, key, &nulls, cx)
            }
            ReferentialAction::SetDefault => {
                let rules = self.rules_of(&reference.referencing, cx)?;
                let defaults: Vec<Value> =
                    reference.columns.iter().map(|position| rules.default(*position)).collect::<Result<_>>()?;
                self.set(reference, key, &defaults, cx)?;
                // Rows whose default is the very key that is gone were left as they are.
                reference.refuse_unless_replaced(key, cx)
            }
        }
    }

    /// Gives the rows that refer to `key` other values.
    fn set(&mut self, reference: &Arc<Reference>, key: &[Value], values: &[Value], cx: &Cx) -> Result<()> {
        if same_key(key, values) {
            return Ok(());
        }
        let keys = self.keys_of(&reference.referencing)?;
        let rules = self.rules_of(&reference.referencing, cx)?;
        for id in reference.candidates(key, cx)? {
            let Some(mut row) = reference.locked_row(id, key, RowLock::NoKeyUpdate, cx)? else { continue };
            for (position, value) in reference.columns.iter().zip(values) {
                row[*position] = value.clone();
            }
            check_row(&reference.referencing, &row, rules.checks(), rules.cx())?;
            self.has_cascaded = true;
            self.update(&keys, id, &row, cx)?;
        }
        Ok(())
    }

    fn keys_of(&mut self, table: &Arc<TableDef>) -> Result<Arc<TableKeys>> {
        if let Some(keys) = self.reached.get(&table.id) {
            return Ok(Arc::clone(keys));
        }
        let keys = Arc::new(TableKeys::new(&self.catalog, table, |_, _| true, |_, _| true)?);
        self.reached.insert(table.id, Arc::clone(&keys));
        Ok(keys)
    }

    fn rules_of(&mut self, table: &Arc<TableDef>, cx: &Cx) -> Result<Arc<RowRules>> {
        if let Some(rules) = self.rules.get(&table.id) {
            return Ok(Arc::clone(rules));
        }
        let rules = Arc::new(RowRules::new(table, cx)?);
        self.rules.insert(table.id, Arc::clone(&rules));
        Ok(rules)
    }
}
