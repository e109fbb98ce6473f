//! What a SERIALIZABLE transaction has read, and what others have written since.
//!
//! Validation is optimistic and backward (Kung and Robinson, "On optimistic methods for concurrency control", 1981): a
//! transaction that wrote something commits only if nothing it read was written by a commit after its snapshot. Its reads
//! are then those it would have made at its commit, so transactions are serial in commit order. Who wrote nothing read
//! one state and needs no validation.
//!
//! A read is a key or a range of keys of a keyspace, whether something was found there or not, so that phantoms count.
//! The graph image and the search indexes are derived from keyspaces and claim those: neighbours of a node are claimed by
//! node, label and type scans by prefix, a search by the whole of its table. Too many reads of one keyspace become a read
//! of all of it.

use std::collections::VecDeque;
use std::ops::Bound;
use std::sync::Arc;

use parking_lot::Mutex;
use rustc_hash::{FxHashMap, FxHashSet};

use super::Keyspace;
use super::kv::KvBound;
use super::write_set::{KeyspaceWrites, WriteRef, WriteSet};
use crate::graph::tokens::TokenKind;
use crate::ids::{Lsn, NodeId};

/// Reads of one keyspace that are remembered one by one.
const MAX_READS: usize = 20_000;
/// Written keys of one keyspace that a commit is remembered by; above, the keyspace counts as written throughout.
const MAX_WRITTEN_KEYS: usize = 100_000;
/// Where an adjacency key has the node it belongs to.
const ADJACENCY_NODE: std::ops::Range<usize> = 4..12;

type OwnedBound = Bound<Box<[u8]>>;

#[derive(Debug, Default)]
struct KeyspaceReads {
    whole: bool,
    keys: FxHashSet<Box<[u8]>>,
    ranges: Vec<(OwnedBound, OwnedBound)>,
    /// Nodes whose relationships were read, of adjacency keyspaces.
    nodes: FxHashSet<u64>,
}

impl KeyspaceReads {
    fn note(&mut self) {
        if self.keys.len() + self.ranges.len() + self.nodes.len() > MAX_READS {
            *self = KeyspaceReads { whole: true, ..KeyspaceReads::default() };
        }
    }

    /// `written` is sorted.
    fn meets(&self, written: &[Arc<[u8]>]) -> bool {
        if self.whole {
            return true;
        }
        let is_read = |key: &Arc<[u8]>| {
            self.keys.contains(&key[..])
                || key
                    .get(ADJACENCY_NODE)
                    .and_then(|node| node.try_into().ok())
                    .is_some_and(|node| !self.nodes.is_empty() && self.nodes.contains(&u64::from_be_bytes(node)))
        };
        let in_range = |(lower, upper): &(OwnedBound, OwnedBound)| {
            let first = written.partition_point(|key| match lower {
                Bound::Included(bound) => key[..] < bound[..],
                Bound::Excluded(bound) => key[..] <= bound[..],
                Bound::Unbounded => false,
            });
            written.get(first).is_some_and(|key| match upper {
                Bound::Included(bound) => key[..] <= bound[..],
                Bound::Excluded(bound) => key[..] < bound[..],
                Bound::Unbounded => true,
            })
        };
        self.ranges.iter().any(in_range) || written.iter().any(is_read)
    }
}

/// Everything that one transaction has read.
#[derive(Debug, Default)]
pub(crate) struct ReadSet {
    keyspaces: FxHashMap<Keyspace, KeyspaceReads>,
    /// Labels and relationship types that did not exist, and so had no members.
    unknown: FxHashSet<(TokenKind, Box<str>)>,
}

impl ReadSet {
    /// Claims the members of what was read under a name that did not exist then, and has a token by now.
    pub fn resolve(&mut self, token: impl Fn(TokenKind, &str) -> Option<u32>) {
        for (kind, name) in std::mem::take(&mut self.unknown) {
            let (Some(id), Some(keyspace)) = (token(kind, &name), members(kind)) else { continue };
            let lower = Bound::Included(Box::from(id.to_be_bytes()));
            let upper = match id.checked_add(1) {
                Some(next) => Bound::Excluded(Box::from(next.to_be_bytes())),
                None => Bound::Unbounded,
            };
            self.keyspaces.entry(keyspace).or_default().ranges.push((lower, upper));
        }
    }
}

/// Where the members of a label or type are, under its token.
fn members(kind: TokenKind) -> Option<Keyspace> {
    match kind {
        TokenKind::Label => Some(Keyspace::LABEL_NODES),
        TokenKind::RelationshipType => Some(Keyspace::ADJACENCY_OUT),
        TokenKind::PropertyKey => None,
    }
}

/// Where reads are noted, from several threads.
#[derive(Debug, Default)]
pub(crate) struct ReadRecorder {
    reads: Mutex<ReadSet>,
}

impl ReadRecorder {
    fn note(&self, keyspace: Keyspace, note: impl FnOnce(&mut KeyspaceReads)) {
        let mut reads = self.reads.lock();
        let reads = reads.keyspaces.entry(keyspace).or_default();
        if !reads.whole {
            note(reads);
            reads.note();
        }
    }

    pub fn key(&self, keyspace: Keyspace, key: &[u8]) {
        self.note(keyspace, |reads| {
            if !reads.keys.contains(key) {
                reads.keys.insert(Box::from(key));
            }
        });
    }

    pub fn range(&self, keyspace: Keyspace, lower: KvBound<'_>, upper: KvBound<'_>) {
        self.note(keyspace, |reads| match (lower, upper) {
            (Bound::Unbounded, Bound::Unbounded) => reads.whole = true,
            _ => reads.ranges.push((lower.map(Box::from), upper.map(Box::from))),
        });
    }

    pub fn prefix(&self, keyspace: Keyspace, prefix: &[u8]) {
        match crate::encoding::key::prefix_successor(prefix) {
            Some(end) => self.range(keyspace, Bound::Included(prefix), Bound::Excluded(&end)),
            None => self.range(keyspace, Bound::Included(prefix), Bound::Unbounded),
        }
    }

    pub fn whole(&self, keyspace: Keyspace) {
        self.range(keyspace, Bound::Unbounded, Bound::Unbounded);
    }

    /// The relationships of a node, of any type, in an adjacency keyspace.
    pub fn node(&self, keyspace: Keyspace, node: NodeId) {
        self.note(keyspace, |reads| {
            reads.nodes.insert(node.0);
        });
    }

    /// A label or type was looked for that does not exist.
    pub fn unknown(&self, kind: TokenKind, name: &str) {
        self.reads.lock().unknown.insert((kind, name.into()));
    }

    pub fn take(&self) -> ReadSet {
        std::mem::take(&mut self.reads.lock())
    }
}

/// The keys of one commit, sorted, by keyspace; None for a keyspace that was cleared, or written too much to say.
type WrittenKeys = Vec<(Keyspace, Option<Vec<Arc<[u8]>>>)>;

/// Keys remembered, with one more for each keyspace.
const MAX_REMEMBERED_KEYS: usize = if cfg!(test) { 5_000 } else { 4_000_000 };

fn key_count(written: &WrittenKeys) -> usize {
    written.iter().map(|(_, keys)| 1 + keys.as_ref().map_or(0, Vec::len)).sum()
}

/// The keys that recent commits wrote, for as long as a SERIALIZABLE transaction may have read before them.
#[derive(Default)]
pub(super) struct RecentWrites {
    commits: VecDeque<(Lsn, WrittenKeys)>,
    key_count: usize,
    /// Commits above this LSN are all remembered.
    complete_above: Lsn,
}

impl RecentWrites {
    /// A keyspace that was read and then written by a commit above `base`; the snapshot's LSN. `Err(())` when that is not
    /// known any more.
    pub fn find_conflict(&self, reads: &ReadSet, base: Lsn) -> Result<Option<Keyspace>, ()> {
        if base < self.complete_above {
            return Err(());
        }
        let later = self.commits.iter().filter(|(lsn, _)| *lsn > base);
        for (keyspace, written) in later.flat_map(|(_, keyspaces)| keyspaces) {
            let Some(read) = reads.keyspaces.get(keyspace) else { continue };
            if written.as_ref().is_none_or(|written| read.meets(written)) {
                return Ok(Some(*keyspace));
            }
        }
        Ok(None)
    }

    pub fn record(&mut self, set: &WriteSet, lsn: Lsn) {
        let keys = |(keyspace, writes): (&Keyspace, &KeyspaceWrites)| {
            let is_listed = writes.cleared.is_none() && writes.key_count() <= MAX_WRITTEN_KEYS;
            (*keyspace, is_listed.then(|| writes.iter().map(WriteRef::shared_key).collect()))
        };
        // What was spilled is not read again for this: its keyspaces count as written throughout.
        let spilled = set.layered_keyspaces().into_iter().map(|keyspace| (keyspace, None));
        let written: WrittenKeys = set.keyspaces.iter().map(keys).chain(spilled).collect();
        self.key_count += key_count(&written);
        self.commits.push_back((lsn, written));
        // Whoever still reads at an older snapshot is told that it is not known any more.
        while self.key_count > MAX_REMEMBERED_KEYS
            && let Some((oldest, written)) = self.commits.pop_front()
        {
            self.key_count -= key_count(&written);
            self.complete_above = self.complete_above.max(oldest);
        }
    }

    /// Those commits failed.
    pub fn take_back(&mut self, lsn: Lsn) {
        while let Some((_, written)) = self.commits.pop_back_if(|(recorded, _)| *recorded > lsn) {
            self.key_count -= key_count(&written);
        }
    }

    /// Nobody has read before `lsn`, or who has was told that this is not known any more.
    pub fn forget(&mut self, lsn: Lsn) {
        while let Some((_, written)) = self.commits.pop_front_if(|(recorded, _)| *recorded <= lsn) {
            self.key_count -= key_count(&written);
        }
        self.complete_above = self.complete_above.max(lsn);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROWS: Keyspace = Keyspace(50_000);

    fn meets(read: impl FnOnce(&ReadRecorder), written: &[&[u8]]) -> bool {
        let recorder = ReadRecorder::default();
        read(&recorder);
        let reads = recorder.take();
        let written: Vec<Arc<[u8]>> = written.iter().map(|key| Arc::from(*key)).collect();
        reads.keyspaces.get(&ROWS).is_some_and(|reads| reads.meets(&written))
    }

    #[test]
    fn keys_ranges_and_nodes_are_met() {
        assert!(meets(|reads| reads.key(ROWS, b"b"), &[b"a", b"b"]));
        assert!(!meets(|reads| reads.key(ROWS, b"b"), &[b"a", b"c"]));
        let range = |reads: &ReadRecorder| reads.range(ROWS, Bound::Included(b"b"), Bound::Excluded(b"d"));
        assert!(meets(range, &[b"a", b"c1"]));
        assert!(!meets(range, &[b"a", b"d"]));
        assert!(meets(|reads| reads.prefix(ROWS, b"b"), &[b"a", b"bz", b"c"]));
        assert!(!meets(|reads| reads.prefix(ROWS, b"b"), &[b"a", b"c"]));
        assert!(meets(|reads| reads.whole(ROWS), &[b"x"]));
        let adjacency = [&[0, 0, 0, 7][..], &9_u64.to_be_bytes(), &[0; 16]].concat();
        assert!(meets(|reads| reads.node(ROWS, NodeId(9)), &[&adjacency]));
        assert!(!meets(|reads| reads.node(ROWS, NodeId(8)), &[&adjacency]));
        let many = |reads: &ReadRecorder| {
            (0..=MAX_READS as u64 + 1).for_each(|number| reads.key(ROWS, &number.to_be_bytes()));
        };
        assert!(meets(many, &[b"unread"]), "too many reads are a read of everything");
    }
}
