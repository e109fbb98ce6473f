//! Rules over properties of the graph, as definitions. What holds them up is in `graph/constraints.rs`.

use std::sync::Arc;

use super::{PG_CONSTRAINT, RelationLock, not_found};
use crate::catalog::rows::{GRAPH_CONSTRAINT, encode_definition, relation_key};
use crate::catalog::{Carrier, GraphConstraintDef};
use crate::error::{Result, StorageError};
use crate::graph::constraints::Requirement;
use crate::ids::RelationId;
use crate::store::{GRAPH_RELATION, Keyspace, Transaction};

impl Transaction {
    /// Keeps others from writing the graph and from changing what is defined over it, to the end of the transaction. The
    /// catalog is as of then.
    pub fn lock_graph_definitions(&self) -> Result<()> {
        self.lock_for_ddl(GRAPH_RELATION, RelationLock::ShareRowExclusive)
    }

    /// Keeps others from changing what is defined over the graph, to the end of the transaction, so that it can be written.
    /// True when it had to wait: under READ COMMITTED the snapshot is renewed then.
    pub fn lock_graph_for_writes(&self) -> Result<bool> {
        self.lock_relation_waited(GRAPH_RELATION, RelationLock::RowExclusive)
    }

    /// `def.id` comes from [`Self::allocate_relation_id`]. `ObjectExists` when the name is taken, `PropertyViolation` when
    /// something that exists is against the rule.
    pub fn create_graph_constraint(&self, def: GraphConstraintDef) -> Result<Arc<GraphConstraintDef>> {
        if def.id.0 < 1_000 {
            return Err(StorageError::Internal(format!("relation id {} is reserved", def.id)));
        }
        self.lock_graph_definitions()?;
        self.take_name(&def.schema, &def.name, def.id)?;
        self.kv_put(Keyspace::CATALOG, &relation_key(GRAPH_CONSTRAINT, def.id), &encode_definition(&def)?)?;
        self.move_graph_version()?;
        let requirement = Requirement {
            constraint: def.name.clone(),
            carrier: def.carrier,
            property: def.property,
            rule: def.rule.clone(),
        };
        self.require_of_all(&requirement)?;
        Ok(Arc::new(def))
    }

    /// Whether all that is committed with this transaction meets the requirement.
    pub(super) fn require_of_all(&self, requirement: &Requirement) -> Result<()> {
        // The check must have seen every row that is committed when the constraint is.
        self.kv_claim_keyspace(match requirement.carrier {
            Carrier::Label(_) => Keyspace::NODES,
            Carrier::RelationshipType(_) => Keyspace::RELATIONSHIPS,
        });
        self.check_present(requirement)
    }

    pub fn drop_graph_constraint(&self, id: RelationId) -> Result<()> {
        self.lock_for_ddl(GRAPH_RELATION, RelationLock::AccessExclusive)?;
        let def = self.catalog().graph_constraints.get(&id).cloned().ok_or_else(|| not_found("constraint", id))?;
        self.kv_delete(Keyspace::CATALOG, &relation_key(GRAPH_CONSTRAINT, id))?;
        self.remove_comment(PG_CONSTRAINT, id.0)?;
        self.give_up_name(&def.schema, &def.name)?;
        self.move_graph_version()
    }
}
