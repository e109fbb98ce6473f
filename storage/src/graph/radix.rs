//! A persistent radix tree: 64-way, grows from the root, copies the path it changes.
//!
//! Clones share everything; [`RadixTree::slot_mut`] copies only the nodes on the path that another clone still holds, so
//! a writer that works on a private clone pays for each touched path once per batch.

use std::sync::Arc;

const BITS: u32 = 6;
const FANOUT: usize = 1 << BITS;

/// Map from small dense integers (page numbers) to values that are cheap to clone.
#[derive(Clone)]
pub(crate) struct RadixTree<T> {
    root: Option<Arc<Node<T>>>,
    levels: u32,
}

#[derive(Clone)]
enum Node<T> {
    Inner(Box<[Option<Arc<Node<T>>>; FANOUT]>),
    Leaf(Box<[Option<T>; FANOUT]>),
}

impl<T> Node<T> {
    fn at_level(level: u32) -> Node<T> {
        if level == 0 {
            Node::Leaf(Box::new(std::array::from_fn(|_| None)))
        } else {
            Node::Inner(Box::new(std::array::from_fn(|_| None)))
        }
    }
}

fn slot(key: u64, level: u32) -> usize {
    (key.checked_shr(level * BITS).unwrap_or(0) as usize) & (FANOUT - 1)
}

fn covers(levels: u32, key: u64) -> bool {
    key.checked_shr(levels * BITS).unwrap_or(0) == 0
}

impl<T> Default for RadixTree<T> {
    fn default() -> Self {
        RadixTree { root: None, levels: 0 }
    }
}

impl<T: Clone> RadixTree<T> {
    pub fn get(&self, key: u64) -> Option<&T> {
        if !covers(self.levels, key) {
            return None;
        }
        let mut node = self.root.as_deref()?;
        let mut level = self.levels;
        loop {
            level -= 1;
            match node {
                Node::Inner(children) => node = children[slot(key, level)].as_deref()?,
                Node::Leaf(values) => return values[slot(key, level)].as_ref(),
            }
        }
    }

    /// The place of `key`, created (and un-shared) on the way.
    pub fn slot_mut(&mut self, key: u64) -> &mut Option<T> {
        if self.root.is_none() {
            self.levels = 1;
        }
        let mut root = self.root.take().unwrap_or_else(|| Arc::new(Node::at_level(0)));
        while !covers(self.levels, key) {
            let mut parent = Node::at_level(self.levels);
            if let Node::Inner(children) = &mut parent {
                children[0] = Some(root);
            }
            root = Arc::new(parent);
            self.levels += 1;
        }
        let mut level = self.levels;
        let mut node = Arc::make_mut(self.root.insert(root));
        loop {
            level -= 1;
            match node {
                Node::Inner(children) => {
                    let child = children[slot(key, level)].get_or_insert_with(|| Arc::new(Node::at_level(level - 1)));
                    node = Arc::make_mut(child);
                }
                Node::Leaf(values) => return &mut values[slot(key, level)],
            }
        }
    }

    /// The first entry whose key is at or above `from`.
    pub fn next_at_or_after(&self, from: u64) -> Option<(u64, &T)> {
        if !covers(self.levels, from) {
            return None;
        }
        Self::seek(self.root.as_deref()?, self.levels - 1, 0, from)
    }

    fn seek(node: &Node<T>, level: u32, prefix: u64, from: u64) -> Option<(u64, &T)> {
        let mut first = slot(from, level);
        // Below a subtree that lies wholly above `from`, everything qualifies.
        if prefix > from {
            first = 0;
        }
        match node {
            Node::Leaf(values) => {
                (first..FANOUT).find_map(|i| values[i].as_ref().map(|value| (prefix | i as u64, value)))
            }
            Node::Inner(children) => (first..FANOUT).find_map(|i| {
                let child = children[i].as_deref()?;
                Self::seek(child, level - 1, prefix | ((i as u64) << (level * BITS)), from)
            }),
        }
    }

    /// Entries in key order.
    pub fn iter(&self) -> impl Iterator<Item = (u64, &T)> {
        let mut next = Some(0);
        std::iter::from_fn(move || {
            let (key, value) = self.next_at_or_after(next?)?;
            next = key.checked_add(1);
            Some((key, value))
        })
    }

    /// Bytes of the tree's own nodes, without the values.
    pub fn node_size_bytes(&self) -> usize {
        fn count<T>(node: &Node<T>) -> usize {
            match node {
                Node::Leaf(values) => std::mem::size_of_val(&**values) + 32,
                Node::Inner(children) => {
                    std::mem::size_of_val(&**children) + 32 + children.iter().flatten().map(|c| count(c)).sum::<usize>()
                }
            }
        }
        self.root.as_deref().map_or(0, count)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use rand::{RngExt, SeedableRng};

    use super::*;

    #[test]
    fn agrees_with_a_btree_map_and_keeps_old_clones() {
        let mut rng = rand::rngs::StdRng::seed_from_u64(7);
        let mut tree = RadixTree::<u32>::default();
        let mut model = BTreeMap::new();
        let mut frozen = None;
        for step in 0..4_000u32 {
            let key = match rng.random_range(0..4u32) {
                0 => rng.random_range(0..64u64),
                1 => rng.random_range(0..10_000u64),
                2 => rng.random_range(0..1u64 << 40),
                _ => u64::MAX - rng.random_range(0..100u64),
            };
            if step == 2_000 {
                frozen = Some((tree.clone(), model.clone()));
            }
            if rng.random_range(0..5u32) == 0 {
                *tree.slot_mut(key) = None;
                model.remove(&key);
            } else {
                *tree.slot_mut(key) = Some(step);
                model.insert(key, step);
            }
            let probe = rng.random_range(0..1u64 << 41);
            assert_eq!(
                tree.next_at_or_after(probe).map(|(k, v)| (k, *v)),
                model.range(probe..).next().map(|(k, v)| (*k, *v))
            );
        }
        let (frozen_tree, frozen_model) = frozen.expect("step 2000 was passed");
        for (tree, model) in [(&tree, &model), (&frozen_tree, &frozen_model)] {
            assert!(tree.iter().map(|(k, v)| (k, *v)).eq(model.iter().map(|(k, v)| (*k, *v))));
            assert!(model.iter().all(|(k, v)| tree.get(*k) == Some(v)));
        }
    }
}
