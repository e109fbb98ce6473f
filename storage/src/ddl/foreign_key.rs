//! Foreign keys: adding and dropping them, and keeping what they need.

use std::sync::Arc;

use super::{RelationLock, check_name, not_found};
use crate::catalog::{Catalog, ForeignKeyDef, IndexKind, IndexTarget, TableDef};
use crate::error::{Result, StorageError};
use crate::ids::RelationId;
use crate::store::Transaction;

/// Dropping what a foreign key of another table needs. `is_needed` tells such keys of those that refer to the table.
pub(super) fn check_no_references(
    catalog: &Catalog,
    table: RelationId,
    object: &str,
    is_needed: impl Fn(&ForeignKeyDef) -> bool,
) -> Result<()> {
    let lines: Vec<String> = catalog
        .references_to(table)
        .filter(|(owner, key)| owner.id != table && is_needed(key))
        .map(|(owner, key)| format!("constraint {} on table {} depends on {object}", key.name, owner.name))
        .collect();
    if lines.is_empty() {
        return Ok(());
    }
    Err(StorageError::DependentObjects { object: object.to_owned(), detail: lines.join("\n") })
}

impl Transaction {
    /// Adds a foreign key to a table. What it refers to exists already; that present rows satisfy it is the caller's to
    /// check, afterwards: both tables are locked against writers to the end of the transaction. Write sets of others that
    /// were made without the constraint are refused at commit.
    pub fn add_foreign_key(&self, table: RelationId, key: ForeignKeyDef) -> Result<Arc<TableDef>> {
        self.lock_for_ddl(table, RelationLock::ShareRowExclusive)?;
        if key.referenced_table != table {
            self.lock_for_ddl(key.referenced_table, RelationLock::ShareRowExclusive)?;
        }
        let mut def = (*self.table_by_id(table)?).clone();
        let referenced = self.table_by_id(key.referenced_table)?;
        let catalog = self.catalog();
        let index =
            catalog.indexes.get(&key.referenced_index).ok_or_else(|| not_found("index", key.referenced_index))?;
        let IndexTarget::Table { table: owner, columns } = &index.target else {
            return Err(not_found("index", key.referenced_index));
        };
        let is_sound = *owner == referenced.id
            && matches!(index.kind, IndexKind::Ordered { unique: true })
            && !key.columns.is_empty()
            && key.columns.len() == key.referenced_columns.len()
            && columns.len() == key.columns.len()
            && columns.iter().all(|column| key.referenced_columns.contains(&column.column))
            && key.referenced_columns.iter().all(|column| referenced.position_of(*column).is_some())
            && key.columns.iter().all(|column| def.position_of(*column).is_some());
        if !is_sound {
            return Err(StorageError::Internal(format!("foreign key \"{}\" does not fit its tables", key.name)));
        }
        if def.foreign_keys.iter().any(|other| other.name == key.name) {
            return Err(StorageError::ObjectExists { kind: "constraint", name: key.name });
        }
        check_name(&key.name)?;
        // The referenced table's writers have a check to make that they did not know of.
        if referenced.id != table {
            self.move_table_version(referenced.id)?;
        }
        def.foreign_keys.push(key);
        def.version += 1;
        self.put_table(def)
    }

    /// Drops a table's foreign key. `ObjectNotFound` when it has none of that name.
    pub fn drop_foreign_key(&self, table: RelationId, name: &str) -> Result<Arc<TableDef>> {
        self.lock_for_ddl(table, RelationLock::AccessExclusive)?;
        let mut def = (*self.table_by_id(table)?).clone();
        let count = def.foreign_keys.len();
        def.foreign_keys.retain(|key| key.name != name);
        if def.foreign_keys.len() == count {
            return Err(not_found("constraint", name));
        }
        def.version += 1;
        self.put_table(def)
    }
}
