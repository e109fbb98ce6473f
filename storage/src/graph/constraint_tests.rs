//! Constraints of properties, through statements, concurrent writers, reopening and the integrity check.

use std::sync::Arc;

use super::*;
use crate::catalog::{
    Carrier, ConstraintKind, GraphConstraintDef, GraphConstraintKind, IndexDef, IndexKind, IndexTarget, PropertyRule,
    PropertyType, PropertyTypes, ScalarType,
};
use crate::error::{Result, StorageError};
use crate::store::{Isolation, Store, StoreOptions, Transaction};

fn begin(store: &Arc<Store>) -> Transaction {
    let transaction = store.begin(Isolation::ReadCommitted);
    transaction.begin_statement().unwrap();
    transaction
}

fn constrain(t: &Transaction, name: &str, carrier: Carrier, property: &str, rule: PropertyRule) -> Result<()> {
    t.create_graph_constraint(GraphConstraintDef {
        id: t.allocate_relation_id()?,
        schema: "sinew".into(),
        name: name.into(),
        carrier,
        property: t.ensure_property_key(property)?,
        rule,
    })
    .map(drop)
}

fn integer() -> PropertyRule {
    PropertyRule::Type(PropertyTypes::new(vec![PropertyType::Scalar(ScalarType::Integer)]))
}

type Write<'w> = &'w dyn Fn(&Transaction) -> Result<()>;

/// The constraint that a statement was against.
#[track_caller]
fn violated<T: std::fmt::Debug>(result: Result<T>) -> (bool, String) {
    match result {
        Err(StorageError::PropertyViolation { is_missing, constraint, .. }) => (is_missing, constraint),
        other => panic!("{other:?}"),
    }
}

#[test]
fn rules_hold_when_a_statement_ends_and_after_reopening() {
    let directory = tempfile::tempdir().unwrap();
    let open = || Store::open(directory.path(), StoreOptions::default()).unwrap();
    let store = open();
    let t = begin(&store);
    let (person, knows) = (t.ensure_label("Person").unwrap(), t.ensure_relationship_type("KNOWS").unwrap());
    let (name, age) = (t.ensure_property_key("name").unwrap(), t.ensure_property_key("age").unwrap());
    constrain(&t, "named", Carrier::Label(person), "name", PropertyRule::Exists).unwrap();
    constrain(&t, "aged", Carrier::Label(person), "age", integer()).unwrap();
    constrain(&t, "since", Carrier::RelationshipType(knows), "age", PropertyRule::Exists).unwrap();
    t.finish_statement().unwrap();
    t.commit().unwrap();
    drop(store);

    let store = open();
    let ann = || vec![(name, Value::text("Ann"))];
    let t = begin(&store);
    // In steps, within one statement.
    let node = t.create_node(&[person], Vec::new()).unwrap();
    t.update_node(node, &[person], ann()).unwrap();
    let gone = t.create_node(&[person], Vec::new()).unwrap();
    t.delete_node(gone).unwrap();
    let unlabelled = t.create_node(&[], Vec::new()).unwrap();
    t.finish_statement().unwrap();
    let cases: [(bool, &str, Write<'_>); 5] = [
        (true, "named", &|t| t.create_node(&[person], Vec::new()).map(drop)),
        (true, "named", &|t| t.update_node(unlabelled, &[person], Vec::new())),
        (true, "named", &|t| t.update_node(node, &[person], vec![(age, Value::Int(1))])),
        (false, "aged", &|t| t.update_node(node, &[person], [ann(), vec![(age, Value::Float(1.0))]].concat())),
        (true, "since", &|t| t.create_relationship(knows, node, unlabelled, Vec::new()).map(drop)),
    ];
    for (is_missing, constraint, write) in cases {
        t.begin_statement().unwrap();
        write(&t).unwrap();
        assert_eq!(violated(t.finish_statement()), (is_missing, constraint.to_owned()));
        t.abort_statement();
    }
    t.begin_statement().unwrap();
    t.finish_statement().unwrap();
    t.commit().unwrap();

    // A statement that was not finished is looked at by the commit.
    let t = begin(&store);
    t.create_node(&[person], Vec::new()).unwrap();
    assert_eq!(violated(t.commit()), (true, "named".to_owned()));

    let t = begin(&store);
    assert_eq!((t.node_count(None).unwrap(), t.relationship_count(None).unwrap()), (2, 0));
    let named = t.catalog().graph_constraint("sinew", "named").unwrap().id;
    t.drop_graph_constraint(named).unwrap();
    t.create_node(&[person], Vec::new()).unwrap();
    t.finish_statement().unwrap();
    t.commit().unwrap();
    assert!(store.catalog().graph_constraint("sinew", "named").is_none());
    assert_eq!(store.check(&mut |_, _| Ok(())).unwrap().problem_count, 0);
}

#[test]
fn a_constraint_is_not_made_over_what_is_against_it() {
    let store = Store::in_memory(StoreOptions::default()).unwrap();
    let t = begin(&store);
    let (label, ty) = (t.ensure_label("L").unwrap(), t.ensure_relationship_type("T").unwrap());
    let key = t.ensure_property_key("p").unwrap();
    let first = t.create_node(&[label], vec![(key, Value::Int(1))]).unwrap();
    let second = t.create_node(&[label], vec![(key, Value::text("x"))]).unwrap();
    t.create_relationship(ty, first, second, Vec::new()).unwrap();
    t.finish_statement().unwrap();
    t.commit().unwrap();
    let refused = |carrier, rule| {
        let t = begin(&store);
        violated(constrain(&t, "c", carrier, "p", rule)).0
    };
    assert!(!refused(Carrier::Label(label), integer()));
    assert!(refused(Carrier::RelationshipType(ty), PropertyRule::Exists));
    let t = begin(&store);
    constrain(&t, "c", Carrier::Label(label), "p", PropertyRule::Exists).unwrap();
    constrain(&t, "d", Carrier::RelationshipType(ty), "p", integer()).unwrap();
    let taken = constrain(&t, "c", Carrier::Label(label), "q", integer());
    assert!(matches!(taken, Err(StorageError::ObjectExists { kind: "constraint", .. })), "{taken:?}");
}

#[test]
fn a_key_asks_for_existence_beside_uniqueness() {
    let store = Store::in_memory(StoreOptions::default()).unwrap();
    let t = begin(&store);
    let label = t.ensure_label("L").unwrap();
    let (a, b) = (t.ensure_property_key("a").unwrap(), t.ensure_property_key("b").unwrap());
    let key = || IndexDef {
        id: t.allocate_relation_id().unwrap(),
        schema: "sinew".into(),
        name: "l_key".into(),
        target: IndexTarget::Nodes { labels: vec![label], properties: vec![a, b] },
        kind: IndexKind::Ordered { unique: true },
        constraint: Some(ConstraintKind::PrimaryKey),
        options: Default::default(),
    };
    let incomplete = t.create_node(&[label], vec![(a, Value::Int(1))]).unwrap();
    assert_eq!(violated(t.create_index(key())), (true, "l_key".to_owned()));
    t.abort_statement();
    t.begin_statement().unwrap();
    assert!(t.node(incomplete).unwrap().is_none());
    t.create_index(key()).unwrap();
    let catalog = t.catalog();
    let constraints = catalog.constraints_of_graph();
    assert_eq!(constraints.iter().map(|found| found.kind).collect::<Vec<_>>(), [GraphConstraintKind::Key]);
    let node = |b_value: i64| t.create_node(&[label], vec![(a, Value::Int(1)), (b, Value::Int(b_value))]);
    node(1).unwrap();
    node(2).unwrap();
    assert!(matches!(node(1), Err(StorageError::DuplicateKey { .. })));
    t.create_node(&[label], vec![(b, Value::Int(1))]).unwrap();
    assert_eq!(violated(t.finish_statement()), (true, "l_key".to_owned()));
}
