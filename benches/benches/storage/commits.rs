//! One thread that commits one row at a time, durably.

use std::cell::LazyCell;
use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use criterion::Criterion;
use redb::Database;
use sinew_benches::disk::scratch;
use sinew_benches::{PAYLOAD_BYTES, commit_one, commit_one_raw, fill_raw, fill_store, open_raw, open_store, payload};
use sinew_storage::Store;
use sinew_storage::catalog::TableDef;
use tempfile::TempDir;

use crate::ROWS;
use crate::sampled::{SAMPLE_COUNT, Samples};

struct Fixture {
    store: Arc<Store>,
    table: Arc<TableDef>,
    raw: Database,
    log: File,
    _directory: TempDir,
}

impl Fixture {
    fn new(root: &Path) -> Fixture {
        let directory = scratch(root);
        let (store, table) = open_store(&directory.path().join("sinew"));
        fill_store(&store, &table, ROWS);
        let raw = open_raw(&directory.path().join("raw.redb"));
        fill_raw(&raw, 0, ROWS);
        let log = File::create(directory.path().join("log")).expect("the bench's directory is writable");
        Fixture { store, table, raw, log, _directory: directory }
    }

    /// What no durable commit can do without: the row's bytes behind those before them, and one fdatasync.
    fn append(&self, i: u64) {
        let mut record = Vec::with_capacity(8 + PAYLOAD_BYTES);
        record.extend_from_slice(&i.to_be_bytes());
        record.extend_from_slice(payload(i).as_bytes());
        (&self.log).write_all(&record).and_then(|()| self.log.sync_data()).expect("the bench's file is writable");
    }
}

pub fn bench(criterion: &mut Criterion, root: &Path) {
    // Made by the first benchmark that is selected.
    let fixture = LazyCell::new(|| Fixture::new(root));
    let mut next = ROWS;
    let mut take_next = || {
        next += 1;
        next
    };

    let (mut ours, mut raw, mut append) = (Samples::default(), Samples::default(), Samples::default());
    let mut group = criterion.benchmark_group("one_row_durable_commit");
    group.sample_size(SAMPLE_COUNT).warm_up_time(Duration::from_secs(1)).measurement_time(Duration::from_secs(4));
    group.bench_function("append_fdatasync", |bencher| {
        let fixture = &*fixture;
        append.time(bencher, || fixture.append(take_next()));
    });
    group.bench_function("sinew", |bencher| {
        let fixture = &*fixture;
        ours.time(bencher, || commit_one(&fixture.store, &fixture.table, take_next()));
    });
    group.bench_function("redb", |bencher| {
        let fixture = &*fixture;
        raw.time(bencher, || commit_one_raw(&fixture.raw, take_next()));
    });
    group.finish();
    ours.print_ratio_to(&raw, "one_row_durable_commit_to_redb");
    ours.print_ratio_to(&append, "one_row_durable_commit_to_append");
}
