//! COPY: what is copied, in which columns, and what becomes of it.

use std::sync::Arc;

use sinew_storage::Value;
use sqlparser::ast::{Expr as Ast, Ident, ObjectName, ObjectNamePart, Query, SetExpr, Spanned, Statement};

use super::copy_options::{ForcedColumns, ReadOptions};
use super::names::Relation;
use super::scope::{Clause, FromItem};
use super::view_write::WriteTarget;
use super::{Binder, Bound};
use crate::algebra::{Expr, Insert, Plan, VarId};
use crate::error::{QueryError, Result, sqlstate};
use crate::sql::copy_syntax::{CopyPlace, CopySource, CopySyntax};
use crate::statement::{self, BoundStatement, CopyOptions, OutputColumn, QueryKind};
use crate::system::graph_relations;

impl Binder<'_> {
    pub fn bind_copy(mut self, copy: &CopySyntax) -> Result<BoundStatement> {
        let CopySyntax { source, to, place, options, filter } = copy;
        let to = *to;
        self.refuses_parameters = true;
        if let Some((_, location)) = filter
            && to
        {
            let position = self.source.and_then(|text| crate::sql::position::character_position(text, *location));
            return Err(QueryError::syntax("WHERE clause not allowed with COPY TO", position));
        }
        match place {
            CopyPlace::Client => {}
            CopyPlace::File => {
                return Err(QueryError::unsupported("COPY with a server-side file")
                    .hint("Use COPY … FROM STDIN or TO STDOUT, or psql's \\copy."));
            }
            CopyPlace::Program => return Err(QueryError::unsupported("COPY with a program")),
        }
        let read = self.copy_options(options, to)?;
        match source {
            CopySource::Table { name, columns } if to => {
                let all = names(&self.copy_table_out(name, &[])?.output);
                let bound = self.copy_table_out(name, columns)?;
                let of = self.qualified_name(name)?.name;
                let options = settled(read, &names(&bound.output), Some((&of, &all)))?;
                let query = self.finish(bound, QueryKind::Select)?;
                Ok(BoundStatement::CopyTo { query, options })
            }
            CopySource::Table { name, columns } => {
                self.copy_from(name, columns, filter.as_ref().map(|(ast, _)| ast), read)
            }
            CopySource::Query(query) => {
                if !returns_rows(query) {
                    return Err(QueryError::new(
                        sqlstate::FEATURE_NOT_SUPPORTED,
                        "COPY query must have a RETURNING clause",
                    ));
                }
                let writes = matches!(&*query.body, SetExpr::Insert(_) | SetExpr::Update(_) | SetExpr::Delete(_));
                let (bound, kind) = match writes {
                    true => self.bind_write_with(query)?,
                    false => (self.bind_query(query, false)?, QueryKind::Select),
                };
                let options = settled(read, &names(&bound.output), None)?;
                let query = self.finish(bound, kind)?;
                Ok(BoundStatement::CopyTo { query, options })
            }
        }
    }

    /// The options of a COPY of a query that is bound already. `text` is the statement with a query of SQL in its place.
    pub fn bind_copy_options(&self, text: &str, columns: &[OutputColumn]) -> Result<CopyOptions> {
        let CopySyntax { to, place, options, .. } = crate::sql::parse::parse_copy(text)?;
        if place != CopyPlace::Client {
            return Err(QueryError::unsupported("COPY with a server-side file or a program")
                .hint("Use COPY … TO STDOUT, or psql's \\copy."));
        }
        settled(self.copy_options(&options, to)?, &names(columns), None)
    }

    fn copy_from(
        mut self,
        name: &ObjectName,
        columns: &[Ident],
        filter: Option<&Ast>,
        read: ReadOptions,
    ) -> Result<BoundStatement> {
        let names: Vec<ObjectName> =
            columns.iter().map(|column| ObjectName(vec![ObjectNamePart::Identifier(column.clone())])).collect();
        let qualified = self.qualified_name(name)?;
        let relation = self.find_relation(&qualified);
        let graph = match &relation {
            Some(Relation::System { schema, .. }) => graph_relations::writable(schema, &qualified.name),
            _ => None,
        };
        if let Some(Relation::View(_)) = relation {
            return Err(QueryError::new(
                sqlstate::WRONG_OBJECT_TYPE,
                format!("cannot copy to view \"{}\"", qualified.name),
            )
            .hint("To enable copying to a view, provide an INSTEAD OF INSERT trigger."));
        }
        if let Some(Relation::Materialized(_)) = relation {
            return Err(QueryError::new(
                sqlstate::WRONG_OBJECT_TYPE,
                format!("cannot copy to materialized view \"{}\"", qualified.name),
            ));
        }
        let table = match &graph {
            Some(relation) => Arc::new(relation.table()),
            None => {
                let table = self.target_table(name)?;
                self.check_writable(&table, name.span())?;
                table
            }
        };
        let written = WriteTarget { named: Arc::clone(&table), table: Arc::clone(&table), view: None };
        let (targets, _) = self.insert_targets(&written, &names)?;
        let mut output = Vec::with_capacity(targets.len());
        let mut columns = Vec::with_capacity(targets.len());
        let mut values: Vec<Option<Expr>> = vec![None; table.columns.len()];
        for target in targets.into_iter().map(|target| target.position) {
            let column = &table.columns[target];
            let var = self.vars.add(column.name.as_str(), column.ty.clone());
            output.push(var);
            columns.push((column.name.clone(), column.ty.clone()));
            values[target] = Some(Expr::Column(var, column.ty.clone()));
        }
        let column_names: Vec<String> = columns.iter().map(|(name, _)| name.clone()).collect();
        let all: Vec<String> = table.columns.iter().map(|column| column.name.clone()).collect();
        let options = settled(read, &column_names, Some((&table.name, &all)))?;
        let mut source = Plan::Supplied { output };
        let target = statement::CopyTarget { table: table.name.clone(), columns, filtered: filter.is_some() };
        let bound = match graph {
            Some(relation) => {
                let mut args: Vec<Expr> = values
                    .into_iter()
                    .zip(&table.columns)
                    .map(|(value, column)| value.unwrap_or_else(|| Expr::Literal(Value::Null, column.ty.clone())))
                    .collect();
                if let Some(filter) = filter {
                    (source, args) = self.filtered(&table, source, args, filter)?;
                }
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
                if let Some(filter) = filter {
                    (source, complete) = self.filtered(&table, source, complete, filter)?;
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

    /// Rows of the table, of `values` over `source`, for which WHERE holds; and the values over these.
    fn filtered(
        &mut self,
        table: &sinew_storage::catalog::TableDef,
        source: Plan,
        values: Vec<Expr>,
        filter: &Ast,
    ) -> Result<(Plan, Vec<Expr>)> {
        let row = self.row_vars(table);
        let frame = self.row_frame(table, &row, Clause::CopyWhere);
        let (predicate, frame) = self.with_frame(frame, |binder| binder.bind_condition(filter, "WHERE"))?;
        let position = self.at(filter.span());
        let refused = |what: &str| QueryError::new(sqlstate::FEATURE_NOT_SUPPORTED, what).at(position);
        let mut predicate = predicate;
        let mut has_subquery = false;
        super::walk::walk_expr(&mut predicate, &mut |expr| {
            has_subquery |= matches!(expr, Expr::Subquery(_));
            true
        });
        if has_subquery {
            return Err(refused("cannot use subquery in COPY FROM WHERE condition"));
        }
        if !frame.sets.is_empty() {
            return Err(refused("set-returning functions are not allowed in COPY FROM WHERE conditions"));
        }
        let items: Vec<(VarId, Expr)> = row.iter().copied().zip(values).collect();
        let input = Plan::Filter { input: Box::new(Plan::Project { input: Box::new(source), items }), predicate };
        let values =
            row.iter().zip(&table.columns).map(|(var, column)| Expr::Column(*var, column.ty.clone())).collect();
        Ok((input, values))
    }

    fn copy_table_out(&mut self, name: &ObjectName, columns: &[Ident]) -> Result<Bound> {
        let qualified = self.qualified_name(name)?;
        let item: FromItem = match self.find_relation(&qualified) {
            Some(Relation::Table(table)) => self.scan_table(&table)?.0,
            Some(Relation::Materialized(table)) => {
                return Err(QueryError::new(
                    sqlstate::WRONG_OBJECT_TYPE,
                    format!("cannot copy from materialized view \"{}\"", table.name),
                )
                .hint("Try the COPY (SELECT ...) TO variant."));
            }
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

fn names(columns: &[OutputColumn]) -> Vec<String> {
    columns.iter().map(|column| column.name.to_string()).collect()
}

/// INSERT and its like as the query of COPY give rows with RETURNING only.
fn returns_rows(query: &Query) -> bool {
    match query.body.as_ref() {
        SetExpr::Insert(Statement::Insert(insert)) => insert.returning.is_some(),
        SetExpr::Update(Statement::Update(update)) => update.returning.is_some(),
        SetExpr::Delete(Statement::Delete(delete)) => delete.returning.is_some(),
        _ => true,
    }
}

/// Finds the columns that options name among those copied. `relation`: the table's name and all of its columns.
fn settled(read: ReadOptions, columns: &[String], relation: Option<(&str, &[String])>) -> Result<CopyOptions> {
    let ReadOptions { mut options, force_quote, force_not_null, force_null } = read;
    options.force_quote = forced(&force_quote, "FORCE_QUOTE", columns, relation)?;
    options.force_not_null = forced(&Some(force_not_null), "FORCE_NOT_NULL", columns, relation)?;
    options.force_null = forced(&Some(force_null), "FORCE_NULL", columns, relation)?;
    Ok(options)
}

/// Per column whether the option names it; empty when it names none.
fn forced(
    named: &ForcedColumns,
    option: &str,
    columns: &[String],
    relation: Option<(&str, &[String])>,
) -> Result<Vec<bool>> {
    let Some(named) = named else { return Ok(vec![true; columns.len()]) };
    if named.is_empty() {
        return Ok(Vec::new());
    }
    let mut chosen = vec![false; columns.len()];
    for ident in named {
        let name = super::names::fold(ident);
        if let Some(at) = columns.iter().position(|column| **column == *name) {
            chosen[at] = true;
            continue;
        }
        let (of, is_column) = match relation {
            Some((relation, all)) => {
                (format!(" of relation \"{relation}\""), all.iter().any(|column| **column == *name))
            }
            None => (String::new(), false),
        };
        return Err(match is_column {
            true => QueryError::new(
                sqlstate::INVALID_COLUMN_REFERENCE,
                format!("{option} column \"{name}\" not referenced by COPY"),
            ),
            false => QueryError::new(sqlstate::UNDEFINED_COLUMN, format!("column \"{name}\"{of} does not exist")),
        });
    }
    Ok(chosen)
}
