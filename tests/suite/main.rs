//! One test binary for the whole product.

mod agents;
mod concurrency;
mod crash;
mod golden;
mod history;
mod isolation;
mod messages;
mod snb;
mod wire;
