//! `sinew_stat_store` and `sinew_stat_snapshot`: the state of the store, beside PostgreSQL's statistics views.

use sinew_storage::StoreStats;

use super::{Cell, Row, Rows, SystemRelation, row, view};
use crate::context::ExecContext;

pub(super) static RELATIONS: &[SystemRelation] = &[
    view(
        "sinew_stat_store",
        "lsn int8, durable_lsn int8, applied_lsn int8, memory_table_bytes int8, frozen_layers int8, log_bytes int8, \
         file_bytes int8, oldest_snapshot_lsn int8, oldest_snapshot_age_seconds float8, open_transactions int8, \
         commit_queue_depth int8, commits int8, commit_batches int8, index_lag_rows int8, refused_because text",
        store,
    ),
    view("sinew_stat_snapshot", "pid int4, lsn int8, age_seconds float8, held_to text", snapshots),
];

fn store(context: &ExecContext) -> Rows {
    let StoreStats {
        lsn,
        durable_lsn,
        applied_lsn,
        memory_table_size_bytes,
        frozen_layer_count,
        log_size_bytes,
        file_size_bytes,
        oldest_snapshot_lsn,
        oldest_snapshot_age,
        open_transaction_count,
        commit_queue_depth,
        commit_count,
        commit_batch_count,
        search_indexes,
        failed,
        ..
    } = context.transaction.store().stats();
    let lag_rows: u64 = search_indexes.iter().map(|(_, _, tail_rows)| tail_rows).sum();
    Ok(vec![row![
        number(lsn.0),
        number(durable_lsn.0),
        number(applied_lsn.0),
        number(memory_table_size_bytes),
        number(frozen_layer_count),
        number(log_size_bytes),
        number(file_size_bytes),
        number(oldest_snapshot_lsn.0),
        oldest_snapshot_age.as_secs_f64(),
        number(open_transaction_count),
        number(commit_queue_depth),
        number(commit_count),
        number(commit_batch_count),
        number(lag_rows),
        failed,
    ]])
}

/// The snapshots that transactions hold, the asking one's included.
fn snapshots(context: &ExecContext) -> Rows {
    let infos = context.transaction.store().snapshot_infos();
    let rows = infos.into_iter().map(|info| -> Row {
        let pid = i32::try_from(info.process_id).ok().filter(|pid| *pid > 0);
        let held_to = if info.is_kept { "transaction" } else { "statement" };
        row![pid, number(info.lsn.0), info.age.as_secs_f64(), held_to]
    });
    Ok(rows.collect())
}

fn number(value: u64) -> impl Cell {
    i64::try_from(value).unwrap_or(i64::MAX)
}
