//! Expressions.

use sinew_storage::{DataType, Value};

use super::*;
use crate::exec::expr::{LiteralSet, PhysPathPart, PhysSubquery, PhysSubqueryKind, literal_set, same_key_class};
use crate::functions::Volatility;
use crate::optimizer::visit;

impl Compiler<'_> {
    /// An expression over the columns of an input.
    pub(super) fn expr_over(&mut self, expr: &Expr, slots: &[VarId]) -> Result<PhysExpr> {
        self.expr(expr, &mut Scope::of(slots))
    }

    pub(super) fn exprs_over<'e>(
        &mut self,
        exprs: impl IntoIterator<Item = &'e Expr>,
        slots: &[VarId],
    ) -> Result<Vec<PhysExpr>> {
        exprs.into_iter().map(|expr| self.expr_over(expr, slots)).collect()
    }

    pub(super) fn column(&self, var: VarId, ty: DataType, scope: &Scope<'_>) -> Result<PhysExpr> {
        if let Some(position) = scope.locals.iter().rposition(|local| *local == var) {
            return Ok(PhysExpr { kind: ExprKind::Local(scope.locals.len() - 1 - position), ty, constant: false });
        }
        if let Some(slot) = scope.slots.iter().position(|slot| *slot == var) {
            return Ok(PhysExpr { kind: ExprKind::Slot(slot), ty, constant: false });
        }
        let index = self.outer.iter().position(|known| *known == var).ok_or_else(|| self.unbound(var))?;
        Ok(PhysExpr { kind: ExprKind::Outer(index), ty, constant: true })
    }

    fn boxed(&mut self, expr: &Expr, scope: &mut Scope<'_>) -> Result<Box<PhysExpr>> {
        Ok(Box::new(self.expr(expr, scope)?))
    }

    fn many(&mut self, exprs: &[Expr], scope: &mut Scope<'_>) -> Result<Vec<PhysExpr>> {
        exprs.iter().map(|expr| self.expr(expr, scope)).collect()
    }

    /// Compiles with further locals, innermost last.
    fn with_locals<T>(
        &mut self,
        locals: &[VarId],
        scope: &mut Scope<'_>,
        compile: impl FnOnce(&mut Self, &mut Scope<'_>) -> Result<T>,
    ) -> Result<T> {
        scope.locals.extend(locals);
        let result = compile(self, scope);
        scope.locals.truncate(scope.locals.len() - locals.len());
        result
    }

    fn token_slot(&mut self) -> usize {
        self.sizes.token_count += 1;
        self.sizes.token_count - 1
    }

    pub(super) fn expr(&mut self, expr: &Expr, scope: &mut Scope<'_>) -> Result<PhysExpr> {
        self.expr_count += 1;
        if self.expr_count.is_multiple_of(EXPRESSIONS_PER_POLL) {
            self.cancel.check()?;
        }
        let ty = expr.ty();
        let mut constant_itself = true;
        let kind = match expr {
            Expr::Literal(value, _) => ExprKind::Literal(value.clone()),
            Expr::Column(var, ty) => return self.column(*var, ty.clone(), scope),
            Expr::Parameter(index, _) => ExprKind::Parameter(*index),
            Expr::Call { function, args, position, .. } => {
                constant_itself = function.volatility != Volatility::Volatile;
                ExprKind::Call { function: Arc::clone(function), args: self.many(args, scope)?, position: *position }
            }
            Expr::Cast { input, explicit, .. } => {
                ExprKind::Cast { input: self.boxed(input, scope)?, explicit: *explicit }
            }
            Expr::And(items) => ExprKind::And(self.many(items, scope)?),
            Expr::Or(items) => ExprKind::Or(self.many(items, scope)?),
            Expr::Not(input) => ExprKind::Not(self.boxed(input, scope)?),
            Expr::Xor(a, b) => ExprKind::Xor(self.boxed(a, scope)?, self.boxed(b, scope)?),
            Expr::IsNull(input) => ExprKind::IsNull(self.boxed(input, scope)?),
            Expr::IsNotDistinct(a, b) => ExprKind::IsNotDistinct(self.boxed(a, scope)?, self.boxed(b, scope)?),
            Expr::Case { branches, otherwise, .. } => ExprKind::Case {
                branches: branches
                    .iter()
                    .map(|(condition, value)| Ok((self.expr(condition, scope)?, self.expr(value, scope)?)))
                    .collect::<Result<_>>()?,
                otherwise: otherwise.as_ref().map(|otherwise| self.boxed(otherwise, scope)).transpose()?,
            },
            Expr::Coalesce(items, _) => ExprKind::Coalesce(self.many(items, scope)?),
            Expr::InList { equals, input, items, negated } => ExprKind::InList {
                equals: Arc::clone(equals),
                set: in_list_set(equals.name, &input.ty(), items),
                input: self.boxed(input, scope)?,
                items: self.many(items, scope)?,
                negated: *negated,
            },
            Expr::Quantified { operator, input, array, all } => ExprKind::Quantified {
                operator: Arc::clone(operator),
                input: self.boxed(input, scope)?,
                array: self.boxed(array, scope)?,
                all: *all,
            },
            Expr::List(items, _) => ExprKind::List(self.many(items, scope)?),
            Expr::Map(entries) => ExprKind::Map(
                entries
                    .iter()
                    .map(|(key, value)| Ok((Arc::clone(key), self.expr(value, scope)?)))
                    .collect::<Result<_>>()?,
            ),
            Expr::Property { input, key, .. } => {
                self.read_count += 1;
                ExprKind::Property {
                    input: self.boxed(input, scope)?,
                    key: Arc::clone(key),
                    token_slot: self.token_slot(),
                }
            }
            Expr::HasLabels { input, labels } => {
                self.read_count += 1;
                ExprKind::HasLabels {
                    input: self.boxed(input, scope)?,
                    labels: labels.iter().map(|label| (Arc::clone(label), self.token_slot())).collect(),
                }
            }
            Expr::ListComprehension { var, list, filter, map } => {
                let list = self.boxed(list, scope)?;
                let (filter, map) = self.with_locals(&[*var], scope, |compiler, scope| {
                    let filter = filter.as_ref().map(|filter| compiler.boxed(filter, scope)).transpose()?;
                    let map = map.as_ref().map(|map| compiler.boxed(map, scope)).transpose()?;
                    Ok((filter, map))
                })?;
                ExprKind::ListComprehension { list, filter, map }
            }
            Expr::ListPredicate { kind, var, list, predicate } => ExprKind::ListPredicate {
                kind: *kind,
                list: self.boxed(list, scope)?,
                predicate: self.with_locals(&[*var], scope, |compiler, scope| compiler.boxed(predicate, scope))?,
            },
            Expr::Reduce { accumulator, init, var, list, step } => ExprKind::Reduce {
                init: self.boxed(init, scope)?,
                list: self.boxed(list, scope)?,
                step: self.with_locals(&[*accumulator, *var], scope, |compiler, scope| compiler.boxed(step, scope))?,
            },
            Expr::Path(parts) => ExprKind::Path(
                parts
                    .iter()
                    .map(|part| {
                        Ok(match part {
                            PathPart::Node(var) => PhysPathPart::Node(self.column(*var, DataType::Node, scope)?),
                            PathPart::Relationship(var) => {
                                PhysPathPart::Relationship(self.column(*var, DataType::Relationship, scope)?)
                            }
                            PathPart::RelationshipList(var) => PhysPathPart::RelationshipList(self.column(
                                *var,
                                DataType::array_of(DataType::Relationship),
                                scope,
                            )?),
                        })
                    })
                    .collect::<Result<_>>()?,
            ),
            Expr::Subquery(subquery) => {
                self.read_count += 1;
                let (kind, cacheable) = self.subquery(subquery, scope)?;
                constant_itself = cacheable;
                ExprKind::Subquery(Box::new(kind))
            }
        };
        let mut expr = PhysExpr { kind, ty, constant: constant_itself };
        if constant_itself {
            let mut constant = true;
            expr.for_each_child(&mut |child| constant &= child.constant);
            expr.constant = constant;
        }
        Ok(expr)
    }

    fn subquery(&mut self, subquery: &Subquery, scope: &mut Scope<'_>) -> Result<(PhysSubquery, bool)> {
        let kind = match &subquery.kind {
            SubqueryKind::Exists => PhysSubqueryKind::Exists,
            SubqueryKind::Scalar => PhysSubqueryKind::Scalar,
            SubqueryKind::Collect => PhysSubqueryKind::Collect,
            SubqueryKind::Count => PhysSubqueryKind::Count,
            SubqueryKind::Any { operator, input } => {
                PhysSubqueryKind::Any { operator: Arc::clone(operator), input: self.expr(input, scope)? }
            }
            SubqueryKind::All { operator, input } => {
                PhysSubqueryKind::All { operator: Arc::clone(operator), input: self.expr(input, scope)? }
            }
        };
        let (plan, args) = self.subplan(&subquery.plan, scope)?;
        let column = match subquery.column {
            None => None,
            Some(var) => Some(plan.layout.position(var).ok_or_else(|| self.unbound(var))?),
        };
        let id = self.sizes.subquery_count;
        self.sizes.subquery_count += 1;
        // As in PostgreSQL, an uncorrelated subquery runs once even when it calls something volatile.
        let cacheable = args.is_empty() || !visit::plan_is_volatile(&subquery.plan);
        let compiled = PhysSubquery { id, kind, plan, column, args, cacheable };
        Ok((compiled, cacheable))
    }
}

/// The keys of the items, when all are literals of a type whose keys decide equality.
fn in_list_set(equals: &str, input: &DataType, items: &[Expr]) -> Option<LiteralSet> {
    if equals != "=" || items.len() < 4 {
        return None;
    }
    let mut values: Vec<Value> = Vec::with_capacity(items.len());
    for item in items {
        match item {
            Expr::Literal(value, ty) if value.is_null() || same_key_class(input, ty) => values.push(value.clone()),
            _ => return None,
        }
    }
    Some(literal_set(&values))
}
