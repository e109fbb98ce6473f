//! Functions over the catalog, as psql, drivers and ORMs call them.

use sinew_storage::ids::RelationId;
use sinew_storage::{DataType, Value};

use super::args::{int, text};
use super::cast::relation_oid;
use super::registry::Table;
use crate::context::EvalContext;
use crate::error::{QueryError, Result, sqlstate};
use crate::system::pg_catalog::definitions;
use crate::system::pg_catalog::signatures::signature;
use crate::types::reg;

fn oid(value: &Value) -> Result<u32> {
    Ok(u32::try_from(int(value)?).unwrap_or(0))
}

/// The CREATE INDEX statement of a table's index, or one of its columns; NULL for graph indexes, which SQL cannot write.
fn index_definition(context: &EvalContext<'_>, args: &[Value]) -> Result<Value> {
    let catalog = context.exec.transaction.catalog();
    let index = oid(&args[0])?;
    let column = args.get(1).map_or(Ok(0), int)?;
    Ok(match usize::try_from(column) {
        Ok(0) => definitions::index_definition_by_oid(&catalog, index),
        Ok(number) => definitions::index_column_definition_by_oid(&catalog, index, number),
        Err(_) => None,
    }
    .into())
}

fn constraint_definition(context: &EvalContext<'_>, args: &[Value]) -> Result<Value> {
    let catalog = context.exec.transaction.catalog();
    Ok(definitions::constraint_definition_by_oid(&catalog, oid(&args[0])?).into())
}

fn view_definition(context: &EvalContext<'_>, relation: &Value) -> Result<Value> {
    let Some(oid) = relation_oid(context, relation)? else { return Ok(Value::Null) };
    Ok(definitions::view_definition_by_oid(&context.exec.transaction.catalog(), oid).into())
}

/// Visible: the search path finds this relation by its bare name.
fn relation_is_visible(context: &EvalContext<'_>, args: &[Value]) -> Result<Value> {
    let wanted = oid(&args[0])?;
    let catalog = context.exec.transaction.catalog();
    Ok(match reg::relation_name(&catalog, wanted) {
        Some((_, name)) => Value::Bool(reg::find_relation(context, &[name]) == Some(wanted)),
        None => Value::Null,
    })
}

fn comment(context: &EvalContext<'_>, args: &[Value], column: Option<i64>) -> Result<Value> {
    let catalog = context.exec.transaction.catalog();
    let Some(table) = catalog.tables.get(&RelationId(oid(&args[0])?)) else { return Ok(Value::Null) };
    let comment = match column {
        None => table.comment.as_deref(),
        Some(number) => usize::try_from(number - 1)
            .ok()
            .and_then(|at| table.columns.get(at))
            .and_then(|column| column.comment.as_deref()),
    };
    Ok(comment.map_or(Value::Null, Value::from))
}

/// Estimated from the number of rows: the store shares its file between relations, so that none has a size of its own.
fn relation_size(context: &EvalContext<'_>, relation: &Value, with_indexes: bool) -> Result<Value> {
    const ROW_BYTES: u64 = 64;
    let Some(oid) = relation_oid(context, relation)? else { return Ok(Value::Null) };
    let transaction = &context.exec.transaction;
    let catalog = transaction.catalog();
    let id = RelationId(oid);
    let Some(table) = catalog.tables.get(&id) else {
        return Ok(Value::Int(0));
    };
    let per_row = ROW_BYTES + if with_indexes { 24 * catalog.indexes_of(id).len() as u64 } else { 0 };
    let bytes = transaction.row_count(table)?.saturating_mul(per_row);
    Ok(Value::Int(i64::try_from(bytes).unwrap_or(i64::MAX)))
}

fn lookup(ty: DataType, context: &EvalContext<'_>, args: &[Value]) -> Result<Value> {
    Ok(reg::lookup(context, text(&args[0])?, &ty).map_or(Value::Null, |oid| Value::Int(i64::from(oid))))
}

/// There are no roles yet: everyone may do everything, but the object must exist.
fn privilege(context: &EvalContext<'_>, args: &[Value]) -> Result<Value> {
    let object = &args[args.len() - 2];
    if let Value::Text(name) = object
        && reg::lookup(context, name, &DataType::Regclass).is_none()
    {
        return Err(QueryError::new(sqlstate::UNDEFINED_TABLE, format!("relation \"{name}\" does not exist")));
    }
    Ok(Value::Bool(true))
}

pub(super) fn register(t: &mut Table) {
    t.section("Catalog");
    t.f("getdatabaseencoding() -> name", |_, _| Ok(Value::from("UTF8"))).stable();
    // There are no rules but those of views, no SQL function bodies, and no named dependencies to describe.
    t.f("pg_get_ruledef(oid) -> text", |_, _| Ok(Value::Null)).stable();
    t.f("pg_get_ruledef(oid, bool) -> text", |_, _| Ok(Value::Null)).stable();
    t.f("pg_get_function_sqlbody(oid) -> text", |_, _| Ok(Value::Null)).stable();
    // Foreign keys are no triggers here.
    t.f("pg_get_triggerdef(oid) -> text", |_, _| Ok(Value::Null)).stable();
    t.f("pg_get_triggerdef(oid, bool) -> text", |_, _| Ok(Value::Null)).stable();
    t.f("pg_describe_object(oid, oid, int4) -> text", |_, _| Ok(Value::Null)).stable();
    // There are no extended statistics objects to describe.
    t.f("pg_get_statisticsobjdef_columns(oid) -> text", |_, _| Ok(Value::Null)).stable();
    t.f("pg_get_indexdef(oid) -> text", index_definition).stable();
    t.f("pg_get_indexdef(oid, int4, bool) -> text", index_definition).stable();
    t.f("pg_get_constraintdef(oid) -> text", constraint_definition).stable();
    t.f("pg_get_constraintdef(oid, bool) -> text", constraint_definition).stable();
    // `pg_attrdef.adbin` and its like hold SQL text already.
    t.f("pg_get_expr(text, oid) -> text", |_, a| Ok(a[0].clone())).stable();
    t.f("pg_get_expr(text, oid, bool) -> text", |_, a| Ok(a[0].clone())).stable();
    for signature in [
        "pg_get_viewdef(oid) -> text",
        "pg_get_viewdef(oid, bool) -> text",
        "pg_get_viewdef(text) -> text",
        "pg_get_viewdef(text, bool) -> text",
    ] {
        t.f(signature, |c, a| view_definition(c, &a[0])).stable();
    }
    t.f("pg_get_userbyid(oid) -> name", |c, _| Ok(Value::text(c.exec.session.user.as_str()))).stable();
    t.f("pg_get_serial_sequence(text, text) -> text", |_, _| Ok(Value::Null)).stable();
    t.f("pg_get_functiondef(oid) -> text", |_, _| Ok(Value::Null)).stable();
    t.f("pg_get_function_result(oid) -> text", |c, a| {
        Ok(signature(c, oid(&a[0])?)?.and_then(|signature| signature.result).into())
    })
    .stable();
    t.f("pg_get_function_arguments(oid) -> text", |c, a| {
        Ok(signature(c, oid(&a[0])?)?.map(|signature| signature.arguments).into())
    })
    .stable();
    t.f("pg_get_function_identity_arguments(oid) -> text", |c, a| {
        Ok(signature(c, oid(&a[0])?)?.map(|signature| signature.identity_arguments).into())
    })
    .stable();
    t.f("pg_table_is_visible(oid) -> bool", relation_is_visible).oid(2079).stable();
    for signature in [
        "pg_type_is_visible(oid) -> bool",
        "pg_function_is_visible(oid) -> bool",
        "pg_operator_is_visible(oid) -> bool",
        "pg_opclass_is_visible(oid) -> bool",
        "pg_collation_is_visible(oid) -> bool",
        "pg_conversion_is_visible(oid) -> bool",
    ] {
        t.f(signature, |_, _| Ok(Value::Bool(true))).stable();
    }
    t.f("obj_description(oid, name) -> text", |c, a| comment(c, a, None)).stable();
    t.f("obj_description(oid) -> text", |c, a| comment(c, a, None)).stable();
    t.f("col_description(oid, int4) -> text", |c, a| comment(c, a, Some(int(&a[1])?))).stable();
    t.f("shobj_description(oid, name) -> text", |_, _| Ok(Value::Null)).stable();

    for signature in [
        "pg_relation_size(regclass) -> int8",
        "pg_relation_size(regclass, text) -> int8",
        "pg_table_size(regclass) -> int8",
    ] {
        t.f(signature, |c, a| relation_size(c, &a[0], false)).volatile();
    }
    t.f("pg_total_relation_size(regclass) -> int8", |c, a| relation_size(c, &a[0], true)).volatile();
    t.f("pg_indexes_size(regclass) -> int8", |c, a| {
        Ok(match (relation_size(c, &a[0], true)?, relation_size(c, &a[0], false)?) {
            (Value::Int(all), Value::Int(table)) => Value::Int(all - table),
            _ => Value::Null,
        })
    })
    .volatile();
    for signature in ["pg_database_size(name) -> int8", "pg_database_size(oid) -> int8"] {
        t.f(signature, |c, _| {
            let tables: Vec<u32> = c.exec.transaction.catalog().tables.keys().map(|id| id.0).collect();
            let mut total = 0i64;
            for table in tables {
                if let Value::Int(size) = relation_size(c, &Value::Int(i64::from(table)), true)? {
                    total = total.saturating_add(size);
                }
            }
            Ok(Value::Int(total))
        })
        .volatile();
    }
    t.f("to_regclass(text) -> regclass", |c, a| lookup(DataType::Regclass, c, a)).stable();
    t.f("to_regtype(text) -> regtype", |c, a| lookup(DataType::Regtype, c, a)).stable();
    t.f("to_regproc(text) -> regproc", |c, a| lookup(DataType::Regproc, c, a)).stable();
    t.f("to_regnamespace(text) -> regnamespace", |c, a| lookup(DataType::Regnamespace, c, a)).stable();

    for signature in [
        "has_table_privilege(text, text) -> bool",
        "has_table_privilege(oid, text) -> bool",
        "has_table_privilege(name, text, text) -> bool",
        "has_table_privilege(name, oid, text) -> bool",
    ] {
        t.f(signature, privilege).stable();
    }
    for signature in [
        "has_schema_privilege(text, text) -> bool",
        "has_schema_privilege(oid, text) -> bool",
        "has_schema_privilege(name, text, text) -> bool",
        "has_schema_privilege(name, oid, text) -> bool",
        "has_database_privilege(text, text) -> bool",
        "has_database_privilege(oid, text) -> bool",
        "has_database_privilege(name, text, text) -> bool",
        "has_database_privilege(name, oid, text) -> bool",
        "has_function_privilege(text, text) -> bool",
        "has_function_privilege(oid, text) -> bool",
        "has_function_privilege(name, oid, text) -> bool",
        "has_any_column_privilege(text, text) -> bool",
        "has_any_column_privilege(oid, text) -> bool",
        "has_column_privilege(text, text, text) -> bool",
        "has_column_privilege(oid, text, text) -> bool",
        "has_column_privilege(oid, int2, text) -> bool",
        "has_language_privilege(oid, text) -> bool",
        "has_sequence_privilege(oid, text) -> bool",
        "has_tablespace_privilege(oid, text) -> bool",
        "has_type_privilege(oid, text) -> bool",
        "pg_has_role(name, text) -> bool",
        "pg_has_role(oid, text) -> bool",
        "pg_has_role(name, name, text) -> bool",
        "pg_has_role(name, oid, text) -> bool",
        "row_security_active(oid) -> bool",
    ] {
        let active = !signature.starts_with("row_security");
        t.f(signature, if active { |_, _| Ok(Value::Bool(true)) } else { |_, _| Ok(Value::Bool(false)) }).stable();
    }
    t.f("pg_relation_filenode(regclass) -> oid", |c, a| {
        Ok(relation_oid(c, &a[0])?.map_or(Value::Null, |oid| Value::Int(i64::from(oid))))
    })
    .stable();
    t.f("pg_relation_is_publishable(regclass) -> bool", |_, _| Ok(Value::Bool(false))).stable();
    t.f("pg_tablespace_location(oid) -> text", |_, _| Ok(Value::from(""))).stable();
    t.f("pg_my_temp_schema() -> oid", |_, _| Ok(Value::Int(0))).stable();
    t.f("pg_is_other_temp_schema(oid) -> bool", |_, _| Ok(Value::Bool(false))).stable();
    t.f("pg_partition_root(regclass) -> regclass", |_, _| Ok(Value::Null)).stable();
}
