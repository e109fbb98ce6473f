//! Definitions of enum types.

use std::sync::Arc;

use super::{check_name, not_found};
use crate::DataType;
use crate::catalog::rows::{ENUM, encode_definition, relation_key, schema_key, type_name_key};
use crate::catalog::{EnumDef, LabelPosition, TableDef};
use crate::error::{Result, StorageError};
use crate::ids::RelationId;
use crate::store::{Keyspace, Transaction};

use super::RelationLock;

impl Transaction {
    /// A type with these labels. `ObjectExists` when the name is taken.
    pub fn create_enum(&self, schema: &str, name: &str, labels: Vec<String>) -> Result<()> {
        self.take_type_name(schema, name)?;
        let oid = self.allocate_relation_id()?.0;
        let array_oid = self.allocate_relation_id()?.0;
        let mut def = EnumDef { oid, array_oid, schema: schema.to_owned(), name: name.to_owned(), labels: Vec::new() };
        for label in labels {
            def.insert(self.allocate_relation_id()?.0, label, &LabelPosition::Last)?;
        }
        self.kv_put(Keyspace::CATALOG, &type_name_key(schema, name), &oid.to_be_bytes())?;
        self.put_enum(&def)
    }

    /// `ObjectExists` when there is such a label, `ObjectNotFound` without its neighbour.
    pub fn add_enum_label(&self, oid: u32, label: String, position: &LabelPosition) -> Result<()> {
        let mut def = self.enum_for_change(oid)?;
        if def.by_name(&label).is_some() {
            return Err(StorageError::ObjectExists { kind: "enum label", name: label });
        }
        def.insert(self.allocate_relation_id()?.0, label, position)?;
        self.put_enum(&def)
    }

    pub fn rename_enum_label(&self, oid: u32, from: &str, to: String) -> Result<()> {
        let mut def = self.enum_for_change(oid)?;
        if def.by_name(&to).is_some() {
            return Err(StorageError::ObjectExists { kind: "enum label", name: to });
        }
        let label = def.labels.iter_mut().find(|label| label.name == from);
        label.ok_or_else(|| not_found("enum label", from))?.name = to;
        self.put_enum(&def)
    }

    /// Another name or schema.
    pub fn move_enum(&self, oid: u32, schema: &str, name: &str) -> Result<()> {
        let mut def = self.enum_for_change(oid)?;
        self.take_type_name(schema, name)?;
        self.kv_delete(Keyspace::CATALOG, &type_name_key(&def.schema, &def.name))?;
        self.kv_put(Keyspace::CATALOG, &type_name_key(schema, name), &oid.to_be_bytes())?;
        schema.clone_into(&mut def.schema);
        name.clone_into(&mut def.name);
        self.put_enum(&def)
    }

    /// `DependentObjects` while a column is of the type.
    pub fn drop_enum(&self, oid: u32) -> Result<()> {
        let def = self.enum_for_change(oid)?;
        let catalog = self.catalog();
        let users: Vec<String> = catalog
            .enum_columns(oid)
            .map(|(relation, column)| format!("column {column} of {relation} depends on type {}", def.name))
            .collect();
        if !users.is_empty() {
            let object = format!("type {}", def.name);
            return Err(StorageError::DependentObjects { object, detail: users.join("\n") });
        }
        self.kv_delete(Keyspace::CATALOG, &type_name_key(&def.schema, &def.name))?;
        self.kv_delete(Keyspace::CATALOG, &relation_key(ENUM, RelationId(oid)))
    }

    /// Keeps the types of a table's columns from being changed or dropped while the table is being defined.
    pub(super) fn hold_enums(&self, table: &TableDef) -> Result<()> {
        for column in &table.columns {
            let Some(of) = column.ty.enum_type() else { continue };
            let id = RelationId(of.oid);
            if self.lock_relation_waited(id, RelationLock::AccessShare)? && !self.catalog().enums.contains_key(&of.oid)
            {
                return Err(not_found("type", &of.name));
            }
            self.kv_claim(Keyspace::CATALOG, &relation_key(ENUM, id));
        }
        Ok(())
    }

    fn enum_for_change(&self, oid: u32) -> Result<EnumDef> {
        self.lock_relation_waited(RelationId(oid), RelationLock::AccessExclusive)?;
        let catalog = self.catalog();
        catalog.enums.get(&oid).map(|def| EnumDef::clone(def)).ok_or_else(|| not_found("type", oid))
    }

    fn take_type_name(&self, schema: &str, name: &str) -> Result<()> {
        check_name(name)?;
        self.lock_catalog_key(&type_name_key(schema, name))?;
        let catalog = self.catalog();
        if !catalog.schemas.contains_key(schema) {
            return Err(not_found("schema", schema));
        }
        if catalog.enum_type(schema, name).is_some() {
            return Err(StorageError::ObjectExists { kind: "type", name: name.to_owned() });
        }
        self.kv_claim(Keyspace::CATALOG, &schema_key(schema));
        Ok(())
    }

    fn put_enum(&self, def: &EnumDef) -> Result<()> {
        self.kv_put(Keyspace::CATALOG, &relation_key(ENUM, RelationId(def.oid)), &encode_definition(def)?)
    }
}

impl DataType {
    /// The enum that this is, or that it is an array of.
    pub fn enum_type(&self) -> Option<&crate::catalog::EnumType> {
        match self {
            DataType::Enum(of) => Some(of),
            DataType::Array(element) => element.enum_type(),
            _ => None,
        }
    }

    /// The same type with the definition that `current` gives for its enum.
    pub(crate) fn with_enum(&self, current: &Arc<EnumDef>) -> DataType {
        match self {
            DataType::Enum(_) => DataType::Enum(crate::catalog::EnumType(Arc::clone(current))),
            DataType::Array(element) => DataType::array_of(element.with_enum(current)),
            other => other.clone(),
        }
    }
}
