//! Keyspaces: each is one redb table of byte keys and byte values, named `k` followed by the number.
//!
//! | id | holds | key |
//! |---|---|---|
//! | 0 | store metadata | name |
//! | 1 | catalog rows | kind, id |
//! | 2 | change log | LSN |
//! | 3 | id blocks and counters | name |
//! | 4 | tokens | kind, id |
//! | 5 | nodes | node id |
//! | 6 | relationships | relationship id |
//! | 7 | outgoing adjacency | type, source, target, relationship id |
//! | 8 | incoming adjacency | type, target, source, relationship id |
//! | 9 | label membership | label, node id |
//! | 10 | observed property types (merged by bitwise OR at commit, never in conflict) | owner, key |
//! | 11 | index checkpoints | index id |
//! | ≥ 1000 | rows of a table or entries of an ordered index | relation id is the keyspace id |

/// A redb table of byte keys and byte values; the number is part of the file format.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Keyspace(pub u32);

impl Keyspace {
    pub const META: Keyspace = Keyspace(0);
    pub const CATALOG: Keyspace = Keyspace(1);
    pub const CHANGE_LOG: Keyspace = Keyspace(2);
    pub const COUNTERS: Keyspace = Keyspace(3);
    pub const TOKENS: Keyspace = Keyspace(4);
    pub const NODES: Keyspace = Keyspace(5);
    pub const RELATIONSHIPS: Keyspace = Keyspace(6);
    pub const ADJACENCY_OUT: Keyspace = Keyspace(7);
    pub const ADJACENCY_IN: Keyspace = Keyspace(8);
    pub const LABEL_NODES: Keyspace = Keyspace(9);
    pub const OBSERVED_TYPES: Keyspace = Keyspace(10);
    pub const INDEX_CHECKPOINTS: Keyspace = Keyspace(11);

    /// Those that are there whatever the catalog says, ascending.
    pub(crate) const FIXED: [Keyspace; 12] = [
        Keyspace::META,
        Keyspace::CATALOG,
        Keyspace::CHANGE_LOG,
        Keyspace::COUNTERS,
        Keyspace::TOKENS,
        Keyspace::NODES,
        Keyspace::RELATIONSHIPS,
        Keyspace::ADJACENCY_OUT,
        Keyspace::ADJACENCY_IN,
        Keyspace::LABEL_NODES,
        Keyspace::OBSERVED_TYPES,
        Keyspace::INDEX_CHECKPOINTS,
    ];

    pub fn of_relation(id: crate::RelationId) -> Keyspace {
        Keyspace(id.0)
    }

    /// Name of the redb table.
    pub(crate) fn table_name(self) -> String {
        format!("k{}", self.0)
    }

    /// What a transaction writes here is little, or looked at by its commit: it is never spilled.
    pub(crate) fn stays_in_memory(self) -> bool {
        let is_graph = (Keyspace::NODES.0..=Keyspace::LABEL_NODES.0).contains(&self.0);
        self.0 <= Keyspace::INDEX_CHECKPOINTS.0 && !is_graph
    }

    /// Rows of this keyspace are sets of bits that only grow: concurrent writers are merged, not refused.
    pub(crate) fn merges_by_or(self) -> bool {
        self == Keyspace::OBSERVED_TYPES
    }
}
