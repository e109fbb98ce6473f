//! Helpers of the product's tests: golden scripts, interleaved sessions, histories, a server to start and kill, the crash
//! rig, the social-network data set, the TCK.

pub mod crash;
pub mod golden;
pub mod history;
pub mod isolation;
pub mod openai_mock;
pub mod server;
pub mod snb;
