//! `sinew.messages`: what an INSERT leaves out is filled in, and the conversation's row comes to exist.

use std::sync::Arc;

use rustc_hash::FxHashSet;
use sinew_storage::catalog::TableDef;
use sinew_storage::{LockWait, RowLock, Value};

use super::constraints::check_row;
use super::row_rules::RowRules;
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
    /// Of `conversations`; made for the first row that is missing there.
    rules: Option<RowRules>,
    /// Conversations whose row is known to exist and locked.
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
        Ok(MessageWriter {
            columns: MessageColumns::find(table)?,
            conversations,
            rules: None,
            known: FxHashSet::default(),
        })
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

    /// Sees to it that the conversation's row is there, and stays there until this transaction ends.
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
        let key = [Value::Text(Arc::clone(conversation_id))];
        // Somebody else may have begun the conversation since the snapshot, or ended it, or be about to.
        loop {
            cx.check_cancel()?;
            if let Some(id) = transaction.newest_row_by_key(index, &key)? {
                transaction.lock_row(table, id, RowLock::KeyShare, LockWait::Block)?;
                if transaction.newest_row_by_key(index, &key)? == Some(id) {
                    break;
                }
            } else if transaction.find_newest_by_key(index, &key)?.is_none() {
                if self.rules.is_none() {
                    self.rules = Some(RowRules::new(table, cx)?);
                }
                let rules = self.rules.as_ref().expect("made above");
                let mut values = Vec::with_capacity(table.columns.len());
                for (position, column) in table.columns.iter().enumerate() {
                    values.push(match column.name.as_str() {
                        "conversation_id" => key[0].clone(),
                        "created_at" => row[self.columns.created_at].clone(),
                        _ => rules.default(position)?,
                    });
                }
                check_row(table, &values, rules.checks(), rules.cx())?;
                transaction.insert_row(table, &values)?;
                break;
            }
        }
        self.known.insert(Arc::clone(conversation_id));
        Ok(())
    }
}
