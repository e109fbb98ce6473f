//! SQL: sqlparser's syntax tree to bound statements.

use sqlparser::ast::Statement;

use crate::context::BindContext;
use crate::error::Result;
use crate::statement::BoundStatement;

/// Parses one statement. 42601 with position and what was expected; 54001 when nested too deeply.
pub fn parse(text: &str) -> Result<Statement> {
    let _ = text;
    todo!("sql")
}

/// Binds a query, DML, COPY, EXPLAIN or DDL statement. `text` is the statement's source, for positions.
pub fn bind(context: &BindContext<'_>, statement: &Statement, text: &str) -> Result<BoundStatement> {
    let _ = (context, statement, text);
    todo!("sql")
}
