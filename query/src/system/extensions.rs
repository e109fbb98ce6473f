//! What is built in and PostgreSQL has as an extension. None can be left out or added.

pub(crate) use super::pg_catalog::extension_oid;

/// PostgreSQL's oid of `pg_extension`.
pub const PG_EXTENSION: u32 = 3_079;
