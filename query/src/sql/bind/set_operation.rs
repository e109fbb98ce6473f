//! UNION, INTERSECT, EXCEPT.

use sqlparser::ast::{SetExpr, SetOperator, SetQuantifier, Spanned};

use super::select::Tail;
use super::{Binder, Bound};
use crate::algebra::{Expr, Plan, SetOp};
use crate::error::{QueryError, Result};
use crate::statement::OutputColumn;

impl Binder<'_> {
    /// The body of a query without ORDER BY and LIMIT. Open columns stay open.
    pub fn bind_set_expr(&mut self, body: &SetExpr) -> Result<Bound> {
        match body {
            SetExpr::Select(select) => self.bind_select(select, Tail::default()),
            SetExpr::Query(query) => self.nested(|binder| binder.bind_query(query, true)),
            SetExpr::Values(values) => self.bind_values(values),
            SetExpr::SetOperation { .. } => self.bind_set_chain(body),
            SetExpr::Table(_) => Err(self.unsupported("TABLE as a query", body.span())),
            SetExpr::Insert(_) | SetExpr::Update(_) | SetExpr::Delete(_) | SetExpr::Merge(_) => {
                Err(self.unsupported("a data-modifying statement inside a query", body.span()))
            }
        }
    }

    /// Chains lean left: the spine is walked in a loop.
    fn bind_set_chain(&mut self, body: &SetExpr) -> Result<Bound> {
        let mut spine = Vec::new();
        let mut first = body;
        while let SetExpr::SetOperation { left, op, set_quantifier, right } = first {
            spine.push((op, set_quantifier, right));
            first = left;
        }
        let mut bound = self.bind_set_expr(first)?;
        for (op, quantifier, right) in spine.into_iter().rev() {
            let right_bound = self.bind_set_expr(right)?;
            let position = self.at(right.span());
            bound = self.combine(*op, *quantifier, bound, right_bound, position)?;
        }
        Ok(bound)
    }

    pub fn combine(
        &mut self,
        op: SetOperator,
        quantifier: SetQuantifier,
        mut left: Bound,
        mut right: Bound,
        position: Option<usize>,
    ) -> Result<Bound> {
        let (op, what) = match op {
            SetOperator::Union => (SetOp::Union, "UNION"),
            SetOperator::Intersect => (SetOp::Intersect, "INTERSECT"),
            SetOperator::Except => (SetOp::Except, "EXCEPT"),
            SetOperator::Minus => return Err(QueryError::unsupported("MINUS").hint("Use EXCEPT.").at(position)),
        };
        let all = match quantifier {
            SetQuantifier::All => true,
            SetQuantifier::Distinct | SetQuantifier::None => false,
            other => return Err(QueryError::unsupported(format!("{what} {other}")).at(position)),
        };
        if left.output.len() != right.output.len() {
            return Err(QueryError::syntax(
                format!("each {what} query must have the same number of columns"),
                position,
            ));
        }
        let mut output = Vec::with_capacity(left.output.len());
        for index in 0..left.output.len() {
            let types = [left.output[index].ty.clone(), right.output[index].ty.clone()];
            let ty = self.common_type(&types, what, position)?;
            self.coerce_output(&mut left, index, &ty)?;
            self.coerce_output(&mut right, index, &ty)?;
            let name = left.output[index].name.clone();
            let var = self.vars.add(name.clone(), ty.clone());
            self.note_record(var, &Expr::Column(left.output[index].var, ty.clone()));
            output.push(OutputColumn { name, var, ty, origin: None });
        }
        let plan = Plan::SetOperation {
            op,
            all,
            left_columns: left.output.iter().map(|column| column.var).collect(),
            right_columns: right.output.iter().map(|column| column.var).collect(),
            output: output.iter().map(|column| column.var).collect(),
            left: Box::new(left.plan),
            right: Box::new(right.plan),
        };
        Ok(Bound { plan, output })
    }
}
