//! What the graph looks like: labels, types, and the properties under them.
//!
//! Labels and types are known exactly. What connects and carries what is read from the data: of each label's nodes and
//! each type's relationships at most [`SAMPLE`] are looked at, evenly spread over all of them, so that a call takes about
//! as long on a large graph as on a small one.

use std::collections::{BTreeMap, BTreeSet};

use sinew_storage::catalog::{Carrier, GraphConstraint, GraphConstraintKind, IndexTarget};
use sinew_storage::graph::GraphReader;
use sinew_storage::{PropertyKeyId, TemporalKind};

use super::*;

/// Nodes of a label, or relationships of a type, that are looked at.
pub(super) const SAMPLE: u64 = 25_000;
/// Nodes or relationships handled between two looks at the cancel token.
const CANCEL_INTERVAL: usize = 1_024;

pub(super) fn all() -> Vec<Procedure> {
    let any_list = || DataType::array_of(DataType::Any);
    let text_list = || DataType::array_of(DataType::Text);
    vec![
        Procedure::new(
            "db.schema.visualization",
            "The labels as nodes and the types between them as relationships.",
            Vec::new(),
            vec![("nodes", any_list()), ("relationships", any_list())],
            |context, _| visualization(context),
        ),
        Procedure::new(
            "db.schema.nodeTypeProperties",
            "The properties of nodes, by their labels.",
            Vec::new(),
            vec![
                ("nodeType", DataType::Text),
                ("nodeLabels", text_list()),
                ("propertyName", DataType::Text),
                ("propertyTypes", text_list()),
                ("mandatory", DataType::Bool),
            ],
            |context, _| node_type_properties(context),
        ),
        Procedure::new(
            "db.schema.relTypeProperties",
            "The properties of relationships, by their types.",
            Vec::new(),
            vec![
                ("relType", DataType::Text),
                ("propertyName", DataType::Text),
                ("propertyTypes", text_list()),
                ("mandatory", DataType::Bool),
            ],
            |context, _| relationship_type_properties(context),
        ),
    ]
}

/// Every so many of `count` are looked at.
fn stride(count: u64) -> usize {
    usize::try_from(count.div_ceil(SAMPLE).max(1)).unwrap_or(usize::MAX)
}

/// Labels that nodes carry.
fn used_labels(context: &ExecContext, reader: &GraphReader) -> Vec<(LabelId, Arc<str>)> {
    let names = (0..).map(LabelId).zip(context.transaction.label_names());
    names.filter(|(id, _)| reader.node_count(Some(*id)) > 0).collect()
}

fn used_types(context: &ExecContext, reader: &GraphReader) -> Vec<(RelationshipTypeId, Arc<str>)> {
    let names = (0..).map(RelationshipTypeId).zip(context.transaction.relationship_type_names());
    names.filter(|(id, _)| reader.relationship_count(Some(*id)) > 0).collect()
}

fn map(entries: Vec<(&str, Value)>) -> Value {
    let entries: BTreeMap<Arc<str>, Value> = entries.into_iter().map(|(key, value)| (key.into(), value)).collect();
    Value::Map(Arc::new(entries))
}

fn texts_of(names: impl IntoIterator<Item = Arc<str>>) -> Value {
    Value::list(names.into_iter().map(Value::Text).collect())
}

/// Nodes and relationships that do not exist, in the form in which those that do are sent. Their ids are negative.
fn visualization(context: &ExecContext) -> Result<Rows> {
    let reader = context.transaction.graph_reader();
    let labels = used_labels(context, &reader);
    let virtual_id = |position: usize| Value::Int(-1 - position as i64);
    let nodes = labels.iter().enumerate().map(|(position, (label, name))| {
        let properties = map(vec![
            ("name", Value::Text(name.clone())),
            ("indexes", indexed_properties(context, *label)),
            ("constraints", constraints_of(context, Carrier::Label(*label))),
        ]);
        map(vec![("id", virtual_id(position)), ("labels", texts_of([name.clone()])), ("properties", properties)])
    });
    let nodes: Vec<Value> = nodes.collect();
    let mut relationships = Vec::new();
    for (ty, name) in used_types(context, &reader) {
        for (start, end) in connected_labels(context, &reader, &labels, ty)? {
            let properties = map(vec![
                ("name", Value::Text(name.clone())),
                ("constraints", constraints_of(context, Carrier::RelationshipType(ty))),
            ]);
            relationships.push(map(vec![
                ("id", virtual_id(relationships.len())),
                ("type", Value::Text(name.clone())),
                ("start", virtual_id(start)),
                ("end", virtual_id(end)),
                ("properties", properties),
            ]));
        }
    }
    Ok(vec![vec![Value::list(nodes), Value::list(relationships)]])
}

/// Positions in `labels` of the labels at both ends of relationships of a type.
fn connected_labels(
    context: &ExecContext,
    reader: &GraphReader,
    labels: &[(LabelId, Arc<str>)],
    ty: RelationshipTypeId,
) -> Result<BTreeSet<(usize, usize)>> {
    let mut pairs = BTreeSet::new();
    // Ends repeat: a hub's labels are looked up once while it is met again and again.
    let mut last: Option<(NodeId, Vec<usize>)> = None;
    let carried = |node: NodeId| -> Vec<usize> {
        (0..labels.len()).filter(|position| reader.node_has_label(node, labels[*position].0)).collect()
    };
    let stride = stride(reader.relationship_count(Some(ty)));
    for (count, id) in reader.scan_relationships(ty).step_by(stride).enumerate() {
        if count.is_multiple_of(CANCEL_INTERVAL) {
            context.cancel.check()?;
        }
        let Some((_, source, target)) = context.transaction.relationship_ends(RelationshipId(id))? else { continue };
        if last.as_ref().is_none_or(|(node, _)| *node != source) {
            last = Some((source, carried(source)));
        }
        let starts = last.as_ref().map_or(&[][..], |(_, starts)| starts);
        for end in carried(target) {
            pairs.extend(starts.iter().map(|start| (*start, end)));
        }
    }
    Ok(pairs)
}

/// As Neo4j lists them: the properties of each index, by commas.
fn indexed_properties(context: &ExecContext, label: LabelId) -> Value {
    let catalog = context.transaction.catalog();
    let mut lists = BTreeSet::new();
    for index in catalog.indexes.values().filter(|index| index.constraint.is_none()) {
        if let IndexTarget::Nodes { labels, properties } = &index.target
            && labels.contains(&label)
        {
            lists.insert(property_list(context, properties));
        }
    }
    texts_of(lists.into_iter().map(Arc::from))
}

fn property_list(context: &ExecContext, properties: &[PropertyKeyId]) -> String {
    let names: Vec<Arc<str>> = properties.iter().map(|key| context.transaction.property_key_name(*key)).collect();
    names.join(",")
}

fn constraints_of(context: &ExecContext, carrier: Carrier) -> Value {
    let catalog = context.transaction.catalog();
    let described = |constraint: &GraphConstraint<'_>| -> Arc<str> {
        let properties = property_list(context, constraint.properties);
        let requirement = match constraint.kind {
            GraphConstraintKind::Unique => "IS UNIQUE".to_owned(),
            GraphConstraintKind::Key => "IS KEY".to_owned(),
            GraphConstraintKind::Exists => "IS NOT NULL".to_owned(),
            GraphConstraintKind::Type(types) => format!("IS :: {types}"),
        };
        format!("{}: ({properties}) {requirement}", constraint.name).into()
    };
    let constraints = catalog.constraints_of_graph();
    texts_of(constraints.iter().filter(|constraint| constraint.carrier == carrier).map(described))
}

/// What was seen of the properties of one kind of node or relationship.
#[derive(Default)]
struct Seen {
    entity_count: u64,
    /// Types of values, and how many had the property.
    properties: BTreeMap<PropertyKeyId, (BTreeSet<&'static str>, u64)>,
}

impl Seen {
    fn add(&mut self, properties: &[(PropertyKeyId, Value)]) {
        self.entity_count += 1;
        for (key, value) in properties {
            let (types, count) = self.properties.entry(*key).or_default();
            types.insert(neo4j_type(value));
            *count += 1;
        }
    }

    /// The cells (propertyName, propertyTypes, mandatory), sorted by name; one row of nulls for what has no properties.
    /// A property is mandatory when a constraint says so, or when all there is was seen and had it.
    fn rows(&self, context: &ExecContext, required: &BTreeSet<PropertyKeyId>, seen_all: bool) -> Rows {
        if self.properties.is_empty() {
            return vec![vec![Value::Null, Value::Null, Value::Bool(false)]];
        }
        let mut rows: Vec<(Arc<str>, Vec<Value>)> = Vec::with_capacity(self.properties.len());
        for (key, (types, count)) in &self.properties {
            let name = context.transaction.property_key_name(*key);
            let mandatory = required.contains(key) || seen_all && *count == self.entity_count;
            let types = texts_of(types.iter().map(|ty| Arc::from(*ty)));
            rows.push((name.clone(), vec![Value::Text(name), types, Value::Bool(mandatory)]));
        }
        rows.sort_by(|a, b| a.0.cmp(&b.0));
        rows.into_iter().map(|(_, row)| row).collect()
    }
}

/// By Neo4j's name, which is Java's.
fn neo4j_type(value: &Value) -> &'static str {
    match value {
        Value::Bool(_) => "Boolean",
        Value::Int(_) => "Long",
        Value::Float(_) => "Double",
        Value::Text(_) => "String",
        Value::Temporal(temporal) => match temporal.kind() {
            TemporalKind::DateTime => "DateTime",
            TemporalKind::LocalDateTime => "LocalDateTime",
            TemporalKind::Date => "Date",
            TemporalKind::Time => "Time",
            TemporalKind::LocalTime => "LocalTime",
            TemporalKind::Duration => "Duration",
        },
        Value::Vector(_) => "Vector",
        Value::Numeric(_) => "Numeric",
        Value::Uuid(_) => "UUID",
        Value::List(items) => match items.first() {
            Some(Value::Bool(_)) => "BooleanArray",
            Some(Value::Int(_)) => "LongArray",
            Some(Value::Float(_)) => "DoubleArray",
            Some(Value::Text(_)) => "StringArray",
            Some(Value::Temporal(temporal)) => match temporal.kind() {
                TemporalKind::DateTime => "DateTimeArray",
                TemporalKind::LocalDateTime => "LocalDateTimeArray",
                TemporalKind::Date => "DateArray",
                TemporalKind::Time => "TimeArray",
                TemporalKind::LocalTime => "LocalTimeArray",
                TemporalKind::Duration => "DurationArray",
            },
            _ => "List",
        },
        _ => "Any",
    }
}

/// Properties that constraints require of nodes with a label, or of relationships of a type.
fn required_properties(context: &ExecContext, carriers: &[Carrier]) -> BTreeSet<PropertyKeyId> {
    let catalog = context.transaction.catalog();
    let constraints = catalog.constraints_of_graph();
    let requiring = constraints.iter().filter(|constraint| {
        carriers.contains(&constraint.carrier)
            && matches!(constraint.kind, GraphConstraintKind::Exists | GraphConstraintKind::Key)
    });
    requiring.flat_map(|constraint| constraint.properties.iter().copied()).collect()
}

/// `:`A`:`B``, as Neo4j writes a set of labels.
fn type_text(names: &[Arc<str>]) -> String {
    names.iter().map(|name| format!(":`{}`", name.replace('`', "``"))).collect()
}

fn node_type_properties(context: &ExecContext) -> Result<Rows> {
    let transaction = &context.transaction;
    let reader = transaction.graph_reader();
    let mut by_labels: BTreeMap<Vec<LabelId>, Seen> = BTreeMap::new();
    let mut seen_all = true;
    let mut look = |scan: &mut dyn Iterator<Item = u64>, owner: Option<LabelId>| -> Result<()> {
        for (count, id) in scan.enumerate() {
            if count.is_multiple_of(CANCEL_INTERVAL) {
                context.cancel.check()?;
            }
            let Some(node) = transaction.node(NodeId(id))? else { continue };
            // Each node counts once, with the first of its labels.
            if node.labels.first().copied() == owner {
                by_labels.entry(node.labels.to_vec()).or_default().add(&node.properties);
            }
        }
        Ok(())
    };
    for (label, _) in used_labels(context, &reader) {
        let stride = stride(reader.node_count(Some(label)));
        seen_all &= stride == 1;
        look(&mut reader.scan_nodes(Some(label)).step_by(stride), Some(label))?;
    }
    let stride = stride(reader.node_count(None));
    seen_all &= stride == 1;
    look(&mut reader.scan_nodes(None).step_by(stride), None)?;
    let mut rows = Rows::new();
    for (labels, seen) in &by_labels {
        let mut names: Vec<Arc<str>> = labels.iter().map(|label| transaction.label_name(*label)).collect();
        names.sort();
        let carriers: Vec<Carrier> = labels.iter().copied().map(Carrier::Label).collect();
        for cells in seen.rows(context, &required_properties(context, &carriers), seen_all) {
            let mut row = vec![Value::text(type_text(&names)), texts_of(names.clone())];
            row.extend(cells);
            rows.push(row);
        }
    }
    rows.sort_by(|a, b| a[0].as_str().cmp(&b[0].as_str()).then_with(|| a[2].as_str().cmp(&b[2].as_str())));
    Ok(rows)
}

fn relationship_type_properties(context: &ExecContext) -> Result<Rows> {
    let transaction = &context.transaction;
    let reader = transaction.graph_reader();
    let mut types = used_types(context, &reader);
    types.sort_by(|a, b| a.1.cmp(&b.1));
    let mut rows = Rows::new();
    for (ty, name) in types {
        let stride = stride(reader.relationship_count(Some(ty)));
        let mut seen = Seen::default();
        for (count, id) in reader.scan_relationships(ty).step_by(stride).enumerate() {
            if count.is_multiple_of(CANCEL_INTERVAL) {
                context.cancel.check()?;
            }
            if let Some(relationship) = transaction.relationship(RelationshipId(id))? {
                seen.add(&relationship.properties);
            }
        }
        let required = required_properties(context, &[Carrier::RelationshipType(ty)]);
        for cells in seen.rows(context, &required, stride == 1) {
            let mut row = vec![Value::text(type_text(std::slice::from_ref(&name)))];
            row.extend(cells);
            rows.push(row);
        }
    }
    Ok(rows)
}
