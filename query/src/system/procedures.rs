//! Neo4j's procedures: searching an index by name, what names the graph uses, what it looks like (`schema`), and what the
//! server says of itself (`server`).
//!
//! Scores are Neo4j's: BM25 of full text; for vectors (1 + cosine) / 2, 1 / (1 + d²) under Euclidean distance, and
//! Lucene's maximum inner product, which keeps negative products between 0 and 1.

mod schema;
mod server;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use sinew_storage::catalog::{Catalog, IndexDef, IndexKind, IndexTarget, VectorMetric};
use sinew_storage::search::{SearchHit, TextQueryMode};
use sinew_storage::{DataType, Json, LabelId, NodeId, RelationshipId, RelationshipRef, RelationshipTypeId, Value};

use super::rows::{stream_of, types_of};
use super::search::search_width;
use crate::context::ExecContext;
use crate::cypher::errors::near_miss;
use crate::error::{QueryError, Result, sqlstate};
use crate::exec::RowStream;
use crate::functions::{FunctionRegistry, Param, TableFunction, args};
use crate::types;

/// Registers this module's functions.
pub(super) fn register(registry: &FunctionRegistry) {
    for procedure in all().into_iter().chain(schema::all()).chain(server::all()) {
        registry.register_table_function(Arc::new(procedure));
    }
}

fn all() -> Vec<Procedure> {
    let param = |name, ty| Param { name, ty, default: None };
    let text_params = || {
        let options = Param { name: "options", ty: DataType::Map, default: Some(Value::Map(Arc::default())) };
        vec![param("indexName", DataType::Text), param("queryString", DataType::Text), options]
    };
    let vector_params = || {
        vec![
            param("indexName", DataType::Text),
            param("numberOfNearestNeighbours", DataType::Int8),
            param("query", DataType::Any),
        ]
    };
    let node = || vec![("node", DataType::Node), ("score", DataType::Float8)];
    let relationship = || vec![("relationship", DataType::Relationship), ("score", DataType::Float8)];
    let name = |column| vec![(column, DataType::Text)];
    vec![
        Procedure::new(
            "db.index.fulltext.queryNodes",
            "Nodes that a full-text index finds, the best first.",
            text_params(),
            node(),
            |context, args| entities(context, Kind::Nodes, &text_query(context, Kind::Nodes, args)?),
        ),
        Procedure::new(
            "db.index.fulltext.queryRelationships",
            "Relationships that a full-text index finds, the best first.",
            text_params(),
            relationship(),
            |context, args| entities(context, Kind::Relationships, &text_query(context, Kind::Relationships, args)?),
        ),
        Procedure::new(
            "db.index.vector.queryNodes",
            "Nodes whose vectors are nearest to one, the nearest first.",
            vector_params(),
            node(),
            |context, args| entities(context, Kind::Nodes, &vector_query(context, Kind::Nodes, args)?),
        ),
        Procedure::new(
            "db.index.vector.queryRelationships",
            "Relationships whose vectors are nearest to one, the nearest first.",
            vector_params(),
            relationship(),
            |context, args| entities(context, Kind::Relationships, &vector_query(context, Kind::Relationships, args)?),
        ),
        Procedure::new("db.labels", "The labels that nodes carry.", Vec::new(), name("label"), |context, _| {
            let reader = context.transaction.graph_reader();
            let names = (0..).map(LabelId).zip(context.transaction.label_names());
            Ok(texts(names.filter(|(id, _)| reader.node_count(Some(*id)) > 0).map(|(_, name)| name)))
        }),
        Procedure::new(
            "db.relationshipTypes",
            "The types that relationships have.",
            Vec::new(),
            name("relationshipType"),
            |context, _| {
                let reader = context.transaction.graph_reader();
                let names = (0..).map(RelationshipTypeId).zip(context.transaction.relationship_type_names());
                Ok(texts(names.filter(|(id, _)| reader.relationship_count(Some(*id)) > 0).map(|(_, name)| name)))
            },
        ),
        Procedure::new(
            "db.propertyKeys",
            "The names of properties, also of those that no longer exist.",
            Vec::new(),
            name("propertyKey"),
            |context, _| Ok(texts(context.transaction.property_key_names().into_iter())),
        ),
    ]
}

type Rows = Vec<Vec<Value>>;

#[derive(Debug)]
struct Procedure {
    name: &'static str,
    description: &'static str,
    params: Vec<Param>,
    columns: Vec<(String, DataType)>,
    run: fn(&ExecContext, &[Value]) -> Result<Rows>,
}

impl Procedure {
    fn new(
        name: &'static str,
        description: &'static str,
        params: Vec<Param>,
        columns: Vec<(&'static str, DataType)>,
        run: fn(&ExecContext, &[Value]) -> Result<Rows>,
    ) -> Procedure {
        let columns = columns.into_iter().map(|(name, ty)| (name.to_owned(), ty)).collect();
        Procedure { name, description, params, columns, run }
    }
}

impl TableFunction for Procedure {
    fn name(&self) -> &str {
        self.name
    }

    fn description(&self) -> &str {
        self.description
    }

    fn params(&self) -> &[Param] {
        &self.params
    }

    fn columns(&self) -> &[(String, DataType)] {
        &self.columns
    }

    fn call(&self, context: &ExecContext, args: &[Value]) -> Result<Box<dyn RowStream>> {
        if args.len() != self.params.len() {
            let message = format!("{} has {} arguments, not {}", self.name, self.params.len(), args.len());
            return Err(QueryError::internal(message));
        }
        let rows = (self.run)(context, args)?;
        Ok(stream_of(types_of(&self.columns), rows, context.cancel.clone()))
    }

    fn estimated_rows(&self) -> f64 {
        50.0
    }
}

fn texts(names: impl Iterator<Item = Arc<str>>) -> Rows {
    names.map(|name| vec![Value::Text(name)]).collect()
}

/// What an index is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Nodes,
    Relationships,
}

impl Kind {
    fn of(target: &IndexTarget) -> Option<Kind> {
        match target {
            IndexTarget::Nodes { .. } => Some(Kind::Nodes),
            IndexTarget::Relationships { .. } => Some(Kind::Relationships),
            IndexTarget::Table { .. } => None,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Kind::Nodes => "nodes",
            Kind::Relationships => "relationships",
        }
    }

    /// Nodes or relationships there are: no search gives more.
    fn count(self, context: &ExecContext) -> Result<usize> {
        let count = match self {
            Kind::Nodes => context.transaction.node_count(None)?,
            Kind::Relationships => context.transaction.relationship_count(None)?,
        };
        Ok(usize::try_from(count).unwrap_or(usize::MAX))
    }
}

/// Rows of (entity, score).
fn entities(context: &ExecContext, kind: Kind, hits: &[SearchHit]) -> Result<Rows> {
    let mut rows = Vec::with_capacity(hits.len());
    for hit in hits {
        let entity = match kind {
            Kind::Nodes => Value::Node(NodeId(hit.id)),
            Kind::Relationships => {
                context.cancel.check()?;
                let id = RelationshipId(hit.id);
                let Some((ty, source, target)) = context.transaction.relationship_ends(id)? else { continue };
                Value::Relationship(RelationshipRef { id, ty, source, target })
            }
        };
        rows.push(vec![entity, Value::Float(hit.score)]);
    }
    Ok(rows)
}

fn invalid(message: impl Into<String>) -> QueryError {
    QueryError::new(sqlstate::INVALID_PARAMETER_VALUE, message)
}

/// A search index over `kind` by name. 42704 with the near miss; 22023 for an index of another kind.
fn find_index(context: &ExecContext, name: &Value, kind: Kind, full_text: bool) -> Result<Arc<IndexDef>> {
    let wanted = if full_text { "full-text" } else { "vector" };
    if name.is_null() {
        return Err(invalid(format!("the name of a {wanted} index is null")));
    }
    let name = args::text(name)?;
    let catalog = context.transaction.catalog();
    let fits = |index: &IndexDef| {
        let right_structure = match index.kind {
            IndexKind::FullText { .. } => full_text,
            IndexKind::Vector(_) => !full_text,
            IndexKind::Ordered { .. } => false,
        };
        right_structure && Kind::of(&index.target) == Some(kind)
    };
    let Some(index) = index_by_name(&catalog, name) else {
        let error = QueryError::new(sqlstate::UNDEFINED_OBJECT, format!("index \"{name}\" does not exist"));
        let graph_indexes = catalog.indexes.values().filter(|index| fits(index)).map(|index| index.name.as_str());
        return Err(match near_miss(name, graph_indexes) {
            Some(near) => error.hint(format!("did you mean \"{near}\"?")),
            None => error,
        });
    };
    if fits(index) {
        return Ok(Arc::clone(index));
    }
    let structure = match index.kind {
        IndexKind::Ordered { .. } => "an ordered",
        IndexKind::FullText { .. } => "a full-text",
        IndexKind::Vector(_) => "a vector",
    };
    let over = Kind::of(&index.target).map_or("a table", Kind::name);
    Err(invalid(format!(
        "index \"{name}\" is {structure} index over {over}, not a {wanted} index over {}",
        kind.name()
    )))
}

/// Graph indexes live in schema `sinew`; one of another schema is found to say what is wrong with it.
fn index_by_name<'c>(catalog: &'c Catalog, name: &str) -> Option<&'c Arc<IndexDef>> {
    catalog.index("sinew", name).or_else(|| catalog.indexes.values().find(|index| index.name == name))
}

fn text_query(context: &ExecContext, kind: Kind, args: &[Value]) -> Result<Vec<SearchHit>> {
    let index = find_index(context, &args[0], kind, true)?;
    if args[1].is_null() {
        return Err(invalid("the query of a full-text search is null"));
    }
    let options = TextOptions::new(&args[2])?;
    let count = kind.count(context)?;
    let limit = options.limit.unwrap_or(count).saturating_add(options.skip).min(count);
    let query = args::text(&args[1])?;
    let mut hits = context.transaction.text_search(&index, query, TextQueryMode::Syntax, limit, None)?;
    hits.drain(..options.skip.min(hits.len()));
    Ok(hits)
}

/// The options of a full-text query: `skip` and `limit`.
#[derive(Debug, Default)]
struct TextOptions {
    skip: usize,
    limit: Option<usize>,
}

impl TextOptions {
    fn new(value: &Value) -> Result<TextOptions> {
        let from_json;
        let map = match value {
            Value::Null => return Ok(TextOptions::default()),
            Value::Map(map) => map,
            Value::Json(json) => match types::entity::from_json(json) {
                Value::Map(map) => {
                    from_json = map;
                    &from_json
                }
                _ => return Err(invalid("the options of a full-text search must be a map")),
            },
            _ => return Err(invalid("the options of a full-text search must be a map")),
        };
        let mut options = TextOptions::default();
        for (name, value) in map.iter() {
            let number = || {
                let number = value.as_int().and_then(|number| usize::try_from(number).ok());
                number.ok_or_else(|| invalid(format!("option {name} must be an integer of at least 0")))
            };
            match &**name {
                "skip" => options.skip = number()?,
                "limit" => options.limit = Some(number()?),
                "analyzer" => return Err(QueryError::unsupported("option analyzer of a full-text query")),
                other => {
                    let error = invalid(format!("unrecognized option \"{other}\" of a full-text query"));
                    return Err(error.hint("options are skip and limit"));
                }
            }
        }
        Ok(options)
    }
}

fn vector_query(context: &ExecContext, kind: Kind, args: &[Value]) -> Result<Vec<SearchHit>> {
    let index = find_index(context, &args[0], kind, false)?;
    let IndexKind::Vector(options) = &index.kind else {
        return Err(QueryError::internal(format!("index \"{}\" is not a vector index", index.name)));
    };
    let k = if args[1].is_null() { None } else { usize::try_from(args::int(&args[1])?).ok() };
    let Some(k) = k.filter(|k| *k > 0) else {
        return Err(invalid("numberOfNearestNeighbours must be at least 1"));
    };
    let query = query_vector(context, &index, options.embedder.is_some(), &args[2])?;
    let k = k.min(kind.count(context)?);
    if k == 0 || (options.metric == VectorMetric::Cosine && query.iter().all(|x| *x == 0.0)) {
        return Ok(Vec::new());
    }
    let mut hits = context.transaction.vector_search(&index, &query, k, search_width(context).max(k), None)?;
    for hit in &mut hits {
        hit.score = vector_score(options.metric, hit.score);
    }
    Ok(hits)
}

/// Neo4j's score of a distance.
fn vector_score(metric: VectorMetric, distance: f64) -> f64 {
    match metric {
        VectorMetric::Cosine => 1.0 - distance / 2.0,
        VectorMetric::Euclidean => 1.0 / (1.0 + distance * distance),
        // The distance is the negative product.
        VectorMetric::InnerProduct if distance > 0.0 => 1.0 / (1.0 + distance),
        VectorMetric::InnerProduct => 1.0 - distance,
    }
}

/// A vector, a list of numbers (also as jsonb), or a text: embedded where the index embeds, read as a vector otherwise.
fn query_vector(context: &ExecContext, index: &IndexDef, embeds: bool, value: &Value) -> Result<Vec<f32>> {
    let not_a_vector = || invalid("the query of a vector search must be a vector or a list of numbers");
    match value {
        Value::Vector(vector) => Ok(vector.to_vec()),
        Value::List(items) => {
            items.iter().map(|item| Ok(args::float(item).map_err(|_| not_a_vector())? as f32)).collect()
        }
        Value::Json(json) if matches!(**json, Json::Array(_)) => {
            query_vector(context, index, embeds, &types::entity::from_json(json))
        }
        Value::Text(text) if embeds => Ok(context.transaction.embed_for(index, text)?),
        Value::Text(text) => types::vector::input(text),
        _ => Err(not_a_vector()),
    }
}
