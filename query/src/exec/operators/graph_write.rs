//! Writes to the graph: CREATE, SET, REMOVE, DELETE and FOREACH, row by row over a collected input.
//!
//! Each row is widened by scratch columns for what its operations create and for FOREACH's variables; the columns that
//! the clause exports come first. Operations see what earlier ones wrote. Deletions are gathered and carried out at the
//! end of the clause, relationships before nodes, so that `DELETE n, r` needs no order.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::sync::Arc;

use rustc_hash::FxHashSet;
use sinew_storage::catalog::IndexTarget;
use sinew_storage::graph::Direction;
use sinew_storage::value::MapValue;
use sinew_storage::{IndexRange, NodeId, PropertyKeyId, RelationshipId, RelationshipRef, StorageError, Value};

use super::Buffered;
use crate::batch::{Batch, BatchBuilder};
use crate::error::{QueryError, Result, sqlstate};
use crate::exec::expr::{PhysExpr, RowCx, deleted_entity, entity_properties, kind_name, type_error};
use crate::exec::node::{Layout, Node, Operator, Physical};
use crate::exec::run::{Cx, Reservation};

/// One compiled operation. Slots are positions in the widened row.
pub enum PhysWrite {
    CreateNode { slot: usize, labels: Vec<Arc<str>>, properties: Option<PhysExpr> },
    CreateRelationship { slot: usize, ty: PhysExpr, source: usize, target: usize, properties: Option<PhysExpr> },
    SetProperty { entity: PhysExpr, key: Arc<str>, value: PhysExpr },
    SetProperties { entity: PhysExpr, value: PhysExpr, replace: bool },
    SetLabels { entity: PhysExpr, labels: PhysExpr },
    RemoveLabels { entity: PhysExpr, labels: PhysExpr },
    Delete { values: Vec<PhysExpr>, detach: bool },
    Bind { slot: usize, value: PhysExpr },
    Foreach { slot: usize, list: PhysExpr, body: Vec<PhysWrite> },
    Merge(Box<PhysMerge>),
}

/// The parts of a MERGE.
pub struct PhysMerge {
    pub matching: Arc<Node>,
    /// What `matching` reads of the row, in the order of its outer row.
    pub args: Vec<PhysExpr>,
    /// (column of `matching`, slot of the widened row) of each new variable.
    pub columns: Vec<(usize, usize)>,
    pub create: Vec<PhysWrite>,
    pub on_create: Vec<PhysWrite>,
    pub on_match: Vec<PhysWrite>,
}

pub struct GraphWritePlan {
    pub input: Arc<Node>,
    pub operations: Vec<PhysWrite>,
    /// Width of the widened row.
    pub width: usize,
    pub layout: Arc<Layout>,
    pub name: &'static str,
}

impl Physical for GraphWritePlan {
    fn open(self: Arc<Self>, cx: &Cx) -> Result<Box<dyn Operator>> {
        Ok(Box::new(GraphWriteOperator { plan: self, cx: cx.clone(), done: None }))
    }

    fn describe(&self) -> String {
        self.name.to_owned()
    }

    fn children(&self) -> Vec<&Arc<Node>> {
        fn inner<'p>(operations: &'p [PhysWrite], out: &mut Vec<&'p Arc<Node>>) {
            for operation in operations {
                match operation {
                    PhysWrite::Foreach { body, .. } => inner(body, out),
                    PhysWrite::Merge(merge) => out.push(&merge.matching),
                    _ => {}
                }
            }
        }
        let mut children = vec![&self.input];
        inner(&self.operations, &mut children);
        children
    }
}

struct GraphWriteOperator {
    plan: Arc<GraphWritePlan>,
    cx: Cx,
    done: Option<Buffered>,
}

impl GraphWriteOperator {
    fn run(&self) -> Result<Buffered> {
        let (plan, cx) = (&self.plan, &self.cx);
        super::check_writable(cx, "a writing clause")?;
        let (batches, memory) = super::collect(&plan.input, cx)?;
        let mut kept = Reservation::new(&cx.run);
        let mut writer = GraphWriter::new(cx);
        let mut out = RowOutput::new(&plan.layout);
        for batch in batches {
            cx.check_cancel()?;
            for row in 0..batch.row_count {
                let mut row = batch.row(row);
                row.resize(plan.width, Value::Null);
                writer.apply(&plan.operations, &mut row)?;
                out.push(row, &mut kept)?;
            }
        }
        writer.finish()?;
        drop(memory);
        Ok(out.finish(kept))
    }
}

impl Operator for GraphWriteOperator {
    fn next(&mut self) -> Result<Option<Batch>> {
        if self.done.is_none() {
            self.done = Some(self.run()?);
        }
        match &mut self.done {
            Some(done) => done.next(),
            None => Ok(None),
        }
    }
}

/// Collects the exported columns of widened rows.
pub(crate) struct RowOutput {
    width: usize,
    builder: BatchBuilder,
    batches: Vec<Batch>,
}

impl RowOutput {
    pub fn new(layout: &Layout) -> RowOutput {
        RowOutput { width: layout.len(), builder: BatchBuilder::new(Arc::clone(&layout.types)), batches: Vec::new() }
    }

    pub fn push(&mut self, mut row: Vec<Value>, memory: &mut Reservation) -> Result<()> {
        row.truncate(self.width);
        self.builder.push(row);
        if self.builder.is_full()
            && let Some(batch) = self.builder.finish()
        {
            memory.grow(batch.size_bytes())?;
            self.batches.push(batch);
        }
        Ok(())
    }

    pub fn finish(mut self, memory: Reservation) -> Buffered {
        self.batches.extend(self.builder.finish());
        Buffered::new(self.batches, Some(memory))
    }
}

/// Carries out operations; deletions wait for [`Self::finish`].
pub(crate) struct GraphWriter<'a> {
    cx: &'a Cx,
    delete_nodes: Vec<(NodeId, bool)>,
    delete_relationships: Vec<RelationshipId>,
    /// Creating for MERGE: a null property is an error.
    merging: bool,
}

impl<'a> GraphWriter<'a> {
    pub fn new(cx: &'a Cx) -> GraphWriter<'a> {
        GraphWriter { cx, delete_nodes: Vec::new(), delete_relationships: Vec::new(), merging: false }
    }

    pub fn apply(&mut self, operations: &[PhysWrite], row: &mut Vec<Value>) -> Result<()> {
        for operation in operations {
            self.apply_one(operation, row)?;
        }
        Ok(())
    }

    fn apply_one(&mut self, operation: &PhysWrite, row: &mut Vec<Value>) -> Result<()> {
        let cx = self.cx;
        let transaction = cx.transaction();
        match operation {
            PhysWrite::CreateNode { slot, labels, properties } => {
                let properties = self.evaluate_properties(properties.as_ref(), row)?;
                let mut tokens =
                    labels.iter().map(|label| transaction.ensure_label(label)).collect::<Result<Vec<_>, _>>()?;
                tokens.sort_unstable();
                tokens.dedup();
                // What MERGE found missing, somebody else may have committed since the snapshot.
                let wanted = if self.merging { properties.clone() } else { Vec::new() };
                let created = transaction.create_node(&tokens, properties);
                let node = created.or_else(|error| Err(self.merge_error(error, &wanted)?))?;
                row[*slot] = Value::Node(node);
                cx.run.note_write();
            }
            PhysWrite::CreateRelationship { slot, ty, source, target, properties } => {
                let (source, target) = (end_of(&row[*source], "start")?, end_of(&row[*target], "end")?);
                let properties = self.evaluate_properties(properties.as_ref(), row)?;
                let ty = ty.eval(RowCx::of_values(cx, row))?;
                let name = ty.as_str().ok_or_else(|| QueryError::internal("a relationship's type is no text"))?;
                let ty = transaction.ensure_relationship_type(name)?;
                let wanted = if self.merging { properties.clone() } else { Vec::new() };
                let created = transaction.create_relationship(ty, source, target, properties);
                let id = created.or_else(|error| Err(self.merge_error(error, &wanted)?))?;
                row[*slot] = Value::Relationship(RelationshipRef { id, ty, source, target });
                cx.run.note_write();
            }
            PhysWrite::SetProperty { entity, key, value } => {
                let at = RowCx::of_values(cx, row);
                let entity = entity.eval(at)?;
                let value = value.eval(at)?;
                self.change_properties(&entity, |properties, cx| set_property(properties, key, value, cx))?;
            }
            PhysWrite::SetProperties { entity, value, replace } => {
                let at = RowCx::of_values(cx, row);
                let entity = entity.eval(at)?;
                if entity.is_null() {
                    return Ok(());
                }
                let Some(map) = entity_properties(cx, &value.eval(at)?)? else { return Ok(()) };
                self.change_properties(&entity, |properties, cx| {
                    if *replace {
                        properties.clear();
                    }
                    for (key, value) in map.iter() {
                        set_property(properties, key, value.clone(), cx)?;
                    }
                    Ok(())
                })?;
            }
            PhysWrite::SetLabels { entity, labels } => {
                let at = RowCx::of_values(cx, row);
                self.change_labels(&entity.eval(at)?, &labels.eval(at)?, true)?;
            }
            PhysWrite::RemoveLabels { entity, labels } => {
                let at = RowCx::of_values(cx, row);
                self.change_labels(&entity.eval(at)?, &labels.eval(at)?, false)?;
            }
            PhysWrite::Delete { values, detach } => {
                for value in values {
                    let value = value.eval(RowCx::of_values(cx, row))?;
                    self.gather_deletion(&value, *detach)?;
                }
            }
            PhysWrite::Bind { slot, value } => {
                let value = value.eval(RowCx::of_values(cx, row))?;
                row[*slot] = value;
            }
            PhysWrite::Foreach { slot, list, body } => {
                let items = match list.eval(RowCx::of_values(cx, row))? {
                    Value::Null => return Ok(()),
                    Value::List(items) => items,
                    other => {
                        return Err(type_error(
                            format!("FOREACH expects a list, found {}", kind_name(&other)),
                            "InvalidArgumentType",
                        ));
                    }
                };
                for item in items.iter() {
                    cx.check_cancel()?;
                    row[*slot] = item.clone();
                    self.apply(body, row)?;
                }
            }
            PhysWrite::Merge(merge) => {
                self.merge(merge, row, &mut |_| Ok(()))?;
            }
        }
        Ok(())
    }

    /// The error of creating something: for MERGE that the statement is to run again, if what it would have found has been
    /// committed since its snapshot.
    fn merge_error(&self, error: StorageError, properties: &[(PropertyKeyId, Value)]) -> Result<QueryError> {
        match &error {
            StorageError::DuplicateKey { constraint, .. }
                if self.merging && self.is_key_unseen(constraint, properties)? =>
            {
                Ok(QueryError::restart())
            }
            _ => Ok(error.into()),
        }
    }

    /// Whether a unique index shows nothing with the key of `properties` in the statement's snapshot, though it holds it.
    fn is_key_unseen(&self, constraint: &str, properties: &[(PropertyKeyId, Value)]) -> Result<bool> {
        let transaction = self.cx.transaction();
        let catalog = transaction.catalog();
        for index in catalog.indexes.values().filter(|index| index.name == constraint) {
            let keys = match &index.target {
                IndexTarget::Nodes { properties, .. } | IndexTarget::Relationships { properties, .. } => properties,
                IndexTarget::Table { .. } => continue,
            };
            let value = |key: &PropertyKeyId| properties.iter().find(|(known, _)| known == key).map(|(_, v)| v.clone());
            let Some(values) = keys.iter().map(value).collect::<Option<Vec<Value>>>() else { continue };
            let seen = transaction.index_scan(index, &IndexRange::equal(values), false)?.next().transpose()?;
            return Ok(seen.is_none());
        }
        Ok(false)
    }

    /// Runs one MERGE for a row; `emit` gets the widened row of each match, or of what was created.
    pub fn merge(
        &mut self,
        merge: &PhysMerge,
        row: &mut Vec<Value>,
        emit: &mut dyn FnMut(&[Value]) -> Result<()>,
    ) -> Result<()> {
        let cx = self.cx;
        let outer = merge.args.iter().map(|arg| arg.eval(RowCx::of_values(cx, row))).collect::<Result<Vec<_>>>()?;
        let (matches, _memory) = super::collect(&merge.matching, &cx.with_outer(outer))?;
        let mut matched = false;
        for batch in &matches {
            for position in 0..batch.row_count {
                matched = true;
                for (column, slot) in &merge.columns {
                    row[*slot] = batch.columns[*column].value(position);
                }
                self.apply(&merge.on_match, row)?;
                emit(row)?;
            }
        }
        if !matched {
            let outer_merging = std::mem::replace(&mut self.merging, true);
            let created = self.apply(&merge.create, row);
            self.merging = outer_merging;
            created?;
            self.apply(&merge.on_create, row)?;
            emit(row)?;
        }
        Ok(())
    }

    fn evaluate_properties(&self, properties: Option<&PhysExpr>, row: &[Value]) -> Result<Vec<(PropertyKeyId, Value)>> {
        let Some(properties) = properties else { return Ok(Vec::new()) };
        let value = properties.eval(RowCx::of_values(self.cx, row))?;
        let Some(map) = entity_properties(self.cx, &value)? else { return Ok(Vec::new()) };
        self.storable_properties(&map)
    }

    fn storable_properties(&self, map: &MapValue) -> Result<Vec<(PropertyKeyId, Value)>> {
        let mut out = BTreeMap::new();
        for (key, value) in map {
            if value.is_null() {
                if self.merging {
                    return Err(QueryError::new(
                        sqlstate::NULL_VALUE_NOT_ALLOWED,
                        format!("cannot merge a pattern whose property \"{key}\" is null"),
                    )
                    .cypher("SemanticError", "runtime", "MergeReadOwnWrites"));
                }
                continue;
            }
            check_storable(key, value)?;
            out.insert(self.cx.transaction().ensure_property_key(key)?, value.clone());
        }
        Ok(out.into_iter().collect())
    }

    /// Reads an entity's properties, changes them, stores them.
    fn change_properties(
        &self,
        entity: &Value,
        change: impl FnOnce(&mut BTreeMap<PropertyKeyId, Value>, &Cx) -> Result<()>,
    ) -> Result<()> {
        let transaction = self.cx.transaction();
        match entity {
            Value::Null => return Ok(()),
            Value::Node(id) => {
                let record = transaction.node(*id)?.ok_or_else(|| deleted_entity("node", id.0))?;
                let mut properties: BTreeMap<_, _> = record.properties.iter().cloned().collect();
                change(&mut properties, self.cx)?;
                transaction.update_node(*id, &record.labels, properties.into_iter().collect())?;
            }
            Value::Relationship(relationship) => {
                let id = relationship.id;
                let record = transaction.relationship(id)?.ok_or_else(|| deleted_entity("relationship", id.0))?;
                let mut properties: BTreeMap<_, _> = record.properties.iter().cloned().collect();
                change(&mut properties, self.cx)?;
                transaction.update_relationship(id, properties.into_iter().collect())?;
            }
            other => {
                return Err(type_error(
                    format!("SET expects a node or a relationship, found {}", kind_name(other)),
                    "InvalidArgumentType",
                ));
            }
        }
        self.cx.run.note_write();
        Ok(())
    }

    /// `labels` is a list of texts.
    fn change_labels(&self, entity: &Value, labels: &Value, add: bool) -> Result<()> {
        let transaction = self.cx.transaction();
        let id = match entity {
            Value::Null => return Ok(()),
            Value::Node(id) => *id,
            other => {
                return Err(type_error(
                    format!("labels are of nodes, not of {}", kind_name(other)),
                    "InvalidArgumentType",
                ));
            }
        };
        let record = transaction.node(id)?.ok_or_else(|| deleted_entity("node", id.0))?;
        let mut tokens = record.labels.clone();
        let Value::List(labels) = labels else { return Err(QueryError::internal("labels are no list")) };
        for label in labels.iter() {
            let label = label.as_str().ok_or_else(|| QueryError::internal("a label is no text"))?;
            if add {
                tokens.push(transaction.ensure_label(label)?);
            } else if let Some(token) = transaction.label_id(label) {
                tokens.retain(|known| *known != token);
            }
        }
        tokens.sort_unstable();
        tokens.dedup();
        if tokens != record.labels {
            transaction.update_node(id, &tokens, record.properties.clone())?;
            self.cx.run.note_write();
        }
        Ok(())
    }

    fn gather_deletion(&mut self, value: &Value, detach: bool) -> Result<()> {
        match value {
            Value::Null => {}
            Value::Node(id) => self.delete_nodes.push((*id, detach)),
            Value::Relationship(relationship) => self.delete_relationships.push(relationship.id),
            Value::Path(path) => {
                self.delete_relationships.extend(path.relationships.iter().map(|relationship| relationship.id));
                self.delete_nodes.extend(path.nodes.iter().map(|node| (*node, detach)));
            }
            other => {
                return Err(type_error(
                    format!("DELETE expects nodes, relationships and paths, found {}", kind_name(other)),
                    "InvalidArgumentType",
                ));
            }
        }
        Ok(())
    }

    /// Carries out the deletions of the clause.
    pub fn finish(self) -> Result<()> {
        let transaction = self.cx.transaction();
        if self.delete_nodes.is_empty() && self.delete_relationships.is_empty() {
            return Ok(());
        }
        let mut relationships: FxHashSet<RelationshipId> = FxHashSet::default();
        for id in self.delete_relationships {
            if relationships.insert(id) {
                transaction.delete_relationship(id)?;
            }
        }
        let mut nodes: FxHashSet<NodeId> = FxHashSet::default();
        let mut delete_order = Vec::new();
        for (count, (id, detach)) in self.delete_nodes.into_iter().enumerate() {
            if count % 256 == 0 {
                self.cx.check_cancel()?;
            }
            if detach {
                let mut attached = Vec::new();
                transaction.for_each_neighbor(id, Direction::Both, &[], &mut |neighbor| {
                    attached.push(neighbor.relationship);
                    ControlFlow::Continue(())
                })?;
                for relationship in attached {
                    if relationships.insert(relationship) {
                        transaction.delete_relationship(relationship)?;
                    }
                }
            }
            if nodes.insert(id) {
                delete_order.push(id);
            }
        }
        for id in delete_order {
            transaction.delete_node(id).map_err(|error| match error {
                StorageError::NodeHasRelationships { .. } => {
                    QueryError::from(error).hint("Delete its relationships in the same clause, or use DETACH DELETE.")
                }
                other => other.into(),
            })?;
        }
        self.cx.run.note_write();
        Ok(())
    }
}

fn end_of(value: &Value, which: &str) -> Result<NodeId> {
    match value {
        Value::Node(id) => Ok(*id),
        Value::Null => Err(QueryError::new(
            sqlstate::NULL_VALUE_NOT_ALLOWED,
            format!("cannot create a relationship whose {which} node is null"),
        )
        .cypher("SemanticError", "runtime", "InvalidArgumentValue")),
        other => Err(type_error(
            format!("a relationship's {which} must be a node, found {}", kind_name(other)),
            "InvalidArgumentType",
        )),
    }
}

/// NULL removes.
fn set_property(properties: &mut BTreeMap<PropertyKeyId, Value>, key: &str, value: Value, cx: &Cx) -> Result<()> {
    let transaction = cx.transaction();
    if value.is_null() {
        if let Some(token) = transaction.property_key_id(key) {
            properties.remove(&token);
        }
        return Ok(());
    }
    check_storable(key, &value)?;
    properties.insert(transaction.ensure_property_key(key)?, value);
    Ok(())
}

/// Properties hold scalars, vectors, and lists of scalars without nulls.
pub fn is_storable(value: &Value) -> bool {
    unstorable_part(value).is_none()
}

/// The value or its first item that no property holds.
fn unstorable_part(value: &Value) -> Option<&Value> {
    fn is_scalar(value: &Value) -> bool {
        matches!(
            value,
            Value::Bool(_)
                | Value::Int(_)
                | Value::Float(_)
                | Value::Numeric(_)
                | Value::Text(_)
                | Value::Temporal(_)
                | Value::Uuid(_)
                | Value::Vector(_)
        )
    }
    match value {
        Value::List(items) => items.iter().find(|item| !is_scalar(item)),
        other => (!is_scalar(other)).then_some(other),
    }
}

fn check_storable(key: &str, value: &Value) -> Result<()> {
    match unstorable_part(value) {
        None => Ok(()),
        Some(bad) => {
            let inside = if matches!(value, Value::List(_)) { "a list with " } else { "" };
            Err(type_error(format!("property \"{key}\" cannot hold {inside}{}", kind_name(bad)), "InvalidPropertyType"))
        }
    }
}
