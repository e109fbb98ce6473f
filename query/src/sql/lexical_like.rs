//! LIKE among the columns of CREATE TABLE, and the options of identity columns, in forms that the parser knows.

use sqlparser::tokenizer::{Token, TokenWithSpan};

use super::lexical::ends_words;

/// The comment as which [`with_unique_nulls`] writes what it found.
pub(super) const NULLS_MARK: &str = "\0NULLS NOT DISTINCT";

/// Begins the name of the column that [`with_like_clauses`] writes; the clause's options follow.
pub(super) const LIKE_MARK: &str = "\0LIKE ";

/// The type of a column that was written without one.
pub(super) const UNTYPED_MARK: &str = "\0AS";

fn is_word(token: &TokenWithSpan, word: &str) -> bool {
    matches!(&token.token, Token::Word(found) if found.quote_style.is_none() && found.value.eq_ignore_ascii_case(word))
}

fn significant(tokens: &[TokenWithSpan], at: usize) -> Option<usize> {
    (at..tokens.len()).find(|at| !matches!(tokens[*at].token, Token::Whitespace(_)))
}

/// Whether the statement is CREATE … TABLE.
fn creates_table(tokens: &[TokenWithSpan]) -> bool {
    let words: Vec<&TokenWithSpan> =
        tokens.iter().filter(|token| !matches!(token.token, Token::Whitespace(_))).take(5).collect();
    words.first().is_some_and(|first| is_word(first, "CREATE")) && words.iter().any(|token| is_word(token, "TABLE"))
}

/// Writes `(LIKE s.t INCLUDING ALL, …)` as `("\0LIKE INCLUDING ALL" "s"."t", …)`: a column of a type of that name.
pub(super) fn with_like_clauses(tokens: Vec<TokenWithSpan>) -> Vec<TokenWithSpan> {
    if !tokens.iter().any(|token| is_word(token, "LIKE")) || !creates_table(&tokens) {
        return tokens;
    }
    let mut out: Vec<TokenWithSpan> = Vec::with_capacity(tokens.len());
    let mut depth = 0usize;
    let mut at = 0;
    while at < tokens.len() {
        match &tokens[at].token {
            Token::LParen => depth += 1,
            Token::RParen => depth = depth.saturating_sub(1),
            _ => {}
        }
        let before = out.iter().rev().find(|token| !matches!(token.token, Token::Whitespace(_)));
        let begins = depth == 1
            && is_word(&tokens[at], "LIKE")
            && before.is_some_and(|before| matches!(before.token, Token::LParen | Token::Comma));
        match if begins { like_clause(&tokens, at) } else { None } {
            Some((clause, next)) => {
                out.extend(clause);
                at = next;
            }
            None => {
                out.push(tokens[at].clone());
                at += 1;
            }
        }
    }
    out
}

/// The tokens that stand for the clause at `at`, and where the text goes on.
fn like_clause(tokens: &[TokenWithSpan], at: usize) -> Option<(Vec<TokenWithSpan>, usize)> {
    let is_name = |at: &usize| matches!(tokens[*at].token, Token::Word(_));
    let span = tokens[at].span;
    let first = significant(tokens, at + 1).filter(is_name)?;
    let mut name = vec![quoted(&tokens[first])?];
    let mut end = first + 1;
    while let Some(period) = significant(tokens, end).filter(|at| tokens[*at].token == Token::Period)
        && let Some(part) = significant(tokens, period + 1).filter(is_name)
    {
        name.push(tokens[period].clone());
        name.push(quoted(&tokens[part])?);
        end = part + 1;
    }
    let mut options = String::new();
    while let Some(word) =
        significant(tokens, end).filter(|at| is_word(&tokens[*at], "INCLUDING") || is_word(&tokens[*at], "EXCLUDING"))
        && let Some(what) = significant(tokens, word + 1).filter(is_name)
    {
        options.push_str(&format!("{} {} ", tokens[word].token, tokens[what].token).to_uppercase());
        end = what + 1;
    }
    let mark = Token::make_word(&format!("{LIKE_MARK}{}", options.trim_end()), Some('"'));
    let mut clause = vec![TokenWithSpan::new(mark, span)];
    clause.extend(name);
    Some((clause, end))
}

/// A name in quotes, so that the parser does not take it for a type of its own.
fn quoted(token: &TokenWithSpan) -> Option<TokenWithSpan> {
    let Token::Word(word) = &token.token else { return None };
    let name = if word.quote_style.is_some() { word.value.clone() } else { word.value.to_lowercase() };
    Some(TokenWithSpan::new(Token::make_word(&name, Some('"')), token.span))
}

/// Writes `CREATE TABLE t (a, b) AS …` as `CREATE TABLE t (a "\0AS", b "\0AS") AS …`: the parser wants types.
pub(super) fn with_column_types(tokens: Vec<TokenWithSpan>) -> Vec<TokenWithSpan> {
    if !tokens.iter().any(|token| is_word(token, "AS")) || !creates_table(&tokens) {
        return tokens;
    }
    let Some(open) = tokens.iter().position(|token| token.token == Token::LParen) else { return tokens };
    let mut names = Vec::new();
    let mut at = open;
    let close = loop {
        let Some(name) = significant(&tokens, at + 1).filter(|at| matches!(tokens[*at].token, Token::Word(_))) else {
            return tokens;
        };
        names.push(name);
        match significant(&tokens, name + 1) {
            Some(next) if tokens[next].token == Token::Comma => at = next,
            Some(next) if tokens[next].token == Token::RParen => break next,
            _ => return tokens,
        }
    };
    // Parentheses behind AS are the query's.
    let is_list = !tokens[..open].iter().any(|token| is_word(token, "AS"))
        && tokens[close..].iter().any(|token| is_word(token, "AS"));
    if !is_list {
        return tokens;
    }
    let mut out = tokens;
    for name in names.into_iter().rev() {
        let span = out[name].span;
        out.insert(name + 1, TokenWithSpan::new(Token::make_word(UNTYPED_MARK, Some('"')), span));
    }
    out
}

/// Begins the name that [`with_conflict_targets`] writes; the target's text follows, and the predicate's behind
/// [`PREDICATE_MARK`].
pub(super) const TARGET_MARK: &str = "\0TARGET ";
pub(super) const PREDICATE_MARK: &str = "\0WHERE ";

/// Writes `ON CONFLICT (lower(a), b) WHERE c > 1 DO …` as `ON CONFLICT ("\0TARGET lower(a), b\0WHERE c > 1") DO …` where the
/// target is more than a list of columns.
pub(super) fn with_conflict_targets(tokens: Vec<TokenWithSpan>) -> Vec<TokenWithSpan> {
    let conflict = (0..tokens.len()).find(|at| {
        is_word(&tokens[*at], "CONFLICT")
            && tokens[..*at]
                .iter()
                .rev()
                .find(|token| !matches!(token.token, Token::Whitespace(_)))
                .is_some_and(|before| is_word(before, "ON"))
    });
    let Some(open) =
        conflict.and_then(|at| significant(&tokens, at + 1)).filter(|open| tokens[*open].token == Token::LParen)
    else {
        return tokens;
    };
    let mut depth = 0usize;
    let Some(close) = (open..tokens.len()).find(|at| {
        match tokens[*at].token {
            Token::LParen => depth += 1,
            Token::RParen => depth -= 1,
            _ => {}
        }
        depth == 0
    }) else {
        return tokens;
    };
    let is_plain = tokens[open + 1..close]
        .iter()
        .all(|token| matches!(token.token, Token::Word(_) | Token::Comma | Token::Whitespace(_)));
    let predicate = significant(&tokens, close + 1).filter(|at| is_word(&tokens[*at], "WHERE"));
    if is_plain && predicate.is_none() {
        return tokens;
    }
    let mut end = close + 1;
    let text = |tokens: &[TokenWithSpan]| tokens.iter().map(written).collect::<String>();
    let mut name = format!("{TARGET_MARK}{}", text(&tokens[open + 1..close]));
    if let Some(start) = predicate {
        let mut depth = 0usize;
        let Some(action) = (start + 1..tokens.len()).find(|at| {
            match tokens[*at].token {
                Token::LParen => depth += 1,
                Token::RParen => depth = depth.saturating_sub(1),
                _ => {}
            }
            depth == 0 && is_word(&tokens[*at], "DO")
        }) else {
            return tokens;
        };
        name.push_str(&format!("{PREDICATE_MARK}{}", text(&tokens[start + 1..action]).trim()));
        end = action;
    }
    let span = tokens[open].span;
    let mut out = tokens[..=open].to_vec();
    out.push(TokenWithSpan::new(Token::make_word(&name, Some('"')), span));
    out.push(tokens[close].clone());
    out.push(TokenWithSpan::new(Token::Whitespace(sqlparser::tokenizer::Whitespace::Space), span));
    out.extend_from_slice(&tokens[end..]);
    out
}

/// A token as SQL writes it.
fn written(token: &TokenWithSpan) -> String {
    match &token.token {
        Token::SingleQuotedString(text) => format!("'{}'", text.replace('\'', "''")),
        other => other.to_string(),
    }
}

/// Writes `UNIQUE NULLS NOT DISTINCT` of a column, which has no list behind it, as `UNIQUE COMMENT '\0NULLS NOT DISTINCT'`, and
/// `UNIQUE NULLS DISTINCT`, which says nothing, as `UNIQUE`.
pub(super) fn with_unique_nulls(tokens: Vec<TokenWithSpan>) -> Vec<TokenWithSpan> {
    if !tokens.iter().any(|token| is_word(token, "UNIQUE")) || !tokens.iter().any(|token| is_word(token, "NULLS")) {
        return tokens;
    }
    let mut out: Vec<TokenWithSpan> = Vec::with_capacity(tokens.len());
    let mut at = 0;
    while at < tokens.len() {
        out.push(tokens[at].clone());
        at += 1;
        if !is_word(&tokens[at - 1], "UNIQUE") {
            continue;
        }
        let not_distinct = ends_words(&tokens, at, &["NULLS", "NOT", "DISTINCT"]);
        let Some(end) = not_distinct.or_else(|| ends_words(&tokens, at, &["NULLS", "DISTINCT"])) else { continue };
        if significant(&tokens, end).is_some_and(|next| tokens[next].token == Token::LParen) {
            continue;
        }
        if not_distinct.is_some() {
            let span = tokens[at - 1].span;
            out.push(TokenWithSpan::new(Token::make_keyword("COMMENT"), span));
            out.push(TokenWithSpan::new(Token::SingleQuotedString(NULLS_MARK.to_owned()), span));
        }
        at = end;
    }
    out
}

/// Puts the options in the parentheses of `AS IDENTITY (…)` in the order in which the parser reads them.
pub(super) fn with_identity_options(tokens: Vec<TokenWithSpan>) -> Vec<TokenWithSpan> {
    if !tokens.iter().any(|token| is_word(token, "IDENTITY")) {
        return tokens;
    }
    let mut out = tokens;
    let mut at = 0;
    while at < out.len() {
        let open =
            significant(&out, at + 1).filter(|open| is_word(&out[at], "IDENTITY") && out[*open].token == Token::LParen);
        if let Some(open) = open
            && let Some(close) = (open + 1..out.len()).find(|at| out[*at].token == Token::RParen)
            && let Some(ordered) = ordered_options(&out[open + 1..close])
        {
            out.splice(open + 1..close, ordered);
        }
        at += 1;
    }
    out
}

/// The options in the parser's order; None when they are none that it knows.
fn ordered_options(tokens: &[TokenWithSpan]) -> Option<Vec<TokenWithSpan>> {
    const ORDER: [&str; 6] = ["INCREMENT", "MINVALUE", "MAXVALUE", "START", "CACHE", "CYCLE"];
    let mut options: Vec<(usize, Vec<TokenWithSpan>)> = Vec::new();
    let mut no: Option<TokenWithSpan> = None;
    for token in tokens.iter().filter(|token| !matches!(token.token, Token::Whitespace(_))) {
        if is_word(token, "NO") {
            no = Some(token.clone());
            continue;
        }
        match ORDER.iter().position(|word| is_word(token, word)) {
            Some(rank) => {
                let mut option: Vec<TokenWithSpan> = no.take().into_iter().collect();
                option.push(token.clone());
                options.push((rank, option));
            }
            None => options.last_mut()?.1.push(token.clone()),
        }
    }
    if no.is_some() {
        return None;
    }
    options.sort_by_key(|(rank, _)| *rank);
    Some(options.into_iter().flat_map(|(_, option)| option).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tokens(text: &str) -> Vec<TokenWithSpan> {
        sqlparser::tokenizer::Tokenizer::new(&sqlparser::dialect::PostgreSqlDialect {}, text)
            .tokenize_with_location()
            .unwrap()
    }

    fn text(tokens: &[TokenWithSpan]) -> String {
        let words: Vec<String> = tokens
            .iter()
            .filter(|token| !matches!(token.token, Token::Whitespace(_) | Token::EOF))
            .map(|token| token.token.to_string().replace('\0', "^"))
            .collect();
        words.join(" ")
    }

    #[test]
    fn like_becomes_a_column() {
        let check = |sql: &str, expected: &str| assert_eq!(text(&with_like_clauses(tokens(sql))), expected);
        check(
            "CREATE TABLE t (LIKE S.u including all EXCLUDING indexes, a int)",
            "CREATE TABLE t ( \"^LIKE INCLUDING ALL EXCLUDING INDEXES\" \"s\" . \"u\" , a int )",
        );
        check("CREATE TABLE t (a text CHECK (a LIKE b))", "CREATE TABLE t ( a text CHECK ( a LIKE b ) )");
    }

    #[test]
    fn column_lists_are_typed() {
        let check = |sql: &str, expected: &str| assert_eq!(text(&with_column_types(tokens(sql))), expected);
        check("CREATE TABLE t (a, B) AS SELECT 1", "CREATE TABLE t ( a \"^AS\" , B \"^AS\" ) AS SELECT 1");
        check("CREATE TABLE t AS SELECT (a) AS b", "CREATE TABLE t AS SELECT ( a ) AS b");
        check("CREATE TABLE t (a int)", "CREATE TABLE t ( a int )");
    }

    #[test]
    fn conflict_targets_are_kept_as_text() {
        let check = |sql: &str, expected: &str| assert_eq!(text(&with_conflict_targets(tokens(sql))), expected);
        check("INSERT INTO t ON CONFLICT (a, b) DO NOTHING", "INSERT INTO t ON CONFLICT ( a , b ) DO NOTHING");
        check(
            "INSERT INTO t ON CONFLICT (lower(a)) WHERE b = 'it''s' DO UPDATE SET a = 1 WHERE c",
            "INSERT INTO t ON CONFLICT ( \"^TARGET lower(a)^WHERE b = 'it''s'\" ) DO UPDATE SET a = 1 WHERE c",
        );
    }

    #[test]
    fn unique_nulls_of_columns_are_marked() {
        let check = |sql: &str, expected: &str| assert_eq!(text(&with_unique_nulls(tokens(sql))), expected);
        check("a int UNIQUE NULLS NOT DISTINCT, b int", "a int UNIQUE COMMENT '^NULLS NOT DISTINCT' , b int");
        check("a int unique nulls distinct)", "a int unique )");
        check("UNIQUE NULLS NOT DISTINCT (a)", "UNIQUE NULLS NOT DISTINCT ( a )");
    }

    #[test]
    fn identity_options_are_put_in_order() {
        let check = |sql: &str, expected: &str| assert_eq!(text(&with_identity_options(tokens(sql))), expected);
        check(
            "a int AS IDENTITY (CACHE 2 START WITH 5 NO CYCLE INCREMENT BY -1)",
            "a int AS IDENTITY ( INCREMENT BY - 1 START WITH 5 CACHE 2 NO CYCLE )",
        );
        check("IDENTITY (nonsense)", "IDENTITY ( nonsense )");
    }
}
