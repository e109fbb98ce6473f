//! Forms of calls that the parser does not know: `VARIADIC array` as the last argument, and `trim(LEADING FROM x)`.

use sqlparser::keywords::Keyword;
use sqlparser::tokenizer::{Token, TokenWithSpan, Word};

/// Names the argument that VARIADIC stands before.
pub(super) const VARIADIC_MARK: &str = "\0VARIADIC";

/// `VARIADIC x` becomes a named argument, and a missing set of characters in TRIM a blank.
pub(super) fn with_call_forms(tokens: Vec<TokenWithSpan>) -> Vec<TokenWithSpan> {
    let is_of_interest = |token: &TokenWithSpan| match &token.token {
        Token::Word(word) => {
            word.quote_style.is_none() && (word.keyword == Keyword::TRIM || word.value.eq_ignore_ascii_case("VARIADIC"))
        }
        _ => false,
    };
    if !tokens.iter().any(is_of_interest) {
        return tokens;
    }
    let mut out: Vec<TokenWithSpan> = Vec::with_capacity(tokens.len() + 4);
    // The last tokens that are no blanks, newest first.
    let mut before: [Option<Token>; 3] = [None, None, None];
    for token in tokens {
        let span = token.span;
        let follows = |at: usize, wanted: &[Keyword]| matches!(&before[at], Some(Token::Word(word)) if wanted.contains(&word.keyword));
        let is_argument = matches!(before[0], Some(Token::LParen | Token::Comma));
        match &token.token {
            Token::Word(word)
                if is_argument && word.quote_style.is_none() && word.value.eq_ignore_ascii_case("VARIADIC") =>
            {
                let mark =
                    Word { value: VARIADIC_MARK.to_owned(), quote_style: Some('"'), keyword: Keyword::NoKeyword };
                out.push(TokenWithSpan { token: Token::Word(mark), span });
                out.push(TokenWithSpan { token: Token::RArrow, span });
                before = [Some(Token::RArrow), None, None];
                continue;
            }
            Token::Word(word) if word.keyword == Keyword::FROM && word.quote_style.is_none() => {
                let sides = [Keyword::LEADING, Keyword::TRAILING, Keyword::BOTH];
                let is_open = matches!(before[1], Some(Token::LParen)) && follows(2, &[Keyword::TRIM]);
                if is_open && follows(0, &sides) {
                    out.push(TokenWithSpan { token: Token::SingleQuotedString(" ".to_owned()), span });
                }
            }
            _ => {}
        }
        if !matches!(token.token, Token::Whitespace(_)) {
            before.rotate_right(1);
            before[0] = Some(token.token.clone());
        }
        out.push(token);
    }
    out
}
