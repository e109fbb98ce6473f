//! What the parts of the generator share: the choices, and the names that can be seen.

use super::graph::Kind;
use super::pattern::Names;
use crate::crash::random::Random;

/// Makes statements. Equal seeds give equal statements.
pub struct Generator {
    pub random: Random,
    /// Pattern elements that the statement may still have: a graph is small, products are not.
    pub elements_left: u64,
    value_count: usize,
}

/// What an expression can be made of.
#[derive(Clone, Debug, Default)]
pub struct Scope {
    pub names: Names,
    pub values: Vec<(String, Kind)>,
}

impl Generator {
    pub fn new(random: Random) -> Generator {
        Generator { random, elements_left: 5, value_count: 0 }
    }

    /// A name of a value that the statement does not have yet.
    pub fn value_name(&mut self) -> String {
        self.value_count += 1;
        format!("v{}", self.value_count)
    }

    /// One of `items`, which are not empty.
    pub fn one_of(&mut self, items: &[&str]) -> String {
        self.random.pick(items).map(|item| (*item).to_owned()).unwrap_or_default()
    }
}
