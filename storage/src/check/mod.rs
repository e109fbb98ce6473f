//! The integrity check: every derived structure of one snapshot is compared with the rows it is derived from.
//!
//! Rows are read once per structure, in key order, and each looks up what it must have elsewhere (an index entry, its
//! adjacency rows, its place in the graph image). Rows map to entries one to one, so when every row has its own and the
//! counts agree, nothing is left over; only when they differ are the entries walked to name those that belong to no row.
//!
//! What is found are problems, not errors: the check goes on, lists the first hundred and counts all. Only what prevents
//! reading (an I/O error, a cancelled statement) ends it. Nothing is changed.
//!
//! `messages.seq` needs no pass of its own: (conversation, seq) is the primary key, and two rows under one key show in
//! the check of its index. Scores, distances and the vectors' graph are not compared, only which rows are in.

mod catalog;
mod entries;
mod graph;
mod image;
mod search;
mod tables;
#[cfg(test)]
mod tests;

use std::time::Duration;

use crate::backup::Progress;
use crate::catalog::Catalog;
use crate::derived::DerivedState;
use crate::error::{Result, StorageError};
use crate::ids::Lsn;
use crate::store::{Keyspace, KvSnapshot, Store};

/// Problems that are listed; further ones are counted.
pub const MAX_LISTED_PROBLEMS: usize = 100;
/// Rows between two calls of [`Progress`].
const PROGRESS_ROWS: u64 = 1_024;
/// How long the check waits for search indexes that are being built or behind, before it takes its snapshot.
const SETTLE_PATIENCE: Duration = Duration::from_secs(5);

/// What a check found at one LSN.
#[derive(Clone, Debug)]
pub struct CheckReport {
    pub lsn: Lsn,
    /// In the order in which they were checked.
    pub objects: Vec<CheckedObject>,
    /// All problems, listed or not.
    pub problem_count: u64,
}

impl CheckReport {
    /// The report as (object, checked, problem): a row for each listed problem, and one without for each object that has
    /// none. Problems beyond [`MAX_LISTED_PROBLEMS`] are summed up per object.
    pub fn rows(&self) -> Vec<(&str, u64, Option<String>)> {
        let mut rows = Vec::new();
        for object in &self.objects {
            let row = |problem: Option<String>| (&object.name[..], object.checked, problem);
            if object.problem_count == 0 {
                rows.push(row(None));
            }
            rows.extend(object.problems.iter().map(|problem| row(Some(problem.clone()))));
            let unlisted_count = object.problem_count - object.problems.len() as u64;
            if unlisted_count > 0 {
                rows.push(row(Some(format!("{unlisted_count} further problems are not listed"))));
            }
        }
        rows
    }
}

/// A table, an index, or another structure.
#[derive(Clone, Debug)]
pub struct CheckedObject {
    pub name: String,
    /// Rows, entries or definitions compared.
    pub checked: u64,
    pub problem_count: u64,
    /// The first of them: see [`MAX_LISTED_PROBLEMS`].
    pub problems: Vec<String>,
}

impl Store {
    /// Compares everything that is derived with the rows, at the newest published snapshot. Commits go on meanwhile.
    pub fn check(&self, progress: Progress<'_>) -> Result<CheckReport> {
        // A search index that is not ready in time is reported as being built.
        self.published().current().derived.settle(SETTLE_PATIENCE);
        let snapshot = self.published().current();
        let view = View {
            store: self,
            lsn: snapshot.lsn,
            rows: &snapshot.rows,
            catalog: &snapshot.catalog,
            derived: &snapshot.derived,
        };
        let mut findings = Findings {
            objects: Vec::new(),
            listed_count: 0,
            problem_count: 0,
            done: 0,
            total: view.row_count()?,
            progress,
        };
        catalog::check(&view, &mut findings)?;
        tables::check(&view, &mut findings)?;
        graph::check(&view, &mut findings)?;
        search::check(&view, &mut findings)?;
        (findings.progress)(findings.total, findings.total)?;
        Ok(CheckReport { lsn: view.lsn, objects: findings.objects, problem_count: findings.problem_count })
    }
}

/// The snapshot that is checked.
struct View<'s> {
    store: &'s Store,
    lsn: Lsn,
    rows: &'s KvSnapshot,
    catalog: &'s Catalog,
    derived: &'s DerivedState,
}

impl View<'_> {
    /// Rows that will be read, about: search indexes over the graph are left out.
    fn row_count(&self) -> Result<u64> {
        let tables = self.catalog.tables.keys().map(|table| Keyspace::of_relation(*table));
        let searched = search::tables(self).into_iter().map(Keyspace::of_relation);
        let keyspaces = [Keyspace::NODES, Keyspace::RELATIONSHIPS].into_iter().chain(tables).chain(searched);
        keyspaces.map(|keyspace| self.rows.exact_key_count(keyspace)).sum()
    }
}

/// An object of the report.
#[derive(Clone, Copy)]
struct ObjectId(usize);

/// The report while it grows.
struct Findings<'p> {
    objects: Vec<CheckedObject>,
    listed_count: usize,
    problem_count: u64,
    done: u64,
    total: u64,
    progress: Progress<'p>,
}

impl Findings<'_> {
    fn object(&mut self, name: impl Into<String>) -> ObjectId {
        self.objects.push(CheckedObject { name: name.into(), checked: 0, problem_count: 0, problems: Vec::new() });
        ObjectId(self.objects.len() - 1)
    }

    /// One more row, entry or definition of the object was compared.
    fn count(&mut self, object: ObjectId) {
        self.objects[object.0].checked += 1;
    }

    fn problem(&mut self, object: ObjectId, problem: impl Into<String>) {
        self.problem_count += 1;
        let object = &mut self.objects[object.0];
        object.problem_count += 1;
        if self.listed_count < MAX_LISTED_PROBLEMS {
            self.listed_count += 1;
            object.problems.push(problem.into());
        }
    }

    /// One more row was read.
    fn step(&mut self) -> Result<()> {
        self.done += 1;
        if self.done.is_multiple_of(PROGRESS_ROWS) {
            (self.progress)(self.done.min(self.total), self.total)?;
        }
        Ok(())
    }

    /// Bytes that cannot be read are a problem of the object; any other error ends the check.
    fn readable<T>(&mut self, object: ObjectId, what: impl FnOnce() -> String, result: Result<T>) -> Result<Option<T>> {
        match result {
            Ok(value) => Ok(Some(value)),
            Err(StorageError::Corrupted(problem) | StorageError::LimitExceeded(problem)) => {
                self.problem(object, format!("{}: {problem}", what()));
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }
}
