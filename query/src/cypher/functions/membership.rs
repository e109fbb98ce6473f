//! `IN`: one element at a time, and of a whole column in one list.

use std::sync::Arc;

use arrow_array::BooleanArray;
use rustc_hash::FxHashSet;
use sinew_storage::encoding::key_for_values;
use sinew_storage::{DataType, Value};

use super::{Builder, cypher_equals};
use crate::batch::Column;
use crate::context::EvalContext;
use crate::error::Result;

pub(super) fn register(builder: &mut Builder) {
    builder.operator("in", 2, DataType::Bool, false, is_in);
    builder.kernel("in", column_in_list);
}

/// Items compared between two looks at the cancel token.
const ITEMS_PER_POLL: usize = 4096;

/// Null when the list is null, or when the element is not found and some comparison is unknown.
fn is_in(context: &EvalContext<'_>, args: &[Value]) -> Result<Value> {
    let Value::List(items) = &args[1] else {
        if args[1].is_null() {
            return Ok(Value::Null);
        }
        return Err(super::wrong_type("IN", "a list", &args[1]));
    };
    let mut unknown = false;
    for (count, item) in items.iter().enumerate() {
        if count % ITEMS_PER_POLL == ITEMS_PER_POLL - 1 {
            context.exec.cancel.check()?;
        }
        match cypher_equals(&args[0], item) {
            Some(true) => return Ok(Value::Bool(true)),
            Some(false) => {}
            None => unknown = true,
        }
    }
    Ok(if unknown { Value::Null } else { Value::Bool(false) })
}

/// Lists of fewer elements are searched element by element; of more, a set would take too long between two looks at the
/// cancel token.
const SET_ITEMS: std::ops::RangeInclusive<usize> = 16..=1 << 17;
/// A set for fewer rows is not worth making.
const SET_MIN_ROWS: usize = 8;

/// Of scalars in one list, the same for all rows.
fn column_in_list(columns: &[Column]) -> Option<Result<Column>> {
    let [elements, Column::Values(lists)] = columns else { return None };
    let Some(Value::List(list)) = lists.first() else { return None };
    let same = |other: &Value| matches!(other, Value::List(other) if Arc::ptr_eq(list, other));
    if lists.len() < SET_MIN_ROWS || !SET_ITEMS.contains(&list.len()) || !lists.iter().all(same) {
        return None;
    }
    let mut keys: FxHashSet<Vec<u8>> = FxHashSet::default();
    let mut has_null = false;
    for item in list.iter() {
        has_null |= item.is_null();
        if matches!(item, Value::Numeric(_)) {
            // Equal to numbers, but not always with their key.
            return None;
        }
        // No scalar equals anything else.
        if is_scalar(item) {
            keys.insert(key_for_values(std::slice::from_ref(item)));
        }
    }
    let otherwise = (!has_null).then_some(false);
    let mut found = Vec::with_capacity(lists.len());
    for row in 0..lists.len() {
        let element = elements.value(row);
        found.push(match &element {
            Value::Null => None,
            // Equal to nothing, not even itself.
            Value::Float(float) if float.is_nan() => otherwise,
            scalar if is_scalar(scalar) => {
                if keys.contains(&key_for_values(std::slice::from_ref(scalar))) {
                    Some(true)
                } else {
                    otherwise
                }
            }
            _ => return None,
        });
    }
    Some(Ok(Column::Bool(BooleanArray::from(found))))
}

/// Values of which those that are equal have one key, and that equal nothing but scalars.
fn is_scalar(value: &Value) -> bool {
    match value {
        Value::Bool(_) | Value::Int(_) | Value::Text(_) | Value::Node(_) | Value::Relationship(_) => true,
        Value::Float(float) => !float.is_nan(),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::functions::testing::context;

    /// Whole columns give what each row gives.
    #[test]
    fn columns_and_rows_agree() {
        let scalars = || {
            let numbers = [1.0, 2.5, -0.0, 1e300, 9_007_199_254_740_992.0].map(Value::Float);
            let ints = [0, 1, 2, -7, i64::MAX, 9_007_199_254_740_993].map(Value::Int);
            let texts = ["", "a", "b", "1"].map(Value::from);
            let others = [Value::Bool(true), Value::Node(sinew_storage::NodeId(1)), Value::Float(f64::NAN)];
            numbers.into_iter().chain(ints).chain(texts).chain(others)
        };
        let exec = context(&[]);
        let eval = EvalContext::new(&exec);
        let unlike = [Value::list(vec![Value::Int(1)]), Value::Float(f64::NAN), Value::Date(1)];
        let without_null: Vec<Value> = scalars().step_by(2).chain(unlike).cycle().take(40).collect();
        let with_null: Vec<Value> = without_null.iter().cloned().chain([Value::Null]).collect();
        let elements: Vec<Value> = scalars().chain([Value::Null]).collect();
        for list in [without_null, with_null].map(Value::list) {
            let columns = [
                Column::from_values(&DataType::Any, elements.clone()),
                Column::from_values(&DataType::Any, vec![list.clone(); elements.len()]),
            ];
            let found = column_in_list(&columns).expect("scalars in one list").unwrap();
            for (row, element) in elements.iter().enumerate() {
                let expected = is_in(&eval, &[element.clone(), list.clone()]).unwrap();
                assert_eq!(found.value(row), expected, "{element:?}");
            }
        }
    }
}
