//! One row at a time.

use std::sync::Arc;

use sinew_storage::Value;
use smallvec::SmallVec;

use super::*;
use crate::context::EvalContext;
use crate::error::Result;
use crate::exec::key::{KeyMode, encode_key, equivalent};
use crate::functions::{self, ScalarFunction};

/// Calls a function; a strict one gives NULL of NULL without a call.
pub fn call_function(function: &ScalarFunction, context: &EvalContext<'_>, args: &[Value]) -> Result<Value> {
    if function.strict && args.iter().any(Value::is_null) {
        return Ok(Value::Null);
    }
    poll_call(context, args)?;
    let value = (function.eval)(context, args)?;
    size::check_size(&value)?;
    Ok(value)
}

/// A condition's truth: None is unknown. A value that is no boolean is a TypeError.
pub fn truth(value: &Value) -> Result<Option<bool>> {
    match value {
        Value::Null => Ok(None),
        Value::Bool(b) => Ok(Some(*b)),
        other => Err(type_error(format!("expected a boolean, found {}", kind_name(other)), "InvalidArgumentType")),
    }
}

fn from_truth(truth: Option<bool>) -> Value {
    truth.map_or(Value::Null, Value::Bool)
}

impl PhysExpr {
    /// The value on one row.
    pub fn eval(&self, row: RowCx<'_>) -> Result<Value> {
        match &self.kind {
            ExprKind::Literal(value) => Ok(value.clone()),
            ExprKind::Parameter(index) => row.cx.run.exec.params.get(*index).cloned().ok_or_else(|| {
                QueryError::new(sqlstate::UNDEFINED_PARAMETER, format!("there is no parameter ${}", index + 1))
            }),
            ExprKind::Slot(slot) => Ok(row.row.get(*slot)),
            ExprKind::Outer(index) => Ok(row.cx.outer[*index].clone()),
            ExprKind::Local(depth) => Ok(local(row.locals, *depth).clone()),
            ExprKind::Call { function, args, position } => {
                let mut values: SmallVec<[Value; 4]> = SmallVec::with_capacity(args.len());
                for arg in args {
                    let value = arg.eval(row)?;
                    if function.strict && value.is_null() {
                        return Ok(Value::Null);
                    }
                    values.push(value);
                }
                let context = row.cx.eval_context();
                poll_call(&context, &values)?;
                let result = (function.eval)(&context, &values);
                result
                    .and_then(|value| size::check_size(&value).map(|()| value))
                    .map_err(|error| error.at(position.map(|p| p as usize)))
            }
            ExprKind::Cast { input, explicit } => {
                let value = input.eval(row)?;
                if value.is_null() {
                    return Ok(value);
                }
                functions::cast_value(&row.cx.eval_context(), &value, &input.ty, &self.ty, *explicit)
            }
            ExprKind::And(items) => {
                let mut unknown = false;
                for (count, item) in items.iter().enumerate() {
                    poll(row.cx, count)?;
                    match truth(&item.eval(row)?)? {
                        Some(false) => return Ok(Value::Bool(false)),
                        Some(true) => {}
                        None => unknown = true,
                    }
                }
                Ok(if unknown { Value::Null } else { Value::Bool(true) })
            }
            ExprKind::Or(items) => {
                let mut unknown = false;
                for (count, item) in items.iter().enumerate() {
                    poll(row.cx, count)?;
                    match truth(&item.eval(row)?)? {
                        Some(true) => return Ok(Value::Bool(true)),
                        Some(false) => {}
                        None => unknown = true,
                    }
                }
                Ok(if unknown { Value::Null } else { Value::Bool(false) })
            }
            ExprKind::Not(input) => Ok(from_truth(truth(&input.eval(row)?)?.map(|b| !b))),
            ExprKind::Xor(a, b) => {
                let (a, b) = (truth(&a.eval(row)?)?, truth(&b.eval(row)?)?);
                Ok(from_truth(a.zip(b).map(|(a, b)| a != b)))
            }
            ExprKind::IsNull(input) => Ok(Value::Bool(input.eval(row)?.is_null())),
            ExprKind::IsNotDistinct(a, b) => Ok(Value::Bool(equivalent(&a.eval(row)?, &b.eval(row)?))),
            ExprKind::Case { branches, otherwise } => {
                for (count, (condition, value)) in branches.iter().enumerate() {
                    poll(row.cx, count)?;
                    if truth(&condition.eval(row)?)? == Some(true) {
                        return value.eval(row);
                    }
                }
                otherwise.as_ref().map_or(Ok(Value::Null), |otherwise| otherwise.eval(row))
            }
            ExprKind::Coalesce(items) => {
                for (count, item) in items.iter().enumerate() {
                    poll(row.cx, count)?;
                    let value = item.eval(row)?;
                    if !value.is_null() {
                        return Ok(value);
                    }
                }
                Ok(Value::Null)
            }
            ExprKind::InList { equals, input, items, set, negated } => {
                let value = input.eval(row)?;
                let found = match set {
                    Some(set) => in_set(&value, set),
                    None => in_items(equals, &value, items, row)?,
                };
                Ok(from_truth(found.map(|found| found != *negated)))
            }
            ExprKind::Quantified { operator, input, array, all } => {
                let value = input.eval(row)?;
                let array = array.eval(row)?;
                let Value::List(items) = &array else {
                    if array.is_null() {
                        return Ok(Value::Null);
                    }
                    return Err(type_error(
                        format!("expected an array, found {}", kind_name(&array)),
                        "InvalidArgumentType",
                    ));
                };
                Ok(from_truth(quantify(operator, &row.cx.eval_context(), &value, items, *all)?))
            }
            ExprKind::List(items) => {
                let mut values = Vec::with_capacity(items.len());
                let mut meter = size::Meter::of_value(row.cx);
                for item in items {
                    let value = item.eval(row)?;
                    meter.add(&value)?;
                    values.push(value);
                }
                Ok(Value::list(values))
            }
            ExprKind::Map(entries) => {
                let mut map = sinew_storage::value::MapValue::new();
                for (count, (key, value)) in entries.iter().enumerate() {
                    poll(row.cx, count)?;
                    map.insert(Arc::clone(key), value.eval(row)?);
                }
                Ok(Value::Map(Arc::new(map)))
            }
            ExprKind::Property { input, key, token_slot } => {
                property::property_of(row.cx, &input.eval(row)?, key, *token_slot)
            }
            ExprKind::HasLabels { input, labels } => property::has_labels(row.cx, &input.eval(row)?, labels),
            ExprKind::ListComprehension { list, filter, map } => {
                let Some(items) = list_items(list.eval(row)?)? else { return Ok(Value::Null) };
                let mut out = Vec::new();
                let mut meter = size::Meter::of_value(row.cx);
                for item in items.iter() {
                    meter.work(0)?;
                    let local = Local { value: item, parent: row.locals };
                    let row = RowCx { locals: Some(&local), ..row };
                    if let Some(filter) = filter
                        && truth(&filter.eval(row)?)? != Some(true)
                    {
                        continue;
                    }
                    let value = match map {
                        Some(map) => map.eval(row)?,
                        None => item.clone(),
                    };
                    meter.add(&value)?;
                    out.push(value);
                }
                Ok(Value::list(out))
            }
            ExprKind::ListPredicate { kind, list, predicate } => {
                let Some(items) = list_items(list.eval(row)?)? else { return Ok(Value::Null) };
                list_predicate(*kind, &items, predicate, row)
            }
            ExprKind::Reduce { init, list, step } => {
                let mut accumulator = init.eval(row)?;
                let Some(items) = list_items(list.eval(row)?)? else { return Ok(Value::Null) };
                let mut meter = size::Meter::of_value(row.cx);
                for item in items.iter() {
                    let outer = Local { value: &accumulator, parent: row.locals };
                    let inner = Local { value: item, parent: Some(&outer) };
                    let next = step.eval(RowCx { locals: Some(&inner), ..row })?;
                    size::check_whole(&next, &|| row.cx.check_cancel())?;
                    meter.work(size::held_bytes(&next))?;
                    accumulator = next;
                }
                Ok(accumulator)
            }
            ExprKind::Path(parts) => path::build_path(parts, row),
            ExprKind::Subquery(subquery) => subquery::eval_subquery(subquery, row),
        }
    }

    /// The value without a row (bounds, limits, arguments of scans).
    pub fn eval_const(&self, cx: &Cx) -> Result<Value> {
        self.eval(RowCx::empty(cx))
    }

    /// Whether the condition is TRUE on one row.
    pub fn holds(&self, row: RowCx<'_>) -> Result<bool> {
        Ok(truth(&self.eval(row)?)? == Some(true))
    }
}

fn local<'a>(locals: Option<&'a Local<'a>>, depth: usize) -> &'a Value {
    let mut current = locals;
    for _ in 0..depth {
        current = current.and_then(|local| local.parent);
    }
    current.expect("the compiler counts the locals in scope").value
}

/// Items of one value between two looks at the cancel token.
const ITEMS_PER_POLL: usize = 1024;
/// Elements or bytes of an argument that take a function long.
const LONG_ARGUMENT: usize = 4096;

/// Long lists are no reason to miss a cancel request.
fn poll(cx: &Cx, count: usize) -> Result<()> {
    if count % ITEMS_PER_POLL == ITEMS_PER_POLL - 1 { cx.check_cancel() } else { Ok(()) }
}

/// Looks at the cancel token before a call that may take long.
fn poll_call(context: &EvalContext<'_>, args: &[Value]) -> Result<()> {
    let is_long = |value: &Value| match value {
        Value::List(items) => items.len() >= LONG_ARGUMENT,
        Value::Text(text) => text.len() >= LONG_ARGUMENT,
        _ => false,
    };
    if args.iter().any(is_long) { Ok(context.exec.cancel.check()?) } else { Ok(()) }
}

fn list_items(value: Value) -> Result<Option<Arc<[Value]>>> {
    match value {
        Value::Null => Ok(None),
        Value::List(items) => Ok(Some(items)),
        other => Err(type_error(format!("expected a list, found {}", kind_name(&other)), "InvalidArgumentType")),
    }
}

pub(super) fn in_set(value: &Value, set: &LiteralSet) -> Option<bool> {
    if value.is_null() {
        return if set.keys.is_empty() && !set.has_null { Some(false) } else { None };
    }
    let mut key = Vec::with_capacity(16);
    encode_key(value, KeyMode::Equivalent, &mut key);
    if set.keys.contains(key.as_slice()) {
        Some(true)
    } else if set.has_null {
        None
    } else {
        Some(false)
    }
}

fn in_items(equals: &ScalarFunction, value: &Value, items: &[PhysExpr], row: RowCx<'_>) -> Result<Option<bool>> {
    let context = row.cx.eval_context();
    let mut unknown = false;
    for (count, item) in items.iter().enumerate() {
        poll(row.cx, count)?;
        let item = item.eval(row)?;
        match truth(&call_function(equals, &context, &[value.clone(), item])?)? {
            Some(true) => return Ok(Some(true)),
            Some(false) => {}
            None => unknown = true,
        }
    }
    Ok(if unknown { None } else { Some(false) })
}

/// `value op ANY/ALL (items)`.
pub(super) fn quantify(
    operator: &ScalarFunction,
    context: &EvalContext<'_>,
    value: &Value,
    items: &[Value],
    all: bool,
) -> Result<Option<bool>> {
    let mut unknown = false;
    for (count, item) in items.iter().enumerate() {
        if count % ITEMS_PER_POLL == ITEMS_PER_POLL - 1 {
            context.exec.cancel.check()?;
        }
        match truth(&call_function(operator, context, &[value.clone(), item.clone()])?)? {
            Some(found) if found != all => return Ok(Some(!all)),
            Some(_) => {}
            None => unknown = true,
        }
    }
    Ok(if unknown { None } else { Some(all) })
}

fn list_predicate(kind: ListPredicateKind, items: &[Value], predicate: &PhysExpr, row: RowCx<'_>) -> Result<Value> {
    let (mut true_count, mut unknown) = (0_usize, false);
    for (count, item) in items.iter().enumerate() {
        poll(row.cx, count)?;
        let local = Local { value: item, parent: row.locals };
        match truth(&predicate.eval(RowCx { locals: Some(&local), ..row })?)? {
            Some(true) => {
                true_count += 1;
                match kind {
                    ListPredicateKind::Any => return Ok(Value::Bool(true)),
                    ListPredicateKind::None => return Ok(Value::Bool(false)),
                    ListPredicateKind::Single if true_count > 1 => return Ok(Value::Bool(false)),
                    _ => {}
                }
            }
            Some(false) if kind == ListPredicateKind::All => return Ok(Value::Bool(false)),
            Some(false) => {}
            None => unknown = true,
        }
    }
    Ok(match kind {
        _ if unknown => Value::Null,
        ListPredicateKind::All | ListPredicateKind::None => Value::Bool(true),
        ListPredicateKind::Any => Value::Bool(false),
        ListPredicateKind::Single => Value::Bool(true_count == 1),
    })
}
