//! Static types: what a column, a parameter or an expression is declared to hold.

use serde::{Deserialize, Serialize};

/// A type as PostgreSQL's clients know it, or one of Cypher's kinds that have no SQL type of their own.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum DataType {
    /// A literal or parameter whose type is still open.
    Unknown,
    Bool,
    Int2,
    Int4,
    Int8,
    Float4,
    Float8,
    /// Precision and scale when declared.
    Numeric(Option<(u16, i16)>),
    Text,
    /// Length limit in characters when declared.
    Varchar(Option<u32>),
    /// `char(n)`, blank-padded: length in characters when declared. Values are kept without the trailing blanks.
    Bpchar(Option<u32>),
    /// PostgreSQL's `name`, used in pg_catalog.
    Name,
    /// PostgreSQL's one-byte `"char"`, used in pg_catalog.
    Char,
    Bytea,
    Date,
    /// Without time zone.
    Timestamp,
    Timestamptz,
    Interval,
    Uuid,
    Json,
    Jsonb,
    /// Dimension count when declared.
    Vector(Option<u32>),
    Oid,
    Regclass,
    Regtype,
    Regproc,
    Regnamespace,
    /// One-dimensional array of the element type.
    Array(Box<DataType>),
    Record,
    Void,
    /// A Cypher value known only at run time; jsonb on the wire.
    Any,
    Node,
    Relationship,
    Path,
    Map,
}

impl DataType {
    pub fn array_of(element: DataType) -> DataType {
        DataType::Array(Box::new(element))
    }

    /// True for types whose values differ only by a type modifier from `self` (`numeric(10,2)` and `numeric`).
    pub fn same_base(&self, other: &DataType) -> bool {
        match (self, other) {
            (DataType::Numeric(_), DataType::Numeric(_))
            | (DataType::Varchar(_), DataType::Varchar(_))
            | (DataType::Bpchar(_), DataType::Bpchar(_))
            | (DataType::Vector(_), DataType::Vector(_)) => true,
            (DataType::Array(a), DataType::Array(b)) => a.same_base(b),
            _ => self == other,
        }
    }
}
