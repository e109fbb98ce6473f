//! Backups are the rows of one snapshot, whatever is written meanwhile; what is not a whole backup is refused.

use std::ops::Bound::Unbounded;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use super::*;
use crate::DataType;
use crate::catalog::{ColumnDef, IndexDef, IndexKind, IndexTarget, TableBehaviour, TableDef};
use crate::ids::{ColumnId, LabelId, NodeId};
use crate::search::TextQueryMode;
use crate::store::StoreOptions;
use crate::test_support::begin;
use crate::value::Value;

fn ignore(_done: u64, _of: u64) -> Result<()> {
    Ok(())
}

/// A table with a full-text index, `row_count` rows, and a few nodes in a ring.
fn fill(store: &Arc<Store>, row_count: usize) -> Arc<TableDef> {
    let t = begin(store);
    let column = ColumnDef {
        id: ColumnId(1),
        name: "body".into(),
        ty: DataType::Text,
        not_null: false,
        default: None,
        identity: None,
        virtual_expression: None,
        comment: None,
    };
    let table = TableDef {
        foreign_keys: Vec::new(),
        id: t.allocate_relation_id().unwrap(),
        schema: "public".into(),
        name: "notes".into(),
        columns: vec![column],
        next_column_id: 2,
        checks: Vec::new(),
        behaviour: TableBehaviour::Plain,
        version: 0,
        comment: None,
        options: Vec::new(),
        materialized: None,
    };
    let table = t.create_table(table).unwrap();
    for (name, kind) in [
        ("notes_body", IndexKind::Ordered { unique: false }),
        ("notes_text", IndexKind::FullText { analyzer: "english".into() }),
    ] {
        let column = crate::catalog::IndexColumn {
            column: ColumnId(1),
            descending: false,
            nulls_first: false,
            expression: None,
        };
        let index = IndexDef {
            id: t.allocate_relation_id().unwrap(),
            schema: "public".into(),
            name: name.into(),
            target: IndexTarget::Table { table: table.id, columns: vec![column] },
            kind,
            constraint: None,
            options: Default::default(),
        };
        t.create_index(index).unwrap();
    }
    let table = Arc::clone(t.catalog().table("public", "notes").unwrap());
    for i in 0..row_count {
        t.insert_row(&table, &[Value::text(format!("a note about ferry number {i}"))]).unwrap();
    }
    let label = t.ensure_label("Stop").unwrap();
    let ty = t.ensure_relationship_type("NEXT").unwrap();
    let nodes: Vec<NodeId> = (0..10).map(|_| t.create_node(&[label], Vec::new()).unwrap()).collect();
    for (i, node) in nodes.iter().enumerate() {
        t.create_relationship(ty, *node, nodes[(i + 1) % nodes.len()], Vec::new()).unwrap();
    }
    t.finish_statement().unwrap();
    t.commit().unwrap();
    table
}

type Pairs = Vec<(Keyspace, Vec<u8>, Vec<u8>)>;

/// Every pair of a snapshot but the metadata, where the epoch differs after opening.
fn all_pairs(store: &Store) -> (Lsn, Pairs) {
    let snapshot = store.published().current();
    let mut pairs = Vec::new();
    for keyspace in keyspaces_of(&snapshot.catalog).into_iter().filter(|keyspace| *keyspace != Keyspace::META) {
        for pair in snapshot.rows.range(keyspace, Unbounded, Unbounded, false).unwrap() {
            let (key, value) = pair.unwrap();
            pairs.push((keyspace, key.to_vec(), value.to_vec()));
        }
    }
    (snapshot.lsn, pairs)
}

#[test]
fn a_restored_backup_is_the_snapshot() {
    let directory = tempfile::tempdir().unwrap();
    let (data, backup, restored) =
        (directory.path().join("data"), directory.path().join("backup"), directory.path().join("deep/restored"));
    let store = Store::open(&data, StoreOptions::default()).unwrap();
    // More than one chunk of the writer.
    fill(&store, 10_000);
    let (lsn, expected) = all_pairs(&store);
    let mut steps = Vec::new();
    let report = store
        .backup_to(&backup, &mut |done, of| {
            steps.push((done, of));
            Ok(())
        })
        .unwrap();
    assert_eq!((report.lsn, report.row_count > 20_000), (lsn, true));
    assert_eq!(report.size_bytes, std::fs::metadata(backup.join(FILE_NAME)).unwrap().len());
    assert!(steps.len() > 20 && steps.is_sorted() && steps.last() == Some(&(report.row_count, report.row_count)));
    assert_eq!(verify_backup(&backup, &mut ignore).unwrap(), report);
    // Later commits are not in it.
    let t = begin(&store);
    t.create_node(&[], Vec::new()).unwrap();
    t.commit().unwrap();
    let identity = store.identity().unwrap();
    store.close().unwrap();

    let back = restore(&backup, &restored, &mut ignore).unwrap();
    assert_eq!((back.lsn, back.row_count), (report.lsn, report.row_count));
    let store = Store::open(&restored, StoreOptions::default()).unwrap();
    assert_eq!(all_pairs(&store), (lsn, expected));
    let restored_identity = store.identity().unwrap();
    assert_eq!(restored_identity.database_uuid, identity.database_uuid);
    assert!(restored_identity.epoch > identity.epoch);
    let checked = store.check(&mut ignore).unwrap();
    assert_eq!(checked.problem_count, 0, "{checked:?}");
}

/// Ends the writers also when an assertion fails.
struct StopAtEnd<'s>(&'s AtomicBool);

impl Drop for StopAtEnd<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Release);
    }
}

#[test]
fn writers_go_on_during_a_backup_and_ids_are_not_given_twice() {
    let directory = tempfile::tempdir().unwrap();
    let store = Store::in_memory(StoreOptions::default()).unwrap();
    let table = fill(&store, 100);
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                while !stop.load(Ordering::Acquire) {
                    let t = begin(&store);
                    t.insert_row(&table, &[Value::text("one more note")]).unwrap();
                    t.create_node(&[LabelId(0)], Vec::new()).unwrap();
                    t.finish_statement().unwrap();
                    t.commit().unwrap();
                    std::thread::sleep(Duration::from_millis(1));
                }
            });
        }
        let _stop = StopAtEnd(&stop);
        for round in 0..4 {
            let (backup, restored) =
                (directory.path().join(format!("backup{round}")), directory.path().join(format!("restored{round}")));
            let before = store.stats().lsn;
            let report = store.backup_to(&backup, &mut ignore).unwrap();
            assert!(before <= report.lsn && report.lsn <= store.stats().lsn);
            restore(&backup, &restored, &mut ignore).unwrap();
            let copy = Store::open(&restored, StoreOptions::default()).unwrap();
            assert_eq!(copy.stats().lsn, report.lsn);
            let checked = copy.check(&mut ignore).unwrap();
            assert_eq!(checked.problem_count, 0, "{checked:?}");
            // A commit writes one row and one node: both, or neither, are in the snapshot.
            let t = begin(&copy);
            assert_eq!(t.row_count(&table).unwrap() - 100, t.node_count(None).unwrap() - 10);
            let last_row = t.scan_rows(&table, &[]).unwrap().last().unwrap().unwrap().0;
            let last_node = t.scan_nodes(None).unwrap().last().unwrap().unwrap();
            assert!(t.insert_row(&table, &[Value::Null]).unwrap() > last_row);
            assert!(t.create_node(&[], Vec::new()).unwrap().0 > last_node);
            let oid = t.allocate_relation_id().unwrap();
            assert!(!t.catalog().tables.contains_key(&oid) && !t.catalog().indexes.contains_key(&oid));
        }
    });
}

#[test]
fn index_files_of_another_time_are_not_used() {
    let directory = tempfile::tempdir().unwrap();
    let (data, backup) = (directory.path().join("data"), directory.path().join("backup"));
    let store = Store::open(&data, StoreOptions::default()).unwrap();
    let table = fill(&store, 3);
    store.backup_to(&backup, &mut ignore).unwrap();
    let t = begin(&store);
    t.insert_row(&table, &[Value::text("a lighthouse")]).unwrap();
    t.commit().unwrap();
    // Closing brings the files up to the commit that the backup does not hold.
    store.close().unwrap();
    std::fs::copy(backup.join(FILE_NAME), data.join(FILE_NAME)).unwrap();
    assert!(data.join("fts").exists());
    let store = Store::open(&data, StoreOptions::default()).unwrap();
    let t = begin(&store);
    let index = Arc::clone(t.catalog().index("public", "notes_text").unwrap());
    let hits = |query: &str| t.text_search(&index, query, TextQueryMode::Words, 10, None).unwrap().len();
    assert_eq!((hits("lighthouse"), hits("ferry")), (0, 3));
}

/// The message with which restoring is refused; nothing is left behind.
#[track_caller]
fn refused(backup: &Path) -> String {
    let target = tempfile::tempdir().unwrap();
    let data = target.path().join("data");
    let verified = verify_backup(backup, &mut ignore).unwrap_err();
    let restored = restore(backup, &data, &mut ignore).unwrap_err();
    assert!(matches!(verified, StorageError::Backup(_)), "{verified:?}");
    assert!(matches!(restored, StorageError::Backup(_)), "{restored:?}");
    assert!(!data.join(FILE_NAME).exists() && !data.join(format!("{FILE_NAME}.part")).exists());
    verified.to_string()
}

fn small_backup(directory: &Path) {
    let store = Store::in_memory(StoreOptions::default()).unwrap();
    fill(&store, 2_000);
    store.backup_to(directory, &mut ignore).unwrap();
}

#[test]
fn damaged_backups_are_refused() {
    let directory = tempfile::tempdir().unwrap();
    let backup = directory.path().join("backup");
    small_backup(&backup);
    let file = backup.join(FILE_NAME);
    let bytes = std::fs::read(&file).unwrap();

    std::fs::write(&file, &bytes[..bytes.len() / 2]).unwrap();
    refused(&backup);

    // One bit of a row, wherever its bytes are.
    let needle = b"ferry number 1234";
    let mut flipped = bytes.clone();
    for (at, _) in bytes.windows(needle.len()).enumerate().filter(|(_, window)| **window == needle[..]) {
        flipped[at] ^= 1;
    }
    assert!(flipped != bytes, "the row is stored as it is");
    std::fs::write(&file, &flipped).unwrap();
    let message = refused(&backup);
    assert!(message.contains("damaged"), "{message}");

    std::fs::write(&file, &bytes).unwrap();
    verify_backup(&backup, &mut ignore).unwrap();
    let manifest = backup.join("backup.json");
    let text = std::fs::read_to_string(&manifest).unwrap();
    let (head, _) = text.split_once("\"keyspaces\"").unwrap();
    std::fs::write(&manifest, head).unwrap();
    assert!(refused(&backup).contains("backup.json"));
    std::fs::write(&manifest, text.replace("\"manifest_version\": 1", "\"manifest_version\": 2")).unwrap();
    assert!(refused(&backup).contains("newer"));
    std::fs::remove_file(&manifest).unwrap();
    assert!(refused(&backup).contains("backup.json is missing"));
    std::fs::write(&manifest, &text).unwrap();
    std::fs::rename(&file, backup.join("sinew.redb.part")).unwrap();
    assert!(refused(&backup).contains("interrupted"));
}

#[test]
fn targets_must_be_empty_and_an_interrupted_backup_leaves_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let backup = directory.path().join("backup");
    let store = Store::in_memory(StoreOptions::default()).unwrap();
    fill(&store, 5_000);
    let cancelled =
        store.backup_to(&backup, &mut |done, _| if done > 3_000 { Err(StorageError::Cancelled) } else { Ok(()) });
    assert!(matches!(cancelled, Err(StorageError::Cancelled)));
    assert_eq!(std::fs::read_dir(&backup).unwrap().count(), 0);
    // So the same directory serves again.
    store.backup_to(&backup, &mut ignore).unwrap();
    let again = store.backup_to(&backup, &mut ignore).unwrap_err();
    assert!(matches!(again, StorageError::FileExists(_)) && again.to_string().contains("not empty"), "{again}");
    let onto_itself = restore(&backup, &backup, &mut ignore).unwrap_err();
    assert!(matches!(onto_itself, StorageError::FileExists(_)), "{onto_itself}");
    verify_backup(&backup, &mut ignore).unwrap();
}
