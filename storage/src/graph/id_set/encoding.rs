//! Bytes of a page of ids in a checkpoint: its number (8), the count of its ids (4), then the ids' low bits: up to 4,096
//! of them as they are, 2 bytes each, more as 8,192 bytes of which bit `n` stands for `n`. Integers are little-endian.

use std::sync::Arc;

use roaring::RoaringBitmap;

use super::{ID_PAGE_BITS, IdSet};
use crate::encoding::varint::Reader;
use crate::error::Result;

/// Ids in a page.
const PAGE_IDS: u32 = 1 << ID_PAGE_BITS;
/// Up to this many are listed.
const LISTED_IDS: u32 = 4_096;

impl IdSet {
    /// Calls `write` with the bytes of each page.
    pub fn encode_pages<E>(&self, mut write: impl FnMut(&[u8]) -> Result<(), E>) -> Result<(), E> {
        let mut bytes = Vec::new();
        for (page, bitmap) in self.pages() {
            let count = bitmap.len() as u32;
            bytes.clear();
            bytes.extend_from_slice(&page.to_le_bytes());
            bytes.extend_from_slice(&count.to_le_bytes());
            if count <= LISTED_IDS {
                bitmap.iter().for_each(|low| bytes.extend_from_slice(&(low as u16).to_le_bytes()));
            } else {
                let start = bytes.len();
                bytes.resize(start + PAGE_IDS as usize / 8, 0);
                bitmap.iter().for_each(|low| bytes[start + low as usize / 8] |= 1 << (low % 8));
            }
            write(&bytes)?;
        }
        Ok(())
    }

    /// Adds a page that is not there yet.
    pub fn read_page(&mut self, reader: &mut Reader<'_>) -> Result<()> {
        let page = u64::from_le_bytes(reader.array()?);
        let count = u32::from_le_bytes(reader.array()?);
        if page > u64::MAX >> ID_PAGE_BITS || count == 0 || count > PAGE_IDS {
            return Err(reader.corrupted("holds a page of ids that cannot be"));
        }
        let bitmap = if count <= LISTED_IDS {
            let (ids, _) = reader.bytes(count as usize * 2)?.as_chunks::<2>();
            RoaringBitmap::from_sorted_iter(ids.iter().map(|id| u32::from(u16::from_le_bytes(*id)))).ok()
        } else {
            let bits = reader.bytes(PAGE_IDS as usize / 8)?;
            if count == PAGE_IDS {
                // The most frequent page of large sets.
                let mut all = RoaringBitmap::new();
                all.insert_range(0..PAGE_IDS);
                bits.iter().all(|byte| *byte == u8::MAX).then_some(all)
            } else {
                let ids = bits.iter().enumerate().flat_map(|(at, byte)| {
                    (0..8_u32).filter(move |bit| byte >> bit & 1 != 0).map(move |bit| at as u32 * 8 + bit)
                });
                RoaringBitmap::from_sorted_iter(ids).ok()
            }
        };
        let slot = self.pages.slot_mut(page);
        match bitmap.filter(|bitmap| bitmap.len() == u64::from(count)) {
            Some(bitmap) if slot.is_none() => *slot = Some(Arc::new(bitmap)),
            _ => return Err(reader.corrupted("holds a page of ids without order")),
        }
        self.len += u64::from(count);
        Ok(())
    }
}
