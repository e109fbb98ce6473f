//! `pg_locks`: the lock table, of all sessions and transactions.
//!
//! As PostgreSQL has it, with two departures: the page and tuple of a row are its id's upper part and lower fifteen bits,
//! and a locked key of a unique index, for which PostgreSQL waits on the transaction that inserted it, has the lock type
//! `key` and its index as relation.

use sinew_storage::{LockTarget, Value};

use super::identity::DATABASE_OID;
use super::{NULL, Rows, SystemRelation, row, view};
use crate::context::ExecContext;

pub(super) static RELATIONS: &[SystemRelation] = &[view(
    "pg_locks",
    "locktype text, database oid, relation oid, page int4, tuple int2, virtualxid text, transactionid xid, \
     classid oid, objid oid, objsubid int2, virtualtransaction text, pid int4, mode text, granted bool, \
     fastpath bool, waitstart timestamptz",
    locks,
)];

/// Rows on one "page".
const PAGE_ROWS: u64 = 1 << 15;

/// As `pg_locks.locktype` and `pg_stat_activity.wait_event` name it.
pub(super) fn lock_type(target: LockTarget) -> &'static str {
    match target {
        LockTarget::Relation(_) => "relation",
        LockTarget::Row { .. } => "tuple",
        LockTarget::Key { .. } => "key",
        LockTarget::Advisory { .. } => "advisory",
    }
}

fn locks(context: &ExecContext) -> Rows {
    let rows = context.transaction.store().lock_infos().into_iter().map(|lock| {
        let mut relation = None;
        let mut place = (None, None);
        let mut object = (None, None, None);
        match lock.target {
            LockTarget::Relation(id) => relation = Some(id.0),
            LockTarget::Row { relation: id, row } => {
                relation = Some(id.0);
                place = (i32::try_from(row / PAGE_ROWS).ok(), i16::try_from(row % PAGE_ROWS).ok());
            }
            LockTarget::Key { index, .. } => relation = Some(index.0),
            LockTarget::Advisory { key, is_pair } => {
                let (high, low) = LockTarget::advisory_halves(key);
                object = (Some(high), Some(low), Some(if is_pair { 2i16 } else { 1 }));
            }
        }
        row![
            lock_type(lock.target),
            DATABASE_OID,
            relation,
            place.0,
            place.1,
            NULL,
            NULL,
            object.0,
            object.1,
            object.2,
            lock.virtual_transaction,
            lock.process_id,
            lock.mode,
            lock.is_granted,
            false,
            lock.waiting_since_us.map_or(NULL, Value::Timestamp),
        ]
    });
    Ok(rows.collect())
}
