//! Functions in FROM, CALL, and the arguments of table functions.

use std::sync::Arc;

use sinew_storage::DataType;
use sqlparser::ast::{
    Expr as Ast, Function, FunctionArg, FunctionArgExpr, FunctionArguments, ObjectName, Spanned, TableAlias,
};
use sqlparser::tokenizer::Span;

use super::names::fold;
use super::scope::{Clause, Frame, FromItem, ScopeColumn, ScopeRelation};
use super::{Binder, Bound};
use crate::algebra::{Expr, Plan};
use crate::error::{QueryError, Result, sqlstate};
use crate::functions::{self, CastContext, TableFunction};
use crate::near_miss::near_miss;
use crate::sql::table_tokens::ROWS_FROM_MARK;
use crate::statement::OutputColumn;
use crate::system::{json_record, set_returning};
use crate::types::type_name;

/// A table function with its arguments, aligned with its parameters.
pub struct TableFunctionCall {
    pub function: Arc<dyn TableFunction>,
    pub args: Vec<Expr>,
}

impl Binder<'_> {
    /// Whether a name gives rows: PostgreSQL's set-returning functions and registered table functions.
    pub fn is_set_function(&self, name: &str) -> bool {
        set_returning::is_set_returning(name) || self.context.session.functions.table_function(name).is_some()
    }

    /// `function(…)` in FROM.
    pub fn bind_from_function(
        &mut self,
        name: &ObjectName,
        args: &[FunctionArg],
        ordinality: bool,
        alias: Option<&TableAlias>,
    ) -> Result<FromItem> {
        let span = name.span();
        let mut parts = self.name_parts(name)?;
        if parts.len() > 1 && matches!(parts[0].as_str(), "pg_catalog" | "sinew" | "public" | "information_schema") {
            parts.remove(0);
        }
        let function_name = parts.join(".");
        if function_name == ROWS_FROM_MARK {
            return self.bind_rows_from(args, ordinality, alias, span);
        }
        if function_name == "cypher" {
            if ordinality {
                return Err(self.unsupported("WITH ORDINALITY on cypher()", span));
            }
            let item = self.bind_cypher(args, span)?;
            return self.rename(item, alias);
        }
        if let Some(is_set) = json_record::takes_columns(&function_name) {
            if ordinality {
                return Err(self.unsupported(format_args!("WITH ORDINALITY on {function_name}"), span));
            }
            return self.bind_json_record(&function_name, is_set, args, alias, span);
        }
        if self.is_set_function(&function_name) {
            let (call, _) = self.with_frame(Frame::new(Clause::From), |binder| {
                binder.table_function_call(&function_name, args, span)
            })?;
            if call.function.writes() || call.function.outside_transaction() {
                let nested = self.frames.iter().any(|frame| !frame.lateral) || self.nesting > 0;
                if nested || call.function.columns().is_empty() {
                    return Err(self.at_top_level_only(&function_name, span));
                }
            }
            return self.function_item(call, &function_name, ordinality, alias);
        }
        // Any scalar function stands in FROM as a relation of one row.
        let (expr, _) = self.with_frame(Frame::new(Clause::From), |binder| {
            let args = args
                .iter()
                .map(|arg| match arg {
                    FunctionArg::Unnamed(FunctionArgExpr::Expr(expr)) => binder.bind_expr(expr),
                    _ => Err(binder.unknown_table_function(&function_name, span)),
                })
                .collect::<Result<Vec<_>>>()?;
            let types: Vec<DataType> = args.iter().map(Expr::ty).collect();
            match functions::resolve_function(&function_name, &types) {
                Ok(resolved) => {
                    let position = binder.at(span);
                    binder.call(resolved, args, position)
                }
                Err(mut error) => {
                    let near = binder.unknown_table_function(&function_name, span);
                    if error.sqlstate() == sqlstate::UNDEFINED_FUNCTION && near.0.hint.is_some() {
                        error.0.hint = near.0.hint;
                    }
                    Err(error.at(binder.at(span)))
                }
            }
        })?;
        if ordinality {
            return Err(self.unsupported("WITH ORDINALITY on a function that returns no set", span));
        }
        let ty = expr.ty();
        let column: Arc<str> = match alias {
            Some(alias) => fold(&alias.name).into(),
            None => function_name.as_str().into(),
        };
        let var = self.vars.add(column.clone(), ty.clone());
        let plan = Plan::Project { input: Box::new(Plan::Unit), items: vec![(var, expr)] };
        let columns = vec![ScopeColumn { name: column, var, ty, origin: None }];
        let item = FromItem::of_relation(
            plan,
            ScopeRelation { name: Some(function_name), schema: None, columns, tableoid: None },
        );
        self.rename(item, alias)
    }

    /// `json_to_record(…) AS t(a int, b text)`: the alias lists the columns.
    fn bind_json_record(
        &mut self,
        name: &str,
        is_set: bool,
        args: &[FunctionArg],
        alias: Option<&TableAlias>,
        span: Span,
    ) -> Result<FromItem> {
        let needs_list = || {
            let message = "a column definition list is required for functions returning \"record\"";
            QueryError::syntax(message, self.at(span))
        };
        let Some(alias) = alias.filter(|alias| !alias.columns.is_empty()) else { return Err(needs_list()) };
        let mut columns = Vec::with_capacity(alias.columns.len());
        for column in &alias.columns {
            let Some(ty) = &column.data_type else { return Err(needs_list()) };
            columns.push((fold(&column.name), self.data_type(ty, column.name.span)?));
        }
        let [FunctionArg::Unnamed(FunctionArgExpr::Expr(arg))] = args else {
            return Err(self.unknown_table_function(name, span));
        };
        let position = self.at(arg.span());
        let function = Arc::new(json_record::JsonRecord::new(name, is_set, columns));
        let (arg, _) = self.with_frame(Frame::new(Clause::From), |binder| binder.bind_expr(arg))?;
        let wanted = function.params()[0].ty.clone();
        if arg.ty() != DataType::Unknown && !functions::can_cast(&arg.ty(), &wanted, CastContext::Implicit) {
            return Err(QueryError::new(
                sqlstate::UNDEFINED_FUNCTION,
                format!("function {name}({}) does not exist", type_name(&arg.ty())),
            )
            .at(self.at(span)));
        }
        let arg = self.coerce_argument(arg, &wanted, position)?;
        let named = TableAlias { columns: Vec::new(), ..alias.clone() };
        self.function_item(TableFunctionCall { function, args: vec![arg] }, name, false, Some(&named))
    }

    fn at_top_level_only(&self, name: &str, span: Span) -> QueryError {
        self.unsupported(format_args!("{name} below the top level of a query"), span)
            .hint(format!("Use CALL {name}(…)."))
    }

    fn unknown_table_function(&self, name: &str, span: Span) -> QueryError {
        if functions::JSONPATH_FUNCTIONS.contains(&name) {
            return self.unsupported(format_args!("{name}(): the type jsonpath"), span);
        }
        let error =
            QueryError::new(sqlstate::UNDEFINED_FUNCTION, format!("function {name} does not exist")).at(self.at(span));
        let mut names = self.context.session.functions.table_function_names();
        names.extend(set_returning::NAMES.iter().map(|name| (*name).to_owned()));
        names.push("cypher".to_owned());
        match near_miss(name, names.iter().map(String::as_str)) {
            Some(near) => error.hint(format!("Perhaps you meant the function \"{near}\".")),
            None => error,
        }
    }

    /// `UNNEST(a, b)` as the parser gives it.
    pub fn bind_unnest(
        &mut self,
        arrays: &[Ast],
        ordinality: bool,
        alias: Option<&TableAlias>,
        span: Span,
    ) -> Result<FromItem> {
        let args: Vec<FunctionArg> =
            arrays.iter().map(|array| FunctionArg::Unnamed(FunctionArgExpr::Expr(array.clone()))).collect();
        let (call, _) =
            self.with_frame(Frame::new(Clause::From), |binder| binder.table_function_call("unnest", &args, span))?;
        self.function_item(call, "unnest", ordinality, alias)
    }

    fn function_item(
        &mut self,
        call: TableFunctionCall,
        name: &str,
        ordinality: bool,
        alias: Option<&TableAlias>,
    ) -> Result<FromItem> {
        let mut columns: Vec<ScopeColumn> = call
            .function
            .columns()
            .iter()
            .map(|(column, ty)| ScopeColumn {
                name: column.as_str().into(),
                var: self.vars.add(column.as_str(), ty.clone()),
                ty: ty.clone(),
                origin: None,
            })
            .collect();
        // A function of one unnamed column lends it the alias.
        let own_name = set_returning::is_set_returning(name);
        if let ([column], Some(alias), true) = (columns.as_mut_slice(), alias, own_name)
            && set_returning::takes_alias(name)
        {
            column.name = fold(&alias.name).into();
        }
        if let ([column], true, false) = (columns.as_slice(), own_name, ordinality) {
            self.scalar_rows.insert(column.var);
        }
        let output = columns.iter().map(|column| column.var).collect();
        let ordinality = ordinality.then(|| {
            let var = self.vars.add("ordinality", DataType::Int8);
            columns.push(ScopeColumn { name: "ordinality".into(), var, ty: DataType::Int8, origin: None });
            var
        });
        let plan = Plan::FunctionScan { function: call.function, args: call.args, output, ordinality };
        let relation = ScopeRelation { name: Some(name.to_owned()), schema: None, columns, tableoid: None };
        self.rename(FromItem::of_relation(plan, relation), alias)
    }

    /// Resolves a table function and converts its arguments; the frame on top is where they are bound.
    pub fn table_function_call(&mut self, name: &str, args: &[FunctionArg], span: Span) -> Result<TableFunctionCall> {
        let position = self.at(span);
        // Those whose columns take their types from the arguments are resolved here, by type.
        let polymorphic = set_returning::is_set_returning(name);
        if !polymorphic && let Some(function) = self.context.session.functions.table_function(name) {
            let args = self.table_function_args(&*function, args, span)?;
            return Ok(TableFunctionCall { function, args });
        }
        let bound = args
            .iter()
            .map(|arg| match arg {
                FunctionArg::Unnamed(FunctionArgExpr::Expr(expr)) => self.bind_expr(expr),
                _ => Err(self.unsupported(format_args!("a named or * argument of {name}"), span)),
            })
            .collect::<Result<Vec<_>>>()?;
        let types: Vec<DataType> = bound.iter().map(Expr::ty).collect();
        let function = functions::or_as_jsonb(&types, |types| set_returning::resolve(name, types))
            .map_err(|error| error.at(position))?;
        let mut cast = Vec::with_capacity(bound.len());
        for (arg, param) in bound.into_iter().zip(function.params().to_vec()) {
            cast.push(self.coerce_argument(arg, &param.ty, position)?);
        }
        for param in function.params().iter().skip(cast.len()) {
            let default = param.default.clone().unwrap_or_default();
            cast.push(Expr::Literal(default, param.ty.clone()));
        }
        Ok(TableFunctionCall { function, args: cast })
    }

    /// Positional and named arguments, defaults filled in. 42883 as PostgreSQL's, with the signature as a hint.
    fn table_function_args(
        &mut self,
        function: &dyn TableFunction,
        args: &[FunctionArg],
        span: Span,
    ) -> Result<Vec<Expr>> {
        let params = function.params().to_vec();
        let mut slots: Vec<Option<Expr>> = vec![None; params.len()];
        let signature = signature(function);
        let refuse = |message: String, position: Option<usize>| {
            QueryError::new(sqlstate::UNDEFINED_FUNCTION, message)
                .hint(format!("The function is {signature}."))
                .at(position)
        };
        for (index, arg) in args.iter().enumerate() {
            let (slot, ast, place) = match arg {
                FunctionArg::Unnamed(FunctionArgExpr::Expr(ast)) => {
                    if args[..index].iter().any(|earlier| !matches!(earlier, FunctionArg::Unnamed(_))) {
                        return Err(QueryError::syntax(
                            "positional argument cannot follow named argument",
                            self.at(ast.span()),
                        ));
                    }
                    if index >= params.len() {
                        return Err(refuse(
                            format!(
                                "function {} takes {} arguments, not {}",
                                function.name(),
                                params.len(),
                                args.len()
                            ),
                            self.at(span),
                        ));
                    }
                    (index, ast, ast.span())
                }
                FunctionArg::Named { name, arg: FunctionArgExpr::Expr(ast), operator } => {
                    self.check_argument_operator(operator, span)?;
                    (self.parameter_slot(function, &params, &fold(name), name.span)?, ast, name.span)
                }
                FunctionArg::ExprNamed { name: Ast::Identifier(name), arg: FunctionArgExpr::Expr(ast), operator } => {
                    self.check_argument_operator(operator, span)?;
                    (self.parameter_slot(function, &params, &fold(name), name.span)?, ast, name.span)
                }
                _ => {
                    return Err(refuse(format!("function {} does not take *", function.name()), self.at(span)));
                }
            };
            if slots[slot].is_some() {
                return Err(QueryError::syntax(
                    format!("argument name \"{}\" used more than once", params[slot].name),
                    self.at(place),
                ));
            }
            let position = self.at(ast.span());
            let expr = self.bind_expr(ast)?;
            let (from, to) = (expr.ty(), params[slot].ty.clone());
            if from != DataType::Unknown
                && from != to
                && to != DataType::Any
                && !from.same_base(&to)
                && !functions::can_cast(&from, &to, CastContext::Assignment)
            {
                return Err(refuse(
                    format!(
                        "argument {} of function {} must be {}, not {}",
                        params[slot].name,
                        function.name(),
                        type_name(&to),
                        type_name(&from)
                    ),
                    position,
                ));
            }
            slots[slot] = Some(self.coerce_argument(expr, &to, position)?);
        }
        slots
            .into_iter()
            .zip(params)
            .map(|(slot, param)| match (slot, param.default) {
                (Some(expr), _) => Ok(expr),
                (None, Some(default)) => Ok(Expr::Literal(default, param.ty)),
                (None, None) => {
                    Err(refuse(format!("function {} needs a value for {}", function.name(), param.name), self.at(span)))
                }
            })
            .collect()
    }

    fn check_argument_operator(&self, operator: &sqlparser::ast::FunctionArgOperator, span: Span) -> Result<()> {
        use sqlparser::ast::FunctionArgOperator;
        match operator {
            FunctionArgOperator::RightArrow | FunctionArgOperator::Assignment => Ok(()),
            other => Err(QueryError::syntax(
                format!("named arguments are written name => value, not with {other}"),
                self.at(span),
            )),
        }
    }

    fn parameter_slot(
        &self,
        function: &dyn TableFunction,
        params: &[functions::Param],
        name: &str,
        span: Span,
    ) -> Result<usize> {
        params.iter().position(|param| param.name == name).ok_or_else(|| {
            let error = QueryError::new(
                sqlstate::UNDEFINED_FUNCTION,
                format!("function {} has no parameter \"{name}\"", function.name()),
            )
            .at(self.at(span));
            match near_miss(name, params.iter().map(|param| param.name)) {
                Some(near) => error.hint(format!("Perhaps you meant \"{near}\".")),
                None => error.hint(format!("The function is {}.", signature(function))),
            }
        })
    }

    /// `CALL name(…)`.
    pub fn bind_call_statement(&mut self, function: &Function) -> Result<Bound> {
        let span = function.name.span();
        let name = self.function_name(function)?;
        let args = match &function.args {
            FunctionArguments::None => &[][..],
            FunctionArguments::List(list) => {
                if list.duplicate_treatment.is_some() || !list.clauses.is_empty() {
                    return Err(QueryError::syntax("CALL takes plain arguments", self.at(span)));
                }
                &list.args[..]
            }
            FunctionArguments::Subquery(_) => {
                return Err(self.unsupported("a subquery as the argument of CALL", span));
            }
        };
        let Some(procedure) = self.context.session.functions.table_function(&name) else {
            let error = QueryError::new(sqlstate::UNDEFINED_FUNCTION, format!("procedure {name} does not exist"))
                .at(self.at(span));
            let names = self.context.session.functions.table_function_names();
            return Err(match near_miss(&name, names.iter().map(String::as_str)) {
                Some(near) => error.hint(format!("Perhaps you meant \"{near}\".")),
                None => error,
            });
        };
        let (args, _) =
            self.with_frame(Frame::new(Clause::Call), |binder| binder.table_function_args(&*procedure, args, span))?;
        let mut outputs = Vec::new();
        let mut output = Vec::new();
        for (index, (column, ty)) in procedure.columns().iter().enumerate() {
            let var = self.vars.add(column.as_str(), ty.clone());
            outputs.push((index, var));
            output.push(OutputColumn { name: column.as_str().into(), var, ty: ty.clone(), origin: None });
        }
        let empty = outputs.is_empty();
        let call = Plan::ProcedureCall { input: Box::new(Plan::Unit), procedure, args, outputs };
        let plan = if empty { Plan::Discard { input: Box::new(call) } } else { call };
        Ok(Bound { plan, output })
    }
}

/// `search_messages(query text, k bigint => 10)`.
fn signature(function: &dyn TableFunction) -> String {
    let params: Vec<String> = function
        .params()
        .iter()
        .map(|param| {
            let shown = format!("{} {}", param.name, type_name(&param.ty));
            match &param.default {
                None => shown,
                Some(default) => format!(
                    "{shown} => {}",
                    match default {
                        sinew_storage::Value::Null => "null".to_owned(),
                        sinew_storage::Value::Int(int) => int.to_string(),
                        sinew_storage::Value::Text(text) => format!("'{text}'"),
                        sinew_storage::Value::Bool(value) => value.to_string(),
                        other => format!("{other:?}"),
                    }
                ),
            }
        })
        .collect();
    format!("{}({})", function.name(), params.join(", "))
}
