//! Walking bound plans.
//!
//! [`parts`] and [`expr_parts`] take one node apart into its plans, expressions and variables, each exhaustively; every
//! walk is built on these two, so a new operator has one place here.

use sinew_storage::DataType;

use crate::algebra::*;

/// What one plan node consists of.
#[derive(Default)]
struct Parts<'p> {
    plans: Vec<&'p mut Plan>,
    exprs: Vec<&'p mut Expr>,
    /// Every variable that the node names itself, made or read.
    vars: Vec<&'p mut VarId>,
    /// Positions in `vars` of those it only reads.
    reads: Vec<usize>,
    ctes: Vec<&'p mut CteId>,
}

impl<'p> Parts<'p> {
    fn define(&mut self, var: &'p mut VarId) {
        self.vars.push(var);
    }

    fn read(&mut self, var: &'p mut VarId) {
        self.reads.push(self.vars.len());
        self.vars.push(var);
    }

    fn define_all(&mut self, vars: &'p mut [VarId]) {
        vars.iter_mut().for_each(|var| self.define(var));
    }

    fn read_all(&mut self, vars: &'p mut [VarId]) {
        vars.iter_mut().for_each(|var| self.read(var));
    }

    fn items(&mut self, items: &'p mut [(VarId, Expr)]) {
        for (var, expr) in items {
            self.define(var);
            self.exprs.push(expr);
        }
    }

    fn keys(&mut self, keys: &'p mut [SortKey]) {
        self.exprs.extend(keys.iter_mut().map(|key| &mut key.expr));
    }

    fn access(&mut self, access: &'p mut IndexAccess) {
        self.exprs.extend(&mut access.equal);
        self.exprs.extend(access.any.iter_mut().flat_map(AnyOf::exprs_mut));
        self.exprs.extend(access.lower.iter_mut().chain(&mut access.upper).map(|(expr, _)| expr));
    }

    fn columns(&mut self, columns: &'p mut [(usize, VarId)]) {
        columns.iter_mut().for_each(|(_, var)| self.define(var));
    }

    fn graph_writes(&mut self, operations: &'p mut [GraphWrite]) {
        for operation in operations {
            match operation {
                GraphWrite::CreateNode { var, properties, .. } => {
                    self.define(var);
                    self.exprs.extend(properties);
                }
                GraphWrite::CreateRelationship { var, ty, source, target, properties } => {
                    self.define(var);
                    self.exprs.push(ty);
                    self.read(source);
                    self.read(target);
                    self.exprs.extend(properties);
                }
                GraphWrite::SetProperty { entity, value, .. } | GraphWrite::SetProperties { entity, value, .. } => {
                    self.exprs.push(entity);
                    self.exprs.push(value);
                }
                GraphWrite::SetLabels { entity, labels } | GraphWrite::RemoveLabels { entity, labels } => {
                    self.exprs.push(entity);
                    self.exprs.push(labels);
                }
                GraphWrite::RemoveProperty { entity, .. } => self.exprs.push(entity),
                GraphWrite::Delete { values, .. } => self.exprs.extend(values),
                GraphWrite::Bind { var, value } => {
                    self.define(var);
                    self.exprs.push(value);
                }
                GraphWrite::Foreach { var, list, body } => {
                    self.define(var);
                    self.exprs.push(list);
                    self.graph_writes(body);
                }
                GraphWrite::Merge { matching, create, on_create, on_match } => {
                    self.plans.push(matching);
                    self.graph_writes(create);
                    self.graph_writes(on_create);
                    self.graph_writes(on_match);
                }
            }
        }
    }
}

/// Takes a plan node apart.
fn parts(plan: &mut Plan) -> Parts<'_> {
    let mut p = Parts::default();
    match plan {
        Plan::Unit => {}
        Plan::Values { rows, output } => {
            p.exprs.extend(rows.iter_mut().flatten());
            p.define_all(output);
        }
        Plan::Supplied { output } => p.define_all(output),
        Plan::TableScan(scan) => {
            p.columns(&mut scan.columns);
            scan.row_id.iter_mut().for_each(|var| p.define(var));
            scan.access.iter_mut().for_each(|access| p.access(access));
        }
        Plan::SearchScan(scan) => {
            p.columns(&mut scan.columns);
            scan.row_id.iter_mut().chain(&mut scan.score).for_each(|var| p.define(var));
            p.exprs.push(&mut scan.query);
            p.exprs.extend(&mut scan.limit);
        }
        Plan::NodeScan { var, .. } | Plan::RelationshipScan { var, .. } => p.define(var),
        Plan::PropertyIndexSeek { var, lookup, .. } => {
            p.define(var);
            p.exprs.extend(lookup.exprs_mut());
        }
        Plan::NodeByIdSeek { var, value } => {
            p.define(var);
            p.exprs.push(value);
        }
        Plan::Expand(expand) => {
            p.plans.push(&mut expand.input);
            p.read(&mut expand.from);
            p.read(&mut expand.relationship);
            p.read(&mut expand.to);
            p.read_all(&mut expand.distinct_from);
        }
        Plan::VarLengthExpand(expand) => {
            p.plans.push(&mut expand.input);
            p.read(&mut expand.from);
            p.read(&mut expand.relationships);
            p.read(&mut expand.to);
            p.read_all(&mut expand.distinct_from);
            expand.bound_relationships.iter_mut().for_each(|var| p.read(var));
            if let Some((var, filter)) = &mut expand.step_filter {
                p.define(var);
                p.exprs.push(filter);
            }
        }
        Plan::ShortestPath(path) => {
            p.plans.push(&mut path.input);
            p.read(&mut path.from);
            p.read(&mut path.to);
            p.define(&mut path.relationships);
            for (var, filter) in path.step_filter.iter_mut().chain(&mut path.path_filter) {
                p.define(var);
                p.exprs.push(filter);
            }
            p.exprs.extend(path.length_bounds.iter_mut().map(|bound| &mut bound.value));
        }
        Plan::RepeatPath(repeat) => {
            p.plans.extend([&mut repeat.input, &mut repeat.body]);
            p.read(&mut repeat.from);
            p.read(&mut repeat.to);
            p.define(&mut repeat.entry);
            p.read(&mut repeat.exit);
            p.read_all(&mut repeat.body_relationships);
            p.define(&mut repeat.relationships);
            for (inner, list) in &mut repeat.groups {
                p.read(inner);
                p.define(list);
            }
            p.read_all(&mut repeat.distinct_from);
        }
        Plan::FunctionScan { args, output, ordinality, .. } => {
            p.exprs.extend(args);
            p.define_all(output);
            ordinality.iter_mut().for_each(|var| p.define(var));
        }
        Plan::Filter { input, predicate } => {
            p.plans.push(input);
            p.exprs.push(predicate);
        }
        Plan::Project { input, items } | Plan::Extend { input, items } => {
            p.plans.push(input);
            p.items(items);
        }
        Plan::Join { left, right, on, .. } => {
            p.plans.push(left);
            p.plans.push(right);
            p.exprs.extend(on);
        }
        Plan::Apply { input, subplan, .. } => {
            p.plans.push(input);
            p.plans.push(subplan);
        }
        Plan::Aggregate { input, groups, aggregates } => {
            p.plans.push(input);
            p.items(groups);
            for (var, call) in aggregates {
                p.define(var);
                p.exprs.extend(&mut call.args);
                p.exprs.extend(&mut call.filter);
                p.keys(&mut call.order_by);
            }
        }
        Plan::LimitTies { input, keys, skip, limit } => {
            p.plans.push(input);
            p.keys(keys);
            p.exprs.extend(skip);
            p.exprs.push(limit);
        }
        Plan::GroupingSets(sets) => {
            p.plans.push(&mut sets.input);
            p.items(&mut sets.keys);
            p.define(&mut sets.number);
            sets.counted.iter_mut().for_each(|var| p.define(var));
        }
        Plan::Window(window) => {
            let Window { input, partition_by, order_by, frame, calls } = &mut **window;
            p.plans.push(input);
            p.exprs.extend(partition_by);
            p.keys(order_by);
            p.exprs.extend(frame.start.offset_mut().into_iter().chain(frame.end.offset_mut()));
            for (var, call) in calls {
                p.define(var);
                p.exprs.extend(&mut call.args);
                p.exprs.extend(&mut call.filter);
            }
        }
        Plan::Sort { input, keys } => {
            p.plans.push(input);
            p.keys(keys);
        }
        Plan::Limit { input, skip, limit } => {
            p.plans.push(input);
            p.exprs.extend(skip);
            p.exprs.extend(limit);
        }
        Plan::LockRows { input, locks } => {
            p.plans.push(input);
            locks.iter_mut().for_each(|lock| p.read(&mut lock.row_id));
        }
        Plan::Distinct { input, on } => {
            p.plans.push(input);
            p.exprs.extend(on.iter_mut().flatten());
        }
        Plan::SetOperation { left, right, left_columns, right_columns, output, .. } => {
            p.plans.push(left);
            p.plans.push(right);
            p.read_all(left_columns);
            p.read_all(right_columns);
            p.define_all(output);
        }
        Plan::Unwind { input, list, var } => {
            p.plans.push(input);
            p.exprs.push(list);
            p.define(var);
        }
        Plan::With { cte, definition, columns, body } => {
            p.ctes.push(cte);
            p.plans.push(definition);
            p.plans.push(body);
            p.read_all(columns);
        }
        Plan::RecursiveWith { cte, base, base_columns, recursive, recursive_columns, body, .. } => {
            p.ctes.push(cte);
            p.plans.push(base);
            p.plans.push(recursive);
            p.plans.push(body);
            p.read_all(base_columns);
            p.read_all(recursive_columns);
        }
        Plan::CteScan { cte, output } => {
            p.ctes.push(cte);
            p.define_all(output);
        }
        Plan::Insert(insert) => {
            p.plans.push(&mut insert.source);
            p.exprs.extend(&mut insert.values);
            p.define_all(&mut insert.new_row);
            p.exprs.extend(insert.checks.iter_mut().map(|(_, check)| check));
            for update in insert.on_conflict.iter_mut().filter_map(|conflict| conflict.update.as_mut()) {
                p.define_all(&mut update.excluded);
                p.define_all(&mut update.existing);
                p.exprs.extend(update.assignments.iter_mut().map(|(_, value)| value));
                p.exprs.extend(&mut update.filter);
            }
            p.items(&mut insert.returning);
        }
        Plan::Update(update) => {
            p.plans.push(&mut update.source);
            p.read(&mut update.row_id);
            p.exprs.extend(update.assignments.iter_mut().map(|(_, value)| value));
            p.define_all(&mut update.new_row);
            p.exprs.extend(update.checks.iter_mut().map(|(_, check)| check));
            p.items(&mut update.returning);
        }
        Plan::Delete(delete) => {
            p.plans.push(&mut delete.source);
            p.read(&mut delete.row_id);
            p.items(&mut delete.returning);
        }
        Plan::GraphWrite { input, operations } => {
            p.plans.push(input);
            p.graph_writes(operations);
        }
        Plan::Merge { input, matching, create, on_create, on_match } => {
            p.plans.push(input);
            p.plans.push(matching);
            p.graph_writes(create);
            p.graph_writes(on_create);
            p.graph_writes(on_match);
        }
        Plan::Foreach { input, var, list, body } => {
            p.plans.push(input);
            p.define(var);
            p.exprs.push(list);
            p.graph_writes(body);
        }
        Plan::ProcedureCall { input, args, outputs, .. } => {
            p.plans.push(input);
            p.exprs.extend(args);
            outputs.iter_mut().for_each(|(_, var)| p.define(var));
        }
        Plan::Discard { input } => p.plans.push(input),
    }
    p
}

/// Takes an expression node apart; variables of columns are read, others are bound by the expression itself.
fn expr_parts(expr: &mut Expr) -> Parts<'_> {
    let mut p = Parts::default();
    match expr {
        Expr::Literal(..) | Expr::Parameter(..) => {}
        Expr::Column(var, _) => p.read(var),
        Expr::Call { args, .. } | Expr::And(args) | Expr::Or(args) | Expr::Coalesce(args, _) | Expr::List(args, _) => {
            p.exprs.extend(args);
        }
        Expr::Cast { input, .. } | Expr::Not(input) | Expr::IsNull(input) => p.exprs.push(input),
        Expr::Property { input, .. } | Expr::HasLabels { input, .. } => p.exprs.push(input),
        Expr::Xor(left, right) | Expr::IsNotDistinct(left, right) => {
            p.exprs.push(left);
            p.exprs.push(right);
        }
        Expr::Case { branches, otherwise, .. } => {
            for (test, result) in branches {
                p.exprs.push(test);
                p.exprs.push(result);
            }
            p.exprs.extend(otherwise.iter_mut().map(|expr| &mut **expr));
        }
        Expr::InList { input, items, .. } => {
            p.exprs.push(input);
            p.exprs.extend(items);
        }
        Expr::Quantified { input, array, .. } => {
            p.exprs.push(input);
            p.exprs.push(array);
        }
        Expr::Map(members) => p.exprs.extend(members.iter_mut().map(|(_, value)| value)),
        Expr::ListComprehension { var, list, filter, map } => {
            p.define(var);
            p.exprs.push(list);
            p.exprs.extend(filter.iter_mut().chain(map).map(|expr| &mut **expr));
        }
        Expr::ListPredicate { var, list, predicate, .. } => {
            p.define(var);
            p.exprs.push(list);
            p.exprs.push(predicate);
        }
        Expr::Reduce { accumulator, init, var, list, step } => {
            p.define(accumulator);
            p.define(var);
            p.exprs.extend([&mut **init, &mut **list, &mut **step]);
        }
        Expr::Path(path) => {
            for part in path {
                match part {
                    PathPart::Node(var) | PathPart::Relationship(var) | PathPart::RelationshipList(var) => p.read(var),
                }
            }
        }
        Expr::Subquery(subquery) => {
            let Subquery { kind, plan, column, .. } = &mut **subquery;
            match kind {
                SubqueryKind::Any { input, .. } | SubqueryKind::All { input, .. } => p.exprs.push(input),
                SubqueryKind::Exists | SubqueryKind::Scalar | SubqueryKind::Collect | SubqueryKind::Count => {}
            }
            p.plans.push(plan);
            column.iter_mut().for_each(|var| p.read(var));
        }
    }
    p
}

/// Visits an expression and what is below it, subqueries' expressions included, while `visit` says true.
pub fn walk_expr(expr: &mut Expr, visit: &mut dyn FnMut(&mut Expr) -> bool) {
    if !visit(expr) {
        return;
    }
    let parts = expr_parts(expr);
    for inner in parts.exprs {
        walk_expr(inner, visit);
    }
    for plan in parts.plans {
        walk_plan_exprs(plan, &mut |inner| walk_expr(inner, visit));
    }
}

/// Calls `visit` with each expression that a node of the plan holds, outermost expressions only.
pub fn walk_plan_exprs(plan: &mut Plan, visit: &mut dyn FnMut(&mut Expr)) {
    let parts = parts(plan);
    for expr in parts.exprs {
        visit(expr);
    }
    for inner in parts.plans {
        walk_plan_exprs(inner, visit);
    }
}

/// Calls `visit` with each plan node, inputs first, those of subqueries included.
pub fn walk_plans(plan: &mut Plan, visit: &mut dyn FnMut(&mut Plan)) {
    {
        let parts = parts(plan);
        for inner in parts.plans {
            walk_plans(inner, visit);
        }
        for expr in parts.exprs {
            walk_expr_plans(expr, visit);
        }
    }
    visit(plan);
}

/// Calls `visit` with the name of a CTE wherever it is defined or read.
pub fn walk_ctes(plan: &mut Plan, visit: &mut dyn FnMut(&mut CteId)) {
    walk_plans(plan, &mut |plan| parts(plan).ctes.into_iter().for_each(&mut *visit));
}

fn walk_expr_plans(expr: &mut Expr, visit: &mut dyn FnMut(&mut Plan)) {
    let parts = expr_parts(expr);
    for inner in parts.exprs {
        walk_expr_plans(inner, visit);
    }
    for plan in parts.plans {
        walk_plans(plan, visit);
    }
}

/// Calls `visit` with every variable, and whether it is only read there.
pub fn walk_vars(plan: &mut Plan, visit: &mut dyn FnMut(&mut VarId, bool)) {
    let parts = parts(plan);
    for (index, var) in parts.vars.into_iter().enumerate() {
        visit(var, parts.reads.contains(&index));
    }
    for expr in parts.exprs {
        walk_expr_vars(expr, visit);
    }
    for inner in parts.plans {
        walk_vars(inner, visit);
    }
}

fn walk_expr_vars(expr: &mut Expr, visit: &mut dyn FnMut(&mut VarId, bool)) {
    let parts = expr_parts(expr);
    for (index, var) in parts.vars.into_iter().enumerate() {
        visit(var, parts.reads.contains(&index));
    }
    for inner in parts.exprs {
        walk_expr_vars(inner, visit);
    }
    for plan in parts.plans {
        walk_vars(plan, visit);
    }
}
/// Operators and expressions on the longest path down a plan, subqueries included. Walked with a stack of its own: a
/// plan that is too deep must be found out without recursion.
pub fn depth(plan: &mut Plan) -> usize {
    enum Node<'p> {
        Plan(&'p mut Plan),
        Expr(&'p mut Expr),
    }
    let mut deepest = 0;
    let mut open = vec![(Node::Plan(plan), 1)];
    while let Some((node, depth)) = open.pop() {
        deepest = deepest.max(depth);
        let parts = match node {
            Node::Plan(plan) => parts(plan),
            Node::Expr(expr) => expr_parts(expr),
        };
        open.extend(parts.plans.into_iter().map(|plan| (Node::Plan(plan), depth + 1)));
        open.extend(parts.exprs.into_iter().map(|expr| (Node::Expr(expr), depth + 1)));
    }
    deepest
}

/// Whether an expression reads any column.
pub fn reads_columns(expr: &Expr) -> bool {
    let mut found = false;
    walk_expr_vars(&mut expr.clone(), &mut |_, read| found |= read);
    found
}

/// Whether an expression reads one of `vars`.
pub fn reads_any(expr: &Expr, vars: &[VarId]) -> bool {
    let mut found = false;
    walk_expr_vars(&mut expr.clone(), &mut |var, read| found |= read && vars.contains(var));
    found
}

/// Gives parameters that were bound before their type was known that type.
pub fn settle_parameters(plan: &mut Plan, params: &[DataType]) {
    walk_plan_exprs(plan, &mut |expr| {
        walk_expr(expr, &mut |expr| {
            if let Expr::Parameter(index, ty) = expr
                && *ty == DataType::Unknown
                && let Some(known) = params.get(*index)
            {
                *ty = known.clone();
            }
            true
        });
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn depth_counts_operators_and_expressions() {
        let not = |expr| Expr::Not(Box::new(expr));
        let mut plan = Plan::Filter { input: Box::new(Plan::Unit), predicate: not(not(Expr::bool(true))) };
        assert_eq!(depth(&mut plan), 4);
    }
}
