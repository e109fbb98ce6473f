//! Hash aggregation. Groups are given in the order they were first seen.

use std::sync::Arc;

use rustc_hash::{FxHashMap, FxHashSet};
use sinew_storage::Value;

use super::sort::{PhysSortKey, compare_rows};
use crate::batch::{BATCH_ROWS, Batch, BatchBuilder, Column, value_size_bytes};
use crate::error::Result;
use crate::exec::expr::PhysExpr;
use crate::exec::key::{KeyMode, encode_key};
use crate::exec::node::{Layout, Node, Operator, Physical};
use crate::exec::run::{Cx, Reservation};
use crate::functions::{Accumulator, AggregateFunction};

pub struct PhysAggregate {
    pub function: Arc<AggregateFunction>,
    pub args: Vec<PhysExpr>,
    pub distinct: bool,
    pub filter: Option<PhysExpr>,
    pub order_by: Vec<PhysSortKey>,
}

pub struct AggregatePlan {
    pub input: Arc<Node>,
    pub groups: Vec<PhysExpr>,
    pub aggregates: Vec<PhysAggregate>,
    pub layout: Arc<Layout>,
}

impl Physical for AggregatePlan {
    fn open(self: Arc<Self>, cx: &Cx) -> Result<Box<dyn Operator>> {
        let input = self.input.open(cx)?;
        Ok(Box::new(Aggregate {
            plan: self,
            input: Some(input),
            cx: cx.clone(),
            groups: Vec::new(),
            next: 0,
            memory: None,
        }))
    }

    fn describe(&self) -> String {
        if self.groups.is_empty() { "Aggregate".to_owned() } else { "Hash Aggregate".to_owned() }
    }

    fn children(&self) -> Vec<&Arc<Node>> {
        vec![&self.input]
    }
}

/// One aggregate in one group.
struct State {
    accumulator: Box<dyn Accumulator>,
    /// Argument rows seen, for DISTINCT.
    seen: FxHashSet<Box<[u8]>>,
    /// (sort keys, arguments) kept until the end, for ORDER BY.
    rows: Vec<(Vec<Value>, Vec<Value>)>,
    size_bytes: usize,
}

struct Group {
    keys: Vec<Value>,
    states: Vec<State>,
}

/// One aggregate's columns over a batch.
struct Arguments {
    args: Vec<Column>,
    order: Vec<Column>,
    /// Rows that pass FILTER; None: all.
    passes: Option<Vec<bool>>,
}

struct Aggregate {
    plan: Arc<AggregatePlan>,
    input: Option<Box<dyn Operator>>,
    cx: Cx,
    groups: Vec<Group>,
    next: usize,
    memory: Option<Reservation>,
}

impl Aggregate {
    fn new_group(plan: &AggregatePlan, keys: Vec<Value>) -> Group {
        let states = plan
            .aggregates
            .iter()
            .map(|aggregate| {
                let types: Vec<_> = aggregate.args.iter().map(|arg| arg.ty.clone()).collect();
                let accumulator = (aggregate.function.accumulator)(&types);
                let size_bytes = accumulator.size_bytes();
                State { accumulator, seen: FxHashSet::default(), rows: Vec::new(), size_bytes }
            })
            .collect();
        Group { keys, states }
    }

    fn arguments(aggregate: &PhysAggregate, cx: &Cx, batch: &Batch) -> Result<Arguments> {
        let passes = match &aggregate.filter {
            None => None,
            Some(filter) => {
                let mut passes = vec![false; batch.row_count];
                for row in filter.select_rows(cx, batch)? {
                    passes[row as usize] = true;
                }
                Some(passes)
            }
        };
        let evaluate = |expr: &PhysExpr| -> Result<Column> {
            let Some(passes) = &passes else { return expr.eval_batch(cx, batch) };
            // Rows that FILTER drops must not be evaluated: they may be what would fail.
            let rows: Vec<u32> = (0..batch.row_count as u32).filter(|row| passes[*row as usize]).collect();
            let column = expr.eval_batch(cx, &batch.take(&rows))?;
            let mut values = vec![Value::Null; batch.row_count];
            for (index, row) in rows.iter().enumerate() {
                values[*row as usize] = column.value(index);
            }
            Ok(Column::from_values(&expr.ty, values))
        };
        let args = aggregate.args.iter().map(evaluate).collect::<Result<Vec<_>>>()?;
        let order = aggregate.order_by.iter().map(|key| evaluate(&key.expr)).collect::<Result<Vec<_>>>()?;
        Ok(Arguments { args, order, passes })
    }

    /// Feeds one row to one aggregate; gives the bytes it grew by.
    fn update(aggregate: &PhysAggregate, state: &mut State, arguments: &Arguments, row: usize) -> Result<usize> {
        if arguments.passes.as_ref().is_some_and(|passes| !passes[row]) {
            return Ok(0);
        }
        if aggregate.function.strict && arguments.args.iter().any(|column| column.is_null(row)) {
            return Ok(0);
        }
        let args: smallvec::SmallVec<[Value; 2]> = arguments.args.iter().map(|column| column.value(row)).collect();
        let mut grown = 0;
        if aggregate.distinct {
            let mut key = Vec::new();
            for arg in &args {
                encode_key(arg, KeyMode::Equivalent, &mut key);
            }
            grown += key.len() + 32;
            if !state.seen.insert(key.into()) {
                return Ok(0);
            }
        }
        if aggregate.order_by.is_empty() {
            state.accumulator.update(&args)?;
        } else {
            let keys: Vec<Value> = arguments.order.iter().map(|column| column.value(row)).collect();
            grown += keys.iter().chain(args.iter()).map(value_size_bytes).sum::<usize>() + 48;
            state.rows.push((keys, args.into_vec()));
        }
        Ok(grown)
    }

    fn consume(&mut self) -> Result<()> {
        let Some(mut input) = self.input.take() else { return Ok(()) };
        let plan = Arc::clone(&self.plan);
        let mut memory = Reservation::new(&self.cx.run);
        let mut index: FxHashMap<Box<[u8]>, usize> = FxHashMap::default();
        if plan.groups.is_empty() {
            self.groups.push(Aggregate::new_group(&plan, Vec::new()));
        }
        let mut key = Vec::new();
        while let Some(batch) = input.next()? {
            self.cx.check_cancel()?;
            let group_columns: Vec<Column> =
                plan.groups.iter().map(|group| group.eval_batch(&self.cx, &batch)).collect::<Result<_>>()?;
            let arguments: Vec<Arguments> = plan
                .aggregates
                .iter()
                .map(|aggregate| Aggregate::arguments(aggregate, &self.cx, &batch))
                .collect::<Result<_>>()?;
            let mut grown = 0;
            let mut members: Vec<usize> = Vec::with_capacity(batch.row_count);
            if plan.groups.is_empty() {
                members.resize(batch.row_count, 0);
            } else {
                for row in 0..batch.row_count {
                    key.clear();
                    for column in &group_columns {
                        encode_key(&column.value(row), KeyMode::Equivalent, &mut key);
                    }
                    let member = match index.get(key.as_slice()) {
                        Some(member) => *member,
                        None => {
                            let keys: Vec<Value> = group_columns.iter().map(|column| column.value(row)).collect();
                            grown += key.len() + 96 + keys.iter().map(value_size_bytes).sum::<usize>();
                            let group = Aggregate::new_group(&plan, keys);
                            grown += group.states.iter().map(|state| state.size_bytes + 128).sum::<usize>();
                            self.groups.push(group);
                            index.insert(key.as_slice().into(), self.groups.len() - 1);
                            self.groups.len() - 1
                        }
                    };
                    members.push(member);
                }
            }
            for (position, (aggregate, arguments)) in plan.aggregates.iter().zip(&arguments).enumerate() {
                let plain = !aggregate.distinct && aggregate.order_by.is_empty() && arguments.passes.is_none();
                if plan.groups.is_empty() && plain && aggregate.function.strict && arguments.args.len() == 1 {
                    let state = &mut self.groups[0].states[position];
                    state.accumulator.update_column(&arguments.args[0])?;
                } else {
                    for (row, member) in members.iter().enumerate() {
                        let state = &mut self.groups[*member].states[position];
                        grown += Aggregate::update(aggregate, state, arguments, row)?;
                    }
                }
            }
            // Accumulators that keep their input (lists) grow by what they say they hold.
            for member in &members {
                for state in &mut self.groups[*member].states {
                    let size = state.accumulator.size_bytes();
                    grown += size.saturating_sub(state.size_bytes);
                    state.size_bytes = state.size_bytes.max(size);
                }
                if plan.groups.is_empty() {
                    break;
                }
            }
            memory.grow(grown)?;
        }
        for group in &mut self.groups {
            for (aggregate, state) in plan.aggregates.iter().zip(&mut group.states) {
                if !aggregate.order_by.is_empty() {
                    let mut rows = std::mem::take(&mut state.rows);
                    rows.sort_by(|a, b| compare_rows(&aggregate.order_by, &a.0, &b.0));
                    for (_, args) in rows {
                        state.accumulator.update(&args)?;
                    }
                }
            }
        }
        self.memory = Some(memory);
        Ok(())
    }
}

impl Operator for Aggregate {
    fn next(&mut self) -> Result<Option<Batch>> {
        self.consume()?;
        self.cx.check_cancel()?;
        let mut builder = BatchBuilder::new(Arc::clone(&self.plan.layout.types));
        while self.next < self.groups.len() && builder.row_count() < BATCH_ROWS {
            let group = &mut self.groups[self.next];
            let mut row = std::mem::take(&mut group.keys);
            for state in &mut group.states {
                row.push(state.accumulator.finish()?);
            }
            if row.is_empty() {
                // Neither groups nor aggregates: the one row has no columns.
                self.next += 1;
                return Ok(Some(Batch { columns: Vec::new(), row_count: 1 }));
            }
            builder.push(row);
            self.next += 1;
        }
        let batch = builder.finish();
        if batch.is_none() {
            self.memory = None;
        }
        Ok(batch)
    }
}
