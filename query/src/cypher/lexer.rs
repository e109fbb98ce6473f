//! Cypher's tokens.
//!
//! Keywords are identifiers: the parser tells them by position, so that `match` may name a property. A lexical error
//! becomes a token of its own and is reported only when the parser reaches it: an earlier syntax error wins.

use std::sync::Arc;

use super::ast::Span;
use super::errors;
use crate::error::QueryError;
use crate::statement::{MAX_TOKENS, too_many_tokens};

#[derive(Clone, Debug)]
pub struct Token {
    pub kind: TokenKind,
    pub span: Span,
}

#[derive(Clone, Debug)]
pub enum TokenKind {
    /// Text and whether it stood in backticks (then it is no keyword).
    Ident(Arc<str>, bool),
    String(Arc<str>),
    /// The magnitude; at most 2^63, which only a minus sign makes valid.
    Int(u64),
    Float(f64),
    /// `$name` or `$1`.
    Parameter(Arc<str>),
    Symbol(&'static str),
    Invalid(Box<QueryError>),
    End,
}

/// The longest symbol that `bytes` begins with.
fn symbol_at(bytes: &[u8]) -> Option<&'static str> {
    let pair = match bytes {
        [b'.', b'.', ..] => "..",
        [b'<', b'=', ..] => "<=",
        [b'>', b'=', ..] => ">=",
        [b'<', b'>', ..] => "<>",
        [b'=', b'~', ..] => "=~",
        [b'+', b'=', ..] => "+=",
        [b'!', b'=', ..] => "!=",
        [b'|', b'|', ..] => "||",
        _ => "",
    };
    if !pair.is_empty() {
        return Some(pair);
    }
    Some(match bytes.first()? {
        b'(' => "(",
        b')' => ")",
        b'[' => "[",
        b']' => "]",
        b'{' => "{",
        b'}' => "}",
        b',' => ",",
        b';' => ";",
        b':' => ":",
        b'.' => ".",
        b'|' => "|",
        b'=' => "=",
        b'<' => "<",
        b'>' => ">",
        b'+' => "+",
        b'-' => "-",
        b'*' => "*",
        b'/' => "/",
        b'%' => "%",
        b'^' => "^",
        b'&' => "&",
        b'!' => "!",
        b'$' => "$",
        _ => return None,
    })
}

pub fn lex(text: &str) -> Vec<Token> {
    let mut lexer = Lexer { text, offset: 0, tokens: Vec::with_capacity((text.len() / 4 + 1).min(MAX_TOKENS)) };
    lexer.run();
    lexer.tokens
}

struct Lexer<'t> {
    text: &'t str,
    offset: usize,
    tokens: Vec<Token>,
}

fn is_identifier_start(c: char) -> bool {
    c == '_' || c.is_alphabetic()
}

fn is_identifier_part(c: char) -> bool {
    c == '_' || c.is_alphanumeric()
}

/// `1_000` as `1000`; None when an underscore does not stand between two digits.
fn without_separators(digits: &str) -> Option<String> {
    let misplaced = digits.starts_with('_') || digits.ends_with('_') || digits.contains("__");
    (!misplaced).then(|| digits.replace('_', ""))
}

impl<'t> Lexer<'t> {
    fn rest(&self) -> &'t str {
        &self.text[self.offset..]
    }

    fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }

    fn push(&mut self, start: usize, kind: TokenKind) {
        self.tokens.push(Token { kind, span: Span::new(start, self.offset) });
    }

    fn invalid(&mut self, start: usize, detail: &'static str, message: String) {
        let error = errors::syntax(detail, message).at(Some(errors::position(self.text, start)));
        self.push(start, TokenKind::Invalid(Box::new(error)));
    }

    fn run(&mut self) {
        loop {
            self.skip_blanks();
            let start = self.offset;
            let Some(c) = self.peek() else {
                self.push(start, TokenKind::End);
                return;
            };
            if matches!(self.tokens.last(), Some(Token { kind: TokenKind::Invalid(_), .. })) {
                self.push(start, TokenKind::End);
                return;
            }
            if self.tokens.len() >= MAX_TOKENS {
                // Before all else, so that nothing is made of so many.
                let error = too_many_tokens(errors::position(self.text, start));
                self.tokens = vec![Token { kind: TokenKind::Invalid(Box::new(error)), span: Span::new(start, start) }];
                self.push(start, TokenKind::End);
                return;
            }
            if matches!(c, 'E' | 'e') && self.rest()[1..].starts_with('\'') {
                self.offset += 1;
                self.string(start, '\'');
            } else if is_identifier_start(c) {
                self.take_identifier();
                let word: Arc<str> = self.text[start..self.offset].into();
                self.push(start, TokenKind::Ident(word, false));
            } else if c.is_ascii_digit() || (c == '.' && self.rest()[1..].starts_with(|d: char| d.is_ascii_digit())) {
                // `1..3` and `..3` are ranges, not floats.
                self.number(start);
            } else if c == '\'' || c == '"' {
                self.string(start, c);
            } else if c == '`' {
                match self.backticks() {
                    Some(name) => self.push(start, TokenKind::Ident(name, true)),
                    None => self.invalid(start, "UnexpectedSyntax", "unterminated quoted name".to_owned()),
                }
            } else if c == '$' && !self.rest().starts_with("$(") {
                // `$(` opens an expression that names a label.
                self.parameter(start);
            } else if let Some(symbol) = symbol_at(self.rest().as_bytes()) {
                self.offset += symbol.len();
                self.push(start, TokenKind::Symbol(symbol));
            } else if c.is_ascii() {
                self.offset += 1;
                self.invalid(start, "UnexpectedSyntax", format!("unexpected character {c:?}"));
            } else {
                self.offset += c.len_utf8();
                self.invalid(start, "InvalidUnicodeCharacter", format!("invalid character {c:?}"));
            }
        }
    }

    fn skip_blanks(&mut self) {
        loop {
            let rest = self.rest();
            let trimmed = rest.trim_start_matches(|c: char| c.is_whitespace() || c == '\u{feff}');
            self.offset += rest.len() - trimmed.len();
            if trimmed.starts_with("//") {
                self.offset += trimmed.find('\n').unwrap_or(trimmed.len());
            } else if let Some(comment) = trimmed.strip_prefix("/*") {
                let Some(end) = comment.find("*/") else {
                    let start = self.offset;
                    self.offset = self.text.len();
                    self.invalid(start, "UnexpectedSyntax", "unterminated comment".to_owned());
                    return;
                };
                self.offset += end + 4;
            } else {
                return;
            }
        }
    }

    fn take_identifier(&mut self) {
        let rest = self.rest();
        self.offset += rest.find(|c| !is_identifier_part(c)).unwrap_or(rest.len());
    }

    /// The name between backticks, doubled ones standing for one.
    fn backticks(&mut self) -> Option<Arc<str>> {
        self.offset += 1;
        let mut name = String::new();
        loop {
            let end = self.rest().find('`')?;
            name.push_str(&self.rest()[..end]);
            self.offset += end + 1;
            if !self.rest().starts_with('`') {
                return Some(name.into());
            }
            name.push('`');
            self.offset += 1;
        }
    }

    fn parameter(&mut self, start: usize) {
        self.offset += 1;
        if self.peek() == Some('`') {
            match self.backticks() {
                Some(name) => self.push(start, TokenKind::Parameter(name)),
                None => self.invalid(start, "UnexpectedSyntax", "unterminated quoted name".to_owned()),
            }
            return;
        }
        let name_start = self.offset;
        self.take_identifier();
        if name_start == self.offset {
            self.invalid(start, "UnexpectedSyntax", "expected a parameter name after \"$\"".to_owned());
        } else {
            let name: Arc<str> = self.text[name_start..self.offset].into();
            self.push(start, TokenKind::Parameter(name));
        }
    }

    fn number(&mut self, start: usize) {
        let radix = match self.rest().as_bytes() {
            [b'0', b'x' | b'X', ..] => Some(16),
            [b'0', b'o' | b'O', ..] => Some(8),
            _ => None,
        };
        if let Some(radix) = radix {
            self.offset += 2;
            let digits_start = self.offset;
            self.take_identifier();
            let written = &self.text[digits_start..self.offset];
            let digits = without_separators(written).unwrap_or_default();
            if digits.is_empty() || !digits.chars().all(|c| c.is_digit(radix)) {
                return self.invalid_number(start);
            }
            return self.integer(start, u64::from_str_radix(&digits, radix).ok());
        }
        let bytes = self.text.as_bytes();
        let is_digit = |at: usize| bytes.get(at).is_some_and(u8::is_ascii_digit);
        let digits = |mut at: usize| {
            loop {
                match bytes.get(at) {
                    Some(b'0'..=b'9') => at += 1,
                    // Between digits an underscore only separates.
                    Some(b'_') if at > start && bytes[at - 1].is_ascii_digit() && is_digit(at + 1) => at += 1,
                    _ => return at,
                }
            }
        };
        let mut end = digits(start);
        let mut is_float = false;
        if bytes.get(end) == Some(&b'.') && bytes.get(end + 1).is_some_and(u8::is_ascii_digit) {
            is_float = true;
            end = digits(end + 1);
        }
        if matches!(bytes.get(end), Some(b'e' | b'E')) {
            let sign = usize::from(matches!(bytes.get(end + 1), Some(b'+' | b'-')));
            let exponent_end = digits(end + 1 + sign);
            if exponent_end > end + 1 + sign {
                is_float = true;
                end = exponent_end;
            }
        }
        self.offset = end;
        if self.peek().is_some_and(is_identifier_part) {
            self.take_identifier();
            return self.invalid_number(start);
        }
        let literal = self.text[start..end].replace('_', "");
        if !is_float {
            return self.integer(start, literal.parse().ok());
        }
        match literal.parse::<f64>() {
            Ok(value) if value.is_finite() => self.push(start, TokenKind::Float(value)),
            _ => {
                let message = format!("floating point number {literal} is too large");
                self.invalid(start, "FloatingPointOverflow", message);
            }
        }
    }

    fn integer(&mut self, start: usize, magnitude: Option<u64>) {
        match magnitude {
            Some(value) if value <= 1 << 63 => self.push(start, TokenKind::Int(value)),
            _ => {
                let message = format!("integer {} is out of range", &self.text[start..self.offset]);
                self.invalid(start, "IntegerOverflow", message);
            }
        }
    }

    fn invalid_number(&mut self, start: usize) {
        let message = format!("invalid number literal \"{}\"", &self.text[start..self.offset]);
        self.invalid(start, "InvalidNumberLiteral", message);
    }

    /// A string with openCypher's escapes. Clients of PostgreSQL that put values into a statement's text double a quote in
    /// it, and write `E` before a string with backslashes: both mean the same here.
    fn string(&mut self, start: usize, quote: char) {
        self.offset += 1;
        let mut value = String::new();
        loop {
            let Some(c) = self.peek() else {
                return self.invalid(start, "UnexpectedSyntax", "unterminated string literal".to_owned());
            };
            self.offset += c.len_utf8();
            if c == quote {
                if quote != '\'' || self.peek() != Some(quote) {
                    return self.push(start, TokenKind::String(value.into()));
                }
                self.offset += 1;
            }
            if c != '\\' {
                value.push(c);
                continue;
            }
            let escape_start = self.offset - 1;
            let escape = self.peek();
            self.offset += escape.map_or(0, char::len_utf8);
            match escape {
                Some('n') => value.push('\n'),
                Some('t') => value.push('\t'),
                Some('r') => value.push('\r'),
                Some('b') => value.push('\u{8}'),
                Some('f') => value.push('\u{c}'),
                Some(c @ ('\\' | '\'' | '"' | '`' | '/')) => value.push(c),
                Some('u' | 'U') => {
                    let width = if escape == Some('u') { 4 } else { 8 };
                    match self.unicode_escape(width) {
                        Some(c) => value.push(c),
                        None => {
                            let message = format!("invalid unicode escape: expected {width} hexadecimal digits");
                            return self.invalid(escape_start, "InvalidUnicodeLiteral", message);
                        }
                    }
                }
                _ => {
                    let message = "invalid escape sequence in string literal".to_owned();
                    return self.invalid(escape_start, "UnexpectedSyntax", message);
                }
            }
        }
    }

    /// After `\u` or `\U`; a high surrogate takes the low one that follows.
    fn unicode_escape(&mut self, width: usize) -> Option<char> {
        let high = self.hex_digits(width)?;
        if (0xd800..0xdc00).contains(&high) && self.rest().starts_with("\\u") {
            self.offset += 2;
            let low = self.hex_digits(4)?;
            if !(0xdc00..0xe000).contains(&low) {
                return None;
            }
            return char::from_u32(0x1_0000 + ((high - 0xd800) << 10) + (low - 0xdc00));
        }
        char::from_u32(high)
    }

    fn hex_digits(&mut self, width: usize) -> Option<u32> {
        let digits = self.rest().get(..width)?;
        if !digits.bytes().all(|b| b.is_ascii_hexdigit()) {
            return None;
        }
        let value = u32::from_str_radix(digits, 16).ok()?;
        self.offset += width;
        Some(value)
    }
}
