//! The embeddable database: Database, Session, statement routing.
