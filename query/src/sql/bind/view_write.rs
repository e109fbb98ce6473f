//! Writing through views that PostgreSQL calls automatically updatable: those over one table, or one such view, without
//! grouping, DISTINCT, LIMIT and their like.
//!
//! A statement on such a view is one on the table below it. Its names are the view's: of columns that are columns of
//! the table, under the names that the view gives them, and of computed ones, which can be read and not written. Its rows
//! are those that every view in between shows.
//!
//! ```text
//! CREATE VIEW v AS SELECT a AS x, b + 1 AS y FROM t WHERE b > 0
//! UPDATE v SET x = y WHERE y < 9     UPDATE t SET a = b + 1 WHERE b > 0 AND b + 1 < 9
//! ```
//!
//! The view's text is bound over the old row for what the statement reads and over the new one for RETURNING and WITH CHECK
//! OPTION, each time with variables of its own for computed columns.

use std::sync::Arc;

use sinew_storage::catalog::{CheckOption, TableDef, ViewDef};
use sqlparser::ast::{Distinct, GroupByExpr, ObjectName, Query, Select, SetExpr, Spanned, TableAlias, TableFactor};
use sqlparser::tokenizer::Span;

use super::Binder;
use super::names::Relation;
use super::scope::{Clause, Frame, FromItem, ScopeColumn, ScopeRelation};
use super::stored_text::row_relation;
use super::walk::walk_expr;
use crate::algebra::{Expr, Plan, RowRule, VarId};
use crate::context::{BindContext, ExecContext};
use crate::error::{QueryError, Result, sqlstate};
use crate::sql::parse::parse_query;

/// What a statement writes to.
#[derive(Clone)]
pub struct WriteTarget {
    pub table: Arc<TableDef>,
    /// The table under the names that the statement uses; columns that it cannot name have none.
    pub named: Arc<TableDef>,
    pub view: Option<WrittenView>,
}

/// A view that a statement writes through.
#[derive(Clone)]
pub struct WrittenView {
    pub def: Arc<ViewDef>,
    /// For each of its columns the position in the table; None for what is computed.
    pub columns: Vec<Option<usize>>,
}

/// A row of a target as the statement sees it.
pub struct TargetRow {
    pub relation: ScopeRelation,
    /// Columns that are computed, over the row's variables.
    pub computed: Vec<(VarId, Expr)>,
    /// Conditions of the views, innermost first.
    conditions: Vec<(Arc<ViewDef>, Expr)>,
}

/// What a statement does, for messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Write {
    Insert,
    Update,
    Delete,
}

impl Write {
    fn verb(self) -> &'static str {
        match self {
            Write::Insert => "insert into",
            Write::Update => "update",
            Write::Delete => "delete from",
        }
    }

    fn hint(self) -> &'static str {
        match self {
            Write::Insert => {
                "To enable inserting into the view, provide an INSTEAD OF INSERT trigger or an unconditional ON INSERT DO INSTEAD rule."
            }
            Write::Update => {
                "To enable updating the view, provide an INSTEAD OF UPDATE trigger or an unconditional ON UPDATE DO INSTEAD rule."
            }
            Write::Delete => {
                "To enable deleting from the view, provide an INSTEAD OF DELETE trigger or an unconditional ON DELETE DO INSTEAD rule."
            }
        }
    }

    pub fn command(self) -> &'static str {
        match self {
            Write::Insert => "INSERT",
            Write::Update => "UPDATE",
            Write::Delete => "DELETE",
        }
    }
}

/// Why a view cannot be written through, as PostgreSQL says it.
type Reason = &'static str;

const NOT_ONE_TABLE: Reason = "Views that do not select from a single table or view are not automatically updatable.";
/// The name of columns that a statement cannot name: no name is like it.
const HIDDEN: &str = "\0\0\0\0\0\0\0\0";
const NO_COLUMNS: Reason = "Views that have no updatable columns are not automatically updatable.";

/// An error, or a reason why a view cannot be written through.
enum Refusal {
    /// And which view it is.
    Reason(String, Reason),
    Error(QueryError),
}

impl From<QueryError> for Refusal {
    fn from(error: QueryError) -> Refusal {
        Refusal::Error(error)
    }
}

/// A view's query, of which only the parts are left that a view that can be written through has.
struct SimpleView {
    select: Box<Select>,
    base: ObjectName,
    alias: Option<TableAlias>,
}

fn simple_view(view: &ViewDef) -> Result<SimpleView, Refusal> {
    let query = parse_query(&view.query)?;
    let Query { with, body, limit_clause, fetch, .. } = *query;
    let select = match *body {
        SetExpr::Select(select) => select,
        SetExpr::SetOperation { .. } => {
            return Err(Refusal::Reason(
                view.name.clone(),
                "Views containing UNION, INTERSECT, or EXCEPT are not automatically updatable.",
            ));
        }
        _ => return Err(Refusal::Reason(view.name.clone(), NOT_ONE_TABLE)),
    };
    let is_grouped = !matches!(&select.group_by, GroupByExpr::Expressions(exprs, _) if exprs.is_empty());
    let reason = if matches!(select.distinct, Some(Distinct::Distinct | Distinct::On(_))) {
        "Views containing DISTINCT are not automatically updatable."
    } else if is_grouped {
        "Views containing GROUP BY are not automatically updatable."
    } else if select.having.is_some() {
        "Views containing HAVING are not automatically updatable."
    } else if with.is_some() {
        "Views containing WITH are not automatically updatable."
    } else if limit_clause.is_some() || fetch.is_some() {
        "Views containing LIMIT or OFFSET are not automatically updatable."
    } else {
        ""
    };
    if !reason.is_empty() {
        return Err(Refusal::Reason(view.name.clone(), reason));
    }
    let [from] = select.from.as_slice() else { return Err(Refusal::Reason(view.name.clone(), NOT_ONE_TABLE)) };
    let TableFactor::Table { name, alias, args: None, with_ordinality: false, sample, .. } = &from.relation else {
        return Err(Refusal::Reason(view.name.clone(), NOT_ONE_TABLE));
    };
    if !from.joins.is_empty() {
        return Err(Refusal::Reason(view.name.clone(), NOT_ONE_TABLE));
    }
    if sample.is_some() {
        return Err(Refusal::Reason(
            view.name.clone(),
            "Views containing TABLESAMPLE are not automatically updatable.",
        ));
    }
    let (base, alias) = (name.clone(), alias.clone());
    Ok(SimpleView { select, base, alias })
}

impl Binder<'_> {
    /// The table or view that a statement writes to. 55000 for a view that cannot be written through.
    pub fn write_target(&mut self, name: &ObjectName, write: Write) -> Result<WriteTarget> {
        let qualified = self.qualified_name(name)?;
        let found = self.find_relation(&qualified);
        if let Some(Relation::Materialized(_)) = found {
            let message = format!("cannot change materialized view \"{}\"", qualified.name);
            return Err(QueryError::new(sqlstate::WRONG_OBJECT_TYPE, message));
        }
        let Some(Relation::View(view)) = found else {
            let table = self.target_table(name)?;
            self.check_writable(&table, name.span())?;
            return Ok(WriteTarget { named: Arc::clone(&table), table, view: None });
        };
        self.used_relations.push(view.id);
        let opened = self.open_view(&view).and_then(|(table, columns)| {
            let is_writable = write == Write::Delete || columns.iter().any(Option::is_some);
            if is_writable { Ok((table, columns)) } else { Err(Refusal::Reason(view.name.clone(), NO_COLUMNS)) }
        });
        let (table, columns) = match opened {
            Ok(opened) => opened,
            Err(Refusal::Error(error)) => return Err(error),
            Err(Refusal::Reason(view, reason)) => {
                let message = format!("cannot {} view \"{view}\"", write.verb());
                return Err(QueryError::new(sqlstate::OBJECT_NOT_IN_PREREQUISITE_STATE, message)
                    .detail(reason)
                    .hint(write.hint()));
            }
        };
        self.check_writable(&table, name.span())?;
        let mut named = TableDef::clone(&table);
        named.name = view.name.clone();
        named.schema = view.schema.clone();
        for column in &mut named.columns {
            column.name = HIDDEN.to_owned();
        }
        for ((name, _), position) in view.columns.iter().zip(&columns) {
            if let Some(position) = position {
                named.columns[*position].name = name.clone();
            }
        }
        Ok(WriteTarget { table, named: Arc::new(named), view: Some(WrittenView { def: view, columns }) })
    }

    /// The table below a view, and where its columns are there. Of a column that the view shows twice, the first counts.
    fn open_view(&mut self, view: &Arc<ViewDef>) -> Result<(Arc<TableDef>, Vec<Option<usize>>), Refusal> {
        let table = self.table_below(view)?;
        let row = self.row_vars(&table);
        let opened = self.view_row(view, &table, &row, true)?;
        let mut columns: Vec<Option<usize>> = Vec::with_capacity(opened.relation.columns.len());
        for column in &opened.relation.columns {
            let position = row.iter().position(|var| *var == column.var);
            let is_stored = |position: &usize| table.columns[*position].virtual_expression.is_none();
            let position = position.filter(is_stored).filter(|position| !columns.contains(&Some(*position)));
            columns.push(position);
        }
        Ok((table, columns))
    }

    fn table_below(&mut self, view: &Arc<ViewDef>) -> Result<Arc<TableDef>, Refusal> {
        let mut view = Arc::clone(view);
        loop {
            let simple = simple_view(&view)?;
            let base = self.qualified_name(&simple.base)?;
            match self.find_relation(&base) {
                Some(Relation::Table(table)) => return Ok(table),
                Some(Relation::View(below)) => view = below,
                _ => return Err(Refusal::Reason(view.name.clone(), NOT_ONE_TABLE)),
            }
        }
    }

    /// A row of the table below as the view shows it. `with_virtual`: virtual columns of the table are not computed yet.
    fn view_row(
        &mut self,
        view: &Arc<ViewDef>,
        table: &Arc<TableDef>,
        row: &[VarId],
        with_virtual: bool,
    ) -> Result<TargetRow, Refusal> {
        let simple = simple_view(view)?;
        let base = self.qualified_name(&simple.base)?;
        let below = match self.find_relation(&base) {
            Some(Relation::View(below)) => self.nested_view_row(&below, table, row, with_virtual)?,
            _ => {
                let computed = if with_virtual { self.computed_columns(table, row)? } else { Vec::new() };
                TargetRow { relation: row_relation(table, row), computed, conditions: Vec::new() }
            }
        };
        let TargetRow { relation, mut computed, mut conditions } = below;
        let item = self.rename(FromItem::of_relation(Plan::Unit, relation), simple.alias.as_ref())?;
        let (projection, selection) = (&simple.select.projection, &simple.select.selection);
        let ((items, condition), frame) = self.apart(|binder| {
            binder.with_frame(Frame::of(&item, Clause::Select), |binder| {
                let items = binder.bind_item_list(projection)?;
                let condition = match selection {
                    Some(ast) => Some(binder.in_clause(Clause::Where, |binder| binder.bind_condition(ast, "WHERE"))?),
                    None => None,
                };
                Ok((items, condition))
            })
        })?;
        if !frame.aggregates.is_empty() {
            return Err(Refusal::Reason(
                view.name.clone(),
                "Views that return aggregate functions are not automatically updatable.",
            ));
        }
        if !frame.windows.is_empty() {
            return Err(Refusal::Reason(
                view.name.clone(),
                "Views that return window functions are not automatically updatable.",
            ));
        }
        if !frame.sets.is_empty() {
            return Err(Refusal::Reason(
                view.name.clone(),
                "Views that return set-returning functions are not automatically updatable.",
            ));
        }
        if let Some(mut condition) = condition {
            substitute(&mut condition, &computed);
            conditions.push((Arc::clone(view), condition));
        }
        let mut columns = Vec::with_capacity(view.columns.len());
        for ((_, expr, _), (name, _)) in items.into_iter().zip(&view.columns) {
            let mut expr = self.settle(expr)?;
            let ty = expr.ty();
            let var = match &expr {
                Expr::Column(var, _) => *var,
                _ => {
                    substitute(&mut expr, &computed);
                    let var = self.vars.add(name.as_str(), ty.clone());
                    computed.push((var, expr));
                    var
                }
            };
            columns.push(ScopeColumn { name: name.as_str().into(), var, ty, origin: None });
        }
        let relation =
            ScopeRelation { name: Some(view.name.clone()), schema: Some(view.schema.clone()), columns, tableoid: None };
        Ok(TargetRow { relation, computed, conditions })
    }

    /// As [`Self::view_row`], counted as nesting.
    fn nested_view_row(
        &mut self,
        view: &Arc<ViewDef>,
        table: &Arc<TableDef>,
        row: &[VarId],
        with_virtual: bool,
    ) -> Result<TargetRow, Refusal> {
        let mut refused = None;
        let bound = self.nested(|binder| match binder.view_row(view, table, row, with_virtual) {
            Ok(row) => Ok(Some(row)),
            Err(Refusal::Error(error)) => Err(error),
            Err(refusal @ Refusal::Reason(..)) => {
                refused = Some(refusal);
                Ok(None)
            }
        })?;
        bound.ok_or_else(|| refused.unwrap_or_else(|| Refusal::Reason(view.name.clone(), NOT_ONE_TABLE)))
    }

    /// A row of the target, in table order, as the statement names it; virtual columns of the table are among the computed
    /// ones `with_virtual`.
    pub fn target_row(&mut self, target: &WriteTarget, row: &[VarId], with_virtual: bool) -> Result<TargetRow> {
        let Some(view) = &target.view else {
            let computed = if with_virtual { self.computed_columns(&target.table, row)? } else { Vec::new() };
            return Ok(TargetRow { relation: row_relation(&target.table, row), computed, conditions: Vec::new() });
        };
        match self.view_row(&view.def, &target.table, row, with_virtual) {
            Ok(row) => Ok(row),
            Err(Refusal::Error(error)) => Err(error),
            Err(Refusal::Reason(_, reason)) => Err(QueryError::internal(reason)),
        }
    }

    /// What WITH CHECK OPTION asks of a new row, innermost view first.
    pub fn view_rules(&self, target: &WriteTarget, row: &TargetRow) -> Vec<(RowRule, Expr)> {
        let Some(view) = &target.view else { return Vec::new() };
        let mut cascades = false;
        let mut current = Some(Arc::clone(&view.def));
        let mut ids = Vec::new();
        while let Some(view) = current {
            cascades |= view.check_option == Some(CheckOption::Cascaded);
            if cascades || view.check_option.is_some() {
                ids.push(view.id);
            }
            current = self.view_below(&view);
        }
        let rules = row.conditions.iter().filter(|(view, _)| ids.contains(&view.id));
        rules.map(|(view, condition)| (RowRule::ViewOption(view.name.clone()), condition.clone())).collect()
    }

    fn view_below(&self, view: &ViewDef) -> Option<Arc<ViewDef>> {
        let simple = simple_view(view).ok()?;
        match self.find_relation(&self.qualified_name(&simple.base).ok()?) {
            Some(Relation::View(below)) => Some(below),
            _ => None,
        }
    }

    /// 0A000 for a column of a view that is none of the table.
    pub fn refuse_computed(&self, target: &WriteTarget, name: &str, write: Write, span: Span) -> Result<()> {
        let Some(view) = &target.view else { return Ok(()) };
        let at = view.def.columns.iter().position(|(column, _)| column == name);
        let Some(None) = at.and_then(|at| view.columns.get(at)) else { return Ok(()) };
        let what = if write == Write::Insert { "insert into" } else { "update" };
        let message = format!("cannot {what} column \"{name}\" of view \"{}\"", view.def.name);
        Err(QueryError::unsupported_as(message)
            .detail("View columns that are not columns of their base relation are not updatable.")
            .at(self.at(span)))
    }

    /// 0A000 when WITH CHECK OPTION is asked of a view that cannot be written through.
    pub fn check_updatable(&mut self, view: &ViewDef) -> Result<()> {
        let refused = match self.open_view(&Arc::new(view.clone())) {
            Ok((_, columns)) if columns.iter().all(Option::is_none) => NO_COLUMNS,
            Ok(_) => return Ok(()),
            Err(Refusal::Reason(_, reason)) => reason,
            Err(Refusal::Error(error)) => return Err(error),
        };
        let message = "WITH CHECK OPTION is supported only on automatically updatable views";
        Err(QueryError::unsupported_as(message).hint(refused))
    }
}

impl TargetRow {
    /// The plan with what the views show of its rows.
    pub fn over(&self, plan: Plan) -> Plan {
        let filter =
            |input, (_, predicate): &(_, Expr)| Plan::Filter { input: Box::new(input), predicate: predicate.clone() };
        let plan = self.conditions.iter().fold(plan, filter);
        match self.computed.as_slice() {
            [] => plan,
            items => Plan::Extend { input: Box::new(plan), items: items.to_vec() },
        }
    }
}

/// Puts expressions in the place of variables.
pub fn substitute(expr: &mut Expr, values: &[(VarId, Expr)]) {
    if values.is_empty() {
        return;
    }
    walk_expr(expr, &mut |expr| {
        if let Expr::Column(var, _) = expr
            && let Some((_, value)) = values.iter().find(|(known, _)| known == var)
        {
            *expr = value.clone();
            return false;
        }
        true
    });
}

/// For each column of a view whether it can be written through the view; None for a view that cannot.
pub fn updatable_columns(context: &ExecContext, view: &Arc<ViewDef>) -> Option<Vec<bool>> {
    let bind = BindContext { transaction: &context.transaction, session: &context.session, params: Default::default() };
    let mut binder = Binder::new(&bind, "");
    let (_, columns) = binder.open_view(view).ok()?;
    Some(columns.iter().map(Option::is_some).collect())
}
