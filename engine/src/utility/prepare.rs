//! PREPARE, EXECUTE and EXPLAIN EXECUTE.

use sinew_query::{QueryError, Result, sqlstate};

use super::Utility;
use super::words::Words;

pub(super) fn prepare(words: &mut Words<'_>) -> Result<Utility> {
    let name = words.identifier("a statement name")?;
    let mut types = Vec::new();
    if words.take("(") {
        let mut current = String::new();
        let mut depth = 0;
        loop {
            if words.done() {
                return Err(words.unexpected("a closing parenthesis"));
            }
            let raw = words.raw();
            words.at += 1;
            match raw {
                ")" if depth == 0 => break,
                "," if depth == 0 => types.push(std::mem::take(&mut current)),
                _ => {
                    depth += i32::from(raw == "(") - i32::from(raw == ")");
                    if !current.is_empty() && raw.starts_with(char::is_alphabetic) {
                        current.push(' ');
                    }
                    current.push_str(raw);
                }
            }
        }
        types.push(current);
    }
    if !words.take("as") {
        return Err(words.unexpected("AS"));
    }
    let offset_chars = words.position().map_or(0, |position| position - 1);
    Ok(Utility::Prepare { name, types, text: words.rest().to_owned(), offset_chars, source: words.text.to_owned() })
}

pub(super) fn execute(words: &mut Words<'_>) -> Result<Utility> {
    let (name, args) = name_and_arguments(words)?;
    Ok(Utility::Execute { name, args })
}

/// `EXPLAIN [(options) | ANALYZE | VERBOSE] EXECUTE name [(…)]`. None for EXPLAIN of anything else.
pub(super) fn explain_execute(words: &mut Words<'_>) -> Result<Option<Utility>> {
    let start = words.at;
    if words.take("(") {
        while !words.done() && !words.take(")") {
            words.at += 1;
        }
    }
    while words.take("analyze") || words.take("analyse") || words.take("verbose") {}
    let options = words.between(start, words.at).to_owned();
    if !words.take("execute") {
        return Ok(None);
    }
    let (name, args) = name_and_arguments(words)?;
    Ok(Some(Utility::ExplainExecute { options, name, args }))
}

fn name_and_arguments(words: &mut Words<'_>) -> Result<(String, Option<String>)> {
    let name = words.identifier("a statement name")?;
    if let Some((parameter, position)) = words.parameter() {
        let message = format!("there is no parameter {parameter}");
        return Err(QueryError::new(sqlstate::UNDEFINED_PARAMETER, message).at(Some(position)));
    }
    let rest = words.rest().trim();
    let args = if rest.is_empty() {
        None
    } else if rest.starts_with('(') && rest.ends_with(')') && rest.len() > 1 {
        Some(rest[1..rest.len() - 1].to_owned())
    } else {
        return Err(words.unexpected("arguments in parentheses"));
    };
    words.at = words.tokens.len();
    Ok((name, args))
}

/// `CREATE … TABLE … AS EXECUTE name [(arguments)] [WITH [NO] DATA]`; None for any other CREATE.
pub(super) fn create_table_as_execute(words: &mut Words<'_>) -> Option<Utility> {
    let is_word = |at: usize, word: &str| {
        words.tokens.get(at).is_some_and(|(_, start, end)| words.text[*start..*end].eq_ignore_ascii_case(word))
    };
    if !(1..=3).any(|at| is_word(at, "table")) {
        return None;
    }
    let execute = (3..words.tokens.len()).find(|at| is_word(*at, "execute") && is_word(at - 1, "as"))?;
    let head = words.text[..words.tokens[execute].1].to_owned();
    words.at = execute + 1;
    let name = words.identifier("a statement name").ok()?;
    let mut args = String::new();
    if words.take("(") {
        let (from, mut depth) = (words.at, 1usize);
        while depth > 0 {
            match words.raw() {
                "(" => depth += 1,
                ")" => depth -= 1,
                "" => return None,
                _ => {}
            }
            words.at += 1;
        }
        args = words.between(from, words.at - 1).to_owned();
    }
    let tail = words.rest().trim_end_matches(';').to_owned();
    Some(Utility::CreateTableAsExecute { head, tail, name, args })
}
