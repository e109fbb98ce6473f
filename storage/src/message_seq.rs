//! `messages.seq`: a counter per conversation, in memory, seeded from the primary key's index.

use parking_lot::Mutex;
use rustc_hash::FxHashMap;

use crate::catalog::TableDef;
use crate::error::{Result, StorageError};
use crate::store::{Isolation, Transaction};
use crate::table::IndexRange;
use crate::value::Value;

/// Conversations remembered per generation; two generations are kept.
const GENERATION_SIZE: usize = 50_000;

/// Last number given per conversation. When the younger generation is full it becomes the older one, so a conversation
/// is forgotten only after as many others were active since: by then its numbers are committed or rolled back, and the
/// index seeds it again.
#[derive(Default)]
pub(crate) struct MessageSequences {
    generations: Mutex<Generations>,
}

#[derive(Default)]
struct Generations {
    young: FxHashMap<String, i64>,
    old: FxHashMap<String, i64>,
}

impl Generations {
    fn entry(&mut self, conversation_id: &str) -> Option<&mut i64> {
        if !self.young.contains_key(conversation_id) {
            let last = self.old.remove(conversation_id)?;
            self.insert(conversation_id, last);
        }
        self.young.get_mut(conversation_id)
    }

    fn insert(&mut self, conversation_id: &str, last: i64) {
        if self.young.len() >= GENERATION_SIZE {
            self.old = std::mem::take(&mut self.young);
        }
        self.young.insert(conversation_id.to_owned(), last);
    }
}

impl Transaction {
    /// Next `messages.seq` of a conversation: 1 after none; seeded from the primary key's index. Errors with
    /// `ObjectNotFound` when `sinew.messages` does not exist.
    pub fn next_message_seq(&self, conversation_id: &str) -> Result<i64> {
        let mut generations = self.store().message_sequences().generations.lock();
        if generations.entry(conversation_id).is_none() {
            let newest = self.store().begin(Isolation::ReadCommitted);
            let committed = match newest.last_message_seq(conversation_id) {
                // The table may be this transaction's own and not committed yet.
                Err(StorageError::ObjectNotFound { .. }) => 0,
                other => other?,
            };
            let last = self.last_message_seq(conversation_id)?.max(committed);
            generations.insert(conversation_id, last);
        }
        let last = generations.entry(conversation_id).expect("inserted above");
        *last = last.checked_add(1).ok_or_else(|| {
            StorageError::LimitExceeded(format!("conversation \"{conversation_id}\" has no message numbers left"))
        })?;
        Ok(*last)
    }

    fn last_message_seq(&self, conversation_id: &str) -> Result<i64> {
        let not_found = |kind| StorageError::ObjectNotFound { kind, name: "sinew.messages".to_owned() };
        let catalog = self.catalog();
        let table = catalog.table("sinew", "messages").ok_or_else(|| not_found("relation"))?;
        let index = catalog.primary_key(table.id).ok_or_else(|| not_found("primary key"))?;
        let position = table.column_position("seq").ok_or_else(|| not_found("column seq of"))?;
        let range = IndexRange::equal(vec![Value::from(conversation_id)]);
        let Some(row) = self.index_scan_unlocked(index, &range, true)?.next().transpose()? else { return Ok(0) };
        let projection = crate::encoding::row::RowProjection::new(table, &[position])?;
        let values = self.get_projected_row(table, crate::ids::RowId(row), &projection)?.ok_or_else(|| {
            StorageError::Corrupted(format!("the index of sinew.messages refers to row {row}, which does not exist"))
        })?;
        Ok(values[0].as_int().unwrap_or(0))
    }

    /// A message was stored with a number of its own: later ones lie above it.
    pub(crate) fn note_message_seq(&self, table: &TableDef, values: &[Value]) {
        let value = |name: &str| table.column_position(name).map(|position| &values[position]);
        let (Some(Value::Text(conversation_id)), Some(Value::Int(seq))) = (value("conversation_id"), value("seq"))
        else {
            return;
        };
        let mut generations = self.store().message_sequences().generations.lock();
        if let Some(last) = generations.entry(conversation_id) {
            *last = (*last).max(*seq);
        }
        // A conversation without an entry will be seeded from the index.
    }
}
