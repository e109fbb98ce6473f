//! `agent_stream` and `agent_events`: a run's events as rows, as they happen.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use sinew::query::context::ExecContext;
use sinew::query::exec::RowStream;
use sinew::query::functions::{Param, TableFunction};
use sinew::{Batch, DataType, QueryError, Result, Value, sqlstate};

use super::EngineHandle;
use super::execute::{CANCEL_POLL, cancel_with_statement, start_request};
use super::shape::{Columns, Function, batch, columns, optional, required};
use crate::engine::{Engine, RunId, RunStatus, StartRun};

/// Events in one batch: few, so that they are sent as they happen.
const EVENTS_PER_BATCH: usize = 256;

/// With nothing new, the run is looked at again this often: another process may work on it.
const IDLE_LOOK: Duration = Duration::from_millis(500);

fn event_columns() -> Columns {
    columns(&[
        ("seq", DataType::Int8),
        ("at", DataType::Timestamptz),
        ("step", DataType::Int4),
        ("kind", DataType::Text),
        ("text", DataType::Text),
        ("data", DataType::Jsonb),
    ])
}

pub fn functions(handle: &EngineHandle) -> Vec<Arc<dyn TableFunction>> {
    let (stream, events) = (handle.clone(), handle.clone());
    let agent_stream = Function {
        name: "agent_stream",
        description: "Runs an agent and gives its events as they happen.",
        params: vec![
            required("agent", DataType::Text),
            required("input", DataType::Text),
            optional("conversation_id", DataType::Text),
            optional("user_id", DataType::Text),
            optional("vars", DataType::Jsonb),
            optional("budget", DataType::Jsonb),
            optional("idempotency_key", DataType::Text),
        ],
        columns: event_columns(),
        writes: false,
        outside_transaction: true,
        body: Box::new(move |context, args| {
            let engine = stream.engine()?;
            if !context.allow_writes {
                return Err(QueryError::new(
                    sqlstate::READ_ONLY_SQL_TRANSACTION,
                    "cannot execute agent_stream in a read-only transaction",
                ));
            }
            let request = StartRun {
                conversation_id: args.opt_text("conversation_id"),
                vars: args.json("vars"),
                budget: args.json("budget"),
                idempotency_key: args.opt_text("idempotency_key"),
                ..start_request(context, args)?
            };
            let run_id = engine.start(&request)?;
            Ok(EventStream::boxed(engine, context, run_id, 0, true))
        }),
    };
    let agent_events = Function {
        name: "agent_events",
        description: "The events of a run, from one on, as they happen.",
        params: vec![
            required("run_id", DataType::Uuid),
            Param { name: "after_seq", ty: DataType::Int8, default: Some(Value::Int(0)) },
        ],
        columns: event_columns(),
        writes: false,
        outside_transaction: true,
        body: Box::new(move |context, args| {
            let engine = events.engine()?;
            let run_id = RunId(args.uuid("run_id")?);
            // Unknown runs are an error at once, not an empty stream.
            engine.summary(run_id)?;
            Ok(EventStream::boxed(engine, context, run_id, args.int("after_seq").unwrap_or(0), false))
        }),
    };
    vec![agent_stream.shared(), agent_events.shared()]
}

struct EventStream {
    engine: Arc<Engine>,
    context: ExecContext,
    columns: Columns,
    run_id: RunId,
    after_seq: i64,
    pending: VecDeque<Vec<Value>>,
    ended: bool,
    /// Cancelling the statement cancels the run: of the one who started it, not of who only looks on.
    owns_run: bool,
}

impl EventStream {
    fn boxed(
        engine: Arc<Engine>,
        context: &ExecContext,
        run_id: RunId,
        after_seq: i64,
        owns_run: bool,
    ) -> Box<dyn RowStream> {
        Box::new(EventStream {
            engine,
            context: context.clone(),
            columns: event_columns(),
            run_id,
            after_seq,
            pending: VecDeque::new(),
            ended: false,
            owns_run,
        })
    }

    fn look(&mut self) -> Result<()> {
        let view = self.engine.view(self.run_id, self.after_seq)?;
        for event in view.events {
            self.after_seq = event.seq;
            self.pending.push_back(vec![
                Value::Int(event.seq),
                Value::Timestamp(event.at_us),
                event.step.into(),
                event.kind.into(),
                event.text.into(),
                event.data,
            ]);
        }
        self.ended = view.summary.status.is_ended() || view.summary.status == RunStatus::WaitingApproval;
        Ok(())
    }
}

impl RowStream for EventStream {
    fn next_batch(&mut self) -> Result<Option<Batch>> {
        let mut looked_at = None;
        let mut last_look = std::time::Instant::now();
        loop {
            if self.owns_run {
                cancel_with_statement(&self.engine, &self.context, self.run_id)?;
            } else {
                self.context.cancel.check()?;
            }
            if !self.pending.is_empty() {
                let count = self.pending.len().min(EVENTS_PER_BATCH);
                return Ok(Some(batch(&self.columns, self.pending.drain(..count).collect())));
            }
            if self.ended {
                return Ok(None);
            }
            let seen = self.engine.change_count();
            if looked_at != Some(seen) || last_look.elapsed() >= IDLE_LOOK {
                looked_at = Some(seen);
                last_look = std::time::Instant::now();
                self.look()?;
                continue;
            }
            self.engine.check_running()?;
            self.engine.wait_for_change(seen, CANCEL_POLL);
        }
    }
}
