//! Recorded replies, for tests and replay.
//!
//! Reply n answers the n-th model call of a run. Members of a reply: `content`, `tool_calls` (`[{"name", "arguments",
//! "id"}]`), `usage` (`{"tokens_in", "tokens_out"}`), `delay_ms`, `error` (the call fails with this text) and `status`
//! (the HTTP status that the error stands for: 429 and 5xx are tried again, and again answered by this reply).

use std::time::{Duration, Instant};

use serde_json::Value as JsonValue;
use sinew::CancelToken;

use super::{ChatModel, ChatRequest, ChatResponse, ModelError, TokenUsage, ToolCall};

pub struct ScriptModel {
    replies: Vec<JsonValue>,
}

impl ScriptModel {
    pub fn new(replies: Vec<JsonValue>) -> ScriptModel {
        ScriptModel { replies }
    }
}

impl ChatModel for ScriptModel {
    fn complete(
        &self,
        request: &ChatRequest,
        timeout: Duration,
        cancel: &CancelToken,
    ) -> Result<ChatResponse, ModelError> {
        let reply = usize::try_from(request.iteration).ok().and_then(|iteration| self.replies.get(iteration));
        let Some(reply) = reply else {
            let count = self.replies.len();
            return Err(ModelError::fatal(format!(
                "the script has {count} replies, reply {} is asked for",
                request.iteration + 1
            )));
        };
        let delay = Duration::from_millis(reply["delay_ms"].as_u64().unwrap_or(0));
        let started = Instant::now();
        while started.elapsed() < delay {
            if cancel.is_cancelled() {
                return Err(ModelError::cancelled());
            }
            if started.elapsed() >= timeout {
                return Err(ModelError::retryable(format!("no answer within {} ms", timeout.as_millis())));
            }
            std::thread::sleep(Duration::from_millis(5).min(delay));
        }
        if let Some(message) = reply["error"].as_str() {
            let status = reply["status"].as_u64().unwrap_or(400);
            let retryable = status == 429 || status >= 500;
            return Err(ModelError { retryable, ..ModelError::fatal(message) });
        }
        let calls = reply["tool_calls"].as_array().map(Vec::as_slice).unwrap_or_default();
        let tool_calls = calls.iter().enumerate().map(|(position, call)| ToolCall {
            id: call["id"].as_str().map_or_else(|| format!("call_{}_{position}", request.iteration), str::to_owned),
            name: call["name"].as_str().unwrap_or_default().to_owned(),
            arguments: call["arguments"].clone(),
        });
        let usage = reply["usage"].as_object().map(|usage| {
            let count = |name: &str| usage.get(name).and_then(JsonValue::as_u64).unwrap_or(0);
            TokenUsage { tokens_in: count("tokens_in"), tokens_out: count("tokens_out") }
        });
        Ok(ChatResponse {
            content: reply["content"].as_str().unwrap_or_default().to_owned(),
            tool_calls: tool_calls.collect(),
            usage,
        })
    }
}
