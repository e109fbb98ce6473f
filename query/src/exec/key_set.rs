//! A set of keys, each some bytes.
//!
//! Keys lie one behind the other in large pieces, so that a set of millions is neither made nor freed key by key; the table
//! holds their hashes, so that it grows without reading them.

use std::hash::Hasher;

use hashbrown::HashTable;
use rustc_hash::FxHasher;

/// A key that does not fit into the rest of a piece begins another one.
const PIECE_BYTES: usize = 1 << 20;

#[derive(Default)]
pub(crate) struct KeySet {
    table: HashTable<Entry>,
    pieces: Vec<Vec<u8>>,
}

struct Entry {
    hash: u64,
    piece: u32,
    start: u32,
    length: usize,
}

impl KeySet {
    /// Of one key in the set, beside its bytes.
    pub(crate) const ENTRY_BYTES: usize = size_of::<Entry>() * 2;
    /// Of a set with its first key, beside what the key takes.
    pub(crate) const FIRST_BYTES: usize = 4 * size_of::<Entry>() + 4 * size_of::<Vec<u8>>();

    fn hash(key: &[u8]) -> u64 {
        let mut hasher = FxHasher::default();
        hasher.write(key);
        hasher.finish()
    }

    fn find(&self, key: &[u8], hash: u64) -> bool {
        let same = |entry: &Entry| {
            entry.hash == hash
                && entry.length == key.len()
                && self.pieces[entry.piece as usize][entry.start as usize..][..entry.length] == *key
        };
        self.table.find(hash, same).is_some()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.table.is_empty()
    }

    pub(crate) fn contains(&self, key: &[u8]) -> bool {
        self.find(key, Self::hash(key))
    }

    /// Whether the key is new.
    pub(crate) fn insert(&mut self, key: &[u8]) -> bool {
        let hash = Self::hash(key);
        if self.find(key, hash) {
            return false;
        }
        if self.pieces.last().is_none_or(|piece| !piece.is_empty() && piece.len() + key.len() > PIECE_BYTES) {
            self.pieces.push(Vec::new());
        }
        let piece = self.pieces.len() - 1;
        let bytes = &mut self.pieces[piece];
        let entry = Entry { hash, piece: piece as u32, start: bytes.len() as u32, length: key.len() };
        bytes.extend_from_slice(key);
        self.table.insert_unique(hash, entry, |entry| entry.hash);
        true
    }

    pub(crate) fn clear(&mut self) {
        self.table.clear();
        self.pieces.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_found_across_pieces() {
        let mut set = KeySet::default();
        let long = |byte| vec![byte; PIECE_BYTES - 10];
        let mut keys: Vec<Vec<u8>> =
            (0..20_000_u32).map(|i| i.to_be_bytes()[..4 - (i % 2) as usize].to_vec()).collect();
        keys.extend([Vec::new(), long(1), long(2), vec![3; 3 * PIECE_BYTES]]);
        let mut known = std::collections::BTreeSet::new();
        for key in keys.iter().chain(&keys) {
            assert_eq!(set.contains(key), known.contains(key));
            assert_eq!(set.insert(key), known.insert(key.clone()));
            assert!(set.contains(key));
        }
        assert!(!set.contains(&long(4)));
        set.clear();
        assert!(!set.contains(&[]) && set.insert(&[]));
    }
}
