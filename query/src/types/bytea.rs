//! `bytea`: text `\x` and hexadecimal, or the old escape format on input; wire the bytes themselves.

use super::invalid_input;
use crate::context::EvalContext;
use crate::error::{QueryError, Result, sqlstate};

pub(crate) fn output(bytes: &[u8]) -> String {
    let mut out = String::with_capacity(2 + bytes.len() * 2);
    out.push_str("\\x");
    out.push_str(&hex(bytes));
    out
}

/// In the session's format.
pub(crate) fn output_for(context: &EvalContext<'_>, bytes: &[u8]) -> String {
    let escape = context.exec.session.settings.read().get("bytea_output").is_some_and(|format| format == "escape");
    if escape { output_escape(bytes) } else { output(bytes) }
}

/// Printable ASCII as it is, a backslash doubled, other bytes as three octal digits.
fn output_escape(bytes: &[u8]) -> String {
    let mut out = String::with_capacity(bytes.len());
    for byte in bytes {
        match byte {
            b'\\' => out.push_str("\\\\"),
            0x20..=0x7e => out.push(char::from(*byte)),
            _ => out.push_str(&format!("\\{byte:03o}")),
        }
    }
    out
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let mut out = String::with_capacity(bytes.len() * 2);
    for byte in bytes {
        out.push(DIGITS[usize::from(byte >> 4)] as char);
        out.push(DIGITS[usize::from(byte & 15)] as char);
    }
    out
}

/// Hexadecimal digits, blanks between pairs allowed.
pub(crate) fn unhex(text: &str) -> Result<Vec<u8>> {
    let bad = |message: String| QueryError::new(sqlstate::INVALID_PARAMETER_VALUE, message);
    let mut out = Vec::with_capacity(text.len() / 2);
    let mut high: Option<u8> = None;
    for c in text.chars() {
        if high.is_none() && c.is_ascii_whitespace() {
            continue;
        }
        let Some(digit) = c.to_digit(16) else {
            return Err(bad(format!("invalid hexadecimal digit: \"{c}\"")));
        };
        let digit = digit as u8;
        high = match high {
            None => Some(digit),
            Some(high) => {
                out.push(high << 4 | digit);
                None
            }
        };
    }
    if high.is_some() {
        return Err(bad("invalid hexadecimal data: odd number of digits".to_owned()));
    }
    Ok(out)
}

pub(crate) fn input(text: &str) -> Result<Vec<u8>> {
    if let Some(digits) = text.strip_prefix("\\x") {
        return unhex(digits);
    }
    unescape(text).ok_or_else(|| invalid_input("bytea", text))
}

/// Escape format: `\\` and `\nnn` (octal); other characters stand for their bytes.
pub(crate) fn unescape(text: &str) -> Option<Vec<u8>> {
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        if bytes[at] != b'\\' {
            out.push(bytes[at]);
            at += 1;
        } else if bytes.get(at + 1) == Some(&b'\\') {
            out.push(b'\\');
            at += 2;
        } else {
            let octal = bytes.get(at + 1..at + 4)?;
            if octal[0] > b'3' || octal.iter().any(|b| !(b'0'..=b'7').contains(b)) {
                return None;
            }
            out.push((octal[0] - b'0') << 6 | (octal[1] - b'0') << 3 | (octal[2] - b'0'));
            at += 4;
        }
    }
    Some(out)
}

/// The inverse of [`unescape`]: bytes outside printable ASCII as octal.
pub(crate) fn escape(bytes: &[u8]) -> String {
    let mut out = String::with_capacity(bytes.len());
    for &byte in bytes {
        match byte {
            b'\\' => out.push_str("\\\\"),
            0 | 0x80..=0xff => out.push_str(&format!("\\{byte:03o}")),
            _ => out.push(byte as char),
        }
    }
    out
}
