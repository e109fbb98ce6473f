//! A persistent set of 64-bit ids: pages of 65,536 ids, each one roaring container, under a radix tree.
//!
//! Cloning is free and a change copies one container (at most 8 KB), where a `RoaringTreemap` would be copied whole.

mod encoding;

use std::sync::Arc;

use roaring::RoaringBitmap;

use super::radix::RadixTree;

pub(crate) const ID_PAGE_BITS: u32 = 16;

#[derive(Clone, Default)]
pub(crate) struct IdSet {
    pages: RadixTree<Arc<RoaringBitmap>>,
    len: u64,
}

fn split(id: u64) -> (u64, u32) {
    (id >> ID_PAGE_BITS, (id & ((1 << ID_PAGE_BITS) - 1)) as u32)
}

impl IdSet {
    pub fn len(&self) -> u64 {
        self.len
    }

    pub fn contains(&self, id: u64) -> bool {
        let (page, low) = split(id);
        self.pages.get(page).is_some_and(|bitmap| bitmap.contains(low))
    }

    /// True when the id was not in the set.
    pub fn insert(&mut self, id: u64) -> bool {
        if self.contains(id) {
            return false;
        }
        let (page, low) = split(id);
        Arc::make_mut(self.pages.slot_mut(page).get_or_insert_default()).insert(low);
        self.len += 1;
        true
    }

    /// True when the id was in the set.
    pub fn remove(&mut self, id: u64) -> bool {
        if !self.contains(id) {
            return false;
        }
        let (page, low) = split(id);
        let slot = self.pages.slot_mut(page);
        if let Some(bitmap) = slot {
            let bitmap = Arc::make_mut(bitmap);
            bitmap.remove(low);
            if bitmap.is_empty() {
                *slot = None;
            }
        }
        self.len -= 1;
        true
    }

    /// The first non-empty page at or above `page`: its number and the low bits of its ids.
    pub fn page_at_or_after(&self, page: u64) -> Option<(u64, &RoaringBitmap)> {
        self.pages.next_at_or_after(page).map(|(number, bitmap)| (number, &**bitmap))
    }

    /// Non-empty pages in order: number, and the low bits of the ids.
    fn pages(&self) -> impl Iterator<Item = (u64, &RoaringBitmap)> {
        self.pages.iter().map(|(page, bitmap)| (page, &**bitmap))
    }

    /// Ids in ascending order.
    pub fn iter(&self) -> impl Iterator<Item = u64> {
        self.pages.iter().flat_map(|(page, bitmap)| bitmap.iter().map(move |low| page << ID_PAGE_BITS | u64::from(low)))
    }

    pub fn memory_size_bytes(&self) -> usize {
        self.pages.node_size_bytes() + self.pages.iter().map(|(_, bitmap)| bitmap.serialized_size() + 64).sum::<usize>()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_and_keeps_old_clones() {
        let mut set = IdSet::default();
        assert!(set.insert(5) && set.insert(70_000) && set.insert(1 << 40) && !set.insert(5));
        let old = set.clone();
        assert!(set.remove(70_000) && !set.remove(70_000));
        assert_eq!((set.len(), old.len()), (2, 3));
        assert!(old.contains(70_000) && !set.contains(70_000));
        assert_eq!(old.iter().collect::<Vec<_>>(), [5, 70_000, 1 << 40]);
    }
}
