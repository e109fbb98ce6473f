//! Index and constraint commands, SHOW.

use super::*;

impl Parser<'_> {
    /// A schema command at the current position, or nothing consumed.
    pub(super) fn schema_command(&mut self) -> Result<Option<SchemaCommand>> {
        let start = self.span();
        if self.take_keyword("SHOW") {
            if let Some(what) = self.unsupported_show() {
                return Err(self.unsupported_at(start, what));
            }
            let kinds: [(&[&str], ShowKind); 4] = [
                (&["INDEXES", "INDEX"], ShowKind::Indexes),
                (&["CONSTRAINTS", "CONSTRAINT"], ShowKind::Constraints),
                (&["FUNCTIONS", "FUNCTION"], ShowKind::Functions),
                (&["PROCEDURES", "PROCEDURE"], ShowKind::Procedures),
            ];
            let found = kinds.iter().find(|(words, _)| words.iter().any(|word| self.is_keyword(word)));
            let Some((_, kind)) = found else {
                return Err(self.expected("INDEXES, CONSTRAINTS, FUNCTIONS or PROCEDURES"));
            };
            self.advance();
            if self.is_keyword("YIELD") || self.is_keyword("WHERE") {
                return Err(self.unsupported_at(self.span(), "YIELD and WHERE after SHOW"));
            }
            return Ok(Some(SchemaCommand::Show(*kind)));
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
                return Err(self.unsupported_at(start, format_args!("CREATE {kind} INDEX")));
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

    /// What stands behind SHOW when it is Cypher's and not listed here.
    fn unsupported_show(&self) -> Option<String> {
        let word = |ahead: usize| match self.peek_at(ahead) {
            TokenKind::Ident(word, false) => word.to_uppercase(),
            _ => String::new(),
        };
        let (first, second) = (word(0), word(1));
        let listed =
            matches!(second.as_str(), "INDEX" | "INDEXES" | "CONSTRAINT" | "CONSTRAINTS" | "FUNCTION" | "FUNCTIONS");
        let other = matches!(
            first.as_str(),
            "DATABASE"
                | "DATABASES"
                | "USERS"
                | "USER"
                | "ROLES"
                | "ROLE"
                | "TRANSACTION"
                | "TRANSACTIONS"
                | "SETTINGS"
        );
        if listed && !first.is_empty() {
            Some(format!("SHOW {first} {second}"))
        } else if other {
            Some(format!("SHOW {first}"))
        } else {
            None
        }
    }

    fn drop_command(&mut self) -> Result<SchemaCommand> {
        self.advance();
        let constraint = self.take_keyword("CONSTRAINT");
        if !constraint && !self.take_keyword("INDEX") {
            return Err(self.expected("INDEX or CONSTRAINT"));
        }
        let name = self.name("a name")?;
        let if_exists = self.take_keywords(&["IF", "EXISTS"]);
        Ok(if constraint {
            SchemaCommand::DropConstraint { name, if_exists }
        } else {
            SchemaCommand::DropIndex { name, if_exists }
        })
    }

    fn index_name(&mut self) -> Result<(Option<Name>, bool)> {
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
            self.index_properties(&var, "[", "]")?
        } else {
            self.index_properties(&var, "(", ")")?
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
    fn index_pattern(&mut self) -> Result<(bool, Name, Vec<Name>)> {
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

    fn index_properties(&mut self, var: &Name, open: &str, close: &str) -> Result<Vec<Name>> {
        self.expect_symbol(open)?;
        let mut properties = Vec::new();
        loop {
            let owner = self.name("a property (variable.key)")?;
            if owner.text != var.text {
                let message = format!("variable \"{}\" is not defined; the pattern's is \"{}\"", owner.text, var.text);
                return Err(self.error_at(owner.span, "UndefinedVariable", message));
            }
            self.expect_symbol(".")?;
            properties.push(self.name("a property key")?);
            if !self.take_symbol(",") {
                break;
            }
        }
        self.expect_symbol(close)?;
        Ok(properties)
    }

    fn create_constraint(&mut self) -> Result<SchemaCommand> {
        let (name, if_not_exists) = self.index_name()?;
        let old_form = self.take_keyword("ON");
        if !old_form {
            self.expect_keyword("FOR")?;
        }
        let (relationship, var, labels) = self.index_pattern()?;
        if relationship {
            return Err(QueryError::unsupported("a constraint on relationships"));
        }
        if !self.take_keyword("REQUIRE") && !self.take_keyword("ASSERT") {
            return Err(self.expected("REQUIRE"));
        }
        let properties = if self.is_symbol("(") {
            self.index_properties(&var, "(", ")")?
        } else {
            let owner = self.name("a property (variable.key)")?;
            if owner.text != var.text {
                let message = format!("variable \"{}\" is not defined; the pattern's is \"{}\"", owner.text, var.text);
                return Err(self.error_at(owner.span, "UndefinedVariable", message));
            }
            self.expect_symbol(".")?;
            vec![self.name("a property key")?]
        };
        if self.take_keywords(&["IS", "NOT", "NULL"]) {
            return Err(QueryError::unsupported("a property existence constraint (IS NOT NULL)"));
        }
        if self.take_keywords(&["IS", "NODE", "KEY"]) {
            return Err(QueryError::unsupported("a node key constraint"));
        }
        self.expect_keyword("IS")?;
        self.take_keyword("NODE");
        self.expect_keyword("UNIQUE")?;
        let [label] = <[Name; 1]>::try_from(labels)
            .map_err(|_| self.error_at(var.span, "UnexpectedSyntax", "a constraint names one label".to_owned()))?;
        Ok(SchemaCommand::CreateConstraint { name, if_not_exists, label, properties })
    }
}
