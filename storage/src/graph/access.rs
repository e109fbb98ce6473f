//! Reading and writing the graph.

use std::ops::ControlFlow;
use std::sync::Arc;

use super::*;
use crate::catalog::IndexDef;
use crate::error::Result;
use crate::store::Transaction;
use crate::table::IdScan;

/// Tokens: names of labels, relationship types and property keys. Allocated by their own commit, never rolled back.
impl Transaction {
    pub fn label_id(&self, name: &str) -> Option<LabelId> {
        let _ = name;
        todo!("storage-graph")
    }
    pub fn relationship_type_id(&self, name: &str) -> Option<RelationshipTypeId> {
        let _ = name;
        todo!("storage-graph")
    }
    pub fn property_key_id(&self, name: &str) -> Option<PropertyKeyId> {
        let _ = name;
        todo!("storage-graph")
    }
    /// `LimitExceeded` above 4,096 labels.
    pub fn ensure_label(&self, name: &str) -> Result<LabelId> {
        let _ = name;
        todo!("storage-graph")
    }
    /// `LimitExceeded` above 4,096 types.
    pub fn ensure_relationship_type(&self, name: &str) -> Result<RelationshipTypeId> {
        let _ = name;
        todo!("storage-graph")
    }
    pub fn ensure_property_key(&self, name: &str) -> Result<PropertyKeyId> {
        let _ = name;
        todo!("storage-graph")
    }
    pub fn label_name(&self, id: LabelId) -> Arc<str> {
        let _ = id;
        todo!("storage-graph")
    }
    pub fn relationship_type_name(&self, id: RelationshipTypeId) -> Arc<str> {
        let _ = id;
        todo!("storage-graph")
    }
    pub fn property_key_name(&self, id: PropertyKeyId) -> Arc<str> {
        let _ = id;
        todo!("storage-graph")
    }
    pub fn label_names(&self) -> Vec<Arc<str>> {
        todo!("storage-graph")
    }
    pub fn relationship_type_names(&self) -> Vec<Arc<str>> {
        todo!("storage-graph")
    }
    pub fn property_key_names(&self) -> Vec<Arc<str>> {
        todo!("storage-graph")
    }
    /// Value kinds ever stored under a property by committed transactions or this one.
    pub fn observed_types(&self, owner: PropertyOwner, key: PropertyKeyId) -> ObservedTypes {
        let _ = (owner, key);
        todo!("storage-graph")
    }
}

/// Nodes and relationships.
impl Transaction {
    pub fn create_node(&self, labels: &[LabelId], properties: Vec<(PropertyKeyId, Value)>) -> Result<NodeId> {
        let _ = (labels, properties);
        todo!("storage-graph")
    }

    /// Creates a node with a given id (`INSERT INTO sinew.nodes`); `DuplicateKey` when it exists. Later ids are above it.
    pub fn create_node_with_id(
        &self,
        id: NodeId,
        labels: &[LabelId],
        properties: Vec<(PropertyKeyId, Value)>,
    ) -> Result<()> {
        let _ = (id, labels, properties);
        todo!("storage-graph")
    }

    /// `NodeNotFound` when an end does not exist.
    pub fn create_relationship(
        &self,
        ty: RelationshipTypeId,
        source: NodeId,
        target: NodeId,
        properties: Vec<(PropertyKeyId, Value)>,
    ) -> Result<RelationshipId> {
        let _ = (ty, source, target, properties);
        todo!("storage-graph")
    }

    /// None when it does not exist in this snapshot or was deleted by this transaction.
    pub fn node(&self, id: NodeId) -> Result<Option<Arc<NodeRecord>>> {
        let _ = id;
        todo!("storage-graph")
    }

    pub fn relationship(&self, id: RelationshipId) -> Result<Option<Arc<RelationshipRecord>>> {
        let _ = id;
        todo!("storage-graph")
    }

    /// One property without building the record; None when the node does not exist, NULL when it has no such property.
    pub fn node_property(&self, id: NodeId, key: PropertyKeyId) -> Result<Option<Value>> {
        let _ = (id, key);
        todo!("storage-graph")
    }

    pub fn relationship_property(&self, id: RelationshipId, key: PropertyKeyId) -> Result<Option<Value>> {
        let _ = (id, key);
        todo!("storage-graph")
    }

    /// From the label bitmap: no row is read.
    pub fn node_has_label(&self, id: NodeId, label: LabelId) -> Result<bool> {
        let _ = (id, label);
        todo!("storage-graph")
    }

    /// Replaces labels and properties of an existing node; ordered indexes follow. `NodeNotFound`, `DuplicateKey`.
    pub fn update_node(&self, id: NodeId, labels: &[LabelId], properties: Vec<(PropertyKeyId, Value)>) -> Result<()> {
        let _ = (id, labels, properties);
        todo!("storage-graph")
    }

    pub fn update_relationship(&self, id: RelationshipId, properties: Vec<(PropertyKeyId, Value)>) -> Result<()> {
        let _ = (id, properties);
        todo!("storage-graph")
    }

    /// `NodeHasRelationships` while any relationship is left. False when it does not exist.
    pub fn delete_node(&self, id: NodeId) -> Result<bool> {
        let _ = id;
        todo!("storage-graph")
    }

    pub fn delete_relationship(&self, id: RelationshipId) -> Result<bool> {
        let _ = id;
        todo!("storage-graph")
    }

    /// Ids in ascending order; of one label, or all.
    pub fn scan_nodes<'t>(&'t self, label: Option<LabelId>) -> Result<IdScan<'t>> {
        let _ = label;
        todo!("storage-graph")
    }

    /// Ids in ascending order; of one type, or all.
    pub fn scan_relationships<'t>(&'t self, ty: Option<RelationshipTypeId>) -> Result<IdScan<'t>> {
        let _ = ty;
        todo!("storage-graph")
    }

    pub fn node_count(&self, label: Option<LabelId>) -> Result<u64> {
        let _ = label;
        todo!("storage-graph")
    }

    pub fn relationship_count(&self, ty: Option<RelationshipTypeId>) -> Result<u64> {
        let _ = ty;
        todo!("storage-graph")
    }

    /// Calls `visit` for each relationship of `node`; `types` empty means all types. Order: type, neighbour, id.
    pub fn for_each_neighbor(
        &self,
        node: NodeId,
        direction: Direction,
        types: &[RelationshipTypeId],
        visit: &mut dyn FnMut(Neighbor) -> ControlFlow<()>,
    ) -> Result<()> {
        let _ = (node, direction, types, visit);
        todo!("storage-graph")
    }

    /// Number of neighbours that [`Self::for_each_neighbor`] would visit.
    pub fn degree(&self, node: NodeId, direction: Direction, types: &[RelationshipTypeId]) -> Result<u64> {
        let _ = (node, direction, types);
        todo!("storage-graph")
    }

    /// Relationships from `source` to `target` of the given types, by intersection of sorted lists.
    pub fn relationships_between(
        &self,
        source: NodeId,
        target: NodeId,
        direction: Direction,
        types: &[RelationshipTypeId],
    ) -> Result<Vec<Neighbor>> {
        let _ = (source, target, direction, types);
        todo!("storage-graph")
    }

    /// The ordered index over (label, property), when there is one.
    pub fn node_property_index(&self, label: LabelId, key: PropertyKeyId) -> Option<Arc<IndexDef>> {
        let _ = (label, key);
        todo!("storage-graph")
    }
}
