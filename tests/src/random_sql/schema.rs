//! The tables that random statements are about.

use super::values::{Type, value};
use crate::crash::random::Random;

/// A table, with a primary key `id` that counts its rows from 1.
#[derive(Clone, Debug)]
pub struct Table {
    pub name: String,
    /// `id` is the first one.
    pub columns: Vec<(String, Type)>,
}

/// Some tables and the statements that make and fill them.
pub struct Schema {
    pub tables: Vec<Table>,
    pub statements: Vec<String>,
}

/// Rows of the largest table.
const ROW_LIMIT: i64 = 40;

/// Tables `PREFIX1…` with random columns, indexes and rows.
pub fn generate(random: &mut Random, prefix: &str) -> Schema {
    let mut schema = Schema { tables: Vec::new(), statements: Vec::new() };
    for number in 1..=random.between(2, 4) {
        let name = format!("{prefix}{number}");
        let mut columns = vec![("id".to_owned(), Type::Int4)];
        // Every table has something to join by.
        columns.push(("c1".to_owned(), Type::Int4));
        columns.push(("c2".to_owned(), Type::Text));
        for column in 3..=random.between(4, 8) {
            columns.push((format!("c{column}"), Type::random(random)));
        }
        let defined: Vec<String> = columns.iter().map(|(name, ty)| format!("{name} {}", ty.name())).collect();
        schema.statements.push(format!("CREATE TABLE {name} ({}, PRIMARY KEY (id))", defined.join(", ")));
        let rows = if random.percent(10) { 0 } else { random.between(1, ROW_LIMIT) };
        for id in 1..=rows {
            let values: Vec<String> = columns
                .iter()
                .enumerate()
                .map(|(index, (_, ty))| match index {
                    0 => id.to_string(),
                    _ if random.percent(15) => "NULL".to_owned(),
                    _ => format!("'{}'", value(random, *ty).replace('\'', "''")),
                })
                .collect();
            schema.statements.push(format!("INSERT INTO {name} VALUES ({})", values.join(", ")));
        }
        for (column, ty) in columns.iter().skip(1) {
            let is_indexed = !matches!(ty, Type::Jsonb | Type::IntArray | Type::TextArray) && random.percent(30);
            if is_indexed {
                schema.statements.push(format!("CREATE INDEX ON {name} ({column})"));
            }
        }
        schema.tables.push(Table { name, columns });
    }
    schema
}
