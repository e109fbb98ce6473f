//! ORDER BY: directions, ordinals, and ordering over the output of VALUES and set operations.

use sqlparser::ast::{Expr as Ast, OrderByExpr, OrderBySort, Spanned, UnaryOperator, Value as Literal};

use super::names::fold;
use super::scope::{Clause, Frame, ScopeColumn, ScopeRelation};
use super::select::Tail;
use super::{Binder, Bound};
use crate::algebra::{Expr, Plan, SortKey};
use crate::error::{QueryError, Result, sqlstate};

impl Binder<'_> {
    /// (descending, nulls first). NULLs count as larger than everything.
    pub fn sort_direction(&self, key: &OrderByExpr) -> Result<(bool, bool)> {
        if key.with_fill.is_some() {
            return Err(self.unsupported("WITH FILL", key.expr.span()));
        }
        let descending = match &key.options.sort {
            None | Some(OrderBySort::Asc) => false,
            Some(OrderBySort::Desc) => true,
            Some(OrderBySort::Using(operator)) => match operator.to_string().rsplit('.').next() {
                Some("<") => false,
                Some(">") => true,
                _ => {
                    return Err(QueryError::new(
                        sqlstate::WRONG_OBJECT_TYPE,
                        format!("operator {operator} is not a valid ordering operator"),
                    )
                    .hint("Ordering operators must be \"<\" or \">\" members of btree operator families.")
                    .at(self.at(key.expr.span())));
                }
            },
        };
        Ok((descending, key.options.nulls_first.unwrap_or(descending)))
    }

    /// A key inside an aggregate: no ordinals, no output names.
    pub fn bind_sort_key(&mut self, key: &OrderByExpr) -> Result<SortKey> {
        let (descending, nulls_first) = self.sort_direction(key)?;
        Ok(SortKey { expr: self.bind_settled(&key.expr)?, descending, nulls_first })
    }

    /// Index of the output column that an integer literal stands for. 42P10 when out of range, 42601 for other
    /// constants.
    pub fn ordinal(&self, ast: &Ast, column_count: usize, what: &str) -> Result<Option<usize>> {
        let literal = match ast {
            Ast::Value(literal) => literal,
            Ast::UnaryOp { op: UnaryOperator::Minus, expr } => match &**expr {
                Ast::Value(literal) if matches!(literal.value, Literal::Number(..)) => {
                    return Err(self.no_such_ordinal(&format!("-{}", literal.value), what, ast));
                }
                _ => return Ok(None),
            },
            _ => return Ok(None),
        };
        match &literal.value {
            Literal::Number(text, _) => match text.parse::<usize>() {
                Ok(number) if (1..=column_count).contains(&number) => Ok(Some(number - 1)),
                Ok(_) => Err(self.no_such_ordinal(text, what, ast)),
                Err(_) => Err(QueryError::syntax(format!("non-integer constant in {what}"), self.at(literal.span))),
            },
            Literal::Null | Literal::Placeholder(_) | Literal::Boolean(_) => Ok(None),
            _ => Err(QueryError::syntax(format!("non-integer constant in {what}"), self.at(literal.span))),
        }
    }

    fn no_such_ordinal(&self, text: &str, what: &str, ast: &Ast) -> QueryError {
        QueryError::new(sqlstate::INVALID_COLUMN_REFERENCE, format!("{what} position {text} is not in select list"))
            .at(self.at(ast.span()))
    }

    /// ORDER BY and LIMIT over VALUES or a set operation: output columns only, as in PostgreSQL.
    pub fn bind_tail_over_output(&mut self, bound: Bound, tail: Tail<'_>) -> Result<Bound> {
        let Bound { mut plan, output } = bound;
        let mut keys = Vec::with_capacity(tail.order_by.len());
        for key in tail.order_by {
            let (descending, nulls_first) = self.sort_direction(key)?;
            let index = match self.ordinal(&key.expr, output.len(), "ORDER BY")? {
                Some(index) => Some(index),
                None => match &key.expr {
                    Ast::Identifier(ident) => {
                        let name = fold(ident);
                        let mut named = output.iter().enumerate().filter(|(_, column)| *column.name == *name);
                        let first = named.next().map(|(index, _)| index);
                        if first.is_some() && named.next().is_some() {
                            return Err(QueryError::new(
                                sqlstate::AMBIGUOUS_COLUMN,
                                format!("ORDER BY \"{name}\" is ambiguous"),
                            )
                            .at(self.at(ident.span)));
                        }
                        if first.is_none() {
                            return Err(self.output_column_missing(&name, &output, ident.span));
                        }
                        first
                    }
                    _ => None,
                },
            };
            let Some(index) = index else {
                return Err(QueryError::new(
                    sqlstate::FEATURE_NOT_SUPPORTED,
                    "invalid UNION/INTERSECT/EXCEPT ORDER BY clause",
                )
                .detail("Only result column names can be used, not expressions or functions.")
                .hint("Add the expression/function to every SELECT, or move the UNION into a FROM clause.")
                .at(self.at(key.expr.span())));
            };
            let expr = Expr::Column(output[index].var, output[index].ty.clone());
            keys.push(SortKey { expr, descending, nulls_first });
        }
        let ties = keys.clone();
        if !keys.is_empty() {
            plan = Plan::Sort { input: Box::new(plan), keys };
        }
        plan = self.limit(plan, tail, ties, false)?;
        Ok(Bound { plan, output })
    }

    fn output_column_missing(
        &mut self,
        name: &str,
        output: &[crate::statement::OutputColumn],
        span: sqlparser::tokenizer::Span,
    ) -> QueryError {
        let columns = output
            .iter()
            .map(|column| ScopeColumn {
                name: column.name.clone(),
                var: column.var,
                ty: column.ty.clone(),
                origin: None,
            })
            .collect();
        let mut frame = Frame::new(Clause::OrderBy);
        frame.relations.push(ScopeRelation { name: None, schema: None, columns, tableoid: None });
        self.frames.push(frame);
        let error = self.missing_column(name, span);
        self.frames.pop();
        error
    }
}
