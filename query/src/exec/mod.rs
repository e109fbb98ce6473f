//! Physical plans and their execution.

use std::sync::Arc;

use sinew_storage::{DataType, Transaction};

use crate::algebra::VarTable;
use crate::batch::Batch;
use crate::context::ExecContext;
use crate::error::Result;
use crate::statement::{BoundQuery, OutputColumn};

/// Pulls batches. Polls the cancel token at least once per batch.
pub trait RowStream: Send {
    /// None at the end. Batches are never empty unless they have no columns.
    fn next_batch(&mut self) -> Result<Option<Batch>>;

    /// Rows inserted, updated or deleted so far by the statement's outermost write.
    fn rows_affected(&self) -> u64 {
        0
    }
}

/// An optimized, compiled plan: immutable, shared, run many times.
pub struct PreparedPlan {
    pub output: Vec<OutputColumn>,
    pub params: Vec<DataType>,
    pub vars: VarTable,
    /// The statement writes (needs a layer of its own and RowExclusive locks).
    pub writes: bool,
    /// Calls a procedure that must run outside any transaction.
    pub outside_transaction: bool,
}

/// Optimizes and compiles. `transaction` gives catalog and statistics.
pub fn prepare(query: BoundQuery, transaction: &Transaction) -> Result<Arc<PreparedPlan>> {
    let _ = (query, transaction);
    todo!("executor")
}

/// Runs a prepared plan. The stream holds the context's transaction until dropped.
pub fn execute(plan: &Arc<PreparedPlan>, context: ExecContext) -> Result<Box<dyn RowStream>> {
    let _ = (plan, context);
    todo!("executor")
}

/// Runs a plan whose [`crate::algebra::Plan::Supplied`] source is `rows` (COPY FROM).
pub fn execute_supplied(
    plan: &Arc<PreparedPlan>,
    context: ExecContext,
    rows: Box<dyn RowStream>,
) -> Result<Box<dyn RowStream>> {
    let _ = (plan, context, rows);
    todo!("executor")
}

/// The plan as EXPLAIN prints it, one line per operator.
pub fn explain(plan: &PreparedPlan) -> Vec<String> {
    let _ = plan;
    todo!("executor")
}
