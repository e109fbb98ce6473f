//! A Bloom filter over the keys of a section, so that a key which is not there costs no read.

use xxhash_rust::xxh3::xxh3_64;

/// With seven probes, about one absent key in a hundred is taken for present.
const BITS_PER_KEY: usize = 10;
const PROBES: u64 = 7;

/// See the module. An empty one contains everything.
#[derive(Default)]
pub(super) struct Bloom {
    words: Vec<u64>,
}

impl Bloom {
    pub fn for_keys(key_count: usize) -> Bloom {
        Bloom { words: vec![0; (key_count * BITS_PER_KEY).div_ceil(64).max(1)] }
    }

    pub fn insert(&mut self, key: &[u8]) {
        let bit_count = self.words.len() as u64 * 64;
        for bit in probes(key, bit_count) {
            self.words[(bit / 64) as usize] |= 1 << (bit % 64);
        }
    }

    /// False only when the key was never inserted.
    pub fn may_contain(&self, key: &[u8]) -> bool {
        if self.words.is_empty() {
            return true;
        }
        probes(key, self.words.len() as u64 * 64).all(|bit| self.words[(bit / 64) as usize] & 1 << (bit % 64) != 0)
    }

    pub fn size_bytes(&self) -> usize {
        self.words.len() * 8
    }
}

fn probes(key: &[u8], bit_count: u64) -> impl Iterator<Item = u64> {
    let hash = xxh3_64(key);
    let step = hash.rotate_left(32) | 1;
    (0..PROBES).map(move |probe| hash.wrapping_add(probe.wrapping_mul(step)) % bit_count)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_inserted_is_found_and_little_else() {
        let mut bloom = Bloom::for_keys(1_000);
        (0..1_000_u32).for_each(|key| bloom.insert(&key.to_be_bytes()));
        assert!((0..1_000_u32).all(|key| bloom.may_contain(&key.to_be_bytes())));
        let wrong = (1_000..11_000_u32).filter(|key| bloom.may_contain(&key.to_be_bytes())).count();
        assert!(wrong < 400, "{wrong} of 10000 absent keys were taken for present");
        assert!(Bloom::default().may_contain(b"anything"));
    }
}
