//! Who owns what, and the oids of objects that the catalog does not number itself.

use std::sync::Arc;

use sinew_storage::catalog::{
    Catalog, CheckDef, ColumnDef, ConstraintKind, ConstraintTiming, ForeignKeyDef, IdentityKind, IndexDef, IndexKind,
    IndexTarget, TableBehaviour, TableDef,
};
use sinew_storage::{ColumnId, DataType, RelationId};
use sqlparser::tokenizer::{Token, Tokenizer};

use crate::types::reg;

/// The bootstrap superuser of PostgreSQL: the role every session has, and the owner of everything.
pub(crate) const OWNER_OID: u32 = 10;
/// The one database.
pub(crate) const DATABASE_OID: u32 = 5;
/// `pg_default`.
pub(crate) const TABLESPACE_OID: u32 = 1663;
/// Collation "default".
pub(crate) const DEFAULT_COLLATION_OID: u32 = 100;
/// Collation "C".
pub(crate) const C_COLLATION_OID: u32 = 950;

/// `pg_am` itself.
pub(crate) const PG_AM_OID: u32 = 2601;
pub(crate) const HEAP_OID: u32 = 2;
pub(crate) const BTREE_OID: u32 = 403;
/// Of pgvector's access method; an extension's oid differs per database, ours is fixed.
pub(crate) const HNSW_OID: u32 = 16_110;
pub(crate) const BM25_OID: u32 = 16_111;

/// Access method of an index.
pub(crate) fn access_method(kind: &IndexKind) -> (&'static str, u32) {
    match kind {
        IndexKind::Ordered { .. } => ("btree", BTREE_OID),
        IndexKind::Vector(_) => ("hnsw", HNSW_OID),
        IndexKind::FullText { .. } => ("bm25", BM25_OID),
    }
}

/// Oid of a schema; 0 when it is unknown.
pub(crate) fn schema_oid(catalog: &Catalog, name: &str) -> u32 {
    reg::schema_oid(catalog, name).unwrap_or(0)
}

/// `attcollation` and `typcollation`: 0 for types without one.
pub(crate) fn collation_oid(ty: &DataType) -> u32 {
    match ty {
        DataType::Text | DataType::Varchar(_) | DataType::Bpchar(_) => DEFAULT_COLLATION_OID,
        DataType::Name => C_COLLATION_OID,
        DataType::Array(element) => collation_oid(element),
        _ => 0,
    }
}

/// Indexes over tables with their table, in id order. Indexes over the graph belong to no relation and are left out.
pub(crate) fn table_indexes(catalog: &Catalog) -> impl Iterator<Item = (&Arc<IndexDef>, &Arc<TableDef>)> {
    catalog.indexes.values().filter_map(|index| match &index.target {
        IndexTarget::Table { table, .. } => catalog.tables.get(table).map(|table| (index, table)),
        _ => None,
    })
}

/// Tables of schema `sinew` that the engine made. Users' own tables may be beside them.
pub(crate) fn engine_tables(catalog: &Catalog) -> impl Iterator<Item = &Arc<TableDef>> {
    catalog.tables.values().filter(|table| is_engine_table(table))
}

pub(crate) fn is_engine_table(table: &TableDef) -> bool {
    table.schema == "sinew" && (table.behaviour != TableBehaviour::Plain || table.name == "conversations")
}

/// 1-based numbers of an index's columns within its table.
pub(crate) fn index_column_numbers(index: &IndexDef, table: &TableDef) -> Vec<usize> {
    match &index.target {
        IndexTarget::Table { columns, .. } => {
            columns.iter().map(|column| table.position_of(column.column).map_or(0, |position| position + 1)).collect()
        }
        _ => Vec::new(),
    }
}

/// What a row of `pg_constraint` stands for.
pub(crate) enum ConstraintBody<'c> {
    Key(ConstraintKind, &'c IndexDef),
    Check(&'c CheckDef),
    ForeignKey(ForeignKey<'c>),
}

/// A foreign key with what it refers to.
pub(crate) struct ForeignKey<'c> {
    pub key: &'c ForeignKeyDef,
    pub table: &'c TableDef,
    pub index: &'c IndexDef,
}

impl<'c> ForeignKey<'c> {
    /// 1-based numbers of the columns referred to, in the constraint's order.
    pub(crate) fn referenced_numbers(&self) -> Vec<usize> {
        numbers_of(self.table, &self.key.referenced_columns)
    }

    pub(crate) fn referenced_columns(&self) -> Vec<&'c ColumnDef> {
        columns_at(self.table, self.referenced_numbers())
    }
}

/// 1-based numbers of columns.
fn numbers_of(table: &TableDef, ids: &[ColumnId]) -> Vec<usize> {
    ids.iter().map(|id| table.position_of(*id).map_or(0, |position| position + 1)).collect()
}

fn columns_at(table: &TableDef, numbers: Vec<usize>) -> Vec<&ColumnDef> {
    numbers.into_iter().filter_map(|number| table.columns.get(number.checked_sub(1)?)).collect()
}

/// A row of `pg_constraint`.
pub(crate) struct Constraint<'c> {
    pub oid: u32,
    pub table: &'c TableDef,
    pub name: &'c str,
    pub body: ConstraintBody<'c>,
}

impl<'c> Constraint<'c> {
    /// 1-based numbers of the columns of its table that it is about: a key's in key order, a check's as its text names
    /// them.
    pub(crate) fn column_numbers(&self) -> Vec<usize> {
        match &self.body {
            ConstraintBody::Key(_, index) => index_column_numbers(index, self.table),
            ConstraintBody::Check(check) => columns_named(self.table, &check.expression),
            ConstraintBody::ForeignKey(foreign) => numbers_of(self.table, &foreign.key.columns),
        }
    }

    pub(crate) fn columns(&self) -> Vec<&'c ColumnDef> {
        columns_at(self.table, self.column_numbers())
    }

    pub(crate) fn timing(&self) -> ConstraintTiming {
        match &self.body {
            ConstraintBody::ForeignKey(foreign) => foreign.key.timing,
            ConstraintBody::Key(..) | ConstraintBody::Check(_) => ConstraintTiming::NotDeferrable,
        }
    }

    pub(crate) fn is_not_valid(&self) -> bool {
        match &self.body {
            ConstraintBody::ForeignKey(foreign) => foreign.key.not_valid,
            ConstraintBody::Check(check) => check.not_valid,
            ConstraintBody::Key(..) => false,
        }
    }
}

/// 1-based numbers of a table's columns that stand in an expression's text, in order of appearance.
fn columns_named(table: &TableDef, expression: &str) -> Vec<usize> {
    let dialect = sqlparser::dialect::PostgreSqlDialect {};
    let Ok(tokens) = Tokenizer::new(&dialect, expression).tokenize() else { return Vec::new() };
    let mut numbers = Vec::new();
    for token in tokens {
        if let Token::Word(word) = token {
            let name = if word.quote_style.is_some() { word.value } else { word.value.to_lowercase() };
            if let Some(position) = table.column_position(&name)
                && !numbers.contains(&(position + 1))
            {
                numbers.push(position + 1);
            }
        }
    }
    numbers
}

/// Every constraint, keys first, foreign keys last. A key has its index's oid. Checks and foreign keys have oids of 2^31
/// and up, hashed (FNV-1a) from table and name, so that they stay the same when others come and go; of two that fall on
/// one number, the later in this order takes the next.
pub(crate) fn constraints(catalog: &Catalog) -> Vec<Constraint<'_>> {
    let mut all = Vec::new();
    for (index, table) in table_indexes(catalog) {
        if let Some(kind) = index.constraint {
            let body = ConstraintBody::Key(kind, index);
            all.push(Constraint { oid: index.id.0, table, name: &index.name, body });
        }
    }
    let mut taken = rustc_hash::FxHashSet::default();
    for table in catalog.tables.values() {
        for check in &table.checks {
            let mut oid = hashed_oid(table.id.0, check.name.as_bytes());
            while !taken.insert(oid) {
                oid = oid.wrapping_add(1) | 0x8000_0000;
            }
            all.push(Constraint { oid, table, name: &check.name, body: ConstraintBody::Check(check) });
        }
    }
    for table in catalog.tables.values() {
        for key in &table.foreign_keys {
            let (Some(referenced), Some(index)) =
                (catalog.tables.get(&key.referenced_table), catalog.indexes.get(&key.referenced_index))
            else {
                continue;
            };
            let mut oid = hashed_oid(table.id.0, key.name.as_bytes());
            while !taken.insert(oid) {
                oid = oid.wrapping_add(1) | 0x8000_0000;
            }
            let body = ConstraintBody::ForeignKey(ForeignKey { key, table: referenced, index });
            all.push(Constraint { oid, table, name: &key.name, body });
        }
    }
    all
}

/// FNV-1a of a relation and something within it, with the highest bit set.
pub(crate) fn hashed_oid(relation: u32, within: &[u8]) -> u32 {
    let bytes = relation.to_be_bytes();
    let hash = bytes
        .iter()
        .chain(within)
        .fold(0x811c_9dc5_u32, |hash, byte| (hash ^ u32::from(*byte)).wrapping_mul(0x0100_0193));
    hash | 0x8000_0000
}

/// Oid of a default in `pg_attrdef`.
pub(crate) fn default_oid(table: u32, column: u16) -> u32 {
    hashed_oid(table, &column.to_be_bytes())
}

/// Oid of a view's `_RETURN` rule in `pg_rewrite`.
pub(crate) fn rule_oid(view: RelationId) -> u32 {
    hashed_oid(view.0, b"_RETURN")
}

/// A column of any relation, as `pg_attribute` shows it.
pub(crate) struct Attribute<'c> {
    pub name: &'c str,
    pub ty: &'c DataType,
    pub not_null: bool,
    pub has_default: bool,
    pub identity: Option<IdentityKind>,
    pub is_generated: bool,
}
