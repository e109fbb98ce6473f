//! The catalog: definitions refer to what exists, names and relations correspond, counters lie above all ids.

use std::collections::BTreeMap;
use std::ops::Bound::{Excluded, Included};

use super::{Findings, View};
use crate::catalog::rows::{NAME, name_key};
use crate::catalog::{Carrier, IndexDef, IndexTarget};
use crate::error::Result;
use crate::graph::tokens::TokenKind;
use crate::ids::{PropertyKeyId, RelationId};
use crate::store::{COUNTER_END, Keyspace, decode_u64, first_free_ids};

pub(super) fn check(view: &View<'_>, findings: &mut Findings<'_>) -> Result<()> {
    check_names(view, findings)?;
    check_references(view, findings);
    check_counters(view, findings)
}

/// Every relation has a schema and its row of the name, and every such row its relation.
fn check_names(view: &View<'_>, findings: &mut Findings<'_>) -> Result<()> {
    let object = findings.object("catalog names");
    let catalog = view.catalog;
    let tables = catalog.tables.values().map(|def| (def.id, &def.schema, &def.name));
    let indexes = catalog.indexes.values().map(|def| (def.id, &def.schema, &def.name));
    let views = catalog.views.values().map(|def| (def.id, &def.schema, &def.name));
    let mut expected: BTreeMap<Vec<u8>, RelationId> = BTreeMap::new();
    let sequences = catalog.sequences.values().map(|def| (def.id, &def.schema, &def.name));
    let constraints = catalog.graph_constraints.values().map(|def| (def.id, &def.schema, &def.name));
    for (id, schema, name) in tables.chain(indexes).chain(views).chain(sequences).chain(constraints) {
        findings.count(object);
        if !catalog.schemas.contains_key(schema) {
            findings.problem(object, format!("relation {id} is in schema \"{schema}\", which does not exist"));
        }
        if let Some(other) = expected.insert(name_key(schema, name), id) {
            findings.problem(object, format!("relations {other} and {id} are both called \"{schema}\".\"{name}\""));
        }
    }
    for pair in view.rows.range(Keyspace::CATALOG, Included(&[NAME]), Excluded(&[NAME + 1]), false)? {
        let (key, value) = pair?;
        let name = String::from_utf8_lossy(&key[1..]).replace('\0', ".");
        match expected.remove(&key[..]) {
            Some(id) if value[..] == id.0.to_be_bytes() => {}
            Some(id) => findings.problem(object, format!("the name {name} does not refer to its relation {id}")),
            None => findings.problem(object, format!("the name {name} belongs to no relation")),
        }
    }
    for id in expected.into_values() {
        findings.problem(object, format!("relation {id} has no row of its name"));
    }
    Ok(())
}

fn check_references(view: &View<'_>, findings: &mut Findings<'_>) {
    let object = findings.object("catalog references");
    let catalog = view.catalog;
    for index in catalog.indexes.values() {
        findings.count(object);
        for problem in index_problems(view, index) {
            findings.problem(object, format!("index {}.{} {problem}", index.schema, index.name));
        }
    }
    let tokens = &view.derived.shared.tokens;
    for def in catalog.graph_constraints.values() {
        findings.count(object);
        let (kind, token) = match def.carrier {
            Carrier::Label(label) => (TokenKind::Label, label.0),
            Carrier::RelationshipType(ty) => (TokenKind::RelationshipType, ty.0),
        };
        for (kind, token) in [(kind, token), (TokenKind::PropertyKey, def.property.0)] {
            if tokens.name(kind, token).is_empty() {
                let problem = format!("constraint {} is about {kind:?} {token}, which has no name", def.name);
                findings.problem(object, problem);
            }
        }
    }
    for (on, dependents) in &catalog.dependents {
        findings.count(object);
        if !catalog.tables.contains_key(on) && !catalog.views.contains_key(on) {
            findings.problem(object, format!("views depend on relation {on}, which does not exist"));
        }
        for dependent in dependents.iter().filter(|dependent| !catalog.views.contains_key(*dependent)) {
            findings.problem(object, format!("view {dependent} depends on relation {on}, but does not exist"));
        }
    }
}

fn index_problems(view: &View<'_>, index: &IndexDef) -> Vec<String> {
    let tokens = &view.derived.shared.tokens;
    let is_known = |kind: TokenKind, id: u32| !tokens.name(kind, id).is_empty();
    let unnamed_keys = |keys: &[PropertyKeyId]| -> Vec<String> {
        let unnamed = keys.iter().filter(|key| !is_known(TokenKind::PropertyKey, key.0));
        unnamed.map(|key| format!("covers property key {key}, which has no name")).collect()
    };
    match &index.target {
        IndexTarget::Table { table, columns } => match view.catalog.tables.get(table) {
            Some(table) => columns
                .iter()
                .filter(|column| column.expression.is_none() && table.position_of(column.column).is_none())
                .map(|column| format!("covers column {}, which \"{}\" does not have", column.column, table.name))
                .collect(),
            None => vec![format!("is over table {table}, which does not exist")],
        },
        IndexTarget::Nodes { labels, properties } => {
            let unnamed = labels.iter().filter(|label| !is_known(TokenKind::Label, label.0));
            let labels = unnamed.map(|label| format!("covers label {label}, which has no name"));
            labels.chain(unnamed_keys(properties)).collect()
        }
        IndexTarget::Relationships { types, properties } => {
            let unnamed = types.iter().filter(|ty| !is_known(TokenKind::RelationshipType, ty.0));
            let types = unnamed.map(|ty| format!("covers relationship type {ty}, which has no name"));
            types.chain(unnamed_keys(properties)).collect()
        }
    }
}

fn check_counters(view: &View<'_>, findings: &mut Findings<'_>) -> Result<()> {
    let object = findings.object("counters");
    let free = first_free_ids(view.rows, view.catalog);
    let Some(free) = findings.readable(object, || "a row".to_owned(), free)? else { return Ok(()) };
    for (name, free) in free {
        findings.count(object);
        let stored = match view.rows.get(Keyspace::COUNTERS, name.as_bytes())? {
            Some(bytes) => decode_u64(&bytes, "counter"),
            None => Ok(1),
        };
        let Some(stored) = findings.readable(object, || name.clone(), stored)? else { continue };
        if stored >= COUNTER_END {
            findings.problem(object, format!("{name} is exhausted: it can give no id any more"));
        } else if stored < free {
            findings.problem(object, format!("{name} would give {stored}, ids up to {} are in use", free - 1));
        }
    }
    Ok(())
}
