//! What clients and tools ask the server itself.

use super::*;

pub(super) fn all() -> Vec<Procedure> {
    let seconds = || Param { name: "timeOutSeconds", ty: DataType::Int8, default: Some(Value::Int(300)) };
    vec![
        Procedure::new(
            "dbms.components",
            "The name, the version and the edition of the server.",
            Vec::new(),
            vec![
                ("name", DataType::Text),
                ("versions", DataType::array_of(DataType::Text)),
                ("edition", DataType::Text),
            ],
            |_, _| {
                let versions = Value::list(vec![Value::text(env!("CARGO_PKG_VERSION"))]);
                Ok(vec![vec![Value::text("Sinew"), versions, Value::text("community")]])
            },
        ),
        Procedure::new(
            "db.info",
            "The id, the name and the creation time of the database.",
            Vec::new(),
            vec![("id", DataType::Text), ("name", DataType::Text), ("creationDate", DataType::Timestamptz)],
            |context, _| {
                let id = uuid::Uuid::from_bytes(context.transaction.store().identity()?.database_uuid);
                // A UUID of version 7 begins with its time.
                let created = id.get_timestamp().and_then(|timestamp| {
                    let (seconds, nanoseconds) = timestamp.to_unix();
                    Some(i64::try_from(seconds).ok()?.checked_mul(1_000_000)? + i64::from(nanoseconds) / 1_000)
                });
                let name = Value::text(context.session.database.as_str());
                Ok(vec![vec![Value::text(id.to_string()), name, created.map_or(Value::Null, Value::Timestamp)]])
            },
        ),
        Procedure::new(
            "db.ping",
            "Whether the database answers: always true.",
            Vec::new(),
            vec![("success", DataType::Bool)],
            |_, _| Ok(vec![vec![Value::Bool(true)]]),
        ),
        Procedure::new(
            "db.awaitIndex",
            "Returns when the index can be used: at once, since an index is whole when it has been created.",
            vec![Param { name: "indexName", ty: DataType::Text, default: None }, seconds()],
            Vec::new(),
            |context, args| {
                let name = args::text(&args[0])?;
                let catalog = context.transaction.catalog();
                let over_graph = |index: &&Arc<IndexDef>| Kind::of(&index.target).is_some();
                if catalog.index("sinew", name).filter(over_graph).is_some() {
                    return Ok(Rows::new());
                }
                let error = QueryError::new(sqlstate::UNDEFINED_OBJECT, format!("index \"{name}\" does not exist"));
                let known = catalog.indexes.values().filter(over_graph).map(|index| index.name.as_str());
                Err(match near_miss(name, known) {
                    Some(near) => error.hint(format!("did you mean \"{near}\"?")),
                    None => error,
                })
            },
        ),
        Procedure::new(
            "db.awaitIndexes",
            "Returns when all indexes can be used: at once, since an index is whole when it has been created.",
            vec![seconds()],
            Vec::new(),
            |_, _| Ok(Rows::new()),
        ),
        Procedure::new(
            "db.index.fulltext.listAvailableAnalyzers",
            "The analyzers that a full-text index can have.",
            Vec::new(),
            vec![("analyzer", DataType::Text), ("description", DataType::Text)],
            |_, _| {
                let row = |(name, description): (&str, &str)| vec![Value::text(name), Value::text(description)];
                Ok(ANALYZERS.iter().copied().map(row).collect())
            },
        ),
    ]
}

const ANALYZERS: &[(&str, &str)] = &[
    ("english", "words without accents in lower case, reduced to their English stems"),
    ("simple", "words without accents in lower case"),
];
