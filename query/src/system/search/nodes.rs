//! `search_nodes`: the best nodes under the graph's full-text and vector indexes.

use std::sync::Arc;

use sinew_storage::catalog::{IndexDef, IndexKind, IndexTarget};
use sinew_storage::{DataType, LabelId, NodeId, Value};

use super::fusion::{self, Side};
use super::{
    DEFAULT_K, Fusion, Mode, candidate_count, fusion_argument, k_argument, mode_argument, optional_text, param,
    param_or, text_side, vector_side,
};
use crate::context::{ExecContext, Notice};
use crate::error::{QueryError, Result};
use crate::exec::RowStream;
use crate::functions::{Param, TableFunction, args};
use crate::near_miss::near_miss;
use crate::system::graph_relations::node_row;
use crate::system::rows::{stream_of, types_of};

/// `search_nodes(query, k, label, mode, fusion)`.
#[derive(Debug)]
pub(super) struct SearchNodes {
    params: Vec<Param>,
    columns: Vec<(String, DataType)>,
}

impl SearchNodes {
    pub fn new() -> SearchNodes {
        let columns = [
            ("id", DataType::Int8),
            ("labels", DataType::array_of(DataType::Text)),
            ("properties", DataType::Jsonb),
            ("score", DataType::Float8),
            ("text_rank", DataType::Int8),
            ("vector_rank", DataType::Int8),
        ];
        let params = vec![
            param("query", DataType::Text),
            param_or("k", DataType::Int4, Value::Int(DEFAULT_K)),
            param_or("label", DataType::Text, Value::Null),
            param_or("mode", DataType::Text, Value::text("hybrid")),
            param_or("fusion", DataType::Text, Value::text("standard")),
        ];
        SearchNodes { params, columns: columns.into_iter().map(|(name, ty)| (name.to_owned(), ty)).collect() }
    }
}

impl TableFunction for SearchNodes {
    fn name(&self) -> &str {
        "search_nodes"
    }

    fn description(&self) -> &str {
        "Nodes that match a text best, by full text, vectors or both."
    }

    fn params(&self) -> &[Param] {
        &self.params
    }

    fn columns(&self) -> &[(String, DataType)] {
        &self.columns
    }

    fn call(&self, context: &ExecContext, args: &[Value]) -> Result<Box<dyn RowStream>> {
        let [query, k, label, mode, fusion] = args else {
            return Err(QueryError::internal(format!("search_nodes has 5 arguments, not {}", args.len())));
        };
        let (k, label) = (k_argument(k)?, optional_text(label)?);
        let (mode, fusion) = (mode_argument(mode)?, fusion_argument(fusion)?);
        let rows =
            if query.is_null() { Vec::new() } else { search(context, args::text(query)?, k, label, mode, fusion)? };
        Ok(stream_of(types_of(&self.columns), rows, context.cancel.clone()))
    }

    fn estimated_rows(&self) -> f64 {
        DEFAULT_K as f64
    }
}

fn search(
    context: &ExecContext,
    query: &str,
    k: usize,
    label: Option<&str>,
    mode: Mode,
    fusion: Fusion,
) -> Result<Vec<Vec<Value>>> {
    let transaction = &context.transaction;
    let wanted = match label {
        Some(name) => transaction.label_id(name).map(Some),
        None => Some(None),
    };
    // A label that nothing ever had is in no index.
    let indexes = wanted.map_or_else(Vec::new, |wanted| indexes_over(context, wanted));
    let text_indexes = indexes.iter().filter(|_| mode.uses_text());
    let text_indexes: Vec<_> = text_indexes.filter(|index| matches!(index.kind, IndexKind::FullText { .. })).collect();
    let mut vector_indexes = Vec::new();
    for index in indexes.iter().filter(|_| mode.uses_vectors()) {
        if let Some(vector) = query_vector(context, index, query)? {
            vector_indexes.push((index, vector));
        }
    }
    if text_indexes.is_empty() && vector_indexes.is_empty() {
        notice_missing_index(context, label, mode);
        return Ok(Vec::new());
    }

    let reader = transaction.graph_reader();
    let label = wanted.flatten();
    let has_label = |id: u64| label.is_none_or(|label| reader.node_has_label(NodeId(id), label));
    let filter = label.is_some().then_some(&has_label as &dyn Fn(u64) -> bool);
    let limit = candidate_count(mode, k);
    let mut sides = Vec::new();
    for index in text_indexes {
        sides.push(text_side(context, index, query, limit, filter)?);
    }
    let text = Side::merge(sides, limit);
    let mut sides = Vec::new();
    for (index, vector) in vector_indexes {
        sides.push(vector_side(context, index, &vector, limit, filter)?);
    }
    let vector = Side::merge(sides, limit);

    let mut candidates = match (mode, fusion) {
        (Mode::Text | Mode::Vector, _) => fusion::single(&text, &vector),
        (Mode::Hybrid, Fusion::Standard) => fusion::standardised(&text, &vector),
        (Mode::Hybrid, Fusion::ReciprocalRank) => fusion::reciprocal_rank(&text, &vector),
    };
    candidates.sort_unstable_by(|a, b| b.score.total_cmp(&a.score).then(a.id.cmp(&b.id)));
    candidates.truncate(k);
    let mut rows = Vec::with_capacity(candidates.len());
    for candidate in candidates {
        context.cancel.check()?;
        if let Some(mut row) = node_row(context, NodeId(candidate.id))? {
            row.extend([
                Value::Float(candidate.score),
                Value::from(candidate.text_rank),
                Value::from(candidate.vector_rank),
            ]);
            rows.push(row);
        }
    }
    Ok(rows)
}

/// Search indexes over nodes, of one label or all.
fn indexes_over(context: &ExecContext, label: Option<LabelId>) -> Vec<Arc<IndexDef>> {
    let covers = |index: &&Arc<IndexDef>| match &index.target {
        IndexTarget::Nodes { labels, .. } => label.is_none_or(|label| labels.contains(&label)),
        _ => false,
    };
    let catalog = context.transaction.catalog();
    catalog.indexes.values().filter(covers).cloned().collect()
}

/// The query as an index's vectors are: by its own embedder, or by the session's when the dimensions are those of
/// `embed()`. None for an index that a text cannot be searched in.
fn query_vector(context: &ExecContext, index: &IndexDef, query: &str) -> Result<Option<Vec<f32>>> {
    let IndexKind::Vector(options) = &index.kind else { return Ok(None) };
    if options.embedder.is_some() {
        return Ok(Some(context.transaction.embed_for(index, query)?));
    }
    let embedder = &context.session.embedder;
    Ok((embedder.dimension_count() == options.dimension_count).then(|| embedder.embed(query)))
}

/// Says why nothing was searched, and what would change that.
fn notice_missing_index(context: &ExecContext, label: Option<&str>, mode: Mode) {
    let kind = if mode == Mode::Vector { "vector" } else { "full-text" };
    let of = label.map_or_else(|| "nodes".to_owned(), |label| format!("nodes with label \"{label}\""));
    let known = context.transaction.label_names();
    let near = label
        .filter(|label| context.transaction.label_id(label).is_none())
        .and_then(|label| near_miss(label, known.iter().map(|name| &**name)));
    let pattern = label.map_or_else(|| "Label".to_owned(), quoted);
    let statement = if mode == Mode::Vector {
        format!("CREATE VECTOR INDEX name FOR (n:{pattern}) ON (n.property)")
    } else {
        format!("CREATE FULLTEXT INDEX name FOR (n:{pattern}) ON EACH [n.property]")
    };
    context.session.send_notice(Notice {
        severity: "NOTICE",
        sqlstate: "00000",
        message: format!("no {kind} index covers {of}, so nothing was searched"),
        hint: Some(match near {
            Some(near) => format!("perhaps you meant the label \"{near}\""),
            None => format!("create one with {statement}"),
        }),
    });
}

/// A label as Cypher reads it.
fn quoted(name: &str) -> String {
    let plain = name.chars().enumerate().all(|(at, c)| c == '_' || c.is_alphabetic() || (at > 0 && c.is_numeric()));
    if plain && !name.is_empty() { name.to_owned() } else { format!("`{}`", name.replace('`', "``")) }
}
