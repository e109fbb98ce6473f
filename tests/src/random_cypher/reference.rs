//! Patterns matched by trying everything: no index, no order of joins, no expansion. What comes out is compared with the
//! server's answer, so this knows as little as it can of how the server does it.

use std::collections::BTreeMap;

use super::graph::{FIRST_RELATIONSHIP_UID, Graph};
use super::pattern::{Arrow, NodePattern, Path, RelationshipPattern};

/// Rows that a query of the reference may have: more are not compared.
const ROW_LIMIT: usize = 20_000;

/// What the names of one match stand for.
#[derive(Clone, Debug, Default)]
struct Match {
    nodes: BTreeMap<String, usize>,
    relationships: BTreeMap<String, usize>,
    lists: BTreeMap<String, Vec<usize>>,
    /// Of the whole clause: none is used twice.
    used: Vec<usize>,
}

/// The rows of `MATCH paths RETURN` the uids of the named nodes and relationships, in text format. None when there are too
/// many.
pub fn rows(graph: &Graph, paths: &[Path], columns: &[String]) -> Option<Vec<Vec<Option<String>>>> {
    let mut matches = vec![Match::default()];
    for path in paths {
        let mut next = Vec::new();
        for known in &matches {
            for node in 0..graph.nodes.len() {
                if let Some(begun) = with_node(graph, known, &path.nodes[0], node) {
                    walk(graph, path, 0, node, begun, &mut next)?;
                }
            }
        }
        matches = next;
    }
    let uid = |index: usize| (FIRST_RELATIONSHIP_UID + index).to_string();
    let cell = |found: &Match, column: &String| {
        if let Some(node) = found.nodes.get(column) {
            return Some(node.to_string());
        }
        if let Some(relationship) = found.relationships.get(column) {
            return Some(uid(*relationship));
        }
        let list: Vec<String> = found.lists.get(column)?.iter().map(|relationship| uid(*relationship)).collect();
        Some(list.join("-"))
    };
    Some(matches.iter().map(|found| columns.iter().map(|column| cell(found, column)).collect()).collect())
}

/// The match with the node of a pattern found at `node`, if it fits.
fn with_node(graph: &Graph, known: &Match, pattern: &NodePattern, node: usize) -> Option<Match> {
    let found = &graph.nodes[node];
    if pattern.labels.as_ref().is_some_and(|labels| !labels.holds(&found.labels)) {
        return None;
    }
    if let Some((key, value)) = &pattern.property
        && found.properties.get(key) != Some(value)
    {
        return None;
    }
    let mut out = known.clone();
    if let Some(name) = &pattern.name
        && *out.nodes.entry(name.clone()).or_insert(node) != node
    {
        return None;
    }
    Some(out)
}

/// Goes on from `node`, the end of the first `step` relationships of the path.
fn walk(graph: &Graph, path: &Path, step: usize, node: usize, known: Match, out: &mut Vec<Match>) -> Option<()> {
    let Some(relationship) = path.relationships.get(step) else {
        out.push(known);
        return (out.len() <= ROW_LIMIT).then_some(());
    };
    let (least, most) = relationship.length.unwrap_or((1, 1));
    // Walks of growing length from here, each with what it has used.
    let mut walks = vec![(node, Vec::new())];
    for length in 0..=most {
        if length >= least {
            for (end, taken) in &walks {
                let mut next = known.clone();
                next.used.extend(taken);
                if let Some(name) = &relationship.name {
                    match relationship.length {
                        Some(_) => drop(next.lists.insert(name.clone(), taken.clone())),
                        None => drop(next.relationships.insert(name.clone(), taken[0])),
                    }
                }
                if let Some(next) = with_node(graph, &next, &path.nodes[step + 1], *end) {
                    walk(graph, path, step + 1, *end, next, out)?;
                }
            }
        }
        let mut longer = Vec::new();
        for (end, taken) in &walks {
            for (index, to) in steps(graph, relationship, *end) {
                if !known.used.contains(&index) && !taken.contains(&index) {
                    let mut taken = taken.clone();
                    taken.push(index);
                    longer.push((to, taken));
                }
            }
        }
        if longer.len() > ROW_LIMIT {
            return None;
        }
        walks = longer;
    }
    Some(())
}

/// Relationships that fit the pattern away from a node, and where they lead. A loop leads there once.
fn steps(graph: &Graph, pattern: &RelationshipPattern, from: usize) -> Vec<(usize, usize)> {
    let mut out = Vec::new();
    for (index, found) in graph.relationships.iter().enumerate() {
        let fits = pattern.types.is_empty() || pattern.types.contains(&found.ty);
        let equal = pattern.property.as_ref().is_none_or(|(key, value)| found.properties.get(key) == Some(value));
        if !fits || !equal {
            continue;
        }
        let (forward, backward) = (found.source == from, found.target == from);
        match pattern.arrow {
            Arrow::Right if forward => out.push((index, found.target)),
            Arrow::Left if backward => out.push((index, found.source)),
            Arrow::Either if forward => out.push((index, found.target)),
            Arrow::Either if backward => out.push((index, found.source)),
            _ => {}
        }
    }
    out
}
