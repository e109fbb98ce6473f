//! OpenAI's chat completions over HTTP, as many servers speak them.
//!
//! Redirects are off, so that a secret goes to the host it is bound to and nowhere else; the answer's size and the time
//! it may take are bounded; nothing of an error's body but a short excerpt is kept, and never the secret.

use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use reqwest::header::{AUTHORIZATION, HeaderValue, RETRY_AFTER};
use serde_json::{Value as JsonValue, json};
use sinew::CancelToken;

use super::{ChatMessage, ChatModel, ChatRequest, ChatResponse, ModelError, TokenUsage, ToolCall};
use crate::objects::{ModelDef, SecretDef};

/// Largest answer read, in bytes.
const RESPONSE_LIMIT_BYTES: usize = 8 << 20;

/// How often a waiting call looks at its cancel token.
const CANCEL_POLL: Duration = Duration::from_millis(50);

/// The network side shared by all HTTP models: one small runtime, and one client for this machine's own hosts (never
/// through a proxy) beside one for the rest.
pub struct HttpModels {
    runtime: tokio::runtime::Handle,
    clients: Mutex<Clients>,
}

#[derive(Default)]
struct Clients {
    loopback: Option<reqwest::Client>,
    remote: Option<reqwest::Client>,
}

impl HttpModels {
    pub fn new(runtime: tokio::runtime::Handle) -> HttpModels {
        HttpModels { runtime, clients: Mutex::default() }
    }

    fn client(&self, loopback: bool) -> Result<reqwest::Client, ModelError> {
        let mut clients = self.clients.lock();
        let slot = if loopback { &mut clients.loopback } else { &mut clients.remote };
        if let Some(client) = slot {
            return Ok(client.clone());
        }
        // Another part of the process may have installed one: that one serves as well.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let mut builder = reqwest::Client::builder()
            .redirect(reqwest::redirect::Policy::none())
            .connect_timeout(Duration::from_secs(10))
            .user_agent(concat!("sinew/", env!("CARGO_PKG_VERSION")));
        if loopback {
            builder = builder.no_proxy();
        }
        let client = builder.build().map_err(|error| ModelError::fatal(format!("no HTTP client: {error}")))?;
        *slot = Some(client.clone());
        Ok(client)
    }

    /// Reads the secret's value from the environment; it lives as long as the call.
    pub fn open(&self, model: &ModelDef, secret: Option<&SecretDef>) -> Result<OpenAiModel, ModelError> {
        let host = model.host().unwrap_or_default();
        let authorization = match (secret, &model.secret) {
            (Some(secret), _) => {
                if !secret.is_for_host(&host) {
                    return Err(ModelError::fatal(format!("secret \"{}\" is not for host \"{host}\"", secret.name)));
                }
                let value = std::env::var(&secret.env).map_err(|_| {
                    ModelError::fatal(format!(
                        "environment variable {} of secret \"{}\" is not set",
                        secret.env, secret.name
                    ))
                })?;
                let mut header = HeaderValue::from_str(&format!("Bearer {}", value.trim()))
                    .map_err(|_| ModelError::fatal(format!("secret \"{}\" is no header value", secret.name)))?;
                header.set_sensitive(true);
                Some(header)
            }
            (None, Some(name)) => return Err(ModelError::fatal(format!("secret \"{name}\" does not exist"))),
            (None, None) => None,
        };
        Ok(OpenAiModel {
            runtime: self.runtime.clone(),
            client: self.client(crate::objects::is_loopback(&host))?,
            url: format!("{}/chat/completions", model.endpoint()),
            model: model.model.clone().unwrap_or_default().into(),
            temperature: model.temperature,
            authorization,
        })
    }
}

pub struct OpenAiModel {
    runtime: tokio::runtime::Handle,
    client: reqwest::Client,
    url: String,
    model: Arc<str>,
    temperature: Option<f64>,
    authorization: Option<HeaderValue>,
}

impl ChatModel for OpenAiModel {
    fn complete(
        &self,
        request: &ChatRequest,
        timeout: Duration,
        cancel: &CancelToken,
    ) -> Result<ChatResponse, ModelError> {
        let body = request_body(&self.model, self.temperature, request);
        self.runtime.block_on(async {
            tokio::select! {
                outcome = tokio::time::timeout(timeout, self.call(&body)) => outcome.unwrap_or_else(|_| {
                    Err(ModelError::retryable(format!("no answer within {} ms", timeout.as_millis())))
                }),
                () = cancelled(cancel) => Err(ModelError::cancelled()),
            }
        })
    }
}

async fn cancelled(cancel: &CancelToken) {
    while !cancel.is_cancelled() {
        tokio::time::sleep(CANCEL_POLL).await;
    }
}

impl OpenAiModel {
    async fn call(&self, body: &JsonValue) -> Result<ChatResponse, ModelError> {
        let mut http = self.client.post(&self.url).json(body);
        if let Some(authorization) = &self.authorization {
            http = http.header(AUTHORIZATION, authorization.clone());
        }
        let mut response = http.send().await.map_err(|error| transport_error(&error))?;
        let status = response.status();
        let retry_after =
            response.headers().get(RETRY_AFTER).and_then(|value| value.to_str().ok()?.trim().parse().ok());
        let mut bytes: Vec<u8> = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(|error| transport_error(&error))? {
            if bytes.len() + chunk.len() > RESPONSE_LIMIT_BYTES {
                return Err(ModelError::fatal(format!("the answer is larger than {RESPONSE_LIMIT_BYTES} bytes")));
            }
            bytes.extend_from_slice(&chunk);
        }
        if !status.is_success() {
            let retryable = status.as_u16() == 429 || status.as_u16() == 408 || status.is_server_error();
            return Err(ModelError {
                retryable,
                retry_after: retry_after.map(Duration::from_secs),
                ..ModelError::fatal(format!("the model endpoint answered {status}: {}", error_excerpt(&bytes)))
            });
        }
        parse_response(&bytes)
    }
}

fn transport_error(error: &reqwest::Error) -> ModelError {
    // The innermost cause says what happened ("connection refused"); the outer ones repeat the address.
    let mut cause: &dyn std::error::Error = error;
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    let what = if error.is_connect() { "cannot connect to the model endpoint" } else { "the model call broke off" };
    ModelError::retryable(format!("{what}: {cause}"))
}

fn error_excerpt(bytes: &[u8]) -> String {
    let parsed: Option<JsonValue> = serde_json::from_slice(bytes).ok();
    let message = parsed.as_ref().and_then(|body| body["error"]["message"].as_str().or_else(|| body["error"].as_str()));
    let text =
        message.map_or_else(|| String::from_utf8_lossy(&bytes[..bytes.len().min(600)]).into_owned(), str::to_owned);
    text.chars().filter(|c| !c.is_control()).take(200).collect()
}

/// The request as the endpoint wants it.
fn request_body(model: &str, temperature: Option<f64>, request: &ChatRequest) -> JsonValue {
    let messages: Vec<JsonValue> = request.messages.iter().map(message_body).collect();
    let mut body = json!({"model": model, "messages": messages, "max_tokens": request.max_output_tokens});
    if let Some(temperature) = temperature {
        body["temperature"] = temperature.into();
    }
    if !request.tools.is_empty() {
        let tool = |tool: &super::ToolSpec| {
            let function = json!({"name": tool.name, "description": tool.description, "parameters": tool.parameters});
            json!({"type": "function", "function": function})
        };
        body["tools"] = request.tools.iter().map(tool).collect();
        body["tool_choice"] = "auto".into();
    }
    body
}

fn message_body(message: &ChatMessage) -> JsonValue {
    let mut body = json!({"role": message.role.name(), "content": message.content});
    if !message.tool_calls.is_empty() {
        let call = |call: &ToolCall| {
            // A call whose arguments were no JSON goes back as it came.
            let arguments = call.arguments.as_str().map_or_else(|| call.arguments.to_string(), str::to_owned);
            json!({"id": call.id, "type": "function", "function": {"name": call.name, "arguments": arguments}})
        };
        body["tool_calls"] = message.tool_calls.iter().map(call).collect();
        if message.content.is_empty() {
            body["content"] = JsonValue::Null;
        }
    }
    if let Some(id) = &message.tool_call_id {
        body["tool_call_id"] = id.as_str().into();
    }
    body
}

/// Anything that is not a chat completion is worth another try: proxies and overloaded servers send such.
fn parse_response(bytes: &[u8]) -> Result<ChatResponse, ModelError> {
    let malformed = |what: &str| ModelError::retryable(format!("the model endpoint sent a malformed answer: {what}"));
    let body: JsonValue = serde_json::from_slice(bytes).map_err(|error| malformed(&error.to_string()))?;
    let message = &body["choices"][0]["message"];
    if !message.is_object() {
        return Err(malformed("no choices[0].message"));
    }
    let mut tool_calls = Vec::new();
    for (position, call) in message["tool_calls"].as_array().map(Vec::as_slice).unwrap_or_default().iter().enumerate() {
        let name = call["function"]["name"].as_str().ok_or_else(|| malformed("a tool call without a name"))?;
        let arguments = match &call["function"]["arguments"] {
            // Text that is no JSON stays text; checking the arguments tells the model so.
            JsonValue::String(text) if text.trim().is_empty() => json!({}),
            JsonValue::String(text) => serde_json::from_str(text).unwrap_or_else(|_| text.as_str().into()),
            JsonValue::Null => json!({}),
            other => other.clone(),
        };
        let id = call["id"].as_str().map_or_else(|| format!("call_{position}"), str::to_owned);
        tool_calls.push(ToolCall { id, name: name.to_owned(), arguments });
    }
    let content = match &message["content"] {
        JsonValue::String(text) => text.clone(),
        JsonValue::Array(parts) => parts.iter().filter_map(|part| part["text"].as_str()).collect(),
        _ => String::new(),
    };
    if content.trim().is_empty() && tool_calls.is_empty() {
        return Err(malformed("neither content nor tool calls"));
    }
    let usage = match (body["usage"]["prompt_tokens"].as_u64(), body["usage"]["completion_tokens"].as_u64()) {
        (Some(tokens_in), Some(tokens_out)) => Some(TokenUsage { tokens_in, tokens_out }),
        _ => None,
    };
    Ok(ChatResponse { content, tool_calls, usage })
}

#[cfg(test)]
mod tests {
    use super::super::{Role, ToolSpec};
    use super::*;

    #[test]
    fn writes_requests() {
        let mut assistant = ChatMessage::new(Role::Assistant, "");
        assistant.tool_calls.push(ToolCall { id: "c1".into(), name: "find".into(), arguments: json!({"q": "x"}) });
        let mut tool = ChatMessage::new(Role::Tool, "[]");
        tool.tool_call_id = Some("c1".into());
        let request = ChatRequest {
            messages: vec![ChatMessage::new(Role::User, "hi"), assistant, tool],
            tools: vec![ToolSpec {
                name: "find".into(),
                description: "d".into(),
                parameters: json!({"type": "object"}),
            }],
            max_output_tokens: 9,
            iteration: 1,
        };
        assert_eq!(
            request_body("small", Some(0.5), &request),
            json!({"model": "small", "max_tokens": 9, "temperature": 0.5, "tool_choice": "auto",
                "messages": [{"role": "user", "content": "hi"},
                    {"role": "assistant", "content": null, "tool_calls": [{"id": "c1", "type": "function",
                        "function": {"name": "find", "arguments": "{\"q\":\"x\"}"}}]},
                    {"role": "tool", "content": "[]", "tool_call_id": "c1"}],
                "tools": [{"type": "function", "function": {"name": "find", "description": "d", "parameters": {"type": "object"}}}]})
        );
    }

    #[test]
    fn reads_responses() {
        let body = br#"{"choices": [{"message": {"content": null, "tool_calls": [
            {"id": "a", "function": {"name": "f", "arguments": "{\"x\": 1}"}},
            {"id": "b", "function": {"name": "g", "arguments": "not json"}}]}}],
            "usage": {"prompt_tokens": 12, "completion_tokens": 3}}"#;
        let response = parse_response(body).expect("a right answer");
        assert_eq!(response.tool_calls[0].arguments, json!({"x": 1}));
        assert_eq!(response.tool_calls[1].arguments, json!("not json"));
        assert_eq!(response.usage, Some(TokenUsage { tokens_in: 12, tokens_out: 3 }));
        for bad in [&b"{"[..], b"{}", br#"{"choices": [{"message": {"content": ""}}]}"#] {
            assert!(parse_response(bad).expect_err("malformed").retryable);
        }
    }

    #[test]
    fn an_endpoint_that_is_down_is_retryable() {
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().expect("runtime");
        let models = HttpModels::new(runtime.handle().clone());
        // Port 9 of this machine: nobody listens there.
        let definition = json!({"provider": "openai", "model": "m", "base_url": "http://127.0.0.1:9/v1"});
        let definition = ModelDef::read("m", &definition).expect("definition is right");
        let model = models.open(&definition, None).expect("opens without a secret");
        let request = ChatRequest {
            messages: vec![ChatMessage::new(Role::User, "hi")],
            tools: Vec::new(),
            max_output_tokens: 1,
            iteration: 0,
        };
        let error =
            model.complete(&request, Duration::from_secs(5), &CancelToken::default()).expect_err("nobody is there");
        assert!(error.retryable, "{}", error.message);
        assert!(error.message.contains("cannot connect"), "{}", error.message);
    }
}
