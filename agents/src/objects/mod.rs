//! What CREATE MODEL, TOOL, MEMORY, AGENT and SECRET define: typed definitions, and the rows that keep them.
//!
//! A definition is a JSON object, whether it came as a statement or through `create_agent(name, definition)`; one
//! reader per kind checks it. The object's row keeps the JSON beside the columns that people query.

mod agent;
mod catalog;
mod fields;
mod memory;
mod model;
mod secret;
mod tool;

pub use agent::{AgentDef, BUILTIN_MODEL, Limits};
pub use catalog::{
    Change, Define, builtin_model_row, define, drop_object, find_agent, find_agent_version, find_memory, find_model,
    find_secret, find_tool,
};
pub use fields::{Fields, Invalid, invalid_value, parse_duration_ms};
pub use memory::MemoryDef;
pub use model::{ModelDef, Provider, is_loopback, nanos_from_usd, usd_from_nanos};
pub use secret::SecretDef;
pub use tool::{BuiltinTool, ToolBody, ToolDef, ToolEffect, ToolParam};

/// The kinds of objects this crate keeps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ObjectKind {
    Secret,
    Model,
    Tool,
    Memory,
    Agent,
}

impl ObjectKind {
    pub const ALL: [ObjectKind; 5] =
        [ObjectKind::Secret, ObjectKind::Model, ObjectKind::Tool, ObjectKind::Memory, ObjectKind::Agent];

    /// As errors name it, and in upper case the keyword.
    pub fn name(self) -> &'static str {
        match self {
            ObjectKind::Secret => "secret",
            ObjectKind::Model => "model",
            ObjectKind::Tool => "tool",
            ObjectKind::Memory => "memory",
            ObjectKind::Agent => "agent",
        }
    }

    /// The system table of its rows.
    pub fn table(self) -> &'static str {
        match self {
            ObjectKind::Secret => "secrets",
            ObjectKind::Model => "models",
            ObjectKind::Tool => "tools",
            ObjectKind::Memory => "memories",
            ObjectKind::Agent => "agents",
        }
    }

    pub fn from_keyword(word: &str) -> Option<ObjectKind> {
        Self::ALL.into_iter().find(|kind| kind.name().eq_ignore_ascii_case(word))
    }
}
