//! Expressions: one arm per form of the syntax tree; the longer ones have files of their own.

use sinew_storage::{DataType, Value};
use sqlparser::ast::{
    AccessExpr, BinaryOperator, CaseWhen, Expr as Ast, Ident, ObjectName, Spanned, Subscript, UnaryOperator,
};
use sqlparser::tokenizer::Span;

use super::names::fold;
use super::{Binder, intrinsics};
use crate::algebra::Expr;
use crate::error::{QueryError, Result, sqlstate};
use crate::functions::{self, CastContext};
use crate::types::type_name;

impl Binder<'_> {
    /// Binds an expression; literals and parameters may stay open.
    pub fn bind_expr(&mut self, ast: &Ast) -> Result<Expr> {
        match ast {
            Ast::Identifier(ident) => self.bind_identifier(ident),
            Ast::CompoundIdentifier(parts) => self.bind_compound(parts),
            Ast::Value(literal) => self.bind_literal(literal),
            Ast::Nested(inner) => self.bind_expr(inner),
            Ast::BinaryOp { .. } => self.bind_binary(ast),
            Ast::UnaryOp { op, expr } => self.bind_unary(*op, expr),
            Ast::Function(function) => self.bind_function(function),
            Ast::Cast { kind, expr, data_type, format } => {
                if format.is_some()
                    || !matches!(kind, sqlparser::ast::CastKind::Cast | sqlparser::ast::CastKind::DoubleColon)
                {
                    return Err(self.unsupported(format_args!("{ast}"), expr.span()));
                }
                self.bind_cast(expr, data_type)
            }
            Ast::TypedString(typed) => {
                let ty = self.data_type(&typed.data_type, typed.value.span)?;
                let literal = self.bind_literal(&typed.value)?;
                let position = self.at(typed.value.span);
                self.convert(literal, &ty, CastContext::Explicit, position)
            }
            Ast::IsNull(expr) => {
                let expr = self.bind_settled(expr)?;
                if expr.ty() == DataType::Record {
                    return Ok(intrinsics::record_null_test(expr, false));
                }
                Ok(Expr::IsNull(Box::new(expr)))
            }
            Ast::IsNotNull(expr) => {
                let expr = self.bind_settled(expr)?;
                if expr.ty() == DataType::Record {
                    return Ok(intrinsics::record_null_test(expr, true));
                }
                Ok(Expr::Not(Box::new(Expr::IsNull(Box::new(expr)))))
            }
            Ast::IsTrue(expr) => self.bind_truth(expr, Some(true), false, "IS TRUE"),
            Ast::IsNotTrue(expr) => self.bind_truth(expr, Some(true), true, "IS NOT TRUE"),
            Ast::IsFalse(expr) => self.bind_truth(expr, Some(false), false, "IS FALSE"),
            Ast::IsNotFalse(expr) => self.bind_truth(expr, Some(false), true, "IS NOT FALSE"),
            Ast::IsUnknown(expr) => self.bind_truth(expr, None, false, "IS UNKNOWN"),
            Ast::IsNotUnknown(expr) => self.bind_truth(expr, None, true, "IS NOT UNKNOWN"),
            Ast::IsDistinctFrom(left, right) => Ok(Expr::Not(Box::new(self.bind_not_distinct(left, right)?))),
            Ast::IsNotDistinctFrom(left, right) => self.bind_not_distinct(left, right),
            Ast::InList { expr, list, negated } => self.bind_in_list(expr, list, *negated),
            Ast::InSubquery { expr, subquery, negated } => self.bind_in_subquery(expr, subquery, *negated),
            Ast::Between { expr, negated, low, high } => self.bind_between(expr, low, high, *negated),
            Ast::Like { negated, any: false, expr, pattern, escape_char } => {
                let symbol = if *negated { "!~~" } else { "~~" };
                self.bind_like(symbol, expr, pattern, escape_char.as_deref())
            }
            Ast::Like { negated, any: true, expr, pattern, escape_char: None } => {
                let op = if *negated { BinaryOperator::PGNotLikeMatch } else { BinaryOperator::PGLikeMatch };
                self.bind_quantified(expr, &op, pattern, false)
            }
            Ast::ILike { negated, any: true, expr, pattern, escape_char: None } => {
                let op = if *negated { BinaryOperator::PGNotILikeMatch } else { BinaryOperator::PGILikeMatch };
                self.bind_quantified(expr, &op, pattern, false)
            }
            Ast::ILike { negated, any: false, expr, pattern, escape_char } => {
                let symbol = if *negated { "!~~*" } else { "~~*" };
                self.bind_like(symbol, expr, pattern, escape_char.as_deref())
            }
            Ast::SimilarTo { negated, expr, pattern, escape_char } => {
                self.bind_similar(if *negated { "!~" } else { "~" }, expr, pattern, escape_char.as_deref())
            }
            Ast::IsNormalized { expr, form, negated } => {
                let mut args = vec![self.bind_expr(expr)?];
                args.extend(form.as_ref().map(|form| Expr::Literal(Value::text(form.to_string()), DataType::Text)));
                let test = self.call_named("is_normalized", args, expr.span())?;
                Ok(if *negated { Expr::Not(Box::new(test)) } else { test })
            }
            Ast::AnyOp { left, compare_op, right, .. } => self.bind_quantified(left, compare_op, right, false),
            Ast::AllOp { left, compare_op, right } => self.bind_quantified(left, compare_op, right, true),
            Ast::AtTimeZone { timestamp, time_zone } => self.bind_at_time_zone(timestamp, time_zone),
            Ast::Extract { field, expr, .. } => self.bind_extract(field, expr),
            Ast::Ceil { expr, field } => self.bind_rounding("ceil", expr, field),
            Ast::Floor { expr, field } => self.bind_rounding("floor", expr, field),
            Ast::Position { expr, r#in } => {
                let span = expr.span();
                self.bind_call_of("position", &[r#in, expr], span)
            }
            Ast::Substring { expr, substring_from, substring_for, .. } => {
                self.bind_substring(expr, substring_from.as_deref(), substring_for.as_deref())
            }
            Ast::Trim { trim_where, trim_what, expr, trim_characters } => {
                self.bind_trim(*trim_where, trim_what.as_deref(), expr, trim_characters.as_deref())
            }
            Ast::Overlay { expr, overlay_what, overlay_from, overlay_for } => {
                let mut args: Vec<&Ast> = vec![expr, overlay_what, overlay_from];
                args.extend(overlay_for.as_deref());
                let span = expr.span();
                self.bind_call_of("overlay", &args, span)
            }
            Ast::Collate { expr, collation } => self.bind_collate(expr, collation),
            Ast::Case { operand, conditions, else_result, case_token, .. } => {
                let span = case_token.0.span;
                self.bind_case(operand.as_deref(), conditions, else_result.as_deref(), span)
            }
            Ast::Exists { subquery, negated } => self.bind_exists(subquery, *negated),
            Ast::Subquery(query) => self.bind_scalar_subquery(query),
            Ast::Array(array) => {
                let array = self.bind_array(&array.elem, ast.span())?;
                self.settle(array)
            }
            Ast::Interval(interval) => self.bind_interval(interval),
            Ast::CompoundFieldAccess { root, access_chain } => self.bind_access(root, access_chain),
            Ast::Tuple(fields) => self.bind_tuple(fields),
            Ast::GroupingSets(_) | Ast::Cube(_) | Ast::Rollup(_) => {
                Err(self.unsupported("GROUPING SETS, CUBE and ROLLUP", ast.span()))
            }
            other => {
                let mut text = other.to_string();
                if text.chars().count() > 40 {
                    text = text.chars().take(40).chain(['…']).collect();
                }
                Err(self.unsupported(format_args!("the expression {text}"), ast.span()))
            }
        }
    }

    /// Binds an expression whose type must be known.
    pub fn bind_settled(&mut self, ast: &Ast) -> Result<Expr> {
        let expr = self.bind_expr(ast)?;
        self.settle(expr)
    }

    fn bind_identifier(&mut self, ident: &Ident) -> Result<Expr> {
        if let Some(expr) = self.resolve_unqualified(ident)? {
            return Ok(expr);
        }
        let name = fold(ident);
        if ident.quote_style.is_none() {
            // Functions of the standard that are written without parentheses.
            match name.as_str() {
                "current_schema" | "current_catalog" | "current_role" | "current_user" | "session_user" | "user"
                | "current_date" | "current_timestamp" | "localtimestamp" | "current_time" | "localtime" => {
                    return self.bind_niladic(&name, ident.span);
                }
                "default" => {
                    return Err(QueryError::syntax("DEFAULT is not allowed in this context", self.at(ident.span)));
                }
                _ => {}
            }
        }
        if let Some(row) = self.whole_row(None, &name, ident.span) {
            return Ok(row);
        }
        Err(self.missing_column(&name, ident.span))
    }

    fn bind_compound(&mut self, parts: &[Ident]) -> Result<Expr> {
        match parts {
            [column] => self.bind_identifier(column),
            [table, column] => self.resolve_qualified(None, table, column),
            [schema, table, column] => self.resolve_qualified(Some(schema), table, column),
            [database, schema, table, column] if fold(database) == self.context.session.database => {
                self.resolve_qualified(Some(schema), table, column)
            }
            _ => Err(QueryError::syntax(
                format!(
                    "improper qualified name (too many dotted names): {}",
                    parts.iter().map(fold).collect::<Vec<_>>().join(".")
                ),
                parts.first().and_then(|part| self.at(part.span)),
            )),
        }
    }

    fn bind_unary(&mut self, op: UnaryOperator, ast: &Ast) -> Result<Expr> {
        match op {
            UnaryOperator::Not => {
                let expr = self.bind_condition(ast, "NOT")?;
                Ok(Expr::Not(Box::new(expr)))
            }
            UnaryOperator::Minus => {
                let expr = self.bind_expr(ast)?;
                if matches!(ast, Ast::Value(_))
                    && let Some(negated) = negate_literal(&expr)
                {
                    return Ok(negated);
                }
                self.prefix("-", expr, ast)
            }
            UnaryOperator::Plus
            | UnaryOperator::BitwiseNot
            | UnaryOperator::PGAbs
            | UnaryOperator::PGSquareRoot
            | UnaryOperator::PGCubeRoot => {
                let expr = self.bind_expr(ast)?;
                self.prefix(&op.to_string(), expr, ast)
            }
            other => {
                Err(QueryError::new(sqlstate::UNDEFINED_FUNCTION, format!("operator does not exist: {other} (prefix)"))
                    .at(self.at(ast.span())))
            }
        }
    }

    fn prefix(&mut self, symbol: &str, expr: Expr, ast: &Ast) -> Result<Expr> {
        let position = self.at(ast.span()).map(|position| position.saturating_sub(symbol.len()).max(1));
        let resolved = functions::resolve_operator(symbol, None, &expr.ty()).map_err(|error| error.at(position))?;
        self.call(resolved, vec![expr], position)
    }

    /// An explicit cast. 42846 when there is none.
    pub fn bind_cast(&mut self, ast: &Ast, data_type: &sqlparser::ast::DataType) -> Result<Expr> {
        let span = ast.span();
        let to = self.data_type(data_type, span)?;
        // The elements of ARRAY[…] take the target's type, so that ARRAY[]::int[] has one.
        let expr = match (ast, &to) {
            (Ast::Array(array), DataType::Array(_)) if array.elem.is_empty() => {
                return Ok(Expr::List(Vec::new(), to));
            }
            (Ast::Array(array), _) => self.bind_array(&array.elem, span)?,
            _ => self.bind_expr(ast)?,
        };
        let position = self.at(span);
        self.cast_explicitly(expr, &to, position)
    }

    pub fn cast_explicitly(&mut self, expr: Expr, to: &DataType, position: Option<usize>) -> Result<Expr> {
        let from = expr.ty();
        let is_text = matches!(to, DataType::Text | DataType::Varchar(None));
        if from == DataType::Record
            && is_text
            && let Some(fields) = self.record_type(&expr)
        {
            return Ok(intrinsics::record_as_text(expr, fields));
        }
        if from == DataType::Unknown || from == *to {
            return self.convert(expr, to, CastContext::Explicit, position);
        }
        let open_array = matches!(&from, DataType::Array(element) if **element == DataType::Unknown);
        if !open_array && !functions::can_cast(&from, to, CastContext::Explicit) {
            return Err(QueryError::new(
                sqlstate::CANNOT_COERCE,
                format!("cannot cast type {} to {}", type_name(&from), type_name(to)),
            )
            .at(position));
        }
        self.convert(expr, to, CastContext::Explicit, position)
    }

    fn bind_truth(&mut self, ast: &Ast, truth: Option<bool>, negated: bool, what: &str) -> Result<Expr> {
        let expr = self.bind_condition(ast, what)?;
        let test = match truth {
            Some(truth) => Expr::IsNotDistinct(Box::new(expr), Box::new(Expr::bool(truth))),
            None => Expr::IsNull(Box::new(expr)),
        };
        Ok(if negated { Expr::Not(Box::new(test)) } else { test })
    }

    fn bind_not_distinct(&mut self, left: &Ast, right: &Ast) -> Result<Expr> {
        if let (Some(left), Some(right)) = (super::row_compare::row(left), super::row_compare::row(right)) {
            if left.len() != right.len() {
                return Err(self.unequal_rows(left.first().map_or(Span::empty(), |first| first.span())));
            }
            let parts = left
                .iter()
                .zip(right)
                .map(|(left, right)| self.bind_not_distinct(left, right))
                .collect::<Result<Vec<_>>>()?;
            return Ok(Expr::and(parts));
        }
        let position = self.operator_place(left, right);
        let left = self.bind_expr(left)?;
        let right = self.bind_expr(right)?;
        let resolved =
            functions::resolve_operator("=", Some(&left.ty()), &right.ty()).map_err(|error| error.at(position))?;
        let (left, right) = self.pair(left, right, &resolved.args, position)?;
        Ok(Expr::IsNotDistinct(Box::new(left), Box::new(right)))
    }

    fn bind_case(
        &mut self,
        operand: Option<&Ast>,
        conditions: &[CaseWhen],
        otherwise: Option<&Ast>,
        span: Span,
    ) -> Result<Expr> {
        let position = self.at(span);
        let mark = self.set_count();
        let operand = match operand {
            Some(ast) => Some((self.bind_settled(ast)?, ast)),
            None => None,
        };
        let mut tests = Vec::with_capacity(conditions.len());
        let mut results = Vec::with_capacity(conditions.len() + 1);
        for branch in conditions {
            let test = match &operand {
                Some((operand, ast)) => {
                    let value = self.bind_expr(&branch.condition)?;
                    let place = self.operator_place(ast, &branch.condition);
                    self.binary("=", operand.clone(), value, place)?
                }
                None => self.bind_condition(&branch.condition, "CASE/WHEN")?,
            };
            tests.push(test);
            results.push(self.bind_expr(&branch.result)?);
        }
        // PostgreSQL looks at the ELSE result first.
        let has_otherwise = otherwise.is_some();
        if let Some(ast) = otherwise {
            results.insert(0, self.bind_expr(ast)?);
        }
        self.check_no_sets(mark, "CASE")?;
        let (mut results, ty) = self.unify(results, "CASE", position)?;
        let otherwise = has_otherwise.then(|| Box::new(results.remove(0)));
        Ok(Expr::Case { branches: tests.into_iter().zip(results).collect(), otherwise, ty })
    }

    fn bind_array(&mut self, items: &[Ast], span: Span) -> Result<Expr> {
        let items = items.iter().map(|item| self.bind_expr(item)).collect::<Result<Vec<_>>>()?;
        if items.is_empty() {
            return Err(QueryError::new(sqlstate::INDETERMINATE_DATATYPE, "cannot determine type of empty array")
                .hint("Explicitly cast to the desired type, for example ARRAY[]::integer[].")
                .at(self.at(span)));
        }
        if items.iter().any(|item| matches!(item.ty(), DataType::Array(_))) {
            return Err(self.unsupported("an array of more than one dimension", span));
        }
        let position = self.at(span);
        if items.iter().all(|item| item.ty() == DataType::Unknown) {
            // Left open: ARRAY['1', '2']::int[] takes its type from the cast.
            return Ok(Expr::List(items, DataType::array_of(DataType::Unknown)));
        }
        let (items, ty) = self.unify(items, "ARRAY", position)?;
        Ok(Expr::List(items, DataType::array_of(ty)))
    }

    /// COLLATE "C", "POSIX" or "default": the only ones, and all the same.
    fn bind_collate(&mut self, ast: &Ast, collation: &ObjectName) -> Result<Expr> {
        let name = self.qualified_name(collation)?;
        let known = matches!(name.name.as_str(), "C" | "POSIX" | "default" | "c" | "posix" | "ucs_basic");
        if !known || name.schema.as_deref().is_some_and(|schema| schema != "pg_catalog") {
            return Err(QueryError::new(
                sqlstate::UNDEFINED_OBJECT,
                format!("collation \"{name}\" for encoding \"UTF8\" does not exist"),
            )
            .at(self.at(collation.span())));
        }
        let expr = self.bind_settled(ast)?;
        if !matches!(
            expr.ty(),
            DataType::Text | DataType::Varchar(_) | DataType::Bpchar(_) | DataType::Name | DataType::Char
        ) {
            return Err(QueryError::new(
                sqlstate::DATATYPE_MISMATCH,
                format!("collations are not supported by type {}", type_name(&expr.ty())),
            )
            .at(self.at(collation.span())));
        }
        Ok(expr)
    }

    /// `array[i]`, `array[a:b]`, `json['key']`.
    pub fn bind_access(&mut self, root: &Ast, chain: &[AccessExpr]) -> Result<Expr> {
        // `t.tags[1]` comes as root `t` with a dot and a subscript.
        let mut parts: Vec<Ident> = match root {
            Ast::Identifier(ident) => vec![ident.clone()],
            Ast::CompoundIdentifier(parts) => parts.clone(),
            _ => Vec::new(),
        };
        let mut rest = chain;
        if !parts.is_empty() {
            while let [AccessExpr::Dot(Ast::Identifier(ident)), tail @ ..] = rest {
                parts.push(ident.clone());
                rest = tail;
            }
        }
        let mut expr = if parts.is_empty() { self.bind_expr(root)? } else { self.bind_compound(&parts)? };
        let span = root.span();
        for access in rest {
            expr = match access {
                AccessExpr::Dot(Ast::Identifier(field)) => {
                    let position = self.at(field.span);
                    self.bind_field(expr, &fold(field), position)?
                }
                AccessExpr::Dot(_) => return Err(self.unsupported("field selection from a composite value", span)),
                AccessExpr::Subscript(Subscript::Index { index }) => self.bind_subscript(expr, index)?,
                AccessExpr::Subscript(Subscript::Slice { lower_bound, upper_bound, stride: None }) => {
                    let element = match expr.ty() {
                        DataType::Array(element) => element,
                        DataType::Jsonb => return Err(self.no_json_slice(span)),
                        ty => return Err(self.no_subscript(&ty, span)),
                    };
                    let bounds = self.slice_bounds([lower_bound.as_ref(), upper_bound.as_ref()])?;
                    let open = (lower_bound.is_none(), upper_bound.is_none());
                    intrinsics::array_slice(expr, bounds, open, &element)
                }
                AccessExpr::Subscript(_) => return Err(self.unsupported("a slice with a step", span)),
            };
        }
        Ok(expr)
    }
}

/// `-5` is a constant, so that the least integers can be written.
fn negate_literal(expr: &Expr) -> Option<Expr> {
    use sinew_storage::Numeric;
    let Expr::Literal(value, ty) = expr else { return None };
    // The smallest integers are literals of the wider type with a sign before them.
    let (negated, ty) = match value {
        Value::Int(int) => match int.checked_neg()? {
            int if int == i64::from(i32::MIN) => (Value::Int(int), DataType::Int4),
            int => (Value::Int(int), ty.clone()),
        },
        Value::Numeric(numeric) => match &**numeric {
            Numeric::Finite(decimal) => match num_traits::ToPrimitive::to_i64(&-decimal) {
                Some(i64::MIN) if decimal.fractional_digit_count() <= 0 => (Value::Int(i64::MIN), DataType::Int8),
                _ => (Value::Numeric(std::sync::Arc::new(Numeric::Finite(-decimal.clone()))), ty.clone()),
            },
            _ => return None,
        },
        _ => return None,
    };
    Some(Expr::Literal(negated, ty))
}
