//! `=`, `<>`, `<`, `<=`, `>`, `>=` of every type.

use std::cmp::Ordering;

use sinew_storage::Value;

use super::args::text;
use super::kernel;
use super::registry::Table;
use crate::error::Result;
use crate::types::compare_sql;

fn test(args: &[Value], accept: fn(Ordering) -> bool) -> Result<Value> {
    Ok(Value::Bool(accept(compare_sql(&args[0], &args[1]))))
}

macro_rules! comparisons {
    ($t:ident, $($a:literal $b:literal;)*) => {
        $($t.op(concat!($a, " = ", $b, " -> bool"), |_, a| test(a, Ordering::is_eq)).kernel(kernel::equal);
        $t.op(concat!($a, " <> ", $b, " -> bool"), |_, a| test(a, Ordering::is_ne)).kernel(kernel::not_equal);
        $t.op(concat!($a, " < ", $b, " -> bool"), |_, a| test(a, Ordering::is_lt)).kernel(kernel::less);
        $t.op(concat!($a, " <= ", $b, " -> bool"), |_, a| test(a, Ordering::is_le)).kernel(kernel::less_or_equal);
        $t.op(concat!($a, " > ", $b, " -> bool"), |_, a| test(a, Ordering::is_gt)).kernel(kernel::greater);
        $t.op(concat!($a, " >= ", $b, " -> bool"), |_, a| test(a, Ordering::is_ge)).kernel(kernel::greater_or_equal);)*
    };
}

pub(super) fn register(t: &mut Table) {
    t.section("Comparison operators");
    comparisons! { t,
        "bool" "bool";
        "int2" "int2";
        "int4" "int4";
        "int8" "int8";
        "int2" "int4";
        "int4" "int2";
        "int2" "int8";
        "int8" "int2";
        "int4" "int8";
        "int8" "int4";
        "float4" "float4";
        "float8" "float8";
        "float4" "float8";
        "float8" "float4";
        "numeric" "numeric";
        "text" "text";
        "bpchar" "bpchar";
        "name" "name";
        "name" "text";
        "text" "name";
        "char" "char";
        "bytea" "bytea";
        "date" "date";
        "time" "time";
        "timetz" "timetz";
        "timestamp" "timestamp";
        "timestamptz" "timestamptz";
        "interval" "interval";
        "uuid" "uuid";
        "oid" "oid";
        "jsonb" "jsonb";
        "vector" "vector";
        "anyarray" "anyarray";
        "anyenum" "anyenum";
        "record" "record";
    }
    // Character-wise comparison that ignores locale: the only one there is here.
    t.op("text ~<~ text -> bool", |_, a| Ok(Value::Bool(text(&a[0])? < text(&a[1])?)));
    t.op("text ~<=~ text -> bool", |_, a| Ok(Value::Bool(text(&a[0])? <= text(&a[1])?)));
    t.op("text ~>~ text -> bool", |_, a| Ok(Value::Bool(text(&a[0])? > text(&a[1])?)));
    t.op("text ~>=~ text -> bool", |_, a| Ok(Value::Bool(text(&a[0])? >= text(&a[1])?)));
}
