//! Whether the search path finds an object by its bare name.

use sinew_storage::Value;

use super::args::int;
use super::registry::Table;
use crate::context::EvalContext;
use crate::error::Result;
use crate::system::pg_catalog::{functions, types as catalog_types};
use crate::types::reg;

fn oid(value: &Value) -> Result<u32> {
    Ok(u32::try_from(int(value)?).unwrap_or(0))
}

fn is_on_path(context: &EvalContext<'_>, schema: &str) -> bool {
    context.exec.session.search_path().iter().any(|known| known == schema)
}

/// NULL for a relation that does not exist.
fn relation(context: &EvalContext<'_>, args: &[Value]) -> Result<Value> {
    let wanted = oid(&args[0])?;
    let catalog = context.exec.transaction.catalog();
    Ok(match reg::relation_name(&catalog, wanted) {
        Some((_, name)) => Value::Bool(reg::find_relation(context, &[name]) == Some(wanted)),
        None => Value::Null,
    })
}

/// Types are PostgreSQL's own, or the extension's in `public`.
fn data_type(context: &EvalContext<'_>, args: &[Value]) -> Result<Value> {
    let is_extension = catalog_types::is_of_extension(oid(&args[0])?);
    Ok(Value::Bool(!is_extension || is_on_path(context, "public")))
}

/// Functions are PostgreSQL's own, or those of `sinew`.
fn function(context: &EvalContext<'_>, args: &[Value]) -> Result<Value> {
    let is_own = functions::is_in_sinew(context.exec, oid(&args[0])?);
    Ok(Value::Bool(!is_own || is_on_path(context, "sinew")))
}

pub(super) fn register(t: &mut Table) {
    t.section("Catalog");
    t.f("pg_table_is_visible(oid) -> bool", relation).oid(2079).stable();
    t.f("pg_type_is_visible(oid) -> bool", data_type).oid(2080).stable();
    t.f("pg_function_is_visible(oid) -> bool", function).oid(2081).stable();
    // What is left is in pg_catalog, which is always searched.
    for signature in [
        "pg_operator_is_visible(oid) -> bool",
        "pg_opclass_is_visible(oid) -> bool",
        "pg_opfamily_is_visible(oid) -> bool",
        "pg_collation_is_visible(oid) -> bool",
        "pg_conversion_is_visible(oid) -> bool",
        "pg_statistics_obj_is_visible(oid) -> bool",
        "pg_ts_config_is_visible(oid) -> bool",
        "pg_ts_dict_is_visible(oid) -> bool",
        "pg_ts_parser_is_visible(oid) -> bool",
        "pg_ts_template_is_visible(oid) -> bool",
    ] {
        t.f(signature, |_, _| Ok(Value::Bool(true))).stable();
    }
}
