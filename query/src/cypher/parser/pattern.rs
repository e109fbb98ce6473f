//! Path patterns.

use super::*;

/// Where a path is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    Clause,
    /// As a predicate or in a comprehension.
    Expression,
    /// Inside a quantified path pattern.
    Quantified,
}

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

    /// Counts a pattern that is looked for. 54001 above the limit.
    pub(super) fn matched(&mut self, pattern: PathPattern) -> Result<PathPattern> {
        let inner = |step: &PathStep| match step {
            PathStep::Relationship(_) => 1,
            PathStep::Quantified(quantified) => 1 + quantified.pattern.steps.len(),
        };
        self.matched_part_count += 1 + pattern.steps.iter().map(|(step, _)| inner(step)).sum::<usize>();
        self.check_length(self.matched_part_count, MAX_MATCHED_PARTS, "paths and relationships to match")?;
        Ok(pattern)
    }

    /// Without a name: elements, or shortestPath(elements).
    fn anonymous_path(&mut self) -> Result<PathPattern> {
        let start = self.span();
        let Some(shortest) = self.shortest_ahead() else {
            if ["SHORTEST", "ANY", "ALL"].iter().any(|word| self.is_keyword(word)) {
                return Err(self.unsupported_at(start, "a path selector (SHORTEST, ANY, ALL) before a pattern"));
            }
            if !self.is_symbol("(") {
                return Err(self.expected("a pattern starting with \"(\""));
            }
            return self.path_elements(Place::Clause);
        };
        self.advance();
        self.expect_symbol("(")?;
        let mut pattern = self.path_elements(Place::Clause)?;
        self.expect_symbol(")")?;
        pattern.shortest = Some(shortest);
        pattern.span = self.span_from(start);
        if !matches!(pattern.steps[..], [(PathStep::Relationship(_), _)]) {
            let message = "shortestPath needs a pattern of exactly one relationship".to_owned();
            return Err(self.error_at(start, "UnexpectedSyntax", message));
        }
        Ok(pattern)
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

    fn path_elements(&mut self, place: Place) -> Result<PathPattern> {
        let first = self.span();
        let start = match place {
            Place::Clause if self.quantified_ahead() => self.implied_node(),
            Place::Quantified if self.quantified_ahead() => return Err(self.nested_quantifier()),
            // In an expression two parentheses are nested ones.
            _ => self.node_pattern()?,
        };
        let mut steps = Vec::new();
        loop {
            let step = if self.quantified_ahead() {
                if place == Place::Quantified {
                    return Err(self.nested_quantifier());
                }
                let quantified = self.quantified_path()?;
                let node = if self.is_symbol("(") && !self.quantified_ahead() {
                    self.node_pattern()?
                } else if self.relationship_ahead() {
                    return Err(self.expected("a node between a quantified path pattern and a relationship"));
                } else {
                    self.implied_node()
                };
                (PathStep::Quantified(quantified), node)
            } else if self.relationship_ahead() {
                let relationship = self.relationship_pattern(place)?;
                (PathStep::Relationship(relationship), self.node_pattern()?)
            } else {
                break;
            };
            steps.push(step);
            self.check_length(steps.len(), MAX_PATH_STEPS, "relationships in one path")?;
        }
        Ok(PathPattern { var: None, shortest: None, start, steps, span: self.span_from(first) })
    }

    /// The node at an end of a quantified part where none is written.
    fn implied_node(&self) -> NodePattern {
        let at = self.span().start as usize;
        NodePattern { var: None, labels: None, properties: None, filter: None, span: Span::new(at, at) }
    }

    /// A pattern of at least one relationship at the current parenthesis, or nothing consumed.
    pub(super) fn pattern_ahead(&mut self) -> Result<Option<PathPattern>> {
        let position = self.position;
        if self.not_patterns.contains(&position) || !self.may_begin_pattern(position) {
            return Ok(None);
        }
        if let Some((_, end, pattern)) = self.found_pattern.take_if(|(begin, ..)| *begin == position) {
            self.position = end;
            return Ok(Some(pattern));
        }
        let found = self.attempt(|parser| {
            let pattern = parser.path_elements(Place::Expression)?;
            if pattern.steps.is_empty() { Err(parser.expected("a relationship")) } else { Ok(pattern) }
        })?;
        if found.is_none() {
            self.not_patterns.insert(position);
        }
        Ok(found)
    }

    /// Whether a relationship, or a part that repeats, follows what the parenthesis at `position` encloses.
    fn may_begin_pattern(&self, position: usize) -> bool {
        let Some(closing) = self.closing(position) else { return false };
        let ahead = closing + 1 - self.position;
        let dash = ahead + usize::from(self.is_symbol_at(ahead, "<"));
        self.is_symbol_at(ahead, "(")
            || self.is_symbol_at(dash, "-") && (self.is_symbol_at(dash + 1, "-") || self.is_symbol_at(dash + 1, "["))
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

    /// `A`, `A:B`, `A&B`, `A|B`, `!A`, `%`, `$(expr)`, parentheses; the leading colon is consumed.
    pub(super) fn label_expr(&mut self) -> Result<LabelExpr> {
        self.label_alternatives("a label")
    }

    /// `what` is "a relationship type" for those, of which a colon joins no two.
    fn label_alternatives(&mut self, what: &'static str) -> Result<LabelExpr> {
        let mut parts = vec![self.conjunction_of(what)?];
        while self.take_symbol("|") {
            self.take_symbol(":");
            parts.push(self.conjunction_of(what)?);
        }
        Ok(if parts.len() == 1 { parts.remove(0) } else { LabelExpr::Or(parts) })
    }

    pub(super) fn label_conjunction(&mut self) -> Result<LabelExpr> {
        self.conjunction_of("a label")
    }

    fn conjunction_of(&mut self, what: &'static str) -> Result<LabelExpr> {
        let mut parts = vec![self.label_atom(what)?];
        while self.take_symbol("&") || (what == "a label" && self.take_symbol(":")) {
            parts.push(self.label_atom(what)?);
        }
        Ok(if parts.len() == 1 { parts.remove(0) } else { LabelExpr::And(parts) })
    }

    fn label_atom(&mut self, what: &'static str) -> Result<LabelExpr> {
        let span = self.span();
        if self.take_symbol("!") {
            let input = self.nested(|parser| parser.label_atom(what))?;
            return Ok(LabelExpr::Not(Box::new(input)));
        }
        if self.take_symbol("%") {
            return Ok(LabelExpr::Wildcard(span));
        }
        if self.take_symbol("(") {
            let inner = self.nested(|parser| parser.label_alternatives(what))?;
            self.expect_symbol(")")?;
            return Ok(inner);
        }
        if let Some(any) = self.dynamic_label_ahead() {
            return Ok(LabelExpr::Dynamic { labels: Box::new(self.dynamic_label()?), any });
        }
        if let TokenKind::Parameter(name) = self.peek() {
            let hint = format!("A parameter names {what} as $(${name}).");
            return Err(self.expected(what).hint(hint));
        }
        self.name(what).map(LabelExpr::Label)
    }

    /// At `$(`, `$all(` or `$any(`: whether any of the labels suffices.
    fn dynamic_label_ahead(&self) -> Option<bool> {
        if !self.is_symbol_at(1, "(") {
            return None;
        }
        match self.peek() {
            TokenKind::Symbol("$") => Some(false),
            TokenKind::Parameter(word) if word.eq_ignore_ascii_case("all") => Some(false),
            TokenKind::Parameter(word) if word.eq_ignore_ascii_case("any") => Some(true),
            _ => None,
        }
    }

    fn dynamic_label(&mut self) -> Result<Expr> {
        self.advance();
        self.expect_symbol("(")?;
        let labels = self.nested(Self::expr)?;
        self.expect_symbol(")")?;
        Ok(labels)
    }

    /// A label that SET or REMOVE names.
    pub(super) fn label_name(&mut self) -> Result<LabelName> {
        match self.dynamic_label_ahead() {
            Some(false) => self.dynamic_label().map(LabelName::Dynamic),
            Some(true) => Err(self.expected("a label, not one of several")),
            None => self.name("a label").map(LabelName::Static),
        }
    }

    fn relationship_pattern(&mut self, place: Place) -> Result<RelationshipPattern> {
        let start = self.span();
        let left = self.take_symbol("<");
        self.expect_symbol("-")?;
        let mut relationship = RelationshipPattern {
            var: None,
            types: None,
            length: None,
            properties: None,
            filter: None,
            arrow: Arrow::None,
            span: start,
        };
        let bracketed = self.take_symbol("[");
        if bracketed {
            self.relationship_detail(&mut relationship)?;
            self.expect_symbol("]")?;
        }
        self.expect_symbol("-")?;
        let right = self.take_symbol(">");
        // `-[:K]->{1,2}`, `-->+`; in an expression a sign behind mere dashes is arithmetic.
        let is_pattern = left || right || bracketed || place != Place::Expression;
        if is_pattern && self.quantifier_is_ahead() {
            let span = self.span();
            if relationship.length.is_some() {
                let message = "a relationship cannot have both a length and a quantifier".to_owned();
                return Err(self.error_at(span, "UnexpectedSyntax", message));
            }
            relationship.length = Some(self.quantifier()?);
        }
        if place == Place::Quantified && relationship.length.is_some() {
            let message = "a relationship of variable length cannot stand in a quantified path pattern".to_owned();
            return Err(self.error_at(start, "UnexpectedSyntax", message));
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
            relationship.types = Some(self.label_alternatives("a relationship type")?);
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

    /// At the two parentheses of `((a)-[r]->(b)){1,3}`; a path in it may have a name.
    fn quantified_ahead(&self) -> bool {
        self.is_symbol("(")
            && (self.is_symbol_at(1, "(")
                || matches!(self.peek_at(1), TokenKind::Ident(..)) && self.is_symbol_at(2, "="))
    }

    fn nested_quantifier(&self) -> QueryError {
        self.unsupported_at(self.span(), "a quantified path pattern inside another one")
    }

    fn quantified_path(&mut self) -> Result<QuantifiedPath> {
        let start = self.span();
        self.expect_symbol("(")?;
        if matches!(self.peek(), TokenKind::Ident(..)) {
            return Err(self.unsupported_at(self.span(), "a named path inside a quantified path pattern"));
        }
        let pattern = self.path_elements(Place::Quantified)?;
        if pattern.steps.is_empty() {
            let message = "a quantified path pattern needs at least one relationship".to_owned();
            return Err(self.error_at(start, "UnexpectedSyntax", message));
        }
        let filter = if self.take_keyword("WHERE") { Some(self.expr()?) } else { None };
        if !self.take_symbol(")") {
            return Err(self.expected("\")\""));
        }
        if !self.quantifier_is_ahead() {
            return Err(self.expected("a quantifier (\"+\", \"*\", \"{1,3}\") behind a pattern in parentheses"));
        }
        let quantifier = self.quantifier()?;
        Ok(QuantifiedPath { pattern: Box::new(pattern), filter, quantifier, span: self.span_from(start) })
    }

    fn quantifier_is_ahead(&self) -> bool {
        ["+", "*", "{"].iter().any(|symbol| self.is_symbol(symbol))
    }

    /// `+`, `*`, `{2}`, `{1,3}`, `{1,}`, `{,3}`. The lower bound is always given.
    fn quantifier(&mut self) -> Result<Length> {
        let span = self.span();
        if self.take_symbol("+") {
            return Ok(Length { min: Some(1), max: None });
        }
        if self.take_symbol("*") {
            return Ok(Length { min: Some(0), max: None });
        }
        self.expect_symbol("{")?;
        let min = self.length_bound()?;
        let max = if self.take_symbol(",") {
            self.length_bound()?
        } else if min.is_none() {
            return Err(self.expected("a number of repetitions"));
        } else {
            min
        };
        self.expect_symbol("}")?;
        let min = min.unwrap_or(0);
        if let Some(max) = max {
            let wrong = if max == 0 {
                Some("the upper bound of a quantifier must be at least 1".to_owned())
            } else if max < min {
                Some(format!("the upper bound of a quantifier, {max}, is below its lower bound, {min}"))
            } else {
                None
            };
            if let Some(message) = wrong {
                return Err(self.error_at(span, "InvalidArgumentValue", message));
            }
        }
        Ok(Length { min: Some(min), max })
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
