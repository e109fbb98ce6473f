//! Progress of long work on standard error: a bar on a terminal, a line per tenth elsewhere.

use std::io::{self, IsTerminal, Write};
use std::sync::Arc;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};
use parking_lot::Mutex;

pub struct Progress {
    what: &'static str,
    bar: Option<ProgressBar>,
    last_tenth: Option<u64>,
}

impl Progress {
    /// Of work whose size is known once it has begun.
    pub fn new(what: &'static str) -> Progress {
        let bar = io::stderr().is_terminal().then(|| {
            let bar = ProgressBar::new(1);
            if let Ok(style) = ProgressStyle::with_template("{msg} {bar:40} {percent} %, {human_pos} rows, {eta} left")
            {
                bar.set_style(style);
            }
            bar.set_message(what);
            bar
        });
        Progress { what, bar, last_tenth: None }
    }

    /// Of work that is measured in bytes.
    pub fn of_bytes(what: &'static str) -> Progress {
        let progress = Progress::new(what);
        if let (Some(bar), Ok(style)) = (
            &progress.bar,
            ProgressStyle::with_template("{msg} {bar:40} {percent} %, {bytes} at {bytes_per_sec}, {eta} left"),
        ) {
            bar.set_style(style);
        }
        progress
    }

    /// Of work that says nothing until it is done.
    pub fn spinner(what: &'static str) -> Progress {
        let bar = io::stderr().is_terminal().then(|| {
            let bar = ProgressBar::new_spinner();
            bar.set_message(what);
            bar.enable_steady_tick(Duration::from_millis(120));
            bar
        });
        Progress { what, bar, last_tenth: None }
    }

    /// So many rows so far, of an unknown number.
    pub fn count(&self, rows: u64) {
        if let Some(bar) = &self.bar
            && rows.is_multiple_of(1024)
        {
            bar.set_message(format!("{}: {rows} rows", self.what));
        }
    }

    pub fn update(&mut self, done: u64, of: u64) {
        if let Some(bar) = &self.bar {
            bar.set_length(of.max(1));
            bar.set_position(done);
            return;
        }
        let tenth = done.saturating_mul(10) / of.max(1);
        if self.last_tenth != Some(tenth) {
            self.last_tenth = Some(tenth);
            // Standard error may be closed; the work goes on.
            let _ = writeln!(io::stderr(), "{}: {} %", self.what, tenth * 10);
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

/// Nothing is shown of an opening that takes less.
const SHOW_OPENING_AFTER: Duration = Duration::from_millis(500);
/// Between two lines of an opening's progress in the log.
const OPENING_LINES: Duration = Duration::from_secs(2);

/// Progress of opening a store that has something to repair or to apply: a bar on a terminal, lines in the log elsewhere.
/// Cheap to clone.
#[derive(Clone)]
pub struct OpeningProgress(Arc<Mutex<Opening>>);

struct Opening {
    since: Instant,
    bar: Option<ProgressBar>,
    logged: Option<Instant>,
}

impl OpeningProgress {
    pub fn new() -> OpeningProgress {
        OpeningProgress(Arc::new(Mutex::new(Opening { since: Instant::now(), bar: None, logged: None })))
    }

    /// `done` is 0.0..=1.0.
    pub fn update(&self, done: f64) {
        let mut opening = self.0.lock();
        let percent = (done.clamp(0.0, 1.0) * 100.0) as u64;
        if opening.since.elapsed() < SHOW_OPENING_AFTER {
            return;
        }
        if io::stderr().is_terminal() {
            opening.bar.get_or_insert_with(opening_bar).set_position(percent);
        } else if opening.logged.is_none_or(|at| at.elapsed() >= OPENING_LINES) {
            opening.logged = Some(Instant::now());
            tracing::info!("opening the database: {percent} %");
        }
    }

    /// The store is open, or cannot be opened. The store keeps its callback, so this is not left to dropping.
    pub fn finish(&self) {
        if let Some(bar) = self.0.lock().bar.take() {
            bar.finish_and_clear();
        }
    }
}

fn opening_bar() -> ProgressBar {
    let bar = ProgressBar::new(100);
    if let Ok(style) = ProgressStyle::with_template("opening the database {bar:40} {percent} %, {eta} left") {
        bar.set_style(style);
    }
    bar
}
