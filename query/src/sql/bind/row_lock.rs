//! FOR UPDATE, FOR NO KEY UPDATE, FOR SHARE, FOR KEY SHARE: which rows a SELECT locks.
//!
//! A clause locks the tables of its query's FROM, those under its OF only if it has one. Subqueries and views in FROM hand
//! it down: they are bound as if they had the clause themselves. Functions, VALUES and WITH queries have no rows to lock.

use std::sync::Arc;

use sinew_storage::catalog::TableDef;
use sinew_storage::{DataType, LockWait, RowLock};
use sqlparser::ast::{
    Distinct, Ident, LockClause, LockType, NonBlock, ObjectNamePart, Query, Select, SetExpr, TableAlias,
};

use super::Binder;
use super::names::fold;
use super::scope::FromItem;
use crate::algebra::{ApplyKind, JoinKind, Plan, TableLock, VarId, lock_clause, visit};
use crate::error::{QueryError, Result, sqlstate};
use crate::sql::lexical::{LOCK_MODE_MARK, LOCK_TABLE_MARK};

/// One locking clause.
#[derive(Clone, Debug)]
pub struct RowLockClause {
    mode: RowLock,
    wait: LockWait,
    /// Names of FROM items; empty means all.
    of: Vec<Ident>,
    /// It stands on a query around this one.
    inherited: bool,
}

impl RowLockClause {
    pub fn skips_locked(&self) -> bool {
        self.wait == LockWait::SkipLocked
    }

    fn covers(&self, name: &str) -> bool {
        self.of.is_empty() || self.of.iter().any(|ident| fold(ident) == name)
    }
}

/// What the locking clauses of a query find in its FROM.
#[derive(Debug, Default)]
pub(in crate::sql) struct LockScope {
    clauses: Vec<RowLockClause>,
    tables: Vec<TableLock>,
    /// FROM items by name, with what those are that cannot be locked.
    items: Vec<(String, Option<&'static str>)>,
}

impl LockScope {
    pub fn of(clauses: &[RowLockClause]) -> LockScope {
        LockScope { clauses: clauses.to_vec(), ..LockScope::default() }
    }
}

impl Binder<'_> {
    /// The locking clauses of a query, and those that the query around it hands down.
    pub fn row_lock_clauses(&mut self, query: &Query) -> Result<Vec<RowLockClause>> {
        let inherited = std::mem::take(&mut self.inherited_locks);
        let mut clauses = query.locks.iter().map(|clause| self.row_lock_clause(clause)).collect::<Result<Vec<_>>>()?;
        clauses.extend(inherited);
        Ok(clauses)
    }

    fn row_lock_clause(&self, clause: &LockClause) -> Result<RowLockClause> {
        let mut mode = match clause.lock_type {
            LockType::Update => RowLock::Update,
            LockType::Share => RowLock::Share,
        };
        let wait = match clause.nonblock {
            None => LockWait::Block,
            Some(NonBlock::Nowait) => LockWait::NoWait,
            Some(NonBlock::SkipLocked) => LockWait::SkipLocked,
        };
        let mut parts: &[ObjectNamePart] = match &clause.of {
            Some(name) => &name.0,
            None => &[],
        };
        let text = |part: &ObjectNamePart| part.as_ident().map_or("", |ident| ident.value.as_str()).to_owned();
        if let Some((first, rest)) = parts.split_first()
            && let Some(written) = text(first).strip_prefix(LOCK_MODE_MARK)
        {
            mode = match written {
                "NO KEY UPDATE" => RowLock::NoKeyUpdate,
                "KEY SHARE" => RowLock::KeyShare,
                _ => mode,
            };
            parts = rest;
        }
        let mut of = Vec::new();
        for name in parts.split(|part| text(part) == LOCK_TABLE_MARK) {
            match name {
                [] => {}
                [ObjectNamePart::Identifier(ident)] => of.push(ident.clone()),
                [first, ..] => {
                    return Err(QueryError::syntax(
                        format!("{} must specify unqualified relation names", lock_clause(mode)),
                        first.as_ident().and_then(|ident| self.at(ident.span)),
                    ));
                }
            }
        }
        Ok(RowLockClause { mode, wait, of, inherited: false })
    }

    /// 0A000 for a query body that has no rows of tables.
    pub fn check_lockable_body(&self, body: &SetExpr, clauses: &[RowLockClause]) -> Result<()> {
        let Some(clause) = clauses.first() else { return Ok(()) };
        let what = match body {
            SetExpr::SetOperation { .. } => "is not allowed with UNION/INTERSECT/EXCEPT",
            SetExpr::Values(_) if !clause.inherited => "cannot be applied to VALUES",
            _ => return Ok(()),
        };
        Err(not_lockable(clause.mode, what))
    }

    /// 0A000 for a SELECT whose rows are not single rows of its tables.
    pub fn check_lockable_select(
        &mut self,
        select: &Select,
        clauses: &[RowLockClause],
        grouped: bool,
        aggregated: bool,
        windowed: bool,
    ) -> Result<()> {
        let Some(clause) = clauses.first() else { return Ok(()) };
        let what = if matches!(select.distinct, Some(Distinct::Distinct | Distinct::On(_))) {
            "is not allowed with DISTINCT clause"
        } else if grouped {
            "is not allowed with GROUP BY clause"
        } else if select.having.is_some() {
            "is not allowed with HAVING clause"
        } else if aggregated {
            "is not allowed with aggregate functions"
        } else if windowed {
            "is not allowed with window functions"
        } else if !self.frame().sets.is_empty() {
            "is not allowed with set-returning functions in the target list"
        } else {
            return Ok(());
        };
        Err(not_lockable(clause.mode, what))
    }

    /// A table in FROM: if it is locked, its scan gives row ids.
    pub fn lock_table(&mut self, table: &Arc<TableDef>, name: &str, plan: &mut Plan) {
        self.lock_scope.items.push((name.to_owned(), None));
        let covering = self.lock_scope.clauses.iter().filter(|clause| clause.covers(name));
        let merged = covering.map(|clause| (clause.mode, clause.wait)).reduce(|(mode, wait), (other, also)| {
            let wait = match (wait, also) {
                (LockWait::NoWait, _) | (_, LockWait::NoWait) => LockWait::NoWait,
                (LockWait::SkipLocked, _) | (_, LockWait::SkipLocked) => LockWait::SkipLocked,
                (LockWait::Block, LockWait::Block) => LockWait::Block,
            };
            (mode.max(other), wait)
        });
        let Some((mode, wait)) = merged else { return };
        let row_id = self.vars.add("row_id", DataType::Int8);
        super::update::set_row_id(plan, row_id);
        self.lock_scope.tables.push(TableLock { table: Arc::clone(table), row_id, mode, wait });
    }

    /// A subquery or view in FROM: what it is bound with next takes the clauses that cover it.
    pub fn hand_down_locks(&mut self, name: &str) {
        self.lock_scope.items.push((name.to_owned(), None));
        let covering = self.lock_scope.clauses.iter().filter(|clause| clause.covers(name));
        self.inherited_locks =
            covering.map(|clause| RowLockClause { of: Vec::new(), inherited: true, ..clause.clone() }).collect();
    }

    /// A FROM item without rows to lock, known by its alias or else by `name`.
    pub fn note_unlockable(&mut self, alias: Option<&TableAlias>, name: &str, what: &'static str) {
        let name = alias.map_or_else(|| name.to_owned(), |alias| fold(&alias.name));
        self.lock_scope.items.push((name, Some(what)));
    }

    /// 0A000 when a clause covers a system relation.
    pub fn refuse_system_lock(&self, name: &str, span: sqlparser::tokenizer::Span) -> Result<()> {
        match self.lock_scope.clauses.iter().find(|clause| clause.covers(name)) {
            None => Ok(()),
            Some(clause) => Err(self
                .unsupported(format_args!("{} of the system relation \"{name}\"", lock_clause(clause.mode)), span)
                .hint("Name the tables to lock with OF.")),
        }
    }

    /// 42809 when a clause covers a materialized view.
    pub fn refuse_materialized_lock(&self, name: &str, view: &str, span: sqlparser::tokenizer::Span) -> Result<()> {
        if !self.lock_scope.clauses.iter().any(|clause| clause.covers(name)) {
            return Ok(());
        }
        let message = format!("cannot lock rows in materialized view \"{view}\"");
        Err(QueryError::new(sqlstate::WRONG_OBJECT_TYPE, message).at(self.at(span)))
    }

    /// The locks of a query whose FROM is bound. 42P01 for a name under OF that FROM has not, 0A000 for one that cannot be
    /// locked and for a table whose row may be missing.
    pub fn finish_locks(&self, scope: LockScope, from: &FromItem) -> Result<Vec<TableLock>> {
        for clause in &scope.clauses {
            let words = lock_clause(clause.mode);
            for ident in &clause.of {
                let name = fold(ident);
                let position = self.at(ident.span);
                match scope.items.iter().find(|(known, _)| *known == name) {
                    Some((_, None)) => {}
                    Some((_, Some(what))) => {
                        return Err(not_lockable(clause.mode, &format!("cannot be applied to {what}")).at(position));
                    }
                    None => {
                        return Err(QueryError::new(
                            sqlstate::UNDEFINED_TABLE,
                            format!("relation \"{name}\" in {words} clause not found in FROM clause"),
                        )
                        .at(position));
                    }
                }
            }
        }
        if !scope.tables.is_empty() {
            let mut nullable = Vec::new();
            nullable_rows(&from.plan, false, &mut nullable);
            if let Some(lock) = scope.tables.iter().find(|lock| nullable.contains(&lock.row_id)) {
                return Err(not_lockable(lock.mode, "cannot be applied to the nullable side of an outer join"));
            }
        }
        Ok(scope.tables)
    }
}

fn not_lockable(mode: RowLock, what: &str) -> QueryError {
    QueryError::new(sqlstate::FEATURE_NOT_SUPPORTED, format!("{} {what}", lock_clause(mode)))
}

/// The row ids of scans that an outer join may fill with NULL.
fn nullable_rows(plan: &Plan, nullable: bool, out: &mut Vec<VarId>) {
    match plan {
        Plan::TableScan(scan) => out.extend(scan.row_id.filter(|_| nullable)),
        Plan::Join { kind, left, right, .. } => {
            nullable_rows(left, nullable || matches!(kind, JoinKind::Right | JoinKind::Full), out);
            nullable_rows(right, nullable || matches!(kind, JoinKind::Left | JoinKind::Full), out);
        }
        Plan::Apply { kind, input, subplan } => {
            nullable_rows(input, nullable, out);
            nullable_rows(subplan, nullable || *kind == ApplyKind::Left, out);
        }
        other => {
            for input in visit::inputs(other) {
                nullable_rows(input, nullable, out);
            }
        }
    }
}
