//! Rows of a table by a text or vector search, best first.

use std::sync::Arc;

use sinew_storage::catalog::{IndexDef, IndexKind, TableDef};
use sinew_storage::search::{SearchHit, TextQueryMode};
use sinew_storage::{RowId, Value};

use super::limit::count_of;
use crate::batch::{Batch, BatchBuilder};
use crate::error::{QueryError, Result, sqlstate};
use crate::exec::expr::PhysExpr;
use crate::exec::node::{Layout, Operator, Physical};
use crate::exec::run::Cx;

/// pgvector's default of `hnsw.ef_search`.
const DEFAULT_SEARCH_WIDTH: usize = 40;

pub struct SearchScanPlan {
    pub table: Arc<TableDef>,
    pub index: Arc<IndexDef>,
    pub projection: Vec<usize>,
    pub with_row_id: bool,
    pub with_score: bool,
    pub query: PhysExpr,
    pub limit: Option<PhysExpr>,
    pub layout: Arc<Layout>,
}

impl SearchScanPlan {
    fn search(&self, cx: &Cx) -> Result<Vec<SearchHit>> {
        let transaction = cx.transaction();
        let limit = match &self.limit {
            Some(limit) => count_of(limit, cx, "LIMIT")?,
            None => None,
        };
        let row_count = usize::try_from(transaction.row_count(&self.table)?).unwrap_or(usize::MAX);
        let limit = limit.unwrap_or(row_count).min(row_count);
        let query = self.query.eval_const(cx)?;
        if limit == 0 || query.is_null() {
            return Ok(Vec::new());
        }
        match (&self.index.kind, &query) {
            (IndexKind::FullText { .. }, Value::Text(text)) => {
                Ok(transaction.text_search(&self.index, text, TextQueryMode::Syntax, limit, None)?)
            }
            (IndexKind::Vector(options), Value::Vector(vector)) => {
                if vector.len() != options.dimension_count as usize {
                    return Err(QueryError::new(
                        sqlstate::DATA_EXCEPTION,
                        format!("different vector dimensions {} and {}", options.dimension_count, vector.len()),
                    ));
                }
                let width = cx
                    .run
                    .exec
                    .session
                    .setting("hnsw.ef_search")
                    .and_then(|text| text.parse().ok())
                    .unwrap_or(DEFAULT_SEARCH_WIDTH);
                Ok(transaction.vector_search(&self.index, vector, limit, width.max(limit), None)?)
            }
            _ => Err(QueryError::internal(format!("index {} cannot answer this search", self.index.name))),
        }
    }
}

impl Physical for SearchScanPlan {
    fn open(self: Arc<Self>, cx: &Cx) -> Result<Box<dyn Operator>> {
        let hits = self.search(cx)?;
        Ok(Box::new(SearchScan { plan: self, cx: cx.clone(), hits: hits.into_iter() }))
    }

    fn describe(&self) -> String {
        let kind = match self.index.kind {
            IndexKind::Vector(_) => "Vector",
            _ => "Text",
        };
        format!("{kind} Search using {} on {}", self.index.name, self.table.name)
    }
}

struct SearchScan {
    plan: Arc<SearchScanPlan>,
    cx: Cx,
    hits: std::vec::IntoIter<SearchHit>,
}

impl Operator for SearchScan {
    fn next(&mut self) -> Result<Option<Batch>> {
        self.cx.check_cancel()?;
        let plan = &self.plan;
        let mut builder = BatchBuilder::new(Arc::clone(&plan.layout.types));
        while !builder.is_full() {
            let Some(hit) = self.hits.next() else { break };
            let Some(mut row) = self.cx.transaction().get_row(&plan.table, RowId(hit.id), &plan.projection)? else {
                continue;
            };
            if plan.with_row_id {
                row.push(Value::Int(hit.id as i64));
            }
            if plan.with_score {
                row.push(Value::Float(hit.score));
            }
            builder.push(row);
        }
        Ok(builder.finish())
    }
}
