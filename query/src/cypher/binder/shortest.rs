//! Conditions of a WHERE that a shortest path must satisfy step by step.
//!
//! `MATCH p = shortestPath((a)-[*]-(b)) WHERE all(r IN relationships(p) WHERE r.open)` asks for the shortest of the paths
//! that are open, not for the shortest path if it happens to be. What holds for all relationships or all nodes of a path
//! holds for each of its steps, so the search takes only such steps. The condition itself stays as a filter too: a path
//! without steps still has a node.

use super::pattern::BoundPath;
use super::scope::mentions;
use super::*;
use ast::{ExprKind, PathPattern, Quantifier};

/// The name of a step in its conditions; no user can write it.
pub(super) const STEP: &str = "  step";

/// Adds the conditions on the steps of shortest paths that `filter` makes.
pub(super) fn add_step_conditions(paths: &mut [BoundPath], patterns: &[PathPattern], filter: Option<&ast::Expr>) {
    let Some(filter) = filter else { return };
    for (path, pattern) in paths.iter_mut().zip(patterns) {
        if let (Some(_), Some(name)) = (pattern.shortest, &pattern.var) {
            collect(filter, &name.text, &mut path.step_conditions);
        }
    }
}

fn collect(filter: &ast::Expr, path: &str, found: &mut Vec<ast::Expr>) {
    match &filter.kind {
        ExprKind::And(items) => items.iter().for_each(|item| collect(item, path, found)),
        ExprKind::Quantified {
            kind: kind @ (Quantifier::All | Quantifier::None),
            var,
            list,
            predicate: Some(predicate),
        } if !mentions(predicate, path) => {
            if let Some(elements) = elements_of_step(list, path) {
                let (list, predicate) = (Box::new(elements), Some(predicate.clone()));
                let kind = ExprKind::Quantified { kind: *kind, var: var.clone(), list, predicate };
                found.push(ast::Expr { kind, span: filter.span });
            }
        }
        _ => {}
    }
}

/// What `relationships(path)` or `nodes(path)` holds of one step.
fn elements_of_step(list: &ast::Expr, path: &str) -> Option<ast::Expr> {
    let ExprKind::Call { name, args, .. } = &list.kind else { return None };
    if !matches!(&args[..], [ast::Expr { kind: ExprKind::Variable(variable), .. }] if **variable == *path) {
        return None;
    }
    let expr = |kind| ast::Expr { kind, span: list.span };
    let step = || expr(ExprKind::Variable(STEP.into()));
    let end = |function: &str| expr(ExprKind::Call { name: function.into(), distinct: false, args: vec![step()] });
    match name.to_lowercase().as_str() {
        "relationships" | "rels" => Some(expr(ExprKind::List(vec![step()]))),
        "nodes" => Some(expr(ExprKind::List(vec![end("startNode"), end("endNode")]))),
        _ => None,
    }
}
