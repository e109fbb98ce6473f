//! SELECT: FROM, WHERE, GROUP BY, HAVING, the select list, DISTINCT, ORDER BY, LIMIT, in the order they act.

use std::sync::Arc;

use rustc_hash::FxHashSet;
use sinew_storage::DataType;
use sqlparser::ast::{
    AccessExpr, Distinct, Expr as Ast, LimitClause, OrderByExpr, OrderByKind, Query, Select, SelectItem,
    SelectItemQualifiedWildcardKind, SetExpr, Spanned, WildcardAdditionalOptions,
};
use sqlparser::tokenizer::Span;

use super::names::fold;
use super::row_lock::{LockScope, RowLockClause};
use super::scope::{Clause, Frame, FromItem, ScopeColumn};
use super::{Binder, Bound};
use crate::algebra::{Expr, Plan, SortKey, TableLock, VarId};
use crate::error::{QueryError, Result, sqlstate};
use crate::sql::table_tokens::ALL_FIELDS_MARK;
use crate::statement::OutputColumn;

/// ORDER BY, LIMIT, OFFSET and locking clauses of a query.
#[derive(Clone, Copy, Default)]
pub struct Tail<'q> {
    pub order_by: &'q [OrderByExpr],
    pub limit: Option<&'q Ast>,
    /// Rows that sort the same as the last one come too.
    pub with_ties: bool,
    pub offset: Option<&'q Ast>,
    pub locks: &'q [RowLockClause],
}

/// A bound item of a select list.
#[derive(Clone, Debug)]
pub struct Item {
    name: Arc<str>,
    expr: Expr,
    origin: Option<(u32, i16)>,
    /// The frame's references that belong to this item.
    references: std::ops::Range<usize>,
}

impl Binder<'_> {
    /// Binds a query. Columns that are open literals or parameters stay so when `keep_unknown`.
    pub fn bind_query(&mut self, query: &Query, keep_unknown: bool) -> Result<Bound> {
        self.reject_query_clauses(query)?;
        let locks = self.row_lock_clauses(query)?;
        let mark = self.ctes.len();
        if let Some(with) = &query.with {
            self.bind_with(with)?;
        }
        let bound = self.bind_query_body(query, &locks, keep_unknown);
        let declared = self.ctes.split_off(mark);
        let mut bound = bound?;
        bound.plan = self.wrap_ctes(bound.plan, declared);
        Ok(bound)
    }

    fn bind_query_body(&mut self, query: &Query, locks: &[RowLockClause], keep_unknown: bool) -> Result<Bound> {
        let mut tail = self.tail(query)?;
        tail.locks = locks;
        let mut bound = match &*query.body {
            SetExpr::Select(select) => self.bind_select(select, tail)?,
            other => {
                self.check_lockable_body(other, locks)?;
                if let SetExpr::Query(_) = other {
                    self.inherited_locks = locks.to_vec();
                }
                let bound = self.bind_set_expr(other)?;
                self.bind_tail_over_output(bound, tail)?
            }
        };
        if !keep_unknown {
            self.settle_outputs(&mut bound)?;
        }
        Ok(bound)
    }

    pub fn reject_query_clauses(&self, query: &Query) -> Result<()> {
        let span = query.span();
        let what = if query.for_clause.is_some() {
            "FOR XML, FOR JSON and FOR BROWSE"
        } else if query.settings.is_some() {
            "SETTINGS"
        } else if query.format_clause.is_some() {
            "FORMAT"
        } else if !query.pipe_operators.is_empty() {
            "the pipe operator |>"
        } else {
            return Ok(());
        };
        Err(self.unsupported(what, span))
    }

    fn tail<'q>(&self, query: &'q Query) -> Result<Tail<'q>> {
        let mut tail = Tail::default();
        if let Some(order_by) = &query.order_by {
            if order_by.interpolate.is_some() {
                return Err(self.unsupported("INTERPOLATE", order_by.span()));
            }
            match &order_by.kind {
                OrderByKind::Expressions(keys) => tail.order_by = keys,
                OrderByKind::All(_) => return Err(self.unsupported("ORDER BY ALL", order_by.span())),
            }
        }
        match &query.limit_clause {
            Some(LimitClause::LimitOffset { limit, offset, limit_by }) => {
                if !limit_by.is_empty() {
                    return Err(self.unsupported("LIMIT BY", query.span()));
                }
                tail.limit = limit.as_ref();
                tail.offset = offset.as_ref().map(|offset| &offset.value);
            }
            Some(LimitClause::OffsetCommaLimit { offset, .. }) => {
                return Err(QueryError::syntax("LIMIT #,# syntax is not supported", self.at(offset.span()))
                    .hint("Use separate LIMIT and OFFSET clauses."));
            }
            None => {}
        }
        if let Some(fetch) = &query.fetch {
            if fetch.percent {
                return Err(self.unsupported("FETCH FIRST … PERCENT", query.span()));
            }
            if tail.limit.is_some() {
                return Err(QueryError::syntax("multiple LIMIT clauses not allowed", self.at(query.span())));
            }
            if fetch.with_ties {
                if tail.order_by.is_empty() {
                    return Err(QueryError::syntax("WITH TIES cannot be specified without ORDER BY clause", None));
                }
                tail.with_ties = true;
            }
            static ONE: std::sync::OnceLock<Ast> = std::sync::OnceLock::new();
            tail.limit = Some(match &fetch.quantity {
                Some(quantity) => quantity,
                None => ONE.get_or_init(|| Ast::value(sqlparser::ast::Value::Number("1".to_owned(), false))),
            });
        }
        // LIMIT ALL and LIMIT NULL limit nothing; the parser drops the former.
        Ok(tail)
    }

    fn reject_select_clauses(&self, select: &Select) -> Result<()> {
        let span = select.span();
        let what = if select.top.is_some() {
            "TOP"
        } else if select.into.is_some() {
            "SELECT INTO"
        } else if !select.lateral_views.is_empty() {
            "LATERAL VIEW"
        } else if select.prewhere.is_some() {
            "PREWHERE"
        } else if !select.connect_by.is_empty() {
            "CONNECT BY"
        } else if !select.cluster_by.is_empty() || !select.distribute_by.is_empty() || !select.sort_by.is_empty() {
            "CLUSTER BY, DISTRIBUTE BY and SORT BY"
        } else if select.qualify.is_some() {
            "QUALIFY"
        } else if select.value_table_mode.is_some() {
            "SELECT AS"
        } else if select.exclude.is_some() {
            "EXCLUDE"
        } else if select.select_modifiers.is_some() {
            "SELECT modifiers"
        } else if !matches!(select.flavor, sqlparser::ast::SelectFlavor::Standard) {
            "FROM before SELECT"
        } else {
            return Ok(());
        };
        Err(self.unsupported(what, span))
    }

    /// One SELECT with the ORDER BY and LIMIT that belong to it.
    pub fn bind_select(&mut self, select: &Select, tail: Tail<'_>) -> Result<Bound> {
        self.reject_select_clauses(select)?;
        let outer = std::mem::replace(&mut self.lock_scope, LockScope::of(tail.locks));
        let from = self.bind_from(&select.from);
        let scope = std::mem::replace(&mut self.lock_scope, outer);
        let from = from?;
        let locks = self.finish_locks(scope, &from)?;
        self.frames.push(Frame::of(&from, Clause::Select));
        let result = self.bind_select_over(select, from, tail, locks);
        self.frames.pop();
        result
    }

    fn bind_select_over(
        &mut self,
        select: &Select,
        from: FromItem,
        tail: Tail<'_>,
        locks: Vec<TableLock>,
    ) -> Result<Bound> {
        let mut local: FxHashSet<VarId> =
            from.star.iter().chain(from.relations.iter().flat_map(|r| &r.columns)).map(|column| column.var).collect();
        let mut plan = from.plan;
        if let Some(condition) = &select.selection {
            let predicate = self.in_clause(Clause::Where, |binder| binder.bind_condition(condition, "WHERE"))?;
            plan = Plan::Filter { input: Box::new(plan), predicate };
        }
        self.frame().references.clear();
        self.bind_window_clause(&select.named_window)?;

        let mut items = self.bind_items(&select.projection)?;
        let mut groups = self.bind_groups(&select.group_by, select, &items)?;
        let mut having = match &select.having {
            Some(condition) => {
                let start = self.frame().references.len();
                let predicate = self.in_clause(Clause::Having, |binder| binder.bind_condition(condition, "HAVING"))?;
                Some((predicate, start..self.frame().references.len()))
            }
            None => None,
        };

        // Sort keys over the input; output columns are recognised first.
        let distinct_on = match &select.distinct {
            Some(Distinct::On(exprs)) => Some(exprs),
            _ => None,
        };
        let distinct_all = matches!(select.distinct, Some(Distinct::Distinct));
        let mut keys = self.bind_order_keys(tail.order_by, &items)?;
        let mut on = match distinct_on {
            Some(exprs) => Some(self.bind_distinct_on(exprs, &items)?),
            None => None,
        };

        let aggregates = std::mem::take(&mut self.frame().aggregates);
        let mut windows = self.take_windows();
        let is_grouped = groups.is_some();
        self.check_lockable_select(select, tail.locks, is_grouped, !aggregates.is_empty(), !windows.is_empty())?;
        let groupings = std::mem::take(&mut self.frame().groupings);
        let mut sets = std::mem::take(&mut self.frame().sets);
        let grouped = !aggregates.is_empty() || is_grouped || having.is_some() || !groupings.is_empty();
        let mut grouped_by = Vec::new();
        if grouped {
            // Sets that rows are grouped by come before groups, the others behind.
            let groups = groups.take();
            let mut wanted: Vec<Expr> = groups.iter().flat_map(|groups| groups.exprs.iter().cloned()).collect();
            let mut before = Vec::new();
            for set in std::mem::take(&mut sets).into_iter().rev() {
                if wanted.iter().any(|expr| set.is_read_by(expr)) {
                    wanted.extend(set.args.iter().cloned());
                    local.extend(set.columns.iter().copied().chain(set.record));
                    before.insert(0, set);
                } else {
                    sets.insert(0, set);
                }
            }
            plan = self.plan_sets(plan, before);
            let grouping = self.grouping(groups, &aggregates, local);
            for item in &mut items {
                self.check_grouped(&mut item.expr, &grouping, item.references.clone())?;
            }
            if let Some((predicate, references)) = &mut having {
                self.check_grouped(predicate, &grouping, references.clone())?;
            }
            for key in &mut keys {
                self.check_grouped(&mut key.expr, &grouping, key.references.clone())?;
            }
            for key in on.iter_mut().flatten() {
                self.check_grouped(&mut key.expr, &grouping, key.references.clone())?;
            }
            for expr in sets.iter_mut().flat_map(|set| &mut set.args) {
                self.check_grouped(expr, &grouping, 0..usize::MAX)?;
            }
            for expr in windows.exprs_mut() {
                self.check_grouped(expr, &grouping, 0..usize::MAX)?;
            }
            grouped_by.extend(grouping.groups.iter().map(|(var, group)| Expr::Column(*var, group.ty())));
            plan = self.plan_groups(plan, &grouping, aggregates, groupings)?;
            if let Some((predicate, _)) = having.take() {
                plan = Plan::Filter { input: Box::new(plan), predicate };
            }
        }
        if !windows.is_empty() {
            let mut sorted_by = sort_references(&keys, &items, on.as_deref());
            sorted_by.extend(grouped_by);
            if distinct_all {
                sorted_by.extend(items.iter().map(|item| item.expr.clone()));
            }
            plan = self.plan_windows(plan, windows, sorted_by);
        }
        plan = self.plan_sets(plan, sets);
        self.project(plan, items, keys, on, distinct_all, tail, locks)
    }

    /// Projection, DISTINCT, ORDER BY, LIMIT. Sort keys that are no output columns are carried along and dropped.
    fn project(
        &mut self,
        plan: Plan,
        items: Vec<Item>,
        keys: Vec<OrderKey>,
        on: Option<Vec<OrderKey>>,
        distinct: bool,
        tail: Tail<'_>,
        locks: Vec<TableLock>,
    ) -> Result<Bound> {
        let mut projected: Vec<(VarId, Expr)> = Vec::with_capacity(items.len());
        let mut output: Vec<OutputColumn> = Vec::with_capacity(items.len());
        for item in items {
            let ty = item.expr.ty();
            let var = match &item.expr {
                Expr::Column(var, _) => {
                    let var = *var;
                    if !projected.iter().any(|(known, _)| *known == var) {
                        projected.push((var, item.expr));
                    }
                    var
                }
                _ => {
                    let var = self.vars.add(item.name.clone(), ty.clone());
                    self.note_record(var, &item.expr);
                    projected.push((var, item.expr));
                    var
                }
            };
            output.push(OutputColumn { name: item.name, var, ty, origin: item.origin });
        }
        let visible = projected.len();
        let sort_keys = self.place_keys(keys, &mut projected, &output, visible, distinct, "SELECT DISTINCT")?;
        let on_keys = match on {
            Some(on) => {
                let on = self.place_keys(on, &mut projected, &output, visible, false, "SELECT DISTINCT ON")?;
                let leading = sort_keys.iter().take(on.len());
                if leading.clone().any(|key| !on.iter().any(|on| super::group::same(&on.expr, &key.expr))) {
                    return Err(QueryError::new(
                        sqlstate::INVALID_COLUMN_REFERENCE,
                        "SELECT DISTINCT ON expressions must match initial ORDER BY expressions",
                    )
                    .at(tail.order_by.first().and_then(|key| self.at(key.expr.span()))));
                }
                Some(on)
            }
            None => None,
        };
        projected.extend(locks.iter().map(|lock| (lock.row_id, Expr::Column(lock.row_id, DataType::Int8))));
        let ties = sort_keys.clone();
        let hidden = projected.len() > visible;
        let kept: Vec<(VarId, Expr)> =
            projected[..visible].iter().map(|(var, expr)| (*var, Expr::Column(*var, expr.ty()))).collect();
        let mut plan = Plan::Project { input: Box::new(plan), items: projected };
        if distinct {
            plan = Plan::Distinct { input: Box::new(plan), on: None };
        }
        if let Some(on) = on_keys {
            // The first row of each group is the first in the order asked for.
            if !sort_keys.is_empty() {
                plan = Plan::Sort { input: Box::new(plan), keys: sort_keys };
            }
            plan = Plan::Distinct { input: Box::new(plan), on: Some(on.into_iter().map(|key| key.expr).collect()) };
        } else if !sort_keys.is_empty() {
            plan = Plan::Sort { input: Box::new(plan), keys: sort_keys };
        }
        if !locks.is_empty() {
            plan = Plan::LockRows { input: Box::new(plan), locks };
        }
        plan = self.limit(plan, tail, ties, true)?;
        if hidden {
            plan = Plan::Project { input: Box::new(plan), items: kept };
        }
        Ok(Bound { plan, output })
    }

    /// Turns keys into keys over the projection, adding hidden columns where needed.
    fn place_keys(
        &mut self,
        keys: Vec<OrderKey>,
        projected: &mut Vec<(VarId, Expr)>,
        output: &[OutputColumn],
        visible: usize,
        distinct: bool,
        what: &str,
    ) -> Result<Vec<SortKey>> {
        let mut placed = Vec::with_capacity(keys.len());
        for key in keys {
            let expr = match key.output {
                Some(index) => Expr::Column(output[index].var, output[index].ty.clone()),
                None => {
                    let known = projected[..if distinct { visible } else { projected.len() }]
                        .iter()
                        .find(|(var, expr)| {
                            super::group::same(expr, &key.expr)
                                || matches!(&key.expr, Expr::Column(column, _) if column == var)
                        })
                        .map(|(var, expr)| (*var, expr.ty()));
                    match known {
                        Some((var, ty)) => Expr::Column(var, ty),
                        None if distinct => {
                            return Err(QueryError::new(
                                sqlstate::INVALID_COLUMN_REFERENCE,
                                format!("for {what}, ORDER BY expressions must appear in select list"),
                            )
                            .at(self.at(key.span)));
                        }
                        None if !super::walk::reads_columns(&key.expr) && is_constant(&key.expr) => continue,
                        None => {
                            let ty = key.expr.ty();
                            let var = match &key.expr {
                                Expr::Column(var, _) => *var,
                                _ => self.vars.add("sort", ty.clone()),
                            };
                            projected.push((var, key.expr));
                            Expr::Column(var, ty)
                        }
                    }
                }
            };
            placed.push(SortKey { expr, descending: key.descending, nulls_first: key.nulls_first });
        }
        Ok(placed)
    }

    /// LIMIT and OFFSET over rows sorted by `keys`. `has_columns`: the innermost frame is the query's own, whose columns may
    /// not be read here.
    pub fn limit(&mut self, plan: Plan, tail: Tail<'_>, keys: Vec<SortKey>, has_columns: bool) -> Result<Plan> {
        let skip = tail.offset.map(|ast| self.limit_bound(ast, "OFFSET", has_columns)).transpose()?;
        let limit = tail.limit.map(|ast| self.limit_bound(ast, "LIMIT", has_columns)).transpose()?;
        let is_null = |expr: &Expr| matches!(expr, Expr::Literal(sinew_storage::Value::Null, _));
        let skip = skip.filter(|skip| !is_null(skip));
        if tail.with_ties {
            if tail.locks.iter().any(|lock| lock.skips_locked()) {
                return Err(QueryError::syntax("SKIP LOCKED and WITH TIES options cannot be used together", None));
            }
            let Some(limit) = limit.filter(|limit| !is_null(limit)) else {
                return Err(QueryError::new(
                    sqlstate::INVALID_ROW_COUNT_IN_LIMIT,
                    "row count cannot be null in FETCH FIRST ... WITH TIES clause",
                ));
            };
            return Ok(Plan::LimitTies { input: Box::new(plan), keys, skip, limit });
        }
        let limit = limit.filter(|limit| !is_null(limit));
        if skip.is_none() && limit.is_none() {
            return Ok(plan);
        }
        Ok(Plan::Limit { input: Box::new(plan), skip, limit })
    }

    fn limit_bound(&mut self, ast: &Ast, what: &str, has_columns: bool) -> Result<Expr> {
        let own = self.frames.len().checked_sub(1).filter(|_| has_columns);
        let mark = own.map_or(0, |own| self.frames[own].references.len());
        let (bound, _) = self.with_frame(Frame::new(Clause::Limit), |binder| {
            let expr = binder.bind_expr(ast)?;
            let position = binder.at(ast.span());
            let from = expr.ty();
            if !matches!(
                from,
                DataType::Unknown
                    | DataType::Int2
                    | DataType::Int4
                    | DataType::Int8
                    | DataType::Numeric(_)
                    | DataType::Float4
                    | DataType::Float8
            ) {
                return Err(QueryError::new(
                    sqlstate::DATATYPE_MISMATCH,
                    format!("argument of {what} must be type bigint, not type {}", crate::types::type_name(&from)),
                )
                .at(position));
            }
            if let Expr::Literal(sinew_storage::Value::Int(count), _) = &expr
                && *count < 0
            {
                let code = if what == "LIMIT" { sqlstate::INVALID_ROW_COUNT_IN_LIMIT } else { "2201X" };
                return Err(QueryError::new(code, format!("{what} must not be negative")));
            }
            binder.coerce(expr, &DataType::Int8, position)
        })?;
        if let Some((_, span)) = own.and_then(|own| self.frames[own].references.get(mark)) {
            return Err(QueryError::new(
                sqlstate::INVALID_COLUMN_REFERENCE,
                format!("argument of {what} must not contain variables"),
            )
            .at(self.at(*span)));
        }
        Ok(bound)
    }

    /// The items of RETURNING: name, expression, origin.
    pub fn bind_item_list(&mut self, items: &[SelectItem]) -> Result<Vec<(Arc<str>, Expr, Option<(u32, i16)>)>> {
        let clause = self.frame().clause;
        let items = self.bind_items_in(items, clause)?;
        Ok(items.into_iter().map(|item| (item.name, item.expr, item.origin)).collect())
    }

    fn bind_items(&mut self, projection: &[SelectItem]) -> Result<Vec<Item>> {
        self.bind_items_in(projection, Clause::Select)
    }

    fn bind_items_in(&mut self, projection: &[SelectItem], clause: Clause) -> Result<Vec<Item>> {
        let mut items = Vec::with_capacity(projection.len());
        for item in projection {
            match item {
                SelectItem::UnnamedExpr(Ast::CompoundFieldAccess { root, access_chain }) if matches!(access_chain.last(), Some(AccessExpr::Dot(Ast::Identifier(ident))) if ident.value == ALL_FIELDS_MARK) =>
                {
                    let chain = &access_chain[..access_chain.len() - 1];
                    self.push_fields(&mut items, root, chain, clause)?;
                }
                SelectItem::UnnamedExpr(expr) => {
                    let name = self.output_name(expr);
                    let noted = self.noted_columns.as_ref().map_or(0, Vec::len);
                    items.push(self.bind_item(expr, name, clause)?);
                    if matches!(expr, Ast::Identifier(_) | Ast::CompoundIdentifier(_)) {
                        self.note_output(noted);
                    }
                }
                SelectItem::ExprWithAlias { expr, alias } => {
                    self.check_alias(alias, expr.span())?;
                    let name = fold(alias);
                    items.push(self.bind_item(expr, name, clause)?);
                }
                SelectItem::ExprWithAliases { expr, .. } => {
                    return Err(self.unsupported("several aliases for one expression", expr.span()));
                }
                SelectItem::Wildcard(options) => {
                    self.reject_wildcard_options(options)?;
                    let columns = self.frame().star.clone();
                    if self.frame().relations.is_empty() && columns.is_empty() {
                        return Err(QueryError::syntax(
                            "SELECT * with no tables specified is not valid",
                            self.at(options.wildcard_token.0.span),
                        ));
                    }
                    self.push_columns(&mut items, columns, options.wildcard_token.0.span);
                }
                SelectItem::QualifiedWildcard(kind, options) => {
                    self.reject_wildcard_options(options)?;
                    let name = match kind {
                        SelectItemQualifiedWildcardKind::ObjectName(name) => name,
                        SelectItemQualifiedWildcardKind::Expr(record) => {
                            self.push_fields(&mut items, record, &[], clause)?;
                            continue;
                        }
                    };
                    let qualified = self.qualified_name(name)?;
                    let Some(columns) = self.relation_columns(qualified.schema.as_deref(), &qualified.name) else {
                        return Err(self.missing_from_entry(&qualified.name, name.span()));
                    };
                    self.push_columns(&mut items, columns, name.span());
                }
            }
        }
        Ok(items)
    }

    /// The fields of a record, each as an item.
    fn push_fields(&mut self, items: &mut Vec<Item>, root: &Ast, chain: &[AccessExpr], clause: Clause) -> Result<()> {
        let start = self.frame().references.len();
        let fields = self.in_clause(clause, |binder| {
            let record = binder.bind_access(root, chain)?;
            binder.all_fields(record, root.span())
        })?;
        let end = self.frame().references.len().max(start);
        let item =
            |(name, expr): (String, Expr)| Item { name: name.into(), expr, origin: None, references: start..end };
        items.extend(fields.into_iter().map(item));
        Ok(())
    }

    fn reject_wildcard_options(&self, options: &WildcardAdditionalOptions) -> Result<()> {
        let span = options.wildcard_token.0.span;
        let what = if options.opt_ilike.is_some() {
            "* ILIKE"
        } else if options.opt_exclude.is_some() || options.opt_except.is_some() {
            "* EXCLUDE and * EXCEPT"
        } else if options.opt_replace.is_some() {
            "* REPLACE"
        } else if options.opt_rename.is_some() {
            "* RENAME"
        } else if options.opt_alias.is_some() {
            "an alias for *"
        } else {
            return Ok(());
        };
        Err(self.unsupported(what, span))
    }

    fn push_columns(&mut self, items: &mut Vec<Item>, columns: Vec<ScopeColumn>, span: Span) {
        for column in columns {
            let start = self.frame().references.len();
            self.frame().references.push((column.var, span));
            let ty = self.vars.ty(column.var).clone();
            items.push(Item {
                name: column.name,
                expr: Expr::Column(column.var, ty),
                origin: column.origin,
                references: start..start + 1,
            });
        }
    }

    fn bind_item(&mut self, ast: &Ast, name: String, clause: Clause) -> Result<Item> {
        let start = self.frame().references.len();
        let expr = self.in_clause(clause, |binder| binder.bind_expr(ast))?;
        let origin = match &expr {
            Expr::Column(var, _) => self
                .frame()
                .relations
                .iter()
                .flat_map(|relation| &relation.columns)
                .find(|column| column.var == *var)
                .and_then(|column| column.origin),
            _ => None,
        };
        let end = self.frame().references.len().max(start);
        Ok(Item { name: name.into(), expr, origin, references: start..end })
    }

    /// An expression of GROUP BY: an ordinal, an output name (after input columns), or an expression over the input.
    pub fn bind_group(&mut self, ast: &Ast, items: &[Item]) -> Result<Expr> {
        if let Some(index) = self.ordinal(ast, items.len(), "GROUP BY")? {
            self.no_aggregate_in_group(&items[index].expr, ast.span())?;
            return Ok(items[index].expr.clone());
        }
        if let Ast::Identifier(ident) = ast {
            let name = fold(ident);
            let is_input = self.frame().star.iter().any(|column| *column.name == *name);
            if !is_input {
                let mut named = items.iter().filter(|item| *item.name == *name);
                if let Some(item) = named.next() {
                    if named.any(|other| !super::group::same(&other.expr, &item.expr)) {
                        return Err(QueryError::new(
                            sqlstate::AMBIGUOUS_COLUMN,
                            format!("GROUP BY \"{name}\" is ambiguous"),
                        )
                        .at(self.at(ident.span)));
                    }
                    let expr = item.expr.clone();
                    self.no_aggregate_in_group(&expr, ast.span())?;
                    return Ok(expr);
                }
            }
        }
        self.in_clause(Clause::GroupBy, |binder| binder.bind_settled(ast))
    }

    fn no_aggregate_in_group(&mut self, expr: &Expr, span: Span) -> Result<()> {
        let vars: Vec<VarId> = self.frame().aggregates.iter().map(|(var, ..)| *var).collect();
        if super::walk::reads_any(expr, &vars) {
            return Err(QueryError::new(sqlstate::GROUPING_ERROR, "aggregate functions are not allowed in GROUP BY")
                .at(self.at(span)));
        }
        if self.window_inside(std::slice::from_ref(expr)).is_some() {
            return Err(QueryError::new(sqlstate::WINDOWING_ERROR, "window functions are not allowed in GROUP BY")
                .at(self.at(span)));
        }
        let groupings: Vec<VarId> = self.frame().groupings.iter().map(|pending| pending.var).collect();
        if super::walk::reads_any(expr, &groupings) {
            return Err(QueryError::new(sqlstate::GROUPING_ERROR, "grouping operations are not allowed in GROUP BY")
                .at(self.at(span)));
        }
        Ok(())
    }

    fn bind_order_keys(&mut self, order_by: &[OrderByExpr], items: &[Item]) -> Result<Vec<OrderKey>> {
        let mut keys = Vec::with_capacity(order_by.len());
        for key in order_by {
            let (descending, nulls_first) = self.sort_direction(key)?;
            let mut bound = self.bind_key(&key.expr, items, "ORDER BY")?;
            bound.descending = descending;
            bound.nulls_first = nulls_first;
            keys.push(bound);
        }
        Ok(keys)
    }

    fn bind_distinct_on(&mut self, exprs: &[Ast], items: &[Item]) -> Result<Vec<OrderKey>> {
        exprs.iter().map(|expr| self.bind_key(expr, items, "DISTINCT ON")).collect()
    }

    /// An output column by number or name, else an expression over the input.
    fn bind_key(&mut self, ast: &Ast, items: &[Item], what: &str) -> Result<OrderKey> {
        let span = ast.span();
        let empty = |output| OrderKey {
            expr: Expr::null(DataType::Unknown),
            output: Some(output),
            descending: false,
            nulls_first: false,
            span,
            references: 0..0,
        };
        if let Some(index) = self.ordinal(ast, items.len(), what)? {
            return Ok(empty(index));
        }
        if let Ast::Identifier(ident) = ast {
            let name = fold(ident);
            let mut named = items.iter().enumerate().filter(|(_, item)| *item.name == *name);
            if let Some((index, item)) = named.next() {
                if named.any(|(_, other)| !super::group::same(&other.expr, &item.expr)) {
                    return Err(QueryError::new(sqlstate::AMBIGUOUS_COLUMN, format!("{what} \"{name}\" is ambiguous"))
                        .at(self.at(ident.span)));
                }
                return Ok(empty(index));
            }
        }
        let start = self.frame().references.len();
        let expr = self.in_clause(Clause::OrderBy, |binder| binder.bind_settled(ast))?;
        let end = self.frame().references.len().max(start);
        Ok(OrderKey { expr, output: None, descending: false, nulls_first: false, span, references: start..end })
    }
}

/// A sort key before it is placed over the projection.
#[derive(Clone, Debug)]
pub struct OrderKey {
    pub expr: Expr,
    /// Index of the output column it is, if it is one.
    pub output: Option<usize>,
    pub descending: bool,
    pub nulls_first: bool,
    pub span: Span,
    pub references: std::ops::Range<usize>,
}

/// Expressions by which the query's own rows are sorted, in PostgreSQL's numbering: ORDER BY, then DISTINCT ON.
fn sort_references(keys: &[OrderKey], items: &[Item], on: Option<&[OrderKey]>) -> Vec<Expr> {
    let keys = keys.iter().chain(on.unwrap_or_default());
    keys.map(|key| key.output.map_or_else(|| key.expr.clone(), |index| items[index].expr.clone())).collect()
}

fn is_constant(expr: &Expr) -> bool {
    matches!(expr, Expr::Literal(..))
}
