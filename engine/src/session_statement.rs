//! Prepared statements by name, of PREPARE and of the extended protocol alike: they share one namespace.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use sinew_query::session_objects::{ListedStatement, Listing};
use sinew_query::{QueryError, Result, sqlstate};

use crate::transaction::now_us;
use crate::{Prepared, Session};

/// A prepared statement that has a name.
pub(crate) struct SessionStatement {
    pub prepared: Prepared,
    listed: Arc<ListedStatement>,
    _listing: Listing,
}

impl Session {
    /// Keeps a statement under a name that is free. `source` is what the client sent; `from_sql` when by PREPARE.
    pub fn keep_statement(&mut self, name: &str, prepared: Prepared, source: &str, from_sql: bool) {
        let listed = Arc::new(ListedStatement {
            name: name.to_owned(),
            text: source.to_owned(),
            prepared_us: now_us(),
            parameter_types: prepared.params.clone(),
            from_sql,
            run_count: AtomicU64::new(0),
        });
        let listing = Listing::of_statement(&self.context, Arc::clone(&listed));
        self.statements.insert(name.to_owned(), SessionStatement { prepared, listed, _listing: listing });
    }

    /// The statement of that name. 26000 when there is none.
    pub fn kept_statement(&self, name: &str) -> Result<&Prepared> {
        match self.statements.get(name) {
            Some(statement) => Ok(&statement.prepared),
            None => Err(QueryError::new(
                sqlstate::INVALID_SQL_STATEMENT_NAME,
                format!("prepared statement \"{name}\" does not exist"),
            )),
        }
    }

    /// Whether there is a statement of that name.
    pub fn has_statement(&self, name: &str) -> bool {
        self.statements.contains_key(name)
    }

    /// Counts a run of a statement, for those who look at `pg_prepared_statements`.
    pub(crate) fn note_run(&self, name: &str) {
        if let Some(statement) = self.statements.get(name) {
            statement.listed.run_count.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Forgets a statement, if there is one of that name.
    pub fn forget_statement(&mut self, name: &str) {
        if self.statements.remove(name).is_some() {
            self.statement_removals += 1;
        }
    }

    pub(crate) fn forget_statements(&mut self) {
        self.statements.clear();
        self.statement_removals += 1;
    }

    /// Changes whenever statements were forgotten: who keeps something by their names looks again.
    pub fn statement_removals(&self) -> u64 {
        self.statement_removals
    }
}
