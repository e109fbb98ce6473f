//! Searches agree with evaluating the rows of the snapshot, whatever is in the base, the tail and the transaction.

use std::collections::BTreeMap;

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use super::*;
use crate::DataType;
use crate::catalog::{IndexColumn, IndexTarget, TableBehaviour, TableDef, VectorIndexOptions, VectorMetric};
use crate::ids::{ColumnId, RowId};
use crate::store::{Isolation, Store, StoreOptions};
use crate::test_support::column;
use crate::value::Value;

fn begin(store: &Arc<Store>, isolation: Isolation) -> Transaction {
    let transaction = store.begin(isolation);
    transaction.begin_statement().unwrap();
    transaction
}

fn reader(store: &Arc<Store>) -> Transaction {
    begin(store, Isolation::ReadCommitted)
}

fn settle(store: &Arc<Store>) {
    assert!(reader(store).derived().settle(Duration::from_secs(60)), "the indexer did not settle");
}

fn create_table(transaction: &Transaction) -> Arc<TableDef> {
    let def = TableDef {
        id: transaction.allocate_relation_id().unwrap(),
        schema: "public".into(),
        name: "notes".into(),
        columns: vec![
            column(1, "title", DataType::Text),
            column(2, "body", DataType::Text),
            column(3, "embedding", DataType::Vector(Some(3))),
        ],
        next_column_id: 4,
        checks: Vec::new(),
        foreign_keys: Vec::new(),
        behaviour: TableBehaviour::Plain,
        version: 0,
        comment: None,
        options: Vec::new(),
        materialized: None,
    };
    transaction.create_table(def).unwrap()
}

fn create_index(transaction: &Transaction, name: &str, target: IndexTarget, kind: IndexKind) -> Arc<IndexDef> {
    let id = transaction.allocate_relation_id().unwrap();
    let def = IndexDef {
        id,
        schema: "public".into(),
        name: name.into(),
        target,
        kind,
        constraint: None,
        options: Default::default(),
    };
    transaction.create_index(def).unwrap()
}

fn columns(table: &TableDef, ids: &[u16]) -> IndexTarget {
    let column =
        |id: &u16| IndexColumn { column: ColumnId(*id), descending: false, nulls_first: false, expression: None };
    IndexTarget::Table { table: table.id, columns: ids.iter().map(column).collect() }
}

fn text_kind() -> IndexKind {
    IndexKind::FullText { analyzer: "english".into() }
}

fn vector_kind(metric: VectorMetric, dimension_count: u32, embedder: Option<&str>) -> IndexKind {
    IndexKind::Vector(VectorIndexOptions {
        metric,
        dimension_count,
        embedder: embedder.map(str::to_owned),
        connections: 16,
        construction_width: 100,
    })
}

fn row(title: &str, body: &str) -> Vec<Value> {
    vec![Value::text(title), Value::text(body), Value::Null]
}

const NONE: [u64; 0] = [];

fn ids(hits: &[SearchHit]) -> Vec<u64> {
    hits.iter().map(|hit| hit.id).collect()
}

fn words(transaction: &Transaction, index: &IndexDef, query: &str) -> Vec<u64> {
    let mut found = ids(&transaction.text_search(index, query, TextQueryMode::Words, 100, None).unwrap());
    found.sort_unstable();
    found
}

fn syntax(transaction: &Transaction, index: &IndexDef, query: &str) -> Vec<u64> {
    let mut found = ids(&transaction.text_search(index, query, TextQueryMode::Syntax, 100, None).unwrap());
    found.sort_unstable();
    found
}

/// A store with one table, a text index over two columns and rows that are all in the base.
fn notes() -> (Arc<Store>, Arc<TableDef>, Arc<IndexDef>, Vec<RowId>) {
    let store = Store::in_memory(StoreOptions::default()).unwrap();
    let setup = reader(&store);
    let table = create_table(&setup);
    let index = create_index(&setup, "notes_text", columns(&table, &[1, 2]), text_kind());
    let rows = [("Apples", "They are running out"), ("Pears", "Green and sweet"), ("Empty", "")];
    let rows = rows.iter().map(|(title, body)| setup.insert_row(&table, &row(title, body)).unwrap()).collect();
    setup.commit().unwrap();
    settle(&store);
    let table = Arc::clone(reader(&store).catalog().table("public", "notes").unwrap());
    (store, table, index, rows)
}

#[test]
fn own_writes_are_found_before_commit_and_gone_after_rollback() {
    let (store, table, index, rows) = notes();
    let transaction = reader(&store);
    let new = transaction.insert_row(&table, &row("Plums", "a green one")).unwrap();
    assert_eq!(words(&transaction, &index, "green"), [rows[1].0, new.0]);
    assert_eq!(words(&reader(&store), &index, "green"), [rows[1].0]);
    transaction.finish_statement().unwrap();
    transaction.savepoint("s").unwrap();
    transaction.begin_statement().unwrap();
    transaction.delete_row(&table, rows[1]).unwrap();
    transaction.update_row(&table, rows[0], &row("Apples", "now green")).unwrap();
    assert_eq!(words(&transaction, &index, "green"), [rows[0].0, new.0]);
    assert_eq!(words(&transaction, &index, "running"), NONE);
    transaction.finish_statement().unwrap();
    transaction.rollback_to_savepoint("s").unwrap();
    transaction.begin_statement().unwrap();
    assert_eq!(words(&transaction, &index, "green"), [rows[1].0, new.0]);
    assert_eq!(words(&transaction, &index, "run"), [rows[0].0]);
    transaction.rollback();
    assert_eq!(words(&reader(&store), &index, "green"), [rows[1].0]);
}

#[test]
fn an_old_snapshot_sees_its_rows_when_the_base_has_moved_on() {
    let (store, table, index, rows) = notes();
    let old = begin(&store, Isolation::RepeatableRead);
    assert_eq!(words(&old, &index, "green"), [rows[1].0]);
    let writer = reader(&store);
    writer.update_row(&table, rows[1], &row("Pears", "yellow")).unwrap();
    let new = writer.insert_row(&table, &row("Peas", "green")).unwrap();
    writer.commit().unwrap();
    settle(&store);
    assert_eq!(words(&old, &index, "green"), [rows[1].0]);
    assert_eq!(words(&old, &index, "yellow"), NONE);
    assert_eq!(words(&reader(&store), &index, "green"), [new.0]);
}

#[test]
fn query_syntax() {
    let (store, _, index, rows) = notes();
    let transaction = reader(&store);
    let check = |query: &str, expected: &[usize]| {
        let expected: Vec<u64> = expected.iter().map(|position| rows[*position].0).collect();
        assert_eq!(syntax(&transaction, &index, query), expected, "{query}");
    };
    check("title:apples", &[0]);
    check("title:green", &[]);
    check("body:green AND sweet", &[1]);
    check("pears -green", &[]);
    check("apples OR pears", &[0, 1]);
    check("+apples -title:pears", &[0]);
    check("\"running out\"", &[0]);
    check("\"out running\"", &[]);
    check("\"they running\"~1", &[0]);
    check("appel~", &[0]);
    check("pea*", &[1]);
    check("p?ar*", &[1]);
    check("/gr.*n/", &[1]);
    check("title:[empti TO pz]", &[1, 2]);
    check("*:*", &[0, 1, 2]);
    check("-green", &[]);
    check("(apples pears)^3 AND (green~1)", &[1]);
    check("...", &[]);
    for malformed in ["(green", "AND", "\"green", "nofield:x", "/[/", "title:"] {
        let result = transaction.text_search(&index, malformed, TextQueryMode::Syntax, 10, None);
        assert!(matches!(result, Err(StorageError::InvalidSearchQuery(_))), "{malformed}: {result:?}");
        // As words, nothing is an error.
        transaction.text_search(&index, malformed, TextQueryMode::Words, 10, None).unwrap();
    }
    let long = "green ".repeat(5_000);
    assert!(transaction.text_search(&index, &long, TextQueryMode::Syntax, 10, None).is_err());
    assert_eq!(words(&transaction, &index, &long), [rows[1].0]);
    let error = transaction.text_search(&index, "titel:x", TextQueryMode::Syntax, 10, None).unwrap_err();
    assert_eq!(error.to_string(), "search query: the index has no field \"titel\"; its fields are: title, body");
}

#[test]
fn scores_are_those_of_one_index_wherever_a_row_is() {
    let (store, table, index, _) = notes();
    let texts = ["green green tea", "tea with milk", "green", "a long text about many things and also about green tea"];
    let writer = reader(&store);
    for text in texts {
        writer.insert_row(&table, &row("x", text)).unwrap();
    }
    let own = writer.text_search(&index, "green tea", TextQueryMode::Words, 10, None).unwrap();
    writer.commit().unwrap();
    let tail = reader(&store).text_search(&index, "green tea", TextQueryMode::Words, 10, None).unwrap();
    settle(&store);
    let base = reader(&store).text_search(&index, "green tea", TextQueryMode::Words, 10, None).unwrap();
    assert_eq!(own.len(), 5);
    for other in [&tail, &base] {
        assert_eq!(ids(&own), ids(other));
        assert!(own.iter().zip(other).all(|(a, b)| (a.score - b.score).abs() < 1e-5), "{own:?} {other:?}");
    }
    assert!(own.is_sorted_by(|a, b| a.score > b.score || a.score == b.score && a.id < b.id));
}

#[test]
fn ties_are_broken_by_id_and_filters_apply_before_the_limit() {
    let (store, table, index, _) = notes();
    let writer = reader(&store);
    let mut rows: Vec<u64> = (0..40).map(|_| writer.insert_row(&table, &row("same", "text")).unwrap().0).collect();
    writer.commit().unwrap();
    rows.sort_unstable();
    for _ in 0..2 {
        let transaction = reader(&store);
        let search = |limit, filter: Option<IdFilter<'_>>| {
            ids(&transaction.text_search(&index, "same", TextQueryMode::Words, limit, filter).unwrap())
        };
        assert_eq!(search(7, None), rows[..7]);
        let passes = |id: u64| id.is_multiple_of(3);
        let expected: Vec<u64> = rows.iter().copied().filter(|id| passes(*id)).take(5).collect();
        assert_eq!(search(5, Some(&passes)), expected);
        assert_eq!(search(0, None), NONE);
        settle(&store);
    }
}

#[test]
fn random_writes_agree_with_a_model_in_every_state_of_the_base() {
    let store = Store::in_memory(StoreOptions { tail_limit_rows: 60, ..StoreOptions::default() }).unwrap();
    let setup = reader(&store);
    let table = create_table(&setup);
    let text = create_index(&setup, "text", columns(&table, &[2]), text_kind());
    let vector = create_index(&setup, "vector", columns(&table, &[3]), vector_kind(VectorMetric::Euclidean, 3, None));
    setup.commit().unwrap();
    let table = Arc::clone(reader(&store).catalog().table("public", "notes").unwrap());
    let mut rng = StdRng::seed_from_u64(29);
    type Model = BTreeMap<u64, (Option<u32>, Option<[f32; 3]>)>;
    let mut model = Model::new();
    let mut old: Vec<(Transaction, Model)> = Vec::new();
    let check = |transaction: &Transaction, model: &Model, rng: &mut StdRng| {
        let word = rng.random_range(0..6u32);
        let expected: Vec<u64> = model.iter().filter(|row| row.1.0 == Some(word)).map(|row| *row.0).collect();
        let hits = transaction.text_search(&text, &format!("word{word}"), TextQueryMode::Words, 1_000, None).unwrap();
        let mut found = ids(&hits);
        found.sort_unstable();
        assert_eq!(found, expected, "word{word}");
        let query: [f32; 3] = std::array::from_fn(|_| rng.random_range(0..4u32) as f32);
        let passes = |id: u64| !id.is_multiple_of(4);
        let mut expected: Vec<(f64, u64)> = model
            .iter()
            .filter(|row| passes(*row.0))
            .filter_map(|row| Some((vector_distance(VectorMetric::Euclidean, &query, &row.1.1?), *row.0)))
            .collect();
        expected.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
        expected.truncate(9);
        let hits = transaction.vector_search(&vector, &query, 9, 40, Some(&passes)).unwrap();
        assert_eq!(hits.iter().map(|hit| (hit.score, hit.id)).collect::<Vec<_>>(), expected);
    };
    for round in 0..60 {
        let transaction = reader(&store);
        let mut own = model.clone();
        for _ in 0..rng.random_range(1..12u32) {
            let word = (rng.random_range(0..8u32) > 0).then(|| rng.random_range(0..6u32));
            let point: Option<[f32; 3]> =
                (rng.random_range(0..8u32) > 0).then(|| std::array::from_fn(|_| rng.random_range(0..4u32) as f32));
            let values = vec![
                Value::Null,
                word.map_or(Value::Null, |word| Value::text(format!("some word{word} here"))),
                point.map_or(Value::Null, |point| Value::Vector(point.as_slice().into())),
            ];
            let existing = own.keys().nth(rng.random_range(0..own.len().max(1))).copied();
            match (existing, rng.random_range(0..3u32)) {
                (Some(id), 0) => {
                    transaction.update_row(&table, RowId(id), &values).unwrap();
                    own.insert(id, (word, point));
                }
                (Some(id), 1) if own.len() > 20 => {
                    assert!(transaction.delete_row(&table, RowId(id)).unwrap());
                    own.remove(&id);
                }
                _ => {
                    let id = transaction.insert_row(&table, &values).unwrap();
                    own.insert(id.0, (word, point));
                }
            }
        }
        check(&transaction, &own, &mut rng);
        if rng.random_range(0..5u32) == 0 {
            transaction.rollback();
        } else {
            transaction.commit().unwrap();
            model = own;
        }
        check(&reader(&store), &model, &mut rng);
        old.iter().for_each(|(transaction, model)| check(transaction, model, &mut rng));
        if round % 6 == 0 {
            let snapshot = begin(&store, Isolation::RepeatableRead);
            check(&snapshot, &model, &mut rng);
            old.push((snapshot, model.clone()));
            if old.len() > 4 {
                old.remove(0);
            }
        }
        if round % 5 == 0 {
            settle(&store);
            check(&reader(&store), &model, &mut rng);
        }
    }
}

#[test]
fn an_index_serves_the_transaction_that_creates_it_and_truncate_empties_it() {
    let (store, table, _, rows) = notes();
    let transaction = reader(&store);
    let body = create_index(&transaction, "body", columns(&table, &[2]), text_kind());
    assert_eq!(words(&transaction, &body, "green"), [rows[1].0]);
    transaction.commit().unwrap();
    assert_eq!(words(&reader(&store), &body, "green"), [rows[1].0]);
    let table = Arc::clone(reader(&store).catalog().table("public", "notes").unwrap());
    let transaction = reader(&store);
    transaction.truncate_table(table.id).unwrap();
    assert_eq!(words(&transaction, &body, "green"), NONE);
    let table = Arc::clone(transaction.catalog().table("public", "notes").unwrap());
    let new = transaction.insert_row(&table, &row("x", "green again")).unwrap();
    assert_eq!(words(&transaction, &body, "green"), [new.0]);
    assert_eq!(words(&reader(&store), &body, "green"), [rows[1].0]);
    transaction.commit().unwrap();
    assert_eq!(words(&reader(&store), &body, "green"), [new.0]);
    settle(&store);
    assert_eq!(words(&reader(&store), &body, "green"), [new.0]);
    let transaction = reader(&store);
    transaction.drop_index(body.id).unwrap();
    transaction.commit().unwrap();
    settle(&store);
    assert!(!reader(&store).derived().text.contains_key(&body.id));
}

#[test]
fn text_files_survive_a_restart_and_may_be_deleted() {
    let directory = tempfile::tempdir().unwrap();
    let open = || Store::open(directory.path(), StoreOptions::default()).unwrap();
    let store = open();
    let setup = reader(&store);
    let table = create_table(&setup);
    let index = create_index(&setup, "notes_text", columns(&table, &[1, 2]), text_kind());
    setup.commit().unwrap();
    let table = Arc::clone(reader(&store).catalog().table("public", "notes").unwrap());
    let insert = |store: &Arc<Store>, body: &str| {
        let writer = reader(store);
        let id = writer.insert_row(&table, &row("note", body)).unwrap();
        writer.commit().unwrap();
        id.0
    };
    let first = insert(&store, "green");
    settle(&store);
    let second = insert(&store, "green");
    store.close().unwrap();
    drop(store);

    let store = open();
    let lsn = reader(&store).snapshot_lsn();
    let base = reader(&store).derived().text[&index.id].base.as_ref().map(|base| base.indexed_lsn());
    assert_eq!(base, Some(lsn), "closing brings the base up to date, opening loads it");
    assert_eq!(words(&reader(&store), &index, "green"), [first, second]);
    let third = insert(&store, "green");
    assert_eq!(words(&reader(&store), &index, "green"), [first, second, third]);
    store.close().unwrap();
    drop(store);

    // A damaged file and no file at all both lead to a rebuild.
    for damage in [true, false] {
        let files = directory.path().join("fts").join(index.id.to_string());
        if damage {
            let entries = std::fs::read_dir(&files).unwrap().map(|entry| entry.unwrap().path());
            let term = entries.into_iter().find(|path| path.extension().is_some_and(|e| e == "term")).unwrap();
            let mut bytes = std::fs::read(&term).unwrap();
            bytes[0] ^= 0xff;
            std::fs::write(&term, bytes).unwrap();
        } else {
            std::fs::remove_dir_all(directory.path().join("fts")).unwrap();
        }
        let store = open();
        assert_eq!(words(&reader(&store), &index, "green"), [first, second, third], "damage: {damage}");
        store.close().unwrap();
    }
}

#[test]
fn graph_indexes_follow_labels_and_types() {
    let store = Store::in_memory(StoreOptions::default()).unwrap();
    let setup = reader(&store);
    let labels = [setup.ensure_label("Person").unwrap(), setup.ensure_label("Place").unwrap()];
    let ty = setup.ensure_relationship_type("LIKES").unwrap();
    let name = setup.ensure_property_key("name").unwrap();
    let nodes = IndexTarget::Nodes { labels: labels.to_vec(), properties: vec![name] };
    let nodes = create_index(&setup, "names", nodes, text_kind());
    let edges = IndexTarget::Relationships { types: vec![ty], properties: vec![name] };
    let edges = create_index(&setup, "likes", edges, text_kind());
    setup.commit().unwrap();
    let transaction = reader(&store);
    let properties = |text: &str| vec![(name, Value::text(text))];
    let ann = transaction.create_node(&[labels[0]], properties("Ann Green")).unwrap();
    let park =
        transaction.create_node(&labels, vec![(name, Value::list(vec!["Green".into(), "Park".into()]))]).unwrap();
    let other = transaction.create_node(&[], properties("Green")).unwrap();
    let likes = transaction.create_relationship(ty, ann, park, properties("very green")).unwrap();
    assert_eq!(words(&transaction, &nodes, "green"), [ann.0, park.0]);
    assert_eq!(syntax(&transaction, &nodes, "name:park"), [park.0]);
    assert_eq!(words(&transaction, &edges, "green"), [likes.0]);
    transaction.commit().unwrap();
    settle(&store);
    let transaction = reader(&store);
    assert_eq!(words(&transaction, &nodes, "green"), [ann.0, park.0]);
    transaction.update_node(other, &[labels[1]], properties("Green")).unwrap();
    transaction.update_node(ann, &[], properties("Ann Green")).unwrap();
    transaction.delete_relationship(likes).unwrap();
    assert_eq!(words(&transaction, &nodes, "green"), [park.0, other.0]);
    assert_eq!(words(&transaction, &edges, "green"), NONE);
    transaction.commit().unwrap();
    settle(&store);
    assert_eq!(words(&reader(&store), &nodes, "green"), [park.0, other.0]);
}

#[test]
fn text_is_embedded_and_bad_vectors_are_refused() {
    let (store, table, _, _) = notes();
    let setup = reader(&store);
    let index = create_index(
        &setup,
        "body_vector",
        columns(&table, &[2]),
        vector_kind(VectorMetric::Cosine, 256, Some("hash-256")),
    );
    setup.commit().unwrap();
    let table = Arc::clone(reader(&store).catalog().table("public", "notes").unwrap());
    let writer = reader(&store);
    let refund = writer.insert_row(&table, &row("a", "how do I get a refund for a broken lamp")).unwrap();
    writer.insert_row(&table, &row("b", "opening hours on sunday")).unwrap();
    let search = |transaction: &Transaction, text: &str| {
        let query = transaction.embed_for(&index, text).unwrap();
        transaction.vector_search(&index, &query, 1, 40, None).unwrap()
    };
    assert_eq!(ids(&search(&writer, "refunds for broken lamps")), [refund.0]);
    writer.commit().unwrap();
    settle(&store);
    let transaction = reader(&store);
    assert_eq!(ids(&search(&transaction, "refunds for broken lamps")), [refund.0]);
    // Four rows have text, one is empty: it is in no index.
    let all = transaction.vector_search(&index, &transaction.embed_for(&index, "hours").unwrap(), 10, 40, None);
    assert_eq!(all.unwrap().len(), 4);
    let short = transaction.vector_search(&index, &[1.0, 2.0], 1, 40, None);
    assert!(matches!(short, Err(StorageError::DimensionMismatch { expected: 256, actual: 2, .. })));
    assert!(transaction.vector_search(&index, &[f32::NAN; 256], 1, 40, None).is_err());
    let refused = |name: &str, kind: IndexKind, expected: &str| {
        let id = transaction.allocate_relation_id().unwrap();
        let target = columns(&table, &[2]);
        let def = IndexDef {
            id,
            schema: "public".into(),
            name: name.into(),
            target,
            kind,
            constraint: None,
            options: Default::default(),
        };
        assert_eq!(transaction.create_index(def).unwrap_err().to_string(), expected);
    };
    let unknown = vector_kind(VectorMetric::Cosine, 256, Some("x"));
    refused("a", unknown, "embedder \"x\" is not configured; configured are: hash-256");
    let other = vector_kind(VectorMetric::Cosine, 128, Some("hash-256"));
    refused("b", other, "vector has 256 dimensions, index \"b\" expects 128");
    let klingon = IndexKind::FullText { analyzer: "klingon".into() };
    refused("c", klingon, "analyzer \"klingon\" does not exist; available are: english, simple");
    let large = vector_kind(VectorMetric::Cosine, 20_000, None);
    refused("d", large, "dimension count of a vector index is 20000, it must be between 1 and 16000");
}

#[test]
fn concurrent_writers_find_their_rows_at_once_and_all_rows_in_the_end() {
    const THREADS: usize = 4;
    const ROUNDS: usize = 40;
    let store = Store::in_memory(StoreOptions { tail_limit_rows: 40, ..StoreOptions::default() }).unwrap();
    let setup = reader(&store);
    let table = create_table(&setup);
    let text = create_index(&setup, "text", columns(&table, &[2]), text_kind());
    let vector = create_index(&setup, "vector", columns(&table, &[3]), vector_kind(VectorMetric::Euclidean, 3, None));
    let label = setup.ensure_label("Note").unwrap();
    setup.commit().unwrap();
    let table = Arc::clone(reader(&store).catalog().table("public", "notes").unwrap());
    std::thread::scope(|scope| {
        for thread in 0..THREADS {
            let (store, table, text, vector) = (&store, &table, &text, &vector);
            scope.spawn(move || {
                for round in 0..ROUNDS {
                    let writer = reader(store);
                    let point = [thread as f32, round as f32, 0.0];
                    let body = format!("all thread{thread} round{round}");
                    let values = vec![Value::Null, Value::text(body), Value::Vector(point.as_slice().into())];
                    let id = writer.insert_row(table, &values).unwrap();
                    let node = writer.create_node(&[label], Vec::new()).unwrap();
                    writer.commit().unwrap();
                    let transaction = reader(store);
                    let found = syntax(&transaction, text, &format!("+thread{thread} +round{round}"));
                    assert_eq!(found, [id.0]);
                    let nearest = transaction.vector_search(vector, &point, 1, 10, None).unwrap();
                    assert_eq!((nearest[0].id, nearest[0].score), (id.0, 0.0));
                    assert!(transaction.node_has_label(node, label).unwrap());
                }
            });
        }
    });
    for settled in [false, true] {
        if settled {
            settle(&store);
        }
        let transaction = reader(&store);
        let all = transaction.text_search(&text, "all", TextQueryMode::Words, 1_000, None).unwrap();
        assert_eq!(all.len(), THREADS * ROUNDS);
        assert_eq!(transaction.vector_search(&vector, &[0.0; 3], 1_000, 10, None).unwrap().len(), THREADS * ROUNDS);
        assert_eq!(transaction.node_count(Some(label)).unwrap(), (THREADS * ROUNDS) as u64);
    }
    let stats = store.stats();
    assert!(stats.graph_image_size_bytes > 0);
    assert!(stats.search_indexes.iter().all(|index| index.2 == 0), "{:?}", stats.search_indexes);
}
