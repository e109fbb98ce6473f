//! Array functions. Arrays have one dimension and start at 1.

use sinew_storage::Value;

use super::args::{int, list};
use super::growth::ListBuilder;
use super::operators_array::{append, concatenate, prepend};
use super::registry::Table;
use crate::context::EvalContext;
use crate::error::{QueryError, Result, sqlstate};
use crate::types::compare_sql;

/// Equal, NULLs counting as equal to each other.
fn same(a: &Value, b: &Value) -> bool {
    match (a.is_null(), b.is_null()) {
        (true, true) => true,
        (false, false) => compare_sql(a, b).is_eq(),
        _ => false,
    }
}

/// The only dimension's length; NULL for other dimensions and empty arrays.
fn dimension(args: &[Value], of: impl Fn(usize) -> i64) -> Result<Value> {
    let items = list(&args[0])?;
    Ok(if int(&args[1])? == 1 && !items.is_empty() { Value::Int(of(items.len())) } else { Value::Null })
}

fn position(args: &[Value]) -> Result<Value> {
    if args[0].is_null() {
        return Ok(Value::Null);
    }
    let start = match args.get(2) {
        None => 1,
        Some(Value::Null) => {
            return Err(QueryError::new(sqlstate::NULL_VALUE_NOT_ALLOWED, "initial position must not be null"));
        }
        Some(start) => int(start)?,
    };
    let skip = usize::try_from(start.max(1) - 1).unwrap_or(usize::MAX);
    let found = list(&args[0])?.iter().enumerate().skip(skip).find(|(_, item)| same(item, &args[1]));
    Ok(found.map_or(Value::Null, |(at, _)| Value::Int(at as i64 + 1)))
}

/// Longest array `array_fill` makes.
const MAX_FILL: i64 = 1 << 24;

fn fill(context: &EvalContext<'_>, args: &[Value]) -> Result<Value> {
    if args[1].is_null() {
        return Err(QueryError::new(
            sqlstate::NULL_VALUE_NOT_ALLOWED,
            "dimension array or low bound array cannot be null",
        ));
    }
    match list(&args[1])? {
        [] => Ok(Value::list(Vec::new())),
        [count] => {
            let count = int(count)?;
            if !(0..=MAX_FILL).contains(&count) {
                return Err(QueryError::new(
                    sqlstate::PROGRAM_LIMIT_EXCEEDED,
                    format!("array size exceeds the maximum allowed ({MAX_FILL})"),
                ));
            }
            let mut out = ListBuilder::new(context);
            out.extend(std::iter::repeat_n(&args[0], count as usize).cloned())?;
            Ok(out.finish())
        }
        _ => Err(QueryError::unsupported("an array of more than one dimension")),
    }
}

pub(super) fn register(t: &mut Table) {
    t.section("Array functions");
    t.f("array_length(anyarray, int4) -> int4", |_, a| dimension(a, |length| length as i64));
    t.f("array_upper(anyarray, int4) -> int4", |_, a| dimension(a, |length| length as i64));
    t.f("array_lower(anyarray, int4) -> int4", |_, a| dimension(a, |_| 1));
    t.f("array_ndims(anyarray) -> int4", |_, a| Ok(if list(&a[0])?.is_empty() { Value::Null } else { Value::Int(1) }));
    t.f("array_dims(anyarray) -> text", |_, a| {
        let length = list(&a[0])?.len();
        Ok(if length == 0 { Value::Null } else { Value::text(format!("[1:{length}]")) })
    });
    t.f("cardinality(anyarray) -> int4", |_, a| Ok(Value::Int(list(&a[0])?.len() as i64)));
    t.f("array_append(anycompatiblearray, anycompatible) -> anycompatiblearray", |_, a| append(a)).lax();
    t.f("array_prepend(anycompatible, anycompatiblearray) -> anycompatiblearray", |_, a| prepend(a)).lax();
    t.f("array_cat(anycompatiblearray, anycompatiblearray) -> anycompatiblearray", |_, a| concatenate(a)).lax();
    t.f("array_position(anycompatiblearray, anycompatible) -> int4", |_, a| position(a)).lax();
    t.f("array_position(anycompatiblearray, anycompatible, int4) -> int4", |_, a| position(a)).lax();
    t.f("array_positions(anycompatiblearray, anycompatible) -> int4[]", |_, a| {
        if a[0].is_null() {
            return Ok(Value::Null);
        }
        let places = list(&a[0])?.iter().enumerate().filter(|(_, item)| same(item, &a[1]));
        Ok(Value::list(places.map(|(at, _)| Value::Int(at as i64 + 1)).collect()))
    })
    .lax();
    t.f("array_remove(anycompatiblearray, anycompatible) -> anycompatiblearray", |_, a| {
        if a[0].is_null() {
            return Ok(Value::Null);
        }
        Ok(Value::list(list(&a[0])?.iter().filter(|item| !same(item, &a[1])).cloned().collect()))
    })
    .lax();
    t.f("array_replace(anycompatiblearray, anycompatible, anycompatible) -> anycompatiblearray", |_, a| {
        if a[0].is_null() {
            return Ok(Value::Null);
        }
        let replaced = list(&a[0])?.iter().map(|item| if same(item, &a[1]) { a[2].clone() } else { item.clone() });
        Ok(Value::list(replaced.collect()))
    })
    .lax();
    t.f("array_fill(anyelement, int4[]) -> anyarray", fill).lax();
    t.f("array_fill(anyelement, int4[], int4[]) -> anyarray", |c, a| {
        if a[1].is_null() || a[2].is_null() {
            return fill(c, &[a[0].clone(), Value::Null]);
        }
        let (dimensions, bounds) = (list(&a[1])?, list(&a[2])?);
        if dimensions.len() != bounds.len() {
            return Err(QueryError::new(sqlstate::ARRAY_SUBSCRIPT_ERROR, "wrong number of array subscripts")
                .detail("Low bound array has different size than dimensions array."));
        }
        if bounds.iter().any(Value::is_null) {
            return Err(QueryError::new(sqlstate::NULL_VALUE_NOT_ALLOWED, "dimension values cannot be null"));
        }
        match bounds {
            [bound] if int(bound)? != 1 && int(&dimensions[0])? != 0 => {
                Err(QueryError::unsupported("an array that begins at another subscript than 1"))
            }
            _ => fill(c, &a[..2]),
        }
    })
    .lax();
    t.f("trim_array(anyarray, int4) -> anyarray", |_, a| {
        let items = list(&a[0])?;
        let count = usize::try_from(int(&a[1])?).ok().filter(|count| *count <= items.len()).ok_or_else(|| {
            QueryError::new(
                sqlstate::ARRAY_SUBSCRIPT_ERROR,
                format!("number of elements to trim must be between 0 and {}", items.len()),
            )
        })?;
        Ok(Value::list(items[..items.len() - count].to_vec()))
    });
    // `array[index]` and `array[low:high]`, for the binder.
    t.f("array_element(anyarray, int4) -> anyelement", |_, a| {
        let index = int(&a[1])?;
        let items = list(&a[0])?;
        Ok(usize::try_from(index - 1).ok().and_then(|at| items.get(at)).cloned().unwrap_or(Value::Null))
    });
    t.f("array_slice(anyarray, int4, int4) -> anyarray", |_, a| {
        if a[0].is_null() {
            return Ok(Value::Null);
        }
        let items = list(&a[0])?;
        let low = if a[1].is_null() { 1 } else { int(&a[1])? }.max(1);
        let high = if a[2].is_null() { items.len() as i64 } else { int(&a[2])? }.min(items.len() as i64);
        if low > high {
            return Ok(Value::list(Vec::new()));
        }
        Ok(Value::list(items[low as usize - 1..high as usize].to_vec()))
    })
    .lax();
}
