//! Conversations and messages: completed on insert, found at once, gone with a rollback.

use sinew::{Database, Session, Value};

fn session() -> Session {
    Database::in_memory().expect("an in-memory database opens").session()
}

fn cells(session: &mut Session, text: &str) -> Vec<String> {
    session
        .query_text(text, &[])
        .unwrap_or_else(|error| panic!("{text}: {error}"))
        .into_iter()
        .map(|row| row.into_iter().map(|cell| cell.unwrap_or_else(|| "NULL".to_owned())).collect::<Vec<_>>().join("|"))
        .collect()
}

fn say(session: &mut Session, conversation: &str, content: &str) {
    session
        .query(
            "INSERT INTO messages (conversation_id, role, content) VALUES ($1, 'user', $2)",
            &[conversation.into(), content.into()],
        )
        .unwrap_or_else(|error| panic!("{error}"));
}

#[test]
fn insert_completes_the_row_and_the_conversation() {
    let mut session = session();
    say(&mut session, "c1", "The gauge reads two metres.");
    say(&mut session, "c1", "It fell overnight.");
    say(&mut session, "c2", "Another matter.");
    assert_eq!(
        cells(
            &mut session,
            "SELECT conversation_id, seq, role, token_count > 0, embedding_pending, message_id IS NOT NULL FROM messages ORDER BY 1, 2"
        ),
        ["c1|1|user|t|f|t", "c1|2|user|t|f|t", "c2|1|user|t|f|t"]
    );
    assert_eq!(
        cells(
            &mut session,
            "SELECT c.conversation_id, c.updated_at = (SELECT max(created_at) FROM messages m WHERE m.conversation_id = c.conversation_id) \
             FROM conversations c ORDER BY 1"
        ),
        ["c1|t", "c2|t"]
    );
    let error =
        session.query("INSERT INTO messages (conversation_id, role, content) VALUES ('c1', 'nobody', 'x')", &[]);
    assert_eq!(error.unwrap_err().sqlstate(), "23514");
}

#[test]
fn search_sees_the_transaction_and_nothing_after_rollback() {
    let mut session = session();
    for i in 0..50 {
        say(&mut session, "noise", &format!("Routine reading number {i}, nothing unusual."));
    }
    session.query("BEGIN", &[]).unwrap();
    say(&mut session, "find", "The lighthouse keeper left a brass key under the barometer.");
    for mode in ["text", "vector", "hybrid"] {
        let found = cells(
            &mut session,
            &format!(
                "SELECT conversation_id, seq FROM search_messages('brass key barometer', k => 1, mode => '{mode}')"
            ),
        );
        assert_eq!(found, ["find|1"], "{mode}");
    }
    session.query("ROLLBACK", &[]).unwrap();
    for mode in ["text", "hybrid"] {
        let found = cells(
            &mut session,
            &format!(
                "SELECT conversation_id FROM search_messages('brass key barometer', k => 5, mode => '{mode}') WHERE conversation_id = 'find'"
            ),
        );
        assert!(found.is_empty(), "{mode}");
    }
    say(&mut session, "find", "The brass key was found.");
    assert_eq!(
        cells(&mut session, "SELECT conversation_id FROM search_messages('brass key', k => 1, mode => 'text')"),
        ["find"]
    );
    session.query("DELETE FROM messages WHERE conversation_id = 'find'", &[]).unwrap();
    assert!(cells(&mut session, "SELECT 1 FROM search_messages('brass key', k => 5, mode => 'text')").is_empty());
}

#[test]
fn a_search_stays_on_its_snapshot() {
    let database = Database::in_memory().unwrap();
    let mut reader = database.session();
    let mut writer = database.session();
    say(&mut writer, "a", "copper wire");
    reader.query("BEGIN ISOLATION LEVEL REPEATABLE READ", &[]).unwrap();
    let text = "SELECT count(*) FROM search_messages('copper wire', k => 10, mode => 'text')";
    assert_eq!(cells(&mut reader, text), ["1"]);
    say(&mut writer, "a", "more copper wire");
    writer.query("DELETE FROM messages WHERE seq = 1", &[]).unwrap();
    assert_eq!(cells(&mut reader, text), ["1"]);
    assert_eq!(
        cells(&mut reader, "SELECT content FROM search_messages('copper wire', k => 10, mode => 'text')"),
        ["copper wire"]
    );
    reader.query("COMMIT", &[]).unwrap();
    assert_eq!(
        cells(&mut reader, "SELECT content FROM search_messages('copper wire', k => 10, mode => 'text')"),
        ["more copper wire"]
    );
}

#[test]
fn reopening_keeps_rows_graph_and_search() {
    let directory = tempfile::tempdir().unwrap();
    {
        let database = Database::open(directory.path()).unwrap();
        let mut session = database.session();
        say(&mut session, "a", "the zinc anode needs replacing");
        session.query("CREATE (:Part {name: 'anode'})-[:OF]->(:Boat {name: 'Tern'})", &[]).unwrap();
        session.query("CREATE TABLE parts (name text PRIMARY KEY, n numeric(10,2))", &[]).unwrap();
        session.query("INSERT INTO parts VALUES ($1, 1.50)", &[Value::from("anode")]).unwrap();
    }
    let database = Database::open(directory.path()).unwrap();
    let mut session = database.session();
    assert_eq!(
        cells(&mut session, "SELECT content FROM search_messages('zinc', k => 1)"),
        ["the zinc anode needs replacing"]
    );
    assert_eq!(cells(&mut session, "MATCH (p:Part)-[:OF]->(b) RETURN p.name, b.name"), ["anode|Tern"]);
    assert_eq!(cells(&mut session, "SELECT * FROM parts"), ["anode|1.50"]);
    say(&mut session, "a", "done");
    assert_eq!(cells(&mut session, "SELECT seq FROM messages ORDER BY seq"), ["1", "2"]);
}
