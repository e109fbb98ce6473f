//! Reading operators.

use super::*;
use sinew_storage::index::columns_in_key;

use crate::exec::expr::same_key_class;
use crate::exec::operators::aggregate::{AggregatePlan, PhysAggregate};
use crate::exec::operators::apply::ApplyPlan;
use crate::exec::operators::cte::{CteScanPlan, RecursiveWithPlan, WithPlan};
use crate::exec::operators::discard::DiscardPlan;
use crate::exec::operators::distinct::DistinctPlan;
use crate::exec::operators::filter::FilterPlan;
use crate::exec::operators::function_scan::FunctionScanPlan;
use crate::exec::operators::graph_count::{CountPlan, CountSource};
use crate::exec::operators::grouping_sets::GroupingSetsPlan;
use crate::exec::operators::join::JoinPlan;
use crate::exec::operators::limit::LimitPlan;
use crate::exec::operators::limit_ties::LimitTiesPlan;
use crate::exec::operators::lock_rows::{LockRowsPlan, PhysTableLock};
use crate::exec::operators::procedure_call::ProcedureCallPlan;
use crate::exec::operators::search_scan::SearchScanPlan;
use crate::exec::operators::set_operation::SetOperationPlan;
use crate::exec::operators::sort::{PhysSortKey, SortPlan};
use crate::exec::operators::supplied::SuppliedPlan;
use crate::exec::operators::table_scan::{AccessPlan, PhysAnyOf, TableScanPlan};
use crate::exec::operators::unwind::UnwindPlan;
use crate::exec::operators::unwind_range::UnwindRangePlan;
use crate::exec::operators::values::{UnitPlan, ValuesPlan};
use crate::exec::recheck::Recheck;
use crate::optimizer::visit;

/// A join's right side is swapped for its left one when it is expected to have this many times its rows.
const BUILD_SIDE_FACTOR: f64 = 1.5;

impl Compiler<'_> {
    pub(super) fn plan(&mut self, plan: &Plan) -> Result<Arc<Node>> {
        self.bounded(plan, None)
    }

    /// Compiles a plan of which only the rows of `bound` are wanted; only sorts make use of it.
    fn bounded(&mut self, plan: &Plan, bound: Option<RowBound<'_>>) -> Result<Arc<Node>> {
        let before = self.read_count;
        let (layout, physical): (Arc<Layout>, Arc<dyn Physical>) = match plan {
            Plan::Unit => (self.layout(Vec::new()), Arc::new(UnitPlan)),
            Plan::Values { rows, output } => {
                let layout = self.layout(output.clone());
                let rows = rows.iter().map(|row| self.exprs_over(row, &[])).collect::<Result<_>>()?;
                (Arc::clone(&layout), Arc::new(ValuesPlan { rows, layout }))
            }
            Plan::Supplied { output } => {
                let layout = self.layout(output.clone());
                (Arc::clone(&layout), Arc::new(SuppliedPlan { layout }))
            }
            Plan::TableScan(scan) => return self.table_scan(plan, scan),
            Plan::SearchScan(scan) => {
                self.read_count += 1;
                let mut vars: Vec<VarId> = scan.columns.iter().map(|(_, var)| *var).collect();
                vars.extend(scan.row_id);
                vars.extend(scan.score);
                let layout = self.layout(vars);
                let physical = SearchScanPlan {
                    table: Arc::clone(&scan.table),
                    index: Arc::clone(&scan.index),
                    projection: scan.columns.iter().map(|(position, _)| *position).collect(),
                    with_row_id: scan.row_id.is_some(),
                    with_score: scan.score.is_some(),
                    query: self.expr_over(&scan.query, &[])?,
                    limit: scan.limit.as_ref().map(|limit| self.expr_over(limit, &[])).transpose()?,
                    layout: Arc::clone(&layout),
                };
                (layout, Arc::new(physical))
            }
            Plan::NodeScan { .. }
            | Plan::PropertyIndexSeek { .. }
            | Plan::NodeByIdSeek { .. }
            | Plan::RelationshipScan { .. }
            | Plan::Expand(_)
            | Plan::VarLengthExpand(_)
            | Plan::ShortestPath(_)
            | Plan::RepeatPath(_) => return self.graph_read(plan),
            Plan::FunctionScan { function, args, output, ordinality } => {
                self.read_count += 1;
                let mut vars = output.clone();
                vars.extend(*ordinality);
                let physical = FunctionScanPlan {
                    function: Arc::clone(function),
                    args: self.exprs_over(args, &[])?,
                    width: output.len(),
                    ordinality: ordinality.is_some(),
                };
                let layout = self.layout(vars);
                let writes = function.writes();
                return Ok(self.node(plan, layout, Arc::new(physical), writes, before));
            }
            Plan::Filter { input, predicate } => {
                let input = self.plan(input)?;
                let predicate = self.expr_over(predicate, &input.layout.vars)?;
                (Arc::clone(&input.layout), Arc::new(FilterPlan { input, predicate }))
            }
            Plan::Project { input, items } => {
                let input = self.bounded(input, bound)?;
                let exprs = self.exprs_over(items.iter().map(|(_, expr)| expr), &input.layout.vars)?;
                let layout = self.layout(items.iter().map(|(var, _)| *var).collect());
                (layout, Arc::new(ProjectPlan { input, items: exprs, extend: false }))
            }
            Plan::Extend { input, items } => {
                let input = self.bounded(input, bound)?;
                let exprs = self.exprs_over(items.iter().map(|(_, expr)| expr), &input.layout.vars)?;
                let mut vars = input.layout.vars.clone();
                vars.extend(items.iter().map(|(var, _)| *var));
                (self.layout(vars), Arc::new(ProjectPlan { input, items: exprs, extend: true }))
            }
            Plan::Join { kind, left, right, on } => return self.join(plan, *kind, left, right, on),
            Plan::Apply { kind, input, subplan } => {
                let input = self.plan(input)?;
                let input_vars = input.layout.vars.clone();
                let (inner, args) = self.subplan(subplan, &mut Scope::of(&input_vars))?;
                let mut vars = input_vars;
                let mut columns = Vec::new();
                if matches!(kind, ApplyKind::Cross | ApplyKind::Left) {
                    for (column, var) in inner.layout.vars.iter().enumerate() {
                        if !vars.contains(var) {
                            vars.push(*var);
                            columns.push(column);
                        }
                    }
                }
                let repeatable = !visit::plan_is_volatile(subplan);
                let physical = ApplyPlan { kind: *kind, input, subplan: inner, args, columns, repeatable };
                (self.layout(vars), Arc::new(physical))
            }
            Plan::Aggregate { input, groups, aggregates } => {
                if let Some((layout, physical)) = self.count(input, groups, aggregates) {
                    self.read_count += 1;
                    return Ok(self.node(plan, layout, physical, false, before));
                }
                let input = self.plan(input)?;
                let slots = &input.layout.vars;
                let mut vars: Vec<VarId> = groups.iter().map(|(var, _)| *var).collect();
                vars.extend(aggregates.iter().map(|(var, _)| *var));
                let layout = self.layout(vars);
                let groups = self.exprs_over(groups.iter().map(|(_, expr)| expr), slots)?;
                let mut calls = Vec::with_capacity(aggregates.len());
                for (_, call) in aggregates {
                    calls.push(PhysAggregate {
                        function: Arc::clone(&call.function),
                        args: self.exprs_over(&call.args, slots)?,
                        distinct: call.distinct,
                        filter: call.filter.as_ref().map(|filter| self.expr_over(filter, slots)).transpose()?,
                        order_by: self.sort_keys(&call.order_by, slots)?,
                    });
                }
                let physical = AggregatePlan::new(input, groups, calls, Arc::clone(&layout));
                (layout, Arc::new(physical))
            }
            Plan::Window(window) => return self.window(plan, window),
            Plan::LimitTies { input, keys, skip, limit } => {
                let input = self.plan(input)?;
                let physical = LimitTiesPlan {
                    keys: self.sort_keys(keys, &input.layout.vars)?,
                    skip: skip.as_ref().map(|skip| self.expr_over(skip, &[])).transpose()?,
                    limit: self.expr_over(limit, &[])?,
                    input: Arc::clone(&input),
                };
                (Arc::clone(&input.layout), Arc::new(physical))
            }
            Plan::GroupingSets(sets) => {
                let input = self.plan(&sets.input)?;
                let keys = self.exprs_over(sets.keys.iter().map(|(_, key)| key), &input.layout.vars)?;
                let mut vars = input.layout.vars.clone();
                vars.extend(sets.keys.iter().map(|(var, _)| *var));
                vars.push(sets.number);
                vars.extend(sets.counted);
                let with_empty = sets.counted.is_some();
                let physical = GroupingSetsPlan { input, keys, sets: sets.sets.clone(), with_empty };
                (self.layout(vars), Arc::new(physical))
            }
            Plan::Sort { input, keys } => {
                let input = self.plan(input)?;
                let keys = self.sort_keys(keys, &input.layout.vars)?;
                let (mut skip, mut limit) = (None, None);
                if let Some(bound) = bound {
                    skip = bound.skip.map(|skip| self.expr_over(skip, &[])).transpose()?;
                    limit = Some(self.expr_over(bound.limit, &[])?);
                }
                (Arc::clone(&input.layout), Arc::new(SortPlan { input, keys, skip, limit }))
            }
            Plan::Limit { input, skip, limit } => {
                let bound = limit.as_ref().map(|limit| RowBound { skip: skip.as_ref(), limit });
                let input = self.bounded(input, bound)?;
                let skip = skip.as_ref().map(|skip| self.expr_over(skip, &[])).transpose()?;
                let limit = limit.as_ref().map(|limit| self.expr_over(limit, &[])).transpose()?;
                (Arc::clone(&input.layout), Arc::new(LimitPlan { input, skip, limit }))
            }
            Plan::LockRows { input, locks } => {
                // A row may be dropped after it was waited for, so the input must be able to give more than are wanted.
                let input = self.plan(input)?;
                let mut tables = Vec::with_capacity(locks.len());
                for lock in locks {
                    let row_id = input.layout.position(lock.row_id).ok_or_else(|| self.unbound(lock.row_id))?;
                    let table = Arc::clone(&lock.table);
                    tables.push(PhysTableLock { table, row_id, mode: lock.mode, wait: lock.wait });
                }
                let (mut skip, mut limit) = (None, None);
                if let Some(bound) = bound {
                    skip = bound.skip.map(|skip| self.expr_over(skip, &[])).transpose()?;
                    limit = Some(self.expr_over(bound.limit, &[])?);
                }
                let recheck = Recheck::of(&input);
                (Arc::clone(&input.layout), Arc::new(LockRowsPlan { input, locks: tables, recheck, skip, limit }))
            }
            Plan::Distinct { input, on } => {
                let input = self.plan(input)?;
                let on = on.as_ref().map(|on| self.exprs_over(on, &input.layout.vars)).transpose()?;
                (Arc::clone(&input.layout), Arc::new(DistinctPlan { input, on }))
            }
            Plan::SetOperation { op, all, left, right, left_columns, right_columns, output } => {
                let left = self.plan(left)?;
                let right = self.plan(right)?;
                let physical = SetOperationPlan {
                    op: *op,
                    all: *all,
                    left_columns: self.positions(left_columns, &left)?,
                    right_columns: self.positions(right_columns, &right)?,
                    left,
                    right,
                };
                (self.layout(output.clone()), Arc::new(physical))
            }
            Plan::Unwind { input, list, var } => {
                let input = self.plan(input)?;
                let mut vars = input.layout.vars.clone();
                vars.push(*var);
                let layout = self.layout(vars);
                let physical: Arc<dyn Physical> = match list {
                    Expr::Call { function, args, position, .. } if function.name == "range" => {
                        let args = self.exprs_over(args, &input.layout.vars)?;
                        Arc::new(UnwindRangePlan { input, args, position: *position, layout: Arc::clone(&layout) })
                    }
                    list => {
                        let list = self.expr_over(list, &input.layout.vars)?;
                        Arc::new(UnwindPlan { input, list, layout: Arc::clone(&layout) })
                    }
                };
                (layout, physical)
            }
            Plan::With { cte, definition, columns, body } => {
                let counting = std::mem::replace(&mut self.counting, false);
                let definition = self.plan(definition)?;
                self.counting = counting;
                let columns = self.positions(columns, &definition)?;
                let body = self.plan(body)?;
                (Arc::clone(&body.layout), Arc::new(WithPlan { cte: *cte, definition, columns, body }))
            }
            Plan::RecursiveWith { cte, base, base_columns, recursive, recursive_columns, all, body } => {
                let base = self.plan(base)?;
                let recursive = self.plan(recursive)?;
                let physical = RecursiveWithPlan {
                    cte: *cte,
                    base_columns: self.positions(base_columns, &base)?,
                    recursive_columns: self.positions(recursive_columns, &recursive)?,
                    base,
                    recursive,
                    all: *all,
                    body: self.plan(body)?,
                };
                (Arc::clone(&physical.body.layout), Arc::new(physical))
            }
            Plan::CteScan { cte, output } => {
                self.read_count += 1;
                (self.layout(output.clone()), Arc::new(CteScanPlan { cte: *cte }))
            }
            Plan::Insert(_)
            | Plan::Update(_)
            | Plan::Delete(_)
            | Plan::GraphWrite { .. }
            | Plan::Merge { .. }
            | Plan::Foreach { .. } => return self.write(plan),
            Plan::ProcedureCall { input, procedure, args, outputs } => {
                self.read_count += 1;
                let counted = procedure.counts_rows() && std::mem::take(&mut self.counting);
                let input = self.plan(input)?;
                let mut vars = input.layout.vars.clone();
                vars.extend(outputs.iter().map(|(_, var)| *var));
                let args = self.exprs_over(args, &input.layout.vars)?;
                let layout = self.layout(vars);
                let physical = ProcedureCallPlan {
                    input,
                    procedure: Arc::clone(procedure),
                    args,
                    outputs: outputs.iter().map(|(position, _)| *position).collect(),
                    counted,
                };
                return Ok(self.node(plan, layout, Arc::new(physical), procedure.writes(), before));
            }
            Plan::Discard { input } => {
                let input = self.plan(input)?;
                (self.layout(Vec::new()), Arc::new(DiscardPlan { input }))
            }
        };
        Ok(self.node(plan, layout, physical, false, before))
    }

    pub(super) fn positions(&self, vars: &[VarId], node: &Node) -> Result<Vec<usize>> {
        vars.iter().map(|var| node.layout.position(*var).ok_or_else(|| self.unbound(*var))).collect()
    }

    pub(super) fn sort_keys(&mut self, keys: &[SortKey], slots: &[VarId]) -> Result<Vec<PhysSortKey>> {
        keys.iter()
            .map(|key| {
                Ok(PhysSortKey {
                    expr: self.expr_over(&key.expr, slots)?,
                    descending: key.descending,
                    nulls_first: key.nulls_first,
                })
            })
            .collect()
    }

    fn table_scan(&mut self, plan: &Plan, scan: &TableScan) -> Result<Arc<Node>> {
        let before = self.read_count;
        self.read_count += 1;
        let mut vars: Vec<VarId> = scan.columns.iter().map(|(_, var)| *var).collect();
        vars.extend(scan.row_id);
        let layout = self.layout(vars);
        let access = match &scan.access {
            None => None,
            Some(access) => {
                let mut bound = |bound: &Option<(Expr, bool)>| -> Result<Option<(PhysExpr, bool)>> {
                    bound.as_ref().map(|(expr, inclusive)| Ok((self.expr_over(expr, &[])?, *inclusive))).transpose()
                };
                let (lower, upper) = (bound(&access.lower)?, bound(&access.upper)?);
                let any = match &access.any {
                    None => None,
                    Some(AnyOf::Items(items)) => Some(PhysAnyOf::Items(self.exprs_over(items, &[])?)),
                    Some(AnyOf::Array(array)) => Some(PhysAnyOf::Array(self.expr_over(array, &[])?)),
                };
                Some(AccessPlan {
                    any,
                    index: Arc::clone(&access.index),
                    equal: self.exprs_over(&access.equal, &[])?,
                    lower,
                    upper,
                    reverse: access.reverse,
                })
            }
        };
        let projection: Vec<usize> = scan.columns.iter().map(|(position, _)| *position).collect();
        // What is to be locked or written is looked up.
        let may_skip_rows = scan.row_id.is_none() || projection.is_empty();
        let access_of_keys = scan.access.as_ref().filter(|_| may_skip_rows);
        let columns_in_key = access_of_keys.and_then(|access| columns_in_key(&access.index, &scan.table, &projection));
        let physical = TableScanPlan {
            table: Arc::clone(&scan.table),
            projection,
            columns_in_key,
            with_row_id: scan.row_id.is_some(),
            access,
            layout: Arc::clone(&layout),
        };
        Ok(self.node(plan, layout, Arc::new(physical), false, before))
    }

    fn join(&mut self, plan: &Plan, kind: JoinKind, left: &Plan, right: &Plan, on: &[Expr]) -> Result<Arc<Node>> {
        let before = self.read_count;
        let (mut kind, mut left, mut right) = (kind, self.plan(left)?, self.plan(right)?);
        // The right side is kept in memory: let it be the smaller one.
        if right.estimated_rows > left.estimated_rows * BUILD_SIDE_FACTOR && !left.writes && !right.writes {
            let swapped = match kind {
                JoinKind::Inner | JoinKind::Full => Some(kind),
                JoinKind::Left => Some(JoinKind::Right),
                JoinKind::Right => Some(JoinKind::Left),
                JoinKind::Semi | JoinKind::Anti => None,
            };
            if let Some(swapped) = swapped {
                kind = swapped;
                std::mem::swap(&mut left, &mut right);
            }
        }
        let mut pair_vars = left.layout.vars.clone();
        pair_vars.extend(&right.layout.vars);
        let (mut left_keys, mut right_keys, mut residual) = (Vec::new(), Vec::new(), Vec::new());
        let (mut key_conditions, mut other_conditions): (Vec<&Expr>, Vec<&Expr>) = (Vec::new(), Vec::new());
        let reads_only = |expr: &Expr, node: &Node, other: &Node| {
            let vars = visit::vars_of(expr);
            vars.iter().any(|var| node.layout.position(*var).is_some())
                && !vars.iter().any(|var| other.layout.position(*var).is_some())
        };
        for condition in on {
            let sides = match condition {
                Expr::Call { function, args, .. } if function.name == "=" && args.len() == 2 => {
                    if reads_only(&args[0], &left, &right) && reads_only(&args[1], &right, &left) {
                        Some((&args[0], &args[1]))
                    } else if reads_only(&args[1], &left, &right) && reads_only(&args[0], &right, &left) {
                        Some((&args[1], &args[0]))
                    } else {
                        None
                    }
                }
                _ => None,
            };
            let Some((on_left, on_right)) = sides else {
                residual.push(condition);
                other_conditions.push(condition);
                continue;
            };
            key_conditions.push(condition);
            left_keys.push(self.expr_over(on_left, &left.layout.vars)?);
            right_keys.push(self.expr_over(on_right, &right.layout.vars)?);
            if !same_key_class(&on_left.ty(), &on_right.ty()) {
                // Equal values have equal keys, but not the other way round: ask again.
                residual.push(condition);
            }
        }
        let residual = match residual.len() {
            0 => None,
            _ => Some(self.expr_over(&Expr::and(residual.into_iter().cloned().collect()), &pair_vars)?),
        };
        let layout = match kind {
            JoinKind::Semi | JoinKind::Anti => Arc::clone(&left.layout),
            _ => self.layout(pair_vars),
        };
        let physical = JoinPlan { kind, left, right, left_keys, right_keys, residual };
        let mut node = self.node(plan, layout, Arc::new(physical), false, before);
        if let Some(node) = Arc::get_mut(&mut node) {
            node.details = details::of_join(&key_conditions, &other_conditions, self.vars);
        }
        Ok(node)
    }

    /// `count(*)` (or of a bound entity) of everything of a table, a label or relationship types, without a scan.
    fn count(
        &self,
        input: &Plan,
        groups: &[(VarId, Expr)],
        aggregates: &[(VarId, AggregateCall)],
    ) -> Option<(Arc<Layout>, Arc<dyn Physical>)> {
        if !groups.is_empty() || aggregates.is_empty() {
            return None;
        }
        let (source, counted) = count_source(input)?;
        let all_counts = aggregates.iter().all(|(_, call)| {
            call.function.name == "count"
                && call.filter.is_none()
                && call.order_by.is_empty()
                && match call.args.as_slice() {
                    [] => !call.distinct,
                    // Every row has another entity, and none is NULL.
                    [Expr::Column(var, _)] => counted.contains(var),
                    _ => false,
                }
        });
        if !all_counts {
            return None;
        }
        let layout = self.layout(aggregates.iter().map(|(var, _)| *var).collect());
        Some((Arc::clone(&layout), Arc::new(CountPlan { source, layout })))
    }
}

/// What a plan's row count is the count of, and the variables of which each row has another non-NULL value.
fn count_source(plan: &Plan) -> Option<(CountSource, Vec<VarId>)> {
    match plan {
        Plan::TableScan(scan) if scan.access.is_none() => {
            Some((CountSource::Table(Arc::clone(&scan.table)), scan.row_id.into_iter().collect()))
        }
        Plan::NodeScan { var, labels } if labels.len() <= 1 => {
            Some((CountSource::Nodes(labels.first().cloned()), vec![*var]))
        }
        Plan::RelationshipScan { var, types } => Some((CountSource::Relationships(types.clone()), vec![*var])),
        Plan::Expand(expand)
            if !expand.into
                && !expand.relationship_bound
                && expand.distinct_from.is_empty()
                && expand.direction != sinew_storage::graph::Direction::Both =>
        {
            // Each relationship leaves one node and enters one.
            match &expand.input {
                Plan::NodeScan { var, labels } if labels.is_empty() && *var == expand.from => {
                    Some((CountSource::Relationships(expand.types.clone()), vec![expand.relationship]))
                }
                _ => None,
            }
        }
        // Columns that are only renamed keep the count.
        Plan::Project { input, items } => {
            let (source, counted) = count_source(input)?;
            let mut renamed = Vec::new();
            for (var, expr) in items {
                match expr {
                    Expr::Column(of, _) => {
                        if counted.contains(of) {
                            renamed.push(*var);
                        }
                    }
                    Expr::Literal(..) => {}
                    _ => return None,
                }
            }
            Some((source, renamed))
        }
        _ => None,
    }
}
