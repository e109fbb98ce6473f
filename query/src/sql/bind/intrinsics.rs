//! Operations that have syntax but no name among the functions: subscripts, slices, GREATEST and LEAST, and the lookup
//! of a named Cypher parameter in a jsonb value.

use std::cmp::Ordering;
use std::sync::Arc;

use sinew_storage::{DataType, Json, Value};

use crate::algebra::Expr;
use crate::context::EvalContext;
use crate::error::{QueryError, Result, sqlstate};
use crate::functions::ordered_set::{self, HypotheticalSet, KeyOrder, OrderedSet};
use crate::functions::{ScalarFunction, Volatility, subscript_assignment};
use crate::types::array::output_record;
use crate::types::compare_sql;
use crate::types::json::{graph_float, object};

fn intrinsic(
    name: &'static str,
    args: Vec<Expr>,
    returns: DataType,
    strict: bool,
    eval: impl Fn(&EvalContext<'_>, &[Value]) -> Result<Value> + Send + Sync + 'static,
) -> Expr {
    intrinsic_of(name, args, returns, strict, Volatility::Immutable, eval)
}

/// As [`intrinsic`], of another volatility.
pub fn intrinsic_of(
    name: &'static str,
    args: Vec<Expr>,
    returns: DataType,
    strict: bool,
    volatility: Volatility,
    eval: impl Fn(&EvalContext<'_>, &[Value]) -> Result<Value> + Send + Sync + 'static,
) -> Expr {
    let types = args.iter().map(Expr::ty).collect();
    let function = ScalarFunction {
        name,
        oid: 0,
        args: types,
        variadic: false,
        returns: returns.clone(),
        strict,
        volatility,
        eval: Arc::new(eval),
        kernel: None,
    };
    Expr::Call { function: Arc::new(function), args, ty: returns, position: None }
}

/// The bits of `grouping(…)` by the number of the grouping set.
pub fn grouping_mask(number: Expr, masks: Vec<i64>) -> Expr {
    intrinsic("grouping", vec![number], DataType::Int4, true, move |_, args| {
        let number = args[0].as_int().and_then(|number| usize::try_from(number).ok());
        Ok(number.and_then(|number| masks.get(number)).map_or(Value::Null, |mask| Value::Int(*mask)))
    })
}

/// The percentile of values in order, or those of an array of fractions.
pub fn percentile(kind: OrderedSet, name: &'static str, wanted: Expr, values: Expr, returns: DataType) -> Expr {
    intrinsic(name, vec![wanted, values], returns, false, move |_, args| {
        ordered_set::percentile(kind, &args[0], &args[1])
    })
}

/// The most frequent of values in order.
pub fn mode(values: Expr, returns: DataType) -> Expr {
    intrinsic("mode", vec![values], returns, true, |_, args| ordered_set::mode(&args[0]))
}

/// Whether a row with `keys` stands before `row` in an order, or, `with_peers`, is equal.
pub fn stands_before(keys: Vec<Expr>, row: Vec<Expr>, order: Vec<KeyOrder>, with_peers: bool) -> Expr {
    // Two of these are the same only if their orders are.
    let described: Vec<String> = order
        .iter()
        .map(|key| {
            format!(
                "{}{}",
                if key.descending { "DESC" } else { "ASC" },
                if key.nulls_first { " NULLS FIRST" } else { "" }
            )
        })
        .chain(with_peers.then(|| "PEERS".to_owned()))
        .collect();
    let described = Expr::Literal(Value::from(described.join(", ")), DataType::Text);
    let args = keys.into_iter().chain(row).chain([described]).collect();
    intrinsic("stands_before", args, DataType::Bool, false, move |_, args| {
        let (keys, rest) = args.split_at(order.len());
        let ordering = ordered_set::compare_rows(&order, keys, rest);
        Ok(Value::Bool(ordering.is_lt() || with_peers && ordering.is_eq()))
    })
}

/// A record of fields with names; `nullable`: NULL when all fields are.
pub fn record(fields: Vec<Expr>, names: Vec<String>, nullable: bool) -> Expr {
    let names = Value::list(names.into_iter().map(Value::from).collect());
    let mut args = fields;
    args.push(Expr::Literal(names, DataType::array_of(DataType::Text)));
    intrinsic(if nullable { "whole_row" } else { "row" }, args, DataType::Record, false, move |_, args| {
        let fields = args.split_last().map_or(&[][..], |(_, fields)| fields);
        Ok(if nullable && fields.iter().all(Value::is_null) { Value::Null } else { Value::list(fields.to_vec()) })
    })
}

/// `record IS NULL`, all fields are NULL, or `IS NOT NULL`, none is.
pub fn record_null_test(record: Expr, is_not: bool) -> Expr {
    let name = if is_not { "record_is_not_null" } else { "record_is_null" };
    intrinsic(name, vec![record], DataType::Bool, false, move |_, args| {
        Ok(Value::Bool(match &args[0] {
            Value::List(fields) => fields.iter().all(|field| field.is_null() != is_not),
            value => value.is_null() != is_not,
        }))
    })
}

/// A record as a JSON object, of type `ty`: json or jsonb.
pub fn record_as_json(record: Expr, fields: Vec<(String, DataType)>, ty: DataType) -> Expr {
    let names: Vec<(Arc<str>, DataType)> = fields.into_iter().map(|(name, ty)| (name.into(), ty)).collect();
    intrinsic_of("record_as_json", vec![record], ty, true, Volatility::Stable, move |context, args| {
        let Value::List(values) = &args[0] else { return Ok(Value::Null) };
        let members = names
            .iter()
            .zip(values.iter())
            .map(|((name, ty), value)| Ok((Arc::clone(name), crate::types::to_json_typed(context, value, ty)?)));
        Ok(Value::json(object(members.collect::<Result<_>>()?)))
    })
}

/// A record in its text form.
pub fn record_as_text(record: Expr, fields: Vec<(String, DataType)>) -> Expr {
    intrinsic_of("record_as_text", vec![record], DataType::Text, true, Volatility::Stable, move |context, args| {
        let Value::List(values) = &args[0] else { return Ok(args[0].clone()) };
        let texts = fields.iter().zip(values.iter()).map(|((_, ty), value)| match value {
            Value::Null => Ok(None),
            value => crate::types::to_text(context, value, ty).map(Some),
        });
        Ok(Value::from(output_record(&texts.collect::<Result<Vec<_>>>()?)))
    })
}

/// A record for a client, who is told the types of its fields by their values: where a value does not show its type, the
/// field becomes text.
pub fn record_for_client(record: Expr, fields: Vec<(String, DataType)>) -> Expr {
    intrinsic_of("record_out", vec![record], DataType::Record, true, Volatility::Stable, move |context, args| {
        let Value::List(values) = &args[0] else { return Ok(args[0].clone()) };
        let shown = fields.iter().zip(values.iter()).map(|((_, ty), value)| match value {
            Value::Null => Ok(Value::Null),
            value if shows_type(ty) => Ok(value.clone()),
            value => crate::types::to_text(context, value, ty).map(Value::from),
        });
        Ok(Value::list(shown.collect::<Result<_>>()?))
    })
}

/// Whether values of a type print the same by their kind alone.
fn shows_type(ty: &DataType) -> bool {
    match ty {
        DataType::Bool
        | DataType::Int2
        | DataType::Int4
        | DataType::Int8
        | DataType::Float8
        | DataType::Numeric(_)
        | DataType::Text
        | DataType::Varchar(_)
        | DataType::Name
        | DataType::Bytea
        | DataType::Date
        | DataType::Timestamptz
        | DataType::Uuid
        | DataType::Json
        | DataType::Jsonb => true,
        DataType::Array(element) => !matches!(**element, DataType::Json | DataType::Jsonb) && shows_type(element),
        _ => false,
    }
}

/// A comparison of two records; None for an operator that compares none.
pub fn record_comparison(symbol: &str, left: Expr, right: Expr) -> Option<Expr> {
    let (name, holds): (&'static str, fn(Ordering) -> bool) = match symbol {
        "=" => ("record_eq", Ordering::is_eq),
        "<>" => ("record_ne", Ordering::is_ne),
        "<" => ("record_lt", Ordering::is_lt),
        "<=" => ("record_le", Ordering::is_le),
        ">" => ("record_gt", Ordering::is_gt),
        ">=" => ("record_ge", Ordering::is_ge),
        _ => return None,
    };
    Some(intrinsic(name, vec![left, right], DataType::Bool, true, move |_, args| {
        Ok(Value::Bool(holds(compare_sql(&args[0], &args[1]))))
    }))
}

/// The result of a hypothetical-set aggregate from its counts; `row` is not looked at.
pub fn hypothetical_place(kind: HypotheticalSet, before: Expr, row_count: Expr, row: Vec<Expr>) -> Expr {
    let (name, returns) = match kind {
        HypotheticalSet::Rank => ("rank", DataType::Int8),
        HypotheticalSet::DenseRank => ("dense_rank", DataType::Int8),
        HypotheticalSet::PercentRank => ("percent_rank", DataType::Float8),
        HypotheticalSet::CumeDist => ("cume_dist", DataType::Float8),
    };
    let args = [before, row_count].into_iter().chain(row).collect();
    intrinsic(name, args, returns, false, move |_, args| {
        let count = |value: &Value| value.as_int().unwrap_or(0);
        Ok(ordered_set::place(kind, count(&args[0]), count(&args[1])))
    })
}

/// `array[index]`: from 1; NULL outside.
pub fn array_element(array: Expr, index: Expr, element: &DataType) -> Expr {
    intrinsic("array_element", vec![array, index], element.clone(), true, |_, args| {
        let (Value::List(items), Value::Int(index)) = (&args[0], &args[1]) else { return Ok(Value::Null) };
        let position = index.checked_sub(1).and_then(|position| usize::try_from(position).ok());
        Ok(position.and_then(|position| items.get(position)).cloned().unwrap_or_default())
    })
}

/// One field of a record, by its place from 0.
pub fn record_field(record: Expr, at: usize, ty: &DataType) -> Expr {
    intrinsic("record_field", vec![record], ty.clone(), true, move |_, args| match &args[0] {
        Value::List(items) => Ok(items.get(at).cloned().unwrap_or_default()),
        _ => Ok(Value::Null),
    })
}

/// `array[lower:upper]`; an open bound is the array's own, a NULL bound gives NULL.
pub fn array_slice(array: Expr, bounds: [Expr; 2], open: (bool, bool), element: &DataType) -> Expr {
    let mut args = vec![array];
    args.extend(bounds);
    intrinsic("array_slice", args, DataType::array_of(element.clone()), false, move |_, args| {
        let Value::List(items) = &args[0] else { return Ok(Value::Null) };
        let bound = |value: &Value, open: bool, default: i64| match value {
            _ if open => Some(default),
            Value::Int(int) => Some(*int),
            _ => None,
        };
        let length = items.len() as i64;
        let (Some(lower), Some(upper)) = (bound(&args[1], open.0, 1), bound(&args[2], open.1, length)) else {
            return Ok(Value::Null);
        };
        let (lower, upper) = (lower.max(1), upper.min(length));
        if lower > upper {
            return Ok(Value::list(Vec::new()));
        }
        Ok(Value::list(items[lower as usize - 1..upper as usize].to_vec()))
    })
}

/// `json[step]`, of a step's text: as `#>` finds it.
pub fn jsonb_element(json: Expr, step: Expr) -> Expr {
    intrinsic("jsonb_element", vec![json, step], DataType::Jsonb, true, |_, args| {
        let (Value::Json(json), Value::Text(step)) = (&args[0], &args[1]) else { return Ok(Value::Null) };
        let found = crate::types::json::get_path(json, std::slice::from_ref(step));
        Ok(found.map_or(Value::Null, |found| Value::json(found.clone())))
    })
}

/// An array with another element at `index`.
pub fn array_assign(array: Expr, index: Expr, value: Expr, ty: DataType) -> Expr {
    intrinsic("array_assign", vec![array, index, value], ty, false, |context, args| {
        subscript_assignment::set_element(context, &args[0], &args[1], &args[2])
    })
}

/// An array with the elements between the bounds replaced by those of another; an open bound is the array's own.
pub fn array_assign_slice(array: Expr, bounds: [Expr; 2], open: (bool, bool), value: Expr, ty: DataType) -> Expr {
    let [lower, upper] = bounds;
    let name = match open {
        (false, false) => "array_assign_slice",
        (true, false) => "array_assign_slice_to",
        (false, true) => "array_assign_slice_from",
        (true, true) => "array_assign_all",
    };
    intrinsic(name, vec![array, lower, upper, value], ty, false, move |context, args| {
        subscript_assignment::set_slice(context, &args[0], [&args[1], &args[2]], open, &args[3])
    })
}

/// A jsonb value with another at the end of a path of texts.
pub fn jsonb_assign(json: Expr, steps: Vec<Expr>, begins_array: bool, value: Expr) -> Expr {
    let name = if begins_array { "jsonb_assign_in_array" } else { "jsonb_assign" };
    let args = [json, value].into_iter().chain(steps).collect();
    intrinsic(name, args, DataType::Jsonb, false, move |context, args| {
        subscript_assignment::set_path(context, &args[0], begins_array, &args[2..], &args[1])
    })
}

/// GREATEST and LEAST: the extreme of the arguments that are not NULL.
pub fn extreme(greatest: bool, args: Vec<Expr>, ty: &DataType) -> Expr {
    let name = if greatest { "greatest" } else { "least" };
    let wanted = if greatest { Ordering::Greater } else { Ordering::Less };
    intrinsic(name, args, ty.clone(), false, move |_, args| {
        let mut best: Option<&Value> = None;
        for value in args.iter().filter(|value| !value.is_null()) {
            if best.is_none_or(|best| compare_sql(value, best) == wanted) {
                best = Some(value);
            }
        }
        Ok(best.cloned().unwrap_or_default())
    })
}

/// The value of one named parameter out of the jsonb object that `cypher()` was given.
pub fn named_parameter(object: Expr, name: &str) -> Expr {
    let key: Arc<str> = name.into();
    intrinsic("cypher_parameter", vec![object], DataType::Any, false, move |_, args| match &args[0] {
        Value::Null => Ok(Value::Null),
        Value::Json(json) => match &**json {
            Json::Object(members) => {
                members.iter().find(|(name, _)| *name == key).map_or(Ok(Value::Null), |(_, value)| json_value(value))
            }
            _ => Err(not_an_object()),
        },
        Value::Map(map) => Ok(map.get(&key).cloned().unwrap_or_default()),
        _ => Err(not_an_object()),
    })
}

pub fn not_an_object() -> QueryError {
    QueryError::new(sqlstate::INVALID_PARAMETER_VALUE, "parameters of cypher() must be a JSON object")
}

/// A JSON value as Cypher sees it: whole numbers are integers, others floats. 22003 for whole numbers beyond bigint.
pub fn json_value(json: &Json) -> Result<Value> {
    Ok(match json {
        Json::Null => Value::Null,
        Json::Bool(value) => Value::Bool(*value),
        Json::Int(value) => Value::Int(*value),
        Json::Decimal(value) => Value::Float(graph_float(value)?),
        Json::String(value) => Value::Text(value.clone()),
        Json::Array(items) => Value::list(items.iter().map(json_value).collect::<Result<_>>()?),
        Json::Object(members) => {
            let entries = members.iter().map(|(key, value)| Ok((key.clone(), json_value(value)?)));
            Value::Map(Arc::new(entries.collect::<Result<_>>()?))
        }
    })
}
