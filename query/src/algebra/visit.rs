//! Walking plans and expressions: what a node consists of here, what that says about it in the modules below.

mod properties;
mod variables;

pub use properties::*;
pub use variables::*;

use super::*;

/// The plans directly below (those inside expressions and graph writes are not among them).
pub fn inputs(plan: &Plan) -> Vec<&Plan> {
    match plan {
        Plan::Unit
        | Plan::Values { .. }
        | Plan::Supplied { .. }
        | Plan::TableScan(_)
        | Plan::SearchScan(_)
        | Plan::NodeScan { .. }
        | Plan::PropertyIndexSeek { .. }
        | Plan::NodeByIdSeek { .. }
        | Plan::RelationshipScan { .. }
        | Plan::FunctionScan { .. }
        | Plan::CteScan { .. } => Vec::new(),
        Plan::Expand(expand) => vec![&expand.input],
        Plan::VarLengthExpand(expand) => vec![&expand.input],
        Plan::ShortestPath(path) => vec![&path.input],
        Plan::RepeatPath(repeat) => vec![&repeat.input, &repeat.body],
        Plan::Window(window) => vec![&window.input],
        Plan::GroupingSets(sets) => vec![&sets.input],
        Plan::Filter { input, .. }
        | Plan::Project { input, .. }
        | Plan::Extend { input, .. }
        | Plan::Aggregate { input, .. }
        | Plan::Sort { input, .. }
        | Plan::Limit { input, .. }
        | Plan::LimitTies { input, .. }
        | Plan::LockRows { input, .. }
        | Plan::Distinct { input, .. }
        | Plan::Unwind { input, .. }
        | Plan::GraphWrite { input, .. }
        | Plan::Foreach { input, .. }
        | Plan::ProcedureCall { input, .. }
        | Plan::Discard { input } => vec![input],
        Plan::Join { left, right, .. } | Plan::SetOperation { left, right, .. } => vec![left, right],
        Plan::Apply { input, subplan, .. } => vec![input, subplan],
        Plan::With { definition, body, .. } => vec![definition, body],
        Plan::RecursiveWith { base, recursive, body, .. } => vec![base, recursive, body],
        Plan::Insert(insert) => vec![&insert.source],
        Plan::Update(update) => vec![&update.source],
        Plan::Delete(delete) => vec![&delete.source],
        Plan::Merge { input, matching, .. } => vec![input, matching],
    }
}

/// As [`inputs`], to change them.
pub fn inputs_mut(plan: &mut Plan) -> Vec<&mut Plan> {
    match plan {
        Plan::Unit
        | Plan::Values { .. }
        | Plan::Supplied { .. }
        | Plan::TableScan(_)
        | Plan::SearchScan(_)
        | Plan::NodeScan { .. }
        | Plan::PropertyIndexSeek { .. }
        | Plan::NodeByIdSeek { .. }
        | Plan::RelationshipScan { .. }
        | Plan::FunctionScan { .. }
        | Plan::CteScan { .. } => Vec::new(),
        Plan::Expand(expand) => vec![&mut expand.input],
        Plan::VarLengthExpand(expand) => vec![&mut expand.input],
        Plan::ShortestPath(path) => vec![&mut path.input],
        Plan::RepeatPath(repeat) => vec![&mut repeat.input, &mut repeat.body],
        Plan::Window(window) => vec![&mut window.input],
        Plan::GroupingSets(sets) => vec![&mut sets.input],
        Plan::Filter { input, .. }
        | Plan::Project { input, .. }
        | Plan::Extend { input, .. }
        | Plan::Aggregate { input, .. }
        | Plan::Sort { input, .. }
        | Plan::Limit { input, .. }
        | Plan::LimitTies { input, .. }
        | Plan::LockRows { input, .. }
        | Plan::Distinct { input, .. }
        | Plan::Unwind { input, .. }
        | Plan::GraphWrite { input, .. }
        | Plan::Foreach { input, .. }
        | Plan::ProcedureCall { input, .. }
        | Plan::Discard { input } => vec![input],
        Plan::Join { left, right, .. } | Plan::SetOperation { left, right, .. } => vec![left, right],
        Plan::Apply { input, subplan, .. } => vec![input, subplan],
        Plan::With { definition, body, .. } => vec![definition, body],
        Plan::RecursiveWith { base, recursive, body, .. } => vec![base, recursive, body],
        Plan::Insert(insert) => vec![&mut insert.source],
        Plan::Update(update) => vec![&mut update.source],
        Plan::Delete(delete) => vec![&mut delete.source],
        Plan::Merge { input, matching, .. } => vec![input, matching],
    }
}

/// The expressions of a graph write, its body's included, with the plans of inner MERGEs.
pub fn graph_write_parts<'p>(operations: &'p [GraphWrite], exprs: &mut Vec<&'p Expr>, plans: &mut Vec<&'p Plan>) {
    for operation in operations {
        match operation {
            GraphWrite::CreateNode { properties, .. } => exprs.extend(properties),
            GraphWrite::CreateRelationship { ty, properties, .. } => {
                exprs.push(ty);
                exprs.extend(properties);
            }
            GraphWrite::SetProperty { entity, value, .. } | GraphWrite::SetProperties { entity, value, .. } => {
                exprs.push(entity);
                exprs.push(value);
            }
            GraphWrite::SetLabels { entity, labels } | GraphWrite::RemoveLabels { entity, labels } => {
                exprs.push(entity);
                exprs.push(labels);
            }
            GraphWrite::RemoveProperty { entity, .. } => exprs.push(entity),
            GraphWrite::Delete { values, .. } => exprs.extend(values),
            GraphWrite::Bind { value, .. } => exprs.push(value),
            GraphWrite::Foreach { list, body, .. } => {
                exprs.push(list);
                graph_write_parts(body, exprs, plans);
            }
            GraphWrite::Merge { matching, create, on_create, on_match } => {
                plans.push(matching);
                graph_write_parts(create, exprs, plans);
                graph_write_parts(on_create, exprs, plans);
                graph_write_parts(on_match, exprs, plans);
            }
        }
    }
}

/// As [`graph_write_parts`], to change expressions.
pub fn for_each_graph_write_expr_mut(operations: &mut [GraphWrite], visit: &mut dyn FnMut(&mut Expr)) {
    for operation in operations {
        match operation {
            GraphWrite::CreateNode { properties, .. } => properties.iter_mut().for_each(&mut *visit),
            GraphWrite::CreateRelationship { ty, properties, .. } => {
                visit(ty);
                properties.iter_mut().for_each(&mut *visit);
            }
            GraphWrite::SetProperty { entity, value, .. } | GraphWrite::SetProperties { entity, value, .. } => {
                visit(entity);
                visit(value);
            }
            GraphWrite::SetLabels { entity, labels } | GraphWrite::RemoveLabels { entity, labels } => {
                visit(entity);
                visit(labels);
            }
            GraphWrite::RemoveProperty { entity, .. } => visit(entity),
            GraphWrite::Delete { values, .. } => values.iter_mut().for_each(&mut *visit),
            GraphWrite::Bind { value, .. } => visit(value),
            GraphWrite::Foreach { list, body, .. } => {
                visit(list);
                for_each_graph_write_expr_mut(body, visit);
            }
            GraphWrite::Merge { create, on_create, on_match, .. } => {
                for_each_graph_write_expr_mut(create, visit);
                for_each_graph_write_expr_mut(on_create, visit);
                for_each_graph_write_expr_mut(on_match, visit);
            }
        }
    }
}

/// The plan's own expressions.
pub fn own_exprs(plan: &Plan) -> Vec<&Expr> {
    let mut out: Vec<&Expr> = Vec::new();
    match plan {
        Plan::Values { rows, .. } => out.extend(rows.iter().flatten()),
        Plan::TableScan(scan) => {
            if let Some(access) = &scan.access {
                out.extend(&access.equal);
                out.extend(access.any.iter().flat_map(AnyOf::exprs));
                out.extend(access.lower.iter().chain(&access.upper).map(|(expr, _)| expr));
            }
        }
        Plan::SearchScan(scan) => {
            out.push(&scan.query);
            out.extend(&scan.limit);
        }
        Plan::PropertyIndexSeek { lookup, .. } => out.extend(lookup.exprs()),
        Plan::NodeByIdSeek { value, .. } => out.push(value),
        Plan::VarLengthExpand(expand) => out.extend(expand.step_filter.iter().map(|(_, filter)| filter)),
        Plan::ShortestPath(path) => {
            out.extend(path.step_filter.iter().chain(&path.path_filter).map(|(_, filter)| filter));
            out.extend(path.length_bounds.iter().map(|bound| &bound.value));
        }
        Plan::FunctionScan { args, .. } | Plan::ProcedureCall { args, .. } => out.extend(args),
        Plan::Filter { predicate, .. } => out.push(predicate),
        Plan::Project { items, .. } | Plan::Extend { items, .. } => out.extend(items.iter().map(|(_, expr)| expr)),
        Plan::Join { on, .. } => out.extend(on),
        Plan::Aggregate { groups, aggregates, .. } => {
            out.extend(groups.iter().map(|(_, expr)| expr));
            for (_, call) in aggregates {
                out.extend(&call.args);
                out.extend(&call.filter);
                out.extend(call.order_by.iter().map(|key| &key.expr));
            }
        }
        Plan::Window(window) => out.extend(window.exprs()),
        Plan::GroupingSets(sets) => out.extend(sets.keys.iter().map(|(_, key)| key)),
        Plan::LimitTies { keys, skip, limit, .. } => {
            out.extend(keys.iter().map(|key| &key.expr));
            out.extend(skip.iter().chain([limit]));
        }
        Plan::Sort { keys, .. } => out.extend(keys.iter().map(|key| &key.expr)),
        Plan::Limit { skip, limit, .. } => out.extend(skip.iter().chain(limit)),
        Plan::Distinct { on, .. } => out.extend(on.iter().flatten()),
        Plan::Unwind { list, .. } => out.push(list),
        Plan::Insert(insert) => {
            out.extend(&insert.values);
            out.extend(insert.checks.iter().map(|(_, check)| check));
            if let Some(update) = insert.on_conflict.as_ref().and_then(|conflict| conflict.update.as_ref()) {
                out.extend(update.assignments.iter().map(|(_, value)| value));
                out.extend(&update.filter);
            }
            out.extend(insert.returning.iter().map(|(_, expr)| expr));
        }
        Plan::Update(update) => {
            out.extend(update.assignments.iter().map(|(_, value)| value));
            out.extend(update.checks.iter().map(|(_, check)| check));
            out.extend(update.returning.iter().map(|(_, expr)| expr));
        }
        Plan::Delete(delete) => out.extend(delete.returning.iter().map(|(_, expr)| expr)),
        Plan::GraphWrite { operations, .. } => graph_write_parts(operations, &mut out, &mut Vec::new()),
        Plan::Merge { create, on_create, on_match, .. } => {
            for operations in [create, on_create, on_match] {
                graph_write_parts(operations, &mut out, &mut Vec::new());
            }
        }
        Plan::Foreach { list, body, .. } => {
            out.push(list);
            graph_write_parts(body, &mut out, &mut Vec::new());
        }
        Plan::Unit
        | Plan::Supplied { .. }
        | Plan::NodeScan { .. }
        | Plan::RelationshipScan { .. }
        | Plan::Expand(_)
        | Plan::RepeatPath(_)
        | Plan::Apply { .. }
        | Plan::SetOperation { .. }
        | Plan::With { .. }
        | Plan::RecursiveWith { .. }
        | Plan::CteScan { .. }
        | Plan::LockRows { .. }
        | Plan::Discard { .. } => {}
    }
    out
}

/// As [`own_exprs`], to change them.
pub fn for_each_own_expr_mut(plan: &mut Plan, visit: &mut dyn FnMut(&mut Expr)) {
    match plan {
        Plan::Values { rows, .. } => rows.iter_mut().flatten().for_each(visit),
        Plan::TableScan(scan) => {
            if let Some(access) = &mut scan.access {
                access.equal.iter_mut().for_each(&mut *visit);
                access.any.iter_mut().flat_map(AnyOf::exprs_mut).for_each(&mut *visit);
                access.lower.iter_mut().chain(&mut access.upper).for_each(|(expr, _)| visit(expr));
            }
        }
        Plan::SearchScan(scan) => {
            visit(&mut scan.query);
            if let Some(limit) = &mut scan.limit {
                visit(limit);
            }
        }
        Plan::PropertyIndexSeek { lookup, .. } => lookup.exprs_mut().for_each(visit),
        Plan::NodeByIdSeek { value, .. } => visit(value),
        Plan::VarLengthExpand(expand) => {
            if let Some((_, filter)) = &mut expand.step_filter {
                visit(filter);
            }
        }
        Plan::ShortestPath(path) => {
            path.step_filter.iter_mut().chain(&mut path.path_filter).for_each(|(_, filter)| visit(filter));
            path.length_bounds.iter_mut().for_each(|bound| visit(&mut bound.value));
        }
        Plan::FunctionScan { args, .. } | Plan::ProcedureCall { args, .. } => args.iter_mut().for_each(visit),
        Plan::Filter { predicate, .. } => visit(predicate),
        Plan::Project { items, .. } | Plan::Extend { items, .. } => items.iter_mut().for_each(|(_, expr)| visit(expr)),
        Plan::Join { on, .. } => on.iter_mut().for_each(visit),
        Plan::Aggregate { groups, aggregates, .. } => {
            groups.iter_mut().for_each(|(_, expr)| visit(expr));
            for (_, call) in aggregates {
                call.args.iter_mut().for_each(&mut *visit);
                if let Some(filter) = &mut call.filter {
                    visit(filter);
                }
                call.order_by.iter_mut().for_each(|key| visit(&mut key.expr));
            }
        }
        Plan::Window(window) => window.exprs_mut().into_iter().for_each(visit),
        Plan::GroupingSets(sets) => sets.keys.iter_mut().for_each(|(_, key)| visit(key)),
        Plan::LimitTies { keys, skip, limit, .. } => {
            keys.iter_mut().for_each(|key| visit(&mut key.expr));
            skip.iter_mut().chain([limit]).for_each(visit);
        }
        Plan::Sort { keys, .. } => keys.iter_mut().for_each(|key| visit(&mut key.expr)),
        Plan::Limit { skip, limit, .. } => skip.iter_mut().chain(limit).for_each(visit),
        Plan::Distinct { on, .. } => on.iter_mut().flatten().for_each(visit),
        Plan::Unwind { list, .. } => visit(list),
        Plan::Insert(insert) => {
            insert.values.iter_mut().for_each(&mut *visit);
            insert.checks.iter_mut().for_each(|(_, check)| visit(check));
            if let Some(update) = insert.on_conflict.as_mut().and_then(|conflict| conflict.update.as_mut()) {
                update.assignments.iter_mut().for_each(|(_, value)| visit(value));
                if let Some(filter) = &mut update.filter {
                    visit(filter);
                }
            }
            insert.returning.iter_mut().for_each(|(_, expr)| visit(expr));
        }
        Plan::Update(update) => {
            update.assignments.iter_mut().for_each(|(_, value)| visit(value));
            update.checks.iter_mut().for_each(|(_, check)| visit(check));
            update.returning.iter_mut().for_each(|(_, expr)| visit(expr));
        }
        Plan::Delete(delete) => delete.returning.iter_mut().for_each(|(_, expr)| visit(expr)),
        Plan::GraphWrite { operations, .. } => for_each_graph_write_expr_mut(operations, visit),
        Plan::Merge { create, on_create, on_match, .. } => {
            for operations in [create, on_create, on_match] {
                for_each_graph_write_expr_mut(operations, visit);
            }
        }
        Plan::Foreach { list, body, .. } => {
            visit(list);
            for_each_graph_write_expr_mut(body, visit);
        }
        Plan::Unit
        | Plan::Supplied { .. }
        | Plan::NodeScan { .. }
        | Plan::RelationshipScan { .. }
        | Plan::Expand(_)
        | Plan::RepeatPath(_)
        | Plan::Apply { .. }
        | Plan::SetOperation { .. }
        | Plan::With { .. }
        | Plan::RecursiveWith { .. }
        | Plan::CteScan { .. }
        | Plan::LockRows { .. }
        | Plan::Discard { .. } => {}
    }
}

/// Direct operands of an expression; a subquery's plan is not among them, its `input` is.
pub fn children(expr: &Expr) -> Vec<&Expr> {
    match expr {
        Expr::Literal(..) | Expr::Column(..) | Expr::Parameter(..) | Expr::Path(_) => Vec::new(),
        Expr::Call { args, .. } => args.iter().collect(),
        Expr::Cast { input, .. }
        | Expr::Not(input)
        | Expr::IsNull(input)
        | Expr::Property { input, .. }
        | Expr::HasLabels { input, .. } => vec![input],
        Expr::And(items) | Expr::Or(items) | Expr::Coalesce(items, _) | Expr::List(items, _) => items.iter().collect(),
        Expr::Xor(a, b) | Expr::IsNotDistinct(a, b) => vec![a, b],
        Expr::Case { branches, otherwise, .. } => {
            branches.iter().flat_map(|(condition, value)| [condition, value]).chain(otherwise.as_deref()).collect()
        }
        Expr::InList { input, items, .. } => std::iter::once(&**input).chain(items).collect(),
        Expr::Quantified { input, array, .. } => vec![input, array],
        Expr::Map(entries) => entries.iter().map(|(_, value)| value).collect(),
        Expr::ListComprehension { list, filter, map, .. } => {
            std::iter::once(&**list).chain(filter.as_deref()).chain(map.as_deref()).collect()
        }
        Expr::ListPredicate { list, predicate, .. } => vec![list, predicate],
        Expr::Reduce { init, list, step, .. } => vec![init, list, step],
        Expr::Subquery(subquery) => match &subquery.kind {
            SubqueryKind::Any { input, .. } | SubqueryKind::All { input, .. } => vec![input],
            _ => Vec::new(),
        },
    }
}

/// As [`children`], to change them.
pub fn children_mut(expr: &mut Expr) -> Vec<&mut Expr> {
    match expr {
        Expr::Literal(..) | Expr::Column(..) | Expr::Parameter(..) | Expr::Path(_) => Vec::new(),
        Expr::Call { args, .. } => args.iter_mut().collect(),
        Expr::Cast { input, .. }
        | Expr::Not(input)
        | Expr::IsNull(input)
        | Expr::Property { input, .. }
        | Expr::HasLabels { input, .. } => vec![input],
        Expr::And(items) | Expr::Or(items) | Expr::Coalesce(items, _) | Expr::List(items, _) => {
            items.iter_mut().collect()
        }
        Expr::Xor(a, b) | Expr::IsNotDistinct(a, b) => vec![a, b],
        Expr::Case { branches, otherwise, .. } => branches
            .iter_mut()
            .flat_map(|(condition, value)| [condition, value])
            .chain(otherwise.as_deref_mut())
            .collect(),
        Expr::InList { input, items, .. } => std::iter::once(&mut **input).chain(items).collect(),
        Expr::Quantified { input, array, .. } => vec![input, array],
        Expr::Map(entries) => entries.iter_mut().map(|(_, value)| value).collect(),
        Expr::ListComprehension { list, filter, map, .. } => {
            std::iter::once(&mut **list).chain(filter.as_deref_mut()).chain(map.as_deref_mut()).collect()
        }
        Expr::ListPredicate { list, predicate, .. } => vec![list, predicate],
        Expr::Reduce { init, list, step, .. } => vec![init, list, step],
        Expr::Subquery(subquery) => match &mut subquery.kind {
            SubqueryKind::Any { input, .. } | SubqueryKind::All { input, .. } => vec![input],
            _ => Vec::new(),
        },
    }
}

impl Expr {
    /// Calls `visit` on each subquery's plan, at any depth of this expression (not inside those plans).
    pub fn for_each_plan(&mut self, visit: &mut dyn FnMut(&mut Plan)) {
        if let Expr::Subquery(subquery) = self {
            visit(&mut subquery.plan);
        }
        for child in children_mut(self) {
            child.for_each_plan(visit);
        }
    }

    /// Replaces columns for which `by` gives an expression. The expression must hold no subquery.
    pub fn substitute(&mut self, by: &dyn Fn(VarId) -> Option<Expr>) {
        debug_assert!(!matches!(self, Expr::Subquery(_)), "columns inside plans are not replaced");
        if let Expr::Column(var, _) = self {
            if let Some(replacement) = by(*var) {
                *self = replacement;
            }
            return;
        }
        for child in children_mut(self) {
            child.substitute(by);
        }
    }

    /// The conjuncts of a conjunction, flattened.
    pub fn conjuncts(self) -> Vec<Expr> {
        match self {
            Expr::And(parts) => parts.into_iter().flat_map(Expr::conjuncts).collect(),
            Expr::Literal(sinew_storage::Value::Bool(true), _) => Vec::new(),
            other => vec![other],
        }
    }
}
