//! Subscripts in what is assigned to (`SET a[1] = …`, `INSERT INTO t (a[1])`) in a form that the parser knows.

use sqlparser::tokenizer::{Span, Token, TokenWithSpan};

use super::lexical::{is_word, significant};

/// The part of a name as which subscripts are written: a function of them.
pub(super) const SUBSCRIPTS_MARK: &str = "\0SUBSCRIPTS";
/// The function as which a slice stands among them; a bound that is not given is a star.
pub(super) const SLICE_MARK: &str = "\0SLICE";

/// Writes `a[1]['k'][2:]` as `a."\0SUBSCRIPTS"(1, 'k', "\0SLICE"(2, *))` where it is assigned to. Tokens keep their places;
/// no text can hold a NUL.
pub(super) fn with_subscript_targets(tokens: Vec<TokenWithSpan>) -> Vec<TokenWithSpan> {
    let concerns = |token: &TokenWithSpan| is_word(token, "SET") || is_word(token, "INTO");
    if !tokens.iter().any(|token| token.token == Token::LBracket) || !tokens.iter().any(concerns) {
        return tokens;
    }
    let mut writer = Writer { out: Vec::with_capacity(tokens.len() + 8), tokens: &tokens, at: 0 };
    while let Some(token) = tokens.get(writer.at) {
        writer.copy();
        if is_word(token, "SET") {
            writer.assignments();
        } else if is_word(token, "INTO") {
            writer.columns();
        }
    }
    writer.out
}

struct Writer<'t> {
    out: Vec<TokenWithSpan>,
    tokens: &'t [TokenWithSpan],
    /// Everything before it is written.
    at: usize,
}

impl Writer<'_> {
    fn copy(&mut self) {
        self.out.extend(self.tokens.get(self.at).cloned());
        self.at += 1;
    }

    /// The next token that is no blank, with everything before it written.
    fn next(&mut self) -> Option<&Token> {
        let next = significant(self.tokens, self.at)?;
        while self.at < next {
            self.copy();
        }
        Some(&self.tokens[self.at].token)
    }

    /// `a[1] = …, (b, c[2]) = …`: everything to the end of the list.
    fn assignments(&mut self) {
        loop {
            let is_row = self.next() == Some(&Token::LParen);
            if is_row {
                self.copy();
                self.targets();
            } else {
                self.target();
            }
            if !is_row && self.next() != Some(&Token::Eq) {
                return;
            }
            // To the comma behind the value.
            let mut depth = 0usize;
            loop {
                let Some(token) = self.tokens.get(self.at) else { return };
                match &token.token {
                    Token::LParen | Token::LBracket => depth += 1,
                    Token::RParen | Token::RBracket if depth == 0 => return,
                    Token::RParen | Token::RBracket => depth -= 1,
                    Token::SemiColon => return,
                    Token::Comma if depth == 0 => break,
                    _ if depth == 0 && ["FROM", "WHERE", "RETURNING"].iter().any(|word| is_word(token, word)) => return,
                    _ => {}
                }
                self.copy();
            }
            self.copy();
        }
    }

    /// The column list of INSERT, if there is one behind the name.
    fn columns(&mut self) {
        while matches!(self.next(), Some(Token::Word(_) | Token::Period)) {
            self.copy();
        }
        if self.next() != Some(&Token::LParen) {
            return;
        }
        self.copy();
        let begins_query = |token: &TokenWithSpan| {
            token.token == Token::LParen
                || ["SELECT", "WITH", "VALUES", "TABLE"].iter().any(|word| is_word(token, word))
        };
        if significant(self.tokens, self.at).is_some_and(|next| !begins_query(&self.tokens[next])) {
            self.targets();
        }
    }

    /// Names with commas between them.
    fn targets(&mut self) {
        loop {
            self.target();
            if self.next() != Some(&Token::Comma) {
                return;
            }
            self.copy();
        }
    }

    /// A name and its subscripts.
    fn target(&mut self) {
        if !matches!(self.next(), Some(Token::Word(_))) {
            return;
        }
        self.copy();
        while self.next() == Some(&Token::Period) {
            self.copy();
            if matches!(self.next(), Some(Token::Word(_))) {
                self.copy();
            }
        }
        let Some(first) = significant(self.tokens, self.at) else { return };
        let mut subscripts = Vec::new();
        let mut at = first;
        while self.tokens.get(at).is_some_and(|token| token.token == Token::LBracket) {
            let Some((subscript, end)) = subscript(self.tokens, at) else { return };
            if !subscripts.is_empty() {
                subscripts.push(TokenWithSpan::new(Token::Comma, self.tokens[at].span));
            }
            subscripts.extend(subscript);
            at = significant(self.tokens, end).unwrap_or(end);
        }
        if subscripts.is_empty() {
            return;
        }
        let span = self.tokens[first].span;
        self.out.push(TokenWithSpan::new(Token::Period, span));
        self.out.extend(call(SUBSCRIPTS_MARK, subscripts, span));
        self.at = at;
    }
}

fn call(name: &str, args: Vec<TokenWithSpan>, span: Span) -> Vec<TokenWithSpan> {
    let mut out = vec![TokenWithSpan::new(Token::make_word(name, Some('"')), span)];
    out.push(TokenWithSpan::new(Token::LParen, span));
    out.extend(args);
    out.push(TokenWithSpan::new(Token::RParen, span));
    out
}

/// What stands between the brackets, of which the first is at `open`, and the place behind them.
fn subscript(tokens: &[TokenWithSpan], open: usize) -> Option<(Vec<TokenWithSpan>, usize)> {
    let mut depth = 0usize;
    let mut colon = None;
    let mut at = open;
    let close = loop {
        match &tokens.get(at)?.token {
            Token::LParen | Token::LBracket => depth += 1,
            Token::RParen | Token::RBracket => depth = depth.checked_sub(1)?,
            Token::Colon if depth == 1 => colon = colon.or(Some(at)),
            Token::SemiColon | Token::EOF => return None,
            _ => {}
        }
        if depth == 0 {
            break at;
        }
        at += 1;
    };
    let part = |from: usize, to: usize| tokens[from..to].to_vec();
    let is_blank = |tokens: &[TokenWithSpan]| tokens.iter().all(|token| matches!(token.token, Token::Whitespace(_)));
    let Some(colon) = colon else {
        let index = part(open + 1, close);
        return (!is_blank(&index)).then_some((index, close + 1));
    };
    let span = tokens[colon].span;
    let bound = |tokens: Vec<TokenWithSpan>| match is_blank(&tokens) {
        true => vec![TokenWithSpan::new(Token::Mul, span)],
        false => tokens,
    };
    let mut args = bound(part(open + 1, colon));
    args.push(TokenWithSpan::new(Token::Comma, span));
    args.extend(bound(part(colon + 1, close)));
    Some((call(SLICE_MARK, args, tokens[open].span), close + 1))
}

#[cfg(test)]
mod tests {
    use sqlparser::dialect::PostgreSqlDialect;
    use sqlparser::tokenizer::Tokenizer;

    use super::*;

    fn check(text: &str, expected: &str) {
        let tokens = Tokenizer::new(&PostgreSqlDialect {}, text).tokenize_with_location().unwrap();
        let written = with_subscript_targets(tokens);
        let written: String = written.iter().map(|token| token.token.to_string()).collect();
        // Blanks behind a target go with its brackets.
        assert_eq!(written.replace(['\0', ' '], ""), expected.replace(' ', ""));
    }

    #[test]
    fn targets_alone_are_written_anew() {
        check("UPDATE t SET a[1] = b[2], c = 3", "UPDATE t SET a.\"SUBSCRIPTS\"(1) = b[2], c = 3");
        check("UPDATE t SET a = b[1] WHERE c[1] = 2", "UPDATE t SET a = b[1] WHERE c[1] = 2");
        check("UPDATE t SET j['a'][x[1]]=1", "UPDATE t SET j.\"SUBSCRIPTS\"('a',x[1])=1");
        check(
            "UPDATE t SET a[1:2] = b, a[:x] = c",
            "UPDATE t SET a.\"SUBSCRIPTS\"(\"SLICE\"(1,2)) = b, a.\"SUBSCRIPTS\"(\"SLICE\"(*,x)) = c",
        );
        check("UPDATE t SET (a[1], b) = (SELECT c[1], 2)", "UPDATE t SET (a.\"SUBSCRIPTS\"(1), b) = (SELECT c[1], 2)");
        check(
            "INSERT INTO s.t (a[1], b) SELECT c, d[1] FROM u",
            "INSERT INTO s.t (a.\"SUBSCRIPTS\"(1), b) SELECT c, d[1] FROM u",
        );
        check("INSERT INTO t (SELECT c, d[1] FROM u)", "INSERT INTO t (SELECT c, d[1] FROM u)");
        check("ALTER TABLE t ALTER a SET DEFAULT x[1]", "ALTER TABLE t ALTER a SET DEFAULT x[1]");
    }
}
