//! The system relations of a new database.

use sinew_query::{QueryError, Result};
use sinew_storage::Isolation;
use sinew_storage::catalog::{
    IndexColumn, IndexDef, IndexKind, IndexTarget, TableBehaviour, TableDef, VectorIndexOptions, VectorMetric,
};

use crate::ddl::set_behaviour;
use crate::{Database, INTERNAL_USER};

/// `updated_at` is the last message's time, so that writing messages never writes the conversation's row.
const UPDATED_AT: &str = "coalesce((SELECT m.created_at FROM sinew.messages m WHERE m.conversation_id = conversations.conversation_id \
     ORDER BY m.seq DESC LIMIT 1), created_at)";

/// Creates what is missing, in one transaction.
pub(crate) fn run(database: &Database) -> Result<()> {
    let passing = database.store().begin(Isolation::ReadCommitted);
    let exists = passing.catalog().table("sinew", "messages").is_some();
    drop(passing);
    if exists {
        return Ok(());
    }
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
                columns: vec![IndexColumn { column: content, descending: false, nulls_first: false }],
            },
            kind,
            constraint: None,
        })?;
    }
    transaction.finish_statement();
    drop(transaction);
    session.query("COMMIT", &[])?;
    Ok(())
}
