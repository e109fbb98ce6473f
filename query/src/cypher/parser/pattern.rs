//! Path patterns.

use super::*;

impl Parser<'_> {
    pub(super) fn path_pattern(&mut self) -> Result<PathPattern> {
        let start = self.span();
        let var = if matches!(self.peek(), TokenKind::Ident(..)) && self.is_symbol_at(1, "=") {
            let name = self.name("a variable")?;
            self.advance();
            Some(name)
        } else {
            None
        };
        let mut pattern = self.anonymous_path()?;
        pattern.var = var;
        pattern.span = self.span_from(start);
        Ok(pattern)
    }

    /// Without a name: elements, or shortestPath(elements).
    fn anonymous_path(&mut self) -> Result<PathPattern> {
        let start = self.span();
        let shortest = self.shortest_ahead();
        let Some(shortest) = shortest else {
            if ["SHORTEST", "ANY", "ALL"].iter().any(|word| self.is_keyword(word)) {
                return Err(self.unsupported_at(start, "a path selector (SHORTEST, ANY, ALL) before a pattern"));
            }
            if !self.is_symbol("(") {
                return Err(self.expected("a pattern starting with \"(\""));
            }
            if self.is_symbol_at(1, "(") {
                return Err(self.quantified_path(start));
            }
            let pattern = self.path_elements()?;
            // Behind a whole pattern only a part that repeats begins with two parentheses.
            if self.is_symbol("(") && self.is_symbol_at(1, "(") {
                return Err(self.quantified_path(self.span()));
            }
            return Ok(pattern);
        };
        self.advance();
        self.expect_symbol("(")?;
        let mut pattern = self.path_elements()?;
        self.expect_symbol(")")?;
        pattern.shortest = Some(shortest);
        pattern.span = self.span_from(start);
        if pattern.steps.len() != 1 {
            let message = "shortestPath needs a pattern of exactly one relationship".to_owned();
            return Err(self.error_at(start, "UnexpectedSyntax", message));
        }
        Ok(pattern)
    }

    fn quantified_path(&self, span: Span) -> QueryError {
        self.unsupported_at(span, "a quantified path pattern")
    }

    pub(super) fn shortest_ahead(&self) -> Option<Shortest> {
        if !self.is_symbol_at(1, "(") {
            None
        } else if self.is_keyword("shortestPath") {
            Some(Shortest::One)
        } else if self.is_keyword("allShortestPaths") {
            Some(Shortest::All)
        } else {
            None
        }
    }

    pub(super) fn shortest_path_expr(&mut self) -> Result<Expr> {
        let start = self.span();
        let pattern = self.anonymous_path()?;
        Ok(Expr { kind: ExprKind::Pattern(Box::new(pattern)), span: self.span_from(start) })
    }

    fn path_elements(&mut self) -> Result<PathPattern> {
        let first = self.span();
        let start = self.node_pattern()?;
        let mut steps = Vec::new();
        while self.relationship_ahead() {
            let relationship = self.relationship_pattern()?;
            steps.push((relationship, self.node_pattern()?));
            self.check_length(steps.len(), MAX_PATH_STEPS, "relationships in one path")?;
        }
        Ok(PathPattern { var: None, shortest: None, start, steps, span: self.span_from(first) })
    }

    /// A pattern of at least one relationship at the current parenthesis, or nothing consumed.
    pub(super) fn pattern_ahead(&mut self) -> Result<Option<PathPattern>> {
        let position = self.position;
        if self.not_patterns.contains(&position) {
            return Ok(None);
        }
        let found = self.attempt(|parser| {
            let pattern = parser.path_elements()?;
            if pattern.steps.is_empty() { Err(parser.expected("a relationship")) } else { Ok(pattern) }
        })?;
        if found.is_none() {
            self.not_patterns.insert(position);
        }
        Ok(found)
    }

    fn relationship_ahead(&self) -> bool {
        let dash = if self.is_symbol("<") { 1 } else { 0 };
        self.is_symbol_at(dash, "-") && (self.is_symbol_at(dash + 1, "-") || self.is_symbol_at(dash + 1, "["))
    }

    fn node_pattern(&mut self) -> Result<NodePattern> {
        let start = self.span();
        self.expect_symbol("(")?;
        let var = self.optional_variable()?;
        let labels = if self.take_symbol(":") || self.take_keyword("IS") { Some(self.label_expr()?) } else { None };
        let properties = self.pattern_properties()?;
        let filter = if self.take_keyword("WHERE") { Some(self.expr()?) } else { None };
        if !self.take_symbol(")") {
            return Err(self.expected("\")\""));
        }
        Ok(NodePattern { var, labels, properties, filter, span: self.span_from(start) })
    }

    fn optional_variable(&mut self) -> Result<Option<Name>> {
        let word = match self.peek() {
            TokenKind::Ident(word, quoted) => Some((word.clone(), *quoted)),
            _ => None,
        };
        match word {
            Some((word, false)) if word.eq_ignore_ascii_case("WHERE") => Ok(None),
            Some((word, false))
                if word.eq_ignore_ascii_case("IS") && matches!(self.peek_at(1), TokenKind::Ident(..)) =>
            {
                Ok(None)
            }
            Some(_) => self.name("a variable").map(Some),
            None => Ok(None),
        }
    }

    fn pattern_properties(&mut self) -> Result<Option<Expr>> {
        if self.is_symbol("{") {
            return self.map_literal().map(Some);
        }
        if matches!(self.peek(), TokenKind::Parameter(_)) {
            return self.postfix_expr().map(Some);
        }
        Ok(None)
    }

    /// `A`, `A:B`, `A&B`, `A|B`, `!A`, `%`, parentheses; the leading colon is consumed.
    pub(super) fn label_expr(&mut self) -> Result<LabelExpr> {
        let mut parts = vec![self.label_conjunction()?];
        while self.take_symbol("|") {
            self.take_symbol(":");
            parts.push(self.label_conjunction()?);
        }
        Ok(if parts.len() == 1 { parts.remove(0) } else { LabelExpr::Or(parts) })
    }

    pub(super) fn label_conjunction(&mut self) -> Result<LabelExpr> {
        let mut parts = vec![self.label_atom()?];
        while self.take_symbol("&") || self.take_symbol(":") {
            parts.push(self.label_atom()?);
        }
        Ok(if parts.len() == 1 { parts.remove(0) } else { LabelExpr::And(parts) })
    }

    fn label_atom(&mut self) -> Result<LabelExpr> {
        let span = self.span();
        if self.take_symbol("!") {
            let input = self.nested(Self::label_atom)?;
            return Ok(LabelExpr::Not(Box::new(input)));
        }
        if self.take_symbol("%") {
            return Ok(LabelExpr::Wildcard(span));
        }
        if self.take_symbol("(") {
            let inner = self.nested(Self::label_expr)?;
            self.expect_symbol(")")?;
            return Ok(inner);
        }
        self.name("a label").map(LabelExpr::Label)
    }

    fn relationship_pattern(&mut self) -> Result<RelationshipPattern> {
        let start = self.span();
        let left = self.take_symbol("<");
        self.expect_symbol("-")?;
        let mut relationship = RelationshipPattern {
            var: None,
            types: Vec::new(),
            length: None,
            properties: None,
            filter: None,
            arrow: Arrow::None,
            span: start,
        };
        if self.take_symbol("[") {
            self.relationship_detail(&mut relationship)?;
            self.expect_symbol("]")?;
        }
        self.expect_symbol("-")?;
        let right = self.take_symbol(">");
        // `-[:K]->{1,2}`, `-->+`; a sign behind a mere dash is arithmetic.
        let repeats = self.is_symbol("{") || (right && (self.is_symbol("+") || self.is_symbol("*")));
        if repeats {
            return Err(self
                .unsupported_at(self.span(), "a quantifier behind a relationship")
                .hint("Write a variable-length relationship: -[:T*1..2]->."));
        }
        relationship.arrow = match (left, right) {
            (false, true) => Arrow::Right,
            (true, false) => Arrow::Left,
            (false, false) => Arrow::None,
            (true, true) => Arrow::Both,
        };
        relationship.span = self.span_from(start);
        Ok(relationship)
    }

    fn relationship_detail(&mut self, relationship: &mut RelationshipPattern) -> Result<()> {
        relationship.var = self.optional_variable()?;
        if self.take_symbol(":") || self.take_keyword("IS") {
            loop {
                relationship.types.push(self.name("a relationship type")?);
                if !self.take_symbol("|") {
                    break;
                }
                self.take_symbol(":");
            }
        }
        if self.is_symbol("..") {
            return Err(self.expected_as("InvalidRelationshipPattern", "\"*\" before the range of a length"));
        }
        if self.take_symbol("*") {
            let min = self.length_bound()?;
            let max = if self.take_symbol("..") { self.length_bound()? } else { min };
            relationship.length = Some(Length { min, max });
        }
        relationship.properties = self.pattern_properties()?;
        if self.take_keyword("WHERE") {
            relationship.filter = Some(self.expr()?);
        }
        Ok(())
    }

    fn length_bound(&mut self) -> Result<Option<u32>> {
        let TokenKind::Int(value) = *self.peek() else { return Ok(None) };
        match u32::try_from(value) {
            Ok(bound) => {
                self.advance();
                Ok(Some(bound))
            }
            Err(_) => Err(self.expected("a length below 2^32")),
        }
    }
}
