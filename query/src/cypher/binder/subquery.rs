//! Expressions with a plan inside: pattern predicates, comprehensions, EXISTS, COUNT, COLLECT, shortestPath.

use super::*;
use crate::algebra::{Subquery, SubqueryKind};
use ast::{PathPattern, Shortest, SubqueryBody};

fn subquery(kind: SubqueryKind, plan: Plan, column: Option<VarId>, ty: DataType) -> Expr {
    Expr::Subquery(Box::new(Subquery { kind, plan, column, ty }))
}

impl Binder<'_> {
    /// A pattern as a predicate (names must be bound), or shortestPath as a value.
    pub(super) fn pattern_expr(&mut self, pattern: &PathPattern, allowed: bool, span: Span) -> Result<Expr> {
        if let Some(shortest) = pattern.shortest {
            return self.shortest_path_value(pattern, shortest);
        }
        if !allowed {
            let message = "a pattern can only be used as a predicate or inside exists()";
            let error = self.syntax("UnexpectedSyntax", message, span);
            return Err(error.hint("COUNT { pattern } counts its matches, [pattern | value] lists them."));
        }
        for name in pattern.names() {
            self.lookup(&name.text, name.span)?;
        }
        let plan =
            self.nested_query(|binder| binder.match_patterns(Plan::Unit, std::slice::from_ref(pattern), None, true))?;
        Ok(subquery(SubqueryKind::Exists, plan, None, DataType::Bool))
    }

    fn shortest_path_value(&mut self, pattern: &PathPattern, shortest: Shortest) -> Result<Expr> {
        self.nested_query(|binder| {
            let name: Arc<str> = "  path".into();
            let mut pattern = pattern.clone();
            pattern.var = Some(ast::Name { text: name.clone(), span: pattern.span });
            let plan = binder.match_patterns(Plan::Unit, std::slice::from_ref(&pattern), None, true)?;
            let path = binder.lookup(&name, pattern.span)?;
            let plan = Plan::Project { input: Box::new(plan), items: vec![(path, binder.column(path))] };
            Ok(match shortest {
                Shortest::One => subquery(SubqueryKind::Scalar, plan, Some(path), DataType::Path),
                Shortest::All => subquery(SubqueryKind::Collect, plan, Some(path), DataType::array_of(DataType::Path)),
            })
        })
    }

    pub(super) fn pattern_comprehension(
        &mut self,
        pattern: &PathPattern,
        filter: Option<&ast::Expr>,
        map: &ast::Expr,
    ) -> Result<Expr> {
        self.no_aggregates(filter.into_iter().chain([map]))?;
        self.nested_query(|binder| {
            let plan = binder.match_patterns(Plan::Unit, std::slice::from_ref(pattern), filter, true)?;
            let value = binder.expr(map)?;
            let ty = DataType::array_of(value.ty());
            let column = binder.anonymous(value.ty());
            let plan = Plan::Project { input: Box::new(plan), items: vec![(column, value)] };
            Ok(subquery(SubqueryKind::Collect, plan, Some(column), ty))
        })
    }

    /// The plan of a subquery in braces, and its columns.
    fn body(&mut self, body: &SubqueryBody) -> Result<(Plan, Columns)> {
        match body {
            SubqueryBody::Pattern { patterns, filter } => {
                let plan = self.match_patterns(Plan::Unit, patterns, filter.as_ref(), true)?;
                Ok((plan, Columns::new()))
            }
            SubqueryBody::Query(query) => {
                if let Some(clause) = query::writing_clause(query) {
                    let message = "a subquery expression cannot contain updating clauses";
                    return Err(self.syntax("InvalidClauseComposition", message, clause.span));
                }
                self.reading_subquery(query)
            }
        }
    }

    pub(super) fn exists(&mut self, body: &SubqueryBody) -> Result<Expr> {
        self.nested_query(|binder| {
            let (plan, _) = binder.body(body)?;
            Ok(subquery(SubqueryKind::Exists, plan, None, DataType::Bool))
        })
    }

    pub(super) fn count_subquery(&mut self, body: &SubqueryBody) -> Result<Expr> {
        self.nested_query(|binder| {
            let (plan, _) = binder.body(body)?;
            Ok(subquery(SubqueryKind::Count, plan, None, DataType::Int8))
        })
    }

    pub(super) fn collect_subquery(&mut self, body: &SubqueryBody, span: Span) -> Result<Expr> {
        self.nested_query(|binder| {
            let (plan, columns) = binder.body(body)?;
            let [(_, column)] = columns[..] else {
                let message = "COLLECT must return exactly one column";
                return Err(binder.syntax("InvalidNumberOfArguments", message, span));
            };
            let ty = DataType::array_of(binder.vars.ty(column).clone());
            Ok(subquery(SubqueryKind::Collect, plan, Some(column), ty))
        })
    }
}
