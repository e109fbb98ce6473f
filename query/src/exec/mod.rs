//! Physical plans and their execution.
//!
//! [`prepare`] optimizes a bound query and compiles it: variables become positions, operators get their constants. The
//! result is immutable and shared. [`execute`] opens the operators against one context; they pull batches from each other
//! (see [`operators`]). Statements that touch a few rows by key take the short path of [`fast`] instead, which gives the
//! same rows without building operators.
//!
//! An execution runs on the caller's thread, with helpers for scans of large tables ([`parallel`]). What it must keep is
//! counted against the statement's memory limit, and moves to temporary files above `work_mem` ([`spill`]).

pub mod compile;
pub mod constraints;
mod explain;
pub mod expr;
mod fast;
mod foreign_keys;
mod index_function;
pub mod key;
mod key_set;
mod lock_wait;
mod messages;
pub mod node;
pub mod operators;
mod ordering;
pub(crate) mod parallel;
pub mod recheck;
mod row_rules;
mod row_transform;
pub mod run;
mod scan;
pub mod spill;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::sync::atomic::Ordering;

use sinew_storage::catalog::{Catalog, TableDef};
use sinew_storage::{DataType, RelationId, RelationLock, Transaction};

#[cfg(test)]
pub(crate) use explain::describe;
pub use explain::explain;
pub use foreign_keys::{check_deferred, check_immediate};
pub use index_function::IndexExpressions;
pub use ordering::{compare_keys, compare_orderability};
pub use row_transform::RowTransform;

use crate::algebra::{Expr, Plan, VarTable, visit};
use crate::batch::Batch;
use crate::context::ExecContext;
use crate::error::{QueryError, Result, sqlstate};
use crate::optimizer;
use crate::statement::{BoundQuery, OutputColumn, QueryKind};
use fast::FastPlan;
use node::{Node, Operator};
use run::{Cx, RunSizes, RunState};

/// Pulls batches. Polls the cancel token at least once per batch.
pub trait RowStream: Send {
    /// None at the end. Batches are never empty unless they have no columns.
    fn next_batch(&mut self) -> Result<Option<Batch>>;

    /// Rows inserted, updated or deleted so far by the statement's outermost write.
    fn rows_affected(&self) -> u64 {
        0
    }
}

/// How to prepare.
#[derive(Clone, Copy, Debug)]
pub struct PrepareOptions {
    /// False runs the plan as it was bound (`sinew.optimizer = off`).
    pub optimize: bool,
    /// False runs every plan through operators.
    pub short_path: bool,
}

impl Default for PrepareOptions {
    fn default() -> Self {
        PrepareOptions { optimize: true, short_path: true }
    }
}

impl PrepareOptions {
    /// As the session's settings say.
    pub fn of_session(session: &crate::context::SessionContext) -> PrepareOptions {
        let off = matches!(session.setting("sinew.optimizer").as_deref(), Some("off" | "false" | "0" | "no"));
        PrepareOptions { optimize: !off, short_path: !off }
    }
}

/// An optimized, compiled plan: immutable, shared, run many times.
pub struct PreparedPlan {
    pub output: Vec<OutputColumn>,
    pub params: Vec<DataType>,
    pub vars: VarTable,
    kind: QueryKind,
    /// The statement writes (needs a layer of its own and RowExclusive locks).
    pub writes: bool,
    /// Locks rows as it gives them (FOR UPDATE and its kin).
    pub locks_rows: bool,
    /// Calls a procedure that must run outside any transaction.
    pub outside_transaction: bool,
    param_names: Vec<Arc<str>>,
    /// Tables it reads or writes, with the versions of their definitions and the locks it needs.
    relations: Vec<UsedRelation>,
    /// The name of a materialized view among them that has not been filled.
    unpopulated: Option<String>,
    /// It creates or changes nodes or relationships.
    writes_graph: bool,
    graph_version: u64,
    root: Arc<Node>,
    sizes: RunSizes,
    /// Position in the root's layout of each output column.
    columns: Vec<usize>,
    fast: Option<FastPlan>,
}

impl PreparedPlan {
    /// Names of the parameters when they are named, aligned with `params`.
    pub fn param_names(&self) -> &[Arc<str>] {
        &self.param_names
    }

    /// It touches a few rows by key, and runs without operators.
    pub fn is_short(&self) -> bool {
        self.fast.is_some()
    }

    /// Whether everything it was planned on is still defined as it was.
    pub fn is_current(&self, catalog: &Catalog) -> bool {
        self.graph_version == catalog.graph_version
            && self
                .relations
                .iter()
                .all(|used| catalog.tables.get(&used.id).is_some_and(|table| table.version == used.version))
    }

    /// Takes the relation locks, to the end of the transaction. True when it had to wait for one: the statement may have
    /// to be planned again, and needs a snapshot that is not older. Errors as [`Transaction::lock_relation`].
    pub fn lock_relations(&self, transaction: &Transaction) -> Result<bool> {
        let mut waited = false;
        for used in &self.relations {
            waited |= transaction.lock_relation_waited(used.id, used.lock)?;
        }
        if self.writes_graph {
            waited |= transaction.lock_graph_for_writes()?;
        }
        Ok(waited)
    }
}

struct UsedRelation {
    id: RelationId,
    version: u64,
    lock: RelationLock,
}

/// Adds the tables that a plan reads or writes, those of its subqueries included.
fn collect_relations(plan: &Plan, out: &mut Vec<UsedRelation>) {
    fn of_expr(expr: &Expr, out: &mut Vec<UsedRelation>) {
        if let Expr::Subquery(subquery) = expr {
            collect_relations(&subquery.plan, out);
        }
        for child in visit::children(expr) {
            of_expr(child, out);
        }
    }
    let table = match plan {
        Plan::TableScan(scan) => Some((&scan.table, RelationLock::AccessShare)),
        Plan::SearchScan(scan) => Some((&scan.table, RelationLock::AccessShare)),
        Plan::Insert(insert) => Some((&insert.table, RelationLock::RowExclusive)),
        Plan::Update(update) => Some((&update.table, RelationLock::RowExclusive)),
        Plan::Delete(delete) => Some((&delete.table, RelationLock::RowExclusive)),
        _ => None,
    };
    if let Some((table, lock)) = table {
        match out.iter_mut().find(|used| used.id == table.id) {
            // The stronger lock first: nobody can come in between.
            Some(used) => used.lock = used.lock.max(lock),
            None => out.push(UsedRelation { id: table.id, version: table.version, lock }),
        }
    }
    for expr in visit::own_exprs(plan) {
        of_expr(expr, out);
    }
    for input in visit::inputs(plan) {
        collect_relations(input, out);
    }
}

fn writes_graph(plan: &Plan) -> bool {
    let writes = match plan {
        Plan::GraphWrite { .. } | Plan::Merge { .. } => true,
        // INSERT and COPY into `nodes` and `edges`.
        Plan::ProcedureCall { procedure, .. } => procedure.counts_rows(),
        _ => false,
    };
    writes || visit::inputs(plan).into_iter().any(writes_graph)
}

/// Optimizes and compiles. `transaction` gives catalog and statistics.
pub fn prepare(query: BoundQuery, transaction: &Transaction) -> Result<Arc<PreparedPlan>> {
    prepare_with(query, transaction, PrepareOptions::default())
}

/// As [`prepare`], with options.
pub fn prepare_with(
    query: BoundQuery,
    transaction: &Transaction,
    options: PrepareOptions,
) -> Result<Arc<PreparedPlan>> {
    let BoundQuery { plan, output, mut vars, params, param_names, kind } = query;
    let outside_transaction = runs_outside_transaction(&plan);
    let locks_rows = visit::plan_locks_rows(&plan);
    let mut relations = Vec::new();
    collect_relations(&plan, &mut relations);
    let writes_graph = writes_graph(&plan);
    let catalog = transaction.catalog();
    let is_unpopulated = |table: &TableDef| table.materialized.as_ref().is_some_and(|of| !of.is_populated);
    let mut tables = relations.iter().filter_map(|used| catalog.tables.get(&used.id));
    let unpopulated = tables.find(|table| is_unpopulated(table)).map(|table| table.name.clone());
    let plan = if options.optimize {
        let wanted: Vec<_> = output.iter().map(|column| column.var).collect();
        optimizer::optimize_for(plan, &wanted, &mut vars, transaction)?
    } else {
        plan
    };
    let (root, sizes) = compile::compile(&plan, &vars, transaction)?;
    // A plan that gives no rows has no columns to find.
    let columns = output
        .iter()
        .map(|column| {
            root.layout.position(column.var).ok_or_else(|| {
                QueryError::internal(format!("output column {} is not produced by its plan", column.name))
            })
        })
        .collect::<Result<Vec<_>>>()?;
    let fast = if options.short_path { FastPlan::of(&root, &columns) } else { None };
    Ok(Arc::new(PreparedPlan {
        kind,
        writes: root.writes,
        locks_rows,
        output,
        params,
        vars,
        outside_transaction,
        param_names,
        relations,
        unpopulated,
        writes_graph,
        graph_version: transaction.catalog().graph_version,
        root,
        sizes,
        columns,
        fast,
    }))
}

fn runs_outside_transaction(plan: &Plan) -> bool {
    let own = match plan {
        Plan::ProcedureCall { procedure, .. } => procedure.outside_transaction(),
        Plan::FunctionScan { function, .. } => function.outside_transaction(),
        _ => false,
    };
    own || optimizer::visit::inputs(plan).into_iter().any(runs_outside_transaction)
}

/// Runs a prepared plan. The stream holds the context's transaction until dropped.
pub fn execute(plan: &Arc<PreparedPlan>, context: ExecContext) -> Result<Box<dyn RowStream>> {
    start(plan, context, None, false).map(|stream| Box::new(stream) as Box<dyn RowStream>)
}

/// Runs a plan whose [`crate::algebra::Plan::Supplied`] source is `rows` (COPY FROM).
pub fn execute_supplied(
    plan: &Arc<PreparedPlan>,
    context: ExecContext,
    rows: Box<dyn RowStream>,
) -> Result<Box<dyn RowStream>> {
    start(plan, context, Some(rows), false).map(|stream| Box::new(stream) as Box<dyn RowStream>)
}

fn start(
    plan: &Arc<PreparedPlan>,
    context: ExecContext,
    supplied: Option<Box<dyn RowStream>>,
    measure: bool,
) -> Result<ExecStream> {
    context.cancel.check()?;
    if let Some(name) = &plan.unpopulated {
        let message = format!("materialized view \"{name}\" has not been populated");
        return Err(QueryError::new(sqlstate::OBJECT_NOT_IN_PREREQUISITE_STATE, message)
            .hint("Use the REFRESH MATERIALIZED VIEW command."));
    }
    if plan.writes && !context.allow_writes {
        return Err(QueryError::new(
            sqlstate::READ_ONLY_SQL_TRANSACTION,
            format!("cannot execute {} in a read-only transaction", plan.kind.command()),
        ));
    }
    if context.params.len() < plan.params.len() {
        return Err(QueryError::new(
            sqlstate::UNDEFINED_PARAMETER,
            format!("there is no parameter ${}", context.params.len() + 1),
        ));
    }
    let run = Arc::new(RunState::new(context, plan.sizes, supplied, measure));
    let state = if plan.fast.is_some() && !measure { State::Fast } else { State::Unopened };
    Ok(ExecStream { plan: Arc::clone(plan), run, state })
}

enum State {
    /// The short path, not run yet.
    Fast,
    Unopened,
    Open(Box<dyn Operator>),
    Done,
}

/// One execution.
struct ExecStream {
    plan: Arc<PreparedPlan>,
    run: Arc<RunState>,
    state: State,
}

impl ExecStream {
    fn pull(&mut self) -> Result<Option<Batch>> {
        self.run.check_cancel()?;
        if let State::Unopened = self.state {
            self.state = State::Open(self.plan.root.open(&Cx::new(Arc::clone(&self.run)))?);
        }
        match &mut self.state {
            State::Fast => {
                self.state = State::Done;
                match &self.plan.fast {
                    Some(fast) => fast.run(&Cx::new(Arc::clone(&self.run))),
                    None => Ok(None),
                }
            }
            State::Open(operator) => Ok(operator.next()?.map(|batch| batch.select(&self.plan.columns))),
            State::Unopened | State::Done => Ok(None),
        }
    }
}

impl RowStream for ExecStream {
    fn next_batch(&mut self) -> Result<Option<Batch>> {
        let result = self.pull();
        if !matches!(result, Ok(Some(_))) && !matches!(self.state, State::Unopened) {
            // Nothing comes after the end or an error; what the operators hold is free.
            self.state = State::Done;
        }
        result
    }

    fn rows_affected(&self) -> u64 {
        self.run.rows_affected.load(Ordering::Relaxed)
    }
}

impl Drop for ExecStream {
    fn drop(&mut self) {
        self.state = State::Done;
        // Cached subquery results refer back to the run that counts their memory.
        for cache in &self.run.subqueries {
            *cache.lock() = expr::SubqueryCache::default();
        }
        *self.run.supplied.lock() = None;
    }
}
