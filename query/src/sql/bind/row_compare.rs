//! Row values: `(a, b) = (1, 2)`, `(a, b) < (1, 2)`, `(a, b) IN (…)`.

use sinew_storage::DataType;
use sqlparser::ast::{BinaryOperator, Expr as Ast, FunctionArg, FunctionArgExpr, FunctionArguments, Spanned};
use sqlparser::tokenizer::Span;

use super::Binder;
use super::operator::subquery_of;
use crate::algebra::{Expr, Plan, Subquery, SubqueryKind};
use crate::error::{QueryError, Result, sqlstate};
use crate::functions;

/// The fields of a row constructor: `(a, b)` or `ROW(a, b)`.
pub fn row(ast: &Ast) -> Option<Vec<&Ast>> {
    match ast {
        Ast::Tuple(fields) => Some(fields.iter().collect()),
        Ast::Nested(inner) => row(inner),
        Ast::Function(function) if function.name.to_string().eq_ignore_ascii_case("row") => {
            let FunctionArguments::List(list) = &function.args else { return None };
            list.args
                .iter()
                .map(|arg| match arg {
                    FunctionArg::Unnamed(FunctionArgExpr::Expr(expr)) => Some(expr),
                    _ => None,
                })
                .collect()
        }
        _ => None,
    }
}

impl Binder<'_> {
    pub fn unequal_rows(&self, span: Span) -> QueryError {
        QueryError::syntax("unequal number of entries in row expressions", self.at(span))
    }

    /// A comparison whose left side is a row.
    pub fn bind_row_operator(&mut self, left: &Ast, op: &BinaryOperator, right: &Ast) -> Result<Expr> {
        let place = self.operator_place(left, right);
        let Some(left_row) = row(left) else { return Err(QueryError::internal("a row was expected")) };
        if let Some(query) = subquery_of(right) {
            let symbol = self.operator_symbol(op, place)?;
            if symbol != "=" && symbol != "<>" {
                return Err(QueryError::unsupported(format!("a row compared by {symbol} with a subquery")).at(place));
            }
            return self.bind_row_scalar_subquery(&left_row, &symbol, query, place);
        }
        let Some(right_row) = row(right) else {
            return Err(self.unsupported("comparing a row with something that is no row", right.span()));
        };
        if left_row.len() != right_row.len() {
            return Err(self.unequal_rows(left.span()));
        }
        if matches!(op, BinaryOperator::Overlaps) {
            if left_row.len() != 2 {
                return Err(QueryError::syntax(
                    "wrong number of parameters on left side of OVERLAPS expression",
                    place,
                ));
            }
            let args: Vec<&Ast> = left_row.into_iter().chain(right_row).collect();
            return self.bind_call_of("overlaps", &args, left.span());
        }
        let symbol = self.operator_symbol(op, place)?;
        let mut pairs = Vec::with_capacity(left_row.len());
        for (left, right) in left_row.into_iter().zip(right_row) {
            pairs.push((self.bind_expr(left)?, self.bind_expr(right)?));
        }
        self.compare_rows(&symbol, pairs, place)
    }

    fn compare_rows(&mut self, symbol: &str, pairs: Vec<(Expr, Expr)>, place: Option<usize>) -> Result<Expr> {
        match symbol {
            "=" => {
                let parts = pairs
                    .into_iter()
                    .map(|(left, right)| self.binary("=", left, right, place))
                    .collect::<Result<Vec<_>>>()?;
                Ok(Expr::and(parts))
            }
            "<>" | "!=" => {
                let parts = pairs
                    .into_iter()
                    .map(|(left, right)| self.binary("<>", left, right, place))
                    .collect::<Result<Vec<_>>>()?;
                Ok(if parts.len() == 1 { Expr::and(parts) } else { Expr::Or(parts) })
            }
            "<" | "<=" | ">" | ">=" => {
                // (a, b) < (c, d)  is  a < c OR (a = c AND b < d), from the right.
                let strict = if symbol.starts_with('<') { "<" } else { ">" };
                let mut result: Option<Expr> = None;
                for (left, right) in pairs.into_iter().rev() {
                    result = Some(match result {
                        None => self.binary(symbol, left, right, place)?,
                        Some(rest) => {
                            let before = self.binary(strict, left.clone(), right.clone(), place)?;
                            let equal = self.binary("=", left, right, place)?;
                            Expr::Or(vec![before, Expr::And(vec![equal, rest])])
                        }
                    });
                }
                result.ok_or_else(|| QueryError::syntax("cannot compare rows of zero length", place))
            }
            other => Err(QueryError::unsupported(format!("operator {other} on rows")).at(place)),
        }
    }

    /// `(a, b) = ANY (SELECT x, y …)`: the comparison is made inside the subquery, so that NULLs count as they should:
    /// TRUE = ANY (SELECT a = x AND b = y …).
    pub fn bind_row_subquery(
        &mut self,
        left: Vec<&Ast>,
        symbol: &str,
        query: &sqlparser::ast::Query,
        all: bool,
        place: Option<usize>,
    ) -> Result<Expr> {
        let (plan, matched) = self.row_comparison_plan(&left, symbol, query, place)?;
        let resolved = functions::resolve_operator("=", Some(&DataType::Bool), &DataType::Bool)?;
        let operator = resolved.function;
        let input = Expr::bool(true);
        let kind = if all { SubqueryKind::All { operator, input } } else { SubqueryKind::Any { operator, input } };
        Ok(Expr::Subquery(Box::new(Subquery { kind, plan, column: Some(matched), ty: DataType::Bool })))
    }

    /// `(a, b) = (SELECT x, y …)`: one row at most.
    fn bind_row_scalar_subquery(
        &mut self,
        left: &[&Ast],
        symbol: &str,
        query: &sqlparser::ast::Query,
        place: Option<usize>,
    ) -> Result<Expr> {
        let (plan, matched) = self.row_comparison_plan(left, symbol, query, place)?;
        Ok(Expr::Subquery(Box::new(Subquery {
            kind: SubqueryKind::Scalar,
            plan,
            column: Some(matched),
            ty: DataType::Bool,
        })))
    }

    fn row_comparison_plan(
        &mut self,
        left: &[&Ast],
        symbol: &str,
        query: &sqlparser::ast::Query,
        place: Option<usize>,
    ) -> Result<(Plan, crate::algebra::VarId)> {
        let fields = left.iter().map(|field| self.bind_expr(field)).collect::<Result<Vec<_>>>()?;
        let mut bound = self.bind_subquery(query, false)?;
        if bound.output.len() != fields.len() {
            let what = if bound.output.len() < fields.len() { "few" } else { "many" };
            return Err(QueryError::new(sqlstate::SYNTAX_ERROR, format!("subquery has too {what} columns")).at(place));
        }
        let pairs = fields
            .into_iter()
            .zip(&bound.output)
            .map(|(field, column)| (field, Expr::Column(column.var, column.ty.clone())))
            .collect();
        let test = self.compare_rows(symbol, pairs, place)?;
        let matched = self.vars.add("matched", DataType::Bool);
        let input = Box::new(std::mem::take(&mut bound.plan));
        Ok((Plan::Project { input, items: vec![(matched, test)] }, matched))
    }
}
