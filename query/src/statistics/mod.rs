//! Statistics of tables: how ANALYZE gathers them, and what they say of conditions.
//!
//! A sample of rows is read, at most [`SAMPLE_ROWS_PER_TARGET`] times the target (100 by default), whatever the table's
//! size. What is computed from it is what PostgreSQL computes, by the same rules: the share of NULLs, the average width,
//! the number of distinct values (by Haas and Stokes' estimator), the frequent values, a histogram of the others, and the
//! correlation with the order of rows.

mod column;
pub(crate) mod estimate;
mod sample;

use std::sync::Arc;

use sinew_storage::catalog::{TableDef, TableStatistics};
use sinew_storage::{CancelToken, DataType, Transaction};

use crate::error::Result;

/// Rows read for each unit of the target.
const SAMPLE_ROWS_PER_TARGET: usize = 300;
/// PostgreSQL's `default_statistics_target`.
const TARGET: usize = 100;
/// Columns sampled at a time.
const COLUMNS_AT_ONCE: usize = 16;

/// Bytes of an average value of a type of which nothing is known, as PostgreSQL guesses.
pub(crate) fn type_width(ty: &DataType) -> usize {
    sample::fixed_width(ty).unwrap_or(32)
}

/// Analyzes columns of a table, by position (None: all), as the transaction sees it. Columns that are left out keep what is
/// known of them.
pub fn analyze(
    transaction: &Arc<Transaction>,
    table: &TableDef,
    columns: Option<&[usize]>,
    now_us: i64,
    automatic: bool,
    cancel: &CancelToken,
) -> Result<TableStatistics> {
    let row_count = transaction.row_count(table)?;
    let all: Vec<usize> = (0..table.columns.len()).collect();
    let wanted: Vec<usize> = columns
        .unwrap_or(&all)
        .iter()
        .copied()
        .filter(|position| table.columns[*position].virtual_expression.is_none())
        .collect();
    let catalog = transaction.catalog();
    let known = catalog.statistics.get(&table.id);
    let mut analyzed = Vec::new();
    if let Some(known) = known {
        let kept = known
            .columns
            .iter()
            .filter(|column| table.position_of(column.column).is_some_and(|position| !wanted.contains(&position)));
        analyzed.extend(kept.cloned());
    }
    let places = sample::places(transaction, table, row_count, TARGET * SAMPLE_ROWS_PER_TARGET)?;
    for positions in wanted.chunks(COLUMNS_AT_ONCE) {
        for (position, sampled) in positions.iter().zip(sample::read(transaction, table, positions, &places, cancel)?) {
            cancel.check()?;
            analyzed.extend(column::compute(&table.columns[*position], sampled, row_count, TARGET));
        }
    }
    Ok(TableStatistics { table: table.id, row_count, analyzed_us: now_us, automatic, columns: analyzed })
}
