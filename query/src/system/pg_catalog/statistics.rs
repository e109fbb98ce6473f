//! Activity and statistics. Figures that are not kept are NULL rather than 0.

use std::collections::HashMap;

use sinew_storage::Value;

use super::identity::{DATABASE_OID, OWNER_OID};
use super::{NULL, Row, Rows, SystemRelation, identity, locks, no_rows, row, view};
use crate::activity::ActivityState;
use crate::context::ExecContext;

const TABLE_COLUMNS: &str = "relid oid, schemaname name, relname name, seq_scan int8, seq_tup_read int8, \
     idx_scan int8, idx_tup_fetch int8, n_tup_ins int8, n_tup_upd int8, n_tup_del int8, n_tup_hot_upd int8, \
     n_live_tup int8, n_dead_tup int8, n_mod_since_analyze int8, n_ins_since_vacuum int8, last_vacuum timestamptz, \
     last_autovacuum timestamptz, last_analyze timestamptz, last_autoanalyze timestamptz, vacuum_count int8, \
     autovacuum_count int8, analyze_count int8, autoanalyze_count int8";
/// Positions among those.
const LAST_ANALYZE: usize = 17;
const LAST_AUTOANALYZE: usize = 18;
const INDEX_COLUMNS: &str = "relid oid, indexrelid oid, schemaname name, relname name, indexrelname name, \
     idx_scan int8, idx_tup_read int8, idx_tup_fetch int8";

const TRANSACTION_COLUMNS: &str = "relid oid, schemaname name, relname name, seq_scan int8, seq_tup_read int8, \
     idx_scan int8, idx_tup_fetch int8, n_tup_ins int8, n_tup_upd int8, n_tup_del int8, n_tup_hot_upd int8";
const TABLE_IO_COLUMNS: &str = "relid oid, schemaname name, relname name, heap_blks_read int8, heap_blks_hit int8, \
     idx_blks_read int8, idx_blks_hit int8, toast_blks_read int8, toast_blks_hit int8, tidx_blks_read int8, \
     tidx_blks_hit int8";
const INDEX_IO_COLUMNS: &str = "relid oid, indexrelid oid, schemaname name, relname name, indexrelname name, \
     idx_blks_read int8, idx_blks_hit int8";

pub(super) static RELATIONS: &[SystemRelation] = &[
    view(
        "pg_stat_activity",
        "datid oid, datname name, pid int4, leader_pid int4, usesysid oid, usename name, application_name text, \
         client_addr inet, client_hostname text, client_port int4, backend_start timestamptz, \
         xact_start timestamptz, query_start timestamptz, state_change timestamptz, wait_event_type text, \
         wait_event text, state text, backend_xid xid, backend_xmin xid, query_id int8, query text, \
         backend_type text",
        activity,
    ),
    view("pg_stat_user_tables", TABLE_COLUMNS, tables),
    view("pg_stat_all_tables", TABLE_COLUMNS, tables),
    view("pg_stat_user_indexes", INDEX_COLUMNS, indexes),
    view("pg_stat_all_indexes", INDEX_COLUMNS, indexes),
    view("pg_stat_sys_tables", TABLE_COLUMNS, no_rows),
    view("pg_stat_sys_indexes", INDEX_COLUMNS, no_rows),
    view("pg_stat_xact_all_tables", TRANSACTION_COLUMNS, transaction_tables),
    view("pg_stat_xact_user_tables", TRANSACTION_COLUMNS, transaction_tables),
    view("pg_stat_xact_sys_tables", TRANSACTION_COLUMNS, no_rows),
    view("pg_statio_all_tables", TABLE_IO_COLUMNS, table_io),
    view("pg_statio_user_tables", TABLE_IO_COLUMNS, table_io),
    view("pg_statio_sys_tables", TABLE_IO_COLUMNS, no_rows),
    view("pg_statio_all_indexes", INDEX_IO_COLUMNS, index_io),
    view("pg_statio_user_indexes", INDEX_IO_COLUMNS, index_io),
    view("pg_statio_sys_indexes", INDEX_IO_COLUMNS, no_rows),
    view(
        "pg_stat_database",
        "datid oid, datname name, numbackends int4, xact_commit int8, xact_rollback int8, blks_read int8, \
         blks_hit int8, tup_returned int8, tup_fetched int8, tup_inserted int8, tup_updated int8, tup_deleted int8, \
         conflicts int8, temp_files int8, temp_bytes int8, deadlocks int8, checksum_failures int8, \
         checksum_last_failure timestamptz, blk_read_time float8, blk_write_time float8, session_time float8, \
         active_time float8, idle_in_transaction_time float8, sessions int8, sessions_abandoned int8, \
         sessions_fatal int8, sessions_killed int8, stats_reset timestamptz",
        database,
    ),
    view(
        "pg_stat_ssl",
        "pid int4, ssl bool, version text, cipher text, bits int4, client_dn text, client_serial numeric, \
         issuer_dn text",
        no_rows,
    ),
];

/// Every session of the database, those of HTTP requests and agents included.
fn activity(context: &ExecContext) -> Rows {
    let waiting: HashMap<i32, &'static str> = context
        .transaction
        .store()
        .lock_infos()
        .into_iter()
        .filter(|lock| !lock.is_granted)
        .filter_map(|lock| Some((lock.process_id?, locks::lock_type(lock.target))))
        .collect();
    let time = |time_us: Option<i64>| time_us.map_or(NULL, Value::Timestamp);
    let rows = context.session.sessions.all().into_iter().map(|session| {
        let activity = &session.activity;
        let current = activity.current();
        let wait = match (current.state, waiting.get(&session.process_id)) {
            (ActivityState::Active, Some(lock)) => (Some("Lock"), Some(*lock)),
            (ActivityState::Active, None) => (None, None),
            _ => (Some("Client"), Some("ClientRead")),
        };
        let client = activity.client();
        row![
            DATABASE_OID,
            &session.database,
            session.process_id,
            NULL,
            OWNER_OID,
            &session.user,
            session.setting("application_name").unwrap_or_default(),
            client.map(|client| client.ip().to_string()),
            NULL,
            client.map(|client| i32::from(client.port())),
            Value::Timestamp(activity.started_us),
            time(activity.transaction_start_us()),
            time(current.query_start_us),
            time(current.state_change_us),
            wait.0,
            wait.1,
            current.state.name(),
            NULL,
            NULL,
            NULL,
            current.query,
            "client backend",
        ]
    });
    Ok(rows.collect())
}

fn tables(context: &ExecContext) -> Rows {
    let catalog = context.transaction.catalog();
    let mut rows = uncounted_tables(context, 23)?;
    for (row, table) in rows.iter_mut().zip(catalog.tables.values()) {
        if let Some(statistics) = catalog.statistics.get(&table.id) {
            let at = if statistics.automatic { LAST_AUTOANALYZE } else { LAST_ANALYZE };
            row[at] = Value::Timestamp(statistics.analyzed_us);
        }
    }
    Ok(rows)
}

fn transaction_tables(context: &ExecContext) -> Rows {
    uncounted_tables(context, 11)
}

fn table_io(context: &ExecContext) -> Rows {
    uncounted_tables(context, 11)
}

/// A row per table: oid, schema, name, and NULL for the rest of `column_count` columns.
fn uncounted_tables(context: &ExecContext, column_count: usize) -> Rows {
    let catalog = context.transaction.catalog();
    let rows = catalog.tables.values().map(|table| {
        let mut row: Row = row![table.id.0, &table.schema, &table.name];
        row.resize(column_count, NULL);
        row
    });
    Ok(rows.collect())
}

fn indexes(context: &ExecContext) -> Rows {
    let catalog = context.transaction.catalog();
    let rows = identity::table_indexes(&catalog)
        .map(|(index, table)| row![table.id.0, index.id.0, &index.schema, &table.name, &index.name, NULL, NULL, NULL]);
    Ok(rows.collect())
}

fn index_io(context: &ExecContext) -> Rows {
    let mut rows = indexes(context)?;
    rows.iter_mut().for_each(|row| row.truncate(7));
    Ok(rows)
}

fn database(context: &ExecContext) -> Rows {
    let commits = i64::try_from(context.transaction.store().stats().commit_count).unwrap_or(i64::MAX);
    let sessions = context.session.sessions.all().len();
    let mut row: Row = row![DATABASE_OID, &context.session.database, sessions, commits];
    row.resize(28, NULL);
    Ok(vec![row])
}
