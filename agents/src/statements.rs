//! CREATE, ALTER and DROP of agents and what they need, inside the session's transaction.

use serde_json::Value as JsonValue;
use sinew::{QueryError, Result, Session, StatementHandler, sqlstate};
use sinew_storage::Transaction;

use crate::ddl::{Action, Statement, claims, parse};
use crate::install::{AgentOptions, now_us};
use crate::objects::{Change, Define, Invalid, ObjectKind, ToolBody, ToolDef, ToolEffect, define, drop_object};
use crate::rows::{Record, TransactionRows};
use crate::tools::check_body;

/// Registered with the database for the statements that [`claims`] recognises.
pub struct AgentStatements {
    options: AgentOptions,
}

impl AgentStatements {
    pub fn new(options: AgentOptions) -> AgentStatements {
        AgentStatements { options }
    }
}

impl StatementHandler for AgentStatements {
    fn claims(&self, words: &[String]) -> bool {
        claims(words)
    }

    fn execute(&self, session: &mut Session, text: &str) -> Result<String> {
        let statement = parse(text)?;
        refuse_read_only(session, &statement)?;
        let change = match statement.action {
            Action::Create => Change::Create,
            Action::CreateOrReplace => Change::CreateOrReplace,
            Action::Alter => Change::Alter,
            Action::Drop { if_exists } => {
                self.drop(session, &statement, if_exists)?;
                return Ok(statement.tag());
            }
        };
        if statement.kind == ObjectKind::Tool && change != Change::Alter {
            check_tool(session, &statement)?;
        }
        let user = session.context().user.clone();
        let transaction = transaction_of(session)?;
        let (kind, name, definition) = (statement.kind, statement.name.as_str(), statement.definition.clone());
        let request = Define { kind, name, definition, change, user: &user, now_us: now_us() };
        apply(&transaction, &self.options, request).map_err(|invalid| locate(invalid, &statement))?;
        Ok(statement.tag())
    }
}

impl AgentStatements {
    fn drop(&self, session: &mut Session, statement: &Statement, if_exists: bool) -> Result<()> {
        let context = session.context();
        check_rights(&self.options, statement.kind, &context.user, None)?;
        let transaction = transaction_of(session)?;
        let rows = TransactionRows::new(&transaction);
        let (kind, name) = (statement.kind, statement.name.as_str());
        if !drop_object(&rows, kind, name, &context.user, if_exists)? {
            context.notice(format!("{} \"{name}\" does not exist, skipping", kind.name()));
        }
        Ok(())
    }
}

/// The one way into the tables of objects, for statements and functions.
pub fn apply(transaction: &Transaction, options: &AgentOptions, request: Define<'_>) -> Result<Record, Invalid> {
    check_rights(options, request.kind, request.user, request.definition["env"].as_str())?;
    define(&TransactionRows::new(transaction), request)
}

/// Secrets are the superuser's, and only of environment variables that may be used so.
fn check_rights(options: &AgentOptions, kind: ObjectKind, user: &str, env: Option<&str>) -> Result<()> {
    if kind != ObjectKind::Secret {
        return Ok(());
    }
    if !(options.is_superuser)(user) {
        let message = format!("must be superuser to create, change or drop a secret, user is \"{user}\"");
        return Err(QueryError::new(sqlstate::INSUFFICIENT_PRIVILEGE, message));
    }
    if let Some(env) = env.filter(|env| !(options.allows_secret_env)(env)) {
        let message = format!("environment variable \"{env}\" may not be used as a secret");
        return Err(QueryError::new(sqlstate::INSUFFICIENT_PRIVILEGE, message)
            .hint("names that end in _API_KEY may, unless the server is configured otherwise"));
    }
    Ok(())
}

fn transaction_of(session: &Session) -> Result<std::sync::Arc<Transaction>> {
    session.current_transaction().ok_or_else(|| QueryError::internal("a statement runs without a transaction"))
}

fn refuse_read_only(session: &mut Session, statement: &Statement) -> Result<()> {
    let shown = session.query("SHOW transaction_read_only", &[])?;
    let value = shown.rows.first().and_then(|row| row.first()).and_then(|value| value.as_str().map(str::to_owned));
    if value.as_deref() == Some("on") {
        let message = format!("cannot execute {} in a read-only transaction", statement.tag());
        return Err(QueryError::new(sqlstate::READ_ONLY_SQL_TRANSACTION, message));
    }
    Ok(())
}

/// A tool's body must plan: unknown tables and wrong types are found when it is created, not when a model calls it.
fn check_tool(session: &mut Session, statement: &Statement) -> Result<()> {
    let tool =
        ToolDef::read(&statement.name, 1, &statement.definition).map_err(|invalid| locate(invalid, statement))?;
    let (ToolBody::Sql(text) | ToolBody::Cypher(text)) = &tool.body else { return Ok(()) };
    let types: Vec<String> = tool.params.iter().map(|param| param.ty.clone()).collect();
    check_body(session, text, &types, tool.effect != ToolEffect::Pure).map_err(|mut error| {
        // Its own position counts inside the body.
        error.0.position = statement.position_of("body");
        error
    })
}

/// The error at the place of the field that it is about.
fn locate(invalid: Invalid, statement: &Statement) -> QueryError {
    let position = invalid.field.as_deref().and_then(|field| statement.position_of(field));
    invalid.error.at(position)
}

/// The definition of a function form: NULL defines nothing but the name.
pub fn definition_or_empty(definition: JsonValue) -> JsonValue {
    if definition.is_null() { JsonValue::Object(Default::default()) } else { definition }
}
