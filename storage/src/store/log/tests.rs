//! What the log gives back, and what it refuses.

use std::sync::Arc;

use super::record::{Part, begin_writes, encode_entry};
use super::replay::{Tail, search_tail};
use super::*;
use crate::store::Keyspace;
use crate::store::simulated_disk::SimulatedDisk;

const UUID: [u8; 16] = [7; 16];

fn append(log: &mut CommitLog, lsn: u64, size: usize) {
    let mut record = vec![0; HEADER_BYTES];
    begin_writes(&mut record, Keyspace(1), false, 1);
    encode_entry(&mut record, &lsn.to_be_bytes(), Some(&vec![lsn as u8; size]));
    log.append(&mut record, Lsn(lsn), Lsn(lsn)).unwrap();
}

fn read(disk: &SimulatedDisk, applied: u64) -> Result<Vec<u64>> {
    let disk: Arc<dyn Disk> = Arc::new(disk.clone());
    let mut seen = Vec::new();
    let mut visit = |lsn: Lsn, part: Part<'_>| {
        if let Part::Writes { entries, .. } = part {
            assert_eq!(entries.map(|(key, _)| key.to_vec()).collect::<Vec<_>>(), [lsn.0.to_be_bytes()]);
        }
        seen.push(lsn.0);
        Ok(())
    };
    let last = replay(&disk, UUID, Lsn(applied), &mut visit, &mut |_, _| {})?;
    assert_eq!(last.0, seen.last().copied().unwrap_or(applied));
    Ok(seen)
}

fn begin(disk: &SimulatedDisk, applied: u64) -> CommitLog {
    CommitLog::begin(Arc::new(disk.clone()), UUID, Lsn(applied)).unwrap().0
}

#[test]
fn records_are_read_back_across_segments_and_reuse() {
    let disk = SimulatedDisk::default();
    let mut log = begin(&disk, 0);
    for lsn in 1..=300 {
        append(&mut log, lsn, 1_000);
    }
    log.sync().unwrap();
    assert_eq!(read(&disk, 0).unwrap(), (1..=300).collect::<Vec<_>>());
    assert_eq!(read(&disk, 299).unwrap(), [300]);
    // Given up segments are written again, and what they held is not taken for new.
    log.release(Lsn(300));
    let names = disk.list().unwrap().len();
    for lsn in 301..=400 {
        append(&mut log, lsn, 1_000);
    }
    assert!(disk.list().unwrap().len() <= names);
    let found = read(&disk, 300).unwrap();
    assert_eq!(found, (301..=400).collect::<Vec<_>>());
    // Begun anew, nothing is left.
    drop(log);
    let mut log = begin(&disk, 400);
    assert_eq!(read(&disk, 400).unwrap(), Vec::<u64>::new());
    append(&mut log, 401, 10);
    assert_eq!(read(&disk, 400).unwrap(), [401]);
}

#[test]
fn a_damaged_durable_record_is_not_passed_over() {
    let disk = SimulatedDisk::default();
    let mut log = begin(&disk, 0);
    for lsn in 1..=5 {
        append(&mut log, lsn, 100);
        log.sync().unwrap();
    }
    let name = disk.list().unwrap().remove(0);
    let file = disk.file(&name);
    // The payload of the third record.
    let mut bytes = vec![0; DiskFile::len(&file).unwrap() as usize];
    file.read_at(0, &mut bytes).unwrap();
    let third = bytes.windows(100).position(|window| window == [3; 100]).unwrap() as u64;
    file.write_at(third, &[9]).unwrap();
    assert!(matches!(read(&disk, 0), Err(StorageError::Corrupted(_))));
    // The last record alone may be torn.
    file.write_at(third, &[3]).unwrap();
    let fifth = bytes.windows(100).position(|window| window == [5; 100]).unwrap() as u64;
    file.write_at(fifth, &[9]).unwrap();
    assert_eq!(read(&disk, 0).unwrap(), [1, 2, 3, 4]);
}

#[test]
fn a_missing_segment_and_a_foreign_log_are_refused() {
    let disk = SimulatedDisk::default();
    let mut log = begin(&disk, 0);
    for lsn in 1..=200 {
        append(&mut log, lsn, 1_000);
    }
    log.sync().unwrap();
    let mut names = disk.list().unwrap();
    names.sort();
    assert!(names.len() >= 3);
    disk.remove(&names[1]).unwrap();
    assert!(matches!(read(&disk, 0), Err(StorageError::Corrupted(_))));
    let other: Arc<dyn Disk> = Arc::new(disk);
    let foreign = replay(&other, [8; 16], Lsn(0), &mut |_, _| Ok(()), &mut |_, _| {});
    assert!(matches!(foreign, Err(StorageError::Corrupted(_))));
}

#[test]
fn a_segment_with_the_last_number_is_refused() {
    let disk = SimulatedDisk::default();
    disk.open(&segment_name(u64::MAX)).unwrap();
    let begun = CommitLog::begin(Arc::new(disk), UUID, Lsn(0));
    assert!(matches!(begun.map(|_| ()), Err(StorageError::Corrupted(_))));
}

/// A record of `size` bytes behind its header.
fn sealed(size: usize, first: u64, last: u64, durable: u64) -> Vec<u8> {
    let mut record = vec![7; HEADER_BYTES + size];
    seal(&mut record, 1, Lsn(first), Lsn(last), Lsn(durable)).unwrap();
    record
}

#[test]
fn bytes_that_look_like_records_bound_the_search_behind_the_end() {
    let search = |forged: &[u8], budget: u64| {
        // The damaged record's own place is not looked at; what a row of it held comes first.
        let rest = [&[1; ALIGNMENT as usize][..], forged, &sealed(64, 12, 12, 11)[..]].concat();
        search_tail(&rest, 1, Lsn(10), budget)
    };
    let mut forged = sealed(0, 12, 12, 11);
    forged[..4].copy_from_slice(&100_u32.to_le_bytes());
    let many = forged.repeat(50);
    assert_eq!(search(&[], 64), Tail::Durable(Lsn(11)));
    assert_eq!(search(&many, 50 * 100 + 64), Tail::Durable(Lsn(11)));
    assert_eq!(search(&many, 50 * 100 + 63), Tail::Unknown);
    // What cannot be a record costs nothing.
    for (first, last, durable) in [(12, 12, 10), (11, 11, 11), (12, u64::MAX, 11)] {
        let mut forged = sealed(0, first, last, durable);
        forged[..4].copy_from_slice(&100_u32.to_le_bytes());
        assert_eq!(search(&forged.repeat(50), 64), Tail::Durable(Lsn(11)));
    }
}
