//! Keys of the graph's keyspaces: big-endian integers, so that byte order is numeric order.

use crate::error::{Result, StorageError};
use crate::ids::{LabelId, NodeId, PropertyKeyId, RelationshipId, RelationshipTypeId};

use super::PropertyOwner;

pub(crate) fn node_key(id: NodeId) -> [u8; 8] {
    id.0.to_be_bytes()
}

pub(crate) fn relationship_key(id: RelationshipId) -> [u8; 8] {
    id.0.to_be_bytes()
}

/// One end's view of a relationship: in the outgoing keyspace `from` is the source, in the incoming one the target.
pub(crate) fn adjacency_key(ty: RelationshipTypeId, from: NodeId, to: NodeId, id: RelationshipId) -> [u8; 28] {
    let mut key = [0; 28];
    key[..4].copy_from_slice(&ty.0.to_be_bytes());
    key[4..12].copy_from_slice(&from.0.to_be_bytes());
    key[12..20].copy_from_slice(&to.0.to_be_bytes());
    key[20..].copy_from_slice(&id.0.to_be_bytes());
    key
}

pub(crate) fn label_node_key(label: LabelId, node: NodeId) -> [u8; 12] {
    let mut key = [0; 12];
    key[..4].copy_from_slice(&label.0.to_be_bytes());
    key[4..].copy_from_slice(&node.0.to_be_bytes());
    key
}

/// Kind and id of an owner, and a property key.
pub(crate) fn observed_key(owner: PropertyOwner, key: PropertyKeyId) -> [u8; 9] {
    let (kind, id) = match owner {
        PropertyOwner::Label(label) => (0, label.0),
        PropertyOwner::Unlabeled => (1, 0),
        PropertyOwner::RelationshipType(ty) => (2, ty.0),
    };
    let mut row_key = [0; 9];
    row_key[0] = kind;
    row_key[1..5].copy_from_slice(&id.to_be_bytes());
    row_key[5..].copy_from_slice(&key.0.to_be_bytes());
    row_key
}

fn corrupted(what: &str, key: &[u8]) -> StorageError {
    StorageError::Corrupted(format!("{what} key has {} bytes", key.len()))
}

/// Reads a key that is one 64-bit id.
pub(crate) fn decode_id(key: &[u8]) -> Result<u64> {
    Ok(u64::from_be_bytes(key.try_into().map_err(|_| corrupted("id", key))?))
}

/// (label, node).
pub(crate) fn decode_label_node(key: &[u8]) -> Result<(u32, u64)> {
    let key: &[u8; 12] = key.try_into().map_err(|_| corrupted("label membership", key))?;
    Ok((be_u32(&key[..4]), be_u64(&key[4..])))
}

/// (type, from, to, relationship).
pub(crate) fn decode_adjacency(key: &[u8]) -> Result<(u32, u64, u64, u64)> {
    let key: &[u8; 28] = key.try_into().map_err(|_| corrupted("adjacency", key))?;
    Ok((be_u32(&key[..4]), be_u64(&key[4..12]), be_u64(&key[12..20]), be_u64(&key[20..])))
}

fn be_u32(bytes: &[u8]) -> u32 {
    bytes.iter().fold(0, |n, byte| n << 8 | u32::from(*byte))
}

fn be_u64(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0, |n, byte| n << 8 | u64::from(*byte))
}
