//! One test binary for the whole product.

mod agents;
mod backup;
mod concurrency;
mod copy;
mod crash;
mod cursors;
mod definitions;
mod driver;
mod foreign_keys;
mod golden;
mod history;
mod http;
mod import_export;
mod isolation;
mod locks;
mod messages;
mod notifications;
mod operation;
mod parallel;
mod protocol;
mod random_sql;
mod sessions;
mod snb;
mod spilling;
mod waiting;
mod wire;
