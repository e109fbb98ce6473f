//! WITH and RETURN: projection, aggregation, DISTINCT, ORDER BY, SKIP, LIMIT, WHERE.
//!
//! What ORDER BY (and WITH's WHERE) may read depends on what came before: after a plain projection both the old and the
//! new names; after aggregation or DISTINCT only the new ones, and expressions that the projection itself computed.

use super::aggregation::{contains_aggregate, is_simple_key};
use super::types::type_name;
use super::*;
use crate::algebra::SortKey;
use crate::error::sqlstate;
use ast::{ExprKind, Projection};

/// Columns of one projection and keys of one order, as many as PostgreSQL's target lists have.
pub(super) use crate::statement::MAX_OUTPUT_COLUMNS as MAX_COLUMNS;

/// One projected column.
struct Item {
    name: Arc<str>,
    expr: ast::Expr,
}

/// A projection whose columns are computed, before ORDER BY and what follows.
struct Projected {
    plan: Plan,
    columns: Columns,
    /// The plan gives nothing but the columns.
    exact: bool,
    /// Only the new names are visible to ORDER BY.
    closed: bool,
    replacements: Vec<Replacement>,
    /// Grouping keys that an aggregating ORDER BY must not use as parts.
    complex_keys: Vec<ast::Expr>,
}

impl Binder<'_> {
    /// The plan of the projection and its columns, which become the scope.
    pub(super) fn projection(
        &mut self,
        input: Plan,
        projection: &Projection,
        is_return: bool,
        span: Span,
    ) -> Result<(Plan, Columns)> {
        let items = self.items(projection, is_return, span)?;
        let aggregates = items.iter().any(|item| contains_aggregate(&item.expr));
        let old_scope = self.scope.clone();
        let old_names: Vec<Arc<str>> = old_scope.iter().map(|(name, _)| name.clone()).collect();
        let mut projected = if aggregates { self.aggregating(input, &items)? } else { self.plain(input, &items)? };
        let sorts = !projection.order_by.is_empty() || projection.filter.is_some();
        if projection.distinct {
            projected = self.distinct(projected, &items);
        } else if !projected.closed && !sorts {
            projected = self.exactly(projected);
        }
        let new_scope = Scope::from_columns(&projected.columns);
        if projected.closed {
            self.hidden = Some((old_scope, "UndefinedVariable"));
            self.scope = new_scope.clone();
        } else {
            for (name, var) in new_scope.iter() {
                self.scope.insert(name.clone(), var);
            }
        }
        let mut plan = self.order_by(
            std::mem::take(&mut projected.plan),
            projection,
            &projected.replacements,
            &projected.complex_keys,
        )?;
        let skip = projection.skip.as_ref().map(|expr| self.row_count(expr, "SKIP")).transpose()?;
        let limit = projection.limit.as_ref().map(|expr| self.row_count(expr, "LIMIT")).transpose()?;
        if skip.is_some() || limit.is_some() {
            plan = Plan::Limit { input: Box::new(plan), skip, limit };
        }
        if let Some(filter) = &projection.filter {
            plan = self.projection_filter(plan, filter, &projected)?;
        }
        self.hidden = None;
        if !is_return {
            self.left_behind.extend(old_names.into_iter().filter(|name| new_scope.get(name).is_none()));
        }
        self.scope = new_scope;
        if !projected.exact || projected.columns.is_empty() {
            let columns = projected.columns.iter().map(|(_, var)| (*var, self.column(*var))).collect();
            plan = Plan::Project { input: Box::new(plan), items: columns };
        }
        Ok((plan, projected.columns))
    }

    /// WITH's WHERE; after aggregation or DISTINCT it may repeat what the projection computed.
    fn projection_filter(&mut self, plan: Plan, filter: &ast::Expr, projected: &Projected) -> Result<Plan> {
        let computes = projected.replacements.iter().any(|known| contains_aggregate(&known.expr));
        if contains_aggregate(filter) && !computes {
            let message = "an aggregate cannot be used in WHERE";
            return Err(self.syntax("InvalidAggregation", message, filter.span));
        }
        if computes {
            self.aggregation = Aggregation::Computed;
        }
        self.replacements = projected.replacements.clone();
        let conjuncts = self.conjuncts(filter);
        self.replacements = Vec::new();
        self.aggregation = Aggregation::Forbidden("InvalidAggregation");
        Ok(filtered(plan, conjuncts?))
    }

    fn items(&self, projection: &Projection, is_return: bool, span: Span) -> Result<Vec<Item>> {
        let mut items = Vec::new();
        if let Some(star) = projection.star {
            if self.scope.is_empty() && is_return {
                return Err(self.syntax("NoVariablesInScope", "RETURN * needs at least one variable in scope", star));
            }
            for (name, _) in self.scope.iter() {
                let expr = ast::Expr { kind: ExprKind::Variable(name.clone()), span: star };
                items.push(Item { name: name.clone(), expr });
            }
        }
        for item in &projection.items {
            let name = match (&item.alias, &item.expr.kind) {
                (Some(alias), _) => alias.text.clone(),
                (None, ExprKind::Variable(name)) => name.clone(),
                (None, _) if is_return => item.text.clone(),
                (None, _) => {
                    let message = "an expression in WITH must have an alias (AS name)";
                    return Err(self.syntax("NoExpressionAlias", message, item.expr.span));
                }
            };
            items.push(Item { name, expr: item.expr.clone() });
        }
        if items.len() > MAX_COLUMNS {
            let message = format!("a projection has at most {MAX_COLUMNS} columns, got {}", items.len());
            return Err(self.at(QueryError::new(sqlstate::TOO_MANY_COLUMNS, message), span));
        }
        let mut names = FxHashSet::default();
        for item in &items {
            if !names.insert(&item.name) {
                let message = format!("column \"{}\" is projected twice", item.name);
                return Err(self.syntax("ColumnNameConflict", message, span));
            }
        }
        Ok(items)
    }

    /// The variable of a projected column: the same one for an unchanged local variable.
    fn item_var(&mut self, item: &Item, expr: &Expr) -> VarId {
        match (expr, &item.expr.kind) {
            (Expr::Column(var, _), ExprKind::Variable(name)) if *name == item.name && self.is_local(*var) => *var,
            _ => self.renamed(&item.name, expr),
        }
    }

    fn plain(&mut self, input: Plan, items: &[Item]) -> Result<Projected> {
        let mut computed = Vec::new();
        let mut columns = Columns::new();
        for item in items {
            let mut expr = self.expr(&item.expr)?;
            let refined = self.refine(&mut expr);
            let var = self.item_var(item, &expr);
            self.note_refined(var, &refined);
            if !matches!(expr, Expr::Column(source, _) if source == var) {
                computed.push((var, expr));
            }
            columns.push((item.name.clone(), var));
        }
        let plan = if computed.is_empty() { input } else { Plan::Extend { input: Box::new(input), items: computed } };
        Ok(Projected { plan, columns, exact: false, closed: false, replacements: Vec::new(), complex_keys: Vec::new() })
    }

    /// Drops everything but the columns.
    fn exactly(&mut self, mut projected: Projected) -> Projected {
        projected.plan = match projected.plan {
            // The computed columns and those that pass through, in one step.
            Plan::Extend { input, items } if projected.columns.iter().any(|(_, var)| items[0].0 == *var) => {
                let mut computed: FxHashMap<VarId, Expr> = items.into_iter().collect();
                let columns = projected.columns.iter().map(|(_, var)| {
                    let expr = computed.remove(var).unwrap_or_else(|| self.column(*var));
                    (*var, expr)
                });
                Plan::Project { items: columns.collect(), input }
            }
            plan => {
                let columns = projected.columns.iter().map(|(_, var)| (*var, self.column(*var))).collect();
                Plan::Project { input: Box::new(plan), items: columns }
            }
        };
        projected.exact = !projected.columns.is_empty();
        projected
    }

    fn distinct(&mut self, projected: Projected, items: &[Item]) -> Projected {
        let mut projected = self.exactly(projected);
        projected.plan = Plan::Distinct { input: Box::new(projected.plan), on: None };
        projected.closed = true;
        for (item, (_, var)) in items.iter().zip(&projected.columns) {
            if !matches!(item.expr.kind, ExprKind::Variable(_)) {
                projected.replacements.push(Replacement { expr: item.expr.clone(), var: *var });
            }
        }
        projected
    }

    fn aggregating(&mut self, input: Plan, items: &[Item]) -> Result<Projected> {
        let mut groups = Vec::new();
        let mut key_scope = Scope::default();
        let mut replacements = Vec::new();
        let mut complex_keys = Vec::new();
        let mut key_columns: FxHashMap<usize, VarId> = FxHashMap::default();
        for (index, item) in items.iter().enumerate() {
            if contains_aggregate(&item.expr) {
                continue;
            }
            let mut expr = self.expr(&item.expr)?;
            let refined = self.refine(&mut expr);
            let var = self.item_var(item, &expr);
            self.note_refined(var, &refined);
            match &item.expr.kind {
                ExprKind::Variable(name) => key_scope.insert(name.clone(), var),
                _ => {
                    if !is_simple_key(&item.expr) {
                        complex_keys.push(item.expr.clone());
                    }
                    replacements.push(Replacement { expr: item.expr.clone(), var });
                }
            }
            key_columns.insert(index, var);
            groups.push((var, expr));
        }
        let mut found = Vec::new();
        for item in items {
            self.collect_aggregates(&item.expr, &mut found)?;
        }
        let mut calls = Vec::new();
        for expr in found {
            let (call, refined) = self.aggregate(&expr)?;
            // A bare aggregate is the column itself.
            let name = items.iter().find(|item| item.expr == expr).map(|item| item.name.clone());
            let var = match name {
                Some(name) => self.new_var(&name, call.ty.clone()),
                None => self.anonymous(call.ty.clone()),
            };
            self.note_refined(var, &refined);
            replacements.push(Replacement { expr, var });
            calls.push((var, call));
        }
        let plan = Plan::Aggregate { input: Box::new(input), groups, aggregates: calls };

        // Expressions around aggregates read grouping keys and aggregates only.
        let old_scope = std::mem::replace(&mut self.scope, key_scope);
        self.hidden = Some((old_scope, "AmbiguousAggregationExpression"));
        self.aggregation = Aggregation::Computed;
        let computed: Vec<Replacement> =
            replacements.iter().filter(|known| !complex_keys.contains(&known.expr)).cloned().collect();
        self.replacements = computed;
        let mut columns = Columns::new();
        let mut extended = Vec::new();
        for (index, item) in items.iter().enumerate() {
            let var = match key_columns.get(&index) {
                Some(var) => *var,
                None => match self.expr(&item.expr)? {
                    Expr::Column(var, _) if !columns.iter().any(|(_, known)| *known == var) => var,
                    mut expr => {
                        let refined = self.refine(&mut expr);
                        let var = self.renamed(&item.name, &expr);
                        self.note_refined(var, &refined);
                        extended.push((var, expr));
                        replacements.push(Replacement { expr: item.expr.clone(), var });
                        var
                    }
                },
            };
            columns.push((item.name.clone(), var));
        }
        self.aggregation = Aggregation::Forbidden("InvalidAggregation");
        self.replacements = Vec::new();
        if let Some((old_scope, _)) = self.hidden.take() {
            self.scope = old_scope;
        }
        let plan = if extended.is_empty() { plan } else { Plan::Extend { input: Box::new(plan), items: extended } };
        Ok(Projected { plan, columns, exact: false, closed: true, replacements, complex_keys })
    }

    fn order_by(
        &mut self,
        plan: Plan,
        projection: &Projection,
        replacements: &[Replacement],
        complex_keys: &[ast::Expr],
    ) -> Result<Plan> {
        if projection.order_by.is_empty() {
            return Ok(plan);
        }
        if let Some(item) = projection.order_by.get(MAX_COLUMNS) {
            let message = format!("ORDER BY has at most {MAX_COLUMNS} keys, got {}", projection.order_by.len());
            return Err(self.at(QueryError::new(sqlstate::TOO_MANY_COLUMNS, message), item.expr.span));
        }
        let mut keys = Vec::with_capacity(projection.order_by.len());
        for item in &projection.order_by {
            let whole = replacements.iter().find(|replacement| replacement.expr == item.expr);
            let expr = match whole {
                Some(replacement) => self.column(replacement.var),
                None => self.order_key(&item.expr, replacements, complex_keys)?,
            };
            keys.push(SortKey { expr, descending: item.descending, nulls_first: item.descending });
        }
        Ok(Plan::Sort { input: Box::new(plan), keys })
    }

    fn order_key(
        &mut self,
        expr: &ast::Expr,
        replacements: &[Replacement],
        complex_keys: &[ast::Expr],
    ) -> Result<Expr> {
        let aggregates = contains_aggregate(expr);
        if aggregates {
            if let Some(key) = complex_keys.iter().find(|key| expr.any(&|part| part == *key)) {
                let message = "an aggregating ORDER BY may use only variables and properties as grouping keys";
                return Err(self.syntax("AmbiguousAggregationExpression", message, key.span));
            }
            let computed = replacements.iter().any(|known| aggregation::contains_aggregate(&known.expr));
            if !computed {
                let message = "ORDER BY cannot aggregate when the projection does not";
                return Err(self.syntax("InvalidAggregation", message, expr.span));
            }
            self.aggregation = Aggregation::Computed;
        }
        self.replacements = replacements.to_vec();
        let bound = self.expr(expr);
        self.replacements = Vec::new();
        self.aggregation = Aggregation::Forbidden("InvalidAggregation");
        bound
    }

    /// The value of SKIP or LIMIT: constant, an integer, not negative.
    fn row_count(&mut self, expr: &ast::Expr, clause: &'static str) -> Result<Expr> {
        let reads = expr.any(&|part| {
            matches!(
                part.kind,
                ExprKind::Variable(_)
                    | ExprKind::Pattern(_)
                    | ExprKind::PatternComprehension { .. }
                    | ExprKind::MapProjection { .. }
                    | ExprKind::Exists(_)
                    | ExprKind::Count(_)
                    | ExprKind::Collect(_)
            )
        });
        if reads {
            let message = format!("{clause} must be a constant expression, without variables");
            return Err(self.syntax("NonConstantExpression", message, expr.span));
        }
        let bound = self.with_hint(DataType::Int8, expr)?;
        match &bound {
            Expr::Literal(Value::Int(rows), DataType::Int8) if *rows < 0 => {
                let message = format!("{clause} must not be negative, got {rows}");
                Err(self.syntax("NegativeIntegerArgument", message, expr.span))
            }
            Expr::Literal(Value::Int(_), DataType::Int8) => Ok(bound),
            // What is wrong with a parameter is known when it has a value.
            _ if !matches!(bound.ty(), DataType::Int8 | DataType::Any)
                && !matches!(expr.kind, ExprKind::Parameter(_)) =>
            {
                let message = format!("{clause} expected an INTEGER, got {}", type_name(&bound.ty()));
                Err(self.syntax("InvalidArgumentType", message, expr.span))
            }
            _ => Ok(operator_call("row count", vec![bound, text_literal(clause)], DataType::Int8, None)),
        }
    }
}
