//! Values, SQL and Cypher front ends, one algebra, optimizer and executor.
