//! Parts of a table read side by side.
//!
//! A [`Pipeline`] is a chain of filters and projections over one whole table scan. Its table is cut by row id into
//! *morsels*; whoever works takes the next one when it is done with the last, so that nobody waits for a slow part. Morsels
//! are handed out in order: when one fails, all before it have been taken, and the failure of the first of them is the one
//! that reading in order would have met.
//!
//! Besides the statement's own thread there are at most as many helpers in the process as it has cores, less one. A
//! statement that gets none reads on its own.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use parking_lot::{Condvar, Mutex};
use sinew_storage::RowId;
use sinew_storage::catalog::TableDef;

use super::expr::{ExprKind, PhysExpr};
use super::node::Node;
use super::operators::filter::FilterPlan;
use super::operators::project::ProjectPlan;
use super::operators::table_scan::TableScanPlan;
use super::run::Cx;
use crate::error::{QueryError, Result};

/// Rows of a morsel, when ids are dense.
const MORSEL_ROWS: u64 = 16_384;
/// A table with fewer rows is read by one thread.
const LEAST_ROWS: u64 = 4 * MORSEL_ROWS;
/// Most morsels of a table whose ids have wide gaps.
const MOST_MORSELS: u64 = 1 << 16;
/// As the threads that statements begin on: expressions are evaluated recursively.
const STACK_SIZE_BYTES: usize = 16 << 20;
/// PostgreSQL's default of `max_parallel_workers_per_gather`.
const DEFAULT_HELPERS: usize = 2;

/// A range of row ids.
#[derive(Clone, Copy, Debug)]
pub struct Morsel {
    pub lower: Bound<RowId>,
    pub upper: Bound<RowId>,
    pub number: usize,
}

/// A chain of filters and projections over one whole table, of which each row is computed apart from the others.
pub struct Pipeline {
    node: Arc<Node>,
    table: Arc<TableDef>,
}

impl Pipeline {
    /// None when `node` is no such chain, or computes something that must happen in order.
    pub fn of(node: &Arc<Node>) -> Option<Pipeline> {
        let mut current = Arc::clone(node);
        loop {
            if let Some(scan) = current.physical_as::<TableScanPlan>() {
                let whole = scan.access.is_none();
                return whole.then(|| Pipeline { node: Arc::clone(node), table: Arc::clone(&scan.table) });
            }
            let input = if let Some(filter) = current.physical_as::<FilterPlan>() {
                is_independent(&filter.predicate).then(|| Arc::clone(&filter.input))?
            } else if let Some(project) = current.physical_as::<ProjectPlan>() {
                project.items.iter().all(is_independent).then(|| Arc::clone(&project.input))?
            } else {
                return None;
            };
            current = input;
        }
    }

    pub fn node(&self) -> &Arc<Node> {
        &self.node
    }

    /// How to read it with helpers; None when it is to be read by this thread alone.
    pub fn split(&self, cx: &Cx) -> Result<Option<Split>> {
        let transaction = cx.transaction();
        if cx.morsel.is_some() || transaction.has_written(&self.table) {
            return Ok(None);
        }
        let wanted = match cx.run.exec.session.setting("max_parallel_workers_per_gather") {
            Some(text) => text.parse().unwrap_or(DEFAULT_HELPERS),
            None => DEFAULT_HELPERS,
        };
        if wanted == 0 {
            return Ok(None);
        }
        let row_count = transaction.row_count(&self.table)?;
        if row_count < LEAST_ROWS {
            return Ok(None);
        }
        let Some((first, last)) = transaction.row_id_bounds(&self.table)? else { return Ok(None) };
        let span = last.0.saturating_sub(first.0).saturating_add(1);
        let dense = span.div_ceil(row_count).saturating_mul(MORSEL_ROWS);
        let width = dense.max(span.div_ceil(MOST_MORSELS));
        let Some(helpers) = Helpers::acquire(wanted) else { return Ok(None) };
        Ok(Some(Split { first: first.0, width, morsel_count: span.div_ceil(width) as usize, helpers }))
    }
}

/// Whether it gives the same on any thread at any time: nothing volatile, no subquery, nothing of the graph.
pub(crate) fn is_independent(expr: &PhysExpr) -> bool {
    let mut independent = match &expr.kind {
        ExprKind::Subquery(_) | ExprKind::Property { .. } | ExprKind::HasLabels { .. } | ExprKind::Path(_) => false,
        ExprKind::Call { function, .. } => function.volatility != crate::functions::Volatility::Volatile,
        _ => true,
    };
    expr.for_each_child(&mut |child| independent = independent && is_independent(child));
    independent
}

/// The morsels of a table and the helpers that may work on them.
pub struct Split {
    first: u64,
    width: u64,
    morsel_count: usize,
    helpers: Helpers,
}

impl Split {
    /// Threads that work, the caller's included.
    pub fn worker_count(&self) -> usize {
        self.helpers.count + 1
    }

    fn morsel(&self, number: usize) -> Morsel {
        let start =
            |number: usize| Bound::Included(RowId(self.first.saturating_add(self.width.saturating_mul(number as u64))));
        // The ends are open, so that what is read is the whole table.
        Morsel {
            lower: if number == 0 { Bound::Unbounded } else { start(number) },
            upper: match start(number + 1) {
                Bound::Included(end) if number + 1 < self.morsel_count => Bound::Excluded(end),
                _ => Bound::Unbounded,
            },
            number,
        }
    }

    /// Has each worker make a state and feed it morsels, in rising order, until there are none. Gives the states, the
    /// caller's first; or the error of the lowest morsel that failed.
    pub fn run<S: Send>(
        &self,
        cx: &Cx,
        make: impl Fn() -> S + Sync,
        work: impl Fn(&mut S, &Cx) -> Result<()> + Sync,
    ) -> Result<Vec<S>> {
        let next = AtomicUsize::new(0);
        let failed = AtomicBool::new(false);
        let worker = || -> std::result::Result<S, (usize, QueryError)> {
            let mut state = make();
            while !failed.load(Ordering::Relaxed) {
                let number = next.fetch_add(1, Ordering::Relaxed);
                if number >= self.morsel_count {
                    break;
                }
                if let Err(error) = work(&mut state, &cx.with_morsel(self.morsel(number))) {
                    failed.store(true, Ordering::Relaxed);
                    return Err((number, error));
                }
            }
            Ok(state)
        };
        let results = std::thread::scope(|scope| {
            let mut threads = Vec::with_capacity(self.helpers.count);
            for _ in 0..self.helpers.count {
                let thread = std::thread::Builder::new().name("sinew-parallel".to_owned()).stack_size(STACK_SIZE_BYTES);
                // Without a thread the others do its part.
                threads.extend(thread.spawn_scoped(scope, worker));
            }
            let mut results = vec![worker()];
            results.extend(threads.into_iter().map(|thread| {
                thread.join().unwrap_or_else(|_| Err((usize::MAX, QueryError::internal("a parallel scan panicked"))))
            }));
            results
        });
        let (mut states, mut first): (Vec<S>, Option<(usize, QueryError)>) = (Vec::new(), None);
        for result in results {
            match result {
                Ok(state) => states.push(state),
                Err((number, error)) if first.as_ref().is_none_or(|(known, _)| number < *known) => {
                    first = Some((number, error));
                }
                Err(_) => {}
            }
        }
        first.map_or(Ok(states), |(_, error)| Err(error))
    }
}

impl Split {
    /// Has all workers compute what `produce` makes of morsels, and the caller's thread `consume` it in order. At most
    /// a few results wait to be consumed. Gives the error that doing it in order would have met first.
    pub fn run_in_order<T: Send>(
        &self,
        cx: &Cx,
        produce: impl Fn(&Cx) -> Result<T> + Sync,
        mut consume: impl FnMut(T) -> Result<()>,
    ) -> Result<()> {
        let queue = OrderedQueue {
            state: Mutex::new(QueueState { claimed: 0, consumed: 0, ready: BTreeMap::new(), is_over: false }),
            changed: Condvar::new(),
            morsel_count: self.morsel_count,
            window: self.worker_count() * 2 + 1,
        };
        let produce_one = |number: usize| {
            let produce = AssertUnwindSafe(|| produce(&cx.with_morsel(self.morsel(number))));
            let result =
                catch_unwind(produce).unwrap_or_else(|_| Err(QueryError::internal("a parallel scan panicked")));
            queue.put(number, result);
        };
        std::thread::scope(|scope| {
            // Whatever happens to this thread, the helpers leave.
            let _over = OverAtEnd(&queue);
            for _ in 0..self.helpers.count {
                let thread = std::thread::Builder::new().name("sinew-parallel".to_owned()).stack_size(STACK_SIZE_BYTES);
                let helper = || {
                    while let Some(number) = queue.claim() {
                        produce_one(number);
                    }
                };
                // Without a thread the others do its part.
                drop(thread.spawn_scoped(scope, helper));
            }
            loop {
                match queue.take() {
                    Taken::Result(result) => consume(result?)?,
                    Taken::Claimed(number) => produce_one(number),
                    Taken::End => return Ok(()),
                }
            }
        })
    }
}

/// Results of morsels, taken in order.
struct OrderedQueue<T> {
    state: Mutex<QueueState<T>>,
    changed: Condvar,
    morsel_count: usize,
    /// Most morsels claimed and not consumed.
    window: usize,
}

struct QueueState<T> {
    claimed: usize,
    consumed: usize,
    ready: BTreeMap<usize, Result<T>>,
    is_over: bool,
}

enum Taken<T> {
    Result(Result<T>),
    /// Nothing to consume yet: this morsel is to be produced.
    Claimed(usize),
    End,
}

impl<T> OrderedQueue<T> {
    /// The next morsel for a helper; waits while too many results are waiting. None at the end.
    fn claim(&self) -> Option<usize> {
        let mut state = self.state.lock();
        loop {
            if state.is_over || state.claimed >= self.morsel_count {
                return None;
            }
            if state.claimed < state.consumed + self.window {
                state.claimed += 1;
                return Some(state.claimed - 1);
            }
            self.changed.wait(&mut state);
        }
    }

    fn put(&self, number: usize, result: Result<T>) {
        self.state.lock().ready.insert(number, result);
        self.changed.notify_all();
    }

    /// The next result in order, or a morsel to produce meanwhile.
    fn take(&self) -> Taken<T> {
        let mut state = self.state.lock();
        loop {
            if state.consumed >= self.morsel_count {
                return Taken::End;
            }
            let next = state.consumed;
            if let Some(result) = state.ready.remove(&next) {
                state.consumed += 1;
                self.changed.notify_all();
                return Taken::Result(result);
            }
            if state.claimed < self.morsel_count && state.claimed < state.consumed + self.window {
                state.claimed += 1;
                return Taken::Claimed(state.claimed - 1);
            }
            self.changed.wait(&mut state);
        }
    }
}

struct OverAtEnd<'q, T>(&'q OrderedQueue<T>);

impl<T> Drop for OverAtEnd<'_, T> {
    fn drop(&mut self) {
        self.0.state.lock().is_over = true;
        self.0.changed.notify_all();
    }
}

/// Helper threads in use in this process.
static HELPERS_IN_USE: AtomicUsize = AtomicUsize::new(0);

/// The right to some helper threads; given back when dropped.
struct Helpers {
    count: usize,
}

impl Helpers {
    /// At least one and at most `wanted`, or None when all are in use.
    fn acquire(wanted: usize) -> Option<Helpers> {
        static LIMIT: std::sync::OnceLock<usize> = std::sync::OnceLock::new();
        let limit = *LIMIT.get_or_init(|| std::thread::available_parallelism().map_or(1, |cores| cores.get() - 1));
        let mut count = 0;
        let taken = HELPERS_IN_USE.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |in_use| {
            count = wanted.min(limit.saturating_sub(in_use));
            (count > 0).then_some(in_use + count)
        });
        taken.is_ok().then_some(Helpers { count })
    }
}

impl Drop for Helpers {
    fn drop(&mut self) {
        HELPERS_IN_USE.fetch_sub(self.count, Ordering::Relaxed);
    }
}
