//! One search over base and tail: common statistics, one heap.

use std::collections::BinaryHeap;
use std::sync::Arc;

use tantivy::query::{Bm25StatisticsProvider, EnableScoring, Query};
use tantivy::schema::Field;
use tantivy::{Score, Searcher, Term};

use super::base::TextBase;
use super::schema::ID_FIELD;
use super::tail::TextTail;
use super::tantivy_error;
use crate::error::Result;
use crate::search::{IdFilter, SearchHit};

/// Best `limit` hits of `query`, best first, ties by id. Each part gives only rows that no later part covers.
///
/// BM25 statistics are the sums over all parts. A changed row that an older part still holds counts in both, as a deleted
/// document counts until its segment is merged: scores may differ in the last digits from those of a rebuilt index.
pub(crate) fn search(
    query: &dyn Query,
    base: Option<&TextBase>,
    tails: &[Arc<TextTail>],
    limit: usize,
    filter: Option<IdFilter<'_>>,
) -> Result<Vec<SearchHit>> {
    let base = base.map(|base| (&base.searcher, tails));
    let tails = tails.iter().enumerate().map(|(at, tail)| (tail.searcher.as_ref(), &tails[at + 1..]));
    let tails = tails.filter_map(|(searcher, later)| Some((searcher?, later)));
    let parts: Vec<(&Searcher, &[Arc<TextTail>])> = base.into_iter().chain(tails).collect();
    let statistics = Statistics { parts: parts.iter().map(|part| part.0).collect() };
    let mut hits = BestHits { limit, heap: BinaryHeap::new() };
    for (searcher, later) in &parts {
        let passes = |id: u64| !later.iter().any(|tail| tail.covers(id)) && filter.is_none_or(|filter| filter(id));
        collect(query, searcher, &statistics, &passes, &mut hits).map_err(tantivy_error)?;
    }
    Ok(hits.into_sorted())
}

/// Runs the query over one part. The collector is ours because the filters borrow and because equal scores are needed
/// for ties, which tantivy's pruning would skip: the threshold stays just below the worst kept score.
fn collect(
    query: &dyn Query,
    searcher: &Searcher,
    statistics: &Statistics<'_>,
    passes: &dyn Fn(u64) -> bool,
    hits: &mut BestHits,
) -> tantivy::Result<()> {
    let weight = query.weight(EnableScoring::enabled_from_statistics_provider(statistics, searcher))?;
    for segment in searcher.segment_readers() {
        let ids = segment.fast_fields().u64(ID_FIELD)?.first_or_default_col(0);
        let alive = segment.alive_bitset();
        weight.for_each_pruning(hits.threshold(), segment, &mut |document, score| {
            if alive.is_none_or(|alive| alive.is_alive(document)) {
                let id = ids.get_val(document);
                if passes(id) {
                    hits.push(score, id);
                }
            }
            hits.threshold()
        })?;
    }
    Ok(())
}

/// Sums over base and tails.
struct Statistics<'a> {
    parts: Vec<&'a Searcher>,
}

impl Bm25StatisticsProvider for Statistics<'_> {
    fn total_num_tokens(&self, field: Field) -> tantivy::Result<u64> {
        self.parts.iter().map(|part| part.total_num_tokens(field)).sum()
    }

    fn total_num_docs(&self) -> tantivy::Result<u64> {
        self.parts.iter().map(|part| part.total_num_docs()).sum()
    }

    fn doc_freq(&self, term: &Term) -> tantivy::Result<u64> {
        self.parts.iter().map(|part| Bm25StatisticsProvider::doc_freq(*part, term)).sum()
    }
}

/// A max-heap whose top is the worst kept hit.
struct BestHits {
    limit: usize,
    heap: BinaryHeap<Hit>,
}

#[derive(PartialEq)]
struct Hit {
    score: Score,
    id: u64,
}

impl Eq for Hit {}

impl PartialOrd for Hit {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Hit {
    /// Worse hits are greater.
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        other.score.total_cmp(&self.score).then_with(|| self.id.cmp(&other.id))
    }
}

impl BestHits {
    fn threshold(&self) -> Score {
        match self.heap.peek() {
            Some(worst) if self.heap.len() >= self.limit => worst.score.next_down(),
            _ => Score::MIN,
        }
    }

    fn push(&mut self, score: Score, id: u64) {
        self.heap.push(Hit { score, id });
        if self.heap.len() > self.limit {
            self.heap.pop();
        }
    }

    fn into_sorted(self) -> Vec<SearchHit> {
        let hits = self.heap.into_sorted_vec().into_iter();
        hits.map(|hit| SearchHit { id: hit.id, score: f64::from(hit.score) }).collect()
    }
}
