//! `boolean`: oid 16, text `t`/`f`, wire one byte.

use super::invalid_input;
use crate::error::Result;

pub(crate) fn output(value: bool) -> &'static str {
    if value { "t" } else { "f" }
}

/// Any unambiguous prefix of true, false, yes, no, on, off; 1 and 0; case does not matter.
pub(crate) fn input(text: &str) -> Result<bool> {
    let word = text.trim().to_ascii_lowercase();
    let prefix = |full: &str, at_least: usize| word.len() >= at_least && full.starts_with(&word);
    if prefix("true", 1) || prefix("yes", 1) || word == "on" || word == "1" {
        Ok(true)
    } else if prefix("false", 1) || prefix("no", 1) || prefix("off", 2) || word == "0" {
        Ok(false)
    } else {
        Err(invalid_input("boolean", text))
    }
}
