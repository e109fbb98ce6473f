//! Rules over properties: that they exist, that they are of a type.
//!
//! A statement may make a node in steps (`CREATE (n:P) SET n.id = 1`), so rules hold at its end. A write that leaves a
//! node or relationship against a rule only notes it; [`Transaction::finish_statement`] looks at those that were noted
//! as they are then. Whoever was written within the rules is not noted, so a load that keeps them costs no memory.
//!
//! A constraint is made with the graph locked against writers, over data that satisfies it, and moves the version of the
//! graph's definitions: who began to write before it is refused at commit, as with indexes.

use std::collections::BTreeSet;

use parking_lot::Mutex;
use rustc_hash::FxHashMap;

use crate::catalog::graph_constraint::type_of;
use crate::catalog::{Carrier, Catalog, ConstraintKind, IndexTarget, PropertyRule};
use crate::error::{Result, StorageError};
use crate::ids::{LabelId, NodeId, PropertyKeyId, RelationshipId, RelationshipTypeId};
use crate::store::Transaction;
use crate::value::Value;
use crate::value_text::value_text;

/// Characters of a value that a message shows.
const SHOWN_CHARACTERS: usize = 60;
/// Nodes or relationships handled between two looks at the cancel token.
const CANCEL_INTERVAL: usize = 1_024;

/// What a constraint asks of one property.
#[derive(Clone, Debug)]
pub(crate) struct Requirement {
    /// The constraint's name.
    pub constraint: String,
    pub carrier: Carrier,
    pub property: PropertyKeyId,
    pub rule: PropertyRule,
}

/// Requirements of one catalog, by what they are about.
#[derive(Default)]
pub(crate) struct PropertyRules {
    by_label: FxHashMap<LabelId, Vec<Requirement>>,
    by_type: FxHashMap<RelationshipTypeId, Vec<Requirement>>,
}

/// A node or relationship that is against a rule, as far as has been seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Suspect {
    Node(NodeId),
    Relationship(RelationshipId),
}

/// Suspects of the running statement.
#[derive(Default)]
pub(crate) struct Suspects(Mutex<BTreeSet<Suspect>>);

impl Suspects {
    pub fn clear(&self) {
        self.0.lock().clear();
    }
}

impl PropertyRules {
    pub fn new(catalog: &Catalog) -> PropertyRules {
        let mut rules = PropertyRules::default();
        for def in catalog.graph_constraints.values() {
            rules.add(Requirement {
                constraint: def.name.clone(),
                carrier: def.carrier,
                property: def.property,
                rule: def.rule.clone(),
            });
        }
        for index in catalog.indexes.values().filter(|index| index.constraint == Some(ConstraintKind::PrimaryKey)) {
            key_requirements(&index.name, &index.target).into_iter().for_each(|requirement| rules.add(requirement));
        }
        rules
    }

    fn add(&mut self, requirement: Requirement) {
        let list = match requirement.carrier {
            Carrier::Label(label) => self.by_label.entry(label).or_default(),
            Carrier::RelationshipType(ty) => self.by_type.entry(ty).or_default(),
        };
        list.push(requirement);
    }

    /// The first requirement that a node does not meet. Labels and properties are sorted by token.
    pub fn violated_by_node(
        &self,
        labels: &[LabelId],
        properties: &[(PropertyKeyId, Value)],
    ) -> Option<(&Requirement, Value)> {
        if self.by_label.is_empty() {
            return None;
        }
        first_violation(labels.iter().filter_map(|label| self.by_label.get(label)).flatten(), properties)
    }

    /// As [`Self::violated_by_node`].
    pub fn violated_by_relationship(
        &self,
        ty: RelationshipTypeId,
        properties: &[(PropertyKeyId, Value)],
    ) -> Option<(&Requirement, Value)> {
        first_violation(self.by_type.get(&ty).into_iter().flatten(), properties)
    }
}

/// What a key asks beside uniqueness.
pub(crate) fn key_requirements(name: &str, target: &IndexTarget) -> Vec<Requirement> {
    let (carriers, properties): (Vec<Carrier>, _) = match target {
        IndexTarget::Nodes { labels, properties } => (labels.iter().copied().map(Carrier::Label).collect(), properties),
        IndexTarget::Relationships { types, properties } => {
            (types.iter().copied().map(Carrier::RelationshipType).collect(), properties)
        }
        IndexTarget::Table { .. } => return Vec::new(),
    };
    let requirement = |carrier: Carrier, property: PropertyKeyId| Requirement {
        constraint: name.to_owned(),
        carrier,
        property,
        rule: PropertyRule::Exists,
    };
    carriers
        .into_iter()
        .flat_map(|carrier| properties.iter().map(move |property| requirement(carrier, *property)))
        .collect()
}

fn first_violation<'r>(
    requirements: impl Iterator<Item = &'r Requirement>,
    properties: &[(PropertyKeyId, Value)],
) -> Option<(&'r Requirement, Value)> {
    for requirement in requirements {
        let found = properties.binary_search_by_key(&requirement.property, |(key, _)| *key);
        let value = found.map_or(&Value::Null, |at| &properties[at].1);
        if !requirement.rule.is_satisfied_by(value) {
            return Some((requirement, value.clone()));
        }
    }
    None
}

impl Transaction {
    /// A node was written like this.
    pub(super) fn note_node_rules(
        &self,
        rules: &PropertyRules,
        id: NodeId,
        labels: &[LabelId],
        properties: &[(PropertyKeyId, Value)],
    ) {
        if rules.violated_by_node(labels, properties).is_some() {
            self.suspects().0.lock().insert(Suspect::Node(id));
        }
    }

    /// A relationship was written like this.
    pub(super) fn note_relationship_rules(
        &self,
        rules: &PropertyRules,
        id: RelationshipId,
        ty: RelationshipTypeId,
        properties: &[(PropertyKeyId, Value)],
    ) {
        if rules.violated_by_relationship(ty, properties).is_some() {
            self.suspects().0.lock().insert(Suspect::Relationship(id));
        }
    }

    /// Whether what the statement has written so far satisfies the constraints of properties. Errors with
    /// `PropertyViolation`. [`Self::finish_statement`] asks by itself.
    pub fn check_graph_constraints(&self) -> Result<()> {
        let suspects = std::mem::take(&mut *self.suspects().0.lock());
        if suspects.is_empty() {
            return Ok(());
        }
        let definitions = self.graph_definitions();
        let cancel = self.cancel_token();
        for (count, suspect) in suspects.into_iter().enumerate() {
            if count.is_multiple_of(CANCEL_INTERVAL) {
                cancel.check()?;
            }
            match suspect {
                Suspect::Node(id) => {
                    if let Some(node) = self.node(id)?
                        && let Some((requirement, value)) =
                            definitions.rules.violated_by_node(&node.labels, &node.properties)
                    {
                        return Err(self.property_violation(requirement, id.0, &value));
                    }
                }
                Suspect::Relationship(id) => {
                    if let Some(relationship) = self.relationship(id)?
                        && let Some((requirement, value)) =
                            definitions.rules.violated_by_relationship(relationship.ty, &relationship.properties)
                    {
                        return Err(self.property_violation(requirement, id.0, &value));
                    }
                }
            }
        }
        Ok(())
    }

    /// Whether everything that exists meets the requirement. Errors with `PropertyViolation`.
    pub(crate) fn check_present(&self, requirement: &Requirement) -> Result<()> {
        let cancel = self.cancel_token();
        let poll = |count: usize| if count.is_multiple_of(CANCEL_INTERVAL) { cancel.check() } else { Ok(()) };
        let check = |id: u64, value: Option<Value>| match value {
            Some(value) if !requirement.rule.is_satisfied_by(&value) => {
                Err(self.property_violation(requirement, id, &value))
            }
            _ => Ok(()),
        };
        match requirement.carrier {
            Carrier::Label(label) => {
                for (count, id) in self.scan_nodes(Some(label))?.enumerate() {
                    poll(count)?;
                    let id = id?;
                    check(id, self.node_property(NodeId(id), requirement.property)?)?;
                }
            }
            Carrier::RelationshipType(ty) => {
                for (count, id) in self.scan_relationships(Some(ty))?.enumerate() {
                    poll(count)?;
                    let id = id?;
                    check(id, self.relationship_property(RelationshipId(id), requirement.property)?)?;
                }
            }
        }
        Ok(())
    }

    fn property_violation(&self, requirement: &Requirement, id: u64, value: &Value) -> StorageError {
        let Requirement { constraint, carrier, property, rule } = requirement;
        let carrier = match carrier {
            Carrier::Label(label) => format!("node {id} with label \"{}\"", self.label_name(*label)),
            Carrier::RelationshipType(ty) => {
                format!("relationship {id} of type \"{}\"", self.relationship_type_name(*ty))
            }
        };
        let property = self.property_key_name(*property).to_string();
        let message = match rule {
            PropertyRule::Exists => {
                format!("{carrier} has no property \"{property}\", which constraint \"{constraint}\" requires")
            }
            PropertyRule::Type(types) => format!(
                "{carrier} has property \"{property}\" of type {} ({}), constraint \"{constraint}\" requires {types}",
                type_of(value),
                shown(value)
            ),
        };
        let is_missing = matches!(rule, PropertyRule::Exists);
        StorageError::PropertyViolation { is_missing, constraint: constraint.clone(), property, message }
    }
}

/// A property's value in a message.
pub(super) fn shown(value: &Value) -> String {
    let text = match value {
        Value::Text(text) => format!("'{text}'"),
        Value::Bool(truth) => truth.to_string(),
        Value::List(items) => {
            let items: Vec<String> = items.iter().take(SHOWN_CHARACTERS).map(shown).collect();
            format!("[{}]", items.join(", "))
        }
        other => value_text(other),
    };
    match text.char_indices().nth(SHOWN_CHARACTERS) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}
