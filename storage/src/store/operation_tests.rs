//! Tests of what operating the store relies on: snapshots have an age, failures show, the holder is named.

use std::time::Duration;

use super::simulated_disk::{REDB_NAME, SimulatedDisk};
use super::*;

const ROWS: Keyspace = Keyspace(50_000);

fn put(store: &Arc<Store>, value: &str) -> Result<Lsn> {
    let transaction = store.begin(Isolation::ReadCommitted);
    transaction.kv_put(ROWS, b"key", value.as_bytes())?;
    transaction.commit()
}

fn get(transaction: &Transaction) -> Result<Option<String>> {
    Ok(transaction.kv_get(ROWS, b"key")?.map(|value| String::from_utf8_lossy(&value).into_owned()))
}

fn count(transaction: &Transaction) -> Result<usize> {
    transaction.kv_range(ROWS, Bound::Unbounded, Bound::Unbounded, false).map(Iterator::count)
}

/// Takes back every snapshot, however young.
fn expire(store: &Arc<Store>) -> usize {
    // The clock must have moved since the snapshot was taken.
    std::thread::sleep(Duration::from_millis(2));
    store.snapshot_holds().expire(Duration::ZERO)
}

#[test]
fn an_idle_transaction_loses_a_snapshot_that_is_too_old() {
    let store = Store::in_memory(StoreOptions::default()).unwrap();
    put(&store, "1").unwrap();
    let repeatable = store.begin(Isolation::RepeatableRead);
    repeatable.set_session(7);
    repeatable.begin_statement().unwrap();
    assert_eq!(get(&repeatable).unwrap().as_deref(), Some("1"));
    repeatable.finish_statement().unwrap();
    let infos = store.snapshot_infos();
    assert_eq!(infos.len(), 1);
    assert_eq!((infos[0].lsn, infos[0].process_id, infos[0].is_kept), (Lsn(1), 7, true));
    let idle = store.begin(Isolation::ReadCommitted);
    idle.begin_statement().unwrap();
    idle.finish_statement().unwrap();

    assert_eq!(expire(&store), 1, "an idle READ COMMITTED transaction holds none");
    assert!(store.snapshot_infos().is_empty());
    assert_eq!(store.stats().oldest_snapshot_age, Duration::ZERO);
    put(&store, "2").unwrap();
    for _ in 0..2 {
        assert!(matches!(repeatable.begin_statement(), Err(StorageError::SnapshotTooOld)));
        assert!(matches!(get(&repeatable), Err(StorageError::SnapshotTooOld)));
        assert!(matches!(count(&repeatable), Err(StorageError::SnapshotTooOld)));
    }
    // A look at the catalog is no statement, and holds nothing.
    repeatable.catalog();
    assert!(store.snapshot_infos().is_empty());
    idle.begin_statement().unwrap();
    assert_eq!(get(&idle).unwrap().as_deref(), Some("2"));
}

#[test]
fn a_running_statement_is_told_and_loses_its_snapshot_at_the_end() {
    let store = Store::in_memory(StoreOptions::default()).unwrap();
    put(&store, "1").unwrap();
    for isolation in [Isolation::ReadCommitted, Isolation::RepeatableRead] {
        let transaction = store.begin(isolation);
        let cancel = CancelToken::default();
        transaction.set_cancel_token(cancel.clone());
        transaction.begin_statement().unwrap();
        assert_eq!(get(&transaction).unwrap().as_deref(), Some("1"));
        expire(&store);
        assert!(matches!(cancel.check(), Err(StorageError::SnapshotTooOld)));
        assert!(matches!(get(&transaction), Err(StorageError::SnapshotTooOld)));
        assert!(matches!(count(&transaction), Err(StorageError::SnapshotTooOld)));
        assert_eq!(store.snapshot_infos().len(), 1, "the statement has not ended yet");
        transaction.abort_statement();
        assert!(store.snapshot_infos().is_empty());
        cancel.reset();
        match isolation {
            Isolation::ReadCommitted => {
                transaction.begin_statement().unwrap();
                assert_eq!(get(&transaction).unwrap().as_deref(), Some("1"));
            }
            _ => assert!(matches!(transaction.begin_statement(), Err(StorageError::SnapshotTooOld))),
        }
    }
    assert!(store.snapshot_infos().is_empty(), "a transaction that ends gives its snapshot back");
}

#[test]
fn the_store_looks_for_old_snapshots_itself() {
    let directory = tempfile::tempdir().unwrap();
    let options = StoreOptions { max_snapshot_age: Duration::from_millis(50), ..StoreOptions::default() };
    let store = Store::open(directory.path(), options).unwrap();
    let transaction = store.begin(Isolation::RepeatableRead);
    transaction.begin_statement().unwrap();
    transaction.finish_statement().unwrap();
    let deadline = Instant::now() + Duration::from_secs(60);
    while !store.snapshot_infos().is_empty() {
        assert!(Instant::now() < deadline, "the snapshot is still held");
        std::thread::sleep(Duration::from_millis(10));
    }
    assert!(matches!(transaction.begin_statement(), Err(StorageError::SnapshotTooOld)));
}

#[test]
fn a_failed_disk_shows_in_the_statistics_and_reads_go_on() {
    let disk = SimulatedDisk::default();
    let store =
        Store::with_backend(disk.file(REDB_NAME), Some(Arc::new(disk.clone())), StoreOptions::default()).unwrap();
    put(&store, "1").unwrap();
    let stats = store.stats();
    assert_eq!((stats.failed.as_deref(), stats.commit_times.count, stats.batch_sizes.count), (None, 1, 1));
    assert!(stats.log_sync_times.count >= 1);
    disk.fail_syncs();
    assert!(matches!(put(&store, "2"), Err(StorageError::CommitUnknown(_))));
    let failed = store.stats().failed.expect("the failure shows");
    assert!(failed.contains("outcome of the commit is unknown"), "{failed}");
    assert!(matches!(put(&store, "3"), Err(StorageError::Io(_))));
    assert_eq!(get(&store.begin(Isolation::ReadCommitted)).unwrap().as_deref(), Some("1"));
    let _ = store.close();
}

#[test]
fn a_full_disk_shows_until_a_commit_succeeds() {
    let disk = SimulatedDisk::default();
    let store =
        Store::with_backend(disk.file(REDB_NAME), Some(Arc::new(disk.clone())), StoreOptions::default()).unwrap();
    disk.limit_growth(0);
    let large = "x".repeat(700);
    let full = (0..1_000).find_map(|_| put(&store, &large).err()).expect("the disk fills");
    assert!(matches!(full, StorageError::DiskFull(_)), "{full}");
    assert_eq!(store.failure(), Some(full.to_string()));
    disk.heal();
    put(&store, "1").unwrap();
    assert_eq!(store.failure(), None);
    store.close().unwrap();
}

#[test]
fn the_lock_file_lasts_as_long_as_the_store_is_open() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join(LOCK_FILE_NAME);
    std::fs::write(&file, "pid 1\nleft over").unwrap();
    let options = || StoreOptions { listen_addresses: vec!["127.0.0.1:1".to_owned()], ..StoreOptions::default() };
    let store = Store::open(directory.path(), options()).unwrap();
    let text = std::fs::read_to_string(&file).unwrap();
    assert!(text.starts_with(&format!("pid {}\n", std::process::id())), "{text}");
    assert!(text.ends_with("listening on 127.0.0.1:1\n"), "{text}");
    let refused = Store::open(directory.path(), options()).err().expect("it is open").to_string();
    assert!(refused.contains(&format!("(pid {}", std::process::id())), "{refused}");
    assert_eq!(std::fs::read_to_string(&file).unwrap(), text, "whoever is refused leaves the file alone");
    store.close().unwrap();
    assert!(!file.exists());
    // Without the file, and with one that is wrong, opening is refused all the same.
    let store = Store::open(directory.path(), options()).unwrap();
    for text in [None, Some("pid 999999999\n"), Some("nonsense")] {
        match text {
            Some(text) => std::fs::write(&file, text).unwrap(),
            None => std::fs::remove_file(&file).unwrap(),
        }
        let refused = Store::open(directory.path(), options()).err().expect("it is open");
        assert!(matches!(&refused, StorageError::AlreadyOpen(_)), "{refused}");
        assert!(refused.to_string().starts_with("another process holds the database in "), "{refused}");
    }
    store.close().unwrap();
}
