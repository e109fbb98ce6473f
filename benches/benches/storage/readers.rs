//! Point reads of two threads, alone and while eight threads commit.

use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use sinew_benches::disk::scratch;
use sinew_benches::measure::{Figure, Round, median_of, print_ratio, print_rounds, run_for, while_running};
use sinew_benches::{commit_one, fill_store, open_store};
use sinew_storage::{Isolation, RowId};

use crate::{ROUNDS, ROWS};

const READERS: usize = 2;
const WRITERS: usize = 8;
const ROUND_TIME: Duration = Duration::from_millis(1_500);

pub fn bench(root: &Path) {
    println!("\nreaders: point gets, a transaction each, medians of {ROUNDS} rounds of {ROUND_TIME:?}");
    let directory = scratch(root);
    let (store, table) = open_store(directory.path());
    let (first, last) = fill_store(&store, &table, ROWS);
    let next = AtomicU64::new(ROWS);
    let (store, table, next) = (&store, &table, &next);
    let reader = move |number: usize| {
        let mut random = StdRng::seed_from_u64(number as u64);
        move || {
            let transaction = store.begin(Isolation::ReadCommitted);
            let row = transaction.get_row(table, RowId(random.random_range(first.0..=last.0)), &[0]);
            transaction.rollback();
            assert!(row.expect("readable").is_some(), "a row is gone");
        }
    };
    let writer = move |_| move || commit_one(store, table, next.fetch_add(1, Ordering::Relaxed));

    let (mut alone, mut beside, mut writing) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        alone.push(run_for(READERS, ROUND_TIME, reader));
        let (writers, readers) = while_running(WRITERS, writer, || run_for(READERS, ROUND_TIME, reader));
        beside.push(readers);
        writing.push(writers);
    }

    print_rounds("alone", READERS, &alone);
    print_rounds("beside", READERS, &beside);
    print_rounds("writers", WRITERS, &writing);
    // A reader that does not get a core waits for it, whatever the store does.
    let share = |rounds: &[Round]| median_of(rounds, Round::cpu_share) * 100.0;
    println!(
        "  share of a core that each thread got: readers alone {:.0} %, beside writers {:.0} %, writers {:.0} %",
        share(&alone),
        share(&beside),
        share(&writing)
    );
    let latency = |rounds: &[Round], fraction| Figure::TimeNs(median_of(rounds, |round| round.percentile_ns(fraction)));
    print_ratio("readers_p50_beside_writers", latency(&beside, 0.5), latency(&alone, 0.5));
    print_ratio("readers_p99_beside_writers", latency(&beside, 0.99), latency(&alone, 0.99));
}
