//! One error type: SQLSTATE, message, and where in the statement.

use sinew_storage::StorageError;

pub type Result<T, E = QueryError> = std::result::Result<T, E>;

/// An error as the wire reports it. Boxed: results stay small.
#[derive(Debug, Clone)]
pub struct QueryError(pub Box<ErrorInfo>);

#[derive(Debug, Clone, Default)]
pub struct ErrorInfo {
    /// Five characters.
    pub sqlstate: &'static str,
    /// Lower case, no full stop; names the value and the limit.
    pub message: String,
    pub detail: Option<String>,
    pub hint: Option<String>,
    /// 1-based, in characters of the statement's text.
    pub position: Option<usize>,
    pub schema: Option<String>,
    pub table: Option<String>,
    pub column: Option<String>,
    pub constraint: Option<String>,
    /// Where it happened, when that is no place in the statement: `COPY t, line 3`.
    pub context: Option<String>,
    /// PostgreSQL's function that raises it, where drivers go by that.
    pub routine: Option<&'static str>,
    /// openCypher's classification, for errors of Cypher statements.
    pub cypher: Option<CypherError>,
    /// The statement met a row that somebody changed after its snapshot: run again on a new one, it may succeed. The
    /// session does so under READ COMMITTED; it is no part of what a client is told.
    pub restart: bool,
    /// Number of the row, in its batch, that could not be written: for those who know where it came from.
    pub batch_row: Option<usize>,
    /// The values of several rows together were too large: fewer rows at a time may fit. Operators that can do so try
    /// again with fewer.
    pub divisible: bool,
}

/// openCypher's error classes, by name as the TCK spells them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CypherError {
    /// `SyntaxError`, `TypeError`, …
    pub ty: &'static str,
    /// `compile time` or `runtime`.
    pub phase: &'static str,
    /// `UndefinedVariable`, …
    pub detail: &'static str,
}

/// SQLSTATE codes in use, by PostgreSQL's names.
pub mod sqlstate {
    pub const FEATURE_NOT_SUPPORTED: &str = "0A000";
    pub const CARDINALITY_VIOLATION: &str = "21000";
    pub const STRING_DATA_RIGHT_TRUNCATION: &str = "22001";
    pub const NUMERIC_VALUE_OUT_OF_RANGE: &str = "22003";
    pub const NULL_VALUE_NOT_ALLOWED: &str = "22004";
    pub const INVALID_DATETIME_FORMAT: &str = "22007";
    pub const DATETIME_FIELD_OVERFLOW: &str = "22008";
    pub const INVALID_ROW_COUNT_IN_LIMIT: &str = "2201W";
    pub const SUBSTRING_ERROR: &str = "22011";
    pub const INVALID_PRECEDING_OR_FOLLOWING_SIZE: &str = "22013";
    pub const INVALID_ARGUMENT_FOR_NTILE: &str = "22014";
    pub const INVALID_ARGUMENT_FOR_NTH_VALUE: &str = "22016";
    pub const DIVISION_BY_ZERO: &str = "22012";
    pub const INVALID_PARAMETER_VALUE: &str = "22023";
    pub const SEQUENCE_GENERATOR_LIMIT_EXCEEDED: &str = "2200H";
    pub const INVALID_REGULAR_EXPRESSION: &str = "2201B";
    pub const CHARACTER_NOT_IN_REPERTOIRE: &str = "22021";
    pub const ARRAY_SUBSCRIPT_ERROR: &str = "2202E";
    pub const INVALID_TEXT_REPRESENTATION: &str = "22P02";
    pub const INVALID_BINARY_REPRESENTATION: &str = "22P03";
    pub const BAD_COPY_FILE_FORMAT: &str = "22P04";
    pub const DATA_EXCEPTION: &str = "22000";
    pub const INTEGRITY_CONSTRAINT_VIOLATION: &str = "23000";
    pub const NOT_NULL_VIOLATION: &str = "23502";
    pub const FOREIGN_KEY_VIOLATION: &str = "23503";
    pub const UNIQUE_VIOLATION: &str = "23505";
    pub const CHECK_VIOLATION: &str = "23514";
    pub const WITH_CHECK_OPTION_VIOLATION: &str = "44000";
    pub const ACTIVE_SQL_TRANSACTION: &str = "25001";
    pub const READ_ONLY_SQL_TRANSACTION: &str = "25006";
    pub const NO_ACTIVE_SQL_TRANSACTION: &str = "25P01";
    pub const IN_FAILED_SQL_TRANSACTION: &str = "25P02";
    pub const INVALID_SQL_STATEMENT_NAME: &str = "26000";
    pub const DEPENDENT_OBJECTS_STILL_EXIST: &str = "2BP01";
    pub const INVALID_CURSOR_NAME: &str = "34000";
    pub const INVALID_SAVEPOINT_SPECIFICATION: &str = "3B001";
    pub const INVALID_SCHEMA_NAME: &str = "3F000";
    pub const SERIALIZATION_FAILURE: &str = "40001";
    pub const STATEMENT_COMPLETION_UNKNOWN: &str = "40003";
    pub const DEADLOCK_DETECTED: &str = "40P01";
    pub const INSUFFICIENT_PRIVILEGE: &str = "42501";
    pub const SYNTAX_ERROR: &str = "42601";
    pub const INVALID_NAME: &str = "42602";
    pub const DUPLICATE_COLUMN: &str = "42701";
    pub const AMBIGUOUS_COLUMN: &str = "42702";
    pub const UNDEFINED_COLUMN: &str = "42703";
    pub const UNDEFINED_OBJECT: &str = "42704";
    pub const DUPLICATE_OBJECT: &str = "42710";
    pub const DUPLICATE_ALIAS: &str = "42712";
    pub const AMBIGUOUS_FUNCTION: &str = "42725";
    pub const GROUPING_ERROR: &str = "42803";
    pub const DATATYPE_MISMATCH: &str = "42804";
    pub const WRONG_OBJECT_TYPE: &str = "42809";
    pub const INVALID_FOREIGN_KEY: &str = "42830";
    pub const CANNOT_COERCE: &str = "42846";
    pub const UNDEFINED_FUNCTION: &str = "42883";
    pub const UNDEFINED_TABLE: &str = "42P01";
    pub const UNDEFINED_PARAMETER: &str = "42P02";
    pub const DUPLICATE_SCHEMA: &str = "42P06";
    pub const DUPLICATE_TABLE: &str = "42P07";
    pub const INVALID_COLUMN_REFERENCE: &str = "42P10";
    pub const INDETERMINATE_DATATYPE: &str = "42P18";
    pub const WINDOWING_ERROR: &str = "42P20";
    pub const OUT_OF_MEMORY: &str = "53200";
    pub const CONFIGURATION_LIMIT_EXCEEDED: &str = "53400";
    pub const PROGRAM_LIMIT_EXCEEDED: &str = "54000";
    pub const STATEMENT_TOO_COMPLEX: &str = "54001";
    pub const TOO_MANY_COLUMNS: &str = "54011";
    pub const TOO_MANY_ARGUMENTS: &str = "54023";
    pub const OBJECT_NOT_IN_PREREQUISITE_STATE: &str = "55000";
    pub const OBJECT_IN_USE: &str = "55006";
    pub const LOCK_NOT_AVAILABLE: &str = "55P03";
    pub const QUERY_CANCELED: &str = "57014";
    pub const ADMIN_SHUTDOWN: &str = "57P01";
    pub const CANNOT_CONNECT_NOW: &str = "57P03";
    pub const DISK_FULL: &str = "53100";
    pub const IO_ERROR: &str = "58030";
    pub const DUPLICATE_FILE: &str = "58P02";
    pub const TRANSACTION_RESOLUTION_UNKNOWN: &str = "08007";
    pub const PROTOCOL_VIOLATION: &str = "08P01";
    pub const SNAPSHOT_TOO_OLD: &str = "72000";
    pub const INTERNAL_ERROR: &str = "XX000";
    pub const DATA_CORRUPTED: &str = "XX001";
}

impl QueryError {
    pub fn new(sqlstate: &'static str, message: impl Into<String>) -> QueryError {
        QueryError(Box::new(ErrorInfo { sqlstate, message: message.into(), ..ErrorInfo::default() }))
    }

    /// 0A000, naming what is not supported.
    pub fn unsupported(what: impl std::fmt::Display) -> QueryError {
        QueryError::new(sqlstate::FEATURE_NOT_SUPPORTED, format!("{what} is not supported"))
    }

    /// 0A000 in PostgreSQL's own words.
    pub fn unsupported_as(message: impl Into<String>) -> QueryError {
        QueryError::new(sqlstate::FEATURE_NOT_SUPPORTED, message)
    }

    pub fn syntax(message: impl Into<String>, position: Option<usize>) -> QueryError {
        QueryError::new(sqlstate::SYNTAX_ERROR, message).at(position)
    }

    /// 40001 of a statement that is to run again on a new snapshot.
    pub fn restart() -> QueryError {
        let mut error =
            QueryError::new(sqlstate::SERIALIZATION_FAILURE, "could not serialize access due to concurrent update");
        error.0.restart = true;
        error
    }

    pub fn internal(message: impl Into<String>) -> QueryError {
        QueryError::new(sqlstate::INTERNAL_ERROR, format!("internal error: {}", message.into()))
    }

    /// Sets the position unless one is known already.
    pub fn at(mut self, position: Option<usize>) -> QueryError {
        if self.0.position.is_none() {
            self.0.position = position;
        }
        self
    }

    pub fn detail(mut self, detail: impl Into<String>) -> QueryError {
        self.0.detail = Some(detail.into());
        self
    }

    /// Sets the context unless one is known already.
    pub fn context(mut self, context: impl Into<String>) -> QueryError {
        self.0.context.get_or_insert_with(|| context.into());
        self
    }

    pub fn hint(mut self, hint: impl Into<String>) -> QueryError {
        self.0.hint = Some(hint.into());
        self
    }

    pub fn cypher(mut self, ty: &'static str, phase: &'static str, detail: &'static str) -> QueryError {
        self.0.cypher = Some(CypherError { ty, phase, detail });
        self
    }

    pub fn sqlstate(&self) -> &'static str {
        self.0.sqlstate
    }
}

impl std::fmt::Display for QueryError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0.message)
    }
}

impl std::error::Error for QueryError {}

impl From<StorageError> for QueryError {
    fn from(error: StorageError) -> QueryError {
        use sqlstate::*;
        let code = match &error {
            StorageError::DuplicateKey { .. } => UNIQUE_VIOLATION,
            StorageError::PropertyViolation { is_missing: true, .. } => NOT_NULL_VIOLATION,
            StorageError::PropertyViolation { is_missing: false, .. } => CHECK_VIOLATION,
            StorageError::NodeHasRelationships { .. } => INTEGRITY_CONSTRAINT_VIOLATION,
            StorageError::NodeNotFound(_) | StorageError::RelationshipNotFound(_) => UNDEFINED_OBJECT,
            StorageError::ObjectExists { kind, .. } => match *kind {
                "schema" => DUPLICATE_SCHEMA,
                "relation" => DUPLICATE_TABLE,
                _ => DUPLICATE_OBJECT,
            },
            StorageError::ObjectNotFound { kind, .. } => match *kind {
                "schema" => INVALID_SCHEMA_NAME,
                "relation" | "table" => UNDEFINED_TABLE,
                _ => UNDEFINED_OBJECT,
            },
            StorageError::DependentObjects { .. } => DEPENDENT_OBJECTS_STILL_EXIST,
            StorageError::SavepointNotFound(_) => INVALID_SAVEPOINT_SPECIFICATION,
            StorageError::DimensionMismatch { .. } => DATA_EXCEPTION,
            StorageError::InvalidValue(_) => DATA_EXCEPTION,
            StorageError::OutOfRange(_) => NUMERIC_VALUE_OUT_OF_RANGE,
            StorageError::InvalidSearchQuery(_) => SYNTAX_ERROR,
            StorageError::Expression { sqlstate, .. } => sqlstate,
            StorageError::LimitExceeded(_) => PROGRAM_LIMIT_EXCEEDED,
            StorageError::WriteConflict { .. } | StorageError::NotSerializable { .. } => SERIALIZATION_FAILURE,
            StorageError::Deadlock { .. } => DEADLOCK_DETECTED,
            StorageError::LockTimeout | StorageError::LockNotAvailable { .. } => LOCK_NOT_AVAILABLE,
            StorageError::Cancelled | StorageError::StatementTimeout => QUERY_CANCELED,
            StorageError::SnapshotTooOld => SNAPSHOT_TOO_OLD,
            StorageError::IndexLag { .. } => LOCK_NOT_AVAILABLE,
            StorageError::AlreadyOpen(_) | StorageError::FormatTooNew { .. } => CANNOT_CONNECT_NOW,
            StorageError::ShuttingDown => ADMIN_SHUTDOWN,
            StorageError::OutOfLocks => OUT_OF_MEMORY,
            StorageError::DiskFull(_) => DISK_FULL,
            StorageError::Io(_) | StorageError::TemporaryFile(_) | StorageError::Backup(_) => IO_ERROR,
            StorageError::FileExists(_) => DUPLICATE_FILE,
            StorageError::CommitUnknown(_) => TRANSACTION_RESOLUTION_UNKNOWN,
            StorageError::Corrupted(_) => DATA_CORRUPTED,
            StorageError::Internal(_) => INTERNAL_ERROR,
        };
        let mut out = QueryError::new(code, error.to_string());
        out.0.restart = matches!(error, StorageError::WriteConflict { .. });
        match error {
            StorageError::DuplicateKey { schema, table, constraint, detail } => {
                out.0.schema = schema;
                out.0.table = Some(table).filter(|table| !table.is_empty());
                out.0.constraint = Some(constraint);
                out.0.detail = Some(detail);
            }
            StorageError::PropertyViolation { constraint, property, .. } => {
                out.0.column = Some(property);
                out.0.constraint = Some(constraint);
            }
            StorageError::DependentObjects { detail, .. }
            | StorageError::WriteConflict { detail }
            | StorageError::NotSerializable { detail }
            | StorageError::Deadlock { detail } => out.0.detail = Some(detail),
            StorageError::NodeHasRelationships { .. } => {
                out = out.cypher("ConstraintVerificationFailed", "runtime", "DeleteConnectedNode");
            }
            StorageError::NodeNotFound(_) | StorageError::RelationshipNotFound(_) => {
                out = out.cypher("EntityNotFound", "runtime", "DeletedEntityAccess");
            }
            StorageError::SnapshotTooOld => {
                out.0.hint = Some("max_snapshot_age limits how long one snapshot may be read".to_owned());
            }
            StorageError::OutOfLocks => {
                out.0.detail = Some("the transaction holds as many row locks as one transaction can".to_owned());
                out.0.hint = Some("commit in smaller parts, or use LOCK TABLE first".to_owned());
            }
            StorageError::DiskFull(_) => out.0.hint = Some("free some space, then try again".to_owned()),
            StorageError::Io(_) | StorageError::CommitUnknown(_) => {
                out.0.hint = Some(
                    "reads go on; remove the cause and restart the server: no acknowledged commit is lost".to_owned(),
                );
            }
            _ => {}
        }
        out
    }
}
