//! `pg_catalog`: PostgreSQL 15's catalogs and system views, computed from the catalog of the running transaction.
//!
//! Nothing here is stored. A relation is a row of a table: its name, its columns as PostgreSQL declares them, and a
//! function that makes its rows. Clients read these relations to learn what exists, so columns carry PostgreSQL's names
//! and order even where this database has nothing to say in them.
//!
//! Oids: tables, views and indexes have the catalog's ids (16384 and up); a primary key or unique constraint has its
//! index's oid in `pg_constraint`; a check or foreign key has one made of its table and name ([`identity::constraints`]). System
//! relations have PostgreSQL's oids or numbers below 16384 ([`crate::types::reg`]). Column numbers count a table's present
//! columns from 1.
//!
//! Types that this database lacks are shown by their nearest kin ([`column_type`]): `pg_node_tree` and `aclitem` are text,
//! `xid` is an oid.

mod column_statistics;
pub(crate) mod definitions;
pub(crate) mod describe;
mod empty;
pub(crate) mod functions;
pub(crate) mod identity;
pub(super) mod keywords;
mod locks;
pub(crate) mod relations;
mod roles;
mod session_objects;
mod settings;
pub(crate) mod signatures;
mod statements;
mod statistics;
mod store;
pub(crate) mod types;
mod views;

#[cfg(test)]
mod tests;

pub(crate) use types::extension_oid;

use std::sync::{Arc, OnceLock};

use rustc_hash::FxHashMap;
use sinew_storage::{DataType, Value};

use crate::batch::{BATCH_ROWS, Batch, Column};
use crate::context::ExecContext;
use crate::error::Result;
use crate::exec::RowStream;
use crate::functions::{Param, TableFunction};

pub(super) type Row = Vec<Value>;
pub(super) type Rows = Result<Vec<Row>>;

/// One system relation as it is declared.
pub(super) struct SystemRelation {
    pub name: &'static str,
    /// `pg_class.relkind`: `r` for catalogs, `v` for views over them.
    pub kind: char,
    /// `name type, …`, types as PostgreSQL names them.
    pub columns: &'static str,
    /// In any order; each row has a value per column.
    pub rows: fn(&ExecContext) -> Rows,
}

/// A catalog.
pub(super) const fn table(name: &'static str, columns: &'static str, rows: fn(&ExecContext) -> Rows) -> SystemRelation {
    SystemRelation { name, kind: 'r', columns, rows }
}

/// A view over catalogs.
pub(super) const fn view(name: &'static str, columns: &'static str, rows: fn(&ExecContext) -> Rows) -> SystemRelation {
    SystemRelation { name, kind: 'v', columns, rows }
}

/// What is always empty here.
pub(super) fn no_rows(_: &ExecContext) -> Rows {
    Ok(Vec::new())
}

/// A system relation with its columns parsed.
pub(super) struct Relation {
    definition: &'static SystemRelation,
    columns: Vec<(String, DataType)>,
}

impl std::fmt::Debug for Relation {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.definition.name)
    }
}

impl TableFunction for Relation {
    fn name(&self) -> &str {
        self.definition.name
    }

    fn params(&self) -> &[Param] {
        &[]
    }

    fn columns(&self) -> &[(String, DataType)] {
        &self.columns
    }

    fn call(&self, context: &ExecContext, _: &[Value]) -> Result<Box<dyn RowStream>> {
        context.cancel.check()?;
        let types = self.columns.iter().map(|(_, ty)| ty.clone()).collect();
        let rows = (self.definition.rows)(context)?;
        Ok(Box::new(Rowset { types, rows: rows.into_iter() }))
    }
}

/// Rows that are all made already, cut into batches.
struct Rowset {
    types: Vec<DataType>,
    rows: std::vec::IntoIter<Row>,
}

impl RowStream for Rowset {
    fn next_batch(&mut self) -> Result<Option<Batch>> {
        let rows: Vec<Row> = self.rows.by_ref().take(BATCH_ROWS).collect();
        if rows.is_empty() {
            return Ok(None);
        }
        let row_count = rows.len();
        let mut columns: Vec<Vec<Value>> = self.types.iter().map(|_| Vec::with_capacity(row_count)).collect();
        for row in rows {
            debug_assert_eq!(row.len(), columns.len());
            for (column, value) in columns.iter_mut().zip(row) {
                column.push(value);
            }
        }
        let columns = self.types.iter().zip(columns).map(|(ty, values)| Column::from_values(ty, values)).collect();
        Ok(Some(Batch::new(columns, row_count)))
    }
}

/// The type a declared column has here.
fn column_type(declared: &str) -> DataType {
    match declared {
        "\"char\"" | "char" => DataType::Char,
        "aclitem[]" | "anyarray" | "pg_statistic[]" => DataType::array_of(DataType::Text),
        "char[]" => DataType::array_of(DataType::Char),
        "pg_node_tree" | "inet" | "pg_lsn" | "pg_mcv_list" | "pg_ndistinct" | "pg_dependencies" => DataType::Text,
        "xid" => DataType::Oid,
        "sql_identifier" => DataType::Name,
        "character_data" => DataType::Varchar(None),
        "yes_or_no" => DataType::Varchar(Some(3)),
        "cardinal_number" => DataType::Int4,
        "time_stamp" => DataType::Timestamptz,
        name => crate::types::type_from_name(name)
            .unwrap_or_else(|| panic!("type \"{name}\" in the declaration of a system relation")),
    }
}

/// The relations of one schema by name.
pub(super) struct RelationSet {
    relations: Vec<Arc<Relation>>,
    by_name: FxHashMap<&'static str, usize>,
}

impl RelationSet {
    pub(super) fn build(families: &[&'static [SystemRelation]]) -> RelationSet {
        let parse = |definition: &'static SystemRelation| {
            let columns = definition
                .columns
                .split(',')
                .map(|column| {
                    let (name, ty) = column.trim().split_once(' ').expect("a declared column has a name and a type");
                    (name.to_owned(), column_type(ty.trim()))
                })
                .collect();
            Arc::new(Relation { definition, columns })
        };
        let relations: Vec<Arc<Relation>> = families.iter().flat_map(|family| family.iter()).map(parse).collect();
        let by_name = relations.iter().enumerate().map(|(at, relation)| (relation.definition.name, at)).collect();
        RelationSet { relations, by_name }
    }

    pub(super) fn get(&self, name: &str) -> Option<&Arc<Relation>> {
        self.by_name.get(name).map(|at| &self.relations[*at])
    }

    pub(super) fn names(&self) -> Vec<&'static str> {
        self.relations.iter().map(|relation| relation.definition.name).collect()
    }
}

fn relations() -> &'static RelationSet {
    static RELATIONS: OnceLock<RelationSet> = OnceLock::new();
    RELATIONS.get_or_init(|| {
        RelationSet::build(&[
            relations::RELATIONS,
            types::RELATIONS,
            functions::RELATIONS,
            roles::RELATIONS,
            session_objects::RELATIONS,
            settings::RELATIONS,
            views::RELATIONS,
            statements::RELATIONS,
            statistics::RELATIONS,
            column_statistics::RELATIONS,
            locks::RELATIONS,
            store::RELATIONS,
            empty::RELATIONS,
        ])
    })
}

/// By name.
pub(crate) fn relation(name: &str) -> Option<Arc<dyn TableFunction>> {
    relations().get(name).map(|relation| Arc::clone(relation) as Arc<dyn TableFunction>)
}

/// Every name.
pub(super) fn names() -> Vec<&'static str> {
    relations().names()
}

/// `pg_class.relkind` of a system relation.
pub(super) fn relation_kind(schema: &str, name: &str) -> char {
    match schema {
        "pg_catalog" => relations().get(name).map_or('v', |relation| relation.definition.kind),
        _ => 'v',
    }
}

/// What may stand in a row.
pub(super) trait Cell {
    fn cell(self) -> Value;
}

impl Cell for Value {
    fn cell(self) -> Value {
        self
    }
}

impl Cell for bool {
    fn cell(self) -> Value {
        Value::Bool(self)
    }
}

impl Cell for f64 {
    fn cell(self) -> Value {
        Value::Float(self)
    }
}

impl Cell for char {
    fn cell(self) -> Value {
        Value::text(self.to_string())
    }
}

impl Cell for &str {
    fn cell(self) -> Value {
        Value::text(self)
    }
}

impl Cell for &String {
    fn cell(self) -> Value {
        Value::text(self.as_str())
    }
}

impl Cell for String {
    fn cell(self) -> Value {
        Value::text(self)
    }
}

impl<T: Cell> Cell for Option<T> {
    fn cell(self) -> Value {
        self.map_or(Value::Null, Cell::cell)
    }
}

impl<T: Cell> Cell for Vec<T> {
    fn cell(self) -> Value {
        Value::list(self.into_iter().map(Cell::cell).collect())
    }
}

macro_rules! integer_cells {
    ($($ty:ty),*) => {$(
        impl Cell for $ty {
            fn cell(self) -> Value {
                Value::Int(i64::from(self))
            }
        }
    )*};
}

integer_cells!(i16, i32, i64, u32);

impl Cell for usize {
    fn cell(self) -> Value {
        Value::Int(i64::try_from(self).unwrap_or(i64::MAX))
    }
}

pub(super) const NULL: Value = Value::Null;

/// A row from anything that is a [`Cell`].
macro_rules! row {
    ($($value:expr),* $(,)?) => {
        vec![$($crate::system::pg_catalog::Cell::cell($value)),*]
    };
}
pub(super) use row;
