//! Keys that are listed, and those who want them all the same.

use super::*;
use crate::store::unique_key_hash;

fn hashes(keys: &[&[u8]]) -> Vec<u64> {
    keys.iter().map(|key| unique_key_hash(key)).collect()
}

fn key_wish(key: &'static [u8]) -> Wish {
    boxed(move |t| t.lock_unique_key(INDEX, key).map(drop))
}

#[test]
fn a_listed_key_is_waited_for_and_goes_with_its_transaction() {
    let store = store();
    let (load, other) = (begin(&store), begin(&store));
    assert!(load.lock_unique_keys(INDEX, &hashes(&[b"1", b"2", b"3"])).unwrap());
    assert_eq!(store.locks().counts(), (0, 0), "nothing is entered before somebody asks");
    assert!(load.holds_locks_beyond_reading());
    assert!(!other.unique_key_is_free(INDEX, b"2"));
    assert!(load.unique_key_is_free(INDEX, b"2"));
    assert!(other.unique_key_is_free(INDEX, b"4"));
    assert!(!other.lock_unique_key(INDEX, b"4").unwrap());
    // Of another index.
    assert!(!other.lock_unique_key(TABLE, b"2").unwrap());
    other.set_lock_timeout(Some(Duration::from_millis(20)));
    let refused = other.lock_unique_key(INDEX, b"2");
    assert!(matches!(refused, Err(StorageError::LockTimeout)), "{refused:?}");
    other.set_lock_timeout(None);
    let waiting = wish(other, key_wish(b"2"));
    wait_for_waiters(&store, 1);
    // The load itself has its keys however it asks.
    assert!(!load.lock_unique_key(INDEX, b"2").unwrap());
    assert!(!load.lock_unique_key(INDEX, b"3").unwrap());
    load.rollback();
    let (other, result) = waiting.join().unwrap();
    result.unwrap();
    assert!(!begin(&store).unique_key_is_free(INDEX, b"2"));
    assert!(begin(&store).unique_key_is_free(INDEX, b"1"));
    drop(other);
    assert_eq!(store.locks().counts(), (0, 0));
    assert!(store.locks().lists.read().is_empty());
}

#[test]
fn a_load_waits_for_keys_that_others_hold() {
    let store = store();
    let (holder, load) = (begin(&store), begin(&store));
    assert!(!holder.lock_unique_key(INDEX, b"2").unwrap());
    let loading = boxed(|t| t.lock_unique_keys(INDEX, &hashes(&[b"1", b"2", b"3"])).map(drop));
    let loading = wish(load, loading);
    wait_for_waiters(&store, 1);
    drop(holder);
    let (load, result) = loading.join().unwrap();
    result.unwrap();
    for key in [b"1", b"2", b"3"] {
        assert!(!begin(&store).unique_key_is_free(INDEX, key));
    }
    drop(load);
    assert_eq!(store.locks().counts(), (0, 0));
}

#[test]
fn a_load_waits_for_keys_that_another_has_listed() {
    let store = store();
    let (first, second) = (begin(&store), begin(&store));
    assert!(first.lock_unique_keys(INDEX, &hashes(&[b"1", b"2"])).unwrap());
    let loading = wish(second, boxed(|t| t.lock_unique_keys(INDEX, &hashes(&[b"2", b"3"])).map(drop)));
    wait_for_waiters(&store, 1);
    drop(first);
    let (second, result) = loading.join().unwrap();
    result.unwrap();
    assert!(begin(&store).unique_key_is_free(INDEX, b"1"));
    assert!(!begin(&store).unique_key_is_free(INDEX, b"2"));
    assert!(!begin(&store).unique_key_is_free(INDEX, b"3"));
    drop(second);
    assert_eq!(store.locks().counts(), (0, 0));
}

#[test]
fn loads_that_wait_for_each_other_are_found() {
    for _ in 0..20 {
        let store = store();
        let (a, b) = (begin(&store), begin(&store));
        assert!(a.lock_unique_keys(INDEX, &hashes(&[b"1"])).unwrap());
        assert!(b.lock_unique_keys(INDEX, &hashes(&[b"2"])).unwrap());
        let a = std::thread::spawn(move || a.lock_unique_key(INDEX, b"2"));
        let b = std::thread::spawn(move || b.lock_unique_key(INDEX, b"1"));
        let results = [a.join().unwrap(), b.join().unwrap()];
        let told = results.iter().filter(|result| matches!(result, Err(StorageError::Deadlock { .. }))).count();
        assert_eq!(told, 1, "{results:?}");
        assert_eq!(store.locks().counts(), (0, 0));
    }
}

#[test]
fn with_a_savepoint_keys_are_locked_one_by_one() {
    let store = store();
    let load = begin(&store);
    load.savepoint("a").unwrap();
    assert!(!load.lock_unique_keys(INDEX, &hashes(&[b"1"])).unwrap());
    assert!(begin(&store).unique_key_is_free(INDEX, b"1"));
    load.release_savepoint("a").unwrap();
    assert!(load.lock_unique_keys(INDEX, &hashes(&[b"1"])).unwrap());
    // What was listed before a savepoint outlives it.
    load.savepoint("b").unwrap();
    load.rollback_to_savepoint("b").unwrap();
    assert!(!begin(&store).unique_key_is_free(INDEX, b"1"));
    load.release_locks_of_failed();
    assert!(!begin(&store).unique_key_is_free(INDEX, b"1"), "a rollback to b would keep it");
}

#[test]
fn two_never_have_one_key() {
    const KEYS: usize = 40;
    let store = store();
    let keys: Arc<Vec<String>> = Arc::new((0..KEYS).map(|key| key.to_string()).collect());
    let holders: Arc<Vec<AtomicU32>> = Arc::new((0..KEYS).map(|_| AtomicU32::new(0)).collect());
    let threads: Vec<_> = (0..8_usize)
        .map(|thread| {
            let (store, keys, holders) = (Arc::clone(&store), Arc::clone(&keys), Arc::clone(&holders));
            std::thread::spawn(move || {
                for round in 0..300_usize {
                    let transaction = begin(&store);
                    // Ascending, so that nobody waits in a circle.
                    let first = (thread * 7 + round * 13) % (KEYS - 6);
                    let chosen = first..first + 6;
                    if thread.is_multiple_of(2) {
                        for key in chosen.clone() {
                            transaction.lock_unique_key(INDEX, keys[key].as_bytes()).unwrap();
                        }
                    } else {
                        for key in chosen.clone() {
                            let hash = unique_key_hash(keys[key].as_bytes());
                            assert!(transaction.lock_unique_keys(INDEX, &[hash]).unwrap());
                        }
                    }
                    for key in chosen.clone() {
                        assert_eq!(holders[key].fetch_add(1, Ordering::SeqCst), 0, "key {key}");
                    }
                    chosen.for_each(|key| assert_eq!(holders[key].fetch_sub(1, Ordering::SeqCst), 1));
                }
            })
        })
        .collect();
    threads.into_iter().for_each(|thread| thread.join().unwrap());
    assert_eq!(store.locks().counts(), (0, 0));
    assert!(store.locks().lists.read().is_empty());
}
