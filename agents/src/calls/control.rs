//! `cancel_agent_run`, `decide_approval`.

use std::sync::Arc;

use sinew::DataType;
use sinew::query::functions::TableFunction;

use super::EngineHandle;
use super::execute::{run_columns, run_row};
use super::shape::{Function, optional, required, rows};
use crate::engine::RunId;

/// Both commit on their own: a run is stopped or goes on now, whatever becomes of the caller's transaction.
pub fn functions(handle: &EngineHandle) -> Vec<Arc<dyn TableFunction>> {
    let (cancel, decide) = (handle.clone(), handle.clone());
    let shape = run_columns();
    let decide_shape = shape.clone();
    let cancel_agent_run = Function {
        name: "cancel_agent_run",
        description: "Cancels a run of an agent.",
        params: vec![required("id", DataType::Uuid)],
        columns: run_columns(),
        writes: true,
        outside_transaction: false,
        body: Box::new(move |_, args| {
            let summary = cancel.engine()?.cancel(RunId(args.uuid("id")?))?;
            Ok(rows(&shape, vec![run_row(&summary)]))
        }),
    };
    let decide_approval = Function {
        name: "decide_approval",
        description: "Decides what a run waits for somebody to approve.",
        params: vec![
            required("id", DataType::Uuid),
            required("decision", DataType::Text),
            optional("args", DataType::Jsonb),
        ],
        columns: run_columns(),
        writes: true,
        outside_transaction: false,
        body: Box::new(move |context, args| {
            let engine = decide.engine()?;
            let user = context.session.user.as_str();
            let run_id = engine.decide(args.uuid("id")?, &args.text("decision")?, &args.json("args"), user)?;
            Ok(rows(&decide_shape, vec![run_row(&engine.summary(run_id)?)]))
        }),
    };
    vec![cancel_agent_run.shared(), decide_approval.shared()]
}
