//! EXPLAIN.

use sqlparser::ast::{AnalyzeFormat, AnalyzeFormatKind, Expr as Ast, Statement, UtilityOption, Value as Literal};

use super::Binder;
use super::literal::string_literal;
use crate::error::{QueryError, Result, sqlstate};
use crate::statement::{BoundStatement, ExplainOptions, QueryKind};

impl Binder<'_> {
    pub fn bind_explain(mut self, statement: &Statement) -> Result<BoundStatement> {
        let (statement, explain) = self.explained(statement)?;
        let (bound, kind) = match statement {
            Statement::Query(query) => (self.bind_query(query, false)?, QueryKind::Select),
            Statement::Insert(insert) => (self.bind_insert(insert)?, QueryKind::Insert),
            Statement::Update(update) => (self.bind_update(update)?, QueryKind::Update),
            Statement::Delete(delete) => (self.bind_delete(delete)?, QueryKind::Delete),
            Statement::Call(function) => (self.bind_call_statement(function)?, QueryKind::Call),
            other => {
                let text = other.to_string();
                let word = text.split_whitespace().next().unwrap_or("statement").to_owned();
                return Err(QueryError::unsupported(format!("EXPLAIN {word}")));
            }
        };
        let query = self.finish(bound, kind)?;
        Ok(BoundStatement::Explain { query, options: explain })
    }

    /// The options of an EXPLAIN whose statement is bound already.
    pub fn bind_explain_options(&self, statement: &Statement) -> Result<ExplainOptions> {
        self.explained(statement).map(|(_, options)| options)
    }

    /// What an EXPLAIN is of, and its options.
    fn explained<'s>(&self, statement: &'s Statement) -> Result<(&'s Statement, ExplainOptions)> {
        let Statement::Explain { analyze, verbose, query_plan, estimate, statement, format, options, .. } = statement
        else {
            return Err(QueryError::internal("EXPLAIN was expected"));
        };
        if *query_plan || *estimate {
            return Err(QueryError::unsupported("EXPLAIN QUERY PLAN and EXPLAIN ESTIMATE"));
        }
        let mut explain = ExplainOptions { analyze: *analyze, verbose: *verbose, ..ExplainOptions::default() };
        match format {
            None => {}
            Some(AnalyzeFormatKind::Keyword(format) | AnalyzeFormatKind::Assignment(format)) => match format {
                AnalyzeFormat::JSON => explain.json = true,
                AnalyzeFormat::TEXT => {}
                other => return Err(QueryError::unsupported(format!("EXPLAIN FORMAT {other}"))),
            },
        }
        let mut timing = false;
        for option in options.iter().flatten() {
            self.explain_option(option, &mut explain, &mut timing)?;
        }
        if timing && !explain.analyze {
            return Err(QueryError::new(sqlstate::INVALID_PARAMETER_VALUE, "EXPLAIN option TIMING requires ANALYZE"));
        }
        Ok((&**statement, explain))
    }

    /// `timing` says whether it was asked for.
    fn explain_option(&self, option: &UtilityOption, explain: &mut ExplainOptions, timing: &mut bool) -> Result<()> {
        let name = option.name.value.to_lowercase();
        let position = self.at(option.name.span);
        match name.as_str() {
            "analyze" => explain.analyze = self.truth(option)?,
            "verbose" => explain.verbose = self.truth(option)?,
            "format" => {
                let value = option.arg.as_ref().map(word).unwrap_or_default();
                match value.as_str() {
                    "json" => explain.json = true,
                    "text" => explain.json = false,
                    "xml" | "yaml" => {
                        return Err(QueryError::unsupported(format!("EXPLAIN FORMAT {value}")).at(position));
                    }
                    _ => {
                        return Err(QueryError::new(
                            sqlstate::INVALID_PARAMETER_VALUE,
                            format!("unrecognized value for EXPLAIN option \"format\": \"{value}\""),
                        )
                        .at(position));
                    }
                }
            }
            "costs" => explain.costs = self.truth(option)?,
            "settings" => explain.settings = self.truth(option)?,
            "summary" => explain.summary = Some(self.truth(option)?),
            "timing" => {
                explain.timing = self.truth(option)?;
                *timing = explain.timing;
            }
            // Switched off they ask for nothing; switched on they would promise figures that are not kept.
            "buffers" | "wal" => {
                if self.truth(option)? {
                    return Err(QueryError::unsupported(format!("EXPLAIN option {}", name.to_uppercase())).at(position));
                }
            }
            _ => {
                return Err(QueryError::syntax(format!("unrecognized EXPLAIN option \"{name}\""), position));
            }
        }
        Ok(())
    }

    fn truth(&self, option: &UtilityOption) -> Result<bool> {
        match option.arg.as_ref().map(word).as_deref() {
            None | Some("true" | "on" | "1") => Ok(true),
            Some("false" | "off" | "0") => Ok(false),
            Some(_) => Err(QueryError::syntax(
                format!("{} requires a Boolean value", option.name.value.to_lowercase()),
                self.at(option.name.span),
            )),
        }
    }
}

/// An option's value as a lower-case word.
pub fn word(ast: &Ast) -> String {
    match ast {
        Ast::Identifier(ident) => ident.value.to_lowercase(),
        Ast::Value(value) => match &value.value {
            Literal::Boolean(value) => value.to_string(),
            Literal::Number(number, _) => number.clone(),
            literal => string_literal(literal).unwrap_or_default().to_lowercase(),
        },
        other => other.to_string().to_lowercase(),
    }
}
