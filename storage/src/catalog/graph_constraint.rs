//! Rules over properties of the graph that no index carries out: that they exist, or are of a type.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::{Catalog, ConstraintKind, IndexDef, IndexTarget};
use crate::ids::{LabelId, PropertyKeyId, RelationId, RelationshipTypeId};
use crate::temporal::TemporalKind;
use crate::value::Value;

/// A constraint of one property. Those that ask for uniqueness are indexes: see [`super::ConstraintKind`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct GraphConstraintDef {
    pub id: RelationId,
    pub schema: String,
    pub name: String,
    pub carrier: Carrier,
    pub property: PropertyKeyId,
    pub rule: PropertyRule,
}

/// A constraint of the graph, whichever definition holds it.
#[derive(Clone, Copy, Debug)]
pub struct GraphConstraint<'c> {
    pub id: RelationId,
    pub name: &'c str,
    pub carrier: Carrier,
    pub properties: &'c [PropertyKeyId],
    pub kind: GraphConstraintKind<'c>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GraphConstraintKind<'c> {
    Unique,
    /// Unique and existing.
    Key,
    Exists,
    Type(&'c PropertyTypes),
}

/// What a rule is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Carrier {
    Label(LabelId),
    RelationshipType(RelationshipTypeId),
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum PropertyRule {
    Exists,
    /// A property that does not exist satisfies it.
    Type(PropertyTypes),
}

/// Types of which a value must have one; sorted, without duplicates, not empty.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PropertyTypes(Vec<PropertyType>);

/// In the order in which Cypher names the alternatives of a type.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum PropertyType {
    Scalar(ScalarType),
    /// A list of this type, without nulls. An empty list is of all of them.
    List(ScalarType),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum ScalarType {
    Boolean,
    String,
    Integer,
    Float,
    Date,
    LocalTime,
    ZonedTime,
    LocalDateTime,
    ZonedDateTime,
    Duration,
}

impl Catalog {
    /// In order of their making.
    pub fn constraints_of_graph(&self) -> Vec<GraphConstraint<'_>> {
        let rules = self.graph_constraints.values().map(|def| GraphConstraint::of_rule(def));
        let indexes = self.indexes.values().filter_map(|index| GraphConstraint::of_index(index));
        let mut constraints: Vec<GraphConstraint<'_>> = rules.chain(indexes).collect();
        constraints.sort_by_key(|constraint| constraint.id);
        constraints
    }
}

impl<'c> GraphConstraint<'c> {
    pub fn of_rule(def: &'c GraphConstraintDef) -> GraphConstraint<'c> {
        let kind = match &def.rule {
            PropertyRule::Exists => GraphConstraintKind::Exists,
            PropertyRule::Type(types) => GraphConstraintKind::Type(types),
        };
        let properties = std::slice::from_ref(&def.property);
        GraphConstraint { id: def.id, name: &def.name, carrier: def.carrier, properties, kind }
    }

    /// None for an index that carries out none, or one over a table.
    pub fn of_index(index: &'c IndexDef) -> Option<GraphConstraint<'c>> {
        let (carrier, properties) = match &index.target {
            IndexTarget::Nodes { labels, properties } => (Carrier::Label(*labels.first()?), properties),
            IndexTarget::Relationships { types, properties } => {
                (Carrier::RelationshipType(*types.first()?), properties)
            }
            IndexTarget::Table { .. } => return None,
        };
        let kind = match index.constraint? {
            ConstraintKind::PrimaryKey => GraphConstraintKind::Key,
            ConstraintKind::Unique => GraphConstraintKind::Unique,
        };
        Some(GraphConstraint { id: index.id, name: &index.name, carrier, properties, kind })
    }
}

impl PropertyRule {
    /// `value` is NULL for a property that does not exist.
    pub fn is_satisfied_by(&self, value: &Value) -> bool {
        match self {
            PropertyRule::Exists => !value.is_null(),
            PropertyRule::Type(types) => value.is_null() || types.include(value),
        }
    }
}

impl PropertyTypes {
    pub fn new(mut types: Vec<PropertyType>) -> PropertyTypes {
        types.sort_unstable();
        types.dedup();
        PropertyTypes(types)
    }

    fn include(&self, value: &Value) -> bool {
        self.0.iter().any(|ty| match (ty, value) {
            (PropertyType::Scalar(scalar), value) => scalar.includes(value),
            (PropertyType::List(scalar), Value::List(items)) => items.iter().all(|item| scalar.includes(item)),
            (PropertyType::List(_), _) => false,
        })
    }
}

impl ScalarType {
    fn includes(self, value: &Value) -> bool {
        ScalarType::of(value) == Some(self)
    }

    /// None for lists and for what no type constraint can ask for.
    fn of(value: &Value) -> Option<ScalarType> {
        match value {
            Value::Bool(_) => Some(ScalarType::Boolean),
            Value::Text(_) => Some(ScalarType::String),
            Value::Int(_) => Some(ScalarType::Integer),
            Value::Float(_) => Some(ScalarType::Float),
            Value::Temporal(temporal) => Some(ScalarType::from(temporal.kind())),
            _ => None,
        }
    }

    pub fn name(self) -> &'static str {
        match self {
            ScalarType::Boolean => "BOOLEAN",
            ScalarType::String => "STRING",
            ScalarType::Integer => "INTEGER",
            ScalarType::Float => "FLOAT",
            ScalarType::Date => "DATE",
            ScalarType::LocalTime => "LOCAL TIME",
            ScalarType::ZonedTime => "ZONED TIME",
            ScalarType::LocalDateTime => "LOCAL DATETIME",
            ScalarType::ZonedDateTime => "ZONED DATETIME",
            ScalarType::Duration => "DURATION",
        }
    }
}

impl From<TemporalKind> for ScalarType {
    fn from(kind: TemporalKind) -> ScalarType {
        match kind {
            TemporalKind::DateTime => ScalarType::ZonedDateTime,
            TemporalKind::LocalDateTime => ScalarType::LocalDateTime,
            TemporalKind::Date => ScalarType::Date,
            TemporalKind::Time => ScalarType::ZonedTime,
            TemporalKind::LocalTime => ScalarType::LocalTime,
            TemporalKind::Duration => ScalarType::Duration,
        }
    }
}

impl fmt::Display for PropertyType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            PropertyType::Scalar(scalar) => f.write_str(scalar.name()),
            PropertyType::List(scalar) => write!(f, "LIST<{} NOT NULL>", scalar.name()),
        }
    }
}

/// As Cypher writes the type: `INTEGER | LIST<STRING NOT NULL>`.
impl fmt::Display for PropertyTypes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (position, ty) in self.0.iter().enumerate() {
            if position > 0 {
                f.write_str(" | ")?;
            }
            ty.fmt(f)?;
        }
        Ok(())
    }
}

/// The type of a stored value, as Cypher writes it.
pub(crate) fn type_of(value: &Value) -> String {
    match value {
        Value::List(items) => {
            let types: Vec<Option<ScalarType>> = items.iter().map(ScalarType::of).collect();
            match types.first() {
                Some(Some(first)) if types.iter().all(|ty| ty == &Some(*first)) => {
                    PropertyType::List(*first).to_string()
                }
                None => "LIST<NOTHING>".to_owned(),
                _ => "LIST<ANY NOT NULL>".to_owned(),
            }
        }
        Value::Vector(_) => "VECTOR".to_owned(),
        Value::Numeric(_) => "NUMERIC".to_owned(),
        Value::Uuid(_) => "UUID".to_owned(),
        value => ScalarType::of(value).map_or("ANY", ScalarType::name).to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::temporal::Temporal;

    #[test]
    fn types_include_their_values_and_name_themselves_in_order() {
        let types = |list: &[PropertyType]| PropertyTypes::new(list.to_vec());
        let number = types(&[
            PropertyType::List(ScalarType::String),
            PropertyType::Scalar(ScalarType::Float),
            PropertyType::Scalar(ScalarType::Integer),
            PropertyType::Scalar(ScalarType::Float),
        ]);
        assert_eq!(number.to_string(), "INTEGER | FLOAT | LIST<STRING NOT NULL>");
        let rule = PropertyRule::Type(number);
        let text = || Value::text("a");
        for (value, satisfies) in [
            (Value::Null, true),
            (Value::Int(1), true),
            (Value::Float(1.0), true),
            (text(), false),
            (Value::list(vec![text(), text()]), true),
            (Value::list(Vec::new()), true),
            (Value::list(vec![Value::Int(1)]), false),
            (Temporal::Date(1).into(), false),
        ] {
            assert_eq!(rule.is_satisfied_by(&value), satisfies, "{value:?}");
        }
        assert!(!PropertyRule::Exists.is_satisfied_by(&Value::Null));
        assert!(PropertyRule::Exists.is_satisfied_by(&Value::Bool(false)));
    }
}
