//! From syntax to the shared algebra: scopes, static types, compile-time errors, plans.
//!
//! A clause takes the plan so far and gives a longer one. MATCH continues the chain: from variables that are bound, or
//! from a scan joined to it, it expands along each path; predicates become filters right above what they read (the
//! optimizer moves them and picks indexes). OPTIONAL MATCH and MERGE's search are subplans that read the row they are
//! applied to. WITH and RETURN project, aggregate and order; a variable keeps its [`VarId`] when it passes through
//! unchanged, except where it comes from outside a subplan.

mod aggregation;
mod call;
mod constraint;
mod expr;
mod observed;
mod path;
mod pattern;
mod procedure;
mod projection;
mod query;
mod schema;
mod scope;
mod shortest;
mod show;
mod subquery;
mod temporal;
mod types;
mod write;

use std::sync::Arc;

use rustc_hash::{FxHashMap, FxHashSet};
use sinew_storage::{DataType, TemporalKind, Value};

use self::scope::{Columns, Scope};
use super::ast::{self, ExplainMode, Span, Statement};
use super::errors::Positions;
use super::functions::function_call;
use super::{CypherStatement, NamedParameters, errors, functions};
use crate::algebra::{Expr, Plan, VarId, VarTable};
use crate::context::BindContext;
use crate::error::{QueryError, Result};
use crate::statement::{BoundQuery, BoundStatement, ExplainOptions, OutputColumn, QueryKind};

/// What patterns say about an entity: it carries all of `labels`, or is of one of `types`.
#[derive(Clone, Debug, Default)]
struct EntityFacts {
    labels: Vec<Arc<str>>,
    types: Vec<Arc<str>>,
}

/// Where aggregates may stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Aggregation {
    /// Not here; the error's detail.
    Forbidden(&'static str),
    /// Only those that the projection computed, found among the replacements.
    Computed,
}

/// An expression that an earlier operator computed.
#[derive(Clone, Debug)]
struct Replacement {
    expr: ast::Expr,
    var: VarId,
}

pub(super) struct Binder<'a> {
    context: &'a BindContext<'a>,
    positions: Positions<'a>,
    named: &'a NamedParameters,
    /// Named parameters without a value come after these.
    positional_count: usize,
    vars: VarTable,
    scope: Scope,
    /// Names that exist but must not be used here, and the detail of the error if they are.
    hidden: Option<(Scope, &'static str)>,
    facts: FxHashMap<VarId, EntityFacts>,
    /// Variables whose types are certain by what was stored only.
    observed: FxHashSet<VarId>,
    /// Those of them that are integers or floats; their columns are floats.
    numbers: FxHashSet<VarId>,
    aggregation: Aggregation,
    replacements: Vec<Replacement>,
    /// A pattern may stand here as a predicate.
    patterns_allowed: bool,
    /// Variables below this come from outside the current subplan.
    first_local: u32,
    /// The plan so far writes: a later scan must not run beside it.
    plan_writes: bool,
    /// The statement writes somewhere: observed types say nothing then.
    statement_writes: bool,
    /// What the CASE around tests.
    case_operand: Option<Expr>,
    /// The type that the next untyped parameter is taken to have.
    parameter_hint: Option<DataType>,
    noticed: FxHashSet<(&'static str, Arc<str>)>,
    /// Names that a WITH did not pass on.
    left_behind: FxHashSet<Arc<str>>,
    /// Expressions bound so far.
    bound_count: usize,
}

pub(super) fn bind_statement(
    context: &BindContext<'_>,
    statement: &CypherStatement,
    text: &str,
    named: &NamedParameters,
) -> Result<BoundStatement> {
    let declared_count = context.params.read().len();
    let binder = Binder {
        context,
        positions: Positions::new(text),
        named,
        positional_count: declared_count.max(statement.positional_parameter_count),
        vars: VarTable::default(),
        scope: Scope::default(),
        hidden: None,
        facts: FxHashMap::default(),
        observed: FxHashSet::default(),
        numbers: FxHashSet::default(),
        aggregation: Aggregation::Forbidden("InvalidAggregation"),
        replacements: Vec::new(),
        patterns_allowed: false,
        first_local: 0,
        plan_writes: false,
        statement_writes: false,
        case_operand: None,
        parameter_hint: None,
        noticed: FxHashSet::default(),
        left_behind: FxHashSet::default(),
        bound_count: 0,
    };
    match &statement.statement {
        Statement::Schema(command) => binder.schema_command(command),
        Statement::Query { query, explain } => {
            let query = binder.top_level(query)?;
            Ok(match explain {
                None => BoundStatement::Query(query),
                Some(mode) => BoundStatement::Explain {
                    query,
                    options: ExplainOptions { analyze: *mode == ExplainMode::Profile, ..ExplainOptions::default() },
                },
            })
        }
    }
}

impl Binder<'_> {
    fn top_level(mut self, query: &ast::Query) -> Result<BoundQuery> {
        self.statement_writes = query::writes(query);
        let standalone_call = query::standalone_call(query);
        let (plan, columns) = self.query(query, standalone_call.is_some())?;
        let (plan, columns) = self.sql_columns(plan, columns);
        let calls_writer = standalone_call.is_some_and(|call| {
            self.context.session.functions.table_function(&call.name).is_some_and(|procedure| procedure.writes())
        });
        let kind = if standalone_call.is_some() {
            QueryKind::Call
        } else if self.statement_writes || calls_writer {
            QueryKind::CypherWrite
        } else {
            QueryKind::CypherRead
        };
        Ok(self.finish(plan, columns, kind))
    }

    /// Closes the statement: output columns and parameter types.
    fn finish(self, plan: Plan, columns: Columns, kind: QueryKind) -> BoundQuery {
        let output = columns
            .into_iter()
            .map(|(name, var)| {
                let ty = types::output_type(self.vars.ty(var));
                OutputColumn { name, var, ty, origin: None }
            })
            .collect();
        let mut params = {
            let mut declared = self.context.params.write();
            if declared.len() < self.positional_count {
                declared.resize(self.positional_count, DataType::Unknown);
            }
            for ty in declared.iter_mut().filter(|ty| **ty == DataType::Unknown) {
                *ty = DataType::Text;
            }
            declared.clone()
        };
        let mut param_names = Vec::new();
        if self.named.0.iter().any(|(_, _, value)| value.is_none()) {
            param_names = (1..=params.len()).map(|number| number.to_string().into()).collect();
            for (name, ty, value) in &self.named.0 {
                if value.is_none() {
                    params.push(if *ty == DataType::Unknown { DataType::Any } else { ty.clone() });
                    param_names.push(name.clone());
                }
            }
        }
        BoundQuery { plan, output, vars: self.vars, params, param_names, kind }
    }

    /// Sets the position of an error to where `span` begins.
    fn at(&self, error: QueryError, span: Span) -> QueryError {
        error.at(Some(self.positions.of(span.start as usize)))
    }

    /// Where a call stands, for errors at run time.
    fn position(&self, span: Span) -> Option<u32> {
        u32::try_from(self.positions.of(span.start as usize)).ok()
    }

    fn syntax(&self, detail: &'static str, message: impl Into<String>, span: Span) -> QueryError {
        self.at(errors::syntax(detail, message), span)
    }

    /// Tells the user once that a name in a pattern or predicate exists nowhere.
    fn notice_unknown(&mut self, what: &'static str, name: &Arc<str>, known: impl FnOnce(&Self) -> Vec<Arc<str>>) {
        if !self.noticed.insert((what, name.clone())) {
            return;
        }
        let known = known(self);
        let mut message = format!("{what} \"{name}\" does not exist");
        if let Some(near) = errors::near_miss(name, known.iter().map(|known| &**known)) {
            message.push_str(&format!("; did you mean \"{near}\"?"));
        }
        self.context.session.notice(message);
    }

    /// Tells the user once that nothing compares with null.
    fn notice_null_comparison(&mut self, symbol: &'static str) {
        if self.noticed.insert((symbol, "null".into())) {
            let instead = if symbol == "=" { "IS NULL" } else { "IS NOT NULL" };
            self.context.session.notice(format!("a comparison {symbol} null is never true; did you mean {instead}?"));
        }
    }

    fn check_label(&mut self, label: &Arc<str>) {
        if self.context.transaction.label_id(label).is_none() {
            self.notice_unknown("label", label, |binder| binder.context.transaction.label_names());
        }
    }

    fn check_relationship_type(&mut self, ty: &Arc<str>) {
        if self.context.transaction.relationship_type_id(ty).is_none() {
            let known = |binder: &Self| binder.context.transaction.relationship_type_names();
            self.notice_unknown("relationship type", ty, known);
        }
    }

    fn check_property_key(&mut self, key: &Arc<str>) {
        if !self.statement_writes && self.context.transaction.property_key_id(key).is_none() {
            self.notice_unknown("property", key, |binder| binder.context.transaction.property_key_names());
        }
    }

    fn parameter(&mut self, parameter: &ast::Parameter, span: Span) -> Result<Expr> {
        let hint = self.parameter_hint.take();
        let (index, ty) = match parameter {
            ast::Parameter::Positional(index) => {
                let mut declared = self.context.params.write();
                if declared.len() <= *index {
                    declared.resize(*index + 1, DataType::Unknown);
                }
                if declared[*index] == DataType::Unknown {
                    declared[*index] = hint.unwrap_or(DataType::Text);
                }
                (*index, declared[*index].clone())
            }
            ast::Parameter::Named(name) => {
                let mut index = self.positional_count;
                let mut found = None;
                for (known, ty, value) in &self.named.0 {
                    if known == name {
                        found = Some((ty, value));
                        break;
                    }
                    index += usize::from(value.is_none());
                }
                match found {
                    Some((ty, Some(value))) => {
                        let value = functions::from_sql(value, ty).map_err(|error| self.at(error, span))?;
                        return Ok(Expr::Literal(value, DataType::Any));
                    }
                    Some((ty, None)) if *ty == DataType::Unknown => (index, DataType::Any),
                    Some((ty, None)) => (index, ty.clone()),
                    None => {
                        let error = errors::compile(
                            "ParameterMissing",
                            "MissingParameter",
                            format!("no value is given for parameter ${name}"),
                        );
                        let known = self.named.0.iter().map(|(name, ..)| &**name);
                        let error = match errors::near_miss(name, known) {
                            Some(near) => error.hint(format!("Perhaps you meant ${near}.")),
                            None => error,
                        };
                        return Err(self.at(error, span));
                    }
                }
            }
        };
        Ok(match ty {
            DataType::Int2 | DataType::Int4 | DataType::Int8 | DataType::Oid => Expr::Parameter(index, DataType::Int8),
            DataType::Float4 | DataType::Float8 => Expr::Parameter(index, DataType::Float8),
            DataType::Text | DataType::Varchar(_) | DataType::Bpchar(_) | DataType::Name => {
                Expr::Parameter(index, DataType::Text)
            }
            DataType::Any | DataType::Json | DataType::Jsonb | DataType::Numeric(_) | DataType::Array(_) => {
                temporal::from_sql(Expr::Parameter(index, ty))
            }
            other if TemporalKind::of_sql_type(&other).is_some() => temporal::from_sql(Expr::Parameter(index, other)),
            other => Expr::Parameter(index, other),
        })
    }
}

/// A call of one of Cypher's operators or internal functions.
fn operator_call(symbol: &str, args: Vec<Expr>, ty: DataType, position: Option<u32>) -> Expr {
    Expr::Call { function: functions::operator(symbol), args, ty, position }
}

/// As [`operator_call`], its type what that of the arguments makes certain.
fn typed_operator_call(symbol: &str, args: Vec<Expr>, position: Option<u32>) -> Expr {
    let function = functions::operator(symbol);
    let types: Vec<DataType> = args.iter().map(Expr::ty).collect();
    let ty = types::result_type(symbol, &args, &types).unwrap_or_else(|| function.returns.clone());
    Expr::Call { function, args, ty, position }
}

fn text_literal(text: &str) -> Expr {
    Expr::Literal(Value::text(text), DataType::Text)
}

fn int_literal(value: i64) -> Expr {
    Expr::Literal(Value::Int(value), DataType::Int8)
}

/// `input` under a filter; `input` itself when there is nothing to filter by.
fn filtered(input: Plan, conjuncts: Vec<Expr>) -> Plan {
    if conjuncts.is_empty() { input } else { Plan::Filter { input: Box::new(input), predicate: Expr::and(conjuncts) } }
}
