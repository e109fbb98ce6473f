//! Checks that wait for the end of the transaction, or for SET CONSTRAINTS.

use std::sync::Arc;

use rustc_hash::FxHashMap;
use sinew_storage::RelationId;
use sinew_storage::catalog::{Catalog, ReferentialAction};

use super::Event;
use super::reference::Reference;
use crate::context::ExecContext;
use crate::deferred::{ConstraintId, DeferredCheck, DeferredKind};
use crate::error::Result;
use crate::exec::run::{Cx, RunSizes, RunState};

/// Gives an event back unless its constraint is deferred: then its check is left for later. What carries out an action is
/// never deferred.
pub(super) fn left_for_later(event: Event, cx: &Cx) -> Result<Option<Event>> {
    let reference = match &event {
        Event::Check { reference, .. } => reference,
        Event::Deleted { reference, .. } if reference.key.on_delete == ReferentialAction::NoAction => reference,
        Event::Changed { reference, .. } if reference.key.on_update == ReferentialAction::NoAction => reference,
        Event::Deleted { .. } | Event::Changed { .. } => return Ok(Some(event)),
    };
    let exec = &cx.run.exec;
    let reference = Arc::clone(reference);
    if !exec.session.deferred.is_deferred(reference.referencing.id, &reference.key) {
        return Ok(Some(event));
    }
    let (kind, relation, key) = match event {
        Event::Check { key, .. } => (DeferredKind::Referencing, reference.referencing.id, key),
        Event::Deleted { key, .. } | Event::Changed { key, .. } => {
            (DeferredKind::Referenced, reference.referenced.id, key)
        }
    };
    let constraint = (reference.referencing.id, reference.key.name.as_str().into());
    exec.session.deferred.push(DeferredCheck { kind, constraint, relation, key }, exec.memory_limit_bytes)?;
    Ok(None)
}

/// Makes every check that waits, as the transaction commits. 23503.
pub fn check_deferred(context: ExecContext) -> Result<()> {
    make(context, true)
}

/// Makes the checks that wait for constraints that SET CONSTRAINTS has made immediate. 23503.
pub fn check_immediate(context: ExecContext) -> Result<()> {
    make(context, false)
}

fn make(context: ExecContext, at_commit: bool) -> Result<()> {
    let session = Arc::clone(&context.session);
    let catalog = context.transaction.catalog();
    let cx = Cx::new(Arc::new(RunState::new(context, RunSizes::default(), None, false)));
    let mut references: FxHashMap<ConstraintId, Option<Arc<Reference>>> = FxHashMap::default();
    session.deferred.make_due(
        at_commit,
        |(table, name)| {
            let table = catalog.tables.get(table);
            let key = table.and_then(|table| table.foreign_keys.iter().find(|key| *key.name == **name));
            table.zip(key).is_some_and(|(table, key)| session.deferred.is_deferred(table.id, key))
        },
        |check| {
            cx.check_cancel()?;
            let reference = match references.get(&check.constraint) {
                Some(reference) => reference.clone(),
                None => {
                    let (table, name) = &check.constraint;
                    let reference = find(&catalog, *table, name)?;
                    references.insert(check.constraint.clone(), reference.clone());
                    reference
                }
            };
            // A constraint that was dropped asks for nothing.
            let Some(reference) = reference else { return Ok(()) };
            match check.kind {
                DeferredKind::Referencing => reference.check(&check.key, true, &cx),
                DeferredKind::Referenced => reference.refuse_unless_replaced(&check.key, &cx),
            }
        },
    )
}

fn find(catalog: &Catalog, table: RelationId, name: &str) -> Result<Option<Arc<Reference>>> {
    let Some(table) = catalog.tables.get(&table) else { return Ok(None) };
    let Some(ordinal) = table.foreign_keys.iter().position(|key| key.name == name) else { return Ok(None) };
    Ok(Some(Arc::new(Reference::new(catalog, table, ordinal, &table.foreign_keys[ordinal])?)))
}
