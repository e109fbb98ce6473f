//! What a plan or an expression does besides giving rows or a value.

use super::*;

/// Whether an expression calls anything volatile, its subqueries included.
pub fn is_volatile(expr: &Expr) -> bool {
    let own = match expr {
        Expr::Call { function, .. } => function.volatility == crate::functions::Volatility::Volatile,
        Expr::InList { equals, .. } => equals.volatility == crate::functions::Volatility::Volatile,
        Expr::Subquery(subquery) => plan_is_volatile(&subquery.plan),
        _ => false,
    };
    own || children(expr).into_iter().any(is_volatile)
}

/// Whether running a plan twice on one snapshot may give different rows, or has effects.
pub fn plan_is_volatile(plan: &Plan) -> bool {
    let own = match plan {
        Plan::Supplied { .. } => true,
        Plan::FunctionScan { function, .. } => function.writes() || function.outside_transaction(),
        _ => writes_itself(plan),
    };
    own || own_exprs(plan).into_iter().any(is_volatile) || inputs(plan).into_iter().any(plan_is_volatile)
}

/// Whether an operator writes, whatever its inputs do.
fn writes_itself(plan: &Plan) -> bool {
    match plan {
        Plan::Insert(_)
        | Plan::Update(_)
        | Plan::Delete(_)
        | Plan::GraphWrite { .. }
        | Plan::Merge { .. }
        | Plan::Foreach { .. } => true,
        Plan::ProcedureCall { procedure, .. } => procedure.writes() || procedure.outside_transaction(),
        _ => false,
    }
}

/// Whether a plan writes anything, in its subqueries too.
pub fn plan_writes(plan: &Plan) -> bool {
    any_plan(plan, &writes_itself)
}

/// Whether a plan locks rows, in its subqueries too.
pub fn plan_locks_rows(plan: &Plan) -> bool {
    any_plan(plan, &|plan| matches!(plan, Plan::LockRows { .. }))
}

/// Whether `holds` of a plan or one below it, those of subqueries included.
fn any_plan(plan: &Plan, holds: &dyn Fn(&Plan) -> bool) -> bool {
    fn of_expr(expr: &Expr, holds: &dyn Fn(&Plan) -> bool) -> bool {
        let own = matches!(expr, Expr::Subquery(subquery) if any_plan(&subquery.plan, holds));
        own || children(expr).into_iter().any(|child| of_expr(child, holds))
    }
    holds(plan)
        || own_exprs(plan).into_iter().any(|expr| of_expr(expr, holds))
        || inputs(plan).into_iter().any(|input| any_plan(input, holds))
}

/// Whether a plan reads a CTE defined outside of it.
pub fn reads_outer_cte(plan: &Plan) -> bool {
    fn walk(plan: &Plan, defined: &mut Vec<CteId>) -> bool {
        match plan {
            Plan::CteScan { cte, .. } => return !defined.contains(cte),
            Plan::With { cte, definition, body, .. } => {
                if walk(definition, defined) {
                    return true;
                }
                defined.push(*cte);
                let found = walk(body, defined);
                defined.pop();
                return found;
            }
            Plan::RecursiveWith { cte, .. } => {
                defined.push(*cte);
                let found = inputs(plan).into_iter().any(|input| walk(input, defined));
                defined.pop();
                return found;
            }
            _ => {}
        }
        let mut found = inputs(plan).into_iter().any(|input| walk(input, defined));
        for expr in own_exprs(plan) {
            found = found || expr_walk(expr, defined);
        }
        found
    }
    fn expr_walk(expr: &Expr, defined: &mut Vec<CteId>) -> bool {
        if let Expr::Subquery(subquery) = expr
            && walk(&subquery.plan, defined)
        {
            return true;
        }
        children(expr).into_iter().any(|child| expr_walk(child, defined))
    }
    walk(plan, &mut Vec::new())
}

impl Expr {
    /// Gives another answer each time, or does something.
    pub fn is_volatile(&self) -> bool {
        is_volatile(self)
    }

    /// Contains a subquery.
    pub fn has_subquery(&self) -> bool {
        matches!(self, Expr::Subquery(_)) || children(self).into_iter().any(Expr::has_subquery)
    }
}
