//! `create_agent` and its sisters: the statements as functions, which take parameters.

use std::sync::Arc;

use sinew::DataType;
use sinew::query::functions::TableFunction;

use super::shape::{Columns, Function, columns, required, rows};
use crate::install::AgentOptions;
use crate::objects::{Change, Define, ObjectKind};
use crate::statements::{apply, definition_or_empty};

pub fn functions(options: &AgentOptions) -> Vec<Arc<dyn TableFunction>> {
    let create = [
        ("create_secret", ObjectKind::Secret),
        ("create_model", ObjectKind::Model),
        ("create_tool", ObjectKind::Tool),
        ("create_memory", ObjectKind::Memory),
        ("create_agent", ObjectKind::Agent),
    ];
    create.into_iter().map(|(name, kind)| create_function(name, kind, options.clone())).collect()
}

/// As CREATE OR REPLACE: an equal definition gives the same row, a changed one a new version. A tool's body is planned
/// when it is first called, not here: a function has no session to plan with.
fn create_function(name: &'static str, kind: ObjectKind, options: AgentOptions) -> Arc<dyn TableFunction> {
    let shape = object_columns(kind);
    Function {
        name,
        description: "Creates what its name says, or a new version of it.",
        params: vec![required("name", DataType::Text), required("definition", DataType::Jsonb)],
        columns: shape.clone(),
        writes: true,
        outside_transaction: false,
        body: Box::new(move |context, args| {
            let name = args.text("name")?;
            let request = Define {
                kind,
                name: &name,
                definition: definition_or_empty(args.json("definition")),
                change: Change::CreateOrReplace,
                user: &context.session.user,
                now_us: context.statement_time_us,
            };
            let record = apply(&context.transaction, &options, request)?;
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
