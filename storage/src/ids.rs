//! Newtypes for identities, so that a row number is never taken for a node.

use serde::{Deserialize, Serialize};

macro_rules! id {
    ($(#[$doc:meta])* $name:ident($inner:ty)) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        pub struct $name(pub $inner);

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                self.0.fmt(f)
            }
        }
    };
}

id!(
    /// Log sequence number: one per commit, increasing by one.
    Lsn(u64)
);
id!(
    /// A table or index of the catalog; doubles as its PostgreSQL oid. System relations lie below 16384.
    RelationId(u32)
);
id!(
    /// A column within its table; never reused, so that dropped columns leave no trace in old rows.
    ColumnId(u16)
);
id!(
    /// A row within its table; allocated in blocks, unique, increasing, gaps allowed, never reused.
    RowId(u64)
);
id!(
    /// A graph node.
    NodeId(u64)
);
id!(
    /// A graph relationship.
    RelationshipId(u64)
);
id!(
    /// A node label token.
    LabelId(u32)
);
id!(
    /// A relationship type token.
    RelationshipTypeId(u32)
);
id!(
    /// A property key token.
    PropertyKeyId(u32)
);
