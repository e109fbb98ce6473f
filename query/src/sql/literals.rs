//! What PostgreSQL does not lex or parse around literals and the tokenizer lets through: letters right behind a number,
//! and string literals as aliases.

use sqlparser::keywords::Keyword;
use sqlparser::tokenizer::{Location, Token, TokenWithSpan};

/// A literal that is refused: the message, and where it stands.
pub(super) struct Refused {
    pub message: String,
    pub location: Location,
}

/// The first literal in a place that PostgreSQL has none in.
pub(super) fn check(tokens: &[TokenWithSpan]) -> Option<Refused> {
    let words = || tokens.iter().filter_map(|token| keyword(&token.token));
    // `COPY … DELIMITER AS ','` and `CREATE FUNCTION … AS 'body'` are no aliases.
    let aliases = words().next() != Some(Keyword::COPY)
        && !words().take(5).any(|word| matches!(word, Keyword::FUNCTION | Keyword::PROCEDURE));
    let mut before: Option<&TokenWithSpan> = None;
    for (at, token) in tokens.iter().enumerate() {
        let refused = match &token.token {
            Token::Whitespace(_) => continue,
            Token::Number(digits, _) => junk_behind(digits, token, tokens.get(at + 1)),
            // `0x10`, not `x'10'`: no hexadecimal numbers before PostgreSQL 16.
            Token::HexStringLiteral(digits)
                if token.span.end.column.saturating_sub(token.span.start.column) == digits.len() as u64 + 2 =>
            {
                Some(junk(&format!("0x{digits}")))
            }
            Token::SingleQuotedString(text) => before
                .filter(|before| {
                    ends_operand(&before.token) || (aliases && keyword(&before.token) == Some(Keyword::AS))
                })
                .map(|_| format!("syntax error at or near \"'{}'\"", text.replace('\'', "''"))),
            _ => None,
        };
        if let Some(message) = refused {
            return Some(Refused { message, location: token.span.start });
        }
        before = Some(token);
    }
    None
}

fn junk(near: &str) -> String {
    format!("trailing junk after numeric literal at or near \"{near}\"")
}

/// A number with underscores, or with an identifier that begins where it ends.
fn junk_behind(digits: &str, number: &TokenWithSpan, next: Option<&TokenWithSpan>) -> Option<String> {
    if digits.contains('_') {
        return Some(junk(digits));
    }
    let next = next.filter(|next| next.span.start == number.span.end)?;
    match &next.token {
        Token::Word(word) if word.quote_style.is_none() => Some(junk(&format!("{digits}{}", word.value))),
        _ => None,
    }
}

/// Whether an operand ends here, so that no string can follow. Not behind a name: that may be a type's.
fn ends_operand(token: &Token) -> bool {
    matches!(
        token,
        Token::Number(..)
            | Token::SingleQuotedString(_)
            | Token::EscapedStringLiteral(_)
            | Token::NationalStringLiteral(_)
            | Token::DollarQuotedString(_)
            | Token::RBracket
    )
}

fn keyword(token: &Token) -> Option<Keyword> {
    match token {
        Token::Word(word) => Some(word.keyword),
        _ => None,
    }
}
