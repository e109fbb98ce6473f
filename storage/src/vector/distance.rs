//! Distance kernels. Plain loops over sixteen accumulators, which compilers turn into SIMD.

use crate::catalog::VectorMetric;

const LANES: usize = 16;

/// Sums `term(a[i], b[i])` in single precision, as pgvector does.
#[inline(always)]
fn sum_terms(a: &[f32], b: &[f32], term: impl Fn(f32, f32) -> f32) -> f32 {
    let mut lanes = [0.0f32; LANES];
    let (a_chunks, a_rest) = a.as_chunks::<LANES>();
    let (b_chunks, b_rest) = b.as_chunks::<LANES>();
    for (x, y) in a_chunks.iter().zip(b_chunks) {
        for lane in 0..LANES {
            lanes[lane] += term(x[lane], y[lane]);
        }
    }
    let rest: f32 = a_rest.iter().zip(b_rest).map(|(x, y)| term(*x, *y)).sum();
    lanes.iter().sum::<f32>() + rest
}

pub(crate) fn dot(a: &[f32], b: &[f32]) -> f32 {
    sum_terms(a, b, |x, y| x * y)
}

pub(crate) fn squared_euclidean(a: &[f32], b: &[f32]) -> f32 {
    sum_terms(a, b, |x, y| (x - y) * (x - y))
}

/// Cosine distance from a dot product and two squared norms; NaN when a norm is zero.
pub(crate) fn cosine_from_parts(dot: f32, a_squared_norm: f32, b_squared_norm: f32) -> f64 {
    let similarity = f64::from(dot) / (f64::from(a_squared_norm) * f64::from(b_squared_norm)).sqrt();
    1.0 - similarity.clamp(-1.0, 1.0)
}

/// Distance as pgvector's operator of the metric gives it: `<->` Euclidean, `<=>` 1 − cosine similarity, `<#>` negative
/// inner product. NaN for cosine with a zero vector. Both slices have the same length.
pub fn vector_distance(metric: VectorMetric, a: &[f32], b: &[f32]) -> f64 {
    debug_assert_eq!(a.len(), b.len());
    match metric {
        VectorMetric::Euclidean => f64::from(squared_euclidean(a, b)).sqrt(),
        VectorMetric::Cosine => cosine_from_parts(dot(a, b), dot(a, a), dot(b, b)),
        VectorMetric::InnerProduct => -f64::from(dot(a, b)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distances_are_those_of_pgvector() {
        let check = |metric, a: &[f32], b: &[f32], expected: f64| {
            let actual = vector_distance(metric, a, b);
            assert!((actual - expected).abs() < 1e-6, "{metric:?} {a:?} {b:?}: {actual} instead of {expected}");
        };
        check(VectorMetric::Euclidean, &[0.0, 0.0], &[3.0, 4.0], 5.0);
        check(VectorMetric::InnerProduct, &[1.0, 2.0], &[3.0, 4.0], -11.0);
        check(VectorMetric::Cosine, &[1.0, 2.0], &[2.0, 4.0], 0.0);
        check(VectorMetric::Cosine, &[1.0, 1.0], &[-1.0, -1.0], 2.0);
        check(VectorMetric::Cosine, &[1.0, 0.0], &[0.0, 2.0], 1.0);
        assert!(vector_distance(VectorMetric::Cosine, &[0.0, 0.0], &[1.0, 2.0]).is_nan());
    }

    #[test]
    fn lanes_and_remainder_add_up() {
        for len in [1, 15, 16, 17, 33, 100] {
            let a: Vec<f32> = (0..len).map(|i| i as f32).collect();
            let expected: f32 = a.iter().map(|x| x * x).sum();
            assert!((dot(&a, &a) - expected).abs() <= expected * 1e-6, "length {len}");
        }
    }
}
