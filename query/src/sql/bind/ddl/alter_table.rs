//! ALTER TABLE.

use std::sync::Arc;

use sinew_storage::catalog::{ConstraintKind, ForeignKeyDef, IndexTarget, TableDef};
use sinew_storage::ids::RelationId;
use sqlparser::ast::{
    AlterColumnOperation, AlterTableOperation, DropBehavior, Ident, ObjectName, Owner, RenameTableNameKind, Spanned,
    TableConstraint,
};

use super::super::Binder;
use super::super::column_names::with_column_renamed;
use super::super::names::fold;
use super::drop::mentions_word;
use super::foreign_key::{cascade_notice, needed_by_foreign_keys};
use super::{Pending, alter};
use crate::error::{QueryError, Result, sqlstate};
use crate::sql::definition::{AlterAction, RelationChange, RelationKind};
use crate::statement::{ColumnRewrite, Ddl};

/// What one ALTER TABLE has gathered.
pub(super) struct Change {
    pub table: TableDef,
    pub pending: Pending,
    pub validate: Vec<(String, String)>,
    /// Of the table's own, that present rows must satisfy.
    pub validate_foreign_keys: Vec<String>,
    not_null: Vec<String>,
    pub drop_indexes: Vec<RelationId>,
    /// Of other tables, by CASCADE.
    drop_foreign_keys: Vec<(RelationId, String)>,
    pub changed: bool,
    pub notices: Vec<Ddl>,
    pub renames: Vec<Ddl>,
    /// Changes of sequences, to be carried out after the table's own.
    pub sequences: Vec<Ddl>,
    pub rewrites: Vec<ColumnRewrite>,
    /// To be carried out first.
    pub before: Vec<Ddl>,
}

impl Binder<'_> {
    pub(super) fn alter_table(
        &mut self,
        if_exists: bool,
        name: &ObjectName,
        actions: &[AlterAction],
    ) -> Result<Vec<Ddl>> {
        let span = name.span();
        let qualified = self.qualified_name(name)?;
        if if_exists && self.find_relation(&qualified).is_none() {
            let notice = Some(format!("relation \"{qualified}\" does not exist, skipping"));
            return Ok(vec![Ddl::Nothing { tag: "ALTER TABLE", notice }]);
        }
        if let [AlterAction::Parsed(only)] = actions
            && let AlterTableOperation::RenameTable { table_name: RenameTableNameKind::To(new) } = &**only
            && let [sqlparser::ast::ObjectNamePart::Identifier(new)] = new.0.as_slice()
        {
            let change = RelationChange::Rename(new.clone());
            return self.alter_relation(RelationKind::Table, if_exists, name, &change);
        }
        let table = self.target_table(name)?;
        self.refuse_system_table(&table, span)?;
        let mut change = Change {
            table: TableDef::clone(&table),
            pending: Pending::default(),
            validate: Vec::new(),
            validate_foreign_keys: Vec::new(),
            not_null: Vec::new(),
            drop_indexes: Vec::new(),
            drop_foreign_keys: Vec::new(),
            changed: false,
            notices: Vec::new(),
            renames: Vec::new(),
            sequences: Vec::new(),
            rewrites: Vec::new(),
            before: Vec::new(),
        };
        for action in actions {
            match action {
                AlterAction::Parsed(operation) => self.alter_operation(&table, &mut change, operation, span)?,
                AlterAction::AlterConstraint { name, characteristics } => {
                    self.alter_constraint(&mut change, name, characteristics.as_ref())?;
                }
                AlterAction::Unsupported { what, span } => return Err(self.unsupported(what, *span)),
                AlterAction::SetOptions(options) => {
                    for (name, value) in self.checked_options(options)? {
                        change.table.options.retain(|(known, _)| *known != name);
                        change.table.options.push((name, value));
                    }
                    change.changed = true;
                }
                AlterAction::ResetOptions(names) => {
                    let names: Vec<String> = names.iter().map(fold).collect();
                    change.table.options.retain(|(known, _)| !names.contains(known));
                    change.changed = true;
                }
                AlterAction::AddIdentity { column, always, options } => {
                    self.add_identity(&mut change, column, *always, options)?;
                }
                AlterAction::SetIdentity { column, changes } => self.set_identity(&mut change, column, changes)?,
                AlterAction::DropIdentity { column, if_exists } => {
                    self.drop_identity(&mut change, column, *if_exists)?;
                }
            }
        }
        let foreign_keys = self.bind_foreign_keys(&change.table, &change.pending, &change.drop_indexes)?;
        let mut ddl = change.before;
        if !change.drop_foreign_keys.is_empty() {
            ddl.push(Ddl::DropForeignKeys { keys: change.drop_foreign_keys, tag: "ALTER TABLE" });
        }
        if change.changed {
            let mut altered = alter(change.table);
            if let Ddl::AlterTable { validate, not_null, add_indexes, drop_indexes, add_sequences, rewrites, .. } =
                &mut altered
            {
                *rewrites = change.rewrites;
                *add_sequences = change.pending.sequences;
                *validate = change.validate;
                *not_null = change.not_null;
                *add_indexes = change.pending.indexes;
                *drop_indexes = change.drop_indexes;
            }
            ddl.push(altered);
        }
        for name in change.validate_foreign_keys {
            ddl.push(Ddl::ValidateForeignKey { table: table.id, name });
        }
        if !foreign_keys.is_empty() {
            ddl.push(Ddl::AddForeignKeys { table: table.id, keys: foreign_keys });
        }
        ddl.extend(change.sequences);
        ddl.extend(change.renames);
        ddl.extend(change.notices);
        if ddl.is_empty() {
            ddl.push(Ddl::Nothing { tag: "ALTER TABLE", notice: None });
        }
        Ok(ddl)
    }

    fn alter_operation(
        &mut self,
        table: &Arc<TableDef>,
        change: &mut Change,
        operation: &AlterTableOperation,
        span: sqlparser::tokenizer::Span,
    ) -> Result<()> {
        match operation {
            AlterTableOperation::AddColumn { if_not_exists, column_def, column_position, .. } => {
                if column_position.is_some() {
                    return Err(self.unsupported("FIRST and AFTER in ADD COLUMN", span));
                }
                let name = fold(&column_def.name);
                if *if_not_exists && change.table.column_position(&name).is_some() {
                    let notice = Some(format!(
                        "column \"{name}\" of relation \"{}\" already exists, skipping",
                        change.table.name
                    ));
                    change.notices.push(Ddl::Nothing { tag: "ALTER TABLE", notice });
                    return Ok(());
                }
                let checks = change.table.checks.len();
                self.add_column(&mut change.table, column_def, &mut change.pending)?;
                self.add_column_constraints(&mut change.table, column_def, &mut change.pending)?;
                for index in &mut change.pending.indexes {
                    if let IndexTarget::Table { table: owner, .. } = &mut index.target {
                        *owner = table.id;
                    }
                }
                let added = change.table.columns.last().map(|column| (column.not_null, column.name.clone()));
                if let Some((true, name)) = added {
                    change.not_null.push(name);
                }
                let new_checks = change.table.checks[checks..].iter();
                change.validate.extend(new_checks.map(|check| (check.name.clone(), check.expression.clone())));
                change.changed = true;
            }
            AlterTableOperation::DropColumn { column_names, if_exists, drop_behavior, .. } => {
                for column in column_names {
                    self.drop_column(table, change, column, *if_exists, drop_behavior.as_ref())?;
                }
            }
            AlterTableOperation::RenameColumn { old_column_name, new_column_name } => {
                self.rename_column(table, change, old_column_name, new_column_name)?;
            }
            AlterTableOperation::RenameTable { table_name } => {
                let RenameTableNameKind::To(name) = table_name else {
                    return Err(QueryError::syntax("RENAME needs TO", self.at(span)));
                };
                let new = self.qualified_name(name)?;
                if new.schema.is_some() {
                    return Err(QueryError::syntax("RENAME TO takes an unqualified name", self.at(name.span())));
                }
                if self.catalog.relation_id(&table.schema, &new.name).is_some() {
                    return Err(QueryError::new(
                        sqlstate::DUPLICATE_TABLE,
                        format!("relation \"{}\" already exists", new.name),
                    )
                    .at(self.at(name.span())));
                }
                self.refuse_view_readers(table, &table.name, "rename", "table")?;
                change.renames.push(Ddl::RenameTable { id: table.id, new_name: new.name });
            }
            AlterTableOperation::AlterColumn { column_name, op } => {
                self.alter_column(table, change, column_name, op)?;
            }
            AlterTableOperation::AddConstraint { constraint, not_valid } => {
                if *not_valid {
                    self.refuse_not_valid(constraint)?;
                }
                let (checks, foreign_keys) = (change.table.checks.len(), change.pending.foreign_keys.len());
                let nullable: Vec<String> = change
                    .table
                    .columns
                    .iter()
                    .filter(|column| !column.not_null)
                    .map(|column| column.name.clone())
                    .collect();
                match constraint {
                    TableConstraint::PrimaryKeyUsingIndex(key) => {
                        self.key_using_index(change, key, ConstraintKind::PrimaryKey)?;
                    }
                    TableConstraint::UniqueUsingIndex(key) => {
                        self.key_using_index(change, key, ConstraintKind::Unique)?;
                    }
                    constraint => self.add_constraint(&mut change.table, constraint, &mut change.pending, table.id)?,
                }
                for key in &mut change.pending.foreign_keys[foreign_keys..] {
                    key.not_valid = *not_valid;
                }
                for check in &mut change.table.checks[checks..] {
                    check.not_valid = *not_valid;
                    if !*not_valid {
                        change.validate.push((check.name.clone(), check.expression.clone()));
                    }
                }
                for column in &change.table.columns {
                    if column.not_null && nullable.contains(&column.name) {
                        change.not_null.push(column.name.clone());
                    }
                }
                // A foreign key changes nothing here: it is added by itself.
                change.changed |= !matches!(constraint, TableConstraint::ForeignKey(_));
            }
            AlterTableOperation::DropConstraint { if_exists, name, drop_behavior } => {
                let cascade = matches!(drop_behavior, Some(DropBehavior::Cascade));
                self.drop_constraint(table, change, name, *if_exists, cascade)?;
            }
            AlterTableOperation::RenameConstraint { old_name, new_name } => {
                self.rename_constraint(change, old_name, new_name)?;
            }
            AlterTableOperation::ValidateConstraint { name } => self.validate_constraint(change, name)?,
            AlterTableOperation::OwnerTo { new_owner } => match new_owner {
                Owner::Ident(owner) => self.check_owner(owner)?,
                Owner::CurrentRole | Owner::CurrentUser | Owner::SessionUser => {}
            },
            other => {
                let text = other.to_string();
                let words: Vec<&str> = text.split_whitespace().take(3).collect();
                return Err(self.unsupported(format_args!("ALTER TABLE … {}", words.join(" ")), span));
            }
        }
        Ok(())
    }

    /// Views are kept as text: what they name must stay.
    fn refuse_view_readers(&self, table: &TableDef, name: &str, what: &str, kind: &str) -> Result<()> {
        let reader = self.catalog.stored_queries().find(|view| {
            mentions_word(view.query, &table.name) && (kind == "table" || mentions_word(view.query, name))
        });
        match reader {
            None => Ok(()),
            Some(view) => Err(QueryError::new(
                sqlstate::DEPENDENT_OBJECTS_STILL_EXIST,
                format!("cannot {what} {kind} {name} because other objects depend on it"),
            )
            .detail(format!("{} {} depends on {kind} {name}", view.kind, view.name))
            .hint("Drop the view first.")),
        }
    }

    /// Views follow a column to its new name. 2BP01 for one whose text cannot.
    fn reword_readers(
        &self,
        table: &TableDef,
        change: &mut Change,
        position: usize,
        old: &str,
        new: &str,
    ) -> Result<()> {
        let number = i16::try_from(position + 1).unwrap_or(i16::MAX);
        let readers = self.catalog.stored_queries();
        for view in readers.filter(|view| mentions_word(view.query, &table.name) && mentions_word(view.query, old)) {
            let refused = || {
                let message = format!("cannot rename column {old} because other objects depend on it");
                QueryError::new(sqlstate::DEPENDENT_OBJECTS_STILL_EXIST, message)
                    .detail(format!("{} {} depends on column {old}", view.kind, view.name))
                    .hint("Drop the view first.")
            };
            // A column that this statement has added or dropped numbers the others anew.
            let is_same = change.table.columns.len() == table.columns.len() && change.sequences.is_empty();
            let known = table.columns.get(position).is_some_and(|column| column.name == old);
            if !is_same || !known {
                return Err(refused());
            }
            let column = (table.id.0, number);
            let reworded = with_column_renamed(self.context, view.query, column, old, new)?.ok_or_else(refused)?;
            change.renames.push(Ddl::RewordView { view: view.id, reworded, refused: refused() });
        }
        Ok(())
    }

    fn drop_column(
        &mut self,
        table: &Arc<TableDef>,
        change: &mut Change,
        column: &Ident,
        if_exists: bool,
        behaviour: Option<&DropBehavior>,
    ) -> Result<()> {
        let name = fold(column);
        let Some(position) = change.table.column_position(&name) else {
            if if_exists {
                let notice =
                    Some(format!("column \"{name}\" of relation \"{}\" does not exist, skipping", change.table.name));
                change.notices.push(Ddl::Nothing { tag: "ALTER TABLE", notice });
                return Ok(());
            }
            return self.table_column(&change.table, column).map(|_| ());
        };
        self.refuse_view_readers(table, &name, "drop", "column")?;
        let id = change.table.columns[position].id;
        // Indexes and constraints over the column go with it, as in PostgreSQL (several-column ones too).
        for index in self.catalog.indexes_of(table.id) {
            if index.needs_column(id) && !change.drop_indexes.contains(&index.id) {
                change.drop_indexes.push(index.id);
            }
        }
        let reading: Vec<String> = change
            .table
            .checks
            .iter()
            .filter(|check| mentions_word(&check.expression, &name))
            .map(|check| check.name.clone())
            .collect();
        let several = change.table.checks.iter().any(|check| {
            reading.contains(&check.name)
                && change
                    .table
                    .columns
                    .iter()
                    .any(|other| other.name != name && mentions_word(&check.expression, &other.name))
        });
        if several && !matches!(behaviour, Some(DropBehavior::Cascade)) {
            return Err(QueryError::new(
                sqlstate::DEPENDENT_OBJECTS_STILL_EXIST,
                format!("cannot drop column {name} of table {} because other objects depend on it", change.table.name),
            )
            .detail(format!("constraint {} depends on column {name}", reading.join(", ")))
            .hint("Use DROP ... CASCADE to drop the dependent objects too.")
            .at(self.at(column.span)));
        }
        let cascade = matches!(behaviour, Some(DropBehavior::Cascade));
        // A foreign key goes silently with a column of its own, and not with one that it refers to.
        change.table.foreign_keys.retain(|key| !key.columns.contains(&id));
        let what = format!("column {name} of table {}", change.table.name);
        self.release_references(change, &what, &what, cascade, |key| key.referenced_columns.contains(&id))
            .map_err(|error| error.at(self.at(column.span)))?;
        change.table.checks.retain(|check| !reading.contains(&check.name));
        change.table.columns.remove(position);
        change.changed = true;
        Ok(())
    }

    fn rename_column(&mut self, table: &Arc<TableDef>, change: &mut Change, old: &Ident, new: &Ident) -> Result<()> {
        let position = self.table_column(&change.table, old)?;
        let (old_name, new_name) = (fold(old), fold(new));
        if change.table.column_position(&new_name).is_some() {
            return Err(QueryError::new(
                sqlstate::DUPLICATE_COLUMN,
                format!("column \"{new_name}\" of relation \"{}\" already exists", change.table.name),
            )
            .at(self.at(new.span)));
        }
        self.reword_readers(table, change, position, &old_name, &new_name)?;
        for check in &mut change.table.checks {
            check.expression = rename_word(&check.expression, &old_name, &new_name);
        }
        let id = change.table.columns[position].id;
        for index in self.catalog.indexes_of(change.table.id).iter().filter(|index| index.options.reads.contains(&id)) {
            let mut index = sinew_storage::catalog::IndexDef::clone(index);
            if let IndexTarget::Table { columns, .. } = &mut index.target {
                for expression in columns.iter_mut().filter_map(|column| column.expression.as_mut()) {
                    expression.text = rename_word(&expression.text, &old_name, &new_name);
                }
            }
            if let Some(predicate) = &mut index.options.predicate {
                *predicate = rename_word(predicate, &old_name, &new_name);
            }
            change.renames.push(Ddl::RewordIndex { index });
        }
        change.table.columns[position].name = new_name;
        change.changed = true;
        Ok(())
    }

    fn alter_column(
        &mut self,
        old: &TableDef,
        change: &mut Change,
        column: &Ident,
        op: &AlterColumnOperation,
    ) -> Result<()> {
        let position = self.table_column(&change.table, column)?;
        match op {
            AlterColumnOperation::SetNotNull => {
                let definition = &mut change.table.columns[position];
                if !definition.not_null {
                    definition.not_null = true;
                    change.not_null.push(definition.name.clone());
                    change.changed = true;
                }
            }
            AlterColumnOperation::DropNotNull => {
                let definition = &change.table.columns[position];
                let in_key = self.catalog.primary_key(change.table.id).is_some_and(|index| match &index.target {
                    IndexTarget::Table { columns, .. } => columns.iter().any(|key| key.column == definition.id),
                    _ => false,
                });
                if in_key {
                    return Err(QueryError::new(
                        "42P16",
                        format!("column \"{}\" is in a primary key", definition.name),
                    )
                    .at(self.at(column.span)));
                }
                change.table.columns[position].not_null = false;
                change.changed = true;
            }
            AlterColumnOperation::SetDefault { value } => {
                self.refuse_identity_default(&change.table, position, column, false)?;
                let definition = change.table.columns[position].clone();
                let mut default = self.default_expression(value, &definition.name, &definition.ty)?;
                // Rows older than the column keep reading what they read so far.
                let constant = definition.default.as_ref().and_then(|old| old.constant.clone());
                match &mut default {
                    Some(new) => {
                        new.constant = constant;
                        change.table.columns[position].default = default;
                    }
                    None => change.table.columns[position].drop_default(),
                }
                change.changed = true;
            }
            AlterColumnOperation::DropDefault => {
                self.refuse_identity_default(&change.table, position, column, true)?;
                change.table.columns[position].drop_default();
                change.changed = true;
            }
            AlterColumnOperation::SetDataType { data_type, using, .. } => {
                self.alter_type(old, change, column, data_type, using.as_ref())?;
            }
            AlterColumnOperation::AddGenerated { .. } => {
                return Err(self.unsupported("ALTER COLUMN … ADD GENERATED", column.span));
            }
        }
        Ok(())
    }

    fn drop_constraint(
        &mut self,
        table: &Arc<TableDef>,
        change: &mut Change,
        name: &Ident,
        if_exists: bool,
        cascade: bool,
    ) -> Result<()> {
        let constraint = fold(name);
        let foreign_keys = change.table.foreign_keys.len();
        change.table.foreign_keys.retain(|key| key.name != constraint);
        if change.table.foreign_keys.len() < foreign_keys {
            change.changed = true;
            return Ok(());
        }
        let checks = change.table.checks.len();
        change.table.checks.retain(|check| check.name != constraint);
        if change.table.checks.len() < checks {
            change.changed = true;
            return Ok(());
        }
        let index = self
            .catalog
            .indexes_of(table.id)
            .iter()
            .find(|index| index.constraint.is_some() && index.name == constraint);
        match index {
            Some(index) => {
                let what = format!("constraint {constraint} on table {}", change.table.name);
                let object = format!("index {constraint}");
                self.release_references(change, &what, &object, cascade, |key| key.referenced_index == index.id)
                    .map_err(|error| error.at(self.at(name.span)))?;
                change.drop_indexes.push(index.id);
                change.changed = true;
                Ok(())
            }
            None if if_exists => {
                let notice = Some(format!(
                    "constraint \"{constraint}\" of relation \"{}\" does not exist, skipping",
                    change.table.name
                ));
                change.notices.push(Ddl::Nothing { tag: "ALTER TABLE", notice });
                Ok(())
            }
            None => Err(QueryError::new(
                sqlstate::UNDEFINED_OBJECT,
                format!("constraint \"{constraint}\" of relation \"{}\" does not exist", change.table.name),
            )
            .at(self.at(name.span))),
        }
    }

    /// Drops the foreign keys that need what is being dropped, or refuses (2BP01) without CASCADE.
    fn release_references(
        &self,
        change: &mut Change,
        what: &str,
        object: &str,
        cascade: bool,
        needs: impl Fn(&ForeignKeyDef) -> bool,
    ) -> Result<()> {
        let id = change.table.id;
        let keys = self.referencing_keys(id, |owner, key| {
            let is_dropped = if owner.id == id {
                change.table.foreign_keys.iter().all(|kept| kept.name != key.name)
            } else {
                change.drop_foreign_keys.iter().any(|(table, name)| *table == owner.id && *name == key.name)
            };
            !is_dropped && needs(key)
        });
        if keys.is_empty() {
            return Ok(());
        }
        if !cascade {
            return Err(needed_by_foreign_keys(what, object, &keys));
        }
        for (owner, name) in keys {
            let notice = Some(cascade_notice(&owner, &name));
            change.notices.push(Ddl::Nothing { tag: "ALTER TABLE", notice });
            if owner.id == id {
                change.table.foreign_keys.retain(|key| key.name != name);
                change.changed = true;
            } else {
                change.drop_foreign_keys.push((owner.id, name));
            }
        }
        Ok(())
    }

    fn rename_constraint(&self, change: &mut Change, old: &Ident, new: &Ident) -> Result<()> {
        let (old_name, new_name) = (fold(old), fold(new));
        if self.has_constraint(&change.table, &new_name) {
            return Err(self.constraint_exists(&change.table, &new_name, new.span));
        }
        if let Some(check) = change.table.checks.iter_mut().find(|check| check.name == old_name) {
            check.name = new_name;
            change.changed = true;
            return Ok(());
        }
        if let Some(key) = change.table.foreign_keys.iter_mut().find(|key| key.name == old_name) {
            key.name = new_name;
            change.changed = true;
            return Ok(());
        }
        let index = self
            .catalog
            .indexes_of(change.table.id)
            .iter()
            .find(|index| index.constraint.is_some() && index.name == old_name);
        let Some(index) = index else {
            return Err(QueryError::new(
                sqlstate::UNDEFINED_OBJECT,
                format!("constraint \"{old_name}\" for table \"{}\" does not exist", change.table.name),
            )
            .at(self.at(old.span)));
        };
        if self.catalog.relation_id(&index.schema, &new_name).is_some() {
            return Err(QueryError::new(sqlstate::DUPLICATE_TABLE, format!("relation \"{new_name}\" already exists"))
                .at(self.at(new.span)));
        }
        change.renames.push(Ddl::RenameIndex { id: index.id, new_name });
        Ok(())
    }
}

/// Replaces a name in SQL text, wherever it stands as a word of its own.
fn rename_word(text: &str, old: &str, new: &str) -> String {
    use sqlparser::tokenizer::{Token, Tokenizer};
    let Ok(tokens) = Tokenizer::new(&sqlparser::dialect::PostgreSqlDialect {}, text).tokenize() else {
        return text.to_owned();
    };
    tokens
        .into_iter()
        .map(|token| match &token {
            Token::Word(word)
                if (word.quote_style.is_none() && word.value.to_lowercase() == old)
                    || (word.quote_style.is_some() && word.value == old) =>
            {
                super::super::names::quote_name(new)
            }
            _ => token.to_string(),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn renaming_reaches_names_and_not_strings() {
        assert_eq!(rename_word("a > 0 AND b <> 'a'", "a", "New"), "\"New\" > 0 AND b <> 'a'");
    }
}
