//! The change log: one row per commit that touched something a derived structure follows.
//!
//! Key: LSN, 8 bytes big-endian. Value: a format byte (1), then the changes one after another, each a kind byte and its
//! fields. Integers are LEB128 varints; a label list is its length and the labels.
//!
//! | kind | fields |
//! |---|---|
//! | 1 row | table, row |
//! | 2 node | id, flags (1 = before present, 2 = after present), before, after |
//! | 3 relationship created | id, type, source, target |
//! | 4 relationship deleted | id, type, source, target |
//! | 5 relationship changed | id, type |
//! | 6 index reset | index |
//! | 7 graph reset | |

use std::ops::Bound;

use smallvec::SmallVec;

use super::kv::decode_u64;
use super::{Change, Keyspace, KvSnapshot};
use crate::encoding::varint::{Reader, write_varint};
use crate::error::{Result, StorageError};
use crate::ids::{LabelId, Lsn, NodeId, RelationId, RelationshipId, RelationshipTypeId, RowId};

const FORMAT: u8 = 1;
const ROW: u8 = 1;
const NODE: u8 = 2;
const RELATIONSHIP_CREATED: u8 = 3;
const RELATIONSHIP_DELETED: u8 = 4;
const RELATIONSHIP_CHANGED: u8 = 5;
const INDEX_RESET: u8 = 6;
const GRAPH_RESET: u8 = 7;

pub(crate) fn encode_changes(changes: &[Change]) -> Vec<u8> {
    let mut out = Vec::with_capacity(1 + changes.len() * 8);
    out.push(FORMAT);
    for change in changes {
        match change {
            Change::Row { table, row } => write_fields(&mut out, ROW, &[u64::from(table.0), row.0]),
            Change::Node { id, before, after } => {
                let flags = u64::from(before.is_some()) | u64::from(after.is_some()) << 1;
                write_fields(&mut out, NODE, &[id.0, flags]);
                for labels in [before, after].into_iter().flatten() {
                    write_varint(&mut out, labels.len() as u64);
                    labels.iter().for_each(|label| write_varint(&mut out, u64::from(label.0)));
                }
            }
            Change::RelationshipCreated { id, ty, source, target } => {
                write_fields(&mut out, RELATIONSHIP_CREATED, &[id.0, u64::from(ty.0), source.0, target.0]);
            }
            Change::RelationshipDeleted { id, ty, source, target } => {
                write_fields(&mut out, RELATIONSHIP_DELETED, &[id.0, u64::from(ty.0), source.0, target.0]);
            }
            Change::RelationshipChanged { id, ty } => {
                write_fields(&mut out, RELATIONSHIP_CHANGED, &[id.0, u64::from(ty.0)]);
            }
            Change::IndexReset { index } => write_fields(&mut out, INDEX_RESET, &[u64::from(index.0)]),
            Change::GraphReset => write_fields(&mut out, GRAPH_RESET, &[]),
        }
    }
    out
}

fn write_fields(out: &mut Vec<u8>, kind: u8, fields: &[u64]) {
    out.push(kind);
    fields.iter().for_each(|field| write_varint(out, *field));
}

/// Errors with `Corrupted` for bytes that [`encode_changes`] does not write.
pub(crate) fn decode_changes(bytes: &[u8]) -> Result<Vec<Change>> {
    let mut reader = Reader::new(bytes, "change log row");
    let format = reader.byte()?;
    if format != FORMAT {
        return Err(StorageError::Corrupted(format!("change log row has format {format}")));
    }
    let mut changes = Vec::new();
    while !reader.is_empty() {
        changes.push(match reader.byte()? {
            ROW => Change::Row { table: RelationId(reader.varint_u32()?), row: RowId(reader.varint()?) },
            NODE => {
                let id = NodeId(reader.varint()?);
                let flags = reader.varint()?;
                let before = if flags & 1 != 0 { Some(read_labels(&mut reader)?) } else { None };
                let after = if flags & 2 != 0 { Some(read_labels(&mut reader)?) } else { None };
                Change::Node { id, before, after }
            }
            kind @ (RELATIONSHIP_CREATED | RELATIONSHIP_DELETED) => {
                let id = RelationshipId(reader.varint()?);
                let ty = RelationshipTypeId(reader.varint_u32()?);
                let (source, target) = (NodeId(reader.varint()?), NodeId(reader.varint()?));
                if kind == RELATIONSHIP_CREATED {
                    Change::RelationshipCreated { id, ty, source, target }
                } else {
                    Change::RelationshipDeleted { id, ty, source, target }
                }
            }
            RELATIONSHIP_CHANGED => Change::RelationshipChanged {
                id: RelationshipId(reader.varint()?),
                ty: RelationshipTypeId(reader.varint_u32()?),
            },
            INDEX_RESET => Change::IndexReset { index: RelationId(reader.varint_u32()?) },
            GRAPH_RESET => Change::GraphReset,
            kind => return Err(StorageError::Corrupted(format!("change log row has a change of kind {kind}"))),
        });
    }
    Ok(changes)
}

fn read_labels(reader: &mut Reader<'_>) -> Result<SmallVec<[LabelId; 4]>> {
    let count = reader.length()?;
    (0..count).map(|_| reader.varint_u32().map(LabelId)).collect()
}

impl KvSnapshot {
    /// Changes of the commits above `since`, oldest first. None when the log no longer reaches back that far: whoever
    /// follows it must rebuild from the rows.
    pub fn changes_since(
        &self,
        since: Lsn,
    ) -> Result<Option<impl Iterator<Item = Result<(Lsn, Vec<Change>)>> + use<>>> {
        if since < self.change_log_floor()? || since > self.lsn() {
            return Ok(None);
        }
        let lower = since.0.to_be_bytes();
        let rows = self.range(Keyspace::CHANGE_LOG, Bound::Excluded(&lower), Bound::Unbounded, false)?;
        Ok(Some(rows.map(|row| {
            let (key, value) = row?;
            Ok((Lsn(decode_u64(&key, "change log key")?), decode_changes(&value)?))
        })))
    }
}

#[cfg(test)]
mod tests {
    use smallvec::smallvec;

    use super::*;

    #[test]
    fn changes_survive_encoding() {
        let changes = vec![
            Change::Row { table: RelationId(16_384), row: RowId(u64::MAX) },
            Change::Node { id: NodeId(1), before: None, after: Some(smallvec![LabelId(1), LabelId(300)]) },
            Change::Node { id: NodeId(2), before: Some(smallvec![]), after: None },
            Change::RelationshipCreated {
                id: RelationshipId(9),
                ty: RelationshipTypeId(2),
                source: NodeId(1),
                target: NodeId(2),
            },
            Change::RelationshipDeleted {
                id: RelationshipId(9),
                ty: RelationshipTypeId(2),
                source: NodeId(1),
                target: NodeId(2),
            },
            Change::RelationshipChanged { id: RelationshipId(7), ty: RelationshipTypeId(0) },
            Change::GraphReset,
            Change::IndexReset { index: RelationId(1_000) },
        ];
        let bytes = encode_changes(&changes);
        assert_eq!(decode_changes(&bytes).unwrap(), changes);
        for len in 0..bytes.len() {
            // Every prefix decodes to fewer changes or is refused.
            if let Ok(prefix) = decode_changes(&bytes[..len]) {
                assert!(prefix.len() < changes.len());
            }
        }
    }
}
