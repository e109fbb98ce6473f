//! Rows of objects: define, change, drop, find.

use serde_json::{Value as JsonValue, json};
use sinew::{QueryError, Result, Value, sqlstate};
use uuid::Uuid;

use super::agent::AgentDef;
use super::fields::{Invalid, with_article};
use super::memory::MemoryDef;
use super::model::ModelDef;
use super::secret::SecretDef;
use super::tool::{BuiltinTool, ToolBody, ToolDef};
use super::{ObjectKind, invalid_value};
use crate::json::{json_value, same_json};
use crate::rows::{Record, Rows, Select};
use sinew::query::near_miss::near_miss;

/// How a definition meets an object of the same name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// 42710 when there is one.
    Create,
    /// A new version when it differs.
    CreateOrReplace,
    /// Fields of the definition replace those of the object; 42704 when there is none.
    Alter,
}

/// A definition to carry out.
#[derive(Clone, Debug)]
pub struct Define<'a> {
    pub kind: ObjectKind,
    pub name: &'a str,
    pub definition: JsonValue,
    pub change: Change,
    /// Who asks: the owner of what is created.
    pub user: &'a str,
    pub now_us: i64,
}

fn uuid_value(id: Uuid) -> Value {
    Value::Uuid(*id.as_bytes())
}

/// Carries a definition out; gives the object's row. An equal definition changes nothing.
pub fn define(rows: &dyn Rows, request: Define<'_>) -> Result<Record, Invalid> {
    let Define { kind, name, mut definition, change, user, now_us } = request;
    if name.is_empty() || name.len() > 200 || name.chars().any(char::is_control) {
        return Err(invalid_value(format!("\"{name}\" is no name for {}", with_article(kind.name()))).into());
    }
    let key = object_key(rows, kind, name, user, change == Change::Alter)?;
    let existing = rows.get(kind.table(), &borrowed(&key))?;
    match (&existing, change) {
        (Some(_), Change::Create) => {
            let message = format!("{} \"{name}\" already exists", kind.name());
            return Err(QueryError::new(sqlstate::DUPLICATE_OBJECT, message).into());
        }
        (None, Change::Alter) => return Err(undefined(rows, kind, name)?.into()),
        _ => {}
    }
    let stored = existing.as_ref().map(|record| record.json("definition"));
    if let (Change::Alter, Some(JsonValue::Object(stored)), JsonValue::Object(given)) = (change, &stored, &definition) {
        let mut merged = stored.clone();
        merged.extend(given.clone());
        definition = merged.into();
    }
    if let JsonValue::Object(fields) = &mut definition {
        fields.retain(|_, value| !value.is_null());
    }
    let version = existing.as_ref().map_or(Ok(0), |record| record.int("version"))? + 1;
    let id = existing.as_ref().and_then(|record| record.opt_uuid("id")).unwrap_or_else(Uuid::now_v7);
    let owner = existing.as_ref().and_then(|record| record.opt_text("owner")).unwrap_or_else(|| user.to_owned());
    // Checked even when equal: what it refers to may have gone.
    let columns = kind_columns(rows, kind, id, &owner, name, version, &definition)?;
    if let Some(existing) = &existing
        && stored.is_some_and(|stored| same_json(&stored, &definition))
    {
        return Ok(existing.clone());
    }
    let record = Record(
        columns
            .0
            .into_iter()
            .chain(
                Record::new()
                    .with("name", name)
                    .with("owner", owner.as_str())
                    .with("version", version)
                    .with_json("definition", &definition)
                    .with("updated_at", Value::Timestamp(now_us))
                    .0,
            )
            .collect(),
    );
    if existing.is_some() {
        rows.update(kind.table(), &borrowed(&key), record)?;
    } else {
        let mut record = record.with("created_at", Value::Timestamp(now_us));
        if kind == ObjectKind::Agent {
            record = record.with("id", uuid_value(id));
        }
        rows.insert(kind.table(), record)?;
    }
    if kind == ObjectKind::Agent {
        rows.insert(
            "agent_versions",
            Record::new()
                .with("id", uuid_value(id))
                .with("version", version)
                .with("owner", owner.as_str())
                .with("name", name)
                .with("type", "react")
                .with_json("definition", &definition)
                .with("created_at", Value::Timestamp(now_us)),
        )?;
    }
    let record = rows.get(kind.table(), &borrowed(&key))?;
    record
        .ok_or_else(|| QueryError::internal(format!("{} \"{name}\" is gone after it was written", kind.name())).into())
}

/// Checks the definition with all it refers to, and gives the columns that only this kind has.
fn kind_columns(
    rows: &dyn Rows,
    kind: ObjectKind,
    id: Uuid,
    owner: &str,
    name: &str,
    version: i64,
    definition: &JsonValue,
) -> Result<Record, Invalid> {
    let at = |field: &str| {
        let field = field.to_owned();
        move |error: QueryError| Invalid { field: Some(field), error }
    };
    Ok(match kind {
        ObjectKind::Secret => {
            let secret = SecretDef::read(name, definition)?;
            Record::new().with("env", secret.env).with("host", secret.host)
        }
        ObjectKind::Model => {
            let model = ModelDef::read(name, definition)?;
            if let Some(secret_name) = &model.secret {
                let secret = find_secret(rows, secret_name).map_err(at("secret"))?;
                let host = model.host().unwrap_or_default();
                if !secret.is_for_host(&host) {
                    let message =
                        format!("secret \"{secret_name}\" is for host \"{}\", the model calls \"{host}\"", secret.host);
                    return Err(at("secret")(invalid_value(message)));
                }
            }
            Record::new()
                .with("provider", model.provider.name())
                .with("model", model.model)
                .with("base_url", model.base_url)
        }
        ObjectKind::Tool => {
            if BuiltinTool::from_name(name).is_some() || name == "call_agent" {
                let message = format!("tool \"{name}\" is built in");
                return Err(QueryError::new(sqlstate::DUPLICATE_OBJECT, message).into());
            }
            let tool = ToolDef::read(name, version, definition)?;
            let language = if matches!(tool.body, ToolBody::Cypher(_)) { "cypher" } else { "sql" };
            let parameters = definition.get("parameters").cloned().unwrap_or_else(|| json!([]));
            Record::new()
                .with("language", language)
                .with_json("parameters", &parameters)
                .with("effect", tool.effect.name())
                .with("description", tool.description)
        }
        ObjectKind::Memory => {
            MemoryDef::read(name, definition)?;
            let kinds = definition.get("kinds").and_then(JsonValue::as_str).unwrap_or("window");
            Record::new().with("kinds", kinds)
        }
        ObjectKind::Agent => {
            let agent = AgentDef::read(id, owner, name, version, definition)?;
            find_model(rows, &agent.model).map_err(at("model"))?;
            for tool in &agent.tools {
                find_tool(rows, tool).map_err(at("tools"))?;
            }
            if let Some(memory) = &agent.memory {
                find_memory(rows, memory).map_err(at("memory"))?;
            }
            Record::new()
                .with("type", "react")
                .with("model", agent.model)
                .with("memory", agent.memory)
                .with_json("tools", &json!(agent.tools))
                .with("prompt", agent.prompt)
        }
    })
}

/// Drops an object; false when there is none and `if_exists`. 2BP01 while another object needs it.
pub fn drop_object(rows: &dyn Rows, kind: ObjectKind, name: &str, user: &str, if_exists: bool) -> Result<bool> {
    let key = object_key(rows, kind, name, user, true)?;
    if rows.get(kind.table(), &borrowed(&key))?.is_none() {
        return if if_exists { Ok(false) } else { Err(undefined(rows, kind, name)?) };
    }
    let dependents: Vec<String> = match kind {
        ObjectKind::Secret => {
            let models = rows.select(Select::from("models"))?;
            let uses = models.iter().filter(|model| model.json("definition")["secret"] == *name);
            uses.map(|model| Ok(format!("model {}", model.text("name")?))).collect::<Result<_>>()?
        }
        ObjectKind::Agent => Vec::new(),
        ObjectKind::Model | ObjectKind::Memory | ObjectKind::Tool => {
            let agents = rows.select(Select::from("agents"))?;
            let uses = agents.iter().filter(|agent| match kind {
                ObjectKind::Tool => agent.json("tools").as_array().is_some_and(|tools| tools.iter().any(|t| t == name)),
                _ => agent.get(kind.name()).as_str() == Some(name),
            });
            uses.map(|agent| Ok(format!("agent {}", agent.text("name")?))).collect::<Result<_>>()?
        }
    };
    if !dependents.is_empty() {
        let message = format!("cannot drop {} \"{name}\" because other objects depend on it", kind.name());
        let detail = format!("{} depend on it", dependents.join(", "));
        return Err(QueryError::new(sqlstate::DEPENDENT_OBJECTS_STILL_EXIST, message).detail(detail));
    }
    rows.delete(kind.table(), &borrowed(&key))?;
    Ok(true)
}

/// The primary key of an object. An agent of another owner is found by name when it is the only one.
fn object_key(
    rows: &dyn Rows,
    kind: ObjectKind,
    name: &str,
    user: &str,
    any_owner: bool,
) -> Result<Vec<(&'static str, Value)>> {
    if kind != ObjectKind::Agent {
        return Ok(vec![("name", name.into())]);
    }
    let mut owner = user.to_owned();
    if any_owner && let Some(record) = agent_record(rows, user, name)? {
        owner = record.text("owner")?;
    }
    Ok(vec![("owner", owner.into()), ("name", name.into())])
}

fn borrowed<'a>(key: &'a [(&'static str, Value)]) -> Vec<(&'a str, Value)> {
    key.iter().map(|(column, value)| (*column, value.clone())).collect()
}

/// 42704, with the near miss.
fn undefined(rows: &dyn Rows, kind: ObjectKind, name: &str) -> Result<QueryError> {
    let mut names: Vec<String> = Vec::new();
    for record in rows.select(Select::from(kind.table()).limit(10_000))? {
        names.push(record.text("name")?);
    }
    if kind == ObjectKind::Tool {
        names.extend(BuiltinTool::ALL.iter().map(|tool| tool.name().to_owned()));
    }
    let error = QueryError::new(sqlstate::UNDEFINED_OBJECT, format!("{} \"{name}\" does not exist", kind.name()));
    Ok(match near_miss(name, names.iter().map(String::as_str)) {
        Some(near) => error.hint(format!("did you mean \"{near}\"?")),
        None => error,
    })
}

fn find(rows: &dyn Rows, kind: ObjectKind, name: &str) -> Result<Record> {
    match rows.get(kind.table(), &[("name", name.into())])? {
        Some(record) => Ok(record),
        None => Err(undefined(rows, kind, name)?),
    }
}

pub fn find_secret(rows: &dyn Rows, name: &str) -> Result<SecretDef> {
    Ok(SecretDef::read(name, &find(rows, ObjectKind::Secret, name)?.json("definition"))?)
}

pub fn find_model(rows: &dyn Rows, name: &str) -> Result<ModelDef> {
    Ok(ModelDef::read(name, &find(rows, ObjectKind::Model, name)?.json("definition"))?)
}

pub fn find_memory(rows: &dyn Rows, name: &str) -> Result<MemoryDef> {
    Ok(MemoryDef::read(name, &find(rows, ObjectKind::Memory, name)?.json("definition"))?)
}

/// Built in or created.
pub fn find_tool(rows: &dyn Rows, name: &str) -> Result<ToolDef> {
    if let Some(builtin) = BuiltinTool::from_name(name) {
        return Ok(builtin.definition());
    }
    let record = find(rows, ObjectKind::Tool, name)?;
    Ok(ToolDef::read(name, record.int("version")?, &record.json("definition"))?)
}

/// An agent by name (the user's own first, then the superuser's, then the only one of that name) or by id. 42704.
pub fn find_agent(rows: &dyn Rows, user: &str, name_or_id: &str) -> Result<AgentDef> {
    match agent_record(rows, user, name_or_id)? {
        Some(record) => agent_of(&record),
        None => Err(undefined(rows, ObjectKind::Agent, name_or_id)?),
    }
}

/// The version that a run began with.
pub fn find_agent_version(rows: &dyn Rows, id: Uuid, version: i64) -> Result<AgentDef> {
    let record = rows.get("agent_versions", &[("id", uuid_value(id)), ("version", version.into())])?;
    let record = record.ok_or_else(|| {
        QueryError::new(sqlstate::UNDEFINED_OBJECT, format!("version {version} of agent {id} does not exist"))
    })?;
    agent_of(&record)
}

fn agent_of(record: &Record) -> Result<AgentDef> {
    let (owner, name) = (record.text("owner")?, record.text("name")?);
    let id = record.uuid("id")?;
    Ok(AgentDef::read(id, &owner, &name, record.int("version")?, &record.json("definition"))?)
}

fn agent_record(rows: &dyn Rows, user: &str, name_or_id: &str) -> Result<Option<Record>> {
    for owner in [user, "sinew"] {
        let found = rows.get("agents", &[("owner", owner.into()), ("name", name_or_id.into())])?;
        if found.is_some() {
            return Ok(found);
        }
    }
    if let Ok(id) = Uuid::parse_str(name_or_id)
        && let Some(found) = rows.get("agents", &[("id", uuid_value(id))])?
    {
        return Ok(Some(found));
    }
    let mut found = rows.select(Select::from("agents").equal("name", name_or_id).limit(2))?;
    if found.len() > 1 {
        let message = format!("agent name \"{name_or_id}\" is not unique: several owners have one");
        return Err(QueryError::new(sqlstate::UNDEFINED_OBJECT, message).hint("name it by its id"));
    }
    Ok(found.pop())
}

/// The model `builtin`, which agents without a model use.
pub fn builtin_model_row(now_us: i64) -> Record {
    Record::new()
        .with("name", super::BUILTIN_MODEL)
        .with("owner", "sinew")
        .with("version", 1i64)
        .with("provider", "builtin")
        .with("definition", json_value(&json!({"provider": "builtin"})))
        .with("created_at", Value::Timestamp(now_us))
        .with("updated_at", Value::Timestamp(now_us))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rows::Journal;
    use crate::rows::memory::MemoryJournal;

    fn journal() -> MemoryJournal {
        let journal = MemoryJournal::default();
        let dynamic: &dyn Journal = &journal;
        dynamic.transact(|rows| rows.insert("models", builtin_model_row(0))).expect("first row");
        journal
    }

    fn run(
        journal: &MemoryJournal,
        kind: ObjectKind,
        name: &str,
        definition: JsonValue,
        change: Change,
    ) -> Result<Record> {
        let journal: &dyn Journal = journal;
        journal.transact(|rows| {
            let definition = definition.clone();
            Ok(define(rows, Define { kind, name, definition, change, user: "ann", now_us: 7 })?)
        })
    }

    #[test]
    fn versions_move_only_when_something_changed() {
        let journal = journal();
        let agent = ObjectKind::Agent;
        let first = run(&journal, agent, "a", json!({"prompt": "one"}), Change::Create).expect("created");
        assert_eq!(first.int("version").ok(), Some(1));
        let code = run(&journal, agent, "a", json!({"prompt": "one"}), Change::Create).expect_err("taken");
        assert_eq!(code.sqlstate(), "42710");
        let same = run(&journal, agent, "a", json!({"prompt": "one"}), Change::CreateOrReplace).expect("equal");
        assert_eq!(same, first);
        let altered = run(&journal, agent, "a", json!({"max_iterations": 3}), Change::Alter).expect("altered");
        assert_eq!((altered.int("version").ok(), altered.uuid("id").ok()), (Some(2), first.uuid("id").ok()));
        assert_eq!(altered.text("prompt").ok().as_deref(), Some("one"));
        assert_eq!(journal.rows("agent_versions").len(), 2);
    }

    #[test]
    fn unknown_references_name_the_near_miss() {
        let journal = journal();
        let error =
            run(&journal, ObjectKind::Agent, "a", json!({"model": "builtni"}), Change::Create).expect_err("unknown");
        assert_eq!((error.sqlstate(), error.0.hint.as_deref()), ("42704", Some("did you mean \"builtin\"?")));
        let error = run(&journal, ObjectKind::Agent, "a", json!({"tools": ["serch_graph"]}), Change::Create)
            .expect_err("unknown");
        assert_eq!(error.0.hint.as_deref(), Some("did you mean \"search_graph\"?"));
        let error =
            run(&journal, ObjectKind::Agent, "a", json!({"max_iteration": 3}), Change::Create).expect_err("unknown");
        assert_eq!(error.0.message, "unknown option \"max_iteration\" of an agent");
        let error = run(&journal, ObjectKind::Tool, "run_sql", json!({"language": "sql", "body": "x"}), Change::Create);
        assert_eq!(error.expect_err("built in").sqlstate(), "42710");
    }

    #[test]
    fn dropping_minds_dependents() {
        let journal = journal();
        run(&journal, ObjectKind::Agent, "a", json!({}), Change::Create).expect("created");
        let dynamic: &dyn Journal = &journal;
        let drop =
            |kind, name: &str, if_exists| dynamic.transact(|rows| drop_object(rows, kind, name, "ann", if_exists));
        assert_eq!(drop(ObjectKind::Model, "builtin", false).expect_err("in use").sqlstate(), "2BP01");
        assert!(drop(ObjectKind::Agent, "a", false).expect("dropped"));
        assert!(!drop(ObjectKind::Agent, "a", true).expect("nothing to drop"));
        assert_eq!(drop(ObjectKind::Agent, "a", false).expect_err("gone").sqlstate(), "42704");
        assert_eq!(journal.rows("agent_versions").len(), 1);
    }
}
