//! The logical algebra that both front ends produce and the optimizer rewrites.
//!
//! Columns are named by [`VarId`], unique within a statement, so rewrites never renumber anything; positions appear
//! only when the physical plan is built. A variable that a plan reads but none of its inputs produces is correlated:
//! it comes from the row of an enclosing [`Plan::Apply`], [`Plan::Merge`] or subquery expression.

mod expr;
mod grouping_sets;
mod plan;
mod vars;
pub mod visit;
mod window;

pub use expr::*;
pub use grouping_sets::*;
pub use plan::*;
pub use vars::*;
pub use visit::VarSet;
pub use window::*;
