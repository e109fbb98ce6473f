//! One test binary for the whole product.

mod crash;
mod golden;
mod messages;
mod snb;
mod wire;
