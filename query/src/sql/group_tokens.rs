//! GROUP BY in forms that the parser does not know, in forms that it does.

use sqlparser::tokenizer::{Token, TokenWithSpan};

use super::lexical::{ends_words, is_word, significant};

/// The first element of a `GROUP BY DISTINCT`.
pub(super) const DISTINCT_MARK: &str = "\0DISTINCT";
/// The function as which GROUPING SETS inside another is written.
pub(super) const NESTED_MARK: &str = "\0GROUPING SETS";

/// Writes `GROUP BY DISTINCT a` as `GROUP BY "\0DISTINCT", a`, and `GROUPING SETS (GROUPING SETS ((), a))` as
/// `GROUPING SETS ("\0GROUPING SETS"(ROW(), a))`. Tokens keep their places; no text can hold a NUL.
pub(super) fn with_group_by(tokens: Vec<TokenWithSpan>) -> Vec<TokenWithSpan> {
    if !tokens.iter().any(|token| is_word(token, "GROUP")) {
        return tokens;
    }
    let mut out: Vec<TokenWithSpan> = Vec::with_capacity(tokens.len() + 4);
    // For open parentheses: whether they are of GROUPING SETS, and of one inside another.
    let mut open: Vec<(bool, bool)> = Vec::new();
    let mut at = 0;
    while at < tokens.len() {
        let token = &tokens[at];
        let quoted = |text: &str| TokenWithSpan::new(Token::make_word(text, Some('"')), token.span);
        if is_word(token, "GROUP")
            && let Some(by) = ends_words(&tokens, at + 1, &["BY"])
            && let Some(next) = significant(&tokens, by)
            && (is_word(&tokens[next], "DISTINCT") || is_word(&tokens[next], "ALL"))
        {
            out.extend_from_slice(&tokens[at..next]);
            if is_word(&tokens[next], "DISTINCT") {
                out.push(quoted(DISTINCT_MARK));
                out.push(TokenWithSpan::new(Token::Comma, token.span));
            }
            at = next + 1;
            continue;
        }
        if is_word(token, "GROUPING")
            && let Some(end) = ends_words(&tokens, at + 1, &["SETS"])
            && let Some(paren) = significant(&tokens, end)
            && tokens[paren].token == Token::LParen
        {
            let is_nested = open.last().is_some_and(|(sets, _)| *sets);
            if is_nested {
                out.push(quoted(NESTED_MARK));
            } else {
                out.extend_from_slice(&tokens[at..paren]);
            }
            out.push(tokens[paren].clone());
            open.push((true, is_nested));
            at = paren + 1;
            continue;
        }
        match &token.token {
            Token::LParen => {
                let is_empty = significant(&tokens, at + 1).is_some_and(|next| tokens[next].token == Token::RParen);
                if is_empty && matches!(open.last(), Some((true, true))) {
                    out.push(TokenWithSpan::new(Token::make_word("ROW", None), token.span));
                }
                open.push((false, false));
            }
            Token::RParen => {
                open.pop();
            }
            _ => {}
        }
        out.push(token.clone());
        at += 1;
    }
    out
}

/// A query printed from its tree, with GROUP BY as it was before [`with_group_by`].
pub(super) fn without_group_marks(text: String) -> String {
    if !text.contains("\"\0") {
        return text;
    }
    text.replace(&format!("\"{DISTINCT_MARK}\", "), "DISTINCT ")
        .replace(&format!("\"{NESTED_MARK}\""), "GROUPING SETS ")
}
