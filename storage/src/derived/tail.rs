//! The tail of a search index: ids changed since its base, with the LSN of each one's last change.
//!
//! A snapshot's tail is immutable and shared; a commit adds a chunk. Chunks of like size are merged (as the runs of a
//! log-structured tree are), so a tail of n changes has O(log n) chunks and each change is copied O(log n) times.

use std::sync::Arc;

use rustc_hash::FxHashSet;

use crate::ids::Lsn;

/// Sorted by id, one entry per id.
type Chunk = Arc<[(u64, Lsn)]>;

#[derive(Clone, Default)]
pub(crate) struct Tail {
    /// Oldest first; each more than twice as long as the next.
    chunks: Vec<Chunk>,
}

impl Tail {
    /// Adds changes that are newer than everything in the tail.
    pub fn push(&mut self, mut changes: Vec<(u64, Lsn)>) {
        if changes.is_empty() {
            return;
        }
        changes.sort_unstable();
        keep_last_of_each(&mut changes);
        while let Some(last) = self.chunks.last()
            && last.len() <= changes.len() * 2
        {
            changes.extend_from_slice(last);
            changes.sort_unstable();
            keep_last_of_each(&mut changes);
            self.chunks.pop();
        }
        self.chunks.push(changes.into());
    }

    /// What remains when the base has moved to `lsn`.
    pub fn after(&self, lsn: Lsn) -> Tail {
        let chunks = self.chunks.iter().filter_map(|chunk| {
            let kept = chunk.iter().filter(|change| change.1 > lsn).count();
            match kept {
                0 => None,
                all if all == chunk.len() => Some(Arc::clone(chunk)),
                _ => Some(chunk.iter().copied().filter(|change| change.1 > lsn).collect()),
            }
        });
        Tail { chunks: chunks.collect() }
    }

    /// Ids changed after `lsn`.
    pub fn ids_after(&self, lsn: Lsn) -> FxHashSet<u64> {
        self.chunks
            .iter()
            .flat_map(|chunk| chunk.iter())
            .filter(|change| change.1 > lsn)
            .map(|change| change.0)
            .collect()
    }

    /// Upper bound of the number of ids.
    pub fn len(&self) -> usize {
        self.chunks.iter().map(|chunk| chunk.len()).sum()
    }
}

/// Of sorted (id, lsn) pairs keeps the highest LSN of each id.
fn keep_last_of_each(changes: &mut Vec<(u64, Lsn)>) {
    changes.dedup_by(|next, kept| {
        let same = next.0 == kept.0;
        if same {
            kept.1 = next.1;
        }
        same
    });
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use rand::{RngExt, SeedableRng};

    use super::*;

    #[test]
    fn agrees_with_a_map_and_stays_shallow() {
        let mut rng = rand::rngs::StdRng::seed_from_u64(5);
        let mut tail = Tail::default();
        let mut model = BTreeMap::new();
        let mut floor = Lsn(0);
        for lsn in (1..800).map(Lsn) {
            let changes: Vec<(u64, Lsn)> =
                (0..rng.random_range(0..5u32)).map(|_| (rng.random_range(0..300), lsn)).collect();
            model.extend(changes.iter().copied());
            tail.push(changes);
            if lsn.0 % 100 == 0 {
                floor = Lsn(lsn.0 - 40);
                tail = tail.after(floor);
            }
            let since = Lsn(floor.0 + rng.random_range(0..50));
            let expected: FxHashSet<u64> =
                model.iter().filter(|change| *change.1 > since).map(|change| *change.0).collect();
            assert_eq!(tail.ids_after(since), expected);
            assert!(tail.chunks.len() <= 12);
        }
    }
}
