//! Bound statements: what the front ends hand to the engine.

use std::sync::Arc;

use sinew_storage::DataType;
use sinew_storage::catalog::{
    ForeignKeyDef, GraphConstraintDef, IndexDef, LabelPosition, SequenceDef, TableDef, ViewDef,
};
use sinew_storage::ids::{ColumnId, RelationId};

use crate::algebra::{Plan, VarId, VarTable};
use crate::error::{QueryError, sqlstate};
use crate::sql::Reworded;

/// Columns of one result, as in PostgreSQL.
pub const MAX_OUTPUT_COLUMNS: usize = 1_664;

/// Words, literals and signs of one statement. What is read of each takes up to a kilobyte until the statement is planned.
pub(crate) const MAX_TOKENS: usize = 2_000_000;

/// 54001 for a statement that has more than [`MAX_TOKENS`]; the first one too many is at the position.
pub(crate) fn too_many_tokens(position: usize) -> QueryError {
    let message = format!("statement has more than {MAX_TOKENS} words and signs");
    QueryError::new(sqlstate::STATEMENT_TOO_COMPLEX, message)
        .hint("Send data as parameters, by COPY, or in several statements.")
        .at(Some(position))
}

/// A query (reading or writing, SQL or Cypher) ready for the optimizer.
#[derive(Clone, Debug)]
pub struct BoundQuery {
    pub plan: Plan,
    pub output: Vec<OutputColumn>,
    pub vars: VarTable,
    /// Types of `$1…`; none is Unknown.
    pub params: Vec<DataType>,
    /// Names of parameters when they are named (`cypher()`), aligned with `params`.
    pub param_names: Vec<Arc<str>>,
    pub kind: QueryKind,
}

#[derive(Clone, Debug)]
pub struct OutputColumn {
    pub name: Arc<str>,
    pub var: VarId,
    pub ty: DataType,
    /// (table oid, attribute number) when the column is a table's, for RowDescription.
    pub origin: Option<(u32, i16)>,
}

/// Decides the command tag.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum QueryKind {
    Select,
    Insert,
    Update,
    Delete,
    /// A Cypher statement that only reads (tag `MATCH n`… reported as SELECT n).
    CypherRead,
    CypherWrite,
    Call,
}

impl QueryKind {
    /// What the statement is called in messages.
    pub fn command(self) -> &'static str {
        match self {
            QueryKind::Select => "SELECT",
            QueryKind::Insert => "INSERT",
            QueryKind::Update => "UPDATE",
            QueryKind::Delete => "DELETE",
            QueryKind::CypherRead | QueryKind::CypherWrite => "a Cypher statement that writes",
            QueryKind::Call => "CALL",
        }
    }
}

#[derive(Clone, Debug)]
pub enum BoundStatement {
    Query(BoundQuery),
    Explain {
        query: BoundQuery,
        options: ExplainOptions,
    },
    Ddl(Vec<Ddl>),
    CreateTableAs(Box<CreateTableAs>),
    /// COPY … FROM STDIN: an Insert over [`Plan::Supplied`].
    CopyFrom {
        query: BoundQuery,
        target: CopyTarget,
        options: CopyOptions,
    },
    CopyTo {
        query: BoundQuery,
        options: CopyOptions,
    },
}

/// A table, and the query whose rows it begins with.
#[derive(Clone, Debug)]
pub struct CreateTableAs {
    pub query: BoundQuery,
    /// Its columns are the query's.
    pub table: TableDef,
    pub on_commit: OnCommit,
    /// False: WITH NO DATA.
    pub with_data: bool,
}

/// What becomes of a temporary table when a transaction commits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnCommit {
    #[default]
    PreserveRows,
    DeleteRows,
    Drop,
}

/// A sequence to be made for a column.
#[derive(Clone, Debug)]
pub struct NewSequence {
    pub def: SequenceDef,
    pub column: ColumnId,
    pub is_identity: bool,
}

/// A column's new type and values.
#[derive(Clone, Debug)]
pub struct ColumnRewrite {
    pub column: ColumnId,
    pub ty: DataType,
    /// SQL text over the row as it was.
    pub expression: String,
}

/// Where a sequence goes on when its definition has changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SequencePosition {
    /// Nothing that matters to its numbers has changed.
    Unchanged,
    /// Where it stands, which the new limits must allow (22023).
    Checked,
    /// At this number.
    At(i64),
}

#[derive(Clone, Copy, Debug)]
pub struct ExplainOptions {
    pub analyze: bool,
    pub verbose: bool,
    pub costs: bool,
    pub timing: bool,
    /// None: with ANALYZE.
    pub summary: Option<bool>,
    pub settings: bool,
    pub json: bool,
}

impl Default for ExplainOptions {
    fn default() -> ExplainOptions {
        ExplainOptions {
            analyze: false,
            verbose: false,
            costs: true,
            timing: true,
            summary: None,
            settings: false,
            json: false,
        }
    }
}

/// What COPY FROM writes to.
#[derive(Clone, Debug)]
pub struct CopyTarget {
    /// The table's bare name.
    pub table: String,
    /// Of the columns that are given, in the order of the data.
    pub columns: Vec<(String, DataType)>,
    /// A condition drops some of the rows.
    pub filtered: bool,
}

#[derive(Clone, Debug)]
pub struct CopyOptions {
    pub format: CopyFormat,
    pub delimiter: u8,
    pub null: String,
    pub header: CopyHeader,
    pub quote: u8,
    pub escape: u8,
    /// Per column: CSV values are quoted whether they must be or not. Empty: none. So with the next two.
    pub force_quote: Vec<bool>,
    /// The text for NULL is read as a value.
    pub force_not_null: Vec<bool>,
    /// A quoted text for NULL is read as NULL.
    pub force_null: Vec<bool>,
}

/// Whether the first line names the columns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CopyHeader {
    None,
    Line,
    /// The names must be those of the columns.
    Match,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CopyFormat {
    Text,
    Csv,
    Binary,
}

/// A foreign key to add. The index it relies on may be made by the same statement, so it is found by name when it is
/// carried out; ids in `key` that were not known are 0 until then.
#[derive(Clone, Debug)]
pub struct AddForeignKey {
    pub key: ForeignKeyDef,
    /// Of the index.
    pub schema: String,
    pub index: String,
}

/// A constraint of the graph, with the definition that holds it.
#[derive(Clone, Debug)]
pub enum NewGraphConstraint {
    /// Uniqueness and keys.
    Index(IndexDef),
    /// Existence and types.
    Rule(GraphConstraintDef),
}

/// A change of an enum type.
#[derive(Clone, Debug)]
pub enum EnumChange {
    AddLabel { label: String, position: LabelPosition },
    RenameLabel { from: String, to: String },
    Rename(String),
}

/// Carried out in order by the engine through the transaction; the tag is the first one's.
#[derive(Clone, Debug)]
pub enum Ddl {
    CreateSchema {
        name: String,
        if_not_exists: bool,
    },
    DropSchema {
        name: String,
        if_exists: bool,
        cascade: bool,
    },
    /// `table.id` and the ids of `indexes` are allocated when it is carried out.
    CreateTable {
        table: TableDef,
        indexes: Vec<IndexDef>,
        foreign_keys: Vec<AddForeignKey>,
        sequences: Vec<NewSequence>,
        if_not_exists: bool,
        on_commit: OnCommit,
    },
    /// Its owner is known; the id is allocated when it is carried out.
    CreateSequence {
        sequence: SequenceDef,
    },
    AlterSequence {
        sequence: SequenceDef,
        position: SequencePosition,
        tag: &'static str,
    },
    DropSequence {
        sequences: Vec<(String, RelationId)>,
    },
    /// Of a column of another table, by CASCADE.
    DropDefault {
        table: RelationId,
        column: String,
    },
    /// Materialized views too. With `cascade`, foreign keys of other tables go as well.
    DropTable {
        tables: Vec<(String, RelationId)>,
        cascade: bool,
        tag: &'static str,
    },
    /// The table holds what its query gives now, or nothing.
    RefreshMaterialized {
        table: RelationId,
        with_data: bool,
    },
    /// The new definition; `validate` are checks that existing rows must pass, `not_null` columns likewise.
    AlterTable {
        table: TableDef,
        validate: Vec<(String, String)>,
        not_null: Vec<String>,
        add_indexes: Vec<IndexDef>,
        drop_indexes: Vec<RelationId>,
        add_sequences: Vec<NewSequence>,
        /// Columns that get another type, each with what its values become.
        rewrites: Vec<ColumnRewrite>,
    },
    /// Present rows must satisfy them.
    AddForeignKeys {
        table: RelationId,
        keys: Vec<AddForeignKey>,
    },
    /// Present rows must satisfy a foreign key of the table.
    ValidateForeignKey {
        table: RelationId,
        name: String,
    },
    /// By referencing table and name; part of a command with this tag.
    DropForeignKeys {
        keys: Vec<(RelationId, String)>,
        tag: &'static str,
    },
    /// Renames the constraint that the index carries out.
    RenameIndex {
        id: RelationId,
        new_name: String,
    },
    RenameTable {
        id: RelationId,
        new_name: String,
    },
    /// The texts of an index name a column that has been renamed.
    RewordIndex {
        index: IndexDef,
    },
    /// A view's text names a column that has been renamed before. The error is for a text that does not name the same
    /// columns as before.
    RewordView {
        view: RelationId,
        reworded: Reworded,
        refused: QueryError,
    },
    /// With all tables that refer to them: 0A000 when one is missing. RESTART IDENTITY begins the tables' own sequences
    /// anew.
    Truncate {
        tables: Vec<RelationId>,
        restart_identity: bool,
    },
    /// A relation of any kind gets another name or schema.
    MoveRelation {
        id: RelationId,
        schema: String,
        name: String,
        tag: &'static str,
    },
    RenameSchema {
        old: String,
        new: String,
    },
    /// 25001 in a transaction block.
    OutsideBlock {
        what: &'static str,
        tag: &'static str,
    },
    /// Builds the indexes anew.
    Reindex {
        indexes: Vec<RelationId>,
    },
    /// On anything but a table and its columns, by PostgreSQL's oids of the catalog that lists it and of the object.
    CommentOn {
        class: u32,
        object: u32,
        comment: Option<String>,
    },
    CreateIndex {
        index: IndexDef,
        if_not_exists: bool,
    },
    DropIndex {
        indexes: Vec<(String, RelationId)>,
    },
    /// What exists must satisfy it; its id is allocated when it is carried out.
    CreateGraphConstraint {
        constraint: NewGraphConstraint,
        if_not_exists: bool,
    },
    DropGraphConstraint {
        id: RelationId,
    },
    CreateView {
        view: ViewDef,
        replace: bool,
    },
    DropView {
        views: Vec<(String, RelationId)>,
    },
    /// Labels in order.
    CreateEnum {
        schema: String,
        name: String,
        labels: Vec<String>,
    },
    AlterEnum {
        oid: u32,
        change: EnumChange,
    },
    DropEnum {
        oid: u32,
    },
    /// A column with everything that needs it, as part of DROP TYPE … CASCADE.
    DropColumn {
        table: RelationId,
        column: String,
    },
    Comment {
        relation: RelationId,
        column: Option<String>,
        comment: Option<String>,
    },
    /// Nothing to do, with a NOTICE (IF EXISTS of something missing).
    Nothing {
        tag: &'static str,
        notice: Option<String>,
    },
}
