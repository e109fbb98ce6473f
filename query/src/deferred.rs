//! Foreign keys that a transaction checks later: which those are (SET CONSTRAINTS), and what is still to be checked.
//!
//! A statement leaves the checks of deferred constraints here at its end. They are made when a constraint becomes
//! immediate, or when the transaction commits. A check that was made stays in the queue, marked, because ROLLBACK TO a
//! savepoint before it makes it due again.

use std::sync::Arc;

use parking_lot::Mutex;
use rustc_hash::FxHashMap;
use sinew_storage::catalog::ForeignKeyDef;
use sinew_storage::{RelationId, Value};

use crate::error::{QueryError, Result, sqlstate};

/// Memory that a waiting check takes beside its values, in bytes.
const CHECK_OVERHEAD_BYTES: usize = 96;
/// And each of its values.
const VALUE_BYTES: usize = 48;

/// A constraint: its table and its name. While checks of it wait, neither table can be altered.
pub type ConstraintId = (RelationId, Arc<str>);

/// What is to be looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeferredKind {
    /// A row was to refer to the key: if one still does, the key must exist.
    Referencing,
    /// The key was gone: if it still is, nothing may refer to it.
    Referenced,
}

/// A check that waits.
#[derive(Clone, Debug)]
pub struct DeferredCheck {
    pub kind: DeferredKind,
    /// The referencing table and its constraint.
    pub constraint: ConstraintId,
    /// Whose row was written.
    pub relation: RelationId,
    /// In the constraint's order, without NULL.
    pub key: Vec<Value>,
}

/// Of one session's transaction.
#[derive(Default)]
pub struct DeferredConstraints {
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    modes: Modes,
    queue: Vec<Waiting>,
    /// Of the queue.
    memory_bytes: usize,
    /// Moves with every mark: checks made since have at least this number.
    era: u32,
}

struct Waiting {
    check: DeferredCheck,
    /// The era in which it was made.
    made: Option<u32>,
}

/// What SET CONSTRAINTS has said in this transaction: true is deferred.
#[derive(Clone, Default)]
struct Modes {
    all: Option<bool>,
    single: FxHashMap<ConstraintId, bool>,
}

/// What ROLLBACK TO goes back to.
pub struct DeferredMark {
    modes: Modes,
    queue_len: usize,
    era: u32,
}

impl DeferredConstraints {
    /// Whether a foreign key of `table` is checked later.
    pub fn is_deferred(&self, table: RelationId, key: &ForeignKeyDef) -> bool {
        key.timing.is_deferrable()
            && self
                .state
                .lock()
                .modes
                .of(&(table, key.name.as_str().into()))
                .unwrap_or(key.timing.is_initially_deferred())
    }

    /// 53200 when more waits than `limit_bytes` can hold.
    pub(crate) fn push(&self, check: DeferredCheck, limit_bytes: usize) -> Result<()> {
        let state = &mut *self.state.lock();
        let size_bytes = CHECK_OVERHEAD_BYTES + VALUE_BYTES * check.key.len();
        if state.memory_bytes + size_bytes > limit_bytes {
            return Err(QueryError::new(sqlstate::OUT_OF_MEMORY, "out of memory").detail(format!(
                "The transaction needs more than its limit of {limit_bytes} bytes for deferred constraints."
            )));
        }
        state.memory_bytes += size_bytes;
        state.queue.push(Waiting { check, made: None });
        Ok(())
    }

    /// Makes the checks that are due: all of them `at_commit`, else those of constraints that are not deferred (any more).
    /// Stops at the first error, after which the transaction can only go back.
    pub(crate) fn make_due(
        &self,
        at_commit: bool,
        is_deferred: impl Fn(&ConstraintId) -> bool,
        mut make: impl FnMut(&DeferredCheck) -> Result<()>,
    ) -> Result<()> {
        // The lock is not held while a check waits for others.
        let (mut queue, era) = {
            let state = &mut *self.state.lock();
            (std::mem::take(&mut state.queue), state.era)
        };
        let mut run = || -> Result<()> {
            for waiting in queue.iter_mut().filter(|waiting| waiting.made.is_none()) {
                if at_commit || !is_deferred(&waiting.check.constraint) {
                    make(&waiting.check)?;
                    waiting.made = Some(era);
                }
            }
            Ok(())
        };
        let result = run();
        let state = &mut *self.state.lock();
        state.queue = queue;
        if era == 0 {
            // No savepoint could bring them back.
            state.queue.retain(|waiting| waiting.made.is_none());
            state.count_memory();
        }
        result
    }

    /// Whether checks wait that come from rows of this table.
    pub fn is_pending(&self, relation: RelationId) -> bool {
        self.state.lock().queue.iter().any(|waiting| waiting.made.is_none() && waiting.check.relation == relation)
    }

    pub fn has_pending(&self) -> bool {
        self.state.lock().queue.iter().any(|waiting| waiting.made.is_none())
    }

    /// SET CONSTRAINTS ALL.
    pub fn set_all(&self, deferred: bool) {
        self.state.lock().modes = Modes { all: Some(deferred), single: FxHashMap::default() };
    }

    /// SET CONSTRAINTS of single ones.
    pub fn set(&self, constraints: impl IntoIterator<Item = ConstraintId>, deferred: bool) {
        self.state.lock().modes.single.extend(constraints.into_iter().map(|constraint| (constraint, deferred)));
    }

    /// For a savepoint.
    pub fn mark(&self) -> DeferredMark {
        let state = &mut *self.state.lock();
        state.era += 1;
        DeferredMark { modes: state.modes.clone(), queue_len: state.queue.len(), era: state.era }
    }

    pub fn return_to(&self, mark: &DeferredMark) {
        let state = &mut *self.state.lock();
        state.modes = mark.modes.clone();
        state.queue.truncate(mark.queue_len);
        for waiting in &mut state.queue {
            waiting.made = waiting.made.filter(|era| *era < mark.era);
        }
        state.count_memory();
    }

    /// Checks that were left so far, made or not.
    pub fn queue_len(&self) -> usize {
        self.state.lock().queue.len()
    }

    /// Forgets what was left since: the statement starts over.
    pub fn truncate(&self, queue_len: usize) {
        let state = &mut *self.state.lock();
        state.queue.truncate(queue_len);
        state.count_memory();
    }

    /// The transaction has ended.
    pub fn discard(&self) {
        *self.state.lock() = State::default();
    }
}

impl State {
    fn count_memory(&mut self) {
        let sizes = self.queue.iter().map(|waiting| CHECK_OVERHEAD_BYTES + VALUE_BYTES * waiting.check.key.len());
        self.memory_bytes = sizes.sum();
    }
}

impl Modes {
    fn of(&self, constraint: &ConstraintId) -> Option<bool> {
        self.single.get(constraint).copied().or(self.all)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(key: i64) -> DeferredCheck {
        let constraint: ConstraintId = (RelationId(1), "c".into());
        DeferredCheck { kind: DeferredKind::Referencing, constraint, relation: RelationId(1), key: vec![key.into()] }
    }

    fn made(constraints: &DeferredConstraints, at_commit: bool) -> usize {
        let mut count = 0;
        let mut make = |_: &DeferredCheck| {
            count += 1;
            Ok(())
        };
        constraints.make_due(at_commit, |_| false, &mut make).unwrap();
        count
    }

    #[test]
    fn a_check_that_was_made_behind_a_savepoint_is_due_again() {
        let constraints = DeferredConstraints::default();
        constraints.push(check(1), 1 << 20).unwrap();
        let mark = constraints.mark();
        constraints.push(check(2), 1 << 20).unwrap();
        assert_eq!(made(&constraints, false), 2);
        assert!(!constraints.has_pending());
        constraints.return_to(&mark);
        assert_eq!(made(&constraints, true), 1);
        assert_eq!(made(&constraints, true), 0);
    }

    #[test]
    fn checks_that_were_made_are_forgotten_without_savepoints() {
        let constraints = DeferredConstraints::default();
        constraints.push(check(1), 1 << 20).unwrap();
        assert_eq!(made(&constraints, false), 1);
        assert!(constraints.state.lock().queue.is_empty());
        assert_eq!(constraints.state.lock().memory_bytes, 0);
    }

    #[test]
    fn waiting_checks_are_bounded() {
        let constraints = DeferredConstraints::default();
        constraints.push(check(1), 200).unwrap();
        assert_eq!(constraints.push(check(2), 200).unwrap_err().sqlstate(), sqlstate::OUT_OF_MEMORY);
    }
}
