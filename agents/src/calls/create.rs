//! `create_agent` and its sisters, and the procedure behind the statements.

use std::sync::Arc;

use sinew::query::context::ExecContext;
use sinew::query::functions::TableFunction;
use sinew::{DataType, QueryError, Result, Value, sqlstate};

use super::shape::{Columns, Function, columns, required, rows};
use crate::install::AgentOptions;
use crate::objects::{Change, Define, Invalid, ObjectKind, define, drop_object};
use crate::rows::{Record, TransactionRows};

pub fn functions(options: &AgentOptions) -> Vec<Arc<dyn TableFunction>> {
    let create = [
        ("create_secret", ObjectKind::Secret),
        ("create_model", ObjectKind::Model),
        ("create_tool", ObjectKind::Tool),
        ("create_memory", ObjectKind::Memory),
        ("create_agent", ObjectKind::Agent),
    ];
    let mut out: Vec<Arc<dyn TableFunction>> = Vec::new();
    for (name, kind) in create {
        out.push(create_function(name, kind, options.clone()));
    }
    out.push(define_function(options.clone()));
    out
}

/// As CREATE OR REPLACE: an equal definition gives the same row, a changed one a new version.
fn create_function(name: &'static str, kind: ObjectKind, options: AgentOptions) -> Arc<dyn TableFunction> {
    let shape = object_columns(kind);
    Function {
        name,
        params: vec![required("name", DataType::Text), required("definition", DataType::Jsonb)],
        columns: shape.clone(),
        writes: true,
        outside_transaction: false,
        body: Box::new(move |context, args| {
            let name = args.text("name")?;
            let record = apply(context, &options, kind, &name, args.json("definition"), Change::CreateOrReplace)?;
            let row = shape.iter().map(|(column, _)| record.get(column).clone()).collect();
            Ok(rows(&shape, vec![row]))
        }),
    }
    .shared()
}

fn object_columns(kind: ObjectKind) -> Columns {
    let mut list: Vec<(&str, DataType)> = Vec::new();
    if kind == ObjectKind::Agent {
        list.push(("id", DataType::Uuid));
    }
    list.extend([("owner", DataType::Text), ("name", DataType::Text), ("version", DataType::Int4)]);
    match kind {
        ObjectKind::Agent => list.extend([
            ("type", DataType::Text),
            ("model", DataType::Text),
            ("memory", DataType::Text),
            ("tools", DataType::Jsonb),
            ("prompt", DataType::Text),
        ]),
        ObjectKind::Model => list.extend([("provider", DataType::Text), ("model", DataType::Text)]),
        ObjectKind::Tool => list.extend([("language", DataType::Text), ("effect", DataType::Text)]),
        ObjectKind::Memory => list.push(("kinds", DataType::Text)),
        ObjectKind::Secret => list.extend([("env", DataType::Text), ("host", DataType::Text)]),
    }
    list.extend([
        ("definition", DataType::Jsonb),
        ("created_at", DataType::Timestamptz),
        ("updated_at", DataType::Timestamptz),
    ]);
    columns(&list)
}

/// What CREATE, ALTER and DROP statements call.
fn define_function(options: AgentOptions) -> Arc<dyn TableFunction> {
    let shape = columns(&[("name", DataType::Text), ("version", DataType::Int4)]);
    Function {
        name: "sinew_define_object",
        params: vec![
            required("action", DataType::Text),
            required("kind", DataType::Text),
            required("name", DataType::Text),
            required("definition", DataType::Jsonb),
        ],
        columns: shape.clone(),
        writes: true,
        outside_transaction: false,
        body: Box::new(move |context, args| {
            let (action, kind, name) = (args.text("action")?, args.text("kind")?, args.text("name")?);
            let kind = ObjectKind::from_keyword(&kind).ok_or_else(|| {
                QueryError::new(sqlstate::UNDEFINED_OBJECT, format!("\"{kind}\" is no kind of object"))
            })?;
            let change = match action.as_str() {
                "create" => Change::Create,
                "replace" => Change::CreateOrReplace,
                "alter" => Change::Alter,
                "drop" | "drop if exists" => {
                    check_rights(context, &options, kind, None)?;
                    let user = context.session.user.as_str();
                    let rows_in = TransactionRows::new(&context.transaction);
                    if !drop_object(&rows_in, kind, &name, user, action == "drop if exists")? {
                        context.session.notice(format!("{} \"{name}\" does not exist, skipping", kind.name()));
                    }
                    return Ok(rows(&shape, vec![vec![name.into(), Value::Null]]));
                }
                _ => return Err(QueryError::internal(format!("unknown action \"{action}\""))),
            };
            let record = apply(context, &options, kind, &name, args.json("definition"), change)?;
            Ok(rows(&shape, vec![vec![name.into(), record.get("version").clone()]]))
        }),
    }
    .shared()
}

fn apply(
    context: &ExecContext,
    options: &AgentOptions,
    kind: ObjectKind,
    name: &str,
    definition: serde_json::Value,
    change: Change,
) -> Result<Record> {
    check_rights(context, options, kind, definition["env"].as_str())?;
    let rows_in = TransactionRows::new(&context.transaction);
    let user = context.session.user.as_str();
    let request = Define { kind, name, definition, change, user, now_us: context.statement_time_us };
    define(&rows_in, request).map_err(|Invalid { field, mut error }| {
        // Where the field stands is known to the statement's text only.
        error.0.column = field;
        error
    })
}

/// Secrets are the superuser's, and only of environment variables that may be used so.
fn check_rights(context: &ExecContext, options: &AgentOptions, kind: ObjectKind, env: Option<&str>) -> Result<()> {
    if kind != ObjectKind::Secret {
        return Ok(());
    }
    let user = &context.session.user;
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
