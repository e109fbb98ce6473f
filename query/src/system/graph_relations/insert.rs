//! INSERT and COPY into `sinew.nodes` and `sinew.edges`.
//!
//! Rows are in column order and of the columns' types. NULL for an id takes the next one; NULL labels and properties are
//! none. Properties are a jsonb object whose members Cypher could store: scalars and lists of scalars; numbers become
//! integers or floats, null members are left out.

use std::sync::Arc;

use rustc_hash::FxHashMap;
use sinew_storage::{
    Json, LabelId, NodeId, PropertyKeyId, RelationshipId, RelationshipTypeId, StorageError, Transaction, Value,
};

use crate::context::ExecContext;
use crate::error::{QueryError, Result, sqlstate};
use crate::functions::args;
use crate::types;

/// Inserts rows of (id, labels, properties); gives their ids in order.
///
/// Errors: 23505 for an id that exists, 22023 for properties that are no object, 22000 for a value that a property
/// cannot hold, 25006 where nothing may be written.
pub fn insert_nodes(context: &ExecContext, rows: &[Vec<Value>]) -> Result<Vec<NodeId>> {
    check_writable(context, "sinew.nodes")?;
    let transaction = &context.transaction;
    let mut names = Names::default();
    let mut ids = Vec::with_capacity(rows.len());
    for row in rows {
        context.cancel.check()?;
        let [id, labels, properties] = row.as_slice() else {
            return Err(QueryError::internal(format!("a node has 3 columns, not {}", row.len())));
        };
        let labels = match labels {
            Value::Null => Vec::new(),
            labels => names.labels(transaction, labels)?,
        };
        let properties = names.properties(transaction, "nodes", properties)?;
        ids.push(match given_id("nodes", id)? {
            Some(id) => {
                transaction.create_node_with_id(NodeId(id), &labels, properties)?;
                NodeId(id)
            }
            None => transaction.create_node(&labels, properties)?,
        });
    }
    Ok(ids)
}

/// Inserts rows of (id, type, source, target, properties); gives their ids in order.
///
/// Errors: as [`insert_nodes`], 23502 for a NULL type or end, 23503 for an end that does not exist.
pub fn insert_edges(context: &ExecContext, rows: &[Vec<Value>]) -> Result<Vec<RelationshipId>> {
    check_writable(context, "sinew.edges")?;
    let transaction = &context.transaction;
    let mut names = Names::default();
    let mut ids = Vec::with_capacity(rows.len());
    for row in rows {
        context.cancel.check()?;
        let [id, ty, source, target, properties] = row.as_slice() else {
            return Err(QueryError::internal(format!("an edge has 5 columns, not {}", row.len())));
        };
        let ty = names.relationship_type(transaction, not_null("type", ty)?)?;
        let (source, target) = (end("source", source)?, end("target", target)?);
        let properties = names.properties(transaction, "edges", properties)?;
        let created = match given_id("edges", id)? {
            Some(id) => {
                let id = RelationshipId(id);
                transaction.create_relationship_with_id(id, ty, source, target, properties).map(|()| id)
            }
            None => transaction.create_relationship(ty, source, target, properties),
        };
        ids.push(created.map_err(|error| missing_end(error, source))?);
    }
    Ok(ids)
}

fn check_writable(context: &ExecContext, relation: &str) -> Result<()> {
    if context.allow_writes {
        return Ok(());
    }
    let message = format!("cannot insert into {relation} in a read-only transaction");
    Err(QueryError::new(sqlstate::READ_ONLY_SQL_TRANSACTION, message))
}

fn given_id(relation: &str, id: &Value) -> Result<Option<u64>> {
    if id.is_null() {
        return Ok(None);
    }
    let id = args::int(id)?;
    let negative = |_| {
        let message = format!("id {id} of a row of sinew.{relation} is negative");
        QueryError::new(sqlstate::INVALID_PARAMETER_VALUE, message)
    };
    u64::try_from(id).map(Some).map_err(negative)
}

fn not_null<'v>(column: &str, value: &'v Value) -> Result<&'v Value> {
    if !value.is_null() {
        return Ok(value);
    }
    let message = format!("null value in column \"{column}\" of relation \"edges\" violates not-null constraint");
    let mut error = QueryError::new(sqlstate::NOT_NULL_VIOLATION, message);
    error.0.schema = Some("sinew".to_owned());
    error.0.table = Some("edges".to_owned());
    error.0.column = Some(column.to_owned());
    Err(error)
}

/// An end by its id; no node has a negative one.
fn end(column: &str, value: &Value) -> Result<NodeId> {
    let id = args::int(not_null(column, value)?)?;
    u64::try_from(id).map(NodeId).map_err(|_| end_does_not_exist(column, &id))
}

fn missing_end(error: StorageError, source: NodeId) -> QueryError {
    match error {
        StorageError::NodeNotFound(id) => end_does_not_exist(if id == source { "source" } else { "target" }, &id),
        other => other.into(),
    }
}

/// PostgreSQL's words for a reference that leads nowhere.
fn end_does_not_exist(column: &str, id: &dyn std::fmt::Display) -> QueryError {
    let constraint = format!("edges_{column}_fkey");
    let message = format!("insert or update on table \"edges\" violates foreign key constraint \"{constraint}\"");
    let mut error = QueryError::new(sqlstate::FOREIGN_KEY_VIOLATION, message)
        .detail(format!("Key ({column})=({id}) is not present in table \"nodes\"."));
    error.0.schema = Some("sinew".to_owned());
    error.0.table = Some("edges".to_owned());
    error.0.constraint = Some(constraint);
    error
}

/// Tokens of the names in one statement's rows, looked up once each.
#[derive(Default)]
struct Names {
    labels: FxHashMap<Arc<str>, LabelId>,
    types: FxHashMap<Arc<str>, RelationshipTypeId>,
    keys: FxHashMap<Arc<str>, PropertyKeyId>,
}

impl Names {
    fn labels(&mut self, transaction: &Transaction, labels: &Value) -> Result<Vec<LabelId>> {
        let mut ids = Vec::new();
        for name in args::texts(labels)? {
            ids.push(token(&mut self.labels, &name, || transaction.ensure_label(&name))?);
        }
        Ok(ids)
    }

    fn relationship_type(&mut self, transaction: &Transaction, name: &Value) -> Result<RelationshipTypeId> {
        let name: Arc<str> = args::text(name)?.into();
        token(&mut self.types, &name, || transaction.ensure_relationship_type(&name))
    }

    fn properties(
        &mut self,
        transaction: &Transaction,
        relation: &str,
        properties: &Value,
    ) -> Result<Vec<(PropertyKeyId, Value)>> {
        if properties.is_null() {
            return Ok(Vec::new());
        }
        let Json::Object(members) = args::json(properties)? else {
            let message = format!("column \"properties\" of sinew.{relation} takes a jsonb object");
            return Err(QueryError::new(sqlstate::INVALID_PARAMETER_VALUE, message));
        };
        let mut out = Vec::with_capacity(members.len());
        for (name, value) in members {
            if *value != Json::Null {
                let key = token(&mut self.keys, name, || transaction.ensure_property_key(name))?;
                out.push((key, types::entity::from_json(value)));
            }
        }
        Ok(out)
    }
}

fn token<T: Copy>(
    known: &mut FxHashMap<Arc<str>, T>,
    name: &Arc<str>,
    ensure: impl FnOnce() -> sinew_storage::Result<T>,
) -> Result<T> {
    if let Some(token) = known.get(name) {
        return Ok(*token);
    }
    let token = ensure()?;
    known.insert(Arc::clone(name), token);
    Ok(token)
}
