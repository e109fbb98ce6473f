//! Is a history of committed transactions one that its isolation level allows?
//!
//! After Adya, Liskov, O'Neil, "Generalized Isolation Level Definitions" (ICDE 2000), and Kingsbury, Alvaro, "Elle:
//! Inferring Isolation Anomalies from Experimental Observations" (VLDB 2020). A level is defined by the cycles that the
//! direct serialization graph must not have. Its nodes are committed transactions, its edges say who must come first:
//!
//! - `ww`: one wrote over the other's version;
//! - `wr`: one read the other's version;
//! - `rw`: one read a version, or missed a key, and the other wrote the next version.
//!
//! The graph needs to know the order of a key's versions. As with Elle's lists, the data tell it: every value that is
//! written is unique, and a write says which value it wrote over (`UPDATE … SET previous = value, value = … RETURNING
//! previous`), which a lost or doubled write cannot hide. A key is inserted once and never again after it was deleted.
//! A key that was missing when it was read had either not been inserted yet or was deleted already; where both could
//! be, the read makes no edge. So what is reported is wrong for certain, and not everything that is wrong is found.

mod graph;
mod workload;

use std::collections::{BTreeMap, BTreeSet, HashMap};

use sinew::IsolationSetting as Isolation;

use graph::{Edge, EdgeKind, Graph};
pub use workload::{Recorded, Workload, record};

pub type Key = i64;
/// A value, unique in its history.
pub type Version = i64;

/// What a transaction did, as its client saw it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Operation {
    Read {
        key: Key,
        /// None: there was no such key.
        found: Option<Version>,
    },
    /// All keys from `low` to `high`, both included.
    Scan {
        low: Key,
        high: Key,
        found: Vec<(Key, Version)>,
    },
    Write {
        key: Key,
        version: Version,
        /// None: the key was inserted.
        over: Option<Version>,
    },
    Delete {
        key: Key,
        over: Version,
    },
}

/// What was there at first, and the committed transactions in any order.
#[derive(Clone, Debug, Default)]
pub struct History {
    pub initial: BTreeMap<Key, Version>,
    pub transactions: Vec<Vec<Operation>>,
}

/// What the level forbids and the history has, each named as in Adya's work and with its transactions; empty when there
/// is nothing. Of cycles, only the most basic one is given.
///
/// READ COMMITTED: G0 and G1. REPEATABLE READ, which is snapshot isolation: also lost updates and G-single.
/// SERIALIZABLE: every cycle.
pub fn violations(history: &History, isolation: Isolation) -> Vec<String> {
    let mut checker = Checker::new(history);
    checker.index();
    checker.connect();
    if let Some((name, cycle)) = checker.forbidden_cycle(isolation) {
        checker.found.push(describe(history, name, &cycle));
    }
    checker.found
}

struct Checker<'h> {
    history: &'h History,
    /// Key and writer of each version; no writer: it was there at first.
    writers: HashMap<Version, (Key, Option<usize>)>,
    /// Who wrote over a version, or deleted it.
    successors: HashMap<Version, usize>,
    inserters: BTreeMap<Key, usize>,
    deleters: HashMap<Key, usize>,
    /// What a transaction left of a key; None: it deleted it.
    last: HashMap<(usize, Key), Option<Version>>,
    graph: Graph,
    found: Vec<String>,
}

/// What a transaction itself has made of the keys so far.
type OwnState = HashMap<Key, Option<Version>>;

impl<'h> Checker<'h> {
    fn new(history: &'h History) -> Checker<'h> {
        Checker {
            history,
            writers: history.initial.iter().map(|(key, version)| (*version, (*key, None))).collect(),
            successors: HashMap::new(),
            inserters: BTreeMap::new(),
            deleters: HashMap::new(),
            last: HashMap::new(),
            graph: Graph::new(history.transactions.len()),
            found: Vec::new(),
        }
    }

    /// Who wrote what over what.
    fn index(&mut self) {
        let history = self.history;
        for (transaction, operations) in history.transactions.iter().enumerate() {
            for operation in operations {
                let (key, version, over) = match operation {
                    Operation::Read { .. } | Operation::Scan { .. } => continue,
                    Operation::Write { key, version, over } => (*key, Some(*version), *over),
                    Operation::Delete { key, over } => (*key, None, Some(*over)),
                };
                self.last.insert((transaction, key), version);
                match version {
                    Some(version) => {
                        self.writers.insert(version, (key, Some(transaction)));
                    }
                    None => {
                        self.deleters.insert(key, transaction);
                    }
                }
                match over {
                    Some(over) => {
                        if let Some(other) = self.successors.insert(over, transaction) {
                            self.found.push(format!(
                                "lost write: T{other} and T{transaction} both wrote over version {over} of key {key}"
                            ));
                        }
                    }
                    None => {
                        if let Some(other) = self.inserters.insert(key, transaction) {
                            self.found.push(format!("T{other} and T{transaction} both inserted key {key}"));
                        }
                    }
                }
            }
        }
    }

    /// The edges of the graph, and what needs no cycle to be wrong.
    fn connect(&mut self) {
        let history = self.history;
        for (transaction, operations) in history.transactions.iter().enumerate() {
            let mut own = OwnState::new();
            for operation in operations {
                match operation {
                    Operation::Read { key, found } => self.read(transaction, *key, *found, &own),
                    Operation::Scan { low, high, found } => {
                        let found: BTreeMap<Key, Version> = found.iter().copied().collect();
                        let mut keys: BTreeSet<Key> = found.keys().copied().collect();
                        keys.extend(history.initial.range(*low..=*high).map(|(key, _)| *key));
                        keys.extend(self.inserters.range(*low..=*high).map(|(key, _)| *key));
                        for key in keys {
                            self.read(transaction, key, found.get(&key).copied(), &own);
                        }
                    }
                    Operation::Write { key, version, over } => {
                        if let Some(over) = over {
                            self.write_over(transaction, *key, *over, &own);
                        }
                        own.insert(*key, Some(*version));
                    }
                    Operation::Delete { key, over } => {
                        self.write_over(transaction, *key, *over, &own);
                        own.insert(*key, None);
                    }
                }
            }
        }
    }

    fn read(&mut self, reader: usize, key: Key, found: Option<Version>, own: &OwnState) {
        if let Some(mine) = own.get(&key) {
            if *mine != found {
                self.found.push(format!("T{reader} wrote {mine:?} to key {key} and then read {found:?}"));
            }
            return;
        }
        let inserter = self.inserters.get(&key).copied();
        let deleter = self.deleters.get(&key).copied();
        match found {
            Some(version) => {
                let writer = self.writer_of(reader, key, version);
                self.edge(writer, Some(reader), EdgeKind::WriteRead, key);
                self.edge(Some(reader), self.successors.get(&version).copied(), EdgeKind::ReadWrite, key);
            }
            None if self.history.initial.contains_key(&key) => {
                if deleter.is_none() {
                    self.found.push(format!("G1a: T{reader} missed key {key}, which nobody deleted"));
                }
                self.edge(deleter, Some(reader), EdgeKind::WriteRead, key);
            }
            None if deleter.is_none() => self.edge(Some(reader), inserter, EdgeKind::ReadWrite, key),
            // Not there yet, or not there any more.
            None => {}
        }
    }

    fn write_over(&mut self, writer: usize, key: Key, over: Version, own: &OwnState) {
        if let Some(mine) = own.get(&key) {
            if *mine != Some(over) {
                self.found.push(format!("T{writer} wrote {mine:?} to key {key} and then wrote over {over}"));
            }
            return;
        }
        let before = self.writer_of(writer, key, over);
        self.edge(before, Some(writer), EdgeKind::WriteWrite, key);
    }

    /// Who wrote the version that `user` saw; None: it was there at first, or nobody who committed.
    fn writer_of(&mut self, user: usize, key: Key, version: Version) -> Option<usize> {
        let Some((written_to, writer)) = self.writers.get(&version).copied() else {
            self.found.push(format!("G1a: T{user} saw version {version} of key {key}, which nobody committed"));
            return None;
        };
        if written_to != key {
            self.found.push(format!("T{user} saw version {version} in key {key}; it was written to key {written_to}"));
        }
        let writer = writer?;
        if writer != user && self.last.get(&(writer, key)) != Some(&Some(version)) {
            self.found.push(format!(
                "G1b: T{user} saw version {version} of key {key}, which T{writer} itself wrote over before it committed"
            ));
        }
        Some(writer)
    }

    /// Adds an edge unless an end is missing or both are one.
    fn edge(&mut self, from: Option<usize>, to: Option<usize>, kind: EdgeKind, key: Key) {
        if let (Some(from), Some(to)) = (from, to)
            && from != to
        {
            self.graph.add(Edge { from, to, kind, key });
        }
    }

    fn forbidden_cycle(&self, isolation: Isolation) -> Option<(&'static str, Vec<Edge>)> {
        let graph = &self.graph;
        if let Some(cycle) = graph.cycle(&[EdgeKind::WriteWrite]) {
            return Some(("G0", cycle));
        }
        if let Some(cycle) = graph.cycle(&[EdgeKind::WriteWrite, EdgeKind::WriteRead]) {
            return Some(("G1c", cycle));
        }
        if isolation == Isolation::ReadCommitted {
            return None;
        }
        if let Some(cycle) = graph.cycle_with_one_read_write() {
            let one_key = cycle.iter().all(|edge| edge.key == cycle[0].key && edge.kind != EdgeKind::WriteRead);
            return Some((if one_key { "lost update" } else { "G-single" }, cycle));
        }
        if isolation != Isolation::Serializable {
            return None;
        }
        let cycle = graph.cycle(&[EdgeKind::WriteWrite, EdgeKind::WriteRead, EdgeKind::ReadWrite]);
        cycle.map(|cycle| ("G2", cycle))
    }
}

/// The cycle on one line, and what its transactions did.
fn describe(history: &History, name: &str, cycle: &[Edge]) -> String {
    let mut text = format!("{name}:");
    for edge in cycle {
        text += &format!(" T{} -{}(key {})->", edge.from, edge.kind.name(), edge.key);
    }
    if let Some(first) = cycle.first() {
        text += &format!(" T{}", first.from);
    }
    for edge in cycle {
        text += &format!("\n  T{}: {:?}", edge.from, history.transactions[edge.from]);
    }
    text
}
