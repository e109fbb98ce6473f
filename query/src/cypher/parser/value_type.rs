//! Types after `IS ::`: `INTEGER NOT NULL`, `LIST<STRING | INTEGER>`, `TIMESTAMP WITHOUT TIME ZONE`.

use sinew_storage::TemporalKind;

use super::*;

/// Words of each type, longest first where one begins another.
const NAMES: &[(&[&str], TypeName)] = &[
    (&["BOOLEAN"], TypeName::Boolean),
    (&["BOOL"], TypeName::Boolean),
    (&["SIGNED", "INTEGER"], TypeName::Integer),
    (&["INTEGER"], TypeName::Integer),
    (&["INT"], TypeName::Integer),
    (&["FLOAT"], TypeName::Float),
    (&["STRING"], TypeName::String),
    (&["VARCHAR"], TypeName::String),
    (&["DATE"], TypeName::Temporal(TemporalKind::Date)),
    (&["LOCAL", "TIME"], TypeName::Temporal(TemporalKind::LocalTime)),
    (&["TIME", "WITHOUT", "TIME", "ZONE"], TypeName::Temporal(TemporalKind::LocalTime)),
    (&["ZONED", "TIME"], TypeName::Temporal(TemporalKind::Time)),
    (&["TIME", "WITH", "TIME", "ZONE"], TypeName::Temporal(TemporalKind::Time)),
    (&["LOCAL", "DATETIME"], TypeName::Temporal(TemporalKind::LocalDateTime)),
    (&["TIMESTAMP", "WITHOUT", "TIME", "ZONE"], TypeName::Temporal(TemporalKind::LocalDateTime)),
    (&["ZONED", "DATETIME"], TypeName::Temporal(TemporalKind::DateTime)),
    (&["TIMESTAMP", "WITH", "TIME", "ZONE"], TypeName::Temporal(TemporalKind::DateTime)),
    (&["DURATION"], TypeName::Temporal(TemporalKind::Duration)),
    (&["NODE"], TypeName::Node),
    (&["VERTEX"], TypeName::Node),
    (&["RELATIONSHIP"], TypeName::Relationship),
    (&["EDGE"], TypeName::Relationship),
    (&["MAP"], TypeName::Map),
    (&["PATH"], TypeName::Path),
    (&["PROPERTY", "VALUE"], TypeName::PropertyValue),
    (&["NULL"], TypeName::Null),
    (&["NOTHING"], TypeName::Nothing),
];

impl Parser<'_> {
    /// How many tokens open a test of a type, and whether it is negated: `IS [NOT] ::`, `IS [NOT] TYPED`.
    pub(super) fn type_test_ahead(&self) -> Option<(usize, bool)> {
        if !self.is_keyword("IS") {
            return None;
        }
        let negated = self.is_keyword_at(1, "NOT");
        let at = if negated { 2 } else { 1 };
        if self.is_symbol_at(at, ":") && self.is_symbol_at(at + 1, ":") {
            Some((at + 2, negated))
        } else if self.is_keyword_at(at, "TYPED") {
            Some((at + 1, negated))
        } else {
            None
        }
    }

    pub(super) fn value_type(&mut self) -> Result<ValueType> {
        let mut alternatives = vec![self.one_type()?];
        while !self.bar_ends && self.take_symbol("|") {
            alternatives.push(self.one_type()?);
        }
        Ok(ValueType(alternatives))
    }

    /// A type and whether null is not of it.
    fn one_type(&mut self) -> Result<(TypeName, bool)> {
        let name = if self.take_keyword("LIST") || self.take_keyword("ARRAY") {
            self.expect_symbol("<")?;
            self.check_depth()?;
            self.depth += 1;
            // A bar inside the brackets belongs to the type.
            let bar_ends = std::mem::replace(&mut self.bar_ends, false);
            let element = self.value_type()?;
            self.bar_ends = bar_ends;
            self.depth -= 1;
            self.expect_symbol(">")?;
            TypeName::List(Box::new(element))
        } else {
            let any = self.take_keyword("ANY");
            let found = NAMES.iter().find(|(words, _)| self.take_keywords(words));
            match found {
                Some((_, name)) => name.clone(),
                None if any => {
                    self.take_keyword("VALUE");
                    TypeName::Any
                }
                None => return Err(self.expected("a type (as INTEGER, STRING or LIST<ANY>)")),
            }
        };
        Ok((name, self.take_keywords(&["NOT", "NULL"])))
    }
}
