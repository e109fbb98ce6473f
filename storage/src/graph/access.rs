//! Reading and writing nodes and relationships.
//!
//! | row | key | value |
//! |---|---|---|
//! | node | id | labels, properties |
//! | relationship | id | type, ends, properties |
//! | adjacency, both directions | type, node, neighbour, relationship | empty |
//! | label membership | label, node | empty |
//!
//! Locks are those of the node's and the relationship's row, in PostgreSQL's modes: changing a node takes NO KEY UPDATE,
//! deleting it UPDATE, and creating a relationship KEY SHARE on both of its ends. So two transactions that change one node
//! wait for each other, two that create relationships at one node do not, and a node is not deleted while somebody
//! creates a relationship at it. Who finds, with the lock, that the row changed since the statement's snapshot gets a
//! `WriteConflict`: under READ COMMITTED the statement runs again.

use std::sync::Arc;

use smallvec::SmallVec;

use super::image::GraphImage;
use super::keys::{adjacency_key, label_node_key, node_key, relationship_key};
use super::records::{
    decode_node, decode_node_property, decode_relationship, decode_relationship_property, encode_node,
    encode_relationship, normalize_labels, normalize_properties,
};
use super::{Direction, GraphReader, NodeRecord, RelationshipRecord};
use crate::error::{Result, StorageError};
use crate::ids::{LabelId, NodeId, PropertyKeyId, RelationId, RelationshipId, RelationshipTypeId};
use crate::row_lock::{SinceSnapshot, changed_since};
use crate::store::{Change, Keyspace, LockWait, RowLock, Transaction};
use crate::value::Value;

pub(crate) const NODE_COUNTER: &str = "nodes";
pub(crate) const RELATIONSHIP_COUNTER: &str = "relationships";
/// Largest id that a node or relationship may be given, 2^62. Ids that the engine gives lie above the given ones, and so
/// have as many again up to the end of bigint.
pub const LARGEST_GIVEN_ID: u64 = 1 << 62;
/// Relations of the lock table's rows.
const NODE_ROWS: RelationId = RelationId(Keyspace::NODES.0);
const RELATIONSHIP_ROWS: RelationId = RelationId(Keyspace::RELATIONSHIPS.0);

impl Transaction {
    pub fn create_node(&self, labels: &[LabelId], properties: Vec<(PropertyKeyId, Value)>) -> Result<NodeId> {
        let id = NodeId(self.allocate_id(NODE_COUNTER)?);
        self.write_new_node(id, labels, properties)?;
        Ok(id)
    }

    /// Creates a node with a given id (`INSERT INTO sinew.nodes`); `DuplicateKey` when it exists, `OutOfRange` above
    /// [`LARGEST_GIVEN_ID`]. Later ids are above it.
    pub fn create_node_with_id(
        &self,
        id: NodeId,
        labels: &[LabelId],
        properties: Vec<(PropertyKeyId, Value)>,
    ) -> Result<()> {
        check_given_id("node", id.0)?;
        self.lock_row_target(NODE_ROWS, id.0, RowLock::Update, LockWait::Block)?;
        if self.kv_get_newest(Keyspace::NODES, &node_key(id))?.is_some() {
            return Err(StorageError::DuplicateKey {
                schema: None,
                table: "nodes".to_owned(),
                constraint: "nodes_pkey".to_owned(),
                detail: format!("Key (id)=({id}) already exists."),
            });
        }
        self.raise_id(NODE_COUNTER, id.0)?;
        self.write_new_node(id, labels, properties)
    }

    fn write_new_node(&self, id: NodeId, labels: &[LabelId], properties: Vec<(PropertyKeyId, Value)>) -> Result<()> {
        let labels = normalize_labels(labels);
        let properties = normalize_properties(properties)?;
        let epoch = self.change_epoch();
        self.move_node_entries(id.0, None, Some((&labels, &properties)))?;
        let row = encode_node(&labels, &properties);
        self.kv_insert_new(Keyspace::NODES, &node_key(id), &row)?;
        for label in &labels {
            self.kv_insert_new(Keyspace::LABEL_NODES, &label_node_key(*label, id), &[])?;
        }
        self.observe_node(&labels, &properties)?;
        self.note_graph_change(epoch, Change::Node { id, before: None, after: Some(labels) });
        Ok(())
    }

    /// `NodeNotFound` when an end does not exist.
    pub fn create_relationship(
        &self,
        ty: RelationshipTypeId,
        source: NodeId,
        target: NodeId,
        properties: Vec<(PropertyKeyId, Value)>,
    ) -> Result<RelationshipId> {
        let id = RelationshipId(self.allocate_id(RELATIONSHIP_COUNTER)?);
        self.write_new_relationship(id, ty, source, target, properties)?;
        Ok(id)
    }

    /// Creates a relationship with a given id; `DuplicateKey` when it exists, `OutOfRange` above [`LARGEST_GIVEN_ID`],
    /// `NodeNotFound` when an end does not exist. Later ids are above it.
    pub fn create_relationship_with_id(
        &self,
        id: RelationshipId,
        ty: RelationshipTypeId,
        source: NodeId,
        target: NodeId,
        properties: Vec<(PropertyKeyId, Value)>,
    ) -> Result<()> {
        check_given_id("relationship", id.0)?;
        self.lock_row_target(RELATIONSHIP_ROWS, id.0, RowLock::Update, LockWait::Block)?;
        if self.kv_get_newest(Keyspace::RELATIONSHIPS, &relationship_key(id))?.is_some() {
            return Err(StorageError::DuplicateKey {
                schema: None,
                table: "edges".to_owned(),
                constraint: "edges_pkey".to_owned(),
                detail: format!("Key (id)=({id}) already exists."),
            });
        }
        self.raise_id(RELATIONSHIP_COUNTER, id.0)?;
        self.write_new_relationship(id, ty, source, target, properties)
    }

    fn write_new_relationship(
        &self,
        id: RelationshipId,
        ty: RelationshipTypeId,
        source: NodeId,
        target: NodeId,
        properties: Vec<(PropertyKeyId, Value)>,
    ) -> Result<()> {
        let properties = normalize_properties(properties)?;
        for end in [source, target] {
            if !self.node_exists(end)? {
                return Err(StorageError::NodeNotFound(end));
            }
            if self.lock_node(end, RowLock::KeyShare)? && self.kv_get_newest(Keyspace::NODES, &node_key(end))?.is_none()
            {
                return Err(changed_since(&format!("node {end}")));
            }
        }
        let epoch = self.change_epoch();
        self.move_relationship_entries(id.0, ty, None, Some(&properties))?;
        let rows = [
            (
                Keyspace::RELATIONSHIPS,
                &relationship_key(id)[..],
                &encode_relationship(ty, source, target, &properties)[..],
            ),
            (Keyspace::ADJACENCY_OUT, &adjacency_key(ty, source, target, id)[..], &[]),
            (Keyspace::ADJACENCY_IN, &adjacency_key(ty, target, source, id)[..], &[]),
        ];
        for (keyspace, key, value) in rows {
            self.kv_insert_new(keyspace, key, value)?;
        }
        self.observe_relationship(ty, &properties)?;
        self.note_graph_change(epoch, Change::RelationshipCreated { id, ty, source, target });
        Ok(())
    }

    /// Locks a node; false when nobody else can know it.
    fn lock_node(&self, id: NodeId, mode: RowLock) -> Result<bool> {
        if self.created(Keyspace::NODES, &node_key(id))? {
            return Ok(false);
        }
        self.lock_row_target(NODE_ROWS, id.0, mode, LockWait::Block)?;
        Ok(true)
    }

    /// Locks a node or relationship that is about to be written. `WriteConflict` when it changed since the snapshot.
    fn lock_for_write(&self, keyspace: Keyspace, id: u64, mode: RowLock) -> Result<()> {
        if self.created(keyspace, &id.to_be_bytes())? {
            return Ok(());
        }
        self.lock_row_target(RelationId(keyspace.0), id, mode, LockWait::Block)?;
        match self.since_snapshot(keyspace, &id.to_be_bytes())? {
            SinceSnapshot::Unchanged => Ok(()),
            SinceSnapshot::Changed(_) | SinceSnapshot::Gone => {
                let what = if keyspace == Keyspace::NODES { "node" } else { "relationship" };
                Err(changed_since(&format!("{what} {id}")))
            }
        }
    }

    /// True when the node exists in this snapshot or was created by this transaction. No row is read.
    pub fn node_exists(&self, id: NodeId) -> Result<bool> {
        Ok(self.graph_reader().node_exists(id))
    }

    /// None when it does not exist in this snapshot or was deleted by this transaction.
    pub fn node(&self, id: NodeId) -> Result<Option<Arc<NodeRecord>>> {
        match self.kv_get(Keyspace::NODES, &node_key(id))? {
            Some(row) => Ok(Some(Arc::new(decode_node(id, &row)?))),
            None => Ok(None),
        }
    }

    pub fn relationship(&self, id: RelationshipId) -> Result<Option<Arc<RelationshipRecord>>> {
        match self.kv_get(Keyspace::RELATIONSHIPS, &relationship_key(id))? {
            Some(row) => Ok(Some(Arc::new(decode_relationship(id, &row)?))),
            None => Ok(None),
        }
    }

    /// One property without building the record; None when the node does not exist, NULL when it has no such property.
    pub fn node_property(&self, id: NodeId, key: PropertyKeyId) -> Result<Option<Value>> {
        match self.kv_get(Keyspace::NODES, &node_key(id))? {
            Some(row) => decode_node_property(&row, key).map(Some),
            None => Ok(None),
        }
    }

    pub fn relationship_property(&self, id: RelationshipId, key: PropertyKeyId) -> Result<Option<Value>> {
        match self.kv_get(Keyspace::RELATIONSHIPS, &relationship_key(id))? {
            Some(row) => decode_relationship_property(&row, key).map(Some),
            None => Ok(None),
        }
    }

    /// Replaces labels and properties of an existing node; ordered indexes follow. `NodeNotFound`, `DuplicateKey`.
    pub fn update_node(&self, id: NodeId, labels: &[LabelId], properties: Vec<(PropertyKeyId, Value)>) -> Result<()> {
        let old = self.node(id)?.ok_or(StorageError::NodeNotFound(id))?;
        // Before anything is compared: who sets what is there already relies on its staying there, too.
        self.lock_for_write(Keyspace::NODES, id.0, RowLock::NoKeyUpdate)?;
        let labels = normalize_labels(labels);
        let properties = normalize_properties(properties)?;
        if old.labels == labels && same_properties(&old.properties, &properties) {
            return Ok(());
        }
        let epoch = self.change_epoch();
        self.move_node_entries(id.0, Some((&old.labels, &old.properties)), Some((&labels, &properties)))?;
        self.kv_put_locked(Keyspace::NODES, &node_key(id), &encode_node(&labels, &properties))?;
        for label in old.labels.iter().filter(|label| !labels.contains(label)) {
            self.kv_delete_locked(Keyspace::LABEL_NODES, &label_node_key(*label, id))?;
        }
        for label in labels.iter().filter(|label| !old.labels.contains(label)) {
            self.kv_put_locked(Keyspace::LABEL_NODES, &label_node_key(*label, id), &[])?;
        }
        self.observe_node(&labels, &properties)?;
        let before = Some(old.labels.clone());
        self.note_graph_change(epoch, Change::Node { id, before, after: Some(labels) });
        Ok(())
    }

    /// Replaces the properties. `RelationshipNotFound`, `DuplicateKey`.
    pub fn update_relationship(&self, id: RelationshipId, properties: Vec<(PropertyKeyId, Value)>) -> Result<()> {
        let old = self.relationship(id)?.ok_or(StorageError::RelationshipNotFound(id))?;
        self.lock_for_write(Keyspace::RELATIONSHIPS, id.0, RowLock::NoKeyUpdate)?;
        let properties = normalize_properties(properties)?;
        if same_properties(&old.properties, &properties) {
            return Ok(());
        }
        let epoch = self.change_epoch();
        self.move_relationship_entries(id.0, old.ty, Some(&old.properties), Some(&properties))?;
        let row = encode_relationship(old.ty, old.source, old.target, &properties);
        self.kv_put_locked(Keyspace::RELATIONSHIPS, &relationship_key(id), &row)?;
        self.observe_relationship(old.ty, &properties)?;
        self.note_graph_change(epoch, Change::RelationshipChanged { id, ty: old.ty });
        Ok(())
    }

    /// `NodeHasRelationships` while any relationship is left. False when it does not exist.
    pub fn delete_node(&self, id: NodeId) -> Result<bool> {
        let Some(old) = self.node(id)? else { return Ok(false) };
        self.lock_for_write(Keyspace::NODES, id.0, RowLock::Update)?;
        // Relationships created since the snapshot: with the lock, there will be no more.
        let newest = self.store().published().current();
        if newest.lsn != self.snapshot_lsn() {
            let degree =
                |graph: &Arc<GraphImage>| GraphReader::new(Arc::clone(graph), None).degree(id, Direction::Both, &[]);
            if degree(&newest.derived.graph) > degree(&self.derived().graph) {
                return Err(changed_since(&format!("the relationships of node {id}")));
            }
        }
        if self.degree(id, Direction::Both, &[])? > 0 {
            return Err(StorageError::NodeHasRelationships { node: id });
        }
        let epoch = self.change_epoch();
        self.move_node_entries(id.0, Some((&old.labels, &old.properties)), None)?;
        self.kv_delete_locked(Keyspace::NODES, &node_key(id))?;
        for label in &old.labels {
            self.kv_delete_locked(Keyspace::LABEL_NODES, &label_node_key(*label, id))?;
        }
        let before: Option<SmallVec<[LabelId; 4]>> = Some(old.labels.clone());
        self.note_graph_change(epoch, Change::Node { id, before, after: None });
        Ok(true)
    }

    /// False when it does not exist.
    pub fn delete_relationship(&self, id: RelationshipId) -> Result<bool> {
        let Some(old) = self.relationship(id)? else { return Ok(false) };
        self.lock_for_write(Keyspace::RELATIONSHIPS, id.0, RowLock::Update)?;
        let (ty, source, target) = (old.ty, old.source, old.target);
        let epoch = self.change_epoch();
        self.move_relationship_entries(id.0, ty, Some(&old.properties), None)?;
        self.kv_delete_locked(Keyspace::RELATIONSHIPS, &relationship_key(id))?;
        self.kv_delete_locked(Keyspace::ADJACENCY_OUT, &adjacency_key(ty, source, target, id))?;
        self.kv_delete_locked(Keyspace::ADJACENCY_IN, &adjacency_key(ty, target, source, id))?;
        self.note_graph_change(epoch, Change::RelationshipDeleted { id, ty, source, target });
        Ok(true)
    }
}

fn check_given_id(what: &str, id: u64) -> Result<()> {
    if id > LARGEST_GIVEN_ID {
        let message = format!("{what} id {id} is out of range: at most {LARGEST_GIVEN_ID} can be given");
        return Err(StorageError::OutOfRange(message));
    }
    Ok(())
}

/// As stored: 1 and 1.0 differ, NaN equals itself.
fn same_properties(a: &[(PropertyKeyId, Value)], b: &[(PropertyKeyId, Value)]) -> bool {
    a.len() == b.len()
        && a.iter().zip(b).all(|(a, b)| {
            a.0 == b.0 && crate::encoding::value::value_bytes(&a.1) == crate::encoding::value::value_bytes(&b.1)
        })
}
