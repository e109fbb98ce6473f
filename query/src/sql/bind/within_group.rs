//! Aggregates with `WITHIN GROUP (ORDER BY …)`.

use sinew_storage::{DataType, Value};
use sqlparser::ast::{Expr as Ast, FunctionArgumentList, OrderByExpr, Spanned};
use sqlparser::tokenizer::Span;

use super::scope::Clause;
use super::{Binder, intrinsics};
use crate::algebra::{AggregateCall, Expr, SortKey};
use crate::error::{QueryError, Result, sqlstate};
use crate::functions::ordered_set::{self, HypotheticalSet, KeyOrder, OrderedSet};
use crate::functions::{self, CastContext};
use crate::types::type_name;

const CAST_HINT: &str =
    "No function matches the given name and argument types. You might need to add explicit type casts.";

/// What a call with WITHIN GROUP consists of.
struct OrderedCall<'a> {
    name: &'a str,
    /// The query level that it belongs to.
    level: usize,
    direct: Vec<Expr>,
    keys: Vec<SortKey>,
    filter: Option<Expr>,
    span: Span,
}

impl Binder<'_> {
    /// 42809 when the function has no such form.
    pub fn bind_within_group(
        &mut self,
        name: &str,
        list: &FunctionArgumentList,
        within: &[OrderByExpr],
        filter: Option<&Ast>,
        span: Span,
    ) -> Result<Expr> {
        let position = self.at(span);
        if list.duplicate_treatment.is_some() {
            return Err(QueryError::syntax("cannot use DISTINCT with WITHIN GROUP", position));
        }
        if !list.clauses.is_empty() {
            return Err(QueryError::syntax("cannot use multiple ORDER BY clauses with WITHIN GROUP", position));
        }
        let (ordered, hypothetical) = (ordered_set::ordered_set(name), ordered_set::hypothetical_set(name));
        let marks = self.reference_marks();
        let direct = self.plain_args(list, name, span)?;
        if self.frames.is_empty() {
            return Err(super::function_call::not_allowed(Clause::Values, position));
        }
        let behind_direct = self.reference_marks();
        let keys = self.in_clause(Clause::AggregateArguments, |binder| {
            within.iter().map(|key| binder.bind_sort_key(key)).collect::<Result<Vec<SortKey>>>()
        })?;
        if ordered.is_none() && hypothetical.is_none() {
            return Err(self.no_ordered_set(name, &direct, &keys, span));
        }
        let filter = match filter {
            Some(ast) => Some(self.in_clause(Clause::Filter, |binder| binder.bind_condition(ast, "FILTER"))?),
            None => None,
        };
        let key_exprs: Vec<Expr> = direct.iter().chain(keys.iter().map(|key| &key.expr)).cloned().collect();
        let level = self.aggregate_level(&marks, &key_exprs, position)?;
        self.frames[level].references.truncate(behind_direct[level]);
        let set = OrderedCall { name, level, direct, keys, filter, span };
        match (ordered, hypothetical) {
            (Some(kind), _) => self.bind_ordered_set(kind, set),
            (_, Some(kind)) => {
                let places: Vec<Span> = within.iter().map(|key| key.expr.span()).collect();
                self.bind_hypothetical_set(kind, set, &places)
            }
            _ => Err(QueryError::internal("an aggregate of neither kind")),
        }
    }

    /// 42809 of a function that is no such aggregate, 42883 when there is none that takes all these arguments.
    fn no_ordered_set(&self, name: &str, direct: &[Expr], keys: &[SortKey], span: Span) -> QueryError {
        let types: Vec<DataType> = direct.iter().chain(keys.iter().map(|key| &key.expr)).map(Expr::ty).collect();
        let message = if functions::resolve_aggregate(name, &types).is_ok_and(|found| found.is_some()) {
            format!("{name} is not an ordered-set aggregate, so it cannot have WITHIN GROUP")
        } else if functions::resolve_function(name, &types).is_ok() {
            format!("WITHIN GROUP specified, but {name} is not an aggregate function")
        } else {
            return self.undefined_ordered_set(name, direct, keys, span).hint(CAST_HINT);
        };
        QueryError::new(sqlstate::WRONG_OBJECT_TYPE, message).at(self.at(span))
    }

    fn undefined_ordered_set(&self, name: &str, direct: &[Expr], keys: &[SortKey], span: Span) -> QueryError {
        let types = direct.iter().map(Expr::ty).chain(keys.iter().map(|key| key.expr.ty()));
        let types: Vec<String> = types.map(|ty| type_name(&ty)).collect();
        QueryError::new(sqlstate::UNDEFINED_FUNCTION, format!("function {name}({}) does not exist", types.join(", ")))
            .at(self.at(span))
    }

    fn bind_ordered_set(&mut self, kind: OrderedSet, set: OrderedCall<'_>) -> Result<Expr> {
        let OrderedCall { name, level, mut direct, mut keys, filter, span } = set;
        let position = self.at(span);
        let wanted = usize::from(kind != OrderedSet::Mode);
        if direct.len() != wanted || keys.len() != 1 {
            return Err(self.undefined_ordered_set(name, &direct, &keys, span).hint(CAST_HINT));
        }
        let is_array = direct.first().is_some_and(|direct| matches!(direct.ty(), DataType::Array(_)));
        let fractions = if is_array { DataType::array_of(DataType::Float8) } else { DataType::Float8 };
        let casts = |from: &DataType, to: &DataType| {
            *from == DataType::Unknown || functions::can_cast(from, to, CastContext::Implicit)
        };
        let key_type = keys[0].expr.ty();
        let value_type = match kind {
            OrderedSet::PercentileCont if key_type == DataType::Interval => DataType::Interval,
            OrderedSet::PercentileCont => DataType::Float8,
            _ => key_type.clone(),
        };
        let fits = direct.iter().all(|direct| casts(&direct.ty(), &fractions)) && casts(&key_type, &value_type);
        if !fits {
            return Err(self.undefined_ordered_set(name, &direct, &keys, span).hint(CAST_HINT));
        }
        let key = &mut keys[0];
        key.expr = self.coerce(key.expr.clone(), &value_type, position)?;
        let static_name = match kind {
            OrderedSet::PercentileCont => "percentile_cont",
            OrderedSet::PercentileDisc => "percentile_disc",
            OrderedSet::Mode => "mode",
        };
        let function = ordered_set::collecting(static_name, &value_type);
        let call = AggregateCall {
            args: vec![key.expr.clone()],
            distinct: false,
            filter,
            order_by: keys,
            ty: function.returns.clone(),
            function,
        };
        let values = self.push_aggregate(level, name, call, position);
        Ok(match direct.pop() {
            Some(wanted) => {
                let wanted = self.coerce(wanted, &fractions, position)?;
                let returns = if is_array { DataType::array_of(value_type) } else { value_type };
                intrinsics::percentile(kind, static_name, wanted, values, returns)
            }
            None => intrinsics::mode(values, value_type),
        })
    }

    fn bind_hypothetical_set(&mut self, kind: HypotheticalSet, set: OrderedCall<'_>, places: &[Span]) -> Result<Expr> {
        let OrderedCall { name, level, direct, mut keys, filter, span } = set;
        let position = self.at(span);
        if direct.len() != keys.len() {
            return Err(self.undefined_ordered_set(name, &direct, &keys, span).hint(format!(
                "To use the hypothetical-set aggregate {name}, the number of hypothetical direct arguments (here {}) \
                 must match the number of ordering columns (here {}).",
                direct.len(),
                keys.len()
            )));
        }
        let mut row = Vec::with_capacity(direct.len());
        for ((direct, key), place) in direct.into_iter().zip(&mut keys).zip(places) {
            let place = self.at(*place);
            let (mut pair, _) = self.unify(vec![key.expr.clone(), direct], "WITHIN GROUP", place)?;
            row.extend(pair.pop());
            key.expr = pair.pop().unwrap_or_else(|| key.expr.clone());
        }
        let order: Vec<KeyOrder> = keys
            .iter()
            .map(|key| KeyOrder { ty: key.expr.ty(), descending: key.descending, nulls_first: key.nulls_first })
            .collect();
        let keys: Vec<Expr> = keys.into_iter().map(|key| key.expr).collect();
        let with_peers = kind == HypotheticalSet::CumeDist;
        let mut conditions: Vec<Expr> = filter.iter().cloned().collect();
        conditions.push(intrinsics::stands_before(keys.clone(), row.clone(), order, with_peers));
        let args = if kind == HypotheticalSet::DenseRank { vec![super::record::row_of(keys)] } else { Vec::new() };
        let types: Vec<DataType> = args.iter().map(Expr::ty).collect();
        let count =
            functions::resolve_aggregate("count", &types)?.ok_or_else(|| QueryError::internal("count is missing"))?;
        let call = |args: Vec<Expr>, filter: Option<Expr>| AggregateCall {
            function: count.function.clone(),
            distinct: !args.is_empty(),
            args,
            filter,
            order_by: Vec::new(),
            ty: DataType::Int8,
        };
        let before = self.push_aggregate(level, name, call(args, Some(Expr::and(conditions))), position);
        let row_count = match kind {
            HypotheticalSet::Rank | HypotheticalSet::DenseRank => Expr::Literal(Value::Int(0), DataType::Int8),
            HypotheticalSet::PercentRank | HypotheticalSet::CumeDist => {
                self.push_aggregate(level, name, call(Vec::new(), filter), position)
            }
        };
        // The direct arguments are carried along: they may read nothing but groups.
        Ok(intrinsics::hypothetical_place(kind, before, row_count, row))
    }

    /// 42809 for a call of such an aggregate without WITHIN GROUP.
    pub fn needs_within_group(&self, name: &str, arg_count: usize, position: Option<usize>) -> Option<QueryError> {
        let least = match ordered_set::ordered_set(name) {
            Some(OrderedSet::Mode) => 1..=1,
            Some(_) => 2..=2,
            None => {
                ordered_set::hypothetical_set(name)?;
                1..=usize::MAX
            }
        };
        least.contains(&arg_count).then(|| {
            QueryError::new(
                sqlstate::WRONG_OBJECT_TYPE,
                format!("WITHIN GROUP is required for ordered-set aggregate {name}"),
            )
            .at(position)
        })
    }
}
