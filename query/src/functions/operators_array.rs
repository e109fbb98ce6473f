//! Operators of arrays: containment as sets, overlap, concatenation.

use sinew_storage::Value;

use super::args::list;
use super::registry::Table;
use crate::error::Result;
use crate::exec::expr::size::check_element_count;
use crate::types::compare_sql;

fn equal(a: &Value, b: &Value) -> bool {
    !a.is_null() && !b.is_null() && compare_sql(a, b).is_eq()
}

/// Every element of `b` is in `a`; NULL is in nothing.
fn contains(a: &[Value], b: &[Value]) -> bool {
    b.iter().all(|wanted| a.iter().any(|item| equal(item, wanted)))
}

/// A NULL array is an empty one.
fn parts(value: &Value) -> Result<&[Value]> {
    if value.is_null() { Ok(&[]) } else { list(value) }
}

pub(super) fn concatenate(args: &[Value]) -> Result<Value> {
    if args[0].is_null() && args[1].is_null() {
        return Ok(Value::Null);
    }
    joined(parts(&args[0])?, parts(&args[1])?)
}

pub(super) fn append(args: &[Value]) -> Result<Value> {
    joined(parts(&args[0])?, &args[1..2])
}

pub(super) fn prepend(args: &[Value]) -> Result<Value> {
    joined(&args[..1], parts(&args[1])?)
}

/// 54000 when both together have more elements than a list may.
fn joined(a: &[Value], b: &[Value]) -> Result<Value> {
    check_element_count(a.len().saturating_add(b.len()))?;
    Ok(Value::list([a, b].concat()))
}

pub(super) fn register(t: &mut Table) {
    t.section("Array operators");
    t.op("anyarray @> anyarray -> bool", |_, a| Ok(Value::Bool(contains(list(&a[0])?, list(&a[1])?))));
    t.op("anyarray <@ anyarray -> bool", |_, a| Ok(Value::Bool(contains(list(&a[1])?, list(&a[0])?))));
    t.op("anyarray && anyarray -> bool", |_, a| {
        let (x, y) = (list(&a[0])?, list(&a[1])?);
        Ok(Value::Bool(x.iter().any(|item| y.iter().any(|other| equal(item, other)))))
    });
    t.op("anycompatiblearray || anycompatiblearray -> anycompatiblearray", |_, a| concatenate(a)).lax();
    t.op("anycompatiblearray || anycompatible -> anycompatiblearray", |_, a| append(a)).lax();
    t.op("anycompatible || anycompatiblearray -> anycompatiblearray", |_, a| prepend(a)).lax();
}
