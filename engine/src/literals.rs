//! Taking the literals out of a short statement, so that statements that differ in nothing else share one plan.
//!
//! A client of the simple protocol writes its values into the text. [`lift`] puts parameters in their place; the caller
//! plans that text and keeps the plan only when it is one of the short path, so that what is lost (estimates that know
//! the literal, constants folded before the plan is chosen) does not matter. Where a literal is not a value in its own
//! right (an ordinal in ORDER BY, `interval '1 day'`, the `2` of `numeric(4, 2)`) it stays in the text, or its text as a
//! parameter is refused by parser or binder, and the statement is planned as it is.

use sinew_storage::{DataType, Value};
use smallvec::SmallVec;

/// Longer texts are planned as they are, in bytes.
const TEXT_LIMIT_BYTES: usize = 8 << 10;
const LITERAL_LIMIT: usize = 64;

/// A statement with parameters in the place of its literals.
#[derive(Debug, Default)]
pub(crate) struct Lifted {
    pub text: String,
    pub literals: SmallVec<[Literal; 8]>,
}

/// In the order of `$1…`.
#[derive(Debug)]
pub(crate) struct Literal {
    /// `Int4` or `Int8` as the number's size says; `Unknown` for a string.
    pub ty: DataType,
    pub value: Value,
    /// Where it ends, in bytes of the message and of the text with parameters.
    end: usize,
    lifted_end: usize,
}

impl Lifted {
    pub(crate) fn types(&self) -> SmallVec<[DataType; 8]> {
        self.literals.iter().map(|literal| literal.ty.clone()).collect()
    }

    /// The position in the message (characters, from 1) of a position in the text with parameters.
    pub(crate) fn original_position(&self, message: &str, position: usize) -> usize {
        let Some(byte) = self.text.char_indices().nth(position.saturating_sub(1)).map(|(byte, _)| byte) else {
            return position;
        };
        let before = self.literals.iter().rfind(|literal| literal.lifted_end <= byte);
        let original = before.map_or(byte, |literal| byte - literal.lifted_end + literal.end);
        message.get(..original).map_or(position, |head| head.chars().count() + 1)
    }
}

/// What stood before, as far as it says whether a literal may follow that is a value.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Before {
    /// An operator, a parenthesis, a comma, or a keyword that expressions follow.
    Operator,
    /// Another word, which may be a function's name.
    Name,
    Other,
}

/// None for what is better left alone: other statements, several of them, comments, escapes, parameters.
pub(crate) fn lift(message: &str) -> Option<Lifted> {
    if message.len() > TEXT_LIMIT_BYTES {
        return None;
    }
    let bytes = message.as_bytes();
    let mut lifted = Lifted { text: String::with_capacity(bytes.len() + 16), ..Lifted::default() };
    let mut at = bytes.iter().position(|byte| !byte.is_ascii_whitespace())?;
    let first_end = word_end(bytes, at);
    let starts_well = ["select", "insert", "update", "delete"];
    if !starts_well.iter().any(|word| bytes[at..first_end].eq_ignore_ascii_case(word.as_bytes())) {
        return None;
    }
    // What is copied as it stands begins here.
    let mut copied = at;
    let mut before = Before::Other;
    // Behind BY a number is an ordinal, and a string an error.
    let mut in_by_list = false;
    // Of each open parenthesis: whether it is a call's. A function may look at the type of a string that has none yet.
    let mut calls: SmallVec<[bool; 16]> = SmallVec::new();
    while at < bytes.len() {
        let byte = bytes[at];
        match byte {
            b' ' | b'\t' | b'\n' | b'\r' | b'\x0c' => {
                at += 1;
                continue;
            }
            b'\'' => {
                if at > 0 && (bytes[at - 1] == b'&' || is_word_byte(bytes[at - 1])) {
                    // An escape string: `U&'…'`, `E'…'`. Or a keyword, to which a parameter would be glued.
                    return None;
                }
                let (end, text) = string_literal(message, at)?;
                if bytes.get(end).is_some_and(|byte| is_word_byte(*byte)) {
                    return None;
                }
                if before != Before::Operator || in_by_list || calls.last() == Some(&true) {
                    before = Before::Other;
                    at = end;
                    continue;
                }
                lifted.push(&message[copied..at], DataType::Unknown, Value::text(text), end)?;
                (copied, at, before) = (end, end, Before::Other);
            }
            b'0'..=b'9' => {
                let end = number_end(bytes, at);
                let number = &message[at..end];
                let is_value = before == Before::Operator && !in_by_list;
                match number.parse::<i64>() {
                    // The number whose negative is the least integer is one size with the sign and another without.
                    Ok(value) if is_value && value != 1 << 31 && number.bytes().all(|c| c.is_ascii_digit()) => {
                        let ty = if i32::try_from(value).is_ok() { DataType::Int4 } else { DataType::Int8 };
                        lifted.push(&message[copied..at], ty, Value::Int(value), end)?;
                        copied = end;
                    }
                    _ => {}
                }
                (at, before) = (end, Before::Other);
            }
            b'"' => {
                at += 2 + bytes[at + 1..].iter().position(|byte| *byte == b'"')?;
                before = Before::Name;
            }
            b'-' if bytes.get(at + 1) == Some(&b'-') => return None,
            b'/' if bytes.get(at + 1) == Some(&b'*') => return None,
            b'$' | b'\\' | b'\0' => return None,
            b';' => {
                // Nothing but its end may follow.
                if bytes[at..].iter().any(|byte| *byte != b';' && !byte.is_ascii_whitespace()) {
                    return None;
                }
                break;
            }
            b'(' => {
                calls.push(before == Before::Name || calls.last() == Some(&true));
                before = Before::Operator;
                at += 1;
            }
            b')' => {
                calls.pop();
                before = Before::Other;
                at += 1;
            }
            b'.' | b':' | b'[' | b']' | b'{' | b'}' => {
                before = Before::Other;
                at += 1;
            }
            _ if is_word_byte(byte) => {
                let end = word_end(bytes, at);
                let word = &bytes[at..end];
                // A prefix of a string (`E'…'`) is none of these.
                before = if expects_expression(word) { Before::Operator } else { Before::Name };
                if word.eq_ignore_ascii_case(b"by") {
                    in_by_list = true;
                } else if word.eq_ignore_ascii_case(b"distinct") {
                    // DISTINCT ON has ordinals too.
                    return None;
                } else if word.eq_ignore_ascii_case(b"limit") || word.eq_ignore_ascii_case(b"offset") {
                    in_by_list = false;
                }
                at = end;
            }
            _ => {
                before = Before::Operator;
                at += 1;
            }
        }
    }
    lifted.text.push_str(message[copied..at].trim_end());
    Some(lifted)
}

impl Lifted {
    fn push(&mut self, text_before: &str, ty: DataType, value: Value, end: usize) -> Option<()> {
        use std::fmt::Write;
        if self.literals.len() >= LITERAL_LIMIT {
            return None;
        }
        self.text.push_str(text_before);
        write!(self.text, "${}", self.literals.len() + 1).ok()?;
        self.literals.push(Literal { ty, value, end, lifted_end: self.text.len() });
        Some(())
    }
}

fn is_word_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_' || byte >= 0x80
}

fn word_end(bytes: &[u8], start: usize) -> usize {
    start + bytes[start..].iter().take_while(|byte| is_word_byte(**byte)).count()
}

/// The end of whatever begins with a digit: `1`, `1.5`, `1e-3`, `0x1f`, `1_000`.
fn number_end(bytes: &[u8], start: usize) -> usize {
    let mut at = start;
    while let Some(byte) = bytes.get(at) {
        let is_exponent_sign = matches!(byte, b'+' | b'-')
            && matches!(bytes[at - 1], b'e' | b'E')
            && bytes.get(at + 1).is_some_and(u8::is_ascii_digit);
        if !(is_word_byte(*byte) || *byte == b'.' || at > start && is_exponent_sign) {
            break;
        }
        at += 1;
    }
    at
}

/// The end of a string literal and its value. None when it does not end.
fn string_literal(message: &str, start: usize) -> Option<(usize, String)> {
    let mut value = String::new();
    let mut at = start + 1;
    loop {
        let quote = at + message[at..].find('\'')?;
        value.push_str(&message[at..quote]);
        if message[quote + 1..].starts_with('\'') {
            value.push('\'');
            at = quote + 2;
        } else {
            return Some((quote + 1, value));
        }
    }
}

fn expects_expression(word: &[u8]) -> bool {
    const WORDS: [&str; 16] = [
        "and", "or", "not", "in", "like", "ilike", "between", "where", "when", "then", "else", "select", "limit",
        "offset", "values", "on",
    ];
    word.len() <= 7 && WORDS.iter().any(|known| word.eq_ignore_ascii_case(known.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(message: &str, text: &str, values: &[&str]) {
        let lifted = lift(message).unwrap_or_else(|| panic!("{message} is left alone"));
        assert_eq!(lifted.text, text);
        let seen: Vec<String> = lifted
            .literals
            .iter()
            .map(|literal| match &literal.value {
                Value::Int(value) => format!("{value} {:?}", literal.ty),
                value => value.as_str().map_or_else(|| format!("{value:?}"), str::to_owned),
            })
            .collect();
        assert_eq!(seen, values);
    }

    #[test]
    fn values_become_parameters() {
        check("SELECT abalance FROM a WHERE aid = 42;", "SELECT abalance FROM a WHERE aid = $1", &["42 Int4"]);
        check(
            " update a set b = b + -4821, c='it''s' where d=5000000000 ; ",
            "update a set b = b + -$1, c=$2 where d=$3",
            &["4821 Int4", "it's", "5000000000 Int8"],
        );
        check(
            "INSERT INTO h (a, b) VALUES (1, 'x'), (2, NULL)",
            "INSERT INTO h (a, b) VALUES ($1, $2), ($3, NULL)",
            &["1 Int4", "x", "2 Int4"],
        );
        check("SELECT 'ä', 1 FROM t LIMIT 5", "SELECT $1, $2 FROM t LIMIT $3", &["ä", "1 Int4", "5 Int4"]);
    }

    #[test]
    fn what_is_no_value_stays() {
        check("SELECT a FROM t ORDER BY 1, 2 LIMIT 3", "SELECT a FROM t ORDER BY 1, 2 LIMIT $1", &["3 Int4"]);
        check("SELECT interval '1 day', date '2020-01-01'", "SELECT interval '1 day', date '2020-01-01'", &[]);
        check("SELECT a1, t2.b FROM t2 WHERE x = 1.5", "SELECT a1, t2.b FROM t2 WHERE x = 1.5", &[]);
        check("SELECT 1e-3, 99999999999999999999", "SELECT 1e-3, 99999999999999999999", &[]);
        check("SELECT f(('a')), -2147483648, -2147483647", "SELECT f(('a')), -2147483648, -$1", &["2147483647 Int4"]);
        check("SELECT a FROM t ORDER BY a, 'x'", "SELECT a FROM t ORDER BY a, 'x'", &[]);
        check("SELECT \"1\" FROM t", "SELECT \"1\" FROM t", &[]);
        check("SELECT f('a', 1) || ('b'), \"f\"('c')", "SELECT f('a', $1) || ($2), \"f\"('c')", &["1 Int4", "b"]);
        check("SELECT 'a' 'b'", "SELECT $1 'b'", &["a"]);
    }

    #[test]
    fn other_messages_are_left_alone() {
        for message in [
            "",
            "  ",
            "BEGIN",
            "EXPLAIN SELECT 1",
            "SELECT 1; SELECT 2",
            "SELECT 1 -- x",
            "SELECT /* x */ 1",
            "SELECT $1",
            "SELECT $$a$$",
            "SELECT 'open",
            "SELECT \"open",
            "MATCH (n) RETURN 1",
            "SELECT '\\'; -- '",
            "SELECT U&'\\0041'",
            "SELECT E'a'",
            "SELECT a and'f', 1 FROM t",
            "SELECT 'a'5",
            "SELECT DISTINCT ON (1) a FROM t",
        ] {
            assert!(lift(message).is_none(), "{message}");
        }
        let many = format!("SELECT 1{}", ", 1".repeat(LITERAL_LIMIT));
        assert!(lift(&many).is_none());
    }

    #[test]
    fn positions_lead_back() {
        let message = "SELECT 'äö', 12345 + b FROM t";
        let lifted = lift(message).expect("lifted");
        assert_eq!(lifted.text, "SELECT $1, $2 + b FROM t");
        let position = |text: &str, what: &str| text[..text.find(what).expect("there")].chars().count() + 1;
        for what in ["+", "b FROM", "SELECT", ","] {
            let lifted_position = position(&lifted.text, what);
            assert_eq!(lifted.original_position(message, lifted_position), position(message, what), "{what}");
        }
        assert_eq!(lifted.original_position(message, 900), 900);
    }
}
