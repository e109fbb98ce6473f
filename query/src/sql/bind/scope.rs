//! Scopes: which columns a name may mean.

use std::sync::Arc;

use sinew_storage::DataType;
use sqlparser::ast::Ident;
use sqlparser::tokenizer::Span;

use super::Binder;
use super::grouping_sets::PendingGrouping;
use super::names::fold;
use super::set_function::PendingSet;
use super::window::{PendingWindow, WindowDefinition};
use crate::algebra::{AggregateCall, Expr, Plan, VarId};
use crate::error::{QueryError, Result, sqlstate};
use crate::near_miss::near_miss;

/// A column that a FROM item offers.
#[derive(Clone, Debug)]
pub struct ScopeColumn {
    pub name: Arc<str>,
    pub var: VarId,
    pub ty: DataType,
    pub origin: Option<(u32, i16)>,
}

/// The system column that gives the oid of the relation a row is of.
pub const TABLEOID: &str = "tableoid";

fn tableoid_column(var: VarId) -> ScopeColumn {
    ScopeColumn { name: TABLEOID.into(), var, ty: DataType::Oid, origin: None }
}

/// A FROM item under its name.
#[derive(Clone, Debug)]
pub struct ScopeRelation {
    /// None for an unnamed join or subquery.
    pub name: Option<String>,
    /// For `schema.table.column`, when the table has no alias.
    pub schema: Option<String>,
    pub columns: Vec<ScopeColumn>,
    /// The system column `tableoid`, where the statement mentions it and the relation is stored.
    pub tableoid: Option<VarId>,
}

/// Where an expression stands: decides what may occur in it, and is named in errors.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Clause {
    Select,
    Where,
    On,
    GroupBy,
    Having,
    OrderBy,
    Limit,
    Values,
    From,
    Set,
    Returning,
    Check,
    /// COPY FROM … WHERE.
    CopyWhere,
    Default,
    IndexExpression,
    IndexPredicate,
    Transform,
    Filter,
    AggregateArguments,
    /// PARTITION BY and ORDER BY of a window.
    Window,
    WindowRows,
    WindowRange,
    WindowGroups,
    Call,
}

impl Clause {
    pub fn name(self) -> &'static str {
        match self {
            Clause::Select => "SELECT",
            Clause::Where => "WHERE",
            Clause::On => "JOIN conditions",
            Clause::GroupBy => "GROUP BY",
            Clause::Having => "HAVING",
            Clause::OrderBy => "ORDER BY",
            Clause::Limit => "LIMIT",
            Clause::Values => "VALUES",
            Clause::From => "functions in FROM",
            Clause::Set => "UPDATE",
            Clause::Returning => "RETURNING",
            Clause::Check => "check constraints",
            Clause::CopyWhere => "COPY FROM WHERE conditions",
            Clause::Default => "DEFAULT expressions",
            Clause::IndexExpression => "index expressions",
            Clause::IndexPredicate => "index predicates",
            Clause::Transform => "transform expressions",
            Clause::Filter => "FILTER",
            Clause::AggregateArguments => "aggregate arguments",
            Clause::Window => "window definitions",
            Clause::WindowRows => "window ROWS",
            Clause::WindowRange => "window RANGE",
            Clause::WindowGroups => "window GROUPS",
            Clause::Call => "CALL arguments",
        }
    }

    pub fn allows_aggregates(self) -> bool {
        matches!(self, Clause::Select | Clause::Having | Clause::OrderBy | Clause::Window)
    }

    /// As an error about a window function names it.
    pub fn window_place(self) -> &'static str {
        if self.is_window_definition() { Clause::Window.name() } else { self.name() }
    }

    pub fn allows_windows(self) -> bool {
        matches!(self, Clause::Select | Clause::OrderBy)
    }

    pub fn is_window_definition(self) -> bool {
        matches!(self, Clause::Window | Clause::WindowRows | Clause::WindowRange | Clause::WindowGroups)
    }
}

/// One query level.
#[derive(Clone, Debug)]
pub struct Frame {
    pub relations: Vec<ScopeRelation>,
    /// What `*` gives and unqualified names mean, in order.
    pub star: Vec<ScopeColumn>,
    /// The left side of a LATERAL item: same query level as the frame below it.
    pub lateral: bool,
    pub clause: Clause,
    pub aggregates: Vec<(VarId, AggregateCall, Option<usize>)>,
    pub sets: Vec<PendingSet>,
    /// Calls with OVER, and the windows they are over, those of the WINDOW clause first.
    pub windows: Vec<PendingWindow>,
    pub definitions: Vec<WindowDefinition>,
    pub groupings: Vec<PendingGrouping>,
    /// Columns of this frame that expressions mentioned, with their places, for grouping errors.
    pub references: Vec<(VarId, Span)>,
}

impl Frame {
    pub fn new(clause: Clause) -> Frame {
        Frame {
            relations: Vec::new(),
            star: Vec::new(),
            lateral: false,
            clause,
            aggregates: Vec::new(),
            sets: Vec::new(),
            windows: Vec::new(),
            definitions: Vec::new(),
            groupings: Vec::new(),
            references: Vec::new(),
        }
    }

    /// Of one relation, under an alias when there is one.
    pub fn named(mut relation: ScopeRelation, alias: Option<&str>, clause: Clause) -> Frame {
        if let Some(alias) = alias {
            relation.name = Some(alias.to_owned());
            relation.schema = None;
        }
        Frame { star: relation.columns.clone(), relations: vec![relation], ..Frame::new(clause) }
    }

    pub fn of(item: &FromItem, clause: Clause) -> Frame {
        Frame { relations: item.relations.clone(), star: item.star.clone(), ..Frame::new(clause) }
    }
}

/// A bound FROM item.
#[derive(Clone, Debug, Default)]
pub struct FromItem {
    pub plan: Plan,
    pub relations: Vec<ScopeRelation>,
    pub star: Vec<ScopeColumn>,
}

impl FromItem {
    pub fn of_relation(plan: Plan, relation: ScopeRelation) -> FromItem {
        FromItem { plan, star: relation.columns.clone(), relations: vec![relation] }
    }
}

impl Binder<'_> {
    /// The innermost query level.
    pub fn frame(&mut self) -> &mut Frame {
        self.frames.last_mut().expect("a frame is pushed before expressions are bound")
    }

    /// Binds with `clause` as the innermost frame's clause, then restores it.
    pub fn in_clause<T>(&mut self, clause: Clause, bind: impl FnOnce(&mut Self) -> Result<T>) -> Result<T> {
        let before = std::mem::replace(&mut self.frame().clause, clause);
        let result = bind(self);
        self.frame().clause = before;
        result
    }

    /// Binds with an additional frame, which is popped afterwards.
    pub fn with_frame<T>(&mut self, frame: Frame, bind: impl FnOnce(&mut Self) -> Result<T>) -> Result<(T, Frame)> {
        self.frames.push(frame);
        let result = bind(self);
        let frame = self.frames.pop().expect("the frame that was pushed");
        Ok((result?, frame))
    }

    /// `column`: 42703, 42702.
    pub fn resolve_unqualified(&mut self, ident: &Ident) -> Result<Option<Expr>> {
        let name = fold(ident);
        for level in (0..self.frames.len()).rev() {
            let frame = &self.frames[level];
            let mut found = frame.star.iter().filter(|column| *column.name == *name);
            let Some(first) = found.next() else {
                if name == TABLEOID
                    && let Some(expr) = self.resolve_tableoid(level, ident)?
                {
                    return Ok(Some(expr));
                }
                continue;
            };
            if found.any(|other| other.var != first.var) || frame.star.iter().filter(|c| *c.name == *name).count() > 1 {
                return Err(QueryError::new(
                    sqlstate::AMBIGUOUS_COLUMN,
                    format!("column reference \"{name}\" is ambiguous"),
                )
                .at(self.at(ident.span)));
            }
            let column = first.clone();
            self.note_column(column.origin, Some(ident));
            return Ok(Some(self.use_column(level, &column, ident.span)));
        }
        Ok(None)
    }

    /// The `tableoid` of a level's only stored relation. 42702 when there are several.
    fn resolve_tableoid(&mut self, level: usize, ident: &Ident) -> Result<Option<Expr>> {
        let mut found = self.frames[level].relations.iter().filter_map(|relation| relation.tableoid);
        let Some(var) = found.next() else { return Ok(None) };
        if found.next().is_some() {
            return Err(QueryError::new(
                sqlstate::AMBIGUOUS_COLUMN,
                format!("column reference \"{TABLEOID}\" is ambiguous"),
            )
            .at(self.at(ident.span)));
        }
        Ok(Some(self.use_column(level, &tableoid_column(var), ident.span)))
    }

    /// `table.column` or `schema.table.column`.
    pub fn resolve_qualified(&mut self, schema: Option<&Ident>, table: &Ident, column: &Ident) -> Result<Expr> {
        let table_name = fold(table);
        let schema_name = schema.map(fold);
        let column_name = fold(column);
        let mut relation_known = None;
        for level in (0..self.frames.len()).rev() {
            let matching: Vec<&ScopeRelation> = self.frames[level]
                .relations
                .iter()
                .filter(|relation| relation_matches(relation, schema_name.as_deref(), &table_name))
                .collect();
            let Some(relation) = matching.first() else { continue };
            if matching.len() > 1 {
                return Err(QueryError::new(
                    sqlstate::DUPLICATE_ALIAS,
                    format!("table reference \"{table_name}\" is ambiguous"),
                )
                .at(self.at(table.span)));
            }
            let mut found = relation.columns.iter().filter(|candidate| *candidate.name == *column_name);
            if let Some(first) = found.next() {
                if found.next().is_some() {
                    return Err(QueryError::new(
                        sqlstate::AMBIGUOUS_COLUMN,
                        format!("column reference \"{column_name}\" is ambiguous"),
                    )
                    .at(self.at(table.span)));
                }
                let first = first.clone();
                self.note_column(first.origin, Some(column));
                return Ok(self.use_column(level, &first, table.span));
            }
            if column_name == TABLEOID
                && let Some(var) = relation.tableoid
            {
                return Ok(self.use_column(level, &tableoid_column(var), table.span));
            }
            let names: Vec<String> = relation.columns.iter().map(|column| column.name.to_string()).collect();
            relation_known = Some(names);
            break;
        }
        match relation_known {
            Some(names) => {
                let error = QueryError::new(
                    sqlstate::UNDEFINED_COLUMN,
                    format!("column {table_name}.{column_name} does not exist"),
                )
                .at(self.at(table.span));
                Err(match near_miss(&column_name, names.iter().map(String::as_str)) {
                    Some(near) => {
                        error.hint(format!("Perhaps you meant to reference the column \"{table_name}.{near}\"."))
                    }
                    None => error,
                })
            }
            None => Err(self.missing_from_entry(&table_name, table.span)),
        }
    }

    /// 42P01 for a qualifier that names no FROM item.
    pub fn missing_from_entry(&self, table: &str, span: Span) -> QueryError {
        let names: Vec<String> =
            self.frames.iter().rev().flat_map(|frame| &frame.relations).filter_map(|r| r.name.clone()).collect();
        let error =
            QueryError::new(sqlstate::UNDEFINED_TABLE, format!("missing FROM-clause entry for table \"{table}\""))
                .at(self.at(span));
        match near_miss(table, names.iter().map(String::as_str)) {
            Some(near) => error.hint(format!("Perhaps you meant to reference the table alias \"{near}\".")),
            None => error,
        }
    }

    /// 42703 for an unqualified name, with the nearest column that is in scope.
    pub fn missing_column(&self, name: &str, span: Span) -> QueryError {
        let mut qualified: Vec<(String, String)> = Vec::new();
        for frame in self.frames.iter().rev() {
            for relation in &frame.relations {
                for column in &relation.columns {
                    let shown = match &relation.name {
                        Some(relation) => format!("{relation}.{}", column.name),
                        None => column.name.to_string(),
                    };
                    qualified.push((column.name.to_string(), shown));
                }
            }
        }
        let error =
            QueryError::new(sqlstate::UNDEFINED_COLUMN, format!("column \"{name}\" does not exist")).at(self.at(span));
        let near = near_miss(name, qualified.iter().map(|(name, _)| name.as_str()));
        match near.and_then(|near| qualified.iter().find(|(name, _)| *name == near)) {
            Some((_, shown)) => error.hint(format!("Perhaps you meant to reference the column \"{shown}\".")),
            None => error,
        }
    }

    pub fn use_column(&mut self, level: usize, column: &ScopeColumn, span: Span) -> Expr {
        let frame = &mut self.frames[level];
        frame.references.push((column.var, span));
        if frame.lateral {
            self.lateral_used.insert(column.var);
        }
        Expr::Column(column.var, self.vars.ty(column.var).clone())
    }

    /// The columns of `table.*`.
    pub fn relation_columns(&self, schema: Option<&str>, table: &str) -> Option<Vec<ScopeColumn>> {
        self.frames.iter().rev().find_map(|frame| {
            frame
                .relations
                .iter()
                .find(|relation| relation_matches(relation, schema, table))
                .map(|relation| relation.columns.clone())
        })
    }
}

pub fn relation_matches(relation: &ScopeRelation, schema: Option<&str>, table: &str) -> bool {
    relation.name.as_deref() == Some(table) && (schema.is_none() || relation.schema.as_deref() == schema)
}
