//! stub
use super::*;
pub(super) fn bind_statement(
    _context: &BindContext<'_>,
    _statement: &CypherStatement,
    _text: &str,
    _named: &NamedParameters,
) -> Result<BoundStatement> {
    Err(crate::error::QueryError::unsupported("binding"))
}
