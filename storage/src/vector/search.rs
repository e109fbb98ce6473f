//! From rows to vectors, the evaluated tail, and one search over base and tail.

use std::sync::Arc;

use rustc_hash::FxHashSet;

use super::NearestHeap;
use super::base::VectorBase;
use super::exact::PreparedQuery;
use crate::catalog::{IndexDef, IndexKind, VectorIndexOptions, VectorMetric};
use crate::derived::{IndexSource, IndexedValues, RowReader, find_embedder};
use crate::embed::Embedder;
use crate::error::{Result, StorageError};
use crate::ids::Lsn;
use crate::search::{IdFilter, SearchHit};
use crate::store::CancelToken;
use crate::value::Value;

/// pgvector's limit for the vector type.
const MAX_DIMENSIONS: u32 = 16_000;

/// `InvalidValue` or `DimensionMismatch` for options that cannot be carried out.
pub(crate) fn check_definition(index: &IndexDef, field_count: usize, embedders: &[Arc<dyn Embedder>]) -> Result<()> {
    let reader = VectorReader::new(index, embedders)?;
    let options = reader.options();
    let in_range = |name: &str, value: u32, low: u32, high: u32| {
        if (low..=high).contains(&value) {
            return Ok(());
        }
        Err(StorageError::InvalidValue(format!(
            "{name} of a vector index is {value}, it must be between {low} and {high}"
        )))
    };
    in_range("dimension count", options.dimension_count, 1, MAX_DIMENSIONS)?;
    in_range("m", u32::from(options.connections), 2, 100)?;
    in_range("ef_construction", u32::from(options.construction_width), 4, 1_000)?;
    if options.embedder.is_none() && field_count != 1 {
        return Err(StorageError::InvalidValue(format!(
            "a vector index covers one column or property, \"{}\" names {field_count}",
            index.name
        )));
    }
    Ok(())
}

/// Gives the vector of a row as its index sees it.
pub(crate) struct VectorReader<'i> {
    options: &'i VectorIndexOptions,
    embedder: Option<Arc<dyn Embedder>>,
}

impl<'i> VectorReader<'i> {
    /// Errors with `InvalidValue` when the embedder is not configured, `DimensionMismatch` when it does not fit.
    pub fn new(index: &'i IndexDef, embedders: &[Arc<dyn Embedder>]) -> Result<VectorReader<'i>> {
        let IndexKind::Vector(options) = &index.kind else {
            return Err(StorageError::Internal(format!("index \"{}\" is not a vector index", index.name)));
        };
        if options.dimension_count == 0 {
            return Err(StorageError::InvalidValue(format!("vector index \"{}\" has no dimensions", index.name)));
        }
        let embedder = options.embedder.as_ref().map(|name| find_embedder(embedders, name)).transpose()?;
        if let Some(embedder) = &embedder
            && embedder.dimension_count() != options.dimension_count
        {
            return Err(StorageError::DimensionMismatch {
                what: format!("index \"{}\"", index.name),
                expected: options.dimension_count,
                actual: embedder.dimension_count(),
            });
        }
        Ok(VectorReader { options, embedder })
    }

    pub fn options(&self) -> &VectorIndexOptions {
        self.options
    }

    /// None when the row has none: NULL, no text, another dimension count (a graph property may hold anything), numbers
    /// that are not finite, or no direction under cosine.
    pub fn vector(&self, values: &IndexedValues) -> Option<Arc<[f32]>> {
        let vector: Arc<[f32]> = match &self.embedder {
            Some(embedder) => {
                let texts: Vec<&str> = values.iter().filter_map(Value::as_str).filter(|t| !t.is_empty()).collect();
                if texts.is_empty() {
                    return None;
                }
                embedder.embed(&texts.join("\n")).into()
            }
            None => match values.first()? {
                Value::Vector(vector) => Arc::clone(vector),
                // Cypher has no vector literal: a list of numbers serves.
                Value::List(items) => items.iter().map(number).collect::<Option<_>>()?,
                _ => return None,
            },
        };
        let fits = vector.len() == self.options.dimension_count as usize && vector.iter().all(|x| x.is_finite());
        let has_direction = self.options.metric != VectorMetric::Cosine || vector.iter().any(|x| *x != 0.0);
        (fits && has_direction).then_some(vector)
    }
}

fn number(value: &Value) -> Option<f32> {
    match value {
        Value::Int(i) => Some(*i as f32),
        Value::Float(f) => Some(*f as f32),
        _ => None,
    }
}

/// Changed rows with their vectors.
pub(crate) struct VectorTail {
    /// Ids that are evaluated here: hits of the base on them are dropped. None stands for all rows.
    changed: Option<FxHashSet<u64>>,
    vectors: Vec<(u64, Arc<[f32]>)>,
}

impl VectorTail {
    /// True when rows with this id are evaluated here, so that older parts must not give them.
    fn covers(&self, id: u64) -> bool {
        self.changed.as_ref().is_none_or(|changed| changed.contains(&id))
    }

    /// Reads the changed rows, or all of them.
    pub fn build(
        index: &IndexDef,
        source: &IndexSource,
        rows: &dyn RowReader,
        changed: Option<FxHashSet<u64>>,
        embedders: &[Arc<dyn Embedder>],
        cancel: &CancelToken,
    ) -> Result<VectorTail> {
        let reader = VectorReader::new(index, embedders)?;
        let mut vectors = Vec::new();
        match &changed {
            Some(ids) => {
                for id in ids {
                    cancel.check()?;
                    if let Some(vector) = source.values(rows, *id)?.and_then(|values| reader.vector(&values)) {
                        vectors.push((*id, vector));
                    }
                }
            }
            None => source.for_each(rows, &mut |id, values| {
                cancel.check()?;
                vectors.extend(reader.vector(&values).map(|vector| (id, vector)));
                Ok(())
            })?,
        }
        Ok(VectorTail { changed, vectors })
    }
}

/// The `k` nearest rows visible at `lsn`, nearest first, ties by id. Each part gives only rows that no later part covers.
pub(crate) fn search(
    options: &VectorIndexOptions,
    base: Option<&VectorBase>,
    tails: &[Arc<VectorTail>],
    lsn: Lsn,
    query: &[f32],
    k: usize,
    search_width: usize,
    filter: Option<IdFilter<'_>>,
) -> Result<Vec<SearchHit>> {
    let passes = |id: u64, later: &[Arc<VectorTail>]| {
        !later.iter().any(|tail| tail.covers(id)) && filter.is_none_or(|filter| filter(id))
    };
    let mut heap = NearestHeap::new(k);
    if let Some(base) = base {
        for (distance, id) in base.search(query, k, search_width, lsn, &|id| passes(id, tails))? {
            heap.push(distance, id);
        }
    }
    let prepared = PreparedQuery::new(options.metric, query);
    for (at, tail) in tails.iter().enumerate() {
        for (id, vector) in &tail.vectors {
            let distance = prepared.distance_to(vector);
            if heap.admits(distance) && passes(*id, &tails[at + 1..]) {
                heap.push(distance, *id);
            }
        }
    }
    Ok(heap.into_sorted().map(|(distance, id)| SearchHit { id, score: distance }).collect())
}
