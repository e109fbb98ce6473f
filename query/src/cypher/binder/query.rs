//! Queries and clauses.

use super::*;
use crate::algebra::{ApplyKind, SetOp};
use ast::{Clause, ClauseKind, Imports, ProcedureCall, Query, SingleQuery, Yield};

/// The first updating clause, subqueries included.
pub(super) fn writing_clause(query: &Query) -> Option<&Clause> {
    std::iter::once(&query.first).chain(query.rest.iter().map(|(_, single)| single)).find_map(|single| {
        single.clauses.iter().find(|clause| match &clause.kind {
            ClauseKind::Create { .. }
            | ClauseKind::Merge { .. }
            | ClauseKind::Set(_)
            | ClauseKind::Remove(_)
            | ClauseKind::Delete { .. }
            | ClauseKind::Foreach { .. } => true,
            ClauseKind::Subquery { query, .. } => writing_clause(query).is_some(),
            _ => false,
        })
    })
}

pub(super) fn writes(query: &Query) -> bool {
    writing_clause(query).is_some()
}

/// The call, when the statement is nothing else.
pub(super) fn standalone_call(query: &Query) -> Option<&ProcedureCall> {
    match &query.first.clauses[..] {
        [Clause { kind: ClauseKind::Call(call), .. }] if query.rest.is_empty() => Some(call),
        _ => None,
    }
}

impl Binder<'_> {
    /// A whole query: its plan, and its columns (none for one that only writes).
    pub(super) fn query(&mut self, query: &Query, standalone_call: bool) -> Result<(Plan, Columns)> {
        let outer_scope = self.scope.clone();
        let outer_writes = self.plan_writes;
        let (mut plan, mut columns) = self.single_query(&query.first, Plan::Unit, standalone_call)?;
        for (all, next) in &query.rest {
            self.scope = outer_scope.clone();
            self.plan_writes = outer_writes;
            self.left_behind.clear();
            let (right, right_columns) = self.single_query(next, Plan::Unit, false)?;
            (plan, columns) = self.union(*all, (plan, columns), (right, right_columns), next.span)?;
        }
        Ok((plan, columns))
    }

    /// Both sides must give the same names; the first side's order counts.
    fn union(
        &mut self,
        all: bool,
        left: (Plan, Columns),
        right: (Plan, Columns),
        span: Span,
    ) -> Result<(Plan, Columns)> {
        let mut right_columns = Vec::with_capacity(left.1.len());
        for (name, _) in &left.1 {
            right_columns.extend(right.1.iter().find(|(known, _)| known == name).map(|(_, var)| *var));
        }
        if right_columns.len() != left.1.len() || left.1.len() != right.1.len() {
            let message = "all parts of a UNION must return the same columns";
            return Err(self.syntax("DifferentColumnsInUnion", message, span));
        }
        let mut columns = Columns::new();
        for ((name, left), right) in left.1.iter().zip(&right_columns) {
            let ty = types::common([self.vars.ty(*left), self.vars.ty(*right)]);
            let output = self.new_var(name, ty);
            if self.observed.contains(left) || self.observed.contains(right) {
                self.observed.insert(output);
            }
            let is_number = |var: &VarId| self.numbers.contains(var) || types::is_number(self.vars.ty(*var));
            if [left, right].into_iter().any(|var| self.numbers.contains(var))
                && [left, right].into_iter().all(is_number)
            {
                self.numbers.insert(output);
            }
            columns.push((name.clone(), output));
        }
        let plan = Plan::SetOperation {
            op: SetOp::Union,
            all,
            left: Box::new(left.0),
            right: Box::new(right.0),
            left_columns: left.1.iter().map(|(_, var)| *var).collect(),
            right_columns,
            output: columns.iter().map(|(_, var)| *var).collect(),
        };
        Ok((plan, columns))
    }

    fn single_query(&mut self, query: &SingleQuery, input: Plan, standalone_call: bool) -> Result<(Plan, Columns)> {
        let mut plan = input;
        let last_index = query.clauses.len() - 1;
        for (index, clause) in query.clauses.iter().enumerate() {
            let is_last = index == last_index;
            match &clause.kind {
                ClauseKind::Return(projection) => {
                    if !is_last {
                        let message = "RETURN can only be the last clause of a query";
                        return Err(self.syntax("InvalidClauseComposition", message, clause.span));
                    }
                    return self.projection(plan, projection, true, clause.span);
                }
                ClauseKind::Call(call) => {
                    let columns;
                    (plan, columns) = self.call_clause(plan, call, standalone_call)?;
                    if standalone_call {
                        return if columns.is_empty() {
                            Ok((Plan::Discard { input: Box::new(plan) }, columns))
                        } else {
                            let items = columns.iter().map(|(_, var)| (*var, self.column(*var))).collect();
                            Ok((Plan::Project { input: Box::new(plan), items }, columns))
                        };
                    }
                    if is_last && !columns.is_empty() {
                        let message = "a query cannot end with CALL … YIELD; RETURN its columns";
                        return Err(self.syntax("InvalidClauseComposition", message, clause.span));
                    }
                }
                _ => plan = self.clause(plan, clause, is_last)?,
            }
        }
        Ok((Plan::Discard { input: Box::new(plan) }, Columns::new()))
    }

    fn clause(&mut self, plan: Plan, clause: &Clause, is_last: bool) -> Result<Plan> {
        let cannot_end = |binder: &Self, name: &str| {
            let message = format!("a query cannot end with {name}; it must end with RETURN or an updating clause");
            Err(binder.syntax("InvalidClauseComposition", message, clause.span))
        };
        match &clause.kind {
            ClauseKind::Match { .. } if is_last => cannot_end(self, "MATCH"),
            ClauseKind::Unwind { .. } if is_last => cannot_end(self, "UNWIND"),
            ClauseKind::With(_) if is_last => cannot_end(self, "WITH"),
            ClauseKind::Match { optional: false, patterns, filter } => {
                self.match_patterns(plan, patterns, filter.as_ref(), true)
            }
            ClauseKind::Match { optional: true, patterns, filter } => {
                let bound = self.scope.vars();
                let mut paths = self.resolve_patterns(patterns, true, true)?;
                shortest::add_conditions(&mut paths, patterns, filter.as_ref());
                let subplan = self.plan_paths(Plan::Unit, &paths, bound)?;
                let conjuncts = filter.as_ref().map_or(Ok(Vec::new()), |filter| self.conjuncts(filter))?;
                let subplan = Box::new(filtered(subplan, conjuncts));
                Ok(Plan::Apply { kind: ApplyKind::Left, input: Box::new(plan), subplan })
            }
            ClauseKind::Unwind { list, var } => {
                let list = self.list(list)?;
                if self.scope.get(&var.text).is_some() {
                    return Err(self.already_bound(&var.text, var.span));
                }
                let ty = match list.ty() {
                    DataType::Array(element) => *element,
                    _ => DataType::Any,
                };
                let id = self.new_var(&var.text, ty);
                self.note_same(id, &list);
                self.scope.insert(var.text.clone(), id);
                Ok(Plan::Unwind { input: Box::new(plan), list, var: id })
            }
            ClauseKind::With(projection) => Ok(self.projection(plan, projection, false, clause.span)?.0),
            ClauseKind::Create { .. }
            | ClauseKind::Set(_)
            | ClauseKind::Remove(_)
            | ClauseKind::Delete { .. }
            | ClauseKind::Merge { .. }
            | ClauseKind::Foreach { .. } => {
                let plan = self.writing(plan, clause)?;
                self.plan_writes = true;
                Ok(plan)
            }
            ClauseKind::Subquery { optional, imports, query } => self.call_subquery(plan, *optional, imports, query),
            ClauseKind::Finish if is_last => Ok(plan),
            ClauseKind::Finish => {
                let message = "FINISH can only be the last clause of a query";
                Err(self.syntax("InvalidClauseComposition", message, clause.span))
            }
            ClauseKind::Return(_) | ClauseKind::Call(_) => Err(QueryError::internal("a clause out of its place")),
        }
    }

    /// EXISTS { … } and its kin: names of outside are visible from the start; RETURN may be missing.
    pub(super) fn reading_subquery(&mut self, query: &Query) -> Result<(Plan, Columns)> {
        let ends_in_return =
            query.first.clauses.last().is_some_and(|clause| matches!(clause.kind, ClauseKind::Return(_)));
        if ends_in_return || !query.rest.is_empty() {
            return self.query(query, false);
        }
        let mut plan = Plan::Unit;
        for clause in &query.first.clauses {
            plan = match &clause.kind {
                ClauseKind::Return(_) => {
                    let message = "RETURN can only be the last clause of a query";
                    return Err(self.syntax("InvalidClauseComposition", message, clause.span));
                }
                ClauseKind::Call(call) => self.call_clause(plan, call, false)?.0,
                _ => self.clause(plan, clause, false)?,
            };
        }
        Ok((plan, Columns::new()))
    }

    /// CALL { … }: sees the variables it imports, by `WITH a, b` as its first clause or by `CALL (a, b)`.
    fn call_subquery(&mut self, plan: Plan, optional: bool, imports: &Imports, query: &Query) -> Result<Plan> {
        let outer = self.scope.clone();
        let mut inner_query = query.clone();
        let mut inner = Scope::default();
        match imports {
            Imports::All => inner = outer.clone(),
            Imports::Names(names) => {
                for name in names {
                    inner.insert(name.text.clone(), self.lookup(&name.text, name.span)?);
                }
            }
            Imports::LeadingWith => {
                let parts = std::iter::once(&mut inner_query.first)
                    .chain(inner_query.rest.iter_mut().map(|(_, single)| single));
                for single in parts {
                    self.importing_with(single, &mut inner)?;
                }
            }
        }
        let inner_writes = writes(query);
        let (subplan, columns) = self.nested_query(|binder| {
            binder.scope = inner;
            binder.query(&inner_query, false)
        })?;
        self.plan_writes = self.plan_writes || inner_writes;
        self.scope = outer;
        for (name, var) in &columns {
            if self.scope.get(name).is_some() {
                return Err(self.already_bound(name, query.first.span));
            }
            self.scope.insert(name.clone(), *var);
        }
        // A subquery without RETURN leaves the rows as they are.
        let kind = if optional || columns.is_empty() { ApplyKind::Left } else { ApplyKind::Cross };
        Ok(Plan::Apply { kind, input: Box::new(plan), subplan: Box::new(subplan) })
    }

    /// Takes a leading `WITH a, b` off: its variables are imported.
    fn importing_with(&self, single: &mut SingleQuery, inner: &mut Scope) -> Result<()> {
        let Some(Clause { kind: ClauseKind::With(projection), .. }) = single.clauses.first() else { return Ok(()) };
        let simple = !projection.distinct
            && projection.order_by.is_empty()
            && projection.skip.is_none()
            && projection.limit.is_none()
            && projection.filter.is_none()
            && projection
                .items
                .iter()
                .all(|item| item.alias.is_none() && matches!(item.expr.kind, ast::ExprKind::Variable(_)));
        if !simple {
            // Without variables of outside it is an ordinary WITH.
            return Ok(());
        }
        if projection.star.is_some() {
            for (name, var) in self.scope.iter() {
                inner.insert(name.clone(), var);
            }
        }
        for item in &projection.items {
            if let ast::ExprKind::Variable(name) = &item.expr.kind {
                inner.insert(name.clone(), self.lookup(name, item.expr.span)?);
            }
        }
        if single.clauses.len() > 1 {
            single.clauses.remove(0);
        }
        Ok(())
    }

    /// The columns of a YIELD, bound in scope.
    pub(super) fn yielded(
        &mut self,
        call: &ProcedureCall,
        available: &[(String, DataType)],
    ) -> Result<Vec<(usize, Arc<str>, Span)>> {
        let Yield::Items(items) = &call.outputs else { return Ok(Vec::new()) };
        let mut found = Vec::with_capacity(items.len());
        for (column, alias) in items {
            let Some(index) = available.iter().position(|(name, _)| **name == *column.text) else {
                let error = errors::syntax(
                    "UndefinedVariable",
                    format!("procedure {} has no column \"{}\"", call.name, column.text),
                );
                let error = match errors::near_miss(&column.text, available.iter().map(|(name, _)| name.as_str())) {
                    Some(near) => error.hint(format!("Perhaps you meant \"{near}\".")),
                    None => error,
                };
                return Err(self.at(error, column.span));
            };
            let name = alias.as_ref().unwrap_or(column);
            found.push((index, name.text.clone(), name.span));
        }
        Ok(found)
    }
}
