//! Text to syntax tree, with limits and with PostgreSQL's wording of syntax errors.

use sqlparser::ast::{Expr, Query, Statement, Value as Literal};
use sqlparser::keywords::Keyword;
use sqlparser::parser::{Parser, ParserError};
use sqlparser::tokenizer::{Location, Token, TokenWithSpan, Tokenizer};

use super::copy_syntax::{self, CopySyntax};
use super::dialect::SinewDialect;
use super::position::{byte_offset, character_position};
use super::{Parsed, ParsedKind, call_syntax, definition, lexical, lexical_like, literals, window_tokens};
use super::{group_tokens, subscript_tokens, table_tokens};
use crate::error::{QueryError, Result, sqlstate};
use crate::statement::{MAX_TOKENS, too_many_tokens};

/// Nesting of expressions, subqueries and joins that one statement may have. Trees are walked and dropped recursively,
/// and a chain of operators is as deep in the tree as it is long, so it counts as nesting.
const DEPTH_LIMIT: usize = 256;
/// What the parser allows itself: more than the tokens can ask for, because it takes its own refusal inside CASE for a
/// reason to read CASE as a name.
const RECURSION_LIMIT: usize = 2 * DEPTH_LIMIT;
/// ANDs and ORs that may follow each other on one level: their chains are flattened when they are bound, so that only
/// the syntax tree is deep, and only a share of them counts as nesting.
const CHAIN_LIMIT: usize = 1_500;
const CONDITIONS_PER_LEVEL: usize = 8;
/// Bytes of one statement.
const TEXT_LIMIT_BYTES: usize = 64 << 20;

static DIALECT: SinewDialect = SinewDialect;

/// Parses exactly one statement, with optional semicolons behind it.
pub fn parse_any(text: &str) -> Result<Parsed> {
    if begins_with_copy(text) {
        return Ok(Parsed(ParsedKind::Copy(Box::new(parse_copy(text)?))));
    }
    parse_with(text, |parser| {
        let parsed = match definition::parse(parser)? {
            Some(definition) => ParsedKind::Definition(Box::new(definition)),
            None => {
                let mut statement = parser.parse_statement()?;
                if let Statement::CreateView(create) = &mut statement {
                    definition::check_option(parser, create)?;
                }
                ParsedKind::Statement(Box::new(statement))
            }
        };
        while parser.consume_token(&Token::SemiColon) {}
        Ok(Parsed(parsed))
    })
}

/// As [`parse_any`] of what the parser knows.
#[cfg(test)]
pub fn parse_statement(text: &str) -> Result<Statement> {
    parse_with(text, |parser| {
        let statement = parser.parse_statement()?;
        while parser.consume_token(&Token::SemiColon) {}
        Ok(statement)
    })
}

/// Parses COPY.
pub fn parse_copy(text: &str) -> Result<CopySyntax> {
    parse_with(text, copy_syntax::parse)
}

/// Whether the first word is COPY, comments aside.
fn begins_with_copy(text: &str) -> bool {
    let plain = |text: &str| text.get(..4).is_some_and(|word| word.eq_ignore_ascii_case("copy"));
    let text = text.trim_start();
    plain(text) || text.starts_with(['-', '/']) && plain(lexical::without_comments(text).trim_start())
}

/// Parses an expression kept as text in the catalog.
pub fn parse_expression(text: &str) -> Result<Expr> {
    parse_with(text, |parser| parser.parse_expr())
}

/// Parses expressions with commas between them.
pub fn parse_expressions(text: &str) -> Result<Vec<Expr>> {
    parse_with(text, |parser| parser.parse_comma_separated(Parser::parse_expr))
}

/// Parses a query kept as text in the catalog.
pub fn parse_query(text: &str) -> Result<Box<Query>> {
    parse_with(text, |parser| parser.parse_query())
}

/// See [`super::string_literal`].
pub fn string_literal(text: &str) -> Option<String> {
    let Ok(Expr::Value(literal)) = parse_expression(text) else { return None };
    match literal.value {
        Literal::SingleQuotedString(text)
        | Literal::EscapedStringLiteral(text)
        | Literal::UnicodeStringLiteral(text) => Some(text),
        Literal::DollarQuotedString(quoted) => Some(quoted.value),
        _ => None,
    }
    .filter(|text| !text.contains('\0'))
}

fn parse_with<T>(text: &str, parse: impl FnOnce(&mut Parser<'_>) -> Result<T, ParserError>) -> Result<T> {
    if text.len() > TEXT_LIMIT_BYTES {
        return Err(QueryError::new(
            sqlstate::PROGRAM_LIMIT_EXCEEDED,
            format!("statement of {} bytes exceeds the limit of {TEXT_LIMIT_BYTES} bytes", text.len()),
        ));
    }
    let plain = lexical::without_comments(text);
    if let Some(position) = lexical::position_beyond(&plain, MAX_TOKENS) {
        return Err(too_many_tokens(position));
    }
    let tokens = lexical::corrected(tokenize(&plain)?);
    drop(plain);
    if let Some(refused) = literals::check(&tokens) {
        return Err(QueryError::syntax(refused.message, character_position(text, refused.location)));
    }
    let tokens = lexical::with_only(lexical::with_overriding(lexical::with_lock_clauses(tokens)));
    let tokens = call_syntax::with_call_forms(tokens);
    let tokens = table_tokens::with_tables(group_tokens::with_group_by(window_tokens::with_exclusions(tokens)));
    let tokens = lexical::with_bare_quantified_operators(tokens);
    let tokens = lexical_like::with_column_types(lexical_like::with_like_clauses(tokens));
    let tokens = lexical_like::with_conflict_targets(lexical_like::with_identity_options(tokens));
    let tokens = subscript_tokens::with_subscript_targets(lexical_like::with_unique_nulls(tokens));
    check_limits(text, &tokens)?;
    let mut parser = Parser::new(&DIALECT).with_recursion_limit(RECURSION_LIMIT).with_tokens_with_locations(tokens);
    let parsed = parse(&mut parser).map_err(|error| parser_error(text, error))?;
    let next = parser.peek_token();
    if next.token != Token::EOF {
        return Err(gap(text).unwrap_or_else(|| syntax_error_at(text, next.span.start, Some("end of statement"))));
    }
    Ok(parsed)
}

fn tokenize(text: &str) -> Result<Vec<TokenWithSpan>> {
    Tokenizer::new(&DIALECT, text).tokenize_with_location().map_err(|error| {
        let position = character_position(text, error.location);
        let near = byte_offset(text, error.location).map_or("", |offset| &text[offset..]);
        let near: String = near.lines().next().unwrap_or_default().chars().take(60).collect();
        let what = error.message.to_lowercase();
        let message = if what.contains("unterminated") && what.contains("comment")
            || what.contains("unexpected eof while in a multi-line comment")
        {
            format!("unterminated /* comment at or near \"{near}\"")
        } else if what.contains("dollar") {
            format!("unterminated dollar-quoted string at or near \"{near}\"")
        } else if what.contains("expected close delimiter") {
            format!("unterminated quoted identifier at or near \"{near}\"")
        } else if what.contains("unterminated") {
            format!("unterminated quoted string at or near \"{near}\"")
        } else {
            format!("{} at or near \"{near}\"", lower_first(&error.message))
        };
        QueryError::syntax(message, position)
    })
}

/// What one level of parentheses has so far.
#[derive(Clone, Copy, Default)]
struct Level {
    /// Depth of the expression being read.
    depth: usize,
    /// Of the deepest one before it on this level.
    deepest: usize,
    /// ANDs and ORs of the condition being read, and of the longest one before it.
    conditions: usize,
    most_conditions: usize,
    /// Set operations and joins: each lies on top of the one before it.
    stacked: usize,
    in_from: bool,
    /// Opened by CASE, not by a parenthesis.
    is_case: bool,
}

impl Level {
    /// An expression ends: at a comma, or where a clause or a condition begins.
    fn next_expression(&mut self) {
        self.deepest = self.deepest.max(self.depth);
        self.depth = 0;
    }

    fn next_condition(&mut self) {
        self.next_expression();
        self.most_conditions = self.most_conditions.max(self.conditions);
        self.conditions = 0;
    }

    /// What a level adds to the one around it.
    fn height(&self) -> usize {
        let conditions = self.most_conditions.max(self.conditions) / CONDITIONS_PER_LEVEL;
        self.depth.max(self.deepest) + conditions + self.stacked
    }
}

/// Ends the innermost level: what it added lies below the expression around it.
fn close(levels: &mut Vec<Level>) {
    if levels.len() > 1 {
        let closed = levels.pop().expect("more than one level");
        let outer = levels.last_mut().expect("the outermost level is never popped");
        outer.depth = outer.depth.max(closed.height()) + 1;
    }
}

/// Depth is checked on the tokens, before any tree exists: an upper bound of what the tree will have.
fn check_limits(text: &str, tokens: &[TokenWithSpan]) -> Result<()> {
    let mut levels: Vec<Level> = vec![Level::default()];
    for token in tokens {
        let level = levels.last_mut().expect("the outermost level is never popped");
        match &token.token {
            Token::LParen | Token::LBracket => levels.push(Level::default()),
            Token::RParen | Token::RBracket => {
                // A CASE without END is a syntax error, or a column's name behind AS.
                while levels.last().is_some_and(|level| level.is_case) {
                    close(&mut levels);
                }
                close(&mut levels);
            }
            Token::Comma | Token::SemiColon => {
                level.next_condition();
                level.stacked += usize::from(level.in_from);
            }
            Token::Word(word) => match word.keyword {
                Keyword::AND | Keyword::OR => {
                    level.next_expression();
                    level.conditions += 1;
                }
                Keyword::CASE => levels.push(Level { is_case: true, ..Level::default() }),
                Keyword::END if level.is_case => close(&mut levels),
                Keyword::UNION | Keyword::EXCEPT | Keyword::INTERSECT | Keyword::JOIN => {
                    level.next_condition();
                    level.stacked += 1;
                }
                Keyword::ON | Keyword::WHEN | Keyword::THEN | Keyword::ELSE => level.next_condition(),
                Keyword::FROM => {
                    level.next_condition();
                    level.in_from = true;
                }
                Keyword::SELECT
                | Keyword::WHERE
                | Keyword::GROUP
                | Keyword::HAVING
                | Keyword::ORDER
                | Keyword::VALUES
                | Keyword::SET
                | Keyword::RETURNING => {
                    level.next_condition();
                    level.in_from = false;
                }
                Keyword::NOT
                | Keyword::IS
                | Keyword::COLLATE
                | Keyword::AT
                | Keyword::LIKE
                | Keyword::ILIKE
                // The parser reads the statement behind them by itself.
                | Keyword::EXPLAIN
                | Keyword::DESCRIBE
                | Keyword::DESC => level.depth += 1,
                _ => {}
            },
            Token::Number(..)
            | Token::SingleQuotedString(_)
            | Token::EscapedStringLiteral(_)
            | Token::DollarQuotedString(_)
            | Token::Whitespace(_)
            | Token::Period
            | Token::Placeholder(_)
            | Token::EOF => {}
            _ => level.depth += 1,
        }
        let level = levels.last().expect("the outermost level is never popped");
        let too_many = level.conditions > CHAIN_LIMIT || level.stacked > DEPTH_LIMIT;
        if levels.len() > DEPTH_LIMIT || level.depth > DEPTH_LIMIT || too_many {
            return Err(too_deep().at(character_position(text, token.span.start)));
        }
    }
    Ok(())
}

fn too_deep() -> QueryError {
    QueryError::new(sqlstate::STATEMENT_TOO_COMPLEX, "stack depth limit exceeded").detail(format!(
        "The statement is nested more than {DEPTH_LIMIT} levels deep, counting operators in a chain, or has more than \
             {CHAIN_LIMIT} conditions in one."
    ))
}

fn parser_error(text: &str, error: ParserError) -> QueryError {
    let message = match error {
        ParserError::RecursionLimitExceeded => return too_deep(),
        ParserError::ParserError(message) | ParserError::TokenizerError(message) => message,
    };
    if let Some(gap) = gap(text) {
        return gap;
    }
    let (message, location) = split_location(&message);
    if let Some(rest) = message.strip_prefix("Expected: ") {
        let expected = rest.split(", found: ").next().unwrap_or(rest);
        return match location {
            Some(location) => syntax_error_at(text, location, Some(expected)),
            None => QueryError::syntax("syntax error at end of input", Some(text.chars().count() + 1))
                .detail(format!("Expected {}.", expected.trim_end_matches('.'))),
        };
    }
    match location {
        Some(location) => syntax_error_at(text, location, None).detail(message.to_owned()),
        None => QueryError::syntax(lower_first(message), None),
    }
}

/// `syntax error at or near "…"` with the token that stands at `location`.
fn syntax_error_at(text: &str, location: Location, expected: Option<&str>) -> QueryError {
    let tokens = Tokenizer::new(&DIALECT, text).tokenize_with_location().unwrap_or_default();
    let at = tokens.iter().position(|token| token.span.start == location && token.token != Token::EOF);
    let mut error = match at.and_then(|index| Some((byte_offset(text, location)?, &tokens[index]))) {
        Some((start, token)) => {
            let end = byte_offset(text, token.span.end).unwrap_or(text.len()).max(start);
            let word = match &token.token {
                Token::SemiColon => ";",
                _ => text.get(start..end).filter(|word| !word.is_empty()).unwrap_or("?"),
            };
            QueryError::syntax(format!("syntax error at or near \"{word}\""), character_position(text, location))
        }
        None => QueryError::syntax("syntax error at end of input", Some(text.trim_end().chars().count() + 1)),
    };
    if let Some(expected) = expected {
        error = error.detail(format!("Expected {}.", expected.trim_end_matches('.')));
    }
    error
}

/// Splits ` at Line: 1, Column: 8` off a message.
fn split_location(message: &str) -> (&str, Option<Location>) {
    let Some(at) = message.rfind(" at Line: ") else { return (message, None) };
    let tail = &message[at + " at Line: ".len()..];
    let mut parts = tail.split(", Column: ");
    let line = parts.next().and_then(|part| part.trim().parse().ok());
    let column = parts.next().and_then(|part| part.trim().parse().ok());
    match (line, column) {
        (Some(line), Some(column)) => (&message[..at], Some(Location { line, column })),
        _ => (message, None),
    }
}

/// Statements that are PostgreSQL's but that the parser does not know: refused by name instead of as a syntax error.
/// Looked for only after parsing failed.
fn gap(text: &str) -> Option<QueryError> {
    const GAPS: &[(&[&str], &str)] = &[
        (&["SEARCH", "DEPTH"], "SEARCH in WITH"),
        (&["SEARCH", "BREADTH"], "SEARCH in WITH"),
        (&["WITH", "CHECK", "OPTION"], "WITH CHECK OPTION"),
        (&["WITH", "LOCAL", "CHECK", "OPTION"], "WITH CHECK OPTION"),
        (&["WITH", "CASCADED", "CHECK", "OPTION"], "WITH CHECK OPTION"),
        (&["ALTER", "DEFAULT", "PRIVILEGES"], "ALTER DEFAULT PRIVILEGES"),
        (&["GRAPH_TABLE", "("], "GRAPH_TABLE"),
        (&["WHERE", "CURRENT", "OF"], "WHERE CURRENT OF"),
    ];
    const FIRST: &[(&str, &str)] = &[("DO", "DO"), ("CLUSTER", "CLUSTER"), ("MOVE", "MOVE")];
    let tokens = Tokenizer::new(&DIALECT, text).tokenize_with_location().ok()?;
    let words: Vec<(String, Location)> = tokens
        .iter()
        .filter(|token| !matches!(token.token, Token::Whitespace(_) | Token::EOF))
        .map(|token| (token.token.to_string().to_uppercase(), token.span.start))
        .collect();
    let refuse = |what: &str, location: Location| QueryError::unsupported(what).at(character_position(text, location));
    for (pattern, what) in GAPS {
        let found = words.windows(pattern.len()).find(|w| w.iter().zip(*pattern).all(|((word, _), p)| word == p));
        if let Some(found) = found {
            return Some(refuse(what, found[0].1));
        }
    }
    if let Some((word, location)) = words.first()
        && let Some((_, what)) = FIRST.iter().find(|(first, _)| first == word)
    {
        return Some(refuse(what, *location));
    }
    None
}

fn lower_first(message: &str) -> String {
    let mut chars = message.chars();
    chars.next().map_or_else(String::new, |first| first.to_lowercase().chain(chars).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(text: &str) -> (String, &'static str, Option<usize>) {
        let error = parse_statement(text).expect_err("must not parse");
        (error.0.message.clone(), error.sqlstate(), error.0.position)
    }

    #[test]
    fn syntax_errors_have_postgresql_wording_and_position() {
        assert_eq!(error("SELEC 1"), ("syntax error at or near \"SELEC\"".into(), "42601", Some(1)));
        assert_eq!(
            error("SELECT * FORM t"),
            ("syntax error at or near \"t\"".into(), "42601", Some(15)),
            "FORM is taken for an alias of nothing"
        );
        assert_eq!(error("SELECT 1 +"), ("syntax error at end of input".into(), "42601", Some(11)));
        assert_eq!(error("SELECT (1"), ("syntax error at end of input".into(), "42601", Some(10)));
        assert_eq!(error("SELECT 'abc"), ("unterminated quoted string at or near \"'abc\"".into(), "42601", Some(8)));
    }

    #[test]
    fn strings_are_no_aliases_and_numbers_end_where_they_end() {
        let near = |word: &str| format!("syntax error at or near \"{word}\"");
        assert_eq!(error("SELECT 'a' 'b'"), (near("'b'"), "42601", Some(12)));
        assert_eq!(error("SELECT 1 'x'"), (near("'x'"), "42601", Some(10)));
        assert_eq!(error("SELECT 1 AS 'it''s'"), (near("'it''s'"), "42601", Some(13)));
        let junk = |word: &str| format!("trailing junk after numeric literal at or near \"{word}\"");
        assert_eq!(error("SELECT 0x10"), (junk("0x10"), "42601", Some(8)));
        assert_eq!(error("SELECT 1_000"), (junk("1_000"), "42601", Some(8)));
        assert_eq!(error("SELECT 12abc"), (junk("12abc"), "42601", Some(8)));
        for text in ["SELECT 1 x", "SELECT date '2020-01-01', 'a'\n'b', x[1], 1.5e3", "SELECT 'a' LIKE 'b' ESCAPE 'c'"]
        {
            assert!(parse_statement(text).is_ok(), "{text}");
        }
    }

    #[test]
    fn only_and_overriding_are_read() {
        for text in [
            "SELECT * FROM ONLY t, ONLY (u) JOIN ONLY v ON true",
            "UPDATE ONLY t SET a = 1",
            "DELETE FROM ONLY t",
            "INSERT INTO t OVERRIDING SYSTEM VALUE VALUES (1)",
            "INSERT INTO t (a, b) OVERRIDING USER VALUE SELECT 1, 2",
        ] {
            assert!(parse_statement(text).is_ok(), "{text}");
        }
        assert!(parse_statement("SELECT a FROM t FETCH FIRST 1 ROW ONLY").is_ok());
        assert_eq!(error("SELECT 1 OVERRIDING SYSTEM VALUE").1, "42601");
    }

    #[test]
    fn known_gaps_are_named() {
        assert_eq!(error("ALTER DEFAULT PRIVILEGES GRANT SELECT ON TABLES TO x").1, "0A000");
    }

    #[test]
    fn depth_and_chains_are_limited() {
        let deep = format!("SELECT {}1{}", "(".repeat(300), ")".repeat(300));
        assert_eq!(error(&deep).1, "54001");
        for depth in [257, 300, 5_000] {
            let cases = format!("SELECT {}1{}", "CASE WHEN true THEN ".repeat(depth), " END".repeat(depth));
            assert_eq!(error(&cases).1, "54001", "{depth} times CASE");
        }
        let cases = format!("SELECT {}1{}", "CASE WHEN true THEN ".repeat(200), " END".repeat(200));
        assert!(parse_statement(&cases).is_ok());
        for word in ["EXPLAIN", "DESCRIBE", "DESC"] {
            assert_eq!(error(&format!("{} SELECT 1", format!("{word} ").repeat(10_000))).1, "54001", "{word}");
        }
        let very_deep = format!("SELECT {}1{}", "(".repeat(200_000), ")".repeat(200_000));
        assert_eq!(error(&very_deep).1, "54001");
        for chain in [" + 1", " || 'a'", " UNION ALL SELECT 1", " OR true", "::int"] {
            assert_eq!(error(&format!("SELECT 1{}", chain.repeat(100_000))).1, "54001", "{chain}");
        }
        // Chains inside each other add up.
        let mut nested = "1".to_owned();
        for _ in 0..10 {
            nested = format!("({nested}{})", "+1".repeat(30));
        }
        assert_eq!(error(&format!("SELECT {nested}")).1, "54001");
        let mut conditions = "true".to_owned();
        for _ in 0..4 {
            conditions = format!("({conditions}{})", " OR true".repeat(1_000));
        }
        assert_eq!(error(&format!("SELECT {conditions}")).1, "54001");
        let conditions = format!("SELECT 1 WHERE a = 1{}", " OR a = 1".repeat(1_400));
        assert!(parse_statement(&conditions).is_ok());
        let rows = format!("INSERT INTO t VALUES (1, 1 + 1){}", ", (1, 1 + 1)".repeat(2_000));
        assert!(parse_statement(&rows).is_ok());
        let many = format!("SELECT 1 IN ({}1)", "1, ".repeat(50_000));
        assert!(parse_statement(&many).is_ok());
    }

    #[test]
    fn one_statement_with_semicolons_is_accepted() {
        assert!(parse_statement("SELECT 1;").is_ok());
        assert_eq!(error("SELECT 1; SELECT 2").1, "42601");
    }
}
