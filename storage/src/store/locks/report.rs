//! The lock table as `pg_locks` shows it.

use super::table::LockState;
use super::{LockMode, LockTarget, Owner, RowLock};
use crate::ddl::RelationLock;
use crate::store::Store;

/// Rows and keys that nobody waits for are left out of a report above this many: a bulk writer holds millions.
const UNCONTESTED_LIMIT: usize = 10_000;

/// One mode of one target, held or wanted.
#[derive(Clone, Debug)]
pub struct LockInfo {
    pub target: LockTarget,
    /// PostgreSQL's name of the mode: `RowExclusiveLock`.
    pub mode: &'static str,
    /// False: waits for it.
    pub is_granted: bool,
    /// Of the session; None for transactions of the store's own and of agents.
    pub process_id: Option<i32>,
    /// Session and number of the transaction within it; number 0 for what the session itself holds.
    pub virtual_transaction: String,
    /// When the wait began, in microseconds since 1970 UTC.
    pub waiting_since_us: Option<i64>,
}

impl LockTarget {
    /// Every mode there is on this kind of target, weakest first.
    fn modes(self) -> &'static [LockMode] {
        match self {
            LockTarget::Relation(_) => LockMode::Relation(RelationLock::AccessShare).kin(),
            LockTarget::Row { .. } => LockMode::Row(RowLock::KeyShare).kin(),
            LockTarget::Key { .. } | LockTarget::Advisory { .. } => LockMode::Shared.kin(),
        }
    }
}

fn info(owner: Owner, target: LockTarget, mode: LockMode, waiting_since_us: Option<i64>) -> LockInfo {
    LockInfo {
        target,
        mode: mode.name(),
        is_granted: waiting_since_us.is_none(),
        process_id: owner.process_id(),
        virtual_transaction: owner.virtual_transaction(),
        waiting_since_us,
    }
}

fn report(target: LockTarget, state: &LockState, infos: &mut Vec<LockInfo>) {
    for holder in &state.holders {
        let held = target.modes().iter().filter(|mode| holder.modes & mode.bit() != 0);
        infos.extend(held.map(|mode| info(holder.owner, target, *mode, None)));
    }
    for waiter in state.waiters() {
        let since = waiter.since.duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
        let since_us = i64::try_from(since.as_micros()).unwrap_or(i64::MAX);
        infos.push(info(waiter.owner, target, waiter.mode, Some(since_us)));
    }
}

impl Store {
    /// All locks held and wanted, except that of rows and keys that nobody waits for at most 10,000 are listed. In no
    /// order; not all true at the same instant.
    pub fn lock_infos(&self) -> Vec<LockInfo> {
        let mut infos = Vec::new();
        let mut uncontested_count = 0;
        for shard in self.locks().each_shard() {
            for (target, state) in shard.iter() {
                let is_small = matches!(target, LockTarget::Row { .. } | LockTarget::Key { .. });
                if is_small && state.waiters().next().is_none() {
                    uncontested_count += 1;
                    if uncontested_count > UNCONTESTED_LIMIT {
                        continue;
                    }
                }
                report(*target, state, &mut infos);
            }
        }
        infos
    }

    /// Sessions that a waiting one waits for: those that hold what it wants in a mode that conflicts, and those that wait
    /// for that before it. Sorted, each once; 0 stands for a transaction of no session.
    pub fn blocking_processes(&self, process_id: i32) -> Vec<i32> {
        let mut blocking = Vec::new();
        for shard in self.locks().each_shard() {
            for state in shard.values() {
                let Some(waiter) = state.waiters().find(|waiter| waiter.owner.process_id() == Some(process_id)) else {
                    continue;
                };
                let conflicts = waiter.mode.conflicts();
                let holders = state.holders.iter().filter(|holder| holder.modes & conflicts != 0);
                let before = state
                    .waiters()
                    .take_while(|other| other.owner.process_id() != Some(process_id))
                    .filter(|other| other.mode.bit() & conflicts != 0);
                let owners = holders.map(|holder| holder.owner).chain(before.map(|other| other.owner));
                blocking.extend(owners.map(|owner| owner.process_id().unwrap_or(0)));
            }
        }
        blocking.retain(|other| *other != process_id);
        blocking.sort_unstable();
        blocking.dedup();
        blocking
    }
}
