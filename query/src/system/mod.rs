//! System relations computed from the catalog: pg_catalog, information_schema, graph views, search functions.

pub mod graph_relations;
mod rows;
pub mod set_returning;

use std::sync::Arc;

use crate::functions::{FunctionRegistry, TableFunction};

/// A system relation by schema and name, as a table function without arguments.
pub fn system_relation(schema: &str, name: &str) -> Option<Arc<dyn TableFunction>> {
    match schema {
        "sinew" => graph_relations::relation(name),
        _ => None,
    }
}

/// (schema, name) of every system relation.
pub fn system_relation_names() -> Vec<(&'static str, &'static str)> {
    let mut names: Vec<(&'static str, &'static str)> = Vec::new();
    names.extend(graph_relations::NAMES.iter().map(|name| ("sinew", *name)));
    names
}

/// Registers the table functions and procedures that belong to the query engine.
pub fn register(registry: &FunctionRegistry) {
    let _ = registry;
}

pub fn relation_oid(schema: &str, name: &str) -> Option<u32> {
    let _ = (schema, name);
    None
}
pub fn namespace_oid(catalog: &sinew_storage::catalog::Catalog, name: &str) -> Option<u32> {
    catalog.schemas.get(name).map(|s| s.oid)
}
