//! The direct serialization graph and its cycles.

use std::collections::VecDeque;

use super::Key;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum EdgeKind {
    WriteWrite,
    WriteRead,
    ReadWrite,
}

impl EdgeKind {
    pub fn name(self) -> &'static str {
        match self {
            EdgeKind::WriteWrite => "ww",
            EdgeKind::WriteRead => "wr",
            EdgeKind::ReadWrite => "rw",
        }
    }
}

/// `from` comes before `to` in every serial order, because of `key`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Edge {
    pub from: usize,
    pub to: usize,
    pub kind: EdgeKind,
    pub key: Key,
}

/// Edges by the transaction they leave.
pub(super) struct Graph {
    edges: Vec<Vec<Edge>>,
}

impl Graph {
    pub fn new(transaction_count: usize) -> Graph {
        Graph { edges: vec![Vec::new(); transaction_count] }
    }

    /// Adds an edge; a second one of its kind between the same transactions says nothing new.
    pub fn add(&mut self, edge: Edge) {
        let edges = &mut self.edges[edge.from];
        if !edges.iter().any(|known| known.to == edge.to && known.kind == edge.kind) {
            edges.push(edge);
        }
    }

    /// A shortest cycle of edges of these kinds.
    pub fn cycle(&self, kinds: &[EdgeKind]) -> Option<Vec<Edge>> {
        let mut shortest: Option<Vec<Edge>> = None;
        for start in self.beyond_order(kinds) {
            let cycles = self.leaving(start, kinds).filter_map(|edge| self.closed(edge, kinds));
            if let Some(cycle) = cycles.min_by_key(Vec::len)
                && shortest.as_ref().is_none_or(|known| cycle.len() < known.len())
            {
                shortest = Some(cycle);
            }
        }
        shortest
    }

    /// A shortest cycle in which one edge is a read before a write and no other.
    pub fn cycle_with_one_read_write(&self) -> Option<Vec<Edge>> {
        if self.beyond_order(&[EdgeKind::WriteWrite, EdgeKind::WriteRead, EdgeKind::ReadWrite]).is_empty() {
            return None;
        }
        let kinds = [EdgeKind::WriteWrite, EdgeKind::WriteRead];
        let all = self.edges.iter().flatten().copied();
        let cycles = all.filter(|edge| edge.kind == EdgeKind::ReadWrite).filter_map(|edge| self.closed(edge, &kinds));
        cycles.min_by_key(Vec::len)
    }

    fn leaving(&self, from: usize, kinds: &[EdgeKind]) -> impl Iterator<Item = Edge> {
        self.edges[from].iter().copied().filter(move |edge| kinds.contains(&edge.kind))
    }

    /// Transactions that are left when those with nobody before them are taken away again and again (Kahn 1962): none
    /// when there is no cycle.
    fn beyond_order(&self, kinds: &[EdgeKind]) -> Vec<usize> {
        let mut before = vec![0usize; self.edges.len()];
        for from in 0..self.edges.len() {
            for edge in self.leaving(from, kinds) {
                before[edge.to] += 1;
            }
        }
        let mut free: Vec<usize> = (0..before.len()).filter(|node| before[*node] == 0).collect();
        let mut is_left = vec![true; before.len()];
        while let Some(node) = free.pop() {
            is_left[node] = false;
            for edge in self.leaving(node, kinds) {
                before[edge.to] -= 1;
                if before[edge.to] == 0 {
                    free.push(edge.to);
                }
            }
        }
        (0..is_left.len()).filter(|node| is_left[*node]).collect()
    }

    /// `first` and a shortest way back to where it begins, over edges of these kinds.
    fn closed(&self, first: Edge, kinds: &[EdgeKind]) -> Option<Vec<Edge>> {
        // By transaction: the edge over which it was reached.
        let mut reached: Vec<Option<Edge>> = vec![None; self.edges.len()];
        let mut queue = VecDeque::from([first.to]);
        reached[first.to] = Some(first);
        while let Some(node) = queue.pop_front() {
            if node == first.from {
                break;
            }
            for edge in self.leaving(node, kinds) {
                if reached[edge.to].is_none() {
                    reached[edge.to] = Some(edge);
                    queue.push_back(edge.to);
                }
            }
        }
        let mut cycle = Vec::new();
        let mut node = first.from;
        loop {
            let edge = reached[node]?;
            cycle.push(edge);
            if node == first.to {
                break;
            }
            node = edge.from;
        }
        cycle.reverse();
        Some(cycle)
    }
}
