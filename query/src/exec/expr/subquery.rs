//! Subqueries inside expressions.
//!
//! The outer values a subquery reads are its arguments. Results are kept by the exact key of the arguments, so an
//! uncorrelated subquery runs once and a correlated one once per distinct outer row; the cache is bounded and is dropped
//! as soon as the statement writes.

use std::sync::Arc;

use rustc_hash::{FxHashMap, FxHashSet};
use sinew_storage::{DataType, Value};

use super::*;
use crate::batch::value_size_bytes;
use crate::error::Result;
use crate::exec::key::{KeyMode, encode_key, exact_key_class};
use crate::exec::node::Node;
use crate::exec::run::{CteFrame, Reservation};

/// Entries kept per subquery, and the bytes they may hold.
const CACHE_ENTRY_LIMIT: usize = 16_384;
const CACHE_SIZE_LIMIT_BYTES: usize = 16 << 20;

pub struct PhysSubquery {
    pub id: usize,
    pub kind: PhysSubqueryKind,
    pub plan: Arc<Node>,
    /// Position of the result column in the plan's output.
    pub column: Option<usize>,
    /// What the plan reads of the row around it, in the order of its outer row.
    pub args: Vec<PhysExpr>,
    /// Nothing volatile in it: equal arguments give an equal result.
    pub cacheable: bool,
}

pub enum PhysSubqueryKind {
    Exists,
    Scalar,
    Any { operator: Arc<ScalarFunction>, input: PhysExpr },
    All { operator: Arc<ScalarFunction>, input: PhysExpr },
    Collect,
    Count,
}

#[derive(Clone)]
enum Cached {
    Value(Value),
    Items(Arc<Items>),
}

/// The column of an ANY or ALL subquery.
struct Items {
    values: Vec<Value>,
    /// Set when the keys decide equality.
    set: Option<LiteralSet>,
    _memory: Reservation,
}

/// Results of one subquery within one execution.
#[derive(Default)]
pub struct SubqueryCache {
    epoch: u64,
    frame: Option<Arc<CteFrame>>,
    entries: FxHashMap<Box<[u8]>, Cached>,
    size_bytes: usize,
}

impl SubqueryCache {
    fn get(&mut self, cx: &Cx, key: &[u8]) -> Option<Cached> {
        let epoch = cx.run.write_epoch.load(std::sync::atomic::Ordering::Relaxed);
        let same_frame = match (&self.frame, &cx.ctes) {
            (None, None) => true,
            (Some(a), Some(b)) => Arc::ptr_eq(a, b),
            _ => false,
        };
        if self.epoch != epoch || !same_frame {
            self.entries.clear();
            self.size_bytes = 0;
            self.epoch = epoch;
            self.frame = cx.ctes.clone();
        }
        self.entries.get(key).cloned()
    }

    fn put(&mut self, key: Vec<u8>, cached: Cached) {
        let size = key.len()
            + 64
            + match &cached {
                Cached::Value(value) => value_size_bytes(value),
                Cached::Items(items) => items.values.len() * 64,
            };
        if self.entries.len() >= CACHE_ENTRY_LIMIT || self.size_bytes + size > CACHE_SIZE_LIMIT_BYTES {
            self.entries.clear();
            self.size_bytes = 0;
        }
        self.size_bytes += size;
        self.entries.insert(key.into(), cached);
    }
}

pub(super) fn eval_subquery(subquery: &PhysSubquery, row: RowCx<'_>) -> Result<Value> {
    let outer: Vec<Value> = subquery.args.iter().map(|arg| arg.eval(row)).collect::<Result<_>>()?;
    let cached = if subquery.cacheable {
        let mut key = Vec::new();
        for value in &outer {
            encode_key(value, KeyMode::Exact, &mut key);
        }
        let known = row.cx.run.subqueries[subquery.id].lock().get(row.cx, &key);
        match known {
            Some(cached) => cached,
            None => {
                let epoch = row.cx.run.write_epoch.load(std::sync::atomic::Ordering::Relaxed);
                let cached = run(subquery, row.cx, outer)?;
                // A subquery never writes, but the cache may have moved on in a nested evaluation of itself.
                let mut cache = row.cx.run.subqueries[subquery.id].lock();
                if epoch == row.cx.run.write_epoch.load(std::sync::atomic::Ordering::Relaxed) {
                    cache.get(row.cx, &key);
                    cache.put(key, cached.clone());
                }
                cached
            }
        }
    } else {
        run(subquery, row.cx, outer)?
    };
    match (&subquery.kind, cached) {
        (PhysSubqueryKind::Any { operator, input }, Cached::Items(items)) => {
            quantify(operator, &input.eval(row)?, &items, false, row)
        }
        (PhysSubqueryKind::All { operator, input }, Cached::Items(items)) => {
            quantify(operator, &input.eval(row)?, &items, true, row)
        }
        (_, Cached::Value(value)) => Ok(value),
        (_, Cached::Items(_)) => Err(QueryError::internal("a subquery gave a list where a value was due")),
    }
}

fn quantify(operator: &ScalarFunction, value: &Value, items: &Items, all: bool, row: RowCx<'_>) -> Result<Value> {
    let truth = match &items.set {
        Some(set) if !all => eval::in_set(value, set),
        _ => eval::quantify(operator, &row.cx.eval_context(), value, &items.values, all)?,
    };
    Ok(truth.map_or(Value::Null, Value::Bool))
}

fn run(subquery: &PhysSubquery, cx: &Cx, outer: Vec<Value>) -> Result<Cached> {
    let inner = cx.with_outer(outer);
    let mut operator = subquery.plan.open(&inner)?;
    let column = || subquery.column.ok_or_else(|| QueryError::internal("a subquery has no result column"));
    match &subquery.kind {
        PhysSubqueryKind::Exists => {
            let exists = operator.next()?.is_some();
            Ok(Cached::Value(Value::Bool(exists)))
        }
        PhysSubqueryKind::Count => {
            let mut count = 0_usize;
            while let Some(batch) = operator.next()? {
                count += batch.row_count;
            }
            Ok(Cached::Value(Value::Int(i64::try_from(count).unwrap_or(i64::MAX))))
        }
        PhysSubqueryKind::Scalar => {
            let column = column()?;
            let mut result: Option<Value> = None;
            while let Some(batch) = operator.next()? {
                if result.is_some() || batch.row_count > 1 {
                    return Err(QueryError::new(
                        sqlstate::CARDINALITY_VIOLATION,
                        "more than one row returned by a subquery used as an expression",
                    ));
                }
                if batch.row_count == 1 {
                    result = Some(batch.columns[column].value(0));
                }
            }
            Ok(Cached::Value(result.unwrap_or_default()))
        }
        PhysSubqueryKind::Collect => {
            let (values, _memory) = column_values(cx, operator.as_mut(), column()?)?;
            Ok(Cached::Value(Value::list(values)))
        }
        PhysSubqueryKind::Any { operator: function, input } => {
            let column = column()?;
            let (values, memory) = column_values(cx, operator.as_mut(), column)?;
            let set = (function.name == "=" && same_key_class(&input.ty, &subquery.plan.layout.types[column]))
                .then(|| literal_set(&values));
            Ok(Cached::Items(Arc::new(Items { values, set, _memory: memory })))
        }
        PhysSubqueryKind::All { .. } => {
            let (values, memory) = column_values(cx, operator.as_mut(), column()?)?;
            Ok(Cached::Items(Arc::new(Items { values, set: None, _memory: memory })))
        }
    }
}

/// Whether equality of the two types is decided by equality of keys.
pub fn same_key_class(a: &DataType, b: &DataType) -> bool {
    matches!((exact_key_class(a), exact_key_class(b)), (Some(x), Some(y)) if x == y)
}

/// The keys of some values.
pub fn literal_set(values: &[Value]) -> LiteralSet {
    let mut set = LiteralSet { keys: FxHashSet::default(), has_null: false };
    for value in values {
        if value.is_null() {
            set.has_null = true;
        } else {
            let mut key = Vec::with_capacity(16);
            encode_key(value, KeyMode::Equivalent, &mut key);
            set.keys.insert(key.into());
        }
    }
    set
}

fn column_values(
    cx: &Cx,
    operator: &mut dyn crate::exec::node::Operator,
    column: usize,
) -> Result<(Vec<Value>, Reservation)> {
    let mut memory = Reservation::new(&cx.run);
    let mut values = Vec::new();
    while let Some(batch) = operator.next()? {
        memory.grow(batch.columns[column].size_bytes())?;
        values.extend((0..batch.row_count).map(|row| batch.columns[column].value(row)));
    }
    Ok((values, memory))
}
