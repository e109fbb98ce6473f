//! One test binary for the whole product.

mod agents;
mod backup;
mod concurrency;
mod crash;
mod golden;
mod messages;
mod snb;
mod wire;
