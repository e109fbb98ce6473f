//! Functions of enum types.

use std::sync::Arc;

use sinew_storage::catalog::{EnumDef, EnumLabel};
use sinew_storage::{DataType, Value};

use super::ScalarImpl;
use super::args::int;
use super::registry::Table;
use crate::error::{QueryError, Result};
use crate::types::enum_type;

/// An evaluator that sees the labels of the first argument's type.
fn with_labels(types: &[DataType], eval: fn(&EnumDef, &[Value]) -> Result<Value>) -> ScalarImpl {
    match types.first() {
        Some(DataType::Enum(of)) => {
            let of = of.clone();
            Arc::new(move |_, args| eval(&of, args))
        }
        _ => Arc::new(|_, _| Err(QueryError::internal("an enum type was expected"))),
    }
}

fn places(of: &EnumDef, keep: impl Fn(i64) -> bool) -> Value {
    Value::list(of.labels.iter().map(|label| label.place).filter(|place| keep(*place)).map(Value::Int).collect())
}

/// 55000 without labels.
fn end(of: &EnumDef, label: Option<&EnumLabel>) -> Result<Value> {
    let empty = || QueryError::new("55000", format!("enum {} contains no values", enum_type::name(of)));
    label.map(|label| Value::Int(label.place)).ok_or_else(empty)
}

pub(super) fn register(t: &mut Table) {
    t.section("Enum functions");
    t.typed("enum_first(anyenum) -> anyenum", |types| with_labels(types, |of, _| end(of, of.labels.first())))
        .lax()
        .stable();
    t.typed("enum_last(anyenum) -> anyenum", |types| with_labels(types, |of, _| end(of, of.labels.last())))
        .lax()
        .stable();
    t.typed("enum_range(anyenum) -> anyarray", |types| with_labels(types, |of, _| Ok(places(of, |_| true))))
        .lax()
        .stable();
    // A NULL end is open.
    t.typed("enum_range(anyenum, anyenum) -> anyarray", |types| {
        with_labels(types, |of, args| {
            let bound = |value: &Value| if value.is_null() { Ok(None) } else { int(value).map(Some) };
            let (lower, upper) = (bound(&args[0])?, bound(&args[1])?);
            Ok(places(of, |place| lower.is_none_or(|lower| place >= lower) && upper.is_none_or(|upper| place <= upper)))
        })
    })
    .lax()
    .stable();
}
