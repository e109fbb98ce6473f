//! A disk in memory that forgets, reorders and tears what was not synced, fills up, and fails.
//!
//! Files are inodes with a live content, a durable one, and the writes between; a directory maps names to inodes the same
//! way. A crash image keeps everything synced, a prefix of the directory's unsynced operations (file systems journal
//! them in order), and of each file any sectors of its unsynced writes, in any order.

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

use parking_lot::Mutex;
use rand::RngExt;
use rand::rngs::StdRng;

use super::disk::{Disk, DiskFile};

const SECTOR: usize = 512;
/// Budget that is never used up.
const UNLIMITED: i64 = i64::MAX;

#[derive(Clone, Debug)]
enum Unsynced {
    Write(usize, Vec<u8>),
    SetLen(usize),
}

impl Unsynced {
    fn apply(&self, bytes: &mut Vec<u8>, keep: &mut dyn FnMut() -> bool) {
        match self {
            Unsynced::SetLen(length) => {
                if keep() {
                    bytes.resize(*length, 0);
                }
            }
            Unsynced::Write(offset, data) => {
                for (i, sector) in data.chunks(SECTOR).enumerate() {
                    let start = offset + i * SECTOR;
                    if keep() {
                        if bytes.len() < start + sector.len() {
                            bytes.resize(start + sector.len(), 0);
                        }
                        bytes[start..start + sector.len()].copy_from_slice(sector);
                    }
                }
            }
        }
    }
}

#[derive(Clone, Debug, Default)]
struct Inode {
    live: Vec<u8>,
    durable: Vec<u8>,
    unsynced: Vec<Unsynced>,
}

#[derive(Clone, Debug)]
enum DirectoryChange {
    Link(String, usize),
    Rename(String, String),
    Unlink(String),
}

impl DirectoryChange {
    fn apply(&self, names: &mut BTreeMap<String, usize>) {
        match self {
            DirectoryChange::Link(name, inode) => {
                names.insert(name.clone(), *inode);
            }
            DirectoryChange::Rename(from, to) => {
                if let Some(inode) = names.remove(from) {
                    names.insert(to.clone(), inode);
                }
            }
            DirectoryChange::Unlink(name) => {
                names.remove(name);
            }
        }
    }
}

#[derive(Debug, Default)]
struct DiskState {
    inodes: Vec<Inode>,
    names: BTreeMap<String, usize>,
    durable_names: BTreeMap<String, usize>,
    unsynced_names: Vec<DirectoryChange>,
}

/// Shared by all its clones.
#[derive(Clone)]
pub(super) struct SimulatedDisk {
    state: Arc<Mutex<DiskState>>,
    /// Operations still allowed; then all fail.
    budget: Arc<AtomicI64>,
    /// Bytes that all files together may have.
    capacity_bytes: Arc<AtomicU64>,
    /// Only syncs fail while this is set.
    syncs_fail: Arc<Mutex<bool>>,
    /// Called after each operation with its number.
    observer: Arc<Mutex<Option<Observer>>>,
}

type Observer = Box<dyn FnMut(&SimulatedDisk) + Send>;

impl std::fmt::Debug for SimulatedDisk {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SimulatedDisk").finish_non_exhaustive()
    }
}

impl Default for SimulatedDisk {
    fn default() -> SimulatedDisk {
        SimulatedDisk {
            state: Arc::default(),
            budget: Arc::new(AtomicI64::new(UNLIMITED)),
            capacity_bytes: Arc::new(AtomicU64::new(u64::MAX)),
            syncs_fail: Arc::default(),
            observer: Arc::default(),
        }
    }
}

/// Files by name, as found after a crash.
pub(super) type Image = BTreeMap<String, Vec<u8>>;

impl SimulatedDisk {
    pub fn holding(image: Image) -> SimulatedDisk {
        let disk = SimulatedDisk::default();
        {
            let mut state = disk.state.lock();
            for (name, bytes) in image {
                let inode = state.inodes.len();
                state.inodes.push(Inode { live: bytes.clone(), durable: bytes, unsynced: Vec::new() });
                state.names.insert(name.clone(), inode);
                state.durable_names.insert(name, inode);
            }
        }
        disk
    }

    /// After this many more operations all fail.
    pub fn fail_after(&self, operations: i64) {
        self.budget.store(operations, Ordering::SeqCst);
    }

    pub fn heal(&self) {
        self.budget.store(UNLIMITED, Ordering::SeqCst);
        *self.syncs_fail.lock() = false;
        self.capacity_bytes.store(u64::MAX, Ordering::SeqCst);
    }

    pub fn fail_syncs(&self) {
        *self.syncs_fail.lock() = true;
    }

    /// No file may grow from here on beyond `more` bytes in all.
    pub fn limit_growth(&self, more: u64) {
        let used: usize = self.state.lock().inodes.iter().map(|inode| inode.live.len()).sum();
        self.capacity_bytes.store(used as u64 + more, Ordering::SeqCst);
    }

    /// `observer` runs after every operation, on the thread that made it.
    pub fn observe(&self, observer: impl FnMut(&SimulatedDisk) + Send + 'static) {
        *self.observer.lock() = Some(Box::new(observer));
    }

    fn charge(&self) -> io::Result<()> {
        let spent = self.budget.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| match left {
            UNLIMITED => Some(UNLIMITED),
            left if left <= 0 => None,
            left => Some(left - 1),
        });
        spent.map(drop).map_err(|_| io::Error::other("the disk failed"))
    }

    fn observed<T>(&self, result: io::Result<T>) -> io::Result<T> {
        let observer = self.observer.lock().take();
        if let Some(mut observer) = observer {
            observer(self);
            let mut slot = self.observer.lock();
            if slot.is_none() {
                *slot = Some(observer);
            }
        }
        result
    }

    /// What a power cut now would leave.
    pub fn crash_image(&self, random: &mut StdRng) -> Image {
        let state = self.state.lock();
        let mut names = state.durable_names.clone();
        let kept = random.random_range(0..=state.unsynced_names.len());
        state.unsynced_names[..kept].iter().for_each(|change| change.apply(&mut names));
        let chance = [0.0, 0.3, 0.7, 0.95, 1.0][random.random_range(0..5)];
        let mut image = Image::new();
        for (name, inode) in names {
            let inode = &state.inodes[inode];
            let mut bytes = inode.durable.clone();
            let mut order: Vec<usize> = (0..inode.unsynced.len()).collect();
            if random.random_bool(0.5) {
                for at in (1..order.len()).rev() {
                    order.swap(at, random.random_range(0..=at));
                }
            }
            for at in order {
                inode.unsynced[at].apply(&mut bytes, &mut || random.random_bool(chance));
            }
            image.insert(name, bytes);
        }
        image
    }

    fn inode(&self, name: &str) -> usize {
        let mut state = self.state.lock();
        if let Some(inode) = state.names.get(name) {
            return *inode;
        }
        let inode = state.inodes.len();
        state.inodes.push(Inode::default());
        state.names.insert(name.to_owned(), inode);
        state.unsynced_names.push(DirectoryChange::Link(name.to_owned(), inode));
        inode
    }

    pub fn file(&self, name: &str) -> SimulatedFile {
        SimulatedFile { disk: self.clone(), inode: self.inode(name) }
    }

    fn change_names(&self, change: DirectoryChange) -> io::Result<()> {
        self.charge()?;
        {
            let mut state = self.state.lock();
            change.apply(&mut state.names);
            state.unsynced_names.push(change);
        }
        self.observed(Ok(()))
    }
}

impl Disk for SimulatedDisk {
    fn open(&self, name: &str) -> io::Result<Box<dyn DiskFile>> {
        self.charge()?;
        Ok(Box::new(self.file(name)))
    }

    fn list(&self) -> io::Result<Vec<String>> {
        Ok(self.state.lock().names.keys().filter(|name| *name != REDB_NAME).cloned().collect())
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        self.change_names(DirectoryChange::Rename(from.to_owned(), to.to_owned()))
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        self.change_names(DirectoryChange::Unlink(name.to_owned()))
    }

    fn free_bytes(&self) -> io::Result<Option<u64>> {
        // Running into the end is what the tests want.
        Ok(None)
    }

    fn sync_directory(&self) -> io::Result<()> {
        self.charge()?;
        if *self.syncs_fail.lock() {
            return Err(io::Error::other("the disk failed to sync"));
        }
        {
            let state = &mut *self.state.lock();
            state.durable_names.clone_from(&state.names);
            state.unsynced_names.clear();
        }
        self.observed(Ok(()))
    }
}

/// Name of the redb file on a simulated disk; everything else belongs to the log.
pub(super) const REDB_NAME: &str = "sinew.redb";

#[derive(Clone, Debug)]
pub(super) struct SimulatedFile {
    disk: SimulatedDisk,
    inode: usize,
}

impl SimulatedFile {
    fn resize(&self, length: u64) -> io::Result<()> {
        self.disk.charge()?;
        {
            let mut state = self.disk.state.lock();
            self.check_room(&state, length)?;
            let inode = &mut state.inodes[self.inode];
            inode.live.resize(length as usize, 0);
            inode.unsynced.push(Unsynced::SetLen(length as usize));
        }
        self.disk.observed(Ok(()))
    }

    fn check_room(&self, state: &DiskState, length: u64) -> io::Result<()> {
        let used: usize = state.inodes.iter().map(|inode| inode.live.len()).sum();
        let growth = length.saturating_sub(state.inodes[self.inode].live.len() as u64);
        if growth > 0 && used as u64 + growth > self.disk.capacity_bytes.load(Ordering::SeqCst) {
            return Err(io::Error::new(io::ErrorKind::StorageFull, "no space left on device"));
        }
        Ok(())
    }
}

impl DiskFile for SimulatedFile {
    fn len(&self) -> io::Result<u64> {
        Ok(self.disk.state.lock().inodes[self.inode].live.len() as u64)
    }

    fn read_at(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let state = self.disk.state.lock();
        let bytes = state.inodes[self.inode].live.get(offset as usize..offset as usize + out.len());
        out.copy_from_slice(bytes.ok_or_else(|| io::Error::other("read beyond the end"))?);
        Ok(())
    }

    fn write_at(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.disk.charge()?;
        {
            let mut state = self.disk.state.lock();
            let (offset, end) = (offset as usize, offset as usize + data.len());
            self.check_room(&state, end as u64)?;
            let inode = &mut state.inodes[self.inode];
            if inode.live.len() < end {
                inode.live.resize(end, 0);
            }
            inode.live[offset..end].copy_from_slice(data);
            inode.unsynced.push(Unsynced::Write(offset, data.to_vec()));
        }
        self.disk.observed(Ok(()))
    }

    fn sync(&self) -> io::Result<()> {
        self.disk.charge()?;
        if *self.disk.syncs_fail.lock() {
            return Err(io::Error::other("the disk failed to sync"));
        }
        {
            let state = &mut *self.disk.state.lock();
            let inode = &mut state.inodes[self.inode];
            inode.durable.clone_from(&inode.live);
            inode.unsynced.clear();
        }
        self.disk.observed(Ok(()))
    }
}

impl redb::StorageBackend for SimulatedFile {
    fn len(&self) -> io::Result<u64> {
        DiskFile::len(self)
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.read_at(offset, out)
    }

    fn set_len(&self, length: u64) -> io::Result<()> {
        self.resize(length)
    }

    fn sync_data(&self) -> io::Result<()> {
        self.sync()
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.write_at(offset, data)
    }
}
