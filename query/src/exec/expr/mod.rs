//! Compiled expressions and their evaluation.
//!
//! Variables became positions: a slot of the operator's input row, of the outer row (what an enclosing apply or subquery
//! hands in), or a local of a comprehension, counted from the innermost. Two evaluators share one meaning:
//! [`PhysExpr::eval`] takes one row, [`PhysExpr::eval_batch`] a batch and falls back to the first where a column at a
//! time gains nothing. What the language calls lazy is lazy in both: a row that an earlier AND operand or CASE branch has
//! settled never reaches the next one.

mod batch;
mod eval;
mod path;
mod property;
pub mod size;
mod subquery;

use std::sync::Arc;

use rustc_hash::FxHashSet;
use sinew_storage::{DataType, TemporalKind, Value};

pub use eval::{call_function, truth};
pub(crate) use path::path_along;
pub use property::entity_properties;
pub use subquery::{PhysSubquery, PhysSubqueryKind, SubqueryCache, literal_set, same_key_class};

use super::run::Cx;
use crate::algebra::ListPredicateKind;
use crate::batch::Batch;
use crate::error::{QueryError, sqlstate};
use crate::functions::ScalarFunction;

/// A compiled expression.
pub struct PhysExpr {
    pub kind: ExprKind,
    pub ty: DataType,
    /// The same for all rows of one opening of the operator: reads no slot and no local, and nothing volatile.
    pub constant: bool,
}

pub enum ExprKind {
    Literal(Value),
    Parameter(usize),
    Slot(usize),
    Outer(usize),
    /// Counted from the innermost.
    Local(usize),
    Call {
        function: Arc<ScalarFunction>,
        args: Vec<PhysExpr>,
        position: Option<u32>,
    },
    Cast {
        input: Box<PhysExpr>,
        explicit: bool,
    },
    And(Vec<PhysExpr>),
    Or(Vec<PhysExpr>),
    Not(Box<PhysExpr>),
    Xor(Box<PhysExpr>, Box<PhysExpr>),
    IsNull(Box<PhysExpr>),
    IsNotDistinct(Box<PhysExpr>, Box<PhysExpr>),
    Case {
        branches: Vec<(PhysExpr, PhysExpr)>,
        otherwise: Option<Box<PhysExpr>>,
    },
    Coalesce(Vec<PhysExpr>),
    InList {
        equals: Arc<ScalarFunction>,
        input: Box<PhysExpr>,
        items: Vec<PhysExpr>,
        /// Keys of the items when all are literals whose keys decide equality.
        set: Option<LiteralSet>,
        negated: bool,
    },
    Quantified {
        operator: Arc<ScalarFunction>,
        input: Box<PhysExpr>,
        array: Box<PhysExpr>,
        all: bool,
    },
    List(Vec<PhysExpr>),
    Map(Vec<(Arc<str>, PhysExpr)>),
    Property {
        input: Box<PhysExpr>,
        key: Arc<str>,
        token_slot: usize,
    },
    HasLabels {
        input: Box<PhysExpr>,
        labels: Vec<(Arc<str>, usize)>,
    },
    ListComprehension {
        list: Box<PhysExpr>,
        filter: Option<Box<PhysExpr>>,
        map: Option<Box<PhysExpr>>,
    },
    ListPredicate {
        kind: ListPredicateKind,
        list: Box<PhysExpr>,
        predicate: Box<PhysExpr>,
    },
    /// In `step` the element is local 0, the accumulator local 1.
    Reduce {
        init: Box<PhysExpr>,
        list: Box<PhysExpr>,
        step: Box<PhysExpr>,
    },
    Path(Vec<PhysPathPart>),
    Subquery(Box<PhysSubquery>),
}

pub struct LiteralSet {
    pub keys: FxHashSet<Box<[u8]>>,
    pub has_null: bool,
}

pub enum PhysPathPart {
    Node(PhysExpr),
    Relationship(PhysExpr),
    RelationshipList(PhysExpr),
}

/// Where slots are read from.
#[derive(Clone, Copy)]
pub enum RowRef<'a> {
    Batch(&'a Batch, usize),
    Values(&'a [Value]),
}

impl RowRef<'_> {
    pub fn get(&self, slot: usize) -> Value {
        match self {
            RowRef::Batch(batch, row) => batch.columns[slot].value(*row),
            RowRef::Values(values) => values[slot].clone(),
        }
    }
}

/// A variable of a comprehension, and those around it.
#[derive(Clone, Copy)]
pub struct Local<'a> {
    pub value: &'a Value,
    pub parent: Option<&'a Local<'a>>,
}

/// One row to evaluate on.
#[derive(Clone, Copy)]
pub struct RowCx<'a> {
    pub cx: &'a Cx,
    pub row: RowRef<'a>,
    pub locals: Option<&'a Local<'a>>,
}

impl<'a> RowCx<'a> {
    pub fn of_batch(cx: &'a Cx, batch: &'a Batch, row: usize) -> RowCx<'a> {
        RowCx { cx, row: RowRef::Batch(batch, row), locals: None }
    }

    pub fn of_values(cx: &'a Cx, values: &'a [Value]) -> RowCx<'a> {
        RowCx { cx, row: RowRef::Values(values), locals: None }
    }

    /// For expressions without slots.
    pub fn empty(cx: &'a Cx) -> RowCx<'a> {
        RowCx { cx, row: RowRef::Values(&[]), locals: None }
    }
}

impl PhysExpr {
    /// Calls `visit` on the direct operands.
    pub fn for_each_child(&self, visit: &mut dyn FnMut(&PhysExpr)) {
        self.operands().into_iter().for_each(visit);
    }

    /// The direct operands.
    pub fn operands(&self) -> Vec<&PhysExpr> {
        match &self.kind {
            ExprKind::Literal(_)
            | ExprKind::Parameter(_)
            | ExprKind::Slot(_)
            | ExprKind::Outer(_)
            | ExprKind::Local(_) => Vec::new(),
            ExprKind::Call { args, .. } => args.iter().collect(),
            ExprKind::Cast { input, .. }
            | ExprKind::Property { input, .. }
            | ExprKind::HasLabels { input, .. }
            | ExprKind::Not(input)
            | ExprKind::IsNull(input) => vec![input],
            ExprKind::And(items) | ExprKind::Or(items) | ExprKind::Coalesce(items) | ExprKind::List(items) => {
                items.iter().collect()
            }
            ExprKind::Xor(a, b) | ExprKind::IsNotDistinct(a, b) => vec![a, b],
            ExprKind::Case { branches, otherwise } => {
                let branches = branches.iter().flat_map(|(condition, value)| [condition, value]);
                branches.chain(otherwise.as_deref()).collect()
            }
            ExprKind::InList { input, items, .. } => std::iter::once(&**input).chain(items).collect(),
            ExprKind::Quantified { input, array, .. } => vec![input, array],
            ExprKind::Map(entries) => entries.iter().map(|(_, value)| value).collect(),
            ExprKind::ListComprehension { list, filter, map } => {
                std::iter::once(&**list).chain(filter.as_deref()).chain(map.as_deref()).collect()
            }
            ExprKind::ListPredicate { list, predicate, .. } => vec![list, predicate],
            ExprKind::Reduce { init, list, step } => vec![init, list, step],
            ExprKind::Path(parts) => parts
                .iter()
                .map(|part| match part {
                    PhysPathPart::Node(e) | PhysPathPart::Relationship(e) | PhysPathPart::RelationshipList(e) => e,
                })
                .collect(),
            ExprKind::Subquery(subquery) => {
                let input = match &subquery.kind {
                    PhysSubqueryKind::Any { input, .. } | PhysSubqueryKind::All { input, .. } => Some(input),
                    _ => None,
                };
                subquery.args.iter().chain(input).collect()
            }
        }
    }

    /// Whether its column is made of new values: neither an input's column nor one value for all rows.
    pub fn is_computed(&self) -> bool {
        !self.constant && !matches!(self.kind, ExprKind::Slot(_))
    }

    /// Appends the slots it reads.
    pub fn collect_slots(&self, out: &mut Vec<usize>) {
        if let ExprKind::Slot(slot) = self.kind {
            out.push(slot);
        }
        self.for_each_child(&mut |child| child.collect_slots(out));
    }
}

/// A Cypher TypeError of run time.
pub(crate) fn type_error(message: impl Into<String>, detail: &'static str) -> QueryError {
    QueryError::new(sqlstate::DATATYPE_MISMATCH, message).cypher("TypeError", "runtime", detail)
}

/// Access to an entity that is gone.
pub(crate) fn deleted_entity(kind: &str, id: u64) -> QueryError {
    QueryError::new(sqlstate::UNDEFINED_OBJECT, format!("{kind} {id} was deleted in this transaction")).cypher(
        "EntityNotFound",
        "runtime",
        "DeletedEntityAccess",
    )
}

/// The kind of a value, for messages.
pub(crate) fn kind_name(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Int(_) => "an integer",
        Value::Float(_) => "a float",
        Value::Numeric(_) => "a numeric",
        Value::Text(_) => "a string",
        Value::Bytes(_) => "a byte string (bytea)",
        Value::Timestamp(_) => "a timestamp",
        Value::Date(_) => "a date",
        Value::Interval(_) => "an interval",
        Value::Temporal(temporal) => match temporal.kind() {
            TemporalKind::DateTime => "a date and time",
            TemporalKind::LocalDateTime => "a local date and time",
            TemporalKind::Date => "a date",
            TemporalKind::Time => "a time",
            TemporalKind::LocalTime => "a local time",
            TemporalKind::Duration => "a duration",
        },
        Value::Uuid(_) => "a uuid",
        Value::Json(_) => "a jsonb value",
        Value::Vector(_) => "a vector",
        Value::List(_) => "a list",
        Value::Map(_) => "a map",
        Value::Node(_) => "a node",
        Value::Relationship(_) => "a relationship",
        Value::Path(_) => "a path",
    }
}
