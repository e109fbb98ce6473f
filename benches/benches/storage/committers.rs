//! Many threads that commit one row at a time, durably: what group commit gains, and what a commit waits.

use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use sinew_benches::disk::scratch;
use sinew_benches::measure::{Figure, Round, median_of, print_ratio, print_rounds, run_for};
use sinew_benches::{commit_one, commit_one_raw, fill_raw, fill_store, open_raw, open_store};

use crate::{ROUNDS, ROWS};

const LEVELS: [usize; 5] = [1, 8, 16, 32, 64];
const RAW_LEVELS: [usize; 2] = [1, 16];
const ROUND_TIME: Duration = Duration::from_millis(1_500);

pub fn bench(root: &Path) {
    println!("\ncommitters: one-row durable commits, medians of {ROUNDS} rounds of {ROUND_TIME:?}");
    let directory = scratch(root);
    let (store, table) = open_store(&directory.path().join("sinew"));
    fill_store(&store, &table, ROWS);
    let raw = open_raw(&directory.path().join("raw.redb"));
    fill_raw(&raw, 0, ROWS);
    let raw = Mutex::new(raw);
    let next = AtomicU64::new(ROWS);
    let (store, table, raw, next) = (&store, &table, &raw, &next);

    let mut ours = LEVELS.map(|_| Vec::new());
    let mut theirs = RAW_LEVELS.map(|_| Vec::new());
    for _ in 0..ROUNDS {
        for (rounds, thread_count) in ours.iter_mut().zip(LEVELS) {
            rounds.push(run_for(thread_count, ROUND_TIME, move |_| {
                move || commit_one(store, table, next.fetch_add(1, Ordering::Relaxed))
            }));
        }
        for (rounds, thread_count) in theirs.iter_mut().zip(RAW_LEVELS) {
            rounds.push(run_for(thread_count, ROUND_TIME, move |_| {
                move || {
                    let database = raw.lock().expect("no committer panics");
                    commit_one_raw(&database, next.fetch_add(1, Ordering::Relaxed));
                }
            }));
        }
    }

    for (rounds, thread_count) in ours.iter().zip(LEVELS) {
        print_rounds("sinew", thread_count, rounds);
    }
    for (rounds, thread_count) in theirs.iter().zip(RAW_LEVELS) {
        print_rounds("redb", thread_count, rounds);
    }
    let rate = |rounds: &Vec<Round>| Figure::PerSecond(median_of(rounds, Round::per_second));
    let [one, _, sixteen, _, sixty_four] = ours.each_ref().map(rate);
    print_ratio("commits_16_to_1", sixteen, one);
    print_ratio("commits_64_to_16", sixty_four, sixteen);
    let [raw_one, raw_sixteen] = theirs.each_ref().map(rate);
    print_ratio("commits_1_to_redb", one, raw_one);
    print_ratio("commits_16_to_redb", sixteen, raw_sixteen);
    for (rounds, thread_count) in ours.iter().zip(LEVELS) {
        let latency = |fraction| Figure::TimeNs(median_of(rounds, |round| round.percentile_ns(fraction)));
        print_ratio(&format!("commit_p99_to_p50_at_{thread_count}"), latency(0.99), latency(0.5));
    }
}
