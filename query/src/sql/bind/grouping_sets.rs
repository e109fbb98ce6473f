//! GROUP BY: its elements, the grouping sets they stand for together, and `grouping(…)`.

use sinew_storage::{DataType, Value};
use sqlparser::ast::{
    Expr as Ast, Function, FunctionArg, FunctionArgExpr, FunctionArgumentList, FunctionArguments, GroupByExpr, Select,
    Spanned,
};
use sqlparser::tokenizer::Span;

use super::group::{Grouping, same};
use super::scope::Clause;
use super::select::Item;
use super::{Binder, intrinsics};
use crate::algebra::*;
use crate::error::{QueryError, Result, sqlstate};
use crate::sql::group_tokens::{DISTINCT_MARK, NESTED_MARK};

/// PostgreSQL's bounds of what one GROUP BY may stand for.
const SET_LIMIT: usize = 4096;
const CUBE_LIMIT: usize = 12;
const ARGUMENT_LIMIT: usize = 31;

/// The expressions of GROUP BY, and the sets of them by position.
pub struct GroupBy {
    pub exprs: Vec<Expr>,
    pub sets: Vec<Vec<usize>>,
}

/// `grouping(…)` met in an expression: the variable that stands for it, and its arguments.
#[derive(Clone, Debug)]
pub struct PendingGrouping {
    pub var: VarId,
    args: Vec<(Expr, Option<usize>)>,
    pub position: Option<usize>,
}

/// A list of grouping sets.
type Sets = Vec<Vec<usize>>;

impl Binder<'_> {
    /// GROUP BY; None without one.
    pub fn bind_groups(&mut self, group_by: &GroupByExpr, select: &Select, items: &[Item]) -> Result<Option<GroupBy>> {
        let mut elements = match group_by {
            GroupByExpr::Expressions(elements, modifiers) if modifiers.is_empty() => elements.as_slice(),
            GroupByExpr::Expressions(..) => return Err(self.unsupported("GROUP BY modifiers", select.span())),
            GroupByExpr::All(_) => return Err(self.unsupported("GROUP BY ALL", select.span())),
        };
        let is_distinct = matches!(elements.first(), Some(Ast::Identifier(ident)) if ident.value == DISTINCT_MARK);
        if is_distinct {
            elements = &elements[1..];
        }
        if elements.is_empty() {
            return Ok(None);
        }
        let mut exprs = Vec::new();
        let mut sets: Sets = vec![Vec::new()];
        for element in elements {
            let further = self.grouping_element(element, items, &mut exprs)?;
            if sets.len().saturating_mul(further.len()) > SET_LIMIT {
                return Err(too_many_sets());
            }
            sets = sets.iter().flat_map(|set| further.iter().map(move |other| union(set, other))).collect();
        }
        // As PostgreSQL sorts them.
        if sets.len() > 1 {
            sets.sort_by_key(Vec::len);
        }
        if is_distinct {
            let mut kept: Sets = Vec::new();
            for set in sets {
                let mut sorted = set.clone();
                sorted.sort_unstable();
                if !kept.contains(&sorted) {
                    kept.push(sorted);
                }
            }
            sets = kept;
        }
        Ok(Some(GroupBy { exprs, sets }))
    }

    /// The sets that one element stands for.
    fn grouping_element(&mut self, ast: &Ast, items: &[Item], exprs: &mut Vec<Expr>) -> Result<Sets> {
        match ast {
            Ast::Rollup(parts) => {
                let parts = self.grouping_parts(parts, items, exprs)?;
                Ok(rollup(&parts))
            }
            Ast::Cube(parts) => {
                let parts = self.grouping_parts(parts, items, exprs)?;
                self.cube(&parts, ast.span())
            }
            Ast::GroupingSets(members) => {
                let mut sets = Vec::new();
                for member in members {
                    match member.as_slice() {
                        [single] => sets.extend(self.grouping_element(single, items, exprs)?),
                        several => sets.push(self.grouping_set(several, items, exprs)?),
                    }
                    if sets.len() > SET_LIMIT {
                        return Err(too_many_sets());
                    }
                }
                Ok(sets)
            }
            Ast::Function(function) if is_empty_row(function) => Ok(vec![Vec::new()]),
            Ast::Function(function) => match nested_kind(function) {
                Some((kind, list)) => self.nested_element(kind, list, function.name.span(), items, exprs),
                None => Ok(vec![vec![self.grouping_expr(ast, items, exprs)?]]),
            },
            Ast::Tuple(parts) => Ok(vec![self.grouping_set(parts, items, exprs)?]),
            _ => Ok(vec![vec![self.grouping_expr(ast, items, exprs)?]]),
        }
    }

    /// ROLLUP, CUBE and GROUPING SETS inside GROUPING SETS, which the parser reads as functions.
    fn nested_element(
        &mut self,
        kind: Nested,
        list: &FunctionArgumentList,
        span: Span,
        items: &[Item],
        exprs: &mut Vec<Expr>,
    ) -> Result<Sets> {
        let mut args = Vec::with_capacity(list.args.len());
        for arg in &list.args {
            let FunctionArg::Unnamed(FunctionArgExpr::Expr(arg)) = arg else {
                return Err(self.unsupported("such an element of GROUP BY", span));
            };
            args.push(arg);
        }
        if kind == Nested::Sets {
            let mut sets = Vec::new();
            for arg in args {
                sets.extend(self.nested(|binder| binder.grouping_element(arg, items, exprs))?);
                if sets.len() > SET_LIMIT {
                    return Err(too_many_sets());
                }
            }
            return Ok(sets);
        }
        let mut parts = Vec::with_capacity(args.len());
        for arg in args {
            parts.push(match arg {
                Ast::Tuple(members) => self.grouping_set(members, items, exprs)?,
                arg => vec![self.grouping_expr(arg, items, exprs)?],
            });
        }
        if kind == Nested::Rollup { Ok(rollup(&parts)) } else { self.cube(&parts, span) }
    }

    fn grouping_parts(&mut self, parts: &[Vec<Ast>], items: &[Item], exprs: &mut Vec<Expr>) -> Result<Sets> {
        parts.iter().map(|part| self.grouping_set(part, items, exprs)).collect()
    }

    fn grouping_set(&mut self, members: &[Ast], items: &[Item], exprs: &mut Vec<Expr>) -> Result<Vec<usize>> {
        let mut set = Vec::with_capacity(members.len());
        for member in members {
            // `((a, b))` is a row of one row.
            let index = match member {
                Ast::Tuple(inner) => {
                    set = union(&set, &self.nested(|binder| binder.grouping_set(inner, items, exprs))?);
                    continue;
                }
                member => self.grouping_expr(member, items, exprs)?,
            };
            if !set.contains(&index) {
                set.push(index);
            }
        }
        Ok(set)
    }

    fn grouping_expr(&mut self, ast: &Ast, items: &[Item], exprs: &mut Vec<Expr>) -> Result<usize> {
        let expr = self.bind_group(ast, items)?;
        let known = exprs.iter().position(|known| same(known, &expr));
        Ok(known.unwrap_or_else(|| {
            exprs.push(expr);
            exprs.len() - 1
        }))
    }

    fn cube(&self, parts: &[Vec<usize>], span: Span) -> Result<Sets> {
        if parts.len() > CUBE_LIMIT {
            return Err(QueryError::new(
                sqlstate::TOO_MANY_COLUMNS,
                format!("CUBE is limited to {CUBE_LIMIT} elements"),
            )
            .at(self.at(span)));
        }
        let mut sets: Sets = vec![Vec::new()];
        for part in parts {
            let with: Sets = sets.iter().map(|set| union(set, part)).collect();
            sets.extend(with);
        }
        Ok(sets)
    }

    /// `grouping(a, b)`: resolved when the groups are known.
    pub fn bind_grouping(&mut self, list: &FunctionArgumentList, name: &str, span: Span) -> Result<Expr> {
        let position = self.at(span);
        let clause = self.frames.last().map_or(Clause::Values, |frame| frame.clause);
        if !clause.allows_aggregates() {
            return Err(QueryError::new(
                sqlstate::GROUPING_ERROR,
                format!("grouping operations are not allowed in {}", clause.name()),
            )
            .at(position));
        }
        if list.args.len() > ARGUMENT_LIMIT {
            return Err(QueryError::new(sqlstate::TOO_MANY_ARGUMENTS, "GROUPING must have fewer than 32 arguments")
                .at(position));
        }
        let references = self.frame().references.len();
        let places: Vec<Option<usize>> = list.args.iter().map(|arg| self.at(arg.span())).collect();
        let args = self.plain_args(list, name, span)?.into_iter().zip(places).collect();
        // They are not read, only looked for among the groups.
        self.frame().references.truncate(references);
        let var = self.vars.add("grouping", DataType::Int4);
        self.frame().groupings.push(PendingGrouping { var, args, position });
        Ok(Expr::Column(var, DataType::Int4))
    }

    /// Makes rows of groups out of the rows of `plan`.
    pub fn plan_groups(
        &mut self,
        plan: Plan,
        grouping: &Grouping,
        aggregates: Vec<(VarId, AggregateCall, Option<usize>)>,
        pending: Vec<PendingGrouping>,
    ) -> Result<Plan> {
        let mut calls: Vec<(VarId, AggregateCall)> = aggregates.into_iter().map(|(var, call, _)| (var, call)).collect();
        let column = |(var, key): &(VarId, Expr)| (*var, Expr::Column(*var, key.ty()));
        let mut number = None;
        let plan = match &grouping.sets {
            None => Plan::Aggregate { input: Box::new(plan), groups: grouping.groups.clone(), aggregates: calls },
            Some(sets) => {
                let set_number = self.vars.add("grouping_set", DataType::Int4);
                number = Some(set_number);
                let counted =
                    sets.iter().any(|set| !set.contains(&true)).then(|| self.vars.add("counted", DataType::Bool));
                if let Some(counted) = counted {
                    for (_, call) in &mut calls {
                        let mut conditions = vec![Expr::Column(counted, DataType::Bool)];
                        conditions.extend(call.filter.take());
                        call.filter = Some(Expr::and(conditions));
                    }
                }
                let mut groups: Vec<(VarId, Expr)> = grouping.groups.iter().map(column).collect();
                groups.push((set_number, Expr::Column(set_number, DataType::Int4)));
                let input = Plan::GroupingSets(Box::new(GroupingSets {
                    input: plan,
                    keys: grouping.groups.clone(),
                    sets: sets.clone(),
                    number: set_number,
                    counted,
                }));
                Plan::Aggregate { input: Box::new(input), groups, aggregates: calls }
            }
        };
        let mut items = Vec::with_capacity(pending.len());
        for PendingGrouping { var, args, .. } in pending {
            let mut members = Vec::with_capacity(args.len());
            for (arg, position) in args {
                let found = grouping.groups.iter().position(|(_, group)| same(group, &arg));
                members.push(found.ok_or_else(|| {
                    QueryError::new(
                        sqlstate::GROUPING_ERROR,
                        "arguments to GROUPING must be grouping expressions of the associated query level",
                    )
                    .at(position)
                })?);
            }
            let masks =
                |set: &Vec<bool>| members.iter().fold(0_i64, |mask, member| mask << 1 | i64::from(!set[*member]));
            items.push((
                var,
                match (number, &grouping.sets) {
                    (Some(number), Some(sets)) => {
                        let masks = sets.iter().map(masks).collect();
                        intrinsics::grouping_mask(Expr::Column(number, DataType::Int4), masks)
                    }
                    _ => Expr::Literal(Value::Int(0), DataType::Int4),
                },
            ));
        }
        Ok(if items.is_empty() { plan } else { Plan::Extend { input: Box::new(plan), items } })
    }
}

fn too_many_sets() -> QueryError {
    QueryError::new(sqlstate::STATEMENT_TOO_COMPLEX, format!("too many grouping sets present (maximum {SET_LIMIT})"))
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Nested {
    Rollup,
    Cube,
    Sets,
}

fn nested_kind(function: &Function) -> Option<(Nested, &FunctionArgumentList)> {
    let FunctionArguments::List(list) = &function.args else { return None };
    let [part] = function.name.0.as_slice() else { return None };
    let ident = part.as_ident()?;
    let kind = match (ident.value.as_str(), ident.quote_style) {
        (NESTED_MARK, _) => Nested::Sets,
        (name, None) if name.eq_ignore_ascii_case("rollup") => Nested::Rollup,
        (name, None) if name.eq_ignore_ascii_case("cube") => Nested::Cube,
        _ => return None,
    };
    Some((kind, list))
}

/// `ROW()`, as which an empty set is written where the parser knows none.
fn is_empty_row(function: &Function) -> bool {
    let is_row = function.name.to_string().eq_ignore_ascii_case("row");
    is_row && matches!(&function.args, FunctionArguments::List(list) if list.args.is_empty())
}

fn union(a: &[usize], b: &[usize]) -> Vec<usize> {
    let mut out = a.to_vec();
    out.extend(b.iter().filter(|index| !a.contains(index)));
    out
}

/// All parts, then ever fewer.
fn rollup(parts: &[Vec<usize>]) -> Sets {
    (0..=parts.len()).rev().map(|count| parts[..count].iter().fold(Vec::new(), |set, part| union(&set, part))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rollup_drops_parts_from_the_end() {
        assert_eq!(rollup(&[vec![0, 1], vec![1, 2]]), vec![vec![0, 1, 2], vec![0, 1], vec![]]);
        assert_eq!(union(&[0, 2], &[2, 1]), vec![0, 2, 1]);
    }
}
