//! Walking plans and expressions: inputs, own expressions, variables produced and read.

use std::collections::BTreeSet;

use super::*;

pub type VarSet = BTreeSet<VarId>;

/// The plans directly below (those inside expressions and graph writes are not among them).
pub fn inputs(plan: &Plan) -> Vec<&Plan> {
    match plan {
        Plan::Unit
        | Plan::Values { .. }
        | Plan::Supplied { .. }
        | Plan::TableScan(_)
        | Plan::SearchScan(_)
        | Plan::NodeScan { .. }
        | Plan::NodeIndexSeek { .. }
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
        | Plan::NodeIndexSeek { .. }
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
            GraphWrite::CreateNode { properties, .. } | GraphWrite::CreateRelationship { properties, .. } => {
                exprs.extend(properties);
            }
            GraphWrite::SetProperty { entity, value, .. } | GraphWrite::SetProperties { entity, value, .. } => {
                exprs.push(entity);
                exprs.push(value);
            }
            GraphWrite::SetLabels { entity, .. }
            | GraphWrite::RemoveProperty { entity, .. }
            | GraphWrite::RemoveLabels { entity, .. } => exprs.push(entity),
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
            GraphWrite::CreateNode { properties, .. } | GraphWrite::CreateRelationship { properties, .. } => {
                if let Some(properties) = properties {
                    visit(properties);
                }
            }
            GraphWrite::SetProperty { entity, value, .. } | GraphWrite::SetProperties { entity, value, .. } => {
                visit(entity);
                visit(value);
            }
            GraphWrite::SetLabels { entity, .. }
            | GraphWrite::RemoveProperty { entity, .. }
            | GraphWrite::RemoveLabels { entity, .. } => visit(entity),
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
        Plan::NodeIndexSeek { value, .. } | Plan::NodeByIdSeek { value, .. } => out.push(value),
        Plan::VarLengthExpand(expand) => out.extend(expand.step_filter.iter().map(|(_, filter)| filter)),
        Plan::ShortestPath(path) => out.extend(path.step_filter.iter().map(|(_, filter)| filter)),
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
        Plan::NodeIndexSeek { value, .. } | Plan::NodeByIdSeek { value, .. } => visit(value),
        Plan::VarLengthExpand(expand) => {
            if let Some((_, filter)) = &mut expand.step_filter {
                visit(filter);
            }
        }
        Plan::ShortestPath(path) => {
            if let Some((_, filter)) = &mut path.step_filter {
                visit(filter);
            }
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

/// Adds the variables an expression reads (its own comprehension variables excepted).
pub fn expr_vars(expr: &Expr, out: &mut VarSet) {
    match expr {
        Expr::Column(var, _) => {
            out.insert(*var);
        }
        Expr::Path(parts) => out.extend(parts.iter().map(|part| match part {
            PathPart::Node(var) | PathPart::Relationship(var) | PathPart::RelationshipList(var) => *var,
        })),
        Expr::ListComprehension { var, .. } | Expr::ListPredicate { var, .. } => {
            let mut inner = VarSet::new();
            children(expr).into_iter().for_each(|child| expr_vars(child, &mut inner));
            inner.remove(var);
            out.extend(inner);
        }
        Expr::Reduce { accumulator, var, .. } => {
            let mut inner = VarSet::new();
            children(expr).into_iter().for_each(|child| expr_vars(child, &mut inner));
            inner.remove(var);
            inner.remove(accumulator);
            out.extend(inner);
        }
        Expr::Subquery(subquery) => {
            children(expr).into_iter().for_each(|child| expr_vars(child, out));
            out.extend(free_vars(&subquery.plan));
        }
        _ => children(expr).into_iter().for_each(|child| expr_vars(child, out)),
    }
}

pub fn vars_of(expr: &Expr) -> VarSet {
    let mut out = VarSet::new();
    expr_vars(expr, &mut out);
    out
}

/// Variables that operations bind at their own level.
pub fn created_vars(operations: &[GraphWrite], out: &mut Vec<VarId>) {
    for operation in operations {
        let var = match operation {
            GraphWrite::CreateNode { var, .. }
            | GraphWrite::CreateRelationship { var, .. }
            | GraphWrite::Bind { var, .. } => *var,
            GraphWrite::Merge { matching, create, .. } => {
                for var in output_vars(matching) {
                    if !out.contains(&var) {
                        out.push(var);
                    }
                }
                created_vars(create, out);
                continue;
            }
            _ => continue,
        };
        if !out.contains(&var) {
            out.push(var);
        }
    }
}

/// The columns of a plan, in order.
pub fn output_vars(plan: &Plan) -> Vec<VarId> {
    fn extended(mut vars: Vec<VarId>, added: impl IntoIterator<Item = VarId>) -> Vec<VarId> {
        for var in added {
            if !vars.contains(&var) {
                vars.push(var);
            }
        }
        vars
    }
    match plan {
        Plan::Unit | Plan::Discard { .. } => Vec::new(),
        Plan::Values { output, .. } | Plan::Supplied { output } | Plan::CteScan { output, .. } => output.clone(),
        Plan::TableScan(scan) => extended(scan.columns.iter().map(|(_, var)| *var).collect(), scan.row_id),
        Plan::SearchScan(scan) => {
            extended(scan.columns.iter().map(|(_, var)| *var).collect(), scan.row_id.into_iter().chain(scan.score))
        }
        Plan::NodeScan { var, .. }
        | Plan::NodeIndexSeek { var, .. }
        | Plan::NodeByIdSeek { var, .. }
        | Plan::RelationshipScan { var, .. } => vec![*var],
        Plan::Expand(expand) => extended(output_vars(&expand.input), [expand.relationship, expand.to]),
        Plan::VarLengthExpand(expand) => extended(output_vars(&expand.input), [expand.relationships, expand.to]),
        Plan::ShortestPath(path) => extended(output_vars(&path.input), [path.relationships]),
        Plan::RepeatPath(repeat) => extended(output_vars(&repeat.input), repeat.added()),
        Plan::FunctionScan { output, ordinality, .. } => extended(output.clone(), *ordinality),
        Plan::Filter { input, .. }
        | Plan::Sort { input, .. }
        | Plan::Limit { input, .. }
        | Plan::LimitTies { input, .. }
        | Plan::LockRows { input, .. }
        | Plan::Distinct { input, .. }
        | Plan::Foreach { input, .. } => output_vars(input),
        Plan::Project { items, .. } => items.iter().map(|(var, _)| *var).collect(),
        Plan::Extend { input, items } => extended(output_vars(input), items.iter().map(|(var, _)| *var)),
        Plan::Join { kind: JoinKind::Semi | JoinKind::Anti, left, .. } => output_vars(left),
        Plan::Join { left, right, .. } => extended(output_vars(left), output_vars(right)),
        Plan::Apply { kind: ApplyKind::Semi | ApplyKind::Anti, input, .. } => output_vars(input),
        Plan::Apply { input, subplan, .. } => extended(output_vars(input), output_vars(subplan)),
        Plan::Aggregate { groups, aggregates, .. } => {
            groups.iter().map(|(var, _)| *var).chain(aggregates.iter().map(|(var, _)| *var)).collect()
        }
        Plan::GroupingSets(sets) => {
            let keys = sets.keys.iter().map(|(var, _)| *var);
            extended(output_vars(&sets.input), keys.chain([sets.number]).chain(sets.counted))
        }
        Plan::Window(window) => extended(output_vars(&window.input), window.calls.iter().map(|(var, _)| *var)),
        Plan::SetOperation { output, .. } => output.clone(),
        Plan::Unwind { input, var, .. } => extended(output_vars(input), [*var]),
        Plan::With { body, .. } | Plan::RecursiveWith { body, .. } => output_vars(body),
        Plan::Insert(insert) => insert.returning.iter().map(|(var, _)| *var).collect(),
        Plan::Update(update) => update.returning.iter().map(|(var, _)| *var).collect(),
        Plan::Delete(delete) => delete.returning.iter().map(|(var, _)| *var).collect(),
        Plan::GraphWrite { input, operations } => {
            let mut created = Vec::new();
            created_vars(operations, &mut created);
            extended(output_vars(input), created)
        }
        Plan::Merge { input, matching, create, .. } => {
            let mut created = output_vars(matching);
            created_vars(create, &mut created);
            extended(output_vars(input), created)
        }
        Plan::ProcedureCall { input, outputs, .. } => extended(output_vars(input), outputs.iter().map(|(_, var)| *var)),
    }
}

/// Variables that operations read of the row they are applied to.
fn graph_write_reads(operations: &[GraphWrite], bound: &mut VarSet, out: &mut VarSet) {
    fn read(expr: &Expr, bound: &VarSet, out: &mut VarSet) {
        out.extend(vars_of(expr).difference(bound));
    }
    for operation in operations {
        match operation {
            GraphWrite::CreateNode { var, properties, .. } => {
                properties.iter().for_each(|expr| read(expr, bound, out));
                bound.insert(*var);
            }
            GraphWrite::CreateRelationship { var, source, target, properties, .. } => {
                out.extend([*source, *target].into_iter().filter(|var| !bound.contains(var)));
                properties.iter().for_each(|expr| read(expr, bound, out));
                bound.insert(*var);
            }
            GraphWrite::Bind { var, value } => {
                read(value, bound, out);
                bound.insert(*var);
            }
            GraphWrite::Foreach { var, list, body } => {
                read(list, bound, out);
                let mut inner = bound.clone();
                inner.insert(*var);
                graph_write_reads(body, &mut inner, out);
            }
            GraphWrite::Merge { matching, create, on_create, on_match } => {
                out.extend(free_vars(matching).difference(bound));
                let before = bound.clone();
                graph_write_reads(create, bound, out);
                bound.extend(output_vars(matching));
                graph_write_reads(on_create, bound, out);
                graph_write_reads(on_match, bound, out);
                debug_assert!(before.is_subset(bound));
            }
            GraphWrite::SetProperty { .. }
            | GraphWrite::SetProperties { .. }
            | GraphWrite::SetLabels { .. }
            | GraphWrite::RemoveProperty { .. }
            | GraphWrite::RemoveLabels { .. }
            | GraphWrite::Delete { .. } => {
                let mut exprs = Vec::new();
                graph_write_parts(std::slice::from_ref(operation), &mut exprs, &mut Vec::new());
                exprs.into_iter().for_each(|expr| read(expr, bound, out));
            }
        }
    }
}

/// Variables a plan reads and does not produce: those that must come from an outer row.
pub fn free_vars(plan: &Plan) -> VarSet {
    let mut out = VarSet::new();
    for input in inputs(plan) {
        out.extend(free_vars(input));
    }
    let mut reads = VarSet::new();
    let mut bound: VarSet = match plan {
        Plan::Apply { input, subplan, .. } => {
            // Only the input provides for the subplan.
            let produced: VarSet = output_vars(input).into_iter().collect();
            let mut free = free_vars(input);
            free.extend(free_vars(subplan).difference(&produced));
            return free;
        }
        Plan::RepeatPath(repeat) => {
            let produced: VarSet = output_vars(&repeat.input).into_iter().collect();
            let mut reads = free_vars(&repeat.body);
            reads.remove(&repeat.entry);
            reads.insert(repeat.from);
            reads.extend(repeat.into.then_some(repeat.to));
            reads.extend(&repeat.distinct_from);
            let mut free = free_vars(&repeat.input);
            free.extend(reads.difference(&produced));
            return free;
        }
        Plan::Merge { input, matching, create, on_create, on_match } => {
            let mut bound: VarSet = output_vars(input).into_iter().collect();
            let mut free = free_vars(input);
            graph_write_reads(
                &[GraphWrite::Merge {
                    matching: matching.clone(),
                    create: create.clone(),
                    on_create: on_create.clone(),
                    on_match: on_match.clone(),
                }],
                &mut bound,
                &mut free,
            );
            return free;
        }
        _ => inputs(plan).into_iter().flat_map(output_vars).collect(),
    };
    match plan {
        Plan::GraphWrite { operations, .. } => graph_write_reads(operations, &mut bound, &mut out),
        Plan::Foreach { var, list, body, .. } => {
            expr_vars(list, &mut reads);
            let mut inner = bound.clone();
            inner.insert(*var);
            graph_write_reads(body, &mut inner, &mut out);
        }
        Plan::Expand(expand) => {
            reads.insert(expand.from);
            if expand.into {
                reads.insert(expand.to);
            }
            if expand.relationship_bound {
                reads.insert(expand.relationship);
            }
            reads.extend(&expand.distinct_from);
        }
        Plan::VarLengthExpand(expand) => {
            reads.insert(expand.from);
            if expand.into {
                reads.insert(expand.to);
            }
            reads.extend(&expand.distinct_from);
            reads.extend(expand.bound_relationships);
            if let Some((step, filter)) = &expand.step_filter {
                let mut inner = vars_of(filter);
                inner.remove(step);
                reads.extend(inner);
            }
        }
        Plan::LockRows { locks, .. } => reads.extend(locks.iter().map(|lock| lock.row_id)),
        Plan::ShortestPath(path) => {
            reads.extend([path.from, path.to]);
            if let Some((step, filter)) = &path.step_filter {
                let mut inner = vars_of(filter);
                inner.remove(step);
                reads.extend(inner);
            }
        }
        Plan::Insert(insert) => {
            bound.extend(&insert.new_row);
            if let Some(update) = insert.on_conflict.as_ref().and_then(|conflict| conflict.update.as_ref()) {
                bound.extend(update.excluded.iter().chain(&update.existing));
            }
            own_exprs(plan).into_iter().for_each(|expr| expr_vars(expr, &mut reads));
        }
        Plan::Update(update) => {
            bound.extend(&update.new_row);
            reads.insert(update.row_id);
            own_exprs(plan).into_iter().for_each(|expr| expr_vars(expr, &mut reads));
        }
        _ => own_exprs(plan).into_iter().for_each(|expr| expr_vars(expr, &mut reads)),
    }
    out.extend(reads.difference(&bound));
    out
}

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
        Plan::Supplied { .. }
        | Plan::Insert(_)
        | Plan::Update(_)
        | Plan::Delete(_)
        | Plan::GraphWrite { .. }
        | Plan::Merge { .. }
        | Plan::Foreach { .. } => true,
        Plan::ProcedureCall { procedure, .. } => procedure.writes() || procedure.outside_transaction(),
        Plan::FunctionScan { function, .. } => function.writes() || function.outside_transaction(),
        _ => false,
    };
    own || own_exprs(plan).into_iter().any(is_volatile) || inputs(plan).into_iter().any(plan_is_volatile)
}

/// Whether a plan locks rows, in its subqueries too.
pub fn plan_locks_rows(plan: &Plan) -> bool {
    fn of_expr(expr: &Expr) -> bool {
        let own = matches!(expr, Expr::Subquery(subquery) if plan_locks_rows(&subquery.plan));
        own || children(expr).into_iter().any(of_expr)
    }
    matches!(plan, Plan::LockRows { .. })
        || own_exprs(plan).into_iter().any(of_expr)
        || inputs(plan).into_iter().any(plan_locks_rows)
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

impl RepeatPath {
    /// The variables that it adds to its input's, in order.
    pub fn added(&self) -> Vec<VarId> {
        let lists = self.groups.iter().map(|(_, list)| *list);
        lists.chain([self.relationships]).chain((!self.into).then_some(self.to)).collect()
    }
}

impl Plan {
    /// Variables that this plan's rows carry.
    pub fn produced(&self) -> VarSet {
        output_vars(self).into_iter().collect()
    }

    /// Every variable that this plan names anywhere as being read, its own included.
    pub fn mentioned(&self) -> VarSet {
        let mut out = VarSet::new();
        self.add_mentioned(&mut out);
        out
    }

    fn add_mentioned(&self, out: &mut VarSet) {
        match self {
            Plan::Expand(expand) => {
                out.extend([expand.from, expand.to, expand.relationship]);
                out.extend(&expand.distinct_from);
            }
            Plan::VarLengthExpand(expand) => {
                out.extend([expand.from, expand.to]);
                out.extend(&expand.distinct_from);
                out.extend(expand.bound_relationships);
            }
            Plan::ShortestPath(path) => out.extend([path.from, path.to]),
            Plan::RepeatPath(repeat) => {
                out.extend([repeat.from, repeat.to, repeat.exit]);
                out.extend(&repeat.body_relationships);
                out.extend(repeat.groups.iter().map(|(inner, _)| *inner));
                out.extend(&repeat.distinct_from);
            }
            Plan::SetOperation { left_columns, right_columns, .. } => {
                out.extend(left_columns.iter().chain(right_columns));
            }
            Plan::With { columns, .. } => out.extend(columns),
            Plan::RecursiveWith { base_columns, recursive_columns, .. } => {
                out.extend(base_columns.iter().chain(recursive_columns));
            }
            Plan::Update(update) => {
                out.insert(update.row_id);
            }
            Plan::Delete(delete) => {
                out.insert(delete.row_id);
            }
            Plan::LockRows { locks, .. } => out.extend(locks.iter().map(|lock| lock.row_id)),
            _ => {}
        }
        for expr in own_exprs(self) {
            add_mentioned_by(expr, out);
        }
        // What writes read of the row, and what inner plans do.
        out.extend(free_vars(self));
        for input in inputs(self) {
            input.add_mentioned(out);
        }
    }
}

/// Variables read by an expression, and anywhere inside its subqueries.
fn add_mentioned_by(expr: &Expr, out: &mut VarSet) {
    expr_vars(expr, out);
    if let Expr::Subquery(subquery) = expr {
        subquery.plan.add_mentioned(out);
        out.extend(subquery.column);
    }
    for child in children(expr) {
        add_mentioned_by(child, out);
    }
}

impl Expr {
    /// Variables read, those that subqueries take from outside included.
    pub fn vars(&self) -> VarSet {
        vars_of(self)
    }

    /// Gives another answer each time, or does something.
    pub fn is_volatile(&self) -> bool {
        is_volatile(self)
    }

    /// Contains a subquery.
    pub fn has_subquery(&self) -> bool {
        matches!(self, Expr::Subquery(_)) || children(self).into_iter().any(Expr::has_subquery)
    }

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
