//! SHOW INDEXES, CONSTRAINTS, FUNCTIONS, PROCEDURES.

use super::*;

impl Parser<'_> {
    /// Behind SHOW: `[filter] INDEXES [YIELD … [RETURN …] | WHERE …]`, and its like.
    pub(super) fn show_command(&mut self, start: Span) -> Result<SchemaCommand> {
        let kind = self.show_kind(start)?;
        let mut command = ShowCommand { kind, span: self.span_from(start), yields: None, filter: None, returns: None };
        if self.take_keyword("YIELD") {
            command.yields = Some(self.show_yield()?);
            if self.take_keyword("RETURN") {
                let returns = self.projection()?;
                command.returns = Some((returns, self.span_from(start)));
            }
        } else if self.take_keyword("WHERE") {
            command.filter = Some(self.expr()?);
            if self.is_keyword("RETURN") || self.is_keyword("YIELD") {
                let error = self.expected("end of statement");
                return Err(error.hint("Write YIELD first: SHOW … YIELD * WHERE … RETURN …."));
            }
        } else if self.is_keyword("RETURN") {
            return Err(self.expected("YIELD, WHERE or end of statement").hint("Write YIELD before RETURN."));
        }
        Ok(SchemaCommand::Show(Box::new(command)))
    }

    fn show_kind(&mut self, start: Span) -> Result<ShowKind> {
        let all = self.take_keyword("ALL");
        if !all && let Some(kind) = self.show_filter()? {
            return Ok(kind);
        }
        if self.take_any(&["INDEXES", "INDEX"]) {
            return Ok(ShowKind::Indexes(None));
        }
        if self.take_any(&["CONSTRAINTS", "CONSTRAINT"]) {
            return Ok(ShowKind::Constraints(ConstraintFilter::default()));
        }
        if self.take_any(&["FUNCTIONS", "FUNCTION"]) {
            self.executable()?;
            return Ok(ShowKind::Functions { built_in: true });
        }
        if !all && self.take_any(&["PROCEDURES", "PROCEDURE"]) {
            self.executable()?;
            return Ok(ShowKind::Procedures);
        }
        if let TokenKind::Ident(word, false) = self.peek() {
            let word = word.to_uppercase();
            let administration = [
                "ALIASES",
                "DATABASE",
                "DATABASES",
                "PRIVILEGE",
                "PRIVILEGES",
                "ROLE",
                "ROLES",
                "SERVERS",
                "SETTING",
                "SETTINGS",
                "SUPPORTED",
                "TRANSACTION",
                "TRANSACTIONS",
                "USER",
                "USERS",
            ];
            if administration.contains(&&*word) {
                return Err(self.unsupported_at(start, format_args!("SHOW {word}")));
            }
        }
        Err(self.expected("INDEXES, CONSTRAINTS, FUNCTIONS or PROCEDURES"))
    }

    /// Words between SHOW and what it shows, other than ALL.
    fn show_filter(&mut self) -> Result<Option<ShowKind>> {
        let kinds = [
            ("RANGE", ShowIndexKind::Range),
            ("FULLTEXT", ShowIndexKind::FullText),
            ("VECTOR", ShowIndexKind::Vector),
            ("LOOKUP", ShowIndexKind::Absent),
            ("TEXT", ShowIndexKind::Absent),
            ("POINT", ShowIndexKind::Absent),
        ];
        if let Some((_, kind)) = kinds.into_iter().find(|(word, _)| self.take_keyword(word)) {
            self.expect_any(&["INDEXES", "INDEX"])?;
            return Ok(Some(ShowKind::Indexes(Some(kind))));
        }
        if self.is_keyword("BTREE") {
            let error = self.unsupported_at(self.span(), "SHOW BTREE INDEXES");
            return Err(error.hint("Range indexes took their place: SHOW RANGE INDEXES."));
        }
        if self.take_keywords(&["BUILT", "IN"]) || self.is_keyword("USER") && self.is_keyword_at(1, "DEFINED") {
            let built_in = !self.take_keywords(&["USER", "DEFINED"]);
            self.expect_any(&["FUNCTIONS", "FUNCTION"])?;
            self.executable()?;
            return Ok(Some(ShowKind::Functions { built_in }));
        }
        let relationship = if self.take_keyword("NODE") {
            Some(false)
        } else if self.take_any(&["RELATIONSHIP", "REL"]) {
            Some(true)
        } else {
            None
        };
        let rule = if self.take_any(&["UNIQUENESS", "UNIQUE"]) {
            ShowRule::Unique
        } else if self.take_keyword("KEY") {
            ShowRule::Key
        } else if self.take_any(&["EXISTENCE", "EXIST", "EXISTS"]) {
            ShowRule::Exists
        } else if self.take_keyword("PROPERTY") {
            if self.take_any(&["EXISTENCE", "EXIST", "EXISTS"]) {
                ShowRule::Exists
            } else if self.take_keyword("TYPE") {
                ShowRule::Type
            } else {
                return Err(self.expected("EXISTENCE or TYPE"));
            }
        } else if relationship.is_some() {
            return Err(self.expected("UNIQUENESS, KEY, PROPERTY EXISTENCE or PROPERTY TYPE"));
        } else {
            return Ok(None);
        };
        self.expect_any(&["CONSTRAINTS", "CONSTRAINT"])?;
        Ok(Some(ShowKind::Constraints(ConstraintFilter { relationship, rule: Some(rule) })))
    }

    /// `EXECUTABLE [BY CURRENT USER]`: everybody may call everything.
    fn executable(&mut self) -> Result<()> {
        if self.take_keyword("EXECUTABLE") && self.take_keyword("BY") && !self.take_keywords(&["CURRENT", "USER"]) {
            return Err(self.unsupported_at(self.span(), "EXECUTABLE BY another user"));
        }
        Ok(())
    }

    /// `*`, or columns with aliases; then what may follow a projection, and WHERE.
    fn show_yield(&mut self) -> Result<Projection> {
        let mut projection = Projection {
            distinct: false,
            star: None,
            items: Vec::new(),
            order_by: Vec::new(),
            skip: None,
            limit: None,
            filter: None,
        };
        let span = self.span();
        if self.take_symbol("*") {
            projection.star = Some(span);
        } else {
            loop {
                let column = self.name("a column or *")?;
                let alias = if self.take_keyword("AS") { Some(self.name("a variable")?) } else { None };
                let expr = Expr { kind: ExprKind::Variable(column.text.clone()), span: column.span };
                projection.items.push(ProjectionItem { expr, alias, text: column.text });
                if !self.take_symbol(",") {
                    break;
                }
            }
        }
        projection = self.rows_of(projection)?;
        if self.take_keyword("WHERE") {
            projection.filter = Some(self.expr()?);
        }
        Ok(projection)
    }

    fn take_any(&mut self, keywords: &[&str]) -> bool {
        keywords.iter().any(|keyword| self.take_keyword(keyword))
    }

    /// The first of them is named when none is there.
    fn expect_any(&mut self, keywords: &[&str]) -> Result<()> {
        if self.take_any(keywords) { Ok(()) } else { Err(self.expected(keywords[0])) }
    }
}
