//! `memory_context`, `clear_memory`.

use std::sync::Arc;

use sinew::query::context::ExecContext;
use sinew::query::functions::{Param, TableFunction};
use sinew::{DataType, QueryError, Result, Value, sqlstate};

use super::shape::{Function, columns, required, rows};
use crate::engine::Unit;
use crate::memory::{clear_messages, newest_messages, pack_context};
use crate::objects::invalid_value;
use crate::rows::TransactionRows;
use crate::tools::Recalled;

/// Search hits looked at.
const SEARCH_HITS: i64 = 12;

pub fn functions() -> Vec<Arc<dyn TableFunction>> {
    let shape = columns(&[("role", DataType::Text), ("content", DataType::Text), ("source", DataType::Text)]);
    let context_shape = shape.clone();
    let memory_context = Function {
        name: "memory_context",
        description: "What a prompt would get of a conversation's memory, packed to a budget.",
        params: vec![
            required("conversation_id", DataType::Text),
            required("query", DataType::Text),
            Param { name: "max_tokens", ty: DataType::Int4, default: Some(Value::Int(4_000)) },
        ],
        columns: shape,
        writes: false,
        outside_transaction: false,
        body: Box::new(move |context, args| {
            let (conversation_id, query) = (args.text("conversation_id")?, args.text("query")?);
            let max_tokens = args.int("max_tokens").unwrap_or(4_000);
            if !(0..=1_000_000).contains(&max_tokens) {
                return Err(invalid_value(format!("max_tokens must be from 0 to 1000000, is {max_tokens}")));
            }
            let hits = search(context, &query)?;
            let window = newest_messages(&TransactionRows::new(&context.transaction), &conversation_id)?;
            let count_tokens = |text: &str| (context.session.count_tokens)(text);
            let lines = pack_context(&conversation_id, &hits, &window, max_tokens, &count_tokens);
            let lines = lines.into_iter().map(|line| vec![line.role.into(), line.content.into(), line.source.into()]);
            Ok(rows(&context_shape, lines.collect()))
        }),
    };
    let clear_shape = columns(&[("removed", DataType::Int8)]);
    let clear_memory = Function {
        name: "clear_memory",
        description: "Removes what is remembered of a conversation.",
        params: vec![required("conversation_id", DataType::Text)],
        columns: clear_shape.clone(),
        writes: true,
        outside_transaction: false,
        body: Box::new(move |context, args| {
            let rows_in = TransactionRows::new(&context.transaction);
            let count_tokens = |text: &str| (context.session.count_tokens)(text);
            let unit = Unit::new(&rows_in, context.statement_time_us, &count_tokens);
            let removed = clear_messages(&unit, &args.text("conversation_id")?)?;
            Ok(rows(&clear_shape, vec![vec![Value::Int(removed)]]))
        }),
    };
    vec![memory_context.shared(), clear_memory.shared()]
}

/// `search_messages` in the statement's own transaction, over all conversations.
fn search(context: &ExecContext, query: &str) -> Result<Vec<Recalled>> {
    if query.trim().is_empty() {
        return Ok(Vec::new());
    }
    let name = "search_messages";
    let function =
        context.session.functions.table_function(name).ok_or_else(|| {
            QueryError::new(sqlstate::UNDEFINED_FUNCTION, format!("function {name}() does not exist"))
        })?;
    let args: Vec<Value> = function
        .params()
        .iter()
        .map(|param| match param.name {
            "query" => Value::from(query),
            "k" => Value::Int(SEARCH_HITS),
            _ => param.default.clone().unwrap_or_default(),
        })
        .collect();
    let position = |column: &str| {
        let found = function.columns().iter().position(|(name, _)| name == column);
        found.ok_or_else(|| QueryError::internal(format!("{name}() gives no column \"{column}\"")))
    };
    let [conversation, seq, role, content] =
        [position("conversation_id")?, position("seq")?, position("role")?, position("content")?];
    let mut stream = function.call(context, &args)?;
    let mut hits = Vec::new();
    while let Some(batch) = stream.next_batch()? {
        for row in 0..batch.row_count {
            let text = |column: usize| batch.columns[column].value(row).as_str().unwrap_or_default().to_owned();
            hits.push(Recalled {
                conversation_id: text(conversation),
                seq: batch.columns[seq].value(row).as_int().unwrap_or_default(),
                role: text(role),
                content: text(content),
            });
        }
    }
    Ok(hits)
}
