//! CREATE, ALTER and DROP of models, tools, memories, agents and secrets: text to definitions.

mod cursor;
mod parser;

pub use parser::{Action, Statement, claims, parse};
