//! The property graph, through a transaction: nodes, relationships, tokens, neighbours.
//!
//! Rows live in redb; neighbour arrays, label membership and degrees come from the graph image of the transaction's
//! snapshot, merged with the transaction's own changes. Nothing outside this crate knows the image's layout.

mod access;
pub(crate) mod adjacency;
#[cfg(test)]
mod constraint_tests;
pub(crate) mod constraints;
pub(crate) mod delta;
mod id_set;
pub(crate) mod image;
pub(crate) mod keys;
mod neighbors;
pub(crate) mod observed;
pub(crate) mod property_index;
mod radix;
mod reader;
pub(crate) mod records;
#[cfg(test)]
mod tests;
pub(crate) mod tokens;

pub use access::LARGEST_GIVEN_ID;
pub(crate) use access::{NODE_COUNTER, RELATIONSHIP_COUNTER};
pub use reader::GraphReader;

use smallvec::SmallVec;

use crate::ids::{LabelId, NodeId, PropertyKeyId, RelationshipId, RelationshipTypeId};
use crate::value::Value;

/// A node's row. Labels and properties are sorted by token, without duplicates and without NULLs.
#[derive(Clone, Debug, PartialEq)]
pub struct NodeRecord {
    pub id: NodeId,
    pub labels: SmallVec<[LabelId; 4]>,
    pub properties: Vec<(PropertyKeyId, Value)>,
}

/// A relationship's row.
#[derive(Clone, Debug, PartialEq)]
pub struct RelationshipRecord {
    pub id: RelationshipId,
    pub ty: RelationshipTypeId,
    pub source: NodeId,
    pub target: NodeId,
    pub properties: Vec<(PropertyKeyId, Value)>,
}

/// Seen from the node that is expanded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Direction {
    Outgoing,
    Incoming,
    /// Both; a loop is given once.
    Both,
}

/// One step from a node. `outgoing` is false when the relationship is stored towards the expanded node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Neighbor {
    pub relationship: RelationshipId,
    pub ty: RelationshipTypeId,
    pub node: NodeId,
    pub outgoing: bool,
}

/// Where observed property types are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum PropertyOwner {
    Label(LabelId),
    /// Nodes without any label.
    Unlabeled,
    RelationshipType(RelationshipTypeId),
}

/// Set of value kinds ever stored under a property.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ObservedTypes(pub u16);

impl ObservedTypes {
    pub const BOOL: u16 = 1;
    pub const INT: u16 = 2;
    pub const FLOAT: u16 = 4;
    pub const TEXT: u16 = 8;
    pub const LIST: u16 = 16;
    pub const DATE_TIME: u16 = 32;
    pub const DATE: u16 = 64;
    pub const DURATION: u16 = 128;
    pub const VECTOR: u16 = 256;
    pub const LOCAL_DATE_TIME: u16 = 512;
    pub const TIME: u16 = 1_024;
    pub const LOCAL_TIME: u16 = 2_048;
    pub const OTHER: u16 = 32_768;

    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    pub fn union(self, other: ObservedTypes) -> ObservedTypes {
        ObservedTypes(self.0 | other.0)
    }
}
