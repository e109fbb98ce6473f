//! A statement's words, taken one after the other.

use sinew_query::{QueryError, Result};

use crate::statement::{Scanner, TokenKind};

pub(super) struct Words<'a> {
    pub(super) text: &'a str,
    pub(super) tokens: Vec<(TokenKind, usize, usize)>,
    pub(super) at: usize,
}

impl<'a> Words<'a> {
    pub(super) fn new(text: &'a str) -> Words<'a> {
        let mut scanner = Scanner::new(text, false);
        let mut tokens = Vec::new();
        while let Some(token) = scanner.next_token() {
            tokens.push((token.kind, token.start, token.end));
        }
        Words { text, tokens, at: 0 }
    }

    pub(super) fn raw(&self) -> &'a str {
        self.tokens.get(self.at).map_or("", |(_, start, end)| &self.text[*start..*end])
    }

    pub(super) fn take(&mut self, word: &str) -> bool {
        let found = self.raw().eq_ignore_ascii_case(word);
        if found {
            self.at += 1;
        }
        found
    }

    pub(super) fn kind(&self) -> Option<TokenKind> {
        self.tokens.get(self.at).map(|(kind, ..)| *kind)
    }

    pub(super) fn done(&self) -> bool {
        self.at >= self.tokens.len()
    }

    /// The rest of the text from the current token.
    pub(super) fn rest(&self) -> &'a str {
        self.tokens.get(self.at).map_or("", |(_, start, _)| &self.text[*start..])
    }

    /// Word number `at`.
    pub(super) fn text_of(&self, at: usize) -> &'a str {
        self.tokens.get(at).map_or("", |(_, start, end)| &self.text[*start..*end])
    }

    /// The text before word number `start` and from word number `end` on.
    pub(super) fn around(&self, start: usize, end: usize) -> (&'a str, &'a str) {
        let begin = |at: usize| self.tokens.get(at).map_or(self.text.len(), |(_, start, _)| *start);
        // What follows stays apart from what is put between.
        let behind = end.checked_sub(1).and_then(|last| self.tokens.get(last)).map_or(0, |(_, _, end)| *end);
        (&self.text[..begin(start)], &self.text[behind..])
    }

    /// The text of the words from number `start` up to number `end`.
    pub(super) fn between(&self, start: usize, end: usize) -> &'a str {
        match (self.tokens.get(start), end.checked_sub(1).and_then(|last| self.tokens.get(last))) {
            (Some((_, from, _)), Some((_, _, to))) if start < end => &self.text[*from..*to],
            _ => "",
        }
    }

    pub(super) fn position(&self) -> Option<usize> {
        let byte = self.tokens.get(self.at).map_or(self.text.len(), |(_, start, _)| *start);
        Some(self.text[..byte].chars().count() + 1)
    }

    pub(super) fn unexpected(&self, expected: &str) -> QueryError {
        let message = if self.done() {
            "syntax error at end of input".to_owned()
        } else {
            format!("syntax error at or near \"{}\"", self.raw())
        };
        QueryError::syntax(message, self.position()).hint(format!("expected {expected}"))
    }

    pub(super) fn end(&self) -> Result<()> {
        if self.done() { Ok(()) } else { Err(self.unexpected("the end of the statement")) }
    }

    /// The first `$1` and its like: text and position.
    pub(super) fn parameter(&self) -> Option<(&'a str, usize)> {
        let (_, start, end) = self.tokens.iter().find(|(kind, ..)| *kind == TokenKind::Parameter)?;
        Some((&self.text[*start..*end], self.text[..*start].chars().count() + 1))
    }

    /// A literal in single quotes.
    pub(super) fn string(&mut self, what: &str) -> Result<String> {
        let raw = self.raw();
        let is_string = self.tokens.get(self.at).is_some_and(|(kind, ..)| *kind == TokenKind::String);
        if !is_string || raw.len() < 2 || !raw.starts_with('\'') || !raw.ends_with('\'') {
            return Err(self.unexpected(what));
        }
        self.at += 1;
        Ok(unquote(raw))
    }

    /// A literal in any notation of SQL's strings.
    pub(super) fn string_constant(&mut self, what: &str) -> Result<String> {
        let is_string = self.tokens.get(self.at).is_some_and(|(kind, ..)| *kind == TokenKind::String);
        let value = if is_string { sinew_query::sql::string_literal(self.raw()) } else { None };
        let value = value.ok_or_else(|| self.unexpected(what))?;
        self.at += 1;
        Ok(value)
    }

    /// A name, or a string in its place.
    pub(super) fn name_or_string(&mut self, what: &str) -> Result<String> {
        if self.kind() == Some(TokenKind::String) { self.string_constant(what) } else { self.identifier(what) }
    }

    /// An identifier: folded to lower case unless quoted.
    pub(super) fn identifier(&mut self, what: &str) -> Result<String> {
        let raw = self.raw();
        let name = match self.tokens.get(self.at).map(|(kind, ..)| *kind) {
            Some(TokenKind::Word) => raw.to_lowercase(),
            Some(TokenKind::QuotedIdentifier) => raw.trim_matches('"').replace("\"\"", "\""),
            _ => return Err(self.unexpected(what)),
        };
        self.at += 1;
        Ok(name)
    }
}

pub(super) fn unquote(raw: &str) -> String {
    match raw.strip_prefix('\'').and_then(|s| s.strip_suffix('\'')) {
        Some(inner) => inner.replace("''", "'"),
        None => raw.trim_matches('"').to_owned(),
    }
}
