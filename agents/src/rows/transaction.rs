//! System rows over a store transaction.

use std::cell::RefCell;
use std::ops::Bound;
use std::sync::Arc;

use sinew::{Database, QueryError, Result, Value};
use sinew_storage::catalog::{Catalog, ColumnDef, IndexDef, IndexKind, IndexTarget, TableDef};
use sinew_storage::{
    IndexRange, Isolation, LockWait, LockedRow, RelationId, RelationLock, RowId, RowLock, StorageError, Transaction,
};

use super::{Journal, Record, Rows, Select};

/// Transactions of the engine's own, on a database.
pub struct StoreJournal {
    db: Database,
}

impl StoreJournal {
    pub fn new(db: Database) -> StoreJournal {
        StoreJournal { db }
    }
}

impl Journal for StoreJournal {
    fn attempt(&self, work: &mut dyn FnMut(&dyn Rows) -> Result<()>) -> Result<()> {
        // One snapshot from first read to commit: whoever changes a row read and rewritten here loses or wins whole.
        let transaction = self.db.store().begin(Isolation::RepeatableRead);
        transaction.begin_statement()?;
        let outcome = work(&TransactionRows::new(&transaction));
        match outcome {
            Ok(()) => {
                transaction.finish_statement()?;
                if transaction.has_writes() {
                    transaction.commit()?;
                } else {
                    transaction.rollback();
                }
                Ok(())
            }
            Err(error) => {
                transaction.rollback();
                Err(error)
            }
        }
    }

    fn next_epoch(&self) -> Result<i64> {
        let transaction = self.db.store().begin(Isolation::ReadCommitted);
        let epoch = transaction.next_counter("agents.epoch")?;
        transaction.rollback();
        Ok(epoch)
    }
}

/// Rows through a transaction that somebody else begins and ends: the journal's, or a caller's statement.
pub struct TransactionRows<'t> {
    transaction: &'t Transaction,
    locked: RefCell<Vec<RelationId>>,
}

impl<'t> TransactionRows<'t> {
    pub fn new(transaction: &'t Transaction) -> TransactionRows<'t> {
        TransactionRows { transaction, locked: RefCell::default() }
    }

    fn table(&self, catalog: &Catalog, name: &str) -> Result<Arc<TableDef>> {
        catalog
            .table("sinew", name)
            .cloned()
            .ok_or_else(|| QueryError::internal(format!("system table \"sinew.{name}\" is missing")))
    }

    fn table_for_write(&self, catalog: &Catalog, name: &str) -> Result<Arc<TableDef>> {
        let table = self.table(catalog, name)?;
        if !self.locked.borrow().contains(&table.id) {
            self.transaction.lock_relation(table.id, RelationLock::RowExclusive)?;
            self.locked.borrow_mut().push(table.id);
        }
        Ok(table)
    }

    /// The matching rows with their ids, in the order asked for.
    fn find(&self, catalog: &Catalog, table: &TableDef, select: &Select<'_>) -> Result<Vec<(RowId, Record)>> {
        let projection: Vec<usize> = (0..table.columns.len()).collect();
        let limit = select.limit.unwrap_or(usize::MAX);
        let mut found: Vec<(RowId, Record)> = Vec::new();
        let Some(path) = AccessPath::choose(catalog, table, select) else {
            for row in self.transaction.scan_rows(table, &projection)? {
                let (id, values) = row?;
                let record = to_record(table, values);
                if select.accepts(&record) {
                    found.push((id, record));
                }
            }
            found.sort_by(|(_, a), (_, b)| select.order(a, b));
            found.truncate(limit);
            return Ok(found);
        };
        for id in self.transaction.index_scan(&path.index, &path.range, path.ordered && select.descending)? {
            let id = RowId(id?);
            let Some(values) = self.transaction.get_row(table, id, &projection)? else { continue };
            let record = to_record(table, values);
            if select.accepts(&record) {
                found.push((id, record));
                if path.ordered && found.len() >= limit {
                    break;
                }
            }
        }
        if !path.ordered {
            found.sort_by(|(_, a), (_, b)| select.order(a, b));
            found.truncate(limit);
        }
        Ok(found)
    }

    /// Whether the snapshot, own writes included, has a row with the key that `values` have in a unique index.
    fn sees_key(&self, catalog: &Catalog, table: &TableDef, index: &str, values: &[Value]) -> Result<bool> {
        let Some(index) = catalog.indexes_of(table.id).iter().find(|candidate| candidate.name == index) else {
            return Ok(false);
        };
        let IndexTarget::Table { columns, .. } = &index.target else { return Ok(false) };
        let mut key = Vec::with_capacity(columns.len());
        for column in columns {
            let position = table.position_of(column.column);
            let position =
                position.ok_or_else(|| QueryError::internal(format!("index {} has lost a column", index.name)))?;
            key.push(values[position].clone());
        }
        Ok(self.transaction.index_scan(index, &IndexRange::equal(key), false)?.next().transpose()?.is_some())
    }

    fn find_by_key(&self, catalog: &Catalog, table: &TableDef, key: &[(&str, Value)]) -> Result<Vec<(RowId, Record)>> {
        self.find(catalog, table, &Select { table: &table.name, equal: key.to_vec(), ..Select::default() })
    }
}

impl Rows for TransactionRows<'_> {
    fn insert(&self, table: &str, record: Record) -> Result<()> {
        let catalog = self.transaction.catalog();
        let table = self.table_for_write(&catalog, table)?;
        let values = to_values(&table, record, None)?;
        match self.transaction.insert_row(&table, &values) {
            Ok(_) => Ok(()),
            // Numbers (of events, steps, messages) and names are chosen from the snapshot. One that another transaction
            // took since is a conflict, as a row that it changed is: on a new snapshot another is chosen.
            Err(StorageError::DuplicateKey { constraint, .. })
                if !self.sees_key(&catalog, &table, &constraint, &values)? =>
            {
                Err(QueryError::restart())
            }
            Err(error) => Err(error.into()),
        }
    }

    fn select(&self, select: Select<'_>) -> Result<Vec<Record>> {
        let catalog = self.transaction.catalog();
        let table = self.table(&catalog, select.table)?;
        Ok(self.find(&catalog, &table, &select)?.into_iter().map(|(_, record)| record).collect())
    }

    fn update(&self, table: &str, key: &[(&str, Value)], changes: Record) -> Result<bool> {
        let catalog = self.transaction.catalog();
        let table = self.table_for_write(&catalog, table)?;
        let Some((id, record)) = self.find_by_key(&catalog, &table, key)?.pop() else { return Ok(false) };
        let values = to_values(&table, changes, Some(record))?;
        self.transaction.update_row(&table, id, &values)?;
        Ok(true)
    }

    fn delete(&self, table: &str, equal: &[(&str, Value)]) -> Result<usize> {
        let catalog = self.transaction.catalog();
        let table = self.table_for_write(&catalog, table)?;
        let mut count = 0;
        for (id, _) in self.find_by_key(&catalog, &table, equal)? {
            count += usize::from(self.transaction.delete_row(&table, id)?);
        }
        Ok(count)
    }

    fn hold(&self, table: &str, key: &[(&str, Value)]) -> Result<bool> {
        let catalog = self.transaction.catalog();
        let table = self.table(&catalog, table)?;
        let Some((id, _)) = self.find_by_key(&catalog, &table, key)?.pop() else { return Ok(false) };
        Ok(match self.transaction.lock_row(&table, id, RowLock::KeyShare, LockWait::Block)? {
            LockedRow::Unchanged => true,
            LockedRow::Changed(newest) => {
                let newest = to_record(&table, newest);
                key.iter().all(|(column, value)| newest.get(column) == value)
            }
            LockedRow::Gone | LockedRow::Skipped => false,
        })
    }

    fn next_message_seq(&self, conversation_id: &str) -> Result<i64> {
        Ok(self.transaction.next_message_seq(conversation_id)?)
    }

    fn snapshot_lsn(&self) -> i64 {
        i64::try_from(self.transaction.snapshot_lsn().0).unwrap_or(i64::MAX)
    }
}

fn to_record(table: &TableDef, values: Vec<Value>) -> Record {
    Record(table.columns.iter().zip(values).map(|(column, value)| (column.name.clone(), value)).collect())
}

/// Values in column order: `record`'s, else `base`'s, else NULL.
fn to_values(table: &TableDef, record: Record, base: Option<Record>) -> Result<Vec<Value>> {
    let mut named = record.0;
    let mut base = base.unwrap_or_default().0;
    let mut values = Vec::with_capacity(table.columns.len());
    for ColumnDef { name, not_null, virtual_expression, .. } in &table.columns {
        let value = named.remove(name).or_else(|| base.remove(name)).unwrap_or_default();
        if virtual_expression.is_some() {
            values.push(Value::Null);
            continue;
        }
        if value.is_null() && *not_null {
            return Err(QueryError::internal(format!("no value for column \"{name}\" of sinew.{}", table.name)));
        }
        values.push(value);
    }
    match named.keys().next() {
        Some(name) => Err(QueryError::internal(format!("sinew.{} has no column \"{name}\"", table.name))),
        None => Ok(values),
    }
}

/// An ordered index whose first columns are those compared for equality.
struct AccessPath {
    index: Arc<IndexDef>,
    range: IndexRange,
    /// The index gives the rows in the order asked for.
    ordered: bool,
}

impl AccessPath {
    fn choose(catalog: &Catalog, table: &TableDef, select: &Select<'_>) -> Option<AccessPath> {
        let candidates = catalog.indexes_of(table.id).iter().filter_map(|index| Self::of(table, index, select));
        candidates.max_by_key(|path| (path.range.equal.len(), path.ordered))
    }

    fn of(table: &TableDef, index: &Arc<IndexDef>, select: &Select<'_>) -> Option<AccessPath> {
        let (IndexTarget::Table { columns, .. }, IndexKind::Ordered { .. }) = (&index.target, &index.kind) else {
            return None;
        };
        let mut names: Vec<&str> = Vec::with_capacity(columns.len());
        for column in columns {
            names.push(&table.columns[table.position_of(column.column)?].name);
        }
        let ascending = columns.iter().all(|column| !column.descending);
        let mut equal: Vec<Value> = Vec::new();
        for name in &names {
            match select.equal.iter().find(|(column, value)| column == name && !value.is_null()) {
                Some((_, value)) => equal.push(value.clone()),
                None => break,
            }
        }
        let used = equal.len();
        let covers_all = used == select.equal.len();
        let rest = &names[used..];
        let next = rest.first().copied().filter(|_| covers_all && ascending);
        let bound = |bound: &Option<(&str, Value)>| match bound {
            Some((column, value)) if next == Some(*column) => Bound::Excluded(value.clone()),
            _ => Bound::Unbounded,
        };
        let (lower, upper) = (bound(&select.after), bound(&select.before));
        if used == 0 && matches!((&lower, &upper), (Bound::Unbounded, Bound::Unbounded)) {
            return None;
        }
        let ordered = ascending && covers_all && rest.starts_with(select.order_by);
        Some(AccessPath { index: Arc::clone(index), range: IndexRange { equal, lower, upper }, ordered })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{AgentOptions, AgentRuntime, install};

    /// Few enough that none of them is refused for having lost too often: whoever loses lost to a commit of another.
    const WORKERS: i64 = 3;
    const ROUNDS: i64 = 12;

    fn database() -> (Database, AgentRuntime) {
        let database = Database::in_memory().expect("an in-memory database opens");
        let options = AgentOptions { workers: 0, ..AgentOptions::default() };
        let runtime = install(&database, options).expect("agents are installed");
        (database, runtime)
    }

    /// Runs `work` in as many threads as there are workers, and gives the sum.
    fn in_parallel(work: impl Fn() -> i64 + Sync) -> i64 {
        std::thread::scope(|scope| {
            let threads: Vec<_> = (0..WORKERS).map(|_| scope.spawn(&work)).collect();
            threads.into_iter().map(|thread| thread.join().expect("the thread ends")).sum()
        })
    }

    #[test]
    fn of_several_workers_one_gets_the_task() {
        let (database, _runtime) = database();
        let journal = StoreJournal::new(database);
        let journal: &dyn Journal = &journal;
        let key = |step: i64| [("run_id", Value::Uuid([7; 16])), ("step", Value::Int(step))];
        let created = journal.transact(|rows| {
            for step in 0..ROUNDS {
                let task = Record::new()
                    .with("run_id", Value::Uuid([7; 16]))
                    .with("step", step)
                    .with("kind", "model")
                    .with("status", "ready")
                    .with("priority", 0i64)
                    .with("attempt", 1i64)
                    .with("not_before", Value::Timestamp(0))
                    .with("created_at", Value::Timestamp(0));
                rows.insert("agent_tasks", task)?;
            }
            Ok(())
        });
        created.expect("tasks are created");
        let claim = |step: i64| {
            journal.transact(|rows| {
                let task = rows.get("agent_tasks", &key(step))?.expect("the task is there");
                if task.get("status").as_str() != Some("ready") {
                    return Ok(false);
                }
                rows.update("agent_tasks", &key(step), Record::new().with("status", "leased"))
            })
        };
        let won = in_parallel(|| (0..ROUNDS).map(|step| i64::from(claim(step).expect("won or lost"))).sum());
        assert_eq!(won, ROUNDS);
    }

    #[test]
    fn numbers_chosen_from_a_snapshot_are_chosen_again_when_taken() {
        let (database, _runtime) = database();
        let journal = StoreJournal::new(database);
        let journal: &dyn Journal = &journal;
        let run = || Value::Uuid([7; 16]);
        let newest = || Select::from("agent_events").equal("run_id", run()).order_by(&["seq"]).descending().limit(1);
        let append = || {
            journal.transact(|rows| {
                let last = rows.select(newest())?.pop().map_or(Ok(0), |event| event.int("seq"))?;
                let event = Record::new()
                    .with("run_id", run())
                    .with("seq", last + 1)
                    .with("at", Value::Timestamp(0))
                    .with("kind", "test")
                    .with("text", "");
                rows.insert("agent_events", event)
            })
        };
        in_parallel(|| {
            (0..ROUNDS).for_each(|_| append().expect("a number is found"));
            0
        });
        let last = journal.transact(|rows| rows.select(newest())).expect("read").pop().expect("events");
        assert_eq!(last.int("seq").ok(), Some(WORKERS * ROUNDS));
        // One that is seen to be taken is no conflict.
        let again = journal.transact(|rows| {
            let event = rows.select(newest())?.pop().expect("events");
            rows.insert("agent_events", event)
        });
        assert_eq!(again.expect_err("taken").sqlstate(), "23505");
    }
}
