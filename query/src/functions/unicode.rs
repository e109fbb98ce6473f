//! Unicode: normal forms, and escapes in text.

use sinew_storage::Value;
use unicode_normalization::{UnicodeNormalization, is_nfc, is_nfd, is_nfkc, is_nfkd};

use super::args::text;
use super::growth::TextBuilder;
use super::registry::Table;
use crate::context::EvalContext;
use crate::error::{QueryError, Result, sqlstate};

fn invalid_form(form: &str) -> QueryError {
    QueryError::new(sqlstate::INVALID_PARAMETER_VALUE, format!("invalid normalization form: {form}"))
}

pub(crate) fn normalize(context: &EvalContext<'_>, string: &str, form: &str) -> Result<Value> {
    let mut out = TextBuilder::new(context);
    match form.to_ascii_uppercase().as_str() {
        "NFC" => string.nfc().try_for_each(|c| out.push_char(c))?,
        "NFD" => string.nfd().try_for_each(|c| out.push_char(c))?,
        "NFKC" => string.nfkc().try_for_each(|c| out.push_char(c))?,
        "NFKD" => string.nfkd().try_for_each(|c| out.push_char(c))?,
        _ => return Err(invalid_form(form)),
    }
    Ok(out.finish())
}

pub(crate) fn is_normalized(string: &str, form: &str) -> Result<Value> {
    Ok(Value::Bool(match form.to_ascii_uppercase().as_str() {
        "NFC" => is_nfc(string),
        "NFD" => is_nfd(string),
        "NFKC" => is_nfkc(string),
        "NFKD" => is_nfkd(string),
        _ => return Err(invalid_form(form)),
    }))
}

/// `\XXXX`, `\+XXXXXX`, `\uXXXX`, `\UXXXXXXXX` as characters, surrogates in pairs; `\\` is a backslash.
fn unescape(context: &EvalContext<'_>, string: &str) -> Result<Value> {
    let invalid = || {
        QueryError::new(sqlstate::SYNTAX_ERROR, "invalid Unicode escape")
            .hint("Unicode escapes must be \\XXXX, \\+XXXXXX, \\uXXXX, or \\UXXXXXXXX.")
    };
    let pair = || QueryError::new(sqlstate::SYNTAX_ERROR, "invalid Unicode surrogate pair");
    let mut out = TextBuilder::new(context);
    let mut rest = string;
    let mut high: Option<u32> = None;
    while let Some(at) = rest.find('\\') {
        if at > 0 && high.is_some() {
            return Err(pair());
        }
        out.push(&rest[..at])?;
        rest = &rest[at + 1..];
        if let Some(after) = rest.strip_prefix('\\') {
            if high.is_some() {
                return Err(pair());
            }
            out.push_char('\\')?;
            rest = after;
            continue;
        }
        let (digits, after) = match rest.as_bytes().first() {
            Some(b'+') => rest.get(1..7).zip(rest.get(7..)),
            Some(b'u') => rest.get(1..5).zip(rest.get(5..)),
            Some(b'U') => rest.get(1..9).zip(rest.get(9..)),
            _ => rest.get(..4).zip(rest.get(4..)),
        }
        .ok_or_else(invalid)?;
        if !digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Err(invalid());
        }
        let code = u32::from_str_radix(digits, 16).map_err(|_| invalid())?;
        rest = after;
        let code = match (high.take(), code) {
            (None, 0xD800..=0xDBFF) => {
                high = Some(code);
                continue;
            }
            (Some(high), 0xDC00..=0xDFFF) => 0x10000 + ((high - 0xD800) << 10) + (code - 0xDC00),
            (Some(_), _) | (None, 0xDC00..=0xDFFF) => return Err(pair()),
            (None, code) => code,
        };
        let c = char::from_u32(code).filter(|c| *c != '\0').ok_or_else(|| {
            QueryError::new(sqlstate::SYNTAX_ERROR, format!("invalid Unicode code point: {code:04X}"))
        })?;
        out.push_char(c)?;
    }
    if high.is_some() {
        return Err(pair());
    }
    out.push(rest)?;
    Ok(out.finish())
}

pub(super) fn register(t: &mut Table) {
    t.section("String functions");
    t.f("normalize(text) -> text", |c, a| normalize(c, text(&a[0])?, "NFC"));
    t.f("normalize(text, text) -> text", |c, a| normalize(c, text(&a[0])?, text(&a[1])?));
    t.f("is_normalized(text) -> bool", |_, a| is_normalized(text(&a[0])?, "NFC"));
    t.f("is_normalized(text, text) -> bool", |_, a| is_normalized(text(&a[0])?, text(&a[1])?));
    t.f("unistr(text) -> text", |c, a| unescape(c, text(&a[0])?));
}
