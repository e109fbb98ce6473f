//! Whether the database may be asked yet, and what it is doing until then.
//!
//! The listeners open before the data does, so that clients learn that the server is there and how far it has come,
//! instead of being refused or left waiting.

use std::sync::OnceLock;

use parking_lot::Mutex;
use sinew::{Database, QueryError, sqlstate};

/// Shared by all listeners.
#[derive(Default)]
pub struct Readiness {
    database: OnceLock<Database>,
    starting: Mutex<Starting>,
}

/// What is being done before clients are served.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Starting {
    pub stage: &'static str,
    /// 0.0..=1.0 of the stage, where it is known.
    pub progress: Option<f64>,
}

impl Default for Starting {
    fn default() -> Starting {
        Starting { stage: "opening the database", progress: None }
    }
}

impl Readiness {
    /// The next piece of work begins.
    pub fn stage(&self, stage: &'static str) {
        *self.starting.lock() = Starting { stage, progress: None };
    }

    /// Of the current stage, 0.0..=1.0.
    pub fn progress(&self, done: f64) {
        self.starting.lock().progress = Some(done.clamp(0.0, 1.0));
    }

    /// From now on clients are served.
    pub fn ready(&self, database: Database) {
        // There is one database in the life of a server.
        let _ = self.database.set(database);
    }

    /// Errors with 57P03 and the progress until the database is ready.
    pub fn database(&self) -> Result<Database, QueryError> {
        self.database.get().cloned().ok_or_else(|| self.starting().to_error())
    }

    pub fn starting(&self) -> Starting {
        *self.starting.lock()
    }
}

impl Starting {
    fn to_error(self) -> QueryError {
        let detail = match self.progress {
            Some(progress) => format!("{}: {} %", self.stage, (progress * 100.0) as u64),
            None => self.stage.to_owned(),
        };
        QueryError::new(sqlstate::CANNOT_CONNECT_NOW, "the database system is starting up").detail(detail)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clients_are_told_how_far_it_is() {
        let readiness = Readiness::default();
        let told = || {
            let error = readiness.database().err().expect("not ready");
            (error.sqlstate(), error.0.detail.clone().expect("a detail"))
        };
        assert_eq!(told(), ("57P03", "opening the database".to_owned()));
        readiness.progress(0.429);
        assert_eq!(told(), ("57P03", "opening the database: 42 %".to_owned()));
        readiness.progress(7.0);
        assert_eq!(readiness.starting().progress, Some(1.0));
        readiness.stage("loading the demo");
        assert_eq!(told(), ("57P03", "loading the demo".to_owned()));
        readiness.ready(Database::in_memory().expect("a database in memory"));
        assert!(readiness.database().is_ok());
    }
}
