//! SET, RESET and SHOW.

use sinew_query::{QueryError, Result, sqlstate};

use super::Utility;
use super::transaction::set_modes;
use super::words::Words;
use crate::statement::TokenKind;

/// Settings that take several values.
const LISTS: [&str; 3] = ["search_path", "datestyle", "temp_tablespaces"];

/// A name as RESET and SHOW take it.
pub(super) fn setting_name(words: &mut Words<'_>) -> Result<String> {
    if words.take("time") {
        return if words.take("zone") { Ok("TimeZone".to_owned()) } else { Err(words.unexpected("ZONE")) };
    }
    if words.take("session") {
        let found = words.take("authorization");
        return if found { Ok("session_authorization".to_owned()) } else { Err(words.unexpected("AUTHORIZATION")) };
    }
    if words.take("transaction") {
        let found = words.take("isolation") && words.take("level");
        return if found { Ok("transaction_isolation".to_owned()) } else { Err(words.unexpected("ISOLATION LEVEL")) };
    }
    let mut name = words.identifier("a setting's name")?;
    while words.take(".") {
        name.push('.');
        name.push_str(&words.identifier("a setting's name")?);
    }
    Ok(name)
}

pub(super) fn set(words: &mut Words<'_>) -> Result<Utility> {
    let mut local = false;
    let mut session = false;
    if words.take("local") {
        local = true;
    } else if words.take("session") {
        session = true;
    }
    if session && words.take("characteristics") {
        if !(words.take("as") && words.take("transaction")) {
            return Err(words.unexpected("AS TRANSACTION"));
        }
        return Ok(Utility::SetTransaction { modes: set_modes(words)?, session: true });
    }
    if !local && !session {
        if words.take("transaction") {
            return Ok(Utility::SetTransaction { modes: set_modes(words)?, session: false });
        }
        if words.take("constraints") {
            return constraints(words);
        }
    }
    let set = |name: &str, value: Option<String>| Utility::Set { name: name.to_owned(), value, local };
    let mut authorization = session && words.take("authorization");
    if !authorization && words.take("session") {
        if !words.take("authorization") {
            return Err(words.unexpected("AUTHORIZATION"));
        }
        authorization = true;
    }
    if authorization {
        let value = if words.take("default") { None } else { Some(words.name_or_string("a role's name")?) };
        return Ok(set("session_authorization", value));
    }
    if words.take("role") {
        return Ok(set("role", Some(words.name_or_string("a role's name")?)));
    }
    if words.take("names") {
        let value = if words.done() || words.take("default") { None } else { Some(words.string("an encoding")?) };
        return Ok(set("client_encoding", value));
    }
    if words.take("schema") {
        let schema = words.string("a schema's name in quotes")?;
        return Ok(set("search_path", Some(quoted(&schema))));
    }
    if words.take("xml") {
        if !words.take("option") {
            return Err(words.unexpected("OPTION"));
        }
        return Ok(set("xmloption", Some(words.identifier("DOCUMENT or CONTENT")?)));
    }
    if words.raw().eq_ignore_ascii_case("seed") {
        return Err(QueryError::unsupported("SET seed").at(words.position()).hint("Use setseed()."));
    }
    if words.take("time") {
        if !words.take("zone") {
            return Err(words.unexpected("ZONE"));
        }
        if words.take("local") || words.take("default") {
            return Ok(set("TimeZone", None));
        }
        if words.raw().eq_ignore_ascii_case("interval") {
            return Err(QueryError::unsupported("SET TIME ZONE INTERVAL").at(words.position()));
        }
        return Ok(set("TimeZone", Some(value(words)?)));
    }
    let name = setting_name(words)?;
    if !words.take("to") && !words.take("=") {
        if words.raw().eq_ignore_ascii_case("from") {
            return Err(QueryError::unsupported("SET … FROM CURRENT").at(words.position()));
        }
        return Err(words.unexpected("TO or ="));
    }
    if words.take("default") {
        return Ok(set(&name, None));
    }
    let mut values = vec![value(words)?];
    while words.take(",") {
        values.push(value(words)?);
    }
    let is_list = LISTS.iter().any(|list| name.eq_ignore_ascii_case(list));
    if values.len() > 1 && !is_list {
        let message = format!("SET {name} takes only one argument");
        return Err(QueryError::new(sqlstate::INVALID_PARAMETER_VALUE, message));
    }
    if name.eq_ignore_ascii_case("search_path") {
        values = values.iter().map(|schema| quoted(schema)).collect();
    }
    Ok(set(&name, Some(values.join(", "))))
}

/// One value: a string, a word (`on`, `iso`), or a number with its sign.
fn value(words: &mut Words<'_>) -> Result<String> {
    let mut out = String::new();
    if words.take("-") {
        out.push('-');
    } else {
        words.take("+");
    }
    let is_signed = !out.is_empty();
    match words.kind() {
        Some(TokenKind::Number) => {
            let raw = words.raw();
            if let Some(at) = raw.find(|c: char| c.is_ascii_alphabetic()).filter(|_| raw.parse::<f64>().is_err()) {
                let junk = &raw[..raw[at..].chars().next().map_or(at, |c| at + c.len_utf8())];
                let message = format!("trailing junk after numeric literal at or near \"{junk}\"");
                return Err(QueryError::syntax(message, words.position()));
            }
            out.push_str(raw);
            words.at += 1;
            Ok(out)
        }
        Some(TokenKind::String) if !is_signed => words.string_constant("a value"),
        Some(TokenKind::Word | TokenKind::QuotedIdentifier) if !is_signed => words.identifier("a value"),
        _ => Err(words.unexpected("a value")),
    }
}

/// An identifier as it has to be written in a list.
fn quoted(name: &str) -> String {
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
    if !name.is_empty() && name.chars().all(plain) && !name.starts_with(|c: char| c.is_ascii_digit()) {
        return name.to_owned();
    }
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// `SET CONSTRAINTS {ALL | name, …} {DEFERRED | IMMEDIATE}`
fn constraints(words: &mut Words<'_>) -> Result<Utility> {
    let mut names = Vec::new();
    if !words.take("all") {
        loop {
            let mut schema = None;
            let mut name = words.identifier("a constraint")?;
            if words.take(".") {
                schema = Some(std::mem::replace(&mut name, words.identifier("a constraint")?));
            }
            names.push((schema, name));
            if !words.take(",") {
                break;
            }
        }
    }
    let deferred = words.take("deferred");
    if !deferred && !words.take("immediate") {
        return Err(words.unexpected("DEFERRED or IMMEDIATE"));
    }
    Ok(Utility::SetConstraints { names, deferred })
}
