//! Physical plan nodes and the operators they open.

use std::any::Any;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Instant;

use sinew_storage::DataType;

use super::run::{Cx, RunState};
use crate::algebra::VarId;
use crate::batch::Batch;
use crate::error::Result;

/// Which variable each output column carries.
#[derive(Clone, Debug)]
pub struct Layout {
    pub vars: Vec<VarId>,
    pub types: Arc<[DataType]>,
}

impl Layout {
    pub fn position(&self, var: VarId) -> Option<usize> {
        self.vars.iter().position(|known| *known == var)
    }

    pub fn len(&self) -> usize {
        self.vars.len()
    }

    pub fn is_empty(&self) -> bool {
        self.vars.is_empty()
    }
}

/// One operator of a compiled plan. Immutable, shared by concurrent executions.
pub struct Node {
    pub id: usize,
    pub layout: Arc<Layout>,
    pub physical: Arc<dyn Physical>,
    pub estimated_rows: f64,
    /// It or something below it writes.
    pub writes: bool,
    /// It or something below it reads stored rows, nodes or relationships.
    pub reads_store: bool,
    /// Conditions and keys, as EXPLAIN prints them below the operator.
    pub details: Vec<String>,
}

impl Node {
    /// The compiled operator, if it is of this kind.
    pub fn physical_as<P: Physical + Any>(&self) -> Option<Arc<P>> {
        let physical: Arc<dyn Any + Send + Sync> = Arc::clone(&self.physical).into_any();
        physical.downcast::<P>().ok()
    }

    pub fn open(&self, cx: &Cx) -> Result<Box<dyn Operator>> {
        cx.check_cancel()?;
        let Some(measures) = &cx.run.measures else {
            return Arc::clone(&self.physical).open(cx);
        };
        let begin = Instant::now();
        let inner = Arc::clone(&self.physical).open(&Cx { node_id: Some(self.id), ..cx.clone() })?;
        let measure = &measures[self.id];
        // The parts of a table read side by side are one loop.
        if cx.morsel.is_none_or(|morsel| morsel.number == 0) {
            measure.open_count.fetch_add(1, Ordering::Relaxed);
        }
        let opening_ns = nanoseconds_since(begin);
        measure.elapsed_ns.fetch_add(opening_ns, Ordering::Relaxed);
        measure.first_ns.fetch_add(opening_ns, Ordering::Relaxed);
        Ok(Box::new(Measured { inner, id: self.id, run: Arc::clone(&cx.run), is_first: true }))
    }
}

fn nanoseconds_since(begin: Instant) -> u64 {
    u64::try_from(begin.elapsed().as_nanos()).unwrap_or(u64::MAX)
}

/// What an operator is compiled to: everything that does not change from run to run.
pub trait Physical: IntoAny + Send + Sync {
    fn open(self: Arc<Self>, cx: &Cx) -> Result<Box<dyn Operator>>;

    /// Name and particulars, as EXPLAIN prints them.
    fn describe(&self) -> String;

    fn children(&self) -> Vec<&Arc<Node>> {
        Vec::new()
    }
}

/// Lets the short path recognise operators by their type.
pub trait IntoAny {
    fn into_any(self: Arc<Self>) -> Arc<dyn Any + Send + Sync>;
}

impl<P: Physical + Any> IntoAny for P {
    fn into_any(self: Arc<Self>) -> Arc<dyn Any + Send + Sync> {
        self
    }
}

/// A running operator.
pub trait Operator: Send {
    /// None at the end, and again when asked again. Batches are not empty.
    fn next(&mut self) -> Result<Option<Batch>>;
}

struct Measured {
    inner: Box<dyn Operator>,
    id: usize,
    run: Arc<RunState>,
    /// Nothing was asked for yet.
    is_first: bool,
}

impl Operator for Measured {
    fn next(&mut self) -> Result<Option<Batch>> {
        let begin = Instant::now();
        let result = self.inner.next();
        if let Some(measure) = self.run.measures.as_ref().and_then(|measures| measures.get(self.id)) {
            let elapsed_ns = nanoseconds_since(begin);
            measure.elapsed_ns.fetch_add(elapsed_ns, Ordering::Relaxed);
            if std::mem::take(&mut self.is_first) {
                measure.first_ns.fetch_add(elapsed_ns, Ordering::Relaxed);
            }
            if let Ok(Some(batch)) = &result {
                measure.row_count.fetch_add(batch.row_count as u64, Ordering::Relaxed);
            }
        }
        result
    }
}
