//! What a session's settings say to every statement, read from their texts once per change.

use std::sync::Arc;
use std::time::Duration;

use sinew_query::SessionContext;
use sinew_storage::Isolation;

use crate::transaction::isolation_from_name;

/// Settings that every statement asks for.
#[derive(Clone, Debug)]
pub(crate) struct CurrentSettings {
    version: u64,
    pub statement_timeout: Option<Duration>,
    pub lock_timeout: Option<Duration>,
    pub idle_session_timeout: Option<Duration>,
    pub idle_in_transaction_timeout: Option<Duration>,
    pub asynchronous_commit: bool,
    pub isolation: Isolation,
    pub read_only: bool,
    pub deferrable: bool,
    pub optimize: bool,
    pub search_path: Arc<str>,
}

impl CurrentSettings {
    pub(crate) fn of(context: &SessionContext) -> CurrentSettings {
        // Before the values: a change in between only makes them be read again.
        let version = context.settings.version();
        let values = context.settings.read();
        let text = |name: &str| values.get(name).map_or("", String::as_str);
        let is_on = |name: &str| text(name) == "on";
        let duration = |name: &str| {
            let ms = text(name).parse().unwrap_or(0u64);
            (ms > 0).then(|| Duration::from_millis(ms))
        };
        CurrentSettings {
            version,
            statement_timeout: duration("statement_timeout"),
            lock_timeout: duration("lock_timeout"),
            idle_session_timeout: duration("idle_session_timeout"),
            idle_in_transaction_timeout: duration("idle_in_transaction_session_timeout"),
            asynchronous_commit: text("synchronous_commit") == "off",
            isolation: isolation_from_name(text("default_transaction_isolation")),
            read_only: is_on("default_transaction_read_only"),
            deferrable: is_on("default_transaction_deferrable"),
            optimize: text("sinew.optimizer") != "off",
            search_path: text("search_path").into(),
        }
    }

    /// Still what the settings say.
    pub(crate) fn is_current(&self, context: &SessionContext) -> bool {
        self.version == context.settings.version()
    }
}
