//! Tools: what a model may call.

use std::time::Duration;

use serde_json::{Value as JsonValue, json};

use super::fields::{Fields, Invalid};

/// What happens when a call is made twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ToolEffect {
    /// Reads only: done again after a crash, may be cached.
    Pure,
    /// May be done again with the same arguments.
    Idempotent,
    /// Must not be done twice: after a crash a person decides.
    Once,
}

impl ToolEffect {
    pub fn name(self) -> &'static str {
        match self {
            ToolEffect::Pure => "pure",
            ToolEffect::Idempotent => "idempotent",
            ToolEffect::Once => "once",
        }
    }
}

/// A parameter. The type is SQL's name of it, lower case.
#[derive(Clone, Debug, PartialEq)]
pub struct ToolParam {
    pub name: String,
    pub ty: String,
    pub description: Option<String>,
    pub required: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BuiltinTool {
    SearchMemory,
    SearchGraph,
    RunSql,
    RunCypher,
    Remember,
    Relate,
}

#[derive(Clone, Debug, PartialEq)]
pub enum ToolBody {
    Sql(String),
    Cypher(String),
    Builtin(BuiltinTool),
}

#[derive(Clone, Debug, PartialEq)]
pub struct ToolDef {
    pub name: String,
    pub version: i64,
    pub description: String,
    pub params: Vec<ToolParam>,
    pub body: ToolBody,
    pub effect: ToolEffect,
    pub max_rows: usize,
    pub max_bytes: usize,
    pub timeout: Duration,
    pub cache_ttl: Option<Duration>,
}

const FIELDS: &[&str] = &[
    "language",
    "parameters",
    "body",
    "effect",
    "max_rows",
    "max_bytes",
    "timeout",
    "cache_ttl",
    "description",
    "allow_hosts",
];

impl ToolDef {
    pub fn read(name: &str, version: i64, definition: &JsonValue) -> Result<ToolDef, Invalid> {
        let fields = Fields::new("tool", definition, FIELDS)?;
        fields.required_text("language")?;
        let language = fields.choice("language", &["sql", "cypher", "http"])?.unwrap_or_default();
        if language == "http" {
            return Err(fields.unsupported("language", "tool language \"http\""));
        }
        if fields.get("allow_hosts").is_some() {
            return Err(fields.fail("allow_hosts", "only tools of language http call hosts"));
        }
        let text = fields.required_text("body")?;
        if text.trim().is_empty() {
            return Err(fields.fail("body", "is empty"));
        }
        let body = if language == "sql" { ToolBody::Sql(text) } else { ToolBody::Cypher(text) };
        let effect = match fields.choice("effect", &["pure", "idempotent", "once"])? {
            Some("idempotent") => ToolEffect::Idempotent,
            Some("once") => ToolEffect::Once,
            _ => ToolEffect::Pure,
        };
        let cache_ttl = fields.duration_ms("cache_ttl")?.map(Duration::from_millis);
        if cache_ttl.is_some() && effect != ToolEffect::Pure {
            return Err(fields.fail("cache_ttl", "only results of pure tools are cached"));
        }
        let params = match fields.get("parameters") {
            None => Vec::new(),
            Some(JsonValue::Array(items)) => read_params(&fields, items)?,
            Some(other) => return Err(fields.fail("parameters", format!("expected an array, found {other}"))),
        };
        Ok(ToolDef {
            name: name.to_owned(),
            version,
            description: fields.text("description")?.unwrap_or_else(|| format!("Tool {name}.")),
            params,
            body,
            effect,
            max_rows: fields.int("max_rows", 1..=10_000)?.unwrap_or(50) as usize,
            max_bytes: fields.int("max_bytes", 64..=4_000_000)?.unwrap_or(32_768) as usize,
            timeout: Duration::from_millis(fields.duration_ms("timeout")?.unwrap_or(10_000)),
            cache_ttl,
        })
    }

    /// The JSON schema of its arguments, as models are told.
    pub fn schema(&self) -> JsonValue {
        let mut properties = serde_json::Map::new();
        for param in &self.params {
            let mut schema = schema_of_type(&param.ty);
            if let Some(description) = &param.description {
                schema["description"] = description.as_str().into();
            }
            properties.insert(param.name.clone(), schema);
        }
        let required: Vec<&str> = self.params.iter().filter(|p| p.required).map(|p| p.name.as_str()).collect();
        json!({"type": "object", "properties": properties, "required": required, "additionalProperties": false})
    }
}

fn read_params(fields: &Fields<'_>, items: &[JsonValue]) -> Result<Vec<ToolParam>, Invalid> {
    let mut params: Vec<ToolParam> = Vec::with_capacity(items.len());
    for item in items {
        let param = Fields::new("tool parameter", item, &["name", "type", "description"])?;
        let name = param.required_text("name")?;
        let ty = param.text("type")?.unwrap_or_else(|| "text".to_owned()).to_lowercase();
        if name.is_empty() || !name.chars().all(|c| c.is_alphanumeric() || c == '_') {
            return Err(fields.fail("parameters", format!("\"{name}\" is no parameter name")));
        }
        if params.iter().any(|known| known.name == name) {
            return Err(fields.fail("parameters", format!("parameter \"{name}\" is given twice")));
        }
        params.push(ToolParam { name, ty, description: param.text("description")?, required: true });
    }
    if params.len() > 32 {
        return Err(fields.fail("parameters", format!("{} parameters, at most 32 are possible", params.len())));
    }
    Ok(params)
}

/// JSON schema of a SQL type.
fn schema_of_type(ty: &str) -> JsonValue {
    let base = ty.split('(').next().unwrap_or(ty).trim();
    if let Some(element) = ty.strip_suffix("[]") {
        return json!({"type": "array", "items": schema_of_type(element)});
    }
    match base {
        "smallint" | "int2" | "int" | "integer" | "int4" | "bigint" | "int8" => json!({"type": "integer"}),
        "real" | "float4" | "float" | "float8" | "double precision" | "numeric" | "decimal" => {
            json!({"type": "number"})
        }
        "bool" | "boolean" => json!({"type": "boolean"}),
        "json" | "jsonb" => json!({}),
        "uuid" => json!({"type": "string", "format": "uuid"}),
        "date" => json!({"type": "string", "format": "date"}),
        "timestamp" | "timestamptz" | "timestamp with time zone" | "timestamp without time zone" => {
            json!({"type": "string", "format": "date-time"})
        }
        _ => json!({"type": "string"}),
    }
}

impl BuiltinTool {
    pub const ALL: [BuiltinTool; 6] = [
        BuiltinTool::SearchMemory,
        BuiltinTool::SearchGraph,
        BuiltinTool::RunSql,
        BuiltinTool::RunCypher,
        BuiltinTool::Remember,
        BuiltinTool::Relate,
    ];

    pub fn name(self) -> &'static str {
        match self {
            BuiltinTool::SearchMemory => "search_memory",
            BuiltinTool::SearchGraph => "search_graph",
            BuiltinTool::RunSql => "run_sql",
            BuiltinTool::RunCypher => "run_cypher",
            BuiltinTool::Remember => "remember",
            BuiltinTool::Relate => "relate",
        }
    }

    pub fn from_name(name: &str) -> Option<BuiltinTool> {
        Self::ALL.into_iter().find(|tool| tool.name() == name)
    }

    /// Its definition, as though it had been created.
    pub fn definition(self) -> ToolDef {
        let param = |name: &str, ty: &str, description: &str, required: bool| ToolParam {
            name: name.to_owned(),
            ty: ty.to_owned(),
            description: Some(description.to_owned()),
            required,
        };
        let (description, effect, params) = match self {
            BuiltinTool::SearchMemory => (
                "Search past messages of all conversations by words and meaning. Cite a hit as [message id].",
                ToolEffect::Pure,
                vec![
                    param("query", "text", "what to look for", true),
                    param("k", "int", "how many hits, 8 when left out", false),
                ],
            ),
            BuiltinTool::SearchGraph => (
                "Search the knowledge graph; gives nodes with their relationships. Cite a node as [node id].",
                ToolEffect::Pure,
                vec![
                    param("query", "text", "what to look for", true),
                    param("k", "int", "how many nodes, 5 when left out", false),
                ],
            ),
            BuiltinTool::RunSql => (
                "Run one read-only SQL query and get its rows.",
                ToolEffect::Pure,
                vec![param("query", "text", "one SELECT statement in PostgreSQL's dialect", true)],
            ),
            BuiltinTool::RunCypher => (
                "Run one read-only Cypher query over the graph and get its rows.",
                ToolEffect::Pure,
                vec![param("query", "text", "one reading openCypher statement", true)],
            ),
            BuiltinTool::Remember => (
                "Keep a fact for later as a node of the graph.",
                ToolEffect::Idempotent,
                vec![param("fact", "text", "the fact, as one sentence", true)],
            ),
            BuiltinTool::Relate => (
                "Keep a relationship between two named things in the graph.",
                ToolEffect::Idempotent,
                vec![
                    param("a", "text", "name of the first thing", true),
                    param("relation", "text", "how they relate, such as WORKS_AT", true),
                    param("b", "text", "name of the second thing", true),
                ],
            ),
        };
        ToolDef {
            name: self.name().to_owned(),
            version: 1,
            description: description.to_owned(),
            params,
            body: ToolBody::Builtin(self),
            effect,
            max_rows: 50,
            max_bytes: 32_768,
            timeout: Duration::from_secs(10),
            cache_ttl: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn schema_of_a_declared_tool() {
        let definition = json!({"language": "sql", "body": "SELECT 1",
            "parameters": [{"name": "customer", "type": "text", "description": "customer name"},
                           {"name": "ids", "type": "bigint[]"}]});
        let tool = ToolDef::read("find", 1, &definition).expect("definition is right");
        assert_eq!(
            tool.schema(),
            json!({"type": "object",
                "properties": {"customer": {"type": "string", "description": "customer name"},
                               "ids": {"type": "array", "items": {"type": "integer"}}},
                "required": ["customer", "ids"], "additionalProperties": false})
        );
        assert_eq!(tool.effect, ToolEffect::Pure);
    }

    #[test]
    fn refused_definitions() {
        let code = |definition: JsonValue| ToolDef::read("t", 1, &definition).expect_err("refused").error.sqlstate();
        assert_eq!(code(json!({"language": "http", "body": "GET https://x"})), "0A000");
        assert_eq!(code(json!({"language": "sql", "body": "x", "effect": "twice"})), "22023");
        assert_eq!(code(json!({"language": "sql", "body": "x", "effect": "once", "cache_ttl": "1m"})), "22023");
        assert_eq!(
            code(json!({"language": "sql", "body": "x",
            "parameters": [{"name": "a"}, {"name": "a"}]})),
            "22023"
        );
    }
}
