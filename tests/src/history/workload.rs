//! Random transactions of several sessions on one table, and what they saw.

use std::ops::ControlFlow;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, Instant};

use sinew::{Database, IsolationSetting as Isolation, QueryError, Session, Value};

use super::{History, Key, Operation, Version};

/// Keys at first, from 0; later ones follow.
const INITIAL_KEYS: Key = 6;
/// Keys that are likely to be chosen: the newest ones.
const RECENT_KEYS: Key = 8;
const MAX_OPERATIONS: u64 = 4;
/// Committed transactions of one session: the search for cycles grows faster than the history.
const MAX_TRANSACTIONS: usize = 300;

/// What to run.
#[derive(Clone, Copy, Debug)]
pub struct Workload {
    pub seed: u64,
    pub session_count: usize,
    pub duration: Duration,
    pub isolation: Isolation,
}

/// What came of it.
pub struct Recorded {
    pub history: History,
    /// Transactions that failed or rolled back.
    pub aborted_count: usize,
}

/// Runs the workload on a fresh in-memory database. Errors when a statement fails for another reason than a conflict
/// (40001, 40P01).
pub fn record(workload: &Workload) -> Result<Recorded, String> {
    let database = Database::in_memory().map_err(|error| format!("open: {error}"))?;
    let mut setup = database.session();
    let mut run = |text: &str, params: &[Value]| setup.query(text, params).map_err(|error| format!("{text}: {error}"));
    run("CREATE TABLE cells (id bigint PRIMARY KEY, value bigint NOT NULL, previous bigint)", &[])?;
    let mut history = History::default();
    for key in 0..INITIAL_KEYS {
        // Versions of the start are negative, so that no other has their number.
        let version = -1 - key;
        run("INSERT INTO cells (id, value) VALUES ($1, $2)", &[Value::Int(key), Value::Int(version)])?;
        history.initial.insert(key, version);
    }
    let shared = Shared { next_key: AtomicI64::new(INITIAL_KEYS), next_version: AtomicI64::new(1) };
    let deadline = Instant::now() + workload.duration;
    let results: Vec<Result<(Vec<Vec<Operation>>, usize), String>> = std::thread::scope(|scope| {
        let mut threads = Vec::new();
        for number in 0..workload.session_count {
            let client = Client {
                session: database.session(),
                random: Random(workload.seed ^ (number as u64 + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15)),
                shared: &shared,
                isolation: workload.isolation,
            };
            threads.push(scope.spawn(move || client.run(deadline)));
        }
        threads
            .into_iter()
            .map(|thread| thread.join().unwrap_or_else(|_| Err("a session ended with a panic".to_owned())))
            .collect()
    });
    let mut aborted_count = 0;
    for result in results {
        let (committed, aborted) = result?;
        history.transactions.extend(committed);
        aborted_count += aborted;
    }
    Ok(Recorded { history, aborted_count })
}

/// Numbers that no two transactions share.
struct Shared {
    next_key: AtomicI64,
    next_version: AtomicI64,
}

struct Client<'a> {
    session: Session,
    random: Random,
    shared: &'a Shared,
    isolation: Isolation,
}

/// What a transaction did, or that it is over.
type Attempt = Result<ControlFlow<(), Vec<Operation>>, String>;

impl Client<'_> {
    /// Committed transactions, and how many were not.
    fn run(mut self, deadline: Instant) -> Result<(Vec<Vec<Operation>>, usize), String> {
        // A wait that nobody ends is a failure, not a test that hangs.
        self.session.set("statement_timeout", "20s").map_err(|error| error.to_string())?;
        let (mut committed, mut aborted) = (Vec::new(), 0);
        while Instant::now() < deadline && committed.len() < MAX_TRANSACTIONS {
            match self.transaction()? {
                ControlFlow::Continue(operations) => committed.push(operations),
                ControlFlow::Break(()) => aborted += 1,
            }
        }
        Ok((committed, aborted))
    }

    fn transaction(&mut self) -> Attempt {
        let level = match self.isolation {
            Isolation::ReadCommitted => "READ COMMITTED",
            Isolation::RepeatableRead => "REPEATABLE READ",
            Isolation::Serializable => "SERIALIZABLE",
        };
        let begin = format!("BEGIN ISOLATION LEVEL {level}");
        self.session.query(&begin, &[]).map_err(|error| format!("{begin}: {error}"))?;
        let mut operations = Vec::new();
        for _ in 0..=self.random.below(MAX_OPERATIONS) {
            // Others get their turn inside the transaction too, whatever the scheduler thinks.
            if self.random.below(3) == 0 {
                std::thread::sleep(Duration::from_micros(self.random.below(500)));
            }
            match self.operation() {
                Ok(operation) => operations.push(operation),
                Err(error) => {
                    self.session.query("ROLLBACK", &[]).map_err(|error| format!("ROLLBACK: {error}"))?;
                    return lost(&error);
                }
            }
        }
        // What is rolled back must not be seen.
        if self.random.below(10) == 0 {
            self.session.query("ROLLBACK", &[]).map_err(|error| format!("ROLLBACK: {error}"))?;
            return Ok(ControlFlow::Break(()));
        }
        match self.session.query("COMMIT", &[]) {
            Ok(result) if result.tag == "COMMIT" => Ok(ControlFlow::Continue(operations)),
            Ok(result) => Err(format!("COMMIT gave {}", result.tag)),
            Err(error) => lost(&error),
        }
    }

    fn operation(&mut self) -> Result<Operation, QueryError> {
        match self.random.below(20) {
            0..6 => {
                let key = self.key();
                let found = self.one("SELECT value FROM cells WHERE id = $1", &[Value::Int(key)])?;
                Ok(Operation::Read { key, found })
            }
            6..10 => self.scan(),
            10..16 => {
                let (key, version) = (self.key(), self.version());
                let update = "UPDATE cells SET previous = value, value = $2 WHERE id = $1 RETURNING previous";
                let over = self.one(update, &[Value::Int(key), Value::Int(version)])?;
                Ok(match over {
                    Some(over) => Operation::Write { key, version, over: Some(over) },
                    None => Operation::Read { key, found: None },
                })
            }
            16..18 => {
                let key = self.shared.next_key.fetch_add(1, Ordering::Relaxed);
                let version = self.version();
                let insert = "INSERT INTO cells (id, value) VALUES ($1, $2)";
                self.session.query(insert, &[Value::Int(key), Value::Int(version)])?;
                Ok(Operation::Write { key, version, over: None })
            }
            _ => {
                let key = self.key();
                let over = self.one("DELETE FROM cells WHERE id = $1 RETURNING value", &[Value::Int(key)])?;
                Ok(match over {
                    Some(over) => Operation::Delete { key, over },
                    None => Operation::Read { key, found: None },
                })
            }
        }
    }

    fn scan(&mut self) -> Result<Operation, QueryError> {
        let (low, high, result) = if self.random.below(4) == 0 {
            (Key::MIN, Key::MAX, self.session.query("SELECT id, value FROM cells", &[])?)
        } else {
            let low = self.key();
            let high = low + 4;
            let scan = "SELECT id, value FROM cells WHERE id BETWEEN $1 AND $2";
            (low, high, self.session.query(scan, &[Value::Int(low), Value::Int(high)])?)
        };
        let pair = |row: &Vec<Value>| match row[..] {
            [Value::Int(key), Value::Int(version)] => Ok((key, version)),
            _ => Err(QueryError::internal(format!("a scan gave {row:?}"))),
        };
        let found = result.rows.iter().map(pair).collect::<Result<Vec<(Key, Version)>, QueryError>>()?;
        Ok(Operation::Scan { low, high, found })
    }

    /// The number that the statement gives, if it gives a row.
    fn one(&mut self, statement: &str, params: &[Value]) -> Result<Option<i64>, QueryError> {
        let result = self.session.query(statement, params)?;
        match &result.rows[..] {
            [] => Ok(None),
            [row] if matches!(row[..], [Value::Int(_)]) => Ok(row[0].as_int()),
            rows => Err(QueryError::internal(format!("{statement} gave {rows:?}"))),
        }
    }

    fn version(&self) -> Version {
        self.shared.next_version.fetch_add(1, Ordering::Relaxed)
    }

    /// A key that was given out, rather a recent one.
    fn key(&mut self) -> Key {
        let end = self.shared.next_key.load(Ordering::Relaxed);
        let start = if self.random.below(3) == 0 { 0 } else { (end - RECENT_KEYS).max(0) };
        start + self.random.below((end - start) as u64) as Key
    }
}

/// The transaction's end by an error: expected for conflicts, a failure of the run otherwise.
fn lost(error: &QueryError) -> Attempt {
    match error.sqlstate() {
        "40001" | "40P01" => Ok(ControlFlow::Break(())),
        code => Err(format!("{code}: {error}")),
    }
}

/// SplitMix64 (Steele, Lea, Flood, "Fast Splittable Pseudorandom Number Generators", 2014).
struct Random(u64);

impl Random {
    fn draw(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    /// Below `bound`, which is above 0.
    fn below(&mut self, bound: u64) -> u64 {
        self.draw() % bound
    }
}
