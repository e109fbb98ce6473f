//! Windows in forms that the parser does not know, in forms that it does: EXCLUDE of frames, and names that are keywords.

use sqlparser::dialect::PostgreSqlDialect;
use sqlparser::tokenizer::{Token, TokenWithSpan, Tokenizer};

use super::lexical::{ends_words, is_word, significant};

/// Starts the window name as which [`with_exclusions`] writes an exclusion; its words follow, then, behind another NUL, the
/// name of the window that is extended, if any.
pub(super) const EXCLUSION_MARK: &str = "\0EXCLUDE ";
const EXCLUSIONS: [&[&str]; 4] = [&["CURRENT", "ROW"], &["GROUP"], &["TIES"], &["NO", "OTHERS"]];
/// What a window's parentheses may begin with besides a name.
const CLAUSES: [&str; 5] = ["PARTITION", "ORDER", "ROWS", "RANGE", "GROUPS"];

const UNITS: [&str; 3] = ["ROWS", "RANGE", "GROUPS"];

/// Open parentheses.
struct Level {
    /// Of the tokens written.
    start: usize,
    /// Behind OVER, or behind AS as in the WINDOW clause.
    is_window: bool,
    in_frame: bool,
}

/// What a bound of a frame may follow.
const BEFORE_BOUNDS: [&str; 5] = ["ROWS", "RANGE", "GROUPS", "BETWEEN", "AND"];

/// Writes `OVER (w ROWS 1 PRECEDING EXCLUDE TIES)` as `OVER ("\0EXCLUDE TIES\0w" ROWS 1 PRECEDING)`, and quotes the name of
/// an extended window, which may be a keyword. Tokens keep their places; no text can hold a NUL.
pub(super) fn with_exclusions(tokens: Vec<TokenWithSpan>) -> Vec<TokenWithSpan> {
    if !tokens.iter().any(|token| is_word(token, "OVER") || is_word(token, "WINDOW")) {
        return tokens;
    }
    let mut out: Vec<TokenWithSpan> = Vec::with_capacity(tokens.len() + 4);
    let mut open: Vec<Level> = Vec::new();
    let mut at = 0;
    while at < tokens.len() {
        let token = &tokens[at];
        match &token.token {
            Token::LParen => {
                let before = last(&out);
                let is_over = before.is_some_and(|before| is_word(before, "OVER"));
                let is_window = is_over || before.is_some_and(|before| is_word(before, "AS"));
                open.push(Level { start: out.len(), is_window, in_frame: false });
                out.push(token.clone());
                at += 1;
                if is_over && let Some(name) = significant(&tokens, at).filter(|name| is_name(&tokens[*name])) {
                    out.extend_from_slice(&tokens[at..name]);
                    out.push(quoted(folded(&tokens[name]), &tokens[name]));
                    at = name + 1;
                }
                continue;
            }
            Token::RParen => {
                open.pop();
            }
            // The parser takes a string here for an interval, and expects nothing behind it.
            Token::SingleQuotedString(text)
                if open.last().is_some_and(|level| level.in_frame)
                    && last(&out).is_some_and(|last| BEFORE_BOUNDS.iter().any(|word| is_word(last, word))) =>
            {
                out.push(TokenWithSpan::new(Token::EscapedStringLiteral(text.clone()), token.span));
                at += 1;
                continue;
            }
            Token::Word(_) if UNITS.iter().any(|units| is_word(token, units)) => {
                if let Some(level) = open.last_mut() {
                    level.in_frame |= level.is_window;
                }
            }
            Token::Word(_) if is_word(token, "EXCLUDE") => {
                if let (Some((words, end)), Some(Level { start, in_frame: true, .. })) =
                    (exclusion(&tokens, at), open.last())
                {
                    let mark = format!("{EXCLUSION_MARK}{}", words.join(" "));
                    let name = significant(&out, start + 1).filter(|name| is_name(&out[*name]));
                    match name {
                        Some(name) => out[name] = quoted(format!("{mark}\0{}", folded(&out[name])), &out[name]),
                        None => out.insert(start + 1, quoted(mark, token)),
                    }
                    at = end;
                    continue;
                }
            }
            _ => {}
        }
        out.push(token.clone());
        at += 1;
    }
    out
}

/// The last token that is no blank.
fn last(tokens: &[TokenWithSpan]) -> Option<&TokenWithSpan> {
    tokens.iter().rev().find(|token| !matches!(token.token, Token::Whitespace(_)))
}

/// The exclusion that stands at `at`, at the end of a window, and where the text goes on.
fn exclusion(tokens: &[TokenWithSpan], at: usize) -> Option<(&'static [&'static str], usize)> {
    EXCLUSIONS.into_iter().find_map(|words| {
        let end = ends_words(tokens, at + 1, words)?;
        let close = significant(tokens, end)?;
        (tokens[close].token == Token::RParen).then_some((words, end))
    })
}

fn is_name(token: &TokenWithSpan) -> bool {
    matches!(&token.token, Token::Word(word) if word.quote_style.is_some_and(|quote| quote == '"')
        || word.quote_style.is_none() && !CLAUSES.iter().any(|clause| word.value.eq_ignore_ascii_case(clause)))
}

fn folded(token: &TokenWithSpan) -> String {
    match &token.token {
        Token::Word(word) if word.quote_style.is_none() => word.value.to_lowercase(),
        Token::Word(word) => word.value.clone(),
        _ => String::new(),
    }
}

fn quoted(text: String, place: &TokenWithSpan) -> TokenWithSpan {
    TokenWithSpan::new(Token::make_word(&text, Some('"')), place.span)
}

/// A query printed from its tree, with exclusions as they were before [`with_exclusions`].
pub(super) fn without_exclusion_marks(text: String) -> String {
    if !text.contains(EXCLUSION_MARK) {
        return text;
    }
    let Ok(tokens) = Tokenizer::new(&PostgreSqlDialect {}, &text).tokenize() else { return text };
    let mut out = String::with_capacity(text.len());
    let mut open: Vec<Option<String>> = Vec::new();
    for token in tokens {
        match &token {
            Token::LParen => open.push(None),
            Token::RParen => {
                if let Some(Some(words)) = open.pop() {
                    out.push_str(&format!(" EXCLUDE {words}"));
                }
            }
            Token::Word(word) if word.value.starts_with(EXCLUSION_MARK) => {
                let rest = &word.value[EXCLUSION_MARK.len()..];
                let (words, name) = rest.split_once('\0').map_or((rest, None), |(words, name)| (words, Some(name)));
                if let Some(level) = open.last_mut() {
                    *level = Some(words.to_owned());
                }
                if let Some(name) = name {
                    out.push_str(&format!("\"{}\"", name.replace('"', "\"\"")));
                }
                continue;
            }
            _ => {}
        }
        out.push_str(&token.to_string());
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(text: &str) -> String {
        let tokens = Tokenizer::new(&PostgreSqlDialect {}, text).tokenize_with_location().expect("tokens");
        with_exclusions(tokens).iter().map(|token| token.token.to_string()).collect()
    }

    #[test]
    fn exclusions_become_names() {
        let check = |text: &str, expected: &str| assert_eq!(written(text).replace('\0', "^"), expected, "{text}");
        check("f() OVER (ROWS 1 PRECEDING EXCLUDE TIES)", "f() OVER (\"^EXCLUDE TIES\"ROWS 1 PRECEDING )");
        check("OVER (W ROWS (1) PRECEDING EXCLUDE no others)", "OVER (\"^EXCLUDE NO OTHERS^w\" ROWS (1) PRECEDING )");
        check("OVER (first ORDER BY exclude)", "OVER (\"first\" ORDER BY exclude)");
        check("WINDOW w AS (ROWS 1 PRECEDING EXCLUDE GROUP)", "WINDOW w AS (\"^EXCLUDE GROUP\"ROWS 1 PRECEDING )");
        check("SELECT exclude group FROM over", "SELECT exclude group FROM over");
    }

    #[test]
    fn printed_exclusions_are_sql_again() {
        let text = "sum(')') OVER (\"\0EXCLUDE TIES\0a\"\"b\" ORDER BY (x) ROWS 1 PRECEDING)".to_owned();
        assert_eq!(
            without_exclusion_marks(text),
            "sum(')') OVER (\"a\"\"b\" ORDER BY (x) ROWS 1 PRECEDING EXCLUDE TIES)"
        );
    }
}
