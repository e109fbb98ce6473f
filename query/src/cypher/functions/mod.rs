//! Cypher functions.
