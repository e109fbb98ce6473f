//! The store on a disk that loses what was not synced, tears writes, and fails.

use std::io;
use std::ops::Bound;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::Mutex;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use super::*;

const ROWS: Keyspace = Keyspace(50_000);
const SECTOR: usize = 512;

#[derive(Clone, Debug)]
enum Unsynced {
    Write(usize, Vec<u8>),
    SetLen(usize),
}

#[derive(Debug, Default)]
struct DiskState {
    live: Vec<u8>,
    durable: Vec<u8>,
    unsynced: Vec<Unsynced>,
}

/// Bytes as the process sees them, and as they would be found after a power cut.
#[derive(Clone, Debug, Default)]
struct Disk {
    state: Arc<Mutex<DiskState>>,
    /// Writes and syncs still allowed; 0 means no limit, 1 that the next one fails.
    budget: Arc<AtomicU64>,
}

impl Unsynced {
    fn apply(&self, bytes: &mut Vec<u8>, keep: impl Fn() -> bool) {
        match self {
            Unsynced::SetLen(len) => bytes.resize(*len, 0),
            Unsynced::Write(offset, data) => {
                for (i, sector) in data.chunks(SECTOR).enumerate() {
                    let start = offset + i * SECTOR;
                    if keep() && start + sector.len() <= bytes.len() {
                        bytes[start..start + sector.len()].copy_from_slice(sector);
                    }
                }
            }
        }
    }
}

impl Disk {
    fn holding(bytes: Vec<u8>) -> Disk {
        let state = DiskState { live: bytes.clone(), durable: bytes, unsynced: Vec::new() };
        Disk { state: Arc::new(Mutex::new(state)), budget: Arc::default() }
    }

    fn charge(&self) -> io::Result<()> {
        let spent = self.budget.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| match left {
            0 => Some(0),
            1 => None,
            left => Some(left - 1),
        });
        spent.map(drop).map_err(|_| io::Error::other("the disk failed"))
    }

    /// What a power cut leaves: everything synced, and any part of the rest, in sectors.
    fn after_power_cut(&self, random: &mut StdRng) -> Vec<u8> {
        let state = self.state.lock();
        let mut bytes = state.durable.clone();
        let random = std::cell::RefCell::new(random);
        let chance = [0.0, 0.5, 0.95][random.borrow_mut().random_range(0..3)];
        for unsynced in &state.unsynced {
            unsynced.apply(&mut bytes, || random.borrow_mut().random_bool(chance));
        }
        bytes
    }
}

impl redb::StorageBackend for Disk {
    fn len(&self) -> io::Result<u64> {
        Ok(self.state.lock().live.len() as u64)
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let state = self.state.lock();
        let bytes = state.live.get(offset as usize..offset as usize + out.len());
        out.copy_from_slice(bytes.ok_or_else(|| io::Error::other("read beyond the end"))?);
        Ok(())
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.charge()?;
        let mut state = self.state.lock();
        state.live.resize(len as usize, 0);
        state.unsynced.push(Unsynced::SetLen(len as usize));
        Ok(())
    }

    fn sync_data(&self) -> io::Result<()> {
        self.charge()?;
        let state = &mut *self.state.lock();
        state.durable.clone_from(&state.live);
        state.unsynced.clear();
        Ok(())
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.charge()?;
        let mut state = self.state.lock();
        let offset = offset as usize;
        state.live[offset..offset + data.len()].copy_from_slice(data);
        state.unsynced.push(Unsynced::Write(offset, data.to_vec()));
        Ok(())
    }
}

fn open(disk: &Disk) -> Result<Arc<Store>> {
    Store::with_backend(disk.clone(), StoreOptions { cache_size_bytes: 1 << 20, ..StoreOptions::default() })
}

fn numbers(store: &Arc<Store>) -> Vec<u64> {
    let t = store.begin(Isolation::ReadCommitted);
    let range = t.kv_range(ROWS, Bound::Unbounded, Bound::Unbounded, false).unwrap();
    range.map(|pair| decode_u64(&pair.unwrap().0, "key").unwrap()).collect()
}

fn commit_number(store: &Arc<Store>, number: u64) -> Result<Lsn> {
    let t = store.begin(Isolation::ReadCommitted);
    t.kv_put(ROWS, &number.to_be_bytes(), &[number as u8; 600])?;
    t.commit()
}

#[test]
fn a_power_cut_loses_no_acknowledged_commit() {
    for seed in 0..6 {
        let mut random = StdRng::seed_from_u64(seed);
        let mut disk = Disk::default();
        let mut acknowledged = 0;
        for _ in 0..5 {
            let store = open(&disk).unwrap_or_else(|error| panic!("seed {seed}: {error}"));
            let found = numbers(&store);
            let last = found.len() as u64;
            assert_eq!(found, (1..=last).collect::<Vec<u64>>(), "seed {seed}");
            assert!(last >= acknowledged, "seed {seed}: {last} of {acknowledged} commits");
            let lsn = store.begin(Isolation::ReadCommitted).snapshot_lsn();
            assert_eq!(lsn, Lsn(last), "seed {seed}: the LSN is committed with its rows");
            for number in last + 1..=last + random.random_range(1..20) {
                commit_number(&store, number).unwrap();
                acknowledged = number;
            }
            // The cut comes in the middle of the next commit.
            disk.budget.store(random.random_range(2..20), Ordering::SeqCst);
            let _ = commit_number(&store, acknowledged + 1);
            let image = disk.after_power_cut(&mut random);
            drop(store);
            disk = Disk::holding(image);
        }
    }
}

#[test]
fn after_an_io_error_every_commit_is_refused_and_nothing_hangs() {
    let disk = Disk::default();
    let store = open(&disk).unwrap();
    commit_number(&store, 1).unwrap();
    disk.budget.store(1, Ordering::SeqCst);
    let writers: Vec<_> = (2..10)
        .map(|number| {
            let store = Arc::clone(&store);
            std::thread::spawn(move || commit_number(&store, number))
        })
        .collect();
    for writer in writers {
        let error = writer.join().unwrap().unwrap_err();
        assert!(matches!(error, StorageError::Io(_) | StorageError::CommitUnknown(_)), "{error}");
    }
    disk.budget.store(0, Ordering::SeqCst);
    assert!(matches!(commit_number(&store, 10), Err(StorageError::Io(_))));
    assert_eq!(numbers(&store), [1], "reads go on");
    assert!(store.close().is_err());
    assert!(matches!(commit_number(&store, 11), Err(StorageError::ShuttingDown)));
}
