//! Set-returning functions outside FROM: their rows multiply the query's. Those of one depth of nesting go side by side.

use std::sync::Arc;

use sinew_storage::DataType;
use sqlparser::ast::{
    Expr as Ast, FunctionArg, FunctionArgExpr, FunctionArgumentList, FunctionArguments, Spanned, TableAlias,
};
use sqlparser::tokenizer::Span;

use super::Binder;
use super::names::fold;
use super::scope::{Clause, Frame, FromItem, ScopeColumn, ScopeRelation};
use crate::algebra::{ApplyKind, Expr, Plan, VarId};
use crate::error::{QueryError, Result, sqlstate};
use crate::functions::TableFunction;
use crate::system::set_returning;
use crate::system::side_by_side::SideBySide;

const LATERAL_HINT: &str = "You might be able to move the set-returning function into a LATERAL FROM item.";

/// A set-returning function met in an expression.
#[derive(Clone, Debug)]
pub struct PendingSet {
    pub function: Arc<dyn TableFunction>,
    pub args: Vec<Expr>,
    /// One for each of its columns.
    pub columns: Vec<VarId>,
    /// Its columns as one value, when there are several.
    pub record: Option<VarId>,
    pub position: Option<usize>,
    /// Set-returning functions on top of each other in the arguments.
    depth: usize,
}

impl PendingSet {
    /// Whether an expression is made of it.
    pub fn is_read_by(&self, expr: &Expr) -> bool {
        let vars: Vec<VarId> = self.columns.iter().copied().chain(self.record).collect();
        super::walk::reads_any(expr, &vars)
    }
}

impl Binder<'_> {
    /// A set-returning function in an expression. 0A000 where none may stand.
    pub fn bind_set_in_select(&mut self, name: &str, list: &FunctionArgumentList, span: Span) -> Result<Expr> {
        let position = self.at(span);
        let refuse = |what: String| QueryError::new(sqlstate::FEATURE_NOT_SUPPORTED, what).at(position);
        let Some(clause) = self.frames.last().map(|frame| frame.clause) else {
            return Err(refuse("set-returning functions are not allowed in VALUES".to_owned()));
        };
        match clause {
            Clause::Select | Clause::OrderBy | Clause::GroupBy => {}
            Clause::From => return Err(refuse("set-returning functions must appear at top level of FROM".to_owned())),
            Clause::Window => return Err(self.unsupported("a set-returning function in a window definition", span)),
            Clause::AggregateArguments => {
                return Err(refuse("aggregate function calls cannot contain set-returning function calls".to_owned())
                    .hint(LATERAL_HINT));
            }
            clause => {
                return Err(refuse(format!("set-returning functions are not allowed in {}", clause.window_place())));
            }
        }
        let call = self.table_function_call(name, &list.args, span)?;
        self.check_set_function(&*call.function, name, span)?;
        let inner = self.frame().sets.iter().filter(|set| call.args.iter().any(|arg| set.is_read_by(arg)));
        let depth = inner.map(|set| set.depth + 1).max().unwrap_or(0);
        let fields = call.function.columns().to_vec();
        let columns: Vec<VarId> =
            fields.iter().map(|(column, ty)| self.vars.add(column.as_str(), ty.clone())).collect();
        let (var, ty, record) = match (columns.as_slice(), fields.as_slice()) {
            ([var], [(_, ty)]) => (*var, ty.clone(), None),
            _ => {
                let record = self.vars.add(name, DataType::Record);
                self.record_fields.insert(record, fields);
                (record, DataType::Record, Some(record))
            }
        };
        self.frame().sets.push(PendingSet {
            function: call.function,
            args: call.args,
            columns,
            record,
            position,
            depth,
        });
        Ok(Expr::Column(var, ty))
    }

    /// 0A000 for functions that run on their own only.
    fn check_set_function(&self, function: &dyn TableFunction, name: &str, span: Span) -> Result<()> {
        if function.writes() || function.outside_transaction() {
            return Err(self
                .unsupported(format_args!("{name} below the top level of a query"), span)
                .hint(format!("Use CALL {name}(…).")));
        }
        Ok(())
    }

    /// 0A000 when a set-returning function was met since there were `mark` of them: in what is not computed on every row.
    pub fn check_no_sets(&self, mark: usize, what: &str) -> Result<()> {
        match self.frames.last().and_then(|frame| frame.sets.get(mark)) {
            None => Ok(()),
            Some(set) => Err(QueryError::new(
                sqlstate::FEATURE_NOT_SUPPORTED,
                format!("set-returning functions are not allowed in {what}"),
            )
            .hint(LATERAL_HINT)
            .at(set.position)),
        }
    }

    /// How many set-returning functions the query level has so far.
    pub fn set_count(&self) -> usize {
        self.frames.last().map_or(0, |frame| frame.sets.len())
    }

    /// 0A000 when one of a call's arguments is made of a set-returning function.
    pub fn check_no_sets_in(&self, level: usize, args: &[Expr], what: &str) -> Result<()> {
        let sets = self.frames.get(level).map_or(&[][..], |frame| &frame.sets);
        let inside = |set: &&PendingSet| args.iter().any(|arg| set.is_read_by(arg));
        match sets.iter().find(inside) {
            None => Ok(()),
            Some(set) => Err(QueryError::new(
                sqlstate::FEATURE_NOT_SUPPORTED,
                format!("{what} function calls cannot contain set-returning function calls"),
            )
            .hint(LATERAL_HINT)
            .at(set.position)),
        }
    }

    /// Computes set-returning functions over the rows of a plan, inner ones first. Those of one depth go side by side, and
    /// give NULL when they have ended before the longest.
    pub fn plan_sets(&mut self, mut plan: Plan, mut sets: Vec<PendingSet>) -> Plan {
        let mut depth = 0;
        while !sets.is_empty() {
            let (now, later): (Vec<PendingSet>, Vec<PendingSet>) = sets.into_iter().partition(|set| set.depth <= depth);
            sets = later;
            depth += 1;
            let mut records: Vec<(VarId, Expr)> = Vec::new();
            let (mut functions, mut args, mut output) = (Vec::new(), Vec::new(), Vec::new());
            for set in now {
                if let Some(record) = set.record {
                    let field = |var: &VarId| Expr::Column(*var, self.vars.ty(*var).clone());
                    records.push((record, Expr::List(set.columns.iter().map(field).collect(), DataType::Record)));
                }
                functions.push(set.function);
                args.extend(set.args);
                output.extend(set.columns);
            }
            if functions.is_empty() {
                continue;
            }
            let scan = Plan::FunctionScan { function: SideBySide::of(functions), args, output, ordinality: None };
            plan = match plan {
                Plan::Unit => scan,
                input => Plan::Apply { kind: ApplyKind::Cross, input: Box::new(input), subplan: Box::new(scan) },
            };
            if !records.is_empty() {
                plan = Plan::Extend { input: Box::new(plan), items: records };
            }
        }
        plan
    }

    /// `ROWS FROM (f(…), g(…))`.
    pub fn bind_rows_from(
        &mut self,
        calls: &[FunctionArg],
        ordinality: bool,
        alias: Option<&TableAlias>,
        span: Span,
    ) -> Result<FromItem> {
        let (mut functions, mut all_args, mut output) = (Vec::new(), Vec::new(), Vec::new());
        let mut columns: Vec<ScopeColumn> = Vec::new();
        let mut relation_name = None;
        for call in calls {
            let FunctionArg::Unnamed(FunctionArgExpr::Expr(ast)) = call else {
                return Err(self.unsupported("such an item of ROWS FROM", span));
            };
            let set = match ast {
                Ast::Function(function) => {
                    let name = self.function_name(function)?;
                    let FunctionArguments::List(list) = &function.args else {
                        return Err(QueryError::syntax("ROWS FROM takes functions", self.at(ast.span())));
                    };
                    if self.is_set_function(&name) {
                        let (call, _) = self.with_frame(Frame::new(Clause::From), |binder| {
                            binder.table_function_call(&name, &list.args, ast.span())
                        })?;
                        self.check_set_function(&*call.function, &name, ast.span())?;
                        relation_name.get_or_insert_with(|| name.clone());
                        Some((call.function, call.args, name))
                    } else {
                        None
                    }
                }
                _ => None,
            };
            let (function, args, name) = match set {
                Some(set) => set,
                None => {
                    // Any other function gives one row.
                    let name = self.output_name(ast);
                    let (value, _) = self.with_frame(Frame::new(Clause::From), |binder| binder.bind_settled(ast))?;
                    relation_name.get_or_insert_with(|| name.clone());
                    (set_returning::single_value(&name, value.ty()), vec![value], name)
                }
            };
            let only = function.columns().len() == 1 && set_returning::takes_alias(&name);
            for (column, ty) in function.columns() {
                let column: Arc<str> = if only { name.as_str().into() } else { column.as_str().into() };
                let var = self.vars.add(column.clone(), ty.clone());
                output.push(var);
                columns.push(ScopeColumn { name: column, var, ty: ty.clone(), origin: None });
            }
            functions.push(function);
            all_args.extend(args);
        }
        let ordinality = ordinality.then(|| {
            let var = self.vars.add("ordinality", DataType::Int8);
            columns.push(ScopeColumn { name: "ordinality".into(), var, ty: DataType::Int8, origin: None });
            var
        });
        if let ([column], Some(alias)) = (columns.as_mut_slice(), alias) {
            column.name = fold(&alias.name).into();
        }
        let plan = Plan::FunctionScan { function: SideBySide::of(functions), args: all_args, output, ordinality };
        let relation = ScopeRelation { name: relation_name, schema: None, columns, tableoid: None };
        self.rename(FromItem::of_relation(plan, relation), alias)
    }
}
