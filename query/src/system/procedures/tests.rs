use sinew_storage::{Isolation, Store};

use super::*;
use crate::system::search::tests::{begin, context, graph_index, rows_of, store, text_kind, vector_kind};

fn call(context: &ExecContext, name: &str, args: &[Value]) -> Result<Rows> {
    let mut procedures = all().into_iter().chain(schema::all()).chain(server::all());
    let procedure = procedures.find(|procedure| procedure.name == name).expect("the procedure exists");
    let mut args = args.to_vec();
    args.extend(procedure.params[args.len()..].iter().map(|param| param.default.clone().expect("a default")));
    rows_of(&procedure, context, &args)
}

struct Graph {
    store: Arc<Store>,
    people: Vec<NodeId>,
    likes: RelationshipId,
}

/// Three people with notes and vectors, one relationship with both.
fn graph() -> Graph {
    let store = store();
    let setup = begin(&store);
    let person = setup.ensure_label("Person").unwrap();
    let (note, position) = (setup.ensure_property_key("note").unwrap(), setup.ensure_property_key("position").unwrap());
    let likes = setup.ensure_relationship_type("LIKES").unwrap();
    setup.ensure_relationship_type("UNUSED").unwrap();
    setup.ensure_label("Unused").unwrap();
    let nodes = |key| IndexTarget::Nodes { labels: vec![person], properties: vec![key] };
    let relationships = |key| IndexTarget::Relationships { types: vec![likes], properties: vec![key] };
    graph_index(&setup, "notes", nodes(note), text_kind());
    graph_index(&setup, "like_notes", relationships(note), text_kind());
    graph_index(&setup, "positions", nodes(position), vector_kind(VectorMetric::Cosine, 2, None));
    graph_index(&setup, "distances", nodes(position), vector_kind(VectorMetric::Euclidean, 2, None));
    graph_index(&setup, "products", nodes(position), vector_kind(VectorMetric::InnerProduct, 2, None));
    graph_index(&setup, "like_positions", relationships(position), vector_kind(VectorMetric::Cosine, 2, None));
    graph_index(&setup, "note_meanings", nodes(note), vector_kind(VectorMetric::Cosine, 256, Some("hash-256")));
    graph_index(&setup, "by_note", nodes(note), IndexKind::Ordered { unique: false });
    let vector = |x: f64, y: f64| Value::list(vec![Value::Float(x), Value::Float(y)]);
    let texts = ["likes sailing", "sailing and more sailing", "hates boats"];
    let vectors = [vector(1.0, 0.0), vector(0.0, 1.0), vector(-1.0, 0.0)];
    let people: Vec<NodeId> = texts
        .iter()
        .zip(vectors)
        .map(|(text, vector)| {
            setup.create_node(&[person], vec![(note, Value::text(*text)), (position, vector)]).unwrap()
        })
        .collect();
    let properties = vec![(note, Value::text("since the regatta")), (position, vector(1.0, 1.0))];
    let likes = setup.create_relationship(likes, people[0], people[1], properties).unwrap();
    setup.commit().unwrap();
    Graph { store, people, likes }
}

fn node_scores(rows: &[Vec<Value>]) -> Vec<(NodeId, f64)> {
    rows.iter()
        .map(|row| match (&row[0], &row[1]) {
            (Value::Node(id), Value::Float(score)) => (*id, *score),
            other => panic!("{other:?} is no node with a score"),
        })
        .collect()
}

#[test]
fn full_text_by_name() {
    let graph = graph();
    let context = context(begin(&graph.store));
    let query = |text: &str| {
        node_scores(
            &call(&context, "db.index.fulltext.queryNodes", &[Value::text("notes"), Value::text(text)]).unwrap(),
        )
    };
    let found = query("sailing");
    assert_eq!(found.iter().map(|hit| hit.0).collect::<Vec<_>>(), vec![graph.people[1], graph.people[0]]);
    assert!(found[0].1 > found[1].1 && found[1].1 > 0.0);
    assert_eq!(query("sailing AND likes").len(), 1, "Lucene's syntax");
    assert_eq!(query("note:boats").len(), 1, "fields by property");

    let options = |text: &str| crate::types::entity::from_json(&crate::types::parse_json(text).unwrap());
    let with = |options: Value| {
        call(&context, "db.index.fulltext.queryNodes", &[Value::text("notes"), Value::text("sailing"), options])
    };
    assert_eq!(node_scores(&with(options(r#"{"skip": 1}"#)).unwrap()), found[1..]);
    assert_eq!(node_scores(&with(options(r#"{"limit": 1}"#)).unwrap()), found[..1]);
    assert_eq!(with(options(r#"{"limit": -1}"#)).unwrap_err().sqlstate(), "22023");
    assert_eq!(with(options(r#"{"boost": 1}"#)).unwrap_err().sqlstate(), "22023");
    assert_eq!(with(options(r#"{"analyzer": "x"}"#)).unwrap_err().sqlstate(), "0A000");

    let args = [Value::text("like_notes"), Value::text("regatta")];
    let rows = call(&context, "db.index.fulltext.queryRelationships", &args).unwrap();
    assert_eq!(rows.len(), 1);
    let Value::Relationship(found) = &rows[0][0] else { panic!("{rows:?}") };
    assert_eq!((found.id, found.source, found.target), (graph.likes, graph.people[0], graph.people[1]));
}

#[test]
fn vectors_by_name_have_scores_of_neo4j() {
    let graph = graph();
    let context = context(begin(&graph.store));
    let query = |index: &str, k: i64, vector: Value| {
        call(&context, "db.index.vector.queryNodes", &[Value::text(index), Value::Int(k), vector])
    };
    let list = || Value::list(vec![Value::Int(1), Value::Float(0.0)]);
    let expect = |index: &str, scores: [f64; 3]| {
        let found = node_scores(&query(index, 10, list()).unwrap());
        assert_eq!(found.iter().map(|hit| hit.0).collect::<Vec<_>>(), graph.people, "{index}");
        for (hit, score) in found.iter().zip(scores) {
            assert!((hit.1 - score).abs() < 1e-6, "{index}: {} instead of {score}", hit.1);
        }
    };
    expect("positions", [1.0, 0.5, 0.0]);
    expect("distances", [1.0, 1.0 / 3.0, 0.2]);
    expect("products", [2.0, 1.0, 0.5]);
    assert_eq!(query("positions", 2, Value::Vector(vec![1.0, 0.0].into())).unwrap().len(), 2);
    assert_eq!(query("positions", 1, Value::text("[1, 0]")).unwrap().len(), 1, "pgvector's text form");
    let json = Value::json(crate::types::parse_json("[1, 0.0]").unwrap());
    assert_eq!(query("positions", 3, json).unwrap().len(), 3);
    let meaning = node_scores(&query("note_meanings", 1, Value::text("hates boats")).unwrap());
    assert_eq!(meaning[0].0, graph.people[2], "a text is embedded where the index embeds");

    assert_eq!(query("positions", 0, list()).unwrap_err().sqlstate(), "22023");
    assert_eq!(query("positions", 1, Value::Bool(true)).unwrap_err().sqlstate(), "22023");
    assert_eq!(query("positions", 1, Value::list(vec![Value::text("x")])).unwrap_err().sqlstate(), "22023");
    assert_eq!(query("positions", 1, Value::Vector(vec![1.0].into())).unwrap_err().sqlstate(), "22000");

    let args = [Value::text("like_positions"), Value::Int(5), list()];
    let rows = call(&context, "db.index.vector.queryRelationships", &args).unwrap();
    assert!(matches!(&rows[0][0], Value::Relationship(found) if found.id == graph.likes));
}

#[test]
fn the_wrong_index_is_named() {
    let graph = graph();
    let context = context(begin(&graph.store));
    let error = |procedure: &str, index: &str| {
        let args = if procedure.contains("fulltext") {
            vec![Value::text(index), Value::text("x")]
        } else {
            vec![Value::text(index), Value::Int(1), Value::list(vec![Value::Int(1), Value::Int(0)])]
        };
        call(&context, procedure, &args).unwrap_err()
    };
    let unknown = error("db.index.fulltext.queryNodes", "note");
    assert_eq!(unknown.sqlstate(), "42704");
    assert_eq!(unknown.0.hint.as_deref(), Some("did you mean \"notes\"?"));
    assert_eq!(error("db.index.vector.queryNodes", "nothing_like_it").0.hint, None);
    assert_eq!(error("db.index.vector.queryNodes", "notes").sqlstate(), "22023");
    assert_eq!(error("db.index.fulltext.queryNodes", "positions").sqlstate(), "22023");
    assert_eq!(error("db.index.fulltext.queryNodes", "like_notes").sqlstate(), "22023");
    let ordered = error("db.index.fulltext.queryNodes", "by_note");
    assert_eq!(
        ordered.to_string(),
        "index \"by_note\" is an ordered index over nodes, not a full-text index over nodes"
    );
    assert_eq!(
        call(&context, "db.index.fulltext.queryNodes", &[Value::Null, Value::text("x")]).unwrap_err().sqlstate(),
        "22023"
    );
}

#[test]
fn names_in_use() {
    let graph = graph();
    let context = context(graph.store.begin(Isolation::ReadCommitted));
    let names = |procedure: &str| {
        let rows = call(&context, procedure, &[]).unwrap();
        rows.iter().map(|row| row[0].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(names("db.labels"), ["Person"]);
    assert_eq!(names("db.relationshipTypes"), ["LIKES"]);
    assert_eq!(names("db.propertyKeys"), ["note", "position"]);
}

#[test]
fn what_is_not_looked_at_is_not_called_mandatory() {
    let store = store();
    let setup = begin(&store);
    let (label, name) = (setup.ensure_label("Large").unwrap(), setup.ensure_property_key("name").unwrap());
    let ty = setup.ensure_relationship_type("NEXT").unwrap();
    let mut before = None;
    for number in 0..=schema::SAMPLE {
        let node = setup.create_node(&[label], vec![(name, Value::Int(number as i64))]).unwrap();
        if let Some(before) = before.replace(node) {
            setup.create_relationship(ty, before, node, Vec::new()).unwrap();
        }
    }
    setup.commit().unwrap();
    let context = context(begin(&store));
    let cells = |procedure: &str| call(&context, procedure, &[]).unwrap();
    let nodes = cells("db.schema.nodeTypeProperties");
    let label = Value::list(vec![Value::text("Large")]);
    let types = Value::list(vec![Value::text("Long")]);
    assert_eq!(nodes, [vec![Value::text(":`Large`"), label, Value::text("name"), types, Value::Bool(false)]]);
    let relationships = cells("db.schema.relTypeProperties");
    // One fewer than nodes: all were looked at.
    assert_eq!(relationships, [vec![Value::text(":`NEXT`"), Value::Null, Value::Null, Value::Bool(false)]]);
    let seen = cells("db.schema.visualization");
    let [Value::List(nodes), Value::List(relationships)] = &seen[0][..] else { panic!("{seen:?}") };
    assert_eq!((nodes.len(), relationships.len()), (1, 1));
}
