//! JSON text to jsonb: recursive descent with exact numbers and a depth limit.

use std::sync::Arc;

use sinew_storage::Json;

use super::{json, numeric};
use crate::error::{QueryError, Result, sqlstate};
use crate::exec::expr::size::check_json_bytes;

/// Nesting beyond this is 54001.
const MAX_DEPTH: usize = 1_000;

/// 22P02 with the offending token, 22003 for numbers beyond numeric, 54001 when nested too deeply, 54000 when too large.
pub(crate) fn parse(text: &str) -> Result<Json> {
    let mut parser = Parser { text, at: 0, depth: 0, held_bytes: 0 };
    let value = parser.value()?;
    parser.skip_blanks();
    if parser.at < text.len() {
        return Err(parser.unexpected("Expected end of input"));
    }
    Ok(value)
}

struct Parser<'a> {
    text: &'a str,
    at: usize,
    depth: usize,
    /// Of the values so far, without their texts.
    held_bytes: usize,
}

impl Parser<'_> {
    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn skip_blanks(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
        }
    }

    fn error(&self, detail: String) -> QueryError {
        QueryError::new(sqlstate::INVALID_TEXT_REPRESENTATION, "invalid input syntax for type json").detail(detail)
    }

    fn unexpected(&self, expected: &str) -> QueryError {
        let rest = &self.text[self.at..];
        if rest.is_empty() {
            return self.error("The input string ended unexpectedly.".to_owned());
        }
        let word: String = rest.chars().take_while(|c| c.is_alphanumeric() || *c == '_').take(40).collect();
        let token = if word.is_empty() { rest.chars().take(1).collect() } else { word };
        if expected.is_empty() || token.chars().all(|c| c.is_alphanumeric()) && token.parse::<f64>().is_err() {
            return self.error(format!("Token \"{token}\" is invalid."));
        }
        self.error(format!("{expected}, but found \"{token}\"."))
    }

    fn enter(&mut self) -> Result<()> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return Err(QueryError::new(
                sqlstate::STATEMENT_TOO_COMPLEX,
                format!("json is nested deeper than {MAX_DEPTH} levels"),
            ));
        }
        Ok(())
    }

    fn value(&mut self) -> Result<Json> {
        self.held_bytes += size_of::<Json>();
        check_json_bytes(self.held_bytes)?;
        self.skip_blanks();
        match self.peek() {
            Some(b'{') => self.object(),
            Some(b'[') => self.array(),
            Some(b'"') => Ok(Json::String(self.string()?.into())),
            Some(b'-' | b'0'..=b'9') => self.number(),
            _ => {
                let rest = &self.text[self.at..];
                for (word, value) in [("true", Json::Bool(true)), ("false", Json::Bool(false)), ("null", Json::Null)] {
                    let ends = |rest: &str| !rest[word.len()..].starts_with(|c: char| c.is_alphanumeric() || c == '_');
                    if rest.starts_with(word) && ends(rest) {
                        self.at += word.len();
                        return Ok(value);
                    }
                }
                Err(self.unexpected("Expected JSON value"))
            }
        }
    }

    fn object(&mut self) -> Result<Json> {
        self.enter()?;
        self.at += 1;
        let mut members: Vec<(Arc<str>, Json)> = Vec::new();
        self.skip_blanks();
        if self.peek() == Some(b'}') {
            self.at += 1;
            self.depth -= 1;
            return Ok(Json::Object(members));
        }
        loop {
            self.skip_blanks();
            if self.peek() != Some(b'"') {
                return Err(self.unexpected("Expected string"));
            }
            let key = self.string()?;
            self.skip_blanks();
            if self.peek() != Some(b':') {
                return Err(self.unexpected("Expected \":\""));
            }
            self.at += 1;
            let value = self.value()?;
            members.push((key.into(), value));
            self.skip_blanks();
            match self.peek() {
                Some(b',') => self.at += 1,
                Some(b'}') => {
                    self.at += 1;
                    self.depth -= 1;
                    return Ok(json::object(members));
                }
                _ => return Err(self.unexpected("Expected \",\" or \"}\"")),
            }
        }
    }

    fn array(&mut self) -> Result<Json> {
        self.enter()?;
        self.at += 1;
        let mut items = Vec::new();
        self.skip_blanks();
        if self.peek() == Some(b']') {
            self.at += 1;
            self.depth -= 1;
            return Ok(Json::Array(items));
        }
        loop {
            items.push(self.value()?);
            self.skip_blanks();
            match self.peek() {
                Some(b',') => self.at += 1,
                Some(b']') => {
                    self.at += 1;
                    self.depth -= 1;
                    return Ok(Json::Array(items));
                }
                _ => return Err(self.unexpected("Expected \",\" or \"]\"")),
            }
        }
    }

    fn number(&mut self) -> Result<Json> {
        let start = self.at;
        let digits = |parser: &mut Self| {
            let from = parser.at;
            while matches!(parser.peek(), Some(b'0'..=b'9')) {
                parser.at += 1;
            }
            parser.at - from
        };
        if self.peek() == Some(b'-') {
            self.at += 1;
        }
        let leading_zero = self.peek() == Some(b'0');
        let whole = digits(self);
        let mut valid = whole > 0 && !(leading_zero && whole > 1);
        let mut plain = true;
        if self.peek() == Some(b'.') {
            plain = false;
            self.at += 1;
            valid &= digits(self) > 0;
        }
        if matches!(self.peek(), Some(b'e' | b'E')) {
            plain = false;
            self.at += 1;
            if matches!(self.peek(), Some(b'+' | b'-')) {
                self.at += 1;
            }
            valid &= digits(self) > 0;
        }
        while matches!(self.peek(), Some(b) if b.is_ascii_alphanumeric() || b == b'_' || b == b'.' || b >= 0x80) {
            valid = false;
            self.at += 1;
        }
        while !self.text.is_char_boundary(self.at) {
            self.at += 1;
        }
        let text = &self.text[start..self.at];
        if !valid {
            return Err(self.error(format!("Token \"{text}\" is invalid.")));
        }
        if plain && let Ok(i) = text.parse::<i64>() {
            return Ok(Json::Int(i));
        }
        match numeric::parse_decimal(text) {
            Some(value) => Ok(json::number(value?)),
            None => Err(self.error(format!("Token \"{text}\" is invalid."))),
        }
    }

    fn string(&mut self) -> Result<String> {
        self.at += 1;
        let mut out = String::new();
        loop {
            let rest = &self.text[self.at..];
            let Some(stop) = rest.find(|c: char| c == '"' || c == '\\' || (c as u32) < 0x20) else {
                return Err(
                    self.error(format!("Token \"\"{}\" is invalid.", rest.chars().take(40).collect::<String>()))
                );
            };
            out.push_str(&rest[..stop]);
            self.at += stop;
            match self.peek() {
                Some(b'"') => {
                    self.at += 1;
                    return Ok(out);
                }
                Some(b'\\') => {
                    self.at += 1;
                    self.escape(&mut out)?;
                }
                Some(control) => {
                    return Err(self.error(format!("Character with value 0x{control:02x} must be escaped.")));
                }
                None => return Err(self.unexpected("")),
            }
        }
    }

    fn escape(&mut self, out: &mut String) -> Result<()> {
        let Some(c) = self.text[self.at..].chars().next() else { return Err(self.unexpected("")) };
        self.at += c.len_utf8();
        match c {
            '"' | '\\' | '/' => out.push(c),
            'b' => out.push('\u{8}'),
            'f' => out.push('\u{c}'),
            'n' => out.push('\n'),
            'r' => out.push('\r'),
            't' => out.push('\t'),
            'u' => {
                let first = self.hex4()?;
                let code = match first {
                    0xD800..=0xDBFF => {
                        if !self.text[self.at..].starts_with("\\u") {
                            return Err(self.error("Unicode low surrogate must follow a high surrogate.".to_owned()));
                        }
                        self.at += 2;
                        let second = self.hex4()?;
                        if !(0xDC00..=0xDFFF).contains(&second) {
                            return Err(self.error("Unicode low surrogate must follow a high surrogate.".to_owned()));
                        }
                        0x10000 + ((first - 0xD800) << 10) + (second - 0xDC00)
                    }
                    0xDC00..=0xDFFF => {
                        return Err(self.error("Unicode low surrogate must follow a high surrogate.".to_owned()));
                    }
                    0 => {
                        return Err(QueryError::new("22P05", "unsupported Unicode escape sequence")
                            .detail("\\u0000 cannot be converted to text."));
                    }
                    code => code,
                };
                out.push(char::from_u32(code).ok_or_else(|| self.unexpected(""))?);
            }
            other => return Err(self.error(format!("Escape sequence \"\\{other}\" is invalid."))),
        }
        Ok(())
    }

    fn hex4(&mut self) -> Result<u32> {
        let digits = self.text.as_bytes().get(self.at..self.at + 4).filter(|d| d.iter().all(u8::is_ascii_hexdigit));
        let Some(digits) = digits else {
            return Err(self.error("\"\\u\" must be followed by four hexadecimal digits.".to_owned()));
        };
        self.at += 4;
        Ok(digits.iter().fold(0, |n, b| n << 4 | char::from(*b).to_digit(16).unwrap_or(0)))
    }
}
