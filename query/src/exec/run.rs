//! State of one running statement: context, memory account, caches, materialised CTEs.

use std::sync::atomic::{AtomicU32, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};

use parking_lot::Mutex;
use sinew_storage::{Transaction, Value};

use super::RowStream;
use super::expr::SubqueryCache;
use super::node::Node;
use super::operators::cte::Rounds;
use super::parallel::Morsel;
use super::spill::{Budget, Buffer, file_limit_exceeded};
use crate::algebra::CteId;
use crate::batch::Batch;
use crate::context::{EvalContext, ExecContext};
use crate::error::{QueryError, Result, sqlstate};

/// How many slots of each kind a compiled plan needs.
#[derive(Clone, Copy, Debug, Default)]
pub struct RunSizes {
    pub token_count: usize,
    pub subquery_count: usize,
    pub node_count: usize,
}

/// What EXPLAIN ANALYZE counts for one operator.
#[derive(Debug, Default)]
pub struct Measure {
    pub row_count: AtomicU64,
    pub open_count: AtomicU64,
    pub elapsed_ns: AtomicU64,
    /// Until the first rows were there, of all openings together.
    pub first_ns: AtomicU64,
    pub usage: Mutex<Option<Usage>>,
}

/// Memory and files that an operator used.
#[derive(Clone, Copy, Debug, Default)]
pub struct Usage {
    /// How a sort went about it.
    pub sort_method: Option<&'static str>,
    pub memory_bytes: usize,
    pub disk_bytes: u64,
    /// Parts that a hash table was cut into.
    pub batch_count: usize,
}

/// Shared by all operators of one execution.
pub struct RunState {
    pub exec: ExecContext,
    memory_used_bytes: AtomicUsize,
    budget: OnceLock<Budget>,
    /// Bytes of temporary files there are now.
    files_bytes: AtomicU64,
    /// Resolved label and property-key tokens, by slot: token + 1, or 0 while unknown.
    pub tokens: Vec<AtomicU32>,
    pub subqueries: Vec<Mutex<SubqueryCache>>,
    pub supplied: Mutex<Option<Box<dyn RowStream>>>,
    pub rows_affected: AtomicU64,
    /// Moves with every write of this statement; cached results of older epochs are not used.
    pub write_epoch: AtomicU64,
    pub measures: Option<Vec<Measure>>,
}

impl RunState {
    pub fn new(exec: ExecContext, sizes: RunSizes, supplied: Option<Box<dyn RowStream>>, measure: bool) -> RunState {
        RunState {
            exec,
            memory_used_bytes: AtomicUsize::new(0),
            budget: OnceLock::new(),
            files_bytes: AtomicU64::new(0),
            tokens: (0..sizes.token_count).map(|_| AtomicU32::new(0)).collect(),
            subqueries: (0..sizes.subquery_count).map(|_| Mutex::new(SubqueryCache::default())).collect(),
            supplied: Mutex::new(supplied),
            rows_affected: AtomicU64::new(0),
            write_epoch: AtomicU64::new(0),
            measures: measure.then(|| (0..sizes.node_count).map(|_| Measure::default()).collect()),
        }
    }

    pub fn transaction(&self) -> &Arc<Transaction> {
        &self.exec.transaction
    }

    /// A token by its slot: cached once it is known, looked up again while it is not (it may be made by a write).
    pub fn token(&self, slot: usize, look_up: impl FnOnce() -> Option<u32>) -> Option<u32> {
        let cell = &self.tokens[slot];
        match cell.load(Ordering::Relaxed) {
            0 => {
                let token = look_up()?;
                cell.store(token + 1, Ordering::Relaxed);
                Some(token)
            }
            known => Some(known - 1),
        }
    }

    pub fn note_write(&self) {
        self.write_epoch.fetch_add(1, Ordering::Relaxed);
    }

    pub fn check_cancel(&self) -> Result<()> {
        Ok(self.exec.cancel.check()?)
    }

    /// What an operator may hold before it moves rows to files.
    pub fn budget(&self) -> &Budget {
        self.budget.get_or_init(|| Budget::of_session(&self.exec.session, self.exec.memory_limit_bytes))
    }

    /// Bytes that all operators hold together.
    pub fn memory_used_bytes(&self) -> usize {
        self.memory_used_bytes.load(Ordering::Relaxed)
    }

    /// Bytes are about to be written to a temporary file. 53400 when that is too much.
    pub(crate) fn note_spilled(&self, bytes: u64) -> Result<()> {
        let files_bytes = self.files_bytes.fetch_add(bytes, Ordering::Relaxed) + bytes;
        match self.budget().files_bytes {
            Some(limit) if files_bytes > limit => Err(file_limit_exceeded(limit)),
            _ => Ok(()),
        }
    }

    /// A temporary file of this size is gone.
    pub(crate) fn note_file_removed(&self, bytes: u64) {
        let less = |files_bytes: u64| Some(files_bytes.saturating_sub(bytes));
        let _ = self.files_bytes.fetch_update(Ordering::Relaxed, Ordering::Relaxed, less);
    }

    fn reserve(&self, bytes: usize) -> Result<()> {
        let used = self.memory_used_bytes.fetch_add(bytes, Ordering::Relaxed).saturating_add(bytes);
        if used > self.exec.memory_limit_bytes {
            self.memory_used_bytes.fetch_sub(bytes, Ordering::Relaxed);
            return Err(self.out_of_memory());
        }
        Ok(())
    }

    pub(crate) fn out_of_memory(&self) -> QueryError {
        QueryError::new(sqlstate::OUT_OF_MEMORY, "out of memory").detail(format!(
            "The statement needs more than its limit of {} bytes for rows it has to keep.",
            self.exec.memory_limit_bytes
        ))
    }

    fn release(&self, bytes: usize) {
        self.memory_used_bytes.fetch_sub(bytes, Ordering::Relaxed);
    }
}

/// Memory that an operator holds; given back when dropped.
pub struct Reservation {
    run: Arc<RunState>,
    bytes: usize,
}

impl Reservation {
    pub fn new(run: &Arc<RunState>) -> Reservation {
        Reservation { run: Arc::clone(run), bytes: 0 }
    }

    /// 53200 above the statement's limit.
    pub fn grow(&mut self, bytes: usize) -> Result<()> {
        self.run.reserve(bytes)?;
        self.bytes += bytes;
        Ok(())
    }

    /// Gives some of it back.
    pub fn shrink(&mut self, bytes: usize) {
        let bytes = bytes.min(self.bytes);
        self.run.release(bytes);
        self.bytes -= bytes;
    }

    /// Gives all of it back.
    pub fn clear(&mut self) {
        self.shrink(self.bytes);
    }

    pub fn bytes(&self) -> usize {
        self.bytes
    }

    pub fn run(&self) -> &RunState {
        &self.run
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        self.run.release(self.bytes);
    }
}

/// What an operator is opened with: the run, the outer row its subplan reads, the CTEs in scope.
#[derive(Clone)]
pub struct Cx {
    pub run: Arc<RunState>,
    pub outer: Arc<[Value]>,
    pub ctes: Option<Arc<CteFrame>>,
    /// The part of the one table below that is to be read; None: all of it.
    pub morsel: Option<Morsel>,
    /// The operator that is opened, when it is measured.
    pub node_id: Option<usize>,
}

impl Cx {
    pub fn new(run: Arc<RunState>) -> Cx {
        Cx { run, outer: Arc::new([]), ctes: None, morsel: None, node_id: None }
    }

    pub fn with_outer(&self, outer: Vec<Value>) -> Cx {
        Cx { outer: outer.into(), morsel: None, ..self.clone() }
    }

    pub fn with_cte(&self, frame: CteFrame) -> Cx {
        Cx { ctes: Some(Arc::new(frame)), morsel: None, ..self.clone() }
    }

    pub fn with_morsel(&self, morsel: Morsel) -> Cx {
        Cx { morsel: Some(morsel), ..self.clone() }
    }

    /// What the operator used, for EXPLAIN ANALYZE: the most of all its openings.
    pub fn note_usage(&self, usage: Usage) {
        let Some(measures) = &self.run.measures else { return };
        let Some(measure) = self.node_id.and_then(|id| measures.get(id)) else { return };
        let mut known = measure.usage.lock();
        *known = Some(match *known {
            None => usage,
            Some(known) => Usage {
                sort_method: usage.sort_method.or(known.sort_method),
                memory_bytes: usage.memory_bytes.max(known.memory_bytes),
                disk_bytes: usage.disk_bytes.max(known.disk_bytes),
                batch_count: usage.batch_count.max(known.batch_count),
            },
        });
    }

    pub fn eval_context(&self) -> EvalContext<'_> {
        EvalContext::new(&self.run.exec)
    }

    pub fn transaction(&self) -> &Arc<Transaction> {
        &self.run.exec.transaction
    }

    pub fn check_cancel(&self) -> Result<()> {
        self.run.check_cancel()
    }

    /// The innermost frame of a CTE.
    pub fn cte(&self, id: CteId) -> Result<Arc<CteFrame>> {
        let mut frame = self.ctes.as_ref();
        while let Some(current) = frame {
            if current.id == id {
                return Ok(Arc::clone(current));
            }
            frame = current.parent.as_ref();
        }
        Err(QueryError::internal(format!("common table expression {} is not in scope", id.0)))
    }
}

/// One CTE in scope. Its rows are computed on first use, those of a recursive one round by round as far as they are read,
/// and shared by all scans.
pub struct CteFrame {
    pub id: CteId,
    pub parent: Option<Arc<CteFrame>>,
    state: Mutex<CteState>,
}

enum CteState {
    Pending {
        definition: Arc<Node>,
        columns: Vec<usize>,
        cx: Cx,
    },
    Running,
    /// A recursive one: what its rounds have given so far.
    Growing {
        rounds: Box<Rounds>,
        batches: Buffer,
        finished: bool,
    },
    /// One round of a recursive one.
    Round(Vec<Batch>),
    Ready(Buffer),
}

impl CteFrame {
    pub fn pending(id: CteId, definition: Arc<Node>, columns: Vec<usize>, cx: &Cx) -> CteFrame {
        let state = Mutex::new(CteState::Pending { definition, columns, cx: cx.clone() });
        CteFrame { id, parent: cx.ctes.clone(), state }
    }

    pub fn round(id: CteId, parent: Option<Arc<CteFrame>>, batches: Vec<Batch>) -> CteFrame {
        CteFrame { id, parent, state: Mutex::new(CteState::Round(batches)) }
    }

    pub fn growing(id: CteId, cx: &Cx, rounds: Rounds) -> CteFrame {
        let state = CteState::Growing { rounds: Box::new(rounds), batches: Buffer::new(cx), finished: false };
        CteFrame { id, parent: cx.ctes.clone(), state: Mutex::new(state) }
    }

    /// The batch at a position; runs as much of the definition as it takes.
    pub fn batch(&self, position: usize) -> Result<Option<Batch>> {
        {
            // Held while a round runs: the round reads a frame of its own, never this one.
            let mut state = self.state.lock();
            match &mut *state {
                CteState::Growing { rounds, batches, finished } => {
                    while batches.len() <= position && !*finished {
                        let round = rounds.next_round()?;
                        *finished = round.is_empty();
                        round.into_iter().try_for_each(|batch| batches.push(batch))?;
                    }
                    return batches.get(position);
                }
                CteState::Round(batches) => return Ok(batches.get(position).cloned()),
                CteState::Ready(batches) => return batches.get(position),
                CteState::Pending { .. } | CteState::Running => {}
            }
        }
        self.compute()?;
        match &*self.state.lock() {
            CteState::Ready(batches) => batches.get(position),
            _ => Err(QueryError::internal("a common table expression was not computed")),
        }
    }

    /// Runs the definition of one that is not recursive, when nobody did.
    pub fn compute(&self) -> Result<()> {
        let pending = {
            let mut state = self.state.lock();
            match &*state {
                CteState::Ready(_) | CteState::Round(_) => return Ok(()),
                CteState::Growing { .. } => {
                    return Err(QueryError::internal("a recursive common table expression is read batch by batch"));
                }
                CteState::Running => {
                    return Err(QueryError::internal("a common table expression reads itself while it is computed"));
                }
                CteState::Pending { .. } => std::mem::replace(&mut *state, CteState::Running),
            }
        };
        let CteState::Pending { definition, columns, cx } = pending else {
            return Err(QueryError::internal("common table expression lost its definition"));
        };
        let mut batches = Buffer::new(&cx);
        let mut operator = definition.open(&cx)?;
        while let Some(batch) = operator.next()? {
            batches.push(batch.select(&columns))?;
        }
        *self.state.lock() = CteState::Ready(batches);
        Ok(())
    }
}
