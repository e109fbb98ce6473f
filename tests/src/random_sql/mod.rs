//! Random statements, run in many ways that must agree.
//!
//! Tables of random columns and rows are made, then random queries and writes run about them: by the simple and the
//! extended protocol, with constants and with parameters, with a plan that is kept and without, with and without the
//! optimizer, and on PostgreSQL 15. Equal seeds give equal statements. A difference, an internal error or a lost
//! connection is a fault; the statement is made as small as it goes before it is shown.
//!
//! Statements are made so that their results are promised: divisors are not zero, sums of floats are exact, LIMIT stands
//! over an order of all columns, UPDATE meets one row of the other table. So a statement that fails in one way only is
//! a fault too. What an engine refuses (0A000) or does not finish in 10 seconds is passed over and counted.

pub(crate) mod check;
mod expressions;
pub(crate) mod generator;
mod queries;
mod schema;
pub(crate) mod tree;
mod values;
mod writes;

use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use crate::compare::start_sinew;
use crate::crash::random::Random;
use crate::postgres::Postgres;
use check::{Engines, Statement, Verdict};
use generator::{Features, Generator, sql};
use schema::Table;

/// Statements about one set of tables.
const STATEMENTS_PER_SCHEMA: u64 = 200;
/// Faults after which it is enough.
const FAULT_LIMIT: usize = 20;
/// Above this the server's memory is not bounded by what it was asked for, in MiB.
const MEMORY_LIMIT_MIB: u64 = 2048;

/// What to run.
pub struct Options {
    /// `sinew-under-test`.
    pub program: PathBuf,
    pub seed: u64,
    pub statements: u64,
    /// Ends the run early.
    pub time_limit: Option<Duration>,
    /// Compare with PostgreSQL too.
    pub postgres: bool,
}

/// How it went.
#[derive(Debug, Default)]
pub struct Report {
    pub seed: u64,
    pub statements: u64,
    /// Statements that fail in every way.
    pub failed: u64,
    /// Statements that gave rows.
    pub with_rows: u64,
    /// What was refused or took too long, with how often.
    pub passed: BTreeMap<String, u64>,
    /// The largest resident memory of the server, in MiB.
    pub memory_mib: u64,
    pub faults: Vec<String>,
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for fault in &self.faults {
            writeln!(f, "FAULT (seed {})\n{fault}\n", self.seed)?;
        }
        for (reason, count) in &self.passed {
            writeln!(f, "passed over {count} times: {reason}")?;
        }
        write!(
            f,
            "random: seed {}, {} statements, {} with rows, {} failed alike, {} passed over, {} MiB, {} faults",
            self.seed,
            self.statements,
            self.with_rows,
            self.failed,
            self.passed.values().sum::<u64>(),
            self.memory_mib,
            self.faults.len()
        )
    }
}

/// Runs random statements against a server on a temporary directory.
pub fn run(options: &Options) -> io::Result<Report> {
    let directory = tempfile::tempdir()?;
    let (mut server, sinew) = start_sinew(&options.program, directory.path())?;
    let mut postgres = if options.postgres { Some(Postgres::start()?) } else { None };
    let database = match &mut postgres {
        Some(postgres) => Some(postgres.create_database()?),
        None => None,
    };
    let mut engines = Engines::open(&sinew, database.as_ref())?;
    let features = Features {
        windows: engines.both_have("SELECT row_number() OVER (ORDER BY 1)")?,
        grouping_sets: engines.both_have("SELECT count(*) FROM (VALUES (1)) v (a) GROUP BY ROLLUP (a)")?,
    };
    let mut report = Report { seed: options.seed, ..Report::default() };
    let began = Instant::now();
    let mut round = 0;
    while report.statements < options.statements && report.faults.len() < FAULT_LIMIT {
        round += 1;
        let mut random = Random::new(&[options.seed, round]);
        let schema = schema::generate(&mut random, &format!("t{round}_"));
        for statement in &schema.statements {
            engines.prepare(statement)?;
        }
        for number in 1..=STATEMENTS_PER_SCHEMA {
            let is_late = options.time_limit.is_some_and(|limit| began.elapsed() >= limit);
            if is_late || report.statements >= options.statements || report.faults.len() >= FAULT_LIMIT {
                report.memory_mib = memory_mib(server.process_id());
                return finish(report, postgres, database, engines);
            }
            let random = Random::new(&[options.seed, round, number]);
            let statement = statement(random, &schema.tables, features);
            let text = statement.node.with_literals();
            report.statements += 1;
            let writes = statement.effect.is_some();
            match engines.check(statement)? {
                Verdict::Agreed if writes => engines.prepare(&text)?,
                Verdict::Agreed => {}
                Verdict::Failed => report.failed += 1,
                Verdict::Passed(reason) => *report.passed.entry(reason).or_default() += 1,
                Verdict::Differs(difference) => report.faults.push(difference),
            }
            if let Some(status) = server.ended() {
                report.faults.push(format!("the server ended with {status} at: {text}"));
                return Ok(report);
            }
        }
        for table in &schema.tables {
            engines.prepare(&format!("DROP TABLE {}", table.name))?;
        }
    }
    report.memory_mib = memory_mib(server.process_id());
    finish(report, postgres, database, engines)
}

fn finish(
    mut report: Report,
    postgres: Option<Postgres>,
    database: Option<crate::protocol::Address>,
    engines: Engines,
) -> io::Result<Report> {
    report.with_rows = engines.with_rows;
    drop(engines);
    if let (Some(postgres), Some(database)) = (postgres, database) {
        postgres.drop_database(&database)?;
    }
    if report.memory_mib > MEMORY_LIMIT_MIB {
        report.faults.push(format!("the server took {} MiB of memory", report.memory_mib));
    }
    Ok(report)
}

fn statement(random: Random, tables: &[Table], features: Features) -> Statement {
    let mut generator = Generator::new(random, tables, features);
    match generator.random.below(100) {
        0..=14 => {
            let write = generator.write();
            let columns: Vec<String> = (1..=write.table.columns.len()).map(|column| column.to_string()).collect();
            let effect = format!("SELECT * FROM {} ORDER BY {}", write.table.name, columns.join(", "));
            Statement { node: write.node, is_ordered: false, effect: Some(effect), expected: None }
        }
        15..=19 => {
            let expression = generator.failing_expression();
            Statement { node: sql!["SELECT ", expression, " AS c1"], is_ordered: true, effect: None, expected: None }
        }
        _ => {
            let query = generator.query();
            Statement { node: query.node, is_ordered: query.is_ordered, effect: None, expected: None }
        }
    }
}

/// The peak of a process's resident memory; 0 where the system does not tell.
pub(crate) fn memory_mib(process: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kib: u64 = line.and_then(|line| line.trim().trim_end_matches("kB").trim().parse().ok()).unwrap_or(0);
    kib / 1024
}
