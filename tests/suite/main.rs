//! One test binary for the whole product.

mod agents;
mod backup;
mod concurrency;
mod copy;
mod crash;
mod cursors;
mod foreign_keys;
mod golden;
mod locks;
mod messages;
mod sessions;
mod snb;
mod wire;
