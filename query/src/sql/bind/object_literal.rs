//! Literals that name catalog objects: `'t'::regclass`, `'int4'::regtype`, `'public'::regnamespace`.

use sinew_storage::{DataType, Value};

use super::Binder;
use super::names::QualifiedName;
use crate::algebra::Expr;
use crate::error::{QueryError, Result, sqlstate};
use crate::system;
use crate::types;
use crate::types::reg::{split_name, type_oid_by_name};

impl Binder<'_> {
    /// An oid, or the name of a relation. 42P01.
    pub fn regclass_literal(&self, text: &str, position: Option<usize>) -> Result<Expr> {
        if let Some(oid) = numeric_oid(text) {
            return Ok(Expr::Literal(Value::Int(oid), DataType::Regclass));
        }
        let parts = split_name(text).ok_or_else(|| invalid_name(text, position))?;
        let name = match parts.as_slice() {
            [name] => QualifiedName { schema: None, name: name.clone() },
            [schema, name] | [_, schema, name] => QualifiedName { schema: Some(schema.clone()), name: name.clone() },
            _ => return Err(invalid_name(text, position)),
        };
        let missing = || {
            let error = self.missing_relation(&name, sqlparser::tokenizer::Span::empty());
            error.at(position)
        };
        let schemas: Vec<String> = match &name.schema {
            Some(schema) => vec![self.context.session.schema_meant(schema)],
            None => self.search_path.clone(),
        };
        let oid = schemas.iter().find_map(|schema| {
            let stored = self.catalog.relation_id(schema, &name.name).map(|id| id.0);
            stored.or_else(|| system::relation_oid(schema, &name.name))
        });
        oid.map(|oid| Expr::Literal(Value::Int(i64::from(oid)), DataType::Regclass)).ok_or_else(missing)
    }

    /// An oid, or the name of a type. 42704.
    pub fn regtype_literal(&self, text: &str, position: Option<usize>) -> Result<Expr> {
        if let Some(oid) = numeric_oid(text) {
            return Ok(Expr::Literal(Value::Int(oid), DataType::Regtype));
        }
        let of_enum = || types::enum_type::by_declaration(&self.catalog, &self.search_path, text);
        match type_oid_by_name(text).or_else(|| of_enum().map(|ty| types::type_oid(&ty))) {
            Some(oid) => Ok(Expr::Literal(Value::Int(i64::from(oid)), DataType::Regtype)),
            None => {
                Err(QueryError::new(sqlstate::UNDEFINED_OBJECT, format!("type \"{text}\" does not exist")).at(position))
            }
        }
    }

    /// An oid, or the name of a schema. 3F000.
    pub fn regnamespace_literal(&self, text: &str, position: Option<usize>) -> Result<Expr> {
        if let Some(oid) = numeric_oid(text) {
            return Ok(Expr::Literal(Value::Int(oid), DataType::Regnamespace));
        }
        let parts = split_name(text).ok_or_else(|| invalid_name(text, position))?;
        let [name] = parts.as_slice() else { return Err(invalid_name(text, position)) };
        match system::namespace_oid(&self.catalog, name) {
            Some(oid) => Ok(Expr::Literal(Value::Int(i64::from(oid)), DataType::Regnamespace)),
            None => Err(QueryError::new(sqlstate::INVALID_SCHEMA_NAME, format!("schema \"{name}\" does not exist"))
                .at(position)),
        }
    }
}

fn numeric_oid(text: &str) -> Option<i64> {
    let text = text.trim();
    if text == "-" {
        return Some(0);
    }
    text.parse::<u32>().ok().map(i64::from)
}

fn invalid_name(text: &str, position: Option<usize>) -> QueryError {
    QueryError::new(sqlstate::INVALID_NAME, format!("invalid name syntax: \"{text}\"")).at(position)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_taken_apart() {
        assert_eq!(split_name("Public.\"T t\""), Some(vec!["public".to_owned(), "T t".to_owned()]));
        assert_eq!(split_name("a b"), None);
        assert_eq!(split_name(""), None);
        assert_eq!(numeric_oid(" 42 "), Some(42));
    }
}
