//! Conversions: literals and parameters take a type, other expressions are cast.

use std::sync::Arc;

use bigdecimal::BigDecimal;
use sinew_storage::{DataType, Numeric, Value};
use sqlparser::ast::{Expr as Ast, Spanned};

use super::data_type::without_modifier;
use super::{Binder, Bound};
use crate::algebra::{Expr, Plan, VarId};
use crate::error::{QueryError, Result, sqlstate};
use crate::functions::{self, CastContext};
use crate::types::{enum_type, type_name};

impl Binder<'_> {
    /// Makes `expr` a `to`, which resolution has already found possible: literals and parameters take the type, others
    /// get a cast.
    pub fn coerce(&mut self, expr: Expr, to: &DataType, position: Option<usize>) -> Result<Expr> {
        self.convert(expr, to, CastContext::Implicit, position)
    }

    /// Converts with the rules of `context`; the caller has checked that the cast exists.
    pub fn convert(
        &mut self,
        expr: Expr,
        to: &DataType,
        context: CastContext,
        position: Option<usize>,
    ) -> Result<Expr> {
        if matches!(to, DataType::Unknown) {
            return Ok(expr);
        }
        let from = expr.ty();
        // A length is enforced where it was asked for or a value is stored; elsewhere it only says how to show the value.
        if context == CastContext::Implicit
            && let DataType::Bpchar(Some(_)) = to
        {
            return match from {
                DataType::Bpchar(_) => Ok(expr),
                _ => self.convert(expr, &DataType::Bpchar(None), context, position),
            };
        }
        if *to == DataType::Any {
            return if from == DataType::Unknown {
                self.convert(expr, &DataType::Text, context, position)
            } else {
                Ok(expr)
            };
        }
        match expr {
            Expr::Parameter(index, DataType::Unknown) => {
                let settled = self.settle_param(index, to);
                let param = Expr::Parameter(index, settled.clone());
                if settled == *to { Ok(param) } else { self.convert(param, to, context, position) }
            }
            Expr::Literal(value, DataType::Unknown) => self.type_literal(value, to, context, position),
            // Nothing is to be done, also where only the modifier's absence differs.
            expr if from == *to => Ok(expr),
            Expr::Literal(Value::Null, _) => Ok(Expr::null(to.clone())),
            Expr::Literal(value, from) => Ok(match widen(&value, &from, to) {
                Some(value) => Expr::Literal(value, to.clone()),
                None => cast(Expr::Literal(value, from), to, context),
            }),
            Expr::List(items, DataType::Array(element)) if *element == DataType::Unknown => {
                let DataType::Array(target) = to else {
                    return Ok(cast(Expr::List(items, DataType::Array(element)), to, context));
                };
                let items = items
                    .into_iter()
                    .map(|item| self.convert(item, target, context, position))
                    .collect::<Result<Vec<_>>>()?;
                Ok(Expr::List(items, to.clone()))
            }
            expr => Ok(cast(expr, to, context)),
        }
    }

    /// A string literal as a value of `to`. Numbers and booleans are read here, so that their errors have a position;
    /// other types are read when the plan is folded.
    fn type_literal(
        &mut self,
        value: Value,
        to: &DataType,
        context: CastContext,
        position: Option<usize>,
    ) -> Result<Expr> {
        let Value::Text(text) = &value else { return Ok(Expr::Literal(value, to.clone())) };
        let invalid = || {
            QueryError::new(
                sqlstate::INVALID_TEXT_REPRESENTATION,
                format!("invalid input syntax for type {}: \"{text}\"", type_name(to)),
            )
            .at(position)
        };
        let typed = match to {
            DataType::Text | DataType::Varchar(None) => Some(value.clone()),
            DataType::Int2 | DataType::Int4 | DataType::Int8 => {
                Some(Value::Int(read_integer(text, to).map_err(|out_of_range| {
                    if out_of_range {
                        QueryError::new(
                            sqlstate::NUMERIC_VALUE_OUT_OF_RANGE,
                            format!("value \"{text}\" is out of range for type {}", type_name(to)),
                        )
                        .at(position)
                    } else {
                        invalid()
                    }
                })?))
            }
            DataType::Bool => Some(Value::Bool(read_bool(text).ok_or_else(invalid)?)),
            DataType::Enum(of) => Some(enum_type::input(of, text).map_err(|error| error.at(position))?),
            DataType::Regclass => return self.regclass_literal(text, position),
            DataType::Regtype => return self.regtype_literal(text, position),
            DataType::Regnamespace => return self.regnamespace_literal(text, position),
            _ => None,
        };
        Ok(match typed {
            Some(value) => Expr::Literal(value, to.clone()),
            None => cast(Expr::Literal(value, DataType::Unknown), to, context),
        })
    }

    /// Converts for storing into a column. 42804 when there is no assignment cast.
    pub fn assign(&mut self, expr: Expr, column: &str, to: &DataType, position: Option<usize>) -> Result<Expr> {
        let from = expr.ty();
        if from != DataType::Unknown && from != *to && !functions::can_cast(&from, to, CastContext::Assignment) {
            return Err(QueryError::new(
                sqlstate::DATATYPE_MISMATCH,
                format!(
                    "column \"{column}\" is of type {} but expression is of type {}",
                    type_name(to),
                    type_name(&from)
                ),
            )
            .hint("You will need to rewrite or cast the expression.")
            .at(position));
        }
        self.convert(expr, to, CastContext::Assignment, position)
    }

    /// A condition. 42804 `argument of WHERE must be type boolean, not type integer`.
    pub fn boolean(&mut self, expr: Expr, what: &str, position: Option<usize>) -> Result<Expr> {
        let from = expr.ty();
        if !matches!(from, DataType::Bool | DataType::Unknown | DataType::Any) {
            return Err(QueryError::new(
                sqlstate::DATATYPE_MISMATCH,
                format!("argument of {what} must be type boolean, not type {}", type_name(&from)),
            )
            .at(position));
        }
        self.coerce(expr, &DataType::Bool, position)
    }

    /// Binds a condition.
    pub fn bind_condition(&mut self, ast: &Ast, what: &str) -> Result<Expr> {
        let expr = self.bind_expr(ast)?;
        let position = self.at(ast.span());
        self.boolean(expr, what, position)
    }

    /// A literal or parameter that nothing gave a type is text.
    pub fn settle(&mut self, expr: Expr) -> Result<Expr> {
        match expr.ty() {
            DataType::Unknown => self.coerce(expr, &DataType::Text, None),
            DataType::Array(element) if *element == DataType::Unknown => {
                self.coerce(expr, &DataType::array_of(DataType::Text), None)
            }
            _ => Ok(expr),
        }
    }

    /// Makes all expressions of one type. 42804 as PostgreSQL's `what types a and b cannot be matched`.
    pub fn unify(&mut self, exprs: Vec<Expr>, what: &str, position: Option<usize>) -> Result<(Vec<Expr>, DataType)> {
        let types: Vec<DataType> = exprs.iter().map(Expr::ty).collect();
        let ty = self.common_type(&types, what, position)?;
        let exprs = exprs.into_iter().map(|expr| self.coerce(expr, &ty, position)).collect::<Result<_>>()?;
        Ok((exprs, ty))
    }

    /// One type for all; a modifier survives only when all agree on it.
    pub fn common_type(&mut self, types: &[DataType], what: &str, position: Option<usize>) -> Result<DataType> {
        if let Some(first) = types.first()
            && *first != DataType::Unknown
            && types.iter().all(|ty| ty == first)
        {
            return Ok(first.clone());
        }
        if let Some(ty) = blank_padded(types) {
            return Ok(ty);
        }
        let plain: Vec<DataType> = types.iter().map(without_modifier).collect();
        functions::common_type(&plain, what).map_err(|error| error.at(position))
    }

    /// Gives column `index` of a query the type `to`: open literals below take it, others are cast on top.
    pub fn coerce_output(&mut self, bound: &mut Bound, index: usize, to: &DataType) -> Result<()> {
        let from = bound.output[index].ty.clone();
        if from == *to {
            return Ok(());
        }
        let var = bound.output[index].var;
        if from == DataType::Unknown {
            self.retype(&mut bound.plan, var, to)?;
            for column in &mut bound.output {
                if column.var == var {
                    column.ty = to.clone();
                }
            }
            return Ok(());
        }
        let fresh = self.vars.add(bound.output[index].name.clone(), to.clone());
        let mut items: Vec<(VarId, Expr)> = Vec::new();
        for (position, column) in bound.output.iter_mut().enumerate() {
            if position == index {
                let input = Expr::Column(column.var, from.clone());
                items.push((fresh, cast(input, to, CastContext::Implicit)));
                column.var = fresh;
                column.ty = to.clone();
            } else if !items.iter().any(|(var, _)| *var == column.var) {
                items.push((column.var, Expr::Column(column.var, column.ty.clone())));
            }
        }
        let input = Box::new(std::mem::take(&mut bound.plan));
        bound.plan = Plan::Project { input, items };
        Ok(())
    }

    /// Gives an open output variable its type, down to the literals or parameters that it is made of.
    fn retype(&mut self, plan: &mut Plan, var: VarId, to: &DataType) -> Result<()> {
        self.vars.set_type(var, to.clone());
        match plan {
            Plan::Project { input, items } => {
                for (item, expr) in items {
                    if *item != var {
                        continue;
                    }
                    if let Expr::Column(inner, ty) = expr {
                        let inner = *inner;
                        *ty = to.clone();
                        return self.retype(input, inner, to);
                    }
                    let open = std::mem::replace(expr, Expr::null(DataType::Unknown));
                    *expr = self.coerce(open, to, None)?;
                }
                Ok(())
            }
            Plan::Values { rows, output } => {
                let Some(index) = output.iter().position(|column| *column == var) else { return Ok(()) };
                for row in rows {
                    let open = std::mem::replace(&mut row[index], Expr::null(DataType::Unknown));
                    row[index] = self.coerce(open, to, None)?;
                }
                Ok(())
            }
            Plan::Sort { input, keys } => {
                for key in keys {
                    if let Expr::Column(column, ty) = &mut key.expr
                        && *column == var
                    {
                        *ty = to.clone();
                    }
                }
                self.retype(input, var, to)
            }
            Plan::SetOperation { left, right, left_columns, right_columns, output, .. } => {
                let Some(index) = output.iter().position(|column| *column == var) else { return Ok(()) };
                let (left_var, right_var) = (left_columns[index], right_columns[index]);
                self.retype(left, left_var, to)?;
                self.retype(right, right_var, to)
            }
            Plan::Window(window) => self.retype(&mut window.input, var, to),
            Plan::LimitTies { input, keys, .. } => {
                for key in keys {
                    if let Expr::Column(column, ty) = &mut key.expr
                        && *column == var
                    {
                        *ty = to.clone();
                    }
                }
                self.retype(input, var, to)
            }
            Plan::Filter { input, .. }
            | Plan::Limit { input, .. }
            | Plan::LockRows { input, .. }
            | Plan::Distinct { input, .. }
            | Plan::Extend { input, .. } => self.retype(input, var, to),
            Plan::With { body, .. } | Plan::RecursiveWith { body, .. } => self.retype(body, var, to),
            _ => Ok(()),
        }
    }

    /// Open columns become text.
    pub fn settle_outputs(&mut self, bound: &mut Bound) -> Result<()> {
        for index in 0..bound.output.len() {
            if bound.output[index].ty == DataType::Unknown {
                self.coerce_output(bound, index, &DataType::Text)?;
            } else if bound.output[index].ty == DataType::array_of(DataType::Unknown) {
                self.coerce_output(bound, index, &DataType::array_of(DataType::Text))?;
            }
        }
        Ok(())
    }
}

/// Where `char(n)` meets literals and `char(n)` of other lengths, the longest: what is shorter is shown with blanks.
fn blank_padded(types: &[DataType]) -> Option<DataType> {
    let mut longest = None;
    for ty in types.iter().filter(|ty| **ty != DataType::Unknown) {
        let DataType::Bpchar(length) = ty else { return None };
        longest = longest.max(*length);
    }
    longest.map(|length| DataType::Bpchar(Some(length)))
}

fn cast(expr: Expr, to: &DataType, context: CastContext) -> Expr {
    Expr::Cast { input: Box::new(expr), to: to.clone(), explicit: context == CastContext::Explicit }
}

/// Constants that widen without loss are widened now.
fn widen(value: &Value, from: &DataType, to: &DataType) -> Option<Value> {
    let int = match (from, value) {
        (DataType::Int2 | DataType::Int4 | DataType::Int8, Value::Int(int)) => *int,
        (DataType::Text, Value::Text(_)) if *to == DataType::Varchar(None) => return Some(value.clone()),
        _ => return None,
    };
    match to {
        DataType::Int8 => Some(Value::Int(int)),
        DataType::Int4 if i32::try_from(int).is_ok() => Some(Value::Int(int)),
        DataType::Int2 if i16::try_from(int).is_ok() => Some(Value::Int(int)),
        DataType::Float8 => Some(Value::Float(int as f64)),
        DataType::Numeric(None) => Some(Value::Numeric(Arc::new(Numeric::Finite(BigDecimal::from(int))))),
        _ => None,
    }
}

/// Err(true) when the number is one but does not fit.
fn read_integer(text: &str, ty: &DataType) -> Result<i64, bool> {
    let trimmed = text.trim_matches(|c: char| c.is_ascii_whitespace());
    let digits = trimmed.strip_prefix(['+', '-']).unwrap_or(trimmed);
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(false);
    }
    let value: i64 = trimmed.parse().map_err(|_| true)?;
    let fits = match ty {
        DataType::Int2 => i16::try_from(value).is_ok(),
        DataType::Int4 => i32::try_from(value).is_ok(),
        _ => true,
    };
    if fits { Ok(value) } else { Err(true) }
}

/// PostgreSQL's boolin: unique prefixes of true, false, yes, no, on, off; 1 and 0.
fn read_bool(text: &str) -> Option<bool> {
    let text = text.trim().to_ascii_lowercase();
    let prefix = |word: &str, least: usize| text.len() >= least && word.starts_with(text.as_str());
    if prefix("true", 1) || prefix("yes", 1) || text == "on" || text == "1" {
        Some(true)
    } else if prefix("false", 1) || prefix("no", 1) || prefix("off", 2) || text == "0" {
        Some(false)
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integers_are_read_as_postgresql_does() {
        assert_eq!(read_integer(" 42 ", &DataType::Int4), Ok(42));
        assert_eq!(read_integer("-32769", &DataType::Int2), Err(true));
        assert_eq!(read_integer("4.2", &DataType::Int4), Err(false));
        assert_eq!(read_integer("", &DataType::Int4), Err(false));
        assert_eq!(read_integer("99999999999999999999", &DataType::Int8), Err(true));
    }

    #[test]
    fn booleans_are_read_as_postgresql_does() {
        for yes in ["t", "TRUE", "y", "yes", "on", "1", " tru "] {
            assert_eq!(read_bool(yes), Some(true), "{yes}");
        }
        for no in ["f", "false", "n", "no", "of", "off", "0"] {
            assert_eq!(read_bool(no), Some(false), "{no}");
        }
        for bad in ["", "o", "2", "maybe"] {
            assert_eq!(read_bool(bad), None, "{bad}");
        }
    }

    #[test]
    fn constants_widen() {
        assert_eq!(widen(&Value::Int(5), &DataType::Int4, &DataType::Int8), Some(Value::Int(5)));
        assert_eq!(widen(&Value::Int(70_000), &DataType::Int4, &DataType::Int2), None);
        assert_eq!(widen(&Value::Int(5), &DataType::Int4, &DataType::Float8), Some(Value::Float(5.0)));
    }
}
