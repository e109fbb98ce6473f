//! Functions over the catalog, as psql, drivers and ORMs call them.

use sinew_storage::ids::RelationId;
use sinew_storage::{DataType, Value};

use super::args::{int, text};
use super::cast::relation_oid;
use super::registry::Table;
use crate::context::EvalContext;
use crate::error::Result;
use crate::system::pg_catalog::relations::{self, PG_CLASS_OID};
use crate::system::pg_catalog::signatures::signature;
use crate::system::pg_catalog::{definitions, describe, identity};
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
    Ok(definitions::constraint_definition_by_oid(context, oid(&args[0])?).into())
}

/// Text of the catalog, with the names of sequences as the search path needs them.
fn stored_expression(context: &EvalContext<'_>, args: &[Value]) -> Result<Value> {
    Ok(Value::text(definitions::shown_expression(context, text(&args[0])?)))
}

fn view_definition(context: &EvalContext<'_>, relation: &Value) -> Result<Value> {
    let Some(oid) = relation_oid(context, relation)? else { return Ok(Value::Null) };
    Ok(definitions::view_definition_by_oid(context.exec, oid).into())
}

/// A comment, by the object's oid, that of its catalog (any, when None) and the column's number.
fn comment(context: &EvalContext<'_>, object: &Value, class: Option<u32>, column: i64) -> Result<Value> {
    let object = i64::from(oid(object)?);
    for row in relations::descriptions(context.exec)? {
        let [row_object, row_class, row_column, text] = row.as_slice() else { continue };
        if row_object.as_int() == Some(object)
            && row_column.as_int() == Some(column)
            && class.is_none_or(|class| row_class.as_int() == Some(i64::from(class)))
        {
            return Ok(text.clone());
        }
    }
    Ok(Value::Null)
}

/// `obj_description(oid, catalog)`: NULL for a catalog that does not exist.
fn object_comment(context: &EvalContext<'_>, args: &[Value]) -> Result<Value> {
    match reg::system_relation_oid("pg_catalog", text(&args[1])?) {
        Some(class) => comment(context, &args[0], Some(class), 0),
        None => Ok(Value::Null),
    }
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

fn database_size(context: &EvalContext<'_>) -> Result<Value> {
    let tables: Vec<u32> = context.exec.transaction.catalog().tables.keys().map(|id| id.0).collect();
    let mut total = 0i64;
    for table in tables {
        if let Value::Int(size) = relation_size(context, &Value::Int(i64::from(table)), true)? {
            total = total.saturating_add(size);
        }
    }
    Ok(Value::Int(total))
}

fn lookup(ty: DataType, context: &EvalContext<'_>, args: &[Value]) -> Result<Value> {
    Ok(reg::lookup(context, text(&args[0])?, &ty).map_or(Value::Null, |oid| Value::Int(i64::from(oid))))
}

/// For each column of a table or view whether it can be written; None for what cannot be written at all.
fn updatable(context: &EvalContext<'_>, oid: u32) -> Option<Vec<bool>> {
    let catalog = context.exec.transaction.catalog();
    if let Some(table) = catalog.tables.get(&RelationId(oid)).filter(|table| table.materialized.is_none()) {
        return Some(table.columns.iter().map(|column| column.virtual_expression.is_none()).collect());
    }
    crate::sql::updatable_columns(context.exec, catalog.views.get(&RelationId(oid))?)
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
    t.f("pg_describe_object(oid, oid, int4) -> text", |c, a| {
        describe::object(c, oid(&a[0])?, oid(&a[1])?, int(&a[2])?).map(Into::into)
    })
    .stable();
    // There are no extended statistics objects, partitions or foreign keys that are triggers to describe.
    for signature in [
        "pg_get_statisticsobjdef(oid) -> text",
        "pg_get_statisticsobjdef_columns(oid) -> text",
        "pg_get_partkeydef(oid) -> text",
        "pg_get_partition_constraintdef(oid) -> text",
        "pg_get_function_arg_default(oid, int4) -> text",
        "pg_collation_actual_version(oid) -> text",
        "pg_database_collation_actual_version(oid) -> text",
        "pg_relation_filepath(regclass) -> text",
    ] {
        t.f(signature, |_, _| Ok(Value::Null)).stable();
    }
    t.f("pg_get_indexdef(oid) -> text", index_definition).stable();
    t.f("pg_get_indexdef(oid, int4, bool) -> text", index_definition).stable();
    t.f("pg_get_constraintdef(oid) -> text", constraint_definition).stable();
    t.f("pg_get_constraintdef(oid, bool) -> text", constraint_definition).stable();
    // `pg_attrdef.adbin` and its like hold SQL text already.
    t.f("pg_get_expr(text, oid) -> text", stored_expression).stable();
    t.f("pg_get_expr(text, oid, bool) -> text", stored_expression).stable();
    for signature in [
        "pg_get_viewdef(oid) -> text",
        "pg_get_viewdef(oid, bool) -> text",
        "pg_get_viewdef(text) -> text",
        "pg_get_viewdef(oid, int4) -> text",
        "pg_get_viewdef(text, bool) -> text",
    ] {
        t.f(signature, |c, a| view_definition(c, &a[0])).stable();
    }
    t.f("pg_get_userbyid(oid) -> name", |c, a| {
        let oid = oid(&a[0])?;
        Ok(Value::text(reg::role_name(c, oid).unwrap_or_else(|| format!("unknown (OID={oid})"))))
    })
    .stable();
    t.f("pg_get_functiondef(oid) -> text", |c, a| Ok(describe::function_definition(c, oid(&a[0])?)?.into())).stable();
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
    t.f("obj_description(oid, name) -> text", object_comment).stable();
    t.f("obj_description(oid) -> text", |c, a| comment(c, &a[0], None, 0)).stable();
    t.f("col_description(oid, int4) -> text", |c, a| comment(c, &a[0], Some(PG_CLASS_OID), int(&a[1])?)).stable();
    t.f("shobj_description(oid, name) -> text", object_comment).stable();

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
        t.f(signature, |c, _| database_size(c)).volatile();
    }
    t.f("to_regclass(text) -> regclass", |c, a| lookup(DataType::Regclass, c, a)).stable();
    t.f("to_regtype(text) -> regtype", |c, a| lookup(DataType::Regtype, c, a)).stable();
    t.f("to_regproc(text) -> regproc", |c, a| lookup(DataType::Regproc, c, a)).stable();
    t.f("to_regnamespace(text) -> regnamespace", |c, a| lookup(DataType::Regnamespace, c, a)).stable();
    t.f("to_regprocedure(text) -> regprocedure", |c, a| lookup(DataType::Regprocedure, c, a)).stable();
    t.f("to_regoper(text) -> regoper", |c, a| lookup(DataType::Regoper, c, a)).stable();
    t.f("to_regoperator(text) -> regoperator", |c, a| lookup(DataType::Regoperator, c, a)).stable();
    t.f("to_regrole(text) -> regrole", |c, a| lookup(DataType::Regrole, c, a)).stable();
    t.f("to_regcollation(text) -> regcollation", |c, a| lookup(DataType::Regcollation, c, a)).stable();

    for signature in ["pg_tablespace_size(oid) -> int8", "pg_tablespace_size(name) -> int8"] {
        t.f(signature, |c, a| {
            let is_default = match &a[0] {
                Value::Text(name) => &**name == "pg_default",
                value => oid(value)? == identity::TABLESPACE_OID,
            };
            if is_default { database_size(c) } else { Ok(Value::Int(0)) }
        })
        .volatile();
    }
    t.f("oidvectortypes(oidvector) -> text", |_, a| {
        let Value::List(items) = &a[0] else { return Ok(Value::Null) };
        let names = items.iter().map(|item| Ok(reg::type_name_by_oid(oid(item)?).unwrap_or_else(|| "???".to_owned())));
        Ok(Value::text(names.collect::<Result<Vec<_>>>()?.join(", ")))
    })
    .stable();
    // A set of commands by their numbers: UPDATE 2, INSERT 3, DELETE 4.
    t.f("pg_relation_is_updatable(regclass, bool) -> int4", |c, a| {
        let commands = match updatable(c, oid(&a[0])?) {
            None => 0,
            Some(columns) if columns.iter().any(|is_updatable| *is_updatable) => 28,
            Some(_) => 16,
        };
        Ok(Value::Int(commands))
    })
    .stable();
    t.f("pg_column_is_updatable(regclass, int2, bool) -> bool", |c, a| {
        let column = usize::try_from(int(&a[1])? - 1).ok();
        let columns = updatable(c, oid(&a[0])?);
        Ok(Value::Bool(columns.zip(column).and_then(|(columns, at)| columns.get(at).copied()).unwrap_or(false)))
    })
    .stable();
    t.f("pg_encoding_max_length(int4) -> int4", |_, a| Ok(if int(&a[0])? == 6 { Value::Int(4) } else { Value::Null }));
    t.f("pg_trigger_depth() -> int4", |_, _| Ok(Value::Int(0))).stable();
    t.f("pg_jit_available() -> bool", |_, _| Ok(Value::Bool(false))).stable();
    t.f("pg_indexam_has_property(oid, text) -> bool", |_, a| {
        Ok(describe::access_method_property(oid(&a[0])?, text(&a[1])?).into())
    })
    .stable();
    t.f("pg_index_has_property(regclass, text) -> bool", |c, a| {
        Ok(describe::index_property(c, oid(&a[0])?, text(&a[1])?).into())
    })
    .stable();
    t.f("pg_index_column_has_property(regclass, int4, text) -> bool", |c, a| {
        Ok(describe::index_column_property(c, oid(&a[0])?, int(&a[1])?, text(&a[2])?).into())
    })
    .stable();
    t.f("pg_relation_filenode(regclass) -> oid", |c, a| {
        Ok(relation_oid(c, &a[0])?.map_or(Value::Null, |oid| Value::Int(i64::from(oid))))
    })
    .stable();
    t.f("pg_relation_is_publishable(regclass) -> bool", |_, _| Ok(Value::Bool(false))).stable();
    t.f("pg_tablespace_location(oid) -> text", |_, _| Ok(Value::from(""))).stable();
    t.f("pg_my_temp_schema() -> oid", |c, _| {
        let own = reg::schema_oid(&c.exec.transaction.catalog(), &c.exec.session.temporary_schema());
        Ok(Value::Int(i64::from(own.unwrap_or(0))))
    })
    .stable();
    t.f("pg_is_other_temp_schema(oid) -> bool", |c, a| {
        let name = reg::schema_name(&c.exec.transaction.catalog(), oid(&a[0])?);
        let is_other = |name: &String| name.starts_with("pg_temp_") && *name != c.exec.session.temporary_schema();
        Ok(Value::Bool(name.as_ref().is_some_and(is_other)))
    })
    .stable();
    t.f("pg_partition_root(regclass) -> regclass", |_, _| Ok(Value::Null)).stable();
}
