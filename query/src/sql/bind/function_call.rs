//! Function calls in expressions: forms with rules of their own, aggregates, set-returning and scalar functions.

use sinew_storage::{DataType, Value};
use sqlparser::ast::{
    DuplicateTreatment, Expr as Ast, Function, FunctionArg, FunctionArgExpr, FunctionArgumentClause,
    FunctionArgumentList, FunctionArguments, OrderByExpr, Spanned,
};
use sqlparser::tokenizer::Span;

use super::names::fold;
use super::scope::Clause;
use super::{Binder, intrinsics};
use crate::algebra::{AggregateCall, Expr, SortKey};
use crate::error::{QueryError, Result, sqlstate};
use crate::functions;

impl Binder<'_> {
    /// The function's bare name. Functions live in pg_catalog and sinew.
    pub fn function_name(&self, function: &Function) -> Result<String> {
        let mut parts = self.name_parts(&function.name)?;
        if parts.len() > 1 && matches!(parts[0].as_str(), "pg_catalog" | "sinew" | "public" | "information_schema") {
            parts.remove(0);
        }
        Ok(parts.join("."))
    }

    pub fn bind_function(&mut self, function: &Function) -> Result<Expr> {
        let span = function.name.span();
        let name = self.function_name(function)?;
        if function.uses_odbc_syntax {
            return Err(self.unsupported("ODBC function syntax", span));
        }
        if function.null_treatment.is_some() {
            return Err(self.unsupported("IGNORE NULLS and RESPECT NULLS", span));
        }
        if !matches!(function.parameters, FunctionArguments::None) {
            return Err(self.unsupported("parametric functions", span));
        }
        let list = match &function.args {
            FunctionArguments::None if function.over.is_none() => return self.bind_niladic(&name, span),
            FunctionArguments::None => {
                return Err(QueryError::syntax("syntax error at or near \"OVER\"", self.at(span)));
            }
            FunctionArguments::Subquery(query) if name == "array" => return self.bind_array_subquery(query),
            FunctionArguments::Subquery(query) => {
                // `f((SELECT …))` with a single pair of parentheses is no PostgreSQL.
                return Err(QueryError::syntax(
                    "syntax error: a subquery argument needs its own parentheses",
                    self.at_node(&**query),
                ));
            }
            FunctionArguments::List(list) => list,
        };
        let mut order_by: &[OrderByExpr] = &[];
        for clause in &list.clauses {
            match clause {
                FunctionArgumentClause::OrderBy(keys) => order_by = keys,
                other => return Err(self.unsupported(format_args!("{other} inside a function call"), span)),
            }
        }
        if !function.within_group.is_empty() {
            if function.over.is_some() {
                return Err(QueryError::new(
                    sqlstate::FEATURE_NOT_SUPPORTED,
                    format!("OVER is not supported for ordered-set aggregate {name}"),
                )
                .at(self.at(span)));
            }
            return self.bind_within_group(&name, list, &function.within_group, function.filter.as_deref(), span);
        }
        let special = self.bind_special(&name, list, span)?;
        if let Some(expr) = special {
            if function.over.is_some() {
                return Err(self.no_window_function(&name, span));
            }
            if function.filter.is_some() || list.duplicate_treatment.is_some() || !order_by.is_empty() {
                return Err(self.no_aggregate(&name, function.filter.is_some(), span));
            }
            return Ok(expr);
        }
        if let Some(over) = &function.over {
            return self.bind_window_call(&name, list, function.filter.as_deref(), order_by, over, span);
        }
        self.bind_call(&name, list, function.filter.as_deref(), order_by, span)
    }

    /// Functions that are written without parentheses.
    pub fn bind_niladic(&mut self, name: &str, span: Span) -> Result<Expr> {
        let name = match name {
            "current_catalog" => "current_database",
            "current_role" | "user" => "current_user",
            other => other,
        };
        self.call_named(name, Vec::new(), span)
    }

    /// COALESCE, NULLIF, GREATEST, LEAST and others that do not resolve by type.
    fn bind_special(&mut self, name: &str, list: &FunctionArgumentList, span: Span) -> Result<Option<Expr>> {
        let position = self.at(span);
        Ok(Some(match name {
            "coalesce" => {
                let mark = self.set_count();
                let args = self.plain_args(list, name, span)?;
                self.check_no_sets(mark, "COALESCE")?;
                if args.is_empty() {
                    return Err(QueryError::syntax("syntax error at or near \")\"", position));
                }
                let (args, ty) = self.unify(args, "COALESCE", position)?;
                Expr::Coalesce(args, ty)
            }
            "greatest" | "least" => {
                let args = self.plain_args(list, name, span)?;
                if args.is_empty() {
                    return Err(QueryError::syntax("syntax error at or near \")\"", position));
                }
                let what = if name == "greatest" { "GREATEST" } else { "LEAST" };
                let (args, ty) = self.unify(args, what, position)?;
                intrinsics::extreme(name == "greatest", args, &ty)
            }
            "nullif" => {
                let mut args = self.plain_args(list, name, span)?;
                if args.len() != 2 {
                    return Err(QueryError::syntax("syntax error: NULLIF takes two arguments", position));
                }
                let right = args.remove(1);
                let left = args.remove(0);
                let left = if left.ty() == DataType::Unknown && right.ty() == DataType::Unknown {
                    self.settle(left)?
                } else {
                    left
                };
                let equal = self.binary("=", left.clone(), right, position)?;
                // The value has the type it was compared as.
                let left = match &equal {
                    Expr::Call { args, .. } if args.len() == 2 => args[0].clone(),
                    _ => left,
                };
                let ty = left.ty();
                Expr::Case { branches: vec![(equal, Expr::null(ty.clone()))], otherwise: Some(Box::new(left)), ty }
            }
            "normalize" => match list.args.as_slice() {
                // The form is a keyword.
                [text, FunctionArg::Unnamed(FunctionArgExpr::Expr(Ast::Identifier(form)))]
                    if ["nfc", "nfd", "nfkc", "nfkd"].contains(&fold(form).as_str()) =>
                {
                    let FunctionArg::Unnamed(FunctionArgExpr::Expr(text)) = text else { return Ok(None) };
                    let text = self.bind_expr(text)?;
                    let form = Expr::Literal(Value::from(fold(form)), DataType::Text);
                    self.call_named("normalize", vec![text, form], span)?
                }
                _ => return Ok(None),
            },
            "grouping" => self.bind_grouping(list, name, span)?,
            "row" => super::record::row_of(self.row_fields(&list.args, span)?),
            "cypher" => {
                return Err(self.unsupported("cypher() outside FROM", span).hint("Write SELECT … FROM cypher('…')."));
            }
            "current_schema" if list.args.is_empty() => return Ok(None),
            _ => return Ok(None),
        }))
    }

    /// Positional arguments, bound.
    pub fn plain_args(&mut self, list: &FunctionArgumentList, name: &str, span: Span) -> Result<Vec<Expr>> {
        list.args
            .iter()
            .map(|arg| match arg {
                FunctionArg::Unnamed(FunctionArgExpr::Expr(expr)) => self.bind_expr(expr),
                FunctionArg::Unnamed(FunctionArgExpr::QualifiedWildcard(row)) => self.bind_row_argument(row),
                FunctionArg::Unnamed(_) => Err(self.unsupported(format_args!("* as an argument of {name}"), span)),
                FunctionArg::Named { .. } | FunctionArg::ExprNamed { .. } => {
                    Err(self.unsupported(format_args!("named arguments of the function {name}"), span))
                }
            })
            .collect()
    }

    fn no_aggregate(&self, name: &str, filter: bool, span: Span) -> QueryError {
        let what = if filter { "FILTER" } else { "DISTINCT or ORDER BY" };
        QueryError::new(
            sqlstate::WRONG_OBJECT_TYPE,
            format!("{what} specified, but {name} is not an aggregate function"),
        )
        .at(self.at(span))
    }

    fn bind_call(
        &mut self,
        name: &str,
        list: &FunctionArgumentList,
        filter: Option<&Ast>,
        order_by: &[OrderByExpr],
        span: Span,
    ) -> Result<Expr> {
        let position = self.at(span);
        let star = matches!(list.args.as_slice(), [FunctionArg::Unnamed(FunctionArgExpr::Wildcard)]);
        let distinct = matches!(list.duplicate_treatment, Some(DuplicateTreatment::Distinct));
        let is_set = self.is_set_function(name);
        let named = list.args.iter().any(|arg| !matches!(arg, FunctionArg::Unnamed(_)));
        let marks = self.reference_marks();
        if !is_set && let Some(call) = self.bind_variadic(name, list, span)? {
            return Ok(call);
        }
        let args = match self.bind_named(name, list, span) {
            _ if star || (is_set && named) => Vec::new(),
            named => match named? {
                Some(args) => args,
                None => self.plain_args(list, name, span)?,
            },
        };
        if name == "row_to_json"
            && let [record] = args.as_slice()
            && self.record_type(record).is_some()
        {
            return Ok(self.record_as_json(record.clone(), &DataType::Json));
        }
        let args = self.records_as_json(name, args);

        if !is_set {
            let types: Vec<DataType> = args.iter().map(Expr::ty).collect();
            let aggregate = if star && name != "count" {
                None
            } else {
                functions::resolve_aggregate(name, &types).map_err(|error| error.at(position))?
            };
            if let Some(resolved) = aggregate {
                if name == "count" && args.is_empty() && !star {
                    return Err(QueryError::new(
                        sqlstate::WRONG_OBJECT_TYPE,
                        "count(*) must be used to call a parameterless aggregate function",
                    )
                    .at(position));
                }
                let call = PendingAggregate { resolved, args, distinct, star, marks };
                return self.bind_aggregate(name, call, filter, order_by, span);
            }
        }
        if star {
            return Err(QueryError::new(
                sqlstate::UNDEFINED_FUNCTION,
                format!("{name}(*) specified, but {name} is not an aggregate function that takes no arguments"),
            )
            .at(position));
        }
        if filter.is_some() || distinct || !order_by.is_empty() {
            return Err(self.no_aggregate(name, filter.is_some(), span));
        }
        if is_set {
            return self.bind_set_in_select(name, list, span);
        }
        if name == "pg_typeof"
            && let [Expr::Literal(_, DataType::Unknown)] = args.as_slice()
        {
            // Nothing gave the literal a type, and this function does not either.
            let oid = i64::from(crate::types::type_oid(&DataType::Unknown));
            return Ok(Expr::Literal(Value::Int(oid), DataType::Regtype));
        }
        let types: Vec<DataType> = args.iter().map(Expr::ty).collect();
        if let Some(error) = self.needs_within_group(name, args.len(), position) {
            return Err(error);
        }
        if functions::resolve_window(name, &types).is_ok_and(|window| window.is_some()) {
            return Err(QueryError::new(
                sqlstate::WRONG_OBJECT_TYPE,
                format!("window function {name} requires an OVER clause"),
            )
            .at(position));
        }
        let resolved = functions::resolve_function(name, &types).map_err(|error| error.at(position))?;
        self.call(resolved, args, position)
    }

    fn bind_aggregate(
        &mut self,
        name: &str,
        pending: PendingAggregate,
        filter: Option<&Ast>,
        order_by: &[OrderByExpr],
        span: Span,
    ) -> Result<Expr> {
        let PendingAggregate { resolved, args, distinct, star, marks } = pending;
        let position = self.at(span);
        if self.frames.is_empty() {
            return Err(not_allowed(Clause::Values, position));
        }
        let mut cast = Vec::with_capacity(args.len());
        for (index, arg) in args.into_iter().enumerate() {
            let to = resolved.args.get(index).cloned().unwrap_or(DataType::Any);
            cast.push(self.coerce_argument(arg, &to, position)?);
        }
        let order_by = self.in_clause(Clause::AggregateArguments, |binder| {
            order_by.iter().map(|key| binder.bind_sort_key(key)).collect::<Result<Vec<SortKey>>>()
        })?;
        let filter = match filter {
            Some(ast) => Some(self.in_clause(Clause::Filter, |binder| binder.bind_condition(ast, "FILTER"))?),
            None => None,
        };
        // Distinct values come in order, which shows where the aggregate keeps them.
        let order_by = if distinct && order_by.is_empty() && keeps_order(name) {
            let ascending = |arg: &Expr| SortKey { expr: arg.clone(), descending: false, nulls_first: false };
            cast.iter().map(ascending).collect()
        } else {
            order_by
        };
        let level = self.aggregate_level(&marks, &cast, position)?;
        if distinct && star {
            return Err(QueryError::syntax("DISTINCT specified, but count(*) takes no arguments", position));
        }
        if distinct && order_by.iter().any(|key| !cast.iter().any(|arg| super::group::same(arg, &key.expr))) {
            return Err(QueryError::new(
                sqlstate::INVALID_COLUMN_REFERENCE,
                "in an aggregate with DISTINCT, ORDER BY expressions must appear in argument list",
            )
            .at(position));
        }
        // What stands inside an aggregate needs no grouping.
        self.frames[level].references.truncate(marks[level]);
        let call =
            AggregateCall { function: resolved.function, args: cast, distinct, filter, order_by, ty: resolved.returns };
        Ok(self.push_aggregate(level, name, call, position))
    }

    /// How many references each query level has so far.
    pub fn reference_marks(&self) -> Vec<usize> {
        self.frames.iter().map(|frame| frame.references.len()).collect()
    }

    /// The query level that an aggregate belongs to: the innermost one whose columns it has read since `marks`, or the
    /// one it stands in. 42803 when none may stand there.
    pub fn aggregate_level(&mut self, marks: &[usize], args: &[Expr], position: Option<usize>) -> Result<usize> {
        let read = |(frame, mark): (&super::scope::Frame, &usize)| frame.references.len() > *mark;
        let level = self.frames.iter().zip(marks).rposition(read).unwrap_or(self.frames.len() - 1);
        let frame = &self.frames[level];
        if frame.lateral {
            return Err(QueryError::new(
                sqlstate::GROUPING_ERROR,
                "aggregate functions are not allowed in FROM clause of their own query level",
            )
            .at(position));
        }
        let clause = frame.clause;
        if clause == Clause::AggregateArguments {
            return Err(nested_aggregates(position));
        }
        let inside = |var| args.iter().any(|arg| super::walk::reads_any(arg, &[var]));
        if let Some(inner) = frame.groupings.iter().find(|pending| inside(pending.var)) {
            return Err(nested_aggregates(inner.position));
        }
        if let Some((.., inner)) = frame.aggregates.iter().find(|(var, ..)| inside(*var)) {
            return Err(nested_aggregates(*inner));
        }
        if let Some(inner) = frame.windows.iter().find(|pending| inside(pending.var)) {
            return Err(QueryError::new(
                sqlstate::GROUPING_ERROR,
                "aggregate function calls cannot contain window function calls",
            )
            .at(inner.position));
        }
        self.check_no_sets_in(level, args, "aggregate")?;
        if !clause.allows_aggregates() {
            return Err(not_allowed(clause, position));
        }
        Ok(level)
    }

    /// Adds an aggregate to a query level, unless it has it; gives its result.
    pub fn push_aggregate(&mut self, level: usize, name: &str, call: AggregateCall, position: Option<usize>) -> Expr {
        let ty = call.ty.clone();
        let shown = format!("{call:?}");
        let known = self.frames[level].aggregates.iter().find(|(_, other, _)| format!("{other:?}") == shown);
        let var = match known {
            Some((var, ..)) => *var,
            None => {
                let var = self.vars.add(name, ty.clone());
                self.frames[level].aggregates.push((var, call, position));
                var
            }
        };
        Expr::Column(var, ty)
    }
}

struct PendingAggregate {
    resolved: functions::ResolvedAggregate,
    args: Vec<Expr>,
    distinct: bool,
    star: bool,
    /// References of the levels before the arguments were bound.
    marks: Vec<usize>,
}

fn nested_aggregates(position: Option<usize>) -> QueryError {
    QueryError::new(sqlstate::GROUPING_ERROR, "aggregate function calls cannot be nested").at(position)
}

pub fn not_allowed(clause: Clause, position: Option<usize>) -> QueryError {
    QueryError::new(sqlstate::GROUPING_ERROR, format!("aggregate functions are not allowed in {}", clause.name()))
        .at(position)
}

/// Whether an aggregate's result shows the order of what it was given.
fn keeps_order(name: &str) -> bool {
    matches!(name, "array_agg" | "string_agg" | "json_agg" | "jsonb_agg")
}
