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

#[test]
fn a_conversation_that_a_message_begins_has_its_defaults() {
    let mut session = session();
    say(&mut session, "c1", "Hello.");
    assert_eq!(cells(&mut session, "SELECT metadata, title FROM conversations"), ["{}|NULL"]);
    session.query("UPDATE conversations SET title = 'Greeting'", &[]).unwrap();
    assert_eq!(cells(&mut session, "SELECT conversation_id, title FROM conversations"), ["c1|Greeting"]);
}

#[test]
fn messages_go_with_their_conversation() {
    let mut session = session();
    for conversation in ["a", "a", "b"] {
        say(&mut session, conversation, "The copper wire broke.");
    }
    let refused = session.query("UPDATE messages SET conversation_id = 'nosuch' WHERE conversation_id = 'b'", &[]);
    assert_eq!(refused.unwrap_err().sqlstate(), "23503");
    assert_eq!(session.query("TRUNCATE conversations", &[]).unwrap_err().sqlstate(), "0A000");
    let refused = session.query("ALTER TABLE messages DROP CONSTRAINT messages_conversation_id_fkey", &[]);
    assert_eq!(refused.unwrap_err().sqlstate(), "42501");
    session.query("BEGIN", &[]).unwrap();
    session.query("DELETE FROM conversations WHERE conversation_id = 'a'", &[]).unwrap();
    let found = "SELECT conversation_id FROM search_messages('copper wire', k => 9, mode => 'text')";
    assert_eq!(cells(&mut session, found), ["b"]);
    session.query("COMMIT", &[]).unwrap();
    assert_eq!(cells(&mut session, found), ["b"]);
    assert_eq!(cells(&mut session, "SELECT conversation_id, seq FROM messages"), ["b|1"]);
    // A conversation begun anew does not repeat numbers.
    say(&mut session, "a", "Again.");
    assert_eq!(cells(&mut session, "SELECT seq FROM messages WHERE conversation_id = 'a'"), ["3"]);
    // Another name goes to the messages, and the next number is found under it.
    session.query("UPDATE conversations SET conversation_id = 'c' WHERE conversation_id = 'a'", &[]).unwrap();
    say(&mut session, "c", "And again.");
    assert_eq!(cells(&mut session, "SELECT seq FROM messages WHERE conversation_id = 'c' ORDER BY 1"), ["3", "4"]);
}

#[test]
fn a_message_waits_for_a_conversation_that_is_being_deleted() {
    let database = Database::in_memory().unwrap();
    let (mut first, mut second) = (database.session(), database.session());
    say(&mut first, "a", "one");
    first.query("BEGIN", &[]).unwrap();
    first.query("DELETE FROM conversations", &[]).unwrap();
    let waiting = std::thread::spawn(move || {
        say(&mut second, "a", "two");
        second
    });
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(30);
    let mut watcher = database.session();
    while cells(&mut watcher, "SELECT count(*) FROM pg_locks WHERE NOT granted") == ["0"] {
        assert!(std::time::Instant::now() < deadline, "the second session never waited");
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    first.query("COMMIT", &[]).unwrap();
    let mut second = waiting.join().expect("the message is inserted");
    let joined = "SELECT m.content FROM messages m JOIN conversations c ON c.conversation_id = m.conversation_id";
    assert_eq!(cells(&mut second, joined), ["two"]);
}

/// A directory of a version without the foreign key: messages without a conversation, and one without metadata.
#[test]
fn an_older_directory_gets_the_foreign_key() {
    let directory = tempfile::tempdir().unwrap();
    {
        let database = Database::open(directory.path()).unwrap();
        let mut engine = database.session_for(sinew::INTERNAL_USER);
        engine.query("ALTER TABLE sinew.messages DROP CONSTRAINT messages_conversation_id_fkey", &[]).unwrap();
        say(&mut engine, "orphaned", "Nobody knows me.");
        say(&mut engine, "kept", "I have a place.");
        engine.query("DELETE FROM conversations WHERE conversation_id = 'orphaned'", &[]).unwrap();
        engine.query("ALTER TABLE sinew.conversations ALTER COLUMN metadata DROP NOT NULL", &[]).unwrap();
        engine.query("UPDATE sinew.conversations SET metadata = NULL", &[]).unwrap();
        database.close().unwrap();
    }
    let database = Database::open(directory.path()).unwrap();
    let mut session = database.session();
    assert_eq!(
        cells(&mut session, "SELECT conversation_id, metadata FROM conversations ORDER BY 1"),
        ["kept|{}", "orphaned|{}"]
    );
    session.query("DELETE FROM conversations WHERE conversation_id = 'orphaned'", &[]).unwrap();
    assert_eq!(cells(&mut session, "SELECT conversation_id FROM messages"), ["kept"]);
}
