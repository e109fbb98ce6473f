//! CREATE, ALTER and DROP of agents and what they need, inside the session's transaction.

use sinew::{QueryError, Result, Session, StatementHandler};

use crate::ddl::{Action, Statement, claims, parse};
use crate::json::json_value;
use crate::objects::{ObjectKind, ToolBody, ToolDef, ToolEffect};
use crate::tools::check_body;

/// Registered with the database for the statements that [`claims`] recognises.
pub struct AgentStatements;

impl StatementHandler for AgentStatements {
    fn claims(&self, words: &[String]) -> bool {
        claims(words)
    }

    fn execute(&self, session: &mut Session, text: &str) -> Result<String> {
        let statement = parse(text)?;
        if statement.kind == ObjectKind::Tool && matches!(statement.action, Action::Create | Action::CreateOrReplace) {
            check_tool(session, &statement)?;
        }
        let action = match statement.action {
            Action::Create => "create",
            Action::CreateOrReplace => "replace",
            Action::Alter => "alter",
            Action::Drop { if_exists: false } => "drop",
            Action::Drop { if_exists: true } => "drop if exists",
        };
        // The rows are written by a procedure, so that statement and function share one way into the tables and both
        // belong to the surrounding transaction.
        let params = [
            action.into(),
            statement.kind.name().into(),
            statement.name.as_str().into(),
            json_value(&statement.definition),
        ];
        session
            .query("CALL sinew_define_object($1, $2, $3, $4)", &params)
            .map_err(|error| locate(error, &statement))?;
        Ok(statement.tag())
    }
}

/// A tool's body must plan: unknown tables and wrong types are found when it is created, not when a model calls it.
fn check_tool(session: &mut Session, statement: &Statement) -> Result<()> {
    let tool = ToolDef::read(&statement.name, 1, &statement.definition).map_err(|invalid| {
        let position = invalid.field.as_deref().and_then(|field| statement.position_of(field));
        invalid.error.at(position)
    })?;
    let (ToolBody::Sql(text) | ToolBody::Cypher(text)) = &tool.body else { return Ok(()) };
    let types: Vec<String> = tool.params.iter().map(|param| param.ty.clone()).collect();
    check_body(session, text, &types, tool.effect != ToolEffect::Pure).map_err(|mut error| {
        // Its own position counts inside the body.
        error.0.position = statement.position_of("body");
        error
    })
}

/// The procedure names the field at fault in the error's column; the statement knows where it stands.
fn locate(mut error: QueryError, statement: &Statement) -> QueryError {
    // A position inside the CALL means nothing to the client.
    error.0.position = None;
    match error.0.column.take() {
        Some(field) => {
            let position = statement.position_of(&field);
            error.at(position)
        }
        None => error,
    }
}
