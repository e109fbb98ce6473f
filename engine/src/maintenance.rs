//! BACKUP and CHECK DATABASE. (Whoever can connect may run them: there are no roles yet.)

use std::path::Path;

use sinew_query::statement::OutputColumn;
use sinew_query::{QueryError, Result, sqlstate};
use sinew_storage::{DataType, Value};

use crate::Session;
use crate::cursor::Execution;
use crate::prepare::{fixed_column, text_column};

pub(crate) fn backup_columns() -> Vec<OutputColumn> {
    let number = |name| fixed_column(name, DataType::Int8);
    vec![number("lsn"), number("rows"), number("bytes"), text_column("directory")]
}

pub(crate) fn check_columns() -> Vec<OutputColumn> {
    vec![text_column("object"), fixed_column("checked", DataType::Int8), text_column("problem")]
}

impl Session {
    /// Copies the newest committed state into a directory of the server's machine; one row says what was written.
    pub(crate) fn backup(&mut self, directory: &str) -> Result<Execution> {
        if self.active.is_some() || self.implicit_block {
            return Err(QueryError::new(
                sqlstate::ACTIVE_SQL_TRANSACTION,
                "BACKUP cannot run inside a transaction block",
            ));
        }
        if directory.is_empty() {
            return Err(QueryError::new(sqlstate::INVALID_PARAMETER_VALUE, "the directory of a backup has no name"));
        }
        let cancel = self.cancel_token();
        let store = self.database.store();
        let report = store.backup_to(Path::new(directory), &mut |_, _| cancel.check())?;
        let row = vec![
            integer(report.lsn.0),
            integer(report.row_count),
            integer(report.size_bytes),
            Value::from(report.directory.display().to_string()),
        ];
        let context = self.passing_context();
        Ok(Execution::Rows(self.fixed_cursor(backup_columns(), vec![row], context, "BACKUP", false)))
    }

    /// Compares what is derived with the rows of the newest committed state, whatever the session's transaction sees.
    pub(crate) fn check_database(&mut self) -> Result<Execution> {
        let cancel = self.cancel_token();
        let report = self.database.store().check(&mut |_, _| cancel.check())?;
        let row = |(object, checked, problem): (&str, u64, Option<String>)| {
            vec![Value::from(object), integer(checked), problem.map_or(Value::Null, Value::from)]
        };
        let rows = report.rows().into_iter().map(row).collect();
        let context = self.passing_context();
        Ok(Execution::Rows(self.fixed_cursor(check_columns(), rows, context, "CHECK DATABASE", false)))
    }
}

fn integer(number: u64) -> Value {
    Value::Int(i64::try_from(number).unwrap_or(i64::MAX))
}
