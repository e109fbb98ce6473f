//! One score from two searches.
//!
//! Standardised fusion puts both sides on one scale by dividing by their standard deviation over the candidates, and
//! adds. Means cancel in the order, so instead of them the least score a message can have on a side is subtracted: a
//! fused score is 0 for what neither side found and positive otherwise. A candidate that one side did not give has that
//! side's least score there. On conversations this finds clearly more than reciprocal rank fusion (Cormack, Clarke and
//! Büttcher, SIGIR 2009), which throws away how much better the first hit is than the second.
//!
//! The turn before or after a hit often holds what was asked for, so neighbouring turns share a part of their scores
//! ([`share_with_neighbours`]).

use rustc_hash::FxHashMap;

/// Part of the better neighbour's score that a turn is given.
const NEIGHBOUR_SHARE: f64 = 0.3;
/// The constant of reciprocal rank fusion: how little the first ranks stand out.
const RECIPROCAL_RANK_OFFSET: f64 = 60.0;

/// Hits of one search, best first; higher scores are better.
#[derive(Clone, Debug, Default)]
pub(super) struct Side {
    pub hits: Vec<(u64, f64)>,
    /// Score of whatever is not among the hits.
    floor: f64,
}

impl Side {
    /// `floor` is the least of the hits' scores when it is not known.
    pub fn new(hits: Vec<(u64, f64)>, floor: Option<f64>) -> Side {
        let least = || hits.iter().map(|hit| hit.1).fold(f64::INFINITY, f64::min);
        let floor = floor.unwrap_or_else(least);
        Side { floor: if floor.is_finite() { floor } else { 0.0 }, hits }
    }

    /// One side from several searches: an id's best score counts. Ties by id.
    pub fn merge(sides: Vec<Side>, limit: usize) -> Side {
        let floor = sides.iter().map(|side| side.floor).fold(f64::INFINITY, f64::min);
        let mut best: FxHashMap<u64, f64> = FxHashMap::default();
        for (id, score) in sides.into_iter().flat_map(|side| side.hits) {
            best.entry(id).and_modify(|known| *known = known.max(score)).or_insert(score);
        }
        let mut hits: Vec<(u64, f64)> = best.into_iter().collect();
        hits.sort_unstable_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
        hits.truncate(limit);
        Side { floor: if floor.is_finite() { floor } else { 0.0 }, hits }
    }
}

/// A row that one of the sides found, or a neighbour of one.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Candidate {
    pub id: u64,
    pub score: f64,
    /// 1-based; None where the side did not find it.
    pub text_rank: Option<i64>,
    pub vector_rank: Option<i64>,
    text_score: Option<f64>,
    vector_score: Option<f64>,
}

impl Candidate {
    /// Something that no side found.
    pub fn unranked(id: u64, score: f64) -> Candidate {
        Candidate { id, score, text_rank: None, vector_rank: None, text_score: None, vector_score: None }
    }
}

/// Everything either side found, in order of first appearance, without a score.
fn union(text: &Side, vector: &Side) -> Vec<Candidate> {
    let mut positions: FxHashMap<u64, usize> = FxHashMap::default();
    let mut candidates: Vec<Candidate> = Vec::with_capacity(text.hits.len() + vector.hits.len());
    let mut candidate = |id: u64, enter: &mut dyn FnMut(&mut Candidate)| {
        let at = *positions.entry(id).or_insert_with(|| {
            candidates.push(Candidate::unranked(id, 0.0));
            candidates.len() - 1
        });
        enter(&mut candidates[at]);
    };
    for (rank, (id, score)) in (1..).zip(&text.hits) {
        candidate(*id, &mut |found| (found.text_rank, found.text_score) = (Some(rank), Some(*score)));
    }
    for (rank, (id, score)) in (1..).zip(&vector.hits) {
        candidate(*id, &mut |found| (found.vector_rank, found.vector_score) = (Some(rank), Some(*score)));
    }
    candidates
}

/// The hits of a search that asked one side only, with that side's scores.
pub(super) fn single(text: &Side, vector: &Side) -> Vec<Candidate> {
    let mut candidates = union(text, vector);
    for candidate in &mut candidates {
        candidate.score = candidate.text_score.or(candidate.vector_score).unwrap_or(0.0);
    }
    candidates
}

/// Sum of standardised scores above the floor.
pub(super) fn standardised(text: &Side, vector: &Side) -> Vec<Candidate> {
    let mut candidates = union(text, vector);
    let text_scale = scale(candidates.iter().map(|c| c.text_score.unwrap_or(text.floor)), text.floor);
    let vector_scale = scale(candidates.iter().map(|c| c.vector_score.unwrap_or(vector.floor)), vector.floor);
    for candidate in &mut candidates {
        let text_part = candidate.text_score.map_or(0.0, |score| (score - text.floor) / text_scale);
        let vector_part = candidate.vector_score.map_or(0.0, |score| (score - vector.floor) / vector_scale);
        candidate.score = text_part + vector_part;
    }
    candidates
}

/// Standard deviation; where all scores are equal, their height above the floor.
fn scale(scores: impl Iterator<Item = f64> + Clone, floor: f64) -> f64 {
    let count = scores.clone().count().max(1) as f64;
    let mean = scores.clone().sum::<f64>() / count;
    let deviation = (scores.clone().map(|score| (score - mean).powi(2)).sum::<f64>() / count).sqrt();
    let height = scores.fold(0.0, |height: f64, score| height.max(score - floor));
    // A deviation that is rounding only must not be divided by.
    if deviation > 1e-9 * (mean.abs() + 1e-9) {
        deviation
    } else if height > 0.0 {
        height
    } else {
        1.0
    }
}

/// Reciprocal rank fusion.
pub(super) fn reciprocal_rank(text: &Side, vector: &Side) -> Vec<Candidate> {
    let mut candidates = union(text, vector);
    let part = |rank: Option<i64>| rank.map_or(0.0, |rank| 1.0 / (RECIPROCAL_RANK_OFFSET + rank as f64));
    for candidate in &mut candidates {
        candidate.score = part(candidate.text_rank) + part(candidate.vector_rank);
    }
    candidates
}

/// A candidate with its place: conversation (numbered by the caller) and turn.
pub(super) type Placed = (u64, i64, Candidate);

/// Adds to each turn a part of its better neighbour's score; gives the places beside candidates that would then be among
/// the best `k`, with their scores.
pub(super) fn share_with_neighbours(candidates: &mut [Placed], k: usize) -> Vec<(u64, i64, f64)> {
    let own: FxHashMap<(u64, i64), f64> =
        candidates.iter().map(|(conversation, turn, candidate)| ((*conversation, *turn), candidate.score)).collect();
    let score_at = |conversation: u64, turn: Option<i64>| {
        turn.and_then(|turn| own.get(&(conversation, turn))).copied().unwrap_or(0.0)
    };
    let shared = |conversation: u64, turn: i64| {
        let before = score_at(conversation, turn.checked_sub(1));
        NEIGHBOUR_SHARE * before.max(score_at(conversation, turn.checked_add(1)))
    };
    let mut scores = Vec::with_capacity(candidates.len());
    for (conversation, turn, candidate) in candidates.iter_mut() {
        candidate.score += shared(*conversation, *turn);
        scores.push(candidate.score);
    }
    scores.sort_unstable_by(|a, b| b.total_cmp(a));
    let threshold = k.checked_sub(1).and_then(|last| scores.get(last)).copied().unwrap_or(f64::NEG_INFINITY);
    let mut beside: Vec<(u64, i64, f64)> = Vec::new();
    for (conversation, turn, _) in candidates.iter() {
        for turn in [turn.checked_sub(1), turn.checked_add(1)].into_iter().flatten() {
            let score = shared(*conversation, turn);
            if score >= threshold && !own.contains_key(&(*conversation, turn)) {
                beside.push((*conversation, turn, score));
            }
        }
    }
    beside.sort_unstable_by_key(|(conversation, turn, _)| (*conversation, *turn));
    beside.dedup_by_key(|(conversation, turn, _)| (*conversation, *turn));
    beside
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(candidates: &[Candidate], id: u64) -> Candidate {
        *candidates.iter().find(|candidate| candidate.id == id).expect("the candidate is there")
    }

    #[test]
    fn standardised_scores_add_up_above_the_floor() {
        let text = Side::new(vec![(1, 8.0), (2, 4.0)], Some(0.0));
        let vector = Side::new(vec![(2, 0.9), (3, 0.5)], None);
        let fused = standardised(&text, &vector);
        // Text scores 8, 4, 0 and vector scores 0.5 (the floor), 0.9, 0.5.
        let text_deviation = (32.0f64 / 3.0).sqrt();
        let vector_deviation = 0.4 * (2.0f64 / 9.0).sqrt();
        assert!((of(&fused, 1).score - 8.0 / text_deviation).abs() < 1e-9);
        assert!((of(&fused, 2).score - (4.0 / text_deviation + 0.4 / vector_deviation)).abs() < 1e-9);
        assert_eq!(of(&fused, 3).score, 0.0);
        assert_eq!((of(&fused, 2).text_rank, of(&fused, 2).vector_rank), (Some(2), Some(1)));
        assert_eq!((of(&fused, 1).text_rank, of(&fused, 1).vector_rank), (Some(1), None));
    }

    #[test]
    fn equal_scores_divide_by_no_deviation() {
        let text = Side::new(vec![(1, 3.0)], Some(0.0));
        let fused = standardised(&text, &Side::default());
        assert_eq!(fused.len(), 1);
        assert_eq!(fused[0].score, 1.0);
        let flat = standardised(&Side::default(), &Side::new(vec![(1, 0.1), (2, 0.1), (3, 0.1)], None));
        assert!(flat.iter().all(|candidate| candidate.score == 0.0));
    }

    #[test]
    fn reciprocal_ranks_add_up() {
        let text = Side::new(vec![(1, 8.0), (2, 4.0)], None);
        let vector = Side::new(vec![(2, 0.9)], None);
        let fused = reciprocal_rank(&text, &vector);
        assert!((of(&fused, 1).score - 1.0 / 61.0).abs() < 1e-12);
        assert!((of(&fused, 2).score - (1.0 / 62.0 + 1.0 / 61.0)).abs() < 1e-12);
    }

    #[test]
    fn neighbours_share_the_better_score_and_may_enter() {
        let mut placed = vec![
            (0, 5, Candidate::unranked(50, 10.0)),
            (0, 6, Candidate::unranked(60, 4.0)),
            (1, 6, Candidate::unranked(61, 1.0)),
        ];
        let beside = share_with_neighbours(&mut placed, 3);
        assert_eq!(placed[0].2.score, 10.0 + 0.3 * 4.0);
        assert_eq!(placed[1].2.score, 4.0 + 0.3 * 10.0);
        assert_eq!(placed[2].2.score, 1.0, "another conversation is no neighbour");
        // The third best is 1.0: turn 4 (0.3 × 10) and turn 7 (0.3 × 4) may enter, those beside (1, 6) may not.
        assert_eq!(beside, vec![(0, 4, 3.0), (0, 7, 1.2)]);
        assert!(share_with_neighbours(&mut [(0, i64::MAX, Candidate::unranked(1, 1.0))], 1).is_empty());
    }

    #[test]
    fn merged_sides_keep_the_best_score_of_an_id() {
        let merged = Side::merge(
            vec![Side::new(vec![(1, 5.0), (2, 1.0)], Some(0.0)), Side::new(vec![(2, 6.0), (3, 1.0)], Some(0.0))],
            2,
        );
        assert_eq!(merged.hits, vec![(2, 6.0), (1, 5.0)]);
        assert_eq!(merged.floor, 0.0);
    }
}
