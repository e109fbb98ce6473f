//! Static types: what is certain about a value before anything runs.

use super::*;
use temporal::TypedCall;

/// A number of which it is not certain whether it is an integer or a float; no expression has it as its own type.
pub(super) const NUMBER: DataType = DataType::Numeric(None);

/// As an expression has it.
pub(super) fn own(ty: &DataType) -> DataType {
    if *ty == NUMBER { DataType::Any } else { ty.clone() }
}

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

/// What is certain about the result of the function or operator `name`; None for one whose type does not depend on its
/// arguments. `types` are those of the arguments, [`NUMBER`] among them.
pub(super) fn result_type(name: &str, args: &[Expr], types: &[DataType]) -> Option<DataType> {
    match (name, types) {
        ("+" | "-" | "*" | "/" | "%", [left, right]) => {
            let far = args.iter().any(temporal::is_far_literal);
            Some(if far { DataType::Any } else { arithmetic_type(name, left, right) })
        }
        ("||", [left, right]) => Some(joined_type(left, right)),
        ("nullIf", [ty, _]) => Some(ty.clone()),
        ("negate" | "positive", [ty]) => Some(if is_number(ty) { ty.clone() } else { DataType::Any }),
        ("abs", [ty]) if is_number(ty) => Some(ty.clone()),
        ("head" | "last" | "[]", [ty, ..]) => Some(element_type(ty)),
        ("tail", [ty @ DataType::Array(_)]) | ("reverse", [ty @ (DataType::Array(_) | DataType::Text)]) => {
            Some(ty.clone())
        }
        ("[..]", [ty, ..]) => Some(DataType::array_of(element_type(ty))),
        _ => match temporal::typed_call(&name.to_lowercase(), args)? {
            TypedCall::Type(ty) => Some(ty),
            TypedCall::Value(value) => Some(value.ty()),
        },
    }
}

/// Of `a || b`: what is joined with a string is one, or an error.
fn joined_type(left: &DataType, right: &DataType) -> DataType {
    match (left, right) {
        (DataType::Text, _) | (_, DataType::Text) => DataType::Text,
        (DataType::Array(a), DataType::Array(b)) => DataType::array_of(common([&**a, &**b])),
        (DataType::Array(_), _) | (_, DataType::Array(_)) => DataType::array_of(DataType::Any),
        _ => DataType::Any,
    }
}

pub(super) fn is_number(ty: &DataType) -> bool {
    matches!(ty, DataType::Int8 | DataType::Float8) || *ty == NUMBER
}

fn arithmetic_type(symbol: &str, left: &DataType, right: &DataType) -> DataType {
    match (left, right) {
        (DataType::Int8, DataType::Int8) => DataType::Int8,
        (DataType::Float8, other) | (other, DataType::Float8) if is_number(other) => DataType::Float8,
        (left, right) if is_number(left) && is_number(right) => NUMBER,
        (DataType::Text, other) | (other, DataType::Text)
            if symbol == "+" && (is_number(other) || *other == DataType::Text) =>
        {
            DataType::Text
        }
        (DataType::Array(a), DataType::Array(b)) if symbol == "+" => DataType::array_of(common([&**a, &**b])),
        (DataType::Array(_), _) | (_, DataType::Array(_)) if symbol == "+" => DataType::array_of(DataType::Any),
        (DataType::Temporal(left), DataType::Temporal(right)) if matches!(symbol, "+" | "-") => {
            temporal::sum_type(symbol, *left, *right)
        }
        _ => DataType::Any,
    }
}
