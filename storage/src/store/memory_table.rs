//! The memory table: committed versions that redb does not hold yet.
//!
//! One skip list per keyspace, from (key, LSN descending) to value. The committer alone inserts; readers take no lock
//! and see the newest version at or below their snapshot's LSN, so one table serves every snapshot made over it:
//!
//! ```text
//! (a, 9) → 3   (a, 4) → 2   (b, 7) → deleted   (c, 9) → 1      snapshot at 8: a = 2, b gone, c as below
//! ```
//!
//! A table only grows. When it is large enough the committer begins a new one; the old one is applied to redb in one
//! sorted pass (`applier.rs`) and freed with the last snapshot that was made over it.

use std::borrow::Borrow;
use std::cmp::Ordering;
use std::collections::VecDeque;
use std::ops::Bound;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering as Atomic};

use crossbeam_skiplist::SkipMap;
use parking_lot::RwLock;
use rustc_hash::FxHashMap;

use super::Keyspace;
use super::kv::KvBound;
use super::write_set::Lookup;
use crate::ids::Lsn;

/// What one version costs beside its bytes: tower, key and value headers, reference counts.
const ENTRY_OVERHEAD_BYTES: usize = 128;
/// Versions of one key walked over before the list is searched anew.
const WALK_LIMIT: usize = 8;

/// A key at one LSN; newer versions come first.
struct VersionKey {
    key: Arc<[u8]>,
    lsn: Lsn,
}

/// What keys are compared by, so that they can be looked for without being built.
trait Version {
    fn key(&self) -> &[u8];
    fn lsn(&self) -> Lsn;
}

impl Version for VersionKey {
    fn key(&self) -> &[u8] {
        &self.key
    }
    fn lsn(&self) -> Lsn {
        self.lsn
    }
}

impl Version for (&[u8], Lsn) {
    fn key(&self) -> &[u8] {
        self.0
    }
    fn lsn(&self) -> Lsn {
        self.1
    }
}

impl<'v> Borrow<dyn Version + 'v> for VersionKey {
    fn borrow(&self) -> &(dyn Version + 'v) {
        self
    }
}

fn compare(a: &(impl Version + ?Sized), b: &(impl Version + ?Sized)) -> Ordering {
    a.key().cmp(b.key()).then_with(|| b.lsn().cmp(&a.lsn()))
}

impl PartialEq for dyn Version + '_ {
    fn eq(&self, other: &Self) -> bool {
        compare(self, other).is_eq()
    }
}
impl Eq for dyn Version + '_ {}
impl PartialOrd for dyn Version + '_ {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}
impl Ord for dyn Version + '_ {
    fn cmp(&self, other: &Self) -> Ordering {
        compare(self, other)
    }
}
impl PartialEq for VersionKey {
    fn eq(&self, other: &Self) -> bool {
        compare(self, other).is_eq()
    }
}
impl Eq for VersionKey {}
impl PartialOrd for VersionKey {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}
impl Ord for VersionKey {
    fn cmp(&self, other: &Self) -> Ordering {
        compare(self, other)
    }
}

/// One committed write.
#[derive(Clone)]
pub(crate) struct Stored {
    /// None deletes the key.
    pub value: Option<Arc<[u8]>>,
    /// The key existed nowhere before.
    pub fresh: bool,
}

/// Pairs of a key and its write, as a chunk of a range.
pub(crate) type Chunk = VecDeque<(Arc<[u8]>, Option<Arc<[u8]>>)>;

/// The versions of one keyspace.
#[derive(Default)]
pub(crate) struct KeyspaceVersions {
    versions: SkipMap<VersionKey, Stored>,
}

impl KeyspaceVersions {
    fn insert(&self, key: Arc<[u8]>, lsn: Lsn, stored: Stored) {
        self.versions.insert(VersionKey { key, lsn }, stored);
    }

    pub fn lookup(&self, key: &[u8], lsn: Lsn) -> Lookup {
        let wanted = (key, lsn);
        match self.versions.lower_bound::<dyn Version>(Bound::Included(&wanted as &dyn Version)) {
            Some(entry) if *entry.key().key == *key => match &entry.value().value {
                Some(value) => Lookup::Value(Arc::clone(value)),
                None => Lookup::Deleted,
            },
            _ => Lookup::Below,
        }
    }

    /// At most `limit` keys with their newest write at or below `lsn`, in order (or against it), as a range continues.
    pub fn chunk(&self, lower: KvBound<'_>, upper: KvBound<'_>, reverse: bool, lsn: Lsn, limit: usize) -> Chunk {
        let mut chunk = Chunk::new();
        self.for_each(lower, upper, reverse, lsn, &mut |key, stored| {
            chunk.push_back((Arc::clone(key), stored.value.clone()));
            chunk.len() < limit
        });
        chunk
    }

    /// See [`super::layers::LayerKeyspace::count_delta`].
    pub fn count_delta(&self, lsn: Lsn) -> i64 {
        // Versions of a key lie behind one another, the newest first; the oldest says whether the key is new here.
        let (mut delta, mut exists, mut current) = (0, None, None::<Arc<[u8]>>);
        let mut is_fresh = false;
        for entry in self.versions.iter().filter(|entry| entry.key().lsn <= lsn) {
            if current.as_ref() != Some(&entry.key().key) {
                delta += count_of(is_fresh, exists);
                current = Some(Arc::clone(&entry.key().key));
                exists = Some(entry.value().value.is_some());
            }
            is_fresh = entry.value().fresh;
        }
        delta + count_of(is_fresh, exists)
    }

    /// Calls `visit` on each key's newest write at or below `lsn` until it says false.
    pub fn for_each(
        &self,
        lower: KvBound<'_>,
        upper: KvBound<'_>,
        reverse: bool,
        lsn: Lsn,
        visit: &mut dyn FnMut(&Arc<[u8]>, &Stored) -> bool,
    ) {
        if reverse {
            self.for_each_down(lower, upper, lsn, visit);
        } else {
            self.for_each_up(lower, upper, lsn, visit);
        }
    }

    fn for_each_up(
        &self,
        lower: KvBound<'_>,
        upper: KvBound<'_>,
        lsn: Lsn,
        visit: &mut dyn FnMut(&Arc<[u8]>, &Stored) -> bool,
    ) {
        let mut entry = match lower {
            Bound::Unbounded => self.versions.front(),
            // All versions of the bound itself lie at or behind (bound, newest), and before (bound, oldest).
            Bound::Included(key) => self.seek(Bound::Included((key, Lsn(u64::MAX)))),
            Bound::Excluded(key) => self.seek(Bound::Excluded((key, Lsn(0)))),
        };
        while let Some(found) = entry {
            let key = &found.key().key;
            if !is_below(key, upper) {
                return;
            }
            if found.key().lsn > lsn {
                entry = self.walk(&found, |next| next.lsn <= lsn || next.key != *key, (key, lsn));
                continue;
            }
            if !visit(key, found.value()) {
                return;
            }
            // Past the older versions: (key, 0) is behind all of them.
            entry = self.walk(&found, |next| next.key != *key, (key, Lsn(0)));
        }
    }

    /// The first entry after `from` that satisfies `wanted`, which all entries at or behind `target` do.
    fn walk<'m>(
        &'m self,
        from: &crossbeam_skiplist::map::Entry<'m, VersionKey, Stored>,
        wanted: impl Fn(&VersionKey) -> bool,
        target: (&[u8], Lsn),
    ) -> Option<crossbeam_skiplist::map::Entry<'m, VersionKey, Stored>> {
        let mut next = from.next();
        for _ in 0..WALK_LIMIT {
            match next {
                Some(entry) if !wanted(entry.key()) => next = entry.next(),
                found => return found,
            }
        }
        self.seek(Bound::Included(target))
    }

    fn seek(&self, bound: Bound<(&[u8], Lsn)>) -> Option<crossbeam_skiplist::map::Entry<'_, VersionKey, Stored>> {
        match &bound {
            Bound::Included(key) => self.versions.lower_bound::<dyn Version>(Bound::Included(key as &dyn Version)),
            Bound::Excluded(key) => self.versions.lower_bound::<dyn Version>(Bound::Excluded(key as &dyn Version)),
            Bound::Unbounded => self.versions.front(),
        }
    }

    fn for_each_down(
        &self,
        lower: KvBound<'_>,
        upper: KvBound<'_>,
        lsn: Lsn,
        visit: &mut dyn FnMut(&Arc<[u8]>, &Stored) -> bool,
    ) {
        let before = |bound: Bound<(&[u8], Lsn)>| match &bound {
            Bound::Included(key) => self.versions.upper_bound::<dyn Version>(Bound::Included(key as &dyn Version)),
            Bound::Excluded(key) => self.versions.upper_bound::<dyn Version>(Bound::Excluded(key as &dyn Version)),
            Bound::Unbounded => self.versions.back(),
        };
        let mut entry = match upper {
            Bound::Unbounded => before(Bound::Unbounded),
            Bound::Included(key) => before(Bound::Included((key, Lsn(0)))),
            Bound::Excluded(key) => before(Bound::Excluded((key, Lsn(u64::MAX)))),
        };
        while let Some(found) = entry {
            let key = &found.key().key;
            if !is_above(key, lower) {
                return;
            }
            // `found` is the oldest version; the visible one is looked up.
            let visible = self.seek(Bound::Included((key, lsn))).filter(|visible| visible.key().key == *key);
            if let Some(visible) = visible
                && !visit(key, visible.value())
            {
                return;
            }
            entry = before(Bound::Excluded((key, Lsn(u64::MAX))));
        }
    }
}

/// Keys gained by a key that exists now or not, and that was new or not; None for no key at all.
pub(super) fn count_of(is_fresh: bool, exists: Option<bool>) -> i64 {
    match (is_fresh, exists) {
        (true, Some(true)) => 1,
        (false, Some(false)) => -1,
        _ => 0,
    }
}

pub(super) fn is_below(key: &[u8], upper: KvBound<'_>) -> bool {
    match upper {
        Bound::Included(bound) => key <= bound,
        Bound::Excluded(bound) => key < bound,
        Bound::Unbounded => true,
    }
}

pub(super) fn is_above(key: &[u8], lower: KvBound<'_>) -> bool {
    match lower {
        Bound::Included(bound) => key >= bound,
        Bound::Excluded(bound) => key > bound,
        Bound::Unbounded => true,
    }
}

/// See the module.
#[derive(Default)]
pub(crate) struct MemoryTable {
    keyspaces: RwLock<FxHashMap<Keyspace, Arc<KeyspaceVersions>>>,
    size_bytes: AtomicUsize,
}

impl MemoryTable {
    /// Enters a committed write. Called by the committer alone, with LSNs that do not fall; a later write of the same key
    /// at the same LSN replaces the earlier one.
    pub fn insert(&self, keyspace: Keyspace, key: Arc<[u8]>, lsn: Lsn, stored: Stored) {
        let size = key.len() + stored.value.as_ref().map_or(0, |value| value.len()) + ENTRY_OVERHEAD_BYTES;
        self.size_bytes.fetch_add(size, Atomic::Relaxed);
        self.versions_for_write(keyspace).insert(key, lsn, stored);
    }

    fn versions_for_write(&self, keyspace: Keyspace) -> Arc<KeyspaceVersions> {
        if let Some(versions) = self.keyspace(keyspace) {
            return versions;
        }
        Arc::clone(self.keyspaces.write().entry(keyspace).or_default())
    }

    pub fn keyspace(&self, keyspace: Keyspace) -> Option<Arc<KeyspaceVersions>> {
        self.keyspaces.read().get(&keyspace).cloned()
    }

    pub fn lookup(&self, keyspace: Keyspace, key: &[u8], lsn: Lsn) -> Lookup {
        match self.keyspaces.read().get(&keyspace) {
            Some(versions) => versions.lookup(key, lsn),
            None => Lookup::Below,
        }
    }

    /// Keyspaces written, in order.
    pub fn keyspaces(&self) -> Vec<(Keyspace, Arc<KeyspaceVersions>)> {
        let mut all: Vec<_> =
            self.keyspaces.read().iter().map(|(keyspace, versions)| (*keyspace, Arc::clone(versions))).collect();
        all.sort_unstable_by_key(|(keyspace, _)| *keyspace);
        all
    }

    pub fn is_empty(&self) -> bool {
        self.size_bytes() == 0
    }

    pub fn size_bytes(&self) -> usize {
        self.size_bytes.load(Atomic::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(text: &str) -> Arc<[u8]> {
        Arc::from(text.as_bytes())
    }

    fn stored(text: &str) -> Stored {
        Stored { value: (text != "-").then(|| key(text)), fresh: false }
    }

    fn shown(versions: &KeyspaceVersions, lower: KvBound<'_>, upper: KvBound<'_>, reverse: bool, lsn: u64) -> String {
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
        let chunk = versions.chunk(lower, upper, reverse, Lsn(lsn), 100);
        let pair = |(key, value): &(Arc<[u8]>, Option<Arc<[u8]>>)| {
            format!("{}={}", text(key), value.as_ref().map_or("-".to_owned(), |value| text(value)))
        };
        chunk.iter().map(pair).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn each_snapshot_sees_its_versions() {
        let table = MemoryTable::default();
        let keyspace = Keyspace(1);
        table.insert(keyspace, key("a"), Lsn(4), stored("2"));
        table.insert(keyspace, key("b"), Lsn(7), stored("-"));
        table.insert(keyspace, key("a"), Lsn(9), stored("3"));
        table.insert(keyspace, key("c"), Lsn(9), stored("1"));
        for lsn in 10..40 {
            // More versions than are walked over.
            table.insert(keyspace, key("b"), Lsn(lsn), stored("x"));
        }
        let versions = table.keyspace(keyspace).unwrap();
        let all = |lsn| shown(&versions, Bound::Unbounded, Bound::Unbounded, false, lsn);
        assert_eq!(all(3), "");
        assert_eq!(all(8), "a=2 b=-");
        assert_eq!(all(9), "a=3 b=- c=1");
        assert_eq!(all(39), "a=3 b=x c=1");
        for lsn in [3, 8, 9, 39] {
            let down = shown(&versions, Bound::Unbounded, Bound::Unbounded, true, lsn);
            let mut up: Vec<String> = all(lsn).split(' ').map(str::to_owned).collect();
            up.reverse();
            assert_eq!(down, up.join(" "));
        }
        let (a, b) = (Bound::Excluded(&b"a"[..]), Bound::Excluded(&b"c"[..]));
        assert_eq!(shown(&versions, a, b, false, 20), "b=x");
        assert_eq!(shown(&versions, a, b, true, 20), "b=x");
        let (a, c) = (Bound::Included(&b"a"[..]), Bound::Included(&b"c"[..]));
        assert_eq!(shown(&versions, a, c, true, 9), "c=1 b=- a=3");
        assert!(matches!(versions.lookup(b"a", Lsn(3)), Lookup::Below));
        assert!(matches!(versions.lookup(b"b", Lsn(8)), Lookup::Deleted));
        assert!(matches!(versions.lookup(b"a", Lsn(100)), Lookup::Value(value) if *value == *b"3"));
        assert!(matches!(table.lookup(Keyspace(2), b"a", Lsn(100)), Lookup::Below));
    }
}
