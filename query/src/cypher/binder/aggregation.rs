//! Aggregates of a projection, and what may stand beside them.

use super::observed::Refined;
use super::projection::MAX_COLUMNS;
use super::*;
use crate::algebra::AggregateCall;
use crate::error::sqlstate;
use ast::ExprKind;

pub(super) fn is_aggregate(expr: &ast::Expr) -> bool {
    match &expr.kind {
        ExprKind::CountStar => true,
        ExprKind::Call { name, .. } => functions::aggregate(name).is_some(),
        _ => false,
    }
}

pub(super) fn contains_aggregate(expr: &ast::Expr) -> bool {
    expr.any(&is_aggregate)
}

/// `variable` or `variable.key.key`: such a grouping key may be used inside an aggregating expression.
pub(super) fn is_simple_key(expr: &ast::Expr) -> bool {
    match &expr.kind {
        ExprKind::Variable(_) => true,
        ExprKind::Property(input, _) => is_simple_key(input),
        _ => false,
    }
}

impl Binder<'_> {
    /// The outermost aggregates of `expr`, each once.
    pub(super) fn collect_aggregates(&self, expr: &ast::Expr, found: &mut Vec<ast::Expr>) -> Result<()> {
        if is_aggregate(expr) {
            if !found.contains(expr) {
                if found.len() >= MAX_COLUMNS {
                    let message = format!("a projection has at most {MAX_COLUMNS} different aggregates");
                    return Err(self.at(QueryError::new(sqlstate::STATEMENT_TOO_COMPLEX, message), expr.span));
                }
                found.push(expr.clone());
            }
            return Ok(());
        }
        match &expr.kind {
            ExprKind::ListComprehension { filter, map, .. } => {
                self.no_aggregates(filter.iter().chain(map).map(|part| &**part))?;
            }
            ExprKind::Quantified { predicate, .. } => self.no_aggregates(predicate.iter().map(|part| &**part))?,
            ExprKind::Reduce { step, .. } => self.no_aggregates([&**step])?,
            ExprKind::PatternComprehension { filter, map, .. } => {
                self.no_aggregates(filter.iter().map(|part| &**part).chain([&**map]))?;
            }
            _ => {}
        }
        let mut result = Ok(());
        expr.for_each_child(&mut |child| {
            if result.is_ok() {
                result = self.collect_aggregates(child, found);
            }
        });
        result
    }

    /// The call, and what is known of its value.
    pub(super) fn aggregate(&mut self, expr: &ast::Expr) -> Result<(AggregateCall, Refined)> {
        let no_args = Vec::new();
        let (name, distinct, args) = match &expr.kind {
            ExprKind::Call { name, distinct, args } => (&**name, *distinct, args),
            _ => ("count", false, &no_args),
        };
        let Some(aggregate) = functions::aggregate(name) else {
            return Err(QueryError::internal(format!("{name} is no aggregate")));
        };
        if !matches!(expr.kind, ExprKind::CountStar) {
            self.check_count(aggregate.display, args.len(), aggregate.args, aggregate.args, expr.span)?;
        }
        let outer = std::mem::replace(&mut self.aggregation, Aggregation::Forbidden("NestedAggregation"));
        let bound = args.iter().map(|arg| self.with_hint(DataType::Float8, arg)).collect::<Result<Vec<_>>>();
        self.aggregation = outer;
        let mut bound = bound?;
        let refined: Vec<Refined> = bound.iter_mut().map(|arg| self.refine(arg)).collect();
        let volatile = |part: &ast::Expr| {
            matches!(&part.kind, ExprKind::Call { name, .. }
                if name.eq_ignore_ascii_case("rand") || name.eq_ignore_ascii_case("randomUUID"))
        };
        if let Some(arg) = args.iter().find(|arg| arg.any(&volatile)) {
            let message = "an aggregate cannot take a random argument";
            return Err(self.syntax("NonConstantExpression", message, arg.span));
        }
        let first = refined.first().map(|arg| &arg.ty);
        let is_number = first.is_some_and(types::is_number);
        let ty = match (aggregate.display, first) {
            ("sum", Some(DataType::Int8)) => DataType::Int8,
            // Of no rows the sum is the integer 0.
            ("sum", _) if is_number => types::NUMBER,
            ("avg", _) if is_number => DataType::Float8,
            ("min" | "max", Some(ty)) => ty.clone(),
            ("percentileDisc", Some(ty)) if is_number => ty.clone(),
            ("collect", Some(ty)) => DataType::array_of(types::own(ty)),
            _ => aggregate.function.returns.clone(),
        };
        let call = AggregateCall {
            function: aggregate.function.clone(),
            args: bound,
            distinct,
            filter: None,
            order_by: Vec::new(),
            ty: types::own(&ty),
        };
        let is_observed = refined.iter().any(|arg| arg.is_observed);
        Ok((call, Refined { ty, is_observed }))
    }
}
