//! shortestPath and allShortestPaths, and what a WHERE demands of them.
//!
//! `MATCH p = shortestPath((a)-[*]-(b)) WHERE …` asks for the shortest of the paths for which the condition holds, not for
//! the shortest path if it happens to hold. So the search gets the parts of the condition that concern the path:
//!
//! - what holds for all relationships or all nodes holds for each step, and the search takes only such steps;
//! - a bound of `length(p)` ends it;
//! - anything else is asked of each path found, shorter ones first, which may take long.
//!
//! The whole condition stays as a filter too: a path without steps still has a node.

use super::path::Chain;
use super::pattern::{BoundPath, BoundStep};
use super::scope::mentions;
use super::*;
use crate::algebra::visit::{is_volatile, vars_of};
use crate::algebra::{LengthBound, ShortestPath};
use ast::{CompareOp, ExprKind, PathPattern, PathStep, Quantifier, Shortest};

/// The name of a step in its conditions; no user can write it.
pub(super) const STEP: &str = "  step";

/// What a WHERE demands of a shortest path.
#[derive(Clone, Debug, Default)]
pub(super) struct Conditions {
    /// The path's name, if it has one.
    path: Option<Arc<str>>,
    /// What the condition says, and what it says of each step, which is called [`STEP`] there.
    steps: Vec<(ast::Expr, ast::Expr)>,
    /// Upper bounds of the length; whether each excludes its value.
    length_bounds: Vec<(ast::Expr, bool)>,
    /// Of the whole path.
    paths: Vec<ast::Expr>,
}

/// Adds the conditions on shortest paths that `filter` makes.
pub(super) fn add_conditions(paths: &mut [BoundPath], patterns: &[PathPattern], filter: Option<&ast::Expr>) {
    let Some(filter) = filter else { return };
    for (path, pattern) in paths.iter_mut().zip(patterns) {
        if pattern.shortest.is_none() {
            continue;
        }
        let relationships = pattern.steps.iter().find_map(|(step, _)| match step {
            PathStep::Relationship(relationship) => relationship.var.as_ref(),
            PathStep::Quantified(_) => None,
        });
        let names = Names {
            path: pattern.var.as_ref().map(|name| &*name.text),
            relationships: relationships.map(|name| &*name.text),
        };
        path.conditions.path = pattern.var.as_ref().map(|name| name.text.clone());
        collect(filter, &names, &mut path.conditions);
    }
}

/// What a condition may call a path and its relationships.
struct Names<'p> {
    path: Option<&'p str>,
    relationships: Option<&'p str>,
}

impl Names<'_> {
    fn in_expr(&self, expr: &ast::Expr) -> bool {
        self.path.iter().chain(&self.relationships).any(|name| mentions(expr, name))
    }

    fn is_path(&self, expr: &ast::Expr) -> bool {
        matches!(&expr.kind, ExprKind::Variable(name) if Some(&**name) == self.path)
    }

    /// Whether `expr` is a list of all the path's relationships.
    fn is_relationships(&self, expr: &ast::Expr) -> bool {
        match &expr.kind {
            ExprKind::Variable(name) => Some(&**name) == self.relationships,
            ExprKind::Call { name, args, .. } => {
                matches!(&*name.to_lowercase(), "relationships" | "rels")
                    && matches!(&args[..], [arg] if self.is_path(arg))
            }
            _ => false,
        }
    }

    fn is_length(&self, expr: &ast::Expr) -> bool {
        let ExprKind::Call { name, args, .. } = &expr.kind else { return false };
        match (&*name.to_lowercase(), &args[..]) {
            ("length", [arg]) => self.is_path(arg),
            ("size", [arg]) => self.is_relationships(arg),
            _ => false,
        }
    }

    /// What a list of all relationships or nodes of the path holds of one step.
    fn elements_of_step(&self, list: &ast::Expr) -> Option<ast::Expr> {
        let expr = |kind| ast::Expr { kind, span: list.span };
        let step = || expr(ExprKind::Variable(STEP.into()));
        if self.is_relationships(list) {
            return Some(expr(ExprKind::List(vec![step()])));
        }
        let ExprKind::Call { name, args, .. } = &list.kind else { return None };
        let end = |function: &str| expr(ExprKind::Call { name: function.into(), distinct: false, args: vec![step()] });
        let is_nodes = name.eq_ignore_ascii_case("nodes") && matches!(&args[..], [arg] if self.is_path(arg));
        is_nodes.then(|| expr(ExprKind::List(vec![end("startNode"), end("endNode")])))
    }

    /// Upper bounds of the length that a condition sets, whether each excludes its value, and whether the condition says
    /// no more than that.
    fn length_bounds(&self, condition: &ast::Expr) -> (Vec<(ast::Expr, bool)>, bool) {
        let ExprKind::Comparison(first, rest) = &condition.kind else { return (Vec::new(), false) };
        let mut bounds = Vec::new();
        let mut says_more = rest.len() > 1;
        let mut left = &**first;
        for (op, right) in rest {
            let (bound, exclusive) = match op {
                CompareOp::Less | CompareOp::LessEqual if self.is_length(left) => (right, *op == CompareOp::Less),
                CompareOp::Greater | CompareOp::GreaterEqual if self.is_length(right) => {
                    (left, *op == CompareOp::Greater)
                }
                CompareOp::Equal if self.is_length(left) || self.is_length(right) => {
                    says_more = true;
                    (if self.is_length(left) { right } else { left }, false)
                }
                _ => {
                    left = right;
                    continue;
                }
            };
            if !self.in_expr(bound) {
                bounds.push((bound.clone(), exclusive));
            }
            left = right;
        }
        let is_only_bound = !says_more && !bounds.is_empty();
        (bounds, is_only_bound)
    }
}

fn collect(filter: &ast::Expr, names: &Names<'_>, found: &mut Conditions) {
    match &filter.kind {
        ExprKind::And(items) => return items.iter().for_each(|item| collect(item, names, found)),
        ExprKind::Quantified {
            kind: kind @ (Quantifier::All | Quantifier::None),
            var,
            list,
            predicate: Some(predicate),
        } if !names.in_expr(predicate) => {
            if let Some(elements) = names.elements_of_step(list) {
                let (list, predicate) = (Box::new(elements), Some(predicate.clone()));
                let kind = ExprKind::Quantified { kind: *kind, var: var.clone(), list, predicate };
                return found.steps.push((filter.clone(), ast::Expr { kind, span: filter.span }));
            }
        }
        _ => {}
    }
    let (bounds, is_only_bound) = names.length_bounds(filter);
    found.length_bounds.extend(bounds);
    if !is_only_bound && names.in_expr(filter) {
        found.paths.push(filter.clone());
    }
}

impl Binder<'_> {
    pub(super) fn plan_shortest(&mut self, chain: Chain, path: &BoundPath, shortest: Shortest) -> Result<Chain> {
        let (from, to) = (&path.nodes[0], &path.nodes[1]);
        let BoundStep::Relationship(relationship) = &path.steps[0] else {
            return Err(QueryError::internal("a quantified path pattern in shortestPath"));
        };
        let chain = self.introduce(chain, from)?;
        let mut chain = self.introduce(chain, to)?;
        // What has a pattern inside cannot be asked of a step alone.
        let (steps, others): (Vec<_>, Vec<_>) =
            path.conditions.steps.iter().partition(|(_, step)| self.is_ready(step, &chain.bound));
        let steps: Vec<&ast::Expr> = steps.into_iter().map(|(_, step)| step).collect();
        let step_filter = self.step_filter(relationship, &steps)?;
        let mut length_bounds = Vec::new();
        for (bound, exclusive) in &path.conditions.length_bounds {
            if self.is_ready(bound, &chain.bound) {
                length_bounds.push(LengthBound { value: self.expr(bound)?, exclusive: *exclusive });
            }
        }
        length_bounds.retain(|bound| !is_volatile(&bound.value));
        let (min, max) = match relationship.length {
            Some(length) => (length.min.unwrap_or(1), length.max),
            None => (1, Some(1)),
        };
        let whole: Vec<&ast::Expr> =
            path.conditions.paths.iter().chain(others.into_iter().map(|(whole, _)| whole)).collect();
        let path_filter = self.path_filter(&path.conditions.path, &whole, relationship.var, &chain.bound)?;
        chain.bound.insert(relationship.var);
        chain.plan = Plan::ShortestPath(Box::new(ShortestPath {
            input: chain.plan,
            from: from.var,
            to: to.var,
            relationships: relationship.var,
            direction: Self::direction(relationship.arrow, true),
            types: relationship.types.clone(),
            min,
            max,
            all: shortest == Shortest::All,
            step_filter,
            path_filter,
            length_bounds,
        }));
        Ok(chain)
    }

    /// What must hold for the whole path and reads nothing else that is not bound yet.
    fn path_filter(
        &mut self,
        name: &Option<Arc<str>>,
        conditions: &[&ast::Expr],
        relationships: VarId,
        bound: &FxHashSet<VarId>,
    ) -> Result<Option<(VarId, Expr)>> {
        if conditions.is_empty() {
            return Ok(None);
        }
        let path = self.anonymous(DataType::Path);
        let scope = self.scope.clone();
        if let Some(name) = name {
            self.scope.insert(name.clone(), path);
        }
        let predicates: Result<Vec<Expr>> = conditions.iter().map(|condition| self.predicate(condition)).collect();
        self.scope = scope;
        let mut predicates = predicates?;
        predicates.retain(|predicate| {
            let vars = vars_of(predicate);
            let is_own = |var: &VarId| *var == path || *var == relationships;
            vars.iter().any(is_own)
                && vars.iter().all(|var| is_own(var) || bound.contains(var))
                && !is_volatile(predicate)
        });
        Ok((!predicates.is_empty()).then(|| (path, Expr::and(predicates))))
    }
}
