//! A table's foreign keys with both of their tables: positions, indexes, errors.

use std::sync::Arc;

use sinew_storage::catalog::{Catalog, ForeignKeyDef, IndexDef, IndexKind, IndexTarget, TableDef};
use sinew_storage::{ColumnId, LockWait, LockedRow, RowId, RowLock, Value};

use crate::error::{QueryError, Result, sqlstate};
use crate::exec::run::Cx;
use crate::{functions, types};

/// One foreign key with both of its tables.
pub struct Reference {
    pub key: ForeignKeyDef,
    /// Position among the referencing table's foreign keys.
    pub ordinal: usize,
    pub referencing: Arc<TableDef>,
    pub referenced: Arc<TableDef>,
    /// Positions in the tables' columns, aligned with each other.
    pub columns: Vec<usize>,
    pub referenced_columns: Vec<usize>,
    /// The referenced table's unique index, and for each of its columns the place in the key.
    pub index: Arc<IndexDef>,
    pub index_order: Vec<usize>,
    /// An ordered index of the referencing table that begins with columns of the key: places in the key.
    pub search: Option<(Arc<IndexDef>, Vec<usize>)>,
}

/// The foreign keys of a table, both ways.
pub struct TableKeys {
    pub table: Arc<TableDef>,
    /// Its own.
    pub outgoing: Vec<Arc<Reference>>,
    /// Those that refer to it.
    pub incoming: Vec<Arc<Reference>>,
}

impl TableKeys {
    pub fn new(
        catalog: &Catalog,
        table: &Arc<TableDef>,
        is_outgoing: impl Fn(&TableDef, &ForeignKeyDef) -> bool,
        is_incoming: impl Fn(&TableDef, &ForeignKeyDef) -> bool,
    ) -> Result<TableKeys> {
        let mut outgoing = Vec::new();
        for (ordinal, key) in table.foreign_keys.iter().enumerate().filter(|(_, key)| is_outgoing(table, key)) {
            outgoing.push(Arc::new(Reference::new(catalog, table, ordinal, key)?));
        }
        let mut incoming = Vec::new();
        for (owner, key) in catalog.references_to(table.id).filter(|(owner, key)| is_incoming(owner, key)) {
            let ordinal = owner.foreign_keys.iter().position(|other| other.name == key.name).unwrap_or_default();
            incoming.push(Arc::new(Reference::new(catalog, owner, ordinal, key)?));
        }
        Ok(TableKeys { table: Arc::clone(table), outgoing, incoming })
    }
}

impl Reference {
    pub fn new(
        catalog: &Catalog,
        referencing: &Arc<TableDef>,
        ordinal: usize,
        key: &ForeignKeyDef,
    ) -> Result<Reference> {
        let lost = || QueryError::internal(format!("foreign key {} has lost what it refers to", key.name));
        let referenced = catalog.tables.get(&key.referenced_table).ok_or_else(lost)?;
        let index = catalog.indexes.get(&key.referenced_index).ok_or_else(lost)?;
        let positions = |table: &TableDef, ids: &[ColumnId]| -> Result<Vec<usize>> {
            ids.iter().map(|id| table.position_of(*id).ok_or_else(lost)).collect()
        };
        let IndexTarget::Table { columns: index_columns, .. } = &index.target else { return Err(lost()) };
        let place_of = |id: ColumnId| key.referenced_columns.iter().position(|column| *column == id);
        let index_order = index_columns
            .iter()
            .map(|column| place_of(column.column).ok_or_else(lost))
            .collect::<Result<Vec<usize>>>()?;
        Ok(Reference {
            ordinal,
            columns: positions(referencing, &key.columns)?,
            referenced_columns: positions(referenced, &key.referenced_columns)?,
            index: Arc::clone(index),
            index_order,
            search: search_index(catalog, referencing, &key.columns),
            referencing: Arc::clone(referencing),
            referenced: Arc::clone(referenced),
            key: key.clone(),
        })
    }

    /// A key in the order of the referenced table's index.
    pub fn index_key(&self, key: &[Value]) -> Vec<Value> {
        self.index_order.iter().map(|place| key[*place].clone()).collect()
    }

    /// A referenced row's values as the referencing columns hold them.
    pub fn as_referencing(&self, key: &[Value], cx: &Cx) -> Result<Vec<Value>> {
        let context = cx.eval_context();
        let pairs = self.referenced_columns.iter().zip(&self.columns).zip(key);
        pairs
            .map(|((from, to), value)| {
                let (from, to) = (&self.referenced.columns[*from].ty, &self.referencing.columns[*to].ty);
                functions::cast_value(&context, value, from, to, false)
            })
            .collect()
    }

    /// The newest version of a referencing row, locked, if it still refers to `key`.
    pub fn locked_row(&self, id: RowId, key: &[Value], mode: RowLock, cx: &Cx) -> Result<Option<Vec<Value>>> {
        cx.check_cancel()?;
        let transaction = cx.transaction();
        if matches!(transaction.lock_row(&self.referencing, id, mode, LockWait::Block)?, LockedRow::Gone) {
            return Ok(None);
        }
        let row = transaction.newest_row(&self.referencing, id)?;
        Ok(row.filter(|row| same_key(&values_at(row, &self.columns), key)))
    }

    /// Whether a row refers to `key` in its newest version, which stays until the transaction ends.
    pub fn refers_now(&self, id: RowId, key: &[Value], cx: &Cx) -> Result<bool> {
        cx.check_cancel()?;
        let transaction = cx.transaction();
        transaction.lock_newest_row(&self.referencing, id, RowLock::KeyShare)?;
        let row = transaction.newest_row(&self.referencing, id)?;
        Ok(row.is_some_and(|row| same_key(&values_at(&row, &self.columns), key)))
    }

    /// `(a, b)=(1, 2)`, with the columns of one of the tables.
    fn key_text(&self, table: &TableDef, positions: &[usize], key: &[Value], cx: &Cx) -> String {
        let context = cx.eval_context();
        let names: Vec<&str> = positions.iter().map(|position| table.columns[*position].name.as_str()).collect();
        let values: Vec<String> = positions
            .iter()
            .zip(key)
            .map(|(position, value)| {
                types::to_text(&context, value, &table.columns[*position].ty).unwrap_or_else(|_| "?".to_owned())
            })
            .collect();
        format!("({})=({})", names.join(", "), values.join(", "))
    }

    fn violation(&self, message: String, detail: String) -> QueryError {
        let mut error = QueryError::new(sqlstate::FOREIGN_KEY_VIOLATION, message).detail(detail);
        error.0.schema = Some(self.referencing.schema.clone());
        error.0.table = Some(self.referencing.name.clone());
        error.0.constraint = Some(self.key.name.clone());
        error
    }

    fn insert_or_update(&self, detail: String) -> QueryError {
        let message = format!(
            "insert or update on table \"{}\" violates foreign key constraint \"{}\"",
            self.referencing.name, self.key.name
        );
        self.violation(message, detail)
    }

    pub fn missing(&self, key: &[Value], cx: &Cx) -> QueryError {
        let text = self.key_text(&self.referencing, &self.columns, key, cx);
        self.insert_or_update(format!("Key {text} is not present in table \"{}\".", self.referenced.name))
    }

    pub fn mixed_nulls(&self) -> QueryError {
        self.insert_or_update("MATCH FULL does not allow mixing of null and nonnull key values.".to_owned())
    }

    pub fn still_referenced(&self, key: &[Value], cx: &Cx) -> QueryError {
        let text = self.key_text(&self.referenced, &self.referenced_columns, key, cx);
        self.violation(
            format!(
                "update or delete on table \"{}\" violates foreign key constraint \"{}\" on table \"{}\"",
                self.referenced.name, self.key.name, self.referencing.name
            ),
            format!("Key {text} is still referenced from table \"{}\".", self.referencing.name),
        )
    }
}

/// The ordered index whose first columns are most of the key's, with their places in the key.
fn search_index(catalog: &Catalog, table: &TableDef, key: &[ColumnId]) -> Option<(Arc<IndexDef>, Vec<usize>)> {
    let mut best: Option<(Arc<IndexDef>, Vec<usize>)> = None;
    for index in catalog.indexes_of(table.id) {
        let IndexTarget::Table { columns, .. } = &index.target else { continue };
        // A partial index does not hold every row.
        if !matches!(index.kind, IndexKind::Ordered { .. }) || index.options.predicate.is_some() {
            continue;
        }
        let places: Vec<usize> =
            columns.iter().map_while(|column| key.iter().position(|id| *id == column.column)).collect();
        let best_len = best.as_ref().map_or(0, |(_, places)| places.len());
        if places.len() > best_len {
            best = Some((Arc::clone(index), places));
        }
    }
    best
}

pub fn values_at(row: &[Value], positions: &[usize]) -> Vec<Value> {
    positions.iter().map(|position| row[*position].clone()).collect()
}

/// Equality of keys; NULL equals NULL.
pub fn same_key(a: &[Value], b: &[Value]) -> bool {
    a.iter().zip(b).all(|(a, b)| types::compare_sql(a, b).is_eq())
}
