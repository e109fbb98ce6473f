//! Subqueries inside expressions.

use sinew_storage::DataType;
use sqlparser::ast::Query;

use super::{Binder, Bound};
use crate::algebra::{Expr, Subquery, SubqueryKind};
use crate::error::{QueryError, Result, sqlstate};

impl Binder<'_> {
    /// Binds a query inside an expression. Its columns stay open when `keep_unknown`.
    pub fn bind_subquery(&mut self, query: &Query, keep_unknown: bool) -> Result<Bound> {
        // What a subquery reaches laterally is the subquery's own business, except what goes further out: both are
        // variables of frames, and `lateral_used` is only ever added to.
        self.nested(|binder| binder.bind_query(query, keep_unknown))
    }

    /// 42601 unless there is exactly one column.
    pub fn one_column(&self, bound: &Bound, position: Option<usize>) -> Result<()> {
        match bound.output.len() {
            1 => Ok(()),
            _ => Err(QueryError::new(sqlstate::SYNTAX_ERROR, "subquery must return only one column").at(position)),
        }
    }

    pub fn bind_scalar_subquery(&mut self, query: &Query) -> Result<Expr> {
        let position = self.at_node(query);
        let bound = self.bind_subquery(query, false)?;
        self.one_column(&bound, position)?;
        let column = &bound.output[0];
        Ok(Expr::Subquery(Box::new(Subquery {
            kind: SubqueryKind::Scalar,
            column: Some(column.var),
            ty: column.ty.clone(),
            plan: bound.plan,
        })))
    }

    pub fn bind_exists(&mut self, query: &Query, negated: bool) -> Result<Expr> {
        let bound = self.bind_subquery(query, false)?;
        let exists = Expr::Subquery(Box::new(Subquery {
            kind: SubqueryKind::Exists,
            plan: bound.plan,
            column: None,
            ty: DataType::Bool,
        }));
        Ok(if negated { Expr::Not(Box::new(exists)) } else { exists })
    }

    /// `ARRAY(SELECT …)`.
    pub fn bind_array_subquery(&mut self, query: &Query) -> Result<Expr> {
        let position = self.at_node(query);
        let bound = self.bind_subquery(query, false)?;
        self.one_column(&bound, position)?;
        let column = &bound.output[0];
        if matches!(column.ty, DataType::Array(_)) {
            return Err(QueryError::unsupported("an array of more than one dimension").at(position));
        }
        Ok(Expr::Subquery(Box::new(Subquery {
            kind: SubqueryKind::Collect,
            column: Some(column.var),
            ty: DataType::array_of(column.ty.clone()),
            plan: bound.plan,
        })))
    }
}
