//! What statements took, by their text without literals: `pg_stat_statements`.
//!
//! A statement's [`Fingerprint`] is made when it is planned and kept with the plan; running it costs one look-up in one of
//! a few maps. When there are too many entries, the least used twentieth is forgotten.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use rustc_hash::FxHashMap;

/// `pg_stat_statements.max`
pub const MOST_ENTRIES: usize = 5_000;
const SHARD_COUNT: usize = 16;

/// A statement without its literals.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fingerprint {
    /// Equal for statements that differ in literals, blanks and the case of words only.
    pub query_id: i64,
    /// With `$n` in the place of literals.
    pub text: Arc<str>,
}

/// Times of planning or of execution: count, sum, extremes, and the sum of squared differences from the mean.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Times {
    pub count: u64,
    pub total_ms: f64,
    pub min_ms: f64,
    pub max_ms: f64,
    pub mean_ms: f64,
    squares: f64,
}

impl Times {
    fn add(&mut self, time: Duration) {
        let ms = time.as_secs_f64() * 1000.0;
        self.count += 1;
        self.total_ms += ms;
        self.min_ms = if self.count == 1 { ms } else { self.min_ms.min(ms) };
        self.max_ms = self.max_ms.max(ms);
        // Welford's update.
        let difference = ms - self.mean_ms;
        self.mean_ms += difference / self.count as f64;
        self.squares += difference * (ms - self.mean_ms);
    }

    /// Of all times there were.
    pub fn deviation_ms(&self) -> f64 {
        if self.count > 1 { (self.squares / self.count as f64).sqrt() } else { 0.0 }
    }
}

/// One statement of one user.
#[derive(Clone, Debug)]
pub struct Entry {
    pub fingerprint: Arc<Fingerprint>,
    pub user: Arc<str>,
    pub plans: Times,
    pub calls: Times,
    pub rows: u64,
}

#[derive(PartialEq, Eq, Hash, Clone)]
struct Key {
    query_id: i64,
    user: Arc<str>,
}

/// Of all sessions of a database.
#[derive(Default)]
pub struct StatementStatistics {
    shards: [Mutex<FxHashMap<Key, Entry>>; SHARD_COUNT],
    entry_count: AtomicUsize,
    forgotten_count: AtomicU64,
}

impl StatementStatistics {
    /// A statement was planned.
    pub fn note_planned(&self, fingerprint: &Arc<Fingerprint>, user: &Arc<str>, time: Duration) {
        self.with(fingerprint, user, |entry| entry.plans.add(time));
    }

    /// A statement was run to its end.
    pub fn note_run(&self, fingerprint: &Arc<Fingerprint>, user: &Arc<str>, time: Duration, rows: u64) {
        self.with(fingerprint, user, |entry| {
            entry.calls.add(time);
            entry.rows += rows;
        });
    }

    fn with(&self, fingerprint: &Arc<Fingerprint>, user: &Arc<str>, change: impl FnOnce(&mut Entry)) {
        let key = Key { query_id: fingerprint.query_id, user: Arc::clone(user) };
        let shard = &self.shards[key.query_id as u64 as usize % SHARD_COUNT];
        let is_new = {
            let mut entries = shard.lock();
            let before = entries.len();
            let entry = entries.entry(key).or_insert_with(|| Entry {
                fingerprint: Arc::clone(fingerprint),
                user: Arc::clone(user),
                plans: Times::default(),
                calls: Times::default(),
                rows: 0,
            });
            change(entry);
            entries.len() > before
        };
        if is_new && self.entry_count.fetch_add(1, Ordering::Relaxed) >= MOST_ENTRIES {
            self.forget_least_used();
        }
    }

    fn forget_least_used(&self) {
        let mut uses: Vec<(u64, usize, Key)> = Vec::with_capacity(MOST_ENTRIES);
        for (at, shard) in self.shards.iter().enumerate() {
            uses.extend(shard.lock().iter().map(|(key, entry)| (entry.calls.count, at, key.clone())));
        }
        uses.sort_unstable_by_key(|(count, ..)| *count);
        for (_, at, key) in uses.into_iter().take(MOST_ENTRIES / 20) {
            if self.shards[at].lock().remove(&key).is_some() {
                self.entry_count.fetch_sub(1, Ordering::Relaxed);
            }
        }
        self.forgotten_count.fetch_add(1, Ordering::Relaxed);
    }

    /// All entries, in no order.
    pub fn entries(&self) -> Vec<Entry> {
        self.shards.iter().flat_map(|shard| shard.lock().values().cloned().collect::<Vec<_>>()).collect()
    }

    /// How often entries had to be forgotten.
    pub fn forgotten_count(&self) -> u64 {
        self.forgotten_count.load(Ordering::Relaxed)
    }

    /// Forgets the entries that `is_meant` chooses.
    pub fn reset(&self, is_meant: impl Fn(&Entry) -> bool) {
        for shard in &self.shards {
            let mut entries = shard.lock();
            let before = entries.len();
            entries.retain(|_, entry| !is_meant(entry));
            self.entry_count.fetch_sub(before - entries.len(), Ordering::Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fingerprint(query_id: i64) -> Arc<Fingerprint> {
        Arc::new(Fingerprint { query_id, text: "SELECT $1".into() })
    }

    #[test]
    fn times_have_mean_and_deviation() {
        let mut times = Times::default();
        for ms in [2, 4, 4, 4, 5, 5, 7, 9] {
            times.add(Duration::from_millis(ms));
        }
        assert_eq!((times.count, times.min_ms, times.max_ms), (8, 2.0, 9.0));
        assert!((times.mean_ms - 5.0).abs() < 1e-9 && (times.deviation_ms() - 2.0).abs() < 1e-9);
    }

    #[test]
    fn entries_are_bounded_and_the_used_ones_stay() {
        let statistics = StatementStatistics::default();
        let user: Arc<str> = "ann".into();
        for _ in 0..3 {
            statistics.note_run(&fingerprint(-1), &user, Duration::from_millis(1), 2);
        }
        for query_id in 0..2 * MOST_ENTRIES as i64 {
            statistics.note_run(&fingerprint(query_id), &user, Duration::from_millis(1), 1);
        }
        let entries = statistics.entries();
        assert!(entries.len() <= MOST_ENTRIES + 1, "{}", entries.len());
        assert!(statistics.forgotten_count() > 0);
        let used = entries.iter().find(|entry| entry.fingerprint.query_id == -1).expect("the used one stays");
        assert_eq!((used.calls.count, used.rows), (3, 6));
        statistics.reset(|entry| entry.fingerprint.query_id == -1);
        assert_eq!(statistics.entries().len(), entries.len() - 1);
        statistics.reset(|_| true);
        assert!(statistics.entries().is_empty());
    }
}
