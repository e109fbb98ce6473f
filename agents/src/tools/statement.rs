//! One statement of a tool, under its limits.
//!
//! A reading tool runs in a READ ONLY transaction of one snapshot: whatever the text is, the plan may not write. What
//! a read-only transaction does not stop (COMMIT, SET, COPY and the like) is kept out by allowing only statements that
//! begin as queries do.

use std::time::Duration;

use serde_json::{Map, Value as JsonValue, json};
use sinew::query::context::EvalContext;
use sinew::query::types;
use sinew::{DataType, Execution, QueryError, Result, Session, Value, sqlstate};

use super::ToolResult;

/// Words that begin a reading statement, and those of a writing one, of either language.
const READ_WORDS: &[&str] = &["SELECT", "WITH", "VALUES", "TABLE", "MATCH", "OPTIONAL", "UNWIND", "RETURN"];
const WRITE_WORDS: &[&str] = &["INSERT", "UPDATE", "DELETE", "MERGE", "CREATE", "DETACH", "FOREACH"];

/// What a statement may do and give.
#[derive(Clone, Copy, Debug)]
pub struct StatementLimits {
    pub writes: bool,
    pub max_rows: usize,
    pub max_bytes: usize,
    pub timeout: Duration,
}

/// Refuses text that is not one query (or, where allowed, one write).
fn check_statement(session: &Session, text: &str, writes: bool) -> Result<String> {
    let mut statements = session.split(text);
    statements.retain(|statement| !statement.text.trim().trim_end_matches(';').trim().is_empty());
    let [statement] = statements.as_slice() else {
        let message = format!("a tool runs exactly one statement, found {}", statements.len());
        return Err(QueryError::new(sqlstate::SYNTAX_ERROR, message));
    };
    let word = leading_word(&statement.text);
    let allowed = READ_WORDS.contains(&word.as_str()) || (writes && WRITE_WORDS.contains(&word.as_str()));
    if !allowed {
        let what = if writes { "a query or a write" } else { "a reading query" };
        let message = format!("a tool's statement must be {what}, it begins with \"{word}\"");
        return Err(QueryError::new(sqlstate::INSUFFICIENT_PRIVILEGE, message));
    }
    Ok(statement.text.clone())
}

/// The first word in upper case, behind comments and parentheses.
fn leading_word(text: &str) -> String {
    let mut rest = text;
    loop {
        rest = rest.trim_start().trim_start_matches('(');
        if let Some(comment) = rest.strip_prefix("--").or_else(|| rest.strip_prefix("//")) {
            rest = comment.split_once('\n').map_or("", |(_, after)| after);
        } else if let Some(comment) = rest.strip_prefix("/*") {
            rest = comment.split_once("*/").map_or("", |(_, after)| after);
        } else if !rest.starts_with([' ', '\t', '\n', '\r', '(']) {
            break;
        }
    }
    rest.chars().take_while(|c| c.is_alphabetic()).collect::<String>().to_uppercase()
}

/// Checks a tool's body when it is created: one statement of the right kind that plans, with its parameter types, and
/// uses no others (42P02).
pub fn check_body(session: &mut Session, text: &str, types: &[String], writes: bool) -> Result<()> {
    let text = check_statement(session, text, writes)?;
    let prepared = session.prepare(&text, &param_types(types)?)?;
    let (used_count, count) = (prepared.params.len(), types.len());
    if used_count > count {
        let error = QueryError::new(sqlstate::UNDEFINED_PARAMETER, format!("there is no parameter ${used_count}"));
        let parameters = if count == 1 { "parameter" } else { "parameters" };
        return Err(error.detail(format!("The tool has {count} {parameters}.")));
    }
    Ok(())
}

/// 42704 for a name that is no type.
pub fn param_types(names: &[String]) -> Result<Vec<DataType>> {
    names.iter().map(|name| param_type(name)).collect()
}

fn param_type(name: &str) -> Result<DataType> {
    if let Some(element) = name.strip_suffix("[]") {
        return Ok(DataType::array_of(param_type(element)?));
    }
    let base = name.split('(').next().unwrap_or(name).trim();
    types::type_from_name(base)
        .ok_or_else(|| QueryError::new(sqlstate::UNDEFINED_OBJECT, format!("type \"{name}\" does not exist")))
}

/// An argument as a datum of its type. Types without a JSON form of their own are cast from text.
pub fn bind_argument(session: &mut Session, name: &str, argument: &JsonValue) -> Result<Value> {
    if argument.is_null() {
        return Ok(Value::Null);
    }
    if let (Some(element), JsonValue::Array(items)) = (name.strip_suffix("[]"), argument) {
        let items: Result<Vec<Value>> = items.iter().map(|item| bind_argument(session, element, item)).collect();
        return Ok(Value::list(items?));
    }
    let text = || argument.as_str().map_or_else(|| argument.to_string(), str::to_owned);
    Ok(match param_type(name)? {
        DataType::Text => Value::from(text()),
        DataType::Int2 | DataType::Int4 | DataType::Int8 => {
            argument.as_i64().map(Value::Int).ok_or_else(|| malformed(name, argument))?
        }
        DataType::Float4 | DataType::Float8 => {
            argument.as_f64().map(Value::Float).ok_or_else(|| malformed(name, argument))?
        }
        DataType::Bool => argument.as_bool().map(Value::Bool).ok_or_else(|| malformed(name, argument))?,
        DataType::Json | DataType::Jsonb => crate::json::json_value(argument),
        _ => {
            // The type's name comes from the tool's definition and was checked to be one.
            let result = session.query(&format!("SELECT CAST($1::text AS {name})"), &[text().into()])?;
            result.rows.into_iter().next().and_then(|row| row.into_iter().next()).unwrap_or_default()
        }
    })
}

fn malformed(name: &str, argument: &JsonValue) -> QueryError {
    QueryError::new(sqlstate::INVALID_TEXT_REPRESENTATION, format!("invalid input for type {name}: {argument}"))
}

/// Runs one statement in a transaction of its own; rows as JSON objects by column name, up to the limits.
pub fn run_statement(
    session: &mut Session,
    text: &str,
    types: &[String],
    arguments: &Map<String, JsonValue>,
    names: &[String],
    limits: StatementLimits,
) -> Result<ToolResult> {
    let text = check_statement(session, text, limits.writes)?;
    session.set("statement_timeout", &limits.timeout.as_millis().max(1).to_string())?;
    let mut params = Vec::with_capacity(types.len());
    for (name, ty) in names.iter().zip(types) {
        params.push(bind_argument(session, ty, arguments.get(name).unwrap_or(&JsonValue::Null))?);
    }
    in_transaction(session, !limits.writes, |session| {
        let prepared = session.prepare(&text, &param_types(types)?)?;
        match session.execute(&prepared, params)? {
            Execution::Rows(cursor) => collect_rows(session, cursor, limits),
            Execution::Command(tag) => Ok((json!({"done": tag}), false)),
            Execution::Empty => Ok((json!({"done": ""}), false)),
            Execution::CopyIn(_) | Execution::CopyOut(..) => Err(QueryError::unsupported("COPY in a tool")),
        }
    })
}

/// Runs `work` between BEGIN and COMMIT; adds the LSN of the snapshot it read.
pub fn in_transaction(
    session: &mut Session,
    read_only: bool,
    work: impl FnOnce(&mut Session) -> Result<(JsonValue, bool)>,
) -> Result<ToolResult> {
    let access = if read_only { "READ ONLY" } else { "READ WRITE" };
    session.query(&format!("BEGIN TRANSACTION ISOLATION LEVEL REPEATABLE READ, {access}"), &[])?;
    let outcome = work(session).map(|done| (done, snapshot_lsn(session)));
    match outcome {
        Ok(((content, truncated), snapshot_lsn)) => {
            session.query("COMMIT", &[])?;
            Ok(ToolResult { content, truncated, snapshot_lsn })
        }
        Err(error) => {
            session.query("ROLLBACK", &[])?;
            Err(error)
        }
    }
}

/// Of the block's one snapshot.
fn snapshot_lsn(session: &Session) -> Option<i64> {
    session.current_transaction().and_then(|transaction| i64::try_from(transaction.snapshot_lsn().0).ok())
}

fn collect_rows(
    session: &mut Session,
    mut cursor: sinew::RowCursor,
    limits: StatementLimits,
) -> Result<(JsonValue, bool)> {
    let mut rows: Vec<JsonValue> = Vec::new();
    let (mut bytes, mut truncated) = (0usize, false);
    let names: Vec<String> = cursor.columns.iter().map(|column| column.name.to_string()).collect();
    let outcome = loop {
        let batch = match cursor.next_batch() {
            Ok(Some(batch)) => batch,
            Ok(None) => break Ok(()),
            Err(error) => break Err(error),
        };
        if let Err(error) = append_batch(&cursor, &batch, &names, limits, &mut rows, &mut bytes, &mut truncated) {
            break Err(error);
        }
        if truncated {
            break Ok(());
        }
    };
    if let Err(error) = outcome {
        session.fail(cursor);
        return Err(error);
    }
    // A writing statement must run to its end, whatever is kept of its rows.
    if truncated && limits.writes {
        while cursor.next_batch()?.is_some() {}
    }
    let count = rows.len();
    session.finish(cursor, count as u64)?;
    let mut content = json!({"rows": rows});
    if truncated {
        content["note"] = format!("only the first {count} rows are shown").into();
    }
    Ok((content, truncated))
}

fn append_batch(
    cursor: &sinew::RowCursor,
    batch: &sinew::Batch,
    names: &[String],
    limits: StatementLimits,
    rows: &mut Vec<JsonValue>,
    bytes: &mut usize,
    truncated: &mut bool,
) -> Result<()> {
    let context = EvalContext::new(cursor.context());
    for row in 0..batch.row_count {
        let mut object = Map::new();
        for (name, column) in names.iter().zip(&batch.columns) {
            let json = types::to_json(&context, &column.value(row))?;
            object.insert(name.clone(), crate::json::from_jsonb(&json));
        }
        let object = JsonValue::Object(object);
        let size = object.to_string().len();
        if rows.len() >= limits.max_rows || *bytes + size > limits.max_bytes {
            *truncated = true;
            return Ok(());
        }
        *bytes += size;
        rows.push(object);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn leading_words() {
        let check = |text: &str, word: &str| assert_eq!(leading_word(text), word, "{text}");
        check("select 1", "SELECT");
        check("  -- a comment; DROP\n /* two */ (( values (1) ))", "VALUES");
        check("// cypher comment\nMATCH (n) RETURN n", "MATCH");
        check("COMMIT", "COMMIT");
        check("", "");
        check("/* open", "");
    }
}
