//! Agents beside the database: started after it is opened, stopped before it is closed.

use std::sync::Arc;

use sinew::{Database, Result};
use sinew_agents::{AgentOptions, AgentRuntime};

/// The running agent engine, as the server needs it.
pub trait AgentService: Send + Sync {
    /// Stops taking up tasks and returns when none runs. What was interrupted resumes at the next open.
    fn shutdown(&self);
}

impl AgentService for AgentRuntime {
    fn shutdown(&self) {
        AgentRuntime::shutdown(self);
    }
}

/// Installs the agent engine.
pub fn install(database: &Database) -> Result<Option<Box<dyn AgentService>>> {
    // Where no roles exist, whoever can connect is a superuser.
    let options = AgentOptions { is_superuser: Arc::new(|_| true), ..AgentOptions::default() };
    Ok(Some(Box::new(sinew_agents::install(database, options)?)))
}
