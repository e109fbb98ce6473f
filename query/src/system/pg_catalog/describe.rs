//! Objects in words: `pg_describe_object`, `pg_get_functiondef`, properties of indexes and access methods.

use sinew_storage::catalog::{IndexDef, IndexKind};
use sinew_storage::ids::RelationId;

use super::identity::{self, BM25_OID, BTREE_OID, HNSW_OID};
use super::relations::{
    PG_CLASS_OID, PG_CONSTRAINT_OID, PG_EXTENSION_OID, PG_NAMESPACE_OID, PG_PROC_OID, PG_REWRITE_OID, PG_TYPE_OID,
};
use super::{relation_kind, signatures, types};
use crate::context::EvalContext;
use crate::error::Result;
use crate::functions::registry::Definition;
use crate::functions::{self, Volatility};
use crate::types::reg;

/// `table orders`, `column note of table orders`. None for what does not exist or has no words here.
pub(crate) fn object(context: &EvalContext<'_>, class: u32, oid: u32, column: i64) -> Result<Option<String>> {
    let catalog = context.exec.transaction.catalog();
    Ok(match class {
        PG_CLASS_OID => relation(context, oid, column),
        PG_TYPE_OID => reg::type_name_by_oid(oid).map(|name| format!("type {name}")),
        PG_NAMESPACE_OID => reg::schema_name(&catalog, oid).map(|name| format!("schema {name}")),
        PG_EXTENSION_OID => types::extension_name(oid).map(|name| format!("extension {name}")),
        PG_PROC_OID => {
            let name = reg::function_name(context, oid);
            let signature = signatures::signature(context, oid)?;
            name.zip(signature).map(|(name, signature)| format!("function {name}({})", signature.identity_arguments))
        }
        PG_CONSTRAINT_OID => identity::constraints(&catalog)
            .iter()
            .find(|constraint| constraint.oid == oid)
            .map(|constraint| format!("constraint {} on table {}", constraint.name, constraint.table.name)),
        PG_REWRITE_OID => {
            let view = catalog.stored_queries().find(|view| identity::rule_oid(view.id) == oid);
            view.map(|view| format!("rule _RETURN on {} {}", view.kind, view.name))
        }
        identity::PG_AM_OID => {
            let methods = [("btree", BTREE_OID), ("hnsw", HNSW_OID), ("bm25", BM25_OID), ("heap", identity::HEAP_OID)];
            methods.iter().find(|(_, known)| *known == oid).map(|(name, _)| format!("access method {name}"))
        }
        _ => None,
    })
}

fn relation(context: &EvalContext<'_>, oid: u32, column: i64) -> Option<String> {
    let catalog = context.exec.transaction.catalog();
    let (schema, name) = reg::relation_name(&catalog, oid)?;
    let id = RelationId(oid);
    let kind = if let Some(table) = catalog.tables.get(&id) {
        if table.materialized.is_some() { "materialized view" } else { "table" }
    } else if catalog.views.contains_key(&id) {
        "view"
    } else if catalog.indexes.contains_key(&id) {
        "index"
    } else if relation_kind(&schema, &name) == 'r' {
        "table"
    } else {
        "view"
    };
    let shown = reg::qualified_unless_visible(context, &schema, &name, oid);
    if column == 0 {
        return Some(format!("{kind} {shown}"));
    }
    let table = catalog.tables.get(&id)?;
    let column = table.columns.get(usize::try_from(column - 1).ok()?)?;
    Some(format!("column {} of {kind} {shown}", column.name))
}

/// `CREATE OR REPLACE FUNCTION …` of a scalar function, as PostgreSQL prints its internal ones.
pub(crate) fn function_definition(context: &EvalContext<'_>, oid: u32) -> Result<Option<String>> {
    let Some(definition) = functions::all_functions().find(|definition| definition.oid == oid) else { return Ok(None) };
    let Some(signature) = signatures::signature(context, oid)? else { return Ok(None) };
    let Definition { name, volatility, strict, .. } = definition;
    let volatility = match volatility {
        Volatility::Immutable => " IMMUTABLE",
        Volatility::Stable => " STABLE",
        Volatility::Volatile => "",
    };
    let strict = if *strict { " STRICT" } else { "" };
    Ok(Some(format!(
        "CREATE OR REPLACE FUNCTION pg_catalog.{}({})\n RETURNS {}\n LANGUAGE internal\n{volatility} PARALLEL SAFE{strict}\n\
         AS $function${name}$function$\n",
        reg::quote_identifier(name),
        signature.arguments,
        signature.result.unwrap_or_else(|| "void".to_owned()),
    )))
}

/// None for a property that does not exist.
pub(crate) fn access_method_property(method: u32, property: &str) -> Option<bool> {
    let is_btree = match method {
        BTREE_OID => true,
        HNSW_OID | BM25_OID => false,
        _ => return None,
    };
    Some(match property {
        "can_order" | "can_unique" => is_btree,
        "can_multi_col" => method != HNSW_OID,
        "can_include" => is_btree,
        "can_exclude" => false,
        _ => return None,
    })
}

fn index(catalog: &sinew_storage::catalog::Catalog, oid: u32) -> Option<&IndexDef> {
    catalog.indexes.get(&RelationId(oid)).map(|index| &**index)
}

pub(crate) fn index_property(context: &EvalContext<'_>, oid: u32, property: &str) -> Option<bool> {
    let catalog = context.exec.transaction.catalog();
    let is_btree = matches!(index(&catalog, oid)?.kind, IndexKind::Ordered { .. });
    Some(match property {
        "clusterable" => false,
        "index_scan" => true,
        "bitmap_scan" => false,
        "backward_scan" => is_btree,
        _ => return None,
    })
}

/// By the column's 1-based number.
pub(crate) fn index_column_property(context: &EvalContext<'_>, oid: u32, number: i64, property: &str) -> Option<bool> {
    use sinew_storage::catalog::IndexTarget;
    let catalog = context.exec.transaction.catalog();
    let index = index(&catalog, oid)?;
    let IndexTarget::Table { columns, .. } = &index.target else { return None };
    let column = columns.get(usize::try_from(number - 1).ok()?)?;
    let is_btree = matches!(index.kind, IndexKind::Ordered { .. });
    Some(match property {
        "asc" => is_btree && !column.descending,
        "desc" => is_btree && column.descending,
        "nulls_first" => is_btree && column.nulls_first,
        "nulls_last" => is_btree && !column.nulls_first,
        "orderable" | "returnable" | "search_array" | "search_nulls" => is_btree,
        "distance_orderable" => matches!(index.kind, IndexKind::Vector(_)),
        _ => return None,
    })
}
