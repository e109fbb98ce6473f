//! What a model call says: prompt, memory, input, and the run so far.

use minijinja::Environment;
use serde_json::{Value as JsonValue, json};
use sinew::{QueryError, Result};

use super::Unit;
use super::run::{Run, message_ref};
use crate::models::{ChatMessage, ChatRequest, ChatResponse, Role, ToolSpec};
use crate::objects::{AgentDef, MemoryDef, ToolDef, find_memory, find_tool, invalid_value};
use crate::rows::Select;

/// Steps a template may take, and the nesting of its includes and macros: a prompt is no program.
const TEMPLATE_FUEL: u64 = 200_000;
const TEMPLATE_DEPTH: usize = 64;

/// Largest prompt after rendering, in bytes.
const PROMPT_LIMIT_BYTES: usize = 256 << 10;

/// Most messages read for a memory of kind buffer.
const BUFFER_LIMIT: usize = 5_000;

fn environment<'a>() -> Environment<'a> {
    let mut environment = Environment::new();
    environment.set_fuel(Some(TEMPLATE_FUEL));
    environment.set_recursion_limit(TEMPLATE_DEPTH);
    environment
}

/// Checks a prompt's template syntax.
pub fn check_prompt(prompt: &str) -> Result<(), String> {
    match environment().template_from_str(prompt) {
        Ok(_) => Ok(()),
        Err(error) => Err(error.to_string()),
    }
}

/// The prompt with `user`, `agent`, `conversation_id` and the run's vars filled in; vars win.
fn render_prompt(agent: &AgentDef, run: &Run) -> Result<String> {
    let mut context = json!({
        "agent": agent.name,
        "user": run.user_id.as_deref().unwrap_or(&run.caller),
        "conversation_id": run.conversation_id,
        "vars": run.vars,
    });
    if let (JsonValue::Object(context), JsonValue::Object(vars)) = (&mut context, &run.vars) {
        context.extend(vars.clone());
    }
    let rendered = environment().render_str(&agent.prompt, minijinja::value::Serde(&context)).map_err(|error| {
        invalid_value(format!("the prompt of agent \"{}\" cannot be rendered: {error}", agent.name))
    })?;
    if rendered.len() > PROMPT_LIMIT_BYTES {
        let size = rendered.len();
        let message = format!(
            "the prompt of agent \"{}\" is {size} bytes, at most {PROMPT_LIMIT_BYTES} are possible",
            agent.name
        );
        return Err(invalid_value(message));
    }
    Ok(rendered)
}

/// The memory an agent has.
pub fn memory_of(unit: &Unit<'_>, agent: &AgentDef) -> Result<MemoryDef> {
    agent.memory.as_deref().map_or_else(|| Ok(MemoryDef::default_window()), |name| find_memory(unit.rows, name))
}

/// The tools an agent has, with their current definitions. A tool dropped since is left out.
pub fn tools_of(unit: &Unit<'_>, agent: &AgentDef) -> Result<Vec<ToolDef>> {
    let mut tools = Vec::with_capacity(agent.tools.len());
    for name in &agent.tools {
        match find_tool(unit.rows, name) {
            Ok(tool) => tools.push(tool),
            Err(error) if error.sqlstate() == sinew::sqlstate::UNDEFINED_OBJECT => {}
            Err(error) => return Err(error),
        }
    }
    Ok(tools)
}

/// The request of the run's next model call.
pub fn build_request(
    unit: &Unit<'_>,
    run: &Run,
    agent: &AgentDef,
    memory: &MemoryDef,
    max_output_tokens: u64,
) -> Result<ChatRequest> {
    let mut messages = vec![ChatMessage::new(Role::System, render_prompt(agent, run)?)];
    if let Some(recalled) = recalled_message(unit, run)? {
        messages.push(recalled);
    }
    // Half of what the run may still use, so that the window never crowds out the answer.
    let window_tokens = ((run.limits.max_tokens - run.used.tokens()) / 2).clamp(0, 32_000);
    messages.extend(window(unit, run, memory, window_tokens)?);
    messages.push(ChatMessage::new(Role::User, run.input.as_str()));
    messages.extend(transcript(unit, run)?);
    let tools = tools_of(unit, agent)?
        .into_iter()
        .map(|tool| ToolSpec { parameters: tool.schema(), name: tool.name, description: tool.description })
        .collect();
    Ok(ChatRequest { messages, tools, max_output_tokens, iteration: run.used.iterations })
}

/// The newest turns of the conversation before the input that fit `max_tokens`, oldest first.
fn window(unit: &Unit<'_>, run: &Run, memory: &MemoryDef, max_tokens: i64) -> Result<Vec<ChatMessage>> {
    let limit = memory.window.unwrap_or(BUFFER_LIMIT);
    if limit == 0 {
        return Ok(Vec::new());
    }
    let select = Select::from("messages")
        .equal("conversation_id", run.conversation_id.as_str())
        .before("seq", run.input_seq)
        .order_by(&["seq"])
        .descending()
        .limit(limit);
    let mut left = max_tokens;
    let mut turns = Vec::new();
    for record in unit.rows.select(select)? {
        let role = Role::from_name(record.get("role").as_str().unwrap_or("user"));
        // Tool messages make sense only behind the call they answer.
        if role == Role::Tool {
            continue;
        }
        let content = record.opt_text("content").unwrap_or_default();
        if content.trim().is_empty() {
            continue;
        }
        left -= i64::from((unit.count_tokens)(&content));
        if left < 0 {
            break;
        }
        turns.push(ChatMessage::new(role, content));
    }
    turns.reverse();
    Ok(turns)
}

/// What memory found for the input, as one system message.
fn recalled_message(unit: &Unit<'_>, run: &Run) -> Result<Option<ChatMessage>> {
    let mut lines: Vec<String> = Vec::new();
    for found in run.recalled.as_array().map(Vec::as_slice).unwrap_or_default() {
        let (Some(conversation), Some(seq)) = (found["conversation_id"].as_str(), found["seq"].as_i64()) else {
            continue;
        };
        let key = [("conversation_id", conversation.into()), ("seq", seq.into())];
        let Some(record) = unit.rows.get("messages", &key)? else { continue };
        let content = record.opt_text("content").unwrap_or_default();
        let role = record.opt_text("role").unwrap_or_default();
        lines.push(format!("[{}] {role}: {content}", message_ref(conversation, seq)));
    }
    if lines.is_empty() {
        return Ok(None);
    }
    let text = format!("Earlier messages that may matter:\n{}", lines.join("\n"));
    Ok(Some(ChatMessage::new(Role::System, text)))
}

/// The run's model replies with the results of the tools they called.
fn transcript(unit: &Unit<'_>, run: &Run) -> Result<Vec<ChatMessage>> {
    let mut messages = Vec::new();
    let calls =
        unit.rows.select(Select::from("agent_llm_calls").equal("run_id", run.id).order_by(&["step", "attempt"]))?;
    let tool_calls = unit.rows.select(Select::from("agent_tool_calls").equal("run_id", run.id).order_by(&["step"]))?;
    for call in calls.iter().filter(|call| call.get("status").as_str() == Some("succeeded")) {
        let response = ChatResponse::from_json(&call.json("response"));
        let model_step = call.int("step")?;
        let mut reply = ChatMessage::new(Role::Assistant, response.content);
        reply.tool_calls = response.tool_calls;
        messages.push(reply);
        for tool_call in tool_calls.iter().filter(|tool_call| tool_call.opt_int("model_step") == Some(model_step)) {
            let mut message = ChatMessage::new(Role::Tool, tool_call.json("result").to_string());
            message.tool_call_id = Some(tool_call.text("call_id")?);
            messages.push(message);
        }
    }
    Ok(messages)
}

/// Tokens of a request: its texts, with a little for what surrounds each message.
pub fn count_request(unit: &Unit<'_>, request: &ChatRequest) -> u64 {
    let count = |text: &str| u64::from((unit.count_tokens)(text));
    let messages: u64 = request
        .messages
        .iter()
        .map(|message| {
            let calls: u64 =
                message.tool_calls.iter().map(|call| count(&call.name) + count(&call.arguments.to_string())).sum();
            count(&message.content) + calls + 4
        })
        .sum();
    let tools: u64 = request
        .tools
        .iter()
        .map(|tool| count(&tool.name) + count(&tool.description) + count(&tool.parameters.to_string()) + 8)
        .sum();
    messages + tools
}

/// Names an agent's tools, for errors to the model.
pub fn tool_names(agent: &AgentDef) -> String {
    if agent.tools.is_empty() { "none".to_owned() } else { agent.tools.join(", ") }
}

impl From<crate::tools::ToolError> for QueryError {
    fn from(error: crate::tools::ToolError) -> QueryError {
        QueryError::new(sinew::sqlstate::DATA_EXCEPTION, error.message)
    }
}
