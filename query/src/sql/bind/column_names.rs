//! Names of columns within a query's text, so that views follow columns that are renamed.
//!
//! The query is bound, and every name that turns out to be a column of a table is noted with its place; then the text is
//! changed at these places only. An output that was called after the column keeps that name as an alias. Whether the
//! new text means the same is for the caller to see, once the column has its new name: it must name the same columns in
//! the same order.

use sqlparser::ast::Ident;
use sqlparser::tokenizer::Location;

use super::Binder;
use super::names::fold;
use super::relation_names::{identifier_length, replaced};
use crate::context::BindContext;
use crate::error::Result;
use crate::sql::parse::parse_query;
use crate::sql::position::LineIndex;
use crate::types::reg::quote_identifier;

/// A name in the text that stands for a column of a table.
#[derive(Clone, Debug)]
pub struct NotedColumn {
    /// Oid of the table and number of the column.
    origin: (u32, i16),
    /// None where the name stands for more than this column: in USING and NATURAL.
    place: Option<(Location, String)>,
    /// It is an output of a query, and gives that its name.
    is_output: bool,
}

/// A query's text after a column has been renamed.
#[derive(Clone, Debug)]
pub struct Reworded {
    pub text: String,
    /// What it must name then, as [`columns_named`] gives it.
    pub columns: Vec<(u32, i16)>,
}

impl Binder<'_> {
    /// Called for every name that is a column.
    pub fn note_column(&mut self, origin: Option<(u32, i16)>, ident: Option<&Ident>) {
        let (Some(noted), Some(origin)) = (&mut self.noted_columns, origin) else { return };
        let place = ident.map(|ident| (ident.span.start, fold(ident)));
        noted.push(NotedColumn { origin, place, is_output: false });
    }

    /// The one column noted since there were so many is an output.
    pub fn note_output(&mut self, count: usize) {
        if let Some(noted) = &mut self.noted_columns
            && let Some([column]) = noted.get_mut(count..)
        {
            column.is_output = true;
        }
    }
}

fn noted_columns(context: &BindContext<'_>, text: &str) -> Result<Vec<NotedColumn>> {
    let query = parse_query(text)?;
    let mut binder = Binder::new(context, text);
    binder.noted_columns = Some(Vec::new());
    binder.bind_query(&query, false)?;
    Ok(binder.noted_columns.take().unwrap_or_default())
}

/// Columns of tables that a query's text names, in the order in which they are bound: oid of the table and number.
pub fn columns_named(context: &BindContext<'_>, text: &str) -> Result<Vec<(u32, i16)>> {
    Ok(noted_columns(context, text)?.into_iter().map(|noted| noted.origin).collect())
}

/// A query's text with a column under another name. None when the text cannot follow.
pub fn with_column_renamed(
    context: &BindContext<'_>,
    text: &str,
    column: (u32, i16),
    old: &str,
    new: &str,
) -> Result<Option<Reworded>> {
    if super::ddl::mentions_word(text, "natural") {
        // Which columns are joined would change with the names.
        return Ok(None);
    }
    let lines = LineIndex::new(text);
    let noted = noted_columns(context, text)?;
    let mut places: Vec<(usize, bool)> = Vec::new();
    for noted in noted.iter().filter(|noted| noted.origin == column) {
        let Some((start, name)) = &noted.place else { return Ok(None) };
        let Some(start) = lines.byte_offset(text, *start).filter(|_| name == old) else { return Ok(None) };
        match places.iter_mut().find(|(known, _)| *known == start) {
            Some((_, is_output)) => *is_output |= noted.is_output,
            None => places.push((start, noted.is_output)),
        }
    }
    let pieces = places.into_iter().map(|(start, is_output)| {
        let alias = if is_output { format!(" AS {}", quote_identifier(old)) } else { String::new() };
        (start, start + identifier_length(&text[start..]), format!("{}{alias}", quote_identifier(new)))
    });
    let text = replaced(text, pieces.collect());
    Ok(Some(Reworded { text, columns: noted.into_iter().map(|noted| noted.origin).collect() }))
}
