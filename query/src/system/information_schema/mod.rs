//! `information_schema`: the standard's views of the same catalog, with PostgreSQL's columns.

mod absent;
mod elements;
mod privileges;
mod routines;

use std::sync::{Arc, OnceLock};

use sinew_storage::DataType;
use sinew_storage::catalog::{
    Catalog, CheckOption, ConstraintKind, ConstraintTiming, ForeignKeyMatch, IdentityKind, SequenceDef, TableDef,
};

use super::pg_catalog::identity::{self, ConstraintBody};
use super::pg_catalog::{NULL, RelationSet, Row, Rows, SystemRelation, definitions, no_rows, relation_kind, row, view};
use super::{system_relation, system_relation_names};
use crate::context::{EvalContext, ExecContext};
use crate::functions::TableFunction;
use crate::types::reg::DATABASE_OWNER;
use crate::types::{self, names};

static RELATIONS: &[SystemRelation] = &[
    view("information_schema_catalog_name", "catalog_name sql_identifier", catalog_name),
    view(
        "schemata",
        "catalog_name sql_identifier, schema_name sql_identifier, schema_owner sql_identifier, \
         default_character_set_catalog sql_identifier, default_character_set_schema sql_identifier, \
         default_character_set_name sql_identifier, sql_path character_data",
        schemata,
    ),
    view(
        "tables",
        "table_catalog sql_identifier, table_schema sql_identifier, table_name sql_identifier, \
         table_type character_data, self_referencing_column_name sql_identifier, reference_generation character_data, \
         user_defined_type_catalog sql_identifier, user_defined_type_schema sql_identifier, \
         user_defined_type_name sql_identifier, is_insertable_into yes_or_no, is_typed yes_or_no, \
         commit_action character_data",
        tables,
    ),
    view(
        "columns",
        "table_catalog sql_identifier, table_schema sql_identifier, table_name sql_identifier, \
         column_name sql_identifier, ordinal_position cardinal_number, column_default character_data, \
         is_nullable yes_or_no, data_type character_data, character_maximum_length cardinal_number, \
         character_octet_length cardinal_number, numeric_precision cardinal_number, \
         numeric_precision_radix cardinal_number, numeric_scale cardinal_number, datetime_precision cardinal_number, \
         interval_type character_data, interval_precision cardinal_number, character_set_catalog sql_identifier, \
         character_set_schema sql_identifier, character_set_name sql_identifier, collation_catalog sql_identifier, \
         collation_schema sql_identifier, collation_name sql_identifier, domain_catalog sql_identifier, \
         domain_schema sql_identifier, domain_name sql_identifier, udt_catalog sql_identifier, \
         udt_schema sql_identifier, udt_name sql_identifier, scope_catalog sql_identifier, \
         scope_schema sql_identifier, scope_name sql_identifier, maximum_cardinality cardinal_number, \
         dtd_identifier sql_identifier, is_self_referencing yes_or_no, is_identity yes_or_no, \
         identity_generation character_data, identity_start character_data, identity_increment character_data, \
         identity_maximum character_data, identity_minimum character_data, identity_cycle yes_or_no, \
         is_generated character_data, generation_expression character_data, is_updatable yes_or_no",
        columns,
    ),
    view(
        "table_constraints",
        "constraint_catalog sql_identifier, constraint_schema sql_identifier, constraint_name sql_identifier, \
         table_catalog sql_identifier, table_schema sql_identifier, table_name sql_identifier, \
         constraint_type character_data, is_deferrable yes_or_no, initially_deferred yes_or_no, enforced yes_or_no, \
         nulls_distinct yes_or_no",
        table_constraints,
    ),
    view(
        "check_constraints",
        "constraint_catalog sql_identifier, constraint_schema sql_identifier, constraint_name sql_identifier, \
         check_clause character_data",
        check_constraints,
    ),
    view(
        "key_column_usage",
        "constraint_catalog sql_identifier, constraint_schema sql_identifier, constraint_name sql_identifier, \
         table_catalog sql_identifier, table_schema sql_identifier, table_name sql_identifier, \
         column_name sql_identifier, ordinal_position cardinal_number, position_in_unique_constraint cardinal_number",
        key_column_usage,
    ),
    view(
        "constraint_column_usage",
        "table_catalog sql_identifier, table_schema sql_identifier, table_name sql_identifier, \
         column_name sql_identifier, constraint_catalog sql_identifier, constraint_schema sql_identifier, \
         constraint_name sql_identifier",
        constraint_column_usage,
    ),
    view(
        "referential_constraints",
        "constraint_catalog sql_identifier, constraint_schema sql_identifier, constraint_name sql_identifier, \
         unique_constraint_catalog sql_identifier, unique_constraint_schema sql_identifier, \
         unique_constraint_name sql_identifier, match_option character_data, update_rule character_data, \
         delete_rule character_data",
        referential_constraints,
    ),
    view(
        "views",
        "table_catalog sql_identifier, table_schema sql_identifier, table_name sql_identifier, \
         view_definition character_data, check_option character_data, is_updatable yes_or_no, \
         is_insertable_into yes_or_no, is_trigger_updatable yes_or_no, is_trigger_deletable yes_or_no, \
         is_trigger_insertable_into yes_or_no",
        views,
    ),
    view(
        "sequences",
        "sequence_catalog sql_identifier, sequence_schema sql_identifier, sequence_name sql_identifier, \
         data_type character_data, numeric_precision cardinal_number, numeric_precision_radix cardinal_number, \
         numeric_scale cardinal_number, start_value character_data, minimum_value character_data, \
         maximum_value character_data, increment character_data, cycle_option yes_or_no",
        sequences,
    ),
    view(
        "character_sets",
        "character_set_catalog sql_identifier, character_set_schema sql_identifier, \
         character_set_name sql_identifier, character_repertoire sql_identifier, form_of_use sql_identifier, \
         default_collate_catalog sql_identifier, default_collate_schema sql_identifier, \
         default_collate_name sql_identifier",
        character_sets,
    ),
    view("enabled_roles", "role_name sql_identifier", enabled_roles),
    view("applicable_roles", "grantee sql_identifier, role_name sql_identifier, is_grantable yes_or_no", no_rows),
    view(
        "triggers",
        "trigger_catalog sql_identifier, trigger_schema sql_identifier, trigger_name sql_identifier, \
         event_manipulation character_data, event_object_catalog sql_identifier, event_object_schema sql_identifier, \
         event_object_table sql_identifier, action_order cardinal_number, action_condition character_data, \
         action_statement character_data, action_orientation character_data, action_timing character_data, \
         action_reference_old_table sql_identifier, action_reference_new_table sql_identifier, \
         action_reference_old_row sql_identifier, action_reference_new_row sql_identifier, created time_stamp",
        no_rows,
    ),
];

fn relations() -> &'static RelationSet {
    static PARSED: OnceLock<RelationSet> = OnceLock::new();
    PARSED.get_or_init(|| {
        RelationSet::build(&[
            RELATIONS,
            elements::RELATIONS,
            privileges::RELATIONS,
            routines::RELATIONS,
            absent::RELATIONS,
        ])
    })
}

/// By name.
pub(super) fn relation(name: &str) -> Option<Arc<dyn TableFunction>> {
    relations().get(name).map(|relation| Arc::clone(relation) as Arc<dyn TableFunction>)
}

/// Every name.
pub(super) fn names() -> Vec<&'static str> {
    relations().names()
}

fn yes_or_no(is: bool) -> &'static str {
    if is { "YES" } else { "NO" }
}

/// `data_type` of a column.
fn data_type_name(ty: &DataType) -> String {
    match ty {
        DataType::Array(_) if names::internal_name(ty).starts_with('_') => "ARRAY".to_owned(),
        DataType::Int2vector | DataType::Oidvector => "ARRAY".to_owned(),
        DataType::Vector(_) | DataType::Enum(_) => "USER-DEFINED".to_owned(),
        ty => types::type_name(&names::without_modifier(ty)),
    }
}

/// `udt_schema` of a column.
fn type_schema(ty: &DataType) -> &str {
    match ty {
        DataType::Vector(_) => "public",
        DataType::Enum(of) => &of.schema,
        DataType::Array(element) => type_schema(element),
        _ => "pg_catalog",
    }
}

/// A column and where it is.
struct ColumnPlace<'c> {
    schema: &'c str,
    relation: &'c str,
    is_table: bool,
    /// From 1.
    number: usize,
    column: &'c str,
    ty: &'c DataType,
}

/// Every column of every relation.
fn columns_of_all(context: &ExecContext, mut visit: impl FnMut(ColumnPlace<'_>)) {
    let catalog = context.transaction.catalog();
    for table in plain_tables(&catalog) {
        for (at, column) in table.columns.iter().enumerate() {
            visit(ColumnPlace {
                schema: &table.schema,
                relation: &table.name,
                is_table: true,
                number: at + 1,
                column: &column.name,
                ty: &column.ty,
            });
        }
    }
    let mut visit_all = |schema: &str, relation: &str, is_table: bool, columns: &[(String, DataType)]| {
        for (at, (column, ty)) in columns.iter().enumerate() {
            visit(ColumnPlace { schema, relation, is_table, number: at + 1, column, ty });
        }
    };
    for view in catalog.views.values() {
        visit_all(&view.schema, &view.name, false, &view.columns);
    }
    for &(schema, name) in system_relation_names() {
        if let Some(relation) = system_relation(schema, name) {
            visit_all(schema, name, relation_kind(schema, name) == 'r', relation.columns());
        }
    }
}

/// Every relation: schema, name, whether it is a table.
fn relations_of_all(context: &ExecContext) -> Vec<(String, String, bool)> {
    let catalog = context.transaction.catalog();
    let tables = plain_tables(&catalog).map(|table| (table.schema.clone(), table.name.clone(), true));
    let views = catalog.views.values().map(|view| (view.schema.clone(), view.name.clone(), false));
    let system = system_relation_names()
        .iter()
        .map(|(schema, name)| ((*schema).to_owned(), (*name).to_owned(), relation_kind(schema, name) == 'r'));
    tables.chain(views).chain(system).collect()
}

fn catalog_name(context: &ExecContext) -> Rows {
    Ok(vec![row![&context.session.database]])
}

fn schemata(context: &ExecContext) -> Rows {
    let session = &context.session;
    let catalog = context.transaction.catalog();
    let mut schemas: Vec<&str> = catalog.schemas.keys().map(String::as_str).collect();
    for name in ["pg_catalog", "information_schema"] {
        if !schemas.contains(&name) {
            schemas.push(name);
        }
    }
    let rows = schemas.into_iter().map(|name| {
        let owner = if name == "public" { DATABASE_OWNER } else { &session.user };
        row![&session.database, name, owner, NULL, NULL, NULL, NULL]
    });
    Ok(rows.collect())
}

/// Materialized views are none of the standard's.
fn plain_tables(catalog: &Catalog) -> impl Iterator<Item = &Arc<TableDef>> {
    catalog.tables.values().filter(|table| table.materialized.is_none())
}

fn tables(context: &ExecContext) -> Rows {
    let database = &context.session.database;
    let catalog = context.transaction.catalog();
    let row = |schema: &str, name: &str, is_table: bool, is_insertable: bool| {
        row![
            database,
            schema,
            name,
            if is_table { "BASE TABLE" } else { "VIEW" },
            NULL,
            NULL,
            NULL,
            NULL,
            NULL,
            yes_or_no(is_insertable),
            "NO",
            NULL,
        ]
    };
    let mut rows: Vec<Row> = plain_tables(&catalog).map(|table| row(&table.schema, &table.name, true, true)).collect();
    rows.extend(catalog.views.values().map(|view| {
        let columns = crate::sql::updatable_columns(context, view);
        row(&view.schema, &view.name, false, columns.is_some_and(|columns| columns.contains(&true)))
    }));
    rows.extend(system_relation_names().iter().map(|(schema, name)| {
        let is_table = relation_kind(schema, name) == 'r';
        row(schema, name, is_table, is_table)
    }));
    Ok(rows)
}

/// A column of any relation.
struct ColumnOf<'c> {
    schema: &'c str,
    relation: &'c str,
    number: usize,
    name: &'c str,
    ty: &'c DataType,
    not_null: bool,
    default: Option<String>,
    identity: Option<(IdentityKind, Arc<SequenceDef>)>,
    generation: Option<&'c str>,
    is_updatable: bool,
}

impl ColumnOf<'_> {
    fn row(&self, database: &str) -> Row {
        let ty = self.ty;
        let data_type = data_type_name(ty);
        let (length, octets): (Option<u32>, Option<u32>) = match ty {
            DataType::Varchar(Some(limit)) | DataType::Bpchar(Some(limit)) => {
                (Some(*limit), Some(limit.saturating_mul(4)))
            }
            DataType::Varchar(None) | DataType::Bpchar(None) | DataType::Text => (None, Some(1 << 30)),
            _ => (None, None),
        };
        let (precision, radix, scale): (Option<i32>, Option<i32>, Option<i32>) = match ty {
            DataType::Int2 => (Some(16), Some(2), Some(0)),
            DataType::Int4 => (Some(32), Some(2), Some(0)),
            DataType::Int8 => (Some(64), Some(2), Some(0)),
            DataType::Float4 => (Some(24), Some(2), None),
            DataType::Float8 => (Some(53), Some(2), None),
            DataType::Numeric(Some((precision, scale))) => {
                (Some(i32::from(*precision)), Some(10), Some(i32::from(*scale)))
            }
            DataType::Numeric(None) => (None, Some(10), None),
            _ => (None, None, None),
        };
        let datetime_precision: Option<i32> = match ty {
            DataType::Date => Some(0),
            DataType::Modified(ty, modifier) => types::modifier::precision(*ty, *modifier).or(Some(6)),
            ty if sinew_storage::TemporalType::of(ty).is_some() => Some(6),
            _ => None,
        };
        row![
            database,
            self.schema,
            self.relation,
            self.name,
            self.number,
            self.default.clone(),
            yes_or_no(!self.not_null),
            data_type,
            length,
            octets,
            precision,
            radix,
            scale,
            datetime_precision,
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
            type_schema(ty),
            names::internal_name(ty),
            NULL,
            NULL,
            NULL,
            NULL,
            self.number.to_string(),
            "NO",
            yes_or_no(self.identity.is_some()),
            self.identity.as_ref().map(|(kind, _)| match kind {
                IdentityKind::Always => "ALWAYS",
                IdentityKind::ByDefault => "BY DEFAULT",
            }),
            self.identity.as_ref().map(|(_, sequence)| sequence.start.to_string()),
            self.identity.as_ref().map(|(_, sequence)| sequence.increment.to_string()),
            self.identity.as_ref().map(|(_, sequence)| sequence.max_value.to_string()),
            self.identity.as_ref().map(|(_, sequence)| sequence.min_value.to_string()),
            yes_or_no(self.identity.as_ref().is_some_and(|(_, sequence)| sequence.cycle)),
            if self.generation.is_some() { "ALWAYS" } else { "NEVER" },
            self.generation,
            yes_or_no(self.is_updatable),
        ]
    }
}

/// Those behind identity columns are no sequences of the standard's.
fn sequences(context: &ExecContext) -> Rows {
    let database = &context.session.database;
    let catalog = context.transaction.catalog();
    let own = catalog.sequences.values().filter(|sequence| !sequence.owner.is_some_and(|owner| owner.is_identity));
    let rows = own.map(|sequence| {
        let precision = match sequence.ty {
            DataType::Int2 => 16_i32,
            DataType::Int4 => 32,
            _ => 64,
        };
        row![
            database,
            &sequence.schema,
            &sequence.name,
            types::type_name(&sequence.ty),
            precision,
            2_i32,
            0_i32,
            sequence.start.to_string(),
            sequence.min_value.to_string(),
            sequence.max_value.to_string(),
            sequence.increment.to_string(),
            yes_or_no(sequence.cycle),
        ]
    });
    Ok(rows.collect())
}

fn columns(context: &ExecContext) -> Rows {
    let database = &context.session.database;
    let catalog = context.transaction.catalog();
    let mut rows = Vec::new();
    for table in plain_tables(&catalog) {
        for (position, column) in table.columns.iter().enumerate() {
            let of = ColumnOf {
                schema: &table.schema,
                relation: &table.name,
                number: position + 1,
                name: &column.name,
                ty: &column.ty,
                not_null: column.not_null,
                default: column
                    .default
                    .as_ref()
                    .filter(|_| column.identity.is_none())
                    .map(|default| definitions::typed_default(&default.expression, &column.ty))
                    .map(|text| definitions::shown_expression(&EvalContext::new(context), &text)),
                identity: column.identity.and_then(|kind| {
                    let owned = catalog.owned_sequences.get(&table.id).into_iter().flatten();
                    let mut of_column = owned.filter(|sequence| sequence.belongs_to(table.id, column.id));
                    Some((kind, Arc::clone(of_column.next()?)))
                }),
                generation: column.virtual_expression.as_deref(),
                is_updatable: column.virtual_expression.is_none(),
            };
            rows.push(of.row(database));
        }
    }
    let mut push_plain =
        |schema: &str, relation: &str, columns: &[(String, DataType)], updatable: Option<Vec<bool>>| {
            let is_updatable =
                |position: usize| updatable.as_ref().is_some_and(|columns| columns.get(position) == Some(&true));
            for (position, (name, ty)) in columns.iter().enumerate() {
                let of = ColumnOf {
                    schema,
                    relation,
                    number: position + 1,
                    name,
                    ty,
                    not_null: false,
                    default: None,
                    identity: None,
                    generation: None,
                    is_updatable: is_updatable(position),
                };
                rows.push(of.row(database));
            }
        };
    for view in catalog.views.values() {
        push_plain(&view.schema, &view.name, &view.columns, crate::sql::updatable_columns(context, view));
    }
    for &(schema, name) in system_relation_names() {
        if let Some(relation) = system_relation(schema, name) {
            push_plain(schema, name, relation.columns(), None);
        }
    }
    Ok(rows)
}

/// NOT NULL counts as a check here: its made-up name, as PostgreSQL makes it, and its clause.
fn not_null_checks(schema_oid: u32, table: &TableDef) -> impl Iterator<Item = (String, String)> {
    let columns = table.columns.iter().enumerate().filter(|(_, column)| column.not_null);
    columns.map(move |(position, column)| {
        (format!("{schema_oid}_{}_{}_not_null", table.id, position + 1), format!("{} IS NOT NULL", column.name))
    })
}

fn table_constraints(context: &ExecContext) -> Rows {
    let database = &context.session.database;
    let catalog = context.transaction.catalog();
    let row = |table: &TableDef, name: &str, kind: &str, timing: ConstraintTiming, nulls_distinct: Option<&str>| {
        row![
            database,
            &table.schema,
            name,
            database,
            &table.schema,
            &table.name,
            kind,
            yes_or_no(timing.is_deferrable()),
            yes_or_no(timing.is_initially_deferred()),
            "YES",
            nulls_distinct
        ]
    };
    let mut rows = Vec::new();
    for constraint in identity::constraints(&catalog) {
        let kind = match constraint.body {
            ConstraintBody::Key(ConstraintKind::PrimaryKey, _) => "PRIMARY KEY",
            ConstraintBody::Key(ConstraintKind::Unique, _) => "UNIQUE",
            ConstraintBody::Check(_) => "CHECK",
            ConstraintBody::ForeignKey(_) => "FOREIGN KEY",
        };
        let nulls_distinct = match constraint.body {
            ConstraintBody::Key(ConstraintKind::Unique, index) => Some(yes_or_no(!index.options.nulls_not_distinct)),
            _ => None,
        };
        rows.push(row(constraint.table, constraint.name, kind, constraint.timing(), nulls_distinct));
    }
    for table in catalog.tables.values() {
        let schema_oid = identity::schema_oid(&catalog, &table.schema);
        rows.extend(
            not_null_checks(schema_oid, table)
                .map(|(name, _)| row(table, &name, "CHECK", ConstraintTiming::NotDeferrable, None)),
        );
    }
    Ok(rows)
}

fn check_constraints(context: &ExecContext) -> Rows {
    let database = &context.session.database;
    let catalog = context.transaction.catalog();
    let mut rows = Vec::new();
    for table in catalog.tables.values() {
        for check in &table.checks {
            rows.push(row![database, &table.schema, &check.name, format!("({})", check.expression)]);
        }
        let schema_oid = identity::schema_oid(&catalog, &table.schema);
        for (name, clause) in not_null_checks(schema_oid, table) {
            rows.push(row![database, &table.schema, name, clause]);
        }
    }
    Ok(rows)
}

fn key_column_usage(context: &ExecContext) -> Rows {
    let database = &context.session.database;
    let catalog = context.transaction.catalog();
    let mut rows = Vec::new();
    for constraint in identity::constraints(&catalog) {
        // Place of each column within the key referred to.
        let places: Vec<Option<usize>> = match &constraint.body {
            ConstraintBody::Check(_) => continue,
            ConstraintBody::Key(_, index) => vec![None; identity::index_column_numbers(index, constraint.table).len()],
            ConstraintBody::ForeignKey(foreign) => {
                let key = identity::index_column_numbers(foreign.index, foreign.table);
                let place = |number: &usize| key.iter().position(|other| other == number).map(|place| place + 1);
                foreign.referenced_numbers().iter().map(place).collect()
            }
        };
        let table = constraint.table;
        for (position, column) in constraint.columns().into_iter().enumerate() {
            rows.push(row![
                database,
                &table.schema,
                constraint.name,
                database,
                &table.schema,
                &table.name,
                &column.name,
                position + 1,
                places.get(position).copied().flatten(),
            ]);
        }
    }
    Ok(rows)
}

fn referential_constraints(context: &ExecContext) -> Rows {
    let database = &context.session.database;
    let catalog = context.transaction.catalog();
    let mut rows = Vec::new();
    for constraint in identity::constraints(&catalog) {
        let ConstraintBody::ForeignKey(foreign) = &constraint.body else { continue };
        // A plain unique index is no constraint, so it has no name here.
        let unique = foreign.index.constraint.is_some().then_some(foreign.index);
        rows.push(row![
            database,
            &constraint.table.schema,
            constraint.name,
            unique.map(|_| &database[..]),
            unique.map(|index| &index.schema[..]),
            unique.map(|index| &index.name[..]),
            match foreign.key.match_type {
                ForeignKeyMatch::Simple => "NONE",
                ForeignKeyMatch::Full => "FULL",
            },
            definitions::action_name(foreign.key.on_update),
            definitions::action_name(foreign.key.on_delete),
        ]);
    }
    Ok(rows)
}

fn constraint_column_usage(context: &ExecContext) -> Rows {
    let database = &context.session.database;
    let catalog = context.transaction.catalog();
    let mut rows = Vec::new();
    for constraint in identity::constraints(&catalog) {
        // A foreign key uses the columns it refers to.
        let (used, columns) = match &constraint.body {
            ConstraintBody::ForeignKey(foreign) => (foreign.table, foreign.referenced_columns()),
            ConstraintBody::Key(..) | ConstraintBody::Check(_) => (constraint.table, constraint.columns()),
        };
        for column in columns {
            rows.push(row![
                database,
                &used.schema,
                &used.name,
                &column.name,
                database,
                &constraint.table.schema,
                constraint.name
            ]);
        }
    }
    Ok(rows)
}

fn views(context: &ExecContext) -> Rows {
    let database = &context.session.database;
    let catalog = context.transaction.catalog();
    let row = |schema: &str, name: &str, definition: Option<String>, check_option: &str, updatable: [bool; 2]| {
        let [is_updatable, is_insertable] = updatable.map(yes_or_no);
        row![database, schema, name, definition, check_option, is_updatable, is_insertable, "NO", "NO", "NO"]
    };
    let mut rows: Vec<Row> = catalog
        .views
        .values()
        .map(|view| {
            let definition = Some(definitions::view_definition(context, &view.query));
            let check_option = match view.check_option {
                None => "NONE",
                Some(CheckOption::Local) => "LOCAL",
                Some(CheckOption::Cascaded) => "CASCADED",
            };
            let columns = crate::sql::updatable_columns(context, view);
            let is_insertable = columns.is_some_and(|columns| columns.contains(&true));
            row(&view.schema, &view.name, definition, check_option, [is_insertable, is_insertable])
        })
        .collect();
    rows.extend(system_relation_names().iter().map(|(schema, name)| row(schema, name, None, "NONE", [false, false])));
    Ok(rows)
}

fn character_sets(context: &ExecContext) -> Rows {
    let database = &context.session.database;
    Ok(vec![row![NULL, NULL, "UTF8", "UCS", "UTF8", database, "pg_catalog", "C"]])
}

fn enabled_roles(context: &ExecContext) -> Rows {
    Ok(vec![row![&context.session.user]])
}
