//! The name that was probably meant.

/// The candidate nearest to `name` ignoring case, when it is near enough to be meant: a third of its characters may differ,
/// one at least and three at most; a single character is near to nothing. A swap of neighbours is one difference (optimal string alignment distance). Ties go to the first in
/// alphabetical order.
pub fn near_miss<'n>(name: &str, candidates: impl IntoIterator<Item = &'n str>) -> Option<&'n str> {
    let limit = match name.chars().count() {
        0 | 1 => return None,
        count => (count / 3).clamp(1, 3),
    };
    let lower: Vec<char> = name.to_lowercase().chars().collect();
    candidates
        .into_iter()
        .filter(|candidate| *candidate != name && candidate.len().abs_diff(name.len()) <= 4 * limit)
        .map(|candidate| (distance(&lower, &candidate.to_lowercase().chars().collect::<Vec<char>>()), candidate))
        .filter(|(distance, _)| *distance <= limit)
        .min()
        .map(|(_, candidate)| candidate)
}

/// Optimal string alignment distance: insertions, deletions, substitutions and swaps of neighbours.
fn distance(a: &[char], b: &[char]) -> usize {
    let mut before: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=b.len()).collect();
    for i in 0..a.len() {
        let mut row = vec![i + 1];
        for j in 0..b.len() {
            let mut best = (last[j] + usize::from(a[i] != b[j])).min(last[j + 1] + 1).min(row[j] + 1);
            if i > 0 && j > 0 && a[i] == b[j - 1] && a[i - 1] == b[j] {
                best = best.min(before[j - 1] + 1);
            }
            row.push(best);
        }
        before = std::mem::replace(&mut last, row);
    }
    last[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn near_names_are_found() {
        let names = ["length", "messages", "conversations", "name"];
        assert_eq!(near_miss("lenght", names), Some("length"));
        assert_eq!(near_miss("mesages", names), Some("messages"));
        assert_eq!(near_miss("Nmae", names), Some("name"));
        assert_eq!(near_miss("orders", names), None);
        assert_eq!(near_miss("name", names), None);
    }
}
