//! Who gives up, and who need not.

use super::*;

/// Runs the wishes, each of which closes a cycle when all wait: exactly one must be told, the rest be served once that
/// one has rolled back. Gives the detail.
fn one_gives_up(store: &Arc<Store>, wishes: Vec<(Transaction, Wish)>) -> String {
    let count = wishes.len();
    let told = Arc::new(AtomicU32::new(0));
    let threads: Vec<_> = wishes
        .into_iter()
        .map(|(transaction, wish)| {
            let told = Arc::clone(&told);
            std::thread::spawn(move || {
                let result = wish(&transaction);
                if result.is_err() {
                    told.fetch_add(1, Ordering::SeqCst);
                }
                drop(transaction);
                result
            })
        })
        .collect();
    let mut results: Vec<_> = threads.into_iter().map(|thread| thread.join().unwrap()).collect();
    results.retain(Result::is_err);
    assert_eq!(results.len(), 1, "of {count}: {results:?}");
    assert_eq!(told.load(Ordering::SeqCst), 1);
    assert_eq!(store.locks().counts(), (0, 0));
    match results.remove(0) {
        Err(StorageError::Deadlock { detail }) => detail,
        other => panic!("expected a deadlock, found {other:?}"),
    }
}

#[test]
fn one_of_two_is_told() {
    for _ in 0..20 {
        let store = store();
        let (a, b) = (begin(&store), begin(&store));
        a.set_session(11);
        b.set_session(12);
        row(&a, 1, RowLock::Update).unwrap();
        row(&b, 2, RowLock::Update).unwrap();
        let wishes = vec![(a, row_wish(2, RowLock::Update)), (b, row_wish(1, RowLock::Update))];
        let detail = one_gives_up(&store, wishes);
        for (process, number, blocker) in [(11, 2, 12), (12, 1, 11)] {
            let line = format!(
                "Process {process} waits for AccessExclusiveLock on row {number} of relation 1; blocked by process \
                 {blocker}."
            );
            assert!(detail.contains(&line), "{detail}");
        }
    }
}

#[test]
fn one_of_three_is_told_across_kinds() {
    for _ in 0..20 {
        let store = store();
        let (a, b, c) = (begin(&store), begin(&store), begin(&store));
        row(&a, 1, RowLock::NoKeyUpdate).unwrap();
        b.lock_unique_key(INDEX, b"key").unwrap();
        c.lock(TABLE, RelationLock::ShareRowExclusive).unwrap();
        let wishes = vec![
            (a, boxed(|t| t.lock_unique_key(INDEX, b"key").map(drop))),
            (b, boxed(|t| t.lock(TABLE, RelationLock::RowExclusive).map(drop))),
            (c, row_wish(1, RowLock::Share)),
        ];
        let detail = one_gives_up(&store, wishes);
        assert_eq!(detail.lines().count(), 3, "{detail}");
        assert!(detail.contains("waits for ExclusiveLock on a key of index 2; blocked by"), "{detail}");
        assert!(detail.contains("waits for RowExclusiveLock on relation 1; blocked by"), "{detail}");
        assert!(detail.contains("waits for RowShareLock on row 1 of relation 1; blocked by"), "{detail}");
    }
}

#[test]
fn two_who_both_upgrade_deadlock() {
    let store = store();
    let (a, b) = (begin(&store), begin(&store));
    row(&a, 1, RowLock::Share).unwrap();
    row(&b, 1, RowLock::Share).unwrap();
    one_gives_up(&store, vec![(a, row_wish(1, RowLock::Update)), (b, row_wish(1, RowLock::Update))]);
}

#[test]
fn a_session_and_its_transaction_are_one_party() {
    let store = store();
    let session = SessionLocks::new(&store, 3);
    let (own, foreign) = (begin(&store), begin(&store));
    own.set_session(3);
    let key = AdvisoryKey::Pair(-1, -2);
    assert!(session.lock(&own, key, false, LockWait::Block).unwrap());
    assert!(own.lock_advisory(key, false, LockWait::Block).unwrap());
    assert!(!foreign.lock_advisory(key, true, LockWait::NoWait).unwrap());
    drop(own);
    assert!(!foreign.lock_advisory(key, true, LockWait::NoWait).unwrap(), "the session still holds it");

    // A cycle that leads through the session's lock and the transaction's row.
    let own = begin(&store);
    own.set_session(3);
    row(&foreign, 1, RowLock::Update).unwrap();
    let waiting = wish(foreign, boxed(move |t| t.lock_advisory(key, false, LockWait::Block).map(drop)));
    wait_for_waiters(&store, 1);
    let refused = row(&own, 1, RowLock::Update);
    assert!(matches!(refused, Err(StorageError::Deadlock { .. })), "{refused:?}");
    session.unlock_all();
    let (_foreign, result) = waiting.join().unwrap();
    result.unwrap();
}

#[test]
fn a_cycle_over_a_place_in_a_queue_is_untied() {
    let store = store();
    let (first, second, third) = (begin(&store), begin(&store), begin(&store));
    row(&first, 1, RowLock::KeyShare).unwrap();
    row(&second, 2, RowLock::Update).unwrap();
    // The third waits for the first, the second only for its turn behind the third.
    let third = wish(third, row_wish(1, RowLock::Update));
    wait_for_waiters(&store, 1);
    let second = wish(second, row_wish(1, RowLock::KeyShare));
    wait_for_waiters(&store, 2);
    // The first closes the cycle; no holder stands in the second's way.
    let first = wish(first, row_wish(2, RowLock::Update));
    let (second, result) = second.join().unwrap();
    result.unwrap();
    drop(second);
    let (first, result) = first.join().unwrap();
    result.unwrap();
    drop(first);
    let (_third, result) = third.join().unwrap();
    result.unwrap();
}
