//! A journal in maps, for tests: commits are atomic, first committer wins, and nothing uncommitted survives.

use std::cell::RefCell;
use std::collections::BTreeMap;

use parking_lot::Mutex;
use sinew::{QueryError, Result, Value, sqlstate};

use super::{Journal, Record, Rows, Select};

#[derive(Clone, Default)]
struct State {
    version: i64,
    tables: BTreeMap<String, Vec<Record>>,
    epoch: i64,
}

#[derive(Default)]
pub struct MemoryJournal {
    state: Mutex<State>,
}

struct MemoryRows(RefCell<State>);

/// Unique keys of the tables that tests write.
fn unique_key(table: &str) -> &'static [&'static str] {
    match table {
        "agents" => &["owner", "name"],
        "agent_versions" => &["id", "version"],
        "agent_runs" => &["run_id"],
        "agent_steps" | "agent_tool_calls" | "agent_tasks" => &["run_id", "step"],
        "agent_llm_calls" => &["run_id", "step", "attempt"],
        "agent_events" => &["run_id", "seq"],
        "messages" => &["conversation_id", "seq"],
        "conversations" => &["conversation_id"],
        "agent_approvals" => &["approval_id"],
        _ => &["name"],
    }
}

impl Rows for MemoryRows {
    fn insert(&self, table: &str, record: Record) -> Result<()> {
        let mut state = self.0.borrow_mut();
        let rows = state.tables.entry(table.to_owned()).or_default();
        let key = unique_key(table);
        if rows.iter().any(|row| key.iter().all(|column| row.get(column) == record.get(column))) {
            return Err(QueryError::new(sqlstate::UNIQUE_VIOLATION, format!("duplicate key in {table}")));
        }
        rows.push(record);
        Ok(())
    }

    fn select(&self, select: Select<'_>) -> Result<Vec<Record>> {
        let state = self.0.borrow();
        let rows = state.tables.get(select.table).map_or(&[][..], Vec::as_slice);
        let mut out: Vec<Record> = rows.iter().filter(|row| select.accepts(row)).cloned().collect();
        out.sort_by(|a, b| select.order(a, b));
        out.truncate(select.limit.unwrap_or(usize::MAX));
        Ok(out)
    }

    fn update(&self, table: &str, key: &[(&str, Value)], changes: Record) -> Result<bool> {
        let mut state = self.0.borrow_mut();
        let rows = state.tables.entry(table.to_owned()).or_default();
        let row = rows.iter_mut().find(|row| key.iter().all(|(column, value)| row.get(column) == value));
        let Some(row) = row else { return Ok(false) };
        row.0.extend(changes.0);
        Ok(true)
    }

    fn delete(&self, table: &str, equal: &[(&str, Value)]) -> Result<usize> {
        let mut state = self.0.borrow_mut();
        let rows = state.tables.entry(table.to_owned()).or_default();
        let before = rows.len();
        rows.retain(|row| !equal.iter().all(|(column, value)| row.get(column) == value));
        Ok(before - rows.len())
    }

    fn hold(&self, table: &str, key: &[(&str, Value)]) -> Result<bool> {
        Ok(self.get(table, key)?.is_some())
    }

    fn next_message_seq(&self, conversation_id: &str) -> Result<i64> {
        let select = Select::from("messages").equal("conversation_id", conversation_id);
        Ok(self.select(select)?.iter().filter_map(|row| row.opt_int("seq")).max().unwrap_or(0) + 1)
    }

    fn snapshot_lsn(&self) -> i64 {
        self.0.borrow().version
    }
}

impl Journal for MemoryJournal {
    fn attempt(&self, work: &mut dyn FnMut(&dyn Rows) -> Result<()>) -> Result<()> {
        let base = self.state.lock().clone();
        let version = base.version;
        let rows = MemoryRows(RefCell::new(base));
        work(&rows)?;
        let mut state = self.state.lock();
        if state.version != version {
            return Err(QueryError::new(sqlstate::SERIALIZATION_FAILURE, "another commit came first"));
        }
        *state = rows.0.into_inner();
        state.version += 1;
        Ok(())
    }

    fn next_epoch(&self) -> Result<i64> {
        let mut state = self.state.lock();
        state.epoch += 1;
        Ok(state.epoch)
    }
}

impl MemoryJournal {
    /// All rows of a table, as committed.
    pub fn rows(&self, table: &str) -> Vec<Record> {
        self.state.lock().tables.get(table).cloned().unwrap_or_default()
    }
}
