//! Progress of long work on standard error: a bar on a terminal, a line per tenth elsewhere.

use std::io::{self, IsTerminal, Write};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

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
