//! Full-text and vector indexes: base and tail together name exactly the rows that belong to the index.
//!
//! Rows in the tail are evaluated from their rows by every search, so only the base's other ids can be wrong.

use std::sync::Arc;

use roaring::RoaringTreemap;

use super::{Findings, View};
use crate::catalog::IndexDef;
use crate::derived::{IndexBase, IndexSource, IndexedValues, SearchState};
use crate::error::{Result, StorageError};
use crate::fulltext::has_text;
use crate::ids::{Lsn, RelationId};
use crate::vector::{VectorBase, VectorReader};

/// Tables that will be read, one entry per search index over a table.
pub(super) fn tables(view: &View<'_>) -> Vec<RelationId> {
    let text = view.derived.text.values().map(|state| &state.source);
    let sources = text.chain(view.derived.vector.values().map(|state| &state.source));
    let table_of = |source: &IndexSource| match source {
        IndexSource::Table { table, .. } => Some(table.id),
        IndexSource::Nodes { .. } | IndexSource::Relationships { .. } => None,
    };
    sources.filter_map(table_of).collect()
}

pub(super) fn check(view: &View<'_>, findings: &mut Findings<'_>) -> Result<()> {
    for state in view.derived.text.values() {
        check_index(view, findings, state, |base| base.ids(), has_text)?;
    }
    for state in view.derived.vector.values() {
        let reader = match VectorReader::new(&state.def, &view.derived.shared.embedders) {
            Ok(reader) => reader,
            Err(error @ (StorageError::InvalidValue(_) | StorageError::DimensionMismatch { .. })) => {
                let object = findings.object(name_of(&state.def));
                findings.problem(object, error.to_string());
                continue;
            }
            Err(error) => return Err(error),
        };
        let ids_of = |base: &VectorBase| -> Result<Vec<u64>> { Ok(base.visible_ids(view.lsn).collect()) };
        check_index(view, findings, state, ids_of, |values| reader.vector(values).is_some())?;
    }
    Ok(())
}

fn name_of(index: &IndexDef) -> String {
    format!("search index {}.{}", index.schema, index.name)
}

/// `ids_of` gives what the base holds at the view's LSN; `belongs` says which rows it must hold.
fn check_index<B: IndexBase, T>(
    view: &View<'_>,
    findings: &mut Findings<'_>,
    state: &SearchState<B, T>,
    ids_of: impl Fn(&B) -> Result<Vec<u64>>,
    belongs: impl Fn(&IndexedValues) -> bool,
) -> Result<()> {
    let newest: Option<Arc<B>> = state.cell.latest().filter(|base| base.serves_from() <= view.lsn);
    let Some(base) = newest.or_else(|| state.base.clone()) else {
        // Searches read the rows meanwhile.
        findings.object(format!("{} (being built)", name_of(&state.def)));
        return Ok(());
    };
    let object = findings.object(name_of(&state.def));
    // A base past the snapshot still holds what the snapshot's tail does not name.
    let since = if base.indexed_lsn() <= view.lsn { base.indexed_lsn() } else { Lsn(0) };
    let in_tail = state.tail.ids_after(since);
    let mut held = RoaringTreemap::new();
    for id in ids_of(&base)? {
        if !held.insert(id) && !in_tail.contains(&id) {
            findings.problem(object, format!("row {id} is in it more than once"));
        }
    }
    let read = state.source.for_each(view.rows, &mut |id, values| {
        findings.step()?;
        findings.count(object);
        let must_hold = belongs(&values);
        let holds = held.remove(id);
        if !in_tail.contains(&id) && must_hold != holds {
            let problem = if must_hold { "is missing" } else { "is in it, but has nothing to index" };
            findings.problem(object, format!("row {id} {problem}"));
        }
        Ok(())
    });
    if findings.readable(object, || "its rows".to_owned(), read)?.is_none() {
        return Ok(());
    }
    for id in held.iter().filter(|id| !in_tail.contains(id)) {
        findings.problem(object, format!("row {id} is in it, but does not exist"));
    }
    Ok(())
}
