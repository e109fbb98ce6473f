//! Ordered indexes over properties: entries follow nodes and relationships as they are written.

use std::sync::Arc;

use rustc_hash::FxHashMap;

use super::constraints::{PropertyRules, shown};
use crate::catalog::{Catalog, IndexDef, IndexTarget};
use crate::error::{Result, StorageError};
use crate::ids::{LabelId, NodeId, PropertyKeyId, RelationshipId, RelationshipTypeId};
use crate::index::{index_key, is_ordered, node_index_values, relationship_index_values};
use crate::store::Transaction;
use crate::table::IndexRange;
use crate::value::Value;

/// What one catalog defines over properties of the graph: ordered indexes, by what they watch, and rules.
#[derive(Default)]
pub(crate) struct GraphDefinitions {
    pub rules: PropertyRules,
    by_label: FxHashMap<LabelId, Vec<Arc<IndexDef>>>,
    by_type: FxHashMap<RelationshipTypeId, Vec<Arc<IndexDef>>>,
}

impl GraphDefinitions {
    fn new(catalog: &Catalog) -> GraphDefinitions {
        let mut indexes = GraphDefinitions { rules: PropertyRules::new(catalog), ..GraphDefinitions::default() };
        for index in catalog.indexes.values().filter(|index| is_ordered(index)) {
            match &index.target {
                IndexTarget::Nodes { labels, .. } => {
                    labels.iter().for_each(|l| indexes.by_label.entry(*l).or_default().push(Arc::clone(index)));
                }
                IndexTarget::Relationships { types, .. } => {
                    types.iter().for_each(|ty| indexes.by_type.entry(*ty).or_default().push(Arc::clone(index)));
                }
                IndexTarget::Table { .. } => {}
            }
        }
        indexes
    }

    /// Indexes that watch any of the labels, each once.
    fn of_labels(&self, before: &[LabelId], after: &[LabelId]) -> Vec<&Arc<IndexDef>> {
        if self.by_label.is_empty() {
            return Vec::new();
        }
        let mut found: Vec<_> = before.iter().chain(after).filter_map(|l| self.by_label.get(l)).flatten().collect();
        found.sort_by_key(|index| index.id);
        found.dedup_by_key(|index| index.id);
        found
    }
}

/// A unique index before others, then the oldest.
fn first_choice<'i>(indexes: impl Iterator<Item = &'i Arc<IndexDef>>) -> Option<Arc<IndexDef>> {
    indexes.max_by_key(|index| (index.constraint.is_some(), std::cmp::Reverse(index.id))).cloned()
}

/// What a node or relationship carries before or after a write: tokens and properties, both sorted.
pub(super) type NodeSide<'a> = Option<(&'a [LabelId], &'a [(PropertyKeyId, Value)])>;

impl Transaction {
    pub(super) fn graph_definitions(&self) -> Arc<GraphDefinitions> {
        let catalog = self.catalog();
        let mut cached = self.cache().graph_definitions.lock();
        match &*cached {
            Some((known, indexes)) if Arc::ptr_eq(known, &catalog) => Arc::clone(indexes),
            _ => {
                let indexes = Arc::new(GraphDefinitions::new(&catalog));
                *cached = Some((catalog, Arc::clone(&indexes)));
                indexes
            }
        }
    }

    /// The ordered index over (label, property), when there is one; a unique one before others.
    pub fn node_property_index(&self, label: LabelId, key: PropertyKeyId) -> Option<Arc<IndexDef>> {
        let indexes = self.graph_definitions();
        let covers = |index: &&Arc<IndexDef>| match &index.target {
            IndexTarget::Nodes { labels, properties } => labels[..] == [label] && properties[..] == [key],
            _ => false,
        };
        first_choice(indexes.by_label.get(&label)?.iter().filter(covers))
    }

    /// As [`Self::node_property_index`], of relationships of a type.
    pub fn relationship_property_index(&self, ty: RelationshipTypeId, key: PropertyKeyId) -> Option<Arc<IndexDef>> {
        let indexes = self.graph_definitions();
        let covers = |index: &&Arc<IndexDef>| match &index.target {
            IndexTarget::Relationships { types, properties } => types[..] == [ty] && properties[..] == [key],
            _ => false,
        };
        first_choice(indexes.by_type.get(&ty)?.iter().filter(covers))
    }

    /// Moves the entries of a node and notes it when it is against a rule. `DuplicateKey` when a unique index already holds the new key for another node.
    pub(super) fn move_node_entries(&self, id: u64, before: NodeSide<'_>, after: NodeSide<'_>) -> Result<()> {
        let indexes = self.graph_definitions();
        let labels = |side: NodeSide<'_>| side.map_or(Vec::new(), |(labels, _)| labels.to_vec());
        for index in indexes.of_labels(&labels(before), &labels(after)) {
            let values = |side: NodeSide<'_>| side.and_then(|(labels, props)| node_index_values(index, labels, props));
            self.move_entry(index, id, values(before), values(after))?;
        }
        if let Some((labels, properties)) = after {
            self.note_node_rules(&indexes.rules, NodeId(id), labels, properties);
        }
        Ok(())
    }

    /// As [`Self::move_node_entries`], of a relationship; each side is its properties, when it exists.
    pub(super) fn move_relationship_entries(
        &self,
        id: u64,
        ty: RelationshipTypeId,
        before: Option<&[(PropertyKeyId, Value)]>,
        after: Option<&[(PropertyKeyId, Value)]>,
    ) -> Result<()> {
        let indexes = self.graph_definitions();
        for index in indexes.by_type.get(&ty).into_iter().flatten() {
            let values = |side: Option<&[_]>| side.and_then(|props| relationship_index_values(index, ty, props));
            self.move_entry(index, id, values(before), values(after))?;
        }
        if let Some(properties) = after {
            self.note_relationship_rules(&indexes.rules, RelationshipId(id), ty, properties);
        }
        Ok(())
    }

    fn move_entry(
        &self,
        index: &IndexDef,
        id: u64,
        before: Option<Vec<Value>>,
        after: Option<Vec<Value>>,
    ) -> Result<()> {
        let key = |values: &Option<Vec<Value>>| values.as_ref().map(|values| index_key(index, values)).transpose();
        let (old_key, new_key) = (key(&before)?, key(&after)?);
        if old_key == new_key {
            return Ok(());
        }
        if let (Some(key), Some(values)) = (new_key, &after) {
            self.put_index_key(index, key, values, id).map_err(|error| match error {
                StorageError::DuplicateKey { .. } => self.duplicate_property(index, values, id, false),
                other => other,
            })?;
        }
        if let Some(key) = old_key {
            self.delete_index_key(index, key, id)?;
        }
        Ok(())
    }

    /// As Neo4j words it. `both_exist`: the index is being built, else the one with this id is being written.
    pub(crate) fn duplicate_property(
        &self,
        index: &IndexDef,
        values: &[Value],
        id: u64,
        both_exist: bool,
    ) -> StorageError {
        let holder = self
            .index_scan_unlocked(index, &IndexRange::equal(values.to_vec()), false)
            .ok()
            .and_then(|mut ids| ids.find_map(|found| found.ok().filter(|found| *found != id)));
        let holder = holder.map_or_else(|| "?".to_owned(), |holder| holder.to_string());
        let (what, carrier, keys) = match &index.target {
            IndexTarget::Relationships { types, properties } => {
                let ty = types.first().map(|ty| self.relationship_type_name(*ty)).unwrap_or_else(|| "".into());
                ("Relationship", format!("type `{ty}`"), properties)
            }
            IndexTarget::Nodes { labels, properties } => {
                let label = labels.first().map(|label| self.label_name(*label)).unwrap_or_else(|| "".into());
                ("Node", format!("label `{label}`"), properties)
            }
            IndexTarget::Table { .. } => {
                return StorageError::Internal(format!("index \"{}\" is not over the graph", index.name));
            }
        };
        let parts: Vec<String> = keys
            .iter()
            .zip(values)
            .map(|(key, value)| format!("`{}` = {}", self.property_key_name(*key), shown(value)))
            .collect();
        let parts = parts.join(", ");
        let properties = if keys.len() == 1 { "property" } else { "properties" };
        StorageError::DuplicateKey {
            schema: None,
            table: String::new(),
            constraint: index.name.clone(),
            detail: if both_exist {
                format!("both {what}({holder}) and {what}({id}) have the {carrier} and {properties} {parts}")
            } else {
                format!("{what}({holder}) already exists with {carrier} and {properties} {parts}")
            },
        }
    }
}
