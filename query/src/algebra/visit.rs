//! Walking plans and expressions: children, expressions, variables produced and read.

use rustc_hash::FxHashSet;

use super::*;

/// A set of variables.
pub type VarSet = FxHashSet<VarId>;

impl Plan {
    /// Direct inputs, subplans included (not those inside expressions).
    pub fn children_mut(&mut self) -> Vec<&mut Plan> {
        match self {
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
            Plan::Filter { input, .. }
            | Plan::Project { input, .. }
            | Plan::Extend { input, .. }
            | Plan::Aggregate { input, .. }
            | Plan::Sort { input, .. }
            | Plan::Limit { input, .. }
            | Plan::Distinct { input, .. }
            | Plan::Unwind { input, .. }
            | Plan::ProcedureCall { input, .. }
            | Plan::Discard { input } => vec![input],
            Plan::GraphWrite { input, operations } => {
                let mut children = vec![&mut **input];
                operations.iter_mut().for_each(|operation| operation.plans_mut(&mut children));
                children
            }
            Plan::Foreach { input, body, .. } => {
                let mut children = vec![&mut **input];
                body.iter_mut().for_each(|operation| operation.plans_mut(&mut children));
                children
            }
            Plan::Merge { input, matching, create, on_create, on_match } => {
                let mut children = vec![&mut **input, &mut **matching];
                for operation in create.iter_mut().chain(on_create).chain(on_match) {
                    operation.plans_mut(&mut children);
                }
                children
            }
            Plan::Join { left, right, .. } => vec![left, right],
            Plan::Apply { input, subplan, .. } => vec![input, subplan],
            Plan::SetOperation { left, right, .. } => vec![left, right],
            Plan::With { definition, body, .. } => vec![definition, body],
            Plan::RecursiveWith { base, recursive, body, .. } => vec![base, recursive, body],
            Plan::Insert(insert) => vec![&mut insert.source],
            Plan::Update(update) => vec![&mut update.source],
            Plan::Delete(delete) => vec![&mut delete.source],
        }
    }

    /// Expressions of this operator itself.
    pub fn exprs_mut(&mut self) -> Vec<&mut Expr> {
        match self {
            Plan::Unit
            | Plan::Supplied { .. }
            | Plan::NodeScan { .. }
            | Plan::RelationshipScan { .. }
            | Plan::Expand(_)
            | Plan::Apply { .. }
            | Plan::SetOperation { .. }
            | Plan::With { .. }
            | Plan::RecursiveWith { .. }
            | Plan::CteScan { .. }
            | Plan::Discard { .. } => Vec::new(),
            Plan::Values { rows, .. } => rows.iter_mut().flatten().collect(),
            Plan::TableScan(scan) => match &mut scan.access {
                Some(access) => {
                    let bounds = access.lower.iter_mut().chain(access.upper.iter_mut()).map(|(expr, _)| expr);
                    access.equal.iter_mut().chain(bounds).collect()
                }
                None => Vec::new(),
            },
            Plan::SearchScan(scan) => std::iter::once(&mut scan.query).chain(scan.limit.iter_mut()).collect(),
            Plan::NodeIndexSeek { value, .. } | Plan::NodeByIdSeek { value, .. } => vec![value],
            Plan::VarLengthExpand(expand) => expand.step_filter.iter_mut().map(|(_, filter)| filter).collect(),
            Plan::ShortestPath(path) => path.step_filter.iter_mut().map(|(_, filter)| filter).collect(),
            Plan::FunctionScan { args, .. } | Plan::ProcedureCall { args, .. } => args.iter_mut().collect(),
            Plan::Filter { predicate, .. } => vec![predicate],
            Plan::Project { items, .. } | Plan::Extend { items, .. } => {
                items.iter_mut().map(|(_, expr)| expr).collect()
            }
            Plan::Join { on, .. } => on.iter_mut().collect(),
            Plan::Aggregate { groups, aggregates, .. } => {
                let mut exprs: Vec<&mut Expr> = groups.iter_mut().map(|(_, expr)| expr).collect();
                for (_, call) in aggregates {
                    exprs.extend(&mut call.args);
                    exprs.extend(&mut call.filter);
                    exprs.extend(call.order_by.iter_mut().map(|key| &mut key.expr));
                }
                exprs
            }
            Plan::Sort { keys, .. } => keys.iter_mut().map(|key| &mut key.expr).collect(),
            Plan::Limit { skip, limit, .. } => skip.iter_mut().chain(limit).collect(),
            Plan::Distinct { on, .. } => on.iter_mut().flatten().collect(),
            Plan::Unwind { list, .. } => vec![list],
            Plan::Insert(insert) => {
                let mut exprs: Vec<&mut Expr> = insert.values.iter_mut().collect();
                exprs.extend(insert.checks.iter_mut().map(|(_, expr)| expr));
                if let Some(update) = insert.on_conflict.as_mut().and_then(|conflict| conflict.update.as_mut()) {
                    exprs.extend(update.assignments.iter_mut().map(|(_, expr)| expr));
                    exprs.extend(&mut update.filter);
                }
                exprs.extend(insert.returning.iter_mut().map(|(_, expr)| expr));
                exprs
            }
            Plan::Update(update) => {
                let mut exprs: Vec<&mut Expr> = update.assignments.iter_mut().map(|(_, expr)| expr).collect();
                exprs.extend(update.checks.iter_mut().map(|(_, expr)| expr));
                exprs.extend(update.returning.iter_mut().map(|(_, expr)| expr));
                exprs
            }
            Plan::Delete(delete) => delete.returning.iter_mut().map(|(_, expr)| expr).collect(),
            Plan::GraphWrite { operations, .. } => {
                let mut exprs = Vec::new();
                operations.iter_mut().for_each(|operation| operation.exprs_mut(&mut exprs));
                exprs
            }
            Plan::Foreach { list, body, .. } => {
                let mut exprs = vec![list];
                body.iter_mut().for_each(|operation| operation.exprs_mut(&mut exprs));
                exprs
            }
            Plan::Merge { create, on_create, on_match, .. } => {
                let mut exprs = Vec::new();
                for operation in create.iter_mut().chain(on_create).chain(on_match) {
                    operation.exprs_mut(&mut exprs);
                }
                exprs
            }
        }
    }

    /// Variables that this plan's rows carry.
    pub fn produced(&self) -> VarSet {
        let mut out = VarSet::default();
        self.add_produced(&mut out);
        out
    }

    fn add_produced(&self, out: &mut VarSet) {
        match self {
            Plan::Unit | Plan::Discard { .. } => {}
            Plan::Values { output, .. } | Plan::Supplied { output } | Plan::CteScan { output, .. } => {
                out.extend(output)
            }
            Plan::TableScan(scan) => {
                out.extend(scan.columns.iter().map(|(_, var)| var));
                out.extend(scan.row_id);
            }
            Plan::SearchScan(scan) => {
                out.extend(scan.columns.iter().map(|(_, var)| var));
                out.extend(scan.row_id);
                out.extend(scan.score);
            }
            Plan::NodeScan { var, .. }
            | Plan::NodeIndexSeek { var, .. }
            | Plan::NodeByIdSeek { var, .. }
            | Plan::RelationshipScan { var, .. } => {
                out.insert(*var);
            }
            Plan::Expand(expand) => {
                expand.input.add_produced(out);
                out.extend([expand.from, expand.relationship, expand.to]);
            }
            Plan::VarLengthExpand(expand) => {
                expand.input.add_produced(out);
                out.extend([expand.from, expand.relationships, expand.to]);
            }
            Plan::ShortestPath(path) => {
                path.input.add_produced(out);
                out.insert(path.relationships);
            }
            Plan::FunctionScan { output, ordinality, .. } => {
                out.extend(output);
                out.extend(ordinality);
            }
            Plan::Filter { input, .. } | Plan::Sort { input, .. } | Plan::Limit { input, .. } => {
                input.add_produced(out)
            }
            Plan::Distinct { input, .. } => input.add_produced(out),
            Plan::Project { items, .. } => out.extend(items.iter().map(|(var, _)| var)),
            Plan::Extend { input, items } => {
                input.add_produced(out);
                out.extend(items.iter().map(|(var, _)| var));
            }
            Plan::Join { kind, left, right, .. } => {
                left.add_produced(out);
                if !matches!(kind, JoinKind::Semi | JoinKind::Anti) {
                    right.add_produced(out);
                }
            }
            Plan::Apply { kind, input, subplan } => {
                input.add_produced(out);
                if !matches!(kind, ApplyKind::Semi | ApplyKind::Anti) {
                    subplan.add_produced(out);
                }
            }
            Plan::Aggregate { groups, aggregates, .. } => {
                out.extend(groups.iter().map(|(var, _)| var));
                out.extend(aggregates.iter().map(|(var, _)| var));
            }
            Plan::SetOperation { output, .. } => out.extend(output),
            Plan::Unwind { input, var, .. } => {
                input.add_produced(out);
                out.insert(*var);
            }
            Plan::With { body, .. } | Plan::RecursiveWith { body, .. } => body.add_produced(out),
            Plan::Insert(insert) => out.extend(insert.returning.iter().map(|(var, _)| var)),
            Plan::Update(update) => out.extend(update.returning.iter().map(|(var, _)| var)),
            Plan::Delete(delete) => out.extend(delete.returning.iter().map(|(var, _)| var)),
            Plan::GraphWrite { input, operations } => {
                input.add_produced(out);
                operations.iter().for_each(|operation| operation.add_produced(out));
            }
            Plan::Merge { input, matching, create, .. } => {
                input.add_produced(out);
                matching.add_produced(out);
                create.iter().for_each(|operation| operation.add_produced(out));
            }
            Plan::Foreach { input, .. } => input.add_produced(out),
            Plan::ProcedureCall { input, outputs, .. } => {
                input.add_produced(out);
                out.extend(outputs.iter().map(|(_, var)| var));
            }
        }
    }

    /// Every variable named anywhere in this plan as being read: by expressions, and by operators directly.
    pub fn mentioned(&mut self) -> VarSet {
        let mut out = VarSet::default();
        self.add_mentioned(&mut out);
        out
    }

    fn add_mentioned(&mut self, out: &mut VarSet) {
        match self {
            Plan::Expand(expand) => {
                out.insert(expand.from);
                if expand.into {
                    out.insert(expand.to);
                }
                if expand.relationship_bound {
                    out.insert(expand.relationship);
                }
                out.extend(&expand.distinct_from);
            }
            Plan::VarLengthExpand(expand) => {
                out.insert(expand.from);
                if expand.into {
                    out.insert(expand.to);
                }
                out.extend(&expand.distinct_from);
                out.extend(expand.bound_relationships);
            }
            Plan::ShortestPath(path) => out.extend([path.from, path.to]),
            Plan::SetOperation { left_columns, right_columns, .. } => {
                out.extend(left_columns.iter());
                out.extend(right_columns.iter());
            }
            Plan::With { columns, .. } => out.extend(columns.iter()),
            Plan::RecursiveWith { base_columns, recursive_columns, .. } => {
                out.extend(base_columns.iter());
                out.extend(recursive_columns.iter());
            }
            Plan::Update(update) => {
                out.insert(update.row_id);
            }
            Plan::Delete(delete) => {
                out.insert(delete.row_id);
            }
            Plan::GraphWrite { operations, .. } => operations.iter().for_each(|operation| operation.add_read(out)),
            Plan::Foreach { body, .. } => body.iter().for_each(|operation| operation.add_read(out)),
            Plan::Merge { create, on_create, on_match, .. } => {
                create
                    .iter()
                    .chain(on_create.iter())
                    .chain(on_match.iter())
                    .for_each(|operation| operation.add_read(out));
            }
            _ => {}
        }
        for expr in self.exprs_mut() {
            expr.add_vars(out);
        }
        for child in self.children_mut() {
            child.add_mentioned(out);
        }
    }

    /// Variables that this plan reads and does not produce itself: its correlation.
    pub fn free_vars(&mut self) -> VarSet {
        let mut inner = VarSet::default();
        self.add_all_produced(&mut inner);
        let mut mentioned = self.mentioned();
        mentioned.retain(|var| !inner.contains(var));
        mentioned
    }

    /// Variables produced at any level.
    fn add_all_produced(&mut self, out: &mut VarSet) {
        self.add_produced(out);
        if let Plan::Insert(insert) = self {
            out.extend(&insert.new_row);
            if let Some(update) = insert.on_conflict.as_ref().and_then(|conflict| conflict.update.as_ref()) {
                out.extend(&update.excluded);
                out.extend(&update.existing);
            }
        }
        if let Plan::Update(update) = self {
            out.extend(&update.new_row);
        }
        for child in self.children_mut() {
            child.add_all_produced(out);
        }
        for expr in self.exprs_mut() {
            expr.for_each_plan(&mut |plan| plan.add_all_produced(out));
            expr.add_bound(out);
        }
    }
}

impl GraphWrite {
    fn plans_mut<'a>(&'a mut self, out: &mut Vec<&'a mut Plan>) {
        match self {
            GraphWrite::Foreach { body, .. } => body.iter_mut().for_each(|operation| operation.plans_mut(out)),
            GraphWrite::Merge { matching, create, on_create, on_match } => {
                out.push(matching);
                for operation in create.iter_mut().chain(on_create).chain(on_match) {
                    operation.plans_mut(out);
                }
            }
            _ => {}
        }
    }

    fn exprs_mut<'a>(&'a mut self, out: &mut Vec<&'a mut Expr>) {
        match self {
            GraphWrite::CreateNode { properties, .. } | GraphWrite::CreateRelationship { properties, .. } => {
                out.extend(properties);
            }
            GraphWrite::SetProperty { entity, value, .. } | GraphWrite::SetProperties { entity, value, .. } => {
                out.extend([entity, value]);
            }
            GraphWrite::SetLabels { entity, .. }
            | GraphWrite::RemoveProperty { entity, .. }
            | GraphWrite::RemoveLabels { entity, .. } => out.push(entity),
            GraphWrite::Delete { values, .. } => out.extend(values),
            GraphWrite::Bind { value, .. } => out.push(value),
            GraphWrite::Foreach { list, body, .. } => {
                out.push(list);
                body.iter_mut().for_each(|operation| operation.exprs_mut(out));
            }
            GraphWrite::Merge { create, on_create, on_match, .. } => {
                for operation in create.iter_mut().chain(on_create).chain(on_match) {
                    operation.exprs_mut(out);
                }
            }
        }
    }

    fn add_produced(&self, out: &mut VarSet) {
        match self {
            GraphWrite::CreateNode { var, .. }
            | GraphWrite::CreateRelationship { var, .. }
            | GraphWrite::Bind { var, .. } => {
                out.insert(*var);
            }
            GraphWrite::Foreach { var, body, .. } => {
                out.insert(*var);
                body.iter().for_each(|operation| operation.add_produced(out));
            }
            GraphWrite::Merge { matching, create, .. } => {
                matching.add_produced(out);
                create.iter().for_each(|operation| operation.add_produced(out));
            }
            _ => {}
        }
    }

    fn add_read(&self, out: &mut VarSet) {
        match self {
            GraphWrite::CreateRelationship { source, target, .. } => out.extend([source, target]),
            GraphWrite::Foreach { body, .. } => body.iter().for_each(|operation| operation.add_read(out)),
            GraphWrite::Merge { create, on_create, on_match, .. } => {
                create.iter().chain(on_create).chain(on_match).for_each(|operation| operation.add_read(out));
            }
            _ => {}
        }
    }
}

impl Expr {
    /// Direct operands (not subquery plans).
    pub fn operands_mut(&mut self) -> Vec<&mut Expr> {
        match self {
            Expr::Literal(..) | Expr::Column(..) | Expr::Parameter(..) | Expr::Path(_) => Vec::new(),
            Expr::Call { args, .. }
            | Expr::And(args)
            | Expr::Or(args)
            | Expr::Coalesce(args, _)
            | Expr::List(args, _) => args.iter_mut().collect(),
            Expr::Cast { input, .. }
            | Expr::Not(input)
            | Expr::IsNull(input)
            | Expr::Property { input, .. }
            | Expr::HasLabels { input, .. } => vec![input],
            Expr::Xor(a, b) | Expr::IsNotDistinct(a, b) => vec![a, b],
            Expr::Case { branches, otherwise, .. } => {
                let mut out: Vec<&mut Expr> = Vec::new();
                for (condition, result) in branches {
                    out.extend([condition, result]);
                }
                out.extend(otherwise.iter_mut().map(|otherwise| &mut **otherwise));
                out
            }
            Expr::InList { input, items, .. } => std::iter::once(&mut **input).chain(items).collect(),
            Expr::Quantified { input, array, .. } => vec![input, array],
            Expr::Map(entries) => entries.iter_mut().map(|(_, value)| value).collect(),
            Expr::ListComprehension { list, filter, map, .. } => {
                let mut out: Vec<&mut Expr> = vec![list];
                out.extend(filter.iter_mut().map(|filter| &mut **filter));
                out.extend(map.iter_mut().map(|map| &mut **map));
                out
            }
            Expr::ListPredicate { list, predicate, .. } => vec![list, predicate],
            Expr::Reduce { init, list, step, .. } => vec![init, list, step],
            Expr::Subquery(subquery) => match &mut subquery.kind {
                SubqueryKind::Any { input, .. } | SubqueryKind::All { input, .. } => vec![input],
                _ => Vec::new(),
            },
        }
    }

    /// Calls `visit` on each subquery's plan, at any depth of this expression (not inside those plans).
    pub fn for_each_plan(&mut self, visit: &mut dyn FnMut(&mut Plan)) {
        if let Expr::Subquery(subquery) = self {
            visit(&mut subquery.plan);
        }
        for operand in self.operands_mut() {
            operand.for_each_plan(visit);
        }
    }

    /// Variables that expressions bind for themselves (comprehensions, reduce, quantifiers).
    fn add_bound(&mut self, out: &mut VarSet) {
        match self {
            Expr::ListComprehension { var, .. } | Expr::ListPredicate { var, .. } => {
                out.insert(*var);
            }
            Expr::Reduce { accumulator, var, .. } => out.extend([*accumulator, *var]),
            _ => {}
        }
        for operand in self.operands_mut() {
            operand.add_bound(out);
        }
    }

    /// Adds every variable read, inside subqueries too.
    pub fn add_vars(&mut self, out: &mut VarSet) {
        match self {
            Expr::Column(var, _) => {
                out.insert(*var);
            }
            Expr::Path(parts) => out.extend(parts.iter().map(|part| match part {
                PathPart::Node(var) | PathPart::Relationship(var) | PathPart::RelationshipList(var) => *var,
            })),
            Expr::Subquery(subquery) => {
                subquery.plan.add_mentioned(out);
                out.extend(subquery.column);
            }
            _ => {}
        }
        for operand in self.operands_mut() {
            operand.add_vars(out);
        }
    }

    /// Every variable read, inside subqueries too.
    pub fn vars(&self) -> VarSet {
        let mut out = VarSet::default();
        self.clone().add_vars(&mut out);
        out
    }

    /// Gives another answer each time, or does something.
    pub fn is_volatile(&self) -> bool {
        fn check(expr: &mut Expr) -> bool {
            let own = match expr {
                Expr::Call { function, .. } => function.volatility == crate::functions::Volatility::Volatile,
                _ => false,
            };
            own || expr.operands_mut().into_iter().any(check)
        }
        check(&mut self.clone())
    }

    /// Replaces columns for which `by` gives an expression.
    pub fn substitute(&mut self, by: &dyn Fn(VarId) -> Option<Expr>) {
        if let Expr::Column(var, _) = self {
            if let Some(replacement) = by(*var) {
                *self = replacement;
            }
            return;
        }
        for operand in self.operands_mut() {
            operand.substitute(by);
        }
        if let Expr::Subquery(subquery) = self {
            substitute_in_plan(&mut subquery.plan, by);
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

fn substitute_in_plan(plan: &mut Plan, by: &dyn Fn(VarId) -> Option<Expr>) {
    for expr in plan.exprs_mut() {
        expr.substitute(by);
    }
    for child in plan.children_mut() {
        substitute_in_plan(child, by);
    }
}
