//! Bytes on disk: order-preserving keys, values and rows.

pub mod key;
mod number;
pub mod row;
mod temporal;
pub mod value;
pub(crate) mod varint;

#[cfg(test)]
mod tests;

pub use key::{compare_values, key_for_values};
