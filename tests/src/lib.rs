//! Helpers of the product's tests: golden scripts, interleaved sessions, histories, a server to start and kill, the crash
//! rig, the social-network data set, the TCK, PostgreSQL to compare with.

pub mod compare;
pub mod crash;
pub mod fuzz;
pub mod golden;
pub mod history;
pub mod isolation;
pub mod openai_mock;
pub mod postgres;
pub mod protocol;
pub mod random_cypher;
pub mod random_sql;
pub mod raw_client;
pub mod server;
pub mod snb;
pub mod tck;
