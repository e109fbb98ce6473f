//! One case: a database, a thread for each session, and a runner that waits until nothing moves any more.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use sinew::{CancelToken, DataType, Database, Session, Value};

use super::script::{Case, Item, Script, Step, WAITS, continues, indented};

/// How often results are looked for.
const POLL: Duration = Duration::from_millis(5);
/// How long a state that fits must stand still, when all that run are known to wait for a lock.
const CONFIRMED_PAUSE: Duration = Duration::from_millis(150);
/// The same, when it is not known what they wait for.
const UNCONFIRMED_PAUSE: Duration = Duration::from_millis(600);
/// How long a state that does not fit may turn into one that does.
const MISMATCH_PAUSE: Duration = Duration::from_secs(5);
/// The same, after a step of the case has failed already.
const FAILED_PAUSE: Duration = Duration::from_secs(1);
/// How long sessions may take to end after the case.
const END_LIMIT: Duration = Duration::from_secs(10);

/// A session on its thread.
struct Participant {
    statements: Sender<String>,
    cancel: CancelToken,
    process_id: i32,
    is_running: bool,
    thread: JoinHandle<()>,
}

/// Output lines of a statement that has ended, with its session's name.
type Ended = (String, Vec<String>);

struct Runner<'a> {
    database: &'a Database,
    level: &'a str,
    /// By name, which is the order in which late output is shown.
    participants: BTreeMap<String, Participant>,
    ended: Receiver<Ended>,
    ended_sender: Sender<Ended>,
    /// Reads `pg_locks`; None once it turned out that there is no such relation.
    monitor: Option<Session>,
    has_failed: bool,
}

/// Runs the case at one isolation level. Gives the lines below each step. Errors when the database or the setup fails, or
/// a session does not end.
pub(super) fn run_case(script: &Script, case: &Case, level: &str) -> Result<Vec<Vec<String>>, String> {
    let database = Database::in_memory().map_err(|error| format!("open: {error}"))?;
    let mut setup = database.session();
    for item in script.head.iter().chain(&case.items) {
        if let Item::Setup(statement) = item {
            setup.query(statement, &[]).map_err(|error| format!("setup: {statement}: {error}"))?;
        }
    }
    drop(setup);
    let (ended_sender, ended) = channel();
    let mut runner = Runner {
        database: &database,
        level,
        participants: BTreeMap::new(),
        ended,
        ended_sender,
        monitor: Some(database.session()),
        has_failed: false,
    };
    let mut blocks = Vec::new();
    let outcome: Result<(), String> = case.steps().try_for_each(|step| {
        blocks.push(runner.step(step)?);
        Ok(())
    });
    let end = runner.end();
    outcome.and(end).map(|()| blocks)
}

impl Runner<'_> {
    fn step(&mut self, step: &Step) -> Result<Vec<String>, String> {
        if !self.participants.contains_key(&step.session) {
            let participant = self.start(&step.session)?;
            self.participants.insert(step.session.clone(), participant);
        }
        let participant = self.participants.get_mut(&step.session).expect("the session was started above");
        if participant.is_running {
            self.has_failed = true;
            return Ok(vec![indented("cannot run: the session still waits")]);
        }
        if participant.statements.send(step.statement.clone()).is_err() {
            self.has_failed = true;
            return Ok(vec![indented("cannot run: the session ended with a panic")]);
        }
        participant.is_running = true;
        let block = self.settle(step);
        self.has_failed |= !step.allows(&block);
        Ok(block)
    }

    fn start(&self, name: &str) -> Result<Participant, String> {
        let mut session = self.database.session();
        session.set("default_transaction_isolation", self.level).map_err(|error| error.to_string())?;
        let cancel = session.cancel_token();
        let process_id = session.context().process_id;
        let (statements, inbox) = channel::<String>();
        let ended = self.ended_sender.clone();
        let name = name.to_owned();
        let thread = std::thread::spawn(move || {
            for statement in inbox {
                let result = catch_unwind(AssertUnwindSafe(|| run_statement(&mut session, &statement)));
                let panicked = result.is_err();
                let lines = result.unwrap_or_else(|_| vec!["PANIC".to_owned()]);
                if ended.send((name.clone(), lines)).is_err() || panicked {
                    return;
                }
            }
        });
        Ok(Participant { statements, cancel, process_id, is_running: false, thread })
    }

    /// Waits until no session runs, or those that run are held to wait; gives the lines below the step.
    fn settle(&mut self, step: &Step) -> Vec<String> {
        let mut outputs: BTreeMap<String, Vec<String>> = BTreeMap::new();
        let mut still_since = Instant::now();
        loop {
            if self.participants.values().all(|participant| !participant.is_running) {
                return block(&step.session, &outputs);
            }
            match self.ended.recv_timeout(POLL) {
                Ok((name, lines)) => {
                    if let Some(participant) = self.participants.get_mut(&name) {
                        participant.is_running = false;
                    }
                    outputs.insert(name, lines);
                    still_since = Instant::now();
                    continue;
                }
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return block(&step.session, &outputs),
            }
            let lines = block(&step.session, &outputs);
            let still = still_since.elapsed();
            let is_settled = if step.allows(&lines) {
                still >= UNCONFIRMED_PAUSE || still >= CONFIRMED_PAUSE && self.all_wait_for_locks()
            } else {
                still >= if self.has_failed { FAILED_PAUSE } else { MISMATCH_PAUSE }
            };
            if is_settled {
                return lines;
            }
        }
    }

    /// Whether every running session is known to wait for a lock.
    fn all_wait_for_locks(&mut self) -> bool {
        let Some(monitor) = &mut self.monitor else { return false };
        let Ok(waiting) = monitor.query("SELECT pid FROM pg_locks WHERE NOT granted", &[]) else {
            self.monitor = None;
            return false;
        };
        let waits = |process_id: i32| {
            waiting.rows.iter().any(|row| matches!(row.first(), Some(Value::Int(pid)) if *pid == i64::from(process_id)))
        };
        self.participants.values().filter(|participant| participant.is_running).all(|running| waits(running.process_id))
    }

    /// Cancels what still runs and ends the sessions.
    fn end(self) -> Result<(), String> {
        let mut threads = Vec::new();
        for (name, participant) in self.participants {
            if participant.is_running {
                participant.cancel.cancel();
            }
            // Without its channel the thread ends, and its transaction is rolled back.
            drop(participant.statements);
            threads.push((name, participant.thread));
        }
        let deadline = Instant::now() + END_LIMIT;
        for (name, thread) in threads {
            while !thread.is_finished() {
                if Instant::now() >= deadline {
                    return Err(format!("session {name} did not end when it was cancelled"));
                }
                std::thread::sleep(POLL);
            }
            if thread.join().is_err() {
                return Err(format!("session {name} ended with a panic"));
            }
        }
        Ok(())
    }
}

/// The acting session's output first, then what others gave, by name.
fn block(actor: &str, outputs: &BTreeMap<String, Vec<String>>) -> Vec<String> {
    let mut lines = match outputs.get(actor) {
        Some(output) => output.iter().map(|line| indented(line)).collect(),
        None => vec![WAITS.to_owned()],
    };
    for (name, output) in outputs.iter().filter(|(name, _)| *name != actor) {
        lines.push(continues(name));
        lines.extend(output.iter().map(|line| indented(line)));
    }
    lines
}

fn run_statement(session: &mut Session, statement: &str) -> Vec<String> {
    match session.query(statement, &[]) {
        Ok(result) if !result.rows.is_empty() => {
            let types = || result.columns.iter().map(|column| &column.ty);
            let cells =
                |row: &Vec<Value>| row.iter().zip(types()).map(|(value, ty)| cell(value, ty)).collect::<Vec<_>>();
            result.rows.iter().map(|row| cells(row).join(" | ")).collect()
        }
        Ok(result) if statement.to_uppercase().starts_with(&result.tag) => Vec::new(),
        Ok(result) => vec![result.tag],
        Err(error) => vec![format!("ERROR {}: {error}", error.sqlstate())],
    }
}

/// Values of the few types that scripts select, as psql shows them.
fn cell(value: &Value, ty: &DataType) -> String {
    match value {
        _ if *ty == DataType::Void => "void".to_owned(),
        Value::Null => "NULL".to_owned(),
        Value::Bool(true) => "t".to_owned(),
        Value::Bool(false) => "f".to_owned(),
        Value::Int(number) => number.to_string(),
        Value::Float(number) => number.to_string(),
        Value::Text(text) => text.to_string(),
        other => format!("{other:?}"),
    }
}
