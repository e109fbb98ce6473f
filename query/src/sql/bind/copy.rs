//! COPY, in its old and its new option syntax.

use std::sync::Arc;

use sinew_storage::Value;
use sqlparser::ast::{
    CopyLegacyCsvOption, CopyLegacyOption, CopyOption, CopySource, CopyTarget, Ident, ObjectName, ObjectNamePart,
    Spanned, Statement,
};

use super::names::Relation;
use super::scope::FromItem;
use super::{Binder, Bound};
use crate::algebra::{Expr, Insert, Plan};
use crate::error::{QueryError, Result, sqlstate};
use crate::statement::{self, BoundStatement, CopyFormat, CopyOptions, OutputColumn, QueryKind};
use crate::system::graph_relations;

impl Binder<'_> {
    pub fn bind_copy(mut self, statement: &Statement) -> Result<BoundStatement> {
        let Statement::Copy { source, to, target, options, legacy_options, values } = statement else {
            return Err(QueryError::internal("COPY was expected"));
        };
        self.refuses_parameters = true;
        match target {
            CopyTarget::Stdin | CopyTarget::Stdout => {}
            CopyTarget::File { .. } => {
                return Err(QueryError::unsupported("COPY with a server-side file")
                    .hint("Use COPY … FROM STDIN or TO STDOUT, or psql's \\copy."));
            }
            CopyTarget::Program { .. } => return Err(QueryError::unsupported("COPY with a program")),
        }
        if !values.is_empty() {
            return Err(QueryError::unsupported("COPY data inside the statement"));
        }
        let options = copy_options(options, legacy_options, |word| self.option_position(word))?;
        match (source, to) {
            (CopySource::Table { table_name, columns }, false) => self.copy_from(table_name, columns, options),
            (CopySource::Query(_), false) => Err(QueryError::syntax("COPY (query) can only copy to somewhere", None)),
            (CopySource::Table { table_name, columns }, true) => {
                let bound = self.copy_table_out(table_name, columns)?;
                let query = self.finish(bound, QueryKind::Select)?;
                Ok(BoundStatement::CopyTo { query, options })
            }
            (CopySource::Query(query), true) => {
                let bound = self.bind_query(query, false)?;
                let query = self.finish(bound, QueryKind::Select)?;
                Ok(BoundStatement::CopyTo { query, options })
            }
        }
    }

    /// Position of an option's word in the statement's text: the last time it stands there.
    fn option_position(&self, word: &str) -> Option<usize> {
        let text = self.source?;
        let byte = text.to_ascii_uppercase().rfind(word)?;
        Some(text[..byte].chars().count() + 1)
    }

    fn copy_from(mut self, name: &ObjectName, columns: &[Ident], options: CopyOptions) -> Result<BoundStatement> {
        let names: Vec<ObjectName> =
            columns.iter().map(|column| ObjectName(vec![ObjectNamePart::Identifier(column.clone())])).collect();
        let qualified = self.qualified_name(name)?;
        let graph = match self.find_relation(&qualified) {
            Some(Relation::System { schema, .. }) => graph_relations::writable(&schema, &qualified.name),
            _ => None,
        };
        let table = match &graph {
            Some(relation) => Arc::new(relation.table()),
            None => {
                let table = self.target_table(name)?;
                self.check_writable(&table, name.span())?;
                table
            }
        };
        let (targets, _) = self.insert_targets(&table, &names)?;
        let mut output = Vec::with_capacity(targets.len());
        let mut columns = Vec::with_capacity(targets.len());
        let mut values: Vec<Option<Expr>> = vec![None; table.columns.len()];
        for &target in &targets {
            let column = &table.columns[target];
            let var = self.vars.add(column.name.as_str(), column.ty.clone());
            output.push(var);
            columns.push((column.name.clone(), column.ty.clone()));
            values[target] = Some(Expr::Column(var, column.ty.clone()));
        }
        let source = Plan::Supplied { output };
        let target = statement::CopyTarget { table: table.name.clone(), columns };
        let bound = match graph {
            Some(relation) => {
                let args = values
                    .into_iter()
                    .zip(&table.columns)
                    .map(|(value, column)| value.unwrap_or_else(|| Expr::Literal(Value::Null, column.ty.clone())))
                    .collect();
                self.graph_insert_plan(&table, relation, source, args, None)?
            }
            None => {
                let mut complete = Vec::with_capacity(values.len());
                for (position, value) in values.into_iter().enumerate() {
                    complete.push(match value {
                        Some(value) => value,
                        None if table.columns[position].virtual_expression.is_some() => {
                            Expr::null(table.columns[position].ty.clone())
                        }
                        None => self.bind_default(&table, position)?,
                    });
                }
                let new_row = self.row_vars(&table);
                let checks = self.bind_checks(&table, &new_row)?;
                let insert = Insert {
                    table,
                    source,
                    values: complete,
                    new_row,
                    checks,
                    on_conflict: None,
                    returning: Vec::new(),
                };
                Bound { plan: Plan::Insert(Box::new(insert)), output: Vec::new() }
            }
        };
        let query = self.finish(bound, QueryKind::Insert)?;
        Ok(BoundStatement::CopyFrom { query, target, options })
    }

    fn copy_table_out(&mut self, name: &ObjectName, columns: &[Ident]) -> Result<Bound> {
        let qualified = self.qualified_name(name)?;
        let item: FromItem = match self.find_relation(&qualified) {
            Some(Relation::Table(table)) => self.scan_table(&table)?.0,
            Some(Relation::View(_)) => {
                return Err(QueryError::new(
                    sqlstate::WRONG_OBJECT_TYPE,
                    format!("cannot copy from view \"{}\"", qualified.name),
                )
                .hint("Try the COPY (SELECT ...) TO variant.")
                .at(self.at(name.span())));
            }
            Some(Relation::System { function, .. }) => {
                let output: Vec<OutputColumn> = function
                    .columns()
                    .iter()
                    .map(|(column, ty)| OutputColumn {
                        name: column.as_str().into(),
                        var: self.vars.add(column.as_str(), ty.clone()),
                        ty: ty.clone(),
                        origin: None,
                    })
                    .collect();
                let vars = output.iter().map(|column| column.var).collect();
                let plan = Plan::FunctionScan { function, args: Vec::new(), output: vars, ordinality: None };
                self.derived_item(Bound { plan, output }, Some(qualified.name.clone()))
            }
            Some(other @ (Relation::Index(_) | Relation::Sequence(_))) => {
                return Err(QueryError::new(
                    sqlstate::WRONG_OBJECT_TYPE,
                    format!("cannot copy from {} \"{}\"", other.kind(), qualified.name),
                )
                .at(self.at(name.span())));
            }
            None => return Err(self.missing_relation(&qualified, name.span())),
        };
        let mut output = Vec::new();
        let mut chosen = Vec::new();
        if columns.is_empty() {
            chosen.extend(item.star.iter().cloned());
        }
        for ident in columns {
            let folded = super::names::fold(ident);
            let Some(column) = item.star.iter().find(|column| *column.name == *folded) else {
                return Err(QueryError::new(
                    sqlstate::UNDEFINED_COLUMN,
                    format!("column \"{folded}\" of relation \"{}\" does not exist", qualified.name),
                )
                .at(self.at(ident.span)));
            };
            chosen.push(column.clone());
        }
        let mut items = Vec::with_capacity(chosen.len());
        for column in chosen {
            items.push((column.var, Expr::Column(column.var, column.ty.clone())));
            output.push(OutputColumn { name: column.name, var: column.var, ty: column.ty, origin: column.origin });
        }
        Ok(Bound { plan: Plan::Project { input: Box::new(item.plan), items }, output })
    }
}

/// Reads both syntaxes into one set of options; the defaults depend on the format. `place` gives the position of a word,
/// in upper case.
fn copy_options(
    options: &[CopyOption],
    legacy: &[CopyLegacyOption],
    place: impl Fn(&str) -> Option<usize>,
) -> Result<CopyOptions> {
    let unsupported = |option: &str| {
        let first = option.split([' ', '(']).next().unwrap_or(option);
        QueryError::unsupported(format!("COPY option {option}")).at(place(first))
    };
    let mut format = CopyFormat::Text;
    let (mut delimiter, mut null, mut header, mut quote, mut escape) = (None, None, false, None, None);
    // Each option once, whatever it says.
    let redundant = || QueryError::syntax("conflicting or redundant options", None);
    let mut given = Vec::new();
    for option in options {
        let kind = std::mem::discriminant(option);
        if given.contains(&kind) {
            return Err(redundant());
        }
        given.push(kind);
        match option {
            CopyOption::Format(ident) => {
                format = match ident.value.to_lowercase().as_str() {
                    "text" => CopyFormat::Text,
                    "csv" => CopyFormat::Csv,
                    "binary" => CopyFormat::Binary,
                    other => {
                        return Err(QueryError::new(
                            sqlstate::INVALID_PARAMETER_VALUE,
                            format!("COPY format \"{other}\" not recognized"),
                        ));
                    }
                };
            }
            // Rows need no freezing here, so there is nothing that it could change.
            CopyOption::Freeze(_) => {}
            CopyOption::Delimiter(c) => delimiter = Some(*c),
            CopyOption::Null(text) => null = Some(text.clone()),
            CopyOption::Header(on) => header = *on,
            CopyOption::Quote(c) => quote = Some(*c),
            CopyOption::Escape(c) => escape = Some(*c),
            CopyOption::Encoding(name) => utf8_only(name)?,
            CopyOption::ForceQuote(_) => return Err(unsupported("FORCE_QUOTE")),
            CopyOption::ForceNotNull(_) => return Err(unsupported("FORCE_NOT_NULL")),
            CopyOption::ForceNull(_) => return Err(unsupported("FORCE_NULL")),
        }
    }
    let mut given = Vec::new();
    for option in legacy {
        let kind = std::mem::discriminant(option);
        if given.contains(&kind) {
            return Err(redundant());
        }
        given.push(kind);
        match option {
            CopyLegacyOption::Binary => format = CopyFormat::Binary,
            CopyLegacyOption::Delimiter(c) => delimiter = Some(*c),
            CopyLegacyOption::Null(text) => null = Some(text.clone()),
            CopyLegacyOption::Header => header = true,
            CopyLegacyOption::Csv(csv) => {
                if format == CopyFormat::Binary {
                    return Err(redundant());
                }
                format = CopyFormat::Csv;
                let mut given = Vec::new();
                for option in csv {
                    let kind = std::mem::discriminant(option);
                    if given.contains(&kind) {
                        return Err(redundant());
                    }
                    given.push(kind);
                    match option {
                        CopyLegacyCsvOption::Header => header = true,
                        CopyLegacyCsvOption::Quote(c) => quote = Some(*c),
                        CopyLegacyCsvOption::Escape(c) => escape = Some(*c),
                        CopyLegacyCsvOption::ForceQuote(_) => return Err(unsupported("FORCE QUOTE")),
                        CopyLegacyCsvOption::ForceNotNull(_) => return Err(unsupported("FORCE NOT NULL")),
                    }
                }
            }
            other => return Err(unsupported(&other.to_string())),
        }
    }
    let csv = format == CopyFormat::Csv;
    let conflict = |what: &str| {
        Err(QueryError::new(sqlstate::FEATURE_NOT_SUPPORTED, format!("COPY {what} available only in CSV mode")))
    };
    if format == CopyFormat::Binary && (delimiter.is_some() || null.is_some() || header) {
        return Err(QueryError::syntax("cannot specify DELIMITER, NULL or HEADER in BINARY mode", None));
    }
    if !csv && quote.is_some() {
        return conflict("quote");
    }
    if !csv && escape.is_some() {
        return conflict("escape");
    }
    let byte = |c: char, what: &str| {
        u8::try_from(c).ok().filter(u8::is_ascii).ok_or_else(|| {
            QueryError::new(sqlstate::FEATURE_NOT_SUPPORTED, format!("COPY {what} must be a single one-byte character"))
        })
    };
    let delimiter = byte(delimiter.unwrap_or(if csv { ',' } else { '\t' }), "delimiter")?;
    let quote = byte(quote.unwrap_or('"'), "quote")?;
    let escape = match escape {
        Some(c) => byte(c, "escape")?,
        None => quote,
    };
    let null = null.unwrap_or_else(|| if csv { String::new() } else { "\\N".to_owned() });
    let invalid = |message: &str| Err(QueryError::new(sqlstate::INVALID_PARAMETER_VALUE, message));
    if matches!(delimiter, b'\n' | b'\r') {
        return invalid("COPY delimiter cannot be newline or carriage return");
    }
    if null.contains(['\n', '\r']) {
        return invalid("COPY null representation cannot use newline or carriage return");
    }
    if !csv && (delimiter.is_ascii_lowercase() || delimiter.is_ascii_digit() || matches!(delimiter, b'\\' | b'.')) {
        return invalid("COPY delimiter cannot be a lower-case letter, a digit, a backslash or a full stop");
    }
    if csv && delimiter == quote {
        return invalid("COPY delimiter and quote must be different");
    }
    Ok(CopyOptions { format, delimiter, null, header, quote, escape })
}

fn utf8_only(name: &str) -> Result<()> {
    match name.to_lowercase().replace(['-', '_'], "").as_str() {
        "utf8" | "unicode" => Ok(()),
        _ => Err(QueryError::unsupported(format!("COPY with the encoding {name}"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn defaults_follow_the_format() {
        let text = copy_options(&[], &[], |_| None).expect("text");
        assert_eq!((text.format, text.delimiter, text.null.as_str()), (CopyFormat::Text, b'\t', "\\N"));
        let csv = copy_options(&[CopyOption::Format(Ident::new("csv"))], &[], |_| None).expect("csv");
        assert_eq!((csv.format, csv.delimiter, csv.null.as_str(), csv.quote), (CopyFormat::Csv, b',', "", b'"'));
    }

    #[test]
    fn impossible_options_are_refused() {
        let refused = |option| copy_options(&[option], &[], |word| Some(word.len())).expect_err("refused");
        assert_eq!(refused(CopyOption::Quote('x')).sqlstate(), "0A000");
        assert_eq!(refused(CopyOption::Delimiter('é')).sqlstate(), "0A000");
        let error = refused(CopyOption::ForceQuote(vec![Ident::new("a")]));
        assert_eq!(
            (error.0.message.as_str(), error.0.position),
            ("COPY option FORCE_QUOTE is not supported", Some(11))
        );
        let twice = [CopyOption::Header(true), CopyOption::Header(true)];
        assert_eq!(copy_options(&twice, &[], |_| None).expect_err("given twice").sqlstate(), "42601");
    }
}
