//! Bounds on single values, so that no expression outgrows the process: growth by doubling needs few steps.

use sinew_storage::Value;

use crate::error::{QueryError, Result, sqlstate};

/// Bytes of one text or bytea, as many as a message may have.
pub const MAX_TEXT_BYTES: usize = 64 << 20;
/// Elements of one list, those of the lists and maps inside it included; shared parts count each time.
pub const MAX_LIST_ELEMENTS: usize = 16 << 20;
/// Nesting of lists and maps: dropping and comparing values recurse.
const MAX_NESTING: usize = 256;

/// 54000 when a computed text, bytea or list is too large. Does not look inside lists.
pub fn check_size(value: &Value) -> Result<()> {
    match value {
        Value::Text(text) if text.len() > MAX_TEXT_BYTES => Err(too_large("text", text.len(), "bytes", MAX_TEXT_BYTES)),
        Value::Bytes(bytes) if bytes.len() > MAX_TEXT_BYTES => {
            Err(too_large("bytea", bytes.len(), "bytes", MAX_TEXT_BYTES))
        }
        Value::List(items) if items.len() > MAX_LIST_ELEMENTS => {
            Err(too_large("list", items.len(), "elements", MAX_LIST_ELEMENTS))
        }
        _ => Ok(()),
    }
}

/// 54000 when a value that grew step by step is too large or nested too deeply as a whole.
pub fn check_whole(value: &Value) -> Result<()> {
    check_size(value)?;
    let mut left = MAX_LIST_ELEMENTS;
    walk(value, MAX_NESTING, &mut left)
}

fn walk(value: &Value, levels: usize, left: &mut usize) -> Result<()> {
    let inner: &mut dyn Iterator<Item = &Value> = match value {
        Value::List(items) => &mut items.iter(),
        Value::Map(map) => &mut map.values(),
        _ => return Ok(()),
    };
    for item in inner {
        if levels == 0 || *left == 0 {
            return Err(QueryError::new(
                sqlstate::PROGRAM_LIMIT_EXCEEDED,
                format!("value exceeds the limit of {MAX_LIST_ELEMENTS} elements or {MAX_NESTING} levels"),
            ));
        }
        *left -= 1;
        walk(item, levels - 1, left)?;
    }
    Ok(())
}

fn too_large(what: &str, size: usize, unit: &str, limit: usize) -> QueryError {
    QueryError::new(
        sqlstate::PROGRAM_LIMIT_EXCEEDED,
        format!("{what} of {size} {unit} exceeds the limit of {limit} {unit}"),
    )
}

/// Bytes that a value holds by itself, for budgets.
pub fn held_bytes(value: &Value) -> usize {
    match value {
        Value::Text(text) => text.len(),
        Value::Bytes(bytes) => bytes.len(),
        Value::List(items) => std::mem::size_of_val(&**items),
        Value::Vector(vector) => std::mem::size_of_val(&**vector),
        _ => 0,
    }
}

/// 53200: the values of one batch exceed what a statement may hold.
pub fn batch_too_large(limit_bytes: usize) -> QueryError {
    QueryError::new(
        sqlstate::OUT_OF_MEMORY,
        format!("computed values exceed the statement's limit of {limit_bytes} bytes"),
    )
}
