//! ALTER TABLE: NOT VALID and VALIDATE CONSTRAINT, ALTER CONSTRAINT, keys over an index that exists.

use sinew_storage::catalog::{ConstraintKind, IndexDef, IndexKind, IndexTarget};
use sqlparser::ast::{ConstraintCharacteristics, ConstraintUsingIndex, Ident, Spanned, TableConstraint};

use super::super::Binder;
use super::super::names::fold;
use super::alter_table::Change;
use crate::error::{QueryError, Result, sqlstate};
use crate::statement::Ddl;

impl Binder<'_> {
    /// 0A000 for constraints that NOT VALID cannot be said of.
    pub(super) fn refuse_not_valid(&self, constraint: &TableConstraint) -> Result<()> {
        let kind = match constraint {
            TableConstraint::PrimaryKey(_) | TableConstraint::PrimaryKeyUsingIndex(_) => "PRIMARY KEY",
            TableConstraint::Unique(_) | TableConstraint::UniqueUsingIndex(_) => "UNIQUE",
            _ => return Ok(()),
        };
        Err(QueryError::unsupported_as(format!("{kind} constraints cannot be marked NOT VALID"))
            .at(self.at(constraint.span())))
    }

    pub(super) fn validate_constraint(&self, change: &mut Change, name: &Ident) -> Result<()> {
        let constraint = fold(name);
        if let Some(check) = change.table.checks.iter_mut().find(|check| check.name == constraint) {
            if std::mem::take(&mut check.not_valid) {
                change.validate.push((constraint, check.expression.clone()));
                change.changed = true;
            }
            return Ok(());
        }
        if let Some(key) = change.table.foreign_keys.iter_mut().find(|key| key.name == constraint) {
            if std::mem::take(&mut key.not_valid) {
                change.validate_foreign_keys.push(constraint);
                change.changed = true;
            }
            return Ok(());
        }
        Err(self.not_of_kind(change, name, "foreign key or check"))
    }

    /// ALTER CONSTRAINT: when a foreign key is checked.
    pub(super) fn alter_constraint(
        &self,
        change: &mut Change,
        name: &Ident,
        characteristics: Option<&ConstraintCharacteristics>,
    ) -> Result<()> {
        let timing = self.constraint_timing(characteristics, name.span)?;
        let constraint = fold(name);
        let Some(key) = change.table.foreign_keys.iter_mut().find(|key| key.name == constraint) else {
            return Err(self.not_of_kind(change, name, "foreign key"));
        };
        key.timing = timing;
        change.changed = true;
        Ok(())
    }

    /// 42704 for a constraint that there is not, 42809 for one of another kind.
    fn not_of_kind(&self, change: &Change, name: &Ident, kinds: &str) -> QueryError {
        let (constraint, table) = (fold(name), &change.table.name);
        let error = if self.has_constraint(&change.table, &constraint) {
            let message = format!("constraint \"{constraint}\" of relation \"{table}\" is not a {kinds} constraint");
            QueryError::new(sqlstate::WRONG_OBJECT_TYPE, message)
        } else {
            let message = format!("constraint \"{constraint}\" of relation \"{table}\" does not exist");
            QueryError::new(sqlstate::UNDEFINED_OBJECT, message)
        };
        error.at(self.at(name.span))
    }

    /// ADD CONSTRAINT … USING INDEX: the index becomes the constraint's, and takes its name.
    pub(super) fn key_using_index(
        &self,
        change: &mut Change,
        key: &ConstraintUsingIndex,
        kind: ConstraintKind,
    ) -> Result<()> {
        let (table, span) = (&change.table, key.index_name.span);
        self.reject_deferrable_key(key.characteristics.as_ref(), span)?;
        let at = |error: QueryError| error.at(self.at(span));
        let name = fold(&key.index_name);
        let Some(index) = self.catalog.index(&table.schema, &name) else {
            let message = format!("index \"{name}\" does not exist");
            return Err(at(QueryError::new(sqlstate::UNDEFINED_OBJECT, message)));
        };
        let (owner, columns) = match &index.target {
            IndexTarget::Table { table, columns } => (Some(*table), columns.as_slice()),
            IndexTarget::Nodes { .. } | IndexTarget::Relationships { .. } => (None, &[][..]),
        };
        let state = |message: String| at(QueryError::new(sqlstate::OBJECT_NOT_IN_PREREQUISITE_STATE, message));
        if index.constraint.is_some() {
            return Err(state(format!("index \"{name}\" is already associated with a constraint")));
        }
        if owner != Some(table.id) {
            return Err(state(format!("index \"{name}\" does not belong to table \"{}\"", table.name)));
        }
        let unfit = |message: String| {
            at(QueryError::new(sqlstate::WRONG_OBJECT_TYPE, message)
                .detail("Cannot create a primary key or unique constraint using such an index."))
        };
        if !matches!(index.kind, IndexKind::Ordered { unique: true }) {
            return Err(unfit(format!("\"{name}\" is not a unique index")));
        }
        if columns.iter().any(|column| column.expression.is_some()) {
            return Err(unfit(format!("index \"{name}\" contains expressions")));
        }
        if index.options.predicate.is_some() {
            return Err(unfit(format!("\"{name}\" is a partial index")));
        }
        if let Some(at) = columns.iter().position(|column| column.descending || column.nulls_first) {
            let number = at + 1;
            return Err(unfit(format!(
                "index \"{name}\" column number {number} does not have default sorting behavior"
            )));
        }
        let named = |ddl: &Ddl| matches!(ddl, Ddl::RewordIndex { index } if index.constraint == Some(kind));
        let has_key = change.pending.indexes.iter().any(|index| index.constraint == Some(kind))
            || change.before.iter().any(named)
            || self.catalog.primary_key(table.id).is_some();
        if kind == ConstraintKind::PrimaryKey && has_key {
            let message = format!("multiple primary keys for table \"{}\" are not allowed", table.name);
            return Err(at(QueryError::new("42P16", message)));
        }
        let constraint = key.name.as_ref().map_or_else(|| name.clone(), fold);
        if self.has_constraint(table, &constraint) {
            return Err(self.constraint_exists(table, &constraint, span));
        }
        if constraint != name {
            if self.catalog.relation_id(&table.schema, &constraint).is_some() {
                let message = format!("relation \"{constraint}\" already exists");
                return Err(at(QueryError::new(sqlstate::DUPLICATE_TABLE, message)));
            }
            let notice =
                format!("ALTER TABLE / ADD CONSTRAINT USING INDEX will rename index \"{name}\" to \"{constraint}\"");
            change.notices.push(Ddl::Nothing { tag: "ALTER TABLE", notice: Some(notice) });
            change.renames.push(Ddl::RenameIndex { id: index.id, new_name: constraint });
        }
        if kind == ConstraintKind::PrimaryKey {
            for column in columns {
                if let Some(position) = change.table.position_of(column.column) {
                    change.table.columns[position].not_null = true;
                }
            }
        }
        let index = IndexDef { constraint: Some(kind), ..IndexDef::clone(index) };
        change.before.push(Ddl::RewordIndex { index });
        Ok(())
    }
}
