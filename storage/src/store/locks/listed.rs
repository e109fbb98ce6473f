//! Keys that a bulk load has locked: listed by the load, and entered into the table only when somebody else wants one.
//!
//! A load locks a key for every row, and nearly always nobody else asks for any of them. So it notes their hashes, eight
//! bytes each, in a list that the table knows of. Whoever finds nobody in the table holding a key looks into the lists, and
//! when the key is there enters it for the load, before it queues behind it.
//!
//! The load lists its keys first and looks into their shards afterwards; the others look into the lists with the key's
//! shard held. So of two who want a key at the same time at least one sees the other, and when both do, the load waits in
//! the table as everybody does. Loads list their keys one after the other, and leave out those that another load has listed.

use std::sync::Arc;

use parking_lot::Mutex;
use rustc_hash::FxHashSet;

use super::table::{LockTable, shard_index};
use super::{LockMode, LockTarget, ModeSet, Owner, SHARD_COUNT};
use crate::ids::RelationId;

/// The listed keys of one transaction in one unique index.
pub(crate) struct ListedKeys {
    pub(super) owner: Owner,
    pub(super) index: RelationId,
    listing: Mutex<Listing>,
}

#[derive(Default)]
struct Listing {
    hashes: Vec<u64>,
    /// The first so many of them, for those who ask.
    known: FxHashSet<u64>,
    known_count: usize,
    /// Entered into the table.
    entered: Vec<LockTarget>,
    is_released: bool,
}

impl ListedKeys {
    fn new(owner: Owner, index: RelationId) -> ListedKeys {
        ListedKeys { owner, index, listing: Mutex::default() }
    }

    /// Whether the key is listed. The caller, who holds the key's shard, will enter it for the list's owner if so.
    pub(super) fn claims(&self, target: LockTarget) -> bool {
        let LockTarget::Key { index, hash } = target else { return false };
        let listing = &mut *self.listing.lock();
        let is_listed = index == self.index && listing.has(hash);
        if is_listed {
            listing.entered.push(target);
        }
        is_listed
    }

    /// Whether the key is listed, for a look that enters nothing.
    pub(super) fn contains(&self, target: LockTarget) -> bool {
        let LockTarget::Key { index, hash } = target else { return false };
        index == self.index && self.listing.lock().has(hash)
    }
}

impl Listing {
    fn has(&mut self, hash: u64) -> bool {
        self.known.extend(&self.hashes[self.known_count..]);
        self.known_count = self.hashes.len();
        !self.is_released && self.known.contains(&hash)
    }
}

impl LockTable {
    /// Begins a list of keys.
    pub fn new_list(&self, owner: Owner, index: RelationId) -> Arc<ListedKeys> {
        let list = Arc::new(ListedKeys::new(owner, index));
        self.lists.write().push(Arc::clone(&list));
        list
    }

    /// Locks keys, by their hashes, as far as nobody else holds them. Gives those that are not free: they are to be
    /// acquired.
    pub fn list_keys(&self, list: &ListedKeys, hashes: &[u64]) -> Vec<LockTarget> {
        let target = |hash: &u64| LockTarget::Key { index: list.index, hash: *hash };
        let mut taken = Vec::new();
        {
            // One load at a time: of two with the same key only the first may list it.
            let lists = self.lists.write();
            let is_other = |other: &&Arc<ListedKeys>| other.index == list.index && !other.owner.is_ally(list.owner);
            let others: Vec<_> = lists.iter().filter(is_other).collect();
            let mut listing = list.listing.lock();
            if others.is_empty() {
                listing.hashes.extend_from_slice(hashes);
            } else {
                for hash in hashes {
                    match others.iter().any(|other| other.contains(target(hash))) {
                        true => taken.push(target(hash)),
                        false => listing.hashes.push(*hash),
                    }
                }
            }
        }
        let mut by_shard: Option<Vec<Vec<LockTarget>>> = None;
        for shard in 0..SHARD_COUNT {
            let map = self.shard_at(shard);
            if map.is_empty() {
                continue;
            }
            let by_shard = by_shard.get_or_insert_with(|| {
                let mut by_shard = vec![Vec::new(); SHARD_COUNT];
                hashes.iter().map(target).for_each(|target| by_shard[shard_index(target)].push(target));
                by_shard
            });
            taken.extend(by_shard[shard].iter().filter(|target| map.contains_key(target)));
        }
        taken
    }

    /// Releases all keys of a list.
    pub fn release_list(&self, list: &Arc<ListedKeys>) {
        let entered = {
            let listing = &mut *list.listing.lock();
            listing.is_released = true;
            (listing.hashes, listing.known, listing.known_count) = Default::default();
            std::mem::take(&mut listing.entered)
        };
        let mode: ModeSet = LockMode::Exclusive.bit();
        entered.into_iter().for_each(|target| self.release(list.owner, target, mode));
        self.lists.write().retain(|other| !Arc::ptr_eq(other, list));
    }
}
