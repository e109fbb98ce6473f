//! A server that speaks OpenAI's chat completions and answers from a script: for runs against a model endpoint that is
//! right, slow, overloaded, broken or gone.
//!
//! Reply n answers the n-th request; behind the last one, requests are answered with 500. Requests are kept, so that a
//! test can see what the model was told and how often it was asked.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::Response;
use axum::routing::post;
use axum::{Router, serve};
use serde_json::{Value as JsonValue, json};
use tokio::net::TcpListener;

/// One scripted answer.
#[derive(Clone, Debug)]
pub enum Reply {
    /// The assistant's text.
    Text(String),
    /// Tool calls: (id, tool, arguments).
    ToolCalls(Vec<(String, String, JsonValue)>),
    /// A tool call whose arguments are this text, JSON or not.
    RawArguments { tool: String, arguments: String },
    /// An HTTP status with OpenAI's error body; 429 comes with `Retry-After: 0`.
    Status(u16),
    /// Status 200 and a body that is no chat completion.
    Malformed(String),
    /// The reply after a pause.
    Slow(Duration, Box<Reply>),
    /// A redirect to this address, which a client must not follow with a secret in hand.
    Redirect(String),
    /// A body of this many bytes.
    Huge(usize),
}

impl Reply {
    pub fn text(text: &str) -> Reply {
        Reply::Text(text.to_owned())
    }

    /// One tool call.
    pub fn call(tool: &str, arguments: JsonValue) -> Reply {
        Reply::ToolCalls(vec![(format!("call_{tool}"), tool.to_owned(), arguments)])
    }
}

/// A request as it arrived.
#[derive(Clone, Debug)]
pub struct Request {
    pub authorization: Option<String>,
    pub body: JsonValue,
}

/// A running server on a port of its own; it ends when dropped.
pub struct OpenAiMock {
    address: SocketAddr,
    shared: Arc<Shared>,
    runtime: Option<tokio::runtime::Runtime>,
}

struct Shared {
    replies: Mutex<VecDeque<Reply>>,
    requests: Mutex<Vec<Request>>,
}

impl OpenAiMock {
    /// Listens on a free port of 127.0.0.1, on threads of its own.
    pub fn start(replies: impl IntoIterator<Item = Reply>) -> std::io::Result<OpenAiMock> {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
        let shared =
            Arc::new(Shared { replies: Mutex::new(replies.into_iter().collect()), requests: Mutex::new(Vec::new()) });
        let listener = runtime.block_on(TcpListener::bind(("127.0.0.1", 0)))?;
        let address = listener.local_addr()?;
        let router = Router::new().route("/v1/chat/completions", post(complete)).with_state(Arc::clone(&shared));
        runtime.spawn(async move { serve(listener, router).await });
        Ok(OpenAiMock { address, shared, runtime: Some(runtime) })
    }

    /// The `base_url` of a model.
    pub fn base_url(&self) -> String {
        format!("http://{}/v1", self.address)
    }

    /// Adds a reply behind those that are left.
    pub fn push(&self, reply: Reply) {
        self.shared.replies.lock().expect("no test panics with the lock held").push_back(reply);
    }

    /// Requests so far, in order.
    pub fn requests(&self) -> Vec<Request> {
        self.shared.requests.lock().expect("no test panics with the lock held").clone()
    }

    /// Replies not given yet.
    pub fn replies_left(&self) -> usize {
        self.shared.replies.lock().expect("no test panics with the lock held").len()
    }
}

impl Drop for OpenAiMock {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            // Slow replies may still sleep.
            runtime.shutdown_background();
        }
    }
}

async fn complete(State(shared): State<Arc<Shared>>, headers: HeaderMap, body: Bytes) -> Response {
    let authorization = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok()).map(str::to_owned);
    let Ok(body) = serde_json::from_slice::<JsonValue>(&body) else {
        return error(StatusCode::BAD_REQUEST, "the request is not JSON");
    };
    if let Err(message) = check_request(&body) {
        return error(StatusCode::BAD_REQUEST, &message);
    }
    let model = body["model"].as_str().unwrap_or_default().to_owned();
    let (number, reply) = {
        let mut requests = shared.requests.lock().expect("no test panics with the lock held");
        requests.push(Request { authorization, body });
        (requests.len(), shared.replies.lock().expect("no test panics with the lock held").pop_front())
    };
    let mut reply = reply.unwrap_or(Reply::Status(500));
    while let Reply::Slow(pause, then) = reply {
        tokio::time::sleep(pause).await;
        reply = *then;
    }
    respond(&model, number, reply)
}

/// What OpenAI's server would refuse: a tool call without its answer, an answer without its call.
fn check_request(body: &JsonValue) -> Result<(), String> {
    if !body["model"].is_string() {
        return Err("no model".to_owned());
    }
    let messages = body["messages"].as_array().ok_or("no messages")?;
    let mut open: Vec<String> = Vec::new();
    for message in messages {
        match message["role"].as_str() {
            Some("tool") => {
                let id = message["tool_call_id"].as_str().unwrap_or_default();
                let Some(position) = open.iter().position(|known| known == id) else {
                    return Err(format!("tool message answers unknown call \"{id}\""));
                };
                open.remove(position);
            }
            Some("system" | "user" | "assistant") => {
                if !open.is_empty() {
                    return Err(format!("tool calls without answers: {}", open.join(", ")));
                }
                for call in message["tool_calls"].as_array().into_iter().flatten() {
                    open.push(call["id"].as_str().unwrap_or_default().to_owned());
                }
            }
            other => return Err(format!("unknown role {other:?}")),
        }
    }
    if open.is_empty() { Ok(()) } else { Err(format!("tool calls without answers: {}", open.join(", "))) }
}

fn respond(model: &str, number: usize, reply: Reply) -> Response {
    let completion = |message: JsonValue, finish_reason: &str| {
        json!({
            "id": format!("chatcmpl-{number}"), "object": "chat.completion", "model": model,
            "choices": [{"index": 0, "message": message, "finish_reason": finish_reason}],
            "usage": {"prompt_tokens": 20, "completion_tokens": 7, "total_tokens": 27},
        })
    };
    let call = |id: &str, tool: &str, arguments: String| json!({"id": id, "type": "function", "function": {"name": tool, "arguments": arguments}});
    match reply {
        Reply::Text(text) => json_response(&completion(json!({"role": "assistant", "content": text}), "stop")),
        Reply::ToolCalls(calls) => {
            let calls: Vec<JsonValue> =
                calls.iter().map(|(id, tool, arguments)| call(id, tool, arguments.to_string())).collect();
            let message = json!({"role": "assistant", "content": null, "tool_calls": calls});
            json_response(&completion(message, "tool_calls"))
        }
        Reply::RawArguments { tool, arguments } => {
            let calls = [call(&format!("call_{number}"), &tool, arguments)];
            let message = json!({"role": "assistant", "content": null, "tool_calls": calls});
            json_response(&completion(message, "tool_calls"))
        }
        Reply::Status(code) => {
            let status = StatusCode::from_u16(code).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
            error(status, &format!("scripted status {code}"))
        }
        Reply::Malformed(body) => Response::new(Body::from(body)),
        Reply::Redirect(to) => Response::builder()
            .status(StatusCode::TEMPORARY_REDIRECT)
            .header(header::LOCATION, to)
            .body(Body::empty())
            .expect("a redirect's address is plain text"),
        Reply::Huge(size) => Response::new(Body::from(vec![b' '; size])),
        // Unwrapped by the caller.
        Reply::Slow(_, then) => respond(model, number, *then),
    }
}

fn json_response(body: &JsonValue) -> Response {
    let builder = Response::builder().header(header::CONTENT_TYPE, "application/json");
    builder.body(Body::from(body.to_string())).expect("header values are plain text")
}

fn error(status: StatusCode, message: &str) -> Response {
    let mut builder = Response::builder().status(status).header(header::CONTENT_TYPE, "application/json");
    if status == StatusCode::TOO_MANY_REQUESTS {
        builder = builder.header(header::RETRY_AFTER, "0");
    }
    let body = json!({"error": {"message": message, "type": "scripted"}});
    builder.body(Body::from(body.to_string())).expect("header values are plain text")
}
