//! `WITH (…)` of tables. The store fills its pages itself, so the one parameter that is taken, `fillfactor`, is checked and
//! changes nothing.

use sqlparser::ast::{CreateTableOptions, Spanned, SqlOption};

use super::super::Binder;
use super::super::names::fold;
use crate::error::{QueryError, Result, sqlstate};

impl Binder<'_> {
    /// 22023 for an unknown parameter or a bad value, 0A000 for those of PostgreSQL's that we lack.
    pub(super) fn check_storage_parameters(&self, options: &CreateTableOptions) -> Result<()> {
        let options = match options {
            CreateTableOptions::None => return Ok(()),
            CreateTableOptions::With(options) => options,
            CreateTableOptions::Options(_) | CreateTableOptions::Plain(_) | CreateTableOptions::TableProperties(_) => {
                return Err(QueryError::unsupported("these options of CREATE TABLE"));
            }
        };
        for option in options {
            let SqlOption::KeyValue { key, value } = option else {
                return Err(QueryError::unsupported(format!("storage parameter {option}")));
            };
            let name = fold(key);
            match name.as_str() {
                "fillfactor" => {
                    let text = super::super::explain::word(value);
                    let number: f64 = text.parse().map_err(|_| {
                        let message = format!("invalid value for integer option \"fillfactor\": {text}");
                        QueryError::new(sqlstate::INVALID_PARAMETER_VALUE, message).at(self.at(value.span()))
                    })?;
                    if !(10.0..=100.0).contains(&number) {
                        let message = format!("value {text} out of bounds for option \"fillfactor\"");
                        return Err(QueryError::new(sqlstate::INVALID_PARAMETER_VALUE, message)
                            .detail("Valid values are between \"10\" and \"100\"."));
                    }
                }
                known if known.starts_with("autovacuum_") || KNOWN.contains(&known) => {
                    return Err(self.unsupported(format_args!("storage parameter \"{name}\""), key.span));
                }
                _ => {
                    return Err(QueryError::new(
                        sqlstate::INVALID_PARAMETER_VALUE,
                        format!("unrecognized parameter \"{name}\""),
                    ));
                }
            }
        }
        Ok(())
    }
}

/// PostgreSQL's other parameters.
const KNOWN: &[&str] = &[
    "log_autovacuum_min_duration",
    "oids",
    "parallel_workers",
    "toast_tuple_target",
    "user_catalog_table",
    "vacuum_index_cleanup",
    "vacuum_truncate",
];
