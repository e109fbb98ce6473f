//! WITH: definitions are bound once; a definition read once is put in its reader's place unless MATERIALIZED.

use std::sync::Arc;

use sinew_storage::DataType;
use sqlparser::ast::{
    Cte, CteAsMaterialized, Ident, Query, SetExpr, SetOperator, SetQuantifier, Spanned, Statement, With,
};

use sqlparser::dialect::PostgreSqlDialect;
use sqlparser::tokenizer::{Span, Token, Tokenizer};

use super::cte_reads::inline_cte;
use super::names::fold;
use super::scope::{FromItem, ScopeColumn, ScopeRelation};
use super::{Binder, Bound};
use crate::algebra::visit::{plan_is_volatile, plan_locks_rows};
use crate::algebra::{CteId, Plan, VarId};
use crate::error::{QueryError, Result, sqlstate};
use crate::statement::QueryKind;

/// A CTE in scope.
#[derive(Clone, Debug)]
pub(in crate::sql) struct CteBinding {
    pub name: String,
    pub id: CteId,
    pub columns: Vec<(Arc<str>, DataType)>,
    pub definition: Definition,
    pub reads: usize,
    pub materialized: Option<bool>,
}

#[derive(Clone, Debug)]
pub(in crate::sql) enum Definition {
    Plain {
        plan: Plan,
        columns: Vec<VarId>,
    },
    Recursive {
        base: Plan,
        base_columns: Vec<VarId>,
        recursive: Plan,
        recursive_columns: Vec<VarId>,
        all: bool,
    },
    /// Being bound: only the recursive term may read it.
    Open,
}

impl Binder<'_> {
    /// Binds the definitions of a WITH clause; they stay in scope until the caller removes them.
    pub fn bind_with(&mut self, with: &With) -> Result<()> {
        let mark = self.ctes.len();
        for cte in &with.cte_tables {
            let name = fold(&cte.alias.name);
            if self.ctes[mark..].iter().any(|known| known.name == name) {
                return Err(QueryError::new(
                    sqlstate::DUPLICATE_ALIAS,
                    format!("WITH query name \"{name}\" specified more than once"),
                )
                .at(self.at(cte.alias.name.span)));
            }
            if cte.from.is_some() {
                return Err(self.unsupported("FROM after a WITH query", cte.alias.name.span));
            }
            let binding = self.nested(|binder| binder.bind_cte(cte, name, with.recursive))?;
            self.ctes.push(binding);
        }
        Ok(())
    }

    /// `WITH … INSERT`, `UPDATE` or `DELETE`: what the statement reads may be a WITH query.
    pub fn bind_write_with(&mut self, query: &Query) -> Result<(Bound, QueryKind)> {
        self.reject_query_clauses(query)?;
        let mark = self.ctes.len();
        if let Some(with) = &query.with {
            self.bind_with(with)?;
        }
        let bound = match &*query.body {
            SetExpr::Insert(Statement::Insert(insert)) => (self.bind_insert(insert)?, QueryKind::Insert),
            SetExpr::Update(Statement::Update(update)) => (self.bind_update(update)?, QueryKind::Update),
            SetExpr::Delete(Statement::Delete(delete)) => (self.bind_delete(delete)?, QueryKind::Delete),
            other => return Err(self.unsupported("this statement after WITH", other.span())),
        };
        let (mut bound, kind) = bound;
        let declared = self.ctes.split_off(mark);
        bound.plan = self.wrap_ctes(bound.plan, declared);
        Ok((bound, kind))
    }

    fn bind_cte(&mut self, cte: &Cte, name: String, recursive: bool) -> Result<CteBinding> {
        let id = CteId(self.next_cte);
        self.next_cte += 1;
        let materialized = cte.materialized.as_ref().map(|m| matches!(m, CteAsMaterialized::Materialized));
        if recursive
            && let SetExpr::SetOperation { left, op: SetOperator::Union, set_quantifier, right } = &*cte.query.body
            && (mentions(right, &name) || mentions(left, &name))
        {
            return self.bind_recursive_cte(cte, name, id, left, *set_quantifier, right);
        }
        let bound = if recursive && mentions(&cte.query.body, &name) {
            let open = self.open_binding(&name, id);
            let (bound, reads) = self.bind_beside_open(open, |binder| binder.bind_query(&cte.query, false));
            if reads > 0 {
                return Err(invalid_recursion(format!(
                    "recursive query \"{name}\" does not have the form non-recursive-term UNION [ALL] recursive-term"
                ))
                .at(self.at(cte.alias.name.span)));
            }
            bound?
        } else {
            self.bind_query(&cte.query, false)?
        };
        let columns = self.cte_columns(cte, &name, &bound)?;
        let vars = bound.output.iter().map(|column| column.var).collect();
        Ok(CteBinding {
            name,
            id,
            columns,
            definition: Definition::Plain { plan: bound.plan, columns: vars },
            reads: 0,
            materialized,
        })
    }

    fn bind_recursive_cte(
        &mut self,
        cte: &Cte,
        name: String,
        id: CteId,
        left: &SetExpr,
        quantifier: SetQuantifier,
        right: &SetExpr,
    ) -> Result<CteBinding> {
        let span = cte.alias.name.span;
        let query = &cte.query;
        if query.order_by.is_some() || query.limit_clause.is_some() || query.fetch.is_some() {
            return Err(self.unsupported("ORDER BY, LIMIT and OFFSET in a recursive query", span));
        }
        if !query.locks.is_empty() || query.with.is_some() {
            return Err(self.unsupported("WITH or FOR UPDATE directly inside a recursive query", span));
        }
        let all = match quantifier {
            SetQuantifier::All => true,
            SetQuantifier::None | SetQuantifier::Distinct => false,
            other => return Err(self.unsupported(format_args!("UNION {other}"), span)),
        };
        let open = self.open_binding(&name, id);
        let (base, reads) = self.bind_beside_open(open, |binder| binder.bind_set_expr(left));
        if reads > 0 {
            return Err(invalid_recursion(format!(
                "recursive reference to query \"{name}\" must not appear within its non-recursive term"
            ))
            .at(self.at(span)));
        }
        let mut base = base?;
        self.settle_outputs(&mut base)?;
        let columns = self.cte_columns(cte, &name, &base)?;
        let open = CteBinding { columns: columns.clone(), ..self.open_binding(&name, id) };
        let (recursive, _) = self.bind_beside_open(open, |binder| binder.bind_set_expr(right));
        let mut recursive = recursive?;
        let reads = super::cte_reads::count_cte_reads(&mut recursive.plan, id);
        if reads > 1 {
            return Err(invalid_recursion(format!(
                "recursive reference to query \"{name}\" must not appear more than once"
            ))
            .at(self.at(span)));
        }
        if super::cte_reads::is_nullable_cte(&mut recursive.plan, id) {
            return Err(invalid_recursion(format!(
                "recursive reference to query \"{name}\" must not appear within an outer join"
            ))
            .at(self.at(right.span())));
        }
        if super::cte_reads::aggregates_cte(&mut recursive.plan, id) {
            return Err(invalid_recursion("aggregate functions are not allowed in a recursive query's recursive term")
                .at(self.at(right.span())));
        }
        if reads == 0 {
            // The name was a column's or an alias: an ordinary union.
            let position = self.at(right.span());
            let mut bound = self.combine(SetOperator::Union, quantifier, base, recursive, position)?;
            self.settle_outputs(&mut bound)?;
            let columns = self.cte_columns(cte, &name, &bound)?;
            let vars = bound.output.iter().map(|column| column.var).collect();
            let definition = Definition::Plain { plan: bound.plan, columns: vars };
            return Ok(CteBinding { name, id, columns, definition, reads: 0, materialized: None });
        }
        if recursive.output.len() != base.output.len() {
            return Err(QueryError::syntax(
                "each UNION query must have the same number of columns",
                self.at(right.span()),
            ));
        }
        for (index, (column, ty)) in columns.iter().enumerate() {
            let own = recursive.output[index].ty.clone();
            if own == DataType::Unknown || own.same_base(ty) {
                self.coerce_output(&mut recursive, index, ty)?;
                continue;
            }
            let overall = self.common_type(&[ty.clone(), own.clone()], "UNION", self.at(right.span()))?;
            if overall != super::data_type::without_modifier(ty) {
                use crate::types::type_name;
                return Err(QueryError::new(
                    sqlstate::DATATYPE_MISMATCH,
                    format!(
                        "recursive query \"{name}\" column {} has type {} in non-recursive term but type {} overall",
                        index + 1,
                        type_name(ty),
                        type_name(&overall)
                    ),
                )
                .hint(format!("Cast the output of the non-recursive term (\"{column}\") to the correct type."))
                .at(self.at(span)));
            }
            self.coerce_output(&mut recursive, index, ty)?;
        }
        Ok(CteBinding {
            name,
            id,
            columns,
            definition: Definition::Recursive {
                base_columns: base.output.iter().map(|column| column.var).collect(),
                base: base.plan,
                recursive_columns: recursive.output.iter().map(|column| column.var).collect(),
                recursive: recursive.plan,
                all,
            },
            reads: 0,
            materialized: None,
        })
    }

    /// The definition while it is being bound: its name is in scope already, so that reading it is found out instead of
    /// meaning something else.
    fn open_binding(&self, name: &str, id: CteId) -> CteBinding {
        CteBinding {
            name: name.to_owned(),
            id,
            columns: Vec::new(),
            definition: Definition::Open,
            reads: 0,
            materialized: None,
        }
    }

    /// Binds with an open definition in scope, and gives how often it was read.
    fn bind_beside_open(
        &mut self,
        open: CteBinding,
        bind: impl FnOnce(&mut Self) -> Result<Bound>,
    ) -> (Result<Bound>, usize) {
        let depth = self.ctes.len();
        self.ctes.push(open);
        let bound = bind(self);
        let reads = self.ctes.get(depth).map_or(0, |open| open.reads);
        self.ctes.truncate(depth);
        (bound, reads)
    }

    fn cte_columns(&self, cte: &Cte, name: &str, bound: &Bound) -> Result<Vec<(Arc<str>, DataType)>> {
        let aliases = &cte.alias.columns;
        if aliases.len() > bound.output.len() {
            return Err(QueryError::new(
                sqlstate::INVALID_COLUMN_REFERENCE,
                format!(
                    "WITH query \"{name}\" has {} columns available but {} columns specified",
                    bound.output.len(),
                    aliases.len()
                ),
            )
            .at(self.at(cte.alias.name.span)));
        }
        Ok(bound
            .output
            .iter()
            .enumerate()
            .map(|(index, column)| {
                let name: Arc<str> = match aliases.get(index) {
                    Some(alias) => fold(&alias.name).into(),
                    None => column.name.clone(),
                };
                (name, column.ty.clone())
            })
            .collect())
    }

    /// A reference to a CTE in FROM, innermost first.
    pub fn scan_cte(&mut self, name: &str) -> Option<FromItem> {
        let index = self.ctes.iter().rposition(|cte| cte.name == name)?;
        self.ctes[index].reads += 1;
        let id = self.ctes[index].id;
        let columns = self.ctes[index].columns.clone();
        let defined: Vec<VarId> = match &self.ctes[index].definition {
            Definition::Plain { columns, .. } => columns.clone(),
            _ => Vec::new(),
        };
        let columns: Vec<ScopeColumn> = columns
            .into_iter()
            .map(|(column, ty)| ScopeColumn {
                var: self.vars.add(column.clone(), ty.clone()),
                name: column,
                ty,
                origin: None,
            })
            .collect();
        for (column, defined) in columns.iter().zip(defined) {
            if let Some(fields) = self.record_fields.get(&defined).cloned() {
                self.record_fields.insert(column.var, fields);
            }
        }
        let output = columns.iter().map(|column| column.var).collect();
        let relation = ScopeRelation { name: Some(name.to_owned()), schema: None, columns, tableoid: None };
        Some(FromItem::of_relation(Plan::CteScan { cte: id, output }, relation))
    }

    /// Puts the definitions around the plan that reads them, last one innermost.
    pub fn wrap_ctes(&mut self, mut plan: Plan, declared: Vec<CteBinding>) -> Plan {
        for cte in declared.into_iter().rev() {
            let reads = super::cte_reads::count_cte_reads(&mut plan, cte.id);
            if reads == 0 {
                continue;
            }
            plan = match cte.definition {
                Definition::Plain { plan: definition, columns } => {
                    let inline = match cte.materialized {
                        Some(materialized) => !materialized && reads == 1,
                        None => reads == 1,
                    };
                    let stays = plan_is_volatile(&definition) || plan_locks_rows(&definition);
                    if inline && !stays {
                        inline_cte(&mut plan, cte.id, definition, &columns, &cte.columns);
                        plan
                    } else {
                        Plan::With { cte: cte.id, definition: Box::new(definition), columns, body: Box::new(plan) }
                    }
                }
                Definition::Recursive { base, base_columns, recursive, recursive_columns, all } => {
                    Plan::RecursiveWith {
                        cte: cte.id,
                        base: Box::new(base),
                        base_columns,
                        recursive: Box::new(recursive),
                        recursive_columns,
                        all,
                        body: Box::new(plan),
                    }
                }
                Definition::Open => plan,
            };
        }
        plan
    }
}

fn invalid_recursion(message: impl Into<String>) -> QueryError {
    QueryError::new("42P19", message)
}

/// Whether a query body may read a relation of this name: its printed form holds the name as a word.
fn mentions(body: &SetExpr, name: &str) -> bool {
    let text = body.to_string();
    let tokens = Tokenizer::new(&PostgreSqlDialect {}, &text).tokenize().unwrap_or_default();
    tokens.into_iter().any(|token| match token {
        Token::Word(word) => {
            fold(&Ident { value: word.value, quote_style: word.quote_style, span: Span::empty() }) == name
        }
        _ => false,
    })
}
