//! What a commit tells the derived structures: the ids it touched, never row bodies.

use smallvec::SmallVec;

use crate::ids::{LabelId, NodeId, RelationId, RelationshipId, RelationshipTypeId, RowId};

/// One touched row, node or relationship; kept per layer of the write set, so a rolled-back layer drops its own.
#[derive(Clone, Debug, PartialEq)]
pub enum Change {
    /// A row of a table that has full-text or vector indexes was inserted, updated or deleted.
    Row {
        table: RelationId,
        row: RowId,
    },
    /// A node was created (`before` is None), changed, or deleted (`after` is None). Labels sorted.
    Node {
        id: NodeId,
        before: Option<SmallVec<[LabelId; 4]>>,
        after: Option<SmallVec<[LabelId; 4]>>,
    },
    RelationshipCreated {
        id: RelationshipId,
        ty: RelationshipTypeId,
        source: NodeId,
        target: NodeId,
    },
    RelationshipDeleted {
        id: RelationshipId,
        ty: RelationshipTypeId,
        source: NodeId,
        target: NodeId,
    },
    /// Properties only.
    RelationshipChanged {
        id: RelationshipId,
        ty: RelationshipTypeId,
    },
    /// A search index was created, dropped or its table truncated: rebuild or forget it.
    IndexReset {
        index: RelationId,
    },
    /// A commit changed nodes or relationships that it does not list: read the graph anew. The live image was moved
    /// before, so this is for who catches up from the change log.
    GraphReset,
}
