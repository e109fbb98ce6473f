//! INSERT.

use std::sync::Arc;

use sinew_storage::catalog::{IndexDef, IndexKind, TableDef};
use sinew_storage::{DataType, Value};
use sqlparser::ast::{
    ConflictTarget, Insert as Ast, ObjectName, OnConflictAction, OnInsert, SelectItem, SetExpr, Spanned, TableObject,
};

use super::identity::{self, Overriding};
use super::names::{Relation, fold};
use super::returning::{AssignmentTarget, is_default};
use super::scope::{Clause, Frame};
use super::view_write::{Write, WriteTarget, substitute};
use super::{Binder, Bound};
use crate::algebra::{ConflictUpdate, Expr, Insert, OnConflict, Plan, VarId};
use crate::error::{QueryError, Result, sqlstate};
use crate::system::graph_relations::{self, GraphRelation};

const TOO_MANY_VALUES: &str = "INSERT has more expressions than target columns";

impl Binder<'_> {
    pub fn bind_insert(&mut self, insert: &Ast) -> Result<Bound> {
        let TableObject::TableName(name) = &insert.table else {
            return Err(self.unsupported("INSERT into something that is no table", insert.table.span()));
        };
        let what = if insert.or.is_some() || insert.replace_into || insert.ignore {
            "INSERT OR …, REPLACE and INSERT IGNORE"
        } else if insert.overwrite || insert.partitioned.is_some() || !insert.after_columns.is_empty() {
            "INSERT OVERWRITE and PARTITION"
        } else if insert.has_table_keyword || !insert.into {
            return Err(QueryError::syntax("INSERT needs INTO and a table name", self.at(name.span())));
        } else if !insert.assignments.is_empty() {
            "INSERT … SET"
        } else if insert.insert_alias.is_some() {
            "an alias for the inserted row"
        } else if insert.output.is_some() {
            "OUTPUT"
        } else if insert.settings.is_some() || insert.format_clause.is_some() || insert.priority.is_some() {
            "INSERT options"
        } else if insert.multi_table_insert_type.is_some() {
            "INSERT into several tables"
        } else {
            ""
        };
        if !what.is_empty() {
            return Err(self.unsupported(what, name.span()));
        }
        // WITH before INSERT … SELECT belongs to the source query.
        let qualified = self.qualified_name(name)?;
        if let Some(Relation::System { schema, .. }) = self.find_relation(&qualified)
            && let Some(relation) = graph_relations::writable(&schema, &qualified.name)
        {
            return self.bind_graph_insert(insert, name, relation);
        }
        let written = self.write_target(name, Write::Insert)?;
        let (table, named) = (Arc::clone(&written.table), Arc::clone(&written.named));
        let alias = insert.table_alias.as_ref().map(|alias| fold(&alias.alias));

        let (overriding, columns) = Overriding::split(&insert.columns);
        let (targets, explicit) = self.insert_targets(&written, columns)?;
        let (source, mut given) =
            self.insert_source(&named, insert, &targets, explicit, overriding).map_err(|error| {
                // A value too many may be one for a computed column of a view.
                let next = written.view.as_ref().and_then(|view| view.def.columns.get(targets.len()));
                match next {
                    Some((column, _)) if !explicit && error.0.message == TOO_MANY_VALUES => {
                        self.refuse_computed(&written, column, Write::Insert, name.span()).err().unwrap_or(error)
                    }
                    _ => error,
                }
            })?;
        if overriding == Overriding::User {
            let is_identity = |position: usize| table.columns[position].identity.is_some();
            given.retain(|(position, _)| !is_identity(*position));
        }
        let mut values = Vec::with_capacity(table.columns.len());
        for position in 0..table.columns.len() {
            values.push(match given.iter().find(|(target, _)| *target == position) {
                Some((_, expr)) => expr.clone(),
                None if table.columns[position].virtual_expression.is_some() => {
                    Expr::null(table.columns[position].ty.clone())
                }
                None => self.bind_default(&table, position)?,
            });
        }
        let new_row = self.row_vars(&table);
        let mut checks = self.bind_checks(&table, &new_row)?;
        let seen = self.target_row(&written, &new_row, insert.returning.is_some())?;
        checks.extend(self.view_rules(&written, &seen));
        let on_conflict = match &insert.on {
            None => None,
            Some(OnInsert::OnConflict(conflict)) => {
                Some(self.bind_on_conflict(&written, alias.as_deref(), conflict)?)
            }
            Some(_) => return Err(self.unsupported("ON DUPLICATE KEY UPDATE", name.span())),
        };
        let frame = Frame::named(seen.relation, alias.as_deref(), Clause::Returning);
        let (returning, output) = self.bind_returning(insert.returning.as_deref(), frame, &seen.computed)?;
        let plan = Plan::Insert(Box::new(Insert { table, source, values, new_row, checks, on_conflict, returning }));
        Ok(Bound { plan, output })
    }

    /// What gets a value. True when it was listed.
    pub fn insert_targets(
        &mut self,
        written: &WriteTarget,
        columns: &[ObjectName],
    ) -> Result<(Vec<AssignmentTarget>, bool)> {
        let table = &written.named;
        if let (Some(view), true) = (&written.view, columns.is_empty()) {
            // In the view's order, up to the first that is computed: a value for that one is one too many.
            let stored = view.columns.iter().map_while(|position| *position);
            return Ok((stored.map(|position| AssignmentTarget { position, part: None }).collect(), false));
        }
        if columns.is_empty() {
            let all = (0..table.columns.len()).filter(|&p| table.columns[p].virtual_expression.is_none());
            return Ok((all.map(|position| AssignmentTarget { position, part: None }).collect(), false));
        }
        let mut seen = Vec::with_capacity(columns.len());
        let mut targets = Vec::with_capacity(columns.len());
        for column in columns {
            let bind = |binder: &mut Self| binder.assignment_target(written, column, Write::Insert, &mut seen);
            let target =
                self.with_frame(Frame::new(Clause::Values), bind).map(|(target, _)| target).map_err(|error| {
                    if error.0.message.starts_with("multiple assignments") {
                        QueryError::new(
                            sqlstate::DUPLICATE_COLUMN,
                            format!("column \"{}\" specified more than once", super::names::fold_first(column)),
                        )
                        .at(self.at(column.span()))
                    } else {
                        error
                    }
                })?;
            targets.push(target);
        }
        Ok((targets, true))
    }

    /// The source plan and, for each given column, its value over the source's variables.
    fn insert_source(
        &mut self,
        table: &Arc<TableDef>,
        insert: &Ast,
        targets: &[AssignmentTarget],
        explicit: bool,
        overriding: Overriding,
    ) -> Result<(Plan, Vec<(usize, Expr)>)> {
        let Some(query) = &insert.source else {
            // DEFAULT VALUES
            return Ok((Plan::Unit, Vec::new()));
        };
        let plain = query.with.is_none()
            && query.order_by.is_none()
            && query.limit_clause.is_none()
            && query.fetch.is_none()
            && query.locks.is_empty();
        if let (SetExpr::Values(values), true) = (&*query.body, plain) {
            return self.insert_values(table, values, targets, explicit, overriding);
        }
        let mut bound = self.bind_query(query, true)?;
        self.check_insert_width(bound.output.len(), targets.len(), explicit, query.span())?;
        for (index, target) in targets.iter().take(bound.output.len()).enumerate() {
            identity::check_insert(table, target.position, overriding)?;
            if bound.output[index].ty == DataType::Unknown {
                self.coerce_output(&mut bound, index, target.ty(table))?;
            }
        }
        // Before anything refers to the outputs: settling may give them other variables.
        self.settle_outputs(&mut bound)?;
        let mut values = Vec::with_capacity(bound.output.len());
        for (index, target) in targets.iter().take(bound.output.len()).enumerate() {
            let source = &bound.output[index];
            let expr = Expr::Column(source.var, source.ty.clone());
            let position = self.at(query.span());
            values.push(self.assign_to(table, target, expr, position)?);
        }
        Ok((bound.plan, given_to(table, targets, values)))
    }

    fn check_insert_width(
        &self,
        given: usize,
        targets: usize,
        explicit: bool,
        span: sqlparser::tokenizer::Span,
    ) -> Result<()> {
        if given > targets {
            return Err(QueryError::syntax(TOO_MANY_VALUES, self.at(span)));
        }
        if given < targets && explicit {
            return Err(QueryError::syntax("INSERT has more target columns than expressions", self.at(span)));
        }
        Ok(())
    }

    /// VALUES lists bind straight against their columns, so that literals and parameters take their types.
    fn insert_values(
        &mut self,
        table: &Arc<TableDef>,
        values: &sqlparser::ast::Values,
        targets: &[AssignmentTarget],
        explicit: bool,
        overriding: Overriding,
    ) -> Result<(Plan, Vec<(usize, Expr)>)> {
        let width = values.rows.first().map_or(0, |row| row.content.len());
        let mut rows = Vec::with_capacity(values.rows.len());
        for row in &values.rows {
            let row = &row.content;
            let span = row.first().map(Spanned::span).unwrap_or_else(|| values.span());
            if row.len() != width {
                return Err(QueryError::syntax("VALUES lists must all be the same length", self.at(span)));
            }
            let place = row.get(targets.len()).map_or(span, Spanned::span);
            self.check_insert_width(row.len(), targets.len(), explicit, place)?;
            let (row, _) = self.with_frame(Frame::new(Clause::Values), |binder| {
                row.iter()
                    .zip(targets)
                    .map(|(ast, target)| {
                        if !is_default(ast) {
                            identity::check_insert(table, target.position, overriding)?;
                        }
                        binder.assigned_value(table, target, ast)
                    })
                    .collect::<Result<Vec<_>>>()
            })?;
            rows.push(row);
        }
        if rows.len() == 1 {
            // One row needs no relation: its expressions are the values.
            let row = rows.remove(0);
            return Ok((Plan::Unit, given_to(table, targets, row)));
        }
        let mut output = Vec::with_capacity(width);
        let mut values = Vec::with_capacity(width);
        for target in targets.iter().take(width) {
            let ty = target.ty(table).clone();
            let var = self.vars.add(table.columns[target.position].name.as_str(), ty.clone());
            output.push(var);
            values.push(Expr::Column(var, ty));
        }
        Ok((Plan::Values { rows, output }, given_to(table, targets, values)))
    }

    fn bind_on_conflict(
        &mut self,
        written: &WriteTarget,
        alias: Option<&str>,
        conflict: &sqlparser::ast::OnConflict,
    ) -> Result<OnConflict> {
        let table = &written.table;
        let index = match &conflict.conflict_target {
            None => None,
            Some(ConflictTarget::Columns(columns)) => Some(self.conflict_index(written, columns)?),
            Some(ConflictTarget::OnConstraint(name)) => {
                let wanted = self.qualified_name(name)?.name;
                let found = self
                    .catalog
                    .indexes_of(table.id)
                    .iter()
                    .find(|index| index.constraint.is_some() && index.name == wanted);
                let Some(index) = found else {
                    return Err(QueryError::new(
                        sqlstate::UNDEFINED_OBJECT,
                        format!("constraint \"{wanted}\" for table \"{}\" does not exist", table.name),
                    )
                    .at(self.at(name.span())));
                };
                Some(index.clone())
            }
        };
        let OnConflictAction::DoUpdate(update) = &conflict.action else {
            return Ok(OnConflict { index, update: None });
        };
        if index.is_none() {
            return Err(QueryError::syntax(
                "ON CONFLICT DO UPDATE requires inference specification or constraint name",
                None,
            )
            .hint("For example, ON CONFLICT (column_name)."));
        }
        let excluded = self.row_vars(table);
        let existing = self.row_vars(table);
        // Unqualified names are the existing row's.
        let known = self.target_row(written, &existing, false)?;
        let mut proposed = self.target_row(written, &excluded, false)?;
        proposed.relation.name = Some("excluded".to_owned());
        proposed.relation.schema = None;
        let computed: Vec<(VarId, Expr)> = known.computed.into_iter().chain(proposed.computed).collect();
        let mut frame = Frame::named(known.relation, alias, Clause::Set);
        frame.relations.push(proposed.relation);
        let ((mut assignments, mut filter), _) = self.with_frame(frame, |binder| {
            let assignments = binder.bind_assignments(written, &existing, &update.assignments)?;
            let filter = match &update.selection {
                Some(condition) => {
                    Some(binder.in_clause(Clause::Where, |binder| binder.bind_condition(condition, "WHERE"))?)
                }
                None => None,
            };
            Ok((assignments, filter))
        })?;
        for expr in assignments.iter_mut().map(|(_, expr)| expr).chain(&mut filter) {
            substitute(expr, &computed);
        }
        Ok(OnConflict { index, update: Some(ConflictUpdate { excluded, existing, assignments, filter }) })
    }

    /// INSERT INTO sinew.nodes or sinew.edges: each source row is a call that creates one entity.
    fn bind_graph_insert(&mut self, insert: &Ast, name: &ObjectName, relation: GraphRelation) -> Result<Bound> {
        if insert.on.is_some() {
            return Err(self.unsupported(format_args!("ON CONFLICT on {}", relation.name()), name.span()));
        }
        let table = Arc::new(relation.table());
        let (overriding, columns) = Overriding::split(&insert.columns);
        let written = WriteTarget { named: Arc::clone(&table), table: Arc::clone(&table), view: None };
        let (targets, explicit) = self.insert_targets(&written, columns)?;
        let (source, given) = self.insert_source(&table, insert, &targets, explicit, overriding)?;
        let args = (0..table.columns.len())
            .map(|position| match given.iter().find(|(target, _)| *target == position) {
                Some((_, expr)) => expr.clone(),
                None => Expr::Literal(Value::Null, table.columns[position].ty.clone()),
            })
            .collect();
        self.graph_insert_plan(&table, relation, source, args, insert.returning.as_deref())
    }

    pub fn graph_insert_plan(
        &mut self,
        table: &TableDef,
        relation: GraphRelation,
        source: Plan,
        args: Vec<Expr>,
        returning: Option<&[SelectItem]>,
    ) -> Result<Bound> {
        let row = self.row_vars(table);
        let outputs = row.iter().copied().enumerate().collect();
        let call =
            Plan::ProcedureCall { input: Box::new(source), procedure: relation.insert_procedure(), args, outputs };
        let mut frame = self.row_frame(table, &row, Clause::Returning);
        for relation in &mut frame.relations {
            relation.columns.iter_mut().for_each(|column| column.origin = None);
        }
        let (items, output) = self.bind_returning(returning, frame, &[])?;
        // Without RETURNING the rows stay: their number is the command's count, and they have no columns.
        Ok(Bound { plan: Plan::Project { input: Box::new(call), items }, output })
    }
}

/// The values of whole columns; parts of them are put into NULL.
fn given_to(table: &TableDef, targets: &[AssignmentTarget], values: Vec<Expr>) -> Vec<(usize, Expr)> {
    let mut given = Vec::with_capacity(values.len());
    for (target, value) in targets.iter().zip(values) {
        let null = || Expr::null(table.columns[target.position].ty.clone());
        target.clone().give(table, value, null, &mut given);
    }
    given
}

pub fn is_unique(index: &IndexDef) -> bool {
    matches!(index.kind, IndexKind::Ordered { unique: true })
}
