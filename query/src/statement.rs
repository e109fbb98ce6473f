//! Bound statements: what the front ends hand to the engine.

use std::sync::Arc;

use sinew_storage::DataType;
use sinew_storage::catalog::{ForeignKeyDef, IndexDef, TableDef, ViewDef};
use sinew_storage::ids::RelationId;

use crate::algebra::{Plan, VarId, VarTable};

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

#[derive(Clone, Copy, Debug, Default)]
pub struct ExplainOptions {
    pub analyze: bool,
    pub verbose: bool,
    pub json: bool,
}

/// What COPY FROM writes to.
#[derive(Clone, Debug)]
pub struct CopyTarget {
    /// The table's bare name.
    pub table: String,
    /// Of the columns that are given, in the order of the data.
    pub columns: Vec<(String, DataType)>,
}

#[derive(Clone, Debug)]
pub struct CopyOptions {
    pub format: CopyFormat,
    pub delimiter: u8,
    pub null: String,
    pub header: bool,
    pub quote: u8,
    pub escape: u8,
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
        if_not_exists: bool,
    },
    /// With `cascade`, foreign keys of other tables go too.
    DropTable {
        tables: Vec<(String, RelationId)>,
        cascade: bool,
    },
    /// The new definition; `validate` are checks that existing rows must pass, `not_null` columns likewise.
    AlterTable {
        table: TableDef,
        validate: Vec<(String, String)>,
        not_null: Vec<String>,
        add_indexes: Vec<IndexDef>,
        drop_indexes: Vec<RelationId>,
    },
    /// Present rows must satisfy them.
    AddForeignKeys {
        table: RelationId,
        keys: Vec<AddForeignKey>,
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
    /// With all tables that refer to them: 0A000 when one is missing.
    Truncate {
        tables: Vec<RelationId>,
    },
    CreateIndex {
        index: IndexDef,
        if_not_exists: bool,
    },
    DropIndex {
        indexes: Vec<(String, RelationId)>,
    },
    CreateView {
        view: ViewDef,
        replace: bool,
    },
    DropView {
        views: Vec<(String, RelationId)>,
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
