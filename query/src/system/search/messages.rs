//! `search_messages`: the best messages of all conversations, or of one.

use std::sync::Arc;

use rustc_hash::{FxHashMap, FxHashSet};
use sinew_storage::catalog::{IndexDef, IndexKind, IndexTarget, TableDef};
use sinew_storage::encoding::row::RowProjection;
use sinew_storage::{DataType, IndexRange, RelationLock, RowId, Value};

use super::fusion::{self, Candidate, Side};
use super::{
    DEFAULT_K, Fusion, Mode, candidate_count, fusion_argument, k_argument, mode_argument, optional_text, param,
    param_or, text_side, vector_side,
};
use crate::context::ExecContext;
use crate::error::{QueryError, Result, sqlstate};
use crate::exec::RowStream;
use crate::functions::{Param, TableFunction, args};
use crate::system::rows::{stream_of, types_of};

/// Columns of `sinew.messages`, in order.
fn message_columns() -> Vec<(String, DataType)> {
    let columns = [
        ("conversation_id", DataType::Text),
        ("seq", DataType::Int8),
        ("message_id", DataType::Uuid),
        ("role", DataType::Text),
        ("content", DataType::Text),
        ("name", DataType::Text),
        ("tool_calls", DataType::Jsonb),
        ("tool_call_id", DataType::Text),
        ("metadata", DataType::Jsonb),
        ("token_count", DataType::Int4),
        ("run_id", DataType::Uuid),
        ("embedding_pending", DataType::Bool),
        ("created_at", DataType::Timestamptz),
    ];
    columns.into_iter().map(|(name, ty)| (name.to_owned(), ty)).collect()
}

/// `search_messages(query, k, conversation_id, mode, fusion)`.
#[derive(Debug)]
pub(super) struct SearchMessages {
    params: Vec<Param>,
    columns: Vec<(String, DataType)>,
    message_column_count: usize,
}

impl SearchMessages {
    pub fn new() -> SearchMessages {
        let mut columns = message_columns();
        let message_column_count = columns.len();
        columns.push(("score".to_owned(), DataType::Float8));
        columns.push(("text_rank".to_owned(), DataType::Int8));
        columns.push(("vector_rank".to_owned(), DataType::Int8));
        let params = vec![
            param("query", DataType::Text),
            param_or("k", DataType::Int4, Value::Int(DEFAULT_K)),
            param_or("conversation_id", DataType::Text, Value::Null),
            param_or("mode", DataType::Text, Value::text("hybrid")),
            param_or("fusion", DataType::Text, Value::text("standard")),
        ];
        SearchMessages { params, columns, message_column_count }
    }
}

impl TableFunction for SearchMessages {
    fn name(&self) -> &str {
        "search_messages"
    }

    fn description(&self) -> &str {
        "Messages that match a text best, by full text, vectors or both."
    }

    fn params(&self) -> &[Param] {
        &self.params
    }

    fn columns(&self) -> &[(String, DataType)] {
        &self.columns
    }

    fn call(&self, context: &ExecContext, args: &[Value]) -> Result<Box<dyn RowStream>> {
        let [query, k, conversation, mode, fusion] = args else {
            return Err(QueryError::internal(format!("search_messages has 5 arguments, not {}", args.len())));
        };
        let request = Request {
            k: k_argument(k)?,
            conversation: optional_text(conversation)?,
            mode: mode_argument(mode)?,
            fusion: fusion_argument(fusion)?,
        };
        let rows = if query.is_null() {
            Vec::new()
        } else {
            let messages = Messages::new(context, &self.columns[..self.message_column_count])?;
            messages.search(args::text(query)?, &request)?
        };
        Ok(stream_of(types_of(&self.columns), rows, context.cancel.clone()))
    }

    fn estimated_rows(&self) -> f64 {
        DEFAULT_K as f64
    }
}

struct Request<'a> {
    k: usize,
    conversation: Option<&'a str>,
    mode: Mode,
    fusion: Fusion,
}

/// The relation as the running statement sees it.
struct Messages<'a> {
    context: &'a ExecContext,
    table: Arc<TableDef>,
    primary_key: Arc<IndexDef>,
    text_index: Option<Arc<IndexDef>>,
    vector_index: Option<Arc<IndexDef>>,
    /// conversation_id, seq.
    place: RowProjection,
    content: RowProjection,
    all: RowProjection,
}

impl<'a> Messages<'a> {
    fn new(context: &'a ExecContext, columns: &[(String, DataType)]) -> Result<Messages<'a>> {
        let catalog = context.transaction.catalog();
        let missing = || QueryError::new(sqlstate::UNDEFINED_TABLE, "relation \"sinew.messages\" does not exist");
        let table = Arc::clone(catalog.table("sinew", "messages").ok_or_else(missing)?);
        context.transaction.lock_relation(table.id, RelationLock::AccessShare)?;
        let position = |name: &str| {
            table
                .column_position(name)
                .ok_or_else(|| QueryError::internal(format!("column messages.{name} is missing")))
        };
        let positions = columns.iter().map(|(name, _)| position(name)).collect::<Result<Vec<_>>>()?;
        let content_id = table.columns[position("content")?].id;
        let on_content = |index: &&Arc<IndexDef>| match &index.target {
            IndexTarget::Table { columns, .. } => columns.iter().any(|column| column.column == content_id),
            _ => false,
        };
        let indexes = catalog.indexes_of(table.id).iter().filter(on_content);
        let text_index = indexes.clone().find(|index| matches!(index.kind, IndexKind::FullText { .. }));
        let vector_index = indexes
            .clone()
            .find(|index| matches!(&index.kind, IndexKind::Vector(options) if options.embedder.is_some()));
        let primary_key = catalog
            .primary_key(table.id)
            .ok_or_else(|| QueryError::internal("relation sinew.messages has no primary key"))?;
        Ok(Messages {
            context,
            primary_key: Arc::clone(primary_key),
            text_index: text_index.cloned(),
            vector_index: vector_index.cloned(),
            place: RowProjection::new(&table, &[position("conversation_id")?, position("seq")?])?,
            content: RowProjection::new(&table, &[position("content")?])?,
            all: RowProjection::new(&table, &positions)?,
            table,
        })
    }

    fn search(&self, query: &str, request: &Request<'_>) -> Result<Vec<Vec<Value>>> {
        self.check_indexes(request.mode)?;
        let members = match request.conversation {
            Some(conversation) => Some(self.rows_of(conversation)?),
            None => None,
        };
        if members.as_ref().is_some_and(FxHashSet::is_empty) {
            return Ok(Vec::new());
        }
        let is_member = |id: u64| members.as_ref().is_none_or(|members| members.contains(&id));
        let filter = members.is_some().then_some(&is_member as &dyn Fn(u64) -> bool);

        let limit = candidate_count(request.mode, request.k);
        let (mut text, mut vector) = (Side::default(), Side::default());
        if request.mode.uses_text()
            && let Some(index) = &self.text_index
        {
            text = text_side(self.context, index, query, limit, filter)?;
        }
        if request.mode.uses_vectors()
            && let Some(index) = &self.vector_index
        {
            let query = self.context.transaction.embed_for(index, query)?;
            vector = vector_side(self.context, index, &query, limit, filter)?;
        }
        let candidates = match (request.mode, request.fusion) {
            (Mode::Text | Mode::Vector, _) => fusion::single(&text, &vector),
            (Mode::Hybrid, Fusion::Standard) => fusion::standardised(&text, &vector),
            (Mode::Hybrid, Fusion::ReciprocalRank) => fusion::reciprocal_rank(&text, &vector),
        };
        let shares = request.mode == Mode::Hybrid && request.fusion == Fusion::Standard;
        self.best_rows(candidates, request.k, shares)
    }

    /// 42704 when an index that the mode needs was dropped; a hybrid search makes do with one.
    fn check_indexes(&self, mode: Mode) -> Result<()> {
        let wanted = match mode {
            Mode::Text if self.text_index.is_none() => "full-text",
            Mode::Vector if self.vector_index.is_none() => "vector",
            Mode::Hybrid if self.text_index.is_none() && self.vector_index.is_none() => "full-text or vector",
            _ => return Ok(()),
        };
        let message = format!("there is no {wanted} index on sinew.messages (content)");
        let error = QueryError::new(sqlstate::UNDEFINED_OBJECT, message);
        Err(match mode {
            Mode::Vector => error,
            _ => error.hint("create one with CREATE INDEX ON sinew.messages USING bm25 (content)"),
        })
    }

    /// Row ids of a conversation.
    fn rows_of(&self, conversation: &str) -> Result<FxHashSet<u64>> {
        let range = IndexRange::equal(vec![Value::text(conversation)]);
        let mut ids = FxHashSet::default();
        for (count, id) in self.context.transaction.index_scan(&self.primary_key, &range, false)?.enumerate() {
            if count % 1_024 == 0 {
                self.context.cancel.check()?;
            }
            ids.insert(id?);
        }
        Ok(ids)
    }

    fn row(&self, id: u64, projection: &RowProjection) -> Result<Option<Vec<Value>>> {
        Ok(self.context.transaction.get_projected_row(&self.table, RowId(id), projection)?)
    }

    /// Conversation and turn of a row.
    fn place_of(&self, id: u64) -> Result<Option<(Arc<str>, i64)>> {
        match self.row(id, &self.place)?.as_deref() {
            Some([Value::Text(conversation), Value::Int(turn)]) => Ok(Some((Arc::clone(conversation), *turn))),
            Some(_) => Err(QueryError::internal("the key of a message has values of other types")),
            None => Ok(None),
        }
    }

    /// The row of a turn when it has something to read.
    fn turn_with_content(&self, conversation: &Arc<str>, turn: i64) -> Result<Option<u64>> {
        let key = IndexRange::equal(vec![Value::Text(Arc::clone(conversation)), Value::Int(turn)]);
        let Some(id) = self.context.transaction.index_scan(&self.primary_key, &key, false)?.next().transpose()? else {
            return Ok(None);
        };
        let content = self.row(id, &self.content)?;
        let readable = content.is_some_and(|row| row.first().and_then(Value::as_str).is_some_and(|t| !t.is_empty()));
        Ok(readable.then_some(id))
    }

    /// Best `k` by score, ties by (conversation_id, seq).
    fn best_rows(&self, candidates: Vec<Candidate>, k: usize, shares: bool) -> Result<Vec<Vec<Value>>> {
        let mut names: Vec<Arc<str>> = Vec::new();
        let mut numbers: FxHashMap<Arc<str>, u64> = FxHashMap::default();
        let mut placed: Vec<fusion::Placed> = Vec::with_capacity(candidates.len());
        for candidate in candidates {
            self.context.cancel.check()?;
            let Some((conversation, turn)) = self.place_of(candidate.id)? else { continue };
            let number = *numbers.entry(Arc::clone(&conversation)).or_insert_with(|| {
                names.push(conversation);
                names.len() as u64 - 1
            });
            placed.push((number, turn, candidate));
        }
        if shares {
            for (number, turn, score) in fusion::share_with_neighbours(&mut placed, k) {
                self.context.cancel.check()?;
                if let Some(id) = self.turn_with_content(&names[number as usize], turn)? {
                    placed.push((number, turn, Candidate::unranked(id, score)));
                }
            }
        }
        placed.sort_unstable_by(|(conversation_a, turn_a, a), (conversation_b, turn_b, b)| {
            let by_place =
                || names[*conversation_a as usize].cmp(&names[*conversation_b as usize]).then(turn_a.cmp(turn_b));
            b.score.total_cmp(&a.score).then_with(by_place)
        });
        placed.truncate(k);
        let mut rows = Vec::with_capacity(placed.len());
        for (_, _, candidate) in placed {
            if let Some(mut row) = self.row(candidate.id, &self.all)? {
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
}
