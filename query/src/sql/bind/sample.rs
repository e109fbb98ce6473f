//! TABLESAMPLE: each row is taken with the same chance, by either method.

use num_traits::ToPrimitive;
use sinew_storage::{DataType, Numeric, Value};
use sqlparser::ast::{ObjectName, Spanned, TableSample, TableSampleKind, TableSampleMethod};
use sqlparser::tokenizer::Span;

use super::Binder;
use super::names::Relation;
use super::scope::FromItem;
use crate::algebra::{Expr, Plan};
use crate::error::{QueryError, Result, sqlstate};

impl Binder<'_> {
    /// `t TABLESAMPLE BERNOULLI (10)` as a filter by chance. SYSTEM, which takes whole pages in PostgreSQL, is the same.
    pub fn bind_sample(&mut self, item: FromItem, name: &ObjectName, sample: &TableSampleKind) -> Result<FromItem> {
        let span = name.span();
        let qualified = self.qualified_name(name)?;
        if !matches!(self.find_relation(&qualified), Some(Relation::Table(_) | Relation::System { .. })) {
            return Err(self.sample_of_no_table(span));
        }
        let TableSampleKind::AfterTableAlias(sample) = sample else {
            return Err(self.unsupported("TABLESAMPLE before an alias", span));
        };
        let TableSample { name: method, quantity: Some(quantity), seed, bucket: None, offset: None, .. } = &**sample
        else {
            return Err(self.unsupported("this form of TABLESAMPLE", span));
        };
        if !matches!(method, Some(TableSampleMethod::Bernoulli | TableSampleMethod::System)) {
            return Err(self.unsupported("this method of TABLESAMPLE", span));
        }
        if seed.is_some() {
            return Err(self.unsupported("TABLESAMPLE … REPEATABLE", span));
        }
        if quantity.unit.is_some() || !quantity.parenthesized {
            return Err(self.unsupported("this form of TABLESAMPLE", span));
        }
        let position = self.at(quantity.value.span());
        let percentage = self.bind_expr(&quantity.value)?;
        let percentage = match &percentage {
            Expr::Literal(Value::Int(percentage), _) => *percentage as f64,
            Expr::Literal(Value::Numeric(percentage), _) => match &**percentage {
                Numeric::Finite(percentage) => percentage.to_f64().unwrap_or(f64::NAN),
                _ => f64::NAN,
            },
            _ => return Err(QueryError::unsupported("TABLESAMPLE with a percentage that is no number").at(position)),
        };
        if !(0.0..=100.0).contains(&percentage) {
            return Err(out_of_range().at(position));
        }
        let chance = self.call_named("random", Vec::new(), span)?;
        let share = Expr::Literal(Value::Float(percentage / 100.0), DataType::Float8);
        let predicate = self.binary("<", chance, share, position)?;
        Ok(FromItem { plan: Plan::Filter { input: Box::new(item.plan), predicate }, ..item })
    }

    /// 42809 for what is sampled and is no table.
    pub fn sample_of_no_table(&self, span: Span) -> QueryError {
        QueryError::new(
            sqlstate::WRONG_OBJECT_TYPE,
            "TABLESAMPLE clause can only be applied to tables and materialized views",
        )
        .at(self.at(span))
    }
}

fn out_of_range() -> QueryError {
    QueryError::new("2202H", "sample percentage must be between 0 and 100")
}
