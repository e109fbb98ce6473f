//! One thread that reads: a row, a range, and the frame around a read.

use std::cell::LazyCell;
use std::ops::Bound;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use criterion::{Criterion, Throughput};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use redb::{Database, ReadOnlyTable, ReadableDatabase, ReadableTable};
use sinew_benches::disk::scratch;
use sinew_benches::measure::{Figure, print_ratio};
use sinew_benches::{PAYLOAD_BYTES, RAW, fill_raw, fill_store, open_raw, open_store};
use sinew_storage::catalog::TableDef;
use sinew_storage::store::Keyspace;
use sinew_storage::{Isolation, RowId, Store, Transaction};
use tempfile::TempDir;

use crate::ROWS;
use crate::sampled::{SAMPLE_COUNT, Samples};

/// Rows of one range scan.
const SCANNED: u64 = 1_000;
/// What the frame around a read of nothing much may cost.
const FRAME_BAR: Figure = Figure::TimeNs(2_000.0);

/// Dropped from the first field on: what reads goes before what it reads.
struct Fixture {
    transaction: Transaction,
    store: Arc<Store>,
    table: Arc<TableDef>,
    first: RowId,
    raw_rows: ReadOnlyTable<&'static [u8], &'static [u8]>,
    _raw: Database,
    _directory: TempDir,
}

impl Fixture {
    fn new(root: &Path) -> Fixture {
        let directory = scratch(root);
        let (store, table) = open_store(&directory.path().join("sinew"));
        let (first, last) = fill_store(&store, &table, ROWS);
        assert_eq!(last.0 - first.0 + 1, ROWS, "the row ids of one load are contiguous");
        let raw = open_raw(&directory.path().join("raw.redb"));
        fill_raw(&raw, 0, ROWS);
        let raw_rows = raw.begin_read().expect("readable").open_table(RAW).expect("the table exists");
        // Both read from redb pages: nothing is left over them in memory.
        store.checkpoint().expect("the disk has room");
        let transaction = store.begin(Isolation::RepeatableRead);
        Fixture { transaction, store, table, first, raw_rows, _raw: raw, _directory: directory }
    }
}

pub fn bench(criterion: &mut Criterion, root: &Path) {
    // Made by the first benchmark that is selected.
    let fixture = LazyCell::new(|| Fixture::new(root));
    let mut random = StdRng::seed_from_u64(1);

    let (mut ours, mut decoded, mut raw) = (Samples::default(), Samples::default(), Samples::default());
    let mut group = criterion.benchmark_group("point_get");
    group.sample_size(SAMPLE_COUNT).warm_up_time(Duration::from_millis(500)).measurement_time(Duration::from_secs(2));
    group.bench_function("sinew", |bencher| {
        let Fixture { transaction, table, first, .. } = &*fixture;
        let rows = transaction.rows();
        let keyspace = Keyspace::of_relation(table.id);
        ours.time(bencher, || {
            let row = first.0 + random.random_range(0..ROWS);
            let row = rows.get(keyspace, &row.to_be_bytes()).expect("readable");
            row.expect("the row exists").to_vec()
        });
    });
    group.bench_function("sinew_row", |bencher| {
        let Fixture { transaction, table, first, .. } = &*fixture;
        decoded.time(bencher, || {
            let row = RowId(first.0 + random.random_range(0..ROWS));
            transaction.get_row(table, row, &[0]).expect("readable").expect("the row exists")
        });
    });
    group.bench_function("redb", |bencher| {
        let rows = &fixture.raw_rows;
        raw.time(bencher, || {
            let key = random.random_range(0..ROWS).to_be_bytes();
            let row = ReadableTable::get(rows, &key[..]).expect("readable");
            row.expect("the row exists").value().to_vec()
        });
    });
    group.finish();
    ours.print_ratio_to(&raw, "point_get");
    decoded.print_ratio_to(&raw, "point_get_row");

    let (mut ours, mut decoded, mut raw) = (Samples::default(), Samples::default(), Samples::default());
    let mut group = criterion.benchmark_group("range_scan_1000");
    group.sample_size(SAMPLE_COUNT).warm_up_time(Duration::from_millis(500)).measurement_time(Duration::from_secs(2));
    group.throughput(Throughput::Elements(SCANNED));
    group.bench_function("sinew", |bencher| {
        let Fixture { transaction, table, first, .. } = &*fixture;
        let rows = transaction.rows();
        let keyspace = Keyspace::of_relation(table.id);
        ours.time(bencher, || {
            let start = first.0 + random.random_range(0..ROWS - SCANNED);
            let (lower, upper) = (start.to_be_bytes(), (start + SCANNED).to_be_bytes());
            let range = (Bound::Included(&lower[..]), Bound::Excluded(&upper[..]));
            // Both look at every value and copy none.
            let length = |_: &[u8], value: &[u8]| Ok(value.len());
            let scan = rows.decoded_range(keyspace, range.0, range.1, false, length).expect("readable");
            let bytes = scan.map(|length| length.expect("readable")).sum::<usize>();
            assert!(bytes >= SCANNED as usize * PAYLOAD_BYTES);
        });
    });
    group.bench_function("sinew_rows", |bencher| {
        let Fixture { transaction, table, first, .. } = &*fixture;
        decoded.time(bencher, || {
            let start = first.0 + random.random_range(0..ROWS - SCANNED);
            let (lower, upper) = (Bound::Included(RowId(start)), Bound::Excluded(RowId(start + SCANNED)));
            let scan = transaction.scan_rows_between(table, &[0], lower, upper).expect("readable");
            let text_bytes = scan.map(|row| row.expect("readable").1[0].as_str().map_or(0, str::len)).sum::<usize>();
            assert_eq!(text_bytes, SCANNED as usize * PAYLOAD_BYTES);
        });
    });
    group.bench_function("redb", |bencher| {
        let rows = &fixture.raw_rows;
        raw.time(bencher, || {
            let start = random.random_range(0..ROWS - SCANNED);
            let (lower, upper) = (start.to_be_bytes(), (start + SCANNED).to_be_bytes());
            let scan = ReadableTable::range::<&[u8]>(rows, &lower[..]..&upper[..]).expect("readable");
            let text_bytes = scan.map(|row| row.expect("readable").1.value().len()).sum::<usize>();
            assert_eq!(text_bytes, SCANNED as usize * PAYLOAD_BYTES);
        });
    });
    group.finish();
    ours.print_ratio_to(&raw, "range_scan_1000");
    decoded.print_ratio_to(&raw, "range_scan_1000_rows");

    let mut frames = [Samples::default(), Samples::default(), Samples::default()];
    let [empty, read, statement] = &mut frames;
    let mut group = criterion.benchmark_group("empty_transaction");
    group.sample_size(SAMPLE_COUNT).warm_up_time(Duration::from_millis(500)).measurement_time(Duration::from_secs(2));
    group.bench_function("begin_rollback", |bencher| {
        let store = &fixture.store;
        empty.time(bencher, || store.begin(Isolation::ReadCommitted).rollback());
    });
    group.bench_function("begin_read_rollback", |bencher| {
        let Fixture { store, table, first, .. } = &*fixture;
        read.time(bencher, || {
            let transaction = store.begin(Isolation::ReadCommitted);
            let row = transaction.get_row(table, RowId(first.0 + random.random_range(0..ROWS)), &[0]);
            transaction.rollback();
            row.expect("readable")
        });
    });
    group.bench_function("begin_statement_read_rollback", |bencher| {
        let Fixture { store, table, first, .. } = &*fixture;
        statement.time(bencher, || {
            let transaction = store.begin(Isolation::ReadCommitted);
            transaction.begin_statement().expect("nobody cancels");
            let row = transaction.get_row(table, RowId(first.0 + random.random_range(0..ROWS)), &[0]);
            transaction.finish_statement().expect("no constraint stands");
            transaction.rollback();
            row.expect("readable")
        });
    });
    group.finish();
    for (name, samples) in
        ["begin_rollback", "begin_read_rollback", "begin_statement_read_rollback"].iter().zip(&frames)
    {
        if let Some(ours) = samples.median() {
            print_ratio(name, ours, FRAME_BAR);
        }
    }
}
