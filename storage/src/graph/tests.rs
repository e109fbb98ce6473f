//! Random graph operations against a naive model, through transactions, savepoints, old snapshots and reopening.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use super::*;
use crate::catalog::{ConstraintKind, IndexDef, IndexKind, IndexTarget};
use crate::error::StorageError;
use crate::store::{Isolation, Store, StoreOptions, Transaction};
use crate::table::IndexRange;

const LABELS: u32 = 3;
const TYPES: u32 = 3;

#[derive(Clone, Default)]
struct Model {
    /// Labels, and the value of the one indexed property.
    nodes: BTreeMap<u64, (BTreeSet<u32>, Option<i64>)>,
    /// Type, source, target.
    relationships: BTreeMap<u64, (u32, u64, u64)>,
}

impl Model {
    fn neighbors(&self, node: u64, direction: Direction, types: &[u32]) -> Vec<Neighbor> {
        let mut found = Vec::new();
        for (id, (ty, source, target)) in &self.relationships {
            if !types.is_empty() && !types.contains(ty) {
                continue;
            }
            let step = |node: u64, outgoing| Neighbor {
                relationship: RelationshipId(*id),
                ty: RelationshipTypeId(*ty),
                node: NodeId(node),
                outgoing,
            };
            if *source == node && direction != Direction::Incoming {
                found.push(step(*target, true));
            }
            if *target == node
                && direction != Direction::Outgoing
                && !(direction == Direction::Both && source == target)
            {
                found.push(step(*source, false));
            }
        }
        found.sort_by_key(|step| (step.ty, step.node, step.relationship));
        found
    }

    fn labelled(&self, label: Option<u32>) -> Vec<u64> {
        let carries = |labels: &BTreeSet<u32>| label.is_none_or(|label| labels.contains(&label));
        self.nodes.iter().filter(|(_, (labels, _))| carries(labels)).map(|(id, _)| *id).collect()
    }
}

fn check(transaction: &Transaction, model: &Model, index: Option<&IndexDef>, rng: &mut StdRng) {
    for label in [None, Some(0), Some(1), Some(2)] {
        let expected = model.labelled(label);
        let label = label.map(LabelId);
        let scanned: Vec<u64> = transaction.scan_nodes(label).unwrap().collect::<Result<_, _>>().unwrap();
        assert_eq!(scanned, expected, "{label:?}");
        assert_eq!(transaction.node_count(label).unwrap(), expected.len() as u64);
    }
    for ty in [None, Some(0), Some(1), Some(2)] {
        let of_type = |row: &&(u32, u64, u64)| ty.is_none_or(|ty| ty == row.0);
        let expected: Vec<u64> =
            model.relationships.iter().filter(|(_, row)| of_type(row)).map(|(id, _)| *id).collect();
        let ty = ty.map(RelationshipTypeId);
        let scanned: Vec<u64> = transaction.scan_relationships(ty).unwrap().collect::<Result<_, _>>().unwrap();
        assert_eq!(scanned, expected, "{ty:?}");
        assert_eq!(transaction.relationship_count(ty).unwrap(), expected.len() as u64);
    }
    let ids: Vec<u64> = model.nodes.keys().copied().collect();
    for _ in 0..20.min(ids.len()) {
        let node = ids[rng.random_range(0..ids.len())];
        let other = ids[rng.random_range(0..ids.len())];
        let record = transaction.node(NodeId(node)).unwrap().expect("in the model");
        assert_eq!(record.labels.iter().map(|label| label.0).collect::<BTreeSet<_>>(), model.nodes[&node].0);
        assert!(transaction.node_exists(NodeId(node)).unwrap());
        for label in 0..LABELS {
            let has = transaction.node_has_label(NodeId(node), LabelId(label)).unwrap();
            assert_eq!(has, model.nodes[&node].0.contains(&label));
        }
        for types in [&[][..], &[1], &[2, 0, 2]] {
            let type_ids: Vec<_> = types.iter().map(|ty| RelationshipTypeId(*ty)).collect();
            for direction in [Direction::Outgoing, Direction::Incoming, Direction::Both] {
                let expected = model.neighbors(node, direction, types);
                let mut actual = Vec::new();
                transaction
                    .for_each_neighbor(NodeId(node), direction, &type_ids, &mut |step| {
                        actual.push(step);
                        std::ops::ControlFlow::Continue(())
                    })
                    .unwrap();
                assert_eq!(actual, expected, "node {node} {direction:?} {types:?}");
                let degree = transaction.degree(NodeId(node), direction, &type_ids).unwrap();
                assert_eq!(degree, expected.len() as u64);
                let mut between: Vec<_> = expected.into_iter().filter(|step| step.node.0 == other).collect();
                between.sort_by_key(|step| (step.ty, step.relationship));
                let found = transaction.relationships_between(NodeId(node), NodeId(other), direction, &type_ids);
                assert_eq!(found.unwrap(), between, "between {node} and {other} {direction:?} {types:?}");
            }
        }
    }
    let nodes: Vec<NodeId> = ids.iter().take(10).map(|id| NodeId(*id)).collect();
    let mut expanded = Vec::new();
    transaction.expand_into(&nodes, Direction::Both, &[], &mut expanded).unwrap();
    let expected = nodes.iter().enumerate().flat_map(|(row, node)| {
        model.neighbors(node.0, Direction::Both, &[]).into_iter().map(move |step| (row as u32, step))
    });
    assert_eq!(expanded, expected.collect::<Vec<_>>());
    if let Some(index) = index {
        let mut expected: Vec<(i64, u64)> = model
            .nodes
            .iter()
            .filter(|(_, (labels, _))| labels.contains(&0))
            .filter_map(|(id, (_, value))| Some(((*value)?, *id)))
            .collect();
        expected.sort_unstable();
        let scanned = transaction.index_scan(index, &IndexRange::all(), false).unwrap();
        let scanned: Vec<u64> = scanned.collect::<Result<_, _>>().unwrap();
        assert_eq!(scanned, expected.into_iter().map(|entry| entry.1).collect::<Vec<_>>());
    }
}

fn step(transaction: &Transaction, model: &mut Model, rng: &mut StdRng) {
    let random_node = |model: &Model, rng: &mut StdRng| {
        let count = model.nodes.len();
        (count > 0).then(|| *model.nodes.keys().nth(rng.random_range(0..count)).expect("in range"))
    };
    let random_content = |rng: &mut StdRng| {
        let labels: BTreeSet<u32> = (0..LABELS).filter(|_| rng.random_range(0..2u32) == 0).collect();
        let value = (rng.random_range(0..3u32) > 0).then(|| rng.random_range(0..20i64));
        let properties = vec![(PropertyKeyId(0), value.map_or(Value::Null, Value::Int))];
        let label_ids: Vec<_> = labels.iter().map(|label| LabelId(*label)).collect();
        (labels, value, label_ids, properties)
    };
    match rng.random_range(0..10u32) {
        0..=2 => {
            let (labels, value, label_ids, properties) = random_content(rng);
            let id = transaction.create_node(&label_ids, properties).unwrap();
            model.nodes.insert(id.0, (labels, value));
        }
        3..=6 => {
            let (Some(source), Some(target)) = (random_node(model, rng), random_node(model, rng)) else { return };
            let ty = rng.random_range(0..TYPES);
            let target = if rng.random_range(0..10u32) == 0 { source } else { target };
            let id = transaction
                .create_relationship(RelationshipTypeId(ty), NodeId(source), NodeId(target), Vec::new())
                .unwrap();
            model.relationships.insert(id.0, (ty, source, target));
        }
        7 => {
            let Some(node) = random_node(model, rng) else { return };
            let (labels, value, label_ids, properties) = random_content(rng);
            transaction.update_node(NodeId(node), &label_ids, properties).unwrap();
            model.nodes.insert(node, (labels, value));
        }
        8 => {
            let count = model.relationships.len();
            if count == 0 {
                return;
            }
            let id = *model.relationships.keys().nth(rng.random_range(0..count)).expect("in range");
            assert!(transaction.delete_relationship(RelationshipId(id)).unwrap());
            assert!(!transaction.delete_relationship(RelationshipId(id)).unwrap());
            model.relationships.remove(&id);
        }
        _ => {
            let Some(node) = random_node(model, rng) else { return };
            let attached = model.neighbors(node, Direction::Both, &[]);
            if attached.is_empty() {
                assert!(transaction.delete_node(NodeId(node)).unwrap());
                model.nodes.remove(&node);
            } else {
                let refused = transaction.delete_node(NodeId(node));
                assert!(matches!(refused, Err(StorageError::NodeHasRelationships { .. })), "{refused:?}");
            }
        }
    }
}

fn begin(store: &Arc<Store>, isolation: Isolation) -> Transaction {
    let transaction = store.begin(isolation);
    transaction.begin_statement().unwrap();
    transaction
}

fn node_index(transaction: &Transaction, name: &str, label: u32, key: u32, unique: bool) -> IndexDef {
    let def = IndexDef {
        id: transaction.allocate_relation_id().unwrap(),
        schema: "sinew".into(),
        name: name.into(),
        target: IndexTarget::Nodes { labels: vec![LabelId(label)], properties: vec![PropertyKeyId(key)] },
        kind: IndexKind::Ordered { unique },
        constraint: unique.then_some(ConstraintKind::Unique),
        options: Default::default(),
    };
    (*transaction.create_index(def).unwrap()).clone()
}

#[test]
fn random_operations_agree_with_a_model_also_after_rollback_and_reopening() {
    let directory = tempfile::tempdir().unwrap();
    let mut rng = StdRng::seed_from_u64(41);
    let mut model = Model::default();
    let mut index = None;
    for round in 0..3 {
        let store = Store::open(directory.path(), StoreOptions::default()).unwrap();
        if round == 0 {
            let setup = begin(&store, Isolation::ReadCommitted);
            for name in ["A", "B", "C"] {
                setup.ensure_label(name).unwrap();
                setup.ensure_relationship_type(name).unwrap();
            }
            setup.ensure_property_key("value").unwrap();
            index = Some(node_index(&setup, "by_value", 0, 0, false));
            setup.commit().unwrap();
        }
        check(&begin(&store, Isolation::ReadCommitted), &model, index.as_ref(), &mut rng);
        for _ in 0..25 {
            let old = begin(&store, Isolation::RepeatableRead);
            let old_model = model.clone();
            assert_eq!(old.node_count(None).unwrap(), model.nodes.len() as u64);
            let transaction = begin(&store, Isolation::ReadCommitted);
            let mut own = model.clone();
            for _ in 0..rng.random_range(1..30u32) {
                step(&transaction, &mut own, &mut rng);
                if rng.random_range(0..4u32) == 0 {
                    check(&transaction, &own, index.as_ref(), &mut rng);
                }
            }
            transaction.finish_statement().unwrap();
            transaction.savepoint("s").unwrap();
            transaction.begin_statement().unwrap();
            let saved = own.clone();
            for _ in 0..10 {
                step(&transaction, &mut own, &mut rng);
            }
            transaction.finish_statement().unwrap();
            if rng.random_range(0..2u32) == 0 {
                transaction.rollback_to_savepoint("s").unwrap();
                own = saved;
            }
            transaction.begin_statement().unwrap();
            check(&transaction, &own, index.as_ref(), &mut rng);
            transaction.finish_statement().unwrap();
            if rng.random_range(0..4u32) == 0 {
                transaction.rollback();
            } else {
                transaction.commit().unwrap();
                model = own;
            }
            check(&begin(&store, Isolation::ReadCommitted), &model, index.as_ref(), &mut rng);
            check(&old, &old_model, index.as_ref(), &mut rng);
        }
        store.close().unwrap();
    }
}

#[test]
fn hubs_grow_and_shrink_across_commits() {
    let store = Store::in_memory(StoreOptions::default()).unwrap();
    let transaction = begin(&store, Isolation::ReadCommitted);
    let ty = transaction.ensure_relationship_type("KNOWS").unwrap();
    let hub = transaction.create_node(&[], Vec::new()).unwrap();
    let mut relationships = Vec::new();
    for _ in 0..2_500 {
        let node = transaction.create_node(&[], Vec::new()).unwrap();
        relationships.push(transaction.create_relationship(ty, hub, node, Vec::new()).unwrap());
    }
    assert_eq!(transaction.degree(hub, Direction::Outgoing, &[ty]).unwrap(), 2_500);
    transaction.commit().unwrap();
    for part in relationships.chunks(700) {
        let transaction = begin(&store, Isolation::ReadCommitted);
        let before = transaction.degree(hub, Direction::Both, &[]).unwrap();
        part.iter().for_each(|id| assert!(transaction.delete_relationship(*id).unwrap()));
        transaction.commit().unwrap();
        let after = begin(&store, Isolation::ReadCommitted).degree(hub, Direction::Both, &[]).unwrap();
        assert_eq!(after, before - part.len() as u64);
    }
}

#[test]
fn tokens_survive_rollback_and_reopening() {
    let directory = tempfile::tempdir().unwrap();
    let store = Store::open(directory.path(), StoreOptions::default()).unwrap();
    let transaction = begin(&store, Isolation::ReadCommitted);
    let person = transaction.ensure_label("Person").unwrap();
    assert_eq!(transaction.ensure_label("Person").unwrap(), person);
    let name = transaction.ensure_property_key("name").unwrap();
    transaction.rollback();
    store.close().unwrap();
    drop(store);
    let store = Store::open(directory.path(), StoreOptions::default()).unwrap();
    let transaction = begin(&store, Isolation::ReadCommitted);
    assert_eq!((transaction.label_id("Person"), transaction.property_key_id("name")), (Some(person), Some(name)));
    assert_eq!(&*transaction.label_name(person), "Person");
    assert_eq!(transaction.relationship_type_id("Person"), None);
    assert!(transaction.ensure_label("").is_err());
}

#[test]
fn observed_types_grow_with_commits_only() {
    let store = Store::in_memory(StoreOptions::default()).unwrap();
    let setup = begin(&store, Isolation::ReadCommitted);
    let (label, key) = (setup.ensure_label("L").unwrap(), setup.ensure_property_key("k").unwrap());
    let owner = PropertyOwner::Label(label);
    // Two writers who see different types of one property for the first time do not conflict.
    let (a, b) = (begin(&store, Isolation::ReadCommitted), begin(&store, Isolation::ReadCommitted));
    a.create_node(&[label], vec![(key, Value::Int(1))]).unwrap();
    b.create_node(&[label], vec![(key, Value::text("x"))]).unwrap();
    assert_eq!(a.observed_types(owner, key).0, ObservedTypes::INT);
    a.commit().unwrap();
    b.commit().unwrap();
    let rolled_back = begin(&store, Isolation::ReadCommitted);
    rolled_back.create_node(&[label], vec![(key, Value::Float(1.0))]).unwrap();
    rolled_back.rollback();
    let reader = begin(&store, Isolation::ReadCommitted);
    assert_eq!(reader.observed_types(owner, key).0, ObservedTypes::INT | ObservedTypes::TEXT);
    assert!(reader.observed_types(PropertyOwner::Unlabeled, key).is_empty());
}

#[test]
fn unique_property_names_the_holder() {
    let store = Store::in_memory(StoreOptions::default()).unwrap();
    let transaction = begin(&store, Isolation::ReadCommitted);
    let (label, key) = (transaction.ensure_label("Person").unwrap(), transaction.ensure_property_key("name").unwrap());
    let index = node_index(&transaction, "person_name", label.0, key.0, true);
    let ann = transaction.create_node(&[label], vec![(key, Value::text("Ann"))]).unwrap();
    let other = transaction.create_node(&[], vec![(key, Value::text("Ann"))]).unwrap();
    let expected = format!("Node({ann}) already exists with label `Person` and property `name` = 'Ann'");
    for refused in [
        transaction.create_node(&[label], vec![(key, Value::text("Ann"))]).map(drop),
        transaction.update_node(other, &[label], vec![(key, Value::text("Ann"))]),
    ] {
        match refused {
            Err(StorageError::DuplicateKey { constraint, detail, .. }) => {
                assert_eq!((constraint.as_str(), detail.as_str()), ("person_name", expected.as_str()));
            }
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(transaction.node_property_index(label, key).map(|found| found.id), Some(index.id));
    transaction.delete_node(ann).unwrap();
    transaction.update_node(other, &[label], vec![(key, Value::text("Ann"))]).unwrap();
    transaction.commit().unwrap();
}

#[test]
fn deletion_of_a_node_conflicts_with_a_relationship_created_at_it() {
    let store = Store::in_memory(StoreOptions::default()).unwrap();
    let setup = begin(&store, Isolation::ReadCommitted);
    let ty = setup.ensure_relationship_type("T").unwrap();
    let nodes: Vec<_> = (0..3).map(|_| setup.create_node(&[], Vec::new()).unwrap()).collect();
    setup.commit().unwrap();
    let deleting = begin(&store, Isolation::ReadCommitted);
    let creating = begin(&store, Isolation::ReadCommitted);
    assert!(deleting.delete_node(nodes[0]).unwrap());
    creating.set_lock_timeout(Some(std::time::Duration::from_millis(20)));
    let link = || creating.create_relationship(ty, nodes[0], nodes[1], Vec::new());
    assert!(matches!(link(), Err(StorageError::LockTimeout)));
    deleting.commit().unwrap();
    assert!(matches!(link(), Err(StorageError::WriteConflict { .. })));
    drop(creating);
    // Two relationships at one node do not conflict.
    let (a, b) = (begin(&store, Isolation::ReadCommitted), begin(&store, Isolation::ReadCommitted));
    a.create_relationship(ty, nodes[1], nodes[2], Vec::new()).unwrap();
    b.create_relationship(ty, nodes[1], nodes[2], Vec::new()).unwrap();
    a.commit().unwrap();
    b.commit().unwrap();
    let reader = begin(&store, Isolation::ReadCommitted);
    assert_eq!(reader.degree(nodes[1], Direction::Outgoing, &[]).unwrap(), 2);
    assert!(matches!(
        reader.create_relationship(ty, nodes[0], nodes[1], Vec::new()),
        Err(StorageError::NodeNotFound(_))
    ));
    reader.create_node_with_id(NodeId(500), &[], Vec::new()).unwrap();
    assert!(matches!(reader.create_node_with_id(NodeId(500), &[], Vec::new()), Err(StorageError::DuplicateKey { .. })));
    assert!(reader.create_node(&[], Vec::new()).unwrap().0 > 500);
}

#[test]
fn given_ids_leave_room_for_those_of_the_engine() {
    let store = Store::in_memory(StoreOptions::default()).unwrap();
    let t = begin(&store, Isolation::ReadCommitted);
    for too_large in [LARGEST_GIVEN_ID + 1, i64::MAX as u64, u64::MAX] {
        let refused = t.create_node_with_id(NodeId(too_large), &[], Vec::new());
        assert!(matches!(refused, Err(StorageError::OutOfRange(_))), "{too_large}: {refused:?}");
    }
    let first = t.create_node(&[], Vec::new()).unwrap();
    assert!(first.0 < 100, "{first}");
    t.create_node_with_id(NodeId(LARGEST_GIVEN_ID), &[], Vec::new()).unwrap();
    assert_eq!(t.create_node(&[], Vec::new()).unwrap(), NodeId(LARGEST_GIVEN_ID + 1));
    // The end of bigint is the end of ids.
    t.raise_id(NODE_COUNTER, i64::MAX as u64 - 1).unwrap();
    assert_eq!(t.create_node(&[], Vec::new()).unwrap(), NodeId(i64::MAX as u64));
    for _ in 0..2 {
        assert!(matches!(t.create_node(&[], Vec::new()), Err(StorageError::LimitExceeded(_))));
    }
    assert!(t.raise_id(NODE_COUNTER, i64::MAX as u64 + 1).is_err());
}
