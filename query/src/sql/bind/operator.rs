//! Operators: AND and OR chains, comparison and arithmetic, IN, BETWEEN, LIKE, ANY and ALL.

use sinew_storage::DataType;
use sqlparser::ast::{BinaryOperator, Expr as Ast, Spanned};

use super::Binder;
use super::row_compare::row;
use crate::algebra::{Expr, Subquery, SubqueryKind};
use crate::error::{QueryError, Result, sqlstate};
use crate::functions::{self, ResolvedFunction};

impl Binder<'_> {
    /// A binary operator. Chains lean left and may be long, so their spine is walked in a loop.
    pub fn bind_binary(&mut self, ast: &Ast) -> Result<Expr> {
        let mut spine: Vec<(&Ast, &BinaryOperator, &Ast)> = Vec::new();
        let mut first = ast;
        while let Ast::BinaryOp { left, op, right } = first {
            if row(left).is_some() {
                break;
            }
            spine.push((left, op, right));
            first = left;
        }
        if spine.is_empty() {
            let Ast::BinaryOp { left, op, right } = ast else { return self.bind_expr(ast) };
            return self.bind_row_operator(left, op, right);
        }
        let mut expr = match first {
            Ast::BinaryOp { left, op, right } => self.bind_row_operator(left, op, right)?,
            other => self.bind_expr(other)?,
        };
        for (left, op, right) in spine.into_iter().rev() {
            expr = match op {
                BinaryOperator::And => {
                    let left = self.operand(expr, left, "AND")?;
                    let right = self.bind_condition(right, "AND")?;
                    match left {
                        Expr::And(mut conjuncts) => {
                            conjuncts.push(right);
                            Expr::And(conjuncts)
                        }
                        left => Expr::And(vec![left, right]),
                    }
                }
                BinaryOperator::Or => {
                    let left = self.operand(expr, left, "OR")?;
                    let right = self.bind_condition(right, "OR")?;
                    match left {
                        Expr::Or(mut disjuncts) => {
                            disjuncts.push(right);
                            Expr::Or(disjuncts)
                        }
                        left => Expr::Or(vec![left, right]),
                    }
                }
                op => {
                    let place = self.operator_place(left, right);
                    let symbol = self.operator_symbol(op, place)?;
                    let right = self.bind_expr(right)?;
                    self.binary(&symbol, expr, right, place)?
                }
            };
        }
        Ok(expr)
    }

    /// The left side of AND or OR. Its place is looked for only when it is wrong: it may be a long chain.
    fn operand(&mut self, expr: Expr, ast: &Ast, what: &str) -> Result<Expr> {
        match expr.ty() {
            DataType::Bool => Ok(expr),
            _ => {
                let position = self.at(ast.span());
                self.boolean(expr, what, position)
            }
        }
    }

    /// PostgreSQL's spelling; 42883 or 0A000 for operators of other databases.
    pub fn operator_symbol(&self, op: &BinaryOperator, position: Option<usize>) -> Result<String> {
        Ok(match op {
            BinaryOperator::NotEq => "<>".to_owned(),
            BinaryOperator::PGExp => "^".to_owned(),
            BinaryOperator::PGBitwiseXor => "#".to_owned(),
            BinaryOperator::Custom(symbol) => symbol.clone(),
            BinaryOperator::PGCustomBinaryOperator(parts) => {
                if let [schema, _] = parts.as_slice()
                    && !schema.eq_ignore_ascii_case("pg_catalog")
                {
                    return Err(QueryError::new(
                        sqlstate::INVALID_SCHEMA_NAME,
                        format!("schema \"{schema}\" has no operators"),
                    )
                    .at(position));
                }
                parts.last().cloned().unwrap_or_default()
            }
            BinaryOperator::Overlaps => return Err(QueryError::unsupported("OVERLAPS").at(position)),
            BinaryOperator::Xor
            | BinaryOperator::DuckIntegerDivide
            | BinaryOperator::MyIntegerDivide
            | BinaryOperator::Match
            | BinaryOperator::Regexp
            | BinaryOperator::Glob
            | BinaryOperator::Assignment => {
                return Err(QueryError::syntax(format!("syntax error at or near \"{op}\""), position));
            }
            other => other.to_string(),
        })
    }

    /// Place of the operator between two operands.
    pub fn operator_place(&self, left: &Ast, right: &Ast) -> Option<usize> {
        self.between(left.span(), right.span())
    }

    /// Resolves and applies a binary operator.
    pub fn binary(&mut self, symbol: &str, left: Expr, right: Expr, position: Option<usize>) -> Result<Expr> {
        let symbol = if symbol == "!=" { "<>" } else { symbol };
        if let Some(comparison) = self.compare_records(symbol, &left, &right) {
            return Ok(comparison);
        }
        let resolved =
            functions::resolve_operator(symbol, Some(&left.ty()), &right.ty()).map_err(|error| error.at(position))?;
        self.call(resolved, vec![left, right], position)
    }

    /// A call of what resolution found, arguments converted.
    pub fn call(&mut self, resolved: ResolvedFunction, args: Vec<Expr>, position: Option<usize>) -> Result<Expr> {
        let mut cast = Vec::with_capacity(args.len());
        for (index, arg) in args.into_iter().enumerate() {
            let to = resolved.args.get(index).or(resolved.args.last()).cloned().unwrap_or(DataType::Any);
            cast.push(self.coerce_argument(arg, &to, position)?);
        }
        Ok(Expr::Call {
            function: resolved.function,
            args: cast,
            ty: resolved.returns,
            position: position.and_then(|position| u32::try_from(position).ok()),
        })
    }

    /// As `coerce`, but a modifier that only the argument has needs no cast.
    pub fn coerce_argument(&mut self, arg: Expr, to: &DataType, position: Option<usize>) -> Result<Expr> {
        let from = arg.ty();
        if from != DataType::Unknown && from.same_base(to) && super::data_type::without_modifier(to) == *to {
            return Ok(arg);
        }
        self.coerce(arg, to, position)
    }

    /// Two operands as the operator wants them.
    pub fn pair(
        &mut self,
        left: Expr,
        right: Expr,
        args: &[DataType],
        position: Option<usize>,
    ) -> Result<(Expr, Expr)> {
        let any = DataType::Any;
        let left = self.coerce_argument(left, args.first().unwrap_or(&any), position)?;
        let right = self.coerce_argument(right, args.get(1).unwrap_or(&any), position)?;
        Ok((left, right))
    }

    /// `x IN (a, b, …)`: one common type when there is one, else a comparison each.
    pub fn bind_in_list(&mut self, input: &Ast, list: &[Ast], negated: bool) -> Result<Expr> {
        if row(input).is_some() {
            let mut alternatives = Vec::with_capacity(list.len());
            for item in list {
                alternatives.push(self.bind_row_operator(input, &BinaryOperator::Eq, item)?);
            }
            let any = if alternatives.len() == 1 { alternatives.remove(0) } else { Expr::Or(alternatives) };
            return Ok(if negated { Expr::Not(Box::new(any)) } else { any });
        }
        let place = list.first().and_then(|first| self.operator_place(input, first));
        let value = self.bind_expr(input)?;
        let items = list.iter().map(|item| self.bind_expr(item)).collect::<Result<Vec<_>>>()?;
        let mut types = vec![value.ty()];
        types.extend(items.iter().map(Expr::ty));
        if let Ok(ty) = self.common_type(&types, "IN", place) {
            let resolved = functions::resolve_operator("=", Some(&ty), &ty).map_err(|error| error.at(place))?;
            let left = resolved.args.first().cloned().unwrap_or_else(|| ty.clone());
            let right = resolved.args.get(1).cloned().unwrap_or(ty);
            let value = self.coerce_argument(value, &left, place)?;
            let mut cast = Vec::with_capacity(items.len());
            for (item, ast) in items.into_iter().zip(list) {
                let position = self.at(ast.span());
                cast.push(self.coerce_argument(item, &right, position)?);
            }
            return Ok(Expr::InList { equals: resolved.function, input: Box::new(value), items: cast, negated });
        }
        let mut alternatives = Vec::with_capacity(items.len());
        for item in items {
            alternatives.push(self.binary("=", value.clone(), item, place)?);
        }
        let any = Expr::Or(alternatives);
        Ok(if negated { Expr::Not(Box::new(any)) } else { any })
    }

    pub fn bind_between(&mut self, input: &Ast, low: &Ast, high: &Ast, negated: bool) -> Result<Expr> {
        let low_place = self.operator_place(input, low);
        let value = self.bind_expr(input)?;
        let low = self.bind_expr(low)?;
        let high = self.bind_expr(high)?;
        let (at_least, at_most) = if negated { ("<", ">") } else { (">=", "<=") };
        let lower = self.binary(at_least, value.clone(), low, low_place)?;
        let upper = self.binary(at_most, value, high, low_place)?;
        Ok(if negated { Expr::Or(vec![lower, upper]) } else { Expr::And(vec![lower, upper]) })
    }

    pub fn bind_like(&mut self, symbol: &str, input: &Ast, pattern: &Ast, escape: Option<&Ast>) -> Result<Expr> {
        let place = self.operator_place(input, pattern);
        let value = self.bind_expr(input)?;
        let mut matched = self.bind_expr(pattern)?;
        if let Some(escape) = escape {
            let escape = self.bind_expr(escape)?;
            let resolved = functions::resolve_function("like_escape", &[matched.ty(), escape.ty()])
                .map_err(|error| error.at(place))?;
            matched = self.call(resolved, vec![matched, escape], place)?;
        }
        self.binary(symbol, value, matched, place)
    }

    /// SIMILAR TO: a match of the pattern as a regular expression.
    pub fn bind_similar(&mut self, symbol: &str, input: &Ast, pattern: &Ast, escape: Option<&Ast>) -> Result<Expr> {
        let place = self.operator_place(input, pattern);
        let value = self.bind_expr(input)?;
        let mut args = vec![self.bind_expr(pattern)?];
        if let Some(escape) = escape {
            args.push(self.bind_expr(escape)?);
        }
        let pattern = self.call_named("similar_to_escape", args, pattern.span())?;
        self.binary(symbol, value, pattern, place)
    }

    /// `x op ANY (…)`, `x op ALL (…)` over an array or a subquery.
    pub fn bind_quantified(&mut self, left: &Ast, op: &BinaryOperator, right: &Ast, all: bool) -> Result<Expr> {
        let place = self.operator_place(left, right);
        let symbol = self.operator_symbol(op, place)?;
        if let Some(query) = subquery_of(right) {
            return self.bind_quantified_subquery(left, &symbol, query, all, place);
        }
        let input = self.bind_expr(left)?;
        let array = self.bind_expr(right)?;
        let element = match array.ty().vector_as_array().unwrap_or(array.ty()) {
            DataType::Array(element) => *element,
            DataType::Unknown => DataType::Unknown,
            _ => {
                return Err(QueryError::new(
                    sqlstate::WRONG_OBJECT_TYPE,
                    "op ANY/ALL (array) requires array on right side",
                )
                .at(place));
            }
        };
        let resolved =
            functions::resolve_operator(&symbol, Some(&input.ty()), &element).map_err(|error| error.at(place))?;
        if resolved.returns != DataType::Bool {
            return Err(QueryError::new(
                sqlstate::WRONG_OBJECT_TYPE,
                "op ANY/ALL (array) requires operator to yield boolean",
            )
            .at(place));
        }
        let any = DataType::Any;
        let input = self.coerce_argument(input, resolved.args.first().unwrap_or(&any), place)?;
        let wanted = DataType::array_of(resolved.args.get(1).cloned().unwrap_or(any));
        let array = self.coerce_argument(array, &wanted, place)?;
        Ok(Expr::Quantified { operator: resolved.function, input: Box::new(input), array: Box::new(array), all })
    }

    fn bind_quantified_subquery(
        &mut self,
        left: &Ast,
        symbol: &str,
        query: &sqlparser::ast::Query,
        all: bool,
        place: Option<usize>,
    ) -> Result<Expr> {
        if let Some(row) = row(left) {
            if symbol != "=" && symbol != "<>" {
                return Err(QueryError::unsupported(format!("a row compared by {symbol} with a subquery")).at(place));
            }
            return self.bind_row_subquery(row, symbol, query, all, place);
        }
        let input = self.bind_expr(left)?;
        let mut bound = self.bind_subquery(query, true)?;
        self.one_column(&bound, place)?;
        let resolved = functions::resolve_operator(symbol, Some(&input.ty()), &bound.output[0].ty)
            .map_err(|error| error.at(place))?;
        let any = DataType::Any;
        let input = self.coerce_argument(input, resolved.args.first().unwrap_or(&any), place)?;
        let wanted = resolved.args.get(1).cloned().unwrap_or(any);
        if !bound.output[0].ty.same_base(&wanted) && wanted != DataType::Any {
            self.coerce_output(&mut bound, 0, &wanted)?;
        }
        self.settle_outputs(&mut bound)?;
        let operator = resolved.function;
        let kind = if all { SubqueryKind::All { operator, input } } else { SubqueryKind::Any { operator, input } };
        let column = bound.output[0].var;
        Ok(Expr::Subquery(Box::new(Subquery { kind, plan: bound.plan, column: Some(column), ty: DataType::Bool })))
    }

    /// `x IN (SELECT …)`.
    pub fn bind_in_subquery(&mut self, input: &Ast, query: &sqlparser::ast::Query, negated: bool) -> Result<Expr> {
        let place = self.between(input.span(), query.span());
        let any = self.bind_quantified_subquery(input, "=", query, false, place)?;
        Ok(if negated { Expr::Not(Box::new(any)) } else { any })
    }
}

/// A parenthesised subquery.
pub fn subquery_of(ast: &Ast) -> Option<&sqlparser::ast::Query> {
    match ast {
        Ast::Subquery(query) => Some(query),
        Ast::Nested(inner) => subquery_of(inner),
        _ => None,
    }
}
