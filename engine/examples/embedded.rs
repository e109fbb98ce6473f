//! Sinew inside a program: history, graph and search on one snapshot, no server.
//!
//! `cargo run --release -p sinew --example embedded [DIRECTORY]`

use sinew::{Database, Value};

fn main() -> sinew::Result<()> {
    let database = match std::env::args().nth(1) {
        Some(directory) => Database::open(directory)?,
        None => Database::in_memory()?,
    };
    let mut session = database.session();

    session.query("BEGIN", &[])?;
    session.query(
        "INSERT INTO messages (conversation_id, role, content) VALUES ($1, 'user', $2)",
        &["logbook".into(), "Mara moved the tide gauge to the north pier.".into()],
    )?;
    session.query_named(
        "MERGE (p:Person {name: $name}) MERGE (t:Thing {name: $thing}) MERGE (p)-[:MOVED]->(t)",
        &[("name", Value::from("Mara")), ("thing", Value::from("tide gauge"))],
    )?;
    // Found already, inside the transaction that wrote it.
    for row in
        session.query_text("SELECT conversation_id, seq, content FROM search_messages('tide gauge', k => 3)", &[])?
    {
        println!("{row:?}");
    }
    session.query("COMMIT", &[])?;

    let rows = session.query_text(
        "SELECT c.person, c.thing, m.content FROM cypher('MATCH (p:Person)-[:MOVED]->(t) RETURN p.name AS person, t.name AS thing') c \
         JOIN messages m ON m.content LIKE '%' || c.thing || '%'",
        &[],
    )?;
    for row in rows {
        println!("{row:?}");
    }
    database.close()
}
