//! Variables that plans and expressions produce and read.

use std::collections::BTreeSet;

use rustc_hash::FxHashSet;

use super::*;

pub type VarSet = BTreeSet<VarId>;

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
    let mut known = out.iter().copied().collect();
    add_created_vars(operations, out, &mut known);
}

/// `known` are those in `out`: a statement may create thousands.
fn add_created_vars(operations: &[GraphWrite], out: &mut Vec<VarId>, known: &mut FxHashSet<VarId>) {
    for operation in operations {
        let var = match operation {
            GraphWrite::CreateNode { var, .. }
            | GraphWrite::CreateRelationship { var, .. }
            | GraphWrite::Bind { var, .. } => *var,
            GraphWrite::Merge { matching, create, .. } => {
                out.extend(output_vars(matching).into_iter().filter(|var| known.insert(*var)));
                add_created_vars(create, out, known);
                continue;
            }
            _ => continue,
        };
        if known.insert(var) {
            out.push(var);
        }
    }
}

/// The columns of a plan, in order.
pub fn output_vars(plan: &Plan) -> Vec<VarId> {
    fn extended(mut vars: Vec<VarId>, added: impl IntoIterator<Item = VarId>) -> Vec<VarId> {
        // Most plans have few columns.
        const FEW: usize = 32;
        let mut known: Option<FxHashSet<VarId>> = None;
        for var in added {
            let is_new = match &mut known {
                Some(known) => known.insert(var),
                None => !vars.contains(&var),
            };
            if is_new {
                vars.push(var);
                if vars.len() == FEW {
                    known = Some(vars.iter().copied().collect());
                }
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
        | Plan::PropertyIndexSeek { var, .. }
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
            GraphWrite::CreateRelationship { var, ty, source, target, properties } => {
                out.extend([*source, *target].into_iter().filter(|var| !bound.contains(var)));
                read(ty, bound, out);
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
            for (own, filter) in path.step_filter.iter().chain(&path.path_filter) {
                let mut inner = vars_of(filter);
                inner.remove(own);
                inner.remove(&path.relationships);
                reads.extend(inner);
            }
            reads.extend(path.length_bounds.iter().flat_map(|bound| vars_of(&bound.value)));
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
}
