//! Hash aggregation. Groups are given in the order they were first seen.
//!
//! Over a large table (a [`Pipeline`]) the rows are read and what is computed from each is computed by several threads.
//! When all aggregates can be merged, each thread aggregates its own part; otherwise one thread aggregates, in order, what
//! the others computed. Groups and results are those of reading in order.
//!
//! When the groups outgrow the budget, no new ones are made: rows of those that are known are still aggregated, all others
//! are spread over partitions on disk, which are aggregated one after another behind them. Their groups come last.

mod groups;
mod states;

use std::sync::Arc;

use super::pieces::{Pieces, columns_of};
use super::sort::PhysSortKey;
use crate::batch::{Batch, BatchBuilder, Column};
use crate::error::{Result, sqlstate};
use crate::exec::expr::PhysExpr;
use crate::exec::key::{KeyMode, encode_column_key};
use crate::exec::node::{Layout, Node, Operator, Physical};
use crate::exec::parallel::{Pipeline, Split, is_independent};
use crate::exec::run::{Cx, Reservation, Usage};
use crate::exec::spill::{MOST_LEVELS, Partitions, SpilledRows, hash_key};
use crate::functions::AggregateFunction;
use crate::functions::aggregate_grouped::{Groups, is_mergeable};
use groups::{GroupTable, NO_GROUP};
use states::{Arguments, States};

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

    fn is_mergeable(&self) -> bool {
        !self.distinct && self.order_by.is_empty() && is_mergeable(&self.function)
    }
}

pub struct AggregatePlan {
    pub input: Arc<Node>,
    pub groups: Vec<PhysExpr>,
    pub aggregates: Vec<PhysAggregate>,
    pub layout: Arc<Layout>,
    /// The input, when it may be read in parts.
    pub pipeline: Option<Pipeline>,
}

impl AggregatePlan {
    pub fn new(
        input: Arc<Node>,
        groups: Vec<PhysExpr>,
        aggregates: Vec<PhysAggregate>,
        layout: Arc<Layout>,
    ) -> AggregatePlan {
        let mut plan = AggregatePlan { input, groups, aggregates, layout, pipeline: None };
        if plan.expressions().all(is_independent) {
            plan.pipeline = Pipeline::of(&plan.input);
        }
        plan
    }

    fn expressions(&self) -> impl Iterator<Item = &PhysExpr> {
        self.groups.iter().chain(self.aggregates.iter().flat_map(PhysAggregate::expressions))
    }

    fn evaluate(&self, cx: &Cx, batch: &Batch, limit_bytes: usize) -> Result<(Evaluated, usize)> {
        let (groups, mut held_bytes) = columns_of(&self.groups, cx, batch, limit_bytes)?;
        let mut arguments = Vec::with_capacity(self.aggregates.len());
        for aggregate in &self.aggregates {
            let limit_bytes = limit_bytes.saturating_sub(held_bytes);
            let (computed, bytes) = Arguments::of(aggregate, cx, batch, limit_bytes)?;
            held_bytes += bytes;
            arguments.push(computed);
        }
        Ok((Evaluated { row_count: batch.row_count, groups, arguments }, held_bytes))
    }

    /// Hands rows of the input, and what is computed from them, to `take`, piece by piece.
    fn for_each_piece(
        &self,
        cx: &Cx,
        mut input: Box<dyn Operator>,
        mut take: impl FnMut(&Batch, Evaluated) -> Result<()>,
    ) -> Result<()> {
        let mut pieces = Pieces::new(cx, self.expressions());
        while let Some(batch) = input.next()? {
            pieces.put(batch);
            while let Some((piece, evaluated)) =
                pieces.next(|batch, limit_bytes| self.evaluate(cx, batch, limit_bytes))?
            {
                take(&piece, evaluated)?;
            }
        }
        Ok(())
    }
}

impl Physical for AggregatePlan {
    fn open(self: Arc<Self>, cx: &Cx) -> Result<Box<dyn Operator>> {
        Ok(Box::new(Aggregate { plan: self, cx: cx.clone(), state: State::Unread, partitions: Vec::new() }))
    }

    fn describe(&self) -> String {
        if self.groups.is_empty() { "Aggregate".to_owned() } else { "Hash Aggregate".to_owned() }
    }

    fn children(&self) -> Vec<&Arc<Node>> {
        vec![&self.input]
    }
}

/// What the aggregation computes from the rows of a batch.
struct Evaluated {
    row_count: usize,
    groups: Vec<Column>,
    arguments: Vec<Arguments>,
}

/// Groups with the states of all aggregates.
struct Table {
    groups: GroupTable,
    states: Vec<States>,
    /// Where each group was first seen: morsel, then number within what one worker saw. Empty without morsels.
    origins: Vec<(usize, usize)>,
    /// The groups in the order they are to be given; None: in theirs.
    order: Option<Vec<u32>>,
    memory: Reservation,
}

impl Table {
    fn new(plan: &AggregatePlan, cx: &Cx) -> Table {
        let is_int = matches!(plan.groups.as_slice(), [key] if is_int(key));
        Table {
            groups: GroupTable::new(plan.groups.len(), is_int),
            states: plan.aggregates.iter().map(States::new).collect(),
            origins: Vec::new(),
            order: None,
            memory: Reservation::new(&cx.run),
        }
    }

    /// Finds each row's group and feeds it to the group's aggregates. Rows of new groups go to `spilled` when there is one.
    fn take_in(
        &mut self,
        plan: &AggregatePlan,
        cx: &Cx,
        evaluated: &Evaluated,
        spilled: Option<(&Batch, &mut Partitions)>,
    ) -> Result<()> {
        cx.check_cancel()?;
        let (columns, grow) = (&evaluated.groups, spilled.is_none());
        let of_row = self.groups.groups_of(columns, evaluated.row_count, grow, &mut self.memory, cx)?;
        if let (Some((piece, partitions)), Some(of_row)) = (spilled, &of_row) {
            let mut key = Vec::new();
            let rows = of_row.iter().enumerate().filter(|(_, group)| **group == NO_GROUP).map(|(row, _)| {
                key.clear();
                let columns = evaluated.groups.iter();
                columns.for_each(|column| encode_column_key(column, row, KeyMode::Equivalent, &mut key));
                (row as u32, hash_key(&key))
            });
            partitions.push(piece, rows)?;
        }
        let groups = Groups {
            of_row: of_row.as_deref(),
            row_count: evaluated.row_count,
            group_count: self.groups.group_count(),
        };
        for ((aggregate, states), arguments) in plan.aggregates.iter().zip(&mut self.states).zip(&evaluated.arguments) {
            states.update(aggregate, arguments, groups, &mut self.memory, cx)?;
        }
        if let Some(morsel) = &cx.morsel {
            self.memory.grow((groups.group_count - self.origins.len()) * size_of::<(usize, usize)>())?;
            while self.origins.len() < groups.group_count {
                self.origins.push((morsel.number, self.origins.len()));
            }
        }
        Ok(())
    }

    /// Adds what another worker aggregated.
    fn merge(&mut self, mut other: Table) -> Result<()> {
        let before = self.groups.size_bytes();
        let mut map = Vec::with_capacity(other.groups.group_count());
        for group in 0..other.groups.group_count() {
            let own = self.groups.group_of(other.groups.key(group));
            let origin = other.origins.get(group).copied().unwrap_or((usize::MAX, 0));
            match self.origins.get_mut(own as usize) {
                Some(known) => *known = (*known).min(origin),
                None => self.origins.push(origin),
            }
            map.push(own);
        }
        self.memory.grow(self.groups.size_bytes() - before)?;
        for (own, other) in self.states.iter_mut().zip(&mut other.states) {
            own.merge(other, &map, self.groups.group_count())?;
        }
        Ok(())
    }

    /// Groups in the order in which reading in order would have met them.
    fn sort_by_origin(&mut self) {
        let mut order: Vec<u32> = (0..self.groups.group_count() as u32).collect();
        order.sort_by_key(|group| self.origins.get(*group as usize));
        self.order = Some(order);
    }
}

fn is_int(key: &PhysExpr) -> bool {
    use sinew_storage::DataType::{Int2, Int4, Int8};
    matches!(key.ty, Int2 | Int4 | Int8)
}

struct Aggregate {
    plan: Arc<AggregatePlan>,
    cx: Cx,
    state: State,
    /// Rows of groups that had no room, and how often they were spread.
    partitions: Vec<(SpilledRows, u32)>,
}

enum State {
    Unread,
    /// Giving the groups of a table: how many were given.
    Giving(Box<Table>, usize),
}

impl Aggregate {
    fn consume(&mut self) -> Result<Table> {
        let plan = Arc::clone(&self.plan);
        if let Some(pipeline) = &plan.pipeline
            && let Some(split) = pipeline.split(&self.cx)?
        {
            match self.consume_split(&split) {
                // Several parts at a time take more memory than one, and only one may spill.
                Err(error) if error.sqlstate() == sqlstate::OUT_OF_MEMORY => {}
                result => return result,
            }
        }
        let input = plan.input.open(&self.cx)?;
        self.consume_input(input, 0)
    }

    /// Aggregates an input whose rows were spread `level` times before.
    fn consume_input(&mut self, input: Box<dyn Operator>, level: u32) -> Result<Table> {
        let (plan, cx) = (Arc::clone(&self.plan), self.cx.clone());
        let budget_bytes = cx.run.budget().hash_bytes;
        // A row that is read back is computed again.
        let may_spill =
            !plan.groups.is_empty() && level < MOST_LEVELS && plan.expressions().all(PhysExpr::is_repeatable);
        let mut table = Table::new(&plan, &cx);
        let mut partitions: Option<Partitions> = None;
        plan.for_each_piece(&cx, input, |piece, evaluated| {
            if partitions.is_none() && may_spill && table.memory.is_over(budget_bytes) {
                partitions = Partitions::create(&cx, level, plan.input.layout.len())?;
            }
            let spilled = partitions.as_mut().map(|partitions| (piece, partitions));
            table.take_in(&plan, &cx, &evaluated, spilled)
        })?;
        if let Some(partitions) = partitions {
            let parts = partitions.finish()?;
            let disk_bytes = parts.first().map_or(0, SpilledRows::file_bytes);
            cx.note_usage(Usage { disk_bytes, batch_count: parts.len() + 1, ..Usage::default() });
            self.partitions.extend(parts.into_iter().rev().map(|part| (part, level + 1)));
        }
        Ok(table)
    }

    fn consume_split(&self, split: &Split) -> Result<Table> {
        let (plan, cx) = (&self.plan, &self.cx);
        if plan.aggregates.iter().all(PhysAggregate::is_mergeable) {
            let budget_bytes = cx.run.budget().hash_bytes / split.worker_count();
            let make = || Table::new(plan, cx);
            let work = |table: &mut Table, cx: &Cx| {
                plan.for_each_piece(cx, plan.input.open(cx)?, |_, evaluated| {
                    table.take_in(plan, cx, &evaluated, None)?;
                    if table.memory.is_over(budget_bytes) { Err(cx.run.out_of_memory()) } else { Ok(()) }
                })
            };
            let mut tables = split.run(cx, make, work)?.into_iter();
            let Some(mut table) = tables.next() else { return Ok(make()) };
            for other in tables {
                table.merge(other)?;
            }
            table.sort_by_origin();
            return Ok(table);
        }
        let budget_bytes = cx.run.budget().hash_bytes;
        let mut table = Table::new(plan, cx);
        let produce = |cx: &Cx| -> Result<(Vec<Evaluated>, Reservation)> {
            let (mut all, mut memory) = (Vec::new(), Reservation::new(&cx.run));
            plan.for_each_piece(cx, plan.input.open(cx)?, |_, evaluated| {
                memory.grow(evaluated.size_bytes())?;
                all.push(evaluated);
                Ok(())
            })?;
            Ok((all, memory))
        };
        split.run_in_order(cx, produce, |(all, _memory)| {
            all.iter().try_for_each(|evaluated| table.take_in(plan, cx, evaluated, None))?;
            let spills = !plan.groups.is_empty() && table.memory.is_over(budget_bytes);
            if spills { Err(cx.run.out_of_memory()) } else { Ok(()) }
        })?;
        Ok(table)
    }

    /// The groups of the next table; None when there are no more.
    fn next_table(&mut self) -> Result<Option<Table>> {
        let mut table = match self.state {
            State::Unread => self.consume()?,
            State::Giving(..) => match self.partitions.pop() {
                Some((rows, level)) => self.consume_input(Box::new(rows), level)?,
                None => return Ok(None),
            },
        };
        for (aggregate, states) in self.plan.aggregates.iter().zip(&mut table.states) {
            states.end_of_input(aggregate, &mut table.memory, &self.cx)?;
        }
        if !self.plan.groups.is_empty() {
            self.cx.note_usage(Usage { memory_bytes: table.memory.bytes(), ..Usage::default() });
        }
        Ok(Some(table))
    }
}

impl Evaluated {
    fn size_bytes(&self) -> usize {
        let arguments = self.arguments.iter().flat_map(|arguments| arguments.args.iter().chain(&arguments.order));
        self.groups.iter().chain(arguments).map(Column::size_bytes).sum()
    }
}

impl Operator for Aggregate {
    fn next(&mut self) -> Result<Option<Batch>> {
        loop {
            self.cx.check_cancel()?;
            if let State::Giving(table, given) = &mut self.state {
                let mut builder = BatchBuilder::new(Arc::clone(&self.plan.layout.types));
                while *given < table.groups.group_count() && !builder.is_full() {
                    let group = table.order.as_ref().map_or(*given, |order| order[*given] as usize);
                    let mut row = table.groups.key(group).to_vec();
                    for (aggregate, states) in self.plan.aggregates.iter().zip(&mut table.states) {
                        row.push(states.finish(aggregate, group)?);
                    }
                    *given += 1;
                    if row.is_empty() {
                        // Neither groups nor aggregates: the one row has no columns.
                        return Ok(Some(Batch { columns: Vec::new(), row_count: 1 }));
                    }
                    builder.push(row);
                }
                if let Some(batch) = builder.finish() {
                    return Ok(Some(batch));
                }
                // Its memory is free before the next is filled.
                **table = Table::new(&self.plan, &self.cx);
                *given = table.groups.group_count();
            }
            match self.next_table()? {
                Some(table) => self.state = State::Giving(Box::new(table), 0),
                None => return Ok(None),
            }
        }
    }
}
