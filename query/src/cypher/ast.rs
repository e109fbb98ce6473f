//! The syntax tree of Cypher statements.
//!
//! Trees compare structurally: a [`Span`] equals every other span, so `n.age` of RETURN equals `n.age` of ORDER BY.
//! The binder relies on this to recognise grouping keys.

mod pattern;

use std::sync::Arc;

use rustc_hash::FxHashSet;
use sinew_storage::TemporalKind;

pub use pattern::*;

/// Byte range of the source text.
#[derive(Clone, Copy, Debug, Default, Eq)]
pub struct Span {
    pub start: u32,
    pub end: u32,
}

impl PartialEq for Span {
    fn eq(&self, _: &Span) -> bool {
        true
    }
}

impl Span {
    pub fn new(start: usize, end: usize) -> Span {
        Span { start: u32::try_from(start).unwrap_or(u32::MAX), end: u32::try_from(end).unwrap_or(u32::MAX) }
    }

    pub fn to(self, end: Span) -> Span {
        Span { start: self.start, end: end.end }
    }
}

/// An identifier where it stands.
#[derive(Clone, Debug, PartialEq)]
pub struct Name {
    pub text: Arc<str>,
    pub span: Span,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExplainMode {
    Explain,
    Profile,
}

#[derive(Clone, Debug, PartialEq)]
pub enum Statement {
    Query { query: Query, explain: Option<ExplainMode> },
    Schema(SchemaCommand),
}

#[derive(Clone, Debug, PartialEq)]
pub enum SchemaCommand {
    CreateIndex {
        name: Option<Name>,
        if_not_exists: bool,
        /// Of nodes, or of relationships (`FOR ()-[r:T]-()`).
        relationship: bool,
        labels: Vec<Name>,
        properties: Vec<Name>,
        kind: IndexCommandKind,
    },
    CreateConstraint {
        name: Option<Name>,
        if_not_exists: bool,
        /// Of nodes, or of relationships (`FOR ()-[r:T]-()`).
        relationship: bool,
        label: Name,
        properties: Vec<Name>,
        rule: ConstraintRule,
    },
    DropIndex {
        name: Name,
        if_exists: bool,
    },
    DropConstraint {
        name: Name,
        if_exists: bool,
    },
    Show(Box<ShowCommand>),
}

#[derive(Clone, Debug, PartialEq)]
pub enum IndexCommandKind {
    Ordered,
    FullText { options: Option<Expr> },
    Vector { options: Option<Expr> },
}

/// What a constraint requires of its properties.
#[derive(Clone, Debug, PartialEq)]
pub enum ConstraintRule {
    Unique,
    Key,
    NotNull,
    /// The type, and where it stands.
    Type(ValueType, Span),
}

#[derive(Clone, Debug, PartialEq)]
pub struct ShowCommand {
    pub kind: ShowKind,
    pub span: Span,
    /// YIELD: what is shown of each row, and which rows.
    pub yields: Option<Projection>,
    /// WHERE without YIELD.
    pub filter: Option<Expr>,
    /// RETURN behind YIELD, and where it stands.
    pub returns: Option<(Projection, Span)>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ShowKind {
    Indexes(Option<ShowIndexKind>),
    Constraints(ConstraintFilter),
    Functions { built_in: bool },
    Procedures,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ShowIndexKind {
    Range,
    FullText,
    Vector,
    /// Of a kind that no index can have here.
    Absent,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ConstraintFilter {
    /// Of relationships, or of nodes; both.
    pub relationship: Option<bool>,
    pub rule: Option<ShowRule>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ShowRule {
    Unique,
    Key,
    Exists,
    Type,
}

/// Entries of a map, where the last of equal keys counts.
pub fn last_of_equal_keys<T>(mut entries: Vec<(Arc<str>, T)>) -> Vec<(Arc<str>, T)> {
    let mut known = FxHashSet::default();
    // From the end, so that the last ones are found first.
    let mut is_last: Vec<bool> = entries.iter().rev().map(|(key, _)| known.insert(key.clone())).collect();
    if known.len() < entries.len() {
        entries.retain(|_| is_last.pop().unwrap_or(true));
    }
    entries
}

/// One single query, or several joined by UNION.
#[derive(Clone, Debug, PartialEq)]
pub struct Query {
    pub first: SingleQuery,
    /// (UNION ALL, next).
    pub rest: Vec<(bool, SingleQuery)>,
}

#[derive(Clone, Debug, PartialEq)]
pub struct SingleQuery {
    pub clauses: Vec<Clause>,
    pub span: Span,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Clause {
    pub kind: ClauseKind,
    pub span: Span,
}

#[derive(Clone, Debug, PartialEq)]
pub enum ClauseKind {
    Match {
        optional: bool,
        patterns: Vec<PathPattern>,
        filter: Option<Expr>,
    },
    Unwind {
        list: Expr,
        var: Name,
    },
    With(Projection),
    Return(Projection),
    Create {
        patterns: Vec<PathPattern>,
    },
    Merge {
        pattern: PathPattern,
        on_create: Vec<SetItem>,
        on_match: Vec<SetItem>,
    },
    Set(Vec<SetItem>),
    Remove(Vec<RemoveItem>),
    Delete {
        detach: bool,
        values: Vec<Expr>,
    },
    Foreach {
        var: Name,
        list: Expr,
        body: Vec<Clause>,
    },
    Call(ProcedureCall),
    Subquery {
        /// OPTIONAL CALL: rows for which it gives nothing stay, with nulls.
        optional: bool,
        imports: Imports,
        query: Box<Query>,
    },
    /// Ends a query that gives no rows.
    Finish,
}

/// The variables that `CALL … { … }` sees.
#[derive(Clone, Debug, PartialEq)]
pub enum Imports {
    /// `CALL { WITH a, b … }`
    LeadingWith,
    /// `CALL (a, b) { … }`
    Names(Vec<Name>),
    /// `CALL (*) { … }`
    All,
}

#[derive(Clone, Debug, PartialEq)]
pub struct ProcedureCall {
    /// OPTIONAL CALL: rows for which it gives nothing stay, with nulls.
    pub optional: bool,
    pub name: Arc<str>,
    pub name_span: Span,
    /// None: without parentheses; arguments come from parameters.
    pub args: Option<Vec<Expr>>,
    pub outputs: Yield,
    pub filter: Option<Expr>,
}

#[derive(Clone, Debug, PartialEq)]
pub enum Yield {
    Nothing,
    Star(Span),
    /// (column, alias).
    Items(Vec<(Name, Option<Name>)>),
}

#[derive(Clone, Debug, PartialEq)]
pub struct Projection {
    pub distinct: bool,
    pub star: Option<Span>,
    pub items: Vec<ProjectionItem>,
    pub order_by: Vec<OrderItem>,
    pub skip: Option<Expr>,
    pub limit: Option<Expr>,
    /// Of WITH.
    pub filter: Option<Expr>,
}

#[derive(Clone, Debug, PartialEq)]
pub struct ProjectionItem {
    pub expr: Expr,
    pub alias: Option<Name>,
    /// Source text of the expression: the column's name without an alias.
    pub text: Arc<str>,
}

#[derive(Clone, Debug, PartialEq)]
pub struct OrderItem {
    pub expr: Expr,
    pub descending: bool,
}

#[derive(Clone, Debug, PartialEq)]
pub enum SetItem {
    Property {
        target: Expr,
        key: Arc<str>,
        value: Expr,
    },
    /// `n = map`, or `n += map`.
    Properties {
        target: Name,
        value: Expr,
        replace: bool,
    },
    /// `n[key] = value`
    DynamicProperty {
        target: Expr,
        key: Expr,
        value: Expr,
    },
    Labels {
        target: Name,
        labels: Vec<LabelName>,
    },
}

#[derive(Clone, Debug, PartialEq)]
pub enum RemoveItem {
    Property {
        target: Expr,
        key: Arc<str>,
    },
    /// `n[key]`
    DynamicProperty {
        target: Expr,
        key: Expr,
    },
    Labels {
        target: Name,
        labels: Vec<LabelName>,
    },
}

#[derive(Clone, Debug, PartialEq)]
pub struct Expr {
    pub kind: ExprKind,
    pub span: Span,
}

#[derive(Clone, Debug, PartialEq)]
pub enum Parameter {
    /// `$1` is 0.
    Positional(usize),
    Named(Arc<str>),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UnaryOp {
    Minus,
    Plus,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BinaryOp {
    Add,
    Subtract,
    Multiply,
    Divide,
    Modulo,
    Power,
    /// `||`
    Concatenate,
    In,
    StartsWith,
    EndsWith,
    Contains,
    Matches,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CompareOp {
    Equal,
    NotEqual,
    Less,
    LessEqual,
    Greater,
    GreaterEqual,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Quantifier {
    All,
    Any,
    None,
    Single,
}

/// Alternatives, and whether null is excluded from each.
#[derive(Clone, Debug, PartialEq)]
pub struct ValueType(pub Vec<(TypeName, bool)>);

#[derive(Clone, Debug, PartialEq)]
pub enum TypeName {
    Any,
    Nothing,
    Null,
    Boolean,
    Integer,
    Float,
    String,
    Temporal(TemporalKind),
    Map,
    Node,
    Relationship,
    Path,
    /// What a property may hold.
    PropertyValue,
    List(Box<ValueType>),
}

#[derive(Clone, Debug, PartialEq)]
pub enum ExprKind {
    Null,
    Bool(bool),
    Int(i64),
    Float(f64),
    String(Arc<str>),
    Parameter(Parameter),
    Variable(Arc<str>),
    List(Vec<Expr>),
    Map(Vec<(Arc<str>, Expr)>),
    Property(Box<Expr>, Name),
    HasLabels(Box<Expr>, LabelExpr),
    Index(Box<Expr>, Box<Expr>),
    Slice(Box<Expr>, Option<Box<Expr>>, Option<Box<Expr>>),
    Unary(UnaryOp, Box<Expr>),
    Binary(BinaryOp, Box<Expr>, Box<Expr>),
    /// `a < b <= c`.
    Comparison(Box<Expr>, Vec<(CompareOp, Expr)>),
    And(Vec<Expr>),
    Or(Vec<Expr>),
    Xor(Vec<Expr>),
    Not(Box<Expr>),
    IsNull(Box<Expr>, bool),
    /// `a IS :: TYPE`; negated or not.
    IsTyped(Box<Expr>, ValueType, bool),
    /// `a IS NFC NORMALIZED` with the name of the form; negated or not.
    IsNormalized(Box<Expr>, &'static str, bool),
    CountStar,
    /// What CASE tests, in the conditions of its branches.
    CaseOperand,
    Call {
        name: Arc<str>,
        distinct: bool,
        args: Vec<Expr>,
    },
    Case {
        /// The conditions name it as [`ExprKind::CaseOperand`].
        operand: Option<Box<Expr>>,
        branches: Vec<(Expr, Expr)>,
        otherwise: Option<Box<Expr>>,
    },
    ListComprehension {
        var: Name,
        list: Box<Expr>,
        filter: Option<Box<Expr>>,
        map: Option<Box<Expr>>,
    },
    Quantified {
        kind: Quantifier,
        var: Name,
        list: Box<Expr>,
        predicate: Option<Box<Expr>>,
    },
    Reduce {
        accumulator: Name,
        init: Box<Expr>,
        var: Name,
        list: Box<Expr>,
        step: Box<Expr>,
    },
    PatternComprehension {
        pattern: Box<PathPattern>,
        filter: Option<Box<Expr>>,
        map: Box<Expr>,
    },
    /// A pattern used as a predicate, or shortestPath as a value.
    Pattern(Box<PathPattern>),
    Exists(Box<SubqueryBody>),
    Count(Box<SubqueryBody>),
    Collect(Box<SubqueryBody>),
    MapProjection {
        var: Name,
        items: Vec<MapProjectionItem>,
    },
}

#[derive(Clone, Debug, PartialEq)]
pub enum SubqueryBody {
    Pattern { patterns: Vec<PathPattern>, filter: Option<Expr> },
    Query(Query),
}

#[derive(Clone, Debug, PartialEq)]
pub enum MapProjectionItem {
    /// `.key`
    Property(Name),
    /// `.*`
    All,
    /// `key: expr`
    Entry(Arc<str>, Expr),
    /// `variable`
    Variable(Name),
}

impl Expr {
    /// Calls `visit` on every direct sub-expression (not into subqueries).
    pub fn for_each_child<'e>(&'e self, visit: &mut dyn FnMut(&'e Expr)) {
        match &self.kind {
            ExprKind::Null
            | ExprKind::Bool(_)
            | ExprKind::Int(_)
            | ExprKind::Float(_)
            | ExprKind::String(_)
            | ExprKind::Parameter(_)
            | ExprKind::Variable(_)
            | ExprKind::CountStar
            | ExprKind::CaseOperand
            | ExprKind::Exists(_)
            | ExprKind::Count(_)
            | ExprKind::Collect(_) => {}
            ExprKind::List(items) | ExprKind::And(items) | ExprKind::Or(items) | ExprKind::Xor(items) => {
                items.iter().for_each(visit);
            }
            ExprKind::Map(entries) => entries.iter().for_each(|(_, value)| visit(value)),
            ExprKind::Property(input, _)
            | ExprKind::Unary(_, input)
            | ExprKind::Not(input)
            | ExprKind::IsNull(input, _)
            | ExprKind::IsTyped(input, ..)
            | ExprKind::IsNormalized(input, ..) => visit(input),
            ExprKind::HasLabels(input, labels) => {
                visit(input);
                labels.for_each_expr(visit);
            }
            ExprKind::Index(input, index) => {
                visit(input);
                visit(index);
            }
            ExprKind::Slice(input, from, to) => {
                visit(input);
                from.iter().chain(to).for_each(|bound| visit(bound));
            }
            ExprKind::Binary(_, left, right) => {
                visit(left);
                visit(right);
            }
            ExprKind::Comparison(first, rest) => {
                visit(first);
                rest.iter().for_each(|(_, operand)| visit(operand));
            }
            ExprKind::Call { args, .. } => args.iter().for_each(visit),
            ExprKind::Case { operand, branches, otherwise } => {
                if let Some(operand) = operand {
                    visit(operand);
                }
                for (condition, value) in branches {
                    visit(condition);
                    visit(value);
                }
                if let Some(otherwise) = otherwise {
                    visit(otherwise);
                }
            }
            ExprKind::ListComprehension { list, filter, map, .. } => {
                visit(list);
                filter.iter().chain(map).for_each(|part| visit(part));
            }
            ExprKind::Quantified { list, predicate, .. } => {
                visit(list);
                if let Some(predicate) = predicate {
                    visit(predicate);
                }
            }
            ExprKind::Reduce { init, list, step, .. } => {
                visit(init);
                visit(list);
                visit(step);
            }
            ExprKind::PatternComprehension { pattern, filter, map } => {
                pattern.for_each_expr(visit);
                if let Some(filter) = filter {
                    visit(filter);
                }
                visit(map);
            }
            ExprKind::Pattern(pattern) => pattern.for_each_expr(visit),
            ExprKind::MapProjection { items, .. } => {
                for item in items {
                    if let MapProjectionItem::Entry(_, value) = item {
                        visit(value);
                    }
                }
            }
        }
    }

    /// True when `test` holds for this expression or any sub-expression.
    pub fn any(&self, test: &dyn Fn(&Expr) -> bool) -> bool {
        if test(self) {
            return true;
        }
        let mut found = false;
        self.for_each_child(&mut |child| found = found || child.any(test));
        found
    }
}
