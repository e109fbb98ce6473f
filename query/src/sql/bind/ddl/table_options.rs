//! What CREATE and ALTER TABLE say beside columns and constraints: TEMPORARY, ON COMMIT, storage parameters.

use sqlparser::ast::{
    CreateTable, CreateTableOptions, Expr as Ast, Ident, OnCommit as AstOnCommit, SqlOption, UnaryOperator,
    Value as Literal,
};
use sqlparser::tokenizer::Span;

use super::super::Binder;
use super::super::names::fold;
use crate::error::{QueryError, Result, sqlstate};
use crate::statement::OnCommit;

/// PostgreSQL's storage parameters of tables, by the kind of their value. They are kept and shown; the store lays out rows
/// in its own way and cleans up after itself.
const INTEGERS: &[(&str, i64, i64)] = &[
    ("fillfactor", 10, 100),
    ("parallel_workers", 0, 1024),
    ("toast_tuple_target", 128, 8160),
    ("autovacuum_vacuum_threshold", 0, i32::MAX as i64),
    ("autovacuum_vacuum_insert_threshold", -1, i32::MAX as i64),
    ("autovacuum_analyze_threshold", 0, i32::MAX as i64),
    ("autovacuum_vacuum_cost_limit", 1, 10_000),
    ("autovacuum_freeze_min_age", 0, 1_000_000_000),
    ("autovacuum_freeze_max_age", 100_000, 2_000_000_000),
    ("autovacuum_freeze_table_age", 0, 2_000_000_000),
    ("autovacuum_multixact_freeze_min_age", 0, 1_000_000_000),
    ("autovacuum_multixact_freeze_max_age", 10_000, 2_000_000_000),
    ("autovacuum_multixact_freeze_table_age", 0, 2_000_000_000),
    ("log_autovacuum_min_duration", -1, i32::MAX as i64),
];
const FLOATS: &[(&str, f64, f64)] = &[
    ("autovacuum_vacuum_scale_factor", 0.0, 100.0),
    ("autovacuum_vacuum_insert_scale_factor", 0.0, 100.0),
    ("autovacuum_analyze_scale_factor", 0.0, 100.0),
    ("autovacuum_vacuum_cost_delay", 0.0, 100.0),
];
const BOOLEANS: &[&str] = &["autovacuum_enabled", "user_catalog_table", "vacuum_truncate"];

fn invalid(message: String) -> QueryError {
    QueryError::new(sqlstate::INVALID_PARAMETER_VALUE, message)
}

/// Checks one parameter, by its folded name. 22023.
fn check_option(name: &str, value: Option<&str>) -> Result<()> {
    let own = name.strip_prefix("toast.").filter(|own| own.contains("vacuum"));
    let known = own.unwrap_or(name);
    let text = value.unwrap_or("true");
    let bounds = |least: String, most: String| {
        invalid(format!("value {text} out of bounds for option \"{known}\""))
            .detail(format!("Valid values are between \"{least}\" and \"{most}\"."))
    };
    if let Some((_, least, most)) = INTEGERS.iter().find(|(option, ..)| *option == known) {
        let number: i64 =
            text.parse().map_err(|_| invalid(format!("invalid value for integer option \"{known}\": {text}")))?;
        return if (*least..=*most).contains(&number) {
            Ok(())
        } else {
            Err(bounds(least.to_string(), most.to_string()))
        };
    }
    if let Some((_, least, most)) = FLOATS.iter().find(|(option, ..)| *option == known) {
        let number: f64 = text
            .parse()
            .map_err(|_| invalid(format!("invalid value for floating point option \"{known}\": {text}")))?;
        return if (*least..=*most).contains(&number) {
            Ok(())
        } else {
            Err(bounds(format!("{least:.6}"), format!("{most:.6}")))
        };
    }
    let is_boolean = ["true", "false", "on", "off", "yes", "no", "1", "0"].contains(&text.to_lowercase().as_str());
    if BOOLEANS.contains(&known) {
        return if is_boolean {
            Ok(())
        } else {
            Err(invalid(format!("invalid value for boolean option \"{known}\": {text}")))
        };
    }
    if known == "vacuum_index_cleanup" {
        return if is_boolean || text.eq_ignore_ascii_case("auto") {
            Ok(())
        } else {
            Err(invalid(format!("invalid value for enum option \"{known}\": {text}"))
                .detail("Valid values are \"on\", \"off\", and \"auto\"."))
        };
    }
    Err(invalid(format!("unrecognized parameter \"{name}\"")))
}

impl Binder<'_> {
    /// TEMPORARY, and what ON COMMIT says.
    pub(super) fn temporary_options(&self, create: &CreateTable) -> Result<(bool, Option<OnCommit>)> {
        let on_commit = create.on_commit.as_ref().map(|on_commit| match on_commit {
            AstOnCommit::DeleteRows => OnCommit::DeleteRows,
            AstOnCommit::PreserveRows => OnCommit::PreserveRows,
            AstOnCommit::Drop => OnCommit::Drop,
        });
        // GLOBAL and LOCAL are accepted before TEMPORARY, and mean nothing, as in PostgreSQL.
        Ok((create.temporary, on_commit))
    }

    /// `WITH (fillfactor = 70)` of CREATE TABLE. Values as they are written, in order.
    pub(super) fn table_options(&self, options: &CreateTableOptions, span: Span) -> Result<Vec<(String, String)>> {
        let list = match options {
            CreateTableOptions::None => return Ok(Vec::new()),
            CreateTableOptions::With(list) => list,
            _ => return Err(self.unsupported("this option of CREATE TABLE", span)),
        };
        let mut named = Vec::with_capacity(list.len());
        for option in list {
            match option {
                SqlOption::KeyValue { key, value } => {
                    let Some(text) = option_text(value) else {
                        return Err(QueryError::syntax("a storage parameter takes a literal", self.at(span)));
                    };
                    named.push((key.clone(), Some(text)));
                }
                SqlOption::Ident(key) => named.push((key.clone(), None)),
                _ => return Err(self.unsupported("this option of CREATE TABLE", span)),
            }
        }
        self.checked_options(&named)
    }

    /// Storage parameters by folded name; those that only have a name are true. 22023.
    pub(super) fn checked_options(&self, named: &[(Ident, Option<String>)]) -> Result<Vec<(String, String)>> {
        let mut checked: Vec<(String, String)> = Vec::with_capacity(named.len());
        for (key, value) in named {
            let name = fold(key);
            if name == "oids" {
                match value.as_deref() {
                    Some(value) if value.eq_ignore_ascii_case("false") => continue,
                    _ => {
                        return Err(QueryError::unsupported_as("tables declared WITH OIDS are not supported")
                            .at(self.at(key.span)));
                    }
                }
            }
            check_option(&name, value.as_deref()).map_err(|error| error.at(self.at(key.span)))?;
            if checked.iter().any(|(known, _)| *known == name) {
                return Err(invalid(format!("parameter \"{name}\" specified more than once")).at(self.at(key.span)));
            }
            checked.push((name, value.clone().unwrap_or_else(|| "true".to_owned())));
        }
        Ok(checked)
    }
}

/// A literal's text.
fn option_text(value: &Ast) -> Option<String> {
    match value {
        Ast::Value(literal) => match &literal.value {
            Literal::Number(number, _) => Some(number.clone()),
            Literal::SingleQuotedString(text) => Some(text.clone()),
            Literal::Boolean(value) => Some(value.to_string()),
            _ => None,
        },
        Ast::Identifier(word) => Some(word.value.clone()),
        Ast::UnaryOp { op: UnaryOperator::Minus, expr } => Some(format!("-{}", option_text(expr)?)),
        _ => None,
    }
}
