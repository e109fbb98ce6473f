//! Physical operators, one a file.
//!
//! Each file has the compiled form (`…Plan`, shared and immutable) and the running operator it opens. Operators pull
//! batches from their inputs; those that write, sort or hash take their whole input first. Everything kept across batches
//! is counted against the statement's memory limit; what outgrows `work_mem` moves to files ([`super::spill`]) where it can be
//! cut into parts, and is an error (53200) at the limit where it cannot.

pub mod aggregate;
pub mod apply;
pub mod cte;
pub mod delete;
pub mod discard;
pub mod distinct;
pub mod expand;
pub mod filter;
pub mod function_scan;
pub mod graph_count;
pub mod graph_write;
pub mod grouping_sets;
pub mod insert;
pub mod join;
pub mod limit;
pub mod limit_ties;
pub mod lock_rows;
pub mod merge;
pub mod node_scan;
pub mod node_seek;
pub(crate) mod pieces;
pub mod procedure_call;
pub mod project;
pub mod relationship_scan;
pub mod repeat_path;
pub mod search_scan;
pub mod set_operation;
pub mod shortest_path;
pub mod sort;
pub mod supplied;
pub mod table_scan;
pub mod unwind;
pub mod unwind_range;
pub mod update;
pub mod values;
pub mod var_length_expand;
pub mod window;

use sinew_storage::{RelationshipTypeId, Transaction};
use std::sync::Arc;

use super::node::{Node, Operator};
use super::run::{Cx, Reservation};
use crate::batch::Batch;
use crate::error::{QueryError, Result, sqlstate};

/// The batch that rows are taken from, or the input's next one from its first row on. None when there is no more.
pub(crate) fn batch_in_progress(
    current: &mut Option<Batch>,
    input: &mut dyn Operator,
    row: &mut usize,
) -> Result<Option<Batch>> {
    if let Some(batch) = current.take() {
        return Ok(Some(batch));
    }
    *row = 0;
    input.next()
}

/// All batches of an input, counted against the memory limit.
pub(crate) fn collect(node: &Node, cx: &Cx) -> Result<(Vec<Batch>, Reservation)> {
    let mut memory = Reservation::new(&cx.run);
    let mut batches = Vec::new();
    let mut operator = node.open(cx)?;
    while let Some(batch) = operator.next()? {
        cx.check_cancel()?;
        memory.grow(batch.size_bytes())?;
        batches.push(batch);
    }
    Ok((batches, memory))
}

/// Gives collected batches.
pub(crate) struct Buffered {
    batches: std::vec::IntoIter<Batch>,
    _memory: Option<Reservation>,
}

impl Buffered {
    pub fn new(batches: Vec<Batch>, memory: Option<Reservation>) -> Buffered {
        Buffered { batches: batches.into_iter(), _memory: memory }
    }
}

impl Operator for Buffered {
    fn next(&mut self) -> Result<Option<Batch>> {
        Ok(self.batches.next())
    }
}

/// Tokens of type names; None when names are given and none of them exists (nothing can match).
pub(crate) fn type_tokens(transaction: &Transaction, types: &[Arc<str>]) -> Option<Vec<RelationshipTypeId>> {
    if types.is_empty() {
        return Some(Vec::new());
    }
    let mut tokens: Vec<RelationshipTypeId> =
        types.iter().filter_map(|name| transaction.relationship_type_id(name)).collect();
    tokens.sort_unstable();
    tokens.dedup();
    if tokens.is_empty() { None } else { Some(tokens) }
}

/// 25006 where writes are not allowed.
pub(crate) fn check_writable(cx: &Cx, what: &str) -> Result<()> {
    if cx.run.exec.allow_writes {
        return Ok(());
    }
    Err(QueryError::new(
        sqlstate::READ_ONLY_SQL_TRANSACTION,
        format!("cannot execute {what} in a read-only transaction"),
    ))
}
