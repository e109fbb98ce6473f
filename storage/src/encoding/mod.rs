//! Bytes on disk: order-preserving keys, values and rows.

pub mod value;
pub(crate) mod varint;
