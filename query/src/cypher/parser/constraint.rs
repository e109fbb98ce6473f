//! CREATE CONSTRAINT.

use super::*;

impl Parser<'_> {
    /// Behind CREATE CONSTRAINT: `[name] [IF NOT EXISTS] FOR (n:L) REQUIRE n.p IS …`, or Neo4j 4's `ON (n:L) ASSERT n.p IS …`.
    pub(super) fn create_constraint(&mut self) -> Result<SchemaCommand> {
        let (name, if_not_exists) = self.index_name()?;
        let old_form = self.take_keyword("ON");
        if !old_form {
            self.expect_keyword("FOR")?;
        }
        let (relationship, var, labels) = self.index_pattern()?;
        self.expect_keyword(if old_form { "ASSERT" } else { "REQUIRE" })?;
        let (properties, rule) = if self.is_keyword("exists") && self.is_symbol_at(1, "(") {
            if !old_form {
                let error = self.expected("a property (variable.key)");
                return Err(error.hint(format!("Write REQUIRE {}.key IS NOT NULL.", var.text)));
            }
            self.advance();
            (self.properties_of(&var, "(", ")")?, ConstraintRule::NotNull)
        } else {
            let properties =
                if self.is_symbol("(") { self.properties_of(&var, "(", ")")? } else { vec![self.property_of(&var)?] };
            (properties, self.constraint_rule(relationship)?)
        };
        let single = matches!(rule, ConstraintRule::NotNull | ConstraintRule::Type(..));
        if let Some(second) = properties.get(1).filter(|_| single) {
            let what = "a constraint of existence or type is about one property";
            return Err(self.error_at(second.span, "UnexpectedSyntax", what.to_owned()));
        }
        if self.is_keyword("OPTIONS") {
            return Err(self.unsupported_at(self.span(), "OPTIONS of a constraint"));
        }
        if let Some(second) = labels.get(1) {
            let what = if relationship { "relationship type" } else { "label" };
            let error = self.error_at(second.span, "UnexpectedSyntax", format!("a constraint is about one {what}"));
            return Err(error.hint(format!("Create a constraint for each {what}.")));
        }
        let label = labels.into_iter().next().ok_or_else(|| self.expected("a label or type"))?;
        Ok(SchemaCommand::CreateConstraint { name, if_not_exists, relationship, label, properties, rule })
    }

    fn constraint_rule(&mut self, relationship: bool) -> Result<ConstraintRule> {
        if let Some((length, false)) = self.type_test_ahead() {
            (0..length).for_each(|_| self.advance());
            let start = self.span();
            let ty = self.value_type()?;
            return Ok(ConstraintRule::Type(ty, self.span_from(start)));
        }
        self.expect_keyword("IS")?;
        if self.take_keywords(&["NOT", "NULL"]) {
            return Ok(ConstraintRule::NotNull);
        }
        let of_nodes = self.is_keyword("NODE");
        let of_relationships = self.is_keyword("RELATIONSHIP") || self.is_keyword("REL");
        if (of_nodes && relationship) || (of_relationships && !relationship) {
            let pattern = if relationship { "a relationship" } else { "a node" };
            let word = self.source(self.span()).to_uppercase();
            let message = format!("IS {word} does not fit the pattern, which is of {pattern}");
            return Err(self.error_at(self.span(), "UnexpectedSyntax", message));
        }
        if of_nodes || of_relationships {
            self.advance();
        }
        if self.take_keyword("UNIQUE") {
            Ok(ConstraintRule::Unique)
        } else if self.take_keyword("KEY") {
            Ok(ConstraintRule::Key)
        } else if of_nodes || of_relationships {
            Err(self.expected("UNIQUE or KEY"))
        } else {
            Err(self.expected("UNIQUE, KEY, NOT NULL, :: TYPE or TYPED TYPE"))
        }
    }
}
