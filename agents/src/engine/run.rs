//! A run's row, and what happens to it.

use serde_json::{Value as JsonValue, json};
use sinew::{QueryError, Result, Value, sqlstate};
use uuid::Uuid;

use super::{RunId, Unit};
use crate::models::ChatResponse;
use crate::objects::{Limits, nanos_from_usd, usd_from_nanos};
use crate::rows::{Record, Rows, Select};

macro_rules! names {
    ($(#[$doc:meta])* $name:ident { $($variant:ident = $text:literal),* $(,)? }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum $name { $($variant),* }

        impl $name {
            pub fn name(self) -> &'static str {
                match self { $($name::$variant => $text),* }
            }

            pub fn from_name(name: &str) -> Option<$name> {
                match name { $($text => Some($name::$variant),)* _ => None }
            }
        }
    };
}

names! {
    /// `agent_runs.status`.
    RunStatus {
        Queued = "queued",
        Running = "running",
        WaitingApproval = "waiting_approval",
        Succeeded = "succeeded",
        Failed = "failed",
        Cancelled = "cancelled",
        Interrupted = "interrupted",
    }
}

names! {
    /// `agent_runs.stop_reason`.
    StopReason {
        Final = "final",
        EarlyStop = "early_stop",
        MaxSteps = "max_steps",
        BudgetTokens = "budget_tokens",
        BudgetUsd = "budget_usd",
        Deadline = "deadline",
        LoopDetected = "loop_detected",
        Rejected = "rejected",
        Cancelled = "cancelled",
        Error = "error",
    }
}

impl RunStatus {
    /// Nothing more happens unless somebody resumes it.
    pub fn is_ended(self) -> bool {
        !matches!(self, RunStatus::Queued | RunStatus::Running | RunStatus::WaitingApproval)
    }
}

/// What a run has used so far.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Used {
    /// Answered model calls.
    pub iterations: i64,
    pub tool_calls: i64,
    pub tokens_in: i64,
    pub tokens_out: i64,
    pub usd_nanos: i64,
    pub cache_hits: i64,
    /// Model calls booked at what they might have cost at most.
    pub estimated_calls: i64,
    /// Calls of unknown tools or with wrong arguments, since the last right one.
    pub invalid_calls: i64,
}

impl Used {
    pub fn tokens(&self) -> i64 {
        self.tokens_in + self.tokens_out
    }

    pub fn to_json(&self) -> JsonValue {
        json!({
            "iterations": self.iterations,
            "tool_calls": self.tool_calls,
            "tokens_in": self.tokens_in,
            "tokens_out": self.tokens_out,
            "usd": usd_from_nanos(self.usd_nanos),
            "cache_hits": self.cache_hits,
            "estimated_calls": self.estimated_calls,
            "invalid_calls": self.invalid_calls,
        })
    }

    pub fn from_json(stored: &JsonValue) -> Used {
        let count = |name: &str| stored[name].as_i64().unwrap_or(0);
        Used {
            iterations: count("iterations"),
            tool_calls: count("tool_calls"),
            tokens_in: count("tokens_in"),
            tokens_out: count("tokens_out"),
            usd_nanos: nanos_from_usd(stored["usd"].as_f64().unwrap_or(0.0)),
            cache_hits: count("cache_hits"),
            estimated_calls: count("estimated_calls"),
            invalid_calls: count("invalid_calls"),
        }
    }
}

/// One run, as read from its row. Changes reach the row with [`Run::save`].
#[derive(Clone, Debug)]
pub struct Run {
    pub id: RunId,
    pub agent_id: Uuid,
    pub agent: String,
    pub agent_version: i64,
    pub conversation_id: String,
    pub user_id: Option<String>,
    /// The database user whose rights the run has.
    pub caller: String,
    pub status: RunStatus,
    pub stop_reason: Option<StopReason>,
    pub input: String,
    pub output: Option<String>,
    pub limits: Limits,
    pub used: Used,
    pub priority: i64,
    pub error: Option<String>,
    pub created_at_us: i64,
    pub started_at_us: Option<i64>,
    pub finished_at_us: Option<i64>,
    pub deadline_us: Option<i64>,
    pub vars: JsonValue,
    pub input_seq: i64,
    pub output_seq: Option<i64>,
    /// Messages that memory found for the input: `[{"conversation_id", "seq"}]`; null before the first model call.
    pub recalled: JsonValue,
    pub next_step: i32,
    pub next_event: i64,
}

/// The row that `execute_agent` gives.
#[derive(Clone, Debug, PartialEq)]
pub struct RunSummary {
    pub run_id: RunId,
    pub status: RunStatus,
    pub output: Option<String>,
    pub stop_reason: Option<StopReason>,
    pub steps: i64,
    pub tool_calls: i64,
    pub tokens_in: i64,
    pub tokens_out: i64,
    pub usd_nanos: i64,
    pub cache_hits: i64,
    pub duration_ms: i64,
    pub error: Option<String>,
}

/// Characters kept of what a limit cut short.
const PARTIAL_CHARS: usize = 4_000;

impl Run {
    pub fn load(rows: &dyn Rows, id: RunId) -> Result<Option<Run>> {
        rows.get("agent_runs", &[("run_id", id.into())])?.map(|record| Run::from_record(&record)).transpose()
    }

    /// 42704 when there is none.
    pub fn find(rows: &dyn Rows, id: RunId) -> Result<Run> {
        Run::load(rows, id)?
            .ok_or_else(|| QueryError::new(sqlstate::UNDEFINED_OBJECT, format!("agent run \"{id}\" does not exist")))
    }

    pub fn from_record(record: &Record) -> Result<Run> {
        let status = record.text("status")?;
        Ok(Run {
            id: RunId(record.uuid("run_id")?),
            agent_id: record.uuid("agent_id")?,
            agent: record.text("agent")?,
            agent_version: record.int("agent_version")?,
            conversation_id: record.text("conversation_id")?,
            user_id: record.opt_text("user_id"),
            caller: record.text("caller")?,
            status: RunStatus::from_name(&status).ok_or_else(|| {
                QueryError::new(sqlstate::DATA_CORRUPTED, format!("agent run has the unknown status \"{status}\""))
            })?,
            stop_reason: record.opt_text("stop_reason").and_then(|name| StopReason::from_name(&name)),
            input: record.text("input")?,
            output: record.opt_text("output"),
            limits: Limits::from_json(&record.json("budget"))?,
            used: Used::from_json(&record.json("used")),
            priority: record.int("priority")?,
            error: record.opt_text("error"),
            created_at_us: record.opt_timestamp("created_at").unwrap_or_default(),
            started_at_us: record.opt_timestamp("started_at"),
            finished_at_us: record.opt_timestamp("finished_at"),
            deadline_us: record.opt_timestamp("deadline_at"),
            vars: record.json("vars"),
            input_seq: record.int("input_seq")?,
            output_seq: record.opt_int("output_seq"),
            recalled: record.json("recalled"),
            next_step: record.int32("next_step")?,
            next_event: record.int("next_event")?,
        })
    }

    /// Writes what may have changed. Every commit of a step ends with it.
    pub fn save(&self, unit: &Unit<'_>) -> Result<()> {
        let time = |micros: Option<i64>| micros.map_or(Value::Null, Value::Timestamp);
        let mut changes = Record::new()
            .with("status", self.status.name())
            .with("stop_reason", self.stop_reason.map(StopReason::name))
            .with("output", self.output.clone())
            .with_json("budget", &self.limits.to_json())
            .with_json("used", &self.used.to_json())
            .with("error", self.error.clone())
            .with("started_at", time(self.started_at_us))
            .with("finished_at", time(self.finished_at_us))
            .with("deadline_at", time(self.deadline_us))
            .with("output_seq", self.output_seq)
            .with("next_step", i64::from(self.next_step))
            .with("next_event", self.next_event);
        if !self.recalled.is_null() {
            changes = changes.with_json("recalled", &self.recalled);
        }
        unit.rows.update("agent_runs", &[("run_id", self.id.into())], changes)?;
        Ok(())
    }

    /// Adds an event.
    pub fn event(
        &mut self,
        unit: &Unit<'_>,
        step: Option<i32>,
        kind: &str,
        text: impl Into<String>,
        data: JsonValue,
    ) -> Result<()> {
        let seq = self.next_event;
        self.next_event += 1;
        let mut record = Record::new()
            .with("run_id", self.id)
            .with("seq", seq)
            .with("at", Value::Timestamp(unit.now_us))
            .with("step", step.map(i64::from))
            .with("kind", kind)
            .with("text", text.into());
        if !data.is_null() {
            record = record.with_json("data", &data);
        }
        unit.rows.insert("agent_events", record)
    }

    /// Adds a step with its task, due at once.
    pub fn schedule(&mut self, unit: &Unit<'_>, kind: StepKind, node: &str, input_ref: Option<String>) -> Result<i32> {
        let step = self.next_step;
        self.next_step += 1;
        unit.rows.insert(
            "agent_steps",
            Record::new()
                .with("run_id", self.id)
                .with("step", i64::from(step))
                .with("node", node)
                .with("kind", kind.name())
                .with("status", "queued")
                .with("attempt", 1i64)
                .with("cached", false)
                .with("input_ref", input_ref),
        )?;
        unit.rows.insert(
            "agent_tasks",
            Record::new()
                .with("run_id", self.id)
                .with("step", i64::from(step))
                .with("kind", kind.name())
                .with("status", "ready")
                .with("priority", self.priority)
                .with("attempt", 1i64)
                .with("not_before", Value::Timestamp(unit.now_us))
                .with("created_at", Value::Timestamp(unit.now_us)),
        )?;
        Ok(step)
    }

    /// Ends the run: the output goes into the conversation, open steps and tasks are closed.
    pub fn finish(
        &mut self,
        unit: &mut Unit<'_>,
        status: RunStatus,
        reason: StopReason,
        output: Option<String>,
        error: Option<String>,
    ) -> Result<()> {
        self.status = status;
        self.stop_reason = Some(reason);
        self.error = error;
        self.finished_at_us = Some(unit.now_us);
        self.output = output.filter(|text| !text.trim().is_empty());
        if let Some(text) = self.output.clone() {
            let message = NewMessage { role: "assistant", content: &text, name: Some(&self.agent) };
            self.output_seq =
                Some(append_message(unit, &self.conversation_id, self.user_id.as_deref(), self.id, message)?);
        }
        for (table, open) in
            [("agent_tasks", &["ready", "leased", "waiting"]), ("agent_steps", &["queued", "running", "waiting"])]
        {
            for record in unit.rows.select(Select::from(table).equal("run_id", self.id))? {
                if open.contains(&record.text("status")?.as_str()) {
                    let key = step_key(self.id, record.int32("step")?);
                    unit.rows.update(table, &key, Record::new().with("status", "cancelled"))?;
                }
            }
        }
        for record in unit.rows.select(Select::from("agent_approvals").equal("run_id", self.id))? {
            if record.get("status").as_str() == Some("pending") {
                let key = [("approval_id", record.get("approval_id").clone())];
                unit.rows.update("agent_approvals", &key, Record::new().with("status", "withdrawn"))?;
            }
        }
        let summary = self.summary(unit.now_us);
        let text = match (&self.output, &self.error) {
            (Some(output), _) => output.clone(),
            (None, Some(error)) => error.clone(),
            (None, None) => reason.name().to_owned(),
        };
        self.event(unit, None, "finished", text, summary.to_json())?;
        unit.finished.push((self.agent.clone(), summary.duration_ms as f64 / 1_000.0));
        Ok(())
    }

    /// Ends the run at a limit, with what was found so far. A run that was failing anyway fails.
    pub fn stop_at(&mut self, unit: &mut Unit<'_>, reason: StopReason, last_error: Option<String>) -> Result<()> {
        let partial = self.found_so_far(unit)?;
        let status = if last_error.is_some() { RunStatus::Failed } else { RunStatus::Interrupted };
        self.finish(unit, status, reason, partial, last_error)
    }

    /// The last text of the model, or else what the tools gave.
    pub fn found_so_far(&self, unit: &Unit<'_>) -> Result<Option<String>> {
        let select = Select::from("agent_llm_calls").equal("run_id", self.id).order_by(&["step"]).descending();
        for call in unit.rows.select(select)? {
            let content = ChatResponse::from_json(&call.json("response")).content;
            if !content.trim().is_empty() {
                return Ok(Some(content));
            }
        }
        let mut lines: Vec<String> = Vec::new();
        for call in unit.rows.select(Select::from("agent_tool_calls").equal("run_id", self.id).order_by(&["step"]))? {
            if call.get("status").as_str() == Some("succeeded") {
                let result: String = call.json("result").to_string().chars().take(PARTIAL_CHARS / 4).collect();
                lines.push(format!("{}: {result}", call.text("tool")?));
            }
        }
        let text: String = lines.join("\n").chars().take(PARTIAL_CHARS).collect();
        Ok((!text.is_empty()).then(|| format!("Stopped before an answer. Found so far:\n{text}")))
    }

    pub fn summary(&self, now_us: i64) -> RunSummary {
        let from = self.started_at_us.unwrap_or(self.created_at_us);
        RunSummary {
            run_id: self.id,
            status: self.status,
            output: self.output.clone(),
            stop_reason: self.stop_reason,
            steps: i64::from(self.next_step) - 1,
            tool_calls: self.used.tool_calls,
            tokens_in: self.used.tokens_in,
            tokens_out: self.used.tokens_out,
            usd_nanos: self.used.usd_nanos,
            cache_hits: self.used.cache_hits,
            duration_ms: (self.finished_at_us.unwrap_or(now_us) - from).max(0) / 1_000,
            error: self.error.clone(),
        }
    }
}

impl RunSummary {
    pub fn to_json(&self) -> JsonValue {
        json!({
            "run_id": self.run_id.to_string(),
            "status": self.status.name(),
            "output": self.output,
            "stop_reason": self.stop_reason.map(StopReason::name),
            "steps": self.steps,
            "tool_calls": self.tool_calls,
            "tokens_in": self.tokens_in,
            "tokens_out": self.tokens_out,
            "usd": usd_from_nanos(self.usd_nanos),
            "cache_hits": self.cache_hits,
            "duration_ms": self.duration_ms,
            "error": self.error,
        })
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StepKind {
    Model,
    Tool,
}

impl StepKind {
    pub fn name(self) -> &'static str {
        match self {
            StepKind::Model => "model",
            StepKind::Tool => "tool",
        }
    }
}

/// The primary key of steps, tasks and tool calls.
pub fn step_key(run_id: RunId, step: i32) -> [(&'static str, Value); 2] {
    [("run_id", run_id.into()), ("step", i64::from(step).into())]
}

/// A message to append to a conversation.
pub struct NewMessage<'a> {
    pub role: &'a str,
    pub content: &'a str,
    pub name: Option<&'a str>,
}

/// Appends a message, creating the conversation when there is none; gives its seq.
pub fn append_message(
    unit: &Unit<'_>,
    conversation_id: &str,
    user_id: Option<&str>,
    run_id: RunId,
    message: NewMessage<'_>,
) -> Result<i64> {
    let key = [("conversation_id", Value::from(conversation_id))];
    // Held, so that nobody deletes it with its messages while this one is not there yet.
    if !unit.rows.hold("conversations", &key)? {
        unit.rows.insert(
            "conversations",
            Record::new()
                .with("conversation_id", conversation_id)
                .with("user_id", user_id)
                .with_json("metadata", &json!({}))
                .with("created_at", Value::Timestamp(unit.now_us)),
        )?;
    }
    let seq = unit.rows.next_message_seq(conversation_id)?;
    unit.rows.insert(
        "messages",
        Record::new()
            .with("conversation_id", conversation_id)
            .with("seq", seq)
            .with("message_id", Value::Uuid(*Uuid::now_v7().as_bytes()))
            .with("role", message.role)
            .with("content", message.content)
            .with("name", message.name)
            .with_json("metadata", &json!({}))
            .with("token_count", i64::from((unit.count_tokens)(message.content)))
            .with("run_id", run_id)
            .with("embedding_pending", false)
            .with("created_at", Value::Timestamp(unit.now_us)),
    )?;
    Ok(seq)
}

/// How citations and references name a message.
pub fn message_ref(conversation_id: &str, seq: i64) -> String {
    format!("message {conversation_id}#{seq}")
}
