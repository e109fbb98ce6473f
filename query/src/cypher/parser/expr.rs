//! Expressions, loosest operator first:
//!
//! ```text
//! OR  XOR  AND  NOT  = <> < <= > >= (chained)  IS NULL, IN, STARTS WITH, ENDS WITH, CONTAINS, =~
//! + -  * / %  ^  unary + -  .key [index] [from..to] :Label
//! ```

use super::*;

const OR: u8 = 1;
const XOR: u8 = 2;
const AND: u8 = 3;
const NOT: u8 = 4;
pub(super) const COMPARISON: u8 = 5;
const PREDICATE: u8 = 6;
pub(super) const ADDITION: u8 = 7;
const MULTIPLICATION: u8 = 8;
const POWER: u8 = 9;
const UNARY: u8 = 10;

pub(super) enum Operator {
    And,
    Or,
    Xor,
    Compare(CompareOp),
    /// Negated or not.
    IsNull(bool),
    /// With its number of tokens; negated or not.
    IsTyped(usize, bool),
    /// The form, with its number of tokens; negated or not.
    IsNormalized(&'static str, usize, bool),
    /// With its number of tokens.
    Binary(BinaryOp, usize),
}

/// Words that cannot begin an expression: a missing operand is reported as such.
const RESERVED: &[&str] = &[
    "MATCH", "WHERE", "RETURN", "WITH", "CREATE", "MERGE", "DELETE", "DETACH", "SET", "REMOVE", "UNWIND", "ORDER",
    "UNION", "AND", "OR", "XOR", "IN", "IS", "AS", "WHEN", "THEN", "ELSE",
];

impl Parser<'_> {
    pub(super) fn expr(&mut self) -> Result<Expr> {
        self.expr_until(false)
    }

    /// An expression with a bar behind it that is no part of it.
    pub(super) fn expr_before_bar(&mut self) -> Result<Expr> {
        self.expr_until(true)
    }

    fn expr_until(&mut self, bar_ends: bool) -> Result<Expr> {
        let outer = std::mem::replace(&mut self.bar_ends, bar_ends);
        let result = self.operators(OR);
        self.bar_ends = outer;
        result
    }

    /// An expression of operators that bind at least as tightly as `min`. One function for all levels keeps the stack
    /// short. Left-associative chains deepen the tree without recursion: each link counts as a level.
    fn operators(&mut self, min: u8) -> Result<Expr> {
        let depth = self.depth;
        self.deepen()?;
        let start = self.span();
        let left = self.operand(min)?;
        let expr = self.operators_behind(left, start, min)?;
        self.depth = depth;
        Ok(expr)
    }

    /// What follows an operand.
    pub(super) fn operators_behind(&mut self, mut left: Expr, start: Span, min: u8) -> Result<Expr> {
        while let Some((level, operator)) = self.operator_ahead(min) {
            left = match operator {
                Operator::And => self.flat("AND", left, level, ExprKind::And)?,
                Operator::Or => self.flat("OR", left, level, ExprKind::Or)?,
                Operator::Xor => self.flat("XOR", left, level, ExprKind::Xor)?,
                Operator::Compare(_) => self.comparison(left)?,
                Operator::IsNull(negated) => {
                    (0..if negated { 3 } else { 2 }).for_each(|_| self.advance());
                    self.deepen()?;
                    Expr { kind: ExprKind::IsNull(Box::new(left), negated), span: self.span_from(start) }
                }
                Operator::IsTyped(words, negated) => {
                    (0..words).for_each(|_| self.advance());
                    self.deepen()?;
                    let ty = self.value_type()?;
                    Expr { kind: ExprKind::IsTyped(Box::new(left), ty, negated), span: self.span_from(start) }
                }
                Operator::IsNormalized(form, words, negated) => {
                    (0..words).for_each(|_| self.advance());
                    self.deepen()?;
                    Expr { kind: ExprKind::IsNormalized(Box::new(left), form, negated), span: self.span_from(start) }
                }
                Operator::Binary(op, words) => {
                    (0..words).for_each(|_| self.advance());
                    self.deepen()?;
                    let right = self.operators(level + 1)?;
                    let kind = ExprKind::Binary(op, Box::new(left), Box::new(right));
                    Expr { kind, span: self.span_from(start) }
                }
            };
        }
        if min <= COMPARISON && self.is_symbol("!=") {
            return Err(self.expected("an operator (inequality is written \"<>\")"));
        }
        Ok(left)
    }

    fn deepen(&mut self) -> Result<()> {
        self.depth += 1;
        self.check_depth()
    }

    /// AND, OR and XOR chains are one node.
    fn flat(&mut self, keyword: &str, first: Expr, level: u8, make: fn(Vec<Expr>) -> ExprKind) -> Result<Expr> {
        let start = first.span;
        let mut operands = vec![first];
        while self.take_keyword(keyword) {
            operands.push(self.operators(level + 1)?);
        }
        Ok(Expr { kind: make(operands), span: self.span_from(start) })
    }

    fn comparison(&mut self, first: Expr) -> Result<Expr> {
        let start = first.span;
        let mut rest = Vec::new();
        while let Some((_, Operator::Compare(op))) = self.operator_ahead(COMPARISON) {
            self.advance();
            rest.push((op, self.operators(COMPARISON + 1)?));
        }
        Ok(Expr { kind: ExprKind::Comparison(Box::new(first), rest), span: self.span_from(start) })
    }

    pub(super) fn operator_ahead(&self, min: u8) -> Option<(u8, Operator)> {
        use BinaryOp::*;
        let found = match self.peek() {
            TokenKind::Symbol(symbol) => match *symbol {
                "=" => (COMPARISON, Operator::Compare(CompareOp::Equal)),
                "<>" => (COMPARISON, Operator::Compare(CompareOp::NotEqual)),
                "<" => (COMPARISON, Operator::Compare(CompareOp::Less)),
                "<=" => (COMPARISON, Operator::Compare(CompareOp::LessEqual)),
                ">" => (COMPARISON, Operator::Compare(CompareOp::Greater)),
                ">=" => (COMPARISON, Operator::Compare(CompareOp::GreaterEqual)),
                "=~" => (PREDICATE, Operator::Binary(Matches, 1)),
                "+" => (ADDITION, Operator::Binary(Add, 1)),
                "-" => (ADDITION, Operator::Binary(Subtract, 1)),
                "||" => (ADDITION, Operator::Binary(Concatenate, 1)),
                "*" => (MULTIPLICATION, Operator::Binary(Multiply, 1)),
                "/" => (MULTIPLICATION, Operator::Binary(Divide, 1)),
                "%" => (MULTIPLICATION, Operator::Binary(Modulo, 1)),
                "^" => (POWER, Operator::Binary(Power, 1)),
                _ => return None,
            },
            TokenKind::Ident(_, false) => {
                if self.is_keyword("AND") {
                    (AND, Operator::And)
                } else if self.is_keyword("OR") {
                    (OR, Operator::Or)
                } else if self.is_keyword("XOR") {
                    (XOR, Operator::Xor)
                } else if self.is_keyword("IN") {
                    (PREDICATE, Operator::Binary(In, 1))
                } else if self.is_keyword("STARTS") && self.is_keyword_at(1, "WITH") {
                    (PREDICATE, Operator::Binary(StartsWith, 2))
                } else if self.is_keyword("ENDS") && self.is_keyword_at(1, "WITH") {
                    (PREDICATE, Operator::Binary(EndsWith, 2))
                } else if self.is_keyword("CONTAINS") {
                    (PREDICATE, Operator::Binary(Contains, 1))
                } else if self.is_keyword("IS") && self.is_keyword_at(1, "NULL") {
                    (PREDICATE, Operator::IsNull(false))
                } else if self.is_keyword("IS") && self.is_keyword_at(1, "NOT") && self.is_keyword_at(2, "NULL") {
                    (PREDICATE, Operator::IsNull(true))
                } else if let Some((words, negated)) = self.type_test_ahead() {
                    (PREDICATE, Operator::IsTyped(words, negated))
                } else if let Some((form, words, negated)) = self.normal_form_test_ahead() {
                    (PREDICATE, Operator::IsNormalized(form, words, negated))
                } else {
                    return None;
                }
            }
            _ => return None,
        };
        (found.0 >= min).then_some(found)
    }

    /// `IS [NOT] [NFC | NFD | NFKC | NFKD] NORMALIZED`: the form, the number of tokens, and whether it is negated.
    fn normal_form_test_ahead(&self) -> Option<(&'static str, usize, bool)> {
        if !self.is_keyword("IS") {
            return None;
        }
        let negated = self.is_keyword_at(1, "NOT");
        let at = if negated { 2 } else { 1 };
        if self.is_keyword_at(at, "NORMALIZED") {
            return Some(("NFC", at + 1, negated));
        }
        let form = self.normal_form_at(at)?;
        self.is_keyword_at(at + 1, "NORMALIZED").then_some((form, at + 2, negated))
    }

    pub(super) fn normal_form_at(&self, ahead: usize) -> Option<&'static str> {
        ["NFC", "NFD", "NFKC", "NFKD"].into_iter().find(|form| self.is_keyword_at(ahead, form))
    }

    /// A prefix operator with its operand, or an atom with what follows it.
    fn operand(&mut self, min: u8) -> Result<Expr> {
        self.operand_count += 1;
        if self.operand_count.is_multiple_of(OPERANDS_PER_POLL) {
            self.cancel.check()?;
        }
        let start = self.span();
        if min <= NOT && self.take_keyword("NOT") {
            let input = self.operators(NOT)?;
            return Ok(Expr { kind: ExprKind::Not(Box::new(input)), span: self.span_from(start) });
        }
        if self.take_symbol("-") {
            // The magnitude of the smallest integer is no integer by itself.
            if let TokenKind::Int(magnitude) = *self.peek()
                && magnitude == 1 << 63
            {
                self.advance();
                let literal = Expr { kind: ExprKind::Int(i64::MIN), span: self.span_from(start) };
                return self.postfix_operators(start, literal);
            }
            let input = self.operators(UNARY)?;
            let span = self.span_from(start);
            return Ok(match input.kind {
                ExprKind::Int(value) if value > 0 => Expr { kind: ExprKind::Int(-value), span },
                ExprKind::Float(value) if value.is_sign_positive() => Expr { kind: ExprKind::Float(-value), span },
                _ => Expr { kind: ExprKind::Unary(UnaryOp::Minus, Box::new(input)), span },
            });
        }
        if self.take_symbol("+") {
            let input = self.operators(UNARY)?;
            return Ok(Expr { kind: ExprKind::Unary(UnaryOp::Plus, Box::new(input)), span: self.span_from(start) });
        }
        self.postfix_expr()
    }

    pub(super) fn postfix_expr(&mut self) -> Result<Expr> {
        let start = self.span();
        let atom = self.atom()?;
        self.postfix_operators(start, atom)
    }

    fn postfix_operators(&mut self, start: Span, atom: Expr) -> Result<Expr> {
        let depth = self.depth;
        let mut expr = atom;
        loop {
            let kind = if self.take_symbol(".") {
                ExprKind::Property(Box::new(expr), self.name("a property key")?)
            } else if self.take_symbol("[") {
                self.subscript(expr)?
            } else if (self.is_symbol(":") && self.label_at(1)) || self.label_test_ahead() {
                self.advance();
                let labels = if self.bar_ends { self.label_conjunction()? } else { self.label_expr()? };
                ExprKind::HasLabels(Box::new(expr), labels)
            } else {
                self.depth = depth;
                return Ok(expr);
            };
            self.deepen()?;
            expr = Expr { kind, span: self.span_from(start) };
        }
    }

    fn label_at(&self, ahead: usize) -> bool {
        matches!(self.peek_at(ahead), TokenKind::Ident(..) | TokenKind::Symbol("!" | "(" | "%" | "$"))
            || (matches!(self.peek_at(ahead), TokenKind::Parameter(_)) && self.is_symbol_at(ahead + 1, "("))
    }

    /// `IS Label`, where it is no other test.
    fn label_test_ahead(&self) -> bool {
        const OTHERS: [&str; 4] = ["NULL", "NOT", "TYPED", "NORMALIZED"];
        self.is_keyword("IS")
            && self.label_at(1)
            && !OTHERS.iter().any(|word| self.is_keyword_at(1, word))
            && self.normal_form_test_ahead().is_none()
    }

    fn subscript(&mut self, input: Expr) -> Result<ExprKind> {
        let from = if self.is_symbol("..") { None } else { Some(Box::new(self.expr()?)) };
        let kind = if self.take_symbol("..") {
            let to = if self.is_symbol("]") { None } else { Some(Box::new(self.expr()?)) };
            ExprKind::Slice(Box::new(input), from, to)
        } else {
            match from {
                Some(index) => ExprKind::Index(Box::new(input), index),
                None => return Err(self.expected("an index")),
            }
        };
        self.expect_symbol("]")?;
        Ok(kind)
    }

    fn atom(&mut self) -> Result<Expr> {
        let start = self.span();
        let kind = match self.peek().clone() {
            TokenKind::Int(magnitude) => match i64::try_from(magnitude) {
                Ok(value) => {
                    self.advance();
                    ExprKind::Int(value)
                }
                Err(_) => {
                    let message = format!("integer {} is out of range", self.source(start));
                    return Err(self.error_at(start, "IntegerOverflow", message));
                }
            },
            TokenKind::Float(value) => {
                self.advance();
                ExprKind::Float(value)
            }
            TokenKind::String(value) => {
                self.advance();
                ExprKind::String(value)
            }
            TokenKind::Parameter(name) => ExprKind::Parameter(self.parameter(&name)?),
            TokenKind::Symbol("(") => {
                if let Some(pattern) = self.pattern_ahead()? {
                    ExprKind::Pattern(Box::new(pattern))
                } else {
                    self.advance();
                    let inner = self.expr()?;
                    self.expect_symbol(")")?;
                    return Ok(Expr { kind: inner.kind, span: self.span_from(start) });
                }
            }
            TokenKind::Symbol("[") => self.list()?,
            TokenKind::Symbol("{") => return self.map_literal(),
            TokenKind::Ident(word, quoted) => return self.word(&word, quoted),
            _ => return Err(self.expected("an expression")),
        };
        Ok(Expr { kind, span: self.span_from(start) })
    }

    fn parameter(&mut self, name: &Arc<str>) -> Result<Parameter> {
        let span = self.span();
        if !name.bytes().all(|b| b.is_ascii_digit()) {
            self.advance();
            return Ok(Parameter::Named(name.clone()));
        }
        match name.parse::<usize>() {
            Ok(number @ 1..=65_535) => {
                self.advance();
                self.positional_parameter_count = self.positional_parameter_count.max(number);
                Ok(Parameter::Positional(number - 1))
            }
            _ => {
                let message = format!("parameter ${name} is out of range: positional parameters are $1 to $65535");
                Err(self.error_at(span, "UnexpectedSyntax", message))
            }
        }
    }

    pub(super) fn map_literal(&mut self) -> Result<Expr> {
        let start = self.span();
        self.expect_symbol("{")?;
        let mut entries: Vec<(Arc<str>, Expr)> = Vec::new();
        if !self.take_symbol("}") {
            loop {
                let key = self.name("a map key or \"}\"")?.text;
                self.expect_symbol(":")?;
                let value = self.expr()?;
                entries.push((key, value));
                if !self.take_symbol(",") {
                    break;
                }
            }
            self.expect_symbol("}")?;
        }
        let entries = last_of_equal_keys(entries);
        Ok(Expr { kind: ExprKind::Map(entries), span: self.span_from(start) })
    }

    /// List literal, list comprehension or pattern comprehension.
    fn list(&mut self) -> Result<ExprKind> {
        self.advance();
        if matches!(self.peek(), TokenKind::Ident(..)) && self.is_keyword_at(1, "IN") {
            let var = self.name("a variable")?;
            self.advance();
            let list = Box::new(self.expr_before_bar()?);
            let filter = if self.take_keyword("WHERE") { Some(Box::new(self.expr_before_bar()?)) } else { None };
            let map = if self.take_symbol("|") { Some(Box::new(self.expr()?)) } else { None };
            self.expect_symbol("]")?;
            return Ok(ExprKind::ListComprehension { var, list, filter, map });
        }
        if let Some(comprehension) = self.pattern_comprehension()? {
            return Ok(comprehension);
        }
        let mut items = Vec::new();
        if !self.take_symbol("]") {
            items = self.expr_list()?;
            self.expect_symbol("]")?;
        }
        Ok(ExprKind::List(items))
    }

    fn pattern_comprehension(&mut self) -> Result<Option<ExprKind>> {
        let start = self.span();
        let position = self.position;
        let mut var = None;
        if matches!(self.peek(), TokenKind::Ident(..)) && self.is_symbol_at(1, "=") && self.is_symbol_at(2, "(") {
            var = Some(self.name("a variable")?);
            self.advance();
        }
        let pattern_position = self.position;
        let pattern = if self.is_symbol("(") { self.pattern_ahead()? } else { None };
        let Some(mut pattern) = pattern else {
            self.position = position;
            return Ok(None);
        };
        if !self.is_keyword("WHERE") && !self.is_symbol("|") {
            // It is an item of a list, and taken again as such without being read again.
            self.found_pattern = Some((pattern_position, self.position, pattern));
            self.position = position;
            return Ok(None);
        }
        pattern.var = var;
        pattern.span = self.span_from(start);
        let filter = if self.take_keyword("WHERE") { Some(Box::new(self.expr_before_bar()?)) } else { None };
        self.expect_symbol("|")?;
        let map = Box::new(self.expr()?);
        self.expect_symbol("]")?;
        Ok(Some(ExprKind::PatternComprehension { pattern: Box::new(pattern), filter, map }))
    }

    /// An expression that begins with an identifier.
    fn word(&mut self, word: &Arc<str>, quoted: bool) -> Result<Expr> {
        let start = self.span();
        if !quoted {
            if RESERVED.iter().any(|reserved| word.eq_ignore_ascii_case(reserved))
                || (self.case_depth > 0 && word.eq_ignore_ascii_case("END"))
            {
                return Err(self.expected("an expression"));
            }
            let constant = match word.to_ascii_lowercase().as_str() {
                "true" => Some(ExprKind::Bool(true)),
                "false" => Some(ExprKind::Bool(false)),
                "null" => Some(ExprKind::Null),
                _ => None,
            };
            if let Some(kind) = constant {
                self.advance();
                return Ok(Expr { kind, span: start });
            }
            if word.eq_ignore_ascii_case("CASE") {
                let kind = self.case()?;
                return Ok(Expr { kind, span: self.span_from(start) });
            }
            if self.shortest_ahead().is_some() {
                return self.shortest_path_expr();
            }
            if let Some(kind) = self.special_form(word)? {
                return Ok(Expr { kind, span: self.span_from(start) });
            }
        }
        if let Some(name) = self.function_name_ahead() {
            let kind = self.call(name)?;
            return Ok(Expr { kind, span: self.span_from(start) });
        }
        if self.is_symbol_at(1, "{") {
            let kind = self.map_projection()?;
            return Ok(Expr { kind, span: self.span_from(start) });
        }
        self.advance();
        Ok(Expr { kind: ExprKind::Variable(word.clone()), span: start })
    }

    fn special_form(&mut self, word: &str) -> Result<Option<ExprKind>> {
        let word = word.to_ascii_lowercase();
        if self.is_symbol_at(1, "{") && matches!(word.as_str(), "exists" | "count" | "collect") {
            self.advance();
            let body = Box::new(self.subquery_body()?);
            return Ok(Some(match word.as_str() {
                "exists" => ExprKind::Exists(body),
                "count" => ExprKind::Count(body),
                _ => ExprKind::Collect(body),
            }));
        }
        if !self.is_symbol_at(1, "(") {
            return Ok(None);
        }
        let binds = matches!(self.peek_at(2), TokenKind::Ident(..)) && self.is_keyword_at(3, "IN");
        let quantifier = match word.as_str() {
            "all" => Some(Quantifier::All),
            "any" => Some(Quantifier::Any),
            "none" => Some(Quantifier::None),
            "single" => Some(Quantifier::Single),
            _ => None,
        };
        if let Some(kind) = quantifier.filter(|_| binds) {
            self.advance();
            self.advance();
            let var = self.name("a variable")?;
            self.advance();
            let list = Box::new(self.expr()?);
            let predicate = if self.take_keyword("WHERE") { Some(Box::new(self.expr()?)) } else { None };
            if predicate.is_none() {
                return Err(self.expected("WHERE"));
            }
            self.expect_symbol(")")?;
            return Ok(Some(ExprKind::Quantified { kind, var, list, predicate }));
        }
        match word.as_str() {
            "reduce" if matches!(self.peek_at(2), TokenKind::Ident(..)) && self.is_symbol_at(3, "=") => {
                self.advance();
                self.advance();
                let accumulator = self.name("a variable")?;
                self.advance();
                let init = Box::new(self.expr()?);
                self.expect_symbol(",")?;
                let var = self.name("a variable")?;
                self.expect_keyword("IN")?;
                let list = Box::new(self.expr_before_bar()?);
                self.expect_symbol("|")?;
                let step = Box::new(self.expr()?);
                self.expect_symbol(")")?;
                Ok(Some(ExprKind::Reduce { accumulator, init, var, list, step }))
            }
            "filter" | "extract" if binds => {
                self.advance();
                self.advance();
                let var = self.name("a variable")?;
                self.advance();
                let list = Box::new(self.expr_before_bar()?);
                let filter = if self.take_keyword("WHERE") { Some(Box::new(self.expr_before_bar()?)) } else { None };
                let map = if self.take_symbol("|") { Some(Box::new(self.expr()?)) } else { None };
                self.expect_symbol(")")?;
                Ok(Some(ExprKind::ListComprehension { var, list, filter, map }))
            }
            "count" if self.is_symbol_at(2, "*") => {
                for _ in 0..3 {
                    self.advance();
                }
                self.expect_symbol(")")?;
                Ok(Some(ExprKind::CountStar))
            }
            _ => Ok(None),
        }
    }

    fn subquery_body(&mut self) -> Result<SubqueryBody> {
        let is_pattern =
            self.is_symbol_at(1, "(") || (matches!(self.peek_at(1), TokenKind::Ident(..)) && self.is_symbol_at(2, "="));
        if !is_pattern {
            return self.braced_query().map(SubqueryBody::Query);
        }
        self.expect_symbol("{")?;
        let body = self.nested(|parser| {
            let patterns = parser.patterns()?;
            let filter = if parser.take_keyword("WHERE") { Some(parser.expr()?) } else { None };
            Ok(SubqueryBody::Pattern { patterns, filter })
        })?;
        self.expect_symbol("}")?;
        Ok(body)
    }

    fn map_projection(&mut self) -> Result<ExprKind> {
        let var = self.name("a variable")?;
        self.expect_symbol("{")?;
        let mut items = Vec::new();
        if !self.take_symbol("}") {
            loop {
                if self.take_symbol(".") {
                    if self.take_symbol("*") {
                        items.push(MapProjectionItem::All);
                    } else {
                        items.push(MapProjectionItem::Property(self.name("a property key or \"*\"")?));
                    }
                } else {
                    let name = self.name("a map projection item")?;
                    if self.take_symbol(":") {
                        items.push(MapProjectionItem::Entry(name.text, self.expr()?));
                    } else {
                        items.push(MapProjectionItem::Variable(name));
                    }
                }
                if !self.take_symbol(",") {
                    break;
                }
            }
            self.expect_symbol("}")?;
        }
        Ok(ExprKind::MapProjection { var, items })
    }
}
