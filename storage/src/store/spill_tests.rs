//! Write sets larger than their memory, compared with maps.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::Arc;

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use smallvec::smallvec;

use super::simulated_disk::{REDB_NAME, SimulatedDisk};
use super::*;
use crate::graph::image::GraphImage;
use crate::ids::{LabelId, NodeId, RelationId, RelationshipId, RelationshipTypeId};

const KEYSPACES: [Keyspace; 2] = [Keyspace(50_000), Keyspace(50_001)];
const MEMORY_BYTES: usize = 16 << 10;

type Rows = BTreeMap<Vec<u8>, Vec<u8>>;
type Model = [Rows; 2];

fn open(disk: &SimulatedDisk) -> Arc<Store> {
    open_with_memory(disk, MEMORY_BYTES)
}

fn open_with_memory(disk: &SimulatedDisk, write_set_memory_bytes: usize) -> Arc<Store> {
    let options = StoreOptions {
        cache_size_bytes: 1 << 20,
        memory_table_size_bytes: 16 << 10,
        write_set_memory_bytes,
        ..StoreOptions::default()
    };
    Store::with_backend(disk.file(REDB_NAME), Some(Arc::new(disk.clone())), options).unwrap()
}

fn spill_files(disk: &SimulatedDisk) -> usize {
    disk.list().unwrap().iter().filter(|name| name.ends_with(".spill")).count()
}

/// A row of which the number was allocated; greater than all keys that are not of rows.
fn row_key(number: u32) -> Vec<u8> {
    format!("row {number:06}").into_bytes()
}

/// Any key, half of the time one of the rows so far.
fn key(random: &mut StdRng, row_count: u32) -> Vec<u8> {
    if row_count > 0 && random.random_bool(0.5) {
        return row_key(random.random_range(0..row_count));
    }
    format!("key {:04}", random.random_range(0..1_500)).into_bytes()
}

/// Some random writes to one keyspace, new rows in order among them.
fn write(t: &Transaction, model: &mut Model, row_count: &mut u32, random: &mut StdRng) {
    let at = random.random_range(0..2);
    let (keyspace, rows) = (KEYSPACES[at], &mut model[at]);
    if random.random_bool(0.01) {
        t.kv_clear(keyspace);
        rows.clear();
    }
    let memory_bytes = t.store().options().write_set_memory_bytes;
    for _ in 0..random.random_range(0..60) {
        let value = vec![random.random::<u8>(); random.random_range(0..200)];
        if random.random_bool(0.5) {
            let key = row_key(*row_count);
            *row_count += 1;
            t.kv_insert_new(keyspace, &key, &value).unwrap();
            rows.insert(key, value);
            continue;
        }
        // Often what was written last.
        let oldest = if random.random_bool(0.3) { row_count.saturating_sub(10) } else { 0 };
        let key = if *row_count > oldest && random.random_bool(0.5) {
            row_key(random.random_range(oldest..*row_count))
        } else {
            key(random, 0)
        };
        match (rows.contains_key(&key), random.random_bool(0.3)) {
            (true, true) => {
                t.kv_delete_locked(keyspace, &key).unwrap();
                rows.remove(&key);
                continue;
            }
            (true, false) => t.kv_put_locked(keyspace, &key, &value).unwrap(),
            (false, _) => t.kv_insert_new(keyspace, &key, &value).unwrap(),
        }
        rows.insert(key, value);
        let held = t.state.read().writes.spillable_bytes();
        assert!(held <= memory_bytes + 1_024, "{held} bytes are held in memory");
    }
}

fn pairs(range: KvIter<'_>) -> Vec<(Vec<u8>, Vec<u8>)> {
    range.map(|pair| pair.map(|(key, value)| (key.to_vec(), value.to_vec())).unwrap()).collect()
}

/// Keys, ranges in both directions and counts of a transaction against the model.
fn check(t: &Transaction, model: &Model, row_count: u32, random: &mut StdRng, what: &str) {
    for (keyspace, rows) in KEYSPACES.into_iter().zip(model) {
        assert_eq!(t.kv_count(keyspace).unwrap(), rows.len() as u64, "{what}: count");
        for _ in 0..10 {
            let key = key(random, row_count);
            let found = t.kv_get(keyspace, &key).unwrap().map(|value| value.to_vec());
            assert_eq!(found.as_ref(), rows.get(&key), "{what}: {}", String::from_utf8_lossy(&key));
        }
        for reverse in [false, true] {
            let mut expected: Vec<_> = rows.clone().into_iter().collect();
            if reverse {
                expected.reverse();
            }
            let all = t.kv_range(keyspace, Bound::Unbounded, Bound::Unbounded, reverse).unwrap();
            assert!(pairs(all) == expected, "{what}: a range over everything differs, reverse {reverse}");
            let (a, b) = (key(random, row_count), key(random, row_count));
            let (low, high) = if a < b { (a, b) } else { (b, a) };
            let (lower, upper) = match random.random_range(0..4) {
                0 => (Bound::Included(&low[..]), Bound::Excluded(&high[..])),
                1 => (Bound::Excluded(&low[..]), Bound::Included(&high[..])),
                2 => (Bound::Unbounded, Bound::Excluded(&high[..])),
                _ => (Bound::Included(&low[..]), Bound::Unbounded),
            };
            let is_above = |key: &[u8]| match lower {
                Bound::Included(low) => key >= low,
                Bound::Excluded(low) => key > low,
                Bound::Unbounded => true,
            };
            let is_below = |key: &[u8]| match upper {
                Bound::Included(high) => key <= high,
                Bound::Excluded(high) => key < high,
                Bound::Unbounded => true,
            };
            expected.retain(|(key, _)| is_above(key) && is_below(key));
            let some = t.kv_range(keyspace, lower, upper, reverse).unwrap();
            assert!(pairs(some) == expected, "{what}: {lower:?} to {upper:?} differs, reverse {reverse}");
        }
    }
}

#[test]
fn spilled_sets_read_roll_back_and_commit_like_maps() {
    for seed in 0..18 {
        let mut random = StdRng::seed_from_u64(seed);
        let disk = SimulatedDisk::default();
        // Some sets are never spilled.
        let open = |disk: &SimulatedDisk| open_with_memory(disk, MEMORY_BYTES << (seed % 3 * 4));
        let mut store = open(&disk);
        // Their numbers are not given again, whatever is rolled back.
        let mut row_count = 0;
        let mut committed = Model::default();
        for round in 0..6 {
            let what = format!("seed {seed}, round {round}");
            let t = store.begin(Isolation::ReadCommitted);
            let mut own = committed.clone();
            let mut savepoints: Vec<(String, Model)> = Vec::new();
            for step in 0..random.random_range(1..16) {
                match random.random_range(0..10) {
                    0 => {
                        let name = format!("s{step}");
                        t.savepoint(&name).unwrap();
                        savepoints.push((name, own.clone()));
                    }
                    1 if !savepoints.is_empty() => {
                        let at = random.random_range(0..savepoints.len());
                        savepoints.truncate(at + 1);
                        t.rollback_to_savepoint(&savepoints[at].0).unwrap();
                        own = savepoints[at].1.clone();
                    }
                    2 if !savepoints.is_empty() => {
                        let at = random.random_range(0..savepoints.len());
                        t.release_savepoint(&savepoints[at].0).unwrap();
                        savepoints.truncate(at);
                    }
                    _ => {
                        t.begin_statement().unwrap();
                        let before = own.clone();
                        for _ in 0..random.random_range(1..6) {
                            write(&t, &mut own, &mut row_count, &mut random);
                        }
                        if random.random_bool(0.2) {
                            t.abort_statement();
                            own = before;
                        } else {
                            t.finish_statement().unwrap();
                        }
                    }
                }
                if random.random_bool(0.3) {
                    check(&t, &own, row_count, &mut random, &format!("{what}, step {step}"));
                }
            }
            check(&t, &own, row_count, &mut random, &what);
            if random.random_bool(0.2) {
                t.rollback();
            } else {
                t.commit().unwrap();
                committed = own;
            }
            let reader = store.begin(Isolation::RepeatableRead);
            check(&reader, &committed, row_count, &mut random, &format!("{what}, committed"));
            // What a power cut leaves, whether the set is in redb yet or not.
            let image = disk.crash_image(&mut random);
            store.checkpoint().unwrap();
            check(&reader, &committed, row_count, &mut random, &format!("{what}, of an older snapshot"));
            drop(reader);
            check(
                &store.begin(Isolation::ReadCommitted),
                &committed,
                row_count,
                &mut random,
                &format!("{what}, applied"),
            );
            let crashed = SimulatedDisk::holding(image);
            let opened = open(&crashed);
            check(
                &opened.begin(Isolation::ReadCommitted),
                &committed,
                row_count,
                &mut random,
                &format!("{what}, after a crash"),
            );
            opened.close().unwrap();
            assert_eq!(spill_files(&crashed), 0, "{what}");
        }
        store.close().unwrap();
        assert_eq!(spill_files(&disk), 0, "seed {seed}");
        drop(store);
        store = open(&disk);
        check(&store.begin(Isolation::ReadCommitted), &committed, row_count, &mut random, "reopened");
        store.close().unwrap();
    }
}

#[test]
fn one_large_statement_records_no_undo_and_leaves_no_file() {
    let disk = SimulatedDisk::default();
    let store = open(&disk);
    for is_kept in [false, true] {
        let t = store.begin(Isolation::ReadCommitted);
        t.begin_statement().unwrap();
        for row in 0..5_000_u64 {
            t.kv_insert_new(KEYSPACES[0], &row.to_be_bytes(), &[7; 100]).unwrap();
        }
        assert!(t.state.read().writes.is_spilled());
        assert!(t.state.read().writes.size_bytes() > 30 * MEMORY_BYTES);
        assert_eq!(t.kv_count(KEYSPACES[0]).unwrap(), 5_000);
        if is_kept {
            t.finish_statement().unwrap();
            t.commit().unwrap();
        } else {
            t.abort_statement();
            assert!(!t.has_writes());
            assert_eq!(spill_files(&disk), 0);
        }
    }
    let t = store.begin(Isolation::ReadCommitted);
    assert_eq!(t.rows().key_count(KEYSPACES[0]).unwrap(), 5_000);
    store.checkpoint().unwrap();
    let t = store.begin(Isolation::ReadCommitted);
    assert_eq!(t.rows().key_count(KEYSPACES[0]).unwrap(), 5_000);
    assert_eq!(t.kv_get(KEYSPACES[0], &4_999_u64.to_be_bytes()).unwrap().unwrap().to_vec(), [7; 100]);
    store.close().unwrap();
}

#[test]
fn a_key_that_is_deleted_and_appended_again_keeps_its_newest_value() {
    for memory_bytes in [MEMORY_BYTES, 1 << 20] {
        let disk = SimulatedDisk::default();
        let store = open_with_memory(&disk, memory_bytes);
        let t = store.begin(Isolation::ReadCommitted);
        let get = |key: &[u8]| t.kv_get(KEYSPACES[0], key).unwrap().map(|value| value[0]);
        let insert = |key: &[u8], value: u8| t.kv_insert_new(KEYSPACES[0], key, &[value; 100]).unwrap();
        for key in 0..8_u8 {
            insert(&[key], 1);
        }
        insert(&[5, 0], 1);
        let get_other = |key: &[u8]| t.kv_get(KEYSPACES[1], key).unwrap().map(|value| value[0]);
        let insert_other = |key: &[u8], value: u8| t.kv_insert_new(KEYSPACES[1], key, &[value; 100]).unwrap();
        for key in 0..4_u8 {
            insert_other(&[key], 1);
        }
        t.savepoint("a").unwrap();
        // The last key of the map is overwritten, removed, and appended to the run, which begins with it.
        t.kv_put_locked(KEYSPACES[1], &[3], &[2; 100]).unwrap();
        t.kv_delete_locked(KEYSPACES[1], &[3]).unwrap();
        insert_other(&[2, 0], 1);
        insert_other(&[3], 3);
        // In the map, overwritten, and gone again.
        insert(&[6, 0], 2);
        t.kv_put_locked(KEYSPACES[0], &[6, 0], &[3; 100]).unwrap();
        t.kv_delete_locked(KEYSPACES[0], &[6, 0]).unwrap();
        // The last of the run, and one before.
        t.kv_delete_locked(KEYSPACES[0], &[7]).unwrap();
        t.kv_put_locked(KEYSPACES[0], &[5], &[4; 100]).unwrap();
        insert(&[7], 5);
        insert(&[8], 6);
        t.savepoint("b").unwrap();
        for key in 10..250_u8 {
            insert(&[key], 7);
        }
        t.kv_delete_locked(KEYSPACES[0], &[8]).unwrap();
        assert_eq!(t.state.read().writes.is_spilled(), memory_bytes == MEMORY_BYTES);
        assert_eq!([get(&[4]), get(&[5]), get(&[6, 0]), get(&[7]), get(&[8])], [Some(1), Some(4), None, Some(5), None]);
        assert_eq!([get_other(&[2]), get_other(&[2, 0]), get_other(&[3])], [Some(1), Some(1), Some(3)]);
        assert_eq!((get(&[249]), t.kv_count(KEYSPACES[0]).unwrap()), (Some(7), 9 + 240));
        t.rollback_to_savepoint("b").unwrap();
        assert_eq!([get(&[5]), get(&[7]), get(&[8]), get(&[10])], [Some(4), Some(5), Some(6), None]);
        assert_eq!(get_other(&[3]), Some(3));
        t.rollback_to_savepoint("a").unwrap();
        assert_eq!([get(&[5]), get(&[7]), get(&[8])], [Some(1), Some(1), None]);
        assert_eq!([get_other(&[2, 0]), get_other(&[3])], [None, Some(1)]);
        assert_eq!(t.kv_count(KEYSPACES[0]).unwrap(), 9);
        t.commit().unwrap();
        assert_eq!(store.begin(Isolation::ReadCommitted).kv_count(KEYSPACES[0]).unwrap(), 9);
        store.close().unwrap();
    }
}

#[test]
fn graph_changes_reach_the_image_and_search_indexes_are_reset() {
    let disk = SimulatedDisk::default();
    let store = open(&disk);
    let t = store.begin(Isolation::ReadCommitted);
    let create = |from: u64, to: u64| {
        for id in from..to {
            t.kv_insert_new(KEYSPACES[0], &id.to_be_bytes(), &[1; 50]).unwrap();
            t.note_change(Change::Node { id: NodeId(id), before: None, after: Some(smallvec![LabelId(3)]) });
            let (source, target) = (NodeId(id), NodeId(id / 2));
            let (id, ty) = (RelationshipId(id), RelationshipTypeId(1));
            t.note_change(Change::RelationshipCreated { id, ty, source, target });
            t.note_row_change(RelationId(20_000), crate::ids::RowId(id.0), &[RelationId(20_001)]);
        }
    };
    create(0, 1_000);
    t.savepoint("s").unwrap();
    create(1_000, 2_000);
    t.rollback_to_savepoint("s").unwrap();
    create(1_000, 1_200);
    let mut nodes = Vec::new();
    let mut resets = 0;
    t.for_each_own_change(&mut |change| match change {
        Change::Node { id, .. } => nodes.push(id.0),
        Change::IndexReset { index } => resets += u32::from(*index == RelationId(20_001)),
        _ => {}
    });
    assert_eq!(nodes, (0..1_200).collect::<Vec<_>>());
    assert_eq!(resets, 1);
    let before = store.stats().lsn;
    let older = GraphImage::build(&t.rows(), &|_| {}).unwrap();
    t.commit().unwrap();
    let reader = store.begin(Isolation::ReadCommitted);
    let graph = &reader.derived().graph;
    assert_eq!((graph.nodes.len(), graph.relationship_count()), (1_200, 1_200));
    let log: Vec<_> = reader.rows().changes_since(before).unwrap().unwrap().map(|row| row.unwrap().1).collect();
    assert_eq!(log, [[Change::GraphReset, Change::IndexReset { index: RelationId(20_001) }]]);
    // The log does not say which nodes they were, and there are as many rows of nodes as before: none.
    assert!(older.catch_up(&reader.rows(), before).unwrap().is_none());
    store.close().unwrap();
}

#[test]
fn a_full_disk_fails_the_statement_alone() {
    let disk = SimulatedDisk::default();
    let store = open(&disk);
    let t = store.begin(Isolation::ReadCommitted);
    for row in 0..300_u64 {
        t.kv_insert_new(KEYSPACES[0], &row.to_be_bytes(), &[7; 100]).unwrap();
    }
    t.savepoint("s").unwrap();
    disk.limit_growth(10_000);
    t.begin_statement().unwrap();
    let write = |row: u64| t.kv_insert_new(KEYSPACES[0], &row.to_be_bytes(), &[8; 100]);
    let refused = (300..2_000).find_map(|row| write(row).err());
    assert!(matches!(refused, Some(StorageError::DiskFull(_))), "{refused:?}");
    t.abort_statement();
    assert_eq!(t.kv_count(KEYSPACES[0]).unwrap(), 300);
    t.rollback_to_savepoint("s").unwrap();
    disk.heal();
    // With room again the transaction goes on.
    (300..900).for_each(|row| write(row).unwrap());
    t.commit().unwrap();
    assert_eq!(store.begin(Isolation::ReadCommitted).kv_count(KEYSPACES[0]).unwrap(), 900);
    store.close().unwrap();
}

#[test]
fn unlocked_keys_of_a_spilled_set_are_checked() {
    let disk = SimulatedDisk::default();
    let store = open(&disk);
    let put_all = |t: &Transaction, rows: std::ops::Range<u64>| {
        rows.for_each(|row| t.kv_put(KEYSPACES[0], &row.to_be_bytes(), &[7; 100]).unwrap());
    };
    let (first, second) = (store.begin(Isolation::ReadCommitted), store.begin(Isolation::ReadCommitted));
    put_all(&first, 0..500);
    put_all(&second, 499..500);
    second.commit().unwrap();
    assert!(matches!(first.commit(), Err(StorageError::WriteConflict { .. })));
    assert_eq!(spill_files(&disk), 0);
    let (first, second) = (store.begin(Isolation::ReadCommitted), store.begin(Isolation::ReadCommitted));
    put_all(&second, 3..4);
    put_all(&first, 0..500);
    first.commit().unwrap();
    assert!(matches!(second.commit(), Err(StorageError::WriteConflict { .. })));
    store.close().unwrap();
}
