//! SQL: sqlparser's syntax tree to bound statements.
//!
//! [`parse()`] turns text into sqlparser's tree, with PostgreSQL's wording for what does not parse. [`bind()`] gives every
//! name, type and operator its meaning and produces the algebra. What the parser accepts and we do not carry out is
//! refused by name (0A000): nothing is read and then ignored.

mod bind;
mod call_syntax;
mod copy_syntax;
mod definition;
mod dialect;
mod group_tokens;
mod lexical;
mod lexical_like;
mod literals;
mod parse;
mod position;
mod subscript_tokens;
mod table_tokens;
mod window_tokens;

use sqlparser::ast::{GroupByExpr, SetExpr, Statement, TableFactor};

use self::copy_syntax::CopySyntax;
use self::definition::Definition;
use crate::context::BindContext;
use crate::error::{QueryError, Result};
use crate::statement::{BoundStatement, CopyOptions, ExplainOptions, OutputColumn};

pub use bind::data_type::internal_type_name;
pub use bind::identity::sequence_default;
pub use bind::stored_sequences::{qualified_text, sequences_named, with_sequence_names};
pub use bind::{
    IndexRules, Reworded, StoredRules, bind_index_rules, bind_row_expressions, bind_stored_rules, columns_named,
    relations_named, updatable_columns, with_column_renamed, with_relations_renamed, without_visible_schemas,
};

/// Parses one statement. 42601 with position and what was expected; 54001 when nested too deeply.
pub fn parse(text: &str) -> Result<Parsed> {
    parse::parse_any(text)
}

/// The text that a string literal stands for, in any of its notations: `'…'`, `E'…'`, `U&'…'`, `$tag$…$tag$`. None when
/// `text` is no such literal.
pub fn string_literal(text: &str) -> Option<String> {
    parse::string_literal(text)
}

/// The options of a COPY TO of a query in another language, which is bound already and gives these columns. `text` is the
/// statement with a query of SQL in its place.
pub fn bind_copy_options(context: &BindContext<'_>, text: &str, columns: &[OutputColumn]) -> Result<CopyOptions> {
    bind::bind_copy_options(context, text, columns)
}

/// The options of an EXPLAIN of a statement in another language. `text` is the statement with a query of SQL in its place.
pub fn bind_explain_options(context: &BindContext<'_>, text: &str) -> Result<ExplainOptions> {
    match parse(text)?.0 {
        ParsedKind::Statement(statement) => bind::bind_explain_options(context, &statement, text),
        _ => Err(QueryError::internal("EXPLAIN was expected")),
    }
}

/// Whether each row of a query is a row of one table: it has no joins, groups, duplicates to remove or sets to unite.
pub fn is_scan_of_one_table(text: &str) -> bool {
    let Ok(Parsed(ParsedKind::Statement(statement))) = parse(text) else { return false };
    let Statement::Query(query) = *statement else { return false };
    let SetExpr::Select(select) = query.body.as_ref() else { return false };
    let groups = matches!(&select.group_by, GroupByExpr::Expressions(keys, _) if keys.is_empty());
    let [from] = select.from.as_slice() else { return false };
    let is_table = matches!(&from.relation, TableFactor::Table { args: None, .. });
    query.with.is_none()
        && groups
        && select.having.is_none()
        && select.distinct.is_none()
        && is_table
        && from.joins.is_empty()
}

/// Binds a query, DML, COPY, EXPLAIN or DDL statement. `text` is the statement's source, for positions.
pub fn bind(context: &BindContext<'_>, statement: &Parsed, text: &str) -> Result<BoundStatement> {
    match &statement.0 {
        ParsedKind::Statement(statement) => bind::bind_statement(context, statement, text),
        ParsedKind::Definition(definition) => bind::bind_definition(context, definition, text),
        ParsedKind::Copy(copy) => bind::bind_copy(context, copy, text),
    }
}

/// A statement's syntax tree.
pub struct Parsed(ParsedKind);

enum ParsedKind {
    Statement(Box<Statement>),
    /// Of the kinds that are read here.
    Definition(Box<Definition>),
    Copy(Box<CopySyntax>),
}

/// A query printed from its tree, with what was written in another form for the parser as it was.
fn printed_query(text: String) -> String {
    let text = window_tokens::without_exclusion_marks(lexical::without_lock_marks(text));
    table_tokens::without_table_marks(group_tokens::without_group_marks(text))
}
