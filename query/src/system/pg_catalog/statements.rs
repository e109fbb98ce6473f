//! `pg_stat_statements`. What is not kept (blocks, WAL, JIT) is NULL.

use sinew_storage::Value;

use super::identity::{DATABASE_OID, OWNER_OID};
use super::{NULL, Row, Rows, SystemRelation, row, view};
use crate::context::ExecContext;
use crate::statement_statistics::Times;

/// Columns of the view; the last ones are NULL.
const COLUMN_COUNT: usize = 43;

pub(super) static RELATIONS: &[SystemRelation] = &[
    view(
        "pg_stat_statements",
        "userid oid, dbid oid, toplevel bool, queryid int8, query text, plans int8, total_plan_time float8, \
         min_plan_time float8, max_plan_time float8, mean_plan_time float8, stddev_plan_time float8, calls int8, \
         total_exec_time float8, min_exec_time float8, max_exec_time float8, mean_exec_time float8, \
         stddev_exec_time float8, rows int8, shared_blks_hit int8, shared_blks_read int8, shared_blks_dirtied int8, \
         shared_blks_written int8, local_blks_hit int8, local_blks_read int8, local_blks_dirtied int8, \
         local_blks_written int8, temp_blks_read int8, temp_blks_written int8, blk_read_time float8, \
         blk_write_time float8, temp_blk_read_time float8, temp_blk_write_time float8, wal_records int8, \
         wal_fpi int8, wal_bytes numeric, jit_functions int8, jit_generation_time float8, jit_inlining_count int8, \
         jit_inlining_time float8, jit_optimization_count int8, jit_optimization_time float8, \
         jit_emission_count int8, jit_emission_time float8",
        statements,
    ),
    view("pg_stat_statements_info", "dealloc int8, stats_reset timestamptz", info),
];

fn number(count: u64) -> Value {
    Value::Int(i64::try_from(count).unwrap_or(i64::MAX))
}

fn times(times: &Times) -> [Value; 5] {
    [times.total_ms, times.min_ms, times.max_ms, times.mean_ms, times.deviation_ms()].map(Value::Float)
}

fn statements(context: &ExecContext) -> Rows {
    let rows = context.session.sessions.statements.entries().into_iter().map(|entry| {
        let mut row: Row = row![OWNER_OID, DATABASE_OID, true, entry.fingerprint.query_id, &*entry.fingerprint.text];
        row.push(number(entry.plans.count));
        row.extend(times(&entry.plans));
        row.push(number(entry.calls.count));
        row.extend(times(&entry.calls));
        row.push(number(entry.rows));
        row.resize(COLUMN_COUNT, NULL);
        row
    });
    Ok(rows.collect())
}

fn info(context: &ExecContext) -> Rows {
    let forgotten = number(context.session.sessions.statements.forgotten_count());
    Ok(vec![row![forgotten, Value::Timestamp(context.session.server_started_us)]])
}
