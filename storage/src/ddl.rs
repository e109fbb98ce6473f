//! Transactional DDL: definitions are rows; each call takes the relation's lock to the end of the transaction.
//!
//! A definition's version moves with every change of it or of its indexes. Write sets carry the versions they were made
//! under, so that rows written under an older definition, without an index's entries say, are refused at commit.

mod enum_type;
mod foreign_key;
mod graph_constraint;
mod sequence;

use std::sync::Arc;

use crate::catalog::rows::{
    GRAPH, INDEX, STATISTICS, TABLE, VIEW, comment_key, dependency_key, encode_definition, name_key, relation_key,
    schema_key,
};
use crate::catalog::*;
use crate::encoding::row::{RowProjection, encode_row};
use crate::error::{Result, StorageError};
use crate::graph::constraints::key_requirements;
use crate::ids::{ColumnId, NodeId, RelationId, RelationshipId};
use crate::index::{column_count, is_ordered, node_index_values, relationship_index_values};
use crate::index_function::KeySource;
use crate::store::{Change, GRAPH_RELATION, Keyspace, Transaction};
use crate::value::Value;

use self::foreign_key::check_no_references;
pub(crate) use crate::message_seq::MessageSequences;

/// Counter of relation ids.
pub(crate) const RELATION_COUNTER: &str = "relations";
/// PostgreSQL's oids of the catalogs that list what is commented on.
pub const PG_CLASS: u32 = 1_259;
pub const PG_CONSTRAINT: u32 = 2_606;
pub const PG_NAMESPACE: u32 = 2_615;
/// PostgreSQL's limit on columns per table.
pub const MAX_COLUMNS: usize = 1_600;
/// PostgreSQL's limit on columns per index.
pub const MAX_INDEX_COLUMNS: usize = 32;
/// Longest name, in bytes; the SQL layer truncates before.
pub const MAX_NAME_BYTES: usize = 63;
/// Rows handled between two looks at the cancel token.
const CANCEL_INTERVAL: usize = 1_024;

/// PostgreSQL's relation lock modes, weakest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum RelationLock {
    AccessShare,
    RowShare,
    RowExclusive,
    ShareUpdateExclusive,
    Share,
    ShareRowExclusive,
    Exclusive,
    AccessExclusive,
}

fn not_found(kind: &'static str, name: impl ToString) -> StorageError {
    StorageError::ObjectNotFound { kind, name: name.to_string() }
}

fn check_name(name: &str) -> Result<()> {
    if name.is_empty() || name.len() > MAX_NAME_BYTES || name.contains('\0') {
        return Err(StorageError::InvalidValue(format!(
            "a name needs 1 to {MAX_NAME_BYTES} bytes without NUL, \"{}\" has {}",
            name.escape_debug(),
            name.len()
        )));
    }
    Ok(())
}

fn check_table(def: &TableDef) -> Result<()> {
    check_name(&def.name)?;
    if def.columns.len() > MAX_COLUMNS {
        return Err(StorageError::LimitExceeded(format!("tables can have at most {MAX_COLUMNS} columns")));
    }
    for (position, column) in def.columns.iter().enumerate() {
        check_name(&column.name)?;
        if def.columns[..position].iter().any(|other| other.name == column.name) {
            return Err(StorageError::ObjectExists { kind: "column", name: column.name.clone() });
        }
        let id_is_taken = def.columns[..position].iter().any(|other| other.id == column.id);
        if id_is_taken || column.id.0 >= def.next_column_id {
            return Err(StorageError::Internal(format!("column \"{}\" has a wrong id {}", column.name, column.id)));
        }
    }
    Ok(())
}

fn check_no_dependents(catalog: &Catalog, id: RelationId, object: &str) -> Result<()> {
    let Some(dependents) = catalog.dependents.get(&id) else { return Ok(()) };
    let lines: Vec<String> = dependents
        .iter()
        .filter_map(|view| catalog.views.get(view))
        .map(|view| format!("view {} depends on {object}", view.name))
        .collect();
    Err(StorageError::DependentObjects { object: object.to_owned(), detail: lines.join("\n") })
}

/// Locks, ids and schemas.
impl Transaction {
    /// Locks a relation to the end of the transaction; waits, and errors with `Deadlock`, `LockTimeout`, `Cancelled`.
    pub fn lock_relation(&self, relation: RelationId, mode: RelationLock) -> Result<()> {
        self.lock(relation, mode).map(drop)
    }

    /// As [`Self::lock_relation`]; true when it had to wait. Under READ COMMITTED the snapshot is renewed then.
    pub fn lock_relation_waited(&self, relation: RelationId, mode: RelationLock) -> Result<bool> {
        let waited = self.lock(relation, mode)?;
        if waited {
            self.refresh_snapshot();
        }
        Ok(waited)
    }

    /// Locks for DDL. What committed before the lock was granted must be seen, so the snapshot is renewed where the
    /// isolation level allows it.
    fn lock_for_ddl(&self, relation: RelationId, mode: RelationLock) -> Result<()> {
        self.lock(relation, mode)?;
        self.refresh_snapshot();
        Ok(())
    }

    /// A fresh relation id (oid), never reused.
    pub fn allocate_relation_id(&self) -> Result<RelationId> {
        let id = self.allocate_id(RELATION_COUNTER)?;
        u32::try_from(id - 1)
            .ok()
            .and_then(|id| id.checked_add(FIRST_USER_RELATION))
            .map(RelationId)
            .ok_or_else(|| StorageError::LimitExceeded("relation ids are exhausted".to_owned()))
    }

    /// `ObjectExists` when taken.
    pub fn create_schema(&self, name: &str) -> Result<()> {
        check_name(name)?;
        self.lock_catalog_key(&schema_key(name))?;
        if self.catalog().schemas.contains_key(name) {
            return Err(StorageError::ObjectExists { kind: "schema", name: name.to_owned() });
        }
        let schema = SchemaDef { oid: self.allocate_relation_id()?.0, name: name.to_owned() };
        self.kv_put(Keyspace::CATALOG, &schema_key(name), &encode_definition(&schema)?)
    }

    /// `DependentObjects` while it holds relations.
    pub fn drop_schema(&self, name: &str) -> Result<()> {
        let catalog = self.catalog();
        let Some(schema) = catalog.schemas.get(name) else { return Err(not_found("schema", name)) };
        let dependent = |detail: String| StorageError::DependentObjects { object: format!("schema {name}"), detail };
        if ["pg_catalog", "information_schema", "sinew"].contains(&name) {
            return Err(dependent(format!("schema {name} is required by the database system")));
        }
        let held = catalog.names.keys().filter(|(schema, _)| schema == name).map(|(_, relation)| &relation[..]);
        let types = catalog.enums.values().filter(|def| def.schema == name).map(|def| &def.name[..]);
        let held: Vec<&str> = held.chain(types).collect();
        if !held.is_empty() {
            return Err(dependent(format!("it contains {}", held.join(", "))));
        }
        self.remove_comment(PG_NAMESPACE, schema.oid)?;
        self.kv_delete(Keyspace::CATALOG, &schema_key(name))
    }

    /// Renames a schema with everything in it. `ObjectExists` when the name is taken.
    pub fn rename_schema(&self, old: &str, new: &str) -> Result<()> {
        check_name(new)?;
        self.lock_catalog_key(&schema_key(old))?;
        self.lock_catalog_key(&schema_key(new))?;
        let catalog = self.catalog();
        let Some(schema) = catalog.schemas.get(old) else { return Err(not_found("schema", old)) };
        if catalog.schemas.contains_key(new) {
            return Err(StorageError::ObjectExists { kind: "schema", name: new.to_owned() });
        }
        let renamed = SchemaDef { name: new.to_owned(), ..schema.clone() };
        self.kv_put(Keyspace::CATALOG, &schema_key(new), &encode_definition(&renamed)?)?;
        for table in catalog.tables.values().filter(|table| table.schema == old) {
            self.alter_table(TableDef { schema: new.to_owned(), ..(**table).clone() })?;
        }
        for index in catalog.indexes.values().filter(|index| index.schema == old) {
            self.move_index(index.id, new, &index.name)?;
        }
        for view in catalog.views.values().filter(|view| view.schema == old) {
            self.move_view(view.id, new, &view.name)?;
        }
        for of in catalog.enums.values().filter(|of| of.schema == old) {
            self.move_enum(of.oid, new, &of.name)?;
        }
        for sequence in catalog.sequences.values().filter(|sequence| sequence.schema == old) {
            self.alter_sequence(SequenceDef { schema: new.to_owned(), ..(**sequence).clone() }, None)?;
        }
        self.kv_delete(Keyspace::CATALOG, &schema_key(old))
    }

    /// Keeps others from making or removing what has this key in the catalog. Who had to wait sees what came of it.
    fn lock_catalog_key(&self, key: &[u8]) -> Result<()> {
        if self.lock_unique_key(RelationId(Keyspace::CATALOG.0), key)? {
            self.refresh_snapshot();
        }
        Ok(())
    }

    /// Takes a name in a schema; whoever else takes it meanwhile loses.
    fn take_name(&self, schema: &str, name: &str, id: RelationId) -> Result<()> {
        check_name(name)?;
        self.lock_catalog_key(&name_key(schema, name))?;
        let catalog = self.catalog();
        if !catalog.schemas.contains_key(schema) {
            return Err(not_found("schema", schema));
        }
        if catalog.graph_constraint(schema, name).is_some() {
            return Err(StorageError::ObjectExists { kind: "constraint", name: name.to_owned() });
        }
        if catalog.relation_id(schema, name).is_some() {
            return Err(StorageError::ObjectExists { kind: "relation", name: name.to_owned() });
        }
        self.kv_claim(Keyspace::CATALOG, &schema_key(schema));
        self.kv_put(Keyspace::CATALOG, &name_key(schema, name), &id.0.to_be_bytes())
    }

    fn give_up_name(&self, schema: &str, name: &str) -> Result<()> {
        self.kv_delete(Keyspace::CATALOG, &name_key(schema, name))
    }

    fn put_table(&self, def: TableDef) -> Result<Arc<TableDef>> {
        self.hold_enums(&def)?;
        self.kv_put(Keyspace::CATALOG, &relation_key(TABLE, def.id), &encode_definition(&def)?)?;
        Ok(Arc::new(def))
    }

    fn table_by_id(&self, id: RelationId) -> Result<Arc<TableDef>> {
        self.catalog().tables.get(&id).cloned().ok_or_else(|| not_found("table", id))
    }

    /// Makes write sets that were made under the table's previous indexes fail at commit.
    fn move_table_version(&self, id: RelationId) -> Result<()> {
        let mut def = (*self.table_by_id(id)?).clone();
        def.version += 1;
        self.put_table(def).map(drop)
    }

    fn move_graph_version(&self) -> Result<()> {
        let version = self.catalog().graph_version + 1;
        self.kv_put(Keyspace::CATALOG, &[GRAPH], &version.to_be_bytes())
    }
}

/// Tables.
impl Transaction {
    /// `def.id` comes from [`Self::allocate_relation_id`]. `ObjectExists` when the name is taken.
    pub fn create_table(&self, mut def: TableDef) -> Result<Arc<TableDef>> {
        check_table(&def)?;
        if def.id.0 < 1_000 {
            return Err(StorageError::Internal(format!("relation id {} is reserved", def.id)));
        }
        let catalog = self.catalog();
        if catalog.tables.contains_key(&def.id) || catalog.indexes.contains_key(&def.id) {
            return Err(StorageError::ObjectExists { kind: "relation", name: def.name });
        }
        self.lock(def.id, RelationLock::AccessExclusive)?;
        self.take_name(&def.schema, &def.name, def.id)?;
        def.version = 1;
        self.put_table(def)
    }

    /// Drops the table, its rows and its indexes. `DependentObjects` while a view reads it or another table's foreign key
    /// refers to it.
    pub fn drop_table(&self, id: RelationId) -> Result<()> {
        self.lock_for_ddl(id, RelationLock::AccessExclusive)?;
        let table = self.table_by_id(id)?;
        let object = format!("table {}", table.name);
        check_no_dependents(&self.catalog(), id, &object)?;
        check_no_references(&self.catalog(), id, &object, |_| true)?;
        for index in self.catalog().indexes_of(id) {
            self.remove_index(index)?;
        }
        for sequence in self.catalog().owned_sequences.get(&id).into_iter().flatten() {
            self.remove_sequence(sequence)?;
        }
        self.kv_delete(Keyspace::CATALOG, &relation_key(TABLE, id))?;
        if self.catalog().statistics.contains_key(&id) {
            self.kv_delete(Keyspace::CATALOG, &relation_key(STATISTICS, id))?;
        }
        self.give_up_name(&table.schema, &table.name)?;
        self.kv_clear(Keyspace::of_relation(id));
        Ok(())
    }

    /// Replaces a table's definition (added, dropped, renamed columns; checks; name). Rows are not rewritten. `def` is a
    /// changed copy of the current definition (`WriteConflict` when that moved meanwhile). Indexes over a dropped column
    /// are dropped with it; `DependentObjects` when another table's foreign key refers to the column. Foreign keys may be
    /// renamed and left out here, but are added by [`Self::add_foreign_key`].
    pub fn alter_table(&self, mut def: TableDef) -> Result<Arc<TableDef>> {
        check_table(&def)?;
        self.lock_for_ddl(def.id, RelationLock::AccessExclusive)?;
        let old = self.table_by_id(def.id)?;
        if old.version != def.version {
            return Err(StorageError::WriteConflict {
                detail: format!("the definition of table \"{}\" changed", old.name),
            });
        }
        let is_new = |column: &&ColumnDef| old.position_of(column.id).is_none();
        if def.next_column_id < old.next_column_id
            || def.columns.iter().filter(is_new).any(|column| column.id.0 < old.next_column_id)
        {
            return Err(StorageError::Internal(format!("a column id of table \"{}\" is used again", old.name)));
        }
        for column in old.columns.iter().filter(|column| def.position_of(column.id).is_none()) {
            let object = format!("column {} of table {}", column.name, old.name);
            check_no_references(&self.catalog(), def.id, &object, |key| key.referenced_columns.contains(&column.id))?;
        }
        let catalog = self.catalog();
        let dropped = || old.columns.iter().map(|column| column.id).filter(|id| def.position_of(*id).is_none());
        for index in catalog.indexes_of(def.id) {
            if dropped().any(|column| index.needs_column(column)) {
                self.remove_index(index)?;
            }
        }
        for sequence in catalog.owned_sequences.get(&def.id).into_iter().flatten() {
            if dropped().any(|column| sequence.belongs_to(def.id, column)) {
                self.remove_sequence(sequence)?;
            }
        }
        if (&old.schema, &old.name) != (&def.schema, &def.name) {
            self.take_name(&def.schema, &def.name, def.id)?;
            self.give_up_name(&old.schema, &old.name)?;
        }
        // A foreign key goes with a column of its own, as a several-column index does.
        let kept: Vec<ColumnId> = def.columns.iter().map(|column| column.id).collect();
        def.foreign_keys.retain(|key| key.columns.iter().all(|column| kept.contains(column)));
        def.version = old.version + 1;
        self.put_table(def)
    }

    /// Replaces what is known of a table's columns. Only one transaction at a time does so.
    pub fn put_statistics(&self, statistics: &TableStatistics) -> Result<()> {
        self.lock(statistics.table, RelationLock::ShareUpdateExclusive)?;
        self.table_by_id(statistics.table)?;
        let key = relation_key(STATISTICS, statistics.table);
        self.kv_put(Keyspace::CATALOG, &key, &encode_definition(statistics)?)
    }

    /// Sets or removes the comment on a table or a column of it. Neither readers nor writers are kept out.
    pub fn comment_on_table(&self, id: RelationId, column: Option<ColumnId>, comment: Option<String>) -> Result<()> {
        self.lock_for_ddl(id, RelationLock::ShareUpdateExclusive)?;
        let mut def = (*self.table_by_id(id)?).clone();
        match column {
            None => def.comment = comment,
            Some(column) => {
                let position = def.position_of(column).ok_or_else(|| not_found("column", column))?;
                def.columns[position].comment = comment;
            }
        }
        // The version stays: rows mean what they meant.
        self.put_table(def).map(drop)
    }

    /// Sets or removes the comment on anything else, by PostgreSQL's oids of the catalog that lists it and of the object.
    pub fn comment_on(&self, class: u32, object: u32, comment: Option<&str>) -> Result<()> {
        match comment {
            Some(comment) => self.kv_put(Keyspace::CATALOG, &comment_key(class, object), &encode_definition(&comment)?),
            None => self.remove_comment(class, object),
        }
    }

    fn remove_comment(&self, class: u32, object: u32) -> Result<()> {
        if self.catalog().comments.contains_key(&(class, object)) {
            self.kv_delete(Keyspace::CATALOG, &comment_key(class, object))?;
        }
        Ok(())
    }

    /// Replaces every row by what `transform` makes of it, in the order of the table's columns. Indexes keep the entries of
    /// the old rows: the caller has them built anew. What ANALYZE found out is forgotten.
    pub fn rewrite_rows<E: From<StorageError>>(
        &self,
        table: &TableDef,
        transform: &mut dyn FnMut(&[Value]) -> std::result::Result<Vec<Value>, E>,
    ) -> std::result::Result<(), E> {
        self.lock_for_ddl(table.id, RelationLock::AccessExclusive)?;
        let all: Vec<usize> = (0..table.columns.len()).collect();
        let projection = RowProjection::new(table, &all)?;
        let keyspace = Keyspace::of_relation(table.id);
        let unbounded = std::ops::Bound::Unbounded;
        // Rows are replaced behind the place that is read, never before it.
        for pair in self.kv_range(keyspace, unbounded, unbounded, false)? {
            let (key, row) = pair?;
            let new = transform(&projection.decode(&row)?)?;
            self.kv_put(keyspace, &key, &encode_row(table, &new)?)?;
        }
        if self.catalog().statistics.contains_key(&table.id) {
            self.kv_delete(Keyspace::CATALOG, &relation_key(STATISTICS, table.id))?;
        }
        Ok(())
    }

    /// Removes every row of the table.
    pub fn truncate_table(&self, id: RelationId) -> Result<()> {
        self.lock_for_ddl(id, RelationLock::AccessExclusive)?;
        self.table_by_id(id)?;
        self.kv_clear(Keyspace::of_relation(id));
        for index in self.catalog().indexes_of(id) {
            if is_ordered(index) {
                self.kv_clear(Keyspace::of_relation(index.id));
            } else {
                self.note_change(Change::IndexReset { index: index.id });
            }
        }
        Ok(())
    }
}

/// Indexes and views.
impl Transaction {
    /// Creates an index of any kind and fills it from what this transaction sees. `DuplicateKey` when a unique one
    /// cannot be built.
    pub fn create_index(&self, def: IndexDef) -> Result<Arc<IndexDef>> {
        if def.id.0 < 1_000 {
            return Err(StorageError::Internal(format!("relation id {} is reserved", def.id)));
        }
        let column_count = column_count(&def);
        if column_count == 0 || column_count > MAX_INDEX_COLUMNS {
            return Err(StorageError::LimitExceeded(format!(
                "an index needs 1 to {MAX_INDEX_COLUMNS} columns, \"{}\" has {column_count}",
                def.name
            )));
        }
        // Writers are kept out, and so is another CREATE INDEX, which would move the same version.
        let source = match &def.target {
            IndexTarget::Table { table, .. } => {
                self.lock_for_ddl(*table, RelationLock::ShareRowExclusive)?;
                let table = self.table_by_id(*table)?;
                if let IndexTarget::Table { columns, .. } = &def.target {
                    for key in columns.iter().filter(|key| key.expression.is_none()) {
                        let column = table.position_of(key.column).map(|position| &table.columns[position]);
                        let column = column.ok_or_else(|| not_found("column", key.column))?;
                        if column.virtual_expression.is_some() {
                            return Err(StorageError::InvalidValue(format!(
                                "column \"{}\" stores nothing, so it cannot be indexed",
                                column.name
                            )));
                        }
                    }
                }
                Keyspace::of_relation(table.id)
            }
            IndexTarget::Nodes { .. } => {
                self.lock_for_ddl(GRAPH_RELATION, RelationLock::ShareRowExclusive)?;
                Keyspace::NODES
            }
            IndexTarget::Relationships { .. } => {
                self.lock_for_ddl(GRAPH_RELATION, RelationLock::ShareRowExclusive)?;
                Keyspace::RELATIONSHIPS
            }
        };
        if !is_ordered(&def) {
            self.check_search_index(&def)?;
        }
        self.take_name(&def.schema, &def.name, def.id)?;
        self.kv_put(Keyspace::CATALOG, &relation_key(INDEX, def.id), &encode_definition(&def)?)?;
        self.move_target_version(&def)?;
        if is_ordered(&def) {
            // The fill must have seen every row that is committed when the index is.
            self.kv_claim_keyspace(source);
            self.fill_index(&def)?;
        } else {
            self.note_change(Change::IndexReset { index: def.id });
        }
        if def.constraint == Some(ConstraintKind::PrimaryKey) {
            key_requirements(&def.name, &def.target)
                .iter()
                .try_for_each(|requirement| self.require_of_all(requirement))?;
        }
        Ok(Arc::new(def))
    }

    fn move_target_version(&self, index: &IndexDef) -> Result<()> {
        match &index.target {
            IndexTarget::Table { table, .. } => self.move_table_version(*table),
            IndexTarget::Nodes { .. } | IndexTarget::Relationships { .. } => self.move_graph_version(),
        }
    }

    fn fill_index(&self, index: &IndexDef) -> Result<()> {
        let cancel = self.cancel_token();
        let poll = |count: usize| if count.is_multiple_of(CANCEL_INTERVAL) { cancel.check() } else { Ok(()) };
        match &index.target {
            IndexTarget::Table { table, .. } => {
                let table = self.table_by_id(*table)?;
                let source = KeySource::new(self.store(), Some(self), &table, index)?;
                let keyspace = Keyspace::of_relation(table.id);
                let unbounded = std::ops::Bound::Unbounded;
                for (count, pair) in self.kv_range(keyspace, unbounded, unbounded, false)?.enumerate() {
                    poll(count)?;
                    let (key, row) = pair?;
                    let id = crate::store::decode_u64(&key, "row key")?;
                    if let Some(values) = source.of_stored(&row)? {
                        self.build_index_entry(index, &values, id)?;
                    }
                }
            }
            IndexTarget::Nodes { labels, .. } => {
                for label in labels {
                    for (count, id) in self.scan_nodes(Some(*label))?.enumerate() {
                        poll(count)?;
                        let id = id?;
                        if let Some(node) = self.node(NodeId(id))?
                            && let Some(values) = node_index_values(index, &node.labels, &node.properties)
                        {
                            self.build_index_entry(index, &values, id)?;
                        }
                    }
                }
            }
            IndexTarget::Relationships { types, .. } => {
                for ty in types {
                    for (count, id) in self.scan_relationships(Some(*ty))?.enumerate() {
                        poll(count)?;
                        let id = id?;
                        if let Some(relationship) = self.relationship(RelationshipId(id))?
                            && let Some(values) =
                                relationship_index_values(index, relationship.ty, &relationship.properties)
                        {
                            self.build_index_entry(index, &values, id)?;
                        }
                    }
                }
            }
        }
        Ok(())
    }

    /// `DependentObjects` while a foreign key relies on it.
    pub fn drop_index(&self, id: RelationId) -> Result<()> {
        let target = self.catalog().indexes.get(&id).map(|index| index.target.clone());
        let relation = match target.ok_or_else(|| not_found("index", id))? {
            IndexTarget::Table { table, .. } => table,
            IndexTarget::Nodes { .. } | IndexTarget::Relationships { .. } => GRAPH_RELATION,
        };
        self.lock_for_ddl(relation, RelationLock::AccessExclusive)?;
        let index = self.catalog().indexes.get(&id).cloned().ok_or_else(|| not_found("index", id))?;
        if let Some((owner, key)) = self.catalog().references_to(relation).find(|(_, key)| key.referenced_index == id) {
            return Err(StorageError::DependentObjects {
                object: format!("index {}", index.name),
                detail: format!("constraint {} on table {} depends on index {}", key.name, owner.name, index.name),
            });
        }
        self.remove_index(&index)?;
        self.move_target_version(&index)
    }

    fn remove_index(&self, index: &IndexDef) -> Result<()> {
        self.kv_delete(Keyspace::CATALOG, &relation_key(INDEX, index.id))?;
        self.remove_comment(PG_CLASS, index.id.0)?;
        self.remove_comment(PG_CONSTRAINT, index.id.0)?;
        self.give_up_name(&index.schema, &index.name)?;
        if is_ordered(index) {
            self.kv_clear(Keyspace::of_relation(index.id));
        } else {
            self.note_change(Change::IndexReset { index: index.id });
        }
        Ok(())
    }

    /// Renames an index, within its schema. `ObjectExists` when the name is taken.
    pub fn rename_index(&self, id: RelationId, name: &str) -> Result<Arc<IndexDef>> {
        self.lock_for_ddl(id, RelationLock::ShareUpdateExclusive)?;
        let old = self.catalog().indexes.get(&id).cloned().ok_or_else(|| not_found("index", id))?;
        let def = IndexDef { name: name.to_owned(), ..(*old).clone() };
        self.take_name(&def.schema, &def.name, id)?;
        self.give_up_name(&old.schema, &old.name)?;
        self.kv_put(Keyspace::CATALOG, &relation_key(INDEX, id), &encode_definition(&def)?)?;
        Ok(Arc::new(def))
    }

    /// As [`Self::rename_index`], and to another schema.
    pub fn move_index(&self, id: RelationId, schema: &str, name: &str) -> Result<()> {
        self.lock_for_ddl(id, RelationLock::ShareUpdateExclusive)?;
        let old = self.catalog().indexes.get(&id).cloned().ok_or_else(|| not_found("index", id))?;
        let def = IndexDef { schema: schema.to_owned(), name: name.to_owned(), ..(*old).clone() };
        self.change_name((&old.schema, &old.name), (schema, name), id)?;
        self.kv_put(Keyspace::CATALOG, &relation_key(INDEX, id), &encode_definition(&def)?)
    }

    /// Replaces the texts of an index by others that mean the same.
    pub fn reword_index(&self, def: IndexDef) -> Result<()> {
        self.kv_put(Keyspace::CATALOG, &relation_key(INDEX, def.id), &encode_definition(&def)?)
    }

    /// Replaces a view's text by one that means the same.
    pub fn reword_view(&self, id: RelationId, query: String) -> Result<()> {
        let old = self.catalog().views.get(&id).cloned().ok_or_else(|| not_found("view", id))?;
        let def = ViewDef { query, ..(*old).clone() };
        self.kv_put(Keyspace::CATALOG, &relation_key(VIEW, id), &encode_definition(&def)?)
    }

    /// Gives a view another name or schema. `ObjectExists` when the name is taken.
    pub fn move_view(&self, id: RelationId, schema: &str, name: &str) -> Result<()> {
        self.lock_for_ddl(id, RelationLock::AccessExclusive)?;
        let old = self.catalog().views.get(&id).cloned().ok_or_else(|| not_found("view", id))?;
        let def = ViewDef { schema: schema.to_owned(), name: name.to_owned(), ..(*old).clone() };
        self.change_name((&old.schema, &old.name), (schema, name), id)?;
        self.kv_put(Keyspace::CATALOG, &relation_key(VIEW, id), &encode_definition(&def)?)
    }

    fn change_name(&self, old: (&str, &str), new: (&str, &str), id: RelationId) -> Result<()> {
        if old != new {
            self.take_name(new.0, new.1, id)?;
            self.give_up_name(old.0, old.1)?;
        }
        Ok(())
    }

    /// Builds an index anew from what this transaction sees.
    pub fn rebuild_index(&self, id: RelationId) -> Result<()> {
        let index = self.catalog().indexes.get(&id).cloned().ok_or_else(|| not_found("index", id))?;
        let IndexTarget::Table { table, .. } = &index.target else {
            return Err(StorageError::InvalidValue(format!("index \"{}\" is not over a table", index.name)));
        };
        self.lock_for_ddl(*table, RelationLock::AccessExclusive)?;
        let index = self.catalog().indexes.get(&id).cloned().ok_or_else(|| not_found("index", id))?;
        self.move_target_version(&index)?;
        if is_ordered(&index) {
            self.kv_claim_keyspace(Keyspace::of_relation(*table));
            self.kv_clear(Keyspace::of_relation(id));
            self.fill_index(&index)
        } else {
            self.note_change(Change::IndexReset { index: id });
            Ok(())
        }
    }

    pub fn create_view(&self, def: ViewDef) -> Result<Arc<ViewDef>> {
        self.create_view_over(def, &[])
    }

    /// As [`Self::create_view`], naming the tables and views it reads: those cannot be dropped before it.
    pub fn create_view_over(&self, def: ViewDef, relations: &[RelationId]) -> Result<Arc<ViewDef>> {
        self.lock(def.id, RelationLock::AccessExclusive)?;
        for relation in relations {
            self.lock(*relation, RelationLock::AccessShare)?;
            let catalog = self.catalog();
            let kind = if catalog.tables.contains_key(relation) {
                TABLE
            } else if catalog.views.contains_key(relation) {
                VIEW
            } else {
                return Err(not_found("relation", relation));
            };
            self.kv_claim(Keyspace::CATALOG, &relation_key(kind, *relation));
            self.kv_put(Keyspace::CATALOG, &dependency_key(*relation, def.id), &[])?;
        }
        self.take_name(&def.schema, &def.name, def.id)?;
        self.kv_put(Keyspace::CATALOG, &relation_key(VIEW, def.id), &encode_definition(&def)?)?;
        Ok(Arc::new(def))
    }

    /// `DependentObjects` while another view reads it.
    pub fn drop_view(&self, id: RelationId) -> Result<()> {
        self.lock_for_ddl(id, RelationLock::AccessExclusive)?;
        let catalog = self.catalog();
        let view = catalog.views.get(&id).cloned().ok_or_else(|| not_found("view", id))?;
        check_no_dependents(&catalog, id, &format!("view {}", view.name))?;
        for on in catalog.dependents.iter().filter(|(_, dependents)| dependents.contains(&id)).map(|(on, _)| *on) {
            self.kv_delete(Keyspace::CATALOG, &dependency_key(on, id))?;
        }
        self.kv_delete(Keyspace::CATALOG, &relation_key(VIEW, id))?;
        self.remove_comment(PG_CLASS, id.0)?;
        self.give_up_name(&view.schema, &view.name)
    }

    /// Next value of a counter that survives restarts: unique, increasing, gaps allowed, not transactional.
    pub fn next_counter(&self, name: &str) -> Result<i64> {
        let value = self.allocate_id(&format!("counter/{name}"))?;
        i64::try_from(value).map_err(|_| StorageError::LimitExceeded(format!("counter {name} is exhausted")))
    }
}

#[cfg(test)]
mod tests;
