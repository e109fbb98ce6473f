//! `UPDATE … WHERE CURRENT OF cursor` and `DELETE … WHERE CURRENT OF cursor`.

use sinew_query::Result;

use super::Utility;
use super::words::Words;
use crate::statement::TokenKind;

/// A statement about the row a cursor stands on: its text, with a gap where its condition is to be.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Positioned {
    pub schema: Option<String>,
    pub table: String,
    pub cursor: String,
    /// Up to and without `CURRENT OF cursor`, and what follows it.
    pub before: String,
    pub after: String,
    /// The highest parameter's number.
    pub parameter_count: usize,
}

impl Positioned {
    /// The statement with a condition.
    pub fn with_condition(&self, condition: &str) -> String {
        format!("{}{condition}{}", self.before, self.after)
    }
}

/// None when an UPDATE or DELETE has another condition. `words` stands behind its first word.
pub(super) fn positioned(words: &mut Words<'_>) -> Result<Option<Utility>> {
    let Some(at) = condition(words) else { return Ok(None) };
    words.take("from");
    words.take("only");
    let mut schema = None;
    let mut table = words.identifier("a table name")?;
    if words.take(".") {
        schema = Some(std::mem::replace(&mut table, words.identifier("a table name")?));
    }
    words.at = at + 3;
    let cursor = words.identifier("a cursor name")?;
    let numbers = (0..words.tokens.len()).filter(|at| words.tokens[*at].0 == TokenKind::Parameter);
    let parameter_count = numbers.filter_map(|at| words.text_of(at)[1..].parse().ok()).max().unwrap_or(0);
    let (before, after) = words.around(at + 1, words.at);
    Ok(Some(Utility::Positioned(Box::new(Positioned {
        schema,
        table,
        cursor,
        before: before.to_owned(),
        after: after.to_owned(),
        parameter_count,
    }))))
}

/// Where `WHERE CURRENT OF` stands outside of parentheses.
fn condition(words: &Words<'_>) -> Option<usize> {
    let mut depth = 0i32;
    for at in 0..words.tokens.len() {
        match words.tokens[at].0 {
            TokenKind::Punct('(') => depth += 1,
            TokenKind::Punct(')') => depth -= 1,
            TokenKind::Word if depth == 0 => {
                let is = |offset: usize, word: &str| {
                    at + offset < words.tokens.len() && words.text_of(at + offset).eq_ignore_ascii_case(word)
                };
                if is(0, "where") && is(1, "current") && is(2, "of") {
                    return Some(at);
                }
            }
            _ => {}
        }
    }
    None
}
