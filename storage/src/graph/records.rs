//! Bytes of node and relationship rows.
//!
//! ```text
//! node          label count, labels…, properties
//! relationship  type, source, target, properties
//! properties    count, then per property: key, length in bytes, value
//! ```
//! All numbers are varints; labels and property keys ascend. The length lets one property be read without decoding the
//! others.

use smallvec::SmallVec;

use super::{NodeRecord, RelationshipRecord};
use crate::encoding::value::{decode_value, value_bytes};
use crate::encoding::varint::{Reader, write_varint};
use crate::error::{Result, StorageError};
use crate::ids::{LabelId, NodeId, PropertyKeyId, RelationshipId, RelationshipTypeId};
use crate::temporal::{Duration, Temporal, Zone};
use crate::value::Value;

/// Sorts by key, drops NULLs, keeps the last of equal keys, and refuses what is not storable.
pub(crate) fn normalize_properties(mut properties: Vec<(PropertyKeyId, Value)>) -> Result<Vec<(PropertyKeyId, Value)>> {
    for (_, value) in &properties {
        check_storable(value, false)?;
    }
    properties.sort_by_key(|property| property.0);
    // Of equal keys the last wins: it comes last in the stable order.
    properties.reverse();
    properties.dedup_by_key(|property| property.0);
    properties.reverse();
    properties.retain(|property| !property.1.is_null());
    Ok(properties)
}

pub(crate) fn normalize_labels(labels: &[LabelId]) -> SmallVec<[LabelId; 4]> {
    let mut labels: SmallVec<[LabelId; 4]> = labels.iter().copied().collect();
    labels.sort_unstable();
    labels.dedup();
    labels
}

fn check_storable(value: &Value, in_list: bool) -> Result<()> {
    let what = match value {
        Value::Map(_) => "a map",
        Value::Node(_) => "a node",
        Value::Relationship(_) => "a relationship",
        Value::Path(_) => "a path",
        Value::Null if in_list => "a list that contains null",
        Value::List(_) if in_list => "a list of lists",
        Value::List(items) => return items.iter().try_for_each(|item| check_storable(item, true)),
        Value::Vector(vector) if !vector.iter().all(|x| x.is_finite()) => {
            return Err(StorageError::InvalidValue("a vector holds only finite numbers".into()));
        }
        _ => return Ok(()),
    };
    Err(StorageError::InvalidValue(format!("{what} cannot be stored as a property")))
}

fn write_properties(out: &mut Vec<u8>, properties: &[(PropertyKeyId, Value)]) {
    write_varint(out, properties.len() as u64);
    for (key, value) in properties {
        write_varint(out, u64::from(key.0));
        let bytes = value_bytes(value);
        write_varint(out, bytes.len() as u64);
        out.extend_from_slice(&bytes);
    }
}

pub(crate) fn encode_node(labels: &[LabelId], properties: &[(PropertyKeyId, Value)]) -> Vec<u8> {
    let mut out = Vec::with_capacity(32);
    write_varint(&mut out, labels.len() as u64);
    for label in labels {
        write_varint(&mut out, u64::from(label.0));
    }
    write_properties(&mut out, properties);
    out
}

pub(crate) fn encode_relationship(
    ty: RelationshipTypeId,
    source: NodeId,
    target: NodeId,
    properties: &[(PropertyKeyId, Value)],
) -> Vec<u8> {
    let mut out = Vec::with_capacity(32);
    write_varint(&mut out, u64::from(ty.0));
    write_varint(&mut out, source.0);
    write_varint(&mut out, target.0);
    write_properties(&mut out, properties);
    out
}

fn read_labels(reader: &mut Reader<'_>) -> Result<SmallVec<[LabelId; 4]>> {
    let count = reader.length()?;
    (0..count).map(|_| Ok(LabelId(reader.varint_u32()?))).collect()
}

/// Directories of earlier versions hold SQL's dates, timestamps and intervals in properties; they are read as Cypher's.
fn property_value(bytes: &[u8]) -> Result<Value> {
    Ok(match decode_value(bytes)? {
        Value::Date(days) => Temporal::Date(i64::from(days)).into(),
        Value::Timestamp(microseconds) => Temporal::DateTime {
            seconds: microseconds.div_euclid(1_000_000),
            nanoseconds: (microseconds.rem_euclid(1_000_000) * 1_000) as u32,
            zone: Zone::UTC,
        }
        .into(),
        Value::Interval(interval) => Temporal::Duration(Duration {
            months: i64::from(interval.months),
            days: i64::from(interval.days),
            seconds: interval.microseconds.div_euclid(1_000_000),
            nanoseconds: (interval.microseconds.rem_euclid(1_000_000) * 1_000) as u32,
        })
        .into(),
        value => value,
    })
}

fn read_properties(reader: &mut Reader<'_>) -> Result<Vec<(PropertyKeyId, Value)>> {
    let count = reader.length()?;
    let mut properties = Vec::with_capacity(count);
    for _ in 0..count {
        let key = PropertyKeyId(reader.varint_u32()?);
        let len = reader.length()?;
        properties.push((key, property_value(reader.bytes(len)?)?));
    }
    Ok(properties)
}

/// Reads up to the wanted property; NULL when it is absent.
fn read_property(reader: &mut Reader<'_>, wanted: PropertyKeyId) -> Result<Value> {
    let count = reader.length()?;
    for _ in 0..count {
        let key = PropertyKeyId(reader.varint_u32()?);
        let len = reader.length()?;
        let bytes = reader.bytes(len)?;
        if key == wanted {
            return property_value(bytes);
        }
        if key > wanted {
            break;
        }
    }
    Ok(Value::Null)
}

pub(crate) fn decode_node(id: NodeId, bytes: &[u8]) -> Result<NodeRecord> {
    let mut reader = Reader::new(bytes, "node row");
    let labels = read_labels(&mut reader)?;
    let properties = read_properties(&mut reader)?;
    Ok(NodeRecord { id, labels, properties })
}

/// Labels of a node's row.
pub(crate) fn decode_node_labels(bytes: &[u8]) -> Result<SmallVec<[LabelId; 4]>> {
    read_labels(&mut Reader::new(bytes, "node row"))
}

pub(crate) fn decode_node_property(bytes: &[u8], key: PropertyKeyId) -> Result<Value> {
    let mut reader = Reader::new(bytes, "node row");
    read_labels(&mut reader)?;
    read_property(&mut reader, key)
}

type Ends = (RelationshipTypeId, NodeId, NodeId);

fn read_ends(reader: &mut Reader<'_>) -> Result<Ends> {
    Ok((RelationshipTypeId(reader.varint_u32()?), NodeId(reader.varint()?), NodeId(reader.varint()?)))
}

/// Type, source and target of a relationship's row.
pub(crate) fn decode_relationship_ends(bytes: &[u8]) -> Result<Ends> {
    read_ends(&mut Reader::new(bytes, "relationship row"))
}

pub(crate) fn decode_relationship(id: RelationshipId, bytes: &[u8]) -> Result<RelationshipRecord> {
    let mut reader = Reader::new(bytes, "relationship row");
    let (ty, source, target) = read_ends(&mut reader)?;
    let properties = read_properties(&mut reader)?;
    Ok(RelationshipRecord { id, ty, source, target, properties })
}

pub(crate) fn decode_relationship_property(bytes: &[u8], key: PropertyKeyId) -> Result<Value> {
    let mut reader = Reader::new(bytes, "relationship row");
    read_ends(&mut reader)?;
    read_property(&mut reader, key)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_round_trip_and_single_properties_are_found() {
        let properties = normalize_properties(vec![
            (PropertyKeyId(300), Value::text("Ann")),
            (PropertyKeyId(2), Value::Int(1)),
            (PropertyKeyId(7), Value::Null),
            (PropertyKeyId(2), Value::list(vec![Value::Float(1.5), Value::Int(2)])),
        ])
        .expect("storable");
        assert_eq!(properties.iter().map(|p| p.0.0).collect::<Vec<_>>(), [2, 300]);
        let labels = normalize_labels(&[LabelId(9), LabelId(1), LabelId(9)]);
        let node = encode_node(&labels, &properties);
        let record = decode_node(NodeId(4), &node).expect("own bytes");
        assert_eq!((&record.labels[..], &record.properties), (&[LabelId(1), LabelId(9)][..], &properties));
        assert_eq!(decode_node_property(&node, PropertyKeyId(300)).expect("own bytes"), Value::text("Ann"));
        assert_eq!(decode_node_property(&node, PropertyKeyId(7)).expect("own bytes"), Value::Null);
        let row = encode_relationship(RelationshipTypeId(3), NodeId(1), NodeId(1 << 40), &properties);
        let record = decode_relationship(RelationshipId(8), &row).expect("own bytes");
        assert_eq!((record.ty.0, record.source.0, record.target.0), (3, 1, 1 << 40));
        assert_eq!(decode_relationship_property(&row, PropertyKeyId(2)).expect("own bytes"), properties[0].1);
        for end in 0..row.len() {
            assert!(decode_relationship(RelationshipId(8), &row[..end]).is_err(), "truncated at {end}");
        }
    }

    #[test]
    fn maps_and_nested_lists_are_refused() {
        let refused = |value| normalize_properties(vec![(PropertyKeyId(0), value)]).is_err();
        assert!(refused(Value::Map(Default::default())));
        assert!(refused(Value::list(vec![Value::list(vec![])])));
        assert!(refused(Value::Node(NodeId(1))));
        assert!(!refused(Value::list(vec![])));
    }
}
