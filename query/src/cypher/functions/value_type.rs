//! `value IS :: TYPE`.

use std::sync::Arc;

use sinew_storage::{DataType, Value};

use crate::cypher::ast::{TypeName, ValueType};
use crate::functions::{ScalarFunction, Volatility};

/// The test as a function of plans: never null.
pub(in crate::cypher) fn type_test(ty: ValueType) -> Arc<ScalarFunction> {
    Arc::new(ScalarFunction {
        name: "is ::",
        oid: 0,
        args: vec![DataType::Any],
        variadic: false,
        returns: DataType::Bool,
        strict: false,
        volatility: Volatility::Immutable,
        eval: Arc::new(move |_, args| Ok(Value::Bool(is_of(&args[0], &ty)))),
        kernel: None,
    })
}

fn is_of(value: &Value, ty: &ValueType) -> bool {
    ty.0.iter().any(|(name, not_null)| match value {
        // Null is of every type that does not exclude it, but of the empty one.
        Value::Null => !not_null && *name != TypeName::Nothing,
        value => is_of_name(value, name),
    })
}

fn is_of_name(value: &Value, name: &TypeName) -> bool {
    match (name, value) {
        (TypeName::Any, _)
        | (TypeName::Boolean, Value::Bool(_))
        | (TypeName::Integer, Value::Int(_))
        | (TypeName::Float, Value::Float(_))
        | (TypeName::String, Value::Text(_))
        | (TypeName::Node, Value::Node(_))
        | (TypeName::Relationship, Value::Relationship(_))
        | (TypeName::Map, Value::Map(_))
        | (TypeName::Path, Value::Path(_)) => true,
        (TypeName::Temporal(kind), Value::Temporal(value)) => value.kind() == *kind,
        (TypeName::List(element), Value::List(items)) => items.iter().all(|item| is_of(item, element)),
        (TypeName::PropertyValue, value) => crate::exec::operators::graph_write::is_storable(value),
        _ => false,
    }
}
