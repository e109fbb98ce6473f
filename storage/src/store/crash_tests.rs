//! Random workloads on a disk that loses power at every moment: what was acknowledged is there, whole, and nothing else.
//!
//! `SINEW_CRASH_IMAGES` and `SINEW_CRASH_SEED` set the number of images and the seed.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::Mutex;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use super::simulated_disk::{Image, REDB_NAME, SimulatedDisk};
use super::*;

/// Rows of the first writer; the others follow.
const FIRST: u32 = 50_000;
const WRITERS: u32 = 3;
/// The key that holds the number of the writer's last commit.
const NUMBER: &[u8] = b"~number";
/// The key that holds an id that this commit allocated.
const ID: &[u8] = b"~id";

fn counter(keyspace: Keyspace) -> String {
    format!("ids of {}", keyspace.0)
}

type Rows = BTreeMap<Vec<u8>, Vec<u8>>;

/// Large sets are spilled with every other seed, and attachments with the others.
fn options(seed: u64) -> StoreOptions {
    StoreOptions {
        cache_size_bytes: 1 << 20,
        memory_table_size_bytes: 12 << 10,
        write_set_memory_bytes: if seed.is_multiple_of(2) { 24 << 10 } else { 1 << 20 },
        ..StoreOptions::default()
    }
}

fn open(disk: &SimulatedDisk, seed: u64) -> Result<Arc<Store>> {
    Store::with_backend(disk.file(REDB_NAME), Some(Arc::new(disk.clone())), options(seed))
}

/// What one writer's `number`th commit does: some writes and deletes, sometimes many, sometimes everything anew.
fn change(seed: u64, writer: u32, number: u64) -> (bool, Vec<(Vec<u8>, Option<Vec<u8>>)>) {
    let mut random = StdRng::seed_from_u64(seed ^ u64::from(writer) << 56 ^ number << 20);
    let clears = random.random_bool(0.02);
    let count = match random.random_range(0..100) {
        0..90 => random.random_range(1..6),
        90..99 => random.random_range(20..120),
        _ => 400,
    };
    let size = if count == 400 { 600 } else { random.random_range(0..300) };
    let mut writes = Vec::new();
    for _ in 0..count {
        let key = format!("key {:03}", random.random_range(0..500)).into_bytes();
        let value = random.random_bool(0.8).then(|| vec![number as u8; size]);
        writes.push((key, value));
    }
    writes.push((NUMBER.to_vec(), Some(number.to_be_bytes().to_vec())));
    (clears, writes)
}

fn apply(rows: &mut Rows, change: &(bool, Vec<(Vec<u8>, Option<Vec<u8>>)>)) {
    if change.0 {
        rows.clear();
    }
    for (key, value) in &change.1 {
        match value {
            Some(value) => drop(rows.insert(key.clone(), value.clone())),
            None => drop(rows.remove(key)),
        }
    }
}

fn commit(
    store: &Arc<Store>,
    keyspace: Keyspace,
    change: &(bool, Vec<(Vec<u8>, Option<Vec<u8>>)>),
    wait: bool,
) -> Result<Lsn> {
    let transaction = store.begin(Isolation::ReadCommitted);
    transaction.set_synchronous_commit(wait);
    if change.0 {
        transaction.kv_clear(keyspace);
    }
    for (key, value) in &change.1 {
        match value {
            Some(value) => transaction.kv_put(keyspace, key, value)?,
            None => transaction.kv_delete(keyspace, key)?,
        }
    }
    let id = transaction.allocate_id(&counter(keyspace))?;
    transaction.kv_put(keyspace, ID, &id.to_be_bytes())?;
    transaction.commit()
}

fn rows(store: &Arc<Store>, keyspace: Keyspace, reverse: bool) -> Vec<(Vec<u8>, Vec<u8>)> {
    let transaction = store.begin(Isolation::ReadCommitted);
    let range = transaction.kv_range(keyspace, Bound::Unbounded, Bound::Unbounded, reverse).unwrap();
    let range = range.filter(|pair| pair.as_ref().is_ok_and(|(key, _)| key[..] != *ID));
    range.map(|pair| pair.map(|(key, value)| (key.to_vec(), value.to_vec())).unwrap()).collect()
}

/// An image and how many commits of each writer had been acknowledged before it was taken.
struct Moment {
    image: Image,
    acknowledged: Vec<u64>,
}

/// Runs writers from the commits in `start` on; returns images taken on the way.
fn run(disk: &SimulatedDisk, seed: u64, start: &[u64], commits: u64, chance: f64) -> Vec<Moment> {
    let acknowledged: Arc<Vec<AtomicU64>> = Arc::new(start.iter().map(|number| AtomicU64::new(*number)).collect());
    let moments = Arc::new(Mutex::new(Vec::new()));
    let random = Mutex::new(StdRng::seed_from_u64(seed));
    if start.iter().all(|number| *number == 0) {
        // A file is created under another name, so a half-made one is never opened.
        open(disk, seed).and_then(|store| store.close()).unwrap();
    }
    disk.observe({
        let (acknowledged, moments) = (Arc::clone(&acknowledged), Arc::clone(&moments));
        move |disk| {
            let mut random = random.lock();
            if random.random_bool(chance) {
                let acknowledged = acknowledged.iter().map(|number| number.load(Ordering::SeqCst)).collect();
                moments.lock().push(Moment { image: disk.crash_image(&mut random), acknowledged });
            }
        }
    });
    let store = open(disk, seed).unwrap_or_else(|error| panic!("seed {seed}: {error}"));
    let writers: Vec<_> = (0..WRITERS)
        .map(|writer| {
            let (store, acknowledged) = (Arc::clone(&store), Arc::clone(&acknowledged));
            let first = start[writer as usize] + 1;
            std::thread::spawn(move || {
                for number in first..first + commits {
                    // What is not waited for is not acknowledged until a later commit of the same writer is.
                    let wait = !number.is_multiple_of(3);
                    let change = change(seed, writer, number);
                    commit(&store, Keyspace(FIRST + writer), &change, wait).unwrap();
                    if wait {
                        acknowledged[writer as usize].store(number, Ordering::SeqCst);
                    }
                }
            })
        })
        .collect();
    writers.into_iter().for_each(|writer| writer.join().unwrap());
    store.close().unwrap();
    drop(store);
    std::mem::take(&mut *moments.lock())
}

/// Opens an image and compares every writer's rows with what its last commit left.
fn check(moment: &Moment, seed: u64, models: &mut [Vec<Rows>]) -> Vec<u64> {
    let disk = SimulatedDisk::holding(moment.image.clone());
    let store = open(&disk, seed).unwrap_or_else(|error| panic!("seed {seed}: the image does not open: {error}"));
    let mut found = Vec::new();
    for writer in 0..WRITERS {
        let keyspace = Keyspace(FIRST + writer);
        let actual = rows(&store, keyspace, false);
        let number =
            actual.iter().find(|(key, _)| key == NUMBER).map_or(0, |(_, value)| decode_u64(value, "number").unwrap());
        let acknowledged = moment.acknowledged[writer as usize];
        assert!(
            number >= acknowledged,
            "seed {seed}: writer {writer} is at {number}, acknowledged were {acknowledged}"
        );
        let states = &mut models[writer as usize];
        while states.len() as u64 <= number {
            let mut next = states.last().expect("state 0").clone();
            apply(&mut next, &change(seed, writer, states.len() as u64));
            states.push(next);
        }
        let expected: Vec<_> = states[number as usize].clone().into_iter().collect();
        assert!(
            actual == expected,
            "seed {seed}: writer {writer} at commit {number} has {} rows, not {}",
            actual.len(),
            expected.len()
        );
        let transaction = store.begin(Isolation::ReadCommitted);
        let given = transaction.kv_get(keyspace, ID).unwrap().map_or(0, |id| decode_u64(&id, "id").unwrap());
        let next = transaction.allocate_id(&counter(keyspace)).unwrap();
        assert!(next > given, "seed {seed}: writer {writer} is given id {next} again, {given} is stored");
        let mut backwards = rows(&store, keyspace, true);
        backwards.reverse();
        assert!(backwards == expected, "seed {seed}: writer {writer} reads differently backwards");
        found.push(number);
    }
    // The opened image takes commits, and keeps them.
    commit(&store, Keyspace(FIRST + WRITERS), &(false, vec![(b"a".to_vec(), Some(b"b".to_vec()))]), true).unwrap();
    store.close().unwrap();
    let left_over: Vec<String> = disk.list().unwrap().into_iter().filter(|name| name.ends_with(".spill")).collect();
    assert!(left_over.is_empty(), "seed {seed}: {left_over:?}");
    found
}

fn setting(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().and_then(|value| value.parse().ok()).unwrap_or(default)
}

#[test]
fn a_power_cut_at_any_moment_loses_no_acknowledged_commit() {
    let wanted = setting("SINEW_CRASH_IMAGES", 250) as usize;
    let first_seed = setting("SINEW_CRASH_SEED", 1);
    println!("seed {first_seed}");
    let mut image_count = 0;
    for seed in first_seed.. {
        if image_count >= wanted {
            break;
        }
        let mut models = vec![vec![Rows::new()]; WRITERS as usize];
        let moments = run(&SimulatedDisk::default(), seed, &[0; WRITERS as usize], 60, 0.05);
        assert!(!moments.is_empty());
        let mut random = StdRng::seed_from_u64(seed);
        for moment in moments {
            let found = check(&moment, seed, &mut models);
            image_count += 1;
            if random.random_bool(0.05) {
                // The writers go on from the image, and the power is cut again.
                let disk = SimulatedDisk::holding(moment.image);
                for moment in run(&disk, seed, &found, 15, 0.03) {
                    check(&moment, seed, &mut models);
                    image_count += 1;
                }
            }
        }
    }
    println!("crash images: {image_count}, 0 lost, 0 wrong");
}

#[test]
fn a_failed_disk_refuses_writes_and_reopening_settles_them() {
    for seed in 0..30 {
        let mut random = StdRng::seed_from_u64(seed);
        let disk = SimulatedDisk::default();
        let store = open(&disk, seed).unwrap();
        let mut acknowledged = 0;
        for number in 1..=20 {
            commit(&store, Keyspace(FIRST), &change(seed, 0, number), true).unwrap();
            acknowledged = number;
        }
        match seed % 3 {
            0 => disk.fail_after(random.random_range(0..6)),
            1 => disk.fail_syncs(),
            _ => disk.limit_growth(random.random_range(0..4_000)),
        }
        let mut refused = 0;
        let mut attempted = acknowledged;
        for number in 21..200 {
            attempted = number;
            match commit(&store, Keyspace(FIRST), &change(seed, 0, number), true) {
                Ok(_) => acknowledged = number,
                Err(
                    StorageError::Io(_)
                    | StorageError::CommitUnknown(_)
                    | StorageError::DiskFull(_)
                    | StorageError::TemporaryFile(_),
                ) => {
                    refused += 1;
                    break;
                }
                Err(error) => panic!("seed {seed}: {error}"),
            }
        }
        assert_eq!(refused, 1, "seed {seed}: the disk failed, and all {attempted} commits went through");
        // Reads go on.
        let mut model = Rows::new();
        (1..=acknowledged).for_each(|number| apply(&mut model, &change(seed, 0, number)));
        assert!(rows(&store, Keyspace(FIRST), false) == model.clone().into_iter().collect::<Vec<_>>(), "seed {seed}");
        let _ = store.close();
        drop(store);
        disk.heal();
        let image = disk.crash_image(&mut random);
        let mut models = vec![vec![Rows::new()]; WRITERS as usize];
        let moment = Moment { image, acknowledged: vec![acknowledged, 0, 0] };
        let found = check(&moment, seed, &mut models);
        assert!(found[0] <= attempted);
    }
}

#[test]
fn a_full_disk_takes_commits_again_once_there_is_room() {
    let disk = SimulatedDisk::default();
    let store = open(&disk, 1).unwrap();
    let row = |number: u64| (false, vec![(number.to_be_bytes().to_vec(), Some(vec![1; 700]))]);
    disk.limit_growth(0);
    let mut number = 0;
    let full = loop {
        number += 1;
        match commit(&store, Keyspace(FIRST), &row(number), true) {
            Ok(_) => assert!(number < 1_000, "the disk never filled"),
            Err(error) => break error,
        }
    };
    assert!(matches!(full, StorageError::DiskFull(_)), "{full}");
    assert_eq!(rows(&store, Keyspace(FIRST), false).len() as u64, number - 1);
    disk.heal();
    commit(&store, Keyspace(FIRST), &row(number), true).unwrap();
    assert_eq!(rows(&store, Keyspace(FIRST), false).len() as u64, number);
    store.close().unwrap();
}
