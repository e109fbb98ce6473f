//! System relations computed from the catalog, and the engine's own table functions and procedures.

mod catalog_functions;
mod entities;
pub mod extensions;
pub mod graph_relations;
mod information_schema;
pub(crate) mod json_record;
pub(crate) mod pg_catalog;
mod procedures;
mod rows;
mod search;
pub mod sequence_relation;
pub mod set_returning;
pub(crate) mod side_by_side;
mod traverse;

use std::sync::{Arc, OnceLock};

use crate::functions::{FunctionRegistry, TableFunction};

/// A system relation by schema and name, as a table function without arguments.
pub fn system_relation(schema: &str, name: &str) -> Option<Arc<dyn TableFunction>> {
    match schema {
        "pg_catalog" => pg_catalog::relation(name),
        "information_schema" => information_schema::relation(name),
        "sinew" if name == "entities" => Some(entities::relation()),
        "sinew" => graph_relations::relation(name),
        _ => None,
    }
}

/// (schema, name) of every system relation.
pub fn system_relation_names() -> &'static [(&'static str, &'static str)] {
    static NAMES: OnceLock<Vec<(&'static str, &'static str)>> = OnceLock::new();
    NAMES.get_or_init(collect_names)
}

fn collect_names() -> Vec<(&'static str, &'static str)> {
    let mut names: Vec<(&'static str, &'static str)> = Vec::new();
    names.extend(pg_catalog::names().into_iter().map(|name| ("pg_catalog", name)));
    names.extend(information_schema::names().into_iter().map(|name| ("information_schema", name)));
    names.extend(graph_relations::NAMES.iter().map(|name| ("sinew", *name)));
    names.push(("sinew", "entities"));
    names
}

/// Registers the table functions and procedures that belong to the query engine.
pub fn register(registry: &FunctionRegistry) {
    search::register(registry);
    traverse::register(registry);
    procedures::register(registry);
}

pub use crate::types::reg::{schema_oid as namespace_oid, system_relation_oid as relation_oid};
