//! `uuid`: oid 2950, text in lower-case groups of 8-4-4-4-12, wire 16 bytes.

use super::invalid_input;
use crate::error::Result;

pub(crate) fn output(bytes: &[u8; 16]) -> String {
    ::uuid::Uuid::from_bytes(*bytes).hyphenated().to_string()
}

/// 32 hexadecimal digits; hyphens after any group of four; braces around the whole.
pub(crate) fn input(text: &str) -> Result<[u8; 16]> {
    parse(text.trim_matches(|c: char| c.is_ascii_whitespace())).ok_or_else(|| invalid_input("uuid", text))
}

fn parse(text: &str) -> Option<[u8; 16]> {
    let inner = match text.strip_prefix('{') {
        Some(rest) => rest.strip_suffix('}')?,
        None => text,
    };
    let mut bytes = [0u8; 16];
    let mut digit_count = 0;
    let mut after_hyphen = true;
    for c in inner.chars() {
        if c == '-' {
            if after_hyphen || digit_count % 4 != 0 || digit_count == 32 {
                return None;
            }
            after_hyphen = true;
            continue;
        }
        if digit_count == 32 {
            return None;
        }
        let digit = c.to_digit(16)? as u8;
        bytes[digit_count / 2] = bytes[digit_count / 2] << 4 | digit;
        digit_count += 1;
        after_hyphen = false;
    }
    (digit_count == 32).then_some(bytes)
}
