//! Installing the agents into a database, and the runtime that carries them out.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use parking_lot::Mutex;
use sinew::{Database, INTERNAL_USER, QueryError, Result, Session, Value, sqlstate};
use sinew_storage::Isolation;
use sinew_storage::catalog::{TableBehaviour, TableDef};

use crate::calls;
use crate::engine::{Engine, EngineParts, RunFinishedHook, Workers};
use crate::models::{HttpModels, open_model};
use crate::objects::builtin_model_row;
use crate::rows::{Journal, Record, StoreJournal};
use crate::statements::AgentStatements;
use crate::tools::DatabaseTools;

/// Version of the system tables that this program reads and writes.
const SCHEMA_VERSION: i64 = 1;

const SCHEMA: &str = include_str!("schema.sql");

/// The tables of the schema.
const TABLES: [&str; 14] = [
    "agent_schema",
    "secrets",
    "models",
    "tools",
    "memories",
    "agents",
    "agent_versions",
    "agent_runs",
    "agent_steps",
    "agent_llm_calls",
    "agent_tool_calls",
    "agent_events",
    "agent_tasks",
    "agent_approvals",
];

/// How long shutting down waits for workers.
const SHUTDOWN_LIMIT: Duration = Duration::from_secs(3);

/// Settings of the agents.
#[derive(Clone)]
pub struct AgentOptions {
    /// Threads that carry out steps, so the number of outside calls at once. 0: no step is carried out here.
    pub workers: usize,
    /// Called with an agent's name and the seconds of a run that ended.
    pub on_run_finished: Option<RunFinishedHook>,
    /// Who may create and drop secrets; by default the user `sinew`.
    pub is_superuser: Arc<dyn Fn(&str) -> bool + Send + Sync>,
    /// Environment variables that a secret may name; by default those that end in `_API_KEY`.
    pub allows_secret_env: Arc<dyn Fn(&str) -> bool + Send + Sync>,
}

impl Default for AgentOptions {
    fn default() -> Self {
        AgentOptions {
            workers: 4,
            on_run_finished: None,
            is_superuser: Arc::new(|user| user == "sinew"),
            allows_secret_env: Arc::new(|name| name.ends_with("_API_KEY")),
        }
    }
}

/// The running agents of one database. Dropping it shuts them down.
pub struct AgentRuntime {
    engine: Arc<Engine>,
    workers: Mutex<Option<Workers>>,
    network: Mutex<Option<tokio::runtime::Runtime>>,
}

/// Creates what is missing, registers statements and functions, and goes on with unfinished runs. Errors: 55006 when the
/// system tables are of a newer program.
pub fn install(db: &Database, options: AgentOptions) -> Result<AgentRuntime> {
    let journal: Arc<dyn Journal> = Arc::new(StoreJournal::new(db.clone()));
    create_schema(db, &*journal)?;
    let network = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .thread_name("agent-network")
        .enable_all()
        .build()
        .map_err(|error| QueryError::new(sqlstate::IO_ERROR, format!("no network runtime for agents: {error}")))?;
    let http = HttpModels::new(network.handle().clone());
    let count_tokens = Arc::clone(&db.session_for(INTERNAL_USER).context().count_tokens);
    let engine = Engine::open(EngineParts {
        journal,
        tools: Arc::new(DatabaseTools::new(db.clone())),
        open_model: Box::new(move |model, secret| open_model(&http, model, secret)),
        count_tokens,
        clock: Arc::new(now_us),
        on_run_finished: options.on_run_finished.clone(),
    })?;
    // Functions and statements live in the database and must not keep it open: they hold the engine weakly.
    for function in calls::functions(&engine, &options) {
        db.register_table_function(function);
    }
    db.register_statement_handler(Arc::new(AgentStatements::new(options.clone())));
    let workers = match options.workers {
        0 => None,
        count => Some(Workers::start(&engine, count).map_err(|error| {
            QueryError::new(sqlstate::IO_ERROR, format!("agent workers cannot be started: {error}"))
        })?),
    };
    Ok(AgentRuntime { engine, workers: Mutex::new(workers), network: Mutex::new(Some(network)) })
}

impl AgentRuntime {
    /// Stops the workers; outside calls are given up, and their runs stay resumable. Returns within a few seconds.
    /// Idempotent.
    pub fn shutdown(&self) {
        self.engine.stop();
        if let Some(workers) = self.workers.lock().take() {
            workers.join(SHUTDOWN_LIMIT);
        }
        if let Some(network) = self.network.lock().take() {
            // Never waits: this may be called from another runtime's thread.
            network.shutdown_background();
        }
    }

    /// The engine, for embedded callers and tests.
    pub fn engine(&self) -> &Arc<Engine> {
        &self.engine
    }
}

impl Drop for AgentRuntime {
    fn drop(&mut self) {
        self.shutdown();
    }
}

/// Wall clock, microseconds since 1970 UTC.
pub fn now_us() -> i64 {
    let elapsed = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    i64::try_from(elapsed.as_micros()).unwrap_or(i64::MAX)
}

/// Creates the system tables in one transaction, unless they are there.
fn create_schema(db: &Database, journal: &dyn Journal) -> Result<()> {
    if let Some(version) = installed_version(db, journal)? {
        return match version {
            SCHEMA_VERSION => Ok(()),
            newer if newer > SCHEMA_VERSION => {
                let message = format!("the agents' tables have version {newer}, this program knows {SCHEMA_VERSION}");
                Err(QueryError::new(sqlstate::CANNOT_CONNECT_NOW, message))
            }
            older => {
                Err(QueryError::internal(format!("there is no upgrade from version {older} of the agents' tables")))
            }
        };
    }
    let mut session = db.session_for(INTERNAL_USER);
    session.query("BEGIN", &[])?;
    if let Err(error) = create_tables(&mut session) {
        session.query("ROLLBACK", &[])?;
        return Err(error);
    }
    session.query("COMMIT", &[])?;
    // The tables are useless without these rows and the rows cannot be written before the tables exist, so the version
    // row comes last: a crash between the two commits repeats the statements, which change nothing.
    let now = now_us();
    journal.transact(|rows| {
        if rows.get("models", &[("name", "builtin".into())])?.is_none() {
            rows.insert("models", builtin_model_row(now))?;
        }
        let version =
            Record::new().with("id", 1i64).with("version", SCHEMA_VERSION).with("installed_at", Value::Timestamp(now));
        rows.insert("agent_schema", version)
    })
}

/// Runs the schema's statements, and closes the tables to everybody's writes but the engine's.
fn create_tables(session: &mut Session) -> Result<()> {
    for statement in session.split(SCHEMA) {
        session.query(&statement.text, &[])?;
    }
    let transaction = session
        .current_transaction()
        .ok_or_else(|| QueryError::internal("the transaction that installs the agents has ended early"))?;
    transaction.begin_statement()?;
    for name in TABLES {
        let catalog = transaction.catalog();
        let table = catalog
            .table("sinew", name)
            .ok_or_else(|| QueryError::internal(format!("relation sinew.{name} is missing")))?;
        if table.behaviour != TableBehaviour::EngineOnly {
            transaction.alter_table(TableDef { behaviour: TableBehaviour::EngineOnly, ..TableDef::clone(table) })?;
        }
    }
    transaction.finish_statement()?;
    Ok(())
}

/// None before the first installation.
fn installed_version(db: &Database, journal: &dyn Journal) -> Result<Option<i64>> {
    let transaction = db.store().begin(Isolation::ReadCommitted);
    let exists = transaction.catalog().table("sinew", "agent_schema").is_some();
    transaction.rollback();
    if !exists {
        return Ok(None);
    }
    let row = journal.transact(|rows| rows.get("agent_schema", &[("id", 1i64.into())]))?;
    row.map(|row| row.int("version")).transpose()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_schema_creates_the_tables_that_are_closed() {
        let created: Vec<&str> = SCHEMA
            .lines()
            .filter_map(|line| line.strip_prefix("CREATE TABLE IF NOT EXISTS sinew."))
            .map(|rest| rest.trim_end_matches(" ("))
            .collect();
        assert_eq!(created, TABLES);
    }
}
