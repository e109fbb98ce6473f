//! The built-in tools, as statements of the caller's session.

use serde_json::{Map, Value as JsonValue, json};
use sinew::query::context::EvalContext;
use sinew::query::types;
use sinew::{Execution, Result, Session, Value};

use super::statement::{StatementLimits, in_transaction, run_statement};
use super::{Recalled, ToolInvocation, ToolResult};
use crate::engine::RunId;
use crate::objects::BuiltinTool;

/// Relationships shown per node and direction.
const RELATIONSHIPS_PER_NODE: usize = 10;

/// Names taken from one question.
const NAME_CANDIDATES: usize = 96;

/// Above so many nodes they are looked at by name only when no index finds anything: names have no index of their own.
const NAME_SCAN_NODES: i64 = 200_000;

/// Characters kept of a message's content.
const CONTENT_CHARS: usize = 2_000;

pub fn run_builtin(session: &mut Session, tool: BuiltinTool, call: &ToolInvocation) -> Result<ToolResult> {
    let text = |name: &str| call.arguments.get(name).and_then(JsonValue::as_str).unwrap_or_default().to_owned();
    let k = |default: i64, most: i64| {
        let asked = call.arguments.get("k").and_then(JsonValue::as_i64).unwrap_or(default);
        asked.clamp(1, most)
    };
    match tool {
        BuiltinTool::SearchMemory => {
            let (query, k) = (text("query"), k(8, 50));
            in_transaction(session, true, |session| {
                let hits = search_messages(session, &query, k as usize, call.run_id)?;
                Ok((json!({"messages": hits}), false))
            })
        }
        BuiltinTool::SearchGraph => {
            let (query, k) = (text("query"), k(5, 25));
            in_transaction(session, true, |session| Ok((search_graph(session, &query, k)?, false)))
        }
        BuiltinTool::RunSql | BuiltinTool::RunCypher => {
            let limits = StatementLimits {
                writes: false,
                max_rows: call.tool.max_rows,
                max_bytes: call.tool.max_bytes,
                timeout: call.tool.timeout,
            };
            run_statement(session, &text("query"), &[], &Map::new(), &[], limits)
        }
        BuiltinTool::Remember => {
            let (fact, run) = (text("fact"), call.run_id.to_string());
            in_transaction(session, false, |session| {
                let params = [fact.into(), run.into()];
                let statement = "MERGE (f:Fact {text: $1}) ON CREATE SET f.run_id = $2 RETURN id(f) AS id";
                Ok((json!({"node": first_int(session, statement, &params)?}), false))
            })
        }
        BuiltinTool::Relate => {
            let (a, relation, b) = (text("a"), relationship_type(&text("relation")), text("b"));
            in_transaction(session, false, |session| {
                let from = named_node(session, &a)?;
                let to = named_node(session, &b)?;
                let statement = format!(
                    "MATCH (a), (b) WHERE id(a) = $1 AND id(b) = $2 MERGE (a)-[r:`{relation}`]->(b) RETURN id(r) AS id"
                );
                let id = first_int(session, &statement, &[from.into(), to.into()])?;
                Ok((json!({"relationship": id, "type": relation, "from": from, "to": to}), false))
            })
        }
    }
}

/// The best `k` hits of a message search. Left out are the run's own messages, what was said before in the same words, and
/// what earlier runs made of the same question: the question again, and answers that only cite other messages. Both
/// resemble the query more than any source.
fn search_messages(session: &mut Session, query: &str, k: usize, run_id: RunId) -> Result<Vec<JsonValue>> {
    let statement =
        "SELECT conversation_id, seq, role, name, content, created_at, score, run_id FROM search_messages($1, $2)";
    // The question itself is stored and would be its own best hit.
    let params = [query.into(), Value::Int((k as i64 * 4 + 8).min(1000))];
    let own = run_id.to_string();
    let mut hits: Vec<JsonValue> = Vec::new();
    let mut said: std::collections::HashSet<String> = std::collections::HashSet::new();
    for mut row in query_json(session, statement, &params)? {
        let content = row["content"].as_str().unwrap_or_default();
        let earlier_run = !row["run_id"].is_null();
        let derived = earlier_run && (cites(content) || restates(query, content));
        if row["run_id"] == *own || derived || hits.len() >= k || !said.insert(content.to_owned()) {
            continue;
        }
        if let JsonValue::Object(members) = &mut row {
            members.retain(|name, value| name != "run_id" && !value.is_null());
            if let Some(JsonValue::String(content)) = members.get_mut("content") {
                truncate(content, CONTENT_CHARS);
            }
        }
        hits.push(row);
    }
    Ok(hits)
}

/// An answer that cites its sources.
fn cites(content: &str) -> bool {
    content.contains("[message ") || content.contains("[node ")
}

/// Most words of either text are the other's.
fn restates(query: &str, content: &str) -> bool {
    let words = |text: &str| -> std::collections::BTreeSet<String> {
        text.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty()).map(str::to_lowercase).collect()
    };
    let (asked, said) = (words(query), words(content));
    let shared = asked.intersection(&said).count();
    shared * 10 >= asked.union(&said).count() * 6
}

/// Past messages for a prompt.
pub fn recall(session: &mut Session, query: &str, k: usize, run_id: RunId) -> Result<Vec<Recalled>> {
    let text = |row: &JsonValue, name: &str| row[name].as_str().unwrap_or_default().to_owned();
    let hits = search_messages(session, query, k, run_id)?;
    Ok(hits
        .iter()
        .map(|row| Recalled {
            conversation_id: text(row, "conversation_id"),
            seq: row["seq"].as_i64().unwrap_or_default(),
            role: text(row, "role"),
            content: text(row, "content"),
        })
        .collect())
}

fn search_graph(session: &mut Session, query: &str, k: i64) -> Result<JsonValue> {
    let statement = "SELECT id, labels, properties, score FROM search_nodes($1, $2)";
    let found = query_json(session, statement, &[query.into(), Value::Int(k)])?;
    // Nodes that the question names go first: a search ranks what talks about a thing above the thing itself.
    let names: Vec<Value> = name_candidates(query).into_iter().map(Value::from).collect();
    let mut nodes = Vec::new();
    if !names.is_empty()
        && (found.is_empty() || first_int(session, "MATCH (n) RETURN count(*) AS count", &[])? <= NAME_SCAN_NODES)
    {
        let statement = "MATCH (n) WHERE n.name IN $1 \
             RETURN id(n) AS id, labels(n) AS labels, properties(n) AS properties ORDER BY id LIMIT $2";
        nodes = query_json(session, statement, &[Value::list(names), Value::Int(k)])?;
    }
    for node in found {
        if nodes.len() < k as usize && nodes.iter().all(|known| known["id"] != node["id"]) {
            nodes.push(node);
        }
    }
    for node in &mut nodes {
        let Some(id) = node["id"].as_i64() else { continue };
        let mut relationships: Vec<JsonValue> = Vec::new();
        for (outgoing, pattern) in [(true, "(n)-[r]->(m)"), (false, "(n)<-[r]-(m)")] {
            let statement = format!(
                "MATCH {pattern} WHERE id(n) = $1 RETURN type(r) AS type, id(m) AS id, labels(m) AS labels, \
                 properties(m) AS properties LIMIT {RELATIONSHIPS_PER_NODE}"
            );
            for row in query_json(session, &statement, &[Value::Int(id)])? {
                relationships.push(json!({
                    "type": row["type"],
                    "outgoing": outgoing,
                    "node": {"id": row["id"], "labels": row["labels"], "properties": without_vectors(&row["properties"])},
                }));
            }
        }
        node["properties"] = without_vectors(&node["properties"]);
        node["relationships"] = relationships.into();
    }
    Ok(json!({"nodes": nodes}))
}

/// What in a question may be a name: one to three words in a row, one of which begins with a capital or a digit, as they
/// are written and with capitals.
fn name_candidates(query: &str) -> Vec<String> {
    let words: Vec<&str> =
        query.split_whitespace().map(|word| word.trim_matches(|c: char| !c.is_alphanumeric())).collect();
    let begins_name = |word: &&str| word.chars().next().is_some_and(|c| c.is_uppercase() || c.is_ascii_digit());
    let mut candidates: Vec<String> = Vec::new();
    let mut propose = |name: String| {
        if !candidates.contains(&name) && candidates.len() < NAME_CANDIDATES {
            candidates.push(name);
        }
    };
    for start in 0..words.len() {
        for end in start + 1..=(start + 3).min(words.len()) {
            let words = &words[start..end];
            if !words.iter().any(begins_name) || words.iter().any(|word| word.is_empty()) {
                continue;
            }
            let name = words.join(" ");
            // "Ann's dog": the name is "Ann".
            let name = name.strip_suffix("'s").or_else(|| name.strip_suffix("’s")).unwrap_or(&name);
            propose(name.to_owned());
            propose(name.split(' ').map(capitalized).collect::<Vec<_>>().join(" "));
        }
    }
    candidates
}

fn capitalized(word: &str) -> String {
    let mut characters = word.chars();
    characters.next().map_or_else(String::new, |first| first.to_uppercase().chain(characters).collect())
}

/// Properties a model can read: long arrays (embeddings) left out, long text cut.
fn without_vectors(properties: &JsonValue) -> JsonValue {
    let JsonValue::Object(members) = properties else { return properties.clone() };
    let mut kept = Map::new();
    for (name, value) in members {
        match value {
            JsonValue::Array(items) if items.len() > 16 => {}
            JsonValue::String(text) => {
                let mut text = text.clone();
                truncate(&mut text, CONTENT_CHARS);
                kept.insert(name.clone(), text.into());
            }
            other => {
                kept.insert(name.clone(), other.clone());
            }
        }
    }
    kept.into()
}

/// The node called so, or a new `:Entity`.
fn named_node(session: &mut Session, name: &str) -> Result<i64> {
    let statement = "MATCH (n) WHERE n.name = $1 RETURN id(n) AS id ORDER BY id LIMIT 1";
    let found = session.query(statement, &[name.into()])?;
    if let Some(id) = found.rows.first().and_then(|row| row.first()).and_then(Value::as_int) {
        return Ok(id);
    }
    first_int(session, "CREATE (n:Entity {name: $1}) RETURN id(n) AS id", &[name.into()])
}

fn first_int(session: &mut Session, statement: &str, params: &[Value]) -> Result<i64> {
    let result = session.query(statement, params)?;
    let id = result.rows.first().and_then(|row| row.first()).and_then(Value::as_int);
    id.ok_or_else(|| sinew::QueryError::internal("a writing statement gave no id"))
}

/// A relationship type as graphs write it: upper case, words joined by underscores; never a backquote.
fn relationship_type(text: &str) -> String {
    let words = text.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty());
    let name = words.map(str::to_uppercase).collect::<Vec<_>>().join("_");
    if name.is_empty() { "RELATED_TO".to_owned() } else { name.chars().take(100).collect() }
}

fn truncate(text: &mut String, chars: usize) {
    if let Some((end, _)) = text.char_indices().nth(chars) {
        text.truncate(end);
        text.push('…');
    }
}

/// All rows as JSON objects by column name.
fn query_json(session: &mut Session, statement: &str, params: &[Value]) -> Result<Vec<JsonValue>> {
    let prepared = session.prepare(statement, &[])?;
    let Execution::Rows(mut cursor) = session.execute(&prepared, params.to_vec())? else { return Ok(Vec::new()) };
    let mut rows = Vec::new();
    let outcome = loop {
        match cursor.next_batch() {
            Ok(Some(batch)) => {
                if let Err(error) = append_json(&cursor, &batch, &mut rows) {
                    break Err(error);
                }
            }
            Ok(None) => break Ok(()),
            Err(error) => break Err(error),
        }
    };
    match outcome {
        Ok(()) => {
            session.finish(cursor, rows.len() as u64)?;
            Ok(rows)
        }
        Err(error) => {
            session.fail(cursor);
            Err(error)
        }
    }
}

fn append_json(cursor: &sinew::RowCursor, batch: &sinew::Batch, rows: &mut Vec<JsonValue>) -> Result<()> {
    let context = EvalContext::new(cursor.context());
    for row in 0..batch.row_count {
        let mut object = Map::new();
        for (output, column) in cursor.columns.iter().zip(&batch.columns) {
            let json = types::to_json(&context, &column.value(row))?;
            object.insert(output.name.to_string(), crate::json::from_jsonb(&json));
        }
        rows.push(object.into());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn relationship_types_are_plain_names() {
        assert_eq!(relationship_type("works at"), "WORKS_AT");
        assert_eq!(relationship_type("x`]->() DETACH DELETE n //"), "X_DETACH_DELETE_N");
        assert_eq!(relationship_type("  "), "RELATED_TO");
    }

    #[test]
    fn names_in_questions() {
        let candidates = name_candidates("Where does Ann Lee's boat lie at buoy 3?");
        for name in ["Ann", "Ann Lee", "Lee", "Buoy 3", "buoy 3"] {
            assert!(candidates.iter().any(|candidate| candidate == name), "{name}: {candidates:?}");
        }
        for no_name in ["boat", "boat lie", "does", "at", "buoy"] {
            assert!(!candidates.iter().any(|candidate| candidate == no_name), "{no_name}: {candidates:?}");
        }
        assert!(name_candidates("what about it?").is_empty());
    }

    #[test]
    fn embeddings_are_left_out() {
        let vector: Vec<f64> = vec![0.5; 64];
        let kept = without_vectors(&json!({"name": "Ann", "v": vector, "tags": ["a"]}));
        assert_eq!(kept, json!({"name": "Ann", "tags": ["a"]}));
    }
}
