//! What upper crates plug into the engine.

use sinew_query::Result;

use crate::Session;

/// Statements of an upper crate (agents, models, tools, memories, secrets), recognised by their leading words.
pub trait StatementHandler: Send + Sync {
    /// `words` are the first few words of the statement, upper case (`["CREATE", "OR", "REPLACE", "AGENT", …]`).
    fn claims(&self, words: &[String]) -> bool;

    /// Carries it out inside the session's current transaction, through `session.query(…)`; gives the command tag.
    /// An error rolls back what it wrote.
    fn execute(&self, session: &mut Session, text: &str) -> Result<String>;
}
