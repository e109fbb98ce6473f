//! DDL: statements become [`Ddl`] values with complete definitions; the engine carries them out.

mod alter_identity;
mod alter_relation;
mod alter_table;
mod alter_type;
mod comment;
mod constraint;
mod create_table;
mod create_table_as;
mod drop;
mod enum_type;
mod extension;
mod foreign_key;
mod index;
mod index_expression;
mod like;
mod materialized_view;
mod schema;
mod sequence;
mod table_options;
mod view;

use sinew_storage::catalog::{IndexDef, TableDef};
use sinew_storage::ids::RelationId;
use sqlparser::ast::Statement;

pub(super) use self::drop::mentions_word;
use self::foreign_key::WrittenForeignKey;
use super::Binder;
use crate::error::{QueryError, Result};
use crate::sql::definition::Definition;
use crate::statement::{BoundStatement, Ddl, NewSequence};

impl Binder<'_> {
    pub fn bind_ddl(mut self, statement: &Statement) -> Result<BoundStatement> {
        let ddl = match statement {
            Statement::CreateSchema { .. } => self.create_schema(statement)?,
            Statement::CreateTable(create) => match &create.query {
                Some(query) => return self.create_table_as(create, query),
                None => self.create_table(create)?,
            },
            Statement::CreateIndex(create) => self.create_index(create)?,
            Statement::CreateView(create) => self.create_view(create)?,
            Statement::Drop { .. } => self.drop_objects(statement)?,
            Statement::Truncate(truncate) => self.truncate(truncate)?,
            Statement::CreateExtension(create) => self.create_extension(create)?,
            Statement::DropExtension(drop) => self.drop_extension(drop)?,
            Statement::CreateType { name, representation } => self.create_type(name, representation.as_ref())?,
            Statement::AlterType(alter) => self.alter_enum(alter)?,
            other => {
                let text = other.to_string();
                let words: Vec<&str> = text.split_whitespace().take(2).collect();
                let name = match words.as_slice() {
                    [first @ ("CREATE" | "ALTER" | "DROP"), second] => format!("{first} {second}"),
                    [first, ..] => (*first).to_owned(),
                    [] => "this statement".to_owned(),
                };
                return Err(QueryError::unsupported(name));
            }
        };
        Ok(BoundStatement::Ddl(ddl))
    }

    /// A statement that is not the parser's.
    pub fn bind_definition(mut self, definition: &Definition) -> Result<BoundStatement> {
        let ddl = match definition {
            Definition::CreateSequence { temporary, if_not_exists, name, options } => {
                self.create_sequence(*temporary, *if_not_exists, name, options)?
            }
            Definition::AlterSequence { if_exists, name, options } => self.alter_sequence(*if_exists, name, options)?,
            Definition::AlterTable { if_exists, name, actions } => self.alter_table(*if_exists, name, actions)?,
            Definition::AlterRelation { kind, if_exists, name, change } => {
                self.alter_relation(*kind, *if_exists, name, change)?
            }
            Definition::AlterSchema { name, change } => self.alter_schema(name, change)?,
            Definition::Comment { object, comment } => self.comment(object, comment.clone())?,
            Definition::Reindex { target, name, concurrently } => {
                self.reindex(*target, name.as_ref(), *concurrently)?
            }
            Definition::CreateMaterializedView { .. } => return self.materialized_view(definition),
            Definition::RefreshMaterializedView { name, concurrently, with_data } => {
                self.refresh_materialized(name, *concurrently, *with_data)?
            }
        };
        Ok(BoundStatement::Ddl(ddl))
    }

    /// A free relation name, numbered when taken, as PostgreSQL's ChooseRelationName: `t_a_idx`, `t_a_idx1`.
    pub fn free_relation_name(&self, schema: &str, parts: &[&str], suffix: &str, taken: &[String]) -> String {
        let mut number = 0usize;
        loop {
            let tail = if number == 0 { suffix.to_owned() } else { format!("{suffix}{number}") };
            let name = object_name(parts, &tail);
            let used = self.catalog.relation_id(schema, &name).is_some() || taken.contains(&name);
            if !used {
                return name;
            }
            number += 1;
        }
    }
}

/// `part_part_suffix`, with the parts cut so that the name fits 63 bytes.
fn object_name(parts: &[&str], suffix: &str) -> String {
    let mut parts: Vec<String> = parts.iter().map(|part| (*part).to_owned()).collect();
    let room = 63usize.saturating_sub(suffix.len() + 1);
    while parts.iter().map(String::len).sum::<usize>() + parts.len().saturating_sub(1) > room {
        let Some(longest) = parts.iter_mut().max_by_key(|part| part.len()) else { break };
        if longest.pop().is_none() {
            break;
        }
    }
    format!("{}_{suffix}", parts.join("_"))
}

/// Placeholder id of definitions that the engine gives an id when it carries them out.
fn unassigned() -> RelationId {
    RelationId(0)
}

/// Indexes and foreign keys of one statement, which are made when its table is.
#[derive(Default)]
struct Pending {
    indexes: Vec<IndexDef>,
    foreign_keys: Vec<WrittenForeignKey>,
    sequences: Vec<NewSequence>,
}

impl Pending {
    fn names(&self, table: Option<&TableDef>) -> Vec<String> {
        let indexes = self.indexes.iter().map(|index| index.name.clone());
        let sequences = self.sequences.iter().map(|sequence| sequence.def.name.clone());
        indexes.chain(sequences).chain(table.map(|table| table.name.clone())).collect()
    }
}

fn alter(table: TableDef) -> Ddl {
    Ddl::AlterTable {
        table,
        validate: Vec::new(),
        not_null: Vec::new(),
        add_indexes: Vec::new(),
        drop_indexes: Vec::new(),
        add_sequences: Vec::new(),
        rewrites: Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn generated_names_fit_and_keep_their_suffix() {
        assert_eq!(object_name(&["t", "a"], "idx"), "t_a_idx");
        assert_eq!(object_name(&["t"], "pkey"), "t_pkey");
        let long = "x".repeat(70);
        let name = object_name(&[&long, "a"], "key");
        assert!(name.len() <= 63 && name.ends_with("_a_key"), "{name}");
    }
}
