//! Set-returning functions of a select list: one multiplies the query's rows, several go on side by side, and those that
//! have ended give NULL.

use std::sync::Arc;

use sinew_storage::DataType;

use super::Binder;
use super::scope::PendingSet;
use crate::algebra::{ApplyKind, Expr, Plan, VarId};
use crate::error::{QueryError, Result, sqlstate};
use crate::system::side_by_side::SideBySide;

impl Binder<'_> {
    /// Puts the functions above the plan that their arguments are over.
    pub fn with_sets(&mut self, plan: Plan, mut sets: Vec<PendingSet>) -> Plan {
        let records: Vec<(VarId, Expr)> = sets
            .iter()
            .filter_map(|set| {
                let fields = set.columns.iter().map(|var| Expr::Column(*var, self.vars.ty(*var).clone())).collect();
                Some((set.record?, Expr::List(fields, DataType::Record)))
            })
            .collect();
        let output: Vec<VarId> = sets.iter().flat_map(|set| set.columns.iter().copied()).collect();
        let args: Vec<Expr> = sets.iter_mut().flat_map(|set| std::mem::take(&mut set.args)).collect();
        let mut functions: Vec<_> = sets.into_iter().map(|set| set.function).collect();
        let Some(last) = functions.pop() else { return plan };
        let function = if functions.is_empty() {
            last
        } else {
            functions.push(last);
            Arc::new(SideBySide::new(functions))
        };
        let scan = Plan::FunctionScan { function, args, output, ordinality: None };
        let plan = match plan {
            Plan::Unit => scan,
            input => Plan::Apply { kind: ApplyKind::Cross, input: Box::new(input), subplan: Box::new(scan) },
        };
        if records.is_empty() { plan } else { Plan::Extend { input: Box::new(plan), items: records } }
    }

    /// `(record).field` of a record whose fields are known. 0A000, 42703.
    pub fn bind_field(&mut self, record: Expr, field: &str, position: Option<usize>) -> Result<Expr> {
        let fields = match &record {
            Expr::Column(var, DataType::Record) => self.record_fields.get(var),
            _ => None,
        };
        let Some(fields) = fields else {
            return Err(QueryError::unsupported("field selection from a composite value").at(position));
        };
        let Some(at) = fields.iter().position(|(name, _)| name == field) else {
            return Err(QueryError::new(
                sqlstate::UNDEFINED_COLUMN,
                format!("could not identify column \"{field}\" in record data type"),
            )
            .at(position));
        };
        let ty = fields[at].1.clone();
        Ok(super::intrinsics::record_field(record, at, &ty))
    }
}
