//! The table itself: grant, queue, wait, release.

use std::collections::VecDeque;
use std::collections::hash_map::Entry;
use std::hash::BuildHasher;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime};

use parking_lot::{Condvar, Mutex, MutexGuard, RwLock};
use rustc_hash::{FxBuildHasher, FxHashMap};
use smallvec::SmallVec;

use super::listed::ListedKeys;
use super::{LockMode, LockOutcome, LockTarget, LockWait, ModeSet, Owner, SHARD_COUNT, deadlock};
use crate::error::{Result, StorageError};
use crate::store::CancelToken;

/// How often a waiter looks at its cancel token.
const POLL_INTERVAL: Duration = Duration::from_millis(20);
/// Pause between two searches for a deadlock by one waiter.
const DEADLOCK_INTERVAL: Duration = Duration::from_millis(100);
/// Entries that a shard may keep room for however few it holds.
const SHRINK_ABOVE: usize = 1_024;
/// Set in [`Waiter::order`] of those who held nothing of the target when they came.
const STRANGER: u64 = 1 << 63;

/// A wish for one lock.
#[derive(Clone, Copy, Debug)]
pub(crate) struct LockRequest {
    pub owner: Owner,
    pub target: LockTarget,
    pub mode: LockMode,
    pub wait: LockWait,
}

/// What ends a wait besides the grant.
pub(crate) struct Patience {
    pub cancel: CancelToken,
    /// `lock_timeout`; None waits for ever.
    pub timeout: Option<Duration>,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Holder {
    pub owner: Owner,
    pub modes: ModeSet,
}

/// Somebody in a queue.
pub(super) struct Waiter {
    pub owner: Owner,
    pub target: LockTarget,
    pub mode: LockMode,
    /// Place in the queue: holders of a weaker mode first, then by arrival. Unique.
    pub order: u64,
    pub since: SystemTime,
    granted: Mutex<bool>,
    wake: Condvar,
}

impl Waiter {
    /// Held a weaker mode when it came: only holders block it, not the queue.
    pub fn is_upgrade(&self) -> bool {
        self.order & STRANGER == 0
    }

    fn grant(&self) {
        *self.granted.lock() = true;
        self.wake.notify_one();
    }

    /// True once the lock is granted; false when it is not after `pause`.
    fn wait_for_grant(&self, pause: Duration) -> bool {
        let mut granted = self.granted.lock();
        if !*granted {
            self.wake.wait_for(&mut granted, pause);
        }
        *granted
    }
}

#[derive(Default)]
pub(super) struct Queue(VecDeque<Arc<Waiter>>);

/// One locked or wanted target. An entry whose last holder leaves an empty queue behind is removed.
#[derive(Default)]
pub(super) struct LockState {
    pub holders: SmallVec<[Holder; 1]>,
    queue: Option<Box<Queue>>,
}

impl LockState {
    fn held_by(owner: Owner, mode: LockMode) -> LockState {
        let mut state = LockState::default();
        grant(&mut state.holders, owner, mode);
        state
    }

    /// In the order in which they will be served.
    pub fn waiters(&self) -> impl Iterator<Item = &Arc<Waiter>> {
        self.queue.iter().flat_map(|queue| queue.0.iter())
    }

    pub fn is_held_against(&self, owner: Owner, mode: LockMode) -> bool {
        is_held_against(&self.holders, owner, mode)
    }

    pub fn has_waiter(&self, waiter: &Waiter) -> bool {
        self.position(waiter).is_some()
    }

    fn is_held_by_party_of(&self, owner: Owner) -> bool {
        self.holders.iter().any(|holder| holder.owner.is_ally(owner))
    }

    /// True when the request need not queue.
    fn is_free_for(&self, owner: Owner, mode: LockMode) -> bool {
        !self.is_held_against(owner, mode)
            && (self.queue.is_none()
                || self.is_held_by_party_of(owner)
                || self.waiters().all(|waiter| waiter.mode.bit() & mode.conflicts() == 0))
    }

    fn enqueue(&mut self, waiter: Arc<Waiter>) {
        let queue = &mut self.queue.get_or_insert_default().0;
        let at = queue.partition_point(|other| other.order < waiter.order);
        queue.insert(at, waiter);
    }

    fn position(&self, waiter: &Waiter) -> Option<usize> {
        let queue = &self.queue.as_ref()?.0;
        queue.binary_search_by_key(&waiter.order, |other| other.order).ok()
    }

    /// Takes a waiter out of the queue; false when it is not there (any more).
    fn dequeue(&mut self, waiter: &Waiter) -> bool {
        let Some(at) = self.position(waiter) else { return false };
        if let Some(queue) = &mut self.queue {
            queue.0.remove(at);
            if queue.0.is_empty() {
                self.queue = None;
            }
        }
        true
    }

    /// Grants a waiter its lock before its turn. No holder may conflict with it.
    pub fn serve_ahead(&mut self, waiter: &Waiter) {
        if self.dequeue(waiter) {
            grant(&mut self.holders, waiter.owner, waiter.mode);
            waiter.grant();
        }
    }

    /// Grants everybody in the queue who can have their lock now.
    fn serve(&mut self) {
        let Some(queue) = &mut self.queue else { return };
        let queue = &mut queue.0;
        // Modes that somebody further ahead still waits to exclude.
        let mut excluded: ModeSet = 0;
        let mut at = 0;
        while let Some(waiter) = queue.get(at) {
            let has_turn = waiter.is_upgrade() || excluded & waiter.mode.bit() == 0;
            if has_turn && !is_held_against(&self.holders, waiter.owner, waiter.mode) {
                let waiter = queue.remove(at).expect("the position was just read");
                grant(&mut self.holders, waiter.owner, waiter.mode);
                waiter.grant();
                continue;
            }
            excluded |= waiter.mode.conflicts();
            if !waiter.is_upgrade() && excluded == waiter.mode.kin_bits() {
                break;
            }
            at += 1;
        }
        if queue.is_empty() {
            self.queue = None;
        }
    }

    fn release(&mut self, owner: Owner, modes: ModeSet) {
        let Some(at) = self.holders.iter().position(|holder| holder.owner == owner) else { return };
        self.holders[at].modes &= !modes;
        if self.holders[at].modes == 0 {
            self.holders.swap_remove(at);
        }
        self.serve();
    }

    fn is_idle(&self) -> bool {
        self.holders.is_empty() && self.queue.is_none()
    }
}

fn is_held_against(holders: &[Holder], owner: Owner, mode: LockMode) -> bool {
    holders.iter().any(|holder| holder.modes & mode.conflicts() != 0 && !holder.owner.is_ally(owner))
}

fn grant(holders: &mut SmallVec<[Holder; 1]>, owner: Owner, mode: LockMode) {
    match holders.iter_mut().find(|holder| holder.owner == owner) {
        Some(holder) => holder.modes |= mode.bit(),
        None => holders.push(Holder { owner, modes: mode.bit() }),
    }
}

pub(super) type ShardMap = FxHashMap<LockTarget, LockState>;

/// On a cache line of its own, so that neighbours do not slow each other down.
#[derive(Default)]
#[repr(align(64))]
struct Shard(Mutex<ShardMap>);

pub(crate) struct LockTable {
    shards: Box<[Shard]>,
    /// Who waits, by party. Innermost of all locks here: nothing else is taken while it is held.
    waiting: Mutex<FxHashMap<Owner, Vec<Arc<Waiter>>>>,
    next_order: AtomicU64,
    /// Of bulk loads under way.
    pub(super) lists: RwLock<Vec<Arc<ListedKeys>>>,
}

impl Default for LockTable {
    fn default() -> LockTable {
        LockTable {
            shards: (0..SHARD_COUNT).map(|_| Shard::default()).collect(),
            waiting: Mutex::default(),
            next_order: AtomicU64::new(0),
            lists: RwLock::default(),
        }
    }
}

/// Where a target lives.
pub(super) fn shard_index(target: LockTarget) -> usize {
    // The maps choose their buckets by the lowest bits: these are taken from above.
    (FxBuildHasher.hash_one(target) >> 20) as usize & (SHARD_COUNT - 1)
}

/// Takes a waiter back from its queue and serves those behind it; false when it was granted meanwhile.
pub(super) fn withdraw(shard: &mut ShardMap, waiter: &Waiter) -> bool {
    let Some(state) = shard.get_mut(&waiter.target) else { return false };
    if !state.dequeue(waiter) {
        return false;
    }
    state.serve();
    if state.is_idle() {
        shard.remove(&waiter.target);
    }
    true
}

impl LockTable {
    pub(super) fn shard(&self, target: LockTarget) -> MutexGuard<'_, ShardMap> {
        self.shards[shard_index(target)].0.lock()
    }

    pub(super) fn shard_at(&self, index: usize) -> MutexGuard<'_, ShardMap> {
        self.shards[index].0.lock()
    }

    /// Who has listed a key that nobody holds in the table; the caller, who holds the key's shard, is to enter it for them.
    fn list_owner(&self, target: LockTarget) -> Option<Owner> {
        if !matches!(target, LockTarget::Key { .. }) {
            return None;
        }
        self.lists.read().iter().find(|list| list.claims(target)).map(|list| list.owner)
    }

    /// One shard after the other, each locked while it is looked at.
    pub(super) fn each_shard(&self) -> impl Iterator<Item = MutexGuard<'_, ShardMap>> {
        self.shards.iter().map(|shard| shard.0.lock())
    }

    /// Stops the whole table. Always in the same order, and never by somebody who holds a shard.
    pub(super) fn freeze(&self) -> Vec<MutexGuard<'_, ShardMap>> {
        self.each_shard().collect()
    }

    /// What a party waits for. A party may have several threads.
    pub(super) fn waiters_of(&self, party: Owner) -> Vec<Arc<Waiter>> {
        self.waiting.lock().get(&party).cloned().unwrap_or_default()
    }

    /// Whether a request would be granted at once.
    pub fn is_free_for(&self, owner: Owner, target: LockTarget, mode: LockMode) -> bool {
        match self.shard(target).get(&target) {
            Some(state) => state.is_free_for(owner, mode),
            None => self.lists.read().iter().all(|list| list.owner.is_ally(owner) || !list.contains(target)),
        }
    }

    /// Grants the lock, waits for it, or gives up as `request.wait` says. `patience` is only asked for when it comes to
    /// waiting. Errors with `Deadlock`, `LockTimeout`, `Cancelled` and `StatementTimeout`.
    pub fn acquire(&self, request: LockRequest, patience: impl FnOnce() -> Patience) -> Result<LockOutcome> {
        let LockRequest { owner, target, mode, wait } = request;
        let waiter = {
            let mut shard = self.shard(target);
            let state = match shard.entry(target) {
                Entry::Vacant(entry) => match self.list_owner(target) {
                    Some(holder) => entry.insert(LockState::held_by(holder, LockMode::Exclusive)),
                    None => {
                        entry.insert(LockState::held_by(owner, mode));
                        return Ok(LockOutcome::Granted);
                    }
                },
                Entry::Occupied(entry) => entry.into_mut(),
            };
            if state.is_free_for(owner, mode) {
                grant(&mut state.holders, owner, mode);
                return Ok(LockOutcome::Granted);
            }
            if wait != LockWait::Block {
                return Ok(LockOutcome::Skipped);
            }
            let place = if state.is_held_by_party_of(owner) { 0 } else { STRANGER };
            let waiter = Arc::new(Waiter {
                owner,
                target,
                mode,
                order: self.next_order.fetch_add(1, Ordering::Relaxed) | place,
                since: SystemTime::now(),
                granted: Mutex::new(false),
                wake: Condvar::new(),
            });
            state.enqueue(Arc::clone(&waiter));
            waiter
        };
        self.note_waiting(&waiter);
        let result = self.wait(&waiter, &patience());
        self.note_served(&waiter);
        result.map(|()| LockOutcome::Waited)
    }

    fn wait(&self, waiter: &Arc<Waiter>, patience: &Patience) -> Result<()> {
        let started = Instant::now();
        let deadline = patience.timeout.and_then(|timeout| started.checked_add(timeout));
        let mut next_search = started;
        loop {
            if Instant::now() >= next_search {
                deadlock::resolve(self, waiter)?;
                next_search = Instant::now() + DEADLOCK_INTERVAL;
            }
            let now = Instant::now();
            let refusal = match patience.cancel.check() {
                Ok(()) if deadline.is_some_and(|deadline| now >= deadline) => Some(StorageError::LockTimeout),
                Ok(()) => None,
                Err(error) => Some(error),
            };
            if let Some(refusal) = refusal {
                // A lock that was granted at the last moment is kept: the caller records and releases it.
                let withdrawn = withdraw(&mut self.shard(waiter.target), waiter);
                return if withdrawn { Err(refusal) } else { Ok(()) };
            }
            let left = deadline.map_or(POLL_INTERVAL, |deadline| deadline.saturating_duration_since(now));
            if waiter.wait_for_grant(left.min(POLL_INTERVAL)) {
                return Ok(());
            }
        }
    }

    fn note_waiting(&self, waiter: &Arc<Waiter>) {
        self.waiting.lock().entry(waiter.owner.party()).or_default().push(Arc::clone(waiter));
    }

    fn note_served(&self, waiter: &Arc<Waiter>) {
        let mut waiting = self.waiting.lock();
        if let Entry::Occupied(mut entry) = waiting.entry(waiter.owner.party()) {
            entry.get_mut().retain(|other| !Arc::ptr_eq(other, waiter));
            if entry.get().is_empty() {
                entry.remove();
            }
        }
    }

    /// Gives back modes of one target, and hands it to whoever can have it now.
    pub fn release(&self, owner: Owner, target: LockTarget, modes: ModeSet) {
        let mut shard = self.shard(target);
        let Entry::Occupied(mut entry) = shard.entry(target) else { return };
        entry.get_mut().release(owner, modes);
        if !entry.get().is_idle() {
            return;
        }
        entry.remove();
        if shard.capacity() > SHRINK_ABOVE && shard.len() < shard.capacity() / 8 {
            let room = shard.len() * 2;
            shard.shrink_to(room);
        }
    }

    /// Targets held or wanted, and parties that wait.
    #[cfg(test)]
    pub(super) fn counts(&self) -> (usize, usize) {
        (self.each_shard().map(|shard| shard.len()).sum(), self.waiting.lock().len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_has_the_size_that_the_chapter_says() {
        assert_eq!(size_of::<LockTarget>(), 16);
        assert_eq!(size_of::<Holder>(), 12);
        assert_eq!(size_of::<LockState>(), 32);
        assert_eq!(size_of::<(LockTarget, ModeSet)>(), 24);
    }
}
