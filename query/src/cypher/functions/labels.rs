//! Labels, types and property keys that are known only when a statement runs: `$(expr)`, `n[key]`.

use std::sync::Arc;

use sinew_storage::{DataType, Value};

use super::{Builder, has_labels, kind_name};
use crate::cypher::errors;
use crate::error::{QueryError, Result};

pub(super) fn register(builder: &mut Builder) {
    builder.graph_operator("has all labels", 2, DataType::Bool, |context, args| {
        has_labels(context, &args[0], &names(&args[1])?)
    });
    builder.graph_operator("has any label", 2, DataType::Bool, |context, args| {
        for name in names(&args[1])? {
            if has_labels(context, &args[0], &[name])? == Value::Bool(true) {
                return Ok(Value::Bool(true));
            }
        }
        Ok(Value::Bool(false))
    });
    builder.graph_operator("has a label", 1, DataType::Bool, |context, args| match &args[0] {
        // A relationship has a type.
        Value::Relationship(_) => Ok(Value::Bool(true)),
        node => match super::access::labels(context, std::slice::from_ref(node))? {
            Value::List(labels) => Ok(Value::Bool(!labels.is_empty())),
            other => Ok(other),
        },
    });
    let list = DataType::array_of(DataType::Text);
    builder.operator("label names", usize::MAX, list, false, |_, args| {
        let mut all = Vec::new();
        for arg in args {
            all.extend(names(arg)?.into_iter().map(Value::Text));
        }
        Ok(Value::list(all))
    });
    builder.operator("type name", 1, DataType::Text, false, |_, args| match &names(&args[0])?[..] {
        [name] => Ok(Value::Text(name.clone())),
        several => {
            let message = format!("a created relationship needs exactly one type, got {}", several.len());
            Err(errors::runtime("SyntaxError", "NoSingleRelationshipType", message))
        }
    });
    builder.operator("map entry", 2, DataType::Map, false, |_, args| match &args[0] {
        Value::Text(key) => Ok(Value::Map(Arc::new([(key.clone(), args[1].clone())].into()))),
        other => Err(errors::type_error(format!("a property key must be a string, got {}", kind_name(other)))),
    });
}

/// A string, or a list of strings.
fn names(value: &Value) -> Result<Vec<Arc<str>>> {
    let name = |value: &Value| match value {
        Value::Text(name) if !name.is_empty() => Ok(name.clone()),
        Value::Text(_) => Err(invalid("an empty string")),
        other => Err(invalid(kind_name(other))),
    };
    match value {
        Value::List(items) => items.iter().map(name).collect(),
        single => Ok(vec![name(single)?]),
    }
}

fn invalid(found: &str) -> QueryError {
    errors::type_error(format!("$(…) expected a string or a list of strings, got {found}"))
}
