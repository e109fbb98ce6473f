//! A connection's portals. The unnamed one, which is all that most clients ever use, has a place of its own.

use std::collections::HashMap;

use super::extended::Portal;

#[derive(Default)]
pub struct Portals {
    unnamed: Option<Portal>,
    named: HashMap<String, Portal>,
}

impl Portals {
    pub fn len(&self) -> usize {
        usize::from(self.unnamed.is_some()) + self.named.len()
    }

    pub fn get(&self, name: &str) -> Option<&Portal> {
        if name.is_empty() { self.unnamed.as_ref() } else { self.named.get(name) }
    }

    /// Replaces one of the same name.
    pub fn insert(&mut self, name: &str, portal: Portal) {
        if name.is_empty() {
            self.unnamed = Some(portal);
        } else {
            self.named.insert(name.to_owned(), portal);
        }
    }

    pub fn remove(&mut self, name: &str) -> Option<Portal> {
        if name.is_empty() { self.unnamed.take() } else { self.named.remove(name) }
    }

    /// All of them, which leaves none.
    pub fn take_all(&mut self) -> impl Iterator<Item = Portal> + use<> {
        let named = if self.named.is_empty() { HashMap::new() } else { std::mem::take(&mut self.named) };
        self.unnamed.take().into_iter().chain(named.into_values())
    }
}
