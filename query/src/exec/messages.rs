//! `sinew.messages`: what an INSERT leaves out is filled in, and the conversation's row comes to exist.

use std::sync::Arc;

use rustc_hash::FxHashSet;
use sinew_storage::catalog::TableDef;
use sinew_storage::{IndexRange, Value};

use super::run::Cx;
use crate::error::{QueryError, Result};

/// Positions of the columns that the engine fills.
pub struct MessageColumns {
    conversation_id: usize,
    seq: usize,
    message_id: usize,
    content: usize,
    token_count: usize,
    embedding_pending: usize,
    created_at: usize,
}

/// State of one statement that inserts messages.
pub struct MessageWriter {
    columns: MessageColumns,
    conversations: Option<Arc<TableDef>>,
    /// Conversations whose row is known to exist.
    known: FxHashSet<Arc<str>>,
}

impl MessageColumns {
    fn find(table: &TableDef) -> Result<MessageColumns> {
        let find = |name: &str| {
            table
                .column_position(name)
                .ok_or_else(|| QueryError::internal(format!("table {} has no column {name}", table.name)))
        };
        Ok(MessageColumns {
            conversation_id: find("conversation_id")?,
            seq: find("seq")?,
            message_id: find("message_id")?,
            content: find("content")?,
            token_count: find("token_count")?,
            embedding_pending: find("embedding_pending")?,
            created_at: find("created_at")?,
        })
    }
}

impl MessageWriter {
    pub fn new(table: &TableDef, cx: &Cx) -> Result<MessageWriter> {
        let conversations = cx.transaction().catalog().table(&table.schema, "conversations").cloned();
        Ok(MessageWriter { columns: MessageColumns::find(table)?, conversations, known: FxHashSet::default() })
    }

    /// Fills the columns that are NULL; whether `seq` is one the engine chose.
    pub fn complete(&mut self, row: &mut [Value], cx: &Cx) -> Result<bool> {
        let columns = &self.columns;
        let Value::Text(conversation_id) = row[columns.conversation_id].clone() else {
            // NOT NULL reports it.
            return Ok(false);
        };
        if row[columns.message_id].is_null() {
            row[columns.message_id] = Value::Uuid(uuid::Uuid::now_v7().into_bytes());
        }
        if row[columns.created_at].is_null() {
            row[columns.created_at] = Value::Timestamp(cx.run.exec.statement_time_us);
        }
        if row[columns.token_count].is_null()
            && let Value::Text(content) = &row[columns.content]
        {
            row[columns.token_count] = Value::Int(i64::from((cx.run.exec.session.count_tokens)(content)));
        }
        if row[columns.embedding_pending].is_null() {
            row[columns.embedding_pending] = Value::Bool(false);
        }
        let generated = row[columns.seq].is_null();
        if generated {
            row[columns.seq] = Value::Int(cx.transaction().next_message_seq(&conversation_id)?);
        }
        Ok(generated)
    }

    /// Another sequence number, when the one chosen is taken by a message that was given its own.
    pub fn renumber(&self, row: &mut [Value], cx: &Cx) -> Result<()> {
        if let Value::Text(conversation_id) = row[self.columns.conversation_id].clone() {
            row[self.columns.seq] = Value::Int(cx.transaction().next_message_seq(&conversation_id)?);
        }
        Ok(())
    }

    /// Inserts the conversation's row when there is none.
    pub fn ensure_conversation(&mut self, row: &[Value], cx: &Cx) -> Result<()> {
        let Value::Text(conversation_id) = &row[self.columns.conversation_id] else { return Ok(()) };
        let Some(table) = &self.conversations else { return Ok(()) };
        if self.known.contains(conversation_id) {
            return Ok(());
        }
        let transaction = cx.transaction();
        let catalog = transaction.catalog();
        let index = catalog
            .primary_key(table.id)
            .ok_or_else(|| QueryError::internal(format!("table {} has no primary key", table.name)))?;
        let range = IndexRange::equal(vec![Value::Text(Arc::clone(conversation_id))]);
        let exists = transaction.index_scan(index, &range, false)?.next().transpose()?.is_some();
        // Somebody else may have begun the conversation since the snapshot; then it is there, whoever sees it.
        if !exists && transaction.find_newest_by_key(index, &[Value::Text(Arc::clone(conversation_id))])?.is_none() {
            let values: Vec<Value> = table
                .columns
                .iter()
                .map(|column| match column.name.as_str() {
                    "conversation_id" => Value::Text(Arc::clone(conversation_id)),
                    "created_at" => row[self.columns.created_at].clone(),
                    _ => Value::Null,
                })
                .collect();
            transaction.insert_row(table, &values)?;
        }
        self.known.insert(Arc::clone(conversation_id));
        Ok(())
    }
}
