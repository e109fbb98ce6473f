//! PostgreSQL's lexical rules where the tokenizer's differ: comments end operators, a multi-character operator gives back a
//! trailing sign, `@@@` is one operator, and literals on following lines continue the one before. And the row locks, OVERRIDING
//! and ONLY that the parser does not know, in forms that it does.

use sqlparser::keywords::Keyword;
use sqlparser::tokenizer::{Location, Span, Token, TokenWithSpan, Whitespace, Word};

/// Starts the first part of a lock clause's OF as [`with_lock_clauses`] writes it; the rest names the mode.
pub(super) const LOCK_MODE_MARK: &str = "\0FOR ";
/// Stands between the tables of a lock clause's OF.
pub(super) const LOCK_TABLE_MARK: &str = "\0,";
/// Begins the column that [`with_overriding`] adds; SYSTEM or USER follows.
pub(super) const OVERRIDING_MARK: &str = "\0OVERRIDING ";
const LOCK_MODES: [&[&str]; 4] = [&["UPDATE"], &["SHARE"], &["NO", "KEY", "UPDATE"], &["KEY", "SHARE"]];

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

/// Where the token behind the first `limit` begins, in characters from 1; None when there are no more. The text has no
/// comments. An operator of several signs counts as often, and two blanks count as a token, since the tokenizer makes
/// one of each.
pub(super) fn position_beyond(text: &str, limit: usize) -> Option<usize> {
    if text.len() <= limit {
        return None;
    }
    let word = |text: &str| text.find(|c: char| !(c.is_alphanumeric() || c == '_' || c == '$')).unwrap_or(text.len());
    let digits = |text: &str| text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (mut at, mut count, mut blank_count) = (0, 0, 0_usize);
    while let Some(c) = text[at..].chars().next() {
        let rest = &text[at..];
        if c.is_whitespace() {
            at += c.len_utf8();
            blank_count += 1;
            if blank_count % 2 == 1 || count + blank_count / 2 <= limit {
                continue;
            }
        } else {
            count += 1;
        }
        if count + blank_count / 2 > limit {
            return Some(text[..at].chars().count() + 1);
        }
        at += match c {
            'e' | 'E' if rest[1..].starts_with('\'') => 1 + quoted_length(&rest[1..], '\'', true),
            '\'' | '"' => quoted_length(rest, c, false),
            '$' if rest[1..].starts_with(|c: char| c.is_ascii_digit()) => 1 + word(&rest[1..]),
            '$' => dollar_length(rest),
            '0'..='9' => {
                let whole = digits(rest);
                let fraction = rest[whole..].strip_prefix('.').map_or(0, |fraction| 1 + digits(fraction));
                let length = whole + fraction;
                length + rest[length..].find(|c: char| !c.is_ascii_alphanumeric()).unwrap_or(rest.len() - length)
            }
            c if c.is_alphabetic() || c == '_' => word(rest),
            c => c.len_utf8(),
        };
    }
    None
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
            // Behind a dot every word is a name: `pg_catalog.session_user()`, `t.end`.
            Token::Word(word)
                if word.keyword != Keyword::NoKeyword && out.last().is_some_and(|last| last.token == Token::Period) =>
            {
                let word = Word { keyword: Keyword::NoKeyword, ..word.clone() };
                out.push(TokenWithSpan::new(Token::Word(word), token.span));
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

/// Writes `FOR NO KEY UPDATE OF a, b` as `FOR UPDATE OF "\0FOR NO KEY UPDATE"."a"."\0,"."b"`, and so with every lock clause
/// that has a list or a mode that the parser does not know. Tokens keep their places; no text can hold a NUL.
pub(super) fn with_lock_clauses(tokens: Vec<TokenWithSpan>) -> Vec<TokenWithSpan> {
    if !tokens.iter().any(|token| is_word(token, "FOR")) {
        return tokens;
    }
    let mut out: Vec<TokenWithSpan> = Vec::with_capacity(tokens.len());
    let mut at = 0;
    while at < tokens.len() {
        match lock_clause(&tokens, at) {
            Some((mut clause, next)) => {
                out.append(&mut clause);
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

/// Writes `INSERT INTO t (a) OVERRIDING SYSTEM VALUE …` as `INSERT INTO t ("\0OVERRIDING SYSTEM", a) …`, which the parser
/// knows: a column that none can be.
pub(super) fn with_overriding(tokens: Vec<TokenWithSpan>) -> Vec<TokenWithSpan> {
    let has_word = |word: &str| tokens.iter().any(|token| is_word(token, word));
    if !has_word("OVERRIDING") || !has_word("INSERT") {
        return tokens;
    }
    let mut out: Vec<TokenWithSpan> = Vec::with_capacity(tokens.len() + 4);
    let mut at = 0;
    while at < tokens.len() {
        let found = is_word(&tokens[at], "OVERRIDING").then(|| {
            let end = |kind: &'static str| ends_words(&tokens, at + 1, &[kind, "VALUE"]).map(|end| (kind, end));
            end("SYSTEM").or_else(|| end("USER"))
        });
        let Some((kind, end)) = found.flatten() else {
            out.push(tokens[at].clone());
            at += 1;
            continue;
        };
        let span = tokens[at].span;
        let marker = TokenWithSpan::new(Token::make_word(&format!("{OVERRIDING_MARK}{kind}"), Some('"')), span);
        let behind = out.iter().rposition(|token| !matches!(token.token, Token::Whitespace(_)));
        match behind {
            Some(close) if out[close].token == Token::RParen => {
                // Names hold no parentheses: the list began at the last one that opened.
                let Some(open) = out.iter().rposition(|token| token.token == Token::LParen) else { return tokens };
                out.insert(open + 1, TokenWithSpan::new(Token::Comma, span));
                out.insert(open + 1, marker);
            }
            Some(last) if matches!(out[last].token, Token::Word(_)) => {
                out.push(TokenWithSpan::new(Token::LParen, span));
                out.push(marker);
                out.push(TokenWithSpan::new(Token::RParen, span));
            }
            _ => return tokens,
        }
        at = end;
    }
    out
}

/// `OPERATOR(pg_catalog.=) ANY` loses the words around the operator: the parser takes them everywhere but before ANY, ALL
/// and SOME, where precedence does not matter.
pub(super) fn with_bare_quantified_operators(tokens: Vec<TokenWithSpan>) -> Vec<TokenWithSpan> {
    if !tokens.iter().any(|token| is_word(token, "OPERATOR")) {
        return tokens;
    }
    let mut out: Vec<TokenWithSpan> = Vec::with_capacity(tokens.len());
    let mut at = 0;
    while at < tokens.len() {
        match quantified_operator(&tokens, at) {
            Some((operator, end)) => {
                out.push(operator);
                at = end;
            }
            None => {
                out.push(tokens[at].clone());
                at += 1;
            }
        }
    }
    out
}

/// The operator within `OPERATOR(pg_catalog.=)` at `at`, when ANY, ALL or SOME follows, and where that is.
fn quantified_operator(tokens: &[TokenWithSpan], at: usize) -> Option<(TokenWithSpan, usize)> {
    let is_space = |token: &TokenWithSpan| matches!(token.token, Token::Whitespace(_));
    let mut places = (at..tokens.len()).filter(|place| !is_space(&tokens[*place]));
    if !is_word(&tokens[places.next()?], "OPERATOR") || tokens[places.next()?].token != Token::LParen {
        return None;
    }
    if !is_word(&tokens[places.next()?], "PG_CATALOG") || tokens[places.next()?].token != Token::Period {
        return None;
    }
    let operator = places.next()?;
    if tokens[places.next()?].token != Token::RParen {
        return None;
    }
    let behind = places.next()?;
    let is_quantifier = ["ANY", "ALL", "SOME"].iter().any(|word| is_word(&tokens[behind], word));
    is_quantifier.then(|| (tokens[operator].clone(), behind))
}

/// Leaves out ONLY before a table: no table here has children to leave out.
pub(super) fn with_only(tokens: Vec<TokenWithSpan>) -> Vec<TokenWithSpan> {
    if !tokens.iter().any(|token| is_word(token, "ONLY")) {
        return tokens;
    }
    let mut out: Vec<TokenWithSpan> = Vec::with_capacity(tokens.len());
    let mut in_from = vec![false];
    let mut at = 0;
    while at < tokens.len() {
        let token = &tokens[at];
        if is_word(token, "ONLY")
            && begins_table(&out, in_from.last().copied().unwrap_or(false))
            && !matches!(next_token(&tokens, at), Some(Token::Period | Token::Comma))
        {
            // ONLY (t) is an older way to write it.
            let open = significant(&tokens, at + 1).filter(|open| tokens[*open].token == Token::LParen);
            match open.and_then(|open| parenthesised_name(&tokens, open)) {
                Some((name, end)) => {
                    out.extend(name);
                    at = end;
                }
                None => at += 1,
            }
            continue;
        }
        match &token.token {
            Token::LParen => in_from.push(false),
            Token::RParen if in_from.len() > 1 => {
                in_from.pop();
            }
            Token::Word(word) if word.quote_style.is_none() => {
                let ends = ["SELECT", "WHERE", "GROUP", "HAVING", "ORDER", "SET", "RETURNING", "UNION", "LIMIT"];
                if let Some(last) = in_from.last_mut() {
                    if word.value.eq_ignore_ascii_case("FROM") {
                        *last = true;
                    } else if ends.iter().any(|end| word.value.eq_ignore_ascii_case(end)) {
                        *last = false;
                    }
                }
            }
            _ => {}
        }
        out.push(token.clone());
        at += 1;
    }
    out
}

/// Whether a table is named next behind these tokens, which may be in a FROM list.
fn begins_table(tokens: &[TokenWithSpan], in_from: bool) -> bool {
    let last = tokens.iter().rev().find(|token| !matches!(token.token, Token::Whitespace(_)));
    last.is_some_and(|last| {
        ["FROM", "JOIN", "UPDATE", "USING"].iter().any(|word| is_word(last, word))
            || (in_from && last.token == Token::Comma)
    })
}

fn next_token(tokens: &[TokenWithSpan], at: usize) -> Option<&Token> {
    significant(tokens, at + 1).map(|next| &tokens[next].token)
}

/// The name in `(s.t)` at the opening parenthesis, and where the text goes on; None for anything else.
fn parenthesised_name(tokens: &[TokenWithSpan], open: usize) -> Option<(Vec<TokenWithSpan>, usize)> {
    let close = (open + 1..tokens.len()).find(|at| tokens[*at].token == Token::RParen)?;
    let inside = &tokens[open + 1..close];
    let is_name = |token: &TokenWithSpan| matches!(token.token, Token::Word(_) | Token::Period | Token::Whitespace(_));
    let count = |wanted: fn(&Token) -> bool| inside.iter().filter(|token| wanted(&token.token)).count();
    let one = count(|token| matches!(token, Token::Word(_))) == count(|token| *token == Token::Period) + 1;
    (one && inside.iter().all(is_name)).then(|| (inside.to_vec(), close + 1))
}

/// The tokens that stand for the lock clause at `at`, and where the text goes on. None when there is none, or one that the
/// parser takes as it is.
fn lock_clause(tokens: &[TokenWithSpan], at: usize) -> Option<(Vec<TokenWithSpan>, usize)> {
    if !is_word(&tokens[at], "FOR") {
        return None;
    }
    let first = significant(tokens, at + 1)?;
    let words = LOCK_MODES.into_iter().find(|words| ends_words(tokens, first, words).is_some())?;
    let mut end = ends_words(tokens, first, words)?;
    let mode = words.join(" ");
    let lock = words[words.len() - 1];
    let span = tokens[first].span;
    let mut tables = Vec::new();
    if let Some(of) = significant(tokens, end).filter(|of| is_word(&tokens[*of], "OF"))
        && let Some(after) = table_list(tokens, of + 1, &mut tables)
    {
        end = after;
    } else if words.len() == 1 {
        return None;
    }
    let quoted = |text: String, span: Span| TokenWithSpan::new(Token::make_word(&text, Some('"')), span);
    let mut clause = vec![
        tokens[at].clone(),
        TokenWithSpan::new(Token::make_keyword(lock), span),
        TokenWithSpan::new(Token::make_keyword("OF"), span),
        quoted(format!("{LOCK_MODE_MARK}{mode}"), span),
    ];
    for (index, table) in tables.into_iter().enumerate() {
        let start = table.first().map_or(span, |token| token.span);
        if index > 0 {
            clause.push(TokenWithSpan::new(Token::Period, start));
            clause.push(quoted(LOCK_TABLE_MARK.to_owned(), start));
        }
        clause.push(TokenWithSpan::new(Token::Period, start));
        clause.extend(table);
    }
    Some((clause, end))
}

/// A query printed from its tree, with lock clauses as they were before [`with_lock_clauses`].
pub(super) fn without_lock_marks(mut text: String) -> String {
    if !text.contains(LOCK_MODE_MARK) {
        return text;
    }
    for words in LOCK_MODES {
        let mode = words.join(" ");
        let lock = words[words.len() - 1];
        let marked = format!("FOR {lock} OF \"{LOCK_MODE_MARK}{mode}\"");
        text = text.replace(&format!("{marked}."), &format!("FOR {mode} OF ")).replace(&marked, &format!("FOR {mode}"));
    }
    text.replace(&format!(".\"{LOCK_TABLE_MARK}\"."), ", ")
}

/// Reads `a, s.b` from `at` into tokens of each name, and gives where the list ends; None when no name begins there.
fn table_list(tokens: &[TokenWithSpan], at: usize, tables: &mut Vec<Vec<TokenWithSpan>>) -> Option<usize> {
    let is_name = |at: &usize| matches!(tokens[*at].token, Token::Word(_));
    let mut next = significant(tokens, at).filter(is_name)?;
    loop {
        let mut table = vec![tokens[next].clone()];
        let mut end = next + 1;
        while let Some(period) = significant(tokens, end).filter(|at| tokens[*at].token == Token::Period)
            && let Some(part) = significant(tokens, period + 1).filter(is_name)
        {
            table.push(tokens[period].clone());
            table.push(tokens[part].clone());
            end = part + 1;
        }
        tables.push(table);
        let following = significant(tokens, end)
            .filter(|at| tokens[*at].token == Token::Comma)
            .and_then(|comma| significant(tokens, comma + 1))
            .filter(is_name);
        match following {
            Some(name) => next = name,
            None => return Some(end),
        }
    }
}

/// Where the text goes on behind `words`, if they stand at `at`.
pub(super) fn ends_words(tokens: &[TokenWithSpan], at: usize, words: &[&str]) -> Option<usize> {
    let mut end = at;
    for word in words {
        let found = significant(tokens, end).filter(|found| is_word(&tokens[*found], word))?;
        end = found + 1;
    }
    Some(end)
}

/// The next token from `at` that is no blank.
pub(super) fn significant(tokens: &[TokenWithSpan], at: usize) -> Option<usize> {
    (at..tokens.len()).find(|at| !matches!(tokens[*at].token, Token::Whitespace(_)))
}

pub(super) fn is_word(token: &TokenWithSpan, word: &str) -> bool {
    matches!(&token.token, Token::Word(found) if found.quote_style.is_none() && found.value.eq_ignore_ascii_case(word))
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
    fn tokens_beyond_a_limit_are_found() {
        let text = "SELECT'a b''c',E'\\' d',\"x y\",$$ e f $$,1.5e3+$12,ä,a$$,1.1.1";
        let tokens = [
            "SELECT", "'a", ",", "E'", ",", "\"x", ",", "$$", ",", "1.5e3", "+", "$12", ",", "ä", ",", "a$$", ",",
            "1.1", ".1", "1",
        ];
        for (limit, token) in tokens.iter().enumerate() {
            let position = position_beyond(text, limit).expect(token);
            let rest: String = text.chars().skip(position - 1).collect();
            assert!(rest.starts_with(token), "{limit}: {rest}");
        }
        assert_eq!(position_beyond(text, tokens.len()), None);
        let blanks = format!("1{}", " ".repeat(100));
        assert!(position_beyond(&blanks, 50).is_some());
        assert_eq!(position_beyond(&blanks, 51), None);
    }

    #[test]
    fn comments_become_blanks() {
        let check = |text: &str, expected: &str| assert_eq!(without_comments(text), expected);
        check("select 5>/*c*/-1", "select 5>     -1");
        check("a--x\nb", "a   \nb");
        check("'--' \"/*\" $$--$$ $1 E'\\'--' /* a /* b */ c */x", "'--' \"/*\" $$--$$ $1 E'\\'--'                  x");
        check("'it''s --' --ä", "'it''s --'    ");
    }

    #[test]
    fn lock_clauses_are_written_for_the_parser() {
        let check = |text: &str, expected: &str| {
            let tokens = sqlparser::tokenizer::Tokenizer::new(&sqlparser::dialect::PostgreSqlDialect {}, text)
                .tokenize_with_location()
                .unwrap();
            let written: Vec<String> = with_lock_clauses(tokens)
                .iter()
                .filter(|token| !matches!(token.token, Token::Whitespace(_) | Token::EOF))
                .map(|token| token.token.to_string().replace('\0', "^"))
                .collect();
            assert_eq!(written.join(" "), expected, "{text}");
        };
        check("x FOR UPDATE NOWAIT", "x FOR UPDATE NOWAIT");
        check("FOR UPDATE OF a", "FOR UPDATE OF \"^FOR UPDATE\" . a");
        check("for no key update", "for UPDATE OF \"^FOR NO KEY UPDATE\"");
        check(
            "FOR KEY SHARE OF a, s.b SKIP LOCKED",
            "FOR SHARE OF \"^FOR KEY SHARE\" . a . \"^,\" . s . b SKIP LOCKED",
        );
        check("substring(a for b)", "substring ( a for b )");
    }

    #[test]
    fn printed_lock_clauses_are_sql_again() {
        let printed = "SELECT 1 FOR SHARE OF \"\0FOR KEY SHARE\".a.\"\0,\".b FOR UPDATE OF \"\0FOR NO KEY UPDATE\"";
        assert_eq!(without_lock_marks(printed.to_owned()), "SELECT 1 FOR KEY SHARE OF a, b FOR NO KEY UPDATE",);
    }

    #[test]
    fn signs_are_given_back() {
        assert_eq!(signs_given_back(">-"), Some((">", "-")));
        assert_eq!(signs_given_back("->-"), Some(("->", "-")));
        assert_eq!(signs_given_back("<->"), None);
        assert_eq!(signs_given_back("@-"), None);
    }
}
