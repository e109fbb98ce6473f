//! Window functions that are no aggregates: what they are called and take. The executor computes them over partitions.

use std::fmt;

use sinew_storage::DataType;

use super::registry::Table;

/// A window function of fixed argument types.
pub struct WindowFunction {
    pub name: &'static str,
    pub oid: u32,
    pub kind: WindowKind,
}

impl fmt::Debug for WindowFunction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WindowKind {
    RowNumber,
    Rank,
    DenseRank,
    PercentRank,
    CumeDist,
    Ntile,
    Lag,
    Lead,
    FirstValue,
    LastValue,
    NthValue,
}

impl WindowKind {
    /// Whether the function looks at its frame; the others look at the whole partition.
    pub fn uses_frame(self) -> bool {
        matches!(self, WindowKind::FirstValue | WindowKind::LastValue | WindowKind::NthValue)
    }
}

/// What resolution found.
#[derive(Clone, Debug)]
pub struct ResolvedWindow {
    pub function: std::sync::Arc<WindowFunction>,
    pub args: Vec<DataType>,
    pub returns: DataType,
}

pub(super) fn register(t: &mut Table) {
    t.window("row_number() -> int8", 3100, WindowKind::RowNumber);
    t.window("rank() -> int8", 3101, WindowKind::Rank);
    t.window("dense_rank() -> int8", 3102, WindowKind::DenseRank);
    t.window("percent_rank() -> float8", 3103, WindowKind::PercentRank);
    t.window("cume_dist() -> float8", 3104, WindowKind::CumeDist);
    t.window("ntile(int4) -> int4", 3105, WindowKind::Ntile);
    t.window("lag(anyelement) -> anyelement", 3106, WindowKind::Lag);
    t.window("lag(anyelement, int4) -> anyelement", 3107, WindowKind::Lag);
    t.window("lag(anycompatible, int4, anycompatible) -> anycompatible", 3108, WindowKind::Lag);
    t.window("lead(anyelement) -> anyelement", 3109, WindowKind::Lead);
    t.window("lead(anyelement, int4) -> anyelement", 3110, WindowKind::Lead);
    t.window("lead(anycompatible, int4, anycompatible) -> anycompatible", 3111, WindowKind::Lead);
    t.window("first_value(anyelement) -> anyelement", 3112, WindowKind::FirstValue);
    t.window("last_value(anyelement) -> anyelement", 3113, WindowKind::LastValue);
    t.window("nth_value(anyelement, int4) -> anyelement", 3114, WindowKind::NthValue);
}
