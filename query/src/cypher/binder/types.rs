//! Static types: what is certain about a value before anything runs.

use sinew_storage::graph::{ObservedTypes, PropertyOwner};
use sinew_storage::{PropertyKeyId, TemporalKind};

use super::*;

/// Labels or types asked for their observed types when a variable has none of its own.
const OWNERS_ASKED: usize = 256;

/// The type of an output column: only those that the wire writes as such.
pub(super) fn output_type(ty: &DataType) -> DataType {
    match ty {
        DataType::Array(_) | DataType::Unknown | DataType::Void | DataType::Record => DataType::Any,
        other => other.clone(),
    }
}

/// As messages name a type.
pub(super) fn type_name(ty: &DataType) -> String {
    match ty {
        DataType::Bool => "BOOLEAN".into(),
        DataType::Int8 => "INTEGER".into(),
        DataType::Float8 => "FLOAT".into(),
        DataType::Text => "STRING".into(),
        DataType::Array(_) => "LIST".into(),
        DataType::Map => "MAP".into(),
        DataType::Node => "NODE".into(),
        DataType::Relationship => "RELATIONSHIP".into(),
        DataType::Path => "PATH".into(),
        DataType::Any | DataType::Unknown => "ANY".into(),
        DataType::Temporal(kind) => kind.name().into(),
        other => format!("{other:?}").to_uppercase(),
    }
}

pub(super) fn may_be_boolean(ty: &DataType) -> bool {
    matches!(ty, DataType::Bool | DataType::Any | DataType::Unknown)
}

/// Certainly no number (and no temporal value).
pub(super) fn never_a_number(ty: &DataType) -> bool {
    matches!(
        ty,
        DataType::Bool
            | DataType::Text
            | DataType::Array(_)
            | DataType::Map
            | DataType::Node
            | DataType::Relationship
            | DataType::Path
    )
}

/// The one type of all, or Any.
pub(super) fn common<'t>(types: impl IntoIterator<Item = &'t DataType>) -> DataType {
    let mut types = types.into_iter();
    let Some(first) = types.next() else { return DataType::Any };
    if types.all(|ty| ty == first) { first.clone() } else { DataType::Any }
}

/// As [`common`], leaving null literals aside.
pub(super) fn common_nullable<'e>(exprs: impl IntoIterator<Item = &'e Expr>) -> DataType {
    let types: Vec<DataType> =
        exprs.into_iter().filter(|expr| !matches!(expr, Expr::Literal(Value::Null, _))).map(Expr::ty).collect();
    common(&types)
}

pub(super) fn element_type(list: &DataType) -> DataType {
    match list {
        DataType::Array(element) => (**element).clone(),
        _ => DataType::Any,
    }
}

/// Of `a op b` for + - * / %.
pub(super) fn arithmetic_type(op: ast::BinaryOp, left: &DataType, right: &DataType) -> DataType {
    match (left, right) {
        (DataType::Int8, DataType::Int8) => DataType::Int8,
        (DataType::Int8 | DataType::Float8, DataType::Int8 | DataType::Float8) => DataType::Float8,
        (DataType::Text, DataType::Text) if op == ast::BinaryOp::Add => DataType::Text,
        (DataType::Array(a), DataType::Array(b)) if op == ast::BinaryOp::Add => {
            DataType::array_of(common([&**a, &**b]))
        }
        (DataType::Array(_), _) | (_, DataType::Array(_)) if op == ast::BinaryOp::Add => {
            DataType::array_of(DataType::Any)
        }
        (DataType::Temporal(left), DataType::Temporal(right))
            if matches!(op, ast::BinaryOp::Add | ast::BinaryOp::Subtract) =>
        {
            super::temporal::sum_type(op, *left, *right)
        }
        _ => DataType::Any,
    }
}

impl Binder<'_> {
    /// The type of `var.key` by what was ever stored, when that is one. Certain as long as the statement writes nothing.
    pub(super) fn observed_type(&self, var: VarId, key: &str) -> DataType {
        let transaction = self.context.transaction;
        let Some(key) = transaction.property_key_id(key) else { return DataType::Any };
        let nothing = Default::default();
        let facts = self.facts.get(&var).unwrap_or(&nothing);
        if facts.labels.is_empty() && facts.types.is_empty() {
            let union = match self.vars.ty(var) {
                DataType::Node => self.observed_on_any_node(key),
                DataType::Relationship => self.observed_on_any_relationship(key),
                _ => return DataType::Any,
            };
            return union.and_then(single_type).unwrap_or(DataType::Any);
        }
        for label in &facts.labels {
            let Some(label) = transaction.label_id(label) else { continue };
            let observed = transaction.observed_types(PropertyOwner::Label(label), key);
            if let Some(ty) = single_type(observed) {
                return ty;
            }
        }
        let mut union = ObservedTypes::default();
        for ty in &facts.types {
            if let Some(ty) = transaction.relationship_type_id(ty) {
                union = union.union(transaction.observed_types(PropertyOwner::RelationshipType(ty), key));
            }
        }
        single_type(union).unwrap_or(DataType::Any)
    }

    /// What any node holds under `key`; None with too many labels to ask.
    fn observed_on_any_node(&self, key: PropertyKeyId) -> Option<ObservedTypes> {
        let transaction = self.context.transaction;
        let labels = transaction.label_names();
        if labels.len() > OWNERS_ASKED {
            return None;
        }
        let unlabeled = transaction.observed_types(PropertyOwner::Unlabeled, key);
        Some(
            labels.iter().filter_map(|name| transaction.label_id(name)).fold(unlabeled, |union, label| {
                union.union(transaction.observed_types(PropertyOwner::Label(label), key))
            }),
        )
    }

    /// What any relationship holds under `key`; None with too many types to ask.
    fn observed_on_any_relationship(&self, key: PropertyKeyId) -> Option<ObservedTypes> {
        let transaction = self.context.transaction;
        let types = transaction.relationship_type_names();
        if types.len() > OWNERS_ASKED {
            return None;
        }
        Some(
            types
                .iter()
                .filter_map(|name| transaction.relationship_type_id(name))
                .fold(ObservedTypes::default(), |union, ty| {
                    union.union(transaction.observed_types(PropertyOwner::RelationshipType(ty), key))
                }),
        )
    }

    /// Gives a projected `variable.key` the type of what was ever stored there.
    pub(super) fn with_observed_type(&self, expr: Expr) -> Expr {
        match expr {
            Expr::Property { input, key, ty: DataType::Any } if !self.statement_writes => {
                let ty = match &*input {
                    Expr::Column(var, _) => self.observed_type(*var, &key),
                    _ => DataType::Any,
                };
                Expr::Property { input, key, ty }
            }
            other => other,
        }
    }
}

fn single_type(observed: ObservedTypes) -> Option<DataType> {
    match observed.0 {
        ObservedTypes::BOOL => Some(DataType::Bool),
        ObservedTypes::INT => Some(DataType::Int8),
        ObservedTypes::FLOAT => Some(DataType::Float8),
        ObservedTypes::TEXT => Some(DataType::Text),
        ObservedTypes::DATE_TIME => Some(DataType::Temporal(TemporalKind::DateTime)),
        ObservedTypes::LOCAL_DATE_TIME => Some(DataType::Temporal(TemporalKind::LocalDateTime)),
        ObservedTypes::DATE => Some(DataType::Temporal(TemporalKind::Date)),
        ObservedTypes::TIME => Some(DataType::Temporal(TemporalKind::Time)),
        ObservedTypes::LOCAL_TIME => Some(DataType::Temporal(TemporalKind::LocalTime)),
        ObservedTypes::DURATION => Some(DataType::Temporal(TemporalKind::Duration)),
        _ => None,
    }
}
