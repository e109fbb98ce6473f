//! The golden SQL scripts on PostgreSQL: what it answers otherwise than Sinew.
//!
//! Every statement of a script runs on both, in one session of an empty database each. Compared are the columns' names
//! and types, the rows, the command tag, and of an error the SQLSTATE and the message; its position, detail and hint are
//! not. (That Sinew gives what the script says is the golden suite's matter.)
//!
//! A comment line before a case says what is meant otherwise:
//! - `# differs: REASON`: the answers differ on purpose. That they do not is a fault too.
//! - `# sinew only: REASON`: the case is about something that PostgreSQL does not have, and does not run there.
//! - `# sinew only script: REASON`: the same for the whole file; it stands before its first case.

use std::fmt::Write as _;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use crate::golden::{Case, cases};
use crate::postgres::Postgres;
use crate::protocol::{Address, Answer, Connection};
use crate::server::Server;

const DIFFERS: &str = "# differs:";
const SINEW_ONLY: &str = "# sinew only:";
const SINEW_ONLY_SCRIPT: &str = "# sinew only script:";

/// A server that is silent for longer hangs.
const SILENCE: Duration = Duration::from_secs(60);
/// Of an answer that differs.
const SHOWN_LINES: usize = 30;
const START_LIMIT: Duration = Duration::from_secs(60);
/// Oids from here on are given to what users create, in any order.
const FIRST_USER_OID: u32 = 16384;

/// What the comparison of some scripts found.
#[derive(Debug, Default)]
pub struct Report {
    /// Cases with the same answers.
    pub same: usize,
    /// `file:line: reason` of each case that differs on purpose.
    pub different: Vec<String>,
    /// Cases that ran on Sinew only.
    pub sinew_only: usize,
    /// Unmarked differences, marked ones that are none, and reasons that are not given.
    pub faults: Vec<String>,
}

/// What a script says of a case.
enum Marker<'a> {
    Same,
    Differs(&'a str),
    SinewOnly(&'a str),
}

/// Runs scripts on both engines. `program` is `sinew-under-test`.
pub fn compare(program: &Path, postgres: &mut Postgres, scripts: &[PathBuf]) -> io::Result<Report> {
    let mut report = Report::default();
    for script in scripts {
        let text = std::fs::read_to_string(script)?;
        let name = script.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let cases = cases(&text);
        if let Some(reason) = marked(text.lines().take_while(|line| line.starts_with('#')), SINEW_ONLY_SCRIPT) {
            report.sinew_only += cases.len();
            if reason.is_empty() {
                report.faults.push(format!("{name}: \"{SINEW_ONLY_SCRIPT}\" gives no reason"));
            }
            continue;
        }
        let directory = tempfile::tempdir()?;
        let (server, sinew_address) = start_sinew(program, directory.path())?;
        let postgres_address = postgres.create_database()?;
        let compared = compare_script(&name, &cases, &sinew_address, &postgres_address, &mut report);
        drop(server);
        if let Err(error) = compared {
            report.faults.push(format!("{name}: {error}"));
        }
        postgres.drop_database(&postgres_address)?;
    }
    Ok(report)
}

/// A server of Sinew's on an empty directory, ready for connections.
pub fn start_sinew(program: &Path, directory: &Path) -> io::Result<(Server, Address)> {
    let mut server = Server::spawn(program, &directory.join("data"), &["--log", "error"], Stdio::inherit())?;
    let address = Address {
        host: "127.0.0.1".to_owned(),
        port: server.port,
        user: "sinew".to_owned(),
        database: "sinew".to_owned(),
    };
    let deadline = Instant::now() + START_LIMIT;
    loop {
        match Connection::open(&address, SILENCE) {
            Ok(_) => return Ok((server, address)),
            Err(error) if Instant::now() >= deadline => return Err(error),
            Err(_) => {}
        }
        if let Some(status) = server.ended() {
            return Err(io::Error::other(format!("the server ended with {status}")));
        }
        std::thread::sleep(Duration::from_millis(10));
    }
}

fn compare_script(
    name: &str,
    cases: &[Case],
    sinew_address: &Address,
    postgres_address: &Address,
    report: &mut Report,
) -> io::Result<()> {
    // Statements are cut as the golden suite cuts them.
    let database = sinew::Database::in_memory().map_err(|error| io::Error::other(error.to_string()))?;
    let splitter = database.session();
    let mut sinew = Connection::open(sinew_address, SILENCE)?;
    let mut postgres = Connection::open(postgres_address, SILENCE)?;
    for case in cases {
        let statements: Vec<String> = splitter.split(&case.statements).into_iter().map(|part| part.text).collect();
        let at = format!("{name}:{}", case.line);
        let named = |error: io::Error| io::Error::new(error.kind(), format!("line {}: {error}", case.line));
        let own = run_case(&mut sinew, &statements).map_err(named)?;
        let marker = marker(case);
        if let Marker::SinewOnly(reason) = marker {
            report.sinew_only += 1;
            if reason.is_empty() {
                report.faults.push(format!("{at}: \"{SINEW_ONLY}\" gives no reason"));
            }
            continue;
        }
        let theirs = run_case(&mut postgres, &statements).map_err(named)?;
        let difference = first_difference(&statements, &own, &theirs);
        match (marker, difference) {
            (Marker::Differs(""), _) => report.faults.push(format!("{at}: \"{DIFFERS}\" gives no reason")),
            (Marker::Differs(reason), Some(_)) => report.different.push(format!("{at}: {reason}")),
            (Marker::Differs(reason), None) => {
                report.faults.push(format!("{at}: said to differ, and does not: {reason}"));
            }
            (_, Some(difference)) => report.faults.push(format!("{at}: {difference}")),
            (_, None) => report.same += 1,
        }
    }
    Ok(())
}

/// The answers up to the first error.
fn run_case(connection: &mut Connection, statements: &[String]) -> io::Result<Vec<Answer>> {
    let mut answers = Vec::new();
    for statement in statements {
        let answer = connection.simple(statement)?;
        let failed = answer.error.is_some();
        answers.push(answer);
        if failed {
            break;
        }
    }
    Ok(answers)
}

fn marker(case: &Case) -> Marker<'_> {
    if let Some(reason) = marked(case.lead.lines(), SINEW_ONLY) {
        return Marker::SinewOnly(reason);
    }
    marked(case.lead.lines(), DIFFERS).map_or(Marker::Same, Marker::Differs)
}

/// What follows `prefix` in the first line that begins with it.
fn marked<'a>(lines: impl Iterator<Item = &'a str>, prefix: &str) -> Option<&'a str> {
    lines.filter_map(|line| line.strip_prefix(prefix)).map(str::trim).next()
}

fn first_difference(statements: &[String], own: &[Answer], theirs: &[Answer]) -> Option<String> {
    for ((statement, own), theirs) in statements.iter().zip(own).zip(theirs) {
        if let Some(difference) = difference(own, theirs) {
            return Some(format!("{statement}\n{difference}"));
        }
    }
    // Of equal answers the last is the same error, or there is none.
    None
}

/// What differs in two answers, or nothing.
fn difference(own: &Answer, theirs: &Answer) -> Option<String> {
    let (left, right) = (shown(own), shown(theirs));
    if left == right {
        return None;
    }
    let mut out = String::from("  Sinew:\n");
    indented(&left, &mut out);
    out.push_str("  PostgreSQL:\n");
    indented(&right, &mut out);
    Some(out)
}

/// An answer as text: a line of columns, lines of rows, the tag; or the error.
pub fn shown(answer: &Answer) -> String {
    let mut out = String::new();
    if let Some(error) = &answer.error {
        let _ = write!(out, "ERROR {}: {}", error.sqlstate, error.message);
        return out;
    }
    if !answer.columns.is_empty() {
        let columns = answer.columns.iter().map(|column| {
            // A type's number is the same in both only where PostgreSQL fixes it.
            let oid = if column.type_oid < FIRST_USER_OID { column.type_oid } else { FIRST_USER_OID };
            match column.type_modifier {
                -1 => format!("{} {oid}", column.name),
                modifier => format!("{} {oid}({modifier})", column.name),
            }
        });
        let _ = writeln!(out, "[{}]", columns.collect::<Vec<_>>().join(", "));
    }
    for row in &answer.rows {
        let cells: Vec<&str> = row.iter().map(|cell| cell.as_deref().unwrap_or("NULL")).collect();
        let _ = writeln!(out, "{}", cells.join("\t"));
    }
    out.push_str(&answer.tag);
    out
}

fn indented(text: &str, out: &mut String) {
    for line in text.lines().take(SHOWN_LINES) {
        let _ = writeln!(out, "    {line}");
    }
    if text.lines().count() > SHOWN_LINES {
        out.push_str("    …\n");
    }
}
