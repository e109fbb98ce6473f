//! Which settings there are.

use super::{Check, Setting};

const fn setting(
    name: &'static str,
    default: &'static str,
    check: Check,
    reported: bool,
    description: &'static str,
) -> Setting {
    Setting { name, default, check, reported, description }
}

/// A setting that clients send, of which one value only is true here.
const fn only(name: &'static str, value: &'static [&'static str; 1], description: &'static str) -> Setting {
    setting(name, value[0], Check::OneOf(value), false, description)
}

/// A setting that clients send, of which either value is as good: what it governs does not exist here.
const fn moot(name: &'static str, default: &'static str, description: &'static str) -> Setting {
    setting(name, default, Check::Bool, false, description)
}

const ISOLATION_LEVELS: Check =
    Check::OneOf(&["read uncommitted", "read committed", "repeatable read", "serializable"]);

/// Every setting that exists, in name order as SHOW ALL prints them.
pub static SETTINGS: &[Setting] = &[
    setting("application_name", "", Check::Any, true, "name of the client application"),
    only("array_nulls", &["on"], "NULL in an array's text is a null"),
    only("backslash_quote", &["safe_encoding"], "whether \\' is allowed in E'…'"),
    setting("block_size", "8192", Check::ReadOnly, false, "size of a disk block that clients may assume"),
    setting("bytea_output", "hex", Check::OneOf(&["escape", "hex"]), false, "output format of bytea"),
    moot("check_function_bodies", "on", "there are no functions with bodies"),
    setting("client_encoding", "UTF8", Check::OneOf(&["UTF8", "UTF-8", "UNICODE"]), true, "encoding of the client"),
    setting(
        "client_min_messages",
        "notice",
        Check::OneOf(&["debug5", "debug4", "debug3", "debug2", "debug1", "log", "notice", "warning", "error"]),
        false,
        "least severe message sent to the client",
    ),
    setting("data_directory", "", Check::ReadOnly, false, "where the database is"),
    setting(
        "DateStyle",
        "ISO, MDY",
        Check::OneOf(&["ISO, MDY", "ISO", "ISO,MDY", "MDY", "US", "NonEuro", "NonEuropean"]),
        true,
        "output format of dates",
    ),
    setting(
        "deadlock_timeout",
        "1ms",
        Check::ReadOnly,
        false,
        "deadlocks are looked for as soon as a wait begins: there is nothing to set",
    ),
    only("default_table_access_method", &["heap"], "how tables are stored"),
    only("default_tablespace", &[""], "there are no tablespaces"),
    setting("default_transaction_deferrable", "off", Check::Bool, false, "accepted for compatibility"),
    setting(
        "default_transaction_isolation",
        "read committed",
        ISOLATION_LEVELS,
        false,
        "isolation level of new transactions",
    ),
    setting("default_transaction_read_only", "off", Check::Bool, true, "new transactions refuse writes"),
    moot("escape_string_warning", "on", "no literal here reads backslashes without saying so"),
    setting("extra_float_digits", "1", Check::Int { min: 1, max: 3 }, false, "floats are printed shortest and exact"),
    setting(
        "hash_mem_multiplier",
        "2",
        Check::Real { min: 1.0, max: 1000.0 },
        false,
        "how many times work_mem a hash table may take",
    ),
    setting("hnsw.ef_search", "40", Check::Int { min: 1, max: 1000 }, false, "candidates kept by a vector search"),
    setting(
        "idle_in_transaction_session_timeout",
        "0",
        Check::DurationMs,
        false,
        "ends a connection that is silent in a transaction; 0 is off",
    ),
    setting(
        "idle_session_timeout",
        "0",
        Check::DurationMs,
        false,
        "ends a connection that is silent outside a transaction; 0 is off",
    ),
    setting("in_hot_standby", "off", Check::ReadOnly, true, "always off"),
    setting("integer_datetimes", "on", Check::ReadOnly, true, "always on"),
    setting(
        "IntervalStyle",
        "postgres",
        Check::OneOf(&["postgres", "postgres_verbose", "sql_standard", "iso_8601"]),
        true,
        "output format of intervals",
    ),
    setting("is_superuser", "on", Check::ReadOnly, true, "whether the session's user is a superuser"),
    only("jit", &["off"], "expressions are not compiled to machine code"),
    setting("lc_collate", "C", Check::ReadOnly, false, "collation of the database"),
    setting("lc_ctype", "C", Check::ReadOnly, false, "character classes of the database"),
    only("lc_messages", &["C"], "language of messages"),
    only("lc_monetary", &["C"], "format of amounts of money"),
    only("lc_numeric", &["C"], "format of numbers"),
    only("lc_time", &["C"], "format of dates and times"),
    setting("listen_addresses", "", Check::ReadOnly, false, "address the server listens on"),
    setting("lock_timeout", "0", Check::DurationMs, false, "longest wait for one lock; 0 is off"),
    setting("max_connections", "0", Check::ReadOnly, false, "sessions that may be connected at once; 0 is any number"),
    setting("max_function_args", "100", Check::ReadOnly, false, "arguments of a function"),
    setting("max_identifier_length", "63", Check::ReadOnly, false, "bytes of an identifier"),
    setting("max_index_keys", "32", Check::ReadOnly, false, "columns of an index"),
    setting(
        "max_parallel_workers_per_gather",
        "2",
        Check::Int { min: 0, max: 1024 },
        false,
        "threads that help to read one large table; at most one less than the machine has cores",
    ),
    setting("max_prepared_transactions", "0", Check::ReadOnly, false, "there is no two-phase commit"),
    setting("password_encryption", "scram-sha-256", Check::ReadOnly, false, "there are no passwords"),
    setting("pg_stat_statements.max", "5000", Check::ReadOnly, false, "statements that pg_stat_statements keeps"),
    setting(
        "pg_stat_statements.track",
        "top",
        Check::OneOf(&["none", "top", "all"]),
        false,
        "statements that pg_stat_statements counts; those inside of others never",
    ),
    setting("port", "0", Check::ReadOnly, false, "port the server listens on"),
    only("quote_all_identifiers", &["off"], "identifiers are quoted only where they must be"),
    setting("role", "none", Check::User, false, "the current role; the session's user is the only one"),
    moot("row_security", "on", "there are no row security policies"),
    setting("search_path", "public, sinew", Check::Any, false, "schemas searched for unqualified names"),
    setting("server_encoding", "UTF8", Check::ReadOnly, true, "encoding of the database"),
    setting("server_version", "15.0", Check::ReadOnly, true, "version of PostgreSQL whose behaviour is followed"),
    setting("server_version_num", "150000", Check::ReadOnly, false, "the same as a number"),
    setting("session_authorization", "", Check::User, true, "the session's user"),
    only("session_replication_role", &["origin"], "foreign keys are always checked"),
    setting("shared_preload_libraries", "", Check::ReadOnly, false, "always empty"),
    setting("sinew.optimizer", "on", Check::Bool, false, "off runs plans as they were bound"),
    setting("sinew.progress", "off", Check::OneOf(&["off", "notice"]), false, "agent runs report steps as notices"),
    setting("ssl", "off", Check::ReadOnly, false, "connections are not encrypted"),
    setting("standard_conforming_strings", "on", Check::OneOf(&["on"]), true, "backslashes are literal in '…'"),
    setting("statement_timeout", "0", Check::DurationMs, false, "longest run of one statement; 0 is off"),
    setting("superuser_reserved_connections", "0", Check::ReadOnly, false, "no connections are kept back"),
    only("synchronize_seqscans", &["off"], "every scan begins at a table's start"),
    setting(
        "synchronous_commit",
        "on",
        Check::SwitchOr(&["local", "remote_write", "remote_apply"]),
        false,
        "commits are acknowledged when durable; off: when visible, durable within a fraction of a second",
    ),
    setting("temp_file_limit", "-1", Check::SizeKb, false, "most temporary files of one statement; -1 is no limit"),
    only("temp_tablespaces", &[""], "there are no tablespaces"),
    setting("TimeZone", "UTC", Check::TimeZone, true, "time zone of timestamps with time zone"),
    setting("transaction_deferrable", "off", Check::Bool, false, "accepted for compatibility"),
    setting(
        "transaction_isolation",
        "read committed",
        ISOLATION_LEVELS,
        false,
        "isolation level of the current transaction",
    ),
    setting("transaction_read_only", "off", Check::Bool, false, "the current transaction refuses writes"),
    only("transform_null_equals", &["off"], "x = NULL is NULL"),
    setting("wal_level", "replica", Check::ReadOnly, false, "every commit is logged"),
    setting("work_mem", "65536", Check::SizeKb, false, "memory of one sort or join before it uses temporary files"),
    only("xmlbinary", &["base64"], "there is no type xml"),
    setting("xmloption", "content", Check::OneOf(&["content", "document"]), false, "there is no type xml"),
];
