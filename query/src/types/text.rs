//! `text`, `varchar(n)`, `name`, `"char"`: UTF-8 on the wire and in text.

use sinew_storage::Value;

use crate::error::{QueryError, Result, sqlstate};

/// Bytes of a `name`, without its terminator.
const NAME_LIMIT_BYTES: usize = 63;

/// Assignment to `varchar(n)`: excess blanks are cut, anything else is 22001.
pub(crate) fn limit_assign(text: &str, limit: Option<u32>) -> Result<Value> {
    let Some(limit) = limit else { return Ok(Value::text(text)) };
    match text.char_indices().nth(limit as usize) {
        None => Ok(Value::text(text)),
        Some((end, _)) if text[end..].chars().all(|c| c == ' ') => Ok(Value::text(&text[..end])),
        Some(_) => Err(QueryError::new(
            sqlstate::STRING_DATA_RIGHT_TRUNCATION,
            format!("value too long for type character varying({limit})"),
        )),
    }
}

/// Explicit cast to `varchar(n)`: cut.
pub(crate) fn limit_explicit(text: &str, limit: Option<u32>) -> Value {
    match limit.and_then(|limit| text.char_indices().nth(limit as usize)) {
        None => Value::text(text),
        Some((end, _)) => Value::text(&text[..end]),
    }
}

/// Cut at 63 bytes, on a character's border.
pub(crate) fn name_input(text: &str) -> Value {
    let mut end = text.len().min(NAME_LIMIT_BYTES);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    Value::text(&text[..end])
}

/// The first character.
pub(crate) fn char_input(text: &str) -> Value {
    match text.chars().next() {
        None => Value::text(""),
        Some(c) => Value::text(c.to_string()),
    }
}

/// 22021 for NUL bytes, which text cannot hold.
pub(crate) fn check_no_nul(text: &str) -> Result<()> {
    if text.contains('\0') {
        return Err(QueryError::new(
            sqlstate::CHARACTER_NOT_IN_REPERTOIRE,
            "invalid byte sequence for encoding \"UTF8\": 0x00",
        ));
    }
    Ok(())
}
