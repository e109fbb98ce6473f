//! Indexes over expressions and with predicates, bound over a row: for scans that may read them, and for writes.

use std::sync::Arc;

use sinew_storage::DataType;
use sinew_storage::catalog::{IndexDef, IndexTarget, TableDef};

use super::Binder;
use super::scope::{Clause, ScopeRelation};
use crate::algebra::{ComputedIndex, Expr, VarId, VarTable};
use crate::context::BindContext;
use crate::error::Result;

/// An index's key and predicate, bound apart from any statement.
pub struct IndexRules {
    pub vars: VarTable,
    /// The row that they are over, in table order.
    pub row: Vec<VarId>,
    /// The parts of the key that are computed.
    pub keys: Vec<Option<Expr>>,
    pub predicate: Option<Expr>,
}

pub fn bind_index_rules(context: &BindContext<'_>, table: &TableDef, index: &IndexDef) -> Result<IndexRules> {
    let mut binder = Binder::new(context, "");
    let row = binder.row_vars(table);
    let relation = super::stored_text::row_relation(table, &row);
    let (keys, predicate) = binder.index_parts(&relation, index)?;
    Ok(IndexRules { vars: binder.vars, row, keys, predicate })
}

impl Binder<'_> {
    /// The computed indexes of a table that is scanned as `relation`.
    pub(super) fn computed_indexes(
        &mut self,
        table: &TableDef,
        relation: &ScopeRelation,
    ) -> Result<Vec<ComputedIndex>> {
        let catalog = Arc::clone(&self.catalog);
        let mut computed = Vec::new();
        for index in catalog.indexes_of(table.id).iter().filter(|index| index.is_computed()) {
            let (keys, predicate) = self.index_parts(relation, index)?;
            let predicate = predicate.map(Expr::conjuncts).unwrap_or_default();
            computed.push(ComputedIndex { index: index.id, keys, predicate });
        }
        Ok(computed)
    }

    pub(super) fn index_parts(
        &mut self,
        relation: &ScopeRelation,
        index: &IndexDef,
    ) -> Result<(Vec<Option<Expr>>, Option<Expr>)> {
        let mut keys = Vec::new();
        if let IndexTarget::Table { columns, .. } = &index.target {
            for column in columns {
                keys.push(match &column.expression {
                    Some(expression) => Some(self.bind_stored_expression(
                        &expression.text,
                        relation,
                        Clause::IndexExpression,
                        &expression.ty,
                    )?),
                    None => None,
                });
            }
        }
        let predicate = match &index.options.predicate {
            Some(text) => Some(self.bind_stored_expression(text, relation, Clause::IndexPredicate, &DataType::Bool)?),
            None => None,
        };
        Ok((keys, predicate))
    }
}
