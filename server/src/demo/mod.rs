//! The demo: conversations, a knowledge graph and agents of a small cooperative on a rocky coast.
//!
//! Loaded once, in one transaction: a process killed in the middle leaves nothing, and the next start loads it anew.
//! That `sinew.conversations` is empty is the mark that it was not loaded.

mod core;
mod generate;
mod graph;

use std::cell::Cell;
use std::io::IsTerminal;
use std::time::Instant;

use indicatif::{ProgressBar, ProgressStyle};
use sinew::{Database, QueryError, Result, Session, Value};

use self::generate::{ConversationRow, DAY_SECONDS, MessageRow};
use crate::context::now_us;

const ROWS_PER_INSERT: usize = 200;
const ROWS_PER_UNWIND: usize = 100;

/// What to type into psql first.
pub const LINES_TO_TRY: &[&str] = &[
    r"\dt",
    "SELECT created_at, name, content FROM messages WHERE conversation_id = 'storm-night' ORDER BY seq DESC LIMIT 5;",
    "SELECT conversation_id, name, content, score FROM search_messages('why did the buoy break loose', k => 5);",
    "MATCH (a:Person {name: 'Maren Oduya'})-[:KNOWS]->()-[:KNOWS]->(b) RETURN DISTINCT b.name, b.role LIMIT 10;",
    "CALL db.index.fulltext.queryNodes('document_text', 'mooring corrosion') YIELD node, score RETURN node.title, score LIMIT 5;",
    "SELECT g.friend, m.conversation_id, m.content FROM cypher('MATCH (:Person {name: ''Maren Oduya''})-[:KNOWS]->(f) RETURN f.name AS friend') g JOIN messages m ON m.name = g.friend ORDER BY m.created_at DESC LIMIT 5;",
    "CALL execute_agent('assistant', 'Why did buoy 3 break loose, and what was decided?');",
    "SELECT step, node, kind, status, output_ref FROM agent_steps ORDER BY started_at DESC LIMIT 10;",
];

const INDEXES: &[&str] = &[
    "CREATE INDEX person_name FOR (n:Person) ON (n.name)",
    "CREATE INDEX project_name FOR (n:Project) ON (n.name)",
    "CREATE INDEX place_name FOR (n:Place) ON (n.name)",
    "CREATE INDEX topic_name FOR (n:Topic) ON (n.name)",
    "CREATE INDEX document_key FOR (n:Document) ON (n.key)",
    "CREATE FULLTEXT INDEX document_text FOR (n:Document) ON EACH [n.title, n.body]",
];

const AGENTS: &[&str] = &[
    "CREATE TOOL projects_of(person text 'full name of a person') LANGUAGE cypher \
     AS $$ MATCH (:Person {name: $1})-[:WORKS_ON]->(p:Project) RETURN p.name AS project, p.about AS about $$ \
     WITH (effect = 'pure', max_rows = 50, timeout = '2s', description = 'projects that a person works on')",
    "CREATE AGENT assistant TYPE react MODEL builtin \
     TOOLS (search_memory, search_graph, run_sql, run_cypher) \
     PROMPT $$ You help the people of Skerry Station. Answer from their messages and the knowledge graph, and cite what \
     you used. $$ WITH (max_iterations = 6, timeout = '60s')",
    "CREATE AGENT librarian TYPE react MODEL builtin TOOLS (search_graph, run_cypher, projects_of) \
     PROMPT $$ You know the documents, projects, places and people of Skerry Station. Name the documents you rely on. $$ \
     WITH (max_iterations = 4, timeout = '30s')",
];

/// Loads the demo unless the database has conversations already. Agents are created when `with_agents`. `progress` is
/// called with 0.0..=1.0.
pub fn load_once(database: &Database, with_agents: bool, progress: &dyn Fn(f64)) -> Result<()> {
    let mut session = database.session();
    let existing = session.query("SELECT count(*) FROM sinew.conversations", &[])?;
    if existing.rows.first().and_then(|row| row.first()) != Some(&Value::Int(0)) {
        return Ok(());
    }
    let started = Instant::now();
    session.query("BEGIN", &[])?;
    match load(&mut session, with_agents, progress) {
        Ok(summary) => {
            session.query("COMMIT", &[])?;
            tracing::info!("demo loaded in {:.1} s: {summary}", started.elapsed().as_secs_f64());
            Ok(())
        }
        Err(error) => {
            // The error that matters is the first; a rollback that fails leaves nothing either.
            let _ = session.query("ROLLBACK", &[]);
            Err(error)
        }
    }
}

/// An error of the loader with what it says about its cause.
pub fn describe(error: &QueryError) -> String {
    let mut text = error.to_string();
    for more in [&error.0.detail, &error.0.hint].into_iter().flatten() {
        text.push_str("; ");
        text.push_str(more);
    }
    text
}

fn load(session: &mut Session, with_agents: bool, progress: &dyn Fn(f64)) -> Result<String> {
    let (conversations, messages) = history();
    let loads = graph::loads();
    let graph_rows: usize = loads.iter().map(|load| load.rows.len()).sum();
    let progress = Progress::new((conversations.len() + messages.len() + graph_rows) as u64, progress);

    progress.stage("indexes", INDEXES.len());
    for statement in INDEXES {
        run(session, statement)?;
    }
    progress.stage("conversations", conversations.len());
    let now_us = now_us();
    for rows in conversations.chunks(ROWS_PER_INSERT) {
        let values: Vec<String> = rows.iter().map(|row| conversation_values(row, now_us)).collect();
        run(
            session,
            &format!(
                "INSERT INTO sinew.conversations (conversation_id, user_id, title, created_at) VALUES {}",
                values.join(", ")
            ),
        )?;
        progress.advance(rows.len());
    }
    progress.stage("messages", messages.len());
    for rows in messages.chunks(ROWS_PER_INSERT) {
        let values: Vec<String> = rows.iter().map(|row| message_values(row, now_us)).collect();
        run(
            session,
            &format!(
                "INSERT INTO sinew.messages (conversation_id, role, name, content, created_at) VALUES {}",
                values.join(", ")
            ),
        )?;
        progress.advance(rows.len());
    }
    for load in &loads {
        progress.stage(load.what, load.rows.len());
        for rows in load.rows.chunks(ROWS_PER_UNWIND) {
            run(session, &format!("UNWIND [{}] AS row {}", rows.join(", "), load.statement))?;
            progress.advance(rows.len());
        }
    }
    if with_agents {
        progress.stage("agents", AGENTS.len());
        for statement in AGENTS {
            run(session, statement)?;
        }
    }
    progress.finish();
    let nodes: usize =
        loads.iter().filter(|load| load.statement.starts_with("CREATE")).map(|load| load.rows.len()).sum();
    Ok(format!(
        "{} conversations, {} messages, {nodes} nodes, {} relationships",
        conversations.len(),
        messages.len(),
        graph_rows - nodes
    ))
}

/// Runs one statement; an error names it.
fn run(session: &mut Session, statement: &str) -> Result<()> {
    session.query(statement, &[]).map(|_| ()).map_err(|mut error| {
        let start: String = statement.chars().take(120).collect();
        error.0.detail = Some(match error.0.detail.take() {
            Some(detail) => format!("{detail}; in: {start}"),
            None => format!("in: {start}"),
        });
        error
    })
}

/// Hand-written and generated conversations, oldest first.
fn history() -> (Vec<ConversationRow>, Vec<MessageRow>) {
    let (mut conversations, mut messages) = generate::conversations();
    let today = now_us() / 1_000_000;
    for conversation in core::CONVERSATIONS {
        let began = conversation.days_ago * DAY_SECONDS;
        conversations.push(ConversationRow {
            id: conversation.id.to_owned(),
            user: conversation.user.to_owned(),
            title: conversation.title.to_owned(),
            seconds_ago: began,
        });
        for (index, (role, name, text)) in conversation.messages.iter().enumerate() {
            // An hour or so between two messages, the same each time.
            let seconds_ago = began - index as i64 * 3_180;
            messages.push(MessageRow {
                conversation_id: conversation.id.to_owned(),
                role,
                name: (*name).to_owned(),
                content: fill_dates(text, today - seconds_ago),
                seconds_ago,
            });
        }
    }
    conversations.sort_by_key(|conversation| -conversation.seconds_ago);
    messages.sort_by_key(|message| -message.seconds_ago);
    (conversations, messages)
}

/// Replaces `{+n}` by the date n days after `at_seconds`.
fn fill_dates(text: &str, at_seconds: i64) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("{+") {
        out.push_str(before);
        let Some((days, behind)) = after.split_once('}') else {
            out.push_str("{+");
            rest = after;
            continue;
        };
        let days: i64 = days.parse().unwrap_or_default();
        let (_, month, day) = civil_date((at_seconds + days * DAY_SECONDS).div_euclid(DAY_SECONDS));
        out.push_str(&format!("{day} {}", MONTHS[month as usize - 1]));
        rest = behind;
    }
    out.push_str(rest);
    out
}

const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];

/// Year, month and day of a count of days since 1970-01-01 (Howard Hinnant, "chrono-compatible low-level date algorithms").
fn civil_date(days: i64) -> (i64, i64, i64) {
    let shifted = days + 719_468;
    let era = shifted.div_euclid(146_097);
    let day_of_era = shifted.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    (year_of_era + era * 400 + i64::from(month <= 2), month, day)
}

fn timestamp(now_us: i64, seconds_ago: i64) -> String {
    let seconds = now_us / 1_000_000 - seconds_ago;
    let (year, month, day) = civil_date(seconds.div_euclid(DAY_SECONDS));
    let of_day = seconds.rem_euclid(DAY_SECONDS);
    let (hour, minute, second) = (of_day / 3600, of_day / 60 % 60, of_day % 60);
    format!("'{year:04}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02}+00'")
}

fn conversation_values(row: &ConversationRow, now_us: i64) -> String {
    let created = timestamp(now_us, row.seconds_ago);
    format!("({}, {}, {}, {created})", quote(&row.id), quote(&row.user), quote(&row.title))
}

fn message_values(row: &MessageRow, now_us: i64) -> String {
    let created = timestamp(now_us, row.seconds_ago);
    format!(
        "({}, {}, {}, {}, {created})",
        quote(&row.conversation_id),
        quote(row.role),
        quote(&row.name),
        quote(&row.content)
    )
}

/// A string in SQL's quotes.
fn quote(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

/// A bar on a terminal, a line per stage elsewhere.
struct Progress<'c> {
    bar: Option<ProgressBar>,
    row_count: u64,
    done_rows: Cell<u64>,
    report: &'c dyn Fn(f64),
}

impl<'c> Progress<'c> {
    fn new(row_count: u64, report: &'c dyn Fn(f64)) -> Progress<'c> {
        let bar = std::io::stderr().is_terminal().then(|| {
            let bar = ProgressBar::new(row_count);
            if let Ok(style) = ProgressStyle::with_template("loading the demo {bar:40} {percent:>3} %  {msg}") {
                bar.set_style(style);
            }
            bar
        });
        Progress { bar, row_count, done_rows: Cell::new(0), report }
    }

    fn stage(&self, what: &'static str, row_count: usize) {
        match &self.bar {
            Some(bar) => bar.set_message(what),
            None => tracing::info!("loading the demo: {what} ({row_count})"),
        }
    }

    fn advance(&self, row_count: usize) {
        self.done_rows.set(self.done_rows.get() + row_count as u64);
        (self.report)(self.done_rows.get() as f64 / self.row_count.max(1) as f64);
        if let Some(bar) = &self.bar {
            bar.inc(row_count as u64);
        }
    }

    fn finish(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates() {
        assert_eq!(civil_date(0), (1970, 1, 1));
        assert_eq!(civil_date(11_016), (2000, 2, 29));
        assert_eq!(civil_date(20_454), (2026, 1, 1));
        assert_eq!(civil_date(-1), (1969, 12, 31));
        assert_eq!(timestamp(86_400_000_000, 1), "'1970-01-01 23:59:59+00'");
        assert_eq!(fill_dates("by {+5}, or {+31}.", 0), "by 6 January, or 1 February.");
    }

    #[test]
    fn the_history_is_in_order_and_has_its_core() {
        let (conversations, messages) = history();
        assert_eq!(conversations.len(), generate::CONVERSATION_COUNT + core::CONVERSATIONS.len());
        assert!(messages.windows(2).all(|pair| pair[0].seconds_ago >= pair[1].seconds_ago));
        assert!(messages.iter().all(|message| !message.content.contains('{') && message.seconds_ago > 0));
        let core_count: usize = core::CONVERSATIONS.iter().map(|conversation| conversation.messages.len()).sum();
        assert!((55..80).contains(&core_count), "{core_count}");
        let storm: Vec<&MessageRow> = messages.iter().filter(|m| m.conversation_id == "storm-night").collect();
        assert!(storm.first().is_some_and(|m| m.content.starts_with("Storm alarm")));
        assert!(storm.last().is_some_and(|m| m.role == "assistant"));
    }

    #[test]
    fn literals_are_quoted() {
        assert_eq!(quote("it's"), "'it''s'");
    }
}
