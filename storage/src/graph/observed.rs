//! Observed property types: which kinds of value a property of a label or relationship type ever held.
//!
//! One row of two bytes per owner and key, a set of bits that only grows. The committer merges rows of this keyspace by
//! OR, so writers who see a type for the first time at the same moment do not conflict.

use super::{ObservedTypes, PropertyOwner, keys};
use crate::error::{Result, StorageError};
use crate::ids::{LabelId, PropertyKeyId, RelationshipTypeId};
use crate::store::{Keyspace, Transaction};
use crate::temporal::TemporalKind;
use crate::value::Value;

/// The kind's bit; 0 for NULL.
pub(crate) fn bit_of(value: &Value) -> u16 {
    match value {
        Value::Null => 0,
        Value::Bool(_) => ObservedTypes::BOOL,
        Value::Int(_) => ObservedTypes::INT,
        Value::Float(_) => ObservedTypes::FLOAT,
        Value::Text(_) => ObservedTypes::TEXT,
        Value::List(_) => ObservedTypes::LIST,
        // Others have no SQL type that holds them.
        Value::Temporal(temporal) if temporal.fits_sql_type() => match temporal.kind() {
            TemporalKind::DateTime => ObservedTypes::DATE_TIME,
            TemporalKind::LocalDateTime => ObservedTypes::LOCAL_DATE_TIME,
            TemporalKind::Date => ObservedTypes::DATE,
            TemporalKind::Time => ObservedTypes::TIME,
            TemporalKind::LocalTime => ObservedTypes::LOCAL_TIME,
            TemporalKind::Duration => ObservedTypes::DURATION,
        },
        Value::Vector(_) => ObservedTypes::VECTOR,
        _ => ObservedTypes::OTHER,
    }
}

/// A stored set of bits. Errors with `Corrupted`.
pub(crate) fn decode(bytes: &[u8]) -> Result<u16> {
    let bytes = <[u8; 2]>::try_from(bytes)
        .map_err(|_| StorageError::Corrupted(format!("observed types have {} bytes instead of 2", bytes.len())))?;
    Ok(u16::from_le_bytes(bytes))
}

impl Transaction {
    /// Value kinds ever stored under a property by committed transactions or this one.
    pub fn observed_types(&self, owner: PropertyOwner, key: PropertyKeyId) -> ObservedTypes {
        let read = || match self.kv_get(Keyspace::OBSERVED_TYPES, &keys::observed_key(owner, key))? {
            Some(bytes) => decode(&bytes),
            None => Ok(0),
        };
        read().map(ObservedTypes).unwrap_or_else(|error: StorageError| {
            // Not knowing types costs precision of result columns, nothing else.
            tracing::error!(%error, "observed property types could not be read");
            ObservedTypes(ObservedTypes::OTHER)
        })
    }

    fn observe(&self, owner: PropertyOwner, properties: &[(PropertyKeyId, Value)]) -> Result<()> {
        for (key, value) in properties {
            let bit = bit_of(value);
            let row_key = keys::observed_key(owner, *key);
            let known = match self.kv_get(Keyspace::OBSERVED_TYPES, &row_key)? {
                Some(bytes) => decode(&bytes)?,
                None => 0,
            };
            if known & bit == 0 {
                self.kv_put(Keyspace::OBSERVED_TYPES, &row_key, &(known | bit).to_le_bytes())?;
            }
        }
        Ok(())
    }

    pub(super) fn observe_node(&self, labels: &[LabelId], properties: &[(PropertyKeyId, Value)]) -> Result<()> {
        if labels.is_empty() {
            return self.observe(PropertyOwner::Unlabeled, properties);
        }
        labels.iter().try_for_each(|label| self.observe(PropertyOwner::Label(*label), properties))
    }

    pub(super) fn observe_relationship(
        &self,
        ty: RelationshipTypeId,
        properties: &[(PropertyKeyId, Value)],
    ) -> Result<()> {
        self.observe(PropertyOwner::RelationshipType(ty), properties)
    }
}
