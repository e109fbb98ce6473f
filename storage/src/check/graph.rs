//! The graph's rows against each other: nodes, label membership, relationships, adjacency, observed types, and the
//! ordered indexes over properties. The image is compared on the way (see `image.rs`).

use std::ops::Bound::Unbounded;

use rustc_hash::FxHashMap;

use super::entries::{EntryCheck, shown};
use super::image::ImageCheck;
use super::{Findings, ObjectId, View};
use crate::catalog::IndexTarget;
use crate::error::Result;
use crate::graph::constraints::PropertyRules;
use crate::graph::tokens::TokenKind;
use crate::graph::{NodeRecord, PropertyOwner, keys, observed, records};
use crate::ids::{NodeId, PropertyKeyId, RelationshipId, RelationshipTypeId};
use crate::index::{is_ordered, node_index_values, relationship_index_values};
use crate::store::{COUNTER_END, Keyspace};
use crate::value::Value;

pub(super) fn check(view: &View<'_>, findings: &mut Findings<'_>) -> Result<()> {
    let mut image = ImageCheck::new(view, findings);
    let properties = PropertyCheck::new(view, findings)?;
    check_nodes(view, findings, &mut image, &properties)?;
    check_relationships(view, findings, &mut image, &properties)?;
    image.finish(view, findings)
}

fn check_nodes(
    view: &View<'_>,
    findings: &mut Findings<'_>,
    image: &mut ImageCheck<'_>,
    properties: &PropertyCheck,
) -> Result<()> {
    let nodes = findings.object("nodes");
    let labels = findings.object("label membership");
    let label_count = view.derived.shared.tokens.all(TokenKind::Label).len();
    let rules = PropertyRules::new(view.catalog);
    let mut indexes = Vec::new();
    for index in view.catalog.indexes.values().filter(|index| is_ordered(index)) {
        if matches!(index.target, IndexTarget::Nodes { .. }) {
            indexes.push(EntryCheck::new(index, "node", findings));
        }
    }
    let mut membership_count = 0;
    for pair in view.rows.range(Keyspace::NODES, Unbounded, Unbounded, false)? {
        let (key, row) = pair?;
        findings.step()?;
        findings.count(nodes);
        let id = keys::decode_id(&key);
        let Some(id) = findings.readable(nodes, || "a node".to_owned(), id)? else { continue };
        if id >= COUNTER_END {
            findings.problem(nodes, format!("node {id} has an id that no bigint can hold"));
        }
        image.expect_node(findings, id);
        let record = records::decode_node(NodeId(id), &row);
        let Some(record) = findings.readable(nodes, || format!("node {id}"), record)? else { continue };
        for label in &record.labels {
            findings.count(labels);
            if label.0 as usize >= label_count {
                findings.problem(nodes, format!("node {id} has label {label}, which has no name"));
            }
            if view.rows.get(Keyspace::LABEL_NODES, &keys::label_node_key(*label, NodeId(id)))?.is_some() {
                membership_count += 1;
            } else {
                findings.problem(labels, format!("node {id} has label {label}, but no row of it"));
            }
            image.expect_label(findings, label.0, id);
            properties.expect(findings, nodes, PropertyOwner::Label(*label), "node", id, &record.properties);
        }
        if let Some((requirement, _)) = rules.violated_by_node(&record.labels, &record.properties) {
            findings.problem(nodes, format!("node {id} violates constraint \"{}\"", requirement.constraint));
        }
        if record.labels.is_empty() {
            properties.expect(findings, nodes, PropertyOwner::Unlabeled, "node", id, &record.properties);
        }
        for index in &mut indexes {
            if let Some(values) = node_index_values(index.index, &record.labels, &record.properties) {
                index.expect(view, findings, id, &values)?;
            }
        }
    }
    let record_of = |id: u64| -> Result<Option<NodeRecord>> {
        let row = view.rows.get(Keyspace::NODES, &keys::node_key(NodeId(id)))?;
        row.map(|row| records::decode_node(NodeId(id), &row)).transpose()
    };
    if view.rows.exact_key_count(Keyspace::LABEL_NODES)? != membership_count {
        for pair in view.rows.range(Keyspace::LABEL_NODES, Unbounded, Unbounded, false)? {
            let (key, _) = pair?;
            let place = || format!("row {}", shown(&key));
            let Some((label, id)) = findings.readable(labels, place, keys::decode_label_node(&key))? else { continue };
            // A node that cannot be read has been reported.
            let Ok(record) = record_of(id) else { continue };
            if !record.is_some_and(|record| record.labels.iter().any(|own| own.0 == label)) {
                findings.problem(labels, format!("there is a row of label {label} for node {id}, which has it not"));
            }
        }
    }
    for index in indexes {
        let def = index.index;
        index.finish(view, findings, &|id| {
            let record = record_of(id)?;
            Ok(record.and_then(|record| node_index_values(def, &record.labels, &record.properties)))
        })?;
    }
    Ok(())
}

fn check_relationships(
    view: &View<'_>,
    findings: &mut Findings<'_>,
    image: &mut ImageCheck<'_>,
    properties: &PropertyCheck,
) -> Result<()> {
    let relationships = findings.object("relationships");
    let type_count = view.derived.shared.tokens.all(TokenKind::RelationshipType).len();
    let rules = PropertyRules::new(view.catalog);
    // Outgoing and incoming rows, and how many of them were found.
    let mut adjacency = [
        (findings.object("outgoing adjacency"), Keyspace::ADJACENCY_OUT, 0),
        (findings.object("incoming adjacency"), Keyspace::ADJACENCY_IN, 0),
    ];
    let mut indexes = Vec::new();
    for index in view.catalog.indexes.values().filter(|index| is_ordered(index)) {
        if matches!(index.target, IndexTarget::Relationships { .. }) {
            indexes.push(EntryCheck::new(index, "relationship", findings));
        }
    }
    for pair in view.rows.range(Keyspace::RELATIONSHIPS, Unbounded, Unbounded, false)? {
        let (key, row) = pair?;
        findings.step()?;
        findings.count(relationships);
        let id = keys::decode_id(&key);
        let Some(id) = findings.readable(relationships, || "a relationship".to_owned(), id)? else { continue };
        if id >= COUNTER_END {
            findings.problem(relationships, format!("relationship {id} has an id that no bigint can hold"));
        }
        let record = records::decode_relationship(RelationshipId(id), &row);
        let Some(record) = findings.readable(relationships, || format!("relationship {id}"), record)? else {
            continue;
        };
        let (ty, source, target) = (record.ty, record.source, record.target);
        if ty.0 as usize >= type_count {
            findings.problem(relationships, format!("relationship {id} has type {ty}, which has no name"));
        }
        if let Some((requirement, _)) = rules.violated_by_relationship(ty, &record.properties) {
            let problem = format!("relationship {id} violates constraint \"{}\"", requirement.constraint);
            findings.problem(relationships, problem);
        }
        for (end, node) in [("source", source), ("target", target)] {
            if view.rows.get(Keyspace::NODES, &keys::node_key(node))?.is_none() {
                findings.problem(relationships, format!("the {end} of relationship {id}, node {node}, does not exist"));
            }
        }
        for ((object, keyspace, found_count), (from, to)) in
            adjacency.iter_mut().zip([(source, target), (target, source)])
        {
            findings.count(*object);
            let key = keys::adjacency_key(ty, from, to, RelationshipId(id));
            if view.rows.get(*keyspace, &key)?.is_some() {
                *found_count += 1;
            } else {
                findings.problem(*object, format!("relationship {id} has no row at node {from}"));
            }
        }
        image.expect_relationship(findings, ty.0, source.0, target.0, id);
        let owner = PropertyOwner::RelationshipType(ty);
        properties.expect(findings, relationships, owner, "relationship", id, &record.properties);
        for index in &mut indexes {
            if let Some(values) = relationship_index_values(index.index, ty, &record.properties) {
                index.expect(view, findings, id, &values)?;
            }
        }
    }
    for ((object, keyspace, found_count), incoming) in adjacency.into_iter().zip([false, true]) {
        if view.rows.exact_key_count(keyspace)? != found_count {
            check_stray_adjacency(view, findings, object, keyspace, incoming)?;
        }
    }
    for index in indexes {
        let def = index.index;
        index.finish(view, findings, &|id| {
            let Some(row) = view.rows.get(Keyspace::RELATIONSHIPS, &keys::relationship_key(RelationshipId(id)))? else {
                return Ok(None);
            };
            let record = records::decode_relationship(RelationshipId(id), &row)?;
            Ok(relationship_index_values(def, record.ty, &record.properties))
        })?;
    }
    Ok(())
}

/// Names adjacency rows that no relationship stands behind.
fn check_stray_adjacency(
    view: &View<'_>,
    findings: &mut Findings<'_>,
    object: ObjectId,
    keyspace: Keyspace,
    incoming: bool,
) -> Result<()> {
    for pair in view.rows.range(keyspace, Unbounded, Unbounded, false)? {
        let (key, _) = pair?;
        let place = || format!("row {}", shown(&key));
        let decoded = keys::decode_adjacency(&key);
        let Some((ty, from, to, id)) = findings.readable(object, place, decoded)? else { continue };
        let (source, target) = if incoming { (to, from) } else { (from, to) };
        if !is_relationship(view, ty, source, target, id)? {
            findings
                .problem(object, format!("there is a row at node {from} for relationship {id}, which is not there"));
        }
    }
    Ok(())
}

/// True when the relationship's row says type and ends.
pub(super) fn is_relationship(view: &View<'_>, ty: u32, source: u64, target: u64, id: u64) -> Result<bool> {
    let Some(row) = view.rows.get(Keyspace::RELATIONSHIPS, &keys::relationship_key(RelationshipId(id)))? else {
        return Ok(false);
    };
    let expected = (RelationshipTypeId(ty), NodeId(source), NodeId(target));
    // A row that cannot be read has been reported.
    Ok(records::decode_relationship_ends(&row).is_ok_and(|ends| ends == expected))
}

/// Property keys have names, and the observed types hold the kind of every value.
struct PropertyCheck {
    object: ObjectId,
    /// By row key.
    observed: FxHashMap<Box<[u8]>, u16>,
    key_count: usize,
}

impl PropertyCheck {
    fn new(view: &View<'_>, findings: &mut Findings<'_>) -> Result<PropertyCheck> {
        let object = findings.object("observed property types");
        let mut known = FxHashMap::default();
        for pair in view.rows.range(Keyspace::OBSERVED_TYPES, Unbounded, Unbounded, false)? {
            let (key, bits) = pair?;
            let bits = observed::decode(&bits);
            if let Some(bits) = findings.readable(object, || format!("row {}", shown(&key)), bits)? {
                known.insert(Box::from(&key[..]), bits);
            }
        }
        let key_count = view.derived.shared.tokens.all(TokenKind::PropertyKey).len();
        Ok(PropertyCheck { object, observed: known, key_count })
    }

    fn expect(
        &self,
        findings: &mut Findings<'_>,
        carrier: ObjectId,
        owner: PropertyOwner,
        what: &str,
        id: u64,
        properties: &[(PropertyKeyId, Value)],
    ) {
        for (key, value) in properties {
            findings.count(self.object);
            if key.0 as usize >= self.key_count {
                findings.problem(carrier, format!("{what} {id} has property key {key}, which has no name"));
            }
            let bits = self.observed.get(&keys::observed_key(owner, *key)[..]).copied().unwrap_or(0);
            if bits & observed::bit_of(value) == 0 && !value.is_null() {
                let problem = format!("the kind of {what} {id}'s property {key} is not among those of {owner:?}");
                findings.problem(self.object, problem);
            }
        }
    }
}
