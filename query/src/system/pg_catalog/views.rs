//! Views for people: tables, views, indexes, rules.

use super::relations::system_relations;
use super::{NULL, Rows, SystemRelation, definitions, identity, no_rows, relation_kind, row, view};
use crate::context::ExecContext;

pub(super) static RELATIONS: &[SystemRelation] = &[
    view(
        "pg_tables",
        "schemaname name, tablename name, tableowner name, tablespace name, hasindexes bool, hasrules bool, \
         hastriggers bool, rowsecurity bool",
        tables,
    ),
    view("pg_views", "schemaname name, viewname name, viewowner name, definition text", views),
    view("pg_indexes", "schemaname name, tablename name, indexname name, tablespace name, indexdef text", indexes),
    view(
        "pg_matviews",
        "schemaname name, matviewname name, matviewowner name, tablespace name, hasindexes bool, ispopulated bool, \
         definition text",
        materialized_views,
    ),
    view("pg_rules", "schemaname name, tablename name, rulename name, definition text", no_rows),
    view(
        "pg_sequences",
        "schemaname name, sequencename name, sequenceowner name, data_type regtype, start_value int8, \
         min_value int8, max_value int8, increment_by int8, cycle bool, cache_size int8, last_value int8",
        sequences,
    ),
    view(
        "pg_policies",
        "schemaname name, tablename name, policyname name, permissive text, roles name[], cmd text, qual text, \
         with_check text",
        no_rows,
    ),
];

fn tables(context: &ExecContext) -> Rows {
    let catalog = context.transaction.catalog();
    let owner = &context.session.user;
    let mut rows = Vec::new();
    for table in catalog.tables.values().filter(|table| table.materialized.is_none()) {
        let has_index = !catalog.indexes_of(table.id).is_empty();
        rows.push(row![&table.schema, &table.name, owner, NULL, has_index, false, false, false]);
    }
    for (schema, name, _) in system_relations() {
        if relation_kind(schema, name) == 'r' {
            rows.push(row![schema, name, owner, NULL, false, false, false, false]);
        }
    }
    Ok(rows)
}

/// System relations have no text to show.
fn views(context: &ExecContext) -> Rows {
    let catalog = context.transaction.catalog();
    let owner = &context.session.user;
    let mut rows = Vec::new();
    for view in catalog.views.values() {
        rows.push(row![&view.schema, &view.name, owner, definitions::view_definition(context, &view.query)]);
    }
    for (schema, name, _) in system_relations() {
        if relation_kind(schema, name) == 'v' {
            rows.push(row![schema, name, owner, NULL]);
        }
    }
    Ok(rows)
}

fn materialized_views(context: &ExecContext) -> Rows {
    let catalog = context.transaction.catalog();
    let owner = &context.session.user;
    let rows = catalog.tables.values().filter_map(|table| {
        let of = table.materialized.as_ref()?;
        let has_index = !catalog.indexes_of(table.id).is_empty();
        let definition = definitions::view_definition(context, &of.query);
        Some(row![&table.schema, &table.name, owner, NULL, has_index, of.is_populated, definition])
    });
    Ok(rows.collect())
}

fn sequences(context: &ExecContext) -> Rows {
    let catalog = context.transaction.catalog();
    let mut rows = Vec::new();
    for sequence in catalog.sequences.values() {
        let (value, _) = context.transaction.sequence_value(sequence.id)?;
        rows.push(row![
            &sequence.schema,
            &sequence.name,
            &context.session.user,
            crate::types::type_oid(&sequence.ty),
            sequence.start,
            sequence.min_value,
            sequence.max_value,
            sequence.increment,
            sequence.cycle,
            sequence.cache,
            value.is_called.then_some(value.last_value),
        ]);
    }
    Ok(rows)
}

fn indexes(context: &ExecContext) -> Rows {
    let catalog = context.transaction.catalog();
    let rows = identity::table_indexes(&catalog).map(|(index, table)| {
        row![&index.schema, &table.name, &index.name, NULL, definitions::index_definition(index, table)]
    });
    Ok(rows.collect())
}
