//! The tantivy schema of an index: the row's id, and one field per indexed column or property, by position.

use tantivy::TantivyDocument;
use tantivy::schema::{FAST, Field, INDEXED, IndexRecordOption, Schema, TextFieldIndexing, TextOptions};

use super::text_of;
use crate::catalog::{IndexDef, IndexKind};
use crate::derived::IndexedValues;
use crate::error::{Result, StorageError};

/// Name of the id's field. The others are called f0, f1 and so on: queries refer to them by position, so that renaming
/// a column touches no file.
pub(crate) const ID_FIELD: &str = "_sinew_id";

#[derive(Clone)]
pub(crate) struct TextSchema {
    pub schema: Schema,
    pub id: Field,
    pub fields: Vec<Field>,
    pub analyzer: String,
}

impl TextSchema {
    pub fn new(index: &IndexDef, field_count: usize) -> Result<TextSchema> {
        let analyzer = analyzer_of(index)?;
        let names = (0..field_count).map(|position| format!("f{position}"));
        Ok(build(analyzer, names))
    }

    /// None when no field holds text.
    pub fn document(&self, id: u64, values: &IndexedValues) -> Option<TantivyDocument> {
        let mut document = TantivyDocument::new();
        let mut has_text = false;
        for (field, value) in self.fields.iter().zip(values) {
            for text in text_of(value) {
                document.add_text(*field, text);
                has_text = true;
            }
        }
        document.add_u64(self.id, id);
        has_text.then_some(document)
    }
}

fn build(analyzer: &str, names: impl Iterator<Item = String>) -> TextSchema {
    let mut builder = Schema::builder();
    let id = builder.add_u64_field(ID_FIELD, FAST | INDEXED);
    let indexing =
        TextFieldIndexing::default().set_tokenizer(analyzer).set_index_option(IndexRecordOption::WithFreqsAndPositions);
    let options = TextOptions::default().set_indexing_options(indexing);
    let fields = names.map(|name| builder.add_text_field(&name, options.clone())).collect();
    TextSchema { schema: builder.build(), id, fields, analyzer: analyzer.to_owned() }
}

fn analyzer_of(index: &IndexDef) -> Result<&str> {
    let IndexKind::FullText { analyzer } = &index.kind else {
        return Err(StorageError::Internal(format!("index \"{}\" is not a full-text index", index.name)));
    };
    let name = if analyzer.is_empty() { super::analyzer_names()[0] } else { analyzer };
    if super::analyzer_names().contains(&name) {
        Ok(name)
    } else {
        let known = super::analyzer_names().join(", ");
        Err(StorageError::InvalidValue(format!("analyzer \"{name}\" does not exist; available are: {known}")))
    }
}
