//! ANALYZE, by hand and by itself.

use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use parking_lot::{Condvar, Mutex};
use rustc_hash::FxHashMap;
use sinew_query::{Notice, QueryError, Result, sqlstate, statistics};
use sinew_storage::catalog::{Catalog, TableDef};
use sinew_storage::{CancelToken, RelationId, RelationLock, Store, Transaction};

use crate::Session;
use crate::cursor::Execution;
use crate::transaction::now_us;

/// A table to analyze, as it was written.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct AnalyzeTarget {
    pub schema: Option<String>,
    pub name: String,
    /// None: all columns.
    pub columns: Option<Vec<String>>,
}

impl Session {
    /// Analyzes these tables, or all of them. Part of the session's transaction.
    pub(crate) fn analyze(&mut self, targets: &[AnalyzeTarget], tag: &str) -> Result<Execution> {
        self.begin_statement(&[])?;
        let done = self.analyze_targets(targets);
        self.guard(done)?;
        if let Some(active) = &mut self.active {
            // Plans of others know nothing of what this transaction found.
            active.ran_ddl = true;
        }
        self.end_statement()?;
        Ok(Execution::Command(tag.to_owned()))
    }

    fn analyze_targets(&mut self, targets: &[AnalyzeTarget]) -> Result<()> {
        let transaction = Arc::clone(&self.ensure_transaction().transaction);
        transaction.set_cancel_token(self.cancel_token());
        let catalog = transaction.catalog();
        if targets.is_empty() {
            for table in catalog.tables.values() {
                analyze_table(&transaction, table, None, false, &self.cancel_token())?;
            }
            return Ok(());
        }
        for target in targets {
            let Some(table) = self.table_to_analyze(&catalog, target)? else { continue };
            let columns = target.columns.as_ref().map(|names| positions(&table, names)).transpose()?;
            analyze_table(&transaction, &table, columns.as_deref(), false, &self.cancel_token())?;
        }
        Ok(())
    }

    /// None, with a warning, for what has no rows of its own.
    fn table_to_analyze(&self, catalog: &Catalog, target: &AnalyzeTarget) -> Result<Option<Arc<TableDef>>> {
        let path = match &target.schema {
            Some(schema) => vec![schema.clone()],
            None => self.context.search_path(),
        };
        let shown = || match &target.schema {
            Some(schema) => format!("{schema}.{}", target.name),
            None => target.name.clone(),
        };
        let Some(id) = path.iter().find_map(|schema| catalog.relation_id(schema, &target.name)) else {
            let message = format!("relation \"{}\" does not exist", shown());
            return Err(QueryError::new(sqlstate::UNDEFINED_TABLE, message));
        };
        let table = catalog.tables.get(&id).cloned();
        if table.is_none() {
            let message =
                format!("skipping \"{}\" --- cannot analyze non-tables or special system tables", target.name);
            self.context.send_notice(Notice { severity: "WARNING", sqlstate: "01000", message, hint: None });
        }
        Ok(table)
    }
}

fn positions(table: &TableDef, names: &[String]) -> Result<Vec<usize>> {
    let mut positions = Vec::with_capacity(names.len());
    for name in names {
        let position = table.column_position(name).ok_or_else(|| {
            let message = format!("column \"{name}\" of relation \"{}\" does not exist", table.name);
            QueryError::new(sqlstate::UNDEFINED_COLUMN, message)
        })?;
        if positions.contains(&position) {
            let message = format!("column \"{name}\" of relation \"{}\" appears more than once", table.name);
            return Err(QueryError::new(sqlstate::DUPLICATE_COLUMN, message));
        }
        positions.push(position);
    }
    Ok(positions)
}

fn analyze_table(
    transaction: &Arc<Transaction>,
    table: &TableDef,
    columns: Option<&[usize]>,
    automatic: bool,
    cancel: &CancelToken,
) -> Result<()> {
    transaction.lock_relation(table.id, RelationLock::ShareUpdateExclusive)?;
    let found = statistics::analyze(transaction, table, columns, now_us(), automatic, cancel)?;
    Ok(transaction.put_statistics(&found)?)
}

/// PostgreSQL's `autovacuum_naptime`, and when it analyzes.
pub(crate) const INTERVAL: Duration = Duration::from_secs(60);
const CHANGED_ROWS: u64 = 50;
const CHANGED_SHARE: f64 = 0.1;

/// A thread that analyzes tables of which many rows have changed. Stopped when dropped.
pub(crate) struct AutoAnalyze {
    stop: Arc<Stop>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Default)]
struct Stop {
    is_stopped: Mutex<bool>,
    changed: Condvar,
    cancel: CancelToken,
}

impl AutoAnalyze {
    pub fn start(store: &Arc<Store>, interval: Duration) -> AutoAnalyze {
        let (stop, store) = (Arc::new(Stop::default()), Arc::clone(store));
        let seen = Arc::clone(&stop);
        let thread = std::thread::Builder::new().name("sinew-analyze".to_owned()).spawn(move || {
            // Changes that were counted when a table was analyzed last.
            let mut counted: FxHashMap<RelationId, u64> = FxHashMap::default();
            loop {
                {
                    let mut is_stopped = seen.is_stopped.lock();
                    if !*is_stopped {
                        seen.changed.wait_for(&mut is_stopped, interval);
                    }
                    if *is_stopped {
                        return;
                    }
                }
                run(&store, &mut counted, &seen.cancel);
            }
        });
        let thread = match thread {
            Ok(thread) => Some(thread),
            Err(error) => {
                tracing::warn!(%error, "tables are not analyzed by themselves");
                None
            }
        };
        AutoAnalyze { stop, thread }
    }
}

impl Drop for AutoAnalyze {
    fn drop(&mut self) {
        *self.stop.is_stopped.lock() = true;
        self.stop.cancel.cancel();
        self.stop.changed.notify_all();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// Analyzes what has changed enough.
fn run(store: &Arc<Store>, counted: &mut FxHashMap<RelationId, u64>, cancel: &CancelToken) {
    let catalog = store.begin(Default::default()).catalog();
    counted.retain(|id, _| catalog.tables.contains_key(id));
    for table in catalog.tables.values() {
        let changes = store.row_change_count(table.id);
        match analyze_if_due(store, table, changes, counted.get(&table.id).copied().unwrap_or(0), cancel) {
            Ok(false) => {}
            Ok(true) => {
                counted.insert(table.id, changes);
            }
            Err(_) if cancel.check().is_err() => return,
            // Somebody else has it now, or changed it: next time.
            Err(error) => tracing::debug!(%error, table = table.name, "a table was not analyzed"),
        }
    }
}

fn analyze_if_due(
    store: &Arc<Store>,
    table: &TableDef,
    changes: u64,
    counted: u64,
    cancel: &CancelToken,
) -> Result<bool> {
    let transaction = Arc::new(store.begin(Default::default()));
    transaction.set_cancel_token(cancel.clone());
    // Not waited for: whoever holds it changes the table.
    transaction.set_lock_timeout(Some(Duration::ZERO));
    let row_count = transaction.row_count(table)?;
    let known = transaction.catalog().statistics.get(&table.id).map_or(0, |known| known.row_count);
    let changed = changes.saturating_sub(counted).max(row_count.abs_diff(known));
    if changed <= CHANGED_ROWS + (CHANGED_SHARE * row_count as f64) as u64 {
        return Ok(false);
    }
    analyze_table(&transaction, table, None, true, cancel)?;
    let transaction = Arc::into_inner(transaction);
    transaction.ok_or_else(|| QueryError::internal("an analyzed table is still being read"))?.commit()?;
    Ok(true)
}
