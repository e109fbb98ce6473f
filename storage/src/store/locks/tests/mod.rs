//! Queues, waits and mutual exclusion; helpers of all tests of the lock table.

mod deadlock;
mod escalation;
mod listed;
mod release;

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::*;
use crate::ddl::RelationLock;
use crate::error::{Result, StorageError};
use crate::ids::RelationId;
use crate::store::{CancelToken, Isolation, Store, StoreOptions, Transaction};

const TABLE: RelationId = RelationId(1);
const INDEX: RelationId = RelationId(2);
/// Nothing here takes that long unless it hangs.
const LONG: Duration = Duration::from_secs(60);

fn store() -> Arc<Store> {
    Store::in_memory(StoreOptions::default()).expect("a store in memory opens")
}

fn begin(store: &Arc<Store>) -> Transaction {
    store.begin(Isolation::ReadCommitted)
}

fn row(transaction: &Transaction, row: u64, mode: RowLock) -> Result<LockOutcome> {
    transaction.lock_row_target(TABLE, row, mode, LockWait::Block)
}

/// True when somebody else can have the row in this mode now.
fn is_free(store: &Arc<Store>, row: u64, mode: RowLock) -> bool {
    let outcome = begin(store).lock_row_target(TABLE, row, mode, LockWait::SkipLocked);
    outcome.expect("SKIP LOCKED does not fail") == LockOutcome::Granted
}

/// Polls for what another thread is about to bring about.
fn wait_until(what: &str, mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + LONG;
    while !holds() {
        assert!(Instant::now() < deadline, "{what}: not within {LONG:?}");
        std::thread::sleep(Duration::from_millis(1));
    }
}

fn wait_for_waiters(store: &Arc<Store>, count: usize) {
    wait_until("waiters", || store.locks().counts().1 == count);
}

type Wish = Box<dyn FnOnce(&Transaction) -> Result<()> + Send>;

/// Fulfils a wish on a thread; the transaction comes back with the result, so that its locks outlive the thread.
fn wish(transaction: Transaction, wish: Wish) -> JoinHandle<(Transaction, Result<()>)> {
    std::thread::spawn(move || {
        let result = wish(&transaction);
        (transaction, result)
    })
}

fn boxed(wish: impl FnOnce(&Transaction) -> Result<()> + Send + 'static) -> Wish {
    Box::new(wish)
}

fn row_wish(number: u64, mode: RowLock) -> Wish {
    boxed(move |t| row(t, number, mode).map(drop))
}

#[test]
fn readers_share_a_relation_and_a_writer_waits() {
    let store = store();
    let (reader, writer, other) = (begin(&store), begin(&store), begin(&store));
    assert!(!reader.lock(TABLE, RelationLock::AccessShare).unwrap());
    assert!(!writer.lock(TABLE, RelationLock::RowExclusive).unwrap());
    other.set_lock_timeout(Some(Duration::from_millis(30)));
    let refused = other.lock(TABLE, RelationLock::AccessExclusive);
    assert!(matches!(refused, Err(StorageError::LockTimeout)), "{refused:?}");
    assert!(!other.lock(TABLE, RelationLock::AccessShare).unwrap());
}

#[test]
fn locks_on_different_targets_do_not_meet() {
    let store = store();
    let (a, b) = (begin(&store), begin(&store));
    assert_eq!(row(&a, 1, RowLock::Update).unwrap(), LockOutcome::Granted);
    assert_eq!(row(&b, 2, RowLock::Update).unwrap(), LockOutcome::Granted);
    assert!(!a.lock_unique_key(INDEX, b"1").unwrap());
    assert!(!b.lock_unique_key(INDEX, b"2").unwrap());
    // One advisory number in both of its spaces.
    assert!(a.lock_advisory(AdvisoryKey::Single(5), false, LockWait::NoWait).unwrap());
    assert!(b.lock_advisory(AdvisoryKey::Pair(0, 5), false, LockWait::NoWait).unwrap());
    assert!(!b.lock_advisory(AdvisoryKey::Single(5), true, LockWait::NoWait).unwrap());
}

#[test]
fn who_does_not_wait_is_told_or_skips() {
    let store = store();
    let (holder, other) = (begin(&store), begin(&store));
    row(&holder, 7, RowLock::NoKeyUpdate).unwrap();
    let refused = other.lock_row_target(TABLE, 7, RowLock::Share, LockWait::NoWait);
    assert!(matches!(&refused, Err(StorageError::LockNotAvailable { relation }) if relation == "1"), "{refused:?}");
    let skipped = other.lock_row_target(TABLE, 7, RowLock::Share, LockWait::SkipLocked);
    assert_eq!(skipped.unwrap(), LockOutcome::Skipped);
    let compatible = other.lock_row_target(TABLE, 7, RowLock::KeyShare, LockWait::NoWait);
    assert_eq!(compatible.unwrap(), LockOutcome::Granted);
    // What was skipped is not held.
    drop(holder);
    assert!(is_free(&store, 7, RowLock::NoKeyUpdate));
}

#[test]
fn first_come_first_served() {
    let store = store();
    let holder = begin(&store);
    row(&holder, 1, RowLock::Update).unwrap();
    let served = Arc::new(AtomicU32::new(0));
    let mut waiters = Vec::new();
    for number in 0..5 {
        let served = Arc::clone(&served);
        let wanting = boxed(move |t| {
            let outcome = row(t, 1, RowLock::Update)?;
            assert_eq!(outcome, LockOutcome::Waited);
            assert_eq!(served.fetch_add(1, Ordering::SeqCst), number, "served out of turn");
            Ok(())
        });
        let transaction = begin(&store);
        waiters.push(std::thread::spawn(move || wanting(&transaction)));
        wait_for_waiters(&store, number as usize + 1);
    }
    drop(holder);
    for waiter in waiters {
        waiter.join().unwrap().unwrap();
    }
    assert_eq!(served.load(Ordering::SeqCst), 5);
    assert_eq!(store.locks().counts(), (0, 0));
}

#[test]
fn a_compatible_newcomer_waits_behind_a_waiter_it_conflicts_with() {
    let store = store();
    let holder = begin(&store);
    row(&holder, 1, RowLock::KeyShare).unwrap();
    let updater = wish(begin(&store), row_wish(1, RowLock::Update));
    wait_for_waiters(&store, 1);
    assert!(!is_free(&store, 1, RowLock::KeyShare), "the updater would starve");
    drop(holder);
    let (updater, result) = updater.join().unwrap();
    result.unwrap();
    drop(updater);
    assert!(is_free(&store, 1, RowLock::KeyShare));
}

#[test]
fn several_compatible_waiters_are_served_at_once() {
    let store = store();
    let holder = begin(&store);
    row(&holder, 1, RowLock::Update).unwrap();
    let readers: Vec<_> = (0..3).map(|_| wish(begin(&store), row_wish(1, RowLock::Share))).collect();
    wait_for_waiters(&store, 3);
    drop(holder);
    // All hold it together: none ends before the others have it.
    let readers: Vec<_> = readers.into_iter().map(|reader| reader.join().unwrap()).collect();
    assert!(readers.iter().all(|(_, result)| result.is_ok()));
    assert!(!is_free(&store, 1, RowLock::NoKeyUpdate));
    assert!(is_free(&store, 1, RowLock::Share));
}

#[test]
fn who_holds_goes_before_strangers() {
    let store = store();
    let (upgrader, sharer) = (begin(&store), begin(&store));
    row(&upgrader, 1, RowLock::Share).unwrap();
    row(&sharer, 1, RowLock::KeyShare).unwrap();
    let stranger = wish(begin(&store), row_wish(1, RowLock::Update));
    wait_for_waiters(&store, 1);
    // Not blocked by the stranger, who waits for this very transaction.
    assert_eq!(row(&upgrader, 1, RowLock::NoKeyUpdate).unwrap(), LockOutcome::Granted);
    let upgrader = wish(upgrader, row_wish(1, RowLock::Update));
    wait_for_waiters(&store, 2);
    drop(sharer);
    let (upgrader, result) = upgrader.join().unwrap();
    result.unwrap();
    assert!(!stranger.is_finished());
    drop(upgrader);
    let (_stranger, result) = stranger.join().unwrap();
    result.unwrap();
}

#[test]
fn a_weaker_mode_is_covered() {
    let store = store();
    let transaction = begin(&store);
    for mode in [RowLock::Update, RowLock::KeyShare, RowLock::NoKeyUpdate, RowLock::Update] {
        assert_eq!(row(&transaction, 1, mode).unwrap(), LockOutcome::Granted);
    }
    assert_eq!(store.lock_infos().len(), 1, "one mode is held");
}

#[test]
fn a_wait_ends_with_its_timeout_and_its_cancel_token() {
    let store = store();
    let holder = begin(&store);
    row(&holder, 1, RowLock::Update).unwrap();
    let hasty = begin(&store);
    hasty.set_lock_timeout(Some(Duration::from_millis(20)));
    let refused = row(&hasty, 1, RowLock::KeyShare);
    assert!(matches!(refused, Err(StorageError::LockTimeout)), "{refused:?}");

    let token = CancelToken::default();
    let cancelled = begin(&store);
    cancelled.set_cancel_token(token.clone());
    let waiting = wish(cancelled, row_wish(1, RowLock::Update));
    wait_for_waiters(&store, 1);
    // Somebody behind the one who gives up gets its turn.
    let behind = wish(begin(&store), row_wish(1, RowLock::KeyShare));
    wait_for_waiters(&store, 2);
    token.cancel();
    let (_cancelled, result) = waiting.join().unwrap();
    assert!(matches!(result, Err(StorageError::Cancelled)), "{result:?}");

    let token = CancelToken::default();
    token.set_deadline(Some(Instant::now() + Duration::from_millis(20)));
    let late = begin(&store);
    late.set_cancel_token(token);
    let refused = row(&late, 1, RowLock::Update);
    assert!(matches!(refused, Err(StorageError::StatementTimeout)), "{refused:?}");

    drop(holder);
    let (behind, result) = behind.join().unwrap();
    result.unwrap();
    drop(behind);
    assert_eq!(store.locks().counts(), (0, 0));
}

#[test]
fn giving_up_lets_those_behind_pass() {
    let store = store();
    let holder = begin(&store);
    row(&holder, 1, RowLock::KeyShare).unwrap();
    let token = CancelToken::default();
    let updater = begin(&store);
    updater.set_cancel_token(token.clone());
    let updater = wish(updater, row_wish(1, RowLock::Update));
    wait_for_waiters(&store, 1);
    let sharer = wish(begin(&store), row_wish(1, RowLock::Share));
    wait_for_waiters(&store, 2);
    token.cancel();
    let (_updater, result) = updater.join().unwrap();
    assert!(matches!(result, Err(StorageError::Cancelled)), "{result:?}");
    let (_sharer, result) = sharer.join().unwrap();
    result.unwrap();
}

#[test]
fn many_threads_exclude_each_other_and_lose_no_wake_up() {
    const TARGETS: u64 = 100;
    const THREADS: u64 = 8;
    const ROUNDS: u64 = 2_000;
    let store = store();
    // What only the lock protects: read, then written back.
    let counters: Arc<Vec<AtomicU64>> = Arc::new((0..TARGETS).map(|_| AtomicU64::new(0)).collect());
    let threads: Vec<_> = (0..THREADS)
        .map(|thread| {
            let (store, counters) = (Arc::clone(&store), Arc::clone(&counters));
            std::thread::spawn(move || {
                // A generator of its own, so that a failure repeats.
                let mut state = thread + 1;
                let mut next = move |limit: u64| {
                    state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                    (state >> 33) % limit
                };
                for _ in 0..ROUNDS {
                    let transaction = begin(&store);
                    transaction.set_lock_timeout(Some(LONG));
                    // In ascending order: no deadlocks. Most rounds meet on few rows.
                    let first = if next(4) == 0 { next(TARGETS) } else { next(3) };
                    let second = first + next(TARGETS - first);
                    if next(8) == 0 {
                        // A weaker lock that is then strengthened would deadlock; one that is shared does not.
                        row(&transaction, first, RowLock::KeyShare).unwrap();
                        continue;
                    }
                    for number in [first, second] {
                        row(&transaction, number, RowLock::Update).unwrap();
                    }
                    for number in if first == second { vec![first] } else { vec![first, second] } {
                        let counter = &counters[number as usize];
                        let seen = counter.load(Ordering::Relaxed);
                        if next(16) == 0 {
                            std::thread::yield_now();
                        }
                        assert_eq!(counter.swap(seen + 1, Ordering::Relaxed), seen, "two hold row {number}");
                    }
                }
            })
        })
        .collect();
    for thread in threads {
        thread.join().unwrap();
    }
    assert!(counters.iter().map(|counter| counter.load(Ordering::Relaxed)).sum::<u64>() > THREADS * ROUNDS / 2);
    assert_eq!(store.locks().counts(), (0, 0));
}
