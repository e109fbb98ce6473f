//! DELETE.

use sqlparser::ast::{Delete as AstDelete, FromTable, Spanned};

use super::scope::{Clause, Frame};
use super::view_write::Write;
use super::{Binder, Bound};
use crate::algebra::{Delete, JoinKind, Plan};
use crate::error::{QueryError, Result};

impl Binder<'_> {
    pub fn bind_delete(&mut self, delete: &AstDelete) -> Result<Bound> {
        let tables = match &delete.from {
            FromTable::WithFromKeyword(tables) => tables,
            FromTable::WithoutKeyword(tables) => {
                let span = tables.first().map(Spanned::span);
                return Err(QueryError::syntax("DELETE needs FROM", span.and_then(|span| self.at(span))));
            }
        };
        let [target] = tables.as_slice() else {
            return Err(QueryError::syntax("DELETE takes one table", self.at(delete.from.span())));
        };
        let what = if !delete.tables.is_empty() || !target.joins.is_empty() {
            "DELETE from several tables"
        } else if !delete.order_by.is_empty() || delete.limit.is_some() {
            "ORDER BY and LIMIT in DELETE"
        } else if delete.output.is_some() {
            "OUTPUT"
        } else {
            ""
        };
        if !what.is_empty() {
            return Err(self.unsupported(what, target.span()));
        }
        let span = target.span();
        let target = self.bind_target(&target.relation, Write::Delete)?;
        let mut item = target.item;
        if let Some(using) = &delete.using {
            let using = self.bind_from(using)?;
            item = self.join_items(item, using, JoinKind::Inner, false, span)?;
        }
        let (filter, frame) = self.with_frame(Frame::of(&item, Clause::Where), |binder| {
            delete.selection.as_ref().map(|condition| binder.bind_condition(condition, "WHERE")).transpose()
        })?;
        let mut source = item.plan;
        if let Some(predicate) = filter {
            source = Plan::Filter { input: Box::new(source), predicate };
        }
        let frame = Frame { relations: frame.relations, star: frame.star, ..Frame::new(Clause::Returning) };
        let (returning, output) = self.bind_returning(delete.returning.as_deref(), frame, &[])?;
        let plan =
            Plan::Delete(Box::new(Delete { table: target.written.table, source, row_id: target.row_id, returning }));
        Ok(Bound { plan, output })
    }
}
