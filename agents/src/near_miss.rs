//! "Did you mean": the nearest of some names.

/// The nearest candidate, when it is near enough to be worth naming.
pub fn near_miss<'a>(name: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let name = name.to_lowercase();
    let limit = (name.chars().count() / 3).max(1);
    candidates
        .into_iter()
        .map(|candidate| (edit_distance(&name, &candidate.to_lowercase()), candidate))
        // A name of one letter is near to every other such name.
        .filter(|(distance, _)| *distance <= limit && *distance < name.chars().count())
        .min()
        .map(|(_, candidate)| candidate)
}

/// Optimal string alignment: a swap of neighbours counts as one edit.
fn edit_distance(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    let mut rows = vec![vec![0usize; b.len() + 1]; a.len() + 1];
    for (i, row) in rows.iter_mut().enumerate() {
        row[0] = i;
    }
    for j in 0..=b.len() {
        rows[0][j] = j;
    }
    for i in 1..=a.len() {
        for j in 1..=b.len() {
            let substitution = rows[i - 1][j - 1] + usize::from(a[i - 1] != b[j - 1]);
            let mut best = substitution.min(rows[i - 1][j] + 1).min(rows[i][j - 1] + 1);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                best = best.min(rows[i - 2][j - 2] + 1);
            }
            rows[i][j] = best;
        }
    }
    rows[a.len()][b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nearest_within_a_third() {
        assert_eq!(near_miss("max_tokes", ["max_tokens", "max_usd"]), Some("max_tokens"));
        assert_eq!(near_miss("porvider", ["provider"]), Some("provider"));
        assert_eq!(near_miss("weather", ["provider", "model"]), None);
    }
}
