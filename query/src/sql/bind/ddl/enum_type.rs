//! CREATE, ALTER and DROP TYPE: enums.

use std::sync::Arc;

use sinew_storage::catalog::{EnumDef, LabelPosition};
use sinew_storage::{DataType, ids::RelationId};
use sqlparser::ast::{
    AlterType, AlterTypeAddValuePosition, AlterTypeOperation, Ident, ObjectName, Spanned, UserDefinedTypeRepresentation,
};

use super::super::Binder;
use super::super::names::{QualifiedName, fold};
use crate::error::{QueryError, Result, sqlstate};
use crate::statement::{Ddl, EnumChange};
use crate::types::enum_type;
use crate::types::reg::quote_identifier;

const LABEL_LIMIT_BYTES: usize = 63;

impl Binder<'_> {
    pub fn create_type(
        &mut self,
        name: &ObjectName,
        representation: Option<&UserDefinedTypeRepresentation>,
    ) -> Result<Vec<Ddl>> {
        let labels = match representation {
            Some(UserDefinedTypeRepresentation::Enum { labels }) => labels,
            Some(UserDefinedTypeRepresentation::Composite { .. }) => {
                return Err(self.unsupported("a composite type", name.span()));
            }
            Some(UserDefinedTypeRepresentation::Range { .. }) => {
                return Err(self.unsupported("a range type", name.span()));
            }
            _ => return Err(self.unsupported("CREATE TYPE of a base type", name.span())),
        };
        let qualified = self.qualified_name(name)?;
        let schema = self.creation_schema_of(&qualified, false, name.span())?;
        self.refuse_taken_type(&schema, &qualified.name)?;
        let labels = labels.iter().map(label).collect::<Result<Vec<_>>>()?;
        for (at, label) in labels.iter().enumerate() {
            if labels[..at].contains(label) {
                return Err(QueryError::new(
                    sqlstate::UNIQUE_VIOLATION,
                    "duplicate key value violates unique constraint \"pg_enum_typid_label_index\"",
                )
                .detail(format!("Key (enumlabel)=({label}) already exists.")));
            }
        }
        Ok(vec![Ddl::CreateEnum { schema, name: qualified.name, labels }])
    }

    pub fn alter_enum(&mut self, alter: &AlterType) -> Result<Vec<Ddl>> {
        let def = self.enum_named(&alter.name)?;
        let change = match &alter.operation {
            AlterTypeOperation::Rename(rename) => {
                let name = fold(&rename.new_name);
                self.refuse_taken_type(&def.schema, &name)?;
                EnumChange::Rename(name)
            }
            AlterTypeOperation::AddValue(add) => {
                let name = label(&add.value)?;
                if def.by_name(&name).is_some() {
                    let exists = format!("enum label \"{name}\" already exists");
                    if add.if_not_exists {
                        let notice = Some(format!("{exists}, skipping"));
                        return Ok(vec![Ddl::Nothing { tag: "ALTER TYPE", notice }]);
                    }
                    return Err(QueryError::new(sqlstate::DUPLICATE_OBJECT, exists));
                }
                let position = match &add.position {
                    None => LabelPosition::Last,
                    Some(AlterTypeAddValuePosition::Before(neighbour)) => {
                        LabelPosition::Before(existing(&def, neighbour)?)
                    }
                    Some(AlterTypeAddValuePosition::After(neighbour)) => {
                        LabelPosition::After(existing(&def, neighbour)?)
                    }
                };
                EnumChange::AddLabel { label: name, position }
            }
            AlterTypeOperation::RenameValue(rename) => {
                let from = existing(&def, &rename.from)?;
                let to = label(&rename.to)?;
                if def.by_name(&to).is_some() {
                    let message = format!("enum label \"{to}\" already exists");
                    return Err(QueryError::new(sqlstate::DUPLICATE_OBJECT, message));
                }
                EnumChange::RenameLabel { from, to }
            }
        };
        Ok(vec![Ddl::AlterEnum { oid: def.oid, change }])
    }

    /// DROP TYPE: with CASCADE the columns and views that need it go first.
    pub(super) fn drop_types(&mut self, names: &[ObjectName], if_exists: bool, cascade: bool) -> Result<Vec<Ddl>> {
        let mut drops: Vec<Ddl> = Vec::new();
        let mut before = Vec::new();
        for name in names {
            let qualified = self.qualified_name(name)?;
            let Some(def) = self.find_enum(&qualified) else {
                if crate::types::type_from_name(&qualified.name).is_some() && qualified.schema.is_none() {
                    let ty = crate::types::type_from_name(&qualified.name).map(|ty| crate::types::type_name(&ty));
                    return Err(QueryError::new(
                        sqlstate::DEPENDENT_OBJECTS_STILL_EXIST,
                        format!(
                            "cannot drop type {} because it is required by the database system",
                            ty.unwrap_or_default()
                        ),
                    ));
                }
                if if_exists {
                    let notice = Some(format!("type \"{qualified}\" does not exist, skipping"));
                    before.push(Ddl::Nothing { tag: "DROP TYPE", notice });
                    continue;
                }
                return Err(missing(&qualified));
            };
            let dependents = self.enum_dependents(&def);
            if !dependents.is_empty() && !cascade {
                let lines: Vec<String> = dependents.iter().map(|dependent| dependent.line.clone()).collect();
                return Err(QueryError::new(
                    sqlstate::DEPENDENT_OBJECTS_STILL_EXIST,
                    format!("cannot drop type {} because other objects depend on it", enum_type::name(&def)),
                )
                .detail(lines.join("\n"))
                .hint("Use DROP ... CASCADE to drop the dependent objects too."));
            }
            for dependent in dependents {
                let notice = Some(format!("drop cascades to {}", dependent.object));
                before.push(Ddl::Nothing { tag: "DROP TYPE", notice });
                match dependent.view {
                    Some(view) => drops.push(Ddl::DropView { views: vec![view] }),
                    None => drops.push(Ddl::DropColumn { table: dependent.table, column: dependent.column }),
                }
            }
            drops.push(Ddl::DropEnum { oid: def.oid });
        }
        before.extend(drops);
        Ok(before)
    }

    fn find_enum(&self, name: &QualifiedName) -> Option<Arc<EnumDef>> {
        match enum_type::by_name(&self.catalog, &self.search_path, name.schema.as_deref(), &name.name)? {
            DataType::Enum(of) => Some(of.0),
            _ => None,
        }
    }

    fn enum_named(&self, name: &ObjectName) -> Result<Arc<EnumDef>> {
        let qualified = self.qualified_name(name)?;
        self.find_enum(&qualified).ok_or_else(|| match crate::types::type_from_name(&qualified.name) {
            Some(ty) => {
                let message = format!("{} is not an enum", crate::types::type_name(&ty));
                QueryError::new(sqlstate::WRONG_OBJECT_TYPE, message)
            }
            None => missing(&qualified),
        })
    }

    /// 42710: types and relations share their names, because a relation has a row type.
    fn refuse_taken_type(&self, schema: &str, name: &str) -> Result<()> {
        if self.catalog.enum_type(schema, name).is_some() || self.catalog.relation_id(schema, name).is_some() {
            return Err(QueryError::new(sqlstate::DUPLICATE_OBJECT, format!("type \"{name}\" already exists")));
        }
        Ok(())
    }

    fn enum_dependents(&self, def: &EnumDef) -> Vec<Dependent> {
        let type_name = enum_type::name(def);
        let mut found = Vec::new();
        for table in self.catalog.tables.values() {
            for column in table.columns.iter().filter(|column| is_of(&column.ty, def)) {
                let object =
                    format!("column {} of table {}", quote_identifier(&column.name), quote_identifier(&table.name));
                let array = if matches!(column.ty, DataType::Array(_)) { "[]" } else { "" };
                let line = format!("{object} depends on type {type_name}{array}");
                found.push(Dependent { line, object, view: None, table: table.id, column: column.name.clone() });
            }
        }
        for view in self.catalog.stored_queries() {
            let of_view = self.catalog.views.get(&view.id);
            let has_column = of_view.is_some_and(|view| view.columns.iter().any(|(_, ty)| is_of(ty, def)));
            if has_column || super::drop::mentions_word(view.query, &def.name) {
                let object = format!("{} {}", view.kind, quote_identifier(view.name));
                let line = format!("{object} depends on type {type_name}");
                let named = Some((view.name.to_owned(), view.id));
                found.push(Dependent { line, object, view: named, table: view.id, column: String::new() });
            }
        }
        // Views first: they may read the columns.
        found.sort_by_key(|dependent| dependent.view.is_none());
        found
    }
}

/// What cannot be without a type.
struct Dependent {
    line: String,
    object: String,
    /// Set for a view; otherwise it is a column.
    view: Option<(String, RelationId)>,
    table: RelationId,
    column: String,
}

fn is_of(ty: &DataType, def: &EnumDef) -> bool {
    ty.enum_type().is_some_and(|of| of.oid == def.oid)
}

fn missing(name: &QualifiedName) -> QueryError {
    QueryError::new(sqlstate::UNDEFINED_OBJECT, format!("type \"{name}\" does not exist"))
}

/// A label as it is written: a string, never folded.
fn label(ident: &Ident) -> Result<String> {
    if ident.value.len() > LABEL_LIMIT_BYTES {
        return Err(QueryError::new("42602", format!("invalid enum label \"{}\"", ident.value))
            .detail(format!("Labels must be {LABEL_LIMIT_BYTES} bytes or less.")));
    }
    Ok(ident.value.clone())
}

fn existing(def: &EnumDef, ident: &Ident) -> Result<String> {
    match def.by_name(&ident.value) {
        Some(label) => Ok(label.name.clone()),
        None => Err(QueryError::new(
            sqlstate::INVALID_PARAMETER_VALUE,
            format!("\"{}\" is not an existing enum label", ident.value),
        )),
    }
}
