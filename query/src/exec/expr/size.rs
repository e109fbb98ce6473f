//! Bounds on single values and on columns of them, so that no expression outgrows the process: growth by doubling needs
//! few steps.

use std::sync::Arc;

use sinew_storage::{Json, Temporal, Value};

use super::Cx;
use crate::batch::{Column, json_size_bytes};
use crate::error::{QueryError, Result, sqlstate};

/// Bytes of one text or bytea, as many as a message may have.
pub const MAX_TEXT_BYTES: usize = 64 << 20;
/// Elements of one list, those of the lists and maps inside it included; shared parts count each time.
pub const MAX_LIST_ELEMENTS: usize = 16 << 20;
/// Bytes of one jsonb value in memory, as many as PostgreSQL stores at most.
pub const MAX_JSON_BYTES: usize = 256 << 20;
/// Nesting of lists and maps: dropping and comparing values recurse.
const MAX_NESTING: usize = 256;
/// Work between two looks at the cancel token, in bytes made.
const POLL_BYTES: usize = 1 << 20;
/// What an allocation takes besides its contents, approximately.
const ALLOCATION_BYTES: usize = 32;
/// What making one value counts as besides its bytes.
const VALUE_WORK_BYTES: usize = 256;

/// 54000 when a computed text, bytea, list or jsonb is too large. Does not look inside lists.
pub fn check_size(value: &Value) -> Result<()> {
    match value {
        Value::Text(text) if text.len() > MAX_TEXT_BYTES => Err(too_large("text", text.len(), "bytes", MAX_TEXT_BYTES)),
        Value::Bytes(bytes) if bytes.len() > MAX_TEXT_BYTES => {
            Err(too_large("bytea", bytes.len(), "bytes", MAX_TEXT_BYTES))
        }
        Value::List(items) => check_element_count(items.len()),
        Value::Json(json) => check_json_bytes(json_size_bytes(json)),
        _ => Ok(()),
    }
}

/// 54000 when a list may not have so many elements.
pub fn check_element_count(count: usize) -> Result<()> {
    if count > MAX_LIST_ELEMENTS { Err(too_large("list", count, "elements", MAX_LIST_ELEMENTS)) } else { Ok(()) }
}

/// 54000 when a jsonb value may not hold so many bytes.
pub fn check_json_bytes(bytes: usize) -> Result<()> {
    if bytes > MAX_JSON_BYTES { Err(too_large("jsonb", bytes, "bytes", MAX_JSON_BYTES)) } else { Ok(()) }
}

/// 54000 when a value that grew step by step is too large or nested too deeply as a whole.
///
/// `poll` is called now and then: shared parts are walked each time they occur.
pub fn check_whole(value: &Value, poll: &dyn Fn() -> Result<()>) -> Result<()> {
    check_size(value)?;
    let mut left = MAX_LIST_ELEMENTS;
    walk(value, MAX_NESTING, &mut left, poll)
}

/// Elements walked between two polls.
const ELEMENTS_PER_POLL: usize = 1 << 16;

fn walk(value: &Value, levels: usize, left: &mut usize, poll: &dyn Fn() -> Result<()>) -> Result<()> {
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
        if left.is_multiple_of(ELEMENTS_PER_POLL) {
            poll()?;
        }
        walk(item, levels - 1, left, poll)?;
    }
    Ok(())
}

fn too_large(what: &str, size: usize, unit: &str, limit: usize) -> QueryError {
    QueryError::new(
        sqlstate::PROGRAM_LIMIT_EXCEEDED,
        format!("{what} of {size} {unit} exceeds the limit of {limit} {unit}"),
    )
}

/// Bytes of the heap that a value holds alone: what somebody else holds too counts with them.
pub fn held_bytes(value: &Value) -> usize {
    match value {
        Value::Text(text) if Arc::strong_count(text) == 1 => text.len() + ALLOCATION_BYTES,
        Value::Bytes(bytes) if Arc::strong_count(bytes) == 1 => bytes.len() + ALLOCATION_BYTES,
        Value::Vector(vector) if Arc::strong_count(vector) == 1 => std::mem::size_of_val(&**vector),
        Value::Json(json) if Arc::strong_count(json) == 1 => match &**json {
            Json::Array(_) | Json::Object(_) | Json::String(_) => json_size_bytes(json),
            _ => 0,
        },
        Value::List(items) if Arc::strong_count(items) == 1 => {
            std::mem::size_of_val(&**items) + items.iter().map(held_bytes).sum::<usize>()
        }
        Value::Map(map) if Arc::strong_count(map) == 1 => {
            map.iter().map(|(key, value)| key.len() + size_of::<Value>() + held_bytes(value)).sum()
        }
        Value::Temporal(temporal) if Arc::strong_count(temporal) == 1 => size_of::<Temporal>() + ALLOCATION_BYTES,
        Value::Path(path) if Arc::strong_count(path) == 1 => path.nodes.len() * 8 + path.relationships.len() * 32,
        _ => 0,
    }
}

/// 53200: computed values exceed what they may hold at once. Fewer rows at a time may fit.
pub fn batch_too_large(limit_bytes: usize) -> QueryError {
    let mut error = QueryError::new(
        sqlstate::OUT_OF_MEMORY,
        format!("computed values exceed the limit of {limit_bytes} bytes that a statement may hold at once"),
    );
    error.0.divisible = true;
    error
}

/// Counts what the values of a column or list hold while they are made, and looks at the cancel token now and then.
pub struct Meter<'a> {
    cx: &'a Cx,
    held_bytes: usize,
    limit_bytes: usize,
    until_poll_bytes: usize,
}

impl<'a> Meter<'a> {
    pub fn new(cx: &'a Cx, limit_bytes: usize) -> Meter<'a> {
        Meter { cx, held_bytes: 0, limit_bytes, until_poll_bytes: POLL_BYTES }
    }

    /// A meter of one value, which may take all of the statement's memory.
    pub fn of_value(cx: &'a Cx) -> Meter<'a> {
        Meter::new(cx, cx.run.exec.memory_limit_bytes)
    }

    /// Takes in a value that was just made: 53200 beyond the limit.
    pub fn add(&mut self, value: &Value) -> Result<()> {
        self.add_bytes(held_bytes(value))
    }

    pub fn add_column(&mut self, column: &Column) -> Result<()> {
        self.add_bytes(column.held_bytes())
    }

    fn add_bytes(&mut self, bytes: usize) -> Result<()> {
        self.held_bytes = self.held_bytes.saturating_add(bytes);
        if self.held_bytes > self.limit_bytes {
            return Err(batch_too_large(self.limit_bytes));
        }
        self.work(bytes)
    }

    /// Counts work whose result is not kept.
    pub fn work(&mut self, bytes: usize) -> Result<()> {
        match self.until_poll_bytes.checked_sub(bytes.saturating_add(VALUE_WORK_BYTES)) {
            Some(left) => self.until_poll_bytes = left,
            None => {
                self.until_poll_bytes = POLL_BYTES;
                self.cx.check_cancel()?;
            }
        }
        Ok(())
    }
}
