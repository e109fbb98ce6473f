//! A context for reading and writing values outside a statement: decoding parameters and COPY data, values as JSON.

use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use sinew::query::ExecContext;
use sinew::{CancelToken, Database, IsolationSetting, Session};

/// Memory such a context may use, in bytes; decoding one value needs far less.
const MEMORY_LIMIT_BYTES: usize = 64 << 20;

/// Settings of the session over a read-only snapshot of its own.
pub fn read_context(database: &Database, session: &Session) -> ExecContext {
    let now_us = now_us();
    ExecContext {
        transaction: Arc::new(database.store().begin(IsolationSetting::ReadCommitted)),
        session: session.context(),
        params: Arc::from([]),
        cancel: CancelToken::default(),
        transaction_time_us: now_us,
        statement_time_us: now_us,
        memory_limit_bytes: MEMORY_LIMIT_BYTES,
        allow_writes: false,
    }
}

/// Microseconds since 1970 UTC.
pub fn now_us() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_micros() as i64)
}
