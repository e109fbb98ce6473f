//! The crash rig: a real server process under mixed load, killed at a random moment, opened again and read through
//! every view, over and over on one data directory.
//!
//! ```text
//!        ┌──────────────────────────────── one cycle ────────────────────────────────┐
//! (damage derived files) → open (killed while opening, at times) → adopt and verify → load → kill -9 or SIGTERM
//! ```
//!
//! - [`generate`] plans transactions over SQL rows, messages, the graph, agent runs and DDL; [`client`] runs them, one
//!   connection each, and records in [`model`] what was acknowledged and what is unknown.
//! - [`observe`] reads everything once, by the plainest way; the model says which prefix of each client's transactions
//!   that is, and goes on from there. [`tables`], [`messages`], [`graph`] and [`agents`] then compare every other view
//!   with it: index against scan, search against rows, relations against Cypher.
//! - [`damage`] breaks what may be deleted at any time.
//!
//! All choices come from the seed. When they happen depends on the scheduler, so a seed repeats the kind of a run, not
//! each of its states. The rig stops at the first difference. Only processes that it started are ended.

pub mod agents;
pub mod client;
pub mod damage;
pub mod difference;
pub mod generate;
pub mod graph;
pub mod messages;
pub mod model;
pub mod observe;
pub mod probe;
mod process;
pub mod random;
pub mod statements;
pub mod tables;

use std::collections::HashSet;
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use self::agents::FinishedSteps;
use self::client::{LoadClient, Progress};
use self::difference::Difference;
use self::model::{node_word, word_of};
use self::observe::Observed;
use self::probe::Probe;
use self::process::Process;
use self::random::Random;

/// One of so many clients runs under `synchronous_commit = off` in most cycles.
const ASYNC_EVERY: usize = 4;
/// Longest wait for the transactions that a load must have.
const LOAD_LIMIT: Duration = Duration::from_secs(60);
/// For clients to notice that their server is gone.
const JOIN_LIMIT: Duration = Duration::from_secs(60);

#[derive(Clone, Debug)]
pub struct Options {
    /// The server's program, `sinew-under-test`.
    pub program: PathBuf,
    pub cycles: u64,
    pub seed: u64,
    pub clients: usize,
    /// Keep the directory when something is wrong.
    pub keep: bool,
    /// Acknowledged transactions of each load, however long they take (up to [`LOAD_LIMIT`]); for slow builds.
    pub least_acknowledged: u64,
}

/// What a run of the rig came to. Shown as its last line.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Report {
    pub cycles: u64,
    pub acknowledged: u64,
    pub lost: u64,
    pub wrong: u64,
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Report { cycles, acknowledged, lost, wrong } = self;
        write!(f, "crash: {cycles} cycles, {acknowledged} acknowledged, {lost} lost, {wrong} wrong")
    }
}

/// How the last load ended, for the opening after it.
#[derive(Clone, Copy, Debug, Default)]
struct Stopped {
    /// None: in order.
    killed_at: Option<Instant>,
}

/// Counts since the last line of progress.
#[derive(Clone, Copy, Debug, Default)]
struct Tally {
    unknown_present: u64,
    unknown_absent: u64,
    async_lost: u64,
    damaged: u64,
    killed_opening: u64,
}

struct Rig {
    options: Options,
    process: Process,
    clients: Vec<LoadClient>,
    finished_steps: FinishedSteps,
    report: Report,
    tally: Tally,
    stopped: Stopped,
    has_check: bool,
    told_async: bool,
}

/// Runs the rig; prints its progress and the first difference, but not the report.
pub async fn run(options: Options) -> Report {
    println!("crash: seed {}, {} cycles, {} clients", options.seed, options.cycles, options.clients);
    let work = match tempfile::Builder::new().prefix("sinew-crash-").tempdir() {
        Ok(work) => work,
        Err(error) => {
            println!("cannot create a directory: {error}");
            return Report { wrong: 1, ..Report::default() };
        }
    };
    let mut rig = Rig {
        process: Process::new(options.program.clone(), work.path()),
        clients: (0..options.clients).map(LoadClient::new).collect(),
        finished_steps: FinishedSteps::default(),
        report: Report::default(),
        tally: Tally::default(),
        stopped: Stopped::default(),
        has_check: true,
        told_async: false,
        options,
    };
    if let Err(difference) = rig.all_cycles().await {
        rig.report.lost += difference.lost;
        rig.report.wrong += u64::from(difference.lost == 0);
        println!("seed {}, cycle {}: {}", rig.options.seed, rig.report.cycles, difference.view);
        println!("  expected: {}", difference.expected);
        println!("  found:    {}", difference.found);
        rig.process.end();
        println!("  the server's log ends with:\n{}", rig.process.log_end());
        if rig.options.keep {
            println!("  kept in {}", work.keep().display());
        }
    }
    rig.report
}

impl Rig {
    async fn all_cycles(&mut self) -> Result<(), Difference> {
        let mut since = Instant::now();
        for cycle in 0..self.options.cycles {
            let mut random = Random::new(&[self.options.seed, cycle]);
            let is_damaged = cycle > 0 && random.percent(15) && self.damage(&mut random)?;
            self.process.is_damaged = is_damaged;
            self.open(&mut random).await?;
            if cycle == 0 {
                self.set_up().await?;
            }
            self.verify(&mut random, is_damaged).await?;
            self.load(cycle, &mut random).await?;
            self.report.cycles = cycle + 1;
            if (cycle + 1) % 10 == 0 {
                self.print_progress(since.elapsed());
                (self.tally, since) = (Tally::default(), Instant::now());
            }
        }
        let mut random = Random::new(&[self.options.seed, self.options.cycles]);
        self.process.is_damaged = false;
        self.open(&mut random).await?;
        self.verify(&mut random, true).await?;
        let probe = self.probe().await?;
        agents::finish(&probe).await?;
        self.finished_steps.verify(&probe).await?;
        drop(probe);
        self.process.stop()
    }

    fn print_progress(&self, elapsed: Duration) {
        let Tally { unknown_present, unknown_absent, async_lost, damaged, killed_opening } = self.tally;
        println!(
            "cycle {}: {} acknowledged; of unknown outcome {unknown_present} there, {unknown_absent} not; {async_lost} \
             of synchronous_commit = off lost; {damaged} openings after damage, {killed_opening} killed; {:.1} s",
            self.report.cycles,
            self.report.acknowledged,
            elapsed.as_secs_f64()
        );
    }

    /// Whether anything was there to damage.
    fn damage(&mut self, random: &mut Random) -> Result<bool, Difference> {
        let done = damage::damage(self.process.data(), random);
        let done = done.map_err(|error| Difference::new("damaging derived files", "success", error.to_string()))?;
        self.process.note(&done);
        self.tally.damaged += u64::from(!done.is_empty());
        Ok(!done.is_empty())
    }

    /// Starts the server to stay, at times after killing it on its way up.
    async fn open(&mut self, random: &mut Random) -> Result<(), Difference> {
        let kills = if random.percent(15) { random.between(1, 3) } else { 0 };
        for _ in 0..kills {
            self.process.spawn()?;
            let after_ms = random.below(250);
            tokio::time::sleep(Duration::from_millis(after_ms)).await;
            self.process.kill()?;
            self.tally.killed_opening += 1;
        }
        self.process.open().await
    }

    async fn probe(&self) -> Result<Probe, Difference> {
        Ok(Probe::new(self.process.connect().await?))
    }

    async fn set_up(&self) -> Result<(), Difference> {
        let probe = self.probe().await?;
        for text in statements::set_up() {
            probe.rows(&text).await?;
        }
        Ok(())
    }

    /// Reads everything, decides what became of the last load, and compares every view.
    async fn verify(&mut self, random: &mut Random, full: bool) -> Result<(), Difference> {
        let probe = self.probe().await?;
        let observed = observe::observe(&probe, self.clients.len()).await?;
        for (client, found) in self.clients.iter_mut().zip(&observed.clients) {
            let killed_at = self.stopped.killed_at.filter(|_| client.is_async);
            let adopted = client.history.adopt(client.number, found, killed_at)?;
            self.tally.unknown_present += adopted.unknown_present;
            self.tally.unknown_absent += adopted.unknown_absent;
            self.tally.async_lost += adopted.async_lost;
        }
        let (message_ghosts, node_ghosts) = self.ghosts(&observed);
        tables::verify(&probe, &observed, random, full).await?;
        messages::verify(&probe, &observed.clients, &message_ghosts, random, full).await?;
        graph::verify(&probe, &observed.clients, &node_ghosts, random, full).await?;
        self.finished_steps.verify(&probe).await?;
        self.check_database(&probe).await
    }

    /// Words that no search may find.
    fn ghosts(&self, observed: &Observed) -> (Vec<&str>, Vec<&str>) {
        let messages = observed.clients.iter().flat_map(|client| client.conversations.values().flatten());
        let words: HashSet<&str> = messages.map(|content| word_of(content)).collect();
        let nodes = observed.clients.iter().flat_map(|client| &client.nodes);
        let node_words: HashSet<String> = nodes.map(|(uid, v)| node_word(*uid, *v)).collect();
        let gone = self.clients.iter().flat_map(|client| &client.message_ghosts).map(String::as_str);
        let gone_nodes = self.clients.iter().flat_map(|client| &client.node_ghosts).map(String::as_str);
        (
            gone.filter(|word| !words.contains(*word)).collect(),
            gone_nodes.filter(|word| !node_words.contains(*word)).collect(),
        )
    }

    /// The database's own opinion, where there is such a statement: every row of its answer says `ok` or is a problem.
    async fn check_database(&mut self, probe: &Probe) -> Result<(), Difference> {
        const STATEMENT: &str = "CHECK DATABASE";
        if !self.has_check {
            return Ok(());
        }
        match probe.try_rows(STATEMENT).await {
            Ok(rows) => {
                // object, checked, problem
                let is_problem = |row: &&probe::Row| row.last().is_none_or(|problem| problem != "NULL");
                let problems = rows.iter().filter(is_problem).map(|row| row.join("|")).collect();
                difference::compare(STATEMENT, Vec::new(), problems)
            }
            Err((code, _)) if code == "42601" || code == "0A000" => {
                println!("crash: {STATEMENT} is not available");
                self.has_check = false;
                Ok(())
            }
            Err((code, message)) => Err(Difference::new(STATEMENT, "no problems", format!("{code}: {message}"))),
        }
    }

    /// All clients write until the server is stopped.
    async fn load(&mut self, cycle: u64, random: &mut Random) -> Result<(), Difference> {
        let progress = Arc::new(Progress::default());
        let mut tasks = Vec::new();
        let mut connections = Vec::new();
        for _ in &self.clients {
            connections.push(self.process.connect().await?);
        }
        for (mut client, connection) in std::mem::take(&mut self.clients).into_iter().zip(connections) {
            client.generator.reseed(Random::new(&[self.options.seed, cycle, client.number as u64 + 1]));
            client.is_async = client.number % ASYNC_EVERY == ASYNC_EVERY - 1 && random.percent(70);
            tasks.push(tokio::spawn(client.run(connection, Arc::clone(&progress))));
        }

        let enough = 1 + random.below(400);
        let limit = Duration::from_millis(50 + random.below(750));
        let in_order = random.percent(12);
        let start = Instant::now();
        let goes_on = || {
            let acknowledged = progress.acknowledged.load(Ordering::Relaxed);
            acknowledged < enough && start.elapsed() < limit
                || acknowledged < self.options.least_acknowledged && start.elapsed() < LOAD_LIMIT
        };
        while goes_on() && !tasks.iter().all(|task| task.is_finished()) {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        progress.is_stopping.store(true, Ordering::Release);
        self.stopped.killed_at = (!in_order).then(Instant::now);
        let stopped = if in_order { self.process.stop() } else { self.process.kill() };

        let mut first = None;
        for task in tasks {
            let joined = tokio::time::timeout(JOIN_LIMIT, task).await;
            let Ok(Ok((client, difference))) = joined else {
                return Err(Difference::new("load", "clients end with their server", "one that does not"));
            };
            first = first.or(difference);
            self.clients.push(client);
        }
        self.report.acknowledged += progress.acknowledged.load(Ordering::Relaxed);
        if progress.async_unavailable.load(Ordering::Relaxed) && !self.told_async {
            self.told_async = true;
            println!("crash: synchronous_commit = off is not available");
        }
        // Why a server ended tells more than that its connections did.
        stopped.and(first.map_or(Ok(()), Err))
    }
}
