//! Arrays of one dimension: text `{a,"b c",NULL}`, wire dimension header, element oid, then each element with its length.

use sinew_storage::{DataType, Value};

use super::int::Width;
use crate::error::{QueryError, Result, sqlstate};

/// Every type of ours is separated by a comma.
pub(crate) fn delimiter(element: &DataType) -> char {
    let _ = element;
    ','
}

pub(crate) fn output(items: &[Option<String>]) -> String {
    let mut out = String::from("{");
    for (i, item) in items.iter().enumerate() {
        if i > 0 {
            out.push(',');
        }
        match item {
            None => out.push_str("NULL"),
            Some(text) if needs_quotes(text) => quote(text, &mut out),
            Some(text) => out.push_str(text),
        }
    }
    out.push('}');
    out
}

fn needs_quotes(text: &str) -> bool {
    text.is_empty()
        || text.eq_ignore_ascii_case("null")
        || text.chars().any(|c| matches!(c, '{' | '}' | ',' | '"' | '\\') || c.is_ascii_whitespace() || c == '\x0b')
}

fn quote(text: &str, out: &mut String) {
    out.push('"');
    for c in text.chars() {
        if matches!(c, '"' | '\\') {
            out.push('\\');
        }
        out.push(c);
    }
    out.push('"');
}

/// `1 3`: `int2vector` and `oidvector`.
pub(crate) fn output_vector(items: &[Value]) -> String {
    let texts: Vec<String> = items.iter().filter_map(Value::as_int).map(|item| item.to_string()).collect();
    texts.join(" ")
}

pub(crate) fn input_vector(text: &str, width: Width) -> Result<Value> {
    let items = text.split_ascii_whitespace().map(|item| super::int::input(item, width).map(Value::Int));
    Ok(Value::list(items.collect::<Result<_>>()?))
}

/// `(1,"a b",)`.
pub(crate) fn output_record(items: &[Option<String>]) -> String {
    let mut out = String::from("(");
    for (i, item) in items.iter().enumerate() {
        if i > 0 {
            out.push(',');
        }
        let Some(text) = item else { continue };
        if text.is_empty() || text.chars().any(|c| matches!(c, '(' | ')' | ',' | '"' | '\\') || c.is_ascii_whitespace())
        {
            out.push('"');
            for c in text.chars() {
                if matches!(c, '"' | '\\') {
                    out.push(c);
                }
                out.push(c);
            }
            out.push('"');
        } else {
            out.push_str(text);
        }
    }
    out.push(')');
    out
}

/// Splits an array literal into its elements' texts; None is NULL. 22P02, 0A000 for more than one dimension.
pub(crate) fn input(text: &str, delimiter: char) -> Result<Vec<Option<String>>> {
    let malformed = |detail: &str| {
        QueryError::new(sqlstate::INVALID_TEXT_REPRESENTATION, format!("malformed array literal: \"{text}\""))
            .detail(detail)
    };
    let mut chars = text.trim_matches(|c: char| c.is_ascii_whitespace()).chars().peekable();
    if chars.peek() == Some(&'[') {
        // Bounds decoration: only what an array that starts at 1 would print.
        let mut bounds = String::new();
        for c in chars.by_ref() {
            if c == '=' {
                break;
            }
            bounds.push(c);
        }
        if !bounds.starts_with("[1:") || bounds.matches('[').count() != 1 {
            return Err(QueryError::unsupported("an array with a lower bound other than 1 or more than one dimension"));
        }
    }
    if chars.next() != Some('{') {
        return Err(malformed("Array value must start with \"{\" or dimension information."));
    }
    let mut items = Vec::new();
    loop {
        while chars.peek().is_some_and(|c| c.is_ascii_whitespace()) {
            chars.next();
        }
        let mut item = String::new();
        let mut quoted = false;
        match chars.peek() {
            None => return Err(malformed("Unexpected end of input.")),
            Some('{') => return Err(QueryError::unsupported("an array of more than one dimension")),
            Some('}') if items.is_empty() => {
                chars.next();
                break;
            }
            Some('}') => return Err(malformed("Unexpected \"}\" character.")),
            Some(c) if *c == delimiter => return Err(malformed(&format!("Unexpected \"{delimiter}\" character."))),
            Some('"') => {
                quoted = true;
                chars.next();
                loop {
                    match chars.next() {
                        None => return Err(malformed("Unexpected end of input.")),
                        Some('"') => break,
                        Some('\\') => item.push(chars.next().ok_or_else(|| malformed("Unexpected end of input."))?),
                        Some(c) => item.push(c),
                    }
                }
                while chars.peek().is_some_and(|c| c.is_ascii_whitespace()) {
                    chars.next();
                }
            }
            Some(_) => {
                // Blanks at the end go, unless they were escaped.
                let mut keep = 0;
                while let Some(&c) = chars.peek() {
                    if c == delimiter || c == '}' {
                        break;
                    }
                    chars.next();
                    match c {
                        '\\' => {
                            item.push(chars.next().ok_or_else(|| malformed("Unexpected end of input."))?);
                            keep = item.len();
                        }
                        '"' | '{' => return Err(malformed("Incorrectly quoted array element.")),
                        c => {
                            item.push(c);
                            if !c.is_ascii_whitespace() {
                                keep = item.len();
                            }
                        }
                    }
                }
                item.truncate(keep);
            }
        }
        items.push(if !quoted && item.eq_ignore_ascii_case("null") { None } else { Some(item) });
        match chars.next() {
            Some('}') => break,
            Some(c) if c == delimiter => {}
            Some(c) => return Err(malformed(&format!("Unexpected \"{c}\" character."))),
            None => return Err(malformed("Unexpected end of input.")),
        }
    }
    if chars.next().is_some() {
        return Err(malformed("Junk after closing right brace."));
    }
    Ok(items)
}
