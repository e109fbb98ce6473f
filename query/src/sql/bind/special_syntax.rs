//! The standard's functions with a syntax of their own: EXTRACT, SUBSTRING, TRIM, AT TIME ZONE, INTERVAL.

use sinew_storage::{DataType, Value};
use sqlparser::ast::{CeilFloorKind, DateTimeField, Expr as Ast, Interval, Spanned, TrimWhereField};
use sqlparser::tokenizer::Span;

use super::Binder;
use super::literal::string_literal;
use crate::algebra::Expr;
use crate::error::{QueryError, Result};
use crate::functions::{self, CastContext};
use crate::types::modifier::RANGES;

impl Binder<'_> {
    /// A call of a named function with plain arguments.
    pub fn bind_call_of(&mut self, name: &str, args: &[&Ast], span: Span) -> Result<Expr> {
        let args = args.iter().map(|arg| self.bind_expr(arg)).collect::<Result<Vec<_>>>()?;
        self.call_named(name, args, span)
    }

    pub fn call_named(&mut self, name: &str, args: Vec<Expr>, span: Span) -> Result<Expr> {
        let position = self.at(span);
        let types: Vec<DataType> = args.iter().map(Expr::ty).collect();
        let resolved = functions::resolve_function(name, &types).map_err(|error| error.at(position))?;
        self.call(resolved, args, position)
    }

    pub fn bind_at_time_zone(&mut self, timestamp: &Ast, zone: &Ast) -> Result<Expr> {
        let span = timestamp.span();
        self.bind_call_of("timezone", &[zone, timestamp], span)
    }

    pub fn bind_extract(&mut self, field: &DateTimeField, source: &Ast) -> Result<Expr> {
        let name = match field {
            DateTimeField::Custom(ident) => ident.value.to_lowercase(),
            DateTimeField::Week(Some(_)) => {
                return Err(self.unsupported(format_args!("EXTRACT({field})"), source.span()));
            }
            other => other.to_string().to_lowercase(),
        };
        let source_expr = self.bind_expr(source)?;
        let field = Expr::Literal(Value::text(name), DataType::Text);
        self.call_named("extract", vec![field, source_expr], source.span())
    }

    pub fn bind_rounding(&mut self, name: &str, expr: &Ast, field: &CeilFloorKind) -> Result<Expr> {
        if !matches!(field, CeilFloorKind::DateTimeField(DateTimeField::NoDateTime)) {
            return Err(self.unsupported(format_args!("{name} with a second argument"), expr.span()));
        }
        self.bind_call_of(name, &[expr], expr.span())
    }

    pub fn bind_substring(&mut self, expr: &Ast, from: Option<&Ast>, length: Option<&Ast>) -> Result<Expr> {
        let span = expr.span();
        let mut args = vec![self.bind_expr(expr)?];
        match from {
            Some(from) => args.push(self.bind_expr(from)?),
            None => args.push(Expr::Literal(Value::Int(1), DataType::Int4)),
        }
        if let Some(length) = length {
            args.push(self.bind_expr(length)?);
        }
        self.call_named("substring", args, span)
    }

    pub fn bind_trim(
        &mut self,
        side: Option<TrimWhereField>,
        what: Option<&Ast>,
        expr: &Ast,
        characters: Option<&[Ast]>,
    ) -> Result<Expr> {
        let span = expr.span();
        let name = match side {
            None | Some(TrimWhereField::Both) => "btrim",
            Some(TrimWhereField::Leading) => "ltrim",
            Some(TrimWhereField::Trailing) => "rtrim",
        };
        let mut args = vec![expr];
        args.extend(what);
        args.extend(characters.into_iter().flatten());
        self.bind_call_of(name, &args, span)
    }

    /// `INTERVAL '1 day'`, `INTERVAL '1' DAY`, `INTERVAL '1:30' HOUR TO MINUTE`.
    pub fn bind_interval(&mut self, interval: &Interval) -> Result<Expr> {
        let span = interval.value.span();
        let position = self.at(span);
        let Ast::Value(literal) = &*interval.value else {
            return Err(QueryError::syntax("INTERVAL needs a string literal", position));
        };
        let Some(text) = string_literal(&literal.value) else {
            return Err(QueryError::syntax(format!("syntax error at or near \"{}\"", literal.value), position));
        };
        let range = interval.leading_field.as_ref().map(|leading| {
            let last = interval.last_field.as_ref().map(|last| format!(" to {last}"));
            format!("{leading}{}", last.unwrap_or_default()).to_lowercase()
        });
        if range.as_ref().is_some_and(|range| !RANGES.iter().any(|(words, _)| words == range)) {
            return Err(QueryError::syntax("syntax error in the fields of an interval", position));
        }
        // A precision behind SECOND is the only one that is written without a range.
        let precision = interval.fractional_seconds_precision.or(interval.leading_precision);
        let literal = Expr::Literal(Value::text(text), DataType::Unknown);
        self.convert(literal, &super::data_type::interval(range.as_deref(), precision), CastContext::Explicit, position)
    }
}
