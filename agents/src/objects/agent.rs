//! Agents and their limits.

use serde_json::{Value as JsonValue, json};
use sinew::{QueryError, sqlstate};
use uuid::Uuid;

use super::fields::{Fields, Invalid};
use super::model::{nanos_from_usd, usd_from_nanos};

/// Model of an agent that names none.
pub const BUILTIN_MODEL: &str = "builtin";

/// Tools of an agent that names none.
const DEFAULT_TOOLS: [&str; 2] = ["search_memory", "search_graph"];

/// Prompt of an agent that names none.
const DEFAULT_PROMPT: &str = "You answer questions from the messages and the knowledge graph of this database. \
    Use the tools to find evidence, cite it as [message …] and [node …], and say plainly when there is none.";

/// Where a run stops. A caller's budget narrows them and never widens them.
#[derive(Clone, Debug, PartialEq)]
pub struct Limits {
    /// Model calls.
    pub max_iterations: i64,
    /// Tokens in and out, together.
    pub max_tokens: i64,
    /// Nano-dollars; None: no limit.
    pub max_usd_nanos: Option<i64>,
    pub timeout_ms: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Limits { max_iterations: 8, max_tokens: 200_000, max_usd_nanos: None, timeout_ms: 300_000 }
    }
}

const LIMIT_FIELDS: [&str; 4] = ["max_iterations", "max_tokens", "max_usd", "timeout"];

impl Limits {
    fn read(fields: &Fields<'_>, defaults: Limits) -> Result<Limits, Invalid> {
        Ok(Limits {
            max_iterations: fields.int("max_iterations", 1..=10_000)?.unwrap_or(defaults.max_iterations),
            max_tokens: fields.int("max_tokens", 1..=1_000_000_000)?.unwrap_or(defaults.max_tokens),
            max_usd_nanos: fields.number("max_usd")?.map(nanos_from_usd).or(defaults.max_usd_nanos),
            timeout_ms: fields.duration_ms("timeout")?.unwrap_or(defaults.timeout_ms),
        })
    }

    /// These limits narrowed by a caller's budget. 22023 when it is malformed.
    pub fn narrowed_by(&self, budget: &JsonValue) -> Result<Limits, QueryError> {
        if budget.is_null() {
            return Ok(self.clone());
        }
        let fields = Fields::new("budget", budget, &LIMIT_FIELDS)?;
        let asked = Limits::read(&fields, self.clone())?;
        Ok(Limits {
            max_iterations: asked.max_iterations.min(self.max_iterations),
            max_tokens: asked.max_tokens.min(self.max_tokens),
            max_usd_nanos: match (asked.max_usd_nanos, self.max_usd_nanos) {
                (Some(a), Some(b)) => Some(a.min(b)),
                (a, b) => a.or(b),
            },
            timeout_ms: asked.timeout_ms.min(self.timeout_ms),
        })
    }

    /// As `agent_runs.budget` keeps them.
    pub fn to_json(&self) -> JsonValue {
        let mut out = json!({
            "max_iterations": self.max_iterations,
            "max_tokens": self.max_tokens,
            "timeout": format!("{}ms", self.timeout_ms),
        });
        if let Some(nanos) = self.max_usd_nanos {
            out["max_usd"] = usd_from_nanos(nanos).into();
        }
        out
    }

    pub fn from_json(stored: &JsonValue) -> Result<Limits, QueryError> {
        let fields = Fields::new("budget", stored, &LIMIT_FIELDS)?;
        Ok(Limits::read(&fields, Limits::default())?)
    }
}

#[derive(Clone, Debug, PartialEq)]
pub struct AgentDef {
    pub id: Uuid,
    pub owner: String,
    pub name: String,
    pub version: i64,
    pub model: String,
    pub tools: Vec<String>,
    pub memory: Option<String>,
    pub prompt: String,
    pub limits: Limits,
}

const FIELDS: &[&str] = &[
    "type",
    "model",
    "tools",
    "memory",
    "prompt",
    "description",
    "max_iterations",
    "max_tokens",
    "max_usd",
    "timeout",
];

/// Kinds of agents that the language knows.
pub const AGENT_TYPES: [&str; 6] = ["react", "graph", "expert", "genius", "collective", "manager"];

impl AgentDef {
    /// Checks the definition itself; that its model, tools and memory exist is the catalog's to check.
    pub fn read(id: Uuid, owner: &str, name: &str, version: i64, definition: &JsonValue) -> Result<AgentDef, Invalid> {
        // The type first: fields of a kind that is not built would otherwise read as unknown options.
        let ty = definition.get("type").and_then(JsonValue::as_str).unwrap_or("react");
        if ty != "react" && AGENT_TYPES.contains(&ty) {
            let error = QueryError::unsupported(format!("agent type \"{ty}\"")).hint("agents of type react are");
            return Err(Invalid { field: Some("type".to_owned()), error });
        }
        let fields = Fields::new("agent", definition, FIELDS)?;
        fields.choice("type", &AGENT_TYPES)?;
        let tools = match fields.get("tools") {
            None => DEFAULT_TOOLS.map(str::to_owned).to_vec(),
            Some(JsonValue::Array(items)) => {
                let names = items.iter().map(|item| item.as_str().map(str::to_owned)).collect::<Option<Vec<_>>>();
                names.ok_or_else(|| fields.fail("tools", "expected an array of names"))?
            }
            Some(other) => return Err(fields.fail("tools", format!("expected an array of names, found {other}"))),
        };
        for (position, tool) in tools.iter().enumerate() {
            if tool == "call_agent" {
                return Err(fields.unsupported("tools", "the tool \"call_agent\""));
            }
            if tools[..position].contains(tool) {
                let error = QueryError::new(sqlstate::DUPLICATE_OBJECT, format!("tool \"{tool}\" is named twice"));
                return Err(Invalid { field: Some("tools".to_owned()), error });
            }
        }
        let prompt = fields.text("prompt")?.unwrap_or_else(|| DEFAULT_PROMPT.to_owned());
        if let Err(error) = crate::engine::check_prompt(&prompt) {
            return Err(fields.fail("prompt", error));
        }
        fields.text("description")?;
        Ok(AgentDef {
            id,
            owner: owner.to_owned(),
            name: name.to_owned(),
            version,
            model: fields.text("model")?.unwrap_or_else(|| BUILTIN_MODEL.to_owned()),
            tools,
            memory: fields.text("memory")?,
            prompt,
            limits: Limits::read(&fields, Limits::default())?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(definition: JsonValue) -> Result<AgentDef, Invalid> {
        AgentDef::read(Uuid::nil(), "ann", "helper", 1, &definition)
    }

    #[test]
    fn defaults() {
        let agent = read(json!({})).expect("an empty definition is enough");
        assert_eq!(agent.model, "builtin");
        assert_eq!(agent.tools, ["search_memory", "search_graph"]);
        assert!(read(json!({"tools": []})).expect("no tools is fine").tools.is_empty());
    }

    #[test]
    fn budgets_only_narrow() {
        let limits = Limits { max_iterations: 5, max_tokens: 100, max_usd_nanos: Some(10), timeout_ms: 9_000 };
        let narrowed = limits.narrowed_by(&json!({"max_iterations": 9, "max_tokens": 50, "timeout": "2s"}));
        let narrowed = narrowed.expect("budget is right");
        assert_eq!(narrowed, Limits { max_tokens: 50, timeout_ms: 2_000, ..limits.clone() });
        assert_eq!(Limits::from_json(&narrowed.to_json()).expect("stored limits read back"), narrowed);
        for bad in [json!([1]), json!({"max_token": 5}), json!({"timeout": "soon"}), json!({"max_usd": -1})] {
            assert_eq!(limits.narrowed_by(&bad).expect_err("malformed").sqlstate(), "22023", "{bad}");
        }
    }

    #[test]
    fn refused_definitions() {
        let error = |definition| read(definition).expect_err("refused").error;
        assert_eq!(error(json!({"type": "manager"})).to_string(), "agent type \"manager\" is not supported");
        assert_eq!(error(json!({"type": "graph", "nodes": []})).sqlstate(), "0A000");
        assert_eq!(error(json!({"type": "raect"})).sqlstate(), "22023");
        assert_eq!(error(json!({"tools": ["call_agent"]})).sqlstate(), "0A000");
        assert_eq!(error(json!({"prompt": "{{ user"})).sqlstate(), "22023");
    }
}
