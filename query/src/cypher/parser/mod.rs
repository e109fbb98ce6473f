//! Recursive descent over [`super::lexer`]'s tokens; expressions by precedence climbing.
//!
//! A parenthesis may open a pattern or an expression. Where a relationship follows the closing one, the parser tries the
//! pattern first. It remembers where that failed and what it found, so that nested attempts never cost an exponential
//! number of steps, and gives up (54001) when what it reads again is several times the statement.

mod call;
mod case;
mod clause;
mod constraint;
mod expr;
mod mistakes;
mod pattern;
mod schema;
mod show;
#[cfg(test)]
mod tests;
mod value_type;

use std::cell::{OnceCell, RefCell};
use std::sync::Arc;

use rustc_hash::FxHashSet;
use sinew_storage::CancelToken;

use super::ast::*;
use super::errors::{self, Positions};
use super::lexer::{Token, TokenKind, lex};
use crate::error::{QueryError, Result, sqlstate};

/// Nesting of expressions, subqueries and FOREACH bodies.
const MAX_DEPTH: usize = 256;
/// Clauses of one statement.
const MAX_CLAUSES: usize = 1_500;
/// Relationships of one drawn path.
const MAX_PATH_STEPS: usize = 100;
/// Paths and relationships that are looked for in one statement: each lies on top of the one before it.
const MAX_MATCHED_PARTS: usize = 1_500;
/// Paths and relationships that one statement creates.
const MAX_CREATED_PARTS: usize = 10_000;
/// Operands read between two looks at the cancel token.
const OPERANDS_PER_POLL: usize = 1024;
/// Tokens that may be read in vain, for each token of the statement.
const MAX_RETRIES: usize = 8;
/// The same for statements of a few tokens.
const MIN_RETRIED_TOKENS: usize = 10_000;

pub(super) struct Parser<'t> {
    text: &'t str,
    cancel: &'t CancelToken,
    positions: Positions<'t>,
    tokens: Vec<Token>,
    position: usize,
    depth: usize,
    clause_count: usize,
    /// Paths and relationships that are looked for.
    matched_part_count: usize,
    created_part_count: usize,
    /// Operands read so far.
    operand_count: usize,
    case_depth: usize,
    /// A bar ends the expression being read: it belongs to a comprehension, not to labels.
    bar_ends: bool,
    not_patterns: FxHashSet<usize>,
    /// A pattern that was read at a place that comes again, and where it ends.
    found_pattern: Option<(usize, usize, PathPattern)>,
    /// For each opening parenthesis, brace and bracket the place of the one that closes it.
    closings: OnceCell<Vec<u32>>,
    /// Tokens read in vain.
    retried_token_count: usize,
    /// Highest `$n` seen.
    positional_parameter_count: usize,
    /// The token at which something else was expected last, and what: most such errors are of attempts and never seen, so
    /// that a hint is looked for only at the end.
    failure: RefCell<Option<(usize, String)>>,
}

/// The tree, and the highest positional parameter.
pub(super) fn parse_statement(text: &str, cancel: &CancelToken) -> Result<(Statement, usize)> {
    let mut parser = Parser::new(text, cancel);
    match parser.whole_statement() {
        Ok(statement) => Ok((statement, parser.positional_parameter_count)),
        Err(error) => Err(parser.advised(error)),
    }
}

impl<'t> Parser<'t> {
    fn new(text: &'t str, cancel: &'t CancelToken) -> Parser<'t> {
        Parser {
            text,
            cancel,
            positions: Positions::new(text),
            tokens: lex(text),
            position: 0,
            depth: 0,
            clause_count: 0,
            matched_part_count: 0,
            created_part_count: 0,
            operand_count: 0,
            case_depth: 0,
            bar_ends: false,
            not_patterns: FxHashSet::default(),
            found_pattern: None,
            closings: OnceCell::new(),
            retried_token_count: 0,
            positional_parameter_count: 0,
            failure: RefCell::default(),
        }
    }
}

impl Parser<'_> {
    fn whole_statement(&mut self) -> Result<Statement> {
        let statement = self.statement()?;
        while self.take_symbol(";") {}
        if !matches!(self.peek(), TokenKind::End) {
            return Err(self.expected("end of statement"));
        }
        Ok(statement)
    }

    /// With a hint, where the error says that something else was expected and a mistake shows.
    fn advised(&mut self, error: QueryError) -> QueryError {
        let Some((position, what)) = self.failure.take() else { return error };
        let start = self.tokens[position].span.start as usize;
        if error.0.hint.is_some() || error.0.position != Some(errors::position(self.text, start)) {
            return error;
        }
        self.position = position;
        match self.advice(&what) {
            Some(hint) => error.hint(hint),
            None => error,
        }
    }

    fn peek(&self) -> &TokenKind {
        &self.tokens[self.position].kind
    }

    fn peek_at(&self, ahead: usize) -> &TokenKind {
        &self.tokens[(self.position + ahead).min(self.tokens.len() - 1)].kind
    }

    fn span(&self) -> Span {
        self.tokens[self.position].span
    }

    /// End of the token before the current one.
    fn previous_span(&self) -> Span {
        self.tokens[self.position.saturating_sub(1)].span
    }

    fn span_from(&self, start: Span) -> Span {
        start.to(self.previous_span())
    }

    fn source(&self, span: Span) -> &str {
        &self.text[span.start as usize..span.end as usize]
    }

    fn advance(&mut self) {
        if self.position + 1 < self.tokens.len() {
            self.position += 1;
        }
    }

    fn is_symbol(&self, symbol: &str) -> bool {
        matches!(self.peek(), TokenKind::Symbol(found) if *found == symbol)
    }

    fn is_symbol_at(&self, ahead: usize, symbol: &str) -> bool {
        matches!(self.peek_at(ahead), TokenKind::Symbol(found) if *found == symbol)
    }

    fn take_symbol(&mut self, symbol: &str) -> bool {
        let found = self.is_symbol(symbol);
        if found {
            self.advance();
        }
        found
    }

    fn expect_symbol(&mut self, symbol: &str) -> Result<()> {
        if self.take_symbol(symbol) { Ok(()) } else { Err(self.expected(&format!("\"{symbol}\""))) }
    }

    fn is_keyword(&self, keyword: &str) -> bool {
        self.is_keyword_at(0, keyword)
    }

    fn is_keyword_at(&self, ahead: usize, keyword: &str) -> bool {
        matches!(self.peek_at(ahead), TokenKind::Ident(word, false) if word.eq_ignore_ascii_case(keyword))
    }

    fn take_keyword(&mut self, keyword: &str) -> bool {
        let found = self.is_keyword(keyword);
        if found {
            self.advance();
        }
        found
    }

    fn expect_keyword(&mut self, keyword: &str) -> Result<()> {
        if self.take_keyword(keyword) { Ok(()) } else { Err(self.expected(keyword)) }
    }

    /// Takes all of the words, or none.
    fn take_keywords(&mut self, keywords: &[&str]) -> bool {
        let found = keywords.iter().enumerate().all(|(ahead, keyword)| self.is_keyword_at(ahead, keyword));
        if found {
            keywords.iter().for_each(|_| self.advance());
        }
        found
    }

    /// Any identifier, keywords included.
    fn name(&mut self, what: &str) -> Result<Name> {
        let span = self.span();
        match self.peek() {
            TokenKind::Ident(text, _) => {
                let text = text.clone();
                self.advance();
                Ok(Name { text, span })
            }
            _ => Err(self.expected(what)),
        }
    }

    /// 42601: expected `what`, found the current token.
    fn expected(&self, what: &str) -> QueryError {
        self.expected_as("UnexpectedSyntax", what)
    }

    fn expected_as(&self, detail: &'static str, what: &str) -> QueryError {
        if let TokenKind::Invalid(error) = self.peek() {
            return (**error).clone();
        }
        let found = match self.peek() {
            TokenKind::End => "end of input".to_owned(),
            _ => format!("\"{}\"", self.source(self.span())),
        };
        self.failure.replace(Some((self.position, what.to_owned())));
        self.error_at(self.span(), detail, format!("syntax error: expected {what}, found {found}"))
    }

    fn error_at(&self, span: Span, detail: &'static str, message: String) -> QueryError {
        errors::syntax(detail, message).at(self.at(span))
    }

    /// 0A000: what begins at `span` is Cypher, but not here.
    fn unsupported_at(&self, span: Span, what: impl std::fmt::Display) -> QueryError {
        QueryError::unsupported(what).at(self.at(span))
    }

    fn at(&self, span: Span) -> Option<usize> {
        Some(self.positions.of(span.start as usize))
    }

    /// 54001 at the current token.
    fn too_complex(&self, message: String) -> QueryError {
        QueryError::new(sqlstate::STATEMENT_TOO_COMPLEX, message).at(self.at(self.span()))
    }

    /// Runs `parse` one level deeper; 54001 above the limit.
    fn nested<T>(&mut self, parse: impl FnOnce(&mut Self) -> Result<T>) -> Result<T> {
        self.depth += 1;
        let result = self.check_depth().and_then(|()| parse(self));
        self.depth -= 1;
        result
    }

    /// Counts a clause or a pattern step: each lies on top of the one before it. 54001 above the limit.
    fn check_length(&self, count: usize, limit: usize, what: &str) -> Result<()> {
        if count <= limit {
            return Ok(());
        }
        Err(self.too_complex(format!("statement has more than {limit} {what}")))
    }

    fn check_depth(&self) -> Result<()> {
        if self.depth <= MAX_DEPTH {
            return Ok(());
        }
        Err(self.too_complex(format!("statement is nested more than {MAX_DEPTH} levels deep")))
    }

    /// Runs `parse`; when it fails, puts the position back and gives None. What is too deep or names something
    /// unsupported stays an error, as does a cancel.
    fn attempt<T>(&mut self, parse: impl FnOnce(&mut Self) -> Result<T>) -> Result<Option<T>> {
        let (position, depth, case_depth) = (self.position, self.depth, self.case_depth);
        match parse(self) {
            Ok(value) => Ok(Some(value)),
            Err(error)
                if matches!(
                    error.sqlstate(),
                    sqlstate::STATEMENT_TOO_COMPLEX | sqlstate::FEATURE_NOT_SUPPORTED | sqlstate::QUERY_CANCELED
                ) =>
            {
                Err(error)
            }
            Err(_) => {
                self.go_back_to(position)?;
                self.depth = depth;
                self.case_depth = case_depth;
                Ok(None)
            }
        }
    }

    /// Reads again from `position`. 54001 when that becomes too much.
    fn go_back_to(&mut self, position: usize) -> Result<()> {
        self.retried_token_count += self.position.saturating_sub(position);
        self.position = position;
        if self.retried_token_count > MAX_RETRIES * self.tokens.len() + MIN_RETRIED_TOKENS {
            return Err(self.too_complex("statement has too many parentheses that may open a pattern".to_owned()));
        }
        Ok(())
    }

    /// The place of the token that closes the parenthesis, brace or bracket at `position`.
    fn closing(&self, position: usize) -> Option<usize> {
        const NONE: u32 = u32::MAX;
        let closings = self.closings.get_or_init(|| {
            let mut closings = vec![NONE; self.tokens.len()];
            let mut open: Vec<(usize, &str)> = Vec::new();
            for (at, token) in self.tokens.iter().enumerate() {
                match token.kind {
                    TokenKind::Symbol("(") => open.push((at, ")")),
                    TokenKind::Symbol("[") => open.push((at, "]")),
                    TokenKind::Symbol("{") => open.push((at, "}")),
                    TokenKind::Symbol(symbol @ (")" | "]" | "}")) => match open.pop() {
                        Some((opening, expected)) if expected == symbol => closings[opening] = at as u32,
                        // Behind a mismatch nothing closes what is open: it ends in a syntax error.
                        _ => open.clear(),
                    },
                    _ => {}
                }
            }
            closings
        });
        closings.get(position).copied().filter(|at| *at != NONE).map(|at| at as usize)
    }

    fn text_of(&self, span: Span) -> Arc<str> {
        self.source(span).into()
    }
}
