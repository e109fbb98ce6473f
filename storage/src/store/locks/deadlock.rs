//! The waits-for graph: search for a cycle, and what is done about one.
//!
//! Nodes are parties, edges go from a party that waits to each it waits for: holders of a conflicting mode (hard edges)
//! and those before it in the queue that want one (soft edges). The graph is not kept anywhere; it is read off the queues
//! when somebody asks.

use std::sync::Arc;

use parking_lot::MutexGuard;
use rustc_hash::{FxHashMap, FxHashSet};

use super::table::{LockState, ShardMap, Waiter, shard_index, withdraw};
use super::{LockTable, LockTarget, ModeSet, Owner};
use crate::error::{Result, StorageError};

/// How the search reads the table.
enum View<'a> {
    /// One shard at a time: cheap, but what it sees was not all true at once.
    Moving,
    /// All shards are stopped.
    Frozen(&'a [MutexGuard<'a, ShardMap>]),
}

impl View<'_> {
    /// Parties that the waiter waits for; none when it has been served.
    fn blockers(&self, table: &LockTable, waiter: &Waiter, home: Owner) -> Vec<Owner> {
        let look = |state: Option<&LockState>| state.map_or_else(Vec::new, |state| blockers(state, waiter, home));
        match self {
            View::Moving => look(table.shard(waiter.target).get(&waiter.target)),
            View::Frozen(shards) => look(shards[shard_index(waiter.target)].get(&waiter.target)),
        }
    }
}

fn blockers(state: &LockState, waiter: &Waiter, home: Owner) -> Vec<Owner> {
    if !state.has_waiter(waiter) {
        return Vec::new();
    }
    let conflicts = waiter.mode.conflicts();
    let foreign = |owner: Owner| (!owner.is_ally(waiter.owner)).then(|| owner.party());
    let mut found: Vec<Owner> = state
        .holders
        .iter()
        .filter(|holder| holder.modes & conflicts != 0)
        .filter_map(|holder| foreign(holder.owner))
        .collect();
    if !waiter.is_upgrade() {
        let ahead = state.waiters().take_while(|other| other.order < waiter.order);
        let wanting = ahead.filter(|other| other.mode.bit() & conflicts != 0);
        // A stranger ahead that wants the same mode waits only for what this waiter waits for too: following it finds
        // nothing new, unless the search began there. So a long queue for one row is not searched again and again.
        let telling =
            wanting.filter(|other| other.mode != waiter.mode || other.is_upgrade() || other.owner.party() == home);
        found.extend(telling.filter_map(|other| foreign(other.owner)));
    }
    found
}

/// A step of the search: a waiter and the step that led to it.
struct Step {
    waiter: Arc<Waiter>,
    from: usize,
}

/// Depth-first search for a way from `start` back to its party: the waiters on it, `start` first, each waiting for the
/// next one's party and the last for `start`'s.
fn find_cycle(table: &LockTable, view: &View<'_>, start: &Arc<Waiter>) -> Option<Vec<Arc<Waiter>>> {
    let home = start.owner.party();
    let mut steps = vec![Step { waiter: Arc::clone(start), from: 0 }];
    let mut open = vec![0];
    let mut seen: FxHashSet<Owner> = FxHashSet::default();
    // How far back in the queue strangers of a mode have been followed.
    let mut followed: FxHashMap<(LockTarget, ModeSet), u64> = FxHashMap::default();
    while let Some(at) = open.pop() {
        let waiter = Arc::clone(&steps[at].waiter);
        if !waiter.is_upgrade() {
            let last = followed.entry((waiter.target, waiter.mode.bit())).or_insert(0);
            if *last >= waiter.order {
                continue;
            }
            *last = waiter.order;
        }
        for party in view.blockers(table, &waiter, home) {
            if party == home {
                return Some(way_to(&steps, at));
            }
            if !seen.insert(party) {
                continue;
            }
            for next in table.waiters_of(party) {
                open.push(steps.len());
                steps.push(Step { waiter: next, from: at });
            }
        }
    }
    None
}

fn way_to(steps: &[Step], mut at: usize) -> Vec<Arc<Waiter>> {
    let mut way = vec![Arc::clone(&steps[at].waiter)];
    while at != 0 {
        at = steps[at].from;
        way.push(Arc::clone(&steps[at].waiter));
    }
    way.reverse();
    way
}

/// Looks for a deadlock that `waiter` is part of. One that hangs on the order of a queue is untied; in any other the
/// waiter leaves its queue, and `Deadlock` is its error. The caller holds no shard.
pub(super) fn resolve(table: &LockTable, waiter: &Arc<Waiter>) -> Result<()> {
    if find_cycle(table, &View::Moving, waiter).is_none() {
        return Ok(());
    }
    let mut shards = table.freeze();
    loop {
        let Some(way) = find_cycle(table, &View::Frozen(&shards), waiter) else { return Ok(()) };
        let waits_only_for_its_turn = way.iter().find(|on_the_way| {
            let state = shards[shard_index(on_the_way.target)].get(&on_the_way.target);
            state.is_some_and(|state| !state.is_held_against(on_the_way.owner, on_the_way.mode))
        });
        match waits_only_for_its_turn {
            Some(patient) => {
                if let Some(state) = shards[shard_index(patient.target)].get_mut(&patient.target) {
                    state.serve_ahead(patient);
                }
            }
            None => {
                withdraw(&mut shards[shard_index(waiter.target)], waiter);
                return Err(StorageError::Deadlock { detail: describe(&way) });
            }
        }
    }
}

/// PostgreSQL's lines: who waits for which lock, blocked by whom.
fn describe(way: &[Arc<Waiter>]) -> String {
    let line = |(at, waiter): (usize, &Arc<Waiter>)| {
        let who = waiter.owner.to_string();
        let (first, rest) = who.split_at(1);
        let blocker = way[(at + 1) % way.len()].owner;
        let (mode, target) = (waiter.mode.name(), waiter.target);
        format!("{}{rest} waits for {mode} on {target}; blocked by {blocker}.", first.to_uppercase())
    };
    way.iter().enumerate().map(line).collect::<Vec<_>>().join("\n")
}
