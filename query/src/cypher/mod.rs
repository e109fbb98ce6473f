//! Cypher: lexer, parser, binder.

use std::sync::Arc;

use sinew_storage::{DataType, Value};

use crate::context::BindContext;
use crate::error::Result;
use crate::statement::BoundStatement;

/// A parsed statement; opaque to other modules.
#[derive(Clone, Debug)]
pub struct CypherStatement {}

/// Values (or types) of named parameters, for `cypher()` and embedded calls; positional ones come from the context.
#[derive(Clone, Debug, Default)]
pub struct NamedParameters(pub Vec<(Arc<str>, DataType, Option<Value>)>);

/// Parses one statement. 42601 with position and what was expected; 54001 when nested too deeply.
pub fn parse(text: &str) -> Result<CypherStatement> {
    let _ = text;
    todo!("cypher")
}

/// Binds a Cypher statement (query, index or constraint DDL, SHOW). Named parameters are numbered after positional ones.
pub fn bind(
    context: &BindContext<'_>,
    statement: &CypherStatement,
    text: &str,
    named: &NamedParameters,
) -> Result<BoundStatement> {
    let _ = (context, statement, text, named);
    todo!("cypher")
}
