//! A table's CHECK constraints and defaults on their own, for rows that no statement names: those that a referential
//! action changes.

use std::sync::Arc;

use parking_lot::RwLock;
use sinew_storage::Value;
use sinew_storage::catalog::TableDef;

use super::compile::compile_rules;
use super::expr::PhysExpr;
use super::run::{Cx, RunState};
use crate::algebra::RowRule;
use crate::context::BindContext;
use crate::error::Result;
use crate::sql;

/// Compiled apart from the statement's plan, with slots of their own.
pub struct RowRules {
    cx: Cx,
    /// Over the row.
    checks: Vec<(RowRule, PhysExpr)>,
    /// One for each column; NULL where none is declared.
    defaults: Vec<PhysExpr>,
}

impl RowRules {
    pub fn new(table: &TableDef, cx: &Cx) -> Result<RowRules> {
        let exec = &cx.run.exec;
        let bind =
            BindContext { transaction: &exec.transaction, session: &exec.session, params: RwLock::new(Vec::new()) };
        let rules = sql::bind_stored_rules(&bind, table)?;
        let (checks, defaults, sizes) = compile_rules(&rules, &exec.transaction)?;
        let run = RunState::new(exec.clone(), sizes, None, false);
        Ok(RowRules { cx: Cx::new(Arc::new(run)), checks, defaults })
    }

    pub fn checks(&self) -> &[(RowRule, PhysExpr)] {
        &self.checks
    }

    /// What the checks are evaluated in.
    pub fn cx(&self) -> &Cx {
        &self.cx
    }

    /// What the column at `position` gets when nothing is said.
    pub fn default(&self, position: usize) -> Result<Value> {
        self.defaults[position].eval_const(&self.cx)
    }
}
