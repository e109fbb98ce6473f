//! How many rows a plan is expected to give. Guesses in PostgreSQL's spirit: exact counts of tables, labels and types,
//! fixed selectivities for what no statistics are kept of.

use std::cell::RefCell;

use rustc_hash::FxHashMap;
use sinew_storage::Transaction;
use sinew_storage::catalog::{IndexKind, IndexTarget, TableDef};

use crate::algebra::*;

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
}

impl<'a> Statistics<'a> {
    pub fn new(transaction: &'a Transaction) -> Statistics<'a> {
        Statistics { transaction, tables: RefCell::default(), labels: RefCell::default(), types: RefCell::default() }
    }

    pub fn transaction(&self) -> &'a Transaction {
        self.transaction
    }

    pub fn table_rows(&self, table: &TableDef) -> f64 {
        *self
            .tables
            .borrow_mut()
            .entry(table.id.0)
            .or_insert_with(|| self.transaction.row_count(table).map_or(1000.0, |count| count as f64))
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
                let rows = self.table_rows(&scan.table);
                let Some(access) = &scan.access else { return rows };
                let width = match &access.index.target {
                    IndexTarget::Table { columns, .. } => columns.len(),
                    _ => 1,
                };
                let unique = matches!(access.index.kind, IndexKind::Ordered { unique: true });
                if unique && access.equal.len() == width {
                    return rows.min(1.0);
                }
                let mut estimate = rows * EQUALITY_SELECTIVITY.powi(access.equal.len() as i32);
                if access.lower.is_some() || access.upper.is_some() {
                    estimate *= RANGE_SELECTIVITY;
                }
                estimate.max(1.0)
            }
            Plan::SearchScan(scan) => match &scan.limit {
                Some(Expr::Literal(value, _)) => value.as_int().unwrap_or(10) as f64,
                Some(_) => 10.0,
                None => (self.table_rows(&scan.table) * 0.05).max(1.0),
            },
            Plan::NodeScan { label, .. } => self.node_count(label.as_deref()),
            Plan::NodeIndexSeek { label, index, .. } => {
                if matches!(index.kind, IndexKind::Ordered { unique: true }) {
                    1.0
                } else {
                    (self.node_count(Some(label)) * EQUALITY_SELECTIVITY).max(1.0)
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
            Plan::FunctionScan { function, .. } => function.estimated_rows(),
            Plan::Filter { input, predicate } => self.estimate(input) * selectivity(predicate),
            Plan::Project { input, .. }
            | Plan::Extend { input, .. }
            | Plan::Sort { input, .. }
            | Plan::LockRows { input, .. }
            | Plan::GraphWrite { input, .. }
            | Plan::Foreach { input, .. }
            | Plan::Merge { input, .. } => self.estimate(input),
            Plan::Window(window) => self.estimate(&window.input),
            Plan::Join { kind, left, right, on } => {
                let (l, r) = (self.estimate(left), self.estimate(right));
                let inner = join_rows(l, r, on);
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
            Plan::Aggregate { input, .. } | Plan::Distinct { input, .. } => (self.estimate(input) * 0.2).max(1.0),
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
            Plan::With { body, .. } | Plan::RecursiveWith { body, .. } => self.estimate(body),
            Plan::CteScan { .. } => 100.0,
            Plan::Insert(insert) => self.estimate(&insert.source),
            Plan::Update(update) => self.estimate(&update.source),
            Plan::Delete(delete) => self.estimate(&delete.source),
            Plan::ProcedureCall { input, procedure, .. } => self.estimate(input) * procedure.estimated_rows(),
            Plan::Discard { .. } => 0.0,
        }
    }
}

/// Rows of an inner join under its conditions.
pub fn join_rows(left: f64, right: f64, on: &[Expr]) -> f64 {
    let mut rows = left * right;
    let mut first_equality = true;
    for condition in on {
        let is_equality = matches!(condition, Expr::Call { function, .. } if function.name == "=");
        if is_equality && first_equality {
            // As if the smaller side's key were unique in the larger.
            rows /= left.max(right).max(1.0);
            first_equality = false;
        } else {
            rows *= selectivity(condition).max(0.1);
        }
    }
    rows
}

/// Share of rows a condition keeps.
pub fn selectivity(condition: &Expr) -> f64 {
    match condition {
        Expr::Literal(value, _) => match value.as_bool() {
            Some(true) => 1.0,
            _ => 0.0,
        },
        Expr::And(items) => items.iter().map(selectivity).product(),
        Expr::Or(items) => items.iter().map(selectivity).sum::<f64>().min(1.0),
        Expr::Not(input) => 1.0 - selectivity(input),
        Expr::Call { function, .. } => match function.name {
            "=" => EQUALITY_SELECTIVITY,
            "<" | "<=" | ">" | ">=" => RANGE_SELECTIVITY,
            "<>" | "!=" => 1.0 - EQUALITY_SELECTIVITY,
            _ => OTHER_SELECTIVITY,
        },
        Expr::InList { items, .. } => (items.len() as f64 * EQUALITY_SELECTIVITY).min(1.0),
        Expr::IsNull(_) => 0.1,
        Expr::HasLabels { .. } => 0.2,
        _ => OTHER_SELECTIVITY,
    }
}
