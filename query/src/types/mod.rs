//! Types: one page per type with its names, oid, Arrow form, text form and wire codec.

use sinew_storage::{DataType, Value};

use crate::context::EvalContext;
use crate::error::Result;

/// PostgreSQL's oid of a type (vector has a fixed one of ours; Any, Node, Relationship, Path and Map are jsonb).
pub fn type_oid(ty: &DataType) -> u32 {
    let _ = ty;
    todo!("functions")
}

/// None for an oid we do not know.
pub fn type_from_oid(oid: u32) -> Option<DataType> {
    let _ = oid;
    todo!("functions")
}

/// `pg_type.typlen`: bytes, or -1.
pub fn type_length(ty: &DataType) -> i16 {
    let _ = ty;
    todo!("functions")
}

/// `pg_attribute.atttypmod`: -1 when there is none.
pub fn type_modifier(ty: &DataType) -> i32 {
    let _ = ty;
    todo!("functions")
}

/// As `format_type` prints it: `timestamp with time zone`, `numeric(10,2)`, `text[]`.
pub fn type_name(ty: &DataType) -> String {
    let _ = ty;
    todo!("functions")
}

/// From any of its names, lower case, without modifiers: `int4`, `integer`, `bigint`, `timestamptz`.
pub fn type_from_name(name: &str) -> Option<DataType> {
    let _ = name;
    todo!("functions")
}

/// PostgreSQL's text output of a non-NULL value. Nodes, relationships, paths, maps and Any are materialised as jsonb
/// text through the context's transaction.
pub fn to_text(context: &EvalContext<'_>, value: &Value, ty: &DataType) -> Result<String> {
    let _ = (context, value, ty);
    todo!("functions")
}

/// PostgreSQL's text input. 22P02, 22003, 22007.
pub fn from_text(context: &EvalContext<'_>, text: &str, ty: &DataType) -> Result<Value> {
    let _ = (context, text, ty);
    todo!("functions")
}

/// Appends the binary wire form of a non-NULL value, without its length word.
pub fn to_binary(context: &EvalContext<'_>, value: &Value, ty: &DataType, out: &mut Vec<u8>) -> Result<()> {
    let _ = (context, value, ty, out);
    todo!("functions")
}

/// 22P03 when malformed.
pub fn from_binary(bytes: &[u8], ty: &DataType) -> Result<Value> {
    let _ = (bytes, ty);
    todo!("functions")
}

/// jsonb of any value: entities materialised with labels and properties, temporals as ISO text, floats with a point.
pub fn to_json(context: &EvalContext<'_>, value: &Value) -> Result<sinew_storage::Json> {
    let _ = (context, value);
    todo!("functions")
}

/// SQL ordering of two non-NULL values of one type (collation C).
pub fn compare_sql(a: &Value, b: &Value) -> std::cmp::Ordering {
    let _ = (a, b);
    todo!("functions")
}
