//! Agents beside the database: started after it is opened, stopped before it is closed.

use sinew::{Database, Result};

/// The running agent engine, as the server needs it.
pub trait AgentService: Send + Sync {
    /// Stops taking up tasks and returns when none runs. What was interrupted resumes at the next open.
    fn shutdown(&self);
}

/// Installs the agent engine. None when this build has none: agent statements are then unknown to the session.
pub fn install(database: &Database) -> Result<Option<Box<dyn AgentService>>> {
    let _ = database;
    Ok(None)
}
