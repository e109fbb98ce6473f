//! One test binary for the whole product.

mod agents;
mod backup;
mod concurrency;
mod crash;
mod foreign_keys;
mod golden;
mod http;
mod locks;
mod messages;
mod snb;
mod wire;
