//! The catalog: what exists, as of one snapshot.
//!
//! Definitions are rows of the catalog keyspace, written by transactional DDL; [`Catalog`] is their parsed, immutable
//! form, shared by every reader of a snapshot and replaced as a whole when a commit changes it. A transaction that ran
//! DDL sees its own [`Catalog`]. Expressions (defaults, checks, index predicates, views) are kept as SQL text and bound
//! by whoever uses them.

mod enum_type;
pub(crate) mod graph_constraint;
pub(crate) mod rows;
mod sequence;
mod statistics;

pub use enum_type::{EnumDef, EnumLabel, EnumType, LabelPosition};
pub use graph_constraint::{
    Carrier, GraphConstraint, GraphConstraintDef, GraphConstraintKind, PropertyRule, PropertyType, PropertyTypes,
    ScalarType,
};
pub(crate) use rows::bootstrap_rows;
pub use statistics::{ColumnStatistics, StatisticsValue, TableStatistics};

pub use sequence::{SequenceDef, SequenceOwner, SequenceValue};

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::DataType;
use crate::ids::{ColumnId, LabelId, PropertyKeyId, RelationId, RelationshipTypeId};

/// First id given to relations that users create (PostgreSQL's FirstNormalObjectId).
pub const FIRST_USER_RELATION: u32 = 16_384;

/// Everything that exists at one snapshot.
#[derive(Clone, Debug, Default)]
pub struct Catalog {
    /// Moves with every DDL commit; part of the plan cache's key.
    pub version: u64,
    pub schemas: BTreeMap<String, SchemaDef>,
    pub tables: BTreeMap<RelationId, Arc<TableDef>>,
    pub indexes: BTreeMap<RelationId, Arc<IndexDef>>,
    pub views: BTreeMap<RelationId, Arc<ViewDef>>,
    pub sequences: BTreeMap<RelationId, Arc<SequenceDef>>,
    /// Sequences that go with each table.
    pub owned_sequences: BTreeMap<RelationId, Vec<Arc<SequenceDef>>>,
    /// Comments on everything but tables and their columns, which have theirs in their definition: by PostgreSQL's oids of
    /// the catalog that lists the object and of the object.
    pub comments: BTreeMap<(u32, u32), String>,
    /// (schema, relation name) of tables, views, indexes and sequences: one namespace, as in PostgreSQL. Rules
    /// of `graph_constraints` take their names from it as well, but are no relations.
    pub names: BTreeMap<(String, String), RelationId>,
    /// What ANALYZE found out, by table.
    pub statistics: BTreeMap<RelationId, Arc<TableStatistics>>,
    /// Indexes of each table, in id order.
    pub table_indexes: BTreeMap<RelationId, Vec<Arc<IndexDef>>>,
    /// Enum types by oid.
    pub enums: BTreeMap<u32, Arc<EnumDef>>,
    /// Rules over properties that no index carries out.
    pub graph_constraints: BTreeMap<RelationId, Arc<GraphConstraintDef>>,
    /// Moves with every index over nodes or relationships, and every rule over their properties, that is created or dropped.
    pub graph_version: u64,
    /// Views that cannot exist without a relation, by that relation.
    pub dependents: BTreeMap<RelationId, BTreeSet<RelationId>>,
    /// Tables with a foreign key to a table, by that table; a table may refer to itself.
    pub referencing: BTreeMap<RelationId, BTreeSet<RelationId>>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SchemaDef {
    pub oid: u32,
    pub name: String,
}

/// A stored table.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TableDef {
    pub id: RelationId,
    pub schema: String,
    pub name: String,
    /// In declaration order, without dropped ones.
    pub columns: Vec<ColumnDef>,
    /// Next column id to give.
    pub next_column_id: u16,
    pub checks: Vec<CheckDef>,
    /// In the order they were made. Definitions from before foreign keys have no such field.
    #[serde(default)]
    pub foreign_keys: Vec<ForeignKeyDef>,
    /// What the engine does beside storing the rows.
    pub behaviour: TableBehaviour,
    /// Moves with every change of this definition.
    pub version: u64,
    pub comment: Option<String>,
    /// Storage parameters by name, as they were given; the store has no use for them.
    #[serde(default)]
    pub options: Vec<(String, String)>,
    /// The table holds what a materialized view shows.
    #[serde(default)]
    pub materialized: Option<MaterializedDef>,
}

/// A query whose result a table holds, as of the last time it was filled.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct MaterializedDef {
    /// SQL text.
    pub query: String,
    /// False: it has not been filled, and cannot be read.
    pub is_populated: bool,
}

/// The query of a view, materialized or not.
pub struct StoredQuery<'c> {
    pub id: RelationId,
    pub schema: &'c str,
    pub name: &'c str,
    /// As messages call the relation.
    pub kind: &'static str,
    pub query: &'c str,
}

/// Rows of some relations are completed by the engine as they are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum TableBehaviour {
    #[default]
    Plain,
    /// `sinew.messages`: seq, ids, times and the conversation's row are supplied on insert.
    Messages,
    /// Written by the engine only; users may read.
    EngineOnly,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ColumnDef {
    pub id: ColumnId,
    pub name: String,
    pub ty: DataType,
    pub not_null: bool,
    /// Evaluated when an INSERT gives no value.
    pub default: Option<DefaultExpr>,
    /// GENERATED … AS IDENTITY: the default counts, and a sequence of the column's own goes with it.
    #[serde(default)]
    pub identity: Option<IdentityKind>,
    /// When set, the column stores nothing: reading it evaluates this SQL expression over the row's other columns.
    pub virtual_expression: Option<String>,
    pub comment: Option<String>,
}

impl ColumnDef {
    /// Takes the default away. Rows from before the column existed go on reading the value they had.
    pub fn drop_default(&mut self) {
        match &mut self.default {
            Some(default) if default.constant.is_some() => default.expression = "NULL".to_owned(),
            _ => self.default = None,
        }
    }
}

/// Whether values of an identity column may be given.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum IdentityKind {
    /// Only with OVERRIDING SYSTEM VALUE.
    Always,
    ByDefault,
}

/// A default. `constant` is what rows older than an ADD COLUMN read.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DefaultExpr {
    /// SQL text.
    pub expression: String,
    /// Value for rows written before the column existed, in the row encoding of one value.
    pub constant: Option<Vec<u8>>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CheckDef {
    pub name: String,
    /// SQL text.
    pub expression: String,
    /// Rows from before the constraint need not satisfy it.
    #[serde(default)]
    pub not_valid: bool,
}

/// A foreign key, kept with the referencing table.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ForeignKeyDef {
    pub name: String,
    /// Of the referencing table, in the order they were written.
    pub columns: Vec<ColumnId>,
    pub referenced_table: RelationId,
    /// Of the referenced table, aligned with `columns`.
    pub referenced_columns: Vec<ColumnId>,
    /// The unique index over exactly the referenced columns, in an order of its own.
    pub referenced_index: RelationId,
    pub match_type: ForeignKeyMatch,
    pub on_delete: ReferentialAction,
    pub on_update: ReferentialAction,
    #[serde(default)]
    pub timing: ConstraintTiming,
    /// Rows from before the constraint need not satisfy it.
    #[serde(default)]
    pub not_valid: bool,
}

/// When a constraint is checked: at the end of the statement, or of the transaction.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum ConstraintTiming {
    #[default]
    NotDeferrable,
    /// DEFERRABLE: with the statement, unless SET CONSTRAINTS says otherwise.
    InitiallyImmediate,
    /// With the transaction, unless SET CONSTRAINTS says otherwise.
    InitiallyDeferred,
}

impl ConstraintTiming {
    pub fn is_deferrable(self) -> bool {
        self != ConstraintTiming::NotDeferrable
    }

    pub fn is_initially_deferred(self) -> bool {
        self == ConstraintTiming::InitiallyDeferred
    }
}

/// What a key that holds NULL must satisfy.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ForeignKeyMatch {
    /// Nothing.
    Simple,
    /// All of its columns must be NULL.
    Full,
}

/// What becomes of referencing rows when their key is deleted or changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ReferentialAction {
    /// They are refused at the end of the statement, unless another row has taken the key.
    NoAction,
    /// They are refused.
    Restrict,
    Cascade,
    SetNull,
    SetDefault,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ViewDef {
    pub id: RelationId,
    pub schema: String,
    pub name: String,
    pub columns: Vec<(String, DataType)>,
    /// SQL text of the query.
    pub query: String,
    /// What rows that are written through the view must satisfy.
    #[serde(default)]
    pub check_option: Option<CheckOption>,
}

/// WITH CHECK OPTION: whose conditions a row that is written through a view must satisfy.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum CheckOption {
    /// The view's own.
    Local,
    /// Also those of the views below it.
    Cascaded,
}

/// An index of any kind, over a table or over the graph. Graph indexes live in schema `sinew`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct IndexDef {
    pub id: RelationId,
    pub schema: String,
    pub name: String,
    pub target: IndexTarget,
    pub kind: IndexKind,
    /// The constraint this index carries out, if any.
    pub constraint: Option<ConstraintKind>,
    /// What an ordered index over a table may have beside its key.
    #[serde(default)]
    pub options: IndexOptions,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct IndexOptions {
    /// SQL text of a condition on the row: rows that do not satisfy it have no entry.
    pub predicate: Option<String>,
    /// Columns that the predicate and the key's expressions read.
    pub reads: Vec<ColumnId>,
    /// INCLUDE: named with the index, and not a part of its key.
    pub included: Vec<ColumnId>,
    /// Of a unique index: keys that hold NULL collide too.
    #[serde(default)]
    pub nulls_not_distinct: bool,
}

impl IndexDef {
    /// Some rows have no entry, or a part of the key is computed: keys are made by an [`crate::IndexFunction`].
    pub fn is_computed(&self) -> bool {
        let has_expression = match &self.target {
            IndexTarget::Table { columns, .. } => columns.iter().any(|column| column.expression.is_some()),
            IndexTarget::Nodes { .. } | IndexTarget::Relationships { .. } => false,
        };
        has_expression || self.options.predicate.is_some()
    }

    /// Whether the index cannot be without a column of its table.
    pub fn needs_column(&self, column: ColumnId) -> bool {
        let IndexTarget::Table { columns, .. } = &self.target else { return false };
        columns.iter().any(|key| key.column == column)
            || self.options.reads.contains(&column)
            || self.options.included.contains(&column)
    }
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum IndexTarget {
    Table {
        table: RelationId,
        columns: Vec<IndexColumn>,
    },
    /// Nodes that carry any of the labels (one label for ordered and vector indexes).
    Nodes {
        labels: Vec<LabelId>,
        properties: Vec<PropertyKeyId>,
    },
    Relationships {
        types: Vec<RelationshipTypeId>,
        properties: Vec<PropertyKeyId>,
    },
}

/// The column of a key's part that is computed; columns of tables are numbered from 1.
pub const EXPRESSION_COLUMN: ColumnId = ColumnId(0);

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct IndexColumn {
    /// [`EXPRESSION_COLUMN`] with an expression.
    pub column: ColumnId,
    pub descending: bool,
    pub nulls_first: bool,
    #[serde(default)]
    pub expression: Option<IndexExpression>,
}

/// SQL text over a row's columns, immutable, and its type.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct IndexExpression {
    pub text: String,
    pub ty: DataType,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ConstraintKind {
    /// Over the graph: a key of a label or relationship type, of which there may be several.
    PrimaryKey,
    Unique,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum IndexKind {
    /// Ordered by key; NULL keys are stored and, unless the options say otherwise, never collide.
    Ordered {
        unique: bool,
    },
    /// tantivy base plus tail. Text of several columns or properties is searched together.
    FullText {
        analyzer: String,
    },
    Vector(VectorIndexOptions),
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct VectorIndexOptions {
    pub metric: VectorMetric,
    pub dimension_count: u32,
    /// Set when the indexed column is text: the vector is this embedder's of the text.
    pub embedder: Option<String>,
    /// HNSW's M and efConstruction.
    pub connections: u16,
    pub construction_width: u16,
}

/// Distances as pgvector computes them: smaller is nearer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum VectorMetric {
    /// `<->`
    Euclidean,
    /// `<=>`
    Cosine,
    /// `<#>`: the negative inner product.
    InnerProduct,
}

impl Catalog {
    pub fn relation_id(&self, schema: &str, name: &str) -> Option<RelationId> {
        self.names.get(&(schema.to_owned(), name.to_owned())).copied()
    }

    pub fn table(&self, schema: &str, name: &str) -> Option<&Arc<TableDef>> {
        self.tables.get(&self.relation_id(schema, name)?)
    }

    pub fn index(&self, schema: &str, name: &str) -> Option<&Arc<IndexDef>> {
        self.indexes.get(&self.relation_id(schema, name)?)
    }

    pub fn graph_constraint(&self, schema: &str, name: &str) -> Option<&Arc<GraphConstraintDef>> {
        self.graph_constraints.values().find(|def| def.name == name && def.schema == schema)
    }

    pub fn enum_type(&self, schema: &str, name: &str) -> Option<&Arc<EnumDef>> {
        self.enums.values().find(|def| def.name == name && def.schema == schema)
    }

    /// Columns of tables and views that are of an enum or arrays of it: (`table t`, column).
    pub fn enum_columns(&self, oid: u32) -> impl Iterator<Item = (String, &str)> {
        let is_of = move |ty: &DataType| ty.enum_type().is_some_and(|of| of.oid == oid);
        let tables = self.tables.values().flat_map(move |table| {
            let columns = table.columns.iter().filter(move |column| is_of(&column.ty));
            columns.map(move |column| (format!("table {}", table.name), column.name.as_str()))
        });
        let views = self.views.values().flat_map(move |view| {
            let columns = view.columns.iter().filter(move |(_, ty)| is_of(ty));
            columns.map(move |(name, _)| (format!("view {}", view.name), name.as_str()))
        });
        tables.chain(views)
    }

    /// Queries of views and materialized views.
    pub fn stored_queries(&self) -> impl Iterator<Item = StoredQuery<'_>> {
        let views = self.views.values().map(|view| StoredQuery {
            id: view.id,
            schema: &view.schema,
            name: &view.name,
            kind: "view",
            query: &view.query,
        });
        let materialized = self.tables.values().filter_map(|table| {
            let of = table.materialized.as_ref()?;
            let kind = "materialized view";
            Some(StoredQuery { id: table.id, schema: &table.schema, name: &table.name, kind, query: &of.query })
        });
        views.chain(materialized)
    }

    pub fn indexes_of(&self, table: RelationId) -> &[Arc<IndexDef>] {
        self.table_indexes.get(&table).map_or(&[], Vec::as_slice)
    }

    /// Foreign keys that refer to a table, each with the table it belongs to, in order of that table's id and of the
    /// constraints' making.
    pub fn references_to(&self, table: RelationId) -> impl Iterator<Item = (&Arc<TableDef>, &ForeignKeyDef)> {
        let owners = self.referencing.get(&table).into_iter().flatten().filter_map(|owner| self.tables.get(owner));
        owners.flat_map(move |owner| {
            let keys = owner.foreign_keys.iter().filter(move |key| key.referenced_table == table);
            keys.map(move |key| (owner, key))
        })
    }

    pub fn primary_key(&self, table: RelationId) -> Option<&Arc<IndexDef>> {
        self.indexes_of(table).iter().find(|index| index.constraint == Some(ConstraintKind::PrimaryKey))
    }
}

impl TableDef {
    /// Position of a column by name.
    pub fn column_position(&self, name: &str) -> Option<usize> {
        self.columns.iter().position(|column| column.name == name)
    }

    /// Position of a column by id.
    pub fn position_of(&self, id: ColumnId) -> Option<usize> {
        self.columns.iter().position(|column| column.id == id)
    }
}
