//! The system relations of a new database, and what earlier versions left out of them.

use sinew_query::{QueryError, Result};
use sinew_storage::catalog::{
    IndexColumn, IndexDef, IndexKind, IndexTarget, TableBehaviour, TableDef, VectorIndexOptions, VectorMetric,
};

use crate::ddl::set_behaviour;
use crate::{Database, INTERNAL_USER};

/// `updated_at` is the last message's time, so that writing messages never writes the conversation's row.
const UPDATED_AT: &str = "coalesce((SELECT m.created_at FROM sinew.messages m WHERE m.conversation_id = conversations.conversation_id \
     ORDER BY m.seq DESC LIMIT 1), created_at)";

/// Earlier versions had no foreign key from messages to conversations, so messages may be left of conversations that are
/// gone; and conversations that a message began had no metadata.
const TIE_MESSAGES: &[&str] = &[
    "UPDATE sinew.conversations SET metadata = '{}' WHERE metadata IS NULL",
    "INSERT INTO sinew.conversations (conversation_id, created_at) \
     SELECT m.conversation_id, min(m.created_at) FROM sinew.messages m \
     WHERE NOT EXISTS (SELECT 1 FROM sinew.conversations c WHERE c.conversation_id = m.conversation_id) \
     GROUP BY m.conversation_id",
    "ALTER TABLE sinew.messages ADD CONSTRAINT messages_conversation_id_fkey FOREIGN KEY (conversation_id) \
     REFERENCES sinew.conversations (conversation_id) ON UPDATE CASCADE ON DELETE CASCADE",
];

/// Creates what is missing, in one transaction.
pub(crate) fn run(database: &Database) -> Result<()> {
    let catalog = database.store().catalog();
    match catalog.table("sinew", "messages") {
        None => create(database),
        Some(messages) if messages.foreign_keys.is_empty() => {
            let mut session = database.session_for(INTERNAL_USER);
            session.query("BEGIN", &[])?;
            for statement in TIE_MESSAGES {
                session.query(statement, &[])?;
            }
            session.query("COMMIT", &[])?;
            Ok(())
        }
        Some(_) => Ok(()),
    }
}

fn create(database: &Database) -> Result<()> {
    let mut session = database.session_for(INTERNAL_USER);
    session.query("BEGIN", &[])?;
    session.query(include_str!("bootstrap.sql"), &[])?;
    let transaction = session
        .current_transaction()
        .ok_or_else(|| QueryError::internal("the bootstrap transaction has ended early"))?;
    transaction.begin_statement()?;
    let catalog = transaction.catalog();
    let conversations = catalog
        .table("sinew", "conversations")
        .ok_or_else(|| QueryError::internal("relation sinew.conversations is missing"))?;
    let mut conversations = TableDef::clone(conversations);
    if let Some(position) = conversations.column_position("updated_at") {
        conversations.columns[position].virtual_expression = Some(UPDATED_AT.to_owned());
    }
    transaction.alter_table(conversations)?;
    set_behaviour(&transaction, "sinew", "messages", TableBehaviour::Messages)?;

    let catalog = transaction.catalog();
    let messages =
        catalog.table("sinew", "messages").ok_or_else(|| QueryError::internal("relation sinew.messages is missing"))?;
    let content = messages
        .column_position("content")
        .map(|position| messages.columns[position].id)
        .ok_or_else(|| QueryError::internal("column messages.content is missing"))?;
    let embedder = database.embedder();
    let kinds = [
        ("messages_content_text", IndexKind::FullText { analyzer: "english".to_owned() }),
        (
            "messages_content_vector",
            IndexKind::Vector(VectorIndexOptions {
                metric: VectorMetric::Cosine,
                dimension_count: embedder.dimension_count(),
                embedder: Some(embedder.name().to_owned()),
                connections: 16,
                construction_width: 64,
            }),
        ),
    ];
    for (name, kind) in kinds {
        transaction.create_index(IndexDef {
            id: transaction.allocate_relation_id()?,
            schema: "sinew".to_owned(),
            name: name.to_owned(),
            target: IndexTarget::Table {
                table: messages.id,
                columns: vec![IndexColumn { column: content, descending: false, nulls_first: false, expression: None }],
            },
            kind,
            constraint: None,
            options: Default::default(),
        })?;
    }
    transaction.finish_statement()?;
    drop(transaction);
    session.query("COMMIT", &[])?;
    Ok(())
}
