//! What becomes of a transaction with very many locks.

use super::*;
use crate::store::{GRAPH_RELATION, Keyspace};

#[test]
fn many_row_locks_become_one_of_the_relation() {
    let store = store();
    let (writer, other) = (begin(&store), begin(&store));
    writer.lock(TABLE, RelationLock::RowExclusive).unwrap();
    other.lock(TABLE, RelationLock::AccessShare).unwrap();
    writer.savepoint("a").unwrap();
    for number in 0..(ESCALATION_LOCKS + 2 * ESCALATION_STEP) as u64 {
        row(&writer, number, RowLock::Update).unwrap();
    }
    assert!(!writer.needs_row_locks(TABLE).unwrap());
    let held = store.locks().counts().0;
    assert!(held <= ESCALATION_LOCKS + ESCALATION_STEP, "{held} locks");
    other.set_lock_timeout(Some(Duration::from_millis(20)));
    let refused = other.lock(TABLE, RelationLock::RowShare);
    assert!(matches!(refused, Err(StorageError::LockTimeout)), "{refused:?}");
    writer.rollback_to_savepoint("a").unwrap();
    assert!(writer.needs_row_locks(TABLE).unwrap());
    assert!(!other.lock(TABLE, RelationLock::RowShare).unwrap());
}

#[test]
fn in_a_relation_that_others_use_the_number_of_locks_is_bounded() {
    let store = store();
    let (writer, other) = (begin(&store), begin(&store));
    other.lock(TABLE, RelationLock::RowShare).unwrap();
    let refused = (0..).find_map(|number| row(&writer, number, RowLock::Update).err());
    assert!(matches!(refused, Some(StorageError::OutOfLocks)), "{refused:?}");
    assert_eq!(store.locks().counts().0, MAX_LOCKS + 1);
    // What is held already is held, and relations can still be locked.
    assert_eq!(row(&writer, 0, RowLock::Share).unwrap(), LockOutcome::Granted);
    assert!(!writer.lock(INDEX, RelationLock::AccessShare).unwrap());
    // Once the relation is free the transaction goes on.
    drop(other);
    assert_eq!(row(&writer, u64::MAX, RowLock::Update).unwrap(), LockOutcome::Granted);
    assert!(!writer.needs_row_locks(TABLE).unwrap());
    writer.rollback();
    assert_eq!(store.locks().counts(), (0, 0));
}

#[test]
fn nodes_and_relationships_are_locked_together() {
    let store = store();
    let (writer, other) = (begin(&store), begin(&store));
    let (nodes, relationships) = (RelationId(Keyspace::NODES.0), RelationId(Keyspace::RELATIONSHIPS.0));
    for number in 0..(ESCALATION_LOCKS + 2 * ESCALATION_STEP) as u64 {
        let relation = if number.is_multiple_of(2) { nodes } else { relationships };
        writer.lock_row_target(relation, number, RowLock::Update, LockWait::Block).unwrap();
    }
    assert!(store.locks().counts().0 <= ESCALATION_LOCKS + ESCALATION_STEP);
    other.set_lock_timeout(Some(Duration::from_millis(20)));
    for relation in [nodes, relationships] {
        let refused = other.lock_row_target(relation, u64::MAX, RowLock::KeyShare, LockWait::Block);
        assert!(matches!(refused, Err(StorageError::LockTimeout)), "{refused:?}");
    }
    assert!(!other.lock(GRAPH_RELATION, RelationLock::AccessShare).unwrap());
}
