//! FROM: tables, views, system relations, derived tables, functions, CTEs.

use std::sync::Arc;

use sinew_storage::catalog::{TableDef, ViewDef};
use sinew_storage::{DataType, Value};
use sqlparser::ast::{Ident, ObjectName, Spanned, TableAlias, TableFactor, TableWithJoins};
use sqlparser::tokenizer::Span;

use super::names::{Relation, fold, is_temporary_schema};
use super::scope::{Clause, Frame, FromItem, ScopeColumn, ScopeRelation, TABLEOID};
use super::{Binder, Bound};
use crate::algebra::visit::free_vars;
use crate::algebra::{Expr, JoinKind, Plan, TableScan, VarId};
use crate::error::{QueryError, Result, sqlstate};
use crate::functions::TableFunction;
use crate::system;

/// Relations of one FROM clause: joins nest as deep as there are relations.
const JOIN_LIMIT: usize = 256;

impl Binder<'_> {
    /// A whole FROM clause; none gives one row without columns.
    pub fn bind_from(&mut self, from: &[TableWithJoins]) -> Result<FromItem> {
        let mut left: Option<FromItem> = None;
        for item in from {
            let (right, correlated) = self.bind_beside(left.as_ref(), |binder| binder.bind_table_with_joins(item))?;
            left = Some(match left {
                None => right,
                Some(left) => self.join_items(left, right, JoinKind::Inner, correlated, item.relation.span())?,
            });
        }
        Ok(left.unwrap_or_default())
    }

    /// Binds with the items to the left in reach of LATERAL. True when it read them.
    pub fn bind_beside(
        &mut self,
        left: Option<&FromItem>,
        bind: impl FnOnce(&mut Self) -> Result<FromItem>,
    ) -> Result<(FromItem, bool)> {
        let Some(left) = left else { return Ok((bind(self)?, false)) };
        let mut frame = Frame::of(left, Clause::From);
        frame.lateral = true;
        let before = std::mem::take(&mut self.lateral_used);
        let result = self.with_frame(frame, bind);
        let used = std::mem::replace(&mut self.lateral_used, before);
        let (item, _) = result?;
        let correlated = left
            .relations
            .iter()
            .flat_map(|relation| &relation.columns)
            .chain(&left.star)
            .any(|column| used.contains(&column.var));
        self.lateral_used.extend(used);
        Ok((item, correlated))
    }

    /// Puts two items side by side; the names must differ (42712).
    pub fn join_items(
        &mut self,
        left: FromItem,
        right: FromItem,
        kind: JoinKind,
        correlated: bool,
        span: Span,
    ) -> Result<FromItem> {
        self.check_aliases(&left, &right, span)?;
        self.check_join_count(&left, &right, span)?;
        let mut relations = left.relations;
        relations.extend(right.relations);
        let mut star = left.star;
        star.extend(right.star);
        let plan = self.join_plans(left.plan, right.plan, kind, Vec::new(), correlated, span)?;
        Ok(FromItem { plan, relations, star })
    }

    /// 54001 for more relations than a plan may have joins on top of each other.
    pub fn check_join_count(&self, left: &FromItem, right: &FromItem, span: Span) -> Result<()> {
        if left.relations.len() + right.relations.len() > JOIN_LIMIT {
            return Err(QueryError::new(
                sqlstate::STATEMENT_TOO_COMPLEX,
                format!("more than {JOIN_LIMIT} relations in one FROM clause"),
            )
            .at(self.at(span)));
        }
        Ok(())
    }

    pub fn check_aliases(&self, left: &FromItem, right: &FromItem, span: Span) -> Result<()> {
        for relation in &right.relations {
            let Some(name) = &relation.name else { continue };
            let clash = left.relations.iter().any(|other| {
                other.name.as_ref() == Some(name)
                    && (other.schema == relation.schema || other.schema.is_none() || relation.schema.is_none())
            });
            if clash {
                return Err(QueryError::new(
                    sqlstate::DUPLICATE_ALIAS,
                    format!("table name \"{name}\" specified more than once"),
                )
                .at(self.at(span)));
            }
        }
        Ok(())
    }

    /// The parser takes a string for an alias; PostgreSQL does not.
    fn check_table_alias(&self, factor: &TableFactor) -> Result<()> {
        let alias = match factor {
            TableFactor::Table { alias, .. }
            | TableFactor::Function { alias, .. }
            | TableFactor::UNNEST { alias, .. }
            | TableFactor::Derived { alias, .. }
            | TableFactor::NestedJoin { alias, .. } => alias.as_ref(),
            _ => None,
        };
        let before = match factor {
            TableFactor::Table { name, args: None, .. } => name.span(),
            _ => Span::empty(),
        };
        alias.map_or(Ok(()), |alias| self.check_alias(&alias.name, before))
    }

    /// 42601 for a string in place of an alias behind `before`.
    pub fn check_alias(&self, alias: &Ident, before: Span) -> Result<()> {
        if alias.quote_style != Some('\'') {
            return Ok(());
        }
        let position = if before == Span::empty() { None } else { self.between(before, Span::empty()) };
        let text = alias.value.replace('\'', "''");
        Err(QueryError::syntax(format!("syntax error at or near \"'{text}'\""), position))
    }

    pub fn bind_table_factor(&mut self, factor: &TableFactor) -> Result<FromItem> {
        self.check_table_alias(factor)?;
        match factor {
            TableFactor::Table {
                name,
                alias,
                args,
                with_hints,
                version,
                with_ordinality,
                partitions,
                json_path,
                sample,
                index_hints,
            } => {
                let what = if !with_hints.is_empty() || !index_hints.is_empty() {
                    Some("table hints")
                } else if version.is_some() {
                    Some("FOR SYSTEM_TIME")
                } else if !partitions.is_empty() {
                    Some("PARTITION in FROM")
                } else if json_path.is_some() {
                    Some("a JSON path in FROM")
                } else {
                    None
                };
                if let Some(what) = what {
                    return Err(self.unsupported(what, name.span()));
                }
                match args {
                    Some(_) if sample.is_some() => Err(self.sample_of_no_table(name.span())),
                    Some(args) => {
                        if args.settings.is_some() {
                            return Err(self.unsupported("SETTINGS", name.span()));
                        }
                        self.note_function(name, alias.as_ref());
                        self.bind_from_function(name, &args.args, *with_ordinality, alias.as_ref())
                    }
                    None if *with_ordinality => {
                        Err(QueryError::syntax("WITH ORDINALITY needs a function", self.at(name.span())))
                    }
                    None => {
                        let item = self.bind_relation(name, alias.as_ref())?;
                        match sample {
                            Some(sample) => self.bind_sample(item, name, sample),
                            None => Ok(item),
                        }
                    }
                }
            }
            TableFactor::Function { name, args, with_ordinality, alias, .. } => {
                self.note_function(name, alias.as_ref());
                self.bind_from_function(name, args, *with_ordinality, alias.as_ref())
            }
            TableFactor::UNNEST { alias, array_exprs, with_offset, with_offset_alias, with_ordinality } => {
                let span = array_exprs.first().map_or_else(Span::empty, Spanned::span);
                if *with_offset || with_offset_alias.is_some() {
                    return Err(self.unsupported("WITH OFFSET", span));
                }
                self.note_unlockable(alias.as_ref(), "unnest", "a function");
                self.bind_unnest(array_exprs, *with_ordinality, alias.as_ref(), span)
            }
            TableFactor::Derived { lateral, subquery, alias, sample } => {
                if sample.is_some() {
                    return Err(self.unsupported("TABLESAMPLE", subquery.span()));
                }
                let Some(alias) = alias else {
                    return Err(QueryError::syntax("subquery in FROM must have an alias", self.at(subquery.span()))
                        .hint("For example, FROM (SELECT ...) [AS] foo."));
                };
                self.hand_down_locks(&fold(&alias.name));
                let bound = if *lateral {
                    // A level of its own: what is not LATERAL in it does not see its own neighbours, but ours.
                    let level = Frame::new(Clause::From);
                    self.with_frame(level, |binder| binder.nested(|binder| binder.bind_query(subquery, false)))?.0
                } else {
                    self.without_lateral(|binder| binder.nested(|binder| binder.bind_query(subquery, false)))?
                };
                let bound = self.own_outer_columns(bound);
                let item = self.derived_item(bound, None);
                self.rename(item, Some(alias))
            }
            TableFactor::NestedJoin { table_with_joins, alias } => {
                let item = self.bind_table_with_joins(table_with_joins)?;
                match alias {
                    None => Ok(item),
                    Some(alias) => {
                        self.note_unlockable(Some(alias), "", "a join");
                        let relation =
                            ScopeRelation { name: None, schema: None, columns: item.star.clone(), tableoid: None };
                        let joined = FromItem::of_relation(item.plan, relation);
                        self.rename(joined, Some(alias))
                    }
                }
            }
            TableFactor::TableFunction { expr, .. } => Err(self.unsupported("TABLE(…) in FROM", expr.span())),
            other => {
                let text: String = other.to_string().chars().take(40).collect();
                Err(self.unsupported(format_args!("{text} in FROM"), other.span()))
            }
        }
    }

    fn note_function(&mut self, name: &ObjectName, alias: Option<&TableAlias>) {
        let last = name.0.last().and_then(|part| part.as_ident()).map(fold).unwrap_or_default();
        self.note_unlockable(alias, &last, "a function");
    }

    /// A derived table without LATERAL does not see its neighbours.
    fn without_lateral<T>(&mut self, bind: impl FnOnce(&mut Self) -> Result<T>) -> Result<T> {
        let mut hidden = Vec::new();
        while self.frames.last().is_some_and(|frame| frame.lateral) {
            hidden.extend(self.frames.pop());
        }
        let result = bind(self);
        self.frames.extend(hidden.into_iter().rev());
        result
    }

    /// Columns of a subquery that are its neighbours' or an outer query's become its own: an outer join makes them NULL where
    /// it has no row.
    fn own_outer_columns(&mut self, mut bound: Bound) -> Bound {
        let outer = free_vars(&bound.plan);
        if bound.output.iter().all(|column| !outer.contains(&column.var)) {
            return bound;
        }
        let mut items: Vec<(VarId, Expr)> = Vec::with_capacity(bound.output.len());
        for column in &mut bound.output {
            let value = Expr::Column(column.var, column.ty.clone());
            if outer.contains(&column.var) {
                column.var = self.vars.add(&*column.name, column.ty.clone());
            }
            if items.iter().all(|(var, _)| *var != column.var) {
                items.push((column.var, value));
            }
        }
        bound.plan = Plan::Project { input: Box::new(bound.plan), items };
        bound
    }

    pub fn derived_item(&mut self, bound: Bound, name: Option<String>) -> FromItem {
        let has_origin = self.noted_columns.is_none();
        let columns = bound
            .output
            .into_iter()
            .map(|column| ScopeColumn {
                name: column.name,
                var: column.var,
                ty: column.ty,
                origin: column.origin.filter(|_| has_origin),
            })
            .collect();
        FromItem::of_relation(bound.plan, ScopeRelation { name, schema: None, columns, tableoid: None })
    }

    /// Gives an item its alias and column aliases.
    pub fn rename(&mut self, mut item: FromItem, alias: Option<&TableAlias>) -> Result<FromItem> {
        let Some(alias) = alias else { return Ok(item) };
        if alias.at.is_some() {
            return Err(self.unsupported("AT in a table alias", alias.name.span));
        }
        let name = fold(&alias.name);
        let relation = item.relations.first_mut().expect("an item that is renamed is one relation");
        if alias.columns.len() > relation.columns.len() {
            return Err(QueryError::new(
                sqlstate::INVALID_COLUMN_REFERENCE,
                format!(
                    "table \"{name}\" has {} columns available but {} columns specified",
                    relation.columns.len(),
                    alias.columns.len()
                ),
            )
            .at(self.at(alias.name.span)));
        }
        for (column, alias) in relation.columns.iter_mut().zip(&alias.columns) {
            if alias.data_type.is_some() {
                return Err(self.unsupported("a column definition list", alias.name.span));
            }
            column.name = fold(&alias.name).into();
            if self.noted_columns.is_some() {
                // It is not called by the table's name.
                column.origin = None;
            }
        }
        relation.name = Some(name);
        relation.schema = None;
        item.star = relation.columns.clone();
        Ok(item)
    }

    fn bind_relation(&mut self, name: &ObjectName, alias: Option<&TableAlias>) -> Result<FromItem> {
        let qualified = self.qualified_name(name)?;
        if qualified.schema.is_none()
            && let Some(item) = self.scan_cte(&qualified.name)
        {
            self.note_unlockable(alias, &qualified.name, "a WITH query");
            return self.rename(item, alias);
        }
        let shown = alias.map_or_else(|| qualified.name.clone(), |alias| fold(&alias.name));
        if let Some(schema) = &qualified.schema
            && is_temporary_schema(schema)
            && *schema != self.context.session.temporary_schema()
            && self.catalog.relation_id(schema, &qualified.name).is_some()
        {
            return Err(
                QueryError::unsupported_as("cannot access temporary tables of other sessions").at(self.at(name.span()))
            );
        }
        let found = self.find_relation(&qualified);
        if let Some(relation) = &found {
            self.note_relation_name(name, relation, alias.is_some());
        }
        let item = match found {
            Some(Relation::Table(table)) => {
                self.used_relations.push(table.id);
                let mut item = self.scan_table(&table)?.0;
                self.lock_table(&table, &shown, &mut item.plan);
                self.with_tableoid(item, table.id.0)
            }
            Some(Relation::Materialized(table)) => {
                self.used_relations.push(table.id);
                let item = self.scan_materialized(&table, &shown, name.span())?;
                self.with_tableoid(item, table.id.0)
            }
            Some(Relation::View(view)) => {
                self.used_relations.push(view.id);
                self.hand_down_locks(&shown);
                self.expand_view(&view)?
            }
            Some(Relation::Sequence(sequence)) => {
                self.used_relations.push(sequence.id);
                self.refuse_system_lock(&shown, name.span())?;
                let function = system::sequence_relation::relation(&sequence);
                self.scan_function_relation(function, &sequence.name, &sequence.schema)
            }
            Some(Relation::System { schema, function }) => {
                self.refuse_system_lock(&shown, name.span())?;
                let oid = system::relation_oid(&schema, &qualified.name);
                let item = self.scan_function_relation(function, &qualified.name, &schema);
                match oid {
                    Some(oid) => self.with_tableoid(item, oid),
                    None => item,
                }
            }
            Some(Relation::Index(_)) => {
                return Err(QueryError::new(
                    sqlstate::WRONG_OBJECT_TYPE,
                    format!("cannot open relation \"{}\"", qualified.name),
                )
                .detail("This operation is not supported for indexes.")
                .at(self.at(name.span())));
            }
            None => return Err(self.missing_relation(&qualified, name.span())),
        };
        self.rename(item, alias)
    }

    /// 42809 where its rows are to be locked.
    pub fn scan_materialized(&mut self, table: &Arc<TableDef>, shown: &str, span: Span) -> Result<FromItem> {
        self.refuse_materialized_lock(shown, &table.name, span)?;
        Ok(self.scan_table(table)?.0)
    }

    /// Adds the system column `tableoid` when the statement mentions it.
    fn with_tableoid(&mut self, mut item: FromItem, oid: u32) -> FromItem {
        if !self.mentions_tableoid {
            return item;
        }
        let var = self.vars.add(TABLEOID, DataType::Oid);
        let value = Expr::Literal(Value::Int(i64::from(oid)), DataType::Oid);
        item.plan = Plan::Extend { input: Box::new(item.plan), items: vec![(var, value)] };
        for relation in &mut item.relations {
            relation.tableoid = Some(var);
        }
        item
    }

    /// A relation whose rows a function makes.
    fn scan_function_relation(&mut self, function: Arc<dyn TableFunction>, name: &str, schema: &str) -> FromItem {
        let columns: Vec<ScopeColumn> = function
            .columns()
            .iter()
            .map(|(column, ty)| ScopeColumn {
                name: column.as_str().into(),
                var: self.vars.add(column.as_str(), ty.clone()),
                ty: ty.clone(),
                origin: None,
            })
            .collect();
        let output = columns.iter().map(|column| column.var).collect();
        let plan = Plan::FunctionScan { function, args: Vec::new(), output, ordinality: None };
        let relation =
            ScopeRelation { name: Some(name.to_owned()), schema: Some(schema.to_owned()), columns, tableoid: None };
        FromItem::of_relation(plan, relation)
    }

    /// A scan of all columns (unread ones are dropped at the end), with virtual columns computed above it. The second
    /// value gives the variables in table order.
    pub fn scan_table(&mut self, table: &Arc<TableDef>) -> Result<(FromItem, Vec<VarId>)> {
        let mut columns = Vec::with_capacity(table.columns.len());
        let mut stored = Vec::new();
        let mut virtual_columns = Vec::new();
        for (position, column) in table.columns.iter().enumerate() {
            let var = self.vars.add(&*column.name, column.ty.clone());
            match &column.virtual_expression {
                None => stored.push((position, var)),
                Some(text) => virtual_columns.push((var, text.clone(), column.ty.clone())),
            }
            columns.push(ScopeColumn {
                name: column.name.as_str().into(),
                var,
                ty: column.ty.clone(),
                origin: Some((table.id.0, (position + 1) as i16)),
            });
        }
        let vars = columns.iter().map(|column| column.var).collect();
        let relation = ScopeRelation {
            name: Some(table.name.clone()),
            schema: Some(table.schema.clone()),
            columns,
            tableoid: None,
        };
        let computed = self.computed_indexes(table, &relation)?;
        let mut plan =
            Plan::TableScan(TableScan { table: table.clone(), columns: stored, row_id: None, access: None, computed });
        if !virtual_columns.is_empty() {
            let mut items: Vec<(VarId, Expr)> = Vec::with_capacity(virtual_columns.len());
            for (var, text, ty) in virtual_columns {
                let expr = self.bind_stored_expression(&text, &relation, Clause::Select, &ty)?;
                items.push((var, expr));
            }
            plan = Plan::Extend { input: Box::new(plan), items };
        }
        Ok((FromItem::of_relation(plan, relation), vars))
    }

    /// A view is its query under its name and columns.
    fn expand_view(&mut self, view: &Arc<ViewDef>) -> Result<FromItem> {
        let mut bound = self.bind_stored_query(&view.query)?;
        if bound.output.len() < view.columns.len() {
            return Err(QueryError::internal(format!("view {}.{} has lost columns", view.schema, view.name)));
        }
        bound.output.truncate(view.columns.len());
        for (column, (name, ty)) in bound.output.iter_mut().zip(&view.columns) {
            column.name = name.as_str().into();
            column.origin = None;
            if column.ty != *ty && *ty != DataType::Unknown && !column.ty.same_base(ty) {
                return Err(QueryError::new(
                    sqlstate::DATATYPE_MISMATCH,
                    format!("column \"{name}\" of view \"{}\" has changed its type", view.name),
                )
                .hint("Replace the view."));
            }
        }
        let mut item = self.derived_item(bound, Some(view.name.clone()));
        item.relations[0].schema = Some(view.schema.clone());
        Ok(item)
    }
}
