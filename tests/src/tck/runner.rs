//! Runs one scenario on a database of its own, strictly: results, order, side effects, error type, phase and detail.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;

use sinew::{Database, Execution, Session};
use sinew_query::types::temporal_from_sql;
use sinew_query::{OutputColumn, QueryError};
use sinew_storage::{DataType, Isolation, StorageError, Transaction, Value};

use super::gherkin::{Keyword, Scenario, Step};
use super::notation::{self, TckValue, materialize};
use super::procedure::TckProcedure;

#[derive(Clone, Debug, PartialEq)]
pub enum Outcome {
    Passed,
    Failed(String),
    /// With the reason.
    Skipped(String),
}

#[derive(Debug)]
struct Table {
    columns: Vec<String>,
    rows: Vec<Vec<TckValue>>,
}

/// Why a query gave no table.
enum Failure {
    Query(QueryError),
    /// The runner itself could not go on.
    Runner(String),
}

impl From<QueryError> for Failure {
    fn from(error: QueryError) -> Failure {
        Failure::Query(error)
    }
}

pub fn run(scenario: &Scenario, graphs: &Path) -> Outcome {
    let mut run = match Run::new(graphs) {
        Ok(run) => run,
        Err(error) => return Outcome::Failed(format!("cannot open a database: {error}")),
    };
    for step in &scenario.steps {
        match run.step(step) {
            Ok(()) => {}
            Err(Stop::Failed(reason)) => return Outcome::Failed(reason),
            Err(Stop::Unknown) => return Outcome::Skipped(format!("step not understood: {}", step.text)),
        }
    }
    match run.unchecked_side_effects() {
        Ok(()) => Outcome::Passed,
        Err(reason) => Outcome::Failed(reason),
    }
}

enum Stop {
    Failed(String),
    Unknown,
}

impl From<String> for Stop {
    fn from(reason: String) -> Stop {
        Stop::Failed(reason)
    }
}

struct Run<'g> {
    database: Database,
    session: Session,
    graphs: &'g Path,
    parameters: BTreeMap<String, TckValue>,
    before: GraphState,
    result: Option<Result<Table, QueryError>>,
    expects_error: bool,
}

impl<'g> Run<'g> {
    fn new(graphs: &'g Path) -> Result<Run<'g>, QueryError> {
        let database = Database::in_memory()?;
        let session = database.session();
        Ok(Run {
            database,
            session,
            graphs,
            parameters: BTreeMap::new(),
            before: GraphState::default(),
            result: None,
            expects_error: false,
        })
    }

    fn step(&mut self, step: &Step) -> Result<(), Stop> {
        match step.keyword {
            Keyword::Given => self.given(step),
            Keyword::When => self.when(step),
            Keyword::Then => self.then(step),
        }
    }

    fn given(&mut self, step: &Step) -> Result<(), Stop> {
        let text = step.text.as_str();
        if matches!(text, "an empty graph" | "any graph") {
            return Ok(());
        }
        if text == "having executed:" {
            let query = step.doc.as_deref().unwrap_or_default();
            return self.set_up(query);
        }
        if text == "parameters are:" {
            for row in step.table.iter().flatten() {
                if let [name, value] = &row[..] {
                    self.parameters.insert(name.clone(), notation::parse(value)?);
                }
            }
            return Ok(());
        }
        if let Some(signature) = text.strip_prefix("there exists a procedure ") {
            let table = step.table.as_deref().unwrap_or_default();
            let procedure = TckProcedure::parse(signature.trim_end_matches(':'), table)?;
            self.database.register_table_function(Arc::new(procedure));
            return Ok(());
        }
        if let Some(name) = text.strip_prefix("the ").and_then(|rest| rest.strip_suffix(" graph")) {
            let file = self.graphs.join(name).join(format!("{name}.cypher"));
            let script = std::fs::read_to_string(&file).map_err(|error| format!("{}: {error}", file.display()))?;
            for statement in script.split(';').filter(|statement| !statement.trim().is_empty()) {
                self.set_up(statement)?;
            }
            return Ok(());
        }
        Err(Stop::Unknown)
    }

    fn set_up(&mut self, query: &str) -> Result<(), Stop> {
        match self.execute(query) {
            Ok(_) => Ok(()),
            Err(Failure::Query(error)) => Err(Stop::Failed(format!("setup failed: {}", describe(&error)))),
            Err(Failure::Runner(reason)) => Err(Stop::Failed(reason)),
        }
    }

    fn when(&mut self, step: &Step) -> Result<(), Stop> {
        if !matches!(step.text.as_str(), "executing query:" | "executing control query:") {
            return Err(Stop::Unknown);
        }
        self.unchecked_side_effects()?;
        self.before = self.graph_state()?;
        self.expects_error = false;
        let query = step.doc.as_deref().unwrap_or_default();
        self.result = Some(match self.execute(query) {
            Ok(table) => Ok(table),
            Err(Failure::Query(error)) => Err(error),
            Err(Failure::Runner(reason)) => return Err(Stop::Failed(reason)),
        });
        Ok(())
    }

    fn then(&mut self, step: &Step) -> Result<(), Stop> {
        let text = step.text.as_str();
        if text == "no side effects" {
            return Ok(self.check_side_effects(&[])?);
        }
        if text == "the side effects should be:" {
            return Ok(self.check_side_effects(step.table.as_deref().unwrap_or_default())?);
        }
        if let Some(rest) = text.strip_prefix("a ").and_then(|rest| rest.split_once(" should be raised at ")) {
            let (ty, rest) = rest;
            let (phase, detail) = rest.split_once(": ").ok_or(Stop::Unknown)?;
            return Ok(self.check_error(ty, phase, detail)?);
        }
        let (ordered, ignore_list_order) = match text {
            "the result should be empty" => return Ok(self.check_empty()?),
            "the result should be, in any order:" => (false, false),
            "the result should be, in order:" => (true, false),
            "the result should be (ignoring element order for lists):" => (false, true),
            "the result should be, in order (ignoring element order for lists):" => (true, true),
            _ => return Err(Stop::Unknown),
        };
        Ok(self.check_table(step.table.as_deref().unwrap_or_default(), ordered, ignore_list_order)?)
    }

    fn table(&self) -> Result<&Table, String> {
        match &self.result {
            Some(Ok(table)) => Ok(table),
            Some(Err(error)) => Err(format!("unexpected error: {}", describe(error))),
            None => Err("no query was executed".to_owned()),
        }
    }

    fn check_empty(&self) -> Result<(), String> {
        let table = self.table()?;
        if table.rows.is_empty() { Ok(()) } else { Err(format!("expected no rows, got {}", table.rows.len())) }
    }

    fn check_table(&self, expected: &[Vec<String>], ordered: bool, ignore_list_order: bool) -> Result<(), String> {
        let table = self.table()?;
        let (header, rows) = expected.split_first().ok_or("an expected table without a header")?;
        if *header != table.columns {
            return Err(format!("expected columns {header:?}, got {:?}", table.columns));
        }
        let mut wanted = Vec::with_capacity(rows.len());
        for row in rows {
            let cells: Result<Vec<String>, String> =
                row.iter().map(|cell| Ok(notation::parse(cell)?.canonical(ignore_list_order))).collect();
            wanted.push(cells?.join(" | "));
        }
        let show = |row: &Vec<TckValue>| {
            row.iter().map(|value| value.canonical(ignore_list_order)).collect::<Vec<_>>().join(" | ")
        };
        let mut found: Vec<String> = table.rows.iter().map(show).collect();
        if !ordered {
            wanted.sort();
            found.sort();
        }
        if wanted == found {
            return Ok(());
        }
        Err(format!("expected rows\n      {}\n    got\n      {}", wanted.join("\n      "), found.join("\n      ")))
    }

    fn check_error(&mut self, ty: &str, phase: &str, detail: &str) -> Result<(), String> {
        self.expects_error = true;
        let wanted = format!("{ty} at {phase}: {detail}");
        match &self.result {
            Some(Err(error)) => {
                let Some(class) = error.0.cypher else {
                    return Err(format!("expected {wanted}, got {}", describe(error)));
                };
                let right = class.ty == ty
                    && (phase == "any time" || class.phase == phase)
                    && (detail == "*" || class.detail == detail);
                if right { Ok(()) } else { Err(format!("expected {wanted}, got {}", describe(error))) }
            }
            Some(Ok(table)) => Err(format!("expected {wanted}, got {} rows", table.rows.len())),
            None => Err("no query was executed".to_owned()),
        }
    }

    /// A failed query must leave nothing behind, though no step says so.
    fn unchecked_side_effects(&mut self) -> Result<(), String> {
        if self.expects_error { self.check_side_effects(&[]) } else { Ok(()) }
    }

    fn check_side_effects(&mut self, expected: &[Vec<String>]) -> Result<(), String> {
        if let Some(Err(error)) = &self.result
            && !self.expects_error
        {
            return Err(format!("unexpected error: {}", describe(error)));
        }
        let mut wanted = BTreeMap::new();
        for row in expected {
            let [key, count] = &row[..] else { return Err(format!("malformed side effects {row:?}")) };
            let count: usize = count.parse().map_err(|_| format!("malformed count {count}"))?;
            wanted.insert(key.clone(), count);
        }
        wanted.retain(|_, count| *count > 0);
        let found = self.before.changes(&self.graph_state()?);
        if wanted == found { Ok(()) } else { Err(format!("expected side effects {wanted:?}, got {found:?}")) }
    }

    fn graph_state(&self) -> Result<GraphState, String> {
        GraphState::read(&self.database).map_err(|error| format!("cannot measure the graph: {error}"))
    }

    /// Runs a query; `$name` becomes a positional parameter and back in column names.
    fn execute(&mut self, query: &str) -> Result<Table, Failure> {
        let names: Vec<&String> = self.parameters.keys().collect();
        let (text, uses_parameters) = number_parameters(query, &names);
        if !names.is_empty() && !uses_parameters {
            return self.execute_named(query);
        }
        let mut values = Vec::new();
        if uses_parameters {
            for value in self.parameters.values() {
                values.push(value.to_value().map_err(Failure::Runner)?);
            }
        }
        let types = vec![DataType::Any; values.len()];
        let prepared = self.session.prepare(&text, &types)?;
        values.truncate(prepared.params.len());
        let mut cursor = match self.session.execute(&prepared, values)? {
            Execution::Rows(cursor) => cursor,
            _ => return Ok(Table { columns: Vec::new(), rows: Vec::new() }),
        };
        let original = |name: &str| {
            names.iter().enumerate().rev().fold(name.to_owned(), |text, (index, name)| {
                if uses_parameters { text.replace(&format!("${}", index + 1), &format!("${name}")) } else { text }
            })
        };
        let columns = cursor.columns.iter().map(|column| original(&column.name)).collect();
        let mut rows = Vec::new();
        loop {
            let batch = match cursor.next_batch() {
                Ok(Some(batch)) => batch,
                Ok(None) => break,
                Err(error) => {
                    self.session.fail(cursor);
                    return Err(error.into());
                }
            };
            for index in 0..batch.row_count {
                match materialize_row(&cursor.context().transaction, &batch.row(index), &cursor.columns) {
                    Ok(row) => rows.push(row),
                    Err(reason) => {
                        self.session.fail(cursor);
                        return Err(Failure::Runner(reason));
                    }
                }
            }
        }
        self.session.finish(cursor, rows.len() as u64)?;
        Ok(Table { columns, rows })
    }

    /// A CALL without parentheses takes its arguments from named parameters.
    fn execute_named(&mut self, query: &str) -> Result<Table, Failure> {
        let mut values = Vec::new();
        for (name, value) in &self.parameters {
            values.push((name.as_str(), value.to_value().map_err(Failure::Runner)?));
        }
        let result = self.session.query_named(query, &values)?;
        let transaction = self.database.store().begin(Isolation::ReadCommitted);
        let rows: Result<Vec<_>, String> =
            result.rows.iter().map(|row| materialize_row(&transaction, row, &result.columns)).collect();
        transaction.rollback();
        let columns = result.columns.iter().map(|column| column.name.to_string()).collect();
        Ok(Table { columns, rows: rows.map_err(Failure::Runner)? })
    }
}

/// Columns of SQL's temporal types are compared as Cypher writes their values.
fn materialize_row(
    transaction: &Transaction,
    row: &[Value],
    columns: &[OutputColumn],
) -> Result<Vec<TckValue>, String> {
    let value = |(value, column): (&Value, &OutputColumn)| match temporal_from_sql(value, &column.ty) {
        Some(temporal) => Ok(TckValue::String(temporal.to_string())),
        None => materialize(transaction, value),
    };
    row.iter().zip(columns).map(value).collect()
}

fn describe(error: &QueryError) -> String {
    match error.0.cypher {
        Some(class) => format!("{} at {}: {} ({error})", class.ty, class.phase, class.detail),
        None => format!("{} {error}", error.sqlstate()),
    }
}

/// Replaces `$name` outside string literals by the number of that name; and whether there was any.
pub fn number_parameters(query: &str, names: &[&String]) -> (String, bool) {
    let mut found = false;
    let mut out = String::with_capacity(query.len());
    let mut rest = query;
    while let Some(at) = rest.find(['\'', '"', '$']) {
        out.push_str(&rest[..at]);
        rest = &rest[at..];
        if rest.starts_with('$') {
            let end = rest[1..].find(|c: char| !(c.is_alphanumeric() || c == '_')).map_or(rest.len(), |end| end + 1);
            match names.iter().position(|name| **name == rest[1..end]) {
                Some(index) => {
                    found = true;
                    out.push_str(&format!("${}", index + 1));
                }
                None => out.push_str(&rest[..end]),
            }
            rest = &rest[end..];
            continue;
        }
        let quote = &rest[..1];
        let mut end = rest.len();
        let mut escaped = false;
        for (index, c) in rest.char_indices().skip(1) {
            if escaped {
                escaped = false;
            } else if c == '\\' {
                escaped = true;
            } else if quote.starts_with(c) {
                end = index + 1;
                break;
            }
        }
        out.push_str(&rest[..end]);
        rest = &rest[end..];
    }
    out.push_str(rest);
    (out, found)
}

/// What side effects are counted over.
#[derive(Debug, Default)]
struct GraphState {
    nodes: BTreeSet<u64>,
    relationships: BTreeSet<u64>,
    labels: BTreeSet<String>,
    /// (entity, key, value as text).
    properties: BTreeSet<(String, String, String)>,
}

impl GraphState {
    fn read(database: &Database) -> Result<GraphState, StorageError> {
        let transaction = database.store().begin(Isolation::RepeatableRead);
        transaction.begin_statement()?;
        let mut state = GraphState::default();
        let text = |value: &Value| format!("{value:?}");
        for id in transaction.scan_nodes(None)? {
            let id = id?;
            let Some(node) = transaction.node(sinew_storage::NodeId(id))? else { continue };
            state.nodes.insert(id);
            state.labels.extend(node.labels.iter().map(|label| transaction.label_name(*label).to_string()));
            for (key, value) in &node.properties {
                let key = transaction.property_key_name(*key).to_string();
                state.properties.insert((format!("node {id}"), key, text(value)));
            }
        }
        for id in transaction.scan_relationships(None)? {
            let id = id?;
            let Some(found) = transaction.relationship(sinew_storage::RelationshipId(id))? else { continue };
            state.relationships.insert(id);
            for (key, value) in &found.properties {
                let key = transaction.property_key_name(*key).to_string();
                state.properties.insert((format!("relationship {id}"), key, text(value)));
            }
        }
        transaction.finish_statement()?;
        transaction.rollback();
        Ok(state)
    }

    /// Counts that are not 0.
    fn changes(&self, after: &GraphState) -> BTreeMap<String, usize> {
        fn differences<T: Ord>(name: &str, before: &BTreeSet<T>, after: &BTreeSet<T>) -> [(String, usize); 2] {
            [
                (format!("+{name}"), after.difference(before).count()),
                (format!("-{name}"), before.difference(after).count()),
            ]
        }
        differences("nodes", &self.nodes, &after.nodes)
            .into_iter()
            .chain(differences("relationships", &self.relationships, &after.relationships))
            .chain(differences("labels", &self.labels, &after.labels))
            .chain(differences("properties", &self.properties, &after.properties))
            .filter(|(_, count)| *count > 0)
            .collect()
    }
}
