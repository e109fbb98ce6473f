//! Golden scripts: statements, a line `---`, the expected output; a blank line ends a case.
//!
//! Each file runs in one session of a fresh in-memory database. Output is one line per row, cells separated by a tab,
//! `NULL` for null; a statement without rows gives its command tag; an error gives `ERROR sqlstate: message`. When a
//! case has several statements, the last one's output is compared, and earlier ones must succeed. `REWRITE=1` writes
//! what came out into the file instead of failing: read the difference before keeping it.
//!
//! In a file that begins with `# errors: whole`, errors also show their place, detail and hint, and notices come first.
//!
//! Lines before a case that begin with `#` are comments. Two of them speak to the program that runs the SQL scripts on
//! PostgreSQL too (see [`crate::compare`]): `# differs: REASON` and `# sinew only: REASON`.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use sinew::{Database, QueryError, Session};

/// Statements and expected output, with the line the case begins at.
pub(crate) struct Case {
    pub line: usize,
    /// Comment lines before the statements, kept when rewriting.
    pub lead: String,
    pub statements: String,
    expected: String,
}

/// The scripts below `folder` that are of one session, by name.
pub fn files(folder: &Path) -> Vec<PathBuf> {
    let mut out = Vec::new();
    collect(folder, &mut out);
    out.sort();
    out
}

fn collect(folder: &Path, out: &mut Vec<PathBuf>) {
    let Ok(entries) = std::fs::read_dir(folder) else { return };
    for entry in entries.flatten() {
        let path = entry.path();
        if path.is_dir() {
            if !path.ends_with("isolation") {
                collect(&path, out);
            }
        } else if path.extension().is_some_and(|extension| extension == "test") {
            out.push(path);
        }
    }
}

/// Runs one file; gives a report of what differed (empty when nothing did).
pub fn run_file(path: &Path) -> Result<String, String> {
    let text = std::fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))?;
    let database = Database::in_memory().map_err(|error| format!("open: {error}"))?;
    let mut session = database.session();
    let mut report = String::new();
    let mut rewritten = String::new();
    let mut differs = false;
    let is_whole = text.starts_with("# errors: whole\n");
    let notices: Arc<Mutex<Vec<String>>> = Arc::default();
    if is_whole {
        let sink = Arc::clone(&notices);
        session.set_notice_sink(Arc::new(move |notice| {
            sink.lock().unwrap_or_else(PoisonError::into_inner).push(notice.message);
        }));
    }
    for case in cases(&text) {
        let mut actual = output_of(&mut session, &case.statements, is_whole);
        let said = std::mem::take(&mut *notices.lock().unwrap_or_else(PoisonError::into_inner));
        for notice in said.iter().rev() {
            actual = format!("NOTICE: {notice}\n{actual}").trim_end().to_owned();
        }
        if actual != case.expected {
            differs = true;
            let _ = write!(
                report,
                "{}:{}\n{}\nexpected:\n{}\nactual:\n{}\n\n",
                path.display(),
                case.line,
                case.statements,
                case.expected,
                actual
            );
        }
        let _ = write!(rewritten, "{}{}\n---\n{}\n\n", case.lead, case.statements, actual);
    }
    if differs && std::env::var_os("REWRITE").is_some() {
        std::fs::write(path, rewritten.trim_end().to_owned() + "\n").map_err(|error| error.to_string())?;
        return Ok(String::new());
    }
    Ok(report)
}

pub(crate) fn cases(text: &str) -> Vec<Case> {
    let mut out = Vec::new();
    let mut lines = text.lines().enumerate().peekable();
    loop {
        let mut lead = String::new();
        while let Some((_, line)) = lines.peek() {
            if line.trim().is_empty() || line.starts_with('#') {
                if line.starts_with('#') {
                    lead.push_str(line);
                    lead.push('\n');
                }
                lines.next();
            } else {
                break;
            }
        }
        let Some((start, _)) = lines.peek().copied() else { return out };
        let mut statements = Vec::new();
        let mut expected = Vec::new();
        let mut in_output = false;
        for (_, line) in lines.by_ref() {
            if !in_output && line == "---" {
                in_output = true;
            } else if in_output && line.is_empty() {
                break;
            } else if in_output {
                expected.push(line);
            } else {
                statements.push(line);
            }
        }
        out.push(Case { line: start + 1, lead, statements: statements.join("\n"), expected: expected.join("\n") });
    }
}

/// What the last of the statements gives.
pub fn output(session: &mut Session, statements: &str) -> String {
    output_of(session, statements, false)
}

/// With all parts of an error, when it is to be whole.
fn output_of(session: &mut Session, statements: &str, is_whole: bool) -> String {
    let parts = session.split(statements);
    let mut last = String::new();
    for part in parts {
        // An earlier statement that fails is the answer.
        if last.starts_with("ERROR ") {
            return last;
        }
        last = match session.query_text(&part.text, &[]) {
            Ok(rows) => {
                let lines: Vec<String> = rows
                    .iter()
                    .map(|row| {
                        let cells: Vec<&str> = row.iter().map(|cell| cell.as_deref().unwrap_or("NULL")).collect();
                        cells.join("\t")
                    })
                    .collect();
                lines.join("\n")
            }
            Err(error) if is_whole => whole_error(&error, &part.text),
            Err(error) => format!("ERROR {}: {}", error.sqlstate(), error),
        };
    }
    last
}

/// As psql shows it.
fn whole_error(error: &QueryError, statement: &str) -> String {
    let mut text = format!("ERROR {}: {}", error.sqlstate(), error);
    if let Some(position) = error.0.position {
        let before: String = statement.chars().take(position.saturating_sub(1)).collect();
        let line = before.matches('\n').count();
        let column = before.rsplit('\n').next().unwrap_or_default().chars().count();
        let prefix = format!("LINE {}: ", line + 1);
        let _ = write!(text, "\n{prefix}{}", statement.lines().nth(line).unwrap_or_default());
        let _ = write!(text, "\n{}^", " ".repeat(prefix.len() + column));
    }
    for (name, part) in [("DETAIL", &error.0.detail), ("HINT", &error.0.hint)] {
        if let Some(part) = part {
            let _ = write!(text, "\n{name}: {part}");
        }
    }
    text
}
