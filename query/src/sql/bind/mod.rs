//! Binding: names, types and operators get their meaning, and the algebra comes out.
//!
//! A [`Binder`] lives for one statement. It keeps a stack of frames, one per query level that is being bound (and one
//! for each left side that a LATERAL item may look at); a name is searched from the innermost frame outwards, so a
//! column found in an outer frame is simply a variable that the inner plan reads and does not produce: correlation
//! needs no bookkeeping of its own.
//!
//! Literals and parameters start as `Unknown` and take their type from the first operator, function, assignment or
//! set operation they meet; what meets none is text.

mod call_arguments;
mod coerce;
mod column_names;
mod computed_index;
mod conflict_target;
mod copy;
mod copy_options;
mod cte;
mod cte_reads;
mod cypher_from;
pub mod data_type;
mod ddl;
mod delete;
mod embed;
mod explain;
mod expr;
mod from;
mod function_call;
mod group;
mod grouping_sets;
pub mod identity;
mod insert;
mod intrinsics;
mod join;
mod literal;
mod names;
mod object_literal;
mod operator;
mod order;
mod output_name;
mod params;
mod record;
mod relation_names;
mod returning;
mod row_compare;
mod row_lock;
mod sample;
mod scope;
mod select;
mod set_function;
mod set_operation;
mod special_syntax;
pub mod stored_sequences;
mod stored_text;
mod subquery;
mod subscript;
mod table_function;
mod unread_columns;
mod update;
mod values;
pub mod view_write;
mod walk;
mod window;
mod window_frame;
mod within_group;

pub use computed_index::{IndexRules, bind_index_rules};

use std::cell::OnceCell;
use std::sync::Arc;

use rustc_hash::{FxHashMap, FxHashSet};
use sinew_storage::catalog::Catalog;
use sinew_storage::{DataType, RelationId};
use sqlparser::ast::{SetExpr, Spanned, Statement};
use sqlparser::tokenizer::Span;

pub use self::column_names::{Reworded, columns_named, with_column_renamed};
use self::cte::CteBinding;
pub use self::relation_names::{relations_named, with_relations_renamed, without_visible_schemas};
use self::row_lock::{LockScope, RowLockClause};
use self::scope::Frame;
pub use self::stored_text::{StoredRules, bind_row_expressions, bind_stored_rules};
pub use self::view_write::updatable_columns;
use super::copy_syntax::CopySyntax;
use super::definition::Definition;
use super::position::LineIndex;
use crate::algebra::{Plan, VarId, VarTable};
use crate::context::BindContext;
use crate::error::{QueryError, Result, sqlstate};
use crate::statement::{
    BoundQuery, BoundStatement, CopyOptions, ExplainOptions, MAX_OUTPUT_COLUMNS, OutputColumn, QueryKind,
};

/// Views, virtual columns and subqueries that may be nested in each other.
const NESTING_LIMIT: usize = 128;
/// Operators and expressions on top of each other in a bound plan; views and CTEs count with what they stand for.
const PLAN_DEPTH_LIMIT: usize = 640;

/// The state of binding one statement.
pub(in crate::sql) struct Binder<'a> {
    pub context: &'a BindContext<'a>,
    pub catalog: Arc<Catalog>,
    pub search_path: Vec<String>,
    /// The statement's text, for positions; None inside text from the catalog.
    pub source: Option<&'a str>,
    /// Of the statement's text, made when the first position is asked for.
    lines: OnceCell<LineIndex>,
    pub vars: VarTable,
    pub frames: Vec<Frame>,
    pub ctes: Vec<CteBinding>,
    pub next_cte: u32,
    /// Variables reached through a LATERAL frame since it was last emptied.
    pub lateral_used: FxHashSet<VarId>,
    pub nesting: usize,
    /// Of the SELECT whose FROM is being bound.
    pub lock_scope: LockScope,
    /// Clauses that the query bound next takes over.
    pub inherited_locks: Vec<RowLockClause>,
    /// The statement takes no parameters.
    pub refuses_parameters: bool,
    /// The text has the word `tableoid` in it: relations offer that column.
    pub mentions_tableoid: bool,
    /// Columns of functions in FROM that return a set of one value: their rows are these values.
    pub scalar_rows: FxHashSet<VarId>,
    /// Names and types of the fields of variables that are records.
    pub record_fields: FxHashMap<VarId, Vec<(String, DataType)>>,
    /// Where relations are named in the statement's own text, when somebody wants to know.
    pub noted_names: Option<Vec<relation_names::NotedName>>,
    /// Likewise columns of tables. While they are noted, columns of derived tables have no origin.
    pub noted_columns: Option<Vec<column_names::NotedColumn>>,
    /// Tables, views and sequences that FROM has named so far, also within views.
    pub used_relations: Vec<RelationId>,
}

/// A query's plan and its columns.
#[derive(Clone, Debug, Default)]
pub(in crate::sql) struct Bound {
    pub plan: Plan,
    pub output: Vec<OutputColumn>,
}

pub fn bind_definition(context: &BindContext<'_>, definition: &Definition, text: &str) -> Result<BoundStatement> {
    let mut binder = Binder::new(context, text);
    binder.refuses_parameters = true;
    binder.bind_definition(definition)
}

pub fn bind_statement(context: &BindContext<'_>, statement: &Statement, text: &str) -> Result<BoundStatement> {
    let mut binder = Binder::new(context, text);
    match statement {
        Statement::Query(query)
            if matches!(&*query.body, SetExpr::Insert(_) | SetExpr::Update(_) | SetExpr::Delete(_)) =>
        {
            let (bound, kind) = binder.bind_write_with(query)?;
            Ok(BoundStatement::Query(binder.finish(bound, kind)?))
        }
        Statement::Query(query) => {
            if let Some((into, query)) = Binder::select_into(query) {
                return binder.select_into_table(&into, &query);
            }
            let mut bound = binder.bind_query(query, false)?;
            binder.print_records(&mut bound);
            Ok(BoundStatement::Query(binder.finish(bound, QueryKind::Select)?))
        }
        Statement::Insert(insert) => {
            let bound = binder.bind_insert(insert)?;
            Ok(BoundStatement::Query(binder.finish(bound, QueryKind::Insert)?))
        }
        Statement::Update(update) => {
            let bound = binder.bind_update(update)?;
            Ok(BoundStatement::Query(binder.finish(bound, QueryKind::Update)?))
        }
        Statement::Delete(delete) => {
            let bound = binder.bind_delete(delete)?;
            Ok(BoundStatement::Query(binder.finish(bound, QueryKind::Delete)?))
        }
        Statement::Call(function) => {
            let bound = binder.bind_call_statement(function)?;
            Ok(BoundStatement::Query(binder.finish(bound, QueryKind::Call)?))
        }
        Statement::Explain { .. } => binder.bind_explain(statement),
        _ => {
            binder.refuses_parameters = true;
            binder.bind_ddl(statement)
        }
    }
}

fn mentions_tableoid(text: &str) -> bool {
    text.as_bytes().windows(scope::TABLEOID.len()).any(|word| word.eq_ignore_ascii_case(scope::TABLEOID.as_bytes()))
}

/// Binds COPY.
pub fn bind_copy(context: &BindContext<'_>, copy: &CopySyntax, text: &str) -> Result<BoundStatement> {
    Binder::new(context, text).bind_copy(copy)
}

/// See [`super::bind_explain_options`].
pub fn bind_explain_options(context: &BindContext<'_>, statement: &Statement, text: &str) -> Result<ExplainOptions> {
    Binder::new(context, text).bind_explain_options(statement)
}

/// See [`super::bind_copy_options`].
pub fn bind_copy_options(context: &BindContext<'_>, text: &str, columns: &[OutputColumn]) -> Result<CopyOptions> {
    Binder::new(context, text).bind_copy_options(text, columns)
}

impl<'a> Binder<'a> {
    pub fn new(context: &'a BindContext<'a>, text: &'a str) -> Binder<'a> {
        Binder {
            context,
            catalog: context.transaction.catalog(),
            search_path: context.session.search_path(),
            source: Some(text),
            lines: OnceCell::new(),
            vars: VarTable::default(),
            frames: Vec::new(),
            ctes: Vec::new(),
            next_cte: 0,
            lateral_used: FxHashSet::default(),
            nesting: 0,
            lock_scope: LockScope::default(),
            inherited_locks: Vec::new(),
            refuses_parameters: false,
            mentions_tableoid: mentions_tableoid(text),
            scalar_rows: FxHashSet::default(),
            record_fields: FxHashMap::default(),
            noted_names: None,
            noted_columns: None,
            used_relations: Vec::new(),
        }
    }

    /// Ends binding: open parameters become text, and scans keep only columns that something reads. 54001 when too deep.
    pub fn finish(mut self, mut bound: Bound, kind: QueryKind) -> Result<BoundQuery> {
        let depth = walk::depth(&mut bound.plan);
        if depth > PLAN_DEPTH_LIMIT {
            return Err(QueryError::new(sqlstate::STATEMENT_TOO_COMPLEX, "stack depth limit exceeded")
                .detail(format!("The statement's plan is {depth} levels deep, the limit is {PLAN_DEPTH_LIMIT}.")));
        }
        if bound.output.len() > MAX_OUTPUT_COLUMNS {
            let message = format!("target lists can have at most {MAX_OUTPUT_COLUMNS} entries");
            return Err(QueryError::new(sqlstate::TOO_MANY_COLUMNS, message));
        }
        let params = self.finish_params();
        walk::settle_parameters(&mut bound.plan, &params);
        unread_columns::prune_columns(&mut bound.plan, &bound.output);
        let output = std::mem::take(&mut bound.output);
        Ok(BoundQuery { plan: bound.plan, output, vars: self.vars, params, param_names: Vec::new(), kind })
    }

    /// Position of a place in the statement; None inside text from the catalog.
    pub fn at(&self, span: Span) -> Option<usize> {
        let text = self.source?;
        self.lines.get_or_init(|| LineIndex::new(text)).character_position(span.start)
    }

    /// Position of the operator between two operands.
    pub fn between(&self, left: Span, right: Span) -> Option<usize> {
        let text = self.source?;
        self.lines.get_or_init(|| LineIndex::new(text)).operator_position(text, left, right)
    }

    pub fn at_node(&self, node: &impl Spanned) -> Option<usize> {
        self.at(node.span())
    }

    /// 0A000 naming `what`, at `span`.
    pub fn unsupported(&self, what: impl std::fmt::Display, span: Span) -> QueryError {
        QueryError::unsupported(what).at(self.at(span))
    }

    /// Runs `bind` one nesting level deeper. 54001 beyond the limit.
    pub fn nested<T>(&mut self, bind: impl FnOnce(&mut Self) -> Result<T>) -> Result<T> {
        if self.nesting >= NESTING_LIMIT {
            return Err(QueryError::new(sqlstate::STATEMENT_TOO_COMPLEX, "stack depth limit exceeded")
                .detail(format!("Subqueries and views are nested more than {NESTING_LIMIT} levels deep.")));
        }
        self.nesting += 1;
        let result = bind(self);
        self.nesting -= 1;
        result
    }
}
