//! How many rows a plan is expected to give, in PostgreSQL's spirit: exact counts of tables, labels and types, shares from
//! the statistics of analyzed columns, and fixed shares for everything else.

use std::cell::{OnceCell, RefCell};
use std::sync::Arc;

use rustc_hash::FxHashMap;
use sinew_storage::Transaction;
use sinew_storage::catalog::{Catalog, ColumnStatistics, IndexDef, IndexKind, IndexTarget, TableDef, TableStatistics};

use crate::algebra::*;
use crate::statistics::estimate::{self, Comparison};

/// Share of rows that an equality keeps, a range keeps, and any other condition keeps.
pub const EQUALITY_SELECTIVITY: f64 = 0.01;
pub const RANGE_SELECTIVITY: f64 = 0.3;
pub const OTHER_SELECTIVITY: f64 = 0.5;

/// Counts read from the store once each.
pub struct Statistics<'a> {
    transaction: &'a Transaction,
    tables: RefCell<FxHashMap<u32, f64>>,
    labels: RefCell<FxHashMap<Option<String>, f64>>,
    types: RefCell<FxHashMap<Option<String>, f64>>,
    /// The analyzed columns that variables stand for, filled as scans and projections are met.
    columns: RefCell<FxHashMap<VarId, Analyzed>>,
    /// Rows of the common table expressions met so far.
    ctes: RefCell<FxHashMap<CteId, f64>>,
    catalog: OnceCell<Arc<Catalog>>,
}

/// A column of an analyzed table.
#[derive(Clone)]
struct Analyzed {
    statistics: Arc<TableStatistics>,
    /// Position in the statistics' columns.
    column: usize,
    /// Rows of the table now.
    row_count: f64,
}

impl Analyzed {
    fn column(&self) -> &ColumnStatistics {
        &self.statistics.columns[self.column]
    }
}

impl<'a> Statistics<'a> {
    pub fn new(transaction: &'a Transaction) -> Statistics<'a> {
        Statistics {
            transaction,
            tables: RefCell::default(),
            labels: RefCell::default(),
            types: RefCell::default(),
            columns: RefCell::default(),
            ctes: RefCell::default(),
            catalog: OnceCell::new(),
        }
    }

    pub fn transaction(&self) -> &'a Transaction {
        self.transaction
    }

    fn catalog(&self) -> &Catalog {
        self.catalog.get_or_init(|| self.transaction.catalog())
    }

    /// The statistics of a table's column, by its position.
    fn analyzed(&self, table: &TableDef, position: usize) -> Option<Analyzed> {
        let statistics = self.catalog().statistics.get(&table.id)?;
        let known = statistics.column(table.columns.get(position)?)?;
        let column = statistics.columns.iter().position(|other| std::ptr::eq(other, known))?;
        Some(Analyzed { statistics: Arc::clone(statistics), column, row_count: self.table_rows(table) })
    }

    fn note_columns(&self, columns: &[(usize, VarId)], table: &TableDef) {
        if !self.catalog().statistics.contains_key(&table.id) {
            return;
        }
        for (position, var) in columns {
            if let Some(analyzed) = self.analyzed(table, *position) {
                self.columns.borrow_mut().insert(*var, analyzed);
            }
        }
    }

    /// What merely renames a column stands for it.
    fn note_items(&self, items: &[(VarId, Expr)]) {
        for (var, expr) in items {
            if let Expr::Column(of, _) = expr {
                let known = self.columns.borrow().get(of).cloned();
                if let Some(known) = known {
                    self.columns.borrow_mut().insert(*var, known);
                }
            }
        }
    }

    fn of_expr(&self, expr: &Expr) -> Option<Analyzed> {
        match expr {
            Expr::Column(var, _) => self.columns.borrow().get(var).cloned(),
            Expr::Cast { input, .. } => self.of_expr(input),
            _ => None,
        }
    }

    /// Whether something is known of the values that an index read looks for.
    pub fn is_analyzed_by(&self, table: &TableDef, access: &IndexAccess) -> bool {
        let IndexTarget::Table { columns, .. } = &access.index.target else { return false };
        let first = columns.first().and_then(|column| table.position_of(column.column));
        first.is_some_and(|position| self.analyzed(table, position).is_some())
    }

    /// Rows that an index read is expected to give.
    pub fn access_rows(&self, scan: &TableScan, access: &IndexAccess) -> f64 {
        let rows = self.table_rows(&scan.table);
        let IndexTarget::Table { columns, .. } = &access.index.target else { return rows };
        let values = access.any.as_ref().map_or(1.0, AnyOf::expected_count);
        let unique = matches!(access.index.kind, IndexKind::Ordered { unique: true });
        if unique && access.equal.len() + usize::from(access.any.is_some()) == columns.len() {
            return rows.min(values);
        }
        let analyzed = |at: usize| {
            let position = columns.get(at).and_then(|column| scan.table.position_of(column.column))?;
            self.analyzed(&scan.table, position)
        };
        let mut share = 1.0;
        for (at, value) in access.equal.iter().enumerate() {
            share *= match analyzed(at) {
                Some(known) => estimate::equality(known.column(), known.row_count, literal(value)),
                None => EQUALITY_SELECTIVITY,
            };
        }
        let next = analyzed(access.equal.len());
        if access.any.is_some() {
            let one = next
                .as_ref()
                .map_or(EQUALITY_SELECTIVITY, |known| estimate::equality(known.column(), known.row_count, None));
            share *= (one * values).min(1.0);
        } else if access.lower.is_some() || access.upper.is_some() {
            share *= self.range_share(next.as_ref(), access);
        }
        (rows * share).max(1.0)
    }

    fn range_share(&self, known: Option<&Analyzed>, access: &IndexAccess) -> f64 {
        let side = |bound: &Option<(Expr, bool)>, open: Comparison, closed: Comparison| {
            let (bound, inclusive) = bound.as_ref()?;
            let operator = if *inclusive { closed } else { open };
            Some(match (known, literal(bound)) {
                (Some(known), Some(value)) => estimate::comparison(known.column(), operator, value),
                _ => RANGE_SELECTIVITY,
            })
        };
        let above = side(&access.lower, Comparison::Greater, Comparison::GreaterOrEqual);
        let below = side(&access.upper, Comparison::Less, Comparison::LessOrEqual);
        both_sides(above, below, known)
    }

    pub fn table_rows(&self, table: &TableDef) -> f64 {
        *self
            .tables
            .borrow_mut()
            .entry(table.id.0)
            .or_insert_with(|| self.transaction.row_count(table).map_or(1000.0, |count| count as f64))
    }

    /// Rows that an ordered index of a table holds.
    pub fn index_entries(&self, index: &IndexDef) -> f64 {
        self.transaction.index_entry_count(index).map_or(f64::MAX, |count| count as f64)
    }

    /// Of a scan of nodes with any of the labels, or of all.
    pub fn node_scan_rows(&self, labels: &[Arc<str>]) -> f64 {
        if labels.is_empty() {
            return self.node_count(None);
        }
        labels.iter().map(|label| self.node_count(Some(label))).sum()
    }

    pub fn node_count(&self, label: Option<&str>) -> f64 {
        *self.labels.borrow_mut().entry(label.map(str::to_owned)).or_insert_with(|| {
            let count = match label {
                None => self.transaction.node_count(None),
                Some(name) => match self.transaction.label_id(name) {
                    Some(label) => self.transaction.node_count(Some(label)),
                    None => Ok(0),
                },
            };
            count.map_or(1000.0, |count| count as f64)
        })
    }

    pub fn relationship_count(&self, types: &[std::sync::Arc<str>]) -> f64 {
        let one = |name: Option<&str>| {
            *self.types.borrow_mut().entry(name.map(str::to_owned)).or_insert_with(|| {
                let count = match name {
                    None => self.transaction.relationship_count(None),
                    Some(name) => match self.transaction.relationship_type_id(name) {
                        Some(ty) => self.transaction.relationship_count(Some(ty)),
                        None => Ok(0),
                    },
                };
                count.map_or(1000.0, |count| count as f64)
            })
        };
        if types.is_empty() { one(None) } else { types.iter().map(|name| one(Some(name))).sum() }
    }

    /// Relationships of these types that a node has on average in one direction.
    pub fn average_degree(&self, types: &[std::sync::Arc<str>], both: bool) -> f64 {
        let degree = self.relationship_count(types) / self.node_count(None).max(1.0);
        if both { degree * 2.0 } else { degree }
    }

    /// Expected rows; at least zero.
    pub fn estimate(&self, plan: &Plan) -> f64 {
        match plan {
            Plan::Unit => 1.0,
            Plan::Values { rows, .. } => rows.len() as f64,
            Plan::Supplied { .. } => 1000.0,
            Plan::TableScan(scan) => {
                self.note_columns(&scan.columns, &scan.table);
                match &scan.access {
                    None => self.table_rows(&scan.table),
                    Some(access) => self.access_rows(scan, access),
                }
            }
            Plan::SearchScan(scan) => match &scan.limit {
                Some(Expr::Literal(value, _)) => value.as_int().unwrap_or(10) as f64,
                Some(_) => 10.0,
                None => (self.table_rows(&scan.table) * 0.05).max(1.0),
            },
            Plan::NodeScan { labels, .. } => self.node_scan_rows(labels),
            Plan::PropertyIndexSeek { label_or_type, lookup, index, .. } => {
                let all = match index.target {
                    IndexTarget::Relationships { .. } => self.relationship_count(std::slice::from_ref(label_or_type)),
                    _ => self.node_count(Some(label_or_type)),
                };
                let equal = match index.kind {
                    IndexKind::Ordered { unique: true } => 1.0,
                    _ => (all * EQUALITY_SELECTIVITY).max(1.0),
                };
                match lookup {
                    PropertyLookup::Equal(_) => equal,
                    PropertyLookup::AnyOf(Expr::List(items, _)) => (items.len() as f64 * equal).min(all),
                    PropertyLookup::AnyOf(_) => (10.0 * equal).min(all),
                    PropertyLookup::Prefix(_) => all * RANGE_SELECTIVITY / 2.0,
                    PropertyLookup::Range { lower: Some(_), upper: Some(_) } => all * RANGE_SELECTIVITY / 2.0,
                    PropertyLookup::Range { .. } => all * RANGE_SELECTIVITY,
                }
            }
            Plan::NodeByIdSeek { .. } => 1.0,
            Plan::RelationshipScan { types, .. } => self.relationship_count(types),
            Plan::Expand(expand) => {
                let both = expand.direction == sinew_storage::graph::Direction::Both;
                let degree = self.average_degree(&expand.types, both);
                let rows = self.estimate(&expand.input);
                if expand.into || expand.relationship_bound {
                    rows * (degree / self.node_count(None).max(1.0)).min(1.0)
                } else {
                    rows * degree
                }
            }
            Plan::VarLengthExpand(expand) => {
                let both = expand.direction == sinew_storage::graph::Direction::Both;
                let degree = self.average_degree(&expand.types, both).max(0.1);
                let depth = f64::from(expand.max.unwrap_or(expand.min + 3).min(6));
                let reach = degree.powf(depth).min(self.node_count(None) * 10.0);
                let rows = self.estimate(&expand.input) * reach;
                if expand.into { rows / self.node_count(None).max(1.0) } else { rows }
            }
            Plan::ShortestPath(path) => self.estimate(&path.input),
            Plan::RepeatPath(repeat) => {
                let depth = f64::from(repeat.max.unwrap_or(repeat.min + 3).min(6));
                let reach = self.estimate(&repeat.body).max(0.1).powf(depth).min(self.node_count(None) * 10.0);
                let rows = self.estimate(&repeat.input) * reach;
                if repeat.into { rows / self.node_count(None).max(1.0) } else { rows }
            }
            Plan::FunctionScan { function, .. } => function.estimated_rows(),
            Plan::Filter { input, predicate } => {
                let rows = self.estimate(input);
                rows * self.selectivity(predicate)
            }
            Plan::Project { input, items } | Plan::Extend { input, items } => {
                let rows = self.estimate(input);
                self.note_items(items);
                rows
            }
            Plan::Sort { input, .. }
            | Plan::LockRows { input, .. }
            | Plan::GraphWrite { input, .. }
            | Plan::Foreach { input, .. }
            | Plan::Merge { input, .. } => self.estimate(input),
            Plan::Window(window) => self.estimate(&window.input),
            Plan::LimitTies { input, limit, .. } => {
                let rows = self.estimate(input);
                match limit {
                    Expr::Literal(value, _) => rows.min(value.as_int().unwrap_or(i64::MAX) as f64),
                    _ => rows,
                }
            }
            Plan::GroupingSets(sets) => self.estimate(&sets.input) * sets.sets.len() as f64,
            Plan::Join { kind, left, right, on } => {
                let (l, r) = (self.estimate(left), self.estimate(right));
                let inner = self.join_rows(l, r, on);
                match kind {
                    JoinKind::Inner => inner,
                    JoinKind::Left => inner.max(l),
                    JoinKind::Right => inner.max(r),
                    JoinKind::Full => inner.max(l).max(r),
                    JoinKind::Semi | JoinKind::Anti => l * OTHER_SELECTIVITY,
                }
            }
            Plan::Apply { kind, input, subplan } => {
                let l = self.estimate(input);
                match kind {
                    ApplyKind::Cross => l * self.estimate(subplan),
                    ApplyKind::Left => l * self.estimate(subplan).max(1.0),
                    ApplyKind::Semi | ApplyKind::Anti => l * OTHER_SELECTIVITY,
                }
            }
            Plan::Aggregate { groups, .. } if groups.is_empty() => 1.0,
            Plan::Aggregate { input, groups, .. } => {
                let rows = self.estimate(input);
                let groups_rows = self.group_count(rows, groups.iter().map(|(_, expr)| expr));
                self.note_items(groups);
                groups_rows
            }
            Plan::Distinct { input, on } => {
                let rows = self.estimate(input);
                match on {
                    Some(on) => self.group_count(rows, on.iter()),
                    None => (rows * 0.2).max(1.0),
                }
            }
            Plan::Limit { input, limit, .. } => {
                let rows = self.estimate(input);
                match limit {
                    Some(Expr::Literal(value, _)) => rows.min(value.as_int().unwrap_or(i64::MAX) as f64),
                    _ => rows,
                }
            }
            Plan::SetOperation { op, left, right, .. } => match op {
                SetOp::Union => self.estimate(left) + self.estimate(right),
                SetOp::Intersect => self.estimate(left).min(self.estimate(right)),
                SetOp::Except => self.estimate(left),
            },
            Plan::Unwind { input, list, .. } => {
                let length = match list {
                    Expr::List(items, _) => items.len() as f64,
                    _ => 10.0,
                };
                self.estimate(input) * length
            }
            Plan::With { cte, definition, body, .. } => {
                let rows = self.estimate(definition);
                self.ctes.borrow_mut().insert(*cte, rows);
                self.estimate(body)
            }
            Plan::RecursiveWith { cte, base, body, .. } => {
                // Ten rounds, as PostgreSQL takes it.
                let rows = self.estimate(base) * 10.0;
                self.ctes.borrow_mut().insert(*cte, rows);
                self.estimate(body)
            }
            Plan::CteScan { cte, .. } => self.ctes.borrow().get(cte).copied().unwrap_or(100.0),
            Plan::Insert(insert) => self.estimate(&insert.source),
            Plan::Update(update) => self.estimate(&update.source),
            Plan::Delete(delete) => self.estimate(&delete.source),
            Plan::ProcedureCall { input, procedure, .. } => self.estimate(input) * procedure.estimated_rows(),
            Plan::Discard { .. } => 0.0,
        }
    }

    /// Groups that so many rows fall into.
    fn group_count<'e>(&self, rows: f64, keys: impl Iterator<Item = &'e Expr>) -> f64 {
        let mut count = 1.0;
        for key in keys {
            match self.of_expr(key) {
                Some(known) => {
                    let nulls = if known.column().null_fraction > 0.0 { 1.0 } else { 0.0 };
                    count *= estimate::distinct_count(known.column(), known.row_count) + nulls;
                }
                None => return (rows * 0.2).max(1.0),
            }
        }
        count.clamp(1.0, rows.max(1.0))
    }

    /// Rows of an inner join under its conditions.
    pub fn join_rows(&self, left: f64, right: f64, on: &[Expr]) -> f64 {
        let mut rows = left * right;
        let mut first_equality = true;
        for condition in on {
            let sides = match condition {
                Expr::Call { function, args, .. } if function.name == "=" && args.len() == 2 => {
                    Some((&args[0], &args[1]))
                }
                _ => None,
            };
            match sides {
                Some((a, b)) => match (self.of_expr(a), self.of_expr(b)) {
                    (None, None) if first_equality => {
                        // As if the smaller side's key were unique in the larger.
                        rows /= left.max(right).max(1.0);
                    }
                    (None, None) => rows *= 0.1,
                    (a, b) => {
                        let distinct = |known: &Option<Analyzed>| {
                            known
                                .as_ref()
                                .map_or(1.0, |known| estimate::distinct_count(known.column(), known.row_count))
                        };
                        let present = |known: &Option<Analyzed>| {
                            known.as_ref().map_or(1.0, |known| 1.0 - known.column().null_fraction)
                        };
                        rows *= present(&a) * present(&b) / distinct(&a).max(distinct(&b));
                    }
                },
                None => rows *= self.selectivity(condition).max(0.1),
            }
            first_equality = first_equality && sides.is_none();
        }
        rows
    }

    /// Share of rows a condition keeps. Scans below must have been estimated.
    pub fn selectivity(&self, condition: &Expr) -> f64 {
        match condition {
            Expr::Literal(value, _) => match value.as_bool() {
                Some(true) => 1.0,
                _ => 0.0,
            },
            Expr::And(items) => self.conjunction(items),
            Expr::Or(items) => {
                // As if they were independent.
                1.0 - items.iter().map(|item| 1.0 - self.selectivity(item)).product::<f64>()
            }
            Expr::Not(input) => 1.0 - self.selectivity(input),
            Expr::Call { function, args, .. } => match args.as_slice() {
                [left, right] => self.comparison(function.name, left, right),
                _ => OTHER_SELECTIVITY,
            },
            Expr::InList { input, items, negated, .. } => {
                let share: f64 = match self.of_expr(input) {
                    Some(known) => items
                        .iter()
                        .map(|item| estimate::equality(known.column(), known.row_count, literal(item)))
                        .sum(),
                    None => items.len() as f64 * EQUALITY_SELECTIVITY,
                };
                if *negated { 1.0 - share.min(1.0) } else { share.min(1.0) }
            }
            Expr::IsNull(input) => match self.of_expr(input) {
                Some(known) => known.column().null_fraction,
                None => 0.1,
            },
            // A condition that is a column.
            Expr::Column(..) => match self.of_expr(condition) {
                Some(known) => {
                    estimate::equality(known.column(), known.row_count, Some(&sinew_storage::Value::Bool(true)))
                }
                None => OTHER_SELECTIVITY,
            },
            Expr::HasLabels { .. } => 0.2,
            _ => OTHER_SELECTIVITY,
        }
    }

    /// Bounds of one column from both sides go together.
    fn conjunction(&self, items: &[Expr]) -> f64 {
        let mut share = 1.0;
        let mut ranges: Vec<(VarId, Option<f64>, Option<f64>)> = Vec::new();
        for item in items {
            match self.bound(item) {
                Some((var, is_lower, part)) => {
                    let at = match ranges.iter().position(|(known, ..)| *known == var) {
                        Some(at) => at,
                        None => {
                            ranges.push((var, None, None));
                            ranges.len() - 1
                        }
                    };
                    let (_, above, below) = &mut ranges[at];
                    let side = if is_lower { above } else { below };
                    *side = Some(side.map_or(part, |known: f64| known.min(part)));
                }
                None => share *= self.selectivity(item),
            }
        }
        for (var, above, below) in ranges {
            let known = self.columns.borrow().get(&var).cloned();
            share *= both_sides(above, below, known.as_ref());
        }
        share
    }

    /// A comparison of an analyzed column with a literal: whether it bounds it from below, and the share it keeps.
    fn bound(&self, condition: &Expr) -> Option<(VarId, bool, f64)> {
        let Expr::Call { function, args, .. } = condition else { return None };
        let [left, right] = args.as_slice() else { return None };
        let (column, is_flipped) = match (left, right) {
            (Expr::Column(var, _), Expr::Literal(..)) => (*var, false),
            (Expr::Literal(..), Expr::Column(var, _)) => (*var, true),
            _ => return None,
        };
        self.columns.borrow().get(&column)?;
        let is_lower = match function.name {
            ">" | ">=" => !is_flipped,
            "<" | "<=" => is_flipped,
            _ => return None,
        };
        Some((column, is_lower, self.comparison(function.name, left, right)))
    }

    fn comparison(&self, symbol: &str, left: &Expr, right: &Expr) -> f64 {
        let (known, other, is_flipped) = match (self.of_expr(left), self.of_expr(right)) {
            (Some(known), _) => (Some(known), right, false),
            (None, Some(known)) => (Some(known), left, true),
            (None, None) => (None, right, false),
        };
        let operator = match (symbol, is_flipped) {
            ("<", false) | (">", true) => Comparison::Less,
            ("<=", false) | (">=", true) => Comparison::LessOrEqual,
            (">", false) | ("<", true) => Comparison::Greater,
            (">=", false) | ("<=", true) => Comparison::GreaterOrEqual,
            ("=", _) => {
                return known.map_or(EQUALITY_SELECTIVITY, |known| {
                    estimate::equality(known.column(), known.row_count, literal(other))
                });
            }
            ("<>" | "!=", _) => {
                return known.map_or(1.0 - EQUALITY_SELECTIVITY, |known| {
                    let equal = estimate::equality(known.column(), known.row_count, literal(other));
                    (1.0 - equal - known.column().null_fraction).max(0.0)
                });
            }
            _ => return OTHER_SELECTIVITY,
        };
        match (known, literal(other)) {
            (Some(known), Some(value)) => estimate::comparison(known.column(), operator, value),
            _ => RANGE_SELECTIVITY,
        }
    }
}

/// The value of a literal, casts that keep it left aside.
fn literal(expr: &Expr) -> Option<&sinew_storage::Value> {
    match expr {
        Expr::Literal(value, _) => Some(value),
        _ => None,
    }
}

/// Share that lies above one bound and below another.
fn both_sides(above: Option<f64>, below: Option<f64>, known: Option<&Analyzed>) -> f64 {
    match (above, below) {
        (Some(above), Some(below)) => match known {
            // What lies outside both is counted twice when the shares are added.
            Some(known) => {
                let present = 1.0 - known.column().null_fraction;
                let share = above + below - present;
                if share > 0.0 { share } else { (1.0 / known.row_count.max(1.0)).max(0.005 * present) }
            }
            None => RANGE_SELECTIVITY,
        },
        (Some(share), None) | (None, Some(share)) => share,
        (None, None) => 1.0,
    }
}
