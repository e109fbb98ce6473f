//! Where a search index takes its values from: columns of a table, or properties of nodes or relationships.

use std::ops::Bound::{Excluded, Included, Unbounded};
use std::sync::Arc;

use smallvec::SmallVec;

use crate::catalog::{Catalog, IndexDef, IndexTarget, TableDef};
use crate::embed::Embedder;
use crate::encoding::row::RowProjection;
use crate::error::{Result, StorageError};
use crate::graph::{keys, records};
use crate::ids::{LabelId, NodeId, PropertyKeyId, RelationshipId, RelationshipTypeId};
use crate::store::{Change, Keyspace, KvBound, KvBytes, KvIter, KvSnapshot, Transaction};
use crate::value::Value;

/// Rows as of a snapshot, or as a transaction sees them.
pub(crate) trait RowReader {
    fn get(&self, keyspace: Keyspace, key: &[u8]) -> Result<Option<KvBytes>>;
    fn range(&self, keyspace: Keyspace, lower: KvBound<'_>, upper: KvBound<'_>) -> Result<KvIter<'_>>;
}

impl RowReader for KvSnapshot {
    fn get(&self, keyspace: Keyspace, key: &[u8]) -> Result<Option<KvBytes>> {
        KvSnapshot::get(self, keyspace, key)
    }
    fn range(&self, keyspace: Keyspace, lower: KvBound<'_>, upper: KvBound<'_>) -> Result<KvIter<'_>> {
        KvSnapshot::range(self, keyspace, lower, upper, false)
    }
}

impl RowReader for Transaction {
    fn get(&self, keyspace: Keyspace, key: &[u8]) -> Result<Option<KvBytes>> {
        self.kv_get(keyspace, key)
    }
    fn range(&self, keyspace: Keyspace, lower: KvBound<'_>, upper: KvBound<'_>) -> Result<KvIter<'_>> {
        self.kv_range(keyspace, lower, upper, false)
    }
}

/// What one index reads of a row; a value per indexed column or property.
#[derive(Clone)]
pub(crate) enum IndexSource {
    Table { table: Arc<TableDef>, positions: Vec<usize>, projection: RowProjection },
    Nodes { labels: Vec<LabelId>, properties: Vec<PropertyKeyId> },
    Relationships { types: Vec<RelationshipTypeId>, properties: Vec<PropertyKeyId> },
}

pub(crate) type IndexedValues = SmallVec<[Value; 2]>;

impl IndexSource {
    /// None when the table or a column is gone.
    pub fn new(index: &IndexDef, catalog: &Catalog) -> Option<IndexSource> {
        Some(match &index.target {
            IndexTarget::Table { table, columns } => {
                let table = Arc::clone(catalog.tables.get(table)?);
                let positions = columns.iter().map(|column| table.position_of(column.column)).collect::<Option<_>>()?;
                let positions: Vec<usize> = positions;
                let projection = RowProjection::new(&table, &positions).ok()?;
                IndexSource::Table { table, positions, projection }
            }
            IndexTarget::Nodes { labels, properties } => {
                IndexSource::Nodes { labels: labels.clone(), properties: properties.clone() }
            }
            IndexTarget::Relationships { types, properties } => {
                IndexSource::Relationships { types: types.clone(), properties: properties.clone() }
            }
        })
    }

    /// The id this change touches in the index, if any.
    pub fn touched(&self, change: &Change) -> Option<u64> {
        match (self, change) {
            (IndexSource::Table { table, .. }, Change::Row { table: changed, row }) => {
                (table.id == *changed).then_some(row.0)
            }
            (IndexSource::Nodes { labels, .. }, Change::Node { id, before, after }) => {
                let carries =
                    |side: &Option<SmallVec<[LabelId; 4]>>| side.iter().flatten().any(|label| labels.contains(label));
                (carries(before) || carries(after)).then_some(id.0)
            }
            (
                IndexSource::Relationships { types, .. },
                Change::RelationshipCreated { id, ty, .. }
                | Change::RelationshipDeleted { id, ty, .. }
                | Change::RelationshipChanged { id, ty },
            ) => types.contains(ty).then_some(id.0),
            _ => None,
        }
    }

    /// The indexed values of one row; None when there is no such row or it does not belong to the index.
    pub fn values(&self, rows: &dyn RowReader, id: u64) -> Result<Option<IndexedValues>> {
        match self {
            IndexSource::Table { table, .. } => {
                let row = rows.get(Keyspace::of_relation(table.id), &id.to_be_bytes())?;
                row.map(|row| self.decode(id, &row)).unwrap_or(Ok(None))
            }
            IndexSource::Nodes { .. } => {
                let row = rows.get(Keyspace::NODES, &keys::node_key(NodeId(id)))?;
                row.map(|row| self.decode(id, &row)).unwrap_or(Ok(None))
            }
            IndexSource::Relationships { .. } => {
                let row = rows.get(Keyspace::RELATIONSHIPS, &keys::relationship_key(RelationshipId(id)))?;
                row.map(|row| self.decode(id, &row)).unwrap_or(Ok(None))
            }
        }
    }

    fn decode(&self, id: u64, row: &[u8]) -> Result<Option<IndexedValues>> {
        let pick = |wanted: &[PropertyKeyId], properties: &[(PropertyKeyId, Value)]| {
            let value = |key: &PropertyKeyId| {
                properties
                    .binary_search_by_key(key, |property| property.0)
                    .map_or(Value::Null, |at| properties[at].1.clone())
            };
            wanted.iter().map(value).collect()
        };
        Ok(match self {
            IndexSource::Table { projection, .. } => Some(projection.decode(row)?.into()),
            IndexSource::Nodes { labels, properties } => {
                let own = records::decode_node_labels(row)?;
                if !own.iter().any(|label| labels.contains(label)) {
                    return Ok(None);
                }
                Some(pick(properties, &records::decode_node(NodeId(id), row)?.properties))
            }
            IndexSource::Relationships { types, properties } => {
                if !types.contains(&records::decode_relationship_ends(row)?.0) {
                    return Ok(None);
                }
                Some(pick(properties, &records::decode_relationship(RelationshipId(id), row)?.properties))
            }
        })
    }

    /// Calls `visit` for every row of the index. `visit` ends the scan with an error.
    pub fn for_each(
        &self,
        rows: &dyn RowReader,
        visit: &mut dyn FnMut(u64, IndexedValues) -> Result<()>,
    ) -> Result<()> {
        if let IndexSource::Nodes { labels, .. } = self {
            // By label, so that a small label in a large graph is not a scan of all nodes.
            for (position, label) in labels.iter().enumerate() {
                let (lower, upper) = (label.0.to_be_bytes(), label.0.wrapping_add(1).to_be_bytes());
                let upper = if label.0 == u32::MAX { Unbounded } else { Excluded(&upper[..]) };
                for row in rows.range(Keyspace::LABEL_NODES, Included(&lower), upper)? {
                    let (_, node) = keys::decode_label_node(&row?.0)?;
                    let Some(row) = rows.get(Keyspace::NODES, &node.to_be_bytes())? else { continue };
                    let own = records::decode_node_labels(&row)?;
                    if own.iter().any(|own| labels[..position].contains(own)) {
                        continue;
                    }
                    if let Some(values) = self.decode(node, &row)? {
                        visit(node, values)?;
                    }
                }
            }
            return Ok(());
        }
        let keyspace = match self {
            IndexSource::Table { table, .. } => Keyspace::of_relation(table.id),
            IndexSource::Nodes { .. } => Keyspace::NODES,
            IndexSource::Relationships { .. } => Keyspace::RELATIONSHIPS,
        };
        for row in rows.range(keyspace, Unbounded, Unbounded)? {
            let (key, value) = row?;
            let id = keys::decode_id(&key)?;
            if let Some(values) = self.decode(id, &value)? {
                visit(id, values)?;
            }
        }
        Ok(())
    }

    /// Names of the indexed columns or properties.
    pub fn field_names(&self, property_name: &dyn Fn(PropertyKeyId) -> Arc<str>) -> Vec<String> {
        match self {
            IndexSource::Table { table, positions, .. } => {
                positions.iter().map(|position| table.columns[*position].name.clone()).collect()
            }
            IndexSource::Nodes { properties, .. } | IndexSource::Relationships { properties, .. } => {
                properties.iter().map(|key| property_name(*key).to_string()).collect()
            }
        }
    }

    pub fn field_count(&self) -> usize {
        match self {
            IndexSource::Table { positions, .. } => positions.len(),
            IndexSource::Nodes { properties, .. } | IndexSource::Relationships { properties, .. } => properties.len(),
        }
    }

    /// True when rows are read in the same way.
    pub fn same_definition(&self, other: &IndexSource) -> bool {
        match (self, other) {
            (
                IndexSource::Table { table, positions, .. },
                IndexSource::Table { table: other, positions: theirs, .. },
            ) => table.version == other.version && positions == theirs,
            // Labels, types and properties of a graph index never change.
            _ => true,
        }
    }
}

/// Finds an embedder by its name.
pub(crate) fn find_embedder(embedders: &[Arc<dyn Embedder>], name: &str) -> Result<Arc<dyn Embedder>> {
    embedders.iter().find(|embedder| embedder.name() == name).cloned().ok_or_else(|| {
        let known: Vec<&str> = embedders.iter().map(|embedder| embedder.name()).collect();
        StorageError::InvalidValue(format!(
            "embedder \"{name}\" is not configured; configured are: {}",
            known.join(", ")
        ))
    })
}
