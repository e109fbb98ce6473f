//! Whatever happens to derived files, what is derived agrees with the rows after the next opening.
//!
//! `SINEW_DERIVED_SEED` and `SINEW_DERIVED_CYCLES` set the seed and the number of openings.

mod world;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use self::world::{begin, change, check, create, open};
use super::checkpoint_file::{CheckpointKey, CheckpointKind};
use super::*;
use crate::catalog::{VectorIndexOptions, VectorMetric};
use crate::store::{FILE_NAME, LOG_FOLDER, Store, StoreHistory};
use crate::value::Value;
use crate::vector::HashEmbedder;

const FOLDERS: [&str; 3] = ["fts", "graph", "vector"];

/// Contents of files by their path below the data directory.
type Files = BTreeMap<PathBuf, Vec<u8>>;

/// Checkpoints as the thread does, once everything is durable.
fn checkpoint(store: &Arc<Store>) {
    let transaction = begin(store);
    // A commit that waits for the disk makes those before it durable.
    transaction.create_node(&[], Vec::new()).unwrap();
    transaction.finish_statement().unwrap();
    transaction.commit().unwrap();
    let snapshot = store.published().current();
    assert_eq!(snapshot.durable_lsn, snapshot.lsn);
    snapshot.derived.checkpoint(snapshot.lsn, false, &|| false);
}

fn read_files(directory: &Path, below: &Path, out: &mut Files) {
    let Ok(entries) = std::fs::read_dir(directory.join(below)) else { return };
    for entry in entries.flatten() {
        let path = below.join(entry.file_name());
        if entry.path().is_dir() {
            read_files(directory, &path, out);
        } else if let Ok(bytes) = std::fs::read(entry.path()) {
            out.insert(path, bytes);
        }
    }
}

fn derived_files(directory: &Path) -> Files {
    let mut files = Files::new();
    FOLDERS.iter().for_each(|folder| read_files(directory, Path::new(folder), &mut files));
    files
}

/// redb's file and the commit log.
fn row_files(directory: &Path) -> Files {
    let mut files = Files::new();
    files.insert(FILE_NAME.into(), std::fs::read(directory.join(FILE_NAME)).unwrap());
    read_files(directory, Path::new(LOG_FOLDER), &mut files);
    files
}

fn write_files(directory: &Path, files: &Files) {
    for (path, bytes) in files {
        let path = directory.join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, bytes).unwrap();
    }
}

/// What a killed process leaves behind, under another directory; the store goes on and is closed then.
fn crash(store: &Arc<Store>, from: &Path, to: &Path, rng: &mut StdRng) {
    loop {
        store.checkpoint().unwrap();
        // The applier leaves redb's file alone for two seconds after a commit. Derived files may be written meanwhile.
        let started = Instant::now();
        change(store, rng);
        let (rows, derived) = (row_files(from), derived_files(from));
        if started.elapsed() < Duration::from_secs(1) {
            write_files(to, &rows);
            write_files(to, &derived);
            return;
        }
    }
}

fn flip(bytes: &mut [u8], rng: &mut StdRng) {
    for _ in 0..rng.random_range(1..4u32) {
        if !bytes.is_empty() {
            let at = rng.random_range(0..bytes.len());
            bytes[at] ^= 1 << rng.random_range(0..8u32);
        }
    }
}

/// Damages one derived file, or several; says how.
fn damage(directory: &Path, versions: &[Files], foreign: &Files, rng: &mut StdRng) -> String {
    let files = derived_files(directory);
    let paths: Vec<&PathBuf> = files.keys().collect();
    if paths.is_empty() {
        return "nothing to damage".to_owned();
    }
    let path = paths[rng.random_range(0..paths.len())];
    let file = directory.join(path);
    let mut bytes = files[path].clone();
    let how = match rng.random_range(0..8u32) {
        0 => {
            std::fs::remove_file(&file).unwrap();
            "deleted"
        }
        1 => {
            let len = rng.random_range(0..bytes.len().max(1));
            std::fs::write(&file, &bytes[..len.min(bytes.len())]).unwrap();
            "truncated"
        }
        2 | 3 => {
            flip(&mut bytes, rng);
            std::fs::write(&file, bytes).unwrap();
            "flipped"
        }
        4 => {
            let older: Vec<&Vec<u8>> = versions.iter().filter_map(|version| version.get(path)).collect();
            if older.is_empty() {
                return "no older version".to_owned();
            }
            std::fs::write(&file, older[rng.random_range(0..older.len())]).unwrap();
            "older"
        }
        5 => {
            write_files(directory, foreign);
            "all from another database"
        }
        6 => {
            let other = paths[rng.random_range(0..paths.len())];
            std::fs::write(&file, &files[other]).unwrap();
            "another file"
        }
        _ => {
            let folder = FOLDERS[rng.random_range(0..FOLDERS.len())];
            if directory.join(folder).exists() {
                std::fs::remove_dir_all(directory.join(folder)).unwrap();
            }
            return format!("{folder}: deleted");
        }
    };
    format!("{}: {how}", path.display())
}

fn setting(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().and_then(|value| value.parse().ok()).unwrap_or(default)
}

#[test]
fn damaged_and_misplaced_files_change_no_answer() {
    let seed = setting("SINEW_DERIVED_SEED", 41);
    let mut rng = StdRng::seed_from_u64(seed);
    let place = tempfile::tempdir().unwrap();
    let foreign = {
        let directory = place.path().join("foreign");
        let store = open(&directory);
        create(&store);
        (0..40).for_each(|_| change(&store, &mut rng));
        store.close().unwrap();
        derived_files(&directory)
    };
    assert!(foreign.keys().any(|path| path.starts_with("graph")), "{:?}", foreign.keys());
    assert!(foreign.keys().filter(|path| path.starts_with("vector")).count() >= 2, "{:?}", foreign.keys());
    let mut directory = place.path().join("data 0");
    create(&open(&directory));
    let (mut versions, mut bases, mut log) = (Vec::new(), Vec::<Files>::new(), Vec::new());
    for cycle in 1..=setting("SINEW_DERIVED_CYCLES", 14) {
        println!("seed {seed}, before opening {cycle}: {log:?}");
        log.clear();
        let store = open(&directory);
        check(&store, &mut rng);
        let count = if rng.random_range(0..6u32) == 0 { 500 } else { rng.random_range(0..40) };
        for n in 0..count {
            change(&store, &mut rng);
            if n == count / 2 && rng.random_range(0..2u32) == 0 {
                checkpoint(&store);
            }
        }
        check(&store, &mut rng);
        if rng.random_range(0..3u32) == 0 {
            let next = place.path().join(format!("data {cycle}"));
            crash(&store, &directory, &next, &mut rng);
            store.close().unwrap();
            directory = next;
            log.push("killed".to_owned());
        } else {
            store.close().unwrap();
            bases.push(row_files(&directory));
        }
        drop(store);
        versions.push(derived_files(&directory));
        if let Some(base) = bases.get(rng.random_range(0..bases.len().max(1) * 5)) {
            if directory.join(LOG_FOLDER).exists() {
                std::fs::remove_dir_all(directory.join(LOG_FOLDER)).unwrap();
            }
            write_files(&directory, base);
            log.push("older rows".to_owned());
        }
        for _ in 0..rng.random_range(0..4u32) {
            log.push(damage(&directory, &versions, &foreign, &mut rng));
        }
    }
}

/// Counts the texts it is given.
#[derive(Default)]
struct CountingEmbedder(AtomicU64);

impl Embedder for CountingEmbedder {
    fn name(&self) -> &str {
        HashEmbedder.name()
    }

    fn dimension_count(&self) -> u32 {
        HashEmbedder.dimension_count()
    }

    fn embed(&self, text: &str) -> Vec<f32> {
        self.0.fetch_add(1, Ordering::Relaxed);
        HashEmbedder.embed(text)
    }
}

/// LSN of the graph's file, which must be one that can be used.
fn graph_file_lsn(directory: &Path, store: &Arc<Store>) -> Lsn {
    let snapshot = store.published().current();
    let checkpoints = Checkpoints::open(directory, &snapshot.rows, &snapshot.catalog).unwrap();
    assert!(checkpoints.load_graph(&snapshot.rows, snapshot.lsn).is_some(), "the file cannot be used");
    let bytes = std::fs::read(directory.join("graph").join("image.checkpoint")).unwrap();
    Lsn(u64::from_le_bytes(bytes[48..56].try_into().unwrap()))
}

#[test]
fn files_are_written_at_close_and_used_at_open() {
    let place = tempfile::tempdir().unwrap();
    let mut rng = StdRng::seed_from_u64(3);
    let store = open(place.path());
    create(&store);
    (0..50).for_each(|_| change(&store, &mut rng));
    let lsn = store.published().current().lsn;
    store.close().unwrap();
    drop(store);
    let written = derived_files(place.path());
    let is_checkpoint = |path: &&PathBuf| path.extension().is_some_and(|extension| extension == "checkpoint");
    assert_eq!(written.keys().filter(is_checkpoint).count(), 3, "{:?}", written.keys());

    let embedder = Arc::new(CountingEmbedder::default());
    let options = StoreOptions { embedders: vec![embedder.clone()], ..StoreOptions::default() };
    let store = Store::open(place.path(), options).unwrap();
    assert!(graph_file_lsn(place.path(), &store) >= lsn);
    assert!(begin(&store).derived().settle(Duration::from_secs(60)));
    assert_eq!(embedder.0.load(Ordering::Relaxed), 0, "vectors are read from the file");
    check(&store, &mut rng);
    // Nothing changed, so nothing is written.
    store.close().unwrap();
    drop(store);
    let after = derived_files(place.path());
    assert!(written.iter().filter(|file| is_checkpoint(&file.0)).all(|(path, bytes)| after[path] == *bytes));

    // One row more is one text to embed.
    let store = open(place.path());
    let transaction = begin(&store);
    let table = Arc::clone(transaction.catalog().table("public", "notes").unwrap());
    transaction.insert_row(&table, &[Value::text("another word1"), Value::Null]).unwrap();
    transaction.finish_statement().unwrap();
    transaction.commit().unwrap();
    store.close().unwrap();
    drop(store);
    write_files(place.path(), &written);
    let embedder = Arc::new(CountingEmbedder::default());
    let options = StoreOptions { embedders: vec![embedder.clone()], ..StoreOptions::default() };
    let store = Store::open(place.path(), options).unwrap();
    assert!(begin(&store).derived().settle(Duration::from_secs(60)));
    assert_eq!(embedder.0.load(Ordering::Relaxed), 1, "the log names the new row");
    check(&store, &mut rng);
}

#[test]
fn a_file_that_the_change_log_no_longer_reaches_is_not_used() {
    let place = tempfile::tempdir().unwrap();
    let mut rng = StdRng::seed_from_u64(5);
    let store = open(place.path());
    create(&store);
    (0..30).for_each(|_| change(&store, &mut rng));
    store.close().unwrap();
    drop(store);
    let old = derived_files(place.path());
    let store = open(place.path());
    (0..600).for_each(|_| change(&store, &mut rng));
    store.close().unwrap();
    drop(store);
    write_files(place.path(), &old);
    check(&open(place.path()), &mut rng);
}

#[test]
fn hostile_records_are_refused() {
    let place = tempfile::tempdir().unwrap();
    let mut rng = StdRng::seed_from_u64(7);
    let store = open(place.path());
    create(&store);
    (0..60).for_each(|_| change(&store, &mut rng));
    let snapshot = store.published().current();
    let history = StoreHistory::read(&snapshot.rows).unwrap();
    let key = CheckpointKey { kind: CheckpointKind::GraphImage, index: RelationId(0), fingerprint: 0 };
    let path = place.path().join("hostile.checkpoint");
    let origin = history.origin(snapshot.lsn);
    let reopen = || CheckpointReader::open(&path, key, &history, snapshot.lsn).unwrap().unwrap();
    let mut writer = CheckpointWriter::create(&path, key, origin, &|| false).unwrap();
    snapshot.derived.graph.write_checkpoint(&mut writer).unwrap();
    writer.finish().unwrap();
    let mut sections = Vec::new();
    let mut file = reopen();
    while let Some((tag, bytes)) = file.next_section().unwrap() {
        sections.push((tag, bytes.to_vec()));
    }
    assert!(GraphImage::read_checkpoint(&mut reopen()).is_ok());
    // With checksums that fit. Reading them may succeed, but neither panics nor asks for much.
    let mut refused_count = 0;
    for _ in 0..300 {
        let mut writer = CheckpointWriter::create(&path, key, origin, &|| false).unwrap();
        for (tag, bytes) in &sections {
            let mut bytes = bytes.clone();
            flip(&mut bytes, &mut rng);
            bytes.truncate(bytes.len() - rng.random_range(0..bytes.len().min(3) + 1));
            writer.section(*tag, &bytes).unwrap();
        }
        writer.finish().unwrap();
        refused_count += u32::from(GraphImage::read_checkpoint(&mut reopen()).is_err());
        let options = VectorIndexOptions {
            metric: VectorMetric::Euclidean,
            dimension_count: 3,
            embedder: None,
            connections: 16,
            construction_width: 100,
        };
        assert!(VectorBase::read_checkpoint(&mut reopen(), options).is_err());
    }
    assert!(refused_count > 100, "{refused_count}");
}
