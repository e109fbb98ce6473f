//! What a transaction is told when somebody else committed first.

use super::conflicts::Conflict;
use super::write_set::{Lookup, WriteSet};
use super::{Keyspace, KvSnapshot};
use crate::catalog::{Catalog, IndexKind, rows as catalog_rows};
use crate::error::StorageError;
use crate::ids::RelationId;

/// Two inserts of one unique key are a duplicate key and two creations of one name an existing object, as when the
/// second had started after the first; anything else is worth a retry.
pub(super) fn describe(conflict: &Conflict, writes: &WriteSet, catalog: &Catalog, rows: &KvSnapshot) -> StorageError {
    let Some(key) = &conflict.key else {
        return StorageError::WriteConflict {
            detail: format!("{} changed", keyspace_name(conflict.keyspace, catalog)),
        };
    };
    // A key that cannot be read back is reported as any other conflict.
    let own_value = match writes.lookup(conflict.keyspace, key) {
        Ok(Lookup::Value(value)) => Some(value),
        Ok(Lookup::Deleted | Lookup::Below) | Err(_) => None,
    };
    let own_value = own_value.as_deref();
    if conflict.is_written
        && conflict.keyspace == Keyspace::CATALOG
        && own_value.is_some()
        && let Some(name) = catalog_rows::name_of_key(key)
    {
        return StorageError::ObjectExists { kind: "relation", name };
    }
    if let (Some(index), Some(own_value)) = (catalog.indexes.get(&RelationId(conflict.keyspace.0)), own_value)
        && conflict.is_written
        && matches!(index.kind, IndexKind::Ordered { unique: true })
    {
        // An entry that was deleted and written again by its own row is an update, not an insert.
        let committed = rows.get(conflict.keyspace, key).ok().flatten();
        if committed.is_none_or(|committed| committed[..] != *own_value) {
            return crate::index::duplicate_key_at_commit(index, catalog, writes, own_value);
        }
    }
    StorageError::WriteConflict {
        detail: format!("a row of {} was changed", keyspace_name(conflict.keyspace, catalog)),
    }
}

pub(super) fn keyspace_name(keyspace: Keyspace, catalog: &Catalog) -> String {
    let id = RelationId(keyspace.0);
    if let Some(table) = catalog.tables.get(&id) {
        return format!("table \"{}\"", table.name);
    }
    if let Some(index) = catalog.indexes.get(&id) {
        return format!("index \"{}\"", index.name);
    }
    match keyspace {
        Keyspace::CATALOG => "the catalog".to_owned(),
        Keyspace::NODES => "the nodes".to_owned(),
        Keyspace::RELATIONSHIPS => "the relationships".to_owned(),
        Keyspace::TOKENS => "the tokens".to_owned(),
        Keyspace(id) => format!("keyspace {id}"),
    }
}
