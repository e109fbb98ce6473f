//! Writing operators.

use rustc_hash::FxHashSet;
use sinew_storage::RowLock;

use super::*;
use crate::exec::operators::delete::DeletePlan;
use crate::exec::operators::graph_write::{GraphWritePlan, PhysMerge, PhysWrite};
use crate::exec::operators::insert::{ConflictPlan, ConflictUpdatePlan, InsertPlan};
use crate::exec::operators::merge::MergePlan;
use crate::exec::operators::update::UpdatePlan;
use crate::exec::recheck::{Recheck, has_subquery};

impl Compiler<'_> {
    pub(super) fn write(&mut self, plan: &Plan) -> Result<Arc<Node>> {
        let before = self.read_count;
        let (layout, physical): (Arc<Layout>, Arc<dyn Physical>) = match plan {
            Plan::Insert(insert) => self.insert(insert)?,
            Plan::Update(update) => {
                let counted = std::mem::take(&mut self.counting);
                let source = self.plan(&update.source)?;
                self.read_count += 1;
                let slots = source.layout.vars.clone();
                let row_id = source.layout.position(update.row_id).ok_or_else(|| self.unbound(update.row_id))?;
                let mut returning_slots = update.new_row.clone();
                returning_slots.extend(&slots);
                let layout = self.layout(update.returning.iter().map(|(var, _)| *var).collect());
                let assignments = self.assignments(&update.assignments, &slots)?;
                let reads_more = assignments.iter().any(|(_, value)| has_subquery(value));
                let physical = UpdatePlan {
                    table: Arc::clone(&update.table),
                    row_id,
                    // The store takes the stronger lock when a key of a unique index changes.
                    lock: RowLock::NoKeyUpdate,
                    recheck: if reads_more { None } else { Recheck::of(&source) },
                    assignments,
                    checks: self.checks(&update.checks, &update.new_row)?,
                    returning: self.exprs_over(update.returning.iter().map(|(_, expr)| expr), &returning_slots)?,
                    counted,
                    layout: Arc::clone(&layout),
                    source,
                };
                (layout, Arc::new(physical))
            }
            Plan::Delete(delete) => {
                let counted = std::mem::take(&mut self.counting);
                let source = self.plan(&delete.source)?;
                let row_id = source.layout.position(delete.row_id).ok_or_else(|| self.unbound(delete.row_id))?;
                let layout = self.layout(delete.returning.iter().map(|(var, _)| *var).collect());
                let physical = DeletePlan {
                    table: Arc::clone(&delete.table),
                    row_id,
                    recheck: Recheck::of(&source),
                    returning: self.exprs_over(delete.returning.iter().map(|(_, expr)| expr), &source.layout.vars)?,
                    counted,
                    source,
                };
                (layout, Arc::new(physical))
            }
            Plan::GraphWrite { input, operations } => self.graph_write(input, operations, "Graph Write")?,
            Plan::Foreach { input, var, list, body } => {
                let operation = GraphWrite::Foreach { var: *var, list: list.clone(), body: body.clone() };
                self.graph_write(input, std::slice::from_ref(&operation), "Foreach")?
            }
            Plan::Merge { input, matching, create, on_create, on_match } => {
                let input = self.plan(input)?;
                let input = self.import_ends(input, create)?;
                let mut vars = input.layout.vars.clone();
                let merge = self.merge(matching, create, on_create, on_match, &mut vars)?;
                // Everything the pattern binds is exported.
                let layout = self.layout(vars.clone());
                let physical = MergePlan { input, merge, width: vars.len(), layout: Arc::clone(&layout) };
                (layout, Arc::new(physical))
            }
            _ => return Err(QueryError::internal("not an operator that writes")),
        };
        Ok(self.node(plan, layout, physical, true, before))
    }

    fn assignments(&mut self, assignments: &[(usize, Expr)], slots: &[VarId]) -> Result<Vec<(usize, PhysExpr)>> {
        assignments.iter().map(|(position, value)| Ok((*position, self.expr_over(value, slots)?))).collect()
    }

    fn checks(&mut self, checks: &[(RowRule, Expr)], slots: &[VarId]) -> Result<Vec<(RowRule, PhysExpr)>> {
        checks.iter().map(|(rule, check)| Ok((rule.clone(), self.expr_over(check, slots)?))).collect()
    }

    fn insert(&mut self, insert: &Insert) -> Result<(Arc<Layout>, Arc<dyn Physical>)> {
        let counted = std::mem::take(&mut self.counting);
        let source = self.plan(&insert.source)?;
        let before_values = self.read_count;
        let values = self.exprs_over(&insert.values, &source.layout.vars)?;
        let values_read = self.read_count > before_values;
        let on_conflict = match &insert.on_conflict {
            None => None,
            Some(conflict) => Some(ConflictPlan {
                index: conflict.index.clone(),
                update: match &conflict.update {
                    None => None,
                    Some(update) => {
                        let mut slots = update.existing.clone();
                        slots.extend(&update.excluded);
                        let assignments = self.assignments(&update.assignments, &slots)?;
                        Some(ConflictUpdatePlan {
                            lock: RowLock::NoKeyUpdate,
                            assignments,
                            filter: update.filter.as_ref().map(|filter| self.expr_over(filter, &slots)).transpose()?,
                        })
                    }
                },
            }),
        };
        let layout = self.layout(insert.returning.iter().map(|(var, _)| *var).collect());
        let physical = InsertPlan {
            table: Arc::clone(&insert.table),
            values,
            values_read,
            checks: self.checks(&insert.checks, &insert.new_row)?,
            on_conflict,
            returning: self.exprs_over(insert.returning.iter().map(|(_, expr)| expr), &insert.new_row)?,
            counted,
            layout: Arc::clone(&layout),
            source,
        };
        Ok((layout, Arc::new(physical)))
    }

    fn graph_write(
        &mut self,
        input: &Plan,
        operations: &[GraphWrite],
        name: &'static str,
    ) -> Result<(Arc<Layout>, Arc<dyn Physical>)> {
        let input = self.plan(input)?;
        let input = self.import_ends(input, operations)?;
        // Exported columns first, then the scratch of inner scopes.
        let mut exported = input.layout.vars.clone();
        let mut created = Vec::new();
        crate::optimizer::visit::created_vars(operations, &mut created);
        let mut known: FxHashSet<VarId> = exported.iter().copied().collect();
        exported.extend(created.into_iter().filter(|var| known.insert(*var)));
        let mut vars = exported.clone();
        let operations = self.operations(operations, &mut vars)?;
        let layout = self.layout(exported);
        let physical = GraphWritePlan { input, operations, width: vars.len(), layout: Arc::clone(&layout), name };
        Ok((layout, Arc::new(physical)))
    }

    /// Makes the ends of created relationships that come from the outer row columns of the input.
    fn import_ends(&mut self, input: Arc<Node>, operations: &[GraphWrite]) -> Result<Arc<Node>> {
        fn ends(operations: &[GraphWrite], out: &mut Vec<VarId>) {
            for operation in operations {
                match operation {
                    GraphWrite::CreateRelationship { source, target, .. } => out.extend([*source, *target]),
                    GraphWrite::Foreach { body, .. } => ends(body, out),
                    GraphWrite::Merge { create, .. } => ends(create, out),
                    _ => {}
                }
            }
        }
        let mut wanted = Vec::new();
        ends(operations, &mut wanted);
        wanted.retain(|var| self.outer.contains(var));
        self.import(input, &wanted)
    }

    /// Compiles operations over a widened row; `vars` grows by what they bind.
    fn operations(&mut self, operations: &[GraphWrite], vars: &mut Vec<VarId>) -> Result<Vec<PhysWrite>> {
        operations.iter().map(|operation| self.operation(operation, vars)).collect()
    }

    fn operation(&mut self, operation: &GraphWrite, vars: &mut Vec<VarId>) -> Result<PhysWrite> {
        Ok(match operation {
            GraphWrite::CreateNode { var, labels, properties } => {
                let properties = properties.as_ref().map(|expr| self.expr_over(expr, vars)).transpose()?;
                PhysWrite::CreateNode { slot: bind(*var, vars), labels: labels.clone(), properties }
            }
            GraphWrite::CreateRelationship { var, ty, source, target, properties } => {
                let properties = properties.as_ref().map(|expr| self.expr_over(expr, vars)).transpose()?;
                PhysWrite::CreateRelationship {
                    ty: self.expr_over(ty, vars)?,
                    source: self.row_slot(*source, vars)?,
                    target: self.row_slot(*target, vars)?,
                    properties,
                    slot: bind(*var, vars),
                }
            }
            GraphWrite::SetProperty { entity, key, value } => PhysWrite::SetProperty {
                entity: self.expr_over(entity, vars)?,
                key: Arc::clone(key),
                value: self.expr_over(value, vars)?,
            },
            GraphWrite::RemoveProperty { entity, key } => PhysWrite::SetProperty {
                entity: self.expr_over(entity, vars)?,
                key: Arc::clone(key),
                value: self.expr_over(&Expr::null(sinew_storage::DataType::Any), vars)?,
            },
            GraphWrite::SetProperties { entity, value, replace } => PhysWrite::SetProperties {
                entity: self.expr_over(entity, vars)?,
                value: self.expr_over(value, vars)?,
                replace: *replace,
            },
            GraphWrite::SetLabels { entity, labels } => {
                PhysWrite::SetLabels { entity: self.expr_over(entity, vars)?, labels: self.expr_over(labels, vars)? }
            }
            GraphWrite::RemoveLabels { entity, labels } => {
                PhysWrite::RemoveLabels { entity: self.expr_over(entity, vars)?, labels: self.expr_over(labels, vars)? }
            }
            GraphWrite::Delete { values, detach } => {
                PhysWrite::Delete { values: self.exprs_over(values, vars)?, detach: *detach }
            }
            GraphWrite::Bind { var, value } => {
                let value = self.expr_over(value, vars)?;
                PhysWrite::Bind { slot: bind(*var, vars), value }
            }
            GraphWrite::Foreach { var, list, body } => {
                let list = self.expr_over(list, vars)?;
                let slot = bind(*var, vars);
                PhysWrite::Foreach { slot, list, body: self.operations(body, vars)? }
            }
            GraphWrite::Merge { matching, create, on_create, on_match } => {
                PhysWrite::Merge(Box::new(self.merge(matching, create, on_create, on_match, vars)?))
            }
        })
    }

    fn merge(
        &mut self,
        matching: &Plan,
        create: &[GraphWrite],
        on_create: &[GraphWrite],
        on_match: &[GraphWrite],
        vars: &mut Vec<VarId>,
    ) -> Result<PhysMerge> {
        let row = vars.clone();
        let (matching, args) = self.subplan(matching, &mut Scope::of(&row))?;
        let mut columns = Vec::new();
        for (column, var) in matching.layout.vars.iter().enumerate() {
            if !row.contains(var) {
                columns.push((column, bind(*var, vars)));
            }
        }
        let create = self.operations(create, vars)?;
        let on_create = self.operations(on_create, vars)?;
        let on_match = self.operations(on_match, vars)?;
        Ok(PhysMerge { matching, args, columns, create, on_create, on_match })
    }

    /// The slot of a variable of the widened row, which is never one of the outer row: those are imported.
    fn row_slot(&self, var: VarId, vars: &[VarId]) -> Result<usize> {
        vars.iter().position(|known| *known == var).ok_or_else(|| self.unbound(var))
    }
}

/// The slot of a variable, new unless it has one (a loop's body binds again each time).
fn bind(var: VarId, vars: &mut Vec<VarId>) -> usize {
    vars.iter().position(|known| *known == var).unwrap_or_else(|| {
        vars.push(var);
        vars.len() - 1
    })
}
