//! Scripts of interleaved sessions, in the spirit of PostgreSQL's isolation tester (`src/test/isolation/README`).
//!
//! ```text
//! # A comment.
//! setup: CREATE TABLE t (id int PRIMARY KEY, v int)
//! setup: INSERT INTO t VALUES (1, 10)
//!
//! == the second writer waits [read committed, repeatable read]
//! a: BEGIN
//! a: UPDATE t SET v = 11 WHERE id = 1
//!    UPDATE 1
//! b: UPDATE t SET v = 12 WHERE id = 1
//!    … waits
//! a: COMMIT
//! b: … continues
//!    UPDATE 1
//! ```
//!
//! A line `== title [levels]` begins a case: a fresh in-memory database, in which the `setup:` lines above the first
//! case have run, then those of the case itself. It runs once for each isolation level in brackets (READ COMMITTED when
//! there are none), which is its sessions' `default_transaction_isolation`. A line `name: statement` is a step: session
//! `name` runs it, on a thread of its own.
//!
//! Below a step stands, indented by three spaces, what it gave: one line per row, cells separated by ` | `, `NULL` for
//! null, `void` for functions that give nothing; without rows the command tag, unless the statement itself begins with it (`BEGIN`, `CREATE TABLE`);
//! `ERROR sqlstate: message`. A step that does not end because it waits for another session says `… waits`. What ends
//! after that because of a later step stands below that step, after `name: … continues`, in order of names. A line
//! `or` separates outcomes of which each will do; `ERROR sqlstate` without a message stands for any message.
//!
//! The runner's patience follows what is expected: a state that fits one of the outcomes is taken once it stands still
//! and its running sessions are known to wait (`pg_locks`, else after a longer pause), anything else only after seconds.
//! So a slow machine makes a run slower, not wrong.
//!
//! `REWRITE=1` writes what came out into the file instead of failing: read the difference before keeping it.

mod run;
mod script;

use std::fmt::Write as _;
use std::path::Path;

use script::{Case, Script};

/// Runs one file; gives a report of what differed (empty when nothing did, or when it was rewritten).
pub fn run_file(path: &Path) -> Result<String, String> {
    let Checked { report, rewritten } = check_file(path)?;
    if !report.is_empty() && std::env::var_os("REWRITE").is_some() {
        std::fs::write(path, rewritten).map_err(|error| error.to_string())?;
        return Ok(String::new());
    }
    Ok(report)
}

/// What a file gave.
pub struct Checked {
    /// Empty when everything came out as expected.
    pub report: String,
    /// The file with what came out.
    pub rewritten: String,
}

/// Runs one file and leaves it as it is. Errors when it cannot be read, or a case's setup fails.
pub fn check_file(path: &Path) -> Result<Checked, String> {
    let text = std::fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))?;
    let script = script::parse(&text).map_err(|error| format!("{}:{error}", path.display()))?;
    let mut checked = Checked { report: String::new(), rewritten: script::render_items(&script.head, &[]) };
    for case in &script.cases {
        let runs = run_levels(&script, case).map_err(|error| format!("{}:{}: {error}", path.display(), case.line))?;
        for (level, blocks) in &runs {
            describe(&mut checked.report, path, case, level, blocks);
        }
        render(&mut checked.rewritten, case, &runs);
    }
    Ok(checked)
}

/// What each step gave, by level.
type Runs<'a> = Vec<(&'a str, Vec<Vec<String>>)>;

fn run_levels<'a>(script: &Script, case: &'a Case) -> Result<Runs<'a>, String> {
    case.levels.iter().map(|level| Ok((level.as_str(), run::run_case(script, case, level)?))).collect()
}

fn describe(report: &mut String, path: &Path, case: &Case, level: &str, blocks: &[Vec<String>]) {
    for (step, actual) in case.steps().zip(blocks) {
        if !step.allows(actual) {
            let expected: Vec<String> = step.expected.iter().map(|outcome| outcome.join("\n")).collect();
            let _ = write!(
                report,
                "{}:{} ({}, {level})\n{}: {}\nexpected:\n{}\nactual:\n{}\n\n",
                path.display(),
                step.line,
                case.title,
                step.session,
                step.statement,
                expected.join("\nor\n"),
                actual.join("\n")
            );
        }
    }
}

/// The case as it came out; levels that came out differently become cases of their own.
fn render(out: &mut String, case: &Case, runs: &Runs<'_>) {
    let Some((_, first)) = runs.first() else { return };
    if runs.iter().all(|(_, blocks)| blocks == first || case.allows(blocks)) {
        let shown = runs.iter().find(|(_, blocks)| !case.allows(blocks)).map_or(first, |(_, blocks)| blocks);
        case.render_header(out, &case.levels);
        out.push_str(&script::render_items(&case.items, shown));
        return;
    }
    for (level, blocks) in runs {
        case.render_header(out, &[(*level).to_owned()]);
        out.push_str(&script::render_items(&case.items, blocks));
    }
}
