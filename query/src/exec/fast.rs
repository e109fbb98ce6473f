//! The short path: statements that touch a few rows by key, run row by row without operators or arrays.
//!
//! Most statements of an application read one row by its primary key, look up a node by an indexed property, insert a
//! row, or change one that they name by its key. For those, opening operators and building arrays costs more than the
//! work. [`FastPlan::of`] recognises a physical plan of the form limit? sort? (project | extend | filter)* over one key
//! lookup, an insert of a few rows, or an update or a delete of what a key lookup gives, and keeps the same compiled
//! expressions; the rows it gives are the same.

use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use sinew_storage::catalog::{IndexKind, IndexTarget};
use sinew_storage::{NodeId, RowId, Value};

use super::expr::RowCx;
use super::node::Node;
use super::operators::delete::DeletePlan;
use super::operators::filter::FilterPlan;
use super::operators::insert::{InsertPlan, InsertWriter};
use super::operators::limit::{LimitPlan, count_of};
use super::operators::node_seek::PropertyIndexSeekPlan;
use super::operators::project::ProjectPlan;
use super::operators::sort::{SortPlan, compare_rows};
use super::operators::table_scan::TableScanPlan;
use super::operators::update::UpdatePlan;
use super::operators::values::{UnitPlan, ValuesPlan};
use super::run::Cx;
use crate::batch::{BATCH_ROWS, Batch, BatchBuilder};
use crate::error::Result;

/// Rows of an INSERT that still count as few.
const INSERT_ROW_LIMIT: usize = 16;
/// Rows a lookup may give before it is left to operators (which then start anew).
const ROW_LIMIT: usize = BATCH_ROWS;

/// A recognised plan.
pub struct FastPlan {
    lookup: Lookup,
    /// Positions of the statement's output in the last step's rows.
    columns: Vec<usize>,
    types: Arc<[sinew_storage::DataType]>,
    root: Arc<Node>,
}

enum Source {
    Unit,
    /// A unique or plain ordered index, by equality on all of its columns.
    Table(Arc<TableScanPlan>),
    Nodes(Arc<PropertyIndexSeekPlan>),
    Insert(Arc<InsertPlan>, Arc<ValuesPlan>),
    InsertUnit(Arc<InsertPlan>),
    /// With the lookup that gives the rows.
    Update(Arc<UpdatePlan>, Box<Lookup>),
    Delete(Arc<DeletePlan>, Box<Lookup>),
}

/// Rows by a key, filtered and projected.
struct Lookup {
    source: Source,
    /// From the source upwards.
    steps: Vec<Step>,
}

enum Step {
    Filter(Arc<FilterPlan>),
    Project(Arc<ProjectPlan>),
    Sort(Arc<SortPlan>),
    Limit(Arc<LimitPlan>),
}

impl FastPlan {
    /// None when the plan has another form.
    pub fn of(root: &Arc<Node>, columns: &[usize]) -> Option<FastPlan> {
        let lookup = Lookup::of(root, true)?;
        let types = columns.iter().map(|column| root.layout.types[*column].clone()).collect();
        Some(FastPlan { lookup, columns: columns.to_vec(), types, root: Arc::clone(root) })
    }

    /// All rows at once; None when there are none.
    pub fn run(&self, cx: &Cx) -> Result<Option<Batch>> {
        let Some(rows) = self.lookup.rows(cx)? else {
            return self.run_operators(cx);
        };
        if rows.is_empty() {
            return Ok(None);
        }
        if self.columns.is_empty() {
            return Ok(Some(Batch { columns: Vec::new(), row_count: rows.len() }));
        }
        let mut builder = BatchBuilder::new(Arc::clone(&self.types));
        for row in rows {
            builder.push(self.columns.iter().map(|column| row[*column].clone()));
        }
        Ok(builder.finish())
    }

    /// The same plan through its operators, all rows in one batch.
    fn run_operators(&self, cx: &Cx) -> Result<Option<Batch>> {
        let mut memory = super::run::Reservation::new(&cx.run);
        let mut operator = self.root.open(cx)?;
        let mut batches = Vec::new();
        while let Some(batch) = operator.next()? {
            let batch = batch.select(&self.columns);
            memory.grow(batch.size_bytes())?;
            batches.push(batch);
        }
        Ok((!batches.is_empty()).then(|| Batch::concat(&batches, self.columns.len())))
    }
}

impl Lookup {
    /// None when the plan has another form. Only the outermost may write.
    fn of(root: &Arc<Node>, may_write: bool) -> Option<Lookup> {
        let mut steps = Vec::new();
        let mut node = Arc::clone(root);
        let source = loop {
            let next = if let Some(step) = node.physical_as::<FilterPlan>() {
                let input = Arc::clone(&step.input);
                steps.push(Step::Filter(step));
                input
            } else if let Some(step) = node.physical_as::<ProjectPlan>() {
                let input = Arc::clone(&step.input);
                steps.push(Step::Project(step));
                input
            } else if let Some(step) = node.physical_as::<SortPlan>() {
                let input = Arc::clone(&step.input);
                steps.push(Step::Sort(step));
                input
            } else if let Some(step) = node.physical_as::<LimitPlan>() {
                let input = Arc::clone(&step.input);
                steps.push(Step::Limit(step));
                input
            } else {
                break Lookup::source(&node, may_write)?;
            };
            node = next;
        };
        // Rows of a write must not be dropped half way: only projections may follow it.
        let writes = !matches!(source, Source::Unit | Source::Table(_) | Source::Nodes(_));
        if writes && !steps.iter().all(|step| matches!(step, Step::Project(_))) {
            return None;
        }
        steps.reverse();
        Some(Lookup { source, steps })
    }

    fn source(node: &Node, may_write: bool) -> Option<Source> {
        if node.physical_as::<UnitPlan>().is_some() {
            return Some(Source::Unit);
        }
        if let Some(scan) = node.physical_as::<TableScanPlan>() {
            let access = scan.access.as_ref()?;
            let IndexTarget::Table { columns, .. } = &access.index.target else { return None };
            let is_unique = matches!(access.index.kind, IndexKind::Ordered { unique: true });
            let full_key = access.equal.len() == columns.len() && access.lower.is_none() && access.upper.is_none();
            return (is_unique && full_key).then_some(Source::Table(scan));
        }
        if let Some(seek) = node.physical_as::<PropertyIndexSeekPlan>() {
            let of_nodes = matches!(seek.index.target, IndexTarget::Nodes { .. });
            return of_nodes.then_some(Source::Nodes(seek));
        }
        if !may_write {
            return None;
        }
        if let Some(update) = node.physical_as::<UpdatePlan>() {
            // Without a recheck the statement may have to start over, or an assignment reads the table.
            update.recheck.as_ref()?;
            let lookup = Lookup::of(&update.source, false)?;
            return lookup.gives_table_rows().then(|| Source::Update(update, Box::new(lookup)));
        }
        if let Some(delete) = node.physical_as::<DeletePlan>() {
            delete.recheck.as_ref()?;
            let lookup = Lookup::of(&delete.source, false)?;
            return lookup.gives_table_rows().then(|| Source::Delete(delete, Box::new(lookup)));
        }
        if let Some(insert) = node.physical_as::<InsertPlan>() {
            if insert.source.reads_store || insert.values_read {
                return None;
            }
            if let Some(values) = insert.source.physical_as::<ValuesPlan>() {
                return (values.rows.len() <= INSERT_ROW_LIMIT).then_some(Source::Insert(insert, values));
            }
            return insert.source.physical_as::<UnitPlan>().map(|_| Source::InsertUnit(insert));
        }
        None
    }

    fn gives_table_rows(&self) -> bool {
        matches!(self.source, Source::Table(_))
    }

    /// None when there are too many for this path; then nothing was written.
    fn rows(&self, cx: &Cx) -> Result<Option<Vec<Vec<Value>>>> {
        let Some(mut rows) = self.read(cx)? else { return Ok(None) };
        for step in &self.steps {
            rows = match step {
                Step::Filter(filter) => {
                    let mut kept = Vec::with_capacity(rows.len());
                    for row in rows {
                        if filter.predicate.holds(RowCx::of_values(cx, &row))? {
                            kept.push(row);
                        }
                    }
                    kept
                }
                Step::Project(project) => {
                    let mut computed = Vec::with_capacity(rows.len());
                    for mut row in rows {
                        let at = RowCx::of_values(cx, &row);
                        let items = project.items.iter().map(|item| item.eval(at)).collect::<Result<Vec<_>>>()?;
                        computed.push(if project.extend {
                            row.extend(items);
                            row
                        } else {
                            items
                        });
                    }
                    computed
                }
                Step::Sort(sort) => {
                    let mut keyed = Vec::with_capacity(rows.len());
                    for row in rows {
                        let at = RowCx::of_values(cx, &row);
                        let keys = sort.keys.iter().map(|key| key.expr.eval(at)).collect::<Result<Vec<_>>>()?;
                        keyed.push((keys, row));
                    }
                    keyed.sort_by(|a, b| compare_rows(&sort.keys, &a.0, &b.0));
                    keyed.into_iter().map(|(_, row)| row).collect()
                }
                Step::Limit(limit) => {
                    let skip = limit.skip.as_ref().map_or(Ok(None), |skip| count_of(skip, cx, "OFFSET"))?;
                    let count = limit.limit.as_ref().map_or(Ok(None), |limit| count_of(limit, cx, "LIMIT"))?;
                    rows.into_iter().skip(skip.unwrap_or(0)).take(count.unwrap_or(usize::MAX)).collect()
                }
            };
        }
        Ok(Some(rows))
    }

    /// The rows of the source; None when there are too many for this path.
    fn read(&self, cx: &Cx) -> Result<Option<Vec<Vec<Value>>>> {
        let transaction = cx.transaction();
        let mut rows = Vec::new();
        match &self.source {
            Source::Unit => rows.push(Vec::new()),
            Source::Table(scan) => {
                let Some(access) = &scan.access else { return Ok(None) };
                if let Some(range) = access.range(cx)? {
                    for id in transaction.index_scan(&access.index, &range, access.reverse)? {
                        let id = RowId(id?);
                        if let Some(mut row) = transaction.get_row(&scan.table, id, &scan.projection)? {
                            if scan.with_row_id {
                                row.push(Value::Int(id.0 as i64));
                            }
                            rows.push(row);
                        }
                    }
                }
            }
            Source::Nodes(seek) => {
                let mut ids = Vec::new();
                seek.for_each_range(cx, &mut |range| {
                    for id in transaction.index_scan(&seek.index, &range, false)? {
                        ids.push(id?);
                        if ids.len() > ROW_LIMIT {
                            return Ok(ControlFlow::Break(()));
                        }
                    }
                    Ok(ControlFlow::Continue(()))
                })?;
                if ids.len() > ROW_LIMIT {
                    return Ok(None);
                }
                ids.sort_unstable();
                ids.dedup();
                rows.extend(ids.into_iter().map(|id| vec![Value::Node(NodeId(id))]));
            }
            Source::Insert(insert, values) => {
                let mut sources = Vec::with_capacity(values.rows.len());
                for row in &values.rows {
                    sources.push(row.iter().map(|expr| expr.eval_const(cx)).collect::<Result<Vec<_>>>()?);
                }
                self.insert(insert, &sources, cx, &mut rows)?;
            }
            Source::InsertUnit(insert) => self.insert(insert, &[Vec::new()], cx, &mut rows)?,
            Source::Update(update, lookup) => {
                let Some(sources) = lookup.rows(cx)? else { return Ok(None) };
                rows = update.run_rows(sources, cx)?;
            }
            Source::Delete(delete, lookup) => {
                let Some(sources) = lookup.rows(cx)? else { return Ok(None) };
                rows = delete.run_rows(sources, cx)?;
            }
        }
        Ok(Some(rows))
    }

    fn insert(
        &self,
        insert: &Arc<InsertPlan>,
        sources: &[Vec<Value>],
        cx: &Cx,
        rows: &mut Vec<Vec<Value>>,
    ) -> Result<()> {
        let mut proposed = Vec::with_capacity(sources.len());
        for source in sources {
            let at = RowCx::of_values(cx, source);
            proposed.push(insert.values.iter().map(|value| value.eval(at)).collect::<Result<Vec<_>>>()?);
        }
        let mut writer = InsertWriter::new(insert, cx)?;
        for values in proposed {
            let Some(stored) = writer.write(values, cx)? else { continue };
            if insert.counted {
                cx.run.rows_affected.fetch_add(1, Ordering::Relaxed);
            }
            if !insert.returning.is_empty() {
                let at = RowCx::of_values(cx, &stored);
                rows.push(insert.returning.iter().map(|item| item.eval(at)).collect::<Result<Vec<_>>>()?);
            }
        }
        writer.finish(cx)?;
        cx.run.note_write();
        Ok(())
    }
}
