//! Indexes and constraints of the graph: what may stand beside what.
//!
//! Two definitions must not say the same, since nobody could tell which one counts; and uniqueness is carried out by an
//! index of its own. As in Neo4j, IF NOT EXISTS is content with an equal definition under any name, and with any of its
//! kind under this name.

use sinew_query::statement::NewGraphConstraint;
use sinew_query::{QueryError, Result, sqlstate, system};
use sinew_storage::catalog::{Catalog, GraphConstraint, GraphConstraintKind, IndexDef, IndexKind};
use sinew_storage::{StorageError, Transaction};

use crate::Session;

/// Where they live.
const SCHEMA: &str = "sinew";

impl Session {
    pub(crate) fn create_graph_index(
        &mut self,
        transaction: &Transaction,
        mut index: IndexDef,
        if_not_exists: bool,
    ) -> Result<()> {
        transaction.lock_graph_definitions()?;
        let catalog = transaction.catalog();
        let equal = equal_index(&catalog, &index).map(|known| known.name.clone());
        let named = catalog.index(SCHEMA, &index.name).map(|known| known.name.clone());
        if if_not_exists && let Some(known) = equal.as_ref().or(named.as_ref()) {
            self.context.notice(format!("index \"{known}\" already exists, skipping"));
            return Ok(());
        }
        refuse_taken_name(&catalog, &index.name)?;
        if let Some(known) = equal {
            let message = format!("index \"{known}\" over the same properties already exists");
            return Err(QueryError::new(sqlstate::DUPLICATE_OBJECT, message));
        }
        index.id = transaction.allocate_relation_id()?;
        transaction.create_index(index)?;
        Ok(())
    }

    pub(crate) fn create_graph_constraint(
        &mut self,
        transaction: &Transaction,
        constraint: NewGraphConstraint,
        if_not_exists: bool,
    ) -> Result<()> {
        transaction.lock_graph_definitions()?;
        let catalog = transaction.catalog();
        let new = match &constraint {
            NewGraphConstraint::Index(index) => GraphConstraint::of_index(index)
                .ok_or_else(|| QueryError::internal("a constraint of the graph over a table"))?,
            NewGraphConstraint::Rule(def) => GraphConstraint::of_rule(def),
        };
        let known = catalog.constraints_of_graph();
        let equal = known.iter().find(|known| is_over_same(known, &new) && known.kind == new.kind);
        let named = known.iter().find(|known| known.name == new.name);
        if if_not_exists && let Some(known) = equal.or(named) {
            self.context.notice(format!("constraint \"{}\" already exists, skipping", known.name));
            return Ok(());
        }
        if let Some(known) = equal {
            let message = format!("constraint \"{}\" already exists", known.name);
            let error = QueryError::new(sqlstate::DUPLICATE_OBJECT, message);
            return Err(if known.name == new.name { error } else { error.detail("It requires the same.") });
        }
        refuse_taken_name(&catalog, new.name)?;
        if let Some(known) = known.iter().find(|known| is_over_same(known, &new) && conflict(known.kind, new.kind)) {
            let message = format!(
                "constraint \"{}\" already requires {} of the same {}",
                known.name,
                requirement(known.kind),
                if new.properties.len() == 1 { "property" } else { "properties" },
            );
            let error = QueryError::new(sqlstate::DUPLICATE_OBJECT, message);
            return Err(error.hint("Drop it first."));
        }
        if let NewGraphConstraint::Index(index) = &constraint
            && let Some(known) = equal_index(&catalog, index)
        {
            let message = format!("index \"{}\" over the same properties already exists", known.name);
            let error = QueryError::new(sqlstate::DUPLICATE_OBJECT, message);
            return Err(error.hint("The constraint makes an index of its own: drop this one first."));
        }
        match constraint {
            NewGraphConstraint::Index(mut index) => {
                index.id = transaction.allocate_relation_id()?;
                transaction.create_index(index).map_err(not_unique)?;
            }
            NewGraphConstraint::Rule(mut def) => {
                def.id = transaction.allocate_relation_id()?;
                transaction.create_graph_constraint(def)?;
            }
        }
        Ok(())
    }
}

/// The index that a search over the same properties would use as well.
fn equal_index<'c>(catalog: &'c Catalog, index: &IndexDef) -> Option<&'c IndexDef> {
    let kind = |kind: &IndexKind| std::mem::discriminant(kind);
    let found =
        catalog.indexes.values().find(|known| known.target == index.target && kind(&known.kind) == kind(&index.kind));
    found.map(|known| &**known)
}

fn is_over_same(a: &GraphConstraint<'_>, b: &GraphConstraint<'_>) -> bool {
    a.carrier == b.carrier && a.properties == b.properties
}

/// Two constraints over the same properties that cannot both stand.
fn conflict(a: GraphConstraintKind<'_>, b: GraphConstraintKind<'_>) -> bool {
    use GraphConstraintKind::*;
    matches!((a, b), (Unique, Key) | (Key, Unique) | (Type(_), Type(_)))
}

fn requirement(kind: GraphConstraintKind<'_>) -> String {
    match kind {
        GraphConstraintKind::Unique => "uniqueness".to_owned(),
        GraphConstraintKind::Key => "uniqueness and existence".to_owned(),
        GraphConstraintKind::Exists => "existence".to_owned(),
        GraphConstraintKind::Type(types) => format!("the type {types}"),
    }
}

/// Indexes, constraints and the relations of the schema have one namespace.
fn refuse_taken_name(catalog: &Catalog, name: &str) -> Result<()> {
    if catalog.constraints_of_graph().iter().any(|known| known.name == name) {
        return Err(QueryError::new(sqlstate::DUPLICATE_OBJECT, format!("constraint \"{name}\" already exists")));
    }
    if catalog.relation_id(SCHEMA, name).is_some() || system::system_relation(SCHEMA, name).is_some() {
        return Err(QueryError::new(sqlstate::DUPLICATE_TABLE, format!("relation \"{name}\" already exists")));
    }
    Ok(())
}

fn not_unique(error: StorageError) -> QueryError {
    let StorageError::DuplicateKey { constraint, detail, .. } = error else { return error.into() };
    let message = format!("could not create constraint \"{constraint}\": {detail}");
    let mut error = QueryError::new(sqlstate::UNIQUE_VIOLATION, message);
    error.0.constraint = Some(constraint);
    error
}
