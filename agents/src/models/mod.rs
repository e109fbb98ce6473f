//! Chat models: what a run asks, and who answers.

mod builtin;
mod openai;
mod script;

pub use openai::HttpModels;

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value as JsonValue, json};
use sinew::CancelToken;

use crate::json::{canonical_text, hash_text};
use crate::objects::{ModelDef, Provider, SecretDef};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    System,
    User,
    Assistant,
    Tool,
}

impl Role {
    pub fn name(self) -> &'static str {
        match self {
            Role::System => "system",
            Role::User => "user",
            Role::Assistant => "assistant",
            Role::Tool => "tool",
        }
    }

    /// Roles of stored messages; anything unknown reads as the user's.
    pub fn from_name(name: &str) -> Role {
        match name {
            "system" => Role::System,
            "assistant" => Role::Assistant,
            "tool" => Role::Tool,
            _ => Role::User,
        }
    }
}

/// A tool call that a model asks for.
#[derive(Clone, Debug, PartialEq)]
pub struct ToolCall {
    /// The model's own id of it; the result names it.
    pub id: String,
    pub name: String,
    /// What the model sent: an object when it kept to the schema, a string when it was no JSON.
    pub arguments: JsonValue,
}

#[derive(Clone, Debug, PartialEq)]
pub struct ChatMessage {
    pub role: Role,
    pub content: String,
    pub tool_calls: Vec<ToolCall>,
    /// Of role tool: the call it answers.
    pub tool_call_id: Option<String>,
}

impl ChatMessage {
    pub fn new(role: Role, content: impl Into<String>) -> ChatMessage {
        ChatMessage { role, content: content.into(), tool_calls: Vec::new(), tool_call_id: None }
    }
}

/// A tool as the model is told of it.
#[derive(Clone, Debug, PartialEq)]
pub struct ToolSpec {
    pub name: String,
    pub description: String,
    pub parameters: JsonValue,
}

#[derive(Clone, Debug, PartialEq)]
pub struct ChatRequest {
    pub messages: Vec<ChatMessage>,
    pub tools: Vec<ToolSpec>,
    pub max_output_tokens: u64,
    /// Model calls of this run that were answered before; which reply a script gives. Not part of the hash.
    pub iteration: i64,
}

impl ChatRequest {
    /// Equal requests to equal models have equal hashes, whenever they are made.
    pub fn hash(&self, model: &ModelDef) -> String {
        let messages: Vec<JsonValue> = self
            .messages
            .iter()
            .map(|message| {
                json!([message.role.name(), message.content, calls_to_json(&message.tool_calls), message.tool_call_id])
            })
            .collect();
        let tools: Vec<JsonValue> =
            self.tools.iter().map(|tool| json!([tool.name, tool.description, tool.parameters])).collect();
        hash_text(&canonical_text(&json!([
            model.provider.name(),
            model.base_url,
            model.model,
            model.temperature,
            messages,
            tools,
            self.max_output_tokens
        ])))
    }
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TokenUsage {
    pub tokens_in: u64,
    pub tokens_out: u64,
}

#[derive(Clone, Debug, Default, PartialEq)]
pub struct ChatResponse {
    pub content: String,
    pub tool_calls: Vec<ToolCall>,
    /// None when the endpoint did not say: the engine counts.
    pub usage: Option<TokenUsage>,
}

impl ChatResponse {
    /// As `agent_llm_calls.response` keeps it.
    pub fn to_json(&self) -> JsonValue {
        json!({"content": self.content, "tool_calls": calls_to_json(&self.tool_calls)})
    }

    pub fn from_json(stored: &JsonValue) -> ChatResponse {
        let calls = stored["tool_calls"].as_array().map(Vec::as_slice).unwrap_or_default();
        let text = |value: &JsonValue| value.as_str().unwrap_or_default().to_owned();
        ChatResponse {
            content: text(&stored["content"]),
            tool_calls: calls
                .iter()
                .map(|call| ToolCall {
                    id: text(&call["id"]),
                    name: text(&call["name"]),
                    arguments: call["arguments"].clone(),
                })
                .collect(),
            usage: None,
        }
    }
}

fn calls_to_json(calls: &[ToolCall]) -> JsonValue {
    calls.iter().map(|call| json!({"id": call.id, "name": call.name, "arguments": call.arguments})).collect()
}

/// Why a call gave no answer.
#[derive(Clone, Debug, PartialEq)]
pub struct ModelError {
    pub message: String,
    /// Worth another try: 429, 5xx, time-outs, lost connections, malformed replies.
    pub retryable: bool,
    /// The endpoint asked to wait this long.
    pub retry_after: Option<Duration>,
    /// The call was given up because its token was cancelled.
    pub cancelled: bool,
}

impl ModelError {
    pub fn fatal(message: impl Into<String>) -> ModelError {
        ModelError { message: message.into(), retryable: false, retry_after: None, cancelled: false }
    }

    pub fn retryable(message: impl Into<String>) -> ModelError {
        ModelError { retryable: true, ..ModelError::fatal(message) }
    }

    pub fn cancelled() -> ModelError {
        ModelError { cancelled: true, ..ModelError::fatal("the model call was cancelled") }
    }
}

/// Answers one request. Calls block; none holds a transaction or a lock of the store.
pub trait ChatModel: Send + Sync {
    /// Gives up when `cancel` is cancelled or `timeout` has passed.
    fn complete(
        &self,
        request: &ChatRequest,
        timeout: Duration,
        cancel: &CancelToken,
    ) -> Result<ChatResponse, ModelError>;
}

/// Opens the model of a definition; the secret's value is read here, at the call.
pub fn open_model(
    http: &HttpModels,
    model: &ModelDef,
    secret: Option<&SecretDef>,
) -> Result<Arc<dyn ChatModel>, ModelError> {
    Ok(match model.provider {
        Provider::Builtin => Arc::new(builtin::BuiltinModel),
        Provider::Script => Arc::new(script::ScriptModel::new(model.replies.clone())),
        Provider::OpenAi => Arc::new(http.open(model, secret)?),
    })
}
