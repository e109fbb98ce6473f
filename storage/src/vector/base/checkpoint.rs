//! The base in a checkpoint file: the rows visible at one LSN with their vectors. Lifetimes are not kept: after a restart
//! no snapshot is older than the file. The graph is not kept either (the library's own dump is neither synced nor safe to
//! load, and it takes no links from outside); it grows again in the background, and searches scan until then.
//!
//! Each section is the number of its rows (4), their ids (8 each), and their vectors (4 bytes per dimension, IEEE 754).
//! Integers are little-endian.

use rustc_hash::FxHashMap;

use super::VectorBase;
use crate::catalog::VectorIndexOptions;
use crate::derived::{CheckpointReader, CheckpointWriter, SECTION_BYTES};
use crate::encoding::varint::Reader;
use crate::error::Result;
use crate::ids::Lsn;

const ROWS: u32 = 1;

/// Bytes of a row in a section.
fn row_bytes(options: &VectorIndexOptions) -> usize {
    8 + 4 * options.dimension_count as usize
}

impl VectorBase {
    /// Writes what is visible at `lsn`.
    pub fn write_checkpoint(&self, lsn: Lsn, writer: &mut CheckpointWriter<'_>) -> Result<()> {
        let section_rows = (SECTION_BYTES / row_bytes(&self.options)).max(1);
        let mut visible = (0..self.slots.len).filter(|slot| self.slots.is_visible(*slot, lsn));
        let mut section = Vec::new();
        loop {
            let slots: Vec<u32> = visible.by_ref().take(section_rows).collect();
            if slots.is_empty() {
                return Ok(());
            }
            section.clear();
            section.extend_from_slice(&(slots.len() as u32).to_le_bytes());
            slots.iter().for_each(|slot| section.extend_from_slice(&self.slots.id(*slot).to_le_bytes()));
            for slot in &slots {
                self.exact.vector(*slot).iter().for_each(|x| section.extend_from_slice(&x.to_le_bytes()));
            }
            writer.section(ROWS, &section)?;
        }
    }

    /// The base as of the file, with the slot of each row. Errors with `Corrupted` for bytes that
    /// [`Self::write_checkpoint`] does not write.
    pub fn read_checkpoint(
        file: &mut CheckpointReader,
        options: VectorIndexOptions,
    ) -> Result<(VectorBase, FxHashMap<u64, u32>)> {
        let (row_bytes, dimension_count) = (row_bytes(&options), options.dimension_count as usize);
        let lsn = file.lsn();
        let mut base = VectorBase::new(options, lsn);
        let mut slots = FxHashMap::default();
        while let Some((tag, bytes)) = file.next_section()? {
            let mut reader = Reader::new(bytes, "vector checkpoint");
            let count = u32::from_le_bytes(reader.array()?) as usize;
            if tag != ROWS || reader.remaining() != count * row_bytes {
                return Err(reader.corrupted("holds a section of a wrong length"));
            }
            let (ids, _) = reader.bytes(count * 8)?.as_chunks::<8>();
            let mut vector = Vec::with_capacity(dimension_count);
            for id in ids {
                let (numbers, _) = reader.bytes(dimension_count * 4)?.as_chunks::<4>();
                vector.clear();
                vector.extend(numbers.iter().map(|number| f32::from_le_bytes(*number)));
                let id = u64::from_le_bytes(*id);
                let is_finite = vector.iter().all(|x| x.is_finite());
                if !is_finite || slots.insert(id, base.push(id, lsn, &vector)?).is_some() {
                    return Err(reader.corrupted("holds a row that cannot be"));
                }
            }
        }
        Ok((base, slots))
    }
}
