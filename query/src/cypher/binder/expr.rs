//! Expressions.

use super::types::{common_nullable, element_type, may_be_boolean, never_a_number, type_name};
use super::*;
use crate::algebra::ListPredicateKind;
use ast::{BinaryOp, CompareOp, ExprKind, LabelExpr, MapProjectionItem, UnaryOp};

/// Expressions bound between two looks at the cancel token.
const EXPRESSIONS_PER_POLL: usize = 256;

impl Binder<'_> {
    /// A condition: patterns may stand in it; its type may be boolean.
    pub(super) fn predicate(&mut self, expr: &ast::Expr) -> Result<Expr> {
        self.patterns_allowed = true;
        let bound = self.expr(expr);
        self.patterns_allowed = false;
        let bound = bound?;
        self.require_boolean(&bound, expr.span)?;
        Ok(bound)
    }

    /// A condition as its conjuncts.
    pub(super) fn conjuncts(&mut self, expr: &ast::Expr) -> Result<Vec<Expr>> {
        match &expr.kind {
            ExprKind::And(items) if self.replacements.is_empty() => {
                let mut conjuncts = Vec::with_capacity(items.len());
                for item in items {
                    conjuncts.extend(self.conjuncts(item)?);
                }
                Ok(conjuncts)
            }
            _ => Ok(vec![self.predicate(expr)?]),
        }
    }

    fn require_boolean(&self, expr: &Expr, span: Span) -> Result<()> {
        let ty = self.static_type(expr);
        if may_be_boolean(&ty) {
            return Ok(());
        }
        let message = format!("expected a BOOLEAN, got {}", type_name(&ty));
        Err(self.syntax("InvalidArgumentType", message, span))
    }

    fn logical(&mut self, items: &[ast::Expr], patterns_allowed: bool) -> Result<Vec<Expr>> {
        let mut bound = Vec::with_capacity(items.len());
        for item in items {
            self.patterns_allowed = patterns_allowed;
            let operand = self.expr(item)?;
            self.require_boolean(&operand, item.span)?;
            bound.push(operand);
        }
        self.patterns_allowed = false;
        Ok(bound)
    }

    pub(super) fn expr(&mut self, expr: &ast::Expr) -> Result<Expr> {
        self.bound_count += 1;
        if self.bound_count.is_multiple_of(EXPRESSIONS_PER_POLL) {
            self.context.session.activity.cancel_token().check()?;
        }
        let patterns_allowed = std::mem::replace(&mut self.patterns_allowed, false);
        if !self.replacements.is_empty()
            && let Some(found) = self.replacements.iter().find(|replacement| replacement.expr == *expr)
        {
            return Ok(self.column(found.var));
        }
        match &expr.kind {
            ExprKind::Null => Ok(Expr::null(DataType::Any)),
            ExprKind::Bool(value) => Ok(Expr::bool(*value)),
            ExprKind::Int(value) => Ok(int_literal(*value)),
            ExprKind::Float(value) => Ok(Expr::Literal(Value::Float(*value), DataType::Float8)),
            ExprKind::String(value) => Ok(Expr::Literal(Value::Text(value.clone()), DataType::Text)),
            ExprKind::Parameter(parameter) => self.parameter(parameter, expr.span),
            ExprKind::Variable(name) => Ok(self.column(self.lookup(name, expr.span)?)),
            ExprKind::List(items) => {
                let items = items.iter().map(|item| self.expr(item)).collect::<Result<Vec<_>>>()?;
                let types: Vec<DataType> = items.iter().map(Expr::ty).collect();
                Ok(Expr::List(items, DataType::array_of(types::common(&types))))
            }
            ExprKind::Map(entries) => self.map(entries),
            ExprKind::Property(input, key) => self.property(input, key),
            ExprKind::HasLabels(input, labels) => {
                let bound = self.expr(input)?;
                let ty = self.static_type(&bound);
                if !matches!(ty, DataType::Any | DataType::Node | DataType::Relationship) {
                    let message = format!("a label predicate expected a NODE, got {}", type_name(&ty));
                    return Err(self.syntax("InvalidArgumentType", message, input.span));
                }
                self.label_predicate(&bound, labels)
            }
            ExprKind::Index(input, index) => {
                let input = self.with_hint(DataType::Any, input)?;
                let hint = match input.ty() {
                    DataType::Node | DataType::Relationship | DataType::Map => DataType::Text,
                    DataType::Array(_) => DataType::Int8,
                    _ => DataType::Any,
                };
                let index = self.with_hint(hint, index)?;
                Ok(typed_operator_call("[]", vec![input, index], self.position(expr.span)))
            }
            ExprKind::Slice(input, from, to) => {
                let input = self.with_hint(DataType::Any, input)?;
                let mut bound = |bound: &Option<Box<ast::Expr>>, default: i64| match bound {
                    Some(bound) => self.with_hint(DataType::Int8, bound),
                    None => Ok(int_literal(default)),
                };
                let (from, to) = (bound(from, 0)?, bound(to, i64::MAX)?);
                Ok(typed_operator_call("[..]", vec![input, from, to], self.position(expr.span)))
            }
            ExprKind::Unary(op, input) => {
                let bound = self.with_hint(DataType::Float8, input)?;
                let ty = self.static_type(&bound);
                let symbol = if *op == UnaryOp::Minus { "negate" } else { "positive" };
                self.require_number(if *op == UnaryOp::Minus { "-" } else { "+" }, &ty, input.span)?;
                Ok(typed_operator_call(symbol, vec![bound], self.position(expr.span)))
            }
            ExprKind::Binary(op, left, right) => self.binary(*op, left, right, expr.span),
            ExprKind::Comparison(first, rest) => self.comparison(first, rest),
            ExprKind::And(items) => Ok(Expr::And(self.logical(items, patterns_allowed)?)),
            ExprKind::Or(items) => Ok(Expr::Or(self.logical(items, patterns_allowed)?)),
            ExprKind::Xor(items) => {
                let mut items = self.logical(items, patterns_allowed)?;
                // Neighbours are paired, level by level: a chain would make the tree as deep as the list is long.
                while items.len() > 1 {
                    let mut pairs = Vec::with_capacity(items.len().div_ceil(2));
                    let mut rest = items.into_iter();
                    while let Some(left) = rest.next() {
                        pairs.push(match rest.next() {
                            Some(right) => Expr::Xor(Box::new(left), Box::new(right)),
                            None => left,
                        });
                    }
                    items = pairs;
                }
                Ok(items.pop().unwrap_or_else(|| Expr::bool(false)))
            }
            ExprKind::Not(input) => {
                let mut bound = self.logical(std::slice::from_ref(&**input), patterns_allowed)?;
                Ok(Expr::Not(Box::new(bound.remove(0))))
            }
            ExprKind::IsNull(input, negated) => {
                let test = Expr::IsNull(Box::new(self.expr(input)?));
                Ok(if *negated { Expr::Not(Box::new(test)) } else { test })
            }
            ExprKind::IsTyped(input, ty, negated) => {
                let args = vec![self.with_hint(DataType::Any, input)?];
                let function = functions::type_test(ty.clone());
                let test = Expr::Call { function, args, ty: DataType::Bool, position: None };
                Ok(if *negated { Expr::Not(Box::new(test)) } else { test })
            }
            ExprKind::IsNormalized(input, form, negated) => {
                let args = vec![self.with_hint(DataType::Text, input)?, text_literal(form)];
                let test = operator_call("is normalized", args, DataType::Bool, self.position(expr.span));
                Ok(if *negated { Expr::Not(Box::new(test)) } else { test })
            }
            ExprKind::CaseOperand => {
                self.case_operand.clone().ok_or_else(|| QueryError::internal("a condition of CASE outside of it"))
            }
            ExprKind::CountStar => Err(self.misplaced_aggregate("count(*)", expr.span)),
            ExprKind::Call { name, distinct, args } => self.call(name, *distinct, args, expr.span),
            ExprKind::Case { operand, branches, otherwise } => {
                self.case(operand.as_deref(), branches, otherwise.as_deref())
            }
            ExprKind::ListComprehension { var, list, filter, map } => {
                let list = self.list(list)?;
                self.no_aggregates(filter.iter().chain(map).map(|part| &**part))?;
                let element = element_type(&self.static_type(&list));
                self.with_local(var, element, |binder, var| {
                    let filter = filter.as_ref().map(|filter| binder.predicate(filter)).transpose()?;
                    let map = map.as_ref().map(|map| binder.expr(map)).transpose()?;
                    let (filter, map) = (filter.map(Box::new), map.map(Box::new));
                    Ok(Expr::ListComprehension { var, list: Box::new(list), filter, map })
                })
            }
            ExprKind::Quantified { kind, var, list, predicate } => {
                let list = self.list(list)?;
                self.no_aggregates(predicate.iter().map(|part| &**part))?;
                let kind = match kind {
                    ast::Quantifier::All => ListPredicateKind::All,
                    ast::Quantifier::Any => ListPredicateKind::Any,
                    ast::Quantifier::None => ListPredicateKind::None,
                    ast::Quantifier::Single => ListPredicateKind::Single,
                };
                let element = element_type(&self.static_type(&list));
                self.with_local(var, element, |binder, var| {
                    let predicate = match predicate {
                        Some(predicate) => binder.predicate(predicate)?,
                        None => binder.column(var),
                    };
                    Ok(Expr::ListPredicate { kind, var, list: Box::new(list), predicate: Box::new(predicate) })
                })
            }
            ExprKind::Reduce { accumulator, init, var, list, step } => {
                let init = self.expr(init)?;
                let list = self.list(list)?;
                self.no_aggregates([&**step])?;
                let element = element_type(&self.static_type(&list));
                self.with_local(accumulator, DataType::Any, |binder, accumulator| {
                    binder.with_local(var, element, |binder, var| {
                        let step = Box::new(binder.expr(step)?);
                        Ok(Expr::Reduce { accumulator, init: Box::new(init), var, list: Box::new(list), step })
                    })
                })
            }
            ExprKind::PatternComprehension { pattern, filter, map } => {
                self.pattern_comprehension(pattern, filter.as_deref(), map)
            }
            ExprKind::Pattern(pattern) => self.pattern_expr(pattern, patterns_allowed, expr.span),
            ExprKind::Exists(body) => self.exists(body),
            ExprKind::Count(body) => self.count_subquery(body),
            ExprKind::Collect(body) => self.collect_subquery(body, expr.span),
            ExprKind::MapProjection { var, items } => self.map_projection(var, items),
        }
    }

    /// Where a list is expected.
    pub(super) fn list(&mut self, expr: &ast::Expr) -> Result<Expr> {
        self.with_hint(DataType::array_of(DataType::Any), expr)
    }

    /// Binds an expression; if it is a parameter of unknown type, it is taken to have `hint`.
    pub(super) fn with_hint(&mut self, hint: DataType, expr: &ast::Expr) -> Result<Expr> {
        if matches!(expr.kind, ExprKind::Parameter(_)) {
            self.parameter_hint = Some(hint);
        }
        let bound = self.expr(expr);
        self.parameter_hint = None;
        bound
    }

    pub(super) fn no_aggregates<'e>(&self, parts: impl IntoIterator<Item = &'e ast::Expr>) -> Result<()> {
        match parts.into_iter().find(|part| aggregation::contains_aggregate(part)) {
            None => Ok(()),
            Some(part) => {
                let message = "an aggregate cannot be used inside a comprehension or a quantifier";
                Err(self.syntax("InvalidAggregation", message, part.span))
            }
        }
    }

    fn map(&mut self, entries: &[(Arc<str>, ast::Expr)]) -> Result<Expr> {
        let bound = entries.iter().map(|(key, value)| Ok((key.clone(), self.expr(value)?)));
        bound.collect::<Result<Vec<_>>>().map(Expr::Map)
    }

    fn property(&mut self, input: &ast::Expr, key: &ast::Name) -> Result<Expr> {
        let bound = self.with_hint(DataType::Any, input)?;
        let ty = self.static_type(&bound);
        let message = format!("cannot read property \"{}\" of a value of type {}", key.text, type_name(&ty));
        match ty {
            DataType::Path => return Err(self.syntax("InvalidArgumentType", message, input.span)),
            DataType::Bool | DataType::Int8 | DataType::Float8 | DataType::Text | DataType::Array(_) => {
                return Err(self.at(errors::compile("TypeError", "InvalidArgumentType", message), input.span));
            }
            DataType::Node | DataType::Relationship => self.check_property_key(&key.text),
            _ => {}
        }
        let ty = match ty {
            DataType::Temporal(kind) => temporal::component_type(kind, &key.text),
            _ => DataType::Any,
        };
        Ok(Expr::Property { input: Box::new(bound), key: key.text.clone(), ty })
    }

    /// `input:labels` as a predicate.
    pub(super) fn label_predicate(&mut self, input: &Expr, labels: &LabelExpr) -> Result<Expr> {
        let of_node = input.ty() == DataType::Node;
        if let Some(names) = labels.conjunction() {
            for name in &names {
                match input.ty() {
                    DataType::Node => self.check_label(&name.text),
                    DataType::Relationship => self.check_relationship_type(&name.text),
                    _ => {}
                }
            }
            let labels = names.iter().map(|name| name.text.clone()).collect();
            return Ok(Expr::HasLabels { input: Box::new(input.clone()), labels });
        }
        Ok(match labels {
            LabelExpr::And(parts) => Expr::And(self.label_predicates_of(input, parts)?),
            LabelExpr::Or(parts) => Expr::Or(self.label_predicates_of(input, parts)?),
            LabelExpr::Not(part) => Expr::Not(Box::new(self.label_predicate(input, part)?)),
            LabelExpr::Dynamic { labels, any } => {
                let names = self.with_hint(DataType::Any, labels)?;
                let symbol = if *any { "has any label" } else { "has all labels" };
                operator_call(symbol, vec![input.clone(), names], DataType::Bool, self.position(labels.span))
            }
            LabelExpr::Wildcard(_) | LabelExpr::Label(_) if of_node => {
                let size = function_call("size", vec![function_call("labels", vec![input.clone()])]);
                operator_call(">", vec![size, int_literal(0)], DataType::Bool, None)
            }
            LabelExpr::Wildcard(_) | LabelExpr::Label(_) => {
                operator_call("has a label", vec![input.clone()], DataType::Bool, None)
            }
        })
    }

    fn label_predicates_of(&mut self, input: &Expr, parts: &[LabelExpr]) -> Result<Vec<Expr>> {
        parts.iter().map(|part| self.label_predicate(input, part)).collect()
    }

    fn require_number(&self, symbol: &str, ty: &DataType, span: Span) -> Result<()> {
        if never_a_number(ty) {
            let message = format!("operator {symbol} expected a number, got {}", type_name(ty));
            return Err(self.syntax("InvalidArgumentType", message, span));
        }
        Ok(())
    }

    fn binary(&mut self, op: BinaryOp, left: &ast::Expr, right: &ast::Expr, span: Span) -> Result<Expr> {
        let symbol = match op {
            BinaryOp::Add => "+",
            BinaryOp::Subtract => "-",
            BinaryOp::Multiply => "*",
            BinaryOp::Divide => "/",
            BinaryOp::Modulo => "%",
            BinaryOp::Power => "^",
            BinaryOp::Concatenate => "||",
            BinaryOp::In => "in",
            BinaryOp::StartsWith => "starts with",
            BinaryOp::EndsWith => "ends with",
            BinaryOp::Contains => "contains",
            BinaryOp::Matches => "=~",
        };
        let (left_bound, right_bound) = match op {
            BinaryOp::In => {
                if matches!(right.kind, ExprKind::Parameter(_)) && !matches!(left.kind, ExprKind::Parameter(_)) {
                    let left = self.expr(left)?;
                    // A list of anything may come as an array or as json; of strings both are read.
                    let hint = match self.hint_of(&left) {
                        DataType::Text | DataType::Any => DataType::Any,
                        other => other,
                    };
                    (left, self.with_hint(DataType::array_of(hint), right)?)
                } else {
                    let list = self.list(right)?;
                    let hint = match element_type(&self.type_by_observation(&mut list.clone())) {
                        DataType::Any => DataType::Text,
                        DataType::Temporal(kind) => kind.sql_type(),
                        other => other,
                    };
                    (self.with_hint(hint, left)?, list)
                }
            }
            _ => self.pair(left, right)?,
        };
        let (left_ty, right_ty) = (self.static_type(&left_bound), self.static_type(&right_bound));
        match op {
            BinaryOp::Subtract | BinaryOp::Multiply | BinaryOp::Divide | BinaryOp::Modulo | BinaryOp::Power => {
                self.require_number(symbol, &left_ty, left.span)?;
                self.require_number(symbol, &right_ty, right.span)?;
            }
            BinaryOp::Concatenate => {
                for (ty, operand) in [(&left_ty, left), (&right_ty, right)] {
                    if !matches!(ty, DataType::Text | DataType::Any | DataType::Array(_)) {
                        let message = format!("operator || expected a STRING or LIST, got {}", type_name(ty));
                        return Err(self.syntax("InvalidArgumentType", message, operand.span));
                    }
                }
            }
            BinaryOp::In if !matches!(right_ty, DataType::Any | DataType::Array(_)) => {
                let message = format!("IN expected a LIST, got {}", type_name(&right_ty));
                return Err(self.syntax("InvalidArgumentType", message, right.span));
            }
            _ => {}
        }
        if matches!(op, BinaryOp::Add | BinaryOp::Subtract)
            && let Some(sum) = temporal::constant_sum(symbol, &left_bound, &right_bound)
        {
            return Ok(sum);
        }
        Ok(typed_operator_call(symbol, vec![left_bound, right_bound], self.position(span)))
    }

    /// Both operands; a parameter takes its type from the other side.
    fn pair(&mut self, left: &ast::Expr, right: &ast::Expr) -> Result<(Expr, Expr)> {
        if matches!(left.kind, ExprKind::Parameter(_)) {
            let right = self.expr(right)?;
            let hint = self.hint_of(&right);
            return Ok((self.with_hint(hint, left)?, right));
        }
        let left = self.expr(left)?;
        let hint = self.hint_of(&left);
        let right = self.with_hint(hint, right)?;
        Ok((left, right))
    }

    /// The type that a value compared with `expr` most likely has.
    pub(super) fn hint_of(&self, expr: &Expr) -> DataType {
        match self.type_by_observation(&mut expr.clone()) {
            types::NUMBER => DataType::Float8,
            DataType::Any | DataType::Unknown | DataType::Node | DataType::Relationship | DataType::Path => {
                DataType::Text
            }
            DataType::Array(_) => DataType::array_of(DataType::Any),
            DataType::Map => DataType::Any,
            DataType::Temporal(kind) => kind.sql_type(),
            other => other,
        }
    }

    fn comparison(&mut self, first: &ast::Expr, rest: &[(CompareOp, ast::Expr)]) -> Result<Expr> {
        let mut conjuncts = Vec::with_capacity(rest.len());
        let mut left_ast = first;
        for (op, right_ast) in rest {
            let symbol = match op {
                CompareOp::Equal => "=",
                CompareOp::NotEqual => "<>",
                CompareOp::Less => "<",
                CompareOp::LessEqual => "<=",
                CompareOp::Greater => ">",
                CompareOp::GreaterEqual => ">=",
            };
            let is_null = |operand: &ast::Expr| operand.kind == ExprKind::Null;
            if matches!(op, CompareOp::Equal | CompareOp::NotEqual) && (is_null(left_ast) || is_null(right_ast)) {
                self.notice_null_comparison(symbol);
            }
            let (left, right) = self.pair(left_ast, right_ast)?;
            conjuncts.push(operator_call(symbol, vec![left, right], DataType::Bool, None));
            left_ast = right_ast;
        }
        Ok(Expr::and(conjuncts))
    }

    fn case(
        &mut self,
        operand: Option<&ast::Expr>,
        branches: &[(ast::Expr, ast::Expr)],
        otherwise: Option<&ast::Expr>,
    ) -> Result<Expr> {
        let Some(operand) = operand else { return self.case_branches(None, branches, otherwise) };
        let bound = self.expr(operand)?;
        let is_plain = match &bound {
            Expr::Literal(..) | Expr::Parameter(..) | Expr::Column(..) => true,
            Expr::Property { input, .. } => matches!(**input, Expr::Column(..)),
            _ => false,
        };
        if is_plain {
            return self.case_branches(Some(bound), branches, otherwise);
        }
        // The operand is computed once, whatever it costs and however random it is: `[operand IN [operand] | CASE …][0]`.
        let name = ast::Name { text: "  case".into(), span: operand.span };
        let ty = self.static_type(&bound);
        let list = Expr::List(vec![bound], DataType::array_of(ty.clone()));
        self.with_local(&name, ty, |binder, var| {
            let column = binder.column(var);
            let case = binder.case_branches(Some(column), branches, otherwise)?;
            let ty = binder.static_type(&case);
            let map = Some(Box::new(case));
            let computed = Expr::ListComprehension { var, list: Box::new(list), filter: None, map };
            Ok(operator_call("only element", vec![computed], ty, None))
        })
    }

    fn case_branches(
        &mut self,
        operand: Option<Expr>,
        branches: &[(ast::Expr, ast::Expr)],
        otherwise: Option<&ast::Expr>,
    ) -> Result<Expr> {
        let mut bound = Vec::with_capacity(branches.len());
        for (condition, value) in branches {
            let outer = std::mem::replace(&mut self.case_operand, operand.clone());
            let condition = self.predicate(condition);
            self.case_operand = outer;
            let value = self.alternative(bound.iter().map(|(_, other)| other), value)?;
            bound.push((condition?, value));
        }
        let results = bound.iter().map(|(_, result)| result);
        let otherwise = otherwise.map(|otherwise| self.alternative(results, otherwise)).transpose()?;
        let ty = common_nullable(bound.iter().map(|(_, value)| value).chain(&otherwise));
        Ok(Expr::Case { branches: bound, otherwise: otherwise.map(Box::new), ty })
    }

    /// A value that may stand for any of `others`: a parameter takes the type that is certain about the first of them.
    pub(super) fn alternative<'e>(
        &mut self,
        others: impl IntoIterator<Item = &'e Expr>,
        value: &ast::Expr,
    ) -> Result<Expr> {
        let is_parameter = matches!(value.kind, ExprKind::Parameter(_));
        let typed = |other: &&Expr| is_parameter && self.type_by_observation(&mut (*other).clone()) != DataType::Any;
        match others.into_iter().find(typed).map(|other| self.hint_of(other)) {
            Some(hint) => self.with_hint(hint, value),
            None => self.expr(value),
        }
    }

    fn map_projection(&mut self, var: &ast::Name, items: &[MapProjectionItem]) -> Result<Expr> {
        let source = self.column(self.lookup(&var.text, var.span)?);
        let ty = self.static_type(&source);
        if !matches!(ty, DataType::Any | DataType::Node | DataType::Relationship | DataType::Map) {
            let message = format!("a map projection expected a node, relationship or map, got {}", type_name(&ty));
            return Err(self.syntax("InvalidArgumentType", message, var.span));
        }
        let mut entries: Vec<(Arc<str>, Expr)> = Vec::new();
        let mut all = false;
        for item in items {
            let (key, value) = match item {
                MapProjectionItem::All => {
                    all = true;
                    continue;
                }
                MapProjectionItem::Property(key) => {
                    let input = Box::new(source.clone());
                    (key.text.clone(), Expr::Property { input, key: key.text.clone(), ty: DataType::Any })
                }
                MapProjectionItem::Entry(key, value) => (key.clone(), self.expr(value)?),
                MapProjectionItem::Variable(name) => {
                    (name.text.clone(), self.column(self.lookup(&name.text, name.span)?))
                }
            };
            entries.push((key, value));
        }
        let entries = ast::last_of_equal_keys(entries);
        let map = Expr::Map(entries);
        let value = if all {
            let properties = function_call("properties", vec![source.clone()]);
            operator_call("merge maps", vec![properties, map], DataType::Map, None)
        } else {
            map
        };
        let is_null = Expr::IsNull(Box::new(source));
        Ok(Expr::Case {
            branches: vec![(is_null, Expr::null(DataType::Map))],
            otherwise: Some(Box::new(value)),
            ty: DataType::Map,
        })
    }
}
