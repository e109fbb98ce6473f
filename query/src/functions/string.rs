//! String functions. Positions and lengths are in characters, 1-based.

use std::sync::Arc;

use rustc_hash::FxHashMap;
use sinew_storage::{DataType, Value};

use super::args::{bytes, int, list, text};
use super::digest;
use super::growth::{ListBuilder, TextBuilder, check_text_length, replaced};
use super::registry::Table;
use super::{ScalarImpl, cast};
use crate::context::EvalContext;
use crate::error::{QueryError, Result, sqlstate};
use crate::types::{self, bytea, reg};

/// `substr`: `start` may lie before the string; without `count` to the end. 22011 for a negative count.
pub(crate) fn substring(string: &str, start: i64, count: Option<i64>) -> Result<&str> {
    let first = start.max(1);
    let end = match count {
        None => i64::MAX,
        Some(count) if count < 0 => {
            return Err(QueryError::new(sqlstate::SUBSTRING_ERROR, "negative substring length not allowed"));
        }
        Some(count) => start.saturating_add(count),
    };
    if end <= first {
        return Ok("");
    }
    let offset = |characters: i64| {
        let characters = usize::try_from(characters).unwrap_or(usize::MAX);
        string.char_indices().nth(characters).map_or(string.len(), |(at, _)| at)
    };
    let from = offset(first - 1);
    let to = if end == i64::MAX { string.len() } else { offset(end - 1) };
    Ok(&string[from..to])
}

fn substring_bytes(value: &[u8], start: i64, count: Option<i64>) -> Result<&[u8]> {
    let first = start.max(1);
    let end = match count {
        None => i64::MAX,
        Some(count) if count < 0 => {
            return Err(QueryError::new(sqlstate::SUBSTRING_ERROR, "negative substring length not allowed"));
        }
        Some(count) => start.saturating_add(count),
    };
    let clamp = |at: i64| usize::try_from(at - 1).unwrap_or(0).min(value.len());
    Ok(if end <= first { &[] } else { &value[clamp(first)..clamp(end)] })
}

/// Characters before the first occurrence, plus 1; 0 when there is none.
fn position(needle: &str, haystack: &str) -> i64 {
    haystack.find(needle).map_or(0, |at| haystack[..at].chars().count() as i64 + 1)
}

/// A character's lower case where it is one character, as PostgreSQL changes case.
fn lower(c: char) -> char {
    single(c.to_lowercase(), c)
}

/// A character's upper case where it is one character: not that of `ß`.
fn upper(c: char) -> char {
    single(c.to_uppercase(), c)
}

fn single(mut changed: impl Iterator<Item = char>, c: char) -> char {
    match (changed.next(), changed.next()) {
        (Some(only), None) => only,
        _ => c,
    }
}

fn initcap(string: &str) -> String {
    let mut out = String::with_capacity(string.len());
    let mut inside = false;
    for c in string.chars() {
        if inside {
            out.push(lower(c));
        } else {
            out.push(upper(c));
        }
        inside = c.is_alphanumeric();
    }
    out
}

/// Negative counts leave off that many from the other end.
fn left(string: &str, count: i64) -> &str {
    let take = if count < 0 { (string.chars().count() as i64 + count).max(0) } else { count };
    let end = string.char_indices().nth(usize::try_from(take).unwrap_or(usize::MAX)).map_or(string.len(), |(at, _)| at);
    &string[..end]
}

fn right(string: &str, count: i64) -> &str {
    let length = string.chars().count() as i64;
    let skip = if count < 0 { count.saturating_neg().min(length) } else { (length - count).max(0) };
    let start =
        string.char_indices().nth(usize::try_from(skip).unwrap_or(usize::MAX)).map_or(string.len(), |(at, _)| at);
    &string[start..]
}

fn pad(context: &EvalContext<'_>, string: &str, length: i64, fill: &str, at_left: bool) -> Result<Value> {
    let length = usize::try_from(length).unwrap_or(0);
    check_text_length(length)?;
    let own = string.chars().count();
    if own >= length || fill.is_empty() {
        return Ok(Value::text(string.chars().take(length).collect::<String>()));
    }
    let mut out = TextBuilder::new(context);
    if !at_left {
        out.push(string)?;
    }
    for c in fill.chars().cycle().take(length - own) {
        out.push_char(c)?;
    }
    if at_left {
        out.push(string)?;
    }
    Ok(out.finish())
}

fn repeat(string: &str, count: i64) -> Result<String> {
    let count = usize::try_from(count).unwrap_or(0);
    check_text_length(string.len().saturating_mul(count))?;
    Ok(string.repeat(count))
}

fn replace(context: &EvalContext<'_>, args: &[Value]) -> Result<Value> {
    let from = text(&args[1])?;
    if from.is_empty() {
        return Ok(args[0].clone());
    }
    replaced(context, text(&args[0])?, from, text(&args[2])?)
}

/// Negative fields count from the end; 0 is 22023.
fn split_part<'a>(string: &'a str, delimiter: &str, field: i64) -> Result<&'a str> {
    if field == 0 {
        return Err(QueryError::new(sqlstate::INVALID_PARAMETER_VALUE, "field position must not be zero"));
    }
    if delimiter.is_empty() {
        return Ok(if field.abs() == 1 { string } else { "" });
    }
    let at = usize::try_from(field.unsigned_abs() - 1).unwrap_or(usize::MAX);
    let part = if field > 0 { string.split(delimiter).nth(at) } else { string.rsplit(delimiter).nth(at) };
    Ok(part.unwrap_or(""))
}

/// Characters without a counterpart in `to` are dropped; the first of equal ones in `from` counts.
fn translate(context: &EvalContext<'_>, string: &str, from: &str, to: &str) -> Result<Value> {
    let mut counterparts: FxHashMap<char, Option<char>> = FxHashMap::default();
    let mut to = to.chars();
    for c in from.chars() {
        let counterpart = to.next();
        counterparts.entry(c).or_insert(counterpart);
    }
    let mut out = TextBuilder::new(context);
    for c in string.chars() {
        if let Some(c) = counterparts.get(&c).copied().unwrap_or(Some(c)) {
            out.push_char(c)?;
        }
    }
    Ok(out.finish())
}

fn overlay(context: &EvalContext<'_>, string: &str, new: &str, start: i64, count: Option<i64>) -> Result<Value> {
    if start <= 0 {
        return Err(QueryError::new(sqlstate::SUBSTRING_ERROR, "negative substring length not allowed"));
    }
    let count = count.unwrap_or(new.chars().count() as i64);
    let head = substring(string, 1, Some(start - 1))?;
    let tail = substring(string, start.saturating_add(count), None)?;
    let mut out = TextBuilder::new(context);
    for part in [head, new, tail] {
        out.push(part)?;
    }
    Ok(out.finish())
}

/// `quote_literal`: doubled quotes, `E''` when there are backslashes.
pub(crate) fn quote_literal(string: &str) -> String {
    let doubled = string.replace('\'', "''");
    if string.contains('\\') { format!("E'{}'", doubled.replace('\\', "\\\\")) } else { format!("'{doubled}'") }
}

fn encode(value: &[u8], format: &str) -> Result<String> {
    match format.to_ascii_lowercase().as_str() {
        "hex" => Ok(bytea::hex(value)),
        "base64" => Ok(digest::base64_encode(value)),
        "escape" => Ok(bytea::escape(value)),
        _ => Err(unknown_encoding(format)),
    }
}

fn decode(string: &str, format: &str) -> Result<Vec<u8>> {
    match format.to_ascii_lowercase().as_str() {
        "hex" => bytea::unhex(string),
        "base64" => digest::base64_decode(string)
            .ok_or_else(|| QueryError::new(sqlstate::INVALID_PARAMETER_VALUE, "invalid base64 end sequence")),
        "escape" => bytea::unescape(string).ok_or_else(|| types::invalid_input("bytea", string)),
        _ => Err(unknown_encoding(format)),
    }
}

/// 2202E outside the bytes.
fn byte_index(value: &[u8], index: i64) -> Result<usize> {
    usize::try_from(index).ok().filter(|index| *index < value.len()).ok_or_else(|| {
        let message = format!("index {index} out of valid range, 0..{}", value.len() as i64 - 1);
        QueryError::new(sqlstate::ARRAY_SUBSCRIPT_ERROR, message)
    })
}

fn unknown_encoding(format: &str) -> QueryError {
    QueryError::new(sqlstate::INVALID_PARAMETER_VALUE, format!("unrecognized encoding: \"{format}\""))
}

/// Only UTF-8 is an encoding here.
fn check_utf8(name: &str) -> Result<()> {
    let plain: String = name.chars().filter(|c| c.is_ascii_alphanumeric()).collect::<String>().to_lowercase();
    if plain == "utf8" || plain == "unicode" {
        Ok(())
    } else {
        Err(QueryError::unsupported(format!("encoding \"{name}\"")))
    }
}

fn from_utf8(value: &[u8]) -> Result<Value> {
    let string = std::str::from_utf8(value).map_err(|_| {
        QueryError::new(sqlstate::CHARACTER_NOT_IN_REPERTOIRE, "invalid byte sequence for encoding \"UTF8\"")
    })?;
    types::text::check_no_nul(string)?;
    Ok(Value::text(string))
}

/// `concat`: NULLs are skipped.
fn concat(types: &[DataType]) -> ScalarImpl {
    let types = types.to_vec();
    Arc::new(move |context, args| {
        let mut out = TextBuilder::new(context);
        for (value, ty) in args.iter().zip(&types).filter(|(value, _)| !value.is_null()) {
            out.push(&types::to_text(context, value, ty)?)?;
        }
        Ok(out.finish())
    })
}

fn concat_ws(types: &[DataType]) -> ScalarImpl {
    let types = types.to_vec();
    Arc::new(move |context, args| {
        if args[0].is_null() {
            return Ok(Value::Null);
        }
        let separator = text(&args[0])?;
        let mut out = TextBuilder::new(context);
        let mut is_first = true;
        for (value, ty) in args.iter().zip(&types).skip(1).filter(|(value, _)| !value.is_null()) {
            out.push_joined(&types::to_text(context, value, ty)?, separator, &mut is_first)?;
        }
        Ok(out.finish())
    })
}

/// Parts; an empty delimiter keeps the string whole, a NULL one splits characters. Parts equal to `null` become NULL.
fn split_string(context: &EvalContext<'_>, string: &str, delimiter: Option<&str>, null: Option<&str>) -> Result<Value> {
    let part = |part: &str| if Some(part) == null { Value::Null } else { Value::from(part) };
    let mut out = ListBuilder::new(context);
    match delimiter {
        _ if string.is_empty() => {}
        None => {
            let mut buffer = [0; 4];
            for c in string.chars() {
                out.push(part(c.encode_utf8(&mut buffer)))?;
            }
        }
        Some("") => out.push(part(string))?,
        Some(delimiter) => out.extend(string.split(delimiter).map(part))?,
    }
    Ok(out.finish())
}

pub(crate) fn optional_text(args: &[Value], at: usize) -> Result<Option<&str>> {
    match args.get(at) {
        None | Some(Value::Null) => Ok(None),
        Some(value) => text(value).map(Some),
    }
}

fn array_to_string(types: &[DataType]) -> ScalarImpl {
    let element = match types.first() {
        Some(DataType::Array(element)) => (**element).clone(),
        _ => DataType::Text,
    };
    Arc::new(move |context, args| {
        if args[0].is_null() || args[1].is_null() {
            return Ok(Value::Null);
        }
        let null = optional_text(args, 2)?;
        let separator = text(&args[1])?;
        let mut out = TextBuilder::new(context);
        let mut is_first = true;
        for item in list(&args[0])? {
            if !item.is_null() {
                out.push_joined(&types::to_text(context, item, &element)?, separator, &mut is_first)?;
            } else if let Some(null) = null {
                out.push_joined(null, separator, &mut is_first)?;
            }
        }
        Ok(out.finish())
    })
}

fn quoted(types: &[DataType], null: Option<&'static str>) -> ScalarImpl {
    let ty = types.first().cloned().unwrap_or(DataType::Text);
    Arc::new(move |context, args| match &args[0] {
        Value::Null => Ok(null.map_or(Value::Null, Value::from)),
        value => Ok(Value::text(quote_literal(&cast::string_of(context, value, &ty)?))),
    })
}

/// Removes characters of `set` from the ends.
fn trimmed<'a>(string: &'a str, set: &str, start: bool, end: bool) -> &'a str {
    let within = |c: char| set.contains(c);
    let string = if start { string.trim_start_matches(within) } else { string };
    if end { string.trim_end_matches(within) } else { string }
}

pub(super) fn register(t: &mut Table) {
    t.section("String functions");
    for signature in ["length(text) -> int4", "char_length(text) -> int4", "character_length(text) -> int4"] {
        t.f(signature, |_, a| {
            let string = text(&a[0])?;
            let count = if string.is_ascii() { string.len() } else { string.chars().count() };
            Ok(Value::Int(count as i64))
        });
    }
    t.f("length(bytea) -> int4", |_, a| Ok(Value::Int(bytes(&a[0])?.len() as i64)));
    t.f("octet_length(text) -> int4", |_, a| Ok(Value::Int(text(&a[0])?.len() as i64)));
    t.f("octet_length(bytea) -> int4", |_, a| Ok(Value::Int(bytes(&a[0])?.len() as i64)));
    t.f("bit_length(text) -> int4", |_, a| Ok(Value::Int(text(&a[0])?.len() as i64 * 8)));
    t.f("lower(text) -> text", |_, a| Ok(Value::text(text(&a[0])?.chars().map(lower).collect::<String>()))).oid(870);
    t.f("upper(text) -> text", |_, a| Ok(Value::text(text(&a[0])?.chars().map(upper).collect::<String>()))).oid(871);
    t.f("initcap(text) -> text", |_, a| Ok(Value::text(initcap(text(&a[0])?))));

    t.f("btrim(text) -> text", |_, a| Ok(Value::text(trimmed(text(&a[0])?, " ", true, true))));
    t.f("btrim(text, text) -> text", |_, a| Ok(Value::text(trimmed(text(&a[0])?, text(&a[1])?, true, true))));
    t.f("ltrim(text) -> text", |_, a| Ok(Value::text(trimmed(text(&a[0])?, " ", true, false))));
    t.f("ltrim(text, text) -> text", |_, a| Ok(Value::text(trimmed(text(&a[0])?, text(&a[1])?, true, false))));
    t.f("rtrim(text) -> text", |_, a| Ok(Value::text(trimmed(text(&a[0])?, " ", false, true))));
    t.f("rtrim(text, text) -> text", |_, a| Ok(Value::text(trimmed(text(&a[0])?, text(&a[1])?, false, true))));

    for signature in ["substr(text, int4) -> text", "substring(text, int4) -> text"] {
        t.f(signature, |_, a| Ok(Value::text(substring(text(&a[0])?, int(&a[1])?, None)?)));
    }
    for signature in ["substr(text, int4, int4) -> text", "substring(text, int4, int4) -> text"] {
        t.f(signature, |_, a| Ok(Value::text(substring(text(&a[0])?, int(&a[1])?, Some(int(&a[2])?))?)));
    }
    for signature in ["substr(bytea, int4) -> bytea", "substring(bytea, int4) -> bytea"] {
        t.f(signature, |_, a| Ok(Value::Bytes(substring_bytes(bytes(&a[0])?, int(&a[1])?, None)?.into())));
    }
    for signature in ["substr(bytea, int4, int4) -> bytea", "substring(bytea, int4, int4) -> bytea"] {
        t.f(signature, |_, a| Ok(Value::Bytes(substring_bytes(bytes(&a[0])?, int(&a[1])?, Some(int(&a[2])?))?.into())));
    }
    t.f("strpos(text, text) -> int4", |_, a| Ok(Value::Int(position(text(&a[1])?, text(&a[0])?))));
    // `position(a IN b)` arrives as position(b, a).
    t.f("position(text, text) -> int4", |_, a| Ok(Value::Int(position(text(&a[1])?, text(&a[0])?))));
    t.f("replace(text, text, text) -> text", replace);
    t.f("overlay(text, text, int4) -> text", |c, a| overlay(c, text(&a[0])?, text(&a[1])?, int(&a[2])?, None));
    t.f("overlay(text, text, int4, int4) -> text", |c, a| {
        overlay(c, text(&a[0])?, text(&a[1])?, int(&a[2])?, Some(int(&a[3])?))
    });
    t.typed("concat(variadic any) -> text", concat).lax().stable();
    t.typed("concat_ws(text, variadic any) -> text", concat_ws).lax().stable();
    t.f("left(text, int4) -> text", |_, a| Ok(Value::text(left(text(&a[0])?, int(&a[1])?))));
    t.f("right(text, int4) -> text", |_, a| Ok(Value::text(right(text(&a[0])?, int(&a[1])?))));
    t.f("lpad(text, int4) -> text", |c, a| pad(c, text(&a[0])?, int(&a[1])?, " ", true));
    t.f("lpad(text, int4, text) -> text", |c, a| pad(c, text(&a[0])?, int(&a[1])?, text(&a[2])?, true));
    t.f("rpad(text, int4) -> text", |c, a| pad(c, text(&a[0])?, int(&a[1])?, " ", false));
    t.f("rpad(text, int4, text) -> text", |c, a| pad(c, text(&a[0])?, int(&a[1])?, text(&a[2])?, false));
    t.f("repeat(text, int4) -> text", |_, a| Ok(Value::text(repeat(text(&a[0])?, int(&a[1])?)?)));
    t.f("reverse(text) -> text", |_, a| Ok(Value::text(text(&a[0])?.chars().rev().collect::<String>())));
    t.f("split_part(text, text, int4) -> text", |_, a| {
        Ok(Value::text(split_part(text(&a[0])?, text(&a[1])?, int(&a[2])?)?))
    });
    t.f("starts_with(text, text) -> bool", |_, a| Ok(Value::Bool(text(&a[0])?.starts_with(text(&a[1])?))));
    t.f("chr(int4) -> text", |_, a| {
        let code = int(&a[0])?;
        if code == 0 {
            return Err(QueryError::new(sqlstate::PROGRAM_LIMIT_EXCEEDED, "null character not permitted"));
        }
        let c = u32::try_from(code).ok().and_then(char::from_u32).ok_or_else(|| {
            QueryError::new(
                sqlstate::PROGRAM_LIMIT_EXCEEDED,
                format!("requested character too large for encoding: {code}"),
            )
        })?;
        Ok(Value::text(c.to_string()))
    });
    t.f("ascii(text) -> int4", |_, a| Ok(Value::Int(text(&a[0])?.chars().next().map_or(0, |c| i64::from(c as u32)))));
    t.f("translate(text, text, text) -> text", |c, a| translate(c, text(&a[0])?, text(&a[1])?, text(&a[2])?));
    t.f("to_hex(int4) -> text", |_, a| Ok(Value::text(format!("{:x}", int(&a[0])? as i32))));
    t.f("to_hex(int8) -> text", |_, a| Ok(Value::text(format!("{:x}", int(&a[0])?))));

    t.f("md5(text) -> text", |_, a| Ok(Value::text(bytea::hex(&digest::md5(text(&a[0])?.as_bytes())))));
    t.f("md5(bytea) -> text", |_, a| Ok(Value::text(bytea::hex(&digest::md5(bytes(&a[0])?)))));
    t.f("sha256(bytea) -> bytea", |_, a| Ok(Value::Bytes(digest::sha256(bytes(&a[0])?).into())));
    t.f("encode(bytea, text) -> text", |_, a| Ok(Value::text(encode(bytes(&a[0])?, text(&a[1])?)?)));
    t.f("decode(text, text) -> bytea", |_, a| Ok(Value::Bytes(decode(text(&a[0])?, text(&a[1])?)?.into())));
    t.f("get_byte(bytea, int4) -> int4", |_, a| {
        let value = bytes(&a[0])?;
        Ok(Value::Int(i64::from(value[byte_index(value, int(&a[1])?)?])))
    });
    t.f("set_byte(bytea, int4, int4) -> bytea", |_, a| {
        let mut value = bytes(&a[0])?.to_vec();
        let index = byte_index(&value, int(&a[1])?)?;
        // The lowest eight bits count.
        value[index] = int(&a[2])? as u8;
        Ok(Value::Bytes(value.into()))
    });
    t.f("convert_from(bytea, text) -> text", |_, a| {
        check_utf8(text(&a[1])?)?;
        from_utf8(bytes(&a[0])?)
    });
    t.f("convert_to(text, text) -> bytea", |_, a| {
        check_utf8(text(&a[1])?)?;
        Ok(Value::Bytes(text(&a[0])?.as_bytes().into()))
    });

    t.f("quote_ident(text) -> text", |_, a| Ok(Value::text(reg::quote_identifier(text(&a[0])?))));
    t.typed("quote_literal(anyelement) -> text", |types| quoted(types, None)).stable();
    t.f("quote_literal(text) -> text", |_, a| Ok(Value::text(quote_literal(text(&a[0])?))));
    t.typed("quote_nullable(anyelement) -> text", |types| quoted(types, Some("NULL"))).lax().stable();
    t.f("quote_nullable(text) -> text", |_, a| match &a[0] {
        Value::Null => Ok(Value::from("NULL")),
        value => Ok(Value::text(quote_literal(text(value)?))),
    })
    .lax();

    t.f("string_to_array(text, text) -> text[]", |c, a| match &a[0] {
        Value::Null => Ok(Value::Null),
        string => split_string(c, text(string)?, optional_text(a, 1)?, None),
    })
    .lax();
    t.f("string_to_array(text, text, text) -> text[]", |c, a| match &a[0] {
        Value::Null => Ok(Value::Null),
        string => split_string(c, text(string)?, optional_text(a, 1)?, optional_text(a, 2)?),
    })
    .lax();
    t.typed("array_to_string(anyarray, text) -> text", array_to_string).lax().stable();
    t.typed("array_to_string(anyarray, text, text) -> text", array_to_string).lax().stable();
    t.f("parse_ident(text) -> text[]", |_, a| {
        let name = text(&a[0])?;
        let parts = reg::split_name(name).ok_or_else(|| {
            QueryError::new(sqlstate::INVALID_PARAMETER_VALUE, format!("string is not a valid identifier: \"{name}\""))
        })?;
        Ok(Value::list(parts.into_iter().map(Value::from).collect()))
    });
}
