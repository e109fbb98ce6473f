//! System relations computed from the catalog: pg_catalog, information_schema, graph views, search functions.

use std::sync::Arc;

use crate::functions::{FunctionRegistry, TableFunction};

/// A system relation by schema and name, as a table function without arguments.
pub fn system_relation(schema: &str, name: &str) -> Option<Arc<dyn TableFunction>> {
    let _ = (schema, name);
    None
}

/// (schema, name) of every system relation.
pub fn system_relation_names() -> Vec<(&'static str, &'static str)> {
    Vec::new()
}

/// Registers the table functions and procedures that belong to the query engine.
pub fn register(registry: &FunctionRegistry) {
    let _ = registry;
}
