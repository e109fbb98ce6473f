//! What fuzzers run: one function per target, shared by the crate `fuzz/` (libFuzzer) and the suite, which replays the
//! kept corpus and mutates it by itself ([`mutate`]).
//!
//! A target panics at a fault: a panic inside, an internal error (XX000), a statement that runs on long after its time is
//! up. Every other error is an answer.

pub mod corpus;
pub mod mutate;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};

use sinew::{Database, Session, TransactionStatus};
use sinew_storage::CancelToken;

/// What one statement may take.
const STATEMENT_TIMEOUT: Duration = Duration::from_millis(500);
/// How much later than that it has to have ended: unoptimized builds on busy machines are slow.
const GRACE: Duration = Duration::from_secs(10);
/// Longer inputs find nothing that shorter ones do not.
const MAX_INPUT_BYTES: usize = 16 << 10;
/// Inputs that one database sees.
const INPUTS_PER_DATABASE: u32 = 500;
const INTERNAL_ERROR: &str = "XX000";

/// A small graph with every kind of property, an index, a constraint, and a table beside it.
const SETUP: &str = "
    CREATE TABLE items (id int PRIMARY KEY, name text, price numeric, tags text[], data jsonb);
    INSERT INTO items VALUES (1, 'a', 1.5, ARRAY['x'], '{\"k\": [1, null]}'), (2, NULL, NULL, NULL, NULL);
    UNWIND range(0, 7) AS i CREATE (:N {i: i, s: 's' + i, f: i + 0.5, l: [i, i + 1], d: date('2024-01-0' + (i + 1))});
    MATCH (a:N), (b:N) WHERE b.i = a.i + 1 CREATE (a)-[:R {w: a.i}]->(b);
    MATCH (a:N {i: 3}), (b:N {i: 0}) CREATE (a)-[:S]->(b), (a)-[:S]->(b), (b)-[:R]->(b), (:M:N {m: 1}), (:M {m: 'x'});
    CREATE INDEX n_i FOR (n:N) ON (n.i);
    CREATE CONSTRAINT m_m FOR (n:M) REQUIRE n.m IS UNIQUE";

/// A language to fuzz.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Language {
    Cypher,
    Sql,
}

/// Cypher's lexer: tokens lie in order, inside the text and between characters.
pub fn cypher_lexer(text: &str) {
    let mut end = 0;
    for span in sinew_query::cypher::token_spans(text) {
        assert!(end <= span.start && span.start <= span.end, "tokens overlap at {span:?}");
        assert!(text.get(span.clone()).is_some(), "a token ends inside a character or behind the text: {span:?}");
        end = span.end;
    }
}

/// Cypher's parser: a tree or an error that is the statement's fault.
pub fn cypher_parser(text: &str) {
    if let Err(error) = on_large_stack(|| sinew_query::cypher::parse(text, &CancelToken::default())) {
        assert_ne!(error.sqlstate(), INTERNAL_ERROR, "{error}");
        let position = error.0.position.unwrap_or(1);
        assert!((1..=text.chars().count() + 1).contains(&position), "position {position} is not in the text");
    }
}

/// Unoptimized frames are several times larger than those of a release build.
fn on_large_stack<T: Send>(run: impl FnOnce() -> T + Send) -> T {
    std::thread::scope(|scope| {
        let thread = std::thread::Builder::new().stack_size(64 << 20).spawn_scoped(scope, run);
        match thread.expect("a thread starts").join() {
            Ok(value) => value,
            Err(panic) => std::panic::resume_unwind(panic),
        }
    })
}

/// Everything from the text to the rows, each input in a transaction that is rolled back.
pub struct Pipeline {
    language: Language,
    database: Database,
    session: Session,
    input_count: u32,
}

/// Statements of SQL that reach outside the database, or take long by their nature.
const REFUSED_WORDS: [&str; 7] = ["copy", "backup", "restore", "pg_sleep", "pg_read", "lo_", "check"];

impl Pipeline {
    pub fn new(language: Language) -> Pipeline {
        let (database, session) = open();
        Pipeline { language, database, session, input_count: 0 }
    }

    /// Runs an input. Panics at a fault.
    pub fn run(&mut self, text: &str) {
        if let Some(fault) = self.fault(text) {
            panic!("{fault}\n{text}");
        }
    }

    /// Runs an input; what went wrong that must not.
    pub fn fault(&mut self, text: &str) -> Option<String> {
        if text.len() > MAX_INPUT_BYTES || !self.takes(text) {
            return None;
        }
        self.input_count += 1;
        if self.input_count >= INPUTS_PER_DATABASE {
            self.reopen();
        }
        if let Err(error) = self.session.query("BEGIN", &[]) {
            return Some(format!("no transaction begins: {error}"));
        }
        let mut fault = None;
        for part in self.session.split(text) {
            let began = Instant::now();
            let outcome = catch_unwind(AssertUnwindSafe(|| self.session.query_text(&part.text, &[]).map(drop)));
            let elapsed = began.elapsed();
            match outcome {
                Err(panic) => fault = Some(format!("panic: {}", message_of(&*panic))),
                Ok(Err(error)) if error.sqlstate() == INTERNAL_ERROR => fault = Some(format!("{error}")),
                Ok(_) if elapsed > STATEMENT_TIMEOUT + GRACE => {
                    fault = Some(format!("it ran for {} ms", elapsed.as_millis()));
                }
                Ok(_) => {}
            }
            if fault.is_some() {
                break;
            }
        }
        let in_block = self.session.transaction_status() != TransactionStatus::Idle;
        let ended = catch_unwind(AssertUnwindSafe(|| self.session.query("ROLLBACK", &[]).map(drop)));
        match ended {
            // The input may have ended its transaction itself: what it wrote stays.
            Ok(Ok(())) if in_block && fault.is_none() => {}
            Ok(Err(error)) if in_block && fault.is_none() => fault = Some(format!("no rollback: {error}")),
            _ => self.reopen(),
        }
        fault
    }

    fn takes(&self, text: &str) -> bool {
        let lower = text.to_lowercase();
        self.language == Language::Cypher || !REFUSED_WORDS.iter().any(|word| lower.contains(word))
    }

    fn reopen(&mut self) {
        (self.database, self.session) = open();
        self.input_count = 0;
    }
}

fn open() -> (Database, Session) {
    let database = Database::in_memory().expect("a database in memory opens");
    let mut session = database.session();
    for part in session.split(SETUP) {
        session.query(&part.text, &[]).unwrap_or_else(|error| panic!("{}: {error}", part.text));
    }
    session.set("statement_timeout", &STATEMENT_TIMEOUT.as_millis().to_string()).expect("a known setting");
    session.set("work_mem", "1MB").expect("a known setting");
    session.set("temp_file_limit", "64MB").expect("a known setting");
    (database, session)
}

fn message_of(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("without a message").to_owned()
}
