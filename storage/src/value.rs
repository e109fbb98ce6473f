//! The datum: every value that a column, a property, a parameter or an expression can hold.
//!
//! SQL and Cypher share this one type. The SQL type of a value (`int4` or `int8`, `text` or `varchar`) is known
//! statically by whoever holds it ([`crate::DataType`]); the datum carries only what is needed to compute.

use std::sync::Arc;

use bigdecimal::BigDecimal;

use crate::ids::{NodeId, RelationshipId, RelationshipTypeId};
use crate::temporal::Temporal;

/// One value. `Clone` is cheap: everything larger than a word is behind an `Arc`.
#[derive(Clone, Debug, PartialEq, Default)]
pub enum Value {
    /// SQL NULL, Cypher null.
    #[default]
    Null,
    /// bool.
    Bool(bool),
    /// int2, int4, int8, oid and Cypher INTEGER; range checks belong to the static type.
    Int(i64),
    /// float4, float8 and Cypher FLOAT.
    Float(f64),
    /// numeric.
    Numeric(Arc<Numeric>),
    /// text, varchar, name and Cypher STRING.
    Text(Arc<str>),
    /// bytea.
    Bytes(Arc<[u8]>),
    /// timestamptz and timestamp: microseconds since 1970-01-01T00:00:00Z.
    Timestamp(i64),
    /// date: days since 1970-01-01.
    Date(i32),
    /// interval.
    Interval(Interval),
    /// A temporal value of Cypher; SQL's are the three above.
    Temporal(Arc<Temporal>),
    /// uuid.
    Uuid([u8; 16]),
    /// jsonb.
    Json(Arc<Json>),
    /// vector(n).
    Vector(Arc<[f32]>),
    /// SQL arrays (one dimension) and Cypher lists.
    List(Arc<[Value]>),
    /// Cypher map, in key order; not storable as a property.
    Map(Arc<MapValue>),
    /// A node by identity; labels and properties are read through the transaction when needed.
    Node(NodeId),
    /// A relationship by identity, with what never changes about it.
    Relationship(RelationshipRef),
    /// A path by the identities along it.
    Path(Arc<PathValue>),
}

/// Cypher map: sorted by key, keys unique.
pub type MapValue = std::collections::BTreeMap<Arc<str>, Value>;

/// What never changes about a relationship.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct RelationshipRef {
    pub id: RelationshipId,
    pub ty: RelationshipTypeId,
    pub source: NodeId,
    pub target: NodeId,
}

/// Alternating nodes and relationships: `nodes.len() == relationships.len() + 1`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct PathValue {
    pub nodes: Vec<NodeId>,
    pub relationships: Vec<RelationshipRef>,
}

/// PostgreSQL interval: months, days and microseconds kept apart.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Interval {
    pub months: i32,
    pub days: i32,
    pub microseconds: i64,
}

/// Exact decimal with PostgreSQL's special values. The scale of `Finite` is significant (`1.0` prints `1.0`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Numeric {
    NegativeInfinity,
    Finite(BigDecimal),
    Infinity,
    NaN,
}

/// jsonb: objects sorted by (key length, key bytes), keys unique, numbers exact.
#[derive(Clone, Debug, PartialEq)]
pub enum Json {
    Null,
    Bool(bool),
    Int(i64),
    Decimal(BigDecimal),
    String(Arc<str>),
    Array(Vec<Json>),
    /// Sorted by (length, bytes) of the key, as jsonb prints it.
    Object(Vec<(Arc<str>, Json)>),
}

impl Value {
    pub fn text(s: impl Into<Arc<str>>) -> Value {
        Value::Text(s.into())
    }

    pub fn list(items: Vec<Value>) -> Value {
        Value::List(items.into())
    }

    pub fn json(j: Json) -> Value {
        Value::Json(Arc::new(j))
    }

    pub fn is_null(&self) -> bool {
        matches!(self, Value::Null)
    }

    pub fn as_str(&self) -> Option<&str> {
        match self {
            Value::Text(s) => Some(s),
            _ => None,
        }
    }

    pub fn as_int(&self) -> Option<i64> {
        match self {
            Value::Int(i) => Some(*i),
            _ => None,
        }
    }

    pub fn as_bool(&self) -> Option<bool> {
        match self {
            Value::Bool(b) => Some(*b),
            _ => None,
        }
    }
}

impl From<Temporal> for Value {
    fn from(temporal: Temporal) -> Value {
        Value::Temporal(Arc::new(temporal))
    }
}
impl From<&str> for Value {
    fn from(s: &str) -> Value {
        Value::Text(s.into())
    }
}
impl From<String> for Value {
    fn from(s: String) -> Value {
        Value::Text(s.into())
    }
}
impl From<i64> for Value {
    fn from(i: i64) -> Value {
        Value::Int(i)
    }
}
impl From<f64> for Value {
    fn from(f: f64) -> Value {
        Value::Float(f)
    }
}
impl From<bool> for Value {
    fn from(b: bool) -> Value {
        Value::Bool(b)
    }
}
impl<T: Into<Value>> From<Option<T>> for Value {
    fn from(v: Option<T>) -> Value {
        v.map_or(Value::Null, Into::into)
    }
}
