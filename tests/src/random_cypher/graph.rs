//! A small random graph: as statements that make it, and as a model that the reference matches patterns in.

use std::collections::BTreeMap;

use crate::crash::random::Random;

pub const LABELS: [&str; 4] = ["A", "B", "C", "Rare"];
pub const TYPES: [&str; 3] = ["R", "S", "T"];
const NODE_COUNT: i64 = 12;
const RELATIONSHIP_COUNT: i64 = 18;

/// A property of every kind that entities may have; each may be missing. `m` holds values of several kinds.
pub const PROPERTIES: [(&str, Kind); 7] = [
    ("i", Kind::Int),
    ("f", Kind::Float),
    ("s", Kind::Text),
    ("b", Kind::Bool),
    ("d", Kind::Date),
    ("l", Kind::List),
    ("m", Kind::Mixed),
];

/// Kinds of values. Floats are never whole, so that no float equals an integer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Int,
    Float,
    Text,
    Bool,
    Date,
    /// Of integers.
    List,
    Mixed,
}

impl Kind {
    pub fn random(random: &mut Random) -> Kind {
        const ALL: [Kind; 9] =
            [Kind::Int, Kind::Int, Kind::Int, Kind::Text, Kind::Text, Kind::Bool, Kind::Float, Kind::Date, Kind::List];
        random.pick(&ALL).copied().unwrap_or(Kind::Int)
    }
}

/// A value as Cypher writes it.
pub fn value(random: &mut Random, kind: Kind) -> String {
    const WORDS: [&str; 8] = ["''", "'a'", "'b'", "'ab'", "'A'", "'ünï'", "'x y'", "'42'"];
    match kind {
        Kind::Int => random.between(-2, 6).to_string(),
        Kind::Float => format!("{}.5", random.between(-2, 6)),
        Kind::Text => (*random.pick(&WORDS).unwrap_or(&"'a'")).to_owned(),
        Kind::Bool => random.percent(50).to_string(),
        Kind::Date => format!("date('2024-0{}-1{}')", random.between(1, 3), random.between(0, 3)),
        Kind::List => {
            let items: Vec<String> = (0..random.below(4)).map(|_| random.between(-2, 6).to_string()).collect();
            format!("[{}]", items.join(", "))
        }
        Kind::Mixed => {
            let kinds = [Kind::Int, Kind::Float, Kind::Text, Kind::Bool, Kind::Date, Kind::List];
            let kind = random.pick(&kinds).copied().unwrap_or(Kind::Int);
            value(random, kind)
        }
    }
}

#[derive(Clone, Debug)]
pub struct Node {
    pub labels: Vec<&'static str>,
    /// As Cypher writes the values; `uid` is not among them.
    pub properties: BTreeMap<&'static str, String>,
}

#[derive(Clone, Debug)]
pub struct Relationship {
    pub ty: &'static str,
    /// Indexes of nodes.
    pub source: usize,
    pub target: usize,
    pub properties: BTreeMap<&'static str, String>,
}

/// Nodes and relationships by their `uid`: its index, of a relationship after 100.
#[derive(Clone, Debug)]
pub struct Graph {
    pub nodes: Vec<Node>,
    pub relationships: Vec<Relationship>,
}

/// What is added to the index of a relationship.
pub const FIRST_RELATIONSHIP_UID: usize = 100;

fn properties(random: &mut Random) -> BTreeMap<&'static str, String> {
    let mut out = BTreeMap::new();
    for (key, kind) in PROPERTIES {
        if random.percent(60) {
            out.insert(key, value(random, kind));
        }
    }
    out
}

fn map(uid: usize, properties: &BTreeMap<&'static str, String>) -> String {
    let entries: Vec<String> = properties.iter().map(|(key, value)| format!(", {key}: {value}")).collect();
    format!("{{uid: {uid}{}}}", entries.concat())
}

impl Graph {
    pub fn random(random: &mut Random) -> Graph {
        let node_count = random.between(3, NODE_COUNT) as usize;
        let nodes = (0..node_count)
            .map(|_| {
                let labels = LABELS.into_iter().filter(|label| random.percent(if *label == "Rare" { 10 } else { 45 }));
                let labels = labels.collect();
                Node { labels, properties: properties(random) }
            })
            .collect();
        // Loops and parallel relationships come by themselves in a graph of few nodes.
        let relationships = (0..random.between(0, RELATIONSHIP_COUNT))
            .map(|_| Relationship {
                ty: random.pick(&TYPES).unwrap_or(&"R"),
                source: random.below(node_count as u64) as usize,
                target: random.below(node_count as u64) as usize,
                properties: properties(random),
            })
            .collect();
        Graph { nodes, relationships }
    }

    /// What makes the graph anew.
    pub fn statements(&self) -> Vec<String> {
        let mut out = vec!["MATCH (n) DETACH DELETE n".to_owned()];
        for (uid, node) in self.nodes.iter().enumerate() {
            let labels: String = node.labels.iter().map(|label| format!(":{label}")).collect();
            out.push(format!("CREATE (n{labels} {})", map(uid, &node.properties)));
        }
        for (index, relationship) in self.relationships.iter().enumerate() {
            let Relationship { ty, source, target, properties } = relationship;
            let map = map(FIRST_RELATIONSHIP_UID + index, properties);
            out.push(format!("MATCH (a {{uid: {source}}}), (b {{uid: {target}}}) CREATE (a)-[:{ty} {map}]->(b)"));
        }
        out
    }
}
