//! PostgreSQL's lexical rules where the tokenizer's differ: comments end operators, a multi-character operator gives back a
//! trailing sign, `@@@` is one operator, and literals on following lines continue the one before.

use sqlparser::tokenizer::{Location, Span, Token, TokenWithSpan, Whitespace};

/// The text with every comment replaced by blanks, character for character, so that positions stay. An unterminated
/// comment is left for the tokenizer to report.
pub(super) fn without_comments(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        let length = if rest.starts_with("--") {
            let end = rest.find('\n').unwrap_or(rest.len());
            blank(&rest[..end], &mut out);
            rest = &rest[end..];
            continue;
        } else if rest.starts_with("/*") {
            match comment_length(rest) {
                Some(end) => {
                    blank(&rest[..end], &mut out);
                    rest = &rest[end..];
                    continue;
                }
                None => rest.len(),
            }
        } else if c == '\'' {
            quoted_length(rest, '\'', out.ends_with(['e', 'E']) && !before_letter_is_word(&out))
        } else if c == '"' {
            quoted_length(rest, '"', false)
        } else if c == '$' && !out.ends_with(|c: char| c.is_alphanumeric() || c == '_') {
            dollar_length(rest)
        } else {
            c.len_utf8()
        };
        out.push_str(&rest[..length]);
        rest = &rest[length..];
    }
    out
}

/// Whether the last letter of `out` belongs to a longer word (`table'…'` is no escape string).
fn before_letter_is_word(out: &str) -> bool {
    out.chars().rev().nth(1).is_some_and(|c| c.is_alphanumeric() || c == '_')
}

fn blank(comment: &str, out: &mut String) {
    out.extend(comment.chars().map(|c| if c == '\n' { '\n' } else { ' ' }));
}

/// Bytes of a nested block comment; None when it does not end.
fn comment_length(text: &str) -> Option<usize> {
    let bytes = text.as_bytes();
    let mut depth = 0usize;
    let mut at = 0;
    while at + 1 < bytes.len() {
        match &bytes[at..at + 2] {
            b"/*" => {
                depth += 1;
                at += 2;
            }
            b"*/" => {
                depth -= 1;
                at += 2;
                if depth == 0 {
                    return Some(at);
                }
            }
            _ => at += 1,
        }
    }
    None
}

/// Bytes of a quoted literal or identifier, to the end of the text when it does not end.
fn quoted_length(text: &str, quote: char, backslash: bool) -> usize {
    let mut chars = text.char_indices().skip(1).peekable();
    while let Some((at, c)) = chars.next() {
        if backslash && c == '\\' {
            chars.next();
        } else if c == quote {
            if chars.peek().is_some_and(|(_, next)| *next == quote) {
                chars.next();
            } else {
                return at + c.len_utf8();
            }
        }
    }
    text.len()
}

/// Bytes of a dollar-quoted literal, or of the dollar alone.
fn dollar_length(text: &str) -> usize {
    let tag = text[1..].find(|c: char| !(c.is_alphanumeric() || c == '_')).unwrap_or(text.len() - 1);
    let opens = text[1 + tag..].starts_with('$') && !text[1..].starts_with(|c: char| c.is_ascii_digit());
    if !opens {
        return 1;
    }
    let delimiter = &text[..tag + 2];
    let body = &text[delimiter.len()..];
    delimiter.len() + body.find(delimiter).map_or(body.len(), |at| at + delimiter.len())
}

/// Tokens by PostgreSQL's rules.
pub(super) fn corrected(tokens: Vec<TokenWithSpan>) -> Vec<TokenWithSpan> {
    let mut out: Vec<TokenWithSpan> = Vec::with_capacity(tokens.len());
    for token in tokens {
        match &token.token {
            Token::CustomBinaryOperator(operator) => match signs_given_back(operator) {
                Some((base, signs)) => split(base, signs, token.span, &mut out),
                None => out.push(token),
            },
            Token::AtSign
                if out.last().is_some_and(|last| last.token == Token::AtAt && last.span.end == token.span.start) =>
            {
                let span = out.last().map_or(token.span, |last| Span::new(last.span.start, token.span.end));
                out.pop();
                out.push(TokenWithSpan::new(Token::CustomBinaryOperator("@@@".to_owned()), span));
            }
            Token::SingleQuotedString(more) => match continued(&mut out) {
                Some(literal) => literal.push_str(more),
                None => out.push(token),
            },
            _ => out.push(token),
        }
    }
    out
}

/// The literal that a literal after a line break continues; what stands between is dropped.
fn continued(out: &mut Vec<TokenWithSpan>) -> Option<&mut String> {
    let is_blank = |token: &TokenWithSpan| matches!(token.token, Token::Whitespace(_));
    let blanks = out.iter().rev().take_while(|token| is_blank(token)).count();
    let at = out.len().checked_sub(blanks + 1)?;
    let breaks = out[at + 1..].iter().any(|token| token.token == Token::Whitespace(Whitespace::Newline));
    let literal = matches!(
        out[at].token,
        Token::SingleQuotedString(_) | Token::EscapedStringLiteral(_) | Token::NationalStringLiteral(_)
    );
    if !breaks || !literal {
        return None;
    }
    out.truncate(at + 1);
    match &mut out[at].token {
        Token::SingleQuotedString(text) | Token::EscapedStringLiteral(text) | Token::NationalStringLiteral(text) => {
            Some(text)
        }
        _ => None,
    }
}

/// An operator may end in a sign only if it holds one of these characters; otherwise the signs stand for themselves.
fn signs_given_back(operator: &str) -> Option<(&str, &str)> {
    if operator.contains(['~', '!', '@', '#', '%', '^', '&', '|', '`', '?']) {
        return None;
    }
    let base = operator.trim_end_matches(['+', '-']);
    // The first character stays, whatever it is.
    let length = base.len().max(1);
    (length < operator.len()).then(|| operator.split_at(length))
}

fn split(base: &str, signs: &str, span: Span, out: &mut Vec<TokenWithSpan>) {
    let token = match base {
        "<" => Token::Lt,
        ">" => Token::Gt,
        "=" => Token::Eq,
        "<=" => Token::LtEq,
        ">=" => Token::GtEq,
        "<>" => Token::Neq,
        "->" => Token::Arrow,
        "->>" => Token::LongArrow,
        "+" => Token::Plus,
        "-" => Token::Minus,
        "*" => Token::Mul,
        "/" => Token::Div,
        "<<" => Token::ShiftLeft,
        ">>" => Token::ShiftRight,
        other => Token::CustomBinaryOperator(other.to_owned()),
    };
    let after = |count: usize| Location::new(span.start.line, span.start.column + count as u64);
    let length = base.chars().count();
    out.push(TokenWithSpan::new(token, Span::new(span.start, after(length))));
    for (i, sign) in signs.chars().enumerate() {
        let token = if sign == '-' { Token::Minus } else { Token::Plus };
        out.push(TokenWithSpan::new(token, Span::new(after(length + i), after(length + i + 1))));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_become_blanks() {
        let check = |text: &str, expected: &str| assert_eq!(without_comments(text), expected);
        check("select 5>/*c*/-1", "select 5>     -1");
        check("a--x\nb", "a   \nb");
        check(
            "'--' \"/*\" $$--$$ $1 E'\\'--' /* a /* b */ c */x",
            "'--' \"/*\" $$--$$ $1 E'\\'--'                  x",
        );
        check("'it''s --' --ä", "'it''s --'    ");
    }

    #[test]
    fn signs_are_given_back() {
        assert_eq!(signs_given_back(">-"), Some((">", "-")));
        assert_eq!(signs_given_back("->-"), Some(("->", "-")));
        assert_eq!(signs_given_back("<->"), None);
        assert_eq!(signs_given_back("@-"), None);
    }
}
