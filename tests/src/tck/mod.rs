//! A strict runner of the openCypher TCK.

pub mod gherkin;
pub mod notation;
pub mod procedure;
pub mod runner;
