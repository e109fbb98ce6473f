//! What a write set means for its commit: bytes in the log, the catalog, and the derived state.

use std::sync::Arc;

use super::Keyspace;
use super::log::HandOn;
use super::log::record::{begin_writes, encode_entry};
use super::write_set::{ChangePosition, WriteSet};
use crate::catalog::Catalog;
use crate::derived::DerivedState;
use crate::error::Result;
use crate::ids::Lsn;

/// Changes of a spilled set that the derived state is told at a time, at least.
const CHANGE_CHUNK: usize = 4_096;

/// The derived state with the graph changes of a spilled set. The changes that remain say only that the graph changed, for
/// who catches up later, and which search indexes are to be reset.
pub(super) fn with_spilled_changes(derived: &Arc<DerivedState>, writes: &mut WriteSet) -> Result<Arc<DerivedState>> {
    let mut position = ChangePosition::default();
    let (derived, remaining) = derived.with_changes(&mut std::iter::from_fn(|| {
        let chunk = writes.next_changes(&mut position, CHANGE_CHUNK);
        chunk.map(|chunk| (!chunk.is_empty()).then_some(chunk)).transpose()
    }))?;
    writes.changes = remaining;
    Ok(derived)
}

/// Appends a set to a record or attachment, without what was spilled. Keyspaces that are merged at commit are left out.
/// `hand_on` is called after each entry.
pub(super) fn encode_set(out: &mut Vec<u8>, writes: &WriteSet, hand_on: &mut HandOn<'_>) -> Result<()> {
    for (keyspace, writes) in writes.keyspaces.iter().filter(|(keyspace, _)| !keyspace.merges_by_or()) {
        begin_writes(out, *keyspace, writes.cleared.is_some(), writes.key_count());
        for entry in writes.iter() {
            encode_entry(out, entry.key(), entry.value());
            hand_on(out)?;
        }
    }
    Ok(())
}

/// The catalog after the set's catalog rows; None when it has none.
pub(super) fn catalog_after(catalog: &Catalog, writes: &WriteSet, lsn: Lsn) -> Result<Option<Catalog>> {
    let Some(rows) = writes.keyspaces.get(&Keyspace::CATALOG) else { return Ok(None) };
    let mut next = catalog.clone();
    next.apply_rows(rows.map.iter().map(|(key, entry)| Ok((key, entry.value.as_ref()))))?;
    next.version = lsn.0;
    Ok(Some(next))
}
