//! What a load of many rows in one transaction costs those who commit small ones meanwhile.

use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use sinew_benches::disk::scratch;
use sinew_benches::measure::{Figure, Round, median, median_of, print_ratio, print_rounds, run_for, while_running};
use sinew_benches::{commit_one, create_rows_table, fill_store, open_store};

use crate::{ROUNDS, ROWS};

const COMMITTERS: usize = 4;
const LOADED_ROWS: u64 = 1_000_000;
const QUIET_TIME: Duration = Duration::from_secs(2);

pub fn bench(root: &Path) {
    println!(
        "\nstall: {COMMITTERS} committers beside a load of {LOADED_ROWS} rows in one transaction, {ROUNDS} rounds"
    );
    let (mut without, mut during, mut load_times_ns) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        let directory = scratch(root);
        let (store, table) = open_store(directory.path());
        let loaded = create_rows_table(&store, "loaded");
        fill_store(&store, &table, ROWS);
        let next = AtomicU64::new(ROWS);
        let (store, table, next) = (&store, &table, &next);
        let committer = move |_| move || commit_one(store, table, next.fetch_add(1, Ordering::Relaxed));
        without.push(run_for(COMMITTERS, QUIET_TIME, committer));
        let (round, load_time) = while_running(COMMITTERS, committer, || {
            let started = Instant::now();
            fill_store(store, &loaded, LOADED_ROWS);
            started.elapsed()
        });
        during.push(round);
        load_times_ns.push(load_time.as_nanos() as f64);
    }

    print_rounds("without", COMMITTERS, &without);
    print_rounds("during", COMMITTERS, &during);
    let worst = |rounds: &[Round]| Figure::TimeNs(rounds.iter().map(Round::longest_ns).fold(0.0, f64::max));
    println!(
        "  the load took {}; longest commit of all rounds: without {}, during {}",
        Figure::TimeNs(median(load_times_ns)),
        worst(&without),
        worst(&during)
    );
    let longest = |rounds: &[Round]| Figure::TimeNs(median_of(rounds, Round::longest_ns));
    print_ratio("longest_commit_during_load", longest(&during), longest(&without));
}
