//! CALL of a procedure.

use super::types::type_name;
use super::*;
use crate::algebra::ApplyKind;
use crate::functions::{Param, TableFunction};
use ast::{ProcedureCall, Yield};

/// Whether a value of static type `found` may be passed for a parameter of type `wanted`.
fn accepts(wanted: &DataType, found: &DataType) -> bool {
    if matches!(found, DataType::Any | DataType::Unknown) || wanted == found {
        return true;
    }
    match wanted {
        DataType::Float4 | DataType::Float8 | DataType::Numeric(_) => {
            matches!(found, DataType::Int8 | DataType::Float8)
        }
        DataType::Int2 | DataType::Int4 | DataType::Int8 | DataType::Oid => *found == DataType::Int8,
        DataType::Bool => *found == DataType::Bool,
        DataType::Text | DataType::Varchar(_) | DataType::Bpchar(_) | DataType::Name => *found == DataType::Text,
        DataType::Array(_) | DataType::Vector(_) => {
            matches!(found, DataType::Array(_) | DataType::Vector(_))
        }
        DataType::Map => matches!(found, DataType::Map),
        DataType::Node | DataType::Relationship | DataType::Path => false,
        _ => TemporalKind::of_sql_type(wanted).is_none_or(|kind| *found == DataType::Temporal(kind)),
    }
}

impl Binder<'_> {
    /// The plan with the call, and its columns when it is the whole statement.
    pub(super) fn call_clause(
        &mut self,
        input: Plan,
        call: &ProcedureCall,
        standalone: bool,
    ) -> Result<(Plan, Columns)> {
        let registry = &self.context.session.functions;
        let Some(procedure) = registry.table_function(&call.name) else {
            return Err(self.unknown_procedure(call));
        };
        if procedure.outside_transaction() && !standalone {
            let error = QueryError::unsupported(format!("procedure {} inside a query", call.name));
            return Err(self.at(error.hint("Call it as a statement of its own."), call.name_span));
        }
        if let Yield::Star(span) = call.outputs
            && !standalone
        {
            return Err(self.syntax("UnexpectedSyntax", "YIELD * is only allowed in a standalone CALL", span));
        }
        let args = self.procedure_args(&*procedure, call, standalone)?;
        let available = procedure.columns().to_vec();
        let yielded = match &call.outputs {
            Yield::Items(_) => self.yielded(call, &available)?,
            Yield::Star(_) => all_columns(&available, call),
            Yield::Nothing if standalone => all_columns(&available, call),
            Yield::Nothing => Vec::new(),
        };
        let mut outputs = Vec::with_capacity(yielded.len());
        let mut converted = Vec::new();
        let mut columns = Columns::new();
        for (index, name, span) in yielded {
            if self.scope.get(&name).is_some() {
                return Err(self.already_bound(&name, span));
            }
            let ty = available[index].1.clone();
            let var = match TemporalKind::of_sql_type(&ty) {
                None => {
                    let var = self.new_var(&name, ty);
                    outputs.push((index, var));
                    var
                }
                Some(kind) => {
                    let sql = self.anonymous(ty);
                    outputs.push((index, sql));
                    let var = self.new_var(&name, DataType::Temporal(kind));
                    converted.push((var, temporal::from_sql(self.column(sql))));
                    var
                }
            };
            self.scope.insert(name.clone(), var);
            columns.push((name, var));
        }
        if procedure.writes() {
            self.plan_writes = true;
        }
        // Rows for which OPTIONAL CALL gives nothing stay.
        let (input, kept) =
            if call.optional && !standalone { (Plan::Unit, Some(Box::new(input))) } else { (input, None) };
        let mut plan = Plan::ProcedureCall { input: Box::new(input), procedure, args, outputs };
        if !converted.is_empty() {
            plan = Plan::Extend { input: Box::new(plan), items: converted };
        }
        let conjuncts = match &call.filter {
            Some(filter) => self.conjuncts(filter)?,
            None => Vec::new(),
        };
        let plan = filtered(plan, conjuncts);
        let plan = match kept {
            Some(input) => Plan::Apply { kind: ApplyKind::Left, input, subplan: Box::new(plan) },
            None => plan,
        };
        Ok((plan, columns))
    }

    fn unknown_procedure(&self, call: &ProcedureCall) -> QueryError {
        let message = format!("procedure {} does not exist", call.name);
        let error = errors::compile("ProcedureError", "ProcedureNotFound", message);
        let names = self.context.session.functions.table_function_names();
        let lower = call.name.to_lowercase();
        let former =
            FORMER_PROCEDURES.iter().find(|(name, _)| lower == *name || lower.starts_with(&format!("{name}.")));
        let hint = match former {
            Some((_, hint)) => Some((*hint).to_owned()),
            None => {
                let near = errors::near_miss(&call.name, names.iter().map(String::as_str));
                near.and_then(|near| registry_name(self, near)).map(|near| format!("Perhaps you meant {near}."))
            }
        };
        self.at(if let Some(hint) = hint { error.hint(hint) } else { error }, call.name_span)
    }

    fn procedure_args(
        &mut self,
        procedure: &dyn TableFunction,
        call: &ProcedureCall,
        standalone: bool,
    ) -> Result<Vec<Expr>> {
        let params = procedure.params().to_vec();
        let Some(args) = &call.args else {
            if !standalone {
                let message = "a procedure in a query takes its arguments in parentheses";
                return Err(self.syntax("InvalidArgumentPassingMode", message, call.name_span));
            }
            return params.iter().map(|param| self.implicit_arg(param, call.name_span)).collect();
        };
        let required = params.iter().filter(|param| param.default.is_none()).count();
        if args.len() < required || args.len() > params.len() {
            let expected = match (required, params.len()) {
                (least, most) if least == most => format!("{most} argument{}", if most == 1 { "" } else { "s" }),
                (least, most) => format!("{least} to {most} arguments"),
            };
            let message = format!("procedure {} takes {expected}, got {}", call.name, args.len());
            return Err(self.syntax("InvalidNumberOfArguments", message, call.name_span));
        }
        let mut bound = Vec::with_capacity(params.len());
        for (index, param) in params.iter().enumerate() {
            let Some(arg) = args.get(index) else {
                bound.push(Expr::Literal(param.default.clone().unwrap_or_default(), param.ty.clone()));
                continue;
            };
            let value = self.with_hint(parameter_hint(&param.ty), arg)?;
            let is_null = matches!(value, Expr::Literal(Value::Null, _));
            let ty = self.static_type(&value);
            if !is_null && !accepts(&param.ty, &ty) {
                let (wanted, found) = (type_name(&param.ty), type_name(&ty));
                let message =
                    format!("argument \"{}\" of procedure {} is a {wanted}, got {found}", param.name, call.name);
                return Err(self.syntax("InvalidArgumentType", message, arg.span));
            }
            bound.push(converted(value, &param.ty));
        }
        Ok(bound)
    }

    /// Of a CALL without parentheses: the statement's parameter of the same name.
    fn implicit_arg(&mut self, param: &Param, span: Span) -> Result<Expr> {
        let is_given = self.named.0.iter().any(|(name, ..)| **name == *param.name);
        match &param.default {
            Some(default) if !is_given => Ok(Expr::Literal(default.clone(), param.ty.clone())),
            _ => {
                let value = self.parameter(&ast::Parameter::Named(param.name.into()), span)?;
                Ok(converted(value, &param.ty))
            }
        }
    }
}

/// As its author writes it; the registry's keys are in lower case.
fn registry_name(binder: &Binder<'_>, key: &str) -> Option<String> {
    binder.context.session.functions.table_function(key).map(|procedure| procedure.name().to_owned())
}

/// Procedures of Neo4j, or groups of them, that do not exist here, in lower case, and what there is in their place.
const FORMER_PROCEDURES: &[(&str, &str)] = &[
    ("apoc", "APOC is a library of Neo4j's and not part of Sinew."),
    ("algo", "The graph algorithms are a library of Neo4j's and not part of Sinew."),
    ("db.constraints", "Use SHOW CONSTRAINTS."),
    ("db.createindex", "Use CREATE INDEX name FOR (n:Label) ON (n.key)."),
    ("db.createnodekey", "Use CREATE CONSTRAINT name FOR (n:Label) REQUIRE n.key IS NODE KEY."),
    ("db.createuniquepropertyconstraint", "Use CREATE CONSTRAINT name FOR (n:Label) REQUIRE n.key IS UNIQUE."),
    ("db.index.fulltext.createnodeindex", "Use CREATE FULLTEXT INDEX name FOR (n:Label) ON EACH [n.key]."),
    ("db.index.fulltext.createrelationshipindex", "Use CREATE FULLTEXT INDEX name FOR ()-[r:TYPE]-() ON EACH [r.key]."),
    ("db.index.fulltext.awaiteventuallyconsistentindexrefresh", "It is not needed: a search sees what is committed."),
    ("db.index.fulltext.drop", "Use DROP INDEX name."),
    ("db.index.vector.createnodeindex", "Use CREATE VECTOR INDEX name FOR (n:Label) ON (n.key) OPTIONS {…}."),
    ("db.indexdetails", "Use SHOW INDEXES YIELD *."),
    ("db.indexes", "Use SHOW INDEXES."),
    ("db.prepareforreplanning", "It is not needed: plans follow what is defined and how much there is."),
    ("db.resampleindex", "It is not needed: indexes are counted as they are."),
    ("db.resampleoutdatedindexes", "It is not needed: indexes are counted as they are."),
    ("db.schema", "Use db.schema.visualization, db.schema.nodeTypeProperties or db.schema.relTypeProperties."),
    ("db.stats", "Use SELECT * FROM pg_stat_statements."),
    ("dbms.functions", "Use SHOW FUNCTIONS."),
    ("dbms.killqueries", "Use SELECT pg_cancel_backend(pid)."),
    ("dbms.killquery", "Use SELECT pg_cancel_backend(pid)."),
    ("dbms.listconfig", "Use SHOW ALL."),
    ("dbms.listqueries", "Use SELECT * FROM pg_stat_activity."),
    ("dbms.procedures", "Use SHOW PROCEDURES."),
    ("gds", "The Graph Data Science library is Neo4j's and not part of Sinew."),
];

fn all_columns(available: &[(String, DataType)], call: &ProcedureCall) -> Vec<(usize, Arc<str>, Span)> {
    let columns = available.iter().enumerate();
    columns.map(|(index, (name, _))| (index, name.as_str().into(), call.name_span)).collect()
}

fn parameter_hint(ty: &DataType) -> DataType {
    match ty {
        DataType::Vector(_) => DataType::Any,
        other => other.clone(),
    }
}

/// The value as the procedure declares it.
fn converted(value: Expr, wanted: &DataType) -> Expr {
    if value.ty() == *wanted || matches!(value, Expr::Literal(Value::Null, _)) {
        return value;
    }
    if let Some(kind) = TemporalKind::of_sql_type(wanted) {
        return temporal::to_sql(value, kind);
    }
    let symbol = match wanted {
        DataType::Float4 | DataType::Float8 => "float argument",
        DataType::Vector(_) => "vector argument",
        DataType::Json | DataType::Jsonb => "json argument",
        _ => return value,
    };
    operator_call(symbol, vec![value], wanted.clone(), None)
}
