//! Tokens of one statement, with where they stand.

use sinew::{QueryError, Result};
use sqlparser::dialect::PostgreSqlDialect;
use sqlparser::tokenizer::{Location, Token, Tokenizer};

/// Tokens without white space, read one by one.
pub struct Cursor {
    tokens: Vec<(Token, usize)>,
    next: usize,
    end: usize,
}

impl Cursor {
    /// 42601 when the text holds no tokens of SQL (an unterminated literal).
    pub fn new(text: &str) -> Result<Cursor> {
        let lines: Vec<usize> = line_starts(text);
        let position = |location: Location| {
            let line = lines.get(location.line.saturating_sub(1) as usize).copied().unwrap_or(0);
            line + location.column.max(1) as usize
        };
        let tokens = Tokenizer::new(&PostgreSqlDialect {}, text)
            .tokenize_with_location()
            .map_err(|error| QueryError::syntax(error.message, Some(position(error.location))))?;
        let mut kept: Vec<(Token, usize)> = tokens
            .into_iter()
            .filter(|token| !matches!(token.token, Token::Whitespace(_)))
            .map(|token| (token.token, position(token.span.start)))
            .collect();
        while matches!(kept.last(), Some((Token::SemiColon | Token::EOF, _))) {
            kept.pop();
        }
        Ok(Cursor { tokens: kept, next: 0, end: text.trim_end().chars().count() + 1 })
    }

    /// 1-based, in characters; behind the last token at the end.
    pub fn position(&self) -> usize {
        self.tokens.get(self.next).map_or(self.end, |(_, position)| *position)
    }

    pub fn peek(&self) -> Option<&Token> {
        self.tokens.get(self.next).map(|(token, _)| token)
    }

    pub fn advance(&mut self) {
        self.next += 1;
    }

    pub fn at_end(&self) -> bool {
        self.next >= self.tokens.len()
    }

    /// The error that names what was expected here.
    pub fn expected(&self, what: &str) -> QueryError {
        let found = match self.peek() {
            Some(token) => format!("found \"{}\"", shorten(&token.to_string())),
            None => "found the end of the statement".to_owned(),
        };
        QueryError::syntax(format!("syntax error: expected {what}, {found}"), Some(self.position()))
    }

    /// Whether the next token is this unquoted word.
    pub fn is_word(&self, word: &str) -> bool {
        matches!(self.peek(), Some(Token::Word(w)) if w.quote_style.is_none() && w.value.eq_ignore_ascii_case(word))
    }

    /// Takes the word when it comes next.
    pub fn take_word(&mut self, word: &str) -> bool {
        let found = self.is_word(word);
        self.next += usize::from(found);
        found
    }

    pub fn expect_word(&mut self, word: &str) -> Result<()> {
        if self.take_word(word) { Ok(()) } else { Err(self.expected(word)) }
    }

    pub fn take(&mut self, token: &Token) -> bool {
        let found = self.peek() == Some(token);
        self.next += usize::from(found);
        found
    }

    pub fn expect(&mut self, token: &Token) -> Result<()> {
        if self.take(token) { Ok(()) } else { Err(self.expected(&format!("\"{token}\""))) }
    }

    /// An identifier: lower case unless quoted.
    pub fn identifier(&mut self, what: &str) -> Result<String> {
        let Some(Token::Word(word)) = self.peek() else { return Err(self.expected(what)) };
        let name = if word.quote_style.is_some() { word.value.clone() } else { word.value.to_lowercase() };
        if name.is_empty() {
            return Err(self.expected(what));
        }
        self.advance();
        Ok(name)
    }

    /// The content of a string literal, dollar-quoted or not.
    pub fn string(&mut self) -> Option<String> {
        let text = match self.peek()? {
            Token::SingleQuotedString(text) | Token::EscapedStringLiteral(text) => text.clone(),
            Token::DollarQuotedString(quoted) => quoted.value.clone(),
            _ => return None,
        };
        self.advance();
        Some(text)
    }

    pub fn expect_string(&mut self, what: &str) -> Result<String> {
        match self.string() {
            Some(text) => Ok(text),
            None => Err(self.expected(what)),
        }
    }
}

fn shorten(text: &str) -> String {
    if text.chars().count() <= 40 { text.to_owned() } else { text.chars().take(40).chain("…".chars()).collect() }
}

/// Characters before each line.
fn line_starts(text: &str) -> Vec<usize> {
    let breaks = text.chars().enumerate().filter(|(_, c)| *c == '\n').map(|(position, _)| position + 1);
    std::iter::once(0).chain(breaks).collect()
}
