//! Cypher: lexer, parser, binder.
//!
//! Text → [`lexer`] → [`ast`] (by [`parser`]) → [`binder`] → the shared algebra. What Cypher's expressions compute is in
//! [`functions`]; which errors they raise, with openCypher's classes, in [`errors`].

mod ast;
mod binder;
pub mod errors;
pub mod functions;
mod lexer;
mod parser;
pub(crate) mod temporal;

use std::sync::Arc;

use sinew_storage::{CancelToken, DataType, Value};

use crate::context::BindContext;
use crate::error::Result;
use crate::statement::BoundStatement;

/// A parsed statement; opaque to other modules.
#[derive(Clone, Debug)]
pub struct CypherStatement {
    statement: ast::Statement,
    /// Highest `$n` used.
    positional_parameter_count: usize,
}

/// Values (or types) of named parameters, for `cypher()` and embedded calls; positional ones come from the context.
#[derive(Clone, Debug, Default)]
pub struct NamedParameters(pub Vec<(Arc<str>, DataType, Option<Value>)>);

/// Parses one statement, however long, unless it is cancelled. 42601 with position and what was expected; 54001 when
/// nested too deeply.
pub fn parse(text: &str, cancel: &CancelToken) -> Result<CypherStatement> {
    let (statement, positional_parameter_count) = parser::parse_statement(text, cancel)?;
    Ok(CypherStatement { statement, positional_parameter_count })
}

/// Where the tokens of a text lie, in bytes: for tools that take statements apart.
pub fn token_spans(text: &str) -> Vec<std::ops::Range<usize>> {
    lexer::lex(text).into_iter().map(|token| token.span.start as usize..token.span.end as usize).collect()
}

/// Binds a Cypher statement (query, index or constraint DDL, SHOW). Named parameters are numbered after positional ones;
/// one whose value is given becomes a literal.
pub fn bind(
    context: &BindContext<'_>,
    statement: &CypherStatement,
    text: &str,
    named: &NamedParameters,
) -> Result<BoundStatement> {
    binder::bind_statement(context, statement, text, named)
}

#[cfg(test)]
mod tck_parse_tests;
