//! Agents as stored procedures: models, tools, memory and the durable task engine.
//!
//! [`install()`] adds the system tables, statements and functions to an open [`sinew::Database`] and starts the workers.
//! What users see is in `docs/agents.md`; how a run is carried out is told at [`engine`].

pub mod calls;
pub mod ddl;
#[cfg(test)]
mod end_to_end;
pub mod engine;
mod install;
mod json;
pub mod memory;
pub mod models;
pub mod objects;
mod rows;
mod statements;
pub mod tools;

pub use engine::{RunId, RunStatus, RunSummary, StopReason};
pub use install::{AgentOptions, AgentRuntime, install};
