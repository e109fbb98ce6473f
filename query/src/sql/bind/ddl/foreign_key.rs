//! FOREIGN KEY and REFERENCES, and what hinges on them when tables, columns and keys are dropped.

use std::sync::Arc;

use sinew_storage::DataType;
use sinew_storage::catalog::{
    ConstraintKind, ForeignKeyDef, ForeignKeyMatch, IndexDef, IndexKind, IndexTarget, ReferentialAction,
    TableBehaviour, TableDef,
};
use sinew_storage::ids::{ColumnId, RelationId};
use sqlparser::ast::{
    ConstraintReferenceMatchKind, ForeignKeyConstraint, Ident, ReferentialAction as AstAction, Spanned,
};
use sqlparser::tokenizer::Span;

use super::super::Binder;
use super::super::names::{Relation, fold, is_temporary_schema};
use super::{Pending, object_name, unassigned};
use crate::error::{QueryError, Result, sqlstate};
use crate::functions::{self, CastContext};
use crate::statement::AddForeignKey;
use crate::types::type_name;

/// As PostgreSQL's INDEX_MAX_KEYS.
const KEY_COLUMN_LIMIT: usize = 32;

/// A foreign key as written. What it refers to may stand later in the same statement, so it is bound at the end.
pub(super) struct WrittenForeignKey {
    pub name: Option<String>,
    pub columns: Vec<Ident>,
    pub constraint: ForeignKeyConstraint,
    /// NOT VALID.
    pub not_valid: bool,
    pub span: Span,
}

impl Binder<'_> {
    /// Binds the foreign keys of a statement. `table` has all of its columns; `dropped` are indexes that the statement
    /// drops.
    pub(super) fn bind_foreign_keys(
        &self,
        table: &TableDef,
        pending: &Pending,
        dropped: &[RelationId],
    ) -> Result<Vec<AddForeignKey>> {
        let mut bound: Vec<AddForeignKey> = Vec::with_capacity(pending.foreign_keys.len());
        for written in &pending.foreign_keys {
            let mut key = self.bind_foreign_key(table, pending, dropped, written)?;
            let new_names: Vec<&str> = bound.iter().map(|other| other.key.name.as_str()).collect();
            key.key.name = self.foreign_key_name(table, pending, written, &new_names)?;
            bound.push(key);
        }
        Ok(bound)
    }

    /// Without its name.
    fn bind_foreign_key(
        &self,
        table: &TableDef,
        pending: &Pending,
        dropped: &[RelationId],
        written: &WrittenForeignKey,
    ) -> Result<AddForeignKey> {
        let constraint = &written.constraint;
        let timing = self.constraint_timing(constraint.characteristics.as_ref(), written.span)?;
        if constraint.index_name.is_some() {
            return Err(self.unsupported("an index name in FOREIGN KEY", written.span));
        }
        let match_type = match constraint.match_kind {
            None | Some(ConstraintReferenceMatchKind::Simple) => ForeignKeyMatch::Simple,
            Some(ConstraintReferenceMatchKind::Full) => ForeignKeyMatch::Full,
            Some(ConstraintReferenceMatchKind::Partial) => {
                return Err(self.unsupported("MATCH PARTIAL", written.span));
            }
        };
        if written.columns.len() > KEY_COLUMN_LIMIT {
            return Err(QueryError::new(
                "54011",
                format!("cannot have more than {KEY_COLUMN_LIMIT} keys in a foreign key"),
            )
            .at(self.at(written.span)));
        }
        let place = constraint.foreign_table.span();
        let found = self.referenced_table(table, constraint)?;
        let is_self = found.is_none();
        let referenced: &TableDef = found.as_deref().unwrap_or(table);
        let is_temporary = |table: &TableDef| is_temporary_schema(&table.schema);
        if is_temporary(table) != is_temporary(referenced) {
            let what = if is_temporary(table) { "temporary" } else { "permanent" };
            return Err(QueryError::new(
                "42P16",
                format!("constraints on {what} tables may reference only {what} tables"),
            )
            .at(self.at(place)));
        }

        let columns = self.key_positions(table, &written.columns)?;
        for (position, ident) in columns.iter().zip(&written.columns) {
            if table.columns[*position].virtual_expression.is_some() {
                return Err(self.unsupported("a foreign key on a virtual generated column", ident.span));
            }
        }
        let mut keys: Vec<&IndexDef> = Vec::new();
        if referenced.id != unassigned() {
            keys.extend(self.catalog.indexes_of(referenced.id).iter().map(|index| &**index));
        }
        if is_self {
            keys.extend(&pending.indexes);
        }
        keys.retain(|index| !index.is_computed());
        keys.retain(|index| {
            matches!(index.kind, IndexKind::Ordered { unique: true }) && !dropped.contains(&index.id)
                || index.id == unassigned()
        });
        let (referenced_columns, index) = self.referenced_key(referenced, constraint, &keys, place)?;
        if referenced_columns.len() != columns.len() {
            return Err(QueryError::new(
                sqlstate::INVALID_FOREIGN_KEY,
                "number of referencing and referenced columns for foreign key disagree",
            )
            .at(self.at(written.span)));
        }
        for (position, id) in columns.iter().zip(&referenced_columns) {
            let to = &table.columns[*position];
            let from = referenced.columns.iter().find(|column| column.id == *id);
            let from = from.ok_or_else(|| QueryError::internal(format!("index {} has lost a column", index.name)))?;
            let name = || match &written.name {
                Some(name) => name.clone(),
                None => {
                    let names: Vec<&str> = columns.iter().map(|at| table.columns[*at].name.as_str()).collect();
                    object_name(&[&table.name, &names.join("_")], "fkey")
                }
            };
            match fit(&to.ty, &from.ty) {
                Fit::Equal => {}
                Fit::Cast => {
                    let types = (type_name(&to.ty), type_name(&from.ty));
                    return Err(self.unsupported(
                        format_args!("a foreign key from type {} to {}", types.0, types.1),
                        written.span,
                    ));
                }
                Fit::None => {
                    return Err(QueryError::new(
                        sqlstate::DATATYPE_MISMATCH,
                        format!("foreign key constraint \"{}\" cannot be implemented", name()),
                    )
                    .detail(format!(
                        "Key columns \"{}\" and \"{}\" are of incompatible types: {} and {}.",
                        to.name,
                        from.name,
                        type_name(&to.ty),
                        type_name(&from.ty)
                    ))
                    .at(self.at(written.span)));
                }
            }
        }
        Ok(AddForeignKey {
            schema: index.schema.clone(),
            index: index.name.clone(),
            key: ForeignKeyDef {
                name: String::new(),
                columns: columns.iter().map(|position| table.columns[*position].id).collect(),
                referenced_table: referenced.id,
                referenced_columns,
                referenced_index: index.id,
                match_type,
                on_delete: action(constraint.on_delete),
                on_update: action(constraint.on_update),
                timing,
                not_valid: written.not_valid,
            },
        })
    }

    /// The table referred to; None for the table itself.
    fn referenced_table(&self, table: &TableDef, constraint: &ForeignKeyConstraint) -> Result<Option<Arc<TableDef>>> {
        let qualified = self.qualified_name(&constraint.foreign_table)?;
        let place = constraint.foreign_table.span();
        let is_named = qualified.name == table.name
            && qualified
                .schema
                .as_ref()
                .map_or_else(|| self.search_path.contains(&table.schema), |s| *s == table.schema);
        if table.id == unassigned() && is_named {
            return Ok(None);
        }
        match self.find_relation(&qualified) {
            Some(Relation::Table(found)) if found.id == table.id => Ok(None),
            Some(Relation::Table(found)) if found.behaviour != TableBehaviour::Plain => {
                Err(self.unsupported(format_args!("a foreign key to \"{}\"", found.name), place))
            }
            Some(Relation::Table(found)) => Ok(Some(found)),
            Some(_) => Err(QueryError::new(
                sqlstate::WRONG_OBJECT_TYPE,
                format!("referenced relation \"{}\" is not a table", qualified.name),
            )
            .at(self.at(place))),
            None => Err(self.missing_relation(&qualified, place)),
        }
    }

    /// Positions of columns named in a foreign key.
    fn key_positions(&self, table: &TableDef, names: &[Ident]) -> Result<Vec<usize>> {
        names
            .iter()
            .map(|ident| {
                let name = fold(ident);
                table.column_position(&name).ok_or_else(|| {
                    QueryError::new(
                        sqlstate::UNDEFINED_COLUMN,
                        format!("column \"{name}\" referenced in foreign key constraint does not exist"),
                    )
                    .at(self.at(ident.span))
                })
            })
            .collect()
    }

    /// The columns referred to, in the order of the constraint, and the unique index over them.
    fn referenced_key<'i>(
        &self,
        referenced: &TableDef,
        constraint: &ForeignKeyConstraint,
        keys: &[&'i IndexDef],
        place: Span,
    ) -> Result<(Vec<ColumnId>, &'i IndexDef)> {
        if constraint.referred_columns.is_empty() {
            let Some(index) = keys.iter().find(|index| index.constraint == Some(ConstraintKind::PrimaryKey)) else {
                return Err(QueryError::new(
                    sqlstate::UNDEFINED_OBJECT,
                    format!("there is no primary key for referenced table \"{}\"", referenced.name),
                )
                .at(self.at(place)));
            };
            return Ok((index_columns(index), *index));
        }
        let positions = self.key_positions(referenced, &constraint.referred_columns)?;
        let columns: Vec<ColumnId> = positions.iter().map(|position| referenced.columns[*position].id).collect();
        for (at, column) in columns.iter().enumerate() {
            if columns[..at].contains(column) {
                return Err(QueryError::new(
                    sqlstate::INVALID_FOREIGN_KEY,
                    "foreign key referenced-columns list must not contain duplicates",
                )
                .at(self.at(constraint.referred_columns[at].span)));
            }
        }
        let matching = keys.iter().find(|index| {
            let key = index_columns(index);
            key.len() == columns.len() && key.iter().all(|column| columns.contains(column))
        });
        match matching {
            Some(index) => Ok((columns, *index)),
            None => Err(QueryError::new(
                sqlstate::INVALID_FOREIGN_KEY,
                format!(
                    "there is no unique constraint matching given keys for referenced table \"{}\"",
                    referenced.name
                ),
            )
            .at(self.at(place))),
        }
    }

    /// The name given, or `t_a_b_fkey`, numbered when the schema has such a constraint.
    fn foreign_key_name(
        &self,
        table: &TableDef,
        pending: &Pending,
        written: &WrittenForeignKey,
        new_names: &[&str],
    ) -> Result<String> {
        let pending_names =
            |name: &str| new_names.contains(&name) || pending.indexes.iter().any(|index| index.name == name);
        if let Some(name) = &written.name {
            if pending_names(name) || self.has_constraint(table, name) {
                return Err(self.constraint_exists(table, name, written.span));
            }
            return Ok(name.clone());
        }
        let columns: Vec<String> = written.columns.iter().map(fold).collect();
        let columns = columns.join("_");
        let is_taken = |name: &str| {
            let mut others = self.catalog.tables.values().filter(|other| other.schema == table.schema);
            pending_names(name)
                || self.has_constraint(table, name)
                || others.any(|other| self.has_constraint(other, name))
        };
        let mut number = 0usize;
        loop {
            let suffix = if number == 0 { "fkey".to_owned() } else { format!("fkey{number}") };
            let name = object_name(&[&table.name, &columns], &suffix);
            if !is_taken(&name) {
                return Ok(name);
            }
            number += 1;
        }
    }

    /// Whether a table has a constraint of this name, of any kind.
    pub(super) fn has_constraint(&self, table: &TableDef, name: &str) -> bool {
        table.checks.iter().any(|check| check.name == name)
            || table.foreign_keys.iter().any(|key| key.name == name)
            || self.catalog.indexes_of(table.id).iter().any(|index| index.constraint.is_some() && index.name == name)
    }

    pub(super) fn constraint_exists(&self, table: &TableDef, name: &str, span: Span) -> QueryError {
        QueryError::new(
            sqlstate::DUPLICATE_OBJECT,
            format!("constraint \"{name}\" for relation \"{}\" already exists", table.name),
        )
        .at(self.at(span))
    }

    /// Foreign keys that cannot do without something of `table`: those that refer to it and satisfy `needs`, by
    /// referencing table and name.
    pub(super) fn referencing_keys(
        &self,
        table: RelationId,
        needs: impl Fn(&TableDef, &ForeignKeyDef) -> bool,
    ) -> Vec<(Arc<TableDef>, String)> {
        let references = self.catalog.references_to(table).filter(|(owner, key)| needs(owner, key));
        references.map(|(owner, key)| (Arc::clone(owner), key.name.clone())).collect()
    }
}

/// 2BP01: `what` cannot be dropped while foreign keys depend on `object`.
pub(super) fn needed_by_foreign_keys(what: &str, object: &str, keys: &[(Arc<TableDef>, String)]) -> QueryError {
    let lines: Vec<String> = keys
        .iter()
        .map(|(owner, name)| format!("constraint {name} on table {} depends on {object}", owner.name))
        .collect();
    QueryError::new(
        sqlstate::DEPENDENT_OBJECTS_STILL_EXIST,
        format!("cannot drop {what} because other objects depend on it"),
    )
    .detail(lines.join("\n"))
    .hint("Use DROP ... CASCADE to drop the dependent objects too.")
}

/// As PostgreSQL says it when CASCADE drops a foreign key.
pub(super) fn cascade_notice(owner: &TableDef, name: &str) -> String {
    format!("drop cascades to constraint {name} on table {}", owner.name)
}

fn index_columns(index: &IndexDef) -> Vec<ColumnId> {
    match &index.target {
        IndexTarget::Table { columns, .. } => columns.iter().map(|column| column.column).collect(),
        IndexTarget::Nodes { .. } | IndexTarget::Relationships { .. } => Vec::new(),
    }
}

fn action(written: Option<AstAction>) -> ReferentialAction {
    match written {
        None | Some(AstAction::NoAction) => ReferentialAction::NoAction,
        Some(AstAction::Restrict) => ReferentialAction::Restrict,
        Some(AstAction::Cascade) => ReferentialAction::Cascade,
        Some(AstAction::SetNull) => ReferentialAction::SetNull,
        Some(AstAction::SetDefault) => ReferentialAction::SetDefault,
    }
}

/// How a referencing column's type fits the referenced one's.
#[derive(Debug, PartialEq)]
enum Fit {
    /// Keys of both are equal when their values are.
    Equal,
    /// PostgreSQL would compare them after a cast.
    Cast,
    None,
}

/// Whether keys of both types are equal when their values are.
pub(super) fn keys_fit(referencing: &DataType, referenced: &DataType) -> bool {
    fit(referencing, referenced) == Fit::Equal
}

fn fit(referencing: &DataType, referenced: &DataType) -> Fit {
    use DataType::*;
    let is_equal = referencing.same_base(referenced)
        || matches!((referencing, referenced), (Int2 | Int4 | Int8, Int2 | Int4 | Int8 | Numeric(_)))
        || matches!((referencing, referenced), (Float4 | Float8, Float4 | Float8))
        || matches!((referencing, referenced), (Text | Varchar(_) | Name, Text | Varchar(_) | Name));
    if is_equal {
        Fit::Equal
    } else if functions::can_cast(referencing, referenced, CastContext::Implicit) {
        Fit::Cast
    } else {
        Fit::None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_of_keys() {
        assert_eq!(fit(&DataType::Int4, &DataType::Int8), Fit::Equal);
        assert_eq!(fit(&DataType::Int4, &DataType::Numeric(None)), Fit::Equal);
        assert_eq!(fit(&DataType::Numeric(None), &DataType::Int4), Fit::None);
        assert_eq!(fit(&DataType::Varchar(Some(3)), &DataType::Text), Fit::Equal);
        assert_eq!(fit(&DataType::Date, &DataType::Timestamp), Fit::Cast);
        assert_eq!(fit(&DataType::Text, &DataType::Int4), Fit::None);
    }
}
