//! Aggregates of a projection, and what may stand beside them.

use super::*;
use crate::algebra::AggregateCall;
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

    pub(super) fn aggregate(&mut self, expr: &ast::Expr) -> Result<AggregateCall> {
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
        let bound = args
            .iter()
            .map(|arg| self.with_hint(DataType::Float8, arg).map(|bound| self.with_observed_type(bound)))
            .collect::<Result<Vec<_>>>();
        self.aggregation = outer;
        let bound = bound?;
        let volatile = |part: &ast::Expr| {
            matches!(&part.kind, ExprKind::Call { name, .. }
                if name.eq_ignore_ascii_case("rand") || name.eq_ignore_ascii_case("randomUUID"))
        };
        if let Some(arg) = args.iter().find(|arg| arg.any(&volatile)) {
            let message = "an aggregate cannot take a random argument";
            return Err(self.syntax("NonConstantExpression", message, arg.span));
        }
        let ty = match (aggregate.display, bound.first().map(Expr::ty)) {
            ("sum", Some(ty @ (DataType::Int8 | DataType::Float8))) => {
                // Of no rows the sum is the integer 0.
                if ty == DataType::Int8 { ty } else { DataType::Any }
            }
            ("min" | "max", Some(ty)) => ty,
            ("collect", Some(ty)) => DataType::array_of(ty),
            _ => aggregate.function.returns.clone(),
        };
        Ok(AggregateCall {
            function: aggregate.function.clone(),
            args: bound,
            distinct,
            filter: None,
            order_by: Vec::new(),
            ty,
        })
    }
}
