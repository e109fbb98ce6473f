//! Foreign keys in DDL: adding one to a table with rows, and what dropping and truncating tables does to them.

use sinew_query::statement::AddForeignKey;
use sinew_query::{QueryError, Result, sqlstate};
use sinew_storage::Transaction;
use sinew_storage::catalog::{Catalog, ForeignKeyDef, ForeignKeyMatch, TableDef};
use sinew_storage::ids::{ColumnId, RelationId};

use crate::Session;
use crate::ddl::{missing, quote};

/// Adds a foreign key whose index may just have been made. Present rows are not looked at.
pub(crate) fn add(transaction: &Transaction, table: RelationId, add: AddForeignKey) -> Result<()> {
    let catalog = transaction.catalog();
    let index = catalog.index(&add.schema, &add.index).ok_or_else(|| {
        QueryError::new(sqlstate::UNDEFINED_OBJECT, format!("index \"{}\" does not exist", add.index))
    })?;
    let mut key = add.key;
    key.referenced_index = index.id;
    if key.referenced_table == RelationId(0) {
        key.referenced_table = table;
    }
    transaction.add_foreign_key(table, key)?;
    Ok(())
}

/// 23503 when a present row violates the foreign key.
pub(crate) fn check_rows(
    session: &mut Session,
    transaction: &Transaction,
    table: RelationId,
    name: &str,
) -> Result<()> {
    let catalog = transaction.catalog();
    let referencing = catalog.tables.get(&table).ok_or_else(|| missing(table))?;
    let lost = || QueryError::internal(format!("foreign key {name} has just been added and is missing"));
    let key = referencing.foreign_keys.iter().find(|key| key.name == name).ok_or_else(lost)?;
    let referenced = catalog.tables.get(&key.referenced_table).ok_or_else(|| missing(key.referenced_table))?;
    let columns = column_names(referencing, &key.columns)?;
    let referenced_columns = column_names(referenced, &key.referenced_columns)?;

    let selected: Vec<String> = columns.iter().map(|column| format!("f.{}", quote(column))).collect();
    let any_null: Vec<String> = selected.iter().map(|column| format!("{column} IS NULL")).collect();
    if key.match_type == ForeignKeyMatch::Full && columns.len() > 1 {
        let mixed = format!(
            "SELECT 1 FROM {} f WHERE ({}) AND NOT ({}) LIMIT 1",
            qualified(referencing),
            any_null.join(" OR "),
            any_null.join(" AND ")
        );
        if !session.nested_query(&mixed)?.rows.is_empty() {
            let detail = "MATCH FULL does not allow mixing of null and nonnull key values.".to_owned();
            return Err(violation(referencing, key, detail));
        }
    }
    let pairs: Vec<String> = selected
        .iter()
        .zip(&referenced_columns)
        .map(|(column, other)| format!("p.{} = {column}", quote(other)))
        .collect();
    let orphans = format!(
        "SELECT {} FROM {} f LEFT JOIN {} p ON {} WHERE p.{} IS NULL AND NOT ({}) LIMIT 1",
        selected.join(", "),
        qualified(referencing),
        qualified(referenced),
        pairs.join(" AND "),
        quote(&referenced_columns[0]),
        any_null.join(" OR ")
    );
    let found = session.nested(|session| session.query_text(&orphans, &[]))?;
    let Some(row) = found.into_iter().next() else { return Ok(()) };
    let values: Vec<String> = row.into_iter().map(Option::unwrap_or_default).collect();
    let detail = format!(
        "Key ({})=({}) is not present in table \"{}\".",
        columns.join(", "),
        values.join(", "),
        referenced.name
    );
    Err(violation(referencing, key, detail))
}

/// Drops the foreign keys that hold together tables which are dropped together, and with `cascade` those of other tables.
pub(crate) fn release(transaction: &Transaction, dropped: &[RelationId], cascade: bool) -> Result<()> {
    let catalog = transaction.catalog();
    for table in dropped {
        for (owner, key) in catalog.references_to(*table) {
            if owner.id != *table && (cascade || dropped.contains(&owner.id)) {
                transaction.drop_foreign_key(owner.id, &key.name)?;
            }
        }
    }
    Ok(())
}

/// 0A000 when a table that refers to a truncated one is not truncated too.
pub(crate) fn check_truncated(catalog: &Catalog, truncated: &[RelationId]) -> Result<()> {
    for table in truncated {
        let other = catalog.references_to(*table).find(|(owner, _)| !truncated.contains(&owner.id));
        if let (Some((owner, _)), Some(table)) = (other, catalog.tables.get(table)) {
            return Err(QueryError::new(
                sqlstate::FEATURE_NOT_SUPPORTED,
                "cannot truncate a table referenced in a foreign key constraint",
            )
            .detail(format!("Table \"{}\" references \"{}\".", owner.name, table.name))
            .hint(format!("Truncate table \"{}\" at the same time, or use TRUNCATE ... CASCADE.", owner.name)));
        }
    }
    Ok(())
}

fn violation(referencing: &TableDef, key: &ForeignKeyDef, detail: String) -> QueryError {
    let mut error = QueryError::new(
        sqlstate::FOREIGN_KEY_VIOLATION,
        format!("insert or update on table \"{}\" violates foreign key constraint \"{}\"", referencing.name, key.name),
    )
    .detail(detail);
    error.0.schema = Some(referencing.schema.clone());
    error.0.table = Some(referencing.name.clone());
    error.0.constraint = Some(key.name.clone());
    error
}

fn column_names(table: &TableDef, ids: &[ColumnId]) -> Result<Vec<String>> {
    ids.iter()
        .map(|id| {
            table
                .position_of(*id)
                .map(|position| table.columns[position].name.clone())
                .ok_or_else(|| QueryError::internal(format!("table {} has lost column {id}", table.name)))
        })
        .collect()
}

fn qualified(table: &TableDef) -> String {
    format!("{}.{}", quote(&table.schema), quote(&table.name))
}
