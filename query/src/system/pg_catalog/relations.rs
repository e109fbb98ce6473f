//! Namespaces, relations, their columns, defaults, indexes, constraints, rules and comments.

use sinew_storage::catalog::{ForeignKeyMatch, IdentityKind, IndexKind, IndexTarget, ReferentialAction, TableDef};
use sinew_storage::{DataType, Value};

use super::identity::{self, Attribute, ConstraintBody, OWNER_OID};
use super::{NULL, Row, Rows, SystemRelation, definitions, functions, relation_kind, row, table};
use crate::context::ExecContext;
use crate::system::{system_relation, system_relation_names};
use crate::types::{self, reg};

pub(super) static RELATIONS: &[SystemRelation] = &[
    table("pg_namespace", "oid oid, nspname name, nspowner oid, nspacl aclitem[]", namespaces),
    table(
        "pg_class",
        "oid oid, relname name, relnamespace oid, reltype oid, reloftype oid, relowner oid, relam oid, \
         relfilenode oid, reltablespace oid, relpages int4, reltuples float4, relallvisible int4, reltoastrelid oid, \
         relhasindex bool, relisshared bool, relpersistence char, relkind char, relnatts int2, relchecks int2, \
         relhasrules bool, relhastriggers bool, relhassubclass bool, relrowsecurity bool, relforcerowsecurity bool, \
         relispopulated bool, relreplident char, relispartition bool, relrewrite oid, relfrozenxid xid, \
         relminmxid xid, relacl aclitem[], reloptions text[], relpartbound pg_node_tree",
        classes,
    ),
    table(
        "pg_attribute",
        "attrelid oid, attname name, atttypid oid, attstattarget int4, attlen int2, attnum int2, attndims int4, \
         attcacheoff int4, atttypmod int4, attbyval bool, attalign char, attstorage char, attcompression char, \
         attnotnull bool, atthasdef bool, atthasmissing bool, attidentity char, attgenerated char, \
         attisdropped bool, attislocal bool, attinhcount int4, attcollation oid, attacl aclitem[], \
         attoptions text[], attfdwoptions text[], attmissingval anyarray",
        attributes,
    ),
    table("pg_attrdef", "oid oid, adrelid oid, adnum int2, adbin pg_node_tree", defaults),
    table(
        "pg_index",
        "indexrelid oid, indrelid oid, indnatts int2, indnkeyatts int2, indisunique bool, \
         indnullsnotdistinct bool, indisprimary bool, indisexclusion bool, indimmediate bool, indisclustered bool, \
         indisvalid bool, indcheckxmin bool, indisready bool, indislive bool, indisreplident bool, \
         indkey int2vector, indcollation oidvector, indclass oidvector, indoption int2vector, indexprs pg_node_tree, \
         indpred pg_node_tree",
        indexes,
    ),
    table(
        "pg_constraint",
        "oid oid, conname name, connamespace oid, contype char, condeferrable bool, condeferred bool, \
         convalidated bool, conrelid oid, contypid oid, conindid oid, conparentid oid, confrelid oid, \
         confupdtype char, confdeltype char, confmatchtype char, conislocal bool, coninhcount int4, \
         connoinherit bool, conkey int2[], confkey int2[], conpfeqop oid[], conppeqop oid[], conffeqop oid[], \
         confdelsetcols int2[], conexclop oid[], conbin pg_node_tree",
        constraints,
    ),
    table(
        "pg_rewrite",
        "oid oid, rulename name, ev_class oid, ev_type char, ev_enabled char, is_instead bool, \
         ev_qual pg_node_tree, ev_action pg_node_tree",
        rules,
    ),
    table(
        "pg_sequence",
        "seqrelid oid, seqtypid oid, seqstart int8, seqincrement int8, seqmax int8, seqmin int8, seqcache \
         int8, seqcycle bool",
        sequences,
    ),
    table("pg_description", "objoid oid, classoid oid, objsubid int4, description text", descriptions),
    table(
        "pg_depend",
        "classid oid, objid oid, objsubid int4, refclassid oid, refobjid oid, refobjsubid int4, deptype char",
        dependencies,
    ),
];

const PG_ATTRDEF_OID: u32 = 2604;
pub(crate) const PG_CLASS_OID: u32 = 1259;
pub(super) const PG_CONSTRAINT_OID: u32 = 2606;
pub(super) const PG_EXTENSION_OID: u32 = 3079;
pub(super) const PG_NAMESPACE_OID: u32 = 2615;
pub(super) const PG_PROC_OID: u32 = 1255;
pub(super) const PG_REWRITE_OID: u32 = 2618;
pub(super) const PG_TYPE_OID: u32 = 1247;

/// Every system relation: schema, name, oid.
pub(super) fn system_relations() -> impl Iterator<Item = (&'static str, &'static str, u32)> {
    system_relation_names()
        .iter()
        .copied()
        .filter_map(|(schema, name)| reg::system_relation_oid(schema, name).map(|oid| (schema, name, oid)))
}

fn namespaces(context: &ExecContext) -> Rows {
    let catalog = context.transaction.catalog();
    let public = ["pg_database_owner=UC/pg_database_owner", "=U/pg_database_owner"];
    let mut rows: Vec<Row> = catalog
        .schemas
        .values()
        .map(|schema| match schema.name.as_str() {
            "public" => row![schema.oid, "public", reg::DATABASE_OWNER_OID, public.to_vec()],
            name => row![schema.oid, name, OWNER_OID, NULL],
        })
        .collect();
    for (name, oid) in [("pg_catalog", reg::PG_CATALOG_OID), ("information_schema", reg::INFORMATION_SCHEMA_OID)] {
        if !catalog.schemas.contains_key(name) {
            rows.push(row![oid, name, OWNER_OID, NULL]);
        }
    }
    Ok(rows)
}

/// What distinguishes one row of `pg_class` from another.
struct Class<'a> {
    oid: u32,
    name: &'a str,
    namespace: u32,
    access_method: u32,
    kind: char,
    column_count: usize,
    check_count: usize,
    has_index: bool,
    /// Foreign keys count: psql looks for them where there are triggers.
    has_triggers: bool,
    options: Option<Vec<String>>,
    /// Rows there were when it was analyzed; -1 when it never was.
    row_estimate: f64,
    is_temporary: bool,
    /// False of a materialized view that was not filled.
    is_populated: bool,
}

impl Class<'_> {
    fn row(self) -> Row {
        let stored = matches!(self.kind, 'r' | 'm' | 'i' | 'S');
        row![
            self.oid,
            self.name,
            self.namespace,
            // Tables make no composite type.
            0_u32,
            0_u32,
            OWNER_OID,
            self.access_method,
            if stored { self.oid } else { 0 },
            0_u32,
            0_i32,
            // As of a table that was never analyzed: counting would lock it.
            self.row_estimate,
            0_i32,
            0_u32,
            self.has_index,
            false,
            if self.is_temporary { 't' } else { 'p' },
            self.kind,
            self.column_count,
            self.check_count,
            matches!(self.kind, 'v' | 'm') && self.oid >= sinew_storage::catalog::FIRST_USER_RELATION,
            self.has_triggers,
            false,
            false,
            false,
            self.is_populated,
            if matches!(self.kind, 'r' | 'm') && self.oid >= sinew_storage::catalog::FIRST_USER_RELATION {
                'd'
            } else {
                'n'
            },
            false,
            0_u32,
            0_u32,
            0_u32,
            NULL,
            self.options,
            NULL,
        ]
    }
}

fn classes(context: &ExecContext) -> Rows {
    let catalog = context.transaction.catalog();
    let estimate = |table| catalog.statistics.get(&table).map_or(-1.0, |known| known.row_count as f64);
    let mut rows = Vec::new();
    for (schema, name, oid) in system_relations() {
        let Some(relation) = system_relation(schema, name) else { continue };
        let kind = relation_kind(schema, name);
        let class = Class {
            oid,
            name,
            namespace: identity::schema_oid(&catalog, schema),
            access_method: if kind == 'r' { identity::HEAP_OID } else { 0 },
            kind,
            column_count: relation.columns().len(),
            check_count: 0,
            has_index: false,
            has_triggers: false,
            options: None,
            row_estimate: -1.0,
            is_temporary: false,
            is_populated: true,
        };
        rows.push(class.row());
    }
    for table in catalog.tables.values() {
        let class = Class {
            oid: table.id.0,
            name: &table.name,
            namespace: identity::schema_oid(&catalog, &table.schema),
            access_method: identity::HEAP_OID,
            kind: if table.materialized.is_some() { 'm' } else { 'r' },
            column_count: table.columns.len(),
            check_count: table.checks.len(),
            has_index: !catalog.indexes_of(table.id).is_empty(),
            has_triggers: !table.foreign_keys.is_empty() || catalog.referencing.contains_key(&table.id),
            options: (!table.options.is_empty())
                .then(|| table.options.iter().map(|(name, value)| format!("{name}={value}")).collect()),
            row_estimate: estimate(table.id),
            is_temporary: is_temporary(&table.schema),
            is_populated: table.materialized.as_ref().is_none_or(|of| of.is_populated),
        };
        rows.push(class.row());
    }
    for sequence in catalog.sequences.values() {
        let class = Class {
            oid: sequence.id.0,
            name: &sequence.name,
            namespace: identity::schema_oid(&catalog, &sequence.schema),
            access_method: 0,
            kind: 'S',
            column_count: 3,
            check_count: 0,
            has_index: false,
            has_triggers: false,
            options: None,
            row_estimate: -1.0,
            is_temporary: is_temporary(&sequence.schema),
            is_populated: true,
        };
        rows.push(class.row());
    }
    for view in catalog.views.values() {
        let class = Class {
            oid: view.id.0,
            name: &view.name,
            namespace: identity::schema_oid(&catalog, &view.schema),
            access_method: 0,
            kind: 'v',
            column_count: view.columns.len(),
            check_count: 0,
            has_index: false,
            has_triggers: false,
            options: view.check_option.map(|option| vec![format!("check_option={}", definitions::option_name(option))]),
            row_estimate: -1.0,
            is_temporary: is_temporary(&view.schema),
            is_populated: true,
        };
        rows.push(class.row());
    }
    for (index, table) in identity::table_indexes(&catalog) {
        let class = Class {
            oid: index.id.0,
            name: &index.name,
            namespace: identity::schema_oid(&catalog, &index.schema),
            access_method: identity::access_method(&index.kind).1,
            kind: 'i',
            column_count: identity::index_column_numbers(index, table).len(),
            check_count: 0,
            has_index: false,
            has_triggers: false,
            options: definitions::index_options(index),
            row_estimate: estimate(table.id),
            is_temporary: is_temporary(&index.schema),
            is_populated: true,
        };
        rows.push(class.row());
    }
    Ok(rows)
}

/// Ends with a session.
fn is_temporary(schema: &str) -> bool {
    schema.starts_with("pg_temp_")
}

fn attribute_row(relation: u32, number: usize, attribute: &Attribute<'_>) -> Row {
    let ty = attribute.ty;
    let length = types::type_length(ty);
    let is_array = matches!(ty, DataType::Array(_));
    row![
        relation,
        attribute.name,
        types::type_oid(ty),
        -1_i32,
        length,
        number,
        i32::from(is_array),
        -1_i32,
        types::type_modifier(ty),
        super::types::is_by_value(ty),
        super::types::alignment(ty),
        super::types::storage(ty),
        "",
        attribute.not_null,
        attribute.has_default,
        false,
        match attribute.identity {
            Some(IdentityKind::Always) => "a",
            Some(IdentityKind::ByDefault) => "d",
            None => "",
        },
        // Computed when read, not stored: PostgreSQL 18's letter.
        if attribute.is_generated { "v" } else { "" },
        false,
        true,
        0_i32,
        identity::collation_oid(ty),
        NULL,
        NULL,
        NULL,
        NULL,
    ]
}

/// Columns of a table.
pub(super) fn table_attributes(table: &TableDef) -> impl Iterator<Item = Attribute<'_>> {
    table.columns.iter().map(|column| Attribute {
        name: &column.name,
        ty: &column.ty,
        not_null: column.not_null,
        has_default: (column.default.is_some() && column.identity.is_none()) || column.virtual_expression.is_some(),
        identity: column.identity,
        is_generated: column.virtual_expression.is_some(),
    })
}

fn plain_attribute<'c>(name: &'c str, ty: &'c DataType) -> Attribute<'c> {
    Attribute { name, ty, not_null: false, has_default: false, identity: None, is_generated: false }
}

/// In PostgreSQL's catalogs what has a fixed size is always there, and so are the vectors.
fn is_never_null(ty: &DataType) -> bool {
    types::type_length(ty) > 0 && *ty != DataType::Timestamptz || ty.vector_as_array().is_some()
}

fn attributes(context: &ExecContext) -> Rows {
    let catalog = context.transaction.catalog();
    let mut rows = Vec::new();
    for (schema, name, oid) in system_relations() {
        let Some(relation) = system_relation(schema, name) else { continue };
        let is_catalog = relation_kind(schema, name) == 'r';
        for (position, (name, ty)) in relation.columns().iter().enumerate() {
            let not_null = is_catalog && is_never_null(ty);
            rows.push(attribute_row(oid, position + 1, &Attribute { not_null, ..plain_attribute(name, ty) }));
        }
    }
    for table in catalog.tables.values() {
        for (position, attribute) in table_attributes(table).enumerate() {
            rows.push(attribute_row(table.id.0, position + 1, &attribute));
        }
    }
    for view in catalog.views.values() {
        for (position, (name, ty)) in view.columns.iter().enumerate() {
            rows.push(attribute_row(view.id.0, position + 1, &plain_attribute(name, ty)));
        }
    }
    for (index, table) in identity::table_indexes(&catalog) {
        for (position, number) in identity::index_column_numbers(index, table).into_iter().enumerate() {
            if let Some(column) = number.checked_sub(1).and_then(|at| table.columns.get(at)) {
                rows.push(attribute_row(index.id.0, position + 1, &plain_attribute(&column.name, &column.ty)));
            }
        }
    }
    Ok(rows)
}

fn defaults(context: &ExecContext) -> Rows {
    let catalog = context.transaction.catalog();
    let mut rows = Vec::new();
    for table in catalog.tables.values() {
        for (position, column) in table.columns.iter().enumerate() {
            let default = column.default.as_ref().filter(|_| column.identity.is_none());
            let expression = default.map(|default| &default.expression);
            if let Some(expression) = column.virtual_expression.as_ref().or(expression) {
                let text = definitions::typed_default(expression, &column.ty);
                rows.push(row![identity::default_oid(table.id.0, column.id.0), table.id.0, position + 1, &*text]);
            }
        }
    }
    Ok(rows)
}

fn indexes(context: &ExecContext) -> Rows {
    let catalog = context.transaction.catalog();
    let mut rows = Vec::new();
    for (index, table) in identity::table_indexes(&catalog) {
        let IndexTarget::Table { columns, .. } = &index.target else { continue };
        let numbers = identity::index_column_numbers(index, table);
        let types: Vec<&DataType> =
            numbers.iter().filter_map(|number| table.columns.get(number.checked_sub(1)?)).map(|c| &c.ty).collect();
        let is_ordered = matches!(index.kind, IndexKind::Ordered { .. });
        // Bit 0: descending, bit 1: NULLs first.
        let options: Vec<i16> = columns
            .iter()
            .map(|column| i16::from(column.descending) | (i16::from(column.nulls_first) << 1))
            .map(|bits| if is_ordered { bits } else { 0 })
            .collect();
        let collations: Vec<u32> =
            types.iter().map(|ty| if is_ordered { identity::collation_oid(ty) } else { 0 }).collect();
        let classes: Vec<u32> = types.iter().map(|ty| functions::operator_class_oid(&index.kind, ty)).collect();
        rows.push(row![
            index.id.0,
            table.id.0,
            numbers.len(),
            numbers.len(),
            matches!(index.kind, IndexKind::Ordered { unique: true }),
            index.options.nulls_not_distinct,
            index.constraint == Some(sinew_storage::catalog::ConstraintKind::PrimaryKey),
            false,
            true,
            false,
            true,
            false,
            true,
            true,
            false,
            numbers,
            collations,
            classes,
            options,
            NULL,
            NULL,
        ]);
    }
    Ok(rows)
}

fn constraints(context: &ExecContext) -> Rows {
    let catalog = context.transaction.catalog();
    let rows = identity::constraints(&catalog).into_iter().map(|constraint| {
        let columns = constraint.column_numbers();
        let (kind, index, expression) = match &constraint.body {
            ConstraintBody::Key(sinew_storage::catalog::ConstraintKind::PrimaryKey, index) => ('p', index.id.0, None),
            ConstraintBody::Key(sinew_storage::catalog::ConstraintKind::Unique, index) => ('u', index.id.0, None),
            ConstraintBody::Check(check) => ('c', 0, Some(check.expression.clone())),
            ConstraintBody::ForeignKey(foreign) => ('f', foreign.index.id.0, None),
        };
        let timing = constraint.timing();
        let mut referenced = 0;
        let mut referenced_columns = None;
        let (mut on_update, mut on_delete, mut match_type) = (" ", " ", " ");
        let mut equality: Option<Vec<u32>> = None;
        if let ConstraintBody::ForeignKey(foreign) = &constraint.body {
            referenced = foreign.table.id.0;
            referenced_columns = Some(foreign.referenced_numbers());
            on_update = action_letter(foreign.key.on_update);
            on_delete = action_letter(foreign.key.on_delete);
            match_type = match foreign.key.match_type {
                ForeignKeyMatch::Simple => "s",
                ForeignKeyMatch::Full => "f",
            };
            equality = Some(foreign.referenced_columns().into_iter().map(|column| equality_oid(&column.ty)).collect());
        }
        row![
            constraint.oid,
            constraint.name,
            identity::schema_oid(&catalog, &constraint.table.schema),
            kind,
            timing.is_deferrable(),
            timing.is_initially_deferred(),
            !constraint.is_not_valid(),
            constraint.table.id.0,
            0_u32,
            index,
            0_u32,
            referenced,
            on_update,
            on_delete,
            match_type,
            true,
            0_i32,
            kind != 'c',
            columns,
            referenced_columns,
            equality.clone(),
            equality.clone(),
            equality,
            NULL,
            NULL,
            expression,
        ]
    });
    Ok(rows.collect())
}

/// `confupdtype` and `confdeltype`.
fn action_letter(action: ReferentialAction) -> &'static str {
    match action {
        ReferentialAction::NoAction => "a",
        ReferentialAction::Restrict => "r",
        ReferentialAction::Cascade => "c",
        ReferentialAction::SetNull => "n",
        ReferentialAction::SetDefault => "d",
    }
}

/// Oid of the equality operator of a type; 0 when there is none of its own.
fn equality_oid(ty: &DataType) -> u32 {
    let ty = match ty {
        DataType::Varchar(_) => types::type_oid(&DataType::Text),
        ty => types::type_oid(ty),
    };
    crate::functions::all_operators()
        .find(|operator| {
            operator.name == "=" && operator.params.len() == 2 && operator.params.iter().all(|param| param.oid() == ty)
        })
        .map_or(0, |operator| operator.oid)
}

/// A view is its rule `_RETURN`.
fn rules(context: &ExecContext) -> Rows {
    let catalog = context.transaction.catalog();
    let rows = catalog.stored_queries();
    Ok(rows
        .map(|view| row![identity::rule_oid(view.id), "_RETURN", view.id.0, '1', 'O', true, "<>", view.query])
        .collect())
}

fn sequences(context: &ExecContext) -> Rows {
    let catalog = context.transaction.catalog();
    let rows = catalog.sequences.values().map(|sequence| {
        row![
            sequence.id.0,
            types::type_oid(&sequence.ty),
            sequence.start,
            sequence.increment,
            sequence.max_value,
            sequence.min_value,
            sequence.cache,
            sequence.cycle,
        ]
    });
    Ok(rows.collect())
}

pub(crate) fn descriptions(context: &ExecContext) -> Rows {
    let catalog = context.transaction.catalog();
    let mut rows = vec![
        row![reg::PG_CATALOG_OID, PG_NAMESPACE_OID, 0_i32, "system catalog schema"],
        row![reg::PUBLIC_OID, PG_NAMESPACE_OID, 0_i32, "standard public schema"],
        row![identity::schema_oid(&catalog, "sinew"), PG_NAMESPACE_OID, 0_i32, "conversations, graph, agents"],
        row![super::types::VECTOR_EXTENSION_OID, PG_EXTENSION_OID, 0_i32, super::types::VECTOR_COMMENT],
        row![super::types::SINEW_EXTENSION_OID, PG_EXTENSION_OID, 0_i32, super::types::SINEW_COMMENT],
    ];
    // A comment of a user's takes the place of the one that comes with the object.
    rows.retain(|row| match row.as_slice() {
        [Value::Int(object), Value::Int(class), ..] => {
            let key = (u32::try_from(*class).unwrap_or(0), u32::try_from(*object).unwrap_or(0));
            !catalog.comments.contains_key(&key)
        }
        _ => true,
    });
    let known = catalog.comments.iter();
    rows.extend(known.map(|((class, object), comment)| row![*object, *class, 0_i32, comment]));
    for table in catalog.tables.values() {
        if let Some(comment) = &table.comment {
            rows.push(row![table.id.0, PG_CLASS_OID, 0_i32, comment]);
        }
        for (position, column) in table.columns.iter().enumerate() {
            if let Some(comment) = &column.comment {
                rows.push(row![table.id.0, PG_CLASS_OID, position + 1, comment]);
            }
        }
    }
    Ok(rows)
}

/// What extensions consist of, each member with its catalog: the type, access method and operator classes of `vector`,
/// and the schema, tables, relations and functions of `sinew`. pg_dump leaves members out.
fn extension_members(context: &ExecContext, push: &mut impl FnMut(u32, u32, u32, u32, usize, char)) {
    let catalog = context.transaction.catalog();
    let mut member = |class: u32, object: u32, extension: u32| push(class, object, PG_EXTENSION_OID, extension, 0, 'e');
    let vector = super::types::VECTOR_EXTENSION_OID;
    member(PG_TYPE_OID, types::type_oid(&DataType::Vector(None)), vector);
    member(identity::PG_AM_OID, identity::HNSW_OID, vector);
    let sinew = super::types::SINEW_EXTENSION_OID;
    member(PG_NAMESPACE_OID, identity::schema_oid(&catalog, "sinew"), sinew);
    member(identity::PG_AM_OID, identity::BM25_OID, sinew);
    for table in identity::engine_tables(&catalog) {
        member(PG_CLASS_OID, table.id.0, sinew);
    }
    for (_, _, oid) in system_relations().filter(|(schema, ..)| *schema == "sinew") {
        member(PG_CLASS_OID, oid, sinew);
    }
    for (oid, _) in functions::table_functions(context) {
        if functions::is_in_sinew(context, oid) {
            member(PG_PROC_OID, oid, sinew);
        }
    }
}

/// Views on what they read, through their rule; key constraints on their table and indexes on their constraint;
/// members on their extension.
fn dependencies(context: &ExecContext) -> Rows {
    let catalog = context.transaction.catalog();
    let mut rows = Vec::new();
    let mut push = |class: u32, object: u32, on_class: u32, on: u32, on_column: usize, kind: char| {
        rows.push(row![class, object, 0_i32, on_class, on, on_column, kind]);
    };
    for view in catalog.stored_queries() {
        let rule = identity::rule_oid(view.id);
        push(PG_REWRITE_OID, rule, PG_CLASS_OID, view.id.0, 0, 'i');
        for (schema, name) in crate::sql::relations_named(context, view.query).unwrap_or_default() {
            let stored = catalog.relation_id(&schema, &name).map(|id| id.0);
            if let Some(on) = stored.or_else(|| reg::system_relation_oid(&schema, &name)) {
                push(PG_REWRITE_OID, rule, PG_CLASS_OID, on, 0, 'n');
            }
        }
    }
    for constraint in identity::constraints(&catalog) {
        push(PG_CONSTRAINT_OID, constraint.oid, PG_CLASS_OID, constraint.table.id.0, 0, 'a');
        if let ConstraintBody::ForeignKey(foreign) = &constraint.body {
            push(PG_CONSTRAINT_OID, constraint.oid, PG_CLASS_OID, foreign.index.id.0, 0, 'n');
            push(PG_CONSTRAINT_OID, constraint.oid, PG_CLASS_OID, foreign.table.id.0, 0, 'n');
        }
    }
    for (index, table) in identity::table_indexes(&catalog) {
        match index.constraint {
            Some(_) => push(PG_CLASS_OID, index.id.0, PG_CONSTRAINT_OID, index.id.0, 0, 'i'),
            None => push(PG_CLASS_OID, index.id.0, PG_CLASS_OID, table.id.0, 0, 'a'),
        }
    }
    for table in catalog.tables.values() {
        for (position, column) in table.columns.iter().enumerate() {
            let Some(default) = column.default.as_ref().filter(|_| column.identity.is_none()) else { continue };
            let oid = identity::default_oid(table.id.0, column.id.0);
            push(PG_ATTRDEF_OID, oid, PG_CLASS_OID, table.id.0, position + 1, 'a');
            for sequence in crate::sql::sequences_named(&default.expression, &catalog) {
                push(PG_ATTRDEF_OID, oid, PG_CLASS_OID, sequence.0, 0, 'n');
            }
        }
    }
    for sequence in catalog.sequences.values() {
        if let Some(owner) = sequence.owner
            && let Some(table) = catalog.tables.get(&owner.table)
            && let Some(position) = table.position_of(owner.column)
        {
            let kind = if owner.is_identity { 'i' } else { 'a' };
            push(PG_CLASS_OID, sequence.id.0, PG_CLASS_OID, table.id.0, position + 1, kind);
        }
    }
    extension_members(context, &mut push);
    Ok(rows)
}
