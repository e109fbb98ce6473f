//! The PostgreSQL wire protocol, version 3.
//!
//! ```text
//! listener ── accept ──> connection (task) ── a message arrived ──> backend (query pool) ──> session
//!                              │                                       │
//!                   watches the silent client's          reads (inbox) and writes (outbox)
//!                              └──────────────> socket <───────────────┘
//! ```
//!
//! Message types and encoders are pgwire's; the loop, decoding and all rules are here.

mod backend;
mod cancel;
mod connection;
mod copy_in;
mod copy_out;
mod copy_parse;
mod decode;
mod encode;
mod errors;
mod extended;
mod frame;
mod inbox;
mod listener;
mod notify;
mod outbox;
mod portals;
mod simple_query;
mod socket;
mod spin;
mod startup;

pub use cancel::CancelRegistry;
pub use connection::{STOP_GRACE, WireContext};
pub(crate) use copy_parse::{CopyDecoder, Progress as CopyProgress, RawRow};
pub use frame::MESSAGE_LIMIT_BYTES;
pub use listener::{accept, bind};
