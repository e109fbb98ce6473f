//! Names of relations within a query's text: written out with their schemas, so that the text means the same under any
//! search path, and shortened again for whoever reads it.
//!
//! The query is bound, and every name that turns out to be a relation is noted with its place; then the text is changed
//! at these places only.

use sqlparser::ast::{ObjectName, ObjectNamePart};
use sqlparser::tokenizer::Location;

use super::Binder;
use super::names::{QualifiedName, Relation};
use crate::context::{BindContext, ExecContext};
use crate::error::Result;
use crate::sql::parse::parse_query;
use crate::sql::position::LineIndex;
use crate::types::reg::quote_identifier;

/// A name in the text that stands for a relation.
#[derive(Clone, Debug)]
pub struct NotedName {
    /// Where each part begins.
    parts: Vec<Location>,
    relation: QualifiedName,
    /// The bare name would be a WITH query here.
    is_shadowed: bool,
    /// Its columns are named after an alias.
    has_alias: bool,
}

impl Binder<'_> {
    /// Called for every name in FROM that is no WITH query.
    pub fn note_relation_name(&mut self, name: &ObjectName, relation: &Relation, has_alias: bool) {
        let is_shadowed = self.is_cte(name.0.last().and_then(ObjectNamePart::as_ident).map(super::names::fold));
        let Some(noted) = &mut self.noted_names else { return };
        let (schema, name_of) = match relation {
            Relation::Table(table) | Relation::Materialized(table) => (table.schema.clone(), table.name.clone()),
            Relation::View(view) => (view.schema.clone(), view.name.clone()),
            Relation::Sequence(sequence) => (sequence.schema.clone(), sequence.name.clone()),
            Relation::System { schema, function } => (schema.clone(), function.name().to_owned()),
            Relation::Index(_) => return,
        };
        let parts = name.0.iter().filter_map(ObjectNamePart::as_ident).map(|ident| ident.span.start).collect();
        noted.push(NotedName {
            parts,
            relation: QualifiedName { schema: Some(schema), name: name_of },
            is_shadowed,
            has_alias,
        });
    }

    fn is_cte(&self, name: Option<String>) -> bool {
        name.is_some_and(|name| self.ctes.iter().any(|cte| cte.name == name))
    }
}

fn noted_names(context: &BindContext<'_>, text: &str) -> Result<Vec<NotedName>> {
    let query = parse_query(text)?;
    let mut binder = Binder::new(context, text);
    binder.noted_names = Some(Vec::new());
    binder.bind_query(&query, false)?;
    Ok(binder.noted_names.take().unwrap_or_default())
}

/// Replaces pieces of a text: (start, end, what stands there instead) in bytes, in any order.
pub(super) fn replaced(text: &str, mut pieces: Vec<(usize, usize, String)>) -> String {
    pieces.sort();
    pieces.dedup();
    let mut result = String::with_capacity(text.len() + 16 * pieces.len());
    let mut at = 0;
    for (start, end, new) in pieces {
        let Some(kept) = text.get(at..start) else { continue };
        result.push_str(kept);
        result.push_str(&new);
        at = end;
    }
    result.push_str(text.get(at..).unwrap_or_default());
    result
}

/// A query's text with every relation under its schema, those of pg_catalog excepted, which every search path has.
pub fn with_schemas(context: &BindContext<'_>, text: &str) -> Result<String> {
    let lines = LineIndex::new(text);
    let mut pieces = Vec::new();
    for noted in noted_names(context, text)? {
        let schema = noted.relation.schema.as_deref().unwrap_or_default();
        if let [name] = noted.parts.as_slice()
            && schema != "pg_catalog"
            && let Some(start) = lines.byte_offset(text, *name)
        {
            pieces.push((start, start, format!("{}.", quote_identifier(schema))));
        }
    }
    Ok(replaced(text, pieces))
}

/// (schema, name) of the relations that a query's text names, each once. None when it cannot be bound.
pub fn relations_named(context: &ExecContext, text: &str) -> Option<Vec<(String, String)>> {
    let bind_context =
        BindContext { transaction: &context.transaction, session: &context.session, params: Default::default() };
    let noted = noted_names(&bind_context, text).ok()?;
    let mut relations: Vec<(String, String)> =
        noted.into_iter().map(|noted| (noted.relation.schema.unwrap_or_default(), noted.relation.name)).collect();
    relations.sort();
    relations.dedup();
    Some(relations)
}

/// A query's text after relations have got other schemas and names: `rename` gives them for those that have. The query must
/// be bound as long as the old names hold. What was named after its relation keeps that name as an alias.
pub fn with_relations_renamed(
    context: &BindContext<'_>,
    text: &str,
    rename: &dyn Fn(&str, &str) -> Option<(String, String)>,
) -> Result<String> {
    let lines = LineIndex::new(text);
    let mut pieces = Vec::new();
    for noted in noted_names(context, text)? {
        let old = &noted.relation;
        let Some((schema, name)) = rename(old.schema.as_deref().unwrap_or_default(), &old.name) else { continue };
        let (Some(first), Some(last)) = (noted.parts.first(), noted.parts.last()) else { continue };
        let (Some(start), Some(last)) = (lines.byte_offset(text, *first), lines.byte_offset(text, *last)) else {
            continue;
        };
        let alias = if noted.has_alias || name == old.name {
            String::new()
        } else {
            format!(" AS {}", quote_identifier(&old.name))
        };
        let new = format!("{}.{}{alias}", quote_identifier(&schema), quote_identifier(&name));
        pieces.push((start, last + identifier_length(&text[last..]), new));
    }
    Ok(replaced(text, pieces))
}

/// Bytes of the identifier at the beginning of a text.
pub(super) fn identifier_length(text: &str) -> usize {
    let Some(quoted) = text.strip_prefix('"') else {
        return text.find(|c: char| !(c.is_alphanumeric() || c == '_' || c == '$')).unwrap_or(text.len());
    };
    let mut chars = quoted.char_indices().peekable();
    while let Some((at, c)) = chars.next() {
        if c == '"' && chars.next_if(|(_, next)| *next == '"').is_none() {
            return at + 2;
        }
    }
    text.len()
}

/// A query's text with the schemas left out that the session's search path finds anyway. A query that cannot be bound is
/// left as it is.
pub fn without_visible_schemas(context: &ExecContext, text: &str) -> String {
    let bind_context =
        BindContext { transaction: &context.transaction, session: &context.session, params: Default::default() };
    let Ok(noted) = noted_names(&bind_context, text) else { return text.to_owned() };
    let binder = Binder::new(&bind_context, "");
    let lines = LineIndex::new(text);
    let mut pieces = Vec::new();
    for noted in noted {
        let bare = QualifiedName { schema: None, name: noted.relation.name.clone() };
        let is_visible = binder.find_relation(&bare).is_some_and(|found| found.schema() == noted.relation.schema);
        if let [schema, name] = noted.parts.as_slice()
            && is_visible
            && !noted.is_shadowed
            && let (Some(start), Some(end)) = (lines.byte_offset(text, *schema), lines.byte_offset(text, *name))
        {
            pieces.push((start, end, String::new()));
        }
    }
    replaced(text, pieces)
}

impl Relation {
    fn schema(&self) -> Option<String> {
        Some(match self {
            Relation::Table(table) | Relation::Materialized(table) => table.schema.clone(),
            Relation::View(view) => view.schema.clone(),
            Relation::Index(index) => index.schema.clone(),
            Relation::Sequence(sequence) => sequence.schema.clone(),
            Relation::System { schema, .. } => schema.clone(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn identifiers_end() {
        let check = |text: &str, expected: usize| assert_eq!(identifier_length(text), expected);
        check("abc x", 3);
        check("abc", 3);
        check("\"a b\".c", 5);
        check("\"a\"\"b\" c", 6);
    }

    #[test]
    fn pieces_are_replaced_in_order_of_their_places() {
        let pieces = vec![(8, 8, "b.".to_owned()), (0, 2, String::new()), (8, 8, "b.".to_owned())];
        assert_eq!(replaced("a.x = äy", pieces), "x = äb.y");
    }
}
