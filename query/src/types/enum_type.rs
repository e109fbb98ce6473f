//! Enum types: a label outside, its place in the type's order (an integer) inside.

use sinew_storage::catalog::{Catalog, EnumDef, EnumType};
use sinew_storage::{DataType, Value};

use super::reg::quote_identifier;
use crate::error::{QueryError, Result, sqlstate};

/// The label of a stored place. XX000 for a place that no label has.
pub(crate) fn output(of: &EnumDef, place: i64) -> Result<&str> {
    match of.label(place) {
        Some(label) => Ok(&label.name),
        None => Err(QueryError::internal(format!("invalid internal value for enum {}: {place}", of.name))),
    }
}

/// 22P02 when there is no such label.
pub(crate) fn input(of: &EnumDef, text: &str) -> Result<Value> {
    match of.by_name(text) {
        Some(label) => Ok(Value::Int(label.place)),
        None => Err(QueryError::new(
            sqlstate::INVALID_TEXT_REPRESENTATION,
            format!("invalid input value for enum {}: \"{text}\"", of.name),
        )),
    }
}

/// As `format_type` prints it for a search path that has `public`.
pub(crate) fn name(of: &EnumDef) -> String {
    let name = quote_identifier(&of.name);
    if of.schema == "public" { name } else { format!("{}.{name}", quote_identifier(&of.schema)) }
}

/// An enum type, or the array type over one, by oid.
pub(crate) fn by_oid(catalog: &Catalog, oid: u32) -> Option<DataType> {
    if let Some(def) = catalog.enums.get(&oid) {
        return Some(DataType::Enum(EnumType(def.clone())));
    }
    let def = catalog.enums.values().find(|def| def.array_oid == oid)?;
    Some(DataType::array_of(DataType::Enum(EnumType(def.clone()))))
}

/// An enum type by name, `_name` for the array over it; without a schema the first on the search path.
pub(crate) fn by_name(catalog: &Catalog, search_path: &[String], schema: Option<&str>, name: &str) -> Option<DataType> {
    let find = |schema: &str| {
        let of = |name: &str| Some(DataType::Enum(EnumType(catalog.enum_type(schema, name)?.clone())));
        of(name).or_else(|| name.strip_prefix('_').and_then(of).map(DataType::array_of))
    };
    if catalog.enums.is_empty() {
        return None;
    }
    match schema {
        Some(schema) => find(schema),
        None => search_path.iter().find_map(|schema| find(schema)),
    }
}

/// As [`by_name`] of a name as `regtype` reads it: `mood`, `app."Mood"[]`.
pub(crate) fn by_declaration(catalog: &Catalog, search_path: &[String], text: &str) -> Option<DataType> {
    let text = text.trim();
    if let Some(element) = text.strip_suffix("[]") {
        return by_declaration(catalog, search_path, element).map(|ty| match ty {
            DataType::Array(_) => ty,
            ty => DataType::array_of(ty),
        });
    }
    match super::reg::split_name(text)?.as_slice() {
        [name] => by_name(catalog, search_path, None, name),
        [schema, name] | [_, schema, name] => by_name(catalog, search_path, Some(schema), name),
        _ => None,
    }
}
