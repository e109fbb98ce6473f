//! Logical operators.

use std::sync::Arc;

use sinew_storage::catalog::{IndexDef, TableDef};
use sinew_storage::graph::Direction;
use sinew_storage::{LockWait, RelationId, RowLock};

use super::{AggregateCall, Expr, GroupingSets, SortKey, VarId, Window};
use crate::functions::TableFunction;

#[derive(Clone, Debug, Default)]
pub enum Plan {
    /// One row without columns.
    #[default]
    Unit,
    Values {
        rows: Vec<Vec<Expr>>,
        output: Vec<VarId>,
    },
    /// Rows handed in from outside (COPY FROM STDIN).
    Supplied {
        output: Vec<VarId>,
    },
    TableScan(TableScan),
    /// A text or vector search that replaces a scan with filter, sort and limit.
    SearchScan(SearchScan),
    /// Nodes with any of the labels (all nodes when there are none), ascending ids.
    NodeScan {
        var: VarId,
        labels: Vec<Arc<str>>,
    },
    /// Nodes with the label, or relationships of the type, whose `key` may satisfy the lookup, through the ordered index.
    /// The optimizer makes it of a scan and a filter, which stays: an index gives more where it cannot tell.
    PropertyIndexSeek {
        var: VarId,
        label_or_type: Arc<str>,
        key: Arc<str>,
        lookup: PropertyLookup,
        index: Arc<IndexDef>,
    },
    /// Nodes or relationships by id: `value` gives an id, a node, or a list of them.
    NodeByIdSeek {
        var: VarId,
        value: Expr,
    },
    /// All relationships of the given types, directed as stored.
    RelationshipScan {
        var: VarId,
        types: Vec<Arc<str>>,
    },
    Expand(Box<Expand>),
    VarLengthExpand(Box<VarLengthExpand>),
    ShortestPath(Box<ShortestPath>),
    RepeatPath(Box<RepeatPath>),
    FunctionScan {
        function: Arc<dyn TableFunction>,
        args: Vec<Expr>,
        output: Vec<VarId>,
        ordinality: Option<VarId>,
    },
    Filter {
        input: Box<Plan>,
        predicate: Expr,
    },
    /// Output is exactly `items`.
    Project {
        input: Box<Plan>,
        items: Vec<(VarId, Expr)>,
    },
    /// Output is the input's and `items`.
    Extend {
        input: Box<Plan>,
        items: Vec<(VarId, Expr)>,
    },
    /// `on` is a conjunction. Semi and Anti output the left side only.
    Join {
        kind: JoinKind,
        left: Box<Plan>,
        right: Box<Plan>,
        on: Vec<Expr>,
    },
    /// For each row of `input`, `subplan` with that row's variables in scope.
    Apply {
        kind: ApplyKind,
        input: Box<Plan>,
        subplan: Box<Plan>,
    },
    /// Grouping is by equivalence (NULLs together). No groups: exactly one row.
    Aggregate {
        input: Box<Plan>,
        groups: Vec<(VarId, Expr)>,
        aggregates: Vec<(VarId, AggregateCall)>,
    },
    /// Rows once for each set, to be grouped above.
    GroupingSets(Box<GroupingSets>),
    /// Window functions of one window.
    Window(Box<Window>),
    Sort {
        input: Box<Plan>,
        keys: Vec<SortKey>,
    },
    Limit {
        input: Box<Plan>,
        skip: Option<Expr>,
        limit: Option<Expr>,
    },
    /// As `Limit`, with the rows behind that sort the same as the last one.
    LimitTies {
        input: Box<Plan>,
        keys: Vec<SortKey>,
        skip: Option<Expr>,
        limit: Expr,
    },
    /// Locks, for each input row, the rows of tables that it was made of, and keeps it if they still belong in the
    /// result. Output is the input's.
    LockRows {
        input: Box<Plan>,
        locks: Vec<TableLock>,
    },
    /// Over all output columns, or `on` (first row of each group is kept, in input order).
    Distinct {
        input: Box<Plan>,
        on: Option<Vec<Expr>>,
    },
    /// Sides are aligned by position: `left_columns[i]` and `right_columns[i]` give `output[i]`.
    SetOperation {
        op: SetOp,
        all: bool,
        left: Box<Plan>,
        right: Box<Plan>,
        left_columns: Vec<VarId>,
        right_columns: Vec<VarId>,
        output: Vec<VarId>,
    },
    /// One row per element; null gives none, a value that is no list gives itself.
    Unwind {
        input: Box<Plan>,
        list: Expr,
        var: VarId,
    },
    /// Evaluates `definition` once (on first use) and makes it readable by `CteScan`s in `body`.
    With {
        cte: CteId,
        definition: Box<Plan>,
        columns: Vec<VarId>,
        body: Box<Plan>,
    },
    /// As `With`; `recursive` reads the previous round through its own `CteScan`s.
    RecursiveWith {
        cte: CteId,
        base: Box<Plan>,
        base_columns: Vec<VarId>,
        recursive: Box<Plan>,
        recursive_columns: Vec<VarId>,
        all: bool,
        body: Box<Plan>,
    },
    /// `output[i]` is the i-th column of the definition.
    CteScan {
        cte: CteId,
        output: Vec<VarId>,
    },

    // Writes. Each collects its input before it writes.
    Insert(Box<Insert>),
    Update(Box<Update>),
    Delete(Box<Delete>),
    /// Applies the operations in order to each input row; output is the input's variables and those created.
    GraphWrite {
        input: Box<Plan>,
        operations: Vec<GraphWrite>,
    },
    /// For each input row: `matching` (correlated); if it gives no row, `create`, then `on_create`; else `on_match` for
    /// each. Output is the input's variables and the pattern's.
    Merge {
        input: Box<Plan>,
        matching: Box<Plan>,
        create: Vec<GraphWrite>,
        on_create: Vec<GraphWrite>,
        on_match: Vec<GraphWrite>,
    },
    Foreach {
        input: Box<Plan>,
        var: VarId,
        list: Expr,
        body: Vec<GraphWrite>,
    },
    /// CALL in a query. A procedure without outputs passes each row through. `outputs` are (position among the
    /// procedure's columns, variable).
    ProcedureCall {
        input: Box<Plan>,
        procedure: Arc<dyn TableFunction>,
        args: Vec<Expr>,
        outputs: Vec<(usize, VarId)>,
    },
    /// Runs the input to its end and gives no rows (a writing statement without RETURN).
    Discard {
        input: Box<Plan>,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct CteId(pub u32);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum JoinKind {
    Inner,
    Left,
    Right,
    Full,
    Semi,
    Anti,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ApplyKind {
    /// CROSS JOIN LATERAL; Cypher CALL {} and a further MATCH.
    Cross,
    /// LEFT JOIN LATERAL; OPTIONAL MATCH: the subplan's variables are NULL when it gives no row.
    Left,
    Semi,
    Anti,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SetOp {
    Union,
    Intersect,
    Except,
}

#[derive(Clone, Debug)]
pub struct TableScan {
    pub table: Arc<TableDef>,
    /// (position in `TableDef::columns`, variable); only what is needed. Virtual columns never appear.
    pub columns: Vec<(usize, VarId)>,
    /// Set when the row id is needed (UPDATE, DELETE, FOR UPDATE).
    pub row_id: Option<VarId>,
    /// Chosen by the optimizer.
    pub access: Option<IndexAccess>,
    /// The table's indexes over expressions and with predicates, bound over `columns`: what they hold is compared with what
    /// the query asks for. They read nothing by themselves.
    pub computed: Vec<ComputedIndex>,
}

/// An index over expressions or with a predicate, bound over the columns of a scan.
#[derive(Clone, Debug)]
pub struct ComputedIndex {
    pub index: RelationId,
    /// The parts of the key that are computed, aligned with the index's columns.
    pub keys: Vec<Option<Expr>>,
    /// Conjuncts.
    pub predicate: Vec<Expr>,
}

/// An ordered index read: equality on the first columns, then bounds on the next. Expressions may be correlated, but
/// read nothing of the scan itself.
#[derive(Clone, Debug)]
pub struct IndexAccess {
    pub index: Arc<IndexDef>,
    pub equal: Vec<Expr>,
    /// Instead of bounds: the next column equals any of these. A filter above repeats the condition.
    pub any: Option<AnyOf>,
    /// (expression, inclusive)
    pub lower: Option<(Expr, bool)>,
    pub upper: Option<(Expr, bool)>,
    pub reverse: bool,
}

impl IndexAccess {
    /// All entries of an index.
    pub fn whole(index: Arc<IndexDef>, reverse: bool) -> IndexAccess {
        IndexAccess { index, equal: Vec::new(), any: None, lower: None, upper: None, reverse }
    }
}

/// Values of which one is to be met.
#[derive(Clone, Debug)]
pub enum AnyOf {
    Items(Vec<Expr>),
    /// The elements of an array.
    Array(Expr),
}

impl AnyOf {
    pub fn exprs(&self) -> &[Expr] {
        match self {
            AnyOf::Items(items) => items,
            AnyOf::Array(array) => std::slice::from_ref(array),
        }
    }

    pub fn exprs_mut(&mut self) -> &mut [Expr] {
        match self {
            AnyOf::Items(items) => items,
            AnyOf::Array(array) => std::slice::from_mut(array),
        }
    }

    /// How many there are, or may be.
    pub fn expected_count(&self) -> f64 {
        match self {
            AnyOf::Items(items) => items.len() as f64,
            AnyOf::Array(Expr::List(items, _)) => items.len() as f64,
            AnyOf::Array(Expr::Literal(sinew_storage::Value::List(items), _)) => items.len() as f64,
            AnyOf::Array(_) => 10.0,
        }
    }
}

/// The rows of one table that a SELECT locks.
#[derive(Clone, Debug)]
pub struct TableLock {
    pub table: Arc<TableDef>,
    pub row_id: VarId,
    pub mode: RowLock,
    pub wait: LockWait,
}

/// A row lock mode as SELECT spells it.
pub fn lock_clause(mode: RowLock) -> &'static str {
    match mode {
        RowLock::KeyShare => "FOR KEY SHARE",
        RowLock::Share => "FOR SHARE",
        RowLock::NoKeyUpdate => "FOR NO KEY UPDATE",
        RowLock::Update => "FOR UPDATE",
    }
}

#[derive(Clone, Debug)]
pub struct SearchScan {
    pub table: Arc<TableDef>,
    pub index: Arc<IndexDef>,
    pub columns: Vec<(usize, VarId)>,
    pub row_id: Option<VarId>,
    pub query: Expr,
    /// Rows wanted; None for all text matches.
    pub limit: Option<Expr>,
    /// BM25 score or distance.
    pub score: Option<VarId>,
}

/// What is looked up in an index of properties.
#[derive(Clone, Debug)]
pub enum PropertyLookup {
    Equal(Expr),
    /// Equal to an element of a list.
    AnyOf(Expr),
    Prefix(Expr),
    /// Bounds, which may be taken as inclusive.
    Range {
        lower: Option<Expr>,
        upper: Option<Expr>,
    },
}

impl PropertyLookup {
    pub fn exprs(&self) -> impl Iterator<Item = &Expr> {
        let (first, second) = match self {
            PropertyLookup::Equal(value) | PropertyLookup::AnyOf(value) | PropertyLookup::Prefix(value) => {
                (Some(value), None)
            }
            PropertyLookup::Range { lower, upper } => (lower.as_ref(), upper.as_ref()),
        };
        first.into_iter().chain(second)
    }

    pub fn exprs_mut(&mut self) -> impl Iterator<Item = &mut Expr> {
        let (first, second) = match self {
            PropertyLookup::Equal(value) | PropertyLookup::AnyOf(value) | PropertyLookup::Prefix(value) => {
                (Some(value), None)
            }
            PropertyLookup::Range { lower, upper } => (lower.as_mut(), upper.as_mut()),
        };
        first.into_iter().chain(second)
    }
}

#[derive(Clone, Debug)]
pub struct Expand {
    pub input: Plan,
    pub from: VarId,
    pub relationship: VarId,
    pub to: VarId,
    /// `to` is already bound by the input: keep only matching ends.
    pub into: bool,
    /// `relationship` is already bound by the input: keep only that one.
    pub relationship_bound: bool,
    pub direction: Direction,
    /// Empty: all types.
    pub types: Vec<Arc<str>>,
    /// Relationships (or lists of them) of the same MATCH that this one must differ from.
    pub distinct_from: Vec<VarId>,
}

#[derive(Clone, Debug)]
pub struct VarLengthExpand {
    pub input: Plan,
    pub from: VarId,
    /// Gets the list of relationships.
    pub relationships: VarId,
    pub to: VarId,
    pub into: bool,
    pub direction: Direction,
    pub types: Vec<Arc<str>>,
    pub min: u32,
    pub max: Option<u32>,
    /// Must hold for each relationship, bound to `step`.
    pub step_filter: Option<(VarId, Expr)>,
    pub distinct_from: Vec<VarId>,
    /// Bound list of relationships to follow (a pattern reusing a bound list variable).
    pub bound_relationships: Option<VarId>,
}

/// shortestPath / allShortestPaths between two bound nodes.
#[derive(Clone, Debug)]
pub struct ShortestPath {
    pub input: Plan,
    pub from: VarId,
    pub to: VarId,
    /// Gets the list of relationships.
    pub relationships: VarId,
    pub direction: Direction,
    pub types: Vec<Arc<str>>,
    pub min: u32,
    pub max: Option<u32>,
    pub all: bool,
    pub step_filter: Option<(VarId, Expr)>,
    /// Must hold for the path, bound to the variable, and its `relationships`: what is wanted is the shortest such path.
    pub path_filter: Option<(VarId, Expr)>,
    pub length_bounds: Vec<LengthBound>,
}

/// An upper bound of a path's length. A value that is no number does not bound it.
#[derive(Clone, Debug)]
pub struct LengthBound {
    /// Over the input.
    pub value: Expr,
    pub exclusive: bool,
}

/// A quantified path pattern: `body` again and again, each time from where the time before ended, no relationship twice.
#[derive(Clone, Debug)]
pub struct RepeatPath {
    pub input: Plan,
    /// One repetition; reads `entry` beside the input's variables.
    pub body: Plan,
    /// Where the first repetition begins.
    pub from: VarId,
    /// Where the last one ends.
    pub to: VarId,
    pub into: bool,
    /// Of `body`: the node it begins at.
    pub entry: VarId,
    /// Of `body`: the node it ends at; may be `entry`.
    pub exit: VarId,
    /// The pattern is walked from its right end to its left one; lists still run from left to right.
    pub backward: bool,
    /// Relationships of one repetition, from left to right.
    pub body_relationships: Vec<VarId>,
    /// Gets all relationships.
    pub relationships: VarId,
    /// (variable of the body, list of its values in each repetition)
    pub groups: Vec<(VarId, VarId)>,
    pub min: u32,
    pub max: Option<u32>,
    pub distinct_from: Vec<VarId>,
}

#[derive(Clone, Debug)]
pub struct Insert {
    pub table: Arc<TableDef>,
    pub source: Plan,
    /// One per column of the table, aligned; defaults and assignment casts applied; NULL for virtual columns.
    pub values: Vec<Expr>,
    /// The new row's columns, aligned with the table's, for checks and RETURNING.
    pub new_row: Vec<VarId>,
    /// Conditions over `new_row`.
    pub checks: Vec<(RowRule, Expr)>,
    pub on_conflict: Option<OnConflict>,
    /// Over `new_row`. Empty without RETURNING.
    pub returning: Vec<(VarId, Expr)>,
}

/// Where a condition comes from that a new row must satisfy.
#[derive(Clone, Debug)]
pub enum RowRule {
    /// A CHECK constraint; NULL passes.
    Constraint(String),
    /// WITH CHECK OPTION, of a condition of this view; only true passes.
    ViewOption(String),
}

#[derive(Clone, Debug)]
pub struct OnConflict {
    /// Unique index to arbitrate; None: any.
    pub index: Option<Arc<IndexDef>>,
    /// None: DO NOTHING.
    pub update: Option<ConflictUpdate>,
}

/// DO UPDATE: `excluded` is the proposed row, `existing` the one in the table, both aligned with the table's columns.
#[derive(Clone, Debug)]
pub struct ConflictUpdate {
    pub excluded: Vec<VarId>,
    pub existing: Vec<VarId>,
    pub assignments: Vec<(usize, Expr)>,
    pub filter: Option<Expr>,
}

#[derive(Clone, Debug)]
pub struct Update {
    pub table: Arc<TableDef>,
    /// Gives the row id and the columns read.
    pub source: Plan,
    pub row_id: VarId,
    /// (position, new value over the source's variables)
    pub assignments: Vec<(usize, Expr)>,
    pub new_row: Vec<VarId>,
    pub checks: Vec<(RowRule, Expr)>,
    /// Over `new_row` and the source.
    pub returning: Vec<(VarId, Expr)>,
}

#[derive(Clone, Debug)]
pub struct Delete {
    pub table: Arc<TableDef>,
    pub source: Plan,
    pub row_id: VarId,
    /// Over the source's variables.
    pub returning: Vec<(VarId, Expr)>,
}

#[derive(Clone, Debug)]
pub enum GraphWrite {
    /// `properties` gives a map (or null).
    CreateNode {
        var: VarId,
        labels: Vec<Arc<str>>,
        properties: Option<Expr>,
    },
    /// `ty` gives its type's name.
    CreateRelationship {
        var: VarId,
        ty: Expr,
        source: VarId,
        target: VarId,
        properties: Option<Expr>,
    },
    /// `entity` null: nothing. A null value removes.
    SetProperty {
        entity: Expr,
        key: Arc<str>,
        value: Expr,
    },
    /// `= map` (replace) or `+= map`.
    SetProperties {
        entity: Expr,
        value: Expr,
        replace: bool,
    },
    /// `labels` gives a list of names.
    SetLabels {
        entity: Expr,
        labels: Expr,
    },
    RemoveProperty {
        entity: Expr,
        key: Arc<str>,
    },
    RemoveLabels {
        entity: Expr,
        labels: Expr,
    },
    /// Values may be nodes, relationships, paths or null. All deletions of a clause are carried out together after its
    /// input is consumed: relationships first, then nodes.
    Delete {
        values: Vec<Expr>,
        detach: bool,
    },
    /// Evaluates and binds (a path of what was just created).
    Bind {
        var: VarId,
        value: Expr,
    },
    Foreach {
        var: VarId,
        list: Expr,
        body: Vec<GraphWrite>,
    },
    /// MERGE inside FOREACH.
    Merge {
        matching: Box<Plan>,
        create: Vec<GraphWrite>,
        on_create: Vec<GraphWrite>,
        on_match: Vec<GraphWrite>,
    },
}
