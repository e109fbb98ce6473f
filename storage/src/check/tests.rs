//! A sound store has no problems; each planted one is named.

use std::sync::Arc;

use super::*;
use crate::DataType;
use crate::catalog::{
    IndexColumn, IndexDef, IndexKind, IndexTarget, TableBehaviour, TableDef, VectorIndexOptions, VectorMetric,
};
use crate::graph::keys;
use crate::ids::{ColumnId, LabelId, NodeId, RelationshipId, RelationshipTypeId};
use crate::store::{StoreOptions, Transaction};
use crate::test_support::{begin, column};
use crate::value::Value;

fn index(t: &Transaction, name: &str, target: IndexTarget, kind: IndexKind) {
    let id = t.allocate_relation_id().unwrap();
    t.create_index(IndexDef {
        id,
        schema: "public".into(),
        name: name.into(),
        target,
        kind,
        constraint: None,
        options: Default::default(),
    })
    .unwrap();
}

/// A table with an index of each kind, a graph of two nodes and a relationship with ordered indexes.
fn store() -> Arc<Store> {
    let store = Store::in_memory(StoreOptions::default()).unwrap();
    let t = begin(&store);
    let table = TableDef {
        foreign_keys: Vec::new(),
        id: t.allocate_relation_id().unwrap(),
        schema: "public".into(),
        name: "notes".into(),
        columns: vec![
            column(1, "id", DataType::Int8),
            column(2, "body", DataType::Text),
            column(3, "place", DataType::Vector(Some(2))),
        ],
        next_column_id: 4,
        checks: Vec::new(),
        behaviour: TableBehaviour::Plain,
        version: 0,
        comment: None,
        options: Vec::new(),
        materialized: None,
    };
    let table = t.create_table(table).unwrap();
    let over = |id: u16| {
        let column = IndexColumn { column: ColumnId(id), descending: false, nulls_first: false, expression: None };
        IndexTarget::Table { table: table.id, columns: vec![column] }
    };
    index(&t, "notes_pkey", over(1), IndexKind::Ordered { unique: true });
    index(&t, "notes_body", over(2), IndexKind::Ordered { unique: false });
    index(&t, "notes_text", over(2), IndexKind::FullText { analyzer: "english".into() });
    let vectors = VectorIndexOptions {
        metric: VectorMetric::Euclidean,
        dimension_count: 2,
        embedder: None,
        connections: 16,
        construction_width: 64,
    };
    index(&t, "notes_place", over(3), IndexKind::Vector(vectors));
    let table = Arc::clone(t.catalog().table("public", "notes").unwrap());
    for i in 1..=5 {
        let place = if i == 5 { Value::Null } else { Value::Vector(vec![i as f32, 1.0].into()) };
        t.insert_row(&table, &[Value::Int(i), Value::text(format!("note {i}")), place]).unwrap();
    }
    let (label, ty, key) =
        (t.ensure_label("A").unwrap(), t.ensure_relationship_type("R").unwrap(), t.ensure_property_key("k").unwrap());
    let nodes = IndexTarget::Nodes { labels: vec![label], properties: vec![key] };
    index(&t, "a_k", nodes, IndexKind::Ordered { unique: false });
    let relationships = IndexTarget::Relationships { types: vec![ty], properties: vec![key] };
    index(&t, "r_k", relationships, IndexKind::Ordered { unique: false });
    let first = t.create_node(&[label], vec![(key, Value::Int(1))]).unwrap();
    let second = t.create_node(&[label], vec![(key, Value::text("two"))]).unwrap();
    t.create_relationship(ty, first, second, vec![(key, Value::Int(7))]).unwrap();
    t.finish_statement().unwrap();
    t.commit().unwrap();
    store
}

fn check(store: &Store) -> Vec<String> {
    let report = store.check(&mut |done, of| {
        assert!(done <= of);
        Ok(())
    });
    let report = report.unwrap();
    assert_eq!(report.problem_count, report.objects.iter().map(|object| object.problem_count).sum::<u64>());
    let of = |object: &CheckedObject| {
        let name = object.name.clone();
        object.problems.iter().map(|problem| format!("{name}: {problem}")).collect::<Vec<_>>()
    };
    report.objects.iter().flat_map(of).collect()
}

/// Plants something behind the indexes' back.
fn plant(store: &Arc<Store>, write: impl FnOnce(&Transaction)) {
    let t = begin(store);
    write(&t);
    t.finish_statement().unwrap();
    t.commit().unwrap();
}

#[track_caller]
fn assert_found(problems: &[String], expected: &[&str]) {
    for wanted in expected {
        assert!(problems.iter().any(|problem| problem.starts_with(wanted)), "not found: {wanted}\nin {problems:#?}");
    }
    assert_eq!(problems.len(), expected.len(), "{problems:#?}");
}

fn keyspace_of(t: &Transaction, name: &str) -> Keyspace {
    Keyspace::of_relation(t.catalog().relation_id("public", name).unwrap())
}

#[test]
fn a_sound_store_has_no_problems_and_everything_is_checked() {
    let store = store();
    assert_eq!(check(&store), [""; 0]);
    // A tail counts too.
    plant(&store, |t| {
        let table = Arc::clone(t.catalog().table("public", "notes").unwrap());
        t.insert_row(&table, &[Value::Int(9), Value::text("late"), Value::Null]).unwrap();
        t.delete_row(&table, crate::RowId(1)).unwrap();
        t.create_node(&[], vec![]).unwrap();
    });
    assert_eq!(check(&store), [""; 0]);
    let report = store.check(&mut |_, _| Ok(())).unwrap();
    let checked = |name: &str| report.objects.iter().find(|object| object.name == name).map(|object| object.checked);
    assert_eq!(checked("table public.notes"), Some(5));
    assert_eq!(checked("index public.notes_pkey"), Some(5));
    assert_eq!(checked("search index public.notes_text"), Some(5));
    assert_eq!(checked("index public.a_k"), Some(2));
    assert_eq!(checked("nodes"), Some(3));
    assert_eq!(checked("incoming adjacency"), Some(1));
}

#[test]
fn index_entries_without_rows_and_rows_without_entries_are_found() {
    let store = store();
    plant(&store, |t| {
        let stray =
            [&crate::encoding::key::key_for_values(&[Value::text("note 2")])[..], &77_u64.to_be_bytes()].concat();
        t.kv_put(keyspace_of(t, "notes_body"), &stray, &[]).unwrap();
        let key = crate::encoding::key::key_for_values(&[Value::Int(3)]);
        t.kv_put(keyspace_of(t, "notes_pkey"), &key, &4_u64.to_be_bytes()).unwrap();
        let keyspace = keyspace_of(t, "r_k");
        let (entry, _) = t
            .kv_range(keyspace, std::ops::Bound::Unbounded, std::ops::Bound::Unbounded, false)
            .unwrap()
            .next()
            .unwrap()
            .unwrap();
        t.kv_delete(keyspace, &entry).unwrap();
    });
    assert_found(
        &check(&store),
        &[
            "index public.notes_pkey: row 3 has no entry: under its key ",
            "index public.notes_pkey: entry ",
            "index public.notes_body: entry ",
            "index public.r_k: relationship 1 has no entry",
        ],
    );
}

#[test]
fn rows_of_the_graph_that_disagree_are_found() {
    let store = store();
    plant(&store, |t| {
        let (ty, first, second) = (RelationshipTypeId(0), NodeId(1), NodeId(2));
        t.kv_delete(Keyspace::ADJACENCY_OUT, &keys::adjacency_key(ty, first, second, RelationshipId(1))).unwrap();
        t.kv_put(Keyspace::ADJACENCY_IN, &keys::adjacency_key(ty, second, first, RelationshipId(9)), &[]).unwrap();
        t.kv_put(Keyspace::LABEL_NODES, &keys::label_node_key(LabelId(0), NodeId(5)), &[]).unwrap();
    });
    assert_found(
        &check(&store),
        &[
            "label membership: there is a row of label 0 for node 5",
            "outgoing adjacency: relationship 1 has no row at node 1",
            "incoming adjacency: there is a row at node 2 for relationship 9",
        ],
    );
}

#[test]
fn what_is_derived_from_other_rows_is_found() {
    let store = store();
    // Search indexes are in their bases, and nothing tells them of what follows.
    assert!(store.published().current().derived.settle(Duration::from_secs(60)));
    plant(&store, |t| {
        // A node that neither the image nor the counter has heard of, with a kind of value that was never observed.
        let labels = [LabelId(0)];
        let properties = [(crate::PropertyKeyId(0), Value::Bool(true))];
        let row = crate::graph::records::encode_node(&labels, &properties);
        t.kv_put(Keyspace::NODES, &keys::node_key(NodeId(5_000)), &row).unwrap();
        let notes = keyspace_of(t, "notes");
        t.kv_delete(notes, &2_u64.to_be_bytes()).unwrap();
    });
    assert_found(
        &check(&store),
        &[
            "counters: nodes would give",
            "index public.notes_pkey: entry ",
            "index public.notes_body: entry ",
            "graph image: node 5000 is missing",
            "graph image: node 5000 is missing under its label 0",
            "label membership: node 5000 has label 0, but no row of it",
            "index public.a_k: node 5000 has no entry",
            "observed property types: the kind of node 5000's property 0",
            "search index public.notes_text: row 2 is in it, but does not exist",
            "search index public.notes_place: row 2 is in it, but does not exist",
        ],
    );
}

#[test]
fn a_name_without_its_relation_and_broken_bytes_are_found() {
    let store = store();
    plant(&store, |t| {
        let name = crate::catalog::rows::name_key("public", "ghost");
        t.kv_put(Keyspace::CATALOG, &name, &1_u32.to_be_bytes()).unwrap();
        t.kv_put(keyspace_of(t, "notes"), &4_u64.to_be_bytes(), b"?").unwrap();
    });
    let problems = check(&store);
    let starts = |wanted: &str| problems.iter().any(|problem| problem.starts_with(wanted));
    assert!(starts("catalog names: the name public.ghost belongs to no relation"), "{problems:#?}");
    assert!(starts("table public.notes: row 4: "), "{problems:#?}");
    assert!(starts("search index public.notes_text: its rows: "), "{problems:#?}");
}

#[test]
fn problems_are_counted_when_there_are_too_many_to_list() {
    let store = store();
    plant(&store, |t| {
        let keyspace = keyspace_of(t, "notes_body");
        for id in 1_000..1_250_u64 {
            t.kv_put(keyspace, &[&[0x34_u8, 0, 0][..], &id.to_be_bytes()].concat(), &[]).unwrap();
        }
    });
    let report = store.check(&mut |_, _| Ok(())).unwrap();
    assert_eq!(report.problem_count, 250);
    assert_eq!(report.objects.iter().map(|object| object.problems.len()).sum::<usize>(), MAX_LISTED_PROBLEMS);
    let rows = report.rows();
    assert_eq!(rows.iter().filter(|row| row.2.is_some()).count(), MAX_LISTED_PROBLEMS + 1);
    assert!(rows.iter().any(|row| row.2.as_deref() == Some("150 further problems are not listed")));
    assert!(rows.contains(&("index public.notes_pkey", 5, None)));
}

#[test]
fn exhausted_counters_and_ids_beyond_bigint_are_found() {
    let store = store();
    plant(&store, |t| {
        t.kv_put(Keyspace::COUNTERS, b"nodes", &(1_u64 << 63).to_be_bytes()).unwrap();
        let row = crate::graph::records::encode_node(&[], &[]);
        t.kv_put(Keyspace::NODES, &keys::node_key(NodeId(1 << 63)), &row).unwrap();
    });
    let problems = check(&store);
    for wanted in ["counters: nodes is exhausted", "nodes: node 9223372036854775808 has an id that no bigint"] {
        assert!(problems.iter().any(|problem| problem.starts_with(wanted)), "not found: {wanted}\nin {problems:#?}");
    }
}
