//! CREATE CONSTRAINT.

use sinew_storage::RelationId;
use sinew_storage::catalog::{
    Carrier, ConstraintKind, GraphConstraintDef, IndexKind, PropertyRule, PropertyType, PropertyTypes, ScalarType,
};

use super::schema::{GRAPH_SCHEMA, index_over};
use super::*;
use crate::statement::NewGraphConstraint;
use ast::{ConstraintRule, Name, TypeName, ValueType};

impl Binder<'_> {
    pub(super) fn constraint(
        &self,
        name: Option<&Name>,
        relationship: bool,
        label: &Name,
        properties: &[Name],
        rule: &ConstraintRule,
    ) -> Result<NewGraphConstraint> {
        if let Some(position) = (1..properties.len()).find(|at| properties[..*at].contains(&properties[*at])) {
            let property = &properties[position];
            let message = format!("property \"{}\" is named twice", property.text);
            return Err(self.syntax("UnexpectedSyntax", message, property.span));
        }
        let labels = std::slice::from_ref(label);
        let (suffix, kind) = match rule {
            ConstraintRule::Unique => ("key", Some(ConstraintKind::Unique)),
            ConstraintRule::Key => ("pkey", Some(ConstraintKind::PrimaryKey)),
            ConstraintRule::NotNull => ("exists", None),
            ConstraintRule::Type(..) => ("type", None),
        };
        let rule = match rule {
            ConstraintRule::Type(ty, span) => PropertyRule::Type(self.property_types(ty, *span)?),
            _ => PropertyRule::Exists,
        };
        let name = self.index_name(name, labels, properties, suffix);
        if kind.is_some() {
            let target = self.target(relationship, labels, properties)?;
            return Ok(NewGraphConstraint::Index(index_over(name, target, IndexKind::Ordered { unique: true }, kind)));
        }
        let transaction = self.context.transaction;
        let carrier = if relationship {
            Carrier::RelationshipType(transaction.ensure_relationship_type(&label.text)?)
        } else {
            Carrier::Label(transaction.ensure_label(&label.text)?)
        };
        let property = properties.first().ok_or_else(|| QueryError::internal("a constraint of no property"))?;
        Ok(NewGraphConstraint::Rule(GraphConstraintDef {
            id: RelationId(0),
            schema: GRAPH_SCHEMA.to_owned(),
            name,
            carrier,
            property: transaction.ensure_property_key(&property.text)?,
            rule,
        }))
    }

    /// The types that a property can be required to have: those it can hold, of which each value has exactly one.
    fn property_types(&self, ty: &ValueType, span: Span) -> Result<PropertyTypes> {
        let refuse = |message: &str, hint: &str| {
            let error = QueryError::new(crate::error::sqlstate::INVALID_PARAMETER_VALUE, message);
            Err(self.at(if hint.is_empty() { error } else { error.hint(hint) }, span))
        };
        let mut types = Vec::with_capacity(ty.0.len());
        for (name, not_null) in &ty.0 {
            if *not_null {
                return refuse(
                    "a type constraint says nothing of null, so its types have no NOT NULL",
                    "Create a constraint with IS NOT NULL beside it.",
                );
            }
            types.push(match name {
                TypeName::List(element) => match &element.0[..] {
                    [(element, true)] => match scalar_type(element) {
                        Some(scalar) => PropertyType::List(scalar),
                        None => return refuse("a property cannot be required to be a list of this type", ""),
                    },
                    [_] => {
                        return refuse(
                            "lists in properties hold no nulls, so the type of their elements needs NOT NULL",
                            "Write LIST<STRING NOT NULL>.",
                        );
                    }
                    _ => return refuse("a property cannot be required to be a list of several types", ""),
                },
                name => match scalar_type(name) {
                    Some(scalar) => PropertyType::Scalar(scalar),
                    None => {
                        return refuse(
                            "a property cannot be required to be of this type",
                            "Types are BOOLEAN, STRING, INTEGER, FLOAT, DATE, LOCAL TIME, ZONED TIME, LOCAL DATETIME, \
                             ZONED DATETIME, DURATION, LIST<… NOT NULL> of one of these, and alternatives with |.",
                        );
                    }
                },
            });
        }
        Ok(PropertyTypes::new(types))
    }
}

fn scalar_type(name: &TypeName) -> Option<ScalarType> {
    Some(match name {
        TypeName::Boolean => ScalarType::Boolean,
        TypeName::Integer => ScalarType::Integer,
        TypeName::Float => ScalarType::Float,
        TypeName::String => ScalarType::String,
        TypeName::Temporal(kind) => ScalarType::from(*kind),
        TypeName::Any
        | TypeName::Nothing
        | TypeName::Null
        | TypeName::Map
        | TypeName::Node
        | TypeName::Relationship
        | TypeName::Path
        | TypeName::PropertyValue
        | TypeName::List(_) => return None,
    })
}
