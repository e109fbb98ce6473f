//! Functions over lists (and some over strings as well).

use sinew_storage::{DataType, Value};

use super::access::count;
use super::{Builder, kind_name, wrong_type};
use crate::context::EvalContext;
use crate::cypher::errors;
use crate::error::{QueryError, Result, sqlstate};
use crate::functions::growth::{ListBuilder, TextBuilder};

/// Elements that `range()` gives at most.
const RANGE_LIMIT: u64 = 10_000_000;

pub(super) fn register(builder: &mut Builder) {
    builder
        .pure("size", (1, 1), DataType::Int8, |_, args| match &args[0] {
            Value::List(items) => count(items.len()),
            Value::Vector(items) => count(items.len()),
            Value::Text(text) => count(text.chars().count()),
            other => Err(wrong_type("size()", "a list or string", other)),
        })
        .refuses = |ty| !matches!(ty, DataType::Any | DataType::Array(_) | DataType::Text | DataType::Vector(_));
    builder.operator("only element", 1, DataType::Any, true, |_, args| match &args[0] {
        Value::List(items) if items.len() == 1 => Ok(items[0].clone()),
        _ => Err(QueryError::internal("a list of one element is none")),
    });
    builder.pure("head", (1, 1), DataType::Any, |_, args| {
        Ok(items("head()", &args[0])?.first().cloned().unwrap_or_default())
    });
    builder.pure("last", (1, 1), DataType::Any, |_, args| {
        Ok(items("last()", &args[0])?.last().cloned().unwrap_or_default())
    });
    builder.pure("tail", (1, 1), DataType::array_of(DataType::Any), |_, args| {
        Ok(Value::List(items("tail()", &args[0])?.get(1..).unwrap_or_default().into()))
    });
    builder.pure("reverse", (1, 1), DataType::Any, |context, args| match &args[0] {
        Value::List(items) => Ok(Value::List(items.iter().rev().cloned().collect())),
        Value::Text(text) => {
            let mut reversed = TextBuilder::new(context);
            text.chars().rev().try_for_each(|c| reversed.push_char(c))?;
            Ok(reversed.finish())
        }
        other => Err(wrong_type("reverse()", "a list or string", other)),
    });
    builder.pure("isEmpty", (1, 1), DataType::Bool, |_, args| match &args[0] {
        Value::List(items) => Ok(Value::Bool(items.is_empty())),
        Value::Map(entries) => Ok(Value::Bool(entries.is_empty())),
        Value::Text(text) => Ok(Value::Bool(text.is_empty())),
        other => Err(wrong_type("isEmpty()", "a list, map or string", other)),
    });
    builder.pure("range", (2, 3), DataType::array_of(DataType::Int8), range);
    builder.pure("toIntegerList", (1, 1), DataType::array_of(DataType::Any), |context, args| {
        map_list(context, &args[0], "toIntegerOrNull")
    });
    builder.pure("toFloatList", (1, 1), DataType::array_of(DataType::Any), |context, args| {
        map_list(context, &args[0], "toFloatOrNull")
    });
    builder.pure("toStringList", (1, 1), DataType::array_of(DataType::Any), |context, args| {
        map_list(context, &args[0], "toStringOrNull")
    });
    builder.pure("toBooleanList", (1, 1), DataType::array_of(DataType::Any), |context, args| {
        map_list(context, &args[0], "toBooleanOrNull")
    });
}

fn items<'v>(function: &str, value: &'v Value) -> Result<&'v [Value]> {
    match value {
        Value::List(items) => Ok(items),
        other => Err(wrong_type(function, "a list", other)),
    }
}

fn map_list(context: &EvalContext<'_>, list: &Value, function: &str) -> Result<Value> {
    let convert = super::function(function).expect("a function of this table");
    let convert_item = |item: &Value| {
        if item.is_null() { Ok(Value::Null) } else { (convert.function.eval)(context, std::slice::from_ref(item)) }
    };
    let mut out = ListBuilder::new(context);
    for item in items(function, list)? {
        out.push(convert_item(item)?)?;
    }
    Ok(out.finish())
}

/// The elements of `range()`.
pub(crate) struct Range {
    start: i64,
    step: i64,
    pub(crate) element_count: u64,
}

impl Range {
    /// Of the arguments of `range()`, which are not null. Both ends are included.
    pub(crate) fn of(args: &[Value]) -> Result<Range> {
        let integer = |value: &Value| match value {
            Value::Int(i) => Ok(*i),
            other => {
                let message = format!("range() expected an integer, got {}", kind_name(other));
                Err(errors::runtime("ArgumentError", "InvalidArgumentType", message))
            }
        };
        let (start, end) = (integer(&args[0])?, integer(&args[1])?);
        let step = args.get(2).map_or(Ok(1), integer)?;
        if step == 0 {
            return Err(errors::runtime("ArgumentError", "NumberOutOfRange", "the step of range() must not be 0"));
        }
        if (step > 0 && start > end) || (step < 0 && start < end) {
            return Ok(Range { start, step, element_count: 0 });
        }
        // The widest one of all has one more element than a u64 counts.
        let element_count = (start.abs_diff(end) / step.unsigned_abs()).saturating_add(1);
        if element_count > RANGE_LIMIT {
            let message = format!("range() of {element_count} elements is above the limit of {RANGE_LIMIT}");
            return Err(QueryError::new(sqlstate::PROGRAM_LIMIT_EXCEEDED, message));
        }
        Ok(Range { start, step, element_count })
    }

    /// For `index` below `element_count`.
    pub(crate) fn element(&self, index: u64) -> Value {
        // The last element is within bounds, so no product overflows.
        Value::Int(self.start.wrapping_add(self.step.wrapping_mul(index as i64)))
    }
}

fn range(context: &EvalContext<'_>, args: &[Value]) -> Result<Value> {
    let range = Range::of(args)?;
    let mut elements = ListBuilder::new(context);
    elements.extend((0..range.element_count).map(|index| range.element(index)))?;
    Ok(elements.finish())
}
