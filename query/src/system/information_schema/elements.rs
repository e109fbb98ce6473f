//! What columns are made of: elements of arrays, types, collations; and what views and constraints use.

use sinew_storage::DataType;

use super::{ColumnPlace, columns_of_all, data_type_name, type_schema};
use crate::context::ExecContext;
use crate::system::pg_catalog::identity::{self, ConstraintBody};
use crate::system::pg_catalog::{NULL, Rows, SystemRelation, row, view};
use crate::types::names;

pub(super) static RELATIONS: &[SystemRelation] = &[
    view(
        "element_types",
        "object_catalog sql_identifier, object_schema sql_identifier, object_name sql_identifier, \
         object_type character_data, collection_type_identifier sql_identifier, data_type character_data, \
         character_maximum_length cardinal_number, character_octet_length cardinal_number, \
         character_set_catalog sql_identifier, character_set_schema sql_identifier, \
         character_set_name sql_identifier, collation_catalog sql_identifier, collation_schema sql_identifier, \
         collation_name sql_identifier, numeric_precision cardinal_number, \
         numeric_precision_radix cardinal_number, numeric_scale cardinal_number, \
         datetime_precision cardinal_number, interval_type character_data, interval_precision cardinal_number, \
         domain_default character_data, udt_catalog sql_identifier, udt_schema sql_identifier, \
         udt_name sql_identifier, scope_catalog sql_identifier, scope_schema sql_identifier, \
         scope_name sql_identifier, maximum_cardinality cardinal_number, dtd_identifier sql_identifier",
        element_types,
    ),
    view(
        "column_udt_usage",
        "udt_catalog sql_identifier, udt_schema sql_identifier, udt_name sql_identifier, \
         table_catalog sql_identifier, table_schema sql_identifier, table_name sql_identifier, \
         column_name sql_identifier",
        column_types,
    ),
    view(
        "collations",
        "collation_catalog sql_identifier, collation_schema sql_identifier, collation_name sql_identifier, \
         pad_attribute character_data",
        collations,
    ),
    view(
        "collation_character_set_applicability",
        "collation_catalog sql_identifier, collation_schema sql_identifier, collation_name sql_identifier, \
         character_set_catalog sql_identifier, character_set_schema sql_identifier, \
         character_set_name sql_identifier",
        collation_sets,
    ),
    view(
        "constraint_table_usage",
        "table_catalog sql_identifier, table_schema sql_identifier, table_name sql_identifier, \
         constraint_catalog sql_identifier, constraint_schema sql_identifier, constraint_name sql_identifier",
        constraint_tables,
    ),
    view(
        "view_table_usage",
        "view_catalog sql_identifier, view_schema sql_identifier, view_name sql_identifier, \
         table_catalog sql_identifier, table_schema sql_identifier, table_name sql_identifier",
        view_tables,
    ),
];

/// The elements of columns that are arrays.
fn element_types(context: &ExecContext) -> Rows {
    let database = &context.session.database;
    let mut rows = Vec::new();
    columns_of_all(context, |place| {
        let DataType::Array(element) = place.ty else { return };
        let kind = if place.is_table { "TABLE" } else { "VIEW" };
        rows.push(row![
            database,
            place.schema,
            place.relation,
            kind,
            place.number.to_string(),
            data_type_name(element),
            NULL,
            NULL,
            NULL,
            NULL,
            NULL,
            NULL,
            NULL,
            NULL,
            NULL,
            NULL,
            NULL,
            NULL,
            NULL,
            NULL,
            NULL,
            database,
            type_schema(element),
            names::internal_name(element),
            NULL,
            NULL,
            NULL,
            NULL,
            format!("a{}", place.number),
        ]);
    });
    Ok(rows)
}

fn column_types(context: &ExecContext) -> Rows {
    let database = &context.session.database;
    let mut rows = Vec::new();
    columns_of_all(context, |ColumnPlace { schema, relation, column, ty, .. }| {
        let name = names::internal_name(ty);
        rows.push(row![database, type_schema(ty), name, database, schema, relation, column]);
    });
    Ok(rows)
}

fn collations(context: &ExecContext) -> Rows {
    let database = &context.session.database;
    let rows = ["default", "C", "POSIX"].into_iter().map(|name| row![database, "pg_catalog", name, "NO PAD"]);
    Ok(rows.collect())
}

fn collation_sets(context: &ExecContext) -> Rows {
    let database = &context.session.database;
    let rows = ["default", "C", "POSIX"].into_iter();
    Ok(rows.map(|name| row![database, "pg_catalog", name, NULL, NULL, "UTF8"]).collect())
}

/// A foreign key uses the table it refers to.
fn constraint_tables(context: &ExecContext) -> Rows {
    let database = &context.session.database;
    let catalog = context.transaction.catalog();
    let mut rows = Vec::new();
    for constraint in identity::constraints(&catalog) {
        let used = match &constraint.body {
            ConstraintBody::ForeignKey(foreign) => foreign.table,
            ConstraintBody::Key(..) => constraint.table,
            ConstraintBody::Check(_) => continue,
        };
        rows.push(row![database, &used.schema, &used.name, database, &constraint.table.schema, constraint.name,]);
    }
    Ok(rows)
}

fn view_tables(context: &ExecContext) -> Rows {
    let database = &context.session.database;
    let catalog = context.transaction.catalog();
    let mut rows = Vec::new();
    for view in catalog.views.values() {
        for (schema, name) in crate::sql::relations_named(context, &view.query).unwrap_or_default() {
            rows.push(row![database, &view.schema, &view.name, database, schema, name]);
        }
    }
    Ok(rows)
}
