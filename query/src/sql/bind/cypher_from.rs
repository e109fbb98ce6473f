//! `cypher('…', parameters)` in FROM: the statement is bound by the Cypher front end and grafted into the plan.

use std::sync::Arc;

use sinew_storage::{DataType, Json, Value};
use sqlparser::ast::{Expr as Ast, FunctionArg, FunctionArgExpr, Spanned};
use sqlparser::tokenizer::Span;

use super::literal::string_literal;
use super::scope::{Clause, Frame, FromItem, ScopeColumn, ScopeRelation};
use super::{Binder, embed, intrinsics};
use crate::algebra::Expr;
use crate::algebra::visit::plan_writes;
use crate::cypher::{self, NamedParameters};
use crate::error::{QueryError, Result, sqlstate};
use crate::statement::{BoundStatement, QueryKind};
use crate::types::json_parse;

impl Binder<'_> {
    pub fn bind_cypher(&mut self, args: &[FunctionArg], span: Span) -> Result<FromItem> {
        let mut plain = Vec::with_capacity(args.len());
        for arg in args {
            match arg {
                FunctionArg::Unnamed(FunctionArgExpr::Expr(expr)) => plain.push(expr),
                _ => return Err(self.unsupported("a named or * argument of cypher()", span)),
            }
        }
        let (query, parameters) = match plain.as_slice() {
            [query] => (*query, None),
            [query, parameters] => (*query, Some(*parameters)),
            _ => {
                return Err(QueryError::new(
                    sqlstate::UNDEFINED_FUNCTION,
                    format!("function cypher takes 1 or 2 arguments, not {}", plain.len()),
                )
                .hint("The function is cypher(query text, parameters jsonb => null).")
                .at(self.at(span)));
            }
        };
        let literal = match query {
            Ast::Value(value) => string_literal(&value.value),
            _ => None,
        };
        let Some(text) = literal else {
            return Err(QueryError::syntax("the query of cypher() must be a string literal", self.at(query.span())));
        };
        let statement = cypher::parse(text, self.context.session.activity.cancel_token())
            .map_err(|error| self.inside(error, query.span()))?;
        let names = embed::parameter_names(text);
        let (named, values) = self.cypher_parameters(parameters, names)?;

        let before = self.context.params.read().clone();
        let bound =
            cypher::bind(self.context, &statement, text, &named).map_err(|error| self.inside(error, query.span()))?;
        let BoundStatement::Query(bound) = bound else {
            return Err(
                QueryError::unsupported("a statement that is no query inside cypher()").at(self.at(query.span()))
            );
        };
        if bound.kind == QueryKind::CypherWrite || plan_writes(&bound.plan) {
            return Err(QueryError::new(sqlstate::READ_ONLY_SQL_TRANSACTION, "cypher() in FROM only reads")
                .hint("Send the Cypher statement on its own.")
                .at(self.at(query.span())));
        }
        // Named parameters were numbered behind the positional ones; here they become what they stand for. Parameters
        // that the embedded text does not use stay as open as they were.
        {
            let used = embed::parameter_positions(text);
            let positional = used.iter().map(|position| position + 1).max().unwrap_or(0).max(before.len());
            let mut params = self.context.params.write();
            params.truncate(positional);
            for (position, ty) in before.into_iter().enumerate() {
                if ty == DataType::Unknown && !used.contains(&position) && position < params.len() {
                    params[position] = DataType::Unknown;
                }
            }
        }
        let mut plan = bound.plan;
        let offset = self.graft(&mut plan, &bound.vars, &bound.param_names, &values);
        let columns = bound
            .output
            .into_iter()
            .map(|column| ScopeColumn {
                name: column.name,
                var: embed::shifted(column.var, offset),
                ty: column.ty,
                origin: None,
            })
            .collect();
        let relation = ScopeRelation { name: Some("cypher".to_owned()), schema: None, columns, tableoid: None };
        Ok(FromItem::of_relation(plan, relation))
    }

    /// An error inside the embedded text points to the literal, and says where in it.
    fn inside(&self, mut error: QueryError, span: Span) -> QueryError {
        if let Some(inner) = error.0.position.take() {
            error = match error.0.detail.take() {
                Some(detail) => error.detail(format!("{detail} At character {inner} of the Cypher statement.")),
                None => error.detail(format!("At character {inner} of the Cypher statement.")),
            };
        }
        error.at(self.at(span))
    }

    /// Named parameters with their types, and the expression each stands for.
    fn cypher_parameters(
        &mut self,
        ast: Option<&Ast>,
        used: Vec<Arc<str>>,
    ) -> Result<(NamedParameters, Vec<(Arc<str>, Expr)>)> {
        let Some(ast) = ast else { return Ok((NamedParameters::default(), Vec::new())) };
        let position = self.at(ast.span());
        if let Ast::Value(value) = ast
            && let Some(text) = string_literal(&value.value)
        {
            let Json::Object(members) = json_parse::parse(text).map_err(|error| error.at(position))? else {
                return Err(intrinsics::not_an_object().at(position));
            };
            let mut named = Vec::with_capacity(members.len());
            let mut values = Vec::with_capacity(members.len());
            for (key, value) in members {
                let value = intrinsics::json_value(&value).map_err(|error| error.at(position))?;
                let ty = value_type(&value);
                named.push((key.clone(), ty.clone(), Some(value.clone())));
                values.push((key, Expr::Literal(value, ty)));
            }
            return Ok((NamedParameters(named), values));
        }
        let (object, _) = self.with_frame(Frame::new(Clause::From), |binder| {
            let expr = binder.bind_expr(ast)?;
            match expr.ty() {
                DataType::Unknown | DataType::Json => binder.coerce(expr, &DataType::Jsonb, position),
                DataType::Jsonb => Ok(expr),
                other => Err(QueryError::new(
                    sqlstate::DATATYPE_MISMATCH,
                    format!("parameters of cypher() must be jsonb, not {}", crate::types::type_name(&other)),
                )
                .at(position)),
            }
        })?;
        let named = used.iter().map(|name| (name.clone(), DataType::Any, None)).collect();
        let values = used
            .into_iter()
            .map(|name| {
                let value = intrinsics::named_parameter(object.clone(), &name);
                (name, value)
            })
            .collect();
        Ok((NamedParameters(named), values))
    }
}

/// The Cypher type of a constant.
fn value_type(value: &Value) -> DataType {
    match value {
        Value::Bool(_) => DataType::Bool,
        Value::Int(_) => DataType::Int8,
        Value::Float(_) => DataType::Float8,
        Value::Text(_) => DataType::Text,
        _ => DataType::Any,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_parameters_become_cypher_values() {
        let json = json_parse::parse(r#"{"n": 1, "x": 1.5, "s": "a", "l": [1, null]}"#).expect("json");
        let Value::Map(map) = intrinsics::json_value(&json).expect("a value") else { panic!("a map") };
        assert_eq!(map.get("n"), Some(&Value::Int(1)));
        assert_eq!(map.get("x"), Some(&Value::Float(1.5)));
        assert_eq!(map.get("l"), Some(&Value::list(vec![Value::Int(1), Value::Null])));
        assert_eq!(value_type(&Value::Int(1)), DataType::Int8);
        let large = json_parse::parse("[9223372036854775808]").expect("json");
        assert_eq!(intrinsics::json_value(&large).expect_err("no integer holds it").sqlstate(), "22003");
    }
}
