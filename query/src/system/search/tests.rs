//! Searches over a handmade `sinew.messages` with the indexes a new database has, and over a small graph. The helpers
//! at the top serve the neighbouring modules' tests too.

use std::sync::Arc;

use parking_lot::Mutex;
use sinew_storage::catalog::{
    ColumnDef, ConstraintKind, IndexColumn, IndexDef, IndexKind, IndexTarget, TableBehaviour, TableDef,
    VectorIndexOptions, VectorMetric,
};
use sinew_storage::{
    CancelToken, ColumnId, Embedder, HashEmbedder, Isolation, NodeId, SessionLocks, Store, StoreOptions, Transaction,
    Value,
};

use super::messages::SearchMessages;
use super::nodes::SearchNodes;
use crate::context::{ExecContext, SessionContext};
use crate::error::Result;
use crate::functions::TableFunction;

pub(in crate::system) fn store() -> Arc<Store> {
    Store::in_memory(StoreOptions::default()).expect("a store in memory opens")
}

pub(in crate::system) fn begin(store: &Arc<Store>) -> Transaction {
    let transaction = store.begin(Isolation::ReadCommitted);
    transaction.begin_statement().expect("a statement begins");
    transaction
}

pub(in crate::system) fn context(transaction: Transaction) -> ExecContext {
    context_with_notices(transaction).0
}

type Notices = Arc<Mutex<Vec<String>>>;

fn context_with_notices(transaction: Transaction) -> (ExecContext, Notices) {
    let notices = Notices::default();
    let sink = Arc::clone(&notices);
    let session = SessionContext {
        user: "tester".to_owned(),
        database: "test".to_owned(),
        process_id: 1,
        notices: Arc::new(move |notice| {
            sink.lock().push(format!("{} ({})", notice.message, notice.hint.unwrap_or_default()));
        }),
        ..SessionContext::alone(
            SessionLocks::new(transaction.store(), 1),
            Arc::new(HashEmbedder),
            Arc::new(|text| text.split_whitespace().count() as u32),
        )
    };
    let context = ExecContext {
        transaction: Arc::new(transaction),
        session: Arc::new(session),
        params: Arc::new([]),
        cancel: CancelToken::default(),
        transaction_time_us: 0,
        statement_time_us: 0,
        memory_limit_bytes: 1 << 30,
        allow_writes: true,
    };
    (context, notices)
}

/// All rows of a call.
pub(in crate::system) fn rows_of(
    function: &dyn TableFunction,
    context: &ExecContext,
    args: &[Value],
) -> Result<Vec<Vec<Value>>> {
    let mut stream = function.call(context, args)?;
    let mut rows = Vec::new();
    while let Some(batch) = stream.next_batch()? {
        assert!(batch.row_count > 0, "batches are never empty");
        assert_eq!(batch.columns.len(), function.columns().len());
        rows.extend((0..batch.row_count).map(|row| batch.row(row)));
    }
    Ok(rows)
}

pub(in crate::system) fn graph_index(
    transaction: &Transaction,
    name: &str,
    target: IndexTarget,
    kind: IndexKind,
) -> Arc<IndexDef> {
    let id = transaction.allocate_relation_id().unwrap();
    let def = IndexDef {
        id,
        schema: "sinew".to_owned(),
        name: name.to_owned(),
        target,
        kind,
        constraint: None,
        options: Default::default(),
    };
    transaction.create_index(def).unwrap()
}

pub(in crate::system) fn text_kind() -> IndexKind {
    IndexKind::FullText { analyzer: "english".to_owned() }
}

pub(in crate::system) fn vector_kind(metric: VectorMetric, dimension_count: u32, embedder: Option<&str>) -> IndexKind {
    IndexKind::Vector(VectorIndexOptions {
        metric,
        dimension_count,
        embedder: embedder.map(str::to_owned),
        connections: 16,
        construction_width: 64,
    })
}

fn create_messages(transaction: &Transaction) -> Arc<TableDef> {
    let definition = SearchMessages::new();
    let columns: Vec<ColumnDef> = definition.columns()[..13]
        .iter()
        .zip(1..)
        .map(|((name, ty), id)| ColumnDef {
            id: ColumnId(id),
            name: name.clone(),
            ty: ty.clone(),
            not_null: false,
            default: None,
            identity: None,
            virtual_expression: None,
            comment: None,
        })
        .collect();
    if !transaction.catalog().schemas.contains_key("sinew") {
        transaction.create_schema("sinew").unwrap();
    }
    let table = TableDef {
        id: transaction.allocate_relation_id().unwrap(),
        schema: "sinew".to_owned(),
        name: "messages".to_owned(),
        next_column_id: columns.len() as u16 + 1,
        columns,
        checks: Vec::new(),
        foreign_keys: Vec::new(),
        behaviour: TableBehaviour::Plain,
        version: 0,
        comment: None,
        options: Vec::new(),
        materialized: None,
    };
    let table = transaction.create_table(table).unwrap();
    let column = |id| IndexColumn { column: ColumnId(id), descending: false, nulls_first: false, expression: None };
    let target =
        |ids: &[u16]| IndexTarget::Table { table: table.id, columns: ids.iter().copied().map(column).collect() };
    let key = IndexDef {
        id: transaction.allocate_relation_id().unwrap(),
        schema: "sinew".to_owned(),
        name: "messages_pkey".to_owned(),
        target: target(&[1, 2]),
        kind: IndexKind::Ordered { unique: true },
        constraint: Some(ConstraintKind::PrimaryKey),
        options: Default::default(),
    };
    transaction.create_index(key).unwrap();
    graph_index(transaction, "messages_content_text", target(&[5]), text_kind());
    let embedder = HashEmbedder;
    let kind = vector_kind(VectorMetric::Cosine, embedder.dimension_count(), Some(embedder.name()));
    graph_index(transaction, "messages_content_vector", target(&[5]), kind);
    Arc::clone(transaction.catalog().table("sinew", "messages").unwrap())
}

fn say(transaction: &Transaction, table: &TableDef, conversation: &str, seq: i64, content: Option<&str>) {
    let mut row = vec![Value::Null; 13];
    row[0] = Value::text(conversation);
    row[1] = Value::Int(seq);
    row[2] = Value::Uuid([seq as u8; 16]);
    row[3] = Value::text("user");
    row[4] = content.map_or(Value::Null, Value::text);
    row[12] = Value::Timestamp(seq);
    transaction.insert_row(table, &row).unwrap();
}

const TALKS: &[(&str, i64, Option<&str>)] = &[
    ("trip", 1, Some("Where did you spend the summer holiday?")),
    ("trip", 2, Some("We rented a cabin in Norway with a view of the fjord")),
    ("trip", 3, Some("That sounds wonderful, was it expensive?")),
    ("trip", 4, Some("Not at all, four hundred for the week")),
    ("trip", 5, None),
    ("cooking", 1, Some("Which bread recipe do you bake on Sundays?")),
    ("cooking", 2, Some("Sourdough with rye flour, my grandmother wrote the recipe")),
    ("cooking", 3, Some("Please send the recipe")),
    ("work", 1, Some("The deployment failed because the database was locked")),
    ("work", 2, Some("Restart it, then run the migration again")),
];

fn talks() -> (ExecContext, Notices) {
    let store = store();
    let setup = begin(&store);
    let table = create_messages(&setup);
    for (conversation, seq, content) in TALKS {
        say(&setup, &table, conversation, *seq, *content);
    }
    setup.commit().unwrap();
    context_with_notices(begin(&store))
}

/// (conversation, seq) of the hits.
fn places(rows: &[Vec<Value>]) -> Vec<(&str, i64)> {
    rows.iter().map(|row| (row[0].as_str().unwrap(), row[1].as_int().unwrap())).collect()
}

fn messages(
    context: &ExecContext,
    query: &str,
    k: i64,
    conversation: Option<&str>,
    mode: &str,
    fusion: &str,
) -> Result<Vec<Vec<Value>>> {
    let conversation = conversation.map_or(Value::Null, Value::text);
    let args = [Value::text(query), Value::Int(k), conversation, Value::text(mode), Value::text(fusion)];
    rows_of(&SearchMessages::new(), context, &args)
}

fn score(row: &[Value]) -> f64 {
    match row[13] {
        Value::Float(score) => score,
        ref other => panic!("{other:?} is no score"),
    }
}

#[test]
fn messages_are_found_in_every_mode() {
    let (context, _) = talks();
    let text = messages(&context, "sourdough recipes", 10, None, "text", "standard").unwrap();
    assert_eq!(places(&text)[0], ("cooking", 2), "stemmed words match");
    assert_eq!(text.len(), 3, "only messages with a word of the query");
    assert_eq!((&text[0][14], &text[0][15]), (&Value::Int(1), &Value::Null));
    assert_eq!(text[0][4], Value::text("Sourdough with rye flour, my grandmother wrote the recipe"));
    assert_eq!(text[0][12], Value::Timestamp(2));

    let vector = messages(&context, "a fjord in Norway", 4, None, "vector", "standard").unwrap();
    assert_eq!(places(&vector)[0], ("trip", 2));
    assert_eq!(vector.len(), 4, "as many as asked for");
    assert_eq!((&vector[0][14], &vector[0][15]), (&Value::Null, &Value::Int(1)));
    assert!(score(&vector[0]) <= 1.0 && score(&vector[0]) > score(&vector[1]));

    for fusion in ["standard", "rrf"] {
        let hybrid = messages(&context, "cabin in Norway", 3, None, "hybrid", fusion).unwrap();
        assert_eq!(places(&hybrid)[0], ("trip", 2), "{fusion}");
        assert_eq!((&hybrid[0][14], &hybrid[0][15]), (&Value::Int(1), &Value::Int(1)), "{fusion}");
        assert!(hybrid.is_sorted_by(|a, b| score(a) >= score(b)), "{fusion}");
    }
}

#[test]
fn neighbouring_turns_share_the_score() {
    let (context, _) = talks();
    let hybrid = messages(&context, "Norway fjord cabin", 3, None, "hybrid", "standard").unwrap();
    let found = places(&hybrid);
    assert_eq!(found[0], ("trip", 2));
    assert!(found.contains(&("trip", 1)) && found.contains(&("trip", 3)), "{found:?}");
    let silent = messages(&context, "four hundred for the week", 10, None, "hybrid", "standard").unwrap();
    assert_eq!(places(&silent)[0], ("trip", 4));
    assert!(!places(&silent).contains(&("trip", 5)), "a turn without content is not shown");
}

#[test]
fn a_conversation_filters_before_the_best_are_taken() {
    let (context, _) = talks();
    for mode in ["text", "vector", "hybrid"] {
        let rows = messages(&context, "the recipe", 10, Some("cooking"), mode, "standard").unwrap();
        assert!(!rows.is_empty() && places(&rows).iter().all(|place| place.0 == "cooking"), "{mode}");
    }
    let vector = messages(&context, "sourdough bread recipe", 4, Some("trip"), "vector", "standard").unwrap();
    assert_eq!(vector.len(), 4, "k messages of the conversation have a vector");
    let one = messages(&context, "recipe", 1, Some("trip"), "vector", "standard").unwrap();
    assert_eq!(one.len(), 1);
    assert!(messages(&context, "recipe", 5, Some("nobody"), "hybrid", "standard").unwrap().is_empty());
    assert!(messages(&context, "recipe", 5, Some("trip"), "text", "standard").unwrap().is_empty());
}

#[test]
fn own_uncommitted_messages_are_found() {
    let (context, _) = talks();
    let table = Arc::clone(context.transaction.catalog().table("sinew", "messages").unwrap());
    say(&context.transaction, &table, "new", 1, Some("A zeppelin crossed the harbour"));
    for mode in ["text", "vector", "hybrid"] {
        let rows = messages(&context, "zeppelin", 1, None, mode, "standard").unwrap();
        assert_eq!(places(&rows), vec![("new", 1)], "{mode}");
    }
}

#[test]
fn equal_scores_are_in_order_of_place() {
    let store = store();
    let setup = begin(&store);
    let table = create_messages(&setup);
    for seq in [5, 3, 1, 7] {
        say(&setup, &table, "b", seq, Some("the same words"));
        say(&setup, &table, "a", seq, Some("the same words"));
    }
    setup.commit().unwrap();
    let context = context(begin(&store));
    for (mode, fusion) in [("text", "standard"), ("vector", "standard"), ("hybrid", "standard")] {
        let rows = messages(&context, "same words", 20, None, mode, fusion).unwrap();
        let expected: Vec<(&str, i64)> =
            ["a", "b"].into_iter().flat_map(|c| [1, 3, 5, 7].into_iter().map(move |seq| (c, seq))).collect();
        assert_eq!(places(&rows), expected, "{mode}");
    }
}

#[test]
fn wrong_arguments_are_refused_and_null_queries_find_nothing() {
    let (context, _) = talks();
    let code = |k, mode, fusion| messages(&context, "x", k, None, mode, fusion).unwrap_err();
    assert_eq!(code(0, "text", "standard").sqlstate(), "22023");
    assert_eq!(code(1_001, "text", "standard").sqlstate(), "22023");
    let mode = code(1, "fuzzy", "standard");
    assert_eq!(mode.sqlstate(), "22023");
    assert!(mode.0.hint.as_deref().is_some_and(|hint| hint.contains("'hybrid', 'text', 'vector'")), "{mode:?}");
    assert_eq!(code(1, "hybrid", "sum").sqlstate(), "22023");
    let nulls = [Value::Null, Value::Null, Value::Null, Value::Null, Value::Null];
    assert!(rows_of(&SearchMessages::new(), &context, &nulls).unwrap().is_empty());
    assert!(messages(&context, "", 5, None, "hybrid", "standard").unwrap().is_empty());
    assert!(messages(&context, "(\"unbalanced AND", 5, None, "text", "standard").is_ok(), "words, not syntax");
}

fn nodes(context: &ExecContext, query: &str, k: i64, label: Option<&str>, mode: &str) -> Result<Vec<Vec<Value>>> {
    let label = label.map_or(Value::Null, Value::text);
    let args = [Value::text(query), Value::Int(k), label, Value::text(mode), Value::text("standard")];
    rows_of(&SearchNodes::new(), context, &args)
}

#[test]
fn nodes_are_found_under_all_indexes_or_those_of_a_label() {
    let store = store();
    let setup = begin(&store);
    let (person, city) = (setup.ensure_label("Person").unwrap(), setup.ensure_label("City").unwrap());
    let name = setup.ensure_property_key("name").unwrap();
    let target = |label| IndexTarget::Nodes { labels: vec![label], properties: vec![name] };
    graph_index(&setup, "people", target(person), text_kind());
    graph_index(&setup, "cities", target(city), text_kind());
    let embedder = HashEmbedder;
    let kind = vector_kind(VectorMetric::Cosine, embedder.dimension_count(), Some(embedder.name()));
    graph_index(&setup, "people_vectors", target(person), kind);
    let create = |label, text: &str| setup.create_node(&[label], vec![(name, Value::text(text))]).unwrap();
    let anna: NodeId = create(person, "Anna Paris");
    let paris = create(city, "Paris");
    let bern = create(city, "Bern");
    setup.commit().unwrap();
    let (context, notices) = context_with_notices(begin(&store));
    let ids = |rows: &[Vec<Value>]| rows.iter().map(|row| row[0].as_int().unwrap() as u64).collect::<Vec<_>>();

    let mut all = ids(&nodes(&context, "paris", 10, None, "text").unwrap());
    all.sort_unstable();
    assert_eq!(all, vec![anna.0, paris.0]);
    let cities = nodes(&context, "paris", 10, Some("City"), "hybrid").unwrap();
    assert_eq!(ids(&cities), vec![paris.0], "a label without a vector index is searched by words");
    assert_eq!(cities[0][1], Value::list(vec![Value::text("City")]));
    assert_eq!(crate::types::format_json(crate::functions::args::json(&cities[0][2]).unwrap()), r#"{"name": "Paris"}"#);
    assert_eq!(cities[0][4], Value::Int(1));
    assert_eq!(ids(&nodes(&context, "anna", 10, Some("Person"), "vector").unwrap()), vec![anna.0]);
    assert_eq!(ids(&nodes(&context, "bern", 10, None, "hybrid").unwrap())[0], bern.0);
    assert!(notices.lock().is_empty());

    assert!(nodes(&context, "paris", 10, Some("City"), "vector").unwrap().is_empty());
    assert!(nodes(&context, "paris", 10, Some("No such"), "hybrid").unwrap().is_empty());
    assert!(nodes(&context, "paris", 10, Some("Persno"), "hybrid").unwrap().is_empty());
    let notices = notices.lock();
    assert!(notices[0].contains("CREATE VECTOR INDEX name FOR (n:City)"), "{notices:?}");
    assert!(notices[1].contains("CREATE FULLTEXT INDEX name FOR (n:`No such`)"), "{notices:?}");
    assert!(notices[2].contains("perhaps you meant the label \"Person\""), "{notices:?}");
}
