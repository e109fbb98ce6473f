//! Bound, typed expressions.

use std::sync::Arc;

use sinew_storage::{DataType, Value};

use super::{Plan, VarId};
use crate::functions::{AggregateFunction, ScalarFunction};

#[derive(Clone, Debug)]
pub enum Expr {
    Literal(Value, DataType),
    Column(VarId, DataType),
    /// `$1` is 0. Named parameters of `cypher()` are numbered by the binder.
    Parameter(usize, DataType),
    /// A function or operator of the resolution table; arguments are already cast.
    Call {
        function: Arc<ScalarFunction>,
        args: Vec<Expr>,
        ty: DataType,
        position: Option<u32>,
    },
    /// A cast that is not the identity; `explicit` as in PostgreSQL (assignment casts are false).
    Cast {
        input: Box<Expr>,
        to: DataType,
        explicit: bool,
    },
    /// Three-valued, left to right, stops at the first FALSE.
    And(Vec<Expr>),
    /// Three-valued, left to right, stops at the first TRUE.
    Or(Vec<Expr>),
    Not(Box<Expr>),
    /// Cypher XOR, three-valued.
    Xor(Box<Expr>, Box<Expr>),
    IsNull(Box<Expr>),
    /// IS NOT DISTINCT FROM.
    IsNotDistinct(Box<Expr>, Box<Expr>),
    /// `operand` is already folded into boolean conditions. Lazy.
    Case {
        branches: Vec<(Expr, Expr)>,
        otherwise: Option<Box<Expr>>,
        ty: DataType,
    },
    /// Lazy.
    Coalesce(Vec<Expr>, DataType),
    /// SQL `x IN (a, b)` / `x = ANY(array)` as a list of items under an equality function; three-valued.
    InList {
        equals: Arc<ScalarFunction>,
        input: Box<Expr>,
        items: Vec<Expr>,
        negated: bool,
    },
    /// SQL `x op ANY/ALL (array)`.
    Quantified {
        operator: Arc<ScalarFunction>,
        input: Box<Expr>,
        array: Box<Expr>,
        all: bool,
    },
    /// SQL ARRAY[…] or Cypher list literal.
    List(Vec<Expr>, DataType),
    /// Cypher map literal.
    Map(Vec<(Arc<str>, Expr)>),
    /// Cypher `entity.key`: of a node, relationship, map or temporal value; null of null; TypeError otherwise.
    Property {
        input: Box<Expr>,
        key: Arc<str>,
        ty: DataType,
    },
    /// Cypher `n:A:B` as a predicate.
    HasLabels {
        input: Box<Expr>,
        labels: Vec<Arc<str>>,
    },
    /// Cypher `[x IN list WHERE p | e]`.
    ListComprehension {
        var: VarId,
        list: Box<Expr>,
        filter: Option<Box<Expr>>,
        map: Option<Box<Expr>>,
    },
    /// Cypher all/any/none/single.
    ListPredicate {
        kind: ListPredicateKind,
        var: VarId,
        list: Box<Expr>,
        predicate: Box<Expr>,
    },
    /// Cypher `reduce(acc = init, x IN list | e)`.
    Reduce {
        accumulator: VarId,
        init: Box<Expr>,
        var: VarId,
        list: Box<Expr>,
        step: Box<Expr>,
    },
    /// A path from its parts.
    Path(Vec<PathPart>),
    Subquery(Box<Subquery>),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ListPredicateKind {
    All,
    Any,
    None,
    Single,
}

/// Parts alternate; the first is a node.
#[derive(Clone, Debug)]
pub enum PathPart {
    Node(VarId),
    Relationship(VarId),
    /// A list of relationships (variable length); the nodes between are implied.
    RelationshipList(VarId),
}

/// A subquery inside an expression. Correlated variables are those that `plan` reads and does not produce.
#[derive(Clone, Debug)]
pub struct Subquery {
    pub kind: SubqueryKind,
    pub plan: Plan,
    /// The column that carries the result (Scalar, In, Collect…).
    pub column: Option<VarId>,
    pub ty: DataType,
}

#[derive(Clone, Debug)]
pub enum SubqueryKind {
    Exists,
    /// One row at most (21000), NULL when none.
    Scalar,
    /// `input op ANY (subquery)`; IN is `=` ANY.
    Any {
        operator: Arc<ScalarFunction>,
        input: Expr,
    },
    All {
        operator: Arc<ScalarFunction>,
        input: Expr,
    },
    /// SQL ARRAY(subquery), Cypher COLLECT {} and pattern comprehensions: a list in row order.
    Collect,
    /// Cypher COUNT {}.
    Count,
}

/// One aggregate of an [`Plan::Aggregate`].
#[derive(Clone, Debug)]
pub struct AggregateCall {
    pub function: Arc<AggregateFunction>,
    /// Empty for `count(*)`. Already cast.
    pub args: Vec<Expr>,
    pub distinct: bool,
    pub filter: Option<Expr>,
    pub order_by: Vec<SortKey>,
    pub ty: DataType,
}

#[derive(Clone, Debug)]
pub struct SortKey {
    pub expr: Expr,
    pub descending: bool,
    pub nulls_first: bool,
}

impl Expr {
    pub fn null(ty: DataType) -> Expr {
        Expr::Literal(Value::Null, ty)
    }

    pub fn bool(b: bool) -> Expr {
        Expr::Literal(Value::Bool(b), DataType::Bool)
    }

    /// The static type.
    pub fn ty(&self) -> DataType {
        match self {
            Expr::Literal(_, ty)
            | Expr::Column(_, ty)
            | Expr::Parameter(_, ty)
            | Expr::Call { ty, .. }
            | Expr::Cast { to: ty, .. }
            | Expr::Case { ty, .. }
            | Expr::Coalesce(_, ty)
            | Expr::List(_, ty)
            | Expr::Property { ty, .. } => ty.clone(),
            Expr::And(_)
            | Expr::Or(_)
            | Expr::Not(_)
            | Expr::Xor(..)
            | Expr::IsNull(_)
            | Expr::IsNotDistinct(..)
            | Expr::InList { .. }
            | Expr::Quantified { .. }
            | Expr::HasLabels { .. }
            | Expr::ListPredicate { .. } => DataType::Bool,
            Expr::Map(_) => DataType::Map,
            Expr::ListComprehension { .. } => DataType::array_of(DataType::Any),
            Expr::Reduce { .. } => DataType::Any,
            Expr::Path(_) => DataType::Path,
            Expr::Subquery(subquery) => subquery.ty.clone(),
        }
    }

    /// The conjunction; `true` when empty, the only one when single.
    pub fn and(mut conjuncts: Vec<Expr>) -> Expr {
        match conjuncts.len() {
            0 => Expr::bool(true),
            1 => conjuncts.remove(0),
            _ => Expr::And(conjuncts),
        }
    }
}
