//! Reading topology and labels through a transaction: thin calls of [`GraphReader`].

use std::ops::ControlFlow;
use std::sync::Arc;

use super::delta::GraphDelta;
use super::{Direction, GraphReader, Neighbor};
use crate::error::Result;
use crate::ids::{LabelId, NodeId, RelationshipId, RelationshipTypeId};
use crate::store::{Change, Keyspace, Transaction};
use crate::table::IdScan;

impl Transaction {
    /// Topology and labels as this statement sees them, for operators that expand many nodes. Does not follow writes made
    /// after it was taken.
    pub fn graph_reader(&self) -> GraphReader {
        // Taking the snapshot may move the epoch, so it comes first.
        let image = Arc::clone(&self.derived().graph);
        let delta = if self.has_writes() { Some(self.graph_delta()) } else { None };
        GraphReader::new(image, delta).recording(self.reads().cloned())
    }

    /// The transaction's own graph changes, replayed when they changed in a way that was not followed.
    fn graph_delta(&self) -> Arc<GraphDelta> {
        let mut cached = self.cache().graph.lock();
        let epoch = self.change_epoch();
        match &*cached {
            Some((known, delta)) if *known == epoch => Arc::clone(delta),
            _ => {
                let mut delta = GraphDelta::default();
                self.for_each_own_change(&mut |change| delta.apply(change));
                let delta = Arc::new(delta);
                *cached = Some((epoch, Arc::clone(&delta)));
                delta
            }
        }
    }

    /// Notes a graph change made since `epoch`, and carries a delta that was valid then forward, so that alternating
    /// writes and reads do not replay everything each time.
    pub(super) fn note_graph_change(&self, epoch: u64, change: Change) {
        let mut cached = self.cache().graph.lock();
        match cached.take() {
            Some((known, mut delta)) if known == epoch => {
                Arc::make_mut(&mut delta).apply(&change);
                self.note_change(change);
                *cached = Some((self.change_epoch(), delta));
            }
            _ => self.note_change(change),
        }
    }

    /// From the label bitmap: no row is read.
    pub fn node_has_label(&self, id: NodeId, label: LabelId) -> Result<bool> {
        Ok(self.graph_reader().node_has_label(id, label))
    }

    /// Ids in ascending order; of one label, or all.
    pub fn scan_nodes<'t>(&'t self, label: Option<LabelId>) -> Result<IdScan<'t>> {
        Ok(Box::new(self.graph_reader().scan_nodes(label).map(Ok)))
    }

    /// Ids in ascending order; of one type, or all.
    pub fn scan_relationships<'t>(&'t self, ty: Option<RelationshipTypeId>) -> Result<IdScan<'t>> {
        if let Some(ty) = ty {
            return Ok(Box::new(self.graph_reader().scan_relationships(ty).map(Ok)));
        }
        use std::ops::Bound::Unbounded;
        let rows = self.kv_range(Keyspace::RELATIONSHIPS, Unbounded, Unbounded, false)?;
        Ok(Box::new(rows.map(|row| super::keys::decode_id(&row?.0))))
    }

    pub fn node_count(&self, label: Option<LabelId>) -> Result<u64> {
        Ok(self.graph_reader().node_count(label))
    }

    pub fn relationship_count(&self, ty: Option<RelationshipTypeId>) -> Result<u64> {
        Ok(self.graph_reader().relationship_count(ty))
    }

    /// Calls `visit` for each relationship of `node`; `types` empty means all types. Order: type, neighbour, id.
    pub fn for_each_neighbor(
        &self,
        node: NodeId,
        direction: Direction,
        types: &[RelationshipTypeId],
        visit: &mut dyn FnMut(Neighbor) -> ControlFlow<()>,
    ) -> Result<()> {
        self.graph_reader().for_each_neighbor(node, direction, types, visit);
        Ok(())
    }

    /// Expands a batch: appends, for each input row in turn, its neighbours with the row's position.
    pub fn expand_into(
        &self,
        nodes: &[NodeId],
        direction: Direction,
        types: &[RelationshipTypeId],
        out: &mut Vec<(u32, Neighbor)>,
    ) -> Result<()> {
        self.graph_reader().expand_into(nodes, direction, types, out);
        Ok(())
    }

    /// Number of neighbours that [`Self::for_each_neighbor`] would visit.
    pub fn degree(&self, node: NodeId, direction: Direction, types: &[RelationshipTypeId]) -> Result<u64> {
        Ok(self.graph_reader().degree(node, direction, types))
    }

    /// Relationships from `source` to `target` of the given types, by intersection of sorted lists.
    pub fn relationships_between(
        &self,
        source: NodeId,
        target: NodeId,
        direction: Direction,
        types: &[RelationshipTypeId],
    ) -> Result<Vec<Neighbor>> {
        Ok(self.graph_reader().relationships_between(source, target, direction, types))
    }

    /// Type and ends of a relationship, without its properties.
    pub fn relationship_ends(&self, id: RelationshipId) -> Result<Option<(RelationshipTypeId, NodeId, NodeId)>> {
        match self.kv_get(Keyspace::RELATIONSHIPS, &super::keys::relationship_key(id))? {
            Some(row) => super::records::decode_relationship_ends(&row).map(Some),
            None => Ok(None),
        }
    }
}
