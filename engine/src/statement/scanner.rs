//! A lexer just fine enough to find words, literals and semicolons in either language.

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TokenKind {
    Word,
    QuotedIdentifier,
    String,
    Number,
    Parameter,
    Punct(char),
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Token {
    pub kind: TokenKind,
    /// Byte offsets in the scanned text.
    pub start: usize,
    pub end: usize,
}

pub(crate) struct Scanner<'a> {
    text: &'a str,
    position: usize,
    cypher: bool,
    /// A token was found. Before the first one, comments of both languages are skipped: it is what tells the language.
    begun: bool,
}

impl<'a> Scanner<'a> {
    pub(crate) fn new(text: &'a str, cypher: bool) -> Scanner<'a> {
        Scanner { text, position: 0, cypher, begun: false }
    }

    pub(crate) fn text_of(&self, token: Token) -> &'a str {
        &self.text[token.start..token.end]
    }

    fn peek(&self) -> Option<char> {
        self.text[self.position..].chars().next()
    }

    fn bump(&mut self) -> Option<char> {
        let c = self.peek()?;
        self.position += c.len_utf8();
        Some(c)
    }

    fn rest(&self) -> &'a str {
        &self.text[self.position..]
    }

    fn skip_blanks(&mut self) {
        loop {
            let rest = self.rest();
            let sql_comment = rest.starts_with("--") && !(self.cypher && self.begun);
            let cypher_comment = rest.starts_with("//") && (self.cypher || !self.begun);
            if sql_comment || cypher_comment {
                self.position += rest.find('\n').unwrap_or(rest.len());
            } else if rest.starts_with("/*") {
                self.skip_block_comment();
            } else if rest.starts_with(|c: char| c.is_whitespace()) {
                self.bump();
            } else {
                return;
            }
        }
    }

    /// SQL's block comments nest, Cypher's do not.
    fn skip_block_comment(&mut self) {
        self.position += 2;
        let mut depth = 1;
        while depth > 0 {
            let rest = self.rest();
            if rest.is_empty() {
                return;
            }
            if rest.starts_with("*/") {
                depth -= 1;
                self.position += 2;
            } else if !self.cypher && rest.starts_with("/*") {
                depth += 1;
                self.position += 2;
            } else {
                self.bump();
            }
        }
    }

    pub(crate) fn next_token(&mut self) -> Option<Token> {
        self.skip_blanks();
        self.begun = true;
        let start = self.position;
        let c = self.bump()?;
        let kind = match c {
            '\'' => {
                self.run_quoted('\'', self.cypher);
                TokenKind::String
            }
            '"' => {
                self.run_quoted('"', self.cypher);
                if self.cypher { TokenKind::String } else { TokenKind::QuotedIdentifier }
            }
            '`' if self.cypher => {
                self.run_quoted('`', false);
                TokenKind::QuotedIdentifier
            }
            '$' => self.dollar(),
            c if c.is_ascii_digit() => {
                while self.peek().is_some_and(|c| c.is_ascii_alphanumeric() || c == '.' || c == '_') {
                    // `1..3` in Cypher is two numbers and a range.
                    if self.rest().starts_with("..") {
                        break;
                    }
                    self.bump();
                }
                TokenKind::Number
            }
            c if c.is_alphabetic() || c == '_' => {
                while self.peek().is_some_and(|c| c.is_alphanumeric() || c == '_' || c == '$') {
                    self.bump();
                }
                // E'…' reads backslashes; B'…', X'…', N'…' and U&'…' do not.
                let word = &self.text[start..self.position];
                if !self.cypher && self.peek() == Some('\'') && word.len() == 1 {
                    self.bump();
                    self.run_quoted('\'', word.eq_ignore_ascii_case("e"));
                    TokenKind::String
                } else {
                    TokenKind::Word
                }
            }
            c => TokenKind::Punct(c),
        };
        Some(Token { kind, start, end: self.position })
    }

    /// Past the closing quote; a doubled quote stays inside.
    fn run_quoted(&mut self, quote: char, backslash: bool) {
        while let Some(c) = self.bump() {
            if backslash && c == '\\' {
                self.bump();
            } else if c == quote {
                if self.peek() == Some(quote) && !(backslash && self.cypher) {
                    self.bump();
                } else {
                    return;
                }
            }
        }
    }

    /// `$1`, `$name`, or a dollar-quoted literal.
    fn dollar(&mut self) -> TokenKind {
        if !self.cypher {
            let rest = self.rest();
            let tag_len = rest.find(|c: char| !(c.is_alphanumeric() || c == '_')).unwrap_or(rest.len());
            let tag_is_name = !rest.starts_with(|c: char| c.is_ascii_digit());
            if tag_is_name && rest[tag_len..].starts_with('$') {
                let delimiter = format!("${}$", &rest[..tag_len]);
                let body = &rest[tag_len + 1..];
                self.position += tag_len + 1 + body.find(&delimiter).map_or(body.len(), |at| at + delimiter.len());
                return TokenKind::String;
            }
        }
        if self.peek() == Some('`') && self.cypher {
            self.bump();
            self.run_quoted('`', false);
            return TokenKind::Parameter;
        }
        while self.peek().is_some_and(|c| c.is_alphanumeric() || c == '_') {
            self.bump();
        }
        TokenKind::Parameter
    }
}
