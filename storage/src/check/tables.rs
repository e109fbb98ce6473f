//! Tables: every row can be read, and has exactly its entries in the ordered indexes.

use std::ops::Bound::Unbounded;

use super::entries::EntryCheck;
use super::{Findings, View};
use crate::catalog::TableDef;
use crate::encoding::row::RowProjection;
use crate::error::Result;
use crate::index::is_ordered;
use crate::index_function::KeySource;
use crate::store::{Keyspace, decode_u64};

pub(super) fn check(view: &View<'_>, findings: &mut Findings<'_>) -> Result<()> {
    view.catalog.tables.values().try_for_each(|table| check_table(view, findings, table))
}

fn check_table(view: &View<'_>, findings: &mut Findings<'_>, table: &TableDef) -> Result<()> {
    let object = findings.object(format!("table {}.{}", table.schema, table.name));
    let positions: Vec<usize> = (0..table.columns.len()).collect();
    let projection = RowProjection::new(table, &positions);
    let Some(projection) = findings.readable(object, || "its definition".to_owned(), projection)? else {
        return Ok(());
    };
    let mut indexes = Vec::new();
    for index in view.catalog.indexes_of(table.id).iter().filter(|index| is_ordered(index)) {
        // A column that the table does not have is found by the check of the catalog.
        let Ok(source) = KeySource::new(view.store, None, table, index) else { continue };
        indexes.push((EntryCheck::new(index, "row", findings), source));
    }
    let keyspace = Keyspace::of_relation(table.id);
    for pair in view.rows.range(keyspace, Unbounded, Unbounded, false)? {
        let (key, row) = pair?;
        findings.step()?;
        findings.count(object);
        let id = decode_u64(&key, "row key");
        let Some(id) = findings.readable(object, || "a row".to_owned(), id)? else { continue };
        let values = projection.decode(&row);
        let Some(values) = findings.readable(object, || format!("row {id}"), values)? else { continue };
        for (index, source) in &mut indexes {
            if let Some(indexed) = source.of_row(&values)? {
                index.expect(view, findings, id, &indexed)?;
            }
        }
    }
    for (index, source) in indexes {
        index.finish(view, findings, &|id| match view.rows.get(keyspace, &id.to_be_bytes())? {
            Some(row) => source.of_stored(&row),
            None => Ok(None),
        })?;
    }
    Ok(())
}
