//! Static types: what a column, a parameter or an expression is declared to hold.

use serde::{Deserialize, Serialize};

use crate::catalog::EnumType;
use crate::temporal::TemporalKind;

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
    Time,
    Timetz,
    /// Without time zone.
    Timestamp,
    Timestamptz,
    Interval,
    /// A date or time type with a modifier as PostgreSQL packs it in `atttypmod`: digits of the seconds, and of an interval
    /// also its fields.
    Modified(TemporalType, i32),
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
    Regprocedure,
    Regoper,
    Regoperator,
    Regrole,
    Regcollation,
    /// Catalog columns of several column numbers: an array that counts from 0 and prints its numbers with blanks between.
    Int2vector,
    /// The same of oids.
    Oidvector,
    Enum(EnumType),
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
    /// A Cypher value ([`crate::Value::Temporal`]) of a kind whose SQL type holds it exactly: results are cast to that.
    Temporal(TemporalKind),
}

/// The types that take a number of digits for their seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum TemporalType {
    Time,
    Timetz,
    Timestamp,
    Timestamptz,
    Interval,
}

impl TemporalType {
    /// None for types that take no digits.
    pub fn of(ty: &DataType) -> Option<TemporalType> {
        Some(match ty {
            DataType::Time => TemporalType::Time,
            DataType::Timetz => TemporalType::Timetz,
            DataType::Timestamp => TemporalType::Timestamp,
            DataType::Timestamptz => TemporalType::Timestamptz,
            DataType::Interval => TemporalType::Interval,
            DataType::Modified(ty, _) => *ty,
            _ => return None,
        })
    }

    /// The type without a modifier.
    pub fn plain(self) -> DataType {
        match self {
            TemporalType::Time => DataType::Time,
            TemporalType::Timetz => DataType::Timetz,
            TemporalType::Timestamp => DataType::Timestamp,
            TemporalType::Timestamptz => DataType::Timestamptz,
            TemporalType::Interval => DataType::Interval,
        }
    }
}

impl DataType {
    pub fn array_of(element: DataType) -> DataType {
        DataType::Array(Box::new(element))
    }

    /// An oid that reads and prints as a name.
    pub fn is_object_identifier(&self) -> bool {
        matches!(
            self,
            DataType::Regclass
                | DataType::Regtype
                | DataType::Regproc
                | DataType::Regnamespace
                | DataType::Regprocedure
                | DataType::Regoper
                | DataType::Regoperator
                | DataType::Regrole
                | DataType::Regcollation
        )
    }

    /// The array type that `int2vector` and `oidvector` are kinds of; None for other types.
    pub fn vector_as_array(&self) -> Option<DataType> {
        match self {
            DataType::Int2vector => Some(DataType::array_of(DataType::Int2)),
            DataType::Oidvector => Some(DataType::array_of(DataType::Oid)),
            _ => None,
        }
    }

    /// True for types whose values differ only by a type modifier from `self` (`numeric(10,2)` and `numeric`).
    pub fn same_base(&self, other: &DataType) -> bool {
        match (self, other) {
            (DataType::Numeric(_), DataType::Numeric(_))
            | (DataType::Varchar(_), DataType::Varchar(_))
            | (DataType::Bpchar(_), DataType::Bpchar(_))
            | (DataType::Vector(_), DataType::Vector(_)) => true,
            (DataType::Modified(a, _), b) | (b, DataType::Modified(a, _)) => TemporalType::of(b) == Some(*a),
            (DataType::Array(a), DataType::Array(b)) => a.same_base(b),
            _ => self == other,
        }
    }
}
