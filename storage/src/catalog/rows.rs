//! Catalog rows: how definitions are stored, and how a [`Catalog`] follows them.
//!
//! | key | value |
//! |---|---|
//! | `s`, schema name | [`SchemaDef`] |
//! | `t`, relation id (4 bytes big-endian) | [`TableDef`] |
//! | `i`, relation id | [`IndexDef`] |
//! | `v`, relation id | [`ViewDef`] |
//! | `a`, relation id | [`TableStatistics`] |
//! | `q`, relation id | [`SequenceDef`] |
//! | `c`, oid of a catalog, oid of an object in it (4 bytes big-endian each) | the comment on it |
//! | `e`, type oid | [`EnumDef`] |
//! | `k`, relation id | [`GraphConstraintDef`] |
//! | `m`, schema name, 0, type name | type oid, 4 bytes big-endian |
//! | `n`, schema name, 0, relation name | relation id, 4 bytes big-endian |
//! | `d`, relation id, id of a view that depends on it | empty |
//! | `g` | version of what is defined over the graph, 8 bytes big-endian |
//!
//! Definitions are a format byte (1) and JSON. Name rows exist so that two transactions that create the same name write
//! the same key, and so conflict.

use std::sync::Arc;

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::{
    Catalog, EnumDef, GraphConstraintDef, IndexDef, IndexTarget, SchemaDef, SequenceDef, TableDef, TableStatistics,
    ViewDef,
};
use crate::DataType;
use crate::error::{Result, StorageError};
use crate::ids::RelationId;

const FORMAT: u8 = 1;

pub(crate) const SCHEMA: u8 = b's';
pub(crate) const TABLE: u8 = b't';
pub(crate) const INDEX: u8 = b'i';
pub(crate) const VIEW: u8 = b'v';
pub(crate) const STATISTICS: u8 = b'a';
pub(crate) const SEQUENCE: u8 = b'q';
pub(crate) const COMMENT: u8 = b'c';
pub(crate) const ENUM: u8 = b'e';
pub(crate) const GRAPH_CONSTRAINT: u8 = b'k';
pub(crate) const TYPE_NAME: u8 = b'm';
pub(crate) const NAME: u8 = b'n';
pub(crate) const GRAPH: u8 = b'g';
pub(crate) const DEPENDENCY: u8 = b'd';

pub(crate) fn schema_key(name: &str) -> Vec<u8> {
    [&[SCHEMA], name.as_bytes()].concat()
}

pub(crate) fn relation_key(kind: u8, id: RelationId) -> Vec<u8> {
    [&[kind][..], &id.0.to_be_bytes()].concat()
}

pub(crate) fn name_key(schema: &str, name: &str) -> Vec<u8> {
    [&[NAME], schema.as_bytes(), &[0], name.as_bytes()].concat()
}

pub(crate) fn type_name_key(schema: &str, name: &str) -> Vec<u8> {
    [&[TYPE_NAME], schema.as_bytes(), &[0], name.as_bytes()].concat()
}

pub(crate) fn dependency_key(on: RelationId, dependent: RelationId) -> Vec<u8> {
    [&[DEPENDENCY][..], &on.0.to_be_bytes(), &dependent.0.to_be_bytes()].concat()
}

pub(crate) fn comment_key(class: u32, object: u32) -> Vec<u8> {
    [&[COMMENT][..], &class.to_be_bytes(), &object.to_be_bytes()].concat()
}

/// The relation name within a name row's key, for messages.
pub(crate) fn name_of_key(key: &[u8]) -> Option<String> {
    let rest = key.strip_prefix(&[NAME])?;
    let separator = rest.iter().position(|byte| *byte == 0)?;
    Some(String::from_utf8_lossy(&rest[separator + 1..]).into_owned())
}

pub(crate) fn encode_definition<T: Serialize>(definition: &T) -> Result<Vec<u8>> {
    let mut out = vec![FORMAT];
    serde_json::to_writer(&mut out, definition)
        .map_err(|error| StorageError::Internal(format!("a definition cannot be encoded: {error}")))?;
    Ok(out)
}

fn decode_definition<T: DeserializeOwned>(bytes: &[u8]) -> Result<T> {
    match bytes.split_first() {
        Some((&FORMAT, json)) => serde_json::from_slice(json)
            .map_err(|error| StorageError::Corrupted(format!("a catalog row cannot be read: {error}"))),
        _ => Err(StorageError::Corrupted("a catalog row has an unknown format".to_owned())),
    }
}

impl Catalog {
    /// Applies changed rows (None: deleted), then derives names, index lists and references anew.
    pub(crate) fn apply_rows<'r>(
        &mut self,
        rows: impl Iterator<Item = Result<(impl AsRef<[u8]> + 'r, Option<impl AsRef<[u8]> + 'r>)>>,
    ) -> Result<()> {
        for row in rows {
            let (key, value) = row?;
            self.apply_row(key.as_ref(), value.as_ref().map(AsRef::as_ref))?;
        }
        self.derive_names();
        self.derive_enums();
        Ok(())
    }

    fn apply_row(&mut self, key: &[u8], value: Option<&[u8]>) -> Result<()> {
        let (kind, rest) =
            key.split_first().ok_or_else(|| StorageError::Corrupted("an empty catalog key".to_owned()))?;
        if *kind == SCHEMA {
            let name = String::from_utf8(rest.to_vec())
                .map_err(|_| StorageError::Corrupted("a schema name is not UTF-8".to_owned()))?;
            match value {
                Some(bytes) => self.schemas.insert(name, decode_definition::<SchemaDef>(bytes)?),
                None => self.schemas.remove(&name),
            };
            return Ok(());
        }
        if matches!(*kind, NAME | TYPE_NAME) {
            return Ok(());
        }
        if *kind == GRAPH {
            self.graph_version = value.map_or(Ok(0), |bytes| crate::store::decode_u64(bytes, "graph version"))?;
            return Ok(());
        }
        if *kind == COMMENT {
            let object = two_numbers(rest)?;
            match value {
                Some(bytes) => self.comments.insert(object, decode_definition::<String>(bytes)?),
                None => self.comments.remove(&object),
            };
            return Ok(());
        }
        if *kind == DEPENDENCY {
            let (on, dependent) = two_numbers(rest)?;
            let (on, dependent) = (RelationId(on), RelationId(dependent));
            let dependents = self.dependents.entry(on).or_default();
            match value {
                Some(_) => dependents.insert(dependent),
                None => dependents.remove(&dependent),
            };
            if dependents.is_empty() {
                self.dependents.remove(&on);
            }
            return Ok(());
        }
        let id = <[u8; 4]>::try_from(rest)
            .map(|bytes| RelationId(u32::from_be_bytes(bytes)))
            .map_err(|_| StorageError::Corrupted(format!("a catalog key of kind {kind} has no relation id")))?;
        match (*kind, value) {
            (TABLE, Some(bytes)) => {
                self.tables.insert(id, Arc::new(decode_definition::<TableDef>(bytes)?));
            }
            (TABLE, None) => {
                self.tables.remove(&id);
            }
            (INDEX, Some(bytes)) => {
                self.indexes.insert(id, Arc::new(decode_definition::<IndexDef>(bytes)?));
            }
            (INDEX, None) => {
                self.indexes.remove(&id);
            }
            (ENUM, Some(bytes)) => {
                self.enums.insert(id.0, Arc::new(decode_definition::<EnumDef>(bytes)?));
            }
            (ENUM, None) => {
                self.enums.remove(&id.0);
            }
            (VIEW, Some(bytes)) => {
                self.views.insert(id, Arc::new(decode_definition::<ViewDef>(bytes)?));
            }
            (VIEW, None) => {
                self.views.remove(&id);
            }
            (STATISTICS, Some(bytes)) => {
                self.statistics.insert(id, Arc::new(decode_definition::<TableStatistics>(bytes)?));
            }
            (STATISTICS, None) => {
                self.statistics.remove(&id);
            }
            (SEQUENCE, Some(bytes)) => {
                self.sequences.insert(id, Arc::new(decode_definition::<SequenceDef>(bytes)?));
            }
            (SEQUENCE, None) => {
                self.sequences.remove(&id);
            }
            (GRAPH_CONSTRAINT, Some(bytes)) => {
                self.graph_constraints.insert(id, Arc::new(decode_definition::<GraphConstraintDef>(bytes)?));
            }
            (GRAPH_CONSTRAINT, None) => {
                self.graph_constraints.remove(&id);
            }
            _ => return Err(StorageError::Corrupted(format!("a catalog row has the unknown kind {kind}"))),
        }
        Ok(())
    }

    /// Gives columns of enum types the present definitions.
    fn derive_enums(&mut self) {
        let current = |ty: &DataType| {
            let of = ty.enum_type()?;
            let def = self.enums.get(&of.oid)?;
            (!Arc::ptr_eq(&of.0, def)).then(|| ty.with_enum(def))
        };
        for table in self.tables.values_mut() {
            for at in 0..table.columns.len() {
                if let Some(ty) = current(&table.columns[at].ty) {
                    Arc::make_mut(table).columns[at].ty = ty;
                }
            }
        }
        for view in self.views.values_mut() {
            for at in 0..view.columns.len() {
                if let Some(ty) = current(&view.columns[at].1) {
                    Arc::make_mut(view).columns[at].1 = ty;
                }
            }
        }
    }

    fn derive_names(&mut self) {
        let tables = self.tables.values().map(|def| (&def.schema, &def.name, def.id));
        let indexes = self.indexes.values().map(|def| (&def.schema, &def.name, def.id));
        let views = self.views.values().map(|def| (&def.schema, &def.name, def.id));
        let sequences = self.sequences.values().map(|def| (&def.schema, &def.name, def.id));
        let relations = tables.chain(indexes).chain(views).chain(sequences);
        self.names = relations.map(|(schema, name, id)| ((schema.clone(), name.clone()), id)).collect();
        self.owned_sequences.clear();
        for sequence in self.sequences.values() {
            if let Some(owner) = sequence.owner {
                self.owned_sequences.entry(owner.table).or_default().push(Arc::clone(sequence));
            }
        }
        self.table_indexes.clear();
        for index in self.indexes.values() {
            if let IndexTarget::Table { table, .. } = &index.target {
                self.table_indexes.entry(*table).or_default().push(Arc::clone(index));
            }
        }
        self.referencing.clear();
        for table in self.tables.values() {
            for key in &table.foreign_keys {
                self.referencing.entry(key.referenced_table).or_default().insert(table.id);
            }
        }
    }
}

/// The two numbers that a key ends in.
fn two_numbers(rest: &[u8]) -> Result<(u32, u32)> {
    let [a, b, c, d, e, f, g, h] = *rest else {
        return Err(StorageError::Corrupted("a catalog row of two objects has a broken key".to_owned()));
    };
    Ok((u32::from_be_bytes([a, b, c, d]), u32::from_be_bytes([e, f, g, h])))
}

/// Rows of a new database's catalog: the schemas that always exist.
pub(crate) fn bootstrap_rows() -> Result<Vec<(Vec<u8>, Vec<u8>)>> {
    [("pg_catalog", 11), ("public", 2_200), ("sinew", 2_201), ("information_schema", 13_000)]
        .into_iter()
        .map(|(name, oid)| Ok((schema_key(name), encode_definition(&SchemaDef { oid, name: name.to_owned() })?)))
        .collect()
}
