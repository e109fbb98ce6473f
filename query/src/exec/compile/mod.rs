//! Logical plans to physical ones: variables become positions.
//!
//! A variable that the inputs of an operator do not produce comes from the outer row. For every subplan (apply, merge,
//! subquery) the outer row is laid out anew: it holds exactly the variables the subplan reads from outside, so it is also
//! the key by which results may be shared.

mod details;
mod expr;
mod graph;
mod plan;
mod window;
mod write;

use std::sync::Arc;

use sinew_storage::{CancelToken, Transaction};

use super::expr::{ExprKind, PhysExpr};
use super::node::{Layout, Node, Physical};
use super::operators::project::ProjectPlan;
use super::run::RunSizes;
use crate::algebra::*;
use crate::error::{QueryError, Result};
use crate::optimizer::cardinality::Statistics;
use crate::sql::{IndexRules, StoredRules};

/// What an expression may refer to: columns of the row, then locals (innermost last).
pub(super) struct Scope<'s> {
    pub slots: &'s [VarId],
    pub locals: Vec<VarId>,
}

impl<'s> Scope<'s> {
    pub fn of(slots: &'s [VarId]) -> Scope<'s> {
        Scope { slots, locals: Vec::new() }
    }
}

/// LIMIT above a sort.
#[derive(Clone, Copy)]
pub(super) struct RowBound<'p> {
    pub skip: Option<&'p Expr>,
    pub limit: &'p Expr,
}

pub struct Compiler<'a> {
    vars: &'a VarTable,
    statistics: Statistics<'a>,
    sizes: RunSizes,
    /// The variables of the outer row, in its order.
    outer: Vec<VarId>,
    /// Rises with everything compiled that reads stored data.
    read_count: usize,
    /// The statement's own write is still to come.
    counting: bool,
    /// Expressions compiled so far.
    expr_count: usize,
    cancel: CancelToken,
}

/// Expressions compiled between two looks at the cancel token.
const EXPRESSIONS_PER_POLL: usize = 256;

/// Compiles a plan and says how many runtime slots it needs.
pub fn compile(plan: &Plan, vars: &VarTable, transaction: &Transaction) -> Result<(Arc<Node>, RunSizes)> {
    let mut compiler = Compiler::new(vars, transaction);
    let node = compiler.plan(plan)?;
    Ok((node, compiler.sizes))
}

/// Compiles a table's checks, over its row, and its defaults, apart from any plan.
pub fn compile_rules(
    rules: &StoredRules,
    transaction: &Transaction,
) -> Result<(Vec<(RowRule, PhysExpr)>, Vec<PhysExpr>, RunSizes)> {
    let mut compiler = Compiler::new(&rules.vars, transaction);
    let mut checks = Vec::with_capacity(rules.checks.len());
    for (rule, check) in &rules.checks {
        checks.push((rule.clone(), compiler.expr_over(check, &rules.row)?));
    }
    let defaults = compiler.exprs_over(&rules.defaults, &[])?;
    Ok((checks, defaults, compiler.sizes))
}

/// Compiles expressions over a row.
pub fn compile_expressions(
    exprs: &[Expr],
    vars: &VarTable,
    row: &[VarId],
    transaction: &Transaction,
) -> Result<(Vec<PhysExpr>, RunSizes)> {
    let mut compiler = Compiler::new(vars, transaction);
    let compiled = compiler.exprs_over(exprs, row)?;
    Ok((compiled, compiler.sizes))
}

/// Compiles an index's computed keys and its predicate, over its table's row.
pub fn compile_index(
    rules: &IndexRules,
    transaction: &Transaction,
) -> Result<(Vec<Option<PhysExpr>>, Option<PhysExpr>, RunSizes)> {
    let mut compiler = Compiler::new(&rules.vars, transaction);
    let mut keys = Vec::with_capacity(rules.keys.len());
    for key in &rules.keys {
        keys.push(key.as_ref().map(|key| compiler.expr_over(key, &rules.row)).transpose()?);
    }
    let predicate = rules.predicate.as_ref().map(|predicate| compiler.expr_over(predicate, &rules.row)).transpose()?;
    Ok((keys, predicate, compiler.sizes))
}

impl<'a> Compiler<'a> {
    fn new(vars: &'a VarTable, transaction: &'a Transaction) -> Compiler<'a> {
        Compiler {
            vars,
            expr_count: 0,
            cancel: transaction.cancel_token(),
            statistics: Statistics::new(transaction),
            sizes: RunSizes::default(),
            outer: Vec::new(),
            read_count: 0,
            counting: true,
        }
    }
}

impl Compiler<'_> {
    fn layout(&self, vars: Vec<VarId>) -> Arc<Layout> {
        let types = vars.iter().map(|var| self.vars.ty(*var).clone()).collect();
        Arc::new(Layout { vars, types })
    }

    fn node(
        &mut self,
        plan: &Plan,
        layout: Arc<Layout>,
        physical: Arc<dyn Physical>,
        writes: bool,
        reads_before: usize,
    ) -> Arc<Node> {
        let writes = writes || physical.children().iter().any(|child| child.writes);
        let id = self.sizes.node_count;
        self.sizes.node_count += 1;
        Arc::new(Node {
            id,
            layout,
            physical,
            estimated_rows: self.statistics.estimate(plan),
            writes,
            reads_store: self.read_count > reads_before,
            details: details::of_plan(plan, self.vars),
        })
    }

    fn unbound(&self, var: VarId) -> QueryError {
        let name = self.vars.info(var).name.clone();
        QueryError::internal(format!("variable {name} (#{}) is not bound where it is read", var.0))
    }

    /// Adds columns of the outer row to an input, for operators that address their input by slot.
    fn import(&mut self, node: Arc<Node>, wanted: &[VarId]) -> Result<Arc<Node>> {
        let mut missing: Vec<VarId> = Vec::new();
        for var in wanted {
            if node.layout.position(*var).is_none() && !missing.contains(var) {
                missing.push(*var);
            }
        }
        if missing.is_empty() {
            return Ok(node);
        }
        let mut items = Vec::with_capacity(missing.len());
        for var in &missing {
            let index = self.outer.iter().position(|known| known == var).ok_or_else(|| self.unbound(*var))?;
            items.push(PhysExpr { kind: ExprKind::Outer(index), ty: self.vars.ty(*var).clone(), constant: true });
        }
        let mut vars = node.layout.vars.clone();
        vars.extend(missing);
        let layout = self.layout(vars);
        let id = self.sizes.node_count;
        self.sizes.node_count += 1;
        let (estimated_rows, writes, reads_store) = (node.estimated_rows, node.writes, node.reads_store);
        let physical = Arc::new(ProjectPlan { input: node, items, extend: true });
        Ok(Arc::new(Node { id, layout, physical, estimated_rows, writes, reads_store, details: Vec::new() }))
    }

    /// Compiles a subplan with an outer row of its own; gives it with the expressions that fill that row.
    fn subplan(&mut self, plan: &Plan, scope: &mut Scope<'_>) -> Result<(Arc<Node>, Vec<PhysExpr>)> {
        let free: Vec<VarId> = crate::optimizer::visit::free_vars(plan).into_iter().collect();
        let args =
            free.iter().map(|var| self.column(*var, self.vars.ty(*var).clone(), scope)).collect::<Result<_>>()?;
        let outer = std::mem::replace(&mut self.outer, free);
        let node = self.plan(plan);
        self.outer = outer;
        Ok((node?, args))
    }
}
