//! Reading topology and labels: the image of a snapshot with a transaction's own changes merged in.

use std::iter::Peekable;
use std::ops::ControlFlow;
use std::sync::Arc;

use roaring::RoaringBitmap;
use smallvec::SmallVec;

use super::adjacency::{EdgeCursor, page_of};
use super::delta::GraphDelta;
use super::id_set::{ID_PAGE_BITS, IdSet};
use super::image::GraphImage;
use super::keys::{label_node_key, node_key};
use super::{Direction, Neighbor};
use crate::ids::{LabelId, NodeId, RelationshipId, RelationshipTypeId};
use crate::store::{Keyspace, ReadRecorder};

/// Topology and labels as one statement sees them. Cheap to make and to clone; operators that expand many nodes hold
/// one per batch instead of going through the transaction for each node. It does not follow later writes.
#[derive(Clone)]
pub struct GraphReader {
    pub(super) image: Arc<GraphImage>,
    /// None when the transaction changed nothing in the graph.
    pub(super) delta: Option<Arc<GraphDelta>>,
    /// Where a SERIALIZABLE transaction notes what it reads here.
    reads: Option<Arc<ReadRecorder>>,
}

type Edge = (u64, u64);
type Types = SmallVec<[u32; 8]>;

/// Edges of one node in one direction: image and delta merged, sorted by (neighbour, relationship).
struct Edges<'r, C: Iterator<Item = Edge>> {
    image: Peekable<std::iter::Flatten<std::option::IntoIter<EdgeCursor<'r>>>>,
    created: Peekable<C>,
    deleted: Option<&'r GraphDelta>,
    ty: u32,
    node: u64,
    incoming: bool,
}

impl<C: Iterator<Item = Edge>> Iterator for Edges<'_, C> {
    type Item = Edge;

    fn next(&mut self) -> Option<Edge> {
        loop {
            let take_created = match (self.image.peek(), self.created.peek()) {
                (_, None) => false,
                (None, Some(_)) => true,
                (Some(image), Some(created)) => {
                    if image == created {
                        // Committed and still in the overlay: one edge.
                        self.image.next();
                        continue;
                    }
                    created < image
                }
            };
            if take_created {
                return self.created.next();
            }
            let edge = self.image.next()?;
            if !self.deleted.is_some_and(|delta| delta.is_deleted(self.ty, self.node, self.incoming, edge)) {
                return Some(edge);
            }
        }
    }
}

impl GraphReader {
    pub(super) fn new(image: Arc<GraphImage>, delta: Option<Arc<GraphDelta>>) -> GraphReader {
        GraphReader { image, delta: delta.filter(|delta| !delta.is_empty()), reads: None }
    }

    pub(super) fn recording(self, reads: Option<Arc<ReadRecorder>>) -> GraphReader {
        GraphReader { reads, ..self }
    }

    /// The relationships of a node are read.
    fn note_node(&self, node: u64, direction: Direction) {
        let Some(reads) = &self.reads else { return };
        if direction != Direction::Incoming {
            reads.node(Keyspace::ADJACENCY_OUT, NodeId(node));
        }
        if direction != Direction::Outgoing {
            reads.node(Keyspace::ADJACENCY_IN, NodeId(node));
        }
    }

    /// The nodes of a label, or all, are read.
    fn note_label(&self, label: Option<LabelId>) {
        let Some(reads) = &self.reads else { return };
        match label {
            Some(label) => reads.prefix(Keyspace::LABEL_NODES, &label.0.to_be_bytes()),
            None => reads.whole(Keyspace::NODES),
        }
    }

    /// The relationships of a type, or all, are read.
    fn note_type(&self, ty: Option<RelationshipTypeId>) {
        let Some(reads) = &self.reads else { return };
        match ty {
            Some(ty) => reads.prefix(Keyspace::ADJACENCY_OUT, &ty.0.to_be_bytes()),
            None => reads.whole(Keyspace::ADJACENCY_OUT),
        }
    }

    /// The given types sorted and once each; all known ones when none is given.
    fn types(&self, types: &[RelationshipTypeId]) -> Types {
        match types {
            [] => {
                let delta_count = self.delta.as_ref().map_or(0, |delta| delta.type_count());
                (0..self.image.type_count().max(delta_count)).collect()
            }
            [one] => SmallVec::from_slice(&[one.0]),
            several => {
                let mut types: Types = several.iter().map(|ty| ty.0).collect();
                types.sort_unstable();
                types.dedup();
                types
            }
        }
    }

    /// The delta, when it says anything about these edges.
    fn delta_for(&self, ty: u32, node: u64, incoming: bool) -> Option<&GraphDelta> {
        self.delta.as_deref().filter(|delta| delta.touches(ty, node, incoming))
    }

    fn cursor(&self, ty: u32, node: u64, incoming: bool, from: Edge) -> Option<EdgeCursor<'_>> {
        let (page, local) = page_of(node);
        let page = self.image.page(ty, incoming, page)?;
        Some(if from == (0, 0) { page.cursor(local) } else { page.cursor_from(local, from.0, from.1) })
    }

    fn edges(&self, ty: u32, node: u64, incoming: bool, from: Edge) -> Edges<'_, impl Iterator<Item = Edge>> {
        let delta = self.delta_for(ty, node, incoming);
        let created = delta.map(|delta| delta.created(ty, node, incoming, from)).into_iter().flatten().peekable();
        let image = self.cursor(ty, node, incoming, from).into_iter().flatten().peekable();
        Edges { image, created, deleted: delta, ty, node, incoming }
    }

    /// Calls `visit` for each relationship of `node`; `types` empty means all types. Order: type, neighbour, id; a loop
    /// is given once under [`Direction::Both`], as outgoing.
    pub fn for_each_neighbor(
        &self,
        node: NodeId,
        direction: Direction,
        types: &[RelationshipTypeId],
        mut visit: impl FnMut(Neighbor) -> ControlFlow<()>,
    ) {
        for ty in self.types(types) {
            if self.visit_type(ty, node.0, direction, &mut visit).is_break() {
                return;
            }
        }
    }

    fn visit_type(
        &self,
        ty: u32,
        node: u64,
        direction: Direction,
        visit: &mut impl FnMut(Neighbor) -> ControlFlow<()>,
    ) -> ControlFlow<()> {
        self.note_node(node, direction);
        let neighbor = |edge: Edge, outgoing| Neighbor {
            relationship: RelationshipId(edge.1),
            ty: RelationshipTypeId(ty),
            node: NodeId(edge.0),
            outgoing,
        };
        if direction != Direction::Both {
            let incoming = direction == Direction::Incoming;
            if self.delta_for(ty, node, incoming).is_none() {
                for edge in self.cursor(ty, node, incoming, (0, 0)).into_iter().flatten() {
                    visit(neighbor(edge, !incoming))?;
                }
            } else {
                for edge in self.edges(ty, node, incoming, (0, 0)) {
                    visit(neighbor(edge, !incoming))?;
                }
            }
            return ControlFlow::Continue(());
        }
        let mut outgoing = self.edges(ty, node, false, (0, 0)).peekable();
        let mut incoming = self.edges(ty, node, true, (0, 0)).filter(|edge| edge.0 != node).peekable();
        loop {
            match (outgoing.peek(), incoming.peek()) {
                (None, None) => return ControlFlow::Continue(()),
                (Some(out), rest) if rest.is_none_or(|inc| out <= inc) => {
                    visit(neighbor(*out, true))?;
                    outgoing.next();
                }
                (_, Some(inc)) => {
                    visit(neighbor(*inc, false))?;
                    incoming.next();
                }
                (Some(_), None) => unreachable!("the arm above takes an outgoing edge when no incoming one is left"),
            }
        }
    }

    /// Expands a batch: appends, for each input row in turn, its neighbours with the row's position.
    pub fn expand_into(
        &self,
        nodes: &[NodeId],
        direction: Direction,
        types: &[RelationshipTypeId],
        out: &mut Vec<(u32, Neighbor)>,
    ) {
        let types = self.types(types);
        for (row, node) in nodes.iter().enumerate() {
            for ty in &types {
                let _ = self.visit_type(*ty, node.0, direction, &mut |neighbor| {
                    out.push((row as u32, neighbor));
                    ControlFlow::Continue(())
                });
            }
        }
    }

    /// Number of neighbours that [`Self::for_each_neighbor`] would visit.
    pub fn degree(&self, node: NodeId, direction: Direction, types: &[RelationshipTypeId]) -> u64 {
        self.types(types).into_iter().map(|ty| self.type_degree(ty, node.0, direction)).sum()
    }

    fn type_degree(&self, ty: u32, node: u64, direction: Direction) -> u64 {
        self.note_node(node, direction);
        let one = |incoming| {
            if self.delta_for(ty, node, incoming).is_some() {
                return self.edges(ty, node, incoming, (0, 0)).count() as u64;
            }
            let (page, local) = page_of(node);
            self.image.page(ty, incoming, page).map_or(0, |page| page.degree(local) as u64)
        };
        match direction {
            Direction::Outgoing => one(false),
            Direction::Incoming => one(true),
            Direction::Both => {
                let loops = self.edges(ty, node, false, (node, 0)).take_while(|edge| edge.0 == node).count() as u64;
                one(false) + one(true) - loops
            }
        }
    }

    /// Relationships between two nodes as seen from `source`; the shorter of the two lists is searched.
    pub fn relationships_between(
        &self,
        source: NodeId,
        target: NodeId,
        direction: Direction,
        types: &[RelationshipTypeId],
    ) -> Vec<Neighbor> {
        self.note_node(source.0, direction);
        let mut found = Vec::new();
        for ty in self.types(types) {
            let start = found.len();
            for incoming in [false, true] {
                let wanted = match direction {
                    Direction::Outgoing => !incoming,
                    Direction::Incoming => incoming,
                    // A loop is given once, as outgoing.
                    Direction::Both => !incoming || source != target,
                };
                if !wanted {
                    continue;
                }
                let far_degree = self.image_degree(ty, target.0, !incoming);
                let (from, to, side) = if self.image_degree(ty, source.0, incoming) <= far_degree {
                    (source.0, target.0, incoming)
                } else {
                    (target.0, source.0, !incoming)
                };
                found.extend(self.edges(ty, from, side, (to, 0)).take_while(|edge| edge.0 == to).map(|edge| {
                    Neighbor {
                        relationship: RelationshipId(edge.1),
                        ty: RelationshipTypeId(ty),
                        node: target,
                        outgoing: !incoming,
                    }
                }));
            }
            found[start..].sort_unstable_by_key(|neighbor| neighbor.relationship);
        }
        found
    }

    fn image_degree(&self, ty: u32, node: u64, incoming: bool) -> usize {
        let (page, local) = page_of(node);
        self.image.page(ty, incoming, page).map_or(0, |page| page.degree(local))
    }

    pub fn node_exists(&self, node: NodeId) -> bool {
        if let Some(reads) = &self.reads {
            reads.key(Keyspace::NODES, &node_key(node));
        }
        match self.delta.as_ref().and_then(|delta| delta.nodes.get(&node.0)) {
            Some(after) => after.is_some(),
            None => self.image.nodes.contains(node.0),
        }
    }

    pub fn node_has_label(&self, node: NodeId, label: LabelId) -> bool {
        if let Some(reads) = &self.reads {
            reads.key(Keyspace::LABEL_NODES, &label_node_key(label, node));
        }
        match self.delta.as_ref().and_then(|delta| delta.nodes.get(&node.0)) {
            Some(after) => after.as_ref().is_some_and(|labels| labels.contains(&label)),
            None => self.image.label(label.0).is_some_and(|nodes| nodes.contains(node.0)),
        }
    }

    fn node_set(&self, label: Option<LabelId>) -> Option<&IdSet> {
        match label {
            None => Some(&self.image.nodes),
            Some(label) => self.image.label(label.0),
        }
    }

    /// Nodes of one label, or all.
    pub fn node_count(&self, label: Option<LabelId>) -> u64 {
        self.note_label(label);
        let set = self.node_set(label);
        let mut count = set.map_or(0, IdSet::len);
        for (node, after) in self.delta.iter().flat_map(|delta| &delta.nodes) {
            let before = set.is_some_and(|set| set.contains(*node));
            count = count + u64::from(is_member(after, label)) - u64::from(before);
        }
        count
    }

    /// Relationships of one type, or all.
    pub fn relationship_count(&self, ty: Option<RelationshipTypeId>) -> u64 {
        self.note_type(ty);
        let of_type = |ty: u32| self.image.relationship_type(ty).map(|image| &image.relationships);
        let mut count = match ty {
            None => self.image.relationship_count(),
            Some(ty) => of_type(ty.0).map_or(0, IdSet::len),
        };
        for ((own, id), created) in self.delta.iter().flat_map(|delta| &delta.relationships) {
            if ty.is_none_or(|ty| ty.0 == *own) {
                let before = of_type(*own).is_some_and(|ids| ids.contains(*id));
                count = count + u64::from(*created) - u64::from(before);
            }
        }
        count
    }

    /// Node ids in ascending order, of one label or all.
    pub fn scan_nodes(&self, label: Option<LabelId>) -> impl Iterator<Item = u64> + Send + use<> {
        self.note_label(label);
        let reader = self.clone();
        pages(move |from| {
            let image = reader.node_set(label).and_then(|set| set.page_at_or_after(from));
            let delta = reader.delta.as_ref();
            let own = delta.and_then(|delta| delta.nodes.range(from << ID_PAGE_BITS..).next().map(|(id, _)| *id));
            merge_page(image, own, |page, bitmap| {
                for (id, after) in delta.iter().flat_map(|delta| delta.nodes.range(page.clone())) {
                    set_member(bitmap, *id, is_member(after, label));
                }
            })
        })
    }

    /// Relationship ids of one type in ascending order.
    pub fn scan_relationships(&self, ty: RelationshipTypeId) -> impl Iterator<Item = u64> + Send + use<> {
        self.note_type(Some(ty));
        let reader = self.clone();
        let ty = ty.0;
        pages(move |from| {
            let image = reader.image.relationship_type(ty).and_then(|image| image.relationships.page_at_or_after(from));
            let delta = reader.delta.as_ref().map(|delta| &delta.relationships);
            let own = delta
                .and_then(|ids| ids.range((ty, from << ID_PAGE_BITS)..=(ty, u64::MAX)).next().map(|((_, id), _)| *id));
            merge_page(image, own, |page, bitmap| {
                for ((_, id), created) in
                    delta.iter().flat_map(|ids| ids.range((ty, *page.start())..=(ty, *page.end())))
                {
                    set_member(bitmap, *id, *created);
                }
            })
        })
    }
}

fn is_member(after: &Option<SmallVec<[LabelId; 4]>>, label: Option<LabelId>) -> bool {
    after.as_ref().is_some_and(|labels| label.is_none_or(|label| labels.contains(&label)))
}

fn set_member(bitmap: &mut RoaringBitmap, id: u64, member: bool) {
    let low = (id & ((1 << ID_PAGE_BITS) - 1)) as u32;
    if member {
        bitmap.insert(low);
    } else {
        bitmap.remove(low);
    }
}

/// The next page to give: the nearer of the image's and the first own id's, with `overlay` applied to a copy of its bits.
fn merge_page(
    image: Option<(u64, &RoaringBitmap)>,
    own: Option<u64>,
    overlay: impl FnOnce(std::ops::RangeInclusive<u64>, &mut RoaringBitmap),
) -> Option<(u64, RoaringBitmap)> {
    let own_page = own.map(|id| id >> ID_PAGE_BITS);
    let page = match (image, own_page) {
        (Some((image, _)), Some(own)) => image.min(own),
        (Some((page, _)), None) | (None, Some(page)) => page,
        (None, None) => return None,
    };
    let mut bitmap = image.filter(|(number, _)| *number == page).map(|(_, bits)| bits.clone()).unwrap_or_default();
    if own_page == Some(page) {
        let start = page << ID_PAGE_BITS;
        overlay(start..=start | ((1 << ID_PAGE_BITS) - 1), &mut bitmap);
    }
    Some((page, bitmap))
}

/// Ids in order from a function that gives the first page at or above a number.
fn pages(
    mut page_at_or_after: impl FnMut(u64) -> Option<(u64, RoaringBitmap)> + Send,
) -> impl Iterator<Item = u64> + Send {
    let mut next = Some(0);
    std::iter::from_fn(move || {
        let (page, bitmap) = page_at_or_after(next?)?;
        next = Some(page + 1).filter(|page| *page < 1 << (64 - ID_PAGE_BITS));
        Some(bitmap.into_iter().map(move |low| page << ID_PAGE_BITS | u64::from(low)))
    })
    .flatten()
}
