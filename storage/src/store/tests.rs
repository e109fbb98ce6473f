//! Tests of the store: one write path, one read path, first-committer-wins.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::Arc;
use std::time::Duration;

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use super::*;
use crate::ids::RelationId;

const ROWS: Keyspace = Keyspace(50_000);

fn store() -> Arc<Store> {
    Store::in_memory(StoreOptions::default()).unwrap()
}

fn put(transaction: &Transaction, key: &str, value: &str) {
    transaction.kv_put(ROWS, key.as_bytes(), value.as_bytes()).unwrap();
}

fn get(transaction: &Transaction, key: &str) -> Option<String> {
    transaction.kv_get(ROWS, key.as_bytes()).unwrap().map(|value| String::from_utf8(value.to_vec()).unwrap())
}

fn all(transaction: &Transaction) -> Vec<String> {
    let range = transaction.kv_range(ROWS, Bound::Unbounded, Bound::Unbounded, false).unwrap();
    range.map(|pair| String::from_utf8(pair.unwrap().0.to_vec()).unwrap()).collect()
}

#[test]
fn commits_become_visible_to_the_next_statement() {
    let store = store();
    let writer = store.begin(Isolation::ReadCommitted);
    let reader = store.begin(Isolation::ReadCommitted);
    let repeatable = store.begin(Isolation::RepeatableRead);
    reader.begin_statement().unwrap();
    repeatable.begin_statement().unwrap();
    put(&writer, "a", "1");
    assert_eq!(get(&writer, "a").as_deref(), Some("1"));
    assert!(writer.has_writes());
    let lsn = writer.commit().unwrap();
    assert_eq!(lsn, Lsn(1));
    assert_eq!(get(&reader, "a"), None, "the statement keeps its snapshot");
    reader.finish_statement().unwrap();
    reader.begin_statement().unwrap();
    assert_eq!(get(&reader, "a").as_deref(), Some("1"));
    repeatable.finish_statement().unwrap();
    repeatable.begin_statement().unwrap();
    assert_eq!(get(&repeatable, "a"), None, "the transaction keeps its snapshot");
    assert_eq!(store.stats().lsn, Lsn(1));
}

#[test]
fn the_first_committer_wins() {
    let store = store();
    let setup = store.begin(Isolation::ReadCommitted);
    put(&setup, "a", "0");
    setup.commit().unwrap();

    let first = store.begin(Isolation::ReadCommitted);
    let second = store.begin(Isolation::ReadCommitted);
    for transaction in [&first, &second] {
        transaction.begin_statement().unwrap();
        put(transaction, "a", "mine");
        transaction.finish_statement().unwrap();
    }
    first.commit().unwrap();
    // A later statement's snapshot does not launder the earlier write.
    second.begin_statement().unwrap();
    put(&second, "a", "again");
    second.finish_statement().unwrap();
    assert!(matches!(second.commit(), Err(StorageError::WriteConflict { .. })));

    let third = store.begin(Isolation::ReadCommitted);
    put(&third, "a", "3");
    third.commit().unwrap();
}

#[test]
fn a_statement_after_the_commit_does_not_conflict_under_read_committed() {
    let store = store();
    let early = store.begin(Isolation::ReadCommitted);
    early.begin_statement().unwrap();
    put(&early, "other", "x");
    early.finish_statement().unwrap();
    let other = store.begin(Isolation::ReadCommitted);
    put(&other, "a", "1");
    other.commit().unwrap();
    early.begin_statement().unwrap();
    assert_eq!(get(&early, "a").as_deref(), Some("1"));
    put(&early, "a", "2");
    early.finish_statement().unwrap();
    early.commit().unwrap();

    let repeatable = store.begin(Isolation::RepeatableRead);
    repeatable.begin_statement().unwrap();
    let other = store.begin(Isolation::ReadCommitted);
    put(&other, "a", "3");
    other.commit().unwrap();
    put(&repeatable, "a", "4");
    assert!(matches!(repeatable.commit(), Err(StorageError::WriteConflict { .. })));
}

#[test]
fn claims_conflict_with_writes_but_not_with_each_other() {
    let store = store();
    let claim = |key: &str| {
        let transaction = store.begin(Isolation::ReadCommitted);
        transaction.kv_claim(ROWS, b"node");
        put(&transaction, key, "x");
        transaction
    };
    let (first, second, third) = (claim("1"), claim("2"), claim("3"));
    first.commit().unwrap();
    second.commit().unwrap();
    let deleting = store.begin(Isolation::ReadCommitted);
    deleting.kv_delete(ROWS, b"node").unwrap();
    deleting.commit().unwrap();
    assert!(matches!(third.commit(), Err(StorageError::WriteConflict { .. })));

    // The other way round: the claim commits first.
    let deleting = store.begin(Isolation::ReadCommitted);
    deleting.kv_delete(ROWS, b"node").unwrap();
    claim("4").commit().unwrap();
    assert!(matches!(deleting.commit(), Err(StorageError::WriteConflict { .. })));
    let (claiming, updating) = (claim("5"), store.begin(Isolation::ReadCommitted));
    put(&updating, "node", "again");
    updating.commit().unwrap();
    claiming.commit().unwrap();
}

#[test]
fn observed_types_are_merged() {
    let store = store();
    let transactions: Vec<Transaction> = [[1_u8, 0], [4, 0], [0, 2]]
        .iter()
        .map(|bits| {
            let transaction = store.begin(Isolation::ReadCommitted);
            transaction.kv_put(Keyspace::OBSERVED_TYPES, b"k", bits).unwrap();
            transaction
        })
        .collect();
    for transaction in transactions {
        transaction.commit().unwrap();
    }
    let reader = store.begin(Isolation::ReadCommitted);
    assert_eq!(&*reader.kv_get(Keyspace::OBSERVED_TYPES, b"k").unwrap().unwrap(), &[5, 2]);
}

#[test]
fn statements_and_savepoints_are_layers() {
    let store = store();
    let t = store.begin(Isolation::ReadCommitted);
    let statement = |writes: &[(&str, &str)], keep: bool| {
        t.begin_statement().unwrap();
        for (key, value) in writes {
            put(&t, key, value);
            t.note_change(Change::IndexReset { index: RelationId(1) });
        }
        if keep { t.finish_statement().unwrap() } else { t.abort_statement() }
    };
    statement(&[("a", "1")], true);
    t.savepoint("s").unwrap();
    statement(&[("a", "2"), ("b", "1")], true);
    statement(&[("a", "3"), ("c", "1")], false);
    assert_eq!((get(&t, "a").as_deref(), get(&t, "c")), (Some("2"), None));
    t.savepoint("inner").unwrap();
    t.kv_delete(ROWS, b"a").unwrap();
    assert_eq!(all(&t), ["b"]);
    let epoch = t.change_epoch();
    t.rollback_to_savepoint("s").unwrap();
    assert_ne!(t.change_epoch(), epoch);
    assert_eq!(all(&t), ["a"]);
    assert_eq!(get(&t, "a").as_deref(), Some("1"));
    assert!(matches!(t.rollback_to_savepoint("inner"), Err(StorageError::SavepointNotFound(_))));
    let mut changes = 0;
    t.for_each_own_change(&mut |_| changes += 1);
    assert_eq!(changes, 1);
    put(&t, "d", "1");
    t.release_savepoint("s").unwrap();
    assert!(t.rollback_to_savepoint("s").is_err());
    t.commit().unwrap();
    assert_eq!(all(&store.begin(Isolation::ReadCommitted)), ["a", "d"]);
}

#[test]
fn clearing_a_keyspace_hides_and_removes_everything() {
    let store = store();
    let t = store.begin(Isolation::ReadCommitted);
    (0..10).for_each(|i| t.kv_insert_new(ROWS, format!("k{i}").as_bytes(), b"x").unwrap());
    t.commit().unwrap();
    let t = store.begin(Isolation::ReadCommitted);
    t.savepoint("s").unwrap();
    put(&t, "k3", "y");
    t.kv_clear(ROWS);
    put(&t, "new", "z");
    assert_eq!(all(&t), ["new"]);
    assert_eq!(t.kv_count(ROWS).unwrap(), 1);
    t.rollback_to_savepoint("s").unwrap();
    assert_eq!(t.kv_count(ROWS).unwrap(), 10);
    assert_eq!(get(&t, "k3").as_deref(), Some("x"));
    t.kv_clear(ROWS);
    put(&t, "new", "z");
    // Who wrote a row that is gone with the keyspace loses.
    let late = store.begin(Isolation::ReadCommitted);
    put(&late, "k4", "late");
    t.commit().unwrap();
    assert!(matches!(late.commit(), Err(StorageError::WriteConflict { .. })));
    assert_eq!(all(&store.begin(Isolation::ReadCommitted)), ["new"]);
}

#[test]
fn reads_merge_like_a_map() {
    let mut random = StdRng::seed_from_u64(7);
    let store = store();
    let mut model: BTreeMap<Vec<u8>, Vec<u8>> = BTreeMap::new();
    for _ in 0..30 {
        let t = store.begin(Isolation::ReadCommitted);
        let mut own = model.clone();
        for _ in 0..random.random_range(0..200) {
            let key = vec![random.random_range(0..6_u8); random.random_range(1..5)];
            if random.random_bool(0.3) {
                t.kv_delete(ROWS, &key).unwrap();
                own.remove(&key);
            } else {
                let value = random.random::<u32>().to_le_bytes().to_vec();
                t.kv_put(ROWS, &key, &value).unwrap();
                own.insert(key, value);
            }
        }
        for _ in 0..40 {
            let bound = |random: &mut StdRng| {
                let key = vec![random.random_range(0..6_u8); random.random_range(1..5)];
                match random.random_range(0..3) {
                    0 => Bound::Included(key),
                    1 => Bound::Excluded(key),
                    _ => Bound::Unbounded,
                }
            };
            let (lower, upper) = (bound(&mut random), bound(&mut random));
            let reverse = random.random_bool(0.5);
            let got: Vec<(Vec<u8>, Vec<u8>)> = t
                .kv_range(ROWS, lower.as_ref().map(|k| &k[..]), upper.as_ref().map(|k| &k[..]), reverse)
                .unwrap()
                .map(|pair| pair.map(|(key, value)| (key.to_vec(), value.to_vec())).unwrap())
                .collect();
            let inside = |key: &Vec<u8>| {
                (match &lower {
                    Bound::Included(l) => key >= l,
                    Bound::Excluded(l) => key > l,
                    Bound::Unbounded => true,
                }) && (match &upper {
                    Bound::Included(u) => key <= u,
                    Bound::Excluded(u) => key < u,
                    Bound::Unbounded => true,
                })
            };
            let mut expected: Vec<_> =
                own.iter().filter(|(key, _)| inside(key)).map(|(k, v)| (k.clone(), v.clone())).collect();
            if reverse {
                expected.reverse();
            }
            assert_eq!(got, expected);
        }
        if random.random_bool(0.7) {
            t.commit().unwrap();
            model = own;
        }
    }
}

#[test]
fn ids_are_unique_and_survive_reopening() {
    let directory = tempfile::tempdir().unwrap();
    let mut seen = std::collections::BTreeSet::new();
    for _ in 0..3 {
        let store = Store::open(directory.path(), StoreOptions::default()).unwrap();
        let t = store.begin(Isolation::ReadCommitted);
        for _ in 0..300 {
            assert!(seen.insert(t.allocate_id("node").unwrap()));
        }
        t.raise_id("node", seen.last().unwrap() + 1_000).unwrap();
        drop(t);
        store.close().unwrap();
        store.close().unwrap();
        assert!(matches!(
            {
                let t = store.begin(Isolation::ReadCommitted);
                put(&t, "a", "1");
                t.commit()
            },
            Err(StorageError::ShuttingDown)
        ));
    }
}

#[test]
fn acknowledged_commits_survive_an_unclean_stop() {
    let directory = tempfile::tempdir().unwrap();
    let store = Store::open(directory.path(), StoreOptions::default()).unwrap();
    let again = Store::open(directory.path(), StoreOptions::default());
    assert!(matches!(again, Err(StorageError::AlreadyOpen(_))));
    let mut writers = Vec::new();
    for writer in 0..8 {
        let store = Arc::clone(&store);
        writers.push(std::thread::spawn(move || {
            let mut ids = Vec::new();
            for i in 0..20 {
                let t = store.begin(Isolation::ReadCommitted);
                ids.push(t.allocate_id("node").unwrap());
                put(&t, &format!("{writer}-{i}"), "x");
                t.note_change(Change::IndexReset { index: RelationId(writer) });
                t.commit().unwrap();
            }
            ids
        }));
    }
    let mut ids: Vec<u64> = writers.into_iter().flat_map(|writer| writer.join().unwrap()).collect();
    let stats = store.stats();
    assert_eq!((stats.lsn, stats.commit_count), (Lsn(160), 160));
    assert!(stats.commit_batch_count <= 160);
    let uncommitted = store.begin(Isolation::ReadCommitted);
    put(&uncommitted, "never", "x");

    // What a killed process leaves behind is the file as it is now.
    let copy = tempfile::tempdir().unwrap();
    std::fs::copy(directory.path().join(FILE_NAME), copy.path().join(FILE_NAME)).unwrap();
    std::fs::create_dir(copy.path().join(LOG_FOLDER)).unwrap();
    for segment in std::fs::read_dir(directory.path().join(LOG_FOLDER)).unwrap() {
        let segment = segment.unwrap();
        std::fs::copy(segment.path(), copy.path().join(LOG_FOLDER).join(segment.file_name())).unwrap();
    }
    let epoch = store.identity().unwrap();
    let reopened = Store::open(copy.path(), StoreOptions::default()).unwrap();
    let identity = reopened.identity().unwrap();
    assert_eq!((identity.database_uuid, identity.epoch), (epoch.database_uuid, epoch.epoch + 1));
    let t = reopened.begin(Isolation::ReadCommitted);
    assert_eq!(t.snapshot_lsn(), Lsn(160));
    assert_eq!(all(&t).len(), 160);
    ids.push(t.allocate_id("node").unwrap());
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), 161, "no id is given twice");
    let logged = t.rows().changes_since(Lsn(100)).unwrap().unwrap().count();
    assert_eq!(logged, 60);
}

#[test]
fn a_newer_format_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    drop(Store::open(directory.path(), StoreOptions::default()).unwrap());
    {
        let database = Builder::new().create(directory.path().join(FILE_NAME)).unwrap();
        let transaction = database.begin_write().unwrap();
        {
            let name = Keyspace::META.table_name();
            let mut meta = transaction.open_table(TableDefinition::<&[u8], &[u8]>::new(&name)).unwrap();
            meta.insert(FORMAT_KEY, &99_u32.to_be_bytes()[..]).unwrap();
        }
        transaction.commit().unwrap();
    }
    let refused = Store::open(directory.path(), StoreOptions::default());
    assert!(matches!(refused, Err(StorageError::FormatTooNew { found: 99, .. })));
}

#[test]
fn a_write_set_has_a_limit() {
    let store = Store::in_memory(StoreOptions { write_set_limit_bytes: 10_000, ..StoreOptions::default() }).unwrap();
    let t = store.begin(Isolation::ReadCommitted);
    t.begin_statement().unwrap();
    let refused = (0..100).find_map(|i| t.kv_put(ROWS, &[i], &[0; 500]).err());
    assert!(matches!(refused, Some(StorageError::LimitExceeded(_))));
    t.abort_statement();
    assert!(!t.has_writes());
    put(&t, "small", "x");
    t.commit().unwrap();
}

#[test]
fn an_idle_transaction_pins_nothing() {
    let store = store();
    let idle = store.begin(Isolation::ReadCommitted);
    idle.begin_statement().unwrap();
    idle.finish_statement().unwrap();
    let t = store.begin(Isolation::ReadCommitted);
    put(&t, "a", "1");
    t.commit().unwrap();
    let stats = store.stats();
    assert_eq!((stats.oldest_snapshot_lsn, stats.open_transaction_count), (Lsn(1), 1));
    drop(idle);
    assert_eq!(store.stats().open_transaction_count, 0);
}

#[test]
fn the_change_log_is_trimmed_and_says_so() {
    let store = store();
    for i in 0..500 {
        let t = store.begin(Isolation::ReadCommitted);
        put(&t, "a", "x");
        t.note_change(Change::IndexReset { index: RelationId(i) });
        t.commit().unwrap();
    }
    assert_eq!(store.checkpoint().unwrap(), Lsn(500));
    let rows = store.begin(Isolation::ReadCommitted).rows();
    let floor = rows.change_log_floor().unwrap();
    assert!(floor >= Lsn(40) && floor <= Lsn(100), "{floor}");
    assert_eq!(rows.key_count(Keyspace::CHANGE_LOG).unwrap(), 500 - floor.0);
    assert!(rows.changes_since(Lsn(floor.0 - 1)).unwrap().is_none());
    let (lsn, changes) = rows.changes_since(floor).unwrap().unwrap().next().unwrap().unwrap();
    assert_eq!((lsn, changes), (Lsn(floor.0 + 1), vec![Change::IndexReset { index: RelationId(floor.0 as u32) }]));
    // A follower from the future, after a backup was restored, starts over too.
    assert!(rows.changes_since(Lsn(501)).unwrap().is_none());
}

#[test]
fn a_damaged_file_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join(FILE_NAME);
    std::fs::write(&file, b"not a database at all, though long enough to be looked at".repeat(500)).unwrap();
    let refused = Store::open(directory.path(), StoreOptions::default()).err();
    assert!(matches!(refused, Some(StorageError::Corrupted(_))), "{refused:?}");
    std::fs::remove_file(&file).unwrap();
    let store = Store::open(directory.path(), StoreOptions::default()).unwrap();
    let t = store.begin(Isolation::ReadCommitted);
    (0..5_000).for_each(|i| put(&t, &format!("key {i}"), "some value"));
    t.commit().unwrap();
    store.close().unwrap();
    drop(store);
    let whole = std::fs::read(&file).unwrap();
    std::fs::write(&file, &whole[..whole.len() / 3]).unwrap();
    let refused = Store::open(directory.path(), StoreOptions::default()).err();
    assert!(matches!(refused, Some(StorageError::Corrupted(_) | StorageError::Io(_))), "{refused:?}");
    std::fs::write(&file, &whole).unwrap();
    let store = Store::open(directory.path(), StoreOptions::default()).unwrap();
    assert_eq!(all(&store.begin(Isolation::ReadCommitted)).len(), 5_000);
}

#[test]
fn an_unreadable_catalog_row_is_refused_at_commit() {
    let store = store();
    let t = store.begin(Isolation::ReadCommitted);
    put(&t, "a", "1");
    // A catalog row that cannot be read is refused before anything is written.
    t.kv_put(Keyspace::CATALOG, b"t\0\0\0\x01", b"nonsense").unwrap();
    assert!(matches!(t.commit(), Err(StorageError::Corrupted(_))));
    let t = store.begin(Isolation::ReadCommitted);
    put(&t, "a", "2");
    t.commit().unwrap();
}

#[test]
fn commits_are_grouped() {
    let directory = tempfile::tempdir().unwrap();
    let store = Store::open(directory.path(), StoreOptions::default()).unwrap();
    let writers: Vec<_> = (0..16)
        .map(|writer| {
            let store = Arc::clone(&store);
            std::thread::spawn(move || {
                for i in 0..20 {
                    let t = store.begin(Isolation::ReadCommitted);
                    put(&t, &format!("{writer}-{i}"), "x");
                    t.commit().unwrap();
                }
            })
        })
        .collect();
    writers.into_iter().for_each(|writer| writer.join().unwrap());
    let stats = store.stats();
    assert_eq!(stats.commit_count, 320);
    assert!(stats.commit_batch_count < 320, "{} batches", stats.commit_batch_count);
}

#[test]
fn a_transaction_too_old_to_check_is_refused() {
    let store = store();
    let old = store.begin(Isolation::ReadCommitted);
    put(&old, "old", "1");
    let inserting = store.begin(Isolation::ReadCommitted);
    inserting.kv_insert_new(ROWS, b"fresh", b"1").unwrap();
    for round in 0..25 {
        let t = store.begin(Isolation::ReadCommitted);
        (0..100).for_each(|i| put(&t, &format!("{round}-{i}"), "x"));
        t.commit().unwrap();
    }
    assert!(matches!(old.commit(), Err(StorageError::WriteConflict { .. })));
    inserting.commit().unwrap();
}

#[test]
fn stores_and_transactions_are_shared_between_threads() {
    fn assert_shared<T: Send + Sync>() {}
    assert_shared::<Store>();
    assert_shared::<Transaction>();
    assert_shared::<KvSnapshot>();
    let store = store();
    let t = store.begin(Isolation::ReadCommitted);
    (0..500).for_each(|i| put(&t, &format!("{i:03}"), "x"));
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| assert_eq!(all(&t).len(), 500));
        }
    });
}

#[test]
fn a_reader_keeps_its_snapshot_and_shares_the_locks() {
    use crate::ddl::RelationLock;
    let store = store();
    let first = store.begin(Isolation::ReadCommitted);
    put(&first, "a", "1");
    first.commit().unwrap();
    let t = store.begin(Isolation::ReadCommitted);
    t.begin_statement().unwrap();
    let reader = t.reader().expect("nothing is written");
    t.finish_statement().unwrap();
    t.begin_statement().unwrap();
    put(&t, "b", "2");
    t.finish_statement().unwrap();
    let other = store.begin(Isolation::ReadCommitted);
    put(&other, "c", "3");
    other.commit().unwrap();
    assert_eq!(all(&reader), ["a"]);
    assert!(t.reader().is_none(), "it would have to show what was written");
    t.begin_statement().unwrap();
    assert_eq!(all(&t), ["a", "b", "c"]);
    t.finish_statement().unwrap();
    // What the reader locks stays locked when it is gone, to the end of the transaction.
    let table = RelationId(17);
    reader.lock_relation(table, RelationLock::AccessExclusive).unwrap();
    let oldest = store.stats().oldest_snapshot_lsn;
    drop(reader);
    assert!(t.holds_relation(table, RelationLock::AccessExclusive));
    let waiter = store.begin(Isolation::ReadCommitted);
    waiter.set_lock_timeout(Some(Duration::ZERO));
    assert!(waiter.lock_relation(table, RelationLock::AccessShare).is_err());
    t.rollback();
    waiter.lock_relation(table, RelationLock::AccessShare).unwrap();
    drop(waiter);
    assert!(store.stats().oldest_snapshot_lsn > oldest, "nothing is pinned any more");
    assert_eq!(store.stats().open_transaction_count, 0);
}
