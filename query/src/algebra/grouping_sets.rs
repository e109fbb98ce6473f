//! GROUP BY with several grouping sets.

use super::{Expr, Plan, VarId};

/// Gives each row once for every grouping set, for an aggregation above that groups by the keys and the set's number. Output
/// is the input's columns, the keys, the number, and `counted`.
#[derive(Clone, Debug)]
pub struct GroupingSets {
    pub input: Plan,
    pub keys: Vec<(VarId, Expr)>,
    /// For each set, which of the keys are in it; the others are NULL.
    pub sets: Vec<Vec<bool>>,
    pub number: VarId,
    /// Set when a grouping set is empty: it has one group, even of no rows. Without input rows each such set gets one row
    /// for which this is false, which aggregates must not count.
    pub counted: Option<VarId>,
}
