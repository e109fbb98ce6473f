//! The store beside raw redb, in one run and with equal durability: point get, range scan, one-row durable commit,
//! sixteen committers, bulk load. The ratio is what counts; the machine is shared.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use rand::{RngExt, SeedableRng, rngs::StdRng};
use redb::{Durability, ReadableDatabase, ReadableTable};
use sinew_benches::{RAW, fill_raw, fill_store, insert, open_raw, open_store, payload};
use sinew_storage::{Isolation, RowId};

const ROWS: u64 = 100_000;
const COMMITTERS: usize = 16;

fn reads(c: &mut Criterion) {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let (store, table) = open_store(&directory.path().join("sinew"));
    let (first, last) = fill_store(&store, &table, ROWS);
    let raw = open_raw(&directory.path().join("raw.redb"));
    fill_raw(&raw, 0, ROWS);

    let mut group = c.benchmark_group("point_get");
    let mut random = StdRng::seed_from_u64(1);
    let transaction = store.begin(Isolation::RepeatableRead);
    group.bench_function("sinew", |b| {
        b.iter(|| transaction.get_row(&table, RowId(random.random_range(first.0..=last.0)), &[1]).expect("readable"))
    });
    let read = raw.begin_read().expect("readable");
    let rows = read.open_table(RAW).expect("the table exists");
    group.bench_function("redb", |b| {
        b.iter(|| {
            let row = ReadableTable::get(&rows, random.random_range(0..ROWS)).expect("readable");
            row.map(|row| row.value().to_vec())
        })
    });
    group.finish();

    let mut group = c.benchmark_group("range_scan_1000");
    group.throughput(Throughput::Elements(1000));
    group.bench_function("sinew", |b| {
        b.iter(|| {
            let scan = transaction.scan_rows(&table, &[1]).expect("readable");
            scan.take(1000).map(|row| row.expect("readable").1.len()).sum::<usize>()
        })
    });
    group.bench_function("redb", |b| {
        b.iter(|| {
            let scan = ReadableTable::range(&rows, 0..1000u64).expect("readable");
            scan.map(|row| row.expect("readable").1.value().to_vec().len()).sum::<usize>()
        })
    });
    group.finish();

    let mut group = c.benchmark_group("empty_transaction");
    group.bench_function("sinew", |b| {
        b.iter(|| {
            let transaction = store.begin(Isolation::ReadCommitted);
            let row = transaction.get_row(&table, first, &[0]).expect("readable");
            transaction.rollback();
            row
        })
    });
    group.finish();
}

fn commits(c: &mut Criterion) {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let (store, table) = open_store(&directory.path().join("sinew"));
    fill_store(&store, &table, ROWS);
    let raw = Arc::new(open_raw(&directory.path().join("raw.redb")));
    fill_raw(&raw, 0, ROWS);
    let next = AtomicU64::new(ROWS);

    let mut group = c.benchmark_group("one_row_durable_commit");
    group.sample_size(20).measurement_time(Duration::from_secs(4));
    group.bench_function("sinew", |b| {
        b.iter(|| {
            let transaction = store.begin(Isolation::ReadCommitted);
            insert(&transaction, &table, next.fetch_add(1, Ordering::Relaxed));
            transaction.commit().expect("the commit succeeds")
        })
    });
    group.bench_function("redb", |b| b.iter(|| fill_raw(&raw, next.fetch_add(1, Ordering::Relaxed), 1)));
    group.finish();

    // Per commit, over sixteen threads that commit one row each as fast as they can.
    let mut group = c.benchmark_group("commit_with_16_committers");
    group.sample_size(10).measurement_time(Duration::from_secs(4));
    group.bench_function("sinew", |b| {
        b.iter_custom(|iterations| {
            parallel(iterations, &|| {
                let transaction = store.begin(Isolation::ReadCommitted);
                insert(&transaction, &table, next.fetch_add(1, Ordering::Relaxed));
                transaction.commit().expect("the commit succeeds");
            })
        })
    });
    group.bench_function("redb", |b| {
        b.iter_custom(|iterations| parallel(iterations, &|| fill_raw(&raw, next.fetch_add(1, Ordering::Relaxed), 1)))
    });
    group.finish();
}

/// Wall time of `iterations` calls spread over [`COMMITTERS`] threads.
fn parallel(iterations: u64, run: &(dyn Fn() + Sync)) -> Duration {
    let left = AtomicU64::new(iterations);
    let started = Instant::now();
    std::thread::scope(|scope| {
        for _ in 0..COMMITTERS {
            scope.spawn(|| {
                while left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1)).is_ok() {
                    run();
                }
            });
        }
    });
    started.elapsed()
}

fn bulk_load(c: &mut Criterion) {
    let mut group = c.benchmark_group("bulk_load");
    group.sample_size(10).throughput(Throughput::Elements(ROWS));
    group.bench_with_input(BenchmarkId::new("sinew", ROWS), &ROWS, |b, rows| {
        b.iter_with_setup(
            || {
                let directory = tempfile::tempdir().expect("a temporary directory");
                let (store, table) = open_store(directory.path());
                (directory, store, table)
            },
            |(directory, store, table)| {
                fill_store(&store, &table, *rows);
                (directory, store)
            },
        )
    });
    group.bench_with_input(BenchmarkId::new("redb", ROWS), &ROWS, |b, rows| {
        b.iter_with_setup(
            || {
                let directory = tempfile::tempdir().expect("a temporary directory");
                let raw = open_raw(&directory.path().join("raw.redb"));
                (directory, raw)
            },
            |(directory, raw)| {
                let mut transaction = raw.begin_write().expect("no other writer");
                transaction.set_durability(Durability::Immediate).expect("no savepoint is held");
                {
                    let mut table = transaction.open_table(RAW).expect("the table has this type");
                    for i in 0..*rows {
                        table.insert(i, payload(i).as_bytes()).expect("the row is valid");
                    }
                }
                transaction.commit().expect("the commit succeeds");
                (directory, raw)
            },
        )
    });
    group.finish();
}

criterion_group!(benches, reads, commits, bulk_load);
criterion_main!(benches);
