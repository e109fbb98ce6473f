//! One open database.

use std::path::Path;
use std::sync::Arc;

use sinew_query::Result;
use sinew_query::functions::{FunctionRegistry, TableFunction};
use sinew_storage::{Embedder, Store, StoreOptions, StoreStats};

use crate::{Session, StatementHandler};

/// Settings of an open database.
#[derive(Clone, Default)]
pub struct DatabaseOptions {
    pub store: StoreOptions,
    /// Memory one statement may hold, in bytes; 0: a quarter of the budget.
    pub statement_memory_bytes: usize,
}

/// One open database directory. Cheap to clone; the last clone closes it.
#[derive(Clone)]
pub struct Database {}

impl Database {
    /// Opens or creates the database in `directory`.
    pub fn open(directory: impl AsRef<Path>) -> Result<Database> {
        Self::open_with(directory, DatabaseOptions::default())
    }

    pub fn open_with(directory: impl AsRef<Path>, options: DatabaseOptions) -> Result<Database> {
        let _ = (directory, options);
        todo!("engine")
    }

    /// A database that vanishes with its last clone.
    pub fn in_memory() -> Result<Database> {
        todo!("engine")
    }

    /// A session of the superuser `sinew`.
    pub fn session(&self) -> Session {
        self.session_for("sinew")
    }

    pub fn session_for(&self, user: &str) -> Session {
        let _ = user;
        todo!("engine")
    }

    pub fn functions(&self) -> Arc<FunctionRegistry> {
        todo!("engine")
    }

    pub fn register_table_function(&self, function: Arc<dyn TableFunction>) {
        self.functions().register_table_function(function);
    }

    pub fn register_statement_handler(&self, handler: Arc<dyn StatementHandler>) {
        let _ = handler;
        todo!("engine")
    }

    pub fn embedder(&self) -> Arc<dyn Embedder> {
        todo!("engine")
    }

    pub fn store(&self) -> &Arc<Store> {
        todo!("engine")
    }

    pub fn stats(&self) -> StoreStats {
        todo!("engine")
    }

    /// Drains commits, writes checkpoints and closes the file. Idempotent.
    pub fn close(&self) -> Result<()> {
        todo!("engine")
    }
}
