//! Set-returning functions that clients read the catalog with.

use std::sync::Arc;

use sinew_storage::{DataType, Value};

use super::pg_catalog::{self, identity, keywords};
use super::rows::stream_rows;
use crate::context::ExecContext;
use crate::error::{QueryError, Result, sqlstate};
use crate::exec::RowStream;
use crate::functions::{Param, TableFunction};

pub const NAMES: &[&str] = &[
    "_pg_expandarray",
    "aclexplode",
    "pg_get_keywords",
    "pg_options_to_table",
    "pg_partition_ancestors",
    "pg_partition_tree",
    "pg_timezone_abbrevs",
    "pg_timezone_names",
];

type Rows = Result<Vec<Vec<Value>>>;

#[derive(Debug)]
struct CatalogFunction {
    name: &'static str,
    params: Vec<Param>,
    columns: Vec<(String, DataType)>,
    rows: fn(&[Value]) -> Rows,
}

impl TableFunction for CatalogFunction {
    fn name(&self) -> &str {
        self.name
    }

    fn params(&self) -> &[Param] {
        &self.params
    }

    fn columns(&self) -> &[(String, DataType)] {
        &self.columns
    }

    /// All are strict.
    fn call(&self, context: &ExecContext, args: &[Value]) -> Result<Box<dyn RowStream>> {
        let rows = if args.iter().any(Value::is_null) { Vec::new() } else { (self.rows)(args)? };
        Ok(stream_rows(context, &self.columns, rows))
    }
}

/// None when no function of that name takes these arguments.
pub fn resolve(name: &str, args: &[DataType]) -> Option<Arc<dyn TableFunction>> {
    let make = |params: Vec<(&'static str, DataType)>, columns: Vec<(&str, DataType)>, rows: fn(&[Value]) -> Rows| {
        let params = params.into_iter().map(|(name, ty)| Param { name, ty, default: None }).collect();
        let columns = columns.into_iter().map(|(name, ty)| (name.to_owned(), ty)).collect();
        let name = NAMES.iter().find(|known| **known == name).copied()?;
        Some(Arc::new(CatalogFunction { name, params, columns, rows }) as Arc<dyn TableFunction>)
    };
    let texts = DataType::array_of(DataType::Text);
    match (name, args) {
        ("_pg_expandarray", [array]) => {
            let array = array.vector_as_array().unwrap_or_else(|| array.clone());
            let DataType::Array(element) = &array else { return None };
            let element = (**element).clone();
            make(vec![("array", array)], vec![("x", element), ("n", DataType::Int4)], expand_array)
        }
        ("aclexplode", [ty]) if *ty == texts || *ty == DataType::Unknown => make(
            vec![("acl", texts)],
            vec![
                ("grantor", DataType::Oid),
                ("grantee", DataType::Oid),
                ("privilege_type", DataType::Text),
                ("is_grantable", DataType::Bool),
            ],
            explode_acl,
        ),
        ("pg_options_to_table", [ty]) if *ty == texts || *ty == DataType::Unknown => make(
            vec![("options_array", texts)],
            vec![("option_name", DataType::Text), ("option_value", DataType::Text)],
            options,
        ),
        ("pg_get_keywords", []) => make(
            Vec::new(),
            vec![
                ("word", DataType::Text),
                ("catcode", DataType::Char),
                ("barelabel", DataType::Bool),
                ("catdesc", DataType::Text),
                ("baredesc", DataType::Text),
            ],
            |_| Ok(keyword_rows()),
        ),
        // There are no partitions.
        ("pg_partition_ancestors", [DataType::Unknown | DataType::Regclass | DataType::Oid]) => {
            make(vec![("partitionid", DataType::Regclass)], vec![("relid", DataType::Regclass)], |_| Ok(Vec::new()))
        }
        ("pg_partition_tree", [DataType::Unknown | DataType::Regclass | DataType::Oid]) => make(
            vec![("rootrelid", DataType::Regclass)],
            vec![
                ("relid", DataType::Regclass),
                ("parentrelid", DataType::Regclass),
                ("isleaf", DataType::Bool),
                ("level", DataType::Int4),
            ],
            |_| Ok(Vec::new()),
        ),
        // The views of these names do the work.
        ("pg_timezone_abbrevs" | "pg_timezone_names", []) => pg_catalog::relation(name),
        _ => None,
    }
}

/// Elements with their places, from 1.
fn expand_array(args: &[Value]) -> Rows {
    let Value::List(items) = &args[0] else { return Ok(Vec::new()) };
    Ok(items.iter().zip(1..).map(|(item, place)| vec![item.clone(), Value::Int(place)]).collect())
}

/// Letters of an access list and what they stand for.
const PRIVILEGES: &[(char, &str)] = &[
    ('a', "INSERT"),
    ('r', "SELECT"),
    ('w', "UPDATE"),
    ('d', "DELETE"),
    ('D', "TRUNCATE"),
    ('x', "REFERENCES"),
    ('t', "TRIGGER"),
    ('X', "EXECUTE"),
    ('U', "USAGE"),
    ('C', "CREATE"),
    ('T', "TEMPORARY"),
    ('c', "CONNECT"),
    ('s', "SET"),
    ('A', "ALTER SYSTEM"),
];

/// `grantee=privileges/grantor`, a privilege with `*` behind it being grantable: a row per privilege.
fn explode_acl(args: &[Value]) -> Rows {
    let Value::List(items) = &args[0] else { return Ok(Vec::new()) };
    let mut rows = Vec::new();
    for item in items.iter() {
        let Value::Text(item) = item else { continue };
        let parts = item.split_once('=').and_then(|(grantee, rest)| Some((grantee, rest.split_once('/')?.0)));
        let Some((grantee, letters)) = parts else {
            return Err(QueryError::new(
                sqlstate::INVALID_TEXT_REPRESENTATION,
                format!("missing \"=\" or \"/\" in access list item \"{item}\""),
            ));
        };
        // There is one role; 0 is PUBLIC.
        let owner = Value::Int(i64::from(identity::OWNER_OID));
        let grantee = if grantee.is_empty() { Value::Int(0) } else { owner.clone() };
        let mut letters = letters.chars().peekable();
        while let Some(letter) = letters.next() {
            let is_grantable = letters.next_if_eq(&'*').is_some();
            let Some((_, name)) = PRIVILEGES.iter().find(|(known, _)| *known == letter) else { continue };
            rows.push(vec![owner.clone(), grantee.clone(), Value::from(*name), Value::Bool(is_grantable)]);
        }
    }
    Ok(rows)
}

/// `name=value` in two columns.
fn options(args: &[Value]) -> Rows {
    let Value::List(items) = &args[0] else { return Ok(Vec::new()) };
    let rows = items.iter().filter_map(|item| match item {
        Value::Text(item) => Some(match item.split_once('=') {
            Some((name, value)) => vec![Value::from(name), Value::from(value)],
            None => vec![Value::from(&**item), Value::Null],
        }),
        _ => None,
    });
    Ok(rows.collect())
}

fn keyword_rows() -> Vec<Vec<Value>> {
    let rows = keywords::all().into_iter().map(|keyword| {
        vec![
            Value::from(keyword.word),
            Value::text(keyword.code.to_string()),
            Value::Bool(keyword.is_bare_label),
            Value::from(keyword.description),
            Value::from(if keyword.is_bare_label { "can be bare label" } else { "requires AS" }),
        ]
    });
    rows.collect()
}
