//! When locks are given back, and what a report shows meanwhile.

use super::*;

#[test]
fn nothing_is_left_behind() {
    let store = store();
    let transaction = begin(&store);
    for number in 0..10_000 {
        row(&transaction, number, RowLock::Update).unwrap();
    }
    assert_eq!(store.locks().counts(), (10_000, 0));
    drop(transaction);
    assert_eq!(store.locks().counts(), (0, 0));
}

#[test]
fn session_locks_are_counted_by_mode() {
    let store = store();
    let session = SessionLocks::new(&store, 3);
    let (own, foreign) = (begin(&store), begin(&store));
    let key = AdvisoryKey::Single(i64::MIN);
    for is_shared in [false, false, true] {
        assert!(session.lock(&own, key, is_shared, LockWait::NoWait).unwrap());
    }
    drop(own);
    assert!(session.unlock(key, false));
    assert!(!foreign.lock_advisory(key, true, LockWait::NoWait).unwrap(), "taken twice, given back once");
    assert!(session.unlock(key, false));
    assert!(!session.unlock(key, false), "not held in this mode any more");
    assert!(foreign.lock_advisory(key, true, LockWait::NoWait).unwrap());
    assert!(!foreign.lock_advisory(key, false, LockWait::NoWait).unwrap(), "the session shares it");
    drop(session);
    assert!(foreign.lock_advisory(key, false, LockWait::NoWait).unwrap());
}

#[test]
fn a_statement_that_is_run_again_gives_session_locks_back() {
    let store = store();
    let session = SessionLocks::new(&store, 3);
    let (own, foreign) = (begin(&store), begin(&store));
    let (old, new) = (AdvisoryKey::Single(1), AdvisoryKey::Single(2));
    let lock = |key| assert!(session.lock(&own, key, false, LockWait::NoWait).unwrap());
    lock(old);
    for _ in 0..2 {
        session.mark_statement();
        lock(old);
        lock(new);
        lock(new);
        assert!(session.unlock(new, false));
        session.undo_statement();
        // Nothing is given back twice.
        session.undo_statement();
    }
    assert!(foreign.lock_advisory(new, false, LockWait::NoWait).unwrap());
    assert!(!foreign.lock_advisory(old, true, LockWait::NoWait).unwrap(), "it was held before");
    assert!(session.unlock(old, false));
    assert!(!session.unlock(old, false));
}

#[test]
fn rolling_back_to_a_savepoint_releases_what_was_locked_since() {
    let store = store();
    let transaction = begin(&store);
    row(&transaction, 1, RowLock::KeyShare).unwrap();
    transaction.savepoint("a").unwrap();
    row(&transaction, 1, RowLock::Update).unwrap();
    row(&transaction, 2, RowLock::Update).unwrap();
    transaction.savepoint("b").unwrap();
    row(&transaction, 3, RowLock::Update).unwrap();
    transaction.rollback_to_savepoint("b").unwrap();
    assert!(is_free(&store, 3, RowLock::Update));
    assert!(!is_free(&store, 2, RowLock::KeyShare));
    // A released savepoint's locks belong to the one around it.
    row(&transaction, 4, RowLock::Update).unwrap();
    transaction.release_savepoint("b").unwrap();
    assert!(!is_free(&store, 4, RowLock::KeyShare));
    transaction.rollback_to_savepoint("a").unwrap();
    for number in [2, 3, 4] {
        assert!(is_free(&store, number, RowLock::Update), "row {number}");
    }
    assert!(is_free(&store, 1, RowLock::NoKeyUpdate), "only the upgrade is taken back");
    assert!(!is_free(&store, 1, RowLock::Update), "the weaker lock is older than the savepoint");
    // The savepoint is still there, and rolled back to again.
    row(&transaction, 2, RowLock::Update).unwrap();
    transaction.rollback_to_savepoint("a").unwrap();
    assert!(is_free(&store, 2, RowLock::Update));
    // Without savepoints a failed statement keeps its locks.
    transaction.release_savepoint("a").unwrap();
    transaction.begin_statement().unwrap();
    row(&transaction, 5, RowLock::Update).unwrap();
    transaction.abort_statement();
    assert!(!is_free(&store, 5, RowLock::KeyShare));
}

#[test]
fn a_failed_statement_keeps_its_locks_until_the_savepoint_before_it() {
    let store = store();
    let transaction = begin(&store);
    transaction.savepoint("a").unwrap();
    transaction.begin_statement().unwrap();
    row(&transaction, 1, RowLock::Update).unwrap();
    transaction.abort_statement();
    assert!(!is_free(&store, 1, RowLock::KeyShare));
    transaction.rollback_to_savepoint("a").unwrap();
    assert!(is_free(&store, 1, RowLock::Update));
}

#[test]
fn a_release_at_a_savepoint_wakes_who_waits() {
    let store = store();
    let transaction = begin(&store);
    transaction.savepoint("a").unwrap();
    row(&transaction, 1, RowLock::Update).unwrap();
    let waiting = wish(begin(&store), row_wish(1, RowLock::Update));
    wait_for_waiters(&store, 1);
    transaction.rollback_to_savepoint("a").unwrap();
    let (_waiting, result) = waiting.join().unwrap();
    result.unwrap();
}

#[test]
fn a_report_names_holders_and_waiters() {
    let store = store();
    let holder = begin(&store);
    holder.set_session(9);
    row(&holder, 1, RowLock::NoKeyUpdate).unwrap();
    holder.lock(TABLE, RelationLock::RowExclusive).unwrap();
    let waiting = wish(begin(&store), row_wish(1, RowLock::Update));
    wait_for_waiters(&store, 1);
    let mut infos: Vec<_> = store
        .lock_infos()
        .into_iter()
        .map(|info| (info.mode, info.is_granted, info.process_id, info.waiting_since_us.is_some()))
        .collect();
    infos.sort();
    assert_eq!(
        infos,
        [
            ("AccessExclusiveLock", false, None, true),
            ("ExclusiveLock", true, Some(9), false),
            ("RowExclusiveLock", true, Some(9), false),
        ]
    );
    drop(holder);
    let (_waiting, result) = waiting.join().unwrap();
    result.unwrap();
}

#[test]
fn a_failed_transaction_keeps_only_what_a_rollback_would_keep() {
    let store = store();
    let transaction = begin(&store);
    row(&transaction, 1, RowLock::Update).unwrap();
    transaction.savepoint("a").unwrap();
    row(&transaction, 2, RowLock::Update).unwrap();
    transaction.release_locks_of_failed();
    assert!(is_free(&store, 2, RowLock::Update));
    assert!(!is_free(&store, 1, RowLock::KeyShare), "ROLLBACK TO a keeps it");
    transaction.rollback_to_savepoint("a").unwrap();
    transaction.release_savepoint("a").unwrap();
    transaction.release_locks_of_failed();
    assert!(is_free(&store, 1, RowLock::Update));
}

#[test]
fn locks_that_others_wait_for_are_told_from_those_of_readers() {
    let store = store();
    let takes: [fn(&Transaction); 4] = [
        |t| assert_eq!(row(t, 1, RowLock::KeyShare).unwrap(), LockOutcome::Granted),
        |t| assert!(!t.lock_unique_key(INDEX, b"key").unwrap()),
        |t| assert!(!t.lock(TABLE, RelationLock::RowShare).unwrap()),
        |t| assert!(!t.lock(TABLE, RelationLock::AccessExclusive).unwrap()),
    ];
    for take in takes {
        let transaction = begin(&store);
        transaction.lock(TABLE, RelationLock::AccessShare).unwrap();
        transaction.lock_advisory(AdvisoryKey::Single(1), false, LockWait::NoWait).unwrap();
        assert!(!transaction.holds_locks_beyond_reading());
        transaction.savepoint("a").unwrap();
        take(&transaction);
        assert!(transaction.holds_locks_beyond_reading());
        transaction.rollback_to_savepoint("a").unwrap();
        assert!(!transaction.holds_locks_beyond_reading());
    }
}
