use super::*;
use crate::system::search::tests::{begin, context, rows_of, store};

fn rows(context: &ExecContext, name: &str) -> Vec<Vec<Value>> {
    rows_of(&*relation(name).expect("the relation exists"), context, &[]).unwrap()
}

fn json(text: &str) -> Value {
    Value::json(types::parse_json(text).unwrap())
}

fn labels(names: &[&str]) -> Value {
    Value::list(names.iter().map(|name| Value::text(*name)).collect())
}

#[test]
fn inserted_rows_are_read_back() {
    let store = store();
    let context = context(begin(&store));
    let people = [
        vec![Value::Int(7), labels(&["Person", "Admin"]), json(r#"{"name": "Ann", "tags": [1, 2], "gone": null}"#)],
        vec![Value::Null, Value::Null, Value::Null],
    ];
    let ids = insert_nodes(&context, &people).unwrap();
    assert_eq!(ids[0], NodeId(7));
    assert!(ids[1] > NodeId(7), "later ids are above given ones");
    let other = Value::Int(ids[1].0 as i64);
    let edges = [
        vec![Value::Int(3), Value::text("KNOWS"), Value::Int(7), other.clone(), json(r#"{"since": 1.5}"#)],
        vec![Value::Null, Value::text("LIKES"), other.clone(), Value::Int(7), Value::Null],
    ];
    let edge_ids = insert_edges(&context, &edges).unwrap();

    let nodes = rows(&context, "nodes");
    assert_eq!(nodes.len(), 2);
    assert_eq!(nodes[0][0], Value::Int(7));
    assert_eq!(nodes[0][1], labels(&["Person", "Admin"]));
    assert_eq!(nodes[0][2], json(r#"{"name": "Ann", "tags": [1, 2]}"#));
    assert_eq!(nodes[1], vec![other.clone(), labels(&[]), json("{}")]);
    let read = rows(&context, "edges");
    assert_eq!(read[0], edges[0]);
    assert_eq!(read[1], vec![Value::Int(edge_ids[1].0 as i64), Value::text("LIKES"), other, Value::Int(7), json("{}")]);
}

#[test]
fn rows_that_cannot_be_are_refused() {
    let store = store();
    let mut context = context(begin(&store));
    let node = |id: Value, properties: Value| vec![id, Value::Null, properties];
    insert_nodes(&context, &[node(Value::Int(1), Value::Null)]).unwrap();
    let code = |context: &ExecContext, id: Value, properties: Value| {
        insert_nodes(context, &[node(id, properties)]).unwrap_err().sqlstate()
    };
    assert_eq!(code(&context, Value::Int(1), Value::Null), "23505");
    assert_eq!(code(&context, Value::Int(-1), Value::Null), "22023");
    assert_eq!(code(&context, Value::Null, json("[1]")), "22023");
    assert_eq!(code(&context, Value::Null, json(r#"{"a": {"b": 1}}"#)), "22000");

    let edge = |ty: Value, source: Value, target: Value| vec![Value::Null, ty, source, target, Value::Null];
    let error = |row: Vec<Value>| insert_edges(&context, &[row]).unwrap_err();
    let null = error(edge(Value::Null, Value::Int(1), Value::Int(1)));
    assert_eq!((null.sqlstate(), null.0.column.as_deref()), ("23502", Some("type")));
    assert_eq!(error(edge(Value::text("R"), Value::Null, Value::Int(1))).sqlstate(), "23502");
    let missing = error(edge(Value::text("R"), Value::Int(1), Value::Int(99)));
    assert_eq!((missing.sqlstate(), missing.0.constraint.as_deref()), ("23503", Some("edges_target_fkey")));
    assert_eq!(error(edge(Value::text("R"), Value::Int(-5), Value::Int(1))).sqlstate(), "23503");
    assert_eq!(error(edge(Value::text(""), Value::Int(1), Value::Int(1))).sqlstate(), "22000");

    context.allow_writes = false;
    assert_eq!(code(&context, Value::Null, Value::Null), "25006");
}

#[test]
fn many_rows_come_in_batches() {
    let store = store();
    let context = context(begin(&store));
    let nodes: Vec<Vec<Value>> = (0..3_000).map(|id| vec![Value::Int(id), Value::Null, Value::Null]).collect();
    insert_nodes(&context, &nodes).unwrap();
    let edges: Vec<Vec<Value>> = (0..2_999)
        .map(|id| vec![Value::Null, Value::text("NEXT"), Value::Int(id), Value::Int(id + 1), Value::Null])
        .collect();
    insert_edges(&context, &edges).unwrap();
    let read = rows(&context, "nodes");
    assert!(read.iter().map(|row| row[0].as_int().unwrap()).eq(0..3_000));
    assert_eq!(rows(&context, "edges").len(), 2_999);
    let mut stream = relation("nodes").unwrap().call(&context, &[]).unwrap();
    assert!(stream.next_batch().unwrap().is_some_and(|batch| batch.row_count == crate::batch::BATCH_ROWS));
    context.cancel.cancel();
    assert_eq!(stream.next_batch().unwrap_err().sqlstate(), "57014");
}

#[test]
fn entities_with_their_mentions() {
    let store = store();
    let context = context(begin(&store));
    assert!(rows(&context, "entities").is_empty());
    let transaction = &context.transaction;
    let (entity, message) = (transaction.ensure_label("Entity").unwrap(), transaction.ensure_label("Message").unwrap());
    let mentions = transaction.ensure_relationship_type("MENTIONS").unwrap();
    let key = |name: &str| transaction.ensure_property_key(name).unwrap();
    let (name, kind, created_at) = (key("name"), key("kind"), key("created_at"));
    let oslo =
        transaction.create_node(&[entity], vec![(name, Value::text("Oslo")), (kind, Value::text("place"))]).unwrap();
    let bare = transaction.create_node(&[entity], Vec::new()).unwrap();
    for at in [50, 20, 90] {
        let from = transaction.create_node(&[message], vec![(created_at, Value::Timestamp(at))]).unwrap();
        transaction.create_relationship(mentions, from, oslo, Vec::new()).unwrap();
    }
    let found = rows(&context, "entities");
    let row = |id: NodeId, rest: [Value; 5]| std::iter::once(Value::Int(id.0 as i64)).chain(rest).collect::<Vec<_>>();
    let times = [Value::Int(3), Value::Timestamp(20), Value::Timestamp(90)];
    let [count, first, last] = times;
    assert_eq!(found[0], row(oslo, [Value::text("Oslo"), Value::text("place"), count, first, last]));
    assert_eq!(found[1], row(bare, [Value::Null, Value::Null, Value::Int(0), Value::Null, Value::Null]));
}

#[test]
fn every_named_relation_exists() {
    for name in names() {
        assert!(
            relation(name).is_some_and(|relation| relation.name() == name && relation.params().is_empty()),
            "{name}"
        );
    }
    assert!(relation("vertices").is_none());
}
