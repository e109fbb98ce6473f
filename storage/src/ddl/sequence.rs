//! Sequences: their definitions, which are transactional, and their numbers, which are not.

use std::sync::Arc;

use super::{PG_CLASS, RelationLock, check_name, not_found};
use crate::catalog::rows::{SEQUENCE, encode_definition, relation_key};
use crate::catalog::{SequenceDef, SequenceValue};
use crate::error::{Result, StorageError};
use crate::ids::RelationId;
use crate::store::{Isolation, Keyspace, SequenceRange, Transaction};

/// Counter of generations.
const GENERATION_COUNTER: &str = "sequence generations";

impl Transaction {
    /// `def.id` comes from [`Self::allocate_relation_id`]. `ObjectExists` when the name is taken.
    pub fn create_sequence(&self, mut def: SequenceDef) -> Result<Arc<SequenceDef>> {
        check_name(&def.name)?;
        check_sequence(&def)?;
        self.lock(def.id, RelationLock::AccessExclusive)?;
        self.take_name(&def.schema, &def.name, def.id)?;
        def.generation = self.allocate_id(GENERATION_COUNTER)?;
        self.put_sequence(def)
    }

    /// Replaces a sequence's definition: limits, owner, name, schema. It goes on from `position`, or from where it stands:
    /// others that take numbers of it wait for this transaction in the first case.
    pub fn alter_sequence(&self, mut def: SequenceDef, position: Option<SequenceValue>) -> Result<Arc<SequenceDef>> {
        check_name(&def.name)?;
        check_sequence(&def)?;
        let mode =
            if position.is_some() { RelationLock::ShareRowExclusive } else { RelationLock::ShareUpdateExclusive };
        self.lock_for_ddl(def.id, mode)?;
        let old = self.sequence_by_id(def.id)?;
        if (&old.schema, &old.name) != (&def.schema, &def.name) {
            self.take_name(&def.schema, &def.name, def.id)?;
            self.give_up_name(&old.schema, &old.name)?;
        }
        match position {
            Some(position) => {
                def.initial = position;
                def.generation = self.allocate_id(GENERATION_COUNTER)?;
            }
            None => {
                def.initial = old.initial;
                def.generation = old.generation;
            }
        }
        self.put_sequence(def)
    }

    /// Whether anything needs its numbers is the caller's to see.
    pub fn drop_sequence(&self, id: RelationId) -> Result<()> {
        self.lock_for_ddl(id, RelationLock::AccessExclusive)?;
        let sequence = self.sequence_by_id(id)?;
        self.remove_sequence(&sequence)
    }

    pub(super) fn remove_sequence(&self, sequence: &SequenceDef) -> Result<()> {
        self.lock(sequence.id, RelationLock::AccessExclusive)?;
        self.kv_delete(Keyspace::CATALOG, &relation_key(SEQUENCE, sequence.id))?;
        self.remove_comment(PG_CLASS, sequence.id.0)?;
        self.give_up_name(&sequence.schema, &sequence.name)
    }

    /// The next `count` numbers of a sequence, or fewer where it ends or begins anew; None when it has ended. They are
    /// given whatever becomes of the transaction, and are durable when it has been committed.
    pub fn next_of_sequence(&self, id: RelationId, count: i64) -> Result<Option<SequenceRange>> {
        let sequence = self.sequence_for_use(id)?;
        let counters = self.store().counters();
        let taken = counters.sequences().next(&sequence, count, self.store().published())?;
        if taken.is_some_and(|(_, must_write)| must_write) {
            self.commit_in_any_case();
        }
        Ok(taken.map(|(range, _)| range))
    }

    /// Puts a sequence somewhere, whatever becomes of the transaction. The value is within the limits.
    pub fn set_sequence(&self, id: RelationId, value: SequenceValue) -> Result<()> {
        let sequence = self.sequence_for_use(id)?;
        self.store().counters().sequences().set(&sequence, value);
        self.commit_in_any_case();
        Ok(())
    }

    /// Where a sequence stands, and how many numbers a crash could skip.
    pub fn sequence_value(&self, id: RelationId) -> Result<(SequenceValue, i64)> {
        let sequence = self.current_sequence(id)?;
        self.store().counters().sequences().value(&sequence, self.store().published())
    }

    /// Locks a sequence against those who put it elsewhere.
    fn sequence_for_use(&self, id: RelationId) -> Result<Arc<SequenceDef>> {
        if self.lock(id, RelationLock::RowExclusive)? {
            self.refresh_snapshot();
        }
        self.current_sequence(id)
    }

    /// The newest generation, which an older snapshot does not show: the old one's numbers are given again.
    fn current_sequence(&self, id: RelationId) -> Result<Arc<SequenceDef>> {
        let own = self.sequence_by_id(id)?;
        if self.isolation() == Isolation::ReadCommitted {
            return Ok(own);
        }
        let newest = self.store().published().current().catalog.sequences.get(&id).cloned();
        Ok(newest.filter(|newest| newest.generation > own.generation).unwrap_or(own))
    }

    fn sequence_by_id(&self, id: RelationId) -> Result<Arc<SequenceDef>> {
        self.catalog().sequences.get(&id).cloned().ok_or_else(|| not_found("sequence", id))
    }

    fn put_sequence(&self, def: SequenceDef) -> Result<Arc<SequenceDef>> {
        self.kv_put(Keyspace::CATALOG, &relation_key(SEQUENCE, def.id), &encode_definition(&def)?)?;
        Ok(Arc::new(def))
    }
}

fn check_sequence(def: &SequenceDef) -> Result<()> {
    let limits = def.min_value..=def.max_value;
    let is_sound = def.increment != 0 && def.cache > 0 && def.min_value < def.max_value && limits.contains(&def.start);
    if is_sound { Ok(()) } else { Err(StorageError::Internal(format!("sequence \"{}\" cannot count", def.name))) }
}
