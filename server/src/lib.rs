//! The sinew binary: Postgres wire, HTTP, metrics, configuration and command line.

pub mod agents;
pub mod cli;
pub mod config;
pub mod context;
pub mod demo;
pub mod http;
pub mod memory;
pub mod metrics;
pub mod pool;
pub mod readiness;
pub mod wire;
