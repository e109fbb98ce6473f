//! `sinew.nodes` and `sinew.edges`: the graph as two relations. They are read like tables; INSERT and COPY create
//! entities, one procedure call a row; UPDATE and DELETE belong to Cypher.

use std::collections::BTreeSet;
use std::sync::Arc;

use sinew_storage::catalog::{ColumnDef, TableBehaviour, TableDef};
use sinew_storage::ids::{ColumnId, NodeId, RelationId, RelationshipId};
use sinew_storage::{DataType, IdScan, Json, Transaction, Value};

use super::rows::{batch_of, stream_rows};
use crate::batch::{BATCH_ROWS, Batch};
use crate::context::{EvalContext, ExecContext};
use crate::error::{QueryError, Result, sqlstate};
use crate::exec::RowStream;
use crate::functions::{Param, TableFunction};
use crate::types;
use crate::types::json::graph_float;

pub const NAMES: &[&str] = &["nodes", "edges"];

/// One of the two graph relations.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GraphRelation {
    Nodes,
    Edges,
}

/// The relation that INSERT and COPY may write.
pub fn writable(schema: &str, name: &str) -> Option<GraphRelation> {
    match (schema, name) {
        ("sinew", "nodes") => Some(GraphRelation::Nodes),
        ("sinew", "edges") => Some(GraphRelation::Edges),
        _ => None,
    }
}

pub fn relation(name: &str) -> Option<Arc<dyn TableFunction>> {
    let relation = writable("sinew", name)?;
    Some(Arc::new(GraphScan { relation, columns: relation.columns() }))
}

impl GraphRelation {
    pub fn name(self) -> &'static str {
        match self {
            GraphRelation::Nodes => "sinew.nodes",
            GraphRelation::Edges => "sinew.edges",
        }
    }

    pub fn columns(self) -> Vec<(String, DataType)> {
        let columns: &[(&str, DataType)] = match self {
            GraphRelation::Nodes => {
                &[("id", DataType::Int8), ("labels", DataType::Unknown), ("properties", DataType::Jsonb)]
            }
            GraphRelation::Edges => &[
                ("id", DataType::Int8),
                ("type", DataType::Text),
                ("source", DataType::Int8),
                ("target", DataType::Int8),
                ("properties", DataType::Jsonb),
            ],
        };
        columns
            .iter()
            .map(|(name, ty)| {
                let ty = if *ty == DataType::Unknown { DataType::array_of(DataType::Text) } else { ty.clone() };
                ((*name).to_owned(), ty)
            })
            .collect()
    }

    /// A definition to bind INSERT and COPY against; nothing is stored under it.
    pub fn table(self) -> TableDef {
        let columns: Vec<ColumnDef> = self
            .columns()
            .into_iter()
            .enumerate()
            .map(|(index, (name, ty))| ColumnDef {
                id: ColumnId(index as u16 + 1),
                name,
                ty,
                not_null: false,
                default: None,
                identity: None,
                virtual_expression: None,
                comment: None,
            })
            .collect();
        TableDef {
            id: RelationId(0),
            schema: "sinew".to_owned(),
            name: self.name().trim_start_matches("sinew.").to_owned(),
            next_column_id: columns.len() as u16 + 1,
            columns,
            checks: Vec::new(),
            foreign_keys: Vec::new(),
            behaviour: TableBehaviour::Plain,
            version: 0,
            comment: None,
            options: Vec::new(),
            materialized: None,
        }
    }

    /// How to say an UPDATE or DELETE in Cypher.
    pub fn write_hint(self, what: &str) -> &'static str {
        match (self, what) {
            (GraphRelation::Nodes, "DELETE") => "Use Cypher: MATCH (n) WHERE id(n) = … DETACH DELETE n.",
            (GraphRelation::Nodes, _) => "Use Cypher: MATCH (n) WHERE id(n) = … SET n.property = ….",
            (GraphRelation::Edges, "DELETE") => "Use Cypher: MATCH ()-[r]->() WHERE id(r) = … DELETE r.",
            (GraphRelation::Edges, _) => "Use Cypher: MATCH ()-[r]->() WHERE id(r) = … SET r.property = ….",
        }
    }

    /// Creates one entity from one row of the relation and gives the row back, complete.
    pub fn insert_procedure(self) -> Arc<dyn TableFunction> {
        let columns = self.columns();
        let params = columns
            .iter()
            .map(|(name, ty)| Param { name: parameter_name(name), ty: ty.clone(), default: Some(Value::Null) })
            .collect();
        Arc::new(GraphInsert { relation: self, params, columns })
    }
}

fn parameter_name(column: &str) -> &'static str {
    match column {
        "id" => "id",
        "labels" => "labels",
        "type" => "type",
        "source" => "source",
        "target" => "target",
        _ => "properties",
    }
}

#[derive(Debug)]
struct GraphScan {
    relation: GraphRelation,
    columns: Vec<(String, DataType)>,
}

impl TableFunction for GraphScan {
    fn name(&self) -> &str {
        self.relation.name()
    }

    fn params(&self) -> &[Param] {
        &[]
    }

    fn columns(&self) -> &[(String, DataType)] {
        &self.columns
    }

    fn call(&self, context: &ExecContext, _args: &[Value]) -> Result<Box<dyn RowStream>> {
        Ok(Box::new(GraphRows {
            relation: self.relation,
            types: self.columns.iter().map(|(_, ty)| ty.clone()).collect(),
            next: Some(0),
            ids: Vec::new().into_iter(),
            context: context.clone(),
        }))
    }

    fn estimated_rows(&self) -> f64 {
        10_000.0
    }
}

/// Ids are collected first: they are eight bytes each, and the scan borrows the transaction.
struct GraphRows {
    relation: GraphRelation,
    types: Vec<DataType>,
    /// Some until the ids were collected.
    next: Option<u64>,
    ids: std::vec::IntoIter<u64>,
    context: ExecContext,
}

impl RowStream for GraphRows {
    fn next_batch(&mut self) -> Result<Option<Batch>> {
        self.context.cancel.check()?;
        if self.next.take().is_some() {
            let scan: IdScan<'_> = match self.relation {
                GraphRelation::Nodes => self.context.transaction.scan_nodes(None)?,
                GraphRelation::Edges => self.context.transaction.scan_relationships(None)?,
            };
            self.ids = scan.collect::<Result<Vec<u64>, _>>()?.into_iter();
        }
        loop {
            let ids: Vec<u64> = self.ids.by_ref().take(BATCH_ROWS).collect();
            if ids.is_empty() {
                return Ok(None);
            }
            let mut rows = Vec::with_capacity(ids.len());
            for id in ids {
                let row = match self.relation {
                    GraphRelation::Nodes => node_row(&self.context, NodeId(id))?,
                    GraphRelation::Edges => edge_row(&self.context, RelationshipId(id))?,
                };
                rows.extend(row);
            }
            if !rows.is_empty() {
                return Ok(Some(batch_of(&self.types, rows)));
            }
            self.context.cancel.check()?;
        }
    }
}

/// id, labels, properties; None when the node is gone.
pub fn node_row(context: &ExecContext, id: NodeId) -> Result<Option<Vec<Value>>> {
    let transaction = &context.transaction;
    let Some(node) = transaction.node(id)? else { return Ok(None) };
    let labels = node.labels.iter().map(|label| Value::Text(transaction.label_name(*label))).collect();
    Ok(Some(vec![Value::Int(id.0 as i64), Value::list(labels), properties(context, &node.properties)?]))
}

/// id, type, source, target, properties; None when the relationship is gone.
pub fn edge_row(context: &ExecContext, id: RelationshipId) -> Result<Option<Vec<Value>>> {
    let transaction = &context.transaction;
    let Some(edge) = transaction.relationship(id)? else { return Ok(None) };
    Ok(Some(vec![
        Value::Int(id.0 as i64),
        Value::Text(transaction.relationship_type_name(edge.ty)),
        Value::Int(edge.source.0 as i64),
        Value::Int(edge.target.0 as i64),
        properties(context, &edge.properties)?,
    ]))
}

fn properties(context: &ExecContext, properties: &[(sinew_storage::ids::PropertyKeyId, Value)]) -> Result<Value> {
    let eval = EvalContext::new(context);
    let mut members: Vec<(Arc<str>, Json)> = Vec::with_capacity(properties.len());
    for (key, value) in properties {
        members.push((context.transaction.property_key_name(*key), types::to_json(&eval, value)?));
    }
    members.sort_by(|(a, _), (b, _)| a.len().cmp(&b.len()).then_with(|| a.cmp(b)));
    Ok(Value::json(Json::Object(members)))
}

#[derive(Debug)]
struct GraphInsert {
    relation: GraphRelation,
    params: Vec<Param>,
    columns: Vec<(String, DataType)>,
}

impl TableFunction for GraphInsert {
    fn name(&self) -> &str {
        match self.relation {
            GraphRelation::Nodes => "insert into sinew.nodes",
            GraphRelation::Edges => "insert into sinew.edges",
        }
    }

    fn params(&self) -> &[Param] {
        &self.params
    }

    fn columns(&self) -> &[(String, DataType)] {
        &self.columns
    }

    fn writes(&self) -> bool {
        true
    }

    fn counts_rows(&self) -> bool {
        true
    }

    fn call(&self, context: &ExecContext, args: &[Value]) -> Result<Box<dyn RowStream>> {
        if !context.allow_writes {
            return Err(QueryError::new(
                sqlstate::READ_ONLY_SQL_TRANSACTION,
                format!("cannot insert into {} in a read-only context", self.relation.name()),
            ));
        }
        let row = match self.relation {
            GraphRelation::Nodes => insert_node(context, args)?,
            GraphRelation::Edges => insert_edge(context, args)?,
        };
        // Nothing of this statement will complete the row, and here it is known which one it is.
        context.transaction.check_graph_constraints()?;
        Ok(stream_rows(context, &self.columns, vec![row]))
    }

    fn estimated_rows(&self) -> f64 {
        1.0
    }
}

fn insert_node(context: &ExecContext, args: &[Value]) -> Result<Vec<Value>> {
    let transaction: &Transaction = &context.transaction;
    let mut labels = BTreeSet::new();
    match &args[1] {
        Value::Null => {}
        Value::List(items) => {
            for item in items.iter() {
                let Some(name) = item.as_str().filter(|name| !name.is_empty()) else {
                    return Err(QueryError::new(
                        sqlstate::INVALID_PARAMETER_VALUE,
                        "labels of a node must be non-empty text",
                    ));
                };
                labels.insert(transaction.ensure_label(name)?);
            }
        }
        _ => return Err(QueryError::new(sqlstate::DATATYPE_MISMATCH, "labels of a node must be text[]")),
    }
    let labels: Vec<_> = labels.into_iter().collect();
    let properties = stored_properties(transaction, &args[2])?;
    let id = match &args[0] {
        Value::Int(id) => {
            let id = u64::try_from(*id).map(NodeId).map_err(|_| {
                QueryError::new(sqlstate::INVALID_PARAMETER_VALUE, format!("node id {id} must not be negative"))
            })?;
            transaction.create_node_with_id(id, &labels, properties)?;
            id
        }
        _ => transaction.create_node(&labels, properties)?,
    };
    node_row(context, id)?.ok_or_else(|| QueryError::internal("a node is gone right after it was created"))
}

fn insert_edge(context: &ExecContext, args: &[Value]) -> Result<Vec<Value>> {
    let transaction: &Transaction = &context.transaction;
    if !args[0].is_null() {
        return Err(QueryError::unsupported("inserting a relationship with a given id")
            .hint("Leave out the column id; ids of relationships are given by the engine."));
    }
    let missing = |column: &str| {
        let mut error = QueryError::new(
            sqlstate::NOT_NULL_VIOLATION,
            format!("null value in column \"{column}\" of relation \"edges\" violates not-null constraint"),
        );
        error.0.schema = Some("sinew".to_owned());
        error.0.table = Some("edges".to_owned());
        error.0.column = Some(column.to_owned());
        error
    };
    let name = args[1].as_str().filter(|name| !name.is_empty()).ok_or_else(|| missing("type"))?;
    let end = |value: &Value, column: &str| {
        let id = value.as_int().ok_or_else(|| missing(column))?;
        u64::try_from(id).map(NodeId).map_err(|_| {
            QueryError::new(sqlstate::INVALID_PARAMETER_VALUE, format!("node id {id} must not be negative"))
        })
    };
    let (source, target) = (end(&args[2], "source")?, end(&args[3], "target")?);
    let ty = transaction.ensure_relationship_type(name)?;
    let properties = stored_properties(transaction, &args[4])?;
    let id = transaction.create_relationship(ty, source, target, properties)?;
    edge_row(context, id)?.ok_or_else(|| QueryError::internal("a relationship is gone right after it was created"))
}

/// Properties out of a jsonb object, as Cypher would store them; JSON nulls are left out.
fn stored_properties(
    transaction: &Transaction,
    value: &Value,
) -> Result<Vec<(sinew_storage::ids::PropertyKeyId, Value)>> {
    let json = match value {
        Value::Null => return Ok(Vec::new()),
        Value::Json(json) => json,
        _ => return Err(not_an_object()),
    };
    let Json::Object(members) = &**json else { return Err(not_an_object()) };
    let mut properties = Vec::with_capacity(members.len());
    for (key, value) in members {
        if let Some(value) = property_value(key, value, true)? {
            properties.push((transaction.ensure_property_key(key)?, value));
        }
    }
    properties.sort_by_key(|(key, _)| *key);
    Ok(properties)
}

fn not_an_object() -> QueryError {
    QueryError::new(sqlstate::INVALID_PARAMETER_VALUE, "properties must be a JSON object")
}

/// A property's value: a scalar, or a list of scalars of one kind.
fn property_value(key: &str, json: &Json, outermost: bool) -> Result<Option<Value>> {
    Ok(Some(match json {
        Json::Null if outermost => return Ok(None),
        Json::Bool(value) => Value::Bool(*value),
        Json::Int(value) => Value::Int(*value),
        Json::Decimal(value) => Value::Float(
            graph_float(value).map_err(|error| error.detail(format!("It is the value of property \"{key}\".")))?,
        ),
        Json::String(value) => Value::Text(value.clone()),
        Json::Array(items) if outermost => {
            let mut values = Vec::with_capacity(items.len());
            for item in items {
                values.extend(property_value(key, item, false)?);
            }
            let kind = values.first().map(std::mem::discriminant);
            if values.iter().any(|value| Some(std::mem::discriminant(value)) != kind) {
                return Err(unstorable(key, "a list of values of different kinds"));
            }
            Value::list(values)
        }
        Json::Null => return Err(unstorable(key, "a list with null in it")),
        Json::Array(_) => return Err(unstorable(key, "a list of lists")),
        Json::Object(_) => return Err(unstorable(key, "an object")),
    }))
}

fn unstorable(key: &str, what: &str) -> QueryError {
    QueryError::new(
        sqlstate::INVALID_PARAMETER_VALUE,
        format!("property \"{key}\" is {what}, which a property cannot hold"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_values_become_properties_or_are_refused() {
        let text = Json::String("a".into());
        assert_eq!(property_value("k", &Json::Null, true).expect("left out"), None);
        assert_eq!(property_value("k", &text, true).expect("text"), Some(Value::text("a")));
        let number = |text: &str| Json::Decimal(text.parse().expect("a number"));
        for (kept, float) in [("1e20", 1e20), ("0.5", 0.5), ("9223372036854775808.0", 9_223_372_036_854_775_808.0)] {
            assert_eq!(property_value("k", &number(kept), true).expect(kept), Some(Value::Float(float)));
        }
        for rounded in ["9223372036854775808", "99999999999999999999", "-9223372036854775809"] {
            assert_eq!(property_value("k", &number(rounded), true).expect_err(rounded).sqlstate(), "22003");
        }
        let list = Json::Array(vec![Json::Int(1), Json::Int(2)]);
        let expected = Value::list(vec![Value::Int(1), Value::Int(2)]);
        assert_eq!(property_value("k", &list, true).expect("list"), Some(expected));
        for bad in [
            Json::Array(vec![Json::Int(1), text.clone()]),
            Json::Array(vec![Json::Null]),
            Json::Array(vec![Json::Array(Vec::new())]),
            Json::Object(Vec::new()),
        ] {
            assert_eq!(property_value("k", &bad, true).expect_err("refused").sqlstate(), "22023");
        }
    }

    #[test]
    fn the_relations_have_the_columns_users_rely_on() {
        let names = |relation: GraphRelation| relation.columns().into_iter().map(|(name, _)| name).collect::<Vec<_>>();
        assert_eq!(names(GraphRelation::Nodes), ["id", "labels", "properties"]);
        assert_eq!(names(GraphRelation::Edges), ["id", "type", "source", "target", "properties"]);
        assert_eq!(GraphRelation::Nodes.table().columns.len(), 3);
    }
}
