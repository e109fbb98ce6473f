//! One open database.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicI32, AtomicU64, Ordering};
use std::time::Duration;

use parking_lot::{Mutex, RwLock};
use sinew_query::activity::Sessions;
use sinew_query::exec::IndexExpressions;
use sinew_query::functions::{FunctionRegistry, TableFunction};
use sinew_query::notification::NotificationQueue;
use sinew_query::{QueryError, Result, sqlstate};
use sinew_storage::{Embedder, Store, StoreOptions, StoreStats};

use crate::analyze::{self, AutoAnalyze};
use crate::plan_cache::PlanCache;
use crate::transaction::now_us;
use crate::{Session, StatementHandler, bootstrap, temporary, upgrade};

/// The user as whom the engine writes its own relations; no client may connect as it.
pub const INTERNAL_USER: &str = "sinew$engine";

/// Settings of an open database.
#[derive(Clone, Default)]
pub struct DatabaseOptions {
    pub store: StoreOptions,
    /// Memory one statement may hold, in bytes; 0: 256 MiB.
    pub statement_memory_bytes: usize,
    /// How often it is looked whether tables have changed so much that they are to be analyzed; None: every minute.
    pub analyze_interval: Option<Duration>,
}

/// One open database directory. Cheap to clone; the last clone closes it.
#[derive(Clone)]
pub struct Database {
    pub(crate) inner: Arc<DatabaseInner>,
}

pub(crate) struct DatabaseInner {
    pub store: Arc<Store>,
    pub functions: Arc<FunctionRegistry>,
    pub handlers: RwLock<Vec<Arc<dyn StatementHandler>>>,
    pub embedder: Arc<dyn Embedder>,
    pub plan_cache: PlanCache,
    pub statement_memory_bytes: usize,
    pub started_us: i64,
    /// Settings that are the server's, by lower-case name.
    pub server_settings: RwLock<BTreeMap<String, String>>,
    pub sessions: Arc<Sessions>,
    pub notifications: Arc<NotificationQueue>,
    next_process_id: AtomicI32,
    pub statement_count: AtomicU64,
    auto_analyze: Mutex<Option<AutoAnalyze>>,
}

impl Drop for DatabaseInner {
    fn drop(&mut self) {
        // It holds the store.
        self.auto_analyze.get_mut().take();
        if let Err(error) = self.store.close() {
            tracing::error!(%error, "closing the database failed");
        }
    }
}

impl Database {
    /// Opens or creates the database in `directory`.
    pub fn open(directory: impl AsRef<Path>) -> Result<Database> {
        Self::open_with(directory, DatabaseOptions::default())
    }

    pub fn open_with(directory: impl AsRef<Path>, options: DatabaseOptions) -> Result<Database> {
        let store = Store::open(directory.as_ref(), options.store.clone())?;
        Self::over(store, options)
    }

    /// A database that vanishes with its last clone.
    pub fn in_memory() -> Result<Database> {
        let options = DatabaseOptions::default();
        Self::over(Store::in_memory(options.store.clone())?, options)
    }

    fn over(store: Arc<Store>, options: DatabaseOptions) -> Result<Database> {
        let functions = Arc::new(FunctionRegistry::default());
        sinew_query::system::register(&functions);
        let embedder =
            options.store.embedders.first().cloned().ok_or_else(|| {
                QueryError::new(sqlstate::INVALID_PARAMETER_VALUE, "the store options name no embedder")
            })?;
        let memory = if options.statement_memory_bytes == 0 { 256 << 20 } else { options.statement_memory_bytes };
        let interval = options.analyze_interval.unwrap_or(analyze::INTERVAL);
        let database = Database {
            inner: Arc::new(DatabaseInner {
                store,
                functions,
                handlers: RwLock::new(Vec::new()),
                embedder,
                plan_cache: PlanCache::default(),
                statement_memory_bytes: memory,
                started_us: now_us(),
                server_settings: RwLock::default(),
                sessions: Arc::default(),
                notifications: Arc::default(),
                next_process_id: AtomicI32::new(1),
                statement_count: AtomicU64::new(0),
                auto_analyze: Mutex::new(None),
            }),
        };
        let like = database.session_for(INTERNAL_USER).context();
        database.store().set_index_compiler(Arc::new(IndexExpressions::new(&like)?));
        bootstrap::run(&database)?;
        upgrade::run(&database)?;
        temporary::drop_left_over(&database)?;
        *database.inner.auto_analyze.lock() = Some(AutoAnalyze::start(&database.inner.store, interval));
        Ok(database)
    }

    /// A session of the superuser `sinew`.
    pub fn session(&self) -> Session {
        self.session_for("sinew")
    }

    pub fn session_for(&self, user: &str) -> Session {
        let process_id = self.inner.next_process_id.fetch_add(1, Ordering::Relaxed);
        Session::new(self.clone(), user, process_id)
    }

    pub fn functions(&self) -> Arc<FunctionRegistry> {
        Arc::clone(&self.inner.functions)
    }

    pub fn register_table_function(&self, function: Arc<dyn TableFunction>) {
        self.inner.functions.register_table_function(function);
    }

    pub fn register_statement_handler(&self, handler: Arc<dyn StatementHandler>) {
        self.inner.handlers.write().push(handler);
    }

    pub fn embedder(&self) -> Arc<dyn Embedder> {
        Arc::clone(&self.inner.embedder)
    }

    /// What sessions that begin from now on show for a setting that only the server decides (`max_connections`).
    pub fn set_server_setting(&self, name: &str, value: impl ToString) {
        self.inner.server_settings.write().insert(name.to_lowercase(), value.to_string());
    }

    pub fn store(&self) -> &Arc<Store> {
        &self.inner.store
    }

    pub fn stats(&self) -> StoreStats {
        self.inner.store.stats()
    }

    /// Statements started since the database was opened.
    pub fn statement_count(&self) -> u64 {
        self.inner.statement_count.load(Ordering::Relaxed)
    }

    /// Drains commits, writes checkpoints and closes the file. Idempotent.
    pub fn close(&self) -> Result<()> {
        self.inner.auto_analyze.lock().take();
        Ok(self.inner.store.close()?)
    }
}
