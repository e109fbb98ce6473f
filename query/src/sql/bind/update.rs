//! UPDATE.

use std::sync::Arc;

use sinew_storage::DataType;
use sinew_storage::catalog::TableDef;
use sqlparser::ast::{
    Assignment, AssignmentTarget, Expr as Ast, ObjectName, Spanned, TableFactor, Update as AstUpdate,
    UpdateTableFromKind,
};

use super::identity;
use super::names::Relation;
use super::operator::subquery_of;
use super::returning::{AssignmentTarget as Target, is_default};
use super::row_compare::row;
use super::scope::{Clause, Frame, FromItem};
use super::view_write::{Write, WriteTarget};
use super::{Binder, Bound};
use crate::algebra::{Expr, JoinKind, Plan, Update, VarId};
use crate::error::{QueryError, Result, sqlstate};
use crate::system::graph_relations;

/// The target of UPDATE or DELETE with its scan.
pub struct TargetScan {
    pub written: WriteTarget,
    pub item: FromItem,
    /// Variables of the old row in the order of the table.
    pub row: Vec<VarId>,
    pub row_id: VarId,
}

impl Binder<'_> {
    pub fn bind_update(&mut self, update: &AstUpdate) -> Result<Bound> {
        let span = update.table.span();
        let what = if update.or.is_some() {
            "UPDATE OR …"
        } else if !update.table.joins.is_empty() {
            "JOIN in the target of UPDATE"
        } else if !update.order_by.is_empty() || update.limit.is_some() {
            "ORDER BY and LIMIT in UPDATE"
        } else if update.output.is_some() {
            "OUTPUT"
        } else {
            ""
        };
        if !what.is_empty() {
            return Err(self.unsupported(what, span));
        }
        let target = self.bind_target(&update.table.relation, Write::Update)?;
        let written = target.written;
        let table = Arc::clone(&written.table);
        let from = match &update.from {
            None => None,
            Some(UpdateTableFromKind::AfterSet(from)) => Some(self.bind_from(from)?),
            Some(UpdateTableFromKind::BeforeSet(_)) => return Err(self.unsupported("FROM before SET", span)),
        };
        let row_id = target.row_id;
        let old_row = target.row;
        let own = target.item.relations.clone();
        let mut item = target.item;
        if let Some(from) = from {
            item = self.join_items(item, from, JoinKind::Inner, false, span)?;
        }
        let ((assignments, filter), frame) = self.with_frame(Frame::of(&item, Clause::Set), |binder| {
            let assignments = binder.bind_assignments(&written, &old_row, &update.assignments)?;
            let filter = match &update.selection {
                Some(condition) => {
                    Some(binder.in_clause(Clause::Where, |binder| binder.bind_condition(condition, "WHERE"))?)
                }
                None => None,
            };
            Ok((assignments, filter))
        })?;
        let mut source = item.plan;
        if let Some(predicate) = filter {
            source = Plan::Filter { input: Box::new(source), predicate };
        }
        let new_row = self.row_vars(&table);
        let mut checks = self.bind_checks(&table, &new_row)?;
        let renewed_row = self.target_row(&written, &new_row, update.returning.is_some())?;
        checks.extend(self.view_rules(&written, &renewed_row));

        // RETURNING sees the new row under the target's name, and the other items as they are.
        let mut returning_frame = Frame { clause: Clause::Returning, ..frame };
        returning_frame.aggregates.clear();
        returning_frame.references.clear();
        let old = old_row.iter().copied().chain(own.iter().flat_map(|relation| relation.columns.iter().map(|c| c.var)));
        let new = new_row.iter().copied().chain(renewed_row.relation.columns.iter().map(|column| column.var));
        let renewals: Vec<(VarId, VarId)> = old.zip(new).collect();
        let renewed = |var: VarId| renewals.iter().find(|(old, _)| *old == var).map(|(_, new)| *new);
        for relation in &mut returning_frame.relations {
            if own.iter().any(|mine| mine.name == relation.name) {
                for column in &mut relation.columns {
                    column.var = renewed(column.var).unwrap_or(column.var);
                }
            }
        }
        for column in &mut returning_frame.star {
            column.var = renewed(column.var).unwrap_or(column.var);
        }
        let computed = renewed_row.computed;
        let (returning, output) = self.bind_returning(update.returning.as_deref(), returning_frame, &computed)?;
        let plan = Plan::Update(Box::new(Update { table, source, row_id, assignments, new_row, checks, returning }));
        Ok(Bound { plan, output })
    }

    /// The table of an UPDATE or DELETE, scanned with its row ids.
    pub fn bind_target(&mut self, factor: &TableFactor, write: Write) -> Result<TargetScan> {
        let TableFactor::Table { name, alias, args: None, .. } = factor else {
            let command = write.command();
            return Err(self.unsupported(format_args!("{command} of something that is no table"), factor.span()));
        };
        let qualified = self.qualified_name(name)?;
        if let Some(Relation::System { schema, .. }) = self.find_relation(&qualified)
            && let Some(relation) = graph_relations::writable(&schema, &qualified.name)
        {
            let command = write.command();
            return Err(self
                .unsupported(format_args!("{command} of {}", relation.name()), name.span())
                .hint(relation.write_hint(command)));
        }
        let written = self.write_target(name, write)?;
        let (mut item, row) = self.scan_table(&written.table)?;
        let row_id = self.vars.add("row_id", DataType::Int8);
        set_row_id(&mut item.plan, row_id);
        if written.view.is_some() {
            let seen = self.target_row(&written, &row, false)?;
            item = FromItem::of_relation(seen.over(item.plan), seen.relation);
        }
        let item = self.rename(item, alias.as_ref())?;
        Ok(TargetScan { written, item, row, row_id })
    }

    /// SET: single columns and rows. Parts of columns are put into those of `old_row`.
    pub fn bind_assignments(
        &mut self,
        written: &WriteTarget,
        old_row: &[VarId],
        assignments: &[Assignment],
    ) -> Result<Vec<(usize, Expr)>> {
        let table = &written.named;
        let mut seen = Vec::with_capacity(assignments.len());
        let mut bound = Vec::with_capacity(assignments.len());
        for assignment in assignments {
            match &assignment.target {
                AssignmentTarget::ColumnName(name) => {
                    let target = self.assignment_target(written, name, Write::Update, &mut seen)?;
                    let value = self.new_value(table, &target, &assignment.value)?;
                    bound.push((target, value));
                }
                AssignmentTarget::Tuple(names) => {
                    self.bind_row_assignment(written, names, &assignment.value, &mut seen, &mut bound)?;
                }
            }
        }
        let mut given = Vec::with_capacity(bound.len());
        for (target, value) in bound {
            let position = target.position;
            let old = || Expr::Column(old_row[position], table.columns[position].ty.clone());
            target.give(table, value, old, &mut given);
        }
        Ok(given)
    }

    fn new_value(&mut self, table: &TableDef, target: &Target, ast: &Ast) -> Result<Expr> {
        if !is_default(ast) {
            identity::check_update(table, target.position)?;
        }
        self.assigned_value(table, target, ast)
    }

    /// `(a, b) = (1, 2)`, `(a, b) = (SELECT …)`.
    fn bind_row_assignment(
        &mut self,
        written: &WriteTarget,
        names: &[ObjectName],
        value: &Ast,
        seen: &mut Vec<Target>,
        bound: &mut Vec<(Target, Expr)>,
    ) -> Result<()> {
        let table = &written.named;
        let place = self.at(value.span());
        let wrong = || QueryError::syntax("number of columns does not match number of values", place);
        let mut targets = Vec::with_capacity(names.len());
        for name in names {
            targets.push(self.assignment_target(written, name, Write::Update, seen)?);
        }
        if let Some(fields) = row(value) {
            if fields.len() != targets.len() {
                return Err(wrong());
            }
            for (target, field) in targets.into_iter().zip(fields) {
                let value = self.new_value(table, &target, field)?;
                bound.push((target, value));
            }
            return Ok(());
        }
        if let Some(query) = subquery_of(value) {
            // One scalar subquery a column: the same rows, each read for one field.
            let count = targets.len();
            for (index, target) in targets.into_iter().enumerate() {
                identity::check_update(table, target.position)?;
                let subquery = self.bind_subquery(query, false)?;
                if subquery.output.len() != count {
                    return Err(wrong());
                }
                let column = &subquery.output[index];
                let expr = Expr::Subquery(Box::new(crate::algebra::Subquery {
                    kind: crate::algebra::SubqueryKind::Scalar,
                    column: Some(column.var),
                    ty: column.ty.clone(),
                    plan: subquery.plan,
                }));
                let value = self.assign_to(table, &target, expr, place)?;
                bound.push((target, value));
            }
            return Ok(());
        }
        if let [target] = targets.as_slice() {
            let value = self.new_value(table, target, value)?;
            bound.push((target.clone(), value));
            return Ok(());
        }
        Err(QueryError::new(
            sqlstate::FEATURE_NOT_SUPPORTED,
            "source for a multiple-column UPDATE item must be a sub-SELECT or ROW() expression",
        )
        .at(place))
    }
}

/// Makes the scan of a table give its row ids.
pub fn set_row_id(plan: &mut Plan, var: VarId) {
    match plan {
        Plan::TableScan(scan) => scan.row_id = Some(var),
        Plan::Extend { input, .. } => set_row_id(input, var),
        _ => {}
    }
}
