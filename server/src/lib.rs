//! The sinew binary: Postgres wire, HTTP, metrics, configuration and command line.
