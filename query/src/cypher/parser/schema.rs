//! Index commands, DROP.

use super::*;

impl Parser<'_> {
    /// A schema command at the current position, or nothing consumed.
    pub(super) fn schema_command(&mut self) -> Result<Option<SchemaCommand>> {
        let start = self.span();
        if self.take_keyword("SHOW") {
            return self.show_command(start).map(Some);
        }
        if self.is_keyword("DROP") {
            return self.drop_command().map(Some);
        }
        if !self.is_keyword("CREATE") {
            return Ok(None);
        }
        let index_kinds = ["RANGE", "BTREE", "TEXT", "FULLTEXT", "VECTOR", "POINT", "LOOKUP"];
        if self.is_keyword_at(1, "INDEX") {
            self.advance();
            self.advance();
            return self.create_index(None).map(Some);
        }
        if self.is_keyword_at(2, "INDEX")
            && let Some(kind) = index_kinds.iter().find(|kind| self.is_keyword_at(1, kind))
        {
            if matches!(*kind, "TEXT" | "POINT" | "LOOKUP" | "BTREE") {
                let error = self.unsupported_at(start, format_args!("CREATE {kind} INDEX"));
                return Err(match *kind {
                    "TEXT" => error.hint("Use CREATE INDEX for whole values, CREATE FULLTEXT INDEX for words in them."),
                    "LOOKUP" => error.hint("Labels and types are always indexed."),
                    "BTREE" => error.hint("Use CREATE INDEX."),
                    _ => error,
                });
            }
            for _ in 0..3 {
                self.advance();
            }
            return self.create_index(Some(kind)).map(Some);
        }
        if self.take_keywords(&["CREATE", "CONSTRAINT"]) {
            return self.create_constraint().map(Some);
        }
        Ok(None)
    }

    fn drop_command(&mut self) -> Result<SchemaCommand> {
        self.advance();
        let constraint = self.take_keyword("CONSTRAINT");
        if !constraint && !self.take_keyword("INDEX") {
            return Err(self.expected("INDEX or CONSTRAINT"));
        }
        if self.is_keyword("ON") && (self.is_symbol_at(1, ":") || self.is_symbol_at(1, "(")) {
            let what = if constraint { "CONSTRAINT" } else { "INDEX" };
            let error = self.unsupported_at(self.span(), format_args!("DROP {what} without a name"));
            return Err(error.hint(format!("SHOW {what}{} lists the names.", if constraint { "S" } else { "ES" })));
        }
        let name = self.name("a name")?;
        let if_exists = self.take_keywords(&["IF", "EXISTS"]);
        Ok(if constraint {
            SchemaCommand::DropConstraint { name, if_exists }
        } else {
            SchemaCommand::DropIndex { name, if_exists }
        })
    }

    pub(super) fn index_name(&mut self) -> Result<(Option<Name>, bool)> {
        let mut if_not_exists = self.take_keywords(&["IF", "NOT", "EXISTS"]);
        let unnamed = if_not_exists
            || (self.is_keyword("FOR") && self.is_symbol_at(1, "("))
            || (self.is_keyword("ON") && (self.is_symbol_at(1, ":") || self.is_symbol_at(1, "(")));
        let name = if unnamed { None } else { Some(self.name("an index name or FOR")?) };
        if_not_exists = if_not_exists || self.take_keywords(&["IF", "NOT", "EXISTS"]);
        Ok((name, if_not_exists))
    }

    fn create_index(&mut self, kind: Option<&str>) -> Result<SchemaCommand> {
        let (name, if_not_exists) = self.index_name()?;
        if kind.is_none() && self.is_keyword("ON") && self.is_symbol_at(1, ":") {
            self.advance();
            self.advance();
            let labels = vec![self.name("a label")?];
            self.expect_symbol("(")?;
            let mut properties = vec![self.name("a property key")?];
            while self.take_symbol(",") {
                properties.push(self.name("a property key")?);
            }
            self.expect_symbol(")")?;
            let kind = IndexCommandKind::Ordered;
            return Ok(SchemaCommand::CreateIndex {
                name,
                if_not_exists,
                relationship: false,
                labels,
                properties,
                kind,
            });
        }
        self.expect_keyword("FOR")?;
        let (relationship, var, labels) = self.index_pattern()?;
        self.expect_keyword("ON")?;
        let full_text = kind == Some("FULLTEXT");
        let properties = if full_text {
            self.expect_keyword("EACH")?;
            self.properties_of(&var, "[", "]")?
        } else {
            self.properties_of(&var, "(", ")")?
        };
        let options = if self.take_keyword("OPTIONS") { Some(self.map_literal()?) } else { None };
        let kind = match kind {
            Some("FULLTEXT") => IndexCommandKind::FullText { options },
            Some("VECTOR") => IndexCommandKind::Vector { options },
            _ if options.is_some() => return Err(QueryError::unsupported("OPTIONS of a range index")),
            _ => IndexCommandKind::Ordered,
        };
        Ok(SchemaCommand::CreateIndex { name, if_not_exists, relationship, labels, properties, kind })
    }

    /// `(n:L|M)` or `()-[r:T]-()`: (is a relationship, variable, names).
    pub(super) fn index_pattern(&mut self) -> Result<(bool, Name, Vec<Name>)> {
        self.expect_symbol("(")?;
        let relationship = self.take_symbol(")");
        if relationship {
            self.take_symbol("<");
            self.expect_symbol("-")?;
            self.expect_symbol("[")?;
        }
        let var = self.name("a variable")?;
        self.expect_symbol(":")?;
        let mut names = vec![self.name("a label or type")?];
        while self.take_symbol("|") {
            self.take_symbol(":");
            names.push(self.name("a label or type")?);
        }
        if relationship {
            self.expect_symbol("]")?;
            self.expect_symbol("-")?;
            self.take_symbol(">");
            self.expect_symbol("(")?;
        }
        self.expect_symbol(")")?;
        Ok((relationship, var, names))
    }

    /// `(n.a, n.b)`, in brackets of a kind.
    pub(super) fn properties_of(&mut self, var: &Name, open: &str, close: &str) -> Result<Vec<Name>> {
        if !self.take_symbol(open) {
            let error = self.expected(&format!("\"{open}\""));
            return Err(error.hint(format!("Write {open}{}.key{close}.", var.text)));
        }
        let mut properties = vec![self.property_of(var)?];
        while self.take_symbol(",") {
            properties.push(self.property_of(var)?);
        }
        self.expect_symbol(close)?;
        Ok(properties)
    }

    /// `n.a`, where `n` is the pattern's variable.
    pub(super) fn property_of(&mut self, var: &Name) -> Result<Name> {
        let owner = self.name("a property (variable.key)")?;
        if owner.text != var.text {
            let message = format!("variable \"{}\" is not defined; the pattern's is \"{}\"", owner.text, var.text);
            return Err(self.error_at(owner.span, "UndefinedVariable", message));
        }
        self.expect_symbol(".")?;
        self.name("a property key")
    }
}
