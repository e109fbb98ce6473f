//! A transaction's own graph changes, as a small overlay over the image of its snapshot.
//!
//! It holds last words, not differences: what labels a node has now, which relationships were created and which deleted.
//! So it is right over any snapshot the transaction reads, and applying it twice changes nothing.

use std::collections::{BTreeMap, BTreeSet};

use smallvec::SmallVec;

use crate::ids::LabelId;
use crate::store::Change;

/// (type, from, to, relationship) in one direction.
type DirectedEdge = (u32, u64, u64, u64);

#[derive(Clone, Default)]
pub(crate) struct GraphDelta {
    /// Labels after the transaction's changes; None when it deleted the node.
    pub nodes: BTreeMap<u64, Option<SmallVec<[LabelId; 4]>>>,
    /// (type, relationship) → true when created, false when deleted.
    pub relationships: BTreeMap<(u32, u64), bool>,
    /// [outgoing, incoming].
    created: [BTreeSet<DirectedEdge>; 2],
    deleted: [BTreeSet<DirectedEdge>; 2],
    type_count: u32,
}

impl GraphDelta {
    pub fn apply(&mut self, change: &Change) {
        match change {
            Change::Node { id, after, .. } => {
                self.nodes.insert(id.0, after.clone());
            }
            Change::RelationshipCreated { id, ty, source, target } => {
                self.relationships.insert((ty.0, id.0), true);
                self.type_count = self.type_count.max(ty.0 + 1);
                for (side, edge) in directed(ty.0, source.0, target.0, id.0) {
                    self.created[side].insert(edge);
                    self.deleted[side].remove(&edge);
                }
            }
            Change::RelationshipDeleted { id, ty, source, target } => {
                self.relationships.insert((ty.0, id.0), false);
                self.type_count = self.type_count.max(ty.0 + 1);
                for (side, edge) in directed(ty.0, source.0, target.0, id.0) {
                    self.created[side].remove(&edge);
                    self.deleted[side].insert(edge);
                }
            }
            Change::Row { .. }
            | Change::RelationshipChanged { .. }
            | Change::IndexReset { .. }
            | Change::GraphReset => {}
        }
    }

    pub fn is_empty(&self) -> bool {
        self.nodes.is_empty() && self.relationships.is_empty()
    }

    pub fn type_count(&self) -> u32 {
        self.type_count
    }

    /// True when the delta says anything about this node's edges of this type in this direction.
    pub fn touches(&self, ty: u32, node: u64, incoming: bool) -> bool {
        let range = (ty, node, 0, 0)..=(ty, node, u64::MAX, u64::MAX);
        let side = usize::from(incoming);
        self.created[side].range(range.clone()).next().is_some() || self.deleted[side].range(range).next().is_some()
    }

    /// Created edges of a node from `(neighbor, relationship)` on, in order.
    pub fn created(
        &self,
        ty: u32,
        node: u64,
        incoming: bool,
        from: (u64, u64),
    ) -> impl Iterator<Item = (u64, u64)> + Clone + '_ {
        self.created[usize::from(incoming)]
            .range((ty, node, from.0, from.1)..=(ty, node, u64::MAX, u64::MAX))
            .map(|edge| (edge.2, edge.3))
    }

    pub fn is_deleted(&self, ty: u32, node: u64, incoming: bool, edge: (u64, u64)) -> bool {
        self.deleted[usize::from(incoming)].contains(&(ty, node, edge.0, edge.1))
    }
}

fn directed(ty: u32, source: u64, target: u64, id: u64) -> [(usize, DirectedEdge); 2] {
    [(0, (ty, source, target, id)), (1, (ty, target, source, id))]
}
