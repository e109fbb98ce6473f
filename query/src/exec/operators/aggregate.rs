//! Hash aggregation. Groups are given in the order they were first seen.

use std::sync::Arc;

use rustc_hash::{FxHashMap, FxHashSet};
use sinew_storage::Value;

use super::pieces::{Pieces, columns_of};
use super::sort::{PhysSortKey, compare_rows};
use crate::batch::{Batch, BatchBuilder, Column, value_size_bytes};
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

impl PhysAggregate {
    /// All that is computed from an input row.
    fn expressions(&self) -> impl Iterator<Item = &PhysExpr> {
        self.args.iter().chain(&self.filter).chain(self.order_by.iter().map(|key| &key.expr))
    }
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

impl State {
    /// Bytes that the accumulator grew by since it was asked last: those that keep their input grow.
    fn growth(&mut self) -> usize {
        let size = self.accumulator.size_bytes();
        let grown = size.saturating_sub(self.size_bytes);
        self.size_bytes = self.size_bytes.max(size);
        grown
    }
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

/// What the aggregation computes from the rows of a batch.
struct Evaluated {
    groups: Vec<Column>,
    arguments: Vec<Arguments>,
}

/// Growth that is charged at once, in bytes.
const CHARGE_BYTES: usize = 1 << 20;

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

    fn evaluate(plan: &AggregatePlan, cx: &Cx, batch: &Batch, limit_bytes: usize) -> Result<(Evaluated, usize)> {
        let (groups, mut held_bytes) = columns_of(&plan.groups, cx, batch, limit_bytes)?;
        let mut arguments = Vec::with_capacity(plan.aggregates.len());
        for aggregate in &plan.aggregates {
            let limit_bytes = limit_bytes.saturating_sub(held_bytes);
            let (computed, bytes) = Aggregate::arguments(aggregate, cx, batch, limit_bytes)?;
            held_bytes += bytes;
            arguments.push(computed);
        }
        Ok((Evaluated { groups, arguments }, held_bytes))
    }

    fn arguments(aggregate: &PhysAggregate, cx: &Cx, batch: &Batch, limit_bytes: usize) -> Result<(Arguments, usize)> {
        // Rows that FILTER drops must not be evaluated: they may be what would fail.
        let filtered = match &aggregate.filter {
            None => None,
            Some(filter) => {
                let rows = filter.select_rows(cx, batch)?;
                Some((batch.take(&rows), rows))
            }
        };
        let mut held_bytes = 0;
        let mut evaluate = |expr: &PhysExpr| -> Result<Column> {
            let source = filtered.as_ref().map_or(batch, |(source, _)| source);
            let column = expr.eval_within(cx, source, limit_bytes.saturating_sub(held_bytes))?;
            if expr.is_computed() {
                held_bytes += column.held_bytes();
            }
            let Some((_, rows)) = &filtered else { return Ok(column) };
            let mut values = vec![Value::Null; batch.row_count];
            for (index, row) in rows.iter().enumerate() {
                values[*row as usize] = column.value(index);
            }
            Ok(Column::from_values(&expr.ty, values))
        };
        let args = aggregate.args.iter().map(&mut evaluate).collect::<Result<Vec<_>>>()?;
        let order = aggregate.order_by.iter().map(|key| evaluate(&key.expr)).collect::<Result<Vec<_>>>()?;
        let passes = filtered.map(|(_, rows)| {
            let mut passes = vec![false; batch.row_count];
            for row in rows {
                passes[row as usize] = true;
            }
            passes
        });
        Ok((Arguments { args, order, passes }, held_bytes))
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
            grown += state.growth();
        } else {
            let keys: Vec<Value> = arguments.order.iter().map(|column| column.value(row)).collect();
            grown += keys.iter().chain(args.iter()).map(value_size_bytes).sum::<usize>() + 48;
            state.rows.push((keys, args.into_vec()));
        }
        Ok(grown)
    }

    fn consume(&mut self) -> Result<()> {
        let Some(mut input) = self.input.take() else { return Ok(()) };
        let (plan, cx) = (Arc::clone(&self.plan), self.cx.clone());
        let mut memory = Reservation::new(&cx.run);
        let mut index: FxHashMap<Box<[u8]>, usize> = FxHashMap::default();
        if plan.groups.is_empty() {
            self.groups.push(Aggregate::new_group(&plan, Vec::new()));
        }
        let computed = plan.aggregates.iter().flat_map(PhysAggregate::expressions);
        let mut pieces = Pieces::new(&cx, plan.groups.iter().chain(computed));
        while let Some(batch) = input.next()? {
            pieces.put(batch);
            while let Some((piece, evaluated)) =
                pieces.next(|batch, limit_bytes| Aggregate::evaluate(&plan, &cx, batch, limit_bytes))?
            {
                self.take_in(piece.row_count, &evaluated, &mut index, &mut memory)?;
            }
        }
        for group in &mut self.groups {
            for (aggregate, state) in plan.aggregates.iter().zip(&mut group.states) {
                let mut rows = std::mem::take(&mut state.rows);
                rows.sort_by(|a, b| compare_rows(&aggregate.order_by, &a.0, &b.0));
                let mut grown = 0;
                for (_, args) in rows {
                    state.accumulator.update(&args)?;
                    grown += state.growth();
                    charge(&mut grown, CHARGE_BYTES, &mut memory, &cx)?;
                }
                charge(&mut grown, 0, &mut memory, &cx)?;
            }
        }
        self.memory = Some(memory);
        Ok(())
    }

    /// Finds each row's group and feeds it to the group's aggregates.
    fn take_in(
        &mut self,
        row_count: usize,
        evaluated: &Evaluated,
        index: &mut FxHashMap<Box<[u8]>, usize>,
        memory: &mut Reservation,
    ) -> Result<()> {
        let (plan, cx) = (Arc::clone(&self.plan), &self.cx);
        let mut grown = 0;
        let mut members: Vec<usize> = Vec::with_capacity(row_count);
        if plan.groups.is_empty() {
            members.resize(row_count, 0);
        } else {
            let mut key = Vec::new();
            for row in 0..row_count {
                key.clear();
                for column in &evaluated.groups {
                    encode_key(&column.value(row), KeyMode::Equivalent, &mut key);
                }
                let member = match index.get(key.as_slice()) {
                    Some(member) => *member,
                    None => {
                        let keys: Vec<Value> = evaluated.groups.iter().map(|column| column.value(row)).collect();
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
        for (position, (aggregate, arguments)) in plan.aggregates.iter().zip(&evaluated.arguments).enumerate() {
            let plain = !aggregate.distinct && aggregate.order_by.is_empty() && arguments.passes.is_none();
            if plan.groups.is_empty() && plain && aggregate.function.strict && arguments.args.len() == 1 {
                let state = &mut self.groups[0].states[position];
                state.accumulator.update_column(&arguments.args[0])?;
                grown += state.growth();
            } else {
                for (row, member) in members.iter().enumerate() {
                    let state = &mut self.groups[*member].states[position];
                    grown += Aggregate::update(aggregate, state, arguments, row)?;
                    // Before the next row: each may add as much as a value may hold.
                    charge(&mut grown, CHARGE_BYTES, memory, cx)?;
                }
            }
        }
        charge(&mut grown, 0, memory, cx)
    }
}

/// Charges what was grown to the statement when it is more than `least` bytes.
fn charge(grown: &mut usize, least: usize, memory: &mut Reservation, cx: &Cx) -> Result<()> {
    if *grown <= least {
        return Ok(());
    }
    cx.check_cancel()?;
    memory.grow(std::mem::take(grown))
}

impl Operator for Aggregate {
    fn next(&mut self) -> Result<Option<Batch>> {
        self.consume()?;
        self.cx.check_cancel()?;
        let mut builder = BatchBuilder::new(Arc::clone(&self.plan.layout.types));
        while self.next < self.groups.len() && !builder.is_full() {
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
