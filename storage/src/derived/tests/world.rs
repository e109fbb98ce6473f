//! A small database, random changes to it, and the comparison of everything derived with its rows.

use std::ops::Bound::Unbounded;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use rand::RngExt;
use rand::rngs::StdRng;

use crate::DataType;
use crate::catalog::{
    IndexColumn, IndexDef, IndexKind, IndexTarget, TableBehaviour, TableDef, VectorIndexOptions, VectorMetric,
};
use crate::derived::{IndexSource, IndexedValues};
use crate::graph::image::GraphImage;
use crate::ids::{ColumnId, LabelId, NodeId, RelationshipId, RelationshipTypeId, RowId};
use crate::search::TextQueryMode;
use crate::store::{Keyspace, Store, StoreOptions, Transaction};
pub use crate::test_support::begin;
use crate::test_support::column;
use crate::value::Value;
use crate::vector::{VectorReader, vector_distance};

const WORDS: u32 = 5;
const LABELS: u32 = 3;
const TYPES: u32 = 3;

pub fn open(directory: &Path) -> Arc<Store> {
    Store::open(directory, StoreOptions::default()).unwrap()
}

/// A table with a text index and two vector indexes, one of them over embedded text; labels and types.
pub fn create(store: &Arc<Store>) {
    let transaction = begin(store);
    let table = TableDef {
        id: transaction.allocate_relation_id().unwrap(),
        schema: "public".into(),
        name: "notes".into(),
        columns: vec![column(1, "body", DataType::Text), column(2, "place", DataType::Vector(Some(3)))],
        next_column_id: 3,
        checks: Vec::new(),
        foreign_keys: Vec::new(),
        behaviour: TableBehaviour::Plain,
        version: 0,
        comment: None,
        options: Vec::new(),
        materialized: None,
    };
    let table = transaction.create_table(table).unwrap();
    let vectors = |dimension_count, embedder: Option<&str>| {
        IndexKind::Vector(VectorIndexOptions {
            metric: VectorMetric::Euclidean,
            dimension_count,
            embedder: embedder.map(str::to_owned),
            connections: 16,
            construction_width: 100,
        })
    };
    let text = IndexKind::FullText { analyzer: "simple".into() };
    let indexes = [("text", 1, text), ("place", 2, vectors(3, None)), ("embedded", 1, vectors(256, Some("hash-256")))];
    for (name, column, kind) in indexes {
        let columns =
            vec![IndexColumn { column: ColumnId(column), descending: false, nulls_first: false, expression: None }];
        let target = IndexTarget::Table { table: table.id, columns };
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
        transaction.create_index(def).unwrap();
    }
    for n in 0..LABELS {
        assert_eq!(transaction.ensure_label(&format!("L{n}")).unwrap(), LabelId(n));
    }
    for n in 0..TYPES {
        assert_eq!(transaction.ensure_relationship_type(&format!("T{n}")).unwrap(), RelationshipTypeId(n));
    }
    transaction.finish_statement().unwrap();
    transaction.commit().unwrap();
}

/// Ids in a keyspace that is keyed by them.
fn ids(transaction: &Transaction, keyspace: Keyspace) -> Vec<u64> {
    let rows = transaction.kv_range(keyspace, Unbounded, Unbounded, false).unwrap();
    rows.map(|row| crate::graph::keys::decode_id(&row.unwrap().0).unwrap()).collect()
}

fn pick(ids: &[u64], rng: &mut StdRng) -> Option<u64> {
    (!ids.is_empty()).then(|| ids[rng.random_range(0..ids.len())])
}

fn random_row(rng: &mut StdRng) -> Vec<Value> {
    let body = (rng.random_range(0..6u32) > 0).then(|| format!("some word{}", rng.random_range(0..WORDS)));
    let place: Option<[f32; 3]> =
        (rng.random_range(0..6u32) > 0).then(|| std::array::from_fn(|_| rng.random_range(0..5u32) as f32));
    vec![
        body.map_or(Value::Null, Value::text),
        place.map_or(Value::Null, |place| Value::Vector(place.as_slice().into())),
    ]
}

fn random_labels(rng: &mut StdRng) -> Vec<LabelId> {
    (0..LABELS).filter(|_| rng.random_range(0..2u32) == 0).map(LabelId).collect()
}

/// One commit of a few changes; rarely a hub, or an emptied table.
pub fn change(store: &Arc<Store>, rng: &mut StdRng) {
    let transaction = begin(store);
    transaction.set_synchronous_commit(rng.random_range(0..4u32) > 0);
    let table = Arc::clone(transaction.catalog().table("public", "notes").unwrap());
    let rows = ids(&transaction, Keyspace::of_relation(table.id));
    let nodes = ids(&transaction, Keyspace::NODES);
    match rng.random_range(0..120u32) {
        0 => transaction.truncate_table(table.id).unwrap(),
        1 => {
            let hub = transaction.create_node(&random_labels(rng), Vec::new()).unwrap();
            for _ in 0..rng.random_range(1_000..1_500u32) {
                let other = pick(&nodes, rng).map_or(hub, NodeId);
                transaction.create_relationship(RelationshipTypeId(0), hub, other, Vec::new()).unwrap();
            }
        }
        2..=49 => {
            for _ in 0..rng.random_range(1..6u32) {
                transaction.insert_row(&table, &random_row(rng)).unwrap();
            }
            if let Some(row) = pick(&rows, rng) {
                transaction.update_row(&table, RowId(row), &random_row(rng)).unwrap();
            }
        }
        50..=59 => {
            if let Some(row) = pick(&rows, rng) {
                assert!(transaction.delete_row(&table, RowId(row)).unwrap());
            }
        }
        60..=79 => {
            transaction.create_node(&random_labels(rng), Vec::new()).unwrap();
            if let Some(node) = pick(&nodes, rng) {
                transaction.update_node(NodeId(node), &random_labels(rng), Vec::new()).unwrap();
            }
        }
        80..=109 => {
            if let (Some(source), Some(target)) = (pick(&nodes, rng), pick(&nodes, rng)) {
                let ty = RelationshipTypeId(rng.random_range(0..TYPES));
                transaction.create_relationship(ty, NodeId(source), NodeId(target), Vec::new()).unwrap();
            }
        }
        _ => {
            if let Some(relationship) = pick(&ids(&transaction, Keyspace::RELATIONSHIPS), rng) {
                assert!(transaction.delete_relationship(RelationshipId(relationship)).unwrap());
            }
        }
    }
    transaction.finish_statement().unwrap();
    transaction.commit().unwrap();
}

/// (type, from, to, relationship) of one direction.
fn edges(image: &GraphImage, incoming: bool) -> Vec<(u32, u64, u64, u64)> {
    let mut found = Vec::new();
    for ty in 0..image.type_count() {
        let Some(of_type) = image.relationship_type(ty) else { continue };
        let tree = if incoming { &of_type.incoming } else { &of_type.outgoing };
        for (number, page) in tree.iter() {
            for local in 0..=u8::MAX {
                assert_eq!(page.degree(local), page.cursor(local).count());
                let from = number * 256 + u64::from(local);
                found.extend(page.cursor(local).map(|(to, id)| (ty, from, to, id)));
            }
        }
    }
    found
}

fn check_graph(transaction: &Transaction) {
    let built = GraphImage::build(&transaction.rows(), &|_| {}).unwrap();
    let derived = transaction.derived();
    let image = &derived.graph;
    assert!(image.nodes.iter().eq(built.nodes.iter()));
    for n in 0..LABELS {
        let members = |image: &GraphImage| image.label(n).map_or_else(Vec::new, |set| set.iter().collect::<Vec<u64>>());
        assert_eq!(members(image), members(&built), "label {n}");
    }
    for n in 0..TYPES {
        let members = |image: &GraphImage| {
            image.relationship_type(n).map_or_else(Vec::new, |ty| ty.relationships.iter().collect::<Vec<u64>>())
        };
        assert_eq!(members(image), members(&built), "type {n}");
    }
    for incoming in [false, true] {
        assert_eq!(edges(image, incoming), edges(&built, incoming), "incoming: {incoming}");
    }
}

fn check_searches(transaction: &Transaction, rng: &mut StdRng) {
    let catalog = transaction.catalog();
    let rows_of = |index: &IndexDef| {
        let mut rows = Vec::new();
        let source = IndexSource::new(index, &catalog).unwrap();
        let read = source.for_each(&transaction.rows(), &mut |id, values| {
            rows.push((id, values));
            Ok(())
        });
        read.unwrap();
        rows
    };
    let text = catalog.index("public", "text").unwrap();
    let rows = rows_of(text);
    for n in 0..WORDS {
        let word = format!("word{n}");
        let has_word = |values: &IndexedValues| values[0].as_str().is_some_and(|body| body.ends_with(&word[..]));
        let expected: Vec<u64> = rows.iter().filter(|row| has_word(&row.1)).map(|row| row.0).collect();
        let hits = transaction.text_search(text, &word, TextQueryMode::Words, 10_000, None).unwrap();
        let mut found: Vec<u64> = hits.iter().map(|hit| hit.id).collect();
        found.sort_unstable();
        assert_eq!(found, expected, "{word}");
    }
    for name in ["place", "embedded"] {
        let index = catalog.index("public", name).unwrap();
        let reader = VectorReader::new(index, &transaction.derived().shared.embedders).unwrap();
        let query: Vec<f32> = (0..reader.options().dimension_count).map(|_| rng.random_range(0..5u32) as f32).collect();
        let distance = |vector: &[f32]| vector_distance(VectorMetric::Euclidean, &query, vector);
        let mut expected: Vec<(f64, u64)> =
            rows_of(index).iter().filter_map(|row| Some((distance(&reader.vector(&row.1)?), row.0))).collect();
        expected.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
        expected.truncate(20);
        let hits = transaction.vector_search(index, &query, 20, 40, None).unwrap();
        assert_eq!(hits.iter().map(|hit| (hit.score, hit.id)).collect::<Vec<_>>(), expected, "{name}");
    }
}

pub fn check(store: &Arc<Store>, rng: &mut StdRng) {
    check_graph(&begin(store));
    check_searches(&begin(store), rng);
    assert!(begin(store).derived().settle(Duration::from_secs(60)), "the indexers did not settle");
    check_searches(&begin(store), rng);
    let report = store.check(&mut |_, _| Ok(())).unwrap();
    assert_eq!(report.problem_count, 0, "{:?}", report.rows());
}
