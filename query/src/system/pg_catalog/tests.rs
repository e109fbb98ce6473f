use std::sync::Arc;

use sinew_storage::catalog::{
    CheckDef, ColumnDef, ConstraintKind, DefaultExpr, FIRST_USER_RELATION, IndexColumn, IndexDef, IndexKind,
    IndexTarget, TableBehaviour, TableDef, VectorIndexOptions, VectorMetric, ViewDef,
};
use sinew_storage::{
    CancelToken, ColumnId, DataType, HashEmbedder, Isolation, SessionLocks, Store, StoreOptions, Value,
};

use super::{definitions, identity};
use crate::activity::ActivityState;
use crate::context::{EvalContext, ExecContext, SessionContext};
use crate::system::{system_relation, system_relation_names};
use crate::types::reg;

fn column(id: u16, name: &str, ty: DataType, not_null: bool) -> ColumnDef {
    ColumnDef {
        id: ColumnId(id),
        name: name.to_owned(),
        ty,
        not_null,
        default: None,
        identity: None,
        virtual_expression: None,
        comment: None,
    }
}

/// A session over a new database with a table `notes` (primary key, check, full-text and vector index) and a view.
fn context() -> ExecContext {
    let store = Store::in_memory(StoreOptions::default()).unwrap();
    let transaction = store.begin(Isolation::ReadCommitted);
    let mut body = column(2, "body", DataType::Text, false);
    body.default = Some(DefaultExpr { expression: "'-'".to_owned(), constant: None });
    body.comment = Some("what was noted".to_owned());
    let table = transaction
        .create_table(TableDef {
            id: transaction.allocate_relation_id().unwrap(),
            schema: "public".to_owned(),
            name: "notes".to_owned(),
            columns: vec![
                // The id of a dropped column is skipped: column numbers are not ids.
                column(1, "note_id", DataType::Int4, true),
                body,
                column(3, "tags", DataType::array_of(DataType::Text), false),
                column(4, "price", DataType::Numeric(Some((10, 2))), false),
                column(5, "embedding", DataType::Vector(Some(3)), false),
            ],
            next_column_id: 6,
            checks: vec![CheckDef {
                name: "notes_price_check".to_owned(),
                expression: "price > 0".to_owned(),
                not_valid: false,
            }],
            foreign_keys: Vec::new(),
            behaviour: TableBehaviour::Plain,
            version: 0,
            comment: Some("notes of all kinds".to_owned()),
            options: Vec::new(),
            materialized: None,
        })
        .unwrap();
    let index = |name: &str, columns: &[u16], kind: IndexKind, constraint: Option<ConstraintKind>| {
        let columns = columns
            .iter()
            .map(|id| IndexColumn { column: ColumnId(*id), descending: false, nulls_first: false, expression: None })
            .collect();
        transaction
            .create_index(IndexDef {
                id: transaction.allocate_relation_id().unwrap(),
                schema: "public".to_owned(),
                name: name.to_owned(),
                target: IndexTarget::Table { table: table.id, columns },
                kind,
                constraint,
                options: Default::default(),
            })
            .unwrap()
    };
    index("notes_pkey", &[1], IndexKind::Ordered { unique: true }, Some(ConstraintKind::PrimaryKey));
    index("notes_body_text", &[2], IndexKind::FullText { analyzer: "simple".to_owned() }, None);
    index(
        "notes_embedding",
        &[5],
        IndexKind::Vector(VectorIndexOptions {
            metric: VectorMetric::Cosine,
            dimension_count: 3,
            embedder: None,
            connections: 16,
            construction_width: 100,
        }),
        None,
    );
    transaction
        .create_view_over(
            ViewDef {
                id: transaction.allocate_relation_id().unwrap(),
                schema: "public".to_owned(),
                name: "dear_notes".to_owned(),
                columns: vec![("note_id".to_owned(), DataType::Int4)],
                query: "SELECT note_id FROM notes WHERE price > 100".to_owned(),
                check_option: None,
            },
            &[table.id],
        )
        .unwrap();
    let session = SessionContext {
        user: "ada".to_owned(),
        database: "library".to_owned(),
        process_id: 7,
        settings: crate::settings::Settings::new([("timezone".to_owned(), "UTC".to_owned())].into()),
        ..SessionContext::alone(SessionLocks::new(transaction.store(), 7), Arc::new(HashEmbedder), Arc::new(|_| 0))
    };
    let session = Arc::new(session);
    session.sessions.register(&session);
    ExecContext {
        transaction: Arc::new(transaction),
        session,
        params: Arc::new([]),
        cancel: CancelToken::default(),
        transaction_time_us: 1_700_000_000_000_000,
        statement_time_us: 1_700_000_000_000_000,
        memory_limit_bytes: 1 << 30,
        allow_writes: true,
    }
}

fn rows_of(context: &ExecContext, schema: &str, name: &str) -> Vec<Vec<Value>> {
    let relation = system_relation(schema, name).unwrap_or_else(|| panic!("{schema}.{name}"));
    let mut stream = relation.call(context, &[]).unwrap();
    let mut rows = Vec::new();
    while let Some(batch) = stream.next_batch().unwrap() {
        assert_eq!(batch.columns.len(), relation.columns().len(), "{schema}.{name}");
        rows.extend((0..batch.row_count).map(|row| batch.row(row)));
    }
    rows
}

/// The named columns of rows whose `by` column is `value`.
fn select(context: &ExecContext, name: &str, by: &str, value: impl Into<Value>, columns: &[&str]) -> Vec<Vec<Value>> {
    let (schema, name) = name.split_once('.').unwrap_or(("pg_catalog", name));
    let relation = system_relation(schema, name).unwrap();
    let position = |column: &str| {
        relation.columns().iter().position(|(known, _)| known == column).unwrap_or_else(|| panic!("{column}"))
    };
    let value = value.into();
    rows_of(context, schema, name)
        .into_iter()
        .filter(|row| row[position(by)] == value)
        .map(|row| columns.iter().map(|column| row[position(column)].clone()).collect())
        .collect()
}

fn oid(context: &ExecContext, name: &str) -> i64 {
    i64::from(context.transaction.catalog().relation_id("public", name).unwrap().0)
}

fn int(value: i64) -> Value {
    Value::Int(value)
}

fn text(value: &str) -> Value {
    Value::text(value)
}

fn fits(value: &Value, ty: &DataType) -> bool {
    match (value, ty) {
        (Value::Null, _) => true,
        (Value::Bool(_), DataType::Bool) => true,
        (Value::Int(i), DataType::Int2) => i16::try_from(*i).is_ok(),
        (Value::Int(i), DataType::Int4) => i32::try_from(*i).is_ok(),
        (Value::Int(_), DataType::Int8) => true,
        (Value::Int(i), DataType::Oid | DataType::Regproc | DataType::Regtype) => u32::try_from(*i).is_ok(),
        (Value::Float(_), DataType::Float4 | DataType::Float8) => true,
        (Value::Text(s), DataType::Char) => s.len() <= 1,
        (Value::Text(s), DataType::Name) => s.len() < 64,
        (Value::Text(_), DataType::Text | DataType::Varchar(_)) => true,
        (Value::Timestamp(_), DataType::Timestamptz) => true,
        (Value::Interval(_), DataType::Interval) => true,
        (Value::List(_), DataType::Int2vector | DataType::Oidvector) => {
            fits(value, &ty.vector_as_array().unwrap_or(DataType::Void))
        }
        (Value::List(items), DataType::Array(element)) => items.iter().all(|item| fits(item, element)),
        _ => false,
    }
}

#[test]
fn rows_have_their_columns_types() {
    let context = context();
    for &(schema, name) in system_relation_names() {
        if schema == "sinew" {
            continue;
        }
        let relation = system_relation(schema, name).unwrap();
        // Before batches are cut, so that a row of the wrong length is seen.
        for row in rows_of(&context, schema, name) {
            for (value, (column, ty)) in row.iter().zip(relation.columns()) {
                assert!(fits(value, ty), "{schema}.{name}.{column}: {value:?} is no {ty:?}");
            }
        }
        for (position, (column, _)) in relation.columns().iter().enumerate() {
            let first = relation.columns().iter().position(|(other, _)| other == column);
            assert_eq!(first, Some(position), "{schema}.{name}.{column} is declared twice");
        }
    }
}

#[test]
fn oids_are_unique() {
    let context = context();
    for name in [
        "pg_class",
        "pg_namespace",
        "pg_type",
        "pg_proc",
        "pg_operator",
        "pg_constraint",
        "pg_attrdef",
        "pg_am",
        "pg_opclass",
        "pg_opfamily",
        "pg_cast",
        "pg_collation",
        "pg_rewrite",
    ] {
        let mut seen = std::collections::BTreeSet::new();
        for row in rows_of(&context, "pg_catalog", name) {
            assert!(seen.insert(row[0].as_int()), "{name} has {:?} twice", row[0]);
        }
        assert!(!seen.is_empty(), "{name}");
    }
}

#[test]
fn system_relations_are_in_pg_class() {
    let context = context();
    let count = system_relation_names().len();
    let system = rows_of(&context, "pg_catalog", "pg_class")
        .iter()
        .filter(|row| row[0].as_int() < Some(i64::from(FIRST_USER_RELATION)))
        .count();
    assert_eq!(system, count);
    let kinds = select(&context, "pg_class", "oid", int(1259), &["relname", "relkind", "relnatts"]);
    assert_eq!(kinds, vec![vec![text("pg_class"), text("r"), int(33)]]);
    assert_eq!(select(&context, "pg_attribute", "attrelid", int(1259), &["attnum"]).len(), 33);
    assert_eq!(reg::system_relation_by_oid(1259), Some(("pg_catalog", "pg_class")));
}

#[test]
fn tables_and_their_columns() {
    let context = context();
    let notes = oid(&context, "notes");
    let columns = ["relname", "relnamespace", "relkind", "relnatts", "relchecks", "relhasindex", "reltuples"];
    assert_eq!(
        select(&context, "pg_class", "oid", int(notes), &columns),
        vec![vec![text("notes"), int(2200), text("r"), int(5), int(1), Value::Bool(true), Value::Float(-1.0)]]
    );
    let columns = ["attname", "attnum", "atttypid", "atttypmod", "attnotnull", "atthasdef", "attndims"];
    let attribute = |name: &str, number: i64, ty: i64, modifier: i64, not_null: bool, default: bool, dims: i64| {
        vec![text(name), int(number), int(ty), int(modifier), Value::Bool(not_null), Value::Bool(default), int(dims)]
    };
    assert_eq!(
        select(&context, "pg_attribute", "attrelid", int(notes), &columns),
        vec![
            attribute("note_id", 1, 23, -1, true, false, 0),
            attribute("body", 2, 25, -1, false, true, 0),
            attribute("tags", 3, 1009, -1, false, false, 1),
            attribute("price", 4, 1700, (10 << 16) + 2 + 4, false, false, 0),
            attribute("embedding", 5, i64::from(crate::types::names::VECTOR_OID), 3, false, false, 0),
        ]
    );
    assert_eq!(
        select(&context, "pg_attrdef", "adrelid", int(notes), &["adnum", "adbin"]),
        vec![vec![int(2), text("'-'::text")]]
    );
    assert_eq!(
        select(&context, "pg_description", "objoid", int(notes), &["classoid", "objsubid", "description"]),
        vec![vec![int(1259), int(0), text("notes of all kinds")], vec![int(1259), int(2), text("what was noted")]]
    );
}

#[test]
fn indexes_of_every_kind() {
    let context = context();
    let notes = oid(&context, "notes");
    let columns = ["indexrelid", "indisprimary", "indisunique", "indkey", "indoption", "indnkeyatts"];
    let index = |name: &str, primary: bool, unique: bool, column: i64| {
        vec![
            int(oid(&context, name)),
            Value::Bool(primary),
            Value::Bool(unique),
            Value::list(vec![int(column)]),
            Value::list(vec![int(0)]),
            int(1),
        ]
    };
    assert_eq!(
        select(&context, "pg_index", "indrelid", int(notes), &columns),
        vec![
            index("notes_pkey", true, true, 1),
            index("notes_body_text", false, false, 2),
            index("notes_embedding", false, false, 5)
        ]
    );
    let method = select(&context, "pg_class", "relname", "notes_body_text", &["relam", "relkind"]);
    assert_eq!(method, vec![vec![int(i64::from(identity::BM25_OID)), text("i")]]);
    let definitions: Vec<Value> = select(&context, "pg_indexes", "tablename", "notes", &["indexdef"]).concat();
    assert_eq!(
        definitions,
        vec![
            text("CREATE UNIQUE INDEX notes_pkey ON public.notes USING btree (note_id)"),
            text("CREATE INDEX notes_body_text ON public.notes USING bm25 (body) WITH (analyzer='simple')"),
            text(
                "CREATE INDEX notes_embedding ON public.notes USING hnsw (embedding vector_cosine_ops) \
                 WITH (ef_construction='100')"
            ),
        ]
    );
    let catalog = context.transaction.catalog();
    let pkey = u32::try_from(oid(&context, "notes_pkey")).unwrap();
    assert_eq!(definitions::index_column_definition_by_oid(&catalog, pkey, 1).as_deref(), Some("note_id"));
    assert_eq!(definitions::index_column_definition_by_oid(&catalog, pkey, 2), None);
}

#[test]
fn constraints_and_their_definitions() {
    let context = context();
    let notes = oid(&context, "notes");
    let rows = select(&context, "pg_constraint", "conrelid", int(notes), &["conname", "contype", "conkey", "conindid"]);
    assert_eq!(
        rows,
        vec![
            vec![text("notes_pkey"), text("p"), Value::list(vec![int(1)]), int(oid(&context, "notes_pkey"))],
            vec![text("notes_price_check"), text("c"), Value::list(vec![int(4)]), int(0)],
        ]
    );
    let catalog = context.transaction.catalog();
    let definitions: Vec<Option<String>> = identity::constraints(&catalog)
        .iter()
        .map(|constraint| definitions::constraint_definition_by_oid(&EvalContext::new(&context), constraint.oid))
        .collect();
    assert_eq!(definitions, vec![Some("PRIMARY KEY (note_id)".to_owned()), Some("CHECK (price > 0)".to_owned())]);
}

#[test]
fn views_and_what_they_depend_on() {
    let context = context();
    let view = oid(&context, "dear_notes");
    assert_eq!(select(&context, "pg_class", "oid", int(view), &["relkind"]), vec![vec![text("v")]]);
    assert_eq!(
        select(&context, "pg_views", "viewname", "dear_notes", &["definition", "viewowner"]),
        vec![vec![text(" SELECT note_id FROM notes WHERE price > 100;"), text("ada")]]
    );
    let rule = select(&context, "pg_rewrite", "ev_class", int(view), &["oid"]).concat();
    let depends = select(&context, "pg_depend", "objid", rule[0].clone(), &["refobjid", "deptype"]);
    assert!(depends.contains(&vec![int(oid(&context, "notes")), text("n")]), "{depends:?}");
}

#[test]
fn types_name_their_arrays() {
    let context = context();
    let columns = ["oid", "typarray", "typelem", "typcategory", "typtype"];
    assert_eq!(
        select(&context, "pg_type", "typname", "int4", &columns),
        vec![vec![int(23), int(1007), int(0), text("N"), text("b")]]
    );
    assert_eq!(
        select(&context, "pg_type", "typname", "_int4", &columns),
        vec![vec![int(1007), int(0), int(23), text("A"), text("b")]]
    );
    let input = select(&context, "pg_type", "typname", "_int4", &["typinput"]).concat();
    assert_eq!(select(&context, "pg_proc", "oid", input[0].clone(), &["proname"]), vec![vec![text("array_in")]]);
}

#[test]
fn the_session_is_role_and_activity() {
    let context = context();
    assert_eq!(select(&context, "pg_roles", "oid", int(10), &["rolname"]), vec![vec![text("ada")]]);
    assert_eq!(select(&context, "pg_database", "datname", "library", &["encoding"]), vec![vec![int(6)]]);
    context.session.activity.begin("SELECT 1", 5);
    let columns = ["state", "query", "query_start", "wait_event"];
    assert_eq!(
        select(&context, "pg_stat_activity", "pid", int(7), &columns),
        vec![vec![text("active"), text("SELECT 1"), Value::Timestamp(5), Value::Null]]
    );
    context.session.activity.end(ActivityState::IdleInTransaction, || 6);
    assert_eq!(
        select(&context, "pg_stat_activity", "pid", int(7), &["state", "state_change", "wait_event"]),
        vec![vec![text("idle in transaction"), Value::Timestamp(6), text("ClientRead")]]
    );
    assert_eq!(select(&context, "pg_settings", "name", "TimeZone", &["setting"]), vec![vec![text("UTC")]]);
    assert_eq!(select(&context, "pg_extension", "extname", "vector", &["extversion"]), vec![vec![text("0.8.0")]]);
}

#[test]
fn information_schema_shows_columns_and_keys() {
    let context = context();
    let columns = ["column_name", "data_type", "is_nullable", "numeric_precision", "numeric_scale", "udt_name"];
    let rows = select(&context, "information_schema.columns", "table_name", "notes", &columns);
    assert_eq!(rows[0], vec![text("note_id"), text("integer"), text("NO"), int(32), int(0), text("int4")]);
    assert_eq!(rows[2], vec![text("tags"), text("ARRAY"), text("YES"), Value::Null, Value::Null, text("_text")]);
    assert_eq!(rows[3], vec![text("price"), text("numeric"), text("YES"), int(10), int(2), text("numeric")]);
    assert_eq!(rows[4][1], text("USER-DEFINED"));
    let keys = ["constraint_name", "column_name", "ordinal_position"];
    assert_eq!(
        select(&context, "information_schema.key_column_usage", "table_name", "notes", &keys),
        vec![vec![text("notes_pkey"), text("note_id"), int(1)]]
    );
    let kinds = select(&context, "information_schema.table_constraints", "table_name", "notes", &["constraint_type"]);
    assert_eq!(kinds.concat(), vec![text("PRIMARY KEY"), text("CHECK"), text("CHECK")]);
}
