//! `text`, `varchar(n)`, `char(n)`, `name`, `"char"`: UTF-8 on the wire and in text.
//!
//! A `char(n)` is kept without its trailing blanks, which mean nothing in comparisons, so that equal values have one form
//! in keys, groups and joins and a cast to text is no work. Its static type gives the blanks back where it is shown.

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

/// Assignment to `char(n)`: as to `varchar(n)`, without the trailing blanks.
pub(crate) fn blank_padded_assign(text: &str, length: Option<u32>) -> Result<Value> {
    let kept = text.trim_end_matches(' ');
    match length {
        Some(length) if kept.chars().nth(length as usize).is_some() => Err(QueryError::new(
            sqlstate::STRING_DATA_RIGHT_TRUNCATION,
            format!("value too long for type character({length})"),
        )),
        _ => Ok(Value::text(kept)),
    }
}

/// Explicit cast to `char(n)`: cut, without the trailing blanks.
pub(crate) fn blank_padded_explicit(text: &str, length: Option<u32>) -> Value {
    let end = length.and_then(|length| text.char_indices().nth(length as usize)).map_or(text.len(), |(end, _)| end);
    Value::text(text[..end].trim_end_matches(' '))
}

/// A `char(n)` as it is shown: with blanks up to its length.
pub(crate) fn with_blanks(text: &str, length: Option<u32>) -> String {
    let missing = length.map_or(0, |length| (length as usize).saturating_sub(text.chars().count()));
    let mut padded = String::with_capacity(text.len() + missing);
    padded.push_str(text);
    padded.extend(std::iter::repeat_n(' ', missing));
    padded
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

/// The first text after all that begin with `prefix`; None when there is none. Texts are ordered by their bytes, which is
/// the order of their characters.
pub(crate) fn after_prefix(prefix: &str) -> Option<String> {
    let mut characters: Vec<char> = prefix.chars().collect();
    while let Some(last) = characters.pop() {
        if let Some(next) = (u32::from(last) + 1..=u32::from(char::MAX)).find_map(char::from_u32) {
            characters.push(next);
            return Some(characters.into_iter().collect());
        }
    }
    None
}
