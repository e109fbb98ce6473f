//! `TABLE t`, `ROWS FROM (…)` and `(record).*` in forms that the parser knows.

use sqlparser::tokenizer::{Token, TokenWithSpan};

use super::lexical::{ends_words, is_word, significant};

/// The function as which ROWS FROM is written.
pub(super) const ROWS_FROM_MARK: &str = "\0ROWS FROM";
/// The field as which all fields of a record are written.
pub(super) const ALL_FIELDS_MARK: &str = "\0*";
/// Words behind which a query may begin.
const BEFORE_QUERIES: [&str; 8] = ["UNION", "INTERSECT", "EXCEPT", "ALL", "DISTINCT", "AS", "ANALYZE", "EXPLAIN"];

/// Writes `TABLE t` as `SELECT * FROM t`, where a query may stand, and `ROWS FROM (f(1), g(2))` as
/// `"\0ROWS FROM"(f(1), g(2))`; the star of `(record).*` becomes a field. Tokens keep their places; no text can hold a NUL.
pub(super) fn with_tables(tokens: Vec<TokenWithSpan>) -> Vec<TokenWithSpan> {
    let concerns =
        |token: &TokenWithSpan| token.token == Token::Period || is_word(token, "TABLE") || is_word(token, "ROWS");
    if !tokens.iter().any(concerns) {
        return tokens;
    }
    let mut out: Vec<TokenWithSpan> = Vec::with_capacity(tokens.len() + 4);
    let mut at = 0;
    while at < tokens.len() {
        let token = &tokens[at];
        if is_word(token, "TABLE") && begins_query(&out) && names_table(&tokens, at + 1) {
            let keyword = |word| TokenWithSpan::new(Token::make_keyword(word), token.span);
            out.extend([keyword("SELECT"), TokenWithSpan::new(Token::Mul, token.span), keyword("FROM")]);
            at += 1;
            continue;
        }
        if token.token == Token::Mul
            && let [.., behind, period] = out.as_slice()
            && period.token == Token::Period
            && matches!(behind.token, Token::RParen | Token::RBracket)
        {
            out.push(TokenWithSpan::new(Token::make_word(ALL_FIELDS_MARK, Some('"')), token.span));
            at += 1;
            continue;
        }
        if is_word(token, "ROWS")
            && let Some(end) = ends_words(&tokens, at + 1, &["FROM"])
            && let Some(paren) = significant(&tokens, end)
            && tokens[paren].token == Token::LParen
        {
            out.push(TokenWithSpan::new(Token::make_word(ROWS_FROM_MARK, Some('"')), token.span));
            at = paren;
            continue;
        }
        out.push(token.clone());
        at += 1;
    }
    out
}

/// Whether a query may begin behind these tokens.
fn begins_query(tokens: &[TokenWithSpan]) -> bool {
    let last = tokens.iter().rev().find(|token| !matches!(token.token, Token::Whitespace(_)));
    last.is_none_or(|last| {
        matches!(last.token, Token::LParen | Token::RParen) || BEFORE_QUERIES.iter().any(|word| is_word(last, word))
    })
}

/// Whether a table's name follows, and nothing that makes TABLE something else.
fn names_table(tokens: &[TokenWithSpan], at: usize) -> bool {
    significant(tokens, at).is_some_and(|next| matches!(tokens[next].token, Token::Word(_)))
}

/// A query printed from its tree, with ROWS FROM and stars as they were before [`with_tables`].
pub(super) fn without_table_marks(text: String) -> String {
    text.replace(&format!("\"{ROWS_FROM_MARK}\"("), "ROWS FROM (").replace(&format!("\"{ALL_FIELDS_MARK}\""), "*")
}

#[cfg(test)]
mod tests {
    use super::*;
    use sqlparser::dialect::PostgreSqlDialect;
    use sqlparser::tokenizer::Tokenizer;

    #[test]
    fn tables_become_selects() {
        let check = |text: &str, expected: &str| {
            let tokens = Tokenizer::new(&PostgreSqlDialect {}, text).tokenize_with_location().expect("tokens");
            let written: Vec<String> = with_tables(tokens)
                .iter()
                .filter(|token| !matches!(token.token, Token::Whitespace(_) | Token::EOF))
                .map(|token| token.token.to_string().replace('\0', "^"))
                .collect();
            assert_eq!(written.join(" "), expected, "{text}");
        };
        check("TABLE t", "SELECT * FROM t");
        check("(TABLE s.t) UNION ALL TABLE u", "( SELECT * FROM s . t ) UNION ALL SELECT * FROM u");
        check("CREATE TABLE t (a int)", "CREATE TABLE t ( a int )");
        check("SELECT * FROM ROWS FROM (f(1))", "SELECT * FROM \"^ROWS FROM\" ( f ( 1 ) )");
    }
}
